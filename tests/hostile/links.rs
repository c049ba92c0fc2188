//! Links swapped in while documents are read and committed: nothing from outside the folder gets into the history or an answer.
#![allow(clippy::disallowed_methods, reason = "the test makes files")]
#![allow(clippy::unwrap_used, reason = "a scene that cannot be set has failed")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::support::stop::StopOnDrop;
use crate::support::{FOLDER, Run, Sandbox, sized};

/// Commands for each part of the path that is swapped.
const COMMANDS: usize = 30;

/// Exchanges a part of the path with a link and back, until told to stop.
fn swap(real: &Path, link: &Path, stop: &AtomicBool, swaps: &AtomicUsize) {
    while !stop.load(Ordering::Relaxed) {
        if renameat_with(CWD, real, CWD, link, RenameFlags::EXCHANGE).is_ok() {
            swaps.fetch_add(1, Ordering::Relaxed);
        }
        std::thread::yield_now();
    }
}

#[test]
fn what_links_lead_to_is_never_committed_or_told() {
    for part in [".claude", FOLDER, "task", ".mycelium"] {
        let sandbox = Sandbox::new();
        let outside = tempfile::tempdir().unwrap();
        let canary = |name: &str| format!("---\nid: {name}\nstatus: pending\ntype: canary\n---\n\n# canary\n");
        for folder in ["", "coordination"] {
            fs::create_dir_all(outside.path().join(folder)).unwrap();
            for name in ["task-1", "task-2"] {
                fs::write(outside.path().join(folder).join(format!("{name}.md")), canary(name)).unwrap();
            }
        }
        fs::write(outside.path().join("config.json"), "{\"commit\": {\"author\": \"canary\"}}").unwrap();
        let listed = || -> Vec<_> {
            let mut all: Vec<_> = ["", "coordination"]
                .iter()
                .flat_map(|folder| fs::read_dir(outside.path().join(folder)).unwrap())
                .map(|entry| entry.unwrap().path())
                .map(|path| (path.clone(), fs::read(&path).ok()))
                .collect();
            all.sort();
            all
        };
        let before = listed();
        sandbox.write(".mycelium/config.json", "{}");
        sandbox.write(&format!("{FOLDER}/task-1.md"), "---\nid: task-1\nstatus: pending\ntype: own\n---\n");
        let (real, to) = match part {
            "task" => (sandbox.path(FOLDER).join("task-1.md"), outside.path().join("task-1.md")),
            part => (sandbox.path(part), outside.path().to_owned()),
        };
        let link = sandbox.root().parent().unwrap().join("link");
        symlink(&to, &link).unwrap();
        let (stop, swaps) = (AtomicBool::new(false), AtomicUsize::new(0));
        let mut told = Vec::new();
        std::thread::scope(|scope| {
            let _end = StopOnDrop(&stop);
            scope.spawn(|| swap(&real, &link, &stop, &swaps));
            for n in 0..sized("MYCELIUM_LINK_COMMANDS", COMMANDS, 10 * COMMANDS) {
                let set = format!("n={n}");
                let words: &[&str] = match n % 6 {
                    0 => &["commit", "--force"],
                    1 => &["task", "update", "task-1", "--set", &set],
                    2 => &["task", "create", "--type", "own", "--id", "task-2"],
                    3 => &["task", "list", "--json"],
                    4 => &["watch", "--once"],
                    _ => &["task", "remove", "task-2"],
                };
                told.push(sandbox.mycelium(words));
            }
        });
        assert!(swaps.into_inner() > 50, "{part}: hardly anything was swapped");
        assert_eq!(listed(), before, "{part}: something outside was changed");
        let leak = told.iter().find(|run| run.stdout.contains("canary") || run.stderr.contains("canary"));
        assert!(leak.is_none(), "{part}: {leak:?}");
        let history = Run::of(sandbox.command("git").args(["log", "-p", "--all"]));
        assert!(!history.stdout.contains("canary"), "{part}: {}", history.stdout);
    }
}
