//! Approval of what was done: by whom it may come, and what it changes. Pure.

use super::edit::{Refusal, id_of, remove_key, set_key, status};
use super::model::{Entity, Task};
use super::read::reread;
use super::status::{Review, TaskStatus};
use super::task;
use crate::document::{Document, Value};
use crate::name::{AgentName, Kind};
use crate::template::one_line;

impl Task {
    /// Who works on it, or did: the one who claimed it, else the one it is assigned to.
    #[must_use]
    pub fn holder(&self) -> Option<&AgentName> {
        self.claimed_by.as_ref().or(self.assigned_to.as_ref())
    }

    /// Approved where that is required, by someone else than the holder.
    #[must_use]
    pub fn is_approved(&self) -> bool {
        self.review != Some(Review::Required) || self.is_approved_by_another()
    }

    fn is_approved_by_another(&self) -> bool {
        let by_another = |by: &str| self.holder().is_none_or(|holder| holder.as_str() != by);
        self.approved.as_deref().is_some_and(by_another)
    }
}

/// A completed task is good: those that wait for it may start. What is approved already stays as it is; the note, if there
/// is one, is added once.
///
/// # Errors
/// [`Refusal::NotCompleted`] if it is not completed, [`Refusal::OwnWork`] if `by` is its holder; others if the document
/// does not allow the edit.
pub fn approve(document: &Document, by: &str, note: Option<&str>) -> Result<Document, Refusal> {
    let task = completed(document, Verdict::Approve)?;
    if let Some(holder) = task.holder().filter(|holder| holder.as_str() == by) {
        return Err(Refusal::OwnWork { id: task.id.to_string(), holder: holder.to_string() });
    }
    let mut new = document.clone();
    if !task.is_approved_by_another() {
        new = set_key(&new, "approved", &Value::text(one_line(by)))?;
    }
    match note {
        Some(note) => add_note(&new, &format!("approved by {}: {}", one_line(by), note.trim())),
        None => Ok(new),
    }
}

/// A completed task is not good: it is pending again, nobody holds it, and the reason is a note. Who it is assigned to
/// stays. Doing it twice is doing it once.
///
/// # Errors
/// [`Refusal::NotCompleted`] if it is not completed and was not rejected so just before; others if the document does not
/// allow the edit.
pub fn reject(document: &Document, by: &str, reason: &str) -> Result<Document, Refusal> {
    if reason.trim().is_empty() {
        let id = id_of(Kind::Task, document);
        return Err(Refusal::bad_value(id, "the reason is empty", "say what is to be done better"));
    }
    let note = format!("rejected by {}: {}", one_line(by), reason.trim());
    let is_pending = status::<TaskStatus>(Kind::Task, document)? == TaskStatus::Pending;
    if is_pending && document.notes().last().is_some_and(|last| same_words(&last.text, &note)) {
        return Ok(document.clone());
    }
    completed(document, Verdict::Reject)?;
    add_note(&task::reopen(document)?, &note)
}

/// What a review can come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Approve,
    Reject,
}

/// The task, if it is completed.
fn completed(document: &Document, verdict: Verdict) -> Result<Task, Refusal> {
    let now = status::<TaskStatus>(Kind::Task, document)?;
    let reading = reread(Kind::Task, document);
    let Some(Entity::Task(task)) = reading.entity else {
        return Err(Refusal::Unreadable { id: id_of(Kind::Task, document), findings: reading.findings });
    };
    let id = &task.id;
    let (what, hint) = match (verdict, now) {
        (_, TaskStatus::Completed) => return Ok(*task),
        (Verdict::Approve, TaskStatus::Running) => ("approved", format!("run `mycelium task complete {id}` first")),
        (Verdict::Reject, TaskStatus::Running) => ("rejected", format!("run `mycelium task release {id}`")),
        (Verdict::Approve, TaskStatus::Failed) => ("approved", format!("run `mycelium task retry {id}` first")),
        (Verdict::Reject, TaskStatus::Failed) => ("rejected", format!("run `mycelium task retry {id}`")),
        (Verdict::Approve, TaskStatus::Pending) => {
            ("approved", format!("run `mycelium why {id}` to see what it needs"))
        }
        (Verdict::Reject, TaskStatus::Pending) => ("rejected", format!("run `mycelium task note {id} TEXT`")),
    };
    Err(Refusal::NotCompleted { id: id.to_string(), now, what, hint })
}

/// Adds a note, unless it is there.
fn add_note(document: &Document, text: &str) -> Result<Document, Refusal> {
    if document.notes().iter().any(|note| same_words(&note.text, text)) {
        return Ok(document.clone());
    }
    Ok(document.append_note(text)?)
}

/// Whether two texts say the same; how lines are broken and indented is the document's affair.
fn same_words(a: &str, b: &str) -> bool {
    a.split_whitespace().eq(b.split_whitespace())
}

/// What was approved was another result.
pub(super) fn forget(document: &Document) -> Result<Document, Refusal> {
    remove_key(document, "approved")
}

#[cfg(test)]
mod tests {
    use super::*;

    const DONE: &str = "---\nid: task-1\nstatus: completed\nclaimed_by: coder\nfence: 2\nlease: 5m\ntype: t\nassigned_to: coder\ncreated: 2025-10-17T00:00:00Z\n# waits for\n# run\n# review\nreview: required\n# approval\n# more\n---\n\n# T\n\n## Notes\n\n- a note\n";

    fn parse(text: &str) -> Document {
        Document::parse(text.as_bytes())
    }

    fn task(document: &Document) -> Task {
        match reread(Kind::Task, document).entity {
            Some(Entity::Task(task)) => *task,
            other => panic!("{other:?}"),
        }
    }

    fn refused(result: Result<Document, Refusal>) -> String {
        let refusal = result.expect_err("refused");
        format!("{refusal}; {}", refusal.hint().unwrap_or_default())
    }

    #[test]
    fn an_approval_is_one_line_and_given_once() {
        let done = parse(DONE);
        assert!(!task(&done).is_approved());
        let approved = approve(&done, "reviewer", None).expect("allowed");
        assert_eq!(approved.text(), DONE.replace("# approval\n", "# approval\napproved: reviewer\n"));
        assert!(task(&approved).is_approved());
        assert_eq!(approve(&approved, "reviewer", None).expect("so already"), approved);
        assert_eq!(approve(&approved, "another", None).expect("so already"), approved);
        let noted = approve(&done, "reviewer", Some("good\nwork")).expect("allowed");
        assert!(noted.text().ends_with("- a note\n- approved by reviewer: good\n  work\n"), "{}", noted.text());
        assert_eq!(approve(&noted, "reviewer", Some("good\nwork")).expect("so already"), noted);
    }

    #[test]
    fn nobody_approves_what_is_their_own_or_not_completed() {
        let done = parse(DONE);
        let text = refused(approve(&done, "coder", None));
        assert_eq!(
            text,
            "`coder` did `task-1`, and may not approve it; have another agent or a person run `mycelium task approve task-1`"
        );
        // What the holder wrote by hand is no approval; another's replaces it.
        let own = parse(&DONE.replace("# approval\n", "# approval\napproved: coder\n"));
        assert!(!task(&own).is_approved());
        assert_eq!(task(&approve(&own, "reviewer", None).expect("allowed")).approved.as_deref(), Some("reviewer"));
        for status in ["pending", "running", "failed"] {
            let text = refused(approve(&parse(&DONE.replace("completed", status)), "reviewer", None));
            assert!(
                text.starts_with(&format!("`task-1` is {status}: only what is completed can be approved; run `")),
                "{text}"
            );
            let text = refused(reject(&parse(&DONE.replace("completed", status)), "reviewer", "no"));
            assert!(text.contains("can be rejected; run `"), "{text}");
        }
    }

    #[test]
    fn a_rejection_opens_the_task_again_with_the_reason() {
        let approved = parse(&DONE.replace("# approval\n", "# approval\napproved: other\n"));
        let rejected = reject(&approved, "reviewer", "no tests").expect("allowed");
        let expected = DONE.replace("completed\nclaimed_by: coder\nfence: 2\nlease: 5m", "pending\nfence: 2")
            + "- rejected by reviewer: no tests\n";
        assert_eq!(rejected.text(), expected);
        assert_eq!(reject(&rejected, "reviewer", "no tests").expect("so already"), rejected);
        assert!(refused(reject(&rejected, "reviewer", "something else")).contains("is pending"));
        assert!(refused(reject(&approved, "reviewer", " \n")).contains("the reason is empty"));
    }

    #[test]
    fn a_new_result_needs_a_new_approval() {
        let approved = parse(&DONE.replace("# approval\n", "# approval\napproved: reviewer\n"));
        assert_eq!(task(&task::reopen(&approved).expect("legal")).approved, None);
    }
}
