//! Rules for what is not code: links lead somewhere, fixtures say what they expect, no file knows one machine.

use std::collections::BTreeSet;

use super::Tree;

/// Files whose text is data of the tests or a licence.
fn is_data(path: &str) -> bool {
    path.starts_with("fixtures/") || path.starts_with("templates/") || path.starts_with("LICENSE-")
}

/// Every relative link of every document leads to a file, and its `#part` to a heading there.
pub(crate) fn links(tree: &Tree) -> Vec<String> {
    let mut faults = Vec::new();
    let documents = tree.files().filter(|(path, _)| path.ends_with(".md") && !is_data(path));
    for (path, text) in documents {
        for (number, link) in link_targets(text) {
            let (file, part) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { path.to_owned() } else { resolve(path, file) };
            if !tree.has(&target) {
                faults.push(format!("{path}:{number}: `{link}` leads nowhere"));
            } else if !part.is_empty() && !tree.get(&target).is_some_and(|text| headings(text).any(|h| h == part)) {
                faults.push(format!("{path}:{number}: `{link}` names a heading that is not there"));
            }
        }
    }
    faults
}

/// Lines outside code blocks, with their numbers from 1.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        (!fenced && !fence).then_some((index + 1, line))
    })
}

/// Relative targets of `[text](target)`.
fn link_targets(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (number, line) in prose(text) {
        for (at, _) in line.match_indices("](") {
            let target = line[at + 2..].split([')', ' ']).next().unwrap_or_default();
            if !target.contains("://") && !target.starts_with("mailto:") {
                found.push((number, target));
            }
        }
    }
    found
}

/// The path of `link` as it stands in the file `from`.
fn resolve(from: &str, link: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    parts.join("/")
}

/// Headings as a forge writes them behind `#`.
fn headings(text: &str) -> impl Iterator<Item = String> {
    prose(text).filter(|(_, line)| line.starts_with('#')).map(|(_, line)| {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        title
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
            .collect::<String>()
            .replace(' ', "-")
    })
}

/// Every broken document stands beside what is expected to be said about it, and the other way round.
pub(crate) fn expectations(tree: &Tree) -> Vec<String> {
    let mut faults = Vec::new();
    for (path, text) in tree.files().filter(|(path, _)| path.starts_with("fixtures/broken/")) {
        if let Some(stem) = path.strip_suffix(".md") {
            if !tree.has(&format!("{stem}.expected")) {
                faults.push(format!("{path}: nothing says what is wrong with it (`{stem}.expected`)"));
            }
        } else if let Some(stem) = path.strip_suffix(".expected") {
            if !tree.has(&format!("{stem}.md")) {
                faults.push(format!("{path}: expects something of a file that is not there"));
            }
            if text.trim().is_empty() {
                faults.push(format!("{path}: expects nothing"));
            }
        }
    }
    faults
}

/// What lies at the top of the tree.
const TOP: &[&str] = &[
    ".ci",
    ".gitignore",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "benches",
    "build.rs",
    "clippy.toml",
    "deny.toml",
    "docs",
    "examples",
    "fixtures",
    "fuzz",
    "rustfmt.toml",
    "src",
    "templates",
    "tests",
];

/// Nothing else lies at the top of the tree, such as a file that a test left there.
pub(crate) fn top_level(tree: &Tree) -> Vec<String> {
    let names: BTreeSet<&str> = tree.files().filter_map(|(path, _)| path.split('/').next()).collect();
    names.iter().filter(|name| !TOP.contains(name)).map(|name| format!("{name}: not allowed at the top")).collect()
}

/// Folders that exist on one machine and not on the next.
const MACHINE_FOLDERS: &[&str] = &["home", "root", "work", "Users"];

/// No file names a folder of one machine.
pub(crate) fn machine_paths(tree: &Tree) -> Vec<String> {
    let mut faults = Vec::new();
    for (path, text) in tree.files().filter(|(path, _)| *path != "Cargo.lock" && !path.starts_with("LICENSE-")) {
        for (index, line) in text.lines().enumerate() {
            if let Some(folder) = MACHINE_FOLDERS.iter().find(|folder| names_folder(line, folder)) {
                faults.push(format!("{path}:{}: names `/{folder}/`, a place on one machine", index + 1));
            }
        }
    }
    faults
}

/// Whether `/folder/x` stands in the line as an absolute path.
fn names_folder(line: &str, folder: &str) -> bool {
    let needle = format!("/{folder}/");
    line.match_indices(&needle).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + needle.len()..].chars().next();
        let inside =
            before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '/' | '-' | '~' | '}' | '*'));
        !inside && after.is_some_and(char::is_alphanumeric)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rule: fn(&Tree) -> Vec<String>, files: &[(&str, &str)], expected: &[&str]) {
        assert_eq!(rule(&Tree::of(files)), expected, "{files:?}");
    }

    #[test]
    fn links_lead_somewhere() {
        let guide = ("docs/guide.md", "# Guide\n\n## How it's done\n");
        check(links, &[("README.md", "[a](docs/guide.md#how-its-done) [b](https://x.y) [c](docs)"), guide], &[]);
        check(links, &[("README.md", "\n[a](docs/gide.md)"), guide], &["README.md:2: `docs/gide.md` leads nowhere"]);
        check(links, &[("docs/a.md", "[a](../README.md) [b](guide.md)"), ("README.md", ""), guide], &[]);
        let part = "README.md:1: `docs/guide.md#x` names a heading that is not there";
        check(links, &[("README.md", "[a](docs/guide.md#x)"), guide], &[part]);
        check(links, &[("README.md", "```\n[a](gone)\n```"), ("fixtures/x.md", "[a](gone)")], &[]);
    }

    #[test]
    fn broken_fixtures_say_what_is_wrong() {
        let (file, note) = (("fixtures/broken/a.md", "x"), ("fixtures/broken/a.expected", "1:1 MYC001"));
        check(expectations, &[file, note], &[]);
        let missing = "fixtures/broken/a.md: nothing says what is wrong with it (`fixtures/broken/a.expected`)";
        check(expectations, &[file], &[missing]);
        check(expectations, &[note], &["fixtures/broken/a.expected: expects something of a file that is not there"]);
        check(expectations, &[file, (note.0, "\n")], &["fixtures/broken/a.expected: expects nothing"]);
    }

    #[test]
    fn nothing_else_lies_at_the_top() {
        check(top_level, &[("src/lib.rs", ""), ("src/A2", ""), ("README.md", "")], &[]);
        check(
            top_level,
            &[("A2", ""), ("notes/x.md", "")],
            &["A2: not allowed at the top", "notes: not allowed at the top"],
        );
    }

    #[test]
    fn no_file_knows_one_machine() {
        let planted = format!("see /{}/me/notes", "home");
        check(machine_paths, &[("docs/a.md", &planted)], &["docs/a.md:1: names `/home/`, a place on one machine"]);
        check(machine_paths, &[("docs/a.md", "https://x.y/home/me ~/home/x a/work/b /home/ $HOME/x")], &[]);
    }
}
