//! Files of published events: every line that either side has stands in the merged file once.

use std::collections::BTreeMap;

use super::three::union;
use crate::core::document::Document;

/// The lines of both sides; an event is known by its id, any other line by its text.
pub(super) fn merge(base: Option<&Document>, a: &Document, b: &Document) -> Option<String> {
    let text = |document: &Document| std::str::from_utf8(document.bytes()).ok().map(str::to_owned);
    let base = base.map_or_else(|| Some(String::new()), text)?;
    let (a, b) = (text(a)?, text(b)?);
    let mut lines: BTreeMap<(String, usize), String> = BTreeMap::new();
    let mut keys = |text: &str| {
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        let mut keys = Vec::new();
        for line in text.split_inclusive('\n') {
            let id = line.strip_prefix("- ").and_then(|rest| rest.split(' ').next());
            let name = id.map_or_else(|| line.trim_end().to_owned(), |id| format!("- {id}"));
            let count = seen.entry(name.clone()).or_insert(0);
            let key = (name, *count);
            *count += 1;
            // A torn line is replaced by the whole one.
            let known = lines.entry(key.clone()).or_default();
            if line.len() > known.len() || line.len() == known.len() && line < known.as_str() {
                line.clone_into(known);
            }
            keys.push(key);
        }
        keys
    };
    let (base, a, b) = (keys(&base), keys(&a), keys(&b));
    let order = union(&base, &a, &b);
    let last = order.len().saturating_sub(1);
    let text = order.iter().enumerate().map(|(at, key)| {
        let line = lines.get(key).cloned().unwrap_or_default();
        if at < last && !line.ends_with('\n') { line + "\n" } else { line }
    });
    Some(text.collect())
}
