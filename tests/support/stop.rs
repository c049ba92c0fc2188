//! The end of threads that loop until a flag is set, also when the test fails before it would set it.
#![allow(dead_code, reason = "each test file uses its part")]

use std::sync::atomic::{AtomicBool, Ordering};

/// Sets a flag when it goes. Make one inside the scope of the threads that look at the flag: a failed assertion then ends them,
/// and is printed, instead of waiting for them for ever. In such a thread, it ends the others if that one fails.
#[must_use = "it sets the flag when it goes"]
pub(crate) struct StopOnDrop<'a>(pub(crate) &'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn a_failure_ends_the_threads_beside_it() {
    let stop = AtomicBool::new(false);
    let failed = std::panic::catch_unwind(|| {
        std::thread::scope(|scope| {
            let _end = StopOnDrop(&stop);
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    std::thread::yield_now();
                }
            });
            panic!("as a failed assertion does");
        });
    });
    assert!(failed.is_err());
}
