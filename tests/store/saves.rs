//! People saving documents while operations are applied to them: by rename and in place, before, during and after.

use std::fs::{File, OpenOptions};
use std::io::{Seek, Write};
use std::os::unix::process::ExitStatusExt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use mycelium::store::{Action, Durability, LateOutcome, Store};

use crate::child::{bump, child_output, said, say, value};
use crate::rig::{Rig, any_operation, change, child, doc, write};
use crate::support::stop::StopOnDrop;

#[test]
fn a_save_between_reading_and_writing_is_built_upon() {
    let rig = Rig::new();
    let store = rig.store(Durability::Full);
    write(&store, "task-1.md", "save: 0\ncount: 0\n").expect("a create");
    let mut asked = 0;
    let applied = change(&store, &any_operation(), "task-1.md", |now| {
        asked += 1;
        if asked == 1 {
            std::fs::write(rig.file("task-1.md"), "save: 1\ncount: 0\n").expect("a save");
        }
        Action::Write(bump(now.expect("the document"), "count", 1).into_bytes())
    });
    assert_eq!(applied.expect("applied").attempts, 2);
    assert_eq!(rig.text("task-1.md"), "save: 1\ncount: 1\n");
}

#[test]
fn a_document_that_is_being_saved_in_place_is_waited_for() {
    let rig = Rig::new();
    let store = rig.store(Durability::Full);
    write(&store, "task-1.md", "save: 0\ncount: 0\n").expect("a create");
    let mut file = OpenOptions::new().write(true).truncate(true).open(rig.file("task-1.md")).expect("the document");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(60));
            file.write_all(b"save: 1\ncount: 0\n").expect("a save");
        });
        let applied = change(&store, &any_operation(), "task-1.md", |now| {
            Action::Write(bump(now.expect("the document"), "count", 1).into_bytes())
        });
        assert_eq!(applied.expect("applied").attempts, 1, "the empty document was never decided upon");
    });
    assert_eq!(rig.text("task-1.md"), "save: 1\ncount: 1\n");
}

/// Opens the document, lets an operation replace it, then saves to the file that was open.
fn save_late(rig: &Rig, store: &Store, text: &str) {
    let mut file: File = OpenOptions::new().write(true).open(rig.file("task-1.md")).expect("the document");
    write(store, "task-1.md", "ours\n").expect("an update");
    file.set_len(0).and_then(|()| file.rewind()).expect("emptied");
    file.write_all(text.as_bytes()).expect("a late save");
}

fn late_saves(store: &Store) -> Vec<LateOutcome> {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let late = store.log.sweep().expect("a sweep").late;
        if !late.is_empty() {
            return late.into_iter().map(|late| late.outcome).collect();
        }
        assert!(Instant::now() < end, "the late save was never found");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_late_save_is_put_back_where_nothing_changed_since() {
    let rig = Rig::new();
    let store = rig.store(Durability::Full);
    write(&store, "task-1.md", "one\n").expect("a create");
    save_late(&rig, &store, "by hand\n");
    assert_eq!(rig.text("task-1.md"), "ours\n");
    let ids: Vec<_> = store.log.journal().expect("a journal").into_iter().map(|record| record.operation.id).collect();
    store.log.forget(&ids).expect("forgotten");
    assert_eq!(late_saves(&store), [LateOutcome::PutBack]);
    assert_eq!(rig.text("task-1.md"), "by hand\n");
    rig.swept_clean(&store);
    assert_eq!(rig.text("task-1.md"), "by hand\n");
}

#[test]
fn a_late_save_is_kept_as_a_copy_where_the_document_changed_since() {
    let rig = Rig::new();
    let store = rig.store(Durability::Full);
    write(&store, "task-1.md", "one\n").expect("a create");
    save_late(&rig, &store, "by hand\n");
    write(&store, "task-1.md", "ours again\n").expect("an update");
    let [LateOutcome::Copied(copy)] = &late_saves(&store)[..] else { panic!("one copy") };
    assert_eq!(std::fs::read_to_string(copy).expect("the copy"), "by hand\n");
    assert_eq!(rig.text("task-1.md"), "ours again\n");
    rig.swept_clean(&store);
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Rename,
    InPlace,
}

fn save(rig: &Rig, way: Way, text: &str) {
    let path = rig.file("task-1.md");
    match way {
        Way::Rename => {
            let draft = rig.file(".task-1.md.swp");
            std::fs::write(&draft, text).expect("a draft");
            std::fs::rename(&draft, &path).expect("a save");
        }
        Way::InPlace => std::fs::write(&path, text).expect("a save"),
    }
}

/// Whether a save with this number is in the document, or was kept as a copy.
fn is_kept(rig: &Rig, mark: &str) -> bool {
    if rig.text("task-1.md").starts_with(mark) {
        return true;
    }
    let copies = std::fs::read_dir(rig.place.run.join("recovered")).into_iter().flatten();
    copies
        .filter_map(|entry| std::fs::read_to_string(entry.expect("an entry").path()).ok())
        .any(|text| text.starts_with(mark))
}

/// Raises the counter until told to stop. Torn content is refused, as an unreadable document is.
fn raise(store: &Store, stop: &AtomicBool, applied: &AtomicU32, again: &AtomicU32) {
    while !stop.load(Ordering::Relaxed) {
        let outcome = store.log.apply(&any_operation(), &[doc("task-1.md")], &mut |now| {
            let text = now[0].as_deref().and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or("");
            if !text.contains("\ncount: ") || !text.ends_with('\n') {
                return Err("unreadable");
            }
            Ok(vec![Action::Write(bump(text, "count", 1).into_bytes())])
        });
        if let Ok(done) = outcome {
            applied.fetch_add(1, Ordering::Relaxed);
            again.fetch_add(done.attempts - 1, Ordering::Relaxed);
        }
    }
}

fn wait_until(limit: Duration, mut met: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + limit;
    while !met() {
        if Instant::now() > end {
            return false;
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    true
}

/// Saves over and over while operations raise a counter, in a process of its own. Says `lost N`, or `kept`.
pub(crate) fn race(way: &str, saves: u32, durability: Durability) {
    let way = if way == "rename" { Way::Rename } else { Way::InPlace };
    let rig = Rig::new();
    let store = rig.store(durability);
    write(&store, "task-1.md", "save: 0\ncount: 0\n").expect("a create");
    let (stop, applied, again) = (AtomicBool::new(false), AtomicU32::new(0), AtomicU32::new(0));
    let mut lost = None;
    std::thread::scope(|scope| {
        let _end = StopOnDrop(&stop);
        for _ in 0..2 {
            scope.spawn(|| raise(&store, &stop, &applied, &again));
        }
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let ids: Vec<_> =
                    store.log.journal().expect("a journal").into_iter().map(|record| record.operation.id).collect();
                store.log.forget(&ids).expect("forgotten");
                std::thread::sleep(Duration::from_millis(200));
            }
        });
        for number in 1..=saves {
            let mark = format!("save: {number}\n");
            let before = applied.load(Ordering::Relaxed);
            save(&rig, way, &format!("{mark}count: 0\n"));
            // It is there at once or comes back, and it is still there when the next operations are through.
            let came = wait_until(Duration::from_secs(10), || is_kept(&rig, &mark));
            wait_until(Duration::from_secs(2), || applied.load(Ordering::Relaxed) > before + 1);
            if !came || !wait_until(Duration::from_secs(5), || is_kept(&rig, &mark)) {
                lost = Some(number);
                break;
            }
            std::thread::sleep(Duration::from_micros(u64::from(number % 16) * 200));
        }
    });
    let copies = std::fs::read_dir(rig.place.run.join("recovered")).into_iter().flatten().count();
    say(&lost.map_or("kept".to_owned(), |number| format!("lost {number}")));
    say(&again.into_inner().to_string());
    say(&format!("{way:?} {durability:?}: {saves} saves, {applied:?} operations, {copies} copies"));
}

/// Runs the race in a child; tells whether every save was kept, and how often an operation was overtaken.
fn raced(way: &str, saves: u32, durability: &str, sabotage: &str) -> (bool, u32) {
    let rig = Rig::new();
    let mut command = child(&rig, "save-race", &[way, &saves.to_string(), durability]);
    command.env("MYCELIUM_SABOTAGE", sabotage);
    let said = child_output(command);
    println!("{} {sabotage}, {} overtaken: {}", said[2], said[1], said[0]);
    (said[0] == "kept", said[1].parse().expect("a number"))
}

fn saves_wanted() -> u32 {
    u32::try_from(crate::support::sized("MYCELIUM_TEST_SAVES", 60, 2_000)).expect("small")
}

#[test]
fn no_save_by_rename_is_lost_beside_operations() {
    for (durability, sabotage) in [("off", "linger"), ("full", "")] {
        let (kept, overtaken) = raced("rename", saves_wanted(), durability, sabotage);
        assert!(kept);
        assert!(overtaken > 10, "the save and the operation hardly met: {overtaken}");
    }
}

#[test]
fn no_save_in_place_is_lost_beside_operations() {
    for (durability, sabotage) in [("off", "linger"), ("full", "")] {
        let (kept, overtaken) = raced("in-place", saves_wanted(), durability, sabotage);
        assert!(kept);
        assert!(overtaken > 10, "the save and the operation hardly met: {overtaken}");
    }
}

#[test]
fn without_looking_at_what_came_out_saves_are_lost() {
    for sabotage in ["linger-blind", "no-exchange-check"] {
        let lost = (0..10).any(|_| !raced("rename", 150, "off", sabotage).0);
        assert!(lost, "the test of saves by rename does not notice `{sabotage}`");
    }
}

#[test]
fn counting_goes_on_after_a_save() {
    let rig = Rig::new();
    let store = rig.store(Durability::Full);
    write(&store, "task-1.md", "save: 0\ncount: 0\n").expect("a create");
    for n in 1..=3 {
        save(&rig, Way::Rename, &format!("save: {n}\ncount: 0\n"));
        change(&store, &any_operation(), "task-1.md", |now| {
            Action::Write(bump(now.expect("the document"), "count", 1).into_bytes())
        })
        .expect("an update");
        assert_eq!((value(&rig.text("task-1.md"), "save"), value(&rig.text("task-1.md"), "count")), (n, 1));
    }
}

/// Saves by rename beside operations until an operation is overtaken, and dies before it can put the save back.
pub(crate) fn save_and_die() {
    let rig = Rig::at(&std::path::PathBuf::from(std::env::var("STORE_HOME").expect("a home")));
    let store = rig.store(Durability::Off);
    let (stop, applied, again) = (AtomicBool::new(false), AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let _end = StopOnDrop(&stop);
            raise(&store, &stop, &applied, &again);
        });
        for number in 1.. {
            assert!(!stop.load(Ordering::Relaxed), "the operations have failed");
            say(&number.to_string());
            save(&rig, Way::Rename, &format!("save: {number}\ncount: 0\n"));
            std::thread::sleep(Duration::from_micros(20_000 + u64::from(number % 50_u32) * 100));
        }
    });
}

#[test]
fn a_save_that_came_out_of_an_exchange_survives_the_death_of_the_writer() {
    for _ in 0..5 {
        let rig = Rig::new();
        let store = rig.store(Durability::Off);
        write(&store, "task-1.md", "save: 0\ncount: 0\n").expect("a create");
        let mut command = child(&rig, "save-and-die", &[]);
        let output = command.env("MYCELIUM_SABOTAGE", "die-before-undo").output().expect("a child");
        assert_eq!(output.status.signal(), Some(6), "{}", String::from_utf8_lossy(&output.stderr));
        let last =
            said(&String::from_utf8_lossy(&output.stdout)).pop().expect("a save").parse::<u64>().expect("a number");
        let exchanged = value(&rig.text("task-1.md"), "save");
        store.log.recover().expect("recovery");
        let kept = value(&rig.text("task-1.md"), "save");
        println!("died at save {last}: {exchanged} before recovery, {kept} after");
        assert!(kept == last || kept + 1 == last && exchanged == kept, "save {last} began, {kept} is there");
    }
}
