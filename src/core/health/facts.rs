//! What is looked at, as plain data; whoever looks fills it in.

use crate::core::diagnostic::Diagnostic;
use crate::core::time::Timestamp;

/// Something that failed, in words.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fault {
    /// What and why: a lower-case fragment.
    pub message: String,
    /// What to do next, if anybody knows.
    pub hint: Option<String>,
}

/// Everything that is known.
#[derive(Debug, Clone)]
pub struct Facts {
    /// What `git --version` printed, or why it did not.
    pub program: Result<String, String>,
    /// Where we are, or why nothing there can be used.
    pub place: Result<ProjectRoot, Fault>,
    /// What is there; `None` if it could not be opened.
    pub inside: Option<Inside>,
    /// The kernel's limits of file events, where it has some.
    pub limits: Option<Limits>,
    /// The moment by the system's clock.
    pub now: Timestamp,
}

/// Where we are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectRoot {
    /// The work tree, or a plain directory.
    pub root: String,
    /// Tells whether there is a repository.
    pub in_git: bool,
    /// Tells whether there is something called `.git`.
    pub has_git_dir: bool,
}

/// What is known of an open project.
#[derive(Debug, Clone)]
pub struct Inside {
    /// The coordination folder, below the root.
    pub folder: String,
    /// The branch of its own that documents are committed to.
    pub own_branch: Option<String>,
    /// What is wrong with the settings.
    pub settings: Vec<Diagnostic>,
    /// `markdown.durability` says that nothing is forced to the disk.
    pub undurable: bool,
    /// What the folder stands on.
    pub ground: Result<Ground, Fault>,
    /// What `check` says.
    pub documents: Result<Documents, Fault>,
    /// How the folder stands to its history.
    pub standing: Result<Standing, Fault>,
    /// Directories from which file events come, or why they do not.
    pub events: Result<usize, Fault>,
    /// The servers that documents are mirrored to.
    pub bridges: Vec<BridgeFacts>,
    /// The repository, if there is one.
    pub git: Option<GitFacts>,
}

/// What is known of the server that documents are mirrored to.
#[derive(Debug, Clone)]
pub enum BridgeFacts {
    /// One that only the repository names.
    Untrusted {
        /// Its address, without a password.
        address: String,
    },
    /// The settings make no sense.
    Broken(Fault),
    /// One is installed here, and the user has not agreed to use it.
    Found {
        /// Its program and its file.
        address: String,
        /// What to do.
        hint: String,
    },
    /// One is wanted.
    Wanted {
        /// Its address, without a password.
        address: String,
        /// What it said, or why it did not.
        reached: Result<Reached, Fault>,
        /// Why nothing is mirrored for now.
        paused: Option<String>,
        /// The process that keeps following.
        follower: Option<u32>,
        /// Documents that differ from the server, or wait to go there.
        behind: u64,
        /// Documents that are held back.
        held: usize,
        /// Keys there that cannot be used.
        garbage: usize,
        /// When everything was compared last.
        last_pass: Option<Timestamp>,
    },
}

/// What a server said of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// Its name and version.
    pub name: String,
    /// How long it took to connect, in milliseconds.
    pub latency_ms: u64,
    /// What only a server of the Redis family says.
    pub redis: Option<RedisFacts>,
}

/// What a server of the Redis family said of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisFacts {
    /// It takes no writes.
    pub is_replica: bool,
    /// It tells which keys change.
    pub tracks: bool,
    /// What the user may not do there.
    pub lacks: Vec<String>,
    /// `maxmemory-policy`, if it may be known.
    pub eviction: Option<String>,
}

/// How many documents there are, and what is wrong with them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Documents {
    /// How many.
    pub count: usize,
    /// Findings that are errors, by code.
    pub errors: Vec<(&'static str, usize)>,
    /// Findings that are warnings, by code.
    pub warnings: Vec<(&'static str, usize)>,
}

/// How the folder stands to its history.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// Documents that are not committed.
    pub uncommitted: usize,
    /// Those of them that are held back.
    pub held: usize,
    /// What a commit would have to wait for.
    pub waiting: Option<Fault>,
    /// The watcher that is alive: its process, and since when.
    pub watcher: Option<(Option<u32>, Option<Timestamp>)>,
}

/// Whether the folder is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It is.
    There,
    /// The first write makes it.
    Missing,
}

/// What the folder stands on: rights, disk, file system, run state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ground {
    /// Whether the folder is there.
    pub folder: Presence,
    /// Why documents cannot be written, if so.
    pub unwritable: Option<String>,
    /// The file system, where it is known.
    pub file_system: Option<FileSystem>,
    /// The run state lies on another file system than the folder.
    pub apart: bool,
    /// Whether two files can be exchanged in one step, as far as it was tried.
    pub exchange: Option<bool>,
    /// Whether a file can have two names, as far as it was tried.
    pub links: Option<bool>,
    /// Why nothing can be written to the run state, if so.
    pub run_unwritable: Option<String>,
    /// The folder of local state.
    pub state: String,
    /// How far the clock of the file system is ahead of the system's, in milliseconds.
    pub skew_ms: Option<i64>,
    /// Bytes that are free.
    pub free_bytes: Option<u64>,
    /// Files that can still be made, where the file system counts them.
    pub free_files: Option<u64>,
    /// Temporary files of ours that the next write sweeps.
    pub temporary: usize,
    /// Texts of people that were saved too late and are kept.
    pub recovered: Vec<String>,
}

/// A file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSystem {
    /// Its type, `ext4`.
    pub kind: String,
    /// Tells whether other machines can change it unseen.
    pub remote: bool,
}

/// Limits of file events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Directories that one user may watch.
    pub watches: u64,
    /// Programs of one user that may watch.
    pub instances: u64,
}

/// What is known of the repository.
#[derive(Debug, Clone, Default)]
pub struct GitFacts {
    /// HEAD: the branch, whether it is detached, the newest commit; or why it cannot be read.
    pub head: Option<(Option<String>, Option<String>)>,
    /// Why HEAD cannot be read, or no commit can go to the branch of `commit.branch`, if so.
    pub head_fault: Option<Fault>,
    /// Parts of the repository that cannot be read.
    pub faults: Vec<Fault>,
    /// References that are broken: what is wrong, and the way out.
    pub broken: Vec<Fault>,
    /// An operation of several steps that is under way.
    pub operation: Option<Fault>,
    /// Locks that somebody holds.
    pub locks: Vec<LockFact>,
    /// Leftovers of commits of ours that were killed.
    pub leftovers: usize,
    /// Documents with an unresolved merge.
    pub unmerged: usize,
    /// Why nobody can be put down as committer, if so.
    pub identity: Option<Fault>,
    /// Hooks that would run with `commit.hooks`.
    pub hooks: Vec<&'static str>,
    /// Whether they run.
    pub hooks_run: bool,
    /// Git ignores the folder.
    pub ignored: Option<String>,
    /// Documents that only git can store: how many, and what one says of itself.
    pub left_to_git: Option<(usize, Fault)>,
    /// The line that keeps the folder out of the user's own commits is there.
    pub excluded: bool,
    /// When the newest commit was made.
    pub committed_at: Option<Timestamp>,
    /// Remotes whose address holds a password.
    pub secret_remotes: Vec<String>,
    /// Documents that the checked-out commit tracks, although they go to a dedicated branch.
    pub still_tracked: usize,
}

/// A lock file of git.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockFact {
    /// Which, how long, by whom: a fragment.
    pub message: String,
    /// What to do.
    pub hint: String,
    /// Seconds since it was made.
    pub age_s: u64,
    /// Tells whether a process was seen that holds it.
    pub alive: bool,
}
