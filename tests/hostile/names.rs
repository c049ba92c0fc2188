//! Names that have led programs astray: none leads out of the folder, and files that have them harm nothing.
#![allow(clippy::disallowed_methods, reason = "the test makes files")]
#![allow(clippy::unwrap_used, reason = "a scene that cannot be set has failed")]

use std::fs;

use crate::support::{FOLDER, Run, Sandbox, names};

/// A NUL cannot be in an argument; the fuzz target `name` has it.
const NAMES: [&str; 40] = [
    "..",
    ".",
    "../x",
    "a/../b",
    "a/../../x",
    "/etc/x",
    "//x",
    ".git",
    ".GIT",
    "git~1",
    "GIT~1",
    ".git.",
    ".git ",
    "caf\u{e9}",
    "cafe\u{301}",
    "CON",
    "con.txt",
    "nul",
    "a.",
    "a ",
    " a",
    "a\nb",
    "a\u{1}b",
    "a\u{1b}[2Jb",
    "a\u{7f}b",
    "a\u{9b}b",
    "a\u{202e}b",
    "a\u{200b}b",
    "a\\b",
    "a:b",
    "-rf",
    "--help",
    "$(touch x)",
    "`touch x`",
    "a;b",
    "*",
    "%2e%2e%2fx",
    "archive/2025-10/x",
    "~",
    "",
];

fn corpus() -> Vec<String> {
    NAMES.iter().map(|name| (*name).to_owned()).chain(["x".repeat(255), "x".repeat(256), "x".repeat(70_000)]).collect()
}

#[test]
fn no_name_leads_out_of_the_folder() {
    let sandbox = Sandbox::new();
    let above = sandbox.root().parent().unwrap();
    for name in corpus() {
        for line in [
            &["task", "create", "--type", "x", "--id", &name][..],
            &["workflow", "create", "--type", "x", "--id", &name],
            &["agent", "set", "--status", "busy", &name],
            &["task", "get", &name],
            &["task", "remove", &name],
            &["log", &name],
            &["config", "set", "markdown.folder", &name],
            &["config", "set", "commit.branch", &name],
            &["status", "--as", &name],
        ] {
            let run = sandbox.mycelium(line);
            assert!(run.code.is_some_and(|code| code != 101), "{run:?}");
            let _ = fs::remove_file(sandbox.path(".mycelium/config.json"));
        }
        assert_eq!(names(above), ["home", "work"], "{name:?}");
        let here: Vec<_> = names(sandbox.root());
        assert!(
            here.iter().all(|name| [".claude", ".git", ".mycelium", "README.md"].contains(&&**name)),
            "{name:?}: {here:?}"
        );
    }
    let odd = |name: &String| !(name.ends_with(".md") && name.is_char_boundary(1)) && name != "archive";
    assert!(!sandbox.documents().iter().any(odd), "{:?}", sandbox.documents());
    let tracked = sandbox.git(&["-c", "core.quotePath=false", "ls-tree", "-r", "--name-only", "HEAD"]);
    let is_inside = |path: &str| path == "README.md" || path.starts_with(&format!("{FOLDER}/"));
    assert!(tracked.lines().all(is_inside), "{tracked}");
    assert!(sandbox.documents().len() > 3, "names that are fine were refused too: {:?}", sandbox.documents());
    sandbox.git(&["fsck", "--strict"]);
}

#[test]
fn files_of_any_name_harm_nothing() {
    let sandbox = Sandbox::new();
    fs::create_dir_all(sandbox.path(FOLDER)).unwrap();
    let mut made = 0;
    for name in corpus() {
        for form in [format!("task-{name}.md"), format!("{name}.md"), name] {
            // Some cannot be a file's name here.
            let file = sandbox.path(FOLDER).join(&form);
            let is_here = file.parent() == Some(&sandbox.path(FOLDER)) && !form.is_empty();
            made += usize::from(is_here && fs::write(file, "---\nstatus: pending\ntype: x\n---\n").is_ok());
        }
    }
    assert!(made > 60, "only {made} files");
    for line in
        [&["status"][..], &["check"], &["task", "list", "--limit", "200"], &["commit", "--force"], &["watch", "--once"]]
    {
        let run = Run::of(&mut sandbox.mycelium_command(line));
        assert!(run.code.is_some_and(|code| code != 101), "{run:?}");
    }
    sandbox.git(&["fsck", "--strict"]);
    let tracked = sandbox.git(&["-c", "core.quotePath=false", "ls-tree", "-r", "-z", "--name-only", "HEAD"]);
    let committed = tracked.split('\0').filter(|path| path.starts_with(FOLDER)).count();
    assert!(committed > 20, "{committed} of {made} were committed");
    assert!(!tracked.split('\0').any(|path| path.contains(char::is_control)), "{tracked:?}");
    sandbox.git(&["clone", "-q", ".", "../clone"]);
}
