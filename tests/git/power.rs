//! Power cuts on a file system of our own: what was acknowledged is there afterwards, and git finds no fault. Needs root.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::actor;
use crate::ground::{Ground, cannot_run, home, must_fail};
use crate::isolated;

/// Cuts on each file system.
const CUTS: usize = 3;

fn run(program: &str, arguments: &[&str]) -> bool {
    Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
}

/// A mounted image; unmounted when dropped.
struct Disk {
    image: PathBuf,
    at: PathBuf,
}

impl Disk {
    fn new(kind: &str) -> Result<Self, String> {
        let is_root = fs::metadata("/proc/self").is_ok_and(|meta| meta.uid() == 0);
        if !is_root {
            return Err("it needs root, to mount an image".to_owned());
        }
        let disk = Self { image: home().join(format!("{kind}.image")), at: home().join(format!("{kind}-disk")) };
        let size = 320 << 20;
        File::create(&disk.image).and_then(|file| file.set_len(size)).map_err(|error| error.to_string())?;
        fs::create_dir(&disk.at).map_err(|error| error.to_string())?;
        if !run(&format!("mkfs.{kind}"), &["-q", &disk.image.display().to_string()]) {
            return Err(format!("mkfs.{kind} is not here or failed"));
        }
        if !run("xfs_io", &["-V"]) {
            return Err("xfs_io is not here (apt-get install xfsprogs)".to_owned());
        }
        if disk.mount() { Ok(disk) } else { Err(format!("this kernel does not mount {kind} images")) }
    }

    fn mount(&self) -> bool {
        run("mount", &["-o", "loop", &self.image.display().to_string(), &self.at.display().to_string()])
    }

    /// Everything that is not on disk is gone, as at a power cut; whoever works there gets errors.
    fn cut(&self) {
        assert!(run("xfs_io", &["-x", "-c", "shutdown", &self.at.display().to_string()]), "the cut");
    }

    /// The power is back.
    fn restart(&self) {
        assert!(run("umount", &[&self.at.display().to_string()]), "unmounted");
        assert!(self.mount(), "mounted again");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        run("umount", &["-l", &self.at.display().to_string()]);
    }
}

/// Syncs a file of another program, which takes half-done work of ours to the disk with it.
fn sync_something_else(at: &Path, number: usize) {
    let file = File::create(at.join(format!("other-{number}"))).expect("a file");
    file.sync_all().expect("synced");
}

fn survives(kind: &str) {
    let disk = match Disk::new(kind) {
        Ok(disk) => disk,
        Err(why) => return cannot_run(&format!("power cuts on {kind}"), &why),
    };
    let ground = Ground::init(disk.at.join("repo"), &[]);
    ground.put("u.txt", "user\n");
    ground.git(&["add", "."]);
    ground.git(&["commit", "-qm", "user: first"]);
    for number in 0..CUTS {
        // The user's own commit, which git does not sync, must not break ours on top of it.
        ground.put("u.txt", format!("user {number}\n"));
        ground.git(&["commit", "-qam", "user: more"]);
        let mut child = actor::start(&ground, &format!("powered{number}"), 1_000, "full");
        let mut said = BufReader::new(child.stdout.take().expect("its words"));
        let mut acked = None;
        while acked.is_none_or(|seen| seen < number % 3) {
            let mut line = String::new();
            assert_ne!(said.read_line(&mut line).expect("its words"), 0, "it ended by itself");
            acked = actor::last_acked(line.as_bytes()).map(|(_, seen)| seen).or(acked);
        }
        if number % 2 == 1 {
            sync_something_else(&disk.at, number);
        }
        disk.cut();
        child.kill().expect("killed");
        child.wait().expect("an end");
        disk.restart();
        let now = ground.at_head(&format!("task-powered{number}.md"));
        let now: usize = now.trim().parse().expect("a number");
        assert!(Some(now) >= acked, "cut {number} on {kind}: acknowledged {acked:?}, found {now}");
        ground.open().committer().recover().expect("recovery");
        ground.assert_sound();
        ground.save(&[("task-1.md", &format!("after {number}\n"))]);
        ground.assert_sound();
    }
}

isolated!(a_power_cut_loses_nothing_on_ext4, {
    survives("ext4");
});

isolated!(a_power_cut_loses_nothing_on_xfs, {
    survives("xfs");
});

#[test]
fn missing_syncs_lose_commits_at_a_power_cut() {
    let disk_works = fs::metadata("/proc/self").is_ok_and(|meta| meta.uid() == 0) && run("xfs_io", &["-V"]);
    if disk_works {
        must_fail("no-fsync", "git::power::a_power_cut_loses_nothing_on_ext4");
    } else {
        cannot_run("missing_syncs_lose_commits_at_a_power_cut", "it needs root and xfs_io");
    }
}
