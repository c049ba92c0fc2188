//! A process that commits again and again, to be run beside others and to be killed.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use mycelium::git::{CommitDurability, CommitError, Target, Trouble};

use crate::ground::{self, FOLDER, Ground, agent, change, plan};

/// Starts an actor in this home; it prints `ready`, then `acked <revision> <number>` for each commit.
pub(crate) fn start(ground: &Ground, name: &str, count: usize, durability: &str) -> Child {
    command(ground, name, count, durability).spawn().expect("this program runs")
}

/// How to start an actor. `MYCELIUM_ACTOR_MORE` is the number of documents that each of its commits changes beside the one.
pub(crate) fn command(ground: &Ground, name: &str, count: usize, durability: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command
        .args(["--exact", "actor::acts", "--nocapture"])
        .env("MYCELIUM_ACTOR", name)
        .env("MYCELIUM_ACTOR_ROOT", &ground.root)
        .env("MYCELIUM_ACTOR_COUNT", count.to_string())
        .env("MYCELIUM_ACTOR_DURABILITY", durability)
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit());
    command
}

/// What an actor acknowledged last: the number in its document.
pub(crate) fn last_acked(output: &[u8]) -> Option<(String, usize)> {
    let text = String::from_utf8_lossy(output);
    let line = text.lines().rfind(|line| line.starts_with("acked "))?;
    let mut words = line.split(' ').skip(1);
    Some((words.next()?.to_owned(), words.next()?.parse().ok()?))
}

#[test]
fn acts() {
    if let Ok(name) = std::env::var("MYCELIUM_ACTOR") {
        act(&name);
    } else if ground::enter("git::actor::acts") {
        let ground = Ground::new();
        let output = start(&ground, "solo", 3, "full").wait_with_output().expect("an end");
        assert!(output.status.success());
        assert_eq!(last_acked(&output.stdout).map(|(_, number)| number), Some(2));
        assert_eq!(ground.at_head("task-solo.md"), "2\n");
        ground.assert_sound();
    }
}

fn act(name: &str) {
    let variable = |name: &str| std::env::var(name).expect(name);
    let ground = Ground::at(PathBuf::from(variable("MYCELIUM_ACTOR_ROOT")));
    let count: usize = variable("MYCELIUM_ACTOR_COUNT").parse().expect("a number");
    let durability = match variable("MYCELIUM_ACTOR_DURABILITY").as_str() {
        "full" => CommitDurability::Full,
        "batch" => CommitDurability::Batch,
        _ => CommitDurability::Off,
    };
    let repo = ground.open();
    let document = format!("task-{name}.md");
    let more: usize = std::env::var("MYCELIUM_ACTOR_MORE").map_or(0, |more| more.parse().expect("a number"));
    println!("ready");
    for number in 0..count {
        let text = format!("{number}\n");
        ground.put(&format!("{FOLDER}/{document}"), &text);
        let mut changes = vec![change(&document, Some(&text))];
        for other in 0..more {
            let (other, text) = (format!("task-{name}-{other}.md"), format!("{number} {other}\n"));
            ground.put(&format!("{FOLDER}/{other}"), &text);
            changes.push(change(&other, Some(&text)));
        }
        let made = loop {
            let base = repo.view().head(&Target::Current).expect("a head").revision;
            let plan = plan(agent(name), &format!("{name} {number}"), changes.clone());
            match repo.committer().commit(&Target::Current, FOLDER, base.as_ref(), &[plan], durability) {
                Ok(made) => break made,
                Err(error) if matches!(error.trouble(), Trouble::Moved | Trouble::Busy) => {}
                Err(error @ CommitError::Git(_)) => panic!("{error}: {error:?}"),
                Err(error) => panic!("{error}"),
            }
        };
        let revision = made.last().expect("a commit");
        let mut out = std::io::stdout().lock();
        writeln!(out, "acked {revision} {number}").and_then(|()| out.flush()).expect("printed");
    }
}
