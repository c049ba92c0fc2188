//! Another client of a server, and a person who approves: what a bridge meets there.

use std::fs;

use mycelium::taskqueue::{Client, Item, ItemStatus, Update};
use serde_json::Value;

use crate::server::{PATIENCE, Server};

/// Another client of the same server.
pub(crate) struct Other(pub(crate) Client);

impl Other {
    pub(crate) fn new(server: &Server) -> Self {
        Self(server.client())
    }

    pub(crate) fn project(&mut self) -> String {
        let rows = self.0.projects(PATIENCE).expect("projects");
        rows.last().expect("a project").project_id.clone()
    }

    pub(crate) fn items(&mut self) -> Vec<Item> {
        let project = self.project();
        self.0.project(&project, PATIENCE).expect("a project").tasks
    }

    pub(crate) fn item(&mut self, title: &str) -> Item {
        let items = self.items();
        let found = items.iter().rev().find(|item| item.title.contains(title));
        found.unwrap_or_else(|| panic!("{title:?} is not among {items:?}")).clone()
    }

    pub(crate) fn update(&mut self, title: &str, update: &Update) {
        let (project, item) = (self.project(), self.item(title));
        self.0.update(&project, &item.id, update, PATIENCE).expect("an update");
    }

    pub(crate) fn status(&mut self, title: &str, status: ItemStatus, details: Option<&str>) {
        let completed_details = details.map(str::to_owned);
        self.update(title, &Update { status: Some(status), completed_details, ..Update::default() });
    }

    pub(crate) fn delete(&mut self, title: &str) {
        let (project, item) = (self.project(), self.item(title));
        self.0.delete(&project, &item.id, PATIENCE).expect("a removal");
    }
}

/// Changes the file, as the command line of the server does in a process of its own.
pub(crate) fn change_file(server: &Server, change: impl FnOnce(&mut Value)) {
    let mut data: Value = serde_json::from_str(&server.text()).expect("JSON");
    change(&mut data);
    fs::write(server.file(), serde_json::to_string_pretty(&data).expect("JSON")).expect("the file");
}

/// Approves a task, as a person does with the command line of the server.
pub(crate) fn approve(server: &Server, title: &str) {
    change_file(server, |data| {
        let items =
            data["projects"].as_array_mut().and_then(|all| all.last_mut()).expect("a project")["tasks"].as_array_mut();
        let is_it = |item: &&mut Value| item["title"].as_str().is_some_and(|text| text.contains(title));
        items.expect("items").iter_mut().rev().find(is_it).expect("an item")["approved"] = Value::Bool(true);
    });
}
