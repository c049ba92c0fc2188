//! `status --watch`: what it shows on a terminal and in a pipe, when it shows it, and how it ends.
#![allow(clippy::print_stdout, reason = "figures are told")]

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use crate::support::{could_not_run, has_program};
use crate::terminal::{Terminal, can_make};
use crate::worked_in;

/// Longer than anything here takes on a busy machine, and the interval that is never awaited.
const LONG: Duration = Duration::from_secs(60);

#[test]
fn a_terminal_shows_changes_in_place_and_gets_its_screen_back() {
    if let Err(why) = can_make() {
        return could_not_run("a_terminal_shows_changes_in_place_and_gets_its_screen_back", &why);
    }
    let sandbox = worked_in();
    // The interval is an hour: what is shown is shown because something changed.
    let mut terminal = Terminal::run(
        &sandbox,
        (80, 24),
        &[("NO_COLOR", "1")],
        "trap : INT; mycelium status --watch --interval 1h; echo code $?",
    );
    terminal.wait_for("Ctrl-C ends");
    assert!(terminal.shown().starts_with("\u{1b}[?1049h"), "{:?}", terminal.shown());
    assert!(terminal.shown().contains("2 tasks: 1 pending, 1 running"), "{}", terminal.shown());
    sandbox.mycelium(&["task", "create", "--type", "x", "--id", "task-new"]).ok();
    terminal.wait_for("3 tasks: 2 pending, 1 running");
    sandbox.mycelium(&["task", "complete", "task-run"]).ok();
    terminal.wait_for("1 completed");
    // By the terminal itself, as a person does it.
    terminal.keys("\u{3}");
    terminal.wait_for("\u{1b}[?1049l");
    let (_, shown) = terminal.end();
    assert!(shown.contains("\u{1b}[?25h"), "the cursor is back: {shown:?}");
    assert!(shown.contains("code 130"), "{shown:?}");
    // Nothing is wider or longer than the terminal.
    for frame in shown.split("\u{1b}[H").skip(1) {
        assert!(frame.matches('\n').count() < 24, "{frame:?}");
    }
}

#[test]
fn a_small_terminal_is_not_overrun() {
    if let Err(why) = can_make() {
        return could_not_run("a_small_terminal_is_not_overrun", &why);
    }
    let sandbox = worked_in();
    let mut terminal =
        Terminal::run(&sandbox, (40, 6), &[], "trap : INT; mycelium status --watch --interval 1h; echo code $?");
    terminal.wait_for("more lines");
    terminal.wait_for("Ctrl-C ends");
    terminal.keys("\u{3}");
    let (_, shown) = terminal.end();
    let frame = shown.split("\u{1b}[H").nth(1).unwrap();
    let frame = frame.split("\u{1b}[J").next().unwrap();
    assert_eq!(frame.matches('\n').count(), 5, "{frame:?}");
}

#[test]
fn a_dumb_terminal_gets_plain_text() {
    if let Err(why) = can_make() {
        return could_not_run("a_dumb_terminal_gets_plain_text", &why);
    }
    let sandbox = worked_in();
    let mut terminal = Terminal::run(
        &sandbox,
        (80, 24),
        &[("TERM", "dumb")],
        "trap : INT; mycelium status --watch --interval 1h; echo code $?",
    );
    terminal.wait_for("no watcher is running");
    terminal.keys("\u{3}");
    let (_, shown) = terminal.end();
    assert!(!shown.contains('\u{1b}') && shown.contains("code 130"), "{shown:?}");
}

/// A child that writes lines, and ends with the test.
struct Stream {
    child: Child,
    lines: Receiver<String>,
}

impl Stream {
    fn next(&self) -> String {
        self.lines.recv_timeout(LONG).expect("a line comes")
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_pipe_gets_a_line_for_each_change_and_none_for_time_that_passes() {
    if !has_program("kill") {
        return could_not_run("a_pipe_gets_a_line_for_each_change_and_none_for_time_that_passes", "`kill` is missing");
    }
    let sandbox = worked_in();
    let mut command = sandbox.command(env!("CARGO_BIN_EXE_mycelium"));
    command.args(["status", "--watch", "--json", "--interval", "100ms"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    let (tell, lines) = channel();
    std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
    let mut stream = Stream { child, lines };
    let read = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap();
    let first = read(&stream.next());
    assert_eq!((&first["kind"], &first["data"]["task_queue_size"]), (&"status".into(), &1.into()));
    // Many intervals pass, and nothing happens.
    assert!(stream.lines.recv_timeout(Duration::from_millis(1_500)).is_err(), "time that passes is no change");
    sandbox.mycelium(&["task", "create", "--type", "x", "--id", "task-new", "--priority", "high"]).ok();
    let start = Instant::now();
    let changed = loop {
        let line = read(&stream.next());
        if line["data"]["task_queue_size"] == 2 && line["data"]["uncommitted_count"] == 0 {
            break line;
        }
    };
    println!("measured: told {} ms after the command had ended", start.elapsed().as_millis());
    assert_eq!(changed["data"]["task_queue"]["high"], 1);
    // A sign of life changes no document; it is seen at the next interval, and only where it makes a difference.
    sandbox.mycelium(&["agent", "beat", "ai-engineer"]).ok();
    let pid = stream.child.id().to_string();
    assert!(sandbox.command("kill").args(["-INT", &pid]).status().unwrap().success());
    let last = loop {
        let line = read(&stream.next());
        if line["kind"] != "status" {
            break line;
        }
    };
    assert_eq!(last["kind"], "status.end");
    assert_eq!(stream.child.wait().unwrap().code(), Some(130));
}

/// A workflow whose only step has a list of three items, and one that follows.
fn with_run(id: &str) -> crate::support::Sandbox {
    let sandbox = worked_in();
    sandbox.write(
        ".mycelium/workflows/fan.yaml",
        "steps:\n  each: { type: x, for_each: [1, 2, 3] }\n  join: { type: y, needs: each }\n",
    );
    sandbox.mycelium(&["workflow", "run", "fan", "--id", id]).ok();
    sandbox
}

#[test]
fn a_workflow_is_followed_as_a_tree_in_place() {
    if let Err(why) = can_make() {
        return could_not_run("a_workflow_is_followed_as_a_tree_in_place", &why);
    }
    let sandbox = with_run("wf-1");
    let run = |line: &str| sandbox.mycelium(&line.split(' ').collect::<Vec<_>>()).ok();
    let size = (100, 24);
    let terminal =
        Terminal::run(&sandbox, size, &[("NO_COLOR", "1")], "trap : INT; mycelium workflow monitor wf-1; echo code $?");
    terminal.wait_for("0 of 2 steps ended");
    terminal.wait_for("0 of 3");
    run("task claim task-wf-1-each.1 --as ann");
    run("task complete task-wf-1-each.1 --as ann");
    terminal.wait_for("1 of 3");
    terminal.wait_for("25 %");
    for item in [2, 3] {
        run(&format!("task claim task-wf-1-each.{item} --as ben"));
        run(&format!("task complete task-wf-1-each.{item} --as ben"));
    }
    run("workflow drive");
    terminal.wait_for("1 of 2 steps ended");
    run("task claim --next --type y --as ben");
    terminal.wait_for("ben");
    run("task fail task-wf-1-join --as ben --error full");
    run("workflow drive");
    terminal.wait_for("\u{1b}[?1049l");
    let (_, shown) = terminal.end();
    assert!(shown.contains("\u{1b}[?25h") && shown.trim_end().ends_with("code 1"), "{shown:?}");
    let after = shown.rsplit("\u{1b}[?1049l").next().unwrap();
    assert!(after.contains("✗ failed") && after.contains("full") && after.contains("3 of 3"), "{after:?}");
    // Interrupted, it gives the screen back and says nothing of the workflow's end.
    let sandbox = with_run("wf-2");
    let mut terminal = Terminal::run(&sandbox, size, &[], "trap : INT; mycelium workflow monitor wf-2; echo code $?");
    terminal.wait_for("Ctrl-C ends this");
    terminal.keys("\u{3}");
    let (_, shown) = terminal.end();
    assert!(
        shown.contains("\u{1b}[?1049l") && shown.contains("\u{1b}[?25h") && shown.contains("code 130"),
        "{shown:?}"
    );
}

#[test]
fn a_pipe_gets_a_line_for_each_change_of_a_workflow_and_one_for_its_end() {
    let sandbox = with_run("wf-1");
    let mut command = sandbox.command(env!("CARGO_BIN_EXE_mycelium"));
    let mut child = command.args(["workflow", "monitor", "wf-1"]).stdout(Stdio::piped()).spawn().unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    let (tell, lines) = channel();
    std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
    let mut stream = Stream { child, lines };
    let read = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap();
    let first = read(&stream.next());
    assert_eq!((&first["kind"], &first["data"]["status"]), (&"workflow.monitor".into(), &"running".into()));
    assert_eq!(first["data"]["steps"][0]["items"]["total"], 3);
    assert!(stream.lines.recv_timeout(Duration::from_millis(1_500)).is_err(), "time that passes is no change");
    sandbox.mycelium(&["workflow", "pause", "wf-1"]).ok();
    assert_eq!(read(&stream.next())["data"]["paused"], true);
    sandbox.mycelium(&["workflow", "cancel", "wf-1"]).ok();
    let last = loop {
        let line = read(&stream.next());
        if line["kind"] != "workflow.monitor" {
            break line;
        }
    };
    assert_eq!((&last["kind"], &last["data"]["status"]), (&"workflow.end".into(), &"failed".into()));
    assert!(last["data"]["error"].as_str().unwrap().starts_with("cancelled by "), "{last}");
    assert_eq!(stream.child.wait().unwrap().code(), Some(1));
}
