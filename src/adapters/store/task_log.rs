//! The logs of commands that work on tasks: what one printed, in a file of bounded size that keeps the beginning and the end.
//!
//! While a command runs, its log is locked. What is beyond the beginning goes to two segments beside the log, of which the older
//! one is replaced again and again; when the command has ended they are appended to the log, behind a line that says how much is
//! missing. So neither memory nor disk grows with what is printed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::error::StoreError;
use super::lock::is_held;
use super::plain::{read_bytes, unless_missing, write_below};
use super::{LocalState, share};
use crate::core::name::DocId;

/// Bytes of the beginning of what a command prints that are kept.
pub const TASK_LOG_HEAD_BYTES: u64 = 4 << 20;
/// Bytes of each of the two segments of the end: at least one segment is kept.
pub const TASK_LOG_SEGMENT_BYTES: u64 = 2 << 20;
/// Bytes that the logs of all tasks may take together before the oldest are removed.
pub const TASK_LOGS_BYTES_MAX: u64 = 1 << 30;

/// The folder of logs, in the local state that all worktrees share.
const FOLDER: &str = "logs";
/// The folder of results that commands write.
const RESULTS_FOLDER: &str = "results";
/// The end of the names of logs.
const SUFFIX: &str = ".log";

/// The name of a log: the task and the attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskLogName {
    /// The task.
    pub task: DocId,
    /// The attempt, from 1.
    pub attempt: u64,
}

impl TaskLogName {
    fn file_name(&self) -> String {
        format!("{}-{}{SUFFIX}", self.task, self.attempt)
    }
}

/// The logs of tasks, and the files for their results, in the local state that all worktrees share.
#[derive(Debug, Clone)]
pub struct TaskLogFolder {
    shared: Arc<Path>,
}

/// The log of a command that runs.
#[derive(Debug)]
pub struct TaskLog {
    path: PathBuf,
    file: File,
    head_left: u64,
    end: Option<LogEnd>,
}

/// The end of a log, in two segments.
#[derive(Debug)]
struct LogEnd {
    file: File,
    bytes: u64,
    /// The file before this one is kept.
    has_older: bool,
    dropped: u64,
}

/// The file into which a command may write its result.
#[derive(Debug)]
pub struct ResultFile(PathBuf);

/// Reads a log, also while it grows.
#[derive(Debug)]
pub struct TaskLogReader {
    path: PathBuf,
    file: File,
    has_read_end: bool,
}

impl LocalState {
    /// Returns the logs of tasks.
    #[must_use]
    pub fn task_logs(&self) -> TaskLogFolder {
        TaskLogFolder { shared: Arc::clone(&self.shared) }
    }
}

impl TaskLogFolder {
    /// Opens the log of a command that is about to start. A log of the same attempt goes on; it is begun again if it is full.
    ///
    /// # Errors
    /// [`StoreError::Io`] if it cannot be written.
    pub fn open(&self, name: &TaskLogName) -> Result<TaskLog, StoreError> {
        let path = self.path(name);
        TaskLog::open(&path).map_err(|source| StoreError::in_state("open", &self.shared, &path, source))
    }

    /// Opens a log for reading; `None` if there is none.
    ///
    /// # Errors
    /// [`StoreError::Io`] if it cannot be read.
    pub fn read(&self, name: &TaskLogName) -> Result<Option<TaskLogReader>, StoreError> {
        let path = self.path(name);
        let opened = unless_missing(File::open(&path)).map_err(|source| StoreError::io("open", &path, source))?;
        Ok(opened.map(|file| TaskLogReader { path, file, has_read_end: false }))
    }

    /// Returns the file for the result of a command under one fencing token; it is not there.
    ///
    /// # Errors
    /// [`StoreError::Io`] if it cannot be removed, or its folder not be made.
    pub fn new_result_file(&self, task: &DocId, fence: u64) -> Result<ResultFile, StoreError> {
        let folder = self.shared.join(RESULTS_FOLDER);
        let path = folder.join(format!("{task}-{fence}.json"));
        let make = || share::make_folders(&folder).and_then(|()| unless_missing(fs::remove_file(&path)).map(drop));
        make().map_err(|source| StoreError::in_state("write", &self.shared, &path, source))?;
        Ok(ResultFile(path))
    }

    /// Returns where a log lies.
    #[must_use]
    pub fn path(&self, name: &TaskLogName) -> PathBuf {
        self.shared.join(FOLDER).join(name.file_name())
    }

    /// Lists the attempts of a task that have a log, in rising order.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the folder of logs cannot be listed.
    pub fn attempts(&self, task: &DocId) -> Result<Vec<u64>, StoreError> {
        let files = self.files()?;
        let attempt = |path: &Path| {
            let name = path.file_name()?.to_str()?.strip_suffix(SUFFIX)?;
            name.strip_prefix(task.as_str())?.strip_prefix('-')?.parse().ok()
        };
        let mut attempts: Vec<u64> = files.iter().filter_map(|(path, ..)| attempt(path)).collect();
        attempts.sort_unstable();
        Ok(attempts)
    }

    /// Removes the oldest logs until all together take at most so many bytes. Logs of running commands stay.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the folder of logs cannot be listed, or a log not be removed.
    pub fn prune(&self, bytes_max: u64) -> Result<(), StoreError> {
        let mut files = self.files()?;
        files.sort_by_key(|(_, _, saved)| *saved);
        let mut total: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
        for (path, bytes, _) in files {
            if total <= bytes_max {
                break;
            }
            if !is_held(&path)? {
                let removed = unless_missing(fs::remove_file(&path));
                removed.map_err(|source| StoreError::in_state("remove", &self.shared, &path, source))?;
                total = total.saturating_sub(bytes);
            }
        }
        Ok(())
    }

    fn files(&self) -> Result<Vec<(PathBuf, u64, SystemTime)>, StoreError> {
        let folder = self.shared.join(FOLDER);
        let list = || -> io::Result<Vec<_>> {
            let Some(entries) = unless_missing(fs::read_dir(&folder))? else { return Ok(Vec::new()) };
            let files = entries.flatten().filter_map(|entry| {
                let meta = entry.metadata().ok().filter(fs::Metadata::is_file)?;
                let saved = meta.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                let is_log = entry.file_name().to_str().is_some_and(|name| name.ends_with(SUFFIX));
                is_log.then(|| (entry.path(), meta.len(), saved))
            });
            Ok(files.collect())
        };
        list().map_err(|source| StoreError::io("list", &folder, source))
    }
}

impl ResultFile {
    /// Returns where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Removes what was written.
    ///
    /// # Errors
    /// If it cannot be removed.
    pub fn clear(&self) -> io::Result<()> {
        unless_missing(fs::remove_file(&self.0)).map(drop)
    }

    /// Reads what was written; `None` if nothing was.
    ///
    /// # Errors
    /// If it is larger than `bytes_max`, no regular file, or cannot be read.
    pub fn read(&self, bytes_max: usize) -> io::Result<Option<Vec<u8>>> {
        match unless_missing(fs::symlink_metadata(&self.0))? {
            Some(meta) if !meta.is_file() => Err(io::Error::other("it is no regular file")),
            Some(_) => read_bytes(&self.0, bytes_max),
            None => Ok(None),
        }
    }
}

impl Drop for ResultFile {
    fn drop(&mut self) {
        // What stays is removed before the next command of the same task.
        let _ = fs::remove_file(&self.0);
    }
}

impl TaskLog {
    fn open(path: &Path) -> io::Result<Self> {
        let folder = path.parent().unwrap_or(path);
        let no_follow = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).map_err(io::Error::other)?;
        let open = || share::open_or_make(OpenOptions::new().append(true).custom_flags(no_follow), path);
        let mut file = write_below(folder, open)?;
        lock(&file);
        append_segments(path, &mut file, None)?;
        let bytes = file.metadata()?.len();
        if bytes > TASK_LOG_HEAD_BYTES {
            file.set_len(0)?;
            writeln!(file, "[mycelium: an earlier run of this attempt printed {bytes} bytes, which are gone]")?;
        }
        let head_left = TASK_LOG_HEAD_BYTES.saturating_sub(if bytes > TASK_LOG_HEAD_BYTES { 0 } else { bytes });
        Ok(Self { path: path.to_owned(), file, head_left, end: None })
    }

    /// Returns true if nothing is in it yet.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.head_left == TASK_LOG_HEAD_BYTES
    }

    /// Appends what the command printed.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let head = usize::try_from(self.head_left).unwrap_or(usize::MAX).min(bytes.len());
        let (head, rest) = bytes.split_at(head);
        self.file.write_all(head)?;
        self.head_left -= head.len() as u64;
        if rest.is_empty() { Ok(()) } else { self.append_end(rest) }
    }

    fn append_end(&mut self, bytes: &[u8]) -> io::Result<()> {
        let end = match &mut self.end {
            Some(end) => end,
            none => none.insert(LogEnd { file: segment(&self.path, NEWER)?, bytes: 0, has_older: false, dropped: 0 }),
        };
        if end.bytes >= TASK_LOG_SEGMENT_BYTES {
            let older = beside(&self.path, OLDER);
            let lost = if end.has_older { fs::metadata(&older)?.len() } else { 0 };
            fs::rename(beside(&self.path, NEWER), &older)?;
            let dropped = end.dropped + lost;
            *end = LogEnd { file: segment(&self.path, NEWER)?, bytes: 0, has_older: true, dropped };
        }
        end.file.write_all(bytes)?;
        end.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Ends the log and returns how many bytes are missing in it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn finish(mut self) -> io::Result<u64> {
        let dropped = self.end.as_ref().map_or(0, |end| end.dropped);
        append_segments(&self.path, &mut self.file, Some(dropped))?;
        Ok(dropped)
    }
}

/// Locks the log of a running command. Readers hold it for microseconds; where a worker that lost the task still ends its command,
/// both append.
fn lock(file: &File) {
    for _ in 0..50 {
        if file.try_lock().is_ok() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
}

const OLDER: &str = "1";
const NEWER: &str = "2";

fn beside(log: &Path, segment: &str) -> PathBuf {
    let mut name = log.as_os_str().to_owned();
    name.push(format!(".{segment}"));
    PathBuf::from(name)
}

fn segment(log: &Path, name: &str) -> io::Result<File> {
    let path = beside(log, name);
    unless_missing(fs::remove_file(&path))?;
    let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
    share::open_up(&path);
    Ok(file)
}

/// What stands between the beginning and the end of a log. Of a command that was killed with its worker nobody counted.
fn gap(dropped: Option<u64>) -> String {
    let what = dropped.map_or_else(|| "some output".to_owned(), |bytes| format!("{bytes} bytes of output"));
    format!("\n[mycelium: {what} dropped here]\n")
}

/// Appends the segments of the end to a log and removes them.
fn append_segments(log: &Path, file: &mut File, dropped: Option<u64>) -> io::Result<()> {
    let segments = [OLDER, NEWER].map(|name| beside(log, name));
    if !segments.iter().any(|path| path.exists()) {
        return Ok(());
    }
    if dropped != Some(0) {
        file.write_all(gap(dropped).as_bytes())?;
    }
    for path in segments {
        if let Some(mut segment) = unless_missing(File::open(&path))? {
            io::copy(&mut segment, file)?;
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

impl TaskLogReader {
    /// Reads on; nothing if there is nothing more yet.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; 64 << 10];
        let read = self.file.read(&mut bytes)?;
        bytes.truncate(read);
        Ok(bytes)
    }

    /// Skips what is there now, but for the last bytes.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn skip_to_last(&mut self, bytes: u64) -> io::Result<()> {
        let length = self.file.metadata()?.len();
        self.file.seek(SeekFrom::Start(length.saturating_sub(bytes))).map(drop)
    }

    /// Returns true while the command runs.
    ///
    /// # Errors
    /// [`StoreError::Io`] if that cannot be seen.
    pub fn is_live(&self) -> Result<bool, StoreError> {
        is_held(&self.path)
    }

    /// Returns true if the command prints more than the beginning that is kept; the end follows when it has ended.
    #[must_use]
    pub fn is_full(&self) -> bool {
        beside(&self.path, NEWER).exists()
    }

    /// Reads the end that the worker of a command could not append any more, since it was killed.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read_lost_end(&mut self) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        if std::mem::replace(&mut self.has_read_end, true) {
            return Ok(all);
        }
        for path in [OLDER, NEWER].map(|name| beside(&self.path, name)) {
            if let Some(segment) = unless_missing(File::open(&path))? {
                if all.is_empty() {
                    all.extend(gap(None).as_bytes());
                }
                segment.take(2 * TASK_LOG_SEGMENT_BYTES).read_to_end(&mut all)?;
            }
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("logs/task-1-1.log");
        (folder, path)
    }

    #[test]
    fn a_short_log_is_kept_whole_and_goes_on() {
        let (_folder, path) = folder();
        for text in ["one\n", "two\n"] {
            let mut log = TaskLog::open(&path).expect("opened");
            log.append(text.as_bytes()).expect("written");
            assert_eq!(log.finish().expect("finished"), 0);
        }
        assert_eq!(fs::read_to_string(&path).expect("read"), "one\ntwo\n");
    }

    #[test]
    fn a_flood_keeps_its_beginning_and_its_end_in_bounded_space() {
        let (folder, path) = folder();
        let mut log = TaskLog::open(&path).expect("opened");
        log.append(b"the beginning").expect("written");
        let chunk = vec![b'x'; 64 << 10];
        let chunks = 400;
        let bound = TASK_LOG_HEAD_BYTES + 2 * TASK_LOG_SEGMENT_BYTES + 2 * chunk.len() as u64;
        for _ in 0..chunks {
            log.append(&chunk).expect("written");
            let files = fs::read_dir(folder.path().join("logs")).expect("listed");
            let bytes: u64 = files.map(|file| file.expect("listed").metadata().expect("there").len()).sum();
            assert!(bytes <= bound, "{bytes}");
        }
        log.append(b"the end").expect("written");
        let dropped = log.finish().expect("finished");
        let text = fs::read(&path).expect("read");
        let printed = "the beginning".len() + chunks * chunk.len() + "the end".len();
        let line = format!("\n[mycelium: {dropped} bytes of output dropped here]\n");
        assert!(dropped > 0);
        assert_eq!(text.len() + usize::try_from(dropped).expect("small"), printed + line.len());
        assert!(text.starts_with(b"the beginningxxx") && text.ends_with(b"xxxthe end"));
        assert!(String::from_utf8_lossy(&text).contains(&line));
        assert_eq!(fs::read_dir(folder.path().join("logs")).expect("listed").count(), 1);
        // The next run of the attempt does not add to a full log.
        let log = TaskLog::open(&path).expect("opened");
        assert_eq!(log.finish().expect("finished"), 0);
        assert!(fs::metadata(&path).expect("there").len() < 200);
    }

    #[test]
    fn what_a_killed_worker_left_is_read_and_appended_later() {
        let (_folder, path) = folder();
        let mut log = TaskLog::open(&path).expect("opened");
        log.head_left = 4;
        log.append(b"headtail").expect("written");
        drop(log);
        let mut reader =
            TaskLogReader { path: path.clone(), file: File::open(&path).expect("opened"), has_read_end: false };
        assert!(!reader.is_live().expect("seen"));
        assert_eq!(reader.read().expect("read"), b"head");
        let end = String::from_utf8(reader.read_lost_end().expect("read")).expect("text");
        assert_eq!(end, "\n[mycelium: some output dropped here]\ntail");
        assert!(reader.read_lost_end().expect("read").is_empty());
        drop(TaskLog::open(&path).expect("opened"));
        assert!(fs::read_to_string(&path).expect("read").ends_with("dropped here]\ntail"));
    }
}
