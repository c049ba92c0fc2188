//! A bare remote on the disk and clones of it, each with a home of its own.
#![allow(clippy::disallowed_methods, reason = "the test makes files and starts programs")]
#![allow(clippy::unwrap_used, reason = "a scene that cannot be set has failed")]

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

pub(crate) use crate::support::script::write_script as script;
use crate::support::{FOLDER, Run, Sandbox};

/// A remote and its clones.
pub(crate) struct Scene {
    top: tempfile::TempDir,
    pub(crate) clones: Vec<Sandbox>,
}

impl Scene {
    /// A remote with one commit on `main`, and so many clones.
    pub(crate) fn new(count: usize) -> Self {
        let mut scene = Self { top: tempfile::tempdir().unwrap(), clones: Vec::new() };
        let seed = Sandbox::below(&scene.top.path().join("seed"));
        seed.git(&["init", "--quiet", "--bare", scene.remote().to_str().unwrap()]);
        seed.make_repository();
        seed.git(&["push", "--quiet", scene.remote().to_str().unwrap(), "main"]);
        for number in 0..count {
            let clone = Sandbox::below(&scene.top.path().join(format!("clone-{number}")));
            clone.git(&["clone", "--quiet", scene.remote().to_str().unwrap(), "."]);
            scene.clones.push(clone);
        }
        scene
    }

    /// The same with the documents on a branch of their own.
    pub(crate) fn apart(count: usize) -> Self {
        let scene = Self::new(count);
        for clone in &scene.clones {
            clone.write(".git/info/exclude", "/.mycelium/\n");
            clone.mycelium(&["config", "set", "commit.branch", "coordination"]).ok();
        }
        scene
    }

    pub(crate) fn remote(&self) -> PathBuf {
        self.top.path().join("remote.git")
    }

    /// A file outside of every repository.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.top.path().join(name)
    }

    /// Lets the remote refuse every push, with these words.
    pub(crate) fn protect(&self, words: &str) {
        script(&self.remote().join("hooks/pre-receive"), &format!("echo '{words}' >&2; exit 1"));
    }

    /// Everybody syncs until nothing goes and nothing comes.
    pub(crate) fn settle(&self) {
        for _ in 0..5 {
            let mut is_quiet = true;
            for clone in &self.clones {
                let data = rest(clone);
                is_quiet &= data["came_count"] == 0 && data["commits"] == 0;
            }
            if is_quiet {
                return;
            }
        }
        panic!("the clones do not come to rest");
    }

    /// All clones hold the same documents, are clean, and sound; so is the remote.
    pub(crate) fn is_one(&self) {
        let first = documents(&self.clones[0]);
        for clone in &self.clones {
            assert_eq!(documents(clone), first, "{}", clone.root().display());
            assert_eq!(clone.git(&["status", "--porcelain"]), "", "{}", clone.root().display());
            clone.git(&["fsck", "--full", "--strict", "--no-dangling"]);
        }
        self.clones[0].git(&["-C", self.remote().to_str().unwrap(), "fsck", "--full", "--strict", "--no-dangling"]);
    }
}

/// Every document with its text.
pub(crate) fn documents(clone: &Sandbox) -> Vec<(String, String)> {
    let names = clone.documents().into_iter().filter(|name| name.ends_with(".md"));
    names.map(|name| (name.clone(), clone.read(&format!("{FOLDER}/{name}")))).collect()
}

/// Syncs, which must succeed, and gives the data.
#[track_caller]
pub(crate) fn sync(clone: &Sandbox) -> Value {
    data(&clone.mycelium(&["sync", "--json"]).ok())
}

/// Syncs, whatever a person has to decide afterwards.
#[track_caller]
pub(crate) fn rest(clone: &Sandbox) -> Value {
    let run = clone.mycelium(&["sync", "--json"]);
    assert!(matches!(run.code, Some(0 | 4)) && !run.stdout.is_empty(), "{run:?}");
    data(&run.stdout)
}

pub(crate) fn data(json: &str) -> Value {
    serde_json::from_str::<Value>(json).unwrap()["data"].clone()
}

/// What an error said, as an object.
pub(crate) fn fault(run: &Run) -> Value {
    serde_json::from_str::<Value>(&run.stderr).unwrap_or_else(|_| panic!("{run:?}"))["error"].clone()
}

/// Commits a file beside the documents with plain git.
pub(crate) fn code(clone: &Sandbox, name: &str, text: &str) {
    clone.write(name, text);
    clone.git(&["add", name]);
    clone.git(&["commit", "--quiet", "-m", name]);
}

/// Creates a task.
#[track_caller]
pub(crate) fn task(clone: &Sandbox, id: &str) {
    clone.mycelium(&["task", "create", "--type", "x", "--id", id]).ok();
}

/// Ends a process as a power switch would.
pub(crate) fn kill(pid: u32) {
    let _ = Run::of(Command::new("kill").args(["-KILL", &pid.to_string()]));
}

/// Runs our program with the remote behind ssh; before the server's program starts for the first time, something happens.
pub(crate) fn meanwhile(scene: &Scene, clone: &Sandbox, program: &str, what: &str, arguments: &[&str]) -> Run {
    let (ssh, once) = (scene.file("ssh"), scene.file("once"));
    let text = format!(
        "for last; do :; done\ncase \"$last\" in {program}*) mkdir '{}' 2>/dev/null && {{ {what}; }};; esac\neval \"$last\"",
        once.display()
    );
    script(&ssh, &text);
    let url = clone.git(&["remote", "get-url", "origin"]);
    clone.git(&["remote", "set-url", "origin", &format!("ssh://host{}", scene.remote().display())]);
    let mut command = clone.mycelium_command(arguments);
    let run = Run::of(command.env("GIT_SSH_COMMAND", &ssh).env("GIT_SSH_VARIANT", "ssh"));
    clone.git(&["remote", "set-url", "origin", &url]);
    assert!(once.exists(), "it did not happen: {run:?}");
    run
}
