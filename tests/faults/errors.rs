//! Every call that touches a file fails once: a command ends in success or in an error with a documented exit code, never in
//! a false answer, a panic, a torn file or something acknowledged and lost. Afterwards the same command works.

use crate::alone;
use crate::lab::{Fault, Lab, Work, disk};
use crate::share::{Share, row};
use crate::support::disk::Disk;
use crate::support::{Run, can_trace, could_not_run};

/// What can fail, and how the system says so.
const ERRORS: &[(&str, &[&str])] = &[
    ("EIO", &["open", "openat", "read", "pread64", "write", "pwrite64", "writev", "fsync", "fdatasync", "syncfs"]),
    ("EIO", &["rename", "renameat", "renameat2", "link", "linkat", "unlink", "unlinkat", "mkdir", "mkdirat"]),
    ("EIO", &["ftruncate", "getdents64", "statx", "newfstatat", "fstat", "fchmod", "utimensat", "flock", "lseek"]),
    ("ENOSPC", &["open", "openat", "write", "pwrite64", "writev", "fsync", "rename", "renameat2", "link", "linkat"]),
    ("ENOSPC", &["mkdir", "mkdirat", "ftruncate"]),
    ("EMFILE", &["open", "openat", "fcntl"]),
    ("EROFS", &["openat", "mkdir", "rename", "renameat2", "link", "linkat", "unlink"]),
];

/// Calls that a signal may interrupt. It has to be as if nothing had happened.
const INTERRUPTED: &[&str] =
    &["open", "openat", "read", "pread64", "write", "pwrite64", "writev", "fsync", "ftruncate", "flock", "getrandom"];

/// Syncs: after a false "done" a power cut would take what was acknowledged.
const SYNCS: &[&str] = &["fsync", "fdatasync", "syncfs"];

/// The exit codes of `mycelium help`, but for those of a wrong command line and a user who stops it.
const DOCUMENTED: [i32; 6] = [0, 1, 3, 4, 5, 75];

const WORKS: [Work; 5] = [Work::Create, Work::Update, Work::UpdateAlone, Work::Complete, Work::CommitSave];

/// How the runs of a row ended.
#[derive(Default)]
struct Ends {
    done: usize,
    /// Written, and said not to be committed.
    only_written: usize,
    refused: usize,
    /// It failed before the first line of ours, in the system's loader.
    unstarted: usize,
}

/// An answer that a program may give.
pub(crate) fn assert_decent(at: &str, run: &Run) {
    let said = format!("{}{}", run.stdout, run.stderr);
    assert!(!said.contains("panicked"), "{at}: {run:?}");
    assert!(run.code.is_some_and(|code| DOCUMENTED.contains(&code)), "{at}: {run:?}");
    if run.code != Some(0) {
        assert!(run.stderr.contains("error: ") || run.stderr.contains("not committed: "), "{at}: no word why: {run:?}");
    }
}

/// It says that the change is written, but not that it is committed.
fn is_only_written(run: &Run) -> bool {
    run.stderr.contains("not committed yet") || run.stderr.contains("not committed: ")
}

pub(crate) fn assert_true(at: &str, lab: &Lab, run: &Run) {
    if run.code != Some(0) {
        return;
    }
    assert!(lab.is_in_file(), "{at}: acknowledged, and not in the file: {run:?}");
    assert!(is_only_written(run) || lab.is_kept(), "{at}: acknowledged, and not at HEAD: {run:?}");
}

/// Everything is whole, and the same command works and leaves everything clean.
pub(crate) fn assert_recovers(at: &str, lab: &Lab) {
    assert_eq!(lab.torn(), None, "{at}");
    assert_eq!(lab.unsound(), None, "{at}");
    lab.sandbox().mycelium(&["status"]).ok();
    let retried = lab.retry();
    assert!(lab.is_success(&retried), "{at}: the repetition: {retried:?}");
    if !lab.is_kept() || retried.code != Some(0) {
        lab.sandbox().mycelium(&["commit"]).ok();
    }
    assert!(lab.is_kept(), "{at}: lost after the repetition: {retried:?}");
    assert_eq!(lab.unsound(), None, "{at}");
    let left = crate::history::leftovers(&lab.sandbox().path(".git"));
    assert_eq!(left, Vec::<String>::new(), "{at}");
}

/// One fault; with a disk, a power cut follows what was acknowledged, and what was acknowledged the second time.
/// `false` if this run did not make the call.
fn fail_at(lab: &mut Lab, disk: Option<&Disk>, fault: &Fault, ends: &mut Ends) -> bool {
    lab.reset(disk);
    let (run, is_hit) = lab.run_with(fault);
    let at = format!("{}, {fault}", lab.work.name());
    if !is_hit {
        // Runs differ by a call or two: a folder of objects may be there already.
        assert_eq!(run.code, Some(0), "{at} did not come to pass: {run:?}");
        return false;
    }
    if run.code == Some(127) && run.stderr.contains("shared librar") {
        ends.unstarted += 1;
        assert_recovers(&at, lab);
        return true;
    }
    assert_decent(&at, &run);
    let is_interruption = fault.how.ends_with("EINTR");
    let is_less = run.code != Some(0) || is_only_written(&run) && lab.work != Work::UpdateAlone;
    assert!(!is_interruption || !is_less, "{at}: {run:?}");
    if run.code == Some(0) && is_only_written(&run) && lab.work != Work::UpdateAlone {
        ends.only_written += 1;
    } else if run.code == Some(0) {
        ends.done += 1;
    } else {
        ends.refused += 1;
    }
    if let Some(disk) = disk {
        disk.cut_power();
    }
    assert_true(&at, lab, &run);
    assert_recovers(&at, lab);
    if let Some(disk) = disk {
        disk.cut_power();
        assert!(lab.is_kept(), "{at}: the repetition was acknowledged and is lost");
        assert_eq!(lab.unsound(), None, "{at}");
    }
    true
}

/// One fault at each of these calls, in a share of all of them.
fn fail_everywhere(work: Work, disk: Option<(&str, &Disk)>, error: &str, calls: &[&'static str], share: &mut Share) {
    let (kind, disk) = disk.unzip();
    let mut lab = Lab::new(work, disk);
    lab.reset(disk);
    let fault = |call, when: usize| Fault { call, how: format!("error={error}"), when: when.to_string() };
    let counts = lab.count(calls);
    let all: Vec<Fault> =
        counts.into_iter().flat_map(|(call, count)| (1..=count).map(move |when| fault(call, when))).collect();
    let (possible, mut ends) = (all.len(), Ends::default());
    share.try_each(&all, |fault| fail_at(&mut lab, disk, fault, &mut ends));
    if disk.is_none() || share.is_all() {
        lab.sweep_all();
    }
    let Ends { done, only_written, refused, unstarted } = ends;
    let taken = format!("{} of {possible}", done + only_written + refused + unstarted);
    let [well, half, badly] = [done, only_written, refused].map(|figure| figure.to_string());
    row("error", &[work.name(), kind.unwrap_or("any"), error, &taken, &well, &half, &badly, "0"]);
    assert!(done + only_written + refused > 0, "no fault reached the program");
}

fn fail_all(test: &str, works: &[Work], limit: usize) {
    let _alone = alone();
    if let Err(why) = can_trace() {
        return could_not_run(test, &why);
    }
    let mut share = Share::of(test, limit);
    let mut errors: Vec<&str> = ERRORS.iter().map(|(error, _)| *error).collect();
    errors.dedup();
    for work in works {
        for error in &errors {
            let calls: Vec<_> =
                ERRORS.iter().filter(|(other, _)| other == error).flat_map(|(_, calls)| *calls).copied().collect();
            fail_everywhere(*work, None, error, &calls, &mut share);
        }
    }
}

#[test]
fn any_call_of_a_write_may_fail() {
    fail_all("any_call_of_a_write_may_fail", &WORKS[..3], 3);
}

#[test]
fn any_call_of_a_commit_may_fail() {
    fail_all("any_call_of_a_commit_may_fail", &WORKS[3..], 3);
}

/// Few enough to be tried each time.
#[test]
fn a_write_that_finds_no_room_is_told() {
    let _alone = alone();
    if let Err(why) = can_trace() {
        return could_not_run("a_write_that_finds_no_room_is_told", &why);
    }
    let mut share = Share::of("a_write_that_finds_no_room_is_told", usize::MAX);
    fail_everywhere(Work::UpdateAlone, None, "ENOSPC", &["write", "pwrite64", "ftruncate"], &mut share);
}

#[test]
fn an_interrupted_call_is_made_again() {
    let _alone = alone();
    if let Err(why) = can_trace() {
        return could_not_run("an_interrupted_call_is_made_again", &why);
    }
    let mut share = Share::of("an_interrupted_call_is_made_again", 6);
    for work in WORKS {
        fail_everywhere(work, None, "EINTR", INTERRUPTED, &mut share);
    }
}

fn a_failed_sync(test: &str, kind: &str, limit: usize) {
    let _alone = alone();
    let disk = match disk(kind) {
        Ok(disk) => disk,
        Err(why) => return could_not_run(test, &why),
    };
    let mut share = Share::of(test, limit);
    for work in WORKS {
        fail_everywhere(work, Some((kind, &disk)), "EIO", SYNCS, &mut share);
    }
}

#[test]
fn a_failed_sync_is_never_called_done_on_ext4() {
    a_failed_sync("a_failed_sync_is_never_called_done_on_ext4", "ext4", 3);
}

#[test]
fn a_failed_sync_is_never_called_done_on_xfs() {
    a_failed_sync("a_failed_sync_is_never_called_done_on_xfs", "xfs", 2);
}
