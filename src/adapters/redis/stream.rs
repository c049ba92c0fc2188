//! Events: messages for those who listen now, and a stream of them for those who come later.

use redis::{Cmd, Value, cmd};

use super::error::BridgeError;
use super::link::{Link, Message};
use super::news::{bytes, list, text};

/// About how many messages the stream of events keeps.
pub const STREAM_LENGTH: usize = 10_000;

impl Link {
    /// Puts messages into the stream for those who come later, and publishes none: that was done before the stream was lost.
    ///
    /// # Errors
    /// [`BridgeError`]; some may have been put there.
    pub fn keep(&self, messages: &[Message]) -> Result<(), BridgeError> {
        let stream = self.keys().own("events");
        self.send(messages.iter().map(|message| append(&stream, message))).map(|_| ())
    }

    /// Publishes messages, and puts them into the stream for those who come later (about [`STREAM_LENGTH`] messages are kept).
    ///
    /// # Errors
    /// [`BridgeError`]; some may have been published, so that to try again may publish them twice.
    pub fn publish(&self, messages: &[Message]) -> Result<(), BridgeError> {
        let stream = self.keys().own("events");
        let commands = || {
            messages.iter().flat_map(|message| {
                let mut publish = cmd("PUBLISH");
                publish.arg(format!("{}{}", self.keys().prefix(), message.channel)).arg(&message.payload);
                [publish, append(&stream, message)]
            })
        };
        match self.send(commands()) {
            // Somebody put something else where the stream is; what was told is told again, with the same id.
            Err(error) if error.is_wrong_type() => {
                self.delete(std::slice::from_ref(&stream))?;
                self.send(commands()).map(|_| ())
            }
            done => done.map(|_| ()),
        }
    }

    /// The id of the newest message in the stream; `0-0` if there is none.
    ///
    /// # Errors
    /// [`BridgeError`].
    pub fn stream_end(&self) -> Result<String, BridgeError> {
        let mut command = cmd("XREVRANGE");
        command.arg(self.keys().own("events")).arg("+").arg("-").arg("COUNT").arg(1);
        let end = self.one(&command)?;
        let newest = list(end).and_then(|all| list(all.into_iter().next()?)?.into_iter().next());
        Ok(newest.and_then(text).unwrap_or_else(|| "0-0".to_owned()))
    }

    /// The messages after one, oldest first, with their ids; at most `max`.
    ///
    /// # Errors
    /// [`BridgeError`].
    pub fn stream_after(&self, id: &str, max: usize) -> Result<Vec<(String, Message)>, BridgeError> {
        let mut command = cmd("XRANGE");
        command.arg(self.keys().own("events")).arg(format!("({id}")).arg("+").arg("COUNT").arg(max);
        let entries = list(self.one(&command)?).unwrap_or_default();
        Ok(entries.into_iter().filter_map(entry).collect())
    }
}

fn entry(value: Value) -> Option<(String, Message)> {
    let mut parts = list(value)?.into_iter();
    let id = text(parts.next()?)?;
    let mut fields = list(parts.next()?)?.into_iter();
    let (mut channel, mut payload) = (None, None);
    while let (Some(field), Some(value)) = (fields.next(), fields.next()) {
        match text(field).as_deref() {
            Some("channel") => channel = text(value),
            Some("payload") => payload = bytes(value),
            _ => {}
        }
    }
    Some((id, Message { channel: channel?, payload: payload? }))
}

fn append(stream: &str, message: &Message) -> Cmd {
    let mut add = cmd("XADD");
    add.arg(stream).arg("MAXLEN").arg("~").arg(STREAM_LENGTH).arg("*");
    add.arg("channel").arg(&message.channel).arg("payload").arg(&message.payload);
    add
}
