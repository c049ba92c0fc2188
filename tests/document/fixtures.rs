//! The files in `fixtures/`: the reference document's examples, odd files that are fine, broken ones with what they say.
#![allow(clippy::disallowed_methods, reason = "fixtures are files")]

use std::collections::BTreeMap;
use std::path::Path;

use mycelium::document::{Document, Mark, Value};
use serde_json::json;

/// The files of a folder of fixtures, by name.
fn files(folder: &str) -> BTreeMap<String, Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(folder);
    let entries = std::fs::read_dir(&folder).expect("the folder is there");
    let name = |path: &Path| path.file_name().and_then(|name| name.to_str()).expect("a plain name").to_owned();
    entries
        .map(|entry| entry.expect("readable").path())
        .map(|path| (name(&path), std::fs::read(&path).expect("readable")))
        .collect()
}

fn reference(name: &str) -> Document {
    Document::parse(files("reference").remove(name).expect("a fixture"))
}

/// The lines that differ between two texts: those that vanish and those that appear.
fn changed<'a>(before: &'a str, after: &'a str) -> (Vec<&'a str>, Vec<&'a str>) {
    let (old, new): (Vec<_>, Vec<_>) = (before.lines().collect(), after.lines().collect());
    assert_eq!(old.len(), new.len(), "{after}");
    let differing = old.into_iter().zip(new).filter(|(old, new)| old != new);
    differing.unzip()
}

#[test]
fn the_reference_agent_is_read_and_edited() {
    let agent = reference("agent-ai-engineer.md");
    assert_eq!(agent.faults(), []);
    let fields: Vec<_> = agent.fields().iter().map(|f| (f.key.as_str(), f.value.as_text().expect("a text"))).collect();
    assert_eq!(fields, [("agent", "ai-engineer"), ("status", "busy"), ("last_updated", "2025-10-17T00:00:00Z")]);
    assert_eq!(agent.body().title(), Some("Agent: ai-engineer"));
    assert_eq!(agent.body().label("Last Updated").expect("there").text, "2025-10-17T00:00:00Z");
    let active: Vec<_> = agent.body().bullets("Active Tasks").into_iter().map(|bullet| bullet.text).collect();
    assert_eq!(active, ["train-model (started: 2025-10-17T00:00:00Z)"]);
    let metadata = json!({
        "current_workflow": "workflow-123",
        "resources_allocated": {"gpu": "NVIDIA RTX 4090", "memory_gb": 24}
    });
    assert_eq!(agent.body().section_json("Metadata"), Some(Ok(metadata)));

    let idle = agent
        .edit()
        .set("status", &Value::text("idle"))
        .and_then(|a| a.edit().set_label("Status", "idle"))
        .expect("edited");
    let (old, new) = changed(agent.text(), idle.text());
    assert_eq!((old, new), (vec!["status: busy", "**Status**: busy"], vec!["status: idle", "**Status**: idle"]));
}

#[test]
fn the_reference_task_is_read_and_edited() {
    let task = reference("task-123.md");
    assert_eq!(task.faults(), []);
    assert_eq!(task.body().title(), Some("Task: train-model"));
    assert_eq!(task.body().bullets("dependencies")[0].text, "task-122 (prepare-dataset) - COMPLETED ✅");
    assert_eq!(task.body().section_json("Payload").expect("there").expect("JSON")["epochs"], json!(3));
    assert_eq!(task.body().section_json("Result"), None);
    let steps: Vec<_> = task.body().steps().iter().map(|step| (step.text.as_str(), step.done)).collect();
    assert_eq!(steps[1..3], [("Initialize model", true), ("Training (epoch 1/3)", false)]);
    assert_eq!(steps.len(), 5);

    let done = task.edit().tick(3, Mark::Done).expect("edited");
    assert_eq!(
        changed(task.text(), done.text()),
        (vec!["- [ ] Training (epoch 1/3)"], vec!["- [x] Training (epoch 1/3)"])
    );
    let result = task.edit().set_section_json("Result", &json!({"loss": 0.04})).expect("edited");
    assert!(result.text().ends_with("## Result\n\n{\n  \"loss\": 0.04\n}\n"), "raw like the payload");
    let noted = task.edit().append_note("loss is flat").expect("edited");
    assert_eq!(noted.text(), format!("{}\n## Notes\n\n- loss is flat\n", task.text()));
}

#[test]
fn odd_files_are_read_and_one_line_changes() {
    let files = files("odd");
    assert!(files.len() >= 17, "fixtures are missing");
    for (name, bytes) in files {
        let document = Document::parse(bytes.as_slice());
        assert_eq!(document.bytes(), bytes, "{name}");
        assert_eq!(document.faults(), [], "{name}");
        if document.field("status").is_none() {
            continue;
        }
        let edited = document.edit().set("status", &Value::text("running")).expect("edited");
        let (old, new) = changed(document.text(), edited.text());
        assert_eq!((old.len(), new.len()), (1, 1), "{name}");
        assert_eq!(old[0].replacen("pending", "running", 1), new[0], "{name}");
        assert_eq!(edited.edit().set("status", &Value::text("pending")).expect("edited"), document, "{name}");
        let noted = edited.edit().append_note("é\nmore").expect("edited");
        assert_eq!(noted.body().notes().last().expect("a note").text, "é\nmore", "{name}");
        assert_eq!(noted.bytes().ends_with(b"\n"), bytes.ends_with(b"\n"), "{name}");
        assert_eq!(noted.fields().len(), document.fields().len(), "{name}");
    }
}

#[test]
fn odd_values_have_their_types() {
    let types = Document::parse(files("odd").remove("types.md").expect("a fixture"));
    let json = |key: &str| types.field(key).expect("there").value.to_json();
    for (key, value) in [
        ("id", json!(123)),
        ("zeros", json!("007")),
        ("null_word", json!(null)),
        ("tilde", json!(null)),
        ("nothing", json!(null)),
        ("yes_word", json!("yes")),
        ("true_word", json!(true)),
        ("float", json!(1000.0)),
        ("hex", json!(31)),
        ("huge", json!("123456789012345678901234567890")),
        ("date", json!("2025-10-17")),
    ] {
        assert_eq!(json(key), value, "{key}");
    }
    assert_eq!(types.field("id").expect("there").value.as_text(), Some("123"));
}

/// Each broken file has one fault; what is said about it stands beside it in `NAME.expected`: the finding, then its hint.
#[test]
fn broken_files_say_what_is_wrong() {
    let mut files = files("broken");
    let expected: BTreeMap<_, _> =
        files.iter().filter(|(name, _)| name.ends_with(".expected")).map(|(n, b)| (n.clone(), b.clone())).collect();
    files.retain(|name, _| !name.ends_with(".expected"));
    assert!(files.len() >= 27, "fixtures are missing");
    let write = std::env::var_os("MYCELIUM_WRITE_EXPECTED").is_some();
    let mut wrong = Vec::new();
    for (name, bytes) in &files {
        let document = Document::parse(bytes.as_slice());
        assert_eq!(document.bytes(), bytes, "{name}");
        let said: Vec<_> = document
            .faults()
            .iter()
            .map(|fault| format!("{fault}\nhint: {}\n", fault.hint.as_deref().unwrap_or("none")))
            .collect();
        let said = said.concat();
        assert_eq!(document.faults().len(), 1, "{name}: {said}");
        assert!(document.edit().set("id", &Value::text("x")).is_err(), "{name} is edited though it cannot be read");
        let beside = name.replace(".md", ".expected");
        if write {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/broken");
            std::fs::write(folder.join(&beside), &said).expect("written");
        } else if expected.get(&beside).map(Vec::as_slice) != Some(said.as_bytes()) {
            wrong.push(format!("{name} says:\n{said}"));
        }
    }
    let listed = expected.keys().all(|name| files.contains_key(&name.replace(".expected", ".md")));
    assert!(listed, "an .expected file without its .md");
    assert!(wrong.is_empty(), "other than in .expected (MYCELIUM_WRITE_EXPECTED=1 writes them):\n{}", wrong.join("\n"));
}
