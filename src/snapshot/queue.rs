//! What is ready, what waits, and what is blocked until somebody acts: worked out for all tasks in one pass.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet, VecDeque};

use petgraph::graph::{DiGraph, NodeIndex};

use super::{Entry, Snapshot};
use crate::entity::{Task, TaskStatus};
use crate::name::{DocId, Kind};

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

impl Wait {
    /// The word for it: `running`, `missing`, `not approved`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Unreadable => "unreadable",
            Self::Status(status) => status.word(),
            Self::Unapproved => "not approved",
        }
    }

    /// What it means for whoever waits, where it does not pass by itself.
    const fn cause(self) -> Option<Cause> {
        match self {
            Self::Missing => Some(Cause::Missing),
            Self::Unreadable => Some(Cause::Unreadable),
            Self::Status(TaskStatus::Failed) => Some(Cause::Failed),
            Self::Status(_) | Self::Unapproved => None,
        }
    }
}

/// How a task stands. What a pending task may become is worked out, never written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outlook {
    /// Pending, and nothing is in its way.
    Ready,
    /// Pending, and what it waits for is on its way.
    Waiting,
    /// Pending, and never ready unless somebody acts.
    Blocked,
    /// Not pending.
    Status(TaskStatus),
}

impl Outlook {
    /// The word for it: `ready`, `waiting`, `blocked`, else the status.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Waiting => "waiting",
            Self::Blocked => "blocked",
            Self::Status(status) => status.word(),
        }
    }
}

/// What blocks a task at the root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// A task has failed.
    Failed,
    /// There is no such task.
    Missing,
    /// A task's file cannot be used.
    Unreadable,
    /// Tasks wait for each other.
    Circle,
    /// Several files state the task's id.
    Duplicate,
}

impl Cause {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Missing => "missing",
            Self::Unreadable => "unreadable",
            Self::Circle => "circle",
            Self::Duplicate => "duplicate",
        }
    }
}

/// Why a task is blocked, down to the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// From the task itself, each waiting for the next, to the one at the root; a circle ends with where it began.
    pub path: Vec<DocId>,
    /// What is wrong there.
    pub cause: Cause,
}

/// The next step from a blocked task to the root.
#[derive(Debug)]
struct Link {
    /// What it waits for; itself if its own id is at fault.
    via: DocId,
    /// What is wrong with that; `None` if it is blocked in turn.
    cause: Option<Cause>,
}

/// How every task of a snapshot stands.
#[derive(Debug)]
pub struct Queue<'a> {
    snapshot: &'a Snapshot,
    /// What each pending task waits for; only those that do.
    waits: HashMap<&'a DocId, Vec<Blocker>>,
    blocked: HashMap<&'a DocId, Link>,
}

impl Snapshot {
    /// What a task still waits for.
    #[must_use]
    pub fn blockers(&self, task: &Task) -> Vec<Blocker> {
        let wait = |found: Option<&Entry>| match found.map(Entry::task) {
            None => Some(Wait::Missing),
            Some(None) => Some(Wait::Unreadable),
            Some(Some(other)) if other.status != TaskStatus::Completed => Some(Wait::Status(other.status)),
            Some(Some(other)) if !other.is_approved() => Some(Wait::Unapproved),
            Some(Some(_)) => None,
        };
        let all = self.dependencies(task).into_iter();
        all.filter_map(|(id, found)| wait(found).map(|why| Blocker { id, why })).collect()
    }

    /// Tells whether a task may be started: pending, the only one of its id, and nothing left to wait for.
    #[must_use]
    pub fn ready(&self, task: &Task) -> bool {
        task.status == TaskStatus::Pending && !self.is_duplicate(&task.id) && self.blockers(task).is_empty()
    }

    /// Every task that may be started: the most urgent first, then the oldest, then by id. None that is archived.
    #[must_use]
    pub fn ready_tasks(&self) -> Vec<&Task> {
        self.queue().ready()
    }

    /// How every task stands. One pass over the tasks and what they wait for.
    #[must_use]
    pub fn queue(&self) -> Queue<'_> {
        Queue::of(self)
    }

    fn is_duplicate(&self, id: &DocId) -> bool {
        self.paths_of(Kind::Task, id.as_str()).len() > 1
    }
}

impl<'a> Queue<'a> {
    fn of(snapshot: &'a Snapshot) -> Self {
        let mut waits = HashMap::new();
        let mut blocked = HashMap::new();
        for task in snapshot.tasks().filter(|task| task.status == TaskStatus::Pending) {
            if snapshot.is_duplicate(&task.id) {
                blocked.insert(&task.id, Link { via: task.id.clone(), cause: Some(Cause::Duplicate) });
                continue;
            }
            let blockers = snapshot.blockers(task);
            let hopeless = blockers.iter().find_map(|blocker| Some((blocker, blocker.why.cause()?)));
            if let Some((blocker, cause)) = hopeless {
                let via = snapshot.task_id(&blocker.id);
                blocked.insert(&task.id, Link { via, cause: Some(cause) });
            }
            if !blockers.is_empty() {
                waits.insert(&task.id, blockers);
            }
        }
        let mut queue = Self { snapshot, waits, blocked };
        queue.spread();
        queue
    }

    /// Who waits for somebody blocked is blocked too, and so is everybody in a circle.
    fn spread(&mut self) {
        let mut graph: DiGraph<&'a DocId, ()> = DiGraph::new();
        let mut ids: Vec<&'a DocId> = self.waits.keys().copied().collect();
        ids.sort_unstable();
        let nodes: HashMap<&DocId, NodeIndex> = ids.iter().map(|id| (*id, graph.add_node(*id))).collect();
        for id in &ids {
            for next in self.pending(id) {
                if let (Some(from), Some(to)) = (nodes.get(*id), nodes.get(next)) {
                    graph.update_edge(*from, *to, ());
                }
            }
        }
        for group in petgraph::algo::kosaraju_scc(&graph) {
            let inside: HashSet<NodeIndex> = group.iter().copied().collect();
            for node in &group {
                let next = graph.neighbors(*node).filter(|next| inside.contains(next)).min_by_key(|next| graph[*next]);
                if let Some(next) = next {
                    let link = || Link { via: graph[next].clone(), cause: Some(Cause::Circle) };
                    self.blocked.entry(graph[*node]).or_insert_with(link);
                }
            }
        }
        // Those whose own id is at fault wait for nobody here, but others may wait for them.
        let mut found: VecDeque<&'a DocId> = ids.iter().copied().filter(|id| self.blocked.contains_key(id)).collect();
        for id in &ids {
            let broken =
                self.pending(id).find(|next| !self.waits.contains_key(next) && self.blocked.contains_key(next));
            if let Some(via) = broken.cloned()
                && !self.blocked.contains_key(id)
            {
                self.blocked.insert(id, Link { via, cause: None });
                found.push_back(id);
            }
        }
        while let Some(id) = found.pop_front() {
            let Some(node) = nodes.get(id) else { continue };
            let mut waiting: Vec<&DocId> =
                graph.neighbors_directed(*node, petgraph::Direction::Incoming).map(|node| graph[node]).collect();
            waiting.sort_unstable();
            for other in waiting {
                if !self.blocked.contains_key(other) {
                    self.blocked.insert(other, Link { via: id.clone(), cause: None });
                    found.push_back(other);
                }
            }
        }
    }

    /// The pending tasks that a task waits for, by the ids that they state themselves.
    fn pending(&self, id: &DocId) -> impl Iterator<Item = &'a DocId> {
        let blockers = self.waits.get(id).map_or(&[][..], Vec::as_slice);
        let pending = blockers.iter().filter(|blocker| blocker.why == Wait::Status(TaskStatus::Pending));
        let snapshot = self.snapshot;
        pending.filter_map(move |blocker| snapshot.named_task(&blocker.id).and_then(Entry::task).map(|task| &task.id))
    }

    /// How a task stands.
    #[must_use]
    pub fn outlook(&self, task: &Task) -> Outlook {
        match task.status {
            TaskStatus::Pending if self.blocked.contains_key(&task.id) => Outlook::Blocked,
            TaskStatus::Pending if self.waits.contains_key(&task.id) => Outlook::Waiting,
            TaskStatus::Pending => Outlook::Ready,
            status => Outlook::Status(status),
        }
    }

    /// What a pending task still waits for; nothing for any other.
    #[must_use]
    pub fn waits_for(&self, task: &Task) -> &[Blocker] {
        let waits = self.waits.get(&task.id).filter(|_| task.status == TaskStatus::Pending);
        waits.map_or(&[], Vec::as_slice)
    }

    /// Why a blocked task is so, down to the root; `None` if it is not blocked.
    #[must_use]
    pub fn root(&self, id: &DocId) -> Option<Root> {
        let mut path = vec![id.clone()];
        let mut at = id;
        // Links lead to where the walk began, so no more of them than there are.
        for _ in 0..=self.blocked.len() {
            let link = self.blocked.get(at)?;
            match link.cause {
                Some(Cause::Circle) => {
                    path.extend(self.circle(at).into_iter().skip(1));
                    return Some(Root { path, cause: Cause::Circle });
                }
                Some(Cause::Duplicate) => return Some(Root { path, cause: Cause::Duplicate }),
                Some(cause) => {
                    path.push(link.via.clone());
                    return Some(Root { path, cause });
                }
                None => path.push(link.via.clone()),
            }
            at = &link.via;
        }
        None
    }

    /// A shortest circle from a task back to itself.
    fn circle(&self, start: &DocId) -> Vec<DocId> {
        let mut from: HashMap<&DocId, &DocId> = HashMap::new();
        let mut next = VecDeque::from([start]);
        while let Some(at) = next.pop_front() {
            for to in self.pending(at) {
                if to == start {
                    let mut path = vec![start.clone()];
                    let mut back = at;
                    while back != start {
                        path.push(back.clone());
                        back = from.get(back).copied().unwrap_or(start);
                    }
                    path.push(start.clone());
                    path.reverse();
                    return path;
                }
                if !from.contains_key(to) {
                    from.insert(to, at);
                    next.push_back(to);
                }
            }
        }
        vec![start.clone()]
    }

    /// Every live task with this outlook: the most urgent first, then the oldest, then by id.
    #[must_use]
    pub fn with(&self, outlook: Outlook) -> Vec<&'a Task> {
        let live = self.snapshot.entries().filter(|entry| !entry.path.is_archived()).filter_map(Entry::task);
        let mut found: Vec<&Task> = live.filter(|task| self.outlook(task) == outlook).collect();
        sort_by_urgency(&mut found);
        found
    }

    /// Every live task that may be started, in the same order.
    #[must_use]
    pub fn ready(&self) -> Vec<&'a Task> {
        self.with(Outlook::Ready)
    }
}

/// The most urgent first, then the oldest, then by id.
pub fn sort_by_urgency(tasks: &mut [&Task]) {
    let key = |task: &Task| (Reverse(task.priority), task.created.is_none(), task.created);
    tasks.sort_by(|a, b| key(a).cmp(&key(b)).then_with(|| a.id.cmp(&b.id)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::fixture::snapshot;

    fn ids(tasks: &[&Task]) -> Vec<String> {
        tasks.iter().map(|task| task.id.to_string()).collect()
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

    fn told(queue: &Queue, snapshot: &Snapshot) -> Vec<String> {
        let line = |task: &Task| {
            let root = queue.root(&task.id).map_or_else(String::new, |root| {
                let path: Vec<_> = root.path.iter().map(DocId::as_str).collect();
                format!(" {:?} {}", root.cause, path.join(" → "))
            });
            format!("{} {}{root}", task.id, queue.outlook(task).word())
        };
        snapshot.tasks().map(line).collect()
    }

    #[test]
    fn what_cannot_become_ready_by_itself_is_blocked_down_to_the_root() {
        let task = |id: &str, status: &str, on: &str| {
            (format!("task-{id}.md"), format!("id: {id}\nstatus: {status}\ndepends_on: [{on}]"))
        };
        let files = [
            task("a", "failed", ""),
            task("b", "pending", "a"),
            task("c", "pending", "b, r"),
            task("d", "pending", "r"),
            task("e", "pending", "c, nobody"),
            task("l", "pending", "m"),
            task("m", "pending", "n"),
            task("n", "pending", "m"),
            task("r", "running", "a"),
            task("s", "pending", "s"),
            task("t", "pending", "d"),
            task("u", "completed", "a"),
            task("v", "pending", "u"),
        ];
        let files: Vec<_> = files.iter().map(|(path, keys)| (path.as_str(), keys.as_str())).collect();
        let snapshot = snapshot(&files);
        let expected = [
            "a failed",
            "b blocked Failed b → a",
            "c blocked Failed c → b → a",
            "d waiting",
            "e blocked Missing e → nobody",
            "l blocked Circle l → m → n → m",
            "m blocked Circle m → n → m",
            "n blocked Circle n → m → n",
            "r running",
            "s blocked Circle s → s",
            "t waiting",
            "u completed",
            "v ready",
        ];
        assert_eq!(told(&snapshot.queue(), &snapshot), expected);
    }

    #[test]
    fn a_task_whose_id_stands_twice_is_not_given_out() {
        let snapshot = snapshot(&[
            ("task-a.md", "id: task-a\nstatus: pending"),
            ("task-copy.md", "id: task-a\nstatus: pending"),
            ("task-b.md", "id: task-b\nstatus: pending\ndepends_on: [task-a]"),
            ("archive/2025-10/task-old.md", "id: task-old\nstatus: pending"),
        ]);
        let queue = snapshot.queue();
        assert_eq!(ids(&queue.ready()), [] as [&str; 0]);
        assert_eq!(queue.root(&DocId::new("task-b").expect("valid")).map(|root| root.cause), Some(Cause::Duplicate));
        assert_eq!(queue.with(Outlook::Blocked).len(), 3);
    }

    #[test]
    fn a_long_chain_is_told_in_one_pass() {
        const LENGTH: usize = 20_000;
        let files = (0..LENGTH).map(|n| {
            let on = if n == 0 { "nobody".to_owned() } else { format!("t{:06}", n - 1) };
            let text = format!("---\nid: t{n:06}\ntype: t\nstatus: pending\ndepends_on: [{on}]\n---\n");
            let path = crate::name::DocPath::new(format!("task-t{n:06}.md")).expect("valid");
            (path, crate::document::Document::parse(text.into_bytes()))
        });
        let snapshot = Snapshot::from_documents(files);
        let queue = snapshot.queue();
        assert_eq!(queue.with(Outlook::Blocked).len(), LENGTH);
        let last = DocId::new(format!("t{:06}", LENGTH - 1)).expect("valid");
        assert_eq!(queue.root(&last).map(|root| root.path.len()), Some(LENGTH + 1));
    }
}
