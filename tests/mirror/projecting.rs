//! A remote that keeps no texts and compares nothing: it shows a status and a title, and a mark of what those were made from. It has
//! ids of its own, takes no write for what is approved, and may lose a write that it acknowledged. As `TaskQueue` does.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use mycelium::document::{Document, Value};
use mycelium::entity::Entity;
use mycelium::name::{DocPath, Kind};
use mycelium::reconcile::{
    Ancestry, AppliedWrite, ChangeAuthor, DocumentKey, DocumentRemote, Gone, KnownDocument, MirroredDocument,
    RemoteContent, RemoteDocument, RemoteEdit, RemoteHead, RemoteListing, RemoteText, RemoteTraits, RemoteVersion,
    RemoteWrite, WriteContent, digest,
};
use mycelium::services::Error;
use mycelium::snapshot::Entry;
use mycelium::time::Timestamp;

use crate::world::{Remote, World, lost};

/// What the server shows of one task.
#[derive(Debug, Clone, PartialEq)]
struct Shown {
    /// The number of the version that was sent.
    number: u64,
    /// The digest of the text that was sent; `None` if the task is gone.
    hash: Option<String>,
    how: Gone,
    title: String,
    /// As it was sent.
    sent: String,
    /// As it is now.
    status: String,
}

#[derive(Default)]
struct Slot {
    /// The id that the server gave it.
    id: u64,
    shown: Option<Shown>,
    /// What was shown before the last write.
    before: Option<Shown>,
    is_approved: bool,
}

/// All of it.
#[derive(Default)]
pub(crate) struct Projecting {
    slots: RefCell<BTreeMap<DocumentKey, Slot>>,
}

impl Projecting {
    fn shown(&self, key: &DocumentKey) -> Option<Shown> {
        self.slots.borrow().get(key).and_then(|slot| slot.shown.clone())
    }

    fn write(&self, world: &World, write: &RemoteWrite) -> AppliedWrite {
        let mut slots = self.slots.borrow_mut();
        let id = slots.len() as u64 + 1;
        let slot = slots.entry(write.key.clone()).or_insert_with(|| Slot { id, ..Slot::default() });
        if slot.is_approved {
            world.count(|count| &mut count.conflicts);
            return AppliedWrite::Refused("it is approved".to_owned());
        }
        let number = write.seen.number.max(write.known_number) + 1;
        let new = match &write.content {
            WriteContent::Text { document, entity, .. } => {
                let status = status_of(entity);
                let (hash, title) = (Some(digest(document.bytes())), write.key.1.to_string());
                Shown { number, hash, how: Gone::Removed, title, sent: status.clone(), status }
            }
            WriteContent::Gone { how, .. } => {
                let nothing = String::new;
                Shown { number, hash: None, how: *how, title: nothing(), sent: nothing(), status: nothing() }
            }
        };
        if let Some(known) =
            slot.shown.as_ref().filter(|known| Shown { number: known.number, ..new.clone() } == **known)
        {
            return AppliedWrite::Same(known.number);
        }
        world.count(|count| &mut count.sends);
        world.say(format_args!("{} on the server: {new:?}", write.key.1));
        // It is acknowledged, and lost.
        if !world.chance(15) {
            slot.before = slot.shown.replace(new);
        }
        AppliedWrite::Written(number)
    }
}

fn status_of(entity: &Entity) -> String {
    match entity {
        Entity::Task(task) => task.status.to_string(),
        Entity::Agent(_) | Entity::Workflow(_) => String::new(),
    }
}

/// A clone's connection.
struct Connection<'w> {
    server: &'w Projecting,
    world: &'w World,
    clone: usize,
}

impl DocumentRemote for Connection<'_> {
    type Error = Error;

    fn traits(&self) -> RemoteTraits {
        RemoteTraits { kinds: &[Kind::Task], stores_text: false, compares_and_swaps: false, poll_every: None }
    }

    fn leads(&mut self) -> Result<bool, Error> {
        Ok(self.world.leader.get() == self.clone)
    }

    fn place(&self, key: &DocumentKey) -> String {
        let id = self.server.slots.borrow().get(key).map_or(0, |slot| slot.id);
        format!("#{id}")
    }

    fn list(&mut self, known: BTreeSet<DocumentKey>) -> Result<RemoteListing, Error> {
        self.world.between()?;
        let all: BTreeSet<DocumentKey> = self.server.slots.borrow().keys().cloned().chain(known).collect();
        let head = |key: DocumentKey| RemoteHead {
            number: 0,
            digest: String::new(),
            is_gone: false,
            is_shown: false,
            is_touched: false,
            key,
        };
        Ok(RemoteListing { heads: all.into_iter().map(head).collect(), unusable: Vec::new() })
    }

    fn fetch(&mut self, asked: &[KnownDocument<'_>], _: Timestamp) -> Result<Vec<RemoteDocument>, Error> {
        self.world.between()?;
        Ok(asked.iter().map(|known| decode(known, self.server.shown(known.key))).collect())
    }

    fn apply(&mut self, writes: &[RemoteWrite], _: Timestamp) -> Result<Vec<AppliedWrite>, Error> {
        self.world.between()?;
        let mut answers = Vec::new();
        for write in writes {
            if self.world.chance(30) {
                return Err(lost());
            }
            let is_unknown = self.world.chance(20);
            let is_done = !is_unknown || self.world.chance(2);
            let answer = if is_done { self.server.write(self.world, write) } else { AppliedWrite::Unknown };
            answers.push(if is_unknown { AppliedWrite::Unknown } else { answer });
        }
        if self.world.chance(20) {
            return Err(lost());
        }
        self.world.between()?;
        Ok(answers)
    }
}

fn decode(known: &KnownDocument<'_>, shown: Option<Shown>) -> RemoteDocument {
    let number = shown.as_ref().map_or(0, |shown| shown.number);
    let base_path = known.base.map(|base| base.path.clone());
    let path = known.local.map(|local| local.path.clone()).or(base_path).filter(|path| !path.is_archived());
    let path = path.unwrap_or_else(|| DocPath::for_new(known.key.0, &known.key.1));
    let content = match shown {
        None => RemoteContent::Absent,
        Some(Shown { hash: None, how, .. }) => RemoteContent::Gone {
            how,
            path,
            last: None,
            ancestry: Ancestry::default(),
            by: ChangeAuthor::default(),
            is_shown: false,
        },
        Some(Shown { hash: Some(hash), sent, status, .. }) => {
            let text = known.source(number, &|document| digest(document.bytes()) == hash);
            let parse = |text: &String| Document::parse(text.as_bytes());
            let source = match &text {
                RemoteText::Base => known.base.and_then(|base| base.text.as_ref()).map(parse),
                RemoteText::Local => known.local.map(|local| local.document.clone()),
                RemoteText::Stored(document) | RemoteText::Earlier(document) => Some(document.clone()),
                RemoteText::Superseded | RemoteText::Foreign => None,
            };
            let changed = source.filter(|_| sent != status);
            let edited = changed.and_then(|source| source.edit().set("status", &Value::text(status)).ok());
            let edit = edited.map(|document| RemoteEdit { document, author: None });
            let (ancestry, by) = (Ancestry::default(), ChangeAuthor::default());
            let mirrored = MirroredDocument { text, path, ancestry, edit, by, needs_refresh: false };
            RemoteContent::Mirrored(Box::new(mirrored))
        }
    };
    RemoteDocument { version: RemoteVersion { number, token: String::new() }, content, rejected: Vec::new() }
}

impl Remote for Projecting {
    fn with(&self, world: &World, clone: usize, act: &mut dyn FnMut(&mut dyn DocumentRemote<Error = Error>)) {
        act(&mut Connection { server: self, world, clone });
    }

    fn another_client(&self, world: &World) {
        let key = world.some_key();
        let mut slots = self.slots.borrow_mut();
        let Some(slot) = slots.get_mut(&key) else { return };
        match world.below(6) {
            0 => slot.is_approved = true,
            1 => slot.is_approved = false,
            _ => {
                let Some(shown) = slot.shown.as_mut().filter(|shown| shown.hash.is_some()) else { return };
                ["pending", "running", "completed", "failed"][world.one_of(4)].clone_into(&mut shown.status);
                world.people.borrow_mut().revived.insert(key.1.clone());
            }
        }
        world.say(format_args!("another client at {}: {:?}, approved {}", key.1, slot.shown, slot.is_approved));
    }

    fn expire(&self, _: &World) {}

    fn late_arrives(&self, _: &World) -> bool {
        false
    }

    /// Of some tasks the last write.
    fn lose(&self, world: &World) {
        for slot in self.slots.borrow_mut().values_mut().filter(|_| world.below(2) == 0) {
            slot.shown = slot.before.take();
        }
    }

    fn heal(&self) {
        self.slots.borrow_mut().values_mut().for_each(|slot| slot.is_approved = false);
    }

    fn fault(&self, world: &World, key: &DocumentKey, text: Option<&str>) -> Option<String> {
        if key.0 != Kind::Task {
            return None;
        }
        let shown = self.shown(key).filter(|shown| shown.hash.is_some());
        let status = |text: &str| {
            let path = DocPath::for_new(key.0, &key.1);
            let document = Document::parse(text.as_bytes());
            Entry::read(path, document).task().map(|task| task.status.to_string())
        };
        let is_as_sent = match (&shown, text) {
            (None, None) => true,
            (Some(shown), Some(text)) => {
                shown.hash == Some(digest(text.as_bytes()))
                    && Some(&shown.status) == status(text).as_ref()
                    && shown.title == key.1.to_string()
            }
            _ => false,
        };
        (!is_as_sent)
            .then(|| format!("{} is shown as {shown:?}, and is {text:?} (leader {})", key.1, world.leader.get()))
    }

    fn has_texts(&self) -> bool {
        false
    }
}
