//! Judges every commit, every word and every rest. It knows who did what in the world; it asks neither engine nor plan.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mycelium::engine::{Batch, DELETION_SETTLE_MS, DELETIONS_MAX, Held, Report, STOP_MS_MAX, Why};
use mycelium::name::{DocPath, OperationId};
use mycelium::plan::{Content, KnownContents, PlannedCommit};

use crate::world::{Faults, Hand, World};

/// Most effects in any second: a round asks for at most a scan, HEAD and a commit, and the next begins 50 ms later at the
/// soonest; a burst is looked at when it pauses for 30 ms. More than ten rounds in a second would be work for nothing.
pub(crate) const EFFECTS_PER_SECOND_MAX: usize = 50;
/// Most effects in any ten seconds.
pub(crate) const EFFECTS_PER_TEN_SECONDS_MAX: usize = 250;
/// Most effects in a second while the clock jumps: it may be looked at once more after each jump, never without end.
const EFFECTS_WITH_JUMPS_MAX: usize = 1_000;
/// Most wake-ups by the timer in a second that lead to nothing.
const WAKES_PER_SECOND_MAX: usize = 40;

impl World {
    pub(crate) fn count_effect(&mut self) {
        let now = self.now;
        self.effects.push_back(now);
        while self.effects.front().is_some_and(|at| at + 10_000 < now) {
            self.effects.pop_front();
        }
        let in_a_second = self.effects.iter().rev().take_while(|at| **at + 1_000 >= now).count();
        let in_ten = self.effects.len();
        if self.faults == Faults::JumpingClock {
            assert!(in_a_second <= EFFECTS_WITH_JUMPS_MAX, "{in_a_second} effects in a second");
            return;
        }
        self.effects_max = (self.effects_max.0.max(in_a_second), self.effects_max.1.max(in_ten));
        assert!(in_a_second <= EFFECTS_PER_SECOND_MAX, "{in_a_second} effects in a second");
        assert!(in_ten <= EFFECTS_PER_TEN_SECONDS_MAX, "{in_ten} effects in ten seconds");
    }

    /// The timer woke the engine.
    pub(crate) fn count_wake(&mut self) {
        let now = self.now;
        self.wakes.push_back(now);
        while self.wakes.front().is_some_and(|at| at + 1_000 < now) {
            self.wakes.pop_front();
        }
        let most = if self.faults == Faults::EvenClock { WAKES_PER_SECOND_MAX } else { EFFECTS_WITH_JUMPS_MAX };
        assert!(self.wakes.len() <= most, "{} wake-ups in a second", self.wakes.len());
    }

    /// A thing is said once, and again only after its end.
    pub(crate) fn listen(&mut self, report: Report) {
        assert!(!self.said.contains(&report), "said twice: {report}");
        match &report {
            Report::Healed(path) => {
                let is_it = |said: &Report| matches!(said, Report::Held(held) if held.path == *path);
                assert!(self.said.iter().any(is_it), "{path} was not held back");
                self.said.retain(|said| !is_it(said));
            }
            Report::Resumed => self.said.retain(|said| !matches!(said, Report::Waiting(_) | Report::Refused(_))),
            Report::Restored => self.said.retain(|said| !matches!(said, Report::Degraded(_))),
            // Deletions come and go in many numbers; their end is not told.
            Report::Guarded { .. } => {}
            Report::Held(held) => {
                self.said.retain(|said| !matches!(said, Report::Held(old) if old.path == held.path));
                self.said.push(report);
            }
            // Another hindrance takes the place of the one before.
            Report::Waiting(_) => {
                self.said.retain(|said| !matches!(said, Report::Waiting(_)));
                self.said.push(report);
            }
            Report::Left(_) | Report::Refused(_) | Report::Failed(_) | Report::Degraded(_) => self.said.push(report),
        }
    }

    /// A look that succeeds ends a failure without a word.
    pub(crate) fn forgive_failure(&mut self) {
        self.said.retain(|report| !matches!(report, Report::Failed(_)));
    }

    /// May the engine ask for this?
    pub(crate) fn judge_batch(&self, batch: &Batch) {
        assert!(self.told_ready, "a commit although something is in the way");
        assert!(!batch.changes.is_empty(), "a commit of nothing");
        for (path, admitted) in batch.changes.iter().filter(|_| batch.base == self.tip()) {
            let held = self.branch().contents.get(path).map(|text| &text.id);
            assert!(held != admitted.as_ref(), "{path} is as committed: it is no edit");
        }
    }

    /// May these commits be made?
    pub(crate) fn judge_commits(&self, groups: &[PlannedCommit], known: &BTreeMap<DocPath, KnownContents>) {
        let mut holds: BTreeMap<&DocPath, Content> = BTreeMap::new();
        let mut told: BTreeSet<&OperationId> = self.branch().told.iter().collect();
        for group in groups {
            for operation in &group.operations {
                let is_known = !group.changes.keys().any(|path| self.replaced.contains(path));
                assert!(told.insert(&operation.id) || !is_known, "{} is told twice", operation.id);
                assert_eq!(operation.agent, group.agent, "{} counts for somebody else", operation.id);
            }
            for (path, (before, after)) in &group.changes {
                assert!(known.contains_key(path), "nobody asked for {path}");
                let found = holds.entry(path).or_insert_with(|| self.committed(path));
                assert!(*found == *before, "{path}: the commit builds on what the branch does not hold");
                found.clone_from(after);
                self.judge_change(group, path, after);
            }
        }
        let mut lost = 0;
        for (path, after) in &holds {
            let (head, folder) = (self.committed(path), self.text(path));
            assert!(head != folder, "{path} was as committed, and is committed away");
            if *after == folder {
                lost += usize::from(self.judge_outcome(path));
            }
        }
        assert!(lost <= DELETIONS_MAX, "{lost} deletions at once");
        assert!(lost == 0 || lost < self.branch().contents.len(), "all documents deleted");
    }

    /// What a commit makes of a document was there, whole, and made by whom it is said to be.
    fn judge_change(&self, group: &PlannedCommit, path: &DocPath, after: &Content) {
        if let Some(bytes) = after {
            let words = String::from_utf8_lossy(bytes);
            assert!(!bytes.starts_with(b"torn") || self.built_on.contains(bytes), "{path} is torn: {words}");
            assert!(!bytes.starts_with(b"broken"), "{path} does not parse: {words}");
        }
        let versions = self.versions.get(path).map_or(&[][..], Vec::as_slice);
        let told = |id: &OperationId| group.operations.iter().any(|operation| operation.id == *id);
        let fits = versions.iter().rev().any(|version| {
            version.text == *after && version.agent == group.agent && version.operation.as_ref().is_none_or(told)
        });
        let fits = fits || self.replaced.contains(path);
        let words = after.as_ref().map_or("gone".into(), |bytes| String::from_utf8_lossy(bytes));
        assert!(fits, "{path} was never made `{words}` by {:?}", group.agent);
    }

    /// Judges what is in the folder too; tells whether it is the loss of a document.
    fn judge_outcome(&self, path: &DocPath) -> bool {
        if let Some(file) = self.files.get(path) {
            assert!(file.by != Hand::Git, "{path} was written by git: it is no edit");
            return false;
        }
        let Some(absence) = self.absences.get(path) else { panic!("{path} never was") };
        assert!(absence.by != Hand::Git, "{path} was removed by git: it is no edit");
        let mut asked = self.journal.iter().flat_map(|one| &one.changes).filter(|(other, ..)| other == path);
        if asked.next_back().is_some_and(|(_, _, after)| after.is_none()) {
            return false; // an operation removed it; that somebody did so again changes nothing
        }
        let head = self.committed(path);
        if self.files.values().any(|file| Some(&file.text.bytes) == head.as_ref()) {
            return false; // it was moved, whatever happened under the old name since
        }
        let rested = self.now - absence.since >= DELETION_SETTLE_MS;
        let excused = absence.by != Hand::Person || self.stopping.is_some() || self.jumped >= Some(absence.since);
        assert!(rested || excused, "{path} is gone for a moment only");
        absence.by == Hand::Person
    }

    /// Operations are forgotten only when they were told, or nothing is left of them to tell.
    pub(crate) fn judge_forgotten(&self, finished: &BTreeSet<OperationId>) {
        for (index, one) in self.journal.iter().enumerate().filter(|(_, one)| finished.contains(&one.operation.id)) {
            let id = &one.operation.id;
            if self.branch().told.contains(id) {
                continue;
            }
            for (path, ..) in one.changes.iter().filter(|(path, ..)| !self.replaced.contains(path)) {
                let head = self.committed(path);
                // A person committed what it made, or what was made of that.
                let is_in =
                    self.journal[index..].iter().flat_map(|later| &later.changes).any(|(other, before, after)| {
                        other == path
                            && (*after == head
                                || *before == head
                                    && !one.changes.contains(&(other.clone(), before.clone(), after.clone())))
                    });
                let is_told = self.text(path) == head || is_in;
                assert!(is_told, "{id} is forgotten although {path} was not committed");
            }
        }
    }

    /// The process ended: in time, and with everything committed that it could commit, or named.
    pub(crate) fn judge_end(&mut self) {
        let told = self.stopping.expect("it was told to stop");
        let took = self.now - told;
        assert!(self.faults == Faults::JumpingClock || took < STOP_MS_MAX + 500, "stopping took {took} ms");
        self.note(format_args!("stopped"));
        if self.troubled || self.faults == Faults::JumpingClock {
            return;
        }
        let is_named = |path: &DocPath| {
            self.said.iter().any(|said| match said {
                Report::Left(paths) => paths.contains(path),
                Report::Held(Held { path: held, why: Why::Unreadable(_) | Why::Moving }) => held == path,
                _ => false,
            })
        };
        for (path, file) in self.files.iter().filter(|(_, file)| file.since < told && !file.text.is_broken()) {
            let is_done = self.committed(path).as_ref() == Some(&file.text.bytes) || is_named(path);
            assert!(is_done, "stopped without {path}: {}", file.text);
        }
    }

    /// Everything is committed but what must be held back, the journal is told, and nothing is said to be in the way.
    pub(crate) fn judge_rest(&mut self) {
        let contents = &self.branch().contents;
        let lost: Vec<&DocPath> = contents.keys().filter(|path| !self.files.contains_key(*path)).collect();
        let by_hand = |path: &&&DocPath| self.absences.get(**path).is_none_or(|absence| absence.by != Hand::Agent);
        let losses = lost.iter().filter(by_hand).count();
        let is_guarded = losses > DELETIONS_MAX || losses > 0 && losses >= contents.len();
        assert!(lost.is_empty() || is_guarded, "deletions were not committed: {lost:?}");
        for (path, file) in &self.files {
            let is_broken = file.text.is_broken();
            let is_committed = contents.get(path).is_some_and(|text| Arc::ptr_eq(&text.bytes, &file.text.bytes))
                || self.committed(path).as_ref() == Some(&file.text.bytes);
            assert!(is_broken || is_committed, "{path} was not committed: {}", file.text);
        }
        for said in &self.said {
            let stays = match said {
                // Of a document that is gone, too, the last word is what was wrong with it, while its deletion waits.
                Report::Held(Held { path, .. }) => match self.files.get(path) {
                    Some(file) => file.text.is_broken(),
                    None => self.committed(path).is_some(),
                },
                Report::Degraded(_) => !self.events_come,
                _ => false,
            };
            assert!(stays, "the end of this was not told: {said}");
        }
    }

    /// What is still in the journal is told by the next commit, and then it is empty.
    pub(crate) fn judge_journal(&mut self) {
        for _ in 0..100 {
            if self.journal.is_empty() {
                return;
            }
            self.commit_journal();
        }
        let ids: Vec<&OperationId> = self.journal.iter().map(|one| &one.operation.id).collect();
        panic!("the journal is never empty: {ids:?}");
    }
}
