//! The backends of a project: which are configured, agreed to and live, and what a command asks of them.

use std::time::Instant;

use super::branch_guard::BranchGuard;
use super::bridge_config::{BridgeConfig, Enabling};
use super::claims::RedisClaims;
use super::dataset::Dataset;
use super::detect::{BridgeStats, DetectedBackend, Detector, MARKDOWN, Patience};
use super::health::{BackendHealth, HealthRecord};
use super::redis_target::RedisTarget;
use super::report::{PassOptions, PassReport};
use super::sync_bases::SyncBases;
use super::{probe, sync_once, write_through};
use crate::adapters::redis::Link;
use crate::adapters::store::Record;
use crate::core::config::Origin;
use crate::core::health::BridgeFacts;
use crate::core::problem::Problem;
use crate::services::after_write::{AfterWrite, WriteOrigin};
use crate::services::claim_arbiter::ClaimArbiter;
use crate::services::{BackendId, Error, Project};

/// The backends of a project.
#[derive(Debug, Clone, Copy)]
pub struct Backends<'a> {
    config: BridgeConfig<'a>,
    /// What a pass reads and writes.
    project: &'a Project,
}

impl<'a> Backends<'a> {
    pub(in crate::services) fn new(project: &'a Project) -> Self {
        let Project { config, root, store, repository, .. } = project;
        let branch = BranchGuard { config, repository: repository.as_ref(), records: project.records() };
        Self { config: BridgeConfig { config, root, store, branch }, project }
    }

    /// The server that may be used. If none is named, nothing is read; else one small file, or two.
    ///
    /// # Errors
    /// [`Error::NoServer`], [`Error::UntrustedServer`], [`Error::UnagreedServer`] or [`Error::BadServer`].
    pub fn target(self) -> Result<Box<RedisTarget>, Error> {
        self.config.redis()
    }

    /// Compares the branch that is checked out with the one that is mirrored.
    pub(in crate::services) const fn branch(self) -> BranchGuard<'a> {
        self.config.branch
    }

    /// Finds out which backend is live. With [`Patience::Brief`] it costs no more than 5 ms, and nothing if none is
    /// configured, if it was seen a moment ago, or if the server did not answer recently.
    #[must_use]
    pub fn detect(self, patience: Patience) -> DetectedBackend {
        let began = Instant::now();
        let found = match self.target() {
            Ok(target) => self.detector(&target).detect(patience, began),
            Err(Error::NoServer) if self.config.is_forced(BackendId::TaskQueue) => {
                DetectedBackend::none(Some("this version has no bridge to TaskQueue".to_owned()), None)
            }
            Err(Error::NoServer) => DetectedBackend::none(None, None),
            Err(error) => DetectedBackend::none(Some(error.to_string()), error.hint()),
        };
        DetectedBackend { took: began.elapsed(), ..found }
    }

    /// The mode and the state of the backend that is configured, by a check that costs no more than 5 ms.
    #[must_use]
    pub fn stats(self) -> (&'static str, Option<BridgeStats>) {
        let target = match self.target() {
            Ok(target) => target,
            Err(error) => return (MARKDOWN, BridgeStats::unusable(BackendId::Redis, error)),
        };
        let found = self.detector(&target).detect(Patience::Brief, Instant::now());
        let mode = found.mode();
        let health = found.health.unwrap_or_else(|| BackendHealth::of(&target));
        let stats = BridgeStats {
            backend: BackendId::Redis,
            address: target.address(),
            server: health.server,
            state: health.state.word(),
            why: found.unreached,
            hint: found.hint,
            branch: target.branch,
            behind: health.behind,
            last_pass: health.last_pass,
            follower: health.follower.filter(|pid| self.project.store.local.is_running(*pid)),
        };
        (mode, Some(stats))
    }

    fn detector<'t>(&'t self, target: &'t RedisTarget) -> Detector<'t> {
        Detector { target, record: self.health_of(target), branch: self.config.branch }
    }

    /// The health of this server in local state.
    pub(in crate::services) fn health_of(self, target: &RedisTarget) -> HealthRecord {
        let store = self.project.store.clone();
        HealthRecord { store, backend: BackendId::Redis, address: target.address() }
    }

    /// The health of the server that may be used; `None` if there is none.
    #[must_use]
    pub fn health(self) -> Option<HealthRecord> {
        self.target().ok().map(|target| self.health_of(&target))
    }

    /// What `doctor` shows of the server. Asks it, and records nothing.
    pub(in crate::services) fn probe(self) -> BridgeFacts {
        probe::facts(self.target(), |target| (self.health_of(target), self.config.branch.pause(target)))
    }

    /// The text of the user's consent as it is now, to see whether it has changed.
    #[must_use]
    pub fn consent_text(self) -> Option<String> {
        self.config.consent(BackendId::Redis).text()
    }

    /// Agrees to a Redis server, the one given or the one that the settings name, and to mirror a branch there, by default the
    /// one that is checked out. Opens no connection.
    ///
    /// # Errors
    /// [`Error::NoServer`] if none is named, [`Error::BadServer`] if the address makes no sense or holds a password that
    /// would have to be kept; others if it cannot be remembered.
    pub fn enable(self, url: Option<&str>, branch: Option<&str>) -> Result<Enabling, Error> {
        self.config.enable_redis(url, branch)
    }

    /// Takes the consent back and forgets the server. Returns its address, if there was one; what lies on it stays there.
    ///
    /// # Errors
    /// [`Error::Store`] if local state cannot be changed.
    pub fn disable(self) -> Result<Option<String>, Error> {
        let consent = self.config.consent(BackendId::Redis);
        let Some(record) = consent.record()? else { return Ok(None) };
        consent.withdraw(&record)?;
        Ok(Some(record.address))
    }

    /// Where the setting stands that names a server although the user agreed to none here.
    #[must_use]
    pub fn url_origin(self) -> Option<Origin> {
        self.config.url_origin()
    }

    /// The user has changed a setting of the repository in this clone, and so agrees to it. `self` has the settings of before.
    pub(in crate::services) fn agree_to_change(self, key: &str) {
        if self.config.consent(BackendId::Redis).follows_from_change(key)
            && let Ok(changed) = Project::open(self.project.once_more())
        {
            // If it cannot be written, the user is asked when it is needed.
            let _ = changed.bridge().config.consent(BackendId::Redis).agree_to_terms();
        }
    }

    /// What this clone and its server last agreed on; `None` if no server may be used.
    pub(in crate::services) fn sync_bases(self) -> Option<SyncBases> {
        let target = self.target().ok()?;
        Some(SyncBases::open(&self.project.store, &target.memory_name()))
    }

    /// The arbiter of claims. Without a server that may be used there is nobody to ask.
    pub(in crate::services) fn arbiter(self) -> impl ClaimArbiter {
        let (project, branch) = (self.project, self.config.branch);
        let target = self.target().ok().map(|target| (self.health_of(&target), *target));
        RedisClaims { target, branch, store: &project.store, lease: project.leases().default_lease() }
    }

    /// Enters the dataset that the server holds now; see [`Dataset::enter`].
    pub(super) fn enter(self, target: &RedisTarget, link: &Link) -> Result<String, Error> {
        Dataset { store: &self.project.store, target, lease: self.project.leases().default_lease() }.enter(link)
    }

    /// Compares every document with the server and exchanges what differs.
    ///
    /// # Errors
    /// As [`Backends::target`] if there is none that may be used; [`Error::Unreached`] if another branch is checked out than
    /// the one that is mirrored; [`Error::Bridge`] if the server does not answer. What was exchanged until then stays.
    pub fn sync_once(self, options: PassOptions) -> Result<PassReport, Error> {
        let target = self.target()?;
        sync_once::run(self.project, &target, options)
    }
}

impl AfterWrite for Backends<'_> {
    /// What fails is left to the next pass.
    fn after_write(&self, written: &Record, origin: WriteOrigin) {
        if origin != WriteOrigin::Backend(BackendId::Redis)
            && let Ok(target) = self.target()
        {
            write_through::run(self.project, &target, written);
        }
    }
}
