//! Workers, with the real program on real repositories: what a command is given, what its end means, and that nothing of it is left.
#![allow(clippy::disallowed_methods, reason = "tests do what users do")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::print_stderr, reason = "what is measured is told")]

mod crash;
mod killing;
mod logs;
mod process;
mod results;
mod stopping;
#[path = "../support/mod.rs"]
mod support;
mod workflows;
