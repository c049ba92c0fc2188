//! The lists from which others pop tasks.

use std::time::Duration;

use redis::cmd;

use super::error::BridgeError;
use super::link::{Link, ms};
use super::news::{list, number, text};

/// The most entries of others in a list that are reported at a time.
pub const FOREIGN_MAX: usize = 1_000;
/// The most entries of a list that is kept in order.
pub const QUEUE_ENTRIES_MAX: usize = 100_000;

/// A queue as it is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueRound {
    /// The key of the list.
    pub queue: String,
    /// How long a popped task is left alone until it is claimed.
    pub lease: Duration,
    /// What the hashes of tasks begin with, with the prefix.
    pub tasks: String,
    /// The ready tasks, the one to be popped first in front.
    pub ready: Vec<String>,
}

/// A queue as it was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct QueueReport {
    /// Popped tasks, and how long they are still left alone.
    pub popped: Vec<(String, Duration)>,
    /// Tasks that were popped and never claimed: they are in the list again, or, where one runs without a name,
    /// are to be ready again.
    pub expired: Vec<String>,
    /// Entries that others put in and that are no ready task, at most [`FOREIGN_MAX`]. They stay.
    pub foreign: Vec<String>,
    /// The list was written.
    pub changed: bool,
    /// How long until the next popped task is put back.
    pub next: Option<Duration>,
    /// What is wrong with the list, in words. It stays as it is.
    pub garbage: Option<String>,
}

impl Link {
    /// Looks at a queue and writes it as it is to be, in one step.
    ///
    /// # Errors
    /// [`BridgeError`]. To do it again is harmless.
    pub fn queue(&self, round: &QueueRound) -> Result<QueueReport, BridgeError> {
        let (shadow, popped) = (self.keys().shadow(&round.queue), self.keys().own("popped"));
        let numbers =
            [ms(round.lease).to_string(), round.tasks.clone(), FOREIGN_MAX.to_string(), QUEUE_ENTRIES_MAX.to_string()];
        let args: Vec<_> = numbers.into_iter().chain(round.ready.iter().cloned()).map(String::into_bytes).collect();
        let answer = self.run(&self.scripts.queue, &[&round.queue, &shadow, &popped], &args)?;
        let mut parts = list(answer).unwrap_or_default().into_iter();
        let mut is_odd = false;
        let mut texts = || -> Vec<String> {
            let all = parts.next().and_then(list).unwrap_or_default().into_iter().map(text);
            all.inspect(|text| is_odd |= text.is_none()).flatten().collect()
        };
        let (popped, expired, foreign) = (texts(), texts(), texts());
        let left = |pair: &[String]| Some((pair.first()?.clone(), Duration::from_millis(pair.get(1)?.parse().ok()?)));
        let (changed, next) = (parts.next().and_then(number), parts.next().and_then(number));
        let fault = parts.next().and_then(text).filter(|fault| !fault.is_empty());
        Ok(QueueReport {
            popped: popped.chunks(2).filter_map(left).collect(),
            expired,
            foreign,
            changed: changed == Some(1),
            next: next.map(Duration::from_millis),
            garbage: fault.or_else(|| is_odd.then(|| "an entry is not UTF-8".to_owned())),
        })
    }

    /// Takes entries of others out of a queue.
    ///
    /// # Errors
    /// [`BridgeError`]; some may have been taken out.
    pub fn queue_drop(&self, queue: &str, entries: &[String]) -> Result<(), BridgeError> {
        self.send(entries.iter().map(|entry| {
            let mut command = cmd("LREM");
            command.arg(queue).arg(0).arg(entry);
            command
        }))
        .map(|_| ())
    }
}
