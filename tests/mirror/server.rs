//! The server as the scripts leave it, and what others do to it.

use std::collections::BTreeMap;

use mycelium::name::DocId;
use mycelium::reconcile::digest;
use mycelium::redis::codec::{HashFields, RedisDocument, RedisRecord, RedisWrite};

/// What the server holds of one document.
#[derive(Default, Clone)]
struct Slot {
    record: Option<RedisRecord>,
    /// The sum of the hash as a mirror left it.
    left: String,
    shown: Option<HashFields>,
    expires: Option<i64>,
}

/// All of it.
#[derive(Default)]
pub(crate) struct Server {
    slots: BTreeMap<DocId, Slot>,
}

/// What became of a send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Written,
    Conflict,
}

fn sum(shown: Option<&HashFields>) -> String {
    let Some(shown) = shown else { return String::new() };
    let mut sorted = shown.clone();
    sorted.sort();
    digest(format!("{sorted:?}").as_bytes())
}

impl Server {
    pub(crate) fn look(&self, id: &DocId) -> RedisDocument {
        let slot = self.slots.get(id).cloned().unwrap_or_default();
        let sum = sum(slot.shown.as_ref());
        let is_touched = sum != slot.left;
        RedisDocument { shown: slot.shown, sum, record: slot.record, is_touched, unusable: None }
    }

    /// One script: all of it or nothing.
    pub(crate) fn apply(&mut self, id: &DocId, out: &RedisWrite, now: i64) -> Answer {
        let slot = self.slots.entry(id.clone()).or_default();
        let current = slot.record.as_ref().map_or(0, |record| record.revision);
        let sum_now = sum(slot.shown.as_ref());
        let is_foreign = sum_now != slot.left && sum_now != out.seen;
        if current != out.expected || is_foreign || out.revision <= current {
            return Answer::Conflict;
        }
        slot.record = Some(out.record.clone());
        slot.shown.clone_from(&out.shown);
        slot.left = sum(out.shown.as_ref());
        slot.expires = out.ttl.map(|ttl| now + i64::try_from(ttl.as_millis()).expect("short"));
        Answer::Written
    }

    /// Hashes whose time is over.
    pub(crate) fn expire(&mut self, now: i64) -> Vec<DocId> {
        let mut over = Vec::new();
        for (id, slot) in &mut self.slots {
            if slot.expires.is_some_and(|at| at <= now) {
                slot.shown = None;
                slot.expires = None;
                over.push(id.clone());
            }
        }
        over
    }

    pub(crate) fn record(&self, id: &DocId) -> Option<&RedisRecord> {
        self.slots.get(id).and_then(|slot| slot.record.as_ref())
    }

    pub(crate) fn shown(&self, id: &DocId) -> Option<&HashFields> {
        self.slots.get(id).and_then(|slot| slot.shown.as_ref())
    }

    /// All data are lost.
    pub(crate) fn lose(&mut self) {
        self.slots.clear();
    }

    /// Somebody else deletes a hash.
    pub(crate) fn delete(&mut self, id: &DocId) {
        if let Some(slot) = self.slots.get_mut(id) {
            slot.shown = None;
        }
    }

    /// Somebody else sets a field.
    pub(crate) fn set(&mut self, id: &DocId, field: &str, text: &str) {
        let shown = self.slots.entry(id.clone()).or_default().shown.get_or_insert_default();
        match shown.iter_mut().find(|(known, _)| known == field) {
            Some((_, old)) => text.clone_into(old),
            None => shown.push((field.to_owned(), text.to_owned())),
        }
    }
}
