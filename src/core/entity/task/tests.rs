//! What a task may become, and what each step leaves in its document.

use serde_json::json;

use super::super::read::reread;
use super::*;
use crate::core::problem::Problem;

const CLASSIC: &str = "---\nid: task-123\ntype: train-model\nstatus: pending\nassigned_to: ai-engineer\ncreated: 2025-10-17T00:00:00Z\n---\n\n# Task: train-model\n\n**Type**: train-model\n**Status**: pending\n**Assigned To**: ai-engineer\n\n## Dependencies\n\n- task-122 (prepare-dataset) - RUNNING\n\n## Payload\n\n{\n  \"epochs\": 3\n}\n\n## Progress\n\n- [x] Load dataset\n- [ ] Training\n\n## Result\n\n_In progress..._\n";
const LEAN: &str = "---\nid: task-1\nstatus: pending\ntype: t\ncreated: 2025-10-17T00:00:00Z\n# waits for\n# run\n# review\n# approval\n# more\n---\n\n# T\n\n## Payload\n\n## Progress\n\n## Result\n\n## Notes\n";

fn parse(text: &str) -> Document {
    Document::parse(text.as_bytes())
}

/// The lines that differ: `-old`, `+new`.
fn edits(old: &Document, new: &Document) -> Vec<String> {
    let (a, b): (Vec<_>, Vec<_>) = (old.text().lines().collect(), new.text().lines().collect());
    let head = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    let left = a.len().min(b.len()) - head;
    let tail = a.iter().rev().zip(b.iter().rev()).take(left).take_while(|(a, b)| a == b).count();
    let signed = |sign: char, lines: &[&str]| lines.iter().map(|line| format!("{sign}{line}")).collect::<Vec<_>>();
    [signed('-', &a[head..a.len() - tail]), signed('+', &b[head..b.len() - tail])].concat()
}

fn refused(result: Result<Document, Refusal>) -> String {
    let refusal = result.expect_err("refused");
    format!("{refusal}; {}", refusal.hint().unwrap_or_default())
}

#[test]
fn a_status_change_is_one_line_in_lean_and_two_in_classic() {
    let (lean, classic) = (parse(LEAN), parse(CLASSIC));
    assert_eq!(edits(&lean, &start(&lean).expect("legal")), ["-status: pending", "+status: running"]);
    let running = start(&classic).expect("legal");
    let expected =
        CLASSIC.replace("status: pending", "status: running").replace("**Status**: pending", "**Status**: running");
    assert_eq!(running.text(), expected);
    assert_eq!(release(&running).expect("legal"), classic);
}

#[test]
fn the_whole_life_of_a_task() {
    let mut document = parse(LEAN);
    document = start(&document).expect("start");
    document = fail(&document, Some(&json!("out of memory\nat step 3"))).expect("fail");
    assert!(document.text().contains("## Error\n\nout of memory\nat step 3\n\n## Notes"), "{}", document.text());
    document = retry(&document).expect("retry");
    document = start(&document).expect("start");
    document = complete(&document, Some(&json!({"loss": 0.04}))).expect("complete");
    document = note(&document, "loss is flat\n- [ ] no step").expect("note");
    let task = reread(Kind::Task, &document).entity.expect("readable").as_task().cloned().expect("a task");
    assert_eq!(task.status, TaskStatus::Completed);
    assert_eq!(task.result, Some(json!({"loss": 0.04})));
    assert_eq!(task.error, Some(json!("out of memory\nat step 3")));
    assert_eq!(task.notes.len(), 1);
    document = reopen(&document).expect("reopen");
    assert!(document.text().contains("\nstatus: pending\n"));
}

#[test]
fn outcomes_read_back_as_they_were_given() {
    let running = start(&parse(LEAN)).expect("legal");
    let classic = start(&parse(CLASSIC)).expect("legal");
    for outcome in [
        json!("plain words"),
        json!(""),
        json!("42"),
        json!("null"),
        json!("_none_"),
        json!(" blanks around "),
        json!("{\"json\": \"in a text\"}"),
        json!("## a heading\n```\nand code"),
        json!("- [ ] a box\n---\n<<<<<<< x"),
        json!("a\r\nb"),
        json!(42),
        json!(null),
        json!([1, {"a": "\u{202e}"}]),
    ] {
        for document in [&running, &classic] {
            let done = complete(document, Some(&outcome)).unwrap_or_else(|error| panic!("{outcome}: {error:?}"));
            let reading = reread(Kind::Task, &done);
            assert_eq!(reading.findings, [], "{outcome} {}", done.text());
            let task = reading.entity.expect("readable").as_task().cloned().expect("a task");
            assert_eq!(task.result.unwrap_or_default(), outcome, "{}", done.text());
            assert_eq!(task.steps.len(), document.body().steps().len(), "{outcome}");
        }
    }
}

#[test]
fn illegal_steps_name_the_legal_ones_and_the_way() {
    let pending = parse(LEAN);
    let running = start(&pending).expect("legal");
    let completed = complete(&running, None).expect("legal");
    let failed = fail(&running, None).expect("legal");
    let to_running = TaskUpdate { status: Some(TaskStatus::Running), ..TaskUpdate::default() };
    for (result, text) in [
        (
            complete(&pending, None),
            "`task-1` cannot go from pending to completed; legal: running (start); run `mycelium task update task-1 --status running` first",
        ),
        (
            fail(&pending, Some(&json!("x"))),
            "`task-1` cannot go from pending to failed; legal: running (start); run `mycelium task update task-1 --status running` first",
        ),
        (
            update(&completed, &to_running),
            "`task-1` cannot go from completed to running; legal: pending (reopen); run `mycelium task reopen task-1` first",
        ),
        (
            update(&failed, &to_running),
            "`task-1` cannot go from failed to running; legal: pending (retry); run `mycelium task retry task-1` first",
        ),
        (
            complete(&completed, None),
            "`task-1` cannot go from completed to completed; legal: pending (reopen); it is completed already; `mycelium task reopen task-1` opens it again",
        ),
        (
            fail(&failed, None),
            "`task-1` cannot go from failed to failed; legal: pending (retry); it has failed already; `mycelium task retry task-1` makes it pending again",
        ),
        (
            release(&completed),
            "`task-1` cannot go from completed to pending by release; legal: pending (reopen); run `mycelium task reopen task-1`, which leads there",
        ),
        (
            retry(&pending),
            "`task-1` cannot go from pending to pending by retry; legal: running (start); it is pending already; `mycelium task update task-1 --status running` begins it",
        ),
        (
            reopen(&running),
            "`task-1` cannot go from running to pending by reopen; legal: completed (complete), failed (fail), pending (release); run `mycelium task release task-1`, which leads there",
        ),
        (
            start(&parse("---\nid: task-1\nstatus: runing\n---\n")),
            "`task-1` cannot be changed before it is repaired: unknown task status `runing`; known: pending, running, completed, failed; did you mean `running`?",
        ),
        (start(&parse("a\0b")), "`task` cannot be changed before it is repaired: "),
    ] {
        let told = refused(result);
        if text.ends_with(": ") {
            assert!(told.starts_with(text), "{told}");
        } else {
            assert_eq!(told, text);
        }
    }
    assert_eq!(update(&running, &to_running).expect("no step"), running);
}

#[test]
fn an_update_changes_what_it_names() {
    let document = parse(LEAN);
    let id = |text: &str| DocId::new(text).expect("valid");
    let base = TaskUpdate::default;
    for (update_of, lines) in [
        (base(), vec![]),
        (TaskUpdate { progress: Some(0.5), ..base() }, vec!["+progress: 0.5"]),
        (TaskUpdate { progress: Some(1.0), ..base() }, vec!["+progress: 1"]),
        (TaskUpdate { priority: Some(Priority::High), ..base() }, vec!["+priority: high"]),
        (TaskUpdate { assigned_to: AgentName::new("a").ok(), ..base() }, vec!["+assigned_to: a"]),
        (TaskUpdate { title: Some("New\ntitle".to_owned()), ..base() }, vec!["-# T", "+# New title"]),
        (
            TaskUpdate { depends_on_add: vec![id("a"), id("b"), id("a")], ..base() },
            vec!["+depends_on:", "+  - a", "+  - b"],
        ),
        (TaskUpdate { depends_on_remove: vec![id("a")], ..base() }, vec![]),
        (TaskUpdate { set: vec![("epoch".to_owned(), Value::plain("2"))], ..base() }, vec!["+epoch: 2"]),
        (
            TaskUpdate { set: vec![("note".to_owned(), Value::text("a: b\n---"))], ..base() },
            vec!["+note: \"a: b\\n---\""],
        ),
        (TaskUpdate { unset: vec!["epoch".to_owned()], ..base() }, vec![]),
    ] {
        assert_eq!(edits(&document, &update(&document, &update_of).expect("allowed")), lines, "{update_of:?}");
    }
    let classic = parse(CLASSIC);
    let both = TaskUpdate { assigned_to: AgentName::new("b").ok(), title: Some("New".to_owned()), ..base() };
    let changed = update(&classic, &both).expect("allowed");
    assert!(changed.text().contains("assigned_to: b\n") && changed.text().contains("**Assigned To**: b\n"));
    assert!(changed.text().contains("\n# Task: New\n"));
    let nobody = update(&changed, &TaskUpdate { unset: vec!["assigned_to".to_owned()], ..base() }).expect("allowed");
    assert!(nobody.text().contains("**Assigned To**: _none_\n") && !nobody.text().contains("assigned_to"));
    let more = TaskUpdate { depends_on_add: vec![id("task-9")], depends_on_remove: vec![id("task-122")], ..base() };
    let changed = update(&classic, &more).expect("allowed");
    assert!(changed.text().contains("## Dependencies\n\n- task-9\n\n## Payload"), "{}", changed.text());
    assert!(changed.field("depends_on").is_none());
}

#[test]
fn an_update_refuses_what_would_not_be_read_back() {
    let document = parse(LEAN);
    let base = TaskUpdate::default;
    let set = |key: &str, value: Value| TaskUpdate { set: vec![(key.to_owned(), value)], ..base() };
    for (update_of, text) in [
        (
            TaskUpdate { progress: Some(1.5), ..base() },
            "`task-1`: the progress 1.5 is not between 0 and 1; give a number from 0 to 1, such as 0.5",
        ),
        (
            TaskUpdate { progress: Some(f64::NAN), ..base() },
            "`task-1`: the progress NaN is not between 0 and 1; give a number from 0 to 1, such as 0.5",
        ),
        (set("status", Value::text("done")), "`task-1`: the key `status` is not set by name; use `--status`"),
        (
            set("id", Value::text("x")),
            "`task-1`: the key `id` is not set by name; create a new document under the other id",
        ),
        (
            set("priority", Value::text("hihg")),
            "`task-1`: unknown priority `hihg`; known: low, normal, high, critical; did you mean `high`?",
        ),
        (
            TaskUpdate { title: Some(" \n".to_owned()), ..base() },
            "`task-1`: the title is empty; give at least one word",
        ),
    ] {
        assert_eq!(refused(update(&document, &update_of)), text);
    }
    assert_eq!(refused(note(&document, " ")), "`task-1`: the note is empty; say something in it");
    assert!(tick(&document, 1, Mark::Done).is_err());
}

#[test]
fn placeholders_and_dependency_bullets_keep_step() {
    let running = start(&parse(CLASSIC)).expect("legal");
    let done = complete(&running, None).expect("legal");
    assert!(done.text().ends_with("## Result\n\n_None_\n"));
    let failed = fail(&running, Some(&json!({"error": "Out of memory", "stack_trace": "..."}))).expect("legal");
    assert!(failed.text().contains("## Error\n\n{\n  \"error\": \"Out of memory\""), "{}", failed.text());
    let id = DocId::new("task-122").expect("valid");
    let told = dependency_stands(&running, &id, TaskStatus::Completed).expect("allowed");
    assert_eq!(
        edits(&running, &told),
        ["-- task-122 (prepare-dataset) - RUNNING", "+- task-122 (prepare-dataset) - COMPLETED ✅"]
    );
    assert_eq!(dependency_stands(&told, &id, TaskStatus::Completed).expect("allowed"), told);
    let bare = parse(&CLASSIC.replace("task-122 (prepare-dataset) - RUNNING", "task-122"));
    assert_eq!(dependency_stands(&bare, &id, TaskStatus::Failed).expect("allowed"), bare);
    let described = describe_dependency(&bare, &id, "prepare-dataset", TaskStatus::Completed).expect("allowed");
    assert_eq!(edits(&bare, &described), ["-- task-122", "+- task-122 (prepare-dataset) - COMPLETED ✅"]);
}

#[test]
fn ticks_and_notes_touch_one_line() {
    let document = parse(CLASSIC);
    let ticked = tick(&document, 2, Mark::Flip).expect("there");
    assert_eq!(edits(&document, &ticked), ["-- [ ] Training", "+- [x] Training"]);
    let lean = parse(LEAN);
    let noted = note(&note(&lean, "one").expect("allowed"), "two").expect("allowed");
    assert_eq!(edits(&lean, &noted), ["+", "+- one", "+- two"]);
}
