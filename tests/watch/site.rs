//! A throw-away place with a watcher, and the plainest look at it: read everything.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use mycelium::name::DocPath;
use mycelium::watch::{GitPlaces, Places, Watcher};

/// After this long without a ring nothing more is expected to come.
pub(crate) const QUIET: Duration = Duration::from_millis(250);
const FOLDER: &str = ".claude/coordination";

pub(crate) type Files = BTreeMap<String, Vec<u8>>;

pub(crate) struct Site {
    pub(crate) watcher: Watcher,
    pub(crate) root: PathBuf,
    pub(crate) folder: PathBuf,
    /// What the last look saw.
    pub(crate) seen: Files,
    /// How often the callback rang.
    pub(crate) rings: Arc<AtomicUsize>,
    slot: Receiver<()>,
    _dir: tempfile::TempDir,
}

impl Site {
    /// A folder outside git.
    pub(crate) fn plain() -> Self {
        Self::new(|_| None)
    }

    /// A folder in a repository.
    pub(crate) fn repository() -> Self {
        Self::new(|root| {
            git(root, &["init", "-q", "-b", "main"]);
            fs::write(root.join("README"), "x").unwrap();
            git(root, &["add", "-A"]);
            git(root, &["commit", "-qm", "first"]);
            Some(GitPlaces { git_dir: root.join(".git"), common_dir: root.join(".git"), target: None })
        })
    }

    pub(crate) fn new(prepare: impl FnOnce(&Path) -> Option<GitPlaces>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("work");
        let folder = root.join(FOLDER);
        fs::create_dir_all(&folder).unwrap();
        let git = prepare(&root);
        let rings = Arc::new(AtomicUsize::new(0));
        let (ring, slot) = sync_channel(1);
        let counter = rings.clone();
        let places = Places { root: root.clone(), folder: FOLDER.into(), git, settings: Vec::new() };
        let watcher = Watcher::new(places, move || {
            counter.fetch_add(1, Ordering::SeqCst);
            let _ = ring.try_send(());
        });
        let mut site = Self { watcher, root, folder, seen: Files::new(), rings, slot, _dir: dir };
        site.look();
        site
    }

    /// Arms and reads, as the daemon does after each ring.
    pub(crate) fn look(&mut self) {
        let _ = self.watcher.arm();
        self.seen = scan(&self.folder);
    }

    /// Looks after each ring until there are none for a while.
    pub(crate) fn follow(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            match self.slot.recv_timeout(QUIET) {
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => panic!("the callback is gone"),
                Ok(()) => {
                    assert!(Instant::now() < deadline, "it rings without end");
                    std::thread::sleep(Duration::from_millis(30));
                    let _ = self.slot.try_recv();
                    self.look();
                }
            }
        }
    }

    /// Looks after each ring until what was seen is what is there. There is no look without a ring.
    #[track_caller]
    pub(crate) fn is_complete(&mut self, what: &str) {
        let mut last_ring = Instant::now();
        loop {
            let there = scan(&self.folder);
            if there == self.seen {
                return;
            }
            if self.slot.recv_timeout(Duration::from_millis(50)).is_ok() {
                last_ring = Instant::now();
                self.look();
            } else if last_ring.elapsed() > Duration::from_secs(3) {
                let missed: Vec<_> =
                    there.iter().filter(|(name, bytes)| self.seen.get(*name) != Some(*bytes)).collect();
                let gone: Vec<_> = self.seen.keys().filter(|name| !there.contains_key(*name)).collect();
                panic!("{what}: no ring any more, but missed {missed:?} and still sees {gone:?}");
            }
        }
    }

    /// Rings so far; the counter starts again.
    pub(crate) fn take_rings(&self) -> usize {
        self.rings.swap(0, Ordering::SeqCst)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.join(name), text).unwrap();
    }
}

fn scan(folder: &Path) -> Files {
    let mut files = Files::new();
    let archive = folder.join("archive");
    let months = fs::read_dir(&archive).into_iter().flatten().flatten();
    let months = months.map(|month| format!("archive/{}/", month.file_name().display()));
    for prefix in std::iter::once(String::new()).chain(months) {
        for entry in fs::read_dir(folder.join(&prefix)).into_iter().flatten().flatten() {
            let name = format!("{prefix}{}", entry.file_name().display());
            if DocPath::new(name.as_str()).is_ok()
                && let Ok(bytes) = fs::read(entry.path())
            {
                files.insert(name, bytes);
            }
        }
    }
    files
}

/// Runs git without any of the user's configuration.
#[track_caller]
pub(crate) fn git(dir: &Path, arguments: &[&str]) {
    let output = Command::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "gc.auto=0"])
        .args(arguments)
        .current_dir(dir)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .expect("git is installed");
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}
