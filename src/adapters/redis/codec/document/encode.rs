//! A version as it goes to the server.

use super::super::edits::FIELDS_MAX;
use super::super::hash::{HashLife, hash_fields, hash_life};
use super::super::record::{RedisRecord, RedisWrite};
use super::DocumentCodec;
use crate::core::reconcile::{RemoteWrite, WriteContent};

/// Longest text that goes to a server, and longest hash, in bytes.
const TEXT_BYTES_MAX: usize = crate::core::document::FILE_BYTES_MAX;
/// Most bytes of a version in all, with some left for what goes along.
const ALL_BYTES_MAX: usize = 4 * 1024 * 1024 - 64 * 1024;

/// Returns why no clone could take a version in, if it is too much.
pub(in super::super) fn excess(send: &RedisWrite) -> Option<String> {
    let (wrote, text) = (&send.record.wrote, send.record.text.as_ref().map_or(0, String::len));
    if wrote.len() > FIELDS_MAX {
        return Some(format!("{} fields, and at most {FIELDS_MAX} are taken", wrote.len()));
    }
    let hash: usize = wrote.iter().map(|(field, text)| field.len() + text.len()).sum();
    // The record has the fields once more, as JSON.
    let of = |text: &str| 3 + text.bytes().map(escaped).sum::<usize>();
    let all = text + hash + wrote.iter().map(|(field, text)| of(field) + of(text)).sum::<usize>();
    let fault = |bytes, most| Some(format!("{bytes} bytes, and at most {most} are taken"));
    match (text.max(hash), all) {
        (bytes, _) if bytes > TEXT_BYTES_MAX => fault(bytes, TEXT_BYTES_MAX),
        (_, bytes) if bytes > ALL_BYTES_MAX => fault(bytes, ALL_BYTES_MAX),
        _ => None,
    }
}

/// How long a byte of a text is in JSON, at most.
const fn escaped(byte: u8) -> usize {
    match byte {
        b'"' | b'\\' | b'\n' | b'\t' | b'\r' => 2,
        0..0x20 => 6,
        _ => 1,
    }
}

impl DocumentCodec<'_> {
    /// Returns a version as it goes to the server.
    ///
    /// # Errors
    /// In words, if it is more than a clone takes in.
    pub fn encode(&self, write: &RemoteWrite) -> Result<RedisWrite, String> {
        let (text, fields, life) = match &write.content {
            WriteContent::Text { document, entity, derived, seen } => {
                let life = hash_life(entity, *seen, self.now);
                (Some(document.text().to_owned()), hash_fields(entity, derived), life)
            }
            WriteContent::Gone { last, .. } => {
                (last.as_ref().map(|last| last.text().to_owned()), Vec::new(), HashLife::Over)
            }
        };
        let (shown, ttl) = match life {
            HashLife::Ever => (Some(fields.clone()), None),
            HashLife::For(span) => (Some(fields.clone()), Some(span)),
            HashLife::Over => (None, None),
        };
        let revision = self.next_revision(write);
        let record = RedisRecord {
            revision,
            text,
            path: write.path.clone(),
            wrote: fields,
            by: write.by.agent.clone(),
            operation: write.by.operation.clone(),
            node: self.node.to_owned(),
            from: write.ancestry.words().join(" "),
            gone: write.gone(),
        };
        let (expected, seen) = (write.seen.number, write.seen.token.clone());
        let encoded = RedisWrite { expected, seen, revision, record, shown, ttl };
        match excess(&encoded) {
            Some(why) => Err(format!("it is too much for the server: {why}")),
            None => Ok(encoded),
        }
    }

    /// Returns a number greater than every one that is known. Where the server holds none they begin with the time: what is
    /// still under way from before it lost its data finds no number that it expects.
    fn next_revision(&self, write: &RemoteWrite) -> u64 {
        let begin = || u64::try_from(self.now.unix_ms()).unwrap_or(0);
        let there = Some(write.seen.number).filter(|number| *number > 0).unwrap_or_else(begin);
        there.max(write.known_number).saturating_add(1)
    }
}
