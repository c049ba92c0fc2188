//! Documents as entities: what is read of each field, and what is said of those that cannot be.

use serde_json::json;

use super::*;
use crate::diagnostic::Place;

const TASK: &str = include_str!("../../../fixtures/reference/task-123.md");
const AGENT: &str = include_str!("../../../fixtures/reference/agent-ai-engineer.md");

fn reading(path: &str, text: &str) -> Reading {
    read(&DocPath::new(path).expect("valid"), &Document::parse(text.as_bytes()))
}

fn task_with(lines: &str, body: &str) -> Reading {
    reading("task-1.md", &format!("---\nid: task-1\ntype: t\nstatus: pending\n{lines}---\n{body}"))
}

fn task_of(reading: &Reading) -> &Task {
    reading.entity.as_ref().and_then(Entity::as_task).expect("a task")
}

#[test]
fn the_reference_task_is_read() {
    let reading = reading("task-123.md", TASK);
    assert_eq!(reading.findings, []);
    let task = task_of(&reading);
    assert_eq!(task.steps.len(), 5);
    let mut json = task.to_json();
    json.as_object_mut().expect("a map").remove("steps");
    assert_eq!(
        json,
        json!({
            "id": "task-123", "type": "train-model", "title": "train-model", "status": "running",
            "assigned_to": "ai-engineer", "priority": "normal", "depends_on": ["task-122"],
            "payload": {"dataset": "alice-voice", "config": "configs/lora.yaml", "epochs": 3},
            "created": "2025-10-17T00:00:00Z", "progress": null, "workflow": null, "result": null, "error": null,
            "notes": [],
        })
    );
}

#[test]
fn the_reference_agent_is_read() {
    let reading = reading("agent-ai-engineer.md", AGENT);
    assert_eq!(reading.findings, []);
    assert_eq!(
        reading.entity.expect("an agent").to_json(),
        json!({
            "agent": "ai-engineer", "status": "busy", "last_updated": "2025-10-17T00:00:00Z", "ttl": null,
            "active_tasks": ["train-model"], "started": {"train-model": "2025-10-17T00:00:00Z"},
            "metadata": {
                "current_workflow": "workflow-123",
                "resources_allocated": {"gpu": "NVIDIA RTX 4090", "memory_gb": 24},
            },
            "notes": [],
        })
    );
}

#[test]
fn every_key_of_a_task_is_read() {
    let lines = "assigned_to: a\npriority: high\ndepends_on: [x, 007]\ncreated_at: 2025-10-17\nworkflow: wf-1\nprogress: 0.5\nclaimed_by: b\nfence: 3\nlease: 5m\nattempt: 2\nreview: required\napproved: Jane Doe\ncurrent_epoch: 2\ntags: [p, q]\n";
    let reading = task_with(lines, "# T\n## Result\nThe loss is flat.\n## Error\n42\n");
    assert_eq!(reading.findings, []);
    let json = task_of(&reading).to_json();
    for (key, value) in [
        ("assigned_to", json!("a")),
        ("priority", json!("high")),
        ("depends_on", json!(["x", "007"])),
        ("created", json!("2025-10-17T00:00:00Z")),
        ("workflow", json!("wf-1")),
        ("progress", json!(0.5)),
        ("claimed_by", json!("b")),
        ("fence", json!(3)),
        ("lease", json!("5m")),
        ("attempt", json!(2)),
        ("review", json!("required")),
        ("approved", json!("Jane Doe")),
        ("current_epoch", json!(2)),
        ("tags", json!(["p", "q"])),
        ("result", json!("The loss is flat.")),
        ("error", json!(42)),
    ] {
        assert_eq!(json[key], value, "{key}");
    }
}

#[test]
fn findings_have_their_place_and_keep_the_task() {
    for (lines, code, place, message) in [
        ("priority: hihg\n", Code::BadValue, (5, 11), "unknown priority `hihg`; known: low, normal, high, critical"),
        ("progress: 1.5\n", Code::BadValue, (5, 11), "`progress`: 1.5 is not between 0 and 1"),
        ("progress: half\n", Code::BadValue, (5, 11), "`progress`: `half` is not a number"),
        ("progress: [1]\n", Code::BadValue, (5, 11), "`progress` must be one value, not a list or map"),
        (
            "x: 1\ncreated: yesterday\n",
            Code::BadValue,
            (6, 10),
            "`created`: `yesterday` is not a time such as 2025-10-17T00:00:00Z",
        ),
        (
            "assigned_to: two words\n",
            Code::BadName,
            (5, 14),
            "`assigned_to`: the agent name `two words` has a blank at character 4",
        ),
        ("depends_on: {a: b}\n", Code::BadValue, (5, 13), "`depends_on` must be a list of ids"),
        (
            "depends_on: [a/b]\n",
            Code::BadName,
            (5, 13),
            "`depends_on`: the id `a/b` has `/` (use letters, digits, `-`, `_` and `.`) at character 2",
        ),
        ("fence: -1\n", Code::BadValue, (5, 8), "`fence`: `-1` is not a whole number"),
        ("lease: long\n", Code::BadValue, (5, 8), "`lease`: `long` is not a span of time such as 30s, 5m, 2h or 7d"),
    ] {
        let reading = task_with(lines, "");
        let [finding] = &reading.findings[..] else { panic!("{lines}: {:?}", reading.findings) };
        assert_eq!((finding.code, finding.message.as_str()), (code, message));
        assert_eq!(finding.place, Some(Place { line: place.0, column: place.1 }), "{lines}");
        assert!(finding.hint.is_some() && finding.path.is_some(), "{lines}");
        assert!(reading.entity.is_some(), "{lines}");
    }
    let reading = task_with("", "\n## Payload\n\n{\n  \"a\": x\n}\n");
    assert_eq!(reading.findings[0].place, Some(Place { line: 10, column: 8 }));
    assert_eq!(task_of(&reading).payload, None);
}

#[test]
fn what_can_be_identified_never_vanishes() {
    let long = format!("---\nid: {}\n---\n", "x".repeat(200));
    for (path, text, id, code) in [
        ("task-7.md", "---\nid: task-7\ntype: t\nstatus: runing\n---\n", Some("task-7"), Code::UnknownStatus),
        ("task-7.md", "---\nid: other\ntype: t\n---\n", Some("other"), Code::MissingKey),
        ("task-7.md", "---\nid: [x\n---\n", Some("task-7"), Code::YamlSyntax),
        ("task-7.md", "no frontmatter\n", Some("task-7"), Code::NoFrontmatter),
        ("task-7.md", "", Some("task-7"), Code::NoFrontmatter),
        ("task-7.md", "a\0b", Some("task-7"), Code::NulByte),
        ("task-7.md", &long, Some("task-7"), Code::MissingKey),
        ("agent-x.md", "---\nagent: x\nstatus: asleep\n---\n", Some("x"), Code::UnknownStatus),
        ("agent-x.md", "---\nstatus:\n---\n", Some("x"), Code::MissingKey),
        ("workflow-w.md", "---\nid: w\nstatus: pending\n---\n", Some("w"), Code::UnknownStatus),
        ("readme.md", "# Read me\n", None, Code::UnknownKind),
    ] {
        let reading = reading(path, text);
        assert_eq!(reading.id.as_ref().map(DocId::as_str), id, "{path} {text:?}");
        assert!(reading.entity.is_none(), "{path} {text:?}");
        assert!(reading.findings.iter().any(|finding| finding.code == code), "{text:?}: {:?}", reading.findings);
    }
    let nameless = reading("task-7.md", "---\nstatus: pending\ntype: t\n---\n");
    assert_eq!(task_of(&nameless).id.as_str(), "task-7");
    assert_eq!(nameless.findings[0].hint.as_deref(), Some("add `id: task-7`"));
    let misspelt = reading("task-7.md", "---\nid: task-7\ntype: t\nstatus: runing\n---\n");
    assert_eq!(misspelt.findings[0].place, Some(Place { line: 4, column: 9 }));
    assert_eq!(misspelt.findings[0].hint.as_deref(), Some("did you mean `running`?"));
}

#[test]
fn kinds_follow_from_names_then_from_keys() {
    let kind = |path, text| reading(path, text).kind;
    assert_eq!(kind("events.md", "- 1\n"), None);
    assert!(reading("events-a.md", "- 1\n").findings.is_empty());
    assert_eq!(kind("train.md", "---\nid: task-5\nstatus: pending\n---\n"), Some(Kind::Task));
    assert_eq!(kind("train.md", "---\nid: workflow-5\nstatus: running\n---\n"), Some(Kind::Workflow));
    assert_eq!(kind("someone.md", "---\nagent: x\nstatus: idle\n---\n"), Some(Kind::Agent));
    assert_eq!(kind("train.md", "---\ntitle: x\n---\n"), None);
}

#[test]
fn dependencies_of_the_body_count_where_the_frontmatter_has_none() {
    let reading = task_with("", "\n## Dependencies\n\n- task-5 (a) - RUNNING\n- _none_\n- task-6\n");
    let ids: Vec<_> = task_of(&reading).depends_on.iter().map(DocId::as_str).collect();
    assert_eq!(ids, ["task-5", "task-6"]);
    let stated = task_with("depends_on: []\n", "\n## Dependencies\n\n- task-5\n");
    assert_eq!(task_of(&stated).depends_on, []);
}
