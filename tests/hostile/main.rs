//! Hostile repositories and hostile content: no program of theirs runs, no byte of theirs reaches a terminal, no path of theirs
//! is followed. Every command there is runs in them; a new command without lines of its own fails the test.

#[path = "../support/mod.rs"]
mod support;

mod canary;
mod commands;
mod elsewhere;
mod links;
mod names;
mod output;
mod pipes;
