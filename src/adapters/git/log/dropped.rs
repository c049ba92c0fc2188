//! Commits that a remote's branch once had and has not any more. Reads only.

use std::collections::BTreeSet;
use std::fs;

use super::GitLog;
use crate::adapters::git::error::GitError;
use crate::adapters::git::remote::{Remote, tracking};
use crate::adapters::git::repository::RefStorage;
use crate::core::name::Revision;

/// How many earlier states of the branch are looked at, the newest.
const STATES_MAX: usize = 200;

impl GitLog<'_> {
    /// How many commits are in `ours` that the remote's branch had when it was last asked, or before as its reflog says, and that
    /// are not in `theirs`, where it is now.
    ///
    /// # Errors
    /// [`GitError`] if git fails.
    pub fn dropped(self, remote: &Remote, branch: &str, theirs: &Revision, ours: &Revision) -> Result<usize, GitError> {
        let olds: Vec<Revision> = self.earlier_states(&tracking(remote, branch))?.into_iter().collect();
        let olds: Vec<&Revision> = olds.iter().filter(|old| *old != theirs).collect();
        if olds.is_empty() || ours == theirs {
            return Ok(0);
        }
        let dropped = self.listed(&olds, theirs)?;
        if dropped.is_empty() {
            return Ok(0);
        }
        Ok(self.listed(&[ours], theirs)?.intersection(&dropped).count())
    }

    /// The commits of some histories that another one has not. Histories that are not here any more are left out.
    fn listed(self, tips: &[&Revision], without: &Revision) -> Result<BTreeSet<String>, GitError> {
        let without = format!("^{without}");
        let mut arguments = vec!["rev-list", "--ignore-missing", "--end-of-options"];
        arguments.extend(tips.iter().map(|tip| tip.as_str()));
        arguments.extend([without.as_str(), "--"]);
        let answer = self.repo.program().ask(&arguments)?;
        Ok(String::from_utf8_lossy(&answer).lines().map(str::to_owned).collect())
    }

    /// Where a reference was before, as its reflog says.
    fn earlier_states(self, name: &str) -> Result<BTreeSet<Revision>, GitError> {
        let words = match self.repo.refs {
            RefStorage::Files => {
                let text = fs::read(self.repo.references().log_file(name)).unwrap_or_default();
                let text = String::from_utf8_lossy(&text).into_owned();
                let newest = text.lines().rev().take(STATES_MAX);
                newest.flat_map(|line| line.split(' ').take(2).map(str::to_owned).collect::<Vec<_>>()).collect()
            }
            RefStorage::Reftable => {
                let limit = format!("--max-count={STATES_MAX}");
                let answer = self.repo.program().run(&["log", "--walk-reflogs", "--format=%H", &limit, name, "--"])?;
                String::from_utf8_lossy(&answer.stdout).lines().map(str::to_owned).collect::<Vec<_>>()
            }
        };
        let is_one = |word: &String| word.bytes().any(|byte| byte != b'0');
        Ok(words.into_iter().filter(is_one).filter_map(|word| Revision::new(word.as_str())).collect())
    }
}
