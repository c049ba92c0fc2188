//! Why a call failed, as every face shows it: class, code, message, causes, place, hint. Prints nothing.

use serde_json::{Value, json};

use super::command_hints::complete_hint;
use super::envelope::SCHEMA;
use super::excerpt::Excerpt;
use super::exit::Exit;
use crate::core::lease::LostLease;
use crate::core::problem::{ErrorClass, Problem};
use crate::services::Error;

/// A failed call.
#[derive(Debug, Clone)]
pub struct ErrorReport {
    /// Decides the exit code.
    pub class: ErrorClass,
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

impl ErrorReport {
    /// A failure of this class.
    #[must_use]
    pub fn new(class: ErrorClass, code: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { class, code, message, causes: Vec::new(), excerpt: None, hint: None, claim: None }
    }

    /// The failure that an error describes.
    #[must_use]
    pub fn of(error: &(impl Problem + 'static)) -> Self {
        Self { hint: error.hint(), ..Self::new(error.class(), error.code(), error.to_string()).because(error) }
    }

    /// A wrong value or command line.
    #[must_use]
    pub fn usage(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(ErrorClass::Usage, code, message)
    }

    /// The same with advice.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// The same with the place at fault.
    #[must_use]
    pub fn at(self, excerpt: Excerpt) -> Self {
        Self { excerpt: Some(Box::new(excerpt)), ..self }
    }

    /// The same with one more cause.
    #[must_use]
    pub fn cause(mut self, cause: impl Into<String>) -> Self {
        self.causes.push(cause.into());
        self
    }

    /// The same with the causes of an error, outermost first.
    #[must_use]
    pub fn because(mut self, error: &dyn std::error::Error) -> Self {
        let mut next = error.source();
        while let Some(cause) = next {
            self.causes.push(cause.to_string());
            next = cause.source();
        }
        self
    }

    /// The object for programs.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let place = self.excerpt.as_ref().map(|excerpt| {
            json!({
                "file": excerpt.name,
                "line": excerpt.place.line,
                "column": excerpt.place.column,
                "text": excerpt.line,
            })
        });
        let mut out = json!({
            "schema": SCHEMA,
            "kind": "error",
            "error": {
                "code": self.code,
                "class": self.class.word(),
                "exit": Exit::of(self.class).code(),
                "message": self.message,
                "causes": self.causes,
                "hint": complete_hint(self.hint.as_deref()),
                "place": place,
                // Nothing that this process does again opens the sandbox.
                "retryable": self.class == ErrorClass::Busy && self.code != "read-only-state",
            },
        });
        if let Some(claim) = &self.claim {
            out["error"]["claim"] = (**claim).clone();
        }
        out
    }
}

impl From<Error> for ErrorReport {
    fn from(error: Error) -> Self {
        match &error {
            // A refusal names the document itself.
            Error::Refused { source, .. } => Self { causes: Vec::new(), ..Self::of(&**source) },
            Error::ClaimLost(loss) => Self { claim: Some(Box::new(holder(loss))), ..Self::of(&error) },
            _ => Self::of(&error),
        }
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
