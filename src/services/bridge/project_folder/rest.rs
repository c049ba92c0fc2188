//! Whether git is at the work tree at this moment. It changes the files first and HEAD last, so what is seen in between lies
//! on no branch: it is looked at again when git is done.

use std::collections::BTreeSet;
use std::time::{Duration, Instant, SystemTime};

use super::ProjectFolder;
use crate::adapters::git::Busy;
use crate::core::reconcile;
use crate::services::bridge::mirror_folder::SyncBaseStore;
use crate::services::bridge::mirror_index::Item;
use crate::services::{Error, environment};

/// How often it is looked whether git is done.
const NAP: Duration = Duration::from_millis(5);
/// How long after its lock is gone, or a file vanished or became what it was before, it is looked again.
const GRACE: Duration = Duration::from_millis(40);
/// How long that may go on; if git is still at work then, nothing is exchanged until it is done.
const LONGEST: Duration = Duration::from_millis(1_500);
/// A lock that is older was left by a git that died.
const STALE_MS: i64 = 5 * 60 * 1_000;

impl ProjectFolder {
    /// Looks at the folder until git is done with it, and until no more files vanish or go back: whoever removes many at once
    /// is seen to do so.
    pub(super) fn look_at_rest(&mut self, bases: &dyn SyncBaseStore) -> Result<BTreeSet<Item>, Error> {
        let began = Instant::now();
        let mut changed = BTreeSet::new();
        loop {
            let was_locked = self.is_locked();
            let new = self.scan.look(&self.project)?;
            changed.extend(new.iter().cloned());
            let is_at_rest =
                !(was_locked || self.is_locked() || new.iter().any(|item| self.is_suspicious(bases, item)));
            self.is_git_at_work = false;
            if is_at_rest || began.elapsed() >= LONGEST {
                return Ok(changed);
            }
            while self.is_locked() {
                if began.elapsed() >= LONGEST {
                    self.is_git_at_work = true;
                    return Ok(changed);
                }
                std::thread::sleep(NAP);
            }
            if !new.is_empty() {
                std::thread::sleep(GRACE);
            }
        }
    }

    /// Whether git was at work for long when it was looked last, and still is.
    pub(in crate::services::bridge) fn is_git_still_at_work(&mut self) -> bool {
        self.is_git_at_work &= self.is_locked();
        self.is_git_at_work
    }

    /// A document vanished, or is what it was before: that may be one of many, or a work tree whose HEAD is about to move.
    fn is_suspicious(&self, bases: &dyn SyncBaseStore, item: &Item) -> bool {
        let files = self.scan.index.files(item);
        let Some(entry) = files.first() else { return true };
        let Some(base) = bases.get(item).filter(|base| !base.older.is_empty()) else { return false };
        let here = entry.document.bytes();
        base.text.as_ref().is_some_and(|text| text.as_bytes() != here) && base.older.contains(&reconcile::digest(here))
    }

    fn is_locked(&self) -> bool {
        let made = self.project.repository.as_ref().and_then(|repository| repository.view().index_locked_since());
        made.is_some_and(|made| environment::now().unix_ms().saturating_sub(unix_ms(made)) < STALE_MS)
    }

    /// Why nothing is exchanged at this moment: another branch is checked out, or git is in the middle of something.
    pub(super) fn pause_reason(&self) -> Result<Option<String>, Error> {
        if let Err(why) = self.project.bridge().branch().check(&self.target)? {
            return Ok(Some(why));
        }
        let own = self.project.repository.as_ref().filter(|_| self.project.config.text("commit.branch").is_none());
        let operation = own.and_then(|repository| repository.view().operation());
        let at_work = self.is_git_at_work.then(|| "git is at work".to_owned());
        Ok(operation.map(|operation| Busy::Operation(operation).to_string()).or(at_work))
    }
}

fn unix_ms(at: SystemTime) -> i64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
