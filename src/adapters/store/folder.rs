//! Directories held open and names inside them. It never follows a symbolic link below the work tree, also when raced:
//! every step starts from a directory that is held open and refuses a link in the next name.

use std::borrow::Borrow;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, DirEntry, FileType, Mode, OFlags, RenameFlags, Stat};
#[cfg(target_os = "linux")]
use rustix::fs::{CWD, ResolveFlags};
use rustix::io::{Errno, retry_on_intr};

use super::error::{EntryType, LINK, StoreError};
use super::sabotage::{self, Sabotage};
use super::{Contents, DOCUMENT_BYTES_MAX, DocumentFolder, Stamp};
use crate::core::name::DocPath;

/// A directory held open; `path` is only for messages.
#[derive(Debug)]
pub(super) struct Dir {
    fd: OwnedFd,
    path: PathBuf,
}

/// A file or directory that is held open, as the system numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileId {
    device: u64,
    inode: u64,
}

/// One name in one directory.
#[derive(Debug, Clone)]
pub(super) struct Site {
    pub(super) dir: Arc<Dir>,
    pub(super) name: String,
}

/// How a rename ended that may find something in its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Renamed {
    Yes,
    /// The source (for an exchange: either side) is not there, or the target is taken. Nothing was moved.
    No,
    /// The two names are on different file systems. Nothing was moved.
    OtherFileSystem,
}

/// What ends the second name of a file that is being replaced.
const ASIDE_MARK: char = '~';

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

impl Dir {
    /// Opens a directory by its path; links in the path are followed (it is the user's own: work tree, run state).
    pub(super) fn open(path: &Path) -> Result<Option<Self>, StoreError> {
        match retry_on_intr(|| rustix::fs::open(path, FOLDER, Mode::empty())) {
            Ok(fd) => Ok(Some(Self { fd, path: path.to_owned() })),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(StoreError::io("open", path, errno)),
        }
    }

    /// Opens a directory inside this one; a link is refused.
    pub(super) fn child(&self, name: &str) -> Result<Option<Self>, StoreError> {
        let path = self.path.join(name);
        let flags = if sabotage::active(Sabotage::FollowLinks) { FOLDER } else { FOLDER | OFlags::NOFOLLOW };
        match retry_on_intr(|| rustix::fs::openat(&self.fd, name, flags, Mode::empty())) {
            Ok(fd) => Ok(Some(Self { fd, path })),
            Err(Errno::NOENT) => Ok(None),
            Err(Errno::LOOP | Errno::NOTDIR) => Err(self.strange(name, "a folder")),
            Err(errno) => Err(StoreError::io("open", &path, errno)),
        }
    }

    /// Opens the directory with this path below `root`; `None` if there is none. No link below `root` is followed.
    pub(super) fn below(root: &Path, parts: &[impl Borrow<str>]) -> Result<Option<Self>, StoreError> {
        // One step, where the system can refuse links on the whole way. If it refuses, the steps show what is in the way.
        #[cfg(target_os = "linux")]
        if !sabotage::active(Sabotage::FollowLinks)
            && !parts.iter().any(|part| matches!(part.borrow(), "" | "." | ".."))
        {
            let path = root.join(parts.join("/"));
            match rustix::fs::openat2(CWD, &path, FOLDER, Mode::empty(), ResolveFlags::NO_SYMLINKS) {
                Ok(fd) => return Ok(Some(Self { fd, path })),
                Err(Errno::NOENT) => return Ok(None),
                Err(_) => {}
            }
        }
        let Some(mut dir) = Self::open(root)? else { return Ok(None) };
        for part in parts {
            let Some(child) = dir.child(part.borrow())? else { return Ok(None) };
            dir = child;
        }
        Ok(Some(dir))
    }

    /// Opens a directory inside this one, making it first where it is missing, durably.
    pub(super) fn make_child(&self, name: &str, sync: Sync) -> Result<Self, StoreError> {
        let path = self.path.join(name);
        loop {
            if let Some(dir) = self.child(name)? {
                return Ok(dir);
            }
            match rustix::fs::mkdirat(&self.fd, name, Mode::from_raw_mode(0o777)) {
                Ok(()) if sync == Sync::Yes => self.sync()?,
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(StoreError::io("make the folder", &path, errno)),
            }
        }
    }

    fn strange(&self, name: &str, wanted: &'static str) -> StoreError {
        let what = match self.stat(name) {
            Ok(Some(stat)) => what_of(&stat),
            _ => EntryType::Special,
        };
        StoreError::Strange { path: self.path.join(name), what, wanted }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What stands under a name, without following a link.
    pub(super) fn stat(&self, name: &str) -> Result<Option<Stat>, StoreError> {
        match rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(StoreError::io("look at", &self.path.join(name), errno)),
        }
    }

    /// Every name in the directory but `.` and `..`.
    pub(super) fn list(&self) -> Result<Vec<DirEntry>, StoreError> {
        entries(retry_on_intr(|| rustix::fs::Dir::read_from(&self.fd)), &self.path)
    }

    /// Lists every name in the directory but `.` and `..`, and closes it.
    pub(super) fn into_list(self) -> Result<Vec<DirEntry>, StoreError> {
        entries(rustix::fs::Dir::new(self.fd), &self.path)
    }

    /// Writes the directory's entries to the disk.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        if sabotage::active(Sabotage::NoFsync) || sabotage::active(Sabotage::NoSyncFolders) {
            return Ok(());
        }
        retry_on_intr(|| rustix::fs::fsync(&self.fd))
            .map_err(|errno| StoreError::NotDurable { path: self.path.clone(), source: errno.into() })
    }

    /// Writes everything on this file system to the disk.
    pub(super) fn sync_file_system(&self) -> Result<(), StoreError> {
        retry_on_intr(|| rustix::fs::syncfs(&self.fd))
            .map_err(|errno| StoreError::NotDurable { path: self.path.clone(), source: errno.into() })
    }

    /// What makes it the same directory, whatever its name.
    pub(super) fn id(&self) -> Result<FileId, StoreError> {
        rustix::fs::fstat(&self.fd)
            .map(|stat| FileId { device: stat.st_dev, inode: stat.st_ino })
            .map_err(|errno| StoreError::io("look at", &self.path, errno))
    }

    /// The device number, to tell one file system from another.
    pub(super) fn device(&self) -> Result<u64, StoreError> {
        rustix::fs::fstat(&self.fd)
            .map(|stat| stat.st_dev)
            .map_err(|errno| StoreError::io("look at", &self.path, errno))
    }
}

/// What an open directory lists, but `.` and `..`.
fn entries(opened: Result<rustix::fs::Dir, Errno>, path: &Path) -> Result<Vec<DirEntry>, StoreError> {
    let entries: Result<Vec<DirEntry>, Errno> = opened.and_then(Iterator::collect);
    let mut entries = entries.map_err(|errno| StoreError::io("list", path, errno))?;
    entries.retain(|entry| !matches!(entry.file_name().to_bytes(), b"." | b".."));
    Ok(entries)
}

/// Whether new directory entries are made durable at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sync {
    Yes,
    No,
}

impl Site {
    pub(super) fn path(&self) -> PathBuf {
        self.dir.path.join(&self.name)
    }

    /// Opens a plain file for reading; `None` if nothing is there.
    fn open(&self) -> Result<Option<File>, StoreError> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let opened = retry_on_intr(|| rustix::fs::openat(&self.dir.fd, self.name.as_str(), flags, Mode::empty()));
        let file = match opened {
            Ok(fd) => File::from(fd),
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP | Errno::NXIO | Errno::NOTDIR) => return Err(self.dir.strange(&self.name, "a plain file")),
            Err(errno) => return Err(StoreError::io("open", &self.path(), errno)),
        };
        Ok(Some(file))
    }

    /// Reads a plain file whole, but no more than the limit and one byte; `None` if nothing is there.
    pub(super) fn read(&self) -> Result<Option<Contents>, StoreError> {
        let Some(file) = self.open()? else { return Ok(None) };
        let stat = rustix::fs::fstat(&file).map_err(|errno| StoreError::io("look at", &self.path(), errno))?;
        let what = what_of(&stat);
        if what != EntryType::File {
            return Err(StoreError::Strange { path: self.path(), what, wanted: "a plain file" });
        }
        let stamp = stamp_of(&stat);
        let expected = stamp.size.min(DOCUMENT_BYTES_MAX) + 1;
        let mut bytes = Vec::with_capacity(usize::try_from(expected).unwrap_or(0));
        file.take(DOCUMENT_BYTES_MAX + 1)
            .read_to_end(&mut bytes)
            .map_err(|source| StoreError::io("read", &self.path(), source))?;
        Ok(Some(Contents { bytes, stamp }))
    }

    /// Writes a file's bytes to the disk; nothing is done where there is none.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        let Some(file) = self.open()? else { return Ok(()) };
        file.sync_all().map_err(|source| StoreError::NotDurable { path: self.path(), source })
    }

    /// Tells whether nobody holds the lock of the file under the name.
    pub(super) fn is_unlocked(&self) -> Result<bool, StoreError> {
        Ok(self.open()?.is_none_or(|file| file.try_lock().is_ok()))
    }

    /// Tells whether somebody holds the lock of the file under the name. Others who ask the same are not taken for holders.
    pub(super) fn is_held(&self) -> Result<bool, StoreError> {
        Ok(self.open()?.is_some_and(|file| file.try_lock_shared().is_err()))
    }

    /// The bytes under the name; `Err` also where a link or device stands there.
    pub(super) fn bytes(&self) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.read()?.map(|contents| contents.bytes))
    }

    /// Makes a new file, open for writing; fails if the name is taken.
    pub(super) fn create(&self) -> Result<File, StoreError> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o666);
        retry_on_intr(|| rustix::fs::openat(&self.dir.fd, self.name.as_str(), flags, mode))
            .map(File::from)
            .map_err(|errno| StoreError::io("create", &self.path(), errno))
    }

    /// Exchanges two names in one step. Where the file system cannot, the other file replaces this one, which is kept under a
    /// second name meanwhile: a save in that very moment may be overwritten, and there is always a file.
    pub(super) fn exchange(&self, other: &Self) -> Result<Renamed, StoreError> {
        match self.rename(other, RenameFlags::EXCHANGE)? {
            Some(renamed) => Ok(renamed),
            None => self.exchange_by_link(other),
        }
    }

    fn exchange_by_link(&self, other: &Self) -> Result<Renamed, StoreError> {
        let aside = Self { dir: Arc::clone(&other.dir), name: format!("{}{ASIDE_MARK}", other.name) };
        // A process that died may have left it.
        aside.unlink()?;
        match self.link_to(&aside)? {
            Renamed::Yes => {}
            not => return Ok(not),
        }
        if other.dir.stat(&other.name)?.is_none() {
            aside.unlink()?;
            return Ok(Renamed::No);
        }
        match other.replace(self)? {
            Renamed::Yes => aside.replace(other),
            not => {
                aside.unlink()?;
                Ok(not)
            }
        }
    }

    /// Moves this name to another that must be free. Where the file system cannot do so in one step, both names are there for
    /// a moment.
    pub(super) fn move_to(&self, free: &Self) -> Result<Renamed, StoreError> {
        if let Some(renamed) = self.rename(free, RenameFlags::NOREPLACE)? {
            return Ok(renamed);
        }
        let linked = self.link_to(free)?;
        if linked == Renamed::Yes {
            self.unlink()?;
        }
        Ok(linked)
    }

    /// Gives this file a second name that must be free.
    fn link_to(&self, free: &Self) -> Result<Renamed, StoreError> {
        match rustix::fs::linkat(&self.dir.fd, self.name.as_str(), &free.dir.fd, free.name.as_str(), AtFlags::empty()) {
            Ok(()) => Ok(Renamed::Yes),
            Err(Errno::NOENT | Errno::EXIST) => Ok(Renamed::No),
            Err(Errno::XDEV) => Ok(Renamed::OtherFileSystem),
            Err(errno) => Err(StoreError::io(LINK, &self.path(), errno)),
        }
    }

    /// Moves this name to another, and what stands there gives way.
    pub(super) fn replace(&self, other: &Self) -> Result<Renamed, StoreError> {
        let unknown = || StoreError::io("replace", &self.path(), Errno::INVAL);
        self.rename(other, RenameFlags::empty())?.ok_or_else(unknown)
    }

    /// Moves this name as the flags say; `None` if the file system does not know them.
    fn rename(&self, to: &Self, flags: RenameFlags) -> Result<Option<Renamed>, StoreError> {
        if !flags.is_empty() && sabotage::active(Sabotage::NoExchange) {
            return Ok(None);
        }
        match rustix::fs::renameat_with(&self.dir.fd, self.name.as_str(), &to.dir.fd, to.name.as_str(), flags) {
            Ok(()) => Ok(Some(Renamed::Yes)),
            Err(Errno::NOENT | Errno::EXIST) => Ok(Some(Renamed::No)),
            Err(Errno::XDEV) => Ok(Some(Renamed::OtherFileSystem)),
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => Ok(None),
            Err(errno) => Err(StoreError::io("replace", &self.path(), errno)),
        }
    }

    /// Removes the name; it is no error if it is gone.
    pub(super) fn unlink(&self) -> Result<(), StoreError> {
        match rustix::fs::unlinkat(&self.dir.fd, self.name.as_str(), AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(StoreError::io("remove", &self.path(), errno)),
        }
    }
}

pub(super) fn what_of(stat: &Stat) -> EntryType {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => EntryType::File,
        FileType::Directory => EntryType::Directory,
        FileType::Symlink => EntryType::Symlink,
        _ => EntryType::Special,
    }
}

pub(super) fn stamp_of(stat: &Stat) -> Stamp {
    let ns = |s: i64, ns: i64| s.saturating_mul(1_000_000_000).saturating_add(ns);
    Stamp {
        ino: stat.st_ino,
        mtime_ns: ns(stat.st_mtime, i64::try_from(stat.st_mtime_nsec).unwrap_or(0)),
        ctime_ns: ns(stat.st_ctime, i64::try_from(stat.st_ctime_nsec).unwrap_or(0)),
        size: u64::try_from(stat.st_size).unwrap_or(0),
        mode: stat.st_mode & 0o777,
    }
}

impl DocumentFolder {
    /// Where it is, or would be.
    pub(super) fn path(&self) -> PathBuf {
        self.root.join(self.parts.join("/"))
    }

    fn worktree(&self) -> Result<Dir, StoreError> {
        let missing = || StoreError::io("open", &self.root, io::Error::from(io::ErrorKind::NotFound));
        Dir::open(&self.root)?.ok_or_else(missing)
    }

    /// The coordination folder, if it is there.
    pub(super) fn open(&self) -> Result<Option<Dir>, StoreError> {
        match Dir::below(&self.root, &self.parts)? {
            Some(dir) => Ok(Some(dir)),
            // That the worktree is missing is an error.
            None => self.worktree().map(|_| None),
        }
    }

    /// Where a document stands or would stand; `None` if its folder is not there.
    pub(super) fn site(&self, path: &DocPath) -> Result<Option<Site>, StoreError> {
        Walk::new(self).site(path)
    }

    /// Where a document stands, after making the folders on the way to it.
    pub(super) fn made_site(&self, path: &DocPath) -> Result<Site, StoreError> {
        let mut dir = self.worktree()?;
        let (parents, name) = split(path);
        for part in self.parts.iter().map(String::as_str).chain(parents) {
            dir = dir.make_child(part, self.sync)?;
        }
        Ok(Site { dir: Arc::new(dir), name: name.to_owned() })
    }

    /// Makes the folder with its parents, if it is not there; tells whether it was made.
    ///
    /// # Errors
    /// [`StoreError`] if something else stands in its place, or the system refuses.
    pub fn make(&self) -> Result<bool, StoreError> {
        if self.open()?.is_some() {
            return Ok(false);
        }
        let mut dir = self.worktree()?;
        for part in &*self.parts {
            dir = dir.make_child(part, self.sync)?;
        }
        Ok(true)
    }
}

/// The folders of several documents, each opened once. It is of this moment: a later step walks anew.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    folder: &'a DocumentFolder,
    opened: Vec<(String, Option<Arc<Dir>>)>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(folder: &'a DocumentFolder) -> Self {
        Self { folder, opened: Vec::new() }
    }

    /// Where a document stands or would stand; `None` if its folder is not there.
    pub(super) fn site(&mut self, path: &DocPath) -> Result<Option<Site>, StoreError> {
        let (parents, name) = split(path);
        let dir = self.dir(&parents)?;
        Ok(dir.map(|dir| Site { dir, name: name.to_owned() }))
    }

    fn dir(&mut self, parents: &[&str]) -> Result<Option<Arc<Dir>>, StoreError> {
        let key = parents.join("/");
        if let Some((_, dir)) = self.opened.iter().find(|(known, _)| *known == key) {
            return Ok(dir.clone());
        }
        let dir = match parents.split_last() {
            None => self.folder.open()?,
            Some((last, above)) => match self.dir(above)? {
                Some(dir) => dir.child(last)?,
                None => None,
            },
        };
        let dir = dir.map(Arc::new);
        self.opened.push((key, dir.clone()));
        Ok(dir)
    }
}

fn split(path: &DocPath) -> (Vec<&str>, &str) {
    let mut parts: Vec<&str> = path.as_str().split('/').collect();
    let name = parts.pop().unwrap_or_default();
    (parts, name)
}
