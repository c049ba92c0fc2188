//! The calls that a mirror makes of a server, so that a test can answer them from memory.

use std::fmt::Debug;
use std::time::Duration;

use super::client::{Client, NewItem, Update};
use super::error::TaskQueueError;
use super::model::{Item, ProjectItems, ProjectRow};

/// The tools of a server that a mirror uses. Each call blocks, at most for the time that it is given; after an error that is no
/// refusal it is not known whether it was done. [`Client`] documents what each one does.
pub trait ServerCalls: Debug {
    /// See [`Client::projects`].
    ///
    /// # Errors
    /// [`TaskQueueError`].
    fn projects(&mut self, within: Duration) -> Result<Vec<ProjectRow>, TaskQueueError>;

    /// See [`Client::project`].
    ///
    /// # Errors
    /// [`TaskQueueError`].
    fn project(&mut self, id: &str, within: Duration) -> Result<ProjectItems, TaskQueueError>;

    /// See [`Client::create_project`].
    ///
    /// # Errors
    /// [`TaskQueueError`].
    fn create_project(&mut self, prompt: &str, within: Duration) -> Result<String, TaskQueueError>;

    /// See [`Client::add`].
    ///
    /// # Errors
    /// [`TaskQueueError`].
    fn add(&mut self, project: &str, items: &[NewItem], within: Duration) -> Result<Vec<String>, TaskQueueError>;

    /// See [`Client::update`].
    ///
    /// # Errors
    /// [`TaskQueueError`].
    fn update(&mut self, project: &str, id: &str, update: &Update, within: Duration) -> Result<Item, TaskQueueError>;

    /// See [`Client::delete`].
    ///
    /// # Errors
    /// [`TaskQueueError`].
    fn delete(&mut self, project: &str, id: &str, within: Duration) -> Result<(), TaskQueueError>;
}

impl ServerCalls for Client {
    fn projects(&mut self, within: Duration) -> Result<Vec<ProjectRow>, TaskQueueError> {
        Self::projects(self, within)
    }

    fn project(&mut self, id: &str, within: Duration) -> Result<ProjectItems, TaskQueueError> {
        Self::project(self, id, within)
    }

    fn create_project(&mut self, prompt: &str, within: Duration) -> Result<String, TaskQueueError> {
        Self::create_project(self, prompt, within)
    }

    fn add(&mut self, project: &str, items: &[NewItem], within: Duration) -> Result<Vec<String>, TaskQueueError> {
        Self::add(self, project, items, within)
    }

    fn update(&mut self, project: &str, id: &str, update: &Update, within: Duration) -> Result<Item, TaskQueueError> {
        Self::update(self, project, id, update, within)
    }

    fn delete(&mut self, project: &str, id: &str, within: Duration) -> Result<(), TaskQueueError> {
        Self::delete(self, project, id, within)
    }
}
