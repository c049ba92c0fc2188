//! What a decision means for the files: which are written, and what must not lie in the way.

use super::MirrorPass;
use super::known::local;
use crate::core::document::Document;
use crate::core::name::{AgentName, DocPath, OperationId};
use crate::core::operation::New;
use crate::core::reconcile::{DocumentRemote, FileAction, LocalDocument, NewDocument, ReconcilePlan};
use crate::core::snapshot::Entry;
use crate::services::Error;
use crate::services::bridge::mirror_folder::{Import, Imported};
use crate::services::bridge::mirror_index::{Item, item_of};

/// A file: where, the text that is expected there, the new text.
type FileChange = (DocPath, Option<Document>, Option<Document>);

impl<R: DocumentRemote + ?Sized> MirrorPass<'_, R>
where
    Error: From<R::Error>,
{
    /// Does to the file what a step says.
    pub(super) fn write_file(
        &mut self,
        item: &Item,
        step: &ReconcilePlan,
        is_named_here: bool,
    ) -> Result<Imported, Error> {
        let here = local(self.folder.documents(), item).ok().flatten();
        let (author, operation, changes) = match &step.file {
            FileAction::Keep => return Ok(Imported::Done),
            FileAction::Create(new) => return self.create(item, new),
            FileAction::Write { path, document, from, author, operation } => {
                if let Some(why) = self.in_the_way(item, path)? {
                    return Ok(Imported::Held(why));
                }
                let archived = from.as_ref().filter(|from| from.is_archived() && here.is_none());
                let old = match archived {
                    Some(from) => self.folder.read(from)?,
                    None => here.map(|local| local.document),
                };
                let changes = match from.as_ref().filter(|from| *from != path) {
                    None => vec![(path.clone(), old, Some(document.clone()))],
                    Some(from) => vec![(path.clone(), None, Some(document.clone())), (from.clone(), old, None)],
                };
                (author, operation, changes)
            }
            FileAction::Remove { author, operation } => {
                let Some(LocalDocument { path, document }) = here else { return Ok(Imported::Done) };
                (author, operation, vec![(path, Some(document), None)])
            }
            FileAction::Archive { to, document, author, operation } => {
                let Some(local) = here else { return Ok(Imported::Done) };
                if let Some(why) = self.in_the_way(item, to)? {
                    return Ok(Imported::Held(why));
                }
                // An older one with that id makes way: what it held is in the history.
                let there = (to.clone(), self.folder.read(to)?, Some(document.clone()));
                (author, operation, vec![there, (local.path, Some(local.document), None)])
            }
        };
        self.write(author.as_ref(), operation.as_ref(), !is_named_here, changes)
    }

    /// What is in the way at a path: a file that is about something else.
    fn in_the_way(&self, item: &Item, path: &DocPath) -> Result<Option<String>, Error> {
        let Some(document) = self.folder.read(path)? else { return Ok(None) };
        let is_it = !path.is_events() && item_of(&Entry::read(path.clone(), document)).as_ref() == Some(item);
        Ok((!is_it).then(|| format!("`{path}`, where the server has it, is something else")))
    }

    /// Makes a document of what somebody else has created there.
    fn create(&mut self, item: &Item, new: &NewDocument) -> Result<Imported, Error> {
        let author = match new {
            NewDocument::Agent(agent) => Some(agent.name.clone()),
            NewDocument::Task(task) => task.assigned_to.clone(),
            NewDocument::Workflow(_) => None,
        };
        let document = self.folder.render(&made(new.clone()))?;
        let path = DocPath::for_new(item.0, &item.1);
        self.write(author.as_ref(), None, false, vec![(path, None, Some(document))])
    }

    fn write(
        &mut self,
        author: Option<&AgentName>,
        operation: Option<&OperationId>,
        is_reported: bool,
        changes: Vec<FileChange>,
    ) -> Result<Imported, Error> {
        self.folder.import(&Import { author, operation, is_reported, changes })
    }
}

/// What is to be rendered.
fn made(new: NewDocument) -> New {
    match new {
        NewDocument::Agent(agent) => New::Agent(agent),
        NewDocument::Task(task) => New::Task(task),
        NewDocument::Workflow(workflow) => New::Workflow(workflow),
    }
}
