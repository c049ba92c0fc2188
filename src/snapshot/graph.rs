//! What waits for what: dependencies, dependents, circles.

use std::collections::hash_map::Entry as Place;
use std::collections::{BTreeSet, HashMap, VecDeque};

use petgraph::graph::{DiGraph, NodeIndex};

use super::{Entry, Snapshot};
use crate::entity::Task;
use crate::name::{DocId, Kind};

impl Snapshot {
    /// What a task waits for, each with its document if there is one.
    #[must_use]
    pub fn dependencies(&self, task: &Task) -> Vec<(DocId, Option<&Entry>)> {
        task.depends_on.iter().map(|id| (id.clone(), self.named_task(id))).collect()
    }

    /// The tasks that wait for a task, by path.
    #[must_use]
    pub fn dependents(&self, id: &DocId) -> Vec<&Entry> {
        let short = id.as_str().strip_prefix("task-").filter(|short| self.paths_of(Kind::Task, short).is_empty());
        let names = |other: &DocId| other == id || short == Some(other.as_str());
        self.of_kind(Kind::Task)
            .filter(|entry| entry.task().is_some_and(|task| task.depends_on.iter().any(names)))
            .collect()
    }

    /// Tasks that wait for each other: of every such group one shortest circle from its first id, which also ends it
    /// (`a → b → a`). Takes chains of any length.
    #[must_use]
    pub fn cycles(&self) -> Vec<Vec<DocId>> {
        let mut graph: DiGraph<&DocId, ()> = DiGraph::new();
        let nodes: HashMap<&DocId, NodeIndex> = self.tasks().map(|task| (&task.id, graph.add_node(&task.id))).collect();
        for task in self.tasks() {
            for id in &task.depends_on {
                let to = self.named_task(id).and_then(|entry| entry.id.as_ref()).and_then(|id| nodes.get(id));
                if let (Some(from), Some(to)) = (nodes.get(&task.id), to) {
                    graph.update_edge(*from, *to, ());
                }
            }
        }
        circles(&graph)
    }
}

/// One shortest circle of each group of nodes that all reach each other. Kosaraju's algorithm, which does not recurse.
fn circles(graph: &DiGraph<&DocId, ()>) -> Vec<Vec<DocId>> {
    let groups = petgraph::algo::kosaraju_scc(graph).into_iter();
    let mut circles: Vec<Vec<DocId>> = groups.filter_map(|group| circle(graph, &group)).collect();
    circles.sort_unstable();
    circles
}

/// A shortest circle through the first id of a group of nodes that all reach each other; `None` if there is none.
fn circle(graph: &DiGraph<&DocId, ()>, group: &[NodeIndex]) -> Option<Vec<DocId>> {
    let start = *group.iter().min_by_key(|node| graph[**node])?;
    let inside: BTreeSet<NodeIndex> = group.iter().copied().collect();
    let mut from: HashMap<NodeIndex, NodeIndex> = HashMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(node) = queue.pop_front() {
        let mut next: Vec<NodeIndex> = graph.neighbors(node).filter(|next| inside.contains(next)).collect();
        next.sort_unstable_by_key(|node| graph[*node]);
        for next in next {
            if next == start {
                let mut path = vec![graph[start].clone()];
                let mut at = node;
                while at != start {
                    path.push(graph[at].clone());
                    at = *from.get(&at)?;
                }
                path.push(graph[start].clone());
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
    use crate::snapshot::fixture::snapshot;

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
    fn chains_of_a_hundred_thousand_are_no_danger() {
        const LENGTH: usize = 100_000;
        let ids: Vec<DocId> = (0..LENGTH).map(|n| DocId::new(format!("t{n:06}")).expect("valid")).collect();
        let mut graph = DiGraph::new();
        let nodes: Vec<_> = ids.iter().map(|id| graph.add_node(id)).collect();
        for pair in nodes.windows(2) {
            graph.add_edge(pair[0], pair[1], ());
        }
        assert_eq!(circles(&graph), Vec::<Vec<DocId>>::new());
        graph.add_edge(nodes[LENGTH - 1], nodes[0], ());
        let found = circles(&graph);
        assert_eq!((found.len(), found[0].len()), (1, LENGTH + 1));
        assert_eq!((&found[0][0], &found[0][1], &found[0][LENGTH]), (&ids[0], &ids[1], &ids[0]));
    }
}
