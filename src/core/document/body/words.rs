//! The words of a section that may name another document, with how each is marked. Knows markdown, no ids and no tasks.

use std::ops::Range;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd, TextMergeWithOffset};

use super::DocumentBody;
use crate::core::diagnostic::Place;
use crate::core::document::Document;
use crate::core::name::is_letter;

/// How a word is set apart from the prose around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WordMark {
    /// Not at all.
    Prose,
    /// It is all that a cell of a table holds.
    Cell,
    /// It is the first word of a list item.
    FirstOfItem,
    /// It is in backticks, or a link.
    Quoted,
}

/// Hyphens that editors and language models write for `-`.
const HYPHENS: [char; 2] = ['\u{2010}', '\u{2011}'];

/// One word of a section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BodyWord {
    /// The word, without the punctuation around it.
    pub text: String,
    /// How it is set apart.
    pub mark: WordMark,
    /// What its line, item or row says about it: the word behind a dash, a colon or a bracket, the only word of another
    /// cell; `completed` for a ticked box. In lower case.
    pub says: Vec<String>,
    /// Where it begins.
    pub place: Place,
}

impl DocumentBody<'_> {
    /// The words of all sections with a heading, in file order: of list items, check boxes, paragraphs and tables. Code blocks
    /// and HTML have none. Empty if there is no such section.
    #[must_use]
    pub fn words(self, heading: &str) -> Vec<BodyWord> {
        let wanted = heading.to_lowercase();
        let sections = self.sections().iter().filter(|section| section.heading.to_lowercase() == wanted);
        sections.flat_map(|section| self.words_in(section.span.clone())).collect()
    }

    fn words_in(self, range: Range<usize>) -> Vec<BodyWord> {
        let mut reader = WordReader::new(self.document, range.start);
        let options = Options::ENABLE_TASKLISTS | Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
        let parser = Parser::new_ext(&self.text()[range], options).into_offset_iter();
        for (event, span) in TextMergeWithOffset::new(parser) {
            reader.take(&event, &span);
        }
        reader.end_unit();
        reader.words
    }
}

/// Follows the events of the markdown parser. A unit is what one status speaks about: a line, or a row of a table.
struct WordReader<'a> {
    document: &'a Document,
    base: usize,
    words: Vec<BodyWord>,
    /// The first word of the unit that is open.
    unit: usize,
    says: Vec<String>,
    /// The plain text of the line or cell that is open.
    line: String,
    is_first: bool,
    hidden: usize,
    links: usize,
    in_table: bool,
    /// The first word of the cell that is open.
    cell: usize,
}

impl<'a> WordReader<'a> {
    fn new(document: &'a Document, base: usize) -> Self {
        Self {
            document,
            base,
            words: Vec::new(),
            unit: 0,
            says: Vec::new(),
            line: String::new(),
            is_first: false,
            hidden: 0,
            links: 0,
            in_table: false,
            cell: 0,
        }
    }

    fn take(&mut self, event: &Event<'_>, span: &Range<usize>) {
        match event {
            Event::Start(Tag::CodeBlock(_) | Tag::HtmlBlock) => self.hidden += 1,
            Event::End(TagEnd::CodeBlock | TagEnd::HtmlBlock) => self.hidden = self.hidden.saturating_sub(1),
            Event::Start(Tag::Item) => {
                self.end_unit();
                self.is_first = true;
            }
            Event::TaskListMarker(true) => self.says.push("completed".to_owned()),
            Event::Start(Tag::Link { dest_url, .. }) => {
                self.links += 1;
                self.link(dest_url, span.start);
            }
            Event::End(TagEnd::Link) => self.links = self.links.saturating_sub(1),
            Event::Start(Tag::Table(_)) => self.in_table = true,
            Event::End(TagEnd::Table) => {
                self.end_unit();
                self.in_table = false;
            }
            Event::Start(Tag::TableCell) => self.cell = self.words.len(),
            Event::End(TagEnd::TableCell) => self.end_cell(),
            Event::End(TagEnd::TableRow | TagEnd::TableHead) => self.end_unit(),
            Event::Text(text) if self.hidden == 0 => self.text(text, span.start, self.links > 0),
            Event::Code(text) if self.hidden == 0 => self.text(text, span.start + 1, true),
            Event::SoftBreak | Event::HardBreak | Event::Start(_) | Event::End(_) => self.break_line(event),
            _ => {}
        }
    }

    /// Inline marks such as `**` end no line; blocks and line breaks do.
    fn break_line(&mut self, event: &Event<'_>) {
        let is_inline = matches!(
            event,
            Event::Start(Tag::Emphasis | Tag::Strong | Tag::Strikethrough | Tag::Image { .. })
                | Event::End(TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough | TagEnd::Image)
        );
        // The paragraph of a loose item begins behind its marker: that is the same line.
        let begins_item = self.is_first && matches!(event, Event::Start(Tag::Paragraph));
        if !is_inline && !begins_item && !self.in_table {
            self.end_unit();
        }
    }

    fn link(&mut self, target: &str, at: usize) {
        let file = target.rsplit('/').next().unwrap_or_default();
        if let Some(name) = file.strip_suffix(".md").filter(|_| !target.contains("://")) {
            self.push(name, WordMark::Quoted, at);
        }
    }

    fn text(&mut self, text: &str, at: usize, quoted: bool) {
        self.line.push_str(text);
        for token in tokens(text) {
            let mark = match (quoted, std::mem::take(&mut self.is_first)) {
                (true, _) => WordMark::Quoted,
                (false, true) => WordMark::FirstOfItem,
                (false, false) => WordMark::Prose,
            };
            let start = token.as_ptr() as usize - text.as_ptr() as usize;
            self.push(token, mark, at + start);
        }
    }

    fn push(&mut self, word: &str, mark: WordMark, at: usize) {
        let place = self.document.place(self.base + at);
        self.words.push(BodyWord { text: word.replace(HYPHENS, "-"), mark, says: Vec::new(), place });
    }

    fn end_cell(&mut self) {
        let line = std::mem::take(&mut self.line);
        if let [only] = &mut self.words[self.cell..] {
            only.mark = only.mark.max(WordMark::Cell);
            self.says.push(only.text.to_lowercase());
        }
        self.says.extend(status_words(&line));
    }

    fn end_unit(&mut self) {
        let line = std::mem::take(&mut self.line);
        self.says.extend(status_words(&line));
        let says = std::mem::take(&mut self.says);
        for word in &mut self.words[self.unit..] {
            word.says.clone_from(&says);
        }
        self.unit = self.words.len();
        self.is_first = false;
    }
}

/// The words of a text: what stands between blanks and punctuation. An address (`https://...`) is none.
fn tokens(text: &str) -> impl Iterator<Item = &str> {
    let parts = text.split_whitespace().filter(|part| !part.contains("://"));
    let words = parts
        .flat_map(|part| part.split(|c: char| !(is_letter(c) || matches!(c, '-' | '_' | '.') || HYPHENS.contains(&c))));
    words.map(trimmed).filter(|word| !word.is_empty())
}

/// The word without the signs at its ends that belong to a sentence, and without the ending of a file.
fn trimmed(word: &str) -> &str {
    let word = word.trim_matches(['.', '_', '-']);
    word.strip_suffix(".md").unwrap_or(word)
}

/// The words that may say how the rest of the line stands: behind the last dash, colon or bracket, alone there or in
/// capitals. `(completed data)` says nothing.
fn status_words(line: &str) -> Vec<String> {
    let behind = |sign: &str| line.rsplit_once(sign).map(|(_, rest)| rest);
    let found = ["- ", "– ", "— ", ": ", "("].into_iter().filter_map(behind);
    let word = |rest: &str| {
        let mut words = tokens(rest);
        let first = words.next()?;
        let is_shouted = first.chars().all(char::is_uppercase);
        (is_shouted || words.next().is_none()).then(|| first.to_lowercase())
    };
    found.filter_map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(body: &str) -> Vec<(String, WordMark)> {
        let document = Document::parse(format!("# T\n\n## Needs\n\n{body}\n\n## Other\n\ntask-9\n").into_bytes());
        document.body().words("needs").into_iter().map(|word| (word.text, word.mark)).collect()
    }

    #[test]
    fn words_are_found_with_their_marks() {
        use WordMark::{Cell, FirstOfItem, Prose, Quoted};
        for (body, expected) in [
            ("- task-1, task-2", vec![("task-1", FirstOfItem), ("task-2", Prose)]),
            ("- [ ] task-1", vec![("task-1", FirstOfItem)]),
            ("- [x] task-1: the data", vec![("task-1", FirstOfItem), ("the", Prose), ("data", Prose)]),
            ("1. **task_1**\n2. (a)", vec![("task_1", FirstOfItem), ("a", FirstOfItem)]),
            ("- a\n  - b", vec![("a", FirstOfItem), ("b", FirstOfItem)]),
            ("- a\n\n  later", vec![("a", FirstOfItem), ("later", Prose)]),
            ("After `a, b`.", vec![("After", Prose), ("a", Quoted), ("b", Quoted)]),
            ("[the data](../x/task-1.md)", vec![("task-1", Quoted), ("the", Quoted), ("data", Quoted)]),
            ("see https://example.org/task-1 and <https://example.org/a>", vec![("see", Prose), ("and", Prose)]),
            ("task-1/task-2", vec![("task-1", Prose), ("task-2", Prose)]),
            ("task\u{2011}1–task-3", vec![("task-1", Prose), ("task-3", Prose)]),
            ("- a\n\n## Other\n\nx\n\n## **Needs:**\n\n- b", vec![("a", FirstOfItem), ("b", FirstOfItem)]),
            (
                "| Task | Why |\n|---|---|\n| a | it runs |",
                vec![("Task", Cell), ("Why", Cell), ("a", Cell), ("it", Prose), ("runs", Prose)],
            ),
            ("```\ntask-1\n```\n<!-- task-2 -->\n", vec![]),
            ("_none_", vec![("none", Prose)]),
        ] {
            let expected: Vec<_> = expected.into_iter().map(|(text, mark)| (text.to_owned(), mark)).collect();
            assert_eq!(words(body), expected, "{body}");
        }
        assert_eq!(Document::parse(b"# T\n".as_slice()).body().words("needs"), []);
    }

    #[test]
    fn a_line_says_how_its_words_stand() {
        for (body, completed) in [
            ("- task-1 (data) - COMPLETED ✅", true),
            ("- [x] task-1", true),
            ("- [ ] task-1", false),
            ("- task-1: completed", true),
            ("- task-1 (completed)", true),
            ("task-1 — completed\nmore", true),
            ("- task-1 - COMPLETED by bob", true),
            ("- task-1 - NOT COMPLETED", false),
            ("- task-1 (completed data)", false),
            ("- task-1 - completed tests are needed", false),
            ("- task-1\n- task-2 - COMPLETED", false),
            ("| id | status |\n|---|---|\n| task-1 | Completed |", true),
            ("| id | status |\n|---|---|\n| task-1 | open |\n| task-2 | completed |", false),
        ] {
            let document = Document::parse(format!("## Needs\n\n{body}\n").into_bytes());
            let words = document.body().words("needs");
            let word = words.iter().find(|word| word.text == "task-1").expect(body);
            assert_eq!(word.says.iter().any(|word| word == "completed"), completed, "{body}");
        }
    }
}
