//! `check`: every finding with its source line; ends with 1 if one of them is an error.

use std::fmt::Write as _;

use serde_json::json;

use super::answer::Answer;
use super::render::{Ink, finding, paint};
use super::session::{self, Session};
use crate::api::view::{ErrorReport, Exit, check_data, count};
use crate::core::check;
use crate::core::diagnostic::Severity;
use crate::core::name::{DocId, visible};
use crate::core::snapshot::Entry;
use crate::services::Scope;

/// Check every document and workflow definition: ids, statuses, dependencies, cycles, drift
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// Checks everything.
pub(crate) fn run(_: &Args, session: &Session) -> Result<Answer, ErrorReport> {
    let project = session.open_any()?;
    let snapshot = project.documents().snapshot(Scope::All)?;
    let mut findings = project.maintenance().check(&snapshot)?;
    findings.splice(0..0, project.config().findings.iter().cloned());
    let (definitions, faults) = project.workflows().check_definitions();
    findings.extend(faults);
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error).count();
    let warnings = findings.len() - errors;
    let mut answer = session::answer("check", &project)?;
    for one in &findings {
        let source = one.path.as_ref().and_then(|path| snapshot.get(path)).map(|entry| entry.document.bytes());
        answer.text.push_str(&finding(one, project.folder(), source));
        answer.text.push('\n');
    }
    let taken = check::body_dependencies(&snapshot);
    answer.text.push_str(&taken_text(&taken));
    let verdict = match (errors, warnings) {
        (0, 0) => paint(Ink::Good, "✓ no problems"),
        (0, n) => paint(Ink::Warn, &format!("! {}", count(n, "warning"))),
        (n, 0) => paint(Ink::Bad, &format!("✗ {}", count(n, "error"))),
        (n, m) => paint(Ink::Bad, &format!("✗ {}, {}", count(n, "error"), count(m, "warning"))),
    };
    let beside =
        if definitions > 0 { format!(", {}", count(definitions, "workflow definition")) } else { String::new() };
    let _ = writeln!(answer.text, "{verdict} in {}{beside}", count(snapshot.len(), "document"));
    // The worst first: an error where there is one.
    if let Some(worst) = findings.iter().max_by_key(|finding| (finding.severity, std::cmp::Reverse(finding.code))) {
        answer.words =
            format!("{} `mycelium explain {}` says why and what to do\n", paint(Ink::Hint, "hint:"), worst.code);
    }
    answer.data = check_data(&project, &snapshot, &findings, &taken);
    if definitions > 0 {
        answer.data["definitions"] = json!(definitions);
    }
    answer.findings = findings;
    answer.exit = if errors > 0 { Exit::Problems } else { Exit::Ok };
    Ok(answer)
}

/// Most tasks whose dependencies were read from the body that are named; `--json` has all.
const TAKEN_SHOWN_MAX: usize = 20;

/// What was read from the words of bodies, a line a task, so that a word that was taken by mistake is seen.
fn taken_text(taken: &[(&Entry, Vec<DocId>)]) -> String {
    let mut out = String::new();
    for (entry, ids) in taken.iter().take(TAKEN_SHOWN_MAX) {
        let ids = ids.iter().map(DocId::as_str).collect::<Vec<_>>().join(", ");
        let line = format!("{}: waits for {ids}, by its `## Dependencies`", entry.path);
        let _ = writeln!(out, "{}", paint(Ink::Dim, &visible(&line)));
    }
    if taken.len() > TAKEN_SHOWN_MAX {
        let _ = writeln!(out, "{}", paint(Ink::Dim, &format!("and {} more", taken.len() - TAKEN_SHOWN_MAX)));
    }
    if !out.is_empty() {
        out.push('\n');
    }
    out
}
