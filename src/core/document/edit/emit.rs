//! Writes values as YAML, each in the plainest form that is read back as the same value. Knows no document.

use std::fmt::Write as _;

use crate::core::document::scan::Style;
use crate::core::document::value::{Core, Value, core_type};

/// A value in one line: scalars in a style where it fits, lists as `[...]`, maps as `{...}`.
pub(super) fn inline(value: &Value, style: Style, flow: bool) -> String {
    match value {
        Value::Scalar { text, plain } => scalar(text, *plain, style, flow),
        Value::List(items) => {
            let items: Vec<_> = items.iter().map(|item| inline(item, Style::Plain, true)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Map(entries) => {
            let entry = |(key, value): &(String, Value)| {
                format!("{}: {}", key_text(key, true), inline(value, Style::Plain, true))
            };
            format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
    }
}

/// A value in one line as JSON writes it: every text in double quotes.
pub(super) fn quoted(value: &Value) -> String {
    match value {
        Value::Scalar { text, plain } => scalar(text, *plain, Style::Double, true),
        Value::List(items) => format!("[{}]", items.iter().map(quoted).collect::<Vec<_>>().join(", ")),
        Value::Map(entries) => {
            let entry = |(key, value): &(String, Value)| format!("{}: {}", double_quoted(key), quoted(value));
            format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
    }
}

/// A non-empty list or map as lines, each at an indent or deeper.
pub(super) fn block(value: &Value, indent: usize, eol: &str) -> String {
    match value {
        Value::List(items) => items.iter().map(|item| list_item(item, indent, eol)).collect(),
        Value::Map(entries) => entries.iter().map(|(key, value)| entry(key, value, indent, eol)).collect(),
        Value::Scalar { .. } => String::new(),
    }
}

/// The line of a list item.
pub(super) fn list_item(item: &Value, indent: usize, eol: &str) -> String {
    format!("{}- {}{eol}", " ".repeat(indent), inline(item, Style::Plain, false))
}

/// The lines of a new key.
pub(super) fn entry(key: &str, value: &Value, indent: usize, eol: &str) -> String {
    let head = format!("{}{}:", " ".repeat(indent), key_text(key, false));
    if is_block(value) {
        format!("{head}{eol}{}", block(value, indent + 2, eol))
    } else {
        format!("{head} {}{eol}", inline(value, Style::Plain, false))
    }
}

/// Tells whether a value is written over several lines where there is room.
pub(super) fn is_block(value: &Value) -> bool {
    match value {
        Value::Scalar { .. } => false,
        Value::List(items) => !items.is_empty(),
        Value::Map(entries) => !entries.is_empty(),
    }
}

/// A key, quoted where needed.
pub(super) fn key_text(key: &str, flow: bool) -> String {
    scalar(key, false, Style::Plain, flow)
}

/// Header and lines of a text as a literal block (`|`), if it has several lines and such a block can hold it.
pub(super) fn literal(text: &str, indent: usize, eol: &str) -> Option<(&'static str, String)> {
    let body = text.strip_suffix('\n').unwrap_or(text);
    let header = if body.len() == text.len() { "|-" } else { "|" };
    let printable = |c: char| c == '\n' || is_printable(c);
    let fits = body.contains('\n')
        && !body.starts_with([' ', '\n', '\t'])
        && !body.ends_with('\n')
        && body.chars().all(printable);
    fits.then(|| {
        let line =
            |line: &str| if line.is_empty() { eol.to_owned() } else { format!("{}{line}{eol}", " ".repeat(indent)) };
        (header, body.split('\n').map(line).collect())
    })
}

fn scalar(text: &str, plain: bool, style: Style, flow: bool) -> String {
    if plain && text.is_empty() {
        return "null".to_owned();
    }
    let typed = plain && core_type(text) != Core::Text;
    let bare = is_plain_safe(text, flow) && (plain || !looks_typed(text));
    match style {
        _ if typed => text.to_owned(),
        Style::Single if text.chars().all(is_printable) => format!("'{}'", text.replace('\'', "''")),
        Style::Plain | Style::Literal | Style::Folded if bare => text.to_owned(),
        _ => double_quoted(text),
    }
}

/// Tells whether a text can stand without quotes.
fn is_plain_safe(text: &str, flow: bool) -> bool {
    let Some(first) = text.chars().next() else { return false };
    let indicator = "?:,[]{}#&*!|>'\"%@`".contains(first) || first == '-' && !text[1..].starts_with(|c| c != ' ');
    !indicator
        && text.trim() == text
        && !text.starts_with("---")
        && !text.starts_with("...")
        && !text.contains(": ")
        && !text.contains(" #")
        && !text.ends_with(':')
        && !(flow && (text.contains([',', '[', ']', '{', '}']) || has_open_colon(text)))
        && text.chars().all(|c| is_printable(c) && c != '\t')
}

/// Tells whether a colon is followed by something that a reader of a flow list may take for the end of a key.
fn has_open_colon(text: &str) -> bool {
    text.match_indices(':').any(|(at, _)| !text[at + 1..].starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/'))
}

/// Tells whether this or another YAML reader would give an unquoted text another type than text.
fn looks_typed(text: &str) -> bool {
    const WORDS: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    let numeric = |text: &str| {
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        let rest = unsigned.strip_prefix('.').unwrap_or(unsigned);
        rest.starts_with(|c: char| c.is_ascii_digit())
            && rest.chars().all(|c| c.is_ascii_hexdigit() || matches!(c, '.' | '_' | ':' | '-' | '+' | 'x' | 'o'))
    };
    let word = text.to_ascii_lowercase();
    core_type(text) != Core::Text
        || WORDS.contains(&word.as_str())
        || matches!(word.as_str(), "=" | "<<" | ".inf" | "-.inf" | "+.inf" | ".nan")
        || numeric(text)
}

/// Tells whether a character may stand in the file as it is: no control, no line break of any kind, nothing invisible.
fn is_printable(c: char) -> bool {
    c == '\t'
        || !(crate::core::name::is_unsafe_to_show(c)
            || matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{fffe}' | '\u{ffff}'))
}

fn double_quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_printable(c) => out.push(c),
            // Writing to a string cannot fail.
            c if (c as u32) < 0x100 => drop(write!(out, "\\x{:02x}", c as u32)),
            c if (c as u32) < 0x1_0000 => drop(write!(out, "\\u{:04x}", c as u32)),
            c => drop(write!(out, "\\U{:08x}", c as u32)),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::document::scan::{scan, values};

    /// Texts that have caught YAML writers.
    const NASTY: [&str; 58] = [
        "",
        " ",
        " a",
        "a ",
        "a: b",
        "a:b",
        "a:",
        ":a",
        "a #b",
        "a#b",
        "#a",
        "- a",
        "-",
        "-a",
        "--- a",
        "...",
        "?",
        "? a",
        "?a",
        "[a",
        "{a",
        "a]",
        "a,b",
        "&a",
        "*a",
        "!a",
        "|",
        ">",
        "'a'",
        "it's",
        "\"a\"",
        "a\"b",
        "a\\b",
        "%a",
        "@a",
        "`a`",
        "=",
        "<<",
        "yes",
        "No",
        "on",
        "null",
        "~",
        "true",
        "1",
        "007",
        "0x1",
        "1_0",
        "1:30",
        "1e3",
        ".5",
        ".inf",
        "2025-10-17",
        "a\nb\n",
        "a\r\nb",
        "\u{85}\u{2028}\u{feff}",
        "\u{1f600}é",
        "\t\u{7}\0",
    ];

    #[test]
    fn every_text_is_read_back_as_the_same_text() {
        for text in NASTY {
            let value = Value::text(text);
            for style in [Style::Plain, Style::Single, Style::Double, Style::Folded] {
                for yaml in [
                    format!("k: {}\n", inline(&value, style, false)),
                    format!("k: [{}]\n", inline(&value, style, true)),
                    entry("k", &Value::List(vec![value.clone()]), 0, "\n"),
                    entry("k", &Value::Map(vec![(format!("k{text}"), value.clone())]), 0, "\r\n"),
                ] {
                    let root = scan(&yaml, 0).unwrap_or_else(|fault| panic!("{yaml:?}: {fault:?}"));
                    let mut read = &values(root.entries)[0].1;
                    if let Value::List(items) = read {
                        read = &items[0];
                    } else if let Value::Map(entries) = read {
                        read = &entries[0].1;
                    }
                    assert!(read.means(&value), "{yaml:?} {read:?}");
                }
            }
        }
    }

    #[test]
    fn quotes_stand_only_where_they_are_needed() {
        for (value, written) in [
            (Value::text("task-1"), "task-1"),
            (Value::text("2025-10-17T00:00:00Z"), "2025-10-17T00:00:00Z"),
            (Value::text("5m"), "5m"),
            (Value::text("12"), "\"12\""),
            (Value::plain("12"), "12"),
            (Value::plain("007"), "007"),
            (Value::plain("a: b"), "\"a: b\""),
            (Value::plain(""), "null"),
            (Value::text(""), "\"\""),
            (Value::text("yes"), "\"yes\""),
            (Value::List(vec![]), "[]"),
            (
                Value::List(vec![Value::text("a,b"), Value::Map(vec![("k".to_owned(), Value::plain("1"))])]),
                "[\"a,b\", {k: 1}]",
            ),
        ] {
            assert_eq!(inline(&value, Style::Plain, false), written);
        }
        assert_eq!(inline(&Value::text("it's"), Style::Single, false), "'it''s'");
    }
}
