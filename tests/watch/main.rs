//! The watcher on a real file system: whatever is done to the folder, looking after each ring finds all of it.
#![allow(clippy::disallowed_methods, reason = "tests do what users do")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod bite;
mod editors;
mod folders;
mod limits;
mod repository;
mod settings;
mod site;
#[path = "../support/mod.rs"]
mod support;
