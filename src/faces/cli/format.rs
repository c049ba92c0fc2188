//! `--format TEMPLATE`: answers in the user's own words, a line for each item. Knows which fields there are.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::render::{Ink, Table, paint};
use crate::api::view::{ErrorReport, Excerpt};
use crate::core::config::{Config, format_name};
use crate::core::name::visible;
use crate::core::template::{COLORS, FILTERS, Format, FormatError};
use crate::services::Project;

/// How an answer is written.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Wording {
    /// Write each item by this template: '{{id}} {{title}}', or `@NAME` for a saved one; `help` lists the fields
    #[arg(long, value_name = "TEMPLATE", conflicts_with = "json")]
    format: Option<String>,
}

/// Fields of an answer, by its kind; each is a name and what it holds.
type Fields = &'static [(&'static str, &'static str)];

const TASK_LIST: Fields = &[
    ("id", "its id"),
    ("status", "pending, running, completed or failed; null if it cannot be read"),
    ("outlook", "`ready`, `waiting` or `blocked` for one that is pending"),
    ("ready", "whether it could be started now"),
    ("priority", "low, normal, high or critical"),
    ("assigned_to", "who is to do it"),
    ("type", "what sort of work it is"),
    ("title", "what it is called"),
    ("progress", "how far it is, from 0 to 1"),
    ("depends_on", "ids of the tasks that come first, at most 50"),
    ("depends_on_total", "how many these are"),
    ("waits_for", "those of them that are not done, at most 50"),
    ("waits_for_total", "how many these are"),
    ("path", "its file, below the work tree"),
    ("findings", "what is wrong with it, if it cannot be read"),
];

const AGENT_LIST: Fields = &[
    ("agent", "its name"),
    ("id", "its name, if it cannot be read"),
    ("status", "idle, busy or error; null if it cannot be read"),
    ("last_updated", "when it last said something"),
    ("seen", "when it last gave a sign of life"),
    ("stale", "whether that was longer ago than it counts as alive"),
    ("active_tasks", "ids of what it works on"),
    ("path", "its file, below the work tree"),
    ("findings", "what is wrong with it, if it cannot be read"),
];

const WORKFLOW_LIST: Fields = &[
    ("id", "its id"),
    ("status", "running, completed or failed; null if it cannot be read"),
    ("type", "what sort of workflow it is"),
    ("title", "what it is called"),
    ("progress", "how far it is, from 0 to 1"),
    ("tasks", "ids of its tasks"),
    ("path", "its file, below the work tree"),
    ("findings", "what is wrong with it, if it cannot be read"),
];

const TASK: Fields = &[
    ("id", "its id"),
    ("type", "what sort of work it is"),
    ("title", "what it is called"),
    ("description", "everything in it outside of the sections that mean something"),
    ("status", "pending, running, completed or failed"),
    ("assigned_to", "who is to do it"),
    ("priority", "low, normal, high or critical"),
    ("depends_on", "ids of the tasks that come first"),
    ("payload", "what it is to work with"),
    ("created", "when it was made"),
    ("progress", "how far it is, from 0 to 1"),
    ("workflow", "the workflow it belongs to"),
    ("result", "what came out"),
    ("error", "why it failed"),
    ("steps", "its check boxes, each with `text` and `done`"),
    ("notes", "its notes"),
    ("claimed_by", "who holds it"),
    ("fence", "how many holders it has had"),
    ("lease", "for how long a silent holder keeps it"),
    ("attempt", "how many times it was started"),
    ("review", "whether it must be approved"),
    ("approved", "who approved it"),
    ("path", "its file, below the work tree"),
];

const AGENT: Fields = &[
    ("agent", "its name"),
    ("status", "idle, busy or error"),
    ("last_updated", "when it last said something"),
    ("ttl", "for how many seconds it counts as alive"),
    ("active_tasks", "what it works on, each with `task` and `started`"),
    ("started", "when it was started"),
    ("description", "everything in it outside of the sections that mean something"),
    ("metadata", "anything else it says"),
    ("notes", "its notes"),
    ("path", "its file, below the work tree"),
];

const WORKFLOW: Fields = &[
    ("id", "its id"),
    ("type", "what sort of workflow it is"),
    ("title", "what it is called"),
    ("description", "everything in it outside of the sections that mean something"),
    ("status", "running, completed or failed"),
    ("tasks", "ids of its tasks"),
    ("created", "when it was made"),
    ("progress", "how far it is, if that was set"),
    ("current_task", "the task under way, if that was set"),
    ("metadata", "anything else about it"),
    ("result", "what came out"),
    ("error", "why it failed"),
    ("steps", "its steps, each with `text` and `done`"),
    ("notes", "its notes"),
    ("path", "its file, below the work tree"),
];

const LOG: Fields = &[
    ("revision", "the commit"),
    ("at", "when it was made"),
    ("author", "its author"),
    ("agent", "the agent that acted"),
    ("holder", "the agent that held what a person edited by hand"),
    ("subject", "its first line"),
    ("operations", "ids of the operations in it"),
    ("changes", "what changed, each with `id`, `kind`, `path`, `what` and `words`"),
    ("changes_total", "how many changes there are"),
    ("missing", "how many documents of it a partial clone lacks"),
    ("boundary", "whether the history of a shallow clone begins with it"),
];

const STATUS: Fields = &[
    ("mode", "the follower that is live; `markdown` without one"),
    (
        "bridge",
        "how the first backend stands: `backend`, `address`, `state`, `server`, `why`, `branch`, `behind`, `last_pass`, or null",
    ),
    ("bridges", "the same of each backend that is named"),
    ("agents", "agents with their work: `agent`, `status`, `active_tasks`, `running`, `queued`, `seen`, `stale`"),
    ("agent_count", "how many there are"),
    ("agent_states", "how many are `idle`, `busy`, `error`, and how many of all are `stale`"),
    ("tasks", "how many tasks have each status: `tasks.running`"),
    ("task_queue_size", "how many tasks are pending"),
    ("task_queue", "how many of them have each priority: `task_queue.high`"),
    ("outlook", "how many of them are `ready`, `waiting`, `blocked`"),
    ("running", "tasks under way"),
    ("ended_elsewhere", "tasks that ended in another worktree whose branch is not merged here"),
    ("ready", "tasks that could be started"),
    ("waits", "tasks that wait for what is on its way"),
    ("blocked", "tasks that wait for what never comes by itself"),
    ("workflows", "workflows that are running, with their progress"),
    ("avg_latency", "mean time of the last writes, in milliseconds"),
    ("latency_of", "how many writes that is the mean of"),
    ("unreadable", "documents that cannot be read"),
    ("uncommitted", "documents that are not committed"),
    ("uncommitted_count", "how many those are"),
    ("held", "those that are held back, and why"),
    ("conflicts", "those that git has in conflict"),
    ("waiting", "why nothing is committed, or null"),
    ("watcher", "the watching process, or null"),
];

/// The fields of an answer of this kind.
fn fields(kind: &str) -> Fields {
    match kind {
        "task.list" => TASK_LIST,
        "agent.list" => AGENT_LIST,
        "workflow.list" => WORKFLOW_LIST,
        "task.get" => TASK,
        "agent.get" => AGENT,
        "workflow.get" => WORKFLOW,
        "log" => LOG,
        _ => STATUS,
    }
}

/// A wording that is ready for use.
#[derive(Debug)]
pub(crate) enum Words {
    /// What the fields are, as a text.
    Help(String),
    /// A template for items of one kind.
    Template(Box<Template>),
}

/// A template for items of one kind.
#[derive(Debug)]
pub(crate) struct Template {
    kind: &'static str,
    name: String,
    text: String,
    format: Format,
}

impl Wording {
    /// What was asked for, for an answer of this kind; `None` if nothing was.
    pub(crate) fn words(&self, kind: &'static str, project: &Project) -> Result<Option<Words>, ErrorReport> {
        let Some(given) = self.format.as_deref() else { return Ok(None) };
        if given == "help" {
            return Ok(Some(Words::Help(help(kind, project.config()))));
        }
        let (name, text) = match saved(given, project.config())? {
            Some((name, text)) => (format!("formats.{name}"), text),
            None => ("--format".to_owned(), given.to_owned()),
        };
        let format = Format::new(&text, project.now()).map_err(|fault| failure(kind, &name, &text, &fault))?;
        Ok(Some(Words::Template(Box::new(Template { kind, name, text, format }))))
    }
}

impl Words {
    /// The text for these items: a line each. What an item does not have is null.
    pub(crate) fn text<'a>(&self, items: impl IntoIterator<Item = &'a Value>) -> Result<String, ErrorReport> {
        match self {
            Self::Help(text) => Ok(text.clone()),
            Self::Template(template) => items.into_iter().map(|item| template.line(item)).collect(),
        }
    }
}

impl Template {
    fn line(&self, item: &Value) -> Result<String, ErrorReport> {
        let known = fields(self.kind).iter().map(|(name, _)| ((*name).to_owned(), Value::Null));
        let mut values: Map<String, Value> = known.collect();
        if let Value::Object(item) = item {
            values.extend(item.iter().map(|(key, value)| (key.clone(), value.clone())));
        }
        let mut line = self.format.line(&values).map_err(|fault| failure(self.kind, &self.name, &self.text, &fault))?;
        if !line.ends_with('\n') {
            line.push('\n');
        }
        Ok(line)
    }
}

/// A document as an item: what it says, with its path.
pub(crate) fn of_document(data: &Value, kind: &str) -> Value {
    let mut item = data.get(kind).and_then(Value::as_object).cloned().unwrap_or_default();
    item.insert("path".to_owned(), data["path"].clone());
    if let Some(id) = data.get("id").filter(|_| !item.contains_key("id") && kind != "agent") {
        item.insert("id".to_owned(), id.clone());
    }
    Value::Object(item)
}

/// The saved format that is meant: `@name`, or a bare word, which as a template would say nothing.
fn saved(given: &str, config: &Config) -> Result<Option<(String, String)>, ErrorReport> {
    let is_word = !given.is_empty() && given.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    let Some(name) = given.strip_prefix('@').or_else(|| is_word.then_some(given)) else { return Ok(None) };
    if let Some(saved) = config.format(name) {
        return Ok(Some((name.to_owned(), saved.text.clone())));
    }
    let message = format!("there is no saved format `{}`", visible(name));
    let others: Vec<&str> = config.formats().map(|(name, _)| name).collect();
    let hint = if others.is_empty() {
        "save one: `mycelium config set --user formats.short '{{id}} {{title}}'`".to_owned()
    } else {
        format!("there are {}; a template has fields in it, as in '{{{{id}}}} {{{{title}}}}'", others.join(", "))
    };
    Err(ErrorReport::usage("unknown-format", message).hint(hint))
}

/// Checks a template that is to be saved.
pub(crate) fn check(key: &str, text: &str, project: &Project) -> Result<(), ErrorReport> {
    let fault = |fault| failure("task.list", key, text, &fault);
    Format::new(text, project.now()).map(|_| ()).map_err(fault)
}

fn failure(kind: &str, name: &str, text: &str, fault: &FormatError) -> ErrorReport {
    let failure = ErrorReport::usage("bad-format", format!("`{name}` cannot be used: {}", fault.message));
    let failure = match fault.place {
        Some(place) => failure.at(Excerpt::new(name, text.as_bytes(), place)),
        None => failure,
    };
    let command = kind.replace('.', " ");
    let id = if kind.ends_with(".get") { " ID" } else { "" };
    failure.hint(format!("run `mycelium {command}{id} --format help` to see fields and filters"))
}

/// Fields, filters and saved formats, as a text.
fn help(kind: &str, config: &Config) -> String {
    let mut out = String::new();
    let mut part = |heading: &str, rows: Vec<(String, String)>| {
        let mut table = Table::new(&[]);
        for (name, about) in rows {
            table.row(vec![format!("  {name}").into(), about.into()]);
        }
        let _ = write!(out, "{}\n{}", paint(Ink::Bold, heading), table.text(None));
    };
    let owned = |rows: &[(&str, &str)]| rows.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
    part("fields, as in '{{id}} {{title}}'", owned(fields(kind)));
    part("filters, as in '{{title|truncate(30)|pad(30)}}'", owned(FILTERS));
    let colors: Vec<&str> = COLORS.iter().map(|(name, _)| *name).collect();
    let _ = writeln!(out, "  colours: {}; also upper, lower, join(', '), length, default('-'),", colors.join(", "));
    out.push_str("  first, last, round, replace; {% if %}, {% for %}; outside of them \\n and \\t\n");
    let saved: Vec<_> = config.formats().map(|(name, saved)| (format!("@{name}"), saved.text.clone())).collect();
    if !saved.is_empty() {
        let mut table = Table::new(&[]);
        for (name, text) in saved {
            table.row(vec![format!("  {name}").into(), text.into()]);
        }
        let _ = write!(out, "{}\n{}", paint(Ink::Bold, "saved formats"), table.text(None));
    }
    out
}

/// The name of a format that a setting's key stands for.
pub(crate) fn of_key(key: &str) -> Option<&str> {
    format_name(key)
}
