//! Coordination of agents, tasks and workflows as markdown files in a git repository.
//!
//! Four floors: `core` (pure decisions), `adapters` (one outside thing each), `services` (what carries out decisions), and
//! `api` and `faces` (what programs and people use). A module uses only floors below it.

pub mod core;

pub mod adapters;

pub mod services;

pub mod api;

pub mod faces;

// What must hold for any bytes; not in ordinary builds.
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;

// Short paths for tests, benches and the program.
pub use self::adapters::{git, redis, store, watch};
pub use self::api::{client, daemon, view};
pub use self::core::{
    archive, change, check, config, diagnostic, document, engine, entity, event, follow, health, lease, merge, message,
    name, plan, problem, reconcile, sabotage, snapshot, template, time,
};
pub use self::faces::cli;
