//! To whom commits are attributed: operations to the agent that acted, edits by hand to the git user with the holder in a
//! trailer.

use std::sync::Arc;

use super::Committer;
use crate::adapters::git::{Author, CommitPlan};
use crate::adapters::store::Record;
use crate::core::change;
use crate::core::commit_message::{self, Attribution, OperationNote};
use crate::core::document::Document;
use crate::core::entity::{self, Entity, TaskStatus};
use crate::core::name::{AgentName, DocId, DocPath};
use crate::core::plan::{self, Content, HandEdit, PlannedCommit};
use crate::core::snapshot::Snapshot;
use crate::services::environment;

/// The setting that names the author of every commit.
const AUTHOR: &str = "commit.author";
/// The setting that names the author of edits by hand.
const HAND_EDITS: &str = "commit.hand_edits";

impl Committer<'_> {
    /// Returns the author and the holder of an edit by hand. `commit.author = user` wins over `commit.hand_edits = holder`.
    pub(in crate::services) fn attribute(&self, path: &DocPath, before: &Content, after: &Content) -> HandEdit {
        let holder = holder(path, before, after);
        if self.config.text(HAND_EDITS) == Some("holder") && self.config.text(AUTHOR) != Some("user") {
            HandEdit { agent: holder, holder: None }
        } else {
            HandEdit { agent: None, holder }
        }
    }

    /// Returns the commit that a group of changes becomes.
    pub(in crate::services) fn plan(&self, group: &PlannedCommit) -> CommitPlan {
        let side = |after: bool| {
            let documents = group.changes.iter().filter_map(|(path, (old, new))| {
                let content = if after { new } else { old };
                content.as_ref().map(|bytes| (path.clone(), Document::parse(Arc::clone(bytes))))
            });
            Snapshot::from_documents(documents)
        };
        let changes = change::diff(&side(false), &side(true));
        let attribution = Attribution { agent: group.agent.as_ref(), holder: group.holder.as_ref() };
        let message = commit_message::compose(&changes, attribution, &notes(group));
        let author = match &group.agent {
            Some(agent) if self.config.text(AUTHOR) != Some("user") => Author::Agent(agent.clone()),
            _ => Author::User,
        };
        let contents = group.changes.iter().map(|(path, (_, new))| (path.clone(), new.as_ref().map(|b| b.to_vec())));
        CommitPlan { author, at: environment::now(), message, changes: contents.collect() }
    }
}

/// Returns a record of the journal as the planning of commits reads it.
pub(in crate::services) fn recorded(record: Record) -> plan::Recorded {
    let content = |bytes: Option<Vec<u8>>| -> Content { bytes.map(Arc::from) };
    let changes: Vec<(DocPath, Content, Content)> =
        record.changes.into_iter().map(|one| (one.path, content(one.before), content(one.after))).collect();
    let base = record.operation.base;
    let operation = plan::CommitOperation {
        document: changes.first().map_or_else(|| DocId::from(&record.operation.id), document_of),
        id: record.operation.id,
        verb: record.operation.verb,
        agent: record.operation.agent,
    };
    plan::Recorded { operation, base, changes }
}

/// The id of a changed document: what it says, else what its file is called.
fn document_of((path, before, after): &(DocPath, Content, Content)) -> DocId {
    let said = [after, before]
        .into_iter()
        .flatten()
        .find_map(|bytes| entity::read(path, &Document::parse(Arc::clone(bytes))).entity.map(|entity| entity.id()));
    said.unwrap_or_else(|| DocId::of_file(path))
}

/// Each operation of a commit with the document it changed.
fn notes(group: &PlannedCommit) -> Vec<OperationNote> {
    let one = |operation: &plan::CommitOperation| OperationNote {
        id: operation.id.clone(),
        verb: operation.verb.clone(),
        doc: operation.document.clone(),
        agent: operation.agent.clone(),
    };
    group.operations.iter().map(one).collect()
}

/// Returns the agent that holds a document: the one whose document it is, or the one that works on the task.
fn holder(path: &DocPath, before: &Content, after: &Content) -> Option<AgentName> {
    let read = |content: &Content| {
        let document = Document::parse(Arc::clone(content.as_ref()?));
        entity::read(path, &document).entity
    };
    let of = |entity: Entity| match entity {
        Entity::Agent(agent) => Some(agent.name),
        Entity::Task(task) => {
            let running = task.status == TaskStatus::Running;
            task.claimed_by.or(if running { task.assigned_to } else { None })
        }
        Entity::Workflow(_) => None,
    };
    read(after).and_then(of).or_else(|| read(before).and_then(of))
}
