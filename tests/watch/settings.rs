//! Files of settings: every way in which one comes, changes and goes rings, and what lies beside it does not.

use std::fs;

use mycelium::watch::{Places, Watcher};

use crate::site::Site;

/// A site that watches a file of settings below its root and one far away, neither of which is there yet.
fn site() -> Site {
    let mut site = Site::plain();
    let places = Places {
        root: site.root.clone(),
        folder: ".claude/coordination".into(),
        git: None,
        settings: vec![site.root.join(".mycelium/config.json"), site.root.join("../home/.config/mycelium/own.json")],
    };
    fs::create_dir(site.root.join("../home")).unwrap();
    site.watcher.turn_to(places);
    site.look();
    site.follow();
    site.take_rings();
    site
}

#[track_caller]
fn rings(site: &mut Site, what: &str) {
    site.follow();
    assert!(site.take_rings() > 0, "{what} did not ring");
}

#[test]
fn settings_ring_wherever_they_come_from() {
    let mut site = site();
    for (folder, name) in [(".mycelium", "config.json"), ("../home/.config/mycelium", "own.json")] {
        let folder = site.root.join(folder);
        let file = folder.join(name);
        for round in 0..3 {
            fs::create_dir_all(&folder).unwrap();
            fs::write(&file, "{}").unwrap();
            rings(&mut site, &format!("{name} made, round {round}"));
            fs::write(folder.join("draft"), "{ }").unwrap();
            site.follow();
            assert_eq!(site.take_rings(), 0, "what lies beside {name} is nobody's business");
            fs::rename(folder.join("draft"), &file).unwrap();
            rings(&mut site, &format!("{name} replaced, round {round}"));
            let _ = fs::read(&file).unwrap();
            site.follow();
            assert_eq!(site.take_rings(), 0, "reading {name} is no change");
            fs::remove_file(&file).unwrap();
            rings(&mut site, &format!("{name} removed, round {round}"));
            fs::remove_dir_all(&folder).unwrap();
            site.follow();
            site.take_rings();
        }
    }
    fs::write(site.root.join("../home/else"), "").unwrap();
    fs::write(site.root.join("else"), "").unwrap();
    site.follow();
    assert_eq!(site.take_rings(), 0, "what else happens there is nobody's business");
}

#[test]
fn a_directory_that_matters_twice_is_watched_for_both() {
    let mut site = Site::plain();
    let folder = site.folder.clone();
    let places = Places {
        root: site.root.clone(),
        folder: ".claude/coordination".into(),
        git: None,
        settings: vec![folder.join("own.json")],
    };
    site.watcher.turn_to(places);
    site.look();
    site.take_rings();
    site.write("own.json", "{}");
    rings(&mut site, "the settings");
    site.write("task-1.md", "x");
    rings(&mut site, "the document");
    assert_eq!(site.watcher.watched().filter(|dir| **dir == folder).count(), 1);
}

#[test]
fn who_turns_elsewhere_leaves_what_was_watched_before() {
    let mut site = Site::plain();
    let other = site.root.join("notes");
    fs::create_dir_all(&other).unwrap();
    let places = Places { root: site.root.clone(), folder: "notes".into(), git: None, settings: Vec::new() };
    site.watcher.turn_to(places);
    site.watcher.arm().unwrap();
    site.take_rings();
    site.write("task-1.md", "x");
    site.follow();
    assert_eq!(site.take_rings(), 0, "the folder before");
    fs::write(other.join("task-1.md"), "x").unwrap();
    rings(&mut site, "the folder now");
    let watched: Vec<_> = Watcher::watched(&site.watcher).collect();
    assert_eq!(watched, [site.root.as_path(), other.as_path()]);
}
