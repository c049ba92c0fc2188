//! Does the simulation bite? Each planted break must be found within the normal number of seeds.

use mycelium::sabotage::{Sabotage, plant};

use crate::{NewRemote, play, swapping, taskqueue};

/// Within so many seeds each one must be found.
const SEEDS_MAX: u64 = 1_000;

/// Plants what `MYCELIUM_SABOTAGE` names, until this thread ends.
pub(crate) fn from_environment() {
    if let Ok(name) = std::env::var("MYCELIUM_SABOTAGE") {
        let sabotage = Sabotage::named(&name).unwrap_or_else(|| panic!("there is no sabotage `{name}`"));
        std::mem::forget(plant(sabotage));
    }
}

fn check(is_about: fn(Sabotage) -> bool, remote: NewRemote) {
    let mut unnoticed = Vec::new();
    for (name, sabotage) in Sabotage::ALL.iter().filter(|(_, one)| is_about(*one)) {
        let (_, fault) = play(&(0..SEEDS_MAX), remote, &|| std::mem::forget(plant(*sabotage)));
        match fault {
            Some((seed, fault)) => println!("{name}: found by seed {seed}: {fault}"),
            None => unnoticed.push(*name),
        }
    }
    assert!(unnoticed.is_empty(), "nobody notices {unnoticed:?} in {SEEDS_MAX} seeds");
}

#[test]
fn every_planted_break_is_found() {
    check(Sabotage::is_about_mirroring, swapping);
}

#[test]
fn every_planted_break_of_taskqueue_is_found() {
    check(Sabotage::is_about_taskqueue, taskqueue);
}
