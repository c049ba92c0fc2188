//! Figures about the team, and about this client's own calls.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Serialize, Serializer};
use serde_json::json;

use super::{CoordinationClient, Error, Mode, Unreached, mode};
use crate::api::view::status_figures;
use crate::core::entity::{Priority, TaskStatus};
use crate::services::{self, Project};

/// How things stand.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TeamStats {
    /// The follower that is live.
    pub mode: Mode,
    /// The follower that was asked for, by its name or by an address, and is not live, with the reason.
    pub unreached: Option<Unreached>,
    /// How each server stands that the documents are mirrored to, in the order in which they make the mode.
    pub bridges: Vec<services::BridgeStats>,
    /// Agents that have a document.
    pub agent_count: usize,
    /// How many of them gave no sign of life for too long.
    pub stale_agents: usize,
    /// Tasks that wait to be started, by urgency.
    pub task_queue_size: QueueSize,
    /// Tasks that are running.
    pub running: usize,
    /// Completed tasks that are not archived.
    pub completed: usize,
    /// Failed tasks that are not archived.
    pub failed: usize,
    /// Average time of this client's operations from the call to the answer, in milliseconds; 0 before the first. What is
    /// answered from memory does not count.
    pub avg_latency: f64,
    /// How many operations that is the average of.
    pub operations: u64,
    /// Everything that `mycelium stats` tells: who works on what, what waits and why.
    pub overview: services::Stats,
}

/// As the figures of `mycelium status --json`; `avg_latency` and `operations` are those of this client.
impl Serialize for TeamStats {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut figures = status_figures(&self.overview);
        figures["mode"] = json!(self.mode);
        figures["unreached"] = json!(self.unreached);
        figures["avg_latency"] = json!(self.avg_latency);
        figures["operations"] = json!(self.operations);
        figures.serialize(to)
    }
}

/// Pending tasks by urgency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct QueueSize {
    /// Before everything.
    pub critical: usize,
    /// Before the others.
    pub high: usize,
    /// As any other.
    pub normal: usize,
    /// When nothing else is left.
    pub low: usize,
}

impl QueueSize {
    /// All of them.
    #[must_use]
    pub const fn total(&self) -> usize {
        self.critical + self.high + self.normal + self.low
    }

    const fn of(&mut self, priority: Priority) -> &mut usize {
        match priority {
            Priority::Critical => &mut self.critical,
            Priority::High => &mut self.high,
            Priority::Normal => &mut self.normal,
            Priority::Low => &mut self.low,
        }
    }
}

impl CoordinationClient {
    /// Figures of this moment.
    ///
    /// # Errors
    /// [`Error`] if the folder or the run state cannot be read.
    pub async fn get_stats(&self) -> Result<TeamStats, Error> {
        let look = |crew: &super::Crew, project: &Project| {
            crew.follow(project);
            let overview = project.monitor().stats()?;
            let modes = mode::of_stats(&overview);
            crew.following().note(modes.clone());
            Ok((overview, modes))
        };
        let (overview, modes) = self.crew.run(look).await?;
        let (operations, avg_latency) = self.crew.latency.average_ms();
        let with = |status| overview.tasks.iter().filter(|(other, _)| *other == status).map(|(_, count)| *count).sum();
        let mut task_queue_size = QueueSize::default();
        for (priority, count) in &overview.task_queue {
            *task_queue_size.of(*priority) = *count;
        }
        Ok(TeamStats {
            mode: modes.mode,
            unreached: modes.unreached,
            bridges: overview.bridges.clone(),
            agent_count: overview.agent_count,
            stale_agents: overview.stale(),
            task_queue_size,
            running: with(TaskStatus::Running),
            completed: with(TaskStatus::Completed),
            failed: with(TaskStatus::Failed),
            avg_latency,
            operations,
            overview,
        })
    }
}

/// How long operations took.
#[derive(Debug, Default)]
pub(super) struct Latency {
    count: AtomicU64,
    sum_us: AtomicU64,
}

impl Latency {
    /// One more operation.
    pub(super) fn note(&self, took: Duration) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// How many, and what they took on average.
    #[expect(clippy::cast_precision_loss, reason = "an average of microseconds")]
    fn average_ms(&self) -> (u64, f64) {
        let (count, sum) = (self.count.load(Ordering::Relaxed), self.sum_us.load(Ordering::Relaxed));
        (count, if count == 0 { 0.0 } else { sum as f64 / count as f64 / 1_000.0 })
    }
}
