//! Every code that Mycelium says, and what each means. The one source of these words: `mycelium explain` and docs/codes.md show them.

mod bridge;
mod claims;
mod errors;
mod findings;
mod gits_alone;
mod library;
mod page;
mod sandbox;
mod states;
mod sync;
mod workflows;

use std::fmt::Write as _;

pub use page::{CodeExample, CodePage};

/// The groups of codes: the word in JSON, the heading, the pages.
pub const CODE_GROUPS: [(&str, &str, &[CodePage]); 10] = [
    ("finding", "Findings about documents and settings", findings::PAGES),
    ("error", "Errors of commands", errors::PAGES),
    ("error", "Errors about how tasks and workflows stand", states::PAGES),
    ("error", "Errors about workflows that are run", workflows::PAGES),
    ("error", "Errors about who has a task", claims::PAGES),
    ("error", "Errors about documents that are left to git", gits_alone::PAGES),
    ("error", "Errors in a sandbox", sandbox::PAGES),
    ("error", "Errors of exchanges with other clones", sync::PAGES),
    ("error", "Errors about a server", bridge::PAGES),
    ("error", "Errors of the library", library::PAGES),
];

/// Lists every code with the word for its kind: `finding` or `error`.
pub fn all_codes() -> impl Iterator<Item = (&'static str, &'static CodePage)> {
    CODE_GROUPS.iter().flat_map(|(kind, _, pages)| pages.iter().map(|page| (*kind, page)))
}

/// Finds the page of a code, however its letters are written.
#[must_use]
pub fn find_code(code: &str) -> Option<(&'static str, &'static CodePage)> {
    all_codes().find(|(_, page)| page.code.eq_ignore_ascii_case(code))
}

/// Returns all pages as one page of markdown.
#[must_use]
pub fn codes_markdown() -> String {
    let mut out = "# Codes\n\nEvery code that Mycelium says: what it means, why, an example, and how to fix it. \
        The same for one code: `mycelium explain`.\n"
        .to_owned();
    for (_, heading, pages) in CODE_GROUPS {
        let _ = write!(out, "\n## {heading}\n");
        for page in pages {
            let _ = write!(out, "\n{}", page.markdown());
        }
    }
    out
}

#[cfg(test)]
mod tests {
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
    fn codes(example: &CodeExample) -> Option<Vec<Code>> {
        let findings = match example {
            CodeExample::Files(files) => check(&snapshot(files), None),
            CodeExample::Change(name, before, after) => {
                check(&snapshot(&[(name, after)]), Some(&snapshot(&[(name, before)])))
            }
            CodeExample::Settings(text) => {
                Config::resolve(vec![(Origin::Repository, Layer::from_json("config.json", text))]).findings
            }
            CodeExample::Line(_) | CodeExample::Words(_) => return None,
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
        for pages in
            [errors::PAGES, states::PAGES, claims::PAGES, gits_alone::PAGES, sync::PAGES, bridge::PAGES, library::PAGES]
        {
            assert!(pages.windows(2).all(|pair| pair[0].code < pair[1].code));
        }
        for (_, page) in all_codes() {
            assert!(!page.title.is_empty() && !page.means.is_empty() && !page.remedy.is_empty(), "{}", page.code);
            assert!(!page.remedy.ends_with('.') && page.means.ends_with('.'), "{}", page.code);
        }
    }

    #[test]
    fn a_code_is_found_however_it_is_written() {
        assert_eq!(find_code("myc201").map(|(kind, page)| (kind, page.code)), Some(("finding", "MYC201")));
        assert_eq!(find_code("Not-Found").map(|(kind, page)| (kind, page.code)), Some(("error", "not-found")));
        assert!(find_code("MYC999").is_none());
    }
}
