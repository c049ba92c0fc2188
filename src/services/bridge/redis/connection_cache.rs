//! The connections that the operations of one process share: made when one is needed, and not asked again for a while when
//! they fail. So no operation waits twice for a server that is dead or hangs.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::target::RedisTarget;
use crate::adapters::redis::{BridgeError, Link, Settings};
use crate::core::problem::Problem;
use crate::services::bridge::health::{BackendHealth, BackendState, HealthRecord};
use crate::services::{Error, environment};

/// The connections of this process, one for each server and clone.
static CONNECTIONS: Mutex<Vec<Arc<SharedConnection>>> = Mutex::new(Vec::new());

/// How long an operation waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ConnectionLimits {
    /// For a connection.
    pub(super) connect: Duration,
    /// For an answer.
    pub(super) answer: Duration,
    /// It also asks a server that failed a moment ago.
    pub(super) insists: bool,
}

/// A connection to one server, while there is one, with the limits under which it was made.
#[derive(Debug)]
pub(super) struct SharedConnection {
    target: RedisTarget,
    link: Mutex<Option<(Link, ConnectionLimits)>>,
}

impl SharedConnection {
    /// The connection to a server.
    pub(super) fn of(target: &RedisTarget) -> Arc<Self> {
        let mut connections = CONNECTIONS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = connections.iter().find(|known| known.target == *target) {
            return Arc::clone(known);
        }
        let new = Arc::new(Self { target: target.clone(), link: Mutex::new(None) });
        connections.push(Arc::clone(&new));
        new
    }

    /// Calls `work` with the connection; one caller at a time. `work` is called again if a connection that was kept has ended.
    ///
    /// # Errors
    /// Those of `work`; [`Error::Bridge`] if the server is not reached, or failed a moment ago.
    pub(super) fn with<T>(
        &self,
        record: &HealthRecord,
        limits: ConnectionLimits,
        work: impl Fn(&Link) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut slot = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        let now = environment::now();
        let health = record.read();
        if let Some(down) = health.as_ref().filter(|health| !limits.insists && !health.may_try(now)) {
            *slot = None;
            return Err(Error::Bridge(BridgeError::Unreachable {
                address: down.address.clone(),
                why: down.why.clone().unwrap_or_else(|| "it did not answer a moment ago".to_owned()),
            }));
        }
        let kept = slot.take().filter(|(_, known)| *known == limits).map(|(link, _)| link);
        let was_kept = kept.is_some();
        let link = kept.map_or_else(|| self.connect(record, limits), Ok)?;
        let (link, done) = match work(&link) {
            // A connection that was kept may have ended long ago. Each request here may be sent again.
            Err(Error::Bridge(BridgeError::Closed { .. })) if was_kept => {
                let link = self.connect(record, limits)?;
                let done = work(&link);
                (link, done)
            }
            done => (link, done),
        };
        match &done {
            Ok(_) => {
                let is_news = health.as_ref().is_none_or(|health| health.state == BackendState::Down);
                if is_news && !record.is_followed() {
                    let known = health.unwrap_or_else(|| BackendHealth::of(&self.target.mirror));
                    let _ = record.write(&known.live(Some(link.server().name.clone()), now));
                }
                *slot = Some((link, limits));
            }
            // Only a server that is gone or silent is left alone for a while; one that refuses is there.
            Err(Error::Bridge(error)) if error.is_lost() => self.record_failure(record, error),
            Err(_) => *slot = Some((link, limits)),
        }
        done
    }

    fn connect(&self, record: &HealthRecord, limits: ConnectionLimits) -> Result<Link, Error> {
        let settings = Settings { operation_timeout: limits.answer, ..self.target.settings.clone() };
        Link::connect(&settings, limits.connect).map_err(|error| {
            self.record_failure(record, &error);
            error.into()
        })
    }

    /// Records that the server does not answer, unless a follower says that it does.
    fn record_failure(&self, record: &HealthRecord, error: &BridgeError) {
        let now = environment::now();
        let known = record.read().unwrap_or_else(|| BackendHealth::of(&self.target.mirror));
        if known.state == BackendState::Live && known.follower.is_some() && known.is_fresh(now) {
            return;
        }
        let _ = record.write(&known.failed(error.to_string(), error.hint(), now));
    }
}
