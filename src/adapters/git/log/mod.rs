//! The history of documents, told by `git log`. Reads only; starts no program but git.

pub(super) mod checkout;
pub(super) mod code_commits;
pub(super) mod commit_range;
pub(super) mod dropped;

use std::collections::BTreeSet;
use std::str::FromStr;

use super::error::GitError;
use super::kept_commits::PUT_BACK_REFS;
use super::references::Target;
use super::repository::Repository;
use super::view::contents;
use crate::core::name::{ContentId, DocPath, Revision};
use crate::core::time::Timestamp;

/// One commit that changed documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Its id.
    pub revision: Revision,
    /// Its parents' ids.
    pub parents: Vec<Revision>,
    /// The author's name, as written.
    pub author: String,
    /// The author's email, as written.
    pub email: String,
    /// When the change was made.
    pub at: Timestamp,
    /// The first line of its message.
    pub subject: String,
    /// Its whole message.
    pub message: String,
    /// What it changed: the document, what it held before and after.
    pub changes: Vec<(DocPath, Option<ContentId>, Option<ContentId>)>,
}

/// One commit: a mark, then each field closed by NUL.
const FORMAT: &str = "--format=tformat:%x01%H%x00%P%x00%an%x00%ae%x00%at%x00%B";

/// What every `git log` of ours is asked with: nothing that a repository sets changes the answer, and nothing is started.
pub(super) const LOG_OPTIONS: [&str; 6] =
    ["--no-ext-diff", "--ignore-submodules=none", "--no-textconv", "--no-color", "--no-show-signature", "--no-notes"];

/// The history of a repository: commits, what came between two revisions, and what was checked out. Writes nothing.
#[derive(Debug, Clone, Copy)]
pub struct GitLog<'r> {
    pub(super) repo: &'r Repository,
}

impl GitLog<'_> {
    /// The newest `limit` commits of a target that changed these documents of the folder (none named: any of them); newest
    /// first. A document that has moved is named by all its paths.
    ///
    /// All parents are followed, simplified as `git log -- <path>` does: a branch that was merged tells its own commits, and
    /// a side whose changes did not survive is left out. Merges themselves are told only by what they merged. Renames are a
    /// removal and an addition.
    ///
    /// # Errors
    /// [`GitError::Program`] if git fails; [`GitError::Object`] if it answers in an unknown way.
    pub fn history(
        self,
        target: &Target,
        folder: &str,
        paths: &[DocPath],
        limit: usize,
    ) -> Result<Vec<Commit>, GitError> {
        self.history_with(target, folder, paths, limit, None)
    }

    /// Returns of that history only the commits with a line in their message that this pattern fits, an extended regular
    /// expression.
    ///
    /// # Errors
    /// [`GitError::Program`] if git fails; [`GitError::Object`] if it answers in an unknown way.
    pub fn history_with(
        self,
        target: &Target,
        folder: &str,
        paths: &[DocPath],
        limit: usize,
        pattern: Option<&str>,
    ) -> Result<Vec<Commit>, GitError> {
        let Some(tip) = self.repo.references().tip(target)?.value else { return Ok(Vec::new()) };
        let pattern = pattern.map(|pattern| format!("--grep={pattern}"));
        let (tip, limit) = (tip.to_string(), format!("--max-count={limit}"));
        let places: Vec<String> = match paths {
            [] => vec![if folder.is_empty() { ".".to_owned() } else { folder.to_owned() }],
            paths => paths.iter().map(|path| super::build::join(folder, path.as_str())).collect(),
        };
        let mut arguments = vec!["log", &limit, FORMAT, "--raw", "-z", "--no-abbrev", "--no-renames", "--no-merges"];
        arguments.extend(LOG_OPTIONS);
        arguments.extend(pattern.iter().flat_map(|pattern| ["--extended-regexp", pattern]));
        arguments.extend(["--no-decorate", "--encoding=UTF-8", "--end-of-options", &tip, "--"]);
        arguments.extend(places.iter().map(String::as_str));
        let answer =
            self.repo.program().ask(&arguments).map_err(|error| self.repo.remotes().explain_missing_trees(error))?;
        let failed = || GitError::object("understand the answer of `git log`");
        parse(&answer, folder).ok_or("it has an unknown shape").map_err(failed())
    }

    /// The documents of the folder that a commit of a target has changed since a moment, by the committers' clocks. What a
    /// merge alone has changed counts too.
    ///
    /// # Errors
    /// [`GitError::Program`] if git fails.
    pub fn changed_since(self, target: &Target, folder: &str, since: Timestamp) -> Result<BTreeSet<DocPath>, GitError> {
        let Some(tip) = self.repo.references().tip(target)?.value else { return Ok(BTreeSet::new()) };
        let (tip, since) = (tip.to_string(), format!("--since={since}"));
        let place = if folder.is_empty() { "." } else { folder };
        let mut arguments = vec!["log", &since, "--format=tformat:", "--name-only", "-z", "--no-renames", "-c"];
        arguments.extend(LOG_OPTIONS);
        arguments.extend(["--end-of-options", &tip, "--", place]);
        let answer = self.repo.program().ask(&arguments)?;
        let names = answer.split(|byte| *byte == 0).map(|name| String::from_utf8_lossy(name));
        Ok(names.filter_map(|name| inside(name.trim_start_matches('\n'), folder)).collect())
    }

    /// When a commit was made, by the clock of whoever made it.
    ///
    /// # Errors
    /// [`GitError::Object`] if it cannot be read.
    pub fn committed_at(self, revision: &Revision) -> Result<Timestamp, GitError> {
        let failed = || GitError::object(format!("read the commit {}", revision.short()));
        let repo = self.repo.gix();
        let commit = repo.find_commit(contents::parse(revision.as_str())?).map_err(failed())?;
        let seconds = commit.time().map_err(failed())?.seconds;
        Ok(Timestamp::from_unix_ms(seconds.saturating_mul(1_000)))
    }

    /// The first commit of a history, along first parents: clones of one repository agree on it. `None` if it is further away than
    /// 1,000,000 commits.
    ///
    /// # Errors
    /// [`GitError::Object`] if a commit cannot be read.
    pub fn first_commit(self, revision: &Revision) -> Result<Option<Revision>, GitError> {
        const COMMITS_MAX: usize = 1_000_000;
        let failed = || GitError::object("read the first commit".to_owned());
        let repo = self.repo.gix();
        let mut at = contents::parse(revision.as_str())?;
        for _ in 0..COMMITS_MAX {
            let commit = repo.find_commit(at).map_err(failed())?;
            let Some(parent) = commit.parent_ids().next() else { return Ok(Some(contents::revision(at))) };
            at = parent.detach();
        }
        Ok(None)
    }

    /// The operations that a commit of any branch, tag, stash or reflog names, of those that are asked for. What is kept here
    /// does not count.
    ///
    /// # Errors
    /// [`GitError`] if git fails.
    pub fn messages_with(self, words: &[&str]) -> Result<Vec<String>, GitError> {
        let hidden = format!("--exclude={PUT_BACK_REFS}*");
        let mut arguments = vec!["log", "--format=tformat:%B%x00", "--no-show-signature", "--no-notes", "-F"];
        let wanted: Vec<String> = words.iter().map(|word| format!("--grep={word}")).collect();
        arguments.extend(wanted.iter().map(String::as_str));
        arguments.extend(["--no-color", "--no-decorate", &hidden, "--all", "--reflog", "--"]);
        let answer = self.repo.program().ask(&arguments)?;
        let messages = answer.split(|byte| *byte == 0).map(|text| String::from_utf8_lossy(text).into_owned());
        Ok(messages.filter(|text| !text.trim().is_empty()).collect())
    }
}

/// Reads the answer of git; `None` if it has another shape than asked for.
fn parse(answer: &[u8], folder: &str) -> Option<Vec<Commit>> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut commits: Vec<Commit> = Vec::new();
    let mut tokens = answer.split(|byte| *byte == 0);
    while let Some(token) = tokens.next() {
        let token = token.strip_prefix(b"\n").unwrap_or(token);
        if let Some(id) = token.strip_prefix(b"\x01") {
            let revision = Revision::new(text(id))?;
            let parents = text(tokens.next()?).split_whitespace().map(Revision::new).collect::<Option<Vec<_>>>()?;
            let (author, email) = (text(tokens.next()?), text(tokens.next()?));
            let at = i64::from_str(text(tokens.next()?).trim()).ok()?;
            let message = text(tokens.next()?);
            let subject = message.lines().next().unwrap_or("").to_owned();
            let at = Timestamp::from_unix_ms(at.saturating_mul(1_000));
            commits.push(Commit { revision, parents, author, email, at, subject, message, changes: Vec::new() });
        } else if let Some(change) = token.strip_prefix(b":") {
            let path = text(tokens.next()?);
            commits.last_mut()?.changes.extend(read_change(&text(change), &path, folder)?);
        } else if !token.is_empty() {
            return None;
        }
    }
    Some(commits)
}

/// What a commit did to one document: what it held before and after.
type Change = (DocPath, Option<ContentId>, Option<ContentId>);

/// Reads `100644 100644 <id> <id> M` and its path; nothing for a path that is no document.
#[expect(clippy::option_option, reason = "a shape that is not understood, or a path that is no document")]
fn read_change(change: &str, path: &str, folder: &str) -> Option<Option<Change>> {
    let mut fields = change.split(' ').skip(2);
    let mut id = || {
        let id = ContentId::new(fields.next()?)?;
        Some((!id.as_str().bytes().all(|byte| byte == b'0')).then_some(id))
    };
    let (before, after) = (id()?, id()?);
    Some(inside(path, folder).map(|path| (path, before, after)))
}

/// A path of the repository as one of the folder; `None` if it is no document there.
pub(super) fn inside(path: &str, folder: &str) -> Option<DocPath> {
    let inside = if folder.is_empty() { path } else { path.strip_prefix(folder)?.strip_prefix('/')? };
    DocPath::new(inside).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "1111111111111111111111111111111111111111";
    const B: &str = "2222222222222222222222222222222222222222";
    const NONE: &str = "0000000000000000000000000000000000000000";

    #[test]
    fn the_answer_of_git_is_read_to_the_byte() {
        let head = format!("\x01{A}\0{B}\0An \u{1f600}\0a@b\01760659200\0subject\n\nbody\n:not a change\n\0");
        let change = |name: &str| format!(":100644 000000 {B} {NONE} D\0c/{name}\0");
        let answer = format!("{head}\n{}{}{head}", change("task-1.md"), change("x.txt"));
        let commits = parse(answer.as_bytes(), "c").expect("a known shape");
        assert_eq!(commits.len(), 2);
        assert_eq!(commits[0].subject, "subject");
        assert_eq!(commits[0].message, "subject\n\nbody\n:not a change\n");
        assert_eq!(commits[0].at.to_string(), "2025-10-17T00:00:00Z");
        let task = DocPath::new("task-1.md").expect("a path");
        assert_eq!(commits[0].changes, [(task, ContentId::new(B), None)]);
        assert!(commits[1].changes.is_empty());
        assert_eq!(parse(b"", "c"), Some(Vec::new()));
        for bad in ["x", "\x01zz\0", &format!("\x01{A}\0{B}\0n\0e\0late\0m\0"), &change("task-1.md")] {
            assert_eq!(parse(bad.as_bytes(), "c"), None, "{bad:?}");
        }
    }
}
