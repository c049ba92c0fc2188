//! Replaces the description as a whole; what of it stays keeps its bytes and its place.

use std::ops::Range;

use super::{DocumentEdit, EditError, Splice, Touched, bounds};
use crate::core::document::body::description::{Prose, normalized};
use crate::core::document::{Document, Skeleton};

impl DocumentEdit<'_> {
    /// Replaces the description; an empty text removes it. What of it stays keeps its bytes and its place; what is new goes
    /// where the old was, else behind the title.
    ///
    /// # Errors
    /// [`EditError::Value`] for a text that would be read as something else; [`EditError`] as for every edit.
    pub fn set_description(self, skeleton: Skeleton<'_>, text: &str) -> Result<Document, EditError> {
        let text = normalized(text);
        if let Some(fault) = bounds::description_fault(skeleton, &text) {
            return Err(EditError::Value(Box::new(fault)));
        }
        self.editable()?.with_closed_blocks(|edit| edit.put_description(skeleton, &text))
    }

    fn put_description(self, skeleton: Skeleton<'_>, text: &str) -> Result<Document, EditError> {
        if self.body().description(skeleton).unwrap_or_default() == text {
            return Ok(self.document.clone());
        }
        let description = DescriptionEdit { edit: self, prose: self.body().prose(skeleton) };
        let mut last = EditError::Unproven("the description".to_owned());
        // Where only a part is replaced it may run into the section before it; then all of it goes behind the title.
        for splices in [description.replace_in_part(text), description.replace_whole(text)] {
            match self.with_body("the description", &Touched::Prose(skeleton.headings), splices) {
                Ok(edited) if edited.body().description(skeleton).unwrap_or_default() == text => return Ok(edited),
                Ok(_) => {}
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

/// The description of a document that is being edited.
struct DescriptionEdit<'a> {
    edit: DocumentEdit<'a>,
    prose: Prose,
}

impl DescriptionEdit<'_> {
    fn replace_in_part(&self, text: &str) -> Vec<Splice> {
        let parts: Vec<Range<usize>> = self.prose.written().collect();
        let texts: Vec<String> = parts.iter().map(|part| normalized(&self.edit.text()[part.clone()])).collect();
        let (mut rest, mut from, mut to) = (text, 0, parts.len());
        while let Some(behind) = texts.get(from).and_then(|part| without_start(rest, part)) {
            (rest, from) = (behind, from + 1);
        }
        while let Some(before) = texts[from..to].last().and_then(|part| without_end(rest, part)) {
            (rest, to) = (before, to - 1);
        }
        let mut splices: Vec<Splice> = parts[from..to].iter().skip(1).map(|part| self.removed(part)).collect();
        match (parts[from..to].first(), from.checked_sub(1).map(|before| &parts[before])) {
            (Some(part), _) if rest.is_empty() => splices.push(self.removed(part)),
            (Some(part), _) => splices.push(Splice::new(part.clone(), self.in_lines(part.start, rest))),
            (None, _) if rest.is_empty() => {}
            (None, Some(before)) => {
                let eol = self.edit.line_break_at(before.end);
                splices.push(Splice::insert(before.end, format!("{eol}{eol}{}", self.in_lines(before.end, rest))));
            }
            (None, None) => splices.push(self.added(rest)),
        }
        splices
    }

    fn replace_whole(&self, text: &str) -> Vec<Splice> {
        let intro = &self.prose.parts[self.prose.intro];
        let others = self.prose.written().filter(|part| part != intro);
        let mut splices: Vec<Splice> = others.map(|part| self.removed(&part)).collect();
        splices.push(match (intro.is_empty(), text.is_empty()) {
            (true, true) => return splices,
            (true, false) => self.added(text),
            (false, true) => self.removed(intro),
            (false, false) => Splice::new(intro.clone(), self.in_lines(intro.start, text)),
        });
        splices
    }

    /// The text before what is written behind the title, else alone there.
    fn added(&self, text: &str) -> Splice {
        let (gap, part) = (&self.prose.gaps[self.prose.intro], &self.prose.parts[self.prose.intro]);
        let (eol, text) = (self.edit.line_break_at(gap.start), self.in_lines(gap.start, text));
        if !part.is_empty() {
            return Splice::insert(part.start, format!("{text}{eol}{eol}"));
        }
        let is_last = gap.end == self.edit.text().len();
        let after = if is_last { self.edit.last_break(eol).to_owned() } else { format!("{eol}{eol}") };
        Splice::new(gap.clone(), format!("{}{text}{after}", self.blank_before(gap.start)))
    }

    /// Takes out what is written in a gap; one blank line stays before what follows.
    fn removed(&self, part: &Range<usize>) -> Splice {
        let gap = self.prose.gaps.iter().find(|gap| gap.contains(&part.start)).unwrap_or(part).clone();
        let blank = if gap.end == self.edit.text().len() { "" } else { self.blank_before(gap.start) };
        Splice::new(gap, blank)
    }

    /// What makes a blank line behind what stands before a byte.
    fn blank_before(&self, at: usize) -> &'static str {
        let eol = self.edit.line_break_at(at);
        match self.edit.text()[..at].trim_start_matches('\u{feff}') {
            "" => "",
            text if text.ends_with("\n\n") || text.ends_with("\n\r\n") => "",
            text if text.ends_with('\n') => eol,
            _ if eol == "\n" => "\n\n",
            _ => "\r\n\r\n",
        }
    }

    /// The text with the line breaks in use around a byte.
    fn in_lines(&self, at: usize, text: &str) -> String {
        text.replace('\n', self.edit.line_break_at(at))
    }
}

/// What follows a part with which a text begins.
fn without_start<'a>(text: &'a str, part: &str) -> Option<&'a str> {
    let rest = text.strip_prefix(part)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix("\n\n") }
}

/// What precedes a part with which a text ends.
fn without_end<'a>(text: &'a str, part: &str) -> Option<&'a str> {
    let rest = text.strip_suffix(part)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_suffix("\n\n") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SKELETON: Skeleton<'static> =
        Skeleton { headings: &["Payload", "Progress", "Notes"], keys: &["status", "assigned_to"] };
    const LEAN: &str = "---\nid: a\n---\n\n# T\n\n## Payload\n\n## Progress\n\n- [ ] one\n\n## Notes\n";

    fn parse(text: &str) -> Document {
        Document::parse(text.as_bytes())
    }

    fn described(text: &str) -> Option<String> {
        parse(text).body().description(SKELETON)
    }

    fn set(text: &str, description: &str) -> Result<String, EditError> {
        parse(text).edit().set_description(SKELETON, description).map(|document| document.text().to_owned())
    }

    #[test]
    fn a_description_is_set_changed_and_removed_in_its_place() {
        let one = set(LEAN, "\nDo it.\n\n## Context\n\nwhy\n\n").expect("set");
        assert_eq!(one, LEAN.replace("# T\n\n", "# T\n\nDo it.\n\n## Context\n\nwhy\n\n"));
        assert_eq!(set(&one, "Do it.\n\n## Context\n\nwhy").expect("same"), one);
        assert_eq!(set(&one, "").expect("removed"), LEAN);
        assert_eq!(set("---\nid: a\n---\n# T", "x").expect("set"), "---\nid: a\n---\n# T\n\nx");
        assert_eq!(set("---\nid: a\n---\n# T\n", "x").expect("set"), "---\nid: a\n---\n# T\n\nx\n");
        assert_eq!(
            set("---\r\nid: a\r\n---\r\n# T\r\n", "x\ny").expect("set"),
            "---\r\nid: a\r\n---\r\n# T\r\n\r\nx\r\ny\r\n"
        );
        // What stays keeps its place, also where a section stands between.
        let apart = "---\nid: a\n---\n\n# T\n\nDo it.\n\n## Notes\n\n- n\n\n## Plan\n\n1. x\n";
        let edited = set(apart, "Do it now.\n\n## Plan\n\n1. x").expect("set");
        assert_eq!(edited, apart.replace("Do it.", "Do it now."));
        let edited = set(apart, "Do it.\n\n## Plan\n\n1. y").expect("set");
        assert_eq!(edited, apart.replace("1. x", "1. y"));
        assert_eq!(set(apart, "Do it.").expect("set"), apart.replace("## Plan\n\n1. x\n", ""));
        // Prose cannot stand behind the notes: it would be one of them.
        let moved = set(apart, "Do it.\n\nSoon.").expect("set");
        assert_eq!(moved, apart.replace("Do it.", "Do it.\n\nSoon.").replace("## Plan\n\n1. x\n", ""));
    }

    #[test]
    fn any_description_reads_back_as_it_was_given() {
        for text in [
            "x",
            "- [ ] a\n- [x] b",
            "> quote\n\n***\n\n---",
            "### Sub\n\ntext",
            "# Other\n\ntext",
            "    code",
            "```\n## Notes\n```",
            "a | b\n--|--\n1 | 2",
            "Title\n=====",
            "*x* `y` <b>z</b>",
            "<!-- c -->",
            "\u{202e}x",
            "{\"a\": 1}",
            "**Other**: x",
        ] {
            let once = set(LEAN, text).unwrap_or_else(|error| panic!("{text:?}: {error:?}"));
            assert_eq!(described(&once).as_deref(), Some(text), "{once}");
            assert_eq!(set(&once, "").expect("removed"), LEAN, "{text:?}");
        }
    }

    #[test]
    fn what_would_be_read_as_something_else_is_refused_with_the_reason() {
        for (text, why) in [
            ("x\n\n## notes\n", "`## notes`"),
            ("x\n```\ny", "never closed"),
            ("<!-- x", "never closed"),
            ("a\n<<<<<<< ours\nb\n=======\nc\n>>>>>>> theirs\n", "conflict"),
            ("a\0b", "NUL"),
            ("**Status**: failed\n\nx", "`**Status**"),
        ] {
            let error = set(LEAN, text).expect_err(text);
            assert!(matches!(error, EditError::Value(_)), "{error:?}");
            let said = error.diagnostic();
            assert!(said.message.contains(why) && said.hint.is_some(), "{text:?}: {said:?}");
        }
        let edge = bounds::DESCRIPTION_BYTES_MAX;
        assert!(set(LEAN, &"x".repeat(edge)).is_ok());
        assert!(matches!(set(LEAN, &"x".repeat(edge + 1)), Err(EditError::Value(_))));
    }
}
