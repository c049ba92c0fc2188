//! Who may have a program started: what a repository plants starts nothing, and what was found is only told.

use std::fs;
use std::path::{Path, PathBuf};

use crate::place::{Place, eventually};
use crate::server::Server;
use crate::stand_in::{self, Faults};
use crate::support::Sandbox;
use crate::support::script::write_script;

/// A program that leaves a mark where it is started.
fn plant(path: &Path) -> PathBuf {
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    write_script(path, &format!("touch '{}.started'", path.display()));
    path.to_owned()
}

fn was_started(program: &Path) -> bool {
    PathBuf::from(format!("{}.started", program.display())).exists()
}

/// Every command that looks at backends, and those that write.
const COMMANDS: [&[&str]; 9] = [
    &["status"],
    &["bridge", "status"],
    &["bridge", "detect"],
    &["bridge", "push"],
    &["bridge", "pull"],
    &["doctor"],
    &["task", "create", "--type", "x"],
    &["task", "list"],
    &["watch", "--once"],
];

fn path_with(folder: &Path) -> String {
    format!("{}:{}", folder.display(), std::env::var("PATH").unwrap_or_default())
}

#[test]
fn what_a_repository_plants_starts_nothing() {
    let server = Server::stand_in(&Faults::default());
    for config in [
        r#"{"coordination": {"mode": "taskqueue", "taskqueue": {"command": ["PLANTED"]}}}"#,
        r#"{"coordination": {"taskqueue": {"mode": "enabled", "command": ["PLANTED"], "file": "/tmp/evil.json"}}}"#,
        r#"{"coordination": {"mode": "taskqueue"}}"#,
    ] {
        let sandbox = Sandbox::new();
        let planted = plant(&sandbox.path("node_modules/.bin/taskqueue-mcp"));
        let on_path = plant(&sandbox.path("bin/taskqueue-mcp"));
        sandbox.write(".mycelium/config.json", &config.replace("PLANTED", &planted.display().to_string()));
        let path = path_with(&sandbox.path("bin"));
        let place = Place::unnamed(&server, sandbox).variable("PATH", &path);
        for command in COMMANDS {
            let run = place.try_run(command);
            assert_ne!(run.code, None, "{run:?}");
        }
        let refused = place.try_run(&["bridge", "push"]);
        assert!(refused.code == Some(5) || refused.code == Some(2), "{refused:?}");
        // Not even the user's own word for TaskQueue starts one that lies in the work tree.
        let named = place.variable("TASKQUEUE_MODE", "enabled");
        let push = named.try_run(&["bridge", "push"]);
        assert_eq!(push.code, Some(75), "{push:?}");
        assert!(push.stderr.contains("may have come with the repository"), "{push:?}");
        let enable = named.try_run(&["bridge", "enable", "taskqueue"]);
        assert_eq!(enable.code, Some(75), "{enable:?}");
        assert!(
            enable.stderr.contains("hint: run `mycelium config set --user coordination.taskqueue.command"),
            "{enable:?}"
        );
        for program in [&planted, &on_path] {
            assert!(!was_started(program), "{config}");
        }
        // Only their own command does.
        let command = format!("[\"{}\"]", planted.display());
        let own = named.variable("MYCELIUM_COORDINATION_TASKQUEUE_COMMAND", &command);
        let _ = own.try_run(&["bridge", "push"]);
        assert!(was_started(&planted), "{config}");
    }
}

#[test]
fn a_server_that_is_installed_is_told_and_started_after_consent() {
    let server = Server::stand_in(&Faults::default());
    let sandbox = Sandbox::new();
    let bin = sandbox.root().with_file_name("bin");
    let marker = plant(&bin.join("taskqueue-mcp"));
    let place = Place::unnamed(&server, sandbox).variable("PATH", &path_with(&bin));
    for command in COMMANDS {
        let _ = place.try_run(command);
    }
    assert!(!was_started(&marker), "finding starts nothing");
    let status = place.try_run(&["bridge", "status"]);
    assert!(status.stdout.contains("taskqueue  found at") && status.stdout.contains("not enabled"), "{status:?}");
    assert!(status.stderr.contains("run `mycelium bridge enable taskqueue`"), "{status:?}");
    assert!(!place.run(&["status"]).contains("taskqueue"), "a command that is not about it says nothing");
    let doctor = place.run(&["doctor"]);
    assert!(doctor.contains("TaskQueue is installed (") && doctor.contains("bridge enable taskqueue"), "{doctor}");
    let detect = place.run(&["bridge", "detect"]);
    assert!(detect.contains("not enabled") && detect.contains("mode markdown"), "{detect}");
    assert_eq!(place.try_run(&["bridge", "push"]).code, Some(2));

    // Agreed: a watcher that runs begins with it, and ends with it.
    stand_in::install(&bin, "taskqueue-mcp", &Faults::default());
    place.create("task-1", &[]);
    let _watching = place.watch();
    let enabled = place.data(&["bridge", "enable", "taskqueue"]);
    assert_eq!((&enabled["backend"], &enabled["live"]), (&"taskqueue".into(), &true.into()), "{enabled}");
    eventually("shown there", || server.file().exists() && server.text().contains("[task-1]"));
    eventually("live", || place.mode() == "taskqueue");
    // Another program that comes first on PATH is not the one that was agreed to.
    let first = place.sandbox.root().with_file_name("first");
    let other = plant(&first.join("taskqueue-mcp"));
    let moved = path_with(&first);
    let place = place.variable("PATH", &moved);
    let _ = place.run(&["bridge", "push"]);
    assert!(!was_started(&other));
    let disabled = place.data(&["bridge", "disable", "taskqueue"]);
    assert_eq!(disabled["backend"], "taskqueue", "{disabled}");
    eventually("over", || place.mode() == "markdown");
    let before = server.text();
    place.create("task-2", &[]);
    std::thread::sleep(std::time::Duration::from_secs(1));
    assert_eq!(server.text(), before);
    assert_eq!(place.run(&["bridge", "disable"]), "nothing was enabled\n");
}

#[test]
fn a_copied_agreement_is_none() {
    let server = Server::stand_in(&Faults::default());
    let (one, other) = (Sandbox::new(), Sandbox::new());
    let bin = one.root().with_file_name("bin");
    fs::create_dir_all(&bin).expect("a folder");
    stand_in::install(&bin, "taskqueue-mcp", &Faults::default());
    let path = path_with(&bin);
    let one = Place::unnamed(&server, one).variable("PATH", &path);
    let _ = one.run(&["bridge", "enable", "taskqueue"]);
    let record = one.sandbox.read(".git/mycelium/bridge/taskqueue-enabled.json");
    other.write(".git/mycelium/bridge/taskqueue-enabled.json", &record);
    let other = Place::unnamed(&server, other).variable("PATH", &path);
    assert_eq!(other.try_run(&["bridge", "push"]).code, Some(2));
    // Nor does it hold for another file.
    let elsewhere = one.variable("TASK_MANAGER_FILE_PATH", "/nowhere/tasks.json");
    let push = elsewhere.try_run(&["bridge", "push"]);
    assert_eq!(push.code, Some(5), "{push:?}");
}
