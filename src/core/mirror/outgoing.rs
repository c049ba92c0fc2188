//! A version as it goes to the server, and what is agreed on once it is there.

use super::fields::{Life, digest, fields, ttl};
use super::lineage::{Chain, version};
use super::reconcile::Ground;
use super::remote::{Base, Gone, Local, Outgoing, Record, Remote};
use super::take::FIELDS_MAX;
use crate::core::document::Document;
use crate::core::entity::Entity;
use crate::core::name::{AgentName, DocPath, OperationId};

/// Longest text that goes to a server, and longest hash, in bytes.
const TEXT_BYTES_MAX: usize = crate::core::document::FILE_BYTES_MAX;
/// Most bytes of a version in all, with some left for what goes along.
const ALL_BYTES_MAX: usize = 4 * 1024 * 1024 - 64 * 1024;

/// Why nobody could take a version in, if it is too much.
pub(super) fn excess(send: &Outgoing) -> Option<String> {
    let (wrote, text) = (&send.record.wrote, send.record.text.as_ref().map_or(0, String::len));
    if wrote.len() > FIELDS_MAX {
        return Some(format!("{} fields, and at most {FIELDS_MAX} are taken", wrote.len()));
    }
    let hash: usize = wrote.iter().map(|(field, text)| field.len() + text.len()).sum();
    // The fields are told once more, as JSON.
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

/// What lay in the archive under the name of a document before it was made.
pub(super) fn former(ground: &Ground<'_>, base: Option<&Base>, here: Option<&Local>) -> Option<String> {
    if let Some(base) = base.filter(|base| base.text.is_some()) {
        return base.former.clone();
    }
    let archived = ground.archived.filter(|_| here.is_some_and(|here| !here.path.is_archived()));
    archived.map(|archived| digest(archived.document.bytes()))
}

/// From what a new version is made.
pub(super) struct Version<'a> {
    pub(super) ground: &'a Ground<'a>,
    pub(super) base: Option<&'a Base>,
    pub(super) here: Option<&'a Local>,
    pub(super) there: &'a Remote,
    pub(super) record: Option<&'a Record>,
    /// What is here goes into it.
    pub(super) with_here: bool,
}

impl Version<'_> {
    pub(super) fn text(
        &self,
        document: &Document,
        path: &DocPath,
        entity: &Entity,
        by: (Option<AgentName>, Option<OperationId>),
    ) -> (Outgoing, Base) {
        let wrote = fields(entity, &self.ground.derived);
        let (shown, life) = match ttl(entity, self.ground.seen, self.ground.now) {
            Life::Ever => (Some(wrote.clone()), None),
            Life::For(span) => (Some(wrote.clone()), Some(span)),
            Life::Over => (None, None),
        };
        let record = Record {
            revision: self.revision(),
            text: Some(document.text().to_owned()),
            path: path.clone(),
            wrote,
            by: by.0,
            operation: by.1,
            node: self.ground.node.to_owned(),
            from: String::new(),
            gone: None,
        };
        let (outgoing, base) = self.out(record, Some(document.text()));
        (Outgoing { shown, ttl: life, ..outgoing }, base)
    }

    pub(super) fn gone(&self, gone: Gone, path: &DocPath, last: Option<&Document>) -> (Outgoing, Base) {
        let record = Record {
            revision: self.revision(),
            text: last.filter(|_| gone == Gone::Archived).map(|last| last.text().to_owned()),
            path: path.clone(),
            wrote: Vec::new(),
            by: self.ground.by.cloned(),
            operation: self.ground.operation.cloned(),
            node: self.ground.node.to_owned(),
            from: String::new(),
            gone: Some(gone),
        };
        self.out(record, None)
    }

    fn out(&self, mut record: Record, text: Option<&str>) -> (Outgoing, Base) {
        let older = self.chain(text).words();
        record.from = older.join(" ");
        let (revision, path) = (record.revision, record.path.clone());
        let expected = self.there.revision();
        let outgoing = Outgoing { expected, seen: self.there.sum.clone(), revision, record, shown: None, ttl: None };
        let former = text.and_then(|_| former(self.ground, self.base, self.here));
        let gone_ms = text.is_none().then(|| self.ground.now.unix_ms());
        (outgoing, Base { revision, text: text.map(str::to_owned), path, older, former, gone_ms })
    }

    /// Greater than every one that is known. Where the server holds none they begin with the time: what is still under way
    /// from before it lost its data finds no number that it expects.
    fn revision(&self) -> u64 {
        let begin = || u64::try_from(self.ground.now.unix_ms()).unwrap_or(0);
        let there = Some(self.there.revision()).filter(|revision| *revision > 0).unwrap_or_else(begin);
        there.max(self.base.map_or(0, |base| base.revision)).saturating_add(1)
    }

    fn chain(&self, text: Option<&str>) -> Chain {
        let known = Chain::of_record(self.record);
        let agreed = if self.with_here { Chain::of_base(self.base) } else { Chain::default() };
        let here = self.here.filter(|_| self.with_here).map(|here| version(Some(here.document.text())));
        let there = self.record.map(|record| version(super::lineage::record_text(record)));
        let base = self.base.filter(|_| self.with_here).map(|base| version(base.text.as_deref()));
        let parents: Vec<&str> = [&here, &there, &base].into_iter().flatten().map(String::as_str).collect();
        // The server's data lives on as long as each version follows on one that is there.
        let life = known.life().map_or_else(
            || {
                let node: String = self.ground.node.chars().filter(|c| !c.is_whitespace()).collect();
                format!("@{node}.{}.{}", self.ground.now.unix_ms(), self.revision())
            },
            str::to_owned,
        );
        Chain::of_child(&version(text), &parents, [&known, &agreed], life)
    }
}
