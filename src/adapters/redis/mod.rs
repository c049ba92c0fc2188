//! A connection to a server of the Redis family (Redis, Valkey): documents, claims and queues as scripts, and news.
//!
//! Everything blocks, within a time that the caller gives; a lost connection is not made again here, and no write is sent
//! twice: the caller knows whether that is harmless. It must not be called from within an asynchronous runtime.
#![allow(clippy::disallowed_methods, reason = "this is the shell: it waits for a server")]

mod address;
mod adopt;
mod bounds;
mod claims;
pub mod codec;
mod documents;
mod error;
mod leadership;
mod link;
mod news;
mod queue;
mod remote;
mod scripts;
mod sentinel;
mod server;
mod stream;
mod tls;
mod wire;

pub use address::{Address, AddressError, Settings};
pub use bounds::ANSWER_BYTES_MAX;
pub use claims::{ClaimAnswer, ClaimAsk, Renewal, Space};
pub use documents::{Applied, BATCH_BYTES_MAX, BATCH_MAX, DOCUMENT_BYTES_MAX, Fetched, HASH_FIELDS_MAX, Look};
pub use error::BridgeError;
pub use leadership::{LeadAnswer, LeadTimes, Leadership};
pub use link::{Link, Message};
pub use news::News;
pub use queue::{FOREIGN_MAX, QUEUE_ENTRIES_MAX, QueueReport, QueueRound};
pub use remote::{RedisRemote, document_key};
pub use server::Server;
pub use stream::STREAM_LENGTH;
