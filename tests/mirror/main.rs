//! The production pass over clones in memory and remotes in memory, by seed: people, other clients, branches that move, answers
//! that get lost, crashes. A phase of faults in which nothing written may vanish, then one without in which all must become the same.
//!
//! `SEED=k` runs one seed, `TRACE=1` says what happens in it; `MYCELIUM_SABOTAGE=name` breaks the program first.
#![allow(clippy::disallowed_methods, reason = "a test may read the environment")]
#![allow(clippy::print_stdout, reason = "a failure says how to repeat it, a success what was done")]
#![allow(clippy::expect_used, reason = "a test that cannot go on has failed")]

mod folder;
mod git;
mod judge;
mod people;
mod projecting;
#[cfg(debug_assertions)]
mod sabotage;
#[path = "../support/size.rs"]
mod size;
mod swapping;
mod taskqueue;
mod world;

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use projecting::Projecting;
use swapping::Swapping;
use taskqueue::TaskQueue;
use world::{Count, Remote, World};

/// What happens to each world before it heals.
const EVENTS: u64 = 80;
/// Rounds of all clones over everything, until all must be the same; in the last of them a person forces what is held.
const HEALING: u64 = 16;
const FORCED_AFTER: u64 = 8;

/// Passes of each clone after the last change beside a `TaskQueue` server, until nothing is left to do.
const PASSES_MAX: u64 = 2;

/// Makes a remote.
type NewRemote = fn() -> Box<dyn Remote>;

fn swapping() -> Box<dyn Remote> {
    Box::new(Swapping::default())
}

fn projecting() -> Box<dyn Remote> {
    Box::new(Projecting::default())
}

fn taskqueue() -> Box<dyn Remote> {
    Box::new(TaskQueue::default())
}

/// Plays a seed.
fn trial(seed: u64, remote: NewRemote) -> Result<Count, String> {
    let world = World::new(seed, remote());
    let played = catch_unwind(AssertUnwindSafe(|| {
        for _ in 0..EVENTS {
            world.something();
            world.result()?;
        }
        world.heal()?;
        world.end_with_last_changes()
    }));
    let result = played.unwrap_or_else(|_| Err("a panic".to_owned()));
    if std::env::var("TRACE").is_ok() {
        println!("{}", world.trace());
    }
    result.map(|()| world.counted())
}

/// Plays seeds on all processors; gives the first fault.
fn play(seeds: &Range<u64>, remote: NewRemote, plant: &(dyn Fn() + Sync)) -> (Count, Option<(u64, String)>) {
    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let parts = std::thread::scope(|scope| {
        let play = move |part: u64| {
            plant();
            let (mut sum, mut fault) = (Count::default(), None);
            for seed in (seeds.start + part..seeds.end).step_by(usize::try_from(threads).expect("few")) {
                match trial(seed, remote) {
                    Ok(count) => sum.add(&count),
                    Err(why) => {
                        fault = Some((seed, why));
                        break;
                    }
                }
            }
            (sum, fault)
        };
        let running: Vec<_> = (0..threads).map(|part| scope.spawn(move || play(part))).collect();
        running.into_iter().map(|thread| thread.join().expect("it ends")).collect::<Vec<_>>()
    });
    let mut sum = Count::default();
    for (count, _) in &parts {
        sum.add(count);
    }
    let first = parts.into_iter().filter_map(|(_, fault)| fault).min_by_key(|(seed, _)| *seed);
    (sum, first)
}

/// Plays as many seeds as the size says, or the one that is asked for. Fewer sends and files written than `least`, on average for each
/// seed, prove nothing.
fn check(test: &str, remote: NewRemote, size: usize, least: [u64; 2]) -> Count {
    let seeds = match std::env::var("SEED") {
        Ok(seed) => {
            let seed: u64 = seed.parse().expect("a number");
            seed..seed + 1
        }
        Err(_) => 0..size as u64,
    };
    let count = seeds.end - seeds.start;
    let (sum, fault) = play(&seeds, remote, &|| {
        #[cfg(debug_assertions)]
        sabotage::from_environment();
    });
    println!("{count} seeds: {sum}");
    if let Some((seed, fault)) = fault {
        let sabotage =
            std::env::var("MYCELIUM_SABOTAGE").map(|name| format!("MYCELIUM_SABOTAGE={name} ")).unwrap_or_default();
        panic!("{fault}\nrepeat with: {sabotage}SEED={seed} cargo test --test mirror {test}");
    }
    let is_lively = sum.sends > count * least[0] && sum.writes > count * least[1];
    assert!(is_lively || count == 1, "{sum}: the world is too quiet to prove anything");
    sum
}

/// How many seeds are played beside the simpler remotes.
fn seeds() -> usize {
    size::sized("MYCELIUM_MIRROR_SEEDS", 200, 1_000)
}

#[test]
fn clones_beside_a_remote_with_texts_become_the_same_and_no_edit_vanishes() {
    check("clones_beside_a_remote_with_texts", swapping, seeds(), [10, 5]);
}

#[test]
fn clones_beside_a_remote_without_texts_become_the_same_and_no_edit_vanishes() {
    check("clones_beside_a_remote_without_texts", projecting, seeds(), [4, 1]);
}

#[test]
fn clones_beside_a_taskqueue_server_and_its_other_clients_become_the_same() {
    let seeds = size::sized("MYCELIUM_TASKQUEUE_SEEDS", 40, 1_000);
    let sum = check("clones_beside_a_taskqueue_server", taskqueue, seeds, [10, 4]);
    assert!(sum.last <= PASSES_MAX, "{} passes after the last change", sum.last);
}
