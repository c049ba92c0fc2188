//! Files that are read without being asked for by name: rules of git (attributes, what is ignored) and the files of the git directory. Says which cannot be read, so that no named pipe or device is ever opened. Reads metadata, and opens plain files only.

use std::fs::{self, File, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::error::{GitError, shown};

/// Git passes over a file of attributes that is larger.
const BYTES_MAX: u64 = 100 * 1024 * 1024;
/// Files of a git directory of one worktree, and of the one that all share.
const OF_WORKTREE: [&str; 3] = ["HEAD", "config.worktree", "index"];
const SHARED: [&str; 4] = ["config", "packed-refs", "shallow", "objects/info/alternates"];

/// Returns why a file of rules cannot be read; `None` if it can, or if git has no rules from there either: nothing, a folder,
/// and in the worktree a symbolic link.
pub(super) fn fault(path: &Path, is_in_worktree: bool) -> Option<String> {
    let looked = if is_in_worktree { fs::symlink_metadata(path) } else { fs::metadata(path) };
    match looked {
        Ok(meta) if meta.is_dir() || meta.is_symlink() || is_null(&meta) => None,
        Ok(meta) if !meta.is_file() => Some("it is not a plain file".to_owned()),
        Ok(meta) if meta.len() > BYTES_MAX => Some("it has more than 100 MiB".to_owned()),
        Ok(_) => File::open(path).err().filter(|error| error.kind() != ErrorKind::NotFound).map(|e| e.to_string()),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => None,
        Err(error) => Some(error.to_string()),
    }
}

/// How to have a file of rules read again, in the imperative.
pub(super) fn way_back(file: &str) -> String {
    format!("run `ls -ld {file}` to see what it is and whose, and make it a file that can be read, or remove it")
}

/// The error for a file that says what is ignored, and cannot be read.
pub(super) fn unreadable_rules(file: &Path, why: &str) -> GitError {
    let file = shown(file);
    GitError::refused(format!("the ignore rules in `{file}` cannot be read: {why}"), way_back(&file))
}

/// Refuses a git directory in which a file that is read at once is none: reading a named pipe would never end.
///
/// # Errors
/// [`GitError::Unsafe`].
pub(super) fn refuse_odd_files(git_dir: &Path, common_dir: &Path) -> Result<(), GitError> {
    let files = OF_WORKTREE.map(|name| git_dir.join(name)).into_iter().chain(SHARED.map(|name| common_dir.join(name)));
    for file in files {
        let is_odd = fs::metadata(&file).is_ok_and(|meta| !meta.is_file() && !meta.is_dir() && !is_null(&meta));
        if is_odd {
            return Err(GitError::Unsafe {
                path: shown(git_dir),
                why: format!("`{}` is not a plain file", shown(&file)),
                hint: format!(
                    "run `ls -l {}`; git itself would wait there for ever, or read without end",
                    shown(&file)
                ),
            });
        }
    }
    Ok(())
}

/// Returns true for `/dev/null`, which people name where there is to be nothing.
fn is_null(meta: &Metadata) -> bool {
    fs::metadata("/dev/null").is_ok_and(|null| meta.rdev() != 0 && null.rdev() == meta.rdev())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_what_git_would_read_can_be_at_fault() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("folder")).expect("a folder");
        fs::write(path("file"), "*.md").expect("a file");
        File::create(path("large")).and_then(|file| file.set_len(BYTES_MAX + 1)).expect("a file");
        symlink("/dev/zero", path("link")).expect("a link");
        symlink("/dev/null", path("null")).expect("a link");
        for (name, in_worktree, outside) in [
            ("file", None, None),
            ("folder", None, None),
            ("nothing", None, None),
            ("file/below", None, None),
            ("null", None, None),
            ("link", None, Some("it is not a plain file")),
            ("large", Some("it has more than 100 MiB"), Some("it has more than 100 MiB")),
        ] {
            assert_eq!(fault(&path(name), true).as_deref(), in_worktree, "{name}");
            assert_eq!(fault(&path(name), false).as_deref(), outside, "{name}");
        }
        assert!(refuse_odd_files(folder.path(), folder.path()).is_ok());
        symlink("/dev/zero", path("packed-refs")).expect("a link");
        let error = refuse_odd_files(folder.path(), folder.path()).expect_err("it is a device");
        assert!(error.to_string().contains("packed-refs` is not a plain file"), "{error}");
    }
}
