//! A file of published events: its lines, what a publishing adds to it, and which of its lines are new.

use std::collections::{BTreeMap, BTreeSet};

use super::brief::{Seen, digest};
use super::feed::Told;
use super::lifecycle::Side;
use super::line::Published;
use crate::core::diagnostic::{Code, Diagnostic, Place};
use crate::core::name::{DocPath, EventId};
use crate::core::time::Timestamp;

/// Largest file of events that is added to, in bytes; then it goes to the archive and a new one is begun.
pub const LOG_BYTES_MAX: usize = 16 * 1024;
/// The file that is read, and never written: the one of the reference document.
pub const LOG_DEFAULT: &str = "events.md";

/// The events of a file, and what is said of the lines that are none. Blank lines and headings are no events.
#[must_use]
pub fn read_log(path: &DocPath, bytes: &[u8]) -> (Vec<Published>, Vec<Diagnostic>) {
    let text = String::from_utf8_lossy(bytes);
    let (mut events, mut findings) = (Vec::new(), Vec::new());
    let mut number: usize = 0;
    for line in text.trim_start_matches('\u{feff}').split_inclusive('\n') {
        number = number.saturating_add(1);
        let is_whole = line.ends_with('\n');
        let line = line.trim_end_matches(['\n', '\r']);
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        match Published::parse(line) {
            Ok(event) => events.push(event),
            Err(why) => {
                let torn = if is_whole { "" } else { "; it may be torn" };
                let message = format!("this line is no event: {why}{torn}");
                let finding = Diagnostic::warning(Code::BadEvent, message).at(Place { line: number, column: 1 });
                findings.push(finding.in_file(path).hint("fix the line, or remove it; the other lines are read"));
            }
        }
    }
    (events, findings)
}

/// The file after one more event; and where the old one goes, if it is full.
#[must_use]
pub fn after_publishing(
    path: &DocPath,
    bytes: Option<&[u8]>,
    event: &Published,
    now: Timestamp,
) -> (Vec<u8>, Option<DocPath>) {
    let line = event.text() + "\n";
    let old = bytes.unwrap_or_default();
    let is_full = !old.is_empty() && old.len() + line.len() > LOG_BYTES_MAX;
    let full = is_full.then(|| {
        let name = format!("archive/{}/{}-{}.md", now.month(), path.stem(), now.unix_ms());
        DocPath::new(name).ok()
    });
    if let Some(archive) = full.flatten() {
        return (line.into_bytes(), Some(archive));
    }
    let mut new = old.to_vec();
    if !new.is_empty() && !new.ends_with(b"\n") {
        new.push(b'\n');
    }
    new.extend(line.as_bytes());
    (new, None)
}

/// What becomes of a file of events when more are added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogAfter {
    /// The file itself.
    pub log: Vec<u8>,
    /// The files that went to the archive because they were full, the oldest first.
    pub full: Vec<(DocPath, Vec<u8>)>,
}

/// The file after these events; and what goes to the archive whenever it is full.
#[must_use]
pub fn after_publishing_all(path: &DocPath, bytes: Option<&[u8]>, events: &[Published], now: Timestamp) -> LogAfter {
    let mut after = LogAfter { log: bytes.unwrap_or_default().to_vec(), full: Vec::new() };
    for event in events {
        // Each goes to a place of its own.
        let number = i64::try_from(after.full.len()).unwrap_or(i64::MAX);
        let at = Timestamp::from_unix_ms(now.unix_ms().saturating_add(number));
        let (log, archive) = after_publishing(path, Some(&after.log), event, at);
        let old = std::mem::replace(&mut after.log, log);
        after.full.extend(archive.map(|place| (place, old)));
    }
    after
}

/// A state of a file of events.
pub(super) fn seen(bytes: &[u8]) -> Seen {
    Seen { digest: digest(&[bytes]), bytes: bytes.len(), brief: None, stamp: None }
}

/// The events that an operation added, by the file in which they stand: what only moves from file to file is not new.
pub(super) fn fresh(changes: &[Side<'_>]) -> BTreeMap<DocPath, Vec<Told>> {
    let mut old: BTreeSet<EventId> = BTreeSet::new();
    for (path, before, _) in changes.iter().filter(|(path, ..)| path.is_events()) {
        old.extend(read_log(path, before.unwrap_or_default()).0.into_iter().map(|event| event.id));
    }
    let mut fresh = BTreeMap::new();
    for (path, _, after) in changes.iter().filter(|(path, ..)| path.is_events()) {
        let events = read_log(path, after.unwrap_or_default()).0.into_iter();
        let new: Vec<Told> = events.filter(|event| old.insert(event.id.clone())).map(Published::told).collect();
        fresh.insert((*path).clone(), new);
    }
    fresh
}

/// The events of a file that were not told: those behind what was told of it, if that still stands at its start. `None` if
/// it does not: then the rest of what was told is to be looked for in the archive.
#[must_use]
pub fn missing(path: &DocPath, told: Option<&Seen>, bytes: &[u8]) -> Option<Vec<Told>> {
    let start = match told {
        None => 0,
        Some(told) => {
            let start = bytes.get(..told.bytes)?;
            if digest(&[start]) != told.digest {
                return None;
            }
            told.bytes
        }
    };
    let rest = bytes.get(start..).unwrap_or_default();
    Some(read_log(path, rest).0.into_iter().map(Published::told).collect())
}
