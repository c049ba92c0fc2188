//! Reads the structure of a markdown body: headings, sections, list items, check boxes, code. Texts are kept as they stand.

use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use super::open_block::{OpenBlock, heading_in, heading_in_html, open_fence, open_html};
use crate::core::diagnostic::Place;
use crate::core::document::fence::{line_end, line_start};

/// A section: a level-2 heading and what follows it up to the next heading of level 1 or 2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// The heading's text, without `##`, a colon at its end and marks of emphasis around it.
    pub heading: String,
    /// The heading's line, as a byte range of the file.
    pub heading_span: Range<usize>,
    /// What follows the heading's line, as a byte range of the file.
    pub span: Range<usize>,
    /// Where the heading begins.
    pub place: Place,
}

/// A check box with its text.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Step {
    /// The text behind the box, in one line.
    pub text: String,
    /// Ticked (`[x]`, `[X]`) or not (`[ ]`).
    pub done: bool,
    /// Where its list item begins.
    pub place: Place,
    /// The byte between the brackets.
    pub mark: usize,
}

/// An item of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bullet {
    /// Its text as it stands in the file, without the marker; lines are joined by `\n` and lose their indent.
    pub text: String,
    /// All of the item, from its marker to the end of its last line (without the line break), as a byte range.
    pub span: Range<usize>,
    /// Where it begins.
    pub place: Place,
}

/// A note: a list item of `## Notes`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Note {
    /// Its text; lines are joined by `\n`.
    pub text: String,
    /// Where it begins.
    pub place: Place,
}

/// A body line such as `**Status**: busy`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// What stands behind the colon, trimmed.
    pub text: String,
    /// The text's byte range in the file.
    pub span: Range<usize>,
    /// Where the text begins.
    pub place: Place,
}

/// A list item as it lies in the file. Byte positions are 32 bits wide: a file is at most 1 MiB, and there may be many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::core::document) struct Item {
    start: u32,
    content: u32,
    text_end: u32,
    end: u32,
    mark: u32,
    top: bool,
}

const NO_MARK: u32 = u32::MAX;

/// Sections whose check boxes are no steps: a box there is a task's state, or part of a text.
const NO_STEPS: [&str; 8] =
    ["Active Tasks", "Dependencies", "Payload", "Metadata", "Result", "Error", "History", "Notes"];

/// Most blocks that a heading ends, and not their own end: behind each of them the rest of the body is read again.
const PARTS_MAX: usize = 64;

/// A block of code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::core::document) struct CodeBlock {
    /// All of it, fences included.
    pub(in crate::core::document) span: Range<usize>,
    /// The word behind the opening fence; `None` for indented code.
    pub(in crate::core::document) info: Option<String>,
}

/// The structure of a body; all positions are bytes of the file.
#[derive(Debug, Clone, Default)]
pub(in crate::core::document) struct BodyStructure {
    pub(in crate::core::document) title: Option<Range<usize>>,
    pub(in crate::core::document) title_line: Option<Range<usize>>,
    pub(in crate::core::document) sections: Vec<Section>,
    pub(in crate::core::document) steps: Vec<Step>,
    pub(in crate::core::document) code: Vec<CodeBlock>,
    pub(in crate::core::document) html: Vec<Range<usize>>,
    pub(in crate::core::document) open: Vec<OpenBlock>,
    items: Vec<Item>,
    lines: Vec<u32>,
}

impl BodyStructure {
    /// Reads the body that lies at `range` of a text.
    pub(in crate::core::document) fn read(text: &str, range: &Range<usize>) -> Self {
        let mut reader = Reader {
            text,
            base: range.start,
            body: Self::default(),
            open: Vec::new(),
            lists: 0,
            quotes: 0,
            next: None,
            has_title: true,
        };
        reader.body.lines = line_starts(text);
        let mut next = Some(range.start);
        for part in 0..=PARTS_MAX {
            let Some(start) = next else { break };
            next = reader.read_part(start..range.end, part < PARTS_MAX);
        }
        let mut body = reader.body;
        body.close_sections(range.end);
        body.items.sort_by_key(|item| item.start);
        body.steps = body.read_steps(text);
        body
    }

    /// The place of a byte.
    pub(in crate::core::document) fn place(&self, text: &str, at: usize) -> Place {
        let line = self.lines.partition_point(|start| *start as usize <= at).max(1);
        let start = self.lines.get(line - 1).map_or(0, |start| *start as usize);
        Place { line, column: Place::of(&text.as_bytes()[start..], at - start).column }
    }

    /// The section with a heading, whatever its case.
    pub(in crate::core::document) fn section(&self, heading: &str) -> Option<&Section> {
        let wanted = heading.to_lowercase();
        self.sections.iter().find(|section| section.heading.to_lowercase() == wanted)
    }

    /// Tells whether a byte lies in code or in HTML. Both stand in file order and never inside each other.
    pub(in crate::core::document) fn is_hidden(&self, at: usize) -> bool {
        let code = self.code.partition_point(|code| code.span.end <= at);
        let html = self.html.partition_point(|span| span.end <= at);
        self.code.get(code).is_some_and(|code| code.span.contains(&at))
            || self.html.get(html).is_some_and(|span| span.contains(&at))
    }

    /// The blocks of code that begin in a byte range.
    pub(in crate::core::document) fn code_in(&self, range: &Range<usize>) -> &[CodeBlock] {
        let from = self.code.partition_point(|code| code.span.start < range.start);
        let to = self.code.partition_point(|code| code.span.start < range.end);
        &self.code[from..to.max(from)]
    }

    /// The outermost list items of a byte range.
    pub(in crate::core::document) fn bullets(&self, text: &str, range: &Range<usize>) -> Vec<Bullet> {
        self.items_in(range)
            .filter(|item| item.top)
            .map(|item| Bullet {
                text: item_text(text, item.content as usize..item.end as usize, "\n"),
                span: item.start as usize..item.end as usize,
                place: self.place(text, item.start as usize),
            })
            .collect()
    }

    fn items_in(&self, range: &Range<usize>) -> impl Iterator<Item = &Item> {
        let from = self.items.partition_point(|item| (item.start as usize) < range.start);
        let end = range.end;
        self.items[from..].iter().take_while(move |item| (item.start as usize) < end)
    }

    /// The check boxes of the body, wherever they stand, but for those of sections where a box means something else.
    fn read_steps(&self, text: &str) -> Vec<Step> {
        let is_other = |heading: &str| NO_STEPS.iter().any(|other| heading.eq_ignore_ascii_case(other));
        let passed = |item: &Item| {
            let start = item.start as usize;
            let before = self.sections.partition_point(|section| section.span.start <= start);
            let section = before.checked_sub(1).map(|index| &self.sections[index]);
            section.is_some_and(|section| section.span.contains(&start) && is_other(&section.heading))
        };
        self.items
            .iter()
            .filter(|item| item.mark != NO_MARK && !passed(item))
            .map(|item| {
                let mark = item.mark as usize;
                Step {
                    text: item_text(text, mark + 2..item.text_end as usize, " "),
                    done: matches!(text.as_bytes().get(mark), Some(b'x' | b'X')),
                    place: self.place(text, item.start as usize),
                    mark,
                }
            })
            .collect()
    }

    /// Gives each section its end: where the next heading begins.
    fn close_sections(&mut self, end: usize) {
        let title = self.title_line.as_ref().map(|line| line.start);
        for i in 0..self.sections.len() {
            let start = self.sections[i].span.start;
            let next = self.sections.get(i + 1).map_or(end, |next| next.heading_span.start);
            let limit = self.sections[i].span.end.min(next);
            let limit = title.filter(|title| *title >= start).map_or(limit, |title| limit.min(title));
            self.sections[i].span = start.min(limit)..limit;
        }
    }
}

/// Follows the events of the markdown parser.
struct Reader<'a> {
    text: &'a str,
    base: usize,
    body: BodyStructure,
    open: Vec<Item>,
    lists: usize,
    quotes: usize,
    /// The heading that ends a block which nothing closes: there the next part begins.
    next: Option<usize>,
    /// A level-1 heading may be the title: not behind a code fence that nothing closes.
    has_title: bool,
}

impl Reader<'_> {
    /// Reads what a part of the body holds; gives the beginning of the next part, if a heading ends a block of this one.
    fn read_part(&mut self, part: Range<usize>, may_cut: bool) -> Option<usize> {
        let options = Options::ENABLE_TASKLISTS | Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
        (self.base, self.next) = (part.start, None);
        for (event, span) in Parser::new_ext(&self.text[part.clone()], options).into_offset_iter() {
            let span = self.open_block(&event, span.start + part.start..span.end + part.start, may_cut);
            self.take(&event, span);
            if self.next.is_some() {
                break;
            }
        }
        self.next
    }

    /// Notes a block that nothing closes, and gives its range up to the heading that ends it.
    fn open_block(&mut self, event: &Event<'_>, span: Range<usize>, may_cut: bool) -> Range<usize> {
        let block = &self.text[span.clone()];
        let found = match event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(_))) => open_fence(block),
            Event::Start(Tag::HtmlBlock) => open_html(block),
            _ => None,
        };
        let is_outermost = self.lists == 0 && self.quotes == 0;
        let Some((opening, closing)) = found else {
            if matches!(event, Event::Start(Tag::HtmlBlock)) && is_outermost && may_cut {
                self.next = heading_in_html(self.text, &span);
            }
            return span.start..self.next.unwrap_or(span.end);
        };
        self.next = heading_in(self.text, &span).filter(|_| is_outermost && may_cut);
        let span = span.start..self.next.unwrap_or(span.end);
        self.has_title &= self.next.is_none() || opening.starts_with('<');
        let place = self.body.place(self.text, span.start);
        self.body.open.push(OpenBlock { opening, place, span: span.clone(), closing, is_outermost });
        span
    }

    fn take(&mut self, event: &Event<'_>, span: Range<usize>) {
        match event {
            Event::Start(Tag::Heading { level, .. }) if self.lists == 0 && self.quotes == 0 => {
                self.heading(*level, span);
            }
            Event::Start(Tag::CodeBlock(kind)) => {
                let info = match kind {
                    CodeBlockKind::Indented => None,
                    CodeBlockKind::Fenced(info) => Some(info.split_whitespace().next().unwrap_or("").to_owned()),
                };
                self.body.code.push(CodeBlock { span, info });
            }
            Event::Start(Tag::HtmlBlock) => self.body.html.push(span),
            Event::Start(Tag::BlockQuote(_)) => self.quotes += 1,
            Event::End(TagEnd::BlockQuote(_)) => self.quotes -= 1,
            Event::Start(Tag::List(_)) => {
                self.lists += 1;
                // What comes behind a nested list is part of the item, but not of its own text.
                if let Some(item) = self.open.last_mut() {
                    item.text_end = item.text_end.min(narrow(span.start));
                }
            }
            Event::End(TagEnd::List(_)) => self.lists -= 1,
            Event::Start(Tag::Item) => self.item(&span),
            Event::End(TagEnd::Item) => self.body.items.extend(self.open.pop()),
            Event::TaskListMarker(_) => {
                if let Some(item) = self.open.last_mut() {
                    item.mark = narrow(span.start + 1);
                }
            }
            _ => {}
        }
    }

    /// Takes a heading written with `#`; underlined ones are prose, since raw text above a rule would become one.
    fn heading(&mut self, level: HeadingLevel, span: Range<usize>) {
        let line = line_start(self.text, span.start).max(self.base)..line_end(self.text, span.start);
        let written = self.text[line.clone()].trim_start_matches(' ');
        if !written.starts_with('#') {
            return;
        }
        let (from, to) = heading_text(&self.text[line.clone()]);
        let text = line.start + from..line.start + to;
        // The last section ends at a heading of its level or above.
        if let (Some(last), true) = (self.body.sections.last_mut(), level <= HeadingLevel::H2) {
            last.span.end = last.span.end.min(line.start);
        }
        if level == HeadingLevel::H1 && self.body.title.is_none() && self.has_title {
            (self.body.title, self.body.title_line) = (Some(text), Some(line));
        } else if level == HeadingLevel::H2 {
            self.body.sections.push(Section {
                heading: heading_name(&self.text[text]).to_owned(),
                place: self.body.place(self.text, line.start),
                span: line.end..self.text.len(),
                heading_span: line,
            });
        }
    }

    fn item(&mut self, span: &Range<usize>) {
        let raw = &self.text[span.clone()];
        let end = span.start + raw.trim_end().len();
        let number = raw.bytes().take_while(u8::is_ascii_digit).count();
        let content = (span.start + number + 1).min(end);
        let top = self.lists == 1 && self.quotes == 0;
        self.open.push(Item {
            start: narrow(span.start),
            content: narrow(content),
            text_end: narrow(end),
            end: narrow(end),
            mark: NO_MARK,
            top,
        });
    }
}

/// A byte position in 32 bits; files that do not fit are refused long before.
fn narrow(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

fn line_starts(text: &str) -> Vec<u32> {
    let breaks = text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(at, _)| narrow(at + 1));
    std::iter::once(0).chain(breaks).collect()
}

/// What a heading calls its section: `**Dependencies:**` is `Dependencies`.
fn heading_name(text: &str) -> &str {
    let name = text.trim_matches(|c: char| matches!(c, '*' | '_' | ':') || c.is_whitespace());
    if name.is_empty() { text } else { name }
}

/// Where the text of a `#` heading lies in its line: without the `#`s before and behind it.
fn heading_text(line: &str) -> (usize, usize) {
    let from = line.len() - line.trim_start_matches([' ', '#']).len();
    // `#` alone, or `# #`: the text is empty.
    let hashes = line.trim_start_matches(' ');
    let opening = line.len() - hashes.trim_start_matches('#').len();
    let rest = &line[opening..];
    let text = rest.trim();
    let start = opening + rest.len() - rest.trim_start().len();
    let body = text.trim_end_matches('#');
    let closed = body.is_empty() || body.ends_with([' ', '\t']);
    let text = if closed { body.trim_end() } else { text };
    if text.is_empty() { (from.min(start), from.min(start)) } else { (start, start + text.len()) }
}

/// The text of a list item: its lines without their indent, joined.
fn item_text(text: &str, range: Range<usize>, join: &str) -> String {
    if range.start >= range.end {
        return String::new();
    }
    let first_line = line_start(text, range.start);
    let first = text[range.clone()].trim();
    if !first.contains('\n') {
        return first.to_owned();
    }
    // Lines may be indented as deep as the text behind the marker; what is deeper belongs to the text.
    let lead = text[range.clone()].len() - text[range.clone()].trim_start_matches([' ', '\t']).len();
    let indent = range.start + lead - first_line;
    let mut lines = first.lines();
    let mut out = lines.next().unwrap_or_default().trim_end().to_owned();
    for line in lines {
        let blanks = line.len() - line.trim_start_matches(' ').len();
        out.push_str(join);
        out.push_str(line[blanks.min(indent)..].trim_end());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(text: &str) -> BodyStructure {
        BodyStructure::read(text, &(0..text.len()))
    }

    #[test]
    fn sections_run_to_the_next_heading_of_their_level() {
        let text = "intro\n\n# Title #\n\n## A\na\n### deeper\n\n## B ##\n```\n## no\n```\n> ## quoted\n\n- ## in a list\n\nC\n---\n\n# Second\nx\n";
        let body = body(text);
        assert_eq!(&text[body.title.clone().expect("a title")], "Title");
        let sections: Vec<_> = body.sections.iter().map(|s| (s.heading.as_str(), &text[s.span.clone()])).collect();
        assert_eq!(sections.len(), 2);
        assert_eq!(sections[0], ("A", "a\n### deeper\n\n"));
        assert_eq!(sections[1].0, "B");
        assert!(sections[1].1.ends_with("C\n---\n\n"));
        assert_eq!(body.sections[1].place, Place { line: 9, column: 1 });
    }

    #[test]
    fn headings_lose_their_hashes_only() {
        for (line, text) in
            [("# a\n", "a"), ("## a ##\n", "a"), ("# C#\n", "C#"), ("#\n", ""), ("# #\n", ""), ("  # a # #\r\n", "a #")]
        {
            let (from, to) = heading_text(line);
            assert_eq!(&line[from..to], text, "{line:?}");
        }
    }

    #[test]
    fn steps_are_the_check_boxes_of_the_body() {
        let text = "- [x] before\n\n## Progress\n\n- [x] one\n  more\n  - [ ] two\n* [X] three\n1. [ ] four\n- [ ]no\n\ntext\n\n    - [ ] code\n";
        let steps = body(text).steps;
        let seen: Vec<_> = steps.iter().map(|step| (step.text.as_str(), step.done)).collect();
        assert_eq!(seen, [("before", true), ("one more", true), ("two", false), ("three", true), ("four", false)]);
        assert!(steps.iter().all(|step| matches!(text.as_bytes()[step.mark], b' ' | b'x' | b'X')));
        let loose = "# T\n- [ ] a\n\n## Dependencies\n- [x] task-1\n\n## NOTES\n- [ ] not a step\n\n## Steps\n- [x] b\r\n\n\
            ## Acceptance Criteria\n- [ ] c\n\n## Result\n- [ ] no\n";
        let seen: Vec<_> = body(loose).steps.iter().map(|step| step.text.clone()).collect();
        assert_eq!(seen, ["a", "b", "c"]);
    }

    #[test]
    fn bullets_keep_their_text() {
        let text = "## Notes\n- a *b* `c`\n- first\n  second\n\n  ```\n    deep\n  ```\n  - nested\n-\n10. ten\n";
        let body = body(text);
        let bullets: Vec<_> =
            body.bullets(text, &body.sections[0].span).into_iter().map(|bullet| bullet.text).collect();
        assert_eq!(bullets, ["a *b* `c`", "first\nsecond\n\n```\n  deep\n```\n- nested", "", "ten"]);
    }
}
