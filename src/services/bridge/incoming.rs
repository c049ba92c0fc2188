//! What a server says without being asked, as the loop of a bridge deals with it; and what the loop says of messages that it
//! could not write down.

use std::collections::BTreeSet;
use std::time::Instant;

use super::follower::{BEAT, Due, Loop};
use super::mirror_index::Item;
use super::state::State;
use crate::adapters::redis::codec::RedisKey;
use crate::adapters::redis::{BridgeError, Link, document_key};
use crate::core::problem::Problem;
use crate::services::Error;

impl Loop {
    /// Deals with what the server said; says whether documents are to be looked at.
    pub(super) fn take_in(
        &mut self,
        state: &mut State,
        link: &Link,
        due: &mut Due,
        items: &mut BTreeSet<Item>,
    ) -> Result<bool, Error> {
        let mut arrived = self.inbox.take();
        let mut is_stale = false;
        if let Some(at) = arrived.everything {
            // With everything else the lead may be gone there.
            state.leadership.end(at);
            due.everything = Instant::now();
            is_stale = true;
        }
        let written = state.write_down(link, &mut arrived.messages);
        self.inbox.put_back(std::mem::take(&mut arrived.messages));
        let dropped = if state.leadership.leads() { arrived.dropped } else { 0 };
        self.note_lost(*written.as_ref().unwrap_or(&0) + dropped);
        for key in arrived.keys {
            is_stale |= see_key(state, &key, items);
        }
        if let Some(why) = arrived.lost {
            let address = self.target.settings.address.to_string();
            return Err(Error::Bridge(BridgeError::Closed { address, why }));
        }
        written.map(|_| is_stale)
    }

    /// The server has no memory left. It is tried again; what it says until then is heard.
    pub(super) fn note_full(&mut self, error: &BridgeError, due: &mut Due) {
        let is_news = self.health.why.as_ref() != Some(&error.to_string());
        self.health = self.health.clone().failed(error.to_string(), error.hint(), self.project.now());
        self.report(is_news);
        due.everything = Instant::now() + BEAT;
    }

    /// So many messages are lost, or may be.
    pub(super) fn note_lost(&mut self, messages: u64) {
        if messages > 0 {
            self.health.lost += messages;
            let total = self.health.lost;
            self.loss = Some(format!(
                "{messages} messages that other programs published may not be written down ({total} so far)"
            ));
            self.report_loss();
        }
    }

    /// A connection ended. If this clone wrote down what is published, it is not known what was published until the next one.
    pub(super) fn note_gap(&mut self, state: &State, done: &Result<(), Error>) {
        let is_lost = matches!(done, Err(Error::Bridge(error)) if error.is_lost());
        if is_lost && state.leadership.is_leader() {
            self.health.gaps += 1;
            let why = "the connection was lost; what other programs published while there was none is not known";
            self.loss = Some(why.to_owned());
        }
    }

    /// This clone has the lead from one that went away without letting go of it.
    pub(super) fn note_inherited(&mut self, state: &mut State) {
        if state.leadership.take_inherited() {
            self.health.gaps += 1;
            let why = "the clone that wrote down what is published went away; what was published in the last seconds is not \
                       known";
            self.loss = Some(why.to_owned());
            self.report_loss();
        }
    }

    /// Reports it to the program that started this, once the server is live.
    pub(super) fn report_loss(&mut self) {
        if self.is_live()
            && let Some(why) = self.loss.take()
        {
            self.report(false);
            let mut health = self.health.clone();
            health.why = Some(why);
            (self.tell)(&health);
        }
    }
}

/// A key that was changed; says whether documents are to be looked at.
fn see_key(state: &mut State, key: &str, items: &mut BTreeSet<Item>) -> bool {
    let hash = state.keys.of_record(key).unwrap_or(key).to_owned();
    match document_key(&state.keys, &hash) {
        Some(Ok(item)) => {
            items.insert(item);
            true
        }
        Some(Err(why)) => state.memory.garbage.insert(hash, why).is_none(),
        None => matches!(state.keys.parse(&hash), Some(RedisKey::Queue(_))),
    }
}
