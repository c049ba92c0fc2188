//! `task fail`: a running task is given up, with the reason.

use serde_json::{Value, json};

use super::right::Right;
use crate::api::view::ErrorReport;
use crate::core::operation::{Request, TaskChange};
use crate::faces::cli::answer::Answer;
use crate::faces::cli::input::Given;
use crate::faces::cli::session::Session;
use crate::faces::cli::write;

/// Mark a running task as failed
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The task's id, or the beginning of it
    id: String,
    /// Why, as plain text or JSON; `@FILE` and `-` are read
    #[arg(long, value_name = "TEXT|JSON", allow_hyphen_values = true)]
    error: Given,
    /// The stack trace; `@FILE` and `-` are read
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    stack_trace: Option<Given>,
    #[command(flatten)]
    right: Right,
}

/// Fails the task.
pub(crate) fn run(args: &Args, session: &Session) -> Result<Answer, ErrorReport> {
    let error = reason(args)?;
    let project = session.open()?;
    let change = TaskChange::Fail { error: Some(error) };
    write::apply("task.fail", &project, Request::task(&args.id, change).with(args.right.passing()))
}

/// The error, with the stack trace as a key of its own if there is one.
fn reason(args: &Args) -> Result<Value, ErrorReport> {
    let error = args.error.json_or_text("--error")?;
    let Some(trace) = &args.stack_trace else { return Ok(error) };
    let trace = trace.text("--stack-trace")?;
    Ok(match error {
        Value::Object(mut map) => {
            map.insert("stack_trace".to_owned(), Value::from(trace));
            Value::Object(map)
        }
        other => json!({ "error": other, "stack_trace": trace }),
    })
}
