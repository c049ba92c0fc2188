//! Plain files beside the documents: configuration and templates. Small, read whole, never through a symbolic link at their own name, nor, below a work tree, on the way to it.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::FileType;

use super::error::{EntryType, StoreError};
use super::folder::{Dir, Renamed, Site, Sync, stamp_of, what_of};
use super::{read, share, sweep, temp};

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
    let Some(bytes) = read_bytes(path, bytes_max)? else { return Ok(None) };
    String::from_utf8(bytes).map(Some).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.utf8_error()))
}

/// A small file's bytes; `None` if there is none.
///
/// # Errors
/// If it is larger than `bytes_max`, a symbolic link, or cannot be read.
pub fn read_bytes(path: &Path, bytes_max: usize) -> io::Result<Option<Vec<u8>>> {
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
    Ok(Some(bytes))
}

/// What the system answered, but `None` where there is no such file.
pub(super) fn unless_missing<T>(answer: io::Result<T>) -> io::Result<Option<T>> {
    match answer {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        answer => answer.map(Some),
    }
}

/// Writes into a folder of local state, which is made where it is missing.
pub(super) fn write_below<T>(folder: &Path, write: impl Fn() -> io::Result<T>) -> io::Result<T> {
    match unless_missing(write())? {
        Some(done) => Ok(done),
        None => share::make_folders(folder).and_then(|()| write()),
    }
}

/// Whether a file was replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplaceOutcome {
    /// It was.
    Yes,
    /// It holds something else than it did when it was read; nothing was changed.
    Overtaken,
}

/// Replaces the bytes of somebody else's file, or makes it (`old` is `None`), or removes it (`new` is `None`), durably and
/// in one step, if it still holds what it did. Its permissions stay.
///
/// # Errors
/// If it cannot be written; the old one is intact then.
pub fn replace_bytes(path: &Path, old: Option<&[u8]>, new: Option<&[u8]>) -> io::Result<ReplaceOutcome> {
    let is_as_read = || Ok::<_, io::Error>(read_bytes(path, old.map_or(0, <[u8]>::len))?.as_deref() == old);
    let overtaken = |error: &io::Error| error.kind() == io::ErrorKind::FileTooLarge;
    match is_as_read() {
        Ok(true) => {}
        Err(error) if !overtaken(&error) => return Err(error),
        Ok(false) | Err(_) => return Ok(ReplaceOutcome::Overtaken),
    }
    match (old, new) {
        (None, None) => return Ok(ReplaceOutcome::Yes),
        (Some(_), None) => fs::remove_file(path)?,
        (None, Some(new)) => return write_new_bytes(path, new),
        (Some(_), Some(new)) => {
            let mut draft = Draft::write(path, new)?;
            fs::set_permissions(&draft.path, fs::symlink_metadata(path)?.permissions())?;
            fs::rename(&draft.path, path)?;
            draft.is_moved = true;
        }
    }
    sync_parent(path).map(|()| ReplaceOutcome::Yes)
}

fn write_new_bytes(path: &Path, bytes: &[u8]) -> io::Result<ReplaceOutcome> {
    let draft = Draft::write(path, bytes)?;
    let linked = fs::hard_link(&draft.path, path);
    drop(draft);
    match linked {
        Ok(()) => sync_parent(path).map(|()| ReplaceOutcome::Yes),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(ReplaceOutcome::Overtaken),
        Err(error) => Err(error),
    }
}

/// The text of a small file below a work tree; `None` if there is none. No link below the root is followed.
///
/// # Errors
/// [`StoreError`] if it is larger than `bytes_max`, not UTF-8, lies behind a symbolic link, or cannot be read.
pub fn read_text_in(root: &Path, relative: &str, bytes_max: usize) -> Result<Option<String>, StoreError> {
    let Some(site) = site_in(root, relative, Parents::AsTheyAre)? else { return Ok(None) };
    let Some(bytes) = site.bytes()? else { return Ok(None) };
    let fault = |source| StoreError::io("read", &site.path(), source);
    if bytes.len() > bytes_max {
        let why = format!("it is larger than {bytes_max} bytes");
        return Err(fault(io::Error::new(io::ErrorKind::FileTooLarge, why)));
    }
    let text = String::from_utf8(bytes);
    text.map(Some).map_err(|error| fault(io::Error::new(io::ErrorKind::InvalidData, error.utf8_error())))
}

/// The names of the entries of a folder below a work tree that end so, in order; none without the folder. No link below the root is
/// followed to it.
///
/// # Errors
/// [`StoreError`] if the folder lies behind a symbolic link, or cannot be listed.
pub fn names_in(root: &Path, relative: &str, suffix: &str) -> Result<Vec<String>, StoreError> {
    let parts: Vec<&str> = relative.split('/').collect();
    let Some(dir) = Dir::below(root, &parts)? else { return Ok(Vec::new()) };
    let names = dir.into_list()?.into_iter().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(suffix)).collect();
    names.sort_unstable();
    Ok(names)
}

/// Writes a new file below a work tree durably, with its folders; `false`, and nothing changed, if there is one already.
///
/// # Errors
/// [`StoreError`] if a symbolic link stands in the way, or it cannot be written.
pub fn write_new_in(root: &Path, relative: &str, text: &str) -> Result<bool, StoreError> {
    write_in(root, relative, text, Site::move_to, Sync::Yes)
}

/// Replaces a file below a work tree durably in one step, or makes it with its folders.
///
/// # Errors
/// [`StoreError`] if a symbolic link stands in the way, or it cannot be written; the old one is intact then.
pub fn replace_text_in(root: &Path, relative: &str, text: &str) -> Result<(), StoreError> {
    write_in(root, relative, text, Site::replace, Sync::Yes).map(drop)
}

/// The same without waiting for the disk: whoever reads it finds the old text or the new one, a power cut may lose both.
pub(super) fn note_text_in(root: &Path, relative: &str, text: &str) -> Result<(), StoreError> {
    write_in(root, relative, text, Site::replace, Sync::No).map(drop)
}

/// Removes a file below a folder, if it is there.
pub(super) fn remove_in(root: &Path, relative: &str) -> Result<(), StoreError> {
    let Some(site) = site_in(root, relative, Parents::AsTheyAre)? else { return Ok(()) };
    site.unlink()?;
    site.dir.sync()
}

type Publish = fn(&Site, &Site) -> Result<Renamed, StoreError>;

fn write_in(root: &Path, relative: &str, text: &str, publish: Publish, sync: Sync) -> Result<bool, StoreError> {
    let Some(site) = site_in(root, relative, Parents::Made)? else { return Ok(false) };
    sweep_drafts(&site.dir);
    let draft = Site { dir: Arc::clone(&site.dir), name: format!("{DRAFT_PREFIX}{}", temp::fresh_name()) };
    let path = site.path();
    let written = draft.create().and_then(|mut file| {
        super::lock::own(&file).map_err(|source| StoreError::io("lock", &path, source))?;
        file.write_all(text.as_bytes()).map_err(|source| StoreError::io("write", &path, source))?;
        if sync == Sync::Yes {
            file.sync_all().map_err(|source| StoreError::NotDurable { path: path.clone(), source })?;
        }
        publish(&draft, &site)
    });
    if !matches!(written, Ok(Renamed::Yes)) {
        draft.unlink()?;
    }
    if sync == Sync::Yes {
        site.dir.sync()?;
    }
    written.map(|renamed| renamed == Renamed::Yes)
}

/// Whether folders on the way to a file are made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Parents {
    AsTheyAre,
    Made,
}

/// Where a file below a work tree stands; `None` if a folder on the way is not there.
fn site_in(root: &Path, relative: &str, parents: Parents) -> Result<Option<Site>, StoreError> {
    let mut parts: Vec<&str> = relative.split('/').collect();
    let name = parts.pop().unwrap_or_default().to_owned();
    let dir = match parents {
        Parents::AsTheyAre => Dir::below(root, &parts)?,
        Parents::Made => {
            let made = |dir: Dir, part: &&str| dir.make_child(part, Sync::Yes);
            Dir::open(root)?.map(|root| parts.iter().try_fold(root, made)).transpose()?
        }
    };
    Ok(dir.map(|dir| Site { dir: Arc::new(dir), name }))
}

/// Refuses run state of which a part is a symbolic link: nobody but this program makes anything there, and it makes none.
/// Tells whether there is anything about a bridge.
///
/// # Errors
/// [`StoreError::Strange`] for a link; [`StoreError::Io`] if the folder cannot be listed.
pub(super) fn refuse_links(run: &Path) -> Result<bool, StoreError> {
    let strange = |path: PathBuf, wanted| Err(StoreError::Strange { path, what: EntryType::Symlink, wanted });
    if fs::symlink_metadata(run).is_ok_and(|meta| meta.is_symlink()) {
        return strange(run.to_owned(), "a folder");
    }
    let Some(dir) = Dir::open(run)? else { return Ok(false) };
    let mut has_bridge = false;
    for entry in dir.into_list()? {
        let name = entry.file_name().to_string_lossy();
        has_bridge |= name == super::bridge::FOLDER;
        let is_link = match entry.file_type() {
            // Some file systems tell the kind of a name only when asked for it.
            FileType::Unknown => {
                let path = run.join(&*name);
                let meta = unless_missing(fs::symlink_metadata(&path));
                let meta = meta.map_err(|source| StoreError::io("look at", &path, source))?;
                meta.is_some_and(|meta| meta.is_symlink())
            }
            kind => kind == FileType::Symlink,
        };
        if is_link {
            return strange(run.join(&*name), "a file or folder of mycelium's own");
        }
    }
    Ok(has_bridge)
}

/// Writes a file of this new name durably, with its folder.
pub(super) fn write_copy(path: &Path, bytes: &[u8]) -> io::Result<()> {
    make_folders(folder_above(path))?;
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    sync_parent(path)
}

/// Replaces a file of the user's own durably in one step, or makes it with its folders; links on the way are theirs.
///
/// # Errors
/// If it cannot be written; the old one is intact then.
pub fn replace_text(path: &Path, text: &str) -> io::Result<()> {
    let mut draft = Draft::write(path, text.as_bytes())?;
    fs::rename(&draft.path, path)?;
    draft.is_moved = true;
    sync_parent(path)
}

/// Replaces the text of one of the user's own files, or makes it, durably and in one step. With `is_secret` only the user may
/// read it, from the first moment on; else its permissions stay as they are.
///
/// # Errors
/// If it cannot be written; the old one is intact then.
pub fn replace_own_text(path: &Path, text: &str, is_secret: bool) -> io::Result<()> {
    let old = fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file).map(|old| old.permissions());
    let old = old.filter(|_| !is_secret);
    let mode = if is_secret || old.is_some() { SECRET_MODE } else { PLAIN_MODE };
    let mut draft = Draft::write_as(path, text.as_bytes(), mode)?;
    if let Some(old) = old {
        fs::set_permissions(&draft.path, old)?;
    }
    fs::rename(&draft.path, path)?;
    draft.is_moved = true;
    sync_parent(path)
}

/// The permissions of a file that only the user may read, and of any other.
const SECRET_MODE: u32 = 0o600;
const PLAIN_MODE: u32 = 0o666;

/// Replaces a file of run state as [`replace_text`] does, open to those who may write in its folder.
///
/// # Errors
/// If it cannot be written; the old one is intact then.
pub fn replace_state_text(path: &Path, text: &str) -> io::Result<()> {
    replace_text(path, text)?;
    share::open_up(path);
    Ok(())
}

/// What the names of drafts begin with.
const DRAFT_PREFIX: &str = ".mycelium-draft-";

/// New content beside its file, on the disk; it goes when dropped.
struct Draft {
    path: PathBuf,
    is_moved: bool,
    /// Locked as long as its writer lives.
    file: fs::File,
}

impl Draft {
    /// Writes it, after sweeping those that dead writers left.
    fn write(target: &Path, bytes: &[u8]) -> io::Result<Self> {
        Self::write_as(target, bytes, PLAIN_MODE)
    }

    /// The same with these permissions, less what the process leaves out.
    fn write_as(target: &Path, bytes: &[u8], mode: u32) -> io::Result<Self> {
        let folder = folder_above(target);
        make_folders(folder)?;
        if let Ok(Some(dir)) = Dir::open(folder) {
            sweep_drafts(&Arc::new(dir));
        }
        let path = folder.join(format!("{DRAFT_PREFIX}{}", temp::fresh_name()));
        let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&path)?;
        let mut draft = Self { path, is_moved: false, file };
        super::lock::own(&draft.file)?;
        draft.file.write_all(bytes)?;
        draft.file.sync_all()?;
        Ok(draft)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.is_moved {
            // What stays is swept by the next writer.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Removes drafts whose writers are dead. One that was made this very moment is not locked yet, so young ones are left.
fn sweep_drafts(dir: &Arc<Dir>) {
    let Ok(entries) = dir.list() else { return };
    for entry in entries {
        let Ok(name) = entry.file_name().to_str() else { continue };
        let site = Site { dir: Arc::clone(dir), name: name.to_owned() };
        if name.starts_with(DRAFT_PREFIX) && is_abandoned(&site) {
            let _ = site.unlink();
        }
    }
}

fn is_abandoned(site: &Site) -> bool {
    let Ok(Some(stat)) = site.dir.stat(&site.name) else { return false };
    let is_young = read::age(&stamp_of(&stat)).is_some_and(|age| age < sweep::KEPT);
    what_of(&stat) == EntryType::File && !is_young && site.is_unlocked().unwrap_or(false)
}

/// Where a file really is, or will be: behind links if it is one.
///
/// # Errors
/// If a link leads nowhere or to a folder that may not be searched.
pub fn real_path(path: &Path) -> io::Result<PathBuf> {
    match fs::symlink_metadata(path) {
        Ok(_) => fs::canonicalize(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(path.to_owned()),
        Err(error) => Err(error),
    }
}

/// Adds a line to a file that has this text, or makes it with its folders. What is in it stays, also what somebody adds
/// at the same moment.
///
/// # Errors
/// If it cannot be written.
pub fn append_line(path: &Path, text: &str, line: &str) -> io::Result<()> {
    make_folders(folder_above(path))?;
    let start = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    file.write_all(format!("{start}{line}\n").as_bytes())?;
    file.sync_all()?;
    sync_parent(path)
}

/// Makes a folder with those above it, each on the disk with its name.
///
/// # Errors
/// If one cannot be made.
pub fn make_folders(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(above) = folder.parent().filter(|above| !above.as_os_str().is_empty()) {
        make_folders(above)?;
    }
    match fs::create_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists || !folder.is_dir() => return Err(error),
        Ok(()) | Err(_) => {}
    }
    sync_parent(folder)
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
