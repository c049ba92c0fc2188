//! A private directory for texts that are not documents yet. Goes with its owner unless it is kept.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use crate::api::view::ErrorReport;
use crate::core::name::{shell_word, visible};
use crate::core::problem::ErrorClass;

/// Tries for a name that nobody has.
const ATTEMPTS_MAX: u32 = 100;

/// A fresh directory in the system's folder for temporary files; nobody else may look into it.
#[derive(Debug)]
pub(crate) struct Scratch {
    path: PathBuf,
    kept: bool,
}

impl Scratch {
    /// Makes one; `purpose` is part of its name.
    pub(crate) fn new(purpose: &str) -> Result<Self, ErrorReport> {
        let base = std::env::temp_dir();
        let process = std::process::id();
        for attempt in 0..ATTEMPTS_MAX {
            let path = base.join(format!("mycelium-{purpose}-{process}-{attempt}"));
            match std::fs::DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self { path, kept: false }),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => {
                    let shown = visible(&path.display().to_string());
                    let failure = ErrorReport::new(ErrorClass::Problem, "scratch", format!("could not make `{shown}`"));
                    return Err(failure
                        .cause(error.to_string())
                        .hint("set TMPDIR to a directory that you may write to"));
                }
            }
        }
        let base = base.display().to_string();
        let message = format!("`{}` is full of folders `mycelium-{purpose}-*`", visible(&base));
        let folder = shell_word(&base);
        let hint = format!(
            "see whether a text of yours is kept in one of them, then run `rm -r {folder}/mycelium-{purpose}-*`"
        );
        Err(ErrorReport::new(ErrorClass::Problem, "scratch", message).hint(hint))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves it there.
    pub(crate) fn keep(&mut self) {
        self.kept = true;
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !self.kept {
            // What cannot be removed lies in the system's folder for temporary files, which is swept by others.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_unless_it_is_kept() {
        let mut scratch = Scratch::new("test").expect("made");
        let path = scratch.path().to_owned();
        assert!(path.is_dir());
        scratch.keep();
        drop(scratch);
        assert!(path.is_dir());
        std::fs::remove_dir(&path).expect("removed");
        let path = Scratch::new("test").expect("made").path().to_owned();
        assert!(!path.exists());
    }
}
