//! For those who have something to clean up before they end: what happens with the first signal that asks to end.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Signals;

/// From now on SIGINT, SIGTERM and SIGHUP end nothing by themselves: they raise the flag.
///
/// # Errors
/// If signals cannot be received.
pub fn raise_when_interrupted() -> io::Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    let raised = Arc::clone(&flag);
    when_interrupted(move || raised.store(true, Ordering::Relaxed))?;
    Ok(flag)
}

/// From now on SIGINT, SIGTERM and SIGHUP end nothing by themselves: each calls this, on a thread of its own.
///
/// # Errors
/// If signals cannot be received.
pub fn when_interrupted(mut call: impl FnMut() + Send + 'static) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let mut signals = {
        let _inside = runtime.enter();
        Signals::new()?
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        runtime.block_on(async {
            loop {
                signals.next().await;
                call();
            }
        });
    })?;
    Ok(())
}
