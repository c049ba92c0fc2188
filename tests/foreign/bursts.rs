//! Much at once: what others publish, write and push is kept, each once; and what is lost is told.

use std::collections::BTreeMap;
use std::fs;

use crate::scene::{Scene, until};
use crate::support::FOLDER;

/// Publishes so many messages in one moment, numbered from there on.
fn publish(scene: &Scene, from: usize, count: usize) {
    let script = "for i = ARGV[1], ARGV[1] + ARGV[2] - 1 do \
                  redis.call('PUBLISH', 'training:burst', '{\"event\":\"step\",\"step\":' .. string.format('%d', i) .. '}') end";
    scene.redis(&["EVAL", script, "0", &from.to_string(), &count.to_string()]);
}

/// How often each number is written down, in all clones.
fn written(scene: &Scene) -> BTreeMap<usize, usize> {
    let mut found = BTreeMap::new();
    for clone in &scene.clones {
        let mut folders = vec![clone.path(FOLDER)];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                if entry.path().is_dir() {
                    folders.push(entry.path());
                    continue;
                }
                let text = fs::read_to_string(entry.path()).unwrap_or_default();
                for line in text.lines().filter(|line| line.contains("training:burst")) {
                    let number = line.split("\"step\":").nth(1).and_then(|rest| rest.split(['}', ',']).next());
                    *found.entry(number.unwrap().parse().unwrap()).or_default() += 1;
                }
            }
        }
    }
    found
}

/// Waits until every number is written down, and each once.
#[track_caller]
fn each_once(scene: &Scene, count: usize) {
    until("all is written down", || written(scene).len() == count);
    let twice: Vec<_> = written(scene).into_iter().filter(|(_, times)| *times != 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
}

#[test]
fn a_burst_of_messages_is_written_down_each_once() {
    let Some(scene) = Scene::start("a_burst_of_messages_is_written_down_each_once", 2, &[]) else { return };
    publish(&scene, 0, 3_000);
    each_once(&scene, 3_000);
    for round in 0..4 {
        publish(&scene, 3_000 + round * 250, 250);
    }
    each_once(&scene, 4_000);
    for clone in 0..2 {
        assert_eq!(
            (scene.status(clone)["more"]["lost"].as_u64(), scene.status(clone)["more"]["gaps"].as_u64()),
            (Some(0), Some(0))
        );
    }
    let folder = scene.clones.iter().find(|clone| !clone.documents().is_empty()).unwrap();
    let commits: usize = folder.git(&["rev-list", "--count", "HEAD", "--", FOLDER]).parse().unwrap();
    assert!(commits < 100, "many are one operation: {commits} commits");
}

#[test]
fn what_is_published_while_the_server_has_no_memory_is_written_down() {
    let test = "what_is_published_while_the_server_has_no_memory_is_written_down";
    let Some(scene) = Scene::start(test, 1, &[]) else { return };
    publish(&scene, 0, 10);
    each_once(&scene, 10);
    scene.redis(&["CONFIG", "SET", "maxmemory", "1"]);
    // Something that is to go there, and cannot.
    scene.run(0, &["task", "create", "--type", "x", "--id", "task-1"]).ok();
    until("it says so", || scene.status(0)["bridge"]["why"].as_str().is_some_and(|why| why.contains("memory")));
    for round in 0..5 {
        publish(&scene, 10 + round * 200, 200);
        std::thread::sleep(std::time::Duration::from_millis(1_500));
    }
    each_once(&scene, 1_010);
    scene.redis(&["CONFIG", "SET", "maxmemory", "0"]);
    scene.is_live(0);
    until("it arrives there", || scene.field("tasks:task-1", "status") == "pending");
    publish(&scene, 1_010, 10);
    each_once(&scene, 1_020);
    assert_eq!(scene.status(0)["more"]["gaps"], 0);
}

#[test]
fn a_connection_that_is_lost_is_told_for_what_came_then_is_not_known() {
    let test = "a_connection_that_is_lost_is_told_for_what_came_then_is_not_known";
    let Some(scene) = Scene::start(test, 1, &[]) else { return };
    publish(&scene, 0, 5);
    each_once(&scene, 5);
    // What a server does to one that takes what it tells too slowly.
    scene.redis(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    until("it is told", || scene.status(0)["more"]["gaps"] == 1);
    scene.is_live(0);
    let words = scene.run(0, &["bridge", "status"]).ok();
    assert!(words.contains("the connection was lost 1 time: what was published then is not known"), "{words}");
    until("it leads again", || scene.redis(&["EXISTS", "mycelium:recorder"]) == "1");
    publish(&scene, 5, 500);
    each_once(&scene, 505);
}

#[test]
fn bursts_of_hashes_and_entries_become_documents_and_removed_keys_remove_none() {
    let test = "bursts_of_hashes_and_entries_become_documents_and_removed_keys_remove_none";
    let Some(scene) = Scene::start(test, 2, &[]) else { return };
    let script = "for i = 1, 300 do \
                  redis.call('HSET', 'tasks:hash-' .. i, 'id', 'hash-' .. i, 'type', 't', 'status', 'pending') \
                  redis.call('LPUSH', 'tasks:queue:low', '{\"id\":\"entry-' .. i .. '\",\"type\":\"t\"}') end";
    scene.redis(&["EVAL", script, "0"]);
    let all = || scene.clones.iter().map(|clone| clone.documents().len()).collect::<Vec<_>>();
    until("all are documents everywhere", || all() == [600, 600]);
    scene.redis(&["EVAL", "for i = 1, 300 do redis.call('DEL', 'tasks:hash-' .. i) end", "0"]);
    until("they are there again", || scene.redis(&["EXISTS", "tasks:hash-1", "tasks:hash-300"]) == "2");
    assert_eq!(all(), [600, 600]);
    assert_eq!(scene.redis(&["LLEN", "tasks:queue:low"]), "300", "each entry is one task");
}

#[test]
fn a_clone_that_hangs_with_the_lead_is_followed_by_another_that_says_so() {
    let test = "a_clone_that_hangs_with_the_lead_is_followed_by_another_that_says_so";
    let Some(scene) = Scene::start(test, 2, &[]) else { return };
    publish(&scene, 0, 5);
    each_once(&scene, 5);
    let leader = usize::from(scene.clones[0].documents().is_empty());
    scene.halt(leader);
    publish(&scene, 5, 200);
    until("the other one says so", || scene.status(1 - leader)["more"]["gaps"] == 1);
    publish(&scene, 205, 300);
    until("the other one writes down", || written(&scene).range(205..505).count() == 300);
    scene.go_on(leader);
    scene.is_live(leader);
    publish(&scene, 505, 300);
    until("one of them writes down", || written(&scene).range(505..805).count() == 300);
    // What the one that hung heard late is not its own any more.
    std::thread::sleep(std::time::Duration::from_secs(2));
    let twice: Vec<_> = written(&scene).into_iter().filter(|(_, times)| *times != 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
}
