//! What lies between two revisions: which documents and which other files changed, in which commits and by whom. Reads only.

use std::collections::{BTreeMap, BTreeSet};

use gix::ObjectId;

use super::error::GitError;
use super::log::inside;
use super::repository::Repository;
use crate::name::{ContentId, DocPath, Revision, visible};

/// A document that changed, and the names of those who changed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Came {
    /// Which document.
    pub path: DocPath,
    /// The authors of the commits.
    pub by: BTreeSet<String>,
}

impl Repository {
    /// The paths beside the documents that differ between two revisions; `None` is a history without a commit.
    ///
    /// # Errors
    /// [`GitError::Program`] if git fails.
    pub fn other_changes(
        &self,
        from: Option<&Revision>,
        to: Option<&Revision>,
        folder: &str,
    ) -> Result<Vec<String>, GitError> {
        let none = ObjectId::empty_tree(self.gix().object_hash()).to_string();
        let name = |at: Option<&Revision>| at.map_or_else(|| none.clone(), ToString::to_string);
        let (from, to) = (name(from), name(to));
        let arguments = ["diff-tree", "-r", "-z", "--name-only", "--no-renames", "--no-ext-diff", "--end-of-options"];
        let answer = self.program().ask(&[&arguments[..], &[&from, &to]].concat())?;
        Ok(others(&answer, folder).collect())
    }

    /// Refuses what cannot be taken over as a document: a path with the name of one that differs between two revisions by its
    /// mode, or is no regular file.
    ///
    /// # Errors
    /// [`GitError::Refused`] with the first such path; [`GitError::Program`] if git fails.
    pub fn refuse_odd(
        &self,
        from: Option<&Revision>,
        to: Option<&Revision>,
        folder: &str,
        owner: &str,
    ) -> Result<(), GitError> {
        let none = ObjectId::empty_tree(self.gix().object_hash()).to_string();
        let name = |at: Option<&Revision>| at.map_or_else(|| none.clone(), ToString::to_string);
        let (from, to) = (name(from), name(to));
        let arguments = ["diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-ext-diff", "--end-of-options"];
        let answer = self.program().ask(&[&arguments[..], &[&from, &to]].concat())?;
        let text = String::from_utf8_lossy(&answer);
        let mut tokens = text.split('\0');
        while let (Some(change), Some(path)) = (tokens.next(), tokens.next()) {
            let mut modes = change.trim_start_matches(':').split(' ');
            let (before, after) = (modes.next().unwrap_or_default(), modes.next().unwrap_or_default());
            if inside(path, folder).is_some() && !is_plain(before, after) {
                let what = format!(
                    "{owner} changed the mode of `{}`, or what sort of file it is; a sync takes only what is in documents",
                    visible(path)
                );
                let hint = "merge it yourself with `git pull`, then run `mycelium sync` again";
                return Err(GitError::refused(what, hint));
            }
        }
        Ok(())
    }

    /// How many commits one history has that the other has not, and the paths beside the documents that they change.
    ///
    /// # Errors
    /// [`GitError::Program`] if git fails.
    pub fn ahead(&self, of: Option<&Revision>, tip: &Revision, folder: &str) -> Result<(usize, Vec<String>), GitError> {
        let answer = self.walk(of, tip, "-c")?;
        let commits = answer.split(|byte| *byte == 0).filter(|token| token.contains(&1)).count();
        let paths: BTreeSet<String> = others(&answer, folder).collect();
        Ok((commits, paths.into_iter().collect()))
    }

    /// The documents that the commits of one history changed which the other has not, and who changed them.
    ///
    /// # Errors
    /// [`GitError::Program`] if git fails.
    pub fn came(&self, since: Option<&Revision>, tip: &Revision, folder: &str) -> Result<Vec<Came>, GitError> {
        let answer = self.walk(since, tip, "--no-merges")?;
        let mut found: BTreeMap<DocPath, BTreeSet<String>> = BTreeMap::new();
        let mut author = String::new();
        for token in answer.split(|byte| *byte == 0).map(String::from_utf8_lossy) {
            let token = token.trim_start_matches('\n');
            if let Some(name) = token.strip_prefix('\u{1}') {
                author = visible(name);
            } else if let Some(path) = inside(token, folder) {
                found.entry(path).or_default().insert(author.clone());
            }
        }
        Ok(found.into_iter().map(|(path, by)| Came { path, by }).collect())
    }

    /// Every version of these documents that commits of one history made and the other has not, merges included.
    ///
    /// # Errors
    /// [`GitError::Program`] if git fails.
    pub fn versions_since(
        &self,
        since: Option<&Revision>,
        tip: &Revision,
        folder: &str,
        paths: &[&DocPath],
    ) -> Result<BTreeSet<(DocPath, ContentId)>, GitError> {
        let below = |path: &DocPath| if folder.is_empty() { path.to_string() } else { format!("{folder}/{path}") };
        let places: Vec<String> = paths.iter().map(|path| format!(":(literal){}", below(path))).collect();
        let mut arguments = vec!["log", "--format=tformat:", "--raw", "-z", "--no-abbrev", "-m", "--no-renames"];
        arguments.extend(["--no-ext-diff", "--no-textconv", "--no-color", "--no-show-signature", "--no-notes"]);
        let without = since.map(|since| format!("^{since}"));
        arguments.extend(["--no-decorate", "--end-of-options", tip.as_str()]);
        arguments.extend(without.as_deref());
        arguments.push("--");
        arguments.extend(places.iter().map(String::as_str));
        let answer = self.program().ask(&arguments)?;
        let text = String::from_utf8_lossy(&answer);
        let mut tokens = text.split('\0').map(|token| token.trim_start_matches('\n'));
        let mut found = BTreeSet::new();
        while let Some(token) = tokens.next() {
            // `:100644 100644 <before> <after> M`, then the path.
            let Some(after) = token.strip_prefix(':').and_then(|change| change.split(' ').nth(3)) else { continue };
            let path = tokens.next().and_then(|path| inside(path, folder));
            found.extend(path.zip(ContentId::new(after)));
        }
        Ok(found)
    }

    /// Each commit as a mark and its author, then the paths that it changes; all closed by NUL.
    fn walk(&self, of: Option<&Revision>, tip: &Revision, merges: &str) -> Result<Vec<u8>, GitError> {
        let mut arguments = vec!["log", "--format=tformat:%x01%an%x00", "--name-only", "-z", "--no-renames", merges];
        arguments.extend(["--no-ext-diff", "--no-textconv", "--no-color", "--no-show-signature", "--no-notes"]);
        let without = of.map(|of| format!("^{of}"));
        arguments.extend(["--no-decorate", "--encoding=UTF-8", "--end-of-options", tip.as_str()]);
        arguments.extend(without.as_deref());
        arguments.push("--");
        self.program().ask(&arguments)
    }
}

/// Tells whether a change between two modes is one of what a regular file holds, or one that comes or goes.
fn is_plain(before: &str, after: &str) -> bool {
    const NOTHING: &str = "000000";
    const FILE: &str = "100644";
    const PROGRAM: &str = "100755";
    matches!((before, after), (NOTHING | FILE, FILE) | (FILE | PROGRAM, NOTHING) | (PROGRAM, PROGRAM))
}

/// The paths of an answer that are no documents.
fn others<'a>(answer: &'a [u8], folder: &'a str) -> impl Iterator<Item = String> + 'a {
    let tokens = answer.split(|byte| *byte == 0).map(|token| String::from_utf8_lossy(token).into_owned());
    let paths = tokens.map(|token| token.trim_start_matches('\n').to_owned());
    paths.filter(move |path| !path.is_empty() && !path.starts_with('\u{1}') && inside(path, folder).is_none())
}
