//! `explain`: what a code means, why, an example and the way out. The one source of these words; docs/codes.md is printed from it.

mod bridge;
mod claims;
mod errors;
mod findings;
mod gits_alone;
mod page;
mod sandbox;
mod states;
mod sync;

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::answer::Answer;
use super::envelope::Head;
use super::failure::Failure;
use super::render::{Ink, paint};
use crate::core::name::visible;
use crate::core::problem::ErrorClass;
use page::Page;

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

/// What a group of codes is called: in JSON, and as a heading.
const GROUPS: [(&str, &str, &[Page]); 8] = [
    ("finding", "Findings about documents and settings", findings::PAGES),
    ("error", "Errors of commands", errors::PAGES),
    ("error", "Errors about how tasks and workflows stand", states::PAGES),
    ("error", "Errors about who has a task", claims::PAGES),
    ("error", "Errors about documents that are left to git", gits_alone::PAGES),
    ("error", "Errors in a sandbox", sandbox::PAGES),
    ("error", "Errors of exchanges with other clones", sync::PAGES),
    ("error", "Errors about a server", bridge::PAGES),
];

/// Explains.
pub(crate) fn run(args: &Args) -> Result<Answer, Failure> {
    let mut answer = Answer::new("explain", Head::default());
    if let Some(code) = &args.code {
        let (kind, page) = find(code).ok_or_else(|| unknown(code))?;
        answer.text = page.text();
        answer.data = page.json(kind);
    } else {
        answer.text = if args.all { markdown() } else { list() };
        answer.data = json!({ "items": all().map(|(kind, page)| page.json(kind)).collect::<Vec<Value>>() });
    }
    Ok(answer)
}

fn all() -> impl Iterator<Item = (&'static str, &'static Page)> {
    GROUPS.iter().flat_map(|(kind, _, pages)| pages.iter().map(|page| (*kind, page)))
}

/// Every code, for completion.
pub(crate) fn codes() -> Vec<&'static str> {
    all().map(|(_, page)| page.code).collect()
}

/// The page of a code, however its letters are written.
fn find(code: &str) -> Option<(&'static str, &'static Page)> {
    all().find(|(_, page)| page.code.eq_ignore_ascii_case(code))
}

fn unknown(code: &str) -> Failure {
    let message = format!("there is no code `{}`", visible(code));
    Failure::new(ErrorClass::NotFound, "unknown-code", message).hint("run `mycelium explain` to see every code")
}

fn list() -> String {
    let mut out = String::new();
    for (_, heading, pages) in GROUPS {
        let width = pages.iter().map(|page| page.code.len()).max().unwrap_or_default();
        let _ = writeln!(out, "{}", paint(Ink::Bold, heading));
        for page in pages {
            let _ = writeln!(out, "  {:<width$}  {}", page.code, page.title);
        }
        out.push('\n');
    }
    out + "`mycelium explain CODE` explains one.\n"
}

fn markdown() -> String {
    let mut out = "# Codes\n\nEvery code that Mycelium says: what it means, why, an example, and how to fix it. \
        The same for one code: `mycelium explain`.\n"
        .to_owned();
    for (_, heading, pages) in GROUPS {
        let _ = write!(out, "\n## {heading}\n");
        for page in pages {
            let _ = write!(out, "\n{}", page.markdown());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::page::Example;
    use super::*;
    use crate::core::check::check;
    use crate::core::config::{Config, Layer, Origin};
    use crate::core::diagnostic::Code;
    use crate::core::document::Document;
    use crate::core::name::DocPath;
    use crate::core::snapshot::Snapshot;

    fn snapshot(files: &[(&str, &str)]) -> Snapshot {
        let document =
            |(path, text): &(&str, &str)| (DocPath::new(*path).expect("valid"), Document::parse(text.as_bytes()));
        Snapshot::from_documents(files.iter().map(document))
    }

    /// The codes that an example brings about; `None` for one in words.
    fn codes(example: &Example) -> Option<Vec<Code>> {
        let findings = match example {
            Example::Files(files) => check(&snapshot(files), None),
            Example::Change(name, before, after) => {
                check(&snapshot(&[(name, after)]), Some(&snapshot(&[(name, before)])))
            }
            Example::Settings(text) => {
                Config::resolve(vec![(Origin::Repository, Layer::from_json("config.json", text))]).findings
            }
            Example::Line(_) | Example::Words(_) => return None,
        };
        Some(findings.iter().map(|finding| finding.code).collect())
    }

    #[test]
    fn every_finding_has_its_page_and_the_other_way_round() {
        let known: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        let explained: Vec<&str> = findings::PAGES.iter().map(|page| page.code).collect();
        assert_eq!(explained, known);
    }

    #[test]
    fn every_example_brings_its_code_about() {
        let mut shown = 0;
        for (code, page) in Code::ALL.iter().zip(findings::PAGES) {
            if let Some(codes) = codes(&page.example) {
                assert!(codes.contains(code), "{}: {codes:?}", page.code);
                shown += 1;
            }
        }
        assert!(shown >= 20, "only {shown} examples are shown");
    }

    #[test]
    fn pages_are_in_order_and_full() {
        for pages in [errors::PAGES, states::PAGES, claims::PAGES, gits_alone::PAGES, sync::PAGES, bridge::PAGES] {
            assert!(pages.windows(2).all(|pair| pair[0].code < pair[1].code));
        }
        for (_, page) in all() {
            assert!(!page.title.is_empty() && !page.means.is_empty() && !page.remedy.is_empty(), "{}", page.code);
            assert!(!page.remedy.ends_with('.') && page.means.ends_with('.'), "{}", page.code);
        }
    }

    #[test]
    fn a_code_is_found_however_it_is_written() {
        assert_eq!(find("myc201").map(|(kind, page)| (kind, page.code)), Some(("finding", "MYC201")));
        assert_eq!(find("Not-Found").map(|(kind, page)| (kind, page.code)), Some(("error", "not-found")));
        assert!(find("MYC999").is_none());
    }
}
