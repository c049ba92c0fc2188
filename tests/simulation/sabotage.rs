//! Does the simulation bite? Each planted break must be found within the normal number of seeds.

use mycelium::sabotage::{Planted, Sabotage, plant};

use crate::trial::trial;
use crate::{MAIN, SEEDS_DEFAULT};

/// Plants what `MYCELIUM_SABOTAGE` names, if it is one of these.
pub(crate) fn from_environment() -> Option<Planted> {
    let name = std::env::var("MYCELIUM_SABOTAGE").ok()?;
    Some(plant(
        Sabotage::named(&name).unwrap_or_else(|| panic!("there is no sabotage `{name}` of the engine or the plan")),
    ))
}

#[test]
fn every_planted_break_is_found() {
    let mut unnoticed = Vec::new();
    let elsewhere = |one: Sabotage| {
        one.is_about_reading()
            || one.is_about_claims()
            || one.is_about_merging()
            || one.is_about_mirroring()
            || one.is_about_taskqueue()
    };
    for (name, sabotage) in Sabotage::ALL.iter().filter(|(_, one)| !elsewhere(*one)) {
        let _planted = plant(*sabotage);
        match (0..SEEDS_DEFAULT).find_map(|seed| trial(seed).err().map(|fault| (seed, fault))) {
            Some((seed, fault)) => println!("{name}: found by seed {seed}: {fault}"),
            None => unnoticed.push(*name),
        }
    }
    assert!(unnoticed.is_empty(), "nobody notices {unnoticed:?} in {SEEDS_DEFAULT} seeds");
}

/// Runs one test of this program again, under a break.
fn again(sabotage: &str, seed: Option<&str>) -> (bool, String) {
    let mut command = std::process::Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", MAIN]).env("MYCELIUM_SABOTAGE", sabotage).env("RUST_BACKTRACE", "0");
    command.env_remove("SEEDS").env_remove("SEED").envs(seed.map(|seed| ("SEED", seed)));
    let output = command.output().expect("this program runs");
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn a_failing_seed_says_in_one_line_how_to_repeat_it() {
    let (succeeded, said) = again("skip-refused", None);
    assert!(!succeeded, "{said}");
    let lines: Vec<&str> = said.lines().filter(|line| line.starts_with("repeat with: ")).collect();
    let [line] = lines[..] else { panic!("not one line says how to repeat it: {said}") };
    let rest = line.strip_prefix("repeat with: MYCELIUM_SABOTAGE=skip-refused SEED=").expect(line);
    let (seed, rest) = rest.split_once(' ').expect(line);
    assert_eq!(rest, format!("cargo test --test simulation {MAIN}"));
    let (succeeded, repeated) = again("skip-refused", Some(seed));
    assert!(!succeeded && repeated.contains(line), "seed {seed} does not fail again: {repeated}");
    let before = |said: &str| said.lines().take_while(|said| *said != line).last().map(str::to_owned);
    assert_eq!(before(&said), before(&repeated), "another fault is found");
}
