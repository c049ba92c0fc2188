//! The names of the backends.

/// A kind of server that holds a copy of the documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum BackendId {
    /// A Redis or Valkey server.
    Redis,
    /// A `TaskQueue` MCP server.
    TaskQueue,
}

impl BackendId {
    /// All of them, in the order in which they count: the first that is live makes the mode.
    pub const ALL: [Self; 2] = [Self::Redis, Self::TaskQueue];

    /// Its word in settings and answers.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::TaskQueue => "taskqueue",
        }
    }

    /// The name of the lock of the process that keeps mirroring to it.
    pub(in crate::services) fn lock_name(self) -> String {
        self.file("follow.lock")
    }

    /// The name of one of its files in local state. Those of Redis have no prefix: they are older than the second backend.
    pub(in crate::services) fn file(self, name: &str) -> String {
        match self {
            Self::Redis => name.to_owned(),
            other => format!("{}-{name}", other.word()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_backend_has_files_of_its_own() {
        assert_eq!(BackendId::Redis.file("health.json"), "health.json");
        assert_eq!(BackendId::TaskQueue.file("health.json"), "taskqueue-health.json");
    }
}
