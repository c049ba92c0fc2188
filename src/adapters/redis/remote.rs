//! The server as a remote: documents decoded from it and encoded into it.

use std::collections::BTreeSet;

use super::codec::{DocumentCodec, Keys, RedisKey, RedisWrite};
use super::documents::{Applied, Fetched};
use super::error::BridgeError;
use super::leadership::Leadership;
use super::link::Link;
use crate::core::name::{DocId, Kind};
use crate::core::reconcile::{
    AppliedWrite, DocumentKey, DocumentRemote, KnownDocument, RemoteContent, RemoteDocument, RemoteHead, RemoteListing,
    RemoteTraits, RemoteVersion, RemoteWrite,
};
use crate::core::time::Timestamp;

/// Documents that are asked for in one go.
const CHUNK: usize = 500;

/// A server, by one connection.
#[derive(Debug)]
pub struct RedisRemote<'a> {
    link: &'a Link,
    node: String,
    leadership: &'a mut Leadership,
}

impl<'a> RedisRemote<'a> {
    /// Returns the server as a clone sees it.
    #[must_use]
    pub fn new(link: &'a Link, node: &str, leadership: &'a mut Leadership) -> Self {
        Self { link, node: node.to_owned(), leadership }
    }

    fn hashes<'k>(&self, keys: impl IntoIterator<Item = &'k DocumentKey>) -> Vec<String> {
        keys.into_iter().map(|key| self.place(key)).collect()
    }
}

/// Reads the key of a hash as that of a document; `None` if it is about something else.
///
/// # Errors
/// In words, if its id is none of ours.
#[must_use]
pub fn document_key(keys: &Keys, hash: &str) -> Option<Result<DocumentKey, String>> {
    let RedisKey::Document(kind, id) = keys.parse(hash)? else { return None };
    Some(DocId::new(id).map(|id| (kind, id)).map_err(|error| error.to_string()))
}

impl DocumentRemote for RedisRemote<'_> {
    type Error = BridgeError;

    fn traits(&self) -> RemoteTraits {
        RemoteTraits { kinds: &Kind::ALL, stores_text: true, compares_and_swaps: true, poll_every: None }
    }

    fn leads(&mut self) -> Result<bool, BridgeError> {
        self.leadership.keep(self.link)
    }

    fn place(&self, (kind, id): &DocumentKey) -> String {
        self.link.keys().document(*kind, id)
    }

    fn list(&mut self, known: BTreeSet<DocumentKey>) -> Result<RemoteListing, BridgeError> {
        let keys = self.link.keys();
        let records = self.link.scan(&format!("{}*", keys.records()))?;
        let mut hashes: BTreeSet<String> =
            records.iter().filter_map(|record| keys.of_record(record)).map(str::to_owned).collect();
        for kind in Kind::ALL {
            hashes.extend(self.link.scan(&format!("{}*", keys.all(kind)))?);
        }
        let (mut all, mut listing) = (known, RemoteListing::default());
        for hash in hashes {
            match document_key(keys, &hash) {
                Some(Ok(key)) => drop(all.insert(key)),
                Some(Err(why)) => listing.unusable.push((hash, why)),
                None => {}
            }
        }
        let all: Vec<DocumentKey> = all.into_iter().collect();
        for chunk in all.chunks(CHUNK) {
            let looks = self.link.look(&self.hashes(chunk))?;
            listing.heads.extend(chunk.iter().zip(looks).map(|(key, look)| RemoteHead {
                key: key.clone(),
                number: look.revision,
                digest: look.digest,
                is_gone: look.gone,
                is_shown: look.is_shown,
                is_touched: look.is_touched,
            }));
        }
        Ok(listing)
    }

    fn fetch(&mut self, asked: &[KnownDocument<'_>], now: Timestamp) -> Result<Vec<RemoteDocument>, BridgeError> {
        let fetched = self.link.fetch(&self.hashes(asked.iter().map(|known| known.key)))?;
        let decode = |(known, fetched): (&KnownDocument<'_>, Fetched)| match fetched {
            Fetched::Read(there) => codec(&self.node, known.key, now).decode(known, &there),
            Fetched::Garbage(why) => RemoteDocument {
                version: RemoteVersion::default(),
                content: RemoteContent::Unusable(why),
                rejected: Vec::new(),
            },
        };
        Ok(asked.iter().zip(fetched).map(decode).collect())
    }

    fn apply(&mut self, writes: &[RemoteWrite], now: Timestamp) -> Result<Vec<AppliedWrite>, BridgeError> {
        let encoded: Vec<Result<RedisWrite, String>> =
            writes.iter().map(|write| codec(&self.node, &write.key, now).encode(write)).collect();
        let sent: Vec<(String, RedisWrite)> = writes
            .iter()
            .zip(&encoded)
            .filter_map(|(write, encoded)| Some((self.place(&write.key), encoded.clone().ok()?)))
            .collect();
        let mut answers = self.link.apply(&sent)?.into_iter();
        let answer = |encoded: Result<RedisWrite, String>| match encoded {
            Err(why) => AppliedWrite::Refused(why),
            Ok(write) => match answers.next() {
                Some(Applied::Written | Applied::Same) => AppliedWrite::Written(write.revision),
                Some(Applied::Conflict) | None => AppliedWrite::Conflict,
            },
        };
        Ok(encoded.into_iter().map(answer).collect())
    }
}

fn codec<'a>(node: &'a str, (kind, id): &'a DocumentKey, now: Timestamp) -> DocumentCodec<'a> {
    DocumentCodec { kind: *kind, id, node, now }
}
