//! One outside thing each: process groups, the folder with its journal, the repository, file events, a Redis server, a
//! `TaskQueue` server. They do not know each other, but for process groups, which all may use.

pub mod process;

pub mod store;

pub mod git;

pub mod watch;

#[cfg(feature = "redis")]
pub mod redis;

pub mod taskqueue;
