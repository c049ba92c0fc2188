//! What was read of many documents, kept in the run state to be read sooner the next time. It is never a second truth: it
//! holds what a file said when it had a certain stamp, and is believed of that file only while it has that stamp.
//!
//! The file is a mark, a checksum of all that follows, a head, and for each document a length, its path and stamp, its
//! bytes, and what they say. Only documents without findings are kept.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::adapters::store::Stamp;
use crate::core::document::Document;
use crate::core::entity::Entity;
use crate::core::name::{DocId, DocPath, Kind};
use crate::core::sabotage::{self, Sabotage};
use crate::core::snapshot::Entry;

/// Fewest documents for which something is kept: below, reading them takes less than it could save.
pub(super) const DOCUMENTS_MIN: usize = 512;
/// Fewest documents that have to be new before all is written again, and the smallest share of all (one in so many).
const FRESH_MIN: usize = 256;
const FRESH_SHARE: usize = 10;
/// Only what had not changed for so long when it was read is kept: two saves within one tick of the kernel's clock may
/// leave the same stamp.
const AGE_MIN_NS: i64 = 20_000_000;
/// Rises whenever other entities are read from the same bytes, or entities look different; a test tells when.
const READING: u32 = 10;
const MARK: &[u8; 8] = b"MYCREAD1";
const SUM_BYTES: usize = 4;

/// Who wrote the file, and about what.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Head<'a> {
    reading: u32,
    program: &'a str,
    folder: &'a str,
}

/// What is kept of one document, before its text.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Label<'a> {
    path: &'a str,
    ino: u64,
    mtime_ns: i64,
    ctime_ns: i64,
    size: u64,
    mode: u32,
}

/// Its text, and what that says.
#[derive(Debug, Serialize, Deserialize)]
struct Said<'a> {
    text: &'a str,
    kind: Option<Kind>,
    id: Option<DocId>,
    #[serde(with = "crate::core::entity::record")]
    entity: Entity,
}

/// A document as it was read or found.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) entry: Entry,
    pub(super) stamp: Stamp,
    /// It was kept, and not read anew.
    pub(super) is_kept: bool,
}

/// What was kept, by path.
#[derive(Debug)]
pub(super) struct Cache {
    bytes: Arc<[u8]>,
    places: HashMap<Box<str>, (Stamp, Range<usize>)>,
    /// Planted by a test: stamps are not compared.
    is_gullible: bool,
}

impl Cache {
    /// Takes the bytes of a file; `None` if it is not whole, or by another program, or about another folder.
    pub(super) fn decode(bytes: &[u8], folder: &str) -> Option<Self> {
        let start = MARK.len() + SUM_BYTES;
        let sum = u32::from_le_bytes(bytes.strip_prefix(MARK)?.get(..SUM_BYTES)?.try_into().ok()?);
        if crc32fast::hash(bytes.get(start..)?) != sum && !sabotage::on(Sabotage::BelieveTornCache) {
            return None;
        }
        let (found, mut rest) = postcard::take_from_bytes::<Head<'_>>(bytes.get(start..)?).ok()?;
        if found != head(folder) {
            return None;
        }
        let mut places = HashMap::new();
        while let Some((length, record)) = rest.split_first_chunk::<4>() {
            let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
            let (record, next) = record.split_at_checked(length)?;
            let (label, said) = postcard::take_from_bytes::<Label<'_>>(record).ok()?;
            let at = bytes.len() - next.len() - said.len();
            let stamp = label.stamp();
            places.insert(label.path.into(), (stamp, at..at + said.len()));
            rest = next;
        }
        let is_gullible = sabotage::on(Sabotage::BelieveOldCache);
        rest.is_empty().then(|| Self { places, bytes: Arc::from(bytes), is_gullible })
    }

    /// Tells whether something is kept of a document with this stamp.
    pub(super) fn knows(&self, path: &DocPath, stamp: &Stamp) -> bool {
        self.places.get(path.as_str()).is_some_and(|(kept, _)| kept == stamp || self.is_gullible)
    }

    /// What is kept of a document; `None` if that cannot be understood.
    pub(super) fn entry(&self, path: &DocPath) -> Option<Entry> {
        let (_, place) = self.places.get(path.as_str())?;
        let said = self.bytes.get(place.clone())?;
        let Said { text, kind, id, entity } = postcard::from_bytes(said).ok()?;
        let at = place.start + offset(said, text);
        let document = Document::later(&self.bytes, at..at + text.len());
        Some(Entry { path: path.clone(), document, kind, id, entity: Some(entity), findings: Vec::new() })
    }
}

/// Where a part begins in the bytes that it was taken from.
fn offset(whole: &[u8], part: &str) -> usize {
    (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize)
}

impl Label<'_> {
    fn stamp(&self) -> Stamp {
        let Self { ino, mtime_ns, ctime_ns, size, mode, .. } = *self;
        Stamp { ino, mtime_ns, ctime_ns, size, mode }
    }
}

fn head(folder: &str) -> Head<'_> {
    Head { reading: READING, program: env!("CARGO_PKG_VERSION"), folder }
}

/// The bytes to keep, if it pays to write them: `began_ns` is the moment before the first document was looked at.
pub(super) fn encode(read: &[Read], folder: &str, began_ns: i64) -> Option<Vec<u8>> {
    let is_settled = |read: &Read| read.stamp.ctime_ns.saturating_add(AGE_MIN_NS) <= began_ns;
    let is_plain = |entry: &Entry| entry.findings.is_empty() && entry.entity.is_some();
    let worth: Vec<&Read> =
        read.iter().filter(|read| read.is_kept || is_settled(read) && is_plain(&read.entry)).collect();
    let fresh = worth.iter().filter(|read| !read.is_kept).count();
    if fresh < FRESH_MIN || fresh.saturating_mul(FRESH_SHARE) < worth.len() {
        return None;
    }
    let mut out = [&MARK[..], &[0; SUM_BYTES]].concat();
    out = postcard::to_extend(&head(folder), out).ok()?;
    for read in worth {
        let Some(record) = record(read) else { continue };
        out.extend(u32::try_from(record.len()).ok()?.to_le_bytes());
        out.extend(record);
    }
    let (front, body) = out.split_at_mut(MARK.len() + SUM_BYTES);
    front[MARK.len()..].copy_from_slice(&crc32fast::hash(body).to_le_bytes());
    Some(out)
}

/// What is kept of a document; `None` if it would read otherwise than it is.
fn record(read: &Read) -> Option<Vec<u8>> {
    let Entry { path, document, kind, id, entity, .. } = &read.entry;
    let Stamp { ino, mtime_ns, ctime_ns, size, mode } = read.stamp;
    let label = Label { path: path.as_str(), ino, mtime_ns, ctime_ns, size, mode };
    let said = Said {
        text: std::str::from_utf8(document.bytes()).ok()?,
        kind: *kind,
        id: id.clone(),
        entity: entity.clone()?,
    };
    let label = postcard::to_allocvec(&label).ok()?;
    let text = postcard::to_allocvec(&said).ok()?;
    let again: Said<'_> = postcard::from_bytes(&text).ok()?;
    (again.entity == said.entity).then(|| [label, text].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the fixtures read as, in a number. Whoever changes it raises [`READING`] and writes the new one here: else what
    /// an older program kept would be believed.
    const FIXTURES: (u32, u32) = (10, 3_512_987_359);

    fn documents(folder: &std::path::Path, into: &mut Vec<std::path::PathBuf>) {
        for entry in std::fs::read_dir(folder).expect("listed") {
            let path = entry.expect("listed").path();
            if path.is_dir() {
                documents(&path, into);
            } else if path.extension().is_some_and(|end| end == "md") {
                into.push(path);
            }
        }
    }

    fn fixtures() -> Vec<Entry> {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
        let mut paths = Vec::new();
        documents(&root, &mut paths);
        paths.sort();
        let read = |path: std::path::PathBuf| {
            let name = DocPath::new(path.file_name()?.to_str()?).ok()?;
            Some(Entry::read(name, Document::parse(std::fs::read(&path).ok()?)))
        };
        paths.into_iter().filter_map(read).collect()
    }

    #[test]
    fn what_documents_read_as_has_a_number() {
        let read: Vec<_> =
            fixtures().into_iter().map(|entry| (entry.path, entry.kind, entry.id, entry.entity)).collect();
        assert!(read.len() > 50, "only {} fixtures", read.len());
        let sum = crc32fast::hash(format!("{read:?}").as_bytes());
        assert_eq!(
            (READING, sum),
            FIXTURES,
            "documents or fixtures read otherwise: raise READING, write the pair here"
        );
    }

    #[test]
    fn what_is_kept_of_a_document_is_what_was_read() {
        let mut kept = 0;
        for (number, entry) in fixtures().into_iter().enumerate().filter(|(_, entry)| entry.findings.is_empty()) {
            let path = DocPath::new(format!("task-{number}.md")).expect("valid");
            let entry = Entry { path: path.clone(), ..entry };
            let stamp = Stamp { ino: 1, mtime_ns: 2, ctime_ns: 3, size: 4, mode: 5 };
            let many =
                |count: usize| (0..count).map(|_| Read { entry: entry.clone(), stamp, is_kept: false }).collect();
            let many: Vec<Read> = many(FRESH_MIN);
            assert_eq!(encode(&many[1..], "x", i64::MAX), None, "too few to pay");
            assert_eq!(encode(&many, "x", AGE_MIN_NS), None, "too young to be believed");
            let Some(bytes) = encode(&many, "x", AGE_MIN_NS + 3) else { panic!("worth it") };
            assert!(Cache::decode(&bytes, "y").is_none(), "another folder");
            let cache = Cache::decode(&bytes, "x").expect("whole");
            if entry.entity.is_some() {
                assert!(cache.knows(&path, &stamp) && !cache.knows(&path, &Stamp { ctime_ns: 4, ..stamp }));
                assert_eq!(cache.entry(&path).as_ref(), Some(&entry));
                kept += 1;
            }
        }
        assert!(kept > 10, "only {kept} fixtures have no findings");
    }
}
