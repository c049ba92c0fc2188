//! The pager on a real terminal: long answers go through the user's own, and nothing else is ever started.

use crate::support::{Run, Sandbox, could_not_run, has_program};
use crate::terminal::{Terminal, can_make};
use crate::{path, worked_in};

const TALL: (u16, u16) = (100, 200);
const LOW: (u16, u16) = (100, 5);
/// A pager that says that it ran.
const MARKED: &str = "sed s/^/paged:/";

fn run(sandbox: &Sandbox, size: (u16, u16), variables: &[(&str, &str)], line: &str) -> String {
    let (code, shown) = Terminal::run(sandbox, size, variables, line).end();
    assert_eq!(code, Some(0), "{line}: {shown}");
    shown
}

#[test]
fn long_answers_are_paged_and_only_those() {
    if let Err(why) = can_make() {
        return could_not_run("long_answers_are_paged_and_only_those", &why);
    }
    let sandbox = worked_in();
    let own = [("PAGER", MARKED)];
    for (size, variables, line, paged) in [
        (LOW, &own[..], "mycelium config list", true),
        (TALL, &own, "mycelium config list", false),
        (LOW, &own, "mycelium --no-pager config list", false),
        (LOW, &own, "mycelium config list | cat", false),
        (LOW, &own, "mycelium config list --json", false),
        (LOW, &[("MYCELIUM_PAGER", MARKED), ("PAGER", "cat")], "mycelium config list", true),
        (LOW, &[("MYCELIUM_PAGER", "cat"), ("PAGER", MARKED)], "mycelium config list", false),
        (LOW, &[("PAGER", "no-such-pager-here -R")], "mycelium config list", false),
        (LOW, &[("PAGER", "'no such pager here'")], "mycelium config list", false),
        (LOW, &[("PAGER", MARKED), ("TERM", "dumb")], "mycelium config list", false),
    ] {
        let shown = run(&sandbox, size, variables, line);
        assert_eq!(shown.contains("paged:"), paged, "{line} {variables:?}:\n{shown}");
        assert!(shown.contains("commit.author"), "{line} {variables:?}:\n{shown}");
    }
    assert!(run(&sandbox, (100, 3), &own, "mycelium log").contains("paged:"));
}

#[test]
fn no_repository_names_the_pager() {
    if let Err(why) = can_make() {
        return could_not_run("no_repository_names_the_pager", &why);
    }
    let sandbox = worked_in();
    sandbox.write(".mycelium/config.json", r#"{"ui": {"pager": "touch started; cat"}}"#);
    run(&sandbox, LOW, &[("PAGER", "cat")], "mycelium config list");
    assert!(!sandbox.path("started").exists());
    sandbox.mycelium(&["config", "set", "--user", "ui.pager", "touch started; cat"]).ok();
    run(&sandbox, LOW, &[("PAGER", "cat")], "mycelium config list");
    assert!(sandbox.path("started").exists());
}

#[test]
fn less_keeps_the_colours_and_q_ends_it_quietly() {
    const TEST: &str = "less_keeps_the_colours_and_q_ends_it_quietly";
    if let Err(why) = can_make() {
        return could_not_run(TEST, &why);
    }
    if !has_program("less") {
        return could_not_run(TEST, "`less` is missing");
    }
    let sandbox = worked_in();
    let mut terminal = Terminal::run(&sandbox, LOW, &[], "mycelium config list; echo ended with $?");
    terminal.wait_for("coordination.mode");
    terminal.keys("q");
    let (_, shown) = terminal.end();
    assert!(shown.contains("ended with 0") && shown.contains("\u{1b}[2m"), "{shown:?}");
    assert!(!shown.contains("commit.author") && !shown.contains("ESC["), "{shown:?}");
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let sandbox = worked_in();
    for (line, first) in [
        ("mycelium config list", "SETTING"),
        ("mycelium log", "20"),
        ("mycelium task list --json", "{"),
        ("mycelium man", "."),
    ] {
        // The reader is gone before the first byte, and after the first line.
        for reader in ["true", "head -n 1"] {
            let script = format!("set -o pipefail; {{ sleep 0.2; {line}; echo code $? >&2; }} | {reader}");
            let run = Run::of(sandbox.command("bash").args(["-c", &script]).env("PATH", path()));
            assert_eq!(run.stderr, "code 0\n", "{line} | {reader}");
            assert!(reader == "true" || run.stdout.starts_with(first), "{line}: {}", run.stdout);
        }
    }
}

#[test]
fn an_interrupt_is_the_pagers() {
    if let Err(why) = can_make() {
        return could_not_run("an_interrupt_is_the_pagers", &why);
    }
    let sandbox = worked_in();
    let pager = "cat >/dev/null; trap 'echo heard' INT; echo waits; sleep 30; echo went on";
    // Where the tests were started in the background interrupts are ignored, by all that they start.
    let line = "exec env --default-signal=INT mycelium config list";
    let mut terminal = Terminal::run(&sandbox, LOW, &[("PAGER", pager)], line);
    terminal.wait_for("waits");
    terminal.keys("\u{3}");
    let (code, shown) = terminal.end();
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.contains("heard") && shown.contains("went on"), "{shown}");
}
