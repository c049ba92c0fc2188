//! A repository that names programs in every way that git knows, all of them canaries: no command of ours starts one.
#![allow(clippy::disallowed_methods, reason = "the test makes files and starts programs")]
#![allow(clippy::unwrap_used, reason = "a scene that cannot be set has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::commands::lines;
use crate::support::programs::PROGRAMS;
use crate::support::script::write_script;
use crate::support::{FOLDER, Run, Sandbox, can_trace, could_not_run};

/// Commands of git that an alias may try to stand in for.
const ALIASES: [&str; 12] = [
    "log",
    "repack",
    "prune-packed",
    "index-pack",
    "update-ref",
    "for-each-ref",
    "status",
    "commit",
    "hash-object",
    "gc",
    "maintenance",
    "hook",
];

const HOOKS: [&str; 16] = [
    "pre-commit",
    "post-commit",
    "commit-msg",
    "prepare-commit-msg",
    "reference-transaction",
    "post-index-change",
    "pre-auto-gc",
    "post-checkout",
    "post-merge",
    "post-rewrite",
    "pre-push",
    "pre-rebase",
    "fsmonitor-watchman",
    "sendemail-validate",
    "update",
    "post-update",
];

/// The scene, and what its canaries sang.
struct Cage {
    sandbox: Sandbox,
    /// Where canaries write to, and where they and their like live.
    song: PathBuf,
    nest: tempfile::TempDir,
}

impl Cage {
    fn new() -> Self {
        let (sandbox, nest) = (Sandbox::new(), tempfile::tempdir().unwrap());
        let cage = Self { song: nest.path().join("song"), sandbox, nest };
        let canary = cage.canary("canary");
        let text = canary.display().to_string();
        for key in PROGRAMS {
            cage.sandbox.git(&["config", key, &text]);
        }
        for alias in ALIASES {
            cage.sandbox.git(&["config", &format!("alias.{alias}"), &format!("!{text}")]);
        }
        for (key, value) in [
            ("protocol.ext.allow", "always"),
            ("remote.origin.url", &*format!("ext::{text}")),
            ("remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*"),
            ("remote.origin.promisor", "true"),
            ("core.untrackedCache", "true"),
            ("merge.default", "evil"),
            ("merge.tool", "evil"),
            ("diff.tool", "evil"),
            ("gc.auto", "1"),
            ("maintenance.strategy", "incremental"),
            ("include.path", "../included.cfg"),
            ("commit.gpgSign", "false"),
        ] {
            cage.sandbox.git(&["config", key, value]);
        }
        // Included files count as the repository's own, whatever they say.
        let key = "filter \"evil\"";
        cage.sandbox.write(
            "included.cfg",
            &format!("[{key}]\n\tclean = {text}\n\trequired = true\n[core]\n\tfsmonitor = {text}\n"),
        );
        for attributes in [".gitattributes", ".git/info/attributes"] {
            // A document with a filter would be left to git, and nothing would come of the commands that follow.
            let text = format!(
                "* filter=evil diff=evil merge=evil\n*.md filter=evil diff=evil merge=evil\n/{FOLDER}/** -filter\n"
            );
            cage.sandbox.write(attributes, &text);
        }
        cage.sandbox
            .write(".gitmodules", &format!("[submodule \"m\"]\n\tpath = m\n\turl = ext::{text}\n\tupdate = !{text}\n"));
        for hook in HOOKS {
            fs::copy(&canary, cage.sandbox.path(".git/hooks").join(hook)).unwrap();
            cage.canary(&format!("hooks/{hook}"));
        }
        cage.sandbox.git(&[
            "-c",
            "core.fsmonitor=false",
            "config",
            "core.hooksPath",
            cage.nest.path().join("hooks").to_str().unwrap(),
        ]);
        // Programs of the tree's own, named like those that a careless lookup would find first.
        for name in ["git", "gpg", "ssh-keygen", "less", "sed", "sh", "vi", "mycelium"] {
            fs::copy(&canary, cage.sandbox.path(name)).unwrap();
        }
        cage.sandbox.write(".mycelium/config.json", &serde_json::json!({ "commit": { "hooks": true } }).to_string());
        let _ = fs::remove_file(&cage.song);
        cage
    }

    /// A program that writes down that it was started, and with what.
    fn canary(&self, name: &str) -> PathBuf {
        let path = self.nest.path().join(name);
        let song = self.song.display();
        write_script(&path, &format!("echo \"$0 $*\" >> '{song}'\ncat >/dev/null 2>&1 </dev/null\nexit 0"));
        path
    }

    /// What the canaries sang since the last time.
    fn sung(&self) -> String {
        let song = fs::read_to_string(&self.song).unwrap_or_default();
        let _ = fs::remove_file(&self.song);
        song
    }

    /// A run of our program, with an editor of the user's own that changes nothing.
    fn command(&self, line: &[String]) -> Command {
        let mut command = self.sandbox.mycelium_command(&[]);
        command.args(line).env("EDITOR", "true");
        command
    }
}

#[test]
fn no_command_starts_a_program_of_the_repository() {
    let cage = Cage::new();
    let mut done = 0;
    for line in lines("hostile") {
        let run = Run::of(&mut cage.command(&line));
        done += usize::from(run.code == Some(0));
        assert_eq!(cage.sung(), "", "{line:?}");
    }
    assert!(done >= 30, "only {done} commands did their work: the scene is broken");
    let subjects = cage.sandbox.git(&["-c", "core.fsmonitor=false", "-c", "alias.x=!", "rev-list", "--count", "HEAD"]);
    assert!(subjects.parse::<usize>().unwrap() > 15, "{subjects} commits: the scene is broken");
}

#[test]
fn the_canaries_do_sing_for_plain_git() {
    let cage = Cage::new();
    // These two end a command of git before it comes to the others: a canary speaks no protocol.
    let _ = Run::of(cage.sandbox.command("git").args(["status"]));
    for key in ["filter.evil.process", "filter.evil.required"] {
        let _ = Run::of(cage.sandbox.command("git").args(["config", "--unset-all", key]));
    }
    cage.sandbox.write("included.cfg", "");
    cage.sandbox.git(&["config", "filter.evil.required", "false"]);
    cage.sandbox.write("other.md", "a\n");
    for line in [
        &["add", "other.md"][..],
        &["-c", "diff.external=", "diff", "--cached"],
        &["commit", "-m", "x"],
        &["diff", "HEAD~1"],
    ] {
        let _ = Run::of(cage.sandbox.command("git").args(line));
    }
    let song = cage.sung();
    let count = song.lines().count();
    for part in
        ["hooks/pre-commit", "hooks/post-index-change", "hooks/reference-transaction", "/canary 2 ", "/canary other.md"]
    {
        assert!(song.contains(part), "{part} is dead: the other tests show nothing\n{song}");
    }
    assert!(count >= 10, "only {count} programs were started by plain git\n{song}");
}

#[test]
fn a_watcher_and_its_upkeep_start_no_program_of_the_repository() {
    let cage = Cage::new();
    for n in 0..2_600 {
        cage.sandbox.write(&format!("code/{}/{n}.txt", n % 20), &n.to_string());
    }
    // Loose objects enough for upkeep, made past the filters and hooks.
    fs::write(cage.sandbox.path(".git/info/attributes"), "").unwrap();
    let attributes = cage.sandbox.read(".gitattributes");
    fs::remove_file(cage.sandbox.path(".gitattributes")).unwrap();
    cage.sandbox.git(&["-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "add", "code"]);
    cage.sandbox.write(".gitattributes", &attributes);
    cage.sandbox.write(".git/info/attributes", &attributes);
    cage.sandbox.git(&["-c", "core.fsmonitor=false", "config", "gc.auto", "6700"]);
    let loose = || {
        let said = cage.sandbox.git(&["-c", "core.fsmonitor=false", "count-objects"]);
        said.split(' ').next().unwrap().parse::<usize>().unwrap()
    };
    assert!(loose() >= 2_600);
    cage.sung();
    let mut watcher = cage.command(&["watch".to_owned(), "--json".to_owned()]).stdout(Stdio::null()).spawn().unwrap();
    let until = |what: &str, is_so: &dyn Fn() -> bool| {
        let began = Instant::now();
        while !is_so() {
            assert!(began.elapsed() < Duration::from_secs(60), "not in time: {what}");
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    cage.sandbox.write(&format!("{FOLDER}/task-1.md"), "---\nid: task-1\nstatus: pending\ntype: x\n---\n");
    until("packed", &|| loose() < 100);
    Run::of(Command::new("kill").args(["-TERM", &watcher.id().to_string()])).is(0, "", "");
    assert!(watcher.wait().unwrap().success());
    assert_eq!(cage.sung(), "");
}

#[test]
fn nothing_but_the_hardened_git_program_is_started() {
    if let Err(why) = can_trace() {
        return could_not_run("nothing_but_the_hardened_git_program_is_started", &why);
    }
    let cage = Cage::new();
    let trace = cage.nest.path().join("trace");
    let (mut programs, mut hardened) = (BTreeSet::new(), 0);
    for line in lines("hostile") {
        let inner = cage.command(&line);
        let mut command = cage.sandbox.command("strace");
        command.args(["-f", "-qq", "-v", "-s", "9999", "-e", "trace=execve", "-e", "signal=none", "-o"]).arg(&trace);
        command.arg(inner.get_program()).args(inner.get_args()).env("EDITOR", "true");
        let _ = Run::of(&mut command);
        for call in fs::read_to_string(&trace)
            .unwrap()
            .lines()
            .filter(|call| call.contains("execve(") && call.ends_with(" = 0"))
        {
            let path = call.split('"').nth(1).unwrap();
            let name = path.rsplit('/').next().unwrap().to_owned();
            // The editor is the user's; `demo` plays in a repository of its own making, with a shell; a worker runs what its
            // user's command line says.
            let is_worker = line[0] == "worker" && (name == "sh" || name == "true");
            let is_apart = line[0] == "demo" || line.starts_with(&["task".to_owned(), "edit".to_owned()]) || is_worker;
            assert!(name == "mycelium" || name.starts_with("git") || is_apart, "{line:?}: {call}");
            assert!(!path.starts_with(cage.nest.path().to_str().unwrap()), "{line:?}: {call}");
            assert!(!path.starts_with(cage.sandbox.root().to_str().unwrap()), "{line:?}: {call}");
            if name == "git" {
                let is_hardened = call.contains("core.hooksPath=/dev/null") || call.contains("GIT_CONFIG_PARAMETERS");
                assert!(is_hardened || is_apart, "{line:?}: {call}");
                hardened += 1;
            }
            programs.insert(name);
        }
    }
    assert_eq!(cage.sung(), "");
    assert!(programs.contains("mycelium"), "{programs:?}");
    let _ = writeln!(std::io::stderr(), "programs started: {programs:?}; git {hardened} times");
}

#[test]
fn hooks_run_if_the_users_own_configuration_says_so() {
    let cage = Cage::new();
    let line = |id: &str| ["task", "create", "--type", "x", "--id", id].map(str::to_owned);
    assert_eq!(Run::of(&mut cage.command(&line("task-1"))).code, Some(0));
    assert_eq!(cage.sung(), "", "the repository's own configuration asks for hooks, and is not heeded");
    let own = cage.nest.path().join("own.json");
    fs::write(&own, "{\"commit\": {\"hooks\": true}}").unwrap();
    let run = Run::of(cage.command(&line("task-2")).env("MYCELIUM_CONFIG", &own));
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(cage.sung().contains("pre-commit"), "the user asked for hooks");
}
