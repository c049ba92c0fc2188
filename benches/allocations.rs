//! How often one document's reading and editing asks for memory, and for how much: exact counts, the same on every machine.
#![allow(clippy::unwrap_used, reason = "a bench that cannot read its own document has failed")]
#![allow(clippy::print_stdout, reason = "a bench prints its figures")]
#![allow(clippy::disallowed_methods, reason = "a bench reads the environment and writes its figures")]

use std::alloc::System;
use std::hint::black_box;
use std::io::Write as _;
use std::sync::Arc;

use gray_matter::Matter;
use gray_matter::engine::YAML;
use mycelium::document::{Document, Value};
use mycelium::entity;
use mycelium::name::DocPath;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static COUNTED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// A task as agents leave it.
const TASK: &str = include_str!("figures/task.md");

fn main() {
    let bytes: Arc<[u8]> = TASK.as_bytes().into();
    let path = DocPath::new("task-k7f3q2m9xa.md").unwrap();
    let parsed = Document::parse(Arc::clone(&bytes));
    let yaml = TASK.split("---\n").nth(1).unwrap();
    let matter = Matter::<YAML>::new();
    // Name, the most that is accepted (a change that asks for more has to say so here), and the work.
    let works: &[(&str, usize, &dyn Fn())] = &[
        ("allocations-parse", 400, &|| _ = black_box(Document::parse(Arc::clone(&bytes)).fields().len())),
        ("allocations-entity", 1_000, &|| _ = black_box(entity::read(&path, &Document::parse(Arc::clone(&bytes))))),
        ("allocations-edit", 2_000, &|| _ = black_box(parsed.edit().set("status", &Value::text("failed")).unwrap())),
        ("allocations-gray-matter", usize::MAX, &|| _ = black_box(matter.parse::<serde_json::Value>(TASK).unwrap())),
        ("allocations-serde-yaml", usize::MAX, &|| {
            black_box(serde_yaml::from_str::<serde_json::Value>(yaml).unwrap());
        }),
    ];
    for (id, most, work) in works {
        work();
        let region = Region::new(COUNTED);
        work();
        let change = region.change();
        let count = change.allocations + change.reallocations;
        assert!(count > 0 && count <= *most, "{id}: {count} allocations, at most {most}");
        let ours = format!("{count} ({:.1} KiB)", kib(change.bytes_allocated));
        println!("{id:<24} {ours}");
        if let Some(path) = std::env::var_os("MYCELIUM_FIGURES") {
            let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
            file.write_all(format!("{id}\t{ours}\t\tshown\n").as_bytes()).unwrap();
        }
    }
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("\ntest result: ok. {} passed; 0 failed; 0 ignored", works.len());
    }
}

fn kib(bytes: usize) -> f64 {
    f64::from(u32::try_from(bytes).unwrap()) / 1024.0
}
