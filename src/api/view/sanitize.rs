//! Makes control characters visible: the last step before a stream, so that nothing goes out that a terminal would act on.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde_json::Value;

use crate::core::name::is_unsafe_to_show;

/// The colours that this program itself uses, as the codes between `ESC [` and `m`: nothing, bold, dim, underlined, red, green,
/// yellow, cyan. No other sequence passes.
const COLOURS: [&str; 8] = ["0", "1", "2", "4", "31", "32", "33", "36"];

/// A text for people: what a terminal acts on is made visible, but for line breaks, tabs and our own colours.
///
/// Texts of others are made visible where they are put in (`visible`), colours and all; this is for the place that forgot.
#[must_use]
pub fn sanitize_text(text: &str) -> Cow<'_, str> {
    if !text.chars().any(|c| is_unsafe_to_show(c) && c != '\n') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let length = match (c, own_colour(rest)) {
            (_, Some(length)) => {
                out.push_str(&rest[..length]);
                length
            }
            ('\n' | '\t', None) => {
                out.push(c);
                c.len_utf8()
            }
            (c, None) => {
                push(&mut out, c);
                c.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    Cow::Owned(out)
}

fn push(out: &mut String, c: char) {
    if is_unsafe_to_show(c) { out.extend(c.escape_unicode()) } else { out.push(c) }
}

/// The length of the colour of ours that a text begins with.
fn own_colour(text: &str) -> Option<usize> {
    let code = text.strip_prefix("\u{1b}[")?;
    let code = &code[..code.find('m')?];
    COLOURS.contains(&code).then_some(code.len() + 3)
}

/// A value as one line of JSON in which everything that a terminal would act on is escaped (`\u001b`).
#[must_use]
pub fn sanitize_json(value: &Value) -> String {
    let plain = value.to_string();
    if !plain.chars().any(is_unsafe_to_show) {
        return plain;
    }
    let mut out = String::with_capacity(plain.len());
    for c in plain.chars() {
        if is_unsafe_to_show(c) {
            // Outside of strings JSON is ASCII without controls, so this stands in a string.
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_acts_on_passes() {
        for (given, shown) in [
            ("plain\n\ttext\n", "plain\n\ttext\n"),
            ("a\u{1b}[2Jb", "a\\u{1b}[2Jb"),
            ("a\u{1b}]52;c;eA==\u{7}", "a\\u{1b}]52;c;eA==\\u{7}"),
            ("a\u{1b}[35mb\u{1b}[8m", "a\\u{1b}[35mb\\u{1b}[8m"),
            ("a\u{9b}31mb\u{7f}\r\n", "a\\u{9b}31mb\\u{7f}\\u{d}\n"),
            ("a\u{202e}b\u{2066}c\u{200b}", "a\\u{202e}b\\u{2066}c\\u{200b}"),
            ("\u{1b}[", "\\u{1b}["),
            ("\u{1b}[1", "\\u{1b}[1"),
            ("\u{1b}[1;31m", "\\u{1b}[1;31m"),
        ] {
            assert_eq!(sanitize_text(given), shown, "{given:?}");
        }
    }

    #[test]
    fn json_says_the_same_in_harmless_letters() {
        for given in ["a\u{1b}]0;x\u{7}", "\u{9b}\u{7f}\u{202e}\u{feff}", "\u{e0041}\u{200b}\n\t\"\\", "é日本"] {
            let value = Value::from(given);
            let text = sanitize_json(&value);
            assert!(!text.chars().any(is_unsafe_to_show), "{text:?}");
            assert_eq!(serde_json::from_str::<Value>(&text).expect("JSON"), value);
        }
    }
}
