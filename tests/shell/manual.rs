//! The manual pages: all of them, the same each time, and as the readers of such pages want them.

use std::fs;

use crate::support::{Run, Sandbox, could_not_run, has_program, names};

fn pages(sandbox: &Sandbox, folder: &str) -> Vec<String> {
    sandbox.mycelium(&["man", "--pages", folder]).ok();
    names(&sandbox.path(folder))
}

#[test]
fn every_command_has_a_page_and_it_is_the_same_each_time() {
    let sandbox = Sandbox::without_git();
    let all = pages(&sandbox, "one");
    assert_eq!(pages(&sandbox, "two"), all);
    for name in ["mycelium.1", "mycelium-task.1", "mycelium-task-create.1", "mycelium-watch.1", "mycelium-man.1"] {
        assert!(all.iter().any(|page| page == name), "{name} is missing: {all:?}");
    }
    for name in &all {
        let text = sandbox.read(&format!("one/{name}"));
        assert_eq!(text, sandbox.read(&format!("two/{name}")), "{name}");
        assert!(text.contains(".SH NAME\n") && text.contains(".SH SYNOPSIS\n"), "{name}");
    }
    assert_eq!(sandbox.mycelium(&["man", "task", "create"]).ok(), sandbox.read("one/mycelium-task-create.1"));
    sandbox.mycelium(&["man", "--install", "share"]).ok();
    assert_eq!(names(&sandbox.path("share/man1")), all);
}

#[test]
fn pages_are_free_of_faults() {
    const TEST: &str = "pages_are_free_of_faults";
    let sandbox = Sandbox::without_git();
    let all = pages(&sandbox, "man");
    if !has_program("mandoc") && !has_program("groff") {
        return could_not_run(TEST, "`mandoc` and `groff` are missing");
    }
    for name in all {
        let page = format!("man/{name}");
        if has_program("mandoc") {
            // A page that is made has no date; the rest are matters of style inside the generator.
            let run = Run::of(sandbox.command("mandoc").args(["-Tlint", "-Wwarning", &page]));
            let faults: Vec<&str> = run.stdout.lines().filter(|line| !line.contains("missing date")).collect();
            assert_eq!(faults, Vec::<&str>::new(), "{name}");
        }
        if has_program("groff") {
            Run::of(sandbox.command("groff").args(["-man", "-Tutf8", "-ww", "-z", &page])).is(0, "", "");
        }
    }
}

#[test]
fn examples_keep_their_lines() {
    const TEST: &str = "examples_keep_their_lines";
    if !has_program("groff") {
        return could_not_run(TEST, "`groff` is missing");
    }
    let sandbox = Sandbox::without_git();
    fs::write(sandbox.path("page"), sandbox.mycelium(&["man"]).ok()).unwrap();
    let shown = Run::of(sandbox.command("groff").args(["-man", "-Tascii", "-P-c", "-P-b", "-P-u", "page"])).ok();
    assert!(shown.contains("\n         mycelium watch --detach\n"), "{shown}");
    assert!(shown.contains("75  busy, try again\n"), "{shown}");
}
