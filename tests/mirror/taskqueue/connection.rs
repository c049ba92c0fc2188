//! A clone's process of the server, and the production remote over it: each call may fail before or after it was done.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use mycelium::reconcile::{
    AppliedWrite, DocumentKey, DocumentRemote, KnownDocument, RemoteDocument, RemoteListing, RemoteTraits, RemoteWrite,
};
use mycelium::services::Error;
use mycelium::taskqueue::{
    Item, NewItem, ProjectItems, ProjectRow, ServerCalls, TaskQueueError, TaskQueueRemote, Update,
};
use mycelium::time::Timestamp;

use super::TaskQueue;
use super::store::Store;
use crate::world::World;

/// The process of a clone.
pub(super) struct Process<'w> {
    pub(super) server: &'w TaskQueue,
    pub(super) world: &'w World,
    /// It did not answer, and is used no more.
    pub(super) is_lost: bool,
}

impl fmt::Debug for Process<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process").field("is_lost", &self.is_lost).finish_non_exhaustive()
    }
}

impl Process<'_> {
    fn lose(&mut self, call: &str) -> TaskQueueError {
        self.is_lost = true;
        let (program, call) = ("memory".to_owned(), call.to_owned());
        TaskQueueError::TimedOut { program, call, after: Duration::from_secs(10) }
    }

    /// What comes before the work of a call: others are at work, the process is lost, the file cannot be read.
    fn begin(&mut self, call: &str) -> Result<(), TaskQueueError> {
        if self.is_lost || self.world.between().is_err() || self.world.chance(60) {
            return Err(self.lose(call));
        }
        if self.server.state.borrow().is_torn {
            return Err(refused(call, "the file cannot be read".to_owned()));
        }
        Ok(())
    }

    fn read<T>(&mut self, call: &str, read: impl FnOnce(&Store) -> Result<T, String>) -> Result<T, TaskQueueError> {
        self.begin(call)?;
        read(&self.server.state.borrow().store).map_err(|why| refused(call, why))
    }

    fn write<T>(
        &mut self,
        call: &str,
        count: usize,
        write: impl FnOnce(&mut Store) -> Result<T, String>,
    ) -> Result<T, TaskQueueError> {
        self.server.writing.set(self.server.writing.get() + 1);
        let begun = self.begin(call);
        self.server.writing.set(self.server.writing.get() - 1);
        begun?;
        let mut state = self.server.state.borrow_mut();
        let mut store = state.store.clone();
        let done = write(&mut store).map_err(|why| refused(call, why))?;
        (0..count).for_each(|_| _ = self.world.count(|count| &mut count.sends));
        self.world.say(format_args!("{call} is done"));
        if self.world.chance(15) {
            // The server of another client has read the file before this, and writes it after it.
            self.world.say(format_args!("{call} is lost"));
        } else {
            state.change(store);
        }
        drop(state);
        if self.world.chance(25) {
            self.world.say(format_args!("the answer to {call} is lost"));
            return Err(self.lose(call));
        }
        Ok(done)
    }
}

fn refused(call: &str, why: String) -> TaskQueueError {
    TaskQueueError::Refused { call: call.to_owned(), why }
}

impl ServerCalls for Process<'_> {
    fn projects(&mut self, _: Duration) -> Result<Vec<ProjectRow>, TaskQueueError> {
        self.read("list_projects", |store| Ok(store.rows()))
    }

    fn project(&mut self, id: &str, _: Duration) -> Result<ProjectItems, TaskQueueError> {
        self.read("read_project", |store| store.read(id))
    }

    fn create_project(&mut self, prompt: &str, _: Duration) -> Result<String, TaskQueueError> {
        self.write("create_project", 1, |store| Ok(store.create(prompt)))
    }

    fn add(&mut self, project: &str, items: &[NewItem], _: Duration) -> Result<Vec<String>, TaskQueueError> {
        let before = self.server.state.borrow().store.clone();
        let ids = self.write("add_tasks_to_project", items.len(), |store| store.add(project, items))?;
        if self.world.chance(8) {
            self.server.issue_again(self.world, before, project);
        }
        Ok(ids)
    }

    fn update(&mut self, project: &str, id: &str, update: &Update, _: Duration) -> Result<Item, TaskQueueError> {
        self.world.say(format_args!("update of {project} {id}: {update:?}"));
        self.write("update_task", 1, |store| store.update(project, id, update))
    }

    fn delete(&mut self, project: &str, id: &str, _: Duration) -> Result<(), TaskQueueError> {
        self.world.say(format_args!("removal of {project} {id}"));
        self.write("delete_task", 1, |store| store.delete(project, id))
    }
}

/// The production remote, with the errors of a pass over any remote.
pub(super) struct Connection<'a>(pub(super) TaskQueueRemote<'a>);

impl DocumentRemote for Connection<'_> {
    type Error = Error;

    fn traits(&self) -> RemoteTraits {
        self.0.traits()
    }

    fn leads(&mut self) -> Result<bool, Error> {
        Ok(self.0.leads()?)
    }

    fn place(&self, key: &DocumentKey) -> String {
        self.0.place(key)
    }

    fn list(&mut self, known: BTreeSet<DocumentKey>) -> Result<RemoteListing, Error> {
        Ok(self.0.list(known)?)
    }

    fn fetch(&mut self, asked: &[KnownDocument<'_>], now: Timestamp) -> Result<Vec<RemoteDocument>, Error> {
        Ok(self.0.fetch(asked, now)?)
    }

    fn apply(&mut self, writes: &[RemoteWrite], now: Timestamp) -> Result<Vec<AppliedWrite>, Error> {
        Ok(self.0.apply(writes, now)?)
    }
}
