//! Sleeping with tokio's timer, and saying so where there is none: tokio itself panics.

use std::panic::catch_unwind;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::Sleep;

use super::Error;

/// A sleep of this length.
///
/// # Errors
/// [`Error::NoTimer`] outside of a tokio runtime, and in one whose timer is not enabled.
pub(super) fn sleep(span: Duration) -> Result<Sleep, Error> {
    if Handle::try_current().is_err() {
        return Err(Error::NoTimer);
    }
    // Whether a runtime has a timer can be asked in no other way.
    catch_unwind(|| tokio::time::sleep(span)).map_err(|_| Error::NoTimer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleep_needs_a_runtime_with_a_timer() {
        assert!(matches!(sleep(Duration::ZERO), Err(Error::NoTimer)));
        let runtime = |timer: bool| {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            let builder = if timer { builder.enable_time() } else { &mut builder };
            builder.build().expect("a runtime")
        };
        assert!(matches!(runtime(false).block_on(async { sleep(Duration::ZERO).map(|_| ()) }), Err(Error::NoTimer)));
        assert!(runtime(true).block_on(async { sleep(Duration::ZERO).map(|_| ()) }).is_ok());
    }
}
