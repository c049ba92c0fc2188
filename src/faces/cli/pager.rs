//! Long answers on a terminal go through the user's pager. The program is the user's own choice: nothing in a repository
//! can name it.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use unicode_width::UnicodeWidthStr as _;

use super::answer::choice as choice_of_colours;
use crate::services::variable;

/// What shows a long text where nobody chose.
const DEFAULT: &str = "less";
/// How `less` behaves unless the user says otherwise: it ends if all fits, shows colours, and leaves the text there.
const LESS: &str = "FRX";
/// How a shell says that there is no such program.
const NOT_FOUND: i32 = 127;

/// Whether the pager may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paging {
    /// Where it helps.
    Allowed,
    /// Not at all.
    Never,
}

/// Shows a text in the pager; `false` if it is better printed: short, no terminal, no pager. `setting` is `ui.pager`.
pub(crate) fn show(text: &str, setting: Option<&str>, paging: Paging) -> bool {
    let may_page = paging == Paging::Allowed && io::stdout().is_terminal();
    let Some((width, height)) = may_page.then(terminal_size::terminal_size).flatten() else { return false };
    let plain = anstream::adapter::strip_str(text).to_string();
    if rows(&plain, usize::from(width.0)) < usize::from(height.0) {
        return false;
    }
    let Some(line) = choice(setting, &variable) else { return false };
    let colours = choice_of_colours(true) != anstream::ColorChoice::Never;
    let shown = if colours { text } else { plain.as_str() };
    start(&line).is_some_and(|pager| feed(pager, shown))
}

/// The rows that a text takes on a terminal of this width.
fn rows(plain: &str, width: usize) -> usize {
    plain.lines().map(|line| line.width().div_ceil(width.max(1)).max(1)).sum()
}

/// The command line of the pager; `None` if none is wanted.
fn choice(setting: Option<&str>, variable: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    if variable("TERM").is_some_and(|term| term == "dumb") {
        return None;
    }
    let chosen = setting.map(ToOwned::to_owned).or_else(|| variable("PAGER")).unwrap_or_else(|| DEFAULT.to_owned());
    let is_none = ["", "cat"].contains(&chosen.trim());
    (!is_none && is_there(&chosen, variable("PATH").as_deref().unwrap_or_default())).then_some(chosen)
}

/// Whether the program that a command line begins with is there; what only a shell understands is left to it.
fn is_there(line: &str, path: &str) -> bool {
    let program = line.split_whitespace().next().unwrap_or_default();
    if program.contains(['$', '\'', '"', '=', '\\', '~', '`', '(']) {
        return true;
    }
    if program.contains('/') {
        return Path::new(program).is_file();
    }
    std::env::split_paths(path).any(|folder| folder.join(program).is_file())
}

fn start(line: &str) -> Option<Child> {
    let mut command = Command::new("sh");
    command.arg("-c").arg(line).stdin(Stdio::piped());
    if variable("LESS").is_none() {
        command.env("LESS", LESS);
    }
    if variable("LV").is_none() {
        command.env("LV", "-c");
    }
    command.spawn().ok()
}

/// Gives the pager the text and waits for its end; `false` if it was not there after all.
fn feed(mut pager: Child, text: &str) -> bool {
    // Ctrl-C belongs to the pager while it runs: it stops a search there, and must not leave the terminal to two readers.
    let interrupted = Arc::new(AtomicBool::new(false));
    let heard = signal_hook::flag::register(signal_hook::consts::SIGINT, interrupted);
    if let Some(mut input) = pager.stdin.take() {
        // Who quits before the end has seen enough.
        let _ = input.write_all(text.as_bytes());
    }
    let ended = pager.wait();
    if let Ok(heard) = heard {
        signal_hook::low_level::unregister(heard);
    }
    ended.is_ok_and(|status| status.code() != Some(NOT_FOUND))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_take_more_rows() {
        for (text, width, expected) in
            [("", 80, 0), ("a\nb\n", 80, 2), ("\n\n", 80, 2), ("日本語", 4, 2), ("abcd", 4, 1)]
        {
            assert_eq!(rows(text, width), expected, "{text:?} in {width}");
        }
    }

    #[test]
    fn the_users_choice_counts_and_nothing_else_is_started() {
        let bin = "/bin:/usr/bin";
        let env = |pager: Option<&'static str>, term: &'static str| {
            move |name: &str| match name {
                "PAGER" => pager.map(ToOwned::to_owned),
                "TERM" => Some(term.to_owned()),
                "PATH" => Some(bin.to_owned()),
                _ => None,
            }
        };
        for (setting, variable, term, expected) in [
            (Some("sh -c cat"), Some("true"), "xterm", Some("sh -c cat")),
            (None, Some("sh"), "xterm", Some("sh")),
            (None, Some("cat"), "xterm", None),
            (Some("cat"), Some("sh"), "xterm", None),
            (None, Some("there-is-no-such-pager -R"), "xterm", None),
            (None, Some("/nowhere/less"), "xterm", None),
            (None, Some("A=1 sh"), "xterm", Some("A=1 sh")),
            (None, Some("sh"), "dumb", None),
        ] {
            assert_eq!(choice(setting, &env(variable, term)).as_deref(), expected, "{setting:?} {variable:?} {term}");
        }
    }
}
