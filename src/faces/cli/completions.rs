//! `completions`: the script that makes a shell complete our command lines, and where to put it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::answer::Answer;
use super::complete::{self, program};
use crate::adapters::store;
use crate::api::view::{AnswerHead, ErrorReport};
use crate::core::name::visible;
use crate::core::problem::ErrorClass;
use crate::services::{home, variable};

/// Largest start file of a shell that a line is added to, in bytes.
const START_FILE_BYTES_MAX: usize = 1024 * 1024;

const EXAMPLES: &str = "\
Examples:
  mycelium completions                how to set it up for your shell
  source <(mycelium completions bash)
  mycelium completions fish | source
  mycelium completions --install      adds that line to your shell's start file, once

Ids, agents, types, statuses, steps, settings and their values are completed from the repository you are in.";

/// Print the script that lets a shell complete commands, ids and values
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Print the script of this shell [default: say how to set up the one that SHELL names]
    #[arg(value_name = "SHELL", value_parser = shell)]
    shell: Option<Shell>,
    /// Add the line to the shell's start file, if it is not there yet
    #[arg(long)]
    install: bool,
}

/// A shell that can be taught.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shell(&'static str);

fn shell(name: &str) -> Result<Shell, String> {
    let name = if name == "pwsh" { "powershell" } else { name };
    let known = complete::shells();
    known
        .iter()
        .find(|shell| **shell == name)
        .map(|shell| Shell(shell))
        .ok_or_else(|| format!("`{}` is no shell that can be taught: it is {}", visible(name), known.join(", ")))
}

/// What is to be done for one shell.
#[derive(Debug, PartialEq, Eq)]
struct Recipe {
    /// The file that the shell reads at its start.
    file: PathBuf,
    /// The line that belongs there.
    line: String,
}

/// Prints the script, or how to use it, or puts it to use.
pub(crate) fn run(args: &Args) -> Result<Answer, ErrorReport> {
    let shell = args.shell.or_else(of_user).ok_or_else(unknown)?;
    let recipe = recipe(shell, &home().ok_or_else(no_home)?, &variable, &program());
    let script = complete::script_for(shell.0).unwrap_or_default();
    let mut answer = Answer::new("completions", AnswerHead::default());
    answer.data = json!({
        "shell": shell.0,
        "file": recipe.file.display().to_string(),
        "line": recipe.line,
        "script": script,
        "installed": null,
    });
    if args.install {
        let added = install(&recipe)?;
        answer.data["installed"] = json!(if added { "added" } else { "there" });
        let file = visible(&recipe.file.display().to_string());
        answer.words = if added {
            format!("added a line to {file}; a new shell completes\n")
        } else {
            format!("{file} has the line already\n")
        };
    } else if args.shell.is_some() {
        answer.text = script;
    } else {
        answer.text = hint(shell, &recipe);
    }
    Ok(answer)
}

fn of_user() -> Option<Shell> {
    let path = PathBuf::from(variable("SHELL")?);
    shell(path.file_name()?.to_str()?).ok()
}

/// File and line for a shell, in a home folder with these variables, for a program that is called so.
fn recipe(shell: Shell, home: &Path, variable: &dyn Fn(&str) -> Option<String>, program: &str) -> Recipe {
    let config = variable("XDG_CONFIG_HOME").map_or_else(|| home.join(".config"), PathBuf::from);
    let program = if program.chars().all(|c| c.is_alphanumeric() || "/._-+".contains(c)) {
        program.to_owned()
    } else {
        format!("'{}'", program.replace('\'', "'\\''"))
    };
    let (file, line) = match shell.0 {
        "zsh" => (
            variable("ZDOTDIR").map_or_else(|| home.to_owned(), PathBuf::from).join(".zshrc"),
            // `compdef` is there only once the completion system runs.
            format!(
                "(( $+functions[compdef] )) || {{ autoload -Uz compinit && compinit }}; source <({program} completions zsh)"
            ),
        ),
        "fish" => (config.join("fish/completions/mycelium.fish"), format!("{program} completions fish | source")),
        "elvish" => (config.join("elvish/rc.elv"), format!("eval ({program} completions elvish | slurp)")),
        "powershell" => (
            config.join("powershell/Microsoft.PowerShell_profile.ps1"),
            format!("{program} completions powershell | Out-String | Invoke-Expression"),
        ),
        _ => (home.join(".bashrc"), format!("source <({program} completions bash)")),
    };
    Recipe { file, line }
}

fn hint(shell: Shell, recipe: &Recipe) -> String {
    let mut out = String::new();
    let file = visible(&recipe.file.display().to_string());
    let _ = writeln!(out, "# for {}, in {file}:", shell.0);
    let _ = writeln!(out, "{}", visible(&recipe.line));
    let _ = writeln!(out, "# or let `mycelium completions {} --install` add it", shell.0);
    out
}

/// Adds the line to the file; `false` if it is there. A start file that is a link stays one: somebody keeps it elsewhere.
fn install(recipe: &Recipe) -> Result<bool, ErrorReport> {
    let shown = visible(&recipe.file.display().to_string());
    let fault = |error: std::io::Error| {
        let failure =
            ErrorReport::new(ErrorClass::Problem, "not-installed", format!("could not add a line to `{shown}`"));
        failure.cause(error.to_string()).hint(format!("add it yourself: {}", recipe.line))
    };
    let file = store::real_path(&recipe.file).map_err(fault)?;
    let text = store::read_text(&file, START_FILE_BYTES_MAX).map_err(fault)?.unwrap_or_default();
    if text.lines().any(|line| line.trim() == recipe.line) {
        return Ok(false);
    }
    store::append_line(&file, &text, &recipe.line).map_err(fault)?;
    Ok(true)
}

fn unknown() -> ErrorReport {
    let message = "the variable SHELL names no shell that can be taught";
    let names = complete::shells().join(", ");
    ErrorReport::usage("unknown-shell", message).hint(format!("name it: `mycelium completions SHELL`, one of {names}"))
}

fn no_home() -> ErrorReport {
    ErrorReport::new(ErrorClass::Problem, "no-home", "you have no home folder").hint("set the variable HOME")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shell_has_a_file_and_a_line() {
        let none = |_: &str| None;
        for (shell, file, line) in [
            ("bash", "/h/.bashrc", "source <(mycelium completions bash)"),
            (
                "zsh",
                "/h/.zshrc",
                "(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }; source <(mycelium completions zsh)",
            ),
            ("fish", "/h/.config/fish/completions/mycelium.fish", "mycelium completions fish | source"),
            ("elvish", "/h/.config/elvish/rc.elv", "eval (mycelium completions elvish | slurp)"),
        ] {
            let expected = Recipe { file: PathBuf::from(file), line: line.to_owned() };
            assert_eq!(recipe(Shell(shell), Path::new("/h"), &none, "mycelium"), expected, "{shell}");
        }
        assert!(complete::shells().into_iter().all(|shell| complete::script_for(shell).is_some()));
    }

    #[test]
    fn folders_of_the_user_count_and_a_strange_path_is_quoted() {
        let moved = |name: &str| (name == "ZDOTDIR").then(|| "/z".to_owned());
        let recipe = recipe(Shell("zsh"), Path::new("/h"), &moved, "/my tools/mycelium");
        assert_eq!(recipe.file, Path::new("/z/.zshrc"));
        assert!(recipe.line.ends_with("source <('/my tools/mycelium' completions zsh)"), "{}", recipe.line);
    }

    #[test]
    fn the_line_is_added_once_and_nothing_else_changes() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let recipe = Recipe { file: dir.path().join("new/.bashrc"), line: "source x".to_owned() };
        assert!(install(&recipe).expect("made"));
        assert!(!install(&recipe).expect("seen"));
        assert_eq!(std::fs::read_to_string(&recipe.file).expect("read"), "source x\n");
        std::fs::write(&recipe.file, "no line end").expect("written");
        let link = Recipe { file: dir.path().join("link"), ..recipe };
        std::os::unix::fs::symlink("new/.bashrc", &link.file).expect("linked");
        assert!(install(&link).expect("added"));
        assert!(link.file.is_symlink());
        assert_eq!(std::fs::read_to_string(&link.file).expect("read"), "no line end\nsource x\n");
    }
}
