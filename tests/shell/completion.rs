//! Completion: by real shells on a real terminal, and by what the program tells them.

use std::fs;
use std::process::Command;

use crate::support::{FOLDER, Run, SABOTAGE, Sandbox, can_trace, could_not_run, has_program};
use crate::terminal::{Terminal, can_make};
use crate::{path, worked_in};

const SHELLS: [&str; 5] = ["bash", "elvish", "fish", "powershell", "zsh"];

/// The question that a shell's script asks for a line whose last word is being typed.
fn question(sandbox: &Sandbox, shell: &str, words: &[&str]) -> Command {
    let mut command = sandbox.mycelium_command(&["--", "mycelium"]);
    command.args(words).env("COMPLETE", shell).env("_CLAP_COMPLETE_INDEX", words.len().to_string());
    command.env("_CLAP_IFS", "\n").env_remove(SABOTAGE);
    command
}

/// The candidates for a line whose last word is being typed, with their descriptions, as fish gets them.
fn offered(sandbox: &Sandbox, line: &str) -> Vec<String> {
    let words: Vec<&str> = line.split(' ').collect();
    let run = Run::of(&mut question(sandbox, "fish", &words));
    assert_eq!(run.stderr, "", "{line}");
    run.ok().lines().map(ToOwned::to_owned).collect()
}

#[test]
fn each_place_has_its_own_candidates() {
    let sandbox = worked_in();
    for (line, expected) in [
        ("task complete ", vec!["task-run\trunning: Running"]),
        ("task retry task-", vec![]),
        ("task get task-", vec!["task-run\trunning: Running", "task-wait\tpending: Waiting"]),
        ("task get w", vec!["wait\tpending: Waiting"]),
        ("task tick task-run ", vec!["1\tLoad", "2\tTrain"]),
        ("task tick run ", vec!["1\tLoad", "2\tTrain"]),
        ("task create --type ", vec!["plan", "train"]),
        ("task create --depends-on task-run,task-w", vec!["task-run,task-wait\tpending: Waiting"]),
        ("task create --assigned-to=ai", vec!["--assigned-to=ai-engineer\tbusy"]),
        ("task update task-run --priority h", vec!["high"]),
        ("task list --status f", vec!["failed"]),
        ("agent set x --status ", vec!["idle", "busy", "error"]),
        ("--as ", vec!["ai-engineer\tbusy"]),
        ("config set commit.author ", vec!["agent", "user"]),
        ("config set commit.auto ", vec!["true", "false"]),
        ("completions z", vec!["zsh"]),
        ("log ai", vec!["ai-engineer\tbusy"]),
        (
            "task get --r",
            vec![
                "--raw\tPrint the file's exact bytes instead",
                "--root\tWork in this directory's repository [env: MYCELIUM_ROOT] [default: the enclosing repository]",
                "--require-mode\tEnd with 75 unless this follower is live: redis, taskqueue or markdown",
            ],
        ),
        ("status --require-mode ", vec!["redis", "taskqueue", "markdown"]),
    ] {
        assert_eq!(offered(&sandbox, line), expected, "{line}");
    }
    sandbox.mycelium(&["workflow", "new", "train"]).ok();
    sandbox.mycelium(&["workflow", "create", "--type", "x", "--id", "workflow-1"]).ok();
    assert_eq!(offered(&sandbox, "workflow run tr"), ["train\ta definition"]);
    assert_eq!(offered(&sandbox, "workflow graph "), ["train\ta definition", "workflow-1\trunning: x"]);
    assert_eq!(offered(&sandbox, "workflow monitor "), ["workflow-1\trunning: x"]);
    sandbox.mycelium(&["config", "set", "formats.short", "{{id}}"]).ok();
    assert_eq!(offered(&sandbox, "config get formats"), ["formats.short\t{{id}}"]);
    assert_eq!(offered(&sandbox, "task list --format s"), ["short\t{{id}}"]);
    assert!(offered(&sandbox, "config get markdown.").iter().any(|line| line.starts_with("markdown.shape\t")));
    assert!(offered(&sandbox, "").iter().any(|line| line.starts_with("task\t")));
}

#[test]
fn steps_that_are_done_are_offered_to_be_opened() {
    let sandbox = worked_in();
    sandbox.mycelium(&["task", "tick", "task-run", "1"]).ok();
    assert_eq!(offered(&sandbox, "task tick task-run "), ["2\tTrain"]);
    assert_eq!(offered(&sandbox, "task tick --open task-run "), ["1\tLoad"]);
}

#[test]
fn it_works_below_the_root_and_for_another_one() {
    let sandbox = worked_in();
    fs::create_dir_all(sandbox.path("deep/down")).unwrap();
    let ask = |folder: &str, words: &[&str]| {
        let mut command = question(&sandbox, "fish", words);
        Run::of(command.current_dir(sandbox.path(folder))).ok()
    };
    assert_eq!(ask("deep/down", &["task", "complete", ""]), "task-run\trunning: Running\n");
    let root = sandbox.root().to_str().unwrap();
    assert_eq!(ask("..", &["--root", root, "task", "complete", ""]), "task-run\trunning: Running\n");
}

#[test]
fn where_nothing_can_be_read_it_is_silent() {
    let plain = Sandbox::without_git();
    let broken = worked_in();
    fs::write(broken.path(".git/config"), b"[core\n\0\xff").unwrap();
    let unreadable = worked_in();
    unreadable.write(".mycelium/config.json", "{");
    unreadable.write(&format!("{FOLDER}/task-run.md"), "---\n: [\n");
    for sandbox in [&plain, &broken] {
        for shell in SHELLS {
            let run = Run::of(&mut question(sandbox, shell, &["task", "get", "task-"]));
            run.is(0, "", "");
        }
        assert!(offered(sandbox, "task c").iter().any(|line| line.starts_with("complete\t")));
    }
    assert_eq!(offered(&unreadable, "task get task-r"), ["task-run\tunreadable"]);
    for words in [&[][..], &["task", "get", "\u{1b}"], &["--root"], &["--root", "/nowhere", "task", "get", ""]] {
        let run = Run::of(&mut question(&plain, "bash", words));
        assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{words:?}");
    }
}

#[test]
fn a_variable_that_is_no_question_changes_nothing() {
    let sandbox = worked_in();
    for (value, arguments) in [("bash", &["task", "get", "task-run"][..]), ("1", &["--version"]), ("", &["--version"])]
    {
        let mut command = sandbox.mycelium_command(arguments);
        let plain = Run::of(&mut command).ok();
        assert_eq!(Run::of(command.env("COMPLETE", value)).ok(), plain, "{value}");
    }
}

#[test]
fn hostile_texts_reach_no_shell() {
    let sandbox = Sandbox::new();
    for (id, kind, title) in [
        ("task-a", "x; touch pwned", "T\u{1b}[2J\u{202e}\u{7}title"),
        ("task-b", "$(touch pwned)", "a\\tb:c\u{0}d"),
        ("task-c", "`touch pwned`", "$(touch pwned)"),
        ("task-d", "good-type", "'; touch pwned #"),
    ] {
        let text = format!("---\nid: {id}\ntype: {}\nstatus: pending\n---\n# {title}\n", serde_json::Value::from(kind));
        sandbox.write(&format!("{FOLDER}/{id}.md"), &text);
    }
    for shell in SHELLS {
        for words in [&["task", "get", "task-"][..], &["task", "create", "--type", ""]] {
            let told = Run::of(&mut question(&sandbox, shell, words)).ok();
            let bad = |c: char| c != '\n' && c != '\t' && (c.is_control() || c == '\u{202e}');
            assert!(!told.contains(bad), "{shell}: {told:?}");
            let words: Vec<&str> = told.lines().filter_map(|line| line.split(['\t', ':']).next()).collect();
            assert!(words.iter().all(|word| !word.contains(['$', '`', ';', ' '])), "{shell}: {told:?}");
            assert!(!words.is_empty(), "{shell}");
        }
    }
    assert_eq!(offered(&sandbox, "task create --type "), ["good-type"]);
}

#[test]
fn it_only_looks() {
    let sandbox = worked_in();
    sandbox.mycelium(&["config", "set", "commit.branch", "tasks"]).ok();
    let state = || Run::of(sandbox.command("find").args([".", "-printf", "%p %T@ %s\n"])).ok();
    let before = state();
    offered(&sandbox, "task get ");
    offered(&sandbox, "task create --type ");
    assert_eq!(state(), before);
}

#[test]
fn ten_thousand_tasks_are_not_read_for_it() {
    const READ_MAX: usize = 256;
    if let Err(why) = can_trace() {
        return could_not_run("ten_thousand_tasks_are_not_read_for_it", &why);
    }
    let live = Sandbox::new();
    let archived = worked_in();
    fs::create_dir_all(live.path(FOLDER)).unwrap();
    fs::create_dir_all(archived.path(&format!("{FOLDER}/archive/2025-10"))).unwrap();
    for n in 0..10_000 {
        let text = format!("---\nid: task-{n:05}\ntype: x\nstatus: completed\n---\n# T\n");
        fs::write(live.path(&format!("{FOLDER}/task-{n:05}.md")), &text).unwrap();
        fs::write(archived.path(&format!("{FOLDER}/archive/2025-10/task-{n:05}.md")), &text).unwrap();
    }
    for (sandbox, opened_max, found) in [(&live, READ_MAX, 10_000), (&archived, 3, 2)] {
        let trace = sandbox.path("trace");
        let mut command = sandbox.command("strace");
        command.args(["-f", "-qq", "-e", "trace=openat", "--seccomp-bpf", "-o"]).arg(&trace);
        command.arg(env!("CARGO_BIN_EXE_mycelium")).args(["--", "mycelium", "task", "get", "task-"]);
        command.env("COMPLETE", "fish");
        assert_eq!(Run::of(&mut command).ok().lines().count(), found);
        let opened = fs::read_to_string(&trace).unwrap().lines().filter(|line| line.contains(".md\"")).count();
        assert!(opened <= opened_max, "{opened} documents were opened");
    }
    // What is named in full is read, wherever it stands among the others.
    assert_eq!(offered(&live, "task reopen task-00007"), ["task-00007\tcompleted: T"]);
}

/// A shell on a terminal completes `ta` and the line is run: the task is completed then.
fn a_shell_completes(test: &str, shell: &str, start: &str, set_ups: &[String]) {
    if !has_program(shell) {
        return could_not_run(test, &format!("`{shell}` is missing"));
    }
    if let Err(why) = can_make() {
        return could_not_run(test, &why);
    }
    for set_up in set_ups {
        completes_after(set_up, start);
    }
}

fn completes_after(set_up: &str, start: &str) {
    let sandbox = worked_in();
    let mut terminal = Terminal::run(&sandbox, (80, 24), &[("PS1", "> "), ("HISTFILE", "")], start);
    terminal.keys(&format!("{set_up}; echo rea''dy\n"));
    terminal.wait_for("ready");
    terminal.keys("mycelium task complete ta\t");
    terminal.wait_for("task-run");
    terminal.keys("\nexit\n");
    terminal.end();
    let status = sandbox.mycelium(&["task", "get", "task-run", "--format", "{{status}}"]).ok();
    assert_eq!(status, "completed\n");
}

#[test]
fn bash_completes() {
    a_shell_completes(
        "bash_completes",
        "bash",
        "bash --norc --noprofile -i",
        &["source <(mycelium completions bash)".to_owned()],
    );
}

#[test]
fn zsh_completes() {
    // The line that is recommended, where nothing was set up before and where completion runs already.
    let told = Sandbox::without_git().mycelium(&["completions", "zsh", "--json"]).ok();
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    let line = told["data"]["line"].as_str().unwrap();
    let set_ups = [line.to_owned(), format!("autoload -Uz compinit && compinit -u -D; {line}")];
    a_shell_completes("zsh_completes", "zsh", "zsh -f -i", &set_ups);
}

#[test]
fn fish_completes() {
    if !has_program("fish") {
        return could_not_run("fish_completes", "`fish` is missing");
    }
    let sandbox = worked_in();
    let line = "mycelium completions fish | source; complete -C 'mycelium task complete ta'";
    let mut fish = sandbox.command("fish");
    let run = Run::of(fish.args(["--no-config", "-c", line]).env("PATH", path()));
    assert_eq!(run.ok(), "task-run\trunning: Running\n");
}

#[test]
fn every_script_is_one_that_its_shell_reads() {
    let sandbox = Sandbox::without_git();
    for shell in SHELLS {
        let script = sandbox.mycelium(&["completions", shell]).ok();
        assert!(script.contains("COMPLETE") && script.contains("mycelium"), "{shell}: {script}");
        let known = matches!(shell, "bash" | "zsh" | "fish");
        if known && has_program(shell) {
            sandbox.write("script", &script);
            Run::of(sandbox.command(shell).args(["-n", "script"])).is(0, "", "");
        }
    }
}
