//! How values that have a text of their own are written in JSON and in sentences.
#![allow(clippy::ref_option, reason = "`serialize_with` gives a reference to the field")]

use std::fmt::Display;
use std::time::Duration;

use serde::{Serialize as _, Serializer};

use super::envelope::finding_data;
use crate::core::diagnostic::Diagnostic;
use crate::core::entity::span_text;
use crate::services::Decided;

/// Writes a value as its text.
pub(crate) fn text<S: Serializer>(value: &impl Display, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(value)
}

/// Writes a value as its text, and none as `null`.
pub(crate) fn optional_text<S: Serializer>(value: &Option<impl Display>, to: S) -> Result<S::Ok, S::Error> {
    value.as_ref().map(ToString::to_string).serialize(to)
}

/// Writes a span in the largest unit that says it exactly.
pub(crate) fn span<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&span_text(*value))
}

/// Writes findings; their paths are those in the folder of the documents.
pub(crate) fn findings<S: Serializer>(all: &[Diagnostic], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(all.iter().map(|one| finding_data("", one)))
}

/// Where it was decided who has a task, as the keys `decided` and `decided_why`.
#[derive(serde::Serialize)]
pub(crate) struct DecisionFields<'a> {
    pub(crate) decided: &'a str,
    pub(crate) decided_why: Option<&'a str>,
}

impl<'a> DecisionFields<'a> {
    /// The fields of a decision.
    pub(crate) fn new(decided: &'a Decided) -> Self {
        Self { decided: decided.word(), decided_why: decided.why() }
    }
}

/// Writes a decision into the object around it.
pub(crate) fn decision<S: Serializer>(value: &Decided, to: S) -> Result<S::Ok, S::Error> {
    DecisionFields::new(value).serialize(to)
}

/// Writes a decision into the object around it, and nothing where there is none.
pub(crate) fn optional_decision<S: Serializer>(value: &Option<Decided>, to: S) -> Result<S::Ok, S::Error> {
    value.as_ref().map(DecisionFields::new).serialize(to)
}

/// Returns a span in its two largest units: `4m 12s`, `2d 3h`.
#[must_use]
pub fn readable_span(span: Duration) -> String {
    let seconds = span.as_secs();
    let units = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let first = units.iter().position(|(unit, _)| seconds >= *unit).unwrap_or(units.len() - 1);
    let mut left = seconds;
    let mut parts = Vec::new();
    for (unit, name) in units.iter().skip(first).take(2) {
        if left / unit > 0 || parts.is_empty() {
            parts.push(format!("{}{name}", left / unit));
        }
        left %= unit;
    }
    parts.join(" ")
}

/// Returns a number with its noun: `1 task`, `2 tasks`.
#[must_use]
pub fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_spans_are_readable() {
        assert_eq!(count(1, "task"), "1 task");
        assert_eq!(count(0, "task"), "0 tasks");
        for (seconds, text) in [(0, "0s"), (252, "4m 12s"), (3_600, "1h"), (183_600, "2d 3h")] {
            assert_eq!(readable_span(Duration::from_secs(seconds)), text);
        }
    }
}
