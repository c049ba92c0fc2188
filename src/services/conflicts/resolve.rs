//! Documents in conflict after a merge, rebase, cherry-pick or stash that stopped, or that came with markers in them: merged by what they say. What lies elsewhere in the work tree or the index is not touched.

use std::collections::{BTreeMap, BTreeSet};

use super::Conflicts;
use super::behind::{own_conflicts, sides_in_conflict};
use super::versions::Versions;
use crate::adapters::git::{Busy, GitOperation, Repository, Target, Unmerged};
use crate::adapters::store::{Action, Shelf, Unsynced};
use crate::core::diagnostic::{Code, Diagnostic};
use crate::core::document::Document;
use crate::core::entity;
use crate::core::merge::{self, Conflict, Decision, MergeSide};
use crate::core::name::{ContentId, DocPath, Kind, OperationId, Revision};
use crate::core::snapshot::{Entry, FindError, Snapshot};
use crate::services::operations::out_of_the_archive;
use crate::services::{Error, Scope, Waiting};

/// How a document was resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResolutionKind {
    /// The versions were merged.
    Merged,
    /// Somebody had decided by hand; that stands.
    ByHand,
    /// One side had removed it and the other changed it: the change stands.
    Kept,
    /// Nobody has it any more.
    Removed,
    /// It is not finished and lay in the archive: it came back.
    Returned,
}

/// A document that was in conflict.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// Where it lies.
    pub path: DocPath,
    /// Where else it lay, and lies no more.
    pub from: Vec<DocPath>,
    /// How it was resolved, unless there are conflicts left.
    pub how: ResolutionKind,
    /// What a person must decide; then the file has it between markers and stays in conflict.
    pub conflicts: Vec<Conflict>,
    /// What was decided by rule, or by the side that was asked for.
    pub decisions: Vec<Decision>,
    /// It is staged: git takes it for resolved.
    pub staged: bool,
    /// What was in its place, as objects of git, where no operation has it.
    pub replaced: Vec<ContentId>,
}

/// What resolving came to.
#[derive(Debug, Clone, Default)]
pub struct Resolution {
    /// Every document that was in conflict, by path.
    pub documents: Vec<Resolved>,
    /// What git has not ended.
    pub under_way: Option<GitOperation>,
    /// Files in conflict that are left in the index, wherever they lie.
    pub left: usize,
    /// The commit that holds what was not staged, if it is committed already.
    pub committed: Option<Revision>,
    /// Why it is not.
    pub waiting: Option<Waiting>,
    /// What the commit found.
    pub findings: Vec<Diagnostic>,
}

/// A document and every place in which a version of it lies.
#[derive(Debug)]
struct Case {
    /// Those that the index has in conflict.
    unmerged: Vec<(DocPath, Unmerged)>,
    /// Another place where the document lies, and what it holds there.
    twin: Option<(DocPath, Document)>,
    /// Another document has this name too, so each stays where it is.
    stays: bool,
}

/// What is written and to be staged: the path in the repository, the bytes or nothing, and whether it may be executed.
#[derive(Debug, Default)]
struct Staging {
    entries: Vec<(String, Option<Vec<u8>>, bool)>,
    operations: Vec<OperationId>,
}

/// What is to be done about a case.
struct Plan {
    target: DocPath,
    others: Vec<DocPath>,
    versions: Option<Versions>,
    how: ResolutionKind,
    is_executable: bool,
    /// Both sides have it in the one place, so git wrote markers there where it could.
    is_whole: bool,
}

impl Conflicts<'_> {
    /// Resolves the documents that are in conflict, all or those named, each by its id, file name or path. `side` is taken for
    /// what nothing else decides.
    ///
    /// What git has in conflict is staged once it is merged, and not committed: that is for whoever began the merge. A document
    /// with conflict markers that git does not know of is changed as by any other operation.
    ///
    /// # Errors
    /// [`Error::Find`] for a name that is no document; [`Error`] if the folder or the repository fails.
    pub fn resolve(&self, names: &[String], side: Option<MergeSide>) -> Result<Resolution, Error> {
        self.operations.documents.store.log.recover()?;
        let mut done = Resolution::default();
        let staging =
            self.operations.documents.repository.filter(|_| *self.operations.documents.target == Target::Current);
        let unmerged = match staging {
            Some(repository) => own_conflicts(self.operations.documents, repository, &mut done.findings)?,
            None => BTreeMap::new(),
        };
        done.under_way = staging.and_then(|repository| repository.view().operation());
        if let Some(git) = staging.filter(|git| !unmerged.is_empty() && git.view().index_is_locked())
            && let Some(busy) = git.view().busy()?.filter(|busy| !matches!(busy, Busy::Operation(_)))
        {
            done.waiting = Some(Waiting::Busy(busy));
            return Ok(done);
        }
        let all = self.operations.documents.snapshot(Scope::All)?;
        let (marked, unfinished) = (marked(&all, &unmerged, &done.findings), unfinished_in_archive(&all, &unmerged));
        self.check_names(names, &unmerged.keys().chain(&marked).chain(&unfinished))?;
        let is_wanted = |path: &DocPath| names.is_empty() || names.iter().any(|name| self.means(name, path));
        let mut batch = Staging::default();
        if let Some(repository) = staging {
            for case in self.cases(repository, unmerged)? {
                if case.unmerged.iter().any(|(path, _)| is_wanted(path)) {
                    done.documents.push(self.resolve_case(repository, &case, side, &mut batch)?);
                }
            }
        }
        let mut written = Vec::new();
        for path in marked.iter().filter(|path| is_wanted(path)) {
            done.documents.extend(self.resolve_marked(path, side, &mut written)?);
        }
        for path in unfinished.iter().filter(|path| is_wanted(path)) {
            let batch = done.under_way.is_some().then_some(&mut batch);
            done.documents.extend(self.bring_back(path, batch, &mut written)?);
        }
        if let Some(repository) = staging {
            self.stage(repository, &batch)?;
        }
        if !written.is_empty() {
            let fate = self.operations.commit_written(self.actor, &written)?;
            (done.committed, done.waiting) = (fate.committed, fate.waiting);
            done.findings.extend(fate.findings);
        }
        done.left = staging.map_or(Ok(0), |repository| repository.view().conflict_count())?;
        done.documents.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(done)
    }

    /// Refuses names that mean nothing at all; one that means a document without a conflict is fine.
    fn check_names<'a>(
        &self,
        names: &[String],
        known: &(impl Iterator<Item = &'a DocPath> + Clone),
    ) -> Result<(), Error> {
        for name in names {
            if known.clone().any(|path| self.means(name, path)) {
                continue;
            }
            let path = self.below_folder(name);
            let is_there = match DocPath::new(path) {
                Ok(path) => self.operations.documents.store.folder.read(&path)?.is_some(),
                Err(_) => false,
            };
            if !is_there {
                match self.operations.documents.find(None, path) {
                    Ok(_) | Err(Error::Find(FindError::Duplicate { .. })) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    /// A path as somebody wrote it, below the folder.
    fn below_folder<'a>(&self, name: &'a str) -> &'a str {
        let folder = format!("{}/", self.operations.documents.folder());
        name.rfind(&folder).map_or(name, |at| &name[at + folder.len()..]).trim_start_matches("./")
    }

    /// Tells whether a path, a file name or an id means a document.
    fn means(&self, name: &str, path: &DocPath) -> bool {
        let name = self.below_folder(name);
        let stem = path.stem();
        let short = Kind::ALL.into_iter().find_map(|kind| stem.strip_prefix(kind.prefix()));
        path.as_str() == name || path.file_name() == name || stem == name || short == Some(name)
    }

    /// What the index has in conflict, each with the other places of the same document.
    fn cases(&self, repository: &Repository, unmerged: BTreeMap<DocPath, Unmerged>) -> Result<Vec<Case>, Error> {
        if unmerged.is_empty() {
            return Ok(Vec::new());
        }
        let indexed = repository.index().indexed(self.operations.documents.folder())?;
        let mut places: BTreeMap<DocPath, Option<ContentId>> =
            indexed.into_iter().map(|(path, one)| (path, Some(one.content))).collect();
        let folder = &self.operations.documents.store.folder;
        for path in folder.names(Shelf::Live)?.into_iter().chain(folder.names(Shelf::Archive)?) {
            places.entry(path).or_insert(None);
        }
        let mut named: BTreeMap<String, Vec<(DocPath, Unmerged)>> = BTreeMap::new();
        for (path, one) in unmerged {
            places.remove(&path);
            named.entry(path.file_name().to_owned()).or_default().push((path, one));
        }
        let mut cases = Vec::new();
        for (name, unmerged) in named {
            let twins = places.iter().filter(|(path, _)| path.file_name() == name);
            cases.extend(self.joined(repository, unmerged, &twins.collect::<Vec<_>>())?);
        }
        Ok(cases)
    }

    /// What has one file name: one case if it is one document, else each for itself. An archived document and a live one may
    /// share a name and be two.
    fn joined(
        &self,
        repository: &Repository,
        unmerged: Vec<(DocPath, Unmerged)>,
        twins: &[(&DocPath, &Option<ContentId>)],
    ) -> Result<Vec<Case>, Error> {
        let picks: [fn(&Unmerged) -> &Option<ContentId>; 3] = [|one| &one.base, |one| &one.ours, |one| &one.theirs];
        let of =
            |pick: fn(&Unmerged) -> &Option<ContentId>| unmerged.iter().filter_map(move |(_, one)| pick(one).as_ref());
        let is_alone = unmerged.len() == 1;
        let has_live_twin = twins.iter().any(|(path, _)| !path.is_archived());
        let is_whole = of(picks[1]).count() > 0 && of(picks[2]).count() > 0;
        let mut known = Vec::new();
        if !unmerged.iter().any(|(_, one)| one.is_strange) && !(is_alone && (is_whole || twins.is_empty())) {
            for id in picks.into_iter().flat_map(of) {
                known.push(Document::parse(repository.view().read(id)?));
            }
        }
        // Each side has one document in one place.
        let is_one = is_alone || picks.iter().all(|pick| of(*pick).count() <= 1) && agree(&unmerged[0].0, &known);
        if !is_one {
            return Ok(unmerged.into_iter().map(|one| Case { unmerged: vec![one], twin: None, stays: true }).collect());
        }
        let mut found = Vec::new();
        for (path, content) in twins.iter().filter(|_| !is_whole && !has_live_twin) {
            let twin = match (self.operations.documents.store.folder.read(path)?, content) {
                (Some(file), _) => Document::parse(file.bytes),
                (None, Some(id)) => Document::parse(repository.view().read(id)?),
                (None, None) => continue,
            };
            known.push(twin.clone());
            if agree(path, &known) {
                found.push(((*path).clone(), twin));
            }
            known.pop();
        }
        let twin = found.pop().filter(|_| found.is_empty());
        Ok(vec![Case { unmerged, twin, stays: has_live_twin }])
    }

    fn resolve_case(
        &self,
        repository: &Repository,
        case: &Case,
        side: Option<MergeSide>,
        staging: &mut Staging,
    ) -> Result<Resolved, Error> {
        if let Some((path, _)) = case.unmerged.iter().find(|(_, one)| one.is_strange) {
            let conflict = Conflict::without_sides("not a file", "the file".to_owned());
            return Ok(untouched(path, vec![conflict]));
        }
        let plan = self.plan_case(repository, case)?;
        self.carry_out(repository, &plan, side, staging)
    }

    fn plan_case(&self, repository: &Repository, case: &Case) -> Result<Plan, Error> {
        let read = |id: &ContentId| Ok::<_, Error>(Document::parse(repository.view().read(id)?));
        let of = |pick: fn(&Unmerged) -> &Option<ContentId>| {
            let id = case.unmerged.iter().find_map(|(_, one)| pick(one).as_ref());
            id.map(read).transpose()
        };
        let (base, ours, theirs) = (of(|one| &one.base)?, of(|one| &one.ours)?, of(|one| &one.theirs)?);
        let is_whole = ours.is_some() && theirs.is_some();
        let twin = case.twin.as_ref().map(|(_, document)| document.clone());
        let how = if is_whole || ours.is_none() && theirs.is_none() && twin.is_some() {
            ResolutionKind::Merged
        } else {
            ResolutionKind::Kept
        };
        let has_moved = twin.is_some() || case.unmerged.len() > 1;
        let versions = match (ours, theirs, twin) {
            (Some(ours), Some(theirs), _) | (Some(ours), None, Some(theirs)) | (None, Some(theirs), Some(ours)) => {
                let (behind, pushed) = sides_in_conflict(
                    self.operations.documents.folder(),
                    repository,
                    &case.unmerged[0].0,
                    (&ours, &theirs),
                )?;
                Some(Versions { behind, pushed, ..Versions::new(base, ours, theirs) })
            }
            (Some(one), None, None) | (None, Some(one), None) | (None, None, Some(one)) => {
                Some(Versions::new(None, one.clone(), one))
            }
            (None, None, None) => None,
        };
        let all = case.unmerged.iter().map(|(path, _)| path).chain(case.twin.iter().map(|(path, _)| path));
        let all: Vec<DocPath> = all.cloned().collect();
        let first = &case.unmerged[0].0;
        let live = out_of_the_archive(first).unwrap_or_else(|| first.clone());
        let is_live_free =
            !case.stays && (all.contains(&live) || self.operations.documents.store.folder.read(&live)?.is_none());
        let is_finished = |one: &Document| entity::read(first, one).entity.is_none_or(|entity| entity.is_finished());
        let both_finished = versions.as_ref().is_none_or(|one| is_finished(&one.ours) && is_finished(&one.theirs));
        let all_archived = all.iter().all(DocPath::is_archived);
        let target =
            if is_live_free && if all_archived { !both_finished } else { has_moved } { live } else { first.clone() };
        let others = all.into_iter().filter(|path| *path != target).collect();
        let is_executable = case.unmerged.iter().any(|(_, one)| one.is_executable);
        let how = if versions.is_none() { ResolutionKind::Removed } else { how };
        let is_whole = is_whole && case.unmerged.len() == 1;
        Ok(Plan { target, others, versions, how, is_executable, is_whole })
    }

    /// Writes what a plan comes to; it is to be staged if nothing is left to decide.
    fn carry_out(
        &self,
        repository: &Repository,
        plan: &Plan,
        side: Option<MergeSide>,
        staging: &mut Staging,
    ) -> Result<Resolved, Error> {
        let Plan { target, others, versions, how, is_executable, is_whole } = plan;
        let mut paths = vec![target.clone()];
        paths.extend(others.iter().cloned());
        let mut out = Resolved { how: *how, ..untouched(target, Vec::new()) };
        let mut bytes = None;
        let operation = self.operations.records.operation(&verb(target))?;
        let applied = self.operations.writer.write_durably(&operation, &paths, &mut |current| -> Result<_, Error> {
            let here = current.iter().flatten().next().map(|bytes| Document::parse(bytes.as_slice()));
            let at_target = current.first().and_then(Option::as_deref);
            let Some(versions) = versions else {
                // What somebody put there since is theirs.
                bytes = at_target.map(<[u8]>::to_vec);
                return Ok(vec![Action::Keep; paths.len()]);
            };
            let is_decided = match here.as_ref().filter(|_| *is_whole) {
                Some(here) if *here == versions.ours && !versions.is_left_without_markers(target) => {
                    !repository.index().may_leave_ours(&self.operations.documents.in_repository(target))?
                }
                here => here == Some(&versions.theirs),
            };
            let verdict = versions.settle(target, here.as_ref(), side, is_decided);
            out.how = if verdict.by_hand { ResolutionKind::ByHand } else { *how };
            (out.conflicts, out.decisions) = (verdict.merged.conflicts, verdict.merged.decisions);
            let after = verdict.merged.document.bytes().to_vec();
            let is_open = !out.conflicts.is_empty();
            let mut actions = vec![match at_target {
                // A place that git does not know to be in conflict gets no markers.
                None if is_open && !others.is_empty() => Action::Keep,
                Some(now) if now == after => Action::Keep,
                _ => Action::Write(after.clone()),
            }];
            bytes = Some(after);
            actions.resize(paths.len(), if is_open { Action::Keep } else { Action::Remove });
            Ok(actions)
        })?;
        let changes = applied.iter().flat_map(|applied| &applied.record().changes);
        for bytes in changes.filter_map(|change| change.before.as_ref()) {
            out.replaced.push(repository.index().keep(bytes)?);
        }
        staging.operations.extend(applied.is_some().then_some(operation.id));
        if out.conflicts.is_empty() {
            staging.entries.push((self.operations.documents.in_repository(target), bytes, *is_executable));
            staging
                .entries
                .extend(others.iter().map(|path| (self.operations.documents.in_repository(path), None, false)));
            out.staged = true;
            out.from.clone_from(others);
        }
        Ok(out)
    }

    /// Stages what is resolved. The journal forgets it: the commit is for whoever began the merge.
    fn stage(&self, repository: &Repository, staging: &Staging) -> Result<(), Error> {
        let entries = staging.entries.iter().map(|(path, bytes, mode)| (path.clone(), bytes.as_deref(), *mode));
        repository.index().stage(&entries.collect::<Vec<_>>())?;
        self.operations.documents.store.log.forget(&staging.operations)?;
        Ok(())
    }

    /// A document with markers that git takes for a document like any other.
    fn resolve_marked(
        &self,
        path: &DocPath,
        side: Option<MergeSide>,
        written: &mut Vec<Unsynced>,
    ) -> Result<Option<Resolved>, Error> {
        let operation = self.operations.records.operation(&verb(path))?;
        let mut out = None;
        let changed = self.operations.writer.write(
            &operation,
            std::slice::from_ref(path),
            &mut |current| -> Result<_, Error> {
                out = None;
                let [Some(bytes)] = current else { return Ok(vec![Action::Keep]) };
                let here = Document::parse(bytes.as_slice());
                let Some((base, ours, theirs)) = merge::sides(here.text()) else {
                    let fault = here.faults().first().map_or_else(String::new, |fault| fault.message.clone());
                    let half = Conflict::without_sides("half of the markers", fault);
                    out = Some(untouched(path, vec![half]));
                    return Ok(vec![Action::Keep]);
                };
                let parse = |text: String| Document::parse(text.into_bytes());
                let versions = Versions::new(Some(parse(base)), parse(ours), parse(theirs));
                let merged = versions.settle(path, None, side, false).merged;
                let is_open = !merged.conflicts.is_empty();
                out = Some(Resolved { decisions: merged.decisions, ..untouched(path, merged.conflicts) });
                // What is not decided stays as it was found: a commit must not take a part of it for all.
                Ok(vec![if is_open { Action::Keep } else { Action::Write(merged.document.bytes().to_vec()) }])
            },
        )?;
        written.extend(changed);
        Ok(out)
    }

    /// Brings a document back out of the archive that is not finished.
    fn bring_back(
        &self,
        path: &DocPath,
        staging: Option<&mut Staging>,
        written: &mut Vec<Unsynced>,
    ) -> Result<Option<Resolved>, Error> {
        let Some(live) = out_of_the_archive(path) else { return Ok(None) };
        let paths = [live.clone(), path.clone()];
        let operation = self.operations.records.operation(&verb(path))?;
        let mut moved = None;
        let changed = self.operations.writer.write(&operation, &paths, &mut |current| -> Result<_, Error> {
            let [None, Some(bytes)] = current else {
                moved = None;
                return Ok(vec![Action::Keep; 2]);
            };
            moved = Some(bytes.clone());
            Ok(vec![Action::Write(bytes.clone()), Action::Remove])
        })?;
        let (Some(bytes), Some(changed)) = (moved, changed) else { return Ok(None) };
        let mut out =
            Resolved { how: ResolutionKind::Returned, from: vec![path.clone()], ..untouched(&live, Vec::new()) };
        if let Some(staging) = staging {
            changed.wait()?;
            staging.operations.push(operation.id);
            staging.entries.push((self.operations.documents.in_repository(&live), Some(bytes), false));
            staging.entries.push((self.operations.documents.in_repository(path), None, false));
            out.staged = true;
        } else {
            written.push(changed);
        }
        Ok(Some(out))
    }
}

/// Documents with conflict markers that are not in conflict in the index, and not left to git as findings say.
fn marked(all: &Snapshot, unmerged: &BTreeMap<DocPath, Unmerged>, left: &[Diagnostic]) -> Vec<DocPath> {
    let is_marked = |entry: &&Entry| entry.findings.iter().any(|finding| finding.code == Code::ConflictMarkers);
    let is_ours = |at: &DocPath| !unmerged.contains_key(at) && left.iter().all(|one| one.path.as_ref() != Some(at));
    all.entries().filter(is_marked).map(|entry| entry.path.clone()).filter(is_ours).collect()
}

/// Documents of the archive that are not finished, and have no other place.
fn unfinished_in_archive(all: &Snapshot, unmerged: &BTreeMap<DocPath, Unmerged>) -> Vec<DocPath> {
    let in_conflict: BTreeSet<&str> = unmerged.keys().map(DocPath::file_name).collect();
    let is_alone = |path: &DocPath| {
        !in_conflict.contains(path.file_name()) && out_of_the_archive(path).is_some_and(|to| all.get(&to).is_none())
    };
    let is_unfinished = |entry: &Entry| entry.entity.as_ref().is_some_and(|entity| !entity.is_finished());
    let found = all.entries().filter(|entry| is_alone(&entry.path) && is_unfinished(entry));
    found.map(|entry| entry.path.clone()).collect()
}

/// Tells whether documents may be versions of one: what they state of their id and of when they were made is alike.
fn agree(path: &DocPath, documents: &[Document]) -> bool {
    let id = if path.kind() == Some(Kind::Agent) { "agent" } else { "id" };
    [id, "created"].into_iter().all(|key| {
        let mut stated = documents.iter().filter_map(|document| document.field(key)).map(|field| &field.value);
        stated.next().is_none_or(|first| stated.all(|other| other == first))
    })
}

/// What an operation is called that resolves a document.
fn verb(path: &DocPath) -> String {
    path.kind().map_or_else(|| "resolve".to_owned(), |kind| format!("{kind}.resolve"))
}

fn untouched(path: &DocPath, conflicts: Vec<Conflict>) -> Resolved {
    let (from, decisions, replaced) = Default::default();
    Resolved { path: path.clone(), from, how: ResolutionKind::Merged, conflicts, decisions, staged: false, replaced }
}
