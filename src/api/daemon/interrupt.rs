//! What happens with the first signal that asks to end: for those who have something to clean up, and for those who are held up.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use super::Signals;

/// How long a watcher may take to stop. By itself it gives up on what is in its way after [`crate::core::engine::STOP_MS_MAX`], but not
/// in the middle of a call that waits.
const STOP_WITHIN: Duration = Duration::from_secs(5);
/// How long the last words may take: their reader may be what the watcher waits for.
const WORDS_WITHIN: Duration = Duration::from_millis(200);

/// How the process ends if the watcher does not stop in time: it waits for a lock that another process holds, for a program that
/// signs, or for a reader of its output. As after a crash, the journal has what is not committed.
pub struct ForcedEnd {
    /// The exit code.
    pub code: u8,
    /// Called before the end, on a thread of its own.
    pub last_words: Box<dyn FnOnce() + Send>,
}

impl fmt::Debug for ForcedEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForcedEnd").field("code", &self.code).finish_non_exhaustive()
    }
}

impl ForcedEnd {
    /// From now on the process ends in this way if it is still there some seconds after the first signal that asks to end.
    pub(super) fn arm(self) -> io::Result<()> {
        let mut armed = Some(self);
        when_interrupted(move || {
            let Some(Self { code, last_words }) = armed.take() else { return };
            std::thread::sleep(STOP_WITHIN);
            let (said, is_said) = channel();
            let words = move || {
                last_words();
                // Nobody may wait any more.
                let _ = said.send(());
            };
            if std::thread::Builder::new().spawn(words).is_ok() {
                let _ = is_said.recv_timeout(WORDS_WITHIN);
            }
            std::process::exit(code.into());
        })
    }
}

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
