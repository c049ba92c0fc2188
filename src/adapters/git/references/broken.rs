//! References that a power cut or a full disk left broken: empty, torn, or at an object that is not there. Git then refuses to
//! fetch, with words about objects; this finds which reference it is, and what to do.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use gix::ObjectId;

use super::GitReferences;
use crate::adapters::git::durable;
use crate::adapters::git::error::{GitError, shown};
use crate::adapters::git::journal;
use crate::adapters::git::repository::RefStorage;
use crate::core::name::{Revision, visible};

/// Most files of references that are looked at.
const FILES_MAX: usize = 20_000;
/// Longest text of a reference that is read, in bytes: a name has at most 4,096.
const TEXT_BYTES_MAX: u64 = 5_000;
/// Most of a reflog that is read, from its end, in bytes.
const LOG_BYTES_MAX: usize = 64 * 1024;
/// What references begin with that are copies of another repository's branches.
const COPIES: &str = "refs/remotes/";

/// What git says of its own references that it cannot use.
const WORDS: [&str; 6] =
    ["bad object", "reference broken", "broken ref", "unable to resolve reference", "bad ref", "invalid sha1 pointer"];

/// A reference that names no commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenReference {
    /// Its full name.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
    /// What is wrong with it: a lower-case fragment.
    pub why: &'static str,
    /// Where it was last, as far as its reflog says and the object is there.
    pub last: Option<Revision>,
}

impl BrokenReference {
    /// Returns true if the reference is a copy of a remote's branch, which the next fetch brings again.
    #[must_use]
    pub fn is_copy(&self) -> bool {
        self.name.starts_with(COPIES)
    }

    /// What is wrong, in a sentence without an end.
    #[must_use]
    pub fn message(&self) -> String {
        format!("the reference `{}` is broken: {}", visible(&self.name), self.why)
    }

    /// What to do, in the imperative.
    #[must_use]
    pub fn hint(&self) -> String {
        let file = quoted(&shown(&self.path));
        match &self.last {
            _ if self.is_copy() => {
                format!(
                    "run `mycelium doctor --fix`, or `rm {file}` and `git fetch`: it is a copy of the remote's branch"
                )
            }
            Some(last) => format!(
                "its reflog says where it was: run `rm {file}` and `git update-ref {} {last}`",
                quoted(&visible(&self.name))
            ),
            None => format!("run `rm {file}`, and `git fsck --lost-found` to find what it was at"),
        }
    }

    /// The error of a command that needs the reference.
    pub(in crate::adapters::git) fn error(&self) -> GitError {
        GitError::refused(self.message(), self.hint())
    }
}

/// A path for a shell. Without quotes where none are needed: a report shows the home folder as `~`, which quotes would keep.
fn quoted(path: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@:,=~".contains(c);
    if path.chars().all(is_plain) { path.to_owned() } else { format!("'{}'", path.replace('\'', "'\\''")) }
}

/// Returns true if git complains of a reference or object of this repository. What the server says has a mark of its own.
pub(in crate::adapters::git) fn is_complaint(said: &[String]) -> bool {
    let own = said.iter().filter(|line| !line.starts_with("remote: "));
    own.into_iter().any(|line| WORDS.iter().any(|words| line.contains(words)))
}

impl GitReferences<'_> {
    /// The references that are broken, of those that have a file of their own. Packed ones are written in one piece.
    ///
    /// # Errors
    /// [`GitError::Io`] if their folders cannot be listed.
    pub fn broken_references(self) -> Result<Vec<BrokenReference>, GitError> {
        if self.repo.refs == RefStorage::Reftable {
            return Ok(Vec::new());
        }
        let mut tops = vec![self.repo.common_dir()];
        if self.repo.git_dir() != self.repo.common_dir() {
            tops.push(self.repo.git_dir());
        }
        let (mut found, mut left) = (Vec::new(), FILES_MAX);
        for top in tops {
            let mut folders = VecDeque::from([top.join("refs")]);
            while let Some(folder) = folders.pop_front() {
                let entries = match journal::list(&folder) {
                    Ok(entries) => entries,
                    Err(error) if error.kind() == ErrorKind::NotFound => continue,
                    Err(error) => return Err(GitError::io("read folder", &folder)(error)),
                };
                for path in entries.flatten().map(|entry| entry.path()) {
                    if path.is_dir() {
                        folders.push_back(path);
                    } else if path.extension().is_none_or(|end| end != "lock") && left > 0 {
                        left -= 1;
                        found.extend(self.broken_file(top, &path));
                    }
                }
            }
        }
        found.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(found)
    }

    /// The reference of this name, if it is broken.
    pub(in crate::adapters::git) fn broken_reference(self, name: &str) -> Option<BrokenReference> {
        let path = self.ref_file(name);
        let top = if path.starts_with(self.repo.git_dir()) { self.repo.git_dir() } else { self.repo.common_dir() };
        if self.repo.refs == RefStorage::Reftable { None } else { self.broken_file(top, &path) }
    }

    fn broken_file(self, top: &Path, path: &Path) -> Option<BrokenReference> {
        let mut bytes = Vec::new();
        // One that goes away at this moment was not broken.
        File::open(path).ok()?.take(TEXT_BYTES_MAX).read_to_end(&mut bytes).ok()?;
        let why = self.fault(&bytes)?;
        let name = path.strip_prefix(top).ok()?.to_string_lossy().into_owned();
        let last = self.last_of(&name);
        Some(BrokenReference { name, path: path.to_owned(), why, last })
    }

    /// What is wrong with the text of a reference; `None` if it is sound.
    fn fault(self, bytes: &[u8]) -> Option<&'static str> {
        if bytes.iter().all(|byte| *byte == 0 || byte.is_ascii_whitespace()) {
            return Some("it is empty");
        }
        let text = std::str::from_utf8(bytes).unwrap_or_default().trim_end();
        if text.strip_prefix("ref:").is_some_and(|name| name.trim_start().starts_with("refs/")) {
            return None;
        }
        let repo = self.repo.gix();
        match ObjectId::from_hex(text.as_bytes()) {
            Ok(id) if id.kind() != repo.object_hash() => Some("it holds an id of another kind"),
            Ok(id) if gix::objs::Exists::exists(&repo.objects, &id) => None,
            Ok(_) => Some("the object that it is at is missing"),
            Err(_) => Some("it holds no id"),
        }
    }

    /// The newest entry of a reflog whose object is there.
    fn last_of(self, name: &str) -> Option<Revision> {
        let bytes = fs::read(self.log_file(name)).ok()?;
        let text = String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(LOG_BYTES_MAX)..]).into_owned();
        let repo = self.repo.gix();
        text.lines().rev().find_map(|line| {
            let id = ObjectId::from_hex(line.split(' ').nth(1)?.as_bytes()).ok()?;
            (!id.is_null() && gix::objs::Exists::exists(&repo.objects, &id))
                .then(|| crate::adapters::git::view::contents::revision(id))
        })
    }

    /// Removes broken copies of remote branches: the next fetch brings them again. Gives how many there were.
    ///
    /// # Errors
    /// [`GitError::Io`] if a file cannot be removed.
    pub fn drop_broken_copies(self) -> Result<usize, GitError> {
        let mut count = 0;
        for one in self.broken_references()?.into_iter().filter(BrokenReference::is_copy) {
            fs::remove_file(&one.path).map_err(GitError::io("remove", &one.path))?;
            durable::sync_folders(one.path.parent())?;
            count += 1;
        }
        Ok(count)
    }

    /// Why git cannot use this repository's own references or objects, as an error with the way out.
    pub(in crate::adapters::git) fn complaint(self, verb: &str, why: String) -> GitError {
        let broken = self.broken_references().unwrap_or_default();
        broken.first().map_or_else(|| GitError::Program { verb: verb.to_owned(), why }, BrokenReference::error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_says_is_no_complaint_about_this_repository() {
        let said = |line: &str| vec![line.to_owned()];
        assert!(is_complaint(&said("fatal: bad object refs/remotes/origin/main")));
        assert!(is_complaint(&said("error: cannot lock ref 'x': unable to resolve reference 'x': reference broken")));
        assert!(!is_complaint(&said("remote: fatal: bad object 1234")));
        assert!(!is_complaint(&said("ssh: connect to host example.com port 22: Connection refused")));
    }
}
