//! Whether a document that can be read can also be edited: tried on the keys that operations change. Pure.

use super::edit::{remove_key, set_key};
use crate::core::diagnostic::{Code, Diagnostic};
use crate::core::document::{Document, Value};
use crate::core::name::Kind;

/// The keys that operations set, by kind, in the order in which they are tried.
const fn changing_keys(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Agent => &["status", "last_updated"],
        Kind::Task => &["status", "claimed_by", "fence", "lease", "attempt", "progress", "approved"],
        Kind::Workflow => &["status", "progress"],
    }
}

/// A value that no document states.
const PROBE: &str = "x-can-this-be-edited";

/// Returns why a readable document cannot be edited, with the line of the key at which it fails.
pub(super) fn edit_fault(kind: Kind, document: &Document) -> Option<Diagnostic> {
    if document.has_plain_layout() {
        return None;
    }
    let mut edited = document.clone();
    let fails = changing_keys(kind).iter().find_map(|key| match set_key(&edited, key, &Value::text(PROBE)) {
        Ok(next) => {
            edited = next;
            None
        }
        Err(refusal) => Some((*key, refusal)),
    });
    let fails = fails.or_else(|| Some(("claimed_by", remove_key(&edited, "claimed_by").err()?)));
    let (key, refusal) = fails?;
    let at = document.field(key).or_else(|| document.fields().first()).map_or(0, |field| field.key_span.start);
    let message = format!("it can be read, but not edited: {refusal}");
    let hint = "write the frontmatter as one `key: value` to a line";
    Some(Diagnostic::error(Code::NotEditable, message).at(document.place(at)).hint(hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(yaml: &str) -> Option<String> {
        let document = Document::parse(format!("---\n{yaml}---\n\n# T\n").into_bytes());
        assert_eq!(document.faults(), [], "{yaml}");
        edit_fault(Kind::Task, &document).map(|finding| finding.to_string())
    }

    #[test]
    fn most_ways_to_write_a_frontmatter_can_be_edited() {
        for yaml in [
            "id: task-1\nstatus: pending\n",
            "{id: task-1, status: pending}\n",
            "{ id: task-1, status: pending, } # c\n",
            "{\n  \"id\": \"task-1\",\n  \"status\": \"pending\"\n}\n",
            "{\n  \"id\": \"task-1\", # c\n  \"status\": \"pending\", # d\n}\n",
            "{\"id\":\"task-1\",\"status\":\"pending\"}\n",
            "\u{feff}id: task-1\nstatus: pending\n",
            "id: task-1\nstatus: pending\ntitle: a\u{2028}b\u{85}c\n",
            "id: task-1\nstatus: pending\ntitle: \"a\\Lb\"\n",
            "id: task-1\nstatus: >-\n  pending\n",
            "\"id\": task-1\n'status': pending\n",
            "id: task-1\nstatus: pending\nx: {\n  a: 1\n  }\n",
        ] {
            assert_eq!(fault(yaml), None, "{yaml}");
        }
    }

    #[test]
    fn unusual_frontmatters_take_a_key_and_give_it_back() {
        for (yaml, after) in [
            ("{id: task-1, status: pending} # c\n", "{id: task-1, status: pending, claimed_by: a} # c\n"),
            ("{ id: task-1, status: pending, }\n", "{ id: task-1, status: pending, claimed_by: a, }\n"),
            (
                "{\n  \"id\": \"task-1\",\n  \"status\": \"pending\" # d\n}\n",
                "{\n  \"id\": \"task-1\",\n  \"status\": \"pending\",\n  \"claimed_by\": \"a\" # d\n}\n",
            ),
            (
                "{\r\n\t\"id\": \"task-1\",\r\n\t\"status\": \"pending\"\r\n}\r\n",
                "{\r\n\t\"id\": \"task-1\",\r\n\t\"status\": \"pending\",\r\n\t\"claimed_by\": \"a\"\r\n}\r\n",
            ),
            (
                "{\"id\":\"task-1\",\"status\":\"pending\"}\n",
                "{\"id\":\"task-1\",\"status\":\"pending\", \"claimed_by\": \"a\"}\n",
            ),
            ("\u{feff}id: task-1\nstatus: pending\n", "\u{feff}id: task-1\nstatus: pending\nclaimed_by: a\n"),
            (
                "\u{feff}status: pending\nid: task-1\ntitle: a\u{2028}b\u{85}c\u{2029}\n",
                "\u{feff}status: pending\nid: task-1\nclaimed_by: a\ntitle: a\u{2028}b\u{85}c\u{2029}\n",
            ),
        ] {
            let eol = if yaml.contains('\r') { "\r\n" } else { "\n" };
            let file = |yaml: &str| format!("---{eol}{yaml}---{eol}{eol}# T{eol}");
            let document = Document::parse(file(yaml).into_bytes());
            let taken = set_key(&document, "claimed_by", &Value::text("a")).expect(yaml);
            assert_eq!(taken.text(), file(after));
            assert_eq!(remove_key(&taken, "claimed_by").expect(yaml), document, "{yaml}");
        }
        let first = Document::parse("---\n\u{feff}x: 1\nid: task-1\n---\n".as_bytes());
        assert_eq!(remove_key(&first, "x").expect("allowed").text(), "---\n\u{feff}id: task-1\n---\n");
    }

    #[test]
    fn what_cannot_be_edited_says_where() {
        let text = fault("? id\n: task-1\n? status\n: pending\n").expect("a finding");
        assert!(text.starts_with("4:3: error[MYC108]: it can be read, but not edited: "), "{text}");
    }
}
