//! Redis in a build without the feature `redis`: a server that is named is an error that says so.

use super::backend::Backend;
use super::bridge_config::{BridgeConfig, Enabling};
use crate::core::config::Origin;
use crate::services::{BackendId, Error};

/// Reads whether a Redis server is named.
#[derive(Debug, Clone, Copy)]
pub(super) struct RedisConfig<'a> {
    pub(super) common: BridgeConfig<'a>,
}

impl RedisConfig<'_> {
    /// Returns no server.
    ///
    /// # Errors
    /// [`Error::NoServer`] if none is named, [`Error::BadServer`] if one is.
    pub(super) fn target(self) -> Result<Box<dyn Backend>, Error> {
        let common = self.common;
        let is_named = common.allows(BackendId::Redis)
            && (common.is_forced(BackendId::Redis)
                || common.config.text("coordination.redis.url").is_some_and(|url| !url.is_empty()));
        Err(if is_named { absent() } else { Error::NoServer })
    }

    /// Enables nothing.
    ///
    /// # Errors
    /// [`Error::BadServer`].
    #[expect(clippy::unused_self, reason = "with Redis it reads the settings")]
    pub(super) fn enable(self, _: Option<&str>, _: Option<&str>) -> Result<Enabling, Error> {
        Err(absent())
    }

    /// Where the setting stands that names a Redis server.
    pub(super) fn url_origin(self) -> Option<Origin> {
        self.common.config.get("coordination.redis.url").map(|setting| setting.origin)
    }
}

/// Why an address of a server makes no sense; without the bridge to it nobody can tell.
#[must_use]
pub const fn address_fault(_: &str) -> Option<String> {
    None
}

fn absent() -> Error {
    let why = "this build has no bridge to Redis".to_owned();
    Error::BadServer {
        why,
        hint: "build with the feature `redis`, or set `coordination.mode` to `markdown`".to_owned(),
    }
}
