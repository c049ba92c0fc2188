//! What a `TaskQueue` server keeps, in memory, with the rules of 1.4.1: ids by the highest number, approved items that stay.

use mycelium::taskqueue::{Item, ItemStatus, NewItem, ProjectItems, ProjectRow, Update};

/// A project.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Project {
    pub(super) id: String,
    pub(super) prompt: String,
    pub(super) is_finalized: bool,
    pub(super) items: Vec<Item>,
}

/// The file of a server.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Store {
    pub(super) projects: Vec<Project>,
}

/// What a server says of what it does not do.
type Refusal = String;

impl Store {
    pub(super) fn rows(&self) -> Vec<ProjectRow> {
        let row = |project: &Project| ProjectRow {
            project_id: project.id.clone(),
            initial_prompt: project.prompt.clone(),
            total_tasks: project.items.len() as u64,
        };
        self.projects.iter().map(row).collect()
    }

    pub(super) fn read(&self, id: &str) -> Result<ProjectItems, Refusal> {
        let project = self.projects.iter().find(|project| project.id == id).ok_or("there is no such project")?;
        Ok(ProjectItems {
            project_id: project.id.clone(),
            initial_prompt: project.prompt.clone(),
            completed: project.is_finalized,
            tasks: project.items.clone(),
        })
    }

    pub(super) fn create(&mut self, prompt: &str) -> String {
        let last = self.projects.iter().map(|project| number(&project.id)).max().unwrap_or(0);
        let id = format!("proj-{}", last + 1);
        let project = Project { id: id.clone(), prompt: prompt.to_owned(), is_finalized: false, items: Vec::new() };
        self.projects.push(project);
        id
    }

    fn open(&mut self, id: &str) -> Result<&mut Project, Refusal> {
        let project = self.projects.iter_mut().find(|project| project.id == id).ok_or("there is no such project")?;
        if project.is_finalized { Err("the project is finalized".to_owned()) } else { Ok(project) }
    }

    /// The highest number of an item is the next but one to be given: one that was deleted gives its number again.
    pub(super) fn add(&mut self, project: &str, new: &[NewItem]) -> Result<Vec<String>, Refusal> {
        let items = self.projects.iter().flat_map(|project| &project.items);
        let last = items.map(|item| number(&item.id)).max().unwrap_or(0);
        let ids: Vec<String> = (last + 1..).take(new.len()).map(|number| format!("task-{number}")).collect();
        let made = ids.iter().zip(new).map(|(id, new)| Item {
            id: id.clone(),
            title: new.title.clone(),
            description: new.description.clone(),
            status: ItemStatus::NotStarted,
            approved: false,
            completed_details: String::new(),
            tool_recommendations: None,
            rule_recommendations: Some(new.rule_recommendations.clone()).filter(|rules| !rules.is_empty()),
        });
        self.open(project)?.items.extend(made);
        Ok(ids)
    }

    fn item(&mut self, project: &str, id: &str) -> Result<&mut Item, Refusal> {
        let items = &mut self.open(project)?.items;
        let item = items.iter_mut().find(|item| item.id == id).ok_or("there is no such task")?;
        if item.approved { Err("the task is approved".to_owned()) } else { Ok(item) }
    }

    pub(super) fn update(&mut self, project: &str, id: &str, update: &Update) -> Result<Item, Refusal> {
        let item = self.item(project, id)?;
        let set = |to: &mut String, from: &Option<String>| {
            if let Some(text) = from {
                text.clone_into(to);
            }
        };
        set(&mut item.title, &update.title);
        set(&mut item.description, &update.description);
        item.status = update.status.unwrap_or(item.status);
        if update.status == Some(ItemStatus::Done) {
            set(&mut item.completed_details, &update.completed_details);
        }
        if update.rule_recommendations.is_some() {
            item.rule_recommendations.clone_from(&update.rule_recommendations);
        }
        Ok(item.clone())
    }

    pub(super) fn delete(&mut self, project: &str, id: &str) -> Result<(), Refusal> {
        self.item(project, id)?;
        self.open(project)?.items.retain(|item| item.id != id);
        Ok(())
    }
}

fn number(id: &str) -> u64 {
    id.rsplit_once('-').and_then(|(_, number)| number.parse().ok()).unwrap_or(0)
}
