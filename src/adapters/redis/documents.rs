//! Documents on the server: looked at, fetched, and written if they still are as they were looked at.

use redis::Value;

use super::codec::{self, HashFields, RedisDocument, RedisRecord, RedisWrite};
use super::error::BridgeError;
use super::link::{Link, ms};
use super::news::{list, number, text};
use super::scripts::Script;
use crate::core::name::{AgentName, DocPath, OperationId};
use crate::core::reconcile::{self, Gone, SyncBase};

/// The most documents in one step.
pub const BATCH_MAX: usize = 100;
/// The most bytes in one step, if it is not a single document.
pub const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The most bytes of a hash, and of a text, that are taken in.
pub const DOCUMENT_BYTES_MAX: usize = 1024 * 1024;
/// The most bytes of a hash and its record together.
pub(super) const RECORD_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The most fields of a hash that are taken in.
pub const HASH_FIELDS_MAX: usize = 256;
/// The most bytes of the names of a hash's fields.
const NAMES_BYTES_MAX: usize = 8 * 1024;
/// How long a claim lasts whose file does not say.
const LEASE_MS: u64 = 300_000;

/// How a document stands, without its text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Look {
    /// Its version; 0 for none.
    pub revision: u64,
    /// The digest (SHA-1, hexadecimal) of its text; empty if it is gone or unknown.
    pub digest: String,
    /// There is something at the key that everybody sees.
    pub is_shown: bool,
    /// What is there is not as a mirror left it.
    pub is_touched: bool,
    /// It is no longer in the folder.
    pub gone: bool,
    /// See [`RedisDocument::sum`].
    pub sum: String,
}

/// A document as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetched {
    /// It can be read.
    Read(Box<RedisDocument>),
    /// It is no document; why.
    Garbage(String),
}

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// It was done.
    Written,
    /// It already was so.
    Same,
    /// The server is not as it was looked at; nothing was done.
    Conflict,
}

impl Link {
    /// How documents stand; their hashes are named with the prefix. Each [`BATCH_MAX`] (or [`BATCH_BYTES_MAX`]) have the time of a call.
    ///
    /// # Errors
    /// [`BridgeError`].
    pub fn look(&self, hashes: &[String]) -> Result<Vec<Look>, BridgeError> {
        let hashes: Vec<&str> = hashes.iter().map(String::as_str).collect();
        let answers = self.batches(&self.scripts.look, &hashes, &[], |_| Vec::new())?;
        let looks = answers.into_iter().map(|answer| read_look(answer).ok_or_else(|| self.odd()));
        looks.collect()
    }

    /// Documents with everything. Each [`BATCH_MAX`] (or [`BATCH_BYTES_MAX`]) have the time of a call.
    ///
    /// # Errors
    /// [`BridgeError`].
    pub fn fetch(&self, hashes: &[String]) -> Result<Vec<Fetched>, BridgeError> {
        let hashes: Vec<&str> = hashes.iter().map(String::as_str).collect();
        let most = [DOCUMENT_BYTES_MAX, RECORD_BYTES_MAX, BATCH_BYTES_MAX].map(|most| most.to_string().into_bytes());
        let answers = self.batches(&self.scripts.fetch, &hashes, &most, |_| Vec::new())?;
        Ok(answers.into_iter().map(read_fetched).collect())
    }

    /// Writes documents, each only if the server still holds the version and the hash that were looked at. Each
    /// [`BATCH_MAX`] (or [`BATCH_BYTES_MAX`]) have the time of a call. To send one again is harmless: it is the same, or a conflict.
    ///
    /// # Errors
    /// [`BridgeError`]; any of them may have been written.
    pub fn apply(&self, writes: &[(String, RedisWrite)]) -> Result<Vec<Applied>, BridgeError> {
        let hashes: Vec<&str> = writes.iter().map(|(hash, _)| hash.as_str()).collect();
        let answers = self.batches(&self.scripts.apply, &hashes, &[], |index| arguments(&writes[index].1))?;
        let read = |answer| match text(answer).as_deref() {
            Some("written") => Ok(Applied::Written),
            Some("same") => Ok(Applied::Same),
            Some("conflict") => Ok(Applied::Conflict),
            _ => Err(self.odd()),
        };
        answers.into_iter().map(read).collect()
    }

    fn odd(&self) -> BridgeError {
        self.place().protocol("a script gave something else than it should")
    }

    /// Runs a script over documents, many in one step.
    fn batches(
        &self,
        script: &Script,
        hashes: &[&str],
        head: &[Vec<u8>],
        args: impl Fn(usize) -> Vec<Vec<u8>>,
    ) -> Result<Vec<Value>, BridgeError> {
        let records: Vec<String> = hashes.iter().map(|hash| self.keys().record(hash)).collect();
        let mut answers = Vec::with_capacity(hashes.len());
        while answers.len() < hashes.len() {
            let (mut keys, mut all, mut bytes) = (Vec::new(), head.to_vec(), 0);
            for at in (answers.len()..hashes.len()).take(BATCH_MAX) {
                let args = args(at);
                bytes += args.iter().map(Vec::len).sum::<usize>();
                if bytes > BATCH_BYTES_MAX && !keys.is_empty() {
                    break;
                }
                keys.extend([hashes[at], records[at].as_str()]);
                all.extend(args);
            }
            let part = list(self.run(script, &keys, &all)?).ok_or_else(|| self.odd())?;
            // Fewer than asked for: the others would have been too much at once.
            if part.is_empty() || part.len() > keys.len() / 2 {
                return Err(self.odd());
            }
            answers.extend(part);
        }
        Ok(answers)
    }
}

fn arguments(out: &RedisWrite) -> Vec<Vec<u8>> {
    let record = &out.record;
    let shown = out.shown.as_ref().filter(|fields| !fields.is_empty());
    let field = |name: &str| shown?.iter().find(|(field, _)| field == name).map(|(_, value)| value);
    let given = |name: &str| field(name).cloned().unwrap_or_default();
    let lease = field("lease").and_then(|text| crate::core::time::parse_span(text.trim()).ok()).map_or(LEASE_MS, ms);
    let parts = shown.map(|fields| fields.iter().flat_map(|(field, value)| [field, value]));
    let count = shown.map_or_else(|| "-1".to_owned(), |fields| (fields.len() * 2).to_string());
    let head = [
        out.expected.to_string(),
        out.seen.clone(),
        out.revision.to_string(),
        out.ttl.map_or_else(String::new, |ttl| ms(ttl).to_string()),
        match record.gone {
            None => "",
            Some(Gone::Removed) => "removed",
            Some(Gone::Archived) => "archived",
        }
        .to_owned(),
        record.text.clone().unwrap_or_default(),
        record.text.as_ref().map(|text| reconcile::digest(text.as_bytes())).unwrap_or_default(),
        record.path.to_string(),
        write_fields(&record.wrote),
        record.by.as_ref().map(ToString::to_string).unwrap_or_default(),
        record.operation.as_ref().map(ToString::to_string).unwrap_or_default(),
        record.node.clone(),
        record.from.clone(),
        given("status"),
        given("claimed_by"),
        given("fence"),
        lease.to_string(),
        shown.map(sum).unwrap_or_default(),
        count,
    ];
    let parts = parts.into_iter().flatten().map(|part| part.as_bytes().to_vec());
    head.into_iter().map(String::into_bytes).chain(parts).collect()
}

/// The digest that the scripts will find.
fn sum(fields: &HashFields) -> String {
    let names: usize = fields.iter().map(|(name, _)| name.len()).sum();
    match fields.len() {
        count if count > HASH_FIELDS_MAX => format!("!{count}"),
        _ if names > NAMES_BYTES_MAX => "!names".to_owned(),
        _ => codec::hash_sum(fields),
    }
}

/// Fields as a list in JSON: name, value, name, value.
fn write_fields(fields: &HashFields) -> String {
    let parts: Vec<_> = fields.iter().flat_map(|(field, value)| [field.as_str(), value.as_str()]).collect();
    serde_json::Value::from(parts).to_string()
}

fn read_fields(json: &str) -> Option<HashFields> {
    pairs(serde_json::from_str::<Vec<String>>(json).ok()?)
}

fn pairs(flat: Vec<String>) -> Option<HashFields> {
    let mut parts = flat.into_iter();
    let mut fields = Vec::new();
    while let Some(field) = parts.next() {
        fields.push((field, parts.next()?));
    }
    Some(fields)
}

fn read_look(answer: Value) -> Option<Look> {
    let mut parts = list(answer)?.into_iter();
    let revision = number(parts.next()?).unwrap_or_default();
    let digest = text(parts.next()?).unwrap_or_default();
    let is_shown = number(parts.next()?)? == 1;
    let is_touched = number(parts.next()?)? == 1;
    let gone = parts.next().and_then(text).is_some_and(|how| !how.is_empty());
    Some(Look { revision, digest, is_shown, is_touched, gone, sum: text(parts.next()?)? })
}

fn read_fetched(answer: Value) -> Fetched {
    match read_remote(answer) {
        Ok(remote) => Fetched::Read(Box::new(remote)),
        Err(why) => Fetched::Garbage(why),
    }
}

fn read_remote(answer: Value) -> Result<RedisDocument, String> {
    let odd = || "it could not be read".to_owned();
    let mut parts = list(answer).ok_or_else(odd)?.into_iter();
    let sum = parts.next().and_then(text).ok_or_else(odd)?;
    let shown = match parts.next().ok_or_else(odd)? {
        Value::Array(shown) => flat(shown).ok_or("its hash is not UTF-8")?,
        why => return Err(text(why).unwrap_or_else(odd)),
    };
    let record: Vec<Value> = parts.next().and_then(list).ok_or_else(odd)?;
    // What is no UTF-8 is as if it were not there.
    let record: Vec<Option<String>> = record.into_iter().map(text).collect();
    let get = |name: &str| {
        let mut pairs = record.chunks_exact(2);
        pairs.find(|pair| pair[0].as_deref() == Some(name)).and_then(|pair| pair[1].as_deref())
    };
    let has_one = record.chunks_exact(2).any(|pair| pair[0].as_deref() == Some("rev"));
    let shown = (!shown.is_empty()).then_some(shown);
    let is_touched = shown.is_some() && get("sum") != Some(&sum);
    let read = has_one.then(|| read_record(get("rev").unwrap_or_default(), get));
    let (record, unusable) = match read.transpose() {
        Ok(record) => (record, None),
        Err(why) => (None, Some((get("rev").and_then(revision).unwrap_or(0), why))),
    };
    Ok(RedisDocument { shown, sum, record, is_touched, unusable })
}

/// A version, as the scripts read it as well.
fn revision(text: &str) -> Option<u64> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|revision| is_number && *revision <= SyncBase::REVISION_MAX)
}

fn flat(parts: Vec<Value>) -> Option<HashFields> {
    pairs(parts.into_iter().map(text).collect::<Option<_>>()?)
}

fn read_record<'a>(rev: &str, get: impl Fn(&str) -> Option<&'a str>) -> Result<RedisRecord, String> {
    let fault = |what: &str| format!("its record is not one of ours: {what}");
    let given = |name: &str| get(name).filter(|value| !value.is_empty());
    let gone = match given("gone") {
        None => None,
        Some("removed") => Some(Gone::Removed),
        Some("archived") => Some(Gone::Archived),
        Some(_) => return Err(fault("gone")),
    };
    let text = get("text").map(str::to_owned);
    if text.is_none() && gone.is_none() {
        return Err(fault("text"));
    }
    Ok(RedisRecord {
        revision: revision(rev).ok_or_else(|| fault("rev"))?,
        text,
        path: DocPath::new(get("path").unwrap_or_default()).map_err(|_| fault("path"))?,
        wrote: get("wrote").and_then(read_fields).ok_or_else(|| fault("wrote"))?,
        by: given("by").map(AgentName::new).transpose().map_err(|_| fault("by"))?,
        operation: given("op").map(OperationId::new).transpose().map_err(|_| fault("op"))?,
        node: get("node").unwrap_or_default().to_owned(),
        from: get("from").unwrap_or_default().to_owned(),
        gone,
    })
}
