//! `instructions`: the guide for agents, printed or kept as a block of a file such as AGENTS.md. Touches nothing else of that file.

mod block;
mod guide;

use std::path::{Path, PathBuf};

use serde_json::json;

use super::answer::Answer;
use super::render::{Ink, paint};
use super::session::{self, Session};
use crate::adapters::store::{self, ReplaceOutcome};
use crate::api::view::{ErrorReport, Exit};
use crate::core::name::visible;
use crate::core::problem::ErrorClass;

/// The file that agents of most makers read.
const FILE: &str = "AGENTS.md";
/// Largest file that a block is kept in.
const BYTES_MAX: usize = 4 * 1024 * 1024;
/// Tries if somebody else saves the file at the same time.
const ATTEMPTS_MAX: usize = 10;

/// Print the guide for agents, or keep it in AGENTS.md
#[derive(Debug, clap::Args)]
#[command(
    after_help = "FILE is named below the work tree. Only the lines between the marks `<!-- mycelium:begin` and \
`<!-- mycelium:end` are ours; every other byte stays as it is."
)]
pub(crate) struct Args {
    /// Write the guide into this file, as a block that later calls bring up to date
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = FILE, conflicts_with_all = ["remove", "check"])]
    write: Option<PathBuf>,
    /// Take the block out of the file again
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = FILE, conflicts_with = "check")]
    remove: Option<PathBuf>,
    /// Only see whether the file's block is up to date; end with 1 if not
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = FILE)]
    check: Option<PathBuf>,
}

/// What is to be done to the block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    Write,
    Remove,
    Check,
}

/// Prints the guide, or keeps it.
pub(crate) fn run(args: &Args, session: &Session) -> Result<Answer, ErrorReport> {
    let project = session.open()?;
    let mut answer = session::answer("instructions", &project)?;
    let folder = visible(project.folder());
    let chosen = [(Deed::Write, &args.write), (Deed::Remove, &args.remove), (Deed::Check, &args.check)];
    let Some((deed, file)) = chosen.into_iter().find_map(|(deed, file)| Some((deed, file.as_deref()?))) else {
        let text = guide::guide(&folder, project.agent(), project.leases().default_lease());
        answer.words = format!("{}\n", paint(Ink::Dim, &size(&text)));
        answer.data = json!({ "text": text, "bytes": text.len(), "tokens": guide::tokens(&text) });
        answer.text = text;
        return Ok(answer);
    };
    // The block is for everybody who works here, so it names nobody.
    let text = guide::guide(&folder, None, project.leases().default_lease());
    let block = marked(&text);
    let path = project.root().join(file);
    let state = match deed {
        Deed::Check => state(&path, file, &block)?,
        Deed::Write => change(&path, file, &|old| block::put(old, &block))?,
        Deed::Remove => change(&path, file, &block::remove)?,
    };
    let name = visible(&file.display().to_string());
    (answer.text, answer.words) = match (deed, state) {
        (Deed::Remove, "missing") => (String::new(), format!("there is no block in {name}\n")),
        _ => told(state, &name, &size(&text)),
    };
    answer.data = json!({ "file": name, "state": state, "bytes": block.len(), "tokens": guide::tokens(&block) });
    answer.exit = if deed == Deed::Check && state != "current" { Exit::Problems } else { Exit::Ok };
    Ok(answer)
}

fn size(text: &str) -> String {
    format!("{} bytes, about {} tokens", text.len(), guide::tokens(text))
}

/// The block as it stands in a file.
fn marked(text: &str) -> String {
    format!(
        "{} (kept by `mycelium instructions --write`; changes in here are overwritten) -->\n{text}{} -->\n",
        block::BEGIN,
        block::END
    )
}

/// What is printed, and what is said about it.
fn told(state: &str, name: &str, size: &str) -> (String, String) {
    match state {
        "made" => (format!("wrote {name} ({size})\n"), "it is yours to commit, like any other file\n".to_owned()),
        "written" => (format!("wrote the block in {name} ({size})\n"), String::new()),
        "current" => (format!("{} the block in {name} is up to date\n", paint(Ink::Good, "✓")), String::new()),
        "outdated" => (
            format!("{} the block in {name} is out of date\n", paint(Ink::Bad, "✗")),
            format!("{} run `mycelium instructions --write {name}`\n", paint(Ink::Hint, "hint:")),
        ),
        "missing" => (
            format!("{} there is no block in {name}\n", paint(Ink::Bad, "✗")),
            format!("{} run `mycelium instructions --write {name}`\n", paint(Ink::Hint, "hint:")),
        ),
        "gone" => (format!("removed {name}, which held nothing else\n"), String::new()),
        _ => (format!("removed the block from {name}\n"), String::new()),
    }
}

/// Whether the file has the block as it should be.
fn state(path: &Path, file: &Path, block: &str) -> Result<&'static str, ErrorReport> {
    let Some(text) = read(path, file)? else { return Ok("missing") };
    match block::find(&text).map_err(|broken| refuse(file, broken))? {
        None => Ok("missing"),
        Some(_) if block::put(&text, block).is_ok_and(|new| new == text) => Ok("current"),
        Some(_) => Ok("outdated"),
    }
}

/// A change of a file's bytes.
type Change<'a> = &'a dyn Fn(&[u8]) -> Result<Vec<u8>, block::Broken>;

/// Changes the file, unless somebody else saves it in between: then it is looked at again.
fn change(path: &Path, file: &Path, change: Change<'_>) -> Result<&'static str, ErrorReport> {
    for _ in 0..ATTEMPTS_MAX {
        let old = read(path, file)?;
        let text = old.as_deref().unwrap_or_default();
        let had = block::find(text).map_err(|broken| refuse(file, broken))?.is_some();
        let new = change(text).map_err(|broken| refuse(file, broken))?;
        let has = block::find(&new).is_ok_and(|block| block.is_some());
        let word = match (old.is_some(), had, has) {
            (_, false, false) => return Ok("missing"),
            _ if new == text => return Ok("current"),
            (false, ..) => "made",
            (true, _, true) => "written",
            (true, _, false) if new.is_empty() => "gone",
            (true, _, false) => "removed",
        };
        let wanted = if word == "gone" { None } else { Some(new.as_slice()) };
        match store::replace_bytes(path, old.as_deref(), wanted).map_err(|error| unusable(file, &error))? {
            ReplaceOutcome::Yes => return Ok(word),
            ReplaceOutcome::Overtaken => {}
        }
    }
    let message = format!("`{}` is being saved by another program all the time", visible(&file.display().to_string()));
    Err(ErrorReport::new(ErrorClass::Busy, "restless", message).hint("try again in a moment"))
}

fn read(path: &Path, file: &Path) -> Result<Option<Vec<u8>>, ErrorReport> {
    store::read_bytes(path, BYTES_MAX).map_err(|error| unusable(file, &error))
}

fn unusable(file: &Path, error: &std::io::Error) -> ErrorReport {
    let name = visible(&file.display().to_string());
    let failure =
        ErrorReport::new(ErrorClass::Problem, "folder", format!("cannot use `{name}`")).cause(error.to_string());
    // ELOOP is what opening a link without following it says; `ErrorKind` has no stable word for it.
    match error.raw_os_error() {
        Some(ELOOP) => failure.hint("it is a symbolic link: name the file that it leads to"),
        _ => failure.hint("name a text file below the work tree"),
    }
}

/// What the system says to opening a symbolic link that is not to be followed.
const ELOOP: i32 = if cfg!(target_os = "linux") { 40 } else { 62 };

fn refuse(file: &Path, broken: block::Broken) -> ErrorReport {
    let message = format!("`{}`:{}: {}", visible(&file.display().to_string()), broken.line, broken.why);
    ErrorReport::new(ErrorClass::Conflict, "bad-block", message).hint(
        "delete the lines with the marks `mycelium:begin` and `mycelium:end` and what is between them, then try again",
    )
}
