//! The claim arbiter of Redis: among clones one answer of the server decides, within a deadline.

use std::collections::BTreeSet;
use std::time::Duration;

use super::line::{Line, Waits};
use super::sight::Item;
use super::state::State;
use super::wanted::{Target, Wanted};
use crate::adapters::redis::codec;
use crate::adapters::redis::{BridgeError, ClaimAnswer, ClaimAsk, Link, Renewal};
use crate::core::entity::{Workflow, WorkflowStatus};
use crate::core::lease::{LeaseRequest, LossReason, LostLease, Override};
use crate::core::name::{AgentName, DocId, Kind};
use crate::core::time::Timestamp;
use crate::services::claim_arbiter::{ClaimArbiter, ClaimDenied, ClaimRequest, RemoteClaims, RemoteLease, Reservation};
use crate::services::{Error, Project, environment};

/// Longest wait for a connection, and for an answer: together the deadline of a claim, 50 ms.
const CONNECT: Duration = Duration::from_millis(20);
const ANSWER: Duration = Duration::from_millis(30);
/// The most tasks that are asked for in one go: so many are answered in the time of one answer. More are asked for in parts,
/// so that the question of another clone comes in between.
const CLAIMS_AT_ONCE: usize = 32;
/// Name under which it is remembered which set of data the server held, and which branch was mirrored into it.
const SPACE: &str = "space";
/// Name under which the longest lease is remembered that was asked for, in milliseconds.
const LEASE: &str = "lease";
/// How often the hashes of running workflows begin to live anew, in milliseconds: twice in their life.
const RENEW_MS: i64 = 1_800_000;

impl ClaimArbiter for Project {
    fn is_asked(&self) -> bool {
        matches!(self.wanted_bridge(), Wanted::Redis(_))
    }

    fn reserve(&self, requests: &[ClaimRequest], mode: RemoteClaims) -> Vec<Result<Reservation, ClaimDenied>> {
        let Wanted::Redis(target) = self.wanted_bridge() else {
            return requests.iter().map(|_| Ok(Reservation::NotAsked)).collect();
        };
        let followed = match self.is_followed_branch(&target) {
            Ok(followed) => followed,
            Err(error) => Err(error.to_string()),
        };
        if let Err(why) = followed {
            return requests.iter().map(|request| undecided(request, why.clone(), mode)).collect();
        }
        let waits = claim_patience(&target, mode);
        let mut answers = Vec::with_capacity(requests.len());
        for part in requests.chunks(CLAIMS_AT_ONCE) {
            let questions: Vec<ClaimAsk> = part.iter().map(|request| question(&target, request)).collect();
            let said = Line::of(&target)
                .with(self, &target, waits, |link| claim(self, &target, link, &questions))
                .unwrap_or_else(|error| questions.iter().map(|_| Err(error.to_string())).collect());
            answers.extend(part.iter().zip(said).map(|(request, answer)| reserved(request, answer, mode)));
        }
        answers
    }

    fn release(&self, unused: &[RemoteLease], mode: RemoteClaims) {
        let Wanted::Redis(target) = self.wanted_bridge() else { return };
        let hash = |lease: &RemoteLease| target.keys.document(Kind::Task, &lease.id);
        let given: Vec<_> = unused.iter().map(|lease| (hash(lease), lease.by.to_string(), lease.fence)).collect();
        for part in given.chunks(CLAIMS_AT_ONCE) {
            // Where it cannot be given back, its lease ends.
            let _ = Line::of(&target)
                .with(self, &target, claim_patience(&target, mode), |link| Ok(link.unclaim_each(part)?));
        }
    }

    fn renew(&self, request: &ClaimRequest, mode: RemoteClaims) -> Result<(), ClaimDenied> {
        let Wanted::Redis(target) = self.wanted_bridge() else { return Ok(()) };
        let question = question(&target, request);
        let waits = claim_patience(&target, mode);
        match Line::of(&target).with(self, &target, waits, |link| Ok(link.renew(&question)?)) {
            Ok(Renewal::Lost { holder, fence, left }) if !holder.is_empty() && holder != request.ask.by.as_str() => {
                let loss = loss(request, LossReason::Held, AgentName::new(holder).ok(), fence, Some(left));
                Err(ClaimDenied::Lost(Box::new(loss)))
            }
            // The file knows who has it; the server is told by the bridge.
            _ => Ok(()),
        }
    }
}

impl Project {
    /// Renews on the server what an agent holds in this worktree, but for the documents of `written`, which renewed their leases
    /// there: each operation of a holder renews, whatever it is about.
    pub(super) fn renew_held(
        &self,
        target: &Target,
        link: &Link,
        by: &AgentName,
        written: &BTreeSet<Item>,
    ) -> Result<(), Error> {
        let asks: Vec<ClaimAsk> = self
            .held_by(by)?
            .into_iter()
            .filter(|(task, _)| !written.contains(&(Kind::Task, task.id.clone())))
            .map(|(task, lease)| {
                let ask = LeaseRequest { by: by.clone(), lease, over: Override::None };
                question(target, &ClaimRequest::new(&task, &ask))
            })
            .collect();
        for part in asks.chunks(CLAIMS_AT_ONCE) {
            // One that the server has given to another agent is told when the document is next written.
            link.renew_each(part)?;
        }
        Ok(())
    }
}

/// What an answer of the server means for who asked.
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

/// How long to wait for a connection and for an answer: briefly, since this clone can decide alone; where it may not, as long
/// as the settings say.
fn claim_patience(target: &Target, mode: RemoteClaims) -> Waits {
    match mode {
        RemoteClaims::Required => {
            let (connect, answer) = (target.settings.connection_timeout, target.settings.operation_timeout);
            Waits { connect, answer, insists: true }
        }
        RemoteClaims::IfLive => Waits { connect: CONNECT, answer: ANSWER, insists: false },
    }
}

fn question(target: &Target, request: &ClaimRequest) -> ClaimAsk {
    ClaimAsk {
        hash: target.keys.document(Kind::Task, &request.task),
        agent: request.ask.by.to_string(),
        node: target.node.clone(),
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

/// Asks for several tasks. In one step, where the server still holds the set of data that is known; else it is entered first,
/// and what was not decided is asked again.
fn claim(
    workspace: &Project,
    target: &Target,
    link: &Link,
    questions: &[ClaimAsk],
) -> Result<Vec<Result<ClaimAnswer, String>>, Error> {
    if let Some(longest) = questions.iter().map(|question| question.lease).max() {
        note_lease(workspace, target, longest)?;
    }
    let words = |answer: Result<ClaimAnswer, BridgeError>| answer.map_err(|error| error.to_string());
    let is_open = |answer: &Result<ClaimAnswer, String>| matches!(answer, Ok(ClaimAnswer::Settling { .. }));
    let mut answers = match known_space(workspace, target) {
        Some((space, branch)) if branch == target.branch => {
            let answers = link.claim_each(questions, &space, &target.branch)?;
            answers.into_iter().map(words).collect()
        }
        _ => questions.iter().map(|question| Ok(ClaimAnswer::Settling { left: question.lease })).collect::<Vec<_>>(),
    };
    let open: Vec<usize> = (0..answers.len()).filter(|at| is_open(&answers[*at])).collect();
    if open.is_empty() {
        return Ok(answers);
    }
    let space = enter(workspace, target, link)?;
    let again: Vec<ClaimAsk> = open.iter().map(|at| questions[*at].clone()).collect();
    for (at, answer) in open.into_iter().zip(link.claim_each(&again, &space, &target.branch)?) {
        answers[at] = words(answer);
    }
    Ok(answers)
}

/// The set of data that this clone has come to, and the branch with which it may take part in it (none where another one is
/// mirrored there).
fn known_space(workspace: &Project, target: &Target) -> Option<(String, String)> {
    let known = String::from_utf8(workspace.store.recall(&target.memory_name(), SPACE)?).ok()?;
    let (id, branch) = known.split_once(' ')?;
    Some((id.to_owned(), branch.to_owned()))
}

/// The longest lease that this clone has ever asked for: who has a task may be silent for so long.
fn longest_lease(workspace: &Project, target: &Target) -> Duration {
    let known = workspace.store.recall(&target.memory_name(), LEASE);
    let ms = known.and_then(|bytes| String::from_utf8(bytes).ok()).and_then(|text| text.parse().ok()).unwrap_or(0);
    workspace.lease().max(Duration::from_millis(ms))
}

fn note_lease(workspace: &Project, target: &Target, lease: Duration) -> Result<(), Error> {
    if lease > longest_lease(workspace, target) {
        let ms = lease.as_millis().to_string();
        workspace.store.memorize(&target.memory_name(), LEASE, ms.as_bytes())?;
    }
    Ok(())
}

/// Comes to the set of data that the server holds now. If it is another one than before, claims in it wait until all who
/// have a task have said so. Gives its name.
///
/// # Errors
/// [`Error::Unreached`] if another branch is mirrored there; others if it cannot be asked.
pub(super) fn enter(workspace: &Project, target: &Target, link: &Link) -> Result<String, Error> {
    let server = target.memory_name();
    let (known, branch) = known_space(workspace, target).unwrap_or_default();
    let fresh = format!("{:016x}", environment::random()?);
    let space = link.enter_space_with(&known, &fresh, longest_lease(workspace, target), &target.branch)?;
    let is_other = !target.branch.is_empty() && !space.branch.is_empty() && space.branch != target.branch;
    let may_be = if is_other { "" } else { target.branch.as_str() };
    if space.id != known || branch != may_be {
        workspace.store.memorize(&server, SPACE, format!("{} {may_be}", space.id).as_bytes())?;
    }
    if is_other {
        let shown = crate::core::name::visible;
        let (there, here) = (shown(&space.branch), shown(&target.branch));
        return Err(Error::Unreached {
            why: format!("the server has `{there}`; this clone mirrors `{here}`"),
            hint: Some("set `bridge.branch`, or a `coordination.redis.prefix` of its own".to_owned()),
        });
    }
    Ok(space.id)
}

impl State {
    /// Running workflows, now and then: their hashes live for a while only, and nobody need change them for longer.
    fn workflows_to_renew(&mut self) -> Vec<(String, Duration)> {
        let now = self.workspace.now();
        let is_due = |last: Timestamp| !(0..RENEW_MS).contains(&(now.unix_ms() - last.unix_ms()));
        if !self.renewed.is_none_or(is_due) {
            return Vec::new();
        }
        self.renewed = Some(now);
        let running = self.sight.snapshot().workflows().filter(|workflow| workflow.status == WorkflowStatus::Running);
        let hash = |workflow: &Workflow| self.keys.document(Kind::Workflow, &workflow.id);
        running.map(|workflow| (hash(workflow), codec::WORKFLOW_LIFE)).collect()
    }

    /// Signs of life that came since, passed on: the hash of a living agent stays.
    pub(super) fn pass_on_beats(&mut self, link: &Link) -> Result<(), Error> {
        let beats = self.workspace.store.beats()?;
        let now = self.workspace.now();
        let mut ttls = Vec::new();
        for (agent, at) in &beats {
            if self.beats.get(agent) == Some(at) {
                continue;
            }
            let item = (Kind::Agent, DocId::from(agent.clone()));
            let files = self.sight.files(&item);
            let Some(entity) = files.first().and_then(|entry| entry.entity.as_ref()) else { continue };
            if let codec::HashLife::For(left) = codec::hash_life(entity, Some(*at), now) {
                ttls.push((self.keys.document(Kind::Agent, &item.1), left));
            }
        }
        self.beats = beats;
        ttls.extend(self.workflows_to_renew());
        link.expire(&ttls)?;
        Ok(())
    }
}
