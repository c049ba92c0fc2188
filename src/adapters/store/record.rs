//! One record of the journal as bytes and back. Pure: any bytes are read or refused, none make it panic.
//!
//! A frame is `length u32 | checksum u64 | payload | state u8`, little-endian; the checksum is FNV-1a (64 bit) over the
//! payload. The payload is: operation id, agent, verb, moment (milliseconds since 1970), base, then for each path its name,
//! the bytes before, the bytes after and the name of the temporary file. A text or byte string is a u32 length and the
//! bytes; a value that may be missing has a byte 0 or 1 before it.

use crate::core::name::{AgentName, DocPath, OperationId, Revision};
use crate::core::time::Timestamp;

/// Bytes of a frame before its payload: length and checksum.
const HEAD_BYTES: usize = 12;

/// Who did what and when: one call of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// Its id, unique for good.
    pub id: OperationId,
    /// The agent that acts, if one is named.
    pub agent: Option<AgentName>,
    /// What it does, as the command says it (`task start`).
    pub verb: String,
    /// When it was asked for.
    pub at: Timestamp,
    /// The newest commit at that moment, if there is one. It is kept for whoever makes commits of the journal.
    pub base: Option<Revision>,
    /// The branch at that moment. The journal does not hold it: a record that is read has none, or that of the operation that
    /// recovered it.
    pub branch: Option<String>,
}

/// What an operation did to one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedChange {
    /// Which document.
    pub path: DocPath,
    /// Its bytes before; `None`: it was not there.
    pub before: Option<Vec<u8>>,
    /// Its bytes after; `None`: it was removed.
    pub after: Option<Vec<u8>>,
}

/// An operation that was applied, as the journal has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Who, what, when.
    pub operation: Operation,
    /// To which documents, in the order in which they were named.
    pub changes: Vec<RecordedChange>,
}

/// A record with the name of the temporary file of each change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) record: Record,
    pub(super) temps: Vec<String>,
}

/// How far the operation of a record came: one byte behind its payload, changed in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct State(u8);

impl State {
    const BASE: u8 = 0x40;
    /// Appended; its exchanges are under way.
    pub(super) const PENDING: Self = Self(Self::BASE);
    /// Every exchange is made.
    pub(super) const DONE: Self = Self(Self::BASE | 1);
    /// Taken back or given up.
    pub(super) const DROPPED: Self = Self(Self::BASE | 2);

    pub(super) fn byte(self) -> u8 {
        self.0
    }

    pub(super) fn is_done(self) -> bool {
        self.0 & 1 != 0
    }

    pub(super) fn is_pending(self) -> bool {
        self.0 == Self::PENDING.0
    }

    /// Its temporary files are looked at and gone: nothing in it is to be repeated or put back.
    pub(super) fn settled(self) -> Self {
        Self(self.0 | 4)
    }

    pub(super) fn is_settled(self) -> bool {
        self.0 & 4 != 0
    }

    /// Its changes are committed: nobody asks for it any more.
    pub(super) fn forgotten(self) -> Self {
        Self(self.0 | 8)
    }

    pub(super) fn is_forgotten(self) -> bool {
        self.0 & 8 != 0
    }
}

/// A frame found in a journal: where its state byte stands (from the start of the bytes read), its state, its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) start: usize,
    pub(super) state_at: usize,
    pub(super) state: State,
    pub(super) entry: Entry,
}

/// The frame of an entry, in state `PENDING`; `None` if a part is too long for its length field.
pub(super) fn encode(entry: &Entry) -> Option<Vec<u8>> {
    let mut out = vec![0; HEAD_BYTES];
    let operation = &entry.record.operation;
    put(&mut out, operation.id.as_str().as_bytes())?;
    put_option(&mut out, operation.agent.as_ref().map(|agent| agent.as_str().as_bytes()))?;
    put(&mut out, operation.verb.as_bytes())?;
    out.extend(operation.at.unix_ms().to_le_bytes());
    put_option(&mut out, operation.base.as_ref().map(|base| base.as_str().as_bytes()))?;
    out.extend(u32::try_from(entry.record.changes.len()).ok()?.to_le_bytes());
    for (change, temp) in entry.record.changes.iter().zip(&entry.temps) {
        put(&mut out, change.path.as_str().as_bytes())?;
        put_option(&mut out, change.before.as_deref())?;
        put_option(&mut out, change.after.as_deref())?;
        put(&mut out, temp.as_bytes())?;
    }
    let length = u32::try_from(out.len() - HEAD_BYTES).ok()?;
    let sum = checksum(&out[HEAD_BYTES..]);
    out[..4].copy_from_slice(&length.to_le_bytes());
    out[4..HEAD_BYTES].copy_from_slice(&sum.to_le_bytes());
    out.push(State::PENDING.byte());
    Some(out)
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) -> Option<()> {
    out.extend(u32::try_from(bytes.len()).ok()?.to_le_bytes());
    out.extend(bytes);
    Some(())
}

fn put_option(out: &mut Vec<u8>, bytes: Option<&[u8]>) -> Option<()> {
    out.push(u8::from(bytes.is_some()));
    bytes.map_or(Some(()), |bytes| put(out, bytes))
}

/// Every whole frame from the start of the bytes; a torn or foreign tail ends the list.
pub(super) fn decode_all(bytes: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    let mut at = 0;
    while let Some((frame, next)) = decode(bytes, at) {
        frames.push(frame);
        at = next;
    }
    frames
}

/// The frame that begins at `start`, and where the next one begins.
pub(super) fn decode(bytes: &[u8], start: usize) -> Option<(Frame, usize)> {
    let mut head = Reader(bytes.get(start..)?);
    let length = usize::try_from(head.u32()?).ok()?;
    let sum = u64::from_le_bytes(head.take(8)?.try_into().ok()?);
    let payload = head.take(length)?;
    let state = *head.take(1)?.first()?;
    if checksum(payload) != sum || state & 0xf0 != State::BASE {
        return None;
    }
    let entry = decode_entry(payload)?;
    let state_at = start + HEAD_BYTES + length;
    Some((Frame { start, state_at, state: State(state), entry }, state_at + 1))
}

fn decode_entry(payload: &[u8]) -> Option<Entry> {
    let mut reader = Reader(payload);
    let id = OperationId::new(reader.text()?).ok()?;
    let (mut agent, mut base) = (None, None);
    reader.option_text(&mut agent)?;
    let agent = agent.map(AgentName::new).transpose().ok()?;
    let verb = reader.text()?;
    let at = Timestamp::from_unix_ms(i64::from_le_bytes(reader.take(8)?.try_into().ok()?));
    reader.option_text(&mut base)?;
    let base = base.map(|base| Revision::new(base).ok_or(())).transpose().ok()?;
    let mut changes = Vec::new();
    let mut temps = Vec::new();
    for _ in 0..reader.u32()? {
        let path = DocPath::new(reader.text()?).ok()?;
        let mut change = RecordedChange { path, before: None, after: None };
        reader.option(&mut change.before)?;
        reader.option(&mut change.after)?;
        changes.push(change);
        temps.push(reader.text().filter(|name| is_temp_name(name))?);
    }
    let record = Record { operation: Operation { id, agent, verb, at, base, branch: None }, changes };
    reader.0.is_empty().then_some(Entry { record, temps })
}

/// A name that stays in its directory.
pub(super) fn is_temp_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= 255 && name != "." && name != ".." && !name.contains(['/', '\0'])
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.u32()?;
        self.take(usize::try_from(length).ok()?)
    }

    fn text(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?.to_vec()).ok()
    }

    /// A value that may be missing, into its place; `None` if the bytes are no such value.
    fn option(&mut self, into: &mut Option<Vec<u8>>) -> Option<()> {
        match self.take(1)? {
            [0] => {}
            [1] => *into = Some(self.bytes()?.to_vec()),
            _ => return None,
        }
        Some(())
    }
}

/// Takes any bytes as a journal and as one payload: what is read can be written, and is then read the same.
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz_journal(input: &[u8]) {
    let length = u32::try_from(input.len()).expect("an input of a fuzzer is small").to_le_bytes();
    let framed = [&length[..], &checksum(input).to_le_bytes()[..], input, &[State::PENDING.byte()]].concat();
    for bytes in [input, &framed] {
        for frame in decode_all(bytes) {
            assert!(frame.start < frame.state_at && frame.state_at < bytes.len());
            assert!(frame.entry.temps.iter().all(|name| is_temp_name(name)));
            let again = decode_all(&encode(&frame.entry).expect("it was read"));
            assert_eq!(again.first().map(|again| &again.entry), Some(&frame.entry));
        }
    }
}

impl Reader<'_> {
    fn option_text(&mut self, into: &mut Option<String>) -> Option<()> {
        let mut bytes = None;
        self.option(&mut bytes)?;
        *into = bytes.map(String::from_utf8).transpose().ok()?;
        Some(())
    }
}

/// FNV-1a, 64 bit (offset basis and prime of the published function): it finds torn writes, it is no defence.
pub(super) fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Content = Option<Vec<u8>>;

    fn entry(id: u32, contents: Vec<(Content, Content)>) -> Entry {
        let operation = Operation {
            id: OperationId::new(format!("op-{id}")).expect("valid"),
            agent: id.is_multiple_of(2).then(|| AgentName::new("ai-engineer").expect("valid")),
            verb: "task start".to_owned(),
            at: Timestamp::from_unix_ms(i64::from(id)),
            base: id
                .is_multiple_of(3)
                .then(|| Revision::new("0123456789abcdef0123456789abcdef01234567").expect("valid")),
            branch: None,
        };
        let path = |n: usize| DocPath::new(format!("task-{n}.md")).expect("valid");
        let temps = (0..contents.len()).map(|n| format!("temp-{n}")).collect();
        let changes = contents
            .into_iter()
            .enumerate()
            .map(|(n, (before, after))| RecordedChange { path: path(n), before, after })
            .collect();
        Entry { record: Record { operation, changes }, temps }
    }

    fn entries() -> impl Strategy<Value = Vec<Entry>> {
        let content = || proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40));
        let changes = proptest::collection::vec((content(), content()), 0..4);
        proptest::collection::vec((any::<u32>(), changes).prop_map(|(id, changes)| entry(id, changes)), 0..5)
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(entries in entries()) {
            let bytes: Vec<u8> = entries.iter().flat_map(|entry| encode(entry).expect("fits")).collect();
            let read: Vec<Entry> = decode_all(&bytes).into_iter().map(|frame| frame.entry).collect();
            prop_assert_eq!(read, entries);
        }

        #[test]
        fn a_journal_cut_anywhere_gives_a_prefix(entries in entries()) {
            let mut ends = vec![0];
            let mut bytes = Vec::new();
            for entry in &entries {
                bytes.extend(encode(entry).expect("fits"));
                ends.push(bytes.len());
            }
            for cut in 0..=bytes.len() {
                let whole = ends.iter().filter(|end| **end <= cut).count() - 1;
                let read: Vec<Entry> = decode_all(&bytes[..cut]).into_iter().map(|frame| frame.entry).collect();
                prop_assert_eq!(&read[..], &entries[..whole], "cut at {}", cut);
            }
        }

        #[test]
        fn a_changed_byte_never_changes_a_record(entries in entries(), at in any::<proptest::sample::Index>(), flip in 1..=255_u8) {
            let mut bytes: Vec<u8> = entries.iter().flat_map(|entry| encode(entry).expect("fits")).collect();
            prop_assume!(!bytes.is_empty());
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            for (frame, entry) in decode_all(&bytes).iter().zip(&entries) {
                prop_assert_eq!(&frame.entry, entry);
            }
        }

        #[test]
        fn arbitrary_bytes_are_refused_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = decode_all(&bytes);
            let _ = decode_entry(&bytes);
        }
    }

    #[test]
    fn a_record_cannot_lead_out_of_its_folders() {
        for temp in ["", ".", "..", "a/b", "../x", "a\0b"] {
            let mut bad = entry(1, vec![(None, Some(b"x".to_vec()))]);
            bad.temps = vec![temp.to_owned()];
            assert!(decode_all(&encode(&bad).expect("fits")).is_empty(), "{temp:?}");
        }
    }
}
