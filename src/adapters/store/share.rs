//! Rights of run state in a repository that several users share: what is made gets the rights of the folder it is made in.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// The right of the group to write. Git gives it to its folders where `core.sharedRepository` asks for it.
const GROUP_WRITES: u32 = 0o020;
/// The rights of group and others to read and write.
const READ_WRITE: u32 = 0o066;

/// Opens a new file up to those who may write in its folder, whatever the umask of this process. Elsewhere it is left alone.
pub(super) fn open_up(path: &Path) {
    // Where it cannot be done, another user's write fails with a message of its own.
    let _ = try_open_up(path);
}

fn try_open_up(path: &Path) -> io::Result<()> {
    let Some(folder) = path.parent() else { return Ok(()) };
    let model = fs::metadata(folder)?.permissions().mode();
    if model & GROUP_WRITES == 0 {
        return Ok(());
    }
    let meta = fs::symlink_metadata(path)?;
    let mode = meta.permissions().mode() & 0o7777;
    // A new folder is one like that above it, the bit included that hands the group on.
    let wanted = if meta.is_dir() { mode | model & 0o7777 } else { mode | model & READ_WRITE };
    if meta.is_symlink() || wanted == mode { Ok(()) } else { fs::set_permissions(path, Permissions::from_mode(wanted)) }
}

/// Opens a file; where it is missing it is made, opened up as [`open_up`] does.
pub(super) fn open_or_make(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            options.create(true).open(path).inspect(|_| open_up(path))
        }
        opened => opened,
    }
}

/// Makes a folder with those above it, and opens each new one up as [`open_up`] does.
pub(super) fn make_folders(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let above = path.parent().ok_or(error)?;
            make_folders(above)?;
            return make_folders(path);
        }
        Err(error) => return Err(error),
    }
    open_up(path);
    Ok(())
}

/// Writes a new file of run state, opened up as [`open_up`] does.
pub(super) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::write(path, bytes)?;
    open_up(path);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_is_open_to_those_who_may_write_in_its_folder() {
        for (folder, file, below) in [(0o2770, 0o660, 0o2770), (0o2775, 0o664, 0o2775), (0o755, 0o600, 0o700)] {
            let home = tempfile::tempdir().expect("a folder");
            let top = home.path().join("top");
            fs::create_dir(&top).expect("made");
            fs::set_permissions(&top, Permissions::from_mode(folder)).expect("set");
            let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o7777;
            let (one, two) = (top.join("file"), top.join("a"));
            fs::write(&one, "").expect("made");
            fs::create_dir(&two).expect("made");
            fs::set_permissions(&one, Permissions::from_mode(0o600)).expect("set");
            fs::set_permissions(&two, Permissions::from_mode(0o700)).expect("set");
            open_up(&one);
            open_up(&two);
            assert_eq!((mode(&one), mode(&two)), (file, below), "in a folder of {folder:o}");
        }
    }
}
