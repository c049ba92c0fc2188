//! Git processes that are at work in this worktree, as far as `/proc` shows them. Only reads.
//!
//! `git commit` and its like read HEAD and the index, do other things (a hook, an editor), and write both later. They hold no
//! lock in between and leave no mark, so the process itself is the only sign that they are under way.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::GitView;
use crate::adapters::git::sabotage::{self, Sabotage};

/// A process this old does not end in the next moment: a hook runs or an editor is open.
const LASTING: Duration = Duration::from_secs(1);
/// From this age on, a person is asked to look after the process.
const LONG: Duration = Duration::from_secs(600);
/// Ticks of a second in `/proc/PID/stat`, which the kernel gives in this unit on every machine.
const TICKS: u64 = 100;
/// How often the processes are listed in one look, as long as there are new ones.
const LISTINGS_MAX: usize = 3;
/// Most parents that are followed from this process up.
const PARENTS_MAX: usize = 64;

/// A git process that may write the index or move HEAD from what it has read before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitProcess {
    /// The process id.
    pub pid: u32,
    /// The command of git, such as `commit`.
    pub command: String,
    /// How long it has been running.
    pub age: Duration,
    /// Returns true if this process was started by it, as from a hook.
    pub is_ancestor: bool,
}

impl GitProcess {
    /// Returns true if waiting for its end would take long, or for ever.
    pub(in crate::adapters::git) fn is_lasting(&self) -> bool {
        self.is_ancestor || self.age >= LASTING
    }

    /// What to do next.
    pub(in crate::adapters::git) fn hint(&self) -> String {
        if self.age < LONG {
            return "what waits is committed when it has ended".to_owned();
        }
        let pid = self.pid;
        format!(
            "finish it: its editor or its hook may be waiting; if it hangs, run `kill {pid}`. What waits is committed then"
        )
    }
}

impl fmt::Display for GitProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a `git {}` is under way (process {}", self.command, self.pid)?;
        // No figure that grows: the watcher says a reason again when its words change.
        f.write_str(if self.age < LONG { ")" } else { ", for more than 10 minutes)" })
    }
}

impl GitView<'_> {
    /// Returns the git process of this worktree that commits have to wait for, the oldest if there are several: `git revert` runs
    /// a `git commit`.
    ///
    /// It costs one system call for each process of the machine. Where there is no `/proc`, or its processes are hidden (those
    /// of other users, of other containers), nothing is found.
    pub(in crate::adapters::git) fn git_at_work(self) -> Option<GitProcess> {
        if sabotage::on(Sabotage::NoProcesses) {
            return None;
        }
        // One moment for all: of two that began in the same tick, the one that is looked at later would be the older.
        let now = uptime();
        let mut seen = BTreeSet::new();
        let mut found = Vec::new();
        for _ in 0..LISTINGS_MAX {
            // The newest last: they may be about to become git. Those that begin behind the listing are in the next one.
            let listed = pids()?;
            let new: Vec<u32> = listed.difference(&seen).copied().collect();
            if new.is_empty() {
                break;
            }
            found.extend(new.into_iter().filter_map(|pid| self.inspect(pid, now)));
            seen = listed;
        }
        let mut found = found.into_iter().max_by_key(|process| (process.age, Reverse(process.pid)))?;
        found.is_ancestor = is_ancestor(found.pid);
        Some(found)
    }

    fn inspect(self, pid: u32, now: Duration) -> Option<GitProcess> {
        let process = PathBuf::from(format!("/proc/{pid}"));
        // The program first: for all but a few processes this one call is all.
        let program = fs::read_link(process.join("exe")).ok()?;
        if !is_git(program.file_name()?.as_bytes()) {
            return None;
        }
        let line = fs::read(process.join("cmdline")).ok()?;
        let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
        let invocation = Invocation::parse(&words)?;
        if !invocation.writes_late() || !self.is_used_by(&process, &invocation) {
            return None;
        }
        let command = String::from_utf8_lossy(invocation.command).into_owned();
        let age = age(&fs::read_to_string(process.join("stat")).ok()?, now);
        Some(GitProcess { pid, command, age, is_ancestor: false })
    }

    /// Returns true if a git process works on this worktree.
    fn is_used_by(self, process: &Path, invocation: &Invocation<'_>) -> bool {
        let Ok(cwd) = fs::read_link(process.join("cwd")) else { return false };
        // Git changes to these folders by itself, so they may be behind it already.
        let asked = invocation.folders.iter().fold(cwd.clone(), |at, folder| at.join(folder));
        let variables = fs::read(process.join("environ")).unwrap_or_default();
        let named = invocation.git_dir.or_else(|| variable(&variables, b"GIT_DIR="));
        if let Some(named) = named {
            let places = [&asked, &cwd].map(|at| at.join(OsStr::from_bytes(named)));
            if let Some(dir) = places.iter().find_map(|place| fs::canonicalize(place).ok()) {
                return dir == self.repo.git_dir() || link_of(&dir).is_some_and(|dir| dir == self.repo.git_dir());
            }
        }
        self.is_nearest(&cwd) || asked != cwd && fs::canonicalize(&asked).is_ok_and(|at| self.is_nearest(&at))
    }

    /// Returns true if a git that is started in a folder finds this worktree first.
    fn is_nearest(self, folder: &Path) -> bool {
        if folder.starts_with(self.repo.git_dir()) {
            return true;
        }
        let home = self.repo.git_dir().parent().filter(|_| self.repo.git_dir().ends_with(".git"));
        let tops = [Some(self.repo.work_tree()), home];
        let Some(top) = tops.into_iter().flatten().find(|top| folder.starts_with(top)) else { return false };
        // A repository of its own that lies in this worktree, such as a submodule.
        !folder.ancestors().take_while(|at| *at != top).any(|at| at.join(".git").exists())
    }
}

/// The processes that there are; none where there is no `/proc`.
fn pids() -> Option<BTreeSet<u32>> {
    let processes = fs::read_dir("/proc").ok()?.flatten();
    Some(processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect())
}

/// Returns true for the file name of the git program itself, also of one that a packager has wrapped.
fn is_git(name: &[u8]) -> bool {
    let name = name.strip_prefix(b".").unwrap_or(name);
    let name = name.strip_suffix(b" (deleted)").unwrap_or(name);
    name.strip_prefix(b"git").is_some_and(|rest| rest.first().is_none_or(|byte| matches!(byte, b'-' | b'.')))
}

/// The git directory that a gitfile names.
fn link_of(file: &Path) -> Option<PathBuf> {
    let text = fs::metadata(file).ok().filter(fs::Metadata::is_file).and_then(|_| fs::read_to_string(file).ok())?;
    let named = text.strip_prefix("gitdir:")?.trim();
    fs::canonicalize(file.parent()?.join(named)).ok()
}

/// The value of a variable in the environment of a process; none if it is empty.
fn variable<'a>(environment: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let value = environment.split(|byte| *byte == 0).find_map(|one| one.strip_prefix(name))?;
    (!value.is_empty()).then_some(value)
}

/// The time since the machine began.
fn uptime() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or_default())
}

/// How long a process has been running, from its `stat` and the time since the machine began.
fn age(stat: &str, now: Duration) -> Duration {
    // The name of the program stands in parentheses and may hold anything; the start is field 22, the state field 3.
    let began =
        stat.rsplit_once(')').and_then(|(_, rest)| rest.split_ascii_whitespace().nth(22 - 3)?.parse::<u64>().ok());
    began.map_or(Duration::ZERO, |ticks| now.saturating_sub(Duration::from_millis(ticks * 1_000 / TICKS)))
}

/// Returns true if a process started this one, or started one that did.
fn is_ancestor(pid: u32) -> bool {
    let mut at = std::process::id();
    for _ in 0..PARENTS_MAX {
        let stat = fs::read_to_string(format!("/proc/{at}/stat")).unwrap_or_default();
        let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_ascii_whitespace().nth(4 - 3)?.parse().ok());
        match parent {
            Some(parent) if parent == pid => return true,
            Some(parent) if parent > 1 => at = parent,
            _ => return false,
        }
    }
    false
}

/// What a command line asks git for.
#[derive(Debug, PartialEq, Eq)]
struct Invocation<'a> {
    command: &'a [u8],
    /// The words after the command.
    rest: Vec<&'a [u8]>,
    /// The folders that git is to change to, in order (`-C`).
    folders: Vec<&'a OsStr>,
    /// The git directory, where the command line names one.
    git_dir: Option<&'a [u8]>,
}

impl<'a> Invocation<'a> {
    /// Reads the words of a command line; none if it asks for no command.
    fn parse(words: &[&'a [u8]]) -> Option<Self> {
        let (program, mut words) = words.split_first()?;
        let name = program.rsplit(|byte| *byte == b'/').next()?;
        let (mut folders, mut git_dir) = (Vec::new(), None);
        if let Some(command) = name.strip_prefix(b"git-") {
            return Some(Self { command, rest: words.to_vec(), folders, git_dir });
        }
        loop {
            let (word, after) = words.split_first()?;
            words = after;
            match *word {
                b"-C" => folders.push(OsStr::from_bytes(take(&mut words)?)),
                b"--git-dir" => git_dir = Some(take(&mut words)?),
                b"-c" | b"--work-tree" | b"--namespace" | b"--config-env" | b"--attr-source" | b"--super-prefix" => {
                    take(&mut words)?;
                }
                word if word.starts_with(b"--git-dir=") => git_dir = word.strip_prefix(b"--git-dir="),
                word if word.starts_with(b"-") => {}
                command => return Some(Self { command, rest: words.to_vec(), folders, git_dir }),
            }
        }
    }

    /// Returns true if the command writes the index or moves HEAD from what it read before it had the lock.
    ///
    /// Commands that lock the index before they read it and move no branch (`add`, `rm`, `mv`, `read-tree`, `apply`), and those
    /// that look whether it is still the same before they write (`status`, `diff`), are none of these.
    fn writes_late(&self) -> bool {
        let has = |words: &[&[u8]]| self.rest.iter().any(|word| words.contains(word));
        match self.command {
            b"am" | b"checkout" | b"cherry-pick" | b"commit" | b"merge" | b"pull" | b"rebase" | b"reset"
            | b"restore" | b"revert" | b"switch" => true,
            b"stash" => {
                let harmless: [&[u8]; 5] = [b"list", b"show", b"drop", b"clear", b"store"];
                !self.rest.first().is_some_and(|word| harmless.contains(word))
            }
            b"sparse-checkout" => !self.rest.first().is_some_and(|word| [&b"list"[..], b"check-rules"].contains(word)),
            b"checkout-index" => has(&[b"-u", b"--index"]),
            _ => false,
        }
    }
}

/// Takes the first word away.
fn take<'a>(words: &mut &[&'a [u8]]) -> Option<&'a [u8]> {
    let (first, rest) = words.split_first()?;
    *words = rest;
    Some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Option<(String, bool)> {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let invocation = Invocation::parse(&words)?;
        Some((String::from_utf8_lossy(invocation.command).into_owned(), invocation.writes_late()))
    }

    #[test]
    fn command_lines_are_read_as_git_does() {
        for (line, command, writes) in [
            ("git commit", "commit", true),
            ("git commit -m status", "commit", true),
            ("/usr/lib/git-core/git commit -a", "commit", true),
            ("/usr/lib/git-core/git-commit --amend", "commit", true),
            ("git -c user.name=status commit", "commit", true),
            ("git -C commit status", "status", false),
            ("git -C /r -c a.b=c --git-dir=/r/.git --work-tree /r commit", "commit", true),
            ("git --git-dir commit log", "log", false),
            ("git --no-pager --exec-path=/x -p --config-env a.b=C revert HEAD", "revert", true),
            ("git --namespace merge --attr-source reset fetch", "fetch", false),
            ("git log commit", "log", false),
            ("git push origin commit", "push", false),
            ("git status", "status", false),
            ("git fetch", "fetch", false),
            ("git diff", "diff", false),
            ("git add -p", "add", false),
            ("git gc", "gc", false),
            ("git cat-file --batch", "cat-file", false),
            ("git fsmonitor--daemon run", "fsmonitor--daemon", false),
            ("git merge-base a b", "merge-base", false),
            ("git commit-tree x", "commit-tree", false),
            ("git commit-graph write", "commit-graph", false),
            ("git stash", "stash", true),
            ("git stash push -m list", "stash", true),
            ("git stash pop", "stash", true),
            ("git stash list", "stash", false),
            ("git stash show -p", "stash", false),
            ("git sparse-checkout set a", "sparse-checkout", true),
            ("git sparse-checkout list", "sparse-checkout", false),
            ("git checkout-index -f -u -a", "checkout-index", true),
            ("git checkout-index -a", "checkout-index", false),
        ] {
            assert_eq!(parsed(line), Some((command.to_owned(), writes)), "{line}");
        }
        for command in ["am", "checkout", "cherry-pick", "merge", "pull", "rebase", "reset", "restore", "switch"] {
            assert_eq!(parsed(&format!("git {command} x")), Some((command.to_owned(), true)));
        }
        for line in ["git", "git --version", "git -C", "git -c commit", "git --git-dir commit"] {
            assert_eq!(parsed(line), None, "{line}");
        }
    }

    #[test]
    fn the_program_is_known_by_its_file() {
        for (name, expected) in [
            ("git", true),
            ("git-commit", true),
            (".git-wrapped", true),
            ("git.real", true),
            ("git (deleted)", true),
            ("gitui", false),
            ("gitk", false),
            ("github-desktop", false),
            ("bash", false),
            ("legit", false),
        ] {
            assert_eq!(is_git(name.as_bytes()), expected, "{name}");
        }
    }

    #[test]
    fn a_process_is_named_and_after_ten_minutes_something_is_to_be_done() {
        let process = |secs, is_ancestor| GitProcess {
            pid: 7,
            command: "commit".to_owned(),
            age: Duration::from_secs(secs),
            is_ancestor,
        };
        let young = process(0, false);
        assert_eq!(young.to_string(), "a `git commit` is under way (process 7)");
        assert_eq!(young.hint(), "what waits is committed when it has ended");
        assert_eq!(young.to_string(), process(599, false).to_string());
        let old = process(600, false);
        assert_eq!(old.to_string(), "a `git commit` is under way (process 7, for more than 10 minutes)");
        assert!(old.hint().contains("`kill 7`"), "{}", old.hint());
        assert_eq!(old.to_string(), process(90_000, false).to_string());
        for (process, expected) in [(young, false), (process(1, false), true), (process(0, true), true)] {
            assert_eq!(process.is_lasting(), expected, "{process:?}");
        }
    }

    #[test]
    fn the_age_and_the_parents_of_this_process_are_known() {
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        assert!(age(&stat, uptime()) < Duration::from_secs(3_600), "{stat}");
        assert_eq!(age("7 (a) b) S 1", uptime()), Duration::ZERO);
        assert!(std::os::unix::process::parent_id() <= 1 || is_ancestor(std::os::unix::process::parent_id()));
        assert!(!is_ancestor(std::process::id()));
    }
}
