//! How long the last operations of this work tree took, in run state: a measure to look at, not a record. Losing some is no harm.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::Duration;

use super::plain::read_bytes;
use super::{LocalState, share};

/// How many operations the measure is about.
pub const LATENCIES_KEPT: usize = 100;
/// Bytes of one: microseconds, little-endian.
const WIDTH: usize = 4;
/// From this size on the file is cut back to the newest.
const BYTES_MAX: usize = 64 * LATENCIES_KEPT * WIDTH;

impl LocalState {
    /// Writes down how long an operation took until it was acknowledged. What stands in the way of that is no reason to
    /// fail, since the operation itself is done.
    pub fn note_latency(&self, took: Duration) {
        // Nobody is helped by an error here.
        let _ = self.add_latency(took);
    }

    fn add_latency(&self, took: Duration) -> io::Result<()> {
        let path = self.latency_path();
        let no_follow = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).map_err(io::Error::other)?;
        let mut file = share::open_or_make(OpenOptions::new().append(true).custom_flags(no_follow), &path)?;
        file.write_all(&u32::try_from(took.as_micros()).unwrap_or(u32::MAX).to_le_bytes())?;
        if file.metadata()?.len() < BYTES_MAX as u64 {
            return Ok(());
        }
        let bytes = read_bytes(&path, 2 * BYTES_MAX)?.unwrap_or_default();
        self.state.replace(&path, newest(&bytes))
    }

    /// How long the last [`LATENCIES_KEPT`] operations took, oldest first. Empty where nothing is known.
    #[must_use]
    pub fn latencies(&self) -> Vec<Duration> {
        let bytes = read_bytes(&self.latency_path(), 2 * BYTES_MAX).ok().flatten().unwrap_or_default();
        let (numbers, _) = newest(&bytes).as_chunks::<WIDTH>();
        numbers.iter().map(|bytes| Duration::from_micros(u32::from_le_bytes(*bytes).into())).collect()
    }

    fn latency_path(&self) -> PathBuf {
        self.state.run.join("latency")
    }
}

/// The newest ones, whole.
fn newest(bytes: &[u8]) -> &[u8] {
    let whole = &bytes[..bytes.len() - bytes.len() % WIDTH];
    &whole[whole.len().saturating_sub(LATENCIES_KEPT * WIDTH)..]
}
