//! The state of everything at one moment, as figures: who works on what, what is queued, what waits and why, how fast it goes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::TaskMonitor;
use crate::adapters::store::WatcherInfo;
use crate::core::entity::{Agent, AgentStatus, Liveness, Priority, Task, TaskStatus, Workflow, WorkflowStatus};
use crate::core::lease::EntryState;
use crate::core::name::{AgentName, DocId};
use crate::core::snapshot::{Blocker, Entry, Outlook, Queue, Root, Snapshot};
use crate::core::time::Timestamp;
use crate::core::workflow::derived_workflow;
use crate::services::{BridgeStats, Error, Scope, TaskHolder, environment, queue};

/// The state of everything at one moment. Archived documents do not count.
#[derive(Debug, Clone)]
pub struct Stats {
    /// When.
    pub at: Timestamp,
    /// The follower that is live: `markdown` if there is none but the files.
    pub mode: &'static str,
    /// How each backend stands for which a server is named, in the order in which they count.
    pub bridges: Vec<BridgeStats>,
    /// How many agents there are, alive or stale.
    pub agent_count: usize,
    /// Every agent with what it has to do, by name; who has no document and yet work to do comes last.
    pub team: Vec<Member>,
    /// How many tasks are pending.
    pub task_queue_size: usize,
    /// How many of them have each priority, the most urgent first.
    pub task_queue: Vec<(Priority, usize)>,
    /// How many tasks have each status.
    pub tasks: Vec<(TaskStatus, usize)>,
    /// Mean time that the last operations of this work tree took until they were acknowledged, in milliseconds: look-up,
    /// write, disk and, where the operation made one itself, the commit. `None` before the first one.
    pub avg_latency: Option<f64>,
    /// How many operations that is the mean of.
    pub latency_of: usize,
    /// Running tasks, those that run in another worktree included: the most urgent first, then the oldest.
    pub running: Vec<TaskLine>,
    /// Tasks that are pending here, and were completed or given up in another worktree whose branch is not merged here.
    pub ended_elsewhere: Vec<TaskLine>,
    /// Tasks that may be started, in the same order; without those of other worktrees.
    pub ready: Vec<TaskLine>,
    /// Pending tasks for whose dependencies somebody works or will, in the same order.
    pub waiting: Vec<TaskLine>,
    /// Pending tasks that are never ready unless somebody acts, in the same order.
    pub blocked: Vec<TaskLine>,
    /// Failed tasks, in the same order.
    pub failed: Vec<TaskLine>,
    /// Workflows that are running by what their files say, by path.
    pub workflows: Vec<Flow>,
    /// The watcher that is alive.
    pub watcher: Option<WatcherInfo>,
}

/// One agent and its work.
#[derive(Debug, Clone)]
pub struct Member {
    /// Its name.
    pub name: AgentName,
    /// What it says it is doing; `None` if it has no document.
    pub status: Option<AgentStatus>,
    /// Its signs of life; `None` if it has no document.
    pub pulse: Option<Liveness>,
    /// Running tasks that it holds.
    pub running: Vec<DocId>,
    /// How many pending tasks are assigned to it.
    pub queued: usize,
    /// What it says it works on, but for the running tasks that it holds.
    pub says: Vec<String>,
}

/// One task of an overview.
#[derive(Debug, Clone)]
pub struct TaskLine {
    /// The task.
    pub task: Task,
    /// Who holds it.
    pub hold: Option<TaskHolder>,
    /// What it waits for.
    pub waits_for: Vec<Blocker>,
    /// What blocks it at the root.
    pub root: Option<Root>,
}

/// A running workflow, or one whose end is not written yet.
#[derive(Debug, Clone)]
pub struct Flow {
    /// The workflow, as it follows from its tasks.
    pub workflow: Workflow,
    /// How far it is, from 0 to 1; `None` without tasks.
    pub progress: Option<f64>,
    /// The task that it is at.
    pub current_task: Option<DocId>,
}

impl Stats {
    /// How many agents say that they are doing this.
    #[must_use]
    pub fn agents(&self, status: AgentStatus) -> usize {
        self.team.iter().filter(|member| member.status == Some(status)).count()
    }

    /// How many agents gave no sign of life for too long.
    #[must_use]
    pub fn stale(&self) -> usize {
        self.team.iter().filter(|member| member.pulse.as_ref().is_some_and(Liveness::is_stale)).count()
    }
}

impl TaskMonitor<'_> {
    /// The state of everything. Reads the live documents, and those of the archive that they name; nothing of git.
    ///
    /// # Errors
    /// [`Error::Store`] if the folder or the run state cannot be read.
    pub fn stats(&self) -> Result<Stats, Error> {
        self.stats_of(&self.documents.snapshot(Scope::Named)?)
    }

    /// The same of documents that were read already.
    ///
    /// # Errors
    /// [`Error::Store`] if the run state cannot be read.
    pub fn stats_of(&self, snapshot: &Snapshot) -> Result<Stats, Error> {
        let at = environment::now();
        let holds = self.leases.holders(snapshot)?;
        let queue = queue(snapshot, &holds);
        let tasks: Vec<&Task> =
            snapshot.entries().filter(|entry| !entry.path.is_archived()).filter_map(Entry::task).collect();
        let lines = |outlook: Outlook| -> Vec<TaskLine> {
            queue.with(outlook).into_iter().map(|task| line(task, &queue, &holds)).collect()
        };
        let is_elsewhere = |line: &TaskLine| line.hold.as_ref().is_some_and(TaskHolder::is_unavailable);
        let [ready, waiting, blocked] = [Outlook::Ready, Outlook::Waiting, Outlook::Blocked].map(lines);
        let mut ended_elsewhere = Vec::new();
        let [ready, waiting, blocked] = [ready, waiting, blocked].map(|all| {
            let (elsewhere, here): (Vec<TaskLine>, Vec<TaskLine>) = all.into_iter().partition(is_elsewhere);
            ended_elsewhere.extend(elsewhere);
            here
        });
        let status = |task: &Task| status_anywhere(task, &holds);
        let pending: Vec<&&Task> = tasks.iter().filter(|task| status(task) == TaskStatus::Pending).collect();
        let of = |priority: Priority| pending.iter().filter(|task| task.priority == priority).count();
        let latencies = self.documents.store.local.latencies();
        let (mode, bridges) = self.bridge.stats();
        Ok(Stats {
            at,
            mode,
            bridges,
            agent_count: snapshot.agents().count(),
            team: team(snapshot, &tasks, &self.leases.heartbeats()?, &holds, at),
            task_queue_size: pending.len(),
            task_queue: Priority::ALL.iter().rev().map(|priority| (*priority, of(*priority))).collect(),
            tasks: TaskStatus::ALL
                .iter()
                .map(|status| (*status, tasks.iter().filter(|task| status_anywhere(task, &holds) == *status).count()))
                .collect(),
            avg_latency: mean_ms(&latencies),
            latency_of: latencies.len(),
            running: lines(Outlook::Status(TaskStatus::Running)),
            ended_elsewhere,
            ready,
            waiting,
            blocked,
            failed: lines(Outlook::Status(TaskStatus::Failed)),
            workflows: flows(snapshot),
            watcher: self.documents.store.locks.watcher()?,
        })
    }
}

/// Returns the status of a task, by its worktree where another one has it or has finished it.
#[must_use]
pub fn status_anywhere(task: &Task, holds: &BTreeMap<DocId, TaskHolder>) -> TaskStatus {
    let hold = holds.get(&task.id).filter(|hold| hold.is_unavailable() && task.status == TaskStatus::Pending);
    match hold.map(|hold| hold.state) {
        Some(EntryState::Begun | EntryState::Held) => TaskStatus::Running,
        Some(EntryState::Completed) => TaskStatus::Completed,
        Some(EntryState::Failed) => TaskStatus::Failed,
        Some(EntryState::Released | EntryState::Expired) | None => task.status,
    }
}

fn line(task: &Task, queue: &Queue<'_>, holds: &BTreeMap<DocId, TaskHolder>) -> TaskLine {
    TaskLine {
        task: task.clone(),
        hold: holds.get(&task.id).cloned(),
        waits_for: queue.waits_for(task).to_vec(),
        root: queue.root(&task.id).filter(|_| queue.outlook(task) == Outlook::Blocked),
    }
}

fn flows(snapshot: &Snapshot) -> Vec<Flow> {
    let live = snapshot.entries().filter(|entry| !entry.path.is_archived()).filter_map(Entry::workflow);
    let running = live.filter(|workflow| workflow.status == WorkflowStatus::Running);
    let flow = |workflow: &Workflow| {
        let workflow = derived_workflow(snapshot, workflow);
        Flow { progress: workflow.progress, current_task: workflow.current_task.clone(), workflow }
    };
    running.map(flow).collect()
}

fn team(
    snapshot: &Snapshot,
    tasks: &[&Task],
    beats: &BTreeMap<AgentName, Timestamp>,
    holds: &BTreeMap<DocId, TaskHolder>,
    now: Timestamp,
) -> Vec<Member> {
    let mut team: BTreeMap<&AgentName, Member> = BTreeMap::new();
    for agent in snapshot.agents() {
        team.insert(&agent.name, member(agent, beats, now));
    }
    let known: BTreeSet<&AgentName> = team.keys().copied().collect();
    for task in tasks {
        let status = status_anywhere(task, holds);
        let who = match status {
            TaskStatus::Running => holds.get(&task.id).map(|hold| &hold.by),
            TaskStatus::Pending => task.assigned_to.as_ref(),
            TaskStatus::Completed | TaskStatus::Failed => None,
        };
        let Some(who) = who else { continue };
        let member = team.entry(who).or_insert_with(|| stranger(who));
        if status == TaskStatus::Running {
            member.says.retain(|said| said != task.id.as_str());
            member.running.push(task.id.clone());
        } else {
            member.queued += 1;
        }
    }
    let (mut ours, strangers): (Vec<_>, Vec<_>) = team.into_iter().partition(|(name, _)| known.contains(name));
    ours.extend(strangers);
    ours.into_iter().map(|(_, member)| member).collect()
}

fn member(agent: &Agent, beats: &BTreeMap<AgentName, Timestamp>, now: Timestamp) -> Member {
    Member {
        name: agent.name.clone(),
        status: Some(agent.status),
        pulse: Some(Liveness::new(agent, beats.get(&agent.name).copied(), now)),
        running: Vec::new(),
        queued: 0,
        says: agent.active_tasks.iter().map(|active| active.task.clone()).collect(),
    }
}

fn stranger(name: &AgentName) -> Member {
    Member { name: name.clone(), status: None, pulse: None, running: Vec::new(), queued: 0, says: Vec::new() }
}

/// The mean in milliseconds, to a tenth.
fn mean_ms(spans: &[Duration]) -> Option<f64> {
    let count = u32::try_from(spans.len()).ok().filter(|count| *count > 0)?;
    let mean = spans.iter().sum::<Duration>() / count;
    Some((mean.as_secs_f64() * 10_000.0).round() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_is_in_milliseconds_and_short() {
        assert_eq!(mean_ms(&[]), None);
        assert_eq!(mean_ms(&[Duration::from_millis(1), Duration::from_micros(2_590)]), Some(1.8));
    }
}
