//! Listing events: the published ones from their files, the others from the change log.

use super::{ChangeDetector, EventBus};
use crate::adapters::store::{Contents, FileRead, Shelf};
use crate::core::event::{self, Arrivals, Event, Fold, Published, Seen, Told};
use crate::core::name::{ChannelPattern, DocPath, EventId};
use crate::services::{Error, environment};

/// Which events to list.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only those on a channel that fits one of these; all, if there are none.
    pub patterns: Vec<ChannelPattern>,
    /// Only those behind this one.
    pub since: Option<EventId>,
    /// Only so many: the newest, or the first behind `since`.
    pub limit: Option<usize>,
}

impl EventBus<'_> {
    /// The published events of all files, those of the archive too, and what the feed keeps of the others: oldest first, or,
    /// behind an event, in the order in which they came here. A notice on `snapshot:replaced` goes before them if something may
    /// be missing; it does not count for the limit.
    ///
    /// # Errors
    /// [`Error::Store`] if the folder cannot be read.
    pub fn list(&self, filter: &Filter) -> Result<Vec<Event>, Error> {
        let mut detector = ChangeDetector::default();
        let told = detector.catch_up(self)?;
        let arrivals = Arrivals { told, unordered: detector.unordered().clone(), published: self.published()? };
        let found = match &filter.since {
            Some(since) => arrivals.behind(since, environment::now()),
            None => arrivals.by_time(),
        };
        let wanted = |told: &Told| match (filter.patterns.is_empty(), told.channels.first()) {
            (true, Some(channel)) => Some(told.on(channel.clone())),
            // What may be missing concerns only those who go on from somewhere.
            _ if filter.since.is_some() => told.wanted_or_notice(&filter.patterns),
            _ => told.wanted(&filter.patterns),
        };
        let mut events: Vec<Event> = found.iter().filter_map(wanted).collect();
        if let Some(limit) = filter.limit {
            // Behind an event one reads on; without one, the newest are wanted.
            match filter.since {
                Some(_) => events.truncate(limit + events.iter().take_while(|event| event.is_notice()).count()),
                None => drop(events.drain(..events.len().saturating_sub(limit))),
            }
        }
        Ok(events)
    }

    /// The published events of every file.
    pub(super) fn published(&self) -> Result<Vec<(DocPath, Vec<Told>)>, Error> {
        let read = self.read_contents(&self.logs()?)?.into_iter();
        let told =
            |bytes: &[u8], path: &DocPath| event::read_log(path, bytes).0.into_iter().map(Published::told).collect();
        Ok(read.map(|(path, file)| (path.clone(), told(&file.bytes, &path))).collect())
    }

    /// Every file of published events.
    fn logs(&self) -> Result<Vec<DocPath>, Error> {
        let mut paths = self.documents.store.folder.names(Shelf::Live)?;
        paths.extend(self.documents.store.folder.names(Shelf::Archive)?);
        paths.retain(DocPath::is_events);
        Ok(paths)
    }

    /// The events of a file that were not told. Where it does not begin with what was told, that has gone to the archive.
    pub(super) fn new_lines(
        &self,
        path: &DocPath,
        was: Option<&Seen>,
        bytes: &[u8],
        fold: &Fold,
    ) -> Result<Vec<Told>, Error> {
        let mut found = event::missing(path, was, bytes);
        // Of a file that is new here a part may have gone to the archive before it came.
        if found.is_none() || was.is_none() && fold.is_whole() {
            let start = format!("{}-", path.stem());
            let archived: Vec<DocPath> = self
                .documents
                .store
                .folder
                .names(Shelf::Archive)?
                .into_iter()
                .filter(|other| other.stem() == path.stem() || other.stem().starts_with(&start))
                .collect();
            let mut told = Vec::new();
            let mut is_found = was.is_none();
            for (other, contents) in self.read_contents(&archived)? {
                let known = if is_found { None } else { was };
                if let Some(rest) = event::missing(&other, known, &contents.bytes) {
                    is_found = true;
                    told.extend(rest);
                }
            }
            told.extend(event::missing(path, None, bytes).unwrap_or_default());
            found = Some(told);
        }
        let mut told = found.unwrap_or_default();
        told.retain(|told| !fold.has_told(&told.id));
        Ok(told)
    }

    /// The contents of these documents. Those that vanished or cannot be read are left out: nothing is known to have changed.
    pub(super) fn read_contents(&self, paths: &[DocPath]) -> Result<Vec<(DocPath, Contents)>, Error> {
        let mut read = Vec::with_capacity(paths.len());
        self.documents.store.folder.read_each(paths, &mut |path, found| {
            if let FileRead::Contents(contents) = found {
                read.push((path.clone(), contents));
            }
        })?;
        Ok(read)
    }
}
