//! One document read without loss and changed in one field, beside the readers that cannot write it back.

use std::hint::black_box;
use std::sync::Arc;

use gray_matter::Matter;
use gray_matter::engine::YAML;
use mycelium::document::{Document, Value};

use crate::bench::{Bench, median, timed};

/// Calls that are timed together, because the clock is coarse.
const CALLS: u32 = 20;

/// A task as agents leave it.
const TASK: &str = include_str!("task.md");

pub(crate) fn run(bench: &Bench) {
    let rounds = bench.pick(300, 50, 2);
    let bytes: Arc<[u8]> = TASK.as_bytes().into();
    let yaml = TASK.split("---\n").nth(1).unwrap();
    let parsed = Document::parse(Arc::clone(&bytes));
    assert!(parsed.is_readable(), "{:?}", parsed.faults());
    let changed = parsed.edit().set("status", &Value::text("failed")).unwrap();
    assert_eq!(changed.text(), TASK.replace("status: running", "status: failed"), "one line is changed, and no other");
    let matter = Matter::<YAML>::new();

    let readers: &[(&str, &dyn Fn())] = &[
        ("parse", &|| _ = black_box(Document::parse(Arc::clone(&bytes)).fields().len())),
        ("parse-body", &|| _ = black_box(Document::parse(Arc::clone(&bytes)).body().steps().len())),
        ("edit", &|| _ = black_box(parsed.edit().set("status", &Value::text("failed")).unwrap())),
        ("parse-gray-matter", &|| _ = black_box(matter.parse::<serde_json::Value>(TASK).unwrap())),
        ("parse-serde-yaml", &|| _ = black_box(serde_yaml::from_str::<serde_json::Value>(yaml).unwrap())),
    ];
    let mut spent: Vec<Vec<f64>> = vec![Vec::new(); readers.len()];
    for _ in 0..rounds {
        for ((_, read), times) in readers.iter().zip(&mut spent) {
            let ((), took) = timed(|| (0..CALLS).for_each(|_| read()));
            times.push(took.as_secs_f64() * 1e6 / f64::from(CALLS));
        }
    }
    for ((id, _), times) in readers.iter().zip(spent) {
        bench.show(id, &format!("{:.1} µs", median(times)));
    }
}
