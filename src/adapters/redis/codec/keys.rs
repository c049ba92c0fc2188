//! The keys of the reference document, and our own beside them.
//!
//! Our record of `tasks:<id>` is called `mycelium:doc:{tasks:<id>}`, or `mycelium:doc:tasks:<id>` after a prefix that has a brace
//! itself: the braces are part of names that lie on servers by now.

use crate::core::entity::Priority;
use crate::core::name::{Channel, DocId, Kind};

/// How keys are made, with the prefix that all of them have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Keys {
    prefix: String,
}

/// What a key is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedisKey {
    /// The hash of a document. The id is as it stands there and may be none of ours.
    Document(Kind, String),
    /// The list of the ready tasks of a priority.
    Queue(Priority),
}

impl Keys {
    /// Keys that all begin so; usually with nothing.
    #[must_use]
    pub fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    /// What all of them begin with.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The hash of a document: `agents:status:<name>`, `tasks:<id>`, `workflows:<id>`.
    #[must_use]
    pub fn document(&self, kind: Kind, id: &DocId) -> String {
        format!("{}{}{id}", self.prefix, start(kind))
    }

    /// Our record of a hash.
    #[must_use]
    pub fn record(&self, document: &str) -> String {
        self.beside("mycelium:doc:", document)
    }

    /// What all keys of a kind begin with.
    #[must_use]
    pub fn all(&self, kind: Kind) -> String {
        format!("{}{}", self.prefix, start(kind))
    }

    /// What all our records begin with.
    #[must_use]
    pub fn records(&self) -> String {
        format!("{}mycelium:doc:", self.prefix)
    }

    /// The list of the ready tasks of a priority.
    #[must_use]
    pub fn queue(&self, priority: Priority) -> String {
        format!("{}tasks:queue:{}", self.prefix, priority.word())
    }

    /// What a mirror last put into a queue.
    #[must_use]
    pub fn shadow(&self, queue: &str) -> String {
        self.beside("mycelium:queue:", queue)
    }

    /// One of our own keys: `space`, `events`, `recorder`.
    #[must_use]
    pub fn own(&self, name: &str) -> String {
        format!("{}mycelium:{name}", self.prefix)
    }

    /// The channel on the server.
    #[must_use]
    pub fn channel(&self, channel: &Channel) -> String {
        format!("{}{channel}", self.prefix)
    }

    /// What a key is about; `None` for our own and foreign ones.
    #[must_use]
    pub fn parse(&self, key: &str) -> Option<RedisKey> {
        let key = key.strip_prefix(&self.prefix)?;
        if let Some(word) = key.strip_prefix("tasks:queue:") {
            return Priority::ALL.iter().copied().find(|priority| priority.word() == word).map(RedisKey::Queue);
        }
        let of = |kind| key.strip_prefix(start(kind)).map(|id| RedisKey::Document(kind, id.to_owned()));
        Kind::ALL.into_iter().find_map(of)
    }

    /// The document whose record this is: the key of its hash.
    #[must_use]
    pub fn of_record<'a>(&self, record: &'a str) -> Option<&'a str> {
        let rest = record.strip_prefix(&self.records())?;
        if self.has_brace() { Some(rest) } else { rest.strip_prefix('{')?.strip_suffix('}') }
    }

    fn beside(&self, name: &str, key: &str) -> String {
        if self.has_brace() { format!("{}{name}{key}", self.prefix) } else { format!("{}{name}{{{key}}}", self.prefix) }
    }

    fn has_brace(&self) -> bool {
        self.prefix.contains('{')
    }
}

const fn start(kind: Kind) -> &'static str {
    match kind {
        Kind::Agent => "agents:status:",
        Kind::Task => "tasks:",
        Kind::Workflow => "workflows:",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_the_reference_document_and_are_read_back() {
        let id = DocId::new("task-1").expect("an id");
        for (prefix, document, record) in [
            ("", "tasks:task-1", "mycelium:doc:{tasks:task-1}"),
            ("team:", "team:tasks:task-1", "team:mycelium:doc:{team:tasks:task-1}"),
            ("{team}:", "{team}:tasks:task-1", "{team}:mycelium:doc:{team}:tasks:task-1"),
        ] {
            let keys = Keys::new(prefix);
            assert_eq!(keys.document(Kind::Task, &id), document);
            assert_eq!(keys.record(document), record);
            assert_eq!(keys.of_record(record), Some(document));
            assert_eq!(keys.parse(document), Some(RedisKey::Document(Kind::Task, "task-1".to_owned())));
            assert_eq!(keys.parse(&keys.queue(Priority::High)), Some(RedisKey::Queue(Priority::High)));
            assert_eq!(keys.parse(record), None);
        }
        assert_eq!(Keys::default().parse("tasks:queue:soon"), None);
        assert_eq!(Keys::new("a:").parse("tasks:task-1"), None);
    }
}
