//! Everything at once, at random: writers, a watcher, a hand editor, and a person who commits, amends, stashes, switches, rebases and
//! resets, with hooks. No document is taken back, nothing acknowledged is lost, and no `git commit` of theirs fails.

use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::history::{assert_sound, is_committed, leftovers};
use crate::random::Chance;
use crate::support::script::write_script;
use crate::support::stop::StopOnDrop;
use crate::support::{FOLDER, Run, Sandbox, sized};
use crate::watcher::{Watcher, wait_for};
use crate::{alone, tell};

/// For how long, in seconds. `MYCELIUM_PERSON_SECONDS` sets another.
const SECONDS: usize = 8;
const WRITERS: usize = 2;

/// What happened.
#[derive(Default)]
struct Figures {
    /// Commits that met our renames, and failed.
    raced: AtomicUsize,
    acknowledged: AtomicUsize,
    waited: AtomicUsize,
    commits: AtomicUsize,
    operations: AtomicUsize,
}

impl Figures {
    fn tell(&self, span: Duration) {
        let figure = |count: &AtomicUsize| count.load(Ordering::Relaxed);
        tell(&format!(
            "a person at work for {} s: {} git commits, {} of them failed, {} other things, {} writes acknowledged, {} of them \
             to be committed later",
            span.as_secs(),
            figure(&self.commits),
            figure(&self.raced),
            figure(&self.operations) - figure(&self.commits),
            figure(&self.acknowledged),
            figure(&self.waited),
        ));
    }
}

/// What a writer, or the hand editor, put into its document last.
type Counters = [AtomicU64; WRITERS + 1];

fn path_of(document: usize) -> String {
    format!("{FOLDER}/task-doc-{document}.md")
}

fn value_in(text: &str) -> u64 {
    text.lines().find_map(|line| line.strip_prefix("round: ")?.parse().ok()).unwrap_or(0)
}

fn place() -> Sandbox {
    let sandbox = Sandbox::new();
    for document in 0..=WRITERS {
        let id = format!("task-doc-{document}");
        sandbox.mycelium(&["task", "create", "--type", "test", "--id", &id]).ok();
        sandbox.mycelium(&["task", "update", &id, "--set", "round=0"]).ok();
    }
    sandbox.write("u.txt", "0\n");
    sandbox.git(&["add", "u.txt"]);
    sandbox.git(&["commit", "-qm", "user: a file"]);
    sandbox.git(&["branch", "side"]);
    let hook = sandbox.path(".git/hooks/pre-commit");
    write_script(&hook, "[ -e ../slow ] && sleep 0.1\nexit 0");
    sandbox
}

/// Sets its number higher and higher.
fn write(sandbox: &Sandbox, writer: usize, counters: &Counters, figures: &Figures) -> Run {
    let next = counters[writer].load(Ordering::SeqCst) + 1;
    let (name, set) = (format!("writer-{writer}"), format!("round={next}"));
    let run = sandbox.mycelium(&["--as", &name, "task", "update", &format!("task-doc-{writer}"), "--set", &set]);
    // A rebase or a switch may have the document in a state of its own for a moment.
    if run.code == Some(0) {
        counters[writer].store(next, Ordering::SeqCst);
        figures.acknowledged.fetch_add(1, Ordering::Relaxed);
        figures.waited.fetch_add(usize::from(run.stderr.contains("is under way")), Ordering::Relaxed);
    }
    run
}

/// Saves as editors do, by a new file.
fn save(sandbox: &Sandbox, counters: &Counters) {
    let next = counters[WRITERS].load(Ordering::SeqCst) + 1;
    let path = sandbox.path(&path_of(WRITERS));
    let Ok(text) = fs::read_to_string(&path) else { return };
    let lines = text
        .lines()
        .map(|line| if line.starts_with("round: ") { format!("round: {next}\n") } else { format!("{line}\n") });
    let saved = sandbox.path("../saved.md");
    fs::write(&saved, lines.collect::<String>()).unwrap();
    if fs::rename(&saved, &path).is_ok() {
        counters[WRITERS].store(next, Ordering::SeqCst);
    }
}

/// The person, who is sure of one thing: that `git commit` works.
struct Person<'a> {
    sandbox: &'a Sandbox,
    chance: Chance,
    edits: u64,
    faults: Vec<String>,
}

impl Person<'_> {
    fn git(&self, arguments: &[&str]) -> Run {
        Run::of(self.sandbox.command("git").args(arguments).env("GIT_EDITOR", "true"))
    }

    /// Something changes, is staged and committed.
    fn commit(&mut self, arguments: &[&str], figures: &Figures) {
        self.edits += 1;
        self.sandbox.write("u.txt", &format!("{}\n", self.edits));
        // What is staged is looked at again in the next try where the lock of the index was held.
        let is_added = wait_for(Duration::from_secs(5), || self.git(&["add", "u.txt"]).code == Some(0));
        assert!(is_added, "`git add` fails again and again");
        let run = self.git(arguments);
        figures.commits.fetch_add(1, Ordering::Relaxed);
        if run.code != Some(0) {
            if ["cannot lock ref 'HEAD'", "index.lock': File exists"].iter().any(|why| run.stderr.contains(why)) {
                // It met our lock, or read HEAD between our last look and our renames: it fails, and takes nothing back.
                figures.raced.fetch_add(1, Ordering::Relaxed);
            } else {
                self.faults.push(format!("{arguments:?}: {}{}", run.stdout, run.stderr));
            }
        }
    }

    /// Does the next thing. What else than a commit fails, as over changes that are not committed, is git's own right.
    fn act(&mut self, figures: &Figures) {
        figures.operations.fetch_add(1, Ordering::Relaxed);
        match self.chance.below(12) {
            0..=4 => self.commit(&["commit", "-qm", "user: work"], figures),
            5 => self.commit(&["commit", "-qam", "user: all"], figures),
            6 => self.commit(&["commit", "-q", "--amend", "--no-edit"], figures),
            7 => {
                self.sandbox.write("u.txt", "to be put aside\n");
                if self.git(&["stash", "push", "-q", "--", "u.txt"]).code == Some(0) {
                    wait_for(Duration::from_secs(5), || self.git(&["stash", "pop", "-q"]).code == Some(0));
                }
                drop(self.git(&["checkout", "-q", "HEAD", "--", "u.txt"]));
            }
            8 => drop(self.git(&["switch", "-q", "side"])),
            9 => drop(self.git(&["switch", "-q", "main"])),
            10 => {
                if self.git(&["rebase", "-q", "main"]).code != Some(0) {
                    drop(self.git(&["rebase", "--abort"]));
                }
            }
            _ => drop(self.git(&["reset", "-q", "--hard"])),
        }
    }
}

/// Along each branch, no number ever falls, and what the person committed alone has no document in it.
fn faults_in_history(sandbox: &Sandbox) -> Vec<String> {
    let mut faults = Vec::new();
    for branch in ["main", "side"] {
        let mut last = BTreeMap::new();
        let log = sandbox.git(&["log", "--reverse", "--first-parent", "--format=%H %s", branch]);
        for (commit, subject) in log.lines().filter_map(|line| line.split_once(' ')) {
            for document in 0..=WRITERS {
                let text = Run::of(sandbox.command("git").args(["show", &format!("{commit}:{}", path_of(document))]));
                let (now, before) = (value_in(&text.stdout), last.get(&document).copied().unwrap_or(0));
                if now < before {
                    faults.push(format!("{branch}: `{subject}` takes document {document} back from {before} to {now}"));
                }
                last.insert(document, now);
            }
            if subject == "user: work" {
                let paths = sandbox.git(&["show", "--format=", "--name-only", commit]);
                if paths.contains(FOLDER) {
                    faults.push(format!("{branch}: `{subject}` {commit} holds {paths}"));
                }
            }
        }
    }
    faults
}

/// Everything is committed, nothing is left of a commit, and git finds the repository sound.
fn assert_clean(sandbox: &Sandbox) {
    assert!(is_committed(sandbox));
    assert_eq!(leftovers(&sandbox.path(".git")), Vec::<String>::new());
    assert_sound(sandbox);
}

/// Our locks are held for about a millisecond, so a commit that meets them is rare.
fn assert_rarely_raced(raced: usize, commits: usize) {
    assert!(raced <= 1 + commits / 100, "{raced} of {commits} commits of the person met our locks or renames");
}

#[test]
fn a_person_at_work_beside_writers_and_a_watcher_loses_nothing() {
    let _alone = alone();
    let (chance, seed) = Chance::new();
    tell(&format!("a person at work: seed {seed} (MYCELIUM_SEED)"));
    let span = Duration::from_secs(sized("MYCELIUM_PERSON_SECONDS", SECONDS, 300) as u64);
    let sandbox = place();
    let (stop, figures, counters) = (AtomicBool::new(false), Figures::default(), Counters::default());
    let mut person = Person { sandbox: &sandbox, chance, edits: 0, faults: Vec::new() };
    thread::scope(|scope| {
        let end = StopOnDrop(&stop);
        for writer in 0..WRITERS {
            let (sandbox, stop, figures, counters) = (&sandbox, &stop, &figures, &counters);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    drop(write(sandbox, writer, counters, figures));
                    thread::sleep(Duration::from_millis(10));
                }
            });
        }
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                save(&sandbox, &counters);
                thread::sleep(Duration::from_millis(150));
            }
        });
        let began = Instant::now();
        let mut watcher = None;
        while began.elapsed() < span {
            // One half of the time commands commit, the other half the watcher does.
            if watcher.is_none() && began.elapsed() > span / 2 {
                watcher = Some(Watcher::start(&sandbox));
            }
            if person.chance.below(4) == 0 {
                fs::write(sandbox.path("../slow"), "").unwrap();
            } else {
                let _ = fs::remove_file(sandbox.path("../slow"));
            }
            person.act(&figures);
            thread::sleep(Duration::from_millis(person.chance.below(20)));
        }
        drop(end);
        assert_eq!(watcher.map(Watcher::stop), Some(Some(0)));
    });
    figures.tell(span);
    let figure = |count: &AtomicUsize| count.load(Ordering::Relaxed);
    assert_eq!(person.faults, Vec::<String>::new(), "commits of the person failed");
    assert_rarely_raced(figure(&figures.raced), figure(&figures.commits));
    // They are done: what comes now is there to stay.
    for writer in 0..WRITERS {
        let run = write(&sandbox, writer, &counters, &figures);
        assert_eq!(run.code, Some(0), "{run:?}\n{}", sandbox.git(&["status"]));
    }
    save(&sandbox, &counters);
    sandbox.mycelium(&["commit"]).ok();
    for (document, counter) in counters.iter().enumerate() {
        let text = sandbox.git(&["show", &format!("HEAD:{}", path_of(document))]);
        assert_eq!(value_in(&text), counter.load(Ordering::SeqCst), "document {document}: {text}");
    }
    assert_eq!(faults_in_history(&sandbox), Vec::<String>::new());
    assert_clean(&sandbox);
    assert!(figure(&figures.commits) > 0 && figure(&figures.acknowledged) > 0, "nothing happened");
}
