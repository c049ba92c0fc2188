//! New objects on their way into the object folders: written apart, synced, then renamed in place. An object is never seen half written.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use gix::ObjectId;
use gix::objs::Kind;
use gix::zlib::Compression;
use gix::zlib::stream::deflate;

use super::durable::Durability;
use super::error::GitError;
use super::mode;
use super::sabotage::{self, Sabotage};

/// What the names of quarantines begin with; `git gc` sweeps old `tmp_*` folders too.
pub(super) const PREFIX: &str = "tmp_mycelium_";
/// How often an object folder may vanish between its making and its use.
const VANISHED_MAX: usize = 100;

/// Objects that are written but not yet in place. What is left of it goes when it is dropped.
pub(super) struct Quarantine {
    dir: PathBuf,
    files: Vec<(ObjectId, PathBuf, File)>,
}

impl Quarantine {
    /// Writes objects into a new quarantine. Nothing is synced yet.
    pub(super) fn write(
        objects_dir: &Path,
        stem: &str,
        objects: &[(ObjectId, Kind, Vec<u8>)],
        level: Compression,
    ) -> Result<Self, GitError> {
        let dir = objects_dir.join(format!("{PREFIX}{stem}"));
        fs::create_dir(&dir).map_err(GitError::io("make folder", &dir))?;
        let mut quarantine = Self { dir, files: Vec::with_capacity(objects.len()) };
        for (id, kind, bytes) in objects {
            let path = quarantine.dir.join(id.to_string());
            let file = write_loose(&path, *kind, bytes, level).map_err(GitError::io("write object", &path))?;
            quarantine.files.push((*id, path, file));
        }
        Ok(quarantine)
    }

    /// The open files, to be synced before they are published.
    pub(super) fn files(&self) -> impl Iterator<Item = &File> {
        self.files.iter().map(|(_, _, file)| file)
    }

    /// Renames every object in place; gives the folders whose names changed.
    ///
    /// An object that is there already is replaced by the same bytes: it may come from a git that did not sync it.
    pub(super) fn publish(self, objects_dir: &Path, durability: Durability) -> Result<BTreeSet<PathBuf>, GitError> {
        let mut touched = BTreeSet::new();
        for (id, from, _) in &self.files {
            let hex = id.to_string();
            let folder = objects_dir.join(&hex[..2]);
            let to = folder.join(&hex[2..]);
            if durability == Durability::Off && fs::metadata(&to).is_ok_and(|meta| meta.len() > 0) {
                continue;
            }
            if rename(from, &folder, &to)? == Folder::Made {
                touched.insert(objects_dir.to_owned());
            }
            touched.insert(folder);
        }
        Ok(touched)
    }
}

impl Drop for Quarantine {
    fn drop(&mut self) {
        // What stays is swept by a later commit, or by git.
        let _ = fs::remove_dir_all(&self.dir);
    }
}

#[derive(PartialEq, Eq)]
enum Folder {
    Made,
    Present,
}

/// Renames into an object folder. `git gc` removes folders that are empty, also one that was made this very moment.
fn rename(from: &Path, folder: &Path, to: &Path) -> Result<Folder, GitError> {
    let tries = if sabotage::on(Sabotage::NoRetry) { 1 } else { VANISHED_MAX };
    let mut made = Folder::Present;
    for _ in 1..tries {
        match fs::rename(from, to) {
            Ok(()) => return Ok(made),
            Err(error) if error.kind() == io::ErrorKind::NotFound && from.exists() => {}
            Err(error) => return Err(GitError::io("move an object to", to)(error)),
        }
        match fs::create_dir(folder) {
            Ok(()) => {
                made = Folder::Made;
                // It may vanish at once; then the next round makes it again.
                let _ = folder.parent().map_or(Ok(()), |objects| mode::like_folder(objects, folder));
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(GitError::io("make folder", folder)(error)),
        }
    }
    let _ = fs::create_dir(folder);
    sabotage::widen(Sabotage::NoRetry);
    fs::rename(from, to).map_err(GitError::io("move an object to", to))?;
    Ok(Folder::Made)
}

fn write_loose(path: &Path, kind: Kind, bytes: &[u8], level: Compression) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o444).open(path)?;
    let mut out = deflate::Write::new(io::BufWriter::new(file), level);
    out.write_all(&gix::objs::encode::loose_header(kind, bytes.len() as u64))?;
    out.write_all(bytes)?;
    out.flush()?;
    out.into_inner().into_inner().map_err(io::IntoInnerError::into_error)
}
