//! `doctor`: whether everything around the documents is well, one line a check, fit to be pasted elsewhere.

use std::fmt::Write as _;

use super::answer::Answer;
use super::render::{Ink, paint};
use super::session::{self, Session};
use crate::api::view::{AnswerHead, Exit, check_totals, complete_commands, count, doctor_data, system_name};
use crate::core::health::{Check, Group, Verdict, judge, redact};
use crate::core::name::visible;
use crate::services::{self, Opening};

/// Columns of a check's name.
const NAME_COLUMNS: usize = 14;

/// Check git, settings, watcher and system for problems
#[derive(Debug, clap::Args)]
#[command(
    after_help = "It ends with 1 if there is a problem; warnings do not count. Your home folder is shown as `~`, and \
names and passwords in addresses as `***`, so that the report can be pasted."
)]
pub(crate) struct Args {
    /// Fix what can be fixed safely: remove our leftovers, finish interrupted operations, make what is missing
    #[arg(long)]
    fix: bool,
}

/// Fixes if asked to, then probes.
pub(crate) fn run(args: &Args, session: &Session) -> Answer {
    let opening =
        || Opening { root: session.global.root.clone(), agent: session.global.agent.clone(), flags: Vec::new() };
    // First, since probing may finish what was begun, as with every command.
    let fixed = if args.fix { services::fix_project(opening()) } else { Vec::new() };
    let (facts, project) = services::probe_project(opening());
    let home = services::variable("HOME");
    let clean = |text: &str| visible(&redact(text, home.as_deref()));
    let checks: Vec<Check> = judge(&facts)
        .into_iter()
        .map(|check| Check { message: clean(&check.message), fix: check.fix.as_deref().map(clean), ..check })
        .collect();
    let fixed: Vec<String> = fixed.iter().map(|line| clean(line)).collect();
    // What cannot be read is a check of its own; the report is given all the same.
    let head = project.as_ref().and_then(|project| session::head(project).ok()).unwrap_or_default();
    answer(head, &checks, &fixed)
}

fn answer(head: AnswerHead, checks: &[Check], fixed: &[String]) -> Answer {
    let (problems, warnings) = check_totals(checks);
    let mut answer = Answer::new("doctor", head);
    answer.text = text(checks, fixed) + &verdict(problems, warnings, checks.len());
    answer.data = doctor_data(checks, fixed);
    answer.exit = if problems > 0 { Exit::Problems } else { Exit::Ok };
    answer
}

fn text(checks: &[Check], fixed: &[String]) -> String {
    let mut out = format!("mycelium {} on {}\n", env!("CARGO_PKG_VERSION"), system_name());
    for line in fixed {
        let _ = writeln!(out, "{} {line}", paint(Ink::Good, "fixed:"));
    }
    for group in Group::ALL {
        let own: Vec<&Check> = checks.iter().filter(|check| check.group == group).collect();
        if !own.is_empty() {
            let _ = write!(out, "\n{}\n", paint(Ink::Bold, group.word()));
        }
        for check in own {
            let _ = writeln!(out, "  {} {:<NAME_COLUMNS$} {}", mark(check.verdict), check.name, check.message);
            if let Some(fix) = &check.fix {
                let _ = writeln!(out, "    {} {}", paint(Ink::Hint, "fix:"), complete_commands(fix));
            }
        }
    }
    out
}

/// Symbol and word, as wide as the widest.
fn mark(verdict: Verdict) -> String {
    let (symbol, ink) = match verdict {
        Verdict::Ok => ("✓", Ink::Good),
        Verdict::Skipped => ("·", Ink::Dim),
        Verdict::Warning => ("!", Ink::Warn),
        Verdict::Problem => ("✗", Ink::Bad),
    };
    paint(ink, &format!("{symbol} {:<7}", verdict.word()))
}

fn verdict(problems: usize, warnings: usize, checks: usize) -> String {
    let (ink, told) = match (problems, warnings) {
        (0, 0) => (Ink::Good, "✓ all is well".to_owned()),
        (0, n) => (Ink::Warn, format!("! {}", count(n, "warning"))),
        (n, 0) => (Ink::Bad, format!("✗ {}", count(n, "problem"))),
        (n, m) => (Ink::Bad, format!("✗ {}, {}", count(n, "problem"), count(m, "warning"))),
    };
    format!("\n{} in {}\n", paint(ink, &told), count(checks, "check"))
}
