//! Writes what came from the server into the folder: an operation like any other, in the name of who acted there. What the
//! file says by now is compared first, so an edit that came in between is never lost: then it is decided anew.

use std::time::{Duration, Instant};

use super::ProjectFolder;
use crate::adapters::store::{Action, ApplyError, Operation, Unsynced};
use crate::core::document::Document;
use crate::core::name::{DocPath, EventId};
use crate::core::problem::{ErrorClass, Problem};
use crate::core::reconcile::ChangeAuthor;
use crate::services::bridge::mirror_folder::{Import, Imported};
use crate::services::commits::CommitTurn;
use crate::services::document_writer::action;
use crate::services::{Edits, Error};

/// How long whoever ends waits for git, and how often it is tried meanwhile.
const LAST_WAIT: Duration = Duration::from_secs(1);
const LAST_NAP: Duration = Duration::from_millis(10);

impl ProjectFolder {
    /// Writes documents as one operation, if each is as it was decided on.
    pub(super) fn write_import(&mut self, import: &Import<'_>) -> Result<Imported, Error> {
        let changes = &import.changes;
        if let Some((path, gap)) = self.project.documents().first_left_to_git(changes.iter().map(|(path, ..)| path))? {
            return Ok(Imported::Held(format!("`{path}` is left to git: {gap}")));
        }
        let made = self.project.records().operation("bridge.take")?;
        let operation =
            Operation { id: import.operation.cloned().unwrap_or(made.id), agent: import.author.cloned(), ..made };
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
            Err(ApplyError::Store(error)) if error.concerns_one_file() => return Ok(Imported::Held(error.to_string())),
            done => done?,
        };
        if is_overtaken {
            return Ok(Imported::Overtaken);
        }
        if let Some(id) = EventId::new(operation.id.as_str()).ok().filter(|_| import.is_reported) {
            self.outbox.note_arrived(id);
        }
        let by = ChangeAuthor { agent: operation.agent.clone(), operation: Some(operation.id.clone()) };
        for path in &paths {
            self.outbox.note_author(path, by.clone());
        }
        self.is_uncommitted |= written.is_some();
        self.landed.extend(written);
        Ok(Imported::Done)
    }

    /// Commits what was written, in one go where nobody watches who does so; waits until it is on the disk. Returns false if
    /// there was nothing.
    pub(super) fn commit_landed(&mut self) -> Result<bool, Error> {
        let landed = std::mem::take(&mut self.landed);
        if !landed.is_empty() {
            self.commit_waiting(CommitTurn::Awaited, &landed.iter().collect::<Vec<_>>());
        }
        landed.iter().try_for_each(Unsynced::wait)?;
        Ok(!landed.is_empty())
    }

    /// Commits what was written here and could not be committed then: somebody may have held a lock of git.
    pub(in crate::services::bridge) fn commit_leftover(&mut self) {
        if self.is_uncommitted {
            self.commit_waiting(CommitTurn::IfFree, &[]);
        }
    }

    /// The same at the end, when nothing follows that it would be committed with: waits for git, but not for long.
    pub(in crate::services::bridge) fn commit_last(&mut self) {
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
}
