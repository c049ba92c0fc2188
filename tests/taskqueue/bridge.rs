//! The bridge in a repository: what a person sees of it, and what goes there and comes back while a watcher runs.

use std::fs;

use mycelium::taskqueue::{ItemStatus, NewItem, Update};

use crate::other::{Other, approve};
use crate::place::{Place, eventually};
use crate::server::{PATIENCE, Server};
use crate::support::Run;

#[test]
fn tasks_are_shown_there_and_what_a_person_does_there_comes_back() {
    let server = Server::real_or_stand_in("there and back");
    let place = Place::new(&server);
    place.create("task-1", &["--title", "Build it"]);
    let _watching = place.watch();
    eventually("live", || place.state().0 == "live");
    assert_eq!(place.mode(), "taskqueue");
    let mut other = Other::new(&server);
    eventually("a task there", || server.file().exists() && server.text().contains("Build it [task-1]"));
    // A new task, and a change, without a look at the clock.
    place.create("task-2", &["--title", "Test it"]);
    eventually("another task there", || server.text().contains("Test it [task-2]"));
    // What others do there.
    other.status("[task-1]", ItemStatus::InProgress, None);
    eventually("a status", || place.task("task-1").contains("status: running"));
    other.status("[task-1]", ItemStatus::Done, Some("{\"size\": 7}"));
    eventually("a result", || place.task("task-1").contains("\"size\": 7"));
    approve(&server, "[task-1]");
    eventually("an approval", || place.task("task-1").contains("approved: taskqueue"));
    let project = other.project();
    let new =
        NewItem { title: "Ship it".to_owned(), description: "Soon.".to_owned(), rule_recommendations: String::new() };
    other.0.add(&project, &[new], PATIENCE).expect("an item");
    eventually("a task of others", || place.sandbox.documents().iter().any(|name| name.starts_with("task-ship-it-")));
    eventually("a commit", || place.sandbox.git(&["status", "--short"]).is_empty());
    let committed = place.sandbox.git(&["show", "HEAD:.claude/coordination/task-1.md"]);
    assert!(committed.contains("approved: taskqueue") && committed.contains("\"size\": 7"), "{committed}");
    // An agent works from the files; nobody there is asked.
    place.complete("task-2", "{\"ok\": true}");
    eventually("done there", || other.item("[task-2]").status == ItemStatus::Done);
}

#[test]
fn a_push_and_a_pull_go_once_and_a_dry_run_changes_nothing() {
    let server = Server::real_or_stand_in("push and pull");
    let place = Place::new(&server);
    place.create("task-1", &[]);
    let dry = place.run(&["bridge", "push", "--backend", "taskqueue", "--dry-run"]);
    assert!(dry.contains("task-1") && !server.file().exists(), "{dry}");
    let pushed = place.data(&["bridge", "push"]);
    assert_eq!(
        (&pushed["sent_count"], &pushed["backends"][0]["backend"]),
        (&1.into(), &"taskqueue".into()),
        "{pushed}"
    );
    assert_eq!(place.data(&["bridge", "push"])["sent_count"], 0);
    let mut other = Other::new(&server);
    other.status("[task-1]", ItemStatus::Done, Some("by hand"));
    assert_eq!(place.data(&["bridge", "pull"])["came_count"], 1);
    assert!(place.task("task-1").contains("\"details\": \"by hand\""), "{}", place.task("task-1"));
    assert_eq!(place.sandbox.git(&["status", "--short"]), "");
    let project = other.project();
    let new = NewItem {
        title: "Made there".to_owned(),
        description: "by another client".to_owned(),
        rule_recommendations: String::new(),
    };
    other.0.add(&project, &[new], PATIENCE).expect("an item");
    let pulled = place.data(&["bridge", "pull"]);
    assert_eq!((&pulled["came_count"], &pulled["came"][0]["what"]), (&1.into(), &"new".into()), "{pulled}");
    let detected = place.run(&["bridge", "detect", "--backend", "taskqueue"]);
    assert!(detected.contains("TaskQueue 1.4.1 at") && detected.contains("mode taskqueue"), "{detected}");
    assert!(!detected.contains("redis"), "{detected}");
    let doctor = place.run(&["doctor"]);
    assert!(doctor.contains("TaskQueue 1.4.1 at"), "{doctor}");
    let _ = place.run(&["task", "list", "--require-mode", "taskqueue"]);
}

#[test]
fn what_this_clone_writes_and_reads_itself_does_not_wake_it() {
    let server = Server::real_or_stand_in("silence");
    let place = Place::new(&server);
    for n in 0..5 {
        place.create(&format!("task-{n}"), &[]);
    }
    let _watching = place.watch();
    eventually("all there", || place.state().0 == "live" && server.text().contains("[task-4]"));
    place.create("task-9", &[]);
    eventually("one more", || server.text().contains("[task-9]"));
    let passes = || place.data(&["bridge", "status"])["bridge"]["last_pass"].as_str().unwrap_or_default().to_owned();
    std::thread::sleep(std::time::Duration::from_secs(3));
    let before = passes();
    std::thread::sleep(std::time::Duration::from_secs(4));
    assert_eq!(passes(), before, "everything was compared again although nothing had changed");
    // The same text once more is no news either, a change is.
    fs::write(server.file(), server.text()).expect("the same");
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert_eq!(passes(), before);
    Other::new(&server).status("[task-9]", ItemStatus::InProgress, None);
    eventually("a change", || place.task("task-9").contains("status: running"));
}

#[test]
fn more_tasks_than_the_limit_are_reported_and_not_shown() {
    let server = Server::real_or_stand_in("max_tasks");
    let place = Place::new(&server).variable("MYCELIUM_COORDINATION_TASKQUEUE_MAX_TASKS", "2");
    for (id, priority) in [("task-a", "low"), ("task-b", "normal"), ("task-c", "high")] {
        place.create(id, &["--priority", priority]);
    }
    let pushed = place.try_run(&["bridge", "push"]);
    assert_eq!(pushed.code, Some(1), "{pushed:?}");
    assert!(pushed.stderr.contains("max_tasks: 1 tasks are not shown there"), "{pushed:?}");
    let titles: Vec<String> = Other::new(&server).items().into_iter().map(|item| item.title).collect();
    assert_eq!(titles.len(), 2, "{titles:?}");
    assert!(!titles.iter().any(|title| title.contains("task-a")), "{titles:?}");
    assert!(place.run(&["bridge", "status"]).contains("held       max_tasks: 1 tasks"));
    // As soon as one is completed there is room.
    place.complete("task-c", "true");
    let _ = place.run(&["bridge", "push"]);
    assert_eq!(Other::new(&server).items().len(), 3);
    // A more urgent one is shown, and takes none away that is shown already; a completed one does not count.
    place.create("task-d", &["--priority", "high"]);
    let _ = place.run(&["bridge", "push"]);
    let titles: Vec<String> = Other::new(&server).items().into_iter().map(|item| item.title).collect();
    assert!(titles.len() == 4 && titles.iter().any(|title| title.contains("task-d")), "{titles:?}");
    place.create("task-e", &["--priority", "low"]);
    let pushed = place.try_run(&["bridge", "push"]);
    assert!(pushed.code == Some(1) && pushed.stderr.contains("max_tasks: 1 tasks are not shown there"), "{pushed:?}");
}

#[test]
fn a_task_that_stays_in_progress_there_is_reported_and_can_be_taken() {
    let server = Server::real_or_stand_in("task_timeout_seconds");
    let place = Place::new(&server).variable("MYCELIUM_COORDINATION_TASKQUEUE_TASK_TIMEOUT_SECONDS", "1");
    place.create("task-1", &[]);
    let _ = place.run(&["bridge", "push"]);
    let mut other = Other::new(&server);
    other.status("[task-1]", ItemStatus::InProgress, None);
    let _ = place.run(&["bridge", "pull"]);
    std::thread::sleep(std::time::Duration::from_millis(1_200));
    let late = place.try_run(&["bridge", "pull"]);
    assert_eq!(late.code, Some(1), "{late:?}");
    assert!(late.stderr.contains("`mycelium task claim task-1 --steal` takes it"), "{late:?}");
    // It does not fall back by time.
    assert!(place.task("task-1").contains("status: running"));
    let _ = place.run(&["task", "claim", "task-1", "--steal", "--as", "ann"]);
    let after = place.try_run(&["bridge", "pull"]);
    assert_eq!(after.code, Some(0), "{after:?}");
    assert_eq!(other.item("[task-1]").status, ItemStatus::InProgress);
}

#[test]
fn two_clones_share_a_store_and_another_client_loses_nothing() {
    let server = Server::real_or_stand_in("two clones of a repository");
    let one = Place::new(&server);
    for n in 0..6 {
        one.create(&format!("task-{n}"), &[]);
    }
    let two = Place::clone_of(&one, "two");
    let (_a, _b) = (one.watch(), two.watch());
    eventually("both live", || one.state().0 == "live" && two.state().0 == "live");
    eventually("all there", || server.file().exists() && server.text().contains("[task-5]"));
    let mut other = Other::new(&server);
    let theirs = other.0.create_project("somebody else's", PATIENCE).expect("a project");
    for n in 0..6 {
        let new =
            NewItem { title: format!("own {n}"), description: "x".to_owned(), rule_recommendations: String::new() };
        other.0.add(&theirs, &[new], PATIENCE).expect("an item");
    }
    let ours = other.0.projects(PATIENCE).expect("projects")[0].project_id.clone();
    let items = other.0.project(&ours, PATIENCE).expect("a project").tasks;
    assert_eq!(items.len(), 6, "each task is shown once: {items:?}");
    let begun = Update { status: Some(ItemStatus::InProgress), ..Update::default() };
    let item = items.iter().find(|item| item.title.contains("[task-3]")).expect("an item");
    other.0.update(&ours, &item.id, &begun, PATIENCE).expect("an update");
    // Where one clone was first, the other one waits for git: it could not say which text is shown there.
    let is_running = |place: &Place| place.task("task-3").contains("status: running");
    eventually("the status in one", || is_running(&one) || is_running(&two));
    eventually("committed", || {
        let committed = |place: &Place| place.sandbox.git(&["status", "--short"]).is_empty();
        committed(&one) && committed(&two)
    });
    for (place, from) in [(&one, "two"), (&two, "work")] {
        let from = place.sandbox.root().with_file_name(from).display().to_string();
        // A commit of the watcher may have the lock for a moment.
        eventually("a pull", || {
            let pull = ["pull", "--quiet", "--no-rebase", "--no-edit", &from, "main"];
            Run::of(place.sandbox.command("git").args(pull)).code == Some(0)
        });
    }
    for place in [&one, &two] {
        eventually("the status in both", || is_running(place));
    }
    one.complete("task-1", "true");
    eventually("done", || {
        let items = other.0.project(&ours, PATIENCE).expect("a project").tasks;
        items.iter().any(|item| item.title.contains("[task-1]") && item.status == ItemStatus::Done)
    });
    assert_eq!(other.0.project(&theirs, PATIENCE).expect("a project").tasks.len(), 6);
    assert_eq!(other.0.projects(PATIENCE).expect("projects").len(), 2);
}
