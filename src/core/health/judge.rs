//! The verdicts: what is well, what wants a look, what does not work, and what to do. Pure.

use super::facts::{Facts, Fault, FileSystem, Ground, Inside, Limits, Presence};
use super::{Check, Group, Verdict};
use super::{judge_bridge, judge_git};
use crate::core::diagnostic::Severity;
use crate::core::time::{Timestamp, ago};

/// Below this many free bytes a warning is due: a repack needs room.
const FREE_BYTES_MIN: u64 = 200 * 1024 * 1024;
/// Below this many free bytes nothing can be promised.
const FREE_BYTES_LEAST: u64 = 10 * 1024 * 1024;
/// Below this many free files a warning is due.
const FREE_FILES_MIN: u64 = 1_000;
/// How far the clock of a file system may be off before it is worth a word, in milliseconds.
const SKEW_MS_MAX: i64 = 2_000;
/// No machine that runs this has an earlier clock (2025-01-01).
const CLOCK_MIN_S: i64 = 1_735_689_600;
/// As many watches as a folder with a large archive needs beside other programs.
const WATCHES_MIN: u64 = 8_192;
/// As many programs that watch as an editor and a desktop need beside ours.
const INSTANCES_MIN: u64 = 128;

/// Every check, in the order in which they are told.
#[must_use]
pub fn judge(facts: &Facts) -> Vec<Check> {
    let mut checks = vec![judge_git::program(&facts.program), place(facts)];
    if let Some(inside) = &facts.inside {
        checks.extend(inside.git.iter().flat_map(|git| judge_git::repository(git, inside, facts.now)));
        checks.push(folder(inside));
        checks.extend(protected_folder(inside));
        checks.push(documents(inside));
        checks.extend(settings(inside));
        checks.extend(standing(inside, facts.now));
        checks.push(events(inside));
        checks.extend(inside.bridges.iter().flat_map(|bridge| judge_bridge::bridge(bridge, facts.now)));
        checks.extend(inside.ground.iter().flat_map(ground));
    } else {
        let message = "not looked at: see `repository`";
        checks.push(Check::new(Group::Documents, "folder", Verdict::Skipped, message));
    }
    checks.extend(facts.limits.map(limits));
    checks.push(clock(facts.now));
    checks.sort_by_key(|check| Group::ALL.iter().position(|group| *group == check.group));
    checks
}

fn ok(group: Group, name: &'static str, message: impl Into<String>) -> Check {
    Check::new(group, name, Verdict::Ok, message)
}

fn warning(group: Group, name: &'static str, message: impl Into<String>) -> Check {
    Check::new(group, name, Verdict::Warning, message)
}

fn problem(group: Group, name: &'static str, message: impl Into<String>) -> Check {
    Check::new(group, name, Verdict::Problem, message)
}

fn failed(group: Group, name: &'static str, fault: &Fault) -> Check {
    problem(group, name, fault.message.clone()).maybe(fault.hint.as_ref())
}

fn place(facts: &Facts) -> Check {
    let name = "repository";
    match &facts.place {
        Ok(place) if place.in_git => ok(Group::Git, name, place.root.clone()),
        Ok(place) if place.has_git_dir => problem(
            Group::Git,
            name,
            format!("`{}/.git` is there and is no repository: a part of it is missing", place.root),
        )
        .fix("bring `HEAD`, `objects` or `refs` back from a copy, whichever is missing, or clone again"),
        Ok(place) => warning(Group::Git, name, format!("`{}` is in no repository: there is no history", place.root))
            .fix("run `git init` to keep a history"),
        Err(fault) => failed(Group::Git, name, fault),
    }
}

fn folder(inside: &Inside) -> Check {
    let name = "folder";
    match &inside.ground {
        Err(fault) => failed(Group::Documents, name, fault),
        Ok(Ground { unwritable: Some(why), .. }) => {
            problem(Group::Documents, name, format!("`{}` cannot be written: {why}", inside.folder))
                .fix("check who owns it, and whether the disk is mounted for writing")
        }
        Ok(Ground { folder: Presence::Missing, .. }) => {
            ok(Group::Documents, name, format!("`{}` is not there yet; the first write makes it", inside.folder))
        }
        Ok(_) => ok(Group::Documents, name, format!("`{}` is there and can be written", inside.folder)),
    }
}

/// A folder that an agent's own tools may not edit.
fn protected_folder(inside: &Inside) -> Option<Check> {
    let is_protected = inside.folder.split('/').next() == Some(".claude");
    let message = "Claude Code protects `.claude/`: its agents change documents by commands; `markdown.folder` names \
                   another folder";
    is_protected.then(|| ok(Group::Documents, "agent-edits", message))
}

fn documents(inside: &Inside) -> Check {
    let name = "format";
    let documents = match &inside.documents {
        Ok(documents) => documents,
        Err(fault) => return failed(Group::Documents, name, fault),
    };
    let count = plural(documents.count, "document");
    let told = |codes: &[(&'static str, usize)], word: &str| {
        let all: usize = codes.iter().map(|(_, times)| times).sum();
        let codes: Vec<String> = codes.iter().map(|(code, times)| times_of(code, *times)).collect();
        format!("{} ({})", plural(all, word), codes.join(", "))
    };
    match (documents.errors.is_empty(), documents.warnings.is_empty()) {
        (true, true) => ok(Group::Documents, name, format!("{count}, nothing wrong with them")),
        (true, false) => {
            warning(Group::Documents, name, format!("{} in {count}", told(&documents.warnings, "warning")))
                .fix("run `mycelium check` to see where, `mycelium explain CODE` to see why")
        }
        (false, none) => {
            let more = if none { String::new() } else { format!(", {}", told(&documents.warnings, "warning")) };
            problem(Group::Documents, name, format!("{}{more} in {count}", told(&documents.errors, "error")))
                .fix("run `mycelium check` to see where, `mycelium explain CODE` to see why")
        }
    }
}

fn times_of(code: &str, times: usize) -> String {
    if times == 1 { code.to_owned() } else { format!("{code} × {times}") }
}

fn settings(inside: &Inside) -> Vec<Check> {
    let mut checks: Vec<Check> = inside
        .settings
        .iter()
        .map(|finding| {
            let verdict = if finding.severity == Severity::Error { Verdict::Problem } else { Verdict::Warning };
            Check::new(Group::Settings, "configuration", verdict, finding.message.clone()).maybe(finding.hint.as_ref())
        })
        .collect();
    if checks.is_empty() {
        checks.push(ok(Group::Settings, "configuration", "every setting is known and fits"));
    }
    if inside.undurable {
        let message = "`markdown.durability` is off: a power cut may lose what was acknowledged";
        checks.push(
            warning(Group::Settings, "durability", message)
                .fix("run `mycelium config set --user markdown.durability full`"),
        );
    }
    checks
}

fn standing(inside: &Inside, now: Timestamp) -> Vec<Check> {
    let standing = match &inside.standing {
        Ok(standing) => standing,
        Err(fault) => return vec![failed(Group::Commits, "uncommitted", fault)],
    };
    let count = plural(standing.uncommitted, "document");
    let waiting = match (&standing.waiting, standing.uncommitted, standing.held) {
        (None, 0, _) => ok(Group::Commits, "uncommitted", "everything is committed"),
        (None, _, 0) if standing.watcher.is_some() => {
            ok(Group::Commits, "uncommitted", format!("{count} not committed yet; the watcher does it in a moment"))
        }
        (None, _, 0) => warning(Group::Commits, "uncommitted", format!("{count} not committed yet"))
            .fix("run `mycelium commit`, or `mycelium watch --detach` to have it done"),
        (None, _, held) => {
            warning(Group::Commits, "uncommitted", format!("{count} not committed, {held} of them held back"))
                .fix("run `mycelium commit` to see why")
        }
        (Some(_), 0, _) if inside.git.is_none() => {
            ok(Group::Commits, "uncommitted", "there is no history to commit to")
        }
        (Some(fault), 0, _) => ok(Group::Commits, "uncommitted", format!("nothing to commit; {}", fault.message)),
        (Some(fault), ..) => {
            warning(Group::Commits, "uncommitted", format!("{count} not committed: {}", fault.message))
                .maybe(fault.hint.as_ref())
        }
    };
    let watcher = match standing.watcher {
        Some((pid, since)) => {
            let pid = pid.map_or_else(String::new, |pid| format!(" (process {pid})"));
            let since = since.map_or_else(String::new, |since| format!(", for {}", ago(since, now)));
            ok(Group::Watching, "watcher", format!("one is running{pid}{since}"))
        }
        None if inside.git.is_none() => ok(Group::Watching, "watcher", "none is running; it needs a repository"),
        None => {
            ok(Group::Watching, "watcher", "none is running; commands commit, `mycelium watch` sees other saves too")
        }
    };
    vec![waiting, watcher]
}

fn events(inside: &Inside) -> Check {
    match &inside.events {
        Ok(count) => ok(Group::Watching, "events", format!("they come from {}", count_of(*count))),
        Err(fault) => warning(Group::Watching, "events", format!("{}: changes are seen late", fault.message))
            .maybe(fault.hint.as_ref()),
    }
}

fn count_of(count: usize) -> String {
    if count == 1 { "1 directory".to_owned() } else { format!("{count} directories") }
}

fn limits(limits: Limits) -> Check {
    let message = format!("{} watches and {} watching programs are allowed", limits.watches, limits.instances);
    if limits.watches < WATCHES_MIN {
        return warning(Group::Watching, "inotify", message)
            .fix("run `sudo sysctl fs.inotify.max_user_watches=524288` to raise the limit");
    }
    if limits.instances < INSTANCES_MIN {
        return warning(Group::Watching, "inotify", message)
            .fix("run `sudo sysctl fs.inotify.max_user_instances=1024` to raise the limit");
    }
    ok(Group::Watching, "inotify", message)
}

fn ground(ground: &Ground) -> Vec<Check> {
    let mut checks = vec![file_system(ground), run_state(ground)];
    checks.extend(space(ground));
    checks.extend(skew(ground));
    if !ground.recovered.is_empty() {
        let message = format!(
            "{} too late for its document and kept in `{}`",
            if ground.recovered.len() == 1 {
                "1 text was saved".to_owned()
            } else {
                format!("{} texts were saved", ground.recovered.len())
            },
            ground.recovered.join("`, `")
        );
        checks.push(
            warning(Group::Documents, "late-saves", message).fix("take over what you want of it, then remove the file"),
        );
    }
    checks
}

fn file_system(ground: &Ground) -> Check {
    let name = "file-system";
    let kind = ground.file_system.as_ref().map_or("of an unknown type", |system| system.kind.as_str());
    let local = "keep the repository on a local file system (ext4, XFS, btrfs, tmpfs, APFS)";
    if ground.exchange == Some(false) && ground.links != Some(false) {
        let message = format!(
            "{kind}: two files cannot be exchanged in one step, so a save in the moment of a write may be lost"
        );
        return warning(Group::Machine, name, message).fix(local);
    }
    if ground.links == Some(false) {
        return problem(Group::Machine, name, format!("{kind}: it has no hard links, which git's locks need"))
            .fix(local);
    }
    match &ground.file_system {
        Some(FileSystem { remote: true, .. }) => {
            warning(Group::Machine, name, format!("{kind}: what other machines change there is seen late"))
                .fix("let one machine watch, or keep a clone on a local disk")
        }
        _ if ground.apart => {
            ok(Group::Machine, name, format!("{kind}; run state is on another one, so drafts lie beside the documents"))
        }
        _ => ok(Group::Machine, name, kind),
    }
}

fn run_state(ground: &Ground) -> Check {
    let name = "run-state";
    match (&ground.run_unwritable, ground.temporary) {
        (Some(why), _) if ground.unwritable.is_some() => {
            problem(Group::Machine, name, format!("locks and journal cannot be written: {why}"))
                .fix("check who owns the git directory, and whether the disk is mounted for writing")
        }
        (Some(why), _) => {
            let message = format!(
                "`{}` is read-only for this process, as in a sandbox: {why}; claims are refused here, other changes are \
                 committed by a process outside of the sandbox",
                ground.state
            );
            warning(Group::Machine, name, message).fix(format!(
                "run `mycelium watch` outside of the sandbox, and let the sandbox write `{}` for claims",
                ground.state
            ))
        }
        (None, 0) => ok(Group::Machine, name, "clean"),
        (None, n) => ok(Group::Machine, name, format!("{}, which the next write sweeps", plural(n, "temporary file"))),
    }
}

fn space(ground: &Ground) -> Option<Check> {
    let name = "disk";
    let free = ground.free_bytes?;
    let files = ground.free_files.filter(|files| *files < FREE_FILES_MIN);
    let words = format!("{} MB are free", free / (1024 * 1024));
    Some(match (free, files) {
        (..FREE_BYTES_LEAST, _) => problem(Group::Machine, name, words).fix("free some disk space"),
        (_, Some(files)) => warning(
            Group::Machine,
            name,
            format!("{words}, but only {} can be made", plural(usize::try_from(files).unwrap_or(usize::MAX), "file")),
        )
        .fix("remove files that nobody needs: the file system runs out of names"),
        (..FREE_BYTES_MIN, None) => warning(Group::Machine, name, words).fix("free some disk space"),
        _ => ok(Group::Machine, name, words),
    })
}

fn skew(ground: &Ground) -> Option<Check> {
    let skew = ground.skew_ms?;
    let name = "file-times";
    Some(if skew.abs() > SKEW_MS_MAX {
        let words = if skew > 0 { "ahead of" } else { "behind" };
        let message = format!("the file system's clock is {} s {words} the system's", skew.abs() / 1_000);
        warning(Group::Machine, name, message).fix("set the clocks of both machines by the same server (NTP)")
    } else {
        ok(Group::Machine, name, "the file system's clock agrees with the system's")
    })
}

fn clock(now: Timestamp) -> Check {
    if now.unix_s() < CLOCK_MIN_S {
        return problem(Group::Machine, "clock", format!("it is {now} by the system's clock")).fix("set the clock");
    }
    ok(Group::Machine, "clock", format!("it is {now}"))
}

pub(super) fn plural(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests;
