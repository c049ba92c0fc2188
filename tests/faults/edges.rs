//! Power cuts right after a command that changes what is git's or the user's: references of a remote, the configuration, the
//! list of ignored files, reflogs. None is left empty or with zeros, and what was acknowledged is there.

use std::fs;
use std::path::Path;

use crate::alone;
use crate::history::assert_sound;
use crate::support::disk::{DISK_BYTES, Disk};
use crate::support::{Run, Sandbox, could_not_run, sized};

/// Rounds on each file system.
const CUTS: usize = 2;

#[test]
fn what_is_gits_or_the_users_survives_a_power_cut_on_ext4() {
    on_a_disk("what_is_gits_or_the_users_survives_a_power_cut_on_ext4", "ext4");
}

#[test]
fn what_is_gits_or_the_users_survives_a_power_cut_on_xfs() {
    on_a_disk("what_is_gits_or_the_users_survives_a_power_cut_on_xfs", "xfs");
}

fn on_a_disk(test: &str, kind: &str) {
    let _alone = alone();
    match Disk::new(kind, DISK_BYTES) {
        Err(why) => could_not_run(test, &why),
        Ok(disk) => {
            for round in 0..sized("MYCELIUM_EDGE_CUTS", CUTS, 50) {
                sync_and_cut(&disk, round);
                set_up_and_cut(&disk, round);
                exclude_and_cut(&disk, round);
            }
        }
    }
}

/// A repository on the disk, all of which is on it.
fn settled(disk: &Disk, name: &str) -> Sandbox {
    let sandbox = Sandbox::below(&disk.path().join(name));
    sandbox.make_repository();
    disk.settle();
    sandbox
}

/// The power goes; sometimes another program has just made the disk write what it has.
fn cut(disk: &Disk, round: usize) {
    if round % 2 == 1 {
        disk.other_program_writes();
    }
    disk.cut_power();
}

/// No file of these folders is empty or holds a zero.
fn is_whole(sandbox: &Sandbox, names: &[&str]) {
    for name in names {
        let mut folders = vec![sandbox.path(name)];
        while let Some(path) = folders.pop() {
            if path.is_dir() {
                folders.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            } else {
                let bytes = fs::read(&path).unwrap();
                assert!(!bytes.is_empty() && !bytes.contains(&0), "{} holds {bytes:?}", path.display());
            }
        }
    }
}

fn sync_and_cut(disk: &Disk, round: usize) {
    // The server is elsewhere: its power stays.
    let server = tempfile::tempdir().unwrap();
    let remote = server.path().join("remote.git");
    let sandbox = settled(disk, &format!("sync-{round}"));
    sandbox.git(&["init", "--quiet", "--bare", remote.to_str().unwrap()]);
    sandbox.git(&["remote", "add", "origin", remote.to_str().unwrap()]);
    // Files beside the documents are pushed by git alone.
    sandbox.git(&["push", "--quiet", "-u", "origin", "main"]);
    disk.settle();
    sandbox.mycelium(&["task", "create", "--type", "x", "--id", "task-1", "-q"]).ok();
    sandbox.mycelium(&["sync"]).ok();
    cut(disk, round);
    is_whole(&sandbox, &[".git/refs", ".git/logs", ".git/HEAD"]);
    assert_sound(&sandbox);
    let pushed = sandbox.git(&["rev-parse", "refs/remotes/origin/main"]);
    assert_eq!(pushed, sandbox.git(&["rev-parse", "HEAD"]), "round {round}");

    // What another clone has pushed comes by a fetch.
    let other = Sandbox::below(&server.path().join("other"));
    other.git(&["clone", "--quiet", remote.to_str().unwrap(), "."]);
    other.mycelium(&["task", "create", "--type", "x", "--id", "task-2", "-q"]).ok();
    other.mycelium(&["sync"]).ok();
    sandbox.mycelium(&["sync"]).ok();
    cut(disk, round);
    is_whole(&sandbox, &[".git/refs", ".git/logs", ".git/HEAD"]);
    assert_sound(&sandbox);
    assert_eq!(sandbox.documents(), ["task-1.md", "task-2.md"], "round {round}");
    sandbox.mycelium(&["sync"]).ok();
}

fn set_up_and_cut(disk: &Disk, round: usize) {
    let sandbox = settled(disk, &format!("driver-{round}"));
    sandbox.git(&["config", "alias.mine", "status"]);
    disk.settle();
    sandbox.mycelium(&["init", "--merge-driver", "--diff-driver", "-q"]).ok();
    sandbox.mycelium(&["config", "set", "commit.author", "user"]).ok();
    sandbox.mycelium(&["instructions", "--write"]).ok();
    cut(disk, round);
    is_whole(&sandbox, &[".git/config", ".claude", ".mycelium", "AGENTS.md"]);
    assert_eq!(sandbox.git(&["config", "alias.mine"]).trim(), "status", "round {round}: the user's own key");
    for key in ["merge.mycelium.driver", "diff.mycelium.textconv"] {
        assert!(sandbox.git(&["config", "--local", key]).contains("mycelium"), "round {round}: {key}");
    }
    let left = fs::read_dir(sandbox.path(".git")).unwrap().map(|entry| entry.unwrap().file_name());
    let left: Vec<_> = left.filter(|name| Path::new(name).extension().is_some_and(|end| end == "lock")).collect();
    assert!(left.is_empty(), "{left:?}");
}

fn exclude_and_cut(disk: &Disk, round: usize) {
    let sandbox = settled(disk, &format!("exclude-{round}"));
    sandbox.write(".git/info/exclude", "# the user's own\n/mine/\n");
    disk.settle();
    sandbox.mycelium(&["config", "set", "commit.branch", "coordination"]).ok();
    sandbox.mycelium(&["task", "create", "--type", "x", "--id", "task-1", "-q"]).ok();
    cut(disk, round);
    is_whole(&sandbox, &[".git/info/exclude", ".git/refs", ".git/logs"]);
    let text = sandbox.read(".git/info/exclude");
    assert!(text.starts_with("# the user's own\n/mine/\n"), "round {round}: {text}");
    assert!(text.contains("/.claude/coordination/\n"), "round {round}: {text}");
    let ignored = Run::of(sandbox.command("git").args(["status", "--porcelain", "--", ".claude"]));
    assert_eq!(ignored.stdout, "", "round {round}");
    assert_sound(&sandbox);
}
