//! What is remembered of a command's output, in bounded memory: its end, and the lines that may be its result. Pure.

use std::collections::VecDeque;

use serde_json::{Map, Value as Json};

/// Most lines that look like a JSON object and are remembered, the last ones.
const CANDIDATES_MAX: usize = 16;

/// The last bytes of a stream.
#[derive(Debug)]
pub(super) struct OutputTail {
    bytes: VecDeque<u8>,
    bytes_max: usize,
}

impl OutputTail {
    pub(super) const fn new(bytes_max: usize) -> Self {
        Self { bytes: VecDeque::new(), bytes_max }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        let bytes = &bytes[bytes.len().saturating_sub(self.bytes_max)..];
        let surplus = (self.bytes.len() + bytes.len()).saturating_sub(self.bytes_max);
        self.bytes.drain(..surplus);
        self.bytes.extend(bytes);
    }

    /// Returns the end as text without its last line break. A character of which the beginning is missing is left out, and
    /// what is no text becomes U+FFFD, control characters too.
    pub(super) fn text(&self) -> String {
        let bytes: Vec<u8> = self.bytes.iter().copied().collect();
        let is_cut = bytes.len() == self.bytes_max;
        let start = if is_cut { bytes.iter().take(3).take_while(|byte| **byte & 0xc0 == 0x80).count() } else { 0 };
        let text = String::from_utf8_lossy(&bytes[start..]).replace("\r\n", "\n");
        let shown = |c: char| if c.is_control() && !matches!(c, '\n' | '\t') { '\u{fffd}' } else { c };
        text.trim_end_matches('\n').chars().map(shown).collect()
    }

    /// Returns its last lines, each cut to a number of characters.
    pub(super) fn last_lines(&self, lines_max: usize, characters_max: usize) -> String {
        let text = self.text();
        let lines: Vec<&str> = text.lines().collect();
        let last = lines[lines.len().saturating_sub(lines_max)..].iter();
        let cut = |line: &&str| match line.char_indices().nth(characters_max) {
            Some((end, _)) => format!("{}…", &line[..end]),
            None => (*line).to_owned(),
        };
        last.map(cut).collect::<Vec<_>>().join("\n")
    }
}

/// Finds the last line of a stream that is a JSON object.
#[derive(Debug)]
pub(super) struct JsonLineFinder {
    bytes_max: usize,
    line: Line,
    candidates: VecDeque<Candidate>,
}

/// The line that is being read.
#[derive(Debug)]
enum Line {
    /// Nothing but spaces so far.
    Blank,
    /// It begins with `{`.
    Object(Vec<u8>),
    /// It begins with `{` and is too long to be remembered; its last byte that is no space.
    TooLong(u8),
    /// It is no object.
    Other,
}

/// A line that begins and ends as a JSON object does.
#[derive(Debug)]
enum Candidate {
    Text(Vec<u8>),
    TooLong,
}

/// The last line that is a JSON object.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum JsonLine {
    /// There is none.
    None,
    /// This one.
    Object(Map<String, Json>),
    /// It is too long to be read.
    TooLong,
}

impl JsonLineFinder {
    /// Finds lines of at most so many bytes.
    pub(super) const fn new(bytes_max: usize) -> Self {
        Self { bytes_max, line: Line::Blank, candidates: VecDeque::new() }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        for (index, part) in bytes.split(|byte| *byte == b'\n').enumerate() {
            if index > 0 {
                self.end_line();
            }
            self.extend_line(part);
        }
    }

    fn extend_line(&mut self, part: &[u8]) {
        if matches!(self.line, Line::Blank) {
            let start = part.iter().position(|byte| !byte.is_ascii_whitespace());
            match start.map(|start| &part[start..]) {
                None => return,
                Some([b'{', ..]) => self.line = Line::Object(Vec::new()),
                Some(_) => self.line = Line::Other,
            }
        }
        let last = part.iter().rev().find(|byte| !byte.is_ascii_whitespace()).copied();
        match &mut self.line {
            Line::Object(line) if line.len() + part.len() <= self.bytes_max => line.extend(part),
            Line::Object(line) => self.line = Line::TooLong(last.or_else(|| line.last().copied()).unwrap_or(b'{')),
            Line::TooLong(end) => *end = last.unwrap_or(*end),
            Line::Blank | Line::Other => {}
        }
    }

    fn end_line(&mut self) {
        let candidate = match std::mem::replace(&mut self.line, Line::Blank) {
            Line::Object(line) if line.trim_ascii_end().ends_with(b"}") => Candidate::Text(line),
            Line::TooLong(b'}') => Candidate::TooLong,
            _ => return,
        };
        self.candidates.push_back(candidate);
        let size = |one: &Candidate| if let Candidate::Text(line) = one { line.len() } else { 0 };
        let is_too_much = |all: &VecDeque<Candidate>| {
            all.len() > CANDIDATES_MAX || all.iter().map(size).sum::<usize>() > 2 * self.bytes_max
        };
        while is_too_much(&self.candidates) {
            self.candidates.pop_front();
        }
    }

    /// Returns the last line that is a JSON object, of what was read so far.
    pub(super) fn finish(mut self) -> JsonLine {
        self.end_line();
        let read = |candidate: &Candidate| match candidate {
            Candidate::TooLong => Some(JsonLine::TooLong),
            Candidate::Text(line) => serde_json::from_slice(line).ok().map(JsonLine::Object),
        };
        self.candidates.iter().rev().find_map(read).unwrap_or(JsonLine::None)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(text: &str, piece: usize) -> JsonLine {
        let mut finder = JsonLineFinder::new(20);
        text.as_bytes().chunks(piece).for_each(|piece| finder.push(piece));
        finder.finish()
    }

    #[test]
    fn the_last_line_that_is_an_object_is_found() {
        let object = |value: Json| value.as_object().cloned().map_or(JsonLine::None, JsonLine::Object);
        let long = format!("{{\"a\": \"{}\"}}\n", "x".repeat(40));
        for (text, expected) in [
            ("", JsonLine::None),
            ("text\n", JsonLine::None),
            ("{\"a\": 1}", object(json!({"a": 1}))),
            ("{\"a\": 1}\r\n\ntext\n", object(json!({"a": 1}))),
            ("  {\"a\": 1}  \n{\"b\": 2}\n{ no }\n[1]\n", object(json!({"b": 2}))),
            ("x {\"a\": 1}\n", JsonLine::None),
            (&long, JsonLine::TooLong),
            (&format!("{long}{{\"a\": 1}}\n"), object(json!({"a": 1}))),
            (&format!("{{\"a\": 1}}\n{{{}\n", "x".repeat(40)), object(json!({"a": 1}))),
            (&"{no}\n".repeat(1_000), JsonLine::None),
        ] {
            for piece in [1, 3, 1_000] {
                assert_eq!(found(text, piece), expected, "{text}");
            }
        }
    }

    #[test]
    fn memory_is_bounded() {
        let mut finder = JsonLineFinder::new(100);
        let mut tail = OutputTail::new(100);
        for _ in 0..10_000 {
            finder.push(b"{\"a\": 1}\n");
            tail.push(b"{\"a\": 1}\n");
        }
        finder.push(&vec![b'{'; 100_000]);
        assert!(finder.candidates.len() <= CANDIDATES_MAX && tail.bytes.len() == 100);
        assert!(matches!(finder.line, Line::TooLong(_)));
    }

    #[test]
    fn the_end_is_whole_characters_and_lines() {
        let mut tail = OutputTail::new(10);
        tail.push("äöüäöü".as_bytes());
        assert_eq!(tail.text(), "öüäöü");
        let mut tail = OutputTail::new(9);
        tail.push("äöüäöü".as_bytes());
        assert_eq!(tail.text(), "üäöü");
        let mut tail = OutputTail::new(100);
        tail.push(b"one\r\ntwo\x1b[31m\nthree three\n\n");
        assert_eq!(tail.text(), "one\ntwo\u{fffd}[31m\nthree three");
        assert_eq!(tail.last_lines(2, 7), "two\u{fffd}[31…\nthree t…");
        assert_eq!(OutputTail::new(4).last_lines(20, 10), "");
    }
}
