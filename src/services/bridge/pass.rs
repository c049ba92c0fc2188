//! One pass: what differs between the folder and the server is looked at, decided purely (`reconcile::reconcile`) and carried
//! out: first there, by compare-and-swap, then here, by compare-and-swap, then it is remembered. A crash, a lost answer or
//! another mirror in between is found by the next pass; there is no other code for recovery.

use std::collections::BTreeSet;
use std::time::Instant;

use super::inbound::Landed;
use super::report::{Direction, HeldRemoval, PassOptions, PassReport};
use super::sight::Item;
use super::state::{KnownItem, State};
use crate::adapters::redis::BridgeError;
use crate::core::name::{DocId, DocPath, Kind};
use crate::core::reconcile::{
    self, AppliedWrite, DocumentRemote, FileAction, HoldReason, KnownDocument, MassDeletion, ReconcileContext,
    ReconcilePlan, RejectedField, RemoteContent, RemoteDocument, RemoteHead, RemoteWrite, SyncBase,
};
use crate::services::Error;

/// How often a document is decided that others change at the same time.
const ROUNDS_MAX: usize = 8;
/// Documents that are looked at in one go.
const CHUNK: usize = 500;

/// Why a document does not go out where nothing may come in.
const CAME: &str = "it has changes of others: `mycelium bridge pull` takes them";

/// The remote that a pass keeps equal to the folder.
pub(super) type Bridged<'a> = dyn DocumentRemote<Error = BridgeError> + 'a;

/// Which documents a pass is about.
#[derive(Debug, Clone)]
pub(super) enum Which {
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
}

impl State {
    /// Brings both sides together.
    pub(super) fn pass(
        &mut self,
        remote: &mut Bridged<'_>,
        which: Which,
        options: PassOptions,
    ) -> Result<PassReport, Error> {
        let began = Instant::now();
        let mut report = PassReport { is_dry: options.dry_run, ..PassReport::default() };
        self.is_forced = options.force;
        let changed = self.look()?;
        report.paused = self.pause()?;
        if report.paused.is_some() {
            return Ok(report);
        }
        // Until the pass is done nothing of it went out: if it fails, it goes with the next one.
        self.untold = self.hear()?;
        let is_all = matches!(which, Which::All);
        let items = match which {
            Which::All => {
                self.garbage.clear();
                self.held.clear();
                self.mass = None;
                self.out_of_step(remote)?
            }
            Which::Of(items) => &items | &changed,
        };
        let tasks: BTreeSet<DocId> =
            items.iter().filter(|(kind, _)| *kind == Kind::Task).map(|(_, id)| id.clone()).collect();
        self.settle(remote, items, options, &mut report)?;
        if report.paused.is_none() && !tasks.is_empty() {
            // What a workflow shows follows from its tasks as they are now.
            let more = self.sight.look(&self.project)?;
            self.pending.extend(more);
            let workflows = self.workflows_of(&tasks);
            self.settle(remote, workflows, options, &mut report)?;
        }
        if report.paused.is_some() {
            return Ok(report);
        }
        // What commits brought was seen, whichever documents this was about; what came in another way is known after all.
        let is_settled = self.is_forward() || is_all && self.held.is_empty() && report.mass.is_none();
        if is_settled && !options.dry_run {
            self.settle_head()?;
        }
        report.held = self.held.iter().map(|(what, why)| (what.clone(), why.clone())).collect();
        report.garbage = self.garbage.iter().map(|(key, why)| (key.clone(), why.clone())).collect();
        report.told = std::mem::take(&mut self.untold);
        report.took = began.elapsed();
        Ok(report)
    }

    fn workflows_of(&self, tasks: &BTreeSet<DocId>) -> BTreeSet<Item> {
        let workflows = self.sight.snapshot().workflows();
        let touched = workflows.filter(|workflow| workflow.tasks.iter().any(|task| tasks.contains(task)));
        touched.map(|workflow| (Kind::Workflow, workflow.id.clone())).collect()
    }

    /// Decides and carries out until nothing is left to do about these.
    pub(super) fn settle(
        &mut self,
        remote: &mut Bridged<'_>,
        mut items: BTreeSet<Item>,
        options: PassOptions,
        report: &mut PassReport,
    ) -> Result<(), Error> {
        for round in 0..ROUNDS_MAX {
            if items.is_empty() {
                break;
            }
            let plan = self.plan(remote, &items)?;
            items = self.carry_out(remote, plan, options, report)?;
            if options.dry_run {
                break;
            }
            if round + 1 == ROUNDS_MAX && !items.is_empty() {
                self.held.extend(items.iter().map(|item| (label(item), "it changes all the time".to_owned())));
            }
            if !items.is_empty() {
                items.extend(self.look()?);
                report.paused = self.pause()?;
                if report.paused.is_some() {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Everything that is not the same on both sides and in what is remembered.
    fn out_of_step(&mut self, remote: &mut Bridged<'_>) -> Result<BTreeSet<Item>, Error> {
        let known = self.sight.items().cloned().chain(self.bases.items()?).collect();
        let listing = remote.list(known)?;
        self.garbage.extend(listing.unusable);
        let out = listing.heads.into_iter().filter(|head| !self.is_in_step(head));
        Ok(out.map(|head| head.key).collect())
    }

    fn is_in_step(&self, head: &RemoteHead) -> bool {
        let Some(base) = self.bases.get(&head.key) else { return false };
        let files = self.sight.files(&head.key);
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

    fn plan(&mut self, remote: &mut Bridged<'_>, items: &BTreeSet<Item>) -> Result<Vec<Planned>, Error> {
        let items: Vec<&Item> = items.iter().collect();
        let mut plan = Vec::with_capacity(items.len());
        for chunk in items.chunks(CHUNK) {
            let mut known = Vec::with_capacity(chunk.len());
            for item in chunk {
                self.held.remove(&label(item));
                self.garbage.remove(&remote.place(item));
                match self.known(item)? {
                    Ok(one) => known.push(one),
                    Err(why) => drop(self.held.insert(label(item), why)),
                }
            }
            let fetched = {
                let contexts: Vec<ReconcileContext<'_>> = known.iter().map(|known| known.context(self)).collect();
                let asked = known.iter().zip(&contexts);
                let asked: Vec<KnownDocument<'_>> = asked
                    .map(|(known, context)| context.known(&known.item, known.base.as_ref(), known.here.as_ref()))
                    .collect();
                remote.fetch(&asked, self.project.now())?
            };
            self.keep_lead(remote.leader())?;
            for (known, there) in known.into_iter().zip(fetched) {
                let place = remote.place(&known.item);
                if let RemoteContent::Unusable(why) = there.content {
                    self.garbage.insert(place, why);
                } else {
                    plan.push(self.decide(known, &place, &there)?);
                }
            }
        }
        Ok(plan)
    }

    fn decide(&mut self, mut known: KnownItem, place: &str, there: &RemoteDocument) -> Result<Planned, Error> {
        // Nothing else says where it may lie in the archive.
        let is_new = known.here.is_none() && known.base.is_none() && known.archived.is_none();
        if let Some(path) = path_there(there).filter(|_| is_new) {
            known.archived = self.archived(&known.item, &[Some(path)])?;
        }
        let context = known.context(self);
        let mut step = reconcile::reconcile(&context, known.base.as_ref(), known.here.as_ref(), there);
        let is_named_here = Self::name_deed(&mut step)?;
        for rejected in &step.rejected {
            // What goes with the next version is reported until everything is compared again.
            let key = if step.send.is_some() { format!("{place} (written over)") } else { place.to_owned() };
            self.garbage.insert(key, words(rejected));
        }
        if let Some(held) = &step.held {
            self.held.insert(label(&known.item), why(held));
        }
        Ok(Planned { item: known.item, step, is_named_here })
    }

    /// Gives what a client without operations has done the number of one, here and there: so every clone tells it alike.
    fn name_deed(step: &mut ReconcilePlan) -> Result<bool, Error> {
        let operation = match &mut step.file {
            FileAction::Write { operation, .. }
            | FileAction::Remove { operation, .. }
            | FileAction::Archive { operation, .. } => operation,
            FileAction::Keep | FileAction::Create(_) => return Ok(false),
        };
        if operation.is_some() {
            return Ok(false);
        }
        *operation = Some(crate::services::environment::new_operation()?);
        if let Some(send) = &mut step.send {
            send.by.operation.clone_from(operation);
        }
        Ok(true)
    }

    /// Carries out what was decided; gives what has to be decided anew.
    fn carry_out(
        &mut self,
        remote: &mut Bridged<'_>,
        mut plan: Vec<Planned>,
        options: PassOptions,
        report: &mut PassReport,
    ) -> Result<BTreeSet<Item>, Error> {
        let mut again = BTreeSet::new();
        if options.direction == Direction::Pull {
            plan.retain(|planned| planned.step.file != FileAction::Keep || planned.step.send.is_none());
        } else if options.direction == Direction::Push {
            for planned in plan.iter().filter(|planned| planned.step.file != FileAction::Keep) {
                self.held.entry(label(&planned.item)).or_insert_with(|| CAME.to_owned());
            }
            plan.retain(|planned| planned.step.file == FileAction::Keep);
        }
        // Only what this direction would carry out: for the rest, force in this direction is no answer.
        if !options.force
            && let Some(removal) = self.removal_to_hold(&plan)
        {
            plan.retain(|planned| !is_loss(&planned.step));
            report.mass = Some(removal);
            self.mass = report.mass;
        }
        if options.dry_run {
            for planned in &plan {
                report.note(&planned.item, &planned.step);
            }
            return Ok(again);
        }
        let writes: Vec<RemoteWrite> = plan.iter().filter_map(|planned| planned.step.send.clone()).collect();
        let mut answers = remote.apply(&writes, self.project.now())?.into_iter();
        let mut landed = Vec::new();
        for mut planned in plan {
            self.keep_lead(remote.leader())?;
            if planned.step.send.is_some() {
                match answers.next() {
                    Some(AppliedWrite::Written(number)) => {
                        planned.step.base = planned.step.base.map(|base| numbered(base, number));
                    }
                    Some(AppliedWrite::Refused(why)) => {
                        self.held.insert(label(&planned.item), why);
                        continue;
                    }
                    Some(AppliedWrite::Conflict) | None => {
                        again.insert(planned.item);
                        continue;
                    }
                }
            }
            match self.land(&planned.item, &planned.step, planned.is_named_here)? {
                Landed::Done => {
                    report.note(&planned.item, &planned.step);
                    report.conflicts.extend(conflicts(&planned.step));
                    landed.push((planned.item, planned.step.base));
                }
                Landed::Again => drop(again.insert(planned.item)),
                Landed::Held(why) => drop(self.held.insert(label(&planned.item), why)),
            }
        }
        // What is agreed on is remembered when it is on the disk for good.
        self.commit_landed()?;
        for (item, base) in landed {
            self.bases.set(&item, base)?;
        }
        Ok(again)
    }

    /// Returns the removals of a plan if they are too many at once.
    fn removal_to_hold(&self, plan: &[Planned]) -> Option<HeldRemoval> {
        let here = plan.iter().filter(|planned| planned.step.removes_here()).count();
        let there = plan.iter().filter(|planned| planned.step.removes_there()).count();
        // Here they are of what is still there, there they are gone from here already.
        let of = self.sight.snapshot().len();
        let held = |is_here, mass: Option<MassDeletion>| mass.map(|mass| HeldRemoval { mass, is_here });
        held(true, reconcile::mass_deletion(here, of))
            .or_else(|| held(false, reconcile::mass_deletion(there, of + there)))
    }
}

/// Something vanishes here or there.
fn is_loss(step: &ReconcilePlan) -> bool {
    step.removes_here() || step.removes_there()
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

fn conflicts(step: &ReconcilePlan) -> Vec<(DocPath, crate::core::merge::Conflict)> {
    let path = match (&step.file, &step.base) {
        (FileAction::Write { path, .. }, _) | (_, Some(SyncBase { path, .. })) => path.clone(),
        _ => return Vec::new(),
    };
    step.conflicts.iter().map(|conflict| (path.clone(), conflict.clone())).collect()
}

/// A document in a message.
pub(super) fn label((kind, id): &Item) -> String {
    format!("{kind} {id}")
}

/// Returns a sync base with the number that the remote gave to what was sent.
fn numbered(base: SyncBase, number: u64) -> SyncBase {
    let revision = if base.revision == 0 { number } else { base.revision };
    SyncBase { revision, ..base }
}

/// Returns where a remote has a document.
fn path_there(there: &RemoteDocument) -> Option<&DocPath> {
    match &there.content {
        RemoteContent::Mirrored(remote) => Some(&remote.path),
        RemoteContent::Gone { path, .. } => Some(path),
        _ => None,
    }
}
