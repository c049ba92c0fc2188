//! What gix does not write of an index: version 4, and that the untracked cache is on. Bytes in, bytes out.

use gix::index::Version;

/// Length of the header: signature, version, count of entries.
const HEADER: usize = 12;
/// Length of the stat data of an entry, before the id of its content.
const STAT: usize = 40;
/// Length of the flags of an entry.
const FLAGS: usize = 2;
/// The flag that says that two more bytes of flags follow.
const EXTENDED: u8 = 0x40;
/// Entries of version 2 and 3 end on a multiple of this, with at least one NUL.
const ALIGNMENT: usize = 8;
/// The extension with the untracked cache.
const UNTRACKED: &[u8; 4] = b"UNTR";
/// Length of what the untracked cache holds before its two ids: two stats, and flags.
const UNTRACKED_FIXED: usize = 76;
/// Length of the signature and the length of an extension.
const EXTENSION: usize = 8;

/// What of an index is kept beside what gix writes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::adapters::git) struct IndexFormat {
    /// The paths of entries are shortened by what they share with the one before.
    is_version_4: bool,
    /// The extension of the untracked cache, without folders: git fills it again.
    untracked: Option<Vec<u8>>,
}

impl IndexFormat {
    /// Returns what has to be kept of an index; `bytes` are read only if there may be something.
    pub(in crate::adapters::git) fn of(index: &gix::index::File, bytes: impl FnOnce() -> Option<Vec<u8>>) -> Self {
        let hash = index.object_hash().len_in_bytes();
        let untracked = index.untracked().and_then(|_| empty_cache(&bytes()?, hash));
        Self { is_version_4: index.version() == Version::V4, untracked }
    }

    /// Returns true if what gix writes is what is wanted.
    pub(in crate::adapters::git) fn is_plain(&self) -> bool {
        *self == Self::default()
    }

    /// Brings an index of version 2 or 3, without the checksum of its extensions, into this format. `None` if it has another
    /// shape. The checksum at its end is left as zeros.
    pub(in crate::adapters::git) fn apply(&self, bytes: &[u8], hash: usize) -> Option<Vec<u8>> {
        let (count, mut at) = (number(bytes.get(8..HEADER)?)?, HEADER);
        let mut out = bytes.get(..HEADER)?.to_vec();
        if self.is_version_4 {
            out[7] = 4;
        }
        let mut last: &[u8] = b"";
        for _ in 0..count {
            let flags = bytes.get(at + STAT + hash)?;
            let fixed = STAT + hash + FLAGS + if flags & EXTENDED == 0 { 0 } else { FLAGS };
            let path = bytes.get(at + fixed..)?;
            let path = path.get(..path.iter().position(|byte| *byte == 0)?)?;
            let length = fixed + path.len();
            let end = at + (length / ALIGNMENT + 1) * ALIGNMENT;
            if self.is_version_4 {
                out.extend_from_slice(bytes.get(at..at + fixed)?);
                let shared = last.iter().zip(path).take_while(|(a, b)| a == b).count();
                push_offset(&mut out, last.len() - shared);
                out.extend_from_slice(&path[shared..]);
                out.push(0);
            } else {
                out.extend_from_slice(bytes.get(at..end)?);
            }
            (last, at) = (path, end);
        }
        out.extend_from_slice(bytes.get(at..bytes.len().checked_sub(hash)?)?);
        out.extend_from_slice(self.untracked.as_deref().unwrap_or_default());
        out.resize(out.len() + hash, 0);
        Some(out)
    }
}

/// Appends a number as git writes the length that is taken from the path before: seven bits a byte, the highest first.
fn push_offset(out: &mut Vec<u8>, mut number: usize) {
    let low = |number: usize| u8::try_from(number & 0x7f).unwrap_or_default();
    let mut bytes = vec![low(number)];
    while number >> 7 > 0 {
        number = (number >> 7) - 1;
        bytes.push(0x80 | low(number));
    }
    out.extend(bytes.iter().rev());
}

fn number(bytes: &[u8]) -> Option<usize> {
    usize::try_from(u32::from_be_bytes(bytes.try_into().ok()?)).ok()
}

/// Returns the extension with the untracked cache of an index, without the folders that it knows: they are of before the commit.
fn empty_cache(bytes: &[u8], hash: usize) -> Option<Vec<u8>> {
    // Its place is not known without reading all entries. What only looks like it does not have its shape.
    let ends = bytes.len().checked_sub(hash)?;
    let mut starts = bytes.windows(UNTRACKED.len()).enumerate().filter(|(_, window)| *window == UNTRACKED);
    starts.find_map(|(start, _)| {
        let length = number(bytes.get(start + 4..start + EXTENSION)?)?;
        let end = (start + EXTENSION).checked_add(length).filter(|end| *end <= ends)?;
        let body = bytes.get(start + EXTENSION..end)?;
        let (ident, ident_at) = offset(body)?;
        let fixed = ident_at.checked_add(ident)?.checked_add(UNTRACKED_FIXED + 2 * hash)?;
        let name = body.get(fixed..)?.iter().position(|byte| *byte == 0)?;
        let mut kept = body.get(..=fixed + name)?.to_vec();
        kept.push(0);
        let mut out = UNTRACKED.to_vec();
        out.extend_from_slice(&u32::try_from(kept.len()).ok()?.to_be_bytes());
        out.append(&mut kept);
        Some(out)
    })
}

/// Reads a number that was written as [`push_offset`] does, and where it ends.
fn offset(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0_usize;
    for (index, byte) in bytes.iter().enumerate().take(size_of::<usize>()) {
        value = (value << 7) + usize::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((value, index + 1));
        }
        value += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_read_as_they_are_written() {
        for number in [0, 1, 127, 128, 129, 300, 16_511, 16_512, 70_000] {
            let mut bytes = Vec::new();
            push_offset(&mut bytes, number);
            assert_eq!(offset(&bytes), Some((number, bytes.len())), "{bytes:?}");
        }
        assert_eq!(offset(&[0x80]), None);
    }

    #[test]
    fn what_is_no_index_has_no_format() {
        let format = IndexFormat { is_version_4: true, untracked: None };
        assert_eq!(format.apply(b"DIRC", 20), None);
        assert_eq!(empty_cache(&[b"DIRCUNTR\0\0\0\xffx".as_slice(), &[0; 20]].concat(), 20), None);
    }
}
