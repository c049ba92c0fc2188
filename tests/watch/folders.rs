//! Bursts, and folders that come, go and move.

use std::fs;
use std::time::Duration;

use crate::site::Site;

#[test]
fn a_burst_of_ten_thousand_files_is_seen_whole() {
    let mut site = Site::plain();
    for i in 0..10_000 {
        site.write(&format!("task-{i}.md"), "one");
    }
    site.is_complete("after the burst");
    assert_eq!(site.seen.len(), 10_000);
    // Saved again, the way most programs save, while nobody listens.
    for i in 0..10_000 {
        fs::write(site.folder.join(".tmp"), format!("two {i}")).unwrap();
        fs::rename(site.folder.join(".tmp"), site.folder.join(format!("task-{i}.md"))).unwrap();
    }
    std::thread::sleep(Duration::from_millis(500));
    site.is_complete("after the second burst");
    for i in 0..10_000 {
        fs::remove_file(site.folder.join(format!("task-{i}.md"))).unwrap();
    }
    site.is_complete("after the deletions");
    assert!(site.seen.is_empty());
}

#[test]
fn files_made_right_after_their_folders_are_seen() {
    let mut site = Site::plain();
    for round in 0..40 {
        fs::remove_dir_all(site.root.join(".claude")).unwrap();
        site.is_complete("after the removal");
        let months: Vec<String> = (1..=9).map(|month| format!("archive/2025-0{month}")).collect();
        for month in &months {
            fs::create_dir_all(site.folder.join(month)).unwrap();
            site.write(&format!("{month}/task-{round}.md"), "old");
        }
        site.write("task-new.md", "new");
        site.is_complete("after the making");
        assert_eq!(site.seen.len(), 10, "round {round}");
    }
}

#[test]
fn a_folder_removed_and_made_again_is_watched_again() {
    let mut site = Site::plain();
    for round in 0..40 {
        // The inode number is often used again at once.
        fs::remove_dir_all(&site.folder).unwrap();
        fs::create_dir_all(&site.folder).unwrap();
        site.is_complete("after making it again");
        site.write("task-1.md", &format!("round {round}"));
        site.is_complete("after writing into it");
        assert_eq!(site.seen.len(), 1, "round {round}");
    }
}

#[test]
fn a_folder_moved_away_is_left_and_its_successor_watched() {
    let mut site = Site::plain();
    let away = site.root.join("away");
    site.write("task-1.md", "here");
    site.is_complete("at first");
    fs::rename(&site.folder, &away).unwrap();
    site.is_complete("moved away");
    assert!(site.seen.is_empty());
    site.take_rings();
    fs::write(away.join("task-1.md"), "elsewhere").unwrap();
    site.follow();
    assert_eq!(site.take_rings(), 0, "what happens there is nobody's business");
    fs::create_dir(&site.folder).unwrap();
    site.write("task-2.md", "successor");
    site.is_complete("a successor");
    // And the old one back in its place.
    fs::rename(&site.folder, site.root.join("second")).unwrap();
    fs::rename(&away, &site.folder).unwrap();
    site.is_complete("back again");
    site.write("task-3.md", "alive");
    site.is_complete("written after coming back");
    assert_eq!(site.seen.len(), 2);
}

#[test]
fn a_folder_moved_away_and_back_at_once_is_watched_again() {
    let mut site = Site::plain();
    fs::create_dir_all(site.folder.join("archive/2025-10")).unwrap();
    site.write("archive/2025-10/task-1.md", "1");
    site.is_complete("at first");
    for (round, part) in [".claude", ".claude/coordination", ".claude/coordination/archive"].into_iter().enumerate() {
        // The same directory in the same place: only the events tell that its watch is lost.
        let (here, away) = (site.root.join(part), site.root.join("away"));
        fs::rename(&here, &away).unwrap();
        fs::rename(&away, &here).unwrap();
        site.follow();
        site.write("archive/2025-10/task-1.md", &format!("deep {round}"));
        site.is_complete("written into the archive");
        site.write("task-2.md", &format!("flat {round}"));
        site.is_complete("written into the folder");
    }
}

#[test]
fn a_parent_swapped_for_another_is_followed() {
    let mut site = Site::plain();
    site.write("task-1.md", "old");
    let other = site.root.join("other");
    fs::create_dir_all(other.join("coordination/archive/2025-10")).unwrap();
    fs::write(other.join("coordination/task-2.md"), "new").unwrap();
    fs::rename(site.root.join(".claude"), site.root.join("gone")).unwrap();
    fs::rename(&other, site.root.join(".claude")).unwrap();
    site.is_complete("after the swap");
    assert_eq!(site.seen.keys().collect::<Vec<_>>(), ["task-2.md"]);
    site.write("archive/2025-10/task-3.md", "deep");
    site.is_complete("in the archive of the new one");
    assert_eq!(site.seen.len(), 2);
}

#[test]
fn a_work_tree_that_vanishes_is_missed_and_found_again() {
    let mut site = Site::plain();
    let away = site.root.with_file_name("elsewhere");
    site.write("task-1.md", "1");
    site.is_complete("at first");
    fs::rename(&site.root, &away).unwrap();
    site.follow();
    let gap = site.watcher.arm().expect_err("the root is missing").to_string();
    assert!(gap.contains("is not there"), "{gap}");
    fs::rename(&away, &site.root).unwrap();
    // Nobody rings for this: that is why the gap is told, and the folder compared from time to time.
    site.watcher.arm().expect("it is back");
    site.look();
    site.write("task-1.md", "2");
    site.is_complete("after its return");
}

#[test]
fn nobody_is_woken_for_nothing() {
    let mut site = Site::repository();
    for i in 0..200 {
        site.write(&format!("task-{i}.md"), "x");
    }
    site.is_complete("at first");
    site.take_rings();
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(site.take_rings(), 0, "idle");
    // Looking is reading, and reading must not ring.
    for _ in 0..20 {
        site.look();
    }
    // Nor does the work of others next to the folder.
    for i in 0..50 {
        fs::write(site.root.join(format!("main-{i}.rs")), "fn main() {}").unwrap();
        fs::write(site.root.join(".claude/settings.json"), "{}").unwrap();
        fs::write(site.folder.join(".task-1.md.swp"), "typing").unwrap();
        fs::write(site.folder.join("notes.txt"), "no document").unwrap();
        fs::write(site.root.join(".git/index.lock"), "").unwrap();
        fs::remove_file(site.root.join(".git/index.lock")).unwrap();
    }
    crate::site::git(&site.root, &["status", "--short"]);
    crate::site::git(&site.root, &["add", "main-1.rs"]);
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(site.take_rings(), 0, "reading, and work of others");
}
