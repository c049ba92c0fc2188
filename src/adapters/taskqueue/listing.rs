//! The items of a project, by the task that each one shows.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::marker::{ItemMarker, ProjectMarker};
use super::model::{Item, ProjectItems, ProjectRow};
use super::projection::{id_of_title, is_description};
use crate::core::name::DocId;
use crate::core::reconcile::digest;

/// How many characters of a title go into the id of a task that is made of it.
const ID_TITLE_MAX: usize = 40;
/// How many hexadecimal digits behind it keep two of the same title apart.
const ID_DIGITS: usize = 6;

/// An item with its marker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MarkedItem {
    pub(super) item: Item,
    /// `None` if it has lost its marker, or never had one.
    pub(super) marker: Option<ItemMarker>,
}

/// A project as it was read last.
#[derive(Debug, Clone, Default)]
pub(super) struct ItemListing {
    /// `proj-N`.
    pub(super) project: String,
    /// A person has finalized it.
    pub(super) is_finalized: bool,
    /// See [`ProjectMarker::generation`].
    pub(super) generation: u64,
    /// The items of each task: the one that counts first, then those that stand beside it by mistake.
    items: BTreeMap<DocId, Vec<MarkedItem>>,
    /// Items that show no task of ours and cannot be made one, and why.
    pub(super) unusable: Vec<(String, String)>,
}

impl ItemListing {
    /// Sorts the items of a project. `is_known` says whether this clone has a task of this id, or had one.
    pub(super) fn new(project: ProjectItems, generation: u64, space: &str, is_known: &dyn Fn(&DocId) -> bool) -> Self {
        let mut listing =
            Self { project: project.project_id, is_finalized: project.completed, generation, ..Self::default() };
        for item in project.tasks {
            let marker = item.rule_recommendations.as_deref().and_then(ItemMarker::parse);
            match task_of(&item, marker.as_ref(), space, is_known) {
                Ok(task) => listing.items.entry(task).or_default().push(MarkedItem { item, marker }),
                Err(why) => listing.unusable.push((format!("{} {}", listing.project, item.id), why)),
            }
        }
        for items in listing.items.values_mut() {
            // A frozen one of the same number is a version that was sent again beside it.
            items.sort_by_key(|one| (Reverse(one.number()), one.item.approved, item_number(&one.item.id)));
        }
        listing
    }

    /// A project that was just made.
    pub(super) fn empty(project: String, generation: u64) -> Self {
        Self { project, generation, ..Self::default() }
    }

    /// The tasks that are shown.
    pub(super) fn tasks(&self) -> impl Iterator<Item = &DocId> {
        self.items.keys()
    }

    /// Returns true if another one shows the same items, but for those of these tasks.
    pub(super) fn is_same_without(&self, other: &Self, tasks: &BTreeSet<DocId>) -> bool {
        let rest = |listing: &'_ Self| {
            let items = listing.items.iter().filter(|(task, _)| !tasks.contains(*task));
            items.map(|(task, items)| (task.clone(), items.clone())).collect::<Vec<_>>()
        };
        self.is_finalized == other.is_finalized && rest(self) == rest(other)
    }

    /// The item that shows a task.
    pub(super) fn item(&self, task: &DocId) -> Option<&MarkedItem> {
        self.items.get(task)?.first()
    }

    /// Items that show the same task beside the one that counts, and are to be deleted. What was approved stays for good.
    pub(super) fn surplus(&self, task: &DocId) -> impl Iterator<Item = &Item> {
        let others = self.items.get(task).into_iter().flatten().skip(1);
        others.map(|other| &other.item).filter(|item| !item.approved)
    }
}

impl MarkedItem {
    pub(super) fn number(&self) -> u64 {
        self.marker.as_ref().map_or(0, |marker| marker.number)
    }
}

/// The project in use for a space, and its generation: the newest, and of several that clones made at once the first.
pub(super) fn project_in_use<'a>(rows: &'a [ProjectRow], space: &str) -> Option<(&'a ProjectRow, u64)> {
    let marked = projects_of(rows, space);
    marked.min_by_key(|(row, generation)| (Reverse(*generation), item_number(&row.project_id)))
}

/// Projects beside the one in use that have items, and why these are not taken.
pub(super) fn projects_beside(rows: &[ProjectRow], space: &str) -> Vec<(String, String)> {
    let Some((used, newest)) = project_in_use(rows, space) else { return Vec::new() };
    let beside = projects_of(rows, space)
        .filter(|(row, generation)| *generation == newest && row.project_id != used.project_id && row.total_tasks > 0);
    let words = |row: &ProjectRow| {
        let (count, used) = (row.total_tasks, &used.project_id);
        format!("it was made at the same time as {used}, which is in use: its {count} tasks are not taken")
    };
    beside.map(|(row, _)| (row.project_id.clone(), words(row))).collect()
}

fn projects_of<'a>(rows: &'a [ProjectRow], space: &str) -> impl Iterator<Item = (&'a ProjectRow, u64)> {
    rows.iter().filter_map(move |row| {
        let marker = ProjectMarker::parse(&row.initial_prompt).filter(|marker| marker.space == space)?;
        Some((row, marker.generation))
    })
}

/// The task that an item shows, or is to become.
fn task_of(
    item: &Item,
    marker: Option<&ItemMarker>,
    space: &str,
    is_known: &dyn Fn(&DocId) -> bool,
) -> Result<DocId, String> {
    match marker {
        Some(marker) if marker.space == space => Ok(marker.task.clone()),
        Some(_) => Err("it mirrors a task of another folder".to_owned()),
        None => match id_of_title(&item.title) {
            Some(task) if is_known(&task) => Ok(task),
            // Made by a clone from which git has not brought the task yet.
            Some(task) if is_description(&item.description) => {
                Err(format!("it has lost its marker, and there is no `{task}` here"))
            }
            _ if item.approved => Err("it was approved before it could be taken".to_owned()),
            _ => id_of_foreign(item).ok_or_else(|| "no id can be made of its title".to_owned()),
        },
    }
}

/// The id of a task that is made of an item: each clone makes the same.
fn id_of_foreign(item: &Item) -> Option<DocId> {
    let lower = item.title.to_lowercase();
    let words: Vec<&str> = lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let title: String = words.join("-").chars().take(ID_TITLE_MAX).collect();
    let digits = &digest(format!("{}\n{}\n{}", item.id, item.title, item.description).as_bytes())[..ID_DIGITS];
    let id =
        [title.trim_matches('-'), digits].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-");
    DocId::new(&id).ok()
}

/// The number in `task-N` or `proj-N`; what has none comes last.
fn item_number(id: &str) -> u64 {
    id.rsplit_once('-').and_then(|(_, number)| number.parse().ok()).unwrap_or(u64::MAX)
}
