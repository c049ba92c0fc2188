//! Reads the YAML of a frontmatter as a tree with byte ranges, refusing what is too deep, too much or too clever. Edits nothing.

use std::collections::HashSet;
use std::ops::Range;

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, Span, StrInput, StructureStyle, Tag, options};

use super::value::Value;
use super::{DEPTH_MAX, VALUES_MAX};
use crate::core::diagnostic::Code;
use crate::core::name::visible;

/// Why a frontmatter is refused, at a byte of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) code: Code,
    pub(super) at: usize,
    pub(super) message: String,
    pub(super) hint: &'static str,
}

/// A key with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_span: Range<usize>,
    pub(super) value: Node,
}

/// A value with its place. The range of a block collection ends with its last value, that of a literal may hold blank lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) span: Range<usize>,
    pub(super) kind: NodeKind,
}

/// How a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Single,
    Double,
    Literal,
    Folded,
}

/// What a value is and how it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NodeKind {
    Scalar { text: String, style: Style },
    List { flow: bool, items: Vec<Node> },
    Map { flow: bool, entries: Vec<Entry> },
}

/// The top of a frontmatter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Root {
    /// Written as `{...}`.
    pub(super) flow: bool,
    /// Where the map stands.
    pub(super) span: Range<usize>,
    pub(super) entries: Vec<Entry>,
}

impl Node {
    /// The value without its place.
    pub(super) fn into_value(self) -> Value {
        match self.kind {
            NodeKind::Scalar { text, style } => Value::Scalar { text, plain: style == Style::Plain },
            NodeKind::List { items, .. } => Value::List(items.into_iter().map(Self::into_value).collect()),
            NodeKind::Map { entries, .. } => Value::Map(values(entries)),
        }
    }
}

/// Keys and values without their places.
pub(super) fn values(entries: Vec<Entry>) -> Vec<(String, Value)> {
    entries.into_iter().map(|entry| (entry.key, entry.value.into_value())).collect()
}

/// Reads YAML that starts at byte `base` of its file. Nothing but comments is an empty map.
pub(super) fn scan(yaml: &str, base: usize) -> Result<Root, Fault> {
    let options = options! {
        disallow_directives: true,
        emit_comments: false,
        flow_nesting_limit: DEPTH_MAX,
        block_nesting_limit: DEPTH_MAX,
    };
    let parser = Parser::new_from_str_with_options(yaml, options);
    Scanner { yaml, base, parser, values: 0 }.root()
}

struct Scanner<'a> {
    yaml: &'a str,
    base: usize,
    parser: Parser<'a, StrInput<'a>>,
    values: usize,
}

type Met<'a> = (Event<'a>, Range<usize>);

impl<'a> Scanner<'a> {
    fn root(mut self) -> Result<Root, Fault> {
        let (mut event, mut span) = self.next()?;
        while matches!(event, Event::StreamStart | Event::DocumentStart(..)) {
            (event, span) = self.next()?;
        }
        if matches!(event, Event::StreamEnd) {
            return Ok(Root::default());
        }
        let node = self.node((event, span.clone()), 1)?;
        let root = match node.kind {
            NodeKind::Map { flow, entries } => Root { flow, span: node.span, entries },
            // An empty document (`--- # nothing`) is an empty map.
            NodeKind::Scalar { ref text, style: Style::Plain } if text.is_empty() => Root::default(),
            NodeKind::Scalar { .. } | NodeKind::List { .. } => {
                let hint = "write one `key: value` to a line between the `---` lines";
                return self.fault(Code::NotAMap, span.start, "the frontmatter is not a map of keys", hint);
            }
        };
        self.end()?;
        Ok(root)
    }

    /// Only the end may follow the root.
    fn end(&mut self) -> Result<(), Fault> {
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => return Ok(()),
                Event::DocumentEnd if span.is_empty() => {}
                _ => {
                    let message = "a second YAML document begins or the first is ended by `...`";
                    let hint = "keep one map between the two `---` lines";
                    return self.fault(Code::UnsupportedYaml, span.start, message, hint);
                }
            }
        }
    }

    fn next(&mut self) -> Result<Met<'a>, Fault> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => {
                let range = span.byte_range().unwrap_or(self.yaml.len()..self.yaml.len());
                let range = self.base + range.start..self.base + range.end;
                self.check_properties(&event, &span, &range)?;
                Ok((event, range))
            }
            Some(Err(error)) => Err(self.syntax(&error)),
            None => Ok((Event::StreamEnd, self.base + self.yaml.len()..self.base + self.yaml.len())),
        }
    }

    /// Anchors, aliases and tags change what a text means elsewhere: none is accepted.
    fn check_properties(&self, event: &Event<'_>, span: &Span, range: &Range<usize>) -> Result<(), Fault> {
        let (anchor, tag): (usize, Option<&Tag>) = match event {
            Event::Alias(_) => {
                return self.fault(Code::AnchorOrAlias, range.start, "an alias `*name` is not accepted", NO_ANCHORS);
            }
            Event::Scalar(_, _, anchor, tag)
            | Event::SequenceStart(_, anchor, tag)
            | Event::MappingStart(_, anchor, tag) => (*anchor, tag.as_deref()),
            _ => return Ok(()),
        };
        if anchor != 0 {
            let at = self.yaml[..range.start - self.base].rfind('&').map_or(range.start, |at| self.base + at);
            return self.fault(Code::AnchorOrAlias, at, "an anchor `&name` is not accepted", NO_ANCHORS);
        }
        if let Some(tag) = tag {
            let at = span.tag_start.and_then(|mark| mark.byte_offset()).map_or(range.start, |at| self.base + at);
            let message = format!("the tag `{}` is not accepted", visible(&tag.original()));
            return self.fault(Code::UnsupportedYaml, at, message, "remove the tag; quote the value to make it a text");
        }
        Ok(())
    }

    fn node(&mut self, (event, span): Met<'a>, depth: usize) -> Result<Node, Fault> {
        self.values += 1;
        if self.values > VALUES_MAX {
            let message = format!("more than {VALUES_MAX} values");
            return self.fault(
                Code::TooManyValues,
                span.start,
                message,
                "move bulk data into the body or another file",
            );
        }
        if depth > DEPTH_MAX && !matches!(event, Event::Scalar(..)) {
            return self.fault(Code::TooDeep, span.start, too_deep(), FLATTEN);
        }
        match event {
            Event::Scalar(text, style, ..) => {
                // An absent value is an empty text; the parser shows it as `~` without an extent.
                let text = if span.is_empty() { String::new() } else { text.into_owned() };
                Ok(Node { span, kind: NodeKind::Scalar { text, style: style_of(style) } })
            }
            Event::SequenceStart(style, ..) => self.list(span, style, depth),
            Event::MappingStart(style, ..) => self.map(span, style, depth),
            _ => self.fault(Code::YamlSyntax, span.start, "not valid YAML: a value is missing", ONE_TO_A_LINE),
        }
    }

    fn list(&mut self, span: Range<usize>, style: StructureStyle, depth: usize) -> Result<Node, Fault> {
        let flow = style == StructureStyle::Flow;
        let mut items: Vec<Node> = Vec::new();
        loop {
            let (event, range) = self.next()?;
            if matches!(event, Event::SequenceEnd) {
                let end = if flow { range.end } else { items.last().map_or(span.end, |item| item.span.end) };
                return Ok(Node { span: span.start..end, kind: NodeKind::List { flow, items } });
            }
            items.push(self.node((event, range), depth + 1)?);
        }
    }

    fn map(&mut self, span: Range<usize>, style: StructureStyle, depth: usize) -> Result<Node, Fault> {
        let flow = style == StructureStyle::Flow;
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let (event, range) = self.next()?;
            match event {
                Event::MappingEnd => {
                    self.refuse_duplicates(&entries)?;
                    let end =
                        if flow { range.end } else { entries.last().map_or(span.end, |last| last.value.span.end) };
                    return Ok(Node { span: span.start..end, kind: NodeKind::Map { flow, entries } });
                }
                Event::Scalar(key, ..) if !range.is_empty() && !key.is_empty() => {
                    let met = self.next()?;
                    let value = self.node(met, depth + 1)?;
                    entries.push(Entry { key: key.into_owned(), key_span: range, value });
                }
                _ => {
                    let message = "a key is empty or not a plain text";
                    return self.fault(Code::UnsupportedYaml, range.start, message, ONE_TO_A_LINE);
                }
            }
        }
    }

    fn refuse_duplicates(&self, entries: &[Entry]) -> Result<(), Fault> {
        /// Up to here comparing each with each is quicker than hashing.
        const FEW: usize = 16;
        let twice = if entries.len() <= FEW {
            entries.iter().enumerate().find(|(i, entry)| entries[..*i].iter().any(|other| other.key == entry.key))
        } else {
            let mut seen = HashSet::with_capacity(entries.len());
            entries.iter().enumerate().find(|(_, entry)| !seen.insert(entry.key.as_str()))
        };
        match twice {
            None => Ok(()),
            Some((_, entry)) => {
                let message = format!("the key `{}` stands twice", visible(&entry.key));
                self.fault(Code::DuplicateKey, entry.key_span.start, message, "keep one of the two")
            }
        }
    }

    fn syntax(&self, error: &ScanError) -> Fault {
        let at = self.base + error.marker().byte_offset().unwrap_or(self.yaml.len()).min(self.yaml.len());
        let (code, message, hint) = explained(error.kind());
        Fault { code, at, message, hint }
    }

    fn fault<T>(&self, code: Code, at: usize, message: impl Into<String>, hint: &'static str) -> Result<T, Fault> {
        let at = at.min(self.base + self.yaml.len());
        Err(Fault { code, at, message: message.into(), hint })
    }
}

const NO_ANCHORS: &str = "write the value out, or put it in quotes if it is a text";
const ONE_TO_A_LINE: &str = "write one `key: value` to a line; put unusual texts in double quotes";

/// A parser's error in words that say what to do. Only the frequent ones are worth their own.
fn explained(kind: &ErrorKind) -> (Code, String, &'static str) {
    let syntax = |message: &str, hint| (Code::YamlSyntax, format!("not valid YAML: {message}"), hint);
    match kind {
        ErrorKind::RecursionLimitExceeded => (Code::TooDeep, too_deep(), FLATTEN),
        ErrorKind::UnknownAnchor => (Code::AnchorOrAlias, "an alias `*name` is not accepted".to_owned(), NO_ANCHORS),
        ErrorKind::DirectiveDisallowed => (
            Code::UnsupportedYaml,
            "a directive `%...` is not accepted".to_owned(),
            "delete the line, or quote the text",
        ),
        ErrorKind::MappingValueNotAllowed => syntax(
            "a second `: ` in the line, or a key indented deeper than the one above",
            "put the value in double quotes, or align the key",
        ),
        ErrorKind::UnexpectedCharacter { character } => syntax(
            &format!("`{}` cannot begin a value without quotes", visible(&character.to_string())),
            "put the value in double quotes",
        ),
        ErrorKind::UnclosedQuotedScalar => syntax("the quote is not closed", "close the quote"),
        ErrorKind::UnclosedFlowCollection { open } => {
            syntax(&format!("`{open}` is not closed"), "close the bracket, or put the value in double quotes")
        }
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabInPlainScalar => syntax("a tab in the indent", "indent with blanks, not with tabs"),
        kind => syntax(&visible(&kind.to_string()), ONE_TO_A_LINE),
    }
}

const FLATTEN: &str = "flatten the value or move it into the body";

fn too_deep() -> String {
    format!("nested deeper than {DEPTH_MAX} levels")
}

fn style_of(style: ScalarStyle) -> Style {
    match style {
        ScalarStyle::Plain => Style::Plain,
        ScalarStyle::SingleQuoted => Style::Single,
        ScalarStyle::DoubleQuoted => Style::Double,
        ScalarStyle::Literal => Style::Literal,
        ScalarStyle::Folded => Style::Folded,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_values_and_ranges_are_read() {
        let yaml = "a: 'x' # c\nb:\n  - 1\n  -\nc: {d: [e]}\nf:\n";
        let root = scan(yaml, 0).expect("valid");
        let keys: Vec<_> = root.entries.iter().map(|entry| entry.key.as_str()).collect();
        assert_eq!(keys, ["a", "b", "c", "f"]);
        assert_eq!(&yaml[root.entries[0].value.span.clone()], "'x'");
        assert_eq!(&yaml[root.entries[2].value.span.clone()], "{d: [e]}");
        assert!(root.entries[3].value.span.is_empty());
        assert_eq!(root.entries[1].value.clone().into_value(), Value::List(vec![Value::plain("1"), Value::plain("")]));
        assert_eq!(scan("# nothing\n", 0), Ok(Root::default()));
        assert_eq!(scan("", 0), Ok(Root::default()));
    }

    #[test]
    fn what_is_too_clever_is_refused_at_its_place() {
        let deep_flow = format!("a: {}", "[".repeat(20_000));
        let deep_block = (0..200).map(|i| " ".repeat(i) + "k:\n").collect::<String>();
        let many = format!("a: [{}]", "1,".repeat(VALUES_MAX));
        for (yaml, code, at) in [
            ("a: &x 1\n", Code::AnchorOrAlias, 3),
            ("a: *x\n", Code::AnchorOrAlias, 3),
            ("a: &x\n  b: 1\n", Code::AnchorOrAlias, 3),
            ("a: !!str 1\n", Code::UnsupportedYaml, 3),
            ("%YAML 1.2\n---\na: 1\n", Code::UnsupportedYaml, 0),
            ("a: 1\n...\n", Code::UnsupportedYaml, 5),
            ("? [a]\n: b\n", Code::UnsupportedYaml, 2),
            (": b\n", Code::UnsupportedYaml, 0),
            ("a: 1\nb: 2\na: 3\n", Code::DuplicateKey, 10),
            ("a:\n  b: 1\n  b: 2\n", Code::DuplicateKey, 12),
            ("a: {b: 1, b: 2}\n", Code::DuplicateKey, 10),
            ("- a\n", Code::NotAMap, 0),
            ("text\n", Code::NotAMap, 0),
            ("a: b: c\n", Code::YamlSyntax, 4),
            ("a: @x\n", Code::YamlSyntax, 3),
            (&deep_flow, Code::TooDeep, 35),
            (&deep_block, Code::TooDeep, 624),
            (&many, Code::TooManyValues, 20_000),
        ] {
            let fault = scan(yaml, 0).expect_err(yaml);
            assert_eq!((fault.code, fault.at), (code, at), "{}", &yaml[..yaml.len().min(40)]);
        }
    }
}
