//! The order in which events came here. It is the order of the feed, not that of their times: what a pull brings is older than
//! what was published here before it, and comes later.

use std::collections::HashSet;

use super::feed::Told;
use super::lifecycle::{Replaced, replaced};
use crate::core::name::{DocPath, EventId};
use crate::core::time::Timestamp;

/// What is known of events and of the order in which they came.
#[derive(Debug, Default)]
pub struct Arrivals {
    /// What the feed has told, in its order.
    pub told: Vec<Told>,
    /// Events of the feed that were there when it began: they came in an unknown order.
    pub unordered: HashSet<EventId>,
    /// The published events of each file, in the order of the file.
    pub published: Vec<(DocPath, Vec<Told>)>,
}

impl Arrivals {
    /// What came behind an event. Behind a notice if something may be missing: the event is not known here, or is older than
    /// the feed, and files of others have events of which nobody knows whether they came before it.
    #[must_use]
    pub fn behind(mut self, since: &EventId, now: Timestamp) -> Vec<Told> {
        let in_feed: HashSet<EventId> = self.told.iter().map(|told| told.id.clone()).collect();
        let mut all: Vec<Told> = Vec::new();
        for (_, events) in &self.published {
            all.extend(events.iter().filter(|event| !in_feed.contains(&event.id)).cloned());
        }
        all.sort_by(|one, other| (one.at, &one.id).cmp(&(other.at, &other.id)));
        let before_feed = all.len();
        all.append(&mut self.told);
        let mut seen = HashSet::new();
        all.retain(|told| seen.insert(told.id.clone()));
        let before_feed = before_feed.min(all.len());
        let Some(place) = all.iter().position(|told| told.id == *since) else {
            all.insert(0, replaced(&Replaced::Lost(since.clone()), now));
            return all;
        };
        let is_unordered = |at: usize, told: &Told| at < before_feed || self.unordered.contains(&told.id);
        let own = self.file_of(since);
        let may_be_later = |(at, told): (usize, &Told)| {
            is_unordered(at, told) && self.file_of(&told.id).is_some_and(|file| Some(file) != own)
        };
        let is_unsure = is_unordered(place, &all[place])
            && all[..place].iter().enumerate().any(|(at, told)| may_be_later((at, told)));
        let mut rest = all.split_off(place + 1);
        if is_unsure {
            rest.insert(0, replaced(&Replaced::Unordered(since.clone()), now));
        }
        rest
    }

    /// All of it, oldest first.
    #[must_use]
    pub fn by_time(self) -> Vec<Told> {
        let mut all = self.told;
        all.extend(self.published.into_iter().flat_map(|(_, events)| events));
        all.sort_by_key(|told| told.at);
        let mut seen = HashSet::new();
        all.retain(|told| seen.insert(told.id.clone()));
        all
    }

    fn file_of(&self, id: &EventId) -> Option<&DocPath> {
        self.published.iter().find(|(_, events)| events.iter().any(|event| event.id == *id)).map(|(path, _)| path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::name::Channel;

    fn event(id: &str, at: i64) -> Told {
        Told {
            id: EventId::new(id).expect("an id"),
            at: Timestamp::from_unix_ms(at),
            channels: vec![Channel::new("a:b").expect("a channel")],
            event: "published".to_owned(),
            body: serde_json::Map::new(),
        }
    }

    /// What stands behind `since`: the feed and the files as `id@time`, those whose order is unknown marked `?`.
    fn behind(feed: &str, files: &[(&str, &str)], since: &str) -> String {
        let parse = |text: &str| -> Vec<Told> {
            let one = |word: &str| {
                let (id, at) = word.trim_end_matches('?').split_once('@').expect("id@time");
                event(id, at.parse().expect("a time"))
            };
            text.split_whitespace().map(one).collect()
        };
        let unordered = feed.split_whitespace().filter(|word| word.ends_with('?'));
        let arrivals = Arrivals {
            told: parse(feed),
            unordered: unordered.flat_map(parse).map(|told| told.id).collect(),
            published: files.iter().map(|(name, text)| (DocPath::new(*name).expect("a path"), parse(text))).collect(),
        };
        let found = arrivals.behind(&EventId::new(since).expect("an id"), Timestamp::from_unix_ms(99));
        let name = |told: &Told| if told.event == "replaced" { "!".to_owned() } else { told.id.to_string() };
        found.iter().map(name).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_came_later_stands_behind_whatever_its_time() {
        let (ann, ben) = (("events-ann.md", "a1@5 a2@9"), ("events-ben.md", "b1@1 b2@2"));
        for (feed, since, expected) in [
            ("a1@5 b1@1 b2@2 a2@9", "a1", "b1 b2 a2"),
            ("a1@5 b1@1 b2@2 a2@9", "b1", "b2 a2"),
            ("a1@5 b1@1 b2@2 a2@9", "a2", ""),
            // The feed began with everything there was: whether b1 came before a1 is not known.
            ("b1@1? b2@2? a1@5? a2@9", "a1", "! a2"),
            ("b1@1? b2@2? a1@5? a2@9", "b1", "b2 a1 a2"),
            ("b1@1? b2@2? a1@5? a2@9", "a2", ""),
            // Older than the feed.
            ("a2@9", "a1", "! a2"),
            ("a2@9", "b2", "a1 a2"),
            // Not known at all.
            ("a1@5 a2@9", "x", "! b1 b2 a1 a2"),
        ] {
            assert_eq!(behind(feed, &[ann, ben], since), expected, "{feed} behind {since}");
        }
        // With one file the order is that of the file.
        assert_eq!(behind("a1@5? a2@9?", &[ann], "a1"), "a2");
    }
}
