//! Why a task is ready or not, as data and in one sentence.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::document::{document_path, lease_data};
use super::texts::readable_span;
use crate::core::diagnostic::Diagnostic;
use crate::core::entity::{Review, TaskStatus};
use crate::core::lease::EntryState;
use crate::core::name::{AgentName, DocId};
use crate::core::snapshot::{CHAIN_SHOWN_MAX, Outlook, Wait};
use crate::core::template;
use crate::services::{BlockReason, Need, Project, TaskHolder, WhyReport};

/// Columns of an error that is part of a sentence; `task get` shows all of it.
const ERROR_COLUMNS_MAX: usize = 60;
/// Dependencies that are shown; the rest is counted. Those that are not met come first where some are left out.
pub const NEEDS_SHOWN_MAX: usize = 50;

/// Why a task is ready or not, in one sentence, and the command that unblocks it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskExplanation {
    /// Why its state is as it is: a fragment that follows the task's id.
    pub sentence: String,
    /// The command that unblocks it, where there is one.
    pub command: Option<String>,
}

impl TaskExplanation {
    fn with(sentence: impl Into<String>, command: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), command: Some(command.into()) }
    }

    fn done(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), command: None }
    }

    /// Explains the state of a task.
    #[must_use]
    pub fn new(why: &WhyReport) -> Self {
        let hold = why.hold.as_ref().filter(|hold| hold.is_unavailable() && why.task.status == TaskStatus::Pending);
        if let Some(hold) = hold {
            return elsewhere(&why.task.id, hold);
        }
        match why.outlook {
            Outlook::Ready => ready(why),
            Outlook::Waiting => waiting(why),
            Outlook::Blocked => blocked(why),
            Outlook::Status(status) => other(why, status),
        }
    }
}

fn ready(why: &WhyReport) -> TaskExplanation {
    let id = &why.task.id;
    let claim = format!("mycelium task claim {id}");
    match &why.task.assigned_to {
        Some(name) if why.is_anothers => {
            TaskExplanation::with(format!("is ready, and assigned to {name}, not to you"), format!("{claim} --force"))
        }
        Some(name) => TaskExplanation::with(format!("is ready, and assigned to {name}"), claim),
        None => TaskExplanation::with("is ready", claim),
    }
}

/// It is pending here, and another worktree has it or has finished it.
fn elsewhere(id: &DocId, hold: &TaskHolder) -> TaskExplanation {
    let place = hold.place().unwrap_or_default();
    let by = &hold.by;
    let verb = match hold.state {
        EntryState::Completed => "completed",
        EntryState::Failed => "given up",
        _ => return TaskExplanation::done(format!("is running in {place}, held by {by}{}", lease(hold))),
    };
    let (rest, command) = match &hold.branch {
        Some(branch) => ("and that is not merged here", format!("git merge {branch}")),
        None => ("on no branch, and that is not merged here", format!("mycelium task claim {id} --steal")),
    };
    TaskExplanation::with(format!("was {verb} by {by} in {place}, {rest}"), command)
}

fn other(why: &WhyReport, status: TaskStatus) -> TaskExplanation {
    let id = &why.task.id;
    match status {
        TaskStatus::Running => match &why.hold {
            Some(hold) if hold.is_over => TaskExplanation::with(
                format!("is running, held by {}{}", hold.by, lease(hold)),
                format!("mycelium task claim {id}"),
            ),
            Some(hold) => TaskExplanation::done(format!("is running, held by {}{}", hold.by, lease(hold))),
            None => TaskExplanation::with("is running, and no agent holds it", format!("mycelium task release {id}")),
        },
        TaskStatus::Failed => TaskExplanation::with(
            format!("failed{}", error(why.task.error.as_ref())),
            format!("mycelium task retry {id}"),
        ),
        TaskStatus::Completed if why.needs_approval() => TaskExplanation::with(
            format!("is completed, and {} has still to approve it", approver(why.task.holder())),
            format!("mycelium task approve {id}"),
        ),
        TaskStatus::Completed => TaskExplanation::done("is completed"),
        TaskStatus::Pending => TaskExplanation::done("is pending"),
    }
}

fn waiting(why: &WhyReport) -> TaskExplanation {
    let mut sentence = String::from("waits");
    let last_own = why.last.as_ref().and_then(|last| last.wait).filter(|wait| wait.is_own());
    // Where the last of the chain waits for nothing else than itself, it is one of those that wait.
    let end = why.chain.len().saturating_sub(usize::from(last_own.is_none()));
    let inner = why.chain.get(1..end).unwrap_or_default();
    for id in inner.iter().take(CHAIN_SHOWN_MAX) {
        let _ = write!(sentence, " for {id}, which waits");
    }
    if inner.len() > CHAIN_SHOWN_MAX {
        let _ = write!(sentence, " for {} more, the last of which waits", inner.len() - CHAIN_SHOWN_MAX);
    }
    let Some(last) = &why.last else { return TaskExplanation::done(sentence) };
    let id = &last.id;
    if let Some(hold) = &last.elsewhere {
        let TaskExplanation { sentence: stands, command } = elsewhere(id, hold);
        return TaskExplanation { sentence: format!("{sentence} for {id}, which {stands}"), command };
    }
    let by = last.holder.as_ref().map_or_else(|| "without a holder".to_owned(), |name| format!("held by {name}"));
    match last.wait {
        Some(Wait::Unapproved) => TaskExplanation::with(
            format!(
                "{sentence} for {id}, which {} has still to approve{}",
                approver(last.holder.as_ref()),
                last.fault.as_ref().map_or_else(String::new, |fault| format!(": {}{}", fault.message, place(fault))),
            ),
            format!("mycelium task approve {id}"),
        ),
        Some(Wait::Until(at)) => TaskExplanation::done(format!("{sentence} until {at}")),
        Some(Wait::Unfilled) => {
            TaskExplanation::done(format!("{sentence} for its payload to be filled by its workflow"))
        }
        Some(Wait::FanOut) => {
            TaskExplanation::with(format!("{sentence} for the items of its list"), "mycelium task list".to_owned())
        }
        Some(Wait::Retry) => TaskExplanation::with(
            format!("{sentence} for {id}, which failed and is to be tried again"),
            format!("mycelium why {id}"),
        ),
        Some(Wait::Status(TaskStatus::Running)) => {
            TaskExplanation::with(format!("{sentence} for {id}, which is running, {by}"), format!("mycelium why {id}"))
        }
        _ => TaskExplanation::with(format!("{sentence} for {id}, which is ready"), format!("mycelium task claim {id}")),
    }
}

fn blocked(why: &WhyReport) -> TaskExplanation {
    let root = why.root.as_ref();
    let last = root.and_then(|root| root.path.last()).unwrap_or(&why.task.id);
    let before = root.map_or(&why.task.id, |root| &root.before);
    match &why.fault {
        Some(BlockReason::Failed(reason)) => TaskExplanation::with(
            format!("is blocked: {last} failed{}", error(reason.as_ref())),
            format!("mycelium task retry {last}"),
        ),
        Some(BlockReason::Missing(near)) => {
            // It may come from another branch: nothing is advised that has the task wait for something else, or for nothing.
            let meant = near.first().map_or_else(String::new, |id| format!("; {id} has an id much like it"));
            TaskExplanation::with(
                format!("is blocked: {before} depends on {last}, which is not in this folder{meant}"),
                format!("mycelium task create --id {last} --type TYPE"),
            )
        }
        Some(BlockReason::Unreadable(finding)) => {
            let finding = finding.as_ref().map_or_else(String::new, |finding| format!(": {finding}"));
            TaskExplanation::with(
                format!("is blocked: {last} cannot be read{finding}"),
                format!("mycelium task edit {last}"),
            )
        }
        Some(BlockReason::Unusable(finding)) => TaskExplanation::with(
            format!("is blocked: {last} cannot be started: {}{}", finding.message, place(finding)),
            format!("mycelium task edit {last}"),
        ),
        Some(BlockReason::Duplicate(paths)) => {
            TaskExplanation::with(format!("is blocked: {} files state the id {last}", paths.len()), "mycelium check")
        }
        Some(BlockReason::Skipped(reason)) => TaskExplanation::with(
            format!(
                "is blocked: {last} was skipped: {}",
                template::cut(&template::one_line(reason), ERROR_COLUMNS_MAX)
            ),
            format!("mycelium task reopen {last}"),
        ),
        Some(BlockReason::Condition(reason)) => TaskExplanation::with(
            format!("is blocked: the condition of {last} is not met: {}", template::one_line(reason)),
            format!("mycelium task edit {last}"),
        ),
        Some(BlockReason::Paused(workflow)) => TaskExplanation::with(
            format!("is blocked: the workflow {workflow} is paused"),
            format!("mycelium workflow update {workflow} --unset paused"),
        ),
        Some(BlockReason::Cancelled(workflow)) => TaskExplanation::with(
            format!("is blocked: the workflow {workflow} was cancelled"),
            format!("mycelium workflow update {workflow} --status running"),
        ),
        Some(BlockReason::Circle) | None => {
            let cycle = root.and_then(|root| root.cycle.as_ref()).map_or_else(String::new, ToString::to_string);
            TaskExplanation::with(
                format!("is blocked: {cycle} wait for each other"),
                format!("mycelium task update {before} --no-depends-on {last}"),
            )
        }
    }
}

/// Where a finding is: ` (task-1.md:4:9)`.
fn place(finding: &Diagnostic) -> String {
    let path = finding.path.as_ref().map_or_else(String::new, ToString::to_string);
    finding.place.map_or_else(String::new, |place| format!(" ({path}:{}:{})", place.line, place.column))
}

/// Who may approve.
fn approver(holder: Option<&AgentName>) -> String {
    holder.map_or_else(|| "someone".to_owned(), |holder| format!("someone other than {holder}"))
}

/// Since when and until when a task is held, as far as that is known.
fn lease(hold: &TaskHolder) -> String {
    let since = hold.since.map_or_else(String::new, |at| format!(" since {at}"));
    let until = match (hold.is_over, hold.left) {
        (true, _) => "; the lease has ended, and the next agent that asks gets it".to_owned(),
        (false, Some(left)) => format!("; the lease has {} left", readable_span(left)),
        (false, None) => {
            hold.lease.map_or_else(String::new, |lease| format!("; the lease is {}", readable_span(lease)))
        }
    };
    since + &until
}

fn error(error: Option<&Value>) -> String {
    let text = match error {
        None => return String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Object(map)) if map.get("error").is_some_and(Value::is_string) => {
            map["error"].as_str().unwrap_or_default().to_owned()
        }
        Some(other) => other.to_string(),
    };
    format!(": {}", template::cut(&template::one_line(&text), ERROR_COLUMNS_MAX))
}

/// The dependencies that are shown: all of them, or the first [`NEEDS_SHOWN_MAX`], those that are not met before the others.
#[must_use]
pub fn shown_needs(why: &WhyReport) -> Vec<&Need> {
    let mut needs: Vec<&Need> = why.needs.iter().collect();
    if needs.len() > NEEDS_SHOWN_MAX {
        needs.sort_by_key(|need| need.wait.is_none());
        needs.truncate(NEEDS_SHOWN_MAX);
    }
    needs
}

/// Returns why a task is ready or not as an answer's data.
#[must_use]
pub fn why_data(project: &Project, why: &WhyReport, explanation: &TaskExplanation) -> Value {
    let needs = shown_needs(why).into_iter().map(|need| {
        json!({
            "id": need.id.as_str(),
            "outlook": need.outlook.map(Outlook::word),
            "met": need.wait.is_none(),
            "wait": need.wait.map(Wait::word),
            "holder": need.holder.as_ref().map(AgentName::as_str),
            "held": need.elsewhere.as_ref().map(lease_data),
            "archived": need.is_archived,
            "near": names(&need.near),
        })
    });
    let root = why.root.as_ref().map(|root| {
        let reason = match &why.fault {
            Some(BlockReason::Failed(error)) => json!(error),
            Some(BlockReason::Unreadable(finding)) => json!(finding),
            Some(BlockReason::Unusable(finding)) => json!(finding.message),
            Some(BlockReason::Skipped(reason) | BlockReason::Condition(reason)) => json!(reason),
            Some(BlockReason::Paused(workflow) | BlockReason::Cancelled(workflow)) => json!(workflow.as_str()),
            Some(BlockReason::Duplicate(paths)) => {
                json!(paths.iter().map(|path| document_path(project, path)).collect::<Vec<_>>())
            }
            _ => Value::Null,
        };
        json!({
            "cause": root.cause.word(),
            "path": names(&root.path.shown),
            "left_out": root.path.left_out,
            "reason": reason,
        })
    });
    let review = why.task.review.map(|review| {
        json!({
            "required": review == Review::Required,
            "approved": why.task.approved,
            "missing": why.needs_approval(),
            "not_by": why.task.holder().map(AgentName::as_str),
        })
    });
    json!({
        "id": why.task.id.as_str(),
        "status": why.task.status.word(),
        "outlook": why.outlook.word(),
        "ready": why.outlook == Outlook::Ready && !why.hold.as_ref().is_some_and(TaskHolder::is_unavailable),
        "assigned_to": why.task.assigned_to.as_ref().map(AgentName::as_str),
        "assigned_to_you": why.task.assigned_to.as_ref().map(|_| !why.is_anothers),
        "needs": needs.collect::<Vec<_>>(),
        "needs_total": why.needs.len(),
        "chain": names(&why.chain),
        "root": root,
        "held": why.hold.as_ref().map(lease_data),
        "review": review,
        "sentence": format!("{} {}", why.task.id, explanation.sentence),
        "command": explanation.command,
        "path": document_path(project, &why.path),
    })
}

fn names(ids: &[DocId]) -> Vec<&str> {
    ids.iter().map(DocId::as_str).collect()
}
