//! Who has a task, asked on the server before it is decided here: among clones one answer there decides, within a deadline.
//! Where it cannot be asked, the claim is decided in this clone alone, and says so.

use std::time::Duration;

use super::line::Line;
use super::state::State;
use super::wanted::{Target, Wanted};
use crate::bridge::{ClaimAnswer, ClaimAsk, Link, Renewal};
use crate::claim::{Ask, Loss, Taking, Why};
use crate::entity::{Task, Workflow, WorkflowStatus};
use crate::mirror;
use crate::name::{AgentName, DocId, Kind};
use crate::runner::{Error, Workspace, environment};
use crate::time::Timestamp;

/// Longest wait for a connection, and for an answer: together the deadline of a claim, 50 ms.
const CONNECT: Duration = Duration::from_millis(20);
const ANSWER: Duration = Duration::from_millis(30);
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
pub(in crate::runner) enum Reserved {
    /// Nobody was asked.
    NotAsked,
    /// It could not be asked; why.
    Local(String),
    /// It is the agent's there.
    There(Reservation),
}

/// A task that is an agent's on the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::runner) struct Reservation {
    by: AgentName,
    id: DocId,
    /// The fence there.
    fence: u64,
    /// It was not theirs before.
    is_new: bool,
    /// Whose lease was over.
    pub(in crate::runner) was: Option<AgentName>,
}

impl Reserved {
    /// The fence that a new holder has at least.
    pub(in crate::runner) fn fence(&self) -> u64 {
        if let Self::There(there) = self { there.fence } else { 0 }
    }

    /// The same question, for the clone: what the server gives away nobody keeps here.
    pub(in crate::runner) fn ask(&self, ask: &Ask) -> Ask {
        match self {
            Self::There(Reservation { was: Some(_), .. }) => Ask { taking: Taking::Steal, ..ask.clone() },
            _ => ask.clone(),
        }
    }

    /// Where it was decided.
    pub(in crate::runner) fn decided(&self) -> Decided {
        match self {
            Self::NotAsked => Decided::Here,
            Self::Local(why) => Decided::HereAlone(why.clone()),
            Self::There(_) => Decided::There,
        }
    }
}

impl Workspace {
    /// Asks the server for a task.
    ///
    /// # Errors
    /// [`Error::ClaimLost`] if somebody else has it there; [`Error::Undecided`] if the server has to decide and cannot.
    pub(in crate::runner) fn reserve(&self, task: &Task, ask: &Ask) -> Result<Reserved, Error> {
        let Wanted::Redis(target) = self.wanted_bridge() else { return Ok(Reserved::NotAsked) };
        if self.is_quiet {
            return Ok(Reserved::NotAsked);
        }
        let question =
            ClaimAsk { takes_popped: ask.taking != Taking::Polite, ..question(&target, task, &ask.by, ask.lease) };
        let answer = match self.is_followed_branch(&target)? {
            Err(why) => Err(why),
            Ok(()) => Line::of(&target)
                .with(self, &target, CONNECT, ANSWER, |link| claim(self, &target, link, &question))
                .map_err(|error| error.to_string()),
        };
        let (fence, is_new, was) = match answer {
            Ok(ClaimAnswer::Won { fence, was }) => (fence, true, was.and_then(|was| AgentName::new(was).ok())),
            Ok(ClaimAnswer::Kept { fence }) => (fence, false, None),
            // A file that is behind may still say that it is pending: who goes on regardless is told here.
            Ok(ClaimAnswer::Lost { fence, .. }) if ask.taking == Taking::Steal => (fence + 1, false, None),
            Ok(ClaimAnswer::Lost { holder, fence, left }) => {
                let by = AgentName::new(holder).ok();
                return Err(self.lost(loss(task, Why::Held, by, fence, Some(left))));
            }
            Ok(ClaimAnswer::Popped { left }) => return Err(self.lost(loss(task, Why::Popped, None, 0, Some(left)))),
            Ok(ClaimAnswer::Ended(status)) => {
                let why = if status == "completed" { Why::Completed } else { Why::Failed };
                return Err(self.lost(loss(task, why, None, task.fence.unwrap_or(0), None)));
            }
            Ok(ClaimAnswer::Settling { left }) => {
                return self.undecided(
                    task,
                    format!("the server lost its data and decides again in {} s", left.as_secs() + 1),
                );
            }
            Err(why) => return self.undecided(task, why),
        };
        Ok(Reserved::There(Reservation { by: ask.by.clone(), id: task.id.clone(), fence, is_new, was }))
    }

    fn undecided(&self, task: &Task, why: String) -> Result<Reserved, Error> {
        if self.must_decide {
            Err(Error::Undecided { task: task.id.to_string(), why })
        } else {
            Ok(Reserved::Local(why))
        }
    }

    /// The claim came to nothing here: it is given back there.
    pub(in crate::runner) fn unreserve(&self, reserved: &Reserved) {
        let Reserved::There(Reservation { by, id, fence, is_new: true, .. }) = reserved else { return };
        let Wanted::Redis(target) = self.wanted_bridge() else { return };
        let hash = target.keys.document(Kind::Task, id);
        // Where it cannot be given back, its lease ends.
        let _ = Line::of(&target)
            .with(self, &target, CONNECT, ANSWER, |link| Ok(link.unclaim(&hash, by.as_str(), *fence)?));
    }

    /// A lease that begins anew begins so there as well.
    ///
    /// # Errors
    /// [`Error::ClaimLost`] if somebody else has it there.
    pub(in crate::runner) fn renew_there(&self, task: &Task, by: &AgentName, lease: Duration) -> Result<(), Error> {
        let Wanted::Redis(target) = self.wanted_bridge() else { return Ok(()) };
        let question = question(&target, task, by, lease);
        let renewed = Line::of(&target).with(self, &target, CONNECT, ANSWER, |link| Ok(link.renew(&question)?));
        match renewed {
            Ok(Renewal::Lost { holder, fence, left }) if !holder.is_empty() && holder != by.as_str() => {
                Err(self.lost(loss(task, Why::Held, AgentName::new(holder).ok(), fence, Some(left))))
            }
            // The file knows who has it; the server is told by the bridge.
            _ => Ok(()),
        }
    }
}

fn question(target: &Target, task: &Task, by: &AgentName, lease: Duration) -> ClaimAsk {
    ClaimAsk {
        hash: target.keys.document(Kind::Task, &task.id),
        agent: by.to_string(),
        node: target.node.clone(),
        fence: task.fence.unwrap_or(0),
        lease,
        takes_popped: false,
    }
}

fn loss(task: &Task, why: Why, by: Option<AgentName>, fence: u64, left: Option<Duration>) -> Loss {
    Loss { task: task.id.to_string(), why, by, fence, since: None, left, until: None, place: None }
}

fn claim(workspace: &Workspace, target: &Target, link: &Link, question: &ClaimAsk) -> Result<ClaimAnswer, Error> {
    note_lease(workspace, target, question.lease)?;
    // In one step, where the server still holds the set of data that is known; else it is entered first.
    if let Some((space, branch)) = known_space(workspace, target)
        && branch == target.branch
    {
        match link.claim_in(question, &space, &target.branch)? {
            ClaimAnswer::Settling { .. } => {}
            answer => return Ok(answer),
        }
    }
    let space = enter(workspace, target, link)?;
    Ok(link.claim_in(question, &space, &target.branch)?)
}

/// The set of data that this clone has come to, and the branch with which it may take part in it (none where another one is
/// mirrored there).
fn known_space(workspace: &Workspace, target: &Target) -> Option<(String, String)> {
    let known = String::from_utf8(workspace.store.recall(&target.memory_name(), SPACE)?).ok()?;
    let (id, branch) = known.split_once(' ')?;
    Some((id.to_owned(), branch.to_owned()))
}

/// The longest lease that this clone has ever asked for: who has a task may be silent for so long.
fn longest_lease(workspace: &Workspace, target: &Target) -> Duration {
    let known = workspace.store.recall(&target.memory_name(), LEASE);
    let ms = known.and_then(|bytes| String::from_utf8(bytes).ok()).and_then(|text| text.parse().ok()).unwrap_or(0);
    workspace.lease().max(Duration::from_millis(ms))
}

fn note_lease(workspace: &Workspace, target: &Target, lease: Duration) -> Result<(), Error> {
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
pub(super) fn enter(workspace: &Workspace, target: &Target, link: &Link) -> Result<String, Error> {
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
        let shown = crate::name::visible;
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
