//! Keeps operations that git put back before they were committed, and says so. Never writes them back: a person may have
//! discarded them on purpose.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::attribution::recorded;
use super::unfinished::Unfinished;
use super::{Committer, Edits, operation, trailers};
use crate::adapters::git::{CommitPlan, GitError, KeptCommit, PUT_BACK_REFS, Repository, ToKeep};
use crate::adapters::store::{Record, Store};
use crate::core::commit_message::AGENT_TRAILER;
use crate::core::diagnostic::{Code, Diagnostic};
use crate::core::event;
use crate::core::name::{AgentName, ContentId, DocId, DocPath, OperationId};
use crate::core::plan::{self, Content, PlannedCommit, PutBack};
use crate::core::time::Timestamp;
use crate::services::{Error, environment};

/// In which work tree an operation was put back; the main one has no name.
const WORK_TREE: &str = "Mycelium-Worktree";
/// When an operation was asked for, in milliseconds since 1970, and its place among those that were kept with it: operations of
/// one second come back in their order too.
const ORDER: &str = "Mycelium-Order";
/// Most operations that a finding names.
const NAMED_MAX: usize = 3;

/// When each operation was asked for, those that git has put back, and those of which that is not known yet.
type Lost<'a> = (BTreeMap<OperationId, Timestamp>, Vec<PutBack<'a>>, BTreeSet<OperationId>);

/// One operation that git put back before it was committed, and that can be restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptOperation {
    /// Its id.
    pub id: OperationId,
    /// What it did, such as `task.note`.
    pub verb: String,
    /// Who did it, where that is known.
    pub agent: Option<AgentName>,
    /// When it was asked for.
    pub at: Timestamp,
    /// What it did, in words.
    pub subject: String,
    /// The documents that lack it, with what it found and what it left.
    pub changes: BTreeMap<DocPath, (Content, Content)>,
    /// The linked work tree in which it was put back, if it is another one than this.
    pub elsewhere: Option<String>,
    /// Its name below `refs/mycelium/put-back/`.
    pub(in crate::services) name: String,
    /// Its place among those of the same moment.
    pub(in crate::services) place: usize,
}

impl KeptOperation {
    /// The reference that keeps it: `git show` of it tells what it did.
    #[must_use]
    pub fn reference(&self) -> String {
        format!("{PUT_BACK_REFS}{}", self.name)
    }

    /// The order in which operations were made.
    pub(in crate::services) fn order(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.place, &self.id).cmp(&(other.at, other.place, &other.id))
    }
}

impl Committer<'_> {
    /// Keeps what the journal is about to forget and was never committed. Returns the operations that the journal must not
    /// forget yet, and a finding for each document.
    pub(in crate::services) fn keep_put_back(
        &self,
        repository: &Repository,
        unfinished: &Unfinished,
    ) -> (BTreeSet<OperationId>, Vec<Diagnostic>) {
        let lost = forgotten(unfinished);
        if lost.is_empty() {
            return Default::default();
        }
        let mut findings = Vec::new();
        let (asked, lost, mut unkept) = match find_lost(self.store, repository, unfinished, &lost) {
            Ok(found) => found,
            Err(error) => {
                let all = lost.iter().map(|one| one.recorded.operation.id.clone()).collect();
                findings.extend(lost.first().map(|one| not_kept(one.path, &error)));
                return (all, findings);
            }
        };
        let mut groups: BTreeMap<usize, (OperationId, PlannedCommit)> = BTreeMap::new();
        for one in &lost {
            let PutBack { recorded, path, before, after } = one;
            let operation = &recorded.operation;
            let place = groups.values().position(|(id, _)| *id == operation.id).unwrap_or(groups.len());
            let (_, group) = groups.entry(place).or_insert_with(|| {
                let (agent, operations) = (operation.agent.clone(), vec![operation.clone()]);
                (operation.id.clone(), PlannedCommit { agent, holder: None, operations, changes: BTreeMap::new() })
            });
            group.changes.insert((*path).clone(), ((*before).clone(), (*after).clone()));
        }
        let to_keep: Vec<ToKeep> = groups
            .iter()
            .map(|(place, (id, group))| {
                let at = asked.get(id).copied().unwrap_or_else(environment::now);
                self.to_keep(repository, id, group, (at, *place))
            })
            .collect();
        if to_keep.is_empty() {
            return (unkept, findings);
        }
        let kept: Vec<(OperationId, PlannedCommit)> = groups.into_values().collect();
        if let Err(error) = repository.kept_commits().keep_put_back(self.folder(), &to_keep, self.durability) {
            findings.extend(lost.first().map(|one| not_kept(one.path, &error.into())));
            unkept.extend(kept.into_iter().map(|(id, _)| id));
            return (unkept, findings);
        }
        self.tell_put_back(&kept);
        let named = kept.iter().flat_map(|(id, group)| {
            let one = &group.operations[0];
            group.changes.keys().map(move |path| (path, id, one.verb.as_str(), one.agent.as_ref()))
        });
        findings.extend(put_back_findings(named));
        (unkept, findings)
    }

    fn to_keep(
        self,
        repository: &Repository,
        id: &OperationId,
        group: &PlannedCommit,
        (at, place): (Timestamp, usize),
    ) -> ToKeep {
        let mut after = CommitPlan { at, ..self.plan(group) };
        let work_tree = repository.work_tree_name().unwrap_or_default();
        let _ = writeln!(after.message, "{WORK_TREE}: {work_tree}\n{ORDER}: {} {place}", at.unix_ms());
        let bytes = |content: &Content| content.as_ref().map(|bytes| bytes.to_vec());
        let before = group.changes.iter().map(|(path, (before, _))| (path.clone(), bytes(before))).collect();
        ToKeep { name: id.as_str().to_owned(), before, after }
    }

    /// Tells subscribers. They are told by a copy, so that what cannot be written there is no failure.
    fn tell_put_back(&self, kept: &[(OperationId, PlannedCommit)]) {
        let at = environment::now();
        let lines: Vec<event::Line> = kept
            .iter()
            .map(|(id, group)| {
                let one = &group.operations[0];
                let documents: Vec<DocId> = group.changes.keys().map(DocId::of_file).collect();
                let kinds: BTreeSet<_> = group.changes.keys().filter_map(DocPath::kind).collect();
                let told = event::put_back(id, &one.verb, one.agent.as_ref(), &documents, &kinds, at);
                event::Line { told: vec![told], ..event::Line::default() }
            })
            .collect();
        if !lines.is_empty() {
            let lines: Vec<u8> = lines.iter().flat_map(|line| line.text().into_bytes()).collect();
            let _ = self.store.log.append_to_change_log(&lines);
        }
    }

    /// A kept operation with those of its documents that lack it; `None` for a commit that names no operation.
    pub(in crate::services) fn read_kept(
        &self,
        repository: &Repository,
        kept: KeptCommit,
    ) -> Result<Option<KeptOperation>, Error> {
        let Some(line) = trailers(&kept.message, "Mycelium-Operation").next() else { return Ok(None) };
        let Some(id) = operation(line) else { return Ok(None) };
        let work_tree = trailers(&kept.message, WORK_TREE).next().unwrap_or_default().to_owned();
        let here = repository.work_tree_name().unwrap_or_default();
        let is_elsewhere = work_tree != here && (work_tree.is_empty() || repository.has_work_tree(&work_tree));
        let order = trailers(&kept.message, ORDER).next().and_then(|text| text.split_once(' '));
        let (ms, place) = order.unwrap_or_default();
        let at = ms.parse().map_or(kept.at, Timestamp::from_unix_ms);
        let place = place.parse().unwrap_or_default();
        let read = |id: &Option<ContentId>| -> Result<Content, Error> {
            Ok(id.as_ref().map(|id| repository.view().read(id)).transpose()?.map(std::sync::Arc::from))
        };
        let mut changes = BTreeMap::new();
        for (path, (before, after)) in &kept.changes {
            let (before, after) = (read(before)?, read(after)?);
            let now: Content = self.store.folder.read(path)?.map(|file| std::sync::Arc::from(file.bytes));
            if !plan::holds(path, &before, &after, &now) {
                changes.insert(path.clone(), (before, after));
            }
        }
        Ok(Some(KeptOperation {
            verb: line.split_whitespace().nth(1).unwrap_or_default().to_owned(),
            agent: trailers(&kept.message, AGENT_TRAILER).find_map(|text| AgentName::new(text).ok()),
            at,
            place,
            subject: kept.message.lines().next().unwrap_or_default().to_owned(),
            changes,
            elsewhere: is_elsewhere.then(|| if work_tree.is_empty() { "the main one".to_owned() } else { work_tree }),
            name: kept.name,
            id,
        }))
    }

    /// The operations that git has put back and that the next commit will keep, each with its document.
    pub(in crate::services) fn not_yet_kept(&self) -> Result<Vec<(DocPath, plan::CommitOperation)>, Error> {
        let Some(repository) = self.repository.filter(|_| self.config.flag("commit.auto")) else {
            return Ok(Vec::new());
        };
        // In the middle of what git does, the documents may come back by themselves.
        let journal: Vec<plan::Recorded> = self.store.log.journal()?.into_iter().map(recorded).collect();
        if journal.is_empty() || repository.view().busy()?.is_some() {
            return Ok(Vec::new());
        }
        let found =
            match self.unfinished(repository, self.branch().folder_base(repository)?.as_ref(), journal, Edits::None) {
                // What git itself cannot read, such as its ignore rules, is named by the commit, by `status` and by `doctor`.
                Err(Error::Git(_)) => return Ok(Vec::new()),
                found => found?,
            };
        let (_, lost, _) = find_lost(self.store, repository, &found, &forgotten(&found))?;
        Ok(lost.into_iter().map(|one| (one.path.clone(), one.recorded.operation.clone())).collect())
    }

    /// Keeps no longer what came back by another way, such as `git stash pop`, and is committed by now: what is done to it
    /// later is no loss.
    pub(in crate::services) fn drop_committed(&self, repository: &Repository) -> Result<(), Error> {
        let all = repository.kept_commits().kept_put_back(self.folder())?;
        if all.is_empty() {
            return Ok(());
        }
        let head = repository.view().head(self.target)?.revision;
        for kept in all {
            let paths: BTreeSet<DocPath> = kept.changes.keys().cloned().collect();
            let committed = repository.view().contents_of(head.as_ref(), self.folder(), &paths)?;
            let (name, changes) = (kept.name.clone(), kept.changes.clone());
            let Some(one) = self.read_kept(repository, kept)? else { continue };
            if !one.changes.is_empty() || one.elsewhere.is_some() {
                continue;
            }
            let read = |id: Option<&ContentId>| -> Result<Content, Error> {
                Ok(id.map(|id| repository.view().read(id)).transpose()?.map(Into::into))
            };
            let mut is_committed = true;
            for (path, (before, after)) in &changes {
                let (before, after, now) = (read(before.as_ref())?, read(after.as_ref())?, read(committed.get(path))?);
                is_committed &= plan::holds(path, &before, &after, &now);
            }
            if is_committed {
                repository.kept_commits().drop_put_back(&name)?;
            }
        }
        Ok(())
    }
}

/// The operations that the journal would forget although neither the newest commit nor the document has what they did.
fn forgotten(unfinished: &Unfinished) -> Vec<PutBack<'_>> {
    plan::put_back(&unfinished.journal, &unfinished.known, &unfinished.steps, &unfinished.finished)
}

/// Returns when each operation of the journal was asked for, the operations of `lost` that git has put back, and those of
/// which that is known only after the next look: another operation came after the journal was read and before the documents
/// were. It may have undone them, as a release undoes a claim.
fn find_lost<'a>(
    store: &Store,
    repository: &Repository,
    unfinished: &Unfinished,
    lost: &[PutBack<'a>],
) -> Result<Lost<'a>, Error> {
    let journal = store.log.journal()?;
    let is_new = |record: &&Record| !unfinished.read.contains(&record.operation.id);
    let changed: BTreeSet<&DocPath> =
        journal.iter().filter(is_new).flat_map(|record| &record.changes).map(|change| &change.path).collect();
    let (open, lost): (Vec<_>, Vec<_>) = lost.iter().cloned().partition(|one| changed.contains(one.path));
    let open: BTreeSet<OperationId> = open.into_iter().map(|one| one.recorded.operation.id.clone()).collect();
    let lost: Vec<_> = lost.into_iter().filter(|one| !open.contains(&one.recorded.operation.id)).collect();
    let asked = journal.iter().map(|record| (record.operation.id.clone(), record.operation.at)).collect();
    Ok((asked, never_committed(repository, &lost)?, open))
}

/// Those of them that no commit names: a process may have died between a commit and its journal, and HEAD be elsewhere now.
fn never_committed<'a>(repository: &Repository, lost: &[PutBack<'a>]) -> Result<Vec<PutBack<'a>>, GitError> {
    let ids: BTreeSet<&str> = lost.iter().map(|one| one.recorded.operation.id.as_str()).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let messages = repository.log().messages_with(&ids.into_iter().collect::<Vec<_>>())?;
    let committed: BTreeSet<OperationId> =
        messages.iter().flat_map(|text| trailers(text, "Mycelium-Operation")).filter_map(operation).collect();
    Ok(lost.iter().filter(|one| !committed.contains(&one.recorded.operation.id)).cloned().collect())
}

/// One finding a document, which names its operations.
pub(in crate::services) fn put_back_findings<'a>(
    operations: impl Iterator<Item = (&'a DocPath, &'a OperationId, &'a str, Option<&'a AgentName>)>,
) -> Vec<Diagnostic> {
    let mut by_document: BTreeMap<&DocPath, Vec<String>> = BTreeMap::new();
    for (path, id, verb, agent) in operations {
        let by = agent.map_or_else(String::new, |agent| format!(", {agent}"));
        by_document.entry(path).or_default().push(format!("{id} ({verb}{by})"));
    }
    let one = |(path, named): (&DocPath, Vec<String>)| {
        let more = named.len().saturating_sub(NAMED_MAX);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let (what, them) = if named.len() == 1 { ("an operation was", "it") } else { ("operations were", "them") };
        let named = named.iter().take(NAMED_MAX).cloned().collect::<Vec<_>>().join(", ");
        let id = DocId::of_file(path);
        Diagnostic::warning(Code::PutBack, format!("{what} put back by git before the commit: {named}{more}"))
            .in_file(path)
            .hint(format!(
                "run `mycelium restore {id}` to bring {them} back, or `mycelium restore --dismiss {id}` to drop {them}"
            ))
    };
    by_document.into_iter().map(one).collect()
}

fn not_kept(path: &DocPath, error: &Error) -> Diagnostic {
    let message = format!("git put an operation back before the commit, and it could not be kept yet: {error}");
    Diagnostic::error(Code::PutBack, message)
        .in_file(path)
        .hint("the journal still has it: run `mycelium commit` again when the cause is gone")
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use tempfile::TempDir;

    use super::*;
    use crate::adapters::store::Action;
    use crate::services::{Opening, Project};

    const PENDING: &str = "---\nid: task-1\nstatus: pending\ntype: x\n---\n";
    const RUNNING: &str = "---\nid: task-1\nstatus: running\ntype: x\n---\n";

    fn project() -> (TempDir, Project) {
        let dir = TempDir::new().expect("a folder");
        for arguments in
            [["init", "-q", "."], ["config", "user.name", "User"], ["config", "user.email", "u@example.com"]]
        {
            let done = Command::new("git").args(arguments).current_dir(dir.path()).status().expect("git runs");
            assert!(done.success());
        }
        let opening = Opening { root: Some(dir.path().to_owned()), agent: None, flags: Vec::new() };
        let project = Project::open(opening).expect("opens");
        (dir, project)
    }

    /// An operation that is in the document and the journal, and in no commit.
    fn write(project: &Project, path: &DocPath, text: Option<&str>) {
        let operation = project.records().operation("task.update").expect("an operation");
        let action = text.map_or(Action::Remove, |text| Action::Write(text.into()));
        let mut decide = |_: &[Option<Vec<u8>>]| Ok::<_, Error>(vec![action.clone()]);
        project.writer().write_durably(&operation, std::slice::from_ref(path), &mut decide).expect("written");
    }

    /// What a commit makes of the journal as it was before `undo` was written.
    fn overtaken(project: &Project, path: &DocPath, undo: Option<&str>) -> (usize, Vec<Diagnostic>) {
        let repository = project.repository().expect("a repository");
        let journal = project.store.log.journal().expect("read").into_iter().map(recorded).collect();
        let base = project.commits().branch().folder_base(repository).expect("read");
        write(project, path, undo);
        let unfinished = project.commits().unfinished(repository, base.as_ref(), journal, Edits::None).expect("read");
        assert_eq!(forgotten(&unfinished).len(), 1, "the document is as committed again");
        let (unkept, findings) = project.commits().keep_put_back(repository, &unfinished);
        (unkept.len(), findings)
    }

    #[test]
    fn what_was_undone_while_a_commit_began_was_not_put_back_by_git() {
        let path = DocPath::new("task-1.md").expect("valid");
        for (committed, changed) in [(Some(PENDING), Some(RUNNING)), (None, Some(PENDING)), (Some(PENDING), None)] {
            let (_dir, project) = project();
            if committed.is_some() {
                write(&project, &path, committed);
                project.commits().commit_now(Edits::None).expect("commits");
            }
            write(&project, &path, changed);
            let found = overtaken(&project, &path, committed);
            assert_eq!(found, (1, Vec::new()), "{committed:?}: the journal has it for the next commit");
            assert_eq!(project.history().put_back_findings().expect("looked"), []);
            let done = project.commits().commit_now(Edits::None).expect("commits");
            assert_eq!(done.findings, [], "{committed:?}");
            assert_eq!(project.history().put_back_operations().expect("listed"), [], "{committed:?}");
            assert_eq!(project.store.log.journal().expect("read"), [], "{committed:?}");
        }
    }
}
