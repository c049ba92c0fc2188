//! Every command on files alone, in several places at the same time.

use std::fs;

use crate::names::Names;
use crate::server::eventually;
use crate::stage::Stage;
use crate::support::{FOLDER, Run, SABOTAGE, Sandbox};

/// Tasks, their claims and reviews; what may be asked about them.
const TASKS: &[(i32, &str)] = &[
    (0, "init --templates lean"),
    (0, "task create --type x --id task-1 --title one --payload {\"a\":1} --step s --description d --priority high"),
    (0, "task create --type x --id task-2 --depends-on task-1 --assigned-to bob"),
    (0, "task create --type x --id task-3 --workflow workflow-1"),
    (0, "task create --type x --id task-4 --depends-on task-9"),
    (0, "agent set bob --status busy --metadata {\"m\":1} --active-task task-1 --ttl 300 --as bob"),
    (0, "task claim task-1 --as bob"),
    (4, "task claim task-1 --as eve"),
    (0, "task renew task-1 --as bob"),
    (0, "task update task-1 --progress 0.5 --set mood=1 --as bob"),
    (4, "task update task-1 --progress 0.6 --as bob --fence 9"),
    (0, "task tick task-1 1 --as bob"),
    (0, "task note task-1 flat --as bob"),
    (0, "task edit task-1 --as bob"),
    (0, "why task-1"),
    (0, "why task-2"),
    (0, "why task-4"),
    (0, "status"),
    (0, "task list"),
    (0, "task ready"),
    (0, "task claim task-1 --steal --as eve"),
    (4, "task complete task-1 --as bob"),
    (0, "task release task-1 --as eve"),
    (0, "task claim task-1 --as bob"),
    (0, "task fail task-1 --error e --stack-trace t --as bob"),
    (0, "task retry task-1"),
    (0, "task claim --next --as bob"),
    (0, "task get task-1"),
    (0, "task complete task-1 --result {\"ok\":1} --as bob"),
    (0, "task wait task-1"),
    (75, "task wait task-2 --timeout 1ms"),
    (0, "task reopen task-1"),
    (0, "task update task-3 --set review=required"),
    (0, "task claim task-3 --as bob"),
    (0, "task complete task-3 --as bob"),
    (0, "why task-3"),
    (0, "task approve task-3 --note good --as eve"),
    (0, "task reject task-3 --reason bad --as eve"),
    (0, "event list --limit 100"),
    (0, "log --limit 100"),
];

/// Agents, workflows, events and batches.
const OTHERS: &[(i32, &str)] = &[
    (0, "init --templates lean"),
    (0, "task create --type x --id task-1"),
    (0, "task create --type x --id task-4"),
    (0, "agent set bob --status idle"),
    (0, "agent set eve --status idle --ttl 1"),
    (0, "agent beat bob"),
    (0, "agent get bob"),
    (0, "agent list"),
    (0, "workflow create --type x --id workflow-1 --title w --task task-1 --metadata {\"m\":1}"),
    (0, "workflow update workflow-1 --progress 0.5 --current-task task-1"),
    (0, "workflow get workflow-1"),
    (0, "workflow list"),
    (0, "status"),
    (0, "workflow complete workflow-1 --result {\"ok\":1}"),
    (0, "workflow update workflow-1 --status running"),
    (0, "workflow fail workflow-1 --error e"),
    (0, "workflow new flow --template conditional"),
    (0, "workflow run flow --id workflow-flow"),
    (0, "workflow graph workflow-flow"),
    (0, "workflow pause workflow-flow"),
    (0, "workflow resume workflow-flow"),
    (0, "workflow drive"),
    (0, "workflow monitor workflow-flow --once"),
    (0, "workflow cancel workflow-flow"),
    (0, "workflow retry workflow-flow"),
    (0, "workflow cancel workflow-flow"),
    (0, "task create --type work --id task-5"),
    (0, "worker --agent bob --type work --once --exec true"),
    (0, "worker logs task-5"),
    (0, "worker logs task-5 -f"),
    (0, "event publish a:b {\"event\":\"saved\"} --as bob"),
    (0, "event list --limit 100"),
    (0, "event subscribe --timeout 1ms"),
    (0, "batch plan.jsonl"),
    (1, "batch plan.jsonl"),
    (0, "log --limit 100"),
    (0, "log task-1"),
];

/// What the world around is asked for.
const AROUND: &[(i32, &str)] = &[
    (0, "bridge status"),
    (0, "bridge detect"),
    (0, "bridge enable redis://127.0.0.1:1"),
    (0, "bridge status"),
    (75, "bridge push"),
    (75, "bridge pull"),
    (0, "bridge disable"),
    (0, "commit"),
    (0, "pause --for 1m"),
    (0, "status"),
    (0, "resume"),
    (0, "task claim task-7 --as bob"),
    (0, "task complete task-7 --as bob"),
    (0, "archive task-7 --dry-run"),
    (0, "archive task-7"),
    (0, "archive --older 0s"),
    (0, "task remove task-4"),
    (0, "agent remove bob"),
    (0, "textconv plan.jsonl"),
    (0, "init --merge-driver --diff-driver"),
    (0, "config set commit.author user"),
    (0, "config get commit.author"),
    (0, "instructions"),
    (0, "instructions --write"),
    (0, "instructions --check"),
    (0, "instructions --remove"),
    (0, "explain MYC101"),
    (0, "completions bash"),
    (0, "man task"),
    (0, "man --install ."),
    (0, "watch --print-unit"),
    (3, "task get task-99"),
    (2, "task gt"),
];

const BATCH: &str = "{\"op\":\"task.note\",\"id\":\"task-1\",\"text\":\"flat\"}\n\
                     {\"op\":\"task.create\",\"type\":\"x\",\"id\":\"task-7\"}\n\
                     {\"op\":\"agent.set\",\"name\":\"bob\",\"status\":\"busy\"}\n";

/// All of it.
pub(crate) fn play() -> Names {
    let scenes = std::thread::scope(|scope| {
        let threads = [tasks, others, remotes, person, shapes, demo].map(|scene| scope.spawn(scene));
        threads.map(|thread| thread.join().unwrap())
    });
    let (mut names, mut lines) = (Names::default(), Vec::new());
    for stage in scenes {
        lines.extend(stage.lines.iter().cloned());
        names.merge(stage.end());
    }
    let leaves = crate::commands::leaves(&Sandbox::without_git());
    let missing: Vec<_> = leaves.iter().filter(|leaf| !lines.iter().any(|line| line.starts_with(leaf))).collect();
    assert!(missing.is_empty(), "no scene in tests/golden/files.rs runs {missing:?}");
    names
}

/// One agent after the other, and a linked worktree.
fn tasks() -> Stage {
    let mut stage = Stage::new(Sandbox::new());
    stage.set("EDITOR", "sed -i s/one/two/");
    stage.play(TASKS);
    stage.play(&[(0, "task claim task-3 --as bob --lease 1ms")]);
    let text = "---\nid: task-8\nstatus: pending\ntype: x\ndepends_on: [task-99]\n---\n";
    stage.sandbox.write(&format!("{FOLDER}/task-8.md"), text);
    stage.play(&[(0, "watch --once")]);
    stage.linked();
    stage
}

/// All other commands, and the tables that the program prints.
fn others() -> Stage {
    let mut stage = Stage::new(Sandbox::new());
    stage.sandbox.write("plan.jsonl", BATCH);
    stage.play(OTHERS);
    stage.play(AROUND);
    stage.prune();
    // What it ends with depends on the machine.
    let _ = (stage.run("doctor"), stage.run("doctor --fix"));
    stage.given();
    stage
}

/// Two clones and their remote.
fn remotes() -> Stage {
    let mut stage = Stage::new(Sandbox::new());
    let origin = stage.sandbox.root().with_file_name("origin.git").display().to_string();
    stage.sandbox.git(&["init", "-q", "--bare", &origin]);
    stage.sandbox.git(&["remote", "add", "origin", &origin]);
    stage.play(&[
        (0, "task create --type x --id task-1"),
        (0, "task create --type x --id task-2"),
        (0, "sync --with-code"),
    ]);
    let other = Sandbox::at(&stage.sandbox, stage.sandbox.root().with_file_name("other"));
    stage.sandbox.git(&["clone", "-q", &origin, other.root().to_str().unwrap()]);
    let there = |lines: &[&str]| {
        for line in lines {
            let _ = other.mycelium(&line.split(' ').collect::<Vec<_>>()).ok();
        }
    };
    there(&["task claim task-1 --as eve", "task note task-2 x", "sync"]);
    stage.play(&[(0, "task claim task-1 --as bob"), (0, "task note task-2 y"), (0, "sync")]);
    there(&["task update task-2 --title two", "sync"]);
    stage.play(&[
        (0, "task update task-2 --title three"),
        (4, "sync"),
        (0, "resolve --ours"),
        (0, "sync"),
        (0, "task claim task-2 --push --as eve"),
    ]);
    stage
}

/// A person who merges, rebases and removes.
fn person() -> Stage {
    let mut stage = Stage::new(Sandbox::new());
    stage.play(&[(0, "task create --type x --id task-1"), (0, "task create --type x --id task-2")]);
    stage.conflict();
    stage.put_back();
    stage.crash();
    stage
}

/// Classic documents on a branch of their own, documents that cannot be read, very many documents, and a folder without git.
fn shapes() -> Stage {
    let mut stage = Stage::new(Sandbox::new());
    stage.play(&[
        (0, "init --templates classic"),
        (0, "config set markdown.shape classic"),
        (0, "task create --type x --id task-1 --payload {\"a\":1} --step s --priority high --assigned-to bob"),
        (0, "task create --type x --id task-2 --depends-on task-1 --workflow workflow-1"),
        (0, "agent set bob --status busy --metadata {\"m\":1} --active-task task-1 --ttl 300 --as bob"),
        (0, "workflow create --type x --id workflow-1 --title w --task task-1 --metadata {\"m\":1}"),
        (0, "task claim task-1 --as bob"),
        (0, "task fail task-1 --error e --stack-trace t --as bob"),
        (0, "config set commit.branch plans"),
        (0, "task note task-1 flat"),
        (0, "status"),
    ]);
    for number in 100..620 {
        stage.sandbox.write(&format!("{FOLDER}/task-{number}.md"), "---\nid: task-1\nstatus: pending\ntype: x\n---\n");
    }
    stage.sandbox.write(&format!("{FOLDER}/task-99.md"), "---\nid: task-99\nstatus: [\n---\n");
    // A kept reading is believed only of a file that has not just been written, so it is written when all were read.
    stage.play(&[(1, "check"), (0, "task list"), (0, "task get task-99"), (0, "status")]);
    let bare = Sandbox::without_git();
    for line in [&["task", "create", "--type", "x", "--id", "task-1"][..], &["task", "claim", "task-1", "--as", "bob"]]
    {
        let _ = bare.mycelium(line).ok();
    }
    stage.names.state(&bare);
    stage
}

/// The demo takes seconds, most of which it waits.
fn demo() -> Stage {
    let mut stage = Stage::new(Sandbox::new());
    stage.play(&[(0, "demo")]);
    stage
}

impl Stage {
    /// An agent is removed when it has been silent for its second.
    fn prune(&mut self) {
        self.play(&[(0, "agent prune --older 0s --dry-run")]);
        eventually("it is removed", || self.run("agent prune --older 0s").stdout.contains("\"removed\":[{"));
    }

    /// A linked worktree, and a task that is held there.
    fn linked(&mut self) {
        self.play(&[(0, "task create --type x --id task-5")]);
        let linked = Sandbox::at(&self.sandbox, self.sandbox.root().with_file_name("side"));
        self.sandbox.git(&["worktree", "add", "-q", "-b", "side", linked.root().to_str().unwrap()]);
        let _ = linked.mycelium(&["task", "claim", "task-5", "--as", "bob"]).ok();
        self.play(&[(0, "task ready"), (0, "why task-5"), (4, "task claim task-5 --as eve"), (0, "status")]);
        let _ = linked.mycelium(&["task", "complete", "task-5", "--as", "bob"]).ok();
        self.play(&[(0, "why task-5"), (0, "status")]);
    }

    /// Two values of one fact on two branches.
    fn conflict(&mut self) {
        self.sandbox.git(&["checkout", "-q", "-b", "topic"]);
        self.play(&[(0, "task update task-1 --title five")]);
        self.sandbox.git(&["checkout", "-q", "main"]);
        self.play(&[(0, "task update task-1 --title six")]);
        let merge = Run::of(self.sandbox.command("git").args(["merge", "-q", "topic"]));
        assert_eq!(merge.code, Some(1), "{merge:?}");
        self.play(&[(1, "check"), (0, "status"), (0, "log"), (4, "resolve"), (0, "resolve task-1 --ours")]);
        self.sandbox.git(&["commit", "-q", "--no-edit"]);
        let text = |title: &str| format!("---\nid: task-1\nstatus: pending\ntype: x\n---\n\n# {title}\n");
        for (name, title) in [("base", "a"), ("ours", "b"), ("theirs", "c")] {
            self.sandbox.write(name, &text(title));
        }
        self.play(&[(1, &format!("merge-driver base ours theirs {FOLDER}/task-1.md"))]);
    }

    /// A rebase stands still, an agent goes on working, and the person gives the rebase up.
    fn put_back(&mut self) {
        let git = |words: &str| Run::of(self.sandbox.command("git").args(words.split(' ')));
        for (file, branch) in [("a", "checkout -q -b aside"), ("b", "checkout -q main"), ("c", "checkout -q aside")] {
            self.sandbox.write("code", file);
            let _ = git("add code").ok();
            let _ = git("commit -q -m code").ok();
            let _ = git(branch).ok();
        }
        assert_eq!(git("rebase -q main").code, Some(1));
        self.play(&[(0, "task note task-1 late --as bob"), (0, "status")]);
        self.sandbox.git(&["rebase", "--abort"]);
        self.play(&[(0, "restore"), (0, "commit"), (0, "check"), (0, "event list")]);
        self.names.history(&self.sandbox);
        self.play(&[(0, "restore task-1")]);
        fs::remove_file(self.sandbox.path(&format!("{FOLDER}/task-2.md"))).unwrap();
        self.play(&[(0, "restore"), (0, "restore task-2")]);
    }

    /// A commit that ends in the middle, and the next one that finishes it.
    fn crash(&mut self) {
        let mut command = self.sandbox.mycelium_command(&["task", "note", "task-1", "torn"]);
        let run = Run::of(command.env(SABOTAGE, "crash-before-swap"));
        assert_ne!(run.code, Some(0), "{run:?}");
        self.look();
        self.play(&[(0, "commit")]);
    }

    /// What the program lists by itself: codes, settings, variables, fields, operations; and what templates are given.
    fn given(&mut self) {
        for kind in ["task", "agent", "workflow"] {
            let path = format!(".mycelium/templates/{kind}.md");
            let text = self.sandbox.read(&path);
            self.sandbox.write(&path, &(text + "\n{{ debug() }}\n"));
        }
        self.play(&[
            (0, "task create --type x --id task-90"),
            (0, "agent set sue --status idle"),
            (0, "workflow create --type x --id workflow-90"),
            (0, "config list"),
            (0, "explain"),
        ]);
        for (kind, name) in [("task", "task-90"), ("agent", "agent-sue"), ("workflow", "workflow-90")] {
            let text = fs::read_to_string(self.sandbox.path(&format!("{FOLDER}/{name}.md"))).unwrap();
            let shown = text.split_once("ctx: {").and_then(|(_, text)| text.split_once("}, env: ")).unwrap().0;
            for name in shown.split("\": ").filter_map(|part| part.rsplit_once('"')) {
                self.names.add("templates: variables", &format!("{kind} {}", name.1));
            }
        }
        crate::tables::read(self);
    }
}
