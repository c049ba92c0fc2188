//! Where the candidates for each argument come from: one table over the whole command line.

use clap::Arg;

use crate::core::entity::{AgentStatus, Priority, TaskStatus, WorkflowStatus};
use crate::core::name::Kind;
use crate::core::template::Shape;
use crate::core::workflow::STARTERS;
use crate::faces::cli::explain;

/// Where candidates come from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Source {
    /// Documents of these kinds; with words, only those with one of these statuses.
    Documents(&'static [Kind], &'static [&'static str]),
    /// Workflow definitions, and documents of these kinds.
    Definitions(&'static [Kind]),
    /// What such documents say under `type`.
    Types(Kind),
    /// The keys of its own that the document on the line has.
    OwnKeys(Kind),
    /// The check boxes of the task on the line.
    Steps,
    /// The names of the settings.
    Settings,
    /// What fits the setting on the line.
    SettingValues,
    /// The formats that the user or the repository saved.
    Formats,
    /// These words.
    Words(fn() -> Vec<&'static str>),
    /// A folder on the disk.
    Folder,
    /// A file on the disk.
    File,
    /// A text; after `@` a file.
    Text,
    /// Nothing can be known.
    Free,
}

const TASKS: &[Kind] = &[Kind::Task];
const AGENTS: &[Kind] = &[Kind::Agent];
const WORKFLOWS: &[Kind] = &[Kind::Workflow];

/// What nobody but the user can know.
const NUMBERS_AND_NAMES: &[&str] = &[
    "after", "fence", "lease", "limit", "older", "progress", "remote", "set", "step", "timeout", "title", "ttl",
    "interval", "span",
];

/// The source for an argument of the command with this path (`task get`); `None` if nobody said.
pub(super) fn of(path: &str, arg: &Arg) -> Option<Source> {
    let id = arg.get_id().as_str();
    Some(match (path, id) {
        ("task complete" | "task fail" | "task release" | "task renew", "id") => Source::Documents(TASKS, &["running"]),
        ("task wait", "ids") | ("task claim", "id") => Source::Documents(TASKS, &["pending", "running"]),
        ("task retry", "id") => Source::Documents(TASKS, &["failed"]),
        ("task reopen" | "task approve" | "task reject", "id") => Source::Documents(TASKS, &["completed"]),
        ("workflow complete" | "workflow fail", "id") | ("workflow drive", "wait") => {
            Source::Documents(WORKFLOWS, &["running"])
        }
        ("task create" | "workflow create", "id") | ("man", "command") | ("bridge enable", "url" | "branch") => {
            Source::Free
        }
        ("archive", "ids") => Source::Documents(&[Kind::Task, Kind::Workflow], &["completed", "failed"]),
        ("log", "id") | ("resolve" | "restore", "names") => Source::Documents(&Kind::ALL, &[]),
        ("task create" | "task update" | "task claim" | "task ready", "kind") | ("worker", "kinds") => {
            Source::Types(Kind::Task)
        }
        ("workflow new", "template") => Source::Words(|| STARTERS.iter().map(|(name, _)| *name).collect()),
        ("workflow run", "name") => Source::Definitions(&[]),
        ("workflow graph", "workflow") => Source::Definitions(WORKFLOWS),
        ("workflow new" | "workflow run", "name" | "inputs")
        | ("workflow retry", "from")
        | ("worker", "concurrency")
        | ("worker logs", "attempt") => Source::Free,
        ("workflow create", "kind") => Source::Types(Kind::Workflow),
        ("task tick", "step") => Source::Steps,
        ("task update", "unset") => Source::OwnKeys(Kind::Task),
        ("workflow update", "unset") => Source::OwnKeys(Kind::Workflow),
        ("config get" | "config set", "key") => Source::Settings,
        ("config set", "value") => Source::SettingValues,
        ("why" | "worker logs", "id") => Source::Documents(TASKS, &[]),
        (path, "id") if path.starts_with("task ") => Source::Documents(TASKS, &[]),
        (path, "id") if path.starts_with("workflow ") => Source::Documents(WORKFLOWS, &[]),
        (path, "name") if path.starts_with("agent ") => Source::Documents(AGENTS, &[]),
        (path, "status") if path.starts_with("task ") => {
            Source::Words(|| TaskStatus::ALL.iter().map(|word| word.word()).collect())
        }
        (path, "status") if path.starts_with("agent ") => {
            Source::Words(|| AgentStatus::ALL.iter().map(|word| word.word()).collect())
        }
        (_, "status") => Source::Words(|| WorkflowStatus::ALL.iter().map(|word| word.word()).collect()),
        (_, "priority") => Source::Words(|| Priority::ALL.iter().map(|word| word.word()).collect()),
        (_, "agent" | "of_agent" | "assigned_to" | "taker") => Source::Documents(AGENTS, &[]),
        (_, "active_task" | "current_task" | "depends_on" | "no_depends_on" | "tasks" | "not_tasks") => {
            Source::Documents(TASKS, &[])
        }
        (path, "channel" | "patterns") if path.starts_with("event ") => Source::Words(channels),
        (path, "data") if path.starts_with("event ") => Source::Text,
        (path, "event" | "since" | "count" | "timeout") if path.starts_with("event ") => Source::Free,
        (_, "workflow") => Source::Documents(WORKFLOWS, &[]),
        ("instructions", "write" | "remove" | "check") | ("batch" | "textconv", "file") | ("merge-driver", _) => {
            Source::File
        }
        (_, "require_mode") => Source::Words(|| vec!["redis", "taskqueue", "markdown"]),
        ("explain", "code") => Source::Words(explain::codes),
        (_, "root" | "keep" | "install" | "pages") => Source::Folder,
        (
            _,
            "description" | "exec" | "payload" | "result" | "error" | "stack_trace" | "metadata" | "text" | "note"
            | "reason",
        ) => Source::Text,
        (_, "format") => Source::Formats,
        ("completions", "shell") => Source::Words(super::shells),
        ("init", "templates") => Source::Words(|| Shape::ALL.iter().map(|shape| shape.word()).collect()),
        (_, name) if NUMBERS_AND_NAMES.contains(&name) => Source::Free,
        _ => return None,
    })
}

/// The channels of documents; what others publish on is theirs to know.
fn channels() -> Vec<&'static str> {
    crate::core::event::CHANNELS.to_vec()
}
