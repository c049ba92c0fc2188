//! Index entries of documents that went back to an older version while HEAD and the file did not: they are set to HEAD's again.
//!
//! A git that read the index before a commit of ours and wrote it after takes our entries back in the index alone. Committed, such
//! an index would take the documents back too.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use gix::ObjectId;
use gix::bstr::ByteSlice;
use gix::index::entry::Stage;
use gix::objs::tree::EntryKind;

use super::GitIndex;
use crate::adapters::git::build::{self, Overlay, join, tree_of};
use crate::adapters::git::committer::swap::overwrite;
use crate::adapters::git::error::GitError;
use crate::adapters::git::index::{self, FileId, Refresh};
use crate::adapters::git::journal::{self, CommitFiles};
use crate::adapters::git::lock::Lock;
use crate::adapters::git::references::Target;
use crate::adapters::git::sabotage::{self, Sabotage};
use crate::adapters::git::view::contents::{content_id, parse};
use crate::core::name::{ContentId, DocPath, Revision};

/// How many commits back an entry may lie.
const COMMITS_MAX: usize = 1_000;
/// What the messages of our own commits have in common, unless nothing but documents changed in them.
const TRAILER: &str = "\nMycelium-";

/// What is known of one document whose index entry is not HEAD's. None: it is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
struct EntryVersions {
    index: Option<ContentId>,
    head: Option<ContentId>,
    file: Option<ContentId>,
    /// A recent commit of ours replaced the version that the index has.
    is_replaced: bool,
}

impl EntryVersions {
    /// Returns true if the entry went back without anyone having asked for that.
    ///
    /// Where the file went back too, a person may have wanted it. What was never committed before is staged work.
    fn is_stale(&self) -> bool {
        self.is_replaced && self.index != self.head && self.index != self.file
    }

    /// Returns true if the entry was taken out by a person, as by `git rm --cached`.
    fn is_untracked(&self) -> bool {
        self.index.is_none() && self.head.is_some() && self.file.is_some() && !self.is_replaced
    }
}

/// Chooses the entries that are to be HEAD's again.
fn choose(entries: &BTreeMap<DocPath, EntryVersions>) -> Vec<&DocPath> {
    // An index without older documents was not written by a race: someone takes them all out, the newest ones too.
    let is_untracking = entries.values().any(EntryVersions::is_untracked);
    let stale = entries.iter().filter(|(_, versions)| versions.is_stale());
    stale.filter(|(_, versions)| versions.index.is_some() || !is_untracking).map(|(path, _)| path).collect()
}

/// An entry to be set.
struct StaleEntry {
    /// The path in the repository.
    path: String,
    /// What HEAD has there.
    stored: Option<(ObjectId, EntryKind)>,
    /// The bytes of the file, if HEAD has the same.
    bytes: Option<Vec<u8>>,
}

/// The files of documents: each path in the repository, and the bytes.
type DocumentFiles = BTreeMap<DocPath, (String, Option<Vec<u8>>)>;

/// What is read of the mark of an index that is in order; it is shorter.
const MARK_BYTES_MAX: usize = 512;

/// How far an index entry could be brought in step.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::adapters::git) enum Step {
    Needless,
    Done,
    /// Another process changes the index; a later call tries again.
    Later,
}

impl GitIndex<'_> {
    /// Sets the index entries of documents that are an older version than HEAD's while their files are not; gives how many. Nothing
    /// else in the index changes. While git is at work, nothing is done.
    ///
    /// It costs one look at the index while that is the one that was seen last. The caller holds the lock of commits.
    ///
    /// # Errors
    /// [`GitError`] if index, history or folder cannot be read, or the index cannot be written.
    pub fn realign(self, folder: &str) -> Result<usize, GitError> {
        let path = self.repo.index_path();
        let now = FileId::of(&path).map_err(GitError::io("look at", &path))?;
        let Some(now) = now.filter(|now| !self.is_aligned(*now) && !sabotage::on(Sabotage::NoRealign)) else {
            return Ok(0);
        };
        if self.repo.view().operation().is_some()
            || self.repo.view().index_is_locked()
            || self.repo.view().git_at_work().is_some()
        {
            return Ok(0);
        }
        let _pinned = self.repo.pin()?;
        let hash = self.repo.gix().object_hash();
        // In a sparse index whole folders are one entry, and none of them says anything about a document.
        let is_sparse = self.read(hash).map_err(GitError::object("read the index"))?.is_sparse();
        let stale = if is_sparse { Vec::new() } else { self.stale_entries(folder)? };
        if stale.is_empty() {
            self.note_aligned(now);
            return Ok(0);
        }
        let refreshes: Vec<Refresh<'_>> = stale
            .iter()
            .map(|entry| Refresh { path: &entry.path, stored: entry.stored, bytes: entry.bytes.as_deref() })
            .collect();
        let step = self.set_entries(&refreshes)?;
        Ok(if step == Step::Done { stale.len() } else { 0 })
    }

    /// Returns true if the index is one in which no entry was found to be stale, so that there is nothing to look for.
    #[must_use]
    pub fn is_index_aligned(self) -> bool {
        FileId::of(&self.repo.index_path()).ok().flatten().is_none_or(|now| self.is_aligned(now))
    }

    /// Returns true if this is the index that was found in order last, or made from it.
    pub(in crate::adapters::git) fn is_aligned(self, index: FileId) -> bool {
        if self.repo.aligned.get() == Some(index) {
            return true;
        }
        let mut bytes = [0; MARK_BYTES_MAX];
        let noted = journal::read_short(&self.aligned_mark(), &mut bytes);
        let noted = noted.and_then(|text| serde_json::from_slice::<FileId>(text).ok());
        self.repo.aligned.set(noted);
        noted == Some(index)
    }

    /// Remembers the index in which no entry is stale. If that is lost, it is looked for once more.
    pub(in crate::adapters::git) fn note_aligned(self, index: FileId) {
        self.repo.aligned.set(Some(index));
        if let Ok(text) = serde_json::to_vec(&index) {
            let _ = overwrite(&self.aligned_mark(), &text);
        }
    }

    fn aligned_mark(self) -> PathBuf {
        self.repo.run_dir().join("aligned")
    }

    /// Gives index entries their new values, unless the index changes meanwhile.
    pub(in crate::adapters::git) fn set_entries(self, refreshes: &[Refresh<'_>]) -> Result<Step, GitError> {
        let shared = self.repo.shared_mode();
        let commit_files = CommitFiles::new(&self.repo.run_dir(), shared)?;
        let prepared = commit_files.file("index");
        let next = index::prepare(self.repo, &prepared, refreshes, &|_| None)?;
        shared.apply_to(&next.file).map_err(GitError::io("set the permissions of", &prepared))?;
        let Ok(lock) = Lock::take(&prepared, &self.repo.index_path(), shared) else { return Ok(Step::Later) };
        let now = FileId::of(&self.repo.index_path()).map_err(GitError::io("look at", &self.repo.index_path()))?;
        if now != next.seen || self.repo.view().git_at_work().is_some() {
            return Ok(Step::Later);
        }
        lock.publish()?;
        Ok(Step::Done)
    }

    fn stale_entries(self, folder: &str) -> Result<Vec<StaleEntry>, GitError> {
        let Some(tip) = self.repo.view().head(&Target::Current)?.revision else { return Ok(Vec::new()) };
        let indexed = self.entry_ids(folder)?;
        let committed = self.repo.view().contents(Some(&tip), folder)?;
        let paths: BTreeSet<&DocPath> = indexed.keys().chain(committed.keys()).collect();
        let mut entries = BTreeMap::new();
        let mut files = BTreeMap::new();
        for path in paths {
            // In conflict: that is for a person.
            let Some(index) = indexed.get(path).map_or(Some(None), |id| id.clone().map(Some)) else { continue };
            let head = committed.get(path).cloned();
            if index == head {
                continue;
            }
            let in_repository = join(folder, path.as_str());
            let bytes = fs::read(self.repo.work_tree().join(&in_repository)).ok();
            let file = bytes
                .as_ref()
                .map(|bytes| self.repo.attributes().content_id(&in_repository, bytes))
                .transpose()?
                .flatten();
            if bytes.is_some() && file.is_none() {
                // Only git can tell what this file would be.
                continue;
            }
            files.insert(path.clone(), (in_repository, bytes));
            entries.insert(path.clone(), EntryVersions { index, head, file, is_replaced: false });
        }
        self.drop_ignored(&mut entries, &files)?;
        self.find_replaced(&tip, folder, &mut entries)?;
        let head = parse(tip.as_str())?;
        let mut stale = Vec::new();
        for path in choose(&entries) {
            if let Some((in_repository, bytes)) = files.remove(path) {
                let is_head = entries.get(path).is_some_and(|versions| versions.file == versions.head);
                let stored = self.stored(head, &in_repository)?;
                stale.push(StaleEntry { path: in_repository, stored, bytes: bytes.filter(|_| is_head) });
            }
        }
        Ok(stale)
    }

    /// The documents of the index; `None` for one in conflict.
    fn entry_ids(self, folder: &str) -> Result<BTreeMap<DocPath, Option<ContentId>>, GitError> {
        let hash = self.repo.gix().object_hash();
        let index = self.read(hash).map_err(GitError::object("read the index"))?;
        let prefix = format!("{folder}/");
        let range = index.prefixed_entries_range(prefix.as_bytes().as_bstr()).unwrap_or_default();
        let mut found = BTreeMap::new();
        for entry in &index.entries()[range] {
            let path = entry.path(&index).to_str().ok().and_then(|path| path.strip_prefix(&prefix));
            if let Some(path) = path.and_then(|path| DocPath::new(path).ok()) {
                let id = (entry.stage() == Stage::Unconflicted).then(|| content_id(entry.id));
                found.insert(path, id);
            }
        }
        Ok(found)
    }

    /// Leaves out the documents that a person is about to keep out of the history: gone from the index, and ignored.
    fn drop_ignored(
        self,
        entries: &mut BTreeMap<DocPath, EntryVersions>,
        files: &DocumentFiles,
    ) -> Result<(), GitError> {
        let absent = entries.iter().filter(|(_, versions)| versions.index.is_none());
        let names = absent.filter_map(|(path, _)| Some(files.get(path)?.0.as_str()));
        let ignored = self.repo.ignore_rules().ignored(names.collect::<Vec<_>>())?;
        entries.retain(|path, versions| {
            versions.index.is_some() || files.get(path).is_none_or(|(name, _)| !ignored.contains(name.as_str()))
        });
        Ok(())
    }

    /// Notes which entries are versions that commits of ours replaced, back from HEAD.
    fn find_replaced(
        self,
        tip: &Revision,
        folder: &str,
        entries: &mut BTreeMap<DocPath, EntryVersions>,
    ) -> Result<(), GitError> {
        let mut at = Some(tip.clone());
        let mut wanted: BTreeSet<DocPath> = entries.keys().cloned().collect();
        for _ in 0..COMMITS_MAX {
            let Some(commit) = at.take().filter(|_| !wanted.is_empty()) else { return Ok(()) };
            let parent = self.first_parent(&commit)?;
            let new = self.repo.view().contents_of(Some(&commit), folder, &wanted)?;
            let old = self.repo.view().contents_of(parent.as_ref(), folder, &wanted)?;
            let is_hit = |path: &DocPath| {
                let had = old.get(path);
                had != new.get(path) && entries.get(path).is_some_and(|versions| versions.index.as_ref() == had)
            };
            let hits: Vec<DocPath> = wanted.iter().filter(|path| is_hit(path)).cloned().collect();
            if !hits.is_empty() && self.is_own(&commit, parent.as_ref(), folder)? {
                for path in hits {
                    wanted.remove(&path);
                    if let Some(versions) = entries.get_mut(&path) {
                        versions.is_replaced = true;
                    }
                }
            }
            at = parent;
        }
        Ok(())
    }

    fn first_parent(self, commit: &Revision) -> Result<Option<Revision>, GitError> {
        let failed = GitError::object(format!("read the commit {}", commit.short()));
        let repo = self.repo.gix();
        let commit = repo.find_commit(parse(commit.as_str())?).map_err(failed)?;
        Ok(commit.parent_ids().next().map(|id| crate::adapters::git::view::contents::revision(id.detach())))
    }

    /// Returns true if a commit is one of ours: it says so, or nothing but documents changed in it.
    fn is_own(self, commit: &Revision, parent: Option<&Revision>, folder: &str) -> Result<bool, GitError> {
        let failed = || GitError::object(format!("read the commit {}", commit.short()));
        let repo = self.repo.gix();
        let id = parse(commit.as_str())?;
        let found = repo.find_commit(id).map_err(failed())?;
        if found.message_raw().map_err(failed())?.contains_str(TRAILER) {
            return Ok(true);
        }
        let before = tree_of(&repo, parent.map(|parent| parse(parent.as_str())).transpose()?)?;
        let after = tree_of(&repo, Some(id))?;
        Ok(build::check_outside(&Overlay::over(&repo), before, after, folder).is_ok())
    }

    /// What a commit has at a path.
    pub(in crate::adapters::git) fn stored(
        self,
        commit: ObjectId,
        path: &str,
    ) -> Result<Option<(ObjectId, EntryKind)>, GitError> {
        let failed = || {
            GitError::object(format!(
                "read the tree of {}",
                crate::adapters::git::view::contents::revision(commit).short()
            ))
        };
        let repo = self.repo.gix();
        let tree = repo.find_commit(commit).map_err(failed())?.tree().map_err(failed())?;
        let entry = tree.lookup_entry_by_path(path).map_err(failed())?;
        Ok(entry.map(|entry| (entry.object_id(), entry.mode().kind())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions(text: &str) -> EntryVersions {
        let id = |letter: u8| {
            (letter != b'-').then(|| ContentId::new(char::from(letter).to_string().repeat(40)).expect("an id"))
        };
        let [index, head, file, replaced] = text.as_bytes() else { panic!("{text}") };
        EntryVersions { index: id(*index), head: id(*head), file: id(*file), is_replaced: *replaced == b'r' }
    }

    #[test]
    fn only_entries_that_went_back_alone_are_set() {
        // Index, HEAD, file; `r` where a commit of ours replaced what the index has.
        for (text, expected) in [
            ("122r", true),
            // The file has gone on since.
            ("123r", true),
            // New here, and not in the index of before.
            ("-22r", true),
            // Removed by us, and back in the index of before.
            ("1--r", true),
            // The file went back too, or was put there again: someone may have wanted that.
            ("121r", false),
            ("1-1r", false),
            ("-2-r", false),
            // Nothing of ours replaced it: staged work.
            ("322.", false),
            ("3-3.", false),
            ("-22.", false),
            ("222r", false),
        ] {
            assert_eq!(versions(text).is_stale(), expected, "{text}");
        }
    }

    #[test]
    fn documents_that_someone_takes_out_of_the_index_stay_out() {
        let chosen = |rows: &[(&str, &str)]| -> Vec<String> {
            let rows = rows.iter().map(|(name, text)| (DocPath::new(*name).expect("a path"), versions(text)));
            choose(&rows.collect()).into_iter().map(ToString::to_string).collect()
        };
        assert_eq!(chosen(&[("task-a.md", "122r"), ("task-b.md", "-22r")]), ["task-a.md", "task-b.md"]);
        assert_eq!(chosen(&[("task-a.md", "122r"), ("task-b.md", "-22r"), ("task-c.md", "-22.")]), ["task-a.md"]);
        // One that was deleted, in the file system too, is another matter.
        assert_eq!(chosen(&[("task-b.md", "-22r"), ("task-c.md", "-2-.")]), ["task-b.md"]);
    }
}
