//! The threads of a client. Each has open projects of its own, because a repository stays in the thread that opened it,
//! which is why these are not the runtime's threads for blocking work. They start when there is work and end some time after
//! it; how many there are is bounded, whatever the number of callers.
#![allow(clippy::disallowed_methods, reason = "the shell waits")]

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::services::{Error, Opening, Project};

/// Most threads of one client. They wait for the disk most of the time, and those that write at once share what they wait for.
const THREADS_MAX: usize = 16;
/// How long a thread waits for work before it ends.
const IDLE: Duration = Duration::from_secs(10);

/// Work for a thread.
pub(super) type Job = Box<dyn FnOnce(&mut Desk) + Send>;

/// Threads and the work that waits for them.
pub(super) struct Pool {
    opening: Opening,
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
    /// A pool whose threads work with this project. None is started yet.
    pub(super) fn new(opening: Opening) -> Arc<Self> {
        Arc::new(Self { opening, state: Mutex::default(), work: Condvar::new(), quiet: Notify::new() })
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
        let mut desk = Desk { opening: self.opening.clone(), open: None };
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
    open: Option<Project>,
}

impl Desk {
    /// The project, opened when it is needed first.
    pub(super) fn project(&mut self) -> Result<&Project, Error> {
        let open = if let Some(open) = self.open.take() {
            open
        } else {
            let open = Project::open(self.opening.clone())?;
            let _ = open.prepare();
            open
        };
        Ok(self.open.insert(open))
    }
}
