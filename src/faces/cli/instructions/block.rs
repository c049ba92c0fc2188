//! A block of lines between two marks in a file that belongs to somebody else. Bytes in, bytes out; every byte outside the block stays.

use std::ops::Range;

/// How the first line of the block begins.
pub(super) const BEGIN: &str = "<!-- mycelium:begin";
/// How its last line begins.
pub(super) const END: &str = "<!-- mycelium:end";

/// Why nobody can tell where the block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken {
    /// The line in question, from 1.
    pub line: usize,
    /// What is wrong there.
    pub why: &'static str,
}

/// Where the block is, its marks and the end of its last line included; `None` if there is none.
///
/// # Errors
/// [`Broken`] if the marks are not one pair in order.
pub(super) fn find(text: &[u8]) -> Result<Option<Range<usize>>, Broken> {
    let (mut at, mut begin, mut block) = (0, None, None);
    for (index, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let broken = |why| Err(Broken { line: index + 1, why });
        let bare = if index == 0 { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line) } else { line };
        if bare.starts_with(BEGIN.as_bytes()) {
            match (begin, &block) {
                (None, None) => begin = Some((at + line.len() - bare.len(), index + 1)),
                _ => return broken("the block begins a second time"),
            }
        } else if bare.starts_with(END.as_bytes()) {
            match begin.take() {
                Some((start, _)) => block = Some(start..at + line.len()),
                None => return broken("the block ends without having begun"),
            }
        }
        at += line.len();
    }
    match begin {
        Some((_, line)) => Err(Broken { line, why: "the block begins and does not end" }),
        None => Ok(block),
    }
}

/// The text with this block: in the place of the old one, else behind everything. `block` has lines that end with LF; the
/// file's own line end is used.
///
/// # Errors
/// [`Broken`] as for [`find`].
pub(super) fn put(text: &[u8], block: &str) -> Result<Vec<u8>, Broken> {
    let line_end = line_end(text);
    let block = block.replace('\n', line_end);
    let mut out = text.to_vec();
    if let Some(old) = find(text)? {
        // A last line without an end keeps none.
        let block = if text[old.clone()].ends_with(b"\n") { &block } else { block.trim_end_matches(['\r', '\n']) };
        out.splice(old, block.bytes());
        return Ok(out);
    }
    if !is_blank(text) {
        if !text.ends_with(b"\n") {
            out.extend(line_end.bytes());
        }
        out.extend(line_end.bytes());
    }
    out.extend(block.bytes());
    Ok(out)
}

/// The text without the block, and without the blank line that [`put`] writes before a block at the end.
///
/// # Errors
/// [`Broken`] as for [`find`].
pub(super) fn remove(text: &[u8]) -> Result<Vec<u8>, Broken> {
    let Some(block) = find(text)? else { return Ok(text.to_vec()) };
    let (before, after) = (&text[..block.start], &text[block.end..]);
    let before = if after.is_empty() { without_blank_line(before) } else { before };
    Ok([before, after].concat())
}

fn without_blank_line(before: &[u8]) -> &[u8] {
    let line = |text: &[u8]| text.strip_suffix(b"\r\n").or_else(|| text.strip_suffix(b"\n")).map(<[u8]>::len);
    match line(before) {
        Some(length) if before[..length].ends_with(b"\n") => &before[..length],
        _ => before,
    }
}

fn line_end(text: &[u8]) -> &'static str {
    let first = text.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default();
    if first.ends_with(b"\r\n") { "\r\n" } else { "\n" }
}

fn is_blank(text: &[u8]) -> bool {
    text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text).is_empty()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BLOCK: &str = "<!-- mycelium:begin x -->\nnew\n<!-- mycelium:end -->\n";

    fn text(bytes: Result<Vec<u8>, Broken>) -> Result<String, (usize, &'static str)> {
        bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).map_err(|broken| (broken.line, broken.why))
    }

    #[test]
    fn the_block_goes_behind_everything_or_where_it_was() {
        let old = BLOCK.replace("new", "old\nolder");
        let crlf = BLOCK.replace('\n', "\r\n");
        for (before, after) in [
            (String::new(), BLOCK.to_owned()),
            ("# A\n".to_owned(), format!("# A\n\n{BLOCK}")),
            ("# A".to_owned(), format!("# A\n\n{BLOCK}")),
            ("# A\r\n".to_owned(), format!("# A\r\n\r\n{crlf}")),
            (format!("a\n{old}b\n"), format!("a\n{BLOCK}b\n")),
            (format!("a\n{}", old.trim_end()), format!("a\n{}", BLOCK.trim_end())),
            (format!("\u{feff}{old}"), format!("\u{feff}{BLOCK}")),
            (format!("a\r\n{}b", old.replace('\n', "\r\n")), format!("a\r\n{crlf}b")),
        ] {
            assert_eq!(text(put(before.as_bytes(), BLOCK)), Ok(after.clone()), "{before:?}");
            assert_eq!(text(put(after.as_bytes(), BLOCK)), Ok(after), "once more: {before:?}");
        }
    }

    #[test]
    fn the_block_goes_without_a_trace() {
        for (before, after) in [
            (BLOCK.to_owned(), ""),
            (format!("# A\n\n{BLOCK}"), "# A\n"),
            (format!("# A\r\n\r\n{}", BLOCK.replace('\n', "\r\n")), "# A\r\n"),
            (format!("a\n\n{BLOCK}\nb\n"), "a\n\n\nb\n"),
            ("nothing\n".to_owned(), "nothing\n"),
        ] {
            assert_eq!(text(remove(before.as_bytes())), Ok(after.to_owned()), "{before:?}");
        }
    }

    #[test]
    fn marks_that_are_no_pair_are_refused() {
        let (begin, end) = ("<!-- mycelium:begin -->\n", "<!-- mycelium:end -->\n");
        for (marks, line, why) in [
            (format!("x\n{begin}y\n"), 2, "the block begins and does not end"),
            (format!("{end}{begin}"), 1, "the block ends without having begun"),
            (format!("{begin}{begin}{end}"), 2, "the block begins a second time"),
            (format!("{begin}{end}{begin}{end}"), 3, "the block begins a second time"),
            (format!("{begin}{end}{end}"), 3, "the block ends without having begun"),
        ] {
            assert_eq!(text(put(marks.as_bytes(), BLOCK)), Err((line, why)), "{marks:?}");
            assert_eq!(text(remove(marks.as_bytes())), Err((line, why)), "{marks:?}");
        }
        assert_eq!(find(b"see `<!-- mycelium:begin`\n  <!-- mycelium:end -->\n"), Ok(None), "not at the line's start");
    }

    proptest! {
        /// Whatever stands around the block comes out as it went in.
        #[test]
        fn every_other_byte_stays(before in "([a-z \r\n<>!é-]|\u{feff}){0,40}", after in "[a-z \r\n<>!é-]{0,40}") {
            let before = if before.is_empty() || before.ends_with('\n') { before } else { before + "\n" };
            let old = format!("{before}<!-- mycelium:begin -->\nold\n<!-- mycelium:end -->\n{after}");
            let new = put(old.as_bytes(), BLOCK).expect("one pair");
            prop_assert!(new.starts_with(before.as_bytes()) && new.ends_with(after.as_bytes()));
            prop_assert_eq!(put(&new, BLOCK).expect("one pair"), new.clone());
            let appended = put(before.as_bytes(), BLOCK).expect("no marks");
            prop_assert_eq!(remove(&appended).expect("one pair"), before.into_bytes());
        }
    }
}
