//! The repository: what HEAD holds, and the durable committer. Never runs a filter, a hook (unless the user opted in) or any other program that a repository names.
//!
//! One commit goes like this ([`GitCommitter::commit`]):
//!
//! 1. Blobs, trees and commits are built in memory (`build`), written into a quarantine beside the object folders, synced,
//!    renamed in place and their folders synced (`quarantine`). Many of them go into one pack (`pack`). Nothing is locked
//!    so far.
//! 2. The next index (`index`) and the next value of the branch are written to files in run state and synced, together
//!    with a journal (`journal`) that names the inodes of both.
//! 3. Those files are linked to `index.lock` and `<ref>.lock` (`lock`): the link fails if the lock is taken, and since its
//!    inode was journaled before, `committer::recover` can tell our lock from anybody else's and never removes one that is not ours.
//! 4. Under the locks only (`committer::swap`): check that index, HEAD and branch are as they were read, and that no git is at work in
//!    the worktree that has read them before (`view::processes`); reflog, rename of the index, rename of the branch.
//!
//! A crash at any point is finished or swept by the next commit.
//!
//! Hooks are not run, also not the user's: a commit of coordination documents must not wait for a test suite. Whoever wants
//! `pre-commit` and `post-commit` says so in their own configuration (`committer::hooks`). Signing is honoured (`committer::signing`).
#![allow(clippy::disallowed_methods, reason = "the shell around the repository: files, locks, clock and git children")]

mod attributes;
mod build;
mod committer;
mod deflate;
mod durable;
mod error;
mod identity;
mod ignore_rules;
mod index;
mod journal;
mod kept_commits;
mod lock;
mod log;
mod merge_commit;
mod mode;
mod pack;
mod pack_upkeep;
mod program;
mod quarantine;
mod references;
mod remote;
mod repository;
mod rule_file;
mod sabotage;
mod setup;
mod trust;
mod view;

pub use attributes::GitAttributes;
pub use attributes::view_gap::ViewGap;
pub use build::{Author, CommitPlan};
pub use committer::hooks::Hooks;
pub use committer::recover::RecoveredCommits;
pub use committer::{CommitTerms, GitCommitter};
pub use durable::{Beside, CommitDurability};
pub use error::{CommitError, GitError, Trouble};
pub use ignore_rules::IgnoreRules;
pub use ignore_rules::ignored_document::IgnoredDocument;
pub use index::clean::Indexed;
#[cfg(any(test, fuzzing))]
pub(crate) use index::fuzz_index;
pub use index::{GitIndex, IndexMark};
#[cfg(any(test, fuzzing))]
pub(crate) use journal::fuzz_journal;
pub use kept_commits::{KeptCommit, KeptCommits, PUT_BACK_REFS, ToKeep};
pub use lock::LockHolder;
pub use log::checkout::{CheckoutMark, CodeVersions};
pub use log::commit_range::{Came, OddChange};
pub use log::{Commit, GitLog};
pub use merge_commit::{CodeSide, CodeTree, MergeCommit, MergeCommitError, MergeCommitter};
pub use pack_upkeep::{Maintained, PackUpkeep};
pub use references::broken::BrokenReference;
pub use references::{BranchHead, GitReferences, Target};
pub use remote::failure::{FailureKind, RemoteFailure};
pub use remote::{FetchOutcome, GitRemote, Pushed, Remote};
pub use repository::{PinnedView, Repository};
pub use setup::{GitSetup, program_version};
pub use view::GitView;
pub use view::busy::{Busy, GitOperation};
pub use view::conflict::Unmerged;
pub use view::processes::GitProcess;
