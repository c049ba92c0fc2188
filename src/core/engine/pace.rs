//! When things are due: coalescing of wake-ups, settling of changes, pauses between tries. Numbers only; no clock is read.

use std::collections::{BTreeMap, BTreeSet};

use crate::core::engine::admission::{After, ChangeOrigin, Held, PendingChange, Why, losses};
use crate::core::engine::language::ScannedDocument;
use crate::core::name::{ContentId, DocPath};
use crate::core::sabotage::{self, Sabotage};

/// A scan follows this long after the last wake-up of a burst, in ms.
pub const QUIET_MS: u64 = 30;
/// A scan follows at most this long after the first wake-up of a burst, in ms.
pub const QUIET_MS_MAX: u64 = 200;
/// Least pause between two rounds, in ms; a slow round is followed by twice its own length.
pub const ROUND_GAP_MS_MIN: u64 = 50;
/// Longest pause between two rounds, in ms.
pub const ROUND_GAP_MS_MAX: u64 = 1_000;
/// A change by hand settles this long after it was last seen to move, in ms.
pub const SETTLE_MS: u64 = 200;
/// A burst is committed at most this long after its first change, in ms.
pub const SETTLE_MS_MAX: u64 = 2_000;
/// A deletion by hand settles this long, in ms: editors delete and make again.
pub const DELETION_SETTLE_MS: u64 = 2_000;
/// A file that moves longer than this is reported, in ms.
pub const MOVING_MS_MAX: u64 = 10_000;
/// Pause between two looks while file events do not come, in ms.
pub const SAFETY_SCAN_MS: u64 = 2_000;
/// First pause after something failed, in ms; each further one is twice as long.
pub const RETRY_MS_MIN: u64 = 100;
/// Longest pause after something failed, in ms.
pub const RETRY_MS_MAX: u64 = 30_000;
/// A hindrance that ends within this time is not worth a word, in ms.
pub const PATIENCE_MS: u64 = 1_000;
/// After being told to stop, at most this long is spent on the last changes, in ms.
pub const STOP_MS_MAX: u64 = 2_000;

/// Time as the engine counts it: it starts at 0 and never goes back, however the given clock jumps.
#[derive(Debug, Clone, Default)]
pub(crate) struct Clock {
    given: Option<u64>,
    at: u64,
}

impl Clock {
    pub(crate) fn advance(&mut self, now_ms: u64) -> u64 {
        let passed = self.given.map_or(0, |given| now_ms.saturating_sub(given));
        let is_behind = self.given.is_some_and(|given| now_ms < given);
        if !(is_behind && sabotage::on(Sabotage::ClockBackForever)) {
            self.given = Some(now_ms);
        }
        self.at = self.at.saturating_add(passed);
        self.at
    }

    pub(crate) fn now(&self) -> u64 {
        self.at
    }

    /// A moment of the engine's time on the given clock.
    pub(crate) fn given(&self, due: u64) -> u64 {
        self.given.unwrap_or(0).saturating_add(due.saturating_sub(self.at))
    }
}

/// Wake-ups that are not looked into yet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Burst {
    pub(crate) first: u64,
    pub(crate) last: u64,
}

impl Burst {
    pub(crate) fn due(self) -> u64 {
        (self.last + QUIET_MS).min(self.first + QUIET_MS_MAX)
    }
}

/// Growing pauses.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Backoff {
    pub(crate) since: u64,
    pub(crate) due: u64,
    pause: u64,
    least: u64,
}

impl Backoff {
    /// The next pause after `before`, at least `least` long. A try before its time does not make the pause longer, and
    /// another kind of hindrance begins anew.
    pub(crate) fn after(before: Option<Self>, now: u64, least: u64) -> Self {
        let since = before.map_or(now, |before| before.since);
        match before.filter(|before| before.least == least) {
            Some(before) if before.due > now => before,
            Some(before) => {
                let pause = (before.pause * 2).min(RETRY_MS_MAX);
                Self { due: now + pause, pause, ..before }
            }
            None => Self { since, due: now + least, pause: least, least },
        }
    }
}

/// What is known of one change over time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trace {
    content: Option<ContentId>,
    stamp: u64,
    /// When its burst began for it.
    first: u64,
    /// When it last looked different.
    last: u64,
    /// Since when it has not paused.
    restless: u64,
}

/// The changes that wait, and since when.
#[derive(Debug, Clone, Default)]
pub(crate) struct Traces(BTreeMap<DocPath, Trace>);

impl Traces {
    /// Takes in what a scan found: a change that looks as before keeps its age, any other is fresh.
    pub(crate) fn follow(
        &mut self,
        now: u64,
        changes: &BTreeMap<DocPath, PendingChange>,
        files: &BTreeMap<DocPath, ScannedDocument>,
    ) {
        let mut before = std::mem::take(&mut self.0);
        for path in changes.keys() {
            let (content, stamp) = files.get(path).map_or((None, 0), |seen| (seen.content.clone(), seen.stamp));
            let trace = match before.remove(path) {
                Some(old) if old.content == content && old.stamp == stamp => old,
                Some(old) => {
                    let paused = now >= old.last + 2 * SETTLE_MS;
                    let restless = if paused { now } else { old.restless };
                    Trace { content, stamp, first: old.first, last: now, restless }
                }
                None => Trace { content, stamp, first: now, last: now, restless: now },
            };
            self.0.insert(path.clone(), trace);
        }
    }

    /// These are committed; what is left belongs to the next burst.
    pub(crate) fn forget(&mut self, done: &BTreeSet<DocPath>) {
        self.0.retain(|path, _| !done.contains(path));
        self.0.values_mut().for_each(|trace| trace.first = trace.last);
    }

    /// These never settle again: a break on purpose.
    pub(crate) fn bar(&mut self, paths: &BTreeSet<DocPath>) {
        let barred = self.0.iter_mut().filter(|(path, _)| paths.contains(*path));
        barred.for_each(|(_, trace)| trace.last = u64::MAX / 2);
    }

    /// Those that have been moving for too long.
    pub(crate) fn moving(&self, pending: &BTreeSet<DocPath>) -> impl Iterator<Item = Held> {
        let moving = |path: &&DocPath| self.get(path).is_some_and(|trace| trace.last - trace.restless > MOVING_MS_MAX);
        pending.iter().filter(moving).map(|path| Held { path: path.clone(), why: Why::Moving })
    }

    pub(crate) fn get(&self, path: &DocPath) -> Option<&Trace> {
        self.0.get(path)
    }
}

/// How urgent the pace is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Haste {
    /// Wait for the end of a burst.
    Settle,
    /// Stopping: no waiting for others, deletions like edits.
    Finish,
}

/// From when on each change counts as settled.
pub(crate) fn settled_at(
    changes: &BTreeMap<DocPath, PendingChange>,
    traces: &Traces,
    haste: Haste,
) -> BTreeMap<DocPath, u64> {
    let losses = losses(changes);
    // What does not parse may stay so for days: others do not wait for it.
    let counts = |path: &DocPath, change: &PendingChange| {
        change.origin == ChangeOrigin::Hand && !matches!(change.after, After::Faulty(..)) && !losses.contains(path)
    };
    let edits = changes.iter().filter(|(path, change)| counts(path, change)).filter_map(|(path, _)| traces.get(path));
    let (first, last) = edits.fold((u64::MAX, 0), |(first, last), t| (first.min(t.first), last.max(t.last)));
    let burst_end = (last + SETTLE_MS).min(first.saturating_add(SETTLE_MS_MAX));
    let mut at = BTreeMap::new();
    for (path, change) in changes {
        let Some(trace) = traces.get(path) else { continue };
        let alone = trace.last + SETTLE_MS;
        let is_slow = losses.contains(path) && !sabotage::on(Sabotage::DeletionAtOnce);
        let settled = match (&change.after, change.origin, haste) {
            _ if sabotage::on(Sabotage::CommitUnsettled) => trace.last,
            (After::Faulty(..), ..) | (_, ChangeOrigin::Hand, Haste::Finish) => alone,
            (_, ChangeOrigin::Journal, _) => trace.last,
            _ if is_slow => trace.last + DELETION_SETTLE_MS,
            _ => alone.max(burst_end),
        };
        at.insert(path.clone(), settled);
    }
    at
}
