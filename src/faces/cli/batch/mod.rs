//! `batch`: many operations, one a line, written and committed together; one result for each.

mod fields;
mod lines;
mod operation;

use std::path::PathBuf;

use serde_json::{Value, json};

use self::fields::Fault;
use self::lines::{LINE_BYTES_MAX, Line, Lines};
use self::operation::Given;
use super::answer::{Answer, print, print_line};
use super::input;
use super::session::{self, Session};
use super::write::decided_alone;
use crate::api::view::{AnswerHead, ErrorReport, Excerpt, Exit, WriteState, batch_line_data, envelope, outcome_id};
use crate::core::diagnostic::Place;
use crate::core::name::visible;
use crate::core::operation::Request;
use crate::core::problem::ErrorClass;
use crate::services::{Error, Outcome, Project, STEPS_MAX, Together};

/// Most bytes that are done together or not at all.
const ATOMIC_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The code of a line that was not carried out because another one failed.
const NOT_DONE: &str = "not-done";

const ABOUT: &str = "\
One operation a line, as a JSON object: {\"op\": \"task.create\", \"id\": \"task-7\", \"type\": \"train-model\"}. \
A line finds the documents as the lines before it left them.";

/// Carry out many operations, one a line, in one write and one commit
#[derive(Debug, clap::Args)]
#[command(before_long_help = ABOUT, after_help = operation::OPERATIONS)]
pub(crate) struct Args {
    /// The file of operations; `-` is standard input
    #[arg(default_value = "-", hide_default_value = true)]
    file: PathBuf,
    /// Do all of them, or none
    #[arg(long)]
    atomic: bool,
}

/// What became of a line.
struct Told {
    line: usize,
    op: Option<String>,
    result: Result<Outcome, ErrorReport>,
}

/// How many lines did what they say, and how many did not.
#[derive(Debug, Default)]
struct Count {
    done: usize,
    failed: usize,
    /// How the first line that failed by itself would have ended a command.
    first: Option<ErrorClass>,
    committed: Option<String>,
    waiting: Option<String>,
}

/// Carries them out.
pub(crate) fn run(args: &Args, session: &Session) -> Result<Answer, ErrorReport> {
    let (name, source) = input::lines_of(&args.file)?;
    let project = session.open()?;
    let mut lines = Lines::of(source);
    let mut count = Count::default();
    let unreadable = |error: std::io::Error| input::unreadable("FILE", &name, &error);
    if args.atomic {
        let mut all: Vec<Line> = Vec::new();
        let mut bytes = 0;
        loop {
            let chunk = lines.chunk().map_err(unreadable)?;
            if chunk.is_empty() {
                break;
            }
            bytes += chunk.iter().map(|line| line.bytes.len()).sum::<usize>();
            all.extend(chunk);
            limit(all.len(), bytes)?;
        }
        carry_out(&project, session, &name, &all, Together::All, &mut count)?;
    } else {
        loop {
            let chunk = lines.chunk().map_err(unreadable)?;
            if chunk.is_empty() {
                break;
            }
            carry_out(&project, session, &name, &chunk, Together::Each, &mut count)?;
        }
    }
    let mut answer = session::answer("batch.end", &project)?;
    answer.data = json!({ "done": count.done, "failed": count.failed });
    answer.words = count.words();
    answer.exit = match count.first {
        None => Exit::Ok,
        Some(class) if args.atomic => Exit::of(class),
        Some(_) => Exit::Problems,
    };
    Ok(answer)
}

/// What is done together is held in memory.
fn limit(lines: usize, bytes: usize) -> Result<(), ErrorReport> {
    if lines > STEPS_MAX {
        return Err(Error::TooManySteps { count: lines, max: STEPS_MAX }.into());
    }
    if bytes > ATOMIC_BYTES_MAX {
        let message = format!("`--atomic`: more than {ATOMIC_BYTES_MAX} bytes of operations");
        return Err(ErrorReport::usage("value-too-big", message).hint("give it in parts"));
    }
    Ok(())
}

/// Carries out lines together and tells what became of each.
fn carry_out(
    project: &Project,
    session: &Session,
    name: &str,
    lines: &[Line],
    how: Together,
    count: &mut Count,
) -> Result<(), ErrorReport> {
    let given =
        Given { now: project.now(), made: &|| project.moment_of_creation(), new_id: &|kind| project.new_id(kind) };
    let mut steps: Vec<Request<'_>> = Vec::new();
    let read: Vec<(usize, Result<String, ErrorReport>)> = lines
        .iter()
        .map(|line| {
            (
                line.number,
                read(line, name, &given).map(|(op, step)| {
                    steps.push(step);
                    op
                }),
            )
        })
        .collect();
    let bad = read.iter().position(|(_, op)| op.is_err());
    let results = match bad {
        Some(index) if how == Together::All => steps.iter().map(|_| Err(Error::Undone { step: index + 1 })).collect(),
        _ => project.operations().batch(project.actor(), &steps, how).map_err(|error| not_done(error, lines))?,
    };
    let mut results = results.into_iter();
    let told = read.into_iter().map(|(line, op)| match op {
        Err(failure) => Told { line, op: None, result: Err(failure) },
        Ok(op) => {
            let result = results.next().unwrap_or(Err(Error::Undone { step: line }));
            let result = result.map_err(|error| match error {
                // People count lines.
                Error::Undone { step } => {
                    Error::Undone { step: lines.get(step.saturating_sub(1)).map_or(step, |line| line.number) }
                }
                other => other,
            });
            Told { line, op: Some(op), result: result.map_err(ErrorReport::from) }
        }
    });
    tell(project, session, told.collect(), count)
}

/// The folder failed: of these lines none was done.
fn not_done(error: Error, lines: &[Line]) -> ErrorReport {
    let failure = ErrorReport::from(error);
    match (lines.first(), lines.last()) {
        (Some(first), Some(last)) => {
            failure.cause(format!("nothing was done of lines {} to {}", first.number, last.number))
        }
        _ => failure,
    }
}

fn read(line: &Line, name: &str, given: &Given<'_>) -> Result<(String, Request<'static>), ErrorReport> {
    if line.bytes.len() > LINE_BYTES_MAX {
        let message = format!("the line is longer than {LINE_BYTES_MAX} bytes");
        return Err(
            ErrorReport::usage("value-too-big", message).hint("keep big data in a file of its own and name its path")
        );
    }
    let text = std::str::from_utf8(&line.bytes).map_err(|error| {
        ErrorReport::usage("not-utf8", format!("the line is not UTF-8 at byte {}", error.valid_up_to() + 1))
            .hint("keep other data in a file of its own and name its path")
    })?;
    operation::read(text, given).map_err(|fault| at_fault(fault, line.number, text, name))
}

fn at_fault(fault: Fault, line: usize, text: &str, name: &str) -> ErrorReport {
    let before = text.get(..fault.at).unwrap_or(text);
    let column = before.chars().count() + 1;
    let mut excerpt = Excerpt::new(name, text.as_bytes(), Place { line: 1, column });
    excerpt.place.line = line;
    let failure = ErrorReport::usage(fault.code, fault.message).at(excerpt);
    ErrorReport { hint: fault.hint, ..failure }
}

/// One result a line: data to standard output, for people failures to standard error.
fn tell(project: &Project, session: &Session, told: Vec<Told>, count: &mut Count) -> Result<(), ErrorReport> {
    let committed = told.iter().filter_map(|told| told.result.as_ref().ok()?.committed.as_ref()).next_back();
    let head = session::head_at(project, committed)?;
    for told in told {
        match &told.result {
            Ok(outcome) => {
                count.done += 1;
                count.committed = outcome.committed.as_ref().map(|revision| revision.short().to_string());
                count.waiting = outcome.waiting.as_ref().map(ToString::to_string);
            }
            Err(failure) => {
                count.failed += 1;
                // What was left undone because of another line says nothing about the reason.
                if failure.code != NOT_DONE {
                    count.first.get_or_insert(failure.class);
                }
            }
        }
        if session.face.json() {
            print_line(&result(project, &head, &told))?;
            continue;
        }
        match &told.result {
            Ok(outcome) => {
                print(&format!("{}  {}  {}\n", told.line, visible(&outcome_id(outcome)), word(&told, outcome)))?;
                if let Some(claim) = &outcome.claim {
                    session.face.say(&decided_alone(&claim.decided));
                }
                for finding in &outcome.findings {
                    session.face.say(&super::render::finding(
                        finding,
                        project.folder(),
                        Some(outcome.document.bytes()),
                    ));
                }
            }
            // One reason is enough for people.
            Err(failure) if failure.code == NOT_DONE => {}
            Err(failure) => {
                let named =
                    ErrorReport { message: format!("line {}: {}", told.line, failure.message), ..failure.clone() };
                session.face.warn(&named);
            }
        }
    }
    Ok(())
}

/// What a line did, in a word.
fn word(told: &Told, outcome: &Outcome) -> &'static str {
    let verb = told.op.as_deref().and_then(|op| op.split('.').nth(1));
    match (outcome.operation.is_some(), verb) {
        (false, _) => "no changes",
        (true, Some("create")) => "created",
        (true, Some("remove")) => "removed",
        (true, _) => "changed",
    }
}

/// The result of a line, in the envelope.
fn result(project: &Project, head: &AnswerHead, told: &Told) -> Value {
    let data = batch_line_data(project, told.line, told.op.as_deref(), &told.result);
    let (findings, written) = match &told.result {
        Ok(outcome) => (&outcome.findings[..], WriteState::new(outcome.committed.as_ref(), outcome.waiting.as_ref())),
        Err(_) => (&[][..], WriteState::default()),
    };
    envelope("batch.result", head, &data, findings, Some(&written))
}

impl Count {
    fn words(&self) -> String {
        let Self { done, failed, committed, waiting, .. } = self;
        let fate = match (committed, waiting) {
            (Some(revision), _) => format!(" (committed {revision})"),
            (None, Some(waiting)) => format!(" (not committed yet: {waiting})"),
            (None, None) => String::new(),
        };
        format!("{done} done, {failed} failed{}\n", visible(&fate))
    }
}
