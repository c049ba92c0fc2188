//! What a caller gets of every error: a stable code, its class, what to do next, and the findings behind it.

use crate::core::diagnostic::Diagnostic;

/// How a caller should take an error; each class has its own exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorClass {
    /// The documents, the disk or the repository are at fault.
    Problem,
    /// The call or a value is wrong.
    Usage,
    /// No such document, file or setting.
    NotFound,
    /// The rules or another writer forbid it.
    Conflict,
    /// The repository or folder is not safe to use.
    Unsafe,
    /// Another process is at work; the same call may succeed in a moment.
    Busy,
    /// Stopped by the user.
    Interrupted,
}

impl ErrorClass {
    /// Returns the word for it in JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Problem => "problem",
            Self::Usage => "usage",
            Self::NotFound => "not-found",
            Self::Conflict => "conflict",
            Self::Unsafe => "unsafe",
            Self::Busy => "busy",
            Self::Interrupted => "interrupted",
        }
    }
}

/// An error with everything that a command, an agent or a page shows of it.
pub trait Problem: std::error::Error {
    /// Returns the stable word for programs, such as `not-found`; `mycelium explain` knows each.
    fn code(&self) -> &'static str;

    /// Returns how to take it.
    fn class(&self) -> ErrorClass {
        ErrorClass::Problem
    }

    /// Returns what to do next, in the imperative.
    fn hint(&self) -> Option<String> {
        None
    }

    /// Returns the findings that say where in a document or setting it fails.
    fn findings(&self) -> Vec<Diagnostic> {
        Vec::new()
    }
}
