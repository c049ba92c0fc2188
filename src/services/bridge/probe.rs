//! What `doctor` shows of a backend. Asks its server, and records nothing.

use super::backend::Backend;
use super::health::HealthRecord;
use crate::core::health::{BridgeFacts, Fault};
use crate::core::problem::Problem;
use crate::services::{Error, environment};

/// The facts about a server that may be used. `paused` is why nothing is mirrored now.
pub(super) fn facts(backend: &dyn Backend, record: &HealthRecord, paused: Option<String>) -> BridgeFacts {
    let health = record.read().unwrap_or_default();
    let is_following = |pid: &u32| record.store.local.is_running(*pid) && health.is_fresh(environment::now());
    BridgeFacts::Wanted {
        address: backend.target().address.clone(),
        reached: backend.examine().map_err(|error| Fault { message: error.to_string(), hint: error.hint() }),
        paused,
        follower: health.follower.filter(is_following),
        behind: health.behind,
        held: health.held.len(),
        garbage: health.garbage.len(),
        last_pass: health.last_pass,
    }
}

/// The facts about a server that is named and may not be used.
pub(super) fn unusable(error: Error) -> BridgeFacts {
    let hint = error.hint().filter(|hint| !hint.is_empty());
    match error {
        Error::UntrustedServer { address } => BridgeFacts::Untrusted { address },
        Error::NotEnabled { address } => BridgeFacts::Found { address, hint: hint.unwrap_or_default() },
        Error::UnagreedServer { address, why } => {
            BridgeFacts::Broken(Fault { message: format!("{address} {why}"), hint })
        }
        other => BridgeFacts::Broken(Fault { message: other.to_string(), hint }),
    }
}
