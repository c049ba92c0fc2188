//! What other programs wrote into a hash, as edits of the document.

use super::hash::find;
use super::record::HashFields;
use crate::core::document::Document;
use crate::core::name::{DocId, Kind};
use crate::core::reconcile::{FieldEdits, FieldUpdates, RejectedField};
use crate::core::time::Timestamp;

/// Most fields of one hash that are taken at once.
pub const FIELDS_MAX: usize = 256;

/// Applies the fields that differ from what a bridge wrote to the document.
#[must_use]
pub fn changed_fields(
    kind: Kind,
    key_id: &str,
    before: &Document,
    wrote: &HashFields,
    shown: &HashFields,
    now: Timestamp,
) -> FieldEdits {
    let mut rejected = Vec::new();
    let Ok(id) = DocId::new(key_id) else {
        return FieldEdits { rejected: vec![RejectedField::new("", "its key is no id")], ..FieldEdits::default() };
    };
    let changed = |(field, text): &&(String, String)| find(wrote, field) != Some(text);
    let at = now.to_string();
    let mut updates: Vec<(&str, Option<&str>)> =
        shown.iter().filter(changed).map(|(field, text)| (field.as_str(), Some(text.as_str()))).collect();
    let gone = wrote.iter().map(|(field, _)| field.as_str()).filter(|field| find(shown, field).is_none());
    match lacks(kind, wrote, shown)[..] {
        [] if !is_rewritten(kind, wrote, shown) => updates.extend(gone.map(|field| (field, None))),
        [field] => rejected.push(RejectedField::new(field, "it cannot be removed")),
        // An agent that writes its hash again, after it expired, lives; the same words may be all it has to say.
        [_, _, ..] if kind == Kind::Agent && find(shown, "last_updated").is_none() => {
            updates.push(("last_updated", Some(&at)));
        }
        _ => {}
    }
    if updates.len() > FIELDS_MAX {
        rejected
            .push(RejectedField::new("", format!("{} fields at once; at most {FIELDS_MAX} are taken", updates.len())));
        // Known fields come first.
        updates.sort_by_key(|(field, _)| find(wrote, field).is_none());
        updates.truncate(FIELDS_MAX);
    }
    let mut edits = FieldUpdates { kind, id: &id, before, updates, now }.apply();
    edits.rejected.splice(0..0, rejected);
    edits
}

/// Returns the fields that a bridge always writes.
const fn always(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Agent => &["status", "last_updated", "active_tasks", "metadata"],
        Kind::Task => &["id", "type", "status", "priority", "depends_on"],
        Kind::Workflow => &["id", "type", "status", "progress", "tasks"],
    }
}

/// Returns what a hash lacks of those. One that lacks any was written again (after it expired or was deleted): nothing was removed.
fn lacks(kind: Kind, wrote: &HashFields, shown: &HashFields) -> Vec<&'static str> {
    let is_lost = |field: &&&str| find(wrote, field).is_some() && find(shown, field).is_none();
    always(kind).iter().filter(is_lost).copied().collect()
}

/// Returns true if a whole hash was written again by a program that knows only what every hash has: those of tasks do not
/// expire, and of the others what it knows nothing of was not removed.
fn is_rewritten(kind: Kind, wrote: &HashFields, shown: &HashFields) -> bool {
    let mut optional = wrote.iter().filter(|(field, _)| !always(kind).contains(&field.as_str())).peekable();
    kind != Kind::Task && optional.peek().is_some() && optional.all(|(field, _)| find(shown, field).is_none())
}

#[cfg(test)]
mod tests;
