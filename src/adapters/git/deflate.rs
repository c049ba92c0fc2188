//! Compresses objects one after the other with one state: to make that state costs more than to compress a small object. What
//! is small stays as it is: a disk has its blocks, and git compresses it when it packs.

use std::borrow::Cow;
use std::io;

use adler2::Adler32;
use gix::zlib::stream::deflate::{Compress, FlushCompress};
use gix::zlib::{Compression, Status};

/// How much more room is made for what does not fit.
const STEP: usize = 32 * 1024;

/// A stream up to this size takes at most one block more on the disk than if it were compressed.
const STORED_MAX: usize = 2 * 4096;
/// What is around the bytes of a stream with one stored block (RFC 1950, 2.2; RFC 1951, 3.2.4).
const AROUND: usize = 2 + 5 + 4;

/// A compressor whose state is made when it is first needed.
pub(super) struct Deflater {
    level: Compression,
    state: Option<State>,
}

/// The state, and room for what it makes.
struct State {
    compress: Compress,
    out: Vec<u8>,
}

impl Deflater {
    pub(super) fn new(level: Compression) -> Self {
        Self { level, state: None }
    }

    /// A zlib stream of these parts, one behind the other, as short as it helps on the disk.
    ///
    /// # Errors
    /// If the compressor fails, which it does only without memory.
    pub(super) fn stream(&mut self, parts: &[&[u8]]) -> io::Result<Cow<'_, [u8]>> {
        let bytes: usize = parts.iter().map(|part| part.len()).sum();
        if bytes + AROUND <= STORED_MAX {
            Ok(Cow::Owned(stored(parts, bytes)))
        } else {
            self.deflate(parts).map(Cow::Borrowed)
        }
    }

    /// The compressed stream of these parts, one behind the other.
    ///
    /// # Errors
    /// As [`Deflater::stream`].
    pub(super) fn deflate(&mut self, parts: &[&[u8]]) -> io::Result<&[u8]> {
        let level = self.level;
        let state = self.state.get_or_insert_with(|| State { compress: Compress::new(level), out: vec![0; STEP] });
        state.deflate(parts)
    }
}

/// The zlib stream of a few bytes that are not compressed: a header, one stored block that is the last, a check sum.
fn stored(parts: &[&[u8]], bytes: usize) -> Vec<u8> {
    let mut stream = Vec::with_capacity(bytes + AROUND);
    stream.extend([0x78, 0x01, 0x01]);
    let length = u16::try_from(bytes).expect("few bytes");
    stream.extend(length.to_le_bytes());
    stream.extend((!length).to_le_bytes());
    let mut sum = Adler32::new();
    for part in parts {
        stream.extend_from_slice(part);
        sum.write_slice(part);
    }
    stream.extend(sum.checksum().to_be_bytes());
    stream
}

impl State {
    fn deflate(&mut self, parts: &[&[u8]]) -> io::Result<&[u8]> {
        self.compress.reset();
        let mut filled = 0;
        for part in parts {
            filled = self.feed(part, filled, FlushCompress::None)?;
        }
        filled = self.feed(&[], filled, FlushCompress::Finish)?;
        Ok(&self.out[..filled])
    }

    /// Compresses a part; what comes out follows the `filled` bytes that are there. Gives how many are there then.
    fn feed(&mut self, mut input: &[u8], mut filled: usize, flush: FlushCompress) -> io::Result<usize> {
        let finish = flush == FlushCompress::Finish;
        while finish || !input.is_empty() {
            if filled == self.out.len() {
                self.out.resize(filled + STEP, 0);
            }
            let (read, written) = (self.compress.total_in(), self.compress.total_out());
            let status = self.compress.compress(input, &mut self.out[filled..], flush).map_err(io::Error::other)?;
            let since = |now: u64, then: u64| usize::try_from(now - then).map_err(io::Error::other);
            input = &input[since(self.compress.total_in(), read)?..];
            filled += since(self.compress.total_out(), written)?;
            if status == Status::StreamEnd {
                break;
            }
        }
        Ok(filled)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use gix::zlib::Inflate;
    use gix::zlib::stream::deflate;

    use super::*;

    #[test]
    fn one_state_makes_the_same_streams_as_one_for_each() {
        let noise: Vec<u8> = (0..200_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        let level = Compression::new(1).expect("a level");
        let mut deflater = Deflater::new(level);
        for parts in
            [vec![&b"blob 3\0"[..], b"abc"], vec![b"tree 0\0", b""], vec![b"blob 800000\0", &noise], vec![b"x"]]
        {
            let mut apart = deflate::Write::new(Vec::new(), level);
            for part in &parts {
                apart.write_all(part).expect("memory");
            }
            apart.flush().expect("memory");
            assert_eq!(deflater.deflate(&parts).expect("memory"), apart.into_inner());
        }
    }

    #[test]
    fn what_is_small_stays_as_it_is_and_is_read_again() {
        let mut deflater = Deflater::new(Compression::new(1).expect("a level"));
        for size in [0, 1, 700, STORED_MAX - AROUND, STORED_MAX - AROUND + 1, 20_000] {
            let bytes: Vec<u8> = (0..size).map(|n| u8::try_from(n % 7).expect("small")).collect();
            let (head, tail) = bytes.split_at(size / 3);
            let stream = deflater.stream(&[head, tail]).expect("memory").into_owned();
            assert_eq!(stream.len() == size + AROUND, size + AROUND <= STORED_MAX, "{size}");
            assert!(stream.len() <= STORED_MAX, "{size}");
            let mut back = vec![0; size + 1];
            let (status, read, written) = Inflate::default().once(&stream, &mut back).expect("a stream");
            assert_eq!((status, read, written), (Status::StreamEnd, stream.len(), size));
            assert_eq!(back[..size], bytes);
        }
    }
}
