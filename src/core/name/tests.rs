//! Tests of names, ids and paths.

use super::*;

#[test]
fn names_of_the_field_pass_and_the_dangerous_do_not() {
    for good in [
        "task-123",
        "ai-engineer",
        "wf-1",
        "v1.2",
        "Ünïcode",
        "a",
        "task-हिन्दी",
        "ภาษาไทย",
        "task-pru\u{308}fung",
        "עִבְרִית",
    ] {
        assert!(DocId::new(good).is_ok(), "{good}");
    }
    let long = "x".repeat(NAME_BYTES_MAX + 1);
    for bad in ["", ".", "..", ".git", "-x", "a.", "a/b", "a b", "a\nb", "a\u{202e}b", "git~1", "a\\b", long.as_str()] {
        assert!(DocId::new(bad).is_err(), "{bad:?}");
    }
    assert!(DocId::new("x".repeat(NAME_BYTES_MAX)).is_ok());
}

#[test]
fn marks_belong_to_a_letter_and_spellings_are_one_name() {
    // A mark of its own, and selectors and joiners that are not seen.
    for bad in ["\u{308}a", "a-\u{308}", "a.\u{94d}", "a\u{fe0f}", "a\u{200d}b", "a\u{34f}b", "a\u{e0101}"] {
        assert!(DocId::new(bad).is_err(), "{bad:?}");
    }
    let joined = DocId::new("a\u{200d}b").expect_err("a joiner").to_string();
    assert!(joined.contains("has `\\u{200d}` (use letters"), "it is shown by its number: {joined}");
    let (composed, decomposed) = ("task-caf\u{e9}-\u{d55c}", "task-cafe\u{301}-\u{1112}\u{1161}\u{11ab}");
    let id = |text: &str| DocId::new(text).expect("an id");
    assert_eq!(id(composed), id(decomposed));
    assert_eq!(id(decomposed).as_str(), composed);
    let channel = |text: &str| Channel::new(text).expect("a channel");
    assert_eq!(channel(composed), channel(decomposed));
    // The limit counts what is kept.
    assert!(DocId::new("e\u{301}".repeat(NAME_BYTES_MAX / 2)).is_ok());
    let file = DocPath::new("task-cafe\u{301}.md").expect("a path");
    assert_eq!(DocId::of_file(&file).as_str(), "task-caf\u{e9}");
}

#[test]
fn a_document_path_cannot_leave_the_folder() {
    for good in ["task-1.md", "archive/2025-10/task-1.md", "with blank.md", "é.md"] {
        assert!(DocPath::new(good).is_ok(), "{good}");
    }
    for bad in [
        "../x.md",
        "/x.md",
        "a/x.md",
        "archive/x.md",
        "archive/../x.md",
        "archive/2025-1/x.md",
        ".x.md",
        "#x.md",
        ".md",
        "x.txt",
        "x.md~",
        "x\n.md",
        "x\\y.md",
        "",
    ] {
        assert!(DocPath::new(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn new_files_carry_the_kind_once() {
    let path = |kind, id| DocPath::for_new(kind, &DocId::new(id).expect("valid")).to_string();
    assert_eq!(path(Kind::Task, "task-1"), "task-1.md");
    assert_eq!(path(Kind::Task, "train"), "task-train.md");
    assert_eq!(path(Kind::Workflow, "wf-1"), "workflow-wf-1.md");
    assert_eq!(path(Kind::Agent, "agent-x"), "agent-agent-x.md");
}
