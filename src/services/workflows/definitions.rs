//! All workflow definitions of a worktree: their names, and what is wrong with them.

use std::fmt::Write as _;

use super::{DEFINITIONS, Workflows};
use crate::adapters::store;
use crate::core::diagnostic::{Code, Diagnostic};
use crate::core::name::DocId;
use crate::core::problem::Problem as _;
use crate::services::Error;

/// How the file of a definition ends.
const SUFFIX: &str = ".yaml";
/// Most definitions that are looked at.
const DEFINITIONS_MAX: usize = 1_000;

impl Workflows<'_> {
    /// Returns the names of all definitions, in order. A file whose name is no id has none.
    ///
    /// # Errors
    /// [`Error`] if the folder cannot be listed, or lies behind a symbolic link.
    pub fn definition_names(&self) -> Result<Vec<String>, Error> {
        let files = store::names_in(self.root, DEFINITIONS, SUFFIX)?;
        let names = files.iter().filter_map(|file| file.strip_suffix(SUFFIX));
        Ok(names.filter(|name| DocId::new(*name).is_ok()).take(DEFINITIONS_MAX).map(str::to_owned).collect())
    }

    /// Checks all definitions: how many there are, and what is wrong with them, each finding with its file and place. A file or a folder
    /// that cannot be read is a finding.
    #[must_use]
    pub fn check_definitions(&self) -> (usize, Vec<Diagnostic>) {
        let mut findings = Vec::new();
        let names = self.definition_names().unwrap_or_else(|error| {
            findings.push(unreadable(DEFINITIONS, &error));
            Vec::new()
        });
        for name in &names {
            match self.definition(name) {
                Ok((_, warnings)) => findings.extend(warnings),
                Err(error) => {
                    let found = error.findings();
                    if found.is_empty() {
                        findings.push(unreadable(&format!("{DEFINITIONS}/{name}{SUFFIX}"), &error));
                    }
                    findings.extend(found);
                }
            }
        }
        (names.len(), findings)
    }
}

/// The finding of a path that cannot be read: another than the errors in what a file says.
fn unreadable(path: &str, error: &Error) -> Diagnostic {
    let mut message = format!("{path}: {error}");
    let mut cause = std::error::Error::source(error);
    while let Some(one) = cause {
        let _ = write!(message, ": {one}");
        cause = one.source();
    }
    Diagnostic { hint: error.hint(), ..Diagnostic::error(Code::YamlSyntax, message) }
}
