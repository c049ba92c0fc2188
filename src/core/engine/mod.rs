//! Decides when to look, what has settled and may be committed, and what is held back and why. Knows no file, no git, no
//! network, no clock and no thread: [`Input`] in, [`Effect`] out.
//!
//! ```text
//! engine.step(now_ms, input);
//! while let Some(effect) = engine.poll() { /* do it; answer with step */ }
//! // then sleep until engine.wake_at() or the next input; `None` is for ever
//! ```
//!
//! One round at a time: `Scan`, `ReadHead`, then perhaps `Commit`. Start-up is a round over everything, so a restart after
//! a crash needs no code of its own. What was admitted travels with the commit, so a file that changes in between is not
//! committed half-way.

mod admission;
mod language;
mod pace;
mod voice;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub use admission::{Admission, After, ChangeOrigin, DELETIONS_MAX, Force, Held, PendingChange, Why, admit, changes};
pub use language::{Batch, Effect, Head, Input, Readiness, Reason, Report, Retry, ScannedDocument};
pub use pace::{
    DELETION_SETTLE_MS, MOVING_MS_MAX, PATIENCE_MS, QUIET_MS, QUIET_MS_MAX, RETRY_MS_MAX, RETRY_MS_MIN,
    ROUND_GAP_MS_MAX, ROUND_GAP_MS_MIN, SAFETY_SCAN_MS, SETTLE_MS, SETTLE_MS_MAX, STOP_MS_MAX,
};

use crate::core::name::DocPath;
use crate::core::sabotage::{self, Sabotage};
use pace::{Backoff, Burst, Clock, Haste, Traces, settled_at};
use voice::Voice;

/// The decision core.
#[derive(Debug)]
pub struct Engine {
    clock: Clock,
    phase: Phase,
    /// Wake-ups since the last scan began.
    burst: Option<Burst>,
    /// Changes that wait, and since when.
    traces: Traces,
    /// When the next change settles.
    settles: Option<u64>,
    /// Something is in the way; while it is, settled changes wait for its time instead.
    hindered: Option<Backoff>,
    /// Whether file events come.
    events: Events,
    /// The last round.
    round: Option<Round>,
    /// When stopping was asked for.
    stop: Option<u64>,
    /// Changes that the last round found, for the last word.
    waiting: BTreeSet<DocPath>,
    voice: Voice,
    effects: VecDeque<Effect>,
}

#[derive(Debug)]
enum Phase {
    Idle,
    Scanning,
    Reading { files: BTreeMap<DocPath, ScannedDocument>, own: BTreeSet<DocPath> },
    Committing { paths: BTreeSet<DocPath> },
    Stopped,
}

/// When a round began and ended.
#[derive(Debug, Clone, Copy)]
struct Round {
    began: u64,
    ended: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Events {
    Native,
    Polling,
}

impl Default for Engine {
    fn default() -> Self {
        Self::new()
    }
}

impl Engine {
    /// An engine to which everything is new: its first step asks for a scan.
    #[must_use]
    pub fn new() -> Self {
        Self {
            clock: Clock::default(),
            phase: Phase::Idle,
            burst: (!sabotage::on(Sabotage::NoFirstLook)).then_some(Burst { first: 0, last: 0 }),
            traces: Traces::default(),
            settles: None,
            hindered: None,
            events: Events::Native,
            round: None,
            stop: None,
            waiting: BTreeSet::new(),
            voice: Voice::default(),
            effects: VecDeque::new(),
        }
    }

    /// Takes in what happened. `now_ms` is any clock in milliseconds; it may jump.
    pub fn step(&mut self, now_ms: u64, input: Input) {
        self.clock.advance(now_ms);
        match (input, std::mem::replace(&mut self.phase, Phase::Idle)) {
            (_, Phase::Stopped) => self.phase = Phase::Stopped,
            (Input::Scanned { files, own }, Phase::Scanning) => {
                self.phase = Phase::Reading { files, own };
                self.effects.push_back(Effect::ReadHead);
            }
            (Input::ScanFailed(reason), Phase::Scanning) | (Input::HeadFailed(reason), Phase::Reading { .. }) => {
                self.rest();
                self.hinder(RETRY_MS_MIN);
                self.voice.failed(&mut self.effects, reason);
                self.stop_if_late();
            }
            (Input::Head(head), Phase::Reading { files, own }) => self.decide(&files, &own, &head),
            (Input::Committed(done), Phase::Committing { paths }) => self.committed(&paths, &done),
            (Input::CommitRefused { reason, retry }, Phase::Committing { paths }) => {
                if sabotage::on(Sabotage::SkipRefused) {
                    self.traces.bar(&paths);
                }
                self.refused(reason, retry);
            }
            (other, phase) => {
                self.phase = phase;
                self.note(other);
            }
        }
        self.advance();
    }

    /// The next thing to do, if any.
    pub fn poll(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When to step again with [`Input::Tick`], on the clock given to [`Engine::step`]; `None`: only when something happens.
    #[must_use]
    pub fn wake_at(&self) -> Option<u64> {
        match self.phase {
            Phase::Idle => self.due().map(|due| self.clock.given(due)),
            _ => None,
        }
    }

    /// Tells whether commits wait for something, so that its end should wake the engine.
    #[must_use]
    pub fn is_hindered(&self) -> bool {
        self.hindered.is_some()
    }

    /// What may come at any time. An answer to a question that was not asked changes nothing.
    fn note(&mut self, input: Input) {
        let now = self.clock.now();
        match input {
            Input::Woken if self.is_at_work() && sabotage::on(Sabotage::LoseWakeUp) => {}
            Input::Woken => {
                let first = self.burst.map_or(now, |burst| burst.first);
                self.burst = Some(Burst { first, last: now });
            }
            Input::Degraded(reason) => {
                self.events = Events::Polling;
                self.voice.degraded(&mut self.effects, reason);
            }
            Input::Restored => {
                self.events = Events::Native;
                self.voice.restored(&mut self.effects);
                self.burst.get_or_insert(Burst { first: now, last: now });
            }
            Input::Stop if self.stop.is_some() || sabotage::on(Sabotage::StopAtOnce) => self.end(),
            Input::Stop => {
                self.stop = Some(now);
                self.burst = Some(Burst { first: now.saturating_sub(QUIET_MS_MAX), last: now });
            }
            _ => {}
        }
    }

    /// Begins a round if one is due.
    fn advance(&mut self) {
        let now = self.clock.now();
        if matches!(self.phase, Phase::Idle) && self.due().is_some_and(|due| due <= now) {
            self.burst = None;
            self.round = Some(Round { began: now, ended: now });
            self.phase = Phase::Scanning;
            self.effects.push_back(Effect::Scan);
        }
    }

    fn is_at_work(&self) -> bool {
        !matches!(self.phase, Phase::Idle)
    }

    fn due(&self) -> Option<u64> {
        let Some(Round { began, ended }) = self.round else {
            return self.burst.map(|_| self.clock.now());
        };
        let look = self.burst.map(Burst::due);
        let polls = self.events == Events::Polling && !sabotage::on(Sabotage::NoSafetyScan);
        let safety = (polls || sabotage::on(Sabotage::NeverSleep)).then_some(ended + SAFETY_SCAN_MS);
        let commit = self.hindered.map(|backoff| backoff.due).or(self.settles);
        let deadline = self.stop.filter(|_| !sabotage::on(Sabotage::StopNever)).map(|since| since + STOP_MS_MAX);
        let due = [look, safety, commit, deadline].into_iter().flatten().min()?;
        let gap = match self.stop {
            _ if sabotage::on(Sabotage::NoPause) => 0,
            None => (2 * (ended - began)).clamp(ROUND_GAP_MS_MIN, ROUND_GAP_MS_MAX),
            Some(_) => ROUND_GAP_MS_MIN,
        };
        Some(due.max(ended + gap))
    }

    /// The heart: what differs, what has settled, what may go.
    fn decide(&mut self, files: &BTreeMap<DocPath, ScannedDocument>, own: &BTreeSet<DocPath>, head: &Head) {
        // A change is as old as the beginning of the scan that saw it: it may have moved again while the scan went on.
        let seen_at = self.rest();
        self.voice.looked();
        let changes = changes(&head.contents, files, own);
        self.traces.follow(seen_at, &changes, files);
        let haste = if self.stop.is_some() { Haste::Finish } else { Haste::Settle };
        let settled_at = settled_at(&changes, &self.traces, haste);
        self.settles = settled_at.values().copied().filter(|at| *at > seen_at).min();
        let (settled, pending) =
            settled_at.into_iter().fold(<(BTreeSet<_>, BTreeSet<_>)>::default(), |mut sets, (path, at)| {
                if at <= seen_at {
                    sets.0.insert(path)
                } else {
                    sets.1.insert(path)
                };
                sets
            });

        let mut admission = admit(&changes, head.contents.len(), head.deletions_max, Force::No);
        admission.held.retain(|held| settled.contains(&held.path));
        admission.held.extend(self.traces.moving(&pending));
        self.voice.held(&mut self.effects, &admission.held, &pending);
        let ready = match &admission.commit & &settled {
            some if !some.is_empty() && sabotage::on(Sabotage::CommitAlong) => admission.commit.clone(),
            ready => ready,
        };
        self.waiting = admission.commit;
        // Stopping, everything goes in one last commit, unless time runs out.
        if ready.is_empty() || self.is_holding_the_door(&pending) {
            self.nothing_to_commit(&pending);
        } else {
            self.commit(head, ready, &changes);
        }
    }

    fn is_holding_the_door(&self, pending: &BTreeSet<DocPath>) -> bool {
        !pending.is_empty() && self.stop.is_some_and(|since| self.clock.now() < since + STOP_MS_MAX / 2)
    }

    fn nothing_to_commit(&mut self, pending: &BTreeSet<DocPath>) {
        self.unhinder();
        if self.stop.is_some() && !self.is_holding_the_door(pending) {
            self.end();
        }
    }

    fn commit(&mut self, head: &Head, ready: BTreeSet<DocPath>, changes: &BTreeMap<DocPath, PendingChange>) {
        let readiness = if sabotage::on(Sabotage::IgnoreBusy) { &Readiness::Ready } else { &head.readiness };
        match readiness {
            Readiness::Ready => {
                let changes = changes.iter().filter(|(path, _)| ready.contains(path));
                let changes = changes.map(|(path, change)| (path.clone(), change.content().cloned())).collect();
                self.effects.push_back(Effect::Commit(Batch { base: head.revision.clone(), changes }));
                self.phase = Phase::Committing { paths: ready };
            }
            Readiness::Busy(reason) => self.wait(reason.clone()),
            Readiness::Never(reason) => {
                self.hindered = None;
                self.voice.waiting(&mut self.effects, reason.clone());
                self.stop_if_asked();
            }
        }
    }

    fn wait(&mut self, reason: Reason) {
        self.hinder(RETRY_MS_MIN);
        let now = self.clock.now();
        if self.hindered.is_some_and(|backoff| now - backoff.since >= PATIENCE_MS) || self.stop.is_some() {
            self.voice.waiting(&mut self.effects, reason);
        }
        self.stop_if_late();
    }

    fn committed(&mut self, paths: &BTreeSet<DocPath>, done: &BTreeSet<DocPath>) {
        self.rest();
        if done.is_empty() {
            return self.wait(Reason::new("the documents change while they are committed"));
        }
        self.unhinder();
        self.traces.forget(done);
        self.waiting.retain(|path| !done.contains(path));
        if !paths.is_subset(done) {
            // What moved under the commit is looked at again, as if freshly touched.
            let now = self.clock.now();
            self.burst.get_or_insert(Burst { first: now, last: now });
        }
        if self.stop.is_some() && self.waiting.is_empty() {
            self.end();
        }
    }

    fn refused(&mut self, reason: Reason, retry: Retry) {
        self.rest();
        match retry {
            Retry::Soon => self.wait(reason),
            Retry::Late => {
                self.hinder(RETRY_MS_MAX);
                self.voice.refused(&mut self.effects, reason);
                self.stop_if_asked();
            }
        }
    }

    /// Ends a round, or the commit after it; gives the moment at which it began.
    fn rest(&mut self) -> u64 {
        let now = self.clock.now();
        let began = self.round.map_or(now, |round| round.began);
        self.round = Some(Round { began, ended: now });
        began
    }

    fn hinder(&mut self, least: u64) {
        let least = if sabotage::on(Sabotage::NoPause) { 0 } else { least };
        if !sabotage::on(Sabotage::ForgetRetry) {
            self.hindered = Some(Backoff::after(self.hindered, self.clock.now(), least));
        }
    }

    fn unhinder(&mut self) {
        self.hindered = None;
        self.voice.resumed(&mut self.effects);
    }

    fn stop_if_late(&mut self) {
        if self.stop.is_some_and(|since| self.clock.now() >= since + STOP_MS_MAX) && !sabotage::on(Sabotage::StopNever)
        {
            self.end();
        }
    }

    fn stop_if_asked(&mut self) {
        if self.stop.is_some() {
            self.end();
        }
    }

    /// The last words.
    fn end(&mut self) {
        if !matches!(self.phase, Phase::Stopped) {
            self.phase = Phase::Stopped;
            if !self.waiting.is_empty() {
                self.effects.push_back(Effect::Report(Report::Left(std::mem::take(&mut self.waiting))));
            }
            self.effects.push_back(Effect::Stopped);
        }
    }
}

#[cfg(test)]
mod tests;
