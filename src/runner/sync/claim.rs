//! A claim among clones: the push is what decides. Whoever is too late is told who won, and the claim here is undone.

use std::collections::BTreeSet;

use super::{Exchange, SyncError, SyncOptions, SyncReport, some};
use crate::claim::{Ask, Loss, Why};
use crate::document::Document;
use crate::entity::{Task, TaskStatus, task};
use crate::git::Pushed;
use crate::name::{DocPath, Kind, Revision};
use crate::runner::ledger::task_of;
use crate::runner::{Claimed, Error, Passing, Which, Workspace};

impl Workspace {
    /// Gives a task to an agent, and to nobody in any other clone: it is theirs when the remote has taken it.
    ///
    /// # Errors
    /// [`Error::ClaimLost`] if somebody else has it, here or there; [`Error::Sync`] if the remote cannot be reached or does not
    /// take it. In each case the claim is undone here. Others as [`Workspace::claim`] and [`Workspace::sync`].
    pub fn claim_pushed(
        &self,
        which: Which<'_>,
        ask: &Ask,
        options: &SyncOptions,
    ) -> Result<(Claimed, SyncReport), Error> {
        let exchange = self.exchange(options)?;
        let mut report = exchange.report();
        // What others have by now is known first.
        exchange.until_done(&mut |exchange| exchange.take(exchange.fetch()?.as_ref(), &mut report))?;
        let theirs = exchange.repository.tracked(&exchange.remote, &exchange.branch)?;
        if let Some((_, _, paths)) = exchange.ahead(theirs.as_ref())?.filter(|(_, _, paths)| !paths.is_empty()) {
            return Err(SyncError::Code { paths: some(paths) }.into());
        }
        let claimed = self.claim(which, ask)?;
        let stake = Stake { exchange: &exchange, ask, claimed: &claimed };
        match exchange.until_done(&mut |_| stake.push(&mut report)) {
            Ok(_) => Ok((claimed, report)),
            Err(error) => {
                stake.undo()?;
                // What is left is brought together as far as it goes: the claim is lost either way.
                if let Ok(theirs) = exchange.repository.tracked(&exchange.remote, &exchange.branch) {
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
    ask: &'a Ask,
    claimed: &'a Claimed,
}

impl Stake<'_> {
    /// Pushes it; false if others were faster with something else.
    fn push(&self, report: &mut SyncReport) -> Result<bool, Error> {
        let exchange = self.exchange;
        exchange.commit(report)?;
        let theirs = exchange.repository.tracked(&exchange.remote, &exchange.branch)?;
        let Some((tip, commits, _)) = exchange.ahead(theirs.as_ref())? else { return Ok(true) };
        match exchange.repository.push(&exchange.remote, &tip, &exchange.branch)? {
            Pushed::Accepted => {
                report.went = commits;
                return Ok(true);
            }
            Pushed::Raced => {}
            Pushed::Refused { why } => {
                return Err(SyncError::Refused { remote: exchange.remote.name.clone(), why }.into());
            }
            Pushed::Unreachable { why } => return Err(exchange.unreachable(why)),
        }
        let theirs = exchange.fetch()?;
        if let Some(loss) = self.there(theirs.as_ref())?.and_then(|task| self.loss(&task)) {
            return Err(Error::ClaimLost(Box::new(loss)));
        }
        exchange.take(theirs.as_ref(), report)?;
        Ok(false)
    }

    /// What the remote's version of the task says against this claim: somebody else has it by the same count of holders, or
    /// it is finished.
    fn loss(&self, task: &Task) -> Option<Loss> {
        let (by, fence) = (task.claimed_by.clone(), task.fence.unwrap_or(0));
        let why = match task.status {
            TaskStatus::Pending => return None,
            TaskStatus::Running if fence < self.claimed.fence || by.as_ref() == Some(&self.ask.by) => return None,
            TaskStatus::Running => Why::Held,
            TaskStatus::Completed => Why::Completed,
            TaskStatus::Failed => Why::Failed,
        };
        let task = task.id.to_string();
        Some(Loss { task, why, by, fence, since: None, left: None, until: None, place: None })
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
        let contents = exchange.repository.contents_of(at, exchange.workspace.folder(), &paths)?;
        Ok(contents.get(self.path()).map(|id| exchange.repository.read(id)).transpose()?.map(Document::parse))
    }

    /// Gives the task back as it was found, so that nothing of the claim is left to be merged.
    fn undo(&self) -> Result<(), Error> {
        if self.claimed.outcome.operation.is_none() {
            return Ok(());
        }
        let workspace = self.exchange.workspace;
        let (found, left) = (&self.claimed.found, &self.claimed.outcome.document);
        let passing = Passing { fence: Some(self.claimed.fence), ..Passing::default() };
        let undone =
            workspace.change_as(Kind::Task, self.path().stem(), "release", &passing, &|document| match found {
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
        let newest = exchange.repository.history(&exchange.target, exchange.workspace.folder(), &paths, 1);
        loss.since = loss.since.or_else(|| newest.ok()?.first().map(|commit| commit.at));
        Error::ClaimLost(loss)
    }
}
