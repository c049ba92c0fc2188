//! Claims among real processes and work trees: one winner each time, whatever dies, restarts or changes its clock.
//!
//! `MYCELIUM_CLAIM_TASKS`, `MYCELIUM_CLAIM_PROCESSES` and `MYCELIUM_CLAIM_KILLS` ask for longer runs.
#![allow(clippy::disallowed_methods, reason = "tests do what users do")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod child;
mod crowd;
mod kill;
mod lease;
mod model;
mod race;
mod scene;
#[path = "../support/mod.rs"]
mod support;
mod watcher;
