//! Conflicts that git left in the index, staging what was resolved, and settings of this clone. Changes the entries of the paths it is given, no others; runs no filter.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use gix::bstr::ByteSlice;
use gix::index::entry::{Mode, Stage};

use super::busy::Operation;
use super::contents::content_id;
use super::durable;
use super::error::{GitError, shown};
use super::index;
use super::journal;
use super::lock::{self, Lock, Refusal};
use super::mode;
use super::repository::Repository;
use crate::core::name::{ContentId, DocPath, Revision};

/// How often a change of the configuration is tried while others change it, and how long to wait for their lock.
const CONFIG_TRIES: u32 = 40;
const CONFIG_NAP: Duration = Duration::from_millis(50);

/// The switches and words for one path on a command line of git, at most: a line has room for very many.
const PATHS_MAX: usize = 500;

/// The settings of a filter.
const FILTER_KEYS: [&str; 4] = ["clean", "smudge", "process", "required"];

/// What the index has of a document in conflict.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unmerged {
    /// What both sides came from.
    pub base: Option<ContentId>,
    /// What the side has that was checked out.
    pub ours: Option<ContentId>,
    /// What the other has.
    pub theirs: Option<ContentId>,
    /// A side has it as something else than a file.
    pub is_strange: bool,
    /// It may be executed.
    pub is_executable: bool,
}

impl Repository {
    /// The operation of several steps that is under way in this work tree, if any.
    #[must_use]
    pub fn under_way(&self) -> Option<Operation> {
        self.operation()
    }

    /// The revisions that a merge which stands still brings in; none if there is no such merge.
    #[must_use]
    pub fn merge_heads(&self) -> Vec<Revision> {
        let text = fs::read_to_string(self.git_dir().join("MERGE_HEAD")).unwrap_or_default();
        text.lines().filter_map(|line| Revision::new(line.trim())).collect()
    }

    /// The branch that a rebase under way moves: HEAD names none then.
    pub fn rebased_branch(&self) -> Option<String> {
        let read = |folder: &str| fs::read_to_string(self.git_dir().join(folder).join("head-name")).ok();
        let name = ["rebase-merge", "rebase-apply"].into_iter().find_map(read)?;
        name.trim().strip_prefix("refs/heads/").map(str::to_owned)
    }

    /// The documents below a folder that the index has in conflict.
    ///
    /// # Errors
    /// [`GitError::Object`] if the index cannot be read.
    pub fn conflicts(&self, folder: &str) -> Result<BTreeMap<DocPath, Unmerged>, GitError> {
        let hash = self.gix().object_hash();
        let index = index::open(&self.index_path(), hash).map_err(GitError::object("read the index"))?;
        let prefix = format!("{folder}/");
        let mut found: BTreeMap<DocPath, Unmerged> = BTreeMap::new();
        for entry in index.entries() {
            let path = entry.path(&index).to_str().ok().and_then(|path| path.strip_prefix(&prefix));
            let Some(path) = path.and_then(|path| DocPath::new(path).ok()) else { continue };
            let id = content_id(entry.id);
            let slot = match entry.stage() {
                Stage::Unconflicted => continue,
                Stage::Base => &mut found.entry(path).or_default().base,
                Stage::Ours | Stage::Theirs => {
                    let one = found.entry(path).or_default();
                    one.is_strange |= !matches!(entry.mode, Mode::FILE | Mode::FILE_EXECUTABLE);
                    one.is_executable |= entry.mode == Mode::FILE_EXECUTABLE;
                    if entry.stage() == Stage::Ours { &mut one.ours } else { &mut one.theirs }
                }
            };
            *slot = Some(id);
        }
        Ok(found)
    }

    /// Tells whether git may leave our version of a path in conflict as it is, without markers: it is not merged by lines, or
    /// by a program that may have failed. Ours writes markers, whatever happens.
    ///
    /// # Errors
    /// [`GitError::Program`] if git cannot tell the attributes.
    pub fn may_leave_ours(&self, path: &str) -> Result<bool, GitError> {
        let answer = self.program().ask(&["check-attr", "-z", "merge", "--", path])?;
        let value = answer.split(|byte| *byte == 0).nth(2).unwrap_or_default();
        let repo = self.gix();
        let config = repo.config_snapshot();
        let name = match value {
            b"unspecified" => config.string("merge.default").map_or_else(Vec::new, |name| name.to_vec()),
            b"set" => Vec::new(),
            b"unset" => return Ok(true),
            name => name.to_vec(),
        };
        let driver = config.plumbing().string_by("merge", Some(name.as_bstr()), "driver");
        let is_foreign = |driver: &[u8]| !driver.contains_str(" merge-driver %O ");
        Ok(name == b"binary" || driver.is_some_and(|driver| is_foreign(&driver)))
    }

    /// How many files the index has in conflict, wherever they lie.
    ///
    /// # Errors
    /// [`GitError::Object`] if the index cannot be read.
    pub fn conflict_count(&self) -> Result<usize, GitError> {
        let hash = self.gix().object_hash();
        let index = index::open(&self.index_path(), hash).map_err(GitError::object("read the index"))?;
        let in_conflict = index.entries().iter().filter(|entry| entry.stage() != Stage::Unconflicted);
        let mut paths: Vec<_> = in_conflict.map(|entry| entry.path(&index)).collect();
        paths.dedup();
        Ok(paths.len())
    }

    /// Stores bytes as a blob, as they are, so that they can be read again with `git cat-file`.
    ///
    /// # Errors
    /// [`GitError::Object`] if it cannot be written.
    pub fn keep(&self, bytes: &[u8]) -> Result<ContentId, GitError> {
        self.refresh()?;
        let repo = self.gix();
        let id = repo.write_blob(bytes).map_err(GitError::object("keep what is replaced"))?.detach();
        self.share_object(id).map_err(GitError::object("keep what is replaced"))?;
        Ok(content_id(id))
    }

    /// Stages these paths of the repository with these bytes, or as removed, and ends their conflicts. Every other entry of the
    /// index stays as it is.
    ///
    /// # Errors
    /// [`GitError`] if an object or the index cannot be written.
    pub fn stage(&self, paths: &[(String, Option<&[u8]>, bool)]) -> Result<(), GitError> {
        self.refresh()?;
        self.refuse_linked_index()?;
        // Git reads what may have changed within one tick of the clock of the index, through a filter where one is named.
        let filters = self.own_drivers("filter", &FILTER_KEYS)?;
        let keys: Vec<String> =
            filters.iter().flat_map(|name| FILTER_KEYS.map(|key| format!("filter.{name}.{key}"))).collect();
        for part in paths.chunks(PATHS_MAX) {
            let mut added = Vec::new();
            for (path, bytes, is_executable) in part {
                let Some(bytes) = bytes else { continue };
                let stored = self.convert(path, bytes)?;
                let id = self.keep(stored.as_deref().unwrap_or(bytes))?;
                let mode = if *is_executable { "100755" } else { "100644" };
                added.push(format!("{mode},{id},{path}"));
            }
            let mut words = vec!["update-index"];
            for entry in &added {
                words.extend(["--add", "--cacheinfo", entry]);
            }
            let removed: Vec<&str> =
                part.iter().filter(|(_, bytes, _)| bytes.is_none()).map(|(path, ..)| path.as_str()).collect();
            if !removed.is_empty() {
                words.extend(["--force-remove", "--"]);
                words.extend(removed);
            }
            self.program().with_empty(&keys).ask(&words)?;
        }
        // An entry that does not know its file stops `git merge --abort`. To know it git reads the file; without a filter of
        // the repository, which is never started, it would take for unchanged what is not.
        if filters.is_empty() {
            self.program().run(&["update-index", "-q", "--refresh"])?;
        }
        Ok(())
    }

    /// Refuses an index that is a symbolic link: git would write what the link leads to.
    ///
    /// # Errors
    /// [`GitError::Refused`].
    pub(super) fn refuse_linked_index(&self) -> Result<(), GitError> {
        let path = self.index_path();
        if !fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_symlink()) {
            return Ok(());
        }
        let what = format!("the index at `{}` is a symbolic link, which is not written through", shown(&path));
        // `git reset` would make an index too, and forget the merge that is under way.
        let path = shown(&path);
        Err(GitError::refused(
            what,
            format!("put the file itself there: `cp '{path}' '{path}.new'`, `mv '{path}.new' '{path}'`"),
        ))
    }

    /// Sets a key in the configuration of this clone that nobody else sees, unless it is set there; tells whether it was not.
    ///
    /// # Errors
    /// [`GitError::Program`] if git cannot write it.
    pub fn set_own(&self, key: &str, value: &str) -> Result<bool, GitError> {
        if self.program().run(&["config", "--local", "--get-all", key])?.code == Some(0) {
            return Ok(false);
        }
        self.write_config(key, value)?;
        Ok(true)
    }

    /// Writes a key into the configuration of this clone. Git changes that file without syncing it, and a power cut would leave
    /// it empty: so git changes a copy, and the copy takes the place of the file, under git's own lock, once it is on the disk.
    fn write_config(&self, key: &str, value: &str) -> Result<(), GitError> {
        let named = self.common_dir().join("config");
        let path = fs::canonicalize(&named).map_err(GitError::io("find", &named))?;
        // Swept if this process dies.
        let at = journal::Project::new(&self.run_dir(), self.shared_mode())?;
        self.swap_config(&path, &at.file("draft"), key, value)?;
        durable::sync_folders(path.parent())
    }

    fn swap_config(&self, path: &Path, draft: &Path, key: &str, value: &str) -> Result<(), GitError> {
        let mut held = None;
        for _ in 0..CONFIG_TRIES {
            let before = fs::read(path).map_err(GitError::io("read", path))?;
            fs::write(draft, &before).map_err(GitError::io("write", draft))?;
            let name = draft.to_string_lossy();
            self.program().ask(&["config", "--file", &name, key, value])?;
            let file = fs::File::open(draft).map_err(GitError::io("open", draft))?;
            mode::like_file(path, &file).map_err(GitError::io("set the permissions of", draft))?;
            durable::sync_files(&[&file]).map_err(GitError::io("sync", draft))?;
            let lock = match Lock::take(draft, path, self.shared_mode()) {
                Ok(lock) => lock,
                Err(Refusal::Failed(error)) => return Err(error),
                Err(Refusal::Held(lock)) => {
                    held = Some(lock);
                    std::thread::sleep(CONFIG_NAP);
                    continue;
                }
            };
            held = None;
            // Under the lock: it is as it was read, or it all starts again.
            if fs::read(path).map_err(GitError::io("read", path))? == before {
                return lock.publish();
            }
        }
        let held = held.and_then(|lock| lock::describe(&lock, self.work_tree()));
        Err(held.map_or_else(
            || GitError::refused(format!("`{}` changes all the time", shown(path)), "try again in a moment"),
            |held| GitError::refused(held.to_string(), held.hint()),
        ))
    }
}
