//! `pause` and `resume`: the writers of a worktree wait, so that git can change its files; and go on.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::json;

use super::answer::Answer;
use super::render::{Ink, paint};
use super::session::{self, Session};
use crate::api::view::{ErrorReport, count, document_path, pause_data};
use crate::core::name::visible;
use crate::core::time::{Timestamp, parse_span};
use crate::services::PAUSE_MAX;

/// Let the writers of this worktree wait, so that git can change its files
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  mycelium pause && git switch release; mycelium resume

Operations that are under way end first, and what is not committed yet is committed. Then commands, programs and the watcher \
wait: a write for up to ten seconds, after which it ends with 75; a commit until the pause ends. Readers do not wait.")]
pub(crate) struct PauseArgs {
    /// End by itself after this span, such as `5m`; at most an hour
    #[arg(long = "for", value_name = "SPAN", default_value = "1m", value_parser = span)]
    span: Duration,
}

/// End the pause of the writers of this worktree
#[derive(Debug, clap::Args)]
pub(crate) struct ResumeArgs {}

/// Begins a pause.
pub(crate) fn pause(args: &PauseArgs, session: &Session) -> Result<Answer, ErrorReport> {
    let project = session.open()?;
    let ms = i64::try_from(args.span.as_millis()).unwrap_or(i64::MAX);
    let until = Timestamp::from_unix_ms(project.now().unix_ms().saturating_add(ms));
    let report = project.maintenance().pause_writers(until)?;
    let mut answer = session::answer("pause", &project)?;
    answer.data = pause_data(&project, until, &report);
    answer.text = format!("writers of this worktree pause until {until}; `mycelium resume` ends that\n");
    if let Some(waiting) = &report.done.waiting {
        let _ = writeln!(answer.words, "{} {}", paint(Ink::Warn, "not committed:"), visible(&waiting.to_string()));
    }
    if let Some(first) = report.held.first() {
        let first = document_path(&project, &first.path);
        let held = format!("{} held back, the first is {first}", count(report.held.len(), "document"));
        let _ = writeln!(answer.words, "{} {}", paint(Ink::Warn, "not committed:"), visible(&held));
    }
    Ok(answer)
}

/// Ends a pause.
pub(crate) fn resume(_: &ResumeArgs, session: &Session) -> Result<Answer, ErrorReport> {
    let project = session.open()?;
    let was_paused = project.maintenance().resume_writers()?;
    let mut answer = session::answer("resume", &project)?;
    answer.data = json!({ "was_paused": was_paused });
    answer.text = String::from(if was_paused { "writers go on\n" } else { "no pause to end\n" });
    Ok(answer)
}

/// A span that a pause may last.
fn span(text: &str) -> Result<Duration, String> {
    match parse_span(text) {
        Ok(Duration::ZERO) => Err("a pause must last longer than nothing".to_owned()),
        Ok(span) if span > PAUSE_MAX => Err("a pause lasts an hour at most".to_owned()),
        other => other.map_err(|error| error.to_string()),
    }
}
