//! What the configuration of the backends has in common: which may be used, and who agreed to it. Opens no connection.

use std::path::Path;

use super::backend::MirrorTarget;
use super::branch_guard::BranchGuard;
use super::consent::{Consent, ConsentRecord};
use crate::adapters::store;
use crate::core::config::Config;
use crate::services::BackendId;

/// What `bridge enable` did.
#[derive(Debug, Clone)]
pub struct Enabling {
    /// What is mirrored now, and to which server.
    pub target: MirrorTarget,
    /// It was enabled before, for the same server.
    pub was_enabled: bool,
}

/// Reads the settings of the backends and the user's consent.
#[derive(Debug, Clone, Copy)]
pub(super) struct BridgeConfig<'a> {
    pub(super) config: &'a Config,
    pub(super) root: &'a Path,
    pub(super) store: &'a store::Store,
    pub(super) branch: BranchGuard<'a>,
}

impl<'a> BridgeConfig<'a> {
    /// Returns true if `coordination.mode` names this backend.
    pub(super) fn is_forced(self, backend: BackendId) -> bool {
        self.config.text("coordination.mode") == Some(backend.word())
    }

    /// Returns true if `coordination.mode` names this backend or none.
    pub(super) fn allows(self, backend: BackendId) -> bool {
        self.is_forced(backend) || matches!(self.config.text("coordination.mode"), None | Some("auto"))
    }

    /// The branch that is mirrored: documents with a branch of their own are of that branch, whatever is checked out.
    pub(super) fn branch_of(self, record: &ConsentRecord) -> String {
        let named = |key| self.config.text(key).filter(|name| !name.is_empty());
        let own = named("commit.branch").map(|name| name.strip_prefix("refs/heads/").unwrap_or(name));
        named("bridge.branch").or(own).unwrap_or(&record.branch).to_owned()
    }

    /// The user's consent to a backend.
    pub(super) fn consent(self, backend: BackendId) -> Consent<'a> {
        Consent { backend, store: self.store, config: self.config }
    }
}
