//! The one place that starts the git program, hardened so that nothing in the repository can make it start another. Never used for commits in files-backed repositories.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::error::GitError;
use crate::name::visible;

/// Overrides of every configuration key that could start a program or change what is printed.
const OVERRIDES: [&str; 20] = [
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.pager=cat",
    "core.editor=false",
    "core.askPass=false",
    "core.sshCommand=false",
    "core.alternateRefsCommand=false",
    "credential.helper=",
    "diff.external=",
    "diff.renames=false",
    "gpg.program=false",
    "gpg.openpgp.program=false",
    "gpg.x509.program=false",
    "gpg.ssh.program=false",
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

/// How to start git for one repository.
pub(super) struct Program<'a> {
    git_dir: &'a Path,
    work_tree: &'a Path,
    settings: Vec<String>,
    variables: Vec<(&'static str, OsString)>,
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
    pub(super) fn new(git_dir: &'a Path, work_tree: &'a Path) -> Self {
        let settings = OVERRIDES.iter().map(|setting| (*setting).to_owned()).collect();
        Self { git_dir, work_tree, settings, variables: Vec::new() }
    }

    /// The same with one more setting, such as `core.fsync=none`.
    pub(super) fn with(mut self, setting: impl Into<String>) -> Self {
        self.settings.push(setting.into());
        self
    }

    /// The same with a variable of the environment.
    pub(super) fn with_variable(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    /// Runs a command of git to its end; whatever its exit code.
    pub(super) fn run(&self, arguments: &[&str]) -> Result<Answer, GitError> {
        let verb = arguments.first().copied().unwrap_or_default().to_owned();
        let output = self
            .command(arguments)
            .output()
            .map_err(|error| GitError::Program { verb, why: format!("it could not be started ({error})") })?;
        let words = String::from_utf8_lossy(&output.stderr);
        // Progress is written over itself.
        let said = words.split(['\n', '\r']).map(|line| visible(line.trim_end())).filter(|line| !line.is_empty());
        let (said, stderr) = (said.collect(), visible(words.trim()));
        Ok(Answer { code: output.status.code(), stdout: output.stdout, stderr, said })
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

    /// Starts a hook of the repository in a process group of its own. This is the one call that is not hardened: the user asked
    /// for it, and the hook's own calls of git need the user's whole configuration.
    pub(super) fn start_hook(&self, name: &str, index: Option<&Path>, words: File) -> io::Result<Child> {
        let mut command = Command::new("git");
        forget_git(&mut command);
        if !self.work_tree.join(".git").exists() {
            // Only the environment told where the repository is.
            command.env("GIT_DIR", self.git_dir).env("GIT_WORK_TREE", self.work_tree);
        }
        if let Some(index) = index {
            command.env("GIT_INDEX_FILE", index);
        }
        command.env("GIT_EDITOR", ":").args(["hook", "run", "--ignore-missing", name]).current_dir(self.work_tree);
        command.stdin(Stdio::null()).stdout(words.try_clone()?).stderr(words).process_group(0);
        command.spawn()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = hardened(&self.settings);
        command.arg("--git-dir").arg(self.git_dir).arg("--work-tree").arg(self.work_tree);
        command.args(arguments).current_dir(self.work_tree);
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
