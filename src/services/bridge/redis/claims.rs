//! The claim arbiter of Redis: among clones one answer of the server decides, within a deadline.

use std::time::Duration;

use super::connection_cache::{ConnectionLimits, SharedConnection};
use super::dataset::Dataset;
use super::target::RedisTarget;
use crate::adapters::redis::{BridgeError, ClaimAnswer, ClaimAsk, Link, Renewal};
use crate::adapters::store::Store;
use crate::core::lease::{LossReason, LostLease, Override};
use crate::core::name::{AgentName, Kind};
use crate::services::Error;
use crate::services::bridge::branch_guard::BranchGuard;
use crate::services::bridge::health::HealthRecord;
use crate::services::claim_arbiter::{ClaimArbiter, ClaimDenied, ClaimRequest, RemoteClaims, RemoteLease, Reservation};

/// Longest wait for a connection, and for an answer: together the deadline of a claim, 50 ms.
const CONNECT: Duration = Duration::from_millis(20);
const ANSWER: Duration = Duration::from_millis(30);
/// The most tasks that are asked for in one go: so many are answered in the time of one answer. More are asked for in parts,
/// so that the question of another clone comes in between.
const CLAIMS_AT_ONCE: usize = 32;

/// Decides claims among clones by one answer of the server. If it cannot be asked, this clone decides alone.
#[derive(Debug)]
pub(super) struct RedisClaims<'a> {
    pub(super) health: HealthRecord,
    pub(super) target: RedisTarget,
    pub(super) branch: BranchGuard<'a>,
    pub(super) store: &'a Store,
    /// The lease of the settings.
    pub(super) lease: Duration,
}

impl ClaimArbiter for RedisClaims<'_> {
    fn is_asked(&self) -> bool {
        true
    }

    fn reserve(&self, requests: &[ClaimRequest], mode: RemoteClaims) -> Vec<Result<Reservation, ClaimDenied>> {
        let Self { health, target, .. } = self;
        let mirrored = self.branch.check(&target.mirror).unwrap_or_else(|error| Err(error.to_string()));
        if let Err(why) = mirrored {
            return requests.iter().map(|request| undecided(request, why.clone(), mode)).collect();
        }
        let mut answers = Vec::with_capacity(requests.len());
        for part in requests.chunks(CLAIMS_AT_ONCE) {
            let questions: Vec<ClaimAsk> = part.iter().map(|request| question(target, request)).collect();
            let said = with(health, target, mode, |link| self.claim(target, link, &questions))
                .unwrap_or_else(|error| questions.iter().map(|_| Err(error.to_string())).collect());
            answers.extend(part.iter().zip(said).map(|(request, answer)| reserved(request, answer, mode)));
        }
        answers
    }

    fn release(&self, unused: &[RemoteLease], mode: RemoteClaims) {
        let Self { health, target, .. } = self;
        let hash = |lease: &RemoteLease| target.keys.document(Kind::Task, &lease.id);
        let given: Vec<_> = unused.iter().map(|lease| (hash(lease), lease.by.to_string(), lease.fence)).collect();
        for part in given.chunks(CLAIMS_AT_ONCE) {
            // If it cannot be given back, its lease ends.
            let _ = with(health, target, mode, |link| Ok(link.unclaim_each(part)?));
        }
    }

    fn renew(&self, request: &ClaimRequest, mode: RemoteClaims) -> Result<(), ClaimDenied> {
        let Self { health, target, .. } = self;
        let question = question(target, request);
        match with(health, target, mode, |link| Ok(link.renew(&question)?)) {
            Ok(Renewal::Lost { holder, fence, left }) if !holder.is_empty() && holder != request.ask.by.as_str() => {
                let loss = loss(request, LossReason::Held, AgentName::new(holder).ok(), fence, Some(left));
                Err(ClaimDenied::Lost(Box::new(loss)))
            }
            // The file says who has it; the bridge sends that.
            _ => Ok(()),
        }
    }
}

impl RedisClaims<'_> {
    /// Asks for several tasks. In one step if the server still holds the dataset that is known; else the dataset is entered
    /// first, and what was not decided is asked again.
    fn claim(
        &self,
        target: &RedisTarget,
        link: &Link,
        questions: &[ClaimAsk],
    ) -> Result<Vec<Result<ClaimAnswer, String>>, Error> {
        let dataset = Dataset { store: self.store, target, lease: self.lease };
        if let Some(longest) = questions.iter().map(|question| question.lease).max() {
            dataset.note_lease(longest)?;
        }
        let branch = &target.mirror.branch;
        let words = |answer: Result<ClaimAnswer, BridgeError>| answer.map_err(|error| error.to_string());
        let is_open = |answer: &Result<ClaimAnswer, String>| matches!(answer, Ok(ClaimAnswer::Settling { .. }));
        let mut answers = match dataset.known() {
            Some((id, known)) if known == *branch => {
                let answers = link.claim_each(questions, &id, branch)?;
                answers.into_iter().map(words).collect()
            }
            _ => {
                questions.iter().map(|question| Ok(ClaimAnswer::Settling { left: question.lease })).collect::<Vec<_>>()
            }
        };
        let open: Vec<usize> = (0..answers.len()).filter(|at| is_open(&answers[*at])).collect();
        if open.is_empty() {
            return Ok(answers);
        }
        let id = dataset.enter(link)?;
        let again: Vec<ClaimAsk> = open.iter().map(|at| questions[*at].clone()).collect();
        for (at, answer) in open.into_iter().zip(link.claim_each(&again, &id, branch)?) {
            answers[at] = words(answer);
        }
        Ok(answers)
    }
}

/// Calls `work` with the connection of this process. Waits briefly, since this clone can decide alone; if it must not, as
/// long as the settings say.
fn with<T>(
    health: &HealthRecord,
    target: &RedisTarget,
    mode: RemoteClaims,
    work: impl Fn(&Link) -> Result<T, Error>,
) -> Result<T, Error> {
    let limits = match mode {
        RemoteClaims::Required => {
            let settings = &target.settings;
            let (connect, answer) = (settings.connection_timeout, settings.operation_timeout);
            ConnectionLimits { connect, answer, insists: true }
        }
        RemoteClaims::IfLive => ConnectionLimits { connect: CONNECT, answer: ANSWER, insists: false },
    };
    SharedConnection::of(target).with(health, limits, work)
}

/// What an answer of the server means for the agent that asked.
fn reserved(
    request: &ClaimRequest,
    answer: Result<ClaimAnswer, String>,
    mode: RemoteClaims,
) -> Result<Reservation, ClaimDenied> {
    let lost = |why, by, fence, left| Err(ClaimDenied::Lost(Box::new(loss(request, why, by, fence, left))));
    let (fence, is_new, was) = match answer {
        Ok(ClaimAnswer::Won { fence, was }) => (fence, true, was.and_then(|was| AgentName::new(was).ok())),
        Ok(ClaimAnswer::Kept { fence }) => (fence, false, None),
        // A file that is behind may still say that it is pending: who goes on regardless is told here.
        Ok(ClaimAnswer::Lost { fence, .. }) if request.ask.over == Override::Steal => (fence + 1, false, None),
        Ok(ClaimAnswer::Lost { holder, fence, left }) => {
            return lost(LossReason::Held, AgentName::new(holder).ok(), fence, Some(left));
        }
        Ok(ClaimAnswer::Popped { left }) => return lost(LossReason::Popped, None, 0, Some(left)),
        Ok(ClaimAnswer::Ended(status)) => {
            let why = if status == "completed" { LossReason::Completed } else { LossReason::Failed };
            return lost(why, None, request.fence, None);
        }
        Ok(ClaimAnswer::Settling { left }) => {
            let why = format!("the server lost its data and decides again in {} s", left.as_secs() + 1);
            return undecided(request, why, mode);
        }
        Err(why) => return undecided(request, why, mode),
    };
    let (by, id) = (request.ask.by.clone(), request.task.clone());
    Ok(Reservation::Remote(RemoteLease { by, id, fence, is_new, was }))
}

fn undecided(request: &ClaimRequest, why: String, mode: RemoteClaims) -> Result<Reservation, ClaimDenied> {
    match mode {
        RemoteClaims::Required => Err(ClaimDenied::Undecided { task: request.task.clone(), why }),
        RemoteClaims::IfLive => Ok(Reservation::Local(why)),
    }
}

/// Renews several leases over a connection. A task that the server has given to another agent is reported when its document is
/// next written.
pub(super) fn renew_each(target: &RedisTarget, link: &Link, requests: &[ClaimRequest]) -> Result<(), Error> {
    let questions: Vec<ClaimAsk> = requests.iter().map(|request| question(target, request)).collect();
    for part in questions.chunks(CLAIMS_AT_ONCE) {
        link.renew_each(part)?;
    }
    Ok(())
}

fn question(target: &RedisTarget, request: &ClaimRequest) -> ClaimAsk {
    ClaimAsk {
        hash: target.keys.document(Kind::Task, &request.task),
        agent: request.ask.by.to_string(),
        node: target.mirror.node.clone(),
        fence: request.fence,
        lease: request.ask.lease,
        takes_popped: request.ask.over != Override::None,
    }
}

fn loss(
    request: &ClaimRequest,
    why: LossReason,
    by: Option<AgentName>,
    fence: u64,
    left: Option<Duration>,
) -> LostLease {
    LostLease { left, ..LostLease::new(request.task.to_string(), why, by, fence) }
}
