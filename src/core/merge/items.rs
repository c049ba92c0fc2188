//! Sections that are lists: steps, notes, dependencies, the history. Items are known by what they say; marks are merged one by one.

use std::collections::BTreeMap;

use super::three::{Three, plain, union};
use crate::core::document::Document;
use crate::core::entity::{ActiveTask, DependencyBullet};

/// The headings of sections that are lists of their own items.
pub(super) const LISTS: [&str; 6] = ["Progress", "Notes", "Dependencies", "Active Tasks", "Tasks", "History"];

/// What an item is known by, and which of those that say the same it is.
type Key = (String, usize);

/// One item as it lies in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Item {
    /// Its lines without the break behind the last.
    lines: String,
}

/// A section as a list; `None` if it holds anything else.
struct List {
    order: Vec<Key>,
    items: BTreeMap<Key, Item>,
    is_loose: bool,
}

/// The text of a section that both sides have changed; `None` where it is more than a list.
pub(super) fn merge(heading: &str, base: &Document, a: &Document, b: &Document) -> Option<String> {
    let read = |document: &Document| List::read(heading, document);
    let (base, a, b) = (read(base)?, read(a)?, read(b)?);
    // An item that one side took out and the other changed stays: the change counts.
    let changed = |key: &&Key, side: &List, other: &List| {
        let (old, new) = (base.items.get(*key), side.items.get(*key));
        new.is_some() && old.is_some() && old != new && !other.items.contains_key(*key)
    };
    let kept: Vec<Key> =
        base.order.iter().filter(|key| !changed(key, &a, &b) && !changed(key, &b, &a)).cloned().collect();
    let order = union(&kept, &a.order, &b.order);
    let texts = order.iter().filter_map(|key| item(base.items.get(key), a.items.get(key), b.items.get(key)));
    let between = if a.is_loose || b.is_loose { "\n\n" } else { "\n" };
    Some(texts.collect::<Vec<_>>().join(between))
}

fn item(base: Option<&Item>, a: Option<&Item>, b: Option<&Item>) -> Option<String> {
    let (Some(a), Some(b)) = (a, b) else { return a.or(b).map(|item| item.lines.clone()) };
    if let Three::Is(item) = plain(base.unwrap_or(a), a, b, |a, b| a == b)
        && (base.is_some() || a == b)
    {
        return Some(item.lines);
    }
    Some(marks(base, a, b).unwrap_or_else(|| a.lines.clone()))
}

/// Boxes line by line: whoever changed one counts; one that both made is ticked if either ticked it.
fn marks(base: Option<&Item>, a: &Item, b: &Item) -> Option<String> {
    if unmarked(&a.lines) != unmarked(&b.lines) {
        return None;
    }
    let base = base.filter(|base| unmarked(&base.lines) == unmarked(&a.lines));
    let mut old = base.map(|base| base.lines.lines());
    let mut lines = Vec::new();
    for (a, b) in a.lines.lines().zip(b.lines.lines()) {
        let old = old.as_mut().and_then(Iterator::next);
        lines.push(match old {
            Some(old) if is_ticked(old) == is_ticked(a) => b,
            Some(_) => a,
            None if is_ticked(a) => a,
            None => b,
        });
    }
    Some(lines.join("\n"))
}

/// Where the mark of a box stands in a line.
fn mark(line: &str) -> Option<usize> {
    let text = line.trim_start();
    let behind = text.strip_prefix(['-', '*', '+']).or_else(|| {
        let digits = text.trim_start_matches(|c: char| c.is_ascii_digit());
        (digits.len() < text.len()).then(|| digits.strip_prefix(['.', ')'])).flatten()
    })?;
    let open = behind.trim_start().strip_prefix('[')?;
    let is_box = open.starts_with([' ', 'x', 'X']) && open[1..].starts_with(']');
    is_box.then(|| line.len() - open.len())
}

fn is_ticked(line: &str) -> bool {
    mark(line).is_some_and(|at| !line[at..].starts_with(' '))
}

/// Every box open.
fn unmarked(lines: &str) -> String {
    let open = |line: &str| match mark(line) {
        Some(at) => format!("{} {}", &line[..at], &line[at + 1..]),
        None => line.trim_end().to_owned(),
    };
    lines.lines().map(open).collect::<Vec<_>>().join("\n")
}

impl List {
    fn read(heading: &str, document: &Document) -> Option<Self> {
        let mut list = Self { order: Vec::new(), items: BTreeMap::new(), is_loose: false };
        let Some(section) = document.body().section(heading) else { return Some(list) };
        let text = document.text();
        let bullets = document.body().bullets(heading);
        let content = text[section.span.clone()].trim();
        if bullets.is_empty() {
            let is_placeholder = content.starts_with('_') && content.ends_with('_') && !content.contains('\n');
            return (content.is_empty() || is_placeholder).then_some(list);
        }
        let mut at = section.span.start;
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        for bullet in &bullets {
            let gap = &text[at..bullet.span.start];
            if !gap.trim().is_empty() {
                return None;
            }
            list.is_loose |= !list.order.is_empty() && gap.matches('\n').count() > 1;
            let start = text[..bullet.span.start].rfind('\n').map_or(0, |at| at + 1);
            let lines = text[start..bullet.span.end].replace("\r\n", "\n");
            let word = known_by(heading, &bullet.text, &lines);
            let count = seen.entry(word.clone()).or_insert(0);
            let key = (word, *count);
            *count += 1;
            list.order.push(key.clone());
            list.items.insert(key, Item { lines });
            at = bullet.span.end;
        }
        text[at..section.span.end].trim().is_empty().then_some(list)
    }
}

fn known_by(heading: &str, text: &str, lines: &str) -> String {
    match heading {
        "Dependencies" => DependencyBullet::parse(text).id.to_owned(),
        "Active Tasks" => ActiveTask::parse(text).map_or_else(String::new, |active| active.task),
        "Progress" => unmarked(lines).trim_start().to_owned(),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(items: &[&str]) -> Document {
        Document::parse(format!("# T\n\n## Progress\n\n{}\n\n## Notes\n", items.join("\n")).into_bytes())
    }

    #[test]
    fn boxes_are_united() {
        let base = document(&["- [ ] a", "- [ ] b", "- [x] c"]);
        for (a, b, merged) in [
            (vec!["- [x] a", "- [ ] b", "- [x] c"], vec!["- [ ] a", "- [x] b", "- [ ] c"], "- [x] a\n- [x] b\n- [ ] c"),
            (
                vec!["- [ ] a", "- [ ] b", "- [x] c", "- [ ] d"],
                vec!["- [x] a", "- [ ] b", "- [x] c", "- [x] e"],
                "- [x] a\n- [ ] b\n- [x] c\n- [ ] d\n- [x] e",
            ),
            (vec!["- [ ] b", "- [x] c"], vec!["- [x] a", "- [ ] b", "- [x] c"], "- [x] a\n- [ ] b\n- [x] c"),
            (vec!["- [ ] b", "- [x] c"], vec!["- [ ] a", "- [x] b", "- [x] c"], "- [x] b\n- [x] c"),
            (
                vec!["- [ ] a", "- [ ] b", "- [x] c", "- [ ] d"],
                vec!["- [ ] a", "- [ ] b", "- [x] c", "- [x] d"],
                "- [ ] a\n- [ ] b\n- [x] c\n- [x] d",
            ),
        ] {
            assert_eq!(merge("Progress", &base, &document(&a), &document(&b)).as_deref(), Some(merged));
        }
    }

    #[test]
    fn a_section_that_is_more_than_a_list_is_left_alone() {
        let (plain, prose) = (document(&["- [ ] a"]), document(&["- [ ] a", "", "words"]));
        assert_eq!(merge("Progress", &plain, &prose, &document(&["- [ ] b"])), None);
        assert_eq!(
            merge("Progress", &document(&[]), &plain, &document(&["- [ ] b"])).as_deref(),
            Some("- [ ] a\n- [ ] b")
        );
    }
}
