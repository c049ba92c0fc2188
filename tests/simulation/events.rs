//! What may happen in the made-up world: one random thing after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mycelium::engine::{DELETION_SETTLE_MS, DELETIONS_MAX, Engine, Input, Readiness, Reason};
use mycelium::name::{AgentName, DocId, DocPath, OperationId};
use mycelium::plan::{CommitOperation, Content, Recorded};

use crate::world::{Faults, Hand, Later, Text, Version, World};

/// Pause between the slices of a slow save; shorter than settling.
const SLICE_MS_MAX: u64 = 150;
/// How far a clock jumps: a little, an hour, a year.
const JUMPS_MS: [u64; 3] = [20_000, 3_600_000, 31_600_000_000];
const AGENTS: [&str; 3] = ["ann", "ben", "cy"];

impl World {
    /// One random thing.
    pub(crate) fn something(&mut self) {
        let path = self.any_path();
        let version = self.version();
        match self.below(100) {
            0..26 => self.put(&path, Text::new(&format!("v{version}")), Hand::Person),
            26..40 => self.save_slowly(&path, version),
            40..44 => self.put(&path, Text::new(&format!("broken {version}")), Hand::Person),
            44..60 => self.operate_at_random(&path, version),
            60..64 => self.take(&path, Hand::Person),
            64..67 => self.dance(&path, version),
            67..70 => self.rename(&path),
            70..72 => self.take_many(),
            72..76 => self.begin_checkout(),
            76..78 => self.restore(&path),
            78..80 => self.commit_by_person(),
            80..83 => self.be_busy(),
            83..86 => self.refusals = self.below(4),
            86..88 => self.failures = self.below(4),
            88..90 => self.step(Input::Tick),
            90..92 => self.change_events(),
            92..94 => self.crash(),
            94..95 => self.jump(),
            95..96 => self.stop(),
            _ => self.ring(),
        }
    }

    fn any_path(&mut self) -> DocPath {
        let n = self.below(30);
        DocPath::new(format!("task-{n}.md")).expect("a document name")
    }

    /// Several writes, each of which could be taken for a whole text.
    fn save_slowly(&mut self, path: &DocPath, version: u64) {
        if self.faults == Faults::JumpingClock {
            return self.put(path, Text::new(&format!("v{version}")), Hand::Person);
        }
        let mut at = 0;
        for slice in 0..=self.below(8) {
            at += self.below(SLICE_MS_MAX);
            self.after(at, Later::Write(path.clone(), format!("torn {version}.{slice}")));
        }
        at += self.below(SLICE_MS_MAX);
        self.after(at, Later::Write(path.clone(), format!("v{version}")));
    }

    /// An editor removes the file and makes it again.
    fn dance(&mut self, path: &DocPath, version: u64) {
        if self.files.contains_key(path) {
            self.take(path, Hand::Person);
            let at = self.below(DELETION_SETTLE_MS / 2);
            self.after(at, Later::Write(path.clone(), format!("v{version}")));
        }
    }

    /// A person moves a document to a name that was never used.
    fn rename(&mut self, path: &DocPath) {
        let whole = self.files.get(path).filter(|file| !file.text.is_torn()).map(|file| file.text.clone());
        let Some(text) = whole else { return };
        let n = self.version();
        let to = DocPath::new(format!("task-{n}-moved.md")).expect("a document name");
        self.take(path, Hand::Mover);
        self.put(&to, text, Hand::Person);
    }

    fn take_many(&mut self) {
        let mut many: Vec<DocPath> = self.files.keys().cloned().collect();
        // All of them, or just more than may go at once.
        if self.below(2) == 0 {
            many.truncate(DELETIONS_MAX + 1);
        }
        for path in many {
            self.take(&path, Hand::Person);
        }
    }

    /// An operation: on one document, on two, a move into the archive, or one that takes the one before back.
    fn operate_at_random(&mut self, path: &DocPath, version: u64) {
        let text = |n: u64| Some(Text::new(&format!("v{version}.{n}")));
        let whole = self.files.get(path).filter(|file| !file.text.is_torn()).map(|file| file.text.clone());
        let last = self.journal.last().and_then(|one| one.changes.first().cloned());
        let changes = match (self.below(10), whole, last) {
            (0, _, _) => {
                let other = self.any_path();
                BTreeMap::from([(path.clone(), text(1)), (other, text(2))])
            }
            (1, Some(whole), _) => {
                let archived = DocPath::new(format!("archive/2025-10/task-{version}.md")).expect("a document name");
                BTreeMap::from([(path.clone(), None), (archived, Some(whole))])
            }
            (2 | 3, Some(_), _) => BTreeMap::from([(path.clone(), None)]),
            (4 | 5, _, Some((path, before, after))) if self.text(&path) == after => {
                BTreeMap::from([(path, before.map(Text::of))])
            }
            _ => BTreeMap::from([(path.clone(), text(0))]),
        };
        self.operate(changes);
    }

    /// What a command does: journal, files, and a commit if nobody watches.
    fn operate(&mut self, after: BTreeMap<DocPath, Option<Text>>) {
        let unreadable = |path: &DocPath| self.files.get(path).is_some_and(|file| file.text.is_broken());
        if after.keys().any(unreadable) {
            return; // a command refuses
        }
        let id = OperationId::new(format!("op-{}", self.version())).expect("an id");
        let agent = match self.below(4) {
            0 => None,
            n => AgentName::new(AGENTS[usize::try_from(n).expect("small") - 1]).ok(),
        };
        let bytes = |text: &Option<Text>| -> Content { text.as_ref().map(|text| Arc::clone(&text.bytes)) };
        let changes: Vec<(DocPath, Content, Content)> =
            after.iter().map(|(path, after)| (path.clone(), self.text(path), bytes(after))).collect();
        self.note(format_args!("{id} of {agent:?}"));
        for (path, before, after) in &changes {
            self.built_on.extend(before.clone());
            let version = Version { text: after.clone(), agent: agent.clone(), operation: Some(id.clone()) };
            self.versions.entry(path.clone()).or_default().push(version);
        }
        let document = DocId::of_file(&changes[0].0);
        let operation = CommitOperation { id, verb: "task.update".into(), document, agent };
        let held = changes.iter().map(|(path, ..)| (path.clone(), self.committed(path))).collect();
        self.bases.insert(operation.id.clone(), held);
        self.journal.push(Recorded { operation, base: self.tip(), changes });
        self.operations += 1;
        for (path, text) in after {
            match text {
                Some(text) => self.put(&path, text, Hand::Agent),
                None => self.take(&path, Hand::Agent),
            }
        }
        if self.engine.is_none() && self.readiness == Readiness::Ready {
            self.commit_journal();
        }
    }

    fn begin_checkout(&mut self) {
        if self.readiness != Readiness::Ready {
            return;
        }
        let to = 1 - self.current;
        let force = self.below(4) == 0;
        let paths: BTreeSet<DocPath> =
            self.branches.iter().flat_map(|branch| branch.contents.keys()).cloned().collect();
        let target = |world: &Self, path: &DocPath| world.branches[to].contents.get(path).cloned();
        let differs = |world: &Self, path: &DocPath| world.committed(path) != target(world, path).map(|t| t.bytes);
        let edited: Vec<&DocPath> = paths.iter().filter(|path| self.text(path) != self.committed(path)).collect();
        if !force && edited.iter().any(|path| differs(self, path)) {
            return; // git refuses
        }
        self.note(format_args!("checkout of {to} begins{}", if force { ", by force" } else { "" }));
        self.readiness = Readiness::Busy(Reason::new("the index is locked"));
        for path in &paths {
            if force || differs(self, path) {
                self.put_by_git(path, target(self, path));
            }
        }
        let at = self.below(3_000);
        self.after(at, Later::EndOfCheckout(to));
    }

    pub(crate) fn end_checkout(&mut self, to: usize) {
        self.note(format_args!("checkout of {to} ends"));
        let paths: BTreeSet<DocPath> =
            self.branches.iter().flat_map(|branch| branch.contents.keys()).cloned().collect();
        let moves = |path: &&DocPath| self.branches[0].contents.get(*path) != self.branches[1].contents.get(*path);
        let changed: Vec<DocPath> = paths.iter().filter(moves).cloned().collect();
        for path in changed {
            self.replace(&path);
        }
        self.current = to;
        self.revision += 1;
        self.readiness = Readiness::Ready;
        self.ring();
    }

    fn put_by_git(&mut self, path: &DocPath, text: Option<Text>) {
        if self.text(path) == text.as_ref().map(|text| Arc::clone(&text.bytes)) {
            return;
        }
        self.replace(path);
        match text {
            Some(text) => self.put(path, text, Hand::Git),
            None => self.take(path, Hand::Git),
        }
    }

    /// A person takes a document back to what was committed.
    fn restore(&mut self, path: &DocPath) {
        if self.readiness == Readiness::Ready {
            let text = self.branch().contents.get(path).cloned();
            self.put_by_git(path, text);
        }
    }

    /// A person commits some of the documents with git.
    fn commit_by_person(&mut self) {
        if self.readiness != Readiness::Ready {
            return;
        }
        let share = 1 + self.below(3);
        let mut paths: BTreeSet<DocPath> = self.branch().contents.keys().chain(self.files.keys()).cloned().collect();
        paths.retain(|_| self.below(share) == 0);
        self.note(format_args!("a person commits {} documents", paths.len()));
        for path in paths {
            let text = self.files.get(&path).map(|file| file.text.clone());
            self.replace(&path);
            self.record(&path, text);
        }
        self.revision += 1;
        self.ring();
    }

    /// The branch holds this now.
    pub(crate) fn record(&mut self, path: &DocPath, text: Option<Text>) {
        let contents = &mut self.branches[self.current].contents;
        match text {
            Some(text) => contents.insert(path.clone(), text),
            None => contents.remove(path),
        };
    }

    fn be_busy(&mut self) {
        if self.readiness == Readiness::Ready {
            let (what, longest) = [("a merge is under way", 20_000), ("somebody holds the index", 1_500)]
                [usize::try_from(self.below(2)).expect("small")];
            self.note(format_args!("{what}"));
            self.readiness = Readiness::Busy(Reason::new(what));
            let at = self.below(longest);
            self.after(at, Later::EndOfBusy);
        }
    }

    pub(crate) fn change_events(&mut self) {
        self.events_come = !self.events_come;
        self.note(format_args!("file events {}", if self.events_come { "come" } else { "do not come" }));
        let news = if self.events_come { Input::Restored } else { Input::Degraded(Reason::new("no watches")) };
        self.step(news);
    }

    fn stop(&mut self) {
        if self.engine.is_some() && self.stopping.is_none() {
            self.note(format_args!("stop"));
            self.stopping = Some(self.now);
            self.troubled = self.readiness != Readiness::Ready || self.refusals > 0 || self.failures > 0;
            self.step(Input::Stop);
        }
    }

    /// The process dies; a while later there is another one.
    pub(crate) fn crash(&mut self) {
        if self.engine.take().is_some() {
            self.note(format_args!("crash"));
            self.begin_again();
        }
    }

    pub(crate) fn begin_again(&mut self) {
        self.engine = None;
        self.alarm = None;
        self.later.retain(|_, what| !matches!(what, Later::Wake | Later::Start));
        let pause = if self.below(2) == 0 { 0 } else { self.below(4_000) };
        self.after(pause, Later::Start);
    }

    pub(crate) fn start(&mut self) {
        self.note(format_args!("start"));
        self.engine = Some(Engine::new());
        self.stopping = None;
        self.stopped = false;
        self.dies = false;
        self.told_ready = false;
        self.effects.clear();
        self.wakes.clear();
        self.said.clear();
        self.commit_journal(); // what a dead process left
        self.step(Input::Tick);
        if !self.events_come {
            self.step(Input::Degraded(Reason::new("no watches")));
        }
    }

    fn jump(&mut self) {
        if self.faults == Faults::JumpingClock {
            let far = JUMPS_MS[usize::try_from(self.below(3)).expect("small")];
            let by = i64::try_from(self.below(far)).expect("small") - i64::try_from(far / 2).expect("small");
            self.note(format_args!("the clock jumps by {by} ms"));
            self.clock_ahead += by;
            self.jumped = Some(self.now);
        }
    }
}
