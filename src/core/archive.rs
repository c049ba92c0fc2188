//! Which documents may go into the archive, where each of them lies there, and why another stays. Pure; moves nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::core::entity::{Entity, Task, TaskStatus};
use crate::core::name::{DocId, DocPath, Kind};
use crate::core::snapshot::{Entry, Snapshot};
use crate::core::time::Timestamp;

/// Why a document stays where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stay {
    /// Agents are not finished, ever; what is neither task nor workflow nor event log is not ours.
    Kind,
    /// It cannot be read.
    Unreadable,
    /// There is something left to do.
    Unfinished {
        /// Its status.
        status: &'static str,
    },
    /// It must be approved first.
    Unapproved,
    /// Its workflow lies outside the archive and does not list it: it could not be counted there any more.
    Workflow {
        /// The workflow.
        workflow: DocId,
        /// Whether it could be archived along with the task.
        is_finished: bool,
    },
    /// It could not be found by its id there.
    Misnamed {
        /// What its file should be called.
        expected: DocPath,
    },
    /// The archive has a document of that name.
    Taken {
        /// Where.
        path: DocPath,
    },
    /// Other files state its id too.
    Duplicate,
    /// It has changed not long ago.
    Restless,
    /// Only git can store it, here or in the archive.
    LeftToGit {
        /// Which place that is about.
        path: String,
        /// Why.
        why: String,
        /// What to do about it.
        hint: String,
    },
}

impl fmt::Display for Stay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind => f.write_str("only tasks, workflows and event logs are archived"),
            Self::Unreadable => f.write_str("it cannot be read"),
            Self::Unfinished { status } => write!(f, "it is {status}"),
            Self::Unapproved => f.write_str("it waits for approval"),
            Self::Workflow { workflow: id, .. } => {
                write!(f, "its workflow `{id}` is not archived and does not list it")
            }
            Self::Misnamed { expected } => write!(f, "its file should be called `{expected}`"),
            Self::Taken { path } => write!(f, "`{path}` is there already"),
            Self::Duplicate => f.write_str("another file states the same id"),
            Self::Restless => f.write_str("it has changed not long ago"),
            Self::LeftToGit { path, why, .. } => write!(f, "`{path}` is left to git: {why}"),
        }
    }
}

impl Stay {
    /// What to do about it, in the imperative.
    #[must_use]
    pub fn hint(&self, id: &str) -> Option<String> {
        match self {
            Self::Kind => None,
            Self::Unreadable | Self::Duplicate => Some("run `mycelium check` to see why".to_owned()),
            Self::Unfinished { .. } => Some("complete it or let it fail first".to_owned()),
            Self::Unapproved => Some(format!("have `{id}` approved by someone other than its holder")),
            Self::Workflow { workflow, is_finished: true } => {
                Some(format!("run `mycelium archive {workflow} {id}` to archive both"))
            }
            Self::Workflow { workflow, is_finished: false } => Some(format!(
                "list it there, which `mycelium workflow update {workflow} --task {id}` does, or finish both first"
            )),
            Self::Misnamed { expected } => Some(format!("rename the file to `{expected}`")),
            Self::Taken { path } => Some(format!("compare it with `{path}`, and remove one of them")),
            Self::Restless => Some(format!("run `mycelium archive {id}` without `--older`")),
            Self::LeftToGit { hint, .. } => Some(hint.clone()),
        }
    }
}

/// Tells whether a document is done with, whatever else keeps it.
///
/// # Errors
/// Why it stays.
pub fn is_finished(entry: &Entry) -> Result<(), Stay> {
    match &entry.entity {
        _ if entry.path.is_events() => Ok(()),
        Some(entity) if entity.is_finished() => Ok(()),
        Some(Entity::Task(task)) => Err(Stay::Unfinished { status: task.status.word() }),
        Some(Entity::Workflow(workflow)) => Err(Stay::Unfinished { status: workflow.status.word() }),
        None if entry.kind.is_some_and(|kind| kind != Kind::Agent) => Err(Stay::Unreadable),
        Some(Entity::Agent(_)) | None => Err(Stay::Kind),
    }
}

/// Tells whether a finished document can be archived without anything being lost by it. `going` are the workflows that go
/// along.
///
/// # Errors
/// Why it stays.
pub fn may_go(entry: &Entry, live: &Snapshot, going: &BTreeSet<DocId>) -> Result<(), Stay> {
    is_finished(entry)?;
    let Some(entity) = &entry.entity else { return Ok(()) };
    if let Entity::Task(task) = entity {
        if is_unapproved(task) {
            return Err(Stay::Unapproved);
        }
        if let Some((workflow, is_finished)) = keeping(task, live).filter(|(id, _)| !going.contains(*id)) {
            return Err(Stay::Workflow { workflow: workflow.clone(), is_finished });
        }
    }
    let (kind, id) = (entity.kind(), entity.id());
    if live.paths_of(kind, id.as_str()).len() > 1 {
        return Err(Stay::Duplicate);
    }
    let expected = DocPath::for_new(kind, &id);
    if expected == entry.path { Ok(()) } else { Err(Stay::Misnamed { expected }) }
}

fn is_unapproved(task: &Task) -> bool {
    task.status == TaskStatus::Completed && !task.is_approved()
}

/// The workflow that only knows of a task because the task names it, and whether it is finished.
fn keeping<'a>(task: &'a Task, live: &Snapshot) -> Option<(&'a DocId, bool)> {
    let id = task.workflow.as_ref()?;
    let path = live.paths_of(Kind::Workflow, id.as_str()).first()?;
    let entry = live.get(path)?;
    let is_task = |listed| live.named_task(listed).and_then(Entry::task).is_some_and(|other| other.id == task.id);
    let is_listed = entry.workflow().is_some_and(|workflow| workflow.tasks.iter().any(is_task));
    (!is_listed).then(|| (id, is_finished(entry).is_ok()))
}

/// The names that the archive has, to find a free one.
#[derive(Debug, Clone, Default)]
pub struct Shelves(BTreeMap<String, DocPath>);

impl Shelves {
    /// The archive with these documents.
    #[must_use]
    pub fn new(archived: impl IntoIterator<Item = DocPath>) -> Self {
        Self(archived.into_iter().map(|path| (path.file_name().to_owned(), path)).collect())
    }

    /// Where a document goes: into the month in which it was made, so that every clone puts it in the same place, whenever it
    /// does so; an event log into that of its last event. `changed` counts where a document does not tell. The place is
    /// taken from then on.
    ///
    /// `is_copy` says whether an archived document holds the same bytes: then a move was begun and its first half survived
    /// (a crash between the copy and the removal), and the place is that of the copy.
    ///
    /// # Errors
    /// [`Stay::Taken`] if the archive has another document of that name in any month; an event log gets a number instead.
    pub fn place(
        &mut self,
        entry: &Entry,
        changed: Timestamp,
        mut is_copy: impl FnMut(&DocPath) -> bool,
    ) -> Result<DocPath, Stay> {
        let month = moment(entry).unwrap_or(changed).month();
        let mut name = entry.path.file_name().to_owned();
        for number in 2.. {
            match self.0.get(&name) {
                None => break,
                Some(path) if is_copy(path) => return Ok(path.clone()),
                Some(_) if entry.path.is_events() => name = format!("{}.{number}.md", entry.path.stem()),
                Some(path) => return Err(Stay::Taken { path: path.clone() }),
            }
        }
        let place = DocPath::new(format!("archive/{month}/{name}"));
        // Only a year beyond four digits is no month, or a name that is too long by a number.
        let place = place.map_err(|_| Stay::Misnamed { expected: entry.path.clone() })?;
        self.0.insert(name, place.clone());
        Ok(place)
    }
}

/// The moment by which a document is filed.
fn moment(entry: &Entry) -> Option<Timestamp> {
    match &entry.entity {
        Some(Entity::Task(task)) => task.created,
        Some(Entity::Workflow(workflow)) => workflow.created,
        Some(Entity::Agent(_)) => None,
        None => last_event(entry.document.text()),
    }
}

/// The last moment that an event log names.
fn last_event(text: &str) -> Option<Timestamp> {
    let is_moment = |word: &str| word.contains('T').then(|| word.parse().ok()).flatten();
    let in_line =
        |line: &str| line.split(|c: char| c.is_whitespace() || matches!(c, '"' | '`' | '|')).find_map(is_moment);
    text.lines().rev().take(LINES_MAX).find_map(in_line)
}

/// So many lines of an event log are looked at, from its end.
const LINES_MAX: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::document::Document;

    fn path(text: &str) -> DocPath {
        DocPath::new(text).expect("valid")
    }

    fn snapshot(files: &[(&str, &str)]) -> Snapshot {
        let document = |keys: &str| Document::parse(format!("---\n{keys}\n---\n").into_bytes());
        Snapshot::from_documents(files.iter().map(|(name, keys)| (path(name), document(keys))))
    }

    fn judged(live: &Snapshot, name: &str, going: &[&str]) -> String {
        let going = going.iter().map(|id| DocId::new(*id).expect("valid")).collect();
        let entry = live.get(&path(name)).expect("there");
        may_go(entry, live, &going).map_or_else(|stay| stay.to_string(), |()| "goes".to_owned())
    }

    #[test]
    fn what_is_done_with_goes_and_all_else_says_why_not() {
        let live = snapshot(&[
            ("agent-a.md", "agent: a\nstatus: idle"),
            ("task-a.md", "id: task-a\nstatus: completed"),
            ("task-b.md", "id: b\nstatus: failed"),
            ("task-c.md", "id: task-c\nstatus: running"),
            ("task-d.md", "id: task-d\nstatus: completed\nreview: required\nassigned_to: x\napproved: x"),
            ("task-e.md", "id: task-e\nstatus: completed\nreview: required\nassigned_to: x\napproved: ann"),
            ("task-f.md", "id: task-f\nstatus: failed\nreview: required"),
            ("task-g.md", "id: task-other\nstatus: completed"),
            ("task-h.md", "id: [x"),
            ("task-i.md", "id: task-i\nstatus: completed\nworkflow: w"),
            ("task-j.md", "id: task-j\nstatus: completed\nworkflow: w"),
            ("task-k.md", "id: task-k\nstatus: completed\nworkflow: nobody"),
            ("workflow-w.md", "id: w\nstatus: running\ntasks: [i]"),
            ("workflow-v.md", "id: v\nstatus: completed\ntasks: [c]"),
            ("events-1.md", "x"),
            ("notes.md", "x: 1"),
        ]);
        for (name, answer) in [
            ("agent-a.md", "only tasks, workflows and event logs are archived"),
            ("notes.md", "only tasks, workflows and event logs are archived"),
            ("task-a.md", "goes"),
            ("task-b.md", "goes"),
            ("task-c.md", "it is running"),
            ("task-d.md", "it waits for approval"),
            ("task-e.md", "goes"),
            ("task-f.md", "goes"),
            ("task-g.md", "its file should be called `task-other.md`"),
            ("task-h.md", "it cannot be read"),
            ("task-i.md", "goes"),
            ("task-j.md", "its workflow `w` is not archived and does not list it"),
            ("task-k.md", "goes"),
            ("workflow-w.md", "it is running"),
            ("workflow-v.md", "goes"),
            ("events-1.md", "goes"),
        ] {
            assert_eq!(judged(&live, name, &[]), answer, "{name}");
        }
        assert_eq!(judged(&live, "task-j.md", &["w"]), "goes");
    }

    #[test]
    fn a_document_is_filed_by_what_it_says_and_never_over_another() {
        let live = snapshot(&[
            ("task-a.md", "id: task-a\nstatus: completed\ncreated: 2025-09-30T23:59:59Z"),
            ("task-b.md", "id: task-b\nstatus: completed"),
            ("task-d.md", "id: task-d\nstatus: completed"),
            ("workflow-w.md", "id: w\nstatus: completed\ncreated_at: 2024-02-29"),
        ]);
        let now: Timestamp = "2026-01-02T03:04:05Z".parse().expect("a moment");
        let mut shelves = Shelves::new([
            path("archive/2020-01/task-b.md"),
            path("archive/2025-10/events-x.md"),
            path("archive/2020-02/task-d.md"),
            path("archive/2025-10/events-y.md"),
            path("archive/2025-11/events-y.2.md"),
        ]);
        let is_copy = |at: &DocPath| at.file_name() == "task-d.md" || at.file_name() == "events-y.2.md";
        let mut place = |entry: &Entry| {
            shelves.place(entry, now, is_copy).map_or_else(|stay| stay.to_string(), |to| to.to_string())
        };
        let of = |name: &str| live.get(&path(name)).expect("there");
        assert_eq!(place(of("task-a.md")), "archive/2025-09/task-a.md");
        assert_eq!(place(of("workflow-w.md")), "archive/2024-02/workflow-w.md");
        assert_eq!(place(of("task-b.md")), "`archive/2020-01/task-b.md` is there already");
        assert_eq!(place(of("task-a.md")), "`archive/2025-09/task-a.md` is there already");
        let events = |text: &str| Entry::read(path("events-x.md"), Document::parse(text.as_bytes().to_vec()));
        let log = "e1 2025-10-17T12:00:00Z tasks:events {}\ne2 2025-11-01T00:00:00Z x {\"T\": 1}\n";
        assert_eq!(place(&events(log)), "archive/2025-11/events-x.2.md");
        assert_eq!(place(&events("")), "archive/2026-01/events-x.3.md");
        // A move that was begun goes on.
        assert_eq!(place(of("task-d.md")), "archive/2020-02/task-d.md");
        let begun = Entry::read(path("events-y.md"), Document::parse(log.as_bytes().to_vec()));
        assert_eq!(place(&begun), "archive/2025-11/events-y.2.md");
    }
}
