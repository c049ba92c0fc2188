//! Branches: where HEAD points, and moving a branch under its lock with git's own reflog. Never moves a branch that is not as it was read.

pub(super) mod broken;
pub(super) mod sync;

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use gix::ObjectId;
use gix::refs::{FullName, PartialNameRef};

use super::error::{GitError, shown};
use super::journal;
use super::mode::SharedMode;
use super::repository::{RefStorage, Repository};
use super::view::contents::parse;
use crate::core::name::{Revision, shell_word, visible};

/// Longest chain of symbolic branches that is followed, as in git.
const CHAIN_MAX: usize = 5;

/// What is read of the file of a reference; a longer one is left to the library.
const LOOSE_BYTES_MAX: usize = 512;

/// Where commits go.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Target {
    /// The branch that is checked out (or HEAD itself, if it is detached).
    #[default]
    Current,
    /// A branch of its own, by its short name; made without a parent if there is none. The index is left alone.
    Branch(String),
}

/// What a target points to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BranchHead {
    /// Its newest commit; `None` before the first one.
    pub revision: Option<Revision>,
    /// The short name of its branch; `None` if HEAD is detached.
    pub branch: Option<String>,
    /// Tells whether HEAD points to a commit instead of a branch.
    pub detached: bool,
}

/// A target resolved to the one reference that has to move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tip {
    /// The symbolic references that lead to it, `HEAD` first.
    pub(super) chain: Vec<String>,
    /// Its full name; `HEAD` if detached.
    pub(super) name: String,
    /// Its value; `None` before the first commit.
    pub(super) value: Option<ObjectId>,
}

/// One line of a reflog.
pub(super) struct LogLine {
    pub(super) old: ObjectId,
    pub(super) new: ObjectId,
    pub(super) message: String,
}

/// The branches of a repository: what they point to, making one, and those that are broken.
#[derive(Debug, Clone, Copy)]
pub struct GitReferences<'r> {
    pub(super) repo: &'r Repository,
}

impl GitReferences<'_> {
    /// The tip of a target as it was read last for the [`PinnedView`](super::PinnedView) that there is, else as it is now.
    /// It is to be compared under the locks.
    pub(super) fn tip_read(self, target: &Target) -> Result<Tip, GitError> {
        let last = self.repo.last_tip.borrow().clone();
        let is_of_view = |refresh: u64| self.repo.pinned_refresh() == Some(refresh);
        match last.filter(|(refresh, of, _)| is_of_view(*refresh) && of == target) {
            Some((.., tip)) => Ok(tip),
            None => self.tip(target),
        }
    }

    pub(super) fn tip(self, target: &Target) -> Result<Tip, GitError> {
        let tip = self.resolve(target)?;
        self.repo.note_tip(target, &tip);
        Ok(tip)
    }

    fn resolve(self, target: &Target) -> Result<Tip, GitError> {
        let start = match target {
            Target::Current => "HEAD".to_owned(),
            Target::Branch(name) => full_name(name)?,
        };
        let mut tip = Tip { chain: Vec::new(), name: start, value: None };
        while tip.chain.len() <= CHAIN_MAX {
            match self.look_up(&tip.name)? {
                None => return Ok(tip),
                Some(Value::Object(id)) => return Ok(Tip { value: Some(id), ..tip }),
                Some(Value::Symbolic(next)) => {
                    let passed = std::mem::replace(&mut tip.name, next);
                    tip.chain.push(passed);
                }
            }
        }
        let what = format!("`{}` is a chain of branches without an end", visible(&tip.name));
        let hint = match target {
            Target::Current => "run `git switch BRANCH`".to_owned(),
            Target::Branch(_) => format!("remove it with `git symbolic-ref --delete {}`", shell_word(&tip.name)),
        };
        Err(GitError::refused(what, hint))
    }

    pub(super) fn look_up(self, name: &str) -> Result<Option<Value>, GitError> {
        if self.repo.refs == RefStorage::Reftable {
            return self.look_up_by_program(name);
        }
        let what = format!("read the branch `{}`", visible(name));
        let partial: &PartialNameRef = name.try_into().map_err(GitError::object(what.as_str()))?;
        if let Some(value) = self.read_loose(name) {
            return Ok(Some(value));
        }
        let repo = self.repo.gix();
        let found = repo.refs.try_find(partial).map_err(|error| match self.broken_reference(name) {
            Some(broken) => broken.error(),
            None => GitError::object(what)(error),
        })?;
        Ok(found.filter(|found| found.name.as_bstr() == name).map(|found| match found.target {
            gix::refs::Target::Object(id) => Value::Object(id),
            gix::refs::Target::Symbolic(next) => Value::Symbolic(next.as_bstr().to_string()),
        }))
    }

    /// The value of a reference that has a file of its own of the usual form; every other one is left to the library.
    fn read_loose(self, name: &str) -> Option<Value> {
        let mut bytes = [0; LOOSE_BYTES_MAX];
        let text = std::str::from_utf8(journal::read_short(&self.ref_file(name), &mut bytes)?).ok()?;
        let text = text.strip_suffix('\n')?;
        if let Some(next) = text.strip_prefix("ref: ") {
            return FullName::try_from(next).ok().map(|_| Value::Symbolic(next.to_owned()));
        }
        let id = ObjectId::from_hex(text.as_bytes()).ok()?;
        (id.kind() == self.repo.gix().object_hash()).then_some(Value::Object(id))
    }

    fn look_up_by_program(self, name: &str) -> Result<Option<Value>, GitError> {
        let symbolic = self.repo.program().run(&["symbolic-ref", "-q", "--no-recurse", name])?;
        if symbolic.code == Some(0) {
            return Ok(Some(Value::Symbolic(String::from_utf8_lossy(&symbolic.stdout).trim().to_owned())));
        }
        let answer = self.repo.program().run(&["rev-parse", "-q", "--verify", "--end-of-options", name])?;
        match answer.code {
            Some(0) => Ok(Some(Value::Object(parse(String::from_utf8_lossy(&answer.stdout).trim())?))),
            _ => Ok(None),
        }
    }

    /// The file of a reference, loose or to be.
    pub(super) fn ref_file(self, name: &str) -> PathBuf {
        let is_own = !name.starts_with("refs/")
            || ["refs/bisect/", "refs/worktree/", "refs/rewritten/"].iter().any(|prefix| name.starts_with(prefix));
        if is_own { self.repo.git_dir().join(name) } else { self.repo.common_dir().join(name) }
    }

    /// The file of the reflog of a reference.
    pub(super) fn log_file(self, name: &str) -> PathBuf {
        let file = self.ref_file(name);
        for base in [self.repo.git_dir(), self.repo.common_dir()] {
            if let Ok(rest) = file.strip_prefix(base) {
                return base.join("logs").join(rest);
            }
        }
        file
    }

    /// Refuses a reference whose reflog is reached through a symbolic link: git would append to what the link leads to.
    ///
    /// # Errors
    /// [`GitError::Refused`] with the link.
    pub(super) fn refuse_linked_log(self, name: &str) -> Result<(), GitError> {
        let file = self.log_file(name);
        let is_below = |path: &&Path| path.starts_with(self.repo.common_dir()) && *path != self.repo.common_dir();
        let is_link = |path: &&Path| fs::symlink_metadata(path).is_ok_and(|meta| meta.is_symlink());
        match file.ancestors().take_while(is_below).find(is_link) {
            None => Ok(()),
            Some(link) => {
                let what =
                    format!("the reflogs at `{}` are a symbolic link, which is not written through", shown(link));
                Err(GitError::refused(what, "put a folder or file of the repository in the place of the link"))
            }
        }
    }

    /// Opens the reflogs of the branch and of what leads to it that `core.logAllRefUpdates` asks for, to be appended to.
    pub(super) fn open_reflogs(self, tip: &Tip) -> Result<Reflogs, GitError> {
        let mut logs = Vec::new();
        for name in tip.chain.iter().chain([&tip.name]) {
            let path = self.log_file(name);
            if self.keeps_log(name, &path) {
                let file =
                    open_to_append(&path, self.repo.shared_mode()).map_err(GitError::io("open the reflog", &path))?;
                logs.push((path, file));
            }
        }
        Ok(Reflogs(logs))
    }

    fn keeps_log(self, name: &str, file: &Path) -> bool {
        let setting = self.repo.gix().config_snapshot().string("core.logAllRefUpdates").map(|text| text.to_string());
        let is_usual = name == "HEAD"
            || ["refs/heads/", "refs/remotes/", "refs/notes/"].iter().any(|prefix| name.starts_with(prefix));
        match setting.as_deref() {
            Some(text) if text.eq_ignore_ascii_case("always") => true,
            Some(_) if self.repo.switch("core.logAllRefUpdates") == Some(false) => file.is_file(),
            _ => is_usual || file.is_file(),
        }
    }

    /// Refuses a name for a dedicated branch that git does not allow, or that is checked out in a worktree.
    ///
    /// # Errors
    /// [`GitError::Refused`] if it cannot be one.
    pub fn check_branch_name(self, name: &str) -> Result<(), GitError> {
        self.check_branch(&self.tip(&Target::Branch(name.to_owned()))?)
    }

    /// Makes a branch at a revision, durably; false if there is one by now.
    ///
    /// # Errors
    /// [`GitError`] for a name that cannot be one, or if git cannot be asked.
    pub fn make_branch(self, name: &str, at: &Revision, log: &str) -> Result<bool, GitError> {
        let tip = self.tip(&Target::Branch(name.to_owned()))?;
        self.check_branch(&tip)?;
        let absent = "0".repeat(at.as_str().len());
        let program = self.repo.program().with("core.fsync=all").with("core.fsyncMethod=fsync");
        let made = program.ask(&["update-ref", "-m", log, &tip.name, at.as_str(), &absent]);
        match made {
            Err(error) if self.look_up(&tip.name)?.is_none() => Err(error),
            made => Ok(made.is_ok()),
        }
    }

    /// Refuses a branch of its own that cannot be one: checked out somewhere, or in the way of another branch.
    pub(super) fn check_branch(self, tip: &Tip) -> Result<(), GitError> {
        let short = visible(tip.name.strip_prefix("refs/heads/").unwrap_or(&tip.name));
        if let Some(place) = self.checked_out_at(&tip.name)? {
            return Err(GitError::refused(
                format!("the branch `{short}` of commit.branch is checked out in `{}`", shown(&place)),
                "check out another branch there, or choose another name for commit.branch",
            ));
        }
        if tip.value.is_none() && self.repo.refs == RefStorage::Files {
            self.check_free(&tip.name, &short)?;
        }
        Ok(())
    }

    fn check_free(self, name: &str, short: &str) -> Result<(), GitError> {
        let taken = |other: &str| {
            GitError::refused(
                format!("the branch `{short}` cannot be made beside `{}`", visible(other)),
                "choose another name, as with `mycelium config set commit.branch coordination`",
            )
        };
        let mut parent = name;
        while let Some((shorter, _)) = parent.rsplit_once('/') {
            parent = shorter;
            if parent.len() > "refs/heads".len() && self.look_up(parent)?.is_some() {
                return Err(taken(parent));
            }
        }
        let failed = || GitError::object("list the branches");
        let repo = self.repo.gix();
        let platform = repo.references().map_err(failed())?;
        let below = format!("{name}/");
        let mut all = platform.all().map_err(failed())?.flatten();
        match all.find(|found| found.name().as_bstr().starts_with(below.as_bytes())) {
            Some(found) => Err(taken(&found.name().as_bstr().to_string())),
            None => Ok(()),
        }
    }

    /// The work tree in which a branch is checked out or being rebased, if any.
    fn checked_out_at(self, name: &str) -> Result<Option<PathBuf>, GitError> {
        if self.repo.refs == RefStorage::Reftable {
            let place = self.repo.program().ask(&["for-each-ref", "--format=%(worktreepath)", name])?;
            let place = String::from_utf8_lossy(&place).trim().to_owned();
            let is_unborn_here = self.tip(&Target::Current)?.name == name;
            return Ok((!place.is_empty())
                .then(|| place.into())
                .or_else(|| is_unborn_here.then(|| self.repo.work_tree().into())));
        }
        let mut dirs = vec![self.repo.common_dir().to_owned()];
        let linked = journal::list(&self.repo.common_dir().join("worktrees"));
        dirs.extend(linked.into_iter().flatten().flatten().map(|entry| entry.path()));
        Ok(dirs.into_iter().find(|dir| {
            let says =
                |file: &str, text: &str| fs::read_to_string(dir.join(file)).is_ok_and(|found| found.trim() == text);
            says("HEAD", &format!("ref: {name}"))
                || says("rebase-merge/head-name", name)
                || says("rebase-apply/head-name", name)
        }))
    }
}

pub(super) enum Value {
    Object(ObjectId),
    Symbolic(String),
}

pub(super) fn full_name(short: &str) -> Result<String, GitError> {
    let name = format!("refs/heads/{short}");
    match FullName::try_from(name.as_str()) {
        Ok(_) if !short.starts_with('-') && short != "HEAD" => Ok(name),
        _ => Err(GitError::refused(
            format!("`{}` is not a name for a branch", visible(short)),
            "run `git branch -m NAME` to rename it, or change commit.branch",
        )),
    }
}

/// The reflogs of one move of a branch, open.
#[derive(Default)]
pub(super) struct Reflogs(Vec<(PathBuf, fs::File)>);

impl Reflogs {
    /// Appends the same lines to each.
    pub(super) fn append(&self, who: &str, lines: &[LogLine]) -> Result<(), GitError> {
        let mut text = String::new();
        for line in lines {
            let message = line.message.replace(['\n', '\r'], " ");
            let _ = writeln!(text, "{} {} {who}\t{message}", line.old, line.new);
        }
        for (path, mut file) in self.0.iter().map(|(path, file)| (path, file)) {
            file.write_all(text.as_bytes()).map_err(GitError::io("append to the reflog", path))?;
        }
        Ok(())
    }

    /// The open files.
    pub(super) fn files(&self) -> Vec<&fs::File> {
        self.0.iter().map(|(_, file)| file).collect()
    }
}

/// Opens a file to add to its end, and makes it and the folders above it. A link in its place is not followed: it could lead
/// anywhere.
pub(super) fn open_to_append(file: &Path, shared: SharedMode) -> io::Result<fs::File> {
    let no_follow = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).map_err(io::Error::other)?;
    let open = || fs::OpenOptions::new().append(true).create(true).custom_flags(no_follow).open(file);
    let log = match open() {
        Ok(log) => log,
        Err(error) => {
            if error.kind() == io::ErrorKind::IsADirectory {
                fs::remove_dir(file)?;
            }
            shared.make_folders(file.parent().unwrap_or(file))?;
            open()?
        }
    };
    if log.metadata()?.len() == 0 {
        shared.apply_to(&log)?;
    }
    Ok(log)
}
