//! Reads the body of a [`Document`]: title, sections, JSON, check boxes, list items, labels. Changes nothing.

pub(super) mod description;
mod open_block;
mod structure;
mod words;

use std::ops::Range;

pub use description::Skeleton;
pub use open_block::OpenBlock;
pub(super) use open_block::{heading_in, heading_level};
pub(super) use structure::BodyStructure;
use structure::CodeBlock;
pub use structure::{Bullet, Label, Note, Section, Step};
pub use words::{BodyWord, WordMark};

use super::fence::line_end;
use super::{Document, JSON_BYTES_MAX};
use crate::core::diagnostic::{Code, Diagnostic, Place};

/// Where the JSON of a section stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum JsonSpot {
    /// Nothing but blanks, or an `_italic placeholder_` at this range.
    Vacant(Range<usize>),
    /// Nothing but comments, which stay: the byte behind them.
    Behind(usize),
    /// Inside a code fence: the lines between the fences.
    Fenced(Range<usize>),
    /// As it is: everything that follows the heading.
    Raw(Range<usize>),
}

/// The body of a [`Document`]: a view that borrows it. Its structure is read at the first question and stays with the document.
#[derive(Debug, Clone, Copy)]
pub struct DocumentBody<'a> {
    pub(super) document: &'a Document,
}

impl<'a> DocumentBody<'a> {
    /// The file as text; empty if it cannot be read.
    fn text(self) -> &'a str {
        self.document.text()
    }

    /// The markdown structure, read at the first question. An unreadable file has none.
    pub(super) fn structure(self) -> &'a BodyStructure {
        let read = || BodyStructure::read(self.text(), &self.document.inner().body);
        let document = self.document;
        document
            .inner()
            .structure
            .get_or_init(|| if document.is_readable() { read() } else { BodyStructure::default() })
    }

    /// The text of the first `# heading`.
    #[must_use]
    pub fn title(self) -> Option<&'a str> {
        self.structure().title.clone().map(|range| &self.text()[range])
    }

    /// The sections (`## heading`), in file order.
    #[must_use]
    pub fn sections(self) -> &'a [Section] {
        &self.structure().sections
    }

    /// The first section with a heading, whatever its case.
    #[must_use]
    pub fn section(self, heading: &str) -> Option<&'a Section> {
        self.structure().section(heading)
    }

    /// The JSON of a section, raw or in a code fence. `None` if there is no such section, or it is empty or holds only an
    /// `_italic placeholder_`.
    #[must_use]
    pub fn section_json(self, heading: &str) -> Option<Result<serde_json::Value, Diagnostic>> {
        let section = self.section(heading)?;
        match self.json_spot(section) {
            JsonSpot::Vacant(_) | JsonSpot::Behind(_) => None,
            JsonSpot::Fenced(range) => Some(self.json_at(&section.heading, range, Rest::Refused)),
            JsonSpot::Raw(range) => Some(self.json_at(&section.heading, range, Rest::Prose)),
        }
    }

    /// The prose of a section, trimmed.
    #[must_use]
    pub fn section_text(self, heading: &str) -> Option<&'a str> {
        self.section(heading).map(|section| self.text()[section.span.clone()].trim())
    }

    /// The check boxes of the body, nested ones too, but for those of the sections in which a box means something else
    /// (`## Notes`, `## Dependencies`, `## History`, ...). They stand in file order.
    #[must_use]
    pub fn steps(self) -> &'a [Step] {
        &self.structure().steps
    }

    /// The outermost list items of a section; empty if there is no such section.
    #[must_use]
    pub fn bullets(self, heading: &str) -> Vec<Bullet> {
        self.section(heading).map(|section| self.structure().bullets(self.text(), &section.span)).unwrap_or_default()
    }

    /// The notes: the outermost list items of `## Notes`.
    #[must_use]
    pub fn notes(self) -> Vec<Note> {
        let note = |bullet: Bullet| Note { text: bullet.text, place: bullet.place };
        self.bullets("Notes").into_iter().map(note).collect()
    }

    /// The first line `**Name**: text` (or `**Name:** text`) before the first section, outside code, whatever the case of the
    /// name. Later ones are prose: a note may quote one.
    #[must_use]
    pub fn label(self, name: &str) -> Option<Label> {
        if !self.document.is_readable() {
            return None;
        }
        let (text, structure) = (self.text(), self.structure());
        let first_section = structure.sections.first().map(|section| section.heading_span.start);
        let (mut at, end_of_head) =
            (self.document.inner().body.start, first_section.unwrap_or(self.document.inner().body.end));
        while at < end_of_head {
            let end = line_end(text, at);
            if let Some(span) = label_text(&text[at..end], name).filter(|_| !structure.is_hidden(at)) {
                let span = at + span.start..at + span.end;
                let place = structure.place(text, span.start);
                return Some(Label { text: text[span.clone()].to_owned(), span, place });
            }
            at = end;
        }
        None
    }

    /// The blocks of the body that nothing closes, in file order.
    #[must_use]
    pub fn open_blocks(self) -> &'a [OpenBlock] {
        &self.structure().open
    }

    /// Where a section's JSON stands, or would stand.
    pub(super) fn json_spot(self, section: &Section) -> JsonSpot {
        let (text, span) = (self.text(), section.span.clone());
        let content = text[span.clone()].trim();
        let start = span.start + text[span.clone()].len() - text[span.clone()].trim_start().len();
        let trimmed = start.min(span.end)..(start + content.len()).min(span.end);
        if content.is_empty() || is_placeholder(content) {
            return JsonSpot::Vacant(trimmed);
        }
        if self.holds_comments_only(&trimmed) {
            return JsonSpot::Behind(trimmed.end);
        }
        // A block that says `json` is meant; one that says nothing is, unless raw JSON stands before it.
        let raw = content.starts_with(['{', '[']);
        let fenced = |code: &&CodeBlock| {
            let info = code.info.as_deref();
            info.is_some_and(|info| info.is_empty() && !raw || info.eq_ignore_ascii_case("json"))
        };
        match self.structure().code_in(&span).iter().find(fenced) {
            Some(code) => JsonSpot::Fenced(fence_lines(text, &code.span)),
            None => JsonSpot::Raw(trimmed),
        }
    }

    /// Whether a range, which begins and ends with text, holds comments and nothing else.
    fn holds_comments_only(self, range: &Range<usize>) -> bool {
        let blocks = &self.structure().html;
        let from = blocks.partition_point(|block| block.end <= range.start);
        let inside = blocks[from..].iter().take_while(|block| block.start < range.end);
        let mut at = range.start;
        for block in inside {
            let comment = self.text()[block.clone()].trim();
            let is_comment = comment.starts_with("<!--") && (comment.ends_with("-->") || !comment.contains("-->"));
            if !is_comment || !self.text()[at.min(block.start)..block.start].trim().is_empty() {
                return false;
            }
            at = block.end;
        }
        at >= range.end
    }

    /// Reads the JSON that begins at a range; gives the value.
    fn json_at(self, heading: &str, range: Range<usize>, rest: Rest) -> Result<serde_json::Value, Diagnostic> {
        self.json_with_end(heading, &range, rest).map(|(value, _)| value)
    }

    /// Reads the JSON that begins at a range; gives the value and the byte behind it.
    pub(super) fn json_with_end(
        self,
        heading: &str,
        range: &Range<usize>,
        rest: Rest,
    ) -> Result<(serde_json::Value, usize), Diagnostic> {
        let fault = |at: usize, message: String, hint: &str| {
            Err(Diagnostic::error(Code::BadJson, message).at(Place::of(self.document.bytes(), at)).hint(hint))
        };
        let bytes = self.text()[range.clone()].trim_end().len();
        if bytes > JSON_BYTES_MAX {
            let message = format!("`## {heading}` holds {bytes} bytes of JSON; at most {JSON_BYTES_MAX} are allowed");
            return fault(range.start, message, "move bulk data into another file and name it here");
        }
        let source = &self.text()[range.clone()];
        let mut stream = serde_json::Deserializer::from_str(source).into_iter::<serde_json::Value>();
        match stream.next() {
            Some(Ok(value)) => {
                let end = range.start + stream.byte_offset();
                let behind = self.text()[end..range.end].trim_start();
                if behind.is_empty() || rest == Rest::Prose && !behind.starts_with([',', '}', ']', ':']) {
                    return Ok((value, end));
                }
                fault(
                    range.end - behind.len(),
                    format!("`## {heading}` holds more than one JSON value"),
                    "keep one value",
                )
            }
            Some(Err(error)) => {
                let at = range.start + offset_of(source, error.line(), error.column());
                let message = format!("`## {heading}` is not JSON: {}", reason(&error));
                fault(at, message, "correct it, or empty the section")
            }
            None => fault(
                range.start,
                format!("`## {heading}` holds an empty code block"),
                "write JSON, or delete the block",
            ),
        }
    }
}

/// What may follow a JSON value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
    /// Prose, which is left alone.
    Prose,
    /// Nothing.
    Refused,
}

/// One line, all of it in `_..._` or `*...*`.
pub(super) fn is_placeholder(content: &str) -> bool {
    let inner = |mark: char| content.strip_prefix(mark).and_then(|rest| rest.strip_suffix(mark));
    let italic = inner('_').or_else(|| inner('*'));
    italic.is_some_and(|inner| !inner.is_empty() && !inner.starts_with(['_', '*', ' ']) && !inner.contains('\n'))
}

/// The lines between the fences of a code block.
fn fence_lines(text: &str, block: &Range<usize>) -> Range<usize> {
    let start = line_end(text, block.start).min(block.end);
    let block_text = text[start..block.end].trim_end_matches(['\n', '\r']);
    let last = block_text.rfind('\n').map_or(start, |at| start + at + 1);
    let closing = text[last..block.end].trim();
    let closed = closing.len() >= 3 && (closing.bytes().all(|b| b == b'`') || closing.bytes().all(|b| b == b'~'));
    if closed { start..last } else { start..block.end }
}

/// The range of the text in a label line.
fn label_text(line: &str, name: &str) -> Option<Range<usize>> {
    let trimmed = line.trim_start_matches(' ');
    let rest = trimmed.strip_prefix("**")?;
    let head = rest.get(..name.len()).filter(|head| head.eq_ignore_ascii_case(name))?;
    let rest = &rest[head.len()..];
    let rest = rest.strip_prefix("**:").or_else(|| rest.strip_prefix(":**"))?;
    let start = line.len() - rest.trim_start().len();
    let text = rest.trim();
    // Nothing behind the colon: the text would begin after one blank.
    let start = if text.is_empty() { line.trim_end().len() } else { start };
    Some(start..start + text.len())
}

/// The byte that a line and a column (in bytes, from 1) of a JSON error point at.
fn offset_of(source: &str, line: usize, column: usize) -> usize {
    let start: usize = source.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let mut at = (start + column.saturating_sub(1)).min(source.len());
    while !source.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// The words of a JSON error without its own line and column, which count from the section.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let end = text.rfind(" at line ").unwrap_or(text.len());
    crate::core::name::visible(&text[..end])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(text: &str) -> Document {
        Document::parse(text.as_bytes())
    }

    #[test]
    fn json_is_read_raw_and_fenced_and_its_absence_is_told() {
        for (body, value) in [
            ("{\n  \"a\": 1\n}\n", Some(json!({"a": 1}))),
            ("```json\n{\"a\": 1}\n```\n", Some(json!({"a": 1}))),
            ("~~~\n[1]\n~~~\nand prose\n", Some(json!([1]))),
            ("Prose first.\n\n```json\n{}\n```\n", Some(json!({}))),
            ("{}\n\nprose behind\n", Some(json!({}))),
            ("{\r\n    \"a\": [1,\r\n\r\n    2]\r\n}\r\n", Some(json!({"a": [1, 2]}))),
            ("0.5\n", Some(json!(0.5))),
            ("", None),
            ("\n\n", None),
            ("_In progress..._\n", None),
            ("*none*", None),
        ] {
            let doc = parse(&format!("# T\n\n## Result\n\n{body}"));
            assert_eq!(doc.body().section_json("result").transpose().expect(body), value, "{body:?}");
        }
        assert_eq!(parse("# T\n").body().section_json("Result"), None);
    }

    #[test]
    fn bad_json_is_told_with_its_place() {
        for (body, place, message) in [
            ("{\n  \"a\": x\n}\n", (4, 8), "`## Result` is not JSON: expected value"),
            ("{\"a\": 1\n", (3, 7), "`## Result` is not JSON: EOF while parsing an object"),
            ("done\n", (3, 1), "`## Result` is not JSON: expected value"),
            ("{}}\n", (3, 3), "`## Result` holds more than one JSON value"),
            ("```json\n{} {}\n```\n", (4, 4), "`## Result` holds more than one JSON value"),
            ("```json\n```\n", (4, 1), "`## Result` holds an empty code block"),
        ] {
            let doc = parse(&format!("# T\n## Result\n{body}"));
            let fault = doc.body().section_json("Result").expect("a section").expect_err(body);
            assert_eq!(
                (fault.message.as_str(), fault.place),
                (message, Some(Place { line: place.0, column: place.1 }))
            );
        }
    }

    #[test]
    fn labels_are_read_outside_code() {
        let doc = parse(
            "# T\n\n```\n**Status**: no\n```\n**Type**: x\n**Status**: busy  \r\n**Last Updated:** now\n**Empty**:\n",
        );
        let label = |name| doc.body().label(name).map(|label| label.text);
        assert_eq!(label("status").as_deref(), Some("busy"));
        assert_eq!(label("Last Updated").as_deref(), Some("now"));
        assert_eq!(label("Empty").as_deref(), Some(""));
        assert_eq!(label("Stat"), None);
        assert_eq!(label("Late"), None);
        assert_eq!(doc.body().label("Status").expect("there").place, Place { line: 7, column: 13 });
    }
}
