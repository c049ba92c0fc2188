//! `man`: the manual pages of every command, made from the same definitions as `--help`. The same program makes the same
//! bytes.

use std::path::{Path, PathBuf};

use clap::CommandFactory as _;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};
use serde_json::json;

use super::answer::{Answer, on_terminal};
use super::args::Cli;
use crate::adapters::store;
use crate::api::view::{AnswerHead, ErrorReport, count};
use crate::core::name::visible;
use crate::core::problem::ErrorClass;

const EXAMPLES: &str = "\
Examples:
  mycelium man | man -l -                     read the first page
  mycelium man task list | man -l -           read another one
  mycelium man --install ~/.local/share/man   then `man mycelium-task-list` works
  mycelium man --pages build/man              for those who make a package";

/// Print a manual page, or write those of all commands
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The command that the page is about [default: mycelium itself]
    #[arg(value_name = "COMMAND")]
    command: Vec<String>,
    /// Write the pages of all commands to DIR/man1, where `man` finds them
    #[arg(long, value_name = "DIR", conflicts_with_all = ["command", "pages"])]
    install: Option<PathBuf>,
    /// Write the pages of all commands straight into DIR
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    pages: Option<PathBuf>,
}

/// Prints a page, or writes all.
pub(crate) fn run(args: &Args) -> Result<Answer, ErrorReport> {
    let mut answer = Answer::new("man", AnswerHead::default());
    let folder = args.install.as_ref().map(|folder| folder.join("man1")).or_else(|| args.pages.clone());
    if let Some(folder) = folder {
        let mut wrote = Vec::new();
        for page in pages()? {
            let path = folder.join(&page.name);
            store::replace_text(&path, &page.text).map_err(|error| not_written(&path, &error))?;
            wrote.push(path.display().to_string());
        }
        answer.words = format!("wrote {} to {}\n", count(wrote.len(), "page"), visible(&folder.display().to_string()));
        answer.data = json!({ "wrote": wrote });
        return Ok(answer);
    }
    let name = format!(
        "{}.1",
        ["mycelium"].into_iter().chain(args.command.iter().map(String::as_str)).collect::<Vec<_>>().join("-")
    );
    let page = pages()?.into_iter().find(|page| page.name == name).ok_or_else(|| no_page(&args.command))?;
    answer.data = json!({ "name": page.name, "page": page.text });
    answer.text = page.text;
    if on_terminal() {
        "to read it: `mycelium man | man -l -`; to keep all: `mycelium man --install ~/.local/share/man`\n"
            .clone_into(&mut answer.words);
    }
    Ok(answer)
}

/// How an apostrophe is written, as every section of the generator defines it.
const DEFINITIONS: &str = ".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n";

/// One manual page.
#[derive(Debug)]
struct Page {
    name: String,
    text: String,
}

fn pages() -> Result<Vec<Page>, ErrorReport> {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    collect(&command, &mut pages)?;
    Ok(pages)
}

fn collect(command: &clap::Command, pages: &mut Vec<Page>) -> Result<(), ErrorReport> {
    let man = Man::new(command.clone());
    let text = page(&man, command).map_err(|error| {
        ErrorReport::new(ErrorClass::Problem, "man", "could not make a manual page").cause(error.to_string())
    })?;
    pages.push(Page { name: man.get_filename(), text });
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        collect(sub, pages)?;
    }
    Ok(())
}

fn page(man: &Man, command: &clap::Command) -> std::io::Result<String> {
    let mut out = Vec::new();
    man.render_name_section(&mut out)?;
    man.render_synopsis_section(&mut out)?;
    man.render_description_section(&mut out)?;
    man.render_options_section(&mut out)?;
    if command.get_subcommands().any(|sub| !sub.is_hide_set()) {
        man.render_subcommands_section(&mut out)?;
    }
    if let Some(text) = command.get_after_long_help().or_else(|| command.get_after_help()) {
        extra(&text.to_string()).to_writer(&mut out)?;
    }
    // Every section brings the same definitions; once is enough. A page has no date: it is made, not written.
    let body = String::from_utf8_lossy(&out).replace(DEFINITIONS, "");
    let name = man.get_filename();
    let title = name.strip_suffix(".1").unwrap_or(&name).to_uppercase();
    let version = env!("CARGO_PKG_VERSION");
    Ok(format!("{DEFINITIONS}.TH \"{title}\" 1 \"\" \"mycelium {version}\" \"Mycelium\"\n{body}"))
}

/// The text below the options; its lines stay as they are, because there are commands and tables among them.
fn extra(text: &str) -> Roff {
    let mut roff = Roff::new();
    let mut lines = text.lines().peekable();
    let heading = lines.next_if(|line| line.ends_with(':') && !line.starts_with(' '));
    roff.control(
        "SH",
        [heading.map_or_else(|| "NOTES".to_owned(), |line| line.trim_end_matches(':').to_uppercase()).as_str()],
    );
    roff.control("nf", []);
    for line in lines {
        if line.is_empty() {
            roff.control("sp", []);
        } else {
            roff.text([roman(line)]);
        }
    }
    roff.control("fi", []);
    roff
}

fn no_page(command: &[String]) -> ErrorReport {
    let message = format!("there is no page on `{}`", visible(&command.join(" ")));
    ErrorReport::new(ErrorClass::NotFound, "no-page", message).hint("run `mycelium --help` to see every command")
}

fn not_written(path: &Path, error: &std::io::Error) -> ErrorReport {
    let message = format!("could not write `{}`", visible(&path.display().to_string()));
    ErrorReport::new(ErrorClass::Problem, "man", message)
        .cause(error.to_string())
        .hint("name a folder that you may write to")
}
