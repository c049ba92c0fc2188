//! The inputs of a run: `NAME=VALUE` by the types of the definition, defaults for the rest.

use serde_json::{Map, Value as Json};

use super::definition::{InputDefinition, InputKind, WorkflowDefinition};
use crate::core::entity::letters_apart;
use crate::core::name::visible;

/// Why inputs do not fit a definition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct InputError {
    /// What is wrong: a lower-case fragment.
    pub message: String,
    /// What to do next.
    pub hint: String,
}

/// Returns the inputs of a run from texts (`epochs`, `3`).
///
/// # Errors
/// [`InputError`] for an input that is not known, is given twice, has another type, or is missing.
pub fn parse_inputs(
    definition: &WorkflowDefinition,
    given: &[(String, String)],
) -> Result<Map<String, Json>, InputError> {
    let mut values = Map::new();
    for (name, text) in given {
        let input = find(definition, name)?;
        if values.contains_key(name) {
            let message = format!("the input `{name}` is given twice");
            return Err(InputError { message, hint: "give it once".to_owned() });
        }
        values.insert(name.clone(), parse(input, text)?);
    }
    complete(definition, values)
}

/// Returns the inputs of a run from JSON values.
///
/// # Errors
/// As [`parse_inputs`].
pub fn check_inputs(
    definition: &WorkflowDefinition,
    given: Map<String, Json>,
) -> Result<Map<String, Json>, InputError> {
    for (name, value) in &given {
        let input = find(definition, name)?;
        if !input.kind.takes(value) {
            return Err(wrong_type(input, &value.to_string()));
        }
    }
    complete(definition, given)
}

fn find<'a>(definition: &'a WorkflowDefinition, name: &str) -> Result<&'a InputDefinition, InputError> {
    let inputs = &definition.inputs;
    inputs.iter().find(|input| input.name == name).ok_or_else(|| {
        let near = inputs.iter().filter_map(|input| Some((letters_apart(name, &input.name)?, &input.name))).min();
        let known: Vec<&str> = inputs.iter().map(|input| input.name.as_str()).collect();
        let hint = match near {
            Some((_, name)) => format!("did you mean `{name}`?"),
            None if known.is_empty() => format!("`{}` takes no inputs", definition.name),
            None => format!("the inputs are {}", known.join(", ")),
        };
        InputError { message: format!("`{}` has no input `{}`", definition.name, visible(name)), hint }
    })
}

fn parse(input: &InputDefinition, text: &str) -> Result<Json, InputError> {
    let value = match input.kind {
        InputKind::String => Some(Json::from(text)),
        InputKind::Integer | InputKind::Number | InputKind::Boolean | InputKind::List | InputKind::Map => {
            serde_json::from_str::<Json>(text).ok()
        }
    };
    value.filter(|value| input.kind.takes(value)).ok_or_else(|| wrong_type(input, text))
}

fn wrong_type(input: &InputDefinition, text: &str) -> InputError {
    let (what, example) = match input.kind {
        InputKind::String => ("a text", "alice"),
        InputKind::Integer => ("a whole number", "3"),
        InputKind::Number => ("a number", "0.5"),
        InputKind::Boolean => ("true or false", "true"),
        InputKind::List => ("a JSON list", "[1,2]"),
        InputKind::Map => ("a JSON map", "{\"a\":1}"),
    };
    let shown = crate::core::template::cut(&visible(text), 40);
    let message = format!("the input `{}` must be {what}, not `{shown}`", input.name);
    InputError { message, hint: format!("give `--input '{}={example}'`", input.name) }
}

/// Adds the defaults, in the order of the definition.
fn complete(definition: &WorkflowDefinition, mut given: Map<String, Json>) -> Result<Map<String, Json>, InputError> {
    let mut values = Map::new();
    for input in &definition.inputs {
        let value = given.remove(&input.name).or_else(|| input.default.clone()).ok_or_else(|| InputError {
            message: format!("the input `{}` is missing", input.name),
            hint: format!("give `--input {}=VALUE` ({})", input.name, input.kind.word()),
        })?;
        values.insert(input.name.clone(), value);
    }
    Ok(values)
}
