//! Every field of every kind, as others may write it.

use super::*;
use crate::adapters::redis::codec::{create, hash_fields};
use crate::core::entity;
use crate::core::name::DocPath;
use crate::core::reconcile::{DerivedValues, NewDocument};

const TASK: &str = "---\nid: task-1\nstatus: pending\ntype: t\nassigned_to: ann\ncreated: 2025-10-17T00:00:00Z\ntags: [a]\n# more\n---\n\n# T\n\n## Payload\n\n## Result\n\n## Error\n\n## Notes\n";
const AGENT: &str = "---\nagent: ann\nstatus: idle\nlast_updated: 2025-10-17T00:00:00Z\nttl: 60\ngpu: 1\n---\n\n# ann\n\n## Active Tasks\n\n- x\n\n## Metadata\n";
const WORKFLOW: &str =
    "---\nid: w\nstatus: running\ntype: t\ntasks:\n  - a\n  - b\n---\n\n# W\n\n## Metadata\n\n## Result\n";

fn now() -> Timestamp {
    "2025-11-01T00:00:00Z".parse().expect("a time")
}

fn case(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Task => ("task-1", TASK),
        Kind::Agent => ("ann", AGENT),
        Kind::Workflow => ("w", WORKFLOW),
    }
}

fn shown_of(kind: Kind, document: &Document) -> HashFields {
    let path = DocPath::for_new(kind, &DocId::new(case(kind).0).expect("valid"));
    hash_fields(&entity::read(&path, document).entity.expect("readable"), &DerivedValues::default())
}

/// Sets fields; without a text they are removed.
fn with(shown: &HashFields, changes: &[(&str, Option<&str>)]) -> HashFields {
    let mut shown = shown.clone();
    for (field, text) in changes {
        shown.retain(|(known, _)| known != field);
        shown.extend(text.map(|text| ((*field).to_owned(), text.to_owned())));
    }
    shown
}

fn taken_from(kind: Kind, text: &str, changes: &[(&str, Option<&str>)]) -> (Document, FieldEdits) {
    let document = Document::parse(text.as_bytes());
    let wrote = shown_of(kind, &document);
    let taken = changed_fields(kind, case(kind).0, &document, &wrote, &with(&wrote, changes), now());
    (taken.document.clone().unwrap_or(document), taken)
}

fn taken(kind: Kind, changes: &[(&str, Option<&str>)]) -> (Document, FieldEdits) {
    taken_from(kind, case(kind).1, changes)
}

#[test]
fn what_is_taken_is_shown_as_it_was_written() {
    for (kind, field, text) in [
        (Kind::Task, "type", "train"),
        (Kind::Task, "title", "Another"),
        (Kind::Task, "status", "completed"),
        (Kind::Task, "status", "failed"),
        (Kind::Task, "assigned_to", "bob"),
        (Kind::Task, "priority", "critical"),
        (Kind::Task, "depends_on", "[\"task-2\",\"task-3\"]"),
        (Kind::Task, "claimed_by", "bob"),
        (Kind::Task, "fence", "7"),
        (Kind::Task, "lease", "90s"),
        (Kind::Task, "attempt", "2"),
        (Kind::Task, "progress", "0.25"),
        (Kind::Task, "workflow", "w"),
        (Kind::Task, "review", "required"),
        (Kind::Task, "approved", "ann"),
        (Kind::Task, "payload", "{\"n\":[1,null,\"x\"]}"),
        (Kind::Task, "result", "{\"loss\":0.5}"),
        (Kind::Task, "error", "out of memory\nat step 3"),
        (Kind::Task, "own", "a text: with # marks"),
        (Kind::Task, "own", "[1,{\"a\":true}]"),
        (Kind::Task, "tags", "[\"a\",\"b\"]"),
        (Kind::Agent, "status", "busy"),
        (Kind::Agent, "last_updated", "2025-10-31T12:00:00Z"),
        (Kind::Agent, "active_tasks", "[\"y\",\"z\"]"),
        (Kind::Agent, "metadata", "{\"gpu\":2}"),
        (Kind::Agent, "ttl", "300"),
        (Kind::Agent, "gpu", "2"),
        (Kind::Workflow, "status", "completed"),
        (Kind::Workflow, "progress", "0.5"),
        (Kind::Workflow, "current_task", "b"),
        (Kind::Workflow, "tasks", "[\"b\",\"c\"]"),
        (Kind::Workflow, "metadata", "{\"a\":1}"),
        (Kind::Workflow, "result", "{\"a\":1}"),
        (Kind::Workflow, "error", "no"),
        (Kind::Workflow, "title", "Other"),
    ] {
        let (document, taken) = taken(kind, &[(field, Some(text))]);
        assert_eq!(taken.rejected, [], "{kind} {field}");
        assert_eq!(find(&shown_of(kind, &document), field), Some(text), "{kind} {field}: {}", document.text());
    }
}

#[test]
fn what_cannot_be_used_changes_nothing_and_says_why() {
    let huge = "x".repeat(2_000_000);
    let deep = format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000));
    for (kind, field, text) in [
        (Kind::Task, "id", "../x"),
        (Kind::Task, "id", "task-2"),
        (Kind::Task, "status", "done"),
        (Kind::Task, "status", ""),
        (Kind::Task, "type", "a\nb"),
        (Kind::Task, "assigned_to", "../../x"),
        (Kind::Task, "claimed_by", "a b"),
        (Kind::Task, "priority", "1"),
        (Kind::Task, "depends_on", "task-2"),
        (Kind::Task, "depends_on", "[1]"),
        (Kind::Task, "depends_on", "[\"../x\"]"),
        (Kind::Task, "fence", "-1"),
        (Kind::Task, "fence", "1001"),
        (Kind::Task, "fence", "18446744073709551615"),
        (Kind::Task, "attempt", "18446744073709551615"),
        (Kind::Task, "lease", "soon"),
        (Kind::Task, "progress", "1.5"),
        (Kind::Task, "progress", "NaN"),
        (Kind::Task, "payload", "{"),
        (Kind::Task, "payload", deep.as_str()),
        (Kind::Task, "result", huge.as_str()),
        (Kind::Task, "error", "a\0b"),
        (Kind::Task, "own", "\u{1b}[2J"),
        (Kind::Task, "own", huge.as_str()),
        (Kind::Task, "a.b", "1"),
        (Kind::Task, "a b", "1"),
        (Kind::Task, "", "1"),
        (Kind::Task, "../x", "1"),
        (Kind::Task, "created_at", "2020-01-01T00:00:00Z"),
        (Kind::Agent, "agent", "bob"),
        (Kind::Agent, "status", "running"),
        (Kind::Agent, "active_tasks", "{}"),
        (Kind::Agent, "active_tasks", "[\"a\\nb\"]"),
        (Kind::Agent, "metadata", "x"),
        (Kind::Agent, "ttl", "0"),
        (Kind::Agent, "ttl", "99999999999"),
        (Kind::Workflow, "tasks", "{}"),
        (Kind::Workflow, "current_task", "/etc/passwd"),
        (Kind::Workflow, "status", "idle"),
    ] {
        let (document, taken) = taken(kind, &[(field, Some(text))]);
        let shown = &text[..text.len().min(20)];
        assert_eq!(taken.rejected.len(), 1, "{kind} {field} {shown}: {:?}", document.text().len());
        assert_eq!(
            (taken.rejected[0].field.as_str(), document.text()),
            (field, case(kind).1),
            "{kind} {field} {shown}"
        );
    }
    let (document, taken) = taken(Kind::Task, &[("status", Some("done")), ("progress", Some("0.5"))]);
    assert_eq!((taken.rejected.len(), document.text().contains("\nprogress: 0.5\n")), (1, true));
    let many: Vec<(String, String)> = (0..1_000).map(|n| (format!("x{n}"), "1".to_owned())).collect();
    let document = Document::parse(TASK.as_bytes());
    let wrote = shown_of(Kind::Task, &document);
    let taken = changed_fields(Kind::Task, "task-1", &document, &wrote, &[wrote.clone(), many].concat(), now());
    assert_eq!(taken.rejected.len(), 1);
    assert!(changed_fields(Kind::Task, "../x", &document, &wrote, &Vec::new(), now()).document.is_none());
}

#[test]
fn whoever_runs_a_task_has_claimed_it() {
    let running =
        TASK.replace("status: pending\n", "status: running\nclaimed_by: ann\nfence: 3\nlease: 90s\nattempt: 4\n");
    let done = TASK.replace("pending", "completed");
    let to = |text| ("status", Some(text));
    let by = |name| ("claimed_by", Some(name));
    for (text, changes, keys) in [
        (TASK, &[to("running")][..], "running\nclaimed_by: ann\nfence: 1\nlease: 5m\nattempt: 1"),
        (TASK, &[to("running"), by("bob")], "running\nclaimed_by: bob\nfence: 1\nlease: 5m\nattempt: 1"),
        (TASK, &[by("bob")], "pending\nclaimed_by: bob"),
        (&running, &[by("bob")], "running\nclaimed_by: bob\nfence: 4\nlease: 90s\nattempt: 5"),
        (&running, &[to("pending")], "pending\nfence: 3\nattempt: 4"),
        (&running, &[to("completed")], "completed\nclaimed_by: ann\nfence: 3\nlease: 90s\nattempt: 4"),
        (&running, &[("progress", Some("0.5"))], "running\nclaimed_by: ann\nfence: 3\nlease: 90s\nattempt: 4\n"),
        // As by hand: `check` tells of the step.
        (&done, &[to("running"), by("bob")], "running\nclaimed_by: bob\nfence: 1\nlease: 5m\nattempt: 1"),
    ] {
        let (document, taken) = taken_from(Kind::Task, text, changes);
        assert_eq!(taken.rejected, [], "{changes:?}");
        assert!(document.text().contains(&format!("status: {keys}")), "{changes:?}\n{}", document.text());
    }
    let author = |changes: &[(&str, Option<&str>)]| taken(Kind::Task, changes).1.author.map(|name| name.to_string());
    assert_eq!(author(&[to("running"), by("bob")]).as_deref(), Some("bob"));
    assert_eq!(author(&[to("failed")]).as_deref(), Some("ann"));
    assert_eq!(taken(Kind::Agent, &[to("busy")]).1.author.map(|name| name.to_string()).as_deref(), Some("ann"));
    assert_eq!(taken(Kind::Workflow, &[to("failed")]).1.author, None);
}

#[test]
fn a_sign_of_life_is_never_still_to_come() {
    for (text, stands) in [
        ("2025-10-31T00:00:00Z", "2025-10-31T00:00:00Z"),
        ("2999-01-01T00:00:00Z", "2025-11-01T00:00:00Z"),
        ("soon", "2025-11-01T00:00:00Z"),
    ] {
        let (document, _) = taken(Kind::Agent, &[("status", Some("busy")), ("last_updated", Some(text))]);
        assert!(document.text().contains(&format!("status: busy\nlast_updated: {stands}\n")), "{}", document.text());
    }
}

#[test]
fn what_is_removed_goes_unless_the_hash_was_written_anew() {
    let (document, taken_) = taken(Kind::Task, &[("assigned_to", None), ("tags", None)]);
    assert_eq!(taken_.rejected, []);
    assert_eq!(document.text(), TASK.replace("assigned_to: ann\n", "").replace("tags: [a]\n", ""));
    let (document, taken_) = taken(Kind::Task, &[("status", None), ("tags", None)]);
    assert_eq!((document.text(), taken_.rejected[0].field.as_str()), (TASK, "status"));
    let (document, taken_) = taken(Kind::Agent, &[("gpu", None)]);
    assert_eq!((document.text(), taken_.rejected.len()), (AGENT.replace("gpu: 1\n", "").as_str(), 0));
    // An agent that comes back writes what every agent has, and knows of nothing else.
    let (document, taken_) = taken(Kind::Agent, &[("gpu", None), ("ttl", None), ("status", Some("busy"))]);
    assert!(document.text().contains("\nttl: 60\ngpu: 1\n") && taken_.rejected.is_empty());
    let wrote = shown_of(Kind::Agent, &Document::parse(AGENT.as_bytes()));
    let shown = vec![("status".to_owned(), "busy".to_owned())];
    let taken = changed_fields(Kind::Agent, "ann", &Document::parse(AGENT.as_bytes()), &wrote, &shown, now());
    assert!(taken.rejected.is_empty() && taken.document.is_some_and(|new| new.text().contains("\nttl: 60\n")));
}

#[test]
fn a_hash_makes_a_document_if_it_says_enough() {
    let hash =
        |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<HashFields>();
    let make = |kind, id: &str, pairs: &[(&str, &str)]| create(kind, id, &hash(pairs), now());
    let task = make(Kind::Task, "task-9", &[("type", "train"), ("status", "running"), ("priority", "soon")]);
    assert!(matches!(task, Ok(NewDocument::Task(new)) if new.kind == "train" && new.created == now()));
    let agent = make(Kind::Agent, "bob", &[("status", "busy"), ("active_tasks", "[\"x\"]"), ("metadata", "{}")]);
    assert!(matches!(agent, Ok(NewDocument::Agent(new)) if new.active_tasks.len() == 1 && new.metadata.is_none()));
    let workflow = make(Kind::Workflow, "v", &[("status", "running"), ("progress", "0.1")]);
    assert!(matches!(workflow, Ok(NewDocument::Workflow(new)) if new.kind == "workflow"));
    for (kind, id, pairs, field) in [
        (Kind::Task, "../x", &[("type", "t")][..], ""),
        (Kind::Task, "x/y", &[("type", "t")], ""),
        (Kind::Agent, "", &[("status", "idle")], ""),
        (Kind::Task, "task-9", &[("type", "t"), ("id", "task-8")], "id"),
        (Kind::Task, "task-9", &[("status", "pending")], "type"),
        (Kind::Task, "task-9", &[("type", "t"), ("status", "odd")], "status"),
        (Kind::Agent, "bob", &[("metadata", "{}")], "status"),
        (Kind::Workflow, "v", &[("status", "odd")], "status"),
    ] {
        assert_eq!(make(kind, id, pairs).expect_err(id).field, field, "{kind} {id} {pairs:?}");
    }
}
