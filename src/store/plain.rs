//! Plain files beside the documents: configuration and templates. Small, read whole, never through a symbolic link at their own name.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::temp;

/// The real path of a folder.
///
/// # Errors
/// If it is not there, or is not a folder.
pub fn folder_of(path: &Path) -> io::Result<PathBuf> {
    let path = fs::canonicalize(path)?;
    if path.is_dir() { Ok(path) } else { Err(io::ErrorKind::NotADirectory.into()) }
}

/// A small file's text; `None` if there is none.
///
/// # Errors
/// If it is larger than `bytes_max`, not UTF-8, a symbolic link, or cannot be read.
pub fn read_text(path: &Path, bytes_max: usize) -> io::Result<Option<String>> {
    let no_follow = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits() | rustix::fs::OFlags::NONBLOCK.bits());
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(no_follow.map_err(io::Error::other)?);
    let file = match options.open(path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(bytes_max as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > bytes_max {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is larger than {bytes_max} bytes")));
    }
    String::from_utf8(bytes).map(Some).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.utf8_error()))
}

/// Writes a new file durably, with its folders; `false`, and nothing changed, if there is one already.
///
/// # Errors
/// If it cannot be written.
pub fn write_new(path: &Path, text: &str) -> io::Result<bool> {
    let draft = write_draft(path, text)?;
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    match linked {
        Ok(()) => sync_parent(path).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// Replaces a file durably in one step, or makes it with its folders.
///
/// # Errors
/// If it cannot be written; the old one is intact then.
pub fn replace_text(path: &Path, text: &str) -> io::Result<()> {
    let draft = write_draft(path, text)?;
    fs::rename(&draft, path)?;
    sync_parent(path)
}

fn write_draft(path: &Path, text: &str) -> io::Result<PathBuf> {
    let folder = folder_above(path);
    fs::create_dir_all(folder)?;
    let draft = folder.join(format!(".{}", temp::fresh_name()));
    let mut file = OpenOptions::new().write(true).create_new(true).open(&draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    Ok(draft)
}

fn sync_parent(path: &Path) -> io::Result<()> {
    fs::File::open(folder_above(path))?.sync_all()
}

/// The folder of a file; a bare name lies in the current one.
fn folder_above(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_name_lies_in_the_current_folder() {
        for (path, folder) in [("a/b.json", "a"), ("b.json", "."), ("/b.json", "/")] {
            assert_eq!(folder_above(Path::new(path)), Path::new(folder), "{path}");
        }
    }
}
