//! How large and how deep a template may be, judged before the engine parses it: its parser, its compiler and what drops their
//! results recurse once for each operator, bracket and block inside of another one.

/// Longest template, in bytes.
pub const TEMPLATE_BYTES_MAX: usize = 64 * 1024;
/// Most words, operators and marks in one tag: each may stand around those before it, as in `a + 1 + 1` and `x | upper | trim`.
pub const TAG_TOKENS_MAX: usize = 256;
/// Deepest nesting of brackets in one tag.
pub const BRACKETS_DEPTH_MAX: i32 = 32;
/// Most brackets in all tags: a value may be put into itself from tag to tag.
pub const BRACKETS_MAX: usize = 1_000;
/// Deepest nesting of blocks (`if`, `for`, `with`, `filter`); each `elif` counts, too.
pub const BLOCKS_DEPTH_MAX: usize = 32;

/// Tags that are closed by another one.
const BLOCKS: [&str; 8] = ["if", "for", "with", "filter", "autoescape", "macro", "call", "block"];

/// What is too much about a template, and the byte where it becomes so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TooMuch {
    pub(super) message: String,
    pub(super) at: usize,
}

/// Checks a template as the engine is given it.
pub(super) fn check(text: &str) -> Result<(), TooMuch> {
    if text.len() > TEMPLATE_BYTES_MAX {
        return Err(too_much(TEMPLATE_BYTES_MAX, &format!("is longer than {TEMPLATE_BYTES_MAX} bytes")));
    }
    let mut bounds = Bounds { text, at: 0, brackets: 0, blocks: Vec::new() };
    while let Some(start) = bounds.next_tag() {
        bounds.tag(start)?;
    }
    Ok(())
}

fn too_much(at: usize, what: &str) -> TooMuch {
    TooMuch { message: format!("the template {what}"), at }
}

struct Bounds<'a> {
    text: &'a str,
    at: usize,
    /// Brackets so far.
    brackets: usize,
    /// The blocks that are open, each with its `elif`s.
    blocks: Vec<usize>,
}

impl Bounds<'_> {
    /// Goes behind the next opening of a tag; comments and raw text are passed over, as the engine does. Returns its kind.
    fn next_tag(&mut self) -> Option<char> {
        loop {
            let rest = &self.text[self.at..];
            let start = rest.match_indices('{').find(|(at, _)| rest[at + 1..].starts_with(['{', '%', '#']))?.0;
            let kind = rest[start + 1..].chars().next()?;
            self.at += start + 2;
            let behind = &self.text[self.at..];
            match kind {
                '#' => self.at += behind.find("#}").map_or(behind.len(), |end| end + 2),
                '%' if tag_is(behind, "raw", false) => self.at = self.end_of_raw(),
                kind => {
                    self.at += usize::from(behind.starts_with(['-', '+']));
                    return Some(kind);
                }
            }
        }
    }

    fn end_of_raw(&self) -> usize {
        let mut at = self.at;
        while let Some(next) = self.text[at..].find("{%") {
            at += next + 2;
            if tag_is(&self.text[at..], "endraw", true) {
                return at;
            }
        }
        self.text.len()
    }

    /// Reads one tag to its end.
    fn tag(&mut self, kind: char) -> Result<(), TooMuch> {
        let start = self.at;
        let end = if kind == '{' { "}}" } else { "%}" };
        let (mut tokens, mut depth, mut assigns) = (0, 0_i32, false);
        let mut word = None;
        while let Some(c) = self.text[self.at..].chars().next() {
            let rest = &self.text[self.at..];
            if depth == 0 && (rest.starts_with(end) || rest.starts_with(['-', '+']) && rest[1..].starts_with(end)) {
                self.at += rest.find(end).unwrap_or_default() + end.len();
                break;
            }
            let length = token_length(rest, c);
            match c {
                '(' | '[' | '{' => (depth, self.brackets) = (depth + 1, self.brackets + 1),
                ')' | ']' | '}' => depth -= 1,
                '=' => assigns |= depth == 0,
                _ => {}
            }
            if !c.is_whitespace() {
                tokens += 1;
                word = word.or(Some(&rest[..length]));
            }
            let limit = if depth > BRACKETS_DEPTH_MAX {
                Some(format!("nests brackets deeper than {BRACKETS_DEPTH_MAX} levels"))
            } else if self.brackets > BRACKETS_MAX {
                Some(format!("has more than {BRACKETS_MAX} brackets"))
            } else {
                (tokens > TAG_TOKENS_MAX).then(|| format!("has a tag of more than {TAG_TOKENS_MAX} words and marks"))
            };
            if let Some(what) = limit {
                return Err(too_much(self.at, &what));
            }
            self.at += length;
        }
        match word.filter(|_| kind == '%') {
            Some(word) => self.block(word, assigns, start),
            None => Ok(()),
        }
    }

    fn block(&mut self, word: &str, assigns: bool, at: usize) -> Result<(), TooMuch> {
        if BLOCKS.contains(&word) || word == "set" && !assigns {
            self.blocks.push(1);
        } else if word == "elif" {
            if let Some(last) = self.blocks.last_mut() {
                *last += 1;
            }
        } else if word.starts_with("end") {
            self.blocks.pop();
        }
        if self.blocks.iter().sum::<usize>() > BLOCKS_DEPTH_MAX {
            return Err(too_much(at, &format!("nests blocks deeper than {BLOCKS_DEPTH_MAX} levels")));
        }
        Ok(())
    }
}

/// Whether what stands behind `{%` is a tag of one word.
fn tag_is(behind: &str, name: &str, with_sign: bool) -> bool {
    let behind = if with_sign { behind.strip_prefix(['-', '+']).unwrap_or(behind) } else { behind };
    let blank = |c: char| c.is_ascii_whitespace();
    let Some(behind) = behind.trim_start_matches(blank).strip_prefix(name) else { return false };
    let behind = behind.trim_start_matches(blank);
    behind.strip_prefix(['-', '+']).unwrap_or(behind).starts_with("%}")
}

/// The length of what begins here: a word or a number, a text in quotes, else one character.
fn token_length(rest: &str, first: char) -> usize {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    if is_word(first) {
        return rest.find(|c| !is_word(c)).unwrap_or(rest.len());
    }
    if !matches!(first, '"' | '\'') {
        return first.len_utf8();
    }
    let mut escaped = false;
    let end = rest.char_indices().skip(1).find(|(_, c)| {
        let ends = *c == first && !escaped;
        escaped = *c == '\\' && !escaped;
        ends
    });
    end.map_or(rest.len(), |(at, _)| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> Option<(String, usize)> {
        check(text).err().map(|fault| (fault.message, fault.at))
    }

    #[test]
    fn what_is_too_deep_is_refused_where_it_becomes_so() {
        let nested = |open: &str, inner: &str, close: &str, n: usize| {
            format!("x{{{{ {}{inner}{} }}}}", open.repeat(n), close.repeat(n))
        };
        let brackets = "the template nests brackets deeper than 32 levels";
        let tokens = "the template has a tag of more than 256 words and marks";
        let blocks = "the template nests blocks deeper than 32 levels";
        for (text, expected) in [
            (nested("(", "1", ")", 32), None),
            (nested("(", "1", ")", 33), Some((brackets, 36))),
            (nested("[", "1", "]", 33), Some((brackets, 36))),
            (nested("{'a':", "1", "}", 33), Some((brackets, 164))),
            (format!("{{{{ 1{} }}}}", "+1".repeat(127)), None),
            (format!("{{{{ 1{} }}}}", "+1".repeat(128)), Some((tokens, 259))),
            (nested("not ", "x", "", 300), Some((tokens, 1028))),
            (nested("-", "x", "", 300), Some((tokens, 260))),
            (format!("{{{{ x{} }}}}", ".a".repeat(300)), Some((tokens, 259))),
            (format!("{{{{ x{} }}}}", "|upper".repeat(300)), Some((tokens, 767))),
            (format!("{{{{ {}x }}}}", "x if y else ".repeat(300)), Some((tokens, 771))),
            (format!("{{{{ '{}' }}}}", "\\'((((".repeat(300)), None),
            ("{% if x %}".repeat(32), None),
            ("{% if x %}".repeat(33), Some((blocks, 322))),
            (format!("{{% if x %}}{}", "{%- elif x %}".repeat(32)), Some((blocks, 416))),
            ("{% for x in y %}{% endfor %}".repeat(99), None),
            ("{% set x = 1 %}{% set y | upper(a=1) %}{% endset %}".repeat(99), None),
            ("{% set x = [x] %}".repeat(1_001), Some(("the template has more than 1000 brackets", 17_011))),
            (format!("{{# {} #}}{{% raw %}} {} {{% endraw %}}", "(".repeat(99), "{{ ((".repeat(99)), None),
            (format!("{{% raw %}}{{#{{% endraw %}}{}", nested("(", "1", ")", 33)), Some((brackets, 59))),
            (format!("{{{{ {{'a': 1}} }}}}{}", nested("(", "1", ")", 33)), Some((brackets, 50))),
            ("(".repeat(9_999), None),
        ] {
            let found = message(&text);
            let found = found.as_ref().map(|(message, at)| (message.as_str(), *at));
            assert_eq!(found, expected, "{}", text.chars().take(60).collect::<String>());
        }
        assert_eq!(message(&"x".repeat(TEMPLATE_BYTES_MAX)), None);
        let (long, at) = message(&"x".repeat(TEMPLATE_BYTES_MAX + 1)).expect("too long");
        assert_eq!((long.as_str(), at), ("the template is longer than 65536 bytes", TEMPLATE_BYTES_MAX));
    }
}
