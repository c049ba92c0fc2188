//! What a command says when it could not do its work: text for people, an object for programs, one exit code. Prints nothing.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::caller;
use super::excerpt::Excerpt;
use super::exit::Exit;
use super::render::{self, Ink, paint};
use crate::adapters::store::StoreError;
use crate::core::document::EditError;
use crate::core::entity::Refusal;
use crate::core::lease::LostLease;
use crate::core::name::visible;
use crate::core::snapshot::FindError;
use crate::services::{self, Error, GitsAlone};

/// Why a command failed, as its exit code tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// No class of its own.
    Problem,
    /// The command line or a value.
    Usage,
    /// Nothing there.
    NotFound,
    /// Clashes with the state of a document.
    Conflict,
    /// Not safe to go on.
    Unsafe,
    /// Somebody else is at it.
    Busy,
    /// Stopped by the user.
    Interrupted,
}

impl Class {
    /// The word in JSON.
    pub(crate) const fn word(self) -> &'static str {
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

    /// The exit code.
    pub(crate) const fn exit(self) -> Exit {
        match self {
            Self::Problem => Exit::Problems,
            Self::Usage => Exit::Usage,
            Self::NotFound => Exit::NotFound,
            Self::Conflict => Exit::Conflict,
            Self::Unsafe => Exit::Unsafe,
            Self::Busy => Exit::Busy,
            Self::Interrupted => Exit::Interrupted,
        }
    }
}

/// A failed command.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    /// Decides the exit code.
    pub class: Class,
    /// Stable word for programs, `bad-json`.
    pub code: &'static str,
    /// What and where: a lower-case fragment without a full stop.
    pub message: String,
    /// Why, outermost first.
    pub causes: Vec<String>,
    /// The place in a text that is at fault, if there is one.
    pub excerpt: Option<Box<Excerpt>>,
    /// What to do next.
    pub hint: Option<String>,
    /// Who has the task that was asked for, if that is why.
    pub claim: Option<Box<Value>>,
}

impl Failure {
    /// A failure of this class.
    pub(crate) fn new(class: Class, code: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { class, code, message, causes: Vec::new(), excerpt: None, hint: None, claim: None }
    }

    /// A wrong value or command line.
    pub(crate) fn usage(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Class::Usage, code, message)
    }

    /// The same with advice.
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// The same with the place at fault.
    pub(crate) fn at(self, excerpt: Excerpt) -> Self {
        Self { excerpt: Some(Box::new(excerpt)), ..self }
    }

    /// The same with one more cause.
    pub(crate) fn cause(mut self, cause: impl Into<String>) -> Self {
        self.causes.push(cause.into());
        self
    }

    /// The same with the causes of an error, outermost first.
    pub(crate) fn because(mut self, error: &dyn std::error::Error) -> Self {
        let mut next = error.source();
        while let Some(cause) = next {
            self.causes.push(cause.to_string());
            next = cause.source();
        }
        self
    }

    /// The text for people: `error:`, place, causes, `hint:`; each on lines of its own.
    pub(crate) fn text(&self) -> String {
        let mut out = format!("{} {}\n", paint(Ink::Bad, "error:"), visible(&self.message));
        if let Some(excerpt) = &self.excerpt {
            out.push_str(&excerpt.with_name());
        }
        for cause in &self.causes {
            let _ = writeln!(out, "{} {}", paint(Ink::Dim, "cause:"), visible(cause));
        }
        if let Some(hint) = &self.hint {
            out.push_str(&render::hint(hint));
        }
        out
    }

    /// The object for programs.
    pub(crate) fn json(&self) -> Value {
        let place = self.excerpt.as_ref().map(|excerpt| {
            json!({
                "file": excerpt.name,
                "line": excerpt.place.line,
                "column": excerpt.place.column,
                "text": excerpt.line,
            })
        });
        let mut out = json!({
            "schema": super::envelope::SCHEMA,
            "kind": "error",
            "error": {
                "code": self.code,
                "class": self.class.word(),
                "exit": self.class.exit().code(),
                "message": self.message,
                "causes": self.causes,
                "hint": caller::completed(self.hint.as_deref()),
                "place": place,
                // Nothing that this process does again opens the sandbox.
                "retryable": self.class == Class::Busy && self.code != "read-only-state",
            },
        });
        if let Some(claim) = &self.claim {
            out["error"]["claim"] = (**claim).clone();
        }
        out
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let class = match &error {
            Error::Folder { source, .. } if source.kind() == std::io::ErrorKind::NotFound => Class::NotFound,
            other => other.class().into(),
        };
        let hint = error.hint().or_else(|| advice(&error));
        let claim = if let Error::ClaimLost(loss) = &error { Some(Box::new(holder(loss))) } else { None };
        // A refusal names the document itself.
        let failure = match &error {
            Error::Refused { source, .. } => Self::new(class, code(&error), source.to_string()),
            other => Self::new(class, code(other), other.to_string()).because(other),
        };
        Self { hint, claim, ..failure }
    }
}

/// Who has a task, for programs.
fn holder(loss: &LostLease) -> Value {
    json!({
        "task": loss.task,
        "why": loss.why.word(),
        "holder": loss.by.as_ref().map(ToString::to_string),
        "fence": loss.fence,
        "since": loss.since.map(|at| at.to_string()),
        "until": loss.until.map(|at| at.to_string()),
        "left_ms": loss.left.map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX)),
        "root": loss.place.as_ref().map(|place| place.root.display().to_string()),
        "branch": loss.place.as_ref().and_then(|place| place.branch.clone()),
        "late": loss.late.as_ref().map(ToString::to_string),
        "ended": loss.ended.map(|at| at.to_string()),
    })
}

/// A way on where the error itself knows none.
fn advice(error: &Error) -> Option<String> {
    match error {
        Error::Find(FindError::NotFound { what: "document", .. }) => {
            Some("run `mycelium status` to see what there is".to_owned())
        }
        Error::Find(FindError::NotFound { what, .. }) => {
            Some(format!("run `mycelium {what} list` to see what there is"))
        }
        Error::Folder { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
            Some("name a directory that is there, with `--root DIR`".to_owned())
        }
        _ => None,
    }
}

impl From<services::Class> for Class {
    fn from(class: services::Class) -> Self {
        match class {
            services::Class::Problem => Self::Problem,
            services::Class::Usage => Self::Usage,
            services::Class::NotFound => Self::NotFound,
            services::Class::Conflict => Self::Conflict,
            services::Class::Unsafe => Self::Unsafe,
            services::Class::Busy => Self::Busy,
        }
    }
}

/// The stable word for an error.
fn code(error: &Error) -> &'static str {
    match error {
        Error::Find(FindError::NotFound { .. }) => "not-found",
        Error::Find(FindError::Ambiguous { .. }) => "ambiguous-id",
        Error::Find(FindError::Duplicate { .. }) => "duplicate-id",
        Error::Refused { source, .. } => match **source {
            Refusal::IllegalStep { .. } => "illegal-step",
            Refusal::NotCompleted { .. } => "not-completed",
            Refusal::OwnWork { .. } => "own-work",
            Refusal::DependencyCycle { .. } => "dependency-cycle",
            Refusal::Unreadable { .. } | Refusal::Edit(EditError::Unreadable(_)) => "unreadable",
            Refusal::BadValue { .. } => "bad-value",
            Refusal::Edit(_) => "edit-refused",
        },
        Error::Render(_) => "template",
        Error::Exists { .. } => "exists",
        Error::Gone { .. } => "gone",
        Error::GitsAlone(GitsAlone::LeftToGit { .. }) => "left-to-git",
        Error::GitsAlone(GitsAlone::KeptOut { .. }) => "kept-out",
        Error::Publish(_) => "bad-event",
        Error::Stays { .. } => "stays",
        Error::ClaimLost(_) => "claim-lost",
        Error::Assigned { .. } => "assigned",
        Error::Unmerged { .. } => "unmerged-work",
        Error::NotReady { .. } | Error::NotPending { .. } => "not-ready",
        Error::Unusable { .. } => "unusable-value",
        Error::NothingReady { .. } => "nothing-ready",
        Error::NotHeld { .. } => "not-held",
        Error::NoAgent => "no-agent",
        Error::TooManySteps { .. } => "too-many-steps",
        Error::Undone { .. } => "not-done",
        Error::Name(_) => "bad-name",
        Error::Config(_) => "bad-config",
        Error::Folder { .. } => "folder",
        Error::NoHome => "no-home",
        Error::Randomness(_) => "randomness",
        Error::OutsideGit(_) => "outside-git",
        Error::Store(error) if error.is_state_read_only() => "read-only-state",
        Error::Store(StoreError::Paused { .. }) => "paused",
        Error::Store(_) => "store",
        Error::Git(_) => "git",
        Error::Commit(_) => "commit",
        Error::Sync(error) => super::sync::code(error),
        Error::NoServer => "no-server",
        Error::UntrustedServer { .. } | Error::UnagreedServer { .. } => "untrusted-server",
        Error::BadServer { .. } => "bad-server",
        Error::Unreached { .. } | Error::Bridge(_) => "unreached",
        Error::Undecided { .. } => "undecided",
        Error::NotMoved(_) => "not-moved",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::diagnostic::Place;

    #[test]
    fn the_text_has_what_where_why_and_what_next() {
        let failure = Failure::usage("bad-json", "`--payload` is not JSON")
            .at(Excerpt::new("--payload", b"{\"a\" 1}", Place { line: 1, column: 6 }))
            .cause("expected `:`")
            .hint("quote it");
        let plain = anstream::adapter::strip_str(&failure.text()).to_string();
        let expected = "error: `--payload` is not JSON\n --> --payload:1:6\n1 | {\"a\" 1}\n  |      ^\ncause: expected `:`\nhint: quote it\n";
        assert_eq!(plain, expected);
        assert_eq!(failure.json()["error"]["place"]["column"], 6);
        assert_eq!(failure.json()["error"]["exit"], 2);
        assert_eq!(failure.json()["error"]["retryable"], false);
    }

    #[test]
    fn hostile_text_reaches_no_terminal() {
        let failure = Failure::usage("x", "bad \u{1b}[2J name").hint("\u{202e}");
        let plain = anstream::adapter::strip_str(&failure.text()).to_string();
        assert!(!plain.chars().any(|c| c != '\n' && crate::core::name::is_unsafe_to_show(c)), "{plain:?}");
    }
}
