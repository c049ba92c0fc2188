//! A big batch goes out as one pack, whatever happens around it; without the git program it goes out all the same.

use std::fs;
use std::io::{BufRead, BufReader};
use std::time::{Duration, Instant};

use mycelium::git::{Author, Target};

use crate::actor;
use crate::ground::{FOLDER, Ground, cannot_run, change, commit, has, must_fail, plan, words};
use crate::isolated;

/// How many processes are killed while they pack.
const KILLS: usize = 6;

/// One line of `git count-objects -v`.
fn counted(ground: &Ground, what: &str) -> usize {
    let said = ground.git(&["count-objects", "-v"]);
    let line = said.lines().find_map(|line| line.strip_prefix(&format!("{what}: ")));
    line.expect("a line").parse().expect("a number")
}

/// Writes and commits documents; how long the commit took.
fn batch(ground: &Ground, documents: usize) -> Duration {
    let text = "---\nid: x\nstatus: pending\n---\n\n# A task\n\n".to_owned() + &"words and words\n".repeat(50);
    let mut changes = Vec::new();
    for number in 0..documents {
        let (path, text) = (format!("task-{number}.md"), format!("{text}{number}\n"));
        ground.put(&format!("{FOLDER}/{path}"), &text);
        changes.push(change(&path, Some(&text)));
    }
    let repo = ground.open();
    let began = Instant::now();
    commit(&repo, &Target::Current, &[plan(Author::User, "many", changes)]).expect("a commit");
    began.elapsed()
}

/// What lies in `objects/pack`, without the packs themselves and their indices.
fn strange_in_pack(ground: &Ground) -> Vec<String> {
    let names = fs::read_dir(ground.root.join(".git/objects/pack")).expect("a folder").flatten();
    let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| !(name.starts_with("pack-") && (name.ends_with(".pack") || name.ends_with(".idx")))).collect()
}

fn is_one_pack(ground: &Ground, documents: usize) {
    assert_eq!(counted(ground, "packs"), 1);
    assert!(counted(ground, "in-pack") >= documents, "{}", counted(ground, "in-pack"));
    assert!(counted(ground, "count") < 10, "{} loose objects", counted(ground, "count"));
    assert_eq!(strange_in_pack(ground), Vec::<String>::new());
    assert_eq!(ground.status(), "");
    assert_eq!(
        ground.at_head(&format!("task-{}.md", documents - 1)).lines().last(),
        Some(&*(documents - 1).to_string())
    );
    ground.assert_sound();
}

isolated!(many_documents_go_into_one_pack, {
    for documents in [1_000, 10_000] {
        let ground = Ground::new();
        let took = batch(&ground, documents);
        println!("{documents} documents, durable, one pack: {took:?}");
        is_one_pack(&ground, documents);
    }
    let ground = Ground::new();
    batch(&ground, 20);
    assert_eq!(counted(&ground, "packs"), 0, "a small batch stays loose");
    ground.assert_sound();
});

#[test]
fn loose_objects_of_a_big_batch_are_noticed() {
    must_fail("no-pack", "git::packs::many_documents_go_into_one_pack");
}

isolated!(a_repository_of_another_hash_takes_packs_too, {
    let ground = Ground::empty(&["--object-format=sha256"]);
    batch(&ground, 150);
    is_one_pack(&ground, 150);
});

isolated!(without_the_git_program_many_documents_are_committed_all_the_same, {
    let ground = Ground::new();
    let mut actor = actor::command(&ground, "lone", 1, "full");
    let output = actor.env("MYCELIUM_ACTOR_MORE", "200").env("PATH", "/nowhere").output().expect("an end");
    assert!(output.status.success(), "{}", words(&output));
    assert_eq!(counted(&ground, "packs"), 0);
    assert!(counted(&ground, "count") > 200);
    assert_eq!(ground.status(), "");
    ground.assert_sound();
});

isolated!(a_batch_that_has_to_try_again_makes_no_second_pack, {
    let ground = Ground::new();
    let lock = ground.root.join(".git/index.lock");
    fs::write(&lock, "").expect("a lock");
    let objects = ground.root.join(".git/objects/pack");
    let freed = std::thread::spawn(move || {
        // Until the first try has put its pack in place, and met the lock.
        while fs::read_dir(&objects).expect("a folder").count() == 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_millis(700));
        fs::remove_file(lock).expect("gone");
    });
    let took = batch(&ground, 300);
    freed.join().expect("freed");
    assert!(took > Duration::from_millis(500), "the lock was not in the way: {took:?}");
    is_one_pack(&ground, 300);
});

isolated!(a_pack_is_on_disk_before_it_is_acknowledged, {
    if has("strace") {
        crate::traps::traced(150);
    } else {
        cannot_run("a_pack_is_on_disk_before_it_is_acknowledged", "strace is not here (apt-get install strace)");
    }
});

#[test]
fn missing_syncs_of_a_pack_are_noticed() {
    if has("strace") {
        must_fail("no-fsync", "git::packs::a_pack_is_on_disk_before_it_is_acknowledged");
    } else {
        cannot_run("missing_syncs_of_a_pack_are_noticed", "strace is not here (apt-get install strace)");
    }
}

isolated!(killed_while_it_packs_it_leaves_nothing, {
    let ground = Ground::new();
    let (mut killed, mut amid) = (0, 0);
    for number in 0..KILLS {
        let mut actor = actor::command(&ground, "victim", 100, "full");
        let mut child = actor.env("MYCELIUM_ACTOR_MORE", "400").spawn().expect("this program runs");
        let mut said = BufReader::new(child.stdout.take().expect("its words"));
        let mut line = String::new();
        while line != "ready\n" {
            line.clear();
            assert_ne!(said.read_line(&mut line).expect("its words"), 0, "it ended by itself");
        }
        // The moment when a quarantine appears, and some time on.
        let began = Instant::now();
        while ground.leftovers().is_empty() && began.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(2));
        }
        std::thread::sleep(Duration::from_millis(3 * number as u64));
        child.kill().expect("killed");
        killed += usize::from(!child.wait().expect("an end").success());
        let is_packing = |path: &std::path::PathBuf| path.join("new.pack").exists();
        amid += usize::from(ground.leftovers().iter().any(is_packing));
        // A git that is still indexing for the dead one has nowhere to write to.
        ground.open().committer().recover().expect("recovery");
        std::thread::sleep(Duration::from_millis(50));
        ground.open().committer().recover().expect("recovery");
        assert_eq!(strange_in_pack(&ground), Vec::<String>::new());
        ground.assert_sound();
    }
    assert_eq!(killed, KILLS);
    assert!(amid > 0, "none was killed while it packed");
    println!("{KILLS} kills, {amid} while packing");
});
