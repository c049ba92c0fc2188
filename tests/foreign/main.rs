//! Agents that speak nothing but Redis, beside real watchers on a real server: what they write becomes files and commits,
//! what they break stays theirs.
#![allow(clippy::disallowed_methods, reason = "tests of processes and waiting")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bursts;
mod events;
mod garbage;
mod losses;
#[path = "../pages/mod.rs"]
mod pages;
mod past;
mod queue;
mod random;
mod scene;
#[path = "../redis/server.rs"]
mod server;
mod session;
mod shown;
#[path = "../support/mod.rs"]
mod support;
mod taking;
mod workflows;
