//! What each edit writes, byte for byte.

use mycelium::document::{Document, EditError, Mark, Value};
use serde_json::json;

type Edit = fn(&Document) -> Result<Document, EditError>;

fn doc(text: &str) -> Document {
    Document::parse(text.as_bytes())
}

#[track_caller]
fn check(before: &str, edit: Edit, after: &str) {
    let edited = edit(&doc(before)).unwrap_or_else(|error| panic!("{error}: {before:?}"));
    assert_eq!(edited.text(), after);
}

const FULL: &str = "---\n# who\nid: 'task-1' # the id\nstatus: pending  # now\ndepends_on:   # waits\n  - a # one\n  # between\n  - b\n\nnote: |-  # text\n  one\n   two\n\n  three\n\nflow: [x, 'y'] # f\nmap:\n    k: v\n    deep: {m: 1, n: [2]}\nempty:\n\"quoted key\": \"q\"\nlast: multi\n  line\n# tail\n---\n# T\n";

#[test]
fn one_key_changes_and_its_style_stays() {
    let cases: [(Edit, &str, &str); 21] = [
        (|d| d.edit().set("status", &Value::text("running")), "pending  # now", "running  # now"),
        (|d| d.edit().set("id", &Value::text("task-2")), "'task-1' # the id", "'task-2' # the id"),
        (|d| d.edit().set("id", &Value::plain("5")), "'task-1' # the id", "5 # the id"),
        (|d| d.edit().set("quoted key", &Value::text("a\"b")), "\"q\"", "\"a\\\"b\""),
        (|d| d.edit().set("last", &Value::text("x")), "multi\n  line", "x"),
        (|d| d.edit().set("empty", &Value::text("no")), "empty:", "empty: \"no\""),
        (
            |d| d.edit().set("depends_on", &Value::List(vec![Value::text("c"), Value::text("d")])),
            "  - a # one\n  # between\n  - b\n",
            "  - c\n  - d\n",
        ),
        (
            |d| d.edit().set("depends_on", &Value::List(vec![])),
            "depends_on:   # waits\n  - a # one\n  # between\n  - b\n",
            "depends_on: []   # waits\n",
        ),
        (
            |d| d.edit().set("status", &Value::List(vec![Value::text("c")])),
            "status: pending  # now\n",
            "status:  # now\n  - c\n",
        ),
        (
            |d| d.edit().set("note", &Value::text("x")),
            "note: |-  # text\n  one\n   two\n\n  three\n",
            "note: x  # text\n",
        ),
        (
            |d| d.edit().set("note", &Value::text("x\n\n y\n")),
            "|-  # text\n  one\n   two\n\n  three\n",
            "|  # text\n  x\n\n   y\n",
        ),
        (
            |d| d.edit().set("note", &Value::List(vec![Value::text("c")])),
            "note: |-  # text\n  one\n   two\n\n  three\n",
            "note:  # text\n  - c\n",
        ),
        (|d| d.edit().set("flow", &Value::List(vec![Value::text("a,b")])), "[x, 'y']", "[\"a,b\"]"),
        (|d| d.edit().set("map.k", &Value::text("w")), "k: v", "k: w"),
        (|d| d.edit().set("map.deep.m", &Value::plain("2")), "m: 1", "m: 2"),
        (|d| d.edit().set("map.deep.o", &Value::text("p")), "n: [2]}", "n: [2], o: p}"),
        (|d| d.edit().set("map.new", &Value::text("p")), "n: [2]}\n", "n: [2]}\n    new: p\n"),
        (
            |d| d.edit().set("map", &Value::Map(vec![("z".to_owned(), Value::plain("1"))])),
            "    k: v\n    deep: {m: 1, n: [2]}\n",
            "    z: 1\n",
        ),
        (|d| d.edit().set("empty.a.b", &Value::plain("1")), "empty:\n", "empty:\n  a:\n    b: 1\n"),
        (|d| d.edit().set("fresh.a", &Value::plain("1")), "  line\n", "  line\nfresh:\n  a: 1\n"),
        (|d| d.edit().set("fresh", &Value::text("a\nb")), "  line\n", "  line\nfresh: \"a\\nb\"\n"),
    ];
    for (edit, old, new) in cases {
        assert_eq!(FULL.matches(old).count(), 1, "{old:?}");
        for eol in ["\n", "\r\n"] {
            let text = |text: &str| format!("\u{feff}{}", text.replace('\n', eol));
            // Line breaks inside double quotes are escapes and stay as they are.
            check(&text(FULL), edit, &text(&FULL.replace(old, new)));
        }
    }
}

#[test]
fn keys_and_items_are_removed_with_their_lines() {
    let cases: [(Edit, &str, &str); 14] = [
        (|d| d.edit().remove("status"), "status: pending  # now\n", ""),
        (|d| d.edit().remove("depends_on"), "depends_on:   # waits\n  - a # one\n  # between\n  - b\n", ""),
        (|d| d.edit().remove("note"), "note: |-  # text\n  one\n   two\n\n  three\n", ""),
        (|d| d.edit().remove("last"), "last: multi\n  line\n", ""),
        (|d| d.edit().remove("map.k"), "    k: v\n", ""),
        (|d| d.edit().remove("map.deep.m"), "{m: 1, n: [2]}", "{n: [2]}"),
        (|d| d.edit().remove("map.deep.n"), "{m: 1, n: [2]}", "{m: 1}"),
        (|d| d.edit().remove("nothing.there"), "last", "last"),
        (|d| d.edit().remove_list_item("depends_on", "a"), "  - a # one\n", ""),
        (|d| d.edit().remove_list_item("depends_on", "b"), "  - b\n", ""),
        (|d| d.edit().remove_list_item("flow", "x"), "[x, 'y']", "['y']"),
        (|d| d.edit().remove_list_item("flow", "y"), "[x, 'y']", "[x]"),
        (|d| d.edit().add_list_item("depends_on", &Value::text("c")), "  - b\n", "  - b\n  - c\n"),
        (|d| d.edit().add_list_item("flow", &Value::text("[z]")), "'y']", "'y', \"[z]\"]"),
    ];
    for (edit, old, new) in cases {
        assert_eq!(FULL.matches(old).count(), 1, "{old:?}");
        for eol in ["\n", "\r\n"] {
            check(&FULL.replace('\n', eol), edit, &FULL.replace(old, new).replace('\n', eol));
        }
    }
    check(
        "---\na: [x]\nb: {c: 1}\nd:\n  e: 1\n---\n",
        |d| d.edit().remove_list_item("a", "x")?.edit().remove("b.c")?.edit().remove("d.e"),
        "---\na: []\nb: {}\nd: {}\n---\n",
    );
    check("---\na: 1\n---\n", |d| d.edit().remove("a"), "---\n---\n");
    check("---\n---\n", |d| d.edit().set("a", &Value::plain("1")), "---\na: 1\n---\n");
    check(
        "---\na:\n- x\n-   y\nb: 1\n---\n",
        |d| d.edit().add_list_item("a", &Value::text("z")),
        "---\na:\n- x\n-   y\n- z\nb: 1\n---\n",
    );
    check(
        "---\na:\n- x\n---\n",
        |d| d.edit().add_list_item("b", &Value::text("z"))?.edit().add_list_item("c", &Value::text("1")),
        "---\na:\n- x\nb:\n  - z\nc:\n  - \"1\"\n---\n",
    );
    check(
        "---\na: [\n  x,\n  y,\n]\n---\n",
        |d| d.edit().add_list_item("a", &Value::text("z")),
        "---\na: [\n  x,\n  y, z,\n]\n---\n",
    );
    check(
        "---\na: [x, y, x, x, z, x]\nb:\n- x\n- y\n- x\n---\n",
        |d| d.edit().remove_list_item("a", "x")?.edit().remove_list_item("b", "x"),
        "---\na: [y, z]\nb:\n- y\n---\n",
    );
    check("---\na: []\n---\n", |d| d.edit().add_list_item("a", &Value::text("z")), "---\na: [z]\n---\n");
}

#[test]
fn a_new_key_goes_to_its_slot() {
    let lean = "---\nid: t\nstatus: pending\ntype: x\ncreated: 2025-10-17T00:00:00Z\n# waits for\n# run\n# review\n# approval\n# more\n---\n";
    let fill: Edit = |d| {
        let d = d.edit().set("zeta", &Value::text("z"))?.edit().set("workflow", &Value::text("wf"))?;
        let d = d.edit().set("approved", &Value::text("bob"))?.edit().set("review", &Value::text("required"))?;
        let d =
            d.edit().set("progress", &Value::plain("0.5"))?.edit().add_list_item("depends_on", &Value::text("u"))?;
        let d = d.edit().set("priority", &Value::text("high"))?.edit().set("assigned_to", &Value::text("ai"))?;
        d.edit()
            .set("lease", &Value::text("5m"))?
            .edit()
            .set("fence", &Value::plain("1"))?
            .edit()
            .set("claimed_by", &Value::text("ai"))
    };
    check(
        lean,
        fill,
        "---\nid: t\nstatus: pending\nclaimed_by: ai\nfence: 1\nlease: 5m\ntype: x\nassigned_to: ai\ncreated: 2025-10-17T00:00:00Z\npriority: high\n# waits for\ndepends_on:\n  - u\n# run\nprogress: 0.5\n# review\nreview: required\n# approval\napproved: bob\n# more\nzeta: z\nworkflow: wf\n---\n",
    );
    check(
        "---\nid: t\nx: 1\n# end\n---\n",
        |d| d.edit().set("progress", &Value::plain("1")),
        "---\nid: t\nx: 1\nprogress: 1\n# end\n---\n",
    );
}

#[test]
fn edits_that_cannot_be_proven_are_refused() {
    let cases: [(&str, Edit, &str); 14] = [
        ("no frontmatter", |d| d.edit().set("a", &Value::text("b")), "the document has no frontmatter"),
        (
            "---\na: 1\n",
            |d| d.edit().set("a", &Value::text("b")),
            "the document cannot be read: the frontmatter is not closed",
        ),
        ("---\na: 1\na: 2\n---\n", |d| d.edit().remove("a"), "the document cannot be read: the key `a` stands twice"),
        ("---\na: x\n---\n", |d| d.edit().set("a.b", &Value::text("b")), "`a` is not a map"),
        ("---\na: x\n---\n", |d| d.edit().add_list_item("a", &Value::text("b")), "`a` is not a list"),
        ("---\na: x\n---\n", |d| d.edit().set("", &Value::text("b")), "`` is not a key"),
        ("---\na: x\n---\n", |d| d.edit().set("b..c", &Value::text("b")), "`b..c` is not a key"),
        (
            "---\n? a\n: x\n---\n",
            |d| d.edit().set("a", &Value::text("b")),
            "`a` is written in a way that cannot be edited safely",
        ),
        (
            "---\n\ta: x\n---\n",
            |d| d.edit().set("a", &Value::text("b")),
            "editing `a` would change something else as well",
        ),
        ("# T\n", |d| d.edit().tick(1, Mark::Done), "there is no step 1; the document has 0"),
        ("# T\n", |d| d.edit().append_note(" \n"), "a note is empty"),
        ("# T\n", |d| d.edit().set_title("a\nb"), "a title is one line with at least one character"),
        (
            "## A\nx\n",
            |d| d.edit().set_section_text("A", "y\n\n## B\nz"),
            "editing `## A` would change something else as well",
        ),
        ("## A\n{]\n", |d| d.edit().set_section_json("A", &json!(1)), "`## A` is not JSON: key must be a string"),
    ];
    for (text, edit, message) in cases {
        let error = edit(&doc(text)).expect_err(text);
        assert_eq!(error.to_string(), message, "{text:?}");
        assert!(error.diagnostic().hint.is_some(), "{text:?}");
    }
}

const BODY: &str = "---\nid: t\n---\n\n# T\n\n**Status**: pending\n**Type**: x\n\n## Dependencies\n\n- u (x) - COMPLETED ✅\n* v\n\n## Payload\n\n{\n  \"a\": 1\n}\n\n## Progress\n\n- [x] one\n- [ ] two\n\n## Result\n\n_In progress..._\n\n## Notes\n";

#[test]
fn the_body_is_edited_in_its_place() {
    let cases: [(Edit, &str, &str); 16] = [
        (|d| d.edit().tick(2, Mark::Done), "[ ] two", "[x] two"),
        (|d| d.edit().tick(1, Mark::Flip), "[x] one", "[ ] one"),
        (|d| d.edit().tick(1, Mark::Done), "[x] one", "[x] one"),
        (|d| d.edit().set_label("status", "running"), "**Status**: pending", "**Status**: running"),
        (|d| d.edit().set_label("Missing", "x"), "# T", "# T"),
        (|d| d.edit().set_title("A # title #"), "# T\n", "# A # title # #\n"),
        (
            |d| d.edit().set_section_json("Payload", &json!({"b": [1]})),
            "{\n  \"a\": 1\n}",
            "{\n  \"b\": [\n    1\n  ]\n}",
        ),
        (|d| d.edit().set_section_json("Payload", &json!({"a": 1})), "\"a\": 1", "\"a\": 1"),
        (|d| d.edit().set_section_json("Result", &json!({"b": 1})), "_In progress..._", "{\n  \"b\": 1\n}"),
        (|d| d.edit().set_section_json("Result", &json!(0.5)), "_In progress..._", "```json\n0.5\n```"),
        (|d| d.edit().set_section_text("result", "done\nwell"), "_In progress..._", "done\nwell"),
        (|d| d.edit().set_section_text("Error", "bad"), "## Notes\n", "## Error\n\nbad\n\n## Notes\n"),
        (
            |d| d.edit().append_note("first\nmore")?.edit().append_note("second"),
            "## Notes\n",
            "## Notes\n\n- first\n  more\n- second\n",
        ),
        (|d| d.edit().add_bullet("Dependencies", "w"), "* v\n", "* v\n* w\n"),
        (|d| d.edit().set_bullet("Dependencies", 0, "u (x)"), "- u (x) - COMPLETED ✅\n", "- u (x)\n"),
        (|d| d.edit().remove_bullet("Dependencies", 1), "* v\n", ""),
    ];
    for (edit, old, new) in cases {
        assert!(BODY.contains(old), "{old:?}");
        for eol in ["\n", "\r\n"] {
            check(&BODY.replace('\n', eol), edit, &BODY.replacen(old, new, 1).replace('\n', eol));
        }
    }
}

#[test]
fn sections_are_added_where_they_belong() {
    let cases: [(&str, Edit, &str); 9] = [
        ("", |d| d.edit().append_note("n"), "## Notes\n\n- n\n"),
        ("# T", |d| d.edit().append_note("n"), "# T\n\n## Notes\n\n- n"),
        ("# T\r\n", |d| d.edit().append_note("n\nm"), "# T\r\n\r\n## Notes\r\n\r\n- n\r\n  m\r\n"),
        ("---\nid: t\n---", |d| d.edit().set_title("T"), "---\nid: t\n---\n\n# T"),
        ("---\nid: t\n---\ntext\n", |d| d.edit().set_title("T"), "---\nid: t\n---\n\n# T\n\ntext\n"),
        ("## Notes\n\n- [ ] x", |d| d.edit().append_note("n"), "## Notes\n\n- [ ] x\n- n"),
        ("## Notes\n\nprose\n", |d| d.edit().append_note("n"), "## Notes\n\nprose\n\n- n\n"),
        (
            "## Payload\n```json\n1\n```\n## Notes\n",
            |d| d.edit().set_section_json("Result", &json!([])),
            "## Payload\n```json\n1\n```\n\n## Result\n\n```json\n[]\n```\n\n## Notes\n",
        ),
        ("## Result", |d| d.edit().set_section_text("Result", "x"), "## Result\n\nx"),
    ];
    for (before, edit, after) in cases {
        check(before, edit, after);
    }
}

#[test]
fn a_fence_stays_a_fence() {
    check(
        "## Payload\n\nWhy:\n\n~~~json\n{\"a\": 1}\n~~~\n\nBecause.\n",
        |d| d.edit().set_section_json("Payload", &json!({"b": "```"})),
        "## Payload\n\nWhy:\n\n~~~json\n{\n  \"b\": \"```\"\n}\n~~~\n\nBecause.\n",
    );
}

#[test]
fn a_note_may_hold_anything() {
    let before = "# T\n\n## Progress\n\n- [ ] a\n\n## Notes\n\n- old\n\n## History\n\n- made\n";
    for note in [
        "```\ncode",
        "~~~ x\n\n## Result\n~~~",
        "<!-- open",
        "<div>\n\n<script>",
        "# heading",
        "## Notes\n- [x] a\n---\nid: no",
        "- [ ] no step",
        "[x] done",
        "1. one\n2. two",
        "> quote\nlazy",
        "[a]: http://x",
        "| a |\n|---|",
        "    indented\n        more",
        "title\n=====",
        "a\n\n\nb",
        "***",
        "*",
        "+",
        "_none_",
        "**Status**: x",
        "<<<<<<< HEAD\na\n=======\nb\n>>>>>>> x",
        "\u{202e}\u{7}",
    ] {
        let document = doc(before);
        let edited = document.edit().append_note(note).unwrap_or_else(|error| panic!("{error}: {note:?}"));
        let notes: Vec<_> = edited.body().notes().into_iter().map(|note| note.text).collect();
        assert_eq!(notes, ["old", note.trim()], "{}", edited.text());
        assert!(edited.text().ends_with("\n\n## History\n\n- made\n"), "{}", edited.text());
        let again = edited.edit().append_note("next").expect("appended");
        assert_eq!(again.body().notes().len(), 3, "{}", again.text());
        assert_eq!((again.body().steps().len(), again.body().sections().len()), (1, 3), "{}", again.text());
    }
    check("## Notes\n", |d| d.edit().append_note("---")?.edit().append_note("- -"), "## Notes\n\n- \\---\n- \\- -\n");
}
