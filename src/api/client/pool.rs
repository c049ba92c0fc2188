//! The threads of a client. Each has open workspaces of its own, because a repository stays in the thread that opened it,
//! which is why these are not the runtime's threads for blocking work. They start when there is work and end some time after
//! it; how many there are is bounded, whatever the number of callers.
#![allow(clippy::disallowed_methods, reason = "the shell waits")]

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::core::name::AgentName;
use crate::services::{Error, Opening, Project};

/// Most threads of one client. They wait for the disk most of the time, and those that write at once share what they wait for.
const THREADS_MAX: usize = 16;
/// How long a thread waits for work before it ends.
const IDLE: Duration = Duration::from_secs(10);
/// Workspaces that a thread keeps open: one for each agent that acted last.
const OPEN_MAX: usize = 4;

/// Work for a thread.
pub(super) type Job = Box<dyn FnOnce(&mut Desk) + Send>;

/// Threads and the work that waits for them.
pub(super) struct Pool {
    opening: Opening,
    /// Claims are decided by the server or not at all.
    decides_there: bool,
    state: Mutex<State>,
    /// There is work, or there will never be any.
    work: Condvar,
    /// The last work is done.
    quiet: Notify,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    threads: usize,
    idle: usize,
    is_closed: bool,
}

impl State {
    fn is_quiet(&self) -> bool {
        self.queue.is_empty() && self.idle == self.threads
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("opening", &self.opening).finish_non_exhaustive()
    }
}

impl Pool {
    /// A pool whose threads work with this workspace. None is started yet.
    pub(super) fn new(opening: Opening, decides_there: bool) -> Arc<Self> {
        Arc::new(Self { opening, decides_there, state: Mutex::default(), work: Condvar::new(), quiet: Notify::new() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands work to a thread, which owns it from then on; `false` if the pool is closed.
    ///
    /// # Errors
    /// If the system gives no thread and there is none.
    pub(super) fn give(self: &Arc<Self>, job: Job) -> io::Result<bool> {
        let mut state = self.state();
        if state.is_closed {
            return Ok(false);
        }
        state.queue.push_back(job);
        if state.queue.len() > state.idle && state.threads < THREADS_MAX {
            let pool = Arc::clone(self);
            match std::thread::Builder::new().name("mycelium".to_owned()).spawn(move || pool.serve()) {
                Ok(_) => state.threads += 1,
                Err(error) if state.threads == 0 => {
                    state.queue.pop_back();
                    return Err(error);
                }
                // Those that are there will get to it.
                Err(_) => {}
            }
        }
        drop(state);
        self.work.notify_one();
        Ok(true)
    }

    /// One thread's life.
    fn serve(&self) {
        let (opening, decides_there) = (self.opening.clone(), self.decides_there);
        let mut desk = Desk { opening, decides_there, open: Vec::new() };
        while let Some(job) = self.next() {
            job(&mut desk);
        }
    }

    /// The next work; `None` if the thread is to end.
    fn next(&self) -> Option<Job> {
        let mut state = self.state();
        state.idle += 1;
        loop {
            if let Some(job) = state.queue.pop_front() {
                state.idle -= 1;
                return Some(job);
            }
            if state.is_quiet() {
                self.quiet.notify_waiters();
            }
            let timed_out = if state.is_closed {
                true
            } else {
                let (next, wait) = self.work.wait_timeout(state, IDLE).unwrap_or_else(PoisonError::into_inner);
                state = next;
                wait.timed_out()
            };
            if timed_out && state.queue.is_empty() {
                state.idle -= 1;
                state.threads -= 1;
                return None;
            }
        }
    }

    /// Takes no more work.
    pub(super) fn close(&self) {
        self.state().is_closed = true;
        self.work.notify_all();
    }

    /// Tells whether no more work is taken.
    pub(super) fn is_closed(&self) -> bool {
        self.state().is_closed
    }

    /// Waits until all work that was given is done.
    pub(super) async fn wait(&self) {
        loop {
            let quiet = self.quiet.notified();
            tokio::pin!(quiet);
            // Listens before it looks.
            quiet.as_mut().enable();
            if self.state().is_quiet() {
                return;
            }
            quiet.await;
        }
    }
}

/// What one thread works with.
#[derive(Debug)]
pub(super) struct Desk {
    opening: Opening,
    decides_there: bool,
    open: Vec<Project>,
}

impl Desk {
    /// The workspace in which this agent acts; the one that was opened for, if none is named.
    pub(super) fn workspace(&mut self, agent: Option<&AgentName>) -> Result<&Project, Error> {
        let fits = |workspace: &Project| workspace.agent() == agent;
        if let Some(place) = self.open.iter().position(fits) {
            return Ok(&self.open[place]);
        }
        let opening = Opening { agent: agent.cloned(), ..self.opening.clone() };
        let workspace = Project::open(opening)?;
        let _ = workspace.prepare();
        let workspace = if self.decides_there { workspace.deciding_there() } else { workspace };
        if self.open.len() == OPEN_MAX {
            self.open.remove(0);
        }
        self.open.push(workspace);
        Ok(&self.open[self.open.len() - 1])
    }
}
