//! Plays a seed: phases of faults and of healing, then a last look. A fault that is found is a value, so that many seeds
//! can be tried; the one line that repeats it is printed by whoever asked.

use std::cell::Cell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use mycelium::engine::{Engine, Input, Readiness};

use crate::MAIN;
use crate::world::{Faults, Later, World};

/// How often faults and healing take turns for one seed.
const TURNS: u64 = 4;
const FAULTS_MS: u64 = 15_000;
/// The longest pause between two tries, and then the longest settling.
const HEALING_MS: u64 = 40_000;
/// Lines of the trace that are shown with a fault, if `LINES` does not say otherwise, and what is shown of each.
const LINES: u64 = 40;
const LINE_CHARACTERS: usize = 160;

/// What happened in a trial.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) commits: u64,
    pub(crate) operations: u64,
    pub(crate) effects_max: (usize, usize),
}

impl Outcome {
    pub(crate) fn add(&mut self, other: &Self) {
        self.commits += other.commits;
        self.operations += other.operations;
        let (one, ten) = other.effects_max;
        self.effects_max = (self.effects_max.0.max(one), self.effects_max.1.max(ten));
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (one, ten) = self.effects_max;
        write!(f, "{} commits, {} operations, ", self.commits, self.operations)?;
        write!(f, "at most {one} effects in a second and {ten} in ten seconds")
    }
}

impl World {
    /// Lets time pass until a moment: what was to happen happens, and the engine is woken when it wants to be.
    fn pass(&mut self, until: u64) {
        loop {
            let event = self.later.keys().next().copied();
            let next = self.alarm.into_iter().chain(event.map(|(at, _)| at)).min().filter(|at| *at <= until);
            let Some(at) = next else { break };
            self.now = self.now.max(at);
            if let Some(key) = event.filter(|(event, _)| *event <= self.now) {
                let what = self.later.remove(&key).expect("it is the first");
                self.happen(what);
            } else {
                self.count_wake();
                self.step(Input::Tick);
            }
        }
        self.now = self.now.max(until);
    }

    fn suffer(&mut self, until: u64) {
        while self.now < until {
            // Now and then a burst, now and then a rest.
            let pause = match self.below(10) {
                0..4 => self.below(20),
                4..9 => self.below(400),
                _ => self.below(6_000),
            };
            self.pass(self.now + pause);
            self.something();
        }
    }

    /// No more faults. Nobody rings for that: what the engine waited for it must look for by itself.
    fn heal(&mut self) {
        self.note(format_args!("everything heals"));
        self.is_calm = true;
        self.refusals = 0;
        self.failures = 0;
        let rest: Vec<Later> = std::mem::take(&mut self.later).into_values().collect();
        let is_heard = |what: &Later| !matches!(what, Later::Wake);
        let (heard, wakes): (Vec<Later>, Vec<Later>) = rest.into_iter().partition(is_heard);
        for what in heard {
            self.happen(what);
        }
        for what in wakes {
            self.after(0, what);
        }
        if self.readiness != Readiness::Ready {
            self.happen(Later::EndOfBusy);
        }
    }

    /// Everything that may be committed is, within a bounded time, and nobody wakes up any more.
    fn come_to_rest(&mut self) {
        let faults = std::mem::replace(&mut self.faults, Faults::EvenClock);
        self.effects.clear();
        self.wakes.clear();
        let until = self.now + HEALING_MS;
        self.pass(until);
        if self.engine.is_none() {
            self.start();
            self.pass(self.now + HEALING_MS);
        }
        self.judge_rest();
        let wake = self.engine.as_ref().and_then(Engine::wake_at);
        if self.events_come {
            assert_eq!(wake, None, "it does not sleep");
        } else {
            self.change_events();
            self.pass(self.now + 5_000);
            let wake = self.engine.as_ref().and_then(Engine::wake_at);
            assert_eq!(wake, None, "it does not sleep when events come again");
        }
        self.faults = faults;
    }

    fn play(&mut self) {
        self.start();
        for _ in 0..TURNS {
            let until = self.now + FAULTS_MS;
            self.suffer(until);
            self.heal();
            self.come_to_rest();
            self.is_calm = false;
        }
        self.is_calm = true;
        self.judge_journal();
    }
}

thread_local! {
    static IS_TRIAL: Cell<bool> = const { Cell::new(false) };
}

/// A panic in a trial is a finding, not a message.
fn hush() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !IS_TRIAL.get() {
                loud(panic);
            }
        }));
    });
}

/// Plays a seed; what is wrong, in words, if something is.
fn attempt(world: &mut World) -> Result<(), String> {
    hush();
    IS_TRIAL.set(true);
    let outcome = catch_unwind(AssertUnwindSafe(|| world.play()));
    IS_TRIAL.set(false);
    outcome.map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_else(|| "a panic".into())
    })
}

/// Plays a seed, without a trace.
pub(crate) fn trial(seed: u64) -> Result<Outcome, String> {
    let mut world = World::new(seed);
    attempt(&mut world)?;
    let count = |n: usize| u64::try_from(n).expect("small");
    Ok(Outcome { commits: count(world.commits), operations: count(world.operations), effects_max: world.effects_max })
}

/// Plays a seed and writes down everything; the end says what was wrong, if something was.
pub(crate) fn trace(seed: u64) -> String {
    let mut world = World::new(seed);
    world.trace = Some(Vec::new());
    let end = attempt(&mut world).err().unwrap_or_else(|| "the end".into());
    let mut lines = world.trace.unwrap_or_default();
    lines.push(end);
    lines.join("\n")
}

/// Shows the end of a failed trial, fails, and says how to repeat it: in the last line, as one command.
pub(crate) fn repeat(seed: u64, fault: &str) -> ! {
    let trace = trace(seed);
    let lines: Vec<&str> = trace.lines().collect();
    let tail = usize::try_from(number("LINES").unwrap_or(LINES)).expect("small");
    for line in &lines[lines.len().saturating_sub(tail)..] {
        eprintln!("{}", line.chars().take(LINE_CHARACTERS).collect::<String>());
    }
    assert!(lines.last() == Some(&fault), "seed {seed} failed with `{fault}`, and otherwise when it was repeated");
    let sabotage =
        std::env::var("MYCELIUM_SABOTAGE").map(|name| format!("MYCELIUM_SABOTAGE={name} ")).unwrap_or_default();
    panic!("{fault}\nrepeat with: {sabotage}SEED={seed} cargo test --test simulation {MAIN}");
}

pub(crate) fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text}")))
}
