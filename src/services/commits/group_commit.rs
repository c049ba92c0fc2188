//! Callers in one process that have something to commit at the same moment: one of them commits for all. The others wait for
//! it instead of each taking the lock, reading the branch and waiting for the disk in turn.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};

use super::{Committed, Committer, Edits};
use crate::adapters::git::Target;
use crate::adapters::store::{Durability, Unsynced};
use crate::services::Error;

/// The groups of this process, one for each folder that is open somewhere.
static GROUPS: Mutex<Vec<Weak<Group>>> = Mutex::new(Vec::new());

/// What projects must have in common for one to commit for another.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    run: PathBuf,
    durability: Durability,
    target: Target,
    auto: bool,
}

/// Those who commit to one folder.
#[derive(Debug)]
pub(in crate::services) struct Group {
    key: Key,
    state: Mutex<State>,
    /// Somebody's commit is done, or nobody leads any more.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    is_led: bool,
    waiting: Vec<Arc<Member>>,
}

/// A caller.
#[derive(Debug)]
struct Member {
    written: Option<Unsynced>,
    verdict: Mutex<Option<Verdict>>,
}

/// What a caller is told.
#[derive(Debug, Clone)]
enum Verdict {
    /// The leader committed for it.
    Done(Arc<Committed>),
    /// The leader could not: it has to try for itself and is told what is wrong.
    Alone,
}

impl Member {
    fn verdict(&self) -> MutexGuard<'_, Option<Verdict>> {
        self.verdict.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Group {
    /// The group of everybody in this process who commits so.
    pub(in crate::services) fn of(run: &Path, durability: Durability, target: Target, auto: bool) -> Arc<Self> {
        let key = Key { run: run.to_owned(), durability, target, auto };
        let mut groups = GROUPS.lock().unwrap_or_else(PoisonError::into_inner);
        groups.retain(|group| group.strong_count() > 0);
        let known = groups.iter().filter_map(Weak::upgrade).find(|group| group.key == key);
        known.unwrap_or_else(|| {
            let group = Arc::new(Self { key, state: Mutex::default(), changed: Condvar::new() });
            groups.push(Arc::downgrade(&group));
            group
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Joins, and waits until somebody has committed for this caller or it is its turn to lead; then gives everybody who
    /// waits, this caller included.
    fn join(&self, member: &Arc<Member>) -> Result<Vec<Arc<Member>>, Verdict> {
        let mut state = self.state();
        state.waiting.push(Arc::clone(member));
        loop {
            if let Some(verdict) = member.verdict().clone() {
                return Err(verdict);
            }
            if !state.is_led {
                state.is_led = true;
                return Ok(std::mem::take(&mut state.waiting));
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// The time in which one caller commits for all. Whatever ends it, nobody waits for ever.
struct Reign<'a> {
    group: &'a Group,
    members: Vec<Arc<Member>>,
}

impl Reign<'_> {
    fn tell(&self, verdict: &Verdict) {
        for member in &self.members {
            member.verdict().get_or_insert_with(|| verdict.clone());
        }
    }
}

impl Drop for Reign<'_> {
    fn drop(&mut self) {
        self.tell(&Verdict::Alone);
        self.group.state().is_led = false;
        self.group.changed.notify_all();
    }
}

impl Committer<'_> {
    /// Commits the journal together with everybody in this process who does so at this moment; what was just written is
    /// waited for together with the commit, if there is one.
    ///
    /// # Errors
    /// As [`Committer::commit_now`].
    pub(in crate::services) fn commit_together(&self, written: Option<&Unsynced>) -> Result<Arc<Committed>, Error> {
        let member = Arc::new(Member { written: written.cloned(), verdict: Mutex::default() });
        match self.group.join(&member) {
            Ok(members) => {
                let reign = Reign { group: self.group, members };
                let written: Vec<&Unsynced> = reign.members.iter().filter_map(|one| one.written.as_ref()).collect();
                let done = Arc::new(self.commit_beside(Edits::None, &written)?);
                // What was found on the way is told once.
                let told = Committed { findings: Vec::new(), ..(*done).clone() };
                reign.tell(&Verdict::Done(Arc::new(told)));
                Ok(done)
            }
            Err(Verdict::Done(done)) => Ok(done),
            Err(Verdict::Alone) => Ok(Arc::new(self.commit_beside(Edits::None, written.as_slice())?)),
        }
    }
}
