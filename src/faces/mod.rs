//! What people use: the command line.

pub mod cli;
