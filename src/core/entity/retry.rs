//! How often a task is tried, and the back-off between two attempts.

use std::time::Duration;

/// Most attempts of one task.
pub const ATTEMPTS_MAX: u64 = 1_000;

/// How often a task is tried, and how long to wait in between.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct RetryPolicy {
    /// Attempts in all, the first one included.
    pub max_attempts: u64,
    /// The wait behind the first failed attempt.
    pub backoff: Duration,
    /// By how much each further wait is longer.
    pub factor: f64,
    /// The longest wait.
    pub max_backoff: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        let (backoff, max_backoff) = (Duration::from_secs(1), Duration::from_secs(600));
        Self { max_attempts: 1, backoff, factor: 2.0, max_backoff }
    }
}

impl RetryPolicy {
    /// Returns how long to wait behind a failed attempt, counted from 1.
    #[must_use]
    pub fn backoff_after(&self, attempt: u64) -> Duration {
        let exponent = i32::try_from(attempt.saturating_sub(1).min(ATTEMPTS_MAX)).unwrap_or(i32::MAX);
        let seconds = self.backoff.as_secs_f64() * self.factor.powi(exponent);
        let wait = Duration::try_from_secs_f64(seconds).unwrap_or(self.max_backoff);
        wait.min(self.max_backoff)
    }
}
