//! New objects on their way into the object folders: written apart, synced, then renamed in place. An object is never seen half written.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use gix::objs::Kind;
use gix::zlib::Compression;

use super::deflate::Deflater;
use super::durable::CommitDurability;
use super::error::GitError;
use super::mode::{self, SharedMode};
use super::pack::{self, Object, Pack};
use super::repository::Repository;
use super::sabotage::{self, Sabotage};

/// What the names of quarantines begin with; `git gc` sweeps old `tmp_*` folders too.
pub(super) const PREFIX: &str = "tmp_mycelium_";
/// How often an object folder may vanish between its making and its use.
const VANISHED_MAX: usize = 100;

/// Objects that are written but not yet in place. What is left of it goes when it is dropped.
pub(super) struct Quarantine {
    /// What its name, or the names of its files, begin with. Loose objects lie beside the object folders, without a
    /// folder of their own: making and removing one costs more than it gives.
    place: PathBuf,
    /// Packs are made in a folder: the git program writes its index there.
    has_folder: bool,
    files: Vec<Waiting>,
    /// The index of the pack they go into, once it is in place.
    pub(super) pack: Option<PathBuf>,
    shared: SharedMode,
}

/// A file on its way.
struct Waiting {
    from: PathBuf,
    to: PathBuf,
    file: File,
    is_in_place: bool,
}

impl Quarantine {
    /// Writes objects into a new quarantine: many as one pack, else one by one. Nothing is synced yet.
    pub(super) fn write(repo: &Repository, stem: &str, objects: &[&Object]) -> Result<Self, GitError> {
        let objects_dir = repo.objects_dir();
        let place = objects_dir.join(format!("{PREFIX}{stem}"));
        let shared = repo.shared_mode();
        let mut quarantine = Self { place, has_folder: false, files: Vec::new(), pack: None, shared };
        // Without the git program it works as well, only slower.
        let is_packed = objects.len() >= pack::OBJECTS_MIN && quarantine.write_pack(repo, objects).is_ok();
        if !is_packed {
            quarantine.write_loose(&objects_dir, objects, repo.gix().loose_compression())?;
        }
        Ok(quarantine)
    }

    fn write_pack(&mut self, repo: &Repository, objects: &[&Object]) -> Result<(), GitError> {
        let (level, hash) = (repo.gix().loose_compression(), repo.gix().object_hash());
        fs::create_dir(&self.place).map_err(GitError::io("make folder", &self.place))?;
        self.has_folder = true;
        let Pack { name, data, index } = pack::write(&self.place, objects, level, hash, repo.program())?;
        let folder = repo.objects_dir().join("pack");
        let place = |ending: &str| folder.join(format!("{name}.{ending}"));
        // The index last: without it git does not see the pack.
        for ((from, file), ending) in [(data, "pack"), (index, "idx")] {
            self.shared.apply_to(&file).map_err(GitError::io("set the permissions of", &from))?;
            self.files.push(Waiting { from, to: place(ending), file, is_in_place: false });
        }
        self.pack = Some(place("idx"));
        Ok(())
    }

    fn write_loose(&mut self, objects_dir: &Path, objects: &[&Object], level: Compression) -> Result<(), GitError> {
        let mut deflater = Deflater::new(level);
        for (id, kind, bytes) in objects {
            let hex = id.to_string();
            let mut from = self.place.clone().into_os_string();
            from.push(format!("_{hex}"));
            let (from, to) = (PathBuf::from(from), objects_dir.join(&hex[..2]).join(&hex[2..]));
            let file = write_loose(&from, *kind, bytes, &mut deflater)
                .and_then(|file| self.shared.apply_to(&file).map(|()| file))
                .map_err(GitError::io("write object", &from))?;
            self.files.push(Waiting { from, to, file, is_in_place: false });
        }
        Ok(())
    }

    /// The open files, to be synced before they are published.
    pub(super) fn files(&self) -> impl Iterator<Item = &File> {
        self.files.iter().map(|waiting| &waiting.file)
    }

    /// Renames every file in place; gives the folders whose names changed.
    ///
    /// An object that is there already is replaced by the same bytes: it may come from a git that did not sync it.
    pub(super) fn publish(
        mut self,
        objects_dir: &Path,
        durability: CommitDurability,
    ) -> Result<BTreeSet<PathBuf>, GitError> {
        let mut touched = BTreeSet::new();
        for Waiting { from, to, is_in_place, .. } in &mut self.files {
            if durability == CommitDurability::Off && fs::metadata(&*to).is_ok_and(|meta| meta.len() > 0) {
                continue;
            }
            let folder = to.parent().unwrap_or(objects_dir);
            if rename(from, folder, to, self.shared)? == Folder::Made {
                touched.insert(objects_dir.to_owned());
            }
            *is_in_place = true;
            touched.insert(folder.to_owned());
        }
        Ok(touched)
    }
}

impl Drop for Quarantine {
    fn drop(&mut self) {
        // What stays is swept by a later commit, or by git.
        for waiting in self.files.iter().filter(|waiting| !waiting.is_in_place) {
            let _ = fs::remove_file(&waiting.from);
        }
        if self.has_folder {
            let _ = fs::remove_dir_all(&self.place);
        }
    }
}

/// Removes what a dead process left: a folder, or a file beside the object folders.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}

#[derive(PartialEq, Eq)]
enum Folder {
    Made,
    Present,
}

/// Renames into an object folder. `git gc` removes folders that are empty, also one that was made this very moment.
fn rename(from: &Path, folder: &Path, to: &Path, shared: SharedMode) -> Result<Folder, GitError> {
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
                let like = folder.parent().map_or(Ok(()), |objects| mode::like_folder(objects, folder));
                let _ = like.and_then(|()| shared.apply(folder));
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(GitError::io("make folder", folder)(error)),
        }
    }
    let _ = shared.make_folders(folder);
    sabotage::widen(Sabotage::NoRetry);
    fs::rename(from, to).map_err(GitError::io("move an object to", to))?;
    Ok(Folder::Made)
}

fn write_loose(path: &Path, kind: Kind, bytes: &[u8], deflater: &mut Deflater) -> io::Result<File> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o444).open(path)?;
    let header = gix::objs::encode::loose_header(kind, bytes.len() as u64);
    file.write_all(&deflater.stream(&[&header, bytes])?)?;
    Ok(file)
}
