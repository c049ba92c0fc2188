//! Whether the steps of a definition belong together: names that exist, no cycles, every step can be reached, expressions read
//! what comes before them.

use std::collections::{BTreeMap, BTreeSet};

use super::definition::{StepDefinition, WorkflowDefinition};
use super::parse::StepPlaces;
use crate::core::diagnostic::{Code, Diagnostic, Place};
use crate::core::entity::{Condition, FAN_OUT_ITEMS_MAX, ForEach, letters_apart};
use crate::core::name::visible;
use crate::core::template::{names_in_text, names_read};

/// Returns what is wrong with the steps as a whole. `places` are those of the steps, in their order.
pub(super) fn check(definition: &WorkflowDefinition, places: &[StepPlaces]) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for (step, places) in definition.steps.iter().zip(places) {
        needs(definition, step, places, &mut findings);
    }
    if !findings.is_empty() {
        return findings;
    }
    let order = match order(definition) {
        Ok(order) => order,
        Err(cycle) => {
            let place = definition.steps.iter().position(|step| Some(&step.name) == cycle.first());
            let place = place.and_then(|index| places.get(index)).map_or(Place { line: 1, column: 1 }, |one| one.name);
            let message = format!("these steps wait for each other: {}", cycle.join(" → "));
            return vec![error(
                Code::DependencyCycle,
                message,
                place,
                "take one of these out of the `needs` of the other",
            )];
        }
    };
    let before = ancestors(definition, &order);
    for (step, places) in definition.steps.iter().zip(places) {
        expressions(definition, step, places, &before, &mut findings);
        fan_out(step, places, &mut findings);
    }
    for name in unreachable(definition, &order) {
        if let Some(index) = definition.steps.iter().position(|step| step.name == name) {
            let why = match definition.steps[index].when {
                Condition::Failure => "nothing before it can fail",
                _ => "what it needs cannot all be completed in one run",
            };
            let message = format!("the step `{name}` can never run: {why}");
            findings.push(error(Code::BadCondition, message, places[index].name, "correct its `needs` or its `when`"));
        }
    }
    findings
}

fn error(code: Code, message: String, place: Place, hint: impl Into<String>) -> Diagnostic {
    Diagnostic::error(code, message).at(place).hint(hint)
}

fn needs(definition: &WorkflowDefinition, step: &StepDefinition, places: &StepPlaces, findings: &mut Vec<Diagnostic>) {
    for (need, place) in &places.needs {
        if *need == step.name {
            findings.push(error(
                Code::DependencyCycle,
                format!("the step `{need}` needs itself"),
                *place,
                "leave it out",
            ));
        } else if definition.step(need).is_none() {
            let message = format!("there is no step `{}`", visible(need));
            let names = definition.steps.iter().map(|step| step.name.as_str());
            findings.push(error(Code::MissingTask, message, *place, meant(need, names)));
        }
    }
}

/// `did you mean ...?`, or what there is.
fn meant<'a>(wrong: &str, known: impl Iterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.collect();
    let near = known.iter().filter_map(|name| Some((letters_apart(wrong, name)?, *name))).min();
    match near {
        Some((_, name)) => format!("did you mean `{name}`?"),
        None if known.is_empty() => "there is none".to_owned(),
        None => format!("known: {}", known.iter().take(10).copied().collect::<Vec<_>>().join(", ")),
    }
}

/// The steps, each behind those that it needs; else the names of a cycle, the first one again at its end.
pub(super) fn order(definition: &WorkflowDefinition) -> Result<Vec<&StepDefinition>, Vec<String>> {
    let mut ordered: Vec<&StepDefinition> = Vec::new();
    let mut placed: BTreeSet<&str> = BTreeSet::new();
    loop {
        let ready = definition.steps.iter().filter(|step| !placed.contains(step.name.as_str()));
        let ready: Vec<&StepDefinition> =
            ready.filter(|step| step.needs.iter().all(|need| placed.contains(need.as_str()))).collect();
        if ready.is_empty() {
            break;
        }
        placed.extend(ready.iter().map(|step| step.name.as_str()));
        ordered.extend(ready);
    }
    match definition.steps.iter().find(|step| !placed.contains(step.name.as_str())) {
        None => Ok(ordered),
        Some(first) => Err(cycle(definition, first, &placed)),
    }
}

/// Follows needs that are in no order until one comes again.
fn cycle(definition: &WorkflowDefinition, first: &StepDefinition, placed: &BTreeSet<&str>) -> Vec<String> {
    let mut path: Vec<&str> = vec![&first.name];
    loop {
        let last = path.last().and_then(|name| definition.step(name));
        let next = last.and_then(|step| step.needs.iter().find(|need| !placed.contains(need.as_str())));
        let Some(next) = next else { return path.into_iter().map(str::to_owned).collect() };
        if let Some(start) = path.iter().position(|name| *name == next) {
            let around = path[start..].iter().copied().chain([next.as_str()]);
            return around.map(str::to_owned).collect();
        }
        path.push(next);
    }
}

/// By step, all steps that come before it.
fn ancestors<'a>(
    definition: &'a WorkflowDefinition,
    order: &[&'a StepDefinition],
) -> BTreeMap<&'a str, BTreeSet<&'a str>> {
    let mut before: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for step in order {
        let mut all = BTreeSet::new();
        for need in step.needs.iter().filter_map(|need| definition.step(need)) {
            all.insert(need.name.as_str());
            all.extend(before.get(need.name.as_str()).into_iter().flatten().copied());
        }
        before.insert(&step.name, all);
    }
    before
}

fn expressions(
    definition: &WorkflowDefinition,
    step: &StepDefinition,
    places: &StepPlaces,
    before: &BTreeMap<&str, BTreeSet<&str>>,
    findings: &mut Vec<Diagnostic>,
) {
    let mut check = |key: &str, names: BTreeSet<String>, place: Place, is_item: bool| {
        for name in names {
            let mut parts = name.split('.');
            let fault = match (parts.next().unwrap_or_default(), parts.next()) {
                ("steps", Some(other)) => unknown_step(definition, step, other, before),
                ("inputs", Some(input)) if !definition.inputs.iter().any(|one| one.name == input) => {
                    let known = definition.inputs.iter().map(|one| one.name.as_str());
                    Some((format!("there is no input `{}`", visible(input)), meant(input, known)))
                }
                ("steps" | "inputs" | "range" | "dict", _) => None,
                ("item" | "index", _) if is_item => None,
                (other, _) => {
                    let known = if is_item { "`steps`, `inputs`, `item` and `index`" } else { "`steps` and `inputs`" };
                    Some((format!("`{}` is not known here", visible(other)), format!("the names are {known}")))
                }
            };
            if let Some((message, hint)) = fault {
                findings.push(error(Code::BadCondition, format!("`{key}`: {message}"), place, hint));
            }
        }
    };
    if let Condition::Expression(text) = &step.when {
        check("when", names_read(text).unwrap_or_default(), places.when, false);
    }
    if let Some(ForEach::Expression(text)) = &step.for_each {
        check("for_each", names_read(text).unwrap_or_default(), places.for_each, false);
    }
    if let Some(payload) = &step.payload {
        let mut texts = Vec::new();
        collect_texts(payload, &mut texts);
        for text in texts {
            check("payload", names_in_text(text).unwrap_or_default(), places.payload, step.for_each.is_some());
        }
    }
}

fn unknown_step(
    definition: &WorkflowDefinition,
    step: &StepDefinition,
    name: &str,
    before: &BTreeMap<&str, BTreeSet<&str>>,
) -> Option<(String, String)> {
    let known = before.get(step.name.as_str());
    if known.is_some_and(|known| known.contains(name)) {
        return None;
    }
    if definition.step(name).is_some() {
        let message = format!("the step `{name}` need not have ended before `{}`", step.name);
        return Some((message, format!("add `{name}` to its `needs`")));
    }
    let names = definition.steps.iter().map(|step| step.name.as_str());
    Some((format!("there is no step `{}`", visible(name)), meant(name, names)))
}

/// The texts of a JSON value.
pub(super) fn collect_texts<'a>(value: &'a serde_json::Value, into: &mut Vec<&'a str>) {
    match value {
        serde_json::Value::String(text) => into.push(text),
        serde_json::Value::Array(items) => items.iter().for_each(|item| collect_texts(item, into)),
        serde_json::Value::Object(map) => map.values().for_each(|item| collect_texts(item, into)),
        _ => {}
    }
}

fn fan_out(step: &StepDefinition, places: &StepPlaces, findings: &mut Vec<Diagnostic>) {
    match &step.for_each {
        Some(ForEach::Items(json)) => {
            let count = serde_json::from_str::<Vec<serde_json::Value>>(json).map_or(0, |items| items.len());
            if count > FAN_OUT_ITEMS_MAX {
                let message = format!("`for_each` has {count} items; at most {FAN_OUT_ITEMS_MAX} are taken");
                findings.push(error(Code::TooManyValues, message, places.for_each, "give several items to one task"));
            }
        }
        None if step.max_parallel.is_some() => {
            let message = format!("`max_parallel` of `{}` has no meaning without `for_each`", step.name);
            let finding = Diagnostic::warning(Code::BadValue, message).at(places.name);
            findings.push(finding.hint("add `for_each`, or leave it out"));
        }
        Some(ForEach::Expression(_)) | None => {}
    }
}

/// Which ends a step may have, in any run.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "a set of ends")]
struct PossibleEnds {
    completed: bool,
    failed: bool,
    skipped: bool,
    skipped_by_failure: bool,
}

/// The steps that run in no run at all. Each need is taken by itself, so of two that exclude each other nothing is found.
fn unreachable<'a>(definition: &'a WorkflowDefinition, order: &[&'a StepDefinition]) -> Vec<&'a str> {
    let mut ends: BTreeMap<&str, PossibleEnds> = BTreeMap::new();
    let mut found = Vec::new();
    for step in order {
        let needs = step.needs.iter().filter_map(|need| definition.step(need));
        let needs: Vec<PossibleEnds> = needs.filter_map(|need| ends.get(need.name.as_str()).copied()).collect();
        let may_fail = needs.iter().any(|need| need.failed || need.skipped_by_failure);
        let runs = match step.when {
            Condition::Success | Condition::Expression(_) => needs.iter().all(|need| need.completed),
            Condition::Failure => may_fail,
            Condition::Any => needs.is_empty() || needs.iter().any(|need| need.completed),
            Condition::Always => true,
        };
        if !runs {
            found.push(step.name.as_str());
        }
        let may_skip =
            needs.iter().any(|need| need.skipped) || !matches!(step.when, Condition::Success | Condition::Always);
        let skips = step.when != Condition::Always;
        let possible = PossibleEnds {
            completed: runs,
            failed: runs,
            skipped: skips && may_skip,
            skipped_by_failure: skips && may_fail && step.when != Condition::Failure,
        };
        ends.insert(&step.name, possible);
    }
    found
}
