//! What holds for every file and every edit.

use std::ops::Range;

use mycelium::document::{Document, EditError, Mark, Value};
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// Texts that have caught readers and writers of YAML and markdown.
const WORDS: [&str; 40] = [
    "x",
    "running",
    "007",
    "12",
    "-1.5",
    "true",
    "no",
    "null",
    "~",
    "2025-10-17T00:00:00Z",
    "é\u{1f600}",
    "a b",
    "http://x/y",
    "a: b",
    "a #b",
    "#c",
    "- d",
    "it's",
    "\"q\"",
    "",
    " lead",
    "trail ",
    "a\nb",
    "a\n\n  b\n",
    "\ta",
    "[",
    "{x",
    "&a",
    "*a",
    "!t",
    "|",
    ">",
    "%",
    "@",
    "`",
    "---",
    "a\r\nb",
    "\u{85}\u{2028}",
    "\u{0}\u{7}",
    "<<<<<<< HEAD",
];

/// Words that can stand unquoted in a flow list.
const BARE: [&str; 8] = ["x", "running", "007", "12", "2025-10-17T00:00:00Z", "é\u{1f600}", "true", "a-b.c"];

/// One entry of a frontmatter as it stands in the file, with `\n` as its line break.
fn entry(key: &str, form: usize, a: &str, b: &str, comment: bool) -> String {
    let note = if comment { " # note" } else { "" };
    match form {
        0 => format!("{key}: {a}{note}\n"),
        1 => format!("{key}: '{a}'{note}\n"),
        2 => format!("\"{key}\" : \"{a}\"{note}\n"),
        3 => format!("{key}:{note}\n"),
        4 => format!("{key}: [{a}, {b}]{note}\n"),
        5 => format!("{key}: []{note}\n"),
        6 => format!("{key}:{note}\n  - {a}\n  - '{b}'{note}\n"),
        7 => format!("{key}:{note}\n- {a}{note}\n\n# between\n-   {b}\n"),
        8 => format!("{key}: |{note}\n  {a}\n  # no comment\n\n   {b}\n"),
        9 => format!("{key}: >-{note}\n    {a}\n    {b}\n"),
        10 => format!("{key}:{note}\n  sub: {a}{note}\n  other:\n    - {b}\n"),
        11 => format!("{key}: {{sub: {a}, other: {b}}}{note}\n"),
        12 => format!("{key}: p{a}\n  {b}\n"),
        13 => format!("{key}: \"{a}\n  {b}\"{note}\n"),
        14 => format!("{key}: [\n  {a},\n  {b},\n  ]\n"),
        15 => format!("{key}:\n  - sub: {a}\n    other: {b}\n  - [{a}]\n"),
        _ => format!("{key}: {{}}{note}\n"),
    }
}

/// A generated file, in pieces: what stands before the entries, the entries with their keys, what stands behind.
#[derive(Debug, Clone)]
struct File {
    head: String,
    entries: Vec<(String, String)>,
    tail: String,
}

impl File {
    fn text(&self) -> String {
        let entries: String = self.entries.iter().map(|(_, text)| text.as_str()).collect();
        format!("{}{entries}{}", self.head, self.tail)
    }
}

/// What may stand behind the frontmatter.
const BODIES: [&str; 5] = ["", "\n# T\n\ntext", "# T\n\n## Notes\n\n- a\n", "\n---\nid: no\n---\n", "é"];

fn file() -> impl Strategy<Value = File> {
    let one = (0..17_usize, select(&BARE[..]), select(&BARE[..]), any::<bool>(), any::<bool>());
    let keys = ["id", "status", "type", "created", "depends_on", "assigned_to", "x", "metadata", "1", "zeta"];
    (prop::collection::vec(one, 0..8), any::<bool>(), any::<bool>(), select(&BODIES[..]), any::<bool>()).prop_map(
        move |(forms, crlf, bom, body, closed)| {
            let eol = |text: &str| if crlf { text.replace('\n', "\r\n") } else { text.to_owned() };
            let entries = forms.iter().zip(keys).map(|((form, a, b, comment, gap), key)| {
                let text = format!("{}{}", if *gap { "# above\n\n" } else { "" }, entry(key, *form, a, b, *comment));
                (key.to_owned(), eol(&text))
            });
            let entries = entries.collect();
            let head = format!("{}{}", if bom { "\u{feff}" } else { "" }, eol("---\n"));
            let closing = if closed || !body.is_empty() { "# end\n---\n" } else { "# end\n---" };
            File { head, entries, tail: eol(&format!("{closing}{body}")) }
        },
    )
}

fn word() -> impl Strategy<Value = String> {
    prop_oneof![3 => select(&WORDS[..]).prop_map(str::to_owned), 1 => "\\PC{0,12}", 1 => any::<String>()]
}

fn value() -> impl Strategy<Value = Value> {
    let text = || word().prop_map(Value::text);
    prop_oneof![
        4 => text(),
        1 => word().prop_map(Value::plain),
        1 => prop::collection::vec(text(), 0..3).prop_map(Value::List),
        1 => prop::collection::vec((select(&["k", "l: m", ""][..]), text()), 0..2)
            .prop_map(|entries| Value::Map(entries.into_iter().filter(|(k, _)| !k.is_empty()).map(|(k, v)| (k.to_owned(), v)).collect())),
    ]
}

/// All fields but one, as key and value.
fn others(document: &Document, key: &str) -> Vec<(String, Value)> {
    document.fields().iter().filter(|f| f.key != key).map(|f| (f.key.clone(), f.value.clone())).collect()
}

/// Checks that only the lines of one entry changed, or lines between two entries.
fn only_lines_of(file: &File, key: &str, after: &str) -> Result<(), TestCaseError> {
    if let Some(at) = file.entries.iter().position(|(name, _)| name == key) {
        let before: String = file.entries[..at].iter().map(|(_, text)| text.as_str()).collect();
        let behind: String = file.entries[at + 1..].iter().map(|(_, text)| text.as_str()).collect();
        let (head, tail) = (format!("{}{before}", file.head), format!("{behind}{}", file.tail));
        prop_assert!(after.len() >= head.len() + tail.len(), "{after:?}");
        prop_assert!(after.starts_with(&head) && after.ends_with(&tail), "{after:?}");
    } else {
        let text = file.text();
        let same = text.bytes().zip(after.bytes()).take_while(|(a, b)| a == b).count();
        prop_assert!(after.as_bytes().ends_with(&text.as_bytes()[same..]), "{after:?}");
    }
    Ok(())
}

/// A refusal that is right for this key.
fn is_rightly_refused(error: &EditError, old: Option<&Value>) -> bool {
    match error {
        EditError::NotAList(_) => old.is_some_and(|value| value.as_list().is_none() && !value.is_null()),
        EditError::NotAMap(_) => old.is_some_and(|value| value.as_map().is_none() && !value.is_null()),
        // A conflict marker in a text that is written over several lines would make the file unreadable.
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_come_out_as_they_went_in(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        ask_everything(&bytes)?;
    }

    #[test]
    fn any_pieces_of_syntax_come_out_as_they_went_in(pieces in prop::collection::vec(select(&PIECES[..]), 0..40)) {
        ask_everything(pieces.concat().as_bytes())?;
        ask_everything(format!("---\n{}\n---\n", pieces.concat()).as_bytes())?;
    }

    #[test]
    fn an_edit_of_any_text_is_right_or_refused(pieces in prop::collection::vec(select(&PIECES[..]), 0..25), word in word()) {
        let text = format!("---\na: 1\nb:\n  - c\n{}", pieces.concat());
        let document = Document::parse(text.into_bytes());
        let edits = [
            document.edit().set("a", &Value::text(&*word)), document.edit().set("b", &Value::text(&*word)), document.edit().remove("b"),
            document.edit().add_list_item("b", &Value::text(&*word)), document.edit().remove_list_item("b", "c"), document.edit().append_note(&word),
            document.edit().set_label("a", &word), document.edit().set_section_text("Notes", &word), document.edit().set_title(&word),
            document.edit().tick(1, Mark::Flip), document.edit().set_section_json("Result", &serde_json::json!({ "k": word })),
        ];
        for edited in edits.into_iter().flatten() {
            prop_assert!(edited.is_readable());
            prop_assert_eq!(others(&edited, "a").into_iter().filter(|(k, _)| k != "b").collect::<Vec<_>>(),
                others(&document, "a").into_iter().filter(|(k, _)| k != "b").collect::<Vec<_>>());
        }
    }

    #[test]
    fn setting_a_key_changes_its_lines_alone(file in file(), at in any::<Index>(), fresh in any::<bool>(), value in value()) {
        let document = Document::parse(file.text().into_bytes());
        prop_assert_eq!(document.faults(), &[], "{}", file.text());
        let key = if fresh || file.entries.is_empty() { "progress".to_owned() } else { at.get(&file.entries).0.clone() };
        let edited = document.edit().set(&key, &value).map_err(|error| TestCaseError::fail(format!("{error}: {:?}", file.text())))?;
        only_lines_of(&file, &key, edited.text())?;
        prop_assert_eq!(others(&edited, &key), others(&document, &key));
        let found = &edited.field(&key).expect("the key was set").value;
        prop_assert!(found.means(&value), "{found:?} {value:?}");
        prop_assert_eq!(found.to_json(), value.to_json());
        // Set again, nothing changes.
        let again = edited.edit().set(&key, &value).expect("as before");
        prop_assert_eq!(again.text(), edited.text());
        // What a person wrote unquoted (`007`) and we left alone, others may read as they like.
        if edited != document {
            agrees_with_gray_matter(&edited, &key, &value)?;
        }
    }

    #[test]
    fn nested_keys_and_list_items_change_their_lines_alone(file in file(), at in any::<Index>(), word in word(), edit in 0..5_usize) {
        let document = Document::parse(file.text().into_bytes());
        let key = if file.entries.is_empty() { "fresh".to_owned() } else { at.get(&file.entries).0.clone() };
        let old = document.field(&key).map(|field| field.value.clone());
        let item = Value::text(&*word);
        let result = match edit {
            0 => document.edit().set(&format!("{key}.sub"), &item),
            1 => document.edit().set(&format!("{key}.fresh"), &item),
            2 => document.edit().remove(&format!("{key}.sub")),
            3 => document.edit().add_list_item(&key, &item),
            _ => document.edit().remove_list_item(&key, "x").and_then(|edited| edited.edit().remove("no such key")),
        };
        match result {
            Ok(edited) => {
                only_lines_of(&file, &key, edited.text())?;
                prop_assert_eq!(others(&edited, &key), others(&document, &key));
                let new = edited.field(&key).map(|field| field.value.to_json());
                match edit {
                    0 => prop_assert_eq!(&new.expect("there")["sub"], &serde_json::json!(word)),
                    1 => prop_assert_eq!(&new.expect("there")["fresh"], &serde_json::json!(word)),
                    2 => prop_assert!(new.is_none_or(|new| new.get("sub").is_none())),
                    3 => prop_assert!(new.expect("there").as_array().is_some_and(|list| list.contains(&serde_json::json!(word)))),
                    _ => prop_assert!(new.is_none_or(|new| !new.as_array().is_some_and(|list| list.contains(&serde_json::json!("x"))))),
                }
            }
            Err(error) => prop_assert!(is_rightly_refused(&error, old.as_ref()), "{error}: {:?}", file.text()),
        }
    }

    #[test]
    fn removing_a_key_removes_its_lines_alone(file in file(), at in any::<Index>()) {
        let document = Document::parse(file.text().into_bytes());
        let key = if file.entries.is_empty() { "fresh".to_owned() } else { at.get(&file.entries).0.clone() };
        let edited = document.edit().remove(&key).map_err(|error| TestCaseError::fail(format!("{error}: {:?}", file.text())))?;
        only_lines_of(&file, &key, edited.text())?;
        prop_assert_eq!(others(&edited, &key), others(&document, &key));
        prop_assert!(edited.field(&key).is_none());
    }

    #[test]
    fn edits_of_the_body_leave_the_rest(sections in prop::collection::vec((select(&HEADINGS[..]), select(&CONTENTS[..])), 0..5),
        crlf in any::<bool>(), word in word(), edit in 0..6_usize)
    {
        let text = sections.iter().fold("---\nid: t\n---\n\n# T\n".to_owned(), |text, (heading, content)| format!("{text}\n## {heading}\n{content}"));
        let text = if crlf { text.replace('\n', "\r\n") } else { text };
        let document = Document::parse(text.clone().into_bytes());
        let json = serde_json::json!({ "k": word });
        let (touched, result) = match edit {
            0 => ("Notes", document.edit().append_note(&word)),
            1 => ("Result", document.edit().set_section_json("Result", &json)),
            2 => ("Payload", document.edit().set_section_json("Payload", &json)),
            3 => ("Progress", document.edit().tick(1, Mark::Flip)),
            4 => ("Error", document.edit().set_section_text("Error", &word)),
            _ => ("Dependencies", document.edit().add_bullet("Dependencies", &word)),
        };
        let edited = match result {
            Ok(edited) => edited,
            // A text may break a section, a note or a list item hardly ever.
            Err(EditError::NoStep { .. } | EditError::BadJson(_) | EditError::BadText { .. }) => return Ok(()),
            Err(EditError::Unproven(_) | EditError::Refused(_)) if edit == 4 || word.contains(['\0', '\r']) => return Ok(()),
            Err(error) => return Err(TestCaseError::fail(format!("{error}: {text:?}"))),
        };
        prop_assert!(edited.text().starts_with(&text[..text.find("# T").expect("there")]));
        if edit == 3 {
            // Check boxes are steps in whatever section they stand.
            let marks = |document: &Document| document.body().steps().iter().map(|step| step.done).collect::<Vec<_>>();
            let (old, mut new) = (marks(&document), marks(&edited));
            new[0] = !new[0];
            prop_assert_eq!(new, old);
            let changed = edited.text().bytes().zip(text.bytes()).filter(|(new, old)| new != old).count();
            prop_assert_eq!((changed, edited.text().len()), (1, text.len()));
            return Ok(());
        }
        let span = |document: &Document| document.body().section(touched).map(|s| s.heading_span.start..s.span.end);
        let outside = |document: &Document, span: Option<Range<usize>>| {
            let span = span.unwrap_or(document.text().len()..document.text().len());
            (document.text()[..span.start].trim_end().to_owned(), document.text()[span.end..].to_owned())
        };
        if document.body().section(touched).is_some() {
            prop_assert_eq!(outside(&edited, span(&edited)), outside(&document, span(&document)));
        } else if let Some(span) = span(&edited) {
            let (before, behind) = outside(&edited, Some(span));
            prop_assert!(text.starts_with(&before) && text.ends_with(&behind), "{:?}", edited.text());
            prop_assert_eq!(text[before.len()..text.len() - behind.len()].trim(), "", "{:?}", edited.text());
        }
        match edit {
            0 => prop_assert_eq!(edited.body().notes().len(), document.body().notes().len() + 1),
            1 | 2 => prop_assert_eq!(edited.body().section_json(touched), Some(Ok(json))),
            4 => prop_assert_eq!(edited.body().section_text("Error").map(|text| text.replace("\r\n", "\n")), Some(word.trim().replace("\r\n", "\n"))),
            _ => {}
        }
    }
}

const HEADINGS: [&str; 6] = ["Dependencies", "Payload", "Progress", "Result", "Notes", "Other"];
const CONTENTS: [&str; 12] = [
    "",
    "\n",
    "\n_In progress..._\n",
    "\n{\n  \"a\": 1\n}\n",
    "\n```json\n{}\n```\n",
    "\n- [ ] a\n- [x] b\n  - [ ] c\n",
    "- a\n* b\n\n  more\n",
    "\nprose\n",
    "\n- a\n\nprose after\n",
    "1. one\n2. two\n",
    "\n```\n## no\n- [ ] no\n```\n",
    "- open",
];

const PIECES: [&str; 48] = [
    "---",
    "\n",
    "\r\n",
    "\n---\n",
    "a",
    ": ",
    "b:",
    "- ",
    "  ",
    "\t",
    "#",
    " # c",
    "'",
    "\"",
    "[",
    "]",
    "{",
    "}",
    ",",
    "&x ",
    "*x",
    "!t ",
    "|\n",
    ">-\n",
    "? ",
    "é",
    "\u{1f600}",
    "\u{feff}",
    "\0",
    "\r",
    "<<<<<<< x\n",
    "=======\n",
    ">>>>>>> y\n",
    "# T\n",
    "\n## Notes\n",
    "\n## Result\n",
    "- [ ] x\n",
    "- [x] y\n",
    "```json\n",
    "```\n",
    "{\"k\": 1}",
    "_p_",
    "**a**: v\n",
    "> ",
    "1. ",
    "<!--",
    "\\",
    "\n\n",
];

/// Asks every question that can be asked; none may panic, and the bytes stay.
fn ask_everything(bytes: &[u8]) -> Result<(), TestCaseError> {
    let document = Document::parse(bytes);
    prop_assert_eq!(document.bytes(), bytes);
    prop_assert_eq!(document.is_readable(), document.faults().is_empty());
    prop_assert!(document.faults().iter().all(|fault| fault.place.is_some() && fault.hint.is_some()));
    prop_assert_eq!(&document, &document.clone());
    let _ = (
        document.body().title(),
        document.body().steps(),
        document.body().notes(),
        document.body().label("a"),
        document.has_frontmatter(),
    );
    for section in document.body().sections() {
        prop_assert!(document.text().get(section.span.clone()).is_some());
        let _ = (document.body().section_json(&section.heading), document.body().section_text(&section.heading));
        for bullet in document.body().bullets(&section.heading) {
            prop_assert!(document.text().get(bullet.span).is_some());
        }
    }
    for field in document.fields() {
        prop_assert!(document.text().get(field.key_span.clone()).is_some());
        prop_assert!(document.text().get(field.value_span.clone()).is_some());
        let _ = field.value.to_json();
    }
    Ok(())
}

/// What we write, a third reader reads as we do. It knows neither byte order marks nor CRLF inside values.
fn agrees_with_gray_matter(document: &Document, key: &str, value: &Value) -> Result<(), TestCaseError> {
    let (Value::Scalar { text, plain: false }, false) = (value, document.text().contains(['\r', '\u{feff}'])) else {
        return Ok(());
    };
    let matter = gray_matter::Matter::<gray_matter::engine::YAML>::new();
    let parsed: gray_matter::ParsedEntity =
        matter.parse(document.text()).map_err(|error| TestCaseError::fail(error.to_string()))?;
    let found = parsed.data.and_then(|data| data[key].as_string().ok());
    prop_assert_eq!(found.as_deref(), Some(text.as_str()), "{:?}", document.text());
    Ok(())
}
