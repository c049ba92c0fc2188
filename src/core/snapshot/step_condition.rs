//! Whether a task runs, once everything that it depends on has ended: its condition on these ends, and the values that an
//! expression reads.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Map, Value as Json, json};

use super::{Entry, Snapshot};
use crate::core::entity::{Condition, FAN_OUT_ITEMS_MAX, ForEach, SkipReason, Task, TaskEnd};
use crate::core::name::DocId;
use crate::core::template::{self, ExpressionError};

/// Most tasks whose results an expression can read: those that its task depends on, directly or not.
const ANCESTORS_MAX: usize = 10_000;

/// What becomes of a task whose dependencies have ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConditionDecision {
    /// It runs.
    Run,
    /// It is skipped.
    Skip(SkipReason),
    /// It cannot be decided: it waits until somebody corrects it.
    Unknown(ConditionFault),
}

/// Why a condition cannot be evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConditionFault {
    /// The expression.
    pub expression: String,
    /// Why: a lower-case fragment.
    pub why: String,
}

impl Snapshot {
    /// Decides whether a task runs; `None` while something that it depends on has not ended, or cannot be used.
    #[must_use]
    pub fn decide_condition(&self, task: &Task) -> Option<ConditionDecision> {
        let mut ends = Vec::new();
        for (_, entry) in self.dependencies(task) {
            let other = entry.and_then(Entry::task)?;
            let end = other.end()?;
            if end == TaskEnd::Completed && !other.is_approved() {
                return None;
            }
            ends.push(end);
        }
        Some(decision(self, task, &ends))
    }

    /// Returns the values that expressions of a task read: `steps` with everything that it depends on, directly or not, by the
    /// name of its step or its id, and `inputs` of its workflow.
    #[must_use]
    pub fn expression_values(&self, task: &Task) -> Map<String, Json> {
        let mut steps = Map::new();
        for other in ancestors(self, task) {
            let name = other.execution.step.clone().unwrap_or_else(|| other.id.to_string());
            let value = json!({
                "status": if other.skip_reason().is_some() { "skipped" } else { other.status.word() },
                "result": other.result,
                "error": other.error,
            });
            steps.insert(name, value);
        }
        let metadata = self.workflow_of(task).and_then(|workflow| workflow.metadata.as_ref());
        let inputs = metadata.and_then(|metadata| metadata.get("inputs")).cloned().unwrap_or_else(|| json!({}));
        Map::from_iter([("steps".to_owned(), Json::Object(steps)), ("inputs".to_owned(), inputs)])
    }

    /// Returns the list of a fan-out; none for what is no fan-out.
    ///
    /// # Errors
    /// Why there is no list, or one that is too long: a lower-case fragment.
    pub fn fan_out_items(&self, task: &Task) -> Result<Vec<Json>, String> {
        let list = match task.gates.for_each.usable() {
            Some(ForEach::Items(text)) => serde_json::from_str(text).map_err(|error| format!("for_each: {error}"))?,
            Some(ForEach::Expression(expression)) => template::evaluate(expression, &self.expression_values(task))
                .map_err(|error| format!("for_each `{expression}`: {}", error.message))?,
            None => Json::Array(Vec::new()),
        };
        match list {
            Json::Array(items) if items.len() <= FAN_OUT_ITEMS_MAX => Ok(items),
            Json::Array(items) => {
                Err(format!("for_each has {} items; at most {FAN_OUT_ITEMS_MAX} are taken", items.len()))
            }
            _ => Err("for_each gives no list".to_owned()),
        }
    }
}

/// Decides by the ends of its dependencies whether a task runs.
pub(super) fn decision(snapshot: &Snapshot, task: &Task, ends: &[TaskEnd]) -> ConditionDecision {
    let has = |wanted: &[TaskEnd]| ends.iter().any(|end| wanted.contains(end));
    let is_failure = has(&[TaskEnd::Failed, TaskEnd::SkippedByFailure]);
    let is_success = !has(&[TaskEnd::Failed, TaskEnd::SkippedByFailure, TaskEnd::Skipped]);
    let skip = || ConditionDecision::Skip(skip_reason(snapshot, task, is_failure));
    let run_if = |is_met: bool| if is_met { ConditionDecision::Run } else { skip() };
    match task.condition() {
        Condition::Success => run_if(is_success),
        Condition::Failure if !is_failure => ConditionDecision::Skip(SkipReason::new("nothing before it failed")),
        Condition::Failure | Condition::Always => ConditionDecision::Run,
        Condition::Any => run_if(!has(&[TaskEnd::Failed]) && (ends.is_empty() || has(&[TaskEnd::Completed]))),
        Condition::Expression(_) if !is_success => skip(),
        Condition::Expression(expression) => decide_by(snapshot, task, expression),
    }
}

fn decide_by(snapshot: &Snapshot, task: &Task, expression: &str) -> ConditionDecision {
    let unknown = |why: String| ConditionDecision::Unknown(ConditionFault { expression: expression.to_owned(), why });
    match template::evaluate(expression, &snapshot.expression_values(task)) {
        Ok(Json::Bool(true)) => ConditionDecision::Run,
        Ok(Json::Bool(false)) => ConditionDecision::Skip(SkipReason::new("its condition is false")),
        Ok(other) => unknown(format!("it is neither true nor false: {}", template::cut(&other.to_string(), 40))),
        Err(ExpressionError { message, .. }) => unknown(message),
    }
}

/// The reason for a skip: the first dependency that did not succeed, in the order of the document.
fn skip_reason(snapshot: &Snapshot, task: &Task, is_failure: bool) -> SkipReason {
    let dependencies = snapshot.dependencies(task);
    let ended = dependencies.iter().filter_map(|(_, entry)| entry.and_then(Entry::task));
    let first = |wanted: &[TaskEnd]| {
        let mut found = ended.clone().filter(|task| task.end().is_some_and(|end| wanted.contains(&end)));
        found.next().map(|task| task.id.clone())
    };
    let failed = first(&[TaskEnd::Failed]).or_else(|| first(&[TaskEnd::SkippedByFailure]));
    match (failed.filter(|_| is_failure), first(&[TaskEnd::Skipped])) {
        (Some(failed), _) => SkipReason::failure_of(&failed),
        (None, Some(skipped)) => SkipReason::new(format!("{skipped} was skipped")),
        (None, None) => SkipReason::new("its condition is false"),
    }
}

/// The tasks that a task depends on, directly or not, by id; without itself.
fn ancestors<'a>(snapshot: &'a Snapshot, task: &'a Task) -> Vec<&'a Task> {
    let mut found: BTreeMap<&DocId, &Task> = BTreeMap::new();
    let mut seen = BTreeSet::from([&task.id]);
    let mut next = VecDeque::from([task]);
    while let Some(at) = next.pop_front().filter(|_| found.len() < ANCESTORS_MAX) {
        let named = at.references().iter().filter_map(|reference| snapshot.named_task(&reference.id));
        for other in named.filter_map(Entry::task) {
            if seen.insert(&other.id) {
                found.insert(&other.id, other);
                next.push_back(other);
            }
        }
    }
    found.into_values().collect()
}

#[cfg(test)]
mod tests;
