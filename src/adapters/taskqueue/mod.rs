//! A client of a `TaskQueue` MCP server (taskqueue-mcp): finds its program, starts it, and calls its tools over stdio.
//!
//! Written for the behaviour of 1.4.1 and of its forks as it was observed, which docs/decisions/0013 describes. Everything
//! blocks, within a time that the caller gives. There is one request at a time: answers to several are mixed up by the server, and
//! writes are lost. After a call that was not answered the process is ended; what it had done must be read again.
#![allow(clippy::disallowed_methods, reason = "this is the shell: it starts a program and waits for it")]

mod calls;
mod client;
mod decode;
mod error;
mod listing;
mod locate;
mod marker;
mod model;
mod process;
mod projection;
mod remote;
mod send;

pub use calls::ServerCalls;
pub use client::{Client, NewItem, Update};
pub use decode::SURPLUS;
pub use error::TaskQueueError;
pub use locate::{FoundProgram, SearchPlaces, is_inside, is_npx, is_program, locate, on_path};
pub use model::{Item, ItemStatus, ProjectItems, ProjectRow};
pub use process::{ANSWER_BYTES_MAX, Program};
pub use remote::{TaskQueueRemote, TaskQueueSpace};
