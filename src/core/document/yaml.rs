//! A YAML file that is no document, such as the definition of a workflow: a map of keys whose values know their places. The
//! same YAML as in a frontmatter, with the same limits.

use std::ops::Range;

use super::FRONTMATTER_BYTES_MAX;
use super::scan::{self, Entry, Node, NodeKind, Style};
use super::value::Value;
use crate::core::diagnostic::{Code, Diagnostic, Place};

/// A value with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct YamlNode {
    /// Its bytes in the file.
    pub span: Range<usize>,
    /// What it is.
    pub kind: YamlKind,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum YamlKind {
    /// One text, with its type.
    Scalar(Value),
    /// A list.
    List(Vec<YamlNode>),
    /// A map, in file order.
    Map(Vec<YamlEntry>),
}

/// A key with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct YamlEntry {
    /// The key, quotes resolved.
    pub key: String,
    /// The bytes of the key in the file.
    pub key_span: Range<usize>,
    /// The value.
    pub value: YamlNode,
}

impl YamlNode {
    /// Returns the value without places.
    #[must_use]
    pub fn value(&self) -> Value {
        match &self.kind {
            YamlKind::Scalar(value) => value.clone(),
            YamlKind::List(items) => Value::List(items.iter().map(Self::value).collect()),
            YamlKind::Map(entries) => {
                Value::Map(entries.iter().map(|entry| (entry.key.clone(), entry.value.value())).collect())
            }
        }
    }

    /// Returns the text of a scalar.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        if let YamlKind::Scalar(value) = &self.kind { value.as_text() } else { None }
    }

    /// Returns the entries of a map.
    #[must_use]
    pub fn entries(&self) -> Option<&[YamlEntry]> {
        if let YamlKind::Map(entries) = &self.kind { Some(entries) } else { None }
    }

    /// Returns the items of a list.
    #[must_use]
    pub fn items(&self) -> Option<&[Self]> {
        if let YamlKind::List(items) = &self.kind { Some(items) } else { None }
    }
}

impl From<Node> for YamlNode {
    fn from(node: Node) -> Self {
        let kind = match node.kind {
            NodeKind::Scalar { text, style } => YamlKind::Scalar(Value::Scalar { text, plain: style == Style::Plain }),
            NodeKind::List { items, .. } => YamlKind::List(items.into_iter().map(Self::from).collect()),
            NodeKind::Map { entries, .. } => YamlKind::Map(entries.into_iter().map(YamlEntry::from).collect()),
        };
        Self { span: node.span, kind }
    }
}

impl From<Entry> for YamlEntry {
    fn from(entry: Entry) -> Self {
        Self { key: entry.key, key_span: entry.key_span, value: entry.value.into() }
    }
}

/// Reads a YAML file.
///
/// # Errors
/// A finding with its place, for what is no map of keys, too large, too deep, or not accepted in a frontmatter.
pub fn read_yaml(text: &str) -> Result<Vec<YamlEntry>, Box<Diagnostic>> {
    let finding = |code, message: String, at: usize, hint: &str| {
        Box::new(Diagnostic::error(code, message).at(Place::of(text.as_bytes(), at)).hint(hint))
    };
    if text.len() > FRONTMATTER_BYTES_MAX {
        let message = format!("the file is larger than {} KiB", FRONTMATTER_BYTES_MAX / 1024);
        return Err(finding(
            Code::FrontmatterTooBig,
            message,
            FRONTMATTER_BYTES_MAX,
            "move bulk data into another file",
        ));
    }
    match scan::scan(text, 0) {
        Ok(root) => Ok(root.entries.into_iter().map(YamlEntry::from).collect()),
        Err(fault) => {
            let message = fault.message.replace("the frontmatter", "the file");
            Err(finding(fault.code, message, fault.at, fault.hint))
        }
    }
}
