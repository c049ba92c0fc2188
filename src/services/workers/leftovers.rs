//! What killed workers of the same agent left behind: their tasks are given back. Their commands are dead: a session is held until
//! the keeper of the worker's commands has ended them.

use super::job::worked;
use super::{WorkedTask, Workers};
use crate::core::entity::Task;
use crate::core::lease::Override;
use crate::core::name::AgentName;
use crate::core::operation::{Passing, Request, TaskChange};
use crate::core::problem::{ErrorClass, Problem as _};
use crate::services::{Actor, Error};

impl Workers<'_> {
    /// Gives back the tasks that killed workers hold, of whichever agent, and returns them.
    ///
    /// # Errors
    /// [`Error`] if the folder or the local state cannot be used; what is left is found again.
    pub(super) fn give_back_all_leftovers(&self) -> Result<Vec<WorkedTask>, Error> {
        let mut released = Vec::new();
        for agent in self.store.local.worker_agents()? {
            released.extend(self.give_back_leftovers(&agent)?);
        }
        Ok(released)
    }

    /// Gives back the tasks that killed workers of an agent hold, and returns them.
    ///
    /// # Errors
    /// [`Error`] if the folder or the local state cannot be used; what is left is found again.
    fn give_back_leftovers(&self, agent: &AgentName) -> Result<Vec<WorkedTask>, Error> {
        let (left, live) = self.store.local.worker_sessions(agent)?;
        let mut released = Vec::new();
        if left.is_empty() {
            return Ok(released);
        }
        // A claim that was cut short is finished by the next operation: it has to be seen as held, or it would have no session.
        self.store.log.recover()?;
        let held = self.leases.held_by(agent)?;
        for session in left {
            let is_left = |task: &Task| session.tasks.contains(&task.id) && !live.contains(&task.id);
            for (task, _) in held.iter().filter(|(task, _)| is_left(task)) {
                match self.release(agent, task.id.as_str(), task.fence) {
                    Ok(()) => released.extend(worked(task, agent)),
                    // Another worker, or a person, was faster.
                    Err(error) if matches!(error.class(), ErrorClass::Conflict | ErrorClass::NotFound) => {}
                    Err(error) => return Err(error),
                }
            }
            session.remove()?;
        }
        Ok(released)
    }

    /// Gives a task back that is held under a fencing token.
    pub(super) fn release(&self, agent: &AgentName, id: &str, fence: Option<u64>) -> Result<(), Error> {
        self.change(agent, id, fence, TaskChange::Release)
    }

    /// Changes a task that is held under a fencing token.
    pub(super) fn change(
        &self,
        agent: &AgentName,
        id: &str,
        fence: Option<u64>,
        change: TaskChange,
    ) -> Result<(), Error> {
        let actor = Actor { claims: self.actor.claims, ..Actor::agent(agent) }.with_fence(fence);
        let passing = Passing { fence, over: Override::None };
        self.operations.run_one(&actor, Request::task(id, change).with(passing)).map(drop)
    }
}
