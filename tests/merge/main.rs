//! Merging: its laws over random pairs, and what real git makes of them with our driver.
#![allow(clippy::disallowed_methods, reason = "files and git are what is tested here")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::print_stdout, reason = "what is measured is told")]

mod bite;
mod branch;
mod cases;
mod git;
mod laws;
mod steps;
mod tree;

#[path = "../support/pairs.rs"]
mod pairs;
#[path = "../support/mod.rs"]
mod support;
