//! Makes a workflow of a list of names, together with the tasks that are not there yet.

use super::{Workflows, only_outcome};
use crate::core::document::Value;
use crate::core::entity::task::TaskUpdate;
use crate::core::entity::{Priority, TaskDraft, WorkflowDraft};
use crate::core::name::{DocId, Kind};
use crate::core::operation::{DocumentChange, Expect, New, Request, Taken};
use crate::core::problem::{ErrorClass, Problem as _};
use crate::core::workflow::{NamedTask, resolve_task_names};
use crate::services::operations::{Actor, Outcome, Together};
use crate::services::{Error, Scope, environment};

/// How often it is tried again where a task that was to be taken changes at the same time.
const ROUNDS_MAX: usize = 5;

impl Workflows<'_> {
    /// Makes a workflow whose `tasks` are names: an id, the stem of a file, or a type. Where a type names the one pending task that
    /// belongs to no workflow, that task becomes a task of this one; else a task of that type is made.
    ///
    /// Durable on return: the workflow and its tasks, as one operation.
    ///
    /// # Errors
    /// [`Error::Exists`] if the id is taken; others if the folder fails. Then nothing was made.
    pub fn create(&self, by: &Actor, draft: &WorkflowDraft, taken: Taken) -> Result<Outcome, Error> {
        let mut round = 1;
        loop {
            match self.create_once(by, draft.clone(), taken) {
                Err(error)
                    if round < ROUNDS_MAX
                        && error.class() == ErrorClass::Conflict
                        && !matches!(error, Error::Exists { .. }) =>
                {
                    round += 1;
                }
                done => return done,
            }
        }
    }

    fn create_once(&self, by: &Actor, mut draft: WorkflowDraft, taken: Taken) -> Result<Outcome, Error> {
        let mut requests = Vec::new();
        if !draft.tasks.is_empty() {
            let live = self.documents.snapshot(Scope::Named)?;
            let mut ids = Vec::with_capacity(draft.tasks.len());
            for named in resolve_task_names(&live, &draft.tasks) {
                ids.push(match named {
                    NamedTask::Listed(id) => id,
                    NamedTask::Adopted(id) => {
                        let set = vec![("workflow".to_owned(), Value::text(draft.id.as_str()))];
                        let update = TaskUpdate { set, ..TaskUpdate::default() };
                        let request = Request::task(id.as_str(), update.into());
                        let entry = live.named_task(&id);
                        requests.push(match entry {
                            Some(entry) => request.expecting(Expect::text_of(&entry.document)),
                            None => request,
                        });
                        id
                    }
                    NamedTask::New(kind) => {
                        let id = environment::new_id(Kind::Task)?;
                        let new = New::Task(new_task(id.clone(), kind, &draft));
                        requests.push(DocumentChange::Create { new, taken: Taken::FileName }.into());
                        id
                    }
                });
            }
            draft.tasks = ids;
        }
        if requests.is_empty() {
            return self.operations.create(by, &New::Workflow(draft), taken);
        }
        requests.push(DocumentChange::Create { new: New::Workflow(draft), taken }.into());
        only_outcome(self.operations.batch(by, &requests, Together::All)?)
    }
}

fn new_task(id: DocId, kind: String, workflow: &WorkflowDraft) -> TaskDraft {
    TaskDraft {
        id,
        kind,
        title: None,
        description: None,
        assigned_to: None,
        depends_on: Vec::new(),
        priority: Priority::Normal,
        workflow: Some(workflow.id.clone()),
        payload: None,
        steps: Vec::new(),
        created: workflow.created,
    }
}
