//! Heartbeats passed on to the server, so that the hashes of living agents and running workflows stay.

use std::time::Duration;

use super::RedisSession;
use crate::adapters::redis::codec;
use crate::core::entity::{Workflow, WorkflowStatus};
use crate::core::name::{DocId, Kind};
use crate::core::time::Timestamp;
use crate::services::Error;
use crate::services::bridge::mirror::Mirror;
use crate::services::bridge::mirror_folder::MirrorFolder as _;

/// How often the hashes of running workflows begin to live anew, in milliseconds: twice in their life.
const RENEW_MS: i64 = 1_800_000;

impl RedisSession<'_> {
    /// Running workflows, now and then: their hashes live for a while only, and nobody need change them for longer.
    fn workflows_to_renew(&mut self, mirror: &Mirror) -> Vec<(String, Duration)> {
        let now = mirror.project().now();
        let is_due = |last: Timestamp| !(0..RENEW_MS).contains(&(now.unix_ms() - last.unix_ms()));
        if !self.renewed.is_none_or(is_due) {
            return Vec::new();
        }
        self.renewed = Some(now);
        let running = mirror
            .folder
            .documents()
            .snapshot()
            .workflows()
            .filter(|workflow| workflow.status == WorkflowStatus::Running);
        let hash = |workflow: &Workflow| self.link.keys().document(Kind::Workflow, &workflow.id);
        running.map(|workflow| (hash(workflow), codec::WORKFLOW_LIFE)).collect()
    }

    /// Signs of life that came since, passed on: the hash of a living agent stays.
    pub(super) fn pass_on_beats(&mut self, mirror: &mut Mirror) -> Result<(), Error> {
        let beats = mirror.project().store.local.heartbeats()?;
        let known = mirror.folder.replace_heartbeats(beats.clone());
        let now = mirror.project().now();
        let mut ttls = Vec::new();
        for (agent, at) in &beats {
            if known.get(agent) == Some(at) {
                continue;
            }
            let item = (Kind::Agent, DocId::from(agent.clone()));
            let files = mirror.folder.documents().files(&item);
            let Some(entity) = files.first().and_then(|entry| entry.entity.as_ref()) else { continue };
            if let codec::HashLife::For(left) = codec::hash_life(entity, Some(*at), now) {
                ttls.push((self.link.keys().document(Kind::Agent, &item.1), left));
            }
        }
        ttls.extend(self.workflows_to_renew(mirror));
        self.link.expire(&ttls)?;
        Ok(())
    }
}
