//! What was seen, by section; reads answers, history, local state and documents.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{FOLDER, Run, Sandbox};

/// Keys whose values are the user's own: nothing below them is a name of ours.
const OPEN: [&str; 4] = ["payload", "metadata", "result", "value"];
/// Keys of answers that hold one of a few words.
const WORDS: [&str; 17] = [
    "cause", "class", "decided", "event", "follower", "how", "kind", "mode", "origin", "outcome", "outlook",
    "priority", "reason", "severity", "state", "status", "wait",
];
/// Parts that are the same wherever they stand.
const PARTS: [&str; 7] = ["task", "agent", "workflow", "findings[]", "held", "error", "root"];
/// Where local state lies: of the repository, of a linked worktree, and without git.
const STATES: [&str; 3] = [".git/mycelium/", ".git/worktrees/NAME/mycelium/", "~/.local/state/mycelium/NAME/"];
/// How ids and random names begin, and what stands for them.
const STARTS: [(&str, &str); 8] = [
    ("task-", "ID"),
    ("workflow-", "ID"),
    ("agent-", "AGENT"),
    ("op-", "OP"),
    ("events-", "EVENTS"),
    ("work-", "NAME"),
    ("commit-", "commit-TEMPORARY"),
    ("tmp_mycelium_", "tmp_mycelium_TEMPORARY"),
];
/// Words of the scenes themselves, and what stands for them.
const SCENES: [(&str, &str); 7] = [
    ("bob", "AGENT"),
    ("eve", "AGENT"),
    ("sue", "AGENT"),
    ("mood", "*"),
    ("main", "BRANCH"),
    ("side", "NAME"),
    ("plans", "BRANCH"),
];

/// Names by section.
#[derive(Default)]
pub(crate) struct Names {
    sections: BTreeMap<&'static str, BTreeSet<String>>,
}

impl Names {
    pub(crate) fn add(&mut self, section: &'static str, name: &str) {
        self.sections.entry(section).or_default().insert(name.to_owned());
    }

    /// What another one does not have.
    pub(crate) fn without(&self, other: &Self) -> Self {
        let none = BTreeSet::new();
        let of = |section: &&'static str| other.sections.get(section).unwrap_or(&none);
        let sections =
            self.sections.iter().map(|(section, names)| (*section, names.difference(of(section)).cloned().collect()));
        Self { sections: sections.filter(|(_, names): &(_, BTreeSet<String>)| !names.is_empty()).collect() }
    }

    /// Every section, with a start to its title.
    pub(crate) fn sections(&self, start: &str) -> impl Iterator<Item = (String, BTreeSet<String>)> {
        self.sections.iter().map(move |(section, names)| (format!("{start}{section}"), names.clone()))
    }

    /// What a command answered with `--json`, on both streams.
    pub(crate) fn answer(&mut self, run: &Run) {
        self.lines(&run.stdout);
        self.lines(&run.stderr);
    }

    /// Answers, each on a line.
    pub(crate) fn lines(&mut self, text: &str) {
        for line in text.lines() {
            let Ok(Value::Object(answer)) = serde_json::from_str(line) else { continue };
            let Some(kind) = answer.get("kind").and_then(Value::as_str) else { continue };
            self.add("answers: kinds", kind);
            for (key, value) in &answer {
                let (whose, key) = if key == "data" { (kind, "") } else { ("*", key.as_str()) };
                let mut found = BTreeSet::new();
                fields(value, key, &mut found);
                found.extend((!key.is_empty()).then(|| key.to_owned()));
                for field in &found {
                    self.field(whose, field);
                }
                // What a doctor finds depends on the machine.
                if kind != "doctor" {
                    self.words(value);
                }
            }
        }
    }

    /// A field of an answer. What a whole document, a finding and the like say is the same in all answers.
    fn field(&mut self, whose: &str, field: &str) {
        let parts: Vec<&str> = field.split('.').collect();
        match parts.iter().position(|part| PARTS.contains(part)).filter(|at| at + 1 < parts.len()) {
            Some(at) => self.add("answers: parts", &parts[at..].join(".")),
            None => self.add("answers: fields", &format!("{whose} {field}")),
        }
    }

    /// Words and channels that stand in an answer.
    fn words(&mut self, value: &Value) {
        match value {
            Value::Object(map) => {
                for (key, value) in map.iter().filter(|(key, _)| !OPEN.contains(&key.as_str())) {
                    match value.as_str() {
                        Some(channel) if key == "channel" => self.add("answers: channels", &plain(channel)),
                        Some(word) if WORDS.contains(&key.as_str()) && is_word(word) => {
                            self.add("answers: words", &format!("{key} {word}"));
                        }
                        _ => self.words(value),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.words(item)),
            _ => {}
        }
    }

    /// Adds what another one has.
    pub(crate) fn merge(&mut self, other: Self) {
        for (section, names) in other.sections {
            self.sections.entry(section).or_default().extend(names);
        }
    }

    /// JSON that lies in a file or on a server.
    pub(crate) fn json(&mut self, section: &'static str, place: &str, text: &str) {
        for line in text.lines().chain([text]) {
            let Ok(value @ Value::Object(_)) = serde_json::from_str(line) else { continue };
            let mut found = BTreeSet::new();
            fields(&value, "", &mut found);
            for field in &found {
                self.add(section, &format!("{place} {field}"));
            }
        }
    }

    /// Verbs, trailers and references of a repository.
    pub(crate) fn history(&mut self, sandbox: &Sandbox) {
        let messages = sandbox.git(&["log", "--all", "--format=%B"]);
        for line in messages.lines().filter(|line| line.starts_with("Mycelium-")) {
            let (trailer, text) = line.split_once(':').unwrap();
            self.add("history: trailers", trailer);
            if trailer == "Mycelium-Operation" {
                self.add("history: verbs of operations", text.split_whitespace().nth(1).unwrap());
            }
        }
        for name in sandbox.git(&["for-each-ref", "--format=%(refname)"]).lines() {
            if name.contains("mycelium") {
                self.add("history: references", &plain(name));
            }
        }
    }

    /// What lies in the git directory and beside the documents now, and what is said there.
    pub(crate) fn state(&mut self, sandbox: &Sandbox) {
        let home = sandbox.root().with_file_name("home");
        for (place, name) in [
            (sandbox.path(".git"), ".git"),
            (sandbox.path(FOLDER), "FOLDER"),
            (sandbox.path(".mycelium"), ".mycelium"),
            (home.join(".local/state/mycelium"), "~/.local/state/mycelium"),
        ] {
            let mut found = Vec::new();
            walk(&place, name, &mut found);
            for (name, path) in &found {
                self.file(name, path);
            }
        }
        let exclude = fs::read_to_string(sandbox.path(".git/info/exclude")).unwrap_or_default();
        exclude.lines().filter(|line| line.contains("claude")).for_each(|line| self.add("git: excluded", line));
        if !sandbox.path(".git").exists() {
            return;
        }
        for key in sandbox.git(&["config", "--local", "--name-only", "--list"]).lines() {
            if key.contains("mycelium") {
                self.add("git: settings", key);
            }
        }
    }

    /// A file, by what it is called.
    fn file(&mut self, name: &str, path: &Path) {
        let is_ours = name.contains("mycelium") || name.starts_with("FOLDER/");
        if !is_ours || name.contains("/tmp/") {
            return;
        }
        let text = String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
        if name.starts_with("FOLDER/") && !name.starts_with("FOLDER/.") {
            self.add("files", &plain(name));
            return self.document(&text);
        }
        let shown = plain(name);
        self.add("files", &shown);
        let shown = STATES.iter().find_map(|state| shown.strip_prefix(state)).unwrap_or(&shown);
        if name.ends_with("/journal") {
            self.add("files: first bytes", &format!("{shown} {}", &text[..text.len().min(8)]));
        } else if name.ends_with(".gitattributes") {
            text.lines().for_each(|line| self.add("git: attributes", line));
        } else if !name.starts_with(".mycelium/") {
            self.json("files: fields", shown, &text);
        }
    }

    /// Keys and headings of a document that we have written.
    fn document(&mut self, text: &str) {
        let Some((frontmatter, body)) = text.strip_prefix("---\n").and_then(|text| text.split_once("\n---\n")) else {
            return;
        };
        let kind = match frontmatter {
            text if text.contains("agent: ") => "agent",
            text if text.contains("id: workflow-") => "workflow",
            _ => "task",
        };
        for line in frontmatter.lines() {
            if let Some(slot) = line.strip_prefix("# ") {
                self.add("documents: slots", &format!("{kind} # {slot}"));
            } else if let Some((key, _)) = line.split_once(':').filter(|(key, _)| !key.starts_with([' ', '-'])) {
                self.add("documents: keys", &format!("{kind} {}", plain(key)));
            }
        }
        for line in body.lines() {
            if line.starts_with("## ") {
                self.add("documents: headings", line);
            } else if let Some((word, _)) = line.strip_prefix("**").and_then(|line| line.split_once(":**")) {
                self.add("documents: lines", &format!("{kind} **{word}:**"));
            }
        }
    }
}

/// The fields of a value, as `a.b[].c`. What the data bring along as keys is `*`.
pub(crate) fn fields(value: &Value, path: &str, out: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let key = if plain(key) == *key && !key.contains(['/', ' ', ':']) { key.as_str() } else { "*" };
                let deeper = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
                if !OPEN.contains(&key) {
                    fields(value, &deeper, out);
                }
                out.insert(deeper);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| fields(item, &format!("{path}[]"), out)),
        _ => {}
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// A name without what varies from run to run.
pub(crate) fn plain(name: &str) -> String {
    let mut out = String::new();
    for part in name.split_inclusive(['/', '.', ':', '{', '}', '*', ' ']) {
        let end = part.len() - usize::from(part.ends_with(['/', '.', ':', '{', '}', '*', ' ']));
        let (word, separator) = part.split_at(end);
        out.push_str(&word_of(word));
        out.push_str(separator);
    }
    out
}

fn word_of(word: &str) -> String {
    let by_start = STARTS.iter().find(|(start, _)| word.starts_with(start));
    if let Some((_, stands)) = by_start.or_else(|| SCENES.iter().find(|(scene, _)| *scene == word)) {
        return (*stands).to_owned();
    }
    if let Some((_, _)) = word.split_once("-op-") {
        return "N-OP".to_owned();
    }
    if word.len() >= 12 && word.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-') {
        return "HASH".to_owned();
    }
    let mut out = String::new();
    for c in word.chars() {
        match c {
            '0'..='9' if out.ends_with('N') => {}
            '0'..='9' => out.push('N'),
            other => out.push(other),
        }
    }
    out
}

fn walk(place: &Path, name: &str, out: &mut Vec<(String, std::path::PathBuf)>) {
    for entry in fs::read_dir(place).into_iter().flatten().flatten() {
        let name = format!("{name}/{}", entry.file_name().to_string_lossy());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            walk(&entry.path(), &name, out);
        } else {
            out.push((name, entry.path()));
        }
    }
}
