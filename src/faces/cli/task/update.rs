//! `task update`: a task's status, progress and any other field, all in one write.

use serde_json::Value as Json;

use super::right::Right;
use crate::api::view::ErrorReport;
use crate::core::document::Value;
use crate::core::entity::task::TaskUpdate;
use crate::core::entity::{Priority, TaskStatus};
use crate::core::name::{AgentName, DocId};
use crate::core::operation::Request;
use crate::core::template::as_expression;
use crate::faces::cli::answer::Answer;
use crate::faces::cli::input::{self, Given};
use crate::faces::cli::session::Session;
use crate::faces::cli::write;

/// Change a task's status, progress or any other field
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The task's id, or the beginning of it
    id: String,
    /// pending, running, completed or failed
    #[arg(long)]
    status: Option<TaskStatus>,
    /// How far it is, from 0 to 1
    #[arg(long, value_name = "0..1", allow_hyphen_values = true, value_parser = fraction)]
    progress: Option<f64>,
    /// Set a field of your own; repeatable
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Remove a field of your own; repeatable
    #[arg(long, value_name = "KEY")]
    unset: Vec<String>,
    /// low, normal, high or critical
    #[arg(long)]
    priority: Option<Priority>,
    /// Who is to do it
    #[arg(long, value_name = "AGENT")]
    assigned_to: Option<AgentName>,
    /// What it is about, in a few words
    #[arg(long)]
    title: Option<String>,
    /// Replace what is to be done, in markdown; `@FILE` and `-` are read; an empty text removes it
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    description: Option<Given>,
    /// Replace what it is to work with, as JSON; `@FILE` and `-` are read; `null` removes it
    #[arg(long, value_name = "JSON", allow_hyphen_values = true)]
    payload: Option<Given>,
    /// One more step to tick off; one that is there already is not added again; repeatable
    #[arg(long, value_name = "TEXT")]
    step: Vec<String>,
    /// What sort of work it is
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// One more task that must be completed first; repeatable
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    depends_on: Vec<DocId>,
    /// A task that it need no longer wait for; repeatable
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    no_depends_on: Vec<DocId>,
    #[command(flatten)]
    right: Right,
}

/// Updates the task.
pub(crate) fn run(args: &Args, session: &Session) -> Result<Answer, ErrorReport> {
    let update = update(args)?;
    let project = session.open()?;
    let request = Request::task(&args.id, update.into()).with(args.right.passing());
    write::apply("task.update", &project, request)
}

fn update(args: &Args) -> Result<TaskUpdate, ErrorReport> {
    let update = TaskUpdate {
        status: args.status,
        progress: args.progress,
        set: pairs(&args.set)?,
        unset: args.unset.clone(),
        priority: args.priority,
        assigned_to: args.assigned_to.clone(),
        title: args.title.clone(),
        depends_on_add: args.depends_on.clone(),
        depends_on_remove: args.no_depends_on.clone(),
        kind: args.kind.clone(),
        description: args.description.as_ref().map(|given| given.text("--description")).transpose()?,
        payload: args.payload.as_ref().map(|given| given.json("--payload")).transpose()?,
        steps_add: args.step.clone(),
    };
    if update == TaskUpdate::default() {
        let failure = ErrorReport::usage("nothing-to-do", "nothing to update is given");
        return Err(failure.hint("run `mycelium task update --help` to see what can change"));
    }
    Ok(update)
}

/// The `--set` options as document values.
pub(crate) fn pairs(texts: &[String]) -> Result<Vec<(String, Value)>, ErrorReport> {
    let pair = |text: &String| {
        // An expression begins as a map of JSON does, and is a text.
        if let Some((key, value)) = text.split_once('=').filter(|(_, value)| as_expression(value).is_some()) {
            return Ok((key.to_owned(), Value::text(value)));
        }
        input::pair("--set", text).map(|(key, json): (String, Json)| (key, Value::from_json(&json)))
    };
    texts.iter().map(pair).collect()
}

/// A number from 0 to 1.
pub(crate) fn fraction(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if (0.0..=1.0).contains(&number) => Ok(number),
        _ => Err(format!("`{}` is not a number from 0 to 1", crate::core::name::visible(text))),
    }
}
