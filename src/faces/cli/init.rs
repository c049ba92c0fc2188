//! `init`: conveniences that nobody needs; asks nothing, overwrites nothing, prints what it wrote.

use std::fmt::Write as _;

use serde_json::json;

use super::answer::Answer;
use super::render;
use super::session::{self, Session};
use crate::adapters::store::real_path;
use crate::api::view::ErrorReport;
use crate::core::name::{is_unsafe_to_show, visible};
use crate::core::problem::ErrorClass;
use crate::core::template::Shape;
use crate::services::{Driver, Drivers, Templates};

/// What this program is called.
const NAME: &str = "mycelium";

/// Make the folder and a configuration file; never needed, overwrites nothing
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Also write the templates of new documents, to be changed: lean or classic
    #[arg(long, value_name = "SHAPE", value_parser = shape)]
    templates: Option<Shape>,
    /// Let git merge documents by what they say, in this clone: a setting of yours, and a line in the folder's `.gitattributes`
    #[arg(long)]
    merge_driver: bool,
    /// Let `git diff` show documents as one fact a line, in this clone
    #[arg(long)]
    diff_driver: bool,
}

/// Makes what is missing.
pub(crate) fn run(args: &Args, session: &Session) -> Result<Answer, ErrorReport> {
    let project = session.open()?;
    let report = project.maintenance().init(args.templates.map_or(Templates::BuiltIn, Templates::Own))?;
    let mut answer = session::answer("init", &project)?;
    let names = |paths: &[std::path::PathBuf]| paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>();
    let (wrote, kept) = (names(&report.wrote), names(&report.kept));
    for name in &wrote {
        let _ = writeln!(answer.text, "wrote {}", visible(name));
    }
    for name in &kept {
        let _ = writeln!(answer.words, "kept {}, which is there already", visible(name));
    }
    answer.data = json!({ "wrote": wrote, "kept": kept });
    let wanted = [(args.merge_driver, Driver::Merge), (args.diff_driver, Driver::Diff)];
    let wanted: Vec<Driver> =
        wanted.into_iter().filter(|(is_wanted, _)| *is_wanted).map(|(_, driver)| driver).collect();
    if !wanted.is_empty() {
        let done = project.conflicts().set_up(&wanted, &program()?)?;
        tell(&mut answer, &done);
    }
    Ok(answer)
}

/// Says what git was told.
fn tell(answer: &mut Answer, done: &Drivers) {
    for name in &done.wrote {
        let _ = writeln!(answer.text, "wrote {}", visible(name));
    }
    for name in &done.added {
        let _ = writeln!(answer.text, "added {}", visible(name));
    }
    for name in &done.kept {
        let _ = writeln!(answer.words, "kept {}, which is there already", visible(name));
    }
    if let Some(path) = done.attributes.as_ref().map(|path| path.display().to_string()) {
        let hint =
            format!("for the other clones, run `git add {0}` and commit it; each sets up its own driver", word(&path));
        answer.words.push_str(&render::hint(&hint));
    }
    answer.data["drivers"] = json!({ "wrote": done.wrote, "added": done.added, "kept": done.kept });
}

/// How git's shell starts this program: by its name, if that leads here, else by its path.
fn program() -> Result<String, ErrorReport> {
    let here = std::env::current_exe().and_then(|path| real_path(&path)).map_err(|error| {
        ErrorReport::new(ErrorClass::Problem, "bad-path", "could not find this program's own path")
            .cause(error.to_string())
    })?;
    let folders = crate::services::variable("PATH").unwrap_or_default();
    let known = std::env::split_paths(&folders).map(|folder| folder.join(NAME)).find(|path| path.is_file());
    if known.and_then(|path| real_path(&path).ok()).as_ref() == Some(&here) {
        return Ok(NAME.to_owned());
    }
    let text = here.to_str().filter(|text| !text.chars().any(is_unsafe_to_show));
    let text = text.ok_or_else(|| {
        let shown = visible(&here.to_string_lossy());
        ErrorReport::new(ErrorClass::Problem, "bad-path", format!("no setting of git can name `{shown}`"))
            .hint("put the program into a folder of your PATH")
    })?;
    // Git replaces what begins with `%`.
    Ok(word(text).replace('%', "%%"))
}

/// One word of a shell's line.
fn word(text: &str) -> String {
    if text.chars().all(|c| c.is_ascii_alphanumeric() || "/-_.+@:".contains(c)) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

fn shape(text: &str) -> Result<Shape, String> {
    let known = Shape::ALL.into_iter().find(|shape| shape.word() == text);
    known.ok_or_else(|| format!("`{}` is no shape: it is lean or classic", visible(text)))
}
