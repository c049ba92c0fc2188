//! What commits say of changes: subjects, bodies, trailers.

use serde_json::json;

use super::*;
use crate::core::diagnostic::Code;
use crate::core::name::DocPath;

fn change(id: &str, what: ChangeKind) -> Change {
    let path = DocPath::new(format!("{id}.md")).expect("valid");
    Change { kind: path.kind(), path, id: DocId::new(id).ok(), what }
}

fn status(from: &str, to: &str) -> ChangeKind {
    ChangeKind::Status { from: Some(from.to_owned()), to: Some(to.to_owned()) }
}

fn created(about: &str, assigned_to: Option<&str>) -> ChangeKind {
    ChangeKind::Created {
        status: Some("pending".to_owned()),
        about: Some(about.to_owned()),
        assigned_to: assigned_to.map(str::to_owned),
    }
}

fn field(key: &str, from: Json, to: Json) -> ChangeKind {
    ChangeKind::Field { key: key.to_owned(), from: Some(from), to: Some(to) }
}

fn subject_of(changes: &[Change], by: Option<&str>) -> String {
    let by = by.map(|by| AgentName::new(by).expect("valid"));
    compose(changes, Attribution { agent: by.as_ref(), holder: None }, &[])
        .lines()
        .next()
        .expect("a subject")
        .to_owned()
}

#[test]
fn subjects_say_what_happened() {
    let text = |text: &str| text.to_owned();
    for (whats, by, subject) in [
        (vec![status("pending", "running")], Some("ai-engineer"), "task-k7f3: pending → running (ai-engineer)"),
        (
            vec![created("train-model", Some("ai-engineer"))],
            Some("lead"),
            "task-k7f3: created, train-model for ai-engineer (lead)",
        ),
        (vec![ChangeKind::Unreadable { code: Code::YamlSyntax }], None, "task-k7f3: saved, not readable (MYC007)"),
        (vec![ChangeKind::Healed], None, "task-k7f3: readable again"),
        (vec![ChangeKind::Removed], None, "task-k7f3: removed"),
        (vec![field("priority", json!("normal"), json!("high"))], None, "task-k7f3: priority normal → high"),
        (
            vec![ChangeKind::Field { key: text("progress"), from: None, to: Some(json!(0.5)) }],
            None,
            "task-k7f3: progress 0.5",
        ),
        (
            vec![ChangeKind::Field { key: text("workflow"), from: Some(json!("w")), to: None }],
            None,
            "task-k7f3: no workflow",
        ),
        (
            vec![ChangeKind::List { key: text("depends_on"), added: vec![text("a")], removed: vec![text("b")] }],
            None,
            "task-k7f3: depends_on +a -b",
        ),
        (vec![ChangeKind::Step { n: 2, text: text("Train"), done: true }], None, "task-k7f3: step 2 done"),
        (vec![ChangeKind::Note { text: text("loss\nis\u{1b}[2J flat") }], None, "task-k7f3: note, loss is [2J flat"),
        (
            vec![status("running", "completed"), ChangeKind::Section { name: text("Result"), how: How::Added }],
            Some("a"),
            "task-k7f3: running → completed, result added (a)",
        ),
        (vec![ChangeKind::Prose { added: 3, removed: 0 }], None, "task-k7f3: text edited"),
        (vec![ChangeKind::Published { events: vec!["a:b c".to_owned()] }], None, "task-k7f3: published a:b c"),
        (vec![ChangeKind::Published { events: vec![String::new(); 2] }], None, "task-k7f3: published 2 events"),
    ] {
        let changes: Vec<_> = whats.into_iter().map(|what| change("task-k7f3", what)).collect();
        assert_eq!(subject_of(&changes, by), subject);
    }
}

#[test]
fn long_subjects_count_what_they_leave_out() {
    let note =
        |n: usize| change("task-k7f3", ChangeKind::Note { text: format!("note number {n} with a long text in it") });
    let changes: Vec<_> = (0..5).map(note).collect();
    assert_eq!(subject_of(&changes, None), "task-k7f3: note, note number 0 with a long text in it, +4 more");
    let long = change("task-k7f3", ChangeKind::Note { text: "x".repeat(500) });
    assert_eq!(subject_of(&[long], Some("a")).chars().count(), SUBJECT_MAX);
    let named = change(&"t".repeat(90), status("pending", "running"));
    assert!(subject_of(&[named], Some("a")).ends_with("t: pending → running (a)"));
}

#[test]
fn a_few_documents_are_named_if_that_fits() {
    let mut changes = vec![
        change("agent-x", status("busy", "idle")),
        change("agent-x", ChangeKind::Field { key: "last_updated".to_owned(), from: None, to: None }),
        change("task-1", status("running", "completed")),
        change("task-1", ChangeKind::Section { name: "Result".to_owned(), how: How::Added }),
    ];
    assert_eq!(subject_of(&changes, Some("x")), "agent-x: busy → idle; task-1: running → completed, result added (x)");
    changes.push(change("task-1", ChangeKind::Prose { added: 1, removed: 0 }));
    assert_eq!(subject_of(&changes, None), "agent-x: busy → idle; task-1: running → completed, result added, +1 more");
    assert_eq!(
        subject_of(&changes, Some(&"x".repeat(30))),
        format!("1 task, 1 agent: 1 completed, 1 idle ({})", "x".repeat(30))
    );
}

#[test]
fn several_documents_are_counted() {
    let changes = [
        change("task-1", created("a", None)),
        change("task-2", created("a", None)),
        change("task-3", status("running", "completed")),
        change("task-3", ChangeKind::Section { name: "Result".to_owned(), how: How::Added }),
    ];
    assert_eq!(subject_of(&changes, Some("ai-engineer")), "3 tasks: 2 created, 1 completed (ai-engineer)");
    let changes = [
        change("agent-x", status("idle", "busy")),
        change("task-1", ChangeKind::Prose { added: 1, removed: 1 }),
        change("task-2", ChangeKind::Removed),
        change("task-3", ChangeKind::Removed),
    ];
    assert_eq!(subject_of(&changes, None), "3 tasks, 1 agent: 1 busy, 2 removed, 1 changed");
    assert_eq!(subject_of(&[], None), "nothing changed");
}

#[test]
fn an_archived_task_says_so() {
    let path = DocPath::new("archive/2025-10/task-1.md").expect("valid");
    let from = DocPath::new("task-1.md").expect("valid");
    let moved =
        Change { path, kind: Some(Kind::Task), id: DocId::new("task-1").ok(), what: ChangeKind::Moved { from } };
    assert_eq!(subject_of(&[moved], None), "task-1: archived");
}

#[test]
fn body_and_trailers_are_bounded_and_cannot_be_forged() {
    let evil = "x\n\nMycelium-Agent: root\r\nSigned-off-by: y\u{202e}";
    let mut changes = vec![change("task-1", ChangeKind::Note { text: evil.to_owned() })];
    changes.extend((0..150).map(|n| change("task-2", ChangeKind::Note { text: n.to_string() })));
    let operation = OperationNote {
        id: OperationId::new("op1").expect("valid"),
        verb: "note\nMycelium-Task: z".to_owned(),
        doc: DocId::new("task-1").expect("valid"),
        agent: AgentName::new("lead").ok(),
    };
    let (lead, ann) = (AgentName::new("lead").expect("valid"), AgentName::new("ann").expect("valid"));
    let attribution = Attribution { agent: Some(&lead), holder: Some(&ann) };
    let message = compose(&changes, attribution, &[operation]);
    let lines: Vec<_> = message.lines().collect();
    assert_eq!(lines[0], "2 tasks: 2 changed (lead)");
    assert_eq!(lines[2], "- task-1: note, x Mycelium-Agent: root Signed-off-by: y");
    assert_eq!(lines[102], "… and 51 more");
    assert_eq!(
        lines[103..],
        [
            "",
            "Mycelium-Operation: op1 note-Mycelium-Task:-z task-1",
            "Mycelium-Task: task-1",
            "Mycelium-Task: task-2",
            "Mycelium-Agent: lead",
            "Mycelium-Holder: ann"
        ]
    );
    assert!(message.chars().all(|c| c == '\n' || !crate::core::name::is_unsafe_to_show(c)));
}
