//! Whether git is at the work tree at this moment. It changes the files first and HEAD last, so what is seen in between lies
//! on no branch: it is looked at again when git is done.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::sight::Item;
use super::state::State;
use crate::git::Busy;
use crate::mirror;
use crate::runner::Error;

/// How often it is looked whether git is done.
const NAP: Duration = Duration::from_millis(5);
/// How long after its lock is gone, or a file vanished or became what it was before, it is looked again.
const GRACE: Duration = Duration::from_millis(40);
/// How long that may go on.
const LONGEST: Duration = Duration::from_millis(1_500);

impl State {
    /// Looks at the folder until git is done with it, and until no more files vanish or go back: whoever removes many at once
    /// is seen to do so.
    pub(super) fn look_at_rest(&mut self) -> Result<BTreeSet<Item>, Error> {
        let mut changed = self.sight.look(&self.workspace)?;
        let began = Instant::now();
        let mut new = changed.clone();
        while began.elapsed() < LONGEST {
            let was_locked = self.is_locked();
            if new.is_empty() || !(was_locked || new.iter().any(|item| self.is_suspicious(item))) {
                break;
            }
            while self.is_locked() && began.elapsed() < LONGEST {
                std::thread::sleep(NAP);
            }
            std::thread::sleep(GRACE);
            new = self.sight.look(&self.workspace)?;
            changed.extend(new.iter().cloned());
        }
        Ok(changed)
    }

    /// A document vanished, or is what it was before: that may be one of many, or a work tree whose HEAD is about to move.
    fn is_suspicious(&self, item: &Item) -> bool {
        let files = self.sight.files(item);
        let Some(entry) = files.first() else { return true };
        let Some(base) = self.bases.get(item).filter(|base| !base.older.is_empty()) else { return false };
        let here = entry.document.bytes();
        base.text.as_ref().is_some_and(|text| text.as_bytes() != here) && base.older.contains(&mirror::digest(here))
    }

    fn is_locked(&self) -> bool {
        self.workspace.repository.as_ref().is_some_and(crate::git::Repository::is_index_locked)
    }

    /// Why nothing is exchanged at this moment: another branch is checked out, or git is in the middle of something.
    pub(super) fn pause(&self) -> Result<Option<String>, Error> {
        if let Err(why) = self.workspace.is_followed_branch(&self.target)? {
            return Ok(Some(why));
        }
        let own = self.workspace.repository.as_ref().filter(|_| self.workspace.config.text("commit.branch").is_none());
        let operation = own.and_then(crate::git::Repository::operation);
        Ok(operation.map(|operation| Busy::Operation(operation).to_string()))
    }
}
