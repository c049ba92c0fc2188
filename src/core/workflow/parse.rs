//! Reads the definition of a workflow from YAML. Every fault is a finding with its line and column; a definition with errors is
//! none.

use std::time::Duration;

use serde_json::Value as Json;

use super::definition::{
    EngineKind, INPUTS_MAX, InputDefinition, InputKind, NAME_CHARACTERS_MAX, STEPS_MAX, StepDefinition,
    WorkflowDefinition,
};
use super::validate;
use crate::core::diagnostic::{Code, Diagnostic, Place, Severity};
use crate::core::document::{Value, YamlEntry, YamlKind, YamlNode, read_yaml};
use crate::core::entity::status::nearest;
use crate::core::entity::{Condition, ForEach, Priority, Review, retry_policy};
use crate::core::name::{AgentName, visible};
use crate::core::template::{as_expression, names_read};
use crate::core::time::parse_span;

const TOP_KEYS: &[&str] = &["name", "title", "description", "engine", "inputs", "steps"];
const INPUT_KEYS: &[&str] = &["type", "default", "description"];
const STEP_KEYS: &[&str] = &[
    "type",
    "title",
    "description",
    "agent",
    "priority",
    "review",
    "needs",
    "when",
    "for_each",
    "max_parallel",
    "retry",
    "timeout",
    "payload",
];

/// A definition and everything that is wrong with it.
#[derive(Debug, Clone, PartialEq)]
pub struct DefinitionReading {
    /// The definition; `None` if it has an error.
    pub definition: Option<WorkflowDefinition>,
    /// What is wrong with it, in file order.
    pub findings: Vec<Diagnostic>,
}

/// Where the parts of a step stand, for findings about how steps belong together.
#[derive(Debug, Clone)]
pub(super) struct StepPlaces {
    pub(super) name: Place,
    pub(super) needs: Vec<(String, Place)>,
    pub(super) when: Place,
    pub(super) for_each: Place,
    pub(super) payload: Place,
}

/// Reads a definition. `name` is that of its file: the definition has no other one.
#[must_use]
pub fn read_definition(name: &str, text: &str) -> DefinitionReading {
    let mut parser = Parser { text, findings: Vec::new(), places: Vec::new() };
    let definition = parser.definition(name);
    let mut findings = parser.findings;
    if let Some(definition) = &definition {
        findings.extend(validate::check(definition, &parser.places));
    }
    findings.sort_by_key(|finding| finding.place);
    let is_sound = !findings.iter().any(|finding| finding.severity == Severity::Error);
    DefinitionReading { definition: definition.filter(|_| is_sound), findings }
}

struct Parser<'a> {
    text: &'a str,
    findings: Vec<Diagnostic>,
    places: Vec<StepPlaces>,
}

impl Parser<'_> {
    fn definition(&mut self, file: &str) -> Option<WorkflowDefinition> {
        let entries = match read_yaml(self.text) {
            Ok(entries) => entries,
            Err(finding) => {
                self.findings.push(*finding);
                return None;
            }
        };
        self.refuse_unknown(&entries, TOP_KEYS, "a definition");
        if let Some(node) = find(&entries, "name").filter(|node| node.text().is_none_or(|name| name != file)) {
            let message = format!("the name is not that of its file, `{}`", visible(file));
            self.error(Code::BadName, message, node.span.start, "give both the same name, or leave `name` out");
        }
        let inputs = self.inputs(find(&entries, "inputs"));
        let Some(steps) = find(&entries, "steps") else {
            self.error(
                Code::MissingKey,
                "the key `steps` is missing".to_owned(),
                0,
                "add `steps:` with one step at least",
            );
            return None;
        };
        let steps = self.steps(steps);
        Some(WorkflowDefinition {
            name: file.to_owned(),
            title: self.text_of(&entries, "title"),
            description: self.text_of(&entries, "description"),
            engine: self
                .parsed(&entries, "engine", Code::BadValue, |text| {
                    text.parse::<EngineKind>().map_err(|error| error.to_string())
                })
                .unwrap_or_default(),
            inputs,
            steps,
        })
    }

    fn inputs(&mut self, node: Option<&YamlNode>) -> Vec<InputDefinition> {
        let Some(node) = node.filter(|node| !node.value().is_null()) else { return Vec::new() };
        let Some(entries) = node.entries() else {
            self.not_a_map("inputs", node, "write `inputs: { NAME: { type: string } }`");
            return Vec::new();
        };
        if entries.len() > INPUTS_MAX {
            let message = format!("there are {} inputs; at most {INPUTS_MAX} are taken", entries.len());
            self.error(Code::BadValue, message, node.span.start, "put what belongs together into a map");
        }
        entries.iter().filter_map(|entry| self.input(entry)).collect()
    }

    fn input(&mut self, entry: &YamlEntry) -> Option<InputDefinition> {
        self.check_name("input", entry);
        let Some(parts) = entry.value.entries() else {
            self.not_a_map(&entry.key, &entry.value, "write `{ type: string }`, and a `default` if there is one");
            return None;
        };
        self.refuse_unknown(parts, INPUT_KEYS, "an input");
        let Some(kind) = find(parts, "type") else {
            let message = format!("the input `{}` has no type", visible(&entry.key));
            self.error(Code::MissingKey, message, entry.key_span.start, "add `type`, such as `type: string`");
            return None;
        };
        let word = kind.text().unwrap_or_default();
        let Some((_, kind)) = InputKind::ALL.into_iter().find(|(known, _)| *known == word) else {
            let known: Vec<&str> = InputKind::ALL.iter().map(|(word, _)| *word).collect();
            let message = format!("unknown type `{}`; known: {}", visible(word), known.join(", "));
            let hint = nearest(word, &known)
                .map_or_else(|| "use one of them".to_owned(), |word| format!("did you mean `{word}`?"));
            self.error(Code::BadValue, message, kind.span.start, &hint);
            return None;
        };
        let default = find(parts, "default").filter(|node| !node.value().is_null());
        if let Some(node) = default.filter(|node| !kind.takes(&node.value().to_json())) {
            let message = format!("the default of `{}` is no {}", visible(&entry.key), kind.word());
            self.error(Code::BadValue, message, node.span.start, "give a default of the input's type, or another type");
        }
        Some(InputDefinition {
            name: entry.key.clone(),
            kind,
            default: default.map(|node| node.value().to_json()),
            description: self.text_of(parts, "description"),
        })
    }

    fn steps(&mut self, node: &YamlNode) -> Vec<StepDefinition> {
        let Some(entries) = node.entries().filter(|entries| !entries.is_empty()) else {
            self.not_a_map("steps", node, "write one `NAME: { type: TYPE }` a line");
            return Vec::new();
        };
        if entries.len() > STEPS_MAX {
            let message = format!("there are {} steps; at most {STEPS_MAX} are taken", entries.len());
            self.error(Code::TooManyValues, message, node.span.start, "use `for_each` for steps that are alike");
        }
        entries.iter().take(STEPS_MAX).filter_map(|entry| self.step(entry)).collect()
    }

    fn step(&mut self, entry: &YamlEntry) -> Option<StepDefinition> {
        self.check_name("step", entry);
        let Some(parts) = entry.value.entries() else {
            self.not_a_map(&entry.key, &entry.value, "write `{ type: TYPE }`");
            return None;
        };
        self.refuse_unknown(parts, STEP_KEYS, "a step");
        let place = |key: &str| self.place(find(parts, key).map_or(entry.key_span.start, |node| node.span.start));
        let (when, for_each, payload) = (place("when"), place("for_each"), place("payload"));
        let needs = self.needs(find(parts, "needs"));
        self.places.push(StepPlaces {
            name: self.place(entry.key_span.start),
            needs: needs.clone(),
            when,
            for_each,
            payload,
        });
        let step = StepDefinition {
            name: entry.key.clone(),
            kind: self.text_of(parts, "type").unwrap_or_else(|| entry.key.clone()),
            title: self.text_of(parts, "title"),
            description: self.text_of(parts, "description"),
            agent: self
                .parsed(parts, "agent", Code::BadName, |text| AgentName::new(text).map_err(|error| error.to_string())),
            priority: self
                .parsed(parts, "priority", Code::BadValue, |text| {
                    text.parse::<Priority>().map_err(|error| error.to_string())
                })
                .unwrap_or(Priority::Normal),
            review: self.parsed(parts, "review", Code::BadValue, |text| {
                text.parse::<Review>().map_err(|error| error.to_string())
            }),
            needs: needs.into_iter().map(|(name, _)| name).collect(),
            when: self.condition(find(parts, "when")),
            for_each: self.for_each(find(parts, "for_each")),
            max_parallel: self.parsed(parts, "max_parallel", Code::BadValue, |text| {
                let number = text.parse::<u64>().ok().filter(|number| *number > 0);
                number.ok_or_else(|| "it must be a whole number from 1".to_owned())
            }),
            retry: self.retry(find(parts, "retry")),
            timeout: self.parsed(parts, "timeout", Code::BadValue, |text| -> Result<Duration, String> {
                parse_span(text).map_err(|error| error.to_string())
            }),
            payload: find(parts, "payload").map(|node| node.value().to_json()).filter(|json| !json.is_null()),
        };
        self.check_payload(find(parts, "payload"), step.payload.as_ref());
        Some(step)
    }

    fn needs(&mut self, node: Option<&YamlNode>) -> Vec<(String, Place)> {
        let Some(node) = node.filter(|node| !node.value().is_null()) else { return Vec::new() };
        let one = |parser: &Self, node: &YamlNode| Some((node.text()?.to_owned(), parser.place(node.span.start)));
        let found: Option<Vec<_>> = match &node.kind {
            YamlKind::Scalar(_) => one(self, node).map(|need| vec![need]),
            YamlKind::List(items) => items.iter().map(|item| one(self, item)).collect(),
            YamlKind::Map(_) => None,
        };
        found.unwrap_or_else(|| {
            let message = "`needs` must be the name of a step, or a list of names".to_owned();
            self.error(Code::BadValue, message, node.span.start, "write `needs: [a, b]`");
            Vec::new()
        })
    }

    fn condition(&mut self, node: Option<&YamlNode>) -> Condition {
        let Some(node) = node.filter(|node| !node.value().is_null()) else { return Condition::Success };
        let Some(text) = node.text().map(str::trim) else {
            let message = "`when` must be one text, not a list or map".to_owned();
            self.error(Code::BadCondition, message, node.span.start, "put an expression in quotes: `\"{{ … }}\"`");
            return Condition::Success;
        };
        if let Some(expression) = as_expression(text) {
            self.check_expression("when", node, text, expression);
            return Condition::Expression(expression.to_owned());
        }
        text.parse().unwrap_or_else(|unknown: crate::core::entity::UnknownWord| {
            self.error(Code::BadCondition, format!("`when`: {unknown}"), node.span.start, &unknown.hint());
            Condition::Success
        })
    }

    fn for_each(&mut self, node: Option<&YamlNode>) -> Option<ForEach> {
        let node = node.filter(|node| !node.value().is_null())?;
        if node.items().is_some() {
            return Some(ForEach::Items(node.value().to_json().to_string()));
        }
        let text = node.text().unwrap_or_default();
        if let Some(expression) = as_expression(text) {
            self.check_expression("for_each", node, text, expression);
            return Some(ForEach::Expression(expression.to_owned()));
        }
        let message = "`for_each` is neither a list nor an expression".to_owned();
        self.error(Code::BadCondition, message, node.span.start, "write a list, or `\"{{ inputs.NAME }}\"`");
        None
    }

    fn retry(&mut self, node: Option<&YamlNode>) -> Option<Value> {
        let node = node.filter(|node| !node.value().is_null())?;
        let value = node.value();
        match retry_policy(&value) {
            Ok(_) => Some(value),
            Err((message, hint)) => {
                self.error(Code::BadValue, format!("`retry`: {message}"), node.span.start, hint);
                None
            }
        }
    }

    /// Refuses expressions of a payload that are none.
    fn check_payload(&mut self, node: Option<&YamlNode>, payload: Option<&Json>) {
        let (Some(node), Some(_)) = (node, payload) else { return };
        let mut next = vec![node];
        while let Some(node) = next.pop() {
            match &node.kind {
                YamlKind::List(items) => next.extend(items),
                YamlKind::Map(entries) => next.extend(entries.iter().map(|entry| &entry.value)),
                YamlKind::Scalar(value) => {
                    let text = value.as_text().unwrap_or_default();
                    if let Err(error) = crate::core::template::names_in_text(text) {
                        let at = node.span.start;
                        let hint = "write an expression such as `{{ inputs.NAME }}`";
                        self.error(Code::BadCondition, format!("`payload`: {}", error.message), at, hint);
                    }
                }
            }
        }
    }

    fn check_expression(&mut self, key: &str, node: &YamlNode, text: &str, expression: &str) {
        let Err(error) = names_read(expression) else { return };
        let written = &self.text[node.span.clone()];
        // Where the file has the text as it is, the place is that of the fault in it.
        let inside = text.find(expression).unwrap_or_default() + error.at;
        let at = written.find(text).map_or(node.span.start, |start| node.span.start + start + inside);
        let hint = "write an expression such as `{{ steps.NAME.result.KEY > 1 }}`";
        self.error(Code::BadCondition, format!("`{key}`: {}", error.message), at, hint);
    }

    fn check_name(&mut self, what: &str, entry: &YamlEntry) {
        let is_first = |c: char| c.is_ascii_alphabetic() || c == '_';
        let is_other = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        let is_name = entry.key.starts_with(is_first) && entry.key.chars().all(is_other);
        if !is_name || entry.key.len() > NAME_CHARACTERS_MAX {
            let message = format!("`{}` is no name of a {what}", visible(&entry.key));
            let hint = "use letters, digits, `-` and `_`, a letter first, at most 60 of them";
            self.error(Code::BadName, message, entry.key_span.start, hint);
        }
    }

    fn refuse_unknown(&mut self, entries: &[YamlEntry], known: &'static [&'static str], what: &str) {
        for entry in entries.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
            let message = format!("{what} has no key `{}`; known: {}", visible(&entry.key), known.join(", "));
            let hint = nearest(&entry.key, known)
                .map_or_else(|| "remove it, or correct its name".to_owned(), |word| format!("did you mean `{word}`?"));
            self.error(Code::BadValue, message, entry.key_span.start, &hint);
        }
    }

    fn text_of(&mut self, entries: &[YamlEntry], key: &str) -> Option<String> {
        let node = find(entries, key).filter(|node| !node.value().is_null())?;
        let text = node.text().filter(|text| !text.trim().is_empty());
        if text.is_none() {
            self.error(Code::BadValue, format!("`{key}` must be a text"), node.span.start, "write it on one line");
        }
        text.map(str::to_owned)
    }

    fn parsed<T>(
        &mut self,
        entries: &[YamlEntry],
        key: &str,
        code: Code,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.text_of(entries, key)?;
        match parse(&text) {
            Ok(value) => Some(value),
            Err(why) => {
                let at = find(entries, key).map_or(0, |node| node.span.start);
                self.error(code, format!("`{key}`: {why}"), at, "correct the value, or remove the line");
                None
            }
        }
    }

    fn not_a_map(&mut self, key: &str, node: &YamlNode, hint: &str) {
        self.error(Code::NotAMap, format!("`{}` must be a map of keys", visible(key)), node.span.start, hint);
    }

    fn error(&mut self, code: Code, message: String, at: usize, hint: &str) {
        self.findings.push(Diagnostic::error(code, message).at(self.place(at)).hint(hint));
    }

    fn place(&self, at: usize) -> Place {
        Place::of(self.text.as_bytes(), at)
    }
}

fn find<'a>(entries: &'a [YamlEntry], key: &str) -> Option<&'a YamlNode> {
    entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
}

#[cfg(test)]
mod tests;
