//! Merging any bytes: it ends, does not depend on who merges whom, and shows each conflict.

use super::parts;
use crate::core::document::Document;
use crate::core::merge::{self, MergeSides};
use crate::core::name::DocPath;

/// Three versions of a document: base, ours and theirs. Without a third the first is on both sides.
pub(super) fn merge(input: &[u8]) {
    let documents: Vec<Document> = parts(input).take(3).map(Document::parse).collect();
    let (Some(base), Some(ours)) = (documents.first(), documents.get(1)) else { return };
    let theirs = documents.get(2).unwrap_or(base);
    for name in ["task-1.md", "agent-a.md", "workflow-1.md", "other.md", "events-a.md"] {
        let path = DocPath::new(name).expect("a path");
        for base in [Some(base), None] {
            let one = merge::document(&path, base, ours, theirs, &MergeSides::ALIKE);
            let another = merge::document(&path, base, theirs, ours, &MergeSides::ALIKE);
            let is_text = [ours, theirs].iter().all(|side| std::str::from_utf8(side.bytes()).is_ok());
            assert_eq!(one.conflicts.len(), another.conflicts.len());
            assert!(!is_text || one.document.bytes() == another.document.bytes());
            let was_readable = ours.is_readable() && theirs.is_readable();
            if was_readable && !path.is_events() {
                assert_eq!(one.document.is_readable(), one.conflicts.is_empty(), "{:?}", one.conflicts);
            }
            // A marker that stood in a text before makes two readings of the conflict, and neither is taken.
            let had_marks = documents.iter().any(has_mark);
            let taken = merge::sides(&String::from_utf8_lossy(one.document.bytes()));
            let is_whole = taken.is_some() || had_marks;
            assert!(!was_readable || one.conflicts.is_empty() || path.is_events() || is_whole);
        }
    }
}

fn has_mark(document: &Document) -> bool {
    let is_mark = |line: &str| ["<<<<<<<", ">>>>>>>"].iter().any(|mark| line.starts_with(mark));
    // Also of a text that cannot be read as one: it may be the base.
    String::from_utf8_lossy(document.bytes()).lines().any(is_mark)
}
