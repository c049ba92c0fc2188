//! One task, many who want it at the same moment, in several work trees: one winner, and all others are told who it is.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::scene::{Scene, tell};
use crate::support::sized;

/// Who wants each task.
const RUNNERS: usize = 16;
const TREES: usize = 4;
/// Rounds in a normal run; `MYCELIUM_CLAIM_RACES` asks for more.
const ROUNDS: usize = 15;

struct Runner {
    child: Child,
    orders: ChildStdin,
    said: Receiver<String>,
    name: String,
}

impl Runner {
    fn start(scene: &Scene, n: usize, sabotage: Option<&str>) -> Self {
        let name = format!("runner-{n}");
        let mut child = scene.child("race", &name, n % TREES, sabotage);
        let (tell, said) = channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if let Some(line) = line.strip_prefix('>') {
                    let _ = tell.send(line.to_owned());
                }
            }
        });
        let runner = Self { orders: child.stdin.take().unwrap(), child, said, name };
        assert_eq!(runner.hear(), "ready");
        runner
    }

    fn hear(&self) -> String {
        self.said.recv_timeout(Duration::from_secs(120)).expect("an answer")
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How many rounds had not exactly one winner, or a loser who was told something else.
fn races(rounds: usize, sabotage: Option<&str>) -> usize {
    let scene = Scene::new(rounds, TREES);
    let mut runners: Vec<Runner> = (0..RUNNERS).map(|n| Runner::start(&scene, n, sabotage)).collect();
    let mut bad = 0;
    for round in 0..rounds {
        let id = format!("task-{round:04}");
        for runner in &mut runners {
            runner.orders.write_all(format!("{id}\n").as_bytes()).unwrap();
        }
        let answers: Vec<(String, String)> = runners.iter().map(|one| (one.name.clone(), one.hear())).collect();
        let winners: Vec<&str> =
            answers.iter().filter(|(_, said)| *said == format!("won {id} 1")).map(|(name, _)| name.as_str()).collect();
        let told = |said: &String| winners.first().is_some_and(|winner| *said == format!("lost {id} {winner}"));
        let losers = answers.iter().filter(|(_, said)| told(said)).count();
        if winners.len() != 1 || losers != RUNNERS - 1 {
            bad += 1;
            if sabotage.is_none() {
                eprint_round(&id, &answers);
            }
        }
    }
    bad
}

fn eprint_round(id: &str, answers: &[(String, String)]) {
    tell(&format!("{id}: {answers:?}"));
}

#[test]
fn a_race_has_one_winner_and_the_others_are_told_who() {
    let rounds = sized("MYCELIUM_CLAIM_RACES", ROUNDS, 400);
    assert_eq!(races(rounds, None), 0);
    tell(&format!("{rounds} races of {RUNNERS} processes in {TREES} work trees: 0 with more or less than one winner"));
}

#[cfg(debug_assertions)]
#[test]
fn without_the_lock_a_race_has_several_winners() {
    assert!(races(ROUNDS, Some("no-claim-lock")) > 0);
}
