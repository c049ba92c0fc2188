//! What differs between two snapshots, document by document and field by field. Pure; wording is the business of `message`.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde_json::Value as Json;
use similar::{Algorithm, DiffOp};

use crate::core::diagnostic::Code;
use crate::core::document::{Document, Field, Step, Value};
use crate::core::entity::Entity;
use crate::core::name::{DocId, DocPath, Kind};
use crate::core::snapshot::{Entry, Snapshot};

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
    pub what: ChangeKind,
}

/// What differs in a document.
#[derive(Debug, Clone, PartialEq)]
pub enum ChangeKind {
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
    /// Lines were added to an event log.
    Published {
        /// The channel and the name of each event, in order.
        events: Vec<String>,
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
            (Some(old), None) if !left.contains(path) => push(&mut changes, old, ChangeKind::Removed),
            (None, Some(new)) => match moved.get(path).and_then(|from| before.get(from)) {
                Some(old) => {
                    push(&mut changes, new, ChangeKind::Moved { from: old.path.clone() });
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

fn push(changes: &mut Vec<Change>, entry: &Entry, what: ChangeKind) {
    changes.push(Change { path: entry.path.clone(), kind: entry.kind, id: entry.id.clone(), what });
}

fn unreadable(entry: &Entry) -> Option<ChangeKind> {
    entry.document.faults().first().map(|fault| ChangeKind::Unreadable { code: fault.code })
}

/// An event log that is written to; one in the archive only came there.
fn is_log(entry: &Entry) -> bool {
    entry.path.is_events() && !entry.path.is_archived()
}

/// What was added at the end of an event log; `None` if that is not all that differs.
fn published(before: &str, after: &str) -> Option<ChangeKind> {
    let added = after.strip_prefix(before)?;
    // `- <id> <time> <channel> <event> ...`
    let event = |line: &str| {
        let mut words = line.strip_prefix("- ")?.split(' ').skip(2);
        Some(format!("{} {}", words.next()?, words.next()?))
    };
    let events: Vec<String> = added.lines().filter_map(event).collect();
    (!events.is_empty()).then_some(ChangeKind::Published { events })
}

fn created(entry: &Entry) -> ChangeKind {
    if let Some(events) = is_log(entry).then(|| published("", entry.document.text())).flatten() {
        return events;
    }
    let text = |key| entry.document.field(key).and_then(|field| field.value.as_text()).map(str::to_owned);
    unreadable(entry).unwrap_or_else(|| ChangeKind::Created {
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
        return push(changes, new, ChangeKind::Healed);
    }
    let mut found = Vec::new();
    let (a, b) = (&old.document, &new.document);
    if let Some(events) = (is_log(new) && a.is_readable()).then(|| published(a.text(), b.text())).flatten() {
        return push(changes, new, events);
    }
    fields(a, b, &mut found);
    if a.body().title() != b.body().title() {
        let title = |document: &Document| document.body().title().map(Json::from);
        found.push(ChangeKind::Field { key: "title".to_owned(), from: title(a), to: title(b) });
    }
    steps(a, b, &mut found);
    notes(a, b, &mut found);
    sections(a, b, &mut found);
    prose(a, b, &mut found);
    if found.is_empty() {
        found.push(ChangeKind::Prose { added: 0, removed: 0 });
    }
    for what in found {
        push(changes, new, what);
    }
}

fn fields(a: &Document, b: &Document, found: &mut Vec<ChangeKind>) {
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
            found.push(ChangeKind::Status { from: text(old), to: text(new) });
            continue;
        }
        let is_list = [old, new].iter().flatten().any(|value| value.as_list().is_some());
        let list =
            list_items(old).zip(list_items(new)).filter(|_| is_list).and_then(|(old, new)| list(key, &old, &new));
        others.push(list.unwrap_or_else(|| ChangeKind::Field { key: key.to_owned(), from: json(old), to: json(new) }));
    }
    found.append(&mut others);
    for (key, heading) in [("depends_on", "Dependencies"), ("active_tasks", "Active Tasks"), ("tasks", "Tasks")] {
        if a.field(key).is_none() && b.field(key).is_none() {
            let texts =
                |document: &Document| document.body().bullets(heading).into_iter().map(|bullet| bullet.text).collect();
            let (old, new): (Vec<String>, Vec<String>) = (texts(a), texts(b));
            found.extend(list(key, &old, &new));
        }
    }
}

fn list_items(value: Option<&Value>) -> Option<Vec<&str>> {
    value.map_or(Some(Vec::new()), Value::texts)
}

/// `None` if the same items are on both sides, in whatever order.
fn list<T: AsRef<str>>(key: &str, old: &[T], new: &[T]) -> Option<ChangeKind> {
    let missing = |from: &[T], other: &[T]| {
        let other: BTreeSet<&str> = other.iter().map(AsRef::as_ref).collect();
        let items = from.iter().map(AsRef::as_ref).filter(|item| !other.contains(item));
        items.map(str::to_owned).collect::<Vec<_>>()
    };
    let (added, removed) = (missing(new, old), missing(old, new));
    (!added.is_empty() || !removed.is_empty()).then(|| ChangeKind::List { key: key.to_owned(), added, removed })
}

fn steps(a: &Document, b: &Document, found: &mut Vec<ChangeKind>) {
    let (old, new) = (a.body().steps(), b.body().steps());
    let texts = |steps: &[Step]| steps.iter().map(|step| step.text.clone()).collect::<Vec<_>>();
    if old.len() + new.len() > ITEMS_MAX {
        let marks = |steps: &[Step]| steps.iter().map(|step| (step.done, step.text.clone())).collect::<Vec<_>>();
        if marks(old) != marks(new) {
            found.push(ChangeKind::Section { name: "Progress".to_owned(), how: How::Changed });
        }
        return;
    }
    for op in similar::capture_diff_slices(Algorithm::Myers, &texts(old), &texts(new)) {
        let (_, from, to) = op.as_tag_tuple();
        if let DiffOp::Equal { .. } = op {
            let turned = from.zip(to).filter(|(i, j)| old[*i].done != new[*j].done);
            found.extend(turned.map(|(_, j)| ChangeKind::Step {
                n: j + 1,
                text: new[j].text.clone(),
                done: new[j].done,
            }));
            continue;
        }
        found.extend(old[from].iter().map(|step| ChangeKind::StepRemoved { text: step.text.clone() }));
        found.extend(to.map(|j| ChangeKind::StepAdded { n: j + 1, text: new[j].text.clone() }));
    }
}

fn notes(a: &Document, b: &Document, found: &mut Vec<ChangeKind>) {
    let texts = |document: &Document| document.body().notes().into_iter().map(|note| note.text).collect::<Vec<_>>();
    let (old, new) = (texts(a), texts(b));
    match items(&old, &new) {
        Some(ops) => {
            for (from, to) in ops {
                found.extend(old[from].iter().map(|text| ChangeKind::NoteRemoved { text: text.clone() }));
                found.extend(new[to].iter().map(|text| ChangeKind::Note { text: text.clone() }));
            }
        }
        None if old != new => found.push(ChangeKind::Section { name: "Notes".to_owned(), how: How::Changed }),
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
fn sections(a: &Document, b: &Document, found: &mut Vec<ChangeKind>) {
    let (old, new) = (section_texts(a), section_texts(b));
    let mut seen = BTreeSet::new();
    for section in b.body().sections().iter().chain(a.body().sections()) {
        let key = section.heading.to_lowercase();
        let text = |texts: &BTreeMap<String, String>| texts.get(&key).cloned().unwrap_or_default();
        let (before, after) = (text(&old), text(&new));
        let how = match (before.is_empty(), after.is_empty()) {
            _ if before == after || !seen.insert(key.clone()) => continue,
            (true, _) => How::Added,
            (_, true) => How::Removed,
            _ => How::Changed,
        };
        found.push(ChangeKind::Section { name: section.heading.clone(), how });
    }
}

/// Returns true if the mark of a check box lies in a byte range: such a line is told on its own.
fn is_box(document: &Document, bytes: &Range<usize>) -> bool {
    let steps = document.body().steps();
    let at = steps.partition_point(|step| step.mark < bytes.start);
    steps.get(at).is_some_and(|step| step.mark < bytes.end)
}

/// The texts of all sections by their headings in lower case, without what is told on its own; no text for placeholders.
fn section_texts(document: &Document) -> BTreeMap<String, String> {
    let mut texts: BTreeMap<String, String> = BTreeMap::new();
    for section in document.body().sections() {
        let key = section.heading.to_lowercase();
        let is_notes = key == "notes";
        let told = matches!(key.as_str(), "progress" | "notes" | "dependencies" | "active tasks" | "tasks");
        let text = document.text().get(section.span.clone()).unwrap_or_default();
        let mut at = section.span.start;
        let with_bytes = text.split_inclusive('\n').map(|line| {
            at += line.len();
            (at - line.len()..at, line)
        });
        let unboxed = with_bytes.filter(|(bytes, _)| !is_box(document, bytes)).map(|(_, line)| line.trim_end());
        let lines = unboxed.filter(|line| {
            // The further lines of a note are part of it.
            let in_note = is_notes && line.starts_with([' ', '\t']);
            let line = line.trim_start();
            let is_item = line.starts_with(['-', '*', '+']) || line.starts_with(|c: char| c.is_ascii_digit());
            !(in_note || told && is_item)
        });
        texts.entry(key).or_default().push_str(lines.collect::<Vec<_>>().join("\n").trim());
    }
    let placeholder =
        |text: &str| text.len() > 2 && text.starts_with('_') && text.ends_with('_') && !text.contains('\n');
    texts.retain(|_, text| !placeholder(text));
    texts
}

/// Lines before the first section that are neither a key nor the title nor a line that repeats a key.
fn prose(a: &Document, b: &Document, found: &mut Vec<ChangeKind>) {
    let (old, new) = (other_lines(a), other_lines(b));
    let (added, removed) = match items(&old, &new) {
        Some(ops) => ops.into_iter().fold((0, 0), |sum, (from, to)| (sum.0 + to.len(), sum.1 + from.len())),
        None => (usize::from(old != new), usize::from(old != new)),
    };
    if added + removed > 0 {
        found.push(ChangeKind::Prose { added, removed });
    }
}

fn other_lines(document: &Document) -> Vec<&str> {
    let text = document.text();
    let end = document.body().sections().first().map_or(text.len(), |section| section.heading_span.start);
    let title = document.body().title();
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
        if !line.is_empty() && !is_title && !is_label && !in_field && !is_box(document, &range) {
            lines.push(line);
        }
    }
    lines
}
