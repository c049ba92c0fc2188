//! Where a new key goes. Each changing key has a slot of its own behind a line that never changes, so that two branches that
//! set different keys merge clean with plain git. Decides a position, writes nothing.

use std::ops::Range;

use crate::core::document::fence::line_end;

/// The line behind which a slot begins.
enum Anchor {
    /// The first of these keys that is there.
    Key(&'static [&'static str]),
    /// A comment line.
    Comment(&'static str),
}

struct Slot {
    anchor: Anchor,
    /// The slot's keys, in their order.
    keys: &'static [&'static str],
}

const SLOTS: [Slot; 7] = [
    Slot {
        anchor: Anchor::Key(&["id", "agent"]),
        keys: &["status", "claimed_by", "fence", "lease", "attempt", "expiries", "not_before", "started", "skipped"],
    },
    Slot { anchor: Anchor::Key(&["type"]), keys: &["assigned_to"] },
    Slot { anchor: Anchor::Key(&["created", "created_at"]), keys: &["priority"] },
    Slot { anchor: Anchor::Comment("# waits for"), keys: &["depends_on"] },
    Slot { anchor: Anchor::Comment("# run"), keys: &["progress"] },
    Slot { anchor: Anchor::Comment("# review"), keys: &["review"] },
    Slot { anchor: Anchor::Comment("# approval"), keys: &["approved"] },
];

/// The slot of every other key: behind this comment and the keys that follow it.
const MORE: &str = "# more";

/// A key that is there: its name and its lines.
pub(super) struct Present<'a> {
    pub(super) key: &'a str,
    pub(super) lines: Range<usize>,
}

/// The byte at which the lines of a new key are inserted. Without its anchor a key goes behind the last one.
pub(super) fn position(text: &str, yaml: &Range<usize>, present: &[Present<'_>], key: &str) -> usize {
    let last = present.last().map_or(yaml.end, |present| present.lines.end);
    let Some((slot, before)) = SLOTS.iter().find_map(|slot| {
        let at = slot.keys.iter().position(|name| *name == key)?;
        Some((slot, &slot.keys[..at]))
    }) else {
        return comment_end(text, yaml, MORE).map_or(last, |anchor| anchor.max(last));
    };
    let anchor = match slot.anchor {
        Anchor::Comment(comment) => comment_end(text, yaml, comment),
        Anchor::Key(names) => names.iter().find_map(|name| lines_of(present, name)).map(|lines| lines.end),
    };
    let neighbours = before.iter().filter_map(|name| lines_of(present, name)).map(|lines| lines.end);
    let neighbour = neighbours.max();
    match (anchor, neighbour) {
        (None, None) => last,
        (anchor, neighbour) => anchor.max(neighbour).unwrap_or(last),
    }
}

fn lines_of<'a>(present: &'a [Present<'_>], name: &str) -> Option<&'a Range<usize>> {
    present.iter().find(|present| present.key == name).map(|present| &present.lines)
}

/// The end of the first line that is exactly a comment.
fn comment_end(text: &str, yaml: &Range<usize>, comment: &str) -> Option<usize> {
    let mut at = yaml.start;
    while at < yaml.end {
        let end = line_end(text, at);
        if text[at..end].trim_end() == comment {
            return Some(end);
        }
        at = end;
    }
    None
}
