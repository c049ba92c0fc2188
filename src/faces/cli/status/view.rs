//! The overview for people: a few lines for each part, the rest counted.

use std::fmt::Write as _;

use crate::api::view::{
    AnswerHead, STATUS_ROWS_MAX, StatusOverview, complete_commands, count, is_unreadable, readable_span,
};
use crate::core::entity::{self, AgentStatus, Priority};
use crate::core::name::{DocId, DocPath, visible};
use crate::core::snapshot::Entry;
use crate::core::time::ago;
use crate::faces::cli::answer::{limit, width};
use crate::faces::cli::bar::{Signs, bar, columns};
use crate::faces::cli::render::{Cell, Ink, Table, cut, finding, paint, status};
use crate::faces::cli::{bridge, show, task};
use crate::services::{BridgeStats, Member, TaskLine};

/// Columns of a title in the overview; `task get` shows all of it.
const TITLE_COLUMNS_MAX: usize = 32;

/// All of it.
pub(super) fn text(seen: &StatusOverview<'_>, head: &AnswerHead) -> String {
    let parts =
        [team(seen), tasks(seen), workflows(seen), unreadable(seen), history(seen), mirror(seen), latency(seen)];
    headline(head) + &parts.concat()
}

fn headline(head: &AnswerHead) -> String {
    let branch = match (&head.branch, &head.revision) {
        (Some(branch), Some(revision)) => format!(" on {branch} at {}", revision.get(..7).unwrap_or(revision)),
        (Some(branch), None) => format!(" on {branch}, without a commit yet"),
        (None, Some(revision)) => format!(" on no branch, at {}", revision.get(..7).unwrap_or(revision)),
        (None, None) => " outside git".to_owned(),
    };
    let place = visible(&format!("{}/{}", head.root, head.folder));
    format!("{}{}\n", paint(Ink::Bold, &place), visible(&branch))
}

/// Everybody who has work or could have some, with a bar of it: running, then queued, as wide as the busiest has.
fn team(seen: &StatusOverview<'_>) -> String {
    let team = &seen.stats.team;
    let most = team.iter().map(|member| member.running.len() + member.queued).max().unwrap_or_default();
    let mut table = Table::new(&[]);
    for member in team.iter().take(STATUS_ROWS_MAX) {
        table.row(member_row(seen, member, most));
    }
    let states = AgentStatus::ALL.iter().map(|status| (seen.stats.agents(*status), status.word()));
    let states: Vec<String> = states
        .chain([(seen.stats.stale(), "stale")])
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    let headline = match seen.stats.agent_count {
        0 if team.is_empty() => "no agents".to_owned(),
        0 => "no agent has a file".to_owned(),
        agents => format!("{}: {}", count(agents, "agent"), states.join(", ")),
    };
    part(&headline, &table, team.len())
}

fn member_row(seen: &StatusOverview<'_>, member: &Member, most: usize) -> Vec<Cell> {
    let (running, queued) = (member.running.len(), member.queued);
    let load = match (running, queued) {
        (0, 0) => "nothing to do".to_owned(),
        (running, 0) => format!("{running} running"),
        (0, queued) => format!("{queued} queued"),
        (running, queued) => format!("{running} running, {queued} queued"),
    };
    let bar = match most {
        0 => String::new(),
        most => bar(Signs::of_environment(), columns(width()), running, queued, most),
    };
    let said = member.status.map_or_else(|| Cell::new(Ink::Dim, "no file"), |word| status(word.word()));
    let names = member.running.iter().map(ToString::to_string).chain(member.says.iter().cloned());
    let seen_last = member.pulse.and_then(|pulse| Some((pulse.seen?, pulse.is_stale())));
    let (ink, ago) = match seen_last {
        Some((at, true)) => (Ink::Warn, format!("{} ago, stale", ago(at, seen.stats.at))),
        Some((at, false)) => (Ink::Dim, format!("{} ago", ago(at, seen.stats.at))),
        None => (Ink::Dim, String::new()),
    };
    let names = names.collect::<Vec<_>>().join(", ");
    let ink_of_bar = if running > 0 { Ink::Live } else { Ink::Plain };
    vec![
        format!("  {}", member.name).into(),
        said,
        Cell::new(ink_of_bar, &bar),
        load.into(),
        names.into(),
        Cell::new(ink, &ago),
    ]
}

fn tasks(seen: &StatusOverview<'_>) -> String {
    let stats = seen.stats;
    let total: usize = stats.tasks.iter().map(|(_, count)| count).sum();
    let by_status =
        stats.tasks.iter().filter(|(_, count)| *count > 0).map(|(status, count)| format!("{count} {status}"));
    let by_priority = stats.task_queue.iter().filter(|(_, count)| *count > 0);
    let by_priority: Vec<String> = by_priority.map(|(priority, count)| format!("{count} {priority}")).collect();
    // Where everything is as urgent as anything else there is nothing to tell.
    let is_plain = stats.task_queue.iter().all(|(priority, count)| *count == 0 || *priority == Priority::Normal);
    let queue = if is_plain { String::new() } else { format!("; queue: {}", by_priority.join(", ")) };
    let headline = match total {
        0 => "no tasks".to_owned(),
        total => format!("{}: {}{queue}", count(total, "task"), by_status.collect::<Vec<_>>().join(", ")),
    };
    let mut table = Table::new(&[]);
    for line in stats.running.iter().take(STATUS_ROWS_MAX) {
        table.row(row(line, status("running"), &under_way(line)));
    }
    for line in stats.ended_elsewhere.iter().take(STATUS_ROWS_MAX) {
        let Some(hold) = &line.hold else { continue };
        table.row(row(line, status(hold.state.word()), &task::ended_elsewhere(hold)));
    }
    for line in stats.ready.iter().take(STATUS_ROWS_MAX) {
        let who = line.task.assigned_to.as_ref().map_or_else(String::new, |name| format!("for {name}"));
        table.row(row(line, status("ready"), &who));
    }
    for line in stats.waiting.iter().take(STATUS_ROWS_MAX) {
        table.row(row(line, status("waiting"), &format!("for {}", waits(line))));
    }
    for line in stats.blocked.iter().take(STATUS_ROWS_MAX) {
        let is_its_own = line.root.as_ref().is_some_and(|root| root.path.length() == 1);
        let by = if is_its_own { "" } else { "by " };
        table.row(row(line, status("blocked"), &format!("{by}{}", waits(line))));
    }
    for line in stats.failed.iter().take(STATUS_ROWS_MAX) {
        let text = |error: &serde_json::Value| error.as_str().map_or_else(|| error.to_string(), ToOwned::to_owned);
        table.row(row(line, status("failed"), &line.task.error.as_ref().map_or_else(String::new, text)));
    }
    let rows = [&stats.running, &stats.ended_elsewhere, &stats.ready, &stats.waiting, &stats.blocked, &stats.failed];
    part(&headline, &table, rows.iter().map(|lines| lines.len()).sum())
}

/// Where, by whom, how far, and for how long yet: `in ../wa by ai-engineer, 25 %, 4m 12s left`.
fn under_way(line: &TaskLine) -> String {
    let place = line.hold.as_ref().and_then(|hold| hold.elsewhere.as_ref());
    let place = place.map_or_else(String::new, |place| format!("in {place} "));
    let holder = line.hold.as_ref().map(|hold| &hold.by).or_else(|| line.task.holder());
    let mut parts = vec![holder.map_or_else(|| format!("{place}without a holder"), |name| format!("{place}by {name}"))];
    parts.extend(line.task.progress.map(show::percent));
    match &line.hold {
        Some(hold) if hold.is_over => parts.push("lease over".to_owned()),
        Some(hold) => {
            parts.extend(hold.left.map(|left| format!("{} left", readable_span(left))));
        }
        None => {}
    }
    parts.join(", ")
}

fn waits(line: &TaskLine) -> String {
    task::told(&line.waits_for, line.root.as_ref())
}

fn workflows(seen: &StatusOverview<'_>) -> String {
    const WHOLE: usize = 1_000;
    let flows = &seen.stats.workflows;
    if flows.is_empty() {
        return String::new();
    }
    let mut table = Table::new(&[]);
    for flow in flows.iter().take(STATUS_ROWS_MAX) {
        // A share from 0 to 1, in thousandths.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is between 0 and 1000")]
        let done = flow.progress.map(|progress| (progress.clamp(0.0, 1.0) * 1_000.0) as usize);
        let bar = done.map_or_else(String::new, |done| bar(Signs::of_environment(), columns(width()), done, 0, WHOLE));
        let at = flow.current_task.as_ref().map_or_else(String::new, |id| format!("at {id}"));
        table.row(vec![
            format!("  {}", flow.workflow.id).into(),
            show::workflow_status(&flow.workflow),
            bar.into(),
            flow.progress.map_or_else(String::new, show::percent).into(),
            flow.workflow.title.as_deref().unwrap_or(&flow.workflow.kind).into(),
            Cell::new(Ink::Dim, &at),
        ]);
    }
    part(&format!("{} running", count(flows.len(), "workflow")), &table, flows.len())
}

/// Each server and how it stands, where one is wanted.
fn mirror(seen: &StatusOverview<'_>) -> String {
    let line = |stats: &BridgeStats| {
        let behind = if stats.behind > 0 { format!(", {} behind", stats.behind) } else { String::new() };
        format!("mirror {}{behind}\n", bridge::line(stats))
    };
    seen.stats.bridges.iter().map(line).collect()
}

/// How fast writes are, where there was one.
fn latency(seen: &StatusOverview<'_>) -> String {
    let stats = seen.stats;
    let Some(ms) = stats.avg_latency else { return String::new() };
    let told = match stats.latency_of {
        1 => format!("the last write took {ms} ms"),
        count => format!("the last {count} writes took {ms} ms on average"),
    };
    paint(Ink::Dim, &format!("mode {}; {told}", stats.mode)) + "\n"
}

fn unreadable(seen: &StatusOverview<'_>) -> String {
    let mut out = String::new();
    let all: Vec<&Entry> = seen.snapshot.entries().filter(|entry| is_unreadable(entry)).collect();
    for entry in all.iter().take(STATUS_ROWS_MAX) {
        let id = entry.id.as_ref().map_or(entry.path.stem(), DocId::as_str);
        let title = entry.kind.and_then(|kind| entity::title(kind, &entry.document));
        if let Some(title) = title.filter(|title| title != id) {
            let word = show::unusable(&entry.document).painted();
            let _ = writeln!(out, "  {}  {word}  {}", visible(id), visible(&cut(&title, limit(TITLE_COLUMNS_MAX))));
        }
        for one in entry.findings.iter().take(1) {
            out.push_str(&finding(one, seen.project.folder(), Some(entry.document.bytes())));
        }
    }
    if all.len() > STATUS_ROWS_MAX {
        let more = complete_commands("`mycelium check` shows all").into_owned();
        let _ = writeln!(out, "  … and {} more; {more}", all.len() - STATUS_ROWS_MAX);
    }
    if out.is_empty() { out } else { format!("\n{}\n{out}", paint(Ink::Bad, "unreadable")) }
}

fn history(seen: &StatusOverview<'_>) -> String {
    let watcher = match &seen.standing.watcher {
        Some(watcher) => {
            let process = watcher.pid.map_or_else(String::new, |pid| format!(" (process {pid})"));
            format!("{}{process}", paint(Ink::Good, "a watcher is running"))
        }
        None if seen.project.repository().is_none() => {
            complete_commands("history needs git: `git init` starts one").into_owned()
        }
        None if seen.standing.is_state_read_only => {
            "no watcher is running; `mycelium watch` outside of the sandbox starts one".to_owned()
        }
        None => complete_commands("no watcher is running; `mycelium watch --detach` starts one").into_owned(),
    };
    let uncommitted = &seen.standing.uncommitted;
    let mut out = match (uncommitted.len(), &seen.standing.waiting) {
        (0, None) => "everything is committed".to_owned(),
        (0, Some(waiting)) => format!("nothing to commit; {waiting}"),
        (n, None) => format!("{} not committed yet", count(n, "document")),
        (n, Some(waiting)) => format!("{} not committed: {waiting}", count(n, "document")),
    };
    out = visible(&out);
    for path in uncommitted.iter().take(STATUS_ROWS_MAX) {
        let _ = write!(out, "\n  {}", visible(&why(seen, path)));
    }
    if uncommitted.len() > STATUS_ROWS_MAX {
        let _ = write!(out, "\n  … and {} more", uncommitted.len() - STATUS_ROWS_MAX);
    }
    let conflicts = match seen.standing.conflicts.len() {
        0 => String::new(),
        n => format!("{} in conflict; `mycelium resolve` merges what can be merged\n", count(n, "document")),
    };
    format!("\n{out}\n{}{watcher}\n", paint(Ink::Warn, &conflicts))
}

/// A document that is not committed, with the reason where it has one of its own.
fn why(seen: &StatusOverview<'_>, path: &DocPath) -> String {
    let held = seen.standing.held.iter().find(|held| held.path == *path);
    held.map_or_else(|| path.to_string(), |held| format!("{path}  held back: {}", held.why))
}

fn row(line: &TaskLine, word: Cell, about: &str) -> Vec<Cell> {
    let title = line.task.title.as_deref().unwrap_or(&line.task.kind);
    vec![
        format!("  {}", line.task.id).into(),
        word,
        cut(title, limit(TITLE_COLUMNS_MAX)).into(),
        Cell::new(Ink::Dim, about),
    ]
}

/// A headline with its rows, and how many rows are left out.
fn part(headline: &str, table: &Table, total: usize) -> String {
    let left = total.saturating_sub(table.len());
    let more = if left > 0 { format!("  … and {left} more\n") } else { String::new() };
    format!("\n{}\n{}{more}", paint(Ink::Bold, headline), table.text(width()))
}
