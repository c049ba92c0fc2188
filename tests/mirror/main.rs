//! Mirrors in a made-up world: clones, people, other clients, a server that loses its data, answers that get lost, crashes,
//! by seed. A phase of faults in which nothing written may vanish, then one without in which all must become the same.
//!
//! `SEEDS=n` runs n seeds, `SEED=k` only that one; `MYCELIUM_SABOTAGE=name` breaks the program first.
#![allow(clippy::disallowed_methods, reason = "a test may read the environment")]
#![allow(clippy::print_stdout, reason = "a failure says how to repeat it, a success what was done")]
#![allow(clippy::expect_used, reason = "a test that cannot go on has failed")]

mod judge;
mod passes;
#[cfg(debug_assertions)]
mod sabotage;
mod server;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use world::{Count, World};

const SEEDS_DEFAULT: u64 = 1_000;
/// What happens to each world before it heals.
const EVENTS: u64 = 80;
/// Passes of every mirror over everything, until all must be the same.
const HEALING: u64 = 16;
/// A world in which less happens than this proves nothing, on average for each seed.
const SENDS_MIN: u64 = 10;
const WRITES_MIN: u64 = 5;

/// The test that a seed is repeated with.
const MAIN: &str = "no_edit_vanishes_and_all_become_the_same";

/// Plays a seed.
fn trial(seed: u64) -> Result<Count, String> {
    let mut world = World::new(seed);
    let played = catch_unwind(AssertUnwindSafe(|| {
        for _ in 0..EVENTS {
            world.something()?;
        }
        world.heal(HEALING)
    }));
    let result = played.unwrap_or_else(|_| Err("a panic".to_owned()));
    if std::env::var("TRACE").is_ok() {
        println!("{}", world.trace());
    }
    result.map(|()| world.count)
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text}")))
}

/// Plays seeds on all processors; gives the first fault.
fn play(seeds: std::ops::Range<u64>, plant: &(dyn Fn() + Sync)) -> (Count, Option<(u64, String)>) {
    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let parts = std::thread::scope(|scope| {
        let seeds = &seeds;
        let play = move |part: u64| {
            plant();
            let (mut sum, mut fault) = (Count::default(), None);
            for seed in (seeds.start + part..seeds.end).step_by(usize::try_from(threads).expect("few")) {
                match trial(seed) {
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

#[test]
fn no_edit_vanishes_and_all_become_the_same() {
    let seeds = match number("SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SEEDS").unwrap_or(SEEDS_DEFAULT),
    };
    let count = seeds.end - seeds.start;
    let (sum, fault) = play(seeds, &|| {
        #[cfg(debug_assertions)]
        sabotage::from_environment();
    });
    println!("{count} seeds: {sum}");
    if let Some((seed, fault)) = fault {
        let sabotage =
            std::env::var("MYCELIUM_SABOTAGE").map(|name| format!("MYCELIUM_SABOTAGE={name} ")).unwrap_or_default();
        panic!("{fault}\nrepeat with: {sabotage}SEED={seed} cargo test --test mirror {MAIN}");
    }
    let is_lively = sum.sends > count * SENDS_MIN && sum.writes > count * WRITES_MIN;
    assert!(is_lively || count == 1, "{sum}: the world is too quiet to prove anything");
}
