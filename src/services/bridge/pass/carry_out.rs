//! Carries out what was decided: on a remote with texts first there, else first here.

use std::collections::BTreeSet;

use super::{MirrorPass, Planned, label};
use crate::core::name::DocPath;
use crate::core::reconcile::{
    self, AppliedWrite, DocumentRemote, FileAction, MassDeletion, ReconcilePlan, RemoteWrite, SyncBase,
};
use crate::core::sabotage::{self, Sabotage};
use crate::services::Error;
use crate::services::bridge::mirror_folder::Imported;
use crate::services::bridge::mirror_index::Item;
use crate::services::bridge::report::{Direction, HeldRemoval, PassReport};

/// Why a document does not go out where nothing may come in.
const CAME: &str = "it has changes of others: `mycelium bridge pull` takes them";

impl<R: DocumentRemote + ?Sized> MirrorPass<'_, R>
where
    Error: From<R::Error>,
{
    /// Carries out what was decided; gives what has to be decided anew.
    pub(super) fn carry_out(
        &mut self,
        mut plan: Vec<Planned>,
        report: &mut PassReport,
    ) -> Result<BTreeSet<Item>, Error> {
        if self.options.direction == Direction::Pull {
            plan.retain(|planned| planned.step.file != FileAction::Keep || planned.step.send.is_none());
        } else if self.options.direction == Direction::Push {
            for planned in plan.iter().filter(|planned| planned.step.file != FileAction::Keep) {
                self.memory.held.entry(label(&planned.item)).or_insert_with(|| CAME.to_owned());
            }
            plan.retain(|planned| planned.step.file == FileAction::Keep);
        }
        // Only what this direction would carry out: for the rest, force in this direction is no answer.
        if !self.options.force
            && !self.options.removes_many
            && let Some(removal) = self.removal_to_hold(&plan)
        {
            plan.retain(|planned| !is_loss(&planned.step));
            report.mass = Some(removal);
            self.memory.mass = report.mass;
        }
        if self.options.dry_run {
            for planned in &plan {
                report.note(&planned.item, &planned.step);
            }
            return Ok(BTreeSet::new());
        }
        let overtaken = self.take_overtaken(&mut plan)?;
        let mut again = if self.remote.traits().stores_text {
            self.carry_out_there_first(plan, report)?
        } else {
            self.carry_out_here_first(plan, report)?
        };
        again.extend(overtaken);
        Ok(again)
    }

    /// Takes out of a plan what would send a file that is different by now: another process of this clone may have sent the new one
    /// and remembered that before the sync base was read here, and then the old one would look like an edit.
    fn take_overtaken(&self, plan: &mut Vec<Planned>) -> Result<BTreeSet<Item>, Error> {
        let mut overtaken = BTreeSet::new();
        for planned in plan.iter().filter(|planned| planned.step.send.is_some()) {
            if let Some((path, read)) = &planned.read
                && !sabotage::on(Sabotage::SendOldRead)
                && self.folder.read(path)? != *read
            {
                overtaken.insert(planned.item.clone());
            }
        }
        plan.retain(|planned| !overtaken.contains(&planned.item));
        Ok(overtaken)
    }

    /// Sends, then writes what is not overtaken, then remembers it.
    fn carry_out_there_first(&mut self, plan: Vec<Planned>, report: &mut PassReport) -> Result<BTreeSet<Item>, Error> {
        let mut again = BTreeSet::new();
        let now = self.folder.now();
        let writes: Vec<RemoteWrite> = plan.iter().filter_map(|planned| planned.step.send.clone()).collect();
        let mut answers = self.remote.apply(&writes, now)?.into_iter();
        let mut landed = Vec::new();
        for mut planned in plan {
            self.remote.leads()?;
            if planned.step.send.is_some() {
                match answers.next() {
                    Some(AppliedWrite::Written(number) | AppliedWrite::Same(number)) => {
                        planned.step.base = planned.step.base.map(|base| numbered(base, number));
                    }
                    Some(AppliedWrite::Refused(why)) => {
                        self.memory.held.insert(label(&planned.item), why);
                        continue;
                    }
                    Some(AppliedWrite::Conflict | AppliedWrite::Unknown) | None => {
                        again.insert(planned.item);
                        continue;
                    }
                }
            }
            if self.import(&planned, &mut again, report)? {
                report.note(&planned.item, &planned.step);
                report.conflicts.extend(conflicts(&planned.step));
                landed.push((planned.item, planned.step.base));
            }
        }
        // What is agreed on is remembered when it is on the disk for good.
        self.folder.commit_imports()?;
        self.note_head()?;
        for (item, base) in landed {
            self.bases.set(&item, base)?;
        }
        Ok(again)
    }

    /// Writes, remembers what will be sent, and sends it. Where an acknowledged write may be lost it is decided again, until
    /// nothing is written.
    fn carry_out_here_first(&mut self, plan: Vec<Planned>, report: &mut PassReport) -> Result<BTreeSet<Item>, Error> {
        let mut again = BTreeSet::new();
        let mut landed = Vec::new();
        for planned in plan {
            self.remote.leads()?;
            if self.import(&planned, &mut again, report)? {
                report.conflicts.extend(conflicts(&planned.step));
                landed.push(planned);
            }
        }
        self.folder.commit_imports()?;
        self.note_head()?;
        let mut sent = Vec::new();
        for Planned { item, mut step, .. } in landed {
            // Only what git brings to other clones: they could not say what the remote shows. The commit wakes the next pass.
            if let Some(send) = &step.send
                && !self.is_committed(&item, send)?
            {
                self.memory.pending.insert(item);
                continue;
            }
            let before = self.bases.get(&item);
            // Whatever number the remote will give, the one that it shows now is lower.
            let next = step.send.as_ref().map(|send| send.seen.number.max(send.known_number) + 1);
            let known = before.as_ref().map_or(0, |base| base.revision);
            step.base = step.base.map(|base| numbered(base, next.unwrap_or(known)));
            self.bases.set(&item, step.base.clone())?;
            if step.send.is_some() {
                sent.push((item, before, step));
            } else {
                report.note(&item, &step);
            }
        }
        let writes: Vec<RemoteWrite> = sent.iter().filter_map(|(.., step)| step.send.clone()).collect();
        let mut answers = self.remote.apply(&writes, self.folder.now())?.into_iter();
        let is_sure = self.remote.traits().compares_and_swaps;
        for (item, before, mut step) in sent {
            let answer = answers.next().unwrap_or(AppliedWrite::Unknown);
            match answer {
                AppliedWrite::Written(number) | AppliedWrite::Same(number) => {
                    let base = step.base.clone().map(|base| SyncBase { revision: number, ..base });
                    self.bases.set(&item, base)?;
                }
                AppliedWrite::Refused(_) | AppliedWrite::Conflict => {
                    step.send = None;
                    self.bases.set(&item, before)?;
                }
                AppliedWrite::Unknown => {}
            }
            report.note(&item, &step);
            match answer {
                AppliedWrite::Refused(why) => drop(self.memory.held.insert(label(&item), why)),
                AppliedWrite::Written(_) if is_sure => {}
                AppliedWrite::Same(_) => {}
                _ => drop(again.insert(item)),
            }
        }
        Ok(again)
    }

    /// Returns true if git has the text that is sent, where the document lies.
    fn is_committed(&mut self, item: &Item, send: &RemoteWrite) -> Result<bool, Error> {
        let Some(text) = send.text() else { return Ok(true) };
        let archived = self.folder.archived(item, &[Some(&send.path)])?.filter(|archived| archived.document == *text);
        self.folder.is_committed(archived.as_ref().map_or(&send.path, |archived| &archived.path), text)
    }

    /// Writes to the file what was decided. Returns true if it is so now, and nothing else is to be decided.
    fn import(
        &mut self,
        planned: &Planned,
        again: &mut BTreeSet<Item>,
        report: &mut PassReport,
    ) -> Result<bool, Error> {
        let is_new = matches!(planned.step.file, FileAction::Create(_));
        // Of several clones one makes it, or there would be as many versions.
        if is_new && !self.remote.leads()? {
            return Ok(false);
        }
        match self.write_file(&planned.item, &planned.step, planned.is_named_here)? {
            Imported::Done if is_new => {
                report.note(&planned.item, &planned.step);
                // What else the remote holds of it is taken then.
                again.insert(planned.item.clone());
            }
            Imported::Done => return Ok(true),
            Imported::Overtaken => drop(again.insert(planned.item.clone())),
            Imported::Held(why) => drop(self.memory.held.insert(label(&planned.item), why)),
        }
        Ok(false)
    }

    /// Returns the removals of a plan if they are too many at once.
    fn removal_to_hold(&self, plan: &[Planned]) -> Option<HeldRemoval> {
        let here = plan.iter().filter(|planned| planned.step.removes_here()).count();
        let there = plan.iter().filter(|planned| planned.step.removes_there()).count();
        // Here they are of what is still there, there they are gone from here already.
        let of = self.folder.documents().snapshot().len();
        let held = |is_here, mass: Option<MassDeletion>| mass.map(|mass| HeldRemoval { mass, is_here });
        held(true, reconcile::mass_deletion(here, of))
            .or_else(|| held(false, reconcile::mass_deletion(there, of + there)))
    }
}

/// Something vanishes here or there.
fn is_loss(step: &ReconcilePlan) -> bool {
    step.removes_here() || step.removes_there()
}

fn conflicts(step: &ReconcilePlan) -> Vec<(DocPath, crate::core::merge::Conflict)> {
    let path = match (&step.file, &step.base) {
        (FileAction::Write { path, .. }, _) | (_, Some(SyncBase { path, .. })) => path.clone(),
        _ => return Vec::new(),
    };
    step.conflicts.iter().map(|conflict| (path.clone(), conflict.clone())).collect()
}

/// Returns a sync base with the number that the remote gave to what was sent.
fn numbered(base: SyncBase, number: u64) -> SyncBase {
    let revision = if base.revision == 0 { number } else { base.revision };
    SyncBase { revision, ..base }
}
