//! The engine's rules as stories: what happens when, and what the engine does about it. A virtual clock, no I/O.

mod world;

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::core::diagnostic::{Code, Diagnostic};
use world::Act::*;
use world::{Act, World, content, path};

/// Plays a story and compares what was done, `MS WHAT` a line.
#[track_caller]
fn story(head: &[(&'static str, &'static str)], acts: &[(u64, Act)], expected: &[&str]) -> World {
    let mut world = World::new(head);
    world.step(0, Input::Tick);
    let mut acts = acts.iter().peekable();
    let mut steps = 0;
    loop {
        steps += 1;
        assert!(steps < 10_000, "the engine is busy for nothing: {:#?}", world.log);
        let wake = world.wake().filter(|at| *at < 120_000);
        match (acts.peek(), wake) {
            (Some((at, act)), wake) if wake.is_none_or(|wake| *at <= wake) => {
                world.act(*at, act);
                acts.next();
            }
            (_, Some(wake)) => world.step(wake, Input::Tick),
            _ => break,
        }
    }
    assert_eq!(world.log, expected);
    world
}

const TWO: &[(&str, &str)] = &[("a", "1"), ("b", "1")];

#[test]
fn an_edit_settles_for_200_ms_and_then_everything_sleeps() {
    let world = story(TWO, &[(5_000, Write("a", "2"))], &["5230 commit a"]);
    assert_eq!(world.engine.wake_at(), None);
    assert_eq!(world.scans, [0, 5_030, 5_230]);
}

#[test]
fn nothing_to_do_is_no_wake_up() {
    assert_eq!(story(TWO, &[], &[]).scans, [0]);
    assert_eq!(story(TWO, &[(9_000, Wake)], &[]).scans, [0, 9_030]);
}

#[test]
fn a_burst_is_one_commit_and_waits_two_seconds_at_most() {
    let texts = ["0", "1", "2", "3", "4", "5", "6", "7"];
    let acts: Vec<(u64, Act)> =
        (0..30).map(|i| (1_000 + i as u64 * 100, Write(["c", "d", "e", "f"][i % 4], texts[i / 4]))).collect();
    let world = story(&[], &acts, &["3030 commit d e", "4130 commit c d e f"]);
    assert_eq!(world.commits, 2);
    story(&[], &[(0, Write("c", "1")), (150, Write("d", "1")), (300, Write("e", "1"))], &["530 commit c d e"]);
}

#[test]
fn a_file_that_still_moves_is_left_out_and_reported_when_it_never_rests() {
    let mut acts: Vec<(u64, Act)> = (0..140).map(|i| (1_000 + i as u64 * 90, Write("a", ["2", "3"][i % 2]))).collect();
    acts.insert(1, (1_010, Write("b", "2")));
    story(
        TWO,
        &acts,
        &[
            "3060 commit b",
            "11110 held back `a.md`: it is still being written",
            "13740 no longer held back: `a.md`",
            "13740 commit a",
        ],
    );
}

#[test]
fn operations_of_the_api_do_not_wait() {
    story(TWO, &[(1_000, Own("a", Some("2")))], &["1030 commit a"]);
    story(TWO, &[(1_000, Own("a", None)), (1_000, Own("b", None))], &["1030 commit a b"]);
    // A hand edit beside them takes its own time.
    story(TWO, &[(1_000, Own("a", Some("2"))), (1_010, Write("b", "2"))], &["1040 commit a", "1240 commit b"]);
    // What is written over by hand is no longer the operation's.
    story(TWO, &[(1_000, Own("a", Some("2"))), (1_010, Write("a", "3"))], &["1240 commit a"]);
}

#[test]
fn a_deletion_settles_for_two_seconds() {
    story(TWO, &[(1_000, Delete("a"))], &["3030 commit a"]);
    story(TWO, &[(1_000, Delete("a")), (2_900, Write("a", "1"))], &[]);
    // An editor that deletes and makes again.
    story(TWO, &[(1_000, Delete("a")), (1_040, Write("a", "2"))], &["1280 commit a"]);
    // A move is no loss and one commit.
    story(TWO, &[(1_000, Move("a", "c"))], &["1230 commit a c"]);
}

#[test]
fn many_deletions_wait_for_force() {
    let many: Vec<(u64, Act)> = vec![(0, WriteMany(25)), (5_000, DeleteMany(20))];
    story(&[], &many, &["250 commit task-000 ... task-024", "7030 commit task-000 ... task-019"]);
    let more = vec![(0, WriteMany(25)), (5_000, DeleteMany(21)), (9_000, Write("z", "1"))];
    story(
        &[],
        &more,
        &[
            "250 commit task-000 ... task-024",
            "7030 held back the deletion of 21 of 25 documents (more than 20 at once)",
            "9230 commit z",
            "9230 held back the deletion of 21 of 26 documents (more than 20 at once)",
        ][..3],
    );
    // All of them, however few; when one comes back, the other is an ordinary deletion.
    story(
        TWO,
        &[(1_000, Delete("a")), (1_000, Delete("b")), (9_000, Write("a", "1"))],
        &["3030 held back the deletion of all 2 documents", "9030 commit b"],
    );
}

#[test]
fn what_does_not_parse_is_held_back_and_said_once_until_it_heals() {
    let world = story(
        TWO,
        &[(1_000, Write("a", "<<<<<<< HEAD")), (3_000, Write("b", "2")), (5_000, Wake), (9_000, Write("a", "2"))],
        &[
            "1230 held back `a.md`: conflict markers",
            "3230 commit b",
            "9230 no longer held back: `a.md`",
            "9230 commit a",
        ],
    );
    assert_eq!(world.engine.wake_at(), None);
    // A torn save that is whole a moment later is not worth a word.
    story(TWO, &[(1_000, Write("a", "<<<<<<<")), (1_100, Write("a", "2"))], &["1330 commit a"]);
}

#[test]
fn what_equals_the_branch_is_no_edit() {
    let world = story(TWO, &[(1_000, Checkout(&[("a", "7"), ("c", "1")])), (3_000, Checkout(TWO))], &[]);
    assert_eq!(world.scans.len(), 3);
    // Back to the old text before it settled.
    story(TWO, &[(1_000, Write("a", "2")), (1_100, Write("a", "1"))], &[]);
}

#[test]
fn a_busy_repository_is_waited_for_with_growing_pauses() {
    let world = story(
        TWO,
        &[(500, Busy("a rebase is under way")), (1_000, Write("a", "2")), (40_000, Free)],
        &["2730 commits wait: a rebase is under way", "40030 commit a", "40030 commits go on"],
    );
    assert!(world.scans.len() < 20, "{:?}", world.scans);
    // A short lock is nobody's business.
    story(TWO, &[(500, Busy("the index is locked")), (1_000, Write("a", "2")), (1_400, Free)], &["1430 commit a"]);
    // Nothing to commit: nothing to wait for.
    let world = story(TWO, &[(500, Busy("a rebase is under way")), (600, Wake)], &[]);
    assert_eq!(world.engine.wake_at(), None);
    // It ends without an event: the pauses find out.
    let mut world = story(TWO, &[(500, Busy("a rebase")), (1_000, Write("a", "2"))], &["2730 commits wait: a rebase"]);
    world.readiness = Readiness::Ready;
    let wake = world.wake().expect("it asks again by itself");
    world.step(wake, Input::Tick);
    assert_eq!(world.commits, 1);
}

#[test]
fn what_can_never_be_committed_is_said_once_and_costs_nothing() {
    let world = story(
        TWO,
        &[(0, Never("the folder is ignored")), (1_000, Write("a", "2")), (9_000, Wake)],
        &["1230 commits wait: the folder is ignored"],
    );
    assert_eq!(world.engine.wake_at(), None);
}

#[test]
fn refused_commits_are_tried_again() {
    story(TWO, &[(0, Refuse(2, Retry::Soon)), (1_000, Write("a", "2"))], &["1530 commit a"]);
    story(
        TWO,
        &[(0, Refuse(1, Retry::Late)), (1_000, Write("a", "2"))],
        &["1230 could not commit: no identity", "31230 commit a", "31230 commits go on"],
    );
}

#[test]
fn a_commit_that_leaves_everything_out_is_no_reason_to_hurry() {
    let world = story(
        TWO,
        &[(0, LeaveOut(6)), (1_000, Write("a", "2"))],
        &["2730 commits wait: the documents change while they are committed", "7530 commit a", "7530 commits go on"],
    );
    assert!(world.scans.len() < 12, "{:?}", world.scans);
}

#[test]
fn a_folder_that_cannot_be_read_is_tried_again() {
    let world = story(
        TWO,
        &[(900, Fail(5)), (1_000, Write("a", "2"))],
        &["930 could not look: permission denied", "4230 commit a"],
    );
    assert!(world.scans.len() < 12);
}

#[test]
fn without_events_the_folder_is_compared_every_two_seconds() {
    let world = story(
        TWO,
        &[(1_000, Degraded), (3_500, Write("a", "2")), (9_000, Restored)],
        &["1000 comparing the folder every 2 s: no more watches", "4200 commit a", "9000 file events come again"],
    );
    assert_eq!(world.scans, [0, 2_000, 4_000, 4_200, 6_200, 8_200, 9_030]);
    assert_eq!(world.engine.wake_at(), None);
}

#[test]
fn stopping_commits_what_is_whole() {
    story(TWO, &[(1_000, Stop)], &["1000 stopped"]);
    story(TWO, &[(1_000, Write("a", "2")), (1_010, Stop)], &["1210 commit a", "1210 stopped"]);
    story(TWO, &[(1_000, Delete("a")), (1_010, Stop)], &["1210 commit a", "1210 stopped"]);
    story(TWO, &[(1_000, Own("a", Some("2"))), (1_001, Stop)], &["1001 commit a", "1001 stopped"]);
    story(
        TWO,
        &[(1_000, Write("a", "<<<<<<<")), (1_000, Write("b", "2")), (1_010, Stop)],
        &["1210 held back `a.md`: conflict markers", "1210 commit b", "1210 stopped"],
    );
    story(
        TWO,
        &[(1_000, Busy("a merge")), (1_000, Write("a", "2")), (1_010, Stop)],
        &["1210 commits wait: a merge", "3010 stopped with 1 document not committed", "3010 stopped"],
    );
    story(TWO, &[(1_000, Stop), (1_000, Write("a", "2")), (1_100, Write("b", "3"))], &["1000 stopped"]);
    story(
        TWO,
        &[(1_000, Busy("a merge")), (1_000, Write("a", "2")), (1_010, Stop), (1_300, Stop)],
        &["1210 commits wait: a merge", "1300 stopped with 1 document not committed", "1300 stopped"],
    );
}

#[test]
fn stopping_does_not_wait_for_a_file_that_never_rests() {
    let mut acts: Vec<(u64, Act)> = (0..60).map(|i| (1_000 + i as u64 * 90, Write("a", ["2", "3"][i % 2]))).collect();
    acts.insert(2, (1_095, Write("b", "2")));
    acts.insert(3, (1_100, Stop));
    let world = story(TWO, &acts, &["2110 commit b", "2200 stopped with 1 document not committed", "2200 stopped"]);
    assert_eq!(world.commits, 1);
}

#[test]
fn a_jumping_clock_only_hurries_or_delays_a_little() {
    for jump in [-900_000, -1, 1, 900_000, 3_600_000_000] {
        let acts = [(1_000, Write("a", "2")), (1_040, Clock(1_000_000 + jump)), (1_041, Wake)];
        let mut world = World::new(TWO);
        world.step(0, Input::Tick);
        for (at, act) in &acts {
            world.act(*at, act);
        }
        for _ in 0..10 {
            let Some(wake) = world.wake() else { break };
            assert!(wake <= 1_400, "jump {jump}: next wake-up at {wake}");
            world.step(wake.max(1_041), Input::Tick);
        }
        assert_eq!((world.commits, world.engine.wake_at()), (1, None), "jump {jump}");
    }
}

#[test]
fn force_admits_all_that_can_be_taken_in() {
    let fault = Diagnostic::error(Code::FileTooBig, "too big");
    let change =
        |before: Option<&str>, after| PendingChange { before: before.map(content), after, origin: ChangeOrigin::Hand };
    let changes = BTreeMap::from([
        (path("big"), change(None, After::Faulty(None, fault.clone()))),
        (path("broken"), change(Some("1"), After::Faulty(Some(content("x")), fault.clone()))),
        (path("gone"), change(Some("2"), After::Deleted)),
        (path("new"), change(None, After::Content(content("3")))),
    ]);
    let stems = |a: &Admission| a.commit.iter().map(|p| p.stem().to_owned()).collect::<Vec<_>>().join(" ");
    assert_eq!(stems(&admit(&changes, 1, DELETIONS_MAX, Force::No)), "new");
    assert_eq!(admit(&changes, 1, DELETIONS_MAX, Force::No).held.len(), 3);
    assert_eq!(stems(&admit(&changes, 2, DELETIONS_MAX, Force::No)), "gone new");
    let forced = admit(&changes, 1, DELETIONS_MAX, Force::Yes);
    assert_eq!(stems(&forced), "broken gone new");
    assert_eq!(forced.held, [Held { path: path("big"), why: Why::Unknown(fault) }]);
}

#[test]
fn every_report_reads_as_a_fragment() {
    let reason = Reason::new("why").hint("do this");
    let fault = Diagnostic::error(Code::ConflictMarkers, "conflict markers").hint("do that");
    for (report, text) in [
        (Report::Held(Held { path: path("a"), why: Why::Unreadable(fault) }), "held back `a.md`: conflict markers"),
        (Report::Healed(path("a")), "no longer held back: `a.md`"),
        (Report::Guarded { deleted: 2, of: 2 }, "held back the deletion of all 2 documents"),
        (Report::Waiting(reason.clone()), "commits wait: why"),
        (Report::Resumed, "commits go on"),
        (Report::Refused(reason.clone()), "could not commit: why"),
        (Report::Failed(reason.clone()), "could not look: why"),
        (Report::Degraded(reason), "comparing the folder every 2 s: why"),
        (Report::Restored, "file events come again"),
        (Report::Left(BTreeSet::from([path("a"), path("b")])), "stopped with 2 documents not committed"),
    ] {
        assert_eq!(report.to_string(), text);
        let is_trouble = !matches!(report, Report::Healed(_) | Report::Resumed | Report::Restored);
        assert_eq!(report.hint().is_some(), is_trouble, "{text}");
    }
}
