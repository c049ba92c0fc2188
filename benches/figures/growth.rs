//! How much `.git` grows by a commit that changes one field, as loose objects and after maintenance.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use mycelium::document::{Document, Value};
use mycelium::git::{Maintained, Repository};
use mycelium::name::Kind;
use mycelium::services::{Opening, Passing, Project};

use crate::bench::{Bench, Tasks, Verdict, disk, live, repository};

/// Most growth by a change, in KiB.
const LOOSE_MAX: f64 = 30.0;
const PACKED_MAX: f64 = 1.0;

pub(crate) fn run(bench: &Bench) {
    let changes = bench.pick(200, 40, 3);
    let all = bench.pick(10_000, 10_000, 50);
    for (name, tasks) in [("", Tasks::mostly_archived(all)), ("-flat", Tasks::flat(all))] {
        let disk = disk();
        let sandbox = repository(disk.path(), tasks);
        // What is there is packed already: only what comes is to be counted.
        sandbox.git(&["gc", "--quiet"]);
        let objects = sandbox.path(".git/objects");
        let before = Bytes::below(&objects);
        let project = Project::open(Opening { root: Some(sandbox.root().to_owned()), ..Opening::default() }).unwrap();
        for number in 0..changes {
            let edit =
                |document: &Document| Ok(document.edit().set("epoch", &Value::text(number.to_string())).unwrap());
            let outcome = project
                .operations()
                .change(project.actor(), Kind::Task, &live(number % tasks.live), "update", &Passing::default(), &edit)
                .unwrap();
            assert!(outcome.committed.is_some(), "{:?}", outcome.waiting);
        }
        let loose = Bytes::below(&objects).since(&before, changes);
        let repository = Repository::discover(sandbox.root()).unwrap().unwrap();
        assert_eq!(repository.pack_upkeep().maintain(1).unwrap(), Maintained::Done);
        let packed = Bytes::below(&objects).since(&before, changes);
        let words = |(bytes, disk): (f64, f64)| format!("{bytes:.2} KiB ({disk:.2} KiB of disk blocks)");
        if name.is_empty() {
            bench.tell("growth", &words(loose), "under 30 KiB", Verdict::of(loose.0 < LOOSE_MAX));
            bench.tell("growth-packed", &words(packed), "under 1 KiB", Verdict::of(packed.0 < PACKED_MAX));
        } else {
            bench.show("growth-flat", &words(loose));
            bench.show("growth-flat-packed", &words(packed));
        }
    }
}

/// How large the files below a folder are, and what they take on the disk.
#[derive(Default)]
struct Bytes {
    size: u64,
    blocks: u64,
}

impl Bytes {
    fn below(folder: &Path) -> Self {
        let mut sum = Self::default();
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let meta = entry.metadata().unwrap();
            let one = if meta.is_dir() {
                Self::below(&entry.path())
            } else {
                Self { size: meta.len(), blocks: meta.blocks() * 512 }
            };
            sum.size += one.size;
            sum.blocks += one.blocks;
        }
        sum
    }

    /// The growth by each of so many changes, in KiB; packing may also shrink what was there.
    #[allow(clippy::cast_precision_loss, reason = "sizes are far below 2^52")]
    fn since(&self, before: &Self, changes: usize) -> (f64, f64) {
        let each = |now: u64, then: u64| (now as f64 - then as f64) / 1024.0 / changes as f64;
        (each(self.size, before.size), each(self.blocks, before.blocks))
    }
}
