//! The JSON envelope around every answer, as docs/cli.md describes it. Shapes values; prints nothing.

use serde::Serialize;
use serde_json::{Value, json};

use super::command_hints::complete_hint;
use crate::core::diagnostic::Diagnostic;
use crate::core::name::{DocPath, Revision};
use crate::services::Waiting;

/// The version of the envelope; it rises when a field changes its meaning.
pub const SCHEMA: u64 = 1;
/// Largest list answered when no limit was asked for, in bytes of JSON.
pub const ANSWER_BYTES_MAX: usize = 8 * 1024;
/// Items in a list when no limit was asked for.
pub const ITEMS_DEFAULT: usize = 20;
/// What the envelope itself may take of [`ANSWER_BYTES_MAX`].
const ENVELOPE_BYTES: usize = 1024;

/// Where the answer was read or written.
#[derive(Debug, Clone, Default)]
pub struct AnswerHead {
    /// The worktree or plain directory.
    pub root: String,
    /// The folder below it.
    pub folder: String,
    /// The branch, if on one.
    pub branch: Option<String>,
    /// The commit that is checked out, if any.
    pub revision: Option<String>,
}

/// What became of a write.
#[derive(Debug, Clone, Default)]
pub struct WriteState {
    /// The commit that holds it.
    pub committed: Option<String>,
    /// Why there is none yet.
    pub waiting: Option<String>,
}

impl WriteState {
    /// Describes a write by its commit, or by why there is none yet.
    #[must_use]
    pub fn new(committed: Option<&Revision>, waiting: Option<&Waiting>) -> Self {
        Self { committed: committed.map(ToString::to_string), waiting: waiting.map(ToString::to_string) }
    }
}

/// Puts an answer's data into the envelope.
#[must_use]
pub fn envelope(
    kind: &str,
    head: &AnswerHead,
    data: &Value,
    findings: &[Diagnostic],
    written: Option<&WriteState>,
) -> Value {
    let mut out = json!({
        "schema": SCHEMA,
        "kind": kind,
        "root": head.root,
        "folder": head.folder,
        "branch": head.branch,
        "revision": head.revision,
        "data": data,
        "findings": findings.iter().map(|one| finding_data(&head.folder, one)).collect::<Vec<_>>(),
    });
    if let Some(written) = written {
        out["committed"] = json!(written.committed);
        out["waiting"] = json!(written.waiting);
    }
    out
}

/// A finding as an object; its path is one below the worktree, as every path is.
#[must_use]
pub fn finding_data(folder: &str, finding: &Diagnostic) -> Value {
    json!({
        "severity": finding.severity.to_string(),
        "code": finding.code.as_str(),
        "message": finding.message,
        "path": finding.path.as_ref().map(|path| below(folder, path)),
        "line": finding.place.map(|place| place.line),
        "column": finding.place.map(|place| place.column),
        "hint": complete_hint(finding.hint.as_deref()),
    })
}

/// A path below a folder; without a folder as it is.
fn below(folder: &str, path: &DocPath) -> String {
    if folder.is_empty() { path.to_string() } else { format!("{folder}/{path}") }
}

/// One item of a list with the key that it is sorted by; keys are unique and sort as text.
#[derive(Debug, Clone)]
pub struct ListItem<T> {
    /// Its place in the order; also the cursor that stands after it.
    pub key: String,
    /// The item.
    pub value: T,
}

/// How much of a list is asked for.
#[derive(Debug, Clone, Default)]
pub struct ListRequest {
    /// At most this many; `None` for the default, which also bounds the bytes.
    pub limit: Option<usize>,
    /// Only what stands after this cursor.
    pub after: Option<String>,
}

/// A part of a list.
#[derive(Debug)]
pub struct ListPage<T> {
    /// The items, in order.
    pub items: Vec<T>,
    /// How many there are before the limit and the cursor.
    pub total: usize,
    /// The limit in force.
    pub limit: usize,
    /// The cursor behind the last item, if more follow.
    pub next: Option<String>,
}

impl<T> ListPage<T> {
    /// Sorts by key and makes the part that is wanted. `size` gives an item's bytes in the answer.
    pub fn cut<S>(
        mut all: Vec<ListItem<S>>,
        wanted: &ListRequest,
        make: impl Fn(S) -> T,
        size: impl Fn(&T) -> usize,
    ) -> Self {
        all.sort_by(|a, b| a.key.cmp(&b.key));
        let total = all.len();
        let limit = wanted.limit.unwrap_or(ITEMS_DEFAULT);
        let from = wanted.after.as_ref().map_or(0, |after| all.partition_point(|item| item.key <= *after));
        let mut left = if wanted.limit.is_none() { ANSWER_BYTES_MAX - ENVELOPE_BYTES } else { usize::MAX };
        let mut page = Self { items: Vec::new(), total, limit, next: None };
        let mut last = None;
        for ListItem { key, value } in all.into_iter().skip(from) {
            if page.items.len() >= limit {
                page.next = last;
                return page;
            }
            let value = make(value);
            let bytes = size(&value) + 1;
            // One item always fits, else a list with a huge first item could never be walked.
            if bytes > left && !page.items.is_empty() {
                page.next = last;
                return page;
            }
            left = left.saturating_sub(bytes);
            last = Some(key);
            page.items.push(value);
        }
        page
    }
}

impl<T: Serialize> ListPage<T> {
    /// The list as the envelope's `data`.
    #[must_use]
    pub fn json(self) -> Value {
        json!({ "items": self.items, "total": self.total, "limit": self.limit, "next": self.next })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(count: usize, limit: Option<usize>, after: Option<&str>, bytes: usize) -> (Vec<usize>, Option<String>) {
        let all = (0..count).rev().map(|n| ListItem { key: format!("{n:03}"), value: n }).collect();
        let page = ListPage::cut(all, &ListRequest { limit, after: after.map(ToOwned::to_owned) }, |n| n, |_| bytes);
        assert_eq!(page.total, count);
        (page.items, page.next)
    }

    #[test]
    fn a_list_is_bounded_and_can_be_walked() {
        assert_eq!(page(3, None, None, 1), (vec![0, 1, 2], None));
        assert_eq!(page(30, None, None, 1).0.len(), ITEMS_DEFAULT);
        assert_eq!(page(5, Some(2), None, 1), (vec![0, 1], Some("001".to_owned())));
        assert_eq!(page(5, Some(2), Some("001"), 1), (vec![2, 3], Some("003".to_owned())));
        assert_eq!(page(5, Some(2), Some("003"), 1), (vec![4], None));
        assert_eq!(page(5, Some(0), None, 1), (vec![], None));
    }

    #[test]
    fn the_default_answer_is_small_and_a_stated_limit_is_obeyed() {
        assert_eq!(page(9, None, None, 3_000).0.len(), 2);
        assert_eq!(page(9, None, None, 100_000), (vec![0], Some("000".to_owned())));
        assert_eq!(page(9, Some(9), None, 3_000).0.len(), 9);
    }

    #[test]
    fn only_writers_speak_of_commits() {
        let head = AnswerHead::default();
        assert!(envelope("task.get", &head, &json!({}), &[], None).get("committed").is_none());
        let written = WriteState { committed: None, waiting: Some("a merge is under way".to_owned()) };
        let value = envelope("task.update", &head, &json!({}), &[], Some(&written));
        assert_eq!(value["waiting"], "a merge is under way");
        assert_eq!(value["committed"], Value::Null);
    }
}
