//! A workflow with its steps as they stand: what `workflow monitor` shows, as a value and as data.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::core::entity::{Task, TaskStatus, Workflow, WorkflowStatus, fraction_json};
use crate::core::event::Event;
use crate::core::name::{AgentName, DocId};
use crate::core::snapshot::{Blocker, Snapshot, Wait};
use crate::core::template::{cut, one_line};
use crate::core::time::Timestamp;
use crate::core::workflow::{StepGraph, derived_workflow, steps_of};

/// Characters of an error that are shown beside a step.
const ERROR_COLUMNS_MAX: usize = 80;

/// A workflow and its steps.
#[derive(Debug, Clone)]
pub struct WorkflowTree {
    /// The workflow, as it follows from its tasks.
    pub workflow: Workflow,
    /// Its steps, each behind those that it needs.
    pub steps: Vec<StepRow>,
}

/// One step of a workflow.
#[derive(Debug, Clone)]
pub struct StepRow {
    /// The name of the step, else the id of its task.
    pub name: String,
    /// Its task.
    pub task: DocId,
    /// What sort of work.
    pub kind: String,
    /// How many steps are before it on the longest way.
    pub depth: usize,
    /// `completed`, `failed`, `skipped`, `running`, `ready`, `waiting` or `blocked`.
    pub state: &'static str,
    /// Which attempt, from the second on or where attempts are counted.
    pub attempt: Option<u64>,
    /// Who has it, or had it last.
    pub agent: Option<AgentName>,
    /// The items of a fan-out.
    pub items: Option<ItemCounts>,
    /// When its attempt began and ended, as far as that is known.
    pub span: StepSpan,
    /// Why it failed or was skipped, or for what it waits that its workflow does not bring, on one line.
    pub why: Option<String>,
}

/// The items of a fan-out by their states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ItemCounts {
    /// All of them, those that are not made yet included.
    pub total: usize,
    /// Completed ones.
    pub completed: usize,
    /// Running ones.
    pub running: usize,
    /// Failed ones.
    pub failed: usize,
}

/// When an attempt began and ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StepSpan {
    /// Since when.
    pub started: Option<Timestamp>,
    /// Until when.
    pub ended: Option<Timestamp>,
}

/// When the attempts of tasks began and ended: by the events of before, then by what is seen.
#[derive(Debug, Clone, Default)]
pub struct StepTimes(BTreeMap<DocId, (TaskStatus, StepSpan)>);

impl StepTimes {
    /// Returns what events of before say, oldest first.
    #[must_use]
    pub fn of_events(events: &[Event]) -> Self {
        let mut times = Self::default();
        for event in events {
            let id = event.body.get("task_id").and_then(Value::as_str).and_then(|id| DocId::new(id).ok());
            let status = event.body.get("status").and_then(Value::as_str).and_then(|word| word.parse().ok());
            if let (Some(id), Some(status)) = (id, status) {
                times.note(&id, status, event.at);
            }
        }
        times
    }

    /// Notes the status of a task at a moment; what it was before stays until it changes.
    fn note(&mut self, id: &DocId, status: TaskStatus, at: Timestamp) -> StepSpan {
        let (before, span) = self.0.entry(id.clone()).or_insert((TaskStatus::Pending, StepSpan::default()));
        if *before != status {
            *span = match status {
                TaskStatus::Pending => StepSpan::default(),
                TaskStatus::Running => StepSpan { started: Some(at), ended: None },
                TaskStatus::Completed | TaskStatus::Failed => StepSpan { ended: Some(at), ..*span },
            };
            *before = status;
        }
        *span
    }
}

impl WorkflowTree {
    /// Returns a workflow as it stands at a moment.
    #[must_use]
    pub fn new(snapshot: &Snapshot, workflow: &Workflow, times: &mut StepTimes, now: Timestamp) -> Self {
        let graph = StepGraph::of_workflow(snapshot, workflow);
        let rows = steps_of(snapshot, workflow).into_iter().zip(graph.nodes.iter().zip(graph.depths()));
        let steps = rows.map(|(task, (node, depth))| StepRow {
            name: node.name.clone(),
            task: task.id.clone(),
            kind: task.kind.clone(),
            depth,
            state: node.state.unwrap_or_else(|| task.status.word()),
            attempt: task.attempt.filter(|attempt| *attempt > 1 || task.execution.retry.is_some()),
            agent: task.claimed_by.clone(),
            items: task.gates.for_each.usable().map(|_| item_counts(snapshot, task)),
            span: span(task, times.note(&task.id, task.status, now)),
            why: why(task).or_else(|| waits_for(snapshot, task)),
        });
        Self { workflow: derived_workflow(snapshot, workflow), steps: steps.collect() }
    }

    /// How many steps have ended.
    #[must_use]
    pub fn ended(&self) -> usize {
        self.steps.iter().filter(|step| matches!(step.state, "completed" | "failed" | "skipped")).count()
    }

    /// Returns it as data.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let Self { workflow, steps } = self;
        let moment = |at: Option<Timestamp>| at.map(|at| at.to_string());
        let step = |step: &StepRow| {
            json!({
                "step": step.name,
                "task": step.task,
                "type": step.kind,
                "state": step.state,
                "attempt": step.attempt,
                "agent": step.agent.as_ref().map(AgentName::as_str),
                "items": step.items.map(|items| json!({
                    "total": items.total,
                    "completed": items.completed,
                    "running": items.running,
                    "failed": items.failed,
                })),
                "started": moment(step.span.started),
                "ended": moment(step.span.ended),
                "why": step.why,
            })
        };
        let mut data = json!({
            "id": workflow.id,
            "type": workflow.kind,
            "title": workflow.title,
            "status": workflow.status.word(),
            "paused": workflow.is_paused(),
            "progress": fraction_json(workflow.progress),
            "steps": steps.iter().map(step).collect::<Vec<_>>(),
            // What an earlier try left behind is none of this one's.
            "result": workflow.result.as_ref().filter(|_| workflow.status == WorkflowStatus::Completed),
            "error": workflow.error.as_ref().filter(|_| workflow.status == WorkflowStatus::Failed),
        });
        if let Some(status) = workflow.file_status {
            data["file_status"] = json!(status.word());
        }
        data
    }
}

/// What a document says of its running attempt is exact.
fn span(task: &Task, seen: StepSpan) -> StepSpan {
    let stated = task.execution.started.filter(|_| task.status == TaskStatus::Running);
    StepSpan { started: stated.or(seen.started), ..seen }
}

fn item_counts(snapshot: &Snapshot, fan_out: &Task) -> ItemCounts {
    let mut counts = ItemCounts::default();
    let mut made = 0;
    for item in snapshot.tasks().filter(|task| task.execution.fan_out.as_ref() == Some(&fan_out.id)) {
        made += 1;
        match item.status {
            TaskStatus::Completed => counts.completed += 1,
            TaskStatus::Running => counts.running += 1,
            TaskStatus::Failed => counts.failed += 1,
            TaskStatus::Pending => {}
        }
    }
    counts.total = snapshot.fan_out_items(fan_out).map_or(made, |items| items.len().max(made));
    counts
}

/// Why a step failed or was skipped.
fn why(task: &Task) -> Option<String> {
    let text = match (task.skip_reason(), &task.error) {
        (Some(reason), _) => reason.text().to_owned(),
        (None, Some(error)) if task.status == TaskStatus::Failed => {
            let said = error.get("error").unwrap_or(error);
            said.as_str().map_or_else(|| said.to_string(), str::to_owned)
        }
        _ => return None,
    };
    Some(cut(&one_line(&text), ERROR_COLUMNS_MAX))
}

/// What a pending step waits for that no step of its workflow brings by itself.
fn waits_for(snapshot: &Snapshot, task: &Task) -> Option<String> {
    let needs_somebody = |blocker: &Blocker| {
        matches!(
            blocker.why,
            Wait::Missing
                | Wait::Unreadable
                | Wait::Unapproved
                | Wait::ConditionUnknown
                | Wait::Paused
                | Wait::Cancelled
                | Wait::Until(_)
        )
    };
    let blockers = if task.status == TaskStatus::Pending { snapshot.blockers(task) } else { Vec::new() };
    blockers.into_iter().find(needs_somebody).map(|blocker| format!("waits for {blocker}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::document::Document;
    use crate::core::name::DocPath;

    fn snapshot(first: &str) -> Snapshot {
        let files = [
            ("workflow-w.md", "id: w\nstatus: running\nengine: embedded\ntasks: [task-a, task-b]".to_owned()),
            ("task-a.md", format!("id: task-a\nworkflow: w\nstep: a\n{first}")),
            (
                "task-b.md",
                "id: task-b\nworkflow: w\nstep: b\nstatus: pending\ndepends_on: [task-a]\nfor_each: [1, 2, 3]"
                    .to_owned(),
            ),
        ];
        Snapshot::from_documents(files.into_iter().map(|(path, keys)| {
            let text = format!("---\ntype: t\n{keys}\n---\n");
            (DocPath::new(path).expect("valid"), Document::parse(text.into_bytes()))
        }))
    }

    #[test]
    fn a_step_has_its_state_its_times_and_its_items() {
        let mut times = StepTimes::default();
        let mut look = |first: &str, second: i64| {
            let snapshot = snapshot(first);
            let workflow = snapshot.workflows().next().expect("there");
            WorkflowTree::new(&snapshot, workflow, &mut times, Timestamp::from_unix_ms(second * 1_000))
        };
        let at = |second: i64| Some(Timestamp::from_unix_ms(second * 1_000));
        let ready = look("status: pending", 1);
        assert_eq!((ready.steps[0].state, ready.steps[0].span), ("ready", StepSpan::default()));
        assert_eq!(ready.steps[1].items, Some(ItemCounts { total: 3, ..ItemCounts::default() }));
        assert_eq!((ready.steps[1].depth, ready.steps[1].state), (1, "waiting"));
        let running = look("status: running\nclaimed_by: ann\nfence: 1", 5);
        assert_eq!(running.steps[0].span, StepSpan { started: at(5), ended: None });
        assert_eq!(running.steps[0].agent.as_ref().map(AgentName::as_str), Some("ann"));
        let later = look("status: running\nclaimed_by: ann\nfence: 1", 6);
        assert_eq!(later.to_json(), running.to_json(), "time alone is no change");
        let ended = look("status: failed\nclaimed_by: ann\nfence: 1", 9);
        assert_eq!(ended.steps[0].span, StepSpan { started: at(5), ended: at(9) });
        assert_eq!((ended.ended(), ended.workflow.progress), (1, Some(0.0)));
        assert_eq!(look("status: pending", 10).steps[0].span, StepSpan::default());
    }
}
