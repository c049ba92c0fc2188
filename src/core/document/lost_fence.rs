//! A file without frontmatter: what is in its way, if it is there all the same, and how to have it read.

use super::Document;
use super::fence::line_end;

/// Why a file has no frontmatter, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostFence {
    /// What is in the way, as a fragment behind "it has no frontmatter"; `None` if there is nothing like frontmatter.
    pub why: Option<String>,
    /// What to do, in the imperative; `None` if frontmatter must be written.
    pub hint: Option<String>,
    /// The byte at which it goes wrong.
    pub at: usize,
}

/// Lines that are looked at: frontmatter stands near the top.
const LINES_MAX: usize = 200;
/// Characters of a line that are shown.
const SHOWN_MAX: usize = 40;

/// A line with its number, its first byte and its text without blanks at its end.
struct Line<'a> {
    number: usize,
    at: usize,
    text: &'a str,
}

impl Document {
    /// Returns why there is no frontmatter, for a readable file that has none.
    #[must_use]
    pub fn lost_fence(&self) -> LostFence {
        let lines = top_lines(self.text());
        let nothing = LostFence { why: None, hint: None, at: 0 };
        let Some(first) = lines.iter().find(|line| !line.text.is_empty()) else { return nothing };
        if let Some(index) = fence(&lines) {
            return behind(&lines, index);
        }
        if first.text == "+++" {
            let hint = "write the keys as `key: value` instead of `key = value`, and `---` instead of `+++`";
            return lost("it is TOML between `+++`", hint, first.at);
        }
        if is_dashes(first.text) && first.text != "---" {
            let hint = format!("write exactly `---` in line {}, and a line `---` behind the last key", first.number);
            return lost(&format!("line {} is `{}`", first.number, shown(first.text)), &hint, first.at);
        }
        if is_key(first.text) {
            let hint = format!("put a line `---` above line {} and another one behind the last key", first.number);
            return lost("its keys do not stand between two lines `---`", &hint, first.at);
        }
        nothing
    }
}

fn lost(why: &str, hint: &str, at: usize) -> LostFence {
    LostFence { why: Some(why.to_owned()), hint: Some(hint.to_owned()), at }
}

/// A fence that does not begin the file, with what stands before it.
fn behind(lines: &[Line<'_>], index: usize) -> LostFence {
    let fence = &lines[index];
    let number = fence.number;
    let text: Vec<&Line<'_>> = lines[..index].iter().filter(|line| !line.text.is_empty()).collect();
    let is_indented = fence.text.starts_with(char::is_whitespace);
    let block = text.last().filter(|line| line.text.trim_start().starts_with("```") || line.text.starts_with("~~~"));
    match (text.first(), block) {
        (_, Some(block)) => {
            let more = if text.len() > 1 { ", and all lines before it" } else { "" };
            let hint = format!(
                "remove line {} (`{}`){more}, and the line that ends the code block: line 1 must be `---`",
                block.number,
                shown(block.text)
            );
            lost(&format!("it is inside a code block that opens in line {}", block.number), &hint, block.at)
        }
        (None, None) if is_indented => {
            let hint = "begin the lines of the frontmatter in the first column, and the file with `---`";
            lost(&format!("the `---` in line {number} is indented"), hint, fence.at)
        }
        (None, None) => {
            let hint = format!("remove what stands before `---` in line {number}: it must be line 1");
            lost(&format!("there are empty lines before the `---` in line {number}"), &hint, fence.at)
        }
        (Some(first), None) => {
            let hint = format!(
                "move line {} to {} behind the second `---`: the first one must be line 1",
                first.number,
                number - 1
            );
            let why = format!("`{}` stands before the `---` in line {number}", shown(first.text.trim_start()));
            lost(&why, &hint, first.at)
        }
    }
}

/// The first line that would open frontmatter: `---` with a key below it.
fn fence(lines: &[Line<'_>]) -> Option<usize> {
    let is_open = |(index, line): (usize, &Line<'_>)| {
        let below = lines[index + 1..].iter().find(|line| !line.text.is_empty() && !line.text.starts_with('#'));
        (line.text.trim_start_matches(is_blank) == "---" && below.is_some_and(|line| is_key(line.text)))
            .then_some(index)
    };
    lines.iter().enumerate().find_map(is_open)
}

fn top_lines(text: &str) -> Vec<Line<'_>> {
    let (mut lines, mut at) = (Vec::new(), 0);
    while at < text.len() && lines.len() < LINES_MAX {
        let end = line_end(text, at);
        let line = text[at..end].trim_end_matches(is_blank);
        lines.push(Line { number: lines.len() + 1, at, text: line });
        at = end;
    }
    lines
}

/// What is not seen: blanks, and a byte order mark.
fn is_blank(c: char) -> bool {
    c.is_whitespace() || c == '\u{feff}' || c == '\u{200b}'
}

/// Returns true for three or more dashes of any sort.
fn is_dashes(text: &str) -> bool {
    let is_dash = |c: char| matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}');
    !text.is_empty() && text.chars().all(is_dash) && (text.chars().count() >= 2 || text.starts_with('\u{2014}'))
}

/// Returns true for a line `key: value` with a key of letters.
fn is_key(line: &str) -> bool {
    let Some((key, value)) = line.trim_start().split_once(':') else { return false };
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let is_separated = value.is_empty() || value.starts_with(char::is_whitespace);
    !key.is_empty() && key.chars().all(fits) && key.chars().next().is_some_and(char::is_alphabetic) && is_separated
}

fn shown(text: &str) -> String {
    let cut: String = text.chars().take(SHOWN_MAX).collect();
    crate::core::name::visible(&cut)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "---\nid: task-1\nstatus: pending\n---\n\n# T\n";

    fn hint(text: &str) -> Option<String> {
        let document = Document::parse(text.as_bytes());
        assert!(document.is_readable() && !document.has_frontmatter(), "{text:?}");
        document.lost_fence().hint
    }

    #[test]
    fn what_stands_before_the_frontmatter_is_named() {
        for (before, after, expected) in [
            ("\n", "", "remove what stands before `---` in line 2: it must be line 1"),
            ("\u{feff}\u{feff}", "", "remove what stands before `---` in line 1: it must be line 1"),
            (
                "```markdown\n",
                "```\n",
                "remove line 1 (````markdown`), and the line that ends the code block: line 1 must be `---`",
            ),
            (
                "Here it is:\n\n~~~\n",
                "~~~\n",
                "remove line 3 (`~~~`), and all lines before it, and the line that ends the code block: line 1 must be `---`",
            ),
            ("<!-- a note -->\n\n", "", "move line 1 to 2 behind the second `---`: the first one must be line 1"),
            ("# T\n", "", "move line 1 to 1 behind the second `---`: the first one must be line 1"),
        ] {
            let text = format!("{before}{FILE}{after}");
            assert_eq!(hint(&text).as_deref(), Some(expected), "{text:?}");
        }
        for (text, expected) in [
            (
                FILE.replace('\n', "\n  ").replacen("---", "  ---", 1),
                "begin the lines of the frontmatter in the first column",
            ),
            (FILE.replace("---", "----"), "write exactly `---` in line 1"),
            (FILE.replace("---", "\u{2014}"), "write exactly `---` in line 1"),
            ("id: task-1\nstatus: pending\n---\n".to_owned(), "put a line `---` above line 1"),
            ("+++\nid = \"task-1\"\n+++\n".to_owned(), "write the keys as `key: value`"),
        ] {
            assert!(hint(&text).is_some_and(|hint| hint.starts_with(expected)), "{text:?}: {:?}", hint(&text));
        }
        for prose in ["", "# T\n", "words\n\n---\n\nmore words\n", "\n\n"] {
            assert_eq!(hint(prose), None, "{prose:?}");
        }
    }
}
