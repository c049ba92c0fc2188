//! Events, with real processes: every one is seen, none twice, and soon; whoever writes, however the documents change.
#![allow(clippy::disallowed_methods, reason = "tests touch files and start programs")]
#![allow(clippy::unwrap_used, reason = "a test whose place cannot be made has failed")]
#![allow(clippy::print_stdout, reason = "a test prints what it measured")]

mod arrival;
mod bite;
mod branches;
mod crowd;
mod listener;
mod publishing;
mod redis;
mod soon;

#[path = "../redis/server.rs"]
mod server;
#[path = "../support/mod.rs"]
mod support;
