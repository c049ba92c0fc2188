//! The engine and the plan in a made-up world: editors, agents, git, crashes and a jumping clock, by seed. In turns a
//! phase of faults in which nothing wrong may happen, then one without in which everything must be committed and all
//! fall asleep.
//!
//! `SEEDS=n` runs n seeds, `SEED=k` only that one; `MYCELIUM_SABOTAGE=name` breaks the program first.
#![allow(clippy::disallowed_methods, reason = "a test may read the environment")]
#![allow(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a failure says how to repeat it, a success what was done"
)]
#![allow(clippy::expect_used, reason = "a test that cannot go on has failed")]

mod driver;
mod events;
mod judge;
#[cfg(debug_assertions)]
mod sabotage;
mod trial;
mod worktrees;
mod world;

use trial::{Outcome, number, repeat, trace, trial};

const SEEDS_DEFAULT: u64 = 1_000;
/// A world in which less happens than this proves nothing, on average for each seed.
const COMMITS_MIN: u64 = 40;
const OPERATIONS_MIN: u64 = 20;

/// The test that a seed is repeated with.
const MAIN: &str = "nothing_wrong_is_committed_and_everything_else_is";

#[test]
fn nothing_wrong_is_committed_and_everything_else_is() {
    #[cfg(debug_assertions)]
    let _planted = sabotage::from_environment();
    let seeds = match number("SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SEEDS").unwrap_or(SEEDS_DEFAULT),
    };
    let count = seeds.end - seeds.start;
    let mut sum = Outcome::default();
    for seed in seeds {
        match trial(seed) {
            Ok(outcome) => sum.add(&outcome),
            Err(fault) => repeat(seed, &fault),
        }
    }
    println!("{count} seeds: {sum}");
    let is_lively = sum.commits > count * COMMITS_MIN && sum.operations > count * OPERATIONS_MIN;
    assert!(is_lively || count == 1, "{sum}: the world is too quiet to prove anything");
}

#[test]
fn a_seed_gives_the_same_trace_every_time() {
    for seed in 0..8 {
        let (first, second) = (trace(seed), trace(seed));
        assert!(first.len() > 100_000, "seed {seed}: a trace of {} bytes", first.len());
        assert!(first == second, "seed {seed} does not give the same trace twice");
        assert!(first != trace(seed + 1_000), "the seed makes no difference");
    }
}
