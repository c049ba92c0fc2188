//! Two branches that change different things of one lean task merge clean with plain git.
#![allow(clippy::disallowed_methods, reason = "git is the judge here")]

use std::process::Command;

use mycelium::document::{Document, EditError, Mark, Value};
use serde_json::json;

type Edit = fn(&Document) -> Result<Document, EditError>;

/// The lean example of `docs/format.md`, with steps, and with or without its optional keys.
fn lean(full: bool) -> Document {
    let page = include_str!("../../docs/format.md");
    let start = page.find("````markdown\n").expect("the lean example") + "````markdown\n".len();
    let end = start + page[start..].find("````\n").expect("its end");
    let task = Document::parse(&page.as_bytes()[start..end]);
    let task = task.edit().set_section_text("Progress", "- [ ] Load\n- [ ] Train").expect("steps");
    if full {
        return task;
    }
    let optional = ["assigned_to", "priority", "depends_on", "progress", "workflow"];
    optional.into_iter().try_fold(task, |task, key| task.edit().remove(key)).expect("removed")
}

const EDITS: [(&str, Edit); 12] = [
    ("status", |t| t.edit().set("status", &Value::text("running"))),
    ("assignee", |t| t.edit().set("assigned_to", &Value::text("data-engineer"))),
    ("priority", |t| t.edit().set("priority", &Value::text("critical"))),
    ("dependency", |t| t.edit().add_list_item("depends_on", &Value::text("task-9"))),
    ("progress", |t| t.edit().set("progress", &Value::plain("0.9"))),
    ("review", |t| t.edit().set("review", &Value::text("required"))),
    ("workflow", |t| t.edit().set("workflow", &Value::text("wf-2"))),
    ("title", |t| t.edit().set_title("Train it")),
    ("payload", |t| t.edit().set_section_json("Payload", &json!({"epochs": 4}))),
    ("step", |t| t.edit().tick(1, Mark::Done)),
    ("result", |t| t.edit().set_section_json("Result", &json!({"loss": 0.04}))),
    ("note", |t| t.edit().append_note("loss is flat")),
];

#[test]
fn different_changes_merge_clean() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, document: &Document| {
        let path = folder.path().join(name);
        std::fs::write(&path, document.bytes()).expect("written");
        path
    };
    for full in [true, false] {
        let base = lean(full);
        let base_file = file("base.md", &base);
        for (ours_name, ours) in EDITS {
            for (theirs_name, theirs) in EDITS.into_iter().filter(|(name, _)| *name != ours_name) {
                let ours_file = file("ours.md", &ours(&base).expect("edited"));
                let theirs_file = file("theirs.md", &theirs(&base).expect("edited"));
                let run = Command::new("git")
                    .args(["merge-file", "-p"])
                    .args([&ours_file, &base_file, &theirs_file])
                    .current_dir(folder.path())
                    .env("HOME", folder.path())
                    .env("GIT_CONFIG_GLOBAL", "/dev/null")
                    .env("GIT_CONFIG_NOSYSTEM", "1")
                    .output()
                    .expect("git runs");
                let merged = String::from_utf8_lossy(&run.stdout).into_owned();
                assert!(run.status.success(), "{ours_name} and {theirs_name}:\n{merged}");
                let both = ours(&base).and_then(|edited| theirs(&edited)).expect("edited");
                assert_eq!(merged, both.text(), "{ours_name} and {theirs_name}");
            }
        }
    }
}
