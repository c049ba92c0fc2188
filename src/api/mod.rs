//! What programs use: the library for agents, and the process that watches.

pub mod client;

pub mod daemon;
