//! Events for those who listen in this process: all subscriptions of a folder share one watcher, one reader of the change log
//! and one connection to a server. A thread (see [`hub`]) reads for all and puts each event into the queue of everyone whose
//! patterns fit; without a subscription there is no thread.

mod hub;
mod queue;
mod reader;
mod seen;
mod subscription;

pub use subscription::{StopHandle, Subscription};
