//! What this clone knows of a document, as it is judged.

use super::MirrorPass;
use crate::core::document::Document;
use crate::core::name::{AgentName, DocPath, Kind};
use crate::core::reconcile::{
    ChangeAuthor, DerivedValues, DocumentRemote, HeadMotion, LocalDocument, ReconcileContext, SyncBase,
};
use crate::core::snapshot::{Entry, Snapshot};
use crate::core::time::Timestamp;
use crate::services::Error;
use crate::services::bridge::mirror_folder::MirrorFolder;
use crate::services::bridge::mirror_index::{Item, MirrorIndex};

/// What this clone knows of a document.
#[derive(Debug)]
pub(super) struct KnownItem {
    pub(super) item: Item,
    pub(super) here: Option<LocalDocument>,
    pub(super) base: Option<SyncBase>,
    pub(super) archived: Option<LocalDocument>,
    derived: DerivedValues,
    seen: Option<Timestamp>,
    by: ChangeAuthor,
    before: Option<Document>,
}

impl KnownItem {
    /// Returns what the document is judged with.
    pub(super) fn context<'a>(&'a self, folder: &'a dyn MirrorFolder) -> ReconcileContext<'a> {
        ReconcileContext {
            kind: self.item.0,
            id: &self.item.1,
            node: folder.node(),
            now: folder.now(),
            seen: self.seen,
            derived: self.derived.clone(),
            by: self.by.agent.as_ref(),
            operation: self.by.operation.as_ref(),
            head: folder.head_motion(),
            before: self.before.as_ref(),
            archived: self.archived.as_ref(),
        }
    }
}

impl<R: DocumentRemote + ?Sized> MirrorPass<'_, R>
where
    Error: From<R::Error>,
{
    /// Gathers what is known of an item; an error in words where more than one file states its id.
    pub(super) fn known(&mut self, item: &Item) -> Result<Result<KnownItem, String>, Error> {
        let (kind, id) = item;
        let documents = self.folder.documents();
        let here = match local(documents, item) {
            Ok(here) => here,
            Err(why) => return Ok(Err(why)),
        };
        let derived = derived(documents.snapshot(), documents.files(item).first().copied());
        let base = self.bases.get(item);
        let path = here.as_ref().map(|here| &here.path).or(base.as_ref().map(|base| &base.path)).cloned();
        let was_here = base.as_ref().is_some_and(|base| base.text.is_some());
        // One that vanished may lie there; one that is new may not be the first of its name.
        let archived = if here.is_none() || !was_here {
            self.folder.archived(item, &[path.as_ref(), Some(&DocPath::for_new(*kind, id))])?
        } else {
            None
        };
        let seen = match kind {
            Kind::Agent => AgentName::new(id.as_str()).ok().and_then(|name| self.folder.heartbeat(&name)),
            Kind::Task | Kind::Workflow => None,
        };
        let by = path.as_ref().map(|path| self.folder.attribution(path)).unwrap_or_default();
        let is_back = self.folder.head_motion() == HeadMotion::MovedBack;
        let before = here.as_ref().filter(|_| is_back).and_then(|here| self.folder.text_before(&here.path));
        Ok(Ok(KnownItem { item: item.clone(), here, base, archived, derived, seen, by, before }))
    }
}

/// The one file of an item; an error in words where there are more.
pub(in crate::services::bridge) fn local(
    documents: &MirrorIndex,
    item: &Item,
) -> Result<Option<LocalDocument>, String> {
    match documents.files(item).as_slice() {
        [] => Ok(None),
        [entry] => Ok(Some(LocalDocument { path: entry.path.clone(), document: entry.document.clone() })),
        [first, second, ..] => Err(format!("`{}` and `{}` state the same id", first.path, second.path)),
    }
}

/// What follows from other documents.
fn derived(snapshot: &Snapshot, entry: Option<&Entry>) -> DerivedValues {
    let Some(workflow) = entry.and_then(Entry::workflow) else { return DerivedValues::default() };
    DerivedValues {
        progress: snapshot.workflow_progress(workflow),
        current_task: snapshot.workflow_current_task(workflow),
    }
}
