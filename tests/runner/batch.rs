//! Many operations as one: what each step sees, what fails alone, what is all or nothing, and what git keeps of it.

use std::fs;

use mycelium::entity::TaskStatus;
use mycelium::entity::agent::AgentUpdate;
use mycelium::entity::task::TaskUpdate;
use mycelium::name::{AgentName, DocId, Kind};
use mycelium::operation::{DocumentChange, New, Request, Taken, TaskChange};
use mycelium::services::{Error, Project, STEPS_MAX, Scope, Together};

use super::{git, new_task, open, repository};

fn create(project: &Project, id: &str, depends_on: &[&str]) -> Request<'static> {
    let New::Task(mut new) = new_task(project, id) else { unreachable!("a task") };
    new.depends_on = depends_on.iter().map(|id| DocId::new(*id).expect("valid")).collect();
    DocumentChange::Create { new: New::Task(new), taken: Taken::LookUp }.into()
}

fn status(id: &str, status: TaskStatus) -> Request<'static> {
    let update = TaskUpdate { status: Some(status), ..TaskUpdate::default() };
    Request::task(id, update.into())
}

fn complete(id: &str) -> Request<'static> {
    Request::task(id, TaskChange::Complete { result: None })
}

fn remove(id: &str) -> Request<'static> {
    DocumentChange::Remove { kind: Kind::Task, id: id.to_owned() }.into()
}

/// `ok`, or the error's words.
fn told(results: &[Result<mycelium::services::Outcome, Error>]) -> Vec<String> {
    results.iter().map(|result| result.as_ref().map_or_else(ToString::to_string, |_| "ok".to_owned())).collect()
}

#[test]
fn a_step_sees_what_the_steps_before_it_did() {
    let dir = repository();
    let project = open(&dir, "ai-engineer");
    let steps = [
        create(&project, "task-a", &[]),
        create(&project, "task-b", &["task-a", "task-c", "task-nobody"]),
        status("task-a", TaskStatus::Running),
        complete("a"),
        create(&project, "task-c", &[]),
        create(&project, "task-gone", &[]),
        remove("task-gone"),
    ];
    let results = project.operations().batch(project.actor(), &steps, Together::Each).expect("applied");
    assert_eq!(told(&results), ["ok"; 7]);
    let outcomes: Vec<_> = results.into_iter().map(|result| result.expect("done")).collect();
    assert!(outcomes.iter().all(|outcome| outcome.committed.is_some()));
    let missing: Vec<_> = outcomes[1].findings.iter().map(|finding| finding.message.clone()).collect();
    assert_eq!(missing, ["there is no task `task-nobody` yet"], "task-c came later in the same batch");
    let live = project.documents().snapshot(Scope::Live).expect("read");
    let statuses: Vec<_> = live.tasks().map(|task| (task.id.to_string(), task.status)).collect();
    let expected =
        [("task-a", TaskStatus::Completed), ("task-b", TaskStatus::Pending), ("task-c", TaskStatus::Pending)];
    assert_eq!(statuses, expected.map(|(id, status)| (id.to_owned(), status)));
    assert_eq!(git(dir.path(), &["rev-list", "--count", "HEAD"]).trim(), "1", "one commit");
    assert_eq!(git(dir.path(), &["status", "--porcelain"]), "");
    assert_eq!(git(dir.path(), &["log", "--format=%an"]).trim(), "ai-engineer");
}

#[test]
fn each_step_fails_alone() {
    let dir = repository();
    let project = open(&dir, "ai-engineer");
    project.operations().create(project.actor(), &new_task(&project, "task-old"), Taken::LookUp).expect("made");
    fs::create_dir(dir.path().join(".claude/coordination/task-folder.md")).expect("made");
    let steps = [
        create(&project, "task-a", &[]),
        create(&project, "task-a", &[]),
        create(&project, "task-old", &[]),
        complete("task-old"),
        status("task-nobody", TaskStatus::Running),
        create(&project, "task-folder", &[]),
        status("task-old", TaskStatus::Running),
        status("task-old", TaskStatus::Running),
    ];
    let results = project.operations().batch(project.actor(), &steps, Together::Each).expect("applied");
    let told = told(&results);
    assert_eq!([&told[0], &told[6], &told[7]], ["ok"; 3], "{told:#?}");
    assert_eq!(told[1], "task `task-a` is there already, in `task-a.md`");
    assert_eq!(told[2], "task `task-old` is there already, in `task-old.md`");
    assert!(told[3].contains("cannot go from pending to completed"), "{}", told[3]);
    assert_eq!(told[4], "no task `task-nobody`");
    assert!(told[5].contains("task-folder.md"), "{}", told[5]);
    let changed = |index: usize| results[index].as_ref().expect("done").operation.is_some();
    assert!(changed(6) && !changed(7), "the second time it is so already");
}

#[test]
fn all_or_none() {
    let dir = repository();
    let project = open(&dir, "ai-engineer");
    let steps = [create(&project, "task-a", &[]), complete("task-a"), create(&project, "task-b", &[])];
    let results = project.operations().batch(project.actor(), &steps, Together::All).expect("played");
    let told = told(&results);
    assert_eq!(told[0], "not done: step 2 of the batch failed, and all belong together");
    assert!(told[1].contains("cannot go from pending to completed"), "{}", told[1]);
    assert!(project.documents().snapshot(Scope::All).expect("read").is_empty());

    let steps = [create(&project, "task-a", &[]), create(&project, "task-b", &[])];
    let results = project.operations().batch(project.actor(), &steps, Together::All).expect("applied");
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    let ids: Vec<_> = results.iter().flatten().map(|outcome| outcome.operation.clone()).collect();
    assert_eq!(ids[0], ids[1], "one operation");
    assert_eq!(git(dir.path(), &["rev-list", "--count", "HEAD"]).trim(), "1");
}

#[test]
fn an_agent_is_made_once_and_then_changed() {
    let dir = repository();
    let project = open(&dir, "ai-engineer");
    let set = |ttl: u64| {
        let mut update = AgentUpdate::at(project.now());
        update.ttl = Some(std::time::Duration::from_secs(ttl));
        let name = AgentName::new("a").expect("valid");
        Request::from(DocumentChange::SetAgent { name, update: Box::new(update) })
    };
    let results = project.operations().batch(project.actor(), &[set(10), set(20)], Together::All).expect("applied");
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    let live = project.documents().snapshot(Scope::Live).expect("read");
    assert_eq!(live.agents().next().and_then(|agent| agent.ttl).map(|ttl| ttl.as_secs()), Some(20));
}

#[test]
fn archived_tasks_are_found_and_their_ids_are_taken() {
    let dir = repository();
    let project = open(&dir, "ai-engineer");
    let month = dir.path().join(".claude/coordination/archive/2025-10");
    fs::create_dir_all(&month).expect("made");
    fs::write(month.join("task-old.md"), "---\nid: task-old\nstatus: completed\ntype: x\n---\n").expect("written");
    let steps = [
        create(&project, "task-old", &[]),
        Request::task("old", TaskChange::Note("seen".to_owned())),
        create(&project, "task-new", &["task-old"]),
        remove("task-old"),
        create(&project, "task-old", &[]),
    ];
    let results = project.operations().batch(project.actor(), &steps, Together::Each).expect("applied");
    let told = told(&results);
    assert_eq!(told[0], "task `task-old` is there already, in `archive/2025-10/task-old.md`");
    assert_eq!(told[1..], ["ok"; 4], "removed, its id is free again");
    assert!(results[2].as_ref().expect("made").findings.is_empty());
    assert!(!month.join("task-old.md").exists());
}

#[test]
fn others_write_at_the_same_time_and_nothing_is_lost() {
    const WRITERS: usize = 4;
    const ROUNDS: usize = 5;
    let dir = repository();
    let project = open(&dir, "ai-engineer");
    let tasks: Vec<String> = (0..20).map(|number| format!("task-{number:02}")).collect();
    let steps: Vec<Request<'_>> = tasks.iter().map(|id| create(&project, id, &[])).collect();
    project.operations().batch(project.actor(), &steps, Together::All).expect("made");
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (dir, tasks) = (&dir, &tasks);
            scope.spawn(move || {
                let project = open(dir, "ai-engineer");
                for round in 0..ROUNDS {
                    let text = format!("writer {writer} round {round}");
                    let note = |id: &String| Request::task(id, TaskChange::Note(text.clone()));
                    let steps: Vec<Request<'_>> = tasks.iter().map(note).collect();
                    let how = if round % 2 == 0 { Together::All } else { Together::Each };
                    let results = project.operations().batch(project.actor(), &steps, how).expect("applied");
                    assert!(results.iter().all(Result::is_ok), "{results:?}");
                }
            });
        }
    });
    let live = project.documents().snapshot(Scope::Live).expect("read");
    assert!(live.tasks().all(|task| task.notes.len() == WRITERS * ROUNDS), "every note of everybody is there");
    assert_eq!(git(dir.path(), &["status", "--porcelain"]), "", "and committed");
}

#[test]
fn a_batch_has_a_limit() {
    let dir = repository();
    let project = open(&dir, "ai-engineer");
    assert!(project.operations().batch(project.actor(), &[], Together::All).expect("nothing to do").is_empty());
    let steps: Vec<Request<'_>> = (0..=STEPS_MAX).map(|_| remove("task-x")).collect();
    assert!(matches!(
        project.operations().batch(project.actor(), &steps, Together::Each),
        Err(Error::TooManySteps { .. })
    ));
    assert_eq!(
        project.operations().batch(project.actor(), &steps[1..], Together::Each).expect("played").len(),
        STEPS_MAX
    );
}

#[test]
fn a_batch_claims_what_it_begins_and_respects_what_others_have() {
    let dir = repository();
    let (mine, theirs) = (open(&dir, "ai-engineer"), open(&dir, "data-engineer"));
    let tasks = ["task-a", "task-b", "task-c", "task-d"];
    let made: Vec<Request<'_>> = tasks.iter().map(|id| create(&mine, id, &[])).collect();
    mine.operations().batch(mine.actor(), &made, Together::All).expect("made");
    let held = |project: &Project| -> Vec<String> {
        let live = project.documents().snapshot(Scope::Live).expect("read");
        let holdings = project.leases().list(&live).expect("read");
        holdings.iter().map(|(id, holding)| format!("{id} {} {}", holding.by, holding.fence)).collect()
    };
    let run = |id: &str| status(id, TaskStatus::Running);
    let results = mine
        .operations()
        .batch(mine.actor(), &[run("task-a"), run("task-b"), complete("task-b")], Together::Each)
        .expect("applied");
    assert_eq!(told(&results), ["ok"; 3]);
    assert_eq!(held(&mine), ["task-a ai-engineer 1"], "the other is done");
    let results = theirs
        .operations()
        .batch(theirs.actor(), &[run("task-a"), complete("task-a"), run("task-c")], Together::Each)
        .expect("applied");
    assert!(matches!(results[0], Err(Error::ClaimLost(_))), "{results:?}");
    assert!(matches!(results[1], Err(Error::ClaimLost(_))), "{results:?}");
    assert!(results[2].is_ok());
    assert_eq!(held(&mine), ["task-a ai-engineer 1", "task-c data-engineer 1"]);
    let results = mine
        .operations()
        .batch(mine.actor(), &[run("task-d"), run("task-c"), complete("task-a")], Together::All)
        .expect("played");
    assert!(matches!(results[1], Err(Error::ClaimLost(_))), "{results:?}");
    assert_eq!(held(&mine), ["task-a ai-engineer 1", "task-c data-engineer 1"], "the ledger is as it was");
    let results = theirs
        .operations()
        .batch(theirs.actor(), &[run("task-d"), complete("task-d")], Together::All)
        .expect("applied");
    assert_eq!(told(&results), ["ok"; 2], "nobody has it");
    assert_eq!(git(dir.path(), &["status", "--porcelain"]), "");
}

#[test]
fn what_waits_for_an_earlier_step_can_be_begun_after_it() {
    let dir = repository();
    let project = open(&dir, "ai-engineer");
    let steps = [
        create(&project, "task-a", &[]),
        create(&project, "task-b", &["task-a"]),
        status("task-b", TaskStatus::Running),
        status("task-a", TaskStatus::Running),
        complete("task-a"),
        status("task-b", TaskStatus::Running),
    ];
    let results = project.operations().batch(project.actor(), &steps, Together::Each).expect("applied");
    assert!(matches!(results[2], Err(Error::NotReady { .. })), "{results:?}");
    assert!(results[5].is_ok(), "{results:?}");
    assert_eq!(results.iter().filter(|result| result.is_err()).count(), 1);
}

#[test]
fn many_claims_at_once_need_few_open_files() {
    let dir = repository();
    let project = open(&dir, "ai-engineer");
    let ids: Vec<String> = (0..150).map(|number| format!("task-{number:03}")).collect();
    let made: Vec<Request<'_>> = ids.iter().map(|id| create(&project, id, &[])).collect();
    project.operations().batch(project.actor(), &made, Together::All).expect("made");
    let begun: Vec<Request<'_>> = ids.iter().map(|id| status(id, TaskStatus::Running)).collect();
    let results = project.operations().batch(project.actor(), &begun, Together::All).expect("applied");
    assert!(results.iter().all(Result::is_ok));
    let live = project.documents().snapshot(Scope::Live).expect("read");
    assert_eq!(project.leases().list(&live).expect("read").len(), ids.len());
}

#[test]
fn a_batch_closes_no_cycle_and_names_what_is_left() {
    let dir = repository();
    let project = open(&dir, "ai-engineer");
    let depend = |id: &str, on: &str| {
        let update = TaskUpdate { depends_on_add: vec![DocId::new(on).expect("valid")], ..TaskUpdate::default() };
        Request::task(id, update.into())
    };
    let steps = [
        create(&project, "task-self", &["task-self"]),
        create(&project, "task-a", &["task-b"]),
        create(&project, "task-b", &["task-a"]),
        create(&project, "task-b", &[]),
        // By the id without `task-`, too.
        depend("task-b", "a"),
        create(&project, "task-c", &["task-b"]),
        remove("task-b"),
    ];
    let results = project.operations().batch(project.actor(), &steps, Together::Each).expect("applied");
    let cycle = |on: &str| {
        format!(
            "task-b.md: `task-b` cannot depend on `{on}`: these tasks would wait for each other: task-b → {on} → task-b"
        )
    };
    let expected =
        ["task-self.md: `task-self` cannot depend on itself", "ok", &cycle("task-a"), "ok", &cycle("a"), "ok", "ok"];
    assert_eq!(told(&results), expected);
    let removed = results[6].as_ref().expect("removed");
    let left: Vec<_> = removed.findings.iter().map(|finding| finding.message.as_str()).collect();
    assert_eq!(left, ["blocked without `task-b`, on which they depend: `task-a`, `task-c`"]);
}
