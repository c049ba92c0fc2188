//! A disk that is full, has no inodes left, or becomes read-only or dies in the middle of work: a clear error, nothing lost,
//! and when there is room again everything goes on.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::errors::{assert_decent, assert_recovers, assert_true};
use crate::history::assert_sound;
use crate::lab::{Lab, Work};
use crate::random::Chance;
use crate::share::{Share, row};
use crate::support::disk::{DISK_BYTES, Disk};
use crate::support::stop::StopOnDrop;
use crate::support::{FOLDER, Run, Sandbox, could_not_run, sized};
use crate::{alone, tell};

/// A small disk, to be filled quickly.
const SMALL_BYTES: u64 = 32 * 1024 * 1024;
/// What is left free, in blocks of 4 KiB, or in inodes.
const FREE: [u64; 14] = [0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 26, 40];
/// How many of these a normal run takes.
const TAKEN: usize = 3;
/// Rounds of a disk that dies while agents write, in a quick run.
const DEATHS: usize = 2;
/// Writers at work while a disk changes under them.
const WRITERS: usize = 3;

const WORKS: [Work; 5] = [Work::Create, Work::Update, Work::UpdateAlone, Work::Complete, Work::CommitSave];

/// Writes until nothing fits any more.
fn fill(path: &Path) -> File {
    let mut file = File::create(path).unwrap();
    for size in [1 << 20, 1 << 12, 1] {
        let block = vec![b'x'; size];
        while file.write_all(&block).is_ok() {}
    }
    let _ = file.sync_all();
    file
}

/// Makes empty files until there can be no more; gives how many.
fn use_up_inodes(folder: &Path) -> u64 {
    fs::create_dir(folder).unwrap();
    for count in 0.. {
        match File::create(folder.join(count.to_string())) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::StorageFull => return count,
            Err(error) => panic!("{error}"),
        }
    }
    unreachable!("inodes are counted")
}

/// Each kind of work on a disk with so little left; `take` leaves that much and `give` gives everything back.
fn short_of(what: &str, disk: &Disk, share: &mut Share, take: impl Fn(&Path, u64), give: impl Fn(&Path)) {
    for work in WORKS {
        let (mut done, mut refused) = (0, 0);
        // Nothing at all is always among them, so that it is in the way for certain.
        let frees: Vec<u64> =
            [0].into_iter().chain(share.places(FREE.len() - 1).map(|place| FREE[place + 1])).collect();
        for free in &frees {
            let free = *free;
            let mut lab = Lab::new(work, Some(disk));
            lab.reset(None);
            take(disk.path(), free);
            let run = lab.run();
            let at = format!("{}, {free} left ({what})", work.name());
            assert_decent(&at, &run);
            assert_true(&at, &lab, &run);
            assert_eq!(lab.torn(), None, "{at}");
            give(disk.path());
            assert_recovers(&at, &lab);
            if run.code == Some(0) {
                done += 1;
            } else {
                refused += 1;
            }
        }
        assert!(refused > 0, "{}: {what} never got in its way", work.name());
        row("full", &[what, work.name(), &frees.len().to_string(), &done.to_string(), &refused.to_string()]);
    }
}

#[test]
fn a_full_disk_is_told_and_overcome() {
    let _alone = alone();
    let disk = match Disk::new("ext4", SMALL_BYTES) {
        Ok(disk) => disk,
        Err(why) => return could_not_run("a_full_disk_is_told_and_overcome", &why),
    };
    let take = |disk: &Path, blocks: u64| {
        let file = fill(&disk.join("fill"));
        let length = file.metadata().unwrap().len();
        file.set_len(length.saturating_sub(blocks * 4096)).unwrap();
        file.sync_all().unwrap();
    };
    let mut share = Share::of("a_full_disk_is_told_and_overcome", TAKEN);
    short_of("blocks", &disk, &mut share, take, |disk| fs::remove_file(disk.join("fill")).unwrap());
}

#[test]
fn a_disk_without_inodes_is_told_and_overcome() {
    let _alone = alone();
    let disk = match Disk::with("ext4", SMALL_BYTES, &["-N", "512"]) {
        Ok(disk) => disk,
        Err(why) => return could_not_run("a_disk_without_inodes_is_told_and_overcome", &why),
    };
    let take = |disk: &Path, inodes: u64| {
        let folder = disk.join("inodes");
        let count = use_up_inodes(&folder);
        for number in 0..inodes.min(count) {
            fs::remove_file(folder.join(number.to_string())).unwrap();
        }
    };
    let mut share = Share::of("a_disk_without_inodes_is_told_and_overcome", TAKEN);
    short_of("inodes", &disk, &mut share, take, |disk| fs::remove_dir_all(disk.join("inodes")).unwrap());
}

/// Agents that write facts to tasks of their own for as long as they may, and remember what was acknowledged.
struct Crowd<'a> {
    sandbox: &'a Sandbox,
    stop: AtomicBool,
    /// Nobody begins anything new.
    pause: AtomicBool,
    acknowledged: AtomicUsize,
    refused: AtomicUsize,
}

impl<'a> Crowd<'a> {
    fn new(sandbox: &'a Sandbox) -> Self {
        let (stop, pause) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { sandbox, stop, pause, acknowledged: 0.into(), refused: 0.into() }
    }

    /// Works from this number on until it is told to stop; gives every fact that was acknowledged.
    fn work(&self, writer: usize, round: usize) -> Vec<String> {
        let id = format!("task-writer-{writer}");
        let mut facts = Vec::new();
        for count in 0.. {
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
            while self.pause.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(1));
            }
            let fact = format!("round_{round}_{count}");
            let run = self.sandbox.mycelium(&["task", "update", &id, "--set", &format!("{fact}=1")]);
            assert_decent(&fact, &run);
            if run.code == Some(0) {
                facts.push(format!("{fact}: 1"));
                self.acknowledged.fetch_add(1, Ordering::Relaxed);
            } else {
                self.refused.fetch_add(1, Ordering::Relaxed);
                thread::sleep(Duration::from_millis(5));
            }
        }
        facts
    }

    /// Runs all writers while something happens to their disk; gives what each was told.
    fn while_at_work(&self, round: usize, happens: impl FnOnce()) -> Vec<Vec<String>> {
        self.stop.store(false, Ordering::Relaxed);
        thread::scope(|scope| {
            let writers: Vec<_> = (0..WRITERS).map(|writer| scope.spawn(move || self.work(writer, round))).collect();
            let end = StopOnDrop(&self.stop);
            happens();
            drop(end);
            writers.into_iter().map(|writer| writer.join().unwrap()).collect()
        })
    }
}

/// Waits until something was counted so many times more.
fn until(count: &AtomicUsize, more: usize) {
    let (start, from) = (Instant::now(), count.load(Ordering::Relaxed));
    while count.load(Ordering::Relaxed) < from + more {
        assert!(start.elapsed() < Duration::from_secs(60), "the writers got no further");
        thread::sleep(Duration::from_millis(5));
    }
}

fn writers_place(disk: &Disk) -> Sandbox {
    let sandbox = Sandbox::below(disk.path());
    sandbox.make_repository();
    for writer in 0..WRITERS {
        let id = format!("task-writer-{writer}");
        sandbox.mycelium(&["task", "create", "--type", "test", "--id", &id]).ok();
    }
    sandbox
}

fn assert_found(sandbox: &Sandbox, facts: &[Vec<String>], at: &str) {
    for (writer, facts) in facts.iter().enumerate() {
        let path = format!("{FOLDER}/task-writer-{writer}.md");
        let text = sandbox.read(&path);
        assert!(text.starts_with("---\n") && text.matches("\n---\n").count() == 1, "{at}: torn: {text:?}");
        for fact in facts {
            assert!(text.lines().any(|line| line == fact), "{at}: `{fact}` was acknowledged: {text}");
        }
    }
}

#[test]
fn a_disk_that_becomes_read_only_stops_work_and_loses_nothing() {
    let _alone = alone();
    let disk = match Disk::new("ext4", SMALL_BYTES) {
        Ok(disk) => disk,
        Err(why) => return could_not_run("a_disk_that_becomes_read_only_stops_work_and_loses_nothing", &why),
    };
    let sandbox = writers_place(&disk);
    let crowd = Crowd::new(&sandbox);
    let facts = crowd.while_at_work(0, || {
        until(&crowd.acknowledged, 3);
        // Refused while a file is open for writing, so it hits between two calls; or, on a busy machine, two commands.
        let start = Instant::now();
        while !disk.try_remount("ro") {
            crowd.pause.store(start.elapsed() > Duration::from_secs(3), Ordering::Relaxed);
            assert!(start.elapsed() < Duration::from_secs(60), "the disk was always in use");
        }
        crowd.pause.store(false, Ordering::Relaxed);
        until(&crowd.refused, 6);
        assert_eq!(sandbox.mycelium(&["task", "list"]).code, Some(0), "reading goes on");
        disk.remount("rw");
        until(&crowd.acknowledged, 6);
    });
    sandbox.mycelium(&["commit"]).ok();
    assert_found(&sandbox, &facts, "read-only");
    assert!(crate::history::is_committed(&sandbox), "{}", sandbox.git(&["status", "--porcelain"]));
    assert_sound(&sandbox);
    let (acknowledged, refused) = (facts.iter().map(Vec::len).sum::<usize>(), crowd.refused.into_inner());
    row("middle", &["becomes read-only, then writable", "1", &acknowledged.to_string(), &refused.to_string(), "0"]);
}

#[test]
fn a_disk_that_dies_in_the_middle_of_work_keeps_what_was_acknowledged() {
    let test = "a_disk_that_dies_in_the_middle_of_work_keeps_what_was_acknowledged";
    let _alone = alone();
    let (mut chance, seed) = Chance::new();
    tell(&format!("{test}: seed {seed} (MYCELIUM_SEED)"));
    for kind in ["ext4", "xfs"] {
        let disk = match Disk::new(kind, DISK_BYTES) {
            Ok(disk) => disk,
            Err(why) => return could_not_run(test, &why),
        };
        let sandbox = writers_place(&disk);
        let rounds = sized("MYCELIUM_CUTS", DEATHS, 100);
        let crowd = Crowd::new(&sandbox);
        let mut all: Vec<Vec<String>> = vec![Vec::new(); WRITERS];
        for round in 0..rounds {
            let facts = crowd.while_at_work(round, || {
                until(&crowd.acknowledged, 1);
                thread::sleep(Duration::from_micros(chance.below(150_000)));
                if round % 2 == 1 {
                    disk.other_program_writes();
                }
                disk.shut_down();
            });
            disk.plug_in_again();
            all.iter_mut().zip(facts).for_each(|(all, new)| all.extend(new));
            let at = format!("{kind}, round {round}");
            let run = Run::of(sandbox.command("git").args(["fsck", "--strict", "--no-dangling", "--no-progress"]));
            assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{at}");
            assert_found(&sandbox, &all, &at);
            sandbox.mycelium(&["commit"]).ok();
            assert!(crate::history::is_committed(&sandbox), "{at}: {}", sandbox.git(&["status", "--porcelain"]));
        }
        let acknowledged: usize = all.iter().map(Vec::len).sum();
        let what = format!("dies ({kind}, power cut), then lives again");
        let refused = crowd.refused.into_inner().to_string();
        row("middle", &[&what, &rounds.to_string(), &acknowledged.to_string(), &refused, "0"]);
    }
}
