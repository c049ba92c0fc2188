//! The production remote of `TaskQueue` over a server in memory, with the faults of the real one: answers that are lost after the
//! work was done, writes that are lost although they were acknowledged, ids that are given twice, a file that cannot be read for a
//! while and comes back as it was earlier.

mod connection;
mod judge;
mod others;
mod store;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mycelium::document::Document;
use mycelium::entity::{Priority, TaskStatus, task};
use mycelium::name::{DocId, Kind};
use mycelium::reconcile::{DocumentKey, DocumentRemote};
use mycelium::services::Error;
use mycelium::taskqueue::{Item, NewItem, TaskQueueRemote, TaskQueueSpace};

use crate::world::{Remote, World};
use connection::{Connection, Process};
use store::{Project, Store};

/// States of the file that a backup may have.
const EARLIER_MAX: usize = 6;
const SPACE: &str = "space-1";

/// The file, and what others expect of it.
#[derive(Default)]
struct State {
    store: Store,
    /// What it was before, the newest last.
    earlier: Vec<Store>,
    /// Nobody can read it.
    is_torn: bool,
    /// The items of the project that is another client's own.
    own: Vec<Item>,
    /// Words in the titles of tasks that another client has put into our project and did not take back.
    made: BTreeSet<String>,
    /// Tasks that another client has set back.
    reopened: BTreeSet<DocId>,
}

impl State {
    fn change(&mut self, store: Store) {
        self.earlier.push(std::mem::replace(&mut self.store, store));
        if self.earlier.len() > EARLIER_MAX {
            self.earlier.remove(0);
        }
    }

    /// Somebody puts the file back; what others lose by that is not our doing.
    fn put_back(&mut self, store: Store) {
        self.is_torn = false;
        self.store = store;
        self.own =
            self.store.projects.iter().find(|project| project.prompt == others::OWN).map_or_else(Vec::new, items);
        let all: Vec<String> =
            self.store.projects.iter().flat_map(|project| &project.items).map(|item| item.title.clone()).collect();
        self.made.retain(|word| all.iter().any(|title| title.contains(word.as_str())));
    }
}

fn items(project: &Project) -> Vec<Item> {
    project.items.clone()
}

/// What another client has done at last, which must be in the file of the task in the end.
#[derive(Debug, Clone, PartialEq)]
enum Expected {
    Running,
    Completed(String),
    Approved,
}

/// All of it.
pub(crate) struct TaskQueue {
    state: RefCell<State>,
    space: TaskQueueSpace,
    surplus: BTreeSet<DocId>,
    /// Calls that write and have begun: the server cannot compare, so an id that is given again right then is out of reach.
    writing: Cell<u32>,
    expected: RefCell<BTreeMap<DocId, Expected>>,
}

impl Default for TaskQueue {
    fn default() -> Self {
        let space = TaskQueueSpace { id: SPACE.to_owned(), title: "Tasks".to_owned(), within: Duration::from_secs(10) };
        Self {
            state: RefCell::default(),
            space,
            surplus: BTreeSet::new(),
            writing: Cell::new(0),
            expected: RefCell::default(),
        }
    }
}

impl TaskQueue {
    /// Another client makes a task at the same moment: it gets the same id as ours, which is lost.
    fn issue_again(&self, world: &World, before: Store, project: &str) {
        let name = format!("own-{}", world.token());
        let new = NewItem {
            title: format!("Look {name}"),
            description: "made at the same moment".to_owned(),
            rule_recommendations: String::new(),
        };
        let mut state = self.state.borrow_mut();
        let mut store = before;
        // The project may be new.
        if store.add(project, &[new]).is_ok() {
            world.say(format_args!("another client gets the same id for {name}"));
            state.change(store);
            state.made.insert(name);
        }
    }
}

impl Remote for TaskQueue {
    fn ids(&self) -> Vec<DocumentKey> {
        ["task-a", "task-b", "task-c", "task-d"].map(|id| (Kind::Task, DocId::new(id).expect("valid"))).to_vec()
    }

    fn with(&self, world: &World, _: usize, act: &mut dyn FnMut(&mut dyn DocumentRemote<Error = Error>)) {
        let mut process = Process { server: self, world, is_lost: false };
        act(&mut Connection(TaskQueueRemote::new(&mut process, &self.space, &self.surplus)));
    }

    fn another_client(&self, world: &World) {
        self.somebody(world);
    }

    fn edit(&self, world: &World, document: &Document) -> Option<Document> {
        let set = |update: task::TaskUpdate| task::update(document, &update).ok();
        let text = || Some(format!("Build {}", world.below(1_000)));
        match world.below(4) {
            0 => set(task::TaskUpdate { title: text(), ..task::TaskUpdate::default() }),
            1 => set(task::TaskUpdate { description: text(), ..task::TaskUpdate::default() }),
            2 => set(task::TaskUpdate { priority: Some(Priority::High), ..task::TaskUpdate::default() }),
            _ => None,
        }
    }

    fn expire(&self, world: &World) {
        let mut state = self.state.borrow_mut();
        if state.is_torn && world.below(3) == 0 {
            let back = match world.below(4) {
                0 => Store::default(),
                1 => state.earlier.first().cloned().unwrap_or_default(),
                _ => state.earlier.last().cloned().unwrap_or_default(),
            };
            world.say(format_args!("the file is put back, with {} projects", back.projects.len()));
            state.put_back(back);
        }
    }

    fn late_arrives(&self, _: &World) -> bool {
        false
    }

    fn lose(&self, world: &World) {
        let mut state = self.state.borrow_mut();
        match world.below(3) {
            0 => state.put_back(Store::default()),
            1 => {
                let earlier = state.earlier.first().cloned().unwrap_or_default();
                state.put_back(earlier);
            }
            _ => state.is_torn = true,
        }
    }

    fn heal(&self) {
        let mut state = self.state.borrow_mut();
        if state.is_torn {
            let store = state.store.clone();
            state.put_back(store);
        }
    }

    fn last_changes(&self, world: &World) -> bool {
        self.somebody_at_last(world);
        true
    }

    fn fault(&self, world: &World, key: &DocumentKey, text: Option<&str>) -> Option<String> {
        self.fault_of(key, text).or_else(|| self.fault_of_others(world))
    }

    fn has_done(&self, key: &DocumentKey, before: &Document, after: &Document) -> bool {
        let status = |document: &Document| judge::entry(key, document.text()).task().map(|task| task.status);
        let is_opened = status(after) == Some(TaskStatus::Pending) && status(before) != status(after);
        // A task of another client is also opened again by a file that is put back from before it was taken.
        let is_theirs = key.1.as_str().starts_with("look-");
        !is_opened || is_theirs || self.state.borrow().reopened.contains(&key.1)
    }

    fn has_texts(&self) -> bool {
        false
    }

    fn takes_single_writes(&self) -> bool {
        false
    }
}
