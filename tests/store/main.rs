//! The store as its users see it: several real processes on one folder, killed at any moment, with people saving beside.

mod basics;
mod child;
mod rig;
