//! Waiting for a lock within one process. A lock of the operating system tells nobody when it is free, so whoever waits for it
//! has to look again and again; of the threads of a process only one does. The others wait here, and the next one goes on
//! at once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The gates at which somebody is, by the file of the lock behind each.
static GATES: Mutex<BTreeMap<PathBuf, Arc<Gate>>> = Mutex::new(BTreeMap::new());

#[derive(Debug, Default)]
struct Gate {
    is_taken: Mutex<bool>,
    freed: Condvar,
}

/// The right of this thread to ask for a lock; given back when dropped.
#[derive(Debug)]
pub(super) struct Pass {
    path: PathBuf,
    /// There until this is dropped.
    gate: Option<Arc<Gate>>,
}

impl Pass {
    /// Waits until no other thread of this process holds the lock or asks for it; `None` when the time is up.
    pub(super) fn get(path: &Path, until: Instant) -> Option<Self> {
        let gate = Arc::clone(gates().entry(path.to_owned()).or_default());
        let mut is_taken = owned(&gate.is_taken);
        while *is_taken {
            let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) else {
                drop(is_taken);
                leave(path, gate);
                return None;
            };
            is_taken = gate.freed.wait_timeout(is_taken, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        *is_taken = true;
        drop(is_taken);
        Some(Self { path: path.to_owned(), gate: Some(gate) })
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let Some(gate) = self.gate.take() else { return };
        *owned(&gate.is_taken) = false;
        gate.freed.notify_one();
        leave(&self.path, gate);
    }
}

/// Goes away from a gate; who is the last forgets it. Whoever comes needs the map, which is held meanwhile.
fn leave(path: &Path, gate: Arc<Gate>) {
    let mut gates = gates();
    drop(gate);
    if gates.get(path).is_some_and(|gate| Arc::strong_count(gate) == 1) {
        gates.remove(path);
    }
}

fn gates() -> MutexGuard<'static, BTreeMap<PathBuf, Arc<Gate>>> {
    owned(&GATES)
}

/// Nothing panics while one of these is held.
fn owned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    fn soon(ms: u64) -> Instant {
        Instant::now() + Duration::from_millis(ms)
    }

    #[test]
    fn one_thread_passes_at_a_time_and_nobody_is_forgotten() {
        let (path, inside, passed) = (Path::new("a/gate"), AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        let pass = Pass::get(path, soon(60_000)).expect("in time");
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        inside.fetch_sub(1, Ordering::SeqCst);
                        passed.fetch_add(1, Ordering::SeqCst);
                        drop(pass);
                    }
                });
            }
        });
        assert_eq!(passed.into_inner(), 4_000);
        assert!(!gates().contains_key(path), "nobody is there any more");
    }

    #[test]
    fn the_time_is_up_for_whoever_waits_and_for_nobody_else() {
        let (path, other) = (Path::new("b/gate"), Path::new("c/gate"));
        let held = Pass::get(path, soon(0)).expect("nobody is there");
        assert!(Pass::get(path, soon(20)).is_none());
        assert!(Pass::get(other, soon(0)).is_some());
        drop(held);
        assert!(Pass::get(path, soon(0)).is_some());
        assert!(!gates().contains_key(path) && !gates().contains_key(other));
    }
}
