//! `why`: why a task is ready or not, down to the root, and the one command that gets it going.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::answer::{Answer, width};
use super::render::{Cell, Ink, Table, paint, status};
use super::session::{self, Session};
use super::show;
use crate::api::view::{ErrorReport, document_path, lease_data};
use crate::core::diagnostic::Diagnostic;
use crate::core::entity::TaskStatus;
use crate::core::lease::EntryState;
use crate::core::name::{AgentName, DocId, visible};
use crate::core::snapshot::{CHAIN_SHOWN_MAX, Cause, Outlook, Wait};
use crate::core::template;
use crate::services::{Fault, Need, Project, TaskHolder, Why};

/// Columns of an error that is told in a sentence; `task get` shows all of it.
const ERROR_COLUMNS_MAX: usize = 60;
/// Dependencies that are shown; the rest is counted. Those that are not met come first where some are left out.
const NEEDS_SHOWN_MAX: usize = 50;

/// Explain why a task is or is not ready, and how to unblock it
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The task's id, or the beginning of it
    id: String,
}

/// Tells it.
pub(crate) fn run(args: &Args, session: &Session) -> Result<Answer, ErrorReport> {
    let project = session.open()?;
    let why = project.monitor().why(&args.id)?;
    let verdict = Verdict::of(&why);
    let mut answer = session::answer("why", &project)?;
    answer.data = data(&why, &verdict, &project);
    answer.text = text(&why, &verdict);
    Ok(answer)
}

/// One sentence, and what to do about it.
struct Verdict {
    /// Why it stands so: a fragment behind the task's id.
    sentence: String,
    /// The command that gets it going, where there is one.
    command: Option<String>,
}

impl Verdict {
    fn new(sentence: impl Into<String>, command: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), command: Some(command.into()) }
    }

    fn done(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), command: None }
    }

    fn of(why: &Why) -> Self {
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

fn ready(why: &Why) -> Verdict {
    let id = &why.task.id;
    let claim = format!("mycelium task claim {id}");
    match &why.task.assigned_to {
        Some(name) if why.is_anothers => {
            Verdict::new(format!("is ready, and assigned to {name}, not to you"), format!("{claim} --force"))
        }
        Some(name) => Verdict::new(format!("is ready, and assigned to {name}"), claim),
        None => Verdict::new("is ready", claim),
    }
}

/// It is pending here, and another worktree has it or has finished it.
fn elsewhere(id: &DocId, hold: &TaskHolder) -> Verdict {
    let place = hold.place().unwrap_or_default();
    let by = &hold.by;
    let verb = match hold.state {
        EntryState::Completed => "completed",
        EntryState::Failed => "given up",
        _ => return Verdict::done(format!("is running in {place}, held by {by}{}", lease(hold))),
    };
    let (rest, command) = match &hold.branch {
        Some(branch) => ("and that is not merged here", format!("git merge {branch}")),
        None => ("on no branch, and that is not merged here", format!("mycelium task claim {id} --steal")),
    };
    Verdict::new(format!("was {verb} by {by} in {place}, {rest}"), command)
}

fn other(why: &Why, status: TaskStatus) -> Verdict {
    let id = &why.task.id;
    match status {
        TaskStatus::Running => match &why.hold {
            Some(hold) if hold.is_over => Verdict::new(
                format!("is running, held by {}{}", hold.by, lease(hold)),
                format!("mycelium task claim {id}"),
            ),
            Some(hold) => Verdict::done(format!("is running, held by {}{}", hold.by, lease(hold))),
            None => Verdict::new("is running, and no agent holds it", format!("mycelium task release {id}")),
        },
        TaskStatus::Failed => {
            Verdict::new(format!("failed{}", error(why.task.error.as_ref())), format!("mycelium task retry {id}"))
        }
        TaskStatus::Completed if why.needs_approval() => Verdict::new(
            format!("is completed, and {} has still to approve it", approver(why.task.holder())),
            format!("mycelium task approve {id}"),
        ),
        TaskStatus::Completed => Verdict::done("is completed"),
        TaskStatus::Pending => Verdict::done("is pending"),
    }
}

fn waiting(why: &Why) -> Verdict {
    let mut sentence = String::from("waits");
    let inner = why.chain.get(1..why.chain.len().saturating_sub(1)).unwrap_or_default();
    for id in inner.iter().take(CHAIN_SHOWN_MAX) {
        let _ = write!(sentence, " for {id}, which waits");
    }
    if inner.len() > CHAIN_SHOWN_MAX {
        let _ = write!(sentence, " for {} more, the last of which waits", inner.len() - CHAIN_SHOWN_MAX);
    }
    let Some(last) = &why.last else { return Verdict::done(sentence) };
    let id = &last.id;
    if let Some(hold) = &last.elsewhere {
        let Verdict { sentence: stands, command } = elsewhere(id, hold);
        return Verdict { sentence: format!("{sentence} for {id}, which {stands}"), command };
    }
    let by = last.holder.as_ref().map_or_else(|| "without a holder".to_owned(), |name| format!("held by {name}"));
    match last.wait {
        Some(Wait::Unapproved) => Verdict::new(
            format!(
                "{sentence} for {id}, which {} has still to approve{}",
                approver(last.holder.as_ref()),
                last.fault.as_ref().map_or_else(String::new, |fault| format!(": {}{}", fault.message, place(fault))),
            ),
            format!("mycelium task approve {id}"),
        ),
        Some(Wait::Status(TaskStatus::Running)) => {
            Verdict::new(format!("{sentence} for {id}, which is running, {by}"), format!("mycelium why {id}"))
        }
        _ => Verdict::new(format!("{sentence} for {id}, which is ready"), format!("mycelium task claim {id}")),
    }
}

fn blocked(why: &Why) -> Verdict {
    let root = why.root.as_ref();
    let last = root.and_then(|root| root.path.last()).unwrap_or(&why.task.id);
    let before = root.map_or(&why.task.id, |root| &root.before);
    match &why.fault {
        Some(Fault::Failed(reason)) => Verdict::new(
            format!("is blocked: {last} failed{}", error(reason.as_ref())),
            format!("mycelium task retry {last}"),
        ),
        Some(Fault::Missing(near)) => {
            // It may come from another branch: nothing is advised that has the task wait for something else, or for nothing.
            let meant = near.first().map_or_else(String::new, |id| format!("; {id} has an id much like it"));
            Verdict::new(
                format!("is blocked: {before} depends on {last}, which is not in this folder{meant}"),
                format!("mycelium task create --id {last} --type TYPE"),
            )
        }
        Some(Fault::Unreadable(finding)) => {
            let finding = finding.as_ref().map_or_else(String::new, |finding| format!(": {finding}"));
            Verdict::new(format!("is blocked: {last} cannot be read{finding}"), format!("mycelium task edit {last}"))
        }
        Some(Fault::Unusable(finding)) => Verdict::new(
            format!("is blocked: {last} cannot be started: {}{}", finding.message, place(finding)),
            format!("mycelium task edit {last}"),
        ),
        Some(Fault::Duplicate(paths)) => {
            Verdict::new(format!("is blocked: {} files state the id {last}", paths.len()), "mycelium check")
        }
        Some(Fault::Circle) | None => {
            let cycle = root.and_then(|root| root.cycle.as_ref()).map_or_else(String::new, ToString::to_string);
            Verdict::new(
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

/// Since when and until when somebody holds a task, as far as it is known.
fn lease(hold: &TaskHolder) -> String {
    let since = hold.since.map_or_else(String::new, |at| format!(" since {at}"));
    let until = match (hold.is_over, hold.left) {
        (true, _) => "; the lease has ended, and the next agent that asks gets it".to_owned(),
        (false, Some(left)) => format!("; the lease has {} left", show::span(left)),
        (false, None) => hold.lease.map_or_else(String::new, |lease| format!("; the lease is {}", show::span(lease))),
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

fn text(why: &Why, verdict: &Verdict) -> String {
    let task = &why.task;
    let title = task.title.as_deref().filter(|title| *title != task.id.as_str());
    let title = title.map_or_else(String::new, |title| format!("  {}", visible(title)));
    let ended = why.hold.as_ref().filter(|hold| hold.is_unavailable() && !hold.state.is_held());
    let word = status(ended.map_or_else(|| why.outlook.word(), |hold| hold.state.word())).painted();
    let mut out = format!("{}  {word}{title}\n", paint(Ink::Bold, &visible(task.id.as_str())));
    let mut table = Table::new(&[]);
    for need in shown_needs(why) {
        let met = if need.wait.is_none() { "met" } else { "" };
        table.row(vec![
            format!("  {}", need.id).into(),
            status(need_word(need)),
            need.holder.as_ref().map_or_else(String::new, |name| holder(need, name)).into(),
            Cell::new(Ink::Dim, if need.is_archived { "archived" } else { "" }),
            Cell::new(Ink::Good, met),
        ]);
    }
    out.push_str(&table.text(width()));
    if why.needs.len() > NEEDS_SHOWN_MAX {
        let _ = writeln!(out, "  … and {} more", why.needs.len() - NEEDS_SHOWN_MAX);
    }
    if let Some(root) = why.root.as_ref().filter(|root| root.path.length() > 2 && root.cause != Cause::Circle) {
        let _ = writeln!(out, "  {}", paint(Ink::Dim, &visible(&root.path.to_string())));
    }
    out.push_str(&visible(&format!("{} {}", task.id, verdict.sentence)));
    match &verdict.command {
        Some(command) => out + &format!("\n{} run `{}`\n", paint(Ink::Hint, "hint:"), visible(command)),
        None => out + "\n",
    }
}

/// By whom, and where if that is another worktree: `by ben in ../wb on wb`.
fn holder(need: &Need, name: &AgentName) -> String {
    let place = need.elsewhere.as_ref().and_then(TaskHolder::place);
    format!("by {name}{}", place.map_or_else(String::new, |place| format!(" in {place}")))
}

/// The dependencies that are shown: all of them, or the first [`NEEDS_SHOWN_MAX`], those that are not met before the others.
fn shown_needs(why: &Why) -> Vec<&Need> {
    let mut needs: Vec<&Need> = why.needs.iter().collect();
    if needs.len() > NEEDS_SHOWN_MAX {
        needs.sort_by_key(|need| need.wait.is_none());
        needs.truncate(NEEDS_SHOWN_MAX);
    }
    needs
}

/// How a dependency stands, as far as the task is concerned.
fn need_word(need: &Need) -> &'static str {
    if let Some(hold) = need.elsewhere.as_ref().filter(|hold| !hold.state.is_held()) {
        return hold.state.word();
    }
    match (need.wait, need.outlook) {
        (Some(Wait::Status(_)) | None, Some(outlook)) => outlook.word(),
        (Some(wait), _) => wait.word(),
        (None, None) => "missing",
    }
}

fn data(why: &Why, verdict: &Verdict, project: &Project) -> Value {
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
            Some(Fault::Failed(error)) => json!(error),
            Some(Fault::Unreadable(finding)) => json!(finding),
            Some(Fault::Unusable(finding)) => json!(finding.message),
            Some(Fault::Duplicate(paths)) => {
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
            "required": review == crate::core::entity::Review::Required,
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
        "sentence": format!("{} {}", why.task.id, verdict.sentence),
        "command": verdict.command,
        "path": document_path(project, &why.path),
    })
}

fn names(ids: &[DocId]) -> Vec<&str> {
    ids.iter().map(DocId::as_str).collect()
}
