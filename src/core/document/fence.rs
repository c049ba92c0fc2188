//! Finds the frontmatter: the lines between two `---` fences at the top of a file. Reads bytes ranges only, no YAML.

use std::ops::Range;

/// Where the parts of a file lie, as byte ranges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fence {
    /// The YAML between the fences, whole lines.
    pub(super) yaml: Range<usize>,
    /// Everything after the closing fence's line.
    pub(super) body: Range<usize>,
}

/// What the top of a file looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Split {
    /// No fence: all of it (but the byte order mark) is body.
    Bare(Range<usize>),
    /// Frontmatter and body.
    Fenced(Fence),
    /// A fence opens at this byte and none closes.
    Open(usize),
}

/// The byte order mark.
const MARK: char = '\u{feff}';

/// Splits a text. A fence is a line of exactly `---` and blanks; the first must be the first line (after a byte order mark).
pub(super) fn split(text: &str) -> Split {
    let start = if text.starts_with(MARK) { MARK.len_utf8() } else { 0 };
    let first_end = line_end(text, start);
    if !is_fence(&text[start..first_end]) {
        return Split::Bare(start..text.len());
    }
    let mut at = first_end;
    while at < text.len() {
        let end = line_end(text, at);
        if is_fence(&text[at..end]) {
            // A byte order mark behind the fence belongs to no key.
            let mark = if text[first_end..].starts_with(MARK) { MARK.len_utf8() } else { 0 };
            return Split::Fenced(Fence { yaml: first_end + mark..at, body: end..text.len() });
        }
        at = end;
    }
    Split::Open(start)
}

/// The byte after the line that holds byte `at`, its line break included.
pub(super) fn line_end(text: &str, at: usize) -> usize {
    text.as_bytes()[at..].iter().position(|b| *b == b'\n').map_or(text.len(), |i| at + i + 1)
}

/// The first byte of the line that holds byte `at`.
pub(super) fn line_start(text: &str, at: usize) -> usize {
    text.as_bytes()[..at].iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1)
}

fn is_fence(line: &str) -> bool {
    let line = line.strip_suffix('\n').unwrap_or(line);
    let line = line.strip_suffix('\r').unwrap_or(line);
    line.strip_prefix("---").is_some_and(|rest| rest.bytes().all(|b| matches!(b, b' ' | b'\t')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fences_are_found_and_lookalikes_are_not() {
        let fenced = |yaml, body| Split::Fenced(Fence { yaml, body });
        for (text, found) in [
            ("", Split::Bare(0..0)),
            ("# x\n", Split::Bare(0..4)),
            ("---\n---\n", fenced(4..4, 8..8)),
            ("---\na: 1\n---", fenced(4..9, 12..12)),
            ("--- \t\r\na: 1\r\n---\r\nx", fenced(7..13, 18..19)),
            ("\u{feff}---\na: 1\n---\nx", fenced(7..12, 16..17)),
            ("---\na: |\n  ---\n---\n", fenced(4..15, 19..19)),
            ("---\na: 1\n", Split::Open(0)),
            ("---", Split::Open(0)),
            ("\u{feff}---\n ---\n", Split::Open(3)),
            ("---\n\u{feff}a: 1\n---\nx", fenced(7..12, 16..17)),
            ("----\n---\n", Split::Bare(0..9)),
            (" ---\n---\n", Split::Bare(0..9)),
            ("---x\n---\n", Split::Bare(0..9)),
        ] {
            assert_eq!(split(text), found, "{text:?}");
        }
    }
}
