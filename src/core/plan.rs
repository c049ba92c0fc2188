//! Turns what happened to the documents into commits to make: one for each author, in an order that keeps every step. Pure; it reads no file and no history.

mod put_back;
mod rebase;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use put_back::{PutBack, holds, put_back};
pub use rebase::{FOLLOW_VERB, rebased};

use crate::core::name::{AgentName, DocId, DocPath, OperationId, Revision};
use crate::core::sabotage::{self, Sabotage};

/// A document's bytes, or `None` where there is no such document.
pub type Content = Option<Arc<[u8]>>;

/// One operation of the API, as a commit message names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitOperation {
    /// Its id.
    pub id: OperationId,
    /// What was done, `task.complete`.
    pub verb: String,
    /// To which document (the first, if there are more).
    pub document: DocId,
    /// Who did it, where that is known.
    pub agent: Option<AgentName>,
}

/// One operation of the journal with what it changed: content before and after, by path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// The operation.
    pub operation: CommitOperation,
    /// The newest commit when it was made.
    pub base: Option<Revision>,
    /// Its documents.
    pub changes: Vec<(DocPath, Content, Content)>,
}

/// One change of one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedChange {
    /// The operation that made it; `None` for an edit by hand.
    pub operation: Option<CommitOperation>,
    /// Its author; `None` for the git user.
    pub agent: Option<AgentName>,
    /// Who holds the document that the git user edited by hand.
    pub holder: Option<AgentName>,
    /// Which document.
    pub path: DocPath,
    /// Its content before.
    pub before: Content,
    /// Its content after.
    pub after: Content,
}

/// To whom an edit by hand is attributed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HandEdit {
    /// The agent that is its author; `None` for the git user.
    pub agent: Option<AgentName>,
    /// The agent that holds the document, where the git user is the author.
    pub holder: Option<AgentName>,
}

/// One commit to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedCommit {
    /// Its author; `None` for the git user.
    pub agent: Option<AgentName>,
    /// Who holds the documents that the git user edited by hand.
    pub holder: Option<AgentName>,
    /// The operations in it, in order.
    pub operations: Vec<CommitOperation>,
    /// What it changes: content before and after, by path.
    pub changes: BTreeMap<DocPath, (Content, Content)>,
}

/// What the folder, HEAD and the journal say of one document.
#[derive(Debug, Clone, Default)]
pub struct KnownContents {
    /// In the commit to build on.
    pub head: Content,
    /// In the folder now.
    pub folder: Content,
    /// Tells whether an edit by hand may be committed now (it is settled and can be read).
    pub admit_edit: bool,
    /// Tells whether HEAD held what the first operation found when it was made, and a person has committed since.
    pub has_gone_on: bool,
}

/// The steps that lead from HEAD to the folder: journalled operations in their order, edits by hand where they must have come, and last.
///
/// - A document that equals HEAD has no steps, whatever the journal says: it was committed already, or put back (checkout, stash).
/// - An operation that found something else than the step before left did find an edit by hand; that edit comes first.
/// - `attribute` names the author and the holder of an edit by hand.
pub fn steps(
    journal: &[Recorded],
    known: &BTreeMap<DocPath, KnownContents>,
    attribute: &dyn Fn(&DocPath, &Content, &Content) -> HandEdit,
) -> Vec<PlannedChange> {
    let mut last: BTreeMap<&DocPath, &Content> = BTreeMap::new();
    let mut steps = Vec::new();
    let by_hand = |path: &DocPath, before: &Content, after: &Content| {
        let HandEdit { agent, holder } = attribute(path, before, after);
        let (path, before, after) = (path.clone(), before.clone(), after.clone());
        PlannedChange { operation: None, agent, holder, path, before, after }
    };
    let start = already_committed(journal, known);
    for (index, Recorded { operation, changes, .. }) in journal.iter().enumerate() {
        // All that an operation found comes before it, so that it is one commit however many documents it changes.
        let mut own = Vec::new();
        for (path, before, after) in changes {
            let Some(state) = known.get(path) else { continue };
            let is_put_back = state.head == state.folder && !sabotage::on(Sabotage::TellPutBack);
            if is_put_back || start.get(path).is_some_and(|first| index < *first) {
                continue;
            }
            let found = *last.get(path).unwrap_or(&&state.head);
            if found != before && !sabotage::on(Sabotage::AbsorbEdits) {
                steps.push(by_hand(path, found, before));
            }
            own.push(PlannedChange {
                operation: Some(operation.clone()),
                agent: operation.agent.clone(),
                holder: None,
                path: path.clone(),
                before: before.clone(),
                after: after.clone(),
            });
            last.insert(path, after);
        }
        steps.append(&mut own);
    }
    for (path, state) in known {
        let found = *last.get(path).unwrap_or(&&state.head);
        let is_admitted = state.admit_edit || sabotage::on(Sabotage::AdmitAllEdits);
        if is_admitted && state.head != state.folder && *found != state.folder {
            steps.push(by_hand(path, found, &state.folder));
        }
    }
    steps
}

/// Tells whether contents alone do not show which operations HEAD holds, so that its history has to be asked: where
/// operations lead a document back to where they found it, where HEAD holds what none of them found or left, and where it
/// holds an operation in one of its documents and not in another (it was told, or a person committed the one).
#[must_use]
pub fn asks_for_history(journal: &[Recorded], known: &BTreeMap<DocPath, KnownContents>) -> bool {
    let start = already_committed(journal, known);
    let is_in = |index: usize, path: &DocPath| start.get(path).is_some_and(|first| index < *first);
    let is_out = |index: usize, path: &DocPath| {
        !is_in(index, path) && known.get(path).is_some_and(|state| state.head != state.folder)
    };
    let mut operations = journal.iter().enumerate();
    let is_partly_in = |(index, one): (usize, &Recorded)| {
        let any = |holds: &dyn Fn(usize, &DocPath) -> bool| one.changes.iter().any(|(path, ..)| holds(index, path));
        any(&is_in) && any(&is_out)
    };
    leads_back(journal)
        || known.iter().any(|(path, state)| is_unclear(journal, path, &state.head))
        || operations.any(is_partly_in)
}

fn leads_back(journal: &[Recorded]) -> bool {
    let mut found: BTreeMap<&DocPath, &Content> = BTreeMap::new();
    journal
        .iter()
        .flat_map(|one| &one.changes)
        .any(|(path, before, after)| *found.entry(path).or_insert(before) == after)
}

/// For each document the first operation that is not in HEAD yet: the one behind the last whose outcome HEAD holds, or the
/// last that found what HEAD holds, since a person commits too. Where HEAD holds what the first operation found, none is,
/// unless a later one found that again and no operation led back to it: then git put the document back in between. Where
/// HEAD held it before and a person has committed something else since, they took over what the operations had left.
fn already_committed<'a>(
    journal: &'a [Recorded],
    known: &BTreeMap<DocPath, KnownContents>,
) -> BTreeMap<&'a DocPath, usize> {
    let mut first = BTreeMap::new();
    if sabotage::on(Sabotage::TellTwice) {
        return first;
    }
    let mut taken_over = BTreeMap::new();
    let mut found: BTreeMap<&DocPath, &Content> = BTreeMap::new();
    let mut left: BTreeMap<&DocPath, &Content> = BTreeMap::new();
    for (index, Recorded { changes, .. }) in journal.iter().enumerate() {
        for (path, before, after) in changes {
            let start = *found.entry(path).or_insert(before);
            let is_next = left.insert(path, after).is_none_or(|left| left == before);
            let Some(state) = known.get(path) else { continue };
            if state.head == *start {
                if state.head == *before && !is_next {
                    first.insert(path, index);
                }
                continue;
            }
            if state.head == *after {
                first.insert(path, index + 1);
            } else if state.head == *before {
                first.insert(path, index);
            }
            // Up to the first edit by hand in between: which of the later ones the person had before them nobody knows.
            let taken = taken_over.entry(path).or_insert((index, true));
            taken.1 &= is_next;
            if state.has_gone_on && taken.1 {
                taken.0 = index + 1;
            }
        }
    }
    for (path, (index, _)) in taken_over {
        first.entry(path).or_insert(index);
    }
    first
}

/// Tells whether HEAD holds something that is neither what the first operation on a document found nor what any left: then
/// it takes a look at the commit of that moment to tell whether HEAD was there before the operations, or came after them.
#[must_use]
pub fn is_unclear(journal: &[Recorded], path: &DocPath, head: &Content) -> bool {
    let mut changes = journal.iter().flat_map(|one| &one.changes).filter(|(other, ..)| other == path).peekable();
    changes.peek().is_some() && changes.all(|(_, before, after)| before != head && after != head)
}

/// Gathers steps into commits: as few as possible, one author and holder each, no step moved before one it builds on, an
/// operation in one piece. A step that undoes what its commit did begins another one, or neither would be told.
#[must_use]
pub fn group(steps: &[PlannedChange]) -> Vec<PlannedCommit> {
    let mut groups: Vec<PlannedCommit> = Vec::new();
    for steps in steps.chunk_by(is_one_operation) {
        let first = &steps[0];
        let touches = |group: &PlannedCommit| steps.iter().any(|step| group.changes.contains_key(&step.path));
        let after_path = groups.iter().rposition(touches).unwrap_or(0);
        let undoes_it = |group: &PlannedCommit, step: &PlannedChange| {
            group.changes.get(&step.path).is_some_and(|(before, _)| *before == step.after)
        };
        let undoes = |group: &PlannedCommit| steps.iter().any(|step| undoes_it(group, step));
        let after_path = if sabotage::on(Sabotage::MoveSteps) { 0 } else { after_path };
        let is_theirs = |group: &PlannedCommit| group.agent == first.agent && group.holder == first.holder;
        let counts = |group: &PlannedCommit| is_theirs(group) || sabotage::on(Sabotage::OneAuthor);
        let fits = (after_path..groups.len()).find(|i| counts(&groups[*i]) && !undoes(&groups[*i]));
        let index = fits.unwrap_or_else(|| {
            let (agent, holder) = (first.agent.clone(), first.holder.clone());
            groups.push(PlannedCommit { agent, holder, operations: Vec::new(), changes: BTreeMap::new() });
            groups.len() - 1
        });
        let group = &mut groups[index];
        let is_named = group.operations.is_empty() || !sabotage::on(Sabotage::LeaveUnnamed);
        group.operations.extend(first.operation.clone().filter(|_| is_named));
        for step in steps {
            let entry = group.changes.entry(step.path.clone()).or_insert((step.before.clone(), None));
            entry.1.clone_from(&step.after);
        }
    }
    groups.retain_mut(|group| {
        group.changes.retain(|_, (before, after)| before != after);
        !group.changes.is_empty()
    });
    groups
}

fn is_one_operation(one: &PlannedChange, next: &PlannedChange) -> bool {
    let id = |step: &PlannedChange| step.operation.as_ref().map(|operation| operation.id.clone());
    id(one).is_some() && id(one) == id(next)
}

/// The operations of the journal that need not be kept: every document they touched is where it should be after these commits.
#[must_use]
pub fn finished(
    journal: &[Recorded],
    known: &BTreeMap<DocPath, KnownContents>,
    groups: &[PlannedCommit],
) -> BTreeSet<OperationId> {
    let committed: BTreeSet<&OperationId> =
        groups.iter().flat_map(|group| &group.operations).map(|operation| &operation.id).collect();
    let settled = |path: &DocPath| known.get(path).is_some_and(|state| state.head == state.folder);
    let start = already_committed(journal, known);
    let done = |index: usize, path: &DocPath| settled(path) || start.get(path).is_some_and(|first| index < *first);
    journal
        .iter()
        .enumerate()
        .filter(|(index, Recorded { operation, changes, .. })| {
            committed.contains(&operation.id) || changes.iter().all(|(path, ..)| done(*index, path))
        })
        .map(|(_, recorded)| recorded.operation.id.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(text: &str) -> Content {
        (!text.is_empty()).then(|| Arc::from(text.as_bytes()))
    }

    fn agent(name: &str) -> Option<AgentName> {
        AgentName::new(name).ok()
    }

    fn op(id: &str, name: &str, changes: &[(&str, &str, &str)]) -> Recorded {
        let id = OperationId::new(id).expect("valid");
        let path = |p: &str| DocPath::new(p).expect("valid");
        let changes = changes.iter().map(|(p, b, a)| (path(p), content(b), content(a))).collect();
        let document = DocId::new("x").expect("valid");
        Recorded {
            operation: CommitOperation { id, verb: "x".into(), document, agent: agent(name) },
            base: None,
            changes,
        }
    }

    fn known(entries: &[(&str, &str, &str)]) -> BTreeMap<DocPath, KnownContents> {
        let one = |(path, head, folder): &(&str, &str, &str)| {
            let (head, folder) = (content(head), content(folder));
            let state = KnownContents { head, folder, admit_edit: true, has_gone_on: false };
            (DocPath::new(*path).expect("valid"), state)
        };
        entries.iter().map(one).collect()
    }

    /// `author: path before>after, ...` for each commit.
    fn shown(journal: &[Recorded], known: &BTreeMap<DocPath, KnownContents>) -> Vec<String> {
        let text = |c: &Content| c.as_ref().map_or("-".into(), |b| String::from_utf8_lossy(b).into_owned());
        let one = |group: PlannedCommit| {
            let changes: Vec<String> =
                group.changes.iter().map(|(p, (b, a))| format!("{} {}>{}", p.stem(), text(b), text(a))).collect();
            let holder = group.holder.map_or_else(String::new, |holder| format!(" for {holder}"));
            format!("{}{holder}: {}", group.agent.map_or("user".into(), |a| a.to_string()), changes.join(", "))
        };
        let held = |path: &DocPath| path.stem().strip_prefix("held-by-").and_then(agent);
        let attribute = |path: &DocPath, _: &Content, _: &Content| HandEdit { agent: None, holder: held(path) };
        group(&steps(journal, known, &attribute)).into_iter().map(one).collect()
    }

    #[test]
    fn edits_by_hand_are_the_git_users_with_one_commit_for_each_holder() {
        let journal = [op("o1", "a", &[("held-by-a.md", "1", "2")]), op("o2", "", &[("z.md", "0", "1")])];
        let states = [("held-by-a.md", "0", "2"), ("held-by-b.md", "0", "1"), ("y.md", "0", "1"), ("z.md", "0", "1")];
        let commits =
            ["user for a: held-by-a 0>1", "a: held-by-a 1>2", "user: y 0>1, z 0>1", "user for b: held-by-b 0>1"];
        assert_eq!(shown(&journal, &known(&states)), commits);
    }

    #[test]
    fn one_commit_for_each_author_and_burst() {
        let journal = [
            op("o1", "a", &[("x.md", "", "1")]),
            op("o2", "b", &[("y.md", "", "1")]),
            op("o3", "a", &[("z.md", "", "1")]),
        ];
        let known = known(&[("x.md", "", "1"), ("y.md", "", "1"), ("z.md", "", "1")]);
        assert_eq!(shown(&journal, &known), ["a: x ->1, z ->1", "b: y ->1"]);
    }

    #[test]
    fn steps_on_one_document_keep_their_order_and_authors() {
        let journal = [
            op("o1", "a", &[("x.md", "0", "1")]),
            op("o2", "b", &[("x.md", "1", "2")]),
            op("o3", "a", &[("x.md", "2", "3")]),
        ];
        assert_eq!(shown(&journal, &known(&[("x.md", "0", "3")])), ["a: x 0>1", "b: x 1>2", "a: x 2>3"]);
    }

    #[test]
    fn edits_by_hand_are_told_apart_and_come_where_they_came() {
        let journal = [op("o1", "a", &[("x.md", "1", "2")])];
        assert_eq!(shown(&journal, &known(&[("x.md", "0", "3")])), ["user: x 0>1", "a: x 1>2", "user: x 2>3"]);
        assert_eq!(shown(&[], &known(&[("x.md", "0", "3"), ("y.md", "0", "")])), ["user: x 0>3, y 0>-"]);
    }

    #[test]
    fn an_operation_on_two_documents_is_one_commit() {
        let journal = [op("o1", "a", &[("x.md", "0", "1"), ("y.md", "1", "2")])];
        let found = known(&[("x.md", "0", "1"), ("y.md", "0", "2")]);
        assert_eq!(shown(&journal, &found), ["user: y 0>1", "a: x 0>1, y 1>2"]);
        let both = known(&[("x.md", "0", "2"), ("y.md", "0", "2")]);
        let journal = [
            op("o1", "a", &[("y.md", "0", "1")]),
            op("o2", "b", &[("x.md", "0", "1")]),
            op("o3", "a", &[("x.md", "1", "2"), ("y.md", "1", "2")]),
        ];
        assert_eq!(shown(&journal, &both), ["a: y 0>1", "b: x 0>1", "a: x 1>2, y 1>2"]);
    }

    #[test]
    fn what_equals_head_is_no_edit() {
        let journal = [op("o1", "a", &[("x.md", "0", "1")])];
        let same = known(&[("x.md", "0", "0")]);
        assert_eq!(shown(&journal, &same), Vec::<String>::new());
        assert_eq!(finished(&journal, &same, &[]).len(), 1);
    }

    #[test]
    fn operations_that_head_holds_already_are_not_told_twice() {
        let journal = [op("o1", "a", &[("x.md", "0", "1")]), op("o2", "b", &[("x.md", "1", "2")])];
        let known = known(&[("x.md", "1", "2")]);
        assert_eq!(shown(&journal, &known), ["b: x 1>2"]);
        let groups = group(&steps(&journal, &known, &|_, _, _| HandEdit::default()));
        assert_eq!(finished(&journal, &known, &groups).len(), 2);
    }

    #[test]
    fn an_unsettled_edit_waits_but_the_operation_before_it_does_not() {
        let journal = [op("o1", "a", &[("x.md", "0", "1")])];
        let mut known = known(&[("x.md", "0", "2")]);
        for state in known.values_mut() {
            state.admit_edit = false;
        }
        assert_eq!(shown(&journal, &known), ["a: x 0>1"]);
    }

    #[test]
    fn a_change_and_its_undoing_by_one_author_is_nothing() {
        let journal = [op("o1", "a", &[("x.md", "0", "1")]), op("o2", "a", &[("x.md", "1", "0"), ("y.md", "", "1")])];
        let known = known(&[("x.md", "0", "0"), ("y.md", "", "1")]);
        assert_eq!(shown(&journal, &known), ["a: y ->1"]);
    }

    #[test]
    fn what_a_person_committed_with_an_edit_of_their_own_is_not_taken_back() {
        let journal = [op("o1", "a", &[("x.md", "0", "1")]), op("o2", "b", &[("x.md", "1+", "2")])];
        let known = known(&[("x.md", "1+", "2")]);
        assert_eq!(shown(&journal, &known), ["b: x 1+>2"]);
        let groups = group(&steps(&journal, &known, &|_, _, _| HandEdit::default()));
        assert_eq!(finished(&journal, &known, &groups).len(), 2);
    }

    #[test]
    fn history_is_asked_where_contents_do_not_tell() {
        let one = [op("o1", "a", &[("x.md", "0", "1")])];
        for (head, folder, asks) in [("0", "1", false), ("1", "2", false), ("2", "3", true)] {
            assert_eq!(asks_for_history(&one, &known(&[("x.md", head, folder)])), asks, "{head} {folder}");
        }
        let back = [op("o1", "a", &[("x.md", "0", "1")]), op("o2", "a", &[("x.md", "1", "0")])];
        assert!(asks_for_history(&back, &known(&[("x.md", "0", "3")])));
        let two = [op("o1", "a", &[("x.md", "0", "1"), ("y.md", "0", "1")])];
        assert!(asks_for_history(&two, &known(&[("x.md", "1", "1"), ("y.md", "0", "2")])));
        assert!(!asks_for_history(&two, &known(&[("x.md", "1", "1"), ("y.md", "0", "0")])));
        assert!(!asks_for_history(&two, &known(&[("x.md", "0", "1"), ("y.md", "0", "1")])));
    }

    #[test]
    fn what_git_put_back_before_the_next_operation_is_not_told() {
        let journal = [op("o1", "a", &[("x.md", "0", "1")]), op("o2", "b", &[("x.md", "0", "2")])];
        let known = known(&[("x.md", "0", "2")]);
        assert_eq!(shown(&journal, &known), ["b: x 0>2"]);
        let groups = group(&steps(&journal, &known, &|_, _, _| HandEdit::default()));
        assert_eq!(finished(&journal, &known, &groups).len(), 2);
    }

    #[test]
    fn what_a_person_committed_is_not_taken_back_after_the_next_edit_either() {
        let journal = [op("o1", "a", &[("x.md", "0", "1")]), op("o2", "a", &[("x.md", "1", "2")])];
        let mut known = known(&[("x.md", "2+", "3")]);
        let x = DocPath::new("x.md").expect("valid");
        assert!(is_unclear(&journal, &x, &known[&x].head));
        assert_eq!(shown(&journal, &known), ["user: x 2+>0", "a: x 0>2", "user: x 2>3"], "HEAD may be older");
        known.get_mut(&x).expect("it is there").has_gone_on = true;
        assert_eq!(shown(&journal, &known), ["user: x 2+>3"]);
        assert_eq!(finished(&journal, &known, &[]).len(), 2);
        let later = [&journal[..], &[op("o3", "b", &[("x.md", "9", "3")])]].concat();
        assert_eq!(shown(&later, &known), ["user: x 2+>9", "b: x 9>3"]);
    }

    #[test]
    fn there_and_back_again_is_told_while_none_of_it_is_committed() {
        let journal = [
            op("o1", "a", &[("x.md", "0", "1")]),
            op("o2", "a", &[("x.md", "1", "0")]),
            op("o3", "b", &[("x.md", "0", "1")]),
        ];
        assert_eq!(shown(&journal, &known(&[("x.md", "0", "1")])), ["a: x 0>1", "a: x 1>0", "b: x 0>1"]);
    }
}
