//! How editors save: each dance ends with the new text seen, and what they leave meanwhile is no document.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::time::Duration;

use crate::site::Site;

type Save = fn(&Site, &str);

fn in_place(site: &Site, text: &str) {
    site.write("task-1.md", text);
}

fn in_slices(site: &Site, text: &str) {
    let mut file = OpenOptions::new().write(true).truncate(true).open(site.folder.join("task-1.md")).unwrap();
    for slice in text.as_bytes().chunks(3) {
        file.write_all(slice).unwrap();
        file.flush().unwrap();
        std::thread::sleep(Duration::from_millis(15));
    }
}

fn by_rename(site: &Site, text: &str) {
    site.write(".task-1.md.tmp", text);
    fs::rename(site.folder.join(".task-1.md.tmp"), site.folder.join("task-1.md")).unwrap();
}

/// `backupcopy=no`: probe with 4913, move the old file aside, write a new one, drop the backup.
fn like_vim(site: &Site, text: &str) {
    let file = |name: &str| site.folder.join(name);
    site.write(".task-1.md.swp", "swap");
    fs::write(file("4913"), "").unwrap();
    fs::remove_file(file("4913")).unwrap();
    fs::rename(file("task-1.md"), file("task-1.md~")).unwrap();
    std::thread::sleep(Duration::from_millis(5));
    site.write("task-1.md", text);
    fs::remove_file(file("task-1.md~")).unwrap();
    fs::remove_file(file(".task-1.md.swp")).unwrap();
}

/// A lock beside the file as a dangling link, a backup by copy, then in place.
fn like_emacs(site: &Site, text: &str) {
    let file = |name: &str| site.folder.join(name);
    std::os::unix::fs::symlink("me@host.1:2", file(".#task-1.md")).unwrap();
    site.write("#task-1.md#", "auto-save");
    fs::copy(file("task-1.md"), file("task-1.md~")).unwrap();
    site.write("task-1.md", text);
    fs::remove_file(file("#task-1.md#")).unwrap();
    fs::remove_file(file(".#task-1.md")).unwrap();
}

fn delete_and_make(site: &Site, text: &str) {
    fs::remove_file(site.folder.join("task-1.md")).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    site.write("task-1.md", text);
}

#[test]
fn every_way_of_saving_is_seen() {
    let mut site = Site::plain();
    site.write("task-1.md", "at first");
    site.is_complete("at first");
    let ways: [(&str, Save); 6] = [
        ("in place", in_place),
        ("in slices", in_slices),
        ("by rename", by_rename),
        ("like vim", like_vim),
        ("like emacs", like_emacs),
        ("delete and make", delete_and_make),
    ];
    for (name, save) in ways {
        for round in 0..3 {
            let text = format!("{name}, round {round}, and some more text to write");
            save(&site, &text);
            site.is_complete(name);
            assert_eq!(site.seen["task-1.md"], text.as_bytes(), "{name}");
            assert_eq!(site.seen.len(), 1, "{name}: only the document is one");
        }
    }
}

#[test]
fn the_times_of_a_file_alone_may_change_too() {
    let mut site = Site::plain();
    site.write("task-1.md", "x");
    site.is_complete("at first");
    site.take_rings();
    let file = OpenOptions::new().write(true).open(site.folder.join("task-1.md")).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    drop(file);
    site.follow();
    assert!(site.take_rings() > 0);
}
