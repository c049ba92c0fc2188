//! Entities from the outside: the reference document's files made and changed, broken and odd files read, any text survived.
#![allow(clippy::disallowed_methods, reason = "fixtures are read and time is measured here")]

use std::path::Path;
use std::time::Instant;

use mycelium::change::diff;
use mycelium::check::check;
use mycelium::commit_message::{Attribution, SUBJECT_MAX, compose};
use mycelium::document::{Document, Mark};
use mycelium::entity::agent::{self, AgentUpdate};
use mycelium::entity::task::{self, TaskUpdate};
use mycelium::entity::{self, ActiveTask, AgentDraft, AgentStatus, Priority, TaskDraft, TaskStatus};
use mycelium::name::{AgentName, DocId, DocPath, is_unsafe_to_show};
use mycelium::snapshot::Snapshot;
use mycelium::template::Shape;
use proptest::prelude::*;
use serde_json::json;

const TASK: &str = include_str!("../fixtures/reference/task-123.md");
const AGENT: &str = include_str!("../fixtures/reference/agent-ai-engineer.md");

fn path(text: &str) -> DocPath {
    DocPath::new(text).expect("a valid path")
}

fn id(text: &str) -> DocId {
    DocId::new(text).expect("a valid id")
}

fn fixtures(folder: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(folder);
    let files = std::fs::read_dir(&folder).expect("there").map(|entry| entry.expect("readable").path());
    let mut files: Vec<_> = files
        .filter(|file| file.extension().is_some_and(|end| end == "md"))
        .map(|file| (file.display().to_string(), std::fs::read(&file).expect("readable")))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{}", folder.display());
    files
}

#[test]
fn classic_makes_the_reference_documents_letter_for_letter() {
    let created = "2025-10-17T00:00:00Z".parse().expect("a time");
    let steps = ["Load dataset", "Initialize model", "Training (epoch 1/3)", "Validation", "Save checkpoint"];
    let new = TaskDraft {
        id: id("task-123"),
        kind: "train-model".to_owned(),
        title: None,
        description: None,
        assigned_to: AgentName::new("ai-engineer").ok(),
        depends_on: vec![id("task-122")],
        priority: Priority::Normal,
        workflow: None,
        payload: Some(json!({"dataset": "alice-voice", "config": "configs/lora.yaml", "epochs": 3})),
        steps: steps.map(str::to_owned).to_vec(),
        created,
    };
    let document = new.render(Shape::Classic, None).expect("renders");
    let document =
        task::describe_dependency(&document, &id("task-122"), "prepare-dataset", TaskStatus::Completed).expect("there");
    let document = task::start(&document).expect("pending");
    let document = task::tick(&document, 1, Mark::Done).expect("there");
    let document = task::tick(&document, 2, Mark::Done).expect("there");
    assert_eq!(document.text(), TASK);

    let agent = AgentDraft {
        name: AgentName::new("ai-engineer").expect("valid"),
        status: AgentStatus::Busy,
        last_updated: created,
        ttl: None,
        active_tasks: vec![ActiveTask::new("train-model", Some(created))],
        metadata: Some(json!({
            "current_workflow": "workflow-123",
            "resources_allocated": {"gpu": "NVIDIA RTX 4090", "memory_gb": 24},
        })),
    };
    assert_eq!(agent.render(Shape::Classic, None).expect("renders").text(), AGENT);
}

#[test]
fn the_reference_documents_are_changed_where_they_must_be() {
    let document = Document::parse(TASK.as_bytes());
    let done = task::complete(&document, Some(&json!({"final_loss": 0.042}))).expect("running");
    let expected = TASK
        .replace("status: running", "status: completed")
        .replace("**Status**: running", "**Status**: completed")
        .replace("_In progress..._", "{\n  \"final_loss\": 0.042\n}");
    assert_eq!(done.text(), expected);
    let update = TaskUpdate { progress: Some(0.5), ..TaskUpdate::default() };
    let half = task::update(&document, &update).expect("allowed");
    assert_eq!(half.text(), TASK.replace("00Z\n---", "00Z\nprogress: 0.5\n---"));

    let document = Document::parse(AGENT.as_bytes());
    let update = AgentUpdate {
        status: Some(AgentStatus::Idle),
        ..AgentUpdate::at("2025-10-18T00:00:00Z".parse().expect("a time"))
    };
    let expected = AGENT
        .replace("status: busy", "status: idle")
        .replace("**Status**: busy", "**Status**: idle")
        .replace("last_updated: 2025-10-17", "last_updated: 2025-10-18")
        .replace("**Last Updated**: 2025-10-17", "**Last Updated**: 2025-10-18");
    assert_eq!(agent::set(&document, &update).expect("allowed").text(), expected);
}

#[test]
fn broken_files_are_listed_with_their_id_and_refuse_every_change() {
    for (name, bytes) in fixtures("broken") {
        let document = Document::parse(bytes);
        let snapshot = Snapshot::from_documents([(path("task-7.md"), document.clone())]);
        let entry = snapshot.find(None, "task-7").unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(entry.entity.is_none() && !entry.findings.is_empty(), "{name}");
        let found = check(&snapshot, None);
        assert!(found.iter().all(|finding| finding.path == Some(path("task-7.md"))), "{name}");
        assert!(!found.is_empty() && task::start(&document).is_err() && task::note(&document, "x").is_err(), "{name}");
        let changes = diff(&Snapshot::default(), &snapshot);
        assert!(
            compose(&changes, Attribution::default(), &[]).starts_with("task-7: saved, not readable (MYC0"),
            "{name}"
        );
    }
}

#[test]
fn odd_files_keep_every_other_byte_through_a_step() {
    for (name, bytes) in fixtures("odd") {
        let document = Document::parse(bytes);
        let _ = entity::read(&path("task-7.md"), &document);
        let Ok(document) = document.edit().set("status", &mycelium::document::Value::text("pending")) else { continue };
        let running = task::start(&document).unwrap_or_else(|error| panic!("{name}: {error}"));
        let back = task::release(&running).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(back, document, "{name}");
    }
}

#[test]
fn ten_thousand_documents_are_read_quickly() {
    const COUNT: usize = 10_000;
    let text = |n: usize| {
        let text = TASK.replace("task-122", "DEPENDENCY").replace("task-123", &format!("task-{n}"));
        text.replace("DEPENDENCY", &format!("task-{}", n / 2))
    };
    let documents: Vec<_> = (0..COUNT).map(|n| (path(&format!("task-{n}.md")), text(n))).collect();
    let started = Instant::now();
    let parsed = documents.iter().map(|(path, text)| (path.clone(), Document::parse(text.as_bytes())));
    let mut snapshot = Snapshot::from_documents(parsed);
    let read = started.elapsed();
    let before = snapshot.clone();
    let edited = documents[77].1.replace("epochs\": 3", "epochs\": 4");
    let started = Instant::now();
    snapshot.insert(documents[77].0.clone(), Document::parse(edited.as_bytes()));
    let changes = diff(&before, &snapshot);
    let compared = started.elapsed();
    let started = Instant::now();
    let findings = check(&snapshot, Some(&before)).len();
    let checked = started.elapsed();
    // Task 0 waits for itself, and every bullet says COMPLETED of a running task.
    assert_eq!((changes.len(), findings), (1, COUNT + 1));
    let quick = read.as_secs() < 60 && checked.as_secs() < 60 && compared.as_secs() < 10;
    assert!(quick, "read {read:?}, one changed and compared {compared:?}, checked {checked:?}");
}

#[test]
fn hostile_files_cost_little() {
    let keys = |n: usize| (0..n).map(|i| format!("k{i}: {i}\n")).collect::<Vec<_>>().concat();
    let dependencies = (0..4_000).map(|i| format!("  - d{i}\n")).collect::<Vec<_>>().concat();
    let bullets = (0..20_000).map(|i| format!("- d{i}\n")).collect::<Vec<_>>().concat();
    let head = "---\nid: task-1\ntype: t\nstatus: pending\n";
    let files = [
        format!("{head}{}---\n", keys(4_000)),
        format!("{head}depends_on:\n{dependencies}---\n## Dependencies\n{bullets}"),
        format!("{head}---\n{}", (0..20_000).map(|i| format!("## s{i}\nx\n")).collect::<Vec<_>>().concat()),
        format!("{head}---\n## Notes\n{bullets}"),
        format!("{head}---\n## Progress\n{}", "- [ ] x\n".repeat(20_000)),
        format!("{head}{}---\n{}", keys(4_000), "line\n".repeat(100_000)),
    ];
    for (n, text) in files.iter().enumerate() {
        let at = |text: &str| Snapshot::from_documents([(path("task-1.md"), Document::parse(text.as_bytes()))]);
        let other = text.replace("- d", "- e").replace("## s", "## t").replace("[ ]", "[x]").replace("line", "lane");
        let started = Instant::now();
        let (before, after) = (at(text), at(&other));
        let changes = diff(&before, &after);
        let message = compose(&changes, Attribution::default(), &[]);
        let findings = check(&after, Some(&before));
        let took = started.elapsed();
        assert!(after.find(None, "task-1").is_ok_and(|entry| entry.document.is_readable()), "{n}");
        assert!(message.len() < 20_000 && findings.len() < 50_000, "{n}");
        assert!(took.as_secs() < 20, "{n}: {took:?}");
    }
}

/// A text that looks like a task here and like anything there.
fn texts() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        4 => prop::sample::select(TASK.lines().chain(AGENT.lines()).map(str::to_owned).collect::<Vec<_>>()),
        1 => "[ -~]{0,20}",
        1 => "\\PC{0,8}",
        1 => prop::sample::select(vec!["---", "## Notes", "- [ ] x", "- note", "status: pending", "```", "{", "\u{202e}", "# T", "id: x"])
            .prop_map(str::to_owned),
    ];
    let edits = prop::collection::vec((any::<prop::sample::Index>(), line, 0..3_u8), 0..6);
    edits.prop_map(|edits| {
        let mut lines: Vec<String> = TASK.lines().map(str::to_owned).collect();
        for (index, line, how) in edits {
            let at = index.index(lines.len());
            match how {
                0 => lines[at] = line,
                1 => lines.insert(at, line),
                _ => drop(lines.remove(at)),
            }
        }
        lines.join("\n")
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn two_documents_differ_exactly_if_their_bytes_do(a in texts(), b in texts()) {
        let at = |text: &str| Snapshot::from_documents([(path("task-123.md"), Document::parse(text.as_bytes()))]);
        let (before, after) = (at(&a), at(&b));
        let changes = diff(&before, &after);
        prop_assert_eq!(changes.is_empty(), a == b);
        let lead = AgentName::new("lead").ok();
        let message = compose(&changes, Attribution { agent: lead.as_ref(), holder: None }, &[]);
        prop_assert!(message.chars().all(|c| c == '\n' || !is_unsafe_to_show(c)));
        prop_assert!(message.lines().next().is_some_and(|line| !line.is_empty() && line.chars().count() <= 2 * SUBJECT_MAX));
        let mut findings = check(&after, Some(&before));
        prop_assert!(findings.is_sorted());
        findings.retain(|finding| finding.path.is_none());
        prop_assert_eq!(findings, []);
    }

    #[test]
    fn a_step_and_back_is_no_change(text in texts()) {
        let document = Document::parse(text.as_bytes());
        if let Ok(running) = task::release(&document).and_then(|pending| task::start(&pending)) {
            // Labels that disagreed with the frontmatter are put in step, all else is as it was.
            let again = task::release(&running).and_then(|pending| task::start(&pending));
            prop_assert_eq!(again.as_ref().map(Document::text), Ok(running.text()));
        }
    }

    #[test]
    fn any_bytes_can_be_read(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for name in ["task-1.md", "agent-x.md", "workflow-w.md", "events.md", "x.md"] {
            let _ = entity::read(&path(name), &Document::parse(bytes.clone()));
        }
    }
}
