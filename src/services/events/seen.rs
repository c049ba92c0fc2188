//! The events that were read last, so that each reaches a subscriber once, whichever way it comes. Pure.

use std::collections::{HashMap, VecDeque};

use crate::core::name::{Channel, EventId};

/// Events that are remembered.
const IDS_MAX: usize = 20_000;

/// Ids of events, and by which channels those came that the change log does not have yet.
#[derive(Debug, Default)]
pub(super) struct SeenEvents {
    ids: HashMap<EventId, Vec<HeardOn>>,
    order: VecDeque<EventId>,
    heard: u64,
}

/// One message of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HeardOn {
    /// Its channel.
    pub(super) channel: Channel,
    /// How many messages came before it.
    pub(super) number: u64,
}

impl SeenEvents {
    /// The number of messages that came from the server.
    pub(super) const fn heard(&self) -> u64 {
        self.heard
    }

    /// Notes an event of the change log, which has it on all of its channels. Returns what the server said of it before, or
    /// `None` if the change log had it already.
    pub(super) fn note_logged(&mut self, id: &EventId) -> Option<Vec<HeardOn>> {
        match self.ids.get_mut(id) {
            Some(heard) if heard.is_empty() => None,
            Some(heard) => Some(std::mem::take(heard)),
            None => {
                self.insert(id, Vec::new());
                Some(Vec::new())
            }
        }
    }

    /// Notes a message of the server. Returns those that brought the same event before, or `None` if the change log has it.
    pub(super) fn note_heard(&mut self, id: &EventId, channel: &Channel) -> Option<Vec<HeardOn>> {
        let new = HeardOn { channel: channel.clone(), number: self.heard };
        self.heard += 1;
        match self.ids.get_mut(id) {
            Some(heard) if heard.is_empty() => None,
            Some(heard) => {
                let before = heard.clone();
                heard.push(new);
                Some(before)
            }
            None => {
                self.insert(id, vec![new]);
                Some(Vec::new())
            }
        }
    }

    fn insert(&mut self, id: &EventId, heard: Vec<HeardOn>) {
        self.ids.insert(id.clone(), heard);
        self.order.push_back(id.clone());
        while self.order.len() > IDS_MAX {
            if let Some(old) = self.order.pop_front() {
                self.ids.remove(&old);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> EventId {
        EventId::new(text).expect("an id")
    }

    fn on(channel: &str) -> Channel {
        Channel::new(channel).expect("a channel")
    }

    #[test]
    fn an_event_of_the_change_log_is_new_once_and_comes_no_more_from_the_server() {
        let mut seen = SeenEvents::default();
        assert_eq!(seen.note_logged(&id("e1")), Some(Vec::new()));
        assert_eq!(seen.note_logged(&id("e1")), None);
        assert_eq!(seen.note_heard(&id("e1"), &on("a:b")), None);
    }

    #[test]
    fn messages_of_one_event_are_known_with_their_order_until_the_change_log_has_it() {
        let mut seen = SeenEvents::default();
        assert_eq!(seen.note_heard(&id("e1"), &on("a:b")), Some(Vec::new()));
        let first = HeardOn { channel: on("a:b"), number: 0 };
        assert_eq!(seen.note_heard(&id("e1"), &on("c:d")), Some(vec![first.clone()]));
        assert_eq!(seen.note_logged(&id("e1")), Some(vec![first, HeardOn { channel: on("c:d"), number: 1 }]));
        assert_eq!((seen.note_logged(&id("e1")), seen.heard()), (None, 2));
    }

    #[test]
    fn old_ids_are_forgotten() {
        let mut seen = SeenEvents::default();
        for number in 0..=IDS_MAX {
            seen.note_logged(&id(&format!("e{number}")));
        }
        assert_eq!((seen.ids.len(), seen.order.len()), (IDS_MAX, IDS_MAX));
        assert_eq!(seen.note_logged(&id("e0")), Some(Vec::new()));
    }
}
