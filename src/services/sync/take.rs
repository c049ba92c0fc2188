//! Taking what came: a fast-forward where nothing is here that is not there, else a merge of the documents. All of it or nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use super::behind::{Contents, Tips};
use super::{Exchange, SyncError, SyncReport, some};
use crate::adapters::git::{Author, CodeSide, CommitPlan, MergeCommit, MergeCommitError, OddChange, Target, ViewGap};
use crate::adapters::store::{Action, Operation};
use crate::core::document::Document;
use crate::core::engine::Held;
use crate::core::follow::FollowScope;
use crate::core::merge::{self, Conflict, Decision, Loss, MergeSide, MergeSides};
use crate::core::name::{DocPath, Revision, visible};
use crate::core::snapshot::Snapshot;
use crate::services::commits::AskRemote;
use crate::services::document_writer::action;
use crate::services::{Edits, Error, Operations, Waiting, environment};

/// Longest wait for another process that commits.
const LOCK_WAIT: Duration = Duration::from_secs(10);
/// Most decisions that a commit message names.
const LINES_MAX: usize = 50;

/// What the documents are to hold.
#[derive(Default)]
struct Merged {
    /// Every document that is not as it is on both sides, and what it holds then.
    changes: Vec<(DocPath, Option<Vec<u8>>)>,
    /// How many are not as they are here.
    came: usize,
    decisions: Vec<(DocPath, Decision)>,
    losses: Vec<(DocPath, Loss)>,
    conflicts: Vec<(DocPath, Conflict)>,
}

impl Exchange<'_> {
    /// Commits what is here, then brings the branch to where it has all of `theirs`; false if something moved meanwhile.
    pub(super) fn take(&self, theirs: Option<&Revision>, report: &mut SyncReport) -> Result<bool, Error> {
        report.tries += 1;
        let held = self.commit(report)?;
        let Some(theirs) = theirs else { return Ok(true) };
        let ours = self.repository.view().head(&self.target)?.revision;
        let bases = ours.as_ref().map_or(Ok(Vec::new()), |ours| self.repository.log().merge_bases(ours, theirs))?;
        if bases.contains(theirs) {
            return Ok(true);
        }
        let is_fast_forward = ours.as_ref().is_none_or(|ours| bases.contains(ours));
        let base = bases.first();
        let folder = self.documents.folder();
        let since = if is_fast_forward { ours.as_ref() } else { base };
        let odd = self.repository.log().odd_changes(since, Some(theirs), folder)?;
        self.refuse_odd(&odd, is_fast_forward, &self.other())?;
        let mine = self.repository.view().contents(ours.as_ref(), folder)?;
        let other = self.repository.view().contents(Some(theirs), folder)?;
        let merged = if is_fast_forward {
            self.differences(&mine, &other)?
        } else {
            self.merge(&bases, (ours.as_ref(), theirs), &mine, &other)?
        };
        self.refuse_left_to_git(&merged.changes, theirs)?;
        let code = if is_fast_forward { CodeSide::Theirs } else { self.code(base, ours.as_ref(), theirs)? };
        if !is_fast_forward && code != CodeSide::Ours {
            self.refuse_odd(&self.repository.log().odd_changes(base, ours.as_ref(), folder)?, false, "this branch")?;
        }
        let other_files = self.repository.log().other_changes(ours.as_ref(), Some(theirs), folder)?;
        let message = self.message(&merged);
        let plan = CommitPlan { author: Author::User, at: environment::now(), message, changes: merged.changes };
        let log = format!("sync {}: {}", self.other(), if is_fast_forward { "fast-forward" } else { "merge" });
        let union = MergeCommit { ours: ours.as_ref(), theirs, plan: &plan, is_fast_forward, log: &log };
        let Some(tip) = self.carry_out(&union, (code, &odd), &mine, &held, report)? else { return Ok(false) };
        report.came.extend(self.repository.log().came(ours.as_ref(), theirs, None, folder)?);
        report.came_along += if code == CodeSide::Ours { 0 } else { other_files.len() };
        report.merged.extend((!is_fast_forward).then_some(tip));
        report.decisions.extend(merged.decisions);
        report.losses.extend(merged.losses);
        report.conflicts.extend(merged.conflicts);
        Ok(true)
    }

    /// Refuses changes that cannot be taken over as documents. On a branch of its own they are carried along in the history,
    /// where nothing has to be written for them; only a document that became something else is for a person.
    fn refuse_odd(&self, odd: &[OddChange], is_fast_forward: bool, owner: &str) -> Result<(), SyncError> {
        let is_apart = self.own_branch().is_some();
        let stops = |change: &&OddChange| !is_apart || !is_fast_forward && change.is_of_a_document();
        match odd.iter().find(stops) {
            None => Ok(()),
            Some(change) => Err(SyncError::Odd {
                path: change.shown(),
                owner: owner.to_owned(),
                branch: self.own_branch(),
                other: self.other(),
            }),
        }
    }

    /// Refuses a change of a document that only git can store, here or as the other side has it: its contents in the history are
    /// not those of its file.
    fn refuse_left_to_git(&self, changes: &[(DocPath, Option<Vec<u8>>)], theirs: &Revision) -> Result<(), Error> {
        let paths: Vec<String> = changes.iter().map(|(path, _)| self.documents.in_repository(path)).collect();
        for path in &paths {
            if let Some(gap) = self.repository.attributes().attribute_gap(path)? {
                return Err(self.left_to_git(path.clone(), gap).into());
            }
        }
        match self.repository.attributes().attribute_gap_at(theirs, &paths)? {
            Some((path, gap)) => Err(self.left_to_git(path, gap).into()),
            None => Ok(()),
        }
    }

    fn left_to_git(&self, path: String, gap: ViewGap) -> SyncError {
        SyncError::LeftToGit { remote: self.other(), path, gap: Box::new(gap), branch: self.own_branch() }
    }

    /// The branch of the documents, if it is one of their own.
    fn own_branch(&self) -> Option<String> {
        (self.target != Target::Current).then(|| self.branch.clone())
    }

    fn not_united(&self, error: MergeCommitError) -> SyncError {
        match error {
            MergeCommitError::Drivers { .. } | MergeCommitError::Clash { .. } | MergeCommitError::TooOld => {
                SyncError::ByHand { error: Box::new(error), branch: self.own_branch(), other: self.other() }
            }
            MergeCommitError::Moved | MergeCommitError::InTheWay { .. } | MergeCommitError::Commit(_) => {
                SyncError::Unite(error)
            }
        }
    }

    /// Takes a union, under the lock of commits; `None` if branch or documents are not as they were read.
    fn carry_out(
        &self,
        union: &MergeCommit<'_>,
        (code, odd): (CodeSide<'_>, &[OddChange]),
        mine: &Contents,
        held: &[Held],
        report: &mut SyncReport,
    ) -> Result<Option<Revision>, Error> {
        let (documents, repository) = (self.documents, self.repository);
        let commits = self.sync.operations.commits;
        let ground = repository.merge_commits().prepare_code(
            &self.target,
            documents.folder(),
            union.ours,
            union.theirs,
            code,
            odd,
        );
        let ground = ground.map_err(|error| self.not_united(error))?;
        let Some(_lock) = documents.store.locks.lock_commits(LOCK_WAIT)? else {
            return Err(SyncError::NotCommitted(Waiting::Committer).into());
        };
        documents.store.log.recover()?;
        repository.committer().recover()?;
        let at_work = || repository.view().at_work().filter(|_| self.target == Target::Current);
        if let Some(busy) = repository.view().busy()?.or_else(at_work) {
            return Err(SyncError::NotCommitted(Waiting::Busy(busy)).into());
        }
        if repository.view().head(&self.target)?.revision.as_ref() != union.ours {
            return Ok(None);
        }
        if self.target == Target::Current
            && let Some(path) = self.write(&union.plan.changes, mine)?
        {
            let why = held.iter().find(|held| held.path == path).map(|held| held.why.to_string());
            return why.map_or(Ok(None), |why| Err(SyncError::Uncommitted { path, why: Some(why) }.into()));
        }
        let durability = commits.durability;
        let tip =
            match repository.merge_commits().commit_merge(&self.target, documents.folder(), union, &ground, durability)
            {
                Ok(tip) => tip,
                Err(MergeCommitError::Moved) => return Ok(None),
                Err(error) => return Err(self.not_united(error).into()),
            };
        let mut followed =
            commits.branch().follow(repository, FollowScope::LeaveCheckedOut, AskRemote::BeforeMaking)?;
        report.findings.append(&mut followed.findings);
        // What the journal says of it is in the branch now, and must not meet a later one.
        let swept = commits.try_commit(repository, &followed, None, Edits::None, &[])?;
        report.findings.extend(swept.findings);
        report.committed.extend(swept.revisions);
        Ok(Some(tip))
    }

    /// Writes the documents as one operation, if each is as it is committed; else nothing, and one that is not.
    fn write(&self, changes: &[(DocPath, Option<Vec<u8>>)], mine: &Contents) -> Result<Option<DocPath>, Error> {
        let Operations { documents, records, writer, .. } = self.sync.operations;
        let operation = Operation { agent: None, ..records.operation("sync.take")? };
        let paths: Vec<DocPath> = changes.iter().map(|(path, _)| path.clone()).collect();
        let mut stranger = None;
        let out = documents.kept_out(&|path| paths.contains(path))?;
        let is_out = |path: &DocPath| out.iter().any(|(other, _)| other == path);
        writer.write_durably(&operation, &paths, &mut |current| -> Result<_, Error> {
            stranger = None;
            let mut actions = Vec::with_capacity(paths.len());
            for ((path, after), now) in changes.iter().zip(current) {
                let id =
                    |bytes: &Vec<u8>| self.repository.attributes().content_id(&documents.in_repository(path), bytes);
                if now.is_none() && is_out(path) {
                    // Git keeps it out of the worktree; the index alone follows.
                    actions.push(Action::Keep);
                    continue;
                }
                let here = now.as_ref().map(id).transpose()?.flatten();
                if here.as_ref() != mine.get(path) && now != after {
                    stranger = Some(path.clone());
                }
                actions.push(action(now.as_deref(), after.as_deref()));
            }
            Ok(if stranger.is_some() { vec![Action::Keep; paths.len()] } else { actions })
        })?;
        Ok(stranger)
    }

    /// What a fast-forward changes.
    fn differences(&self, mine: &Contents, other: &Contents) -> Result<Merged, Error> {
        let mut merged = Merged::default();
        for path in mine.keys().chain(other.keys()).collect::<BTreeSet<_>>() {
            if mine.get(path) != other.get(path) {
                let bytes = other.get(path).map(|id| self.repository.view().read(id)).transpose()?;
                let losses = |bytes: &[u8]| merge::losses(&Document::parse(bytes));
                let new = bytes.as_deref().map_or_else(Vec::new, losses);
                if !new.is_empty() {
                    let old = mine.get(path).map(|id| self.repository.view().read(id)).transpose()?;
                    let old = old.as_deref().map_or_else(Vec::new, losses);
                    let told = new.into_iter().filter(|loss| !old.contains(loss));
                    merged.losses.extend(told.map(|loss| (path.clone(), loss)));
                }
                merged.changes.push((path.clone(), bytes));
            }
        }
        merged.came = merged.changes.len();
        Ok(merged)
    }

    /// Merges the documents that are not alike on both sides and in what they came from.
    fn merge(&self, bases: &[Revision], tips: Tips<'_>, mine: &Contents, other: &Contents) -> Result<Merged, Error> {
        let folder = self.documents.folder();
        let olds = bases.iter().map(|base| self.repository.view().contents(Some(base), folder));
        let olds: Vec<Contents> = olds.collect::<Result<_, _>>()?;
        let all: BTreeSet<&DocPath> = olds.iter().chain([mine, other]).flat_map(BTreeMap::keys).collect();
        let differs = |path: &DocPath| {
            mine.get(path) != other.get(path) || olds.iter().any(|old| old.get(path) != mine.get(path))
        };
        let names: BTreeSet<&str> = all.iter().filter(|path| differs(path)).map(|path| path.file_name()).collect();
        // A document that may move is looked at together with what lies where it may go.
        let changed: Vec<&DocPath> = all.iter().copied().filter(|path| names.contains(path.file_name())).collect();
        let mut old = self.common(bases, &olds, &changed)?;
        let behind = self.behind(tips, &olds, mine, other, &changed)?;
        let (ours, theirs) = (self.read(mine, &changed)?, self.read(other, &changed)?);
        for (path, side) in behind {
            let late = if side == MergeSide::Ours { &ours } else { &theirs };
            if let Some(entry) = late.get(path) {
                old.insert(path.clone(), entry.document.clone());
            }
        }
        let mut outcomes =
            merge::snapshots(&old, &ours, &theirs, &MergeSides::ALIKE.with_pushed(Some(MergeSide::Theirs)));
        let mut merged = Merged::default();
        let paths: BTreeSet<DocPath> = changed.into_iter().cloned().chain(outcomes.keys().cloned()).collect();
        for path in paths {
            let bytes = |snapshot: &Snapshot| snapshot.get(&path).map(|entry| entry.document.bytes().to_vec());
            let (ours, theirs) = (bytes(&ours), bytes(&theirs));
            let outcome = outcomes.remove(&path);
            let after = match outcome {
                Some(outcome) => {
                    let here = |decision| (path.clone(), decision);
                    merged.decisions.extend(outcome.decisions.into_iter().map(here));
                    merged.conflicts.extend(outcome.conflicts.into_iter().map(|conflict| (path.clone(), conflict)));
                    outcome.content.map(|document| document.bytes().to_vec())
                }
                None => ours.clone(),
            };
            merged.came += usize::from(after != ours);
            if after != ours || after != theirs {
                merged.changes.push((path, after));
            }
        }
        Ok(merged)
    }

    fn read(&self, contents: &Contents, paths: &[&DocPath]) -> Result<Snapshot, Error> {
        let mut documents = Vec::new();
        for path in paths {
            if let Some(id) = contents.get(*path) {
                documents.push(((*path).clone(), Document::parse(self.repository.view().read(id)?)));
            }
        }
        Ok(Snapshot::from_documents(documents))
    }

    /// What both sides came from. Where histories crossed there are several revisions of which neither counts more than the
    /// other: then it is what these come to when they are merged, as git does it.
    fn common(&self, bases: &[Revision], olds: &[Contents], paths: &[&DocPath]) -> Result<Snapshot, Error> {
        let Some(first) = olds.first() else { return Ok(Snapshot::default()) };
        let mut common = self.read(first, paths)?;
        for (base, old) in bases.iter().zip(olds).skip(1) {
            let before = self.repository.log().merge_bases(&bases[0], base)?;
            let before = self.repository.view().contents(before.first(), self.documents.folder())?;
            let (before, old) = (self.read(&before, paths)?, self.read(old, paths)?);
            for (path, outcome) in merge::snapshots(&before, &common, &old, &MergeSides::ALIKE) {
                match outcome.content {
                    Some(document) => common.insert(path, document),
                    None => common.remove(&path),
                }
            }
        }
        Ok(common)
    }

    /// Whose files beside the documents are taken.
    fn code<'r>(
        &self,
        base: Option<&'r Revision>,
        ours: Option<&Revision>,
        theirs: &Revision,
    ) -> Result<CodeSide<'r>, Error> {
        let folder = self.documents.folder();
        if self.repository.log().other_changes(ours, Some(theirs), folder)?.is_empty() {
            return Ok(CodeSide::Ours);
        }
        let here = self.repository.log().other_changes(base, ours, folder)?;
        let there = self.repository.log().other_changes(base, Some(theirs), folder)?;
        match (here.is_empty(), there.is_empty()) {
            (_, true) => Ok(CodeSide::Ours),
            (true, false) => Ok(CodeSide::Theirs),
            (false, false) if self.options.merge || self.target != Target::Current => Ok(CodeSide::Both(base)),
            (false, false) => {
                let both: BTreeSet<String> = here.into_iter().chain(there).collect();
                let paths = some(both.into_iter().collect());
                Err(SyncError::BothChanged { remote: self.other(), paths }.into())
            }
        }
    }

    /// What a merge commit says: what came, who lost what, and what a person must decide.
    fn message(&self, merged: &Merged) -> String {
        let documents = if merged.came == 1 { "document" } else { "documents" };
        let mut out = format!("sync: merge {} {documents} of {}\n", merged.came, self.other());
        let decided = merged.decisions.iter().map(|(path, decision)| {
            let Decision { rule, what, kept, lost, .. } = decision;
            format!("- {}: {what}: {kept} stands, {lost} gave way ({rule})", path.stem())
        });
        let open = merged
            .conflicts
            .iter()
            .map(|(path, conflict)| format!("- {}: {}: to be decided ({})", path.stem(), conflict.what, conflict.rule));
        let lines: Vec<String> = decided.chain(open).collect();
        if !lines.is_empty() {
            out.push('\n');
        }
        for line in lines.iter().take(LINES_MAX) {
            let _ = writeln!(out, "{}", visible(line));
        }
        if lines.len() > LINES_MAX {
            let _ = writeln!(out, "… and {} more", lines.len() - LINES_MAX);
        }
        let _ = writeln!(out, "\nMycelium-Sync: {}", self.other());
        out
    }
}
