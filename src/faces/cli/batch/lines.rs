//! The lines of a batch as they come, gathered into parts that are written together. Knows nothing of what they say.

use std::io::{self, BufRead, Read as _};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

/// Most lines that are written together, with one wait for the disk and one commit.
pub(super) const CHUNK_LINES_MAX: usize = 1_000;
/// Most bytes of lines that are written together.
pub(super) const CHUNK_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Longest line, in bytes without its end: a payload of the largest size, and the rest.
pub(super) const LINE_BYTES_MAX: usize = 2 * 1024 * 1024;
/// How long the next line is waited for before those that are there are written.
const GATHER: Duration = Duration::from_millis(5);

/// One line that is not blank.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Counted from 1, blank ones too.
    pub(super) number: usize,
    /// Its bytes without its end; what is longer than [`LINE_BYTES_MAX`] is cut one byte behind it.
    pub(super) bytes: Vec<u8>,
}

/// Lines that another thread reads.
#[derive(Debug)]
pub(super) struct Lines {
    incoming: Receiver<io::Result<Line>>,
    is_over: bool,
}

impl Lines {
    /// Begins to read.
    pub(super) fn of(mut source: Box<dyn BufRead + Send>) -> Self {
        let (sender, incoming) = sync_channel(CHUNK_LINES_MAX);
        std::thread::spawn(move || {
            let mut number = 0;
            loop {
                number += 1;
                let line = match next(&mut source) {
                    Ok(None) => return,
                    Ok(Some(bytes)) if bytes.iter().all(u8::is_ascii_whitespace) => continue,
                    Ok(Some(bytes)) => Ok(Line { number, bytes }),
                    Err(error) => Err(error),
                };
                let is_last = line.is_err();
                // Nobody listens any more: the command is over.
                if sender.send(line).is_err() || is_last {
                    return;
                }
            }
        });
        Self { incoming, is_over: false }
    }

    /// The next lines: waits for the first, and takes as many as come at once. Nothing at the end.
    pub(super) fn chunk(&mut self) -> io::Result<Vec<Line>> {
        let mut lines = Vec::new();
        let mut bytes = 0;
        while !self.is_over && lines.len() < CHUNK_LINES_MAX && bytes < CHUNK_BYTES_MAX {
            let next = if lines.is_empty() {
                self.incoming.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                self.incoming.recv_timeout(GATHER)
            };
            match next {
                Ok(line) => {
                    let line = line?;
                    bytes += line.bytes.len();
                    lines.push(line);
                }
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => self.is_over = true,
            }
        }
        Ok(lines)
    }
}

/// The bytes of the next line without its end; `None` at the end of the text.
fn next(source: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    let most = LINE_BYTES_MAX as u64 + 1;
    if source.by_ref().take(most).read_until(b'\n', &mut bytes)? == 0 {
        return Ok(None);
    }
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    } else if bytes.len() > LINE_BYTES_MAX {
        source.skip_until(b'\n')?;
    }
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &[u8]) -> Vec<Line> {
        let mut lines = Lines::of(Box::new(io::Cursor::new(text.to_vec())));
        let mut all = Vec::new();
        loop {
            let chunk = lines.chunk().expect("read");
            if chunk.is_empty() {
                return all;
            }
            assert!(chunk.len() <= CHUNK_LINES_MAX);
            all.extend(chunk);
        }
    }

    #[test]
    fn lines_keep_their_numbers_and_lose_their_ends() {
        let line = |number, text: &str| Line { number, bytes: text.as_bytes().to_vec() };
        assert_eq!(all(b"a\r\n\n  \nb\nc"), [line(1, "a"), line(4, "b"), line(5, "c")]);
        assert_eq!(all(b""), []);
    }

    #[test]
    fn many_lines_come_in_parts_and_long_ones_are_cut() {
        let text = "x\n".repeat(2 * CHUNK_LINES_MAX + 1);
        assert_eq!(all(text.as_bytes()).len(), 2 * CHUNK_LINES_MAX + 1);
        let edge = format!("{}\n{}\nx\n", "a".repeat(LINE_BYTES_MAX), "b".repeat(2 * LINE_BYTES_MAX));
        let lengths: Vec<_> = all(edge.as_bytes()).iter().map(|line| (line.number, line.bytes.len())).collect();
        assert_eq!(lengths, [(1, LINE_BYTES_MAX), (2, LINE_BYTES_MAX + 1), (3, 1)]);
    }
}
