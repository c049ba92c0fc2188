//! The rule that has git ignore a document, and the lines that have it see the coordination folder all the same.

use std::path::Path;

use gix::index::entry::Mode;
use gix::worktree::stack::state::ignore::Source;

use super::IgnoreRules;
use crate::adapters::git::error::GitError;
use crate::core::name::{shell_word, visible};

/// A document that git ignores.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IgnoredDocument {
    /// Its path in the work tree.
    pub path: String,
    /// The `.gitignore` to which lines are to be added, below the work tree.
    pub file: String,
    /// The lines: git never looks into an ignored folder, so each folder above is to be named.
    pub lines: Vec<String>,
}

impl IgnoredDocument {
    /// How to have git see the folder, in the imperative.
    #[must_use]
    pub fn way_out(&self) -> String {
        let lines: Vec<String> = self.lines.iter().map(|line| shell_word(line)).collect();
        format!(
            "run `printf '%s\\n' '' {} >> {}` at the top of the work tree, which has git see the folder and nothing else",
            lines.join(" "),
            shell_word(&self.file)
        )
    }

    /// All ways, in the imperative.
    #[must_use]
    pub fn hint(&self) -> String {
        format!(
            "{}; or run `mycelium config set commit.branch coordination` to commit to a branch of its own, \
             or `mycelium config set commit.auto false`",
            self.way_out()
        )
    }
}

impl IgnoreRules<'_> {
    /// Finds out how a document of a folder that git ignores is to be seen.
    ///
    /// # Errors
    /// [`GitError::Object`] if the index or the rules cannot be read.
    pub fn ignored_document(self, folder: &str, path_in_repo: &str) -> Result<IgnoredDocument, GitError> {
        let failed = || GitError::object(format!("read the ignore rules for `{}`", visible(path_in_repo)));
        let repo = self.repo.gix();
        let index = self.repo.index().read(repo.object_hash()).map_err(failed())?;
        let mut rules = repo.excludes(&index, None, Source::WorktreeThenIdMappingIfNotSkipped).map_err(failed())?;
        // From the top: the first that is ignored is the one that git does not look into.
        let ends = path_in_repo.match_indices('/').map(|(at, _)| at).chain([path_in_repo.len()]);
        let mut found = (path_in_repo, None);
        for end in ends {
            let mode = if end == path_in_repo.len() { Mode::FILE } else { Mode::DIR };
            let place = rules.at_path(&path_in_repo[..end], Some(mode)).map_err(failed())?;
            if place.is_excluded() {
                let source = place.matching_exclude_pattern().and_then(|rule| rule.source.map(Path::to_owned));
                found = (&path_in_repo[..end], source);
                break;
            }
        }
        let (hidden, source) = found;
        let base = source.as_deref().map_or_else(String::new, |source| self.folder_of_rules(source));
        let file = if base.is_empty() { ".gitignore".to_owned() } else { format!("{base}/.gitignore") };
        Ok(IgnoredDocument { path: path_in_repo.to_owned(), file, lines: lines(&base, folder, hidden) })
    }

    /// The folder of a `.gitignore` below the top of the work tree; empty for every other place of rules, which the
    /// `.gitignore` at the top overrules.
    fn folder_of_rules(self, source: &Path) -> String {
        let below = source.strip_prefix(self.repo.work_tree()).unwrap_or(source);
        let is_below = below.is_relative() && below.file_name().is_some_and(|name| name == ".gitignore");
        let folder = below.parent().filter(|_| is_below).and_then(Path::to_str).unwrap_or_default();
        folder.trim_start_matches("./").to_owned()
    }
}

/// The lines for a `.gitignore` in `base`, where `hidden` is the folder or file that is ignored.
fn lines(base: &str, folder: &str, hidden: &str) -> Vec<String> {
    let inside =
        if base.is_empty() { Some(folder) } else { folder.strip_prefix(base).and_then(|rest| rest.strip_prefix('/')) };
    // The rules lie in the folder itself, or below it.
    let Some(inside) = inside else { return ["!*/", "!*.md"].map(str::to_owned).to_vec() };
    let escaped = |path: &str| path.replace(['*', '?', '[', '\\'], "?").replace(' ', "\\ ");
    let depth_hidden = hidden.strip_prefix(base).unwrap_or(hidden).split('/').filter(|part| !part.is_empty()).count();
    let parts: Vec<&str> = inside.split('/').collect();
    let mut lines = Vec::new();
    for depth in depth_hidden..parts.len() {
        let path = escaped(&parts[..depth].join("/"));
        lines.extend([format!("!/{path}/"), format!("/{path}/*")]);
    }
    let path = escaped(inside);
    lines.extend([format!("!/{path}/"), format!("!/{path}/**")]);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_folder_becomes_visible() {
        for (base, folder, hidden, expected) in [
            (
                "",
                ".claude/coordination",
                ".claude",
                "!/.claude/ /.claude/* !/.claude/coordination/ !/.claude/coordination/**",
            ),
            ("", ".claude/coordination", ".claude/coordination", "!/.claude/coordination/ !/.claude/coordination/**"),
            ("", "tasks", "tasks/task-1.md", "!/tasks/ !/tasks/**"),
            ("", "a/b/c", "a", "!/a/ /a/* !/a/b/ /a/b/* !/a/b/c/ !/a/b/c/**"),
            ("a", "a/b/c", "a/b", "!/b/ /b/* !/b/c/ !/b/c/**"),
            ("a/b", "a/b", "a/b/task-1.md", "!*/ !*.md"),
        ] {
            assert_eq!(lines(base, folder, hidden).join(" "), expected, "{base} {folder} {hidden}");
        }
    }
}
