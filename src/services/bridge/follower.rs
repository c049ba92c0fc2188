//! Keeps the folder and each configured backend in step, with a thread for each, so that no caller waits for a server.

use std::path::PathBuf;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use super::backend::Backend;
use super::follow_loop::{FollowLoop, Signal, Tell};
use super::health::BackendHealth;
use crate::services::{Error, Project};

/// The mirrors of a project, each followed in a thread of its own. Dropped, they end.
#[derive(Debug)]
pub struct Follower {
    threads: Vec<FollowThread>,
}

#[derive(Debug)]
struct FollowThread {
    backend: Box<dyn Backend>,
    signals: Sender<Signal>,
    thread: Option<JoinHandle<()>>,
}

impl Follower {
    /// Begins to follow what the settings of a project ask for; with nothing configured it begins nothing. `tell` is called
    /// with every change of what is known of a backend.
    ///
    /// # Errors
    /// [`Error`] if the project cannot be opened once more, or there is no thread to be had.
    pub fn start(
        project: &Project,
        tell: impl Fn(&BackendHealth) + Clone + Send + 'static,
    ) -> Result<Option<Self>, Error> {
        Self::begin(project, false, tell)
    }

    /// The same for a process that is no watcher: it pauses while a watcher runs here.
    ///
    /// # Errors
    /// As [`Follower::start`].
    pub fn start_unless_watched(project: &Project) -> Result<Option<Self>, Error> {
        Self::begin(project, true, |_: &BackendHealth| {})
    }

    fn begin(
        project: &Project,
        gives_way: bool,
        tell: impl Fn(&BackendHealth) + Clone + Send + 'static,
    ) -> Result<Option<Self>, Error> {
        let backends = project.bridge().usable().into_iter();
        let start = |backend| FollowThread::start(project, backend, gives_way, Box::new(tell.clone()));
        let threads = backends.map(start).collect::<Result<Vec<_>, _>>()?;
        Ok((!threads.is_empty()).then_some(Self { threads }))
    }

    /// Returns true if this is what a project asks for now.
    #[must_use]
    pub fn is_for(&self, project: &Project) -> bool {
        let wanted = project.bridge().usable();
        wanted.len() == self.threads.len()
            && wanted.iter().zip(&self.threads).all(|(wanted, followed)| wanted.is_same(&*followed.backend))
    }
}

impl FollowThread {
    fn start(project: &Project, backend: Box<dyn Backend>, gives_way: bool, tell: Tell) -> Result<Self, Error> {
        let (opening, id) = (project.once_more(), backend.target().backend);
        let (signals, received) = channel();
        let own = signals.clone();
        let run = move || {
            // A project stays with its thread. If it cannot be opened any more, the caller meets the same error by itself.
            if let Ok(project) = Project::open(opening)
                && let Some(backend) = project.bridge().usable_one(id)
            {
                FollowLoop::new(project, backend, own, received, gives_way, tell).run();
            }
        };
        let thread = std::thread::Builder::new().name(format!("mycelium-{}", id.word())).spawn(run);
        let thread = thread.map_err(|source| Error::Folder { path: PathBuf::from("."), source })?;
        Ok(Self { backend, signals, thread: Some(thread) })
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        // All of them first, so that none waits for another.
        for thread in &self.threads {
            let _ = thread.signals.send(Signal::Stop);
        }
        for thread in self.threads.iter_mut().filter_map(|thread| thread.thread.take()) {
            let _ = thread.join();
        }
    }
}
