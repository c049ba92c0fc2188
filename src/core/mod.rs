//! Pure decisions: bytes and values in, values out. No file, clock, environment, randomness or process.
//!
//! The modules are in reading order: each uses only modules above it.

// Words everything else is said with.
pub mod name;

pub mod time;

pub mod diagnostic;

pub mod problem;

// What the tests break on purpose.
pub mod sabotage;

// A file: its bytes, its frontmatter, its body; the settings; the shape of new files.
pub mod document;

pub mod config;

pub mod template;

// What a file says: agents, tasks, workflows.
pub mod entity;

// All files at one moment, what is wrong with them, and how two moments differ.
pub mod snapshot;

pub mod archive;

pub mod check;

pub mod change;

pub mod merge;

// Who may have a task.
pub mod lease;

// From changes to events and commits, and when.
pub mod event;

pub mod commit_message;

pub mod plan;

pub mod follow;

pub mod health;

pub mod reconcile;

pub mod engine;

// What is to be done to the documents.
pub mod operation;

// How workflows go on.
pub mod workflow;
