//! The dataset that a server holds: after it lost its data it holds another one, and claims in it wait until all holders have
//! renewed their leases.

use std::time::Duration;

use super::target::RedisTarget;
use crate::adapters::redis::Link;
use crate::adapters::store::Store;
use crate::core::name::visible;
use crate::services::{Error, environment};

/// Name under which it is remembered which dataset the server held, and which branch was mirrored into it.
const DATASET: &str = "space";
/// Name under which the longest lease is remembered that was asked for, in milliseconds.
const LEASE: &str = "lease";

/// What this clone remembers of the dataset of one server.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dataset<'a> {
    pub(super) store: &'a Store,
    pub(super) target: &'a RedisTarget,
    /// The lease of the settings.
    pub(super) lease: Duration,
}

impl Dataset<'_> {
    /// The dataset that this clone entered last, and the branch with which it may take part in it: empty if another branch is
    /// mirrored there.
    pub(super) fn known(self) -> Option<(String, String)> {
        let known = String::from_utf8(self.store.local.memory(&self.target.mirror.memory_name, DATASET)?).ok()?;
        let (id, branch) = known.split_once(' ')?;
        Some((id.to_owned(), branch.to_owned()))
    }

    /// The longest lease that this clone has ever asked for: a holder may be silent for so long.
    fn longest_lease(self) -> Duration {
        let known = self.store.local.memory(&self.target.mirror.memory_name, LEASE);
        let ms = known.and_then(|bytes| String::from_utf8(bytes).ok()).and_then(|text| text.parse().ok()).unwrap_or(0);
        self.lease.max(Duration::from_millis(ms))
    }

    /// Remembers a lease that is asked for, if it is the longest.
    pub(super) fn note_lease(self, lease: Duration) -> Result<(), Error> {
        if lease > self.longest_lease() {
            let ms = lease.as_millis().to_string();
            self.store.local.write_memory(&self.target.mirror.memory_name, LEASE, ms.as_bytes())?;
        }
        Ok(())
    }

    /// Enters the dataset that the server holds now, and returns its name. If it is another one than before, claims in it wait
    /// until all holders have renewed their leases.
    ///
    /// # Errors
    /// [`Error::Unreached`] if another branch is mirrored there; others if the server cannot be asked.
    pub(super) fn enter(self, link: &Link) -> Result<String, Error> {
        let target = &self.target.mirror;
        let (known, branch) = self.known().unwrap_or_default();
        let fresh = format!("{:016x}", environment::random()?);
        let there = link.enter_space(&known, &fresh, self.longest_lease(), &target.branch)?;
        let is_other = !target.branch.is_empty() && !there.branch.is_empty() && there.branch != target.branch;
        let may_be = if is_other { "" } else { target.branch.as_str() };
        if there.id != known || branch != may_be {
            let text = format!("{} {may_be}", there.id);
            self.store.local.write_memory(&target.memory_name, DATASET, text.as_bytes())?;
        }
        if is_other {
            let (there, here) = (visible(&there.branch), visible(&target.branch));
            return Err(Error::Unreached {
                why: format!("the server has `{there}`; this clone mirrors `{here}`"),
                hint: Some("set `bridge.branch`, or a `coordination.redis.prefix` of its own".to_owned()),
            });
        }
        Ok(there.id)
    }
}
