//! Clones and a remote: `sync` and `claim --push` with real git, races, refusals and killed processes.

#[path = "../support/mod.rs"]
mod support;

mod address;
mod adoption;
mod claims;
mod crowd;
mod dedicated;
mod guest;
mod merging;
mod pushed;
mod rewritten;
mod scene;
mod settings;
mod shapes;
mod worktrees;
