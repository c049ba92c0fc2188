//! A claim among clones: the push is what decides. Whoever is too late is told who won, and the claim here is undone.

use std::collections::BTreeSet;

use super::{BranchSync, Exchange, SyncError, SyncOptions, SyncReport, some};
use crate::adapters::git::Pushed;
use crate::core::document::Document;
use crate::core::entity::{Task, TaskStatus, task};
use crate::core::lease::{LeaseRequest, LossReason, LostLease};
use crate::core::name::{AgentName, DocPath, Kind, Revision};
use crate::services::leases::task_of;
use crate::services::{Claimed, Error, Passing, Which};

impl<'a> BranchSync<'a> {
    /// Gives a task to an agent, and to nobody in any other clone: it is theirs when the remote has taken it.
    ///
    /// # Errors
    /// [`Error::ClaimLost`] if somebody else has it, here or there; [`Error::Service`] if the remote cannot be reached or does not
    /// take it. In each case the claim is undone here. Others as [`Operations::claim`](crate::services::Operations::claim) and [`BranchSync::run`].
    pub fn claim_pushed(
        &self,
        which: Which<'_>,
        ask: &LeaseRequest,
        options: &'a SyncOptions,
    ) -> Result<(Claimed, SyncReport), Error> {
        let exchange = self.exchange(options)?;
        let mut report = exchange.report();
        // What others have by now is known first.
        let mut theirs = None;
        exchange.until_done(&mut |exchange| {
            theirs = exchange.fetch()?;
            exchange.take(theirs.as_ref(), &mut report)
        })?;
        if let Some((_, _, paths)) = exchange.ahead(theirs.as_ref())?.filter(|(_, _, paths)| !paths.is_empty()) {
            return Err(SyncError::Code { paths: some(paths) }.into());
        }
        let claimed = self.operations.claim(self.actor, which, ask)?;
        let mut stake = Stake { exchange: &exchange, ask, claimed: &claimed, known: Vec::new() };
        let found = claimed.outcome.before.as_ref().and_then(|found| task_of(stake.path(), found));
        stake.known = [stake.there(theirs.as_ref())?, found].iter().flatten().map(said).collect();
        match exchange.until_done(&mut |_| stake.push(&mut report)) {
            Ok(_) => Ok((claimed, report)),
            Err(error) => {
                stake.undo()?;
                // What is left is brought together as far as it goes: the claim is lost either way.
                if let Ok(theirs) = exchange.repository.remotes().tracked(&exchange.remote, &exchange.branch) {
                    let _ = exchange.take(theirs.as_ref(), &mut report);
                }
                Err(stake.told(error))
            }
        }
    }
}

/// A claim that stands here and nowhere else yet.
struct Stake<'a> {
    exchange: &'a Exchange<'a>,
    ask: &'a LeaseRequest,
    claimed: &'a Claimed,
    /// What the remote, and the document here, said of the task when the claim was made.
    known: Vec<Said>,
}

/// What a version of a task says about who has it.
type Said = (TaskStatus, Option<AgentName>, u64);

fn said(task: &Task) -> Said {
    (task.status, task.claimed_by.clone(), task.fence.unwrap_or(0))
}

impl Stake<'_> {
    /// Pushes it; false if others were faster with something else.
    fn push(&self, report: &mut SyncReport) -> Result<bool, Error> {
        let exchange = self.exchange;
        exchange.commit(report)?;
        let theirs = exchange.repository.remotes().tracked(&exchange.remote, &exchange.branch)?;
        // Another process of this clone may have heard of it first.
        self.stands(theirs.as_ref())?;
        let Some((tip, commits, _)) = exchange.ahead(theirs.as_ref())? else { return Ok(true) };
        match exchange.repository.remotes().push(&exchange.remote, &tip, &exchange.branch, exchange.limit())? {
            Pushed::Accepted => {
                report.went = commits;
                return Ok(true);
            }
            Pushed::Raced => {}
            Pushed::Refused { why } => {
                return Err(SyncError::Refused { remote: exchange.remote.name.clone(), why }.into());
            }
            Pushed::Failed(failure) => return Err(exchange.failed(failure)),
        }
        let theirs = exchange.fetch()?;
        self.stands(theirs.as_ref())?;
        exchange.take(theirs.as_ref(), report)?;
        Ok(false)
    }

    /// Refuses a claim against which the remote says something that was not known when it was made: somebody else has the
    /// task, or it is finished. Which fence they have does not matter: their push was first.
    fn stands(&self, theirs: Option<&Revision>) -> Result<(), Error> {
        let Some(task) = self.there(theirs)?.filter(|task| !self.known.contains(&said(task))) else { return Ok(()) };
        let (status, by, fence) = said(&task);
        let why = match status {
            TaskStatus::Pending => return Ok(()),
            TaskStatus::Running if by.as_ref() == Some(&self.ask.by) => return Ok(()),
            TaskStatus::Running => LossReason::Held,
            TaskStatus::Completed => LossReason::Completed,
            TaskStatus::Failed => LossReason::Failed,
        };
        Err(Error::ClaimLost(Box::new(LostLease::new(task.id.to_string(), why, by, fence))))
    }

    /// The task as a revision has it.
    fn there(&self, at: Option<&Revision>) -> Result<Option<Task>, Error> {
        Ok(self.document(at)?.and_then(|document| task_of(self.path(), &document)))
    }

    fn path(&self) -> &DocPath {
        &self.claimed.outcome.path
    }

    fn document(&self, at: Option<&Revision>) -> Result<Option<Document>, Error> {
        let exchange = self.exchange;
        let paths = BTreeSet::from([self.path().clone()]);
        let contents = exchange.repository.view().contents_of(at, exchange.documents.folder(), &paths)?;
        Ok(contents.get(self.path()).map(|id| exchange.repository.view().read(id)).transpose()?.map(Document::parse))
    }

    /// Gives the task back as it was found, so that nothing of the claim is left to be merged.
    fn undo(&self) -> Result<(), Error> {
        if self.claimed.outcome.operation.is_none() {
            return Ok(());
        }
        let BranchSync { operations, actor, .. } = self.exchange.sync;
        let (found, left) = (&self.claimed.outcome.before, &self.claimed.outcome.document);
        let passing = Passing { fence: Some(self.claimed.fence), ..Passing::default() };
        let undone =
            operations.change(actor, Kind::Task, self.path().stem(), "release", &passing, &|document| match found {
                Some(found) if document == left => Ok(found.clone()),
                _ => task::release(document),
            });
        match undone {
            // Somebody else has it here too by now, or it is finished or gone: nothing of the claim stands.
            Ok(_) | Err(Error::ClaimLost(_) | Error::Gone { .. } | Error::Find(_) | Error::Refused { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The error with all that is known of who won.
    fn told(&self, error: Error) -> Error {
        let Error::ClaimLost(mut loss) = error else { return error };
        let exchange = self.exchange;
        let paths = [self.path().clone()];
        let newest = exchange.repository.log().history(&exchange.target, exchange.documents.folder(), &paths, 1);
        loss.since = loss.since.or_else(|| newest.ok()?.first().map(|commit| commit.at));
        Error::ClaimLost(loss)
    }
}
