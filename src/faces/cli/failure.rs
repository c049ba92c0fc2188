//! What a command says when it could not do its work: text for people, an object for programs, one exit code. Prints nothing.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::caller;
use super::excerpt::Excerpt;
use super::exit::Exit;
use super::render::{self, Ink, paint};
use crate::core::lease::LostLease;
use crate::core::name::visible;
use crate::core::problem::{ErrorClass, Problem};
use crate::services::Error;

/// A failed command.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
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

impl Failure {
    /// A failure of this class.
    pub(crate) fn new(class: ErrorClass, code: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { class, code, message, causes: Vec::new(), excerpt: None, hint: None, claim: None }
    }

    /// The failure that an error describes.
    pub(crate) fn of(error: &(impl Problem + 'static)) -> Self {
        Self { hint: error.hint(), ..Self::new(error.class(), error.code(), error.to_string()).because(error) }
    }

    /// A wrong value or command line.
    pub(crate) fn usage(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(ErrorClass::Usage, code, message)
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
                "exit": Exit::of(self.class).code(),
                "message": self.message,
                "causes": self.causes,
                "hint": caller::completed(self.hint.as_deref()),
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

impl From<Error> for Failure {
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
