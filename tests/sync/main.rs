//! Clones and a remote: `sync` and `claim --push` with real git, races, refusals and killed processes.

#[path = "../support/mod.rs"]
mod support;

mod address;
mod claims;
mod crowd;
mod guest;
mod merging;
mod scene;
