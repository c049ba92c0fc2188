//! Commits of all clones, and how HEAD of a clone moves among them.

use std::collections::{BTreeMap, BTreeSet};

use mycelium::document::Document;
use mycelium::merge::{self, MergeSides};
use mycelium::name::DocPath;
use mycelium::snapshot::Snapshot;

/// The files of a folder.
pub(crate) type Tree = BTreeMap<DocPath, Document>;

/// A commit, by its place in [`Git::commits`]: a child comes after its parents.
pub(crate) type CommitId = usize;

pub(crate) struct Commit {
    parents: Vec<CommitId>,
    tree: Tree,
}

/// The commits of all clones.
#[derive(Default)]
pub(crate) struct Git {
    commits: Vec<Commit>,
}

impl Git {
    pub(crate) fn commit(&mut self, parents: Vec<CommitId>, tree: Tree) -> CommitId {
        self.commits.push(Commit { parents, tree });
        self.commits.len() - 1
    }

    pub(crate) fn tree(&self, id: CommitId) -> &Tree {
        &self.commits[id].tree
    }

    /// A commit and all before it.
    pub(crate) fn ancestors(&self, id: CommitId) -> BTreeSet<CommitId> {
        let (mut all, mut left) = (BTreeSet::new(), vec![id]);
        while let Some(id) = left.pop() {
            if all.insert(id) {
                left.extend(&self.commits[id].parents);
            }
        }
        all
    }

    pub(crate) fn is_ancestor(&self, old: CommitId, tip: CommitId) -> bool {
        old <= tip && self.ancestors(tip).contains(&old)
    }

    /// The newest commit that two have in common.
    pub(crate) fn fork(&self, one: CommitId, other: CommitId) -> Option<CommitId> {
        self.ancestors(one).intersection(&self.ancestors(other)).max().copied()
    }

    /// The texts that a file had, the newest first, without those that follow on the same.
    pub(crate) fn texts(&self, tip: CommitId, path: &DocPath, most: usize) -> Vec<Document> {
        let all: Vec<&Document> =
            self.ancestors(tip).into_iter().rev().filter_map(|id| self.commits[id].tree.get(path)).collect();
        let mut texts: Vec<Document> = all.into_iter().cloned().collect();
        texts.dedup();
        texts.truncate(most);
        texts
    }

    /// What a merge of two commits gives; a merge that only moves on is the other commit.
    pub(crate) fn merge(&self, ours: CommitId, theirs: CommitId) -> Merge {
        let (known, other) = (self.ancestors(ours), self.ancestors(theirs));
        if known.contains(&theirs) {
            return Merge::Nothing;
        }
        if other.contains(&ours) {
            return Merge::Forward;
        }
        let base = self.fork(ours, theirs);
        let snapshot = |tree: &Tree| Snapshot::from_documents(tree.clone());
        let base = base.map_or_else(Snapshot::default, |base| snapshot(self.tree(base)));
        let (mine, others) = (snapshot(self.tree(ours)), snapshot(self.tree(theirs)));
        let mut tree = self.tree(ours).clone();
        for (path, outcome) in merge::snapshots(&base, &mine, &others, &MergeSides::GIT) {
            match outcome.content {
                Some(document) => drop(tree.insert(path, document)),
                None => drop(tree.remove(&path)),
            }
        }
        Merge::Tree(tree)
    }
}

/// What a merge comes to.
pub(crate) enum Merge {
    Nothing,
    Forward,
    Tree(Tree),
}
