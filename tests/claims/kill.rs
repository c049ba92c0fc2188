//! Kills at any moment: what was acknowledged stands, nobody is given what another one has, and nothing stays behind.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::{Duration, Instant};

use mycelium::document::Document;
use mycelium::entity::task;
use mycelium::lease::{LeaseRequest, Override};
use mycelium::name::Kind;
use mycelium::services::{Claimed, Error, Passing, Project, Which};

use crate::child::said;
use crate::scene::{Scene, ask, tell};
use crate::support::sized;

/// Kills in a normal run; `MYCELIUM_CLAIM_KILLS` asks for more.
const KILLS: usize = 20;
const TASKS: usize = 120;
/// Longer than anybody may be blocked by somebody who is dead.
const BLOCKED: Duration = Duration::from_secs(10);

#[test]
fn nothing_claimed_is_lost_to_kills_and_nothing_is_given_twice() {
    let kills = sized("MYCELIUM_CLAIM_KILLS", KILLS, 600);
    let scene = Scene::new(TASKS, 2);
    let mut claims: BTreeMap<(String, u64), Vec<String>> = BTreeMap::new();
    let mut completed: BTreeMap<String, u64> = BTreeMap::new();
    let mut chance = 0x2545_f491_4f6c_dd1d_u64 ^ u64::from(std::process::id());
    for round in 0..kills.div_ceil(4) {
        let mut children: Vec<_> = (0..4)
            .map(|n| {
                (
                    format!("worker-{round}-{n}"),
                    scene.child("work-shortly", &format!("worker-{round}-{n}"), n % 2, None),
                )
            })
            .collect();
        for (_, child) in &mut children {
            child.stdin.take().unwrap().write_all(b"go\n").unwrap();
        }
        for (agent, mut child) in children {
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            std::thread::sleep(Duration::from_millis(20 + (chance >> 33) % 150));
            let _ = child.kill();
            let output = child.wait_with_output().unwrap();
            for line in said(&output.stdout) {
                let words: Vec<&str> = line.split(' ').collect();
                match words[..] {
                    ["claimed", id, fence] => {
                        claims.entry((id.to_owned(), fence.parse().unwrap())).or_default().push(agent.clone());
                    }
                    ["completed", id, fence] => {
                        completed.insert(id.to_owned(), fence.parse().unwrap());
                    }
                    _ => {}
                }
            }
        }
    }
    for ((id, fence), agents) in &claims {
        assert_eq!(agents.len(), 1, "{id} with fence {fence} was given to {agents:?}");
    }
    for (id, fence) in &completed {
        let keys = [scene.keys(0, id), scene.keys(1, id)];
        let told =
            |keys: &BTreeMap<String, String>| keys["status"] == "completed" && keys["fence"] == fence.to_string();
        assert!(keys.iter().any(told), "{id}, acknowledged as completed with fence {fence}: {keys:?}");
    }
    finish(&scene);
    tell(&format!(
        "{kills} kills: {} claims and {} completions were acknowledged, all stand",
        claims.len(),
        completed.len()
    ));
    assert!(kills < KILLS || !claims.is_empty(), "nobody lived long enough to claim something");
}

fn claim_next(project: &Project, ask: &LeaseRequest) -> Option<Claimed> {
    match project.operations().claim(project.actor(), Which::Next { kind: Some("work") }, ask) {
        Ok(claimed) => Some(claimed),
        Err(Error::NothingReady { .. }) => None,
        Err(error) => panic!("{error}"),
    }
}

/// Whoever comes after is blocked by nobody, and gets all that is left once the leases of the dead are over.
fn finish(scene: &Scene) {
    let project = scene.project(0, "survivor");
    std::thread::sleep(Duration::from_millis(400));
    let began = Instant::now();
    let first =
        project.operations().claim(project.actor(), Which::Next { kind: Some("work") }, &ask("survivor", 60_000));
    assert!(began.elapsed() < BLOCKED, "blocked for {:?}", began.elapsed());
    let mut next = Some(first.unwrap());
    // What the dead committed on the branch of the other work tree keeps their tasks from polite claims here.
    for over in [Override::None, Override::Force] {
        let ask = LeaseRequest { over, ..ask("survivor", 60_000) };
        while let Some(claimed) = next.take().or_else(|| claim_next(&project, &ask)) {
            let id = claimed.outcome.entity.unwrap().id().to_string();
            project
                .operations()
                .change(project.actor(), Kind::Task, &id, "complete", &Passing::default(), &|document: &Document| {
                    task::complete(document, None)
                })
                .unwrap();
        }
    }
    // Nothing is stuck: what is not done here is done in the other work tree.
    for n in 0..TASKS {
        let id = format!("task-{n:04}");
        let is_done = |tree| scene.keys(tree, &id)["status"] == "completed";
        assert!(is_done(0) || is_done(1), "{id} is stuck: {:?} {:?}", scene.keys(0, &id), scene.entry(&id));
    }
    let drafts = std::fs::read_dir(scene.sandbox.path(".git/mycelium/claims/drafts")).unwrap().count();
    assert_eq!(drafts, 0, "drafts of the dead are left");
    scene.git(0, &["fsck", "--strict"]);
}
