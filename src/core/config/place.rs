//! Where each key of a configuration file stands, for findings: line and column of its value. Reads text that is JSON.

use std::collections::BTreeMap;

use crate::core::diagnostic::Place;

/// Deepest nesting that is followed; `serde_json` refuses deeper ones.
const DEPTH_MAX: usize = 128;

/// Returns the place of every value by full key, `commit.branch`. Of a key that is there twice the last one counts.
pub(super) fn places(text: &str) -> BTreeMap<String, Place> {
    let mut scanner = Scanner { text, at: 0, found: BTreeMap::new() };
    scanner.value("", 0);
    scanner.found
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
    found: BTreeMap<String, Place>,
}

impl Scanner<'_> {
    fn peek(&mut self) -> Option<u8> {
        let rest = &self.text.as_bytes()[self.at..];
        self.at += rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        self.text.as_bytes().get(self.at).copied()
    }

    /// Steps over one value; notes the members of objects under the key before them.
    fn value(&mut self, prefix: &str, depth: usize) {
        match self.peek() {
            Some(b'{') if depth < DEPTH_MAX => self.members(prefix, depth),
            Some(b'[') if depth < DEPTH_MAX => self.items(depth),
            Some(b'"') => drop(self.string()),
            _ => {
                let rest = &self.text[self.at..];
                self.at += rest.find([',', '}', ']', ' ', '\n', '\r', '\t']).unwrap_or(rest.len());
            }
        }
    }

    fn members(&mut self, prefix: &str, depth: usize) {
        self.at += 1;
        while self.peek() == Some(b'"') {
            let name = self.string();
            let full = if prefix.is_empty() { name } else { format!("{prefix}.{name}") };
            if self.peek() == Some(b':') {
                self.at += 1;
            }
            if self.peek().is_some() {
                self.found.insert(full.clone(), Place::of(self.text.as_bytes(), self.at));
            }
            self.value(&full, depth + 1);
            if self.peek() == Some(b',') {
                self.at += 1;
            }
        }
        self.close(b'}');
    }

    fn items(&mut self, depth: usize) {
        self.at += 1;
        while self.peek().is_some_and(|byte| byte != b']') {
            let before = self.at;
            // What lies in a list is no key.
            let found = std::mem::take(&mut self.found);
            self.value("", depth + 1);
            self.found = found;
            if self.peek() == Some(b',') {
                self.at += 1;
            }
            if self.at == before {
                return;
            }
        }
        self.close(b']');
    }

    fn close(&mut self, with: u8) {
        if self.peek() == Some(with) {
            self.at += 1;
        }
    }

    /// Steps over a string and returns it with its escapes resolved.
    fn string(&mut self) -> String {
        let start = self.at;
        let bytes = self.text.as_bytes();
        self.at += 1;
        while let Some(byte) = bytes.get(self.at) {
            self.at += if *byte == b'\\' { 2 } else { 1 };
            if *byte == b'"' {
                break;
            }
        }
        self.at = self.at.min(bytes.len());
        serde_json::from_str(self.text.get(start..self.at).unwrap_or_default()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_full_key() {
        let text = "{\n  \"commit\": {\n    \"auto\": true,\n    \"br\\u0061nch\": \"a..b\"\n  },\n  \"list\": [{\"x\": 1}, \"}\"], \"commit.author\": {}, \"n\": -1\n}\n";
        let places = places(text);
        let at = |key: &str| places.get(key).map(|place| (place.line, place.column));
        assert_eq!(at("commit"), Some((2, 13)));
        assert_eq!(at("commit.branch"), Some((4, 20)));
        assert_eq!(at("commit.author"), Some((6, 45)));
        assert_eq!(at("n"), Some((6, 54)));
        assert_eq!(at("x"), None);
    }

    #[test]
    fn what_is_no_json_ends_the_walk() {
        for text in ["", "{", "{\"a\"", "{\"a\":", "[1, 2", "{\"a\": [", "\"\\", "{\"a\": \"é", "nul", "}{"] {
            assert!(places(text).len() <= 1, "{text}");
        }
    }
}
