//! Approval of what was done: by whom it may come, and what it changes. Pure.

use super::edit::{Refusal, id_of, remove_key, set_key, status};
use super::model::{Entity, Task};
use super::read::reread;
use super::status::TaskStatus;
use super::task;
use crate::core::document::{Document, Value};
use crate::core::name::{AgentName, Kind};
use crate::core::template::one_line;

impl Task {
    /// Who works on it, or did: the one who claimed it, else the one it is assigned to.
    #[must_use]
    pub fn holder(&self) -> Option<&AgentName> {
        self.claimed_by.as_ref().or(self.assigned_to.as_ref())
    }
}

/// Who approves a completed task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Approver<'a> {
    /// The name of the agent or person.
    pub name: &'a str,
    /// The history says that they completed it, whoever holds it.
    pub has_completed_it: bool,
}

impl Approver<'_> {
    /// Returns true if the work is their own.
    fn is_own(&self, task: &Task, name: &str) -> bool {
        self.has_completed_it || task.holder().is_some_and(|holder| holder.as_str().eq_ignore_ascii_case(name.trim()))
    }
}

/// A completed task is good: those that wait for it may start. What is approved already stays as it is; the note, if there
/// is one, is added once.
///
/// # Errors
/// [`Refusal::NotCompleted`] if it is not completed, [`Refusal::OwnWork`] if `by` is its holder or completed it; others if the document
/// does not allow the edit, or if `by` is a word such as `pending` that is no name.
pub fn approve(document: &Document, by: Approver<'_>, note: Option<&str>) -> Result<Document, Refusal> {
    let task = completed(document, Verdict::Approve)?;
    if by.is_own(&task, by.name) {
        return Err(Refusal::OwnWork { id: task.id.to_string(), holder: by.name.to_owned() });
    }
    approved(document, &task, &one_line(by.name), note)
}

/// Approves a completed task for a person who did it themselves. The approval and a note say so.
///
/// # Errors
/// As for [`approve`], except that the holder is not refused.
pub fn approve_own(document: &Document, by: Approver<'_>, note: Option<&str>) -> Result<Document, Refusal> {
    let task = completed(document, Verdict::Approve)?;
    let approver = by;
    let by = one_line(by.name);
    if !approver.is_own(&task, &by) {
        return approved(document, &task, &by, note);
    }
    let new = approved(document, &task, &format!("{by} (self)"), note)?;
    add_note(&new, &format!("approved by {by}: their own work (--self)"))
}

/// Writes who approved, unless another than the holder did already.
fn approved(document: &Document, task: &Task, by: &str, note: Option<&str>) -> Result<Document, Refusal> {
    let mut new = document.clone();
    if !task.is_approved_by_another() {
        let value = Value::text(by);
        if !super::read::is_approver(&value) {
            let message = format!("`{by}` is not a name that can approve");
            return Err(Refusal::bad_value(
                task.id.to_string(),
                message,
                "approve under another name, with `--as NAME`",
            ));
        }
        new = set_key(&new, "approved", &value)?;
    }
    match note {
        Some(note) => add_note(&new, &format!("approved by {by}: {}", note.trim())),
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
    if is_pending && document.body().notes().last().is_some_and(|last| same_words(&last.text, &note)) {
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
    if document.body().notes().iter().any(|note| same_words(&note.text, text)) {
        return Ok(document.clone());
    }
    Ok(document.edit().append_note(text)?)
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
    use crate::core::problem::Problem;

    fn not_own(name: &str) -> Approver<'_> {
        Approver { name, has_completed_it: false }
    }

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
        let approved = approve(&done, not_own("reviewer"), None).expect("allowed");
        assert_eq!(approved.text(), DONE.replace("# approval\n", "# approval\napproved: reviewer\n"));
        assert!(task(&approved).is_approved());
        assert_eq!(approve(&approved, not_own("reviewer"), None).expect("so already"), approved);
        assert_eq!(approve(&approved, not_own("another"), None).expect("so already"), approved);
        let noted = approve(&done, not_own("reviewer"), Some("good\nwork")).expect("allowed");
        assert!(noted.text().ends_with("- a note\n- approved by reviewer: good\n  work\n"), "{}", noted.text());
        assert_eq!(approve(&noted, not_own("reviewer"), Some("good\nwork")).expect("so already"), noted);
    }

    #[test]
    fn nobody_approves_what_is_their_own_or_not_completed() {
        let done = parse(DONE);
        let text = refused(approve(&done, not_own("coder"), None));
        assert_eq!(
            text,
            "`coder` did `task-1`, and may not approve it; have another agent or a person run `mycelium task approve task-1`"
        );
        // What the holder wrote by hand is no approval; another's replaces it.
        let by_self = approve_own(&done, not_own("coder"), None).expect("a person may");
        assert_eq!(task(&by_self).approved.as_deref(), Some("coder (self)"));
        assert!(task(&by_self).is_approved());
        assert!(
            by_self.text().ends_with("- a note\n- approved by coder: their own work (--self)\n"),
            "{}",
            by_self.text()
        );
        assert_eq!(approve_own(&by_self, not_own("coder"), None).expect("so already"), by_self);
        assert_eq!(
            approve_own(&done, not_own("reviewer"), None).expect("allowed"),
            approve(&done, not_own("reviewer"), None).expect("allowed")
        );
        // The history says that who approves did it, whoever the file names.
        let did_it = Approver { name: "reviewer", has_completed_it: true };
        assert!(refused(approve(&done, did_it, None)).contains("reviewer"));
        let own = approve_own(&done, did_it, None).expect("a person may");
        assert_eq!(task(&own).approved.as_deref(), Some("reviewer (self)"));
        assert!(refused(approve(&done, not_own("pending"), None)).contains("`pending` is not a name that can approve"));
        for own in ["coder", "' coder '", "Coder"] {
            let own = parse(&DONE.replace("# approval\n", &format!("# approval\napproved: {own}\n")));
            assert!(!task(&own).is_approved());
        }
        assert!(refused(approve(&done, not_own("Coder"), None)).contains("may not approve it"));
        let own = parse(&DONE.replace("# approval\n", "# approval\napproved: coder\n"));
        assert_eq!(
            task(&approve(&own, not_own("reviewer"), None).expect("allowed")).approved.as_deref(),
            Some("reviewer")
        );
        for status in ["pending", "running", "failed"] {
            let text = refused(approve(&parse(&DONE.replace("completed", status)), not_own("reviewer"), None));
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
