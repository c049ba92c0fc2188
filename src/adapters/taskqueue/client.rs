//! The tools of a server, one request at a time.

use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::error::TaskQueueError;
use super::model::{Item, ItemStatus, ProjectItems, ProjectRow};
use super::process::{Line, NoLine, Program, ServerProcess};

/// The version of MCP that every build of the server knows: revision 2024-11-05 of the specification.
const PROTOCOL: &str = "2024-11-05";

/// The tools that are used; a program without them is another server.
const TOOLS: [&str; 7] = [
    "list_projects",
    "read_project",
    "create_project",
    "add_tasks_to_project",
    "create_task",
    "update_task",
    "delete_task",
];

/// Characters of a version that are kept.
const VERSION_MAX: usize = 40;

/// A connection to a server that this process has started. Dropping it ends the server.
#[derive(Debug)]
pub struct Client {
    program: String,
    /// What the server calls itself, with its version.
    server: String,
    process: ServerProcess,
    requests: u64,
    /// The server did not answer, or with nonsense: it is used no more.
    is_lost: bool,
}

/// An item to be made; it is always made "not started".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewItem {
    /// Its title; not empty.
    pub title: String,
    /// Its text; not empty.
    pub description: String,
    /// Which rules to follow.
    pub rule_recommendations: String,
}

/// What changes of an item; `None` leaves a field as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Update {
    /// The title.
    pub title: Option<String>,
    /// The text.
    pub description: Option<String>,
    /// The status.
    pub status: Option<ItemStatus>,
    /// What was done; sent with [`ItemStatus::Done`] alone, which needs it.
    pub completed_details: Option<String>,
    /// The rules.
    pub rule_recommendations: Option<String>,
}

/// An answer of the protocol.
enum Answer {
    Result(Value),
    /// Code and message.
    Error(String),
}

impl Client {
    /// Starts a server and agrees on the protocol. Whether it can reach its file shows the first call of a tool: a lock that a
    /// killed server has left stops those alone.
    ///
    /// # Errors
    /// [`TaskQueueError::NotStarted`], [`TaskQueueError::Foreign`] and those of a call.
    pub fn start(program: &Program, within: Duration) -> Result<Self, TaskQueueError> {
        let until = Instant::now() + within;
        let name = program.name();
        let process = ServerProcess::start(program)
            .map_err(|error| TaskQueueError::NotStarted { program: name.clone(), why: error.to_string() })?;
        let mut client = Self { program: name, server: String::new(), process, requests: 0, is_lost: false };
        let asked = json!({
            "protocolVersion": PROTOCOL,
            "capabilities": {},
            "clientInfo": { "name": "mycelium", "version": env!("CARGO_PKG_VERSION") },
        });
        let answer = client.request("initialize", &asked, until)?;
        let foreign = |why: String| TaskQueueError::Foreign { program: program.name(), why };
        let Answer::Result(answer) = answer else { return Err(foreign("it refuses to begin".to_owned())) };
        let server = answer["serverInfo"]["name"].as_str().unwrap_or_default();
        if server != "task-manager-server" {
            return Err(foreign(format!("it calls itself `{}`", server.escape_debug())));
        }
        let version = answer["serverInfo"]["version"].as_str().unwrap_or_default();
        let version: String = version.chars().take(VERSION_MAX).collect();
        client.server = ["TaskQueue", &version].join(if version.is_empty() { "" } else { " " });
        client.notify("notifications/initialized")?;
        let Answer::Result(listed) = client.request("tools/list", &json!({}), until)? else {
            return Err(foreign("it lists no tools".to_owned()));
        };
        let listed: Vec<&str> =
            listed["tools"].as_array().into_iter().flatten().filter_map(|tool| tool["name"].as_str()).collect();
        match TOOLS.iter().find(|tool| !listed.contains(tool)) {
            Some(missing) => Err(foreign(format!("it has no tool `{missing}`"))),
            None => Ok(client),
        }
    }

    /// Returns what the server calls itself: `TaskQueue 1.4.1`.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Returns whether the server failed, so that a new one must be started and everything read again.
    #[must_use]
    pub const fn is_lost(&self) -> bool {
        self.is_lost
    }

    /// Returns how many requests were sent, those of the start included.
    #[must_use]
    pub const fn requests(&self) -> u64 {
        self.requests
    }

    /// Returns all projects, in the order in which they were made.
    ///
    /// # Errors
    /// [`TaskQueueError`].
    pub fn projects(&mut self, within: Duration) -> Result<Vec<ProjectRow>, TaskQueueError> {
        let data = self.call("list_projects", &json!({}), within)?;
        self.read("list_projects", &data["projects"])
    }

    /// Returns a project with its items.
    ///
    /// # Errors
    /// [`TaskQueueError`].
    pub fn project(&mut self, id: &str, within: Duration) -> Result<ProjectItems, TaskQueueError> {
        let data = self.call("read_project", &json!({ "projectId": id }), within)?;
        self.read("read_project", &data)
    }

    /// Makes a project without items, in which nothing is approved but by a person. Returns its id.
    ///
    /// # Errors
    /// [`TaskQueueError`].
    pub fn create_project(&mut self, prompt: &str, within: Duration) -> Result<String, TaskQueueError> {
        let asked = json!({ "initialPrompt": prompt, "tasks": [], "autoApprove": false });
        let data = self.call("create_project", &asked, within)?;
        self.read("create_project", &data["projectId"])
    }

    /// Makes items at the end of a project, with one write of the file. Returns their ids, in the same order.
    ///
    /// # Errors
    /// [`TaskQueueError`].
    pub fn add(&mut self, project: &str, items: &[NewItem], within: Duration) -> Result<Vec<String>, TaskQueueError> {
        let item = |item: &NewItem| json!({ "title": item.title, "description": item.description, "ruleRecommendations": item.rule_recommendations });
        let asked = json!({ "projectId": project, "tasks": items.iter().map(item).collect::<Vec<_>>() });
        let data = self.call("add_tasks_to_project", &asked, within)?;
        let ids: Vec<String> = data["newTasks"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|item| item["id"].as_str())
            .map(str::to_owned)
            .collect();
        if ids.len() != items.len() {
            return Err(self.lose_sense("add_tasks_to_project", format!("{} ids for {} tasks", ids.len(), items.len())));
        }
        Ok(ids)
    }

    /// Changes an item, with one write of the file. Returns it as the server says that it is now.
    ///
    /// # Errors
    /// [`TaskQueueError`].
    pub fn update(
        &mut self,
        project: &str,
        id: &str,
        update: &Update,
        within: Duration,
    ) -> Result<Item, TaskQueueError> {
        let fields = [
            ("title", update.title.as_deref()),
            ("description", update.description.as_deref()),
            ("status", update.status.map(ItemStatus::word)),
            ("completedDetails", update.completed_details.as_deref()),
            ("ruleRecommendations", update.rule_recommendations.as_deref()),
        ];
        let ids = [("projectId", Some(project)), ("taskId", Some(id))];
        let given = ids.into_iter().chain(fields).filter_map(|(key, value)| Some((key.to_owned(), json!(value?))));
        let data = self.call("update_task", &Value::Object(given.collect::<Map<_, _>>()), within)?;
        // A fork answers with the bare task.
        self.read("update_task", data.get("task").unwrap_or(&data))
    }

    /// Deletes an item. One that is approved, or whose project is finalized, is refused.
    ///
    /// # Errors
    /// [`TaskQueueError`].
    pub fn delete(&mut self, project: &str, id: &str, within: Duration) -> Result<(), TaskQueueError> {
        self.call("delete_task", &json!({ "projectId": project, "taskId": id }), within).map(drop)
    }

    /// Calls a tool and returns what it says as JSON.
    fn call(&mut self, tool: &str, arguments: &Value, within: Duration) -> Result<Value, TaskQueueError> {
        let asked = json!({ "name": tool, "arguments": arguments });
        let refused = |why: String| TaskQueueError::Refused { call: tool.to_owned(), why };
        let result = match self.request("tools/call", &asked, Instant::now() + within) {
            Ok(Answer::Result(result)) => result,
            Ok(Answer::Error(why)) => return Err(refused(why)),
            Err(error) => return Err(named(error, tool)),
        };
        let text = result["content"][0]["text"].as_str().unwrap_or_default();
        if result["isError"] == true {
            return Err(refused(text.to_owned()));
        }
        match serde_json::from_str::<Value>(text) {
            // 1.3.3 wraps what it says.
            Ok(mut data) if data["status"] == "success" && data.get("data").is_some() => Ok(data["data"].take()),
            Ok(data) => Ok(data),
            Err(error) => Err(self.lose_sense(tool, format!("no JSON: {error}"))),
        }
    }

    fn read<T: DeserializeOwned>(&mut self, tool: &str, data: &Value) -> Result<T, TaskQueueError> {
        T::deserialize(data).map_err(|error| self.lose_sense(tool, error.to_string()))
    }

    fn lose_sense(&mut self, call: &str, why: String) -> TaskQueueError {
        self.is_lost = true;
        TaskQueueError::Senseless { program: self.program.clone(), call: call.to_owned(), why }
    }

    fn notify(&mut self, method: &str) -> Result<(), TaskQueueError> {
        let line = json!({ "jsonrpc": "2.0", "method": method }).to_string().into_bytes();
        self.process.send(line).map_err(|_| self.lose(method, NoLine::Ended, Duration::ZERO))
    }

    /// Sends a request and waits for its answer. What else the server says is passed over.
    fn request(&mut self, method: &str, params: &Value, until: Instant) -> Result<Answer, TaskQueueError> {
        if self.is_lost {
            return Err(self.lose(method, NoLine::Ended, Duration::ZERO));
        }
        self.requests += 1;
        let (id, began) = (self.requests, Instant::now());
        let line = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }).to_string().into_bytes();
        self.process.send(line).map_err(|why| self.lose(method, why, Duration::ZERO))?;
        loop {
            match self.process.receive(until) {
                Ok(Line::Text(line)) => {
                    if let Some(answer) = answer_to(id, &line) {
                        return Ok(answer);
                    }
                }
                Ok(Line::TooLong) => return Err(self.lose_sense(method, "a line of more than 64 MiB".to_owned())),
                Err(why) => return Err(self.lose(method, why, began.elapsed())),
            }
        }
    }

    fn lose(&mut self, call: &str, why: NoLine, after: Duration) -> TaskQueueError {
        self.is_lost = true;
        let (program, call) = (self.program.clone(), call.to_owned());
        match why {
            NoLine::TimedOut => {
                self.process.give_up();
                TaskQueueError::TimedOut { program, call, after }
            }
            NoLine::Ended => TaskQueueError::Ended { program, call, stderr: self.process.stderr_end() },
        }
    }
}

/// The answer to a request in a line; `None` for any other line.
fn answer_to(id: u64, line: &[u8]) -> Option<Answer> {
    let mut message: Value = serde_json::from_slice(line).ok()?;
    if message["jsonrpc"] != "2.0" || message["id"] != id {
        return None;
    }
    if let Some(error) = message.get("error") {
        return Some(Answer::Error(error["message"].as_str().unwrap_or_default().to_owned()));
    }
    message.get_mut("result").map(|result| Answer::Result(result.take()))
}

/// An error of the protocol under the name of the tool that was called.
fn named(error: TaskQueueError, tool: &str) -> TaskQueueError {
    let tool = tool.to_owned();
    match error {
        TaskQueueError::Ended { program, stderr, .. } => TaskQueueError::Ended { program, call: tool, stderr },
        TaskQueueError::TimedOut { program, after, .. } => TaskQueueError::TimedOut { program, call: tool, after },
        TaskQueueError::Senseless { program, why, .. } => TaskQueueError::Senseless { program, call: tool, why },
        other => other,
    }
}
