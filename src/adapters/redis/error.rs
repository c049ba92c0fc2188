//! Why something could not be done on the server. No text of it holds a password.

use std::error::Error as _;
use std::time::{Duration, Instant};

use redis::{ErrorKind, RedisError, ServerErrorKind};

use super::address::{Address, NO_CLUSTER_HINT};
use crate::core::problem::{ErrorClass, Problem};

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BridgeError {
    /// There is no connection, and none could be made: refused, no way there, no such host.
    #[error("the server {address} cannot be reached: {why}")]
    Unreachable {
        /// The server.
        address: String,
        /// What the system says.
        why: String,
    },
    /// The connection broke while an answer was awaited.
    #[error("the connection to {address} was lost: {why}")]
    Closed {
        /// The server.
        address: String,
        /// What the system says.
        why: String,
    },
    /// There was no answer in time.
    #[error("the server {address} did not answer within {} ms", after.as_millis())]
    TimedOut {
        /// The server.
        address: String,
        /// How long the wait was.
        after: Duration,
        /// Nothing had been asked yet but for a connection.
        is_connecting: bool,
    },
    /// Name or password are wrong, or there are none.
    #[error("the server {address} does not accept the user or the password")]
    Authentication {
        /// The server.
        address: String,
    },
    /// The user may not do this.
    #[error("the server {address} does not permit it: {what}")]
    NotPermitted {
        /// The server.
        address: String,
        /// The command, key or channel, in the server's words.
        what: String,
    },
    /// The server is a copy of another.
    #[error("the server {address} is a replica and takes no writes")]
    ReadOnly {
        /// The server.
        address: String,
    },
    /// The server has as much as it may hold.
    #[error("the server {address} has no memory left")]
    Full {
        /// The server.
        address: String,
    },
    /// The server is starting.
    #[error("the server {address} is still loading its data")]
    Loading {
        /// The server.
        address: String,
    },
    /// The server belongs to a cluster, which may keep keys of one step on several servers.
    #[error("the server {address} belongs to a Redis Cluster, which is not supported")]
    Cluster {
        /// The server.
        address: String,
    },
    /// The sentinels were asked, and there is no master to connect to.
    #[error("the sentinels {address} name no master: {why}")]
    NoMaster {
        /// The sentinels.
        address: String,
        /// What they say instead.
        why: String,
    },
    /// The other side could not be trusted, or does not speak TLS.
    #[error("no safe connection to {address}: {why}")]
    Tls {
        /// The server.
        address: String,
        /// What is wrong with it.
        why: String,
    },
    /// Anything else that the server said, or an answer that is none.
    #[error("the server {address} gave an unexpected answer: {why}")]
    Protocol {
        /// The server.
        address: String,
        /// What it said.
        why: String,
        /// What comes over the connection can no longer be understood.
        is_broken: bool,
    },
}

impl Problem for BridgeError {
    fn code(&self) -> &'static str {
        "unreached"
    }

    fn class(&self) -> ErrorClass {
        ErrorClass::Busy
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unreachable { .. } => {
                "start the server, or correct its address in `coordination.redis.url`".to_owned()
            }
            Self::Authentication { .. } => "set `REDIS_PASSWORD`, and name the user in the address".to_owned(),
            Self::NotPermitted { .. } => "permit it to the user with `ACL SETUSER`".to_owned(),
            Self::ReadOnly { .. } => "give the address of the primary server".to_owned(),
            Self::Full { .. } => "raise `maxmemory` of the server, or remove keys from it".to_owned(),
            Self::Loading { .. } => "wait until the server has started".to_owned(),
            Self::Cluster { .. } => NO_CLUSTER_HINT.to_owned(),
            Self::NoMaster { .. } => {
                "compare the name of the master in the address with what `SENTINEL MASTERS` says, or \
                                      wait until the fail-over is over"
                    .to_owned()
            }
            Self::Tls { .. } => "give the certificate that signed the server's in `coordination.redis.ca`".to_owned(),
            Self::TimedOut { .. } => "see whether the server is busy or stopped".to_owned(),
            Self::Closed { .. } | Self::Protocol { .. } => return None,
        })
    }
}

impl BridgeError {
    /// The key holds something else than it should.
    #[must_use]
    pub fn is_wrong_type(&self) -> bool {
        matches!(self, Self::Protocol { why, .. } if why.contains("WRONGTYPE"))
    }

    /// The connection is gone or of no use any more: connect anew.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::Closed { .. }
            | Self::TimedOut { .. }
            | Self::Authentication { .. }
            | Self::ReadOnly { .. }
            | Self::Cluster { .. }
            | Self::NoMaster { .. }
            | Self::Tls { .. } => true,
            Self::Protocol { is_broken, .. } => *is_broken,
            Self::NotPermitted { .. } | Self::Full { .. } | Self::Loading { .. } => false,
        }
    }

    /// Whether what was asked may have been done nevertheless, wholly or in part.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        match self {
            Self::TimedOut { is_connecting, .. } => !is_connecting,
            Self::Closed { .. } | Self::Protocol { .. } => true,
            _ => false,
        }
    }
}

/// Where and when an error of the crate came up; turns it into ours.
pub(super) struct Place<'a> {
    pub(super) address: &'a Address,
    pub(super) is_connecting: bool,
    pub(super) limit: Duration,
}

impl<'a> Place<'a> {
    /// A connection that is being made since then.
    pub(super) fn connecting(address: &'a Address, since: Instant) -> Self {
        Self { address, is_connecting: true, limit: since.elapsed() }
    }

    pub(super) fn late(&self) -> BridgeError {
        let address = self.address.to_string();
        BridgeError::TimedOut { address, after: self.limit, is_connecting: self.is_connecting }
    }

    pub(super) fn protocol(&self, why: impl Into<String>) -> BridgeError {
        BridgeError::Protocol { address: self.address.to_string(), why: why.into(), is_broken: false }
    }

    /// There can be no encryption, whoever is at the other end.
    pub(super) fn tls(&self, why: impl Into<String>) -> BridgeError {
        BridgeError::Tls { address: self.address.to_string(), why: why.into() }
    }

    pub(super) fn error(&self, error: &RedisError) -> BridgeError {
        let address = self.address.to_string();
        if error.is_timeout() {
            return self.late();
        }
        match error.kind() {
            ErrorKind::AuthenticationFailed => BridgeError::Authentication { address },
            ErrorKind::Io => self.broken(error),
            ErrorKind::Parse => BridgeError::Protocol { address, why: self.clean(&error.to_string()), is_broken: true },
            _ => self.said(error),
        }
    }

    /// An error in the server's words.
    fn said(&self, error: &RedisError) -> BridgeError {
        let address = self.address.to_string();
        let first = error.clone().into_server_errors().and_then(|all| all.first().map(|(_, error)| error.clone()));
        let (code, detail) = first.as_ref().map_or_else(
            || (error.code().unwrap_or_default().to_owned(), error.detail().unwrap_or_default().to_owned()),
            |first| (first.code().to_owned(), first.details().unwrap_or_default().to_owned()),
        );
        let kind = first.as_ref().and_then(redis::ServerError::kind);
        match (kind, code.as_str()) {
            (Some(ServerErrorKind::BusyLoading | ServerErrorKind::MasterDown), _) => BridgeError::Loading { address },
            (Some(ServerErrorKind::ReadOnly), _) => BridgeError::ReadOnly { address },
            (Some(ServerErrorKind::NoPerm), _) => BridgeError::NotPermitted { address, what: self.clean(&detail) },
            (Some(ServerErrorKind::Moved | ServerErrorKind::Ask | ServerErrorKind::CrossSlot), _) => {
                BridgeError::Cluster { address }
            }
            (_, "NOAUTH" | "WRONGPASS") => BridgeError::Authentication { address },
            (_, "OOM") => BridgeError::Full { address },
            _ if is_denial(&detail) => BridgeError::NotPermitted { address, what: self.clean(&detail) },
            _ => self.protocol(self.clean(&if detail.is_empty() {
                error.to_string()
            } else {
                format!("{code} {detail}")
            })),
        }
    }

    fn broken(&self, error: &RedisError) -> BridgeError {
        let (address, why) = (self.address.to_string(), self.clean(&error.to_string()));
        let io = error.source().and_then(|source| source.downcast_ref::<std::io::Error>());
        let inner =
            io.and_then(std::io::Error::get_ref).and_then(|inner| inner.downcast_ref::<tokio_rustls::rustls::Error>());
        if inner.is_some() || self.address.is_encrypted() && why.contains("certificate") {
            BridgeError::Tls { address, why }
        } else if self.is_connecting {
            BridgeError::Unreachable { address, why }
        } else {
            BridgeError::Closed { address, why }
        }
    }

    /// A text of somebody else, on one line and without the password.
    fn clean(&self, text: &str) -> String {
        let text = match self.address.password() {
            Some(password) => text.replace(password, "***"),
            None => text.to_owned(),
        };
        crate::core::name::visible(&text)
    }
}

/// Whether a script failed for what the user may not do; the servers say it in several ways.
fn is_denial(detail: &str) -> bool {
    let words = ["NOPERM", "ACL failure in script", "can't run this command", "can't access at least one of the"];
    words.iter().any(|word| detail.contains(word))
}
