//! The bridge against a real server: what it promises while the server is used by others, full, hung, killed or replaced.
#![allow(clippy::disallowed_methods, reason = "tests of processes and waiting")]
#![allow(clippy::expect_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::print_stdout, reason = "times, for whoever runs them with --nocapture")]

mod bounds;
mod claims;
mod consent;
mod documents;
mod face;
mod link;
mod lost;
mod news;
mod queue;
mod secure;
mod sentinel;
mod server;
mod single;
#[path = "../support/mod.rs"]
mod support;
