//! Events on the server: what is emitted here goes out on its channels, behind the state that it is about; what only the server
//! knows is written down here. On the server an event is a hint: the record is in the files.

use std::collections::HashSet;

use serde_json::Value as Json;

use super::RedisSession;
use crate::adapters::redis::{BridgeError, Message};
use crate::core::event::Told;
use crate::core::name::{Channel, DocId, DocPath, EventId, Kind};
use crate::services::bridge::mirror::Mirror;
use crate::services::bridge::redis::inbox::Heard;
use crate::services::bridge::redis::voice::{WRITTEN_DOWN, foreign, message, payload};
use crate::services::{Error, NewEvent};

/// Messages that are written down as one operation.
const WRITTEN_AT_ONCE: usize = 500;
/// Events with their ids that wait to be published, at most.
const RETOLD_MAX: usize = 10_000;
/// Keys and channels that are remembered as unusable, at most, for those of messages to be added.
const UNUSABLE_MAX: usize = 1_000;

impl RedisSession<'_> {
    /// Tells the server what was told here, but for what came from there.
    pub(in crate::services::bridge::redis) fn tell(
        &mut self,
        mirror: &mut Mirror,
        told: &[Told],
    ) -> Result<usize, Error> {
        let mut messages = Vec::new();
        let mut new: Vec<&Told> = told.iter().filter(|told| !mirror.outbox().has_arrived(&told.id)).collect();
        new.retain(|told| !Self::is_left_to_git(mirror, told));
        // What says nothing of it is heard by all.
        let space = if new.is_empty() { None } else { self.link.space().ok().flatten() };
        for told in new {
            messages.extend(told.channels.iter().map(|channel| message(told, channel, space.as_deref())));
        }
        let sent = self.retell().and_then(|()| Ok(self.link.publish(&messages)?));
        if let Err(error) = sent {
            mirror.outbox().untold = told.to_vec();
            return Err(error);
        }
        if let Some(last) = told.last() {
            mirror.outbox().note_told(&last.id)?;
        }
        Ok(messages.len())
    }

    /// Returns true if an event is about a document whose text leaves this machine only as git stores it.
    fn is_left_to_git(mirror: &Mirror, told: &Told) -> bool {
        let Some(repository) = &mirror.project().repository else { return false };
        Kind::ALL.into_iter().any(|kind| {
            let id = told.body.get(&format!("{}_id", kind.word())).and_then(Json::as_str);
            let path = id.and_then(|id| DocId::new(id).ok()).map(|id| DocPath::for_new(kind, &id));
            let gap = path
                .map(|path| repository.attributes().attribute_gap(&mirror.project().documents().in_repository(&path)));
            gap.is_some_and(|gap| !matches!(gap, Ok(None)))
        })
    }

    /// Puts into the stream what it has lost, if the server holds another set of data than before.
    pub(super) fn refill(&mut self, mirror: &mut Mirror, space: &str) -> Result<(), Error> {
        let mut messages = Vec::new();
        for told in mirror.outbox().lost_before(space)? {
            messages.extend(told.channels.iter().map(|channel| message(&told, channel, Some(space))));
        }
        Ok(self.link.keep(&messages)?)
    }

    /// Writes down what other programs published over the server alone while this clone had the lead, and publishes it with
    /// ids. What is dealt with is taken out of `heard`; what cannot be written stays in it. Gives how many messages came when
    /// it is not known whether another clone had the lead.
    ///
    /// # Errors
    /// [`Error`] if the folder fails, or the server when all is written.
    pub(super) fn write_down(&mut self, mirror: &mut Mirror, heard: &mut Vec<Heard>) -> Result<u64, Error> {
        let mut lost = 0;
        let mut sent = if heard.is_empty() {
            Ok(())
        } else {
            self.leadership.still_leads(&self.link).map(drop).map_err(Error::from)
        };
        while !heard.is_empty() {
            let part = heard.len().min(WRITTEN_AT_ONCE);
            let mut events = Vec::with_capacity(part);
            for message in &heard[..part] {
                match foreign(&message.channel, &message.payload) {
                    Ok(Some(event)) if self.leadership.times().had(message.at) => events.push(event),
                    // Else it was heard, and written down, by the clone that had the lead.
                    Ok(Some(_)) => lost += u64::from(!self.leadership.times().is_outside(message.at)),
                    Err(why) if self.leadership.times().had(message.at) => {
                        Self::note_unusable(mirror, &message.channel, why);
                    }
                    Ok(None) | Err(_) => {}
                }
            }
            let ids = Self::publish_foreign(mirror, events)?;
            drop(heard.drain(..part));
            sent = sent
                .and_then(|()| self.tell_again(mirror, &ids))
                .and_then(|()| self.leadership.keep(&self.link).map(drop).map_err(Error::from));
        }
        sent.map(|()| lost)
    }

    fn publish_foreign(mirror: &mut Mirror, events: Vec<NewEvent>) -> Result<Vec<EventId>, Error> {
        let channels: Vec<Channel> = events.iter().map(|event| event.channel.clone()).collect();
        let mut ids = Vec::with_capacity(events.len());
        for (channel, result) in
            channels.iter().zip(mirror.project().events().publish_all(&mirror.project().actor, events)?)
        {
            match result {
                Ok(id) => {
                    mirror.outbox().note_arrived(id.clone());
                    ids.push(id);
                }
                Err(why) => Self::note_unusable(mirror, channel.as_str(), why.to_string()),
            }
        }
        Ok(ids)
    }

    fn note_unusable(mirror: &mut Mirror, channel: &str, why: String) {
        if mirror.memory.garbage.len() < UNUSABLE_MAX {
            mirror.memory.garbage.insert(format!("channel {channel}"), why);
        }
    }

    fn tell_again(&mut self, mirror: &mut Mirror, ids: &[EventId]) -> Result<(), Error> {
        if ids.is_empty() {
            return Ok(());
        }
        let ids: HashSet<&EventId> = ids.iter().collect();
        let told = mirror.folder.hear()?;
        // What else was told meanwhile goes out with the next pass.
        mirror.outbox().untold.clone_from(&told);
        let space = self.link.space().ok().flatten();
        for told in told.iter().filter(|told| ids.contains(&told.id)) {
            if let Some(channel) = told.channels.first() {
                let payload = payload(&told.on(channel.clone()), space.as_deref());
                self.retold.push(Message { channel: WRITTEN_DOWN.to_owned(), payload });
            }
        }
        match self.retell() {
            // It is written down; others hear of it when there is room again.
            Err(Error::Bridge(BridgeError::Full { .. })) => {
                let too_many = self.retold.len().saturating_sub(RETOLD_MAX);
                drop(self.retold.drain(..too_many));
                Ok(())
            }
            done => done,
        }
    }

    fn retell(&mut self) -> Result<(), Error> {
        if !self.retold.is_empty() {
            self.link.publish(&self.retold)?;
            self.retold.clear();
        }
        Ok(())
    }
}
