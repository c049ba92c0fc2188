//! Bytes ↔ [`Document`], losslessly: frontmatter, body, edits of byte ranges. Never reads or writes a file, never reformats.
//!
//! Read in this order: `guard` (what no parser may see), `fence` (where the frontmatter lies), `scan` (its YAML), `value`
//! (its values), `body` (the markdown), `edit` (every change).

mod body;
mod edit;
mod fence;
mod guard;
mod layout;
mod lost_fence;
mod scan;
mod value;
mod yaml;

use std::ops::Range;
use std::sync::{Arc, OnceLock};

pub use body::{BodyWord, Bullet, DocumentBody, Label, Note, OpenBlock, Section, Skeleton, Step, WordMark};
pub use edit::{DESCRIPTION_BYTES_MAX, DocumentEdit, EditError, JSON_DEPTH_MAX, Mark, json_fault};
pub(crate) use guard::marker as conflict_marker;
pub use lost_fence::LostFence;
pub use value::Value;
pub use yaml::{YamlEntry, YamlKind, YamlNode, read_yaml};

use crate::core::diagnostic::{Code, Diagnostic, Place};
use body::BodyStructure;
use fence::{Fence, Split};

/// Largest file that is read, in bytes.
pub const FILE_BYTES_MAX: usize = 1024 * 1024;
/// Largest frontmatter that is read, in bytes between the fences.
pub const FRONTMATTER_BYTES_MAX: usize = 64 * 1024;
/// Deepest nesting of lists and maps in a frontmatter, the frontmatter itself counted as the first level.
pub const DEPTH_MAX: usize = 32;
/// Most values (scalars, lists and maps together) in a frontmatter.
pub const VALUES_MAX: usize = 10_000;
/// Most bytes of markup (line breaks and the marks of markdown) in a body.
pub const MARKUP_MAX: usize = 256 * 1024;
/// Largest JSON text of a section, in bytes.
pub const JSON_BYTES_MAX: usize = 512 * 1024;

/// A markdown file with its bytes as they are. Cheap to clone; two are equal if their bytes are.
#[derive(Debug, Clone)]
pub struct Document {
    whole: Arc<Whole>,
}

/// What was read of a file, or what is to be read when somebody asks.
#[derive(Debug)]
struct Whole {
    later: Option<Later>,
    inner: OnceLock<Inner>,
}

/// A part of shared bytes.
#[derive(Debug)]
struct Later {
    shared: Arc<[u8]>,
    part: Range<usize>,
}

#[derive(Debug)]
struct Inner {
    content: Content,
    faults: Vec<Diagnostic>,
    fence: Option<Fence>,
    body: Range<usize>,
    fields: Vec<Field>,
    structure: OnceLock<BodyStructure>,
}

#[derive(Debug)]
enum Content {
    Text(Box<str>),
    Raw(Arc<[u8]>),
}

/// A top-level key of the frontmatter with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The key, quotes resolved.
    pub key: String,
    /// The value.
    pub value: Value,
    /// Where the key stands, as a byte range of the file.
    pub key_span: Range<usize>,
    /// Where the value stands, as a byte range of the file; empty, right behind the colon, if there is none.
    pub value_span: Range<usize>,
}

impl Document {
    /// Takes the bytes of a file. Never fails: what cannot be read is told by [`Document::faults`].
    #[must_use]
    pub fn parse(bytes: impl Into<Arc<[u8]>>) -> Self {
        let bytes: Arc<[u8]> = bytes.into();
        let inner = match guard::text(&bytes) {
            Ok(text) => Inner::read(text),
            Err(fault) => Inner::unread(Content::Raw(bytes), fault),
        };
        Self { whole: Arc::new(Whole { later: None, inner: OnceLock::from(inner) }) }
    }

    /// A document whose file cannot be read at all, or whose text is not for us: it has no bytes, and this fault.
    #[must_use]
    pub fn unavailable(fault: Diagnostic) -> Self {
        let inner = Inner::unread(Content::Raw(Arc::from([])), fault);
        Self { whole: Arc::new(Whole { later: None, inner: OnceLock::from(inner) }) }
    }

    /// Returns true if the file could not be read at all, so that the document says nothing about its bytes.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        self.faults().iter().any(|fault| matches!(fault.code, Code::CannotBeRead | Code::LeftToGit))
    }

    /// The same of a part of shared bytes, but it is read when somebody asks for more than its bytes. A part that is not
    /// there is empty.
    #[must_use]
    pub fn later(shared: &Arc<[u8]>, part: Range<usize>) -> Self {
        let part = if shared.get(part.clone()).is_some() { part } else { 0..0 };
        let later = Some(Later { shared: Arc::clone(shared), part });
        Self { whole: Arc::new(Whole { later, inner: OnceLock::new() }) }
    }

    /// The same file without what was read of it: less memory for who keeps many and looks at few.
    #[must_use]
    pub fn unread(&self) -> Self {
        match &self.whole.later {
            Some(Later { shared, part }) => Self::later(shared, part.clone()),
            None => Self::later(&Arc::from(self.bytes()), 0..self.bytes().len()),
        }
    }

    fn inner(&self) -> &Inner {
        self.whole.inner.get_or_init(|| {
            let bytes = self.source().unwrap_or_default();
            match guard::text(bytes) {
                Ok(text) => Inner::read(text),
                Err(fault) => Inner::unread(Content::Raw(Arc::from(bytes)), fault),
            }
        })
    }

    /// The bytes of what is to be read later.
    fn source(&self) -> Option<&[u8]> {
        self.whole.later.as_ref().map(|later| &later.shared[later.part.clone()])
    }

    /// Every byte of the file.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        if let Some(bytes) = self.source() {
            return bytes;
        }
        match &self.inner().content {
            Content::Text(text) => text.as_bytes(),
            Content::Raw(bytes) => bytes,
        }
    }

    /// The file as text; empty if it is too big, not UTF-8 or holds a NUL byte.
    #[must_use]
    pub fn text(&self) -> &str {
        match &self.inner().content {
            Content::Text(text) => text,
            Content::Raw(_) => "",
        }
    }

    /// Why the file cannot be read, each with its place; empty if it can.
    #[must_use]
    pub fn faults(&self) -> &[Diagnostic] {
        &self.inner().faults
    }

    /// Tells whether the file can be read.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        self.inner().faults.is_empty()
    }

    /// Tells whether the file has a frontmatter, readable or not.
    #[must_use]
    pub fn has_frontmatter(&self) -> bool {
        self.inner().fence.is_some()
    }

    /// The top-level keys of the frontmatter, in file order.
    #[must_use]
    pub fn fields(&self) -> &[Field] {
        &self.inner().fields
    }

    /// The field with a key.
    #[must_use]
    pub fn field(&self, key: &str) -> Option<&Field> {
        self.inner().fields.iter().find(|field| field.key == key)
    }

    /// Where the body begins: the byte behind the frontmatter's last line; 0, or behind a byte order mark, without one.
    #[must_use]
    pub fn body_start(&self) -> usize {
        self.inner().body.start
    }

    /// The body: what follows the frontmatter.
    #[must_use]
    pub fn body(&self) -> DocumentBody<'_> {
        DocumentBody { document: self }
    }

    /// Edits of the document; each returns the changed one.
    #[must_use]
    pub fn edit(&self) -> DocumentEdit<'_> {
        DocumentEdit { document: self }
    }

    /// The line and column of a byte.
    #[must_use]
    pub fn place(&self, byte: usize) -> Place {
        match &self.inner().content {
            // With many findings, to count the lines for each of them would take longer than anything else.
            Content::Text(text) if self.is_readable() => self.body().structure().place(text, byte.min(text.len())),
            _ => Place::of(self.bytes(), byte),
        }
    }
}

impl PartialEq for Document {
    fn eq(&self, other: &Self) -> bool {
        let same = || self.bytes() == other.bytes() && self.is_unavailable() == other.is_unavailable();
        Arc::ptr_eq(&self.whole, &other.whole) || same()
    }
}

impl Eq for Document {}

impl Inner {
    fn unread(content: Content, fault: Diagnostic) -> Self {
        Self { content, faults: vec![fault], fence: None, body: 0..0, fields: Vec::new(), structure: OnceLock::new() }
    }

    fn read(text: &str) -> Self {
        let content = Content::Text(text.into());
        let (fence, body) = match fence::split(text) {
            Split::Bare(body) => (None, body),
            Split::Fenced(fence) => (Some(fence.clone()), fence.body),
            Split::Open(at) => {
                let fault = guard::conflict(text, Some(&(at..text.len())), &(0..0)).map_or_else(
                    || {
                        Diagnostic::error(Code::UnterminatedFrontmatter, "the frontmatter is not closed")
                            .at(Place::of(text.as_bytes(), at))
                            .hint("end it with a line `---`")
                    },
                    |at| conflict_fault(text, at),
                );
                return Self::unread(content, fault);
            }
        };
        let faults = whole_file_faults(text, fence.as_ref(), &body);
        let mut inner = Self { content, faults, fence, body, fields: Vec::new(), structure: OnceLock::new() };
        if inner.faults.is_empty() {
            inner.read_fields(text);
        }
        inner
    }

    fn read_fields(&mut self, text: &str) {
        let Some(fence) = &self.fence else { return };
        match scan::scan(&text[fence.yaml.clone()], fence.yaml.start) {
            Ok(root) => self.fields = root.entries.into_iter().map(Field::from).collect(),
            Err(fault) => self.faults.push(
                Diagnostic::error(fault.code, fault.message).at(Place::of(text.as_bytes(), fault.at)).hint(fault.hint),
            ),
        }
    }
}

impl From<scan::Entry> for Field {
    fn from(entry: scan::Entry) -> Self {
        let value_span = entry.value.span.clone();
        Self { key: entry.key, key_span: entry.key_span, value_span, value: entry.value.into_value() }
    }
}

/// What can be told about a split file without a parser.
fn whole_file_faults(text: &str, fence: Option<&Fence>, body: &Range<usize>) -> Vec<Diagnostic> {
    let yaml = fence.map(|fence| &fence.yaml);
    let place = |at| Place::of(text.as_bytes(), at);
    if let Some(at) = guard::conflict(text, yaml, body) {
        return vec![conflict_fault(text, at)];
    }
    if let Some(yaml) = yaml.filter(|yaml| yaml.len() > FRONTMATTER_BYTES_MAX) {
        let message = format!("the frontmatter has {} bytes; at most {FRONTMATTER_BYTES_MAX} are allowed", yaml.len());
        return vec![
            Diagnostic::error(Code::FrontmatterTooBig, message)
                .at(place(yaml.start + FRONTMATTER_BYTES_MAX))
                .hint("move bulk data into the body"),
        ];
    }
    if let Some(at) = yaml.and_then(|yaml| lone_carriage_return(text, yaml)) {
        return vec![
            Diagnostic::error(Code::YamlSyntax, "a carriage return without a line feed")
                .at(place(at))
                .hint("end lines with LF or CRLF"),
        ];
    }
    if let Some(at) = guard::too_much_markup(text, body) {
        let message = format!("the body has more than {MARKUP_MAX} bytes of markup and line breaks");
        return vec![
            Diagnostic::error(Code::TooManyValues, message).at(place(at)).hint("move bulk data into another file"),
        ];
    }
    Vec::new()
}

/// YAML takes a lone CR as the end of a line and editors do not: such a file reads differently than it looks.
fn lone_carriage_return(text: &str, yaml: &Range<usize>) -> Option<usize> {
    let bytes = &text.as_bytes()[yaml.clone()];
    let lone = bytes.iter().enumerate().find(|(i, b)| **b == b'\r' && bytes.get(i + 1) != Some(&b'\n'));
    lone.map(|(i, _)| yaml.start + i)
}

fn conflict_fault(text: &str, at: usize) -> Diagnostic {
    Diagnostic::error(Code::ConflictMarkers, "a merge conflict")
        .at(Place::of(text.as_bytes(), at))
        .hint("run `mycelium resolve`, or keep one side and delete the marker lines")
}
