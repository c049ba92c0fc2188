//! What `doctor` is told of the server. Asks it, and leaves no word for others.

use std::time::Instant;

use super::super::{Project, environment};
use super::wanted::{AGREE, Target, Wanted};
use crate::adapters::redis::{BridgeError, Link};
use crate::core::health::{BridgeFacts, Fault, Reached};
use crate::core::problem::Problem;

impl Project {
    /// What is to be seen of the server.
    pub(in super::super) fn bridge_facts(&self) -> BridgeFacts {
        let target = match self.wanted_bridge() {
            Wanted::Nothing => return BridgeFacts::Nothing,
            Wanted::Untrusted { address } => return BridgeFacts::Untrusted { address },
            Wanted::Unagreed { address, why } => {
                let message = format!("{address} {why}");
                return BridgeFacts::Broken(Fault { message, hint: Some(AGREE.to_owned()) });
            }
            Wanted::Broken { why, hint } => {
                return BridgeFacts::Broken(Fault { message: why, hint: Some(hint).filter(|hint| !hint.is_empty()) });
            }
            Wanted::Redis(target) => target,
        };
        let health = self.bridge_health(&target).unwrap_or_default();
        let follower = health.follower.filter(|pid| self.store.is_running(*pid) && health.is_fresh(environment::now()));
        BridgeFacts::Wanted {
            address: target.address(),
            reached: reached(&target).map_err(|error| Fault { message: error.to_string(), hint: error.hint() }),
            paused: self.pause(&target),
            follower,
            behind: health.behind,
            held: health.held.len(),
            garbage: health.garbage.len(),
            last_pass: health.last_pass,
        }
    }
}

fn reached(target: &Target) -> Result<Reached, BridgeError> {
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
