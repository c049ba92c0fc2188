//! `init`: conveniences that nobody needs; asks nothing, overwrites nothing, prints what it wrote.

use std::fmt::Write as _;

use serde_json::json;

use super::answer::Answer;
use super::failure::Failure;
use super::session::{self, Session};
use crate::name::visible;
use crate::runner::Templates;
use crate::template::Shape;

/// Make the folder and a configuration file; never needed, overwrites nothing
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Also write the templates of new documents, to be changed: lean or classic
    #[arg(long, value_name = "SHAPE", value_parser = shape)]
    templates: Option<Shape>,
}

/// Makes what is missing.
pub(crate) fn run(args: &Args, session: &Session) -> Result<Answer, Failure> {
    let workspace = session.open()?;
    let report = workspace.init(args.templates.map_or(Templates::BuiltIn, Templates::Own))?;
    let mut answer = session::answer("init", &workspace)?;
    let names = |paths: &[std::path::PathBuf]| paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>();
    let (wrote, kept) = (names(&report.wrote), names(&report.kept));
    for name in &wrote {
        let _ = writeln!(answer.text, "wrote {}", visible(name));
    }
    for name in &kept {
        let _ = writeln!(answer.words, "kept {}, which is there already", visible(name));
    }
    answer.data = json!({ "wrote": wrote, "kept": kept });
    Ok(answer)
}

fn shape(text: &str) -> Result<Shape, String> {
    let known = Shape::ALL.into_iter().find(|shape| shape.word() == text);
    known.ok_or_else(|| format!("`{}` is no shape: it is lean or classic", visible(text)))
}
