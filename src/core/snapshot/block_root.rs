//! What blocks tasks at the root, worked out for all of them in one pass: each knows the next task on the way and the one at
//! its end, so an answer about one of them follows a few links, however long the way is.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::iter;

use petgraph::Direction::Incoming;

use super::graph;
use super::queue::Cause;
use crate::core::name::DocId;

/// Most ids of a chain of tasks that an answer or a message names.
pub const CHAIN_SHOWN_MAX: usize = 8;

/// Tasks that wait for each other, in order; a long chain without its middle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskChain {
    /// At most [`CHAIN_SHOWN_MAX`] ids. The last one is the end of the chain.
    pub shown: Vec<DocId>,
    /// How many ids are missing before the last one.
    pub left_out: usize,
}

impl TaskChain {
    /// A chain of `length` ids that ends with `last`. Takes no more of them than it shows.
    pub(super) fn new<'a>(ids: impl Iterator<Item = &'a DocId>, length: usize, last: &DocId) -> Self {
        let shown = length.clamp(1, CHAIN_SHOWN_MAX);
        let ids = ids.take(shown - 1).cloned().chain(iter::once(last.clone()));
        Self { shown: ids.collect(), left_out: length.saturating_sub(shown) }
    }

    /// A whole chain, shortened.
    #[must_use]
    pub fn of(ids: &[DocId]) -> Self {
        match ids.last() {
            Some(last) => Self::new(ids.iter(), ids.len(), last),
            None => Self { shown: Vec::new(), left_out: 0 },
        }
    }

    /// The task at its end.
    #[must_use]
    pub fn last(&self) -> Option<&DocId> {
        self.shown.last()
    }

    /// How many tasks it names, those left out included.
    #[must_use]
    pub fn length(&self) -> usize {
        self.shown.len() + self.left_out
    }
}

impl fmt::Display for TaskChain {
    /// Writes `a → b → (3997 more) → a`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, id) in self.shown.iter().enumerate() {
            if index > 0 {
                f.write_str(" → ")?;
            }
            if self.left_out > 0 && index + 1 == self.shown.len() {
                write!(f, "({} more) → ", self.left_out)?;
            }
            write!(f, "{id}")?;
        }
        Ok(())
    }
}

/// Why a task is blocked, down to the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// From the task itself, each waiting for the next, to the one at the root; a dependency cycle ends with where it began.
    pub path: TaskChain,
    /// The task that waits for the last one of the path; the task itself if its own id is at fault.
    pub before: DocId,
    /// The dependency cycle that the path ends with, from one of its tasks around to the same one.
    pub cycle: Option<TaskChain>,
    /// What is wrong there.
    pub cause: Cause,
}

/// A task whose own dependency, own id or own value is at fault.
pub(super) struct Fault<'a> {
    pub(super) task: &'a DocId,
    /// The dependency; `None` if it is the task itself.
    pub(super) via: Option<DocId>,
    pub(super) cause: Cause,
}

/// What stands behind a blocked task on the way to the root.
#[derive(Debug)]
enum Next<'a> {
    /// Another blocked task.
    Task(&'a DocId),
    /// The dependency at fault.
    Dependency(DocId, Cause),
    /// Nothing: its own id or a value of its own is at fault.
    Own(Cause),
    /// The next one of a dependency cycle: which cycle, and where in it the task is.
    Cycle(usize, usize),
}

#[derive(Debug)]
struct Link<'a> {
    next: Next<'a>,
    /// The task at which the way ends, or comes to a dependency cycle.
    root: &'a DocId,
    /// How many links there are between the two.
    steps: usize,
}

/// Every blocked task with its way to the root.
#[derive(Debug)]
pub(super) struct BlockedTasks<'a> {
    links: HashMap<&'a DocId, Link<'a>>,
    cycles: Vec<Vec<&'a DocId>>,
}

impl<'a> BlockedTasks<'a> {
    /// Works it out from what is at fault itself, and from which pending task waits for which. Takes time and memory in
    /// proportion to both, whatever the shape.
    pub(super) fn new(faults: Vec<Fault<'a>>, waits: Vec<(&'a DocId, &'a DocId)>) -> Self {
        let mut blocked = Self { links: HashMap::new(), cycles: Vec::new() };
        let alone: Vec<&DocId> = faults.iter().map(|fault| fault.task).collect();
        for Fault { task, via, cause } in faults {
            let next = via.map_or(Next::Own(cause), |via| Next::Dependency(via, cause));
            blocked.links.insert(task, Link { next, root: task, steps: 0 });
        }
        let graph = graph::build(alone, waits);
        for cycle in graph::cycles(&graph) {
            let index = blocked.cycles.len();
            for (at, node) in cycle.iter().enumerate() {
                let id = graph[*node];
                blocked.links.entry(id).or_insert(Link { next: Next::Cycle(index, at), root: id, steps: 0 });
            }
            blocked.cycles.push(cycle.iter().map(|node| graph[*node]).collect());
        }
        // Nodes are in the order of their ids. The nearest root counts, and the first of several.
        let mut found: VecDeque<_> = graph.node_indices().filter(|at| blocked.links.contains_key(graph[*at])).collect();
        while let Some(node) = found.pop_front() {
            let id = graph[node];
            let Some((root, steps)) = blocked.links.get(id).map(|link| (link.root, link.steps)) else { continue };
            let mut waiting: Vec<_> = graph.neighbors_directed(node, Incoming).collect();
            waiting.retain(|other| !blocked.links.contains_key(graph[*other]));
            waiting.sort_unstable();
            for other in waiting {
                blocked.links.insert(graph[other], Link { next: Next::Task(id), root, steps: steps + 1 });
                found.push_back(other);
            }
        }
        blocked
    }

    pub(super) fn contains(&self, id: &DocId) -> bool {
        self.links.contains_key(id)
    }

    /// Why a task is blocked; `None` if it is not.
    pub(super) fn root(&self, id: &DocId) -> Option<Root> {
        let first = self.links.get(id)?;
        let (root, steps) = (first.root, first.steps);
        let way = || {
            iter::successors(self.links.get_key_value(id).map(|(id, _)| *id), |at| match self.links.get(at)?.next {
                Next::Task(next) => Some(next),
                _ => None,
            })
        };
        let before = || root.clone();
        match &self.links.get(root)?.next {
            Next::Task(_) => None,
            Next::Own(cause) => Some(Root {
                path: TaskChain::new(way(), steps + 1, root),
                before: before(),
                cycle: None,
                cause: *cause,
            }),
            Next::Dependency(via, cause) => {
                Some(Root { path: TaskChain::new(way(), steps + 2, via), before: before(), cycle: None, cause: *cause })
            }
            Next::Cycle(index, at) => {
                let all = self.cycles.get(*index)?;
                let around = || all.iter().cycle().skip(*at).copied();
                let before = all.get((at + all.len() - 1) % all.len())?;
                Some(Root {
                    path: TaskChain::new(way().chain(around().skip(1)), steps + 1 + all.len(), root),
                    before: (*before).clone(),
                    cycle: Some(TaskChain::new(around(), all.len() + 1, root)),
                    cause: Cause::Circle,
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(count: usize) -> Vec<DocId> {
        (0..count).map(|n| DocId::new(format!("t{n:06}")).expect("valid")).collect()
    }

    #[test]
    fn a_long_chain_is_shown_without_its_middle() {
        let all = ids(20);
        for (length, text, left_out) in [
            (0, "", 0),
            (1, "t000000", 0),
            (3, "t000000 → t000001 → t000002", 0),
            (20, "t000000 → t000001 → t000002 → t000003 → t000004 → t000005 → t000006 → (12 more) → t000019", 12),
        ] {
            let chain = TaskChain::of(&all[..length]);
            assert_eq!((chain.to_string().as_str(), chain.left_out, chain.length()), (text, left_out, length));
        }
    }

    /// Every task of `count` waits for what `on` says; tells the roots of the first and the last.
    fn roots(count: usize, on: impl Fn(usize) -> Vec<usize>) -> (usize, Vec<String>) {
        let all = ids(count);
        let waits = (0..count).flat_map(|n| on(n).into_iter().map(move |to| (n, to)));
        let blocked = BlockedTasks::new(Vec::new(), waits.map(|(from, to)| (&all[from], &all[to])).collect());
        let number = all.iter().filter(|id| blocked.contains(id)).count();
        let told = [0, count - 1].map(|n| blocked.root(&all[n]).map_or_else(String::new, |root| root.path.to_string()));
        // Each answer is short, so all of them are cheap.
        assert!(all.iter().filter_map(|id| blocked.root(id)).all(|root| root.path.shown.len() <= CHAIN_SHOWN_MAX));
        (number, told.to_vec())
    }

    #[test]
    fn any_shape_of_a_hundred_thousand_is_worked_out_in_one_pass() {
        const COUNT: usize = 100_000;
        let (number, told) = roots(COUNT, |n| vec![(n + 1) % COUNT]);
        assert_eq!(number, COUNT, "a ring");
        assert!(told[0].ends_with("t000006 → (99993 more) → t000000"), "{}", told[0]);
        assert!(told[1].starts_with("t099999 → t000000 → ") && told[1].ends_with(" → t099999"), "{}", told[1]);
        let (number, told) = roots(COUNT, |n| vec![n]);
        assert_eq!((number, told[1].as_str()), (COUNT, "t099999 → t099999"), "each waits for itself");
        assert_eq!(roots(COUNT, |n| (n + 1 < COUNT).then_some(n + 1).into_iter().collect()).0, 0, "a sound chain");
        // A chain that leads into a task which waits for itself.
        let (number, told) = roots(COUNT, |n| vec![(n + 1).min(COUNT - 1)]);
        assert_eq!(number, COUNT);
        assert!(told[0].ends_with("(99993 more) → t099999"), "{}", told[0]);
        // A star: all wait for the first, which waits for all.
        let (number, told) = roots(COUNT, |n| if n == 0 { (1..COUNT).collect() } else { vec![0] });
        assert_eq!((number, told[0].as_str()), (COUNT, "t000000 → t000001 → t000000"));
        assert_eq!(told[1], "t099999 → t000000 → t000001 → t000000");
        // Two rings with one task of both.
        let half = COUNT / 2;
        let (number, told) = roots(COUNT, |n| match n {
            0 => vec![1, half],
            n if n == half - 1 || n == COUNT - 1 => vec![0],
            n => vec![n + 1],
        });
        assert_eq!(number, COUNT);
        assert!(told.iter().all(|path| path.contains(" more) → ")), "{told:?}");
    }

    #[test]
    fn a_dense_ring_is_worked_out_in_one_pass() {
        const COUNT: usize = 1_000;
        let (number, told) = roots(COUNT, |n| (0..COUNT).filter(|other| *other != n).collect());
        assert_eq!((number, told[0].as_str()), (COUNT, "t000000 → t000001 → t000000"));
    }

    #[test]
    fn what_waits_for_a_cycle_is_led_into_it() {
        let all = ids(4);
        let waits = [(0, 1), (1, 2), (2, 3), (3, 2)].map(|(from, to)| (&all[from], &all[to]));
        let root = BlockedTasks::new(Vec::new(), waits.to_vec()).root(&all[0]).expect("blocked");
        assert_eq!(root.path.to_string(), "t000000 → t000001 → t000002 → t000003 → t000002");
        assert_eq!(root.cycle.map(|cycle| cycle.to_string()).as_deref(), Some("t000002 → t000003 → t000002"));
        assert_eq!(root.before, all[3]);
    }
}
