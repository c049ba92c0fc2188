//! Finds the operations of the journal that git put back before they were committed. Pure; reads no file and no history.

use std::collections::{BTreeMap, BTreeSet};

use super::{Content, KnownContents, PlannedChange, Recorded};
use crate::core::document::Document;
use crate::core::merge;
use crate::core::name::{DocPath, OperationId};

/// What one operation did to one document, and is in neither the newest commit nor the document any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutBack<'a> {
    /// The operation.
    pub recorded: &'a Recorded,
    /// Which document.
    pub path: &'a DocPath,
    /// What the operation found.
    pub before: &'a Content,
    /// What it left.
    pub after: &'a Content,
}

/// One operation of a chain: its place in the journal, what it found and what it left.
type Link<'a> = (&'a Recorded, &'a Content, &'a Content);

/// The operations that are about to be forgotten although no step commits what they did: `git rebase --abort`, `git stash`,
/// `git checkout -- .` and the like replaced their documents first.
///
/// What the newest commit or the document holds by now, by whatever way it came there, is not put back.
#[must_use]
pub fn put_back<'a>(
    journal: &'a [Recorded],
    known: &BTreeMap<DocPath, KnownContents>,
    steps: &[PlannedChange],
    finished: &BTreeSet<OperationId>,
) -> Vec<PutBack<'a>> {
    let committed: BTreeSet<(&OperationId, &DocPath)> =
        steps.iter().filter_map(|step| Some((&step.operation.as_ref()?.id, &step.path))).collect();
    let mut left_out: BTreeMap<&DocPath, Vec<Link<'a>>> = BTreeMap::new();
    for recorded in journal.iter().filter(|one| finished.contains(&one.operation.id)) {
        for (path, before, after) in &recorded.changes {
            if known.contains_key(path) && !committed.contains(&(&recorded.operation.id, path)) {
                left_out.entry(path).or_default().push((recorded, before, after));
            }
        }
    }
    let mut found = Vec::new();
    for (path, links) in left_out {
        let Some(state) = known.get(path) else { continue };
        // A document that a person has edited in between still has what the operation did.
        for chain in links.chunk_by(|one, next| one.2 == next.1 || holds(path, one.1, one.2, next.1)) {
            let lost = lost_end(path, chain, state);
            found.extend(lost.into_iter().map(|(recorded, before, after)| PutBack { recorded, path, before, after }));
        }
    }
    found
}

/// The end of a chain of operations that is not in the newest commit and not in the document.
fn lost_end<'a>(path: &DocPath, chain: &[Link<'a>], state: &KnownContents) -> Vec<Link<'a>> {
    let is_here = |content: &Content| *content == state.head || *content == state.folder;
    let kept = chain.iter().rposition(|(_, _, after)| is_here(after)).map_or(0, |last| last + 1);
    let rest = &chain[kept..];
    let (Some((_, before, _)), Some((_, _, after))) = (rest.first(), rest.last()) else { return Vec::new() };
    let has = |before: &Content, after: &Content| {
        holds(path, before, after, &state.folder) || holds(path, before, after, &state.head)
    };
    if has(before, after) {
        return Vec::new();
    }
    rest.iter().filter(|(_, before, after)| !has(before, after)).copied().collect()
}

/// Returns true if a document that holds `now` has everything that the change from `before` to `after` made of it.
#[must_use]
pub fn holds(path: &DocPath, before: &Content, after: &Content, now: &Content) -> bool {
    let parse = |content: &Content| content.as_ref().map(|bytes| Document::parse(std::sync::Arc::clone(bytes)));
    merge::holds(path, parse(before).as_ref(), parse(after).as_ref(), parse(now).as_ref())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{CommitOperation, steps};
    use super::*;
    use crate::core::name::DocId;

    fn content(text: &str) -> Content {
        (!text.is_empty()).then(|| Arc::from(text.as_bytes()))
    }

    fn op(id: &str, changes: &[(&str, &str, &str)]) -> Recorded {
        let id = OperationId::new(id).expect("valid");
        let document = DocId::new("x").expect("valid");
        let path = |path: &str| DocPath::new(path).expect("valid");
        let changes = changes.iter().map(|(p, b, a)| (path(p), content(b), content(a))).collect();
        Recorded { operation: CommitOperation { id, verb: "x".into(), document, agent: None }, base: None, changes }
    }

    /// The operations that were put back, with their documents, for documents with these heads and folders.
    fn lost(journal: &[Recorded], states: &[(&str, &str, &str)]) -> Vec<String> {
        let known: BTreeMap<DocPath, KnownContents> = states
            .iter()
            .map(|(path, head, folder)| {
                let state = KnownContents {
                    head: content(head),
                    folder: content(folder),
                    admit_edit: true,
                    has_gone_on: false,
                };
                (DocPath::new(*path).expect("valid"), state)
            })
            .collect();
        let steps = steps(journal, &known, &|_, _, _| crate::core::plan::HandEdit::default());
        let finished = super::super::finished(journal, &known, &super::super::group(&steps));
        put_back(journal, &known, &steps, &finished)
            .iter()
            .map(|one| format!("{} {}", one.recorded.operation.id, one.path.stem()))
            .collect()
    }

    const X: &str = "x.md";

    #[test]
    fn an_operation_that_is_nowhere_was_put_back() {
        let journal = [op("o1", &[(X, "0\n", "0\n1\n")])];
        for (head, folder, expected) in [
            ("0\n", "0\n", vec!["o1 x"]),
            ("0\n", "0\n1\n", vec![]),
            ("0\n1\n", "0\n1\n", vec![]),
            // A person committed it with an edit of their own, or another branch has it.
            ("0\n1\n2\n", "0\n1\n2\n", vec![]),
            ("9\n0\n1\n", "9\n0\n1\n", vec![]),
            // Another branch was checked out over it.
            ("9\n", "9\n", vec!["o1 x"]),
            // The document itself went with it.
            ("", "", vec!["o1 x"]),
        ] {
            assert_eq!(lost(&journal, &[(X, head, folder)]), expected, "{head:?} {folder:?}");
        }
    }

    #[test]
    fn a_new_document_and_a_removal_count_too() {
        let made = [op("o1", &[(X, "", "1\n")])];
        assert_eq!(lost(&made, &[(X, "", "")]), ["o1 x"]);
        let removed = [op("o1", &[(X, "1\n", "")])];
        assert_eq!(lost(&removed, &[(X, "1\n", "1\n")]), ["o1 x"]);
        assert_eq!(lost(&removed, &[(X, "", "")]), Vec::<String>::new());
    }

    #[test]
    fn of_a_chain_only_the_end_that_is_gone_was_put_back() {
        let journal = [op("o1", &[(X, "0\n", "1\n")]), op("o2", &[(X, "1\n", "2\n")]), op("o3", &[(X, "2\n", "3\n")])];
        assert_eq!(lost(&journal, &[(X, "0\n", "0\n")]), ["o1 x", "o2 x", "o3 x"]);
        assert_eq!(lost(&journal, &[(X, "1\n", "1\n")]), ["o2 x", "o3 x"]);
        assert_eq!(lost(&journal, &[(X, "3\n", "3\n")]), Vec::<String>::new());
        // The second operation undid the first: nothing is missing.
        let back = [op("o1", &[(X, "0\n", "1\n")]), op("o2", &[(X, "1\n", "0\n")])];
        assert_eq!(lost(&back, &[(X, "0\n", "0\n")]), Vec::<String>::new());
    }

    #[test]
    fn what_a_later_operation_undid_was_not_put_back() {
        for (journal, committed) in [
            // Another agent undid it; there and back twice; made and removed.
            (vec![op("o1", &[(X, "0\n", "1\n")]), op("o2", &[(X, "1\n", "0\n")])], "0\n"),
            (
                vec![
                    op("o1", &[(X, "0\n", "1\n")]),
                    op("o2", &[(X, "1\n", "0\n")]),
                    op("o3", &[(X, "0\n", "2\n")]),
                    op("o4", &[(X, "2\n", "0\n")]),
                ],
                "0\n",
            ),
            (vec![op("o1", &[(X, "", "1\n")]), op("o2", &[(X, "1\n", "")])], ""),
            // A person has edited it in between.
            (vec![op("o1", &[(X, "0\n", "0\n1\n")]), op("o2", &[(X, "0\n1\n2\n", "0\n")])], "0\n"),
            (vec![op("o1", &[(X, "", "1\n")]), op("o2", &[(X, "1\n2\n", "")])], ""),
        ] {
            assert_eq!(lost(&journal, &[(X, committed, committed)]), Vec::<String>::new(), "{journal:?}");
        }
        // Moved to another place and back.
        let moved =
            [op("o1", &[(X, "0\n", ""), ("y.md", "", "0\n")]), op("o2", &[("y.md", "0\n", ""), (X, "", "0\n")])];
        assert_eq!(lost(&moved, &[(X, "0\n", "0\n"), ("y.md", "", "")]), Vec::<String>::new());
    }

    #[test]
    fn what_was_put_back_before_the_next_operation_is_found() {
        let journal = [op("o1", &[(X, "0\n", "1\n")]), op("o2", &[(X, "0\n", "2\n")])];
        assert_eq!(lost(&journal, &[(X, "0\n", "2\n")]), ["o1 x"]);
        assert_eq!(lost(&journal, &[(X, "0\n", "0\n")]), ["o1 x", "o2 x"]);
    }

    #[test]
    fn of_two_documents_the_one_that_was_put_back_is_named() {
        let journal = [op("o1", &[(X, "0\n", "1\n"), ("y.md", "0\n", "1\n")])];
        assert_eq!(lost(&journal, &[(X, "0\n", "1\n"), ("y.md", "0\n", "0\n")]), ["o1 y"]);
    }
}
