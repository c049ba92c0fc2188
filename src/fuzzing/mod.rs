//! What the fuzz targets do with their bytes: any bytes are taken, and what must hold for all of them is asserted.
//!
//! Only builds for tests and for fuzzing have this module. `fuzz/` gives the same functions to libFuzzer; the tests here
//! replay `fixtures/` and `fuzz/regressions/` with every build.

mod edit;
mod merge;
mod mirror;
#[cfg(test)]
mod tests;

use crate::core::change;
use crate::core::check;
use crate::core::commit_message;
use crate::core::config::{self, Config, KEYS, Layer, Origin};
use crate::core::document::Document;
use crate::core::entity;
use crate::core::name::{AgentName, DocId, DocPath, OperationId, is_unsafe_to_show, visible};
use crate::core::snapshot::Snapshot;
use crate::core::template::{self, Format, Shape};
use crate::core::time::Timestamp;

/// What ends one part of an input and begins the next: the record separator, which stands in no ordinary document.
const SEPARATOR: u8 = 0x1e;

/// A target: its name, and what it does with an input. It panics if a promise is broken.
pub type FuzzTarget = (&'static str, fn(&[u8]));

/// Every target. `fuzz/fuzz_targets` has a file for each.
pub const TARGETS: [FuzzTarget; 11] = [
    ("change", change),
    ("config", config),
    ("edit", edit::edit),
    ("events", events),
    ("frontmatter", frontmatter),
    ("index", index),
    ("journal", journal),
    ("merge", merge::merge),
    ("mirror", mirror::mirror),
    ("name", name),
    ("template", template),
];

/// Runs one target on one input.
///
/// # Panics
/// If there is no such target, or a promise is broken.
pub fn run(name: &str, input: &[u8]) {
    let (_, target) = TARGETS.iter().find(|(known, _)| *known == name).expect("a target of this name");
    target(input);
}

/// The parts of an input.
fn parts(input: &[u8]) -> impl Iterator<Item = &[u8]> {
    input.split(|byte| *byte == SEPARATOR)
}

/// A document of any bytes: they stay as they are, every span lies in the text, and every question has an answer.
fn frontmatter(input: &[u8]) {
    let document = Document::parse(input);
    assert_eq!(document.bytes(), input);
    assert_eq!(document.is_readable(), document.faults().is_empty());
    assert!(document.faults().iter().all(|fault| fault.place.is_some() && fault.hint.is_some()));
    let mut end = 0;
    for field in document.fields() {
        assert!(document.text().get(field.key_span.clone()).is_some());
        assert!(document.text().get(field.value_span.clone()).is_some());
        assert!(end <= field.key_span.start && field.key_span.end <= field.value_span.start, "{:?}", field.key);
        end = field.value_span.end;
        let json = field.value.to_json();
        assert!(entity_value_is_kept(&json), "{json}");
    }
    for section in document.body().sections() {
        assert!(document.text().get(section.span.clone()).is_some());
        let _ = (document.body().section_json(&section.heading), document.body().section_text(&section.heading));
        for bullet in document.body().bullets(&section.heading) {
            assert!(document.text().get(bullet.span).is_some());
        }
    }
    let _ =
        (document.body().title(), document.body().steps(), document.body().notes(), document.body().label("Status"));
    for name in ["task-1.md", "agent-a.md", "workflow-1.md", "other.md", "archive/2025-10/task-2.md"] {
        read(name, &document);
    }
}

/// A value that goes out as JSON comes in again as it was.
fn entity_value_is_kept(json: &serde_json::Value) -> bool {
    serde_json::from_str::<serde_json::Value>(&json.to_string()).is_ok_and(|again| again == *json)
}

/// Reads a document under a name, as every command does.
fn read(name: &str, document: &Document) {
    let path = DocPath::new(name).expect("a path");
    let reading = entity::read(&path, document);
    assert!(document.is_readable() || !reading.findings.is_empty());
    if let Some(entity) = &reading.entity {
        let json = serde_json::to_string(&entity.to_json()).expect("keys are texts");
        assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok());
        assert!(!entity.id().as_str().chars().any(is_unsafe_to_show));
    }
    let now = Snapshot::from_documents([(path, document.clone())]);
    for finding in check::check(&now, None) {
        assert!(!finding.message.is_empty());
    }
}

/// An event log of any bytes, beside a task: it is listed, whatever it holds, and the task is read as without it.
fn events(input: &[u8]) {
    let log = Document::parse(input);
    assert_eq!(log.bytes(), input);
    let task = Document::parse(&b"---\nid: task-1\nstatus: pending\ntype: x\n---\n"[..]);
    let path = |name: &str| DocPath::new(name).expect("a path");
    for name in ["events.md", "events-a.md", "archive/2025-10/events-a.md"] {
        read(name, &log);
        let now = Snapshot::from_documents([(path(name), log.clone()), (path("task-1.md"), task.clone())]);
        assert_eq!((now.len(), now.tasks().count(), now.ready_tasks().len()), (2, 1, 1));
        let before = Snapshot::from_documents([(path("task-1.md"), task.clone())]);
        let changes = change::diff(&before, &now);
        assert!(changes.iter().all(|change| change.path.is_events()), "{changes:?}");
        let _ = commit_message::compose(&changes, commit_message::Attribution::default(), &[]);
    }
}

/// Two states of a document of any bytes: what differs can be told, in words that forge nothing.
fn change(input: &[u8]) {
    let mut parts = parts(input).map(Document::parse);
    let before = parts.next().unwrap_or_else(|| Document::parse(&b""[..]));
    let after = parts.next().unwrap_or_else(|| Document::parse(&b""[..]));
    let path = DocPath::new("task-1.md").expect("a path");
    let at = |document: &Document| Snapshot::from_documents([(path.clone(), document.clone())]);
    let (before, after) = (at(&before), at(&after));
    assert_eq!(change::diff(&before, &before), []);
    let nothing = Snapshot::from_documents([]);
    for changes in [change::diff(&before, &after), change::diff(&nothing, &after), change::diff(&after, &nothing)] {
        let message = commit_message::compose(&changes, commit_message::Attribution::default(), &[]);
        for line in message.lines() {
            assert_eq!(visible(line), line, "a commit message holds nothing that a terminal acts on");
        }
        let known = |line: &str| line.starts_with("Mycelium-Task: ") || line.starts_with("Mycelium-Document: ");
        let forged = message.lines().find(|line| line.starts_with("Mycelium-") && !known(line));
        assert_eq!(forged, None, "nobody acted through the program: {message:?}");
    }
}

/// A configuration of any bytes: only known keys come out, and what is put in is read again.
fn config(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let layer = Layer::from_json("config.json", &text);
    assert!(layer.values().all(|(name, _)| config::key(name).is_some()));
    let mut parts = parts(input).map(String::from_utf8_lossy);
    let (file, name, value) =
        (parts.next().unwrap_or_default(), parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let _ = Layer::from_text(&name, &value);
    let environment = Layer::from_environment(&|_| Some(value.clone().into_owned()));
    let resolved = Config::resolve(vec![
        (Origin::Repository, Layer::from_json("config.json", &file)),
        (Origin::Environment, environment),
    ]);
    assert!(resolved.get("commit.hooks").is_some());
    let own = Config::resolve(vec![(Origin::Repository, layer)]);
    assert!(!own.flag("commit.hooks"), "a repository may not ask for hooks");
    assert_eq!(own.text("markdown.durability"), Some("full"), "a repository may not make writes less durable");
    assert!(own.text("markdown.folder").is_some_and(|folder| !folder.split('/').any(|part| part == "..")));
    for key in KEYS {
        let Ok(value) = key.rule.read(&value) else { continue };
        let Ok(text) = config::put("config.json", &file, key.name, &value) else { continue };
        let again = Layer::from_json("config.json", &text);
        let found = again.values().find(|(name, _)| *name == key.name).map(|(_, value)| value);
        assert_eq!(found, Some(&value), "{} in {text:?}", key.name);
        assert_eq!(config::put("config.json", &text, key.name, &value).as_deref(), Ok(&*text), "put twice");
    }
}

/// The journals of any bytes: the folder's records and the committer's.
fn journal(input: &[u8]) {
    crate::adapters::store::fuzz_journal(input);
    crate::adapters::git::fuzz_journal(input);
}

/// A git index of any bytes, as a hostile repository may have one.
fn index(input: &[u8]) {
    crate::adapters::git::fuzz_index(input);
}

/// Any text as a name: what is accepted stays in the folder and can be shown.
fn name(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let harmless = |name: &str| {
        !name.is_empty() && !name.contains(['/', '\\', '\0']) && !name.starts_with('.') && visible(name) == name
    };
    assert!(!visible(&text).chars().any(is_unsafe_to_show));
    if let Ok(id) = DocId::new(&*text) {
        assert!(harmless(id.as_str()));
        for kind in crate::core::name::Kind::ALL {
            let path = DocPath::for_new(kind, &id);
            assert_eq!(DocPath::new(path.as_str()).as_ref(), Ok(&path), "a new document lies where it is read");
        }
    }
    assert!(AgentName::new(&*text).is_ok_and(|name| harmless(name.as_str())) == DocId::new(&*text).is_ok());
    assert!(OperationId::new(&*text).is_err() || harmless(&text));
    if let Ok(path) = DocPath::new(&*text) {
        assert!(harmless(path.file_name()) && path.as_str().split('/').all(|part| part != ".." && !part.is_empty()));
        assert!(harmless(DocId::of_file(&path).as_str()));
    }
}

/// Any text as a template: it is refused or rendered, and neither overflows the stack nor shows what a terminal acts on.
fn template(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let values = serde_json::json!({"id": "task-1\u{1b}", "x": [1, {"a": null}], "none": null, "n": 1.5});
    let Some(values) = values.as_object() else { return };
    if let Ok(line) = Format::new(&text, Timestamp::from_unix_ms(0)).and_then(|format| format.line(values)) {
        let plain = |c: char| matches!(c, '\n' | '\t') || !is_unsafe_to_show(c);
        let colours = ["\u{1b}[0m", "\u{1b}[1m", "\u{1b}[2m", "\u{1b}[31m", "\u{1b}[32m", "\u{1b}[33m", "\u{1b}[36m"];
        let shown = colours.iter().fold(line, |line, colour| line.replace(colour, ""));
        assert!(shown.chars().all(plain), "{shown:?}");
    }
    for kind in crate::core::name::Kind::ALL {
        let _ = template::render(kind, Shape::Lean, Some(&text), values);
    }
}
