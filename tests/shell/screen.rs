//! Colours and widths: when there are colours, and that tables fit.

use crate::support::{Run, Sandbox, could_not_run};
use crate::terminal::{Terminal, can_make};
use crate::{path, worked_in};

#[test]
fn colours_are_where_they_are_wanted() {
    if let Err(why) = can_make() {
        return could_not_run("colours_are_where_they_are_wanted", &why);
    }
    let sandbox = worked_in();
    for (variables, option, on_terminal, in_pipe) in [
        (&[][..], "", true, false),
        (&[("NO_COLOR", "1")], "", false, false),
        (&[("NO_COLOR", "")], "", true, false),
        (&[("CLICOLOR", "0")], "", false, false),
        (&[("CLICOLOR", "1")], "", true, false),
        (&[("CLICOLOR_FORCE", "1")], "", true, true),
        (&[("CLICOLOR_FORCE", "0")], "", true, false),
        (&[("TERM", "dumb")], "", false, false),
        (&[("NO_COLOR", "1")], "--color always", true, true),
        (&[("CLICOLOR_FORCE", "1")], "--color never", false, false),
        (&[("TERM", "dumb")], "--color=always", true, true),
    ] {
        let line = format!("mycelium task list {option}");
        let (_, shown) = Terminal::run(&sandbox, (80, 24), variables, &line).end();
        assert_eq!(shown.contains("\u{1b}["), on_terminal, "on a terminal, {variables:?} {option}: {shown:?}");
        // Colour is never the only sign.
        assert!(shown.contains("● running"), "{shown:?}");
        let mut shell = sandbox.command("sh");
        shell.args(["-c", &line]).env("PATH", path()).env("TERM", "xterm").env_remove("NO_COLOR");
        let printed = Run::of(shell.envs(variables.iter().copied())).ok();
        assert_eq!(printed.contains("\u{1b}["), in_pipe, "in a pipe, {variables:?} {option}: {printed:?}");
    }
}

#[test]
fn errors_are_coloured_by_the_same_rules() {
    if let Err(why) = can_make() {
        return could_not_run("errors_are_coloured_by_the_same_rules", &why);
    }
    let sandbox = worked_in();
    for (line, coloured) in [
        ("mycelium task get nobody", true),
        ("NO_COLOR=1 mycelium task get nobody", false),
        ("mycelium task get nobody --color never", false),
        ("mycelium --json task get nobody", false),
        ("mycelium no-such-command", true),
        ("mycelium no-such-command --color never", false),
        ("mycelium --color=never --help", false),
        ("mycelium --help", true),
    ] {
        let (_, shown) = Terminal::run(&sandbox, (80, 60), &[("PAGER", "cat")], line).end();
        assert_eq!(shown.contains("\u{1b}["), coloured, "{line}: {shown:?}");
    }
}

#[test]
fn tables_fit_the_terminal() {
    if let Err(why) = can_make() {
        return could_not_run("tables_fit_the_terminal", &why);
    }
    let sandbox = worked_in();
    for title in [
        "日本語の長い題名がここにある、とても長い題名",
        "🚀🚀🚀🚀🚀🚀🚀🚀🚀🚀🚀🚀🚀🚀 lift-off",
        "an ordinary long title of a task, as people write them",
    ] {
        sandbox
            .mycelium(&["task", "create", "--type", "x", "--title", title, "--assigned-to", "performance-engineer"])
            .ok();
    }
    for columns in [40, 60, 80, 120, 200] {
        for command in ["task list", "status", "config list", "agent list"] {
            let line = format!("mycelium {command} --no-pager 2>&1");
            let (_, shown) = Terminal::run(&sandbox, (columns, 80), &[("NO_COLOR", "1")], &line).end();
            // Between its tables `status` has sentences, which a terminal wraps.
            for row in shown.lines().filter(|row| row.starts_with("  ") || command != "status") {
                assert!(width(row) <= usize::from(columns), "{command} at {columns}: {row}");
            }
        }
    }
    let (_, shown) = Terminal::run(&sandbox, (200, 80), &[("COLUMNS", "50")], "mycelium task list --color never").end();
    assert!(shown.lines().all(|row| width(row) <= 50), "{shown}");
}

/// Columns of a line, counted apart from the program: wide letters and pictures are two.
fn width(line: &str) -> usize {
    line.chars()
        .map(|c| if ('\u{1100}'..='\u{ffdc}').contains(&c) && c > '\u{2e80}' || c > '\u{1f000}' { 2 } else { 1 })
        .sum()
}

#[test]
fn what_is_said_beside_the_answer_follows_the_options() {
    let sandbox: Sandbox = worked_in();
    let run = sandbox.mycelium(&["task", "list", "--verbose"]);
    assert!(run.stderr.contains(", on main, as the git user\n") && run.stderr.contains("took "), "{}", run.stderr);
    assert_eq!(sandbox.mycelium(&["task", "list", "--limit", "1", "-q"]).stderr, "");
    let run = sandbox.mycelium(&["task", "list", "--json", "--verbose"]);
    assert_eq!(run.stderr, "");
    assert_eq!(sandbox.mycelium(&["task", "list", "-v", "-q"]).code, Some(2));
}
