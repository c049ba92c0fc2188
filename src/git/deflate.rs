//! Compresses objects one after the other with one state: to make that state costs more than to compress a small object.

use std::io;

use gix::zlib::stream::deflate::{Compress, FlushCompress};
use gix::zlib::{Compression, Status};

/// How much more room is made for what does not fit.
const STEP: usize = 32 * 1024;

/// The state of a compressor, and room for what it makes.
pub(super) struct Deflater {
    state: Compress,
    out: Vec<u8>,
}

impl Deflater {
    pub(super) fn new(level: Compression) -> Self {
        Self { state: Compress::new(level), out: vec![0; STEP] }
    }

    /// The zlib stream of these parts, one behind the other.
    ///
    /// # Errors
    /// If the compressor fails, which it does only without memory.
    pub(super) fn deflate(&mut self, parts: &[&[u8]]) -> io::Result<&[u8]> {
        self.state.reset();
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
            let (read, written) = (self.state.total_in(), self.state.total_out());
            let status = self.state.compress(input, &mut self.out[filled..], flush).map_err(io::Error::other)?;
            let since = |now: u64, then: u64| usize::try_from(now - then).map_err(io::Error::other);
            input = &input[since(self.state.total_in(), read)?..];
            filled += since(self.state.total_out(), written)?;
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
}
