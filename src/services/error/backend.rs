//! Which errors are those of a backend.

use super::Error;
#[cfg(feature = "redis")]
use crate::adapters::redis::BridgeError;
use crate::adapters::taskqueue::TaskQueueError;

/// What to do where no server is named.
pub(in crate::services) const NAME_ONE: &str =
    "set REDIS_URL, or run `mycelium bridge enable URL` or `mycelium bridge enable taskqueue`";

impl Error {
    /// Returns true if the server of a backend failed or refused.
    pub(in crate::services) const fn is_of_backend(&self) -> bool {
        match self {
            #[cfg(feature = "redis")]
            Self::Bridge(_) => true,
            Self::TaskQueue(_) => true,
            _ => false,
        }
    }

    /// Returns true if the server of a backend did not answer in time.
    pub(in crate::services) const fn is_silence(&self) -> bool {
        match self {
            #[cfg(feature = "redis")]
            Self::Bridge(error) => matches!(error, BridgeError::TimedOut { .. }),
            Self::TaskQueue(error) => matches!(error, TaskQueueError::TimedOut { .. }),
            _ => false,
        }
    }

    /// What to do where no server is named, or the user has not agreed to it.
    pub(super) fn naming_hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoServer => NAME_ONE,
            Self::NoneNamed { hint } => hint,
            Self::UntrustedServer { .. } => "run `mycelium bridge enable` if you trust that server",
            Self::NotEnabled { .. } => "run `mycelium bridge enable taskqueue` if you trust that server",
            Self::UnagreedServer { .. } => {
                "run `mycelium bridge enable` to agree to it, or `mycelium config list` to see it"
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }
}
