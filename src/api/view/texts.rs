//! How values that have a text of their own are written as JSON.
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
    decided: &'a str,
    decided_why: Option<&'a str>,
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
