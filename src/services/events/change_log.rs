//! What an operation adds to the feed, and how the feed's lines are written and read. Touches no file.

use std::sync::Arc;

use crate::adapters::store::{Record, RecordedChange, Teller};
use crate::core::event::{self, Branch, Deed, Fold, Line};
use crate::core::name::DocPath;

/// What tells the operations of a store.
pub(in crate::services) fn teller() -> Teller {
    Teller {
        lines: Arc::new(|record, again| text(&told(record, again, record.operation.branch.clone()))),
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
pub(in crate::services) fn told(record: &Record, again: u32, name: Option<String>) -> Vec<Line> {
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

/// The lines of the newest operations that left a document so, each of which found what the one before had left, if they were
/// never told: their process died, or the power failed, or their process may not write the feed.
pub(super) fn of_journal(fold: &Fold, journal: &[Record], path: &DocPath, bytes: Option<&[u8]>) -> Option<Vec<Line>> {
    let name = fold.branch().and_then(|branch| branch.name.clone());
    let is_told = |line: &Line| line.told.iter().any(|told| fold.has_told(&told.id));
    let (mut lines, mut left) = (Vec::new(), bytes);
    for record in journal.iter().rev() {
        let left_so = |change: &&RecordedChange| change.path == *path && change.after.as_deref() == left;
        let Some(change) = record.changes.iter().find(left_so) else { continue };
        let own = told(record, 0, name.clone()).into_iter().filter(|line| line.path.as_ref() == Some(path));
        let own: Vec<Line> = own.collect();
        if own.is_empty() || own.iter().any(is_told) {
            break;
        }
        lines.splice(0..0, own);
        left = change.before.as_deref();
    }
    (!lines.is_empty()).then_some(lines)
}

/// Lines as they stand in the feed.
pub(super) fn text(lines: &[Line]) -> Vec<u8> {
    lines.iter().flat_map(|line| line.text().into_bytes()).collect()
}

/// The lines of a part of the feed; what a power cut has spoilt is no line.
pub(super) fn lines(bytes: &[u8]) -> impl Iterator<Item = Line> {
    String::from_utf8_lossy(bytes).lines().filter_map(Line::parse).collect::<Vec<_>>().into_iter()
}
