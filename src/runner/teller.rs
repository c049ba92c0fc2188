//! What an operation adds to the feed, and how the feed's lines are written and read. Touches no file.

use std::sync::{Arc, Mutex, PoisonError};

use crate::event::{self, Branch, Deed, Fold, Line};
use crate::store::{Record, Teller};

/// The name of the branch on which a workspace acts, as it was when the last operation was asked for.
pub(super) type On = Arc<Mutex<Option<String>>>;

/// What tells the operations of a store.
pub(super) fn teller(on: &On) -> Teller {
    let on = Arc::clone(on);
    Teller {
        lines: Arc::new(move |record, again| {
            let name = on.lock().unwrap_or_else(PoisonError::into_inner).clone();
            text(&told(record, again, name))
        }),
        base: Arc::new(|base, segment| {
            let mut fold = Fold::default();
            for line in lines(base).chain(lines(segment)) {
                fold.take(line);
            }
            text(&fold.lines().collect::<Vec<_>>())
        }),
    }
}

/// What the record of an operation tells.
pub(super) fn told(record: &Record, again: u32, name: Option<String>) -> Vec<Line> {
    let operation = &record.operation;
    let branch = Branch { name, revision: operation.base.as_ref().map(ToString::to_string) };
    let deed = Deed {
        id: &operation.id,
        agent: operation.agent.as_ref(),
        verb: &operation.verb,
        at: operation.at,
        branch,
        again,
    };
    let changes = record.changes.iter();
    let sides: Vec<_> =
        changes.map(|change| (&change.path, change.before.as_deref(), change.after.as_deref())).collect();
    event::told(&deed, &sides)
}

/// Lines as they stand in the feed.
pub(super) fn text(lines: &[Line]) -> Vec<u8> {
    lines.iter().flat_map(|line| line.text().into_bytes()).collect()
}

/// The lines of a part of the feed; what a power cut has spoilt is no line.
pub(super) fn lines(bytes: &[u8]) -> impl Iterator<Item = Line> {
    String::from_utf8_lossy(bytes).lines().filter_map(Line::parse).collect::<Vec<_>>().into_iter()
}
