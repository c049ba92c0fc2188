//! What lies between two revisions: which documents and which other files changed, in which commits and by whom. Reads only.

use std::collections::{BTreeMap, BTreeSet};

use gix::ObjectId;
use gix::objs::tree::{EntryKind, EntryMode};

use super::GitLog;
use crate::adapters::git::build::join;
use crate::adapters::git::error::GitError;
use crate::adapters::git::log::{LOG_OPTIONS, inside};
use crate::adapters::git::remote::Remote;
use crate::adapters::git::view::contents::parse;
use crate::core::name::{ContentId, DocPath, Revision, visible};

/// Most paths on one command line of git; it takes them as they are, not as patterns (`GIT_LITERAL_PATHSPECS`).
const PATHS_MAX: usize = 1_000;

/// A document that changed, and the names of those who changed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Came {
    /// Which document.
    pub path: DocPath,
    /// The authors of the commits.
    pub by: BTreeSet<String>,
}

/// What a tree has at a path.
pub(in crate::adapters::git) type Entry = (EntryKind, ObjectId);

fn is_file(entry: Option<Entry>) -> bool {
    entry.is_some_and(|(kind, _)| matches!(kind, EntryKind::Blob | EntryKind::BlobExecutable))
}

/// A change at a path with the name of a document that is no change of what a document holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OddChange {
    /// The path in the repository.
    pub(in crate::adapters::git) path: String,
    /// What was there before; `None` if nothing.
    pub(in crate::adapters::git) before: Option<Entry>,
    /// What is there after; `None` if nothing.
    pub(in crate::adapters::git) after: Option<Entry>,
}

impl OddChange {
    /// The path, for people.
    #[must_use]
    pub fn shown(&self) -> String {
        visible(&self.path)
    }

    /// Returns true if a document became something else, or the other way round: a merge has to choose.
    #[must_use]
    pub fn is_of_a_document(&self) -> bool {
        self.before.is_some() && self.after.is_some() && is_file(self.before) != is_file(self.after)
    }

    /// What this change makes of an entry of another history: the same where that has changed it too.
    pub(in crate::adapters::git) fn over(&self, entry: Option<Entry>) -> Option<Entry> {
        match (entry, self.before, self.after) {
            // A change of the mode goes with whatever the file holds.
            (Some((now, id)), Some((before, _)), Some((after, _))) if is_file(self.before) && is_file(self.after) => {
                Some((if now == before { after } else { now }, id))
            }
            _ if entry == self.before => self.after,
            _ => entry,
        }
    }
}

impl GitLog<'_> {
    /// The paths beside the documents that differ between two revisions; `None` is a history without a commit.
    ///
    /// # Errors
    /// [`GitError::Program`] if git fails.
    pub fn other_changes(
        self,
        from: Option<&Revision>,
        to: Option<&Revision>,
        folder: &str,
    ) -> Result<Vec<String>, GitError> {
        let answer = self.tree_differences(from, to, &["--name-only"])?;
        Ok(others(&answer, folder).collect())
    }

    /// The changes between two revisions at paths with the names of documents that are no changes of what a document holds: of
    /// its mode, or to or from something that is no regular file.
    ///
    /// # Errors
    /// [`GitError::Program`] if git fails.
    pub fn odd_changes(
        self,
        from: Option<&Revision>,
        to: Option<&Revision>,
        folder: &str,
    ) -> Result<Vec<OddChange>, GitError> {
        let answer = self.tree_differences(from, to, &["--raw", "--no-abbrev"])?;
        let text = String::from_utf8_lossy(&answer);
        let mut tokens = text.split('\0');
        let mut found = Vec::new();
        while let (Some(change), Some(path)) = (tokens.next(), tokens.next()) {
            let mut parts = change.trim_start_matches(':').split(' ');
            let [before, after, old, new] = [(); 4].map(|()| parts.next().unwrap_or_default());
            if inside(path, folder).is_some() && !is_plain(before, after) {
                let (before, after) = (entry_of(before, old)?, entry_of(after, new)?);
                found.push(OddChange { path: path.to_owned(), before, after });
            }
        }
        Ok(found)
    }

    /// What git says of the differences between the trees of two revisions.
    fn tree_differences(
        self,
        from: Option<&Revision>,
        to: Option<&Revision>,
        shown: &[&str],
    ) -> Result<Vec<u8>, GitError> {
        let none = ObjectId::empty_tree(self.repo.gix().object_hash()).to_string();
        let [from, to] = [from, to].map(|at| at.map_or_else(|| none.clone(), ToString::to_string));
        let fixed = ["--no-renames", "--no-ext-diff", "--ignore-submodules=none", "--end-of-options", &from, &to];
        self.repo.program().ask(&[&["diff-tree", "-r", "-z"], shown, &fixed].concat())
    }

    /// How many commits one history has that the other has not, and the paths beside the documents that they change. With a
    /// remote without those that any branch of it has, as far as that is known.
    ///
    /// # Errors
    /// [`GitError::Program`] if git fails.
    pub fn ahead(
        self,
        of: Option<&Revision>,
        tip: &Revision,
        without: Option<&Remote>,
        folder: &str,
    ) -> Result<(usize, Vec<String>), GitError> {
        let answer = self.walk(of, tip, without, "-c")?;
        let commits = answer.split(|byte| *byte == 0).filter(|token| token.contains(&1)).count();
        let paths: BTreeSet<String> = others(&answer, folder).collect();
        Ok((commits, paths.into_iter().collect()))
    }

    /// The documents that the commits of one history changed which the other has not, and who changed them. With a remote
    /// without those that any branch of it has.
    ///
    /// # Errors
    /// [`GitError::Program`] if git fails.
    pub fn came(
        self,
        since: Option<&Revision>,
        tip: &Revision,
        without: Option<&Remote>,
        folder: &str,
    ) -> Result<Vec<Came>, GitError> {
        let answer = self.walk(since, tip, without, "--no-merges")?;
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
        self,
        since: Option<&Revision>,
        tip: &Revision,
        folder: &str,
        paths: &[&DocPath],
    ) -> Result<BTreeSet<(DocPath, ContentId)>, GitError> {
        let mut found = BTreeSet::new();
        for part in paths.chunks(PATHS_MAX) {
            found.extend(self.some_versions_since(since, tip, folder, part)?);
        }
        Ok(found)
    }

    fn some_versions_since(
        self,
        since: Option<&Revision>,
        tip: &Revision,
        folder: &str,
        paths: &[&DocPath],
    ) -> Result<BTreeSet<(DocPath, ContentId)>, GitError> {
        let places: Vec<String> = paths.iter().map(|path| join(folder, path.as_str())).collect();
        let mut arguments = vec!["log", "--format=tformat:", "--raw", "-z", "--no-abbrev", "-m", "--no-renames"];
        arguments.extend(LOG_OPTIONS);
        let without = since.map(|since| format!("^{since}"));
        arguments.extend(["--no-decorate", "--end-of-options", tip.as_str()]);
        arguments.extend(without.as_deref());
        arguments.push("--");
        arguments.extend(places.iter().map(String::as_str));
        let answer = self.repo.program().ask(&arguments)?;
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
    fn walk(
        self,
        of: Option<&Revision>,
        tip: &Revision,
        remote: Option<&Remote>,
        merges: &str,
    ) -> Result<Vec<u8>, GitError> {
        let mut arguments = vec!["log", "--format=tformat:%x01%an%x00", "--name-only", "-z", "--no-renames", merges];
        arguments.extend(LOG_OPTIONS);
        let without = of.map(|of| format!("^{of}"));
        let known = remote.map(|remote| format!("--remotes={}", remote.name));
        if let Some(known) = &known {
            arguments.extend(["--not", known, "--not"]);
        }
        arguments.extend(["--no-decorate", "--encoding=UTF-8", "--end-of-options", tip.as_str()]);
        arguments.extend(without.as_deref());
        arguments.push("--");
        self.repo.program().ask(&arguments)
    }

    /// The revisions from which two histories went apart, in the order of their ids; none if they have nothing in common.
    ///
    /// # Errors
    /// [`GitError`] if git fails.
    pub fn merge_bases(self, one: &Revision, other: &Revision) -> Result<Vec<Revision>, GitError> {
        let arguments = ["merge-base", "--all", one.as_str(), other.as_str()];
        let answer = self.repo.program().run(&arguments)?;
        if !matches!(answer.code, Some(0 | 1)) {
            return Err(GitError::Program { verb: "merge-base".to_owned(), why: answer.stderr });
        }
        let text = String::from_utf8_lossy(&answer.stdout).into_owned();
        let mut bases = Vec::new();
        for line in text.lines() {
            bases.push(crate::adapters::git::view::contents::revision(parse(line.trim())?));
        }
        bases.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        Ok(bases)
    }
}

/// The mode of what is not there.
const NOTHING: &str = "000000";

/// An entry as git prints it; `None` if there is none.
fn entry_of(mode: &str, id: &str) -> Result<Option<Entry>, GitError> {
    if mode == NOTHING {
        return Ok(None);
    }
    let kind = EntryMode::from_bytes(mode.as_bytes()).map(|mode| mode.kind());
    let kind = kind.ok_or_else(|| GitError::Program {
        verb: "diff-tree".to_owned(),
        why: format!("the mode `{}` is not known", visible(mode)),
    })?;
    Ok(Some((kind, parse(id)?)))
}

/// Returns true if a change between two modes is one of what a regular file holds, or one that comes or goes.
fn is_plain(before: &str, after: &str) -> bool {
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
