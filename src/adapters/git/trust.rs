//! Whose a repository is, and whether it lies where it was found. The user's own `safe.directory` decides what else may be used; a repository has no say in it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use gix::bstr::ByteSlice;
use gix::config::source::Kind;
use gix::sec::Trust;

use super::error::{GitError, shown};

/// A folder with a `.git` in it, and whose that, what it leads to and the folder are.
pub(super) struct Found {
    pub(super) dir: PathBuf,
    pub(super) trust: Trust,
}

/// Refuses a repository of somebody else's, and one that would be read or written elsewhere than it was found.
pub(super) fn check(repo: &gix::Repository, found: Option<&Found>, paths: &RealPaths) -> Result<(), GitError> {
    // Without a find, the user's own `GIT_DIR` named it.
    let dir = found.map_or_else(|| repo.workdir().unwrap_or(repo.git_dir()), |found| &found.dir);
    let is_allowed = || is_allowed(repo, dir);
    let is_own = found.is_none_or(|found| found.trust == Trust::Full || is_allowed());
    if repo.git_dir_trust() != Trust::Full || !is_own {
        return Err(refused(dir, "it belongs to another user"));
    }
    match found.and_then(|found| leads_elsewhere(repo, &found.dir, paths)) {
        Some(why) if !is_allowed() => Err(refused(dir, &why)),
        _ => Ok(()),
    }
}

fn refused(dir: &Path, why: &str) -> GitError {
    GitError::Unsafe {
        path: shown(dir),
        why: why.to_owned(),
        hint: format!("if you trust it, run `git config --global --add safe.directory '{}'`", shown(dir)),
    }
}

/// Why a repository is not that of the folder in which its `.git` lies; `None` if it is.
fn leads_elsewhere(repo: &gix::Repository, dir: &Path, paths: &RealPaths) -> Option<String> {
    let (here, git_dir) = (paths.find(dir), paths.find(repo.git_dir()));
    let work_tree = repo.workdir().map(|dir| paths.find(dir));
    if let Some(work_tree) = work_tree.filter(|work_tree| *work_tree != here) {
        return Some(format!("its `core.worktree` leads elsewhere, to `{}`", shown(work_tree)));
    }
    let is_link = fs::symlink_metadata(dir.join(".git")).is_ok_and(|meta| meta.is_symlink());
    let is_inside = git_dir.starts_with(&here);
    if is_inside || !is_link && (is_linked_work_tree(repo, &git_dir, &here) || is_submodule(repo)) {
        return None;
    }
    Some(format!("its `.git` leads elsewhere, to `{}`, which does not lead back", shown(git_dir)))
}

/// A linked work tree is known to its repository: it has a folder there, which names the `.git` of the work tree.
fn is_linked_work_tree(repo: &gix::Repository, git_dir: &Path, here: &Path) -> bool {
    let back = fs::read(git_dir.join("gitdir")).unwrap_or_default();
    let back = git_dir.join(OsStr::from_bytes(back.trim_ascii()));
    let is_listed = git_dir.parent().is_some_and(|parent| parent == real(repo.common_dir()).join("worktrees"));
    is_listed && real(&back) == here.join(".git")
}

/// The repository of a submodule names its work tree; whether that is the right one is known by now.
fn is_submodule(repo: &gix::Repository) -> bool {
    let config = repo.config_snapshot();
    config.plumbing().string_filter("core.worktree", |section| section.source.kind() == Kind::Repository).is_some()
}

/// Tells whether the user's own `safe.directory` has a folder, by git's rules: `*` is every one, `x/*` every one below `x`,
/// an empty value forgets those before it.
fn is_allowed(repo: &gix::Repository, dir: &Path) -> bool {
    let config = repo.config_snapshot();
    let own = |section: &gix::config::file::Metadata| section.source.kind() != Kind::Repository;
    let values = config.plumbing().strings_filter("safe.directory", own).unwrap_or_default();
    let dir = real(dir);
    let mut is_allowed = false;
    for value in values {
        let value = value.to_str_lossy();
        is_allowed = match (&*value, value.strip_suffix("/*")) {
            ("", _) => false,
            ("*", _) => true,
            (_, Some(above)) => is_allowed || dir.starts_with(real(&from_home(above))),
            (one, None) => is_allowed || from_home(one).is_absolute() && dir == real(&from_home(one)),
        };
    }
    is_allowed
}

/// A path with `~/` replaced by the user's home.
fn from_home(path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => PathBuf::from(home).join(rest),
        _ => PathBuf::from(path),
    }
}

/// The real paths of the folders of one repository; each is found once.
#[derive(Default)]
pub(super) struct RealPaths(RefCell<BTreeMap<PathBuf, PathBuf>>);

impl RealPaths {
    /// Finds a path without `..` and links. What lies in a folder that was found before needs one look.
    pub(super) fn find(&self, path: &Path) -> PathBuf {
        let mut known = self.0.borrow_mut();
        if let Some(found) = known.get(path) {
            return found.clone();
        }
        let inside = || {
            let place = known.get(path.parent()?)?.join(path.file_name()?);
            let is_link = fs::symlink_metadata(&place).ok()?.is_symlink();
            (!is_link).then_some(place)
        };
        let found = inside().unwrap_or_else(|| real(path));
        known.insert(path.to_owned(), found.clone());
        found
    }
}

/// A path without `..` and links where it exists, so that paths can be compared.
fn real(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}
