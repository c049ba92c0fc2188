//! The repository: what HEAD holds, and the durable committer. Never runs a filter, a hook (unless the user opted in) or any other program that a repository names.
//!
//! One commit goes like this ([`Repository::commit`]):
//!
//! 1. Blobs, trees and commits are built in memory (`build`), written into a quarantine beside the object folders, synced,
//!    renamed in place and their folders synced (`quarantine`). Many of them go into one pack (`pack`). Nothing is locked
//!    so far.
//! 2. The next index (`index`) and the next value of the branch are written to files in run state and synced, together
//!    with a journal (`journal`) that names the inodes of both.
//! 3. Those files are linked to `index.lock` and `<ref>.lock` (`lock`): the link fails if the lock is taken, and since its
//!    inode was journaled before, `recover` can tell our lock from anybody else's and never removes one that is not ours.
//! 4. Under the locks only (`swap`): check that index, HEAD and branch are as they were read, and that no git is at work in
//!    the worktree that has read them before (`processes`); reflog, rename of the index, rename of the branch.
//!
//! A crash at any point is finished or swept by the next commit.
//!
//! Hooks are not run, also not the user's: a commit of coordination documents must not wait for a test suite. Whoever wants
//! `pre-commit` and `post-commit` says so in their own configuration (`hooks`). Signing is honoured (`signing`).
#![allow(clippy::disallowed_methods, reason = "the shell around the repository: files, locks, clock and git children")]

mod address;
mod broken;
mod build;
mod busy;
mod checkout;
mod clean;
mod commit;
mod condition;
mod conflict;
mod contents;
mod convert;
mod course;
mod deflate;
mod dropped;
mod durable;
mod error;
mod exclude;
mod hooks;
mod identity;
mod ignore;
mod ignore_rule;
mod index;
mod index_format;
mod journal;
mod lock;
mod log;
mod maintain;
mod mode;
mod neighbour;
mod network;
mod pack;
mod partial;
mod processes;
mod program;
mod put_back;
mod quarantine;
mod realign;
mod recover;
mod reference;
mod remote;
mod remote_failure;
mod repository;
mod rule_file;
mod sabotage;
mod signing;
mod swap;
mod sync_refs;
mod trust;
mod unite;
mod unmerged;
mod view_gap;

pub use broken::BrokenReference;
pub use build::{Author, CommitPlan};
pub use busy::{Busy, Operation};
pub use checkout::{CheckoutMark, CodeVersions};
pub use clean::Indexed;
pub use commit::CommitTerms;
pub use condition::program_version;
pub use conflict::Unmerged;
pub use course::{Came, OddChange};
pub use durable::{Beside, Durability};
pub use error::{CommitError, GitError, Trouble};
pub use hooks::Hooks;
pub use ignore_rule::IgnoredDocument;
pub use index::IndexMark;
#[cfg(any(test, fuzzing))]
pub(crate) use index::fuzz_index;
#[cfg(any(test, fuzzing))]
pub(crate) use journal::fuzz_journal;
pub use lock::Held;
pub use log::Commit;
pub use maintain::Maintained;
pub use processes::GitProcess;
pub use put_back::{KeptCommit, PUT_BACK_REFS, ToKeep};
pub use recover::Recovered;
pub use reference::{Head, Target};
pub use remote::{Fetched, Pushed, Remote};
pub use remote_failure::{FailureKind, RemoteFailure};
pub use repository::Repository;
pub use unite::{Code, Ground, Union, UniteError};
pub use view_gap::ViewGap;
