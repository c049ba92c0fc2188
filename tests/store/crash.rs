//! Processes that die: at each step of the write order, and at random with a reader beside them.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::Child;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mycelium::store::{Durability, Store};

use crate::child::{opened, sealed, value};
use crate::rig::{Rig, any_operation, change, child, doc, spawn, write};
use crate::support::stop::StopOnDrop;

/// Runs a part that is to die by itself at a given step.
fn die(rig: &Rig, sabotage: &str, part: &str, arguments: &[&str]) {
    let output = child(rig, part, arguments).env("MYCELIUM_SABOTAGE", sabotage).output().expect("a child");
    assert!(!output.status.success(), "it was to die: {}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.signal(), Some(6), "{}", String::from_utf8_lossy(&output.stderr));
}

fn journal_of(store: &Store) -> Vec<String> {
    store.log.journal().expect("a journal").into_iter().map(|record| record.operation.verb).collect()
}

#[test]
fn a_death_at_any_step_is_finished_by_the_next_who_comes_in_no_time() {
    for step in ["die-after-append", "die-after-first-exchange", "die-after-exchange"] {
        let rig = Rig::new();
        let store = rig.store(Durability::Full);
        for (name, text) in [("task-1.md", "one\n"), ("task-3.md", "three\n"), ("task-9.md", "nine\n")] {
            write(&store, name, text).expect("a create");
        }
        die(&rig, step, "triple", &[]);
        let start = Instant::now();
        write(&rig.store(Durability::Off), "task-9.md", "ten\n").expect("the next write");
        let blocked = start.elapsed();
        // Some milliseconds, and much more only where the machine is busy with something else.
        println!("measured: {step}: the next writer waited {blocked:?}");
        assert!(blocked < Duration::from_secs(1), "{step}: blocked for {blocked:?}");
        assert_eq!(rig.text("task-1.md"), "one after\n", "{step}");
        assert_eq!(rig.text("task-2.md"), "two after\n", "{step}");
        assert!(!rig.file("task-3.md").exists(), "{step}");
        assert_eq!(journal_of(&store).len(), 5, "{step}");
        rig.swept_clean(&store);
    }
}

#[test]
fn what_a_person_saved_since_a_death_wins_over_the_whole_operation() {
    for step in ["die-after-append", "die-after-first-exchange"] {
        let rig = Rig::new();
        let store = rig.store(Durability::Full);
        write(&store, "task-1.md", "one\n").expect("a create");
        write(&store, "task-3.md", "three\n").expect("a create");
        die(&rig, step, "triple", &[]);
        std::fs::write(rig.file("task-3.md"), "three by hand\n").expect("a save");
        let recovered = store.log.recover().expect("recovery");
        assert_eq!(recovered.dropped.len(), 1, "{step}");
        assert_eq!(rig.text("task-1.md"), "one\n", "{step}");
        assert!(!rig.file("task-2.md").exists(), "{step}");
        assert_eq!(rig.text("task-3.md"), "three by hand\n", "{step}");
        assert_eq!(journal_of(&store).len(), 2, "{step}");
        rig.swept_clean(&store);
    }
}

#[test]
fn a_half_done_operation_stays_half_done_without_the_journal() {
    let rig = Rig::new();
    write(&rig.store(Durability::Full), "task-1.md", "one\n").expect("a create");
    write(&rig.store(Durability::Full), "task-3.md", "three\n").expect("a create");
    die(&rig, "die-after-first-exchange", "triple", &[]);
    let output = child(&rig, "write", &["task-9.md", "x", "off"]).env("MYCELIUM_SABOTAGE", "ignore-journal").output();
    assert!(output.expect("a child").status.success());
    assert_eq!(rig.text("task-1.md"), "one after\n");
    assert!(!rig.file("task-2.md").exists(), "the check above would pass without recovery");
}

/// The state after a power cut: records on the disk, exchanges not, another boot.
#[test]
fn after_another_boot_every_record_is_made_good_in_order() {
    let rig = Rig::new();
    let store = rig.store(Durability::Full);
    write(&store, "task-1.md", "a\n").expect("a create");
    write(&store, "task-1.md", "b\n").expect("an update");
    write(&store, "task-1.md", "c\n").expect("an update");
    let journal = rig.place.run.join("journal");
    let mut bytes = std::fs::read(&journal).expect("the journal");
    // Undo the exchanges as a cut does, the newest first: the temporary files are found by their contents.
    let tmp = rig.place.run.join("tmp");
    for text in ["b\n", "a\n"] {
        let parked = std::fs::read_dir(&tmp).expect("temporary files").map(|entry| entry.expect("an entry").path());
        let parked = parked.into_iter().find(|path| std::fs::read_to_string(path).expect("text") == text);
        let parked = parked.expect("the replaced file");
        let aside = rig.home.path().join("aside");
        std::fs::rename(rig.file("task-1.md"), &aside).expect("moved");
        std::fs::rename(&parked, rig.file("task-1.md")).expect("moved");
        std::fs::rename(&aside, &parked).expect("moved");
    }
    assert_eq!(rig.text("task-1.md"), "a\n");
    bytes[8..44].fill(b'0');
    for torn in [&b""[..], b"torn tail", &[0; 300]] {
        let mut cut = bytes.clone();
        cut.extend(torn);
        std::fs::write(&journal, &cut).expect("the journal");
        store.log.recover().expect("recovery");
        assert_eq!(rig.text("task-1.md"), "c\n");
        assert_eq!(journal_of(&store).len(), 3);
    }
    write(&store, "task-1.md", "d\n").expect("an update");
    assert_eq!(journal_of(&store).len(), 4, "the torn tail is overwritten, not read");
}

#[test]
fn a_torn_or_foreign_journal_is_no_error_and_a_newer_one_is() {
    let rig = Rig::new();
    let store = rig.store(Durability::Full);
    write(&store, "task-1.md", "a\n").expect("a create");
    let journal = rig.place.run.join("journal");
    let whole = std::fs::read(&journal).expect("the journal");
    for cut in [0, 1, 63, 64, 80, whole.len() - 1, whole.len()] {
        let mut bytes = whole[..cut].to_vec();
        if bytes.len() >= 44 {
            bytes[8..44].fill(b'0');
        }
        std::fs::write(&journal, &bytes).expect("the journal");
        let records = store.log.journal().expect("never an error").len();
        assert_eq!(records, usize::from(cut == whole.len()), "cut at {cut}");
        write(&store, "task-2.md", &cut.to_string()).expect("a write");
        assert_eq!(journal_of(&store).len(), records + 1);
    }
    let mut newer = whole;
    newer[7] = b'9';
    std::fs::write(&journal, &newer).expect("the journal");
    let error = write(&store, "task-2.md", "x").expect_err("a newer journal");
    assert!(error.to_string().ends_with("was written by a newer version"), "{error}");
    assert_eq!(std::fs::read(&journal).expect("the journal"), newer);
}

struct Writer {
    child: Child,
    listener: std::thread::JoinHandle<Option<u64>>,
}

/// Starts a steady writer; its listener returns the last number that it acknowledged.
fn steady(rig: &Rig, me: &str) -> Writer {
    let mut child = spawn(rig, "steady", &[me, "full"]);
    let out = child.stdout.take().expect("its output");
    let prefix = format!(">{me}-");
    let listener = std::thread::spawn(move || {
        let said = BufReader::new(out).lines().map_while(Result::ok);
        said.filter_map(|line| line.strip_prefix(&prefix).and_then(|n| n.parse().ok())).last()
    });
    Writer { child, listener }
}

#[test]
fn killing_writers_at_random_loses_nothing_that_was_acknowledged() {
    let kills = crate::support::sized("MYCELIUM_TEST_KILLS", 60, 2_000);
    let rig = Rig::new();
    let store = rig.store(Durability::Full);
    let names: Vec<String> = (0..kills + 3).map(|n| format!("w{n}")).collect();
    let shared: String = names.iter().map(|name| format!("{name}: 0\n")).collect();
    write(&store, "task-shared.md", &sealed(&shared)).expect("a create");

    let stop = AtomicBool::new(false);
    let reads = AtomicU64::new(0);
    let mut acknowledged: HashMap<&str, u64> = HashMap::new();
    let mut slowest = Duration::ZERO;
    std::thread::scope(|scope| {
        let _end = StopOnDrop(&stop);
        scope.spawn(|| {
            // A reader that knows nothing of locks: plain reads, as an editor or `cat` does.
            while !stop.load(Ordering::Relaxed) {
                let text = rig.text("task-shared.md");
                assert!(opened(&text).1, "torn or empty: {text:?}");
                reads.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(Duration::from_micros(500));
            }
        });
        let mut writers: Vec<(&str, Writer)> =
            names[..3].iter().map(|name| (name.as_str(), steady(&rig, name))).collect();
        let mut random = 88_172_645_463_325_252_u64;
        for (round, next) in names[3..].iter().enumerate() {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            std::thread::sleep(Duration::from_micros(10_000 + random % 30_000));
            let (name, mut writer) = writers.remove(round % writers.len());
            writer.child.kill().expect("killed");
            let start = Instant::now();
            store.log.recover().expect("recovery");
            slowest = slowest.max(start.elapsed());
            writer.child.wait().expect("gone");
            acknowledged.insert(name, writer.listener.join().expect("a listener").unwrap_or(0));
            writers.push((next, steady(&rig, next)));
        }
        for (name, mut writer) in writers {
            writer.child.kill().expect("killed");
            writer.child.wait().expect("gone");
            acknowledged.insert(name, writer.listener.join().expect("a listener").unwrap_or(0));
        }
    });

    found_again(&rig, &store, &acknowledged);
    let total: u64 = acknowledged.values().sum();
    let reads = reads.into_inner();
    println!("{kills} kills, {total} acknowledged, {reads} reads, longest wait after a kill {slowest:?}");
    assert!(total > kills as u64 && reads > 100, "too little happened: {total} writes, {reads} reads");
    assert!(slowest < Duration::from_secs(2), "blocked for {slowest:?}");
    rig.swept_clean(&store);
}

/// Recovers, then looks for everything that was acknowledged.
fn found_again(rig: &Rig, store: &Store, acknowledged: &HashMap<&str, u64>) {
    store.log.recover().expect("recovery");
    let text = rig.text("task-shared.md");
    let recorded: Vec<String> =
        store.log.journal().expect("a journal").into_iter().map(|record| record.operation.id.to_string()).collect();
    let known: std::collections::HashSet<&str> = recorded.iter().map(String::as_str).collect();
    assert_eq!(known.len(), recorded.len(), "no operation is recorded twice");
    for (name, last) in acknowledged {
        let updates = (1..=*last).filter(|n| !n.is_multiple_of(4)).count() as u64;
        let stored = value(&text, name);
        assert!((updates..=updates + 1).contains(&stored), "{name}: {updates} acknowledged, {stored} stored");
        for n in 1..=*last {
            let id = format!("{name}-{n}");
            assert!(n % 4 != 0 || rig.file(&format!("task-{id}.md")).exists(), "{id} is gone");
            assert!(known.contains(id.as_str()), "{id} is not in the journal");
        }
    }
    for (path, _) in store.folder.scan().expect("a scan").files {
        let bytes = store.folder.read(&path).expect("a read").expect("the document").bytes;
        assert!(opened(std::str::from_utf8(&bytes).expect("text")).1, "{path} is torn");
    }
}

#[test]
fn documents_written_in_place_would_be_seen_torn() {
    let rig = Rig::new();
    let store = rig.store(Durability::Off);
    let shared: String =
        std::iter::once("w0: 0\n".to_owned()).chain((0..20_000).map(|n| format!("p{n}: 0\n"))).collect();
    write(&store, "task-shared.md", &sealed(&shared)).expect("a create");
    let mut writer = child(&rig, "steady", &["w0", "off"])
        .env("MYCELIUM_SABOTAGE", "in-place")
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("a child");
    let end = Instant::now() + Duration::from_secs(30);
    let mut torn = false;
    while !torn && Instant::now() < end {
        torn = !opened(&rig.text("task-shared.md")).1;
    }
    writer.kill().expect("killed");
    writer.wait().expect("gone");
    assert!(torn, "the reader of the test above cannot see a torn document");
}

#[test]
fn without_comparing_or_locking_updates_are_lost() {
    for sabotage in ["no-compare", "no-lock"] {
        assert!(loses_updates(sabotage), "the test of eight writers does not notice `{sabotage}`");
    }
}

fn loses_updates(sabotage: &str) -> bool {
    for _ in 0..20 {
        let rig = Rig::new();
        let store = rig.store(Durability::Off);
        let fields: String = (0..8).map(|n| format!("f{n}: 0\n")).collect();
        write(&store, "task-1.md", &fields).expect("a create");
        let start = |n: u32| child(&rig, "field", &[&format!("f{n}")]).env("MYCELIUM_SABOTAGE", sabotage).spawn();
        let children: Vec<Child> = (0..8).map(|n| start(n).expect("a child")).collect();
        // Without the comparison some fail outright: that counts as a loss too.
        let failed =
            children.into_iter().filter_map(|child| child.wait_with_output().ok()).any(|o| !o.status.success());
        let text = rig.text("task-1.md");
        if failed || (0..8).any(|n| value(&text, &format!("f{n}")) == 0) {
            return true;
        }
    }
    false
}

#[test]
fn a_full_disk_or_a_read_only_one_leaves_the_old_state() {
    let rig = Rig::new();
    let store = rig.store(Durability::Full);
    write(&store, "task-1.md", "one\n").expect("a create");
    // A folder where the journal is to be: every write of a record fails.
    let journal = rig.place.run.join("journal");
    let aside = rig.place.run.join("aside");
    std::fs::rename(&journal, &aside).expect("moved");
    std::fs::create_dir(&journal).expect("a folder");
    assert!(write(&store, "task-1.md", "two\n").is_err());
    assert_eq!(rig.text("task-1.md"), "one\n");
    assert_eq!(rig.leftovers(), Vec::<String>::new());
    std::fs::remove_dir(&journal).expect("removed");
    std::fs::rename(&aside, &journal).expect("moved");
    write(&store, "task-1.md", "two\n").expect("an update");
    change(&store, &any_operation(), "task-1.md", |_| mycelium::store::Action::Remove).expect("a removal");
    assert_eq!(store.folder.read(&doc("task-1.md")).expect("a read"), None);
}

#[test]
fn forgetting_beside_writers_hands_out_every_record_once() {
    let rig = Rig::new();
    let store = rig.store(Durability::Full);
    let padding = "padding: 0\n".repeat(20_000);
    write(&store, "task-shared.md", &sealed(&format!("w0: 0\nw1: 0\nw2: 0\n{padding}"))).expect("a create");
    let names = ["w0", "w1", "w2"];
    let writers: Vec<Writer> = names.iter().map(|name| steady(&rig, name)).collect();
    let mut taken: Vec<String> = Vec::new();
    let mut smaller = 0;
    let mut size = 0;
    let end = Instant::now() + Duration::from_secs(8);
    while Instant::now() < end {
        taken.extend(take(&store));
        let now = std::fs::metadata(rig.place.run.join("journal")).expect("the journal").len();
        smaller += u32::from(now < size);
        size = now;
        std::thread::sleep(Duration::from_millis(30));
    }
    let mut acknowledged = Vec::new();
    for (name, mut writer) in names.iter().zip(writers) {
        writer.child.kill().expect("killed");
        writer.child.wait().expect("gone");
        let last = writer.listener.join().expect("a listener").unwrap_or(0);
        acknowledged.extend((1..=last).map(|n| format!("{name}-{n}")));
    }
    taken.extend(take(&store));
    println!("{} acknowledged, journal made smaller {smaller} times", acknowledged.len());
    let all = taken.len();
    taken.sort_unstable();
    taken.dedup();
    assert_eq!(taken.len(), all, "no record is handed out twice");
    let lost: Vec<&String> = acknowledged.iter().filter(|id| taken.binary_search(id).is_err()).collect();
    assert!(lost.is_empty(), "acknowledged, never in the journal: {lost:?}");
    assert!(acknowledged.len() > 20 && smaller > 0, "too little happened");
    rig.swept_clean(&store);
}

/// Takes every record out of the journal, as a committer does.
fn take(store: &Store) -> Vec<String> {
    let ids: Vec<_> = store.log.journal().expect("a journal").into_iter().map(|record| record.operation.id).collect();
    store.log.forget(&ids).expect("forgotten");
    ids.iter().map(ToString::to_string).collect()
}
