//! Events on the server: what is emitted here goes out on its channels, behind the state that it is about; what only the server
//! knows is written down here. On the server an event is a hint: the record is in the files.

use std::collections::HashSet;

use serde_json::Value as Json;

use super::State;
use crate::adapters::redis::{BridgeError, Link, Message};
use crate::core::event::Told;
use crate::core::name::{Channel, DocId, DocPath, EventId, Kind};
use crate::services::bridge::inbox::Heard;
use crate::services::bridge::voice::{WRITTEN_DOWN, foreign, message, payload};
use crate::services::{Error, NewEvent};

/// Messages that are written down as one operation.
const WRITTEN_AT_ONCE: usize = 500;
/// Events with their ids that wait to be published, at most.
const RETOLD_MAX: usize = 10_000;
/// Keys and channels that are remembered as unusable, at most, for those of messages to be added.
const UNUSABLE_MAX: usize = 1_000;

impl State {
    /// Tells the server what was told here, but for what came from there.
    pub(in crate::services::bridge) fn tell(&mut self, link: &Link, told: &[Told]) -> Result<usize, Error> {
        let mut messages = Vec::new();
        let mut new: Vec<&Told> = told.iter().filter(|told| !self.outbox().has_arrived(&told.id)).collect();
        new.retain(|told| !self.is_left_to_git(told));
        // What says nothing of it is heard by all.
        let space = if new.is_empty() { None } else { link.space().ok().flatten() };
        for told in new {
            messages.extend(told.channels.iter().map(|channel| message(told, channel, space.as_deref())));
        }
        let sent = self.retell(link).and_then(|()| Ok(link.publish(&messages)?));
        if let Err(error) = sent {
            self.outbox().untold = told.to_vec();
            return Err(error);
        }
        if let Some(last) = told.last() {
            self.outbox().note_told(&last.id)?;
        }
        Ok(messages.len())
    }

    /// Returns true if an event is about a document whose text leaves this machine only as git stores it.
    fn is_left_to_git(&self, told: &Told) -> bool {
        let Some(repository) = &self.project().repository else { return false };
        Kind::ALL.into_iter().any(|kind| {
            let id = told.body.get(&format!("{}_id", kind.word())).and_then(Json::as_str);
            let path = id.and_then(|id| DocId::new(id).ok()).map(|id| DocPath::for_new(kind, &id));
            let gap = path
                .map(|path| repository.attributes().attribute_gap(&self.project().documents().in_repository(&path)));
            gap.is_some_and(|gap| !matches!(gap, Ok(None)))
        })
    }

    /// Puts into the stream what it has lost, if the server holds another set of data than before.
    pub(in crate::services::bridge) fn refill(&mut self, link: &Link, space: &str) -> Result<(), Error> {
        let mut messages = Vec::new();
        for told in self.outbox().lost_before(space)? {
            messages.extend(told.channels.iter().map(|channel| message(&told, channel, Some(space))));
        }
        Ok(link.keep(&messages)?)
    }

    /// Writes down what other programs published over the server alone while this clone had the lead, and publishes it with
    /// ids. What is dealt with is taken out of `heard`; what cannot be written stays in it. Gives how many messages came when
    /// it is not known whether another clone had the lead.
    ///
    /// # Errors
    /// [`Error`] if the folder fails, or the server when all is written.
    pub(in crate::services::bridge) fn write_down(
        &mut self,
        link: &Link,
        heard: &mut Vec<Heard>,
    ) -> Result<u64, Error> {
        let mut lost = 0;
        let mut sent =
            if heard.is_empty() { Ok(()) } else { self.leadership.still_leads(link).map(drop).map_err(Error::from) };
        while !heard.is_empty() {
            let part = heard.len().min(WRITTEN_AT_ONCE);
            let mut events = Vec::with_capacity(part);
            for message in &heard[..part] {
                match foreign(&message.channel, &message.payload) {
                    Ok(Some(event)) if self.leadership.times().had(message.at) => events.push(event),
                    // Else it was heard, and written down, by the clone that had the lead.
                    Ok(Some(_)) => lost += u64::from(!self.leadership.times().is_outside(message.at)),
                    Err(why) if self.leadership.times().had(message.at) => self.note_unusable(&message.channel, why),
                    Ok(None) | Err(_) => {}
                }
            }
            let ids = self.publish_foreign(events)?;
            drop(heard.drain(..part));
            sent = sent
                .and_then(|()| self.tell_again(link, &ids))
                .and_then(|()| self.leadership.keep(link).map(drop).map_err(Error::from));
        }
        sent.map(|()| lost)
    }

    fn publish_foreign(&mut self, events: Vec<NewEvent>) -> Result<Vec<EventId>, Error> {
        let channels: Vec<Channel> = events.iter().map(|event| event.channel.clone()).collect();
        let mut ids = Vec::with_capacity(events.len());
        for (channel, result) in
            channels.iter().zip(self.project().events().publish_all(&self.project().actor, events)?)
        {
            match result {
                Ok(id) => {
                    self.outbox().note_arrived(id.clone());
                    ids.push(id);
                }
                Err(why) => self.note_unusable(channel.as_str(), why.to_string()),
            }
        }
        Ok(ids)
    }

    fn note_unusable(&mut self, channel: &str, why: String) {
        if self.memory.garbage.len() < UNUSABLE_MAX {
            self.memory.garbage.insert(format!("channel {channel}"), why);
        }
    }

    fn tell_again(&mut self, link: &Link, ids: &[EventId]) -> Result<(), Error> {
        if ids.is_empty() {
            return Ok(());
        }
        let ids: HashSet<&EventId> = ids.iter().collect();
        let told = self.folder.hear()?;
        // What else was told meanwhile goes out with the next pass.
        self.outbox().untold.clone_from(&told);
        let space = link.space().ok().flatten();
        for told in told.iter().filter(|told| ids.contains(&told.id)) {
            if let Some(channel) = told.channels.first() {
                let payload = payload(&told.on(channel.clone()), space.as_deref());
                self.retold.push(Message { channel: WRITTEN_DOWN.to_owned(), payload });
            }
        }
        match self.retell(link) {
            // It is written down; others hear of it when there is room again.
            Err(Error::Bridge(BridgeError::Full { .. })) => {
                let too_many = self.retold.len().saturating_sub(RETOLD_MAX);
                drop(self.retold.drain(..too_many));
                Ok(())
            }
            done => done,
        }
    }

    fn retell(&mut self, link: &Link) -> Result<(), Error> {
        if !self.retold.is_empty() {
            link.publish(&self.retold)?;
            self.retold.clear();
        }
        Ok(())
    }
}
