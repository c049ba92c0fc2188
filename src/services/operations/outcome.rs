//! What an operation came to, the record that it leaves in the journal, and its commit.

use super::{Actor, Operations};
use crate::adapters::store::{self, Unsynced};
use crate::core::config::REPOSITORY_CONFIG;
use crate::core::diagnostic::Diagnostic;
use crate::core::document::Document;
use crate::core::entity::{Entity, Refusal, RenderError};
use crate::core::lease::{LeaseEntry, PreviousHolder};
use crate::core::name::{DocPath, Kind, OperationId, Revision};
use crate::core::operation::New;
use crate::core::template::{self, Shape, TEMPLATE_BYTES_MAX};
use crate::services::claim_arbiter::Decided;
use crate::services::{Error, Project, Waiting};

/// What an operation came to. It is on disk for good when this is returned (with the default durability).
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Which document.
    pub path: DocPath,
    /// Its text now; for a removal, the text that was removed.
    pub document: Document,
    /// What it says.
    pub entity: Option<Entity>,
    /// What is odd about it.
    pub findings: Vec<Diagnostic>,
    /// The operation; `None` if nothing had to change.
    pub operation: Option<OperationId>,
    /// The commit it is in, if it is committed already.
    pub committed: Option<Revision>,
    /// Why it is not.
    pub waiting: Option<Waiting>,
    /// The document as it was found under the lock of the folder; `None` for a new one.
    pub before: Option<Document>,
    /// For a step that claimed a task: who has it now.
    pub claim: Option<ClaimDecision>,
}

/// Who has a task after a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimDecision {
    /// The lease.
    pub entry: LeaseEntry,
    /// From whom the task comes.
    pub origin: PreviousHolder,
    /// Where it was decided.
    pub decided: Decided,
}

impl Project {
    /// The text of a new document.
    pub(in crate::services) fn render(&self, new: &New) -> Result<Document, Error> {
        let shape = match self.config.text("markdown.shape") {
            Some("classic") => Shape::Classic,
            _ => Shape::Lean,
        };
        let replacement = self.own_template(new.kind())?;
        let own = replacement.as_deref();
        let rendered = match new {
            New::Task(new) => new.render(shape, own),
            New::Agent(new) => new.render(shape, own),
            New::Workflow(new) => new.render(shape, own),
        };
        rendered.map_err(|error| match error {
            // What was asked for is at fault, as it is where a document is changed.
            RenderError::Value(finding) => {
                let source = Refusal::BadValue { id: new.id().to_string(), findings: vec![*finding] };
                Error::Refused { path: DocPath::for_new(new.kind(), &new.id()), source: Box::new(source) }
            }
            error => error.into(),
        })
    }

    /// The repository's own template of a kind, if it has one.
    fn own_template(&self, kind: Kind) -> Result<Option<String>, Error> {
        let folder = REPOSITORY_CONFIG.trim_end_matches("config.json");
        let path = format!("{folder}templates/{}", template::file_name(kind));
        Ok(store::read_text_in(&self.root, &path, TEMPLATE_BYTES_MAX)?)
    }
}

impl Operations<'_> {
    /// Commits what was written, unless a watcher does, waits until all of it is on the disk, and passes it on. The outcome is
    /// that of the last operation.
    pub(in crate::services) fn commit_written(&self, by: &Actor, written: &[Unsynced]) -> Result<CommitOutcome, Error> {
        let mut outcome = CommitOutcome::default();
        // One after the other: a later one must not be acknowledged if an earlier one was lost.
        let last = written.split_last().map(|(last, earlier)| earlier.iter().try_for_each(Unsynced::wait).map(|()| last));
        let last = last.transpose()?;
        self.project.leases().record_activity(by.agent.as_ref());
        let watcher = self.project.store.watcher();
        let is_watched = matches!(watcher, Ok(Some(_))) && self.project.repository.is_some();
        match watcher {
            Ok(Some(_)) if self.project.repository.is_some() => outcome.waiting = Some(Waiting::Watcher),
            _ => match self.project.commits().commit_together(last) {
                Ok(done) => {
                    outcome.findings.clone_from(&done.findings);
                    let Some(last) = last else { return Ok(outcome) };
                    let operation = &last.record().operation.id;
                    outcome.committed = done.operations.get(operation).cloned();
                    outcome.waiting = if outcome.committed.is_some() { None } else { done.waiting.clone() };
                    if outcome.committed.is_none() && outcome.waiting.is_none() {
                        outcome.committed = self.project.commits().committed_by_another(operation);
                    }
                }
                Err(error) => outcome.waiting = Some(Waiting::failed(&error)),
            },
        }
        // Where there was no commit to wait with.
        last.map_or(Ok(()), Unsynced::wait)?;
        for written in written.iter().filter(|_| !is_watched) {
            self.after.after_write(written.record(), by.origin);
        }
        Ok(outcome)
    }
}

/// What became of an operation once it was written.
#[derive(Debug, Clone, Default)]
pub(in crate::services) struct CommitOutcome {
    pub(in crate::services) committed: Option<Revision>,
    pub(in crate::services) waiting: Option<Waiting>,
    pub(in crate::services) findings: Vec<Diagnostic>,
}
