//! A virtual folder, branch and clock around the engine, and what can be done to them. No I/O.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::core::diagnostic::{Code, Diagnostic};
use crate::core::engine::{
    Batch, DELETIONS_MAX, Effect, Engine, Head, Input, Readiness, Reason, Retry, ScannedDocument,
};
use crate::core::name::{ContentId, DocPath, Revision};

pub(super) fn path(name: &str) -> DocPath {
    DocPath::new(format!("{name}.md")).expect("a document name")
}

pub(super) fn content(text: &str) -> ContentId {
    let mut digest = 0xcbf2_9ce4_8422_2325_u64;
    for byte in text.bytes() {
        digest = (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    ContentId::new(format!("{digest:040x}")).expect("40 digits")
}

/// A text that does not parse.
pub(super) fn is_broken(text: &str) -> bool {
    text.starts_with("<<<<<<<")
}

#[derive(Clone)]
pub(super) enum Act {
    /// Write by hand.
    Write(&'static str, &'static str),
    /// Write a numbered series of documents by hand.
    WriteMany(usize),
    /// Delete by hand.
    Delete(&'static str),
    /// Delete a numbered series by hand.
    DeleteMany(usize),
    /// Write or delete through the journal.
    Own(&'static str, Option<&'static str>),
    /// Rename by hand.
    Move(&'static str, &'static str),
    /// Git sets files and branch to this.
    Checkout(&'static [(&'static str, &'static str)]),
    Busy(&'static str),
    Never(&'static str),
    Free,
    /// The next commits are refused.
    Refuse(usize, Retry),
    /// The next commits leave everything out.
    LeaveOut(usize),
    /// The next scans fail.
    Fail(usize),
    Degraded,
    Restored,
    Stop,
    /// A wake-up for nothing.
    Wake,
    /// From now on the given clock runs this far ahead (or behind).
    Clock(i64),
}

use Act::{
    Busy, Checkout, Clock, Degraded, Delete, DeleteMany, Fail, Free, LeaveOut, Move, Never, Own, Refuse, Restored,
    Stop, Wake, Write, WriteMany,
};

pub(super) struct World {
    pub(super) engine: Engine,
    pub(super) files: BTreeMap<DocPath, (String, u64)>,
    pub(super) own: BTreeMap<DocPath, Option<String>>,
    pub(super) head: BTreeMap<DocPath, String>,
    pub(super) readiness: Readiness,
    pub(super) refuse: (usize, Retry),
    pub(super) fail: usize,
    pub(super) leave_out: usize,
    pub(super) commits: u64,
    pub(super) stamps: u64,
    pub(super) events_come: bool,
    pub(super) clock: i64,
    pub(super) log: Vec<String>,
    pub(super) scans: Vec<u64>,
}

impl World {
    pub(super) fn new(head: &[(&'static str, &'static str)]) -> Self {
        let mut world = Self {
            engine: Engine::new(),
            files: BTreeMap::new(),
            own: BTreeMap::new(),
            head: BTreeMap::new(),
            readiness: Readiness::Ready,
            refuse: (0, Retry::Soon),
            fail: 0,
            leave_out: 0,
            commits: 0,
            stamps: 0,
            events_come: true,
            clock: 1_000_000,
            log: Vec::new(),
            scans: Vec::new(),
        };
        world.checkout(head);
        world
    }

    pub(super) fn put(&mut self, name: &str, text: &str) {
        self.stamps += 1;
        self.own.remove(&path(name));
        self.files.insert(path(name), (text.to_owned(), self.stamps));
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.own.remove(&path(name));
        self.files.remove(&path(name));
    }

    pub(super) fn checkout(&mut self, all: &[(&'static str, &'static str)]) {
        self.files.clear();
        for (name, text) in all {
            self.put(name, text);
        }
        self.head = self.files.iter().map(|(path, (text, _))| (path.clone(), text.clone())).collect();
    }

    pub(super) fn act(&mut self, now: u64, act: &Act) {
        match act.clone() {
            Write(name, text) => self.put(name, text),
            WriteMany(n) => (0..n).for_each(|i| self.put(&format!("task-{i:03}"), "x")),
            Delete(name) => self.remove(name),
            DeleteMany(n) => (0..n).for_each(|i| self.remove(&format!("task-{i:03}"))),
            Own(name, text) => {
                match text {
                    Some(text) => self.put(name, text),
                    None => self.remove(name),
                }
                self.own.insert(path(name), text.map(str::to_owned));
            }
            Move(from, to) => {
                let (text, _) = self.files.remove(&path(from)).expect("a file to move");
                self.put(to, &text);
            }
            Checkout(all) => self.checkout(all),
            Busy(why) => self.readiness = Readiness::Busy(Reason::new(why)),
            Never(why) => self.readiness = Readiness::Never(Reason::new(why)),
            Free => self.readiness = Readiness::Ready,
            Refuse(times, retry) => self.refuse = (times, retry),
            Fail(times) => self.fail = times,
            LeaveOut(times) => self.leave_out = times,
            Degraded => {
                self.events_come = false;
                return self.step(now, Input::Degraded(Reason::new("no more watches")));
            }
            Restored => {
                self.events_come = true;
                return self.step(now, Input::Restored);
            }
            Stop => return self.step(now, Input::Stop),
            Clock(ahead) => {
                self.clock = ahead;
                return;
            }
            Wake => {}
        }
        if self.events_come {
            self.step(now, Input::Woken);
        }
    }

    pub(super) fn given(&self, now: u64) -> u64 {
        now.checked_add_signed(self.clock).expect("after 1970")
    }

    pub(super) fn step(&mut self, now: u64, input: Input) {
        self.engine.step(self.given(now), input);
        while let Some(effect) = self.engine.poll() {
            let answer = match effect {
                Effect::Scan if self.fail > 0 => {
                    self.fail -= 1;
                    Some(Input::ScanFailed(Reason::new("permission denied")))
                }
                Effect::Scan => Some(self.scan(now)),
                Effect::ReadHead => Some(Input::Head(Head {
                    revision: Revision::new(format!("{:040x}", self.commits)),
                    contents: Arc::new(self.head.iter().map(|(path, text)| (path.clone(), content(text))).collect()),
                    readiness: self.readiness.clone(),
                    deletions_max: DELETIONS_MAX,
                })),
                Effect::Commit(batch) => Some(self.commit(now, &batch)),
                Effect::Report(report) => {
                    self.log.push(format!("{now} {report}"));
                    None
                }
                Effect::Stopped => {
                    self.log.push(format!("{now} stopped"));
                    None
                }
            };
            if let Some(answer) = answer {
                self.engine.step(self.given(now), answer);
            }
        }
    }

    pub(super) fn scan(&mut self, now: u64) -> Input {
        self.scans.push(now);
        let seen = |(path, (text, stamp)): (&DocPath, &(String, u64))| {
            let fault = is_broken(text).then(|| Diagnostic::error(Code::ConflictMarkers, "conflict markers"));
            (path.clone(), ScannedDocument { content: Some(content(text)), stamp: *stamp, fault })
        };
        let is_own = |(path, text): &(&DocPath, &Option<String>)| self.files.get(*path).map(|f| &f.0) == text.as_ref();
        let own: BTreeSet<DocPath> = self.own.iter().filter(is_own).map(|(path, _)| path.clone()).collect();
        Input::Scanned { files: self.files.iter().map(seen).collect(), own }
    }

    pub(super) fn commit(&mut self, now: u64, batch: &Batch) -> Input {
        if self.refuse.0 > 0 {
            self.refuse.0 -= 1;
            return Input::CommitRefused { reason: Reason::new("no identity"), retry: self.refuse.1 };
        }
        if self.leave_out > 0 {
            self.leave_out -= 1;
            return Input::Committed(BTreeSet::new());
        }
        for (path, admitted) in &batch.changes {
            let text = self.files.get(path).map(|(text, _)| text.clone());
            assert_eq!(text.as_deref().map(content), *admitted, "what is committed is what was admitted");
            match text {
                Some(text) => self.head.insert(path.clone(), text),
                None => self.head.remove(path),
            };
        }
        self.commits += 1;
        let mut names: Vec<&str> = batch.changes.keys().map(DocPath::stem).collect();
        if names.len() > 5 {
            names = vec![names[0], "...", names[names.len() - 1]];
        }
        self.log.push(format!("{now} commit {}", names.join(" ")));
        Input::Committed(batch.changes.keys().cloned().collect())
    }

    /// The next moment at which the engine wants to be woken.
    pub(super) fn wake(&self) -> Option<u64> {
        self.engine.wake_at().map(|at| u64::try_from(at.cast_signed() - self.clock).unwrap_or(0))
    }
}
