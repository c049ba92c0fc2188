//! Documents as entities: what is read of each field, and what is said of those that cannot be.

use serde_json::json;

use super::*;
use crate::core::diagnostic::Place;
use crate::core::entity::gate::{TaskGates, WhenMissing};

const TASK: &str = include_str!("../../../../fixtures/reference/task-123.md");
const AGENT: &str = include_str!("../../../../fixtures/reference/agent-ai-engineer.md");

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
            "id": "task-123", "type": "train-model", "title": "train-model", "description": null, "status": "running",
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
            "description": null, "metadata": {
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
            "`assigned_to`: the agent name `two words` has a space at character 4",
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

fn references(reading: &Reading) -> Vec<String> {
    let one = |reference: &TaskReference| match reference.when_missing {
        WhenMissing::Blocks => reference.id.to_string(),
        WhenMissing::Warns => format!("{} (done)", reference.id),
        WhenMissing::Ignored => format!("{}?", reference.id),
    };
    task_of(reading).references().iter().map(one).collect()
}

#[test]
fn dependencies_of_the_body_count_where_the_frontmatter_states_none() {
    let body = "\n## Dependencies\n\n- task-5 (a) - RUNNING\n- _none_\n- task-6\n";
    for lines in ["", "depends_on:\n", "depends_on: []\n", "depends_on: none\n", "depends_on: '-'\n", "depends_on: ~\n"]
    {
        assert_eq!(references(&task_with(lines, body)), ["task-5", "task-6"], "{lines}");
    }
    assert_eq!(references(&task_with("depends_on: [task-7]\n", body)), ["task-7"]);
    assert_eq!(references(&task_with("depends_on: {a: b}\n", body)), [""; 0]);
}

#[test]
fn words_of_the_body_are_references_by_their_form_and_their_marks() {
    for (body, expected) in [
        ("- [ ] task-2", vec!["task-2"]),
        ("- [x] task-2", vec!["task-2 (done)"]),
        ("- task-2, task-3", vec!["task-2", "task-3"]),
        ("- task-122 (prepare-dataset) - COMPLETED ✅", vec!["task-122 (done)"]),
        ("- No dependencies", vec![]),
        ("- Python 3.11 or newer", vec!["Python?"]),
        ("- none", vec![]),
        ("- -", vec![]),
        ("- not task-2", vec!["not?", "task-2"]),
        ("After task-2 and task-k7f3q2m9xa, this task-based work", vec!["task-2", "task-k7f3q2m9xa", "task-based?"]),
        ("- task-based", vec!["task-based"]),
        ("- task-prepare-dataset", vec!["task-prepare-dataset?"]),
        ("Needs `prepare` and the rest", vec!["prepare?"]),
        ("[the data](task-4.md)", vec!["task-4", "the?", "data?"]),
        (
            "| Task | State |\n|---|---|\n| task-2 | COMPLETED |\n| task-3 | open |",
            vec!["Task?", "State?", "task-2 (done)", "COMPLETED?", "task-3", "open?"],
        ),
        ("task-1 comes after task-2", vec!["task-2"]),
        ("- Task-2 and TASK-based work", vec!["Task-2", "TASK-based?"]),
        ("| # | Task |\n|---|---|\n| 1 | task-2 |", vec!["Task?", "task-2"]),
        ("- task-2 - COMPLETED\n- task-2 again", vec!["task-2"]),
        ("```\ntask-2\n```", vec![]),
    ] {
        let reading = task_with("", &format!("\n## Dependencies\n\n{body}\n"));
        assert_eq!(references(&reading), expected, "{body}");
        assert_eq!(reading.findings, [], "{body}");
    }
}

/// `absent`, `usable` or `unusable`, for the key under test.
fn stated(key: &str, value: &str) -> &'static str {
    fn word<T>(value: &StatedValue<T>) -> &'static str {
        match value {
            StatedValue::Absent => "absent",
            StatedValue::Usable(_) => "usable",
            StatedValue::Unusable(_) => "unusable",
        }
    }
    let reading = task_with(&format!("{key}:{value}\n"), "");
    let Some(Entity::Task(task)) = &reading.entity else { return "unreadable" };
    let TaskGates { depends_on, assigned_to, review, approved, .. } = &task.gates;
    let found = match key {
        "depends_on" => word(depends_on),
        "assigned_to" => word(assigned_to),
        "review" => word(review),
        _ => match approved {
            StatedValue::Usable(ApprovalMark::Withheld(_)) => "withheld",
            approved => word(approved),
        },
    };
    let is_reported = matches!(found, "unusable" | "withheld");
    assert_eq!(reading.findings.len(), usize::from(is_reported), "{key}:{value} {:?}", reading.findings);
    if let Some(finding) = reading.findings.first() {
        assert!(finding.place.is_some() && finding.path.is_some() && finding.hint.is_some(), "{finding:?}");
    }
    found
}

#[test]
fn every_shape_of_a_value_that_restricts_is_absent_usable_or_unusable() {
    // The value; what it is for `depends_on`, `assigned_to`, `review`, `approved`.
    for (value, expected) in [
        ("", ["absent"; 4]),
        (" null", ["absent"; 4]),
        (" ~", ["absent"; 4]),
        (" \"\"", ["absent"; 4]),
        (" ' '", ["absent"; 4]),
        (" []", ["absent"; 4]),
        (" {}", ["unusable"; 4]),
        (" none", ["absent", "absent", "usable", "withheld"]),
        (" No", ["absent", "absent", "usable", "withheld"]),
        (" '-'", ["absent", "absent", "usable", "withheld"]),
        (" unassigned", ["absent", "absent", "usable", "withheld"]),
        (" [none]", ["absent", "absent", "absent", "unusable"]),
        (" task-2", ["usable", "usable", "unusable", "usable"]),
        (" 'task-2'", ["usable", "usable", "unusable", "usable"]),
        (" task-2, task-3", ["unusable", "unusable", "unusable", "usable"]),
        (" task-2 task-3", ["unusable", "unusable", "unusable", "usable"]),
        (" [task-2, task-3]", ["usable", "unusable", "unusable", "unusable"]),
        ("\n  - task-2", ["usable", "unusable", "unusable", "unusable"]),
        (" [[task-2]]", ["unusable"; 4]),
        (" [{id: task-2}]", ["unusable"; 4]),
        ("\n  - id: task-2\n    why: data", ["unusable"; 4]),
        (" {id: task-2}", ["unusable"; 4]),
        ("\n  -", ["unusable"; 4]),
        (" 7", ["usable", "usable", "unusable", "withheld"]),
        (" true", ["usable", "unusable", "usable", "withheld"]),
        (" false", ["usable", "unusable", "usable", "withheld"]),
        (" yes", ["usable", "usable", "usable", "withheld"]),
        (" Required", ["usable", "usable", "usable", "withheld"]),
        (" requierd", ["usable", "usable", "unusable", "usable"]),
        (" pending", ["usable", "usable", "unusable", "withheld"]),
        (" 0", ["usable", "usable", "unusable", "withheld"]),
        (" 2025-10-17", ["usable", "usable", "unusable", "withheld"]),
        (" 2025-10-17T00:00:00Z", ["unusable", "unusable", "unusable", "withheld"]),
        (" completed", ["usable", "usable", "unusable", "withheld"]),
        (" ok", ["usable", "usable", "unusable", "withheld"]),
        (" not yet", ["unusable", "unusable", "unusable", "withheld"]),
        (" No, see the notes", ["unusable", "unusable", "unusable", "withheld"]),
        (" '?'", ["unusable", "unusable", "unusable", "withheld"]),
        (" a/b", ["unusable", "unusable", "unusable", "usable"]),
        (" Jane Doe", ["unusable", "unusable", "unusable", "usable"]),
        (" |\n  task-2", ["usable", "usable", "unusable", "usable"]),
        (" >\n  task-2\n  task-3", ["unusable", "unusable", "unusable", "usable"]),
        (" &a task-2", ["unreadable"; 4]),
        (" *a", ["unreadable"; 4]),
        (" !!str task-2", ["unreadable"; 4]),
    ] {
        let found = ["depends_on", "assigned_to", "review", "approved"].map(|key| stated(key, value));
        assert_eq!(found, expected, "{value:?}");
    }
    assert_eq!(stated("depends_on", " task-2\ndepends_on: task-3"), "unreadable");
}

#[test]
fn a_key_that_restricts_and_is_spelt_otherwise_is_not_passed_over() {
    for (lines, unusable) in [
        ("dependsOn: [task-2]\n", "`dependsOn` is not read: the key is `depends_on`"),
        ("Assigned-To: ann\n", "`Assigned-To` is not read: the key is `assigned_to`"),
        ("Review: required\n", "`Review` is not read: the key is `review`"),
        ("dependsOn: none\nassignedTo:\nREVIEW: no\n", ""),
        ("dependsOn: [task-2]\ndepends_on: []\n", ""),
    ] {
        let reading = task_with(lines, "");
        let finding = task_of(&reading).gates.unusable();
        assert_eq!(finding.map_or("", |finding| finding.message.as_str()), unusable, "{lines}");
        assert_eq!(reading.findings.len(), usize::from(!unusable.is_empty()), "{lines}");
    }
}
