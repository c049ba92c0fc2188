//! Why a task is ready or not: everything that is known about it, gathered in one place. Words are elsewhere.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value as Json;

use super::TaskMonitor;
use crate::core::diagnostic::Diagnostic;
use crate::core::entity::{Task, TaskStatus};
use crate::core::name::{AgentName, DocId, DocPath, Kind};
use crate::core::snapshot::{Cause, ConditionDecision, Entry, FindError, Outlook, Queue, Root, Snapshot, Wait};
use crate::services::{Error, Scope, TaskHolder, queue};

/// Most steps of a chain of tasks that wait for each other that are told.
const CHAIN_MAX: usize = 100;
/// Missing dependencies for which ids that look alike are searched.
const NEAR_MAX: usize = 10;

/// Why a task stands as it does.
#[derive(Debug, Clone, PartialEq)]
pub struct WhyReport {
    /// The task.
    pub task: Task,
    /// Its document.
    pub path: DocPath,
    /// How it stands.
    pub outlook: Outlook,
    /// Everything it depends on, met or not, in its order.
    pub needs: Vec<Need>,
    /// For a blocked task, what blocks it at the root.
    pub root: Option<Root>,
    /// What is known about the task at the root.
    pub fault: Option<BlockReason>,
    /// For a waiting task, the way to what it waits for in the end: itself, then each that the one before waits for.
    pub chain: Vec<DocId>,
    /// What the last of the chain lacks, and who holds it.
    pub last: Option<Need>,
    /// Who holds the task, here or in another work tree.
    pub hold: Option<TaskHolder>,
    /// It is assigned to somebody else than who asks.
    pub is_anothers: bool,
}

/// One dependency.
#[derive(Debug, Clone, PartialEq)]
pub struct Need {
    /// The id, as the task names it.
    pub id: DocId,
    /// How it stands; `None` if there is no such task, or none that can be used.
    pub outlook: Option<Outlook>,
    /// What it lacks; `None` if it is met.
    pub wait: Option<Wait>,
    /// Who did or does it.
    pub holder: Option<AgentName>,
    /// Who holds or has finished it in another worktree.
    pub elsewhere: Option<TaskHolder>,
    /// It lies in the archive.
    pub is_archived: bool,
    /// Ids that look like it, where there is none; empty behind the first ten such dependencies.
    pub near: Vec<DocId>,
    /// What is wrong with its review or approval, where that is why it does not count.
    pub fault: Option<Diagnostic>,
}

/// What is wrong at the root.
#[derive(Debug, Clone, PartialEq)]
pub enum BlockReason {
    /// A task failed, with this error if it says one.
    Failed(Option<Json>),
    /// There is no such task; these ids look like it.
    Missing(Vec<DocId>),
    /// A file cannot be used; the first finding about it.
    Unreadable(Option<String>),
    /// Tasks wait for each other.
    Circle,
    /// These files state the same id.
    Duplicate(Vec<DocPath>),
    /// A value that restricts the task cannot be used.
    Unusable(Box<Diagnostic>),
    /// A task was skipped, for this reason.
    Skipped(String),
    /// The condition of the task is false or cannot be evaluated; why.
    Condition(String),
    /// This workflow is paused.
    Paused(DocId),
    /// This workflow was cancelled.
    Cancelled(DocId),
}

impl TaskMonitor<'_> {
    /// Explains why a task is ready or not. Names the task as `DocumentReader::find` does.
    ///
    /// # Errors
    /// [`Error::Find`] if there is no such task, or more than one; others if the folder cannot be read.
    pub fn why(&self, id: &str) -> Result<WhyReport, Error> {
        let mut snapshot = self.documents.snapshot(Scope::Named)?;
        let path = match snapshot.find(Some(Kind::Task), id) {
            Ok(entry) => entry.path.clone(),
            Err(error @ FindError::NotFound { .. }) => {
                let found = self.documents.find_archived(Some(Kind::Task), id)?.ok_or(Error::Find(error))?;
                snapshot.insert(found.path.clone(), found.document);
                found.path
            }
            // A copy of a task is told about as the task; no other command takes it.
            Err(FindError::Duplicate { paths, .. }) if !paths.is_empty() => paths[0].clone(),
            Err(error) => return Err(Error::Find(error)),
        };
        let entry = snapshot.get(&path).ok_or_else(|| Error::Gone { path: path.clone() })?;
        let task = entry.task().ok_or_else(|| unreadable(entry))?;
        let holds = self.leases.holders(&snapshot)?;
        let queue = queue(&snapshot, &holds);
        let root = queue.root(&task.id).filter(|_| queue.outlook(task) == Outlook::Blocked);
        let (chain, last) = chain(&snapshot, &queue, &holds, task);
        let me = self.agent;
        Ok(WhyReport {
            path,
            outlook: queue.outlook(task),
            needs: needs(&snapshot, &queue, &holds, task),
            fault: root.as_ref().map(|root| fault(&snapshot, root)),
            root,
            chain,
            last,
            hold: holds.get(&task.id).cloned(),
            is_anothers: me.is_some() && task.assigned_to.is_some() && task.assigned_to.as_ref() != me,
            task: task.clone(),
        })
    }
}

fn unreadable(entry: &Entry) -> Error {
    let id = entry.id.as_ref().map_or_else(|| entry.path.stem().to_owned(), ToString::to_string);
    let findings = entry.findings.clone();
    Error::Refused {
        path: entry.path.clone(),
        source: Box::new(crate::core::entity::Refusal::Unreadable { id, findings }),
    }
}

/// Who holds which task.
type Holds = BTreeMap<DocId, TaskHolder>;

fn needs(snapshot: &Snapshot, queue: &Queue<'_>, holds: &Holds, task: &Task) -> Vec<Need> {
    let mut blockers = snapshot.blockers(task);
    for blocker in &mut blockers {
        let named = snapshot.named_task(&blocker.id).and_then(Entry::task);
        if let (Wait::Status(TaskStatus::Pending), Some(Outlook::Status(status))) =
            (blocker.why, named.map(|task| queue.outlook(task)))
        {
            blocker.why = Wait::Status(status);
        }
    }
    let waits: HashMap<&DocId, Wait> = blockers.iter().map(|blocker| (&blocker.id, blocker.why)).collect();
    // To look for ids that are alike means to look at all of them: for the first ones only.
    let mut advised = 0;
    let mut one = |id: &DocId| {
        let mut need = need(snapshot, queue, holds, id, waits.get(id).copied());
        if need.wait == Some(Wait::Missing) && advised < NEAR_MAX {
            advised += 1;
            need.near = near(snapshot, id);
        }
        need
    };
    queue.dependencies(task).iter().map(&mut one).collect()
}

fn need(snapshot: &Snapshot, queue: &Queue<'_>, holds: &Holds, id: &DocId, wait: Option<Wait>) -> Need {
    let entry = snapshot.named_task(id);
    let task = entry.and_then(Entry::task);
    let elsewhere = task.and_then(|task| holds.get(&task.id)).filter(|hold| hold.is_unavailable()).cloned();
    Need {
        id: id.clone(),
        outlook: task.map(|task| queue.outlook(task)),
        wait,
        holder: elsewhere.as_ref().map(|hold| &hold.by).or_else(|| task.and_then(Task::holder)).cloned(),
        elsewhere,
        is_archived: entry.is_some_and(|entry| entry.path.is_archived()),
        near: Vec::new(),
        fault: task.and_then(Task::approval_fault).cloned(),
    }
}

fn near(snapshot: &Snapshot, id: &DocId) -> Vec<DocId> {
    match snapshot.find(Some(Kind::Task), id.as_str()) {
        Err(FindError::NotFound { near, .. }) => near,
        Ok(entry) => entry.id.clone().into_iter().collect(),
        Err(_) => Vec::new(),
    }
}

/// From a waiting task to the first one that does not wait for another pending one.
fn chain(snapshot: &Snapshot, queue: &Queue<'_>, holds: &Holds, task: &Task) -> (Vec<DocId>, Option<Need>) {
    let mut chain = vec![task.id.clone()];
    let mut at = task;
    if queue.outlook(task) != Outlook::Waiting {
        return (Vec::new(), None);
    }
    while let Some(blocker) = queue.waits_for(at).first() {
        if blocker.why.is_own() {
            return (chain, Some(need(snapshot, queue, holds, &at.id, Some(blocker.why))));
        }
        chain.push(blocker.id.clone());
        match snapshot.named_task(&blocker.id).and_then(Entry::task) {
            Some(next) if queue.outlook(next) == Outlook::Waiting && chain.len() < CHAIN_MAX => at = next,
            _ => return (chain, Some(need(snapshot, queue, holds, &blocker.id, Some(blocker.why)))),
        }
    }
    (chain, None)
}

fn fault(snapshot: &Snapshot, root: &Root) -> BlockReason {
    let Some(id) = root.path.last() else { return BlockReason::Circle };
    let entry = snapshot.named_task(id);
    match root.cause {
        Cause::Failed => BlockReason::Failed(entry.and_then(Entry::task).and_then(|task| task.error.clone())),
        Cause::Missing => BlockReason::Missing(near(snapshot, id)),
        Cause::Unreadable => {
            let first = entry.and_then(|entry| entry.findings.first());
            BlockReason::Unreadable(first.map(|finding| finding.message.clone()))
        }
        Cause::Circle => BlockReason::Circle,
        Cause::Unusable => entry
            .and_then(Entry::task)
            .and_then(|task| task.gates.unusable())
            .map_or(BlockReason::Unreadable(None), |finding| BlockReason::Unusable(Box::new(finding.clone()))),
        Cause::Duplicate => BlockReason::Duplicate(snapshot.paths_of(Kind::Task, id.as_str()).to_vec()),
        Cause::Skipped | Cause::Condition | Cause::Paused | Cause::Cancelled => {
            entry.and_then(Entry::task).map_or(BlockReason::Unreadable(None), |task| step_reason(snapshot, root, task))
        }
    }
}

/// Why a step of a workflow does not start, of a task at the root.
fn step_reason(snapshot: &Snapshot, root: &Root, task: &Task) -> BlockReason {
    let workflow = || task.workflow.clone().unwrap_or_else(|| task.id.clone());
    match root.cause {
        Cause::Paused => BlockReason::Paused(workflow()),
        Cause::Cancelled => BlockReason::Cancelled(workflow()),
        Cause::Skipped => {
            BlockReason::Skipped(task.skip_reason().map_or_else(String::new, |why| why.text().to_owned()))
        }
        _ => BlockReason::Condition(match snapshot.decide_condition(task) {
            Some(ConditionDecision::Unknown(fault)) => format!("`{}`: {}", fault.expression, fault.why),
            Some(ConditionDecision::Skip(reason)) => reason.text().to_owned(),
            Some(ConditionDecision::Run) | None => "it cannot be evaluated".to_owned(),
        }),
    }
}

impl WhyReport {
    /// Whether it is completed, and somebody else than its holder has still to approve it.
    #[must_use]
    pub fn needs_approval(&self) -> bool {
        self.task.status == TaskStatus::Completed && !self.task.is_approved()
    }
}
