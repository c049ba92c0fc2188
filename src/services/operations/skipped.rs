//! Tasks that `claim --next` passes over: pending, and not to be given to an agent as they are.

use std::fmt;

use crate::core::entity::TaskStatus;
use crate::core::name::{DocId, DocPath, Kind};
use crate::core::problem::Problem;
use crate::core::snapshot::Snapshot;
use crate::services::Error;
use crate::services::error::located;

/// Most that are named in a message.
const NAMED_MAX: usize = 5;

/// A task that was passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedTask {
    /// Which one.
    pub id: DocId,
    /// Why, with its place.
    pub why: String,
    /// What to do about it.
    hint: Option<String>,
    /// Its document has to be repaired.
    is_broken: bool,
}

impl fmt::Display for SkippedTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.id, self.why)
    }
}

/// All of them, each once, in the order in which they were met.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SkippedTasks {
    tasks: Vec<SkippedTask>,
}

impl SkippedTasks {
    /// Returns true if none was passed over.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Iterates over them.
    pub fn iter(&self) -> std::slice::Iter<'_, SkippedTask> {
        self.tasks.iter()
    }

    pub(in crate::services) fn contains(&self, id: &DocId) -> bool {
        self.tasks.iter().any(|task| task.id == *id)
    }

    /// Adds the pending tasks of these types, or of all if there are none, that state something unusable.
    pub(in crate::services) fn note_unusable(&mut self, live: &Snapshot, kinds: &[&str]) {
        let entries = live.of_kind(Kind::Task).filter(|entry| !entry.path.is_archived());
        let tasks = entries.filter_map(|entry| Some((entry, entry.task()?)));
        for (entry, task) in tasks.filter(|(_, task)| task.status == TaskStatus::Pending) {
            let is_asked_for = kinds.is_empty() || kinds.contains(&task.kind.as_str());
            if let Some(finding) = task.gates.unusable().filter(|_| is_asked_for) {
                self.push(task.id.clone(), located(&entry.path, finding), finding.hint.clone(), true);
            }
        }
    }

    /// Adds a task whose document takes no edit.
    pub(in crate::services) fn note(&mut self, id: DocId, path: &DocPath, error: &Error) {
        let why = error.findings().first().map_or_else(|| error.to_string(), |finding| located(path, finding));
        self.push(id, why, error.hint(), true);
    }

    /// Adds a task that is refused for what the error says.
    pub(in crate::services) fn note_refused(&mut self, id: DocId, error: &Error) {
        self.push(id, error.to_string(), error.hint(), false);
    }

    fn push(&mut self, id: DocId, why: String, hint: Option<String>, is_broken: bool) {
        if !self.contains(&id) {
            self.tasks.push(SkippedTask { id, why, hint, is_broken });
        }
    }

    /// What to do about the first.
    pub(in crate::services) fn hint(&self) -> Option<String> {
        let first = self.tasks.first()?;
        if !first.is_broken {
            return first.hint.clone();
        }
        let repair = first.hint.as_deref().unwrap_or("correct it");
        Some(format!("{repair} (`mycelium task edit {}`)", first.id))
    }
}

impl<'a> IntoIterator for &'a SkippedTasks {
    type Item = &'a SkippedTask;
    type IntoIter = std::slice::Iter<'a, SkippedTask>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for SkippedTasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, task) in self.tasks.iter().take(NAMED_MAX).enumerate() {
            f.write_str(if index == 0 { "; skipped " } else { ", " })?;
            write!(f, "{task}")?;
        }
        match self.tasks.len().saturating_sub(NAMED_MAX) {
            0 => Ok(()),
            more => write!(f, ", and {more} more"),
        }
    }
}
