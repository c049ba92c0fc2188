//! Taking what came: a fast-forward where nothing is here that is not there, else a merge of the documents. All of it or nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use super::behind::{Contents, Side, Tips};
use super::{Exchange, SyncError, SyncReport, some};
use crate::document::Document;
use crate::engine::Held;
use crate::git::{Author, Code, CommitPlan, Target, Union, UniteError};
use crate::merge::{self, Conflict, Decision, Loss, Names};
use crate::name::{DocPath, Revision, visible};
use crate::runner::{Edits, Error, Waiting, environment};
use crate::snapshot::Snapshot;
use crate::store::{Action, Operation};

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
        let ours = self.repository.head(&self.target)?.revision;
        let bases = ours.as_ref().map_or(Ok(Vec::new()), |ours| self.repository.merge_bases(ours, theirs))?;
        if bases.contains(theirs) {
            return Ok(true);
        }
        let is_fast_forward = ours.as_ref().is_none_or(|ours| bases.contains(ours));
        let base = bases.first();
        let folder = self.workspace.folder();
        let since = if is_fast_forward { ours.as_ref() } else { base };
        self.repository.refuse_odd(since, Some(theirs), folder, &self.other())?;
        let mine = self.repository.contents(ours.as_ref(), folder)?;
        let other = self.repository.contents(Some(theirs), folder)?;
        let merged = if is_fast_forward {
            self.differences(&mine, &other)?
        } else {
            self.merge(&bases, (ours.as_ref(), theirs), &mine, &other)?
        };
        let code = if is_fast_forward { Code::Theirs } else { self.code(base, ours.as_ref(), theirs)? };
        if !is_fast_forward && code != Code::Ours {
            self.repository.refuse_odd(base, ours.as_ref(), folder, "this branch")?;
        }
        let other_files = self.repository.other_changes(ours.as_ref(), Some(theirs), folder)?;
        let message = self.message(&merged);
        let plan = CommitPlan { author: Author::User, at: environment::now(), message, changes: merged.changes };
        let log = format!("sync {}: {}", self.other(), if is_fast_forward { "fast-forward" } else { "merge" });
        let union = Union { ours: ours.as_ref(), theirs, plan: &plan, is_fast_forward, log: &log };
        let Some(tip) = self.carry_out(&union, code, &mine, &held, report)? else { return Ok(false) };
        report.came.extend(self.repository.came(ours.as_ref(), theirs, folder)?);
        report.came_along += if code == Code::Ours { 0 } else { other_files.len() };
        report.merged.extend((!is_fast_forward).then_some(tip));
        report.decisions.extend(merged.decisions);
        report.losses.extend(merged.losses);
        report.conflicts.extend(merged.conflicts);
        Ok(true)
    }

    /// Takes a union, under the lock of commits; `None` if branch or documents are not as they were read.
    fn carry_out(
        &self,
        union: &Union<'_>,
        code: Code<'_>,
        mine: &Contents,
        held: &[Held],
        report: &mut SyncReport,
    ) -> Result<Option<Revision>, Error> {
        let (workspace, repository) = (self.workspace, self.repository);
        let ground = repository.ground(&self.target, workspace.folder(), union.ours, union.theirs, code);
        let ground = ground.map_err(SyncError::from)?;
        let Some(_lock) = workspace.store.lock_commits(LOCK_WAIT)? else {
            return Err(SyncError::NotCommitted(Waiting::Committer).into());
        };
        workspace.store.recover()?;
        repository.recover()?;
        if let Some(busy) = repository.busy()? {
            return Err(SyncError::NotCommitted(Waiting::Busy(busy)).into());
        }
        if repository.head(&self.target)?.revision.as_ref() != union.ours {
            return Ok(None);
        }
        if self.target == Target::Current
            && let Some(path) = self.write(&union.plan.changes, mine)?
        {
            let why = held.iter().find(|held| held.path == path).map(|held| held.why.to_string());
            return why.map_or(Ok(None), |why| Err(SyncError::Uncommitted { path, why: Some(why) }.into()));
        }
        let durability = workspace.git_durability();
        let tip = match repository.unite(&self.target, workspace.folder(), union, &ground, durability) {
            Ok(tip) => tip,
            Err(UniteError::Moved) => return Ok(None),
            Err(error) => return Err(SyncError::from(error).into()),
        };
        report.findings.extend(workspace.follow(repository)?);
        // What the journal says of it is in the branch now, and must not meet a later one.
        let swept = workspace.try_commit(repository, Edits::None, &[])?;
        report.findings.extend(swept.findings);
        report.committed.extend(swept.revisions);
        Ok(Some(tip))
    }

    /// Writes the documents as one operation, if each is as it is committed; else nothing, and one that is not.
    fn write(&self, changes: &[(DocPath, Option<Vec<u8>>)], mine: &Contents) -> Result<Option<DocPath>, Error> {
        let workspace = self.workspace;
        let operation = Operation { agent: None, ..workspace.operation("sync.take")? };
        let paths: Vec<DocPath> = changes.iter().map(|(path, _)| path.clone()).collect();
        let mut stranger = None;
        workspace.store.apply(&operation, &paths, &mut |current| -> Result<_, Error> {
            stranger = None;
            let mut actions = Vec::with_capacity(paths.len());
            for ((path, after), now) in changes.iter().zip(current) {
                let id = |bytes: &Vec<u8>| self.repository.content_id(&workspace.in_repository(path), bytes);
                if now.as_ref().map(id).transpose()?.as_ref() != mine.get(path) && now != after {
                    stranger = Some(path.clone());
                }
                actions.push(match after {
                    _ if now == after => Action::Keep,
                    Some(bytes) => Action::Write(bytes.clone()),
                    None => Action::Remove,
                });
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
                let bytes = other.get(path).map(|id| self.repository.read(id)).transpose()?;
                let losses = |bytes: &[u8]| merge::losses(&Document::parse(bytes));
                let new = bytes.as_deref().map_or_else(Vec::new, losses);
                if !new.is_empty() {
                    let old = mine.get(path).map(|id| self.repository.read(id)).transpose()?;
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
        let folder = self.workspace.folder();
        let olds = bases.iter().map(|base| self.repository.contents(Some(base), folder));
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
            let late = if side == Side::Ours { &ours } else { &theirs };
            if let Some(entry) = late.get(path) {
                old.insert(path.clone(), entry.document.clone());
            }
        }
        let mut outcomes = merge::snapshots(&old, &ours, &theirs, &Names::ALIKE);
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
                documents.push(((*path).clone(), Document::parse(self.repository.read(id)?)));
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
            let before = self.repository.merge_bases(&bases[0], base)?;
            let before = self.repository.contents(before.first(), self.workspace.folder())?;
            let (before, old) = (self.read(&before, paths)?, self.read(old, paths)?);
            for (path, outcome) in merge::snapshots(&before, &common, &old, &Names::ALIKE) {
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
    ) -> Result<Code<'r>, Error> {
        let folder = self.workspace.folder();
        if self.repository.other_changes(ours, Some(theirs), folder)?.is_empty() {
            return Ok(Code::Ours);
        }
        let here = self.repository.other_changes(base, ours, folder)?;
        let there = self.repository.other_changes(base, Some(theirs), folder)?;
        match (here.is_empty(), there.is_empty()) {
            (_, true) => Ok(Code::Ours),
            (true, false) => Ok(Code::Theirs),
            (false, false) if self.options.merge || self.target != Target::Current => Ok(Code::Both(base)),
            (false, false) => {
                let paths = some([here, there].concat());
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
