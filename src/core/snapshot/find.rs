//! Looking up the document that a reference means, and why there is none.

use std::ops::Bound;

use super::{Entry, Snapshot};
use crate::core::entity::status::distance_at_most;
use crate::core::name::{DocId, DocPath, Kind, composed, visible};
use crate::core::problem::{ErrorClass, Problem};

/// How many ids an answer names when none or several were meant.
const CANDIDATES_MAX: usize = 10;

/// Says why a reference names no single document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FindError {
    /// There is none.
    #[error("no {what} `{wanted}`")]
    NotFound {
        /// `agent`, `task`, `workflow` or `document`.
        what: &'static str,
        /// What was asked for, control characters made visible.
        wanted: String,
        /// Ids that look like it, the nearest first.
        near: Vec<DocId>,
    },
    /// It is the beginning of several ids, or the id of documents of several kinds (then there is one candidate).
    #[error("{}", ambiguity(.wanted, .candidates))]
    Ambiguous {
        /// What was asked for, control characters made visible.
        wanted: String,
        /// All of them, in order.
        candidates: Vec<DocId>,
    },
    /// Several files state the id.
    #[error("the id `{id}` is used in {} files: {}", .paths.len(), listed(.paths))]
    Duplicate {
        /// The id.
        id: DocId,
        /// All of them, in order.
        paths: Vec<DocPath>,
    },
}

impl Problem for FindError {
    fn code(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "not-found",
            Self::Ambiguous { .. } => "ambiguous-id",
            Self::Duplicate { .. } => "duplicate-id",
        }
    }

    fn class(&self) -> ErrorClass {
        if matches!(self, Self::NotFound { .. }) { ErrorClass::NotFound } else { ErrorClass::Conflict }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NotFound { what: "document", near, .. } if near.is_empty() => {
                Some("run `mycelium status` to see what there is".to_owned())
            }
            Self::NotFound { what, near, .. } if near.is_empty() => {
                Some(format!("run `mycelium {what} list` to see what there is"))
            }
            Self::NotFound { near, .. } => Some(format!("did you mean {}?", listed(near))),
            Self::Ambiguous { candidates, .. } if candidates.len() == 1 => Some("say which kind is meant".to_owned()),
            Self::Ambiguous { .. } => Some("give more of the id".to_owned()),
            Self::Duplicate { .. } => {
                Some("compare them, keep one and remove the others, or give one another id".to_owned())
            }
        }
    }
}

fn ambiguity(wanted: &str, candidates: &[DocId]) -> String {
    match candidates {
        [_] => format!("`{wanted}` names documents of several kinds"),
        _ => format!("`{wanted}` is the beginning of {} ids: {}", candidates.len(), listed(candidates)),
    }
}

fn listed<T: std::fmt::Display>(items: &[T]) -> String {
    let mut out: Vec<String> = items.iter().take(CANDIDATES_MAX).map(|item| format!("`{item}`")).collect();
    if items.len() > CANDIDATES_MAX {
        out.push(format!("and {} more", items.len() - CANDIDATES_MAX));
    }
    out.join(", ")
}

impl Snapshot {
    /// The document that a person means: by its whole id, by the id without its kind's prefix (`prepare-dataset` for
    /// `task-prepare-dataset`; not for bare numbers), or by the unique beginning of either.
    ///
    /// # Errors
    /// [`FindError`] if there is none, if several begin so, or if several files state that id.
    pub fn find(&self, kind: Option<Kind>, wanted: &str) -> Result<&Entry, FindError> {
        let wanted = &*composed(wanted);
        let kinds: Vec<Kind> = kind.map_or(Kind::ALL.to_vec(), |kind| vec![kind]);
        let is_number = wanted.bytes().all(|b| b.is_ascii_digit());
        let forms = |kind: Kind| {
            let long = (!is_number && kind != Kind::Agent).then(|| format!("{}{wanted}", kind.prefix()));
            [Some(wanted.to_owned()), long].into_iter().flatten()
        };
        for form in 0..2 {
            let keys = kinds.iter().filter_map(|kind| forms(*kind).nth(form).map(|id| (*kind, id)));
            let found: Vec<&Vec<DocPath>> = keys.filter_map(|key| self.ids.get(&key)).collect();
            if !found.is_empty() {
                return self.only(wanted, &found);
            }
        }
        let mut found = Vec::new();
        for (kind, start) in kinds.iter().flat_map(|kind| forms(*kind).map(|start| (*kind, start))) {
            let from = Bound::Included((kind, start.clone()));
            let range = self.ids.range((from, Bound::Unbounded));
            let range = range.take_while(|((other, id), _)| *other == kind && id.starts_with(&start));
            found.extend(range.map(|(_, paths)| paths).filter(|_| !wanted.is_empty()));
        }
        if found.is_empty() {
            let what = kind.map_or("document", Kind::word);
            return Err(FindError::NotFound { what, wanted: visible(wanted), near: self.near(&kinds, wanted) });
        }
        self.only(wanted, &found)
    }

    /// The one document behind several entries of the index.
    fn only(&self, wanted: &str, found: &[&Vec<DocPath>]) -> Result<&Entry, FindError> {
        let entries = found.iter().flat_map(|paths| paths.iter()).filter_map(|path| self.get(path));
        let entries: Vec<&Entry> = entries.collect();
        let id = |entry: &Entry| entry.id.clone();
        match (&entries[..], found) {
            ([only], _) => Ok(only),
            (several, [_]) => {
                let paths = several.iter().map(|entry| entry.path.clone()).collect();
                let id = several.iter().find_map(|entry| id(entry));
                Err(id.map_or_else(
                    || FindError::NotFound { what: "document", wanted: visible(wanted), near: Vec::new() },
                    |id| FindError::Duplicate { id, paths },
                ))
            }
            (several, _) => {
                let mut candidates: Vec<DocId> = several.iter().filter_map(|entry| id(entry)).collect();
                candidates.sort_unstable();
                candidates.dedup();
                Err(FindError::Ambiguous { wanted: visible(wanted), candidates })
            }
        }
    }

    fn near(&self, kinds: &[Kind], wanted: &str) -> Vec<DocId> {
        const DISTANCE_MAX: usize = 2;
        let wanted: Vec<char> = wanted.chars().take(crate::core::name::NAME_BYTES_MAX).collect();
        if wanted.is_empty() {
            return Vec::new();
        }
        let ids = self.ids.keys().filter(|(kind, _)| kinds.contains(kind));
        let scored = ids.filter_map(|(kind, id)| {
            let short = id.strip_prefix(kind.prefix()).unwrap_or(id);
            let best =
                [id.as_str(), short].into_iter().filter_map(|form| distance_at_most(&wanted, form, DISTANCE_MAX));
            Some((best.min()?, id))
        });
        let mut scored: Vec<_> = scored.collect();
        scored.sort_unstable();
        scored.into_iter().take(3).filter_map(|(_, id)| DocId::new(id.as_str()).ok()).collect()
    }

    /// The task that a list of dependencies or tasks names: by its id, else by the id with `task-` before it.
    #[must_use]
    pub fn named_task(&self, id: &DocId) -> Option<&Entry> {
        let exact = self.paths_of(Kind::Task, id.as_str()).first();
        let path = exact.or_else(|| self.paths_of(Kind::Task, &format!("task-{id}")).first());
        path.and_then(|path| self.get(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::snapshot::fixture::snapshot;

    fn found(snapshot: &Snapshot, wanted: &str) -> String {
        match snapshot.find(None, wanted) {
            Ok(entry) => entry.path.to_string(),
            Err(error) => format!("{error}; {}", error.hint().unwrap_or_default()),
        }
    }

    #[test]
    fn references_are_found_in_the_promised_order() {
        let snapshot = snapshot(&[
            ("task-122.md", "id: task-122\nstatus: pending"),
            ("task-prepare-dataset.md", "id: prepare-dataset\nstatus: pending"),
            ("task-train.md", "id: task-train\nstatus: pending"),
            ("task-k7f3q2m9xa.md", "id: task-k7f3q2m9xa\nstatus: pending"),
            ("task-k7aaaaaaaa.md", "id: task-k7aaaaaaaa\nstatus: pending"),
            ("task-evaluate.md", "id: task-evaluate-model\nstatus: odd"),
            ("workflow-wf-1.md", "id: wf-1\nstatus: running"),
            ("agent-ai-engineer.md", "agent: ai-engineer\nstatus: idle"),
            ("task-broken.md", "id: [x"),
            ("archive/2025-10/task-old.md", "id: task-old\nstatus: completed"),
        ]);
        for (wanted, path) in [
            ("task-122", "task-122.md"),
            ("prepare-dataset", "task-prepare-dataset.md"),
            ("train", "task-train.md"),
            ("task-k7f", "task-k7f3q2m9xa.md"),
            ("k7f3", "task-k7f3q2m9xa.md"),
            ("task-evaluate-model", "task-evaluate.md"),
            ("wf", "workflow-wf-1.md"),
            ("ai", "agent-ai-engineer.md"),
            ("task-broken", "task-broken.md"),
            ("task-old", "archive/2025-10/task-old.md"),
        ] {
            assert_eq!(found(&snapshot, wanted), path, "{wanted}");
        }
        for (wanted, answer) in [
            ("122", "no document `122`; did you mean `task-122`?"),
            ("", "no document ``; run `mycelium status` to see what there is"),
            ("trian", "no document `trian`; did you mean `task-train`?"),
            (
                "task-k7",
                "`task-k7` is the beginning of 2 ids: `task-k7aaaaaaaa`, `task-k7f3q2m9xa`; give more of the id",
            ),
            ("a\u{1b}", "no document `a\\u{1b}`; run `mycelium status` to see what there is"),
        ] {
            assert_eq!(found(&snapshot, wanted), answer, "{wanted}");
        }
        assert!(snapshot.find(Some(Kind::Agent), "task-122").is_err());
    }

    #[test]
    fn kinds_may_share_an_id() {
        let snapshot = snapshot(&[("agent-x.md", "agent: x\nstatus: idle"), ("task-x.md", "id: x\nstatus: pending")]);
        assert_eq!(found(&snapshot, "x"), "`x` names documents of several kinds; say which kind is meant");
        assert_eq!(snapshot.find(Some(Kind::Task), "x").map(|entry| entry.path.as_str()), Ok("task-x.md"));
    }

    #[test]
    fn an_id_in_two_files_is_refused_with_both() {
        let mut snapshot = snapshot(&[
            ("task-1.md", "id: task-1\nstatus: pending"),
            ("task-copy.md", "id: task-1\nstatus: running"),
            ("task-12.md", "id: task-12\nstatus: running"),
        ]);
        let answer = "the id `task-1` is used in 2 files: `task-1.md`, `task-copy.md`; compare them, keep one and remove the others, or give one another id";
        assert_eq!(found(&snapshot, "task-1"), answer);
        snapshot.remove(&DocPath::new("task-copy.md").expect("valid"));
        assert_eq!(found(&snapshot, "task-1"), "task-1.md");
        snapshot.remove(&DocPath::new("task-1.md").expect("valid"));
        assert_eq!(found(&snapshot, "task-1"), "task-12.md");
        assert_eq!(snapshot.len(), 1);
    }
}
