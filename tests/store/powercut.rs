//! A power cut: a file system of our own in a file, cut off in the middle of writing, mounted again, looked at.
//! Needs root, a loop device, mkfs.ext4 and `xfs_io`, so it runs only when asked for.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Command;

use mycelium::store::{Durability, Store};

use crate::child::{opened, sealed, value};
use crate::rig::{Rig, child, write};

fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A mounted image; unmounted when dropped.
struct Disk {
    image: PathBuf,
    at: PathBuf,
}

impl Disk {
    fn new(home: &Path) -> Self {
        let disk = Self { image: home.join("image"), at: home.join("mounted") };
        let file = std::fs::File::create(&disk.image).expect("an image");
        file.set_len(64 << 20).expect("an image");
        std::fs::create_dir(&disk.at).expect("a mount point");
        run("mkfs.ext4", &["-q", "-F", &disk.image.display().to_string()]);
        disk.mount();
        disk
    }

    fn mount(&self) {
        run("mount", &["-o", "loop", &self.image.display().to_string(), &self.at.display().to_string()]);
    }

    fn unmount(&self) {
        run("umount", &[&self.at.display().to_string()]);
    }

    /// The power goes: nothing that is not on the disk now gets there any more.
    fn cut(&self) {
        run("xfs_io", &["-x", "-c", "shutdown", &self.at.display().to_string()]);
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.at).output();
    }
}

/// Cuts the power once after `after` acknowledged operations. Returns what was acknowledged and is missing.
fn lost_by_a_cut(disk: &Disk, durability: &str, round: usize, after: usize) -> Vec<String> {
    let rig = Rig::at(&disk.at.join(format!("round-{durability}-{round}")));
    let store = rig.store(Durability::Full);
    write(&store, "task-shared.md", &sealed("w0: 0\n")).expect("a create");
    let mut writer = child(&rig, "steady", &["w0", durability]).spawn().expect("a child");
    let mut lines = BufReader::new(writer.stdout.take().expect("its output")).lines().map_while(Result::ok);
    let mut acknowledged: u64 = 0;
    let number = |line: String| line.strip_prefix(">w0-").and_then(|n| n.parse::<u64>().ok());
    for _ in 0..after {
        acknowledged = lines.by_ref().find_map(number).expect("a working writer");
    }
    disk.cut();
    // It may have acknowledged more before the cut; then its writes fail.
    acknowledged = lines.filter_map(number).last().unwrap_or(acknowledged);
    assert!(!writer.wait().expect("gone").success(), "it cannot write any more");
    disk.unmount();
    disk.mount();
    as_after_a_start(&rig);
    let store = rig.store(Durability::Full);
    store.recover().expect("recovery");
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
    let records = store.journal().expect("a journal");
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
    for (path, _) in store.scan().expect("a scan").files {
        let bytes = store.read(&path).expect("a read").expect("the document").bytes;
        if !opened(&String::from_utf8_lossy(&bytes)).1 {
            missing.push(format!("{path} is torn: {bytes:?}"));
        }
    }
    missing
}

#[test]
#[ignore = "needs root, a loop device, mkfs.ext4 and xfs_io"]
fn a_power_cut_loses_nothing_that_was_acknowledged() {
    let cuts: usize = std::env::var("MYCELIUM_TEST_CUTS").ok().and_then(|n| n.parse().ok()).unwrap_or(25);
    let home = tempfile::tempdir().expect("a temporary folder");
    let disk = Disk::new(home.path());
    for round in 0..cuts {
        assert_eq!(lost_by_a_cut(&disk, "full", round, 1 + round % 9), Vec::<String>::new(), "cut {round}");
    }
    // Without syncs the same cut must lose something, or the check is blind.
    let lost = (0..10).any(|round| !lost_by_a_cut(&disk, "off", round, 1 + round % 9).is_empty());
    assert!(lost, "the test of power cuts does not bite");
}

#[test]
#[ignore = "needs root, a loop device, mkfs.ext4 and xfs_io"]
fn a_full_disk_and_a_read_only_one_are_errors_with_advice_and_change_nothing() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let disk = Disk::new(home.path());
    let rig = Rig::at(&disk.at);
    let store = rig.store(Durability::Full);
    write(&store, "task-1.md", "one\n").expect("a create");

    let mut filler = std::fs::File::create(disk.at.join("filler")).expect("a file");
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
    assert_eq!(full.expect("a full disk").hint(), Some("free some disk space, then try again"));
    assert_eq!(rig.text("task-1.md"), last);
    drop(filler);
    std::fs::remove_file(disk.at.join("filler")).expect("removed");
    write(&store, "task-1.md", "two\n").expect("a write");

    run("mount", &["-o", "remount,ro", &disk.at.display().to_string()]);
    let error = write(&store, "task-1.md", "three\n").expect_err("a read-only disk");
    assert_eq!(error.hint(), Some("mount the file system for writing, then try again"), "{error}");
    assert_eq!(rig.text("task-1.md"), "two\n");
    assert!(!store.journal().expect("a journal").is_empty());
    assert_eq!(store.watcher().expect("an answer"), None);
    assert_eq!(store.scan().expect("a scan").files.len(), 1);
    run("mount", &["-o", "remount,rw", &disk.at.display().to_string()]);
    write(&store, "task-1.md", "three\n").expect("a write");
}
