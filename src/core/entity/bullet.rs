//! The dependencies of a body as list items. Knows the line, not the list.

use super::status::TaskStatus;

/// One line of `## Dependencies`: `task-122 (prepare-dataset) - COMPLETED ✅`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DependencyBullet<'a> {
    /// The id: the first word, without backticks or link brackets; empty for `none`.
    pub id: &'a str,
    /// What follows the id.
    pub rest: &'a str,
    /// The status it claims in capitals after ` - `, in lower case.
    pub status: Option<TaskStatus>,
}

impl<'a> DependencyBullet<'a> {
    /// Takes a bullet apart.
    #[must_use]
    pub fn parse(text: &'a str) -> Self {
        let text = text.trim();
        let text = ["[ ]", "[x]", "[X]"].iter().find_map(|mark| text.strip_prefix(mark)).map_or(text, str::trim_start);
        let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let word = word.split_once("](").map_or(word, |(shown, _)| shown);
        let word = word.trim_matches(['`', '[', ']', '*', '_', ',', ':']);
        let id = if word.eq_ignore_ascii_case("none") { "" } else { word };
        let claim = rest.rsplit_once("- ").and_then(|(_, claim)| claim.split_whitespace().next());
        let status = claim.and_then(|claim| claim.to_ascii_lowercase().parse().ok());
        Self { id, rest, status }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::entity::ActiveTask;

    #[test]
    fn dependency_bullets_are_taken_apart() {
        for (text, id, status) in [
            ("task-122 (prepare-dataset) - COMPLETED ✅", "task-122", Some(TaskStatus::Completed)),
            ("`task-1` - pending", "task-1", Some(TaskStatus::Pending)),
            ("[task-1](task-1.md): the data", "task-1", None),
            ("task-1 - see there", "task-1", None),
            ("[ ] task-1", "task-1", None),
            ("[x] `task-1` - completed", "task-1", Some(TaskStatus::Completed)),
            ("None", "", None),
            ("", "", None),
        ] {
            let parsed = DependencyBullet::parse(text);
            assert_eq!((parsed.id, parsed.status), (id, status), "{text}");
        }
    }

    #[test]
    fn active_tasks_read_back_as_they_are_written() {
        for text in
            ["train-model (started: 2025-10-17T00:00:00Z)", "task-1", "review (of the plan)", "x (started: soon)"]
        {
            assert_eq!(ActiveTask::parse(text).expect("a task").to_bullet(), text);
        }
        assert_eq!(ActiveTask::parse("  "), None);
    }
}
