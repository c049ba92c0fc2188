//! Refuses bytes that no document may hold (too many, not UTF-8, NUL, merge conflicts) before any parser sees them.

use std::collections::BTreeMap;
use std::ops::Range;

use super::body::heading_level;
use super::fence::line_end;
use super::{FILE_BYTES_MAX, MARKUP_MAX};
use crate::core::diagnostic::{Code, Diagnostic, Place};

/// Checks what can be told from the bytes alone and gives the text.
pub(super) fn text(bytes: &[u8]) -> Result<&str, Diagnostic> {
    if bytes.len() > FILE_BYTES_MAX {
        let message = format!("the file has {} bytes; at most {FILE_BYTES_MAX} are allowed", bytes.len());
        let end = Place::of(bytes, FILE_BYTES_MAX);
        return Err(Diagnostic::error(Code::FileTooBig, message).at(end).hint("split it, or move bulk data elsewhere"));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let at = Place::of(bytes, error.valid_up_to());
        Diagnostic::error(Code::NotUtf8, "the file is not UTF-8").at(at).hint("save the file as UTF-8")
    })?;
    match text.find('\0') {
        None => Ok(text),
        Some(at) => Err(Diagnostic::error(Code::NulByte, "a NUL byte")
            .at(Place::of(bytes, at))
            .hint("remove the byte; the file may have been torn by a crash")),
    }
}

/// The first conflict marker of a merge: in the frontmatter any marker, in the body one that opens a complete conflict.
/// In the body code fences are passed over, except those of JSON, where a conflict is never meant as an example.
pub(super) fn conflict(text: &str, yaml: Option<&Range<usize>>, body: &Range<usize>) -> Option<usize> {
    // Most documents hold no marker at all: three searches, and no line is looked at.
    if !["<<<<<<<", ">>>>>>>", "======="].iter().any(|marker| text.contains(marker)) {
        return None;
    }
    let in_yaml = yaml.and_then(|yaml| lines(text, yaml).find(|(_, line)| marker(line).is_some()).map(|(at, _)| at));
    in_yaml.or_else(|| conflict_in_body(text, body))
}

fn conflict_in_body(text: &str, body: &Range<usize>) -> Option<usize> {
    let mut fence: Option<(&str, bool)> = None;
    let (mut open, mut middle) = (None::<(usize, usize)>, false);
    let closings = Closings::of(text, body);
    for (at, line) in lines(text, body) {
        // A fence that nothing closes ends with the section, as for every reader of the body.
        if fence.is_some_and(|(fence, _)| heading_level(line).is_some() && !closings.has(fence, at)) {
            fence = None;
        }
        let example = fence.is_some_and(|(_, json)| !json);
        // The markers of a conflict are equally long; longer or shorter ones are text of its sides.
        let marker = marker(line).filter(|(_, length)| open.is_none_or(|(_, opening)| opening == *length));
        match marker.map(|(sign, _)| sign) {
            // One inside of another does not begin anew.
            Some('<') if !example => open = open.or(marker.map(|(_, length)| (at, length))),
            Some('=') if open.is_some() => middle = true,
            Some('>') if middle => return open.map(|(at, _)| at),
            _ => fence = next_fence(fence, line),
        }
    }
    None
}

/// The last line that closes a fence of each length: of back quotes, and of tildes.
struct Closings([BTreeMap<usize, usize>; 2]);

impl Closings {
    fn of(text: &str, body: &Range<usize>) -> Self {
        let mut found = [BTreeMap::new(), BTreeMap::new()];
        for (at, line) in lines(text, body) {
            let mark = line.trim();
            if mark.len() >= 3 && line.len() - line.trim_start_matches(' ').len() <= 3 {
                for (which, c) in ['`', '~'].into_iter().enumerate() {
                    if mark.chars().all(|mark| mark == c) {
                        found[which].insert(mark.len(), at);
                    }
                }
            }
        }
        Self(found)
    }

    /// Whether a line behind a byte closes a fence.
    fn has(&self, fence: &str, at: usize) -> bool {
        self.0[usize::from(fence.starts_with('~'))].range(fence.len()..).any(|(_, line)| *line > at)
    }
}

/// The fence that is open after a line, and whether it holds JSON.
fn next_fence<'a>(open: Option<(&'a str, bool)>, line: &'a str) -> Option<(&'a str, bool)> {
    let trimmed = line.trim_start_matches(' ');
    if line.len() - trimmed.len() > 3 {
        return open;
    }
    let length = trimmed.bytes().take_while(|b| *b == b'`').count();
    let length = if length > 0 { length } else { trimmed.bytes().take_while(|b| *b == b'~').count() };
    let (ticks, info) = trimmed.split_at(length);
    match open {
        Some((opening, _)) if ticks.starts_with(opening) && info.trim().is_empty() => None,
        None if length >= 3 && !(ticks.starts_with('`') && info.contains('`')) => {
            Some((ticks, info.trim().eq_ignore_ascii_case("json")))
        }
        other => other,
    }
}

/// The fewest signs of a conflict marker; `conflict-marker-size` in git's attributes asks for more.
const MARKER_MIN: usize = 7;

/// Which conflict marker a line is, and how long: `<`, `|`, `=` or `>`, seven times or more, then a space or the end.
pub(crate) fn marker(line: &str) -> Option<(char, usize)> {
    let first = line.chars().next().filter(|c| matches!(c, '<' | '|' | '=' | '>'))?;
    let rest = line.trim_end_matches('\n').trim_start_matches(first);
    let length = line.trim_end_matches('\n').len() - rest.len();
    let fits = length >= MARKER_MIN && (rest.is_empty() || rest.starts_with([' ', '\r']));
    (fits && (first != '=' || rest.trim().is_empty())).then_some((first, length))
}

fn lines<'a>(text: &'a str, range: &Range<usize>) -> impl Iterator<Item = (usize, &'a str)> {
    let (mut at, end) = (range.start, range.end);
    std::iter::from_fn(move || {
        let start = at;
        (start < end).then(|| {
            at = line_end(text, start).min(end);
            (start, text[start..at].trim_end_matches(['\n', '\r']))
        })
    })
}

/// Bodies up to this size cannot hold too much markup.
const SMALL: usize = MARKUP_MAX;

/// Where the markup of a body becomes more than [`MARKUP_MAX`]: beyond it, reading would take too much memory.
pub(super) fn too_much_markup(text: &str, body: &Range<usize>) -> Option<usize> {
    if body.len() <= SMALL {
        return None;
    }
    let is_markup = |b: &u8| {
        matches!(b, b'\n' | b'[' | b']' | b'(' | b')' | b'*' | b'_' | b'`' | b'<' | b'>' | b'&')
            || matches!(b, b'\\' | b'!' | b'~' | b'|' | b'-' | b'+' | b'#' | b'.')
    };
    let mut markup = text.as_bytes()[body.clone()].iter().enumerate().filter(|(_, b)| is_markup(b));
    markup.nth(MARKUP_MAX).map(|(at, _)| body.start + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conflicts_are_told_from_rules_and_examples() {
        let conflict_of = |text: &str| conflict(text, None, &(0..text.len()));
        let sides = "<<<<<<< HEAD\na\n=======\nb\n>>>>>>> other\n";
        for (text, at) in [
            (sides.to_owned(), Some(0)),
            (format!("# T\n\n{sides}"), Some(5)),
            (sides.replace('\n', "\r\n"), Some(0)),
            ("<<<<<<< a\nx\n||||||| b\ny\n=======\nz\n>>>>>>> c".to_owned(), Some(0)),
            (format!("```\n{sides}```\n"), None),
            ("<<<<<<< a\nx\n=======\n<<<<<<< y\n>>>>>>> c\n".to_owned(), Some(0)),
            (format!("~~~~text\n```\n{sides}~~~~\n"), None),
            (format!("```json\n{{\n{sides}}}\n```\n"), Some(10)),
            (format!("```\nx\n```\n{sides}"), Some(10)),
            (format!("```\nx\n\n## Notes\n\n{sides}"), Some(17)),
            (format!("```\nx\n\n## Notes\n\n{sides}```\n"), None),
            (format!("~~~\nx\n```\n{sides}"), None),
            ("Title\n=======\n".to_owned(), None),
            ("<<<<<<< HEAD\n".to_owned(), None),
            ("<<<<<<<< HEAD\n=======\n>>>>>>>> x\n".to_owned(), None),
            ("<<<<<<<< HEAD\n========\n>>>>>>>> x\n".to_owned(), Some(0)),
            ("x\n<<<<<<<<<<<< HEAD\n============\n>>>>>>>>>>>> x\n".to_owned(), Some(2)),
            ("<<<<<<< a\n<<<<<<<<< b\n=========\n>>>>>>>>> b\n=======\n>>>>>>> a\n".to_owned(), Some(0)),
            ("  <<<<<<< HEAD\n=======\n>>>>>>> x\n".to_owned(), None),
        ] {
            assert_eq!(conflict_of(&text), at, "{text:?}");
        }
        for (yaml, at) in [
            ("a: 1\n<<<<<<< x\n", Some(5)),
            ("a: 1\n<<<<<<<< x\n", Some(5)),
            ("=======\n", Some(0)),
            (">>>>>>>\n", Some(0)),
            ("a: =======\n", None),
        ] {
            assert_eq!(conflict(yaml, Some(&(0..yaml.len())), &(0..0)), at, "{yaml:?}");
        }
    }
}
