//! The description: what stands in a body outside of the title, the labels and the sections that mean something.

use std::ops::Range;

use super::DocumentBody;
use crate::core::document::fence::line_end;

/// What of a body is no description.
#[derive(Debug, Clone, Copy)]
pub struct Skeleton<'a> {
    /// The headings of the sections that mean something. Of several with one heading the first does.
    pub headings: &'a [&'a str],
    /// The keys that a label may repeat: `status` for a line `**Status**: busy`.
    pub keys: &'a [&'a str],
}

/// Where the description stands.
pub(in crate::core::document) struct Prose {
    /// What lies between the title and the sections, blank lines included, in file order.
    pub(in crate::core::document) gaps: Vec<Range<usize>>,
    /// What is written in each of them, without the blank lines around it; empty where nothing is.
    pub(in crate::core::document) parts: Vec<Range<usize>>,
    /// Which gap follows the title and its labels.
    pub(in crate::core::document) intro: usize,
}

impl DocumentBody<'_> {
    /// The description: its parts as they are written, with a blank line between two. `None` if there is none.
    #[must_use]
    pub fn description(self, skeleton: Skeleton<'_>) -> Option<String> {
        if !self.document.is_readable() {
            return None;
        }
        let prose = self.prose(skeleton);
        let texts: Vec<String> = prose.written().map(|part| normalized(&self.text()[part])).collect();
        (!texts.is_empty()).then(|| texts.join("\n\n"))
    }

    pub(in crate::core::document) fn prose(self, skeleton: Skeleton<'_>) -> Prose {
        let (body, structure) = (self.document.inner().body.clone(), self.structure());
        let title = structure.title_line.clone().unwrap_or(body.start..body.start);
        let head = title.start..self.end_of_labels(title.end, skeleton);
        let known = skeleton.headings.iter().filter_map(|heading| self.section(heading));
        let mut cuts: Vec<Range<usize>> = known.map(|one| one.heading_span.start..one.span.end).collect();
        cuts.push(head.clone());
        cuts.sort_by_key(|cut| (cut.start, cut.end));
        let mut prose = Prose { gaps: Vec::new(), parts: Vec::new(), intro: 0 };
        let mut at = body.start;
        let end = body.end..body.end;
        for cut in cuts.iter().chain([&end]) {
            let gap = at.min(cut.start)..cut.start;
            if at == head.end {
                prose.intro = prose.gaps.len();
            }
            prose.parts.push(written_in(self.text(), &gap));
            prose.gaps.push(gap);
            at = at.max(cut.end);
        }
        prose
    }

    /// Where the paragraphs of labels end that follow the title.
    fn end_of_labels(self, start: usize, skeleton: Skeleton<'_>) -> usize {
        let (text, mut end, mut at) = (self.text(), start, start);
        loop {
            let mut are_labels = false;
            while at < text.len() && text[at..line_end(text, at)].trim().is_empty() {
                at = line_end(text, at);
            }
            while at < text.len() && !text[at..line_end(text, at)].trim().is_empty() {
                if !is_label(&text[at..line_end(text, at)], skeleton.keys) {
                    return end;
                }
                (at, are_labels) = (line_end(text, at), true);
            }
            if !are_labels {
                return end;
            }
            end = at;
        }
    }
}

impl Prose {
    /// The parts in which something is written.
    pub(in crate::core::document) fn written(&self) -> impl Iterator<Item = Range<usize>> {
        self.parts.iter().filter(|part| !part.is_empty()).cloned()
    }
}

/// Returns true for a line such as `**Assigned To**: ann` whose name repeats one of these keys.
pub(in crate::core::document) fn is_label(line: &str, keys: &[&str]) -> bool {
    let Some(rest) = line.trim().strip_prefix("**") else { return false };
    let name = rest.split_once("**:").or_else(|| rest.split_once(":**")).map(|(name, _)| name);
    name.is_some_and(|name| {
        let key = name.trim().to_lowercase().replace([' ', '-'], "_");
        keys.contains(&key.as_str())
    })
}

/// What is written in a range, without the blank lines before it and the blanks behind it.
pub(in crate::core::document) fn written_in(text: &str, range: &Range<usize>) -> Range<usize> {
    let content = text[range.clone()].trim_end();
    let mut start = range.start;
    while start < range.start + content.len() && text[start..line_end(text, start)].trim().is_empty() {
        start = line_end(text, start);
    }
    start..(range.start + content.len()).max(start)
}

/// The text with LF line ends, without the blank lines around it.
pub(in crate::core::document) fn normalized(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    let part = written_in(&text, &(0..text.len()));
    text[part].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::document::Document;

    const SKELETON: Skeleton<'static> =
        Skeleton { headings: &["Payload", "Progress", "Notes"], keys: &["status", "assigned_to"] };

    #[test]
    fn everything_outside_of_the_skeleton_is_the_description() {
        for (body, expected) in [
            ("# T\n\n## Payload\n\n{}\n", None),
            ("# T\n\nDo it.\n\nWell.\n\n## Payload\n", Some("Do it.\n\nWell.")),
            ("before\n\n# T\n", Some("before")),
            ("no title\n## Payload\n", Some("no title")),
            ("# T\n## Context\nwhy\n\n## Payload\n\n## Plan\n\n1. x\n", Some("## Context\nwhy\n\n## Plan\n\n1. x")),
            ("# T\n\n**Status**: x\n**Assigned To:** y\n\n**Status**: z\n\nDo it.\n", Some("Do it.")),
            ("# T\n\n**Status**: x\nis what it says\n", Some("**Status**: x\nis what it says")),
            ("# T\n\n**Other**: x\n", Some("**Other**: x")),
            ("# T\n\n## Notes\n- a\n\n# Second\n\nmore\n\n## Notes\n- b\n", Some("# Second\n\nmore\n\n## Notes\n- b")),
            ("# T\n\n    code\n\n<!-- seen -->\n\n### Sub\n\n## notes\n", Some("    code\n\n<!-- seen -->\n\n### Sub")),
            ("# T\r\n\r\none\r\ntwo\r\n\r\n## Notes\r\n", Some("one\ntwo")),
            ("# T\n\n```\n## Payload\n```\n\n## Payload\n", Some("```\n## Payload\n```")),
        ] {
            let document = Document::parse(format!("---\nid: a\n---\n\n{body}").into_bytes());
            assert_eq!(document.body().description(SKELETON).as_deref(), expected, "{body:?}");
        }
    }
}
