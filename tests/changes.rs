//! Differences between snapshots, and the words for each.

use serde_json::json;

use mycelium::change::{Change, ChangeKind, How, diff};
use mycelium::commit_message::phrase;
use mycelium::document::Document;
use mycelium::name::DocPath;
use mycelium::snapshot::Snapshot;

const BASE: &str = "---\nid: task-1\nstatus: pending\ntype: t\n# waits for\ndepends_on:\n  - a\n  - b\nprogress: 0.5\n---\n\n# Title\n\nIntro.\n**Status**: pending\n\n## Payload\n\n{}\n\n## Progress\n\n- [ ] one\n- [x] two\n\n## Result\n\n_In progress..._\n\n## Notes\n\n- first\n";

fn snapshot(files: &[(&str, &str)]) -> Snapshot {
    Snapshot::from_documents(
        files.iter().map(|(path, text)| (DocPath::new(*path).expect("valid"), Document::parse(text.as_bytes()))),
    )
}

fn phrases(before: &[(&str, &str)], after: &[(&str, &str)]) -> Vec<String> {
    let line = |change: &Change| format!("{}: {}", change.path, phrase(&change.what));
    diff(&snapshot(before), &snapshot(after)).iter().map(line).collect()
}

#[test]
fn each_edit_of_a_task_is_told_as_what_it_is() {
    for (from, to, told) in [
        ("status: pending\ntype", "status: running\ntype", vec!["pending → running"]),
        ("progress: 0.5", "progress: 0.75", vec!["progress 0.5 → 0.75"]),
        ("progress: 0.5\n", "", vec!["no progress"]),
        ("type: t", "type: t\nepoch: 2", vec!["epoch 2"]),
        ("type: t", "type: \"t\"", vec!["text edited"]),
        ("  - a\n  - b", "  - b\n  - c", vec!["depends_on +c -a"]),
        ("  - a\n  - b", "  - b\n  - a", vec!["depends_on [\"a\",\"b\"] → [\"b\",\"a\"]"]),
        ("# Title", "# Other", vec!["title Title → Other"]),
        ("[ ] one", "[x] one", vec!["step 1 done, one"]),
        ("[x] two", "[ ] two", vec!["step 2 open again, two"]),
        ("- [x] two", "- [x] two\n- [ ] three", vec!["step 3 added, three"]),
        ("- [ ] one\n", "", vec!["step dropped, one"]),
        ("- first", "- first\n- second", vec!["note, second"]),
        ("- first", "- first\n- second\n  and more", vec!["note, second and more"]),
        ("- first", "", vec!["note dropped, first"]),
        ("{}", "{\"a\": 1}", vec!["payload changed"]),
        ("{}\n", "", vec!["payload emptied"]),
        ("_In progress..._", "{\"loss\": 1}", vec!["result added"]),
        ("## Notes", "## Thoughts\n\nHm.\n\n## Notes", vec!["thoughts added"]),
        ("Intro.", "Intro.\nMore.", vec!["text edited (+1 -0)"]),
        ("# waits for\n", "", vec!["text edited (+0 -1)"]),
        ("**Status**: pending", "**Status**: running", vec!["text edited"]),
        ("## Payload\n\n", "## Payload\n", vec!["text edited"]),
        ("pending\ntype", "[x\ntype", vec!["saved, not readable (MYC007)"]),
    ] {
        let edited = BASE.replacen(from, to, 1);
        assert_ne!(edited, BASE, "{from}");
        let told: Vec<_> = told.iter().map(|told| format!("task-1.md: {told}")).collect();
        assert_eq!(phrases(&[("task-1.md", BASE)], &[("task-1.md", &edited)]), told, "{from:?} to {to:?}");
    }
}

#[test]
fn documents_come_go_move_break_and_heal() {
    let broken = "---\nid: [\n---\n";
    let done = BASE.replacen("status: pending", "status: completed", 1);
    let (one, none) = ([("task-1.md", BASE)], []);
    for (before, after, told) in [
        (&one[..], &one[..], vec![]),
        (&none, &one, vec!["task-1.md: created, t"]),
        (&one, &none, vec!["task-1.md: removed"]),
        (&none, &[("task-1.md", broken)], vec!["task-1.md: saved, not readable (MYC007)"]),
        (&[("task-1.md", broken)], &one, vec!["task-1.md: readable again"]),
        (
            &one,
            &[("archive/2025-10/task-1.md", done.as_str())],
            vec!["archive/2025-10/task-1.md: moved from task-1.md", "archive/2025-10/task-1.md: pending → completed"],
        ),
        (&[("events.md", "- a\n")], &[("events.md", "- a\n- b\n")], vec!["events.md: text edited (+1 -0)"]),
    ] {
        assert_eq!(phrases(before, after), told);
    }
}

#[test]
fn lists_in_the_body_count_where_the_frontmatter_has_none() {
    let agent = |tasks: &str| format!("---\nagent: a\nstatus: busy\n---\n\n## Active Tasks\n\n{tasks}");
    let (old, new) = (agent("- x\n"), agent("- x\n- y (started: 2025-10-17T00:00:00Z)\n"));
    let told = phrases(&[("agent-a.md", &old)], &[("agent-a.md", &new)]);
    assert_eq!(told, ["agent-a.md: active_tasks +y (started: 2025-10-17T00:00:00Z)"]);
}

#[test]
fn very_long_lists_count_as_a_whole() {
    let steps = |mark: char| format!("---\nid: task-1\n---\n## Progress\n{}", format!("- [{mark}] x\n").repeat(3_000));
    let (old, new) = (steps(' '), steps('x'));
    let changes = diff(&snapshot(&[("task-1.md", &old)]), &snapshot(&[("task-1.md", &new)]));
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].what, ChangeKind::Section { name: "Progress".to_owned(), how: How::Changed });
}

#[test]
fn values_keep_their_type() {
    let (old, new) = (BASE, BASE.replacen("progress: 0.5", "progress: \"0.5\"", 1));
    let changes = diff(&snapshot(&[("task-1.md", old)]), &snapshot(&[("task-1.md", &new)]));
    let expected = ChangeKind::Field { key: "progress".to_owned(), from: Some(json!(0.5)), to: Some(json!("0.5")) };
    assert_eq!(changes[0].what, expected);
}
