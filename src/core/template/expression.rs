//! Expressions over JSON values: the conditions of tasks, and values that are filled from results. No I/O, and bounded: an
//! expression has a budget of instructions and bytes, and a limit of its depth.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use minijinja::value::{Value, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior};
use serde_json::Value as Json;

use super::{Map, bounds, limit, one_line};
use crate::core::name::visible;

/// What one expression may cost, in the engine's own unit (about one instruction or 64 bytes each).
pub const EXPRESSION_FUEL: u64 = 50_000;
/// Largest value of an expression, in bytes: those of its texts, and [`ITEM_BYTES`] for each value in it.
const VALUE_BYTES_MAX: usize = 1024 * 1024;
const ITEM_BYTES: usize = 16;
/// Deepest nesting of the value of an expression.
const VALUE_DEPTH_MAX: usize = 64;

/// Why an expression cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExpressionError {
    /// What is wrong: a lower-case fragment.
    pub message: String,
    /// Where, as a byte of the text that was given.
    pub at: usize,
}

/// Returns the expression of a text that is one expression and nothing else: `{{ a > 1 }}`.
#[must_use]
pub fn as_expression(text: &str) -> Option<&str> {
    let inner = text.trim().strip_prefix("{{")?.strip_suffix("}}")?;
    // Two expressions beside each other are a text.
    let is_one = !inner.contains("{{") && !inner.contains("}}");
    is_one.then(|| inner.trim())
}

/// Returns true if a text holds an expression or a tag of a template.
#[must_use]
pub fn is_template(text: &str) -> bool {
    ["{{", "{%", "{#"].iter().any(|open| text.contains(open))
}

/// Returns the names that an expression reads, each as far as it is written: `steps.train.result.loss`.
///
/// # Errors
/// [`ExpressionError`] if it is no expression, or too large or deep.
pub fn names_read(expression: &str) -> Result<BTreeSet<String>, ExpressionError> {
    check_bounds(&format!("{{{{{expression}}}}}"), 2)?;
    let environment = environment();
    let compiled = environment.compile_expression(expression).map_err(|error| fault(&error, expression, 0))?;
    Ok(compiled.undeclared_variables(true).into_iter().collect())
}

/// Returns the names that a text with expressions reads.
///
/// # Errors
/// [`ExpressionError`] if it is no template, or too large or deep.
pub fn names_in_text(text: &str) -> Result<BTreeSet<String>, ExpressionError> {
    check_bounds(text, 0)?;
    let environment = environment();
    let template = environment.template_from_str(text).map_err(|error| fault(&error, text, 0))?;
    Ok(template.undeclared_variables(true).into_iter().collect())
}

/// Returns the value of an expression.
///
/// # Errors
/// [`ExpressionError`] for a name or key that is not there, operands that do not fit, or an expression that costs more than
/// [`EXPRESSION_FUEL`].
pub fn evaluate(expression: &str, values: &serde_json::Map<String, Json>) -> Result<Json, ExpressionError> {
    let names = names_read(expression)?;
    check_names(expression, &names, values)?;
    let environment = environment();
    let compiled = environment.compile_expression(expression).map_err(|error| fault(&error, expression, 0))?;
    let value = compiled.eval(Value::from_object(Map(values.clone()))).map_err(|error| fault(&error, expression, 0))?;
    if value.is_undefined() {
        return Err(ExpressionError { message: format!("`{}` has no value", shown(expression)), at: 0 });
    }
    let mut left = VALUE_BYTES_MAX;
    to_json(&value, &mut left, 0).map_err(|message| ExpressionError { message, at: 0 })
}

/// The value as JSON. The engine makes long lists only while they are read, so what it costs is counted here.
fn to_json(value: &Value, left: &mut usize, depth: usize) -> Result<Json, String> {
    let bytes = value.as_str().map_or(ITEM_BYTES, |text| text.len() + ITEM_BYTES);
    *left = left.checked_sub(bytes).ok_or("the value of the expression is too large")?;
    if depth > VALUE_DEPTH_MAX {
        return Err("the value of the expression is nested too deep".to_owned());
    }
    let iterate = || value.try_iter().map_err(|error| error.to_string());
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable => iterate()?.map(|item| to_json(&item, left, depth + 1)).collect(),
        ValueKind::Map => {
            let mut map = serde_json::Map::new();
            for key in iterate()? {
                let item = value.get_item(&key).map_err(|error| error.to_string())?;
                let name = key.as_str().map_or_else(|| key.to_string(), str::to_owned);
                map.insert(name, to_json(&item, left, depth + 1)?);
            }
            Ok(Json::Object(map))
        }
        _ => serde_json::to_value(value).map_err(|error| format!("its value is no JSON: {error}")),
    }
}

/// Returns a text with its expressions replaced by their values. A text that is one expression becomes the value itself, of
/// whatever type.
///
/// # Errors
/// As [`evaluate`].
pub fn fill_text(text: &str, values: &serde_json::Map<String, Json>) -> Result<Json, ExpressionError> {
    if !is_template(text) {
        return Ok(Json::from(text));
    }
    if let Some(expression) = as_expression(text) {
        let offset = text.find(expression).unwrap_or_default();
        return evaluate(expression, values).map_err(|error| ExpressionError { at: error.at + offset, ..error });
    }
    let names = names_in_text(text)?;
    check_names(text, &names, values)?;
    let context = Value::from_object(Map(values.clone()));
    let filled = environment().render_str(text, context).map_err(|error| fault(&error, text, 0))?;
    Ok(Json::from(filled))
}

/// A text that cannot be filled, and where it is in its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FillError {
    /// The keys and positions that lead to the text: `config.folds[2]`; empty for the value itself.
    pub key: String,
    /// Why.
    pub error: ExpressionError,
}

/// Returns a JSON value in which every text is filled as by [`fill_text`]. Keys of maps stay as they are.
///
/// # Errors
/// [`FillError`] for the first text that cannot be filled.
pub fn fill(value: &Json, values: &serde_json::Map<String, Json>) -> Result<Json, FillError> {
    fill_at(value, values, &mut String::new())
}

fn fill_at(value: &Json, values: &serde_json::Map<String, Json>, key: &mut String) -> Result<Json, FillError> {
    let length = key.len();
    match value {
        Json::String(text) => fill_text(text, values).map_err(|error| FillError { key: key.clone(), error }),
        Json::Array(items) => {
            let mut filled = Vec::with_capacity(items.len());
            for (index, item) in items.iter().enumerate() {
                let _ = write!(key, "[{index}]");
                filled.push(fill_at(item, values, key)?);
                key.truncate(length);
            }
            Ok(Json::Array(filled))
        }
        Json::Object(map) => {
            let mut filled = serde_json::Map::new();
            for (name, item) in map {
                if length > 0 {
                    key.push('.');
                }
                key.push_str(name);
                filled.insert(name.clone(), fill_at(item, values, key)?);
                key.truncate(length);
            }
            Ok(Json::Object(filled))
        }
        other => Ok(other.clone()),
    }
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_debug(true);
    limit(&mut environment);
    environment.set_fuel(Some(EXPRESSION_FUEL));
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    // It shows all values that there are.
    environment.remove_global("debug");
    environment
}

fn check_bounds(text: &str, opening: usize) -> Result<(), ExpressionError> {
    bounds::check(text).map_err(|bounds::TooMuch { message, at }| ExpressionError {
        message: message.replace("the template", "the expression"),
        at: at.saturating_sub(opening),
    })
}

/// Refuses names that have no value: the engine compares what is missing as if it were less than everything.
fn check_names(
    text: &str,
    names: &BTreeSet<String>,
    values: &serde_json::Map<String, Json>,
) -> Result<(), ExpressionError> {
    // Such a test asks whether a value is there.
    if text.contains("defined") || text.contains("default") {
        return Ok(());
    }
    match names.iter().find(|name| !is_there(name, values)) {
        None => Ok(()),
        Some(name) => {
            let at = text.find(name.as_str()).unwrap_or_default();
            Err(ExpressionError { message: format!("`{}` has no value", visible(name)), at })
        }
    }
}

fn is_there(name: &str, values: &serde_json::Map<String, Json>) -> bool {
    const BUILT_IN: [&str; 4] = ["range", "dict", "lipsum", "loop"];
    let mut parts = name.split('.');
    let Some(first) = parts.next() else { return true };
    let Some(mut at) = values.get(first) else { return BUILT_IN.contains(&first) };
    for part in parts {
        match at {
            Json::Object(map) => match map.get(part) {
                Some(next) => at = next,
                None => return false,
            },
            // A text, a list or a number has no keys; the engine says what it makes of them.
            Json::Null => return false,
            _ => return true,
        }
    }
    true
}

fn fault(error: &Error, text: &str, offset: usize) -> ExpressionError {
    let range = error.range().unwrap_or_default();
    let name = text.get(range.clone()).map(shown).unwrap_or_default();
    let message = match error.kind() {
        ErrorKind::UndefinedError if !name.is_empty() => format!("`{name}` has no value"),
        ErrorKind::UndefinedError => "a name has no value".to_owned(),
        ErrorKind::OutOfFuel => "the expression costs too much".to_owned(),
        kind => error.detail().filter(|detail| !detail.is_empty()).map_or_else(|| kind.to_string(), one_line),
    };
    ExpressionError { message, at: range.start.min(text.len()) + offset }
}

/// A piece of an expression, short enough for a message.
fn shown(text: &str) -> String {
    const SHOWN_MAX: usize = 60;
    super::cut(&visible(&one_line(text)), SHOWN_MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn values() -> serde_json::Map<String, Json> {
        let values = json!({
            "steps": {"evaluate": {"status": "completed", "result": {"accuracy": 0.96, "files": ["a", "b"]}}},
            "inputs": {"limit": 0.95, "name": "alice"},
        });
        values.as_object().cloned().expect("a map")
    }

    #[test]
    fn expressions_have_values_of_every_type() {
        for (text, expected) in [
            ("steps.evaluate.result.accuracy >= inputs.limit", json!(true)),
            ("steps['evaluate'].result.accuracy < 0.5", json!(false)),
            ("steps.evaluate.result.files", json!(["a", "b"])),
            ("steps.evaluate.result.files | length", json!(2)),
            ("inputs.name ~ '!'", json!("alice!")),
            ("steps.evaluate.result.loss is defined", json!(false)),
            ("steps.evaluate.result.loss | default(1)", json!(1)),
            ("inputs", json!({"limit": 0.95, "name": "alice"})),
            ("'b' in steps.evaluate.result.files", json!(true)),
        ] {
            assert_eq!(evaluate(text, &values()), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_evaluated_says_why_and_where() {
        let deep = format!("{}1{}", "(".repeat(40), ")".repeat(40));
        let long = format!("1{}", "+1".repeat(300));
        for (text, why, at) in [
            ("steps.evaluate.result.loss < 1", "`steps.evaluate.result.loss` has no value", 0),
            ("1 < steps.train.result", "`steps.train.result` has no value", 4),
            ("nothing", "`nothing` has no value", 0),
            ("1 +", "unexpected end of input, expected expression", 2),
            ("inputs.name + ", "unexpected end of input, expected expression", 12),
            ("range(90000) | map('string') | join('x') | length", "the expression costs too much", 15),
            (&deep, "the expression nests brackets deeper than 32 levels", 32),
            (&long, "the expression has a tag of more than 256 words and marks", 256),
        ] {
            let error = evaluate(text, &values()).expect_err(text);
            assert_eq!((error.message.as_str(), error.at), (why, at), "{text}");
        }
    }

    #[test]
    fn an_expression_that_makes_much_of_little_is_stopped() {
        for text in ["'x' * 99999999", "[1] * 99999999", "range(99999) | list | string", "range(99999) | sum"] {
            assert!(evaluate(text, &values()).is_err(), "{text}");
        }
    }

    #[test]
    fn texts_are_filled_and_single_expressions_keep_their_type() {
        let value = json!({"n": "{{ inputs.limit }}", "who": "for {{ inputs.name }}", "plain": "x", "list": [1, "{{ 1 + 1 }}"]});
        let expected = json!({"n": 0.95, "who": "for alice", "plain": "x", "list": [1, 2]});
        assert_eq!(fill(&value, &values()), Ok(expected));
        let error = fill(&json!({"a": {"b": ["x", "{{ steps.gone.result }}"]}}), &values()).expect_err("no value");
        assert_eq!((error.key.as_str(), error.error.at), ("a.b[1]", 3));
        assert_eq!(error.error.message, "`steps.gone.result` has no value");
    }

    #[test]
    fn names_are_those_that_are_read() {
        let names = names_read("steps.a.result.x > inputs.n and steps['b-c'].status == 'x'").expect("an expression");
        assert_eq!(names.into_iter().collect::<Vec<_>>(), ["inputs.n", "steps", "steps.a.result.x"]);
        assert_eq!(as_expression(" {{ a }} "), Some("a"));
        assert_eq!((as_expression("{{ a }} {{ b }}"), as_expression("a")), (None, None));
    }
}
