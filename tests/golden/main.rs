//! The names that other clones, other versions and other programs read, as the running program shows them: each is in
//! `names.txt`, and each name in `names.txt` is still there.
//!
//! Three scenes run every command: on files alone, beside a real Redis server, and where `.git` cannot be written. What they
//! leave in the history, in local state, in documents, on the server and in answers is compared with the list.
#![allow(clippy::disallowed_methods, reason = "tests touch files and start programs")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a scene that cannot be played has failed")]

#[path = "../hostile/commands.rs"]
mod commands;
mod files;
mod listed;
mod monitor;
mod names;
mod sandboxed;
#[path = "../redis/server.rs"]
mod server;
mod shared;
mod stage;
#[path = "../support/mod.rs"]
mod support;
mod tables;

use std::collections::BTreeMap;

use listed::List;
use names::Names;

const TEST: &str = "every_name_is_listed_and_every_listed_name_is_there";

#[test]
fn every_name_is_listed_and_every_listed_name_is_there() {
    let scenes = std::thread::scope(|scope| {
        let (files, sandboxed) = (scope.spawn(files::play), scope.spawn(|| sandboxed::play(TEST)));
        let shared = shared::play(TEST);
        [("", Some(files.join().unwrap())), ("read-only .git: ", sandboxed.join().unwrap()), ("server: ", shared)]
    });
    let mut seen = BTreeMap::new();
    let mut absent = Vec::new();
    for (start, scene) in &scenes {
        match scene {
            // What every scene shows is listed once.
            Some(names) if start.is_empty() => seen.extend(names.sections(start)),
            Some(names) => seen.extend(names.without(scenes[0].1.as_ref().unwrap()).sections(start)),
            None => absent.push(*start),
        }
    }
    let list = List::read();
    let faults = list.faults(&seen, &absent);
    if listed::wants_additions() {
        list.with(&seen).write();
    }
    assert!(faults.is_empty(), "{} names:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn a_lost_and_a_new_name_are_reported() {
    let mut names = Names::default();
    names.add("trailers", "Mycelium-Task");
    names.add("trailers", "Mycelium-New");
    let list = List::parse("# words\n\n[trailers]\nMycelium-Gone\nMycelium-Task\n\n[server: keys]\ntasks:ID\n");
    let faults = list.faults(&names.sections("").collect(), &["server: "]);
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(faults[0].contains("`Mycelium-Gone` of [trailers] is gone"), "{faults:?}");
    assert!(faults[1].contains("`Mycelium-New` of [trailers] is new"), "{faults:?}");
    let faults = list.faults(&names.sections("").collect(), &[]);
    assert!(faults.iter().any(|fault| fault.contains("`tasks:ID` of [server: keys] is gone")), "{faults:?}");
}
