//! Another client of the server, and a person who approves and finalizes there.

use mycelium::name::DocId;
use mycelium::taskqueue::{Item, ItemStatus, NewItem, Update};

use super::store::{Project, Store};
use super::{Expected, SPACE, TaskQueue};
use crate::world::{Remote, World};

/// The prompt of the project that is another client's own.
pub(super) const OWN: &str = "somebody else's";

/// The task that an item says it shows.
pub(super) fn task_of(item: &Item) -> Option<DocId> {
    let rules = item.rule_recommendations.as_deref()?;
    let line = rules.lines().rev().find(|line| line.starts_with("mycelium:v1 "))?;
    DocId::new(line.split(' ').find_map(|word| word.strip_prefix("task="))?).ok()
}

/// Our project in use: of the highest generation, and of several of one the first.
pub(super) fn in_use(store: &Store) -> Option<&Project> {
    let generation = |project: &Project| {
        let line = project.prompt.lines().last()?.strip_prefix(&format!("mycelium:v1 space={SPACE} gen="))?;
        line.parse::<u64>().ok()
    };
    let ours = store.projects.iter().filter_map(|project| Some((generation(project)?, project)));
    ours.reduce(|best, other| if other.0 > best.0 { other } else { best }).map(|(_, project)| project)
}

fn new_item(title: String) -> NewItem {
    NewItem { title, description: "please".to_owned(), rule_recommendations: String::new() }
}

fn status(status: ItemStatus) -> Update {
    Update { status: Some(status), ..Update::default() }
}

fn done(details: String) -> Update {
    Update { completed_details: Some(details), ..status(ItemStatus::Done) }
}

/// What is in no file yet cannot be taken any more once it is approved.
fn approve(store: &mut Store, item: &Item) -> bool {
    if task_of(item).is_none() {
        return false;
    }
    let items = store.projects.iter_mut().flat_map(|project| &mut project.items);
    items.filter(|one| one.id == item.id).for_each(|one| one.approved = true);
    true
}

impl TaskQueue {
    /// Something happens in the file by somebody else.
    pub(super) fn somebody(&self, world: &World) {
        if self.state.borrow().is_torn {
            return;
        }
        let mut store = self.state.borrow().store.clone();
        if world.below(4) == 0 {
            self.in_own_project(world, &mut store);
            return;
        }
        let Some(project) = in_use(&store).cloned() else { return };
        let some = (!project.items.is_empty()).then(|| project.items[world.one_of(project.items.len())].clone());
        let is_writing = self.writing.get() > 0;
        let details = format!("{{\"by\": {}}}", world.below(1_000));
        let (id, about) = (&project.id, some.as_ref().map_or("", |item| item.id.as_str()));
        let done = match (world.below(12), &some) {
            (0 | 1, Some(_)) => store.update(id, about, &status(ItemStatus::InProgress)).is_ok(),
            (2, Some(item)) => {
                let task = item.title.rsplit_once(" [").and_then(|(_, id)| DocId::new(id.trim_end_matches(']')).ok());
                self.state.borrow_mut().reopened.extend(task_of(item).or(task));
                store.update(id, about, &status(ItemStatus::NotStarted)).is_ok()
            }
            (3, Some(_)) => store.update(id, about, &done(details)).is_ok(),
            (4, Some(_)) => store.update(id, about, &done("by hand".to_owned())).is_ok(),
            (5, Some(item)) if item.status == ItemStatus::Done => approve(&mut store, item),
            (6, _) if !is_writing => self.make(world, &mut store, id),
            (7, Some(item)) if !is_writing => self.delete(&mut store, id, item),
            (8, Some(_)) => {
                let text = Update { description: Some("something else".to_owned()), ..Update::default() };
                store.update(id, about, &text).is_ok()
            }
            // While an item is being made nothing but its marker tells that its status is still to come.
            (9, Some(item))
                if !item.rule_recommendations.as_deref().is_some_and(|rules| rules.contains(" rev=new ")) =>
            {
                let rules = Update { rule_recommendations: Some("be kind".to_owned()), ..Update::default() };
                store.update(id, about, &rules).is_ok()
            }
            // The id is given again at once.
            (10, _) if !is_writing => {
                let highest = project.items.iter().max_by_key(|item| item.id.len());
                highest.is_some_and(|item| self.delete(&mut store, id, item)) && self.make(world, &mut store, id)
            }
            (11, Some(_)) if project.items.iter().all(|item| item.approved) => {
                let found = store.projects.iter_mut().find(|found| found.id == *id);
                found.map(|found| found.is_finalized = true).is_some()
            }
            _ => false,
        };
        if done {
            world.say(format_args!("another client, at {about}: {:?}", in_use(&store)));
            self.state.borrow_mut().change(store);
        }
    }

    fn make(&self, world: &World, store: &mut Store, project: &str) -> bool {
        let name = format!("own-{}", world.token());
        let is_made = store.add(project, &[new_item(format!("Look {name}"))]).is_ok();
        if is_made {
            self.state.borrow_mut().made.insert(name);
        }
        is_made
    }

    fn delete(&self, store: &mut Store, project: &str, item: &Item) -> bool {
        let is_deleted = store.delete(project, &item.id).is_ok();
        if is_deleted {
            self.state.borrow_mut().made.retain(|word| !item.title.contains(word.as_str()));
        }
        is_deleted
    }

    fn in_own_project(&self, world: &World, store: &mut Store) {
        let Some(own) = store.projects.iter().find(|project| project.prompt == OWN).cloned() else {
            store.create(OWN);
            self.state.borrow_mut().change(store.clone());
            return;
        };
        let is_writing = self.writing.get() > 0;
        let some = (!own.items.is_empty()).then(|| own.items[world.one_of(own.items.len())].clone());
        let _ = match (world.below(3), some) {
            (0, Some(item)) => store.update(&own.id, &item.id, &status(ItemStatus::InProgress)).is_ok(),
            (1, Some(item)) if !is_writing => store.delete(&own.id, &item.id).is_ok(),
            _ if !is_writing => store.add(&own.id, &[new_item("mine".to_owned())]).is_ok(),
            _ => false,
        };
        let mut state = self.state.borrow_mut();
        let is_own = |project: &&Project| project.prompt == OWN;
        state.own = store.projects.iter().find(is_own).map_or_else(Vec::new, super::items);
        state.change(store.clone());
    }

    /// The last changes, one of each item; notes what must come of them.
    pub(super) fn somebody_at_last(&self, world: &World) {
        let mut store = self.state.borrow().store.clone();
        let Some(project) = in_use(&store).cloned() else { return };
        let id = &project.id;
        let mut expected = self.expected.borrow_mut();
        for item in &project.items {
            let Some(task) = task_of(item).filter(|_| !item.approved && !project.is_finalized) else { continue };
            let details = format!("{{\"last\": {}}}", world.below(1_000));
            let comes = match world.below(6) {
                0 => {
                    let _ = store.update(id, &item.id, &status(ItemStatus::InProgress));
                    Expected::Running
                }
                1 => {
                    let _ = store.update(id, &item.id, &done(details.clone()));
                    Expected::Completed(details)
                }
                2 => {
                    let _ = store.update(id, &item.id, &done(details));
                    let items = store.projects.iter_mut().flat_map(|project| &mut project.items);
                    items.filter(|one| one.id == item.id).for_each(|one| one.approved = true);
                    Expected::Approved
                }
                3 => {
                    let _ = store.delete(id, &item.id);
                    continue;
                }
                4 => {
                    let text = Update { title: Some("another title".to_owned()), ..Update::default() };
                    let _ = store.update(id, &item.id, &text);
                    continue;
                }
                _ => continue,
            };
            expected.insert(task, comes);
        }
        let _ = project.is_finalized || self.make(world, &mut store, id);
        world.say(format_args!("at last, in {}: {expected:?}", project.id));
        self.state.borrow_mut().change(store);
        let people = world.ids.iter().filter(|key| !expected.contains_key(&key.1));
        for key in people {
            let clone = world.one_of(world.clones.len());
            let Some((path, document)) = world.find(clone, key).filter(|(path, _)| !path.is_archived()) else {
                continue;
            };
            let Some(edited) = self.edit(world, &document) else { continue };
            world.clones[clone].borrow_mut().files.insert(path, edited);
            world.commit(clone);
        }
    }
}
