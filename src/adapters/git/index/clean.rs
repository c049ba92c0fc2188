//! Which documents git itself takes for unchanged since they were added: their inode's times and size are those in the index. Reads the index only.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;

use gix::bstr::{BStr, ByteSlice};
use gix::index::entry::{Flags, Mode, Stage};

use super::GitIndex;
use crate::adapters::git::error::GitError;
use crate::adapters::git::index;
use crate::adapters::git::view::contents::content_id;
use crate::core::name::{ContentId, DocPath};

/// The first version of the index in which an entry can say that its file is kept out of the work tree.
const EXTENDED_VERSION: u32 = 3;

/// What the index says of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Indexed {
    /// The content that was added.
    pub content: ContentId,
    /// Last change of the contents: seconds since 1970 and nanoseconds.
    mtime: (u32, u32),
    /// Last change of contents, name or attributes, likewise.
    ctime: (u32, u32),
    /// The low 32 bits of the inode number.
    ino: u32,
    /// The low 32 bits of the size.
    size: u32,
    /// It was added so shortly before the index was written that a later change could carry the same time.
    is_racy: bool,
}

impl Indexed {
    /// Tells whether a file with this inode number, these times (nanoseconds since 1970) and this size is the one that
    /// was added for sure, by the same measure as `git status`.
    #[must_use]
    pub fn is(&self, ino: u64, mtime_ns: i64, ctime_ns: i64, size: u64) -> bool {
        const LOW: u64 = 0xffff_ffff;
        let parts = |ns: i64| (ns.div_euclid(1_000_000_000), ns.rem_euclid(1_000_000_000));
        let same = |(s, ns): (u32, u32), at: i64| parts(at) == (i64::from(s), i64::from(ns));
        !self.is_racy
            && same(self.mtime, mtime_ns)
            && same(self.ctime, ctime_ns)
            && u64::from(self.ino) == ino & LOW
            && u64::from(self.size) == size & LOW
    }
}

impl GitIndex<'_> {
    /// Returns true if the commit that is checked out holds a file of the worktree as it is there.
    ///
    /// # Errors
    /// [`GitError`] if git cannot be asked.
    pub fn is_as_committed(self, path: &str) -> Result<bool, GitError> {
        let answer =
            self.repo.program().run(&["status", "--porcelain", "--untracked-files=all", "--ignored", "--", path])?;
        Ok(answer.code == Some(0) && answer.stdout.is_empty())
    }

    /// The documents below a folder as the index has them; those in conflict are left out.
    ///
    /// # Errors
    /// [`GitError::Object`] if the index cannot be read.
    pub fn indexed(self, folder: &str) -> Result<BTreeMap<DocPath, Indexed>, GitError> {
        let hash = self.repo.gix().object_hash();
        let index = index::open(&self.repo.index_path(), hash).map_err(GitError::object("read the index"))?;
        let written = index.timestamp();
        let prefix = format!("{folder}/");
        let mut found = Vec::new();
        let Some(range) = index.prefixed_entries_range(prefix.as_bytes().as_bstr()) else {
            return Ok(BTreeMap::new());
        };
        for entry in &index.entries()[range] {
            let path = entry.path(&index).to_str().ok().and_then(|path| path.strip_prefix(&prefix));
            let Some(path) = path.and_then(|path| DocPath::new(path).ok()) else { continue };
            let added = (i64::from(entry.stat.mtime.secs), i64::from(entry.stat.mtime.nsecs));
            if entry.stage() != Stage::Unconflicted {
                continue;
            }
            let stat = &entry.stat;
            let indexed = Indexed {
                content: content_id(entry.id),
                mtime: (stat.mtime.secs, stat.mtime.nsecs),
                ctime: (stat.ctime.secs, stat.ctime.nsecs),
                ino: stat.ino,
                size: stat.size,
                is_racy: added >= (written.unix_seconds(), 0),
            };
            found.push((path, indexed));
        }
        Ok(found.into_iter().collect())
    }

    /// Returns true if the absence of a tracked file says nothing: git keeps it out of the work tree (`git sparse-checkout`), or
    /// does not look at it (`git update-index --assume-unchanged`, `--skip-worktree`).
    ///
    /// # Errors
    /// [`GitError::Object`] if the index cannot be read.
    pub fn is_kept_out(self, path_in_repo: &str) -> Result<bool, GitError> {
        let hash = self.repo.gix().object_hash();
        let index = self.read(hash).map_err(GitError::object("read the index"))?;
        let at = |path: &str| index.entry_by_path_and_stage(BStr::new(path), Stage::Unconflicted);
        if let Some(entry) = at(path_in_repo) {
            return Ok(entry.flags.intersects(Flags::SKIP_WORKTREE | Flags::ASSUME_VALID));
        }
        // In a sparse index a whole folder that is kept out is one entry.
        Ok(index.is_sparse() && path_in_repo.match_indices('/').any(|(end, _)| at(&path_in_repo[..=end]).is_some()))
    }

    /// Returns true if any file may be kept out of the work tree: only an index of version 3 or later can say so of one.
    #[must_use]
    pub fn may_keep_out(self) -> bool {
        let mut head = [0; 8];
        let read = File::open(self.repo.index_path()).and_then(|mut file| file.read_exact(&mut head));
        let [.., a, b, c, d] = head;
        read.is_ok() && head.starts_with(b"DIRC") && u32::from_be_bytes([a, b, c, d]) >= EXTENDED_VERSION
    }

    /// The documents below a folder that the index has as programs; none where `core.fileMode` is off, as then no file says
    /// whether it is one.
    ///
    /// # Errors
    /// [`GitError::Object`] if the index cannot be read.
    pub fn programs(self, folder: &str) -> Result<Option<BTreeSet<DocPath>>, GitError> {
        if self.repo.switch("core.fileMode") == Some(false) {
            return Ok(None);
        }
        let hash = self.repo.gix().object_hash();
        let index = self.read(hash).map_err(GitError::object("read the index"))?;
        let prefix = format!("{folder}/");
        let range = index.prefixed_entries_range(BStr::new(&prefix)).unwrap_or_default();
        let programs = index.entries()[range].iter().filter(|entry| entry.mode == Mode::FILE_EXECUTABLE);
        let below = |path: &BStr| DocPath::new(path.to_str().ok()?.strip_prefix(&prefix)?).ok();
        Ok(Some(programs.filter_map(|entry| below(entry.path(&index))).collect()))
    }
}
