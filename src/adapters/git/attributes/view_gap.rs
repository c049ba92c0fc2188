//! Where our view of a document would differ from git's: what only git can store, and why. Reads attributes and the index; decides nothing else.

use std::fmt;
use std::path::Path;

use gix::attrs::StateRef;
use gix::attrs::search::Outcome;
use gix::bstr::BStr;
use gix::index::entry::{Flags, Mode, Stage};

use super::GitAttributes;
use crate::adapters::git::error::GitError;
use crate::adapters::git::rule_file;
use crate::core::name::visible;

/// The attributes that make git store something else than we would.
pub(in crate::adapters::git) const ATTRIBUTES: [&str; 2] = ["filter", "working-tree-encoding"];

/// Why only git itself can store a document as the repository wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ViewGap {
    /// Its attributes name a filter (`filter=NAME`), which git starts and we never do.
    Filter(String),
    /// Its attributes name an encoding other than UTF-8 (`working-tree-encoding=NAME`).
    Encoding(String),
    /// Git reads attributes from a tree and not from the files here.
    AttributesElsewhere,
    /// A file that may hold its attributes cannot be read.
    AttributesUnreadable {
        /// Which.
        file: String,
        /// Why.
        why: String,
    },
    /// Git does not look at the file (`git update-index --assume-unchanged`, `--skip-worktree`).
    NotLookedAt(&'static str),
    /// The commit has a symbolic link there, and this worktree has plain files in the place of links.
    Link,
}

impl ViewGap {
    /// The gap that the attributes of a path make.
    pub(in crate::adapters::git) fn of_attributes(outcome: &Outcome) -> Option<Self> {
        let mut encoding = None;
        for found in outcome.iter_selected() {
            let assignment = found.assignment;
            match (assignment.name.as_str(), assignment.state) {
                // As in git, only a name is a filter: `filter` alone, `-filter` and `!filter` are none.
                ("filter", StateRef::Value(value)) => return Some(Self::Filter(shown(value.as_bstr()))),
                ("working-tree-encoding", StateRef::Value(value)) => {
                    let name = shown(value.as_bstr());
                    let is_usual = name.is_empty() || ["utf-8", "utf8"].contains(&name.to_ascii_lowercase().as_str());
                    encoding = (!is_usual).then_some(Self::Encoding(name));
                }
                // Git refuses to store anything with these.
                ("working-tree-encoding", StateRef::Set) => encoding = Some(Self::Encoding("true".to_owned())),
                ("working-tree-encoding", StateRef::Unset) => encoding = Some(Self::Encoding("false".to_owned())),
                _ => {}
            }
        }
        encoding
    }

    /// How to have a document at this path of the repository committed, in the imperative.
    #[must_use]
    pub fn hint(&self, path: &str) -> String {
        let by_git = format!("commit it with `git add -- {0}` and `git commit -m MESSAGE -- {0}`", visible(path));
        match self {
            Self::Filter(_) | Self::Encoding(_) | Self::AttributesElsewhere => {
                format!("{by_git}; or {}", self.way_back(path))
            }
            // Git itself would store it as if there were no attributes.
            Self::AttributesUnreadable { .. } | Self::NotLookedAt(_) | Self::Link => self.way_back(path),
        }
    }

    /// How to have a document at this path committed by us again, in the imperative.
    #[must_use]
    pub fn way_back(&self, path: &str) -> String {
        let path = visible(path);
        match self {
            Self::Filter(_) => attribute_hint(&path, "-filter"),
            Self::Encoding(_) => attribute_hint(&path, "!working-tree-encoding"),
            Self::AttributesElsewhere => "run `git config --unset attr.tree`, and unset GIT_ATTR_SOURCE".to_owned(),
            Self::AttributesUnreadable { file, .. } => rule_file::way_back(file),
            Self::NotLookedAt(flag) => format!("run `git update-index --no-{flag} -- {path}`"),
            Self::Link => format!("run `git rm --cached -- {path}` and commit that"),
        }
    }
}

impl fmt::Display for ViewGap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Filter(name) => write!(f, "it goes through git's filter `{name}`, which mycelium never starts"),
            Self::Encoding(name) => write!(f, "it has the encoding `{name}` (`working-tree-encoding`)"),
            Self::AttributesElsewhere => f.write_str("git reads its attributes from a tree (`attr.tree`)"),
            Self::AttributesUnreadable { file, why } => write!(f, "its attributes in `{file}` cannot be read: {why}"),
            Self::NotLookedAt(flag) => write!(f, "git does not look at it (`git update-index --{flag}`)"),
            Self::Link => f.write_str("the last commit has a symbolic link there (`core.symlinks` is false)"),
        }
    }
}

/// The file next to a document wins over those above it and the user's own, and only `.git/info/attributes` over that.
fn attribute_hint(path: &str, attribute: &str) -> String {
    let (folder, file) = path.rsplit_once('/').map_or(("", path), |(folder, file)| (folder, file));
    let folder = if folder.is_empty() { String::new() } else { format!("{folder}/") };
    format!(
        "add the line `/{file} {attribute}` at the end of {folder}.gitattributes, or `/{path} {attribute}` at the end of .git/info/attributes if that is where it comes from"
    )
}

fn shown(value: &BStr) -> String {
    visible(&value.to_string())
}

impl GitAttributes<'_> {
    /// Returns why only git can store a document with this path, whatever is in it; `None` if we can.
    ///
    /// # Errors
    /// [`GitError::Object`] if attributes cannot be read.
    pub fn attribute_gap(self, path_in_repo: &str) -> Result<Option<ViewGap>, GitError> {
        self.repo.refresh()?;
        if self.has_other_attributes() {
            return Ok(Some(ViewGap::AttributesElsewhere));
        }
        let found = self.with_converter(path_in_repo, |converter, repo| {
            let mut outcome = converter.stack.selected_attribute_matches(ATTRIBUTES);
            let place = converter.stack.at_path(Path::new(path_in_repo), None, &repo.objects)?;
            place.matching_attributes(&mut outcome);
            Ok(ViewGap::of_attributes(&outcome))
        })?;
        Ok(found.unwrap_or_else(Some))
    }

    /// Returns why git does not take a change of this file by itself, as the index says; `None` if it does.
    ///
    /// # Errors
    /// [`GitError::Object`] if the index cannot be read.
    pub fn index_gap(self, path_in_repo: &str) -> Result<Option<ViewGap>, GitError> {
        let hash = self.repo.gix().object_hash();
        let index = self.repo.index().read(hash).map_err(GitError::object("read the index"))?;
        let Some(entry) = index.entry_by_path_and_stage(BStr::new(path_in_repo), Stage::Unconflicted) else {
            return Ok(None);
        };
        if entry.flags.contains(Flags::ASSUME_VALID) {
            return Ok(Some(ViewGap::NotLookedAt("assume-unchanged")));
        }
        // In a sparse checkout git looks at what is there all the same, and takes the flag away.
        if entry.flags.contains(Flags::SKIP_WORKTREE) && self.repo.switch("core.sparseCheckout") != Some(true) {
            return Ok(Some(ViewGap::NotLookedAt("skip-worktree")));
        }
        let is_link = entry.mode == Mode::SYMLINK && self.repo.switch("core.symlinks") == Some(false);
        Ok(is_link.then_some(ViewGap::Link))
    }

    /// Returns true if git reads attributes neither from the files here nor from the index.
    pub(in crate::adapters::git) fn has_other_attributes(self) -> bool {
        let is_text = |text: &str| !text.is_empty();
        let in_config =
            self.repo.gix().config_snapshot().string("attr.tree").is_some_and(|text| is_text(&text.to_string()));
        in_config || std::env::var("GIT_ATTR_SOURCE").is_ok_and(|text| is_text(&text))
    }
}
