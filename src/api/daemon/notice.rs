//! What a watching process tells: as words for people and as JSON for programs. Decides nothing and prints nothing.

use std::fmt;

use serde_json::{Value, json};

use crate::core::diagnostic::Diagnostic;
use crate::core::engine::{Reason, Report};
use crate::core::name::{AgentName, DocId, DocPath, Revision};
use crate::services::Waiting;

/// Something that a watching process tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// Nobody ever watched here: where commits will be, and what else could be chosen.
    FirstTime {
        /// The coordination folder below the work tree.
        folder: String,
    },
    /// The watches are armed: what is saved from now on is noticed.
    Ready,
    /// A commit was made.
    Committed {
        /// Its id.
        revision: Revision,
        /// The first line of its message.
        subject: String,
    },
    /// Commits go to a detached HEAD.
    OnNoBranch,
    /// Something is held back, waits, or does so no longer.
    Report(Report),
    /// Something a person should look at, such as a save that came too late and where it is kept.
    Finding(Diagnostic),
    /// A new error or warning in a document that was committed.
    Document(Diagnostic),
    /// The repository's objects could not be packed; nothing is lost by that.
    Upkeep(String),
    /// Git ignores a document of the folder.
    Ignored(Waiting),
    /// Documents that are done with went into the archive; their commit follows.
    Archived {
        /// How many.
        count: usize,
    },
    /// They could not; nothing is lost by that.
    NotArchived(Reason),
    /// Settings have changed and are in force from now on.
    Settings {
        /// The full keys of those that have changed; none if what was broken is as it was again.
        keys: Vec<&'static str>,
        /// The coordination folder below the work tree, which may be another one now.
        folder: String,
    },
    /// A file of settings cannot be used: those that were in force stay.
    SettingsBroken(Reason),
    /// A task was taken from an agent whose lease was over.
    TakenBack {
        /// Which task.
        task: DocId,
        /// Who had it.
        by: AgentName,
    },
    /// The bridge to a server is live, lost it, or has paused.
    Bridge {
        /// `live`, `down` or `paused`.
        state: &'static str,
        /// In words.
        what: String,
        /// What to do about it.
        hint: Option<String>,
    },
}

impl Notice {
    /// What to do about it, in the imperative.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Report(report) => report.hint(),
            Self::Finding(finding) | Self::Document(finding) => finding.hint.clone(),
            Self::Ignored(waiting) => waiting.hint(),
            Self::Upkeep(_) => Some("run `git gc` to see what is in the way".to_owned()),
            Self::SettingsBroken(reason) | Self::NotArchived(reason) => reason.hint.clone(),
            Self::Bridge { hint, .. } => hint.clone(),
            Self::OnNoBranch => Some("run `git switch -c NAME` to keep them".to_owned()),
            Self::FirstTime { .. }
            | Self::Ready
            | Self::Committed { .. }
            | Self::Archived { .. }
            | Self::Settings { .. }
            | Self::TakenBack { .. } => None,
        }
    }

    /// Whether something is wrong, or only news.
    #[must_use]
    pub fn is_trouble(&self) -> bool {
        matches!(self, Self::Finding(_) | Self::Document(_) | Self::SettingsBroken(_) | Self::NotArchived(_))
            || self.hint().is_some()
    }

    /// One object for a stream of JSON lines: `event` says what it is, `message` says it in words.
    #[must_use]
    pub fn to_json(&self, folder: &str) -> Value {
        let mut value = match self {
            Self::FirstTime { folder } => json!({ "event": "first-time", "folder": folder }),
            Self::Ready => json!({ "event": "ready" }),
            Self::Committed { revision, subject } => {
                json!({ "event": "committed", "revision": revision.as_str(), "subject": subject })
            }
            Self::Finding(finding) | Self::Document(finding) => json!({
                "event": "finding",
                "severity": finding.severity.to_string(),
                "code": finding.code.as_str(),
                "path": finding.path.as_ref().map(|path| format!("{folder}/{path}")),
                "line": finding.place.map(|place| place.line),
                "column": finding.place.map(|place| place.column),
            }),
            Self::OnNoBranch => json!({ "event": "on-no-branch" }),
            Self::Upkeep(_) => json!({ "event": "upkeep" }),
            Self::Ignored(_) => json!({ "event": "ignored" }),
            Self::Settings { keys, folder } => json!({ "event": "settings", "keys": keys, "folder": folder }),
            Self::Archived { count } => json!({ "event": "archived", "count": count }),
            Self::NotArchived(_) => json!({ "event": "not-archived" }),
            Self::SettingsBroken(_) => json!({ "event": "settings-broken" }),
            Self::TakenBack { task, by } => {
                json!({ "event": "taken-back", "task": task.as_str(), "agent": by.as_str() })
            }
            Self::Bridge { state, .. } => json!({ "event": "bridge", "state": state }),
            Self::Report(report) => report_json(folder, report),
        };
        if let Value::Object(map) = &mut value {
            map.insert("message".to_owned(), self.to_string().into());
            if let Some(hint) = self.hint() {
                map.insert("hint".to_owned(), hint.into());
            }
        }
        value
    }
}

fn report_json(folder: &str, report: &Report) -> Value {
    let file = |path: &DocPath| format!("{folder}/{path}");
    match report {
        Report::Held(held) => json!({ "event": "held", "path": file(&held.path) }),
        Report::Healed(path) => json!({ "event": "healed", "path": file(path) }),
        Report::Guarded { deleted, of } => json!({ "event": "guarded", "deleted": deleted, "of": of }),
        Report::Waiting(_) => json!({ "event": "waiting" }),
        Report::Resumed => json!({ "event": "resumed" }),
        Report::Refused(_) => json!({ "event": "refused" }),
        Report::Failed(_) => json!({ "event": "failed" }),
        Report::Degraded(_) => json!({ "event": "degraded" }),
        Report::Restored => json!({ "event": "restored" }),
        Report::Left(paths) => {
            json!({ "event": "left", "paths": paths.iter().map(file).collect::<Vec<_>>() })
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FirstTime { folder } => write!(
                f,
                "changes of `{folder}` are committed to the branch you are on, beside the code and in pull requests\n\
                 to see the code's history alone: `git log -- . ':!{folder}'`\n\
                 to keep them apart, on a branch of their own: `mycelium config set commit.branch coordination --untrack`\n\
                 (moves the documents that are on this branch already off it, in one commit)"
            ),
            Self::Ready => f.write_str("watching"),
            Self::Committed { revision, subject } => write!(f, "committed {}: {subject}", revision.short()),
            Self::Report(report) => write!(f, "{report}"),
            Self::Finding(finding) | Self::Document(finding) => write!(f, "{finding}"),
            Self::OnNoBranch => f.write_str("HEAD is detached: no branch holds these commits"),
            Self::Upkeep(why) => write!(f, "loose objects stay unpacked: {why}"),
            Self::Ignored(waiting) => write!(f, "not committed: {waiting}"),
            Self::Settings { keys, .. } if keys.is_empty() => f.write_str("the settings are in order again"),
            Self::Settings { keys, .. } => write!(f, "settings have changed: {}", keys.join(", ")),
            Self::Archived { count: 1 } => f.write_str("archived 1 document"),
            Self::Archived { count } => write!(f, "archived {count} documents"),
            Self::NotArchived(reason) => write!(f, "nothing could be archived: {reason}"),
            Self::SettingsBroken(reason) => write!(f, "the settings stay as they were: {reason}"),
            Self::Bridge { what, .. } => f.write_str(what),
            Self::TakenBack { task, by } => write!(f, "{task} taken back: the lease of {by} is over"),
        }
    }
}
