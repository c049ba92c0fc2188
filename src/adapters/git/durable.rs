//! Syncing files and folders, many together. Never holds a lock.

use std::fs::File;
use std::io;
use std::path::Path;

use super::error::GitError;
use super::sabotage::{self, Sabotage};

/// How much of a commit is on disk when it is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CommitDurability {
    /// Every object, the branch and the index are synced one by one: an acknowledged commit survives a power cut.
    #[default]
    Full,
    /// One sync of the whole file system before the branch moves, and one of the branch's folder: cheaper for big
    /// batches; the same promise on file systems that keep the order of their metadata (ext4, XFS).
    Batch,
    /// Nothing is synced: a commit survives a crash of the process, not of the machine.
    Off,
}

/// Something else that has to be on the disk before a branch moves.
pub type Beside<'a> = dyn Fn() -> io::Result<()> + 'a;

/// Syncs files, so that the file system can group them.
pub(super) fn sync_files(files: &[&File]) -> Result<(), io::Error> {
    if sabotage::on(Sabotage::NoSyncFiles) {
        return Ok(());
    }
    sync_all(files, None)
}

/// The same while something else waits for the disk too.
pub(super) fn sync_files_beside(files: &[&File], beside: Option<&Beside<'_>>) -> Result<(), io::Error> {
    if sabotage::on(Sabotage::NoSyncFiles) {
        return beside.map_or(Ok(()), |beside| beside());
    }
    sync_all(files, beside)
}

fn sync_all(files: &[&File], beside: Option<&Beside<'_>>) -> Result<(), io::Error> {
    if sabotage::on(Sabotage::NoFsync) {
        return beside.map_or(Ok(()), |beside| beside());
    }
    for file in files {
        begin_to_write(file);
    }
    beside.map_or(Ok(()), |beside| beside())?;
    files.iter().try_for_each(|file| file.sync_all())
}

/// Lets the file system begin to write a file out, without waiting. Once all have begun, the first sync takes most of what the
/// others would wait for: nine new files on ext4 take half as long, and less than with a thread for each.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn begin_to_write(file: &File) {
    // Linux writes out what is no longer needed at once (fadvise64 in mm/fadvise.c). Elsewhere, and where it fails, it is only slower.
    let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed);
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn begin_to_write(_: &File) {}

/// Syncs folders, so that the names in them are on disk.
pub(super) fn sync_folders<'a>(folders: impl IntoIterator<Item = &'a Path>) -> Result<(), GitError> {
    if sabotage::on(Sabotage::NoSyncFolders) {
        return Ok(());
    }
    let mut files = Vec::new();
    for folder in folders {
        files.push(File::open(folder).map_err(GitError::io("open folder", folder))?);
    }
    let files: Vec<&File> = files.iter().collect();
    sync_all(&files, None).map_err(GitError::io("sync a folder of", Path::new("the repository")))
}

/// Syncs the whole file system that a folder lies on.
pub(super) fn sync_file_system(folder: &Path) -> Result<(), GitError> {
    if sabotage::on(Sabotage::NoFsync) || sabotage::on(Sabotage::NoSyncFiles) {
        return Ok(());
    }
    let file = File::open(folder).map_err(GitError::io("open folder", folder))?;
    sync_whole(&file).map_err(GitError::io("sync the file system of", folder))
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn sync_whole(file: &File) -> io::Result<()> {
    Ok(rustix::io::retry_on_intr(|| rustix::fs::syncfs(file))?)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
#[expect(clippy::unnecessary_wraps, reason = "the other systems can fail")]
fn sync_whole(_: &File) -> io::Result<()> {
    rustix::fs::sync();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file that no disk confirms: a pipe cannot be synced.
    fn unsyncable() -> File {
        let (reader, _) = io::pipe().expect("a pipe");
        File::from(std::os::fd::OwnedFd::from(reader))
    }

    #[test]
    fn one_sync_that_fails_is_told() {
        let good = tempfile::tempfile().expect("a file");
        let bad = unsyncable();
        for at in 0..10 {
            let files: Vec<&File> = (0..10).map(|number| if number == at { &bad } else { &good }).collect();
            assert!(sync_files(&files).is_err(), "the sync of file {at} failed");
        }
        assert!(sync_files(&[&good; 10]).is_ok());
        assert!(sync_files_beside(&[&good], Some(&|| Err(io::Error::other("beside")))).is_err());
    }
}
