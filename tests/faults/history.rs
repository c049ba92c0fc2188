//! What git says about a repository: git itself is the judge.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::support::{FOLDER, Run, Sandbox};

/// `git fsck --strict` finds nothing, not even something dangling that is broken.
pub(crate) fn assert_sound(sandbox: &Sandbox) {
    let run = Run::of(sandbox.command("git").args(["fsck", "--strict", "--no-dangling", "--no-progress"]));
    let said = format!("{}{}", run.stdout, run.stderr);
    assert_eq!((run.code, said.as_str()), (Some(0), ""));
}

/// The text of a file at HEAD.
pub(crate) fn file_at_head(sandbox: &Sandbox, path: &str) -> Option<String> {
    let run = Run::of(sandbox.command("git").args(["cat-file", "blob", &format!("HEAD:{path}")]));
    (run.code == Some(0)).then_some(run.stdout)
}

/// What HEAD holds of the coordination folder equals the folder: nothing waits to be committed.
pub(crate) fn is_committed(sandbox: &Sandbox) -> bool {
    let run = Run::of(sandbox.command("git").args([
        "--no-optional-locks",
        "status",
        "--porcelain",
        "--untracked-files=all",
        "--",
        FOLDER,
    ]));
    run.ok().is_empty()
}

/// One commit: who made it, and the paths it touches.
pub(crate) struct Commit {
    /// The author's name.
    pub(crate) author: String,
    /// Paths from the root of the repository.
    pub(crate) paths: Vec<String>,
}

/// Every commit of HEAD, the newest first.
pub(crate) fn commits(sandbox: &Sandbox) -> Vec<Commit> {
    let log = sandbox.git(&["log", "--format=@%an", "--name-only", "--no-renames", "-m", "--root"]);
    let mut commits: Vec<Commit> = Vec::new();
    for line in log.lines().filter(|line| !line.is_empty()) {
        match (line.strip_prefix('@'), commits.last_mut()) {
            (Some(author), _) => commits.push(Commit { author: author.to_owned(), paths: Vec::new() }),
            (None, Some(commit)) => commit.paths.push(line.to_owned()),
            (None, None) => panic!("a path before the first commit: {line}"),
        }
    }
    commits
}

/// Who first committed each path.
pub(crate) fn creators(sandbox: &Sandbox) -> BTreeMap<String, String> {
    let newest_first = commits(sandbox).into_iter();
    newest_first.flat_map(|commit| commit.paths.into_iter().map(move |path| (path, commit.author.clone()))).collect()
}

/// Locks and half-made objects below a git directory that a crash left behind.
pub(crate) fn leftovers(git_dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![git_dir.to_owned()];
    while let Some(folder) = folders.pop() {
        // A git that packs for a killed watcher goes on, and removes folders that have become empty.
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => panic!("{}: {error}", folder.display()),
        };
        for entry in entries {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let is_folder = path.is_dir() && !path.is_symlink();
            // A lock of ours below `mycelium/` is never unlinked: the system frees it with its holder.
            let lock = name.ends_with(".lock") && !folder.starts_with(git_dir.join("mycelium"));
            if lock || name.starts_with("tmp_") {
                found.push(path.strip_prefix(git_dir).unwrap().to_string_lossy().into_owned());
            } else if is_folder {
                folders.push(path);
            }
        }
    }
    found.sort();
    found
}
