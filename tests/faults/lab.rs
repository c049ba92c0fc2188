//! One operation in a repository of its own: made anew for each fault, run under `strace`, looked at afterwards.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::disk::{DISK_BYTES, Disk};
use crate::support::{FOLDER, Run, SABOTAGE, Sandbox, names};

/// What a fault is put into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// The first task of a repository: the run state is made, too.
    Create,
    /// A change of a field.
    Update,
    /// The same where nothing is committed: the folder and its journal alone.
    UpdateAlone,
    /// The end of a running task.
    Complete,
    /// A finished task goes into the archive: one document is made, another removed.
    Archive,
    /// A save by hand, committed by `mycelium commit`.
    CommitSave,
    /// The command after one that died between journal and exchange.
    RecoverWrite,
    /// The command after one that died between index and branch.
    RecoverCommit,
    /// `git add` of a new file, then (untouched) `git commit`.
    GitAdd(GitSync),
    /// `git commit` of a file that was added before.
    GitCommit(GitSync),
}

/// How git is asked to sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GitSync {
    /// As it does by itself.
    Default,
    /// `core.fsync=all`.
    All,
}

/// Everything of ours that changes something.
pub(crate) const OURS: [Work; 8] = [
    Work::Create,
    Work::Update,
    Work::UpdateAlone,
    Work::Complete,
    Work::Archive,
    Work::CommitSave,
    Work::RecoverWrite,
    Work::RecoverCommit,
];

const TASK: &str = "task-one";

impl Work {
    /// The name in the tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::UpdateAlone => "update, not committed",
            Self::Complete => "complete",
            Self::Archive => "archive",
            Self::CommitSave => "commit of a save by hand",
            Self::RecoverWrite => "recovery of a write",
            Self::RecoverCommit => "recovery of a commit",
            Self::GitAdd(GitSync::Default) => "git add, defaults",
            Self::GitCommit(GitSync::Default) => "git commit, defaults",
            Self::GitAdd(GitSync::All) => "git add, core.fsync=all",
            Self::GitCommit(GitSync::All) => "git commit, core.fsync=all",
        }
    }

    pub(crate) fn is_git(self) -> bool {
        matches!(self, Self::GitAdd(_) | Self::GitCommit(_))
    }

    /// The command that a fault is put into.
    fn words(self) -> Vec<&'static str> {
        match self {
            Self::Create => vec!["task", "create", "--type", "test", "--id", TASK, "--title", "Point"],
            Self::Update | Self::UpdateAlone | Self::RecoverWrite | Self::RecoverCommit => {
                vec!["task", "update", TASK, "--set", "point=1"]
            }
            Self::Complete => vec!["task", "complete", TASK],
            Self::Archive => vec!["archive", TASK],
            Self::CommitSave => vec!["commit"],
            Self::GitAdd(sync) => [sync.options(), &["add", "task.md"]].concat(),
            Self::GitCommit(sync) => [sync.options(), &["commit", "--quiet", "-m", "Add a task"]].concat(),
        }
    }

    /// Where its effect shows: a file and a line of it.
    fn effect(self) -> (String, &'static str) {
        let task = format!("{FOLDER}/{TASK}.md");
        match self {
            Self::Create => (task, "# Point"),
            Self::Update | Self::UpdateAlone | Self::RecoverWrite | Self::RecoverCommit => (task, "point: 1"),
            Self::Complete => (task, "status: completed"),
            Self::Archive => (format!("{FOLDER}/archive/2025-10/{TASK}.md"), "status: completed"),
            Self::CommitSave => (task, "- saved by hand"),
            Self::GitAdd(_) | Self::GitCommit(_) => ("task.md".to_owned(), "a task"),
        }
    }
}

impl GitSync {
    fn options(self) -> &'static [&'static str] {
        match self {
            Self::Default => &[],
            Self::All => &["-c", "core.fsync=all", "-c", "core.fsyncMethod=fsync"],
        }
    }
}

/// One fault in one system call.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    /// The call.
    pub(crate) call: &'static str,
    /// What happens there, as strace is told: `signal=KILL`, `error=EIO`.
    pub(crate) how: String,
    /// At which of these calls of a thread, from 1.
    pub(crate) when: String,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {}", self.call, self.when, self.how)
    }
}

/// The place of one operation. Each point begins with a copy of the same template.
pub(crate) struct Lab {
    pub(crate) work: Work,
    sandbox: Sandbox,
    root: PathBuf,
    /// Places of earlier points, for [`Lab::sweep_all`].
    kept: usize,
    log: PathBuf,
    _scratch: tempfile::TempDir,
}

impl Lab {
    /// On the disk, or where temporary files are.
    pub(crate) fn new(work: Work, disk: Option<&Disk>) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let place = disk.map_or(scratch.path(), Disk::path);
        let root = place.join("lab");
        let _ = fs::remove_dir_all(&root);
        let sandbox = Sandbox::below(&root);
        let lab = Self { work, sandbox, root, kept: 0, log: scratch.path().join("trace"), _scratch: scratch };
        lab.make_template();
        lab
    }

    pub(crate) fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    fn make_template(&self) {
        let sandbox = &self.sandbox;
        sandbox.make_repository();
        // What the operation itself does not test: packing by git in the background.
        sandbox.git(&["config", "gc.auto", "0"]);
        let mycelium = |words: &[&str]| Run::of(sandbox.mycelium_command(words).env_remove(SABOTAGE)).ok();
        if !self.work.is_git() && self.work != Work::Create {
            mycelium(&["task", "create", "--type", "test", "--id", TASK, "--title", "First"]);
            mycelium(&["task", "update", TASK, "--status", "running"]);
        }
        let file = format!("{FOLDER}/{TASK}.md");
        match self.work {
            Work::Archive => {
                mycelium(&["task", "complete", TASK]);
                let made = |line: &str| {
                    if line.starts_with("created:") { "created: 2025-10-17T00:00:00Z" } else { line }.to_owned() + "\n"
                };
                sandbox.write(&file, &sandbox.read(&file).lines().map(made).collect::<String>());
                mycelium(&["commit"]);
            }
            Work::UpdateAlone => drop(mycelium(&["config", "set", "commit.auto", "false"])),
            Work::CommitSave => sandbox.write(&file, &(sandbox.read(&file) + "- saved by hand\n")),
            Work::RecoverWrite => self.die("die-after-append"),
            Work::RecoverCommit => self.die("crash-after-index"),
            Work::GitAdd(_) | Work::GitCommit(_) => sandbox.write("task.md", "a task\n"),
            Work::Create | Work::Update | Work::Complete => {}
        }
        if let Work::GitCommit(sync) = self.work {
            sandbox.git(&[sync.options(), &["add", "task.md"]].concat());
        }
        fs::rename(self.sandbox.root(), self.root.join("template")).unwrap();
    }

    fn die(&self, moment: &str) {
        let words = ["task", "update", TASK, "--set", "half=1"];
        let run = Run::of(self.sandbox.mycelium_command(&words).env(SABOTAGE, moment));
        assert_eq!(run.code, None, "it was to die at {moment}: {run:?}");
    }

    /// Begins a point: everything is as the template says.
    pub(crate) fn reset(&mut self, disk: Option<&Disk>) {
        let work = self.sandbox.root();
        if work.exists() {
            fs::rename(work, self.root.join(format!("kept-{}", self.kept))).unwrap();
            self.kept += 1;
        }
        // Hard links stay hard links: a lock is told by them.
        let copied = Command::new("cp").arg("-a").args([&self.root.join("template"), &work.to_owned()]).status();
        assert!(copied.unwrap().success());
        if let Some(disk) = disk {
            disk.settle();
        }
    }

    fn command(&self) -> Command {
        if self.work.is_git() {
            let mut command = self.sandbox.command("git");
            command.args(self.work.words());
            return command;
        }
        self.sandbox.mycelium_command(&self.work.words())
    }

    fn traced(&self, options: &[&str]) -> (Run, String) {
        let command = self.command();
        let mut strace = self.sandbox.command("strace");
        strace.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        for (name, _) in command.get_envs().filter(|(_, value)| value.is_none()) {
            strace.env_remove(name);
        }
        // A git that git starts (to pack) is not the one that was asked.
        let follow: &[&str] = if self.work.is_git() { &[] } else { &["-f"] };
        strace.args(follow).args(["-qq", "-o"]).arg(&self.log).args(options);
        let run = Run::of(strace.arg(command.get_program()).args(command.get_args()));
        let log = fs::read(&self.log).unwrap_or_default();
        (run, String::from_utf8_lossy(&log).into_owned())
    }

    /// Runs the operation, without a fault.
    pub(crate) fn run(&self) -> Run {
        Run::of(&mut self.command())
    }

    /// Runs the operation with a fault in it; tells whether the fault came to pass.
    pub(crate) fn run_with(&self, fault: &Fault) -> (Run, bool) {
        let Fault { call, how, when } = fault;
        // `?` lets strace pass over calls that this machine's kind of processor does not have.
        let inject = format!("inject=?{call}:{how}:when={when}");
        let (run, log) = self.traced(&["-e", &format!("trace=?{call}"), "-e", &inject]);
        let is_hit = if how.starts_with("signal") { run.code != Some(0) } else { log.contains("(INJECTED)") };
        (run, is_hit)
    }

    /// How often the operation makes each of these calls, at most in one thread.
    pub(crate) fn count(&self, calls: &[&'static str]) -> Vec<(&'static str, usize)> {
        let all: Vec<String> = calls.iter().map(|call| format!("?{call}")).collect();
        let (run, log) = self.traced(&["-e", &format!("trace={}", all.join(","))]);
        let trace = log.clone();
        run.ok();
        let count = |call: &str| {
            let mut threads = std::collections::BTreeMap::<&str, usize>::new();
            for line in log.lines() {
                let (thread, what) = line.split_once(' ').unwrap_or(("", line));
                let (thread, what) = if self.work.is_git() { ("", line) } else { (thread, what.trim_start()) };
                *threads.entry(thread).or_default() += usize::from(what.starts_with(&format!("{call}(")));
            }
            threads.into_values().max().unwrap_or(0)
        };
        let counts: Vec<_> = calls.iter().map(|call| (*call, count(call))).collect();
        assert!(counts.iter().any(|(_, count)| *count > 0), "no calls were seen: {trace}");
        counts
    }

    /// Runs the operation again, as a person would after a fault: for git, both commands.
    pub(crate) fn retry(&self) -> Run {
        match self.work {
            Work::GitAdd(sync) | Work::GitCommit(sync) => {
                if self.is_committed() {
                    return Run::of(&mut self.sandbox.command("true"));
                }
                let add = Run::of(self.sandbox.command("git").args(sync.options()).args(["add", "task.md"]));
                if add.code != Some(0) {
                    return add;
                }
                let words = ["commit", "--quiet", "-m", "Add a task"];
                Run::of(self.sandbox.command("git").args(sync.options()).args(words))
            }
            _ => Run::of(&mut self.sandbox.mycelium_command(&self.work.words())),
        }
    }

    /// What is done already was done by the operation that was thought to have failed.
    pub(crate) fn is_success(&self, retried: &Run) -> bool {
        let is_there = match self.work {
            Work::Create => retried.code == Some(4),
            Work::Complete => retried.code == Some(4) && retried.stderr.contains("completed"),
            _ => false,
        };
        retried.code == Some(0) || is_there
    }

    /// The effect is in the file.
    pub(crate) fn is_in_file(&self) -> bool {
        let (path, line) = self.work.effect();
        let has_gone = self.work != Work::Archive || !self.sandbox.path(&format!("{FOLDER}/{TASK}.md")).exists();
        has_gone && fs::read_to_string(self.sandbox.path(&path)).is_ok_and(|text| text.lines().any(|l| l == line))
    }

    /// The effect is at HEAD, as git reads it.
    pub(crate) fn is_committed(&self) -> bool {
        let (path, line) = self.work.effect();
        let at_head = |path: &str| crate::history::file_at_head(&self.sandbox, path);
        let has_gone = self.work != Work::Archive || at_head(&format!("{FOLDER}/{TASK}.md")).is_none();
        has_gone && at_head(&path).is_some_and(|text| text.lines().any(|l| l == line))
    }

    /// What an acknowledgement promises.
    pub(crate) fn is_kept(&self) -> bool {
        if self.work == Work::UpdateAlone { self.is_in_file() } else { self.is_committed() && self.is_in_file() }
    }

    /// Every document is whole.
    pub(crate) fn torn(&self) -> Option<String> {
        self.sandbox.documents().into_iter().find_map(|name| {
            let bytes = fs::read(self.sandbox.path(&format!("{FOLDER}/{name}"))).ok()?;
            let text = String::from_utf8_lossy(&bytes);
            let whole = name.ends_with(".md")
                && text.starts_with("---\n")
                && text.matches("\n---\n").count() == 1
                && text.ends_with('\n');
            (!whole).then(|| format!("{name}: {text:?}"))
        })
    }

    /// What `git fsck` has to say, and `git log`; nothing if all is well.
    pub(crate) fn unsound(&self) -> Option<String> {
        let check = |words: &[&str]| {
            let run = Run::of(self.sandbox.command("git").args(words));
            (run.code != Some(0) || !run.stderr.is_empty()).then(|| format!("{}{}", run.stdout, run.stderr))
        };
        check(&["fsck", "--strict", "--no-dangling", "--no-progress"]).or_else(|| check(&["log", "--oneline", "-q"]))
    }

    /// After two seconds and one ordinary command, nothing is left of any point but what should be.
    pub(crate) fn sweep_all(&mut self) {
        if self.work.is_git() {
            return;
        }
        // Replaced files are kept for two seconds, for an editor that has one open.
        std::thread::sleep(std::time::Duration::from_millis(2_300));
        let current = self.sandbox.root().to_owned();
        for number in 0..=self.kept {
            let kept = self.root.join(format!("kept-{number}"));
            if number < self.kept {
                fs::remove_dir_all(&current).unwrap();
                fs::rename(&kept, &current).unwrap();
            }
            self.sandbox.mycelium(&["task", "update", TASK, "--set", "swept=1"]).ok();
            let left = left_of_ours(&current);
            assert_eq!(left, Vec::<String>::new(), "{}: left behind by point {number}", self.work.name());
        }
    }
}

/// What our program keeps in its run state for good.
const STATE: [&str; 18] = [
    "aligned",
    "beats",
    "beside",
    "claim.lock",
    "claims",
    "commit.lock",
    "durable",
    "durable-branch",
    "feed",
    "folder.lock",
    "followed",
    "journal",
    "latency",
    "publish.lock",
    "publishing.json",
    "tmp",
    "watch.json",
    "watch.lock",
];

/// Where a process leaves its operations that may not write local state.
const OUTBOX: &str = ".operations";

/// What lies where it should not: locks, quarantines, drafts, temporary files but the one that the last command replaced.
pub(crate) fn left_of_ours(work: &Path) -> Vec<String> {
    let run = work.join(".git/mycelium");
    let mut left = crate::history::leftovers(&work.join(".git"));
    left.extend(names(&run).into_iter().filter(|name| !STATE.contains(&name.as_str())));
    left.extend(names(&run.join("claims/drafts")).into_iter().map(|name| format!("claims/drafts/{name}")));
    let temps = names(&run.join("tmp"));
    if temps.len() > 1 {
        left.extend(temps.iter().map(|name| format!("tmp/{name}")));
    }
    left.extend(names(&work.join(".mycelium")).into_iter().filter(|name| name.starts_with('.')));
    // A local state that looked read-only once has left the folder of the outbox; its records have to be gone.
    let stays = |name: &str| name.ends_with(".md") || name == "archive" || name == OUTBOX;
    left.extend(names(&work.join(FOLDER)).into_iter().filter(|name| !stays(name)));
    let outbox = names(&work.join(FOLDER).join(OUTBOX)).into_iter().filter(|name| name != ".gitignore");
    left.extend(outbox.map(|name| format!("{OUTBOX}/{name}")));
    left
}

/// A disk for a test, or why there is none.
pub(crate) fn disk(kind: &str) -> Result<Disk, String> {
    crate::support::can_trace()?;
    Disk::new(kind, DISK_BYTES)
}
