//! Whether a document has what a change made of it: nothing would be added by merging the change again.

use std::collections::HashMap;

use super::MergeSides;
use crate::core::document::Document;
use crate::core::name::DocPath;

/// Returns true if the document `now` has everything that the change from `before` to `after` made of it; `None` is a
/// document that is not there.
#[must_use]
pub fn holds(path: &DocPath, before: Option<&Document>, after: Option<&Document>, now: Option<&Document>) -> bool {
    let (Some(after), Some(now)) = (after, now) else { return after == now };
    if after == now || before == Some(after) {
        return true;
    }
    if before == Some(now) {
        return false;
    }
    let merged = super::document(path, before, now, after, &MergeSides::GIT);
    merged.conflicts.is_empty() && merged.document == *now || has_lines(before, after, now)
}

/// Returns true if every line that a change added is there, and no line that it took away. A document that was edited right
/// beside the change conflicts with it by lines, and still has it.
fn has_lines(before: Option<&Document>, after: &Document, now: &Document) -> bool {
    let (old, new, now) = (before.map(count).unwrap_or_default(), count(after), count(now));
    let of = |lines: &HashMap<&str, usize>, line: &str| lines.get(line).copied().unwrap_or(0);
    let is_added = |line: &str| of(&new, line) > of(&old, line);
    let is_taken = |line: &str| of(&new, line) < of(&old, line);
    let has = |line: &str| !is_added(line) || of(&now, line) >= of(&new, line);
    let has_not = |line: &str| !is_taken(line) || of(&now, line) <= of(&new, line);
    new.keys().all(|line| has(line)) && old.keys().all(|line| has_not(line))
}

/// How often each line stands in a document; empty lines do not count.
fn count(document: &Document) -> HashMap<&str, usize> {
    let mut lines = HashMap::new();
    for line in document.text().lines().map(str::trim_end).filter(|line| !line.is_empty()) {
        *lines.entry(line).or_insert(0) += 1;
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_held_by_what_contains_it() {
        let path = DocPath::new("task-1.md").expect("a path");
        let task =
            |status: &str, rest: &str| format!("---\nid: task-1\ntype: x\nstatus: {status}\n---\n\nText.\n{rest}");
        let parse = |text: &Option<String>| text.as_ref().map(|text| Document::parse(text.clone().into_bytes()));
        let note = "\n## Notes\n\n- one\n";
        let (plain, noted) = (task("pending", ""), task("pending", note));
        let table = [
            (Some(plain.clone()), Some(noted.clone()), Some(noted.clone()), true),
            (Some(plain.clone()), Some(noted.clone()), Some(plain.clone()), false),
            (Some(plain.clone()), Some(noted.clone()), Some(task("running", note)), true),
            (Some(plain.clone()), Some(noted.clone()), Some(task("running", "")), false),
            (Some(plain.clone()), Some(noted.clone()), Some(task("pending", "\n## Notes\n\n- one\n- two\n")), true),
            (Some(plain.clone()), Some(noted.clone()), Some(task("pending", "\n## Notes\n\n- two\n")), false),
            (Some(plain.clone()), Some(noted.clone()), None, false),
            (None, Some(noted.clone()), None, false),
            (None, Some(noted.clone()), Some(noted.clone()), true),
            (Some(plain.clone()), None, None, true),
            (Some(plain.clone()), None, Some(plain.clone()), false),
            (Some(noted.clone()), Some(plain.clone()), Some(noted), false),
        ];
        for (before, after, now, expected) in table {
            let found = holds(&path, parse(&before).as_ref(), parse(&after).as_ref(), parse(&now).as_ref());
            assert_eq!(found, expected, "{before:?} {after:?} {now:?}");
        }
    }
}
