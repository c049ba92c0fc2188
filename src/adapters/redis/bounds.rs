//! How much a server may say at once. A client library reads an answer as a whole into memory, however long the server says that
//! it is; so the bytes are counted before it sees them, and a connection that says more than can be meant ends.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The most bytes of one answer: some times more than the largest part of a look at documents.
pub const ANSWER_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// The most values in one answer: each takes more room in memory than on the wire.
const VALUES_MAX: u64 = 1_000_000;
/// How deep values may lie in each other.
const DEPTH_MAX: usize = 32;
/// What is kept of the line before a value, in bytes: its kind and its length.
const HEAD_MAX: usize = 32;

/// Follows answers as they come, and counts what belongs to one.
#[derive(Debug, Default)]
struct AnswerMeter {
    bytes: u64,
    values: u64,
    /// Bytes of a text that are still to come, with its end.
    text_left: u64,
    /// The beginning of the line that is under way.
    head: Vec<u8>,
    /// How many values are still to come, in each value that lies in another.
    open: Vec<u64>,
}

impl AnswerMeter {
    /// Takes the next bytes.
    ///
    /// # Errors
    /// In words, if the answer is more than can be meant.
    fn take(&mut self, mut bytes: &[u8]) -> Result<(), String> {
        while !bytes.is_empty() {
            if self.text_left > 0 {
                let part = usize::try_from(self.text_left).unwrap_or(usize::MAX).min(bytes.len());
                self.count(part)?;
                self.text_left -= part as u64;
                bytes = &bytes[part..];
                if self.text_left == 0 {
                    self.end_value();
                }
                continue;
            }
            let end = bytes.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
            let part = end.unwrap_or(bytes.len());
            self.count(part)?;
            let room = HEAD_MAX.saturating_sub(self.head.len()).min(part);
            self.head.extend_from_slice(&bytes[..room]);
            bytes = &bytes[part..];
            if end.is_some() {
                let head = std::mem::take(&mut self.head);
                self.begin_value(&head)?;
            }
        }
        Ok(())
    }

    fn count(&mut self, bytes: usize) -> Result<(), String> {
        self.bytes += bytes as u64;
        if self.bytes > ANSWER_BYTES_MAX { Err(too_many(self.bytes, "bytes", ANSWER_BYTES_MAX)) } else { Ok(()) }
    }

    /// A line is whole: it is a value, or says how much belongs to one.
    fn begin_value(&mut self, head: &[u8]) -> Result<(), String> {
        let number =
            std::str::from_utf8(head.get(1..).unwrap_or_default()).ok().and_then(|text| text.trim().parse().ok());
        let number: u64 = number.unwrap_or(0);
        let inner = match head.first() {
            Some(b'$' | b'!' | b'=') if head.get(1) != Some(&b'-') => {
                self.text_left = number.saturating_add(2);
                let all = self.bytes.saturating_add(self.text_left);
                if all > ANSWER_BYTES_MAX {
                    return Err(too_many(all, "bytes", ANSWER_BYTES_MAX));
                }
                return Ok(());
            }
            Some(b'*' | b'~' | b'>') => number,
            Some(b'%') => number.saturating_mul(2),
            // Attributes stand before the value that they are about.
            Some(b'|') => number.saturating_mul(2).saturating_add(1),
            _ => 0,
        };
        self.values = self.values.saturating_add(inner).saturating_add(1);
        if self.values > VALUES_MAX {
            return Err(too_many(self.values, "values", VALUES_MAX));
        }
        if inner == 0 {
            self.end_value();
            return Ok(());
        }
        self.open.push(inner);
        if self.open.len() > DEPTH_MAX {
            return Err(format!("an answer has values that lie in each other deeper than {DEPTH_MAX}"));
        }
        Ok(())
    }

    fn end_value(&mut self) {
        while let Some(left) = self.open.last_mut() {
            *left -= 1;
            if *left > 0 {
                return;
            }
            self.open.pop();
        }
        (self.bytes, self.values) = (0, 0);
    }
}

fn too_many(found: u64, what: &str, max: u64) -> String {
    format!("an answer has {found} {what} or more; at most {max} are allowed")
}

/// A connection whose answers are bounded.
#[derive(Debug)]
pub(super) struct BoundedStream<S> {
    stream: S,
    meter: AnswerMeter,
}

impl<S> BoundedStream<S> {
    /// Bounds what comes over a connection.
    pub(super) fn new(stream: S) -> Self {
        Self { stream, meter: AnswerMeter::default() }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for BoundedStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, into))?;
        let new = into.filled().get(before..).unwrap_or_default();
        Poll::Ready(self.meter.take(new).map_err(|why| io::Error::new(io::ErrorKind::InvalidData, why)))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for BoundedStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of bytes, however they are cut.
    fn taken(bytes: &[u8]) -> Result<AnswerMeter, String> {
        let mut outcomes = Vec::new();
        for part in [1, 7, bytes.len().max(1)] {
            let mut meter = AnswerMeter::default();
            outcomes.push(bytes.chunks(part).try_for_each(|part| meter.take(part)).map(|()| meter));
        }
        let kinds: Vec<bool> = outcomes.iter().map(Result::is_ok).collect();
        assert!(kinds.iter().all(|kind| *kind == kinds[0]), "the cuts matter: {outcomes:?}");
        outcomes.remove(0)
    }

    #[test]
    fn answers_that_are_whole_leave_nothing_open() {
        for whole in [
            "+OK\r\n",
            ":12\r\n",
            "$5\r\nhello\r\n",
            "$0\r\n\r\n",
            "$-1\r\n",
            "*-1\r\n",
            "*0\r\n",
            "_\r\n",
            "*2\r\n*1\r\n:1\r\n$3\r\na\nb\r\n",
            "%1\r\n+a\r\n*2\r\n:1\r\n:2\r\n",
            ">3\r\n+pmessage\r\n+a*\r\n$2\r\n\r\n\r\n",
            "|1\r\n+ttl\r\n:3\r\n:7\r\n",
            "=8\r\ntxt:some\r\n",
            "-ERR no\r\n",
        ] {
            let meter = taken(whole.as_bytes()).expect(whole);
            let left = (meter.bytes, meter.values, meter.text_left, meter.open.len());
            assert_eq!(left, (0, 0, 0, 0), "{whole}");
        }
        // One after the other, for ever, is not one answer.
        let mut meter = AnswerMeter::default();
        for _ in 0..70 {
            meter.take(&[b"$1000000\r\n".as_slice(), &vec![b'x'; 1_000_000], b"\r\n"].concat()).expect("each is small");
        }
    }

    #[test]
    fn more_than_can_be_meant_is_an_error_as_soon_as_it_is_known() {
        for (begin, word) in [
            ("$2147483647\r\n", "bytes"),
            ("!99999999999\r\n", "bytes"),
            ("$99999999999999999999999\r\n", ""),
            ("*1000000000\r\n", "values"),
            ("%600000\r\n", "values"),
            (">18446744073709551615\r\n", "values"),
            ("*2\r\n$20000000\r\n", ""),
        ] {
            let outcome = taken(begin.as_bytes());
            assert_eq!(
                outcome.as_ref().err().is_some_and(|why| why.contains(word)),
                !word.is_empty(),
                "{begin}: {outcome:?}"
            );
        }
        assert!(taken("*1\r\n".repeat(40).as_bytes()).expect_err("deep").contains("deeper"));
        let mut meter = AnswerMeter::default();
        let endless = vec![b'x'; 1_000_000];
        let lines = (0..40).map(|_| meter.take(&endless)).take_while(Result::is_ok).count();
        assert_eq!(lines, 33, "a line without an end");
    }
}
