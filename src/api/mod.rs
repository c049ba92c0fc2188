//! What programs and faces use: the library for agents, the process that watches, and what every face shows.

pub mod view;

pub mod client;

pub mod daemon;
