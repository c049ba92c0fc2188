//! Rust text without what a reader of rules must not see: comments, strings, test items. Lines and offsets stay.

use std::ops::Range;

/// Blanks comments, strings and characters; every other byte keeps its place.
pub(crate) fn code(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = skip(bytes, at);
        blank(&mut out[at..end]);
        at = end.max(at + 1);
    }
    String::from_utf8(out).expect("whole characters were blanked")
}

/// Where the comment, string or character that starts here ends; `at` itself if none starts.
fn skip(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    if rest.starts_with(b"//") {
        return at + rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
    }
    if rest.starts_with(b"/*") {
        return at + block_comment(rest);
    }
    let word_before = at > 0 && is_word(bytes[at - 1]) && !matches!(bytes[at - 1], b'b' | b'c');
    match rest[0] {
        b'"' => at + quoted(rest, b'"'),
        b'r' if !word_before => at + raw_string(rest),
        b'\'' => at + character(rest),
        _ => at,
    }
}

fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest[at..].starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            b if b == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

fn raw_string(rest: &[u8]) -> usize {
    let hashes = rest[1..].iter().take_while(|b| **b == b'#').count();
    if rest.get(1 + hashes) != Some(&b'"') {
        return 0;
    }
    let close = [b"\"".as_slice(), &vec![b'#'; hashes]].concat();
    let body = 2 + hashes;
    let found = rest[body..].windows(close.len()).position(|w| w == close);
    found.map_or(rest.len(), |position| body + position + close.len())
}

/// A character ends with a quote; a lifetime does not.
fn character(rest: &[u8]) -> usize {
    match rest.get(1) {
        Some(b'\\') => quoted(rest, b'\''),
        Some(first) => {
            let width = match first {
                0..=0x7f => 1,
                0x80..=0xdf => 2,
                0xe0..=0xef => 3,
                _ => 4,
            };
            if rest.get(1 + width) == Some(&b'\'') { width + 2 } else { 0 }
        }
        None => 0,
    }
}

/// Blanks what exists only in tests. Takes text that went through [`code`].
pub(crate) fn without_tests(code: &str) -> String {
    let mut out = code.as_bytes().to_vec();
    for range in test_items(code) {
        blank(&mut out[range]);
    }
    String::from_utf8(out).expect("whole items were blanked")
}

/// Where the items lie that exist only in tests. Takes text that went through [`code`].
pub(crate) fn test_items(code: &str) -> Vec<Range<usize>> {
    let mut items = Vec::new();
    let mut at = 0;
    while let Some(start) = ["#[cfg(test)]", "#[cfg(all(test"].iter().filter_map(|mark| code[at..].find(mark)).min() {
        let start = at + start;
        at = item_end(code.as_bytes(), start);
        items.push(start..at);
    }
    items
}

fn blank(bytes: &mut [u8]) {
    for byte in bytes.iter_mut().filter(|byte| **byte != b'\n') {
        *byte = b' ';
    }
}

/// The end of the item whose first attribute starts here.
fn item_end(bytes: &[u8], start: usize) -> usize {
    match body(bytes, start) {
        Some((open, close)) if open < close => close + 1,
        Some((semicolon, _)) => semicolon + 1,
        None => bytes.len(),
    }
}

/// From an item's start: its opening and closing brace, or twice its semicolon.
pub(crate) fn body(bytes: &[u8], start: usize) -> Option<(usize, usize)> {
    let mut depth = 0_usize;
    for (at, byte) in bytes.iter().enumerate().skip(start) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth = depth.saturating_sub(1),
            b';' if depth == 0 => return Some((at, at)),
            b'{' if depth == 0 => return closing_brace(bytes, at).map(|close| (at, close)),
            _ => {}
        }
    }
    None
}

fn closing_brace(bytes: &[u8], open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, byte) in bytes.iter().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 1 => return Some(at),
            b'}' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// The line of an offset, from 1.
pub(crate) fn line(text: &str, offset: usize) -> usize {
    text.as_bytes()[..offset].iter().filter(|b| **b == b'\n').count() + 1
}

/// Tells whether a byte can stand in an identifier.
pub(crate) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// Every place where `word` stands as a word of its own.
pub(crate) fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let bytes = code.as_bytes();
    code.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let before = at.checked_sub(1).map(|i| bytes[i]);
        let after = bytes.get(at + word.len()).copied();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

/// Every path that starts at `root`, with the groups of `use` written out: (offset, `[fs, read]`).
pub(crate) fn paths(code: &str, root: &str) -> Vec<(usize, Vec<String>)> {
    let mut found = Vec::new();
    for at in words(code, root) {
        if code[..at].trim_end().ends_with("::") {
            continue;
        }
        let after = code[at + root.len()..].trim_start();
        if let Some(tree) = after.strip_prefix("::") {
            let mut leaves = Vec::new();
            use_tree(tree, &mut Vec::new(), &mut leaves);
            found.extend(leaves.into_iter().map(|path| (at, path)));
        } else if code[..at].trim_end().ends_with("use") || code[..at].trim_end().ends_with("extern crate") {
            found.push((at, Vec::new()));
        }
    }
    found
}

/// Reads one tree of a `use` (or a plain path) and returns what follows it.
fn use_tree<'a>(text: &'a str, prefix: &mut Vec<String>, leaves: &mut Vec<Vec<String>>) -> &'a str {
    let text = text.trim_start();
    if let Some(mut rest) = text.strip_prefix('{') {
        loop {
            rest = use_tree(rest, prefix, leaves).trim_start();
            match rest.strip_prefix(',') {
                Some(next) => rest = next,
                None => return rest.strip_prefix('}').unwrap_or(rest),
            }
        }
    }
    let width = text.bytes().take_while(|b| is_word(*b)).count();
    let (word, rest) = match text.strip_prefix('*') {
        Some(rest) => ("*", rest),
        None => text.split_at(width),
    };
    if word.is_empty() {
        return rest;
    }
    prefix.push(word.to_owned());
    let rest = match rest.trim_start().strip_prefix("::") {
        Some(deeper) if !deeper.trim_start().starts_with('<') => use_tree(deeper, prefix, leaves),
        _ => {
            leaves.push(prefix.clone());
            skip_alias(rest)
        }
    };
    prefix.pop();
    rest
}

fn skip_alias(rest: &str) -> &str {
    match rest.trim_start().strip_prefix("as ") {
        Some(alias) => alias.trim_start().trim_start_matches(|c: char| c.is_alphanumeric() || c == '_'),
        None => rest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_strings_and_characters_are_blanked() {
        for (text, expected) in [
            ("a // crate::b\nc", "a            \nc"),
            ("a /* x /* y */ z */ b", "a                   b"),
            (r#"a("x\"y") b"#, "a(      ) b"),
            ("a(r#\"x\"y\"#) b", "a(        ) b"),
            ("a(b\"x\") c", "a(b   ) c"),
            ("r#type x", "r#type x"),
            ("f('\\'', 'x', '\u{e9}') g", "f(    ,    ,     ) g"),
            ("fn f<'a>(x: &'a str) {}", "fn f<'a>(x: &'a str) {}"),
        ] {
            assert_eq!(code(text), expected, "{text}");
            assert_eq!(code(text).len(), text.len(), "{text}");
        }
    }

    #[test]
    fn test_items_are_blanked() {
        for (text, rest) in [
            ("a #[cfg(test)] mod tests { fn f() { {} } } b", "ab"),
            ("#[cfg(test)] mod tests; b", "b"),
            ("#[cfg(test)] #[path = x] use x::y; b", "b"),
            ("#[cfg(all(test, unix))] fn f(x: [u8; 3]) { g() } b", "b"),
            ("#[cfg(unix)] fn f() {}", "#[cfg(unix)]fnf(){}"),
        ] {
            let left = without_tests(text);
            assert_eq!(left.split_whitespace().collect::<String>(), rest, "{text}");
            assert_eq!(left.len(), text.len(), "{text}");
        }
    }

    #[test]
    fn paths_are_written_out() {
        let leaves = |text: &str, root: &str| -> Vec<String> {
            paths(text, root).into_iter().map(|(_, path)| path.join("::")).collect()
        };
        for (text, root, expected) in [
            ("use crate::name::DocPath;", "crate", vec!["name::DocPath"]),
            ("use crate::{a::{B, C as D}, e, f::*};", "crate", vec!["a::B", "a::C", "e", "f::*"]),
            ("let x = crate::a::f::<u8>(crate::b::G);", "crate", vec!["a::f", "b::G"]),
            ("std::fs::read(x)", "std", vec!["fs::read"]),
            ("use gix;", "gix", vec![""]),
            ("crate::gix::x; my_gix::y", "gix", vec![]),
        ] {
            assert_eq!(leaves(text, root), expected, "{text}");
        }
    }
}
