//! Random steps by file and by Redis; afterwards the queues hold exactly the ready tasks, in their order.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::scene::{Scene, task, until};
use crate::support::{number, sized};

const PRIORITIES: [&str; 4] = ["critical", "high", "normal", "low"];

struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).unwrap()
    }

    fn of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len())]
    }
}

/// The ready tasks by priority, as the program lists them.
fn ready(scene: &Scene) -> BTreeMap<String, Vec<String>> {
    let text = scene.run(0, &["task", "list", "--limit", "200", "--json"]).ok();
    let list: Value = serde_json::from_str(&text).unwrap();
    let mut ready: BTreeMap<String, Vec<String>> = PRIORITIES.iter().map(|word| ((*word).to_owned(), vec![])).collect();
    for task in list["data"]["items"].as_array().unwrap() {
        if task["ready"] == true {
            ready.get_mut(task["priority"].as_str().unwrap()).unwrap().push(task["id"].as_str().unwrap().to_owned());
        }
    }
    for ids in ready.values_mut() {
        ids.sort();
    }
    ready
}

fn queues(scene: &Scene) -> BTreeMap<String, Vec<String>> {
    let of = |word: &&str| {
        let mut ids = scene.queue(word);
        ids.sort();
        ((*word).to_owned(), ids)
    };
    PRIORITIES.iter().map(of).collect()
}

#[test]
fn the_queues_hold_exactly_the_ready_tasks_whatever_is_done() {
    let test = "the_queues_hold_exactly_the_ready_tasks_whatever_is_done";
    let lease = ("claim.lease", "1s");
    let Some(scene) = Scene::start(test, 1, &[lease]) else { return };
    let seed = number("MYCELIUM_SEED", 7);
    let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ seed as u64);
    let ids: Vec<String> = (0..12).map(|n| format!("task-{n:02}")).collect();
    for round in 0..sized("MYCELIUM_ROUNDS", 4, 100) {
        for _ in 0..12 {
            step(&scene, &mut random, &ids);
        }
        // What was written before this has been heard by the time this is in its file.
        scene.redis(&["HSET", "agents:status:probe", "status", "idle", "round", &round.to_string()]);
        scene.file_has(0, "agent-probe", &[&format!("round: {round}")]);
        let mut both = (BTreeMap::new(), BTreeMap::new());
        let began = std::time::Instant::now();
        // What was popped comes back after its lease.
        while both.0.is_empty() || both.0 != both.1 {
            both = (queues(&scene), ready(&scene));
            assert!(began.elapsed().as_secs() < 60, "seed {seed}, round {round}: {both:#?} {}", scene.status(0));
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
    until("nothing is out", || scene.status(0)["more"]["popped"].as_array().unwrap().is_empty());
    until("they are alike", || queues(&scene) == ready(&scene));
    assert_eq!(scene.unusable(0), "");
}

fn step(scene: &Scene, random: &mut Random, ids: &[String]) {
    let id = ids[random.below(ids.len())].clone();
    let key = format!("tasks:{id}");
    let priority = random.of(&PRIORITIES);
    let queue = format!("tasks:queue:{priority}");
    match random.below(10) {
        0..=2 => {
            let needs = &ids[random.below(ids.len())];
            let needs = if *needs < id { format!("depends_on: [{needs}]\n") } else { String::new() };
            let status = random.of(&["pending", "pending", "pending", "completed", "failed"]);
            scene.save(0, &id, &task(&id, status, &format!("priority: {priority}\n{needs}")));
        }
        3 => {
            let path = scene.clones[0].path(&format!("{}/{id}.md", crate::support::FOLDER));
            let _ = std::fs::remove_file(path);
        }
        4 => drop(scene.redis(&["RPOP", &queue])),
        5 => drop(scene.redis(&["LPUSH", &queue, &format!("{{\"id\":\"{id}\",\"type\":\"t\"}}")])),
        6 if scene.redis(&["EXISTS", &key]) == "1" => {
            drop(scene.redis(&["HSET", &key, "status", "running", "claimed_by", "w"]));
        }
        7 if scene.redis(&["EXISTS", &key]) == "1" => drop(scene.redis(&["HSET", &key, "status", "completed"])),
        8 if scene.redis(&["EXISTS", &key]) == "1" => drop(scene.redis(&["HSET", &key, "priority", priority])),
        _ => drop(scene.redis(&["DEL", if random.below(2) == 0 { &key } else { &queue }])),
    }
}
