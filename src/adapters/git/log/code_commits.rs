//! What a branch holds that HEAD lacks. Reads only.

use super::GitLog;
use crate::adapters::git::error::GitError;
use crate::adapters::git::log::{LOG_OPTIONS, inside};
use crate::core::name::Revision;
use crate::core::time::Timestamp;

impl GitLog<'_> {
    /// Returns how many commits since a moment, by the committers' clocks, are in one history and not in the other and changed
    /// a file outside of the folder.
    ///
    /// # Errors
    /// [`GitError::Program`] if git fails.
    pub fn code_commits_beside(
        self,
        head: Option<&Revision>,
        tip: &Revision,
        folder: &str,
        since: Timestamp,
    ) -> Result<usize, GitError> {
        let since = format!("--since={since}");
        let mut arguments =
            vec!["log", &since, "--format=tformat:%x01", "--name-only", "-z", "--no-renames", "--no-merges"];
        arguments.extend(LOG_OPTIONS);
        arguments.extend(["--no-decorate", "--end-of-options", tip.as_str()]);
        let without = head.map(|head| format!("^{head}"));
        arguments.extend(without.as_deref());
        arguments.push("--");
        let answer = self.repo.program().ask(&arguments)?;
        let text = String::from_utf8_lossy(&answer);
        let is_code = |commit: &&str| {
            let names = commit.split('\0').map(|name| name.trim_start_matches('\n'));
            names.filter(|name| !name.is_empty()).any(|name| inside(name, folder).is_none())
        };
        Ok(text.split('\u{1}').filter(is_code).count())
    }
}
