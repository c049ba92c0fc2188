//! Writes what came from the server into the folder: an operation like any other, in the name of who acted there. What the
//! file says by now is compared first, so an edit that came in between is never lost: then it is decided anew.

use std::time::{Duration, Instant};

use super::sight::{Item, item_of};
use super::state::State;
use crate::adapters::store::{Action, ApplyError, Operation, Unsynced};
use crate::core::document::Document;
use crate::core::name::{AgentName, DocPath, EventId, OperationId};
use crate::core::problem::{ErrorClass, Problem};
use crate::core::reconcile::{FileAction, LocalDocument, NewDocument, ReconcilePlan};
use crate::core::snapshot::Entry;
use crate::services::commits::CommitTurn;
use crate::services::document_writer::action;
use crate::services::{Edits, Error, New};

/// How long whoever ends waits for git, and how often it is tried meanwhile.
const LAST_WAIT: Duration = Duration::from_secs(1);
const LAST_NAP: Duration = Duration::from_millis(10);

/// What became of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Landed {
    /// It is so.
    Done,
    /// Something is different by now: look and decide again.
    Again,
    /// Something else lies where it would go, which stays; what, in words.
    Held(String),
}

/// Who did it, and by which operation, as the server tells it.
struct Deed<'a> {
    author: Option<&'a AgentName>,
    operation: Option<&'a OperationId>,
    /// The server has told of it already.
    is_told: bool,
}

impl State {
    /// Does to the file what a step says.
    pub(super) fn land(&mut self, item: &Item, step: &ReconcilePlan, is_named_here: bool) -> Result<Landed, Error> {
        match &step.file {
            FileAction::Keep => Ok(Landed::Done),
            // Of several clones one makes it, or there would be as many versions.
            FileAction::Create(_) if !self.leads() => Ok(Landed::Done),
            FileAction::Create(new) => self.create(item, new),
            FileAction::Write { path, document, from, author, operation } => {
                let deed = Deed { author: author.as_ref(), operation: operation.as_ref(), is_told: !is_named_here };
                let before = self.local(item).ok().flatten();
                if let Some(why) = self.taken(item, path)? {
                    return Ok(Landed::Held(why));
                }
                let archived = from.as_ref().filter(|from| from.is_archived() && before.is_none());
                let before = match archived {
                    Some(from) => self.lying(from)?.map(|document| LocalDocument { path: from.clone(), document }),
                    None => before,
                };
                match from.as_ref().filter(|from| *from != path) {
                    None => {
                        let old = before.map(|local| local.document);
                        self.write(&deed, &[(path.clone(), old, Some(document.clone()))])
                    }
                    Some(from) => {
                        let old = before.map(|local| local.document);
                        self.write(&deed, &[(path.clone(), None, Some(document.clone())), (from.clone(), old, None)])
                    }
                }
            }
            FileAction::Remove { author, operation } => {
                let deed = Deed { author: author.as_ref(), operation: operation.as_ref(), is_told: !is_named_here };
                let Some(local) = self.local(item).ok().flatten() else { return Ok(Landed::Done) };
                self.write(&deed, &[(local.path, Some(local.document), None)])
            }
            FileAction::Archive { to, document, author, operation } => {
                let deed = Deed { author: author.as_ref(), operation: operation.as_ref(), is_told: !is_named_here };
                let Some(local) = self.local(item).ok().flatten() else { return Ok(Landed::Done) };
                if let Some(why) = self.taken(item, to)? {
                    return Ok(Landed::Held(why));
                }
                // An older one with that id makes way: what it held is in the history.
                let there = (to.clone(), self.lying(to)?, Some(document.clone()));
                self.write(&deed, &[there, (local.path, Some(local.document), None)])
            }
        }
    }

    fn lying(&self, path: &DocPath) -> Result<Option<Document>, Error> {
        Ok(self.project.documents().read_all(std::slice::from_ref(path))?.pop().map(|(_, document)| document))
    }

    /// What is in the way at a path: a file that is about something else.
    fn taken(&self, item: &Item, path: &DocPath) -> Result<Option<String>, Error> {
        let Some(document) = self.lying(path)? else { return Ok(None) };
        let is_it = !path.is_events() && item_of(&Entry::read(path.clone(), document)).as_ref() == Some(item);
        Ok((!is_it).then(|| format!("`{path}`, where the server has it, is something else")))
    }

    /// Writes documents as one operation, if each is as it was decided on.
    fn write(
        &mut self,
        deed: &Deed<'_>,
        changes: &[(DocPath, Option<Document>, Option<Document>)],
    ) -> Result<Landed, Error> {
        if let Some((path, gap)) = self.project.documents().first_left_to_git(changes.iter().map(|(path, ..)| path))? {
            return Ok(Landed::Held(format!("`{path}` is left to git: {gap}")));
        }
        let made = self.project.records().operation("bridge.take")?;
        let operation =
            Operation { id: deed.operation.cloned().unwrap_or(made.id), agent: deed.author.cloned(), ..made };
        let paths: Vec<DocPath> = changes.iter().map(|(path, ..)| path.clone()).collect();
        let mut is_overtaken = false;
        let written = self.project.writer().write(&operation, &paths, &mut |current| -> Result<_, Error> {
            is_overtaken = false;
            let mut actions = Vec::with_capacity(changes.len());
            for ((_, before, after), now) in changes.iter().zip(current) {
                let bytes = |document: &Option<Document>| document.as_ref().map(|document| document.bytes().to_vec());
                is_overtaken |= *now != bytes(before) && *now != bytes(after);
                actions.push(action(now.as_deref(), after.as_ref().map(Document::bytes)));
            }
            Ok(if is_overtaken { vec![Action::Keep; changes.len()] } else { actions })
        });
        let written = match written {
            Err(ApplyError::Store(error)) if error.concerns_one_file() => return Ok(Landed::Held(error.to_string())),
            done => done?,
        };
        if is_overtaken {
            return Ok(Landed::Again);
        }
        if let Some(id) = EventId::new(operation.id.as_str()).ok().filter(|_| deed.is_told) {
            self.note_arrived(id);
        }
        for path in &paths {
            self.note_deed(path, operation.agent.clone(), operation.id.clone());
        }
        self.is_uncommitted |= written.is_some();
        self.landed.extend(written);
        Ok(Landed::Done)
    }

    /// Commits what was written, in one go where nobody watches who does so; waits until it is on the disk.
    pub(super) fn commit_landed(&mut self) -> Result<(), Error> {
        let landed = std::mem::take(&mut self.landed);
        if !landed.is_empty() {
            self.commit_waiting(CommitTurn::Awaited, &landed.iter().collect::<Vec<_>>());
        }
        landed.iter().try_for_each(Unsynced::wait)?;
        Ok(())
    }

    /// Commits what was written here and could not be committed then: somebody may have held a lock of git.
    pub(super) fn commit_leftover(&mut self) {
        if self.is_uncommitted {
            self.commit_waiting(CommitTurn::IfFree, &[]);
        }
    }

    /// The same at the end, when nothing follows that it would be committed with: waits for git, but not for long.
    pub(super) fn commit_last(&mut self) {
        let until = Instant::now() + LAST_WAIT;
        self.commit_leftover();
        while self.is_uncommitted && Instant::now() < until {
            std::thread::sleep(LAST_NAP);
            self.commit_leftover();
        }
    }

    fn commit_waiting(&mut self, turn: CommitTurn, written: &[&Unsynced]) {
        let project = &self.project;
        let is_watched = project.repository.is_some() && matches!(project.store.locks.watcher(), Ok(Some(_)));
        self.is_uncommitted = !is_watched
            && match project.commits().commit_in_turn(turn, Edits::None, written) {
                Ok(done) => done.waiting.is_some_and(|waiting| waiting.is_passing()),
                // What fails in another way is committed with what follows.
                Err(error) => error.class() == ErrorClass::Busy,
            };
    }

    /// Makes a document of a hash that somebody else has written; what else it holds is taken when it is decided anew.
    fn create(&mut self, item: &Item, new: &NewDocument) -> Result<Landed, Error> {
        let author = match new {
            NewDocument::Agent(agent) => Some(agent.name.clone()),
            NewDocument::Task(task) => task.assigned_to.clone(),
            NewDocument::Workflow(_) => None,
        };
        let document = self.project.operations().templates.render(&made(new.clone()))?;
        let deed = Deed { author: author.as_ref(), operation: None, is_told: false };
        let path = DocPath::for_new(item.0, &item.1);
        match self.write(&deed, &[(path, None, Some(document))])? {
            held @ Landed::Held(_) => Ok(held),
            Landed::Done | Landed::Again => Ok(Landed::Again),
        }
    }
}

/// What is to be rendered.
pub(super) fn made(new: NewDocument) -> New {
    match new {
        NewDocument::Agent(agent) => New::Agent(agent),
        NewDocument::Task(task) => New::Task(task),
        NewDocument::Workflow(workflow) => New::Workflow(workflow),
    }
}
