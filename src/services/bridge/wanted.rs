//! Which server is wanted, by whose word, and how it is to be talked to. Opens no connection.

use std::time::Duration;

use super::super::{Error, Project};
use super::enabled::Record;
use super::voice::KNOWN;
use crate::adapters::redis::codec::Keys;
use crate::adapters::redis::{Address, Settings};
use crate::adapters::store;
use crate::core::config::{Origin, without_password};
use crate::core::name::visible;
use crate::core::problem::Problem;

/// The server where `coordination.mode` is `redis` and no address is set.
const DEFAULT_URL: &str = "redis://127.0.0.1:6379";
/// What to do about what the repository says of a server of one's own.
pub(in crate::services) const AGREE: &str =
    "run `mycelium bridge enable` to agree to it, or `mycelium config list` to see it";
/// Largest file of certificates, in bytes.
const CA_BYTES_MAX: usize = 1024 * 1024;

/// What the settings ask for.
#[derive(Debug)]
pub enum Wanted {
    /// No server.
    Nothing,
    /// A server that only the repository names: nobody here has agreed to it.
    Untrusted {
        /// Its address, without a password.
        address: String,
    },
    /// A server that the user names, but the repository says how it is used, and this clone has not agreed to that.
    Unagreed {
        /// Its address, without a password.
        address: String,
        /// Why it is not used, after the address.
        why: String,
    },
    /// A server, but the settings make no sense.
    Broken {
        /// What is wrong, without a password.
        why: String,
        /// What to do.
        hint: String,
    },
    /// This server.
    Redis(Box<Target>),
}

/// A server and how it is to be used.
#[derive(Debug, Clone)]
pub struct Target {
    /// How to reach it. Debug prints show no password.
    pub settings: Settings,
    /// How keys are made.
    pub keys: Keys,
    /// The branch that is mirrored; empty where there is none.
    pub branch: String,
    /// The channels that are listened to there where no prefix tells whose they are: patterns.
    pub channels: Vec<String>,
    /// What this work tree is called there: random, made once.
    pub node: String,
    /// Tries before the server counts as lost; at least one.
    pub retry_attempts: u32,
    /// The pause between tries.
    pub retry_delay: Duration,
    /// How often everything there is looked through.
    pub scan_every: Duration,
    /// It was asked for by name: `coordination.mode` is `redis`.
    pub is_forced: bool,
}

impl Target {
    /// Its address, without a password.
    #[must_use]
    pub fn address(&self) -> String {
        self.settings.address.to_string()
    }
}

/// An address with the say of whoever named it.
pub(super) struct Named {
    pub(super) url: String,
    /// The repository named it, or this clone's run state did: both can come from somebody else.
    pub(super) needs_trust: bool,
}

fn broken(why: impl Into<String>, hint: impl Into<String>) -> Wanted {
    Wanted::Broken { why: why.into(), hint: hint.into() }
}

impl Project {
    /// Which server is wanted. Where none is, nothing is read; else one small file, or two.
    #[must_use]
    pub fn wanted_bridge(&self) -> Wanted {
        let is_forced = match self.config.text("coordination.mode") {
            Some("markdown" | "taskqueue") => return Wanted::Nothing,
            mode => mode == Some("redis"),
        };
        if !is_forced && self.named_url().is_none() && !self.store.has_bridge() {
            return Wanted::Nothing;
        }
        let record = match self.bridge_record() {
            Ok(record) => record,
            Err(error) => return broken(error.to_string(), error.hint().unwrap_or_default()),
        };
        let Some(named) = self.named_server(record.as_ref(), is_forced) else { return Wanted::Nothing };
        let settings = match self.bridge_settings(&named.url) {
            Ok(settings) => settings,
            Err(broken) => return broken,
        };
        let address = settings.address.to_string();
        let known = record.as_ref().filter(|record| record.address == address);
        if named.needs_trust && !known.is_some_and(|record| self.is_vouched(record)) {
            return Wanted::Untrusted { address };
        }
        let terms = self.unagreed_terms();
        if !terms.is_empty() {
            let why = format!(
                "is not used: `{}` comes from the repository, and this clone has not agreed to it",
                terms.join("`, `")
            );
            return Wanted::Unagreed { address, why };
        }
        let record = match known {
            Some(known) => known.clone(),
            None => match self.first_use(&address, record.as_ref()) {
                Ok(record) => record,
                Err(error) => return broken(error.to_string(), error.hint().unwrap_or_default()),
            },
        };
        Wanted::Redis(Box::new(self.target_of(settings, &record, is_forced)))
    }

    /// Whether a server is wanted that may be used.
    #[must_use]
    pub fn wants_bridge(&self) -> bool {
        matches!(self.wanted_bridge(), Wanted::Redis(_))
    }

    /// The server that is wanted, or why there is none that may be used.
    ///
    /// # Errors
    /// [`Error::NoServer`], [`Error::UntrustedServer`] or [`Error::BadServer`].
    pub fn bridge_target(&self) -> Result<Box<Target>, Error> {
        match self.wanted_bridge() {
            Wanted::Redis(target) => Ok(target),
            Wanted::Nothing => Err(Error::NoServer),
            Wanted::Untrusted { address } => Err(Error::UntrustedServer { address }),
            Wanted::Unagreed { address, why } => Err(Error::UnagreedServer { address, why }),
            Wanted::Broken { why, hint } => Err(Error::BadServer { why, hint }),
        }
    }

    fn target_of(&self, settings: Settings, record: &Record, is_forced: bool) -> Target {
        let number = |name: &str| u32::try_from(self.config.number(name)).unwrap_or(u32::MAX);
        let named = |key| self.config.text(key).filter(|name| !name.is_empty());
        // Documents with a branch of their own are of that branch, whatever is checked out.
        let own = named("commit.branch").map(|name| name.strip_prefix("refs/heads/").unwrap_or(name));
        let branch = named("bridge.branch").or(own).unwrap_or(&record.branch);
        let channels = self.config.text("bridge.channels").unwrap_or_default().split(',').map(str::trim);
        let channels: Vec<String> = channels.filter(|name| !name.is_empty()).map(str::to_owned).collect();
        Target {
            channels: if channels.is_empty() { KNOWN.map(str::to_owned).to_vec() } else { channels },
            keys: settings.keys.clone(),
            settings,
            branch: branch.to_owned(),
            node: record.node.clone(),
            retry_attempts: number("coordination.redis.retry_attempts").max(1),
            retry_delay: Duration::from_millis(self.config.number("coordination.redis.retry_delay_ms")),
            scan_every: Duration::from_secs(self.config.number("bridge.scan_seconds")),
            is_forced,
        }
    }

    /// The address that a setting names, and whether somebody else may have written it.
    fn named_url(&self) -> Option<(&str, Origin)> {
        let setting = self.config.get("coordination.redis.url")?;
        Some((setting.value.as_str().filter(|url| !url.is_empty())?, setting.origin))
    }

    /// Whose word counts: environment and flags, then what this clone was given, then the files, then the mode alone.
    pub(super) fn named_server(&self, record: Option<&Record>, is_forced: bool) -> Option<Named> {
        let named = self.named_url();
        let own = record.filter(|record| record.is_given);
        let mode = self.config.get("coordination.mode").map(|setting| setting.origin);
        match (named, own) {
            (Some((url, Origin::Environment | Origin::Flag)), _) => {
                Some(Named { url: url.to_owned(), needs_trust: false })
            }
            (_, Some(own)) => Some(Named { url: own.address.clone(), needs_trust: true }),
            (Some((url, origin)), None) => {
                Some(Named { url: url.to_owned(), needs_trust: origin == Origin::Repository })
            }
            (None, None) if is_forced => {
                Some(Named { url: DEFAULT_URL.to_owned(), needs_trust: mode == Some(Origin::Repository) })
            }
            (None, None) => None,
        }
    }

    /// How to reach the server at an address.
    pub(super) fn bridge_settings(&self, url: &str) -> Result<Settings, Wanted> {
        let db = u32::try_from(self.config.number("coordination.redis.db")).unwrap_or(u32::MAX);
        // The repository's password does not replace one that somebody wrote into an address.
        let password = self.config.get("coordination.redis.password");
        let password = password.filter(|set| set.origin != Origin::Repository || without_password(url) == url);
        let password = password.and_then(|set| set.value.as_str());
        let address = Address::parse(url, password, db).map_err(|error| {
            broken(format!("`{}` cannot be used: {error}", visible(&without_password(url))), error.hint())
        })?;
        let ca = match self.config.text("coordination.redis.ca").filter(|path| !path.is_empty()) {
            Some(path) => Some(self.certificates(path)?),
            None => None,
        };
        let seconds = |name: &str| Duration::from_secs(self.config.number(name));
        Ok(Settings {
            address,
            keys: Keys::new(self.config.text("coordination.redis.prefix").unwrap_or_default()),
            connection_timeout: seconds("coordination.redis.connection_timeout_seconds"),
            operation_timeout: seconds("coordination.redis.operation_timeout_seconds"),
            ca,
        })
    }

    fn certificates(&self, path: &str) -> Result<Vec<u8>, Wanted> {
        let file = self.root.join(path);
        let bytes = store::real_path(&file).and_then(|file| store::read_bytes(&file, CA_BYTES_MAX));
        let told = |why: String| {
            let why = format!("the certificates in `{}` cannot be read: {why}", visible(path));
            broken(why, "correct `coordination.redis.ca`")
        };
        match bytes {
            Ok(Some(bytes)) => Ok(bytes),
            Ok(None) => Err(told("no such file".to_owned())),
            Err(error) => Err(told(error.to_string())),
        }
    }
}

#[cfg(test)]
mod tests;
