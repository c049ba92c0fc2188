//! The words about codes: all that the program can say has a page, every command shown there says that code, and
//! docs/codes.md is what the program prints.
#![allow(clippy::disallowed_methods, reason = "tests read the project's own files")]
#![allow(clippy::unwrap_used, reason = "a test that cannot read its own project has failed")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;
use support::{FOLDER, Sandbox};

/// What code says before the word of an error.
const MARKS: [&str; 2] = ["ErrorReport::usage(", "ErrorReport::new("];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn pages(kind: &str) -> Vec<Value> {
    let answer = Sandbox::without_git().mycelium(&["explain", "--json"]).ok();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let items = answer["data"]["items"].as_array().unwrap().iter();
    items.filter(|page| page["kind"] == kind).cloned().collect()
}

fn sources(folder: &Path, out: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            out.push(text.split("#[cfg(test)]\nmod tests").next().unwrap().to_owned());
        }
    }
}

/// The words of errors in the code: the first text behind each mark, and the arms of each `fn code` of an error type.
fn words() -> BTreeSet<String> {
    let mut texts = Vec::new();
    sources(&root().join("src"), &mut texts);
    let mut words = BTreeSet::new();
    for text in texts {
        for mark in MARKS {
            for (at, _) in text.match_indices(mark) {
                let call = &text[at..];
                let call = &call[..call.find(';').unwrap_or(call.len())];
                words.extend(call.split('"').nth(1).filter(|word| is_word(word)).map(str::to_owned));
            }
        }
        for (start, end) in
            [("fn code(&self) -> &'static str {", "\n    }\n"), ("let code = if error", ";"), ("let code = \"", ";")]
        {
            for (at, _) in text.match_indices(start) {
                let body = &text[at..at + text[at..].find(end).unwrap()];
                // A feature in an attribute is no code.
                let body = body.replace("feature = \"redis\"", "");
                words.extend(body.split('"').skip(1).step_by(2).filter(|word| is_word(word)).map(str::to_owned));
            }
        }
    }
    words
}

fn is_word(text: &str) -> bool {
    text.len() > 1 && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

#[test]
fn every_error_has_its_page_and_the_other_way_round() {
    let explained: BTreeSet<String> =
        pages("error").iter().map(|page| page["code"].as_str().unwrap().to_owned()).collect();
    let said = words();
    assert!(said.len() > 40, "only {} words were found: {said:?}", said.len());
    let missing: Vec<_> = said.difference(&explained).collect();
    assert!(missing.is_empty(), "src/api/view/codes/errors.rs does not explain {missing:?}");
    let unknown: Vec<_> = explained.difference(&said).collect();
    assert!(unknown.is_empty(), "src/api/view/codes/errors.rs explains {unknown:?}, which nobody says");
}

#[test]
fn every_command_that_is_shown_says_its_code() {
    let mut shown = 0;
    for page in pages("error") {
        let example = page["example"].as_str().unwrap();
        let Some(line) = example.strip_prefix("on the command line\n") else { continue };
        let sandbox = Sandbox::new();
        let task = |id: &str| format!("---\nid: {id}\ntype: train\nstatus: pending\n---\n\n## Steps\n\n- [ ] one\n");
        for (name, text) in [
            ("task-7.md", task("task-7")),
            ("task-ab1.md", task("task-ab1")),
            ("task-ab2.md", task("task-ab2")),
            ("task-dup-1.md", task("task-dup")),
            ("task-dup-2.md", task("task-dup")),
            ("task-broken.md", "---\nid: task-broken\nstatus: [\n---\n".to_owned()),
            ("workflow-w1.md", "---\nid: w1\ntype: t\nstatus: running\ntasks: []\n---\n".to_owned()),
        ] {
            sandbox.write(&format!("{FOLDER}/{name}"), &text);
        }
        let run = support::Run::of(
            sandbox
                .mycelium_command(&[])
                .arg("--json")
                .args(line.split(' ').skip(1).map(|word| word.trim_matches('\''))),
        );
        let error: Value = serde_json::from_str(&run.stderr).unwrap_or_else(|_| panic!("{line}: {run:?}"));
        assert_eq!(error["error"]["code"], page["code"], "{line}: {}", run.stderr);
        shown += 1;
    }
    assert!(shown >= 20, "only {shown} commands are shown");
}

#[test]
fn the_page_of_codes_is_what_the_program_prints() {
    let printed = Sandbox::without_git().mycelium(&["explain", "--all"]).ok();
    let page = fs::read_to_string(root().join("docs/codes.md")).unwrap();
    assert!(page == printed, "docs/codes.md is out of date: run `mycelium explain --all > docs/codes.md`");
}
