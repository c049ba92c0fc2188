//! `status` (`stats`): what is going on at one glance, once or as it changes. Only looks.

mod live;
mod view;

use super::answer::Answer;
use super::format::Wording;
use super::render::finding;
use super::session::{self, Session};
use crate::api::view::{ErrorReport, StatusOverview, status_data};
use crate::services::{Project, Scope};

/// Show what is going on: agents, tasks, what waits and why
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Go on showing it as it changes, until Ctrl-C; in JSON one object a line
    #[arg(long, conflicts_with = "format")]
    watch: bool,
    /// With `--watch`, how often ages, leases and signs of life are looked at too; at least 100ms
    #[arg(long, value_name = "SPAN", default_value = "2s", value_parser = crate::core::time::parse_span)]
    interval: std::time::Duration,
    #[command(flatten)]
    wording: Wording,
}

/// Looks around.
pub(crate) fn run(args: &Args, session: &Session) -> Result<Answer, ErrorReport> {
    let project = session.open()?;
    if args.watch {
        return live::watch(&project, args.interval, session);
    }
    look(&project, &args.wording)
}

/// One look, as an answer.
fn look(project: &Project, wording: &Wording) -> Result<Answer, ErrorReport> {
    let snapshot = project.documents().snapshot(Scope::Named)?;
    let stats = project.monitor().stats_of(&snapshot)?;
    let standing = project.commits().standing()?;
    let mut answer = session::answer("status", project)?;
    let seen = StatusOverview { project, snapshot: &snapshot, stats: &stats, standing: &standing };
    answer.data = status_data(&seen);
    if let Some(words) = wording.words("status", project)? {
        answer.text = words.text([&answer.data])?;
        return Ok(answer);
    }
    answer.text = view::text(&seen, &answer.head);
    answer.findings.clone_from(&project.config().findings);
    answer.words = answer.findings.iter().map(|one| finding(one, "", None)).collect();
    let put_back = project.history().put_back_findings()?;
    answer.words.extend(put_back.iter().map(|one| finding(one, project.folder(), None)));
    answer.findings.extend(put_back);
    Ok(answer)
}
