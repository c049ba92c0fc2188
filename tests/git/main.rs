//! The committer judged by the real git: `fsck --strict`, `status`, `log`, `diff --cached`. Every test runs in a process and a home of its own.
#![allow(clippy::disallowed_methods, reason = "tests make files and start programs")]
#![allow(clippy::print_stdout, reason = "actors tell what they did; measurements are for the reader")]

mod actor;
mod beside;
mod crash;
mod discover;
mod ground;
mod hooks;
mod hostile;
mod maintenance;
mod packs;
mod power;
mod processes;
#[path = "../support/programs.rs"]
mod programs;
mod realign;
mod shapes;
#[path = "../support/size.rs"]
mod size;
mod speed;
#[path = "../support/stop.rs"]
mod stop;
mod stores;
mod trace;
mod traps;
