//! `bridge enable` and `bridge disable`: agreeing to a server, and taking that back.

use std::fmt::Write as _;

use super::pass::BackendWord;
use crate::api::view::{ErrorReport, bridge_consent_data, bridge_disable_data};
use crate::core::config::Origin;
use crate::core::name::visible;
use crate::faces::cli::answer::Answer;
use crate::faces::cli::render::{self, Ink, paint};
use crate::faces::cli::session::{self, Session};
use crate::services::{BackendId, Patience};

const EXAMPLES: &str = "\
Examples:
  mycelium bridge enable redis://127.0.0.1:6379
  mycelium bridge enable taskqueue
  mycelium bridge enable --branch main

The password comes from REDIS_PASSWORD or your own configuration; it is never written down here.";

/// Agree to a server, and mirror the documents of a branch there
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Enable {
    /// The address of a Redis server, or `taskqueue` [default: the server that the settings name]
    url: Option<String>,
    /// Mirror this branch [default: the one that is checked out]
    #[arg(long)]
    branch: Option<String>,
}

/// Take the consent to a server back
#[derive(Debug, clap::Args)]
pub(crate) struct Disable {
    /// Which backend: redis or taskqueue [default: each that is enabled]
    #[arg(value_enum, hide_possible_values = true)]
    backend: Option<BackendWord>,
}

/// Agrees, and looks whether the server is there.
pub(super) fn enable(args: &Enable, session: &Session) -> Result<Answer, ErrorReport> {
    let project = session.open()?;
    let branch = args.branch.as_deref();
    let enabling = match args.url.as_deref() {
        Some(word) if word == BackendId::TaskQueue.word() => project.bridge().enable_taskqueue(branch)?,
        url => project.bridge().enable(url, branch)?,
    };
    let target = &enabling.target;
    let detected = project.bridge().detect(Patience::Full).backends.into_iter();
    let detected = detected.into_iter().find(|found| found.backend == target.backend);
    let mut answer = session::answer("bridge.enable", &project)?;
    answer.data = bridge_consent_data(&enabling, detected.as_ref());
    let branch =
        if target.branch.is_empty() { String::new() } else { format!(" while {} is checked out", target.branch) };
    answer.text = visible_lines(&[
        format!("documents of `{}` go to {}{branch}", project.folder(), target.address),
        "what others change there comes here, is merged and committed".to_owned(),
        "`mycelium watch` keeps both in step, `mycelium bridge push` and `pull` go once, `disable` ends it".to_owned(),
    ]);
    if !enabling.was_enabled && project.store().locks.watcher().ok().flatten().is_some() {
        answer.words.push_str("the watcher that runs here begins with it now\n");
    }
    if let Some(why) = detected.as_ref().and_then(|found| found.unreached.as_ref()) {
        let _ = writeln!(answer.words, "{} not live now: {}", paint(Ink::Warn, "warning:"), visible(why));
        if let Some(hint) = detected.as_ref().and_then(|found| found.hint.as_ref()) {
            answer.words.push_str(&render::hint(hint));
        }
    }
    Ok(answer)
}

fn visible_lines(lines: &[String]) -> String {
    lines.iter().map(|line| visible(line) + "\n").collect()
}

/// Forgets the servers.
pub(super) fn disable(args: &Disable, session: &Session) -> Result<Answer, ErrorReport> {
    let project = session.open()?;
    let asked: Vec<BackendId> = args.backend.map_or(BackendId::ALL.to_vec(), |backend| vec![backend.id()]);
    let mut forgotten = Vec::new();
    let mut still = None;
    for backend in asked {
        forgotten.extend(project.bridge().disable(backend)?.map(|address| (backend, address)));
        still = still.or_else(|| match project.bridge().named_by(backend) {
            Some(Origin::Environment) => Some("a variable still names a server, which counts by itself"),
            Some(Origin::User) => Some("your own configuration still names a server, which counts by itself"),
            _ => None,
        });
    }
    let mut answer = session::answer("bridge.disable", &project)?;
    answer.data = bridge_disable_data(&forgotten, still);
    let line = |(_, address): &(BackendId, String)| {
        format!("{} is forgotten; what lies there stays there\n", visible(address))
    };
    answer.text = forgotten.iter().map(line).collect();
    if forgotten.is_empty() {
        answer.text.push_str("nothing was enabled\n");
    }
    if let Some(still) = still {
        answer.words = format!("{still}\n{} set `coordination.mode` to `markdown`\n", paint(Ink::Hint, "hint:"));
    }
    Ok(answer)
}
