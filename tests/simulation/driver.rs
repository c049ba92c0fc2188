//! Does what the engine asks for, with faults: looks, reads, commits through the plan as the program does, and dies.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mycelium::diagnostic::{Code, Diagnostic};
use mycelium::engine::{Batch, DELETIONS_MAX, Effect, Engine, Head, Input, Readiness, Reason, Retry, ScannedDocument};
use mycelium::name::{DocPath, OperationId};
use mycelium::plan::{self, Content, HandEdit, KnownContents, PlannedCommit, Recorded};

use crate::world::{Faults, File, Hand, Later, Text, Version, World, keeper};

/// How many of the newest operations of a branch are known after a crash.
const RECENT: usize = 256;

/// Why nothing was committed.
type Refused = (Reason, Retry);

impl World {
    pub(crate) fn step(&mut self, input: Input) {
        if self.engine.is_none() {
            return;
        }
        self.tell(input);
        while let Some(effect) = self.engine.as_mut().and_then(Engine::poll) {
            self.note(format_args!("asks for {effect:?}"));
            self.count_effect();
            let Some(answer) = self.carry_out(effect) else { continue };
            // Work takes time, and now and then the process dies between doing and knowing.
            if self.faults == Faults::EvenClock {
                self.now += self.below(20);
                self.write_meanwhile();
            }
            if self.dies || self.may_die(400) {
                return self.crash();
            }
            self.tell(answer);
        }
        if self.stopped {
            self.judge_end();
            self.commit_journal(); // what was written after the last look
            return self.begin_again();
        }
        let wake = self.engine.as_ref().and_then(Engine::wake_at);
        if wake.is_none() && !self.journal.is_empty() {
            self.commit_journal(); // nothing is due: what is left there is told, or need not be
        }
        self.alarm = wake.map(|at| self.now.saturating_add(at.saturating_sub(self.given())));
    }

    fn may_die(&mut self, once_in: u64) -> bool {
        !self.is_calm && self.stopping.is_none() && self.below(once_in) == 0
    }

    fn tell(&mut self, input: Input) {
        self.note(format_args!("is told {input:?}"));
        let given = self.given();
        if let Some(engine) = &mut self.engine {
            engine.step(given, input);
        }
    }

    /// Files change while the engine's work is done, after the scan, before the commit; it hears of that before the answer.
    fn write_meanwhile(&mut self) {
        let is_write =
            |(at, what): (&(u64, u64), &Later)| (at.0 <= self.now && matches!(what, Later::Write(..))).then_some(*at);
        let due: Vec<(u64, u64)> = self.later.iter().filter_map(is_write).collect();
        for key in due {
            if let Some(Later::Write(path, text)) = self.later.remove(&key) {
                self.put(&path, Text::new(&text), Hand::Person);
            }
        }
        let now = self.now;
        let before = self.later.len();
        self.later.retain(|at, what| at.0 > now || !matches!(what, Later::Wake));
        if self.later.len() < before {
            self.tell(Input::Woken);
        }
    }

    pub(crate) fn given(&self) -> u64 {
        self.now.checked_add_signed(self.clock_ahead).expect("after 1970")
    }

    fn carry_out(&mut self, effect: Effect) -> Option<Input> {
        assert!(!self.stopped, "nothing follows the end");
        match effect {
            Effect::Scan if self.failures > 0 => {
                self.failures -= 1;
                self.troubled = true;
                Some(Input::ScanFailed(Reason::new("permission denied")))
            }
            Effect::Scan => {
                self.forgive_failure();
                Some(self.scan())
            }
            Effect::ReadHead => Some(Input::Head(self.head())),
            Effect::Commit(batch) => {
                self.judge_batch(&batch);
                Some(match self.commit_now(Some(&batch)) {
                    Ok(()) => Input::Committed(self.arrived(&batch)),
                    Err((reason, retry)) => {
                        self.troubled = true;
                        Input::CommitRefused { reason, retry }
                    }
                })
            }
            Effect::Report(report) => {
                self.listen(report);
                None
            }
            Effect::Stopped => {
                assert!(self.stopping.is_some(), "stopped without being told");
                self.stopped = true;
                None
            }
        }
    }

    fn scan(&mut self) -> Input {
        self.files.values_mut().for_each(|file| file.unseen = None);
        let seen = |(path, file): (&DocPath, &File)| {
            let broken = file.text.is_broken();
            let fault = broken.then(|| Diagnostic::error(Code::YamlSyntax, "not valid YAML"));
            (path.clone(), ScannedDocument { content: Some(file.text.id.clone()), stamp: file.stamp, fault })
        };
        let mut last: BTreeMap<&DocPath, &Content> = BTreeMap::new();
        for (path, _, after) in self.journal.iter().flat_map(|one| &one.changes) {
            last.insert(path, after);
        }
        let own = last.into_iter().filter(|(path, after)| self.text(path) == **after).map(|(path, _)| path.clone());
        Input::Scanned { files: self.files.iter().map(seen).collect(), own: own.collect() }
    }

    fn head(&mut self) -> Head {
        self.told_ready = self.readiness == Readiness::Ready;
        self.troubled |= !self.told_ready;
        let contents = self.branch().contents.iter().map(|(path, text)| (path.clone(), text.id.clone()));
        Head {
            revision: self.tip(),
            contents: Arc::new(contents.collect()),
            readiness: self.readiness.clone(),
            deletions_max: DELETIONS_MAX,
        }
    }

    /// What a command does that finds nobody watching. A refusal is no loss: the journal keeps what was to be told.
    pub(crate) fn commit_journal(&mut self) {
        if let Err((reason, _)) = self.commit_now(None) {
            self.note(format_args!("a command could not commit: {reason}"));
        }
        self.dies = false;
    }

    /// Commits the journal and these edits, one commit for each author, as the program does.
    pub(crate) fn commit_now(&mut self, edits: Option<&Batch>) -> Result<(), Refused> {
        if self.refusals > 0 {
            self.refusals -= 1;
            let retry = if self.refusals == 2 { Retry::Late } else { Retry::Soon };
            return Err((Reason::new("no luck"), retry));
        }
        if self.readiness != Readiness::Ready || edits.is_some_and(|batch| batch.base != self.tip()) {
            return Err((Reason::new("the branch moved"), Retry::Soon));
        }
        let mut paths: BTreeSet<DocPath> =
            self.journal.iter().flat_map(|one| &one.changes).map(|(path, ..)| path.clone()).collect();
        paths.extend(edits.iter().flat_map(|batch| batch.changes.keys().cloned()));
        let mut known: BTreeMap<DocPath, KnownContents> =
            paths.into_iter().map(|path| (path.clone(), self.known(&path, edits))).collect();
        let told: BTreeSet<OperationId> = if plan::asks_for_history(&self.journal, &known) {
            self.branch().told.iter().rev().take(RECENT).cloned().collect()
        } else {
            BTreeSet::new()
        };
        let (told, journal): (Vec<_>, Vec<_>) =
            self.journal.clone().into_iter().partition(|one| told.contains(&one.operation.id));
        for (path, state) in known.iter_mut().filter(|(path, state)| plan::is_unclear(&journal, path, &state.head)) {
            state.has_gone_on = self.has_gone_on(path, &journal);
        }
        let attribute = |path: &DocPath, _: &Content, _: &Content| HandEdit { agent: keeper(path), holder: None };
        let groups = plan::group(&plan::steps(&journal, &known, &attribute));
        let mut finished = plan::finished(&journal, &known, &groups);
        finished.extend(told.into_iter().map(|one| one.operation.id));
        self.judge_commits(&groups, &known);
        self.publish(groups);
        // Now and then the process dies here: what was told is still in the journal.
        if self.may_die(12) {
            self.note(format_args!("dies after a commit"));
            self.dies = true;
            return Ok(());
        }
        self.judge_forgotten(&finished);
        self.give_up(&finished);
        self.journal.retain(|one| !finished.contains(&one.operation.id));
        let waits = |path: &DocPath| self.journal.iter().any(|one| one.changes.iter().any(|(other, ..)| other == path));
        self.replaced.retain(waits);
        Ok(())
    }

    /// What an operation made of a document that git replaced counts as made by hand from now on.
    fn give_up(&mut self, finished: &BTreeSet<OperationId>) {
        for one in self.journal.iter().filter(|one| finished.contains(&one.operation.id)) {
            for (path, _, after) in one.changes.iter().filter(|(path, ..)| self.replaced.contains(path)) {
                let version = Version { text: after.clone(), agent: keeper(path), operation: None };
                self.versions.entry(path.clone()).or_default().push(version);
            }
        }
    }

    fn known(&self, path: &DocPath, edits: Option<&Batch>) -> KnownContents {
        let file = self.files.get(path).map(|file| &file.text.id);
        let admit_edit = edits.and_then(|batch| batch.changes.get(path)).is_some_and(|id| id.as_ref() == file);
        KnownContents { head: self.committed(path), folder: self.text(path), admit_edit, has_gone_on: false }
    }

    /// Tells whether HEAD held what the first operation on a document found when it was made.
    fn has_gone_on(&self, path: &DocPath, journal: &[Recorded]) -> bool {
        let first = journal.iter().find_map(|one| {
            let (_, found, _) = one.changes.iter().find(|(other, ..)| other == path)?;
            Some((&one.operation.id, found))
        });
        first.is_some_and(|(id, found)| {
            self.bases.get(id).is_some_and(|held| held.iter().any(|(other, head)| other == path && head == found))
        })
    }

    /// All of them at once: the branch is swapped once.
    fn publish(&mut self, groups: Vec<PlannedCommit>) {
        if groups.is_empty() {
            return;
        }
        for group in groups {
            let agent = group.agent.as_ref().map_or("the user".to_owned(), ToString::to_string);
            let names: Vec<String> = group.changes.keys().map(ToString::to_string).collect();
            self.note(format_args!("commit for {agent}: {}", names.join(" ")));
            for (path, (_, after)) in group.changes {
                self.record(&path, after.map(Text::of));
            }
            self.branches[self.current].told.extend(group.operations.into_iter().map(|operation| operation.id));
            self.commits += 1;
        }
        self.revision += 1;
        self.ring();
    }

    /// Which of these the branch holds now.
    fn arrived(&self, batch: &Batch) -> BTreeSet<DocPath> {
        let contents = &self.branch().contents;
        let holds = |path: &DocPath| contents.get(path).map(|text| &text.id);
        batch.changes.iter().filter(|(path, id)| holds(path) == id.as_ref()).map(|(path, _)| path.clone()).collect()
    }
}
