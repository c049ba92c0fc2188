//! `why`: why a task is ready or not, down to the root, and the one command that gets it going.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::answer::{Answer, width};
use super::failure::Failure;
use super::render::{Cell, Ink, Table, paint, status};
use super::session::{self, Session};
use super::{show, task};
use crate::claim::State;
use crate::entity::TaskStatus;
use crate::name::{AgentName, DocId, visible};
use crate::runner::{Fault, Hold, Need, Why, Workspace};
use crate::snapshot::{Cause, Outlook, Wait};
use crate::template;

/// Columns of an error that is told in a sentence; `task get` shows all of it.
const ERROR_COLUMNS_MAX: usize = 60;

/// Tell why a task is ready or not, and what gets it going
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The task's id, or the beginning of it
    id: String,
}

/// Tells it.
pub(crate) fn run(args: &Args, session: &Session) -> Result<Answer, Failure> {
    let workspace = session.open()?;
    let why = workspace.why(&args.id)?;
    let verdict = Verdict::of(&why);
    let mut answer = session::answer("why", &workspace)?;
    answer.data = data(&why, &verdict, &workspace);
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
    if let Some(hold) = why.hold.as_ref().filter(|hold| hold.keeps_off()) {
        return elsewhere(hold);
    }
    let claim = format!("mycelium task claim {id}");
    match &why.task.assigned_to {
        Some(name) if why.is_anothers => {
            Verdict::new(format!("is ready, and assigned to {name}, not to you"), format!("{claim} --force"))
        }
        Some(name) => Verdict::new(format!("is ready, and assigned to {name}"), claim),
        None => Verdict::new("is ready", claim),
    }
}

/// It is ready here, and another work tree has it.
fn elsewhere(hold: &Hold) -> Verdict {
    let place = hold.elsewhere.as_deref().unwrap_or_default();
    let by = &hold.by;
    match hold.state {
        State::Completed => Verdict::done(format!("was completed by {by} in {place}; merge that first")),
        State::Failed => Verdict::done(format!("was given up by {by} in {place}; merge that first")),
        _ => Verdict::done(format!("is held by {by} in {place}{}", lease(hold))),
    }
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
            None => Verdict::new("is running, and nobody holds it", format!("mycelium task release {id}")),
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
    for id in inner {
        let _ = write!(sentence, " for {id}, which waits");
    }
    let Some(last) = &why.last else { return Verdict::done(sentence) };
    let id = &last.id;
    let by = last.holder.as_ref().map_or_else(|| "and nobody holds it".to_owned(), |name| format!("held by {name}"));
    match last.wait {
        Some(Wait::Unapproved) => Verdict::new(
            format!("{sentence} for {id}, which {} has still to approve", approver(last.holder.as_ref())),
            format!("mycelium task approve {id}"),
        ),
        Some(Wait::Status(TaskStatus::Running)) => {
            Verdict::new(format!("{sentence} for {id}, which is running, {by}"), format!("mycelium why {id}"))
        }
        _ => Verdict::new(format!("{sentence} for {id}, which is ready"), format!("mycelium task claim {id}")),
    }
}

fn blocked(why: &Why) -> Verdict {
    let path = why.root.as_ref().map_or(&[][..], |root| &root.path);
    let last = path.last().unwrap_or(&why.task.id);
    let before = path.iter().rev().nth(1).unwrap_or(&why.task.id);
    match &why.fault {
        Some(Fault::Failed(reason)) => Verdict::new(
            format!("is blocked: {last} failed{}", error(reason.as_ref())),
            format!("mycelium task retry {last}"),
        ),
        Some(Fault::Missing(near)) => {
            let meant = near.first().map_or_else(String::new, |id| format!(" (did you mean {id}?)"));
            let command = match near.first() {
                Some(id) => format!("mycelium task update {before} --no-depends-on {last} --depends-on {id}"),
                None => format!("mycelium task create --id {last} --type TYPE"),
            };
            Verdict::new(format!("is blocked: {before} depends on {last}, which does not exist{meant}"), command)
        }
        Some(Fault::Unreadable(finding)) => {
            let finding = finding.as_ref().map_or_else(String::new, |finding| format!(": {finding}"));
            Verdict::new(format!("is blocked: {last} cannot be read{finding}"), format!("mycelium task edit {last}"))
        }
        Some(Fault::Duplicate(paths)) => {
            Verdict::new(format!("is blocked: {} files state the id {last}", paths.len()), "mycelium check")
        }
        Some(Fault::Circle) | None => Verdict::new(
            format!("is blocked: {} wait for each other", task::chain(circle(path))),
            format!("mycelium task update {before} --no-depends-on {last}"),
        ),
    }
}

/// The part of a path that is the circle it ends with.
fn circle(path: &[DocId]) -> &[DocId] {
    let start = path.last().and_then(|last| path.iter().position(|id| id == last));
    start.map_or(path, |start| &path[start..])
}

/// Who may approve.
fn approver(holder: Option<&AgentName>) -> String {
    holder.map_or_else(|| "somebody".to_owned(), |holder| format!("somebody else than {holder}"))
}

/// Since when and until when somebody holds a task, as far as it is known.
fn lease(hold: &Hold) -> String {
    let since = hold.since.map_or_else(String::new, |at| format!(" since {at}"));
    let until = match (hold.is_over, hold.left) {
        (true, _) => "; the lease is over, and whoever asks next gets it".to_owned(),
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
    let word = status(why.outlook.word()).painted();
    let mut out = format!("{}  {word}{title}\n", paint(Ink::Bold, &visible(task.id.as_str())));
    let mut table = Table::new(&[]);
    for need in &why.needs {
        let met = if need.wait.is_none() { "met" } else { "" };
        table.row(vec![
            format!("  {}", need.id).into(),
            status(need_word(need)),
            need.holder.as_ref().map_or_else(String::new, |name| format!("by {name}")).into(),
            Cell::new(Ink::Dim, if need.is_archived { "archived" } else { "" }),
            Cell::new(Ink::Good, met),
        ]);
    }
    out.push_str(&table.text(width()));
    if let Some(root) = why.root.as_ref().filter(|root| root.path.len() > 2 && root.cause != Cause::Circle) {
        let _ = writeln!(out, "  {}", paint(Ink::Dim, &visible(&task::chain(&root.path))));
    }
    out.push_str(&visible(&format!("{} {}", task.id, verdict.sentence)));
    match &verdict.command {
        Some(command) => out + &format!("\n{} run `{}`\n", paint(Ink::Hint, "hint:"), visible(command)),
        None => out + "\n",
    }
}

/// How a dependency stands, as far as the task is concerned.
fn need_word(need: &Need) -> &'static str {
    match (need.wait, need.outlook) {
        (Some(Wait::Status(_)) | None, Some(outlook)) => outlook.word(),
        (Some(wait), _) => wait.word(),
        (None, None) => "missing",
    }
}

fn data(why: &Why, verdict: &Verdict, workspace: &Workspace) -> Value {
    let needs = why.needs.iter().map(|need| {
        json!({
            "id": need.id.as_str(),
            "outlook": need.outlook.map(Outlook::word),
            "met": need.wait.is_none(),
            "wait": need.wait.map(Wait::word),
            "holder": need.holder.as_ref().map(AgentName::as_str),
            "archived": need.is_archived,
            "near": names(&need.near),
        })
    });
    let root = why.root.as_ref().map(|root| {
        let reason = match &why.fault {
            Some(Fault::Failed(error)) => json!(error),
            Some(Fault::Unreadable(finding)) => json!(finding),
            Some(Fault::Duplicate(paths)) => {
                json!(paths.iter().map(|path| show::file(workspace, path)).collect::<Vec<_>>())
            }
            _ => Value::Null,
        };
        json!({ "cause": root.cause.word(), "path": names(&root.path), "reason": reason })
    });
    let review = why.task.review.map(|review| {
        json!({
            "required": review == crate::entity::Review::Required,
            "approved": why.task.approved,
            "missing": why.needs_approval(),
            "not_by": why.task.holder().map(AgentName::as_str),
        })
    });
    json!({
        "id": why.task.id.as_str(),
        "status": why.task.status.word(),
        "outlook": why.outlook.word(),
        "ready": why.outlook == Outlook::Ready,
        "assigned_to": why.task.assigned_to.as_ref().map(AgentName::as_str),
        "assigned_to_you": why.task.assigned_to.as_ref().map(|_| !why.is_anothers),
        "needs": needs.collect::<Vec<_>>(),
        "chain": names(&why.chain),
        "root": root,
        "held": why.hold.as_ref().map(show::hold),
        "review": review,
        "sentence": format!("{} {}", why.task.id, verdict.sentence),
        "command": verdict.command,
        "path": show::file(workspace, &why.path),
    })
}

fn names(ids: &[DocId]) -> Vec<&str> {
    ids.iter().map(DocId::as_str).collect()
}
