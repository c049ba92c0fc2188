//! The lines below `## Steps` of a workflow: how each step stands, by whom and when. They repeat what the documents of the steps
//! say, for readers of the file; nothing is decided by them. Pure.
//!
//! Each line has a heading of its own above it that never changes, so that two branches on which different steps go on
//! merge clean with plain git.

use super::model::Task;
use super::status::TaskStatus;
use crate::core::document::Document;
use crate::core::template::{cut, one_line};
use crate::core::time::Timestamp;

/// The section.
pub const STEPS: &str = "Steps";
/// Columns of a result or an error that a line repeats.
const OUTCOME_COLUMNS_MAX: usize = 120;
const HEADING: &str = "### ";
const BULLET: &str = "- ";

/// Returns the section of a workflow none of whose steps has begun.
#[must_use]
pub fn new_section<'a>(steps: impl IntoIterator<Item = &'a str>) -> String {
    let one = |step: &str| format!("{HEADING}{step}\n\n{BULLET}{}\n", TaskStatus::Pending.word());
    steps.into_iter().map(one).collect::<Vec<_>>().join("\n")
}

/// Returns the document of a workflow with the line of a step as its task says, at a moment; `None` if it says so already, or has no
/// line for the step.
#[must_use]
pub fn with_step(workflow: &Document, task: &Task, now: Timestamp) -> Option<Document> {
    let step = task.execution.step.as_deref().filter(|_| task.execution.fan_out.is_none())?;
    let text = workflow.body().section_text(STEPS)?;
    let (at, old) = line_of(text, step)?;
    let new = StepLine::of(task, &StepLine::read(old), now).text();
    if new == old {
        return None;
    }
    let text = format!("{}{new}{}", &text[..at], &text[at + old.len()..]);
    workflow.edit().set_section_text(STEPS, &text).ok().filter(|document| document != workflow)
}

/// Returns the section where two sides have changed it: the line of a step that both changed is the later one.
#[must_use]
pub fn merged(base: &str, a: &str, b: &str) -> Option<String> {
    let mut text = a.to_owned();
    for line in a.lines().filter_map(|line| line.strip_prefix(HEADING)) {
        let ((at, mine), (_, other)) = (line_of(&text, line)?, line_of(b, line)?);
        let old = line_of(base, line).map(|(_, line)| line);
        let is_theirs = mine != other && (old == Some(mine) || old != Some(other) && rank(other) > rank(mine));
        if is_theirs {
            text = format!("{}{other}{}", &text[..at], &text[at + mine.len()..]);
        }
    }
    // Only lines of steps may differ: what somebody wrote between them is merged by lines.
    let skeleton = |text: &str| text.lines().filter(|line| !line.starts_with(BULLET)).map(str::to_owned).collect();
    let [a, b]: [Vec<String>; 2] = [skeleton(a), skeleton(b)];
    (a == b).then_some(text)
}

/// What orders two states of a step: the larger one is later.
fn rank(line: &str) -> (u64, u8, &str) {
    let read = StepLine::read(line);
    let state = match read.state {
        "completed" | "failed" => 2,
        "running" => 1,
        _ => 0,
    };
    (read.attempt, state, line)
}

/// The first list item below the heading of a step, and where it begins.
fn line_of<'a>(text: &'a str, step: &str) -> Option<(usize, &'a str)> {
    let mut at = 0;
    let mut is_below = false;
    for line in text.split_inclusive('\n') {
        let bare = line.trim_end_matches(['\n', '\r']);
        match bare.strip_prefix(HEADING) {
            Some(name) => is_below = name == step,
            None if is_below && bare.starts_with(BULLET) => return Some((at, bare)),
            None => {}
        }
        at += line.len();
    }
    None
}

/// A line in its parts: `- completed, ann 2025-10-17T10:00:00Z to 2025-10-17T10:04:00Z, attempt 1: {"loss":0.04}`.
#[derive(Debug, Clone, Default, PartialEq)]
struct StepLine<'a> {
    state: &'a str,
    by: Option<&'a str>,
    from: Option<String>,
    to: Option<String>,
    /// 0: it was not begun.
    attempt: u64,
    outcome: Option<String>,
}

impl<'a> StepLine<'a> {
    /// Reads what an earlier line says of moments; of anything else, nothing.
    fn read(line: &'a str) -> Self {
        let line = line.strip_prefix(BULLET).unwrap_or(line);
        let (head, outcome) = line.split_once(": ").map_or((line, None), |(head, outcome)| (head, Some(outcome)));
        let mut parts = head.split(", ");
        let mut read =
            Self { state: parts.next().unwrap_or_default(), outcome: outcome.map(str::to_owned), ..Self::default() };
        for part in parts {
            if let Some(attempt) = part.strip_prefix("attempt ") {
                read.attempt = attempt.parse().unwrap_or(0);
                continue;
            }
            for word in part.split(' ') {
                match word.parse::<Timestamp>() {
                    Ok(_) if read.from.is_none() => read.from = Some(word.to_owned()),
                    Ok(_) => read.to = Some(word.to_owned()),
                    Err(_) if word != "since" && word != "to" => read.by = Some(word),
                    Err(_) => {}
                }
            }
        }
        read
    }

    /// The line of a task. Moments that an earlier line of the same attempt has stay.
    fn of(task: &'a Task, before: &StepLine<'_>, now: Timestamp) -> Self {
        let by = task
            .claimed_by
            .as_ref()
            .map(crate::core::name::AgentName::as_str)
            .filter(|_| task.status != TaskStatus::Pending);
        let attempt = task.attempt.unwrap_or(0);
        let state = match task.skip_reason() {
            Some(_) => "skipped",
            None => task.status.word(),
        };
        let is_same = before.attempt == attempt && before.by == by;
        let kept = |moment: &Option<String>| moment.clone().filter(|_| is_same);
        let since = || Some(now.to_string());
        let (from, to) = match (task.status, task.skip_reason()) {
            (TaskStatus::Pending, _) => (task.gates.not_before.usable().map(|at| format!("not before {at}")), None),
            (_, Some(_)) => (None, None),
            (TaskStatus::Running, None) => (kept(&before.from).filter(|_| before.to.is_none()).or_else(since), None),
            (TaskStatus::Completed | TaskStatus::Failed, None) => {
                let ended = kept(&before.to).filter(|_| before.state == state);
                (kept(&before.from), ended.or_else(since))
            }
        };
        let outcome = match (task.status, task.skip_reason()) {
            (_, Some(reason)) => Some(reason.text().to_owned()),
            (TaskStatus::Completed, None) => task.result.as_ref().map(shown),
            (TaskStatus::Failed, None) => task.error.as_ref().map(shown),
            (TaskStatus::Pending | TaskStatus::Running, None) => None,
        };
        let outcome = outcome.map(|text| cut(&one_line(&text), OUTCOME_COLUMNS_MAX)).filter(|text| !text.is_empty());
        Self { state, by, from, to, attempt, outcome }
    }

    fn text(&self) -> String {
        let mut parts = vec![self.state.to_owned()];
        let time = match (&self.from, &self.to) {
            (Some(from), Some(to)) => Some(format!("{from} to {to}")),
            (Some(from), None) if self.state == "running" => Some(format!("since {from}")),
            (Some(moment), None) | (None, Some(moment)) => Some(moment.clone()),
            (None, None) => None,
        };
        let who: Vec<&str> = self.by.into_iter().chain(time.as_deref()).collect();
        parts.extend((!who.is_empty()).then(|| who.join(" ")));
        parts.extend((self.attempt > 0).then(|| format!("attempt {}", self.attempt)));
        let outcome = self.outcome.as_ref().map_or_else(String::new, |outcome| format!(": {outcome}"));
        format!("{BULLET}{}{outcome}", parts.join(", "))
    }
}

fn shown(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::entity::{Entity, read};
    use crate::core::name::DocPath;

    fn at(minute: u32) -> Timestamp {
        format!("2025-10-17T10:{minute:02}:00Z").parse().expect("a moment")
    }

    fn task(keys: &str, body: &str) -> Task {
        let text = format!("---\nid: task-1\n{keys}\ntype: t\nstep: train\nworkflow: wf\n---\n\n# T\n{body}");
        let path = DocPath::new("task-1.md").expect("valid");
        let entity = read(&path, &Document::parse(text.into_bytes())).entity;
        entity.as_ref().and_then(Entity::as_task).expect("a task").clone()
    }

    fn workflow() -> Document {
        let steps = new_section(["prepare", "train", "report"]);
        let text = format!("---\nid: wf\nstatus: running\ntype: t\n---\n\n# W\n\n## Steps\n\n{steps}\n## Notes\n");
        Document::parse(text.into_bytes())
    }

    fn after(document: &Document, keys: &str, body: &str, minute: u32) -> (Document, String) {
        let new = with_step(document, &task(keys, body), at(minute)).unwrap_or_else(|| document.clone());
        let line = line_of(new.body().section_text(STEPS).expect("there"), "train").expect("there").1.to_owned();
        (new, line)
    }

    #[test]
    fn a_line_tells_who_when_and_what_came_of_it() {
        let running = "status: running\nclaimed_by: ann\nattempt: 1";
        let (document, line) = after(&workflow(), running, "", 1);
        assert_eq!(line, "- running, ann since 2025-10-17T10:01:00Z, attempt 1");
        // The same again, at any moment, is no change.
        assert_eq!(after(&document, running, "", 9).0, document);
        let body = "\n## Result\n\n```json\n{\"loss\": 0.04}\n```\n";
        let (document, line) = after(&document, "status: completed\nclaimed_by: ann\nattempt: 1", body, 4);
        let expected = "- completed, ann 2025-10-17T10:01:00Z to 2025-10-17T10:04:00Z, attempt 1: {\"loss\":0.04}";
        assert_eq!(line, expected);
        assert_eq!(after(&document, "status: completed\nclaimed_by: ann\nattempt: 1", body, 9).0, document);
        // Only its own line changed.
        let changed = |old: &str, new: &str| old.lines().zip(new.lines()).filter(|(old, new)| old != new).count();
        assert_eq!(changed(workflow().text(), document.text()), 1);
    }

    #[test]
    fn the_next_attempt_has_its_own_moments() {
        let (document, _) = after(&workflow(), "status: running\nclaimed_by: ann\nattempt: 1", "", 1);
        let error = "\n## Error\n\nout of\nmemory: 1: 2\n";
        let (document, line) = after(&document, "status: failed\nclaimed_by: ann\nattempt: 1", error, 2);
        assert!(line.starts_with("- failed, ann 2025-10-17T10:01:00Z to 2025-10-17T10:02:00Z, attempt 1: "), "{line}");
        let wait = "status: pending\nattempt: 2\nnot_before: 2025-10-17T10:30:00Z";
        let (document, line) = after(&document, wait, error, 3);
        assert_eq!(line, "- pending, not before 2025-10-17T10:30:00Z, attempt 2");
        assert_eq!(after(&document, wait, error, 5).0, document);
        let (_, line) = after(&document, "status: running\nclaimed_by: ben\nattempt: 2", error, 31);
        assert_eq!(line, "- running, ben since 2025-10-17T10:31:00Z, attempt 2");
        let (_, line) = after(&document, "status: completed\nskipped: failure of task-0", "", 4);
        assert_eq!(line, "- skipped: failure of task-0");
    }

    #[test]
    fn of_two_sides_the_later_state_of_a_step_stands() {
        let base = new_section(["a", "b", "c"]);
        let set = |text: &str, step: &str, line: &str| {
            let (at, old) = line_of(text, step).expect("there");
            format!("{}{line}{}", &text[..at], &text[at + old.len()..])
        };
        let running = "- running, ann since 2025-10-17T10:01:00Z, attempt 1";
        let done = "- completed, ann 2025-10-17T10:01:00Z to 2025-10-17T10:04:00Z, attempt 1";
        let mine = set(&set(&base, "a", running), "b", running);
        let other = set(&set(&base, "b", done), "c", running);
        let both = set(&set(&set(&base, "a", running), "b", done), "c", running);
        assert_eq!(merged(&base, &mine, &other).as_deref(), Some(both.as_str()));
        assert_eq!(merged(&base, &other, &mine).as_deref(), Some(both.as_str()));
        // What a person wrote there is not ours to decide.
        assert_eq!(merged(&base, &mine, &other.replace("### a", "### a, mine")), None);
    }
}
