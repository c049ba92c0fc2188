//! The keys of each kind's frontmatter that mean something. Reads nothing.

use crate::core::document::Skeleton;
use crate::core::name::Kind;

const TASK_KEYS: &[&str] = &[
    "id",
    "type",
    "status",
    "assigned_to",
    "priority",
    "depends_on",
    "created",
    "created_at",
    "claimed_by",
    "fence",
    "lease",
    "attempt",
    "progress",
    "review",
    "approved",
    "workflow",
    "title",
    "payload",
    "result",
    "error",
];
const AGENT_KEYS: &[&str] = &["agent", "status", "last_updated", "ttl", "active_tasks", "metadata"];
const WORKFLOW_KEYS: &[&str] = &[
    "id",
    "type",
    "status",
    "tasks",
    "created",
    "created_at",
    "progress",
    "current_task",
    "title",
    "metadata",
    "result",
    "error",
];

/// The keys of a kind's frontmatter that mean something; any other is kept as it is.
#[must_use]
pub(super) const fn known_keys(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Agent => AGENT_KEYS,
        Kind::Task => TASK_KEYS,
        Kind::Workflow => WORKFLOW_KEYS,
    }
}

const TASK_SECTIONS: &[&str] = &["Dependencies", "Payload", "Progress", "Result", "Error", "History", "Notes"];
const AGENT_SECTIONS: &[&str] = &["Active Tasks", "Metadata", "History", "Notes"];
const WORKFLOW_SECTIONS: &[&str] = &["Tasks", "Metadata", "Progress", "Steps", "Result", "Error", "History", "Notes"];

/// What of a document of a kind means something; all else in its body is the description.
#[must_use]
pub(super) const fn skeleton(kind: Kind) -> Skeleton<'static> {
    let headings = match kind {
        Kind::Agent => AGENT_SECTIONS,
        Kind::Task => TASK_SECTIONS,
        Kind::Workflow => WORKFLOW_SECTIONS,
    };
    Skeleton { headings, keys: known_keys(kind) }
}

/// The key that holds a document's id.
#[must_use]
pub(super) const fn id_key(kind: Kind) -> &'static str {
    match kind {
        Kind::Agent => "agent",
        Kind::Task | Kind::Workflow => "id",
    }
}
