//! What is due without any change: done at its moment, and no cause of a wake-up before it.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mycelium::daemon::{CommitRefusal, Scan, Span, World, run};
use mycelium::engine::{Batch, DELETIONS_MAX, Head, Readiness, Reason, Report};
use mycelium::name::DocPath;
use mycelium::watch::Places;

use crate::support::{FOLDER, Sandbox};

/// Longer than a wake-up takes on a busy machine.
const LONG: Duration = Duration::from_secs(30);

/// A world without documents that has duties.
struct Duties {
    /// When each is due, the first first.
    at: Vec<Instant>,
    /// When each was done.
    done: Vec<Instant>,
    /// The end of the world, for one that must not last.
    until: Option<Instant>,
    scans: Arc<AtomicUsize>,
}

impl Duties {
    fn due_in(ms: &[u64]) -> Self {
        let began = Instant::now();
        let at = ms.iter().map(|ms| began + Duration::from_millis(*ms)).collect();
        Self { at, done: Vec::new(), until: None, scans: Arc::default() }
    }
}

impl World for Duties {
    fn scan(&mut self) -> Result<Scan, Reason> {
        self.scans.fetch_add(1, Ordering::SeqCst);
        Ok(Scan::default())
    }

    fn head(&mut self) -> Result<Head, Reason> {
        Ok(Head { revision: None, contents: Arc::default(), readiness: Readiness::Ready, deletions_max: DELETIONS_MAX })
    }

    fn commit(&mut self, _: &Batch) -> Result<BTreeSet<DocPath>, CommitRefusal> {
        unreachable!("there is nothing to commit")
    }

    fn is_gone(&self) -> bool {
        self.until.map_or(self.done.len() == self.at.len(), |end| Instant::now() >= end)
    }

    fn report(&mut self, _: &Report) {}

    fn ready(&mut self) {}

    fn idle(&mut self) {}

    fn due(&mut self) -> Option<Instant> {
        self.at.get(self.done.len()).copied()
    }

    fn duty(&mut self) {
        self.done.push(Instant::now());
    }
}

fn places(sandbox: &Sandbox) -> Places {
    Places { root: sandbox.root().to_owned(), folder: FOLDER.to_owned(), git: None, settings: Vec::new() }
}

#[test]
fn each_duty_is_done_once_and_not_before_its_moment() {
    let sandbox = Sandbox::without_git();
    let mut world = Duties::due_in(&[50, 300, 301]);
    run(&mut world, places(&sandbox), Span::UntilStopped).unwrap();
    for (due, done) in world.at.iter().zip(&world.done) {
        assert!(done >= due && done.duration_since(*due) < LONG, "{:?}", done.duration_since(*due));
    }
}

#[test]
fn a_duty_that_is_late_already_is_done_at_once() {
    let sandbox = Sandbox::without_git();
    let mut world = Duties::due_in(&[0]);
    world.at[0] = Instant::now().checked_sub(Duration::from_millis(5)).unwrap();
    let began = Instant::now();
    run(&mut world, places(&sandbox), Span::UntilStopped).unwrap();
    assert!(began.elapsed() < LONG);
}

#[test]
fn a_duty_far_ahead_wakes_nobody_and_changes_still_do() {
    let sandbox = Sandbox::without_git();
    sandbox.write(&format!("{FOLDER}/agent-a.md"), "---\nagent: a\nstatus: idle\n---\n");
    let mut world = Duties::due_in(&[3_600_000]);
    world.until = Some(Instant::now() + Duration::from_secs(4));
    let scans = Arc::clone(&world.scans);
    let places = places(&sandbox);
    let (tell, told) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        tell.send(std::fs::read_link("/proc/thread-self").unwrap()).unwrap();
        run(&mut world, places, Span::UntilStopped).unwrap();
        world.done.len()
    });
    let status = PathBuf::from("/proc").join(told.recv().unwrap()).join("status");
    std::thread::sleep(Duration::from_secs(1));
    let (before, scanned) = (sleeps(&status), scans.load(Ordering::SeqCst));
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!((sleeps(&status), scans.load(Ordering::SeqCst)), (before, scanned), "it slept");
    std::thread::sleep(Duration::from_millis(1_200));
    sandbox.write(&format!("{FOLDER}/agent-a.md"), "---\nagent: a\nstatus: busy\n---\n");
    // It ends because the change wakes it.
    assert_eq!(thread.join().unwrap(), 0, "nothing was due");
}

/// How often a thread has gone to sleep.
fn sleeps(status: &std::path::Path) -> u64 {
    let text = std::fs::read_to_string(status).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    line.unwrap().trim().parse().unwrap()
}
