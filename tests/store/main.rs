//! The store as its users see it: several real processes on one folder, killed at any moment, with people saving beside.
#![allow(clippy::disallowed_methods, reason = "tests of files, processes and waiting")]
#![allow(clippy::print_stdout, reason = "counts and times, for whoever runs them with --nocapture")]
#![allow(clippy::format_collect, reason = "short texts, written to be read")]

mod basics;
mod child;
mod crash;
mod faults;
mod follow;
mod links;
mod powercut;
mod rig;
mod saves;
mod speed;
#[path = "../support/mod.rs"]
mod support;
