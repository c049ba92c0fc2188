//! Progress of long work: seen by people who wait, by nobody else.

use std::fs;

use crate::support::{FOLDER, Sandbox, could_not_run};
use crate::terminal::{Terminal, can_make};

/// So many that no machine compares and commits them in half a second.
const MANY: usize = 12_000;

fn with_documents(count: usize) -> Sandbox {
    let sandbox = Sandbox::new();
    fs::create_dir_all(sandbox.path(FOLDER)).unwrap();
    for n in 0..count {
        let text = format!("---\nid: task-{n:05}\ntype: x\nstatus: pending\n---\n# T\n");
        fs::write(sandbox.path(&format!("{FOLDER}/task-{n:05}.md")), text).unwrap();
    }
    sandbox
}

fn shown(sandbox: &Sandbox, variables: &[(&str, &str)], line: &str) -> String {
    let (code, shown) = Terminal::run(sandbox, (80, 24), variables, line).end();
    assert_eq!(code, Some(0), "{line}: {shown}");
    shown
}

#[test]
fn who_waits_for_a_commit_of_thousands_sees_how_far_it_is() {
    if let Err(why) = can_make() {
        return could_not_run("who_waits_for_a_commit_of_thousands_sees_how_far_it_is", &why);
    }
    let sandbox = with_documents(MANY);
    let seen = shown(&sandbox, &[], "mycelium commit >out");
    assert!(seen.contains(&format!("of {MANY}")), "{seen:?}");
    // Nothing of it is left on the last line.
    let last = seen.trim_end_matches('\n').rsplit("\u{1b}[2K").next().unwrap_or_default();
    assert!(!last.contains(" of "), "{seen:?}");
}

#[test]
fn nobody_else_sees_any() {
    if let Err(why) = can_make() {
        return could_not_run("nobody_else_sees_any", &why);
    }
    // The same work as above, which is long enough to be shown where it may be.
    for (variables, line) in [
        (&[][..], "mycelium commit --json >out"),
        (&[], "mycelium commit >out 2>words"),
        (&[("CI", "true")], "mycelium commit >out"),
    ] {
        let sandbox = with_documents(MANY);
        let seen = shown(&sandbox, variables, line) + &fs::read_to_string(sandbox.path("words")).unwrap_or_default();
        assert!(!seen.contains("documents") && !seen.contains(" of "), "{line} {variables:?}: {seen:?}");
    }
    assert_eq!(shown(&with_documents(3), &[], "mycelium check >out"), "");
}
