//! The stand-in's JSON-RPC: one line a message, the envelope of MCP, and what the SDK does with requests that make no sense.

use std::io::Write;

use serde_json::{Value, json};

use super::faults::{Faults, Fork, Point, When};
use super::tools::{self, Failure, Tools};

/// The versions of the protocol that SDK 1.8.0 knows.
const PROTOCOLS: [&str; 2] = ["2024-11-05", "2024-10-07"];

/// The server: its tools, and how many of their calls there were.
pub(super) struct Server {
    faults: Faults,
    tools: Tools,
    calls: u32,
}

impl Server {
    pub(super) fn start(faults: Faults) -> Self {
        std::thread::sleep(faults.start_delay);
        let tools = Tools::open(faults.fork, faults.blocks_on_done);
        Self { faults, tools, calls: 0 }
    }

    /// The lines that answer one line; `None` for what is no request.
    pub(super) fn answer(&mut self, line: &[u8]) -> Option<String> {
        let request: Value = serde_json::from_slice(line).ok()?;
        let id = request.get("id")?.clone();
        let method = request.get("method")?.as_str()?.to_owned();
        let params = request.get("params");
        let is_request = request["jsonrpc"] == "2.0"
            && (id.is_string() || id.is_i64() || id.is_u64())
            && params.is_none_or(Value::is_object);
        if !is_request {
            return None;
        }
        let answer = match method.as_str() {
            "initialize" if self.faults.never_initializes => return None,
            "initialize" => initialized(&self.faults.protocols, params),
            "ping" => Ok(json!({})),
            "tools/list" => Ok(json!({ "tools": tools::list() })),
            "tools/call" => self.call(params)?,
            _ => Err((-32601, "Method not found".to_owned())),
        };
        let line = match answer {
            Ok(result) => json!({ "result": result, "jsonrpc": "2.0", "id": id }),
            Err((code, message)) => {
                json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } })
            }
        };
        let noise = if self.faults.noise { "Server is ready, have a nice day!\n{\"level\":\"info\"}\n" } else { "" };
        Some(format!("{noise}{line}\n"))
    }

    /// Runs a tool, with the faults of this call. `None`: there is no answer.
    #[allow(clippy::type_complexity, reason = "the result of a request: a value, or a code and a text")]
    fn call(&mut self, params: Option<&Value>) -> Option<Result<Value, (i64, String)>> {
        let Some(params) = params else { return Some(Err((-32603, invalid(&[("object", "undefined", &["params"])])))) };
        let Some(name) = params.get("name").and_then(Value::as_str) else {
            return Some(Err((-32603, invalid(&[("string", kind(params.get("name")), &["params", "name"])]))));
        };
        let none = json!({});
        let arguments = params.get("arguments").unwrap_or(&none);
        if !arguments.is_object() {
            return Some(Err((-32603, invalid(&[("object", kind(Some(arguments)), &["params", "arguments"])]))));
        }
        self.calls += 1;
        let call = self.calls;
        std::thread::sleep(self.faults.call_delay);
        self.happen(call, When::Before);
        let done = self.tools.call(name, arguments, self.faults.issues_twice == Some(call));
        if self.faults.leaves_lock == Some(call) {
            self.tools.leave_lock();
        }
        if self.faults.tears_file == Some(call) {
            self.tools.tear_file();
            std::process::exit(137);
        }
        self.happen(call, When::After);
        flood(self.faults.stderr_flood, done.is_err());
        if Point::is(self.faults.drops_answer, call, When::After) {
            return None;
        }
        Some(self.enveloped(done))
    }

    /// Dies or hangs, if that is what happens at this point.
    fn happen(&self, call: u32, when: When) {
        if Point::is(self.faults.dies, call, when) {
            std::process::exit(137);
        }
        if Point::is(self.faults.hangs, call, when) {
            loop {
                std::thread::park();
            }
        }
    }

    fn enveloped(&self, done: Result<Value, Failure>) -> Result<Value, (i64, String)> {
        let text = |text: String| json!([{ "type": "text", "text": text }]);
        match done {
            Ok(data) if self.faults.fork == Some(Fork::Wrapped) => {
                Ok(json!({ "content": text(format!("{:#}", json!({ "status": "success", "data": data }))) }))
            }
            Ok(data) => Ok(json!({ "content": text(format!("{data:#}")) })),
            Err(Failure::Unknown(name)) => Err((-32601, format!("MCP error -32601: Unknown tool: {name}"))),
            Err(Failure::Argument(why)) => Err((-32602, format!("MCP error -32602: {why}"))),
            Err(Failure::State(why)) => {
                let (begin, why) = match self.faults.fork {
                    Some(Fork::Translated) => ("工具执行失败", "无法完成操作".to_owned()),
                    _ => ("Tool execution failed", why),
                };
                Ok(json!({ "content": text(format!("{begin}: {why}")), "isError": true }))
            }
        }
    }
}

/// The answer to `initialize`: the version that was asked for, if it is known, else the newest.
fn initialized(known: &[String], params: Option<&Value>) -> Result<Value, (i64, String)> {
    let Some(params) = params else { return Err((-32603, invalid(&[("object", "undefined", &["params"])]))) };
    let wanted = [("string", "protocolVersion"), ("object", "capabilities"), ("object", "clientInfo")];
    let is = |(expected, key): &(&'static str, &'static str)| kind(params.get(*key)) == *expected;
    let paths = wanted.map(|(_, key)| ["params", key]);
    let wrong: Vec<_> = wanted.iter().zip(&paths).filter(|(field, _)| !is(field)).collect();
    if !wrong.is_empty() {
        let issues: Vec<_> =
            wrong.iter().map(|((expected, key), path)| (*expected, kind(params.get(*key)), &path[..])).collect();
        return Err((-32603, invalid(&issues)));
    }
    let known: Vec<&str> =
        if known.is_empty() { PROTOCOLS.to_vec() } else { known.iter().map(String::as_str).collect() };
    let asked = params["protocolVersion"].as_str().unwrap_or_default();
    let version = known.iter().find(|known| **known == asked).unwrap_or(&known[0]);
    Ok(json!({
        "protocolVersion": version,
        "capabilities": { "tools": { "list": true, "call": true } },
        "serverInfo": { "name": "task-manager-server", "version": "1.4.1" },
    }))
}

/// What the SDK's validator says of values of the wrong type: expected, received, where.
fn invalid(issues: &[(&str, &str, &[&str])]) -> String {
    let issue = |(expected, received, path): &(&str, &str, &[&str])| {
        let message = match *received {
            "undefined" => "Required".to_owned(),
            received => format!("Expected {expected}, received {received}"),
        };
        json!({ "code": "invalid_type", "expected": expected, "received": received, "path": path, "message": message })
    };
    format!("{:#}", Value::Array(issues.iter().map(issue).collect()))
}

/// The validator's word for the type of a value.
fn kind(value: Option<&Value>) -> &'static str {
    match value {
        None => "undefined",
        Some(Value::Null) => "null",
        Some(Value::Bool(_)) => "boolean",
        Some(Value::Number(_)) => "number",
        Some(Value::String(_)) => "string",
        Some(Value::Array(_)) => "array",
        Some(Value::Object(_)) => "object",
    }
}

/// Writes so much to the standard error, and a line for a failure, as the server does.
fn flood(bytes: usize, failed: bool) {
    let mut stderr = std::io::stderr();
    let text = "x".repeat(bytes);
    // Nobody may be there to read it.
    let _ = stderr.write_all(text.as_bytes());
    if failed {
        let _ = stderr.write_all(b"Tool Execution Error: AppError\n    at somewhere\n");
    }
}
