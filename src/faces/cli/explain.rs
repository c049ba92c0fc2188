//! `explain`: what a code means, why, an example, how to fix it; docs/codes.md is printed from it.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::answer::Answer;
use super::render::{Ink, paint};
use crate::api::view::{AnswerHead, CODE_GROUPS, CodePage, ErrorReport, all_codes, codes_markdown, find_code};
use crate::core::name::visible;
use crate::core::problem::ErrorClass;

/// Explain what a code means, why, and how to fix it
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Codes of findings look like `MYC201`, codes of errors like `not-found` (`error.code` in JSON)."
)]
pub(crate) struct Args {
    /// The code, such as MYC201 or not-found [default: list them all]
    code: Option<String>,
    /// Print everything about every code, as a page of markdown
    #[arg(long, conflicts_with = "code")]
    all: bool,
}

/// Explains.
pub(crate) fn run(args: &Args) -> Result<Answer, ErrorReport> {
    let mut answer = Answer::new("explain", AnswerHead::default());
    if let Some(code) = &args.code {
        let (kind, page) = find_code(code).ok_or_else(|| unknown(code))?;
        answer.text = text(page);
        answer.data = page.to_json(kind);
    } else {
        answer.text = if args.all { codes_markdown() } else { list() };
        answer.data = json!({ "items": all_codes().map(|(kind, page)| page.to_json(kind)).collect::<Vec<Value>>() });
    }
    Ok(answer)
}

/// Lists every code, for completion.
pub(crate) fn codes() -> Vec<&'static str> {
    all_codes().map(|(_, page)| page.code).collect()
}

fn unknown(code: &str) -> ErrorReport {
    let message = format!("there is no code `{}`", visible(code));
    ErrorReport::new(ErrorClass::NotFound, "unknown-code", message).hint("run `mycelium explain` to see every code")
}

fn list() -> String {
    let mut out = String::new();
    for (_, heading, pages) in CODE_GROUPS {
        let width = pages.iter().map(|page| page.code.len()).max().unwrap_or_default();
        let _ = writeln!(out, "{}", paint(Ink::Bold, heading));
        for page in pages {
            let _ = writeln!(out, "  {:<width$}  {}", page.code, page.title);
        }
        out.push('\n');
    }
    out + "`mycelium explain CODE` explains one.\n"
}

fn text(page: &CodePage) -> String {
    let mut out = format!("{} {}\n\n{}\n", paint(Ink::Bold, page.code), page.title, page.means);
    if !page.why.is_empty() {
        let _ = writeln!(out, "{}", page.why);
    }
    let _ = writeln!(out, "\n{}", paint(Ink::Bold, "example"));
    for (head, lines) in page.example.parts() {
        let _ = writeln!(out, "  {head}");
        for line in lines.lines() {
            let _ = writeln!(out, "    {line}");
        }
    }
    let _ = writeln!(out, "\n{}\n  {}", paint(Ink::Bold, "how to fix it"), page.remedy);
    out
}
