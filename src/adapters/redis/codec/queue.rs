//! Which tasks the queues of the server hold.

use std::collections::BTreeMap;

use crate::core::entity::Priority;
use crate::core::name::DocId;
use crate::core::snapshot::Snapshot;

/// Returns the ready tasks of each priority without a holder, in the order in which workers are to get them: the oldest first.
/// Assigned ones are among them. A priority without tasks has an empty list.
#[must_use]
pub fn ready_queues(snapshot: &Snapshot, held: &dyn Fn(&DocId) -> bool) -> BTreeMap<Priority, Vec<DocId>> {
    let mut queues: BTreeMap<Priority, Vec<DocId>> =
        Priority::ALL.iter().map(|priority| (*priority, Vec::new())).collect();
    for task in snapshot.ready_tasks() {
        if !held(&task.id) {
            queues.entry(task.priority).or_default().push(task.id.clone());
        }
    }
    queues
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::document::Document;
    use crate::core::name::DocPath;

    #[test]
    fn queues_hold_what_is_ready_and_not_held() {
        let files = [
            ("task-a.md", "id: task-a\nstatus: pending\ncreated: 2025-01-02"),
            ("task-b.md", "id: task-b\nstatus: pending\ncreated: 2025-01-01\nassigned_to: x"),
            ("task-c.md", "id: task-c\nstatus: pending\npriority: critical"),
            ("task-d.md", "id: task-d\nstatus: pending\npriority: critical"),
            ("task-e.md", "id: task-e\nstatus: pending\ndepends_on: [task-f]"),
            ("task-f.md", "id: task-f\nstatus: running"),
            ("archive/2025-01/task-g.md", "id: task-g\nstatus: pending"),
        ];
        let snapshot = Snapshot::from_documents(files.iter().map(|(path, keys)| {
            let text = format!("---\ntype: t\n{keys}\n---\n");
            (DocPath::new(*path).expect("valid"), Document::parse(text.into_bytes()))
        }));
        let queues = ready_queues(&snapshot, &|id| id.as_str() == "task-d");
        let of = |priority| queues[&priority].iter().map(DocId::as_str).collect::<Vec<_>>();
        assert_eq!(of(Priority::Critical), ["task-c"]);
        assert_eq!(of(Priority::Normal), ["task-b", "task-a"]);
        assert_eq!((of(Priority::High).len(), of(Priority::Low).len()), (0, 0));
    }
}
