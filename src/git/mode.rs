//! Permissions of new files and folders: those of their neighbours, so that a repository shared by a group stays shared.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Gives a new folder the permissions of one that git made.
pub(super) fn like_folder(model: &Path, folder: &Path) -> io::Result<()> {
    let (wanted, found) = (fs::metadata(model)?.permissions(), fs::metadata(folder)?.permissions());
    if wanted.mode() & 0o7777 == found.mode() & 0o7777 {
        return Ok(());
    }
    fs::set_permissions(folder, wanted)
}

/// Gives a new file the permissions of one that git made; leaves them alone if there is none.
pub(super) fn like_file(model: &Path, file: &File) -> io::Result<()> {
    match fs::metadata(model) {
        Ok(meta) => file.set_permissions(Permissions::from_mode(meta.permissions().mode() & 0o777)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}
