//! The faults of a stand-in: those of the server that were seen, of its forks, and of the machine it runs on.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What goes wrong, and when. By default nothing does.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fault of its own")]
pub(crate) struct Faults {
    /// The versions of the protocol that it knows, the newest first; empty: those of SDK 1.8.0.
    pub protocols: Vec<String>,
    /// How long it takes to start.
    pub start_delay: Duration,
    /// How long each call of a tool takes besides.
    pub call_delay: Duration,
    /// Ends before it reads anything.
    pub exits_at_once: bool,
    /// Says nothing to `initialize`.
    pub never_initializes: bool,
    /// Ends, without an answer.
    pub dies: Option<Point>,
    /// Answers nothing any more, and does not end when its input ends.
    pub hangs: Option<Point>,
    /// Leaves the answer out and goes on.
    pub drops_answer: Option<Point>,
    /// Leaves half of the file and dies, with its lock.
    pub tears_file: Option<u32>,
    /// Another client works at the same time: this call that creates is answered, its id belongs to the other's task, and
    /// its own task is lost.
    pub issues_twice: Option<u32>,
    /// Leaves the lock of the file where it lies after this call.
    pub leaves_lock: Option<u32>,
    /// Text on the standard output before and between answers.
    pub noise: bool,
    /// Bytes on the standard error for each call.
    pub stderr_flood: usize,
    /// Waits for ever where a task is set done, as a guarded fork does until a person answers.
    pub blocks_on_done: bool,
    /// Behaves like a fork.
    pub fork: Option<Fork>,
}

/// A call of a tool, counted from 1, and the side of its work on which something happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Point {
    pub call: u32,
    pub when: When,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum When {
    Before,
    After,
}

/// A fork of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Fork {
    /// smaugho: statuses follow each other strictly, `update_task` answers with the bare task, what is reopened loses its details.
    Strict,
    /// wizd: texts in another language, and more fields.
    Translated,
    /// 1.3.3: results are wrapped in `{status, data}`.
    Wrapped,
}

impl Point {
    /// Tells whether it is now.
    pub(crate) fn is(point: Option<Self>, call: u32, when: When) -> bool {
        point == Some(Self { call, when })
    }
}
