//! A real watcher beside somebody who saves: how soon it sees and commits, how much memory it holds, what a burst does.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use mycelium::name::{ContentId, DocPath};
use mycelium::services::{Opening, Project, Survey};
use mycelium::watch::{GitPlaces, Places, Watcher};

use crate::bench::{Bench, Tasks, Verdict, disk, live, median, ms, quantile, repository, task, timed, whole};
use crate::support::{FOLDER, Sandbox};

/// Longest until a save is seen, and until it is committed, in milliseconds.
const SEEN_MAX: f64 = 50.0;
const COMMITTED_MAX: f64 = 300.0;
/// Most memory of a watcher at 10,000 tasks, in MiB.
const MEMORY_MAX: f64 = 25.0;
/// Longest after a burst until what is known equals a full scan.
const CALM_MAX: Duration = Duration::from_secs(5);
/// Longer than anything here takes on a busy machine.
const LONG: Duration = Duration::from_secs(120);

/// Very many files at once.
pub(crate) fn burst(bench: &Bench) {
    burst_seen(bench);
    burst_committed(bench);
}

/// A process of our program that watches.
struct Process {
    child: Child,
}

impl Process {
    /// Starts one and waits until it watches.
    fn start(sandbox: &Sandbox) -> Self {
        let mut child = sandbox.mycelium_command(&["watch", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
        let (tell, ready) = channel();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Reads on to the end: nobody may wait because nobody listens.
        thread::spawn(move || {
            lines.map_while(Result::ok).filter(|line| line.contains("\"ready\"")).for_each(|_| _ = tell.send(()));
        });
        ready.recv_timeout(LONG).expect("it watches");
        Self { child }
    }

    /// A line of what the kernel says about it.
    fn number(&self, file: &str, name: &str) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
        line.trim().trim_end_matches(" kB").trim().parse().unwrap()
    }

    #[allow(clippy::cast_precision_loss, reason = "memory in KiB is far below 2^52")]
    fn mib(&self, name: &str) -> f64 {
        self.number("status", name) as f64 / 1024.0
    }

    /// How often its threads were woken.
    fn wakes(&self) -> u64 {
        let threads = fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let id = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
        threads
            .map(|entry| self.number(&format!("task/{}/status", id(entry.unwrap())), "voluntary_ctxt_switches"))
            .sum()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A subscriber in this process: woken by file events, it compares the folder with what it knew.
struct Eyes {
    project: Project,
    /// What was committed when it began: what is still so need not be read.
    tracked: BTreeMap<DocPath, ContentId>,
    survey: Survey,
    watcher: Watcher,
    bell: Receiver<()>,
}

impl Eyes {
    fn open(sandbox: &Sandbox) -> Self {
        let opening = Opening { root: Some(sandbox.root().to_owned()), ..Opening::default() };
        let project = Project::open(opening).unwrap();
        let repository = project.repository().unwrap();
        let revision = repository.view().head(&project.target()).unwrap().revision;
        let tracked = repository.view().contents(revision.as_ref(), FOLDER).unwrap();
        let git_dir = repository.git_dir().to_owned();
        let git = Some(GitPlaces { common_dir: git_dir.clone(), git_dir, target: None });
        let places = Places { root: sandbox.root().to_owned(), folder: FOLDER.to_owned(), git, settings: Vec::new() };
        let (ring, bell) = channel();
        let mut watcher = Watcher::new(places, move || _ = ring.send(()));
        watcher.arm().unwrap();
        Self { project, tracked, survey: Survey::default(), watcher, bell }
    }

    /// Looks, and gives what is there.
    fn look(&mut self) -> BTreeMap<DocPath, Option<ContentId>> {
        while self.bell.try_recv().is_ok() {}
        self.watcher.arm().unwrap();
        let sight = self.survey.look(&self.project.commits(), &self.tracked).unwrap();
        sight.files.into_iter().map(|(path, seen)| (path, seen.content)).collect()
    }

    /// Looks at each ring until it is so.
    fn until(&mut self, is_so: impl Fn(&BTreeMap<DocPath, Option<ContentId>>) -> bool) -> Instant {
        while !is_so(&self.look()) {
            self.bell.recv_timeout(LONG).expect("there is an event");
        }
        Instant::now()
    }
}

/// Saves as editors do it: a file beside the document, moved over it.
fn save(sandbox: &Sandbox, id: &str, text: &str) {
    let path = sandbox.path(&format!("{FOLDER}/{id}.md"));
    let draft = path.with_extension("md~");
    fs::write(&draft, text).unwrap();
    fs::rename(&draft, &path).unwrap();
}

fn tip(sandbox: &Sandbox) -> String {
    fs::read_to_string(sandbox.path(".git/refs/heads/main")).unwrap_or_default()
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) -> Instant {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < LONG, "not in time: {what}");
        thread::sleep(Duration::from_millis(1));
    }
    Instant::now()
}

/// One save after the other.
pub(crate) fn saves(bench: &Bench) {
    let rounds = bench.pick(30, 8, 2);
    let tasks = Tasks::mostly_archived(bench.pick(10_000, 10_000, 50));
    let disk = disk();
    let sandbox = repository(disk.path(), tasks);
    let process = Process::start(&sandbox);
    let mut eyes = Eyes::open(&sandbox);
    let before = eyes.look();
    assert_eq!(before.len(), tasks.all());
    let (mut seen, mut committed) = (Vec::new(), Vec::new());
    for number in 0..rounds {
        let id = live(number % tasks.live);
        let path = DocPath::new(format!("{id}.md")).unwrap();
        let (old, old_tip) = (eyes.look()[&path].clone(), tip(&sandbox));
        let text = task(&id, "pending") + &format!("\nLook {number}.\n");
        save(&sandbox, &id, &text);
        let saved = Instant::now();
        seen.push(ms(eyes.until(|files| files[&path] != old) - saved));
        committed.push(ms(until("a commit", || tip(&sandbox) != old_tip) - saved));
        assert_eq!(sandbox.git(&["show", &format!("HEAD:{FOLDER}/{path}")]), text.trim_end(), "what was saved");
        // The next save is not to meet the end of this one.
        thread::sleep(Duration::from_millis(60));
    }
    for (id, times, most) in [("seen", seen, SEEN_MAX), ("committed", committed, COMMITTED_MAX)] {
        let (half, most_of) = (median(times.iter().copied()), quantile(times, 0.95));
        let words = format!("{half:.0} ms (p95 {most_of:.0} ms)");
        bench.tell(id, &words, &format!("{most} ms"), Verdict::of(half <= most));
    }
    drop(eyes);
    let (now, most) = (process.mib("VmRSS"), process.mib("VmHWM"));
    let words = format!("{now:.1} MiB (at most {most:.1} MiB)");
    bench.tell("watcher-memory", &words, "25 MiB", Verdict::of(now <= MEMORY_MAX));
    thread::sleep(Duration::from_secs(1));
    let wakes = process.wakes();
    let idle = bench.pick(Duration::from_secs(5), Duration::from_secs(2), Duration::from_millis(300));
    thread::sleep(idle);
    let wakes = process.wakes() - wakes;
    bench.tell("watcher-idle", &format!("{wakes} in {idle:?}"), "no wake-up", Verdict::of(wakes == 0));
}

/// Saves many files as fast as one thread can; gives the moment of the last.
fn save_many(sandbox: &Sandbox, files: usize) -> Instant {
    for number in 0..files {
        sandbox.write(&format!("{FOLDER}/{}.md", live(number)), &task(&live(number), "pending"));
    }
    Instant::now()
}

/// What is known after a burst, beside a scan that knows nothing.
fn burst_seen(bench: &Bench) {
    let files = bench.pick(50_000, 5_000, 100);
    let disk = disk();
    let sandbox = Sandbox::below(disk.path());
    sandbox.make_repository();
    let mut eyes = Eyes::open(&sandbox);
    let (known, last, calm) = thread::scope(|scope| {
        let writer = scope.spawn(|| save_many(&sandbox, files));
        while !writer.is_finished() {
            let _ = eyes.bell.recv_timeout(Duration::from_millis(100));
            let _ = eyes.look();
        }
        let last = writer.join().unwrap();
        let calm = eyes.until(|known| known.len() == files);
        (eyes.look(), last, calm)
    });
    let full = Survey::default().look(&eyes.project.commits(), &BTreeMap::new()).unwrap();
    let full: BTreeMap<_, _> = full.files.into_iter().map(|(path, seen)| (path, seen.content)).collect();
    let is_equal = known == full && full.len() == files;
    assert!(is_equal, "{} of {} files are known", known.len(), full.len());
    let took = calm - last;
    let words = format!("equal after {:.1} s ({} files)", ms(took) / 1_000.0, whole_of(files));
    bench.tell("burst", &words, "within 5 s of quiet", Verdict::of(took <= CALM_MAX));
}

fn burst_committed(bench: &Bench) {
    let files = bench.pick(50_000, 5_000, 100);
    let disk = disk();
    let sandbox = Sandbox::below(disk.path());
    sandbox.make_repository();
    let process = Process::start(&sandbox);
    let (last, wrote) = timed(|| save_many(&sandbox, files));
    let mut seen_tip = String::new();
    let done = until("all of it committed", || {
        let now = tip(&sandbox);
        if now == seen_tip {
            thread::sleep(Duration::from_millis(20));
            return false;
        }
        seen_tip = now;
        sandbox.git(&["ls-tree", "-r", "--name-only", "HEAD", "--", FOLDER]).lines().count() == files
    });
    let words = format!(
        "{:.1} s after the last of {} files, which were written in {:.1} s; the watcher then held {:.0} MiB",
        ms(done.saturating_duration_since(last)) / 1_000.0,
        whole_of(files),
        ms(wrote) / 1_000.0,
        process.mib("VmRSS")
    );
    bench.show("burst-committed", &words);
    assert_eq!(sandbox.git(&["status", "--porcelain"]), "", "all of it is committed");
}

fn whole_of(files: usize) -> String {
    whole(f64::from(u32::try_from(files).unwrap()))
}
