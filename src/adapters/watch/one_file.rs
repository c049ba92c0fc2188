//! Rings when one file was written, by events where the system has them, and by comparisons from time to time in any case: events come
//! from no file system of another machine.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, Event, EventKind, ModifyKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

/// Watches one file. Dropped, it ends.
#[derive(Debug)]
pub struct FileWatch {
    /// Disconnected when this is dropped, which ends the thread.
    _end: SyncSender<()>,
    _native: Option<RecommendedWatcher>,
}

/// What is compared of a file: inode, size, and time of the last change.
type FileState = Option<(u64, u64, i64, i64)>;

impl FileWatch {
    /// Begins to watch a file, which need not be there; its folder must be, or there are only comparisons. `ring` is called on other
    /// threads when a writer closed it, when it was renamed or removed, and when it is found different after `every`, or is not there.
    ///
    /// # Errors
    /// If there is no thread to be had.
    pub fn start(file: &Path, every: Duration, ring: impl Fn() + Clone + Send + 'static) -> std::io::Result<Self> {
        // Behind links: events name the file itself.
        let file = file.canonicalize().unwrap_or_else(|_| file.to_owned());
        let native = watched(&file, ring.clone());
        let (end, ended) = sync_channel::<()>(0);
        let mut before = state_of(&file);
        thread::Builder::new().name("mycelium-file".to_owned()).spawn(move || {
            while ended.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                let now = state_of(&file);
                if now != before || now.is_none() {
                    ring();
                }
                before = now;
            }
        })?;
        Ok(Self { _end: end, _native: native })
    }
}

/// Listens to the folder of a file, for its exact name: a lock beside it comes and goes with each reader.
fn watched(file: &Path, ring: impl Fn() + Send + 'static) -> Option<RecommendedWatcher> {
    let (folder, name) = (file.parent()?.to_path_buf(), file.file_name()?.to_os_string());
    let is_it = move |path: &PathBuf| path.file_name() == Some(&name);
    let hear = move |event: notify::Result<Event>| match event {
        Ok(event) if !event.need_rescan() => {
            if is_written(event.kind) && event.paths.iter().any(&is_it) {
                ring();
            }
        }
        // Events were lost.
        _ => ring(),
    };
    let mut native = RecommendedWatcher::new(hear, notify::Config::default()).ok()?;
    native.watch(&folder, RecursiveMode::NonRecursive).ok()?;
    Some(native)
}

/// Where the system reports the end of a write, its beginning is not of interest: half of it would be read.
fn is_written(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write))
        | EventKind::Modify(ModifyKind::Name(_))
        | EventKind::Remove(_) => true,
        EventKind::Modify(_) | EventKind::Create(_) => !cfg!(any(target_os = "linux", target_os = "android")),
        _ => false,
    }
}

fn state_of(file: &Path) -> FileState {
    let meta = file.metadata().ok()?;
    Some((meta.ino(), meta.size(), meta.mtime(), meta.mtime_nsec()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_write_rings_and_a_read_or_a_lock_does_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("tasks.json");
        fs::write(&file, "{}").expect("written");
        let rings = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&rings);
        let ring = move || {
            counter.fetch_add(1, Ordering::SeqCst);
        };
        let watch = FileWatch::start(&file, Duration::from_millis(20), ring).expect("a watch");
        let count = || rings.load(Ordering::SeqCst);
        for _ in 0..5 {
            fs::read(&file).expect("read");
            fs::write(folder.path().join("tasks.json.lock"), "").expect("written");
            fs::remove_file(folder.path().join("tasks.json.lock")).expect("removed");
        }
        thread::sleep(Duration::from_millis(100));
        assert_eq!(count(), 0);
        let wait_for = |what: &str, before: usize| {
            let began = Instant::now();
            while count() == before {
                assert!(began.elapsed() < Duration::from_secs(10), "{what}");
                thread::sleep(Duration::from_millis(2));
            }
        };
        fs::write(&file, "{} ").expect("written");
        wait_for("a write", 0);
        fs::remove_file(&file).expect("removed");
        wait_for("a removal", count());
        // While there is none it may be kept elsewhere.
        wait_for("a look", count());
        drop(watch);
        thread::sleep(Duration::from_millis(60));
        let after = count();
        thread::sleep(Duration::from_millis(100));
        assert_eq!(count(), after);
    }
}
