//! What the server says without being asked.

use redis::{PushInfo, PushKind, Value};

use super::codec::Keys;

/// Something that happened on the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// These keys were written, removed or expired; they are named as on the server.
    Changed(Vec<String>),
    /// Anything may have changed: everything was removed at once.
    Everything,
    /// A message was published. It comes once for every pattern that fits.
    Message {
        /// Where, without the prefix.
        channel: String,
        /// What.
        payload: Vec<u8>,
    },
    /// The connection is gone: nothing is reported any more.
    Lost(String),
}

/// What a push means; `None` for what only confirms something.
pub(super) fn read(push: PushInfo, keys: &Keys) -> Option<News> {
    match push.kind {
        PushKind::Disconnection => Some(News::Lost("the server closed the connection".to_owned())),
        PushKind::Invalidate => match push.data.into_iter().next() {
            Some(Value::Array(changed)) => Some(News::Changed(changed.into_iter().filter_map(text).collect())),
            _ => Some(News::Everything),
        },
        PushKind::PMessage => {
            let mut parts = push.data.into_iter().skip(1);
            let channel = parts.next().and_then(text)?;
            let payload = parts.next().and_then(bytes)?;
            let channel = channel.strip_prefix(keys.prefix())?.to_owned();
            Some(News::Message { channel, payload })
        }
        _ => None,
    }
}

/// A text of an answer; what is no UTF-8 is left out.
pub(super) fn text(value: Value) -> Option<String> {
    match value {
        Value::Int(number) => Some(number.to_string()),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Some(text),
        Value::Okay => Some("OK".to_owned()),
        value => String::from_utf8(bytes(value)?).ok(),
    }
}

/// The bytes of an answer.
pub(super) fn bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) => Some(text.into_bytes()),
        _ => None,
    }
}

/// A number of an answer.
pub(super) fn number(value: Value) -> Option<u64> {
    text(value)?.parse().ok()
}

/// The parts of an answer.
pub(super) fn list(value: Value) -> Option<Vec<Value>> {
    match value {
        Value::Array(parts) | Value::Set(parts) => Some(parts),
        _ => None,
    }
}
