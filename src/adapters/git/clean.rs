//! Which documents git itself takes for unchanged since they were added: their inode's times and size are those in the index. Reads the index only.

use std::collections::BTreeMap;

use gix::bstr::ByteSlice;
use gix::index::entry::Stage;

use super::contents::content_id;
use super::error::GitError;
use super::index;
use super::repository::Repository;
use crate::core::name::{ContentId, DocPath};

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

impl Repository {
    /// Returns true if the commit that is checked out holds a file of the worktree as it is there.
    ///
    /// # Errors
    /// [`GitError`] if git cannot be asked.
    pub fn is_as_committed(&self, path: &str) -> Result<bool, GitError> {
        let answer =
            self.program().run(&["status", "--porcelain", "--untracked-files=all", "--ignored", "--", path])?;
        Ok(answer.code == Some(0) && answer.stdout.is_empty())
    }

    /// The documents below a folder as the index has them; those in conflict are left out.
    ///
    /// # Errors
    /// [`GitError::Object`] if the index cannot be read.
    pub fn indexed(&self, folder: &str) -> Result<BTreeMap<DocPath, Indexed>, GitError> {
        let hash = self.gix().object_hash();
        let index = index::open(&self.index_path(), hash).map_err(GitError::object("read the index"))?;
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
}
