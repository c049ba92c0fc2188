//! Why a sync could not be done, how a caller should take it, and what to do next. Wording only.

use crate::adapters::git::{FailureKind, MergeCommitError, RemoteFailure, ViewGap};
use crate::core::name::{DocPath, shell_word, visible};
use crate::core::problem::{ErrorClass, Problem};
use crate::services::error::ServiceError;
use crate::services::{Error, Waiting};

/// Says why a sync could not be done. What was committed and fetched before stays; nothing is lost.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// Nobody to exchange with.
    #[error("there is no remote to exchange with")]
    NoRemote,
    /// HEAD points to a commit, not to a branch.
    #[error("no branch is checked out: there is nothing to exchange")]
    Detached,
    /// The remote cannot be asked, now or as it is set up.
    #[error("`{}` {}: {}", visible(.remote), verdict(.failure.kind), .failure.why)]
    Remote {
        /// What it is called.
        remote: String,
        /// Why.
        failure: RemoteFailure,
    },
    /// What is here could not be committed first.
    #[error("what is here cannot be committed now: {0}")]
    NotCommitted(Waiting),
    /// A document that came was changed here, and that is not committed.
    #[error("`{path}` came in another version, and the one here is not committed{}", .why.as_ref().map(|why| format!(": {why}")).unwrap_or_default())]
    Uncommitted {
        /// Which.
        path: DocPath,
        /// Why it is held back, if it is known.
        why: Option<String>,
    },
    /// A path with the name of a document is something else on one side, or has another mode.
    #[error("{} changed the mode of `{path}`, or what sort of file it is; a sync takes only what is in documents", visible(.owner))]
    Odd {
        /// Which.
        path: String,
        /// Who has it so.
        owner: String,
        /// The branch of the documents, if it is one of their own.
        branch: Option<String>,
        /// The other side's branch.
        other: String,
    },
    /// A document that only git can store differs on the two sides.
    #[error("`{path}` is not the same here and on `{}`: {gap}", visible(.remote))]
    LeftToGit {
        /// The other side.
        remote: String,
        /// The document's path in the repository.
        path: String,
        /// Why only git can store it.
        gap: Box<ViewGap>,
        /// The branch of the documents, if it is one of their own.
        branch: Option<String>,
    },
    /// Both histories changed files beside the documents, and nobody asked for a merge of those.
    #[error("here and on `{}` other files than documents changed: {}", visible(.remote), .paths.join(", "))]
    BothChanged {
        /// The other side.
        remote: String,
        /// Some of the files.
        paths: Vec<String>,
    },
    /// The server refused the push, and a claim is nothing without it.
    #[error("`{}` does not take the push: {why}", visible(.remote))]
    Refused {
        /// What it is called.
        remote: String,
        /// Its reason.
        why: String,
    },
    /// A claim cannot be pushed, because commits of other files would go along.
    #[error("commits that are not pushed yet change other files than documents: {}", .paths.join(", "))]
    Code {
        /// Some of the files.
        paths: Vec<String>,
    },
    /// The remote's branch was rewritten, and does not have what it had.
    #[error("`{}/{}` was rewritten: it dropped {} that you have still", visible(.remote), visible(.branch), commit_count(*.commits))]
    Rewritten {
        /// The remote.
        remote: String,
        /// The branch.
        branch: String,
        /// How many commits it dropped that are here.
        commits: usize,
    },
    /// The remote's branch was there, and is not any more.
    #[error("`{}` has no branch `{}` any more: it was renamed or removed there", visible(.remote), visible(.branch))]
    BranchGone {
        /// The remote.
        remote: String,
        /// The branch.
        branch: String,
    },
    /// Others were faster each time.
    #[error("others pushed first, {tries} times in a row")]
    Raced {
        /// How often it was tried.
        tries: u32,
    },
    /// The files beside the documents need a merge that only a person, or git by itself, can make.
    #[error("{error}")]
    ByHand {
        /// Why.
        error: Box<MergeCommitError>,
        /// The branch of the documents, if it is one of their own.
        branch: Option<String>,
        /// The other side's branch.
        other: String,
    },
    /// The two histories could not be made one.
    #[error(transparent)]
    Unite(MergeCommitError),
}

impl Problem for SyncError {
    fn code(&self) -> &'static str {
        match self {
            Self::NoRemote => "no-remote",
            Self::Detached => "detached",
            Self::Remote { failure, .. } => match failure.kind {
                FailureKind::Unreachable | FailureKind::TooSlow | FailureKind::Here => "unreachable",
                FailureKind::Transport => "bad-transport",
                FailureKind::Access => "no-access",
                FailureKind::Missing => "no-repository",
            },
            Self::NotCommitted(_) | Self::Uncommitted { .. } => "not-committed",
            Self::LeftToGit { .. } => "left-to-git",
            Self::BothChanged { .. } | Self::Code { .. } => "other-files",
            Self::Unite(MergeCommitError::InTheWay { .. }) => "in-the-way",
            Self::Unite(_) => "commit",
            Self::ByHand { error, .. } => match **error {
                MergeCommitError::Clash { .. } => "other-files",
                MergeCommitError::Drivers { .. } => "foreign-program",
                _ => "commit",
            },
            Self::Odd { .. } => "odd-file",
            Self::Refused { .. } => "push-refused",
            Self::Rewritten { .. } | Self::BranchGone { .. } => "rewritten",
            Self::Raced { .. } => "raced",
        }
    }

    fn class(&self) -> ErrorClass {
        match self {
            Self::NoRemote | Self::Odd { .. } => ErrorClass::Problem,
            Self::ByHand { error, .. } if matches!(**error, MergeCommitError::TooOld) => ErrorClass::Problem,
            Self::Remote { failure, .. }
                if !matches!(failure.kind, FailureKind::Unreachable | FailureKind::TooSlow) =>
            {
                ErrorClass::Problem
            }
            Self::Remote { .. } | Self::Raced { .. } | Self::Unite(MergeCommitError::Moved) => ErrorClass::Busy,
            Self::NotCommitted(waiting) => match waiting {
                Waiting::OutsideGit
                | Waiting::Ignored(_)
                | Waiting::HeldBack(_)
                | Waiting::Off
                | Waiting::Remote(_)
                | Waiting::Failed { .. } => ErrorClass::Problem,
                Waiting::Watcher
                | Waiting::Committer
                | Waiting::Busy(_)
                | Waiting::Paused(_)
                | Waiting::Moving
                | Waiting::ReadOnly => ErrorClass::Busy,
            },
            Self::Unite(MergeCommitError::Commit(error)) => error.class(),
            Self::Detached
            | Self::Rewritten { .. }
            | Self::BranchGone { .. }
            | Self::Uncommitted { .. }
            | Self::LeftToGit { .. }
            | Self::BothChanged { .. }
            | Self::Refused { .. }
            | Self::Code { .. }
            | Self::ByHand { .. }
            | Self::Unite(_) => ErrorClass::Conflict,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoRemote => "run `git remote add origin URL`".to_owned(),
            Self::Detached => "run `git switch BRANCH`".to_owned(),
            Self::Remote { remote, failure } => remote_hint(&visible(remote), failure),
            Self::NotCommitted(waiting) => return waiting.hint(),
            Self::Uncommitted { .. } => "run `mycelium commit` to see why, then `mycelium sync` again".to_owned(),
            Self::Odd { branch, other, .. }
            | Self::ByHand { branch, other, .. }
            | Self::LeftToGit { branch, remote: other, .. } => merge_by_hand(branch.as_deref(), other),
            Self::BothChanged { remote, .. } => format!(
                "run `mycelium sync --merge` to have git merge those too, or `git merge {}` yourself first",
                visible(remote)
            ),
            Self::Refused { .. } => way_around(),
            Self::Code { .. } => "run `git push` first, or `mycelium sync --with-code`".to_owned(),
            Self::Rewritten { remote, branch, .. } => format!(
                "run `git rebase --fork-point {0}/{1}` to drop it here too, or `mycelium sync --keep-dropped` to merge it back",
                visible(remote),
                visible(branch)
            ),
            Self::BranchGone { branch, .. } => format!(
                "rename yours with `git branch -m {0} NEW`, or run `mycelium sync --keep-dropped` to make it there again",
                visible(branch)
            ),
            Self::Raced { .. } => "try again in a moment".to_owned(),
            Self::Unite(error) => match error {
                MergeCommitError::Moved => "try again in a moment".to_owned(),
                MergeCommitError::InTheWay { .. } => {
                    "run `git stash` or commit them, then `mycelium sync` again".to_owned()
                }
                MergeCommitError::Commit(error) => return error.hint(),
                MergeCommitError::Drivers { .. } | MergeCommitError::Clash { .. } | MergeCommitError::TooOld => {
                    return None;
                }
            },
        })
    }
}

/// How a person has git merge the other side's branch, which was fetched already. `git pull` would need an
/// upstream branch, and a setting for whether to merge or to rebase.
fn merge_by_hand(branch: Option<&str>, other: &str) -> String {
    let other = shell_word(other);
    match branch {
        None => format!("merge it yourself with `git merge {other}`, then run `mycelium sync` again"),
        Some(branch) => format!(
            "merge it yourself in a worktree: `git worktree add ../merge {0}`, `git -C ../merge merge {other}`, `git worktree \
             remove ../merge`; then run `mycelium sync` again",
            shell_word(branch)
        ),
    }
}

/// `1 commit`, `2 commits`.
fn commit_count(count: usize) -> String {
    if count == 1 { "1 commit".to_owned() } else { format!("{count} commits") }
}

fn verdict(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::Unreachable | FailureKind::Here => "cannot be reached",
        FailureKind::TooSlow => "is too slow",
        FailureKind::Transport => "has an address that git cannot use",
        FailureKind::Access => "does not let you in",
        FailureKind::Missing => "is not there",
    }
}

/// What to do about a remote, and which settings of the repository are not used to reach it.
fn remote_hint(remote: &str, failure: &RemoteFailure) -> String {
    let mut hint = match failure.kind {
        FailureKind::Unreachable | FailureKind::Here => {
            "go on working: nothing is lost; run `mycelium sync` again later".to_owned()
        }
        FailureKind::TooSlow => format!(
            "go on working: nothing is lost; run `mycelium sync` again later, `git fetch {remote}`, which waits for as long \
             as it takes, or `mycelium config set --user sync.timeout_seconds SECONDS` to wait longer"
        ),
        FailureKind::Transport => format!(
            "give it another address with `git remote set-url {remote} URL` (file, ssh, git, http or https; any other \
             transport only if your own configuration allows it: `git config --global protocol.NAME.allow always`)"
        ),
        FailureKind::Access => format!(
            "log in where a password can be asked for, with `git fetch {remote}` in a terminal; or set up an ssh key, or a \
             program that keeps passwords: `git config --global credential.helper NAME`"
        ),
        FailureKind::Missing => format!(
            "see `git remote get-url {remote}`: create the repository there, ask for access to it, or change the address with \
             `git remote set-url {remote} URL`"
        ),
    };
    if !failure.ignored.is_empty() {
        hint += ". The repository's own settings `";
        hint += &failure.ignored.join("`, `");
        hint += "` are not used: what you need of them, set yourself with `git config --global`";
    }
    hint
}

/// How changes get to a branch that takes no pushes.
#[must_use]
pub fn way_around() -> String {
    "push to a branch of your own and open a request (`git push origin HEAD:refs/heads/NAME`), or let the documents have a \
     branch of their own (`mycelium config set commit.branch coordination`)"
        .to_owned()
}

impl From<SyncError> for Error {
    fn from(error: SyncError) -> Self {
        Self::Service(ServiceError::new(error))
    }
}
