//! Permissions of new files and folders: those of their neighbours, and what `core.sharedRepository` asks for; and the mode that git gives a document.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// The bit that hands the group of a folder on to what is made in it.
const SET_GROUP: u32 = 0o2000;

/// What `core.sharedRepository` asks for, by git's rules (`git_config_perm` and `adjust_shared_perm` in its source).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SharedMode {
    /// Nothing: the umask of the process decides.
    Umask,
    /// At least these rights to read and write.
    AtLeast(u32),
    /// Exactly these rights to read and write.
    Exactly(u32),
}

impl SharedMode {
    /// Reads a value of the setting; `None` if git would refuse it.
    pub(super) fn parse(value: &str) -> Option<Self> {
        const GROUP: SharedMode = SharedMode::AtLeast(0o660);
        const EVERYONE: SharedMode = SharedMode::AtLeast(0o664);
        match value {
            "umask" => return Some(Self::Umask),
            "group" => return Some(GROUP),
            "all" | "world" | "everybody" => return Some(EVERYONE),
            _ => {}
        }
        let Ok(number) = u32::from_str_radix(value, 8) else {
            return match value.to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" => Some(GROUP),
                "false" | "no" | "off" | "" => Some(Self::Umask),
                _ => None,
            };
        };
        match number {
            0 => Some(Self::Umask),
            1 => Some(GROUP),
            2 => Some(EVERYONE),
            _ if number & 0o600 == 0o600 => Some(Self::Exactly(number & 0o666)),
            _ => None,
        }
    }

    /// The mode of a file or folder that has this mode by the umask.
    fn of(self, mode: u32, is_folder: bool) -> u32 {
        let (Self::AtLeast(asked) | Self::Exactly(asked)) = self else { return mode };
        let mut tweak = if mode & 0o200 == 0 { asked & !0o222 } else { asked };
        if mode & 0o100 != 0 {
            tweak |= (tweak & 0o444) >> 2;
        }
        let shared = if matches!(self, Self::Exactly(_)) { mode & !0o777 | tweak } else { mode | tweak };
        if !is_folder {
            return shared;
        }
        let searchable = shared | (shared & 0o444) >> 2;
        if searchable & 0o060 == 0 { searchable } else { searchable | SET_GROUP }
    }

    /// Gives a new file or folder the rights that are asked for.
    pub(super) fn apply(self, path: &Path) -> io::Result<()> {
        if self == Self::Umask {
            return Ok(());
        }
        let meta = fs::symlink_metadata(path)?;
        let mode = meta.permissions().mode() & 0o7777;
        let wanted = self.of(mode, meta.is_dir());
        if meta.is_symlink() || wanted == mode {
            Ok(())
        } else {
            fs::set_permissions(path, Permissions::from_mode(wanted))
        }
    }

    /// Gives an open new file the rights that are asked for.
    pub(super) fn apply_to(self, file: &File) -> io::Result<()> {
        if self == Self::Umask {
            return Ok(());
        }
        let mode = file.metadata()?.permissions().mode() & 0o7777;
        let wanted = self.of(mode, false);
        if wanted == mode { Ok(()) } else { file.set_permissions(Permissions::from_mode(wanted)) }
    }

    /// Makes a folder with those above it, each new one with the rights that are asked for.
    pub(super) fn make_folders(self, path: &Path) -> io::Result<()> {
        match fs::create_dir(path) {
            Ok(()) => self.apply(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.make_folders(path.parent().ok_or(error)?)?;
                self.make_folders(path)
            }
            Err(error) => Err(error),
        }
    }
}

/// Returns true if git takes a file with this mode for a program.
pub(super) const fn is_program(mode: u32) -> bool {
    mode & 0o100 != 0
}

/// Gives a new folder the permissions of one that git made.
pub(super) fn like_folder(model: &Path, folder: &Path) -> io::Result<()> {
    let (wanted, found) = (fs::metadata(model)?.permissions(), fs::metadata(folder)?.permissions());
    if wanted.mode() & 0o7777 == found.mode() & 0o7777 {
        return Ok(());
    }
    fs::set_permissions(folder, wanted)
}

/// Gives a new file the permissions of one that git made; false, and leaves them alone, if there is none.
pub(super) fn like_file(model: &Path, file: &File) -> io::Result<bool> {
    let meta = match fs::metadata(model) {
        Ok(meta) => meta,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(false);
        }
        Err(error) => return Err(error),
    };
    file.set_permissions(Permissions::from_mode(meta.permissions().mode() & 0o777)).map(|()| true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_those_of_git() {
        // Asked for, the mode by the umask, of a file and of a folder. As git makes them.
        for (value, before, file, folder) in [
            ("umask", 0o600, 0o600, 0o600),
            ("false", 0o600, 0o600, 0o600),
            ("group", 0o600, 0o660, 0o2770),
            ("true", 0o400, 0o440, 0o2550),
            ("1", 0o644, 0o664, 0o2775),
            ("all", 0o600, 0o664, 0o2775),
            ("2", 0o400, 0o444, 0o2555),
            ("0640", 0o644, 0o640, 0o2750),
            ("0660", 0o444, 0o440, 0o2550),
            ("0600", 0o644, 0o600, 0o700),
            ("0666", 0o700, 0o777, 0o2777),
        ] {
            let shared = SharedMode::parse(value).expect("a value");
            let folder_before = before | (before & 0o444) >> 2;
            assert_eq!(
                (shared.of(before, false), shared.of(folder_before, true)),
                (file, { if shared == SharedMode::Umask { folder_before } else { folder } }),
                "{value}"
            );
        }
        for value in ["0440", "sometimes", "0066"] {
            assert_eq!(SharedMode::parse(value), None, "{value}");
        }
    }
}
