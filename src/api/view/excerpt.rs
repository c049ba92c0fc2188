//! A line of source shown with a caret under the place in question. Reads nothing; it is given the bytes.

use unicode_width::UnicodeWidthStr;

use crate::core::diagnostic::Place;
use crate::core::name::visible;

/// Most characters of a source line that are shown; a longer line is cut around the place.
const SHOWN_CHARS_MAX: usize = 100;

/// One place in a named text, with its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    /// The text's name as the user would write it: a file, an option.
    pub name: String,
    /// Where.
    pub place: Place,
    /// The line there, with nothing a terminal would act on; `None` if there is no such line.
    pub line: Option<String>,
    /// Columns on the terminal before the caret.
    caret: usize,
}

impl Excerpt {
    /// The place in this text.
    #[must_use]
    pub fn new(name: &str, bytes: &[u8], place: Place) -> Self {
        let found = bytes.split(|b| *b == b'\n').nth(place.line.saturating_sub(1));
        let (line, caret) = match found {
            Some(raw) => {
                let text = String::from_utf8_lossy(raw);
                let (before, rest) = window(text.trim_end_matches('\r'), place.column.saturating_sub(1));
                (Some(format!("{before}{rest}")), before.width())
            }
            None => (None, 0),
        };
        Self { name: visible(name), place, line, caret }
    }

    /// ` --> FILE:LINE:COLUMN` and the lines of [`Self::lines`].
    #[must_use]
    pub fn with_name(&self) -> String {
        let margin = " ".repeat(self.place.line.to_string().len());
        format!("{margin}--> {}:{}:{}\n{}", self.name, self.place.line, self.place.column, self.lines())
    }

    /// The source line and the caret below it; empty if there is no such line.
    #[must_use]
    pub fn lines(&self) -> String {
        let Some(line) = &self.line else { return String::new() };
        let number = self.place.line.to_string();
        let margin = " ".repeat(number.len());
        format!("{number} | {line}\n{margin} | {}^\n", " ".repeat(self.caret))
    }
}

/// The part of a line around a column, split there, made safe to show.
fn window(line: &str, column: usize) -> (String, String) {
    let chars: Vec<char> = line.chars().filter(|c| *c != '\u{feff}').collect();
    let column = column.min(chars.len());
    let from = if chars.len() <= SHOWN_CHARS_MAX { 0 } else { column.saturating_sub(SHOWN_CHARS_MAX / 2) };
    let to = (from + SHOWN_CHARS_MAX).min(chars.len());
    let text = |from: usize, to: usize| {
        let part: String = chars[from..to].iter().collect();
        visible(&part.replace('\t', " "))
    };
    let lead = if from > 0 { "…" } else { "" };
    let trail = if to < chars.len() { "…" } else { "" };
    (format!("{lead}{}", text(from, column)), format!("{}{trail}", text(column, to)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str, line: usize, column: usize) -> String {
        Excerpt::new("x.md", text.as_bytes(), Place { line, column }).lines()
    }

    #[test]
    fn the_caret_stands_under_the_place() {
        for (text, line, column, shown) in [
            ("a\nstatus: runing\n", 2, 9, "2 | status: runing\n  |         ^\n"),
            ("status: x\r\n", 1, 9, "1 | status: x\n  |         ^\n"),
            ("日本: x", 1, 5, "1 | 日本: x\n  |       ^\n"),
            ("\tx", 1, 2, "1 |  x\n  |  ^\n"),
            ("a\u{1b}[31mb", 1, 7, "1 | a\\u{1b}[31mb\n  |            ^\n"),
            ("short", 1, 99, "1 | short\n  |      ^\n"),
            ("one line", 7, 1, ""),
        ] {
            assert_eq!(lines(text, line, column), shown, "{text:?}");
        }
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let text = format!("{}X{}", "a".repeat(500), "b".repeat(500));
        let shown = lines(&text, 1, 501);
        assert!(shown.contains('X') && shown.contains("…a") && shown.contains("b…"));
        assert!(shown.lines().all(|line| line.chars().count() < 120), "{shown}");
        let caret = shown.lines().nth(1).and_then(|line| line.chars().position(|c| c == '^'));
        assert_eq!(caret, shown.lines().next().and_then(|line| line.chars().position(|c| c == 'X')));
    }
}
