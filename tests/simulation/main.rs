//! The engine in a made-up world: editors, agents, git, crashes and a jumping clock, by seed. First a phase of faults in
//! which nothing wrong may happen, then a phase without in which everything must be committed and all fall asleep.
//!
//! `SEEDS=n` runs n seeds, `SEED=k` only that one.
#![allow(clippy::disallowed_methods, reason = "a test may read the environment")]
#![allow(clippy::print_stderr, reason = "a failure says how to repeat it")]
#![allow(clippy::expect_used, reason = "a test that cannot go on has failed")]

mod driver;
mod world;

use mycelium::engine::{DELETIONS_MAX, Input, Readiness};
use mycelium::name::DocPath;
use world::{Faults, Hand, Later, World};

const SEEDS_DEFAULT: u64 = 500;
const FAULTS_MS: u64 = 60_000;
/// The longest pause between two tries, and then the longest settling.
const HEALING_MS: u64 = 40_000;

impl World {
    /// Lets time pass until a moment: what was to happen happens, and the engine is woken when it wants to be.
    fn pass(&mut self, until: u64) {
        loop {
            let wake = self.engine.wake_at().map(|at| {
                let ahead = at.saturating_sub(self.given());
                self.now + ahead
            });
            let event = self.later.keys().next().copied();
            let next = wake.into_iter().chain(event.map(|(at, _)| at)).min().filter(|at| *at <= until);
            let Some(at) = next else { break };
            self.now = self.now.max(at);
            match event.filter(|(event, _)| *event <= self.now) {
                Some(key) => {
                    let what = self.later.remove(&key).expect("it is the first");
                    self.happen(what);
                }
                None => self.step(Input::Tick),
            }
        }
        self.now = self.now.max(until);
    }

    fn heal(&mut self) {
        self.note("everything heals");
        let rest: Vec<Later> = std::mem::take(&mut self.later).into_values().collect();
        rest.into_iter().filter(|what| !matches!(what, Later::Wake)).for_each(|what| self.happen(what));
        self.faults = Faults::EvenClock;
        self.readiness = Readiness::Ready;
        self.refusals = 0;
        self.failures = 0;
        self.ring();
    }

    /// Everything is committed but what must be held back, and nobody wakes up any more.
    fn is_at_rest(&mut self) {
        let until = self.now + HEALING_MS;
        self.pass(until);
        let branch = &self.branches[self.current];
        let lost: Vec<_> = branch.keys().filter(|path| !self.files.contains_key(*path)).collect();
        let by_hand = |path: &&&DocPath| self.absences.get(**path).is_none_or(|absence| absence.by != Hand::Agent);
        let losses = lost.iter().filter(by_hand).count();
        let is_guarded = losses > DELETIONS_MAX || losses > 0 && losses >= branch.len();
        assert!(lost.is_empty() || is_guarded, "deletions were not committed: {lost:?}");
        for (path, file) in &self.files {
            let is_broken = file.text.starts_with("broken");
            assert!(is_broken || branch.get(path) == Some(&file.text), "{path} was not committed: {}", file.text);
        }
        if self.events_come {
            assert_eq!(self.engine.wake_at(), None, "it sleeps");
        } else {
            self.change_events();
            self.pass(self.now + 5_000);
            assert_eq!(self.engine.wake_at(), None, "it sleeps when events come again");
        }
    }
}

fn play(world: &mut World) {
    world.start();
    while world.now < FAULTS_MS {
        // Now and then a burst, now and then a rest.
        let pause = match world.below(10) {
            0..4 => world.below(20),
            4..9 => world.below(400),
            _ => world.below(6_000),
        };
        world.pass(world.now + pause);
        world.something();
    }
    world.heal();
    world.is_at_rest();
}

/// Plays a seed; tells how many commits there were. A failure ends with the one line that repeats it.
fn run(seed: u64) -> usize {
    let mut world = World::new(seed);
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| play(&mut world)));
    if let Err(panic) = outcome {
        let tail = world.log.len().saturating_sub(40);
        eprintln!("{}", world.log[tail..].join("\n"));
        eprintln!("repeat with: SEED={seed} cargo test --test simulation");
        std::panic::resume_unwind(panic);
    }
    world.commits
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text}")))
}

#[test]
fn nothing_wrong_is_committed_and_everything_else_is() {
    if let Some(seed) = number("SEED") {
        run(seed);
        return;
    }
    let seeds = number("SEEDS").unwrap_or(SEEDS_DEFAULT);
    let commits: usize = (0..seeds).map(run).sum();
    assert!(
        commits as u64 > seeds * 20,
        "only {commits} commits in {seeds} seeds: the world is too quiet to prove anything"
    );
}
