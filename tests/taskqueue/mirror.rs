//! The production pass between folders and a server: what is shown there, what comes back, and other clients at the same time.

use std::fs;
use std::time::Duration;

use mycelium::taskqueue::{ItemStatus, NewItem, Update};
use serde_json::Value;

use crate::clone::{History, TestClone};
use crate::other::{Other, approve, change_file};
use crate::server::{PATIENCE, Server};
use crate::stand_in::{Faults, Fork, Point, When};

fn task(id: &str, status: &str, title: &str) -> String {
    format!("---\nid: {id}\ntype: build\nstatus: {status}\n---\n\n# {title}\n\nDo it: \u{e4}\u{1f980}, `<!-- -->`.\n")
}

#[test]
fn what_is_in_the_folder_is_shown_and_a_second_pass_writes_nothing() {
    let server = Server::real_or_stand_in("a first mirror");
    let history = History::default();
    let mut clone = TestClone::new(&server, &history);
    for (index, status) in ["pending", "running", "completed", "failed"].iter().cycle().take(20).enumerate() {
        clone.put(&format!("task-{index}"), &task(&format!("task-{index}"), status, &format!("Task {index}")));
    }
    clone.edit("task-2", "Do it", "Do it\n\n## Result\n\n```json\n{\"n\": 1}\n```\n\n## Notes\n\nDone");
    assert!(clone.settle() <= 4);
    let mut other = Other::new(&server);
    assert_eq!(other.items().len(), 20);
    assert_eq!(other.item("[task-0]").status, ItemStatus::NotStarted);
    assert_eq!(other.item("[task-1]").status, ItemStatus::InProgress);
    let done = other.item("[task-2]");
    assert_eq!((done.status, done.completed_details.as_str()), (ItemStatus::Done, "{\"n\":1}"));
    let failed = other.item("[task-3]");
    assert_eq!((failed.status, failed.title.as_str()), (ItemStatus::InProgress, "[failed] Task 3 [task-3]"));
    assert!(failed.description.contains("\u{e4}\u{1f980}, `<!-- -->`."));
    // What is remembered, and the process, can be lost.
    let before = server.text();
    clone.restart(&server);
    assert_eq!(clone.settle(), 1);
    clone.forget();
    assert_eq!(clone.settle(), 1);
    assert_eq!(server.text(), before);
}

#[test]
fn what_others_do_there_comes_into_the_files() {
    let server = Server::real_or_stand_in("changes of others");
    let history = History::default();
    let mut clone = TestClone::new(&server, &history);
    for id in ["task-a", "task-b", "task-c", "task-d"] {
        clone.put(id, &task(id, if id == "task-d" { "failed" } else { "pending" }, id));
    }
    clone.settle();
    let mut other = Other::new(&server);
    other.status("[task-a]", ItemStatus::InProgress, None);
    other.status("[task-b]", ItemStatus::Done, Some("all of it"));
    other.status("[task-c]", ItemStatus::Done, Some("{\"found\": 3}"));
    approve(&server, "[task-c]");
    other.status("[task-d]", ItemStatus::NotStarted, None);
    clone.settle();
    let text = |clone: &TestClone<'_>, id| clone.text(id).expect("a file");
    assert!(text(&clone, "task-a").contains("status: running"), "{}", text(&clone, "task-a"));
    let free = text(&clone, "task-b");
    assert!(free.contains("status: completed") && free.contains("\"details\": \"all of it\""), "{free}");
    let approved = text(&clone, "task-c");
    assert!(approved.contains("\"found\": 3") && approved.contains("approved: taskqueue"), "{approved}");
    assert!(text(&clone, "task-d").contains("status: pending"), "{}", text(&clone, "task-d"));
    // Nothing there was changed by that, and the file goes on from it.
    assert_eq!(other.item("[task-c]").completed_details, "{\"found\": 3}");
    clone.edit("task-a", "status: running", "status: completed");
    clone.settle();
    assert_eq!(other.item("[task-a]").status, ItemStatus::Done);
}

#[test]
fn a_text_that_others_changed_is_reported_and_sent_again() {
    let server = Server::real_or_stand_in("a text of others");
    let history = History::default();
    let mut clone = TestClone::new(&server, &history);
    clone.put("task-a", &task("task-a", "pending", "A"));
    clone.settle();
    let mut other = Other::new(&server);
    let changed = Update {
        description: Some("something else".to_owned()),
        status: Some(ItemStatus::InProgress),
        ..Update::default()
    };
    other.update("[task-a]", &changed);
    let report = clone.pass().expect("a pass");
    assert!(report.garbage.iter().any(|(place, why)| place.contains("task-a") && why.contains("text")), "{report:?}");
    clone.settle();
    assert!(other.item("[task-a]").description.contains("Do it"));
    assert!(clone.text("task-a").expect("a file").contains("status: running"));
    // Without the marker it is found by its title.
    other.update("[task-a]", &Update { rule_recommendations: Some("be kind".to_owned()), ..Update::default() });
    clone.settle();
    assert_eq!(other.items().len(), 1);
    assert!(other.item("[task-a]").rule_recommendations.expect("rules").contains("task=task-a"));
}

#[test]
fn a_task_that_others_put_there_becomes_a_file() {
    let server = Server::real_or_stand_in("a task of others");
    let history = History::default();
    let (mut clone, mut second) = (TestClone::new(&server, &history), TestClone::new(&server, &history));
    clone.put("task-a", &task("task-a", "pending", "A"));
    clone.settle();
    let mut other = Other::new(&server);
    let project = other.project();
    let new = NewItem {
        title: "Look at [this]!".to_owned(),
        description: "Why?".to_owned(),
        rule_recommendations: String::new(),
    };
    other.0.add(&project, &[new], PATIENCE).expect("an item");
    clone.settle();
    let ids = clone.ids();
    let id = ids.iter().find(|id| id.starts_with("look-at-this-")).unwrap_or_else(|| panic!("{ids:?}"));
    let text = clone.text(id).expect("a file");
    assert!(text.contains("Look at [this]!") && text.contains("Why?") && text.contains("status: pending"), "{text}");
    // Another clone waits for git.
    second.pass().expect("a pass");
    assert!(second.ids().is_empty());
    second.pull(&clone);
    assert_eq!(second.settle(), 1);
    assert_eq!(other.items().len(), 2);
}

#[test]
fn removals_go_out_and_what_others_delete_is_shown_again() {
    let server = Server::real_or_stand_in("removals");
    let history = History::default();
    let mut clone = TestClone::new(&server, &history);
    for id in ["task-a", "task-b", "task-c"] {
        clone.put(id, &task(id, "pending", id));
    }
    clone.settle();
    let mut other = Other::new(&server);
    clone.remove("task-a");
    other.delete("[task-b]");
    other.status("[task-c]", ItemStatus::Done, Some("yes"));
    approve(&server, "[task-c]");
    clone.settle();
    let titles = |other: &mut Other| other.items().into_iter().map(|item| item.title).collect::<Vec<_>>();
    assert_eq!(titles(&mut other), ["task-c [task-c]", "task-b [task-b]"]);
    // One that was approved stays there, and is not asked about again.
    clone.remove("task-c");
    clone.settle();
    assert_eq!(clone.settle(), 1);
    assert_eq!(titles(&mut other).len(), 2);
    // Gone with its file, all is shown again.
    fs::remove_file(server.file()).expect("the file");
    clone.settle();
    assert_eq!(titles(&mut other), ["task-b [task-b]"]);
}

#[test]
fn a_task_that_is_opened_again_after_its_approval_is_shown_anew() {
    let server = Server::real_or_stand_in("opened again");
    let history = History::default();
    let mut clone = TestClone::new(&server, &history);
    clone.put("task-a", &task("task-a", "pending", "A"));
    clone.settle();
    let mut other = Other::new(&server);
    other.status("[task-a]", ItemStatus::Done, Some("done"));
    approve(&server, "[task-a]");
    clone.settle();
    clone.edit("task-a", "status: completed", "status: pending");
    clone.settle();
    let items = other.items();
    assert_eq!(items.len(), 2, "{items:?}");
    assert!(items[0].approved && !items[1].approved && items[1].status == ItemStatus::NotStarted, "{items:?}");
    other.status("[task-a]", ItemStatus::InProgress, None);
    clone.settle();
    assert!(clone.text("task-a").expect("a file").contains("status: running"));
    clone.forget();
    assert_eq!(clone.settle(), 1);
}

#[test]
fn a_finalized_project_is_followed_by_another() {
    let server = Server::real_or_stand_in("finalized");
    let history = History::default();
    let mut clone = TestClone::new(&server, &history);
    clone.put("task-a", &task("task-a", "pending", "A"));
    clone.settle();
    let mut other = Other::new(&server);
    other.status("[task-a]", ItemStatus::Done, Some("done"));
    approve(&server, "[task-a]");
    clone.settle();
    let project = other.project();
    change_file(&server, |data| data["projects"][0]["completed"] = Value::Bool(true));
    assert_eq!(clone.settle(), 1);
    clone.put("task-b", &task("task-b", "pending", "B"));
    clone.settle();
    let titles: Vec<String> = other.items().into_iter().map(|item| item.title).collect();
    assert_eq!(titles, ["B [task-b]"]);
    assert_ne!(other.project(), project);
}

#[test]
fn two_clones_and_another_client_come_to_the_same() {
    let server = Server::real_or_stand_in("two clones");
    let history = History::default();
    let (mut one, mut two) = (TestClone::new(&server, &history), TestClone::new(&server, &history));
    for index in 0..30 {
        let id = format!("task-{index}");
        one.put(&id, &task(&id, "pending", &id));
    }
    two.pull(&one);
    let mut other = Other::new(&server);
    one.pass().expect("a pass");
    two.pass().expect("a pass");
    for index in 0..10 {
        other.status(&format!("[task-{index}]"), ItemStatus::InProgress, None);
        one.edit(&format!("task-{}", 10 + index), "Do it", "Do more");
    }
    one.pass().expect("a pass");
    two.pull(&one);
    two.pass().expect("a pass");
    assert!(one.settle() <= 2);
    two.pull(&one);
    assert!(two.settle() <= 2);
    assert_eq!(other.items().len(), 30);
    for index in 0..10 {
        let text = two.text(&format!("task-{index}")).expect("a file");
        assert!(text.contains("status: running"), "{text}");
        assert!(other.item(&format!("[task-{}]", 10 + index)).description.contains("Do more"));
    }
}

#[test]
fn every_fork_and_every_fault_ends_in_the_same() {
    let point = |call, when| Some(Point { call, when });
    let none = Faults::default;
    let all = [
        Faults { fork: Some(Fork::Strict), ..none() },
        Faults { fork: Some(Fork::Translated), ..none() },
        Faults { fork: Some(Fork::Wrapped), ..none() },
        Faults { noise: true, stderr_flood: 100_000, ..none() },
        Faults { dies: point(7, When::Before), ..none() },
        Faults { dies: point(6, When::After), ..none() },
        Faults { drops_answer: point(6, When::After), ..none() },
        Faults { hangs: point(6, When::After), ..none() },
        Faults { tears_file: Some(8), ..none() },
        Faults { issues_twice: Some(5), ..none() },
    ];
    for faults in all {
        let server = Server::stand_in(&faults);
        let history = History::default();
        let mut clone = TestClone::new(&server, &history);
        clone.space.within = Duration::from_secs(2);
        for (index, status) in ["pending", "running", "completed", "failed"].iter().enumerate() {
            clone.put(&format!("task-{index}"), &task(&format!("task-{index}"), status, "T"));
        }
        let is_settled = (0..40).any(|_| {
            let settled = clone.try_settle();
            if settled.is_none() {
                // What a person does where a server has died while it wrote.
                drop(fs::remove_file(server.file().with_extension("json.lock")));
                if server.file().exists() && serde_json::from_str::<Value>(&server.text()).is_err() {
                    fs::remove_file(server.file()).expect("the file");
                    server.heal();
                }
                clone.restart(&server);
            }
            settled.is_some()
        });
        assert!(is_settled, "{faults:?}");
        let data: Value = serde_json::from_str(&server.text()).expect("JSON");
        let items = data["projects"].as_array().and_then(|all| all.last()).expect("a project")["tasks"].clone();
        let ours = items
            .as_array()
            .expect("items")
            .iter()
            .filter(|item| item["title"].as_str().is_some_and(|title| title.contains("[task-")));
        let mut statuses: Vec<(String, String)> =
            ours.map(|item| (item["title"].to_string(), item["status"].to_string())).collect();
        statuses.sort();
        let wanted = [
            ("\"T [task-0]\"", "\"not started\""),
            ("\"T [task-1]\"", "\"in progress\""),
            ("\"T [task-2]\"", "\"done\""),
            ("\"[failed] T [task-3]\"", "\"in progress\""),
        ];
        assert_eq!(statuses, wanted.map(|(title, status)| (title.to_owned(), status.to_owned())), "{faults:?}");
        for (index, status) in ["pending", "running", "completed", "failed"].iter().enumerate() {
            let text = clone.text(&format!("task-{index}")).expect("a file");
            assert!(text.contains(&format!("status: {status}")), "{faults:?}: {text}");
        }
    }
}
