//! Says each thing once, and again only after it had ended. Never decides anything.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::core::engine::admission::{Held, Why};
use crate::core::engine::language::{Effect, Reason, Report};
use crate::core::name::DocPath;
use crate::core::sabotage::{self, Sabotage};

/// What was said and is still so.
#[derive(Debug, Default)]
pub(crate) struct Voice {
    held: BTreeMap<DocPath, Why>,
    guarded: Option<(usize, usize)>,
    waiting: Option<Reason>,
    refused: Option<Reason>,
    failed: Option<Reason>,
    degraded: Option<Reason>,
}

/// Says a reason unless it was the last thing said on its subject.
fn say(effects: &mut VecDeque<Effect>, said: &mut Option<Reason>, reason: Reason, report: fn(Reason) -> Report) {
    if said.as_ref() != Some(&reason) || sabotage::on(Sabotage::RepeatWords) {
        *said = Some(reason.clone());
        effects.push_back(Effect::Report(report(reason)));
    }
}

impl Voice {
    /// Tells what is held back now. Of a document that is `pending` nothing is known yet, so nothing is said.
    pub(crate) fn held(&mut self, effects: &mut VecDeque<Effect>, held: &[Held], pending: &BTreeSet<DocPath>) {
        let now: BTreeMap<&DocPath, &Why> = held.iter().map(|held| (&held.path, &held.why)).collect();
        let healed: Vec<DocPath> =
            self.held.keys().filter(|path| !now.contains_key(path) && !pending.contains(*path)).cloned().collect();
        for path in healed {
            self.held.remove(&path);
            effects.push_back(Effect::Report(Report::Healed(path)));
        }
        let mut guarded = None;
        for Held { path, why } in held {
            if let Why::Deletions { deleted, of } = why {
                guarded = Some((*deleted, *of));
            } else if self.held.get(path) != Some(why) {
                self.held.insert(path.clone(), why.clone());
                effects.push_back(Effect::Report(Report::Held(Held { path: path.clone(), why: why.clone() })));
            }
        }
        if let Some((deleted, of)) = guarded.filter(|_| guarded != self.guarded) {
            effects.push_back(Effect::Report(Report::Guarded { deleted, of }));
        }
        self.guarded = guarded;
    }

    pub(crate) fn waiting(&mut self, effects: &mut VecDeque<Effect>, reason: Reason) {
        say(effects, &mut self.waiting, reason, Report::Waiting);
    }

    pub(crate) fn refused(&mut self, effects: &mut VecDeque<Effect>, reason: Reason) {
        say(effects, &mut self.refused, reason, Report::Refused);
    }

    pub(crate) fn failed(&mut self, effects: &mut VecDeque<Effect>, reason: Reason) {
        say(effects, &mut self.failed, reason, Report::Failed);
    }

    pub(crate) fn degraded(&mut self, effects: &mut VecDeque<Effect>, reason: Reason) {
        say(effects, &mut self.degraded, reason, Report::Degraded);
    }

    pub(crate) fn restored(&mut self, effects: &mut VecDeque<Effect>) {
        if self.degraded.take().is_some() {
            effects.push_back(Effect::Report(Report::Restored));
        }
    }

    /// The folder and the repository could be read.
    pub(crate) fn looked(&mut self) {
        self.failed = None;
    }

    /// Nothing is in the way of commits any more.
    pub(crate) fn resumed(&mut self, effects: &mut VecDeque<Effect>) {
        let waited = self.waiting.take().is_some();
        let refused = self.refused.take().is_some();
        if (waited || refused) && !sabotage::on(Sabotage::SwallowEnd) {
            effects.push_back(Effect::Report(Report::Resumed));
        }
    }
}
