//! The documents as a key-value server shows them, and back: which keys, which fields, and what to do where the file, the
//! server and what both last agreed on differ. Pure; knows no connection, no file and no clock.
//!
//! The server is a follower: whatever it holds can be lost at any moment and is told again from the files.

mod keys;
mod remote;

pub use keys::{Key, Keys};
pub use remote::{Base, Fields, Gone, Local, Outgoing, Record, Remote};
