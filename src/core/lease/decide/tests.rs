//! Who gets a task and who may change one, as tables.

use std::path::PathBuf;

use super::super::entry::LeaseEntry;
use super::super::state::{HolderDocument, LeaseFacts, LeaseRecord, expired_holder};
use super::*;
use crate::core::diagnostic::Code;
use crate::core::name::DocId;
use crate::core::snapshot::Wait;
use crate::core::time::Timestamp;

const LEASE: Duration = Duration::from_secs(60);

fn name(name: &str) -> AgentName {
    AgentName::new(name).expect("valid")
}

fn place(tree: &str) -> LeasePlace {
    LeasePlace { root: PathBuf::from(tree), document: "x/task-1.md".to_owned(), branch: Some(format!("{tree}-branch")) }
}

fn now() -> BootTime {
    BootTime { boot: "now".to_owned(), ms: 1_000_000, slept_ms: 0 }
}

/// A document: its status, holder, fence and whom it is for; `-` for nobody.
fn doc(text: &str) -> LeaseFacts {
    let words: Vec<&str> = text.split(' ').collect();
    let named = |word: &str| AgentName::new(word).ok().filter(|_| word != "-");
    LeaseFacts {
        status: words[0].parse().expect("a status"),
        claimed_by: named(words[1]),
        fence: words[2].parse().expect("a fence"),
        lease: None,
        assigned_to: named(words[3]),
        unusable: None,
    }
}

/// An entry: its state, holder, fence, tree, and how many seconds ago somebody said something; `boot` for before the
/// last start of the machine.
fn entry(text: &str) -> LeaseEntry {
    let words: Vec<&str> = text.split(' ').collect();
    let state = match words[0] {
        "begun" => EntryState::Begun,
        "held" => EntryState::Held,
        "released" => EntryState::Released,
        "expired" => EntryState::Expired,
        "completed" => EntryState::Completed,
        _ => EntryState::Failed,
    };
    let renewed = match words[4].parse::<u64>() {
        Ok(ago) => BootTime { boot: "now".to_owned(), ms: 1_000_000 - ago * 1_000, slept_ms: 0 },
        Err(_) => BootTime { boot: "before".to_owned(), ms: 5, slept_ms: 0 },
    };
    let fence = words[2].parse().expect("a fence");
    let since = Timestamp::from_unix_ms(0);
    LeaseEntry {
        fence,
        state,
        by: name(words[1]),
        lease: LEASE,
        since,
        renewed,
        place: place(words[3]),
        ended: None,
        former: Vec::new(),
        foreign_save: None,
    }
}

fn evidence(here: &str, registry: &str, there: &str) -> LeaseEvidence {
    let record = match registry {
        "" => None,
        "torn" => Some(LeaseRecord::Torn),
        text => Some(LeaseRecord::Entry(entry(text.trim_end_matches(" open")))),
    };
    let holder_document = match (&record, there) {
        (Some(LeaseRecord::Entry(entry)), "") if entry.place.root.as_os_str() == "here" => HolderDocument::Here,
        (_, "") => HolderDocument::Unseen,
        (_, text) => HolderDocument::There(doc(text)),
    };
    let writer = if registry.ends_with(" open") { EntryWriter::Active } else { EntryWriter::Gone };
    LeaseEvidence { here: doc(here), record, holder_document, writer, last_seen: None, is_reverted: false }
}

fn describe(verdict: &ClaimVerdict) -> String {
    match verdict {
        ClaimVerdict::Grant(LeaseGrant { fence, previous: PreviousHolder::None }) => format!("given {fence}"),
        ClaimVerdict::Grant(LeaseGrant { fence, previous: PreviousHolder::Expired(by) }) => {
            format!("given {fence} from {by}")
        }
        ClaimVerdict::Grant(LeaseGrant { fence, previous: PreviousHolder::Stolen(by) }) => {
            format!("stolen {fence} from {by}")
        }
        ClaimVerdict::Keep { fence } => format!("kept {fence}"),
        ClaimVerdict::Wait => "wait".to_owned(),
        ClaimVerdict::Refused(ClaimRefusal::Assigned(to)) => format!("for {to}"),
        ClaimVerdict::Refused(ClaimRefusal::Unusable(_)) => "unusable".to_owned(),
        ClaimVerdict::Refused(ClaimRefusal::Blocked(_)) => "waits".to_owned(),
        ClaimVerdict::Refused(ClaimRefusal::Status(status)) => format!("is {status}"),
        ClaimVerdict::Lost { lost, reanchor } => {
            let by = lost.by.as_ref().map_or("-", AgentName::as_str);
            format!("{} by {by}{}", lost.why.word(), if reanchor.is_some() { ", counted anew" } else { "" })
        }
    }
}

/// The document here, the registry, the document where the registry says; what comes of a polite ask of `me`, of one with
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
    // Taken back when its lease was over.
    ("pending - 1 -", "expired me 1 here 99", "", "given 2", "given 2", "given 2"),
    ("pending - 1 -", "expired you 1 here 99", "", "given 2", "given 2", "given 2"),
    ("running me 1 -", "expired me 1 here 99", "", "kept 1", "kept 1", "kept 1"),
    // The person who edits the file has the last word on who has it.
    ("running me 1 -", "held you 1 here 0", "", "kept 1", "kept 1", "kept 1"),
    ("pending - 1 -", "held you 1 here 0", "", "given 2", "given 2", "given 2"),
    ("running - 1 -", "held you 1 here 0", "", "is running", "is running", "given 2"),
    // Another branch was checked out under the feet of the holder.
    ("pending - 0 -", "held you 1 here 0", "", "held by you", "held by you", "stolen 2 from you"),
    ("pending - 0 -", "held me 1 here 0", "", "given 2", "given 2", "given 2"),
    // Held in another worktree.
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
    // Finished in another worktree.
    (
        "pending - 0 -",
        "completed you 1 there 0",
        "completed you 1 -",
        "completed by you",
        "completed by you",
        "stolen 2 from you",
    ),
    ("pending - 0 -", "failed you 1 there 0", "failed you 1 -", "failed by you", "failed by you", "stolen 2 from you"),
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
    ("pending - 0 -", "completed you 1 there 0", "running you 1 -", "held by you", "held by you", "stolen 2 from you"),
    ("pending - 0 -", "begun you 1 here 0", "", "given 2", "given 2", "given 2"),
    ("running you 1 -", "begun you 1 here 0", "", "held by you", "held by you", "stolen 2 from you"),
    ("running you 1 -", "begun it 2 there 0", "pending - 0 -", "given 3", "given 3", "given 3"),
    // Its writer lives.
    ("pending - 0 -", "begun you 1 here 0 open", "", "over by you", "over by you", "stolen 2 from you"),
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
    for (here, registry, there, polite, force, steal) in CASES {
        let evidence = evidence(here, registry, there);
        for (over, expected) in [(Override::None, polite), (Override::Force, force), (Override::Steal, steal)] {
            let ask = LeaseRequest { by: name("me"), lease: LEASE, over };
            let verdict = decide("task-1", &evidence, &[], &ask, &now(), &place("here"));
            assert_eq!(describe(&verdict), *expected, "{over:?}: here {here}, registry {registry}, there {there}");
        }
    }
}

#[test]
fn what_waits_is_given_to_nobody() {
    let blocker = Blocker { id: DocId::new("task-0").expect("valid"), why: Wait::Missing };
    for over in [Override::None, Override::Force, Override::Steal] {
        let ask = LeaseRequest { by: name("me"), lease: LEASE, over };
        let evidence = evidence("pending - 0 -", "", "");
        let verdict = decide("task-1", &evidence, std::slice::from_ref(&blocker), &ask, &now(), &place("here"));
        assert_eq!(describe(&verdict), "waits");
        // A value that cannot be used keeps it from all but those who force it; its holder goes on.
        let mut flawed = evidence;
        flawed.here.unusable = Some(Box::new(Diagnostic::error(Code::BadValue, "unusable")));
        let expected = if over == Override::None { "unusable" } else { "given 1" };
        assert_eq!(describe(&decide("task-1", &flawed, &[], &ask, &now(), &place("here"))), expected);
    }
    let ask = LeaseRequest { by: name("me"), lease: LEASE, over: Override::None };
    let over = evidence("running you 1 -", "held you 1 here 60", "");
    assert_eq!(describe(&decide("task-1", &over, &[blocker], &ask, &now(), &place("here"))), "given 2 from you");
}

#[test]
fn signs_of_life_and_a_sleep_keep_a_lease() {
    let ask = |by| LeaseRequest { by: name(by), lease: LEASE, over: Override::None };
    let verdict = |evidence: &LeaseEvidence, now: &BootTime| {
        describe(&decide("task-1", evidence, &[], &ask("me"), now, &place("here")))
    };
    let mut over = evidence("running you 1 -", "held you 1 here 61", "");
    assert_eq!(verdict(&over, &now()), "given 2 from you");
    // Slept for less than counts, then for long: the machine wakes, and the holder has had no time.
    for (slept_ms, expected) in [(9_999, "given 2 from you"), (10_000, "held by you, counted anew")] {
        assert_eq!(verdict(&over, &BootTime { slept_ms, ..now() }), expected);
    }
    over.last_seen = Some(now().ms - 60_000);
    assert_eq!(verdict(&over, &now()), "given 2 from you");
    over.last_seen = Some(now().ms - 59_999);
    assert_eq!(verdict(&over, &now()), "held by you");
}

#[test]
fn who_may_take_up_again_what_was_taken_back() {
    for (here, registry, by, may) in [
        ("pending - 1 -", "expired me 1 here 99", "me", true),
        ("pending - 1 -", "expired me 1 here 99", "you", false),
        ("pending - 1 -", "released me 1 here 99", "me", false),
        ("pending - 2 -", "expired me 1 here 99", "me", false),
        ("pending - 0 -", "expired me 1 here 99", "me", false),
        ("completed me 1 -", "expired me 1 here 99", "me", false),
        // It was to be taken up, and its process died.
        ("pending - 1 -", "begun me 1 here 99", "me", true),
        ("pending - 1 -", "begun me 1 here 99 open", "me", false),
        ("pending - 0 -", "begun me 1 here 99", "me", false),
    ] {
        assert_eq!(expired_holder(&evidence(here, registry, ""), &name(by)).is_some(), may, "{here}, {registry}, {by}");
    }
}

#[test]
fn the_file_wins_where_history_left_what_the_registry_says() {
    let mut left = evidence("running me 1 -", "held you 2 here 0", "");
    let guarded = |evidence: &LeaseEvidence, by: &str| {
        let by = name(by);
        authorize("task-1", evidence, LeaseProof { by: Some(&by), fence: None }, &now(), &place("here")).is_ok()
    };
    // The other one has it, in a file that is not of this moment.
    assert_eq!((guarded(&left, "me"), guarded(&left, "you")), (false, false));
    left.is_reverted = true;
    assert_eq!((guarded(&left, "me"), guarded(&left, "you")), (true, false));
    let ask = LeaseRequest { by: name("me"), lease: LEASE, over: Override::None };
    assert_eq!(describe(&decide("task-1", &left, &[], &ask, &now(), &place("here"))), "given 3");
}

#[test]
fn who_may_change_a_task() {
    // The document here, the registry, the document there; who asks and with which fence; what they are told.
    for (here, registry, there, by, fence, expected) in [
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
        let proof = LeaseProof { by: who.as_ref(), fence: fence.parse().ok() };
        let answer = match authorize("task-1", &evidence(here, registry, there), proof, &now(), &place("here")) {
            Ok(()) => "may".to_owned(),
            Err(lost) => format!("{} by {}", lost.why.word(), lost.by.as_ref().map_or("-", AgentName::as_str)),
        };
        assert_eq!(answer, expected, "here {here}, registry {registry}, there {there}, {by} with {fence}");
    }
}
