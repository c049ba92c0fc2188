//! A power cut: a file system of our own in a file, cut off in the middle of writing, mounted again, looked at.

use std::io::{BufRead, BufReader};

use mycelium::store::{Durability, Store};

use crate::child::{opened, sealed, value};
use crate::rig::{Rig, child, write};
use crate::support::could_not_run;
use crate::support::disk::Disk;
use mycelium::problem::Problem;

const DISK_BYTES: u64 = 64 << 20;

/// Cuts the power once after `after` acknowledged operations. Returns what was acknowledged and is missing.
fn lost_by_a_cut(disk: &Disk, durability: &str, round: usize, after: usize) -> Vec<String> {
    let rig = Rig::at(&disk.path().join(format!("round-{durability}-{round}")));
    let store = rig.store(Durability::Full);
    write(&store, "task-shared.md", &sealed("w0: 0\n")).expect("a create");
    let mut writer = child(&rig, "steady", &["w0", durability]).spawn().expect("a child");
    let mut lines = BufReader::new(writer.stdout.take().expect("its output")).lines().map_while(Result::ok);
    let mut acknowledged: u64 = 0;
    let number = |line: String| line.strip_prefix(">w0-").and_then(|n| n.parse::<u64>().ok());
    for _ in 0..after {
        acknowledged = lines.by_ref().find_map(number).expect("a working writer");
    }
    disk.shut_down();
    // It may have acknowledged more before the cut; then its writes fail.
    acknowledged = lines.filter_map(number).last().unwrap_or(acknowledged);
    assert!(!writer.wait().expect("gone").success(), "it cannot write any more");
    disk.plug_in_again();
    as_after_a_start(&rig);
    let store = rig.store(Durability::Full);
    store.log.recover().expect("recovery");
    missing(&rig, &store, acknowledged)
}

/// A power cut starts the machine anew; here it did not, so the journal is made to think so.
fn as_after_a_start(rig: &Rig) {
    let path = rig.place.run.join("journal");
    let mut bytes = std::fs::read(&path).unwrap_or_default();
    if bytes.len() >= 64 {
        bytes[8..44].fill(b'0');
        std::fs::write(&path, bytes).expect("the journal");
    }
}

fn missing(rig: &Rig, store: &Store, acknowledged: u64) -> Vec<String> {
    let mut missing = Vec::new();
    let records = store.log.journal().expect("a journal");
    let shared = std::fs::read_to_string(rig.file("task-shared.md")).unwrap_or_default();
    let updates = (1..=acknowledged).filter(|n| !n.is_multiple_of(4)).count() as u64;
    if !opened(&shared).1 || value(&shared, "w0") < updates {
        missing.push(format!("{updates} updates: {shared:?}"));
    }
    for n in 1..=acknowledged {
        let id = format!("w0-{n}");
        let text = std::fs::read_to_string(rig.file(&format!("task-{id}.md"))).unwrap_or_default();
        if n.is_multiple_of(4) && !opened(&text).1 {
            missing.push(format!("{id}: {text:?}"));
        }
        if !records.iter().any(|record| record.operation.id.as_str() == id) {
            missing.push(format!("the record of {id}"));
        }
    }
    for (path, _) in store.folder.scan().expect("a scan").files {
        let bytes = store.folder.read(&path).expect("a read").expect("the document").bytes;
        if !opened(&String::from_utf8_lossy(&bytes)).1 {
            missing.push(format!("{path} is torn: {bytes:?}"));
        }
    }
    missing
}

#[test]
fn a_power_cut_loses_nothing_that_was_acknowledged() {
    let cuts: usize = crate::support::sized("MYCELIUM_TEST_CUTS", 8, 100);
    let disk = match Disk::new("ext4", DISK_BYTES) {
        Ok(disk) => disk,
        Err(why) => return could_not_run("a_power_cut_loses_nothing_that_was_acknowledged", &why),
    };
    for round in 0..cuts {
        assert_eq!(lost_by_a_cut(&disk, "full", round, 1 + round % 9), Vec::<String>::new(), "cut {round}");
    }
    // Without syncs the same cut must lose something, or the check is blind.
    let lost = (0..10).any(|round| !lost_by_a_cut(&disk, "off", round, 1 + round % 9).is_empty());
    assert!(lost, "the test of power cuts does not bite");
}

#[test]
fn a_full_disk_and_a_read_only_one_are_errors_with_advice_and_change_nothing() {
    let disk = match Disk::new("ext4", DISK_BYTES) {
        Ok(disk) => disk,
        Err(why) => {
            return could_not_run("a_full_disk_and_a_read_only_one_are_errors_with_advice_and_change_nothing", &why);
        }
    };
    let rig = Rig::at(disk.path());
    let store = rig.store(Durability::Full);
    write(&store, "task-1.md", "one\n").expect("a create");

    let mut filler = std::fs::File::create(disk.path().join("filler")).expect("a file");
    while std::io::Write::write_all(&mut filler, &[b'x'; 4096]).is_ok() {}
    // What is left of the last blocks holds small documents for a while.
    let big = "x".repeat(60_000);
    let mut last = "one\n".to_owned();
    let full = (0..1000).find_map(|n| match write(&store, "task-1.md", &format!("{n}{big}")) {
        Ok(_) => {
            last = format!("{n}{big}");
            None
        }
        Err(error) => Some(error),
    });
    assert_eq!(full.expect("a full disk").hint().as_deref(), Some("free some disk space, then try again"));
    assert_eq!(rig.text("task-1.md"), last);
    drop(filler);
    std::fs::remove_file(disk.path().join("filler")).expect("removed");
    write(&store, "task-1.md", "two\n").expect("a write");

    disk.remount("ro");
    let error = write(&store, "task-1.md", "three\n").expect_err("a read-only disk");
    assert_eq!(error.hint().as_deref(), Some("mount the file system for writing, then try again"), "{error}");
    assert_eq!(rig.text("task-1.md"), "two\n");
    assert!(!store.log.journal().expect("a journal").is_empty());
    assert_eq!(store.locks.watcher().expect("an answer"), None);
    assert_eq!(store.folder.scan().expect("a scan").files.len(), 1);
    disk.remount("rw");
    write(&store, "task-1.md", "three\n").expect("a write");
}
