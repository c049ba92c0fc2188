//! The backends of a project: which are configured, agreed to and live, and what a command asks of them.

use std::sync::Arc;
use std::time::Instant;

use super::backend::{Backend, MirrorTarget};
use super::branch_guard::BranchGuard;
use super::bridge_config::{BridgeConfig, Enabling};
use super::detect::{BridgeStats, Detected, DetectedBackend, Detector, MARKDOWN, Patience};
use super::health::{BackendHealth, HealthRecord};
use super::redis::RedisConfig;
use super::report::{PassOptions, PassReport};
use super::sync_bases::SyncBases;
use super::taskqueue::{FoundTaskQueue, TaskQueueConfig};
use super::{probe, sync_once};
use crate::adapters::store::Record;
use crate::core::config::Origin;
use crate::core::health::BridgeFacts;
use crate::services::after_write::{AfterWrite, WriteOrigin};
use crate::services::claim_arbiter::ClaimArbiter;
use crate::services::error::backend::NAME_ONE;
use crate::services::remote_events::RemoteEvents;
use crate::services::{BackendId, Error, Project};

/// The backends of a project.
#[derive(Debug, Clone, Copy)]
pub struct Backends<'a> {
    config: BridgeConfig<'a>,
    /// What a pass reads and writes.
    project: &'a Project,
}

/// What an exchange with one backend came to.
#[derive(Debug)]
pub struct BackendPass {
    /// Which.
    pub backend: BackendId,
    /// The report, or why there was no exchange.
    pub done: Result<PassReport, Error>,
}

impl<'a> Backends<'a> {
    pub(in crate::services) fn new(project: &'a Project) -> Self {
        let Project { config, root, store, repository, .. } = project;
        let branch = BranchGuard { config, repository: repository.as_ref(), records: project.records() };
        Self { config: BridgeConfig { config, root, store, branch }, project }
    }

    /// The server of a backend. If none is named, next to nothing is read.
    ///
    /// # Errors
    /// [`Error::NoServer`] if none is named; [`Error::UntrustedServer`], [`Error::UnagreedServer`] or [`Error::BadServer`] if it
    /// may not be used.
    fn configured(self, backend: BackendId) -> Result<Box<dyn Backend>, Error> {
        match backend {
            BackendId::Redis => Ok(self.redis().target()?),
            BackendId::TaskQueue => Ok(self.taskqueue().target()?),
        }
    }

    /// The backends for which a server is named, in the order in which they count, with why it may not be used.
    fn named(self) -> impl Iterator<Item = (BackendId, Result<Box<dyn Backend>, Error>)> {
        let all = BackendId::ALL.into_iter().map(move |id| (id, self.configured(id)));
        all.filter(|(_, configured)| !matches!(configured, Err(Error::NoServer)))
    }

    /// What to do where no server is named, for the backends that the settings allow. With `only`, for that one.
    #[must_use]
    pub fn naming_hint(self, only: Option<BackendId>) -> &'static str {
        let is_possible = |id| self.config.allows(id) && only.is_none_or(|only| only == id);
        match (is_possible(BackendId::Redis), is_possible(BackendId::TaskQueue)) {
            (true, true) => NAME_ONE,
            (true, false) => "set REDIS_URL, or run `mycelium bridge enable URL`",
            (false, true) => "run `mycelium bridge enable taskqueue`",
            (false, false) => "run `mycelium config set --user coordination.mode auto`: no such server is wanted",
        }
    }

    /// The backends that may be used, in the order in which they count.
    pub(super) fn usable(self) -> Vec<Box<dyn Backend>> {
        self.named().filter_map(|(_, configured)| configured.ok()).collect()
    }

    /// A backend, if it may be used.
    pub(super) fn usable_one(self, backend: BackendId) -> Option<Box<dyn Backend>> {
        self.configured(backend).ok()
    }

    /// Returns true if there is a backend that may be used.
    #[must_use]
    pub fn has_usable(self) -> bool {
        BackendId::ALL.into_iter().any(|id| self.configured(id).is_ok())
    }

    /// Why the settings of a backend make no sense, if so.
    #[must_use]
    pub fn fault(self) -> Option<Error> {
        self.named()
            .filter_map(|(_, configured)| configured.err())
            .find(|error| matches!(error, Error::BadServer { .. }))
    }

    pub(super) const fn redis(self) -> RedisConfig<'a> {
        RedisConfig { common: self.config }
    }

    pub(super) const fn taskqueue(self) -> TaskQueueConfig<'a> {
        TaskQueueConfig { common: self.config }
    }

    /// A `TaskQueue` server that is installed here and not asked for. Looks at files alone, and only if it is called: it is
    /// for those commands that show which backends there are.
    #[must_use]
    pub fn found_taskqueue(self) -> Option<FoundTaskQueue> {
        self.taskqueue().found()
    }

    /// Compares the branch that is checked out with the one that is mirrored.
    pub(in crate::services) const fn branch(self) -> BranchGuard<'a> {
        self.config.branch
    }

    /// Finds out which backends are live. With [`Patience::Brief`] it costs no more than 5 ms for each, and nothing if none is
    /// configured, if it was seen a moment ago, or if the server did not answer recently.
    #[must_use]
    pub fn detect(self, patience: Patience) -> Detected {
        let began = Instant::now();
        let found = |(id, configured): (BackendId, Result<Box<dyn Backend>, Error>)| match configured {
            Ok(backend) => self.detect_one(&*backend, patience, Instant::now()),
            Err(error) => DetectedBackend::unusable(id, &error),
        };
        Detected { backends: self.named().map(found).collect(), took: began.elapsed() }
    }

    fn detect_one(self, backend: &dyn Backend, patience: Patience, began: Instant) -> DetectedBackend {
        let (record, branch) = (self.health_of(backend.target()), self.config.branch);
        Detector { backend, record, branch }.detect(patience, began)
    }

    /// The mode and the state of the backends that are configured, by a check that costs no more than 5 ms for each.
    #[must_use]
    pub fn stats(self) -> (&'static str, Vec<BridgeStats>) {
        let stats: Vec<BridgeStats> = self.named().map(|(id, configured)| self.stats_of(id, configured)).collect();
        let live = stats.iter().find(|stats| stats.state == "live");
        (live.map_or(MARKDOWN, |live| live.backend.word()), stats)
    }

    fn stats_of(self, id: BackendId, configured: Result<Box<dyn Backend>, Error>) -> BridgeStats {
        let backend = match configured {
            Ok(backend) => backend,
            Err(error) => return BridgeStats::unusable(id, &error),
        };
        let target = backend.target();
        let found = self.detect_one(&*backend, Patience::Brief, Instant::now());
        let health = found.health.unwrap_or_else(|| BackendHealth::of(target));
        BridgeStats {
            backend: id,
            address: target.address.clone(),
            server: health.server,
            state: health.state.word(),
            why: found.unreached,
            hint: found.hint,
            branch: target.branch.clone(),
            behind: health.behind,
            last_pass: health.last_pass,
            follower: health.follower.filter(|pid| self.project.store.local.is_running(*pid)),
        }
    }

    /// The health of a server in local state.
    pub(in crate::services) fn health_of(self, target: &MirrorTarget) -> HealthRecord {
        let store = self.project.store.clone();
        HealthRecord { store, backend: target.backend, address: target.address.clone() }
    }

    /// The health of each server that may be used, in the order in which they count.
    #[must_use]
    pub fn health(self) -> Vec<HealthRecord> {
        self.usable().iter().map(|backend| self.health_of(backend.target())).collect()
    }

    /// What `doctor` shows of the servers. Asks them, and records nothing.
    pub(in crate::services) fn probe(self) -> Vec<BridgeFacts> {
        let facts = |(_, configured): (BackendId, Result<Box<dyn Backend>, Error>)| match configured {
            Ok(backend) => {
                let target = backend.target();
                probe::facts(&*backend, &self.health_of(target), self.config.branch.pause(target))
            }
            Err(error) => probe::unusable(error),
        };
        let found = self.found_taskqueue();
        let found = found.map(|found| BridgeFacts::Found { hint: found.hint(), address: found.address });
        self.named().map(facts).chain(found).collect()
    }

    /// The text of the user's consent to each backend as it is now, to see whether it has changed.
    #[must_use]
    pub fn consent_text(self) -> Vec<Option<String>> {
        BackendId::ALL.into_iter().map(|id| self.config.consent(id).text()).collect()
    }

    /// Agrees to a Redis server, the one given or the one that the settings name, and to mirror a branch there, by default the
    /// one that is checked out. Opens no connection.
    ///
    /// # Errors
    /// [`Error::NoServer`] if none is named, [`Error::BadServer`] if the address makes no sense or holds a password that
    /// would have to be kept; others if it cannot be remembered.
    pub fn enable(self, url: Option<&str>, branch: Option<&str>) -> Result<Enabling, Error> {
        self.redis().enable(url, branch)
    }

    /// Agrees to the `TaskQueue` server that is installed here, or that the user's own command names, and to mirror a branch there,
    /// by default the one that is checked out. Starts nothing.
    ///
    /// # Errors
    /// [`Error::TaskQueue`] if there is none that may be started; others if it cannot be remembered.
    pub fn enable_taskqueue(self, branch: Option<&str>) -> Result<Enabling, Error> {
        self.taskqueue().enable(branch)
    }

    /// Takes the consent to a backend back and forgets its server. Returns its address, if there was one; what lies on it stays
    /// there.
    ///
    /// # Errors
    /// [`Error::Store`] if local state cannot be changed.
    pub fn disable(self, backend: BackendId) -> Result<Option<String>, Error> {
        let consent = self.config.consent(backend);
        let Some(record) = consent.record()? else { return Ok(None) };
        consent.withdraw(&record)?;
        Ok(Some(record.address))
    }

    /// Where the setting stands that names a server of a backend although the user agreed to none here.
    #[must_use]
    pub fn named_by(self, backend: BackendId) -> Option<Origin> {
        match backend {
            BackendId::Redis => self.redis().url_origin(),
            BackendId::TaskQueue => self.taskqueue().named_by(),
        }
    }

    /// The user has changed a setting of the repository in this clone, and so agrees to it. `self` has the settings of before.
    pub(in crate::services) fn agree_to_change(self, key: &str) {
        for id in BackendId::ALL {
            if self.config.consent(id).follows_from_change(key)
                && let Ok(changed) = Project::open(self.project.once_more())
            {
                // If it cannot be written, the user is asked when it is needed.
                let _ = changed.bridge().config.consent(id).agree_to_terms();
            }
        }
    }

    /// What this clone and the first server that may be used last agreed on; `None` if there is none.
    pub(in crate::services) fn sync_bases(self) -> Option<SyncBases> {
        let backend = BackendId::ALL.into_iter().find_map(|id| self.usable_one(id))?;
        Some(SyncBases::open(&self.project.store, &backend.target().memory_name))
    }

    /// The arbiter of claims, if a backend that may be used decides them.
    pub(in crate::services) fn arbiter(self) -> Option<Box<dyn ClaimArbiter + 'a>> {
        BackendId::ALL.into_iter().find_map(|id| self.usable_one(id)?.arbiter(self.project))
    }

    /// What passes on the events of other clones, if a backend that may be used does.
    pub(in crate::services) fn remote_events(self) -> Option<Arc<dyn RemoteEvents>> {
        BackendId::ALL.into_iter().find_map(|id| self.usable_one(id)?.events())
    }

    /// Compares every document with the server of each backend that may be used, and exchanges what differs. With `only`, of
    /// that backend alone.
    ///
    /// # Errors
    /// [`Error::NoServer`], [`Error::UntrustedServer`], [`Error::UnagreedServer`] or [`Error::BadServer`] if there is none that
    /// may be used.
    /// Within the answer: [`Error::Unreached`] if another branch is checked out than the one that is mirrored; [`Error::Bridge`]
    /// and its like if the server does not answer. What was exchanged until then stays.
    pub fn sync_once(self, only: Option<BackendId>, options: PassOptions) -> Result<Vec<BackendPass>, Error> {
        let wanted = self.named().filter(|(id, _)| only.is_none_or(|only| only == *id));
        let (usable, unusable): (Vec<_>, Vec<_>) = wanted.partition(|(_, configured)| configured.is_ok());
        if usable.is_empty() {
            let first = unusable.into_iter().find_map(|(_, configured)| configured.err());
            return Err(first.unwrap_or(Error::NoneNamed { hint: self.naming_hint(only) }));
        }
        let run = |(id, configured): (BackendId, Result<Box<dyn Backend>, Error>)| {
            let done = configured.and_then(|backend| sync_once::run(self.project, &*backend, options));
            BackendPass { backend: id, done }
        };
        Ok(usable.into_iter().map(run).collect())
    }
}

impl AfterWrite for Backends<'_> {
    /// What fails is left to the next pass.
    fn after_write(&self, written: &Record, origin: WriteOrigin) {
        for id in BackendId::ALL.into_iter().filter(|id| origin != WriteOrigin::Backend(*id)) {
            if let Some(backend) = self.usable_one(id) {
                backend.after_write(self.project, written);
            }
        }
    }
}
