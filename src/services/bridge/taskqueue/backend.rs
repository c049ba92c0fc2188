//! `TaskQueue` as a backend: what it offers to the bridge.

use std::any::Any;
use std::time::Instant;

use super::session::TaskQueueConnector;
use super::target::{TaskQueueTarget, check_lock};
use crate::core::health::Reached;
use crate::services::Error;
use crate::services::bridge::backend::{AskLimit, Backend, Connector, MirrorTarget, ServerInfo};

impl Backend for TaskQueueTarget {
    fn target(&self) -> &MirrorTarget {
        &self.mirror
    }

    fn is_same(&self, other: &dyn Backend) -> bool {
        let other: &dyn Any = other;
        other.downcast_ref() == Some(self)
    }

    /// To start a program takes a large part of a second.
    fn answers_at_once(&self) -> bool {
        false
    }

    fn ask(&self, limit: AskLimit) -> Result<ServerInfo, Error> {
        let within = match limit {
            AskLimit::Once(within) => within,
            AskLimit::AsConfigured => self.start_max(),
        };
        check_lock(&self.file)?;
        let began = Instant::now();
        let mut client = self.start(within)?;
        client.projects(within)?;
        Ok(ServerInfo { name: client.server().to_owned(), memory_bytes: None, answered_in: began.elapsed() })
    }

    fn examine(&self) -> Result<Reached, Error> {
        let server = self.ask(AskLimit::AsConfigured)?;
        let latency_ms = u64::try_from(server.answered_in.as_millis()).unwrap_or(u64::MAX);
        Ok(Reached { name: server.name, latency_ms, redis: None })
    }

    fn connector(&self) -> Box<dyn Connector> {
        Box::new(TaskQueueConnector::new(self.clone()))
    }
}
