//! Kills at any moment: commands and the watcher are killed at random while a reader looks on.

use std::collections::VecDeque;
use std::fs;
use std::io::ErrorKind;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::history::{assert_sound, is_committed, leftovers};
use crate::random::Chance;
use crate::share::row;
use crate::support::stop::StopOnDrop;
use crate::support::{FOLDER, Run, Sandbox, sized};
use crate::watcher::Watcher;
use crate::{alone, tell};

/// Kills in a quick run.
const KILLS: usize = 150;
/// How much longer than usual a command may take that finds a lock of a killed one. It has more to do than others, and on a
/// busy machine that takes as much longer as everything else: then it is the second that counts.
const BLOCKED: Duration = Duration::from_millis(100);
const BLOCKED_TIMES: u32 = 3;
/// One in so many of those may be slow because the machine is busy. A lock that makes commands wait slows each that finds it.
const NOISE: usize = 5;
/// One kill in so many comes as soon as git's locks are there. They are held for a small part of a command: kills at random
/// moments seldom hit them.
const AIMED: u64 = 3;
/// Commands whose median says what is usual, the latest ones.
const RECENT: usize = 15;
/// Kills between two looks at the whole repository.
const CHECK_EVERY: usize = 100;
/// Tasks that are written to, the latest ones.
const LIVE: usize = 20;

/// Something that was acknowledged, and so must be found for good.
struct Fact {
    id: String,
    line: String,
}

struct Story {
    sandbox: Sandbox,
    chance: Chance,
    facts: Vec<Fact>,
    ids: Vec<String>,
    /// Counts what is written, so that every fact is its own.
    written: usize,
    /// What the latest commands took.
    recent: VecDeque<Duration>,
    /// What those took that found a lock of a killed one, beside what was usual then.
    hindered: Vec<(Duration, Duration)>,
}

#[test]
fn nothing_acknowledged_is_lost_to_kills() {
    let _alone = alone();
    let kills = sized("MYCELIUM_KILLS", KILLS, 2_000);
    let (chance, seed) = Chance::new();
    tell(&format!("kills: seed {seed} (MYCELIUM_SEED)"));
    let mut story = Story::begin(chance);
    let folder = story.sandbox.path(FOLDER);
    let done = AtomicBool::new(false);
    let reads = thread::scope(|scope| {
        let reader = scope.spawn(|| read_until(&done, &folder));
        let end = StopOnDrop(&done);
        story.go_on(kills);
        drop(end);
        reader.join().unwrap()
    });
    story.end(kills);
    let (facts, hindered) = (story.facts.len(), story.hindered.len());
    let slowest = story.hindered.iter().map(|(took, _)| *took).max().unwrap_or_default();
    row("random", &[&kills.to_string(), &facts.to_string(), &reads.to_string(), "0"]);
    tell(&format!("kills: {hindered} left a lock of git's; the slowest next command took {slowest:?}"));
}

impl Story {
    fn begin(chance: Chance) -> Self {
        let sandbox = Sandbox::new();
        let recent = VecDeque::new();
        let mut story = Self { sandbox, chance, facts: vec![], ids: vec![], written: 0, recent, hindered: vec![] };
        for _ in 0..RECENT {
            let took = story.acknowledged_command();
            story.recent.push_back(took);
        }
        story
    }

    /// Half of the kills among commands alone, half beside a watcher, which is killed too.
    fn go_on(&mut self, kills: usize) {
        let mut watcher = None;
        let mut unchecked = 0;
        for kill in 0..kills {
            unchecked += 1;
            // Not beside a living watcher: `git fsck` takes what is made while it looks for missing.
            if unchecked >= CHECK_EVERY && watcher.is_none() {
                assert_sound(&self.sandbox);
                unchecked = 0;
            }
            if kill >= kills / 2 {
                let running = watcher.get_or_insert_with(|| Watcher::start(&self.sandbox));
                if self.chance.below(4) == 0 {
                    self.kill_watcher(running);
                    watcher = None;
                    continue;
                }
            }
            self.kill_command();
            self.next_command();
        }
        if let Some(watcher) = watcher {
            // One that has only just begun does not hear signals yet.
            thread::sleep(Duration::from_secs(1));
            assert_eq!(watcher.stop(), Some(0), "the last watcher stops cleanly");
        }
    }

    /// A command and the fact that it leaves if it is acknowledged; a new task's id is known only then.
    fn invent(&mut self) -> (Vec<String>, Option<String>, String) {
        self.written += 1;
        let number = self.written;
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let agent = format!("agent-{}", number % 3);
        let recent = self.ids.len().saturating_sub(LIVE);
        let choice = self.chance.below(6);
        if self.ids.is_empty() || choice == 0 {
            let title = format!("Fact {number}");
            return (
                words(&["--as", &agent, "task", "create", "--type", "test", "--title", &title]),
                None,
                format!("# {title}"),
            );
        }
        let pick = usize::try_from(self.chance.below((self.ids.len() - recent) as u64)).unwrap();
        let id = self.ids[recent + pick].clone();
        let (change, line) = if choice < 3 {
            (words(&["--as", &agent, "task", "note", &id, &format!("fact {number}")]), format!("- fact {number}"))
        } else {
            let set = format!("fact_{number}={number}");
            (words(&["--as", &agent, "task", "update", &id, "--set", &set]), format!("fact_{number}: {number}"))
        };
        (change, Some(id), line)
    }

    fn spawn(&self, words: &[String]) -> Child {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut command = self.sandbox.mycelium_command(&words);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    fn learn(&mut self, id: Option<String>, line: String, stdout: &str) {
        let id = id.unwrap_or_else(|| {
            let id = stdout.trim().to_owned();
            self.ids.push(id.clone());
            id
        });
        self.facts.push(Fact { id, line });
    }

    /// Runs a command to its end; gives the time it took.
    fn acknowledged_command(&mut self) -> Duration {
        let (words, id, line) = self.invent();
        let start = Instant::now();
        let output = self.spawn(&words).wait_with_output().unwrap();
        let took = start.elapsed();
        let stdout = Run::from_output(format!("{words:?}"), &output).ok();
        self.learn(id, line, &stdout);
        took
    }

    /// Starts a command and kills it: while it holds a lock of git's, or somewhere between its start and a little after its
    /// usual end.
    fn kill_command(&mut self) {
        let (words, id, line) = self.invent();
        let span = u64::try_from(self.usual().as_micros()).unwrap() * 11 / 10;
        let moment = Duration::from_micros(self.chance.below(span.max(1)));
        let is_aimed = self.chance.below(AIMED) == 0;
        let mut child = self.spawn(&words);
        if is_aimed {
            let git_dir = self.sandbox.path(".git");
            while leftovers(&git_dir).is_empty() && child.try_wait().unwrap().is_none() {}
        } else {
            thread::sleep(moment);
        }
        child.kill().unwrap();
        let output = child.wait_with_output().unwrap();
        if output.status.success() {
            let stdout = String::from_utf8(output.stdout).unwrap();
            self.learn(id, line, &stdout);
        }
    }

    /// Saves a file as a person would, then kills the watcher while it may be at it.
    fn kill_watcher(&mut self, watcher: &mut Watcher) {
        self.written += 1;
        let (id, line) = (format!("task-hand-{}", self.written % 7), format!("hand {}", self.written));
        let path = self.sandbox.path(&format!("{FOLDER}/{id}.md"));
        let fresh = format!("---\nid: {id}\ntype: test\nstatus: pending\n---\n\n# By hand\n");
        let text = fs::read_to_string(&path).unwrap_or(fresh) + &line + "\n";
        let aside = path.with_extension("aside");
        fs::write(&aside, text).unwrap();
        fs::rename(&aside, &path).unwrap();
        self.facts.push(Fact { id, line });
        thread::sleep(Duration::from_millis(self.chance.below(400)));
        watcher.kill();
    }

    /// The next command works, and no leftover makes it wait.
    fn next_command(&mut self) {
        let found_a_lock = !leftovers(&self.sandbox.path(".git")).is_empty();
        let took = self.acknowledged_command();
        if found_a_lock {
            self.hindered.push((took, self.usual()));
        }
        self.recent.pop_front();
        self.recent.push_back(took);
    }

    fn usual(&self) -> Duration {
        let mut recent: Vec<_> = self.recent.iter().copied().collect();
        recent.sort_unstable();
        recent[recent.len() / 2]
    }

    fn end(&self, kills: usize) {
        self.sandbox.mycelium(&["commit"]).ok();
        for Fact { id, line } in &self.facts {
            let text = self.sandbox.read(&format!("{FOLDER}/{id}.md"));
            assert!(text.lines().any(|l| l == line), "`{line}` was acknowledged and is not in {id}:\n{text}");
        }
        assert!(is_committed(&self.sandbox), "{}", self.sandbox.git(&["status", "--porcelain"]));
        assert_sound(&self.sandbox);
        assert_eq!(leftovers(&self.sandbox.path(".git")), Vec::<String>::new());
        let strange: Vec<_> = self.sandbox.documents().into_iter().filter(|name| !name.ends_with(".md")).collect();
        assert_eq!(strange, Vec::<String>::new(), "left in the folder");
        let blocked: Vec<_> =
            self.hindered.iter().filter(|(took, usual)| *took > *usual + BLOCKED.max(*usual * BLOCKED_TIMES)).collect();
        let (noise, all) = (self.hindered.len() / NOISE, self.hindered.len());
        assert!(blocked.len() <= noise, "of {all} that found a lock, too slow (took, usual): {blocked:?}");
        assert!(kills < KILLS || all > 10, "only {all} kills left a lock: they do not hit");
    }
}

/// Reads every document again and again; gives how many reads there were.
fn read_until(done: &AtomicBool, folder: &std::path::Path) -> usize {
    let mut reads = 0;
    while !done.load(Ordering::Relaxed) {
        for name in crate::support::names(folder) {
            if name.ends_with(".md") {
                match fs::read_to_string(folder.join(&name)) {
                    Ok(text) => assert_whole(&name, &text),
                    Err(error) if error.kind() == ErrorKind::NotFound => panic!("{name} was gone for a moment"),
                    Err(error) => panic!("{name}: {error}"),
                }
                reads += 1;
            }
        }
        thread::sleep(Duration::from_millis(10));
    }
    reads
}

/// A document is never seen empty, cut short or mixed.
fn assert_whole(name: &str, text: &str) {
    let id = name.trim_end_matches(".md");
    let whole = text.starts_with("---\n")
        && text.matches("\n---\n").count() == 1
        && text.lines().any(|line| line == format!("id: {id}"))
        && text.ends_with('\n');
    assert!(whole, "{name} is torn: {text:?}");
}
