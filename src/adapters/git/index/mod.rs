//! The next index: entries of committed documents refreshed, everything of the user's kept. Writes a prepared file only, never the index itself.

pub(super) mod clean;
pub(super) mod format;
pub(super) mod realign;
pub(super) mod stage;

use std::cell::Ref;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::SystemTime;

use gix::ObjectId;
use gix::bstr::BStr;
use gix::index::entry::{Flags, Mode, Stage, Stat};
use gix::index::extension::Tree;
use gix::index::fs::Metadata;
use gix::index::write::Extensions;
use gix::objs::tree::EntryKind;
use serde::{Deserialize, Serialize};
use sha1::{Digest, Sha1};

use super::error::GitError;
use super::index::format::IndexFormat;
use super::repository::Repository;
use super::sabotage::{self, Sabotage};

/// Racily clean entries beyond this many, or larger than this many bytes, are not read but marked to be looked at by git.
const RACY_FILES_MAX: usize = 256;
const RACY_BYTES_MAX: u64 = 1 << 20;
/// What an entry takes, more or less.
const ENTRY_BYTES: usize = 128;
/// How often the index may change while it is read.
const READS_MAX: usize = 10;

/// What a file is and when it changed, as far as its inode says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FileId {
    dev: u64,
    ino: u64,
    size: u64,
    mtime: (i64, i64),
    ctime: (i64, i64),
}

impl FileId {
    /// Looks at a path without following a link; `None` if there is nothing.
    pub(super) fn of(path: &Path) -> io::Result<Option<Self>> {
        match fs::symlink_metadata(path) {
            Ok(meta) => Ok(Some(Self::from(&meta))),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Tells whether it is the same inode, whatever happened to it.
    pub(super) fn is_same_file(&self, other: Self) -> bool {
        self.dev == other.dev && self.ino == other.ino
    }
}

impl From<&fs::Metadata> for FileId {
    fn from(meta: &fs::Metadata) -> Self {
        Self {
            dev: meta.dev(),
            ino: meta.ino(),
            size: meta.size(),
            mtime: (meta.mtime(), meta.mtime_nsec()),
            ctime: (meta.ctime(), meta.ctime_nsec()),
        }
    }
}

/// One path of the index to bring in step with the commit.
pub(super) struct Refresh<'a> {
    /// The path in the repository.
    pub(super) path: &'a str,
    /// What the commit holds there; `None` if nothing.
    pub(super) stored: Option<(ObjectId, EntryKind)>,
    /// The bytes of the work tree that were committed, where known: if the file still holds them, its entry is clean.
    pub(super) bytes: Option<&'a [u8]>,
}

/// Where a folder's tree was and is, for sparse indexes that hold whole folders.
pub(super) type FolderChange<'a> = dyn Fn(&str) -> Option<(ObjectId, ObjectId)> + 'a;

/// A prepared index.
pub(super) struct Prepared {
    /// The open file.
    pub(super) file: File,
    /// The index it was made from, to be compared under the lock.
    pub(super) seen: Option<FileId>,
}

/// Which index there was at a moment, so that a later one can be told from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexMark(Option<FileId>);

impl IndexMark {
    /// Returns true if this is the index that was read into this one.
    pub(super) fn is_of(self, prepared: &Prepared) -> bool {
        self.0 == prepared.seen
    }
}

/// The index of a worktree: reading it, staging documents, and bringing entries in step with HEAD.
#[derive(Debug, Clone, Copy)]
pub struct GitIndex<'r> {
    pub(super) repo: &'r Repository,
}

impl<'r> GitIndex<'r> {
    /// Marks the index as it is now. Git writes it whenever it writes files of the worktree, so one that is still the same
    /// says that git has put no document back since.
    ///
    /// # Errors
    /// [`GitError::Io`] if it cannot be looked at.
    pub fn index_mark(self) -> Result<IndexMark, GitError> {
        let path = self.repo.index_path();
        FileId::of(&path).map(IndexMark).map_err(GitError::io("look at", &path))
    }

    /// The index as it is now; read again only if it changed.
    pub(super) fn read(self, hash: gix::hash::Kind) -> Result<Ref<'r, gix::index::File>, gix::Error> {
        let path = self.repo.index_path();
        let now = FileId::of(&path).ok().flatten();
        if self.repo.last_index.borrow().as_ref().is_none_or(|(then, _)| *then != now) {
            *self.repo.last_index.borrow_mut() = Some((now, open(&path, hash)?));
        }
        Ok(Ref::map(self.repo.last_index.borrow(), |slot| &slot.as_ref().expect("it was just filled").1))
    }

    /// The index that was read last, to be changed; `None` if it is not the one of this moment.
    pub(super) fn take(self, now: Option<FileId>) -> Option<gix::index::File> {
        self.repo.last_index.borrow_mut().take_if(|(then, _)| *then == now).map(|(_, index)| index)
    }
}

/// Reads an index; an empty one if there is none. Like git, it checks the shape of the index but not its checksum.
pub(super) fn open(path: &Path, hash: gix::hash::Kind) -> Result<gix::index::File, gix::Error> {
    gix::index::File::at_or_default(path, hash, true, gix::index::decode::Options::default())
}

/// An index without entries.
pub(super) fn empty(hash: gix::hash::Kind) -> gix::index::State {
    gix::index::State::new(hash)
}

/// Writes the next index to `prepared`, which must not exist.
pub(super) fn prepare(
    repo: &Repository,
    prepared: &Path,
    refreshes: &[Refresh<'_>],
    folders: &FolderChange<'_>,
) -> Result<Prepared, GitError> {
    let file = File::create_new(prepared).map_err(GitError::io("make", prepared))?;
    // Whatever is looked at from here on is looked at after this moment of the file system's own clock.
    let began = file.metadata().and_then(|meta| meta.modified()).map_err(GitError::io("look at", prepared))?;
    let (mut index, seen) = read_steady(repo)?;
    let path = repo.index_path();
    // The index is compared with `seen` under the lock, so that these are its bytes or nothing is written.
    let format = IndexFormat::of(&index, || fs::read(&path).ok());
    if let Some(seen) = seen.filter(|_| !sabotage::on(Sabotage::NoSmudge)) {
        smudge(&mut index, seen, repo.work_tree());
    }
    let mut new = Vec::new();
    for refresh in refreshes {
        set_entry(&mut index, refresh, repo.work_tree(), folders, &mut new);
    }
    if !new.is_empty() {
        for (path, id, mode, stat) in new {
            index.dangerously_push_entry(stat, id, Flags::empty(), mode, BStr::new(path));
        }
        index.sort_entries();
    }
    if let Some(tree) = index.tree_mut().filter(|_| !sabotage::on(Sabotage::KeepCacheTree)) {
        for refresh in refreshes {
            invalidate(tree, refresh.path);
        }
    }
    let skip_hash = repo.switch("index.skipHash") == Some(true);
    write(&index, &format, &file, skip_hash, began).map_err(GitError::object("write the next index"))?;
    Ok(Prepared { file, seen })
}

fn read_steady(repo: &Repository) -> Result<(gix::index::File, Option<FileId>), GitError> {
    let path = repo.index_path();
    let hash = repo.gix().object_hash();
    let mut before = FileId::of(&path).map_err(GitError::io("look at", &path))?;
    if let Some(index) = repo.index().take(before) {
        return Ok((index, before));
    }
    for _ in 0..READS_MAX {
        let index = open(&path, hash);
        let after = FileId::of(&path).map_err(GitError::io("look at", &path))?;
        if before == after {
            return Ok((index.map_err(GitError::object("read the index"))?, after));
        }
        before = after;
    }
    Err(GitError::refused("the index changes faster than it can be read", "try again in a moment"))
}

fn write(
    index: &gix::index::File,
    format: &IndexFormat,
    mut file: &File,
    skip_hash: bool,
    began: SystemTime,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut bytes = Vec::with_capacity(index.entries().len() * ENTRY_BYTES);
    let hash = index.object_hash().len_in_bytes();
    if format.is_plain() {
        index.write_to(&mut bytes, gix::index::write::Options { skip_hash: true, ..Default::default() })?;
    } else {
        // The checksum of the extensions says where they begin, which is another place then.
        let extensions = Extensions::Given { tree_cache: true, end_of_index_entry: false };
        index.write_to(&mut bytes, gix::index::write::Options { skip_hash: true, extensions })?;
        bytes = format.apply(&bytes, hash).ok_or("it has an unknown shape")?;
    }
    if !skip_hash {
        sign(&mut bytes, index.object_hash())?;
    }
    file.write_all(&bytes)?;
    if !sabotage::on(Sabotage::NoSmudge) {
        // An entry that changes after `began` must count as racy, so the index may not look newer than that.
        file.set_modified(began)?;
    }
    Ok(())
}

/// Puts the checksum of an index at its end, where there are zeros. It finds damage and is no defence, so for SHA-1 the
/// processor's own does, which is many times quicker than the one that looks for made-up collisions.
fn sign(bytes: &mut [u8], hash: gix::hash::Kind) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let (body, end) = bytes.split_at_mut(bytes.len().saturating_sub(hash.len_in_bytes()));
    if hash == gix::hash::Kind::Sha1 {
        end.copy_from_slice(&Sha1::digest(&*body));
    } else {
        let mut hasher = gix::hash::hasher(hash);
        hasher.update(body);
        end.copy_from_slice(hasher.try_finalize()?.as_slice());
    }
    Ok(())
}

/// Makes git look again at entries that changed in the very second of the old index or later. Git trusts the others because
/// its index is newer than they are; ours is newer still, and would hide an edit of the same size made in that second.
fn smudge(index: &mut gix::index::File, seen: FileId, work_tree: &Path) {
    let mut looked = 0;
    let hash = index.object_hash();
    for (entry, path) in index.entries_mut_with_paths() {
        let is_racy = i64::from(entry.stat.mtime.secs) >= seen.mtime.0;
        if !is_racy || entry.stat.size == 0 || entry.flags.contains(Flags::SKIP_WORKTREE) {
            continue;
        }
        looked += 1;
        let file = work_tree.join(OsStr::from_bytes(path));
        if looked > RACY_FILES_MAX || !git_will_tell(&file, &entry.stat, entry.id, hash) {
            entry.stat.size = 0;
        }
    }
}

/// Tells whether git sees the truth about a file without help: its stat differs from the entry, or its bytes are the entry's.
fn git_will_tell(file: &Path, stat: &Stat, id: ObjectId, hash: gix::hash::Kind) -> bool {
    let Ok(meta) = fs::symlink_metadata(file) else { return true };
    if meta.mtime() != i64::from(stat.mtime.secs) || meta.size() != u64::from(stat.size) {
        return true;
    }
    if !meta.is_file() || meta.size() > RACY_BYTES_MAX {
        return false;
    }
    let Ok(bytes) = fs::read(file) else { return false };
    gix::objs::compute_hash(hash, gix::objs::Kind::Blob, &bytes).is_ok_and(|found| found == id)
}

type NewEntry<'a> = (&'a str, ObjectId, Mode, Stat);

fn set_entry<'a>(
    index: &mut gix::index::File,
    refresh: &Refresh<'a>,
    work_tree: &Path,
    folders: &FolderChange<'_>,
    new: &mut Vec<NewEntry<'a>>,
) {
    let path = BStr::new(refresh.path);
    for stage in [Stage::Base, Stage::Ours, Stage::Theirs] {
        if let Some(entry) = index.entry_mut_by_path_and_stage(path, stage) {
            entry.flags.insert(Flags::REMOVE);
        }
    }
    if index.is_sparse() && set_sparse_folder(index, refresh.path, folders) {
        return;
    }
    let stat = refresh.bytes.and_then(|bytes| clean_stat(&work_tree.join(refresh.path), bytes));
    let entry = index.entry_mut_by_path_and_stage(path, Stage::Unconflicted);
    match (refresh.stored, entry) {
        (None, Some(entry)) => entry.flags.insert(Flags::REMOVE),
        (None, None) => {}
        (Some((id, kind)), Some(entry)) => {
            (entry.id, entry.mode) = (id, kind.into());
            entry.flags.remove(Flags::INTENT_TO_ADD);
            if stat.is_some() {
                entry.flags.remove(Flags::SKIP_WORKTREE);
            }
            if !entry.flags.intersects(Flags::INTENT_TO_ADD | Flags::SKIP_WORKTREE) {
                entry.flags.remove(Flags::EXTENDED);
            }
            entry.stat = stat.unwrap_or_default();
        }
        (Some((id, kind)), None) => {
            remove_files_in_the_way(index, refresh.path);
            new.push((refresh.path, id, kind.into(), stat.unwrap_or_default()));
        }
    }
}

/// A file staged where the path needs a folder cannot stay beside it.
fn remove_files_in_the_way(index: &mut gix::index::File, path: &str) {
    for (end, _) in path.match_indices('/') {
        if let Some(entry) = index.entry_mut_by_path_and_stage(BStr::new(&path[..end]), Stage::Unconflicted) {
            entry.flags.insert(Flags::REMOVE);
        }
    }
}

/// In a sparse index a whole folder is one entry; tells whether it covers the path.
fn set_sparse_folder(index: &mut gix::index::File, path: &str, folders: &FolderChange<'_>) -> bool {
    for (end, _) in path.match_indices('/') {
        let Some(entry) = index.entry_mut_by_path_and_stage(BStr::new(&path[..=end]), Stage::Unconflicted) else {
            continue;
        };
        if let Some((old, new)) = folders(&path[..end]).filter(|(old, _)| entry.id == *old) {
            debug_assert_ne!(old, ObjectId::null(new.kind()), "a folder in the index is in the history");
            entry.id = new;
        }
        return true;
    }
    false
}

/// The stat of a file that holds exactly these bytes, before and after it was read.
fn clean_stat(file: &Path, bytes: &[u8]) -> Option<Stat> {
    let before = fs::symlink_metadata(file).ok().filter(|meta| meta.is_file() && meta.len() == bytes.len() as u64)?;
    let found = fs::read(file).ok()?;
    let stat = Stat::from_fs(&Metadata::from_path_no_follow(file).ok()?).ok()?;
    (found == bytes && FileId::of(file).ok()?? == FileId::from(&before)).then_some(stat)
}

/// Marks the cached trees on the way to a path as unknown. Git would else write the old tree into the user's next commit.
fn invalidate(tree: &mut Tree, path: &str) {
    let mut node = tree;
    node.num_entries = None;
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    for part in parts {
        let Some(child) = node.children.iter_mut().find(|child| child.name.as_slice() == part.as_bytes()) else {
            return;
        };
        child.num_entries = None;
        node = child;
    }
}

/// Takes any bytes as an index, changes entries in it as a commit does, and reads what is written.
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz_index(input: &[u8]) {
    let (hash, nowhere) = (gix::hash::Kind::Sha1, Path::new("/nowhere"));
    let read = |bytes: &[u8]| {
        gix::index::State::from_bytes(
            bytes,
            SystemTime::UNIX_EPOCH.into(),
            hash,
            gix::index::decode::Options::default(),
        )
    };
    let Ok((state, _)) = read(input) else { return };
    let mut index = gix::index::File::from_state(state, nowhere.to_owned());
    let id = ObjectId::empty_blob(hash);
    let mut new = Vec::new();
    for (path, stored) in
        [("a/b.md", Some((id, EntryKind::Blob))), ("a/c.md", None), ("d.md", Some((id, EntryKind::Blob)))]
    {
        let refresh = Refresh { path, stored, bytes: None };
        set_entry(&mut index, &refresh, nowhere, &|_| None, &mut new);
        if let Some(tree) = index.tree_mut() {
            invalidate(tree, path);
        }
    }
    for (path, id, mode, stat) in new {
        index.dangerously_push_entry(stat, id, Flags::empty(), mode, BStr::new(path));
    }
    index.sort_entries();
    let mut out = Vec::new();
    if index.write_to(&mut out, gix::index::write::Options::default()).is_ok() {
        let Ok((again, _)) = read(&out) else {
            // Git reads it; the library gives up on paths that no file system takes, and then nothing is committed.
            let longest = index.entries().iter().map(|entry| entry.path(&index).len()).max();
            return assert!(longest >= Some(usize::from(u16::MAX >> 4)), "what was written is read");
        };
        assert!(again.entry_by_path_and_stage(BStr::new("d.md"), Stage::Unconflicted).is_some());
    }
}
