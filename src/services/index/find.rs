//! Finds documents by their ids.

use std::collections::BTreeSet;

use super::{DocumentReader, Found, Scope};
use crate::adapters::store::{Shelf, StoreError};
use crate::core::name::{DocId, DocPath, Kind, composed};
use crate::core::snapshot::{Entry, FindError, Snapshot};
use crate::services::Error;

impl DocumentReader<'_> {
    /// Looks up a document by its id or a unique start of it; among the archived ones by file name. A whole id means the file
    /// that is called so, if it states that id, whatever other files state it too.
    ///
    /// # Errors
    /// [`Error::Find`] if there is none, or more than one; others if the folder cannot be read.
    pub fn find(&self, kind: Option<Kind>, id: &str) -> Result<Found, Error> {
        match self.at_its_place(kind, id)? {
            Some(found) => Ok(found),
            None => self.find_in(&self.snapshot(Scope::Live)?, kind, id),
        }
    }

    /// The document that lies where its whole id says: no other one is read.
    pub(in crate::services) fn at_its_place(&self, kind: Option<Kind>, id: &str) -> Result<Option<Found>, Error> {
        let Ok(whole) = DocId::new(id) else { return Ok(None) };
        let kinds = kind.map_or(Kind::ALL.to_vec(), |kind| vec![kind]);
        let places: BTreeSet<DocPath> = kinds.iter().map(|kind| DocPath::for_new(*kind, &whole)).collect();
        let places: Vec<DocPath> = places.into_iter().collect();
        let read = Snapshot::from_documents(self.read_all(&places)?);
        let mut fits = read.entries().filter(|entry| {
            entry.id.as_ref() == Some(&whole) && entry.kind.is_some_and(|found| kinds.contains(&found))
        });
        let found = fits.next();
        // A link, folder or device in its place is a fault worth a message of its own.
        for place in places.iter().filter(|_| found.is_none()) {
            if let Err(error @ StoreError::Strange { .. }) = self.store.folder.read(place) {
                return Err(error.into());
            }
        }
        // Without a kind, an id may mean a task as well as an agent.
        Ok(found.filter(|_| fits.next().is_none()).map(Found::from))
    }

    pub(in crate::services) fn find_in(&self, live: &Snapshot, kind: Option<Kind>, id: &str) -> Result<Found, Error> {
        match live.find(kind, id) {
            Ok(entry) if is_whole(entry, id) => Ok(Found::from(entry)),
            Err(error @ FindError::Duplicate { .. }) => Err(Error::Find(error)),
            // A whole id means that document, wherever it lies, whatever else begins so.
            other => match (self.find_whole(kind, id)?, other) {
                (Some(found), _) => Ok(found),
                (None, Ok(entry)) => Ok(Found::from(entry)),
                (None, Err(error @ FindError::NotFound { .. })) => {
                    self.find_archived(kind, id)?.ok_or(Error::Find(error))
                }
                (None, Err(error)) => Err(Error::Find(error)),
            },
        }
    }

    /// The document with exactly this id: in the archive, else outside of it, where it may have come back to since the
    /// others were listed.
    pub(in crate::services) fn find_whole(&self, kind: Option<Kind>, id: &str) -> Result<Option<Found>, Error> {
        let Ok(whole) = DocId::new(id) else { return Ok(None) };
        let kinds = kind.map_or(Kind::ALL.to_vec(), |kind| vec![kind]);
        let names: BTreeSet<DocPath> = kinds.iter().map(|kind| DocPath::for_new(*kind, &whole)).collect();
        let mut months: BTreeSet<String> = self.store.folder.months()?.into_iter().collect();
        let out = self.kept_out(&|path| path.is_archived())?;
        months.extend(out.iter().filter_map(|(path, _)| path.as_str().split('/').nth(1).map(str::to_owned)));
        let archived = names.iter().flat_map(|name| months.iter().map(move |month| format!("archive/{month}/{name}")));
        let archived: Vec<DocPath> = archived.filter_map(|path| DocPath::new(path).ok()).collect();
        for paths in [archived, names.into_iter().collect()] {
            let found = Snapshot::from_documents(self.read_all(&paths)?);
            let fits = |entry: &Entry| is_whole(entry, id) && kind.is_none_or(|kind| entry.kind == Some(kind));
            if found.entries().any(fits) {
                return found.find(kind, id).map(|entry| Some(Found::from(entry))).map_err(Error::Find);
            }
        }
        Ok(None)
    }

    pub(in crate::services) fn find_archived(&self, kind: Option<Kind>, id: &str) -> Result<Option<Found>, Error> {
        let id = &*composed(id);
        let fits = |path: &DocPath| {
            let kinds = kind.map_or(Kind::ALL.to_vec(), |kind| vec![kind]);
            let stem = composed(path.stem());
            kinds.iter().any(|k| stem.starts_with(id) || stem.starts_with(&format!("{}{id}", k.prefix())))
        };
        let paths: Vec<DocPath> = self.document_names(Shelf::Archive)?.into_iter().filter(fits).collect();
        if paths.is_empty() {
            return Ok(None);
        }
        let snapshot = Snapshot::from_documents(self.read_all(&paths)?);
        match snapshot.find(kind, id) {
            Ok(entry) => Ok(Some(Found::from(entry))),
            Err(FindError::NotFound { .. }) => Ok(None),
            Err(error) => Err(Error::Find(error)),
        }
    }
}

/// Tells whether a text is the whole id of a document: as it stands, or without the prefix of its kind.
pub(in crate::services) fn is_whole(entry: &Entry, text: &str) -> bool {
    let Some(whole) = &entry.id else { return false };
    let kind = entry.kind.filter(|kind| *kind != Kind::Agent);
    let short = kind.and_then(|kind| whole.as_str().strip_prefix(kind.prefix()));
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    let text = &*composed(text);
    whole.as_str() == text || short == Some(text) && !is_number
}
