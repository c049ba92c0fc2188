//! One file or folder that cannot be read is a finding, and everything else goes on. The rights of files mean nothing to root, so the program runs as another user.

use std::fs;
use std::path::PathBuf;

use crate::support::{FOLDER, Run, Sandbox, could_not_run};
use crate::view::{place, said, set_mode, task};

/// Runs the program as a user who is not root: the rights of files mean nothing to root.
fn as_another(sandbox: &Sandbox, arguments: &[&str]) -> Run {
    let mut command = sandbox.command("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(env!("CARGO_BIN_EXE_mycelium"));
    Run::of(command.args(arguments))
}

/// A repository that belongs to that user, with two committed documents; none if this machine cannot have one.
fn owned_by_another(test: &str) -> Option<Sandbox> {
    let sandbox = Sandbox::new();
    for id in ["task-1", "task-2"] {
        sandbox.write(&place(id), &task(id, ""));
    }
    sandbox.write(&format!("{FOLDER}/archive/2025-10/task-9.md"), &task("task-9", "").replace("pending", "completed"));
    sandbox.git(&["add", "."]);
    sandbox.git(&["commit", "-qm", "all"]);
    let top: PathBuf = sandbox.root().parent().expect("a folder").to_owned();
    set_mode(&top, 0o755);
    let given = Run::of(sandbox.command("chown").args(["-R", "65534:65534"]).arg(&top));
    if given.code == Some(0) && as_another(&sandbox, &["--version"]).code == Some(0) {
        return Some(sandbox);
    }
    could_not_run(test, "no other user can be had here");
    None
}

/// Everything that is not about one document goes on.
#[track_caller]
fn assert_goes_on(sandbox: &Sandbox, what: &str) {
    let list = as_another(sandbox, &["task", "list"]);
    assert!(list.stdout.contains("task-2"), "{what}: {list:?}");
    let made = as_another(sandbox, &["task", "create", "--type", "x", "--quiet"]);
    assert_eq!(made.code, Some(0), "{what}: {made:?}");
    let claimed = as_another(sandbox, &["task", "claim", "--next", "--as", "ann"]);
    assert_eq!(claimed.code, Some(0), "{what}: {claimed:?}");
    fs::write(sandbox.path(&place("task-by-hand")), task("task-by-hand", &format!("labels: [\"{what}\"]\n")))
        .expect("written");
    let committed = as_another(sandbox, &["commit"]);
    assert!(said(&committed).contains("task-by-hand"), "{what}: {committed:?}");
    for command in [&["status"][..], &["archive"], &["doctor"], &["event", "list"], &["log"], &["stats"]] {
        let ran = as_another(sandbox, command);
        assert!(!ran.stderr.contains("cannot"), "{what}: {command:?}: {ran:?}");
    }
    let checked = as_another(sandbox, &["check"]);
    assert!(said(&checked).contains("MYC215") || said(&checked).contains("MYC208"), "{what}: {checked:?}");
}

#[test]
fn one_file_that_cannot_be_read_stops_nothing_else() {
    let Some(sandbox) = owned_by_another("one_file_that_cannot_be_read_stops_nothing_else") else { return };
    let head = sandbox.git(&["-c", "safe.directory=*", "rev-parse", &format!("HEAD:{}", place("task-1"))]);
    set_mode(&sandbox.path(&place("task-1")), 0);
    assert_goes_on(&sandbox, "mode 000");
    let found = as_another(&sandbox, &["task", "get", "task-1"]);
    assert!(found.stderr.contains("Permission denied") || found.stdout.contains("Permission denied"), "{found:?}");
    let update = as_another(&sandbox, &["task", "update", "task-1", "--priority", "high"]);
    assert_ne!(update.code, Some(0), "{update:?}");
    let taken = as_another(&sandbox, &["task", "create", "--type", "x", "--id", "task-1"]);
    assert_eq!(taken.code, Some(4), "{taken:?}");
    let now = sandbox.git(&["-c", "safe.directory=*", "rev-parse", &format!("HEAD:{}", place("task-1"))]);
    assert_eq!(now, head, "it is as it was committed");
    // It is as it was found again.
    set_mode(&sandbox.path(&place("task-1")), 0o644);
    let checked = as_another(&sandbox, &["check"]);
    assert!(!said(&checked).contains("MYC215"), "{checked:?}");
}

#[test]
fn an_operation_on_a_file_that_cannot_be_read_any_more_is_committed_when_it_can() {
    let test = "an_operation_on_a_file_that_cannot_be_read_any_more_is_committed_when_it_can";
    let Some(sandbox) = owned_by_another(test) else { return };
    let off = as_another(&sandbox, &["-c", "commit.auto=false", "task", "update", "task-1", "--priority", "high"]);
    let is_done = off.code == Some(0);
    if !is_done {
        fs::write(sandbox.path(&place("task-1")), task("task-1", "priority: high\n")).expect("written");
    }
    set_mode(&sandbox.path(&place("task-1")), 0);
    assert_goes_on(&sandbox, "an operation that waits");
    set_mode(&sandbox.path(&place("task-1")), 0o644);
    let _ = as_another(&sandbox, &["commit"]).ok();
    let at_head = sandbox.git(&["-c", "safe.directory=*", "show", &format!("HEAD:{}", place("task-1"))]);
    assert!(at_head.contains("priority: high"), "{at_head}");
}

#[test]
fn what_is_in_the_place_of_a_document_or_its_folder_is_no_deletion() {
    let test = "what_is_in_the_place_of_a_document_or_its_folder_is_no_deletion";
    let Some(sandbox) = owned_by_another(test) else { return };
    let (one, archive) = (sandbox.path(&place("task-1")), sandbox.path(&format!("{FOLDER}/archive/2025-10")));
    let tree = || sandbox.git(&["-c", "safe.directory=*", "ls-tree", "-r", "--name-only", "HEAD", "--", FOLDER]);
    for what in ["a folder", "a pipe", "a link", "a closed archive", "an archive that cannot be searched"] {
        match what {
            "a folder" => fs::remove_file(&one).and_then(|()| fs::create_dir(&one)).expect("made"),
            "a pipe" => {
                fs::remove_dir(&one).expect("removed");
                let _ = Run::of(sandbox.command("mkfifo").arg(&one)).ok();
            }
            "a link" => {
                fs::remove_file(&one).expect("removed");
                std::os::unix::fs::symlink("task-2.md", &one).expect("a link");
            }
            "a closed archive" => set_mode(&archive, 0),
            _ => set_mode(&archive, 0o444),
        }
        assert_goes_on(&sandbox, what);
        let left = tree();
        assert!(left.contains("task-1.md") && left.contains("2025-10/task-9.md"), "{what}: {left}");
        let held = as_another(&sandbox, &["commit"]);
        assert!(said(&held).contains("held back"), "{what}: {held:?}");
    }
}

#[test]
fn many_that_cannot_be_read_make_short_answers() {
    const MANY: usize = 40;
    let sandbox = Sandbox::new();
    for n in 0..MANY {
        sandbox.write(&place(&format!("task-{n}")), "---\nid: [\n---\n");
    }
    let lines = |arguments: &[&str]| {
        let run = sandbox.mycelium(arguments);
        let words = said(&run);
        (words.matches("task-").count(), words)
    };
    let (named, words) = lines(&["status"]);
    assert!(named < MANY && words.contains("and 30 more; `mycelium check` shows all"), "{words}");
    let (named, words) = lines(&["commit"]);
    assert!(named < MANY && words.contains("and 20 more"), "{words}");
    let (named, words) = lines(&["commit", "--json"]);
    assert!(named < MANY && words.contains("\"held_count\":40"), "{words}");
    // To ask for everything is to get it.
    assert!(lines(&["check"]).0 >= MANY);
}

#[test]
fn settings_that_cannot_be_read_are_said_where_a_document_is_made() {
    let Some(sandbox) = owned_by_another("settings_that_cannot_be_read_are_said_where_a_document_is_made") else {
        return;
    };
    sandbox.write(".mycelium/config.json", "{\"markdown\": {\"folder\": \"docs/tasks\"}}");
    for (mode, text) in
        [(0, None), (0o644, Some("{\"markdown\": {\"folder\"")), (0o644, Some("{\"markdown.folder\": 7}"))]
    {
        if let Some(text) = text {
            sandbox.write(".mycelium/config.json", text);
        }
        set_mode(&sandbox.path(".mycelium/config.json"), mode);
        for arguments in
            [&["task", "create", "--type", "x"][..], &["workflow", "create", "--type", "x"], &["agent", "set", "ann"]]
        {
            let made = as_another(&sandbox, arguments);
            assert_eq!(made.code, Some(0), "{text:?}: {made:?}");
            assert!(made.stderr.contains("error[MYC30") && made.stderr.contains(".mycelium/config.json"), "{made:?}");
            // An agent that is there is changed, which is not about where.
            fs::remove_file(sandbox.path(&place("agent-ann"))).ok();
        }
        set_mode(&sandbox.path(".mycelium/config.json"), 0o644);
    }
}

#[test]
fn a_place_without_rights_is_named_with_a_way_out_that_works() {
    let Some(sandbox) = owned_by_another("a_place_without_rights_is_named_with_a_way_out_that_works") else { return };
    let state = sandbox.path(".git/mycelium");
    assert_eq!(as_another(&sandbox, &["task", "create", "--type", "x"]).code, Some(0));
    set_mode(&state, 0);
    let refused = as_another(&sandbox, &["task", "create", "--type", "x"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    let hint = refused.stderr.lines().find(|line| line.starts_with("hint: ")).expect("a hint");
    let way_out = hint.split('`').find(|part| part.starts_with("chmod ")).expect("a command");
    let mut shell = sandbox.command("setpriv");
    shell.args(["--reuid=65534", "--regid=65534", "--clear-groups", "sh", "-c", way_out]);
    assert_eq!(Run::of(&mut shell).code, Some(0), "{way_out}");
    let made = as_another(&sandbox, &["task", "create", "--type", "x"]);
    assert_eq!(made.code, Some(0), "{made:?}");
}
