//! The stand-in's fourteen tools: their arguments, their rules and their texts.

use serde_json::{Map, Value, json};

use super::faults::Fork;
use super::file::{File, Loaded};

const STATUSES: [&str; 3] = ["not started", "in progress", "done"];
const STATES: [&str; 4] = ["open", "pending_approval", "completed", "all"];

/// Each tool with its arguments; those that are required are marked with `*`.
const TOOLS: [(&str, &[&str]); 14] = [
    ("list_projects", &["state"]),
    ("read_project", &["projectId*"]),
    ("create_project", &["initialPrompt*", "projectPlan", "tasks*", "autoApprove"]),
    ("delete_project", &["projectId*"]),
    ("add_tasks_to_project", &["projectId*", "tasks*"]),
    ("finalize_project", &["projectId*"]),
    ("generate_project_plan", &["prompt*", "provider*", "model*", "attachments"]),
    ("list_tasks", &["projectId", "state"]),
    ("read_task", &["projectId*", "taskId*"]),
    ("create_task", &["projectId*", "title*", "description*", "toolRecommendations", "ruleRecommendations"]),
    (
        "update_task",
        &[
            "projectId*",
            "taskId*",
            "title",
            "description",
            "toolRecommendations",
            "ruleRecommendations",
            "status",
            "completedDetails",
        ],
    ),
    ("delete_task", &["projectId*", "taskId*"]),
    ("approve_task", &["projectId*", "taskId*"]),
    ("get_next_task", &["projectId*"]),
];

/// Why a tool did not do it.
#[derive(Debug)]
pub(super) enum Failure {
    /// There is no such tool.
    Unknown(String),
    /// An argument is missing or wrong: an error of the protocol.
    Argument(String),
    /// The state of the file, of a project or of a task forbids it: a result that says so.
    State(String),
}

/// The tools over a file.
pub(super) struct Tools {
    file: File,
    fork: Option<Fork>,
    blocks_on_done: bool,
    /// What was read last: the tool that deletes a project reads nothing.
    memory: Value,
}

/// What `tools/list` says.
pub(super) fn list() -> Value {
    let kind = |name: &str| match name {
        "tasks" | "attachments" => "array",
        "autoApprove" => "boolean",
        _ => "string",
    };
    let tool = |(name, arguments): &(&str, &[&str])| {
        let plain = |argument: &&str| argument.trim_end_matches('*').to_owned();
        let property = |argument: &&str| (plain(argument), json!({ "type": kind(&plain(argument)) }));
        let properties: Map<String, Value> = arguments.iter().map(property).collect();
        let required: Vec<String> = arguments.iter().filter(|argument| argument.ends_with('*')).map(plain).collect();
        json!({
            "name": name,
            "description": format!("The stand-in's {name}."),
            "inputSchema": { "type": "object", "properties": properties, "required": required },
        })
    };
    TOOLS.iter().map(tool).collect()
}

impl Tools {
    pub(super) fn open(fork: Option<Fork>, blocks_on_done: bool) -> Self {
        let file = File::of_environment();
        let read = if file.is_locked() { None } else { file.load().ok() };
        let memory = read.map_or_else(|| json!({ "projects": [] }), |loaded| loaded.data);
        Self { file, fork, blocks_on_done, memory }
    }

    pub(super) fn leave_lock(&self) {
        let _ = self.file.lock();
    }

    pub(super) fn tear_file(&self) {
        self.file.tear();
    }

    /// Runs a tool. With `twice` a task that it creates is lost, and its id is another one's.
    pub(super) fn call(&mut self, name: &str, arguments: &Value, twice: bool) -> Result<Value, Failure> {
        let required = |key: &str| required(arguments.get(key), key);
        match name {
            "list_projects" => self.list_projects(state(arguments)?),
            "read_project" => self.read_project(required("projectId")?),
            "create_project" => self.create_project(arguments),
            "delete_project" => self.delete_project(required("projectId")?),
            "add_tasks_to_project" => {
                let project = required("projectId")?;
                self.add_tasks(project, &tasks(arguments.get("tasks"))?, twice)
            }
            "finalize_project" => self.finalize(required("projectId")?),
            "generate_project_plan" => {
                required("prompt")?;
                let provider = required("provider")?;
                required("model")?;
                if arguments.get("attachments").is_some_and(|list| !list.is_array()) {
                    return Err(Failure::Argument("Invalid attachments: must be an array of strings".to_owned()));
                }
                Err(Failure::State(format!("Invalid provider: {provider}")))
            }
            "list_tasks" => {
                let project = if arguments.get("projectId").is_some() { Some(required("projectId")?) } else { None };
                self.list_tasks(project, state(arguments)?)
            }
            "read_task" => self.read_task(required("projectId")?, required("taskId")?),
            "create_task" => {
                let project = required("projectId")?;
                let (title, description) = (required("title")?, required("description")?);
                for key in ["toolRecommendations", "ruleRecommendations"] {
                    if arguments.get(key).is_some_and(|value| !value.is_string()) {
                        return Err(Failure::Argument(format!(
                            "Invalid type for optional parameter '{key}' (Expected string)"
                        )));
                    }
                }
                let task = task_of(title, description, arguments);
                self.add_tasks(project, &[task], twice)
            }
            "update_task" => {
                let (project, task) = (required("projectId")?, required("taskId")?);
                self.update_task(project, task, &updates(arguments)?)
            }
            "delete_task" => self.delete_task(required("projectId")?, required("taskId")?),
            "approve_task" => self.approve_task(required("projectId")?, required("taskId")?),
            "get_next_task" => self.next_task(required("projectId")?),
            other => Err(Failure::Unknown(other.to_owned())),
        }
    }

    fn load(&mut self) -> Result<Loaded, Failure> {
        let loaded = self.file.load()?;
        self.memory = loaded.data.clone();
        Ok(loaded)
    }

    fn save(&mut self, data: Value) -> Result<(), Failure> {
        self.memory = data;
        self.file.save(&self.memory)
    }

    fn list_projects(&mut self, state: Option<&str>) -> Result<Value, Failure> {
        let data = self.load()?.data;
        let shown = |project: &&Value| {
            let completed = project["completed"] == true;
            match state {
                Some("open") => !completed,
                Some("completed") => completed,
                Some("pending_approval") => !completed && every(project, |task| task["status"] == "done"),
                _ => true,
            }
        };
        let row = |project: &Value| {
            let count = |is: fn(&Value) -> bool| array(&project["tasks"]).iter().filter(|task| is(task)).count();
            json!({
                "projectId": project["projectId"],
                "initialPrompt": project["initialPrompt"],
                "totalTasks": array(&project["tasks"]).len(),
                "completedTasks": count(|task| task["status"] == "done"),
                "approvedTasks": count(|task| task["approved"] == true),
            })
        };
        let rows: Vec<Value> = array(&data["projects"]).iter().filter(shown).map(row).collect();
        Ok(json!({ "message": "Current projects in the system:", "projects": rows }))
    }

    fn read_project(&mut self, id: &str) -> Result<Value, Failure> {
        let mut data = self.load()?.data;
        let project = find(&mut data, id)?;
        let keys = ["projectId", "initialPrompt", "projectPlan", "completed", "autoApprove", "tasks"];
        Ok(keys.iter().filter_map(|key| Some(((*key).to_owned(), project.get(*key)?.clone()))).collect())
    }

    fn create_project(&mut self, arguments: &Value) -> Result<Value, Failure> {
        let prompt = required(arguments.get("initialPrompt"), "initialPrompt")?;
        let tasks = tasks(arguments.get("tasks"))?;
        let wrong = |key: &str, kind: &str| {
            Failure::Argument(format!("Invalid type for optional parameter '{key}' (Expected {kind})"))
        };
        let (plan, approve) = (arguments.get("projectPlan"), arguments.get("autoApprove"));
        if plan.is_some_and(|plan| !plan.is_string()) {
            return Err(wrong("projectPlan", "string"));
        }
        if approve.is_some_and(|approve| !approve.is_boolean()) {
            return Err(wrong("autoApprove", "boolean"));
        }
        let Loaded { mut data, project, task } = self.load()?;
        let id = format!("proj-{}", project + 1);
        let tasks = numbered(&tasks, task);
        let said = json!({
            "projectId": id,
            "totalTasks": tasks.len(),
            "tasks": tasks.iter().map(short).collect::<Vec<_>>(),
            "message": format!("Project {id} created with {} tasks.", tasks.len()),
        });
        let plan = plan.and_then(Value::as_str).filter(|plan| !plan.is_empty()).unwrap_or(prompt);
        array_mut(&mut data["projects"]).push(json!({
            "projectId": id,
            "initialPrompt": prompt,
            "projectPlan": plan,
            "tasks": tasks,
            "completed": false,
            "autoApprove": approve != Some(&Value::Bool(false)),
        }));
        self.save(data)?;
        Ok(said)
    }

    fn delete_project(&mut self, id: &str) -> Result<Value, Failure> {
        let mut data = self.memory.clone();
        let projects = array_mut(&mut data["projects"]);
        let at = projects.iter().position(|project| project["projectId"] == id);
        let Some(at) = at else { return Err(Failure::State(format!("Project not found: {id}"))) };
        projects.remove(at);
        self.save(data)?;
        Ok(json!({ "status": "project_deleted", "message": format!("Project {id} has been deleted.") }))
    }

    fn add_tasks(&mut self, id: &str, tasks: &[Value], twice: bool) -> Result<Value, Failure> {
        let Loaded { mut data, task, .. } = self.load()?;
        let tasks = numbered(tasks, task);
        let project = find(&mut data, id)?;
        is_open(project)?;
        let kept = if twice {
            vec![numbered(&[task_of("another client's task", "made at the same moment", &json!({}))], task).remove(0)]
        } else {
            tasks.clone()
        };
        array_mut(&mut project["tasks"]).extend(kept);
        self.save(data)?;
        let message = format!("Added {} tasks to project {id}", tasks.len());
        Ok(json!({ "newTasks": tasks.iter().map(short).collect::<Vec<_>>(), "message": message }))
    }

    fn finalize(&mut self, id: &str) -> Result<Value, Failure> {
        let mut data = self.load()?.data;
        let project = find(&mut data, id)?;
        is_open(project)?;
        if !every(project, |task| task["status"] == "done") {
            return Err(Failure::State("Not all tasks are done".to_owned()));
        }
        if !every(project, |task| task["approved"] == true) {
            return Err(Failure::State("Not all done tasks are approved".to_owned()));
        }
        project["completed"] = json!(true);
        self.save(data)?;
        Ok(json!({ "projectId": id, "message": "Project is fully completed and approved." }))
    }

    fn list_tasks(&mut self, project: Option<&str>, state: Option<&str>) -> Result<Value, Failure> {
        let mut data = self.load()?.data;
        let tasks: Vec<Value> = match project {
            Some(id) => array(&find(&mut data, id)?["tasks"]).to_vec(),
            None => array(&data["projects"]).iter().flat_map(|project| array(&project["tasks"]).to_vec()).collect(),
        };
        let shown = |task: &Value| {
            let (approved, done) = (task["approved"] == true, task["status"] == "done");
            match state {
                Some("open") => !approved,
                Some("completed") => done && approved,
                Some("pending_approval") => done && !approved,
                _ => true,
            }
        };
        let tasks: Vec<Value> = tasks.into_iter().filter(shown).collect();
        let of = project.map(|id| format!(" for project {id}")).unwrap_or_default();
        Ok(json!({ "message": format!("Tasks in the system{of}:\n{} tasks found.", tasks.len()), "tasks": tasks }))
    }

    fn read_task(&mut self, project: &str, id: &str) -> Result<Value, Failure> {
        let mut data = self.load()?.data;
        let task = find_task(find(&mut data, project)?, id)?;
        Ok(json!({ "projectId": project, "task": task }))
    }

    fn update_task(&mut self, project: &str, id: &str, updates: &Map<String, Value>) -> Result<Value, Failure> {
        let mut data = self.load()?.data;
        let of = find(&mut data, project)?;
        is_open(of)?;
        let asks = of["autoApprove"] == false;
        let task = find_task(of, id)?;
        if task["approved"] == true {
            return Err(Failure::State("Cannot modify an approved task".to_owned()));
        }
        let done = updates.get("status").is_some_and(|status| status == "done");
        if self.fork == Some(Fork::Strict) {
            strict(task, updates)?;
        }
        if done && self.blocks_on_done {
            loop {
                std::thread::park();
            }
        }
        for (key, value) in updates {
            task[key] = value.clone();
        }
        let answer = task.clone();
        self.save(data)?;
        if self.fork == Some(Fork::Strict) {
            return Ok(answer);
        }
        let mut said = json!({ "task": answer });
        if done && asks {
            said["message"] = json!(format!(
                "Task marked as done but requires human approval.\nTo approve, user should run: npx taskqueue approve-task -- {project} {id}"
            ));
        }
        if self.fork == Some(Fork::Translated) {
            said["task"]["tenantId"] = json!("default");
            said["task"]["updatedAt"] = json!("2025-01-01T00:00:00Z");
        }
        Ok(said)
    }

    fn delete_task(&mut self, project: &str, id: &str) -> Result<Value, Failure> {
        let mut data = self.load()?.data;
        let of = find(&mut data, project)?;
        is_open(of)?;
        if find_task(of, id)?["approved"] == true {
            return Err(Failure::State("Cannot delete an approved task".to_owned()));
        }
        array_mut(&mut of["tasks"]).retain(|task| task["id"] != id);
        self.save(data)?;
        Ok(json!({ "message": format!("Task {id} deleted from project {project}") }))
    }

    fn approve_task(&mut self, project: &str, id: &str) -> Result<Value, Failure> {
        let mut data = self.load()?.data;
        let task = find_task(find(&mut data, project)?, id)?;
        if task["status"] != "done" {
            return Err(Failure::State("Task not done yet".to_owned()));
        }
        if task["approved"] == true {
            return Err(Failure::State("Task is already approved".to_owned()));
        }
        task["approved"] = json!(true);
        let keys = ["id", "title", "description", "completedDetails", "approved"];
        let shown: Map<String, Value> = keys.iter().map(|key| ((*key).to_owned(), task[*key].clone())).collect();
        self.save(data)?;
        Ok(json!({ "projectId": project, "task": shown }))
    }

    fn next_task(&mut self, id: &str) -> Result<Value, Failure> {
        let mut data = self.load()?.data;
        let project = find(&mut data, id)?;
        is_open(project)?;
        let tasks = array(&project["tasks"]);
        if tasks.is_empty() {
            return Err(Failure::State("Project has no tasks".to_owned()));
        }
        let open = |task: &&Value| !(task["status"] == "done" && task["approved"] == true);
        Ok(match tasks.iter().find(open) {
            Some(task) => json!({ "projectId": id, "task": task }),
            None => {
                json!({ "message": "All tasks have been completed and approved. Awaiting project completion approval." })
            }
        })
    }
}

/// A text that must be there and not be empty.
fn required<'a>(value: Option<&'a Value>, name: &str) -> Result<&'a str, Failure> {
    let text = value.and_then(Value::as_str).filter(|text| !text.is_empty());
    text.ok_or_else(|| Failure::Argument(format!("Invalid or missing required parameter: {name} (Expected string)")))
}

fn state(arguments: &Value) -> Result<Option<&str>, Failure> {
    let Some(value) = arguments.get("state") else { return Ok(None) };
    let known = value.as_str().filter(|state| STATES.contains(state));
    let wrong = || Failure::State(format!("Invalid state parameter. Must be one of: {}", STATES.join(", ")));
    known.map(Some).ok_or_else(wrong)
}

/// The tasks of a list, without ids.
fn tasks(value: Option<&Value>) -> Result<Vec<Value>, Failure> {
    let list = value.and_then(Value::as_array);
    let list = list
        .ok_or_else(|| Failure::Argument("Invalid or missing required parameter: tasks (Expected array)".to_owned()))?;
    let task = |(index, task): (usize, &Value)| {
        if !task.is_object() && !task.is_array() {
            return Err(Failure::Argument(format!("Task at index {index} must be an object")));
        }
        let title = required(task.get("title"), &format!("title in task at index {index}"))?;
        let description = required(task.get("description"), &format!("description in task at index {index}"))?;
        Ok(task_of(title, description, task))
    };
    list.iter().enumerate().map(task).collect()
}

/// A new task, without its id.
fn task_of(title: &str, description: &str, more: &Value) -> Value {
    let mut task = json!({
        "title": title, "description": description, "status": "not started", "approved": false, "completedDetails": "",
    });
    for key in ["toolRecommendations", "ruleRecommendations"] {
        let text = match more.get(key) {
            None | Some(Value::Null | Value::Bool(false)) => continue,
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        };
        if !text.is_empty() && text != "0" {
            task[key] = json!(text);
        }
    }
    task
}

/// Tasks with ids that go on after the highest number.
fn numbered(tasks: &[Value], highest: u64) -> Vec<Value> {
    let with_id = |(task, number): (&Value, u64)| {
        let id = std::iter::once(("id".to_owned(), json!(format!("task-{number}"))));
        Value::Object(id.chain(task.as_object().cloned().unwrap_or_default()).collect())
    };
    tasks.iter().zip(highest + 1..).map(with_id).collect()
}

/// The fields of an update; details count with the status that needs them alone.
fn updates(arguments: &Value) -> Result<Map<String, Value>, Failure> {
    let mut updates = Map::new();
    for key in ["title", "description"] {
        if let Some(value) = arguments.get(key) {
            updates.insert(key.to_owned(), json!(required(Some(value), key)?));
        }
    }
    for key in ["toolRecommendations", "ruleRecommendations"] {
        match arguments.get(key) {
            None => {}
            Some(Value::String(text)) => drop(updates.insert(key.to_owned(), json!(text))),
            Some(_) => return Err(Failure::Argument(format!("Invalid {key}: must be a string"))),
        }
    }
    if let Some(status) = arguments.get("status") {
        let known = status.as_str().filter(|status| STATUSES.contains(status));
        let wrong =
            || Failure::Argument("Invalid status: must be one of 'not started', 'in progress', 'done'".to_owned());
        let status = known.ok_or_else(wrong)?;
        if status == "done" {
            let details =
                required(arguments.get("completedDetails"), "completedDetails (required when status = 'done')")?;
            updates.insert("completedDetails".to_owned(), json!(details));
        }
        updates.insert("status".to_owned(), json!(status));
    }
    Ok(updates)
}

/// The rules of the fork that takes one step at a time.
fn strict(task: &mut Value, updates: &Map<String, Value>) -> Result<(), Failure> {
    let (Some(old), Some(new)) = (task["status"].as_str(), updates.get("status").and_then(Value::as_str)) else {
        return Ok(());
    };
    let allowed = old == new
        || match old {
            "in progress" => true,
            _ => new == "in progress",
        };
    if !allowed {
        return Err(Failure::Argument(format!("Invalid status transition from {old} to {new}")));
    }
    if old == "done" && new != "done" {
        task["completedDetails"] = json!("");
    }
    Ok(())
}

fn find<'a>(data: &'a mut Value, id: &str) -> Result<&'a mut Value, Failure> {
    let found = array_mut(&mut data["projects"]).iter_mut().find(|project| project["projectId"] == id);
    found.ok_or_else(|| Failure::State(format!("Project {id} not found")))
}

fn find_task<'a>(project: &'a mut Value, id: &str) -> Result<&'a mut Value, Failure> {
    let found = array_mut(&mut project["tasks"]).iter_mut().find(|task| task["id"] == id);
    found.ok_or_else(|| Failure::State(format!("Task {id} not found")))
}

fn is_open(project: &Value) -> Result<(), Failure> {
    if project["completed"] == true {
        return Err(Failure::State("Project is already completed".to_owned()));
    }
    Ok(())
}

fn every(project: &Value, is: fn(&Value) -> bool) -> bool {
    array(&project["tasks"]).iter().all(is)
}

fn short(task: &Value) -> Value {
    json!({ "id": task["id"], "title": task["title"], "description": task["description"] })
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn array_mut(value: &mut Value) -> &mut Vec<Value> {
    value.as_array_mut().expect("checked when it was read")
}
