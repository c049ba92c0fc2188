//! Writes of a pass, one call after the other.

use std::thread;
use std::time::Duration;

use super::calls::ServerCalls;
use super::client::{NewItem, Update};
use super::decode::{is_finished, token};
use super::error::TaskQueueError;
use super::listing::{ItemListing, project_in_use};
use super::marker::{ItemMarker, ProjectMarker};
use super::model::{Item, ItemStatus};
use super::projection::{Projection, rules};
use super::remote::TaskQueueSpace;
use crate::core::entity::{Entity, Task, TaskStatus};
use crate::core::reconcile::{AppliedWrite, RemoteWrite, WriteContent};
use crate::core::sabotage::{self, Sabotage};

/// Writes after which others get a chance to take the lock of the file, and for how long.
const WRITES_IN_A_ROW: usize = 20;
const PAUSE: Duration = Duration::from_millis(20);
/// Most items that are made by one call, and most bytes of their texts: the time of a call grows with the square of its size.
const ITEMS_AT_ONCE: usize = 100;
const BYTES_AT_ONCE: usize = 1 << 20;

/// Writes to the project in use, and makes one if there is none.
#[derive(Debug)]
pub(super) struct ItemWriter<'a> {
    server: &'a mut dyn ServerCalls,
    space: &'a TaskQueueSpace,
    listing: ItemListing,
    writes: usize,
}

/// An item that is to be made, for one of several writes.
struct NewProjection {
    write: usize,
    marker: ItemMarker,
    projection: Projection,
}

impl NewProjection {
    fn bytes(&self) -> usize {
        self.projection.title.len() + self.projection.description.len()
    }

    /// Makes a new item; one that has begun is not complete with that.
    fn item(&self) -> NewItem {
        let is_complete = self.projection.status == ItemStatus::NotStarted || sabotage::on(Sabotage::CompleteAtOnce);
        let marker = ItemMarker { digest: self.marker.digest.clone().filter(|_| is_complete), ..self.marker.clone() };
        NewItem {
            title: self.projection.title.clone(),
            description: self.projection.description.clone(),
            rule_recommendations: rules(&marker),
        }
    }
}

impl<'a> ItemWriter<'a> {
    /// Begins with what was just read.
    pub(super) fn new(server: &'a mut dyn ServerCalls, space: &'a TaskQueueSpace, listing: ItemListing) -> Self {
        Self { server, space, listing, writes: 0 }
    }

    /// Writes in this order, as far as the server does not refuse.
    pub(super) fn send(mut self, writes: &[RemoteWrite]) -> Result<Vec<AppliedWrite>, TaskQueueError> {
        let mut answers = Vec::with_capacity(writes.len());
        let mut new = Vec::new();
        for (index, write) in writes.iter().enumerate() {
            answers.push(match &write.content {
                WriteContent::Gone { .. } => self.delete(write)?,
                WriteContent::Text { entity, .. } => match &**entity {
                    Entity::Task(task) => self.write(write, index, task, &mut new)?,
                    Entity::Agent(_) | Entity::Workflow(_) => {
                        AppliedWrite::Refused("TaskQueue has tasks alone".to_owned())
                    }
                },
            });
        }
        self.make(&new, &mut answers)?;
        Ok(answers)
    }

    fn delete(&mut self, write: &RemoteWrite) -> Result<AppliedWrite, TaskQueueError> {
        let number = next_number(write);
        let Some(one) = self.listing.item(&write.key.1).cloned() else { return Ok(AppliedWrite::Same(number)) };
        if one.item.approved || self.listing.is_finalized {
            return Ok(AppliedWrite::Same(number));
        }
        if token(&one.item) != write.seen.token {
            return Ok(AppliedWrite::Conflict);
        }
        self.remove_surplus(write)?;
        self.delete_item(&one.item.id).map(|refused| refused.unwrap_or(AppliedWrite::Written(number)))
    }

    /// Changes the item of a task, or notes that one is to be made.
    fn write(
        &mut self,
        write: &RemoteWrite,
        index: usize,
        task: &Task,
        new: &mut Vec<NewProjection>,
    ) -> Result<AppliedWrite, TaskQueueError> {
        let projection = Projection::of(task);
        let marker = ItemMarker {
            space: self.space.id.clone(),
            task: write.key.1.clone(),
            digest: Some(projection.digest()),
            number: next_number(write),
        };
        let one = self.listing.item(&write.key.1).cloned();
        let is_frozen = one.as_ref().is_some_and(|one| one.item.approved) || self.listing.is_finalized;
        match one {
            Some(one) if is_frozen && task.status == TaskStatus::Completed => {
                Ok(AppliedWrite::Same(one.number().max(write.known_number)))
            }
            None if is_finished(task) => Ok(AppliedWrite::Same(write.known_number)),
            Some(one) if !is_frozen => {
                if token(&one.item) != write.seen.token {
                    return Ok(AppliedWrite::Conflict);
                }
                self.remove_surplus(write)?;
                if one.marker.as_ref().is_some_and(|marker| marker.digest == Some(projection.digest()))
                    && Projection::shown(&one.item).digest() == projection.digest()
                {
                    return Ok(AppliedWrite::Same(one.number()));
                }
                self.update(&one.item, &projection, &marker)
            }
            _ => {
                let answer = AppliedWrite::Written(marker.number);
                new.push(NewProjection { write: index, marker, projection });
                Ok(answer)
            }
        }
    }

    /// Deletes items that show the same task beside the one that counts.
    fn remove_surplus(&mut self, write: &RemoteWrite) -> Result<(), TaskQueueError> {
        if sabotage::on(Sabotage::KeepSurplus) {
            return Ok(());
        }
        let surplus: Vec<String> = self.listing.surplus(&write.key.1).map(|item| item.id.clone()).collect();
        for id in surplus {
            self.delete_item(&id)?;
        }
        Ok(())
    }

    /// Deletes an item; what the server said if it refused.
    fn delete_item(&mut self, id: &str) -> Result<Option<AppliedWrite>, TaskQueueError> {
        self.give_way();
        match self.server.delete(&self.listing.project, id, self.space.within) {
            Ok(()) => Ok(None),
            Err(TaskQueueError::Refused { why, .. }) => Ok(Some(AppliedWrite::Refused(why))),
            Err(error) => Err(error),
        }
    }

    /// Changes all that differs by one call, with the marker: it is done as a whole or not at all.
    fn update(&mut self, item: &Item, to: &Projection, marker: &ItemMarker) -> Result<AppliedWrite, TaskQueueError> {
        let is_done = to.status == ItemStatus::Done;
        let update = Update {
            title: (item.title != to.title).then(|| to.title.clone()),
            description: (item.description != to.description).then(|| to.description.clone()),
            status: (item.status != to.status || is_done).then_some(to.status),
            completed_details: is_done.then(|| to.details.clone()),
            rule_recommendations: Some(rules(marker)),
        };
        // A fork lets nothing be done that was not begun.
        let is_leap = item.status == ItemStatus::NotStarted && is_done;
        let began = Update { status: Some(ItemStatus::InProgress), ..Update::default() };
        for attempt in [Some(&update), Some(&began).filter(|_| is_leap), Some(&update).filter(|_| is_leap)] {
            let Some(attempt) = attempt else { break };
            self.give_way();
            match self.server.update(&self.listing.project, &item.id, attempt, self.space.within) {
                Ok(_) if attempt == &update => return Ok(AppliedWrite::Written(marker.number)),
                Ok(_) => {}
                Err(TaskQueueError::Refused { .. }) if is_leap && attempt == &update => {}
                Err(TaskQueueError::Refused { why, .. }) => return Ok(AppliedWrite::Refused(why)),
                Err(error) => return Err(error),
            }
        }
        Ok(AppliedWrite::Refused("it refuses the change, and each step of it".to_owned()))
    }

    /// Makes items, in their order. One that has begun is brought to where it is once it was read again: the server may have given
    /// its id to something of another client as well.
    fn make(&mut self, new: &[NewProjection], answers: &mut [AppliedWrite]) -> Result<(), TaskQueueError> {
        if new.is_empty() {
            return Ok(());
        }
        if (self.listing.project.is_empty() || self.listing.is_finalized) && !self.make_project()? {
            for new in new {
                answers[new.write] = AppliedWrite::Conflict;
            }
            return Ok(());
        }
        let mut rest = new;
        while !rest.is_empty() {
            let (mut count, mut bytes) = (0, 0);
            while count < rest.len().min(ITEMS_AT_ONCE) && (count == 0 || bytes + rest[count].bytes() <= BYTES_AT_ONCE)
            {
                bytes += rest[count].bytes();
                count += 1;
            }
            let (part, behind) = rest.split_at(count);
            rest = behind;
            let items: Vec<NewItem> = part.iter().map(NewProjection::item).collect();
            self.give_way();
            match self.server.add(&self.listing.project, &items, self.space.within) {
                Ok(_) => {}
                Err(TaskQueueError::Refused { why, .. }) => {
                    for new in part {
                        answers[new.write] = AppliedWrite::Refused(why.clone());
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Makes a project. Returns false if another clone has made one at the same time and that one is in use: then ours stays empty.
    fn make_project(&mut self) -> Result<bool, TaskQueueError> {
        let marker = ProjectMarker { space: self.space.id.clone(), generation: self.listing.generation + 1 };
        let prompt = format!("{}\n{}", self.space.title, marker.line());
        let made = self.server.create_project(&prompt, self.space.within)?;
        let rows = self.server.projects(self.space.within)?;
        let is_used = project_in_use(&rows, &self.space.id).is_some_and(|(row, _)| row.project_id == made);
        self.listing = ItemListing::empty(made, marker.generation);
        Ok(is_used)
    }

    /// A client that writes without a pause keeps the lock from all others.
    fn give_way(&mut self) {
        self.writes += 1;
        if self.writes.is_multiple_of(WRITES_IN_A_ROW) {
            thread::sleep(PAUSE);
        }
    }
}

/// The number of the version that is written.
const fn next_number(write: &RemoteWrite) -> u64 {
    let known = if write.seen.number > write.known_number { write.seen.number } else { write.known_number };
    known + 1
}
