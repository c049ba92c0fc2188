//! The watching process on real repositories: what is saved gets committed, once, whole, and by nobody's leave.
#![allow(clippy::disallowed_methods, reason = "tests do what users do")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod archive;
mod duties;
mod guest;
mod person;
mod process;
mod sandbox;
mod saving;
mod settings;
mod stopping;
#[path = "../support/mod.rs"]
mod support;
mod upkeep;
mod witness;
mod workflows;
