//! The checks of git, settings, watcher and system as data.

use serde_json::{Value, json};

use super::command_hints::complete_hint;
use crate::core::health::{Check, Verdict};

/// Returns checks as an answer's data, with what was fixed before.
#[must_use]
pub fn doctor_data(checks: &[Check], fixed: &[String]) -> Value {
    let (problems, warnings) = check_totals(checks);
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "system": system_name(),
        "checks": checks.iter().map(check).collect::<Vec<_>>(),
        "problems": problems,
        "warnings": warnings,
        "fixed": fixed,
    })
}

/// Returns how many checks found a problem, and how many a warning.
#[must_use]
pub fn check_totals(checks: &[Check]) -> (usize, usize) {
    let number = |verdict| checks.iter().filter(|check| check.verdict == verdict).count();
    (number(Verdict::Problem), number(Verdict::Warning))
}

/// Returns the operating system and the processor that this program was built for.
#[must_use]
pub fn system_name() -> String {
    format!("{} {}", std::env::consts::OS, std::env::consts::ARCH)
}

fn check(check: &Check) -> Value {
    json!({
        "group": check.group.word(),
        "name": check.name,
        "verdict": check.verdict.word(),
        "message": check.message,
        "fix": complete_hint(check.fix.as_deref()),
    })
}
