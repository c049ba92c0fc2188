//! Blocks that nothing closes: no section is hidden by one, every edit works, and no line is lost.

use mycelium::document::Document;
use proptest::prelude::*;
use proptest::sample::select;

const FRONT: &str = "---\nid: task-1\nstatus: running\ntype: x\n---\n\n# T\n\n";

fn parse(text: &str) -> Document {
    Document::parse(text.as_bytes())
}

/// Openings, and the finding's words about each.
const OPENINGS: [(&str, &str); 14] = [
    ("```", "code block that opens here with ```"),
    ("```json", "code block that opens here with ```"),
    ("   ```sh", "code block that opens here with ```"),
    ("`````", "code block that opens here with `````"),
    ("~~~", "code block that opens here with ~~~"),
    ("~~~~ text", "code block that opens here with ~~~~"),
    ("<!-- to do", "comment that opens here with <!--"),
    ("<!--", "comment that opens here with <!--"),
    ("<pre>", "block of HTML that opens here with <pre"),
    ("<script type=\"x\">", "block of HTML that opens here with <script"),
    ("<STYLE>", "block of HTML that opens here with <style"),
    ("<textarea>", "block of HTML that opens here with <textarea"),
    ("<![CDATA[", "block of HTML that opens here with <![CDATA["),
    ("<?php", "block of HTML that opens here with <?"),
];

#[test]
fn no_section_is_hidden_and_the_finding_names_the_line() {
    for (opening, words) in OPENINGS {
        for end in ["\n", "\r\n"] {
            let text = format!("{FRONT}## Log\n\n{opening}\nout\n\n## Result\n\nold\n\n## Notes\n\n- kept\n")
                .replace('\n', end);
            let document = parse(&text);
            let headings: Vec<&str> =
                document.body().sections().iter().map(|section| section.heading.as_str()).collect();
            assert_eq!(headings, ["Log", "Result", "Notes"], "{opening}");
            assert_eq!(document.body().section_text("Result"), Some("old"), "{opening}");
            let [block] = document.body().open_blocks() else {
                panic!("{opening}: {:?}", document.body().open_blocks())
            };
            let finding = block.finding();
            assert_eq!((block.place.line, finding.code.as_str()), (11, "MYC109"), "{opening}");
            assert_eq!(finding.message, format!("the {words} is never closed"));
        }
    }
}

#[test]
fn what_is_closed_or_needs_no_closing_is_no_finding() {
    for body in [
        "```\nx\n```\n\n## A\n",
        "~~~~\n~~~\n~~~~~\n",
        "<!-- x -->\n\n## A\n",
        "<!--\n\n## no section\n\n-->\n",
        "<pre>\nx\n</pre>\n",
        "<div>\n\n## A\n",
        "a `code that is not closed\n\n## A\n",
        "text <!-- not closed\n\n## A\n",
        "    ```\n\n## A\n",
    ] {
        assert_eq!(parse(&format!("{FRONT}{body}")).body().open_blocks(), [], "{body:?}");
    }
    // In a list or a quote a block ends with it: it hides nothing, and is most likely not meant so.
    for body in ["- a\n  ```\n  x\n\n## A\n\n- b\n", "> ~~~\n> x\n\n## A\n\n- b\n", "1. <!-- x\n\n## A\n\n- b\n"] {
        let document = parse(&format!("{FRONT}{body}"));
        assert_eq!((document.body().open_blocks().len(), document.body().bullets("A").len()), (1, 1), "{body:?}");
        let edited = document.edit().append_note("n").expect("a note");
        assert_eq!(edited.text(), format!("{FRONT}{body}\n## Notes\n\n- n\n"), "nothing else is touched");
    }
}

#[test]
fn edits_close_what_is_open_where_it_ends() {
    let json = serde_json::json!({"ok": true});
    let pretty = "{\n  \"ok\": true\n}";
    for (body, expected) in [
        ("Log:\n\n```\nout\n", format!("Log:\n\n```\nout\n```\n\n## Result\n\n```json\n{pretty}\n```\n")),
        ("Log:\n\n~~~~\nout", format!("Log:\n\n~~~~\nout\n~~~~\n\n## Result\n\n```json\n{pretty}\n```")),
        (
            "## Result\n\n```json\n{\"a\": 1}\n\n## Notes\n\n- n\n",
            format!("## Result\n\n```json\n{pretty}\n```\n\n## Notes\n\n- n\n"),
        ),
        (
            "## Result\n\n<!-- later\n\n## Notes\n\n- n\n",
            format!("## Result\n\n<!-- later\n-->\n\n```json\n{pretty}\n```\n\n## Notes\n\n- n\n"),
        ),
        ("## Result\n\n<!-- later -->\n", format!("## Result\n\n<!-- later -->\n\n```json\n{pretty}\n```\n")),
        // What is written below would close the block above it in the wrong place.
        (
            "## Log\n\n```\nout\n\n## Result\n\n_none_\n\n## Notes\n\n- n\n",
            format!("## Log\n\n```\nout\n```\n\n## Result\n\n```json\n{pretty}\n```\n\n## Notes\n\n- n\n"),
        ),
        // A comment of a script is no heading; one between blank lines is.
        ("## Result\n\n```sh\n# a comment\nx\n", "none".to_owned()),
    ] {
        let document = parse(&format!("{FRONT}{body}"));
        match document.edit().set_section_json("Result", &json) {
            Ok(edited) => {
                assert_eq!(edited.text(), format!("{FRONT}{expected}"), "{body:?}");
                assert_eq!(edited.body().section_json("Result"), Some(Ok(json.clone())), "{body:?}");
                assert_eq!(edited.edit().set_section_json("Result", &json).expect("again").text(), edited.text());
            }
            Err(error) => assert_eq!(expected, "none", "{body:?}: {error}"),
        }
    }
}

#[test]
fn an_edit_that_changes_nothing_closes_nothing() {
    let document = parse(&format!("{FRONT}## Result\n\n```json\n{{\"a\": 1}}\n\n## Notes\n\n- n\n"));
    let same = document.edit().set_section_json("Result", &serde_json::json!({"a": 1})).expect("the same");
    assert_eq!(same.text(), document.text());
    let ticked =
        parse(&format!("{FRONT}- [ ] s\n\n```\nout\n")).edit().tick(1, mycelium::document::Mark::Done).expect("a tick");
    assert_eq!(ticked.text(), format!("{FRONT}- [x] s\n\n```\nout\n"), "a tick changes one byte");
}

#[test]
fn a_heading_below_html_begins_a_section() {
    let text = format!("{FRONT}## Result\n\nold\n</details>\n## Notes\n\n- kept\n<br>\n# Second\n");
    let edited = parse(&text).edit().set_section_text("Result", "new").expect("an edit");
    assert_eq!(edited.text(), format!("{FRONT}## Result\n\nnew\n## Notes\n\n- kept\n<br>\n# Second\n"));
    assert_eq!(edited.body().notes().len(), 1);
    assert_eq!(parse(&text).body().open_blocks(), []);
}

#[test]
fn an_edit_beside_very_many_open_blocks_is_refused() {
    let body = (0..20_000).map(|n| format!("```{n}\n## S{n}\nx\n")).collect::<Vec<_>>().concat();
    let document = parse(&format!("{FRONT}{body}## Notes\n\n- kept\n"));
    assert!(document.body().open_blocks().len() > 60);
    let finding = document.body().open_blocks()[0].finding();
    let refused = document.edit().append_note("n").expect_err("too many to be sure");
    assert_eq!(refused.diagnostic().place, finding.place, "the error names the first line");
}

/// A line of a body.
fn line() -> impl Strategy<Value = String> {
    let fixed = select(vec![
        "",
        "",
        "",
        "text",
        "- item",
        "  more",
        "- [ ] step",
        "1. one",
        "> quote",
        "> ```",
        "- ```",
        "  ```",
        "```",
        "```json",
        "````",
        "~~~",
        "~~~~",
        "<!--",
        "<!-- c",
        "-->",
        "c -->",
        "<pre>",
        "</pre>",
        "<script>",
        "</script>",
        "<![CDATA[",
        "]]>",
        "<?",
        "?>",
        "<div>",
        "# H1",
        "# a comment",
        "## Result",
        "## Notes",
        "## Error",
        "## Log",
        "## Progress",
        "### deep",
        "    code",
        "{\"a\": 1}",
        "`x",
        "[a]: <b",
        "| a |",
        "| - |",
        "***",
        "_placeholder_",
        "\\",
        "&lt;",
        "==",
    ]);
    fixed.prop_map(str::to_owned)
}

/// The lines of a text, with how often each is there. Empty ones do not count.
fn lines(text: &str) -> std::collections::BTreeMap<&str, usize> {
    let mut all = std::collections::BTreeMap::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        *all.entry(line).or_default() += 1;
    }
    all
}

/// Lines of `before` that are missing in `after`, but for those of a section.
fn lost<'a>(before: &'a Document, after: &str, heading: Option<&str>) -> Vec<&'a str> {
    let own = heading.and_then(|heading| before.body().section_text(heading)).unwrap_or_default();
    let (have, own) = (lines(after), lines(own));
    let is_missing = |(line, count): (&'a str, usize)| {
        let kept = have.get(line).copied().unwrap_or(0) + own.get(line).copied().unwrap_or(0);
        (kept < count).then_some(line)
    };
    lines(before.text()).into_iter().filter_map(is_missing).collect()
}

/// The first heading of level 2 behind the first block that nothing closes: it begins a section, whatever stands above.
fn heading_behind_open_block(document: &Document) -> Option<&str> {
    let opens = |line: &str| line.trim_start_matches(' ').starts_with(['`', '~', '<']);
    let line = |number: usize| document.text().lines().nth(number).unwrap_or_default();
    let first = document.body().open_blocks().iter().find(|block| opens(line(block.place.line - 1)))?;
    document.text().lines().skip(first.place.line).find(|line| line.starts_with("## ")).map(str::trim)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 400 } else { 4_000 }))]

    #[test]
    fn no_edit_of_any_body_loses_a_line(body in prop::collection::vec(line(), 0..24), end in select(vec!["\n", "\r\n", ""])) {
        let text = format!("{FRONT}{}{end}", body.join("\n"));
        let document = parse(&text);
        let headings = |document: &Document| document.body().sections().iter().map(|one| one.heading.clone()).collect::<Vec<_>>();
        let json = serde_json::json!({"new": [1]});
        let edits = [
            ("Result", true, document.edit().set_section_json("Result", &json)),
            ("Result", true, document.edit().set_section_text("Result", "new")),
            ("Error", true, document.edit().set_section_text("Error", "new\n\n- text")),
            ("Notes", false, document.edit().append_note("new\n\n```\ncode\n```")),
            ("Notes", false, document.edit().append_note("new")),
        ];
        for (number, (heading, replaces, edited)) in edits.into_iter().enumerate() {
            let edited = match edited {
                Ok(edited) => edited,
                // Text stands where JSON should, as without any open block.
                Err(mycelium::document::EditError::BadJson(_)) => continue,
                Err(error) => {
                    // One open block does not stand in the way of a note. Several may, and so may fences in lists and quotes:
                    // then the edit is refused, and nothing is lost.
                    let is_flat = !text.lines().any(|line| line.trim_start().starts_with(['>', '-']) && line.contains('`'));
                    prop_assert!(number != 4 || document.body().open_blocks().len() != 1 || !is_flat, "{error}: {text:?}");
                    continue;
                }
            };
            // A first note takes the place of a placeholder that stands alone.
            let is_empty = document.body().section_text(heading).is_some_and(|text| text.trim() == "_placeholder_");
            let missing = lost(&document, edited.text(), (replaces || is_empty).then_some(heading));
            prop_assert!(missing.is_empty(), "edit {number} lost {missing:?}:\n{text}\n=>\n{}", edited.text());
            let again = parse(edited.text());
            let behind = heading_behind_open_block(&document);
            prop_assert!(behind.iter().all(|line| lines(edited.text()).contains_key(line)), "{behind:?} in {text:?}");
            let mut old = headings(&document);
            old.retain(|name| !headings(&again).contains(name));
            prop_assert!(old.is_empty(), "edit {number} hid {old:?}:\n{text}\n=>\n{}", edited.text());
            match number {
                0 => prop_assert_eq!(again.body().section_json("Result"), Some(Ok(json.clone()))),
                1 => prop_assert_eq!(again.body().section_text("Result"), Some("new")),
                2 => prop_assert!(again.body().section_text("Error").is_some_and(|text| text.starts_with("new"))),
                _ => prop_assert!(again.body().notes().iter().any(|note| note.text.starts_with("new"))),
            }
        }
    }

    #[test]
    fn no_edit_of_a_body_with_an_open_block_is_refused(opening in select(OPENINGS.to_vec()), at in 0..5_usize, json in any::<bool>()) {
        let mut sections = ["Log:\n\n- [ ] a\n", "## Log\n\nlines\n", "## Result\n\n_none_\n", "## Error\n\n_none_\n", "## Notes\n\n- kept\n"];
        let opened = format!("{}\n{}\ninside\n\n", sections[at], opening.0);
        sections[at] = &opened;
        let text = format!("{FRONT}{}", sections.join("\n"));
        let document = parse(&text);
        let edited = if json {
            document.edit().append_note("new").and_then(|one| one.edit().set_section_text("Error", "why")).and_then(|one| one.edit().set_label("x", "y"))
        } else {
            document.edit().append_note("new").and_then(|one| one.edit().set_section_text("Result", "out")).and_then(|one| one.edit().add_bullet("Log", "new"))
        };
        let edited = edited.unwrap_or_else(|error| panic!("{error}: {text}"));
        let placeholder = if at == 2 || at == 3 { vec!["_none_", opening.0.trim(), "inside"] } else { vec!["_none_"] };
        let mut missing = lost(&document, edited.text(), None);
        missing.retain(|line| !placeholder.contains(line));
        prop_assert!(missing.is_empty(), "lost {missing:?}: {}", edited.text());
        prop_assert!(parse(edited.text()).body().notes().len() == 2);
    }
}
