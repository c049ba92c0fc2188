//! One code's page: what it means, why, an example, the way out; as text, as JSON and as a section of docs/codes.md.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::core::config::REPOSITORY_CONFIG;
use crate::faces::cli::render::{Ink, paint};

/// What is known of one code.
#[derive(Debug)]
pub(crate) struct Page {
    /// The code: `MYC201`, `not-found`.
    pub code: &'static str,
    /// What it is, in a few words.
    pub title: &'static str,
    /// What it means.
    pub means: &'static str,
    /// Why it is looked for, or why nothing was done.
    pub why: &'static str,
    /// How it comes about.
    pub example: Example,
    /// How how to fix it.
    pub remedy: &'static str,
}

/// How a code comes about.
#[derive(Debug)]
pub(crate) enum Example {
    /// Files of the folder, by name.
    Files(&'static [(&'static str, &'static str)]),
    /// A file as it was committed, and as it is now.
    Change(&'static str, &'static str, &'static str),
    /// The repository's configuration.
    Settings(&'static str),
    /// A command line.
    Line(&'static str),
    /// What cannot be shown in a few lines.
    Words(&'static str),
}

impl Example {
    /// The example as text: what it is, and its lines if it has some.
    fn parts(&self) -> Vec<(String, &'static str)> {
        match self {
            Self::Files(files) => files.iter().map(|(name, text)| (format!("`{name}`"), *text)).collect(),
            Self::Change(name, before, after) => {
                vec![(format!("`{name}` as committed"), *before), (format!("`{name}` now"), *after)]
            }
            Self::Settings(text) => vec![(format!("`{REPOSITORY_CONFIG}`"), *text)],
            Self::Line(line) => vec![("on the command line".to_owned(), *line)],
            Self::Words(words) => vec![((*words).to_owned(), "")],
        }
    }

    fn text(&self) -> String {
        let parts = self.parts().into_iter();
        parts.map(|(head, lines)| if lines.is_empty() { head } else { format!("{head}\n{lines}") }).collect()
    }
}

impl Page {
    /// The page for people.
    pub(super) fn text(&self) -> String {
        let mut out = format!("{} {}\n\n{}\n", paint(Ink::Bold, self.code), self.title, self.means);
        if !self.why.is_empty() {
            let _ = writeln!(out, "{}", self.why);
        }
        let _ = writeln!(out, "\n{}", paint(Ink::Bold, "example"));
        for (head, lines) in self.example.parts() {
            let _ = writeln!(out, "  {head}");
            for line in lines.lines() {
                let _ = writeln!(out, "    {line}");
            }
        }
        let _ = writeln!(out, "\n{}\n  {}", paint(Ink::Bold, "how to fix it"), self.remedy);
        out
    }

    /// The page for programs.
    pub(super) fn json(&self, kind: &str) -> Value {
        json!({
            "code": self.code,
            "kind": kind,
            "title": self.title,
            "means": self.means,
            "why": self.why,
            "example": self.example.text(),
            "remedy": self.remedy,
        })
    }

    /// The page as a section of a markdown document.
    pub(super) fn markdown(&self) -> String {
        let mut out = format!("### {}: {}\n\n{}\n", self.code, self.title, self.means);
        if !self.why.is_empty() {
            let _ = writeln!(out, "{}", self.why);
        }
        for (head, lines) in self.example.parts() {
            let _ = writeln!(out, "\nExample: {head}");
            if !lines.is_empty() {
                let _ = writeln!(out, "\n```text\n{}\n```", lines.trim_end().replace("```", "` ` `"));
            }
        }
        let _ = writeln!(out, "\nHow to fix it: {}.", self.remedy);
        out
    }
}
