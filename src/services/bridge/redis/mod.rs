//! The bridge to a Redis or Valkey server: its configuration, its sessions, claims, events and queues.

mod backend;
mod claims;
mod config;
mod connection_cache;
mod dataset;
mod event_listener;
mod inbox;
mod session;
mod target;
mod voice;
mod write_through;

pub(super) use config::RedisConfig;
pub use config::address_fault;
