//! The queues on the server: lists that hold exactly what is ready, so that a worker who knows nothing but Redis can take the
//! next task from one. What it takes without a word is its own for a lease, and comes back when that is over.

use std::time::Duration;

use super::RedisSession;
use crate::adapters::redis::QueueRound;
use crate::adapters::redis::codec::{QueueEntry, QueuedTask, RedisKey, parse_entry, ready_queues};
use crate::core::document::{Document, Value};
use crate::core::entity::{Priority, Task, TaskDraft, TaskStatus, set_key};
use crate::core::lease::Override;
use crate::core::name::{DocId, DocPath, Kind};
use crate::core::operation::{DocumentChange, Expect, New, Passing, Request, Taken};
use crate::core::snapshot::Snapshot;
use crate::core::time::Timestamp;
use crate::services::bridge::mirror::Mirror;
use crate::services::bridge::mirror_folder::MirrorFolder as _;
use crate::services::bridge::pass::local;
use crate::services::bridge::report::PassReport;
use crate::services::leases::task_of;
use crate::services::{Error, environment};

impl RedisSession<'_> {
    /// Brings the queues up to date; gives when the next task comes back or is due by itself.
    pub(in crate::services::bridge::redis) fn queues(
        &mut self,
        mirror: &mut Mirror,
        report: &mut PassReport,
    ) -> Result<Option<Duration>, Error> {
        let mut next: Option<Duration> = None;
        let mut has_taken_in = false;
        let snapshot = mirror.folder.documents().snapshot();
        let holds = mirror.project().leases().holders(snapshot)?;
        let is_held = |id: &DocId| holds.get(id).is_some_and(|hold| !hold.is_over);
        let now = mirror.project().now();
        // Only where a task has a moment of its own it matters what time it is.
        let mut all = if starts(snapshot).next().is_some() {
            ready_queues(&snapshot.clone().at(now), &is_held)
        } else {
            ready_queues(snapshot, &is_held)
        };
        let due = starts(snapshot).filter(|at| *at > now).min();
        let due = due.map(|at| Duration::from_millis(at.unix_ms().abs_diff(now.unix_ms())));
        self.popped.clear();
        report.queues.clear();
        let keys = self.link.keys();
        mirror.memory.garbage.retain(|key, _| !matches!(keys.parse(key), Some(RedisKey::Queue(_))));
        for priority in Priority::ALL {
            let done = self.queue(mirror, *priority, &all.remove(priority).unwrap_or_default())?;
            report.queues.push((*priority, done.ready));
            next = [next, done.next].into_iter().flatten().min();
            has_taken_in |= done.has_taken_in;
        }
        report.garbage = mirror.memory.garbage.iter().map(|(key, why)| (key.clone(), why.clone())).collect();
        // What was pushed there is a document now, and belongs into its queue.
        Ok(if has_taken_in { Some(Duration::ZERO) } else { [next, due].into_iter().flatten().min() })
    }

    fn queue(&mut self, mirror: &mut Mirror, priority: Priority, ready: &[DocId]) -> Result<Done, Error> {
        let list = self.link.keys().queue(priority);
        let round = QueueRound {
            queue: list.clone(),
            lease: mirror.project().leases().default_lease(),
            tasks: self.link.keys().all(Kind::Task),
            ready: ready.iter().map(ToString::to_string).collect(),
        };
        let answer = self.link.queue(&round)?;
        if let Some(why) = answer.garbage {
            mirror.memory.garbage.insert(list.clone(), why);
        }
        let mut has_taken_in = false;
        if self.leadership.leads() {
            for id in &answer.expired {
                has_taken_in |= Self::put_back(mirror, id)?;
            }
        }
        for entry in &answer.foreign {
            self.leadership.keep(&self.link)?;
            has_taken_in |= self.take_entry(mirror, &list, priority, entry)?;
        }
        for (id, left) in &answer.popped {
            self.popped.insert(id.clone(), *left);
        }
        Ok(Done { ready: ready.len(), next: answer.next, has_taken_in })
    }

    /// What was popped without a word, and when it comes back.
    pub(super) fn popped_until(&self, now: Timestamp) -> Vec<(String, Timestamp)> {
        let now = now.unix_ms();
        let until = |left: &Duration| now.saturating_add(i64::try_from(left.as_millis()).unwrap_or(i64::MAX));
        self.popped.iter().map(|(id, left)| (id.clone(), Timestamp::from_unix_ms(until(left)))).collect()
    }

    /// A task that somebody popped and let run without a name, and did not end in time, is ready again.
    fn put_back(mirror: &mut Mirror, id: &str) -> Result<bool, Error> {
        let Ok(id) = DocId::new(id) else { return Ok(false) };
        let Ok(Some(local)) = local(mirror.folder.documents(), &(Kind::Task, id.clone())) else { return Ok(false) };
        let is_nobodys = |task: &Task| task.status == TaskStatus::Running && task.claimed_by.is_none();
        if !task_of(&local.path, &local.document).as_ref().is_some_and(is_nobodys) {
            return Ok(false);
        }
        let Ok(new) = set_key(&local.document, "status", &Value::text(TaskStatus::Pending.word())) else {
            return Ok(false);
        };
        let edit = Box::new(move |_: &Document| Ok(new.clone()));
        let change = DocumentChange::Replace { kind: Kind::Task, id: id.to_string(), verb: "return", edit };
        let request = Request::from(change).expecting(Expect::text_of(&local.document)).called("bridge.return");
        // No agent holds it, whatever the registry of this clone says.
        let request = request.with(Passing { over: Override::Force, ..Passing::default() });
        match mirror.project().operations().run_one(&mirror.project().actor, request) {
            Ok(done) => Ok(done.operation.is_some()),
            // Another process was faster, or only git can store it.
            Err(Error::Overtaken { .. } | Error::Gone { .. } | Error::Find(_) | Error::GitsAlone(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// An entry that somebody else has pushed: the id of a task, or a whole task as JSON. Garbage is left where it is.
    fn take_entry(&mut self, mirror: &mut Mirror, list: &str, priority: Priority, text: &str) -> Result<bool, Error> {
        match parse_entry(text) {
            QueueEntry::Garbage(why) => {
                mirror.memory.garbage.insert(list.to_owned(), why.why);
                Ok(false)
            }
            QueueEntry::Id(id) => {
                if mirror.folder.documents().files(&(Kind::Task, id.clone())).is_empty() {
                    let why = format!("`{id}` is no task; push the task as JSON, or set its hash first");
                    mirror.memory.garbage.insert(list.to_owned(), why);
                    return Ok(false);
                }
                // It is known and not ready: it comes into the queue when it is.
                self.link.queue_drop(list, &[text.to_owned()])?;
                Ok(false)
            }
            QueueEntry::Task(mut task) => {
                let id = match task.id.clone() {
                    Some(id) => id,
                    None => environment::new_id(Kind::Task)?,
                };
                let path = DocPath::for_new(Kind::Task, &id);
                if let Some((path, gap)) = mirror.project().documents().first_left_to_git([&path])? {
                    mirror.memory.garbage.insert(list.to_owned(), format!("`{path}` is left to git: {gap}"));
                    return Ok(false);
                }
                task.priority.get_or_insert(priority);
                // Of several watchers one takes it, under an id that all of them know from then on.
                if !self.link.adopt(&self.link.keys().own("adopted"), list, text, id.as_str())? {
                    return Ok(true);
                }
                Self::make(mirror, &id, *task)?;
                self.link.settle(&self.link.keys().own("adopted"), id.as_str())?;
                Ok(true)
            }
        }
    }

    /// What another watcher took from a queue and did not live to write down.
    pub(super) fn finish_adopted(&mut self, mirror: &mut Mirror) -> Result<(), Error> {
        for (id, text) in self.link.adopted(&self.link.keys().own("adopted"))? {
            if let (Ok(id), QueueEntry::Task(task)) = (DocId::new(id.as_str()), parse_entry(&text)) {
                match Self::make(mirror, &id, *task) {
                    // It stays adopted until git lets it in.
                    Err(Error::GitsAlone(_)) => continue,
                    made => made?,
                }
            }
            self.link.settle(&self.link.keys().own("adopted"), &id)?;
        }
        Ok(())
    }

    fn make(mirror: &mut Mirror, id: &DocId, task: QueuedTask) -> Result<(), Error> {
        let new = TaskDraft {
            id: id.clone(),
            kind: task.kind,
            title: task.title,
            description: None,
            assigned_to: task.assigned_to,
            depends_on: task.depends_on,
            priority: task.priority.unwrap_or(Priority::Normal),
            workflow: task.workflow,
            payload: task.payload,
            steps: Vec::new(),
            created: task.created.unwrap_or_else(|| mirror.project().moment_of_creation()),
        };
        let change = DocumentChange::Create { new: New::Task(new), taken: Taken::FileName };
        let request = Request::from(change).called("bridge.take");
        match mirror.project().operations().run_one(&mirror.project().actor, request) {
            // What lies there was made of the same entry.
            Ok(_) | Err(Error::Exists { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// The moments before which pending tasks do not start.
fn starts(snapshot: &Snapshot) -> impl Iterator<Item = Timestamp> {
    let pending = snapshot.tasks().filter(|task| task.status == TaskStatus::Pending);
    pending.filter_map(|task| task.gates.not_before.usable().copied())
}

struct Done {
    ready: usize,
    next: Option<Duration>,
    has_taken_in: bool,
}
