//! The demo's stage: the repository, the watcher, and a way to run commands there with nothing of the user's configuration.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::api::daemon;
use crate::api::view::ErrorReport;
use crate::core::name::visible;
use crate::core::problem::ErrorClass;
use crate::faces::cli::render::{Ink, paint};
use crate::faces::cli::scratch::Scratch;
use crate::faces::cli::session::Session;

/// The folder of the documents.
pub(super) const FOLDER: &str = ".claude/coordination";
/// The person whose repository it is.
const PERSON: &str = "[user]\n\tname = Robin Reader\n\temail = robin@example.org\n";
/// Longest wait for anything on the stage.
const PATIENCE: Duration = Duration::from_secs(30);
/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// A repository to play in.
#[derive(Debug)]
pub(super) struct Stage {
    root: PathBuf,
    /// Holds the home folder, and the repository unless it is kept.
    scratch: Scratch,
    keep: bool,
    program: PathBuf,
    quiet: bool,
    started: Instant,
    /// Somebody asked to end.
    interrupted: Arc<AtomicBool>,
}

/// The watcher; stopped with its owner.
#[derive(Debug)]
pub(super) struct Watcher(Child);

impl Watcher {
    /// Asks it to stop and waits until its last commits are made.
    pub(super) fn stop(mut self) -> Result<(), ErrorReport> {
        let id = self.0.id().to_string();
        // The shell's own `kill` is there wherever a shell is.
        let asked = Command::new("sh").args(["-c", "kill -TERM \"$1\"", "sh", &id]).status();
        asked.map_err(|error| failed("could not stop the watcher", &error))?;
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if let Some(status) = self.0.try_wait().map_err(|error| failed("could not wait for the watcher", &error))? {
                return if status.success() {
                    Ok(())
                } else {
                    Err(broken(&format!("the watcher ended with {status}")))
                };
            }
            thread::sleep(PAUSE);
        }
        Err(broken("the watcher did not stop"))
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Stage {
    /// Makes the repository with a first commit, one staged change and one unknown file.
    pub(super) fn build(keep: Option<&Path>, session: &Session) -> Result<Self, ErrorReport> {
        let program = std::env::current_exe().map_err(|error| failed("could not find this program", &error))?;
        // Before there is anything to clean up.
        let interrupted =
            daemon::raise_when_interrupted().map_err(|error| failed("could not listen to signals", &error))?;
        let scratch = Scratch::new("demo")?;
        let root = keep.map_or_else(|| scratch.path().join("project"), Path::to_owned);
        if std::fs::read_dir(&root).is_ok_and(|mut entries| entries.next().is_some()) {
            let message = format!("`{}` is not empty", visible(&root.display().to_string()));
            let failure = ErrorReport::new(ErrorClass::Conflict, "not-empty", message);
            return Err(failure.hint("name a directory that is not there yet: `mycelium demo --keep DIR`"));
        }
        make(&root)?;
        make(&scratch.path().join("home"))?;
        let config = scratch.path().join("home").join("gitconfig");
        std::fs::write(config, PERSON)
            .map_err(|error| failed("could not write the demo's git configuration", &error))?;
        let root = root.canonicalize().map_err(|error| failed("could not use the directory", &error))?;
        let quiet = session.face.json();
        let started = Instant::now();
        let stage = Self { root, scratch, keep: keep.is_some(), program, quiet, started, interrupted };
        stage.first_commit()?;
        Ok(stage)
    }

    fn first_commit(&self) -> Result<(), ErrorReport> {
        self.git(&["init", "--quiet", "--initial-branch=main"])?;
        self.write("README.md", "# Voice model\n")?;
        self.write("train.py", "epochs = 3\n")?;
        self.git(&["add", "."])?;
        self.git(&["commit", "--quiet", "--message=Begin the project"])?;
        self.write("train.py", "epochs = 5\n")?;
        self.git(&["add", "train.py"])?;
        self.write("notes.txt", "not for git yet\n")
    }

    /// The repository.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Seconds since the demo began.
    pub(super) fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// A headline and a sentence.
    pub(super) fn tell(&self, headline: &str, words: &str) -> Result<(), ErrorReport> {
        self.print(&format!("\n{}\n{words}\n", paint(Ink::Bold, headline)))
    }

    /// A line about what somebody does.
    pub(super) fn note(&self, who: &str, words: &str) -> Result<(), ErrorReport> {
        self.print(&format!("  {}  {}\n", paint(Ink::Live, &format!("{who:<20}")), visible(words)))
    }

    /// Runs a command and shows it with what it says.
    pub(super) fn show(&self, program: &str, arguments: &[&str]) -> Result<(), ErrorReport> {
        let said = self.run(program, arguments, None)?;
        let quoted: Vec<String> = arguments.iter().map(|argument| quoted(argument)).collect();
        let line = format!("$ {program} {}", quoted.join(" "));
        let indented = said.lines().map(|line| format!("  {line}\n")).collect::<Vec<_>>().concat();
        self.print(&format!("\n{}\n{indented}", paint(Ink::Dim, &line)))
    }

    /// Runs git.
    pub(super) fn git(&self, arguments: &[&str]) -> Result<String, ErrorReport> {
        self.run("git", arguments, None)
    }

    /// Runs this program as an agent.
    pub(super) fn as_agent(&self, agent: &str, arguments: &[&str]) -> Result<String, ErrorReport> {
        self.run("mycelium", arguments, Some(agent))
    }

    fn run(&self, program: &str, arguments: &[&str], agent: Option<&str>) -> Result<String, ErrorReport> {
        let mut command = self.command(program);
        command.args(arguments);
        if let Some(agent) = agent {
            command.env("MYCELIUM_AGENT", agent);
        }
        let missing = |error: std::io::Error| {
            failed(&format!("could not start `{program}`"), &error)
                .hint(format!("install `{program}`, then run `mycelium demo`"))
        };
        self.go_on()?;
        let output = command.stdin(Stdio::null()).output().map_err(missing)?;
        // A program that was interrupted with us has failed for that.
        self.go_on()?;
        if !output.status.success() {
            let message = format!("`{program} {}` ended with {}", arguments.join(" "), output.status);
            let said = String::from_utf8_lossy(&output.stderr);
            let causes = said.lines().map(|line| line.trim_start_matches("error: "));
            return Err(causes.fold(broken(&message), ErrorReport::cause));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Ends the demo if somebody asked for it: with its owner the stage goes.
    fn go_on(&self) -> Result<(), ErrorReport> {
        if !self.interrupted.load(Ordering::Relaxed) {
            return Ok(());
        }
        let left = if self.keep { "what was made so far is left there" } else { "its repository is removed" };
        Err(ErrorReport::new(ErrorClass::Interrupted, "interrupted", format!("the demo was interrupted; {left}")))
    }

    /// A command in the repository that sees nothing of the user's own settings.
    fn command(&self, program: &str) -> Command {
        let program =
            if program == "mycelium" { self.program.clone().into_os_string() } else { OsString::from(program) };
        let mut command = Command::new(program);
        let foreign = |name: &str| ["GIT_", "MYCELIUM_", "XDG_"].iter().any(|start| name.starts_with(start));
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(foreign) {
                command.env_remove(name);
            }
        }
        command
            .current_dir(&self.root)
            .env("HOME", self.scratch.path().join("home"))
            .env("GIT_CONFIG_GLOBAL", self.scratch.path().join("home").join("gitconfig"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_PAGER", "cat")
            .env("LC_ALL", "C.UTF-8");
        command
    }

    /// Starts the watcher and waits until it watches.
    pub(super) fn start_watcher(&self) -> Result<Watcher, ErrorReport> {
        let mut command = self.command("mycelium");
        command.args(["watch", "--quiet"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut watcher = Watcher(command.spawn().map_err(|error| failed("could not start the watcher", &error))?);
        self.wait("the watcher did not start", || {
            if watcher.0.try_wait().is_ok_and(|ended| ended.is_some()) {
                return Err(broken("the watcher ended at once"));
            }
            Ok(self.status()?["data"]["watcher"].is_object())
        })?;
        self.note("watcher", "watches")?;
        Ok(watcher)
    }

    /// Waits until everything is committed.
    pub(super) fn settle(&self) -> Result<(), ErrorReport> {
        self.wait("the watcher did not commit everything", || {
            Ok(self.status()?["data"]["uncommitted"].as_array().is_some_and(Vec::is_empty))
        })
    }

    /// Waits until a file holds a text.
    pub(super) fn wait_for(&self, file: &str, text: &str) -> Result<(), ErrorReport> {
        self.wait(&format!("`{file}` never said `{text}`"), || Ok(self.read(file)?.contains(text)))
    }

    fn wait(&self, or_else: &str, mut done: impl FnMut() -> Result<bool, ErrorReport>) -> Result<(), ErrorReport> {
        let until = Instant::now() + PATIENCE;
        while !done()? {
            self.go_on()?;
            if Instant::now() > until {
                return Err(broken(or_else));
            }
            thread::sleep(PAUSE);
        }
        Ok(())
    }

    fn status(&self) -> Result<serde_json::Value, ErrorReport> {
        let said = self.run("mycelium", &["status", "--json"], None)?;
        serde_json::from_str(&said)
            .map_err(|error| broken("`mycelium status --json` gave no JSON").cause(error.to_string()))
    }

    /// A file below the repository; empty if it is not there.
    pub(super) fn read(&self, file: &str) -> Result<String, ErrorReport> {
        match std::fs::read_to_string(self.root.join(file)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(failed(&format!("could not read `{file}`"), &error))
            }
            read => Ok(read.unwrap_or_default()),
        }
    }

    /// Writes a file below the repository, as a simple editor does.
    pub(super) fn write(&self, file: &str, text: &str) -> Result<(), ErrorReport> {
        std::fs::write(self.root.join(file), text).map_err(|error| failed(&format!("could not write `{file}`"), &error))
    }

    /// Replaces the first occurrence of a text in a file, as a person at an editor does.
    pub(super) fn edit(&self, file: &str, from: &str, to: &str) -> Result<(), ErrorReport> {
        let text = self.read(file)?;
        if !text.contains(from) {
            return Err(broken(&format!("`{file}` does not hold `{from}`")));
        }
        self.write(file, &text.replacen(from, to, 1))
    }

    /// How many commits touch the folder.
    pub(super) fn commits(&self) -> Result<usize, ErrorReport> {
        let said = self.git(&["rev-list", "--count", "HEAD", "--", FOLDER])?;
        said.trim().parse().map_err(|_| broken("git did not count the commits"))
    }

    /// Ends the demo; where the repository stays, if it does.
    pub(super) fn leave(self) -> Option<PathBuf> {
        self.keep.then(|| self.root.clone())
    }

    fn print(&self, text: &str) -> Result<(), ErrorReport> {
        if self.quiet { Ok(()) } else { crate::faces::cli::answer::print(text) }
    }
}

fn make(path: &Path) -> Result<(), ErrorReport> {
    let what = format!("could not make `{}`", visible(&path.display().to_string()));
    std::fs::create_dir_all(path).map_err(|error| failed(&what, &error))
}

fn failed(what: &str, error: &std::io::Error) -> ErrorReport {
    broken(what).cause(error.to_string())
}

fn broken(what: &str) -> ErrorReport {
    ErrorReport::new(ErrorClass::Problem, "demo", what)
}

/// An argument as a shell would want it.
fn quoted(argument: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@".contains(c);
    if argument.chars().all(plain) { argument.to_owned() } else { format!("'{argument}'") }
}
