//! Documents replaced durably, beside what this machine needs for a bare file; many in one operation; without durability.

use std::convert::Infallible;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mycelium::name::{DocPath, OperationId};
use mycelium::store::{Action, Durability, Operation, Store, StorePlace};
use mycelium::time::Timestamp;

use crate::bench::{Bench, Verdict, disk, each_second, median, ms, timed, whole};
use crate::support::FOLDER;

/// Most times as long as the machine's own temporary file, fsync, rename, fsync of the folder.
const RATIO_MAX: f64 = 1.5;
/// Fewest documents written durably in a second, many in one operation.
const TOGETHER_MIN: f64 = 3_000.0;
/// Documents of one such operation.
const TOGETHER: usize = 1_000;

pub(crate) fn run(bench: &Bench) {
    single(bench);
    together(bench);
}

fn place(root: &Path) -> StorePlace {
    fs::create_dir_all(root.join("work").join(FOLDER)).unwrap();
    StorePlace { root: root.join("work"), folder: FOLDER.to_owned(), run: root.join("run"), shared: root.join("run") }
}

fn operation() -> Operation {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    Operation {
        id: OperationId::new(format!("op-{}", COUNT.fetch_add(1, Ordering::Relaxed))).unwrap(),
        agent: None,
        verb: "bench".to_owned(),
        at: Timestamp::from_unix_ms(1_760_659_200_000),
        base: None,
        branch: None,
    }
}

fn text(number: usize) -> Vec<u8> {
    format!("{number}\n{}", "x".repeat(1_000)).into_bytes()
}

/// Writes these documents in one operation; it is then forgotten, as after its commit, which is not timed.
fn write(store: &Store, paths: &[DocPath], number: usize) -> Duration {
    let operation = operation();
    let decide = &mut |now: &[Option<Vec<u8>>]| Ok(vec![Action::Write(text(number)); now.len()]);
    let (applied, took) = timed(|| store.log.apply::<Infallible>(&operation, paths, decide).unwrap());
    assert_eq!(applied.changes.len(), paths.len(), "all of them were written");
    store.log.forget(&[operation.id]).unwrap();
    took
}

/// The machine's own durable replacement of a file.
fn bare(folder: &Path, number: usize) {
    let draft = folder.join(".draft");
    let mut file = File::create(&draft).unwrap();
    file.write_all(&text(number)).and_then(|()| file.sync_all()).unwrap();
    fs::rename(&draft, folder.join("bare.txt")).unwrap();
    File::open(folder).and_then(|folder| folder.sync_all()).unwrap();
}

fn single(bench: &Bench) {
    let rounds = bench.pick(300, 50, 3);
    let disk = disk();
    let place = place(disk.path());
    let folder = place.root.join(FOLDER);
    let path = [DocPath::new("task-1.md").unwrap()];
    let (full, off) = (Store::open(&place, Durability::Full).unwrap(), Store::open(&place, Durability::Off).unwrap());
    let mut times = [const { Vec::new() }; 3];
    for number in 0..rounds {
        times[0].push(ms(timed(|| bare(&folder, number)).1));
        times[1].push(ms(timed(|| replace(&full, &path, 2 * number)).1));
        times[2].push(ms(timed(|| replace(&off, &path, 2 * number + 1)).1));
    }
    let ratio = median(times[1].iter().zip(&times[0]).map(|(ours, bare)| ours / bare));
    let [bare, ours, off] = times.map(median);
    let words = format!("{ratio:.2} × ({ours:.2} ms beside {bare:.2} ms)");
    bench.tell("write", &words, "within 1.5 ×", Verdict::of(ratio <= RATIO_MAX));
    bench.show("write-not-durable", &format!("{off:.2} ms"));
}

/// One write as a caller waits for it; the journal is swept apart from it.
fn replace(store: &Store, path: &[DocPath; 1], number: usize) {
    store.log.apply::<Infallible>(&operation(), path, &mut |_| Ok(vec![Action::Write(text(number))])).unwrap();
}

fn together(bench: &Bench) {
    let rounds = bench.pick(7, 3, 2);
    let count = bench.pick(TOGETHER, TOGETHER, 20);
    let disk = disk();
    let place = place(disk.path());
    let paths: Vec<DocPath> = (0..count).map(|n| DocPath::new(format!("task-{n}.md")).unwrap()).collect();
    let rate = |durability: Durability| {
        let store = Store::open(&place, durability).unwrap();
        let round = |number: usize| each_second(count, write(&store, &paths, number));
        median((0..rounds).map(|number| round(2 * number + usize::from(durability == Durability::Full))))
    };
    let together = rate(Durability::Batch);
    let words = format!("{} per s ({count} in one operation)", whole(together));
    bench.tell("write-together", &words, "3,000 per s", Verdict::of(together >= TOGETHER_MIN));
    bench.show("write-together-full", &format!("{} per s", whole(rate(Durability::Full))));
}
