//! A person who runs `git commit` and its like, with a hook or an editor, while agents write: their commit does not fail, nothing
//! of ours is taken back, and no command waits for them.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::process::{Process, is_committed, save, subjects, until};
use crate::support::script::write_script;
use crate::support::{FOLDER, Run, Sandbox};

/// A command that waits for a person would take minutes.
const PROMPT: Duration = Duration::from_secs(10);

/// A git of a person's that waits, in its hook or its editor, until it is let go.
pub(crate) struct HeldGit {
    git: Child,
    hold: std::path::PathBuf,
}

impl HeldGit {
    /// Starts it with an editor that waits, and comes back when that is open.
    pub(crate) fn in_editor(sandbox: &Sandbox, arguments: &[&str]) -> Self {
        let editor = script(sandbox, "../editor", "echo 'user: words' > \"$1\"");
        Self::start(sandbox, arguments, &editor)
    }

    /// The same with a hook.
    pub(crate) fn in_hook(sandbox: &Sandbox, hook: &str, arguments: &[&str]) -> Self {
        script(sandbox, &format!(".git/hooks/{hook}"), "");
        Self::start(sandbox, arguments, "true")
    }

    fn start(sandbox: &Sandbox, arguments: &[&str], editor: &str) -> Self {
        let (hold, mark) = (sandbox.path("../hold"), sandbox.path("../held"));
        std::fs::write(&hold, "").unwrap();
        let mut git = sandbox.command("git");
        git.args(arguments).env("GIT_EDITOR", editor).stdout(Stdio::piped()).stderr(Stdio::piped());
        let git = git.spawn().unwrap();
        until("git is held", || mark.exists());
        std::fs::remove_file(mark).unwrap();
        Self { git, hold }
    }

    /// Lets it go; it must succeed.
    #[track_caller]
    pub(crate) fn finish(self) {
        std::fs::remove_file(&self.hold).unwrap();
        let output = self.git.wait_with_output().unwrap();
        Run::from_output("the git of a person".to_owned(), &output).ok();
    }
}

/// Writes a program that waits while a file is there.
fn script(sandbox: &Sandbox, path: &str, then: &str) -> String {
    let path = sandbox.path(path);
    let (hold, mark) = (sandbox.path("../hold"), sandbox.path("../held"));
    let (hold, mark) = (hold.display(), mark.display());
    write_script(&path, &format!("touch '{mark}'\nwhile [ -e '{hold}' ]; do sleep 0.02; done\n{then}"));
    path.display().to_string()
}

/// A task of ours, and work of the person's that is staged on top of a commit of theirs.
fn with_staged_work() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.mycelium(&["task", "create", "--type", "x", "--id", "task-1"]).ok();
    sandbox.write("code.txt", "one\n");
    sandbox.git(&["add", "code.txt"]);
    sandbox.git(&["commit", "-qm", "user: code"]);
    sandbox.write("more.txt", "one\n");
    sandbox.git(&["add", "more.txt"]);
    sandbox
}

/// A command beside a git that is held: written, not committed, and at once.
#[track_caller]
fn note_beside(sandbox: &Sandbox, text: &str, command: &str) {
    let (head, began) = (sandbox.git(&["rev-parse", "HEAD"]), Instant::now());
    let run = sandbox.mycelium(&["--as", "bob", "task", "note", "task-1", text]);
    assert!(began.elapsed() < PROMPT, "it waited for the person: {:?}", began.elapsed());
    // `git revert` starts `git commit`, and either of them may be seen first.
    let is_named = |said: &str, start: &str| {
        [command, "commit"].iter().any(|verb| said.contains(&format!("{start}a `git {verb}` is under way (process ")))
    };
    assert!(is_named(&run.stderr, "(not committed yet: "), "{run:?}");
    assert!(run.stderr.contains("what waits is committed when it has ended"), "{run:?}");
    run.ok();
    assert_eq!(sandbox.git(&["rev-parse", "HEAD"]), head, "committed all the same");
    assert!(sandbox.read(&format!("{FOLDER}/task-1.md")).contains(text));
    let status = sandbox.mycelium(&["status"]).ok();
    assert!(is_named(&status, "1 document not committed: "), "{status}");
}

#[test]
fn a_persons_commit_with_a_hook_or_an_editor_succeeds() {
    for (hook, arguments) in [
        (Some("pre-commit"), &["commit", "-qm", "user: mine"][..]),
        (Some("commit-msg"), &["commit", "-qm", "user: mine"]),
        (Some("post-commit"), &["commit", "-qm", "user: mine"]),
        (None, &["commit", "-q"]),
        (None, &["commit", "-q", "--amend"]),
        (None, &["revert", "--edit", "HEAD"]),
    ] {
        let sandbox = with_staged_work();
        if arguments[0] == "revert" {
            sandbox.git(&["reset", "-q"]);
        }
        let git = match hook {
            Some(hook) => HeldGit::in_hook(&sandbox, hook, arguments),
            None => HeldGit::in_editor(&sandbox, arguments),
        };
        note_beside(&sandbox, "written beside", arguments[0]);
        git.finish();
        let theirs = sandbox.git(&["show", "--format=", "--name-only", "HEAD"]);
        assert!(!theirs.contains(FOLDER), "{arguments:?} took {theirs}");
        // The next command commits what has waited, by whose it is.
        sandbox.mycelium(&["--as", "ann", "task", "note", "task-1", "and after"]).ok();
        let authors = sandbox.git(&["log", "-2", "--format=%an", "--", FOLDER]);
        assert_eq!(authors, "ann\nbob", "{arguments:?}");
        assert!(is_committed(&sandbox), "{arguments:?}");
    }
}

#[test]
fn a_command_in_the_hook_of_a_commit_answers_at_once() {
    let sandbox = with_staged_work();
    let program = env!("CARGO_BIN_EXE_mycelium");
    let said = sandbox.path("../said");
    let hook = sandbox.path(".git/hooks/pre-commit");
    std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
    let text = format!(
        "{{ '{program}' --as bob task note task-1 'from the hook'; echo \"code $?\"; \
         '{program}' commit; echo \"code $?\"; }} > '{}' 2>&1\n",
        said.display()
    );
    write_script(&hook, &text);
    for arguments in [&["commit", "-qm", "user: mine"][..], &["commit", "-qm", "user: mine", "--only", "more.txt"]] {
        let began = Instant::now();
        sandbox.git(arguments);
        assert!(began.elapsed() < PROMPT, "it waited for itself: {:?}", began.elapsed());
        let said = std::fs::read_to_string(&said).unwrap();
        assert!(
            said.contains("not committed yet: ") && said.contains("code 0\n") && said.ends_with("code 75\n"),
            "{said}"
        );
        sandbox.mycelium(&["commit"]).ok();
        assert!(is_committed(&sandbox));
        sandbox.write("more.txt", "two\n");
        sandbox.git(&["add", "more.txt"]);
    }
}

#[test]
fn the_watcher_waits_for_a_persons_commit_and_says_so() {
    let sandbox = with_staged_work();
    let mut process = Process::start(&sandbox);
    let git = HeldGit::in_editor(&sandbox, &["commit", "-q"]);
    save(&sandbox, "task-2", "pending");
    let waiting = process.hear("waiting");
    let message = waiting["message"].as_str().unwrap();
    assert!(message.starts_with("commits wait: a `git commit` is under way (process "), "{message}");
    assert!(!process.says("committed", Duration::from_secs(1)), "{:?}", process.said);
    git.finish();
    process.hear("committed");
    process.hear("resumed");
    assert!(is_committed(&sandbox));
    process.stop();
    assert_eq!(sandbox.git(&["log", "-2", "--format=%s"]).lines().last(), Some("user: words"));
}

/// Puts the index back as a program does that read it before a commit of ours and writes it after.
fn with_an_old_index() -> Sandbox {
    let sandbox = with_staged_work();
    let old = std::fs::read(sandbox.path(".git/index")).unwrap();
    sandbox.mycelium(&["task", "note", "task-1", "in the history"]).ok();
    std::fs::write(sandbox.path(".git/index.new"), old).unwrap();
    std::fs::rename(sandbox.path(".git/index.new"), sandbox.path(".git/index")).unwrap();
    sandbox
}

fn assert_commit_takes_nothing_back(sandbox: &Sandbox) {
    assert_eq!(sandbox.git(&["diff", "--cached", "--name-only"]), "more.txt");
    sandbox.git(&["commit", "-qm", "user: again"]);
    assert!(sandbox.git(&["show", &format!("HEAD:{FOLDER}/task-1.md")]).contains("in the history"));
    assert_eq!(sandbox.git(&["show", "--format=", "--name-only", "HEAD"]), "more.txt");
}

#[test]
fn any_command_lets_index_entries_that_went_back_follow_again() {
    for command in [&["task", "list"][..], &["status"], &["check"], &["task", "note", "task-1", "more"], &["commit"]] {
        let sandbox = with_an_old_index();
        assert_eq!(sandbox.git(&["diff", "--cached", "--name-only"]).lines().count(), 2);
        sandbox.mycelium(command).ok();
        assert_commit_takes_nothing_back(&sandbox);
    }
}

#[test]
fn the_watcher_lets_index_entries_that_went_back_follow_again() {
    let sandbox = with_staged_work();
    let mut process = Process::start(&sandbox);
    let old = std::fs::read(sandbox.path(".git/index")).unwrap();
    sandbox.mycelium(&["task", "note", "task-1", "in the history"]).ok();
    until("it is committed", || subjects(&sandbox).first().is_some_and(|subject| subject.contains("in the history")));
    std::fs::write(sandbox.path(".git/index.new"), old).unwrap();
    std::fs::rename(sandbox.path(".git/index.new"), sandbox.path(".git/index")).unwrap();
    // It looks once more after a commit; what comes later is seen with the next change.
    std::thread::sleep(Duration::from_secs(1));
    save(&sandbox, "task-2", "pending");
    process.hear("committed");
    until("the index follows", || sandbox.git(&["diff", "--cached", "--name-only"]) == "more.txt");
    assert_commit_takes_nothing_back(&sandbox);
    process.stop();
}
