//! Where the user stands and which agent the command line named, so that the commands of hints work as they are printed.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::core::name::shell_word;

static CALLER: OnceLock<Caller> = OnceLock::new();

/// Commands that show nothing of a folder and change nothing in it.
const PLACELESS: [&str; 6] = ["man", "explain", "completions", "help", "-h", "--help"];
/// Commands whose subcommands act in an agent's name.
const ACTORS: [&str; 6] = ["task", "agent", "workflow", "event", "batch", "archive"];
/// Subcommands and options that only show something, or that are for another than the one who reads the hint.
const NOT_ACTING: [&str; 6] = ["get", "list", "subscribe", "approve", "--help", "help"];
/// Git's subcommands whose paths are read from where the user stands.
const WITH_PATHS: [&str; 8] = ["add", "rm", "mv", "restore", "checkout", "commit", "stash", "update-index"];
/// Programs whose paths are read from where the user stands.
const FILE_PROGRAMS: [&str; 4] = ["mv", "rm", "chmod", "printf"];

/// The options of the command line that every command to come needs too, and the way to the top of the worktree.
#[derive(Debug, Default)]
struct Caller {
    /// The value of `--as`; none if the environment named the agent.
    agent: Option<String>,
    /// The value of `--root`.
    root: Option<PathBuf>,
    /// The top of the worktree, as seen from where the user stands; none if the user stands there.
    top: Option<PathBuf>,
}

/// Remembers what every command to come needs too: the agent and the root that the command line named, and the way to the
/// top of the worktree; `None` where the user stands there. The first call of a process counts.
pub fn remember_caller(agent: Option<String>, root: Option<PathBuf>, top: Option<PathBuf>) {
    let _ = CALLER.get_or_init(|| Caller { agent, root, top });
}

/// Returns a text with the commands between backticks completed: `--as` and `--root` of this run, and the folder that
/// relative paths begin at. A command that has them already is left as it is.
#[must_use]
pub fn complete_commands(text: &str) -> Cow<'_, str> {
    CALLER.get().map_or(Cow::Borrowed(text), |caller| caller.complete(text))
}

/// Returns advice with its commands completed, for programs.
#[must_use]
pub fn complete_hint(hint: Option<impl AsRef<str>>) -> Option<String> {
    hint.map(|hint| complete_commands(hint.as_ref()).into_owned())
}

impl Caller {
    fn complete<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.agent.is_none() && self.root.is_none() && self.top.is_none() || !text.contains('`') {
            return Cow::Borrowed(text);
        }
        let mut parts: Vec<String> = text.split('`').map(str::to_owned).collect();
        // A backtick without its other half quotes nothing.
        let quoted = parts.len() - (1 - parts.len() % 2);
        for part in parts[..quoted].iter_mut().skip(1).step_by(2) {
            *part = self.command(part);
        }
        Cow::Owned(parts.join("`"))
    }

    fn command(&self, command: &str) -> String {
        let words: Vec<&str> = command.split(' ').collect();
        match words.as_slice() {
            ["mycelium", subcommand, rest @ ..] => self.ours(command, subcommand, rest),
            ["git", subcommand, rest @ ..] => self.gits(command, subcommand, rest),
            [program, rest @ ..] if FILE_PROGRAMS.contains(program) && rest.iter().any(|word| is_relative(word)) => {
                match &self.top {
                    Some(top) => format!("cd {} && {command}", shown(top)),
                    None => command.to_owned(),
                }
            }
            _ => command.to_owned(),
        }
    }

    fn ours(&self, command: &str, subcommand: &str, rest: &[&str]) -> String {
        let mut options = String::new();
        let is_acting = ACTORS.contains(&subcommand) && !rest.iter().any(|word| NOT_ACTING.contains(word));
        if let Some(agent) = self.agent.as_ref().filter(|_| is_acting && !rest.contains(&"--as")) {
            let _ = write!(options, " --as {}", shell_word(agent));
        }
        if let Some(root) = self.root.as_ref().filter(|_| !PLACELESS.contains(&subcommand) && !rest.contains(&"--root"))
        {
            let _ = write!(options, " --root {}", shown(root));
        }
        let ends = [" | ", " && ", " > ", " -- "].iter().filter_map(|end| command.find(end)).min();
        let (command, behind) = command.split_at(ends.unwrap_or(command.len()));
        format!("{command}{options}{behind}")
    }

    fn gits(&self, command: &str, subcommand: &str, rest: &[&str]) -> String {
        let is_elsewhere = match subcommand {
            "-C" => false,
            "config" => self.root.is_some() && !rest.contains(&"--global"),
            _ => self.root.is_some() || WITH_PATHS.contains(&subcommand),
        };
        let Some(top) = self.top.as_ref().filter(|_| is_elsewhere) else { return command.to_owned() };
        // A line may go on with another command of git.
        command
            .split(" && ")
            .map(|one| one.replacen("git ", &format!("git -C {} ", shown(top)), 1))
            .collect::<Vec<_>>()
            .join(" && ")
    }
}

fn is_relative(word: &str) -> bool {
    let word = word.trim_start_matches('\'');
    !word.is_empty() && !word.starts_with(['/', '-', '~', '%', '>', '\\']) && word.contains(['/', '.'])
}

fn shown(path: &Path) -> String {
    shell_word(&path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(agent: Option<&str>, root: Option<&str>, top: Option<&str>) -> Caller {
        Caller { agent: agent.map(str::to_owned), root: root.map(PathBuf::from), top: top.map(PathBuf::from) }
    }

    #[test]
    fn commands_get_what_the_command_line_had() {
        let caller = caller(Some("ann"), Some("../a b"), Some("../a b"));
        for (text, wanted) in [
            (
                "run `mycelium task claim task-1 --force` now",
                "run `mycelium task claim task-1 --force --as ann --root '../a b'` now",
            ),
            (
                "a person runs `mycelium task approve x --self`",
                "a person runs `mycelium task approve x --self --root '../a b'`",
            ),
            ("`mycelium task get task-1`", "`mycelium task get task-1 --root '../a b'`"),
            ("`mycelium task claim --as ben x`", "`mycelium task claim --as ben x --root '../a b'`"),
            ("`mycelium explain MYC101` and `ann`", "`mycelium explain MYC101` and `ann`"),
            ("`git fetch origin`", "`git -C '../a b' fetch origin`"),
            ("`git add -- x && git commit`", "`git -C '../a b' add -- x && git -C '../a b' commit`"),
            ("`git config --global user.name x`", "`git config --global user.name x`"),
            ("`mv .claude/a .claude/b`", "`cd '../a b' && mv .claude/a .claude/b`"),
            ("`rm /tmp/lock`, and a lone `mycelium check", "`rm /tmp/lock`, and a lone `mycelium check"),
        ] {
            assert_eq!(caller.complete(text), wanted);
            assert_eq!(caller.complete(wanted), wanted, "twice is as good as once");
        }
    }

    #[test]
    fn paths_begin_at_the_top_of_the_work_tree() {
        let caller = caller(None, None, Some("../.."));
        assert_eq!(caller.complete("`git add -- a/b`"), "`git -C ../.. add -- a/b`");
        assert_eq!(caller.complete("`git fetch` and `mycelium check`"), "`git fetch` and `mycelium check`");
        assert_eq!(caller.complete("`rm a/b`"), "`cd ../.. && rm a/b`");
    }

    #[test]
    fn a_user_at_the_top_sees_hints_as_they_are() {
        let text = "run `mycelium task claim x` or `git add -- y`";
        assert!(matches!(caller(None, None, None).complete(text), Cow::Borrowed(_)));
    }
}
