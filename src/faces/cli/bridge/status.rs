//! `bridge status`: what is known of the mirror, by a look that costs a few milliseconds.

use std::fmt::Write as _;
use std::time::Duration;

use super::OneBackend;
use crate::api::view::{ErrorReport, bridge_status_data, count};
use crate::core::entity::span_text;
use crate::core::name::visible;
use crate::core::time::{Timestamp, ago};
use crate::faces::cli::answer::Answer;
use crate::faces::cli::render::{self, Ink, paint};
use crate::faces::cli::session::{self, Session};
use crate::services::{BRIDGE_UNKNOWN, BackendHealth, BackendId, BridgeStats};

/// Tells.
pub(super) fn run(only: OneBackend, session: &Session) -> Result<Answer, ErrorReport> {
    let project = session.open()?;
    let (mode, stats) = project.bridge().stats();
    let known: Vec<_> = project.bridge().health().iter().map(|record| (record.backend(), record.read())).collect();
    let health = |id| known.iter().find(|(of, _)| *of == id).and_then(|(_, health)| health.clone());
    let with_health = |stats: BridgeStats| {
        let health = health(stats.backend);
        (stats, health)
    };
    let stats = stats.into_iter().filter(|stats| only.has(stats.backend));
    let bridges: Vec<_> = stats.map(with_health).collect();
    let offered = project.bridge().found_taskqueue().filter(|_| only.has(BackendId::TaskQueue));
    let mut answer = session::answer("bridge.status", &project)?;
    answer.data = bridge_status_data(mode, &bridges, offered.as_ref());
    answer.text = bridges.iter().map(|(stats, health)| text(stats, health.as_ref(), project.now())).collect();
    if bridges.is_empty() {
        answer.text.push_str("no server is named; the files work alone\n");
        if project.config().text("coordination.mode") == Some("auto") {
            // What was found has a hint of its own.
            let asked = if offered.is_some() { Some(BackendId::Redis).filter(|id| only.has(*id)) } else { only.id() };
            if offered.is_none() || asked.is_some() {
                answer.words = render::hint(project.bridge().naming_hint(asked));
            }
        }
    }
    if let Some(offered) = offered {
        let _ = writeln!(answer.text, "taskqueue  {}", visible(&offered.words()));
        answer.words.push_str(&render::hint(&offered.hint()));
    }
    answer.words.extend(bridges.iter().filter_map(|(stats, _)| stats.hint.as_deref()).map(render::hint));
    Ok(answer)
}

/// One line: where, how it stands, and why not: `redis://127.0.0.1:6379/0  live  Redis 7.0.15`.
pub(crate) fn line(stats: &BridgeStats) -> String {
    let ink = match stats.state {
        "live" => Ink::Good,
        "paused" => Ink::Warn,
        _ => Ink::Bad,
    };
    let about = stats.why.as_deref().or(stats.server.as_deref()).unwrap_or_default();
    // The address stands in front already.
    let about = about.strip_prefix(&format!("the server {} ", stats.address)).unwrap_or(about);
    let address = if stats.address.is_empty() { stats.backend.word() } else { &stats.address };
    let line = format!("{}  {}  {}", visible(address), paint(ink, stats.state), visible(about));
    line.trim_end().to_owned()
}

fn text(stats: &BridgeStats, health: Option<&BackendHealth>, now: Timestamp) -> String {
    let mut out = line(stats) + "\n";
    if !stats.branch.is_empty() {
        let _ = writeln!(out, "  branch     {}", visible(&stats.branch));
    }
    let Some(health) = health else { return out };
    let behind = match health.behind {
        0 => "nothing".to_owned(),
        behind => count(usize::try_from(behind).unwrap_or(usize::MAX), "document"),
    };
    let pass = |at| format!("{} ago in {} ms, {behind} behind", ago(at, now), health.last_pass_ms);
    let _ = writeln!(out, "  compared   {}", health.last_pass.map_or_else(|| "never".to_owned(), pass));
    if health.sent + health.came > 0 {
        let _ = writeln!(out, "  exchanged  {} went, {} came", health.sent, health.came);
    }
    let follower = match stats.follower {
        Some(pid) => format!("process {pid}"),
        None => "none; `mycelium watch` keeps it going, `mycelium bridge push` goes once".to_owned(),
    };
    let _ = writeln!(out, "  follower   {follower}");
    for (task, until) in &health.popped {
        let left = Duration::from_millis(u64::try_from(until.unix_ms() - now.unix_ms()).unwrap_or(0));
        let left = span_text(Duration::from_secs(left.as_secs()));
        let _ = writeln!(out, "  popped     {} by {BRIDGE_UNKNOWN}, comes back in {left}", visible(task));
    }
    if health.lost > 0 {
        let lost = count(usize::try_from(health.lost).unwrap_or(usize::MAX), "message");
        let _ = writeln!(out, "  lost       {lost} of other programs may not be written down");
    }
    if health.gaps > 0 {
        let gaps = count(usize::try_from(health.gaps).unwrap_or(usize::MAX), "time");
        let _ = writeln!(out, "  gaps       the connection was lost {gaps}: what was published then is not known");
    }
    for (word, names) in [("held", &health.held), ("unusable", &health.garbage)] {
        for name in names {
            let _ = writeln!(out, "  {word:<9}  {}", visible(name));
        }
    }
    out
}
