//! Random tasks, and random changes of what they say, the same on every machine.
#![allow(dead_code, reason = "each test file uses its part")]

use mycelium::document::{Document, Mark, Value};
use mycelium::entity::task::{self, TaskUpdate};
use mycelium::entity::{Priority, TaskDraft, TaskStatus};
use mycelium::name::{AgentName, DocId};
use mycelium::template::Shape;
use serde_json::{Value as Json, json};

/// Everything about a task that is changed on its own. A claim (status, holder, fence, lease) is one change.
pub(crate) const FIELDS: [&str; 14] = [
    "status",
    "assigned_to",
    "priority",
    "depends_on",
    "progress",
    "review",
    "approved",
    "workflow",
    "title",
    "payload",
    "steps",
    "result",
    "error",
    "notes",
];

/// A small generator of numbers (splitmix64): the same seed gives the same thousand pairs on every machine.
pub(crate) struct Seed(pub(crate) u64);

impl Seed {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    pub(crate) fn chance(&mut self) -> bool {
        self.below(2) == 0
    }

    pub(crate) fn id(&mut self, prefix: &str) -> DocId {
        DocId::new(format!("{prefix}-{}", self.below(1_000_000))).expect("valid")
    }

    pub(crate) fn json(&mut self) -> Json {
        match self.below(3) {
            0 => json!({ "epochs": self.below(100), "config": "configs/lora.yaml" }),
            1 => json!([self.below(100)]),
            _ => json!({ "a": { "b": [self.below(100), "x"] }, "c": null }),
        }
    }
}

/// A random task.
pub(crate) fn base(seed: &mut Seed, n: u64, shape: Shape) -> Document {
    let new = TaskDraft {
        id: DocId::new(format!("task-{n}")).expect("valid"),
        kind: "train-model".to_owned(),
        title: seed.chance().then(|| "Train the model".to_owned()),
        description: None,
        assigned_to: seed.chance().then(|| AgentName::new("lead").expect("valid")),
        depends_on: (0..seed.below(3)).map(|_| seed.id("task")).collect(),
        priority: if seed.chance() { Priority::High } else { Priority::Normal },
        workflow: seed.chance().then(|| seed.id("wf")),
        payload: seed.chance().then(|| seed.json()),
        steps: (0..seed.below(4)).map(|n| format!("Step {n}")).collect(),
        created: "2025-10-17T00:00:00Z".parse().expect("a time"),
    };
    let mut document = new.render(shape, None).expect("renders");
    for field in ["progress", "review", "approved", "notes", "result", "error"] {
        if seed.below(3) == 0 {
            document = change(&document, field, seed);
        }
    }
    if seed.chance() { task::start(&document).expect("pending") } else { document }
}

/// Another value for a field.
pub(crate) fn change(document: &Document, field: &str, seed: &mut Seed) -> Document {
    let update = |update: TaskUpdate| task::update(document, &update).expect("allowed");
    let set =
        |key: &str, value: Value| update(TaskUpdate { set: vec![(key.to_owned(), value)], ..TaskUpdate::default() });
    match field {
        "status" => change_status(document, seed),
        "assigned_to" => update(TaskUpdate {
            assigned_to: AgentName::new(format!("agent-{}", seed.below(1_000_000))).ok(),
            ..TaskUpdate::default()
        }),
        "priority" => {
            let low = document.field("priority").is_some_and(|field| field.value.as_text() == Some("low"));
            let priority = if low { Priority::Critical } else { Priority::Low };
            update(TaskUpdate { priority: Some(priority), ..TaskUpdate::default() })
        }
        "depends_on" => update(TaskUpdate { depends_on_add: vec![seed.id("dep")], ..TaskUpdate::default() }),
        "progress" => set("progress", Value::plain(format!("0.{}", 1 + seed.below(1_000_000)))),
        "review" => {
            let required = document.field("review").is_some_and(|field| field.value.as_text() == Some("required"));
            set("review", Value::text(if required { "none" } else { "required" }))
        }
        "approved" => set("approved", Value::text(format!("reviewer-{}", seed.below(1_000_000)))),
        "workflow" => set("workflow", Value::text(seed.id("wf").as_str())),
        "title" => update(TaskUpdate { title: Some(format!("Title {}", seed.next())), ..TaskUpdate::default() }),
        "payload" => task::set_payload(document, &json!({ "new": seed.next() })).expect("allowed"),
        "steps" if !document.body().steps().is_empty() && seed.chance() => {
            task::tick(document, 1, Mark::Flip).expect("there")
        }
        "steps" => document.edit().add_bullet("Progress", &format!("[ ] More {}", seed.next())).expect("allowed"),
        "result" => document.edit().set_section_json("Result", &json!({ "loss": seed.next() })).expect("allowed"),
        "error" => {
            document.edit().set_section_text("Error", &format!("out of memory at {}", seed.next())).expect("allowed")
        }
        "notes" => task::note(document, &format!("note {}", seed.next())).expect("allowed"),
        other => panic!("no such field: {other}"),
    }
}

fn change_status(document: &Document, seed: &mut Seed) -> Document {
    let running = document.field("status").is_some_and(|field| field.value.as_text() == Some("running"));
    if running {
        return if seed.chance() { task::release(document) } else { task::complete(document, None) }.expect("legal");
    }
    let mut claim = TaskUpdate { status: Some(TaskStatus::Running), ..TaskUpdate::default() };
    if seed.chance() {
        let holder = format!("agent-{}", seed.below(1_000));
        claim.set = vec![
            ("claimed_by".to_owned(), Value::text(holder)),
            ("fence".to_owned(), Value::plain("1")),
            ("lease".to_owned(), Value::text("5m")),
        ];
    }
    task::update(document, &claim).expect("legal")
}
