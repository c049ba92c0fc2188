//! The folder as an operation finds it. Read as far as it is needed: a document by its whole id costs one file, a new document
//! with a random id none.

use std::borrow::Cow;
use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;

use super::claim_answers::ClaimAnswers;
use super::{Actor, Operations};
use crate::adapters::store::{Shelf, StoreError};
use crate::core::document::Document;
use crate::core::name::{DocId, DocPath, Kind};
use crate::core::snapshot::{FindError, Snapshot};
use crate::services::claim_arbiter::ClaimRequest;
use crate::services::{Error, Scope};

/// What the folder holds before the first step. Once something was read it stays so until [`FolderView::update`].
#[derive(Debug)]
pub(super) struct FolderView<'a> {
    pub(super) operations: &'a Operations<'a>,
    pub(super) by: &'a Actor,
    /// All documents that are not archived.
    live: OnceCell<Cow<'a, Snapshot>>,
    /// Documents that were read one by one; `None` where there is none.
    read: RefCell<BTreeMap<DocPath, Option<Document>>>,
    /// The archive's documents by file name without its ending, sorted.
    archive: OnceCell<Vec<(String, DocPath)>>,
    /// What the server said of the tasks that the steps claim.
    pub(super) answers: ClaimAnswers,
}

impl<'a> FolderView<'a> {
    /// A view that has read nothing yet.
    pub(super) fn new(operations: &'a Operations<'a>, by: &'a Actor) -> Self {
        Self {
            operations,
            by,
            live: OnceCell::new(),
            read: RefCell::default(),
            archive: OnceCell::new(),
            answers: ClaimAnswers::new(operations.arbiter, by),
        }
    }

    /// A view of a folder whose live documents were read already.
    pub(super) fn of(operations: &'a Operations<'a>, by: &'a Actor, live: &'a Snapshot) -> Self {
        Self { live: OnceCell::from(Cow::Borrowed(live)), ..Self::new(operations, by) }
    }

    /// Asks the arbiter for tasks.
    pub(super) fn ask(&mut self, requests: &[ClaimRequest]) {
        self.answers.ask(self.operations.arbiter, requests, self.by.claims);
    }

    /// Gives back what was reserved and is not needed.
    pub(super) fn release_unneeded(&self) {
        self.answers.release_unneeded(self.operations, self.by.claims);
    }

    /// All documents that are not archived.
    pub(super) fn live(&self) -> Result<&Snapshot, Error> {
        if let Some(live) = self.live.get() {
            return Ok(live);
        }
        let mut live = self.operations.documents.snapshot(Scope::Live)?;
        for (path, document) in self.read.borrow().iter().filter(|(path, _)| !path.is_archived()) {
            match document {
                Some(document) => live.insert(path.clone(), document.clone()),
                None => live.remove(path),
            }
        }
        Ok(self.live.get_or_init(|| Cow::Owned(live)))
    }

    /// One document.
    pub(super) fn document(&self, path: &DocPath) -> Result<Option<Document>, Error> {
        if let Some(known) = self.read.borrow().get(path) {
            return Ok(known.clone());
        }
        let document =
            self.operations.documents.read_all(std::slice::from_ref(path))?.pop().map(|(_, document)| document);
        if document.is_none() {
            // A link, folder or device in its place is an error that names it.
            if let Err(error @ StoreError::Strange { .. }) = self.operations.documents.store.folder.read(path) {
                return Err(error.into());
            }
        }
        self.read.borrow_mut().insert(path.clone(), document.clone());
        Ok(document)
    }

    /// Returns true if a document was looked for by its path.
    pub(super) fn has_read(&self, path: &DocPath) -> bool {
        self.read.borrow().contains_key(path)
    }

    /// Takes these bytes for what the folder holds now.
    pub(super) fn update(&mut self, paths: &[DocPath], current: &[Option<Vec<u8>>]) {
        for (path, bytes) in paths.iter().zip(current) {
            let document = bytes.as_ref().map(|bytes| Document::parse(bytes.as_slice()));
            if let Some(live) = self.live.get_mut().filter(|_| !path.is_archived()) {
                match &document {
                    Some(document) => live.to_mut().insert(path.clone(), document.clone()),
                    None => live.to_mut().remove(path),
                }
            }
            self.read.get_mut().insert(path.clone(), document);
        }
    }

    /// The archived document that an id or the beginning of one names.
    pub(super) fn find_archived(&self, kind: Kind, id: &str) -> Result<Option<(DocPath, Document)>, Error> {
        let listed = self.archive()?;
        let begins = |start: &str| -> Vec<DocPath> {
            let from = listed.partition_point(|(stem, _)| stem.as_str() < start);
            let found = listed[from..].iter().take_while(|(stem, _)| stem.starts_with(start));
            found.map(|(_, path)| path.clone()).collect()
        };
        let paths: Vec<DocPath> = [begins(id), begins(&format!("{}{id}", kind.prefix()))].concat();
        match self.read_archived(&paths)?.find(Some(kind), id) {
            Ok(entry) => Ok(Some((entry.path.clone(), entry.document.clone()))),
            Err(FindError::NotFound { .. }) => Ok(None),
            Err(error) => Err(Error::Find(error)),
        }
    }

    /// The path of the archived document with exactly this id.
    pub(super) fn archived_exactly(&self, kind: Kind, id: &DocId) -> Result<Option<DocPath>, Error> {
        let listed = self.archive()?;
        let stem = DocPath::for_new(kind, id).stem().to_owned();
        let from = listed.partition_point(|(other, _)| *other < stem);
        let named = listed[from..].iter().take_while(|(other, _)| *other == stem);
        let paths: Vec<DocPath> = named.map(|(_, path)| path.clone()).collect();
        Ok(self.read_archived(&paths)?.paths_of(kind, id.as_str()).first().cloned())
    }

    fn archive(&self) -> Result<&[(String, DocPath)], Error> {
        if let Some(listed) = self.archive.get() {
            return Ok(listed);
        }
        let paths = self.operations.documents.store.folder.names(Shelf::Archive)?.into_iter();
        let mut listed: Vec<(String, DocPath)> = paths.map(|path| (path.stem().to_owned(), path)).collect();
        listed.sort_unstable();
        Ok(self.archive.get_or_init(|| listed))
    }

    fn read_archived(&self, paths: &[DocPath]) -> Result<Snapshot, Error> {
        let is_unknown = |path: &&DocPath| !self.read.borrow().contains_key(*path);
        let unknown: Vec<DocPath> = paths.iter().filter(is_unknown).cloned().collect();
        if !unknown.is_empty() {
            let documents = self.operations.documents.read_all(&unknown)?;
            self.read.borrow_mut().extend(documents.into_iter().map(|(path, document)| (path, Some(document))));
        }
        let read = self.read.borrow();
        let known = paths.iter().filter_map(|path| Some((path.clone(), read.get(path)?.clone()?)));
        Ok(Snapshot::from_documents(known))
    }
}
