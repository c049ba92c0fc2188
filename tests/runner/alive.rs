//! Signs of life, clearing away, reviews and figures through the library.
#![allow(clippy::print_stdout, reason = "figures are told")]

use std::time::{Duration, Instant};

use mycelium::entity::agent::AgentUpdate;
use mycelium::entity::{AgentStatus, review};
use mycelium::name::{AgentName, Kind};
use mycelium::services::{New, Passing, Project, Pruning, Taken};
use mycelium::snapshot::Outlook;
use mycelium::time::Timestamp;
use tempfile::TempDir;

use super::support::stop::StopOnDrop;
use super::{git, new_task, open, repository};

fn agent(project: &Project, name: &str, updated: &str) -> AgentName {
    let name = AgentName::new(name).expect("valid");
    let at: Timestamp = updated.parse().expect("a moment");
    let update = AgentUpdate { status: Some(AgentStatus::Busy), ..AgentUpdate::at(at) };
    project
        .operations()
        .create(project.actor(), &New::Agent(update.into_new(name.clone())), Taken::LookUp)
        .expect("made");
    name
}

fn names(project: &Project) -> Vec<String> {
    let snapshot = project.documents().snapshot(mycelium::services::Scope::Live).expect("read");
    snapshot.agents().map(|agent| agent.name.to_string()).collect()
}

fn beats_folder(dir: &TempDir) -> std::path::PathBuf {
    dir.path().join(".git/mycelium/beats")
}

#[test]
fn beats_are_quick_and_touch_no_document() {
    const BEATS: u32 = 5_000;
    let dir = repository();
    let project = open(&dir, "a");
    let name = agent(&project, "a", "2025-10-17T00:00:00Z");
    let (head, files) = (git(dir.path(), &["rev-parse", "HEAD"]), git(dir.path(), &["status", "--porcelain"]));
    let start = Instant::now();
    for _ in 0..BEATS {
        project.leases().heartbeat(&name).expect("beats");
    }
    let took = start.elapsed();
    println!("measured: {:.0} beats per second", f64::from(BEATS) / took.as_secs_f64());
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert_eq!(git(dir.path(), &["rev-parse", "HEAD"]), head);
    assert_eq!(git(dir.path(), &["status", "--porcelain"]), files);
    assert!(project.leases().heartbeats().expect("read")[&name] > "2026-01-01".parse().expect("a moment"));
    let stats = project.monitor().stats().expect("looks");
    assert_eq!((stats.agent_count, stats.stale()), (1, 0));
}

#[test]
fn a_beat_is_seen_in_every_work_tree_and_never_half() {
    let dir = repository();
    let here = open(&dir, "a");
    let name = agent(&here, "a", "2025-10-17T00:00:00Z");
    let there = TempDir::new().expect("a folder");
    let path = there.path().join("linked");
    git(dir.path(), &["worktree", "add", "-q", "-b", "other", path.to_str().expect("a text")]);
    let opening = mycelium::services::Opening { root: Some(path), ..Default::default() };
    let linked = Project::open(opening).expect("opens");
    let (store, at) = (linked.store().clone(), linked.now());
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _end = StopOnDrop(&stop);
        for _ in 0..3 {
            scope.spawn(|| {
                let _end = StopOnDrop(&stop);
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    store.local.write_heartbeat(&name, at).expect("beats");
                }
            });
        }
        while !here.leases().heartbeats().expect("read").contains_key(&name) {
            assert!(!stop.load(std::sync::atomic::Ordering::Relaxed), "a thread that beats has failed");
            std::thread::yield_now();
        }
        for _ in 0..2_000 {
            assert!(here.leases().heartbeats().expect("read").contains_key(&name), "half a moment was read");
        }
    });
}

#[test]
fn what_is_no_beat_is_none() {
    let dir = repository();
    let project = open(&dir, "a");
    let names: Vec<AgentName> =
        ["torn", "link", "folder", "big"].iter().map(|name| AgentName::new(*name).expect("valid")).collect();
    project.leases().heartbeat(&names[0]).expect("beats");
    let folder = beats_folder(&dir);
    std::fs::write(folder.join("torn"), "2026-1").expect("written");
    std::fs::write(folder.join("big"), "x".repeat(1 << 20)).expect("written");
    std::fs::create_dir(folder.join("folder")).expect("made");
    let outside = dir.path().join("outside");
    std::fs::write(&outside, "kept").expect("written");
    std::os::unix::fs::symlink(&outside, folder.join("link")).expect("made");
    assert!(project.leases().heartbeats().expect("read").is_empty());
    assert!(project.leases().heartbeat(&names[1]).is_err(), "a link is not followed");
    assert_eq!(std::fs::read_to_string(&outside).expect("there"), "kept");
    project.leases().heartbeat(&names[0]).expect("beats");
    assert_eq!(project.leases().heartbeats().expect("read").len(), 1);
}

#[test]
fn only_who_is_stale_and_holds_nothing_is_cleared_away() {
    let dir = repository();
    // What somebody does is a sign of life too.
    let project = open(&dir, "young");
    let old = agent(&project, "old", "2025-10-17T00:00:00Z");
    let back = agent(&project, "back", "2025-10-17T00:00:00Z");
    let holder = agent(&project, "holder", "2025-10-17T00:00:00Z");
    agent(&project, "young", &project.now().to_string());
    project.leases().heartbeat(&old).expect("beats");
    std::fs::write(beats_folder(&dir).join("old"), "2025-10-18T00:00:00Z\n").expect("written");
    project.leases().heartbeat(&back).expect("beats");
    project.operations().create(project.actor(), &new_task(&project, "task-1"), Taken::LookUp).expect("made");
    let holds = "---\nid: task-1\ntype: x\nstatus: running\nclaimed_by: holder\n---\n";
    std::fs::write(dir.path().join(".claude/coordination/task-1.md"), holds).expect("written");

    let week = Duration::from_secs(7 * 86_400);
    let told = project.operations().prune(project.actor(), week, Pruning::DryRun).expect("looks");
    assert_eq!(told.gone.iter().map(|stale| &stale.name).collect::<Vec<_>>(), [&old]);
    assert_eq!(
        told.kept.iter().map(|stale| (&stale.name, stale.holds.clone())).collect::<Vec<_>>(),
        [(&holder, vec!["task-1".to_owned()])]
    );
    assert_eq!(names(&project), ["back", "holder", "old", "young"]);
    let done = project.operations().prune(project.actor(), week, Pruning::Real).expect("clears");
    assert!(done.operation.is_some() && done.committed.is_some(), "{done:?}");
    assert_eq!(names(&project), ["back", "holder", "young"]);
    assert!(!beats_folder(&dir).join("old").exists());
    let subject = git(dir.path(), &["log", "-1", "--format=%s"]);
    assert!(subject.contains("old") && subject.contains("removed"), "{subject}");
    assert!(project.operations().prune(project.actor(), week, Pruning::Real).expect("clears").operation.is_none());
}

#[test]
fn an_approval_opens_the_way_and_the_figures_follow() {
    let dir = repository();
    let coder = open(&dir, "coder");
    coder.operations().create(coder.actor(), &new_task(&coder, "task-1"), Taken::LookUp).expect("made");
    let folder = dir.path().join(".claude/coordination");
    let done = "---\nid: task-1\ntype: x\nstatus: completed\nclaimed_by: coder\nreview: required\n---\n";
    std::fs::write(folder.join("task-1.md"), done).expect("written");
    let next = "---\nid: task-2\ntype: x\nstatus: pending\npriority: high\ndepends_on: [task-1]\n---\n";
    std::fs::write(folder.join("task-2.md"), next).expect("written");
    assert_eq!(coder.monitor().why("task-2").expect("told").outlook, Outlook::Waiting);
    let approve = |project: &Project| {
        let by = project.actor_name();
        project.operations().change(
            project.actor(),
            Kind::Task,
            "task-1",
            "approve",
            &Passing::default(),
            &|document| review::approve(document, review::Approver { name: &by, has_completed_it: false }, None),
        )
    };
    assert!(approve(&coder).is_err(), "nobody approves their own work");
    approve(&open(&dir, "reviewer")).expect("approved");
    assert_eq!(coder.monitor().why("task-2").expect("told").outlook, Outlook::Ready);
    let stats = coder.monitor().stats().expect("looks");
    assert_eq!((stats.task_queue_size, stats.ready.len(), stats.mode), (1, 1, "markdown"));
    assert_eq!(stats.latency_of, 2, "the refusal and the looks do not count");
    assert!(stats.avg_latency.is_some_and(|ms| ms > 0.0), "{:?}", stats.avg_latency);
}

#[test]
fn the_measure_of_writes_stays_small_and_is_about_the_last() {
    let dir = repository();
    let project = open(&dir, "a");
    project.operations().create(project.actor(), &new_task(&project, "task-1"), Taken::LookUp).expect("made");
    let store = project.store();
    for _ in 0..20_000 {
        store.local.note_latency(Duration::from_millis(3));
    }
    let stats = project.monitor().stats().expect("looks");
    assert_eq!((stats.avg_latency, stats.latency_of), (Some(3.0), 100));
    let size = std::fs::metadata(dir.path().join(".git/mycelium/latency")).expect("there").len();
    assert!(size <= 25_600, "{size}");
    // Whatever lies there is read as far as it goes.
    for bytes in [&b""[..], b"abc", &[0xff; 4_001]] {
        std::fs::write(dir.path().join(".git/mycelium/latency"), bytes).expect("written");
        assert_eq!(project.monitor().stats().expect("looks").latency_of, (bytes.len() / 4).min(100));
    }
}
