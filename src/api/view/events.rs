//! The part of the events that one answer shows.

use super::envelope::{ANSWER_BYTES_MAX, ITEMS_DEFAULT, ListPage};
use crate::core::event::Event;

/// Returns the part of the events that an answer shows: the first if it goes on behind an event, else the newest. Without a
/// limit the bytes are limited too.
#[must_use]
pub fn event_page(mut events: Vec<Event>, is_resumed: bool, limit: Option<usize>) -> ListPage<Event> {
    let (total, shown) = (events.len(), limit.unwrap_or(ITEMS_DEFAULT));
    // Behind an event one reads on; without one, the newest are wanted.
    if is_resumed {
        // A notice that something may be missing is no event to go on from.
        events.truncate(shown + events.iter().take_while(|event| event.is_notice()).count());
    } else {
        events.drain(..total.saturating_sub(shown));
    }
    if limit.is_none() {
        let mut left = ANSWER_BYTES_MAX;
        let mut fits = |event: &&Event| {
            let bytes = event.to_json().to_string().len();
            let fits = bytes <= left;
            left = left.saturating_sub(bytes);
            fits
        };
        if is_resumed {
            let count = events.iter().take_while(&mut fits).count().max(1);
            events.truncate(count);
        } else {
            let count = events.iter().rev().take_while(&mut fits).count().max(1);
            events.drain(..events.len().saturating_sub(count));
        }
    }
    let next = events.last().filter(|_| events.len() < total).map(|event| event.id.to_string());
    ListPage { items: events, total, limit: shown, next }
}
