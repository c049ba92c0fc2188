//! Check boxes outside of the sections that are lists: each is decided by itself, so that neighbours can be ticked on two sides.

use std::collections::BTreeMap;

use super::items::LISTS;
use super::three::{Three, plain};
use crate::core::document::{Document, EditError};

/// What a check box is known by: its text, and which of those with this text it is.
type Key = (String, usize);

/// The mark that each check box has at the end: as the side that changed it has it, ticked where both sides are new and
/// one is ticked.
pub(super) struct Marks(BTreeMap<Key, bool>);

impl Marks {
    pub(super) fn decide(base: &Document, a: &Document, b: &Document) -> Self {
        let read = |document| boxes(document).into_iter().flatten().collect::<BTreeMap<Key, bool>>();
        let (base, a, b) = (read(base), read(a), read(b));
        let decided = a.iter().filter_map(|(key, mine)| {
            let other = b.get(key)?;
            let done = match base.get(key) {
                Some(old) => match plain(old, mine, other, |x, y| x == y) {
                    Three::Is(done) => done,
                    Three::Clash => *mine,
                },
                None => *mine || *other,
            };
            Some((key.clone(), done))
        });
        Self(decided.collect())
    }

    /// The document with every check box as it was decided.
    pub(super) fn write(&self, document: &Document) -> Result<Document, EditError> {
        let steps = document.body().steps().iter();
        let marks = steps
            .zip(boxes(document))
            .map(|(step, at)| at.and_then(|(key, _)| self.0.get(&key).copied()).unwrap_or(step.done));
        document.edit().set_marks(&marks.collect::<Vec<_>>())
    }
}

/// For each check box its key and whether it is ticked; `None` for those that are merged with their section.
fn boxes(document: &Document) -> Vec<Option<(Key, bool)>> {
    let lists: Vec<_> = LISTS.iter().filter_map(|heading| document.body().section(heading)).collect();
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    let one = |step| {
        let step: &crate::core::document::Step = step;
        if lists.iter().any(|section| section.span.contains(&step.mark)) {
            return None;
        }
        let count = seen.entry(&step.text).or_insert(0);
        *count += 1;
        Some(((step.text.clone(), *count), step.done))
    };
    document.body().steps().iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_box_is_decided_by_itself() {
        let document = |body: &str| Document::parse(format!("---\nid: t\n---\n\n{body}").into_bytes());
        for (heading, end) in [("", ""), ("## Acceptance Criteria\n\n", "\n## Progress\n\n- [ ] one\n")] {
            let body = |one: &str, two: &str, three: &str| {
                document(&format!("{heading}- [{one}] one\n- [{two}] two\n  - [{three}] two\n{end}"))
            };
            let (base, a, b) = (body(" ", " ", "x"), body("x", " ", "x"), body(" ", "x", " "));
            let marks = Marks::decide(&base, &a, &b);
            for side in [&base, &a, &b] {
                assert_eq!(marks.write(side).expect("an edit"), body("x", "x", " "));
            }
        }
    }
}
