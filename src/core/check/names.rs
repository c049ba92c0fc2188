//! Rules about names: one id in one file, a file name that fits the id, and no two names that are one file elsewhere.

use std::collections::BTreeMap;

use super::{place_of, push};
use crate::core::diagnostic::{Code, Diagnostic};
use crate::core::name::{DocId, DocPath, Kind, composed, folded};
use crate::core::snapshot::{Entry, Snapshot};

/// Names that differ only by case, or by the spelling of their letters, each group under what its names have in common.
pub(super) struct NameClashes<'a> {
    ids: BTreeMap<(Kind, String), Vec<&'a DocId>>,
    paths: BTreeMap<String, Vec<&'a DocPath>>,
}

impl<'a> NameClashes<'a> {
    pub(super) fn find(now: &'a Snapshot) -> Self {
        let mut ids: BTreeMap<_, Vec<&DocId>> = BTreeMap::new();
        let mut paths: BTreeMap<_, Vec<&DocPath>> = BTreeMap::new();
        for entry in now.entries() {
            paths.entry(folded(entry.path.as_str())).or_default().push(&entry.path);
            if let (Some(kind), Some(id)) = (entry.kind, &entry.id) {
                let same = ids.entry((kind, folded(id.as_str()))).or_default();
                if !same.contains(&id) {
                    same.push(id);
                }
            }
        }
        ids.retain(|_, same| same.len() > 1);
        paths.retain(|_, same| same.len() > 1);
        Self { ids, paths }
    }

    /// A file or an id that another system takes for the same as another one.
    pub(super) fn report(&self, entry: &Entry, findings: &mut Vec<Diagnostic>) {
        const HINT: &str =
            "give one of them another name: on Windows and macOS they are one file, and one of them is lost there";
        let same_path = self.paths.get(&folded(entry.path.as_str())).map_or(&[][..], Vec::as_slice);
        let other_path = same_path.iter().find(|path| ***path != entry.path);
        let id = entry.kind.zip(entry.id.as_ref());
        let same_id =
            id.and_then(|(kind, id)| self.ids.get(&(kind, folded(id.as_str())))).map_or(&[][..], Vec::as_slice);
        let other_id = same_id.iter().find(|other| Some(**other) != entry.id.as_ref());
        let message = match (other_path, id.zip(other_id)) {
            (_, Some(((kind, id), other))) => format!("the {kind} ids `{id}` and `{other}` differ only by case"),
            (Some(other), None) if composed(other.as_str()) == composed(entry.path.as_str()) => {
                format!("the name of `{other}` is the same letters, spelled with other characters")
            }
            (Some(other), None) => format!("the name of `{other}` differs only by case"),
            (None, None) => return,
        };
        push(findings, entry, None, Diagnostic::warning(Code::NameClash, message).hint(HINT));
    }
}

/// One id, one file; and a name that fits it.
pub(super) fn check(now: &Snapshot, entry: &Entry, findings: &mut Vec<Diagnostic>) {
    let (Some(kind), Some(id)) = (entry.kind, &entry.id) else { return };
    let place = place_of(&entry.document, if kind == Kind::Agent { "agent" } else { "id" });
    let others: Vec<&DocPath> = now.paths_of(kind, id.as_str()).iter().filter(|path| **path != entry.path).collect();
    if let Some(first) = others.first() {
        // One finding a file, however many there are: each would name all others.
        let more = if others.len() > 1 { format!(" and {} more files", others.len() - 1) } else { String::new() };
        let message = format!("the {kind} `{id}` is also used in `{first}`{more}");
        push(findings, entry, place, Diagnostic::error(Code::DuplicateId, message).hint(DUPLICATE_HINT));
        // Which of them is to be called so is not known yet.
        return;
    }
    let expected = DocPath::for_new(kind, id);
    let is_expected = composed(entry.path.file_name()) == expected.file_name();
    if entry.entity.is_none() || place.is_none() || is_expected {
        return;
    }
    let beside = match entry.path.as_str().rsplit_once('/') {
        Some((folder, _)) => DocPath::new(format!("{folder}/{expected}")).unwrap_or_else(|_| expected.clone()),
        None => expected.clone(),
    };
    let hint = match now.get(&beside) {
        Some(_) => format!("`{expected}` is another document: write the right id into each of the two"),
        None => format!("rename the file to `{}`", expected.file_name()),
    };
    let finding = Diagnostic::warning(Code::FileNameMismatch, format!("the {kind} `{id}` is expected in `{expected}`"));
    push(findings, entry, place, finding.hint(hint));
}

/// How to get from several files with one id to one, without a loss.
const DUPLICATE_HINT: &str = "compare the files, keep one of them and remove the others; \
    where two tasks are meant, give one of them another id and a file name that fits it";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::check::check;
    use crate::core::document::Document;

    /// Path, message and hint of every finding.
    fn findings(files: &[(&str, &str)]) -> Vec<(String, String, String)> {
        let files = files.iter().map(|(path, id)| {
            let text = format!("---\nid: {id}\nstatus: pending\ntype: t\n---\n");
            (DocPath::new(*path).expect("valid"), Document::parse(text.into_bytes()))
        });
        let found = check(&Snapshot::from_documents(files), None).into_iter();
        found
            .map(|one| {
                (one.path.map(|path| path.to_string()).unwrap_or_default(), one.message, one.hint.unwrap_or_default())
            })
            .collect()
    }

    #[test]
    fn copies_are_one_finding_each_and_none_is_renamed_over_another() {
        let names: Vec<String> =
            std::iter::once("task-1.md".to_owned()).chain((1..10).map(|n| format!("task-1 (copy {n}).md"))).collect();
        let files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "task-1")).collect();
        let found = findings(&files);
        assert_eq!(found.len(), 10, "{found:?}");
        for (path, message, hint) in &found {
            let other = if path == "task-1 (copy 1).md" { "task-1 (copy 2).md" } else { "task-1 (copy 1).md" };
            assert_eq!(*message, format!("the task `task-1` is also used in `{other}` and 8 more files"));
            assert!(hint.starts_with("compare") && !hint.contains("rename"), "{hint}");
        }
    }

    #[test]
    fn a_name_that_does_not_fit_is_never_given_to_another_document() {
        let found = findings(&[("task-1.md", "task-2"), ("task-2.md", "task-3")]);
        assert_eq!(found[0].2, "`task-2.md` is another document: write the right id into each of the two");
        assert_eq!(found[1].2, "rename the file to `task-3.md`");
        let found = findings(&[("archive/2025-10/task-1.md", "task-2"), ("task-5.md", "task-5")]);
        assert_eq!(found[0].2, "rename the file to `task-2.md`");
    }

    #[test]
    fn spellings_of_one_name_are_the_same() {
        assert_eq!(findings(&[("task-cafe\u{301}.md", "task-caf\u{e9}")]), []);
        assert_eq!(findings(&[("task-caf\u{e9}.md", "task-cafe\u{301}")]), []);
        let found = findings(&[("task-cafe\u{301}.md", "task-caf\u{e9}"), ("task-caf\u{e9}.md", "task-cafe\u{301}")]);
        assert!(found.iter().any(|(_, message, _)| message.contains("is also used in")), "{found:?}");
        assert!(found.iter().any(|(_, message, _)| message.contains("spelled with other characters")), "{found:?}");
    }

    #[test]
    fn names_that_differ_by_case_alone_are_found() {
        for (one, other, expected) in [
            (("task-abc.md", "task-abc"), ("task-ABC.md", "task-ABC"), 2),
            (("task-stra\u{df}e.md", "task-stra\u{df}e"), ("task-STRASSE.md", "task-STRASSE"), 2),
            (("task-x.md", "one"), ("task-X.md", "two"), 2),
            // Elsewhere in the folder it is another file.
            (("task-x.md", "x"), ("archive/2025-10/task-y.md", "y"), 0),
            (("task-x.md", "x"), ("agent-X.md", "x"), 0),
        ] {
            let found = findings(&[one, other]);
            let clashes = found.iter().filter(|(_, message, _)| message.contains("differ")).count();
            assert_eq!(clashes, expected, "{found:?}");
        }
    }
}
