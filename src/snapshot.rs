//! Every document at one moment: look-ups by id, what waits for what, what is ready. Holds no file and no clock.

use std::collections::hash_map::Entry as MapEntry;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use petgraph::graph::{DiGraph, NodeIndex};

use crate::diagnostic::Diagnostic;
use crate::document::Document;
use crate::entity::status::distance_at_most;
use crate::entity::{self, Agent, Entity, Priority, Review, Task, TaskStatus, Workflow};
use crate::name::{DocId, DocPath, Kind, visible};

/// How many ids an answer names when none or several were meant.
pub const CANDIDATES_MAX: usize = 10;

/// One document of the folder, whatever its state.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Where it lies.
    pub path: DocPath,
    /// Its bytes and their structure.
    pub document: Document,
    /// Which kind it is; `None` for event logs and foreign files.
    pub kind: Option<Kind>,
    /// Its id, even where the rest cannot be used.
    pub id: Option<DocId>,
    /// What it says; `None` if it cannot be used.
    pub entity: Option<Entity>,
    /// What is wrong with it.
    pub findings: Vec<Diagnostic>,
}

impl Entry {
    /// Reads a document.
    #[must_use]
    pub fn read(path: DocPath, document: Document) -> Self {
        let entity::Reading { kind, id, entity, findings } = entity::read(&path, &document);
        Self { path, document, kind, id, entity, findings }
    }

    /// The task, if it is one that can be used.
    #[must_use]
    pub fn task(&self) -> Option<&Task> {
        self.entity.as_ref().and_then(Entity::as_task)
    }

    /// The agent, if it is one that can be used.
    #[must_use]
    pub fn agent(&self) -> Option<&Agent> {
        self.entity.as_ref().and_then(Entity::as_agent)
    }

    /// The workflow, if it is one that can be used.
    #[must_use]
    pub fn workflow(&self) -> Option<&Workflow> {
        self.entity.as_ref().and_then(Entity::as_workflow)
    }
}

/// Says why a reference names no single document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FindError {
    /// There is none.
    #[error("no {what} `{wanted}`")]
    NotFound {
        /// `agent`, `task`, `workflow` or `document`.
        what: &'static str,
        /// What was asked for, control characters made visible.
        wanted: String,
        /// Ids that look like it, the nearest first.
        near: Vec<DocId>,
    },
    /// It is the beginning of several ids, or the id of documents of several kinds (then there is one candidate).
    #[error("{}", ambiguity(.wanted, .candidates))]
    Ambiguous {
        /// What was asked for, control characters made visible.
        wanted: String,
        /// All of them, in order.
        candidates: Vec<DocId>,
    },
    /// Several files state the id.
    #[error("the id `{id}` stands in {} files: {}", .paths.len(), listed(.paths))]
    Duplicate {
        /// The id.
        id: DocId,
        /// All of them, in order.
        paths: Vec<DocPath>,
    },
}

impl FindError {
    /// Advice in the imperative, if there is any.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotFound { near, .. } if near.is_empty() => None,
            Self::NotFound { near, .. } => Some(format!("did you mean {}?", listed(near))),
            Self::Ambiguous { candidates, .. } if candidates.len() == 1 => Some("say which kind is meant".to_owned()),
            Self::Ambiguous { .. } => Some("give more of the id".to_owned()),
            Self::Duplicate { .. } => Some("give one of the files another id, or remove it".to_owned()),
        }
    }
}

fn ambiguity(wanted: &str, candidates: &[DocId]) -> String {
    match candidates {
        [_] => format!("`{wanted}` names documents of several kinds"),
        _ => format!("`{wanted}` is the beginning of {} ids: {}", candidates.len(), listed(candidates)),
    }
}

fn listed<T: std::fmt::Display>(items: &[T]) -> String {
    let mut out: Vec<String> = items.iter().take(CANDIDATES_MAX).map(|item| format!("`{item}`")).collect();
    if items.len() > CANDIDATES_MAX {
        out.push(format!("and {} more", items.len() - CANDIDATES_MAX));
    }
    out.join(", ")
}

/// Why a task has to wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocker {
    /// The dependency, as the task names it.
    pub id: DocId,
    /// What about it.
    pub why: Wait,
}

/// What a dependency lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// There is no such task.
    Missing,
    /// Its file cannot be used.
    Unreadable,
    /// It is not completed.
    Status(TaskStatus),
    /// It is completed, and nobody but its holder has approved it.
    Unapproved,
}

/// All documents of the folder at one moment. A clone shares the documents.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    entries: BTreeMap<DocPath, Arc<Entry>>,
    ids: BTreeMap<(Kind, String), Vec<DocPath>>,
}

impl Snapshot {
    /// Reads all documents.
    #[must_use]
    pub fn from_documents(documents: impl IntoIterator<Item = (DocPath, Document)>) -> Self {
        let mut snapshot = Self::default();
        for (path, document) in documents {
            snapshot.insert(path, document);
        }
        snapshot
    }

    /// Takes documents that were read already.
    #[must_use]
    pub fn from_entries(entries: impl IntoIterator<Item = Entry>) -> Self {
        let mut snapshot = Self::default();
        for entry in entries {
            snapshot.insert_entry(entry);
        }
        snapshot
    }

    /// Puts a document in the place of the one at its path, if there was one. The same bytes are not read again.
    pub fn insert(&mut self, path: DocPath, document: Document) {
        if self.entries.get(&path).is_some_and(|entry| entry.document == document) {
            return;
        }
        self.insert_entry(Entry::read(path, document));
    }

    fn insert_entry(&mut self, entry: Entry) {
        let path = entry.path.clone();
        self.remove(&path);
        if let (Some(kind), Some(id)) = (entry.kind, &entry.id) {
            let paths = self.ids.entry((kind, id.as_str().to_owned())).or_default();
            paths.push(path.clone());
            paths.sort_unstable();
        }
        self.entries.insert(path, Arc::new(entry));
    }

    /// Takes a document out.
    pub fn remove(&mut self, path: &DocPath) {
        let Some(entry) = self.entries.remove(path) else { return };
        if let (Some(kind), Some(id)) = (entry.kind, &entry.id) {
            let key = (kind, id.as_str().to_owned());
            if let Some(paths) = self.ids.get_mut(&key) {
                paths.retain(|other| other != path);
                if paths.is_empty() {
                    self.ids.remove(&key);
                }
            }
        }
    }

    /// The document at a path.
    #[must_use]
    pub fn get(&self, path: &DocPath) -> Option<&Entry> {
        self.entries.get(path).map(AsRef::as_ref)
    }

    /// Every document, by path.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values().map(AsRef::as_ref)
    }

    /// How many documents there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Tells whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Every document of a kind, usable or not, by path.
    pub fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &Entry> {
        self.entries().filter(move |entry| entry.kind == Some(kind))
    }

    /// The tasks that can be used, by path.
    pub fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.entries().filter_map(Entry::task)
    }

    /// The agents that can be used, by path.
    pub fn agents(&self) -> impl Iterator<Item = &Agent> {
        self.entries().filter_map(Entry::agent)
    }

    /// The workflows that can be used, by path.
    pub fn workflows(&self) -> impl Iterator<Item = &Workflow> {
        self.entries().filter_map(Entry::workflow)
    }

    /// All files that state an id.
    #[must_use]
    pub fn paths_of(&self, kind: Kind, id: &str) -> &[DocPath] {
        self.ids.get(&(kind, id.to_owned())).map_or(&[], Vec::as_slice)
    }

    /// The document that a person means: by its whole id, by the id without its kind's prefix (`prepare-dataset` for
    /// `task-prepare-dataset`; not for bare numbers), or by the unique beginning of either.
    ///
    /// # Errors
    /// [`FindError`] if there is none, if several begin so, or if several files state that id.
    pub fn find(&self, kind: Option<Kind>, wanted: &str) -> Result<&Entry, FindError> {
        let kinds: Vec<Kind> = kind.map_or(Kind::ALL.to_vec(), |kind| vec![kind]);
        let is_number = wanted.bytes().all(|b| b.is_ascii_digit());
        let forms = |kind: Kind| {
            let long = (!is_number && kind != Kind::Agent).then(|| format!("{}{wanted}", kind.prefix()));
            [Some(wanted.to_owned()), long].into_iter().flatten()
        };
        for form in 0..2 {
            let keys = kinds.iter().filter_map(|kind| forms(*kind).nth(form).map(|id| (*kind, id)));
            let found: Vec<&Vec<DocPath>> = keys.filter_map(|key| self.ids.get(&key)).collect();
            if !found.is_empty() {
                return self.only(wanted, &found);
            }
        }
        let mut found = Vec::new();
        for (kind, start) in kinds.iter().flat_map(|kind| forms(*kind).map(|start| (*kind, start))) {
            let from = Bound::Included((kind, start.clone()));
            let range = self.ids.range((from, Bound::Unbounded));
            let range = range.take_while(|((other, id), _)| *other == kind && id.starts_with(&start));
            found.extend(range.map(|(_, paths)| paths).filter(|_| !wanted.is_empty()));
        }
        if found.is_empty() {
            let what = kind.map_or("document", Kind::word);
            return Err(FindError::NotFound { what, wanted: visible(wanted), near: self.near(&kinds, wanted) });
        }
        self.only(wanted, &found)
    }

    /// The one document behind several entries of the index.
    fn only(&self, wanted: &str, found: &[&Vec<DocPath>]) -> Result<&Entry, FindError> {
        let entries = found.iter().flat_map(|paths| paths.iter()).filter_map(|path| self.get(path));
        let entries: Vec<&Entry> = entries.collect();
        let id = |entry: &Entry| entry.id.clone();
        match (&entries[..], found) {
            ([only], _) => Ok(only),
            (several, [_]) => {
                let paths = several.iter().map(|entry| entry.path.clone()).collect();
                let id = several.iter().find_map(|entry| id(entry));
                Err(id.map_or_else(
                    || FindError::NotFound { what: "document", wanted: visible(wanted), near: Vec::new() },
                    |id| FindError::Duplicate { id, paths },
                ))
            }
            (several, _) => {
                let mut candidates: Vec<DocId> = several.iter().filter_map(|entry| id(entry)).collect();
                candidates.sort_unstable();
                candidates.dedup();
                Err(FindError::Ambiguous { wanted: visible(wanted), candidates })
            }
        }
    }

    fn near(&self, kinds: &[Kind], wanted: &str) -> Vec<DocId> {
        const DISTANCE_MAX: usize = 2;
        let wanted: Vec<char> = wanted.chars().take(crate::name::NAME_BYTES_MAX).collect();
        if wanted.is_empty() {
            return Vec::new();
        }
        let ids = self.ids.keys().filter(|(kind, _)| kinds.contains(kind));
        let scored = ids.filter_map(|(kind, id)| {
            let short = id.strip_prefix(kind.prefix()).unwrap_or(id);
            let best =
                [id.as_str(), short].into_iter().filter_map(|form| distance_at_most(&wanted, form, DISTANCE_MAX));
            Some((best.min()?, id))
        });
        let mut scored: Vec<_> = scored.collect();
        scored.sort_unstable();
        scored.into_iter().take(3).filter_map(|(_, id)| DocId::new(id.as_str()).ok()).collect()
    }

    /// The task that a list of dependencies or tasks names: by its id, else by the id with `task-` before it.
    #[must_use]
    pub fn named_task(&self, id: &DocId) -> Option<&Entry> {
        let exact = self.paths_of(Kind::Task, id.as_str()).first();
        let path = exact.or_else(|| self.paths_of(Kind::Task, &format!("task-{id}")).first());
        path.and_then(|path| self.get(path))
    }

    /// What a task waits for, each with its document if there is one.
    #[must_use]
    pub fn dependencies(&self, task: &Task) -> Vec<(DocId, Option<&Entry>)> {
        task.depends_on.iter().map(|id| (id.clone(), self.named_task(id))).collect()
    }

    /// The tasks that wait for a task, by path.
    #[must_use]
    pub fn dependents(&self, id: &DocId) -> Vec<&Entry> {
        let short = id.as_str().strip_prefix("task-").filter(|short| self.paths_of(Kind::Task, short).is_empty());
        let names = |other: &DocId| other == id || short == Some(other.as_str());
        self.of_kind(Kind::Task)
            .filter(|entry| entry.task().is_some_and(|task| task.depends_on.iter().any(names)))
            .collect()
    }

    /// What a task still waits for.
    #[must_use]
    pub fn blockers(&self, task: &Task) -> Vec<Blocker> {
        let wait = |found: Option<&Entry>| match found.map(Entry::task) {
            None => Some(Wait::Missing),
            Some(None) => Some(Wait::Unreadable),
            Some(Some(other)) if other.status != TaskStatus::Completed => Some(Wait::Status(other.status)),
            Some(Some(other)) if !is_approved(other) => Some(Wait::Unapproved),
            Some(Some(_)) => None,
        };
        let all = self.dependencies(task).into_iter();
        all.filter_map(|(id, found)| wait(found).map(|why| Blocker { id, why })).collect()
    }

    /// Tells whether a task may be started: pending, and nothing left to wait for.
    #[must_use]
    pub fn ready(&self, task: &Task) -> bool {
        task.status == TaskStatus::Pending && self.blockers(task).is_empty()
    }

    /// Every task that may be started: the most urgent first, then the oldest, then by id.
    #[must_use]
    pub fn ready_tasks(&self) -> Vec<&Task> {
        let mut ready: Vec<&Task> = self.tasks().filter(|task| self.ready(task)).collect();
        sort_by_urgency(&mut ready);
        ready
    }

    /// The tasks of a workflow: those that it lists, then those that name it, by path.
    #[must_use]
    pub fn workflow_tasks(&self, workflow: &Workflow) -> Vec<DocId> {
        let mut ids = workflow.tasks.clone();
        let listed: BTreeSet<DocId> = ids.iter().map(|id| self.task_id(id)).collect();
        let naming = self.tasks().filter(|task| task.workflow.as_ref() == Some(&workflow.id));
        ids.extend(naming.filter(|task| !listed.contains(&task.id)).map(|task| task.id.clone()));
        ids
    }

    /// How far a workflow is, from 0 to 1: what it says itself, else the share of its tasks that are completed; `None`
    /// without tasks.
    #[must_use]
    pub fn workflow_progress(&self, workflow: &Workflow) -> Option<f64> {
        if workflow.progress.is_some() {
            return workflow.progress;
        }
        let tasks = self.workflow_tasks(workflow);
        let done = tasks.iter().filter(|id| self.task_status(id) == Some(TaskStatus::Completed)).count();
        let share = |part: usize, whole: usize| {
            Some(f64::from(u32::try_from(part).ok()?) / f64::from(u32::try_from(whole).ok()?))
        };
        if tasks.is_empty() { None } else { share(done, tasks.len()) }
    }

    /// The task that a workflow is at: what it says itself, else its first running task, else its first pending one.
    #[must_use]
    pub fn workflow_current_task(&self, workflow: &Workflow) -> Option<DocId> {
        if workflow.current_task.is_some() {
            return workflow.current_task.clone();
        }
        let tasks = self.workflow_tasks(workflow);
        let first = |status| tasks.iter().find(|id| self.task_status(id) == Some(status));
        first(TaskStatus::Running).or_else(|| first(TaskStatus::Pending)).cloned()
    }

    fn task_status(&self, id: &DocId) -> Option<TaskStatus> {
        self.named_task(id).and_then(Entry::task).map(|task| task.status)
    }

    fn task_id(&self, id: &DocId) -> DocId {
        self.named_task(id).and_then(|entry| entry.id.clone()).unwrap_or_else(|| id.clone())
    }

    /// Tasks that wait for each other: of every such group one shortest circle from its first id, which also ends it
    /// (`a → b → a`). Takes chains of any length.
    #[must_use]
    pub fn cycles(&self) -> Vec<Vec<DocId>> {
        let mut graph: DiGraph<&DocId, ()> = DiGraph::new();
        let nodes: HashMap<&DocId, NodeIndex> = self.tasks().map(|task| (&task.id, graph.add_node(&task.id))).collect();
        for task in self.tasks() {
            for id in &task.depends_on {
                let to = self.named_task(id).and_then(|entry| entry.id.as_ref()).and_then(|id| nodes.get(id));
                if let (Some(from), Some(to)) = (nodes.get(&task.id), to) {
                    graph.update_edge(*from, *to, ());
                }
            }
        }
        circles(&graph)
    }
}

/// The most urgent first, then the oldest, then by id.
pub fn sort_by_urgency(tasks: &mut [&Task]) {
    let key = |task: &Task| (std::cmp::Reverse::<Priority>(task.priority), task.created.is_none(), task.created);
    tasks.sort_by(|a, b| key(a).cmp(&key(b)).then_with(|| a.id.cmp(&b.id)));
}

/// One shortest circle of each group of nodes that all reach each other. Kosaraju's algorithm, which does not recurse.
fn circles(graph: &DiGraph<&DocId, ()>) -> Vec<Vec<DocId>> {
    let groups = petgraph::algo::kosaraju_scc(graph).into_iter();
    let mut circles: Vec<Vec<DocId>> = groups.filter_map(|group| circle(graph, &group)).collect();
    circles.sort_unstable();
    circles
}

/// Approved where that is required, by someone else than the holder.
fn is_approved(task: &Task) -> bool {
    let holder = task.claimed_by.as_ref().or(task.assigned_to.as_ref());
    task.review != Some(Review::Required)
        || task.approved.as_deref().is_some_and(|by| holder.is_none_or(|holder| holder.as_str() != by))
}

/// A shortest circle through the first id of a group of nodes that all reach each other; `None` if there is none.
fn circle(graph: &DiGraph<&DocId, ()>, group: &[NodeIndex]) -> Option<Vec<DocId>> {
    let start = *group.iter().min_by_key(|node| graph[**node])?;
    let inside: BTreeSet<NodeIndex> = group.iter().copied().collect();
    let mut from: HashMap<NodeIndex, NodeIndex> = HashMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(node) = queue.pop_front() {
        let mut next: Vec<NodeIndex> = graph.neighbors(node).filter(|next| inside.contains(next)).collect();
        next.sort_unstable_by_key(|node| graph[*node]);
        for next in next {
            if next == start {
                let mut path = vec![graph[start].clone()];
                let mut at = node;
                while at != start {
                    path.push(graph[at].clone());
                    at = *from.get(&at)?;
                }
                path.push(graph[start].clone());
                path.reverse();
                return Some(path);
            }
            if let MapEntry::Vacant(place) = from.entry(next) {
                place.insert(node);
                queue.push_back(next);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(files: &[(&str, &str)]) -> Snapshot {
        Snapshot::from_documents(files.iter().map(|(path, keys)| {
            let text = format!("---\ntype: t\n{keys}\n---\n");
            (DocPath::new(*path).expect("valid"), Document::parse(text.into_bytes()))
        }))
    }

    fn found(snapshot: &Snapshot, wanted: &str) -> String {
        match snapshot.find(None, wanted) {
            Ok(entry) => entry.path.to_string(),
            Err(error) => format!("{error}; {}", error.hint().unwrap_or_default()),
        }
    }

    fn ids(tasks: &[&Task]) -> Vec<String> {
        tasks.iter().map(|task| task.id.to_string()).collect()
    }

    #[test]
    fn references_are_found_in_the_promised_order() {
        let snapshot = snapshot(&[
            ("task-122.md", "id: task-122\nstatus: pending"),
            ("task-prepare-dataset.md", "id: prepare-dataset\nstatus: pending"),
            ("task-train.md", "id: task-train\nstatus: pending"),
            ("task-k7f3q2m9xa.md", "id: task-k7f3q2m9xa\nstatus: pending"),
            ("task-k7aaaaaaaa.md", "id: task-k7aaaaaaaa\nstatus: pending"),
            ("task-evaluate.md", "id: task-evaluate-model\nstatus: odd"),
            ("workflow-wf-1.md", "id: wf-1\nstatus: running"),
            ("agent-ai-engineer.md", "agent: ai-engineer\nstatus: idle"),
            ("task-broken.md", "id: [x"),
            ("archive/2025-10/task-old.md", "id: task-old\nstatus: completed"),
        ]);
        for (wanted, path) in [
            ("task-122", "task-122.md"),
            ("prepare-dataset", "task-prepare-dataset.md"),
            ("train", "task-train.md"),
            ("task-k7f", "task-k7f3q2m9xa.md"),
            ("k7f3", "task-k7f3q2m9xa.md"),
            ("task-evaluate-model", "task-evaluate.md"),
            ("wf", "workflow-wf-1.md"),
            ("ai", "agent-ai-engineer.md"),
            ("task-broken", "task-broken.md"),
            ("task-old", "archive/2025-10/task-old.md"),
        ] {
            assert_eq!(found(&snapshot, wanted), path, "{wanted}");
        }
        for (wanted, answer) in [
            ("122", "no document `122`; did you mean `task-122`?"),
            ("", "no document ``; "),
            ("trian", "no document `trian`; did you mean `task-train`?"),
            (
                "task-k7",
                "`task-k7` is the beginning of 2 ids: `task-k7aaaaaaaa`, `task-k7f3q2m9xa`; give more of the id",
            ),
            ("a\u{1b}", "no document `a\\u{1b}`; "),
        ] {
            assert_eq!(found(&snapshot, wanted), answer, "{wanted}");
        }
        assert!(snapshot.find(Some(Kind::Agent), "task-122").is_err());
    }

    #[test]
    fn kinds_may_share_an_id() {
        let snapshot = snapshot(&[("agent-x.md", "agent: x\nstatus: idle"), ("task-x.md", "id: x\nstatus: pending")]);
        assert_eq!(found(&snapshot, "x"), "`x` names documents of several kinds; say which kind is meant");
        assert_eq!(snapshot.find(Some(Kind::Task), "x").map(|entry| entry.path.as_str()), Ok("task-x.md"));
    }

    #[test]
    fn an_id_in_two_files_is_refused_with_both() {
        let mut snapshot = snapshot(&[
            ("task-1.md", "id: task-1\nstatus: pending"),
            ("task-copy.md", "id: task-1\nstatus: running"),
            ("task-12.md", "id: task-12\nstatus: running"),
        ]);
        let answer = "the id `task-1` stands in 2 files: `task-1.md`, `task-copy.md`; give one of the files another id, or remove it";
        assert_eq!(found(&snapshot, "task-1"), answer);
        snapshot.remove(&DocPath::new("task-copy.md").expect("valid"));
        assert_eq!(found(&snapshot, "task-1"), "task-1.md");
        snapshot.remove(&DocPath::new("task-1.md").expect("valid"));
        assert_eq!(found(&snapshot, "task-1"), "task-12.md");
        assert_eq!(snapshot.len(), 1);
    }

    #[test]
    fn ready_tasks_come_by_urgency_then_age() {
        let snapshot = snapshot(&[
            ("task-a.md", "id: task-a\nstatus: completed"),
            ("task-b.md", "id: task-b\nstatus: pending\ndepends_on: [a]\ncreated: 2025-02-01"),
            ("task-c.md", "id: task-c\nstatus: pending\ndepends_on: [task-b]"),
            ("task-d.md", "id: task-d\nstatus: pending\ncreated: 2025-01-01"),
            ("task-e.md", "id: task-e\nstatus: pending\npriority: critical"),
            ("task-f.md", "id: task-f\nstatus: pending\ndepends_on: [nobody, task-g, task-h]"),
            ("task-g.md", "id: task-g\nstatus: completed\nreview: required\nassigned_to: x\napproved: x"),
            ("task-h.md", "id: task-h\nstatus: odd"),
            ("task-i.md", "id: task-i\nstatus: pending"),
        ]);
        assert_eq!(ids(&snapshot.ready_tasks()), ["task-e", "task-d", "task-b", "task-i"]);
        let task = snapshot.find(None, "task-f").expect("there").task().expect("a task");
        let why: Vec<_> = snapshot.blockers(task).into_iter().map(|blocker| blocker.why).collect();
        assert_eq!(why, [Wait::Missing, Wait::Unapproved, Wait::Unreadable]);
        let dependents: Vec<_> = snapshot
            .dependents(&DocId::new("task-a").expect("valid"))
            .iter()
            .map(|entry| entry.path.to_string())
            .collect();
        assert_eq!(dependents, ["task-b.md"]);
    }

    #[test]
    fn a_workflow_is_as_far_as_its_tasks() {
        let files = [
            ("task-a.md", "id: task-a\nstatus: completed"),
            ("task-b.md", "id: task-b\nstatus: running"),
            ("task-c.md", "id: task-c\nstatus: completed\nworkflow: w"),
            ("workflow-v.md", "id: v\nstatus: running"),
            ("workflow-w.md", "id: w\nstatus: running\ntasks: [a, task-b, missing]"),
            ("workflow-x.md", "id: x\nstatus: running\ntasks: [a]\nprogress: 0.25\ncurrent_task: z"),
        ];
        let snapshot = snapshot(&files);
        let seen: Vec<_> = snapshot
            .workflows()
            .map(|w| (snapshot.workflow_progress(w), snapshot.workflow_current_task(w).map(|id| id.to_string())))
            .collect();
        let text = |id: &str| Some(id.to_owned());
        assert_eq!(seen, [(None, None), (Some(0.5), text("task-b")), (Some(0.25), text("z"))]);
    }

    #[test]
    fn circles_are_named_from_their_first_id() {
        let task =
            |id: &str, on: &str| (format!("task-{id}.md"), format!("id: {id}\nstatus: pending\ndepends_on: [{on}]"));
        let files = [
            task("b", "c"),
            task("c", "a, d"),
            task("a", "b"),
            task("d", "c"),
            task("self", "self"),
            task("free", "a"),
            task("y", "z"),
            task("z", "y"),
        ];
        let files: Vec<_> = files.iter().map(|(path, keys)| (path.as_str(), keys.as_str())).collect();
        let cycles: Vec<String> = snapshot(&files)
            .cycles()
            .iter()
            .map(|cycle| cycle.iter().map(DocId::as_str).collect::<Vec<_>>().join(" → "))
            .collect();
        assert_eq!(cycles, ["a → b → c → a", "self → self", "y → z → y"]);
    }

    #[test]
    fn chains_of_a_hundred_thousand_are_no_danger() {
        const LENGTH: usize = 100_000;
        let ids: Vec<DocId> = (0..LENGTH).map(|n| DocId::new(format!("t{n:06}")).expect("valid")).collect();
        let mut graph = DiGraph::new();
        let nodes: Vec<_> = ids.iter().map(|id| graph.add_node(id)).collect();
        for pair in nodes.windows(2) {
            graph.add_edge(pair[0], pair[1], ());
        }
        assert_eq!(circles(&graph), Vec::<Vec<DocId>>::new());
        graph.add_edge(nodes[LENGTH - 1], nodes[0], ());
        let found = circles(&graph);
        assert_eq!((found.len(), found[0].len()), (1, LENGTH + 1));
        assert_eq!((&found[0][0], &found[0][1], &found[0][LENGTH]), (&ids[0], &ids[1], &ids[0]));
    }
}
