//! What differs between two snapshots, document by document and field by field. Pure; wording is the business of `message`.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde_json::Value as Json;
use similar::{Algorithm, DiffOp};

use crate::diagnostic::Code;
use crate::document::{Document, Field, Section, Step, Value};
use crate::entity::Entity;
use crate::name::{DocId, DocPath, Kind};
use crate::snapshot::{Entry, Snapshot};

/// Longest lists (of steps, notes or lines) that are compared item by item; longer ones count as changed as a whole.
pub const ITEMS_MAX: usize = 2_000;

/// One difference.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Where the document lies afterwards; a removed one: where it lay.
    pub path: DocPath,
    /// Which kind; `None` for event logs and foreign files.
    pub kind: Option<Kind>,
    /// Its id, if it can be told.
    pub id: Option<DocId>,
    /// What differs.
    pub what: What,
}

/// What differs in a document.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// It was not there before.
    Created {
        /// Its status.
        status: Option<String>,
        /// Its `type`.
        about: Option<String>,
        /// Who is to do it.
        assigned_to: Option<String>,
    },
    /// It is gone.
    Removed,
    /// It lies elsewhere, mostly in the archive.
    Moved {
        /// Where it lay.
        from: DocPath,
    },
    /// Another status.
    Status {
        /// The status before; `None` if there was none.
        from: Option<String>,
        /// The status now; `None` if there is none.
        to: Option<String>,
    },
    /// Another value of a key; `title` stands for the first heading.
    Field {
        /// The key.
        key: String,
        /// The value before; `None` if it was not there.
        from: Option<Json>,
        /// The value now; `None` if it is gone.
        to: Option<Json>,
    },
    /// Other items in a list; the order alone counts as a field.
    List {
        /// The key; for lists that stand in the body the key they stand for.
        key: String,
        /// Items that are new.
        added: Vec<String>,
        /// Items that are gone.
        removed: Vec<String>,
    },
    /// A check box has another mark.
    Step {
        /// Which one, from 1, as they are now.
        n: usize,
        /// Its text.
        text: String,
        /// Its mark now.
        done: bool,
    },
    /// A check box is new.
    StepAdded {
        /// Which one, from 1, as they are now.
        n: usize,
        /// Its text.
        text: String,
    },
    /// A check box is gone.
    StepRemoved {
        /// Its text.
        text: String,
    },
    /// A note is new.
    Note {
        /// Its text.
        text: String,
    },
    /// A note is gone.
    NoteRemoved {
        /// Its text.
        text: String,
    },
    /// A section says something else.
    Section {
        /// Its heading.
        name: String,
        /// In which way.
        how: How,
    },
    /// Any other text: lines before the first section, comments, layout.
    Prose {
        /// Lines that are new.
        added: usize,
        /// Lines that are gone.
        removed: usize,
    },
    /// It cannot be read now.
    Unreadable {
        /// The first reason.
        code: Code,
    },
    /// It can be read again.
    Healed,
}

/// In which way a section differs; one without text, or with an `_italic placeholder_` only, counts as absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// There was none.
    Added,
    /// There is another text.
    Changed,
    /// There is none now.
    Removed,
}

/// Every difference, by path; within a document in a fixed order: what became of it, status, keys, title, steps, notes,
/// sections, other text.
#[must_use]
pub fn diff(before: &Snapshot, after: &Snapshot) -> Vec<Change> {
    let moved = moves(before, after);
    let left: BTreeSet<&DocPath> = moved.values().copied().collect();
    let paths: BTreeSet<&DocPath> = before.entries().chain(after.entries()).map(|entry| &entry.path).collect();
    let mut changes = Vec::new();
    for path in paths {
        match (before.get(path), after.get(path)) {
            (Some(old), Some(new)) => compare(old, new, &mut changes),
            (Some(old), None) if !left.contains(path) => push(&mut changes, old, What::Removed),
            (None, Some(new)) => match moved.get(path).and_then(|from| before.get(from)) {
                Some(old) => {
                    push(&mut changes, new, What::Moved { from: old.path.clone() });
                    compare(old, new, &mut changes);
                }
                None => push(&mut changes, new, created(new)),
            },
            _ => {}
        }
    }
    changes
}

/// Documents that left one path and came up at another with the same id: new path → old path.
fn moves<'a>(before: &'a Snapshot, after: &'a Snapshot) -> BTreeMap<&'a DocPath, &'a DocPath> {
    let only = |one: &'a Snapshot, other: &'a Snapshot| {
        let gone = one.entries().filter(|entry| other.get(&entry.path).is_none());
        gone.filter_map(|entry| Some(((entry.kind?, entry.id.as_ref()?), &entry.path))).collect::<BTreeMap<_, _>>()
    };
    let old = only(before, after);
    only(after, before).into_iter().filter_map(|(id, new)| Some((new, *old.get(&id)?))).collect()
}

fn push(changes: &mut Vec<Change>, entry: &Entry, what: What) {
    changes.push(Change { path: entry.path.clone(), kind: entry.kind, id: entry.id.clone(), what });
}

fn unreadable(entry: &Entry) -> Option<What> {
    entry.document.faults().first().map(|fault| What::Unreadable { code: fault.code })
}

fn created(entry: &Entry) -> What {
    let text = |key| entry.document.field(key).and_then(|field| field.value.as_text()).map(str::to_owned);
    unreadable(entry).unwrap_or_else(|| What::Created {
        status: entry.entity.as_ref().map(Entity::status_word).map(str::to_owned).or_else(|| text("status")),
        about: text("type"),
        assigned_to: text("assigned_to").filter(|name| !name.is_empty()),
    })
}

fn compare(old: &Entry, new: &Entry, changes: &mut Vec<Change>) {
    if old.document == new.document {
        return;
    }
    if let Some(what) = unreadable(new) {
        return push(changes, new, what);
    }
    if !old.document.is_readable() {
        return push(changes, new, What::Healed);
    }
    let mut found = Vec::new();
    let (a, b) = (&old.document, &new.document);
    fields(a, b, &mut found);
    if a.title() != b.title() {
        let title = |document: &Document| document.title().map(Json::from);
        found.push(What::Field { key: "title".to_owned(), from: title(a), to: title(b) });
    }
    steps(a, b, &mut found);
    notes(a, b, &mut found);
    sections(a, b, &mut found);
    prose(a, b, &mut found);
    if found.is_empty() {
        found.push(What::Prose { added: 0, removed: 0 });
    }
    for what in found {
        push(changes, new, what);
    }
}

fn fields(a: &Document, b: &Document, found: &mut Vec<What>) {
    let keys = b.fields().iter().chain(a.fields().iter().filter(|field| b.field(&field.key).is_none()));
    let mut others = Vec::new();
    for key in keys.map(|field| field.key.as_str()) {
        let (old, new) = (a.field(key).map(|field| &field.value), b.field(key).map(|field| &field.value));
        let json = |value: Option<&Value>| value.map(Value::to_json);
        let text = |value: Option<&Value>| value.and_then(Value::as_text).map(str::to_owned);
        if json(old) == json(new) {
            continue;
        }
        if key == "status" {
            found.push(What::Status { from: text(old), to: text(new) });
            continue;
        }
        let is_list = [old, new].iter().flatten().any(|value| value.as_list().is_some());
        let list =
            list_items(old).zip(list_items(new)).filter(|_| is_list).and_then(|(old, new)| list(key, &old, &new));
        others.push(list.unwrap_or_else(|| What::Field { key: key.to_owned(), from: json(old), to: json(new) }));
    }
    found.append(&mut others);
    for (key, heading) in [("depends_on", "Dependencies"), ("active_tasks", "Active Tasks"), ("tasks", "Tasks")] {
        if a.field(key).is_none() && b.field(key).is_none() {
            let texts = |document: &Document| document.bullets(heading).into_iter().map(|bullet| bullet.text).collect();
            let (old, new): (Vec<String>, Vec<String>) = (texts(a), texts(b));
            found.extend(list(key, &old, &new));
        }
    }
}

fn list_items(value: Option<&Value>) -> Option<Vec<&str>> {
    value.map_or(Some(Vec::new()), Value::texts)
}

/// `None` if the same items are on both sides, in whatever order.
fn list<T: AsRef<str>>(key: &str, old: &[T], new: &[T]) -> Option<What> {
    let missing = |from: &[T], other: &[T]| {
        let other: BTreeSet<&str> = other.iter().map(AsRef::as_ref).collect();
        let items = from.iter().map(AsRef::as_ref).filter(|item| !other.contains(item));
        items.map(str::to_owned).collect::<Vec<_>>()
    };
    let (added, removed) = (missing(new, old), missing(old, new));
    (!added.is_empty() || !removed.is_empty()).then(|| What::List { key: key.to_owned(), added, removed })
}

fn steps(a: &Document, b: &Document, found: &mut Vec<What>) {
    let (old, new) = (a.steps(), b.steps());
    let texts = |steps: &[Step]| steps.iter().map(|step| step.text.clone()).collect::<Vec<_>>();
    if old.len() + new.len() > ITEMS_MAX {
        let marks = |steps: &[Step]| steps.iter().map(|step| (step.done, step.text.clone())).collect::<Vec<_>>();
        if marks(old) != marks(new) {
            found.push(What::Section { name: "Progress".to_owned(), how: How::Changed });
        }
        return;
    }
    for op in similar::capture_diff_slices(Algorithm::Myers, &texts(old), &texts(new)) {
        let (_, from, to) = op.as_tag_tuple();
        if let DiffOp::Equal { .. } = op {
            let turned = from.zip(to).filter(|(i, j)| old[*i].done != new[*j].done);
            found.extend(turned.map(|(_, j)| What::Step { n: j + 1, text: new[j].text.clone(), done: new[j].done }));
            continue;
        }
        found.extend(old[from].iter().map(|step| What::StepRemoved { text: step.text.clone() }));
        found.extend(to.map(|j| What::StepAdded { n: j + 1, text: new[j].text.clone() }));
    }
}

fn notes(a: &Document, b: &Document, found: &mut Vec<What>) {
    let texts = |document: &Document| document.notes().into_iter().map(|note| note.text).collect::<Vec<_>>();
    let (old, new) = (texts(a), texts(b));
    match items(&old, &new) {
        Some(ops) => {
            for (from, to) in ops {
                found.extend(old[from].iter().map(|text| What::NoteRemoved { text: text.clone() }));
                found.extend(new[to].iter().map(|text| What::Note { text: text.clone() }));
            }
        }
        None if old != new => found.push(What::Section { name: "Notes".to_owned(), how: How::Changed }),
        None => {}
    }
}

/// The ranges that differ; `None` if the lists are too long to compare item by item.
fn items<T: std::hash::Hash + Eq + Ord>(old: &[T], new: &[T]) -> Option<Vec<(Range<usize>, Range<usize>)>> {
    if old.len() + new.len() > ITEMS_MAX {
        return None;
    }
    let ops = similar::capture_diff_slices(Algorithm::Myers, old, new).into_iter();
    Some(ops.filter(|op| !matches!(op, DiffOp::Equal { .. })).map(|op| (op.old_range(), op.new_range())).collect())
}

/// Sections by their text; those whose bullets or boxes are told on their own only for what is left of them.
fn sections(a: &Document, b: &Document, found: &mut Vec<What>) {
    let names = b.sections().iter().chain(a.sections()).map(|section| section.heading.as_str());
    let mut seen = BTreeSet::new();
    for name in names.filter(|name| seen.insert(name.to_lowercase())) {
        let (old, new) = (section_texts(a, name), section_texts(b, name));
        let how = match (old.is_empty(), new.is_empty()) {
            _ if old == new => continue,
            (true, _) => How::Added,
            (_, true) => How::Removed,
            _ => How::Changed,
        };
        found.push(What::Section { name: name.to_owned(), how });
    }
}

/// The text of all sections with a heading, without what is told on its own.
fn section_texts(document: &Document, name: &str) -> String {
    let lower = name.to_lowercase();
    let same = |section: &&Section| section.heading.to_lowercase() == lower;
    let told = matches!(lower.as_str(), "progress" | "notes" | "dependencies" | "active tasks" | "tasks");
    let mut out = String::new();
    for section in document.sections().iter().filter(same) {
        let text = document.text().get(section.span.clone()).unwrap_or_default();
        let lines = text.lines().map(str::trim_end).filter(|line| {
            let line = line.trim_start();
            !told || !(line.starts_with(['-', '*', '+']) || line.starts_with(|c: char| c.is_ascii_digit()))
        });
        out.push_str(lines.collect::<Vec<_>>().join("\n").trim());
    }
    let placeholder = out.len() > 2 && out.starts_with('_') && out.ends_with('_') && !out.contains('\n');
    if placeholder { String::new() } else { out }
}

/// Lines before the first section that are neither a key nor the title nor a line that repeats a key.
fn prose(a: &Document, b: &Document, found: &mut Vec<What>) {
    let (old, new) = (other_lines(a), other_lines(b));
    let (added, removed) = match items(&old, &new) {
        Some(ops) => ops.into_iter().fold((0, 0), |sum, (from, to)| (sum.0 + to.len(), sum.1 + from.len())),
        None => (usize::from(old != new), usize::from(old != new)),
    };
    if added + removed > 0 {
        found.push(What::Prose { added, removed });
    }
}

fn other_lines(document: &Document) -> Vec<&str> {
    let text = document.text();
    let end = document.sections().first().map_or(text.len(), |section| section.heading_span.start);
    let title = document.title();
    let mut fields = document.fields().iter().peekable();
    let mut at = 0;
    let mut lines = Vec::new();
    for line in text.get(..end).unwrap_or_default().split_inclusive('\n') {
        let range = at..at + line.len();
        at = range.end;
        let ends = |field: &Field| field.value_span.end.max(field.key_span.end);
        while fields.next_if(|field| ends(field) <= range.start).is_some() {}
        let in_field = fields.peek().is_some_and(|field| field.key_span.start < range.end);
        let line = line.trim();
        let is_title = line.starts_with("# ") && title.is_some_and(|title| line.contains(title));
        let is_label = line.starts_with("**") && (line.contains("**:") || line.contains(":**"));
        if !line.is_empty() && !is_title && !is_label && !in_field {
            lines.push(line);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::message::phrase;

    const BASE: &str = "---\nid: task-1\nstatus: pending\ntype: t\n# waits for\ndepends_on:\n  - a\n  - b\nprogress: 0.5\n---\n\n# Title\n\nIntro.\n**Status**: pending\n\n## Payload\n\n{}\n\n## Progress\n\n- [ ] one\n- [x] two\n\n## Result\n\n_In progress..._\n\n## Notes\n\n- first\n";

    fn snapshot(files: &[(&str, &str)]) -> Snapshot {
        Snapshot::from_documents(
            files.iter().map(|(path, text)| (DocPath::new(*path).expect("valid"), Document::parse(text.as_bytes()))),
        )
    }

    fn phrases(before: &[(&str, &str)], after: &[(&str, &str)]) -> Vec<String> {
        let line = |change: &Change| format!("{}: {}", change.path, phrase(&change.what));
        diff(&snapshot(before), &snapshot(after)).iter().map(line).collect()
    }

    #[test]
    fn each_edit_of_a_task_is_told_as_what_it_is() {
        for (from, to, told) in [
            ("status: pending\ntype", "status: running\ntype", vec!["pending → running"]),
            ("progress: 0.5", "progress: 0.75", vec!["progress 0.5 → 0.75"]),
            ("progress: 0.5\n", "", vec!["no progress"]),
            ("type: t", "type: t\nepoch: 2", vec!["epoch 2"]),
            ("type: t", "type: \"t\"", vec!["text edited"]),
            ("  - a\n  - b", "  - b\n  - c", vec!["depends_on +c -a"]),
            ("  - a\n  - b", "  - b\n  - a", vec!["depends_on [\"a\",\"b\"] → [\"b\",\"a\"]"]),
            ("# Title", "# Other", vec!["title Title → Other"]),
            ("[ ] one", "[x] one", vec!["step 1 done, one"]),
            ("[x] two", "[ ] two", vec!["step 2 open again, two"]),
            ("- [x] two", "- [x] two\n- [ ] three", vec!["step 3 added, three"]),
            ("- [ ] one\n", "", vec!["step dropped, one"]),
            ("- first", "- first\n- second", vec!["note, second"]),
            ("- first", "", vec!["note dropped, first"]),
            ("{}", "{\"a\": 1}", vec!["payload changed"]),
            ("{}\n", "", vec!["payload emptied"]),
            ("_In progress..._", "{\"loss\": 1}", vec!["result added"]),
            ("## Notes", "## Thoughts\n\nHm.\n\n## Notes", vec!["thoughts added"]),
            ("Intro.", "Intro.\nMore.", vec!["text edited (+1 -0)"]),
            ("# waits for\n", "", vec!["text edited (+0 -1)"]),
            ("**Status**: pending", "**Status**: running", vec!["text edited"]),
            ("## Payload\n\n", "## Payload\n", vec!["text edited"]),
            ("pending\ntype", "[x\ntype", vec!["saved, not readable (MYC007)"]),
        ] {
            let edited = BASE.replacen(from, to, 1);
            assert_ne!(edited, BASE, "{from}");
            let told: Vec<_> = told.iter().map(|told| format!("task-1.md: {told}")).collect();
            assert_eq!(phrases(&[("task-1.md", BASE)], &[("task-1.md", &edited)]), told, "{from:?} to {to:?}");
        }
    }

    #[test]
    fn documents_come_go_move_break_and_heal() {
        let broken = "---\nid: [\n---\n";
        let done = BASE.replacen("status: pending", "status: completed", 1);
        let (one, none): ([(&str, &str); 1], [(&str, &str); 0]) = ([("task-1.md", BASE)], []);
        for (before, after, told) in [
            (&one[..], &one[..], vec![]),
            (&none, &one, vec!["task-1.md: created, t"]),
            (&one, &none, vec!["task-1.md: removed"]),
            (&none, &[("task-1.md", broken)], vec!["task-1.md: saved, not readable (MYC007)"]),
            (&[("task-1.md", broken)], &one, vec!["task-1.md: readable again"]),
            (
                &one,
                &[("archive/2025-10/task-1.md", done.as_str())],
                vec![
                    "archive/2025-10/task-1.md: moved from task-1.md",
                    "archive/2025-10/task-1.md: pending → completed",
                ],
            ),
            (&[("events.md", "- a\n")], &[("events.md", "- a\n- b\n")], vec!["events.md: text edited (+1 -0)"]),
        ] {
            assert_eq!(phrases(before, after), told);
        }
    }

    #[test]
    fn lists_in_the_body_count_where_the_frontmatter_has_none() {
        let agent = |tasks: &str| format!("---\nagent: a\nstatus: busy\n---\n\n## Active Tasks\n\n{tasks}");
        let (old, new) = (agent("- x\n"), agent("- x\n- y (started: 2025-10-17T00:00:00Z)\n"));
        let told = phrases(&[("agent-a.md", &old)], &[("agent-a.md", &new)]);
        assert_eq!(told, ["agent-a.md: active_tasks +y (started: 2025-10-17T00:00:00Z)"]);
    }

    #[test]
    fn very_long_lists_count_as_a_whole() {
        let steps =
            |mark: char| format!("---\nid: task-1\n---\n## Progress\n{}", format!("- [{mark}] x\n").repeat(3_000));
        let (old, new) = (steps(' '), steps('x'));
        let changes = diff(&snapshot(&[("task-1.md", &old)]), &snapshot(&[("task-1.md", &new)]));
        assert_eq!(changes.len(), 1);
        assert_eq!(changes[0].what, What::Section { name: "Progress".to_owned(), how: How::Changed });
    }

    #[test]
    fn values_keep_their_type() {
        let (old, new) = (BASE, BASE.replacen("progress: 0.5", "progress: \"0.5\"", 1));
        let changes = diff(&snapshot(&[("task-1.md", old)]), &snapshot(&[("task-1.md", &new)]));
        let expected = What::Field { key: "progress".to_owned(), from: Some(json!(0.5)), to: Some(json!("0.5")) };
        assert_eq!(changes[0].what, expected);
    }
}
