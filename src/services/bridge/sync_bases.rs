//! What this clone and the server last agreed on, one document at a time: kept in memory, and in local state for the next
//! start. Only what is asked for is read.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::mirror_folder::SyncBaseStore;
use super::mirror_index::{Item, item_of};
use crate::adapters::store::Store;
use crate::core::document::Document;
use crate::core::name::{DocId, DocPath, Kind};
use crate::core::reconcile::SyncBase;
use crate::core::snapshot::Entry;
use crate::services::Error;

/// The last agreed versions.
#[derive(Debug)]
pub(in crate::services) struct SyncBases {
    store: Store,
    /// Which server, as a name for a folder.
    server: String,
    known: RefCell<BTreeMap<Item, Option<SyncBase>>>,
}

impl SyncBases {
    /// What is remembered about a server.
    pub(super) fn open(store: &Store, server: &str) -> Self {
        Self { store: store.clone(), server: server.to_owned(), known: RefCell::default() }
    }

    /// What was agreed on about the document at this path.
    pub(in crate::services) fn find(&self, path: &DocPath, document: Document) -> Option<SyncBase> {
        self.get(&item_of(&Entry::read(path.clone(), document))?)
    }
}

impl SyncBaseStore for SyncBases {
    fn get(&self, item: &Item) -> Option<SyncBase> {
        if let Some(base) = self.known.borrow().get(item) {
            return base.clone();
        }
        let read = self.store.local.memory(&self.server, &name(item));
        let base: Option<SyncBase> = read.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let base = base.filter(|base| base.revision <= SyncBase::REVISION_MAX);
        self.known.borrow_mut().insert(item.clone(), base.clone());
        base
    }

    fn items(&self) -> Result<BTreeSet<Item>, Error> {
        let names = self.store.local.memories(&self.server)?;
        Ok(names.iter().filter_map(|name| item(name)).collect())
    }

    fn set(&mut self, item: &Item, base: Option<SyncBase>) -> Result<(), Error> {
        if self.get(item) == base {
            return Ok(());
        }
        match &base {
            Some(base) => {
                let bytes = serde_json::to_vec(base).unwrap_or_default();
                self.store.local.overwrite_memory(&self.server, &name(item), &bytes)?;
            }
            None => self.store.local.remove_memory(&self.server, &name(item))?,
        }
        self.known.borrow_mut().insert(item.clone(), base);
        Ok(())
    }
}

fn name((kind, id): &Item) -> String {
    format!("{}:{id}", kind.word())
}

fn item(name: &str) -> Option<Item> {
    let (word, id) = name.split_once(':')?;
    let kind = Kind::ALL.into_iter().find(|kind| kind.word() == word)?;
    Some((kind, DocId::new(id).ok()?))
}
