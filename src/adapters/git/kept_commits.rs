//! Keeps what git put back before it was committed: a commit for each operation, below `refs/mycelium/put-back/`.
//!
//! As with a stash, the commit holds the documents as the operation left them and its parent those that it found, so that
//! `git show` tells what it did. The reference keeps both from `git gc`. It is no branch, so that no push of git's defaults and
//! none of ours sends it anywhere. `docs/decisions/0011-what-git-puts-back.md` says why it is done so.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;

use gix::ObjectId;
use gix::bstr::{BStr, ByteSlice};
use gix::objs::tree::{Editor, EntryKind};
use gix::objs::{Commit, Kind};
use gix::refs::FullName;

use super::build::{CommitPlan, Overlay, join, message};
use super::durable::{self, CommitDurability};
use super::error::GitError;
use super::identity;
use super::journal::random;
use super::pack::Object;
use super::quarantine::Quarantine;
use super::repository::{RefStorage, Repository};
use super::view::contents::{parse, revision};
use crate::core::name::{ContentId, DocPath, Revision, visible};
use crate::core::time::Timestamp;

/// What the references begin with.
pub const PUT_BACK_REFS: &str = "refs/mycelium/put-back/";

/// What one operation did, to be kept.
#[derive(Debug, Clone)]
pub struct ToKeep {
    /// What its reference is to be called, behind [`PUT_BACK_REFS`].
    pub name: String,
    /// What its documents held before; `None`: they were not there.
    pub before: Vec<(DocPath, Option<Vec<u8>>)>,
    /// What the operation left, with who did it and when.
    pub after: CommitPlan,
}

/// A commit that keeps one operation, as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptCommit {
    /// What its reference is called, behind [`PUT_BACK_REFS`].
    pub name: String,
    /// The commit.
    pub revision: Revision,
    /// Its whole message.
    pub message: String,
    /// When the operation was asked for.
    pub at: Timestamp,
    /// What each of its documents held before, and what the operation left; `None`: it was not there.
    pub changes: BTreeMap<DocPath, (Option<ContentId>, Option<ContentId>)>,
}

/// The commits below [`PUT_BACK_REFS`] that keep documents which git replaced.
#[derive(Debug, Clone, Copy)]
pub struct KeptCommits<'r> {
    pub(super) repo: &'r Repository,
}

impl KeptCommits<'_> {
    /// Keeps what operations left, each under a name, on the disk for good when this returns. The same again changes nothing.
    /// All of them are one pack or set of objects and one call of git, however many they are.
    ///
    /// # Errors
    /// [`GitError`] if an object or a reference cannot be written; then no reference is.
    pub fn keep_put_back(self, folder: &str, kept: &[ToKeep], durability: CommitDurability) -> Result<(), GitError> {
        self.repo.refresh()?;
        let (mut objects, mut names, mut commands) = (BTreeMap::new(), Vec::new(), String::new());
        for one in kept {
            let name = reference(&one.name)?;
            let (id, new) = self.build_kept(folder, &one.before, &one.after)?;
            // A pack holds no object twice.
            objects.extend(new.into_iter().map(|object| (object.0, object)));
            let _ = writeln!(commands, "update {name} {id}");
            names.push(name);
        }
        let objects: Vec<&Object> = objects.values().collect();
        let stem = format!("{}_{:016x}", std::process::id(), random());
        let quarantine = Quarantine::write(self.repo, &stem, &objects)?;
        let objects_dir = self.repo.objects_dir();
        if durability != CommitDurability::Off {
            let files: Vec<&File> = quarantine.files().collect();
            durable::sync_files(&files).map_err(GitError::io("sync an object in", &objects_dir))?;
        }
        let touched = quarantine.publish(&objects_dir, durability)?;
        if durability != CommitDurability::Off {
            durable::sync_folders(touched.iter().map(std::path::PathBuf::as_path))?;
        }
        self.repo.program().feed(&["update-ref", "--stdin"], commands.as_bytes())?;
        if durability == CommitDurability::Off {
            return Ok(());
        }
        self.repo.references().sync_references(&names.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn build_kept(
        self,
        folder: &str,
        before: &[(DocPath, Option<Vec<u8>>)],
        after: &CommitPlan,
    ) -> Result<(ObjectId, Vec<Object>), GitError> {
        let repo = self.repo.gix();
        let overlay = Overlay::over(&repo);
        let mut editor = Editor::new(gix::objs::Tree::empty(), &overlay, repo.object_hash());
        let mut tree = |documents: &[(DocPath, Option<Vec<u8>>)]| -> Result<ObjectId, GitError> {
            for (document, bytes) in documents {
                let path = join(folder, document.as_str());
                let failed = || GitError::object(format!("make a tree with `{}`", visible(&path)));
                let parts = || path.split('/').map(BStr::new);
                match bytes {
                    // As it lies in the folder: nothing is converted on the way back either.
                    Some(bytes) => {
                        let id = overlay.add(Kind::Blob, bytes.clone())?;
                        editor.upsert(parts(), EntryKind::Blob, id).map_err(failed())?;
                    }
                    None => {
                        editor.remove_leaf(parts()).map_err(failed())?;
                    }
                }
            }
            editor.write(|tree| overlay.add_object(tree))
        };
        let trees = [tree(before)?, tree(&after.changes)?];
        let who = identity::of(&after.author, after.at);
        let subject = after.message.lines().next().unwrap_or_default();
        let words = [format!("before: {subject}"), after.message.clone()];
        let mut parent: Option<ObjectId> = None;
        for (tree, words) in trees.into_iter().zip(words) {
            let commit = Commit {
                tree,
                parents: parent.into_iter().collect(),
                author: who.clone(),
                committer: who.clone(),
                encoding: None,
                message: message(&words).into(),
                extra_headers: Vec::new(),
            };
            parent = Some(overlay.add_object(&commit)?);
        }
        drop(editor);
        let objects = overlay.new.into_inner().into_iter().map(|(id, (kind, bytes))| (id, kind, bytes)).collect();
        let id = parent.ok_or("there is none").map_err(GitError::object("make a commit"))?;
        Ok((id, objects))
    }

    /// Everything that is kept, in the order of the names.
    ///
    /// # Errors
    /// [`GitError`] if the references or their commits cannot be read.
    pub fn kept_put_back(self, folder: &str) -> Result<Vec<KeptCommit>, GitError> {
        let mut kept = Vec::new();
        for (name, id) in self.kept_references()? {
            // One whose commit is gone says nothing any more; `doctor` names its reference.
            kept.extend(self.read_kept(name, id, folder).ok().flatten());
        }
        Ok(kept)
    }

    fn kept_references(self) -> Result<Vec<(String, ObjectId)>, GitError> {
        if self.repo.refs == RefStorage::Reftable {
            let answer =
                self.repo.program().ask(&["for-each-ref", "--format=%(objectname) %(refname)", PUT_BACK_REFS])?;
            let text = String::from_utf8_lossy(&answer).into_owned();
            let lines = text.lines().filter_map(|line| line.split_once(' '));
            let named = lines.filter_map(|(id, name)| Some((name.strip_prefix(PUT_BACK_REFS)?, id)));
            return named.map(|(name, id)| Ok((name.to_owned(), parse(id)?))).collect();
        }
        let failed = || GitError::object(format!("list `{PUT_BACK_REFS}`"));
        let repo = self.repo.gix();
        let platform = repo.references().map_err(failed())?;
        let found = platform.prefixed(PUT_BACK_REFS).map_err(failed())?;
        let one = |found: gix::Reference<'_>| {
            let name = found.name().as_bstr().to_str().ok()?.strip_prefix(PUT_BACK_REFS)?.to_owned();
            Some((name, found.try_id()?.detach()))
        };
        // One that cannot be read is for `doctor`, which names it.
        Ok(found.filter_map(Result::ok).filter_map(one).collect())
    }

    /// One that was kept; `None` for what somebody else put there.
    fn read_kept(self, name: String, id: ObjectId, folder: &str) -> Result<Option<KeptCommit>, GitError> {
        let failed = || GitError::object(format!("read the commit {id}"));
        // What is read below may open the repository again, which must not be borrowed then.
        let (at, message, parent) = {
            let repo = self.repo.gix();
            let commit = repo.find_commit(id).map_err(failed())?;
            let at = Timestamp::from_unix_ms(commit.time().map_err(failed())?.seconds.saturating_mul(1_000));
            let message = String::from_utf8_lossy(commit.message_raw().map_err(failed())?).into_owned();
            (at, message, commit.parent_ids().next().map(gix::Id::detach))
        };
        let Some(parent) = parent else { return Ok(None) };
        let mut changes: BTreeMap<DocPath, (Option<ContentId>, Option<ContentId>)> = BTreeMap::new();
        for (path, content) in self.repo.view().contents(Some(&revision(parent)), folder)? {
            changes.entry(path).or_default().0 = Some(content);
        }
        for (path, content) in self.repo.view().contents(Some(&revision(id)), folder)? {
            changes.entry(path).or_default().1 = Some(content);
        }
        changes.retain(|_, (before, after)| before != after);
        Ok(Some(KeptCommit { name, revision: revision(id), message, at, changes }))
    }

    /// Keeps it no longer. Its objects go with the next `git gc` that finds them old enough.
    ///
    /// # Errors
    /// [`GitError`] if git cannot remove the reference.
    pub fn drop_put_back(self, name: &str) -> Result<(), GitError> {
        let name = reference(name)?;
        self.repo.program().ask(&["update-ref", "-d", &name])?;
        self.repo.references().sync_references(&[])
    }
}

/// The full name of a reference of ours.
fn reference(name: &str) -> Result<String, GitError> {
    let full = format!("{PUT_BACK_REFS}{name}");
    match FullName::try_from(full.as_str()) {
        Ok(_) if !name.contains('/') => Ok(full),
        _ => Err(GitError::refused(format!("`{}` is not a name for what is kept", visible(name)), "report this")),
    }
}
