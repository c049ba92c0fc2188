//! One document read without loss and changed in one field, beside the readers that cannot write it back.
#![allow(clippy::disallowed_methods, reason = "a bench reads the clock")]
#![allow(clippy::unwrap_used, reason = "a bench that cannot read its own document has failed")]
#![allow(clippy::print_stdout, reason = "a bench prints its table")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gray_matter::Matter;
use gray_matter::engine::YAML;
use mycelium::document::{Document, Value};

/// Rounds; each times every reader once, in turn.
const ROUNDS: usize = 300;
/// Calls that are timed together, because the clock is coarse.
const CALLS: u32 = 20;

/// A task as agents leave it.
const TASK: &str = "---\n\
    id: task-k7f3q2m9xa\nstatus: running\ntype: train-model\nassigned_to: ai-engineer\n\
    created: 2025-10-17T00:00:00Z\npriority: high\n# waits for\ndepends_on:\n  - task-122\n  - task-121\n\
    # run\nprogress: 0.5\n# review\n# more\nworkflow: wf-1\n---\n\n\
    # Train the model\n\n## Payload\n\n```json\n{\n  \"dataset\": \"alice-voice\",\n  \"epochs\": 3\n}\n```\n\n\
    ## Progress\n\n- [x] Load dataset\n- [x] Initialize model\n- [ ] Training (epoch 1/3)\n- [ ] Validation\n\n\
    ## Result\n\n## Notes\n\n- The loss is flat after the first epoch, although the rate was halved.\n\
    - The second half of the dataset has twice the length of the first; batches were cut to fit.\n\
    - Restarted on the other machine, because the first one was needed.\n";

fn main() {
    // Cargo passes `--bench` in `cargo bench`; `cargo test` only asks whether it still works.
    let timed = std::env::args().any(|argument| argument == "--bench");
    let rounds = if timed { ROUNDS } else { 2 };
    let bytes: Arc<[u8]> = TASK.as_bytes().into();
    let yaml = TASK.split("---\n").nth(1).unwrap();
    let parsed = Document::parse(Arc::clone(&bytes));
    assert!(parsed.is_readable(), "{:?}", parsed.faults());
    let matter = Matter::<YAML>::new();

    let readers: &[(&str, &dyn Fn())] = &[
        ("document: frontmatter", &|| _ = black_box(Document::parse(Arc::clone(&bytes)).fields().len())),
        ("document: frontmatter and body", &|| _ = black_box(Document::parse(Arc::clone(&bytes)).steps().len())),
        ("document: one field changed", &|| _ = black_box(parsed.set("status", &Value::text("failed")).unwrap())),
        ("gray_matter: frontmatter", &|| _ = black_box(matter.parse::<serde_json::Value>(TASK).unwrap())),
        ("serde_yaml: frontmatter", &|| _ = black_box(serde_yaml::from_str::<serde_json::Value>(yaml).unwrap())),
    ];
    let mut spent: Vec<Vec<Duration>> = vec![Vec::new(); readers.len()];
    for _ in 0..rounds {
        for ((_, read), times) in readers.iter().zip(&mut spent) {
            times.push(time(read));
        }
    }
    println!("{:<34} {:>10}", format!("one task of {} bytes", TASK.len()), "median");
    for ((name, _), times) in readers.iter().zip(&mut spent) {
        times.sort();
        println!("{name:<34} {:>7.1} us", times[times.len() / 2].as_secs_f64() * 1e6);
    }
    if !timed {
        println!("\ntest result: ok. {} passed; 0 failed; 0 ignored", readers.len());
    }
}

/// The time of one call, as a part of many.
fn time(read: &dyn Fn()) -> Duration {
    let start = Instant::now();
    for _ in 0..CALLS {
        read();
    }
    start.elapsed() / CALLS
}
