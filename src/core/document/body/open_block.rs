//! Blocks of a body that nothing closes: a code fence, a comment, other HTML. By the rules of markdown they take in everything
//! that follows. Here the next heading ends them, so that a hurried save hides no section, and edits close them.

use std::ops::Range;

use crate::core::diagnostic::{Code, Diagnostic, Place};
use crate::core::document::fence::line_end;

/// A block that nothing closes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenBlock {
    /// What opens it, as it is written: a code fence, `<!--`, `<pre`.
    pub opening: String,
    /// Where it opens.
    pub place: Place,
    /// From its opening to the heading that ends it, or to the end of what it stands in.
    pub(in crate::core::document) span: Range<usize>,
    /// The line that would close it.
    pub(in crate::core::document) closing: String,
    /// It stands in no list and no quote, so what is written behind it would belong to it.
    pub(in crate::core::document) is_outermost: bool,
}

impl OpenBlock {
    /// The finding about it.
    #[must_use]
    pub fn finding(&self) -> Diagnostic {
        let what = match self.opening.as_bytes() {
            [b'`' | b'~', ..] => "code block",
            [b'<', b'!', b'-', ..] => "comment",
            _ => "block of HTML",
        };
        let message = format!("the {what} that opens here with {} is never closed", self.opening);
        Diagnostic::warning(Code::OpenBlock, message)
            .at(self.place)
            .hint(format!("end it with a line {}", self.closing))
    }
}

/// What opens a code block and what would close it; `None` if it is closed, or needs no closing.
pub(in crate::core::document) fn open_fence(block: &str) -> Option<(String, String)> {
    let opening = block.lines().next().unwrap_or_default().trim_start();
    let mark = opening.chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let fence = &opening[..opening.len() - opening.trim_start_matches(mark).len()];
    // In a quote or a list the closing line has their marks and their indent before it.
    let content = block.trim_end_matches(['\n', '\r']);
    let last = content.rfind('\n').map_or("", |at| content[at..].trim_matches([' ', '\t', '\r', '\n', '>']));
    let is_closed = last.len() >= fence.len() && last.chars().all(|c| c == mark);
    (!is_closed).then(|| (fence.to_owned(), fence.to_owned()))
}

/// The same of a block of HTML. One that a blank line ends needs no closing.
pub(in crate::core::document) fn open_html(block: &str) -> Option<(String, String)> {
    const RAW: [&str; 4] = ["script", "pre", "style", "textarea"];
    let block = block.trim_start();
    let (opening, closing) = if block.starts_with("<!--") {
        ("<!--".to_owned(), "-->".to_owned())
    } else if block.starts_with("<?") {
        ("<?".to_owned(), "?>".to_owned())
    } else if block.starts_with("<![CDATA[") {
        ("<![CDATA[".to_owned(), "]]>".to_owned())
    } else if block.starts_with("<!") {
        ("<!".to_owned(), ">".to_owned())
    } else {
        let is_tag = |tag: &&&str| block.get(1..=tag.len()).is_some_and(|name| name.eq_ignore_ascii_case(tag));
        let tag = RAW.iter().find(is_tag)?;
        (format!("<{tag}"), format!("</{tag}>"))
    };
    (!block.contains(&closing)).then_some((opening, closing))
}

/// The first heading behind the first line of a block that nothing closes. A level-1 heading counts only between blank lines:
/// scripts have comments that look like one.
pub(in crate::core::document) fn heading_in(text: &str, block: &Range<usize>) -> Option<usize> {
    let mut at = line_end(text, block.start);
    let mut after_blank = false;
    while at < block.end {
        let end = line_end(text, at);
        match heading_level(&text[at..end]) {
            Some(2) => return Some(at),
            Some(1) if after_blank && text[end..line_end(text, end)].trim().is_empty() => return Some(at),
            _ => {}
        }
        after_blank = text[at..end].trim().is_empty();
        at = end;
    }
    None
}

/// The level of a line that is a heading of level 1 or 2.
pub(in crate::core::document) fn heading_level(line: &str) -> Option<usize> {
    let rest = line.trim_start_matches(' ');
    let text = rest.trim_start_matches('#');
    let level = rest.len() - text.len();
    let fits = line.len() - rest.len() <= 3 && (1..=2).contains(&level);
    (fits && (text.trim().is_empty() || text.starts_with([' ', '\t']))).then_some(level)
}

/// The first heading in a block of HTML that a blank line would have ended, as in `</details>` directly above `## Notes`.
pub(in crate::core::document) fn heading_in_html(text: &str, block: &Range<usize>) -> Option<usize> {
    const OTHERS: [&str; 6] = ["<!", "<?", "<script", "<pre", "<style", "<textarea"];
    let opening: String = text[block.clone()].trim_start().chars().take(10).collect::<String>().to_ascii_lowercase();
    if OTHERS.iter().any(|other| opening.starts_with(other)) {
        return None;
    }
    let mut at = line_end(text, block.start);
    while at < block.end {
        let end = line_end(text, at);
        if heading_level(&text[at..end]).is_some() {
            return Some(at);
        }
        at = end;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_is_known_from_what_is_closed() {
        for (block, closing) in [
            ("```\nx\n", Some("```")),
            ("```\nx\n```\n", None),
            ("```", Some("```")),
            ("````md\nx\n```\n", Some("````")),
            ("~~~~\nx\n~~~~~\n", None),
            ("~~~\nx\n```\n", Some("~~~")),
            ("```\n> x\n> ```", None),
            ("    code\n", None),
        ] {
            assert_eq!(open_fence(block).map(|(_, closing)| closing).as_deref(), closing, "{block:?}");
        }
        for (block, closing) in [
            ("<!-- x\n", Some("-->")),
            ("<!-- x -->\n", None),
            ("<?php\n", Some("?>")),
            ("<![CDATA[ x", Some("]]>")),
            ("<!DOCTYPE x\n", Some(">")),
            ("<PRE>\nx\n", Some("</pre>")),
            ("<script>\nx</script>\n", None),
            ("<div>\nx\n", None),
        ] {
            assert_eq!(open_html(block).map(|(_, closing)| closing).as_deref(), closing, "{block:?}");
        }
    }

    #[test]
    fn the_next_heading_ends_a_block_and_a_comment_of_a_script_does_not() {
        for (text, at) in [
            ("```\nx\n## A\n", Some(6)),
            ("```\n## A", Some(4)),
            ("```\n##A\n### B\n", None),
            ("```\n   ##\n", Some(4)),
            ("```\n    ## A\n", None),
            ("```\n# a comment\nx\n", None),
            ("```\n\n# a comment\nx\n", None),
            ("```\nx\n\n# Title\n\n", Some(7)),
            ("```\nx\n\n# Title", Some(7)),
        ] {
            assert_eq!(heading_in(text, &(0..text.len())), at, "{text:?}");
        }
    }
}
