//! Redis as a backend: what it offers to the bridge.

use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::claims::RedisClaims;
use super::session::RedisConnector;
use super::target::RedisTarget;
use super::write_through;
use crate::adapters::redis::{BridgeError, Link, Server};
use crate::adapters::store::Record;
use crate::core::health::{Reached, RedisFacts};
use crate::services::bridge::backend::{AskLimit, Backend, Connector, MirrorTarget, ServerInfo};
use crate::services::bridge::event_outbox;
use crate::services::claim_arbiter::ClaimArbiter;
use crate::services::remote_events::RemoteEvents;
use crate::services::{Error, Project};

impl Backend for RedisTarget {
    fn target(&self) -> &MirrorTarget {
        &self.mirror
    }

    fn is_same(&self, other: &dyn Backend) -> bool {
        let other: &dyn Any = other;
        other.downcast_ref() == Some(self)
    }

    fn ask(&self, limit: AskLimit) -> Result<ServerInfo, Error> {
        let (server, answered_in) = match limit {
            AskLimit::Once(within) => greet(self, within.min(self.settings.connection_timeout))?,
            AskLimit::AsConfigured => greet_patiently(self)?,
        };
        if server.is_replica {
            return Err(BridgeError::ReadOnly { address: self.mirror.address.clone() }.into());
        }
        Ok(ServerInfo { name: server.name, memory_bytes: server.memory_bytes, answered_in })
    }

    fn examine(&self) -> Result<Reached, Error> {
        let began = Instant::now();
        let link = Link::listen(&self.settings, self.settings.connection_timeout, &[], |_| {})?;
        let server = link.server();
        Ok(Reached {
            name: server.name.clone(),
            latency_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            redis: Some(RedisFacts {
                is_replica: server.is_replica,
                tracks: server.tracks,
                lacks: link.lacks().to_vec(),
                eviction: server.eviction.clone(),
            }),
        })
    }

    fn connector(&self) -> Box<dyn Connector> {
        Box::new(RedisConnector::new(self.clone()))
    }

    /// From now on events are published on the server as soon as it can be reached.
    fn begin(&self, project: &Project) -> Result<(), Error> {
        event_outbox::begin_telling(project, &self.mirror.memory_name)
    }

    fn after_write(&self, project: &Project, operation: &Record) {
        write_through::run(project, self, operation);
    }

    fn arbiter<'a>(&self, project: &'a Project) -> Option<Box<dyn ClaimArbiter + 'a>> {
        Some(Box::new(RedisClaims {
            health: project.bridge().health_of(&self.mirror),
            target: self.clone(),
            branch: project.bridge().branch(),
            store: &project.store,
            lease: project.leases().default_lease(),
        }))
    }

    fn events(&self) -> Option<Arc<dyn RemoteEvents>> {
        Some(Arc::new(self.clone()))
    }
}

/// Connects, and returns what the server says of itself and after which time.
fn greet(target: &RedisTarget, within: Duration) -> Result<(Server, Duration), BridgeError> {
    let began = Instant::now();
    Link::connect(&target.settings, within).map(|link| (link.server().clone(), began.elapsed()))
}

/// Tries as long and as often as the settings say. What more patience does not change is not tried again.
fn greet_patiently(target: &RedisTarget) -> Result<(Server, Duration), BridgeError> {
    let mut tries = 1;
    loop {
        let answer = greet(target, target.settings.connection_timeout);
        let is_final = match &answer {
            Ok(_) => true,
            Err(error) => matches!(
                error,
                BridgeError::Authentication { .. } | BridgeError::Tls { .. } | BridgeError::Cluster { .. }
            ),
        };
        if is_final || tries >= target.retry_attempts {
            return answer;
        }
        tries += 1;
        std::thread::sleep(target.retry_delay);
    }
}
