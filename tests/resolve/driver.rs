//! The merge driver and the printer for `git diff`, called by git.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::support::{FOLDER, Run, Sandbox};
use super::{FILE, branches, commit, git, is_sound, sandbox, status, task};

/// The agent's document that two branches make.
const AGENT: &str = ".claude/coordination/agent-x.md";

fn attributes() -> String {
    format!("{FOLDER}/.gitattributes")
}

/// The same place with the driver set up.
fn with_driver() -> Sandbox {
    let sandbox = sandbox();
    sandbox.mycelium(&["init", "--merge-driver", "-q"]).ok();
    sandbox.git(&["add", &attributes(), ".mycelium"]);
    sandbox.git(&["commit", "--quiet", "-m", "Set up the driver"]);
    sandbox
}

/// One branch changes the priority, the other the text.
fn apart(sandbox: &Sandbox) {
    branches(sandbox, &task("high", "Text."), &task("normal", "Other text."));
}

fn has_both(sandbox: &Sandbox) {
    assert_eq!(sandbox.read(FILE), task("high", "Other text."));
}

#[test]
fn a_merge_goes_through_the_driver() {
    let sandbox = with_driver();
    apart(&sandbox);
    sandbox.git(&["merge", "--quiet", "--no-edit", "topic"]);
    has_both(&sandbox);
    is_sound(&sandbox);
}

#[test]
fn a_rebase_a_cherry_pick_and_a_stash_go_through_the_driver() {
    for command in [&["rebase", "--quiet", "topic"][..], &["cherry-pick", "topic"]] {
        let sandbox = with_driver();
        apart(&sandbox);
        sandbox.git(command);
        has_both(&sandbox);
        is_sound(&sandbox);
    }
    let sandbox = with_driver();
    sandbox.write(FILE, &task("high", "Text."));
    sandbox.git(&["stash", "--quiet"]);
    commit(&sandbox, FILE, &task("normal", "Other text."));
    sandbox.git(&["stash", "pop", "--quiet"]);
    has_both(&sandbox);
    assert_eq!(status(&sandbox), [format!(" M {FILE}")]);
}

#[test]
fn what_cannot_be_decided_is_told_and_stays_between_markers() {
    let sandbox = with_driver();
    branches(&sandbox, &task("normal", "One."), &task("normal", "Two."));
    let run = git(&sandbox, &["merge", "topic"]);
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.contains("task-1.md") && run.stderr.contains("One.") && run.stderr.contains("Two."), "{run:?}");
    assert_eq!(status(&sandbox), [format!("UU {FILE}")]);
    let text = sandbox.read(FILE);
    assert!(text.contains("<<<<<<< ours\n") && text.contains(">>>>>>> theirs\n"), "{text}");
}

#[test]
fn without_the_program_git_merges_as_it_does_without_a_driver() {
    for (ours, theirs) in [
        (task("high", "Text."), task("normal", "Other text.")),
        (task("high", "Text."), task("low", "Text.")),
        (task("high", "One."), task("low", "Two.")),
    ] {
        let seen = [plain(&ours, &theirs), gone(&ours, &theirs)];
        assert_eq!(seen[0], seen[1]);
    }
}

/// The exit code of a merge, the state of the index, and the file without the names of the sides.
fn outcome(sandbox: &Sandbox, ours: &str, theirs: &str) -> (Option<i32>, Vec<String>, String) {
    branches(sandbox, ours, theirs);
    let code = git(sandbox, &["merge", "--no-edit", "topic"]).code;
    let name = |line: &str| line.split_inclusive([' ', '\n']).next().unwrap_or_default().trim_end().to_owned();
    let is_marker = |line: &str| ["<<<<<<<", ">>>>>>>"].iter().any(|mark| line.starts_with(mark));
    let text: Vec<String> =
        sandbox.read(FILE).lines().map(|line| if is_marker(line) { name(line) } else { line.to_owned() }).collect();
    (code, status(sandbox), text.join("\n"))
}

fn plain(ours: &str, theirs: &str) -> (Option<i32>, Vec<String>, String) {
    outcome(&sandbox(), ours, theirs)
}

/// With a driver that is not there any more.
fn gone(ours: &str, theirs: &str) -> (Option<i32>, Vec<String>, String) {
    let sandbox = with_driver();
    let driver = sandbox.git(&["config", "merge.mycelium.driver"]);
    let program = env!("CARGO_BIN_EXE_mycelium");
    assert!(driver.starts_with(program), "{driver}");
    sandbox.git(&["config", "merge.mycelium.driver", &driver.replace(program, "no-such-program")]);
    outcome(&sandbox, ours, theirs)
}

#[test]
fn a_program_on_the_way_is_called_by_its_name_and_any_other_by_its_path() {
    let sandbox = sandbox();
    let bin = sandbox.path("a bin");
    fs::create_dir(&bin).unwrap();
    let driver = |sandbox: &Sandbox, program: &Path| {
        let path =
            std::env::join_paths([bin.clone(), "/usr/bin".into(), "/bin".into(), "/usr/local/bin".into()]).unwrap();
        let mut command = sandbox.command(program);
        Run::of(command.args(["init", "--merge-driver", "-q"]).env("PATH", path)).ok();
        let driver = sandbox.git(&["config", "merge.mycelium.driver"]);
        sandbox.git(&["config", "--unset", "merge.mycelium.driver"]);
        driver
    };
    let program = bin.join("mycelium");
    // By a process of its own: a file that this one holds open for writing cannot be started.
    Run::of(sandbox.command("cp").arg(env!("CARGO_BIN_EXE_mycelium")).arg(&program)).ok();
    assert!(driver(&sandbox, &program).starts_with("mycelium merge-driver %O %A %B %P;"));
    let other = bin.join("it's 5%");
    fs::rename(&program, &other).unwrap();
    let told = driver(&sandbox, &other);
    assert!(told.starts_with(&format!("'{}/it'\\''s 5%%' merge-driver ", bin.display())), "{told}");
    sandbox.git(&["config", "merge.mycelium.driver", &told]);
    apart(&sandbox);
    sandbox.git(&["merge", "--quiet", "--no-edit", "topic"]);
    has_both(&sandbox);
}

#[test]
fn a_document_that_both_sides_made_has_no_common_version() {
    let sandbox = with_driver();
    let agent = |text: &str| format!("---\nagent: x\nstatus: idle\n---\n\n# x\n\n{text}");
    sandbox.git(&["switch", "--quiet", "-c", "topic"]);
    commit(&sandbox, AGENT, &agent("## Notes\n"));
    sandbox.git(&["switch", "--quiet", "main"]);
    commit(&sandbox, AGENT, &agent("## Notes\n\n- one\n"));
    let run = git(&sandbox, &["merge", "--no-edit", "topic"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(sandbox.read(AGENT), agent("## Notes\n\n- one\n"));
    is_sound(&sandbox);
}

#[test]
fn init_writes_what_is_missing_and_overwrites_nothing() {
    let sandbox = sandbox();
    sandbox.write(&attributes(), "*.png binary");
    sandbox.git(&["config", "merge.mycelium.driver", "mine %A"]);
    let run = sandbox.mycelium(&["init", "--merge-driver", "--diff-driver"]);
    assert!(
        run.stdout.contains("wrote merge.mycelium.name\n") && run.stdout.contains("wrote diff.mycelium.textconv\n"),
        "{run:?}"
    );
    assert!(run.stderr.contains("kept merge.mycelium.driver, which is there already\n"), "{run:?}");
    assert!(run.stderr.contains("git add .claude/coordination/.gitattributes"), "{run:?}");
    assert_eq!(sandbox.read(&attributes()), "*.png binary\n*.md merge=mycelium\n*.md diff=mycelium\n");
    assert_eq!(sandbox.git(&["config", "merge.mycelium.driver"]), "mine %A");
    let again = sandbox.mycelium(&["init", "--merge-driver", "--diff-driver", "--json"]).ok();
    assert!(again.contains("\"drivers\":{\"wrote\":[],\"added\":[],"), "{again}");
    assert!(sandbox.mycelium(&["check"]).ok().contains("no problems"));
    let outside = Sandbox::without_git();
    assert_eq!(outside.mycelium(&["init", "--merge-driver"]).code, Some(1));
}

#[test]
fn git_shows_a_document_as_one_fact_a_line() {
    let sandbox = sandbox();
    sandbox.mycelium(&["init", "--diff-driver", "-q"]).ok();
    let body = "Text.\n\n## Payload\n\n```json\n{\"epochs\": 3}\n```\n\n- [x] Load";
    sandbox.write(FILE, &task("high", body));
    let diff = sandbox.git(&["diff", "--", FILE]);
    for line in ["-priority: normal", "+priority: high", "+payload.epochs: 3", "+[x] Load"] {
        assert!(diff.lines().any(|one| one == line), "{line}\n{diff}");
    }
    // What cannot be read is shown as it is, and so is everything where the program is gone.
    sandbox.write(FILE, "---\nid: [\n---\n");
    assert!(sandbox.git(&["diff", "--", FILE]).contains("+id: ["));
    let printer = sandbox.git(&["config", "diff.mycelium.textconv"]);
    let printer = printer.replace(env!("CARGO_BIN_EXE_mycelium"), "no-such-program");
    sandbox.git(&["config", "diff.mycelium.textconv", &printer]);
    sandbox.write(FILE, &task("high", "Text."));
    assert!(sandbox.git(&["diff", "--", FILE]).contains("+priority: high"));
}

#[test]
fn what_the_driver_cannot_do_changes_nothing_and_is_left_to_git() {
    let sandbox = sandbox();
    for name in ["base", "ours", "theirs"] {
        sandbox.write(name, name);
    }
    assert_eq!(sandbox.mycelium(&["merge-driver", "base", "ours", "gone", "x.md"]).code, Some(3));
    assert_eq!(sandbox.mycelium(&["merge-driver", "base", "ours", ".claude", "x.md"]).code, Some(2));
    assert_eq!(sandbox.read("ours"), "ours");
    // Outside of any repository, and for a file that is no document, it merges by lines.
    let outside = Sandbox::without_git();
    outside.write("base", "a\nb\nc\nd\ne\n");
    outside.write("ours", "A\nb\nc\nd\ne\n");
    outside.write("theirs", "a\nb\nc\nd\nE\n");
    fs::set_permissions(outside.path("ours"), fs::Permissions::from_mode(0o640)).unwrap();
    outside.mycelium(&["merge-driver", "base", "ours", "theirs", "src/x.md"]).is(0, "", "");
    assert_eq!(outside.read("ours"), "A\nb\nc\nd\nE\n");
    assert_eq!(fs::metadata(outside.path("ours")).unwrap().permissions().mode() & 0o777, 0o640);
}
