//! The configuration of Redis: which server is wanted, who named it, and how it is used. Opens no connection.

use std::time::Duration;

use super::target::RedisTarget;
use super::voice::KNOWN;
use crate::adapters::redis::codec::Keys;
use crate::adapters::redis::{Address, Settings};
use crate::adapters::store;
use crate::core::config::{Origin, without_password};
use crate::core::name::visible;
use crate::core::problem::Problem;
use crate::services::bridge::backend::MirrorTarget;
use crate::services::bridge::bridge_config::{BridgeConfig, Enabling};
use crate::services::bridge::consent::{Consent, ConsentRecord};
use crate::services::{BackendId, Error, environment};

/// The server if `coordination.mode` is `redis` and no address is set.
const DEFAULT_URL: &str = "redis://127.0.0.1:6379";
/// Largest file of certificates, in bytes.
const CA_BYTES_MAX: usize = 1024 * 1024;

/// An address and who named it.
struct NamedServer {
    url: String,
    /// The repository named it, or this clone's local state: both can come from another person.
    needs_consent: bool,
}

/// Reads the settings of Redis and the user's consent to it.
#[derive(Debug, Clone, Copy)]
pub(in crate::services::bridge) struct RedisConfig<'a> {
    pub(in crate::services::bridge) common: BridgeConfig<'a>,
}

impl<'a> RedisConfig<'a> {
    /// The consent to a Redis server.
    pub(in crate::services::bridge) fn consent(self) -> Consent<'a> {
        self.common.consent(BackendId::Redis)
    }

    /// The Redis server that may be used. If none is named, nothing is read; else one small file, or two.
    ///
    /// # Errors
    /// [`Error::NoServer`] if none is named; [`Error::UntrustedServer`] if only the repository names one and the user has not
    /// agreed to it in this clone; [`Error::UnagreedServer`] if the user has not agreed to how the repository uses it;
    /// [`Error::BadServer`] if the settings make no sense.
    pub(in crate::services::bridge) fn target(self) -> Result<Box<RedisTarget>, Error> {
        if !self.common.allows(BackendId::Redis) {
            return Err(Error::NoServer);
        }
        if !self.common.is_forced(BackendId::Redis) && self.url().is_none() && !self.common.store.local.has_bridge() {
            return Err(Error::NoServer);
        }
        let consent = self.consent();
        let bad = |error: Error| bad_server(error.to_string(), error.hint().unwrap_or_default());
        let record = consent.record().map_err(bad)?;
        let named = self.named_server(record.as_ref()).ok_or(Error::NoServer)?;
        let settings = self.settings(&named.url)?;
        let address = settings.address.to_string();
        let known = record.as_ref().filter(|record| record.address == address);
        if named.needs_consent && !known.is_some_and(|record| consent.is_given_to(record)) {
            return Err(Error::UntrustedServer { address });
        }
        let terms = consent.unagreed_terms();
        if !terms.is_empty() {
            let why = format!(
                "is not used: `{}` comes from the repository, and this clone has not agreed to it",
                terms.join("`, `")
            );
            return Err(Error::UnagreedServer { address, why });
        }
        let record = match known {
            Some(known) => known.clone(),
            None => consent.first_use(&address, record.as_ref(), || self.common.branch.current()).map_err(bad)?,
        };
        Ok(Box::new(self.redis_target(settings, &record)))
    }

    fn redis_target(self, settings: Settings, record: &ConsentRecord) -> RedisTarget {
        let number = |name: &str| u32::try_from(self.common.config.number(name)).unwrap_or(u32::MAX);
        let channels = self.common.config.text("bridge.channels").unwrap_or_default().split(',').map(str::trim);
        let channels: Vec<String> = channels.filter(|name| !name.is_empty()).map(str::to_owned).collect();
        let address = settings.address.to_string();
        let mirror = MirrorTarget {
            backend: BackendId::Redis,
            branch: self.common.branch_of(record),
            node: record.node.clone(),
            scan_every: Duration::from_secs(self.common.config.number("bridge.scan_seconds")),
            memory_name: RedisTarget::memory_name(&address, &settings.keys),
            address,
        };
        RedisTarget {
            mirror,
            channels: if channels.is_empty() { KNOWN.map(str::to_owned).to_vec() } else { channels },
            keys: settings.keys.clone(),
            settings,
            retry_attempts: number("coordination.redis.retry_attempts").max(1),
            retry_delay: Duration::from_millis(self.common.config.number("coordination.redis.retry_delay_ms")),
        }
    }

    /// The address that a setting names, and where that stands.
    fn url(self) -> Option<(&'a str, Origin)> {
        let setting = self.common.config.get("coordination.redis.url")?;
        Some((setting.value.as_str().filter(|url| !url.is_empty())?, setting.origin))
    }

    /// Where the setting stands that names a Redis server.
    pub(in crate::services::bridge) fn url_origin(self) -> Option<Origin> {
        self.url().map(|(_, origin)| origin)
    }

    /// The server by order of precedence: environment and flags, then what was given to `bridge enable`, then the files, then
    /// the mode alone.
    fn named_server(self, record: Option<&ConsentRecord>) -> Option<NamedServer> {
        let given = record.filter(|record| record.is_given);
        let named = |url: &str, needs_consent| Some(NamedServer { url: url.to_owned(), needs_consent });
        match (self.url(), given) {
            (Some((url, Origin::Environment | Origin::Flag)), _) => named(url, false),
            (_, Some(given)) => named(&given.address, true),
            (Some((url, origin)), None) => named(url, origin == Origin::Repository),
            (None, None) if self.common.is_forced(BackendId::Redis) => {
                let mode = self.common.config.get("coordination.mode").map(|setting| setting.origin);
                named(DEFAULT_URL, mode == Some(Origin::Repository))
            }
            (None, None) => None,
        }
    }

    /// How to reach the server at an address.
    fn settings(self, url: &str) -> Result<Settings, Error> {
        let db = u32::try_from(self.common.config.number("coordination.redis.db")).unwrap_or(u32::MAX);
        // The repository's password does not replace one that is part of an address.
        let password = self.common.config.get("coordination.redis.password");
        let password = password.filter(|set| set.origin != Origin::Repository || without_password(url) == url);
        let password = password.and_then(|set| set.value.as_str());
        let address = Address::parse(url, password, db).map_err(|error| {
            let why = format!("`{}` cannot be used: {error}", visible(&without_password(url)));
            bad_server(why, error.hint())
        })?;
        let ca = match self.common.config.text("coordination.redis.ca").filter(|path| !path.is_empty()) {
            Some(path) => Some(self.certificates(path)?),
            None => None,
        };
        let seconds = |name: &str| Duration::from_secs(self.common.config.number(name));
        Ok(Settings {
            address,
            keys: Keys::new(self.common.config.text("coordination.redis.prefix").unwrap_or_default()),
            connection_timeout: seconds("coordination.redis.connection_timeout_seconds"),
            operation_timeout: seconds("coordination.redis.operation_timeout_seconds"),
            ca,
        })
    }

    fn certificates(self, path: &str) -> Result<Vec<u8>, Error> {
        let file = self.common.root.join(path);
        let bytes = store::real_path(&file).and_then(|file| store::read_bytes(&file, CA_BYTES_MAX));
        let broken = |why: String| {
            let why = format!("the certificates in `{}` cannot be read: {why}", visible(path));
            bad_server(why, "correct `coordination.redis.ca`")
        };
        match bytes {
            Ok(Some(bytes)) => Ok(bytes),
            Ok(None) => Err(broken("no such file".to_owned())),
            Err(error) => Err(broken(error.to_string())),
        }
    }

    /// Agrees to a Redis server, the one given or the one that the settings name, and to mirror a branch there, by default the
    /// one that is checked out. Opens no connection.
    ///
    /// # Errors
    /// [`Error::NoServer`] if none is named, [`Error::BadServer`] if the address makes no sense or holds a password that
    /// would have to be kept; others if it cannot be remembered.
    pub(in crate::services::bridge) fn enable(
        self,
        url: Option<&str>,
        branch: Option<&str>,
    ) -> Result<Enabling, Error> {
        let consent = self.consent();
        let before = consent.record()?;
        if let Some(url) = url.filter(|url| without_password(url) != **url) {
            let why = format!("`{}` was given with a password, which is not kept", without_password(url));
            return Err(bad_server(why, "leave it out here, and set REDIS_PASSWORD"));
        }
        let named = match url {
            Some(url) => url.to_owned(),
            None => self.named_server(before.as_ref()).ok_or(Error::NoServer)?.url,
        };
        let address = self.settings(&named)?.address.to_string();
        let same = before.as_ref().filter(|before| before.address == address);
        let was_enabled = same.is_some_and(|record| consent.is_given_to(record));
        let record = ConsentRecord {
            branch: branch.map_or_else(|| self.common.branch.current(), |branch| Ok(branch.to_owned()))?,
            node: before.as_ref().map_or_else(environment::new_node, |before| Ok(before.node.clone()))?,
            is_given: url.is_some() || same.is_some_and(|record| record.is_given),
            token: match same.filter(|_| was_enabled) {
                Some(record) => record.token.clone(),
                None => environment::new_node()?,
            },
            address,
        };
        consent.give(&record, before.as_ref())?;
        // What still stands in the way is not for the user to agree to.
        let refused = |error| if matches!(error, Error::BadServer { .. }) { error } else { Error::NoServer };
        Ok(Enabling { target: self.target().map_err(refused)?.mirror, was_enabled })
    }
}

/// Why an address of a server makes no sense, if so.
#[must_use]
pub fn address_fault(url: &str) -> Option<String> {
    Address::parse(url, None, 0).err().map(|error| error.to_string())
}

fn bad_server(why: impl Into<String>, hint: impl Into<String>) -> Error {
    Error::BadServer { why: why.into(), hint: hint.into() }
}

#[cfg(test)]
mod tests;
