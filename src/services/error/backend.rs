//! Which errors are those of a backend.

use super::Error;
#[cfg(feature = "redis")]
use crate::adapters::redis::BridgeError;
use crate::adapters::taskqueue::TaskQueueError;

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
}
