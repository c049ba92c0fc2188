//! Subscriptions of one process: what many of them cost a write, and what they cost while nothing happens.

use std::fs;
use std::thread::sleep;
use std::time::Duration;

use mycelium::entity::task::{self, TaskUpdate};
use mycelium::name::{ChannelPattern, Kind};
use mycelium::services::{Opening, Passing, Project, Subscription};

use crate::bench::{Bench, Tasks, Verdict, disk, live, median, ms, repository, timed};

/// How much longer a write may take beside many subscriptions than beside one.
const WRITE_MAX: f64 = 1.1;
/// Subscriptions beside which a write is measured, and those that are idle.
const MANY: usize = 100;
const IDLE: usize = 1_000;
/// How long the threads may take to come to rest.
const REST: Duration = Duration::from_secs(2);
/// Ticks of the kernel's count of processor time in a second.
const TICK_MS: u64 = 10;

pub(crate) fn run(bench: &Bench) {
    let disk = disk();
    let sandbox = repository(disk.path(), Tasks::flat(bench.pick(100, 100, 10)));
    let project = Project::open(Opening { root: Some(sandbox.root().to_owned()), ..Opening::default() }).unwrap();
    let writes = bench.pick(20, 10, 1);
    let (mut one, mut many) = (Vec::new(), Vec::new());
    // In turns, so that what else the machine does concerns both.
    for round in 0..bench.pick(10, 4, 1) {
        for (count, times) in [(1, &mut one), (bench.pick(MANY, MANY, 10), &mut many)] {
            let _subscriptions = subscribe(&project, count);
            times.extend((0..writes).map(|number| ms(timed(|| write(&project, round * writes + number)).1)));
        }
    }
    let (one, many) = (median(one), median(many));
    let words = format!("{:.2} × ({many:.1} ms beside {one:.1} ms)", many / one);
    bench.tell("subscribed-write", &words, "at most 1.1 ×", Verdict::of(many <= one * WRITE_MAX));
    let _subscriptions = subscribe(&project, bench.pick(IDLE, IDLE, 10));
    sleep(bench.pick(REST, REST, Duration::from_millis(100)));
    let before = processor_ms();
    let idle = bench.pick(Duration::from_secs(10), Duration::from_secs(3), Duration::from_millis(300));
    sleep(idle);
    let took = processor_ms() - before;
    bench.tell("subscribed-idle", &format!("{took} ms in {idle:?}"), "none", Verdict::of(took == 0));
}

fn subscribe(project: &Project, count: usize) -> Vec<Subscription> {
    let pattern = ChannelPattern::new("tasks:*").unwrap();
    (0..count).map(|_| project.events().subscribe(vec![pattern.clone()], None).unwrap()).collect()
}

fn write(project: &Project, number: usize) {
    let progress = Some(f64::from(u32::try_from(number % 90).unwrap()) / 100.0 + 0.01);
    let next = TaskUpdate { progress, ..TaskUpdate::default() };
    let edit = |document: &_| task::update(document, &next);
    let id = live(number % 10);
    project.operations().change(project.actor(), Kind::Task, &id, "update", &Passing::default(), &edit).unwrap();
}

/// Processor time of this process, all threads, in milliseconds.
fn processor_ms() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks = |field: usize| fields[field].parse::<u64>().unwrap();
    (ticks(11) + ticks(12)) * TICK_MS
}
