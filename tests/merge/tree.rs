//! Merging all documents of two snapshots: moves, removals, additions, event logs.

use std::collections::BTreeMap;

use mycelium::document::Document;
use mycelium::merge::{self, MergeSides};
use mycelium::name::DocPath;
use mycelium::snapshot::Snapshot;

type Files = BTreeMap<String, String>;

fn files(files: &[(&str, &str)]) -> Files {
    files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
}

fn snapshot(files: &Files) -> Snapshot {
    let one =
        |(path, text): (&String, &String)| (DocPath::new(path.as_str()).unwrap(), Document::parse(text.as_bytes()));
    Snapshot::from_documents(files.iter().map(one))
}

/// What is there after the merge, from either side; both must come to the same.
fn merged(base: &Files, ours: &Files, theirs: &Files) -> (Files, Vec<String>) {
    let apply = |mine: &Files, other: &Files| {
        let outcomes = merge::snapshots(&snapshot(base), &snapshot(mine), &snapshot(other), &MergeSides::ALIKE);
        let mut all = mine.clone();
        let mut told = Vec::new();
        for (path, outcome) in outcomes {
            told.extend(outcome.decisions.iter().map(|decision| format!("{path}: {}", decision.rule)));
            told.extend(outcome.conflicts.iter().map(|conflict| format!("{path}: {}", conflict.rule)));
            match outcome.content {
                Some(document) => all.insert(path.to_string(), String::from_utf8(document.bytes().to_vec()).unwrap()),
                None => all.remove(path.as_str()),
            };
        }
        (all, told)
    };
    let (one, another) = (apply(ours, theirs), apply(theirs, ours));
    assert_eq!(one, another);
    one
}

fn task(id: &str, more: &str) -> String {
    format!("---\nid: {id}\nstatus: pending\ntype: t\n{more}---\n\n# T\n")
}

#[test]
fn what_one_side_made_moved_or_removed_is_so() {
    let (a, b) = (task("task-1", ""), task("task-2", ""));
    let base = files(&[("task-1.md", &a), ("task-2.md", &b), ("agent-x.md", "---\nagent: x\nstatus: idle\n---\n")]);
    let ours = files(&[("archive/2025-10/task-1.md", &a), ("task-2.md", &b), ("task-3.md", "new")]);
    let theirs =
        files(&[("task-1.md", &a), ("agent-x.md", "---\nagent: x\nstatus: idle\n---\n"), ("task-4.md", "more")]);
    let expected = files(&[("archive/2025-10/task-1.md", &a), ("task-3.md", "new"), ("task-4.md", "more")]);
    assert_eq!(merged(&base, &ours, &theirs), (expected, Vec::new()));
}

#[test]
fn a_change_counts_more_than_removal_and_archive() {
    let (plain, urgent) = (task("task-1", ""), task("task-1", "priority: high\n"));
    let base = files(&[("task-1.md", &plain)]);
    let changed = files(&[("task-1.md", &urgent)]);
    assert_eq!(
        merged(&base, &changed, &files(&[])),
        (changed.clone(), vec!["task-1.md: change before removal".to_owned()])
    );
    let archived = files(&[("archive/2025-10/task-1.md", &plain)]);
    assert_eq!(merged(&base, &changed, &archived), (changed.clone(), Vec::new()));
    // Archived in two months by two clones: one of them.
    let later = files(&[("archive/2025-11/task-1.md", &plain)]);
    assert_eq!(merged(&base, &archived, &later), (archived, Vec::new()));
}

#[test]
fn an_id_that_stands_twice_is_told_by_its_path() {
    let (plain, urgent) = (task("task-1", ""), task("task-1", "priority: high\n"));
    let base = files(&[("task-1.md", &plain), ("copy.md", &plain)]);
    let ours = files(&[("task-1.md", &urgent), ("copy.md", &plain)]);
    let theirs = files(&[("task-1.md", &plain)]);
    assert_eq!(merged(&base, &ours, &theirs).0, files(&[("task-1.md", &urgent)]));
}

#[test]
fn every_event_is_there_once() {
    let line = |id: &str| format!("- {id} 2025-10-17T00:00:00.000Z a:b said `{{}}`\n");
    let text = |ids: &[&str]| ids.iter().map(|id| line(id)).collect::<String>();
    let path = "events-x.md";
    let base = files(&[(path, &text(&["op-1", "op-2"]))]);
    let ours = files(&[(path, &text(&["op-1", "op-2", "op-3"]))]);
    let theirs = files(&[(path, &(text(&["op-1", "op-2", "op-4"]) + &line("op-5")[..20]))]);
    let (all, told) = merged(&base, &ours, &theirs);
    assert_eq!(told, Vec::<String>::new());
    for id in ["op-1", "op-2", "op-3", "op-4", "op-5"] {
        assert_eq!(all[path].matches(&format!("- {id} ")).count(), 1, "{}", all[path]);
    }
    // Rotated by one side, added to by the other: what was rotated is not there again.
    let ours = files(&[(path, &line("op-3")), ("archive/2025-10/events-x-1.md", &text(&["op-1", "op-2"]))]);
    let theirs = files(&[(path, &text(&["op-1", "op-2", "op-4"]))]);
    let (all, _) = merged(&base, &ours, &theirs);
    assert!(!all[path].contains("op-1") && all[path].contains("op-3") && all[path].contains("op-4"), "{}", all[path]);
}

#[test]
fn the_same_agent_told_in_two_clones_says_its_later_word() {
    let agent = |status: &str, at: &str, tasks: &str| {
        format!(
            "---\nagent: ai\nstatus: {status}\n# seen\nlast_updated: {at}\n# more\n---\n\n# ai\n\n## Active Tasks\n\n{tasks}\n\n## Metadata\n\n```json\n{{\"at\": \"{at}\"}}\n```\n\n## Notes\n"
        )
    };
    let early = files(&[("agent-ai.md", &agent("busy", "2025-10-17T00:00:00Z", "- task-1"))]);
    let late = files(&[("agent-ai.md", &agent("idle", "2025-10-18T00:00:00Z", "- task-2"))]);
    for base in [files(&[]), files(&[("agent-ai.md", &agent("idle", "2025-10-16T00:00:00Z", "- task-0"))])] {
        let (all, told) = merged(&base, &early, &late);
        let text = &all["agent-ai.md"];
        assert_eq!(told, Vec::<String>::new(), "{text}");
        assert!(text.contains("status: idle\n") && text.contains("last_updated: 2025-10-18T00:00:00Z"), "{text}");
        assert!(
            text.contains("\n- task-2\n")
                && !text.contains("task-1")
                && text.contains("{\"at\": \"2025-10-18T00:00:00Z\"}"),
            "{text}"
        );
    }
}

#[test]
fn nothing_comes_out_of_the_archive_over_another_document() {
    let (done, edited) = (task("task-1", "was: done\n"), task("task-1", "was: edited\n"));
    let live = task("task-1", "is: live\n");
    let archived = "archive/2025-01/task-1.md";
    let base = files(&[(archived, &done), ("task-1.md", &live)]);
    let (all, _) = merged(&base, &files(&[("task-1.md", &live)]), &files(&[(archived, &edited), ("task-1.md", &live)]));
    assert_eq!(all, files(&[(archived, &edited), ("task-1.md", &live)]));
}
