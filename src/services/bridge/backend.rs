//! What a backend is to the bridge: how it is configured, what a connection to it does in a pass, and what else it offers. The
//! mirror's loop, commands and `doctor` call these traits; each backend implements them in a folder of its own.

use std::any::Any;
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use super::health::BackendHealth;
use super::mirror::Mirror;
use super::mirror_index::Item;
use super::pass::PassScope;
use super::report::{PassOptions, PassReport};
use crate::adapters::store::Record;
use crate::core::event::Told;
use crate::core::health::Reached;
use crate::services::claim_arbiter::ClaimArbiter;
use crate::services::remote_events::{RemoteEvents, Wake};
use crate::services::{BackendId, Error, Project};

/// What is mirrored to a server, and how this clone is called there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MirrorTarget {
    /// Which backend.
    pub backend: BackendId,
    /// Where it is: its address without a password, or its program.
    pub address: String,
    /// The branch that is mirrored; empty if there is none.
    pub branch: String,
    /// The name of this worktree there: random, made once.
    pub node: String,
    /// How often all documents are compared.
    pub scan_every: Duration,
    /// The folder in local state for what is remembered of it: what is remembered of one says nothing of another.
    pub memory_name: String,
}

impl MirrorTarget {
    /// What to do about a branch that is not checked out.
    pub(super) fn pause_hint(&self) -> &'static str {
        match (self.branch.is_empty(), self.backend) {
            (true, BackendId::Redis) => "run `mycelium bridge enable --branch B`",
            (true, BackendId::TaskQueue) => "run `mycelium bridge enable taskqueue --branch B`",
            (false, _) => "check that branch out, or set `bridge.branch`",
        }
    }
}

/// What a server says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServerInfo {
    /// What it calls itself, with its version: `Redis 7.0.15`.
    pub name: String,
    /// The memory it uses, in bytes, if that is known.
    pub memory_bytes: Option<u64>,
    /// How long it took to answer.
    pub answered_in: Duration,
}

/// How long an answer to [`Backend::ask`] is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AskLimit {
    /// Once, and no longer than this.
    Once(Duration),
    /// As long and as often as the settings say.
    AsConfigured,
}

/// A server that may be used, as it is configured in this clone. Making one opens no connection and starts no program.
pub(super) trait Backend: Any + Debug + Send + Sync {
    /// What is mirrored to it.
    fn target(&self) -> &MirrorTarget;

    /// Returns true if the other one is the same server, used in the same way.
    fn is_same(&self, other: &dyn Backend) -> bool;

    /// Returns false if its answers take longer than a command can wait for: then what was seen last counts.
    fn answers_at_once(&self) -> bool {
        true
    }

    /// Asks the server what it is, and so whether it is live.
    ///
    /// # Errors
    /// [`Error`] of the backend if it does not answer, or cannot be mirrored to.
    fn ask(&self, limit: AskLimit) -> Result<ServerInfo, Error>;

    /// Examines the server for `doctor`.
    ///
    /// # Errors
    /// As [`Backend::ask`].
    fn examine(&self) -> Result<Reached, Error>;

    /// Returns what connects to the server for a mirror.
    fn connector(&self) -> Box<dyn Connector>;

    /// Called when this process becomes the one that keeps mirroring, before it is connected.
    ///
    /// # Errors
    /// [`Error`] if local state cannot be written.
    fn begin(&self, project: &Project) -> Result<(), Error> {
        let _ = project;
        Ok(())
    }

    /// Passes an operation of a command on at once, if no process keeps mirroring. It cannot fail the operation.
    fn after_write(&self, project: &Project, operation: &Record) {
        let _ = (project, operation);
    }

    /// Returns what decides claims among clones, if this backend does.
    fn arbiter<'a>(&self, project: &'a Project) -> Option<Box<dyn ClaimArbiter + 'a>> {
        let _ = project;
        None
    }

    /// Returns what passes on the events of other clones, if this backend does.
    fn events(&self) -> Option<Arc<dyn RemoteEvents>> {
        None
    }
}

/// Connects to one server again and again, and keeps what outlives a connection.
pub(super) trait Connector {
    /// Connects. With `wake` the server is listened to: it is called, on other threads, when something happened there.
    ///
    /// # Errors
    /// [`Error`] of the backend if the server is not reached.
    fn connect<'a>(&'a mut self, wake: Option<Wake>) -> Result<Box<dyn Session + 'a>, Error>;
}

/// A connection to a server. The loop of a mirror, and a single exchange, call it in this order: `enter`, `lead`, then again
/// and again `pass`, `after_pass`, `publish`, with `take_news` and `beat` in between, at last `close`.
pub(super) trait Session {
    /// What the server calls itself.
    fn server_name(&self) -> Option<String>;

    /// Takes part in what the server holds.
    ///
    /// # Errors
    /// [`Error::Unreached`] if it is for others; others if it does not answer.
    fn enter(&mut self, mirror: &mut Mirror) -> Result<(), Error> {
        let _ = mirror;
        Ok(())
    }

    /// Claims what only one clone at a time may do there. With `is_dry` nothing is written, and it is assumed.
    ///
    /// # Errors
    /// [`Error`] of the backend if it does not answer.
    fn lead(&mut self, is_dry: bool) -> Result<(), Error> {
        let _ = is_dry;
        Ok(())
    }

    /// Brings the documents of both sides together.
    ///
    /// # Errors
    /// [`Error`] if the folder or the server fails. What was exchanged until then stays.
    fn pass(&mut self, mirror: &mut Mirror, which: PassScope, options: PassOptions) -> Result<PassReport, Error>;

    /// Brings what follows from the documents up to date there: queues, for one. Returns when it is to be called again though
    /// nothing changed; zero if documents have changed by it.
    ///
    /// # Errors
    /// As [`Session::pass`].
    fn after_pass(
        &mut self,
        mirror: &mut Mirror,
        report: &mut PassReport,
        is_everything: bool,
    ) -> Result<Option<Duration>, Error> {
        let _ = (mirror, report, is_everything);
        Ok(None)
    }

    /// Publishes the events of this clone, behind the state that they are about.
    ///
    /// # Errors
    /// As [`Session::pass`].
    fn publish(&mut self, mirror: &mut Mirror, events: &[Told]) -> Result<(), Error> {
        let _ = (mirror, events);
        Ok(())
    }

    /// Takes what the server said without being asked; documents that changed there are added to `items`.
    ///
    /// # Errors
    /// As [`Session::pass`]; also if the connection has ended.
    fn take_news(&mut self, mirror: &mut Mirror, items: &mut BTreeSet<Item>) -> Result<News, Error>;

    /// Called about once a second: renews what lives for a while only. Returns true if everything is to be compared.
    ///
    /// # Errors
    /// As [`Session::pass`].
    fn beat(&mut self, mirror: &mut Mirror, is_live: bool) -> Result<bool, Error> {
        let _ = (mirror, is_live);
        Ok(false)
    }

    /// Nothing is exchanged for now: lets others do what only one may.
    fn pause(&mut self) {}

    /// Returns true if the connection is still good after this error: the pass is retried over it, and news still arrive.
    fn survives(&self, error: &Error) -> bool {
        let _ = error;
        false
    }

    /// Adds what only this backend knows.
    fn note(&self, mirror: &Mirror, health: &mut BackendHealth) {
        let _ = (mirror, health);
    }

    /// Adds what was lost since the last call; returns it in words.
    fn take_losses(&mut self, health: &mut BackendHealth) -> Option<String> {
        let _ = health;
        None
    }

    /// Ends it in order, or after an error of [`Session::pass`] and the others.
    fn close(&mut self, mirror: &mut Mirror, done: &Result<(), Error>) {
        let _ = (mirror, done);
    }
}

/// What a server said without being asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct News {
    /// Documents are to be compared.
    pub(super) is_stale: bool,
    /// Anything may have changed: everything is to be compared.
    pub(super) is_everything: bool,
}
