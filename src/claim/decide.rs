//! The decision: who gets a task that is asked for, and who may change one. Pure.

use std::time::Duration;

use super::entry::{Moment, Place, State};
use super::loss::{Loss, Why};
use super::standing::{Left, Sight, Standing, Writing, standing};
use crate::entity::TaskStatus;
use crate::name::AgentName;
use crate::sabotage::{self, Sabotage};
use crate::snapshot::Blocker;

/// How hard somebody asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Taking {
    /// Only what is free, and meant for them or for anybody.
    #[default]
    Polite,
    /// Also what is assigned to somebody else.
    Force,
    /// Also what somebody else has.
    Steal,
}

/// Somebody asks for a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// Who.
    pub by: AgentName,
    /// For how long they want it without a word.
    pub lease: Duration,
    /// How hard they ask.
    pub taking: Taking,
}

/// Origin whom a task comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody had it.
    Nobody,
    /// Their lease was over.
    Expired(AgentName),
    /// They had it.
    Stolen(AgentName),
}

/// A task is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Give {
    /// The fence of the new holder.
    pub fence: u64,
    /// Origin whom it comes.
    pub origin: Origin,
}

/// Why a task is given to nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It is meant for somebody else.
    Assigned(AgentName),
    /// It waits for others.
    Waits(Vec<Blocker>),
    /// It is not pending, and no agent has it.
    Status(TaskStatus),
}

/// What comes of asking for a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is theirs from now on.
    Give(Give),
    /// It is theirs already; their lease begins anew.
    Keep {
        /// Their fence.
        fence: u64,
    },
    /// The same agent is getting it this very moment: ask again.
    Wait,
    /// Somebody else has it, or has finished it.
    Lost {
        /// Who, and for how long.
        loss: Box<Loss>,
        /// Their lease has to be counted anew: note that it is, from now on.
        anew: Option<AgentName>,
    },
    /// Nobody gets it.
    Refused(Refusal),
}

/// Decides who gets a task. `task` is its id, for words; `blockers` is what it waits for; `here` is this work tree.
#[must_use]
pub fn decide(task: &str, sight: &Sight, blockers: &[Blocker], ask: &Ask, now: &Moment, here: &Place) -> Verdict {
    let facts = &sight.here;
    if matches!(facts.status, TaskStatus::Completed | TaskStatus::Failed) {
        return Verdict::Refused(Refusal::Status(facts.status));
    }
    let standing = standing(sight, now);
    if let Some(fence) = kept(sight, &standing, ask, here) {
        return Verdict::Keep { fence };
    }
    if sight.writing == Writing::UnderWay && sight.entry().is_some_and(|e| e.state == State::Begun && e.by == ask.by) {
        return Verdict::Wait;
    }
    if let Some(to) = facts.assigned_to.as_ref().filter(|to| **to != ask.by && ask.taking == Taking::Polite) {
        return Verdict::Refused(Refusal::Assigned(to.clone()));
    }
    let origin = match &standing {
        Standing::Free => Origin::Nobody,
        // The branch was changed under their feet, or they come back after a crash.
        Standing::Held { entry, .. } if entry.by == ask.by && is_same(&entry.place, here) => Origin::Nobody,
        Standing::Held { entry, left } if left.is_over() => Origin::Expired(entry.by.clone()),
        Standing::Held { entry, .. } | Standing::Finished(entry) if ask.taking == Taking::Steal => {
            Origin::Stolen(entry.by.clone())
        }
        Standing::Elsewhere(by) | Standing::Lost(by) if ask.taking == Taking::Steal => Origin::Stolen(by.clone()),
        Standing::Unnamed if ask.taking == Taking::Steal => Origin::Nobody,
        Standing::Unnamed => return Verdict::Refused(Refusal::Status(facts.status)),
        _ => return lost(task, sight, &standing, here),
    };
    if facts.status == TaskStatus::Pending && !blockers.is_empty() {
        return Verdict::Refused(Refusal::Waits(blockers.to_vec()));
    }
    let step = u64::from(!sabotage::on(Sabotage::SameFence));
    Verdict::Give(Give { fence: sight.fence().saturating_add(step), origin })
}

/// The fence of whoever asks for what they have.
fn kept(sight: &Sight, standing: &Standing, ask: &Ask, here: &Place) -> Option<u64> {
    let facts = &sight.here;
    let is_theirs = facts.holder() == Some(&ask.by);
    match standing {
        Standing::Held { entry, .. } => {
            let is_in_place = is_theirs && entry.fence == facts.fence && is_same(&entry.place, here);
            (is_in_place && entry.by == ask.by).then_some(entry.fence)
        }
        // The file of another clone, or a ledger that a power cut took: the file says that it is theirs.
        Standing::Elsewhere(by) | Standing::Lost(by) => (is_theirs && *by == ask.by).then_some(facts.fence),
        _ => None,
    }
}

fn lost(task: &str, sight: &Sight, standing: &Standing, here: &Place) -> Verdict {
    let anew = match standing {
        Standing::Held { left: Left::Anew(_), entry } => Some(entry.by.clone()),
        Standing::Lost(by) => Some(by.clone()),
        _ => None,
    };
    Verdict::Lost { loss: Box::new(loss(task, sight, standing, here)), anew }
}

/// Who has it, in a form that can be told.
fn loss(task: &str, sight: &Sight, standing: &Standing, here: &Place) -> Loss {
    let mut loss = Loss {
        task: task.to_owned(),
        why: Why::Held,
        by: None,
        fence: sight.fence(),
        since: None,
        left: None,
        until: None,
        place: standing.place().filter(|place| !is_same(place, here)).cloned(),
    };
    match standing {
        Standing::Held { entry, left } => {
            loss.by = Some(entry.by.clone());
            loss.since = Some(entry.since);
            loss.left = Some(left.span());
            if sight.writing == Writing::UnderWay && sight.entry().is_some_and(|entry| entry.state == State::Begun) {
                loss.why = Why::Taking;
            }
        }
        Standing::Finished(entry) => {
            loss.why = if entry.state == State::Failed { Why::Failed } else { Why::Completed };
            loss.by = Some(entry.by.clone());
        }
        Standing::Lost(by) => {
            loss.by = Some(by.clone());
            loss.left = sight.here.lease;
        }
        Standing::Elsewhere(by) => {
            loss.why = Why::Elsewhere;
            loss.by = Some(by.clone());
        }
        Standing::Free | Standing::Unnamed => {}
    }
    loss
}

/// Whoever wants to change a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pass<'a> {
    /// Who, if it is an agent; a person may do anything.
    pub by: Option<&'a AgentName>,
    /// The fence that they believe to have.
    pub fence: Option<u64>,
}

/// Decides whether somebody may change a task that runs, or say how it ended. Whoever has lost it is told who has it.
///
/// # Errors
/// [`Loss`] if an agent asks and another one has it, or if the fence is not the one that they name.
pub fn guard(task: &str, sight: &Sight, pass: Pass<'_>, now: &Moment, here: &Place) -> Result<(), Box<Loss>> {
    let facts = &sight.here;
    let standing = standing(sight, now);
    let is_running = facts.status == TaskStatus::Running;
    let refused = |why: Option<Why>| {
        let loss = loss(task, sight, &standing, here);
        Err(Box::new(Loss { why: why.unwrap_or(loss.why), ..loss }))
    };
    if let Some(fence) = pass.fence {
        let is_behind = fence != facts.fence || is_running && sight.fence() > fence;
        if is_behind && !sabotage::on(Sabotage::NoFence) {
            return refused(Some(Why::Fence));
        }
    }
    let Some(by) = pass.by.filter(|_| is_running && !sabotage::on(Sabotage::NoFence)) else { return Ok(()) };
    match &standing {
        // Also for the holder, in a work tree whose file tells of an earlier claim.
        Standing::Held { entry, .. } if entry.by != *by || entry.fence > facts.fence => refused(None),
        Standing::Elsewhere(other) | Standing::Lost(other) if other != by => refused(None),
        Standing::Finished(_) => refused(None),
        // What they had was given to somebody else, who has given it back since.
        Standing::Free => refused(Some(Why::Fence)),
        _ => Ok(()),
    }
}

fn is_same(one: &Place, other: &Place) -> bool {
    one.root == other.root && one.document == other.document
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::entry::Entry;
    use super::super::standing::{Facts, Home, Record};
    use super::*;
    use crate::name::DocId;
    use crate::snapshot::Wait;
    use crate::time::Timestamp;

    const LEASE: Duration = Duration::from_secs(60);

    fn name(name: &str) -> AgentName {
        AgentName::new(name).expect("valid")
    }

    fn place(tree: &str) -> Place {
        Place { root: PathBuf::from(tree), document: "x/task-1.md".to_owned(), branch: Some(format!("{tree}-branch")) }
    }

    fn now() -> Moment {
        Moment { boot: "now".to_owned(), ms: 1_000_000 }
    }

    /// A document: its status, holder, fence and whom it is for; `-` for nobody.
    fn doc(text: &str) -> Facts {
        let words: Vec<&str> = text.split(' ').collect();
        let named = |word: &str| AgentName::new(word).ok().filter(|_| word != "-");
        Facts {
            status: words[0].parse().expect("a status"),
            claimed_by: named(words[1]),
            fence: words[2].parse().expect("a fence"),
            lease: None,
            assigned_to: named(words[3]),
        }
    }

    /// An entry: its state, holder, fence, tree, and how many seconds ago somebody said something; `boot` for before the
    /// last start of the machine.
    fn entry(text: &str) -> Entry {
        let words: Vec<&str> = text.split(' ').collect();
        let state = match words[0] {
            "begun" => State::Begun,
            "held" => State::Held,
            "released" => State::Released,
            "completed" => State::Completed,
            _ => State::Failed,
        };
        let renewed = match words[4].parse::<u64>() {
            Ok(ago) => Moment { boot: "now".to_owned(), ms: 1_000_000 - ago * 1_000 },
            Err(_) => Moment { boot: "before".to_owned(), ms: 5 },
        };
        let fence = words[2].parse().expect("a fence");
        let since = Timestamp::from_unix_ms(0);
        Entry { fence, state, by: name(words[1]), lease: LEASE, since, renewed, place: place(words[3]) }
    }

    fn sight(here: &str, ledger: &str, there: &str) -> Sight {
        let record = match ledger {
            "" => None,
            "torn" => Some(Record::Torn),
            text => Some(Record::Entry(entry(text.trim_end_matches(" open")))),
        };
        let home = match (&record, there) {
            (Some(Record::Entry(entry)), "") if entry.place.root.as_os_str() == "here" => Home::Here,
            (_, "") => Home::Unseen,
            (_, text) => Home::There(doc(text)),
        };
        let writing = if ledger.ends_with(" open") { Writing::UnderWay } else { Writing::Over };
        Sight { here: doc(here), record, home, writing }
    }

    fn told(verdict: &Verdict) -> String {
        match verdict {
            Verdict::Give(Give { fence, origin: Origin::Nobody }) => format!("given {fence}"),
            Verdict::Give(Give { fence, origin: Origin::Expired(by) }) => format!("given {fence} from {by}"),
            Verdict::Give(Give { fence, origin: Origin::Stolen(by) }) => format!("stolen {fence} from {by}"),
            Verdict::Keep { fence } => format!("kept {fence}"),
            Verdict::Wait => "wait".to_owned(),
            Verdict::Refused(Refusal::Assigned(to)) => format!("for {to}"),
            Verdict::Refused(Refusal::Waits(_)) => "waits".to_owned(),
            Verdict::Refused(Refusal::Status(status)) => format!("is {status}"),
            Verdict::Lost { loss, anew } => {
                let by = loss.by.as_ref().map_or("-", AgentName::as_str);
                format!("{} by {by}{}", loss.why.word(), if anew.is_some() { ", counted anew" } else { "" })
            }
        }
    }

    /// The document here, the ledger, the document where the ledger says; what comes of a polite ask of `me`, of one with
    /// force, and of a theft.
    const CASES: &[(&str, &str, &str, &str, &str, &str)] = &[
        ("pending - 0 -", "", "", "given 1", "given 1", "given 1"),
        ("pending - 4 me", "", "", "given 5", "given 5", "given 5"),
        ("pending - 0 you", "", "", "for you", "given 1", "given 1"),
        ("completed you 1 -", "", "", "is completed", "is completed", "is completed"),
        ("failed you 1 -", "", "", "is failed", "is failed", "is failed"),
        // A person works on it.
        ("running - 0 -", "", "", "is running", "is running", "given 1"),
        // Another clone has it.
        ("running you 3 -", "", "", "elsewhere by you", "elsewhere by you", "stolen 4 from you"),
        ("running me 3 -", "", "", "kept 3", "kept 3", "kept 3"),
        ("running me 3 you", "", "", "kept 3", "kept 3", "kept 3"),
        // Held here.
        ("running you 1 -", "held you 1 here 59", "", "held by you", "held by you", "stolen 2 from you"),
        ("running you 1 -", "held you 1 here 60", "", "given 2 from you", "given 2 from you", "given 2 from you"),
        ("running me 1 -", "held me 1 here 60", "", "kept 1", "kept 1", "kept 1"),
        (
            "running you 1 -",
            "held you 1 here boot",
            "",
            "held by you, counted anew",
            "held by you, counted anew",
            "stolen 2 from you",
        ),
        ("running you 1 -", "torn", "", "held by you, counted anew", "held by you, counted anew", "stolen 2 from you"),
        ("running me 1 -", "torn", "", "kept 1", "kept 1", "kept 1"),
        ("pending - 1 -", "torn", "", "given 2", "given 2", "given 2"),
        // The person who edits the file has the last word on who has it.
        ("running me 1 -", "held you 1 here 0", "", "kept 1", "kept 1", "kept 1"),
        ("pending - 1 -", "held you 1 here 0", "", "given 2", "given 2", "given 2"),
        ("running - 1 -", "held you 1 here 0", "", "is running", "is running", "given 2"),
        // Another branch was checked out under the feet of the holder.
        ("pending - 0 -", "held you 1 here 0", "", "held by you", "held by you", "stolen 2 from you"),
        ("pending - 0 -", "held me 1 here 0", "", "given 2", "given 2", "given 2"),
        // Held in another work tree.
        ("pending - 0 -", "held you 1 there 0", "running you 1 -", "held by you", "held by you", "stolen 2 from you"),
        ("pending - 0 -", "held me 1 there 0", "running me 1 -", "held by me", "held by me", "stolen 2 from me"),
        (
            "pending - 0 -",
            "held you 1 there 61",
            "running you 1 -",
            "given 2 from you",
            "given 2 from you",
            "given 2 from you",
        ),
        ("pending - 0 -", "held you 1 there 0", "", "held by you", "held by you", "stolen 2 from you"),
        ("pending - 0 -", "held you 1 there 0", "pending - 1 -", "given 2", "given 2", "given 2"),
        (
            "pending - 0 -",
            "held you 1 there 0",
            "completed you 1 -",
            "completed by you",
            "completed by you",
            "stolen 2 from you",
        ),
        // Finished in another work tree.
        (
            "pending - 0 -",
            "completed you 1 there 0",
            "completed you 1 -",
            "completed by you",
            "completed by you",
            "stolen 2 from you",
        ),
        (
            "pending - 0 -",
            "failed you 1 there 0",
            "failed you 1 -",
            "failed by you",
            "failed by you",
            "stolen 2 from you",
        ),
        (
            "running you 1 -",
            "completed you 1 there 0",
            "completed you 1 -",
            "completed by you",
            "completed by you",
            "stolen 2 from you",
        ),
        ("pending - 1 -", "completed you 1 there 0", "completed you 1 -", "given 2", "given 2", "given 2"),
        ("pending - 2 -", "completed you 1 there 0", "completed you 1 -", "given 3", "given 3", "given 3"),
        // Its writer died: the document says whether it came so far.
        (
            "pending - 0 -",
            "completed you 1 there 0",
            "running you 1 -",
            "held by you",
            "held by you",
            "stolen 2 from you",
        ),
        ("pending - 0 -", "begun you 1 here 0", "", "given 2", "given 2", "given 2"),
        ("running you 1 -", "begun you 1 here 0", "", "held by you", "held by you", "stolen 2 from you"),
        ("running you 1 -", "begun it 2 there 0", "pending - 0 -", "given 3", "given 3", "given 3"),
        // Its writer lives.
        ("pending - 0 -", "begun you 1 here 0 open", "", "taking by you", "taking by you", "stolen 2 from you"),
        ("pending - 0 -", "begun me 1 here 0 open", "", "wait", "wait", "wait"),
        // Given back, here or there.
        ("pending - 1 -", "released you 1 here 0", "", "given 2", "given 2", "given 2"),
        ("pending - 0 -", "released you 3 there 0", "pending - 3 -", "given 4", "given 4", "given 4"),
        ("running you 1 -", "released it 2 there 0", "pending - 2 -", "given 3", "given 3", "given 3"),
        // The document has gone on without this clone.
        ("running you 5 -", "held it 1 here 0", "", "elsewhere by you", "elsewhere by you", "stolen 6 from you"),
    ];

    #[test]
    fn who_gets_a_task() {
        for (here, ledger, there, polite, force, steal) in CASES {
            let sight = sight(here, ledger, there);
            for (taking, expected) in [(Taking::Polite, polite), (Taking::Force, force), (Taking::Steal, steal)] {
                let ask = Ask { by: name("me"), lease: LEASE, taking };
                let verdict = decide("task-1", &sight, &[], &ask, &now(), &place("here"));
                assert_eq!(told(&verdict), *expected, "{taking:?}: here {here}, ledger {ledger}, there {there}");
            }
        }
    }

    #[test]
    fn what_waits_is_given_to_nobody() {
        let blocker = Blocker { id: DocId::new("task-0").expect("valid"), why: Wait::Missing };
        for taking in [Taking::Polite, Taking::Force, Taking::Steal] {
            let ask = Ask { by: name("me"), lease: LEASE, taking };
            let sight = sight("pending - 0 -", "", "");
            let verdict = decide("task-1", &sight, std::slice::from_ref(&blocker), &ask, &now(), &place("here"));
            assert_eq!(told(&verdict), "waits");
        }
        let ask = Ask { by: name("me"), lease: LEASE, taking: Taking::Polite };
        let over = sight("running you 1 -", "held you 1 here 60", "");
        assert_eq!(told(&decide("task-1", &over, &[blocker], &ask, &now(), &place("here"))), "given 2 from you");
    }

    #[test]
    fn who_may_change_a_task() {
        // The document here, the ledger, the document there; who asks and with which fence; what they are told.
        for (here, ledger, there, by, fence, expected) in [
            ("running me 1 -", "held me 1 here 0", "", "me", "-", "may"),
            ("running me 1 -", "held me 1 here 99", "", "me", "1", "may"),
            ("running you 1 -", "held you 1 here 0", "", "me", "-", "held by you"),
            ("running you 1 -", "held you 1 here 99", "", "me", "-", "held by you"),
            ("running you 1 -", "held you 1 here 0", "", "-", "-", "may"),
            ("running you 2 -", "held you 2 here 0", "", "-", "1", "fence by you"),
            ("running me 1 -", "held you 2 there 0", "running you 2 -", "me", "-", "held by you"),
            ("running me 1 -", "held you 2 there 0", "running you 2 -", "-", "1", "fence by you"),
            ("running me 1 -", "held me 2 there 0", "running me 2 -", "me", "-", "held by me"),
            ("running me 1 -", "completed you 2 there 0", "completed you 2 -", "me", "-", "completed by you"),
            ("running me 1 -", "released you 2 there 0", "pending - 2 -", "me", "-", "fence by -"),
            ("running you 1 -", "", "", "me", "-", "elsewhere by you"),
            ("running - 0 -", "", "", "me", "-", "may"),
            ("pending - 1 -", "held you 2 there 0", "running you 2 -", "me", "-", "may"),
            ("pending - 1 -", "released me 1 here 0", "", "me", "2", "fence by -"),
            ("completed you 1 -", "completed you 1 here 0", "", "me", "1", "may"),
        ] {
            let who = AgentName::new(by).ok().filter(|_| by != "-");
            let pass = Pass { by: who.as_ref(), fence: fence.parse().ok() };
            let answer = match guard("task-1", &sight(here, ledger, there), pass, &now(), &place("here")) {
                Ok(()) => "may".to_owned(),
                Err(loss) => format!("{} by {}", loss.why.word(), loss.by.as_ref().map_or("-", AgentName::as_str)),
            };
            assert_eq!(answer, expected, "here {here}, ledger {ledger}, there {there}, {by} with {fence}");
        }
    }
}
