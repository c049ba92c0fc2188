//! What waits for what: dependencies, dependents, circles.

use std::collections::hash_map::Entry as Place;
use std::collections::{BTreeSet, HashMap, VecDeque};

use petgraph::graph::{DiGraph, NodeIndex};

use super::{Entry, Snapshot};
use crate::core::entity::{Task, TaskReference, WhenMissing};
use crate::core::name::{DocId, Kind};

impl Snapshot {
    /// What a task waits for, each with its document if there is one.
    #[must_use]
    pub fn dependencies(&self, task: &Task) -> Vec<(DocId, Option<&Entry>)> {
        self.resolve(task.references())
    }

    /// The tasks that references mean: those that exist, and those that must. What is prose without such a task, or says
    /// itself that the task is completed, is left out.
    pub(super) fn resolve(&self, references: &[TaskReference]) -> Vec<(DocId, Option<&Entry>)> {
        let found = references.iter().map(|reference| (reference, self.named_task(&reference.id)));
        let counts =
            found.filter(|(reference, found)| found.is_some() || reference.when_missing == WhenMissing::Blocks);
        counts.map(|(reference, found)| (reference.id.clone(), found)).collect()
    }

    /// The tasks that wait for a task, by path.
    #[must_use]
    pub fn dependents(&self, id: &DocId) -> Vec<&Entry> {
        let short = id.as_str().strip_prefix("task-").filter(|short| self.paths_of(Kind::Task, short).is_empty());
        let names = |other: &DocId| other == id || short == Some(other.as_str());
        self.of_kind(Kind::Task)
            .filter(|entry| entry.task().is_some_and(|task| task.references().iter().any(|found| names(&found.id))))
            .collect()
    }

    /// Returns the cycle that a task would close if it depended on one more task: from the task to itself. The task need not
    /// be here yet.
    #[must_use]
    pub fn cycle_by(&self, id: &DocId, added: &DocId) -> Option<Vec<DocId>> {
        // The ids as their documents state them, so that `5` and `task-5` are one task.
        let known = |id: &DocId| self.named_task(id).and_then(|entry| entry.id.clone());
        let start = known(id).unwrap_or_else(|| id.clone());
        let is_start = |id: &DocId| *id == start || known(id).is_none() && start.as_str() == format!("task-{id}");
        let mut from: HashMap<DocId, Option<DocId>> = HashMap::from([(added.clone(), None)]);
        let mut queue = VecDeque::from([added.clone()]);
        while let Some(at) = queue.pop_front() {
            if is_start(&at) || known(&at).as_ref() == Some(&start) {
                let back =
                    std::iter::successors(from.get(&at).cloned().flatten(), |at| from.get(at).cloned().flatten());
                let mut path: Vec<DocId> = back.collect();
                path.push(start.clone());
                path.reverse();
                path.push(start);
                return Some(path);
            }
            let next = self.named_task(&at).and_then(Entry::task).map(|task| self.dependencies(task));
            for (next, _) in next.unwrap_or_default() {
                if !from.contains_key(&next) {
                    from.insert(next.clone(), Some(at.clone()));
                    queue.push_back(next);
                }
            }
        }
        None
    }

    /// Tasks that wait for each other: of every such group one shortest circle from its first id, which also ends it
    /// (`a → b → a`). Takes chains of any length.
    #[must_use]
    pub fn cycles(&self) -> Vec<Vec<DocId>> {
        let mut waits = Vec::new();
        for task in self.tasks() {
            for (_, found) in self.dependencies(task) {
                waits.extend(found.and_then(|entry| entry.id.as_ref()).map(|id| (&task.id, id)));
            }
        }
        let graph = build(Vec::new(), waits);
        let path = |cycle: Vec<NodeIndex>| cycle.iter().chain(cycle.first()).map(|at| graph[*at].clone()).collect();
        cycles(&graph).into_iter().map(path).collect()
    }
}

/// A graph with an edge from each task to every one that it waits for. Its nodes are in the order of their ids.
pub(super) fn build<'a>(alone: Vec<&'a DocId>, waits: Vec<(&'a DocId, &'a DocId)>) -> DiGraph<&'a DocId, ()> {
    let mut ids = alone;
    ids.extend(waits.iter().flat_map(|(from, to)| [*from, *to]));
    ids.sort_unstable();
    ids.dedup();
    let mut graph = DiGraph::with_capacity(ids.len(), waits.len());
    let nodes: HashMap<&DocId, NodeIndex> = ids.into_iter().map(|id| (id, graph.add_node(id))).collect();
    let ends = waits.into_iter().filter_map(|(from, to)| Some((*nodes.get(from)?, *nodes.get(to)?)));
    // One edge for each pair: to ask the graph whether there is one takes as long as the node has edges.
    let ends: BTreeSet<(NodeIndex, NodeIndex)> = ends.collect();
    for (from, to) in ends {
        graph.add_edge(from, to, ());
    }
    graph
}

/// One shortest cycle of each group of nodes that all reach each other, from its first id on, in the order of these.
/// Kosaraju's algorithm, which does not recurse.
pub(super) fn cycles(graph: &DiGraph<&DocId, ()>) -> Vec<Vec<NodeIndex>> {
    let groups = petgraph::algo::kosaraju_scc(graph);
    let mut group_of = vec![0; graph.node_count()];
    for (number, group) in groups.iter().enumerate() {
        for node in group {
            group_of[node.index()] = number;
        }
    }
    let mut found: Vec<Vec<NodeIndex>> =
        groups.iter().filter_map(|group| cycle(graph, &group_of, *group.iter().min()?)).collect();
    found.sort_unstable();
    found
}

/// A shortest cycle through a node, inside of its group; `None` if there is none.
fn cycle(graph: &DiGraph<&DocId, ()>, group_of: &[usize], start: NodeIndex) -> Option<Vec<NodeIndex>> {
    let inside = |node: &NodeIndex| group_of[node.index()] == group_of[start.index()];
    let mut from: HashMap<NodeIndex, NodeIndex> = HashMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(node) = queue.pop_front() {
        let mut next: Vec<NodeIndex> = graph.neighbors(node).filter(inside).collect();
        next.sort_unstable();
        for next in next {
            if next == start {
                let back = std::iter::successors(Some(node), |at| from.get(at).copied());
                let mut path: Vec<NodeIndex> = back.collect();
                path.reverse();
                return Some(path);
            }
            if let Place::Vacant(place) = from.entry(next) {
                place.insert(node);
                queue.push_back(next);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::snapshot::fixture::snapshot;

    #[test]
    fn circles_are_named_from_their_first_id() {
        let task =
            |id: &str, on: &str| (format!("task-{id}.md"), format!("id: {id}\nstatus: pending\ndepends_on: [{on}]"));
        let files = [
            task("b", "c"),
            task("c", "a, d"),
            task("a", "b"),
            task("d", "c"),
            task("self", "self"),
            task("free", "a"),
            task("y", "z"),
            task("z", "y"),
        ];
        let files: Vec<_> = files.iter().map(|(path, keys)| (path.as_str(), keys.as_str())).collect();
        let cycles: Vec<String> = snapshot(&files)
            .cycles()
            .iter()
            .map(|cycle| cycle.iter().map(DocId::as_str).collect::<Vec<_>>().join(" → "))
            .collect();
        assert_eq!(cycles, ["a → b → c → a", "self → self", "y → z → y"]);
    }

    #[test]
    fn a_cycle_is_seen_before_it_is_closed() {
        let task = |id: &str, on: &str| {
            (format!("task-{id}.md"), format!("id: task-{id}\nstatus: pending\ndepends_on: [{on}]"))
        };
        let files = [task("1", ""), task("2", "task-1"), task("3", "2, task-9"), task("4", "task-4")];
        let files: Vec<_> = files.iter().map(|(path, keys)| (path.as_str(), keys.as_str())).collect();
        let snapshot = snapshot(&files);
        let id = |id: &str| DocId::new(id).expect("valid");
        for (task, added, expected) in [
            ("task-1", "task-2", "task-1 → task-2 → task-1"),
            ("task-1", "task-3", "task-1 → task-3 → 2 → task-1"),
            ("1", "3", "task-1 → 3 → 2 → task-1"),
            ("task-1", "1", "task-1 → task-1"),
            ("task-5", "task-5", "task-5 → task-5"),
            ("task-5", "5", "task-5 → task-5"),
            // It is not here yet, and named.
            ("task-9", "task-3", "task-9 → task-3 → task-9"),
            ("task-3", "task-1", ""),
            ("task-1", "task-4", ""),
            ("task-1", "gone", ""),
        ] {
            let found = snapshot.cycle_by(&id(task), &id(added)).unwrap_or_default();
            let found: Vec<&str> = found.iter().map(DocId::as_str).collect();
            assert_eq!(found.join(" → "), expected, "{task} on {added}");
        }
    }

    #[test]
    fn chains_of_a_hundred_thousand_are_no_danger() {
        const LENGTH: usize = 100_000;
        let ids: Vec<DocId> = (0..LENGTH).map(|n| DocId::new(format!("t{n:06}")).expect("valid")).collect();
        let mut waits: Vec<(&DocId, &DocId)> = ids.windows(2).map(|pair| (&pair[0], &pair[1])).collect();
        assert_eq!(cycles(&build(Vec::new(), waits.clone())), Vec::<Vec<NodeIndex>>::new());
        waits.push((&ids[LENGTH - 1], &ids[0]));
        waits.push((&ids[LENGTH - 1], &ids[0]));
        let graph = build(Vec::new(), waits);
        assert_eq!(graph.edge_count(), LENGTH, "one edge for each pair");
        let found = cycles(&graph);
        assert_eq!((found.len(), found[0].len()), (1, LENGTH));
        assert_eq!((graph[found[0][0]], graph[found[0][1]]), (&ids[0], &ids[1]));
    }
}
