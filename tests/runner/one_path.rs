//! One path for every operation: what a request asks for holds alone and among others.

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use mycelium::document::Document;
use mycelium::entity::TaskStatus;
use mycelium::entity::agent::AgentUpdate;
use mycelium::entity::task::{self, TaskUpdate};
use mycelium::name::{AgentName, DocId, Kind, OperationId};
use mycelium::operation::{DocumentChange, Expect, New, Passing, Request, Taken, TaskChange};
use mycelium::services::{Error, Opening, Project, Together};

use super::{git, new_task, open, repository};

const FOLDER: &str = ".claude/coordination";

fn note(text: &str) -> TaskChange {
    TaskChange::Note(text.to_owned())
}

#[test]
fn what_a_request_expects_of_a_document_must_hold() {
    let dir = repository();
    let project = open(&dir, "ann");
    let (operations, by) = (project.operations(), project.actor());
    let made = operations.create(by, &new_task(&project, "task-1"), Taken::LookUp).expect("made");
    let as_made = || Expect::text_of(&made.document);
    operations.run_one(by, Request::task("task-1", note("one")).expecting(as_made())).expect("it is as it was made");
    let path = dir.path().join(FOLDER).join("task-1.md");
    let before = std::fs::read_to_string(&path).expect("there");
    for expects in [as_made(), Expect::Absent] {
        let request = || Request::task("task-1", note("two")).expecting(expects.clone());
        let alone = operations.run_one(by, request());
        assert!(matches!(alone, Err(Error::Overtaken { .. })), "{alone:?}");
        let among = operations.batch(by, &[request(), Request::task("task-1", TaskChange::Retry)], Together::Each);
        let among = among.expect("applied").remove(0);
        assert!(matches!(among, Err(Error::Overtaken { .. })), "{among:?}");
    }
    assert_eq!(std::fs::read_to_string(&path).expect("there"), before);
}

#[test]
fn an_operation_has_the_id_that_it_is_given() {
    let dir = repository();
    let project = open(&dir, "ann");
    let id = OperationId::new("0123456789abcdef").expect("valid");
    let new = DocumentChange::Create { new: new_task(&project, "task-1"), taken: Taken::LookUp };
    let done = project.operations().run_one(project.actor(), Request::from(new).with_id(id.clone())).expect("made");
    assert_eq!(done.operation, Some(id.clone()));
    assert!(git(dir.path(), &["log", "-1", "--format=%B"]).contains(id.as_str()));
}

#[test]
fn an_outcome_has_the_document_as_it_was_found() {
    let dir = repository();
    let project = open(&dir, "ann");
    let (operations, by) = (project.operations(), project.actor());
    let made = operations.create(by, &new_task(&project, "task-1"), Taken::LookUp).expect("made");
    assert_eq!(made.before, None);
    let requests = [Request::task("task-1", note("one")), Request::task("task-1", note("two"))];
    let done = operations.batch(by, &requests, Together::All).expect("applied");
    let done: Vec<_> = done.into_iter().map(|done| done.expect("noted")).collect();
    assert_eq!(done[0].before.as_ref(), Some(&made.document));
    assert_eq!(done[1].before.as_ref(), Some(&done[0].document));
}

#[test]
fn a_removed_agent_leaves_no_heartbeat() {
    let dir = repository();
    let project = open(&dir, "ann");
    let (operations, by) = (project.operations(), project.actor());
    let remove = |name: &str| DocumentChange::Remove { kind: Kind::Agent, id: name.to_owned() };
    for name in ["bob", "eve", "dan"] {
        let name = AgentName::new(name).expect("valid");
        project.leases().heartbeat(&name).expect("alive");
        let update = Box::new(AgentUpdate::at(project.now()));
        operations.run_one(by, DocumentChange::SetAgent { name, update }).expect("made");
    }
    operations.run_one(by, remove("bob")).expect("removed");
    let done = operations.batch(by, &[remove("eve").into(), remove("dan").into()], Together::All).expect("applied");
    assert!(done.iter().all(Result::is_ok), "{done:?}");
    let beats: Vec<String> = project.leases().heartbeats().expect("read").keys().map(ToString::to_string).collect();
    assert_eq!(beats, ["ann"], "of those that are there");
}

#[test]
fn a_step_repeats_its_status_elsewhere_by_its_own_shape_alone_and_among_others() {
    for together in [false, true] {
        let dir = repository();
        let shaped = |shape: &str| {
            let flags = vec![("markdown.shape".to_owned(), shape.to_owned())];
            Project::open(Opening { root: Some(dir.path().to_owned()), agent: None, flags }).expect("opens")
        };
        let (classic, lean) = (shaped("classic"), shaped("lean"));
        let create = |project: &Project, id: &str, on: &[&str]| {
            let New::Task(mut new) = new_task(project, id) else { unreachable!("a task") };
            new.depends_on = on.iter().map(|id| DocId::new(*id).expect("valid")).collect();
            let made = project.operations().create(project.actor(), &New::Task(new), Taken::LookUp);
            made.expect("made");
        };
        create(&classic, "task-classic", &[]);
        create(&lean, "task-lean", &[]);
        create(&classic, "task-last", &["task-classic", "task-lean"]);
        let begin = |id: &str| {
            let status = Some(TaskStatus::Running);
            let update = TaskUpdate { status, ..Default::default() };
            Request::task(id, update.into())
        };
        let requests = [begin("task-classic"), begin("task-lean")];
        if together {
            let done = lean.operations().batch(lean.actor(), &requests, Together::All).expect("applied");
            assert!(done.iter().all(Result::is_ok), "{done:?}");
        } else {
            for request in requests {
                lean.operations().run_one(lean.actor(), request).expect("begun");
            }
        }
        let text = std::fs::read_to_string(dir.path().join(FOLDER).join("task-last.md")).expect("there");
        assert!(text.contains("- task-classic (train-model) - RUNNING"), "{text}");
        assert!(text.contains("- task-lean (train-model) - PENDING"), "{text}");
    }
}

#[test]
fn a_note_that_somebody_adds_meanwhile_keeps_the_lease() {
    let dir = repository();
    let ann = open(&dir, "ann");
    ann.operations().create(ann.actor(), &new_task(&ann, "task-1"), Taken::LookUp).expect("made");
    let (root, decided) = (dir.path(), AtomicUsize::new(0));
    let begin = |document: &Document| {
        // The document was read, and nothing is locked.
        if decided.fetch_add(1, Ordering::SeqCst) == 0 {
            let mut add = Command::new(env!("CARGO_BIN_EXE_mycelium"));
            let done =
                add.args(["task", "note", "task-1", "from ben", "--as", "ben", "--quiet"]).current_dir(root).status();
            assert!(done.expect("it starts").success());
        }
        task::update(document, &TaskUpdate { status: Some(TaskStatus::Running), ..TaskUpdate::default() })
    };
    let operations = ann.operations();
    let done = operations.change(ann.actor(), Kind::Task, "task-1", "update", &Passing::default(), &begin);
    let text = done.expect("begun").document.text().to_owned();
    assert_eq!(decided.into_inner(), 2, "decided again on the note, and the lease that was begun stays");
    for part in ["from ben", "claimed_by: ann", "fence: 1"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    ann.operations().renew(ann.actor(), "task-1").expect("it is held");
}
