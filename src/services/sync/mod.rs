//! A sync: commit, fetch, merge documents, push, and again where others were faster. Touches other files only as a fast-forward or a merge that was asked for does.

mod behind;
mod claim;
mod error;
mod report;
mod take;

use std::io::IsTerminal;
use std::path::Path;
use std::time::Duration;

use super::index::DocumentReader;
use super::{Actor, Backends, Error, Operations, Waiting, environment};
use crate::adapters::git::{FetchOutcome, Pushed, Remote, RemoteFailure, Repository, Target};
use crate::core::config::Config;
use crate::core::engine::{Force, Held};
use crate::core::name::Revision;

pub use error::{SyncError, way_around};
pub use report::{DroppedCommits, LostClaim, SyncOptions, SyncReport, Unpushed};

/// How often it is tried while others push first.
const TRIES_MAX: u32 = 30;
/// Shortest and longest wait between two tries, in milliseconds; each is drawn at random from half of it to all of it.
const WAIT_MIN_MS: u64 = 30;
const WAIT_MAX_MS: u64 = 2_000;
/// Most files that are named in an error.
const PATHS_MAX: usize = 5;

/// Exchanges the branch of the documents with a remote.
#[derive(Debug, Clone, Copy)]
pub struct BranchSync<'a> {
    pub(super) operations: Operations<'a>,
    pub(super) bridge: Backends<'a>,
    pub(super) config: &'a Config,
    pub(super) actor: &'a Actor,
    pub(super) root: &'a Path,
}

impl<'a> BranchSync<'a> {
    /// Exchanges the branch of the documents with a remote: what is not committed is committed, what is there comes here and
    /// is merged, what is here goes there.
    ///
    /// # Errors
    /// [`Error::Service`] if there is no remote, it cannot be reached, or other files are in the way; others if the folder or the
    /// repository fails. Nothing that was written is lost, and the same call can be made again.
    pub fn run(&self, options: &SyncOptions) -> Result<SyncReport, Error> {
        let exchange = self.exchange(options)?;
        exchange.documents.store.local.make()?;
        let mut report = exchange.report();
        exchange.until_done(&mut |exchange| {
            let theirs = exchange.fetch()?;
            Ok(exchange.take(theirs.as_ref(), &mut report)? && exchange.push(theirs.as_ref(), &mut report)?)
        })?;
        if let Some(agent) = &self.actor.agent {
            report.find_lost(agent);
        }
        report.tip = self.operations.records.head()?.and_then(|head| head.revision);
        Ok(report)
    }

    /// Finds the remote and the branch to exchange.
    fn exchange(&self, options: &'a SyncOptions) -> Result<Exchange<'a>, Error> {
        let documents = self.operations.documents;
        let repository = documents.repository.ok_or_else(|| Error::OutsideGit(self.root.to_owned()))?;
        let target = documents.target.clone();
        let branch = match &target {
            Target::Branch(name) => name.clone(),
            Target::Current => repository.view().head(&target)?.branch.ok_or(SyncError::Detached)?,
        };
        let remote = repository.remotes().remote(&branch, options.remote.as_deref())?.ok_or(SyncError::NoRemote)?;
        Ok(Exchange { sync: *self, documents, repository, remote, target, branch, options })
    }
}

/// Two sides of one branch.
struct Exchange<'a> {
    sync: BranchSync<'a>,
    documents: DocumentReader<'a>,
    repository: &'a Repository,
    remote: Remote,
    target: Target,
    branch: String,
    options: &'a SyncOptions,
}

impl Exchange<'_> {
    fn report(&self) -> SyncReport {
        SyncReport { remote: self.remote.name.clone(), branch: self.branch.clone(), ..SyncReport::default() }
    }

    /// The other side as people know it, `origin/main`.
    fn other(&self) -> String {
        format!("{}/{}", self.remote.name, self.branch)
    }

    /// Does a round again, with a pause that grows, until it says that it is done.
    fn until_done(&self, round: &mut dyn FnMut(&Self) -> Result<bool, Error>) -> Result<u32, Error> {
        let mut wait = WAIT_MIN_MS;
        for tries in 1..=TRIES_MAX {
            if round(self)? {
                return Ok(tries);
            }
            std::thread::sleep(Duration::from_millis(wait / 2 + environment::random()? % (wait / 2)));
            wait = (wait * 2).min(WAIT_MAX_MS);
        }
        Err(SyncError::Raced { tries: TRIES_MAX }.into())
    }

    /// Commits what can be; gives what is held back.
    fn commit(&self, report: &mut SyncReport) -> Result<Vec<Held>, Error> {
        let all = self.sync.operations.commits.commit_all(Force::No)?;
        report.findings.extend(all.done.findings);
        report.committed.extend(all.done.revisions);
        match all.done.waiting {
            None | Some(Waiting::Ignored(_) | Waiting::HeldBack(_)) => Ok(all.held),
            Some(waiting) => Err(SyncError::NotCommitted(waiting).into()),
        }
    }

    fn fetch(&self) -> Result<Option<Revision>, Error> {
        let _work = self.documents.progress.begin("fetching", 0);
        match self.repository.remotes().fetch(&self.remote, &self.branch, self.limit())? {
            FetchOutcome::At(revision) => {
                if self.options.dropped == DroppedCommits::Refuse {
                    self.refuse_dropped(revision.as_ref())?;
                }
                Ok(revision)
            }
            FetchOutcome::Failed(failure) => Err(self.failed(failure)),
        }
    }

    /// Refuses to bring back what the remote's branch has dropped: it was rewritten, renamed or removed there, and what it had
    /// is here still.
    fn refuse_dropped(&self, theirs: Option<&Revision>) -> Result<(), Error> {
        let (remote, branch) = (self.remote.name.clone(), self.branch.clone());
        let Some(theirs) = theirs else {
            let was_there = self.repository.remotes().tracked(&self.remote, &self.branch)?.is_some();
            return if was_there { Err(SyncError::BranchGone { remote, branch }.into()) } else { Ok(()) };
        };
        let Some(ours) = self.repository.view().head(&self.target)?.revision else { return Ok(()) };
        match self.repository.log().dropped(&self.remote, &self.branch, theirs, &ours)? {
            0 => Ok(()),
            commits => Err(SyncError::Rewritten { remote, branch, commits }.into()),
        }
    }

    /// Longest wait for the server. Where a person sits at a terminal there is none: git or ssh may ask them something, which
    /// they could not in a process group of its own, and Ctrl-C ends the wait.
    fn limit(&self) -> Option<Duration> {
        let is_attended = std::io::stdin().is_terminal() || std::io::stderr().is_terminal();
        (!is_attended).then(|| Duration::from_secs(self.sync.config.number("sync.timeout_seconds")))
    }

    fn failed(&self, failure: RemoteFailure) -> Error {
        SyncError::Remote { remote: self.remote.name.clone(), failure }.into()
    }

    /// What waits to be pushed: how many commits, and the files beside the documents that would go along.
    fn ahead(&self, theirs: Option<&Revision>) -> Result<Option<(Revision, usize, Vec<String>)>, Error> {
        let tip = self.repository.view().head(&self.target)?.revision;
        let Some(tip) = tip.filter(|tip| Some(tip) != theirs) else { return Ok(None) };
        let (commits, mut paths) =
            self.repository.log().ahead(theirs, &tip, Some(&self.remote), self.documents.folder())?;
        if self.target != Target::Current || self.options.with_code {
            paths.clear();
        }
        Ok((commits > 0).then_some((tip, commits, paths)))
    }

    /// Pushes what waits; false if somebody else was faster.
    fn push(&self, theirs: Option<&Revision>, report: &mut SyncReport) -> Result<bool, Error> {
        report.unpushed = None;
        let Some((tip, commits, paths)) = self.ahead(theirs)? else { return Ok(true) };
        if self.options.no_push {
            report.unpushed = Some(Unpushed::Asked { commits });
            return Ok(true);
        }
        if !paths.is_empty() {
            report.unpushed = Some(Unpushed::Code { commits, paths });
            return Ok(true);
        }
        // Behind the push the remote has all of it.
        let went = self.repository.log().came(theirs, &tip, Some(&self.remote), self.documents.folder())?;
        let _work = self.documents.progress.begin("pushing", 0);
        match self.repository.remotes().push(&self.remote, &tip, &self.branch, self.limit())? {
            Pushed::Accepted => {
                report.went = commits;
                report.went_documents = went;
                Ok(true)
            }
            Pushed::Raced => Ok(false),
            Pushed::Refused { why } => {
                report.unpushed = Some(Unpushed::Refused { why });
                Ok(true)
            }
            Pushed::Failed(failure) => Err(self.failed(failure)),
        }
    }
}

/// The first of some files, for an error.
fn some(mut paths: Vec<String>) -> Vec<String> {
    let left_out = paths.len().saturating_sub(PATHS_MAX);
    paths.truncate(PATHS_MAX);
    let mut paths: Vec<String> = paths.iter().map(|path| crate::core::name::visible(path)).collect();
    if left_out > 0 {
        paths.push(format!("and {left_out} more"));
    }
    paths
}
