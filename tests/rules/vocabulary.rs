//! The words of the project's own text: which are avoided, by docs/glossary.md, and how much code there is.

use std::collections::BTreeMap;

use super::source::{code, is_word, without_tests};
use super::{Tree, is_tests};
use crate::ratchet::{self, FILE, Figures};

/// Words that neither a name nor a doc comment has; docs/glossary.md says what to write instead.
const AVOIDED: [&str; 31] = [
    "anew",
    "anybody",
    "beat",
    "beats",
    "blank",
    "blanks",
    "circle",
    "circles",
    "deed",
    "deeds",
    "heed",
    "heeds",
    "meanwhile",
    "mend",
    "mended",
    "mends",
    "nobody",
    "pulse",
    "seat",
    "seats",
    "somebody",
    "stake",
    "stakes",
    "tell",
    "teller",
    "tells",
    "told",
    "unlearn",
    "unsynced",
    "untold",
    "whoever",
];
/// Words that no name has: in a sentence they may be right.
const AVOIDED_NAMES: [&str; 30] = [
    "bases",
    "course",
    "crew",
    "deaf",
    "ear",
    "errand",
    "feed",
    "follower",
    "ground",
    "hinder",
    "hold",
    "holding",
    "kept",
    "ledger",
    "look",
    "looks",
    "rehearsal",
    "reign",
    "restless",
    "scratch",
    "sight",
    "standing",
    "survey",
    "together",
    "turn",
    "twin",
    "voice",
    "wish",
    "wished",
    "witness",
];
/// Runs of words that no doc comment has.
const PHRASES: [&str; 8] =
    ["for ever", "is done with", "it is so already", "let go", "of late", "put it right", "run state", "stands in"];
/// Names of files that are to get others with what is in them.
const OLD_FILES: [&str; 53] = [
    "admission",
    "bases",
    "beat",
    "bell",
    "brief",
    "case",
    "condition",
    "course",
    "crew",
    "ear",
    "errand",
    "fold",
    "gate",
    "glance",
    "ground",
    "held",
    "hold",
    "holding",
    "inbound",
    "judge",
    "kept",
    "language",
    "late",
    "ledger",
    "line",
    "lineage",
    "loss",
    "observer",
    "opening",
    "pace",
    "plain",
    "pulse",
    "rehearsal",
    "rest",
    "sabotage",
    "scratch",
    "second_opinion",
    "shield",
    "sight",
    "slots",
    "stake",
    "standing",
    "survey",
    "take",
    "teller",
    "together",
    "told",
    "turn",
    "unit",
    "unite",
    "voice",
    "wish",
    "witness",
];
/// How many percent below its line a number of words may be before the line is to be lowered: they go one by one.
const WORDS_SLACK_PERCENT: u64 = 10;
/// The words that declare a name.
const DECLARE: [&str; 9] = ["fn", "struct", "enum", "trait", "union", "type", "const", "static", "mod"];

/// Names and doc comments have no word that the glossary avoids, save as many as the ratchet has for each part of `src`.
pub(crate) fn avoided_words(tree: &Tree) -> Vec<String> {
    let mut parts: BTreeMap<String, BTreeMap<&str, u64>> = BTreeMap::new();
    for (path, text) in tree.rust(&["src", "crates"]).filter(|(path, _)| !is_tests(path)) {
        let words = parts.entry(part(path)).or_default();
        let names = names(&without_tests(&code(text)));
        let comments = comments(text);
        let in_names = names.iter().filter_map(|word| find(&AVOIDED, word).or_else(|| find(&AVOIDED_NAMES, word)));
        for word in in_names.chain(comments.iter().filter_map(|word| find(&AVOIDED, word))) {
            *words.entry(word).or_default() += 1;
        }
        let running = comments.join(" ");
        for phrase in PHRASES {
            let count = running.matches(phrase).count();
            *words.entry(phrase).or_default() += count as u64;
        }
    }
    let now: Figures =
        parts.iter().map(|(part, words)| (part.clone(), words.values().sum())).filter(|(_, sum)| *sum > 0).collect();
    let faults = ratchet::faults(tree.get(FILE).unwrap_or_default(), "avoided words", &now, |bound| {
        bound * WORDS_SLACK_PERCENT / 100
    });
    // Which of them are new is seen in the change.
    let with_words = |fault: String| {
        let of = parts.iter().find(|(part, _)| fault.starts_with(&format!("[avoided words] {part}: ")));
        let words = of.map(|(_, words)| {
            words.iter().filter(|(_, count)| **count > 0).map(|(word, count)| format!("{word} {count}"))
        });
        match words {
            Some(words) => {
                format!("{fault}\n    docs/glossary.md has others for: {}", words.collect::<Vec<_>>().join(", "))
            }
            None => fault,
        }
    };
    faults.into_iter().map(with_words).collect()
}

/// No file has a name that the glossary replaces, save as many as the ratchet has for each part of `src`.
pub(crate) fn old_files(tree: &Tree) -> Vec<String> {
    let mut now = Figures::new();
    for (path, _) in tree.rust(&["src", "crates"]).filter(|(path, _)| !is_tests(path)) {
        let name = path.strip_suffix(".rs").and_then(|path| path.rsplit('/').next()).unwrap_or_default();
        if find(&OLD_FILES, name).is_some() {
            *now.entry(part(path)).or_default() += 1;
        }
    }
    ratchet::faults(tree.get(FILE).unwrap_or_default(), "files with old names", &now, |_| 0)
}

fn find(words: &[&'static str], word: &str) -> Option<&'static str> {
    words.iter().copied().find(|avoided| *avoided == word)
}

/// The part of the project that a file belongs to: `src/core/name` for `src/core/name/unicode.rs` and `src/core/name.rs`,
/// `src/services` for all below it.
fn part(path: &str) -> String {
    let depth = if path.starts_with("src/services/") || path.starts_with("src/fuzzing/") { 2 } else { 3 };
    let parts: Vec<&str> = path.split('/').take(depth).collect();
    parts.join("/").trim_end_matches(".rs").to_owned()
}

/// The words of every name that is declared, in lower case.
fn names(code: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut words = code.split(|c: char| !c.is_ascii() || !is_word(c as u8)).filter(|word| !word.is_empty());
    while let Some(word) = words.next() {
        if DECLARE.contains(&word)
            && let Some(name) = words.next()
        {
            out.extend(words_of(name));
        }
    }
    out
}

/// `HeldBack`, `held_back` and `HELD_BACK` are two words each.
fn words_of(name: &str) -> Vec<String> {
    let mut out = vec![String::new()];
    let is_shouted = !name.bytes().any(|byte| byte.is_ascii_lowercase());
    for c in name.chars() {
        if c == '_' || c.is_ascii_uppercase() && !is_shouted {
            out.push(String::new());
        }
        if c != '_' {
            out.last_mut().unwrap().push(c.to_ascii_lowercase());
        }
    }
    out.retain(|word| !word.is_empty());
    out
}

/// The words of all doc comments, in lower case; code in them is left out.
fn comments(text: &str) -> Vec<String> {
    let docs = text.lines().filter_map(|line| line.trim_start().strip_prefix("//")?.strip_prefix(['/', '!']));
    let prose =
        docs.flat_map(|line| line.split('`').step_by(2)).flat_map(|part| part.split(|c: char| !c.is_alphanumeric()));
    prose.filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_doc_comments_are_read() {
        let file = "//! Nobody `told` it.\n/// Held for\n/// ever.\npub fn tell_all() { let told = 1; told() } // told\nstruct ToldTwice;\n#[cfg(test)]\nmod told {}\n";
        let check = |ratchet: &str| avoided_words(&Tree::of(&[("src/core/a/x.rs", file), (FILE, ratchet)]));
        assert_eq!(
            check(""),
            [
                "[avoided words] src/core/a: 4, and no line of tests/ratchet.txt allows it\n    docs/glossary.md has others for: for ever 1, nobody 1, tell 1, told 1"
            ]
        );
        assert!(check("[avoided words]\nsrc/core/a 4\n").is_empty());
        assert_eq!(check("[avoided words]\nsrc/core/a 3\n").len(), 1);
        assert_eq!(check("[avoided words]\nsrc/core/a 99\n").len(), 1);
    }

    #[test]
    fn old_names_of_files_are_counted() {
        let check = |ratchet: &str| {
            old_files(&Tree::of(&[
                ("src/core/a/told.rs", ""),
                ("src/core/a/untold.rs", ""),
                ("src/core/a/told/tests.rs", ""),
                (FILE, ratchet),
            ]))
        };
        assert_eq!(check(""), ["[files with old names] src/core/a: 1, and no line of tests/ratchet.txt allows it"]);
        assert!(check("[files with old names]\nsrc/core/a 1\n").is_empty());
    }
}
