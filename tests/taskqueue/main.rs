//! The client of a `TaskQueue` MCP server, and the pass that mirrors tasks there: against a stand-in of the real one, with its
//! faults, and against the real one where `MYCELIUM_TEST_TASKQUEUE` names its command.
#![allow(clippy::disallowed_methods, reason = "tests of processes and waiting")]
#![allow(clippy::expect_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::print_stdout, reason = "which server it was, for whoever runs them with --nocapture")]

mod bridge;
mod chain;
mod client;
mod clone;
mod consent;
mod finding;
mod mirror;
mod other;
#[path = "../pages/mod.rs"]
mod pages;
mod place;
#[path = "../redis/server.rs"]
mod redis_server;
mod server;
mod stand_in;
mod story;
#[path = "../support/mod.rs"]
mod support;
mod together;
mod transcript;
mod trouble;

/// The stand-in itself, in a process of its own.
#[test]
#[ignore = "run by `the_stand_in_answers_as_the_real_server_did`"]
fn stand_in_process() {
    stand_in::serve();
}
