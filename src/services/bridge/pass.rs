//! One pass: what differs between the folder and a remote is decided purely (`reconcile::reconcile`) and carried out: first there,
//! by compare-and-swap, then here, then it is remembered. For a remote without texts it is written here first, and remembered
//! before it is sent: no other clone could say what it shows. What a crash or another mirror leaves, the next pass finds.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::mirror_folder::{MirrorFolder, SyncBaseStore};
use super::mirror_index::Item;
use super::report::{HeldRemoval, PassOptions, PassReport};
use crate::core::document::Document;
use crate::core::name::{DocId, DocPath, Kind};
use crate::core::reconcile::{
    self, DocumentRemote, FileAction, HoldReason, KnownDocument, ReconcileContext, ReconcilePlan, RejectedField,
    RemoteContent, RemoteDocument, RemoteHead, RemoteText,
};
use crate::core::sabotage::{self, Sabotage};
use crate::core::snapshot::Snapshot;
use crate::services::Error;

mod carry_out;
mod known;
mod write_file;

use known::KnownItem;
pub(super) use known::local;

/// How often a document is decided that others change at the same time.
const ROUNDS_MAX: usize = 8;
/// Documents that are looked at in one go.
const CHUNK: usize = 500;

/// Which documents a pass is about.
#[derive(Debug, Clone)]
pub enum PassScope {
    /// All of them, here and there.
    All,
    /// These, and what has changed here since the last pass.
    Of(BTreeSet<Item>),
}

/// A document with what is to be done about it.
struct Planned {
    item: Item,
    step: ReconcilePlan,
    /// What comes in is somebody's without an operation of ours: it gets its number here.
    is_named_here: bool,
    /// Where the file lies or lay that was compared with a sync base, and what it held.
    read: Option<(DocPath, Option<Document>)>,
}

/// What a pass leaves for the next one.
#[derive(Debug, Default)]
pub struct PassMemory {
    /// What was seen to have changed, and was not compared yet.
    pub(super) pending: BTreeSet<Item>,
    /// What was found on the remote that cannot be taken, by place.
    pub(super) garbage: BTreeMap<String, String>,
    /// What waits for a person, by document.
    pub(super) held: BTreeMap<String, String>,
    /// So much would vanish at once that it waits for a person.
    pub(super) mass: Option<HeldRemoval>,
}

impl PassMemory {
    /// How many documents wait for something, as far as is known.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.held.len() + self.garbage.len()
    }
}

/// A remote and a folder that are brought together.
pub struct MirrorPass<'a, R: ?Sized> {
    /// The remote.
    pub remote: &'a mut R,
    /// The folder.
    pub folder: &'a mut dyn MirrorFolder,
    /// What both last agreed on.
    pub bases: &'a mut dyn SyncBaseStore,
    /// What the pass before left.
    pub memory: &'a mut PassMemory,
    /// How it goes.
    pub options: PassOptions,
}

impl<R: DocumentRemote + ?Sized> MirrorPass<'_, R>
where
    Error: From<R::Error>,
{
    /// Brings both sides together.
    ///
    /// # Errors
    /// [`Error`] if the folder or the remote fails. What was exchanged until then stays.
    pub fn run(&mut self, which: PassScope) -> Result<PassReport, Error> {
        let began = Instant::now();
        let mut report = PassReport { is_dry: self.options.dry_run, ..PassReport::default() };
        let changed = self.refresh()?;
        report.paused = self.folder.pause()?;
        if report.paused.is_some() {
            return Ok(report);
        }
        self.note_head()?;
        self.folder.refresh_attributions()?;
        let is_all = matches!(which, PassScope::All);
        let items = match which {
            PassScope::All => {
                self.memory.garbage.clear();
                self.memory.held.clear();
                self.memory.mass = None;
                self.out_of_step()?
            }
            PassScope::Of(items) => &items | &changed,
        };
        let tasks: BTreeSet<DocId> =
            items.iter().filter(|(kind, _)| *kind == Kind::Task).map(|(_, id)| id.clone()).collect();
        self.settle(items, &mut report)?;
        if report.paused.is_none() && !tasks.is_empty() {
            // What a workflow shows follows from its tasks as they are now.
            let more = self.refresh()?;
            self.memory.pending.extend(more);
            report.paused = self.folder.pause()?;
            if report.paused.is_none() {
                self.note_head()?;
                let workflows = self.workflows_of(&tasks);
                self.settle(workflows, &mut report)?;
            }
        }
        if report.paused.is_some() {
            return Ok(report);
        }
        // What commits brought was seen, whichever documents this was about; what came in another way is known after all.
        let is_compared = self.memory.pending.is_empty() || sabotage::on(Sabotage::SettleUnread);
        let is_rest = self.memory.held.is_empty() && is_compared && report.mass.is_none();
        let is_settled = self.is_forward() || is_all && is_rest;
        if is_settled && !self.options.dry_run {
            self.folder.settle_head()?;
        }
        report.held = self.memory.held.iter().map(|(what, why)| (what.clone(), why.clone())).collect();
        report.garbage = self.memory.garbage.iter().map(|(key, why)| (key.clone(), why.clone())).collect();
        report.took = began.elapsed();
        Ok(report)
    }

    fn refresh(&mut self) -> Result<BTreeSet<Item>, Error> {
        let mut changed = std::mem::take(&mut self.memory.pending);
        changed.extend(self.folder.refresh(self.bases, self.options.force)?);
        Ok(changed)
    }

    fn is_forward(&self) -> bool {
        self.folder.head_motion() == reconcile::HeadMotion::Forward
    }

    /// Remembers where HEAD is as soon as it has moved forward: if it moves back after something was sent from there, or agreed on,
    /// and the pass does not come to its end, the file is seen to be older.
    fn note_head(&mut self) -> Result<(), Error> {
        let is_certain = !self.options.dry_run && !self.options.force && !sabotage::on(Sabotage::ForgetHead);
        if is_certain && self.is_forward() { self.folder.settle_head() } else { Ok(()) }
    }

    fn workflows_of(&self, tasks: &BTreeSet<DocId>) -> BTreeSet<Item> {
        workflows_showing(self.folder.documents().snapshot(), |task| tasks.contains(task))
    }

    /// Decides and carries out until nothing is left to do about these.
    ///
    /// # Errors
    /// As [`MirrorPass::run`].
    pub fn settle(&mut self, mut items: BTreeSet<Item>, report: &mut PassReport) -> Result<(), Error> {
        let kinds = self.remote.traits().kinds;
        items.retain(|(kind, _)| kinds.contains(kind));
        for round in 0..ROUNDS_MAX {
            if items.is_empty() {
                break;
            }
            let plan = self.plan(&items)?;
            items = self.carry_out(plan, report)?;
            if self.options.dry_run {
                break;
            }
            if round + 1 == ROUNDS_MAX && !items.is_empty() {
                self.memory.held.extend(items.iter().map(|item| (label(item), "it changes all the time".to_owned())));
            }
            if !items.is_empty() {
                items.extend(self.refresh()?);
                items.retain(|(kind, _)| kinds.contains(kind));
                report.paused = self.folder.pause()?;
                if report.paused.is_some() {
                    break;
                }
                self.note_head()?;
            }
        }
        Ok(())
    }

    /// Everything that is not the same on both sides and in what is remembered, as far as the remote can tell.
    fn out_of_step(&mut self) -> Result<BTreeSet<Item>, Error> {
        let kinds = self.remote.traits().kinds;
        let known = self.folder.documents().items().cloned().chain(self.bases.items()?);
        let listing = self.remote.list(known.filter(|(kind, _)| kinds.contains(kind)).collect())?;
        self.memory.garbage.extend(listing.unusable);
        let stores_text = self.remote.traits().stores_text;
        let out = listing.heads.into_iter().filter(|head| !stores_text || !self.is_in_step(head));
        Ok(out.map(|head| head.key).collect())
    }

    fn is_in_step(&self, head: &RemoteHead) -> bool {
        let Some(base) = self.bases.get(&head.key) else { return false };
        let files = self.folder.documents().files(&head.key);
        let here = match files.as_slice() {
            [] => None,
            [entry] => Some(entry),
            _ => return false,
        };
        if head.number != base.revision || head.is_touched || head.is_gone != base.text.is_none() {
            return false;
        }
        match (here, &base.text) {
            (None, None) => true,
            (Some(entry), Some(text)) => {
                // A workflow shows what follows from its tasks, and what lives for a while must be shown again.
                entry.document.bytes() == text.as_bytes()
                    && head.digest == reconcile::digest(text.as_bytes())
                    && head.is_shown
                    && entry.workflow().is_none()
            }
            _ => false,
        }
    }

    fn plan(&mut self, items: &BTreeSet<Item>) -> Result<Vec<Planned>, Error> {
        let items: Vec<&Item> = items.iter().collect();
        let mut plan = Vec::with_capacity(items.len());
        for chunk in items.chunks(CHUNK) {
            let mut known = Vec::with_capacity(chunk.len());
            for item in chunk {
                self.memory.held.remove(&label(item));
                self.memory.garbage.remove(&self.remote.place(item));
                match self.known(item)? {
                    Ok(one) => known.push(one),
                    Err(why) => drop(self.memory.held.insert(label(item), why)),
                }
            }
            let fetched = self.fetch(&known)?;
            self.remote.leads()?;
            for (known, there) in known.into_iter().zip(fetched) {
                let place = self.remote.place(&known.item);
                if let RemoteContent::Unusable(why) = there.content {
                    self.memory.garbage.insert(place, why);
                } else {
                    plan.push(self.decide(known, &place, &there)?);
                }
            }
        }
        Ok(plan)
    }

    /// Fetches documents; those of a text that is not known here once more, with what git has.
    fn fetch(&mut self, known: &[KnownItem]) -> Result<Vec<RemoteDocument>, Error> {
        let now = self.folder.now();
        let contexts: Vec<ReconcileContext<'_>> = known.iter().map(|known| known.context(self.folder)).collect();
        let asked = |index: usize| {
            let known: &KnownItem = &known[index];
            contexts[index].known(&known.item, known.base.as_ref(), known.here.as_ref())
        };
        let all: Vec<KnownDocument<'_>> = (0..known.len()).map(asked).collect();
        let mut fetched = self.remote.fetch(&all, now)?;
        let mut foreign = Vec::new();
        for index in (0..known.len()).filter(|index| is_foreign(&fetched[*index])) {
            let path = known[index].here.as_ref().map(|here| &here.path).or(path_there(&fetched[index]));
            let mut earlier = path.map_or(Ok(Vec::new()), |path| self.folder.earlier_texts(path))?;
            if earlier.is_empty() {
                // So the remote knows that there is nothing more to ask for.
                earlier.extend(known[index].here.as_ref().map(|here| here.document.clone()));
            }
            if !earlier.is_empty() {
                foreign.push((index, earlier));
            }
        }
        if !foreign.is_empty() {
            let with_earlier = |(index, earlier)| KnownDocument { earlier, ..asked(index) };
            let again: Vec<_> =
                foreign.iter().map(|(index, earlier)| with_earlier((*index, earlier.as_slice()))).collect();
            let found = self.remote.fetch(&again, now)?;
            for ((index, _), document) in foreign.iter().zip(found) {
                fetched[*index] = document;
            }
        }
        Ok(fetched)
    }

    fn decide(&mut self, mut known: KnownItem, place: &str, there: &RemoteDocument) -> Result<Planned, Error> {
        // Nothing else says where it may lie in the archive.
        let is_new = known.here.is_none() && known.base.is_none() && known.archived.is_none();
        if let Some(path) = path_there(there).filter(|_| is_new) {
            known.archived = self.folder.archived(&known.item, &[Some(path)])?;
        }
        let context = known.context(self.folder);
        let mut step = reconcile::reconcile(&context, known.base.as_ref(), known.here.as_ref(), there);
        let is_named_here = self.name_operation(&mut step)?;
        for rejected in &step.rejected {
            // What goes with the next version is reported until everything is compared again.
            let key = if step.send.is_some() { format!("{place} (written over)") } else { place.to_owned() };
            self.memory.garbage.insert(key, words(rejected));
        }
        if let Some(held) = &step.held {
            self.memory.held.insert(label(&known.item), why(held));
        }
        let read = known.base.and_then(|base| match known.here {
            Some(here) => Some((here.path, Some(here.document))),
            None => Some((base.path, None)).filter(|(path, _)| !path.is_archived()),
        });
        Ok(Planned { item: known.item, step, is_named_here, read })
    }

    /// Gives what a client without operations has done the number of one, here and there: so every clone tells it alike.
    fn name_operation(&self, step: &mut ReconcilePlan) -> Result<bool, Error> {
        let operation = match &mut step.file {
            FileAction::Write { operation, .. }
            | FileAction::Remove { operation, .. }
            | FileAction::Archive { operation, .. } => operation,
            FileAction::Keep | FileAction::Create(_) => return Ok(false),
        };
        if operation.is_some() {
            return Ok(false);
        }
        *operation = Some(self.folder.new_operation()?);
        if let Some(send) = &mut step.send {
            send.by.operation.clone_from(operation);
        }
        Ok(true)
    }
}

fn words(garbage: &RejectedField) -> String {
    if garbage.field.is_empty() { garbage.why.clone() } else { format!("`{}`: {}", garbage.field, garbage.why) }
}

fn why(held: &HoldReason) -> String {
    match held {
        HoldReason::RolledBack => "HEAD was moved back: the file is older than what others have".to_owned(),
        HoldReason::Unreadable(why) => format!("it cannot be read: {why}"),
        HoldReason::Refused(why) => why.clone(),
        HoldReason::Foreign => "another clone has sent a text that git has not brought here yet".to_owned(),
        HoldReason::Conflict => "it has a conflict that a person must resolve".to_owned(),
    }
}

/// A document in a message.
pub(super) fn label((kind, id): &Item) -> String {
    format!("{kind} {id}")
}

/// Returns where a remote has a document.
fn path_there(there: &RemoteDocument) -> Option<&DocPath> {
    match &there.content {
        RemoteContent::Mirrored(remote) => Some(&remote.path),
        RemoteContent::Gone { path, .. } => Some(path),
        _ => None,
    }
}

fn is_foreign(there: &RemoteDocument) -> bool {
    matches!(&there.content, RemoteContent::Mirrored(remote) if remote.text == RemoteText::Foreign)
}

/// The workflows that show something of these tasks: those that list one, and those that one names, such as the items of a fan-out.
pub(in crate::services::bridge) fn workflows_showing(
    snapshot: &Snapshot,
    is_one: impl Fn(&DocId) -> bool,
) -> BTreeSet<Item> {
    let named: BTreeSet<&DocId> =
        snapshot.tasks().filter(|task| is_one(&task.id)).filter_map(|task| task.workflow.as_ref()).collect();
    let workflows = snapshot.workflows();
    let touched = workflows.filter(|workflow| named.contains(&workflow.id) || workflow.tasks.iter().any(&is_one));
    touched.map(|workflow| (Kind::Workflow, workflow.id.clone())).collect()
}
