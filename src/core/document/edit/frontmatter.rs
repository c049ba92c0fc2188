//! Edits of frontmatter keys: set, remove, add to and take from lists. Changes the bytes of one key; style and comments stay.

use std::ops::Range;

use super::insertion_point::{self, Present};
use super::{DocumentEdit, EditError, Splice, emit};
use crate::core::document::fence::{line_end, line_start};
use crate::core::document::scan::{self, Entry, Node, NodeKind, Root, Style};
use crate::core::document::{Document, Value};
use crate::core::name::visible;

impl DocumentEdit<'_> {
    /// Gives a key a value. `a.b` reaches into the map `a` (unless there is a key `a.b`). The style in the file is kept: quotes,
    /// block or flow list, the comment behind it. A new key goes to its slot. The same value again changes no byte.
    ///
    /// # Errors
    /// [`EditError`] if the document cannot be read, has no frontmatter, or the edit cannot be proven to change nothing else.
    pub fn set(self, key: &str, value: &Value) -> Result<Document, EditError> {
        let front = Front::of(self)?;
        let mut expected = front.values();
        let before = expected.clone();
        put(&mut expected, key, value)?;
        if Value::Map(before).means(&Value::Map(expected.clone())) {
            return Ok(self.document.clone());
        }
        let splices = front.set(key, value)?;
        self.with_frontmatter(key, splices, expected)
    }

    /// Removes a key with its lines. A key that is not there is no error.
    ///
    /// # Errors
    /// As for [`DocumentEdit::set`].
    pub fn remove(self, key: &str) -> Result<Document, EditError> {
        let front = Front::of(self)?;
        let mut expected = front.values();
        if !take(&mut expected, key) {
            return Ok(self.document.clone());
        }
        let splices = front.remove(key)?;
        self.with_frontmatter(key, splices, expected)
    }

    /// Adds an item to the end of a list, as one line of a block list. An item that is there already is not added again; a list
    /// that is not there begins with it.
    ///
    /// # Errors
    /// As for [`DocumentEdit::set`]; [`EditError::NotAList`] if the key holds something else.
    pub fn add_list_item(self, key: &str, item: &Value) -> Result<Document, EditError> {
        let front = Front::of(self)?;
        let Some(found) = find(&front.root.entries, key, front.root.flow) else {
            return self.set(key, &Value::List(vec![item.clone()]));
        };
        let NodeKind::List { flow, items } = &found.entry.value.kind else {
            if found.entry.value.clone().into_value().is_null() {
                return self.set(key, &Value::List(vec![item.clone()]));
            }
            return Err(EditError::NotAList(visible(key)));
        };
        let mut values: Vec<_> = items.iter().map(|item| item.clone().into_value()).collect();
        if values.iter().any(|value| value.means(item)) {
            return Ok(self.document.clone());
        }
        values.push(item.clone());
        let mut expected = front.values();
        put(&mut expected, key, &Value::List(values))?;
        let splice = match items.last() {
            _ if *flow => {
                front.add_to_flow(&found.entry.value, items.last().map(|last| last.span.end), &front.flat(item, true))
            }
            Some(last) => {
                let dash = front.dash(last).ok_or_else(|| EditError::Layout(visible(key)))?;
                let end = line_end(front.text, front.last_byte(last));
                Splice::insert(end, emit::list_item(item, dash - front.line_start(dash), front.eol))
            }
            None => return Err(EditError::Layout(visible(key))),
        };
        self.with_frontmatter(key, vec![splice], expected)
    }

    /// Takes every item with a text out of a list. An item or a key that is not there is no error; a list that becomes empty is
    /// `[]`.
    ///
    /// # Errors
    /// As for [`DocumentEdit::add_list_item`].
    pub fn remove_list_item(self, key: &str, item: &str) -> Result<Document, EditError> {
        let front = Front::of(self)?;
        let Some(found) = find(&front.root.entries, key, front.root.flow) else { return Ok(self.document.clone()) };
        let NodeKind::List { flow, items } = &found.entry.value.kind else {
            if found.entry.value.clone().into_value().is_null() {
                return Ok(self.document.clone());
            }
            return Err(EditError::NotAList(visible(key)));
        };
        let values: Vec<_> = items.iter().map(|item| item.clone().into_value()).collect();
        let goes = |i: &usize| values[*i].as_text() == Some(item);
        let gone: Vec<usize> = (0..items.len()).filter(goes).collect();
        if gone.is_empty() {
            return Ok(self.document.clone());
        }
        if gone.len() == items.len() {
            return self.set(key, &Value::List(Vec::new()));
        }
        let left = (0..items.len()).filter(|i| !goes(i)).map(|i| values[i].clone()).collect();
        let mut expected = front.values();
        put(&mut expected, key, &Value::List(left))?;
        let ranges = if *flow {
            flow_gaps(items.len(), &gone, |i| items[i].span.clone())
        } else {
            let lines = |i: &usize| {
                let dash = front.dash(&items[*i]).ok_or_else(|| EditError::Layout(visible(key)))?;
                Ok(front.line_start(dash)..line_end(front.text, front.last_byte(&items[*i])))
            };
            gone.iter().map(lines).collect::<Result<_, _>>()?
        };
        let splices = ranges.into_iter().map(|range| Splice::new(range, "")).collect();
        self.with_frontmatter(key, splices, expected)
    }
}

/// A frontmatter that is being edited.
struct Front<'a> {
    text: &'a str,
    yaml: Range<usize>,
    eol: &'static str,
    root: Root,
}

/// A key that was found, with the map it lies in.
struct Found<'a> {
    entry: &'a Entry,
    siblings: &'a [Entry],
    index: usize,
    parent: Option<&'a Entry>,
    in_flow: bool,
}

impl<'a> Front<'a> {
    fn of(edit: DocumentEdit<'a>) -> Result<Self, EditError> {
        let inner = edit.editable()?.document.inner();
        let fence = inner.fence.as_ref().ok_or(EditError::NoFrontmatter)?;
        let yaml = fence.yaml.clone();
        let root = scan::scan(&edit.text()[yaml.clone()], yaml.start)
            .map_err(|_| EditError::Unproven("the frontmatter".to_owned()))?;
        Ok(Self { text: edit.text(), eol: edit.line_break_at(yaml.start), yaml, root })
    }

    fn values(&self) -> Vec<(String, Value)> {
        scan::values(self.root.entries.clone())
    }

    fn set(&self, key: &str, value: &Value) -> Result<Vec<Splice>, EditError> {
        if let Some(found) = find(&self.root.entries, key, self.root.flow) {
            return self.replace(found.entry, value, found.in_flow);
        }
        // The longest part of the path that is there takes the rest as a new key.
        let (mut entries, mut rest, mut parent, mut flow) = (&self.root.entries, key, None, self.root.flow);
        while let Some((entry, tail)) = head_of(entries, rest) {
            (parent, rest) = (Some(entry), tail);
            match &entry.value.kind {
                NodeKind::Map { flow: is_flow, entries: inner } => (entries, flow) = (inner, flow || *is_flow),
                NodeKind::Scalar { .. } | NodeKind::List { .. } => break,
            }
        }
        let (name, value) = nested(rest, value)?;
        match parent {
            None if self.root.flow => Ok(vec![self.insert_in_root(&name, &value)]),
            None => Ok(vec![self.insert_top(&name, &value)]),
            Some(parent) => self.insert_in(parent, &name, &value, flow),
        }
    }

    fn insert_top(&self, key: &str, value: &Value) -> Splice {
        let entries = &self.root.entries;
        let lines =
            |entry: &Entry| self.line_start(entry.key_span.start)..line_end(self.text, self.last_byte(&entry.value));
        let present: Vec<_> = entries.iter().map(|entry| Present { key: &entry.key, lines: lines(entry) }).collect();
        let at = insertion_point::position(self.text, &self.yaml, &present, key);
        let indent = entries.first().map_or(0, |entry| self.column(entry.key_span.start));
        Splice::insert(at, emit::entry(key, value, indent, self.eol))
    }

    /// Adds a key to a map that is there, or makes an empty value one.
    fn insert_in(&self, parent: &Entry, key: &str, value: &Value, flow: bool) -> Result<Vec<Splice>, EditError> {
        let whole = Value::Map(vec![(key.to_owned(), value.clone())]);
        let NodeKind::Map { entries, .. } = &parent.value.kind else {
            return self.replace(parent, &whole, flow);
        };
        match entries.last() {
            _ if flow => {
                let text = self.flat_entry(key, value);
                let end = entries.last().map(|last| last.value.span.end.max(last.key_span.end));
                Ok(vec![self.add_to_flow(&parent.value, end, &text)])
            }
            Some(last) => {
                let indent = self.column(last.key_span.start);
                let at = line_end(self.text, self.last_byte(&last.value));
                Ok(vec![Splice::insert(at, emit::entry(key, value, indent, self.eol))])
            }
            None => self.replace(parent, &whole, flow),
        }
    }

    /// Adds text behind the last member of a flow list or map, which ends at `end`, or as its first.
    fn add_to_flow(&self, collection: &Node, end: Option<usize>, text: &str) -> Splice {
        debug_assert!(self.text[collection.span.clone()].starts_with(['[', '{']), "only flow collections come here");
        match end {
            Some(end) => Splice::insert(end, format!(", {text}")),
            None => Splice::insert(collection.span.start + 1, text),
        }
    }

    fn remove(&self, key: &str) -> Result<Vec<Splice>, EditError> {
        let refuse = || EditError::Layout(visible(key));
        let found = find(&self.root.entries, key, self.root.flow).ok_or_else(refuse)?;
        if let (Some(parent), 1) = (found.parent, found.siblings.len()) {
            return self.replace(parent, &Value::Map(Vec::new()), found.in_flow);
        }
        if found.in_flow {
            let span = |i: usize| {
                let entry = &found.siblings[i];
                entry.key_span.start..entry.value.span.end.max(entry.key_span.end)
            };
            let gaps = flow_gaps(found.siblings.len(), &[found.index], span);
            return Ok(gaps.into_iter().map(|gap| Splice::new(gap, "")).collect());
        }
        let start = self.line_start(found.entry.key_span.start);
        if !self.text[start..found.entry.key_span.start].bytes().all(|b| b == b' ') {
            return Err(refuse());
        }
        Ok(vec![Splice::new(start..line_end(self.text, self.last_byte(&found.entry.value)), "")])
    }

    /// Replaces the value of a key.
    fn replace(&self, entry: &Entry, value: &Value, in_flow: bool) -> Result<Vec<Splice>, EditError> {
        let colon = self.behind_colon(entry).ok_or_else(|| EditError::Layout(visible(&entry.key)))?;
        match &entry.value.kind {
            NodeKind::Scalar { style: Style::Literal | Style::Folded, .. } => {
                Ok(self.replace_literal(entry, colon, value))
            }
            NodeKind::List { flow: false, .. } | NodeKind::Map { flow: false, .. } => {
                self.replace_block(entry, colon, value).ok_or_else(|| EditError::Layout(visible(&entry.key)))
            }
            NodeKind::Scalar { style, .. } => Ok(self.replace_inline(entry, colon, value, *style, in_flow)),
            NodeKind::List { .. } | NodeKind::Map { .. } => {
                let flat = self.flat(value, in_flow);
                Ok(vec![Splice::new(entry.value.span.clone(), flat)])
            }
        }
    }

    fn replace_inline(&self, entry: &Entry, colon: usize, value: &Value, style: Style, in_flow: bool) -> Vec<Splice> {
        let old = entry.value.span.clone();
        if !in_flow && emit::is_block(value) {
            let end = if old.is_empty() { colon } else { old.end };
            let lines = emit::block(value, self.column(entry.key_span.start) + 2, self.eol);
            return vec![Splice::new(colon..end, ""), Splice::insert(line_end(self.text, end), lines)];
        }
        let text = if self.is_json() { emit::quoted(value) } else { emit::inline(value, style, in_flow) };
        if old.is_empty() { vec![Splice::insert(colon, format!(" {text}"))] } else { vec![Splice::new(old, text)] }
    }

    /// Replaces the lines of a block list or map; a comment behind the key stays.
    fn replace_block(&self, entry: &Entry, colon: usize, value: &Value) -> Option<Vec<Splice>> {
        let first = match &entry.value.kind {
            NodeKind::List { items, .. } => self.dash(items.first()?)?,
            NodeKind::Map { entries, .. } => entries.first()?.key_span.start,
            NodeKind::Scalar { .. } => return None,
        };
        let start = self.line_start(first);
        let indented = self.text[start..first].bytes().all(|b| b == b' ');
        if start < colon || !indented {
            return None;
        }
        let lines = start..line_end(self.text, self.last_byte(&entry.value));
        Some(if emit::is_block(value) {
            // A map cannot stand in the column of its key, a list can.
            let indent = first - start;
            let indent =
                if value.as_map().is_some() { indent.max(self.column(entry.key_span.start) + 2) } else { indent };
            vec![Splice::new(lines, emit::block(value, indent, self.eol))]
        } else {
            let text = emit::inline(value, Style::Plain, false);
            vec![Splice::insert(colon, format!(" {text}")), Splice::new(lines, "")]
        })
    }

    /// Replaces a literal or folded text; a comment behind its header stays.
    fn replace_literal(&self, entry: &Entry, colon: usize, value: &Value) -> Vec<Splice> {
        let rest = &self.text[colon..];
        let start = colon + rest.len() - rest.trim_start().len();
        let header = start..start + self.text[start..].find(char::is_whitespace).unwrap_or(0);
        let content_start = line_end(self.text, header.end);
        let content = content_start..line_end(self.text, self.last_byte(&entry.value)).max(content_start);
        let first = &self.text[content.clone()];
        let indent =
            first.lines().find(|line| !line.trim().is_empty()).map_or(0, |line| line.len() - line.trim_start().len());
        let deeper = self.column(entry.key_span.start) + 2;
        let indent = if indent == 0 { deeper } else { indent };
        let literal = value.as_text().filter(|_| matches!(value.to_json(), serde_json::Value::String(_)));
        match literal.and_then(|text| emit::literal(text, indent, self.eol)) {
            Some((new_header, lines)) => vec![Splice::new(header, new_header), Splice::new(content, lines)],
            None if emit::is_block(value) => {
                vec![Splice::new(colon..header.end, ""), Splice::new(content, emit::block(value, deeper, self.eol))]
            }
            None => vec![Splice::new(header, emit::inline(value, Style::Plain, false)), Splice::new(content, "")],
        }
    }

    /// The byte behind the colon of a key.
    fn behind_colon(&self, entry: &Entry) -> Option<usize> {
        let rest = &self.text[entry.key_span.end..];
        let blanks = rest.len() - rest.trim_start_matches([' ', '\t']).len();
        rest[blanks..].starts_with(':').then_some(entry.key_span.end + blanks + 1)
    }

    /// The dash of an item of a block list, if it stands first in its line.
    fn dash(&self, item: &Node) -> Option<usize> {
        let before = match &item.kind {
            // The range of a nested block begins at its first key or dash.
            NodeKind::List { flow: false, items } => self.dash(items.first()?)?,
            _ => item.span.start,
        };
        // A literal's range begins behind its header.
        let before = match item.kind {
            NodeKind::Scalar { style: Style::Literal | Style::Folded, .. } => self.text[..before].rfind(['|', '>'])?,
            _ => before,
        };
        let dash = self.text[self.yaml.start..before].trim_end().len() + self.yaml.start;
        let dash = dash.checked_sub(1).filter(|at| self.text.as_bytes().get(*at) == Some(&b'-'))?;
        let start = self.line_start(dash);
        self.text[start..dash].bytes().all(|b| b == b' ').then_some(dash)
    }

    /// A byte in the last line of a value.
    fn last_byte(&self, node: &Node) -> usize {
        match &node.kind {
            NodeKind::Scalar { style: Style::Literal | Style::Folded, .. } => {
                self.text[..node.span.end].trim_end().len()
            }
            NodeKind::List { flow: false, items } => items.last().map_or(node.span.end, |last| self.last_byte(last)),
            NodeKind::Map { flow: false, entries } => {
                entries.last().map_or(node.span.end, |last| self.last_byte(&last.value))
            }
            _ => node.span.end,
        }
    }

    fn column(&self, at: usize) -> usize {
        at - self.line_start(at)
    }

    /// The first byte of the line of a byte; what stands before the first key (a byte order mark) belongs to no line.
    fn line_start(&self, at: usize) -> usize {
        line_start(self.text, at).max(self.yaml.start)
    }

    /// Returns true if the frontmatter is JSON: a flow map whose keys are all in double quotes.
    fn is_json(&self) -> bool {
        let quoted = |entry: &Entry| self.text[entry.key_span.clone()].starts_with('"');
        self.root.flow && !self.root.entries.is_empty() && self.root.entries.iter().all(quoted)
    }

    /// A value in one line of a flow collection, in the style of the frontmatter.
    fn flat(&self, value: &Value, in_flow: bool) -> String {
        if self.is_json() { emit::quoted(value) } else { emit::inline(value, Style::Plain, in_flow) }
    }

    /// A key with its value, for a flow map.
    fn flat_entry(&self, key: &str, value: &Value) -> String {
        if self.is_json() {
            return format!("{}: {}", emit::quoted(&Value::text(key)), emit::quoted(value));
        }
        format!("{}: {}", emit::key_text(key, true), emit::inline(value, Style::Plain, true))
    }

    /// Adds a key to a frontmatter that is one flow map: behind the last one, on a line of its own where that is the style.
    fn insert_in_root(&self, key: &str, value: &Value) -> Splice {
        let text = self.flat_entry(key, value);
        let Some(last) = self.root.entries.last() else {
            return Splice::insert(self.root.span.start + 1, text);
        };
        let lead = &self.text[self.line_start(last.key_span.start)..last.key_span.start];
        let own_line = lead.trim().is_empty() && last.key_span.start > self.root.span.start + 1;
        let gap = if own_line { format!(",{}{lead}", self.eol) } else { ", ".to_owned() };
        Splice::insert(last.value.span.end.max(last.key_span.end), format!("{gap}{text}"))
    }
}

/// The bytes that vanish with members of a flow list or map, not all of them: each run with the comma on one side.
fn flow_gaps(len: usize, gone: &[usize], span: impl Fn(usize) -> Range<usize>) -> Vec<Range<usize>> {
    let runs = gone.chunk_by(|a, b| a + 1 == *b);
    let gap = |run: &[usize]| {
        let (first, last) = (run[0], run[run.len() - 1]);
        if last + 1 < len {
            span(first).start..span(last + 1).start
        } else {
            let start = if first > 0 { span(first - 1).end } else { span(first).start };
            start..span(last).end
        }
    };
    runs.map(gap).collect()
}

/// The entry that begins a dotted path, with the rest of the path.
fn head_of<'a, 'k>(entries: &'a [Entry], path: &'k str) -> Option<(&'a Entry, &'k str)> {
    let (head, tail) = path.split_once('.')?;
    entries.iter().find(|entry| entry.key == head).map(|entry| (entry, tail))
}

fn find<'a>(entries: &'a [Entry], key: &str, flow: bool) -> Option<Found<'a>> {
    let (mut siblings, mut path, mut parent, mut in_flow) = (entries, key, None, flow);
    loop {
        if let Some(index) = siblings.iter().position(|entry| entry.key == path) {
            return Some(Found { entry: &siblings[index], siblings, index, parent, in_flow });
        }
        let (entry, tail) = head_of(siblings, path)?;
        let NodeKind::Map { flow, entries } = &entry.value.kind else { return None };
        (siblings, path, parent, in_flow) = (entries, tail, Some(entry), in_flow || *flow);
    }
}

/// `a.b` and a value as the key `a` with the map `{b: value}`.
fn nested(path: &str, value: &Value) -> Result<(String, Value), EditError> {
    if path.split('.').any(|part| part.trim().is_empty()) {
        return Err(EditError::BadKey(visible(path)));
    }
    let mut parts: Vec<&str> = path.split('.').collect();
    let first = parts.remove(0);
    let value = parts.iter().rev().fold(value.clone(), |value, part| Value::Map(vec![((*part).to_owned(), value)]));
    Ok((first.to_owned(), value))
}

/// The same edit on values alone: what the file must read like afterwards.
fn put(entries: &mut Vec<(String, Value)>, key: &str, value: &Value) -> Result<(), EditError> {
    if let Some((_, old)) = entries.iter_mut().find(|(name, _)| name == key) {
        *old = value.clone();
        return Ok(());
    }
    if let Some((head, tail)) = key.split_once('.')
        && let Some((_, inner)) = entries.iter_mut().find(|(name, _)| name == head)
    {
        return match inner {
            Value::Map(inner) => put(inner, tail, value),
            _ if inner.is_null() => {
                *inner = Value::Map(vec![nested(tail, value)?]);
                Ok(())
            }
            _ => Err(EditError::NotAMap(visible(head))),
        };
    }
    entries.push(nested(key, value)?);
    Ok(())
}

/// Removal on values alone; tells whether the key was there.
fn take(entries: &mut Vec<(String, Value)>, key: &str) -> bool {
    if let Some(at) = entries.iter().position(|(name, _)| name == key) {
        entries.remove(at);
        return true;
    }
    let Some((head, tail)) = key.split_once('.') else { return false };
    match entries.iter_mut().find(|(name, _)| name == head) {
        Some((_, Value::Map(inner))) => take(inner, tail),
        _ => false,
    }
}
