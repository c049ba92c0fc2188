//! Syncing files and folders, several at once. Never holds a lock.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, mpsc};

use super::error::GitError;
use super::sabotage::{self, Sabotage};

/// How much of a commit is on disk when it is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// Every object, the branch and the index are synced one by one: an acknowledged commit survives a power cut.
    #[default]
    Full,
    /// One sync of the whole file system before the branch moves, and one of the branch's folder: cheaper for big
    /// batches; the same promise on file systems that keep the order of their metadata (ext4, XFS).
    Batch,
    /// Nothing is synced: a commit survives a crash of the process, not of the machine.
    Off,
}

/// More threads than this gain little: the file system groups what waits at the same time.
const THREADS_MAX: usize = 4;

/// Something else that has to be on the disk before a branch moves.
pub type Beside<'a> = dyn Fn() -> io::Result<()> + Sync + 'a;

/// Syncs files; several at the same time, so that the file system can group them.
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
    let (answers, results) = mpsc::channel();
    let crew = if sabotage::on(Sabotage::OneByOne) { None } else { CREW.get_or_init(Crew::muster).as_ref() };
    // Whoever calls does a share, too: something else, if there is any, else the first file.
    let (own, others) = files.split_at(usize::from(beside.is_none() || crew.is_none()).min(files.len()));
    let mut given = 0;
    let mut left = own.to_vec();
    for file in others {
        match crew.and_then(|crew| crew.give(file, &answers)) {
            Some(()) => given += 1,
            // Where there is no thread to be had, it takes longer.
            None => left.push(file),
        }
    }
    drop(answers);
    let done = beside.map_or(Ok(()), |beside| beside());
    let done = left.into_iter().fold(done, |done, file| done.and(file.sync_all()));
    (0..given).fold(done, |done, _| {
        let answer = results.recv().unwrap_or_else(|_| Err(io::Error::other("a thread that synced files panicked")));
        done.and(answer)
    })
}

/// A file to be synced, and where to say how that went.
type Job = (File, mpsc::Sender<io::Result<()>>);

/// Threads that sync files. They start with the first files and stay, for a commit waits for the disk three times.
struct Crew(mpsc::Sender<Job>);

static CREW: OnceLock<Option<Crew>> = OnceLock::new();

impl Crew {
    /// `None` where not one thread is to be had.
    fn muster() -> Option<Self> {
        let (jobs, queue) = mpsc::channel::<Job>();
        let queue = Arc::new(Mutex::new(queue));
        let start = |_| {
            let queue = Arc::clone(&queue);
            std::thread::Builder::new().name("sync".to_owned()).spawn(move || work(&queue)).ok()
        };
        let started = (1..THREADS_MAX).filter_map(start).count();
        (started > 0).then_some(Self(jobs))
    }

    fn give(&self, file: &File, answers: &mpsc::Sender<io::Result<()>>) -> Option<()> {
        // Under a number of its own, the file may outlive the caller's.
        self.0.send((file.try_clone().ok()?, answers.clone())).ok()
    }
}

fn work(queue: &Mutex<mpsc::Receiver<Job>>) {
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((file, answer)) = job else { return };
        // Who asked may have gone.
        let _ = answer.send(file.sync_all());
    }
}

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
    fn one_sync_that_fails_in_any_thread_is_told() {
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
