//! Edits as splices of byte ranges, and the proof that each changed what it should and nothing else. Decides no wording of files.

mod body;
mod bounds;
mod description;
mod emit;
mod frontmatter;
mod insertion_point;
mod yaml_crosscheck;

use std::ops::Range;

pub use body::Mark;
pub use bounds::{DESCRIPTION_BYTES_MAX, JSON_DEPTH_MAX, json_fault};

use super::body::heading_in;
use super::{Document, DocumentBody, OpenBlock, Value};
use crate::core::diagnostic::{Code, Diagnostic, Severity};
use crate::core::name::visible;

/// Steps named in a hint.
const STEPS_SHOWN_MAX: usize = 10;
/// Characters of each.
const STEP_CHARS_MAX: usize = 40;

/// Why an edit is refused. The document is as it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The document has faults; nothing in it is safe to change.
    #[error("the document cannot be read: {}", .0.message)]
    Unreadable(Box<Diagnostic>),
    /// There is no frontmatter to edit.
    #[error("the document has no frontmatter")]
    NoFrontmatter,
    /// A key that cannot be: empty, or with an empty part between dots.
    #[error("`{0}` is not a key")]
    BadKey(String),
    /// A key that should hold a map holds something else.
    #[error("`{0}` is not a map")]
    NotAMap(String),
    /// A key that should hold a list holds something else.
    #[error("`{0}` is not a list")]
    NotAList(String),
    /// Written in a way that cannot be changed without touching something else.
    #[error("`{0}` is written in a way that cannot be edited safely")]
    Layout(String),
    /// The text would break the place where it goes.
    #[error("{what} {why}")]
    BadText {
        /// What was to be written: "a note", "the title", ...
        what: &'static str,
        /// The rule that it breaks.
        why: &'static str,
    },
    /// There is no such section.
    #[error("there is no section `## {0}`")]
    NoSection(String),
    /// There is no such check box.
    #[error("there is no step {asked}; the document has {}", steps.len())]
    NoStep {
        /// Which was asked for, counted from 1.
        asked: usize,
        /// The texts of those that there are.
        steps: Vec<String>,
    },
    /// There is no such list item.
    #[error("`## {heading}` has no item {asked}; it has {have}")]
    NoBullet {
        /// The section.
        heading: String,
        /// Which was asked for, counted from 0.
        asked: usize,
        /// How many there are.
        have: usize,
    },
    /// The section's JSON cannot be replaced because it cannot be read.
    #[error("{}", .0.message)]
    BadJson(Box<Diagnostic>),
    /// What was to be written is too large, nested too deep, or would be read as something else.
    #[error("{}", .0.message)]
    Value(Box<Diagnostic>),
    /// A block of the body is never closed, and it cannot be closed without changing something else.
    #[error("{}", .0.message)]
    OpenBlock(Box<Diagnostic>),
    /// The result would be refused (too big, too deep, ...).
    #[error("the edited document could not be read: {}", .0.message)]
    Refused(Box<Diagnostic>),
    /// Reading the result again showed something else than was asked for.
    #[error("editing {0} would change something else as well")]
    Unproven(String),
}

impl EditError {
    /// The same as a finding, with advice.
    #[must_use]
    pub fn diagnostic(&self) -> Diagnostic {
        let (code, hint) = match self {
            Self::Unreadable(fault) | Self::BadJson(fault) | Self::Value(fault) => return (**fault).clone(),
            Self::OpenBlock(fault) => {
                return Diagnostic { severity: Severity::Error, ..(**fault).clone() };
            }
            Self::NoFrontmatter => (Code::NoFrontmatter, "begin the file with `---`, keys and `---`"),
            Self::BadKey(_) => (Code::BadValue, "name a key such as `priority` or `metadata.gpu`"),
            Self::NotAMap(_) => (Code::BadValue, "give the key a map, or name another one"),
            Self::NotAList(_) => (Code::BadValue, "make the value a list, or set it as a whole"),
            Self::Layout(_) | Self::Unproven(_) => (Code::UnsupportedYaml, "edit the file by hand"),
            Self::BadText { .. } => (Code::BadValue, "change the text"),
            Self::NoSection(_) => (Code::BadValue, "add the section to the file"),
            Self::NoStep { steps, .. } => {
                return Diagnostic::error(Code::BadValue, self.to_string()).hint(steps_there(steps));
            }
            Self::NoBullet { .. } => (Code::BadValue, "look at the file for what there is"),
            Self::Refused(fault) => (fault.code, "shorten what is to be written, or edit the file by hand"),
        };
        Diagnostic::error(code, self.to_string()).hint(hint)
    }
}

/// The steps that there are, in one line: `choose one of: 1 Load the data, 2 Train`.
fn steps_there(steps: &[String]) -> String {
    if steps.is_empty() {
        return "write steps into the file, as `- [ ] what to do` below `## Progress`".to_owned();
    }
    let cut = |text: &String| match text.char_indices().nth(STEP_CHARS_MAX) {
        Some((end, _)) => format!("{}…", visible(&text[..end])),
        None => visible(text),
    };
    let shown =
        steps.iter().take(STEPS_SHOWN_MAX).enumerate().map(|(index, text)| format!("{} {}", index + 1, cut(text)));
    let more = if steps.len() > STEPS_SHOWN_MAX { format!(", … {}", steps.len()) } else { String::new() };
    format!("choose one of: {}{more}", shown.collect::<Vec<_>>().join(", "))
}

/// One replacement: these bytes by this text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Splice {
    pub(super) range: Range<usize>,
    pub(super) text: String,
}

impl Splice {
    pub(super) fn new(range: Range<usize>, text: impl Into<String>) -> Self {
        Self { range, text: text.into() }
    }

    pub(super) fn insert(at: usize, text: impl Into<String>) -> Self {
        Self::new(at..at, text)
    }
}

/// A text with its splices applied; they must not overlap.
fn spliced(text: &str, mut splices: Vec<Splice>) -> String {
    splices.sort_by_key(|splice| splice.range.start);
    let mut out = String::with_capacity(text.len() + splices.iter().map(|splice| splice.text.len()).sum::<usize>());
    let mut at = 0;
    for splice in splices {
        out.push_str(&text[at..splice.range.start]);
        out.push_str(&splice.text);
        at = splice.range.end;
    }
    out.push_str(&text[at..]);
    out
}

/// Edits of a [`Document`]: each returns the changed document, or says why there is none. The document itself stays as it is.
#[derive(Debug, Clone, Copy)]
pub struct DocumentEdit<'a> {
    pub(super) document: &'a Document,
}

impl<'a> DocumentEdit<'a> {
    fn text(self) -> &'a str {
        self.document.text()
    }

    fn body(self) -> DocumentBody<'a> {
        self.document.body()
    }

    /// The document, if it may be edited at all.
    fn editable(self) -> Result<Self, EditError> {
        match self.document.faults().first() {
            None => Ok(self),
            Some(fault) => Err(EditError::Unreadable(Box::new(fault.clone()))),
        }
    }

    /// Applies splices and reads the result.
    fn splice(self, splices: Vec<Splice>) -> Result<Document, EditError> {
        let text = spliced(self.text(), splices);
        let edited = Document::parse(text.into_bytes());
        match edited.faults().first() {
            None => Ok(edited),
            Some(fault) => Err(EditError::Refused(Box::new(fault.clone()))),
        }
    }

    /// Applies splices of the frontmatter and proves the result: the values are the expected ones for both YAML readers,
    /// and the body is what it was.
    fn with_frontmatter(
        self,
        key: &str,
        splices: Vec<Splice>,
        mut expected: Vec<(String, Value)>,
    ) -> Result<Document, EditError> {
        let edited = self.splice(splices)?;
        let mut found: Vec<_> = edited.fields().iter().map(|field| (field.key.clone(), field.value.clone())).collect();
        // A new key stands in its slot, in the expectation last.
        expected.sort_by(|a, b| a.0.cmp(&b.0));
        found.sort_by(|a, b| a.0.cmp(&b.0));
        let same_values = Value::Map(found).means(&Value::Map(expected));
        let same_body = edited.text()[edited.inner().body.clone()] == self.text()[self.document.inner().body.clone()];
        let yaml = edited.inner().fence.as_ref().map_or(0..0, |fence| fence.yaml.clone());
        if same_values && same_body && yaml_crosscheck::agrees(&edited.text()[yaml], edited.fields()) {
            return Ok(edited);
        }
        Err(EditError::Unproven(format!("`{}`", visible(key))))
    }

    /// Applies splices of the body and proves the result: the frontmatter is what it was, so are all sections but one, and
    /// the title unless it was to change.
    fn with_body(self, what: &str, touched: &Touched<'_>, splices: Vec<Splice>) -> Result<Document, EditError> {
        let edited = self.splice(splices)?;
        // A closing fence without a line break gains one when text follows it.
        let front = |document: &Document| document.text()[..document.inner().body.start].trim_end().to_owned();
        let same_front = front(&edited) == front(self.document);
        let same_title = matches!(touched, Touched::Title) || edited.body().title() == self.body().title();
        if same_front && same_title && untouched(&edited, touched) == untouched(self.document, touched) {
            return Ok(edited);
        }
        Err(EditError::Unproven(what.to_owned()))
    }

    /// Carries out an edit of a section on the document with its blocks closed: what is written must not become part of one.
    /// An edit that changes nothing leaves them open.
    fn with_closed_blocks(
        self,
        edit: impl Fn(DocumentEdit<'_>) -> Result<Document, EditError>,
    ) -> Result<Document, EditError> {
        let fault = |block: &OpenBlock| EditError::OpenBlock(Box::new(block.finding()));
        let Some(first) = self.body().open_blocks().iter().find(|block| block.is_outermost) else {
            // One in a list or a quote is not closed, and may be why the edit cannot be made.
            return edit(self).map_err(|error| match (error, self.body().open_blocks().first()) {
                (EditError::Unproven(_), Some(block)) => fault(block),
                (error, _) => error,
            });
        };
        let closed = self.closed().ok_or_else(|| fault(first))?;
        match edit(closed.edit()) {
            Ok(edited) if edited == closed => Ok(self.document.clone()),
            Err(EditError::Unproven(_)) => Err(fault(first)),
            other => other,
        }
    }

    /// The document with its outermost blocks closed, each behind its last line; `None` if it would read differently then.
    fn closed(self) -> Option<Document> {
        let outermost = self.body().open_blocks().iter().filter(|block| block.is_outermost);
        // Too many of them: the last one is read as if it held the sections behind it.
        if outermost.clone().any(|block| heading_in(self.text(), &block.span).is_some()) {
            return None;
        }
        let splices = outermost.map(|block| {
            let end = block.span.start + self.text()[block.span.clone()].trim_end().len();
            Splice::insert(end, format!("{}{}", self.line_break_at(end), block.closing))
        });
        let closed = self.splice(splices.collect()).ok()?;
        let headings =
            |document: &Document| document.body().sections().iter().map(|one| one.heading.clone()).collect::<Vec<_>>();
        let is_same = headings(&closed) == headings(self.document)
            && closed.body().title() == self.body().title()
            && closed.body().steps().len() == self.body().steps().len()
            && !closed.body().open_blocks().iter().any(|block| block.is_outermost);
        is_same.then_some(closed)
    }

    /// The line break in use around a byte: that of the line before it, else the file's first, else `\n`.
    fn line_break_at(self, at: usize) -> &'static str {
        let text = self.text();
        let before = text[..at.min(text.len())].rfind('\n').or_else(|| text.find('\n'));
        match before {
            Some(at) if text[..at].ends_with('\r') => "\r\n",
            _ => "\n",
        }
    }

    /// The line break at the end of the file, if it has one; a missing one stays missing.
    fn last_break(self, eol: &'static str) -> &'static str {
        if self.text().is_empty() || self.text().ends_with('\n') { eol } else { "" }
    }
}

/// What an edit of the body may change.
#[derive(Debug, Clone)]
pub(super) enum Touched<'a> {
    /// The first section with this heading.
    Section(&'a str),
    /// Only these bytes.
    Bytes(Range<usize>),
    /// The title's line.
    Title,
    /// Everything but the sections with these headings.
    Prose(&'a [&'a str]),
}

/// Headings and texts of the sections that an edit must leave alone.
fn untouched<'a>(document: &'a Document, touched: &Touched<'_>) -> Vec<(&'a str, &'a str)> {
    let is_touched = |heading: &str| match touched {
        Touched::Section(name) => heading.eq_ignore_ascii_case(name) || heading.to_lowercase() == name.to_lowercase(),
        Touched::Bytes(_) | Touched::Title | Touched::Prose(_) => false,
    };
    if let Touched::Prose(headings) = touched {
        let known = headings.iter().filter_map(|heading| document.body().section(heading));
        let text = |span: &Range<usize>| document.text()[span.clone()].trim();
        return known.map(|section| (section.heading.as_str(), text(&section.span))).collect();
    }
    let mut first = true;
    let mut out = Vec::new();
    for section in document.body().sections() {
        if first && is_touched(&section.heading) {
            first = false;
            continue;
        }
        let text = match touched {
            // One mark or label somewhere: the headings tell enough, the bytes were spliced there alone.
            Touched::Bytes(span) if section.span.contains(&span.start) => "",
            _ => document.text()[section.span.clone()].trim(),
        };
        out.push((section.heading.as_str(), text));
    }
    out
}
