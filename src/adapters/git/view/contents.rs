//! Which documents a revision holds, and what is in them. Reads objects only.

use std::collections::{BTreeMap, BTreeSet};

use gix::ObjectId;
use gix::bstr::ByteSlice;
use gix::objs::tree::EntryKind;

use super::GitView;
use crate::adapters::git::error::GitError;
use crate::adapters::git::index;
use crate::adapters::git::references::Target;
use crate::core::name::{ContentId, DocPath, Revision};

/// The name of the folder of finished documents.
const ARCHIVE: &str = "archive";

impl GitView<'_> {
    /// The newest commit of a target whose message fits, by first parents, at most `limit` commits back. It starts no
    /// program, so it is much quicker than the history.
    ///
    /// # Errors
    /// [`GitError::Object`] if a commit cannot be read.
    pub fn newest_where(
        self,
        target: &Target,
        limit: usize,
        fits: &dyn Fn(&str) -> bool,
    ) -> Result<Option<Revision>, GitError> {
        let mut at = self.repo.references().tip(target)?.value;
        let repo = self.repo.gix();
        for _ in 0..limit {
            let Some(id) = at else { break };
            let failed = || GitError::object(format!("read the commit {}", revision(id).short()));
            let commit = repo.find_commit(id).map_err(failed())?;
            let message = commit.message_raw().map_err(failed())?;
            if fits(&String::from_utf8_lossy(message)) {
                return Ok(Some(revision(id)));
            }
            at = commit.parent_ids().next().map(gix::Id::detach);
        }
        Ok(None)
    }
}

impl GitView<'_> {
    /// Tells whether a commit has all of these behind it, at most `limit` commits back; a commit has itself. One that is gone
    /// is behind none.
    ///
    /// # Errors
    /// [`GitError::Object`] if a commit cannot be read.
    pub fn has_behind(self, tip: &Revision, olds: &[Revision], limit: usize) -> Result<bool, GitError> {
        let mut olds = olds.iter().map(|old| parse(old.as_str())).collect::<Result<BTreeSet<_>, _>>()?;
        let id = parse(tip.as_str())?;
        olds.remove(&id);
        let repo = self.repo.gix();
        let failed = || GitError::object(format!("walk back from the commit {}", tip.short()));
        // Not cut off by the time of the oldest: the clocks of two machines may differ.
        let newest_first = gix::traverse::commit::simple::CommitTimeOrder::NewestFirst;
        let order = gix::revision::walk::Sorting::ByCommitTime(newest_first);
        let mut walk = repo.rev_walk([id]).sorting(order).all().map_err(failed())?.take(limit);
        while !olds.is_empty() {
            let Some(commit) = walk.next() else { return Ok(false) };
            olds.remove(&commit.map_err(failed())?.id);
        }
        Ok(true)
    }

    /// The documents below a folder (`/` between parts) at a revision; nothing at no revision.
    /// Files that are no documents, symbolic links and submodules are left out.
    ///
    /// # Errors
    /// [`GitError::Object`] if the revision or one of its trees cannot be read.
    pub fn contents(self, at: Option<&Revision>, folder: &str) -> Result<BTreeMap<DocPath, ContentId>, GitError> {
        self.contents_where(at, folder, &|_| true)
    }

    /// The same for some documents only; folders of the archive that hold none of them are not read.
    ///
    /// # Errors
    /// [`GitError::Object`] if the revision or one of its trees cannot be read.
    pub fn contents_of(
        self,
        at: Option<&Revision>,
        folder: &str,
        paths: &BTreeSet<DocPath>,
    ) -> Result<BTreeMap<DocPath, ContentId>, GitError> {
        let names: BTreeSet<&str> = paths.iter().map(DocPath::as_str).collect();
        let months: BTreeSet<&str> =
            names.iter().filter_map(|path| path.rsplit_once('/')).map(|(month, _)| month).collect();
        self.contents_where(at, folder, &|path| names.contains(path) || months.contains(path))
    }

    /// The documents and folders of the archive whose paths are wanted.
    fn contents_where(
        self,
        at: Option<&Revision>,
        folder: &str,
        wanted: &dyn Fn(&str) -> bool,
    ) -> Result<BTreeMap<DocPath, ContentId>, GitError> {
        self.repo.refresh()?;
        // A map is made of many at once much sooner than one by one.
        let mut found = Vec::new();
        let Some(revision) = at else { return Ok(BTreeMap::new()) };
        let repo = self.repo.gix();
        let Some(tree) = self.folder_tree(revision, folder)? else { return Ok(BTreeMap::new()) };
        let mut archive = None;
        each_entry(&repo, tree, |name, kind, id| {
            if kind == EntryKind::Tree && name == ARCHIVE {
                archive = Some(id);
            }
            if wanted(name) {
                keep(&mut found, name.to_owned(), kind, id);
            }
        })?;
        let Some(archive) = archive else { return Ok(found.into_iter().collect()) };
        let mut months = Vec::new();
        each_entry(&repo, archive, |name, kind, id| {
            if kind == EntryKind::Tree {
                months.push((format!("{ARCHIVE}/{name}"), id));
            }
        })?;
        months.retain(|(month, _)| wanted(month));
        for (month, id) in months {
            each_entry(&repo, id, |name, kind, id| {
                let path = [&month, "/", name].concat();
                if wanted(&path) {
                    keep(&mut found, path, kind, id);
                }
            })?;
        }
        Ok(found.into_iter().collect())
    }

    /// Returns true if git tracks this path: it is in the index, or in the commit that HEAD names.
    ///
    /// # Errors
    /// [`GitError::Object`] if one of them cannot be read.
    pub fn tracks(self, path: &str) -> Result<bool, GitError> {
        let index = index::open(&self.repo.index_path(), self.repo.gix().object_hash());
        let index = index.map_err(GitError::object("read the index"))?;
        let entries = index.prefixed_entries_range(path.as_bytes().as_bstr());
        if entries.is_some_and(|range| index.entries()[range].iter().any(|entry| entry.path(&index) == path)) {
            return Ok(true);
        }
        let Some(revision) = self.head(&Target::Current)?.revision else { return Ok(false) };
        let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
        let Some(tree) = self.folder_tree(&revision, folder)? else { return Ok(false) };
        let mut is_tracked = false;
        each_entry(&self.repo.gix(), tree, |name, _, _| is_tracked |= name == file)?;
        Ok(is_tracked)
    }

    /// What a blob holds.
    ///
    /// # Errors
    /// [`GitError::Object`] if there is no such blob or it cannot be read.
    pub fn read(self, id: &ContentId) -> Result<Vec<u8>, GitError> {
        self.repo.refresh()?;
        let what = format!("read the blob {}", id.short());
        let repo = self.repo.gix();
        let mut blob = repo.find_blob(parse(id.as_str())?).map_err(GitError::object(what))?;
        Ok(blob.take_data())
    }

    /// The tree of the folder at a revision; `None` if there is none.
    pub(in crate::adapters::git) fn folder_tree(
        self,
        revision: &Revision,
        folder: &str,
    ) -> Result<Option<ObjectId>, GitError> {
        let repo = self.repo.gix();
        let failed = || GitError::object(format!("read the folder `{folder}` at {}", revision.short()));
        let commit = repo.find_commit(parse(revision.as_str())?).map_err(failed())?;
        let tree = commit.tree().map_err(failed())?;
        if folder.is_empty() {
            return Ok(Some(tree.id));
        }
        let entry = tree.lookup_entry_by_path(folder).map_err(failed())?;
        Ok(entry.filter(|entry| entry.mode().is_tree()).map(|entry| entry.object_id()))
    }
}

fn keep(found: &mut Vec<(DocPath, ContentId)>, path: String, kind: EntryKind, id: ObjectId) {
    if !matches!(kind, EntryKind::Blob | EntryKind::BlobExecutable) {
        return;
    }
    if let Ok(path) = DocPath::new(path) {
        found.push((path, content_id(id)));
    }
}

/// Calls back for each entry with a UTF-8 name.
fn each_entry(
    repo: &gix::Repository,
    tree: ObjectId,
    mut each: impl FnMut(&str, EntryKind, ObjectId),
) -> Result<(), GitError> {
    let failed = || GitError::object(format!("read the tree {tree}"));
    let tree = repo.find_tree(tree).map_err(failed())?;
    for entry in tree.iter() {
        let entry = entry.map_err(failed())?;
        if let Ok(name) = entry.filename().to_str() {
            each(name, entry.mode().kind(), entry.object_id());
        }
    }
    Ok(())
}

/// An object id from checked digits.
pub(in crate::adapters::git) fn parse(digits: &str) -> Result<ObjectId, GitError> {
    ObjectId::from_hex(digits.as_bytes()).map_err(GitError::object(format!("use the id `{digits}`")))
}

/// A revision from an object id.
pub(in crate::adapters::git) fn revision(id: ObjectId) -> Revision {
    Revision::new(&*id.hex_to_buf(&mut gix::hash::Kind::hex_buf()))
        .expect("an object id is 40 or 64 lower-case hexadecimal digits")
}

/// A content id from an object id.
pub(in crate::adapters::git) fn content_id(id: ObjectId) -> ContentId {
    ContentId::new(&*id.hex_to_buf(&mut gix::hash::Kind::hex_buf()))
        .expect("an object id is 40 or 64 lower-case hexadecimal digits")
}
