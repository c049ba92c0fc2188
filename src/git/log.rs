//! The history of documents, told by `git log`. Reads only; starts no program but git.

use std::str::FromStr;

use super::error::GitError;
use super::reference::Target;
use super::repository::Repository;
use crate::name::{ContentId, DocPath, Revision};
use crate::time::Timestamp;

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

impl Repository {
    /// The newest `limit` commits of a target that changed documents of the folder, or one document of it; newest first.
    ///
    /// All parents are followed, simplified as `git log -- <path>` does: a branch that was merged tells its own commits, and
    /// a side whose changes did not survive is left out. Merges themselves are told only by what they merged. Renames are a
    /// removal and an addition, since file names hold the id and the archive keeps them.
    ///
    /// # Errors
    /// [`GitError::Program`] if git fails; [`GitError::Object`] if it answers in an unknown way.
    pub fn history(
        &self,
        target: &Target,
        folder: &str,
        path: Option<&DocPath>,
        limit: usize,
    ) -> Result<Vec<Commit>, GitError> {
        let Some(tip) = self.tip(target)?.value else { return Ok(Vec::new()) };
        let (tip, limit) = (tip.to_string(), format!("--max-count={limit}"));
        let place = path.map_or_else(|| folder.to_owned(), |path| super::build::join(folder, path.as_str()));
        let place = if place.is_empty() { ".".to_owned() } else { place };
        let mut arguments = vec!["log", &limit, FORMAT, "--raw", "-z", "--no-abbrev", "--no-renames", "--no-merges"];
        arguments.extend(["--no-ext-diff", "--no-textconv", "--no-color", "--no-show-signature", "--no-notes"]);
        arguments.extend(["--no-decorate", "--encoding=UTF-8", "--end-of-options", &tip, "--", &place]);
        let answer = self.program().ask(&arguments)?;
        let failed = || GitError::object("understand the answer of `git log`");
        parse(&answer, folder).ok_or("it has an unknown shape").map_err(failed())
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
    let inside =
        if folder.is_empty() { Some(path) } else { path.strip_prefix(folder).and_then(|p| p.strip_prefix('/')) };
    Some(inside.and_then(|inside| DocPath::new(inside).ok()).map(|path| (path, before, after)))
}
