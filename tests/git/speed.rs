//! What a durable commit costs beside `git add` and `git commit` at git's defaults, which are not durable. Prints its figures.

use std::time::{Duration, Instant};

use mycelium::git::{Author, CommitDurability, Repository, Target};

use crate::ground::{FOLDER, Ground, change, plan};
use crate::isolated;

/// Commits measured of each kind, taken in turns.
const ROUNDS: usize = 15;

/// A repository of `live` tasks and `archived` ones in folders of a month each.
fn filled(live: usize, archived: usize) -> Ground {
    let ground = Ground::new();
    let text = "---\nid: x\nstatus: pending\n---\n\n# A task\n\n".to_owned() + &"words and words\n".repeat(50);
    for number in 0..live {
        ground.put(&format!("{FOLDER}/task-{number}.md"), format!("{text}{number}"));
    }
    for number in 0..archived {
        let month = format!("20{:02}-{:02}", 10 + number / 1_200, 1 + number / 100 % 12);
        ground.put(&format!("{FOLDER}/archive/{month}/task-a{number}.md"), format!("{text}{number}"));
    }
    ground.git(&["add", "."]);
    ground.git(&["commit", "-qm", "user: tasks"]);
    ground
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn timed(work: impl FnOnce()) -> Duration {
    let began = Instant::now();
    work();
    began.elapsed()
}

fn ours(repo: &Repository, ground: &Ground, text: &str, durability: CommitDurability) -> Duration {
    ground.put(&format!("{FOLDER}/task-1.md"), text);
    timed(|| {
        let base = repo.view().head(&Target::Current).expect("a head").revision;
        let plans = [plan(Author::User, "ours", vec![change("task-1.md", Some(text))])];
        repo.committer().commit(&Target::Current, FOLDER, base.as_ref(), &plans, durability).expect("a commit");
    })
}

fn measure(ground: &Ground) -> [Duration; 4] {
    let repo = ground.open();
    let mut times = [const { Vec::new() }; 4];
    for round in 0..ROUNDS {
        // The first of each turn follows a commit of git's, so it syncs more: both kinds are measured.
        times[0].push(ours(&repo, ground, &format!("after git {round}\n"), CommitDurability::Full));
        times[1].push(ours(&repo, ground, &format!("after ours {round}\n"), CommitDurability::Full));
        times[2].push(ours(&repo, ground, &format!("not durable {round}\n"), CommitDurability::Off));
        ground.put(&format!("{FOLDER}/task-2.md"), format!("git {round}\n"));
        times[3].push(timed(|| {
            ground.git(&["add", &format!("{FOLDER}/task-2.md")]);
            ground.git(&["commit", "-qm", "git"]);
        }));
    }
    times.map(median)
}

isolated!(a_durable_commit_costs_no_more_than_git_at_its_defaults, {
    let mut seen = Vec::new();
    for (live, archived) in [(100, 0), (200, 9_800)] {
        let ground = filled(live, archived);
        let opening = median((0..ROUNDS).map(|_| timed(|| drop(ground.open()))).collect());
        let [after_git, after_ours, off, git] = measure(&ground);
        println!(
            "{} files: open {opening:?}; durable commit {after_ours:?}, after a commit of git {after_git:?}; \
             durability off {off:?}; git add + git commit {git:?}",
            live + archived
        );
        seen.push((after_ours, git));
        assert_eq!(ground.status(), "");
    }
    for (ours, git) in seen {
        assert!(ours < git * 2, "{ours:?} beside {git:?} of git, in a debug build");
    }
});
