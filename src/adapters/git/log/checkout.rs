//! Which commits were checked out in this worktree lately, and what they hold of the documents. Reads HEAD and its reflog; changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use super::GitLog;
use crate::adapters::git::error::GitError;
use crate::adapters::git::references::Target;
use crate::adapters::git::repository::RefStorage;
use crate::core::name::{ContentId, DocPath, Revision};

/// Most bytes of the reflog that are read at once: some hundred checkouts.
const LOG_BYTES_MAX: u64 = 64 * 1024;
/// How many entries of a reflog are asked for where it is no file.
const ENTRIES_MAX: &str = "100";
/// Most commits whose documents are read, and how many without a mark.
const COMMITS_MAX: usize = 50;
const COMMITS_UNMARKED: usize = 10;

/// HEAD and the length of its reflog at one moment. If both are the same later, git has checked out nothing since.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CheckoutMark {
    head: Option<Revision>,
    log_bytes: u64,
}

impl fmt::Display for CheckoutMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.head.as_ref().map_or("-", Revision::as_str), self.log_bytes)
    }
}

impl CheckoutMark {
    /// Parses what `Display` wrote; `None` if it is damaged.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (head, log_bytes) = text.trim().split_once(' ')?;
        Some(Self { head: Revision::new(head), log_bytes: log_bytes.parse().ok()? })
    }

    /// Returns how many bytes the reflog grew since another mark.
    #[must_use]
    pub fn grown_since(&self, before: &Self) -> u64 {
        self.log_bytes.saturating_sub(before.log_bytes)
    }
}

/// The documents that commits of the code branch hold: of the commit that is checked out, and of those before it.
#[derive(Debug, Clone, Default)]
pub struct CodeVersions {
    /// What the commit that is checked out holds.
    current: BTreeMap<DocPath, ContentId>,
    /// What those before it held, newest first.
    before: Vec<BTreeMap<DocPath, ContentId>>,
}

impl CodeVersions {
    /// Returns true if none of these commits holds a document.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.current.is_empty() && self.before.is_empty()
    }

    /// Returns true if the commit that is checked out holds this document with this content.
    #[must_use]
    pub fn is_checked_out(&self, path: &DocPath, content: &ContentId) -> bool {
        self.current.get(path) == Some(content)
    }

    /// The documents that the commit which is checked out holds.
    #[must_use]
    pub const fn current(&self) -> &BTreeMap<DocPath, ContentId> {
        &self.current
    }

    /// The versions of one document, newest first.
    #[must_use]
    pub fn of(&self, path: &DocPath) -> Vec<&ContentId> {
        std::iter::once(&self.current).chain(&self.before).filter_map(|contents| contents.get(path)).collect()
    }

    /// Every document that one of these commits holds.
    pub fn paths(&self) -> impl Iterator<Item = &DocPath> {
        std::iter::once(&self.current).chain(&self.before).flat_map(BTreeMap::keys)
    }
}

impl GitLog<'_> {
    /// Returns HEAD and the length of its reflog now.
    ///
    /// # Errors
    /// [`GitError`] if HEAD cannot be read.
    pub fn checkout_mark(self) -> Result<CheckoutMark, GitError> {
        let head = self.repo.view().head(&Target::Current)?.revision;
        let log_bytes = std::fs::metadata(self.head_log()).map_or(0, |meta| meta.len());
        Ok(CheckoutMark { head, log_bytes })
    }

    /// Returns the documents of the commit that is checked out, and of those that were since a mark (without one: of the last
    /// hundred or so).
    ///
    /// # Errors
    /// [`GitError`] if HEAD or its commit cannot be read. A commit before it that is gone is left out.
    pub fn code_versions(self, since: Option<&CheckoutMark>, folder: &str) -> Result<CodeVersions, GitError> {
        let head = self.repo.view().head(&Target::Current)?.revision;
        let current = self.repo.view().contents(head.as_ref(), folder)?;
        let mut seen = BTreeSet::new();
        let mut before = Vec::new();
        let limit = if since.is_some() { COMMITS_MAX } else { COMMITS_UNMARKED };
        let older = self.checked_out_since(since)?.into_iter().chain(since.and_then(|mark| mark.head.clone()));
        for revision in older.filter(|revision| Some(revision) != head.as_ref()) {
            if seen.len() >= limit {
                break;
            }
            // One that was cleaned up says nothing any more.
            let Ok(Some(tree)) = self.repo.view().folder_tree(&revision, folder) else { continue };
            if seen.insert(tree)
                && let Ok(contents) = self.repo.view().contents(Some(&revision), folder)
                && !contents.is_empty()
            {
                before.push(contents);
            }
        }
        Ok(CodeVersions { current, before })
    }

    /// Returns the documents that were removed from a branch once, whether or not they came back.
    ///
    /// # Errors
    /// [`GitError`] if git cannot be asked.
    pub fn removed_from(self, tip: &Revision, folder: &str) -> Result<BTreeSet<DocPath>, GitError> {
        let mut arguments = vec!["log", "--format=", "--name-only", "--diff-filter=D", "--no-renames", "-z"];
        arguments.extend([tip.as_str(), "--", folder]);
        let answer = self.repo.program().ask(&arguments)?;
        let names = answer.split(|byte| *byte == 0 || *byte == b'\n').filter_map(|name| std::str::from_utf8(name).ok());
        let below = names.filter_map(|name| name.strip_prefix(folder)?.strip_prefix('/'));
        Ok(below.filter_map(|name| DocPath::new(name).ok()).collect())
    }

    /// The commits that HEAD pointed to, newest first.
    fn checked_out_since(self, since: Option<&CheckoutMark>) -> Result<Vec<Revision>, GitError> {
        if self.repo.refs == RefStorage::Reftable {
            let answer = self.repo.program().run(&["log", "-g", "-n", ENTRIES_MAX, "--format=%H", "HEAD"])?;
            return Ok(String::from_utf8_lossy(&answer.stdout).lines().filter_map(Revision::new).collect());
        }
        let path = self.head_log();
        let text = read_end(&path, since.map_or(0, |mark| mark.log_bytes)).map_err(GitError::io("read", &path))?;
        let mut revisions = Vec::new();
        for line in text.lines().rev() {
            let mut words = line.splitn(3, ' ');
            let (old, new) = (words.next().and_then(Revision::new), words.next().and_then(Revision::new));
            revisions.extend([new, old].into_iter().flatten());
        }
        Ok(revisions)
    }

    fn head_log(self) -> std::path::PathBuf {
        self.repo.git_dir().join("logs/HEAD")
    }
}

/// The text behind an offset, or the end of it. A file that is shorter was written again: all of it counts.
fn read_end(path: &Path, offset: u64) -> io::Result<String> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
        file => file?,
    };
    let length = file.metadata()?.len();
    let offset = if offset > length { 0 } else { offset };
    file.seek(SeekFrom::Start(offset.max(length.saturating_sub(LOG_BYTES_MAX))))?;
    let mut bytes = Vec::new();
    file.take(LOG_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_as_it_was_written() {
        let head = Revision::new("a".repeat(40));
        for mark in [CheckoutMark { head, log_bytes: 77 }, CheckoutMark::default()] {
            assert_eq!(CheckoutMark::parse(&format!("{mark}\n")), Some(mark));
        }
        for text in ["", "x", "- x", "-"] {
            assert_eq!(CheckoutMark::parse(text), None, "{text}");
        }
    }
}
