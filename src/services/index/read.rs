//! Reads and parses many documents, in several threads where that pays.

use std::collections::BTreeSet;
use std::num::NonZero;

use super::cache::{self, Cache, Read};
use super::{DocumentReader, held_back};
use crate::adapters::store::{FileRead, Shelf, Stamp};
use crate::core::document::Document;
use crate::core::name::DocPath;
use crate::core::snapshot::Entry;
use crate::services::progress::Work;
use crate::services::{Error, environment};

/// Below this many documents a second thread costs more than it saves.
const PARALLEL_MIN: usize = 256;
/// Threads that read documents: more than cores, because a cold disk makes them wait.
const READERS_MAX: usize = 8;

/// Reads some documents and counts them.
type Reader<'a, T> = dyn Fn(&[DocPath], &Work) -> Result<Vec<T>, Error> + Sync + 'a;

impl DocumentReader<'_> {
    /// Reads a part of the folder. What was kept of many documents is used where they have not changed since.
    pub(super) fn entries(&self, from: Shelf) -> Result<Vec<Entry>, Error> {
        let paths = self.store.folder.names(from)?;
        if paths.len() < cache::DOCUMENTS_MIN {
            let read = self.read_entries(&paths, None)?.into_iter();
            return Ok(read.map(|read| read.entry).collect());
        }
        let began_ns = environment::now().unix_ms().saturating_mul(1_000_000);
        let kept = self.store.local.cache(from).and_then(|bytes| Cache::decode(&bytes, self.folder));
        let read = self.read_entries(&paths, kept.as_ref())?;
        if let Some(bytes) = cache::encode(&read, self.folder, began_ns) {
            // It saves work the next time; where it cannot be written, there is that work to do.
            let _ = self.store.local.write_cache(from, &bytes);
        }
        Ok(read.into_iter().map(|read| read.entry).collect())
    }

    fn read_entries(&self, paths: &[DocPath], kept: Option<&Cache>) -> Result<Vec<Read>, Error> {
        let (store, folder) = (self.store, self.folder);
        let knows = |path: &DocPath, stamp: &Stamp| kept.is_some_and(|kept| kept.knows(path, stamp));
        self.each_reader(paths, &|paths, work| {
            let mut entries = Vec::with_capacity(paths.len());
            let mut odd = Vec::new();
            store.folder.read_unknown(paths, &knows, &mut |path, read| {
                work.step();
                match read {
                    FileRead::Known(stamp) => match kept.and_then(|kept| kept.entry(path)) {
                        Some(entry) => entries.push(Read { entry, stamp, is_kept: true }),
                        None => odd.push(path.clone()),
                    },
                    other => entries.extend(new_entry(folder, path, other)),
                }
            })?;
            store.folder.read_each(&odd, &mut |path, read| entries.extend(new_entry(folder, path, read)))?;
            Ok(entries)
        })
    }

    /// Reads and parses these documents; those that vanished meanwhile are left out.
    pub(in crate::services) fn read_all(&self, paths: &[DocPath]) -> Result<Vec<(DocPath, Document)>, Error> {
        let (store, folder) = (self.store, self.folder);
        let mut all = self.each_reader(paths, &|paths, work| {
            let mut documents = Vec::with_capacity(paths.len());
            store.folder.read_each(paths, &mut |path, read| {
                documents.extend(held_back::document_of(folder, path, read).map(|document| (path.clone(), document)));
                work.step();
            })?;
            Ok(documents)
        })?;
        if all.len() < paths.len() {
            let missing: BTreeSet<&DocPath> =
                paths.iter().filter(|path| all.iter().all(|(read, _)| read != *path)).collect();
            all.extend(self.kept_out_documents(&|path| missing.contains(path))?);
        }
        Ok(all)
    }

    /// Gives parts of these documents to as many readers as pay, and what they give in the order of the documents.
    fn each_reader<T: Send>(&self, paths: &[DocPath], read: &Reader<'_, T>) -> Result<Vec<T>, Error> {
        let work = &self.progress.begin("reading documents", paths.len());
        if paths.len() < PARALLEL_MIN {
            return read(paths, work);
        }
        let threads = std::thread::available_parallelism().map_or(1, NonZero::get).saturating_mul(2).min(READERS_MAX);
        let share = paths.len().div_ceil(threads);
        std::thread::scope(|scope| {
            let start = |chunk| std::thread::Builder::new().spawn_scoped(scope, move || read(chunk, work));
            let readers: Vec<_> = paths.chunks(share).map(|chunk| (chunk, start(chunk))).collect();
            let mut all = Vec::with_capacity(paths.len());
            for (chunk, reader) in readers {
                all.extend(match reader {
                    Ok(reader) => reader.join().expect("a reader does not panic")?,
                    // Where there is no thread to be had, it takes longer.
                    Err(_) => read(chunk, work)?,
                });
            }
            Ok(all)
        })
    }
}

/// A document that was not kept, as it was read.
fn new_entry(folder: &str, path: &DocPath, read: FileRead) -> Option<Read> {
    // A file that cannot be read has findings, so its stamp is never kept.
    let stamp = if let FileRead::Contents(contents) = &read { contents.stamp } else { Stamp::default() };
    let document = held_back::document_of(folder, path, read)?;
    Some(Read { entry: read_entry(path, document), stamp, is_kept: false })
}

/// A document with what it says. Of an archived one the structure is not kept: there may be very many, and few are looked at.
fn read_entry(path: &DocPath, document: Document) -> Entry {
    let mut entry = Entry::read(path.clone(), document);
    if path.is_archived() && !entry.document.is_unavailable() {
        entry.document = entry.document.unread();
    }
    entry
}
