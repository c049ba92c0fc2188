//! Many writers at once: nothing is lost, everything is attributed.

use std::collections::BTreeSet;
use std::thread;

use crate::alone;
use crate::history::{assert_sound, creators, is_committed, leftovers};
use crate::support::{FOLDER, Sandbox};

const PROCESSES: usize = 8;
const CREATES: usize = 20;
const ROUNDS: usize = 5;

#[test]
fn eight_processes_create_twenty_tasks_each() {
    let _alone = alone();
    let sandbox = Sandbox::new();
    let create = |agent: &str, number: usize| {
        let title = format!("Task {number} of {agent}");
        sandbox.mycelium(&["--as", agent, "task", "create", "--type", "test", "--title", &title]).ok().trim().to_owned()
    };
    let created: Vec<(String, String)> = thread::scope(|scope| {
        let workers = (0..PROCESSES).map(|worker| {
            let create = &create;
            scope.spawn(move || {
                let agent = format!("agent-{worker}");
                (0..CREATES).map(|number| (create(&agent, number), agent.clone())).collect::<Vec<_>>()
            })
        });
        let workers: Vec<_> = workers.collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });

    let ids: BTreeSet<&String> = created.iter().map(|(id, _)| id).collect();
    assert_eq!(ids.len(), PROCESSES * CREATES, "every id is its own");
    assert!(is_committed(&sandbox), "each command answers for its commit: {}", sandbox.git(&["status", "--porcelain"]));
    let creators = creators(&sandbox);
    for (id, agent) in &created {
        let path = format!("{FOLDER}/{id}.md");
        assert!(sandbox.read(&path).contains(&format!("of {agent}")), "{path}");
        assert_eq!(creators.get(&path), Some(agent), "{path}");
    }
    assert_sound(&sandbox);
    assert_eq!(leftovers(&sandbox.path(".git")), Vec::<String>::new());
}

#[test]
fn eight_writers_change_eight_fields_of_one_task() {
    let _alone = alone();
    let sandbox = Sandbox::new();
    let create = ["task", "create", "--type", "test", "--title", "Shared", "--assigned-to", "ai-engineer"];
    for round in 0..ROUNDS {
        let id = sandbox.mycelium(&create).ok().trim().to_owned();
        let id = id.as_str();
        let changes: [&[&str]; PROCESSES] = [
            &["update", id, "--priority", "critical"],
            &["update", id, "--progress", "0.5"],
            &["update", id, "--assigned-to", "data-engineer"],
            &["update", id, "--title", "Renamed"],
            &["update", id, "--set", "epoch=2"],
            &["update", id, "--set", "host=node-7"],
            &["update", id, "--status", "running"],
            &["note", id, "loss is flat"],
        ];
        thread::scope(|scope| {
            for change in changes {
                let sandbox = &sandbox;
                scope.spawn(move || sandbox.mycelium(&[&["task"], change].concat()).ok());
            }
        });
        let text = sandbox.read(&format!("{FOLDER}/{id}.md"));
        for line in [
            "priority: critical",
            "progress: 0.5",
            "assigned_to: data-engineer",
            "# Renamed",
            "epoch: 2",
            "host: node-7",
            "status: running",
            "- loss is flat",
        ] {
            assert_eq!(text.lines().filter(|l| *l == line).count(), 1, "round {round}: `{line}` in\n{text}");
        }
    }
    assert!(is_committed(&sandbox), "{}", sandbox.git(&["status", "--porcelain"]));
    assert_sound(&sandbox);
}
