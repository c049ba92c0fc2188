//! Signs that the holder of a task lives, and what history says against the lease registry. Reads only, but for notes in the
//! registry.
//!
//! A heartbeat, every operation of an agent, and each save of the held document or of the agent's own file renew a lease. They
//! are known by the times of files. These are of the clock on the wall, so they count only for the past, and only in favour of
//! the holder; a watcher notes them by the clock that nobody can set.

use std::path::Path;

use super::claim_arbiter::{ClaimArbiter, ClaimRequest, RemoteClaims};
use super::intake::unless_read_only;
use super::ledger::task_of;
use super::{Error, Project};
use crate::adapters::store;
use crate::core::document::Document;
use crate::core::entity::{Task, TaskStatus};
use crate::core::lease::{
    self, BootTime, EntryState, EntryWriter, FormerHolder, HolderDocument, LeaseEntry, LeaseEvidence, LeaseFacts,
    LeaseRequest, Override,
};
use crate::core::name::{AgentName, ContentId, DocId, DocPath, Kind};
use crate::core::time::Timestamp;

/// The part of a lease after which a sign of life is noted in the registry.
const NOTED_AFTER: u32 = 16;
/// Most former holders that are remembered.
const FORMER_MAX: usize = 8;

impl Project {
    /// When the holder of an entry last gave a sign of life, by the clock of the machine's start. `home` says whether the
    /// document where the entry was written still is theirs.
    pub(super) fn heard(&self, entry: &LeaseEntry, holder_document: &LeaseFacts, now: &BootTime) -> Option<u64> {
        let document = entry.place.root.join(&entry.place.document);
        let agent = DocPath::for_new(Kind::Agent, &DocId::from(entry.by.clone()));
        let agent =
            Path::new(&entry.place.document).parent().map(|folder| entry.place.root.join(folder).join(agent.as_str()));
        let is_theirs = holder_document.holder() == Some(&entry.by) && holder_document.fence == entry.fence;
        let saved = store::saved_at(&document).filter(|at| is_theirs && entry.foreign_save != Some(*at));
        let signs = [saved, agent.and_then(|path| store::saved_at(&path)), self.store.beat_saved_at(&entry.by)];
        let wall = self.now().unix_ms();
        let newest = signs.into_iter().flatten().filter(|at| *at <= wall).max()?;
        now.ms.checked_sub(u64::try_from(wall - newest).ok()?)
    }

    /// Gives a sign of life for an agent that acts: who does something is alive. That never fails what is done.
    pub(super) fn beat_of_operation(&self, agent: Option<&AgentName>) {
        if let Some(agent) = agent {
            let _ = self.store.beat(agent, self.now());
        }
    }

    /// Notes signs of life in the registry, so that neither a change of the clock on the wall nor a save of somebody else takes
    /// them away.
    pub(super) fn note_heard(&self, id: &DocId, path: &DocPath, task: &Task) -> Result<(), Error> {
        let lock = self.lock_claims()?;
        let evidence = self.sight(id, path, LeaseFacts::of(task))?;
        if let Some(entry) = heard_since(&evidence) {
            self.note(&lock, id, &entry)?;
            drop(lock);
            // The server, where there is one, counts by itself; where it cannot be asked the bridge tells it.
            let ask = LeaseRequest { by: entry.by, lease: entry.lease, over: Override::None };
            let _ = self.bridge().arbiter().renew(&ClaimRequest::new(task, &ask), RemoteClaims::IfLive);
        }
        Ok(())
    }

    /// Notes that an operation of somebody else wrote a document that an agent holds: such a save renews no lease.
    pub(super) fn note_foreign_save(
        &self,
        agent: Option<&AgentName>,
        path: &DocPath,
        document: &Document,
    ) -> Result<(), Error> {
        let Some(task) = task_of(path, document) else { return Ok(()) };
        if task.claimed_by.is_none() || task.claimed_by.as_ref() == agent || task.status != TaskStatus::Running {
            return Ok(());
        }
        let lock = self.lock_claims()?;
        let evidence = self.sight(&task.id, path, LeaseFacts::of(&task))?;
        let is_held =
            |entry: &&LeaseEntry| entry.state == EntryState::Held && evidence.holder_document == HolderDocument::Here;
        let (Some(entry), true) = (evidence.entry().filter(is_held), evidence.writer == EntryWriter::Gone) else {
            return Ok(());
        };
        let saved = store::saved_at(&entry.place.root.join(&entry.place.document));
        self.note(&lock, &task.id, &LeaseEntry { foreign_save: saved, ..entry.clone() })?;
        Ok(())
    }

    /// Notes the signs of life of the holder before an operation of somebody else writes the document.
    pub(super) fn note_heard_before(
        &self,
        agent: Option<&AgentName>,
        path: &DocPath,
        task: &Task,
    ) -> Result<(), Error> {
        let is_of_another =
            task.status == TaskStatus::Running && task.claimed_by.is_some() && task.claimed_by.as_ref() != agent;
        if is_of_another { unless_read_only(self.note_heard(&task.id, path, task)) } else { Ok(()) }
    }

    /// Returns true if the history of the branch had what an entry says, and left it again: a revert, which gave the task back
    /// to the holder whom the file names.
    pub(super) fn has_left(
        &self,
        path: &DocPath,
        entry: &LeaseEntry,
        here: &LeaseFacts,
        holder_document: &HolderDocument,
    ) -> Result<bool, Error> {
        let is_ended = !entry.state.is_held();
        let is_behind = entry.fence > here.fence
            || entry.fence == here.fence && is_ended && *holder_document != HolderDocument::Here;
        let Some(repository) = self.repository.as_ref().filter(|_| is_behind && here.holder().is_some()) else {
            return Ok(false);
        };
        let Some(tip) = repository.view().head(&self.target())?.revision else { return Ok(false) };
        let facts = |id: &ContentId| -> Result<Option<LeaseFacts>, Error> {
            Ok(task_of(path, &Document::parse(repository.view().read(id)?)).as_ref().map(LeaseFacts::of))
        };
        let only = std::collections::BTreeSet::from([path.clone()]);
        let committed = repository.view().contents_of(Some(&tip), self.folder(), &only)?.remove(path);
        let Some(committed) = committed.as_ref().map(facts).transpose()?.flatten() else { return Ok(false) };
        if committed.holder() != here.holder() || committed.fence != here.fence {
            return Ok(false);
        }
        for (_, id) in repository.log().versions_since(None, &tip, self.folder(), &[path])? {
            let then = facts(&id)?.filter(|then| then.fence >= entry.fence);
            if then.is_some_and(|then| then.fence > here.fence || then.status != TaskStatus::Running) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Who had a task before it is given to another agent, as far as they lost it.
    pub(super) fn former_holders(&self, evidence: &LeaseEvidence, by: &AgentName) -> Vec<FormerHolder> {
        let Some(entry) = evidence.entry() else { return Vec::new() };
        let mut former = entry.former.clone();
        if matches!(entry.state, EntryState::Begun | EntryState::Held | EntryState::Expired) {
            let ended = if entry.state == EntryState::Expired { entry.ended } else { self.ended(entry, evidence) };
            former.push(FormerHolder { by: entry.by.clone(), fence: entry.fence, ended });
        }
        former.retain(|former| former.by != *by);
        let extra = former.len().saturating_sub(FORMER_MAX);
        former.drain(..extra);
        former
    }

    /// So long before now, by the clock on the wall.
    pub(super) fn before(&self, span: std::time::Duration) -> Timestamp {
        let ms = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        Timestamp::from_unix_ms(self.now().unix_ms().saturating_sub(ms))
    }

    /// When the lease of an entry ended, by the clock on the wall.
    pub(super) fn ended(&self, entry: &LeaseEntry, evidence: &LeaseEvidence) -> Option<Timestamp> {
        let ago = lease::expired_for(entry, evidence.last_seen, &self.moment())?;
        Some(self.before(ago))
    }
}

/// The entry with what was heard since it was written; `None` if that is hardly more than it says.
fn heard_since(evidence: &LeaseEvidence) -> Option<LeaseEntry> {
    let entry =
        evidence.entry().filter(|entry| entry.state == EntryState::Held && evidence.writer == EntryWriter::Gone)?;
    let last_seen = evidence.last_seen?;
    let gained = last_seen.checked_sub(entry.renewed.ms).map(std::time::Duration::from_millis)?;
    let renewed = BootTime { ms: last_seen, ..entry.renewed.clone() };
    (gained >= entry.lease / NOTED_AFTER).then(|| LeaseEntry { renewed, ..entry.clone() })
}
