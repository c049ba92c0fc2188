//! Several clones with a watcher each on one real server: what is changed here arrives there, whatever happens to the server.
#![allow(clippy::disallowed_methods, reason = "tests of processes and waiting")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::print_stdout, reason = "times, for whoever runs them with --nocapture")]

mod batches;
mod branches;
mod choice;
mod convergence;
mod cost;
mod crowd;
mod cut;
mod day;
mod faults;
mod fleet;
mod partition;
mod proxy;
#[path = "../sync/scene.rs"]
#[allow(dead_code, reason = "this target uses its part")]
mod scene;
#[path = "../redis/server.rs"]
mod server;
#[path = "../support/mod.rs"]
mod support;
