//! What a server says without being asked, between the thread that hears it and the loop that deals with it. It is bounded:
//! a server that says more than can be dealt with costs no memory, and what was dropped is counted.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::adapters::redis::News;

/// The most messages that wait, and their bytes.
const MESSAGES_MAX: usize = 100_000;
const BYTES_MAX: usize = 64 * 1024 * 1024;
/// The most keys that wait; where more have changed, everything is looked at.
const KEYS_MAX: usize = 100_000;

/// A message with the moment at which it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Heard {
    /// Where it was published, without the prefix.
    pub(super) channel: String,
    /// What was published.
    pub(super) payload: Vec<u8>,
    /// When it arrived.
    pub(super) at: Instant,
}

/// Everything that arrived since it was taken last.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Arrived {
    /// The messages, the oldest first.
    pub(super) messages: Vec<Heard>,
    /// The keys that were written, removed or expired.
    pub(super) keys: Vec<String>,
    /// When the server said that anything may have changed.
    pub(super) everything: Option<Instant>,
    /// Why the connection is gone.
    pub(super) lost: Option<String>,
    /// Messages for which there was no room.
    pub(super) dropped: u64,
    bytes: usize,
}

impl Arrived {
    /// Returns true if nothing arrived.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn add(&mut self, news: News, at: Instant) {
        match news {
            News::Message { channel, payload } => {
                let heard = Heard { channel, payload, at };
                if self.messages.len() >= MESSAGES_MAX || self.bytes + heard.bytes() > BYTES_MAX {
                    self.dropped += 1;
                    return;
                }
                self.bytes += heard.bytes();
                self.messages.push(heard);
            }
            News::Changed(keys) => {
                if self.keys.len() + keys.len() > KEYS_MAX {
                    self.keys = Vec::new();
                    self.everything = Some(self.everything.unwrap_or(at));
                } else {
                    self.keys.extend(keys);
                }
            }
            News::Everything => self.everything = Some(self.everything.unwrap_or(at)),
            News::Lost(why) => self.lost = Some(why),
        }
    }
}

/// The place where it waits.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    arrived: Mutex<Arrived>,
    is_there: Condvar,
}

impl Inbox {
    fn locked(&self) -> MutexGuard<'_, Arrived> {
        self.arrived.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds something; says whether nothing waited before.
    pub(super) fn add(&self, news: News) -> bool {
        let mut arrived = self.locked();
        let was_empty = arrived.is_empty();
        arrived.add(news, Instant::now());
        self.is_there.notify_one();
        was_empty
    }

    /// Takes everything that waits.
    pub(super) fn take(&self) -> Arrived {
        std::mem::take(&mut *self.locked())
    }

    /// Takes everything that waits; where nothing does, waits for it.
    pub(super) fn take_within(&self, limit: Duration) -> Arrived {
        let arrived = self.locked();
        let waited = self.is_there.wait_timeout_while(arrived, limit, |arrived| arrived.is_empty());
        let (mut arrived, _) = waited.unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *arrived)
    }

    /// Puts messages back that could not be dealt with, before those that came since.
    pub(super) fn put_back(&self, messages: Vec<Heard>) {
        let mut arrived = self.locked();
        let newer = std::mem::replace(&mut arrived.messages, messages);
        arrived.messages.extend(newer);
        arrived.bytes = arrived.messages.iter().map(Heard::bytes).sum();
        let too_many = arrived.messages.len().saturating_sub(MESSAGES_MAX);
        arrived.messages.truncate(MESSAGES_MAX);
        arrived.dropped += too_many as u64;
    }

    /// The place for a new connection: what an old one said of keys, and of its end, means nothing any more. Messages stay.
    pub(super) fn after(old: &Self) -> Self {
        let inbox = Self::default();
        let arrived = old.take();
        inbox.locked().dropped = arrived.dropped;
        inbox.put_back(arrived.messages);
        inbox
    }
}

impl Heard {
    fn bytes(&self) -> usize {
        self.channel.len() + self.payload.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(bytes: usize) -> News {
        News::Message { channel: "a:b".to_owned(), payload: vec![b'x'; bytes] }
    }

    #[test]
    fn what_is_too_much_is_counted_and_costs_no_memory() {
        let inbox = Inbox::default();
        assert!(inbox.add(message(1)) && !inbox.add(message(1)));
        for _ in 0..MESSAGES_MAX {
            inbox.add(message(1));
        }
        let arrived = inbox.take();
        assert_eq!((arrived.messages.len(), arrived.dropped), (MESSAGES_MAX, 2));
        for _ in 0..5 {
            inbox.add(message(BYTES_MAX / 4));
        }
        let arrived = inbox.take();
        assert_eq!((arrived.messages.len(), arrived.dropped), (3, 2), "the channel's name counts as well");
        assert_eq!(inbox.take_within(Duration::ZERO), Arrived::default());
    }

    #[test]
    fn too_many_keys_mean_everything() {
        let inbox = Inbox::default();
        for _ in 0..3 {
            inbox.add(News::Changed((0..KEYS_MAX / 2).map(|number| number.to_string()).collect()));
        }
        inbox.add(News::Lost("gone".to_owned()));
        let arrived = inbox.take();
        assert!(arrived.keys.is_empty() && arrived.everything.is_some() && arrived.lost.is_some());
        inbox.add(News::Everything);
        inbox.add(message(1));
        let arrived = Inbox::after(&inbox).take();
        assert!(arrived.everything.is_none() && arrived.messages.len() == 1, "messages outlive a connection");
    }
}
