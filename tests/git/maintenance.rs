//! Maintenance: what many small commits weigh afterwards, and that nobody's work is harmed by it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use mycelium::git::{CommitDurability, Maintained, Repository, Target};

use crate::ground::{FOLDER, Ground, agent, change, plan};
use crate::isolated;
use crate::stop::StopOnDrop;

/// Small commits before maintenance.
const COMMITS: usize = 600;
/// Documents beside each other.
const DOCUMENTS: usize = 200;

/// What a folder takes on the disk, in bytes.
fn weight(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let weigh = |entry: fs::DirEntry| {
        let meta = entry.metadata().ok()?;
        let own = meta.blocks() * 512;
        Some(if meta.is_dir() { own + weight(&entry.path()) } else { own })
    };
    entries.filter_map(weigh).sum()
}

fn text(document: usize, number: usize) -> String {
    let status = ["pending", "running", "completed"][number % 3];
    format!(
        "---\nid: task-{document}\nstatus: {status}\ntype: work\ncreated: 2025-10-17T00:00:00Z\n# waits for\n# run\n\
         progress: {number}\n# review\n# more\n---\n\n# The task {document}\n\n## Payload\n\n{}\n",
        "some words about what is to be done\n".repeat(20)
    )
}

/// One commit of one changed field.
fn step(repo: &Repository, ground: &Ground, number: usize) {
    let document = number * 7 % DOCUMENTS;
    let (path, text) = (format!("task-{document}.md"), text(document, number));
    ground.put(&format!("{FOLDER}/{path}"), &text);
    let plan = plan(agent("worker"), &format!("task-{document}: progress {number}"), vec![change(&path, Some(&text))]);
    loop {
        let base = repo.view().head(&Target::Current).expect("a head").revision;
        match repo.committer().commit(
            &Target::Current,
            FOLDER,
            base.as_ref(),
            std::slice::from_ref(&plan),
            CommitDurability::Off,
        ) {
            Ok(_) => return,
            Err(error) => assert_ne!(error.trouble(), mycelium::git::Trouble::Failed, "{error}"),
        }
    }
}

/// A repository with documents in one pack, as after a clone.
fn filled() -> Ground {
    let ground = Ground::new();
    for document in 0..DOCUMENTS {
        ground.put(&format!("{FOLDER}/task-{document}.md"), text(document, 0));
    }
    ground.git(&["add", "."]);
    ground.git(&["commit", "-qm", "user: tasks"]);
    ground.git(&["gc", "-q"]);
    ground
}

fn loose(ground: &Ground) -> usize {
    let said = ground.git(&["count-objects"]);
    said.split(' ').next().and_then(|count| count.parse().ok()).expect("a number")
}

isolated!(a_small_change_weighs_little_after_maintenance, {
    let ground = filled();
    let git_dir = ground.root.join(".git");
    let repo = ground.open();
    let before = weight(&git_dir);
    for number in 0..COMMITS {
        step(&repo, &ground, number + 1);
    }
    let per_commit = |now: u64| now.saturating_sub(before) / COMMITS as u64;
    let (loose_before, grown) = (loose(&ground), per_commit(weight(&git_dir)));
    let began = Instant::now();
    assert_eq!(repo.pack_upkeep().maintain(2_000).expect("maintenance"), Maintained::Done);
    let took = began.elapsed();
    let kept = per_commit(weight(&git_dir));
    println!("{COMMITS} commits: {grown} bytes each loose, {kept} after maintenance, which took {took:?}");
    assert!(grown < 30 << 10, "{grown} bytes for each commit");
    assert!(kept < 1 << 10, "{kept} bytes for each commit after maintenance");
    assert!(loose(&ground) < 10, "{loose_before} loose objects became {}", loose(&ground));
    ground.assert_sound();
    // The same open repository finds everything in the pack, and goes on.
    step(&repo, &ground, COMMITS + 1);
    assert_eq!(repo.pack_upkeep().maintain(2_000).expect("a look"), Maintained::Needless);
    assert_eq!(ground.status(), "");
    ground.assert_sound();
});

isolated!(maintenance_keeps_what_nobody_reaches, {
    let ground = filled();
    ground.put("lost.txt", "lost\n");
    let lost = ground.git(&["hash-object", "-w", "lost.txt"]);
    ground.save(&[("task-1.md", "new\n")]);
    assert_eq!(ground.open().pack_upkeep().maintain(1).expect("maintenance"), Maintained::Done);
    assert_eq!(ground.git(&["cat-file", "blob", lost.trim()]), "lost\n");
});

isolated!(maintenance_stays_off_where_it_is_switched_off, {
    for (key, value) in [("gc.auto", "0"), ("maintenance.auto", "false")] {
        let ground = filled();
        ground.save(&[("task-1.md", "new\n")]);
        ground.git(&["config", key, value]);
        let before = loose(&ground);
        assert_eq!(ground.open().pack_upkeep().maintain(1).expect("a look"), Maintained::Off, "{key}");
        assert_eq!(loose(&ground), before);
    }
});

isolated!(commits_go_on_while_maintenance_runs, {
    const RUNS: usize = 3;
    let ground = filled();
    let repo = ground.open();
    for number in 0..100 {
        step(&repo, &ground, number + 1);
    }
    let is_over = AtomicBool::new(false);
    let commits = std::thread::scope(|scope| {
        let end = StopOnDrop(&is_over);
        let worker = scope.spawn(|| {
            let repo = ground.open();
            let mut commits = 0;
            while !is_over.load(Ordering::SeqCst) {
                ground.put("u.txt", format!("user {commits}\n"));
                ground.git(&["commit", "-qm", &format!("user: {commits}"), "--only", "u.txt"]);
                step(&repo, &ground, 1_000 + commits);
                commits += 2;
            }
            commits
        });
        for _ in 0..RUNS {
            assert_eq!(repo.pack_upkeep().maintain(1).expect("maintenance"), Maintained::Done);
        }
        drop(end);
        worker.join().expect("commits")
    });
    println!("{commits} commits while maintenance ran {RUNS} times");
    assert!(commits > 2 * RUNS, "only {commits} commits");
    assert_eq!(ground.git(&["rev-list", "--count", "HEAD"]).trim(), (2 + 100 + commits).to_string());
    assert_eq!(ground.status(), "");
    ground.assert_sound();
    ground.save(&[("task-1.md", "after\n")]);
});
