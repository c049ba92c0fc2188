//! The one place that starts the git program, hardened so that nothing in the repository can make it start another. Never used for commits in files-backed repositories.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use super::error::GitError;
use crate::core::name::visible;

/// Overrides of every configuration key that could start a program, or change what is printed or how commits are compared.
const OVERRIDES: [&str; 27] = [
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.pager=cat",
    "core.editor=false",
    "core.askPass=false",
    "core.sshCommand=false",
    "core.alternateRefsCommand=false",
    "credential.helper=",
    "diff.external=",
    "diff.ignoreSubmodules=none",
    "diff.orderFile=/dev/null",
    "diff.relative=false",
    "diff.renames=false",
    "gpg.program=false",
    "gpg.openpgp.program=false",
    "gpg.x509.program=false",
    "gpg.ssh.program=false",
    "log.date=default",
    "log.diffMerges=separate",
    "log.follow=false",
    "log.showRoot=true",
    "log.showSignature=false",
    "log.mailmap=false",
    "maintenance.auto=false",
    "gc.auto=0",
    "protocol.allow=never",
    "submodule.recurse=false",
];

/// Variables of git that a child keeps: where the user's own configuration lies, and who the user is.
const KEPT: [&str; 9] = [
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_AUTHOR_NAME",
    "GIT_AUTHOR_EMAIL",
    "GIT_COMMITTER_NAME",
    "GIT_COMMITTER_EMAIL",
    "GIT_EXEC_PATH",
    "GIT_TEST_INSTALLED",
];

/// What is said of a command that was ended because of its limit.
pub(super) const NO_ANSWER: &str = "not done within ";

/// How to start git for one repository.
pub(super) struct Program<'a> {
    git_dir: &'a Path,
    /// Where it runs; the work tree, if it has one.
    folder: &'a Path,
    has_work_tree: bool,
    settings: Vec<String>,
    variables: Vec<(String, OsString)>,
    limit: Option<Duration>,
}

/// What git answered.
pub(super) struct Answer {
    /// Its exit code; `None` if a signal ended it.
    pub(super) code: Option<i32>,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: String,
    /// What it said on standard error, line by line.
    pub(super) said: Vec<String>,
}

impl<'a> Program<'a> {
    /// Git for a repository that may try to make it start something.
    pub(super) fn new(git_dir: &'a Path, work_tree: &'a Path) -> Self {
        let mut program = Self::bare(git_dir, work_tree, &OVERRIDES);
        program.has_work_tree = true;
        // A missing object is not fetched. Only this counts more than `protocol.NAME.allow` of the repository; what reads
        // `GIT_NO_LAZY_FETCH` is git 2.44.
        program.with_variable("GIT_ALLOW_PROTOCOL", "")
    }

    /// Git for a git directory without a work tree, in which no setting is the repository's.
    pub(super) fn bare(git_dir: &'a Path, folder: &'a Path, settings: &[&str]) -> Self {
        let settings = settings.iter().map(|setting| (*setting).to_owned()).collect();
        Self { git_dir, folder, has_work_tree: false, settings, variables: Vec::new(), limit: None }
    }

    /// The same with one more setting, such as `core.fsync=none`.
    pub(super) fn with(mut self, setting: impl Into<String>) -> Self {
        self.settings.push(setting.into());
        self
    }

    /// The same with a variable of the environment.
    pub(super) fn with_variable(mut self, name: impl Into<String>, value: impl Into<OsString>) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// The same with a limit on how long a command may take: then it is killed, with what it started.
    pub(super) const fn within(mut self, limit: Option<Duration>) -> Self {
        self.limit = limit;
        self
    }

    /// The same with empty values for keys whose names may hold any character, which `-c` cannot say of all.
    pub(super) fn with_empty(mut self, keys: &[String]) -> Self {
        for (number, key) in keys.iter().enumerate() {
            self = self.with_variable(format!("GIT_CONFIG_KEY_{number}"), key);
            self = self.with_variable(format!("GIT_CONFIG_VALUE_{number}"), "");
        }
        self.with_variable("GIT_CONFIG_COUNT", keys.len().to_string())
    }

    /// Runs a command of git to its end; whatever its exit code.
    pub(super) fn run(&self, arguments: &[&str]) -> Result<Answer, GitError> {
        let verb = arguments.first().copied().unwrap_or_default().to_owned();
        let output = self
            .output(arguments)
            .map_err(|error| GitError::Program { verb, why: format!("it could not be started ({error})") })?;
        let words = String::from_utf8_lossy(&output.stderr);
        // Progress is written over itself.
        let said = words.split(['\n', '\r']).map(|line| visible(line.trim_end())).filter(|line| !line.is_empty());
        let (said, stderr) = (said.collect(), visible(words.trim()));
        Ok(Answer { code: output.status.code(), stdout: output.stdout, stderr, said })
    }

    fn output(&self, arguments: &[&str]) -> io::Result<Output> {
        let mut command = self.command(arguments);
        let Some(limit) = self.limit else { return command.output() };
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).spawn()?;
        let group = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
        let (done, ended) = std::sync::mpsc::channel();
        let watch = std::thread::spawn(move || {
            let is_over = ended.recv_timeout(limit) == Err(RecvTimeoutError::Timeout);
            if let Some(group) = group.filter(|_| is_over) {
                // It may have ended at this moment.
                let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
            }
            is_over
        });
        let output = child.wait_with_output();
        let _ = done.send(());
        let is_over = watch.join().unwrap_or_default();
        let mut output = output?;
        if is_over && !output.status.success() {
            output.stderr = format!("{NO_ANSWER}{} s", limit.as_secs()).into_bytes();
        }
        Ok(output)
    }

    /// Runs a command of git that must succeed, and gives what it printed.
    pub(super) fn ask(&self, arguments: &[&str]) -> Result<Vec<u8>, GitError> {
        let answer = self.run(arguments)?;
        if answer.code == Some(0) {
            return Ok(answer.stdout);
        }
        let verb = arguments.first().copied().unwrap_or_default().to_owned();
        let why = if answer.stderr.is_empty() { format!("exit code {:?}", answer.code) } else { answer.stderr };
        Err(GitError::Program { verb, why })
    }

    /// Runs a command of git that must succeed and reads this from its standard input. It must print less than a pipe holds.
    pub(super) fn feed(&self, arguments: &[&str], input: &[u8]) -> Result<(), GitError> {
        let verb = arguments.first().copied().unwrap_or_default();
        let failed = |why: String| GitError::Program { verb: verb.to_owned(), why };
        let run = || {
            let mut command = self.command(arguments);
            let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
            // Where git ends before it has read everything, it says why.
            let written = child.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(input));
            Ok::<_, io::Error>((child.wait_with_output()?, written))
        };
        let (output, written) = run().map_err(|error| failed(format!("it could not be started ({error})")))?;
        match written {
            Ok(()) if output.status.success() => Ok(()),
            written => {
                let said = visible(String::from_utf8_lossy(&output.stderr).trim());
                let why = written.err().map_or_else(|| output.status.to_string(), |error| error.to_string());
                Err(failed(if said.is_empty() { why } else { said }))
            }
        }
    }

    /// Starts a hook of the repository in a process group of its own. This is the one call that is not hardened: the user asked
    /// for it, and the hook's own calls of git need the user's whole configuration.
    pub(super) fn start_hook(&self, name: &str, index: Option<&Path>, words: File) -> io::Result<Child> {
        let mut command = Command::new("git");
        forget_git(&mut command);
        if !self.folder.join(".git").exists() {
            // Only the environment told where the repository is.
            command.env("GIT_DIR", self.git_dir).env("GIT_WORK_TREE", self.folder);
        }
        if let Some(index) = index {
            command.env("GIT_INDEX_FILE", index);
        }
        command.env("GIT_EDITOR", ":").args(["hook", "run", "--ignore-missing", name]).current_dir(self.folder);
        command.stdin(Stdio::null()).stdout(words.try_clone()?).stderr(words).process_group(0);
        command.spawn()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = hardened(&self.settings);
        command.arg("--git-dir").arg(self.git_dir);
        if self.has_work_tree {
            command.arg("--work-tree").arg(self.folder);
        }
        command.args(arguments).current_dir(self.folder);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// Git with nothing that a repository or the caller's environment could make it start.
fn hardened<S: AsRef<OsStr>>(settings: &[S]) -> Command {
    let mut command = Command::new("git");
    forget_git(&mut command);
    for name in ["PAGER", "EDITOR", "VISUAL", "SSH_ASKPASS", "LESS", "LV"] {
        command.env_remove(name);
    }
    for (name, value) in [
        ("GIT_OPTIONAL_LOCKS", "0"),
        ("GIT_TERMINAL_PROMPT", "0"),
        ("GIT_NO_LAZY_FETCH", "1"),
        ("GIT_LITERAL_PATHSPECS", "1"),
        ("GIT_ATTR_NOSYSTEM", "1"),
        ("LC_ALL", "C"),
    ] {
        command.env(name, value);
    }
    command.args(["--no-pager", "--no-optional-locks"]);
    for setting in settings {
        command.arg("-c").arg(setting);
    }
    command.stdin(Stdio::null());
    command
}

/// What `git --version` prints.
pub(super) fn version() -> Result<String, String> {
    let output = hardened(&OVERRIDES).arg("--version").output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(visible(String::from_utf8_lossy(&output.stdout).trim()));
    }
    Err(format!("it ended with {}", output.status))
}

/// Keeps the caller's variables of git from a child.
fn forget_git(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("GIT_") && !KEPT.contains(&text.as_ref()) {
            command.env_remove(&name);
        }
    }
}
