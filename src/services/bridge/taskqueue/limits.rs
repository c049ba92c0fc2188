//! What a server is spared, and what is reported of it: tasks beyond `max_tasks`, and tasks that stay in progress there.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::core::entity::{Task, TaskStatus, span_text};
use crate::core::name::DocId;
use crate::core::snapshot::{Snapshot, sort_by_urgency};
use crate::core::time::Timestamp;

/// Returns the tasks that may not be shown: of those that are not completed all but the most urgent, and of these the oldest.
pub(super) fn surplus(snapshot: &Snapshot, tasks_max: usize) -> BTreeSet<DocId> {
    let mut open: Vec<&Task> = snapshot.tasks().filter(|task| task.status != TaskStatus::Completed).collect();
    if open.len() <= tasks_max {
        return BTreeSet::new();
    }
    sort_by_urgency(&mut open);
    open.into_iter().skip(tasks_max).map(|task| task.id.clone()).collect()
}

/// Since when tasks are in progress that no agent holds: the server does not say who works on them, so no lease runs out.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ProgressLog {
    since: BTreeMap<DocId, Timestamp>,
}

impl ProgressLog {
    /// Reads what [`ProgressLog::update`] returned.
    pub(super) fn parse(bytes: Option<Vec<u8>>) -> Self {
        bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }

    /// Compares it with the documents; what is to be remembered, if it has changed.
    pub(super) fn update(&mut self, snapshot: &Snapshot, now: Timestamp) -> Option<Vec<u8>> {
        let is_unheld = |task: &&Task| task.status == TaskStatus::Running && task.claimed_by.is_none();
        let since = |task: &Task| (task.id.clone(), self.since.get(&task.id).copied().unwrap_or(now).min(now));
        let new = Self { since: snapshot.tasks().filter(is_unheld).map(since).collect() };
        if new == *self {
            return None;
        }
        *self = new;
        serde_json::to_vec(self).ok()
    }

    /// The tasks that are in progress for longer than allowed, and what to do about each.
    pub(super) fn overdue(&self, now: Timestamp, progress_max: Duration) -> Vec<(String, String)> {
        let age = |since: &Timestamp| {
            Duration::from_millis(u64::try_from(now.unix_ms().saturating_sub(since.unix_ms())).unwrap_or(0))
        };
        let late = self.since.iter().filter(|(_, since)| age(since) > progress_max);
        late.map(|(task, since)| (task.to_string(), words(task, age(since)))).collect()
    }
}

fn words(task: &DocId, age: Duration) -> String {
    let age = span_text(Duration::from_secs(age.as_secs()));
    format!("in progress in TaskQueue for {age}, and no agent holds it; `mycelium task claim {task} --steal` takes it")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::document::Document;
    use crate::core::name::DocPath;

    fn snapshot(tasks: &[(&str, &str)]) -> Snapshot {
        let document = |(id, keys): &(&str, &str)| {
            let path = DocPath::new(format!("{id}.md")).expect("a path");
            (path, Document::parse(format!("---\nid: {id}\ntype: x\n{keys}\n---\n").as_bytes()))
        };
        Snapshot::from_documents(tasks.iter().map(document))
    }

    #[test]
    fn the_most_urgent_and_oldest_tasks_are_shown() {
        let tasks = snapshot(&[
            ("task-a", "status: pending\ncreated: 2025-10-17T00:00:02Z"),
            ("task-b", "status: pending\ncreated: 2025-10-17T00:00:01Z"),
            ("task-c", "status: running\npriority: high\ncreated: 2025-10-17T00:00:03Z"),
            ("task-d", "status: completed\ncreated: 2025-10-17T00:00:00Z"),
            ("task-e", "status: failed\npriority: low\ncreated: 2025-10-17T00:00:00Z"),
        ]);
        let left = |max| surplus(&tasks, max).into_iter().map(|id| id.to_string()).collect::<Vec<_>>();
        assert_eq!(left(4), Vec::<String>::new());
        assert_eq!(left(3), ["task-e"]);
        assert_eq!(left(2), ["task-a", "task-e"]);
        assert_eq!(left(1), ["task-a", "task-b", "task-e"]);
    }

    #[test]
    fn a_task_that_nobody_holds_is_reported_after_a_time() {
        let at = |ms: i64| Timestamp::from_unix_ms(1_760_659_200_000 + ms);
        let running = snapshot(&[("task-a", "status: running"), ("task-b", "status: running\nclaimed_by: ann")]);
        let mut log = ProgressLog::default();
        let overdue = |log: &ProgressLog, ms| log.overdue(at(ms), Duration::from_secs(300)).len();
        let kept = log.update(&running, at(0));
        assert_eq!(log.update(&running, at(200_000)), None);
        assert_eq!(ProgressLog::parse(kept), log);
        assert_eq!((overdue(&log, 300_000), overdue(&log, 300_001)), (0, 1));
        assert_eq!(log.overdue(at(400_000), Duration::ZERO)[0].0, "task-a");
        // A clock that was put back makes nothing late.
        assert_eq!(overdue(&log, -9), 0);
        let _ = log.update(&snapshot(&[("task-a", "status: pending")]), at(400_000));
        let _ = log.update(&running, at(500_000));
        assert_eq!(overdue(&log, 600_000), 0);
    }
}
