//! What `config set commit.branch` does to the documents, in words: where they are now, and what is left to do.

use std::fmt::Write as _;

use crate::api::view::{ErrorReport, count, migration_data};
use crate::core::config::REPOSITORY_CONFIG;
use crate::core::name::{shell_word, visible};
use crate::faces::cli::answer::Answer;
use crate::faces::cli::render::{self, Ink, paint};
use crate::services::{BranchMigration, Project};

/// Moves the documents to the dedicated branch, and adds to the answer what became of that.
pub(super) fn migrate(untrack: bool, project: &Project, answer: &mut Answer) -> Result<(), ErrorReport> {
    let report = project.commits().migrate_branch(untrack)?;
    let Some(branch) = &report.branch else { return Ok(()) };
    for finding in &report.findings {
        answer.words.push_str(&render::finding(finding, project.folder(), None));
    }
    describe_commits(branch, &report, answer);
    describe_rest(branch, &report, answer);
    answer.data["migration"] = migration_data(&report);
    Ok(())
}

/// What was committed to the branch, and what was not.
fn describe_commits(branch: &str, report: &BranchMigration, answer: &mut Answer) {
    for (revision, subject) in &report.done.revisions {
        let revision = paint(Ink::Warn, revision.short());
        let _ = writeln!(answer.words, "committed to {}: {revision}  {}", visible(branch), visible(subject));
    }
    for held in &report.held {
        let what = visible(&format!("{}: {}", held.path, held.why));
        let _ = writeln!(answer.words, "{} {what}", paint(Ink::Warn, "held back:"));
    }
    if let Some(waiting) = &report.done.waiting {
        let _ = writeln!(answer.words, "{} {}", paint(Ink::Warn, "not committed:"), visible(&waiting.to_string()));
        hint(answer, waiting.hint().as_deref());
    }
}

/// What git still tracks on the code branch, and how the others get the setting.
fn describe_rest(branch: &str, report: &BranchMigration, answer: &mut Answer) {
    let (code, tracked) = &report.tracked;
    let code = visible(code.as_deref().unwrap_or("HEAD"));
    if let Some(revision) = &report.untracked {
        let revision = paint(Ink::Warn, revision.short());
        let _ = writeln!(answer.words, "committed to {code}: {revision}  the documents are no longer tracked there");
    }
    if !tracked.is_empty() {
        let documents = count(tracked.len(), "document");
        let _ = writeln!(answer.words, "{code} still tracks {documents}, so git changes them when it changes branches");
        let branch = shell_word(branch);
        let command = format!("run `mycelium config set commit.branch {branch} --untrack` to stop that in one commit");
        hint(answer, Some(&command));
    }
    if !report.is_config_committed {
        let commit = format!("git commit -m 'Keep documents on their own branch' -- {REPOSITORY_CONFIG}");
        hint(answer, Some(&format!("run `git add {REPOSITORY_CONFIG} && {commit}` so that other clones do the same")));
    }
}

fn hint(answer: &mut Answer, words: Option<&str>) {
    if let Some(words) = words {
        answer.words.push_str(&render::hint(words));
    }
}
