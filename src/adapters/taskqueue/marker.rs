//! The line by which a clone finds its projects and items on a server again: `mycelium:v1` with keys and values.

use crate::core::name::DocId;

/// The word that each line begins with.
const WORD: &str = "mycelium:v1";

/// The last line of the prompt of a project: whose it is, and which of several is in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ProjectMarker {
    /// The coordination folder that is mirrored there, the same in all its clones.
    pub(super) space: String,
    /// Rises with each project that is made because a person has finalized the one before; the highest is in use.
    pub(super) generation: u64,
}

/// The last line of the rules of an item: which task it shows, and which version of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ItemMarker {
    /// As in [`ProjectMarker::space`].
    pub(super) space: String,
    /// The task.
    pub(super) task: DocId,
    /// The digest of what was sent, see [`super::projection::Projection::digest`]; `None` while the item is being made.
    pub(super) digest: Option<String>,
    /// Rises with each version that is sent.
    pub(super) number: u64,
}

impl ProjectMarker {
    pub(super) fn parse(prompt: &str) -> Option<Self> {
        let line = marked_line(prompt)?;
        Some(Self { space: value(line, "space")?.to_owned(), generation: value(line, "gen")?.parse().ok()? })
    }

    pub(super) fn line(&self) -> String {
        format!("{WORD} space={} gen={}", self.space, self.generation)
    }
}

impl ItemMarker {
    pub(super) fn parse(rules: &str) -> Option<Self> {
        let line = marked_line(rules)?;
        let digest = value(line, "rev")?;
        Some(Self {
            space: value(line, "space")?.to_owned(),
            task: DocId::new(value(line, "task")?).ok()?,
            digest: Some(digest.to_owned()).filter(|digest| digest != "new"),
            number: value(line, "n")?.parse().ok()?,
        })
    }

    pub(super) fn line(&self) -> String {
        let digest = self.digest.as_deref().unwrap_or("new");
        format!("{WORD} space={} task={} rev={digest} n={}", self.space, self.task, self.number)
    }
}

/// The last line that is a marker: a program may have put its own text before or behind it.
fn marked_line(text: &str) -> Option<&str> {
    text.lines().rev().map(str::trim).find(|line| line.split(' ').next() == Some(WORD))
}

fn value<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    line.split(' ').find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_is_found_again_in_what_others_wrote_around_it() {
        let marker = ItemMarker {
            space: "s1".to_owned(),
            task: DocId::new("task-1").expect("an id"),
            digest: Some("0123456789ab".to_owned()),
            number: 7,
        };
        assert_eq!(marker.line(), "mycelium:v1 space=s1 task=task-1 rev=0123456789ab n=7");
        for text in [marker.line(), format!("rules\r\n{}\r\n\nmore", marker.line())] {
            assert_eq!(ItemMarker::parse(&text).as_ref(), Some(&marker), "{text:?}");
        }
        let new = ItemMarker { digest: None, ..marker };
        assert_eq!(ItemMarker::parse(&new.line()), Some(new));
        for text in
            ["", "mycelium:v1", "mycelium:v1 space=s1 task=a/b rev=1 n=1", "mycelium:v2 space=s task=a rev=1 n=1"]
        {
            assert_eq!(ItemMarker::parse(text), None, "{text:?}");
        }
        let project = ProjectMarker { space: "s1".to_owned(), generation: 2 };
        assert_eq!(ProjectMarker::parse(&format!("Tasks\n{}", project.line())), Some(project));
    }
}
