//! Any edit of any document: refused, or only its range changed and reading again gives the value.

use serde_json::Value as Json;

use super::SEPARATOR;
use crate::core::document::{Document, Mark, Value};

/// The edits that there are.
const EDITS: u8 = 12;
/// Texts for an input that names no edit of its own.
const TEXTS: [&str; 6] = ["x", "2025-10-17", "a: b #c", "", "[\"a\", {\"b\": null}]", "two\n\n## lines\n"];

/// The input is a document, or a document, a separator, the number of an edit, the number of a key and a text.
pub(super) fn edit(input: &[u8]) {
    let at = input.iter().rposition(|byte| *byte == SEPARATOR);
    match at.map(|at| (&input[..at], &input[at + 1..])) {
        Some((file, [number, which, text @ ..])) => {
            one(&Document::parse(file), *number, *which, &String::from_utf8_lossy(text));
        }
        Some((file, _)) => every(&Document::parse(file)),
        None => every(&Document::parse(input)),
    }
}

fn every(document: &Document) {
    for number in 0..EDITS {
        for (which, text) in (0_u8..).zip(TEXTS) {
            one(document, number, which, text);
        }
    }
}

/// One edit and what must hold for it.
fn one(document: &Document, number: u8, which: u8, text: &str) {
    let key = key(document, which);
    let heading = ["Notes", "Result", "Payload", "Progress", "Error"][usize::from(which) % 5];
    let json = serde_json::from_str::<Json>(text).unwrap_or_else(|_| Json::from(text));
    let value = Value::from_json(&json);
    let step = usize::from(which);
    let result = match number % EDITS {
        0 => document.edit().set(&key, &value),
        1 => document.edit().set(&key, &Value::plain(text)),
        2 => document.edit().remove(&key),
        3 => document.edit().add_list_item(&key, &Value::text(text)),
        4 => document.edit().remove_list_item(&key, text),
        5 => document.edit().tick(step, Mark::Flip),
        6 => document.edit().set_section_json(heading, &json),
        7 => document.edit().set_section_text(heading, text),
        8 => document.edit().add_bullet(heading, text),
        9 => document.edit().set_bullet(heading, step, text),
        10 => document.edit().set_label("Status", text),
        _ => document.edit().set_title(text),
    };
    let Ok(edited) = result else { return };
    assert!(edited.is_readable(), "{:?}", edited.faults());
    match number % EDITS {
        0..=4 => {
            only_the_entry_changed(document, &edited, &key);
            the_value_is_there(&edited, number % EDITS, &key, &value, text);
        }
        5 => assert_eq!(differing(document, &edited), 1, "a tick is one byte"),
        6..=9 => only_the_section_changed(document, &edited, heading),
        _ => same_fields(document, &edited),
    }
    match number % EDITS {
        6 => assert_eq!(edited.body().section_json(heading), Some(Ok(json))),
        7 => {
            let found = edited.body().section_text(heading).unwrap_or_default().replace("\r\n", "\n");
            assert_eq!(found.trim(), text.trim().replace("\r\n", "\n"));
        }
        10 => assert!(edited.body().label("Status").is_none_or(|label| label.text == text.trim())),
        11 => assert_eq!(edited.body().title(), Some(text.trim())),
        _ => {}
    }
}

/// A key that is there, or one that may not be.
fn key(document: &Document, which: u8) -> String {
    let names = ["status", "depends_on", "progress", "metadata.gpu", "x"];
    let which = usize::from(which);
    match document.fields().get(which) {
        Some(field) => field.key.clone(),
        None => names[which % names.len()].to_owned(),
    }
}

/// The top-level key that an edit of `key` touches: itself, or the map that it reaches into.
fn top<'a>(document: &Document, key: &'a str) -> &'a str {
    if document.field(key).is_some() { key } else { key.split('.').next().unwrap_or(key) }
}

/// Before the entry and behind it every byte is as it was.
pub(super) fn only_the_entry_changed(before: &Document, after: &Document, key: &str) {
    let fields = before.fields();
    let top = top(before, key);
    let (old, new) = (before.text(), after.text());
    match fields.iter().position(|field| field.key == top) {
        Some(at) => {
            let head = at.checked_sub(1).map_or(0, |above| fields[above].value_span.end);
            let tail = fields.get(at + 1).map_or_else(|| behind(before), |below| below.key_span.start);
            assert!(new.len() + tail >= old.len() + head, "{old:?} {new:?}");
            assert!(new.starts_with(&old[..head]) && new.ends_with(&old[tail..]), "{key}: {old:?} {new:?}");
        }
        None if new != old => {
            let same = old.bytes().zip(new.bytes()).take_while(|(a, b)| a == b).count();
            assert!(new.as_bytes().ends_with(&old.as_bytes()[same..]), "{key}: {old:?} {new:?}");
        }
        None => {}
    }
    let others = |document: &Document| -> Vec<(String, Value)> {
        let fields = document.fields().iter().filter(|field| field.key != top);
        fields.map(|field| (field.key.clone(), field.value.clone())).collect()
    };
    assert_eq!(others(before), others(after));
    assert_eq!(before.body().sections().len(), after.body().sections().len());
}

/// Where the closing fence begins, behind the last entry.
fn behind(document: &Document) -> usize {
    // A block that keeps its line ends reaches up to the fence; the line end before the fence is the entry's in any case.
    let end = document.fields().last().map_or(0, |field| field.value_span.end.saturating_sub(1));
    let text = document.text();
    text.as_bytes()[end..].windows(4).position(|four| four == b"\n---").map_or(text.len(), |at| end + at + 1)
}

fn the_value_is_there(edited: &Document, number: u8, key: &str, value: &Value, text: &str) {
    let Some(found) = edited.field(key).map(|field| &field.value) else {
        assert!(key.contains('.') || matches!(number, 2 | 4), "`{key}` is not there: {:?}", edited.text());
        return;
    };
    let texts = || found.as_list().unwrap_or_default().iter().filter_map(Value::as_text);
    match number {
        0 => assert!(found.means(value), "{found:?} {value:?}"),
        1 => assert!(found.as_text().is_some_and(|found| found == text) || found.means(&Value::plain(text))),
        2 => panic!("`{key}` is still there: {:?}", edited.text()),
        3 => assert!(texts().any(|item| item == text), "{found:?}"),
        _ => assert!(!texts().any(|item| item == text), "{found:?}"),
    }
    let again = if number == 0 { edited.edit().set(key, value) } else { Ok(edited.clone()) };
    assert_eq!(again.as_ref().map(Document::text), Ok(edited.text()), "the same again changes nothing");
}

/// Every other section and the frontmatter are as they were.
pub(super) fn only_the_section_changed(before: &Document, after: &Document, heading: &str) {
    same_fields(before, after);
    let others = |document: &Document| -> Vec<String> {
        let mut sections: Vec<_> = document.body().sections().iter().collect();
        let found = document.body().section(heading).map(|section| section.heading_span.clone());
        sections.retain(|section| Some(&section.heading_span) != found.as_ref());
        let text = |from: usize, to: usize| document.text()[from..to].trim_end().to_owned();
        sections.into_iter().map(|section| text(section.heading_span.start, section.span.end)).collect()
    };
    assert_eq!(others(before), others(after), "{:?} {:?}", before.text(), after.text());
    assert!(after.body().section(heading).is_some());
}

fn same_fields(before: &Document, after: &Document) {
    let end = before.fields().last().map_or(0, |field| field.value_span.end);
    assert!(after.text().starts_with(&before.text()[..end]));
    assert_eq!(before.fields(), after.fields());
}

fn differing(before: &Document, after: &Document) -> usize {
    assert_eq!(before.bytes().len(), after.bytes().len());
    before.bytes().iter().zip(after.bytes()).filter(|(a, b)| a != b).count()
}
