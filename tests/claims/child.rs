//! What the child processes do. The entry is a test that runs only when other tests start it, in a process of its own.

use std::io::{BufRead as _, Write as _};
use std::time::Duration;

use mycelium::document::{Document, Value};
use mycelium::entity::task::{self, TaskUpdate};
use mycelium::lease::LeaseRequest;
use mycelium::name::{AgentName, Kind};
use mycelium::services::{Claimed, Error, Opening, Passing, Project, Which};

/// Every how many tasks a worker writes to the document that all share.
const BOARD_EVERY: usize = 4;

/// Says something to the test that started this process, at once.
fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n>{text}").and_then(|()| out.flush()).expect("a listening parent");
}

/// What a child said, line by line.
pub(crate) fn said(output: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(output).lines().filter_map(|line| line.strip_prefix('>')).map(str::to_owned).collect()
}

#[test]
#[ignore = "run by `every_task_is_claimed_exactly_once_in_one_work_tree`"]
fn part() {
    let Ok(part) = std::env::var("CLAIMS_PART") else { return };
    let project = Project::open(Opening::default()).expect("a project");
    let me = project.agent().cloned().expect("an agent");
    match part.as_str() {
        "work" => work(&project, &me, Duration::from_secs(300), BOARD_EVERY),
        "work-shortly" => work(&project, &me, Duration::from_millis(300), usize::MAX),
        "race" => race(&project, &me),
        other => panic!("no such part: {other}"),
    }
}

/// Claims the next task and completes it, until none is ready.
fn work(project: &Project, me: &AgentName, lease: Duration, board_every: usize) {
    let ask = LeaseRequest { by: me.clone(), lease, over: mycelium::lease::Override::None };
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).expect("a word to begin");
    let board = std::env::var("CLAIMS_BOARD").expect("a board");
    let mut count = 0;
    loop {
        let claimed = match project.operations().claim(project.actor(), Which::Next { kind: Some("work") }, &ask) {
            Ok(claimed) => claimed,
            Err(Error::NothingReady { .. }) => break,
            Err(error) => panic!("{error}: {error:?}"),
        };
        let Claimed { fence, outcome, .. } = claimed;
        let id = outcome.entity.expect("a task").id().to_string();
        say(&format!("claimed {id} {fence}"));
        let key = |document: &Document, key: &str, value: &str| {
            let set = vec![(key.to_owned(), Value::text(value))];
            task::update(document, &TaskUpdate { set, ..TaskUpdate::default() })
        };
        match project.operations().change(
            project.actor(),
            Kind::Task,
            &id,
            "update",
            &Passing::default(),
            &|document| key(document, "worker", me.as_str()),
        ) {
            Ok(_) => {}
            // The lease was short, and this process slow.
            Err(Error::ClaimLost(_)) => continue,
            Err(error) => panic!("{error}: {error:?}"),
        }
        match project.operations().change(
            project.actor(),
            Kind::Task,
            &id,
            "complete",
            &Passing::default(),
            &|document| task::complete(document, None),
        ) {
            Ok(_) => say(&format!("completed {id} {fence}")),
            Err(Error::ClaimLost(_) | Error::Refused { .. }) => continue,
            Err(error) => panic!("{error}: {error:?}"),
        }
        count += 1;
        if count % board_every == 0 {
            let (count, me) = (count.to_string(), me.as_str());
            project
                .operations()
                .change(project.actor(), Kind::Task, &board, "update", &Passing::default(), &|document| {
                    key(document, me, &count)
                })
                .expect("written");
            say(&format!("board {count}"));
        }
    }
    say("done");
}

/// Claims what it is told to, each time at once.
fn race(project: &Project, me: &AgentName) {
    let ask = LeaseRequest { by: me.clone(), lease: Duration::from_secs(300), over: mycelium::lease::Override::None };
    say("ready");
    for line in std::io::stdin().lock().lines() {
        let id = line.expect("a line");
        match project.operations().claim(project.actor(), Which::Task(&id), &ask) {
            Ok(claimed) => say(&format!("won {id} {}", claimed.fence)),
            Err(Error::ClaimLost(loss)) => {
                say(&format!("lost {id} {}", loss.by.map_or_else(String::new, |by| by.to_string())));
            }
            Err(error) => say(&format!("failed {id} {error}")),
        }
    }
}
