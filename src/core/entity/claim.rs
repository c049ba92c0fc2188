//! The fields of a task's holder, written into its document. Who gets a task is decided elsewhere.

use std::time::Duration;

use super::edit::{Refusal, accept, set_key, status};
use super::json::span_text;
use super::model::{Entity, Task};
use super::read::reread;
use super::status::TaskStatus;
use super::task;
use crate::core::document::{Document, Value};
use crate::core::name::{AgentName, Kind};
use crate::core::time::Timestamp;

/// What a document says of the holder of its task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HolderFields {
    /// The holder.
    pub by: AgentName,
    /// The fencing token.
    pub fence: u64,
    /// How long the lease lasts unless it is renewed.
    pub lease: Duration,
    /// Since when.
    pub since: Timestamp,
    /// It is taken from a holder whose lease has expired.
    pub is_after_expiry: bool,
}

/// Sets status, holder, fence and lease, and counts one more attempt.
///
/// # Errors
/// [`Refusal`] if the task is finished or the document does not allow the edit.
pub fn take(document: &Document, hold: &HolderFields) -> Result<Document, Refusal> {
    let entity = reread(Kind::Task, document).entity;
    let task = entity.as_ref().and_then(Entity::as_task);
    let attempts = task.and_then(|task| task.attempt).unwrap_or(0);
    // A step that another holder goes on with is the same attempt.
    let is_same = attempts > 0 && task.is_some_and(Task::is_retried_by_policy);
    let attempt = if is_same { attempts } else { attempts.saturating_add(1) };
    let attempt = Value::plain(attempt.to_string());
    let document = match task.filter(|task| hold.is_after_expiry && task.status == TaskStatus::Running) {
        Some(task) => &task::count_expiry(document, task)?,
        None => document,
    };
    accept(Kind::Task, document, set_key(&held(document, hold)?, "attempt", &attempt)?)
}

/// Sets status, holder, fence and lease of a holder that resumes its task, in the same attempt.
///
/// # Errors
/// [`Refusal`] if the task is finished or the document does not allow the edit.
pub fn retake(document: &Document, hold: &HolderFields) -> Result<Document, Refusal> {
    accept(Kind::Task, document, held(document, hold)?)
}

/// Returns the document with the lines of a holder.
fn held(document: &Document, hold: &HolderFields) -> Result<Document, Refusal> {
    let new = match status::<TaskStatus>(Kind::Task, document)? {
        TaskStatus::Running => document.clone(),
        _ => task::start(document)?,
    };
    let new = set_key(&new, "claimed_by", &Value::text(hold.by.as_str()))?;
    let new = set_key(&new, "fence", &Value::plain(hold.fence.to_string()))?;
    let new = set_key(&new, "lease", &Value::text(span_text(hold.lease)))?;
    let entity = reread(Kind::Task, document).entity;
    let execution = entity.as_ref().and_then(Entity::as_task).map(|task| &task.execution);
    // From then on its timeout counts.
    match execution.filter(|execution| execution.timeout.is_some() && execution.started.is_none()) {
        Some(_) => set_key(&new, "started", &Value::text(hold.since.exact())),
        None => Ok(new),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAN: &str = "---\nid: task-1\nstatus: pending\ntype: t\nassigned_to: b\ncreated: 2025-10-17T00:00:00Z\n# waits for\n# run\n# review\n# approval\n# more\n---\n\n# T\n";

    fn hold(by: &str, fence: u64, seconds: u64) -> HolderFields {
        let since = "2025-10-17T00:00:00Z".parse().expect("a time");
        HolderFields {
            by: AgentName::new(by).expect("valid"),
            fence,
            lease: Duration::from_secs(seconds),
            since,
            is_after_expiry: false,
        }
    }

    #[test]
    fn attempts_of_a_step_are_counted_by_retries() {
        let text = LEAN.replace("# more\n", "# more\nretry: 3\ntimeout: 2h\n");
        let taken = take(&Document::parse(text.into_bytes()), &hold("a", 1, 300)).expect("allowed");
        assert!(taken.text().contains("attempt: 1\nstarted: 2025-10-17T00:00:00Z\n"), "{}", taken.text());
        let expired = task::release(&taken).expect("legal");
        assert!(expired.text().contains("fence: 1\nattempt: 1\ntype"), "{}", expired.text());
        let again = take(&expired, &hold("b", 2, 300)).expect("allowed");
        assert!(again.text().contains("fence: 2\nlease: 5m\nattempt: 1\n"), "{}", again.text());
        let failed = task::fail(&again, None).expect("legal");
        let at = "2025-10-17T00:01:00Z".parse().expect("a time");
        let later = task::retry_later(&failed, at).expect("legal");
        assert!(later.text().contains("attempt: 2\nnot_before: 2025-10-17T00:01:00Z\ntype"), "{}", later.text());
    }

    #[test]
    fn a_step_whose_leases_expire_three_times_in_a_row_has_failed() {
        let text = LEAN.replace("# more\n", "# more\nstep: train\n");
        let taken = take(&Document::parse(text.into_bytes()), &hold("a", 1, 300)).expect("allowed");
        let once = task::expire(&taken).expect("legal");
        assert!(once.text().contains("status: pending\nfence: 1\nattempt: 1\nexpiries: 1\ntype"), "{}", once.text());
        let second = take(&once, &hold("b", 2, 300)).expect("allowed");
        // The next agent may ask before anything took it back.
        let over = HolderFields { is_after_expiry: true, ..hold("c", 3, 300) };
        let third = take(&second, &over).expect("allowed");
        assert!(
            third.text().contains("claimed_by: c\nfence: 3\nlease: 5m\nattempt: 1\nexpiries: 2\n"),
            "{}",
            third.text()
        );
        let failed = task::expire(&third).expect("legal");
        assert!(failed.text().contains("status: failed\n"), "{}", failed.text());
        assert!(failed.text().contains("the leases of 3 holders in a row expired"), "{}", failed.text());
        assert!(!failed.text().contains("expiries"), "{}", failed.text());
        // Whoever gives it back or ends it is alive.
        for alive in [task::release(&third), task::complete(&third, None)] {
            assert!(!alive.expect("legal").text().contains("expiries"));
        }
    }

    #[test]
    fn an_ordinary_task_counts_no_expiries() {
        let mut document = Document::parse(LEAN.as_bytes());
        for fence in 1..6 {
            let over = HolderFields { is_after_expiry: true, ..hold("a", fence, 300) };
            document = take(&document, &over).expect("allowed");
            document = if fence % 2 == 0 { task::expire(&document).expect("legal") } else { document };
        }
        assert!(!document.text().contains("expiries"), "{}", document.text());
    }

    #[test]
    fn a_claim_is_five_lines_in_the_slot_of_the_status() {
        let document = Document::parse(LEAN.as_bytes());
        let taken = take(&document, &hold("a", 3, 300)).expect("allowed");
        let keys = "status: running\nclaimed_by: a\nfence: 3\nlease: 5m\nattempt: 1\n";
        assert_eq!(taken.text(), LEAN.replace("status: pending\n", keys));
        let over = take(&taken, &hold("b", 4, 90)).expect("allowed");
        let keys = "status: running\nclaimed_by: b\nfence: 4\nlease: 90s\nattempt: 2\n";
        assert_eq!(over.text(), LEAN.replace("status: pending\n", keys));
        let back = task::release(&over).expect("legal");
        assert_eq!(back.text(), LEAN.replace("status: pending\n", "status: pending\nfence: 4\nattempt: 2\n"));
        let late = retake(&back, &hold("b", 4, 90)).expect("allowed");
        assert_eq!(late.text(), over.text());
        let again = take(&back, &hold("c", 5, 300)).expect("allowed");
        assert!(again.text().contains("\nstatus: running\nclaimed_by: c\nfence: 5\nlease: 5m\nattempt: 3\ntype: t\n"));
    }

    #[test]
    fn what_is_finished_is_not_taken() {
        let document = Document::parse(LEAN.replace("pending", "completed").into_bytes());
        assert!(matches!(take(&document, &hold("a", 1, 1)), Err(Refusal::IllegalStep { .. })));
        let document = Document::parse(LEAN.replace("status: pending\n", "").into_bytes());
        assert!(matches!(take(&document, &hold("a", 1, 1)), Err(Refusal::Unreadable { .. })));
    }

    #[test]
    fn a_body_that_repeats_the_status_keeps_step() {
        let classic = LEAN.replace("# T\n", "# Task: t\n\n**Status**: pending\n**Claimed By**: _none_\n");
        let taken = take(&Document::parse(classic.into_bytes()), &hold("a", 1, 300)).expect("allowed");
        assert!(taken.text().contains("\n**Status**: running\n**Claimed By**: a\n"), "{}", taken.text());
    }
}
