//! Power cuts right after an acknowledgement: ours loses nothing, git at its defaults shows that the harness bites.

use crate::alone;
use crate::history::{assert_sound, file_at_head};
use crate::share::row;
use crate::support::disk::{DISK_BYTES, Disk};
use crate::support::{FOLDER, Run, Sandbox, could_not_run, sized};

/// Rounds on each file system.
const CUTS: usize = 8;
/// Rounds with git, which is there to show what a cut does.
const CUTS_OF_GIT: usize = 4;

#[test]
fn a_power_cut_on_ext4_loses_nothing() {
    cut_power("a_power_cut_on_ext4_loses_nothing", "ext4");
}

#[test]
fn a_power_cut_on_xfs_loses_nothing() {
    cut_power("a_power_cut_on_xfs_loses_nothing", "xfs");
}

fn cut_power(test: &str, kind: &str) {
    let _alone = alone();
    match Disk::new(kind, DISK_BYTES) {
        Err(why) => could_not_run(test, &why),
        Ok(disk) => {
            let cuts = sized("MYCELIUM_CUTS", CUTS, 100);
            let lost = cut_git(&disk);
            row("cut", &[kind, "git add + git commit", &CUTS_OF_GIT.to_string(), &lost.to_string()]);
            assert!(lost > 0, "git lost nothing on {kind}: the harness does not bite");
            cut_ours(&disk, cuts);
            row("cut", &[kind, "mycelium task create", &cuts.to_string(), "0"]);
        }
    }
}

/// Creates a task, cuts the power at once, looks; again and again in one repository.
fn cut_ours(disk: &Disk, cuts: usize) {
    let sandbox = Sandbox::below(disk.path());
    sandbox.make_repository();
    disk.settle();
    let mut known: Vec<(String, String)> = Vec::new();
    for round in 0..cuts {
        let title = format!("Round {round}");
        let id = sandbox.mycelium(&["task", "create", "--type", "test", "--title", &title]).ok().trim().to_owned();
        if round % 2 == 1 {
            disk.other_program_writes();
        }
        disk.cut_power();
        let path = format!("{FOLDER}/{id}.md");
        assert!(sandbox.path(&path).is_file(), "round {round}: the file of {id} is gone");
        let text = sandbox.read(&path);
        assert!(text.contains(&title), "round {round}: the file of {id} is torn: {text:?}");
        known.push((path, text));
        for (path, text) in &known {
            assert_eq!(file_at_head(&sandbox, path).as_ref(), Some(text), "round {round}: {path} at HEAD");
        }
        assert_sound(&sandbox);
    }
    assert_eq!(sandbox.git(&["status", "--porcelain"]), "");
}

/// How many commits git loses, or leaves unreadable, in the same circumstances.
fn cut_git(disk: &Disk) -> usize {
    let lost = (0..CUTS_OF_GIT).filter(|round| {
        let sandbox = Sandbox::below(&disk.path().join(format!("git-{round}")));
        sandbox.make_repository();
        disk.settle();
        sandbox.write("task.md", "a task\n");
        sandbox.git(&["add", "task.md"]);
        sandbox.git(&["commit", "--quiet", "-m", "Add a task"]);
        let acknowledged = sandbox.git(&["rev-parse", "HEAD"]);
        disk.cut_power();
        let found = Run::of(sandbox.command("git").args(["cat-file", "-e", "HEAD:task.md"]));
        let head = Run::of(sandbox.command("git").args(["rev-parse", "HEAD"]));
        found.code != Some(0) || head.stdout.trim() != acknowledged
    });
    lost.count()
}
