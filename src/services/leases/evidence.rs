//! When the holder of a task was last seen, and what git's history says against the lease registry.
//!
//! A heartbeat, every operation of an agent, and each save of the held document or of the agent's own file renew a lease. They
//! are known by the times of files. These are of the wall clock, so they count only for the past, and only in favour of the
//! holder; a watcher records them by the clock that cannot be set.

use std::path::Path;

use super::{Leases, task_of};
use crate::adapters::store;
use crate::core::document::Document;
use crate::core::entity::{Task, TaskStatus};
use crate::core::lease::{
    self, BootTime, EntryState, EntryWriter, FormerHolder, HolderDocument, LeaseEntry, LeaseEvidence, LeaseFacts,
    LeaseRequest, Override,
};
use crate::core::name::{AgentName, ContentId, DocId, DocPath, Kind};
use crate::core::time::Timestamp;
use crate::services::claim_arbiter::{ClaimRequest, RemoteClaims};
use crate::services::intake::unless_read_only;
use crate::services::{Error, environment};

/// The part of a lease after which it is recorded in the registry that the holder was seen.
const RECORDED_AFTER: u32 = 16;
/// Most former holders that are remembered.
const FORMER_MAX: usize = 8;

impl Leases<'_> {
    /// Returns when the holder of an entry was last seen, as [`BootTime::ms`]. `holder_document` says whether the document where
    /// the entry was written still names the holder.
    pub(super) fn last_seen(&self, entry: &LeaseEntry, holder_document: &LeaseFacts, now: &BootTime) -> Option<u64> {
        let document = entry.place.root.join(&entry.place.document);
        let agent = DocPath::for_new(Kind::Agent, &DocId::from(entry.by.clone()));
        let agent =
            Path::new(&entry.place.document).parent().map(|folder| entry.place.root.join(folder).join(agent.as_str()));
        let is_theirs = holder_document.holder() == Some(&entry.by) && holder_document.fence == entry.fence;
        let saved = store::saved_at(&document).filter(|at| is_theirs && entry.foreign_save != Some(*at));
        let signs =
            [saved, agent.and_then(|path| store::saved_at(&path)), self.store.local.heartbeat_saved_at(&entry.by)];
        let wall = environment::now().unix_ms();
        let newest = signs.into_iter().flatten().filter(|at| *at <= wall).max()?;
        now.ms.checked_sub(u64::try_from(wall - newest).ok()?)
    }

    /// Records a heartbeat of an agent whose operation shows that it is alive. A failure is ignored.
    pub(in crate::services) fn record_activity(&self, agent: Option<&AgentName>) {
        if let Some(agent) = agent {
            let _ = self.store.local.write_heartbeat(agent, environment::now());
        }
    }

    /// Records in the registry when the holder was last seen, so that neither a change of the wall clock nor a save of another
    /// actor hides it.
    pub(super) fn record_last_seen(&self, id: &DocId, path: &DocPath, task: &Task) -> Result<(), Error> {
        let lock = self.lock()?;
        let evidence = self.evidence(id, path, LeaseFacts::of(task))?;
        if let Some(entry) = seen_since(&evidence) {
            self.write(&lock, id, &entry)?;
            drop(lock);
            // An arbiter measures leases by itself; one that cannot be asked gets it from the bridge.
            let ask = LeaseRequest { by: entry.by, lease: entry.lease, over: Override::None };
            let _ = self.arbiter.renew(&ClaimRequest::new(task, &ask), RemoteClaims::IfLive);
        }
        Ok(())
    }

    /// Records that an operation of another actor wrote the document of a held task: such a save renews no lease.
    pub(in crate::services) fn record_foreign_save(
        &self,
        agent: Option<&AgentName>,
        path: &DocPath,
        document: &Document,
    ) -> Result<(), Error> {
        let Some(task) = task_of(path, document) else { return Ok(()) };
        if task.claimed_by.is_none() || task.claimed_by.as_ref() == agent || task.status != TaskStatus::Running {
            return Ok(());
        }
        let lock = self.lock()?;
        let evidence = self.evidence(&task.id, path, LeaseFacts::of(&task))?;
        let is_held =
            |entry: &&LeaseEntry| entry.state == EntryState::Held && evidence.holder_document == HolderDocument::Here;
        let (Some(entry), true) = (evidence.entry().filter(is_held), evidence.writer == EntryWriter::Gone) else {
            return Ok(());
        };
        let saved = store::saved_at(&entry.place.root.join(&entry.place.document));
        self.write(&lock, &task.id, &LeaseEntry { foreign_save: saved, ..entry.clone() })?;
        Ok(())
    }

    /// Records when the holder was last seen before an operation of another actor writes the document.
    pub(in crate::services) fn record_before_foreign_save(
        &self,
        agent: Option<&AgentName>,
        path: &DocPath,
        task: &Task,
    ) -> Result<(), Error> {
        let is_of_another =
            task.status == TaskStatus::Running && task.claimed_by.is_some() && task.claimed_by.as_ref() != agent;
        if is_of_another { unless_read_only(self.record_last_seen(&task.id, path, task)) } else { Ok(()) }
    }

    /// Returns true if the history of the branch had what an entry says and left it again: a revert, which gave the task back to
    /// the holder that the file names.
    pub(super) fn is_reverted(
        &self,
        path: &DocPath,
        entry: &LeaseEntry,
        here: &LeaseFacts,
        holder_document: &HolderDocument,
    ) -> Result<bool, Error> {
        let is_ended = !entry.state.is_held();
        let is_behind = entry.fence > here.fence
            || entry.fence == here.fence && is_ended && *holder_document != HolderDocument::Here;
        let Some(repository) = self.repository.filter(|_| is_behind && here.holder().is_some()) else {
            return Ok(false);
        };
        let Some(tip) = repository.view().head(self.target)?.revision else { return Ok(false) };
        let facts = |id: &ContentId| -> Result<Option<LeaseFacts>, Error> {
            Ok(task_of(path, &Document::parse(repository.view().read(id)?)).as_ref().map(LeaseFacts::of))
        };
        let only = std::collections::BTreeSet::from([path.clone()]);
        let committed = repository.view().contents_of(Some(&tip), self.folder, &only)?.remove(path);
        let Some(committed) = committed.as_ref().map(facts).transpose()?.flatten() else { return Ok(false) };
        if committed.holder() != here.holder() || committed.fence != here.fence {
            return Ok(false);
        }
        for (_, id) in repository.log().versions_since(None, &tip, self.folder, &[path])? {
            let then = facts(&id)?.filter(|then| then.fence >= entry.fence);
            if then.is_some_and(|then| then.fence > here.fence || then.status != TaskStatus::Running) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Returns the holders of a task whose leases ended before another agent gets it.
    pub(super) fn former_holders(&self, evidence: &LeaseEvidence, by: &AgentName) -> Vec<FormerHolder> {
        let Some(entry) = evidence.entry() else { return Vec::new() };
        let mut former = entry.former.clone();
        if matches!(entry.state, EntryState::Begun | EntryState::Held | EntryState::Expired) {
            let ended = if entry.state == EntryState::Expired { entry.ended } else { self.expired_at(entry, evidence) };
            former.push(FormerHolder { by: entry.by.clone(), fence: entry.fence, ended });
        }
        former.retain(|former| former.by != *by);
        let extra = former.len().saturating_sub(FORMER_MAX);
        former.drain(..extra);
        former
    }

    /// Returns when the lease of an entry expired, by the wall clock.
    pub(in crate::services) fn expired_at(&self, entry: &LeaseEntry, evidence: &LeaseEvidence) -> Option<Timestamp> {
        let ago = lease::expired_for(entry, evidence.last_seen, &self.boot_time())?;
        Some(environment::now().earlier_by(ago))
    }
}

/// Returns the entry renewed by what was seen of the holder; `None` if that is hardly newer than the entry.
fn seen_since(evidence: &LeaseEvidence) -> Option<LeaseEntry> {
    let entry =
        evidence.entry().filter(|entry| entry.state == EntryState::Held && evidence.writer == EntryWriter::Gone)?;
    let last_seen = evidence.last_seen?;
    let gained = last_seen.checked_sub(entry.renewed.ms).map(std::time::Duration::from_millis)?;
    let renewed = BootTime { ms: last_seen, ..entry.renewed.clone() };
    (gained >= entry.lease / RECORDED_AFTER).then(|| LeaseEntry { renewed, ..entry.clone() })
}
