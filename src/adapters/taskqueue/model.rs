//! What a server keeps: projects and their tasks, which are called items here, since a task is ours.

use serde::Deserialize;

/// The status of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
pub enum ItemStatus {
    /// It has not begun.
    #[serde(rename = "not started")]
    NotStarted,
    /// It is worked on.
    #[serde(rename = "in progress")]
    InProgress,
    /// It has details of what was done.
    #[serde(rename = "done")]
    Done,
}

impl ItemStatus {
    /// Its word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::NotStarted => "not started",
            Self::InProgress => "in progress",
            Self::Done => "done",
        }
    }
}

/// An item of a project. Fields that only forks have are left out.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// `task-N`, given by the server, and given again once the highest was deleted.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Its text.
    pub description: String,
    /// Where it is.
    pub status: ItemStatus,
    /// A person has approved it: it cannot be changed or deleted any more.
    #[serde(default)]
    pub approved: bool,
    /// What was done. Kept, without a meaning, while the status is another one.
    #[serde(default)]
    pub completed_details: String,
    /// Which tools to use.
    #[serde(default)]
    pub tool_recommendations: Option<String>,
    /// Which rules to follow. Our marker is its last line.
    #[serde(default)]
    pub rule_recommendations: Option<String>,
}

/// A project as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProjectRow {
    /// `proj-N`, given by the server.
    pub project_id: String,
    /// What it was made with.
    pub initial_prompt: String,
    /// How many items it has.
    pub total_tasks: u64,
}

/// A project with its items, in the order in which they were made.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProjectItems {
    /// `proj-N`.
    pub project_id: String,
    /// What it was made with.
    pub initial_prompt: String,
    /// A person has finalized it: nothing in it can be changed any more.
    #[serde(default)]
    pub completed: bool,
    /// Its items.
    pub tasks: Vec<Item>,
}
