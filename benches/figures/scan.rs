//! The folder listed and read in one process, and single documents read again and again.

use std::hint::black_box;
use std::time::{Duration, Instant};

use mycelium::entity::{self, task};
use mycelium::name::{DocPath, Kind};
use mycelium::services::{Opening, Passing, Project, Scope};

use crate::bench::{Bench, Tasks, Verdict, disk, each_second, live, median, ms, timed, uncommitted, whole};

/// Fewest documents read in a second.
const READS_MIN: f64 = 50_000.0;
/// Reads that are timed together.
const SPELL: usize = 50;

pub(crate) fn run(bench: &Bench) {
    let rounds = bench.pick(9, 3, 2);
    let sizes = bench.pick(&[1_000, 10_000, 100_000][..], &[1_000, 10_000][..], &[50][..]);
    for all in sizes.iter().copied() {
        let disk = disk();
        let tasks = Tasks::flat(all);
        let sandbox = uncommitted(disk.path(), tasks);
        let opening = || Opening { root: Some(sandbox.root().to_owned()), ..Opening::default() };
        let project = Project::open(opening()).unwrap();
        let scan = || assert_eq!(project.store().folder.scan().unwrap().files.len(), tasks.all());
        let read = || assert_eq!(project.documents().snapshot(Scope::All).unwrap().len(), tasks.all());
        let each = |work: &dyn Fn()| median((0..rounds).map(|_| ms(timed(work).1)));
        bench.show(&format!("scan-{all}"), &format!("{:.1} ms", each(&scan)));
        bench.show(&format!("read-all-{all}"), &format!("{:.1} ms", each(&read)));
        // From the first write on, what was read is kept.
        project
            .operations()
            .change(project.actor(), Kind::Task, &live(0), "note", &Passing::default(), &|document| {
                task::note(document, "seen")
            })
            .unwrap();
        read();
        bench.show(&format!("read-kept-{all}"), &format!("{:.1} ms", each(&read)));
        if all == sizes[0] {
            reads(bench, &project, tasks);
        }
    }
}

/// Documents read in one thread: from their files, and from what was read before.
fn reads(bench: &Bench, project: &Project, tasks: Tasks) {
    let time = bench.pick(Duration::from_secs(2), Duration::from_millis(500), Duration::from_millis(20));
    let paths: Vec<DocPath> = (0..tasks.live).map(|n| DocPath::new(format!("{}.md", live(n))).unwrap()).collect();
    let from_file = rate(time, |n| {
        let path = &paths[n % paths.len()];
        let bytes = project.store().folder.read(path).unwrap().unwrap().bytes;
        let reading = entity::read(path, &mycelium::document::Document::parse(bytes));
        assert!(black_box(reading).entity.is_some(), "{path} is a task");
    });
    let snapshot = project.documents().snapshot(Scope::All).unwrap();
    let ids: Vec<String> = (0..tasks.live).map(live).collect();
    let held = rate(time, |n| {
        let entry = snapshot.find(Some(Kind::Task), &ids[n % ids.len()]).unwrap();
        assert!(black_box(entry.task()).is_some());
    });
    let words = format!("{} (each from its file)", whole(from_file));
    bench.tell("reads", &words, "50,000 per s", Verdict::of(from_file >= READS_MIN));
    bench.show("reads-held", &format!("{} (from a snapshot that is held)", whole(held)));
}

/// So many reads in a second, by the median of short spells: one in which the machine did something else does not count.
fn rate(time: Duration, mut read: impl FnMut(usize)) -> f64 {
    let (began, mut count, mut spells) = (Instant::now(), 0, Vec::new());
    while began.elapsed() < time {
        let ((), took) = timed(|| (count..count + SPELL).for_each(&mut read));
        count += SPELL;
        spells.push(each_second(SPELL, took));
    }
    median(spells)
}
