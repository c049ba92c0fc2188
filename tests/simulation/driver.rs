//! Does what the engine asks for, with faults, and judges every commit and every word.

use std::collections::BTreeSet;
use std::sync::Arc;

use mycelium::diagnostic::{Code, Diagnostic};
use mycelium::engine::{
    Batch, DELETION_SETTLE_MS, DELETIONS_MAX, Effect, Head, Input, Readiness, Reason, Report, Retry, STOP_MS_MAX, Seen,
};
use mycelium::name::{ContentId, DocPath, Revision};

use crate::world::{Faults, File, Hand, Later, World};

const EFFECTS_PER_SECOND_MAX: usize = 50;
const EFFECTS_PER_TEN_SECONDS_MAX: usize = 200;

impl World {
    pub(crate) fn step(&mut self, input: Input) {
        let given = self.given();
        self.engine.step(given, input);
        while let Some(effect) = self.engine.poll() {
            self.count_effect();
            assert!(!self.stopped, "nothing follows the end");
            let Some(answer) = self.carry_out(effect) else { continue };
            // Work takes time, and now and then the process dies between doing and knowing.
            if self.faults == Faults::EvenClock {
                self.now += self.below(20);
                self.write_meanwhile();
            }
            if self.below(400) == 0 && self.stopping.is_none() {
                return self.crash();
            }
            let given = self.given();
            self.engine.step(given, answer);
        }
        if self.stopped {
            let took = self.now - self.stopping.expect("it was told to stop");
            assert!(self.faults == Faults::JumpingClock || took < STOP_MS_MAX + 500, "stopping took {took} ms");
            self.note("stopped");
            self.start();
        }
    }

    /// Files change while the engine's work is done: after the scan, before the commit.
    pub(crate) fn write_meanwhile(&mut self) {
        let is_write =
            |(at, what): (&(u64, u64), &Later)| (at.0 <= self.now && matches!(what, Later::Write(..))).then_some(*at);
        let due: Vec<(u64, u64)> = self.later.iter().filter_map(is_write).collect();
        for key in due {
            if let Some(Later::Write(path, text)) = self.later.remove(&key) {
                self.put(&path, text, Hand::Person);
            }
        }
    }

    pub(crate) fn given(&self) -> u64 {
        self.now.checked_add_signed(self.clock_ahead).expect("after 1970")
    }

    pub(crate) fn count_effect(&mut self) {
        let now = self.now;
        self.effects.push_back(now);
        while self.effects.front().is_some_and(|at| at + 10_000 < now) {
            self.effects.pop_front();
        }
        if self.faults == Faults::EvenClock {
            let in_a_second = self.effects.iter().rev().take_while(|at| **at + 1_000 >= now).count();
            assert!(in_a_second <= EFFECTS_PER_SECOND_MAX, "{in_a_second} effects in a second");
            let in_ten = self.effects.len();
            assert!(in_ten <= EFFECTS_PER_TEN_SECONDS_MAX, "{in_ten} effects in ten seconds");
        }
    }

    pub(crate) fn carry_out(&mut self, effect: Effect) -> Option<Input> {
        match effect {
            Effect::Scan if self.failures > 0 => {
                self.failures -= 1;
                Some(Input::ScanFailed(Reason::new("permission denied")))
            }
            Effect::Scan => {
                self.said.retain(|report| !matches!(report, Report::Failed(_)));
                Some(self.scan())
            }
            Effect::ReadHead => Some(Input::Head(self.head())),
            Effect::Commit(batch) => Some(self.commit(&batch)),
            Effect::Report(report) => {
                self.note(format_args!("report: {report}"));
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
            Report::Guarded { .. } | Report::Left(_) => {}
            Report::Held(held) => {
                self.said.retain(|said| !matches!(said, Report::Held(old) if old.path == held.path));
                self.said.push(report);
            }
            // Another hindrance takes the place of the one before.
            Report::Waiting(_) => {
                self.said.retain(|said| !matches!(said, Report::Waiting(_)));
                self.said.push(report);
            }
            Report::Refused(_) | Report::Failed(_) | Report::Degraded(_) => self.said.push(report),
        }
    }

    pub(crate) fn scan(&mut self) -> Input {
        self.files.values_mut().for_each(|file| file.unseen = None);
        let seen = |(path, file): (&DocPath, &File)| {
            let broken = file.text.starts_with("broken");
            let fault = broken.then(|| Diagnostic::error(Code::YamlSyntax, "not valid YAML"));
            (path.clone(), Seen { content: Some(content(&file.text)), stamp: file.stamp, fault })
        };
        let written = self.files.iter().filter(|(_, file)| file.by == Hand::Agent).map(|(path, _)| path);
        let removed = self.absences.iter().filter(|(_, absence)| absence.by == Hand::Agent).map(|(path, _)| path);
        Input::Scanned { files: self.files.iter().map(seen).collect(), own: written.chain(removed).cloned().collect() }
    }

    pub(crate) fn head(&self) -> Head {
        let contents = self.branches[self.current].iter().map(|(path, text)| (path.clone(), content(text)));
        Head { revision: self.tip(), contents: Arc::new(contents.collect()), readiness: self.readiness.clone() }
    }

    pub(crate) fn tip(&self) -> Option<Revision> {
        Revision::new(format!("{:040x}", self.revision))
    }

    pub(crate) fn commit(&mut self, batch: &Batch) -> Input {
        let refused = |what: &str, retry| Input::CommitRefused { reason: Reason::new(what), retry };
        if self.refusals > 0 {
            self.refusals -= 1;
            let retry = if self.refusals == 2 { Retry::Late } else { Retry::Soon };
            return refused("no luck", retry);
        }
        if batch.base != self.tip() || self.readiness != Readiness::Ready {
            return refused("the branch moved", Retry::Soon);
        }
        let mut done = BTreeSet::new();
        let mut lost = 0;
        let documents = self.branches[self.current].len();
        for (path, admitted) in &batch.changes {
            let text = self.files.get(path).map(|file| file.text.clone());
            if text.as_deref().map(content) != *admitted {
                continue;
            }
            lost += usize::from(self.judge(path));
            match text {
                Some(text) => self.branches[self.current].insert(path.clone(), text),
                None => self.branches[self.current].remove(path),
            };
            done.insert(path.clone());
        }
        assert!(lost <= DELETIONS_MAX, "{lost} deletions at once");
        assert!(lost == 0 || lost < documents, "all documents deleted");
        let names: Vec<&str> = done.iter().map(DocPath::stem).collect();
        let names = names.join(" ");
        self.note(format_args!("commit of {names}"));
        if !done.is_empty() {
            self.revision += 1;
            self.commits += 1;
            self.ring();
        }
        Input::Committed(done)
    }

    /// Whether this may be committed; tells whether it is the loss of a document.
    pub(crate) fn judge(&self, path: &DocPath) -> bool {
        if let Some(file) = self.files.get(path) {
            assert!(file.by != Hand::Git, "{path} was written by git: it is no edit");
            assert!(!file.text.starts_with("torn"), "{path} is torn: {}", file.text);
            assert!(!file.text.starts_with("broken"), "{path} does not parse");
            return false;
        }
        let Some(absence) = self.absences.get(path) else { panic!("{path} never was") };
        assert!(absence.by != Hand::Git, "{path} was removed by git: it is no edit");
        let rested = self.now - absence.since >= DELETION_SETTLE_MS;
        let excused = absence.by == Hand::Agent || self.stopping.is_some() || self.faults == Faults::JumpingClock;
        assert!(rested || excused, "{path} is gone for a moment only");
        absence.by == Hand::Person
    }
}

fn content(text: &str) -> ContentId {
    let mut digest = 0xcbf2_9ce4_8422_2325_u64;
    for byte in text.bytes() {
        digest = (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    ContentId::new(format!("{digest:040x}")).expect("40 digits")
}
