//! The command line as shells and terminals meet it: completion by real shells, manual pages, pager, colours, widths, the
//! unit for systemd.
#![allow(clippy::disallowed_methods, reason = "tests do what users do")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod completion;
mod format;
mod live;
mod manual;
mod paging;
mod progress;
mod screen;
#[path = "../support/mod.rs"]
mod support;
mod terminal;
mod unit;

use std::path::Path;

use support::Sandbox;

/// The sandbox's `PATH` with our program in front, as a user has it.
fn path() -> std::ffi::OsString {
    let own = Path::new(env!("CARGO_BIN_EXE_mycelium")).parent().unwrap().to_owned();
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths(std::iter::once(own).chain(std::env::split_paths(&path))).unwrap()
}

/// A repository with a running task, a pending one, and an agent.
fn worked_in() -> Sandbox {
    let sandbox = Sandbox::new();
    for line in [
        "task create --type train --id task-run --title Running --step Load --step Train",
        "task create --type plan --id task-wait --title Waiting",
        "task update task-run --status running",
        "agent set ai-engineer --status busy",
    ] {
        sandbox.mycelium(&line.split(' ').collect::<Vec<_>>()).ok();
    }
    sandbox
}
