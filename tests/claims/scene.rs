//! A repository with tasks, further work trees, and what is found in them afterwards.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use mycelium::lease::{LeaseRequest, Override};
use mycelium::name::AgentName;
use mycelium::services::{Opening, Project};
use serde_json::Value;

use crate::support::{FOLDER, Run, SABOTAGE, Sandbox};

/// A repository, and work trees beside it.
pub(crate) struct Scene {
    pub(crate) sandbox: Sandbox,
    pub(crate) trees: Vec<PathBuf>,
}

impl Scene {
    /// A repository with tasks, in this many work trees, each on a branch of its own: `main`, `branch-1`, ...
    pub(crate) fn new(tasks: usize, trees: usize) -> Self {
        let sandbox = Sandbox::new();
        for n in 0..tasks {
            let id = format!("task-{n:04}");
            sandbox.write(&format!("{FOLDER}/{id}.md"), &task(&id, "work"));
        }
        for n in 0..trees {
            let id = format!("task-board-{n}");
            sandbox.write(&format!("{FOLDER}/{id}.md"), &task(&id, "board"));
        }
        sandbox.git(&["add", FOLDER]);
        sandbox.git(&["commit", "--quiet", "-m", "Tasks"]);
        let mut all = vec![sandbox.root().canonicalize().unwrap()];
        for n in 1..trees {
            let path = sandbox.path(&format!("../tree-{n}"));
            sandbox.git(&["worktree", "add", "--quiet", "-b", &format!("branch-{n}"), path.to_str().unwrap()]);
            all.push(path.canonicalize().unwrap());
        }
        Self { sandbox, trees: all }
    }

    /// A process of its own that plays a part of `child`.
    pub(crate) fn child(&self, part: &str, agent: &str, tree: usize, sabotage: Option<&str>) -> Child {
        let mut command = self.sandbox.command(std::env::current_exe().unwrap());
        command.args(["--exact", "--ignored", "--nocapture", "child::part"]).current_dir(&self.trees[tree]);
        command.env("CLAIMS_PART", part).env("MYCELIUM_AGENT", agent);
        command.env("CLAIMS_BOARD", format!("task-board-{tree}"));
        command.env_remove("GIT_AUTHOR_DATE").env_remove("GIT_COMMITTER_DATE");
        if let Some(name) = sabotage {
            command.env(SABOTAGE, name);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
    }

    /// Our program in a work tree.
    pub(crate) fn command(&self, tree: usize, words: &[&str]) -> Command {
        let mut command = self.sandbox.mycelium_command(words);
        command.current_dir(&self.trees[tree]);
        command
    }

    pub(crate) fn run(&self, tree: usize, words: &[&str]) -> Run {
        Run::of(&mut self.command(tree, words))
    }

    /// Git in a work tree.
    pub(crate) fn git(&self, tree: usize, words: &[&str]) -> String {
        Run::of(self.sandbox.command("git").args(words).current_dir(&self.trees[tree])).ok().trim_end().to_owned()
    }

    /// A project in this process.
    pub(crate) fn project(&self, tree: usize, agent: &str) -> Project {
        open(&self.trees[tree], agent)
    }

    /// The keys of a task's file in a work tree.
    pub(crate) fn keys(&self, tree: usize, id: &str) -> BTreeMap<String, String> {
        let path = self.trees[tree].join(FOLDER).join(format!("{id}.md"));
        let text = std::fs::read_to_string(path).unwrap();
        let keys = text.lines().skip(1).take_while(|line| *line != "---").filter_map(|line| line.split_once(": "));
        keys.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    /// Where the ledger keeps what it knows of a task, if it knows something.
    pub(crate) fn entry_path(&self, id: &str) -> Option<PathBuf> {
        let claims = self.sandbox.path(".git/mycelium/claims");
        ["held", "past"].into_iter().map(|part| claims.join(part).join(id)).find(|path| path.exists())
    }

    /// The entry of the ledger on a task.
    pub(crate) fn entry(&self, id: &str) -> Option<Value> {
        let text = std::fs::read_to_string(self.entry_path(id)?).unwrap();
        Some(serde_json::from_str(&text).unwrap())
    }

    /// Changes a key of the entry on a task, as only a test may.
    pub(crate) fn forge(&self, id: &str, key: &str, value: Value) {
        let mut entry = self.entry(id).unwrap();
        entry[key] = value;
        std::fs::write(self.entry_path(id).unwrap(), entry.to_string()).unwrap();
    }

    /// How often each operation of a kind was committed on the branch of a work tree, by task.
    pub(crate) fn operations(&self, tree: usize, verb: &str) -> BTreeMap<String, usize> {
        let log = self.git(tree, &["log", "--format=%(trailers:key=Mycelium-Operation,valueonly)"]);
        let mut found = BTreeMap::new();
        for line in log.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            if let [_, its, task] = words[..]
                && its == verb
            {
                *found.entry(task.to_owned()).or_insert(0) += 1;
            }
        }
        found
    }
}

/// A task in the lean shape.
pub(crate) fn task(id: &str, kind: &str) -> String {
    format!(
        "---\nid: {id}\nstatus: pending\ntype: {kind}\ncreated: 2025-10-17T00:00:00Z\n# waits for\n# run\n# review\n\
         # approval\n# more\n---\n\n# {id}\n\n## Payload\n\n## Progress\n\n## Result\n\n## Error\n\n## Notes\n"
    )
}

pub(crate) fn open(root: &Path, agent: &str) -> Project {
    let agent = AgentName::new(agent).ok();
    Project::open(Opening { root: Some(root.to_owned()), agent, flags: Vec::new() }).unwrap()
}

pub(crate) fn ask(agent: &str, lease_ms: u64) -> LeaseRequest {
    let by = AgentName::new(agent).unwrap();
    LeaseRequest { by, lease: std::time::Duration::from_millis(lease_ms), over: Override::None }
}

/// Says what was measured, past the test harness.
pub(crate) fn tell(line: &str) {
    std::io::stderr().write_all(format!("measured: {line}\n").as_bytes()).unwrap();
}
