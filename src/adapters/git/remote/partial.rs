//! What a clone leaves with its remote: the contents that a partial clone lacks, and where the history of a shallow one is cut.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use super::GitRemote;
use crate::adapters::git::error::GitError;
use crate::adapters::git::references::Target;
use crate::adapters::git::remote::network::NetworkDir;
use crate::adapters::git::view::contents::parse;
use crate::core::name::{ContentId, Revision};

/// Contents that are asked for in one call: the line of a command has room for very many ids.
const IDS_MAX: usize = 500;

impl GitRemote<'_> {
    /// Returns true if this clone was made with a filter: objects that it lacks are with its remote.
    pub(in crate::adapters::git) fn is_partial(self) -> bool {
        let repo = self.repo.gix();
        let config = repo.config_snapshot();
        let is_promisor = |value: &gix::bstr::BStr| !matches!(&**value, b"false" | b"no" | b"off" | b"0" | b"");
        let mut remotes = config.plumbing().sections_by_name("remote").into_iter().flatten();
        config.string("extensions.partialClone").is_some()
            || remotes.any(|remote| remote.value("promisor").is_some_and(|value| is_promisor(value.as_ref())))
    }

    /// Fetches those of these contents that a partial clone lacks, and gives the ones that are still missing. Each call to the
    /// remote takes at most `limit`. In a complete clone nothing is fetched and none is missing.
    ///
    /// # Errors
    /// [`GitError`] if git cannot be started or local state cannot be written.
    pub fn fetch_missing(self, ids: &BTreeSet<ContentId>, limit: Duration) -> Result<BTreeSet<ContentId>, GitError> {
        if !self.is_partial() {
            return Ok(BTreeSet::new());
        }
        let missing = self.missing(ids)?;
        let branch = self.repo.view().head(&Target::Current)?.branch.unwrap_or_default();
        // A remote that may not be used is as good as none: what is missing is said.
        let Ok(Some(remote)) = self.remote(&branch, None) else { return Ok(missing) };
        let wanted: Vec<&str> = missing.iter().map(ContentId::as_str).collect();
        for part in wanted.chunks(IDS_MAX) {
            let dir = NetworkDir::new(self.repo, &[])?;
            let mut arguments = vec!["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance"];
            arguments.extend(["--no-recurse-submodules", "--upload-pack=git-upload-pack", "--end-of-options"]);
            arguments.push(remote.address());
            arguments.extend(part);
            if dir.program().within(Some(limit)).run(&arguments)?.code != Some(0) {
                break;
            }
        }
        self.repo.refresh()?;
        self.missing(&missing)
    }

    /// Returns an error that says what this clone lacks, where git failed for want of a folder of an older commit.
    pub(in crate::adapters::git) fn explain_missing_trees(self, error: GitError) -> GitError {
        let is_tree = matches!(&error, GitError::Program { why, .. } if why.contains("unable to read tree"));
        if !is_tree || !self.is_partial() {
            return error;
        }
        let what =
            "this clone was made without the folders of older commits (`--filter=tree:0`): their history is not here";
        GitError::refused(what, "run `git fetch --refetch --filter=blob:none` to have them, then try again")
    }

    fn missing(self, ids: &BTreeSet<ContentId>) -> Result<BTreeSet<ContentId>, GitError> {
        let repo = self.repo.gix();
        let mut missing = BTreeSet::new();
        for id in ids {
            if !repo.has_object(parse(id.as_str())?) {
                missing.insert(id.clone());
            }
        }
        Ok(missing)
    }

    /// The commits at which the history of a shallow clone is cut: their parents are not here. Empty in a complete clone.
    ///
    /// # Errors
    /// [`GitError::Io`] if git's list of them cannot be read.
    pub fn shallow_boundary(self) -> Result<BTreeSet<Revision>, GitError> {
        let file = self.repo.common_dir().join("shallow");
        match fs::read_to_string(&file) {
            Ok(text) => Ok(text.lines().filter_map(|line| Revision::new(line.trim())).collect()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeSet::new()),
            Err(error) => Err(GitError::io("read", &file)(error)),
        }
    }
}
