//! Everybody edits everywhere: in the end all clones and the server hold the same, and it goes fast.

use std::time::{Duration, Instant};

use crate::fleet::{Dice, Fleet, LONG, task, until};
use crate::scene::Scene;
use crate::server::Server;
use crate::support::{FOLDER, number, sized};

/// Tasks that everybody works on.
const SHARED: u64 = 6;

/// One clone at work.
struct Worker<'a> {
    fleet: &'a Fleet,
    number: usize,
    dice: Dice,
    made: usize,
}

impl Worker<'_> {
    fn step(&mut self, index: usize) {
        let (fleet, number) = (self.fleet, self.number);
        let shared = format!("task-shared-{}", self.dice.below(SHARED));
        let text = format!("w{number} says {index}");
        let own = format!("task-w{number}-{}", self.dice.below(self.made as u64 + 1));
        match self.dice.below(10) {
            0..3 => {
                let id = format!("task-w{number}-{}", self.made);
                self.made += 1;
                let _ = fleet.run(number, &["task", "create", "--type", "x", "--id", &id, "--title", &text]);
            }
            3..5 => drop(fleet.run(number, &["task", "note", &shared, &text]).code),
            5 => drop(fleet.run(number, &["task", "update", &shared, "--set", &format!("w{number}={index}")]).code),
            // By hand, as a person with an editor does: what came in between is seen as the editor sees it.
            6..8 => {
                let name = format!("{own}.md");
                let before = fleet.text(number, &name);
                if !before.is_empty() {
                    fleet.write(number, &name, &format!("{before}\n{text}\n"));
                } else if self.dice.below(2) == 0 {
                    fleet.write(number, &name, &task(&own, &text));
                }
            }
            8 => fleet.remove(number, &format!("{own}.md")),
            _ => {
                let _ = fleet.run(number, &["task", "update", &own, "--status", "running", "--as", "w"]);
                let _ = fleet.run(number, &["task", "complete", &own, "--as", "w"]);
                let _ = fleet.run(number, &["archive", &own]);
            }
        }
        std::thread::sleep(Duration::from_millis(self.dice.below(40)));
    }
}

#[test]
fn three_clones_at_random_edits_come_to_the_same_as_the_server() {
    let name = "three_clones_at_random_edits_come_to_the_same_as_the_server";
    let Some(server) = Server::start(name) else { return };
    let fleet = Fleet::new(3, &server.url());
    for shared in 0..SHARED {
        let id = format!("task-shared-{shared}");
        fleet.run(0, &["task", "create", "--type", "x", "--id", &id]).ok();
    }
    fleet.until_one(&server, LONG);
    let (operations, seed) =
        (sized("MYCELIUM_MACHINES_OPERATIONS", 12, 200), number("MYCELIUM_MACHINES_SEED", 1) as u64);
    std::thread::scope(|scope| {
        for number in 0..3 {
            let dice = Dice(seed * 1_000_003 + number as u64);
            let mut worker = Worker { fleet: &fleet, number, dice, made: 0 };
            scope.spawn(move || (0..operations).for_each(|index| worker.step(index)));
        }
    });
    let took = fleet.until_one(&server, LONG);
    println!("{operations} operations in each of 3 clones: the same after {} ms", took.as_millis());
    assert!(fleet.documents(0).len() >= 6);
    fleet.settles_in_git();
    fleet.until_one(&server, LONG);
    let is_whole = |scene: &Scene| scene.clones.iter().all(|clone| clone.path(FOLDER).is_dir());
    assert!(is_whole(&fleet.scene));
}

#[test]
fn a_change_arrives_in_the_files_of_others_at_once() {
    let Some(server) = Server::start("a_change_arrives_in_the_files_of_others_at_once") else { return };
    let fleet = Fleet::new(2, &server.url());
    let mut times: Vec<Duration> = Vec::new();
    for round in 0..sized("MYCELIUM_MACHINES_ROUNDS", 10, 100) {
        let (name, text) = ("task-quick.md", format!("round {round}."));
        let began = Instant::now();
        fleet.write(0, name, &task("task-quick", &text));
        while !fleet.text(1, name).contains(&text) {
            assert!(began.elapsed() < LONG, "it does not arrive");
            std::thread::sleep(Duration::from_millis(1));
        }
        times.push(began.elapsed());
        std::thread::sleep(Duration::from_millis(30));
    }
    times.sort();
    let (median, worst) = (times[times.len() / 2], times[times.len() - 1]);
    println!("from file to file: median {:.1} ms, worst {:.1} ms", ms(median), ms(worst));
    assert!(median < Duration::from_millis(300), "{median:?}");
    until("the server has it as well", LONG, || fleet.difference(&server).is_empty());
}

fn ms(span: Duration) -> f64 {
    span.as_secs_f64() * 1000.0
}
