//! Every crash point: a kill at each single system call that changes something, then perhaps a power cut, then the same
//! operation again, then a power cut for certain. The same for git itself, which shows that the harness bites.

use crate::alone;
use crate::lab::{Fault, GitSync, Lab, OURS, Work, disk};
use crate::share::{Share, row};
use crate::support::disk::Disk;
use crate::support::{can_trace, could_not_run};

/// System calls that change files, or open them to.
const CALLS: &[&str] = &[
    "linkat",
    "link",
    "renameat2",
    "renameat",
    "rename",
    "unlinkat",
    "unlink",
    "fdatasync",
    "fsync",
    "syncfs",
    "flock",
    "write",
    "pwrite64",
    "writev",
    "ftruncate",
    "fallocate",
    "mkdirat",
    "mkdir",
    "rmdir",
    "symlinkat",
    "symlink",
    "fchmod",
    "chmod",
    "utimensat",
    "openat2",
    "openat",
    "open",
];

/// What happens between the kill and the next command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// Nothing.
    Nothing,
    /// A power cut.
    Cut,
    /// Another program syncs a file of its own, which takes half-done work to the disk; then a power cut.
    SyncAndCut,
}

impl Then {
    fn name(self) -> &'static str {
        match self {
            Self::Nothing => "kill",
            Self::Cut => "kill, power cut",
            Self::SyncAndCut => "kill, sync by another program, power cut",
        }
    }
}

/// What was found wrong, over all points of a row.
#[derive(Debug, Default)]
struct Tally {
    points: usize,
    /// fsck or log find fault, or a document is torn.
    broken: usize,
    /// The same operation does not work any more.
    refused: usize,
    /// After the repetition (and, for git, the removal of its stale locks by hand) fsck or log still find fault.
    unreadable: usize,
    /// The repetition was acknowledged, and a power cut took it.
    lost: usize,
    /// The first that was found.
    first: Option<String>,
}

impl Tally {
    fn note(&mut self, what: String) {
        self.first.get_or_insert(what);
    }

    fn faults(&self) -> usize {
        self.broken + self.refused + self.unreadable + self.lost
    }
}

/// The crash points of a kind of work: every call, counted in a run without a fault.
fn kills(lab: &mut Lab, disk: Option<&Disk>) -> Vec<Fault> {
    lab.reset(disk);
    let counts = lab.count(CALLS);
    let fault = |call, when: usize| Fault { call, how: "signal=KILL".to_owned(), when: when.to_string() };
    counts.into_iter().flat_map(|(call, count)| (1..=count).map(move |when| fault(call, when))).collect()
}

/// Tries one crash point, and adds what was found; `false` if this run did not make the call.
fn kill_at(lab: &mut Lab, disk: Option<&Disk>, fault: &Fault, then: Then, tally: &mut Tally) -> bool {
    lab.reset(disk);
    let (run, is_hit) = lab.run_with(fault);
    if !is_hit {
        // Runs differ by a call or two: a folder of objects may be there already.
        assert_eq!(run.code, Some(0), "{}: {fault} did not come to pass: {run:?}", lab.work.name());
        return false;
    }
    tally.points += 1;
    let at = format!("{} ({}), {fault}", lab.work.name(), then.name());
    if let Some(disk) = disk.filter(|_| then != Then::Nothing) {
        if then == Then::SyncAndCut {
            disk.other_program_writes();
        }
        disk.cut_power();
    }
    if let Some(why) = lab.unsound().or_else(|| lab.torn()) {
        tally.broken += 1;
        tally.note(format!("{at}: {why}"));
    }
    let retried = lab.retry();
    // It was done before, and the answer says so. After a power cut the journal may not tell by whom, so it counts as an edit
    // by hand; an error leaves the end to the next command.
    let is_so_already = retried.stderr.contains("no changes") && then != Then::Nothing;
    if is_so_already || retried.code != Some(0) && lab.is_success(&retried) {
        lab.sandbox().mycelium(&["commit"]).ok();
    }
    if !lab.is_success(&retried) || !lab.is_kept() {
        tally.refused += 1;
        tally.note(format!("{at}: the repetition: {retried:?}"));
        if !lab.work.is_git() {
            return true;
        }
        for lock in ["index.lock", "HEAD.lock", "refs/heads/main.lock"] {
            let _ = std::fs::remove_file(lab.sandbox().path(".git").join(lock));
        }
        let _ = lab.retry();
    }
    let left = crate::history::leftovers(&lab.sandbox().path(".git"));
    assert!(lab.work.is_git() || left.is_empty(), "{at}: left after the next command: {left:?}");
    if let Some(why) = lab.unsound() {
        tally.unreadable += 1;
        tally.note(format!("{at}: after the repetition: {why}"));
    } else if let Some(disk) = disk {
        disk.cut_power();
        if !lab.is_kept() {
            tally.lost += 1;
            tally.note(format!("{at}: the repetition was acknowledged and is lost"));
        } else if let Some(why) = lab.unsound() {
            tally.unreadable += 1;
            tally.note(format!("{at}: after the last power cut: {why}"));
        }
    }
    true
}

/// One row of the table: one kind of work, one kind of end, one file system.
fn kill_everywhere(work: Work, disk: Option<(&str, &Disk)>, then: Then, share: &mut Share) -> Tally {
    let (kind, disk) = disk.unzip();
    let mut lab = Lab::new(work, disk);
    let mut tally = Tally::default();
    let all = kills(&mut lab, disk);
    let possible = all.len();
    share.try_each(&all, |fault| {
        let is_hit = kill_at(&mut lab, disk, fault, then, &mut tally);
        assert!(work.is_git() || tally.faults() == 0, "{}", tally.first.as_deref().unwrap_or_default());
        is_hit
    });
    if disk.is_none() || share.is_all() {
        lab.sweep_all();
    }
    let figures = [tally.points, possible, tally.broken, tally.refused, tally.unreadable, tally.lost];
    let [points, possible, broken, refused, unreadable, lost] = figures.map(|figure| figure.to_string());
    let of = format!("{points} of {possible}");
    let file_system = kind.unwrap_or("any");
    row("kill", &[work.name(), file_system, then.name(), &of, &broken, &refused, &unreadable, &lost]);
    assert!(tally.points > 0, "no kill reached the program");
    tally
}

/// The kinds of work that this build can do: half-done work is made by a break that only debug builds have.
fn works() -> impl Iterator<Item = Work> {
    let needs_debug = |work: &Work| matches!(work, Work::RecoverWrite | Work::RecoverCommit);
    OURS.into_iter().filter(move |work| cfg!(debug_assertions) || !needs_debug(work))
}

fn kill_ours(test: &str, works: &[Work], limit: usize) {
    let _alone = alone();
    if let Err(why) = can_trace() {
        return could_not_run(test, &why);
    }
    let mut share = Share::of(test, limit);
    for work in works {
        kill_everywhere(*work, None, Then::Nothing, &mut share);
    }
}

#[test]
fn a_kill_at_any_call_of_a_create_is_recovered() {
    kill_ours("a_kill_at_any_call_of_a_create_is_recovered", &[Work::Create], 10);
}

#[test]
fn a_kill_at_any_call_of_an_update_is_recovered() {
    kill_ours("a_kill_at_any_call_of_an_update_is_recovered", &[Work::Update, Work::Complete, Work::UpdateAlone], 6);
}

#[test]
fn a_kill_at_any_call_of_an_archiving_is_recovered() {
    kill_ours("a_kill_at_any_call_of_an_archiving_is_recovered", &[Work::Archive], 10);
}

#[test]
fn a_kill_at_any_call_of_a_commit_is_recovered() {
    kill_ours("a_kill_at_any_call_of_a_commit_is_recovered", &[Work::CommitSave], 10);
}

#[test]
#[cfg(debug_assertions)]
fn a_kill_at_any_call_of_a_recovery_is_recovered() {
    let works = [Work::RecoverWrite, Work::RecoverCommit];
    kill_ours("a_kill_at_any_call_of_a_recovery_is_recovered", &works, 6);
}

fn kill_and_cut(test: &str, kind: &str, limit: usize) {
    let _alone = alone();
    let disk = match disk(kind) {
        Ok(disk) => disk,
        Err(why) => return could_not_run(test, &why),
    };
    let mut share = Share::of(test, limit);
    for work in works() {
        for then in [Then::Nothing, Then::Cut, Then::SyncAndCut] {
            kill_everywhere(work, Some((kind, &disk)), then, &mut share);
        }
    }
}

#[test]
fn a_kill_and_a_power_cut_on_ext4_are_recovered() {
    kill_and_cut("a_kill_and_a_power_cut_on_ext4_are_recovered", "ext4", 2);
}

#[test]
fn a_kill_and_a_power_cut_on_xfs_are_recovered() {
    kill_and_cut("a_kill_and_a_power_cut_on_xfs_are_recovered", "xfs", 1);
}

/// Git under the same hands. It promises less; that it is found out is what shows that the harness bites.
#[test]
fn git_is_found_out_by_the_same_kills() {
    let test = "git_is_found_out_by_the_same_kills";
    let _alone = alone();
    for kind in ["ext4", "xfs"] {
        let disk = match disk(kind) {
            Ok(disk) => disk,
            Err(why) => return could_not_run(test, &why),
        };
        let mut share = Share::of(test, 2);
        let mut broken = 0;
        for sync in [GitSync::Default, GitSync::All] {
            for work in [Work::GitAdd(sync), Work::GitCommit(sync)] {
                for then in [Then::Nothing, Then::Cut, Then::SyncAndCut] {
                    broken += kill_everywhere(work, Some((kind, &disk)), then, &mut share).faults();
                }
            }
        }
        assert!(broken > 0, "no kill and no power cut on {kind} harms git: the harness does not bite");
    }
}
