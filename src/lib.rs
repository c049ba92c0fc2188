//! Coordination of agents, tasks and workflows as markdown files in a git repository.
//!
//! Read from top to bottom, the modules tell the story of the data. A module uses only modules above it.

pub mod name;

pub mod time;

pub mod diagnostic;

pub mod config;

pub mod plan;
