//! What a server says without being asked: messages of other programs are written down, changed keys are looked at.

use std::collections::BTreeSet;

use super::RedisSession;
use crate::adapters::redis::codec::RedisKey;
use crate::adapters::redis::{BridgeError, document_key};
use crate::services::Error;
use crate::services::bridge::backend::News;
use crate::services::bridge::mirror::Mirror;
use crate::services::bridge::mirror_index::Item;

impl RedisSession<'_> {
    /// Takes what arrived; documents that changed there are added to `items`.
    pub(super) fn take_in(&mut self, mirror: &mut Mirror, items: &mut BTreeSet<Item>) -> Result<News, Error> {
        let mut arrived = self.connector.inbox.take();
        let mut news = News::default();
        if let Some(at) = arrived.everything {
            // With everything else the lead may be gone there.
            self.leadership.end(at);
            news = News { is_stale: true, is_everything: true };
        }
        let written = self.write_down(mirror, &mut arrived.messages);
        self.connector.inbox.put_back(std::mem::take(&mut arrived.messages));
        let dropped = if self.leadership.leads() { arrived.dropped } else { 0 };
        self.losses.messages += written.as_ref().unwrap_or(&0) + dropped;
        for key in arrived.keys {
            news.is_stale |= self.see_key(mirror, &key, items);
        }
        if let Some(why) = arrived.lost {
            let address = self.connector.address().to_owned();
            return Err(Error::Bridge(BridgeError::Closed { address, why }));
        }
        written.map(|_| news)
    }

    /// A key that was changed; returns true if documents are to be looked at.
    fn see_key(&self, mirror: &mut Mirror, key: &str, items: &mut BTreeSet<Item>) -> bool {
        let keys = self.link.keys();
        let hash = keys.of_record(key).unwrap_or(key).to_owned();
        match document_key(keys, &hash) {
            Some(Ok(item)) => {
                items.insert(item);
                true
            }
            Some(Err(why)) => mirror.memory.garbage.insert(hash, why).is_none(),
            None => matches!(keys.parse(&hash), Some(RedisKey::Queue(_))),
        }
    }
}
