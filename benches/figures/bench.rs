//! What the parts share: how much to do, places to do it in, medians, and how a figure is told.

use std::cell::Cell;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::support::{FOLDER, Run, Sandbox};

/// The file to which figures are added, one a line with tabs between its fields; for `benches/table`.
pub(crate) const FIGURES: &str = "MYCELIUM_FIGURES";
/// The folder in which what was made is left, if there is one.
pub(crate) const KEEP: &str = "MYCELIUM_BENCH_KEEP";
/// Archived tasks of one month.
const MONTH: usize = 700;

/// How much is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    /// What the table is made of.
    Full,
    /// A look at the same things in less time.
    Quick,
    /// Once, on little data: does it still work?
    Test,
}

/// One run of the benches.
pub(crate) struct Bench {
    /// How much is done.
    pub(crate) size: Size,
    /// How many figures were told.
    told: Cell<usize>,
}

/// How a figure stands to its target.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Verdict {
    Met,
    Missed,
    /// There is no target; it is shown beside one.
    Shown,
}

impl Verdict {
    /// Whether a target is met.
    pub(crate) const fn of(met: bool) -> Self {
        if met { Self::Met } else { Self::Missed }
    }
}

impl Bench {
    pub(crate) const fn new(size: Size) -> Self {
        Self { size, told: Cell::new(0) }
    }

    /// As much of something as this run does.
    pub(crate) const fn pick<T: Copy>(&self, full: T, quick: T, test: T) -> T {
        match self.size {
            Size::Full => full,
            Size::Quick => quick,
            Size::Test => test,
        }
    }

    /// How many figures were told so far.
    pub(crate) const fn told(&self) -> usize {
        self.told.get()
    }

    /// Tells a figure that has a target.
    pub(crate) fn tell(&self, id: &str, ours: &str, target: &str, verdict: Verdict) {
        self.told.set(self.told.get() + 1);
        let verdict = match verdict {
            Verdict::Met => "met",
            Verdict::Missed => "missed",
            Verdict::Shown => "shown",
        };
        let words = if target.is_empty() { String::new() } else { format!("  [{target}: {verdict}]") };
        println!("{id:<24} {ours}{words}");
        if let Some(path) = std::env::var_os(FIGURES)
            && self.size != Size::Test
        {
            let mut file = fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
            file.write_all(format!("{id}\t{ours}\t{target}\t{verdict}\n").as_bytes()).unwrap();
        }
    }

    /// Tells a figure without a target.
    pub(crate) fn show(&self, id: &str, ours: &str) {
        self.tell(id, ours, "", Verdict::Shown);
    }
}

/// A folder on the disk that the project is on: a temporary one may be in memory, where nothing needs to be durable.
///
/// Where [`KEEP`] names a folder it lies there and is left: on some file systems (ext4 without a journal) it takes much longer
/// to make a file for minutes after many were removed, and what is measured next would pay for it.
pub(crate) fn disk() -> Disk {
    match std::env::var_os(KEEP) {
        Some(folder) => Disk::Kept(tempfile::tempdir_in(folder).unwrap().keep()),
        None => Disk::Removed(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()),
    }
}

/// A place for repositories.
pub(crate) enum Disk {
    Kept(PathBuf),
    Removed(tempfile::TempDir),
}

impl Disk {
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Removed(folder) => folder.path(),
        }
    }
}

/// Where the tasks of a repository lie.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tasks {
    /// At the top of the folder.
    pub(crate) live: usize,
    /// In the folders of the archive, a month each.
    pub(crate) archived: usize,
}

impl Tasks {
    pub(crate) const fn flat(live: usize) -> Self {
        Self { live, archived: 0 }
    }

    /// One in fifty is live, the others are archived.
    pub(crate) const fn mostly_archived(all: usize) -> Self {
        Self { live: all / 50, archived: all - all / 50 }
    }

    pub(crate) const fn all(self) -> usize {
        self.live + self.archived
    }

    /// The path of each below the folder, and its text.
    fn files(self) -> impl Iterator<Item = (String, String)> {
        let live = (0..self.live).map(|number| (format!("{}.md", live(number)), task(&live(number), "pending")));
        let archived = (0..self.archived).map(|number| {
            let (month, id) = (number / MONTH, format!("task-done-{number:06}"));
            let path = format!("archive/{}-{:02}/{id}.md", 2010 + month / 12, month % 12 + 1);
            (path, task(&id, "completed"))
        });
        live.chain(archived)
    }
}

/// The id of a live task.
pub(crate) fn live(number: usize) -> String {
    format!("task-live-{number:06}")
}

/// A task's text.
pub(crate) fn task(id: &str, status: &str) -> String {
    format!(
        "---\nid: {id}\nstatus: {status}\ntype: train-model\nassigned_to: ai-engineer\ncreated: 2025-10-17T00:00:00Z\n\
         priority: high\n---\n\n# Train the model {id}\n\n## Payload\n\n```json\n{{\n  \"epochs\": 3\n}}\n```\n"
    )
}

/// A repository of tasks, all of them committed, packed and checked out by git.
pub(crate) fn repository(root: &Path, tasks: Tasks) -> Sandbox {
    let sandbox = Sandbox::below(root);
    sandbox.make_repository();
    let mut import = sandbox.command("git").args(["fast-import", "--quiet"]).stdin(Stdio::piped()).spawn().unwrap();
    let mut stream = String::from("reset refs/heads/main\nfrom refs/heads/main^0\n\ncommit refs/heads/main\n");
    stream.push_str("committer Robin <robin@example.org> 1760659200 +0000\ndata 9\nAdd tasks\n");
    for (path, text) in tasks.files() {
        let _ = write!(stream, "M 100644 inline {FOLDER}/{path}\ndata {}\n{text}\n", text.len());
    }
    import.stdin.take().unwrap().write_all(stream.as_bytes()).unwrap();
    assert!(import.wait().unwrap().success(), "git took the tasks");
    sandbox.git(&["reset", "--quiet", "--hard"]);
    // What git wrote in the same second as its index has to be read again by everybody; no second is like that for long.
    std::thread::sleep(Duration::from_millis(1_100));
    sandbox.git(&["update-index", "--force-write-index"]);
    assert_eq!(sandbox.git(&["status", "--porcelain"]), "");
    sandbox
}

/// The same files in a repository that holds none of them.
pub(crate) fn uncommitted(root: &Path, tasks: Tasks) -> Sandbox {
    let sandbox = Sandbox::below(root);
    sandbox.make_repository();
    for (path, text) in tasks.files() {
        sandbox.write(&format!("{FOLDER}/{path}"), &text);
    }
    sandbox
}

/// How a program is started.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Start {
    /// By a line of shell, as a user or an agent does it.
    Shell,
    /// By the bench itself, without a shell.
    Direct,
}

/// Our program with these arguments, started so; gives what it printed and how long it took.
pub(crate) fn ours(sandbox: &Sandbox, start: Start, arguments: &[&str]) -> (String, Duration) {
    let mut command = match start {
        Start::Direct => sandbox.mycelium_command(arguments),
        Start::Shell => {
            let mut shell = sandbox.command("sh");
            shell.env_remove("GIT_AUTHOR_DATE").env_remove("GIT_COMMITTER_DATE");
            shell.args(["-c", "\"$0\" \"$@\"", env!("CARGO_BIN_EXE_mycelium")]).args(arguments);
            shell
        }
    };
    let (run, took) = timed(|| Run::of(&mut command));
    (run.ok(), took)
}

/// What something gave, and how long it took.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let done = work();
    (done, start.elapsed())
}

pub(crate) fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    quantile(values, 0.5)
}

/// The value below which this share of the values lies.
pub(crate) fn quantile(values: impl IntoIterator<Item = f64>, share: f64) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "an index")]
    let at = (values.len() as f64 * share) as usize;
    values[at.min(values.len() - 1)]
}

/// So many of something in that time, for each second.
#[allow(clippy::cast_precision_loss, reason = "counts are small")]
pub(crate) fn each_second(count: usize, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}

/// A whole number with its thousands apart.
pub(crate) fn whole(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
