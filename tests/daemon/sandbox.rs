//! Agents where less can be written than usual: in a sandbox that keeps `.git` read-only (what they may do there, and in whose
//! name it is committed outside), and on file systems that know no exchange.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::process::Process;
use crate::support::read_only::{can_run, inside};
use crate::support::{FOLDER, Run, Sandbox};

/// A repository with a task that bob holds, its checklist and a second task.
fn scene() -> Sandbox {
    let sandbox = Sandbox::new();
    for arguments in [
        &["task", "create", "--type", "x", "--id", "task-1", "--step", "one"][..],
        &["task", "create", "--type", "x", "--id", "task-2"],
        &["task", "claim", "task-1", "--as", "bob"],
    ] {
        let _ = sandbox.mycelium(arguments).ok();
    }
    sandbox
}

/// The same seen from a linked worktree, in which bob holds the task.
fn linked(sandbox: &Sandbox) -> Sandbox {
    let place = sandbox.root().with_file_name("linked");
    sandbox.git(&["worktree", "add", "-q", "-b", "side", place.to_str().unwrap()]);
    let linked = Sandbox::at(sandbox, place);
    let _ = linked.mycelium(&["task", "claim", "task-2", "--as", "bob"]).ok();
    linked
}

fn run(sandbox: &Sandbox, arguments: &[&str]) -> Run {
    Run::of(&mut inside(sandbox, arguments))
}

fn outbox(sandbox: &Sandbox) -> PathBuf {
    sandbox.path(&format!("{FOLDER}/.operations"))
}

fn records(sandbox: &Sandbox) -> Vec<PathBuf> {
    let entries = fs::read_dir(outbox(sandbox)).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut records: Vec<PathBuf> = entries.filter(|path| name(path).starts_with("0000")).collect();
    records.sort();
    records
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap()
}

/// Author, subject and operations of the newest commits of a branch, newest first.
fn history(sandbox: &Sandbox, count: &str) -> String {
    let format = "%an: %s%n%(trailers:key=Mycelium-Operation,valueonly)";
    let text = sandbox.git(&["log", "-n", count, &format!("--format={format}")]);
    // Ids are random.
    let word = |word: &str| if word.starts_with("op-") { "OP".to_owned() } else { word.to_owned() };
    let line = |line: &str| line.split(' ').map(word).collect::<Vec<_>>().join(" ");
    text.lines().filter(|text| !text.is_empty()).map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn an_agent_in_a_sandbox_finishes_its_task_beside_a_watcher() {
    if !can_run("an_agent_in_a_sandbox_finishes_its_task_beside_a_watcher") {
        return;
    }
    let main = scene();
    for (sandbox, task) in [(&main, "task-1"), (&linked(&main), "task-2")] {
        let mut watcher = Process::start(sandbox);
        for (arguments, told) in [
            (&["task", "note", task, "half way", "--as", "bob"][..], "note, half way"),
            (&["task", "complete", task, "--result", "{\"ok\": true}", "--as", "bob"], "running → completed"),
        ] {
            let done = run(sandbox, arguments);
            assert!(done.stderr.contains("the watcher commits it"), "{done:?}");
            assert!(watcher.hear("committed")["subject"].as_str().unwrap().contains(told), "{told}");
        }
        assert_eq!(
            history(sandbox, "2"),
            format!(
                "bob: {task}: running → completed, result added (bob)\nOP task.complete {task}\n\
                 bob: {task}: note, half way (bob)\nOP task.note {task}"
            )
        );
        assert!(records(sandbox).is_empty(), "what is committed is taken in");
        assert_eq!(sandbox.git(&["status", "--porcelain"]), "", "git sees nothing of the records");
        let _ = watcher.stop();
    }
}

#[test]
fn what_a_sandbox_allows_and_what_it_refuses() {
    if !can_run("what_a_sandbox_allows_and_what_it_refuses") {
        return;
    }
    let main = scene();
    let side = linked(&main);
    for (sandbox, held, other) in [(&main, "task-1", "task-2"), (&side, "task-2", "task-1")] {
        let _ = main.mycelium(&["task", "release", "task-1", "--as", "bob"]);
        let _ = main.mycelium(&["task", "claim", "task-1", "--as", "bob"]).ok();
        let before = main.git(&["log", "--all", "--format=%H"]);
        for (code, line) in [
            (0, "status"),
            (0, "task list"),
            (0, "log"),
            (0, "check"),
            (0, "doctor"),
            (0, "event list"),
            (75, "task claim HELD --as eve"),
            (75, "task claim OTHER --as bob"),
            (75, "task claim OTHER --steal --as eve"),
            (75, "task renew HELD --as bob"),
            (75, "agent beat bob"),
            (75, "commit"),
            (75, "watch --once"),
            (75, "watch --detach"),
            (75, "pause"),
            (0, "resume"),
            (0, "task note HELD x --as eve"),
            (4, "task complete HELD --as eve"),
            (4, "task update HELD --progress 0.1 --as bob --fence 99"),
            (0, "task note HELD x --as bob"),
            (0, "task update HELD --progress 0.5 --as bob"),
            (0, "task create --type y --id task-9"),
            (75, "task claim --next --as bob"),
            (75, "task update task-9 --status running --as bob"),
            (0, "agent set bob --status busy"),
            (0, "event publish a:b --event c"),
            (0, "workflow create --type y --id workflow-1"),
            (0, "task fail HELD --error e --as bob"),
            (0, "task retry HELD"),
            (0, "task remove task-9"),
        ] {
            let line = line.replace("HELD", held).replace("OTHER", other);
            let arguments: Vec<&str> = line.split(' ').collect();
            let done = run(sandbox, &arguments);
            assert_eq!(done.code, Some(code), "{line}: {done:?}");
            let is_named = done.stderr.contains("sandbox") && done.stderr.contains(".git/");
            assert!(code != 75 || is_named, "{line}: {done:?}");
        }
        assert_eq!(main.git(&["log", "--all", "--format=%H"]), before, "nothing is committed in there");
    }
}

#[test]
fn what_was_left_is_committed_in_its_order_and_renews_the_lease() {
    if !can_run("what_was_left_is_committed_in_its_order_and_renews_the_lease") {
        return;
    }
    let sandbox = scene();
    let lease = || -> Value { serde_json::from_str(&sandbox.read(".git/mycelium/claims/held/task-1")).unwrap() };
    // From here on each change is an event of its own.
    let _ = sandbox.mycelium(&["event", "list"]).ok();
    let before = lease()["renewed_ms"].as_u64().unwrap();
    for (text, agent) in [("one", "bob"), ("two", "bob")] {
        let _ = run(&sandbox, &["task", "note", "task-1", text, "--as", agent]).ok();
    }
    let _ = run(&sandbox, &["task", "note", "task-2", "three", "--as", "eve"]).ok();
    let _ = run(&sandbox, &["task", "note", "task-2", "four", "--as", "ann"]).ok();
    assert_eq!(records(&sandbox).len(), 4);
    let listed = run(&sandbox, &["event", "list", "--json"]).ok();
    assert_eq!(listed.matches("\"agent\":\"eve\"").count(), 1, "the event is known by its operation: {listed}");
    // The next command outside takes all of it in first.
    let _ = sandbox.mycelium(&["task", "note", "task-2", "five", "--as", "sue"]).ok();
    assert_eq!(
        history(&sandbox, "4"),
        "sue: task-2: note, five (sue)\nOP task.note task-2\n\
         ann: task-2: note, four (ann)\nOP task.note task-2\n\
         eve: task-2: note, three (eve)\nOP task.note task-2\n\
         bob: task-1: note, one, note, two (bob)\nOP task.note task-1\nOP task.note task-1"
    );
    assert!(records(&sandbox).is_empty());
    assert!(lease()["renewed_ms"].as_u64().unwrap() > before, "the holder has said something");
}

#[test]
fn what_is_refused_in_a_sandbox_changes_nothing_and_advice_fits_there() {
    if !can_run("what_is_refused_in_a_sandbox_changes_nothing_and_advice_fits_there") {
        return;
    }
    let sandbox = scene();
    let server = "redis://127.0.0.1:1/0";
    let _ = sandbox.mycelium(&["bridge", "enable", server]).ok();
    for arguments in [&["bridge", "disable"][..], &["bridge", "enable", "redis://127.0.0.1:2/0"]] {
        let refused = run(&sandbox, arguments);
        assert_eq!(refused.code, Some(75), "{arguments:?}: {refused:?}");
        let status = sandbox.mycelium(&["bridge", "status"]);
        assert!(status.stdout.contains(server) && !status.stdout.contains("untrusted"), "{arguments:?}: {status:?}");
    }
    let _ = sandbox.mycelium(&["bridge", "disable"]).ok();
    for left in [false, true] {
        if left {
            let _ = run(&sandbox, &["task", "note", "task-1", "x", "--as", "bob"]).ok();
        }
        let status = run(&sandbox, &["status"]).ok();
        assert!(status.contains("`mycelium watch` outside of the sandbox"), "{status}");
        assert!(!status.contains("--detach"), "what would be refused: {status}");
        assert_eq!(status.contains("1 document not committed: `.git` is read-only here"), left, "{status}");
    }
    let doctor = run(&sandbox, &["doctor"]).ok();
    assert!(!doctor.contains("mycelium commit") && !doctor.contains("--detach"), "{doctor}");
    let _ = sandbox.mycelium(&["pause"]).ok();
    let refused = run(&sandbox, &["resume"]);
    assert_eq!(refused.code, Some(75), "the pause is not ended: {refused:?}");
    assert!(sandbox.mycelium(&["resume", "--json"]).ok().contains("\"was_paused\":true"));
}

#[test]
fn what_was_left_on_a_dedicated_branch_keeps_its_agents_although_the_branch_moved() {
    if !can_run("what_was_left_on_a_dedicated_branch_keeps_its_agents_although_the_branch_moved") {
        return;
    }
    let main = scene();
    let _ = main.mycelium(&["config", "set", "commit.branch", "coordination"]).ok();
    let place = main.root().with_file_name("linked");
    main.git(&["worktree", "add", "-q", "-b", "side", place.to_str().unwrap()]);
    let side = Sandbox::at(&main, place);
    side.write(".mycelium/config.json", &main.read(".mycelium/config.json"));
    for line in ["task tick task-1 1 --as bob", "task note task-1 first --as eve", "task complete task-1 --as bob"] {
        let _ = run(&main, &line.split(' ').collect::<Vec<_>>()).ok();
    }
    let _ = side.mycelium(&["task", "note", "task-1", "second", "--as", "ann"]).ok();
    let _ = main.mycelium(&["commit"]).ok();
    let authors =
        main.git(&["log", "-n", "4", "coordination", "--format=%an %(trailers:key=Mycelium-Operation,valueonly)"]);
    let word = |word: &str| !word.starts_with("op-");
    let words: Vec<&str> = authors.split_whitespace().filter(|text| word(text)).collect();
    assert_eq!(
        words.join(" "),
        "bob task.complete task-1 eve task.note task-1 bob task.tick task-1 ann task.note task-1"
    );
    let task = main.read(&format!("{FOLDER}/task-1.md"));
    for part in ["first", "second", "[x] one", "status: completed"] {
        assert!(task.contains(part), "{part}: {task}");
    }
    assert_eq!(main.mycelium(&["commit"]).stderr.trim(), "nothing to commit");
}

/// Makes a record one that does not fit.
type Spoil = fn(&Sandbox, &Path);

#[test]
fn records_that_do_not_fit_are_removed_and_named() {
    if !can_run("records_that_do_not_fit_are_removed_and_named") {
        return;
    }
    let cases: [(&str, Spoil); 5] = [
        ("has changed since", |sandbox, _| {
            let path = format!("{FOLDER}/task-2.md");
            sandbox.write(&path, &(sandbox.read(&path) + "\nby hand\n"));
        }),
        ("git tracks it", |sandbox, record| {
            sandbox.git(&["add", "--force", record.to_str().unwrap()]);
        }),
        ("git tracks it", |sandbox, record| {
            sandbox.git(&["add", "--force", record.to_str().unwrap()]);
            sandbox.git(&["commit", "-q", "-m", "a record", "--", record.to_str().unwrap()]);
            sandbox.git(&["rm", "-q", "--cached", record.to_str().unwrap()]);
        }),
        ("belongs to another user", |_, record| std::os::unix::fs::chown(record, Some(1), None).unwrap()),
        ("cannot be read as one", |_, record| fs::write(record, "{}").unwrap()),
    ];
    for (why, spoil) in cases {
        let sandbox = scene();
        let _ = run(&sandbox, &["task", "note", "task-2", "x", "--as", "eve"]).ok();
        spoil(&sandbox, &records(&sandbox)[0]);
        let done = sandbox.mycelium(&["commit"]);
        assert!(done.stderr.contains("MYC222") && done.stderr.contains(why), "{why}: {done:?}");
        assert!(records(&sandbox).is_empty(), "{why}: it is removed");
        let newest = sandbox.git(&["log", "-1", "--format=%an %(trailers:key=Mycelium-Operation)", "--", FOLDER]);
        assert_eq!(newest.trim(), "Robin", "{why}: nobody vouches for eve");
        assert!(sandbox.read(&format!("{FOLDER}/task-2.md")).contains('x'), "{why}: the change itself stays");
    }
}

#[test]
fn a_file_system_without_exchange_takes_every_write() {
    let sandbox = Sandbox::new();
    let weak =
        |arguments: &[&str]| Run::of(sandbox.mycelium_command(arguments).env("MYCELIUM_SABOTAGE", "no-exchange"));
    for line in [
        "task create --type x --id task-1 --as bob",
        "task claim task-1 --as bob",
        "task note task-1 hello --as bob",
        "task complete task-1 --as bob",
        "archive task-1",
        "task reopen task-1",
        "task remove task-1",
        "task create --type z --id task-1 --as eve",
        "event publish a:b --event c",
    ] {
        let _ = weak(&line.split(' ').collect::<Vec<_>>()).ok();
    }
    let exists = weak(&["task", "create", "--type", "x", "--id", "task-1"]);
    assert_eq!(exists.code, Some(4), "what is there is not replaced: {exists:?}");
    assert!(sandbox.read(&format!("{FOLDER}/task-1.md")).contains("type: z"));
    assert_eq!(sandbox.git(&["status", "--porcelain"]), "", "all of it is committed");
    let names = sandbox.git(&["log", "--format=%an", "--", FOLDER]);
    assert_eq!(
        names.lines().collect::<Vec<_>>(),
        ["Robin", "eve", "Robin", "Robin", "Robin", "bob", "bob", "bob", "bob"]
    );
    let left = crate::support::names(&sandbox.path(".git/mycelium/tmp"));
    assert!(!left.iter().any(|name| name.ends_with('~')), "{left:?}");
}
