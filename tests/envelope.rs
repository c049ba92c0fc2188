//! Every command with `--json`: its answer parses and is in the envelope; its error is an object, with nothing on stdout.
#![allow(clippy::unwrap_used, reason = "an answer that does not parse has failed")]

mod support;

use serde_json::Value;
use support::Sandbox;

const READ: &[&str] = &["schema", "kind", "root", "folder", "branch", "revision", "data", "findings"];
const WRITTEN: &[&str] =
    &["schema", "kind", "root", "folder", "branch", "revision", "data", "findings", "committed", "waiting"];

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

fn words(line: &str) -> Vec<&str> {
    line.split(' ').collect()
}

/// Runs a command with `--json` and gives its lines, each in the envelope.
fn answers(sandbox: &Sandbox, line: &str) -> Vec<Value> {
    let run = sandbox.mycelium(&[&words(line)[..], &["--json"]].concat());
    assert!(run.stderr.is_empty(), "{line}: {}", run.stderr);
    let answers: Vec<Value> = run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for answer in &answers {
        assert_eq!(answer["schema"], 1, "{line}");
        assert_eq!(answer["root"], sandbox.root().canonicalize().unwrap().to_str().unwrap(), "{line}");
        assert_eq!(answer["folder"], support::FOLDER, "{line}");
        assert_eq!(answer["branch"], "main", "{line}");
        assert_eq!(answer["revision"].as_str().map(str::len), Some(40), "{line}");
        assert!(answer["findings"].is_array(), "{line}");
    }
    answers
}

#[test]
fn a_claim_tells_who_where_and_until_when() {
    let sandbox = Sandbox::new();
    sandbox.mycelium(&["task", "create", "--type", "x", "--id", "task-1"]).ok();
    let answers = answers(&sandbox, "task claim task-1 --as a");
    let claim = &answers[0]["data"]["claim"];
    let known = ["holder", "fence", "lease", "since", "until", "origin", "from", "decided", "decided_why"];
    assert_eq!(keys(claim), known);
    assert_eq!((&claim["decided"], &claim["decided_why"]), (&Value::from("here"), &Value::Null));
}

#[test]
fn every_command_answers_in_the_envelope() {
    let sandbox = Sandbox::new();
    for (line, kind) in [
        ("init", "init"),
        ("status", "status"),
        ("check", "check"),
        ("doctor", "doctor"),
        ("instructions", "instructions"),
        ("instructions --write", "instructions"),
        ("config get commit.author", "config.get"),
        ("config set commit.author agent", "config.set"),
        ("config list", "config.list"),
        ("task create --type x --id task-1 --step one", "task.create"),
        ("task create --type x --id task-2", "task.create"),
        ("task list", "task.list"),
        ("task get task-1", "task.get"),
        ("task update task-1 --status running", "task.update"),
        ("task update task-1 --status running", "task.update"),
        ("task tick task-1 1", "task.tick"),
        ("task note task-1 flat", "task.note"),
        ("task complete task-1 --result 1", "task.complete"),
        ("task reopen task-1", "task.reopen"),
        ("task update task-1 --status running", "task.update"),
        ("task release task-1", "task.release"),
        ("task update task-1 --status running", "task.update"),
        ("task fail task-1 --error no", "task.fail"),
        ("task retry task-1", "task.retry"),
        ("task claim task-1 --as a", "task.claim"),
        ("task claim task-1 --as a", "task.claim"),
        ("task renew task-1 --as a", "task.renew"),
        ("task release task-1 --as a", "task.release"),
        ("task claim --next --type x --as a", "task.claim"),
        ("task remove task-2", "task.remove"),
        ("agent set a --status busy", "agent.set"),
        ("agent set a --status idle", "agent.set"),
        ("agent get a", "agent.get"),
        ("agent list", "agent.list"),
        ("agent remove a", "agent.remove"),
        ("workflow create --type x --id wf-1 --task task-1", "workflow.create"),
        ("workflow get wf-1", "workflow.get"),
        ("workflow list", "workflow.list"),
        ("workflow update wf-1 --progress 0.5", "workflow.update"),
        ("workflow complete wf-1", "workflow.complete"),
        ("workflow update wf-1 --status running", "workflow.update"),
        ("workflow fail wf-1 --error no", "workflow.fail"),
        ("commit", "commit"),
    ] {
        let answers = answers(&sandbox, line);
        let [answer] = &answers[..] else { panic!("{line}: {answers:?}") };
        assert_eq!(answer["kind"], kind, "{line}");
        let read = ["init", "status", "check", "doctor", "instructions"].contains(&kind) || kind.contains("config.");
        let read = read || kind.ends_with(".get") || kind.ends_with(".list") || kind == "task.renew";
        assert_eq!(keys(answer), if read { READ } else { WRITTEN }, "{line}");
        if !read && kind != "commit" {
            let (changed, data) = (answer["data"]["changed"] == true, &answer["data"]);
            assert_eq!(answer["committed"].is_string(), changed, "{line}: {answer}");
            assert_eq!(data["operation"].is_string(), changed, "{line}: {answer}");
            assert!(data["id"].is_string() && data["path"].is_string(), "{line}: {answer}");
        }
        if kind.ends_with(".list") {
            assert_eq!(keys(&answer["data"]), ["items", "total", "limit", "next"], "{line}");
        }
    }
}

#[test]
fn an_edit_answers_in_the_envelope() {
    let sandbox = Sandbox::new();
    let _ = answers(&sandbox, "task create --type x --id task-1");
    let mut edit = sandbox.mycelium_command(&["task", "edit", "task-1", "--json"]);
    let run = support::Run::of(edit.env("EDITOR", "sed -i s/pending/running/"));
    let answer: Value = serde_json::from_str(&run.ok()).unwrap();
    assert_eq!(
        (answer["kind"].as_str(), answer["data"]["task"]["status"].as_str()),
        (Some("task.edit"), Some("running"))
    );
    assert_eq!(keys(&answer), WRITTEN);
}

#[test]
fn streams_are_one_envelope_a_line() {
    let sandbox = Sandbox::new();
    let _ = answers(&sandbox, "task create --type x --id task-1");
    let _ = answers(&sandbox, "task update task-1 --status running");
    let log = answers(&sandbox, "log");
    let kinds: Vec<_> = log.iter().map(|line| line["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["log.entry", "log.entry", "log.end"]);
    let change = &log[0]["data"]["changes"][0];
    assert_eq!((change["what"].as_str(), change["to"].as_str()), (Some("status"), Some("running")));
    assert_eq!(log[2]["data"]["more"], false);
    sandbox.write(&format!("{}/task-2.md", support::FOLDER), "---\nid: task-2\nstatus: pending\ntype: x\n---\n");
    let watch = answers(&sandbox, "watch --once");
    let events: Vec<_> = watch.iter().filter_map(|line| line["data"]["event"].as_str()).collect();
    assert!(events.contains(&"committed"), "{watch:?}");
    assert_eq!(watch.last().unwrap()["kind"], "watch.end");
    sandbox.write("plan.jsonl", "{\"op\":\"task.note\",\"id\":\"task-1\",\"text\":\"flat\"}\n");
    let batch = answers(&sandbox, "batch plan.jsonl");
    let kinds: Vec<_> = batch.iter().map(|line| line["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["batch.result", "batch.end"]);
    assert_eq!((keys(&batch[0]), keys(&batch[1])), (WRITTEN.to_vec(), READ.to_vec()));
    assert_eq!(keys(&batch[0]["data"]), ["line", "op", "ok", "id", "path", "changed", "operation"]);
    assert_eq!(batch[0]["committed"], batch[0]["revision"]);
}

#[test]
fn the_default_answer_is_small_and_can_be_walked() {
    let sandbox = Sandbox::new();
    for n in 10..40 {
        let text = format!("---\nid: task-{n}\nstatus: pending\ntype: x\n---\n\n# {}\n", "long title ".repeat(60));
        sandbox.write(&format!("{}/task-{n}.md", support::FOLDER), &text);
    }
    let mut seen = Vec::new();
    let mut line = "task list".to_owned();
    loop {
        let run = sandbox.mycelium(&[&words(&line)[..], &["--json"]].concat());
        assert!(run.stdout.len() <= 8 * 1024, "{} bytes", run.stdout.len());
        let answer: Value = serde_json::from_str(&run.ok()).unwrap();
        assert_eq!(answer["data"]["total"], 30);
        seen.extend(
            answer["data"]["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()),
        );
        let Some(next) = answer["data"]["next"].as_str() else { break };
        line = format!("task list --after {next}");
    }
    let all: Vec<_> = (10..40).map(|n| format!("task-{n}")).collect();
    assert_eq!(seen, all);
    let whole = sandbox.mycelium(&["task", "list", "--limit", "30", "--json"]).ok();
    assert_eq!(serde_json::from_str::<Value>(&whole).unwrap()["data"]["items"].as_array().map(Vec::len), Some(30));
}

#[test]
fn errors_are_one_object_on_standard_error() {
    let sandbox = Sandbox::new();
    let _ = answers(&sandbox, "task create --type x --id task-1");
    for (line, exit, class, code) in [
        ("task gt", 2, "usage", "usage"),
        ("task", 2, "usage", "usage"),
        ("task create", 2, "usage", "usage"),
        ("task create --type x --payload {", 2, "usage", "bad-json"),
        ("task update task-1 --set x", 2, "usage", "bad-pair"),
        ("task get task-9", 3, "not-found", "not-found"),
        ("config get x", 3, "not-found", "unknown-config-key"),
        ("task complete task-1", 4, "conflict", "illegal-step"),
        ("task create --type x --id task-1", 4, "conflict", "exists"),
    ] {
        let run = sandbox.mycelium(&[&words(line)[..], &["--json"]].concat());
        assert_eq!((run.code, run.stdout.as_str()), (Some(exit), ""), "{line}");
        let answer: Value = serde_json::from_str(&run.stderr).unwrap();
        assert_eq!(keys(&answer), ["schema", "kind", "error"], "{line}");
        assert_eq!((&answer["schema"], &answer["kind"]), (&Value::from(1), &Value::from("error")), "{line}");
        let error = &answer["error"];
        let all = ["code", "class", "exit", "message", "causes", "hint", "place", "retryable"];
        assert_eq!(keys(error), all, "{line}");
        assert_eq!((&error["class"], &error["code"]), (&Value::from(class), &Value::from(code)), "{line}");
        assert_eq!((&error["exit"], &error["retryable"]), (&Value::from(exit), &Value::from(false)), "{line}");
    }
    let run = sandbox.mycelium(&["task", "create", "--type", "x", "--payload", "{\"a\": }", "--json"]);
    let answer: Value = serde_json::from_str(&run.stderr).unwrap();
    let place = serde_json::json!({"file": "--payload", "line": 1, "column": 7, "text": "{\"a\": }"});
    assert_eq!(answer["error"]["place"], place);
}
