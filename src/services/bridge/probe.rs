//! What `doctor` shows of the server. Asks it, and records nothing.

use std::time::Instant;

use super::health::HealthRecord;
use super::redis_target::RedisTarget;
use crate::adapters::redis::{BridgeError, Link};
use crate::core::health::{BridgeFacts, Fault, Reached};
use crate::core::problem::Problem;
use crate::services::{Error, environment};

/// The facts about the configured server. `local` gives its record in local state, and why nothing is mirrored now.
pub(super) fn facts(
    configured: Result<Box<RedisTarget>, Error>,
    local: impl FnOnce(&RedisTarget) -> (HealthRecord, Option<String>),
) -> BridgeFacts {
    let target = match configured {
        Ok(target) => target,
        Err(Error::NoServer) => return BridgeFacts::Nothing,
        Err(Error::UntrustedServer { address }) => return BridgeFacts::Untrusted { address },
        Err(error) => {
            let message = match &error {
                Error::UnagreedServer { address, why } => format!("{address} {why}"),
                other => other.to_string(),
            };
            return BridgeFacts::Broken(Fault { message, hint: error.hint().filter(|hint| !hint.is_empty()) });
        }
    };
    let (record, paused) = local(&target);
    let health = record.read().unwrap_or_default();
    let is_following = |pid: &u32| record.store.local.is_running(*pid) && health.is_fresh(environment::now());
    BridgeFacts::Wanted {
        address: target.address(),
        reached: reached(&target).map_err(|error| Fault { message: error.to_string(), hint: error.hint() }),
        paused,
        follower: health.follower.filter(is_following),
        behind: health.behind,
        held: health.held.len(),
        garbage: health.garbage.len(),
        last_pass: health.last_pass,
    }
}

fn reached(target: &RedisTarget) -> Result<Reached, BridgeError> {
    let began = Instant::now();
    let link = Link::listen(&target.settings, target.settings.connection_timeout, &[], |_| {})?;
    let server = link.server();
    Ok(Reached {
        name: server.name.clone(),
        latency_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        is_replica: server.is_replica,
        tracks: server.tracks,
        lacks: link.lacks().to_vec(),
        eviction: server.eviction.clone(),
    })
}
