//! Killed at any moment: the repository stays sound, nothing acknowledged is lost, and nobody stays locked out.

use std::io::{BufRead, BufReader, Read};
use std::time::{Duration, Instant};

use crate::actor;
use crate::ground::Ground;
use crate::isolated;

/// How many processes are killed.
const KILLS: u32 = 30;

/// How long one takes at the moment, by the first that a process makes.
fn time_of_a_commit(ground: &Ground) -> Duration {
    let mut child = actor::start(ground, "first", 1, "full");
    let mut said = BufReader::new(child.stdout.take().expect("its words"));
    let mut text = String::new();
    while !text.ends_with("ready\n") {
        assert_ne!(said.read_line(&mut text).expect("its words"), 0, "it ended by itself: {text}");
    }
    let began = Instant::now();
    said.read_to_string(&mut text).expect("its words");
    assert!(child.wait().expect("an end").success(), "{text}");
    began.elapsed()
}

isolated!(killed_at_random_it_loses_nothing, {
    let ground = Ground::new();
    ground.put("staged.txt", "staged\n");
    ground.git(&["add", "staged.txt"]);
    let (mut acked, mut killed, mut stale) = (None, 0, 0);
    // On a busy machine a commit takes long, and a kill too early would show nothing.
    let span = (time_of_a_commit(&ground) * 4).max(Duration::from_millis(100));
    for number in 0..KILLS {
        let mut child = actor::start(&ground, "victim", 1_000, "full");
        let mut said = BufReader::new(child.stdout.take().expect("its words"));
        let mut text = String::new();
        while !text.ends_with("ready\n") {
            assert_ne!(said.read_line(&mut text).expect("its words"), 0, "it ended by itself: {text}");
        }
        std::thread::sleep(span * ((number * 7_919) % 100_000) / 100_000);
        child.kill().expect("killed");
        said.read_to_string(&mut text).expect("its words");
        killed += u32::from(!child.wait().expect("an end").success());
        stale += usize::from(ground.leftovers().iter().any(|path| path.extension().is_some_and(|e| e == "lock")));
        if let Some((revision, _)) = actor::last_acked(text.as_bytes()) {
            acked = Some(revision);
        }
        ground.open().committer().recover().expect("recovery");
        assert_eq!(ground.leftovers(), Vec::<std::path::PathBuf>::new());
        assert_eq!(ground.git(&["diff", "--cached", "--name-status"]), "A\tstaged.txt\n", "after kill {number}");
        if let Some(revision) = &acked {
            ground.git(&["merge-base", "--is-ancestor", revision, "HEAD"]);
        }
        if number % 10 == 9 {
            ground.assert_sound();
        }
    }
    assert_eq!(killed, KILLS);
    let count: u32 = ground.git(&["rev-list", "--count", "HEAD"]).trim().parse().expect("a number");
    assert!(count > KILLS / 4, "only {count} commits: they were killed too early to show anything");
    println!("{KILLS} kills, {count} commits, {stale} stale locks recovered");
    ground.git(&["commit", "-qm", "user: next"]);
    assert_eq!(ground.git(&["show", "--format=", "--name-only", "HEAD"]), "staged.txt\n");
    ground.assert_sound();
});
