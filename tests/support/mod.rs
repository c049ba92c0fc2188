//! A place of its own for each test: fixed home, author, date and zone, an empty environment. Nothing of the user's is read.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::disallowed_methods, reason = "tests touch files and start programs")]
#![allow(clippy::unwrap_used, reason = "a test whose place cannot be made has failed")]

pub(crate) mod disk;
pub(crate) mod programs;
pub(crate) mod read_only;
pub(crate) mod script;
pub(crate) mod size;
pub(crate) mod stop;

#[allow(unused_imports, reason = "each test file uses its part")]
pub(crate) use size::{number, sized};

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Where the documents lie in a repository.
pub(crate) const FOLDER: &str = ".claude/coordination";

/// Names a break in the program, in builds for tests: see the `sabotage` modules.
pub(crate) const SABOTAGE: &str = "MYCELIUM_SABOTAGE";

/// The moment of every commit that the tests make with git itself.
const DATE: &str = "2025-10-17T00:00:00Z";

/// The person whose repository it is.
const USER: &str = "[user]\n\tname = Robin\n\temail = robin@example.org\n[init]\n\tdefaultBranch = main\n";

/// Says that a test cannot run on this machine, and why. Call it, then return from the test.
///
/// It reaches the terminal past the test harness, and `tests/run` lists it at the end (through the file that
/// `MYCELIUM_COULD_NOT_RUN` names). Call it at most once in a test: that test then counts as skipped.
pub(crate) fn could_not_run(name: &str, why: &str) {
    let line = format!("{name}: {why}\n");
    std::io::stderr().write_all(format!("could not run: {line}").as_bytes()).unwrap();
    if let Some(list) = std::env::var_os("MYCELIUM_COULD_NOT_RUN") {
        let mut list = fs::OpenOptions::new().append(true).create(true).open(list).unwrap();
        list.write_all(line.as_bytes()).unwrap();
    }
}

/// Whether a program of this name can be started.
pub(crate) fn has_program(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(name).is_file())
}

/// Whether programs can be run under `strace` here, or why not.
pub(crate) fn can_trace() -> Result<(), String> {
    if !has_program("strace") {
        return Err("`strace` is missing".to_owned());
    }
    let run = Run::of(Command::new("strace").args(["-qq", "-e", "inject=getpid:error=EPERM", "true"]));
    if run.code == Some(0) { Ok(()) } else { Err(format!("`strace` may not trace here: {}", run.stderr.trim())) }
}

/// A throw-away home with a folder to work in.
#[must_use]
pub(crate) struct Sandbox {
    home: PathBuf,
    place: PathBuf,
    /// Removes everything when the test ends.
    _own: Option<tempfile::TempDir>,
}

impl Sandbox {
    /// A git repository with one commit.
    pub(crate) fn new() -> Self {
        let sandbox = Self::without_git();
        sandbox.make_repository();
        sandbox
    }

    /// A folder that is no repository.
    pub(crate) fn without_git() -> Self {
        let own = tempfile::tempdir().unwrap();
        let sandbox = Self::below(own.path());
        Self { _own: Some(own), ..sandbox }
    }

    /// The same in a folder that the caller owns, on a file system of its choice.
    pub(crate) fn below(root: &Path) -> Self {
        let (home, place) = (root.join("home"), root.join("work"));
        fs::create_dir_all(&home).unwrap();
        fs::create_dir_all(&place).unwrap();
        fs::write(home.join(".gitconfig"), USER).unwrap();
        Self { home, place, _own: None }
    }

    /// Another folder of the same home.
    pub(crate) fn at(other: &Self, place: PathBuf) -> Self {
        Self { home: other.home.clone(), place, _own: None }
    }

    /// Makes the folder a repository with one commit.
    pub(crate) fn make_repository(&self) {
        self.git(&["init", "--quiet"]);
        self.write("README.md", "A project.\n");
        self.git(&["add", "README.md"]);
        self.git(&["commit", "--quiet", "-m", "Start"]);
    }

    /// The folder to work in.
    pub(crate) fn root(&self) -> &Path {
        &self.place
    }

    /// A path below it.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.place.join(relative)
    }

    /// Writes a file, with the folders above it.
    pub(crate) fn write(&self, relative: &str, text: &str) {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Reads a file.
    pub(crate) fn read(&self, relative: &str) -> String {
        fs::read_to_string(self.path(relative)).unwrap()
    }

    /// The names in the coordination folder, sorted; hidden ones too.
    pub(crate) fn documents(&self) -> Vec<String> {
        names(&self.path(FOLDER))
    }

    /// A program in this place, with nothing of the caller's environment but the way to programs.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.place).env_clear().stdin(Stdio::null());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", &self.home).env("TZ", "UTC").env("LC_ALL", "C.UTF-8");
        command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", self.home.join(".gitconfig"));
        command.env("GIT_AUTHOR_DATE", DATE).env("GIT_COMMITTER_DATE", DATE).env("NO_COLOR", "1");
        command
    }

    /// Our program in this place. It may be broken on purpose, to see whether a test notices.
    pub(crate) fn mycelium_command(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_mycelium"));
        command.envs(std::env::var_os(SABOTAGE).map(|name| (SABOTAGE, name)));
        command.args(arguments).env_remove("GIT_AUTHOR_DATE").env_remove("GIT_COMMITTER_DATE");
        command
    }

    /// Runs our program.
    pub(crate) fn mycelium(&self, arguments: &[&str]) -> Run {
        Run::of(&mut self.mycelium_command(arguments))
    }

    /// Runs git, which must succeed, and gives what it printed without the last line feed.
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        let mut printed = Run::of(self.command("git").args(arguments)).ok();
        printed.truncate(printed.trim_end().len());
        printed
    }
}

/// The names in a folder, sorted; none if it is not there.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// What a program did.
#[must_use = "a run that nobody looks at proves nothing"]
#[derive(Debug)]
pub(crate) struct Run {
    /// The command line, for messages.
    what: String,
    /// The exit code; none if a signal ended it.
    pub(crate) code: Option<i32>,
    /// All it printed on stdout.
    pub(crate) stdout: String,
    /// All it printed on stderr.
    pub(crate) stderr: String,
}

impl Run {
    /// Runs a command to its end.
    pub(crate) fn of(command: &mut Command) -> Self {
        let what = format!("{command:?}");
        let output = command.output().unwrap_or_else(|error| panic!("{what} did not start: {error}"));
        Self::from_output(what, &output)
    }

    /// What came of a command that was started elsewhere.
    pub(crate) fn from_output(what: String, output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("programs print UTF-8");
        Self { what, code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    /// It succeeded; gives its stdout.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{}\n{}{}", self.what, self.stdout, self.stderr);
        self.stdout
    }

    /// Exactly this happened.
    #[track_caller]
    pub(crate) fn is(self, code: i32, stdout: &str, stderr: &str) {
        let seen = (self.code, self.stdout.as_str(), self.stderr.as_str());
        assert_eq!(seen, (Some(code), stdout, stderr), "{}", self.what);
    }
}
