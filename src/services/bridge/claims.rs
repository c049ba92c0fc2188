//! Who has a task, asked on the server before it is decided here: among clones one answer there decides, within a deadline.
//! Where it cannot be asked, the claim is decided in this clone alone, and says so.

use std::collections::BTreeSet;
use std::time::Duration;

use super::line::{Line, Waits};
use super::sight::Item;
use super::state::State;
use super::wanted::{Target, Wanted};
use crate::adapters::redis::{BridgeError, ClaimAnswer, ClaimAsk, Link, Renewal};
use crate::core::claim::{Ask, Entry, Loss, Taking, Why};
use crate::core::entity::{Task, Workflow, WorkflowStatus};
use crate::core::mirror;
use crate::core::name::{AgentName, DocId, Kind};
use crate::core::time::Timestamp;
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

/// Where it was decided who has a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decided {
    /// In this clone: there is no server to ask.
    Here,
    /// On the server, for all clones.
    There,
    /// In this clone, because the server could not be asked; why.
    HereAlone(String),
}

impl Decided {
    /// The word in JSON.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Here => "here",
            Self::There => "there",
            Self::HereAlone(_) => "here_alone",
        }
    }

    /// Why the server was not asked, where it should have been.
    #[must_use]
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::HereAlone(why) => Some(why),
            Self::Here | Self::There => None,
        }
    }
}

/// What the server said before it is decided here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::services) enum Reserved {
    /// Nobody was asked.
    NotAsked,
    /// It could not be asked; why.
    Local(String),
    /// It is the agent's there.
    There(Reservation),
}

/// A task that is an agent's on the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::services) struct Reservation {
    by: AgentName,
    pub(in crate::services) id: DocId,
    /// The fence there.
    pub(in crate::services) fence: u64,
    /// It was not theirs before.
    is_new: bool,
    /// Whose lease was over.
    pub(in crate::services) was: Option<AgentName>,
}

impl Reserved {
    /// The fence that a new holder has at least.
    pub(in crate::services) fn fence(&self) -> u64 {
        if let Self::There(there) = self { there.fence } else { 0 }
    }

    /// The same question, for the clone: what the server gives away nobody keeps here.
    pub(in crate::services) fn ask(&self, ask: &Ask) -> Ask {
        match self {
            Self::There(Reservation { was: Some(_), .. }) => Ask { taking: Taking::Steal, ..ask.clone() },
            _ => ask.clone(),
        }
    }

    /// Where it was decided.
    pub(in crate::services) fn decided(&self) -> Decided {
        match self {
            Self::NotAsked => Decided::Here,
            Self::Local(why) => Decided::HereAlone(why.clone()),
            Self::There(_) => Decided::There,
        }
    }
}

/// One task that an agent asks the server for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::services) struct ClaimRequest {
    /// Which task.
    pub(in crate::services) task: DocId,
    /// The fence in its document; 0 for none.
    pub(in crate::services) fence: u64,
    /// Who asks, and how.
    pub(in crate::services) ask: Ask,
}

impl ClaimRequest {
    /// The request for a task as its document is now.
    pub(in crate::services) fn new(task: &Task, ask: &Ask) -> Self {
        Self { task: task.id.clone(), fence: task.fence.unwrap_or(0), ask: ask.clone() }
    }
}

/// Why the server gives a task to another agent or to none. It can be kept, and said more than once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::services) enum ClaimDenied {
    /// Another agent has it, or has ended it.
    Lost(Box<Loss>),
    /// The server has to decide and cannot.
    Undecided {
        /// Which task.
        task: DocId,
        /// Why it cannot.
        why: String,
    },
}

impl Project {
    /// Returns true if a server is to be asked for tasks.
    pub(in crate::services) fn asks_for_claims(&self) -> bool {
        !self.is_quiet && matches!(self.wanted_bridge(), Wanted::Redis(_))
    }

    /// Asks the server for tasks, before any lock is held; the answers in the same order. What was reserved and is not needed
    /// is to be given to [`Project::unreserve`].
    pub(in crate::services) fn reserve(&self, requests: &[ClaimRequest]) -> Vec<Result<Reserved, ClaimDenied>> {
        let not_asked = || requests.iter().map(|_| Ok(Reserved::NotAsked)).collect();
        let Wanted::Redis(target) = self.wanted_bridge() else { return not_asked() };
        if self.is_quiet {
            return not_asked();
        }
        let followed = match self.is_followed_branch(&target) {
            Ok(followed) => followed,
            Err(error) => Err(error.to_string()),
        };
        if let Err(why) = followed {
            return requests.iter().map(|request| self.undecided(request, why.clone())).collect();
        }
        let mut answers = Vec::with_capacity(requests.len());
        for part in requests.chunks(CLAIMS_AT_ONCE) {
            let questions: Vec<ClaimAsk> = part.iter().map(|request| question(&target, request)).collect();
            let said = Line::of(&target)
                .with(self, &target, self.claim_patience(&target), |link| claim(self, &target, link, &questions))
                .unwrap_or_else(|error| questions.iter().map(|_| Err(error.to_string())).collect());
            answers.extend(part.iter().zip(said).map(|(request, answer)| self.reserved(request, answer)));
        }
        answers
    }

    /// What an answer of the server means for who asked.
    fn reserved(&self, request: &ClaimRequest, answer: Result<ClaimAnswer, String>) -> Result<Reserved, ClaimDenied> {
        let lost = |why, by, fence, left| Err(ClaimDenied::Lost(Box::new(loss(request, why, by, fence, left))));
        let (fence, is_new, was) = match answer {
            Ok(ClaimAnswer::Won { fence, was }) => (fence, true, was.and_then(|was| AgentName::new(was).ok())),
            Ok(ClaimAnswer::Kept { fence }) => (fence, false, None),
            // A file that is behind may still say that it is pending: who goes on regardless is told here.
            Ok(ClaimAnswer::Lost { fence, .. }) if request.ask.taking == Taking::Steal => (fence + 1, false, None),
            Ok(ClaimAnswer::Lost { holder, fence, left }) => {
                return lost(Why::Held, AgentName::new(holder).ok(), fence, Some(left));
            }
            Ok(ClaimAnswer::Popped { left }) => return lost(Why::Popped, None, 0, Some(left)),
            Ok(ClaimAnswer::Ended(status)) => {
                let why = if status == "completed" { Why::Completed } else { Why::Failed };
                return lost(why, None, request.fence, None);
            }
            Ok(ClaimAnswer::Settling { left }) => {
                let why = format!("the server lost its data and decides again in {} s", left.as_secs() + 1);
                return self.undecided(request, why);
            }
            Err(why) => return self.undecided(request, why),
        };
        let (by, id) = (request.ask.by.clone(), request.task.clone());
        Ok(Reserved::There(Reservation { by, id, fence, is_new, was }))
    }

    /// How long to wait for a connection and for an answer: briefly, since this clone can decide alone; where it may not, as long
    /// as the settings say.
    fn claim_patience(&self, target: &Target) -> Waits {
        if self.must_decide {
            let (connect, answer) = (target.settings.connection_timeout, target.settings.operation_timeout);
            Waits { connect, answer, insists: true }
        } else {
            Waits { connect: CONNECT, answer: ANSWER, insists: false }
        }
    }

    fn undecided(&self, request: &ClaimRequest, why: String) -> Result<Reserved, ClaimDenied> {
        if self.must_decide {
            Err(ClaimDenied::Undecided { task: request.task.clone(), why })
        } else {
            Ok(Reserved::Local(why))
        }
    }

    /// The error of who does not get a task.
    pub(in crate::services) fn denied(&self, denied: ClaimDenied) -> Error {
        match denied {
            ClaimDenied::Lost(loss) => self.lost(*loss),
            ClaimDenied::Undecided { task, why } => Error::Undecided { task: task.to_string(), why },
        }
    }

    /// Claims that came to nothing here are given back there.
    pub(in crate::services) fn unreserve<'a>(&self, unused: impl IntoIterator<Item = &'a Reserved>) {
        let is_new = |reserved: &&Reserved| matches!(reserved, Reserved::There(there) if there.is_new);
        let mut unused = unused.into_iter().filter(is_new).peekable();
        if unused.peek().is_none() {
            return;
        }
        let Wanted::Redis(target) = self.wanted_bridge() else { return };
        let given = |reserved: &Reserved| match reserved {
            Reserved::There(there) if !self.is_needed(there) => {
                let hash = target.keys.document(Kind::Task, &there.id);
                Some((hash, there.by.to_string(), there.fence))
            }
            _ => None,
        };
        let given: Vec<_> = unused.filter_map(given).collect();
        for part in given.chunks(CLAIMS_AT_ONCE) {
            // Where it cannot be given back, its lease ends.
            let _ = Line::of(&target)
                .with(self, &target, self.claim_patience(&target), |link| Ok(link.unclaim_each(part)?));
        }
    }

    /// Returns true if another process of the same agent has got the task in this clone by what is reserved.
    fn is_needed(&self, reserved: &Reservation) -> bool {
        let records = self.store.claim_records(&reserved.id).unwrap_or_default();
        let mut entries = records.iter().filter_map(|record| Entry::from_bytes(&record.bytes));
        entries.any(|entry| entry.by == reserved.by && entry.fence >= reserved.fence && entry.state.is_held())
    }

    /// A lease that begins anew begins so there as well.
    ///
    /// # Errors
    /// [`Error::ClaimLost`] if somebody else has it there.
    pub(in crate::services) fn renew_there(&self, task: &Task, by: &AgentName, lease: Duration) -> Result<(), Error> {
        let Wanted::Redis(target) = self.wanted_bridge() else { return Ok(()) };
        let ask = Ask { by: by.clone(), lease, taking: Taking::Polite };
        let request = ClaimRequest::new(task, &ask);
        let question = question(&target, &request);
        let renewed =
            Line::of(&target).with(self, &target, self.claim_patience(&target), |link| Ok(link.renew(&question)?));
        match renewed {
            Ok(Renewal::Lost { holder, fence, left }) if !holder.is_empty() && holder != by.as_str() => {
                Err(self.lost(loss(&request, Why::Held, AgentName::new(holder).ok(), fence, Some(left))))
            }
            // The file knows who has it; the server is told by the bridge.
            _ => Ok(()),
        }
    }

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
                let ask = Ask { by: by.clone(), lease, taking: Taking::Polite };
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

fn question(target: &Target, request: &ClaimRequest) -> ClaimAsk {
    ClaimAsk {
        hash: target.keys.document(Kind::Task, &request.task),
        agent: request.ask.by.to_string(),
        node: target.node.clone(),
        fence: request.fence,
        lease: request.ask.lease,
        takes_popped: request.ask.taking != Taking::Polite,
    }
}

fn loss(request: &ClaimRequest, why: Why, by: Option<AgentName>, fence: u64, left: Option<Duration>) -> Loss {
    Loss { left, ..Loss::new(request.task.to_string(), why, by, fence) }
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
        running.map(|workflow| (hash(workflow), mirror::WORKFLOW_LIFE)).collect()
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
            if let mirror::Life::For(left) = mirror::ttl(entity, Some(*at), now) {
                ttls.push((self.keys.document(Kind::Agent, &item.1), left));
            }
        }
        self.beats = beats;
        ttls.extend(self.workflows_to_renew());
        link.expire(&ttls)?;
        Ok(())
    }
}
