//! One document of several versions that a conflict left: what becomes of it. Pure; reads and writes nothing.

use std::collections::HashSet;

use crate::core::document::Document;
use crate::core::merge::{self, Conflict, Decision, MergeSide, MergeSides, Merged};
use crate::core::name::DocPath;

/// How many conflicts one inside the other are taken apart.
const DEPTH_MAX: usize = 32;

/// The versions of a document.
#[derive(Debug, Clone)]
pub(super) struct Versions {
    pub(super) base: Option<Document>,
    pub(super) ours: Document,
    pub(super) theirs: Document,
    /// The side from which the other has gone on: the merge takes it for what both came from.
    pub(super) behind: Option<MergeSide>,
    /// The side that the remote has already, if it has one of them.
    pub(super) pushed: Option<MergeSide>,
}

/// What becomes of a document, and whether a person had decided it before.
#[derive(Debug, Clone)]
pub(super) struct Verdict {
    pub(super) merged: Merged,
    pub(super) by_hand: bool,
}

impl Versions {
    /// Versions of which no side is behind, nor known to be pushed.
    pub(super) const fn new(base: Option<Document>, ours: Document, theirs: Document) -> Self {
        Self { base, ours, theirs, behind: None, pushed: None }
    }

    /// The document of these versions, given what lies in the work tree: what somebody changed there by hand is kept. A
    /// version of one side is that too if `is_decided`: somebody put it there.
    pub(super) fn settle(
        &self,
        path: &DocPath,
        here: Option<&Document>,
        side: Option<MergeSide>,
        is_decided: bool,
    ) -> Verdict {
        let merged = |versions: &Self| Verdict { merged: versions.merge(path, side), by_hand: false };
        let is_by_hand = |here: &&Document| is_decided || **here != self.ours && **here != self.theirs;
        let Some(here) = here.filter(is_by_hand) else { return merged(self) };
        match merge::sides(here.text()) {
            Some((_, ours, theirs)) if !self.is_as_left(&ours, &theirs) => {
                let parse = |text: String| Document::parse(text.into_bytes());
                merged(&Self::new(self.base.clone(), parse(ours), parse(theirs)))
            }
            Some(_) => merged(self),
            None => {
                let kept = Merged { document: here.clone(), conflicts: Vec::new(), decisions: Vec::new() };
                Verdict { merged: readable(kept), by_hand: true }
            }
        }
    }

    /// Tells whether our version is what stands in the file though nobody decided for it: there is no place for markers, or
    /// git takes it for no text.
    pub(super) fn is_left_without_markers(&self, path: &DocPath) -> bool {
        let is_binary = |document: &Document| document.bytes().contains(&0);
        if self.base.iter().chain([&self.ours, &self.theirs]).any(is_binary) {
            return true;
        }
        let merged = Self { behind: None, ..self.clone() }.merge(path, None);
        !merged.conflicts.is_empty() && merged.document == self.ours
    }

    fn merge(&self, path: &DocPath, side: Option<MergeSide>) -> Merged {
        let base = match self.behind {
            Some(MergeSide::Ours) => Some(&self.ours),
            Some(MergeSide::Theirs) => Some(&self.theirs),
            None => self.base.as_ref(),
        };
        let merged = merge::document(path, base, &self.ours, &self.theirs, &MergeSides::GIT.with_pushed(self.pushed));
        let merged = readable(merged);
        match side {
            Some(side) if !merged.conflicts.is_empty() => self.pick(merged, side),
            _ => merged,
        }
    }

    /// The same with one side's version of whatever is undecided.
    fn pick(&self, mut merged: Merged, side: MergeSide) -> Merged {
        let text = std::str::from_utf8(merged.document.bytes()).unwrap_or_default();
        let take = |text: &str| match (merge::sides(text)?, side) {
            ((_, ours, _), MergeSide::Ours) => Some(ours),
            ((_, _, theirs), MergeSide::Theirs) => Some(theirs),
        };
        // A conflict may have another one inside.
        let taken = std::iter::successors(take(text), |text| take(text)).take(DEPTH_MAX).last();
        let document = match (taken, side) {
            (Some(text), _) => Document::parse(text.into_bytes()),
            (None, MergeSide::Ours) => self.ours.clone(),
            (None, MergeSide::Theirs) => self.theirs.clone(),
        };
        let picked = readable(Merged { document, conflicts: Vec::new(), decisions: Vec::new() });
        if !picked.conflicts.is_empty() {
            return merged;
        }
        let rule = if side == MergeSide::Ours { "--ours" } else { "--theirs" };
        merged.decisions.extend(merged.conflicts.drain(..).map(|Conflict { what, ours, theirs, .. }| {
            let (kept, lost) = if side == MergeSide::Ours { (ours, theirs) } else { (theirs, ours) };
            Decision { rule, what, kept, lost, loser: None, winner: None }
        }));
        Merged { document: picked.document, ..merged }
    }

    /// Tells whether the sides of a text with conflict markers are what git made of these versions, as far as lines tell: each
    /// is known, and what a side had added is in it.
    fn is_as_left(&self, ours: &str, theirs: &str) -> bool {
        let base = self.base.as_ref().map_or_else(HashSet::new, lines);
        let (mine, other) = (lines(&self.ours), lines(&self.theirs));
        let is_known =
            |text: &str| of(text).all(|line| base.contains(line) || mine.contains(line) || other.contains(line));
        let has = |text: &str, side: &HashSet<&str>| {
            let found: HashSet<&str> = of(text).collect();
            side.difference(&base).all(|added| found.contains(added))
        };
        is_known(ours) && is_known(theirs) && has(ours, &mine) && has(theirs, &other)
    }
}

fn lines(document: &Document) -> HashSet<&str> {
    of(document.text()).collect()
}

fn of(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim_end)
}

/// A result that cannot be read is no result: a person must look at it.
fn readable(mut merged: Merged) -> Merged {
    if let Some(fault) = merged.document.faults().first().filter(|_| merged.conflicts.is_empty()) {
        merged.conflicts.push(Conflict::without_sides("unreadable", fault.message.clone()));
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "---\nid: task-1\nstatus: pending\ntype: x\n---\n\nText.\n";

    fn versions() -> Versions {
        let with = |from: &str, to: &str| Document::parse(BASE.replace(from, to).into_bytes());
        Versions {
            base: Some(Document::parse(BASE.as_bytes().to_vec())),
            ours: with("Text", "Ours"),
            theirs: with("Text", "Theirs"),
            behind: None,
            pushed: None,
        }
    }

    fn settle(here: &str, side: Option<MergeSide>) -> Verdict {
        let path = DocPath::new("task-1.md").expect("a path");
        versions().settle(&path, Some(&Document::parse(here.as_bytes().to_vec())), side, false)
    }

    fn left(body: &str) -> String {
        BASE.replace("Text.\n", body)
    }

    #[test]
    fn a_side_is_taken_for_what_is_undecided_alone() {
        let here = left("<<<<<<< HEAD\nOurs.\n=======\nTheirs.\n>>>>>>> topic\n");
        assert!(!settle(&here, None).merged.conflicts.is_empty());
        for (side, text) in [(MergeSide::Ours, "Ours.\n"), (MergeSide::Theirs, "Theirs.\n")] {
            let verdict = settle(&here, Some(side));
            assert_eq!(verdict.merged.document.text(), left(text));
            assert_eq!(verdict.merged.decisions.len(), 1);
        }
    }

    #[test]
    fn a_side_that_is_behind_gives_way_to_the_one_that_went_on() {
        let path = DocPath::new("task-1.md").expect("a path");
        let here = Document::parse(left("<<<<<<< HEAD\nOurs.\n=======\nTheirs.\n>>>>>>> topic\n").into_bytes());
        for (behind, text) in [(MergeSide::Ours, "Theirs.\n"), (MergeSide::Theirs, "Ours.\n")] {
            let versions = Versions { behind: Some(behind), ..versions() };
            let verdict = versions.settle(&path, Some(&here), None, false);
            assert!(verdict.merged.conflicts.is_empty() && !verdict.by_hand);
            assert_eq!(verdict.merged.document.text(), left(text));
            // What a person wrote instead still stands.
            let by_hand = Document::parse(left("Both.\n").into_bytes());
            assert_eq!(versions.settle(&path, Some(&by_hand), None, false).merged.document.text(), left("Both.\n"));
        }
    }

    #[test]
    fn what_was_decided_by_hand_stands() {
        let verdict = settle(&left("Both.\n"), None);
        assert!(verdict.by_hand && verdict.merged.conflicts.is_empty());
        assert_eq!(verdict.merged.document.text(), left("Both.\n"));
        let here = left("By hand.\n\n<<<<<<< HEAD\nOurs.\n=======\nTheirs.\n>>>>>>> topic\n");
        let verdict = settle(&here, Some(MergeSide::Ours));
        assert_eq!(verdict.merged.document.text(), left("By hand.\n\nOurs.\n"));
        // Half of the markers are no decision.
        assert!(!settle(&BASE.replace("type: x", "=======\n>>>>>>> topic"), None).merged.conflicts.is_empty());
    }
}
