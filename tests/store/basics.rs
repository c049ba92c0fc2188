//! One process: scan, read, apply, journal, forget, locks, refusals.

use std::os::unix::fs::symlink;
use std::time::{Duration, SystemTime};

use mycelium::store::{Action, ApplyError, Durability, EntryType, FileRead, Shelf, Store, StoreError};
use mycelium::time::Timestamp;

use crate::child::said;
use crate::rig::{Rig, any_operation, change, child, doc, finished, operation, write};

#[test]
fn nothing_is_made_before_the_first_write() {
    let rig = Rig::new();
    let store = rig.store(Durability::Full);
    assert!(store.folder.scan().expect("a scan").files.is_empty());
    assert_eq!(store.folder.read(&doc("task-1.md")).expect("a read"), None);
    assert!(store.log.journal().expect("a journal").is_empty());
    assert_eq!(store.locks.watcher().expect("an answer"), None);
    store.log.forget(&[]).expect("nothing to do");
    assert!(!rig.place.run.exists() && !rig.folder().exists());
}

#[test]
fn create_update_remove_are_stored_and_recorded_in_order() {
    let rig = Rig::new();
    for durability in [Durability::Full, Durability::Batch, Durability::Off] {
        let store = rig.store(durability);
        write(&store, "task-1.md", "one\n").expect("a create");
        assert_eq!(rig.text("task-1.md"), "one\n");
        write(&store, "task-1.md", "two\n").expect("an update");
        write(&store, "archive/2025-10/task-0.md", "old\n").expect("a create in the archive");
        change(&store, &any_operation(), "task-1.md", |_| Action::Remove).expect("a removal");
        change(&store, &any_operation(), "archive/2025-10/task-0.md", |_| Action::Remove).expect("a removal");
        assert!(!rig.file("task-1.md").exists());
        let records = store.log.journal().expect("a journal");
        let told: Vec<_> = records
            .iter()
            .flat_map(|record| &record.changes)
            .map(|change| (change.path.as_str(), change.before.as_deref(), change.after.as_deref()))
            .collect();
        let (one, two, old) = (Some(&b"one\n"[..]), Some(&b"two\n"[..]), Some(&b"old\n"[..]));
        let archived = "archive/2025-10/task-0.md";
        let expected = vec![
            ("task-1.md", None, one),
            ("task-1.md", one, two),
            (archived, None, old),
            ("task-1.md", two, None),
            (archived, old, None),
        ];
        assert_eq!(told, expected);
        let ids: Vec<_> = records.into_iter().map(|record| record.operation.id).collect();
        store.log.forget(&ids).expect("forgotten");
        assert!(store.log.journal().expect("a journal").is_empty());
    }
    rig.swept_clean(&rig.store(Durability::Full));
}

#[test]
fn a_write_waits_for_the_end_of_a_pause() {
    let rig = Rig::new();
    let (pausing, writing) = (rig.store(Durability::Off), rig.store(Durability::Off));
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock").as_millis();
    let after = |ms: i64| Timestamp::from_unix_ms(i64::try_from(now).expect("a moment") + ms);
    write(&writing, "task-1.md", "one\n").expect("a create");
    pausing.locks.pause(after(600_000)).expect("a pause");
    write(&pausing, "task-1.md", "two\n").expect("who pauses goes on");
    assert!(writing.locks.lock_commits(Duration::ZERO).expect("an answer").is_none());
    std::thread::scope(|scope| {
        let late = scope.spawn(|| write(&writing, "task-1.md", "three\n"));
        std::thread::sleep(Duration::from_millis(60));
        assert!(!late.is_finished() && writing.log.journal().expect("readers go on").len() == 2);
        assert!(pausing.locks.resume().expect("the end"));
        late.join().expect("a thread").expect("a write");
    });
    assert_eq!(rig.text("task-1.md"), "three\n");
    assert!(!pausing.locks.resume().expect("no pause"));
    // One that has ended by itself, one that is longer than any, and a torn one are none.
    pausing.locks.pause(after(-1)).expect("a pause");
    assert_eq!(writing.locks.paused_until().expect("an answer"), None);
    pausing.locks.pause(after(7_200_000)).expect("a pause");
    assert_eq!(writing.locks.paused_until().expect("an answer"), None);
    std::fs::write(rig.place.run.join("pause"), "2025-").expect("written");
    write(&writing, "task-1.md", "four\n").expect("a write");
}

#[test]
fn local_state_without_its_empty_folder_is_made_whole() {
    let rig = Rig::new();
    let store = rig.store(Durability::Full);
    let now = Timestamp::from_unix_ms(1);
    let commit_lock = || store.locks.lock_commits(Duration::ZERO).expect("an answer").expect("the lock");
    write(&store, "task-1.md", "one\n").expect("a create");
    drop((commit_lock(), store.locks.lock_watch(now).expect("an answer")));
    let ids: Vec<_> = store.log.journal().expect("a journal").into_iter().map(|record| record.operation.id).collect();
    // As in a copy that leaves empty folders out.
    let lose = || std::fs::remove_dir_all(rig.place.run.join("tmp")).expect("removed");
    lose();
    let lock = commit_lock();
    store.log.forget(&ids).expect("forgotten");
    drop(lock);
    lose();
    assert!(store.locks.lock_watch(now).expect("an answer").is_some());
    lose();
    write(&store, "task-1.md", "two\n").expect("an update");
    assert_eq!(rig.text("task-1.md"), "two\n");
}

#[test]
fn a_journal_of_forgotten_records_does_not_grow() {
    let rig = Rig::new();
    let store = rig.store(Durability::Off);
    let mut sizes = Vec::new();
    for number in 0..200 {
        write(&store, &format!("task-{number}.md"), &"x".repeat(500)).expect("a create");
        let ids: Vec<_> =
            store.log.journal().expect("a journal").into_iter().map(|record| record.operation.id).collect();
        store.log.forget(&ids).expect("forgotten");
        sizes.push(std::fs::metadata(rig.place.run.join("journal")).expect("the journal").len());
    }
    assert!(sizes.iter().all(|size| *size < 32 * 1024), "{sizes:?}");
    assert!(sizes.contains(&64), "it was never made anew: {sizes:?}");
}

#[test]
fn a_decision_that_keeps_everything_records_nothing() {
    let rig = Rig::new();
    let store = rig.store(Durability::Full);
    write(&store, "task-1.md", "one\n").expect("a create");
    let stamp = store.folder.read(&doc("task-1.md")).expect("a read").expect("the document").stamp;
    assert!(write(&store, "task-1.md", "one\n").expect("nothing").changes.is_empty());
    assert!(change(&store, &any_operation(), "task-1.md", |_| Action::Keep).expect("nothing").changes.is_empty());
    assert!(change(&store, &any_operation(), "task-2.md", |_| Action::Remove).expect("nothing").changes.is_empty());
    assert_eq!(store.log.journal().expect("a journal").len(), 1);
    assert_eq!(store.folder.read(&doc("task-1.md")).expect("a read").expect("the document").stamp, stamp);
}

#[test]
fn a_refusal_comes_back_as_it_is_and_leaves_nothing() {
    let rig = Rig::new();
    let store = rig.store(Durability::Full);
    write(&store, "task-1.md", "one\n").expect("a create");
    let refused = store.log.apply(&any_operation(), &[doc("task-1.md")], &mut |_| Err("no"));
    assert!(matches!(refused, Err(ApplyError::Refused("no"))));
    assert_eq!(rig.text("task-1.md"), "one\n");
    assert_eq!(rig.leftovers(), Vec::<String>::new());
}

#[test]
fn forgetting_some_keeps_the_others() {
    let rig = Rig::new();
    let store = rig.store(Durability::Full);
    for n in 0..6 {
        change(&store, &operation(&format!("op-{n}")), "task-1.md", |_| Action::Write(vec![b'0' + n]))
            .expect("a write");
    }
    store.log.forget(&[operation("op-0").id, operation("op-3").id]).expect("forgotten");
    let left: Vec<_> =
        store.log.journal().expect("a journal").into_iter().map(|record| record.operation.id.to_string()).collect();
    assert_eq!(left, ["op-1", "op-2", "op-4", "op-5"]);
    std::thread::sleep(Duration::from_millis(2100));
    assert_eq!(store.log.sweep().expect("a sweep").removed, 5);
    assert_eq!(rig.leftovers(), Vec::<String>::new());
    assert_eq!(store.log.journal().expect("a journal").len(), 4);
}

#[test]
fn a_document_at_the_limit_passes_and_one_byte_more_does_not() {
    let rig = Rig::new();
    let store = rig.store(Durability::Off);
    let text = "x".repeat(1024 * 1024);
    write(&store, "task-1.md", &text).expect("a big document");
    assert!(matches!(write(&store, "task-1.md", &format!("{text}x")), Err(StoreError::TooBig { .. })));
    std::fs::write(rig.file("task-2.md"), format!("{text}{text}")).expect("a huge file");
    assert_eq!(store.folder.read(&doc("task-2.md")).expect("a read").expect("the file").bytes.len(), 1024 * 1024 + 1);
    assert!(matches!(write(&store, "task-2.md", "small"), Err(StoreError::TooBig { .. })));
}

#[test]
fn the_scan_names_documents_and_what_is_strange() {
    let rig = Rig::new();
    let store = rig.store(Durability::Off);
    for name in ["task-2.md", "task-1.md", "archive/2025-10/task-0.md", "README.md"] {
        write(&store, name, name).expect("a create");
    }
    for name in [".hidden.md", "#auto.md", "task-1.md~", "note.txt", "4913"] {
        std::fs::write(rig.file(name), "x").expect("a file");
    }
    std::fs::create_dir(rig.file("task-dir.md")).expect("a folder");
    std::fs::create_dir(rig.file("archive/other")).expect("a folder");
    std::fs::write(rig.file("bad\u{202e}.md"), "x").expect("a file");
    std::fs::write(rig.file("task-3.MD"), "x").expect("a file");
    std::fs::write(rig.file("task-4.markdown"), "x").expect("a file");
    symlink("/etc/passwd", rig.file("task-link.md")).expect("a link");
    symlink("/etc", rig.file("archive/2025-11")).expect("a link");
    let scan = store.folder.scan().expect("a scan");
    let names: Vec<_> = scan.files.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(names, ["README.md", "archive/2025-10/task-0.md", "task-1.md", "task-2.md"]);
    let strange: Vec<_> = scan.strange.iter().map(|strange| (strange.name.as_str(), strange.what)).collect();
    let expected = [
        ("archive/2025-11", EntryType::Symlink),
        ("bad\\u{202e}.md", EntryType::BadName),
        ("task-3.MD", EntryType::OtherEnding),
        ("task-4.markdown", EntryType::OtherEnding),
        ("task-dir.md", EntryType::Directory),
        ("task-link.md", EntryType::Symlink),
    ];
    assert_eq!(strange, expected);
    let mut by_name = [Shelf::Live, Shelf::Archive].map(|shelf| store.folder.names(shelf).expect("names")).concat();
    by_name.sort_unstable();
    assert_eq!(by_name, scan.files.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>());
    assert!(store.folder.names(Shelf::Live).expect("names").iter().all(|path| !path.is_archived()));
    let mut together = Vec::new();
    let asked: Vec<_> = by_name.iter().cloned().chain([doc("archive/2020-01/task-9.md"), doc("task-9.md")]).collect();
    let mut take = |path: &mycelium::name::DocPath, read: FileRead| {
        if let FileRead::Contents(file) = read {
            together.push((path.clone(), file));
        }
    };
    store.folder.read_each(&asked, &mut take).expect("reads");
    let apart = by_name.iter().map(|path| (path.clone(), store.folder.read(path).expect("a read").expect("the file")));
    assert_eq!(together, apart.collect::<Vec<_>>());
    assert!(matches!(
        store.folder.read(&doc("task-link.md")),
        Err(StoreError::Strange { what: EntryType::Symlink, .. })
    ));
    // Among many it is left out, and does not keep the others from being read.
    let mut read = Vec::new();
    store
        .folder
        .read_each(&[doc("task-link.md"), doc("task-1.md")], &mut |path, _| read.push(path.clone()))
        .expect("reads");
    assert_eq!(read, [doc("task-1.md")]);
    for (path, stamp) in &scan.files {
        assert_eq!(store.folder.read(path).expect("a read").expect("the file").stamp, *stamp, "{path}");
    }
}

#[test]
fn links_and_devices_are_refused_by_name() {
    let rig = Rig::new();
    let store = rig.store(Durability::Off);
    write(&store, "task-1.md", "one\n").expect("a create");
    let canary = rig.home.path().join("canary.md");
    std::fs::write(&canary, "canary").expect("a canary");
    symlink(&canary, rig.file("task-2.md")).expect("a link");
    let read = store.folder.read(&doc("task-2.md")).expect_err("a link");
    assert_eq!(read.to_string(), format!("`{}` is a symbolic link, not a plain file", rig.file("task-2.md").display()));
    assert!(matches!(write(&store, "task-2.md", "x"), Err(StoreError::Strange { what: EntryType::Symlink, .. })));
    assert!(matches!(
        change(&store, &any_operation(), "task-2.md", |_| Action::Remove),
        Err(StoreError::Strange { .. })
    ));
    let fifo = std::process::Command::new("mkfifo").arg(rig.file("task-3.md")).status().expect("mkfifo");
    assert!(fifo.success());
    assert!(matches!(store.folder.read(&doc("task-3.md")), Err(StoreError::Strange { what: EntryType::Special, .. })));
    assert_eq!(std::fs::read_to_string(&canary).expect("the canary"), "canary");
    // The folder itself, and one on the way to it.
    std::fs::rename(rig.place.root.join("some"), rig.home.path().join("away")).expect("moved away");
    symlink(rig.home.path().join("away"), rig.place.root.join("some")).expect("a link");
    for refused in
        [store.folder.scan().err(), store.folder.read(&doc("task-1.md")).err(), write(&store, "task-9.md", "x").err()]
    {
        let text = refused.expect("refused").to_string();
        assert_eq!(text, format!("`{}` is a symbolic link, not a folder", rig.place.root.join("some").display()));
    }
    assert!(!rig.home.path().join("away/coordination/task-9.md").exists());
}

#[test]
fn bad_folders_are_refused() {
    let rig = Rig::new();
    for folder in ["", "/abs", "../x", "a/../b", "a//b", ".git", "x/.GIT/y", "a\\b", "."] {
        let place = mycelium::store::StorePlace { folder: folder.to_owned(), ..rig.place.clone() };
        assert!(matches!(Store::open(&place, Durability::Full), Err(StoreError::BadFolder { .. })), "{folder:?}");
    }
}

#[test]
fn permissions_of_a_document_survive_an_update() {
    use std::os::unix::fs::PermissionsExt;
    let rig = Rig::new();
    let store = rig.store(Durability::Off);
    write(&store, "task-1.md", "one\n").expect("a create");
    std::fs::set_permissions(rig.file("task-1.md"), PermissionsExt::from_mode(0o640)).expect("permissions");
    write(&store, "task-1.md", "two\n").expect("an update");
    let mode = std::fs::metadata(rig.file("task-1.md")).expect("the file").permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
}

#[test]
fn one_watcher_and_one_committer_and_both_end_with_their_holder() {
    let rig = Rig::new();
    let store = rig.store(Durability::Full);
    let commit = store.locks.lock_commits(Duration::ZERO).expect("run state").expect("free");
    assert!(store.locks.lock_commits(Duration::from_millis(30)).expect("run state").is_none());
    drop(commit);
    assert!(store.locks.lock_commits(Duration::ZERO).expect("run state").is_some());

    let mut watcher = child(&rig, "watch", &[]).spawn().expect("a child");
    let started = std::time::Instant::now();
    let info = loop {
        if let Some(info) = store.locks.watcher().expect("an answer")
            && info.pid.is_some()
        {
            break info;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "no watcher came");
        std::thread::sleep(Duration::from_millis(10));
    };
    assert_eq!(info.pid, Some(watcher.id()));
    assert_eq!(info.since, Some(any_operation().at));
    assert!(store.locks.lock_watch(any_operation().at).expect("run state").is_none());
    watcher.kill().expect("killed");
    watcher.wait().expect("gone");
    assert_eq!(store.locks.watcher().expect("an answer"), None);
    assert!(store.locks.lock_watch(any_operation().at).expect("run state").is_some());
}

#[test]
fn eight_processes_create_twenty_documents_each() {
    let rig = Rig::new();
    let children: Vec<_> = (0..8).map(|n| crate::rig::spawn(&rig, "create", &[&n.to_string()])).collect();
    for child in children {
        finished(child);
    }
    let store = rig.store(Durability::Full);
    assert_eq!(store.folder.scan().expect("a scan").files.len(), 160);
    let records = store.log.journal().expect("a journal");
    assert_eq!(records.len(), 160);
    for record in records {
        let change = &record.changes[0];
        assert_eq!(change.after.as_deref(), Some(format!("{}\n", record.operation.id).as_bytes()));
        assert_eq!(rig.text(change.path.as_str()).as_bytes(), change.after.as_deref().expect("created"));
    }
}

#[test]
fn eight_writers_on_eight_fields_of_one_document_are_all_applied() {
    for _ in 0..5 {
        let rig = Rig::new();
        let store = rig.store(Durability::Full);
        let fields: String = (0..8).map(|n| format!("f{n}: 0\n")).collect();
        write(&store, "task-1.md", &fields).expect("a create");
        let children: Vec<_> = (0..8).map(|n| crate::rig::spawn(&rig, "field", &[&format!("f{n}")])).collect();
        for child in children {
            assert_eq!(said(&finished(child)).len(), 1);
        }
        let expected: String = (0..8).map(|n| format!("f{n}: 1\n")).collect();
        assert_eq!(rig.text("task-1.md"), expected);
        let records = store.log.journal().expect("a journal");
        for pair in records.windows(2) {
            assert_eq!(pair[0].changes[0].after, pair[1].changes[0].before, "each built on the one before");
        }
        assert_eq!(records.len(), 9);
    }
}

#[test]
fn run_state_on_another_file_system_puts_drafts_beside_the_documents() {
    use std::os::unix::fs::MetadataExt;
    let memory = tempfile::tempdir_in("/dev/shm").expect("a folder in memory");
    let mut rig = Rig::new();
    rig.place.run = memory.path().join("mycelium");
    let device = |path: &std::path::Path| std::fs::metadata(path).expect("a folder").dev();
    assert_ne!(device(memory.path()), device(&rig.place.root), "/dev/shm and the temporary folder are one file system");
    let store = rig.store(Durability::Full);
    for text in ["one\n", "two\n"] {
        write(&store, "task-1.md", text).expect("a write");
        write(&store, "archive/2025-10/task-0.md", text).expect("a write");
    }
    change(&store, &any_operation(), "task-1.md", |_| Action::Remove).expect("a removal");
    let hidden = rig.leftovers();
    assert!(hidden.iter().any(|name| name.starts_with(".mycelium-")), "{hidden:?}");
    // As a dead writer leaves it: known to no record.
    std::fs::write(rig.file("archive/2025-10/.mycelium-dead"), "x").expect("a file");
    std::fs::write(rig.file(".mycelium-dead"), "x").expect("a file");
    assert_eq!(store.folder.scan().expect("a scan").files.len(), 1);
    rig.swept_clean(&store);
    let names = std::fs::read_dir(rig.file("archive/2025-10")).expect("the archive").count();
    assert_eq!(names, 1, "only the document is left");
    assert_eq!(rig.text("archive/2025-10/task-0.md"), "two\n");
}

#[test]
fn a_journal_that_cannot_be_looked_at_is_not_taken_for_none() {
    let rig = Rig::new();
    let store = rig.store(Durability::Off);
    write(&store, "task-1.md", "one\n").expect("a create");
    let journal = rig.place.run.join("journal");
    std::fs::remove_file(&journal).expect("removed");
    // The system cannot say what is there: the link leads to itself.
    symlink("journal", &journal).expect("a link");
    assert!(store.log.recover().is_err());
    assert!(store.log.journal().is_err());
    assert!(store.log.sweep().is_err());
    assert!(store.log.forget(&[]).is_err());
}
