//! What can be done to a task, as pure functions from document to document. Each changes only what it must.

use serde_json::Value as Json;

use super::bullet::DependencyBullet;
use super::edit::{
    Refusal, accept, add_ids, id_of, progress_value, remove_ids, remove_key, set_key, set_keys, set_outcome,
    set_placeholder, status,
};
use super::status::{Priority, TaskStatus};
use crate::document::{Document, Mark, Value};
use crate::name::{AgentName, DocId, Kind};
use crate::template::one_line;

const DEPENDENCIES: &str = "Dependencies";

/// What `update` changes; what is not named stays as it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TaskUpdate {
    /// The next status; the present one is no change.
    pub status: Option<TaskStatus>,
    /// From 0 to 1.
    pub progress: Option<f64>,
    /// Further keys with their values; `null` removes.
    pub set: Vec<(String, Value)>,
    /// Keys to remove.
    pub unset: Vec<String>,
    /// How urgent.
    pub priority: Option<Priority>,
    /// Who is to do it; `unset` with `assigned_to` for nobody.
    pub assigned_to: Option<AgentName>,
    /// A new heading.
    pub title: Option<String>,
    /// Dependencies to add; those that are there are no change.
    pub depends_on_add: Vec<DocId>,
    /// Dependencies to take out.
    pub depends_on_remove: Vec<DocId>,
}

/// Changes what the update names, all of it or nothing.
///
/// # Errors
/// [`Refusal`] for an illegal step, a value of the wrong shape, or a document that does not allow the edit.
pub fn update(document: &Document, update: &TaskUpdate) -> Result<Document, Refusal> {
    let now = status::<TaskStatus>(Kind::Task, document)?;
    let mut new = set_keys(Kind::Task, document, &update.set, &update.unset)?;
    if let Some(next) = update.status {
        new = step(&new, now, next)?;
    }
    if let Some(name) = &update.assigned_to {
        new = set_key(&new, "assigned_to", &Value::text(name.as_str()))?;
    }
    if let Some(priority) = update.priority {
        new = set_key(&new, "priority", &Value::text(priority.word()))?;
    }
    if let Some(progress) = update.progress {
        new = set_key(&new, "progress", &progress_value(id_of(Kind::Task, &new), progress)?)?;
    }
    if let Some(title) = &update.title {
        new = set_title(&new, title)?;
    }
    new = add_ids(&new, "depends_on", DEPENDENCIES, &update.depends_on_add)?;
    new = remove_ids(&new, "depends_on", DEPENDENCIES, &update.depends_on_remove)?;
    accept(Kind::Task, document, new)
}

/// Pending → running.
///
/// # Errors
/// [`Refusal`] if the step is illegal or the document does not allow the edit.
pub fn start(document: &Document) -> Result<Document, Refusal> {
    go(document, TaskStatus::Running)
}

/// Running → completed, with a result if there is one. The error of an earlier try stays where it is: a branch that
/// changes only the status must not touch it.
///
/// # Errors
/// [`Refusal`] if the step is illegal or the document does not allow the edit.
pub fn complete(document: &Document, result: Option<&Json>) -> Result<Document, Refusal> {
    let new = finish(document, TaskStatus::Completed)?;
    match result {
        Some(result) => set_outcome(&new, "Result", result),
        None => set_placeholder(&new, "Result", "_None_"),
    }
}

/// Running → failed, with the reason if there is one.
///
/// # Errors
/// [`Refusal`] if the step is illegal or the document does not allow the edit.
pub fn fail(document: &Document, error: Option<&Json>) -> Result<Document, Refusal> {
    let new = finish(document, TaskStatus::Failed)?;
    let new = set_placeholder(&new, "Result", "_None_")?;
    error.map_or(Ok(new.clone()), |error| set_outcome(&new, "Error", error))
}

/// Running → pending: whoever holds it gives it back.
///
/// # Errors
/// [`Refusal`] if the step is illegal or the document does not allow the edit.
pub fn release(document: &Document) -> Result<Document, Refusal> {
    back(document, TaskStatus::Running)
}

/// Failed → pending. The error stays, for whoever tries again.
///
/// # Errors
/// [`Refusal`] if the step is illegal or the document does not allow the edit.
pub fn retry(document: &Document) -> Result<Document, Refusal> {
    back(document, TaskStatus::Failed)
}

/// Completed → pending. The result stays until there is a new one; its approval does not.
///
/// # Errors
/// [`Refusal`] if the step is illegal or the document does not allow the edit.
pub fn reopen(document: &Document) -> Result<Document, Refusal> {
    super::review::forget(&back(document, TaskStatus::Completed)?)
}

/// Sets the mark of a check box, counted from 1.
///
/// # Errors
/// [`Refusal::Edit`] if there is no such check box.
pub fn tick(document: &Document, step: usize, mark: Mark) -> Result<Document, Refusal> {
    Ok(document.tick(step, mark)?)
}

/// Adds a note at the end of the notes.
///
/// # Errors
/// [`Refusal`] for an empty note or a document that does not allow the edit.
pub fn note(document: &Document, text: &str) -> Result<Document, Refusal> {
    if text.trim().is_empty() {
        return Err(Refusal::bad_value(id_of(Kind::Task, document), "the note is empty", "say something in it"));
    }
    Ok(document.append_note(text)?)
}

/// Replaces the payload.
///
/// # Errors
/// [`Refusal::Edit`] if the document does not allow the edit.
pub fn set_payload(document: &Document, payload: &Json) -> Result<Document, Refusal> {
    Ok(document.set_section_json("Payload", payload)?)
}

/// Brings the bullet of a dependency up to date where the body lists it with what it is and how it stands
/// (`- task-122 (prepare-dataset) - COMPLETED ✅`); a body that lists bare ids, or none, stays as it is.
///
/// # Errors
/// [`Refusal::Edit`] if the document does not allow the edit.
pub fn dependency_stands(document: &Document, id: &DocId, now: TaskStatus) -> Result<Document, Refusal> {
    let bullets = document.bullets(DEPENDENCIES);
    let found = bullets.iter().position(|bullet| DependencyBullet::parse(&bullet.text).id == id.as_str());
    let Some(index) = found else { return Ok(document.clone()) };
    let text = &bullets[index].text;
    if DependencyBullet::parse(text).status.is_none_or(|claimed| claimed == now) {
        return Ok(document.clone());
    }
    let kept = text.rsplit_once("- ").map_or(text.as_str(), |(kept, _)| kept).trim_end();
    Ok(document.bullet_set(DEPENDENCIES, index, &format!("{kept} - {}", shout(now)))?)
}

/// Says in the bullet of a dependency what it is and how it stands, as the reference document does.
///
/// # Errors
/// [`Refusal::Edit`] if the document does not allow the edit.
pub fn describe_dependency(document: &Document, id: &DocId, kind: &str, now: TaskStatus) -> Result<Document, Refusal> {
    let bullets = document.bullets(DEPENDENCIES);
    let found = bullets.iter().position(|bullet| DependencyBullet::parse(&bullet.text).id == id.as_str());
    let Some(index) = found else { return Ok(document.clone()) };
    Ok(document.bullet_set(DEPENDENCIES, index, &format!("{id} ({}) - {}", one_line(kind), shout(now)))?)
}

fn shout(status: TaskStatus) -> String {
    let mark = match status {
        TaskStatus::Completed => " ✅",
        TaskStatus::Failed => " ❌",
        TaskStatus::Pending | TaskStatus::Running => "",
    };
    format!("{}{mark}", status.word().to_uppercase())
}

fn set_title(document: &Document, title: &str) -> Result<Document, Refusal> {
    let title = one_line(title);
    if title.is_empty() {
        return Err(Refusal::bad_value(id_of(Kind::Task, document), "the title is empty", "give at least one word"));
    }
    let document = match document.field("title") {
        Some(_) => set_key(document, "title", &Value::text(title.as_str()))?,
        None => document.clone(),
    };
    let prefix = document.title().is_some_and(|heading| heading.starts_with("Task:"));
    let heading = if prefix { format!("Task: {title}") } else { title };
    if document.title() == Some(heading.as_str()) {
        return Ok(document);
    }
    Ok(document.set_title(&heading)?)
}

fn go(document: &Document, to: TaskStatus) -> Result<Document, Refusal> {
    step(document, status(Kind::Task, document)?, to)
}

/// To an end; unlike `update`, doing it twice is refused, since the second outcome would replace the first.
fn finish(document: &Document, to: TaskStatus) -> Result<Document, Refusal> {
    let now = status::<TaskStatus>(Kind::Task, document)?;
    if now == to {
        return Err(illegal(document, now, to.word()));
    }
    step(document, now, to)
}

fn back(document: &Document, from: TaskStatus) -> Result<Document, Refusal> {
    let now = status::<TaskStatus>(Kind::Task, document)?;
    if now != from {
        let how = match from {
            TaskStatus::Running => "pending by release",
            TaskStatus::Failed => "pending by retry",
            _ => "pending by reopen",
        };
        return Err(illegal(document, now, how));
    }
    step(document, now, TaskStatus::Pending)
}

fn step(document: &Document, now: TaskStatus, to: TaskStatus) -> Result<Document, Refusal> {
    if now.step(to).is_err() {
        return Err(illegal(document, now, to.word()));
    }
    let new = set_key(document, "status", &Value::text(to.word()))?;
    if to != TaskStatus::Pending || now == to {
        return Ok(new);
    }
    // Whoever had it has it no longer.
    remove_key(&remove_key(&new, "claimed_by")?, "lease")
}

fn illegal(document: &Document, now: TaskStatus, to: &'static str) -> Refusal {
    let id = id_of(Kind::Task, document);
    let hint = match now {
        TaskStatus::Pending if to == "completed" || to == "failed" => {
            Some(format!("run `mycelium task update {id} --status running` first"))
        }
        TaskStatus::Completed if to.starts_with("pending") => {
            Some(format!("run `mycelium task reopen {id}`, which leads there"))
        }
        TaskStatus::Completed if to == "completed" => {
            Some(format!("it is completed already; `mycelium task reopen {id}` opens it again"))
        }
        TaskStatus::Completed => Some(format!("run `mycelium task reopen {id}` first")),
        TaskStatus::Failed if to.starts_with("pending") => {
            Some(format!("run `mycelium task retry {id}`, which leads there"))
        }
        TaskStatus::Failed if to == "failed" => {
            Some(format!("it has failed already; `mycelium task retry {id}` makes it pending again"))
        }
        TaskStatus::Failed => Some(format!("run `mycelium task retry {id}` first")),
        TaskStatus::Pending => {
            Some(format!("it is pending already; `mycelium task update {id} --status running` begins it"))
        }
        TaskStatus::Running => Some(format!("run `mycelium task release {id}`, which leads there")),
    };
    Refusal::IllegalStep { id, step: now.refuse(to), hint }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::read::reread;
    use super::*;

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
                assert_eq!(task.steps.len(), document.steps().len(), "{outcome}");
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
        let nobody =
            update(&changed, &TaskUpdate { unset: vec!["assigned_to".to_owned()], ..base() }).expect("allowed");
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
}
