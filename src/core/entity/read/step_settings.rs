//! Reads what a task states about its execution, and of a workflow whether it is paused. A condition, a moment or a list of
//! items that is stated and cannot be used closes the gate of its task.

use std::str::FromStr;
use std::time::Duration;

use super::Reader;
use crate::core::diagnostic::{Code, Diagnostic};
use crate::core::document::{Field, Value};
use crate::core::entity::gate::StatedValue;
use crate::core::entity::retry::{ATTEMPTS_MAX, RetryPolicy};
use crate::core::entity::step_settings::{Condition, Execution, ForEach, SkipReason};
use crate::core::name::visible;
use crate::core::template::{as_expression, names_read};
use crate::core::time::{Timestamp, parse_span};

/// Keys of `retry`.
const RETRY_KEYS: [&str; 4] = ["max_attempts", "backoff", "factor", "max_backoff"];
/// Largest factor of a back-off.
const FACTOR_MAX: f64 = 100.0;
const QUOTED: &str = "put it in quotes: `\"{{ steps.NAME.result.KEY }}\"`";

pub(super) fn execution(reader: &mut Reader<'_>) -> Execution {
    Execution {
        step: reader.text("step").map(str::to_owned),
        retry: retry(reader),
        timeout: reader.span("timeout"),
        started: quietly(reader, "started"),
        expiries: quietly(reader, "expiries").unwrap_or(0),
        skipped: reader.text("skipped").map(SkipReason::new),
        max_parallel: quietly(reader, "max_parallel"),
        fan_out: quietly(reader, "fan_out"),
        item: quietly(reader, "item"),
        fill: quietly(reader, "fill").unwrap_or(false),
    }
}

/// A value that only programs write: another text is a key of the user's own.
fn quietly<T: FromStr>(reader: &Reader<'_>, key: &str) -> Option<T> {
    reader.text_quietly(key).and_then(|text| text.parse().ok())
}

pub(super) fn condition(reader: &mut Reader<'_>) -> StatedValue<Condition> {
    let key = "when";
    let Some(field) = reader.stated(key) else {
        return reader.misspelt(key).map_or(StatedValue::Absent, StatedValue::Unusable);
    };
    let Some(text) = field.value.as_text().map(str::trim) else {
        return reader.unusable(field, not_a_text(key));
    };
    if as_expression(text).is_some() {
        return expression(reader, field, text)
            .map_or_else(StatedValue::Unusable, |expression| StatedValue::Usable(Condition::Expression(expression)));
    }
    match text.parse() {
        Ok(condition) => StatedValue::Usable(condition),
        Err(unknown) => {
            let finding = Diagnostic::error(Code::BadCondition, format!("`{key}`: {unknown}"));
            reader.unusable(field, finding.hint(unknown.hint()))
        }
    }
}

pub(super) fn not_before(reader: &mut Reader<'_>) -> StatedValue<Timestamp> {
    let key = "not_before";
    let Some(field) = reader.stated(key) else {
        return reader.misspelt(key).map_or(StatedValue::Absent, StatedValue::Unusable);
    };
    let read = field.value.as_text().map(|text| text.trim().parse::<Timestamp>());
    let message = match read {
        Some(Ok(at)) => return StatedValue::Usable(at),
        Some(Err(error)) => format!("`{key}`: {error}"),
        None => format!("`{key}` must be one value, not a list or map"),
    };
    let finding = Diagnostic::error(Code::BadValue, message);
    reader.unusable(field, finding.hint("write a moment in UTC, such as 2025-10-17T00:00:00Z"))
}

pub(super) fn for_each(reader: &mut Reader<'_>) -> StatedValue<ForEach> {
    let key = "for_each";
    let Some(field) = reader.stated(key) else {
        return reader.misspelt(key).map_or(StatedValue::Absent, StatedValue::Unusable);
    };
    match &field.value {
        list @ Value::List(_) => StatedValue::Usable(ForEach::Items(list.to_json().to_string())),
        Value::Scalar { text, .. } if as_expression(text).is_some() => {
            let read = expression(reader, field, text);
            read.map_or_else(StatedValue::Unusable, |text| StatedValue::Usable(ForEach::Expression(text)))
        }
        Value::Scalar { .. } => {
            let finding = Diagnostic::error(Code::BadCondition, format!("`{key}` is neither a list nor an expression"));
            reader.unusable(field, finding.hint("write a list, or an expression in quotes: `\"{{ inputs.NAME }}\"`"))
        }
        Value::Map(_) => reader.unusable(field, not_a_text(key)),
    }
}

/// The expression of a text, checked, or why it is none.
fn expression(reader: &mut Reader<'_>, field: &Field, text: &str) -> Result<String, Box<Diagnostic>> {
    let expression = as_expression(text).unwrap_or(text);
    match names_read(expression) {
        Ok(_) => Ok(expression.to_owned()),
        Err(error) => {
            let message = format!("`{}`: `{}`: {}", field.key, visible(expression), error.message);
            let finding = Diagnostic::error(Code::BadCondition, message);
            let finding = finding.hint("write an expression such as `{{ steps.NAME.result.KEY > 1 }}`");
            match reader.unusable::<()>(field, finding) {
                StatedValue::Unusable(finding) => Err(finding),
                StatedValue::Absent | StatedValue::Usable(()) => Ok(expression.to_owned()),
            }
        }
    }
}

/// How often a task is tried: a number of attempts, or a map. What cannot be used is a finding, and there is one attempt.
fn retry(reader: &mut Reader<'_>) -> Option<RetryPolicy> {
    let field = reader.field("retry")?;
    match retry_policy(&field.value) {
        Ok(policy) => Some(policy),
        Err((message, hint)) => {
            reader.bad_value(field, format!("`retry`: {message}"), hint);
            None
        }
    }
}

/// Whether a workflow is paused. What is neither true nor false pauses it.
pub(super) fn paused(reader: &mut Reader<'_>) -> bool {
    let Some(field) = reader.field("paused") else { return false };
    if let serde_json::Value::Bool(paused) = field.value.to_json() {
        return paused;
    }
    let message = "`paused` must be true or false".to_owned();
    reader.bad_value(field, message, "write `paused: true`, or remove the line");
    true
}

fn not_a_text(key: &str) -> Diagnostic {
    Diagnostic::error(Code::BadCondition, format!("`{key}` must be one text, not a list or map")).hint(QUOTED)
}

/// What is wrong, and what to do.
type Fault = (String, &'static str);

/// Reads a retry policy: `3`, or `{ max_attempts: 3, backoff: 30s, factor: 2, max_backoff: 10m }`.
pub(crate) fn retry_policy(value: &Value) -> Result<RetryPolicy, Fault> {
    const EXAMPLE: &str = "write `retry: { max_attempts: 3, backoff: 30s, factor: 2, max_backoff: 10m }`";
    let attempts = |value: &Value| {
        let number = value.as_text().and_then(|text| text.parse::<u64>().ok());
        number
            .filter(|number| (1..=ATTEMPTS_MAX).contains(number))
            .ok_or_else(|| (format!("the number of attempts must be from 1 to {ATTEMPTS_MAX}"), EXAMPLE))
    };
    let span = |value: &Value| -> Result<Duration, Fault> {
        let text = value.as_text().unwrap_or_default();
        parse_span(text).map_err(|error| (error.to_string(), "write a span such as 30s, 5m or 2h"))
    };
    let entries = match value {
        Value::Map(entries) => entries,
        Value::Scalar { .. } => return Ok(RetryPolicy { max_attempts: attempts(value)?, ..RetryPolicy::default() }),
        Value::List(_) => return Err(("it is a list".to_owned(), EXAMPLE)),
    };
    let mut policy = RetryPolicy::default();
    for (key, value) in entries {
        match key.as_str() {
            "max_attempts" => policy.max_attempts = attempts(value)?,
            "backoff" => policy.backoff = span(value)?,
            "max_backoff" => policy.max_backoff = span(value)?,
            "factor" => {
                let factor = value.as_text().and_then(|text| text.parse::<f64>().ok());
                let factor = factor.filter(|factor| (1.0..=FACTOR_MAX).contains(factor));
                policy.factor = factor.ok_or(("the factor must be a number from 1 to 100".to_owned(), EXAMPLE))?;
            }
            other => {
                let known = RETRY_KEYS.join(", ");
                return Err((format!("unknown key `{}`; known: {known}", visible(other)), EXAMPLE));
            }
        }
    }
    Ok(policy)
}
