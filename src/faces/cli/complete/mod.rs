//! Completion while a command line is being typed: a shell asks with `COMPLETE=bash mycelium -- WORD...`, candidates go
//! back. Looks only, waits for nothing, and is silent where there is nothing to say.

mod candidates;
mod line;
mod source;

use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Arg, CommandFactory as _};
use clap_complete::engine::{ArgValueCompleter, PathCompleter, ValueCompleter as _};
use clap_complete::env::{EnvCompleter, Shells};

use super::args::Cli;
use crate::api::view::Exit;
use candidates::Candidates;
use line::Line;
use source::Source;

/// The variable in which a shell says who it is.
const VARIABLE: &str = "COMPLETE";
/// Where in the words the cursor stands; what a shell calls that is fixed by its script.
const INDEX: &str = "_CLAP_COMPLETE_INDEX";

/// Answers a shell that asks for candidates (or for its script); `None` if this is an ordinary run.
pub(crate) fn answer(arguments: &[OsString]) -> Option<ExitCode> {
    let shells = Shells::builtins();
    let asking = std::env::var_os(VARIABLE)?;
    // The variable is a common word: what is no shell, or no question, is not for us.
    let shell = shells.completer(asking.to_str()?)?;
    let told = match arguments {
        [_] => script(shell).into_bytes(),
        [_, dashes, words @ ..] if dashes == "--" && !words.is_empty() => candidates(shell, words),
        _ => return None,
    };
    // A shell that went away has no need of the answer.
    let _ = std::io::stdout().lock().write_all(&told);
    Some(Exit::Ok.into())
}

/// The names of the shells that have a script.
pub(crate) fn shells() -> Vec<&'static str> {
    Shells::builtins().names().collect()
}

/// The script that a shell reads at its start; `None` for a shell that has none.
pub(crate) fn script_for(name: &str) -> Option<String> {
    Shells::builtins().completer(name).map(script)
}

fn script(shell: &dyn EnvCompleter) -> String {
    let mut script = Vec::new();
    let written = shell.write_registration(VARIABLE, "mycelium", "mycelium", &program(), &mut script);
    written.map(|()| String::from_utf8_lossy(&script).trim().to_owned() + "\n").unwrap_or_default()
}

/// This program as a script calls it: by name if it was found by name, else by its path.
pub(crate) fn program() -> String {
    let first = std::env::args_os().next().unwrap_or_default();
    let by_path = first.to_string_lossy().contains('/');
    let path = if by_path { std::env::current_exe().ok() } else { None };
    path.map_or_else(|| "mycelium".to_owned(), |path| path.display().to_string())
}

fn candidates(shell: &dyn EnvCompleter, words: &[OsString]) -> Vec<u8> {
    let index = std::env::var(INDEX).ok().and_then(|text| text.parse().ok()).unwrap_or(words.len() - 1);
    let typed = words.get(index).cloned().unwrap_or_default();
    let mut command = Cli::command();
    command.build();
    let line = Line::read(&command, words.get(1..index.min(words.len())).unwrap_or_default());
    let mut command = wired(command, "", &Arc::new(Candidates::new(line)), &typed);
    let mut told = Vec::new();
    // What cannot be completed is no error while somebody types.
    match shell.write_complete(&mut command, words.to_vec(), None, &mut told) {
        Ok(()) => told,
        Err(_) => Vec::new(),
    }
}

/// The command with a source of candidates at every argument that has one.
fn wired(command: clap::Command, path: &str, candidates: &Arc<Candidates>, typed: &OsStr) -> clap::Command {
    // Options are offered to who begins one, so that they do not stand between the ids.
    let only_values = !typed.to_string_lossy().starts_with('-');
    let command = command.mut_args(|arg| {
        let arg = match source::of(path, &arg) {
            Some(source) => arg_with(arg, source, candidates),
            None => arg,
        };
        let hidden = arg.is_hide_set() || only_values && !arg.is_positional();
        // Under a heading of their own, the options of every command would come first where they are known first.
        arg.hide(hidden).help_heading(None::<&str>)
    });
    let path = path.to_owned();
    let candidates = Arc::clone(candidates);
    let typed = typed.to_owned();
    command.mut_subcommands(move |sub| {
        let below = format!("{path} {}", sub.get_name()).trim_start().to_owned();
        wired(sub, &below, &candidates, &typed)
    })
}

fn arg_with(arg: Arg, source: Source, candidates: &Arc<Candidates>) -> Arg {
    match source {
        Source::Free => arg,
        Source::File => arg.add(ArgValueCompleter::new(PathCompleter::file())),
        Source::Folder => arg.add(ArgValueCompleter::new(PathCompleter::dir())),
        Source::Text => arg.add(ArgValueCompleter::new(|current: &OsStr| {
            let Some(path) = current.to_str().and_then(|text| text.strip_prefix('@')) else { return Vec::new() };
            let found = PathCompleter::any().complete(OsStr::new(path));
            found.into_iter().map(|candidate| candidate.add_prefix("@")).collect()
        })),
        source => {
            let candidates = Arc::clone(candidates);
            arg.add(ArgValueCompleter::new(move |current: &OsStr| candidates.offer(&source, current)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every argument below a command that takes a value, as `task get ID`.
    fn all(command: &clap::Command, path: &str, seen: &mut Vec<(String, bool)>) {
        for arg in command.get_arguments().filter(|arg| !arg.is_hide_set() && arg.get_action().takes_values()) {
            let known = !arg.get_possible_values().is_empty() || source::of(path, arg).is_some();
            seen.push((format!("{path} {}", arg.get_id()), known));
        }
        for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
            all(sub, format!("{path} {}", sub.get_name()).trim_start(), seen);
        }
    }

    #[test]
    fn every_value_has_a_source_or_is_known_to_have_none() {
        let mut command = Cli::command();
        command.build();
        let mut seen = Vec::new();
        all(&command, "", &mut seen);
        assert!(seen.len() > 100, "only {} arguments were seen", seen.len());
        let unknown: Vec<_> = seen.iter().filter(|(_, known)| !known).map(|(name, _)| name).collect();
        assert!(unknown.is_empty(), "nobody said how to complete {unknown:?}");
    }
}
