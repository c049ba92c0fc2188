//! A remote that keeps texts and compares before it writes: what the scripts leave on a Redis server, in memory, and what other
//! programs do to it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use mycelium::name::{DocId, Kind};
use mycelium::reconcile::{
    AppliedWrite, DocumentKey, DocumentRemote, KnownDocument, RemoteDocument, RemoteHead, RemoteListing, RemoteTraits,
    RemoteWrite, digest,
};
use mycelium::redis::codec::{DocumentCodec, HashFields, RedisDocument, RedisRecord, RedisWrite};
use mycelium::services::Error;
use mycelium::time::Timestamp;

use crate::world::{GARBAGE, Remote, World, lost, tokens};

/// What the server holds of one document.
#[derive(Default, Clone)]
struct Slot {
    record: Option<RedisRecord>,
    /// The sum of the hash as a mirror left it.
    left: String,
    shown: Option<HashFields>,
    expires: Option<i64>,
}

impl Slot {
    fn is_live(&self) -> bool {
        self.record.as_ref().is_some_and(|record| record.gone.is_none())
    }
}

/// All of it.
#[derive(Default)]
pub(crate) struct Swapping {
    slots: RefCell<BTreeMap<DocumentKey, Slot>>,
    /// What was sent and arrives some time.
    late: RefCell<Vec<(DocumentKey, RedisWrite)>>,
}

fn sum(shown: Option<&HashFields>) -> String {
    let Some(shown) = shown else { return String::new() };
    let mut sorted = shown.clone();
    sorted.sort();
    digest(format!("{sorted:?}").as_bytes())
}

impl Swapping {
    fn slot(&self, key: &DocumentKey) -> Slot {
        self.slots.borrow().get(key).cloned().unwrap_or_default()
    }

    /// One script: all of it or nothing.
    fn write(&self, world: &World, key: &DocumentKey, out: &RedisWrite) -> AppliedWrite {
        let mut slots = self.slots.borrow_mut();
        let slot = slots.entry(key.clone()).or_default();
        let current = slot.record.as_ref().map_or(0, |record| record.revision);
        let now = sum(slot.shown.as_ref());
        let is_foreign = now != slot.left && now != out.seen;
        if current != out.expected || is_foreign || out.revision <= current {
            world.count(|count| &mut count.conflicts);
            return AppliedWrite::Conflict;
        }
        let before = slot.record.as_ref().and_then(|record| record.text.clone()).unwrap_or_default();
        let has = tokens(out.record.text.as_deref().unwrap_or_default());
        let excused = |token: &String| world.people.borrow().excused.contains(&(key.1.clone(), token.clone()));
        if let Some(lost) = tokens(&before).iter().find(|token| !has.contains(*token) && !excused(token)) {
            world.wrong(format!("{lost} is taken out of {} on the server by revision {}", key.1, out.revision));
        }
        world.count(|count| &mut count.sends);
        world.say(format_args!("{} on the server: revision {} {:?}", key.1, out.revision, out.record.gone));
        slot.record = Some(out.record.clone());
        slot.shown.clone_from(&out.shown);
        slot.left = sum(out.shown.as_ref());
        slot.expires = out.ttl.map(|ttl| world.now_ms() + i64::try_from(ttl.as_millis()).expect("short"));
        AppliedWrite::Written(out.revision)
    }

    fn set(&self, key: &DocumentKey, field: &str, text: &str) {
        let mut slots = self.slots.borrow_mut();
        let shown = slots.entry(key.clone()).or_default().shown.get_or_insert_default();
        match shown.iter_mut().find(|(known, _)| known == field) {
            Some((_, old)) => text.clone_into(old),
            None => shown.push((field.to_owned(), text.to_owned())),
        }
    }
}

/// A clone's connection.
struct Connection<'w> {
    server: &'w Swapping,
    world: &'w World,
    clone: usize,
    node: String,
}

impl Connection<'_> {
    fn codec<'a>(&'a self, (kind, id): &'a DocumentKey, now: Timestamp) -> DocumentCodec<'a> {
        DocumentCodec { kind: *kind, id, node: &self.node, now }
    }
}

impl DocumentRemote for Connection<'_> {
    type Error = Error;

    fn traits(&self) -> RemoteTraits {
        RemoteTraits { kinds: &Kind::ALL, stores_text: true, compares_and_swaps: true, poll_every: None }
    }

    fn leads(&mut self) -> Result<bool, Error> {
        Ok(self.world.leader.get() == self.clone)
    }

    fn place(&self, key: &DocumentKey) -> String {
        place(key)
    }

    fn list(&mut self, known: BTreeSet<DocumentKey>) -> Result<RemoteListing, Error> {
        self.world.between()?;
        let all: BTreeSet<DocumentKey> = self.server.slots.borrow().keys().cloned().chain(known).collect();
        let head = |key: DocumentKey| {
            let slot = self.server.slot(&key);
            let text = slot.record.as_ref().and_then(|record| record.text.as_ref()).filter(|_| slot.is_live());
            RemoteHead {
                number: slot.record.as_ref().map_or(0, |record| record.revision),
                digest: text.map(|text| digest(text.as_bytes())).unwrap_or_default(),
                is_gone: slot.record.is_some() && !slot.is_live(),
                is_shown: slot.shown.is_some(),
                is_touched: sum(slot.shown.as_ref()) != slot.left,
                key,
            }
        };
        Ok(RemoteListing { heads: all.into_iter().map(head).collect(), unusable: Vec::new() })
    }

    fn fetch(&mut self, asked: &[KnownDocument<'_>], now: Timestamp) -> Result<Vec<RemoteDocument>, Error> {
        self.world.between()?;
        let decode = |known: &KnownDocument<'_>| {
            let Slot { record, left, shown, .. } = self.server.slot(known.key);
            let sum = sum(shown.as_ref());
            let is_touched = sum != left;
            let there = RedisDocument { shown, sum, record, is_touched, unusable: None };
            self.codec(known.key, now).decode(known, &there)
        };
        Ok(asked.iter().map(decode).collect())
    }

    fn apply(&mut self, writes: &[RemoteWrite], now: Timestamp) -> Result<Vec<AppliedWrite>, Error> {
        self.world.between()?;
        let mut answers = Vec::new();
        for write in writes {
            let out = match self.codec(&write.key, now).encode(write) {
                Ok(out) => out,
                Err(why) => {
                    answers.push(AppliedWrite::Refused(why));
                    continue;
                }
            };
            let late = || self.server.late.borrow_mut().push((write.key.clone(), out.clone()));
            if self.world.chance(30) {
                // It is lost, or arrives some time.
                if self.world.chance(2) {
                    late();
                }
                return Err(lost());
            }
            if self.world.chance(30) {
                late();
            }
            answers.push(self.server.write(self.world, &write.key, &out));
        }
        // The answer is lost.
        if self.world.chance(20) {
            return Err(lost());
        }
        self.world.between()?;
        Ok(answers)
    }
}

impl Remote for Swapping {
    fn with(&self, world: &World, clone: usize, act: &mut dyn FnMut(&mut dyn DocumentRemote<Error = Error>)) {
        act(&mut Connection { server: self, world, clone, node: format!("node-{clone}") });
    }

    fn another_client(&self, world: &World) {
        let key = world.some_key();
        let token = world.token();
        let (kind, id) = &key;
        let slot = self.slot(&key);
        let is_there = slot.shown.is_some();
        let set = |field: &str, text: &str| self.set(&key, field, text);
        world.people.borrow_mut().revived.insert(id.clone());
        match world.below(12) {
            0..4 if is_there => {
                set(&token, "x");
                // What is written to a hash that stands for no document may be of no use.
                if slot.is_live() {
                    world.people.borrow_mut().written.insert((id.clone(), token.clone()));
                }
            }
            4 => {
                set("status", "running");
                set("claimed_by", "bob");
            }
            5 => {
                set("status", if *kind == Kind::Agent { "busy" } else { "completed" });
                set("result", "a text");
            }
            6 => set("progress", "0.75"),
            7 => set("status", GARBAGE),
            8 => {
                // What means nothing in this kind of document may be any text.
                set(if *kind == Kind::Agent { "active_tasks" } else { "progress" }, GARBAGE);
                set("bad name", GARBAGE);
                set(if *kind == Kind::Task { "payload" } else { "metadata" }, &format!("{{{GARBAGE}"));
            }
            9 => {
                set("extra", &format!("\u{1b}{GARBAGE}"));
                set("id", &format!("../{GARBAGE}"));
            }
            10 => {
                if let Some(slot) = self.slots.borrow_mut().get_mut(&key) {
                    slot.shown = None;
                }
                forget(world, id);
            }
            _ if !is_there => {
                set("type", "made");
                set("status", if *kind == Kind::Agent { "idle" } else { "running" });
            }
            _ => set("metadata", "{\"a\":1}"),
        }
        world.say(format_args!("another client at {id} ({token})"));
    }

    fn expire(&self, world: &World) {
        for ((_, id), slot) in &mut *self.slots.borrow_mut() {
            if slot.expires.is_some_and(|at| at <= world.now_ms()) {
                slot.shown = None;
                slot.expires = None;
                world.say(format_args!("the hash of {id} expires"));
                forget(world, id);
            }
        }
    }

    fn late_arrives(&self, world: &World) -> bool {
        let count = self.late.borrow().len();
        if count > 0 {
            let (key, out) = self.late.borrow_mut().remove(world.one_of(count));
            self.write(world, &key, &out);
        }
        count > 0
    }

    fn lose(&self, world: &World) {
        self.slots.borrow_mut().clear();
        world.people.borrow_mut().written.clear();
    }

    fn fault(&self, world: &World, key: &DocumentKey, text: Option<&str>) -> Option<String> {
        let slot = self.slot(key);
        let there = slot.record.as_ref().filter(|_| slot.is_live());
        if there.and_then(|record| record.text.as_deref()) != text {
            return Some(format!("{} differs on the server", key.1));
        }
        // What cannot be used stays for the program that wrote it; else all is as it was sent.
        let shown = slot.shown.as_ref()?;
        let is_odd = |field: &&(String, String)| there.is_some_and(|record| !record.wrote.contains(field));
        let (field, _) = shown.iter().find(is_odd)?;
        (!world.reports_garbage(&place(key))).then(|| format!("{field} of {} stays unsent on the server", key.1))
    }
}

fn place((kind, id): &DocumentKey) -> String {
    format!("{kind}:{id}")
}

/// What others wrote there alone is gone.
fn forget(world: &World, id: &DocId) {
    world.people.borrow_mut().written.retain(|(of, _)| of != id);
}
