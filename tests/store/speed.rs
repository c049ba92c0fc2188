//! Measurements. They print; what they assert is loose, since other work on the machine moves every number.

use std::convert::Infallible;
use std::fs::File;
use std::io::Write;
use std::time::{Duration, Instant};

use mycelium::store::{Action, Durability, Store};

use crate::rig::{Rig, any_operation, spawn, write};

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn timed(run: impl FnOnce()) -> Duration {
    let start = Instant::now();
    run();
    start.elapsed()
}

/// The machine's own durable replace: temporary file, fsync, rename, fsync of the folder.
fn bare_replace(dir: &std::path::Path, text: &str) {
    let draft = dir.join(".draft");
    let mut file = File::create(&draft).expect("a file");
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).expect("written");
    std::fs::rename(&draft, dir.join("bare.md")).expect("renamed");
    File::open(dir).and_then(|dir| dir.sync_all()).expect("synced");
}

fn replace(store: &Store, n: usize) {
    write(store, "task-1.md", &format!("{n}\n{}", "x".repeat(1000))).expect("an update");
}

#[test]
fn a_durable_replace_costs_little_more_than_the_machines_own() {
    let rig = Rig::new();
    let store = rig.store(Durability::Full);
    replace(&store, 0);
    bare_replace(&rig.folder(), "x");
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for n in 1..300 {
        let text = format!("{n}\n{}", "x".repeat(1000));
        bare.push(timed(|| bare_replace(&rig.folder(), &text)));
        ours.push(timed(|| replace(&store, n)));
    }
    let (ours, bare) = (median(ours), median(bare));
    println!("durable replace of 1 KB, p50: ours {ours:?}, the machine's own {bare:?}");
    assert!(ours < bare * 4, "ours {ours:?}, the machine's own {bare:?}");
}

#[test]
fn what_a_write_costs_without_the_disk() {
    let rig = Rig::new();
    let store = rig.store(Durability::Off);
    replace(&store, 0);
    let times: Vec<Duration> = (1..1000).map(|n| timed(|| replace(&store, n))).collect();
    println!("replace of 1 KB without syncs, p50: {:?}", median(times));
    for batch in [Durability::Full, Durability::Batch] {
        let store = rig.store(batch);
        let paths: Vec<_> = (0..100).map(|n| crate::rig::doc(&format!("task-{n}.md"))).collect();
        let times = (0..9).map(|round| {
            timed(|| {
                let action = || Action::Write(format!("{round} {batch:?} {}", "x".repeat(1000)).into_bytes());
                let applied = store.log.apply::<Infallible>(&any_operation(), &paths, &mut |now| {
                    Ok(now.iter().map(|_| action()).collect())
                });
                assert_eq!(applied.expect("applied").changes.len(), 100);
            })
        });
        println!("100 documents in one operation, {batch:?}, p50: {:?}", median(times.collect()));
    }
}

#[test]
fn eight_writers_beside_one() {
    for writers in [1, 8, 1, 8] {
        let rig = Rig::new();
        let children: Vec<_> = (0..writers).map(|n| spawn(&rig, "stream", &[&format!("w{n}"), "500"])).collect();
        let counts = children.into_iter().map(|child| crate::child::said(&crate::rig::finished(child)));
        let total: u64 = counts.map(|said| said[0].parse::<u64>().expect("a count")).sum();
        println!("{writers} writers, one document each: {} durable writes/s", total * 2);
        assert!(total > 0, "nobody could write");
    }
}

#[test]
fn a_scan_of_ten_thousand() {
    let rig = Rig::new();
    std::fs::create_dir_all(rig.folder()).expect("the folder");
    for n in 0..10_000 {
        std::fs::write(rig.file(&format!("task-{n}.md")), "x").expect("a file");
    }
    let store = rig.store(Durability::Full);
    let times = (0..9).map(|_| timed(|| assert_eq!(store.folder.scan().expect("a scan").files.len(), 10_000)));
    println!("scan of 10,000 files, p50: {:?}", median(times.collect()));
}
