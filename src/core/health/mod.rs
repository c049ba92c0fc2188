//! Whether everything around the documents is well: facts in, one verdict a check out. Looks at nothing itself.

mod facts;
mod judge;
mod judge_bridge;
mod judge_git;
mod redact;

pub use facts::{
    BridgeFacts, Documents, Facts, Fault, FileSystem, GitFacts, Ground, Inside, Limits, LockFact, Presence,
    ProjectRoot, Reached, RedisFacts, Standing,
};
pub use judge::judge;
pub use redact::redact;

/// What came of one check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// Could not be looked at; something else says why.
    Skipped,
    /// Works, but wants a look.
    Warning,
    /// Does not work.
    Problem,
}

impl Verdict {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Skipped => "skipped",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }
}

/// What a check is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// The repository and the git program.
    Git,
    /// The folder and what is in it.
    Documents,
    /// Settings.
    Settings,
    /// Commits, and what hinders them.
    Commits,
    /// The watcher and file events.
    Watching,
    /// The server that documents are mirrored to.
    Bridge,
    /// Disk, file system and clock.
    Machine,
}

impl Group {
    /// Every group, in the order in which they are told.
    pub const ALL: [Self; 7] =
        [Self::Git, Self::Documents, Self::Settings, Self::Commits, Self::Watching, Self::Bridge, Self::Machine];

    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Git => "git",
            Self::Documents => "documents",
            Self::Settings => "settings",
            Self::Commits => "commits",
            Self::Watching => "watching",
            Self::Bridge => "bridge",
            Self::Machine => "machine",
        }
    }
}

/// One check with its verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What it belongs to.
    pub group: Group,
    /// Its stable name, `git-program`.
    pub name: &'static str,
    /// What came of it.
    pub verdict: Verdict,
    /// What was seen: a lower-case fragment without a full stop.
    pub message: String,
    /// What to do, in the imperative.
    pub fix: Option<String>,
}

impl Check {
    fn new(group: Group, name: &'static str, verdict: Verdict, message: impl Into<String>) -> Self {
        Self { group, name, verdict, message: message.into(), fix: None }
    }

    fn fix(self, fix: impl Into<String>) -> Self {
        Self { fix: Some(fix.into()), ..self }
    }

    fn maybe(self, fix: Option<&String>) -> Self {
        Self { fix: fix.cloned(), ..self }
    }
}
