//! One code's page: what it means, why, an example, how to fix it; as JSON and as a section of docs/codes.md.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::core::config::REPOSITORY_CONFIG;

/// What is known of one code.
#[derive(Debug)]
pub struct CodePage {
    /// The code: `MYC201`, `not-found`.
    pub code: &'static str,
    /// What it is, in a few words.
    pub title: &'static str,
    /// What it means.
    pub means: &'static str,
    /// Why it is looked for, or why nothing was done.
    pub why: &'static str,
    /// How it comes about.
    pub example: CodeExample,
    /// How to fix it.
    pub remedy: &'static str,
}

/// How a code comes about.
#[derive(Debug)]
pub enum CodeExample {
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

impl CodeExample {
    /// The example as text: what it is, and its lines if it has some.
    #[must_use]
    pub fn parts(&self) -> Vec<(String, &'static str)> {
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

impl CodePage {
    /// The page for programs.
    #[must_use]
    pub fn to_json(&self, kind: &str) -> Value {
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
    #[must_use]
    pub fn markdown(&self) -> String {
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
