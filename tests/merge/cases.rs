//! Single merges that once went wrong, or easily could.

use mycelium::document::Document;
use mycelium::merge::{self, MergeSides, Merged};
use mycelium::name::DocPath;

fn merged(base: &str, ours: &str, theirs: &str) -> Merged {
    let path = DocPath::new("task-1.md").unwrap();
    let [base, ours, theirs] = [base, ours, theirs].map(|text| Document::parse(text.as_bytes()));
    let one = merge::document(&path, Some(&base), &ours, &theirs, &MergeSides::ALIKE);
    let other = merge::document(&path, Some(&base), &theirs, &ours, &MergeSides::ALIKE);
    assert_eq!((&one.document, &one.decisions), (&other.document, &other.decisions));
    one
}

fn text(merged: &Merged) -> String {
    String::from_utf8(merged.document.bytes().to_vec()).unwrap()
}

fn task(more: &str, body: &str) -> String {
    format!("---\nid: task-1\nstatus: pending\ntype: x\n{more}---\n{body}")
}

#[test]
fn a_line_of_the_frontmatter_takes_no_prose_with_it() {
    let base = task("# c\n", "\nAlpha\nBeta\n---\ntail\n");
    let ours = task("# d\n", "tail\n");
    let theirs = task("# e\n", "\nAlpha, with what theirs wrote\nBeta\n---\ntail\n");
    let merged = merged(&base, &ours, &theirs);
    assert!(!merged.conflicts.is_empty());
    assert!(text(&merged).contains("with what theirs wrote"), "{}", text(&merged));
}

#[test]
fn keys_that_are_all_decided_stand_once_and_without_markers() {
    let base = task("", "");
    let ours = task("fence: 1\n", "");
    let theirs = "---\nid: task-1\nstatus: running\ntype: x\ntags: [q]\nclaimed_by: ann\nfence: 1\n---\n";
    let merged = merged(&base, &ours, theirs);
    let text = text(&merged);
    assert!(merged.conflicts.is_empty() && merged.document.is_readable(), "{text}");
    for key in ["\ntype: x", "\ntags:", "\nclaimed_by: ann", "\nfence: 1", "\nstatus: running"] {
        assert_eq!(text.matches(key).count(), 1, "{key}: {text}");
    }
}

#[test]
fn what_nobody_changed_stays_as_it_is_written() {
    let map =
        |a: u8, b: u8| format!("m:\n  ver: 1.10\n  hex: 0x10\n  big: 12345678901234567890123\n  a: {a}\n  b: {b}\n");
    let json = |a: u8, gap: &str, b: u8| {
        format!("\n# T\n\n## Payload\n\n```json\n{{\n  \"ver\": 1.10,\n  \"a\": {a},\n{gap}  \"b\": {b}\n}}\n```\n")
    };
    let gap = "  \"big\": 12345678901234567890123,\n  \"x\": 1,\n";
    let base = task(&map(1, 1), &json(1, gap, 1));
    let merged = merged(&base, &task(&map(2, 1), &json(2, gap, 1)), &task(&map(1, 2), &json(1, gap, 2)));
    assert_eq!(text(&merged), task(&map(2, 2), &json(2, gap, 2)));
    assert!(merged.conflicts.is_empty());
}

#[test]
fn a_lone_carriage_return_is_a_character_like_any_other() {
    let body = |a: &str, b: &str| task("", &format!("\n# T\n\none\rtwo {a}\n\nmiddle\r\n\nlast {b}\r"));
    let merged = merged(&body("", ""), &body("here", ""), &body("", "there"));
    assert_eq!(text(&merged), body("here", "there"));
}

#[test]
fn very_long_lists_are_merged_in_no_time() {
    let list = |from: usize, to: usize| (from..to).map(|n| format!("- [ ] {n}\n")).collect::<Vec<_>>().concat();
    let with = |steps: &str| task("", &format!("\n# T\n\n## Progress\n\n{steps}\n"));
    let began = std::time::Instant::now();
    let merged = merged(&with(&list(0, 10)), &with(&list(0, 10_000)), &with(&(list(0, 10) + &list(20_000, 30_000))));
    assert!(merged.conflicts.is_empty());
    assert_eq!(merged.document.body().steps().len(), 20_000 - 10 + 10);
    // Ten times as long would take a hundred times as long where each is compared with all.
    assert!(began.elapsed() < std::time::Duration::from_secs(20), "{:?}", began.elapsed());
}

#[test]
fn a_conflict_takes_a_third_version_in_and_is_one_conflict_still() {
    let with = |priority: &str, body: &str| task(&format!("priority: {priority}\n"), body);
    let first = merged(&with("normal", "\n# T\n"), &with("high", "\n# T\n"), &with("low", "\n# T\n"));
    assert_eq!(first.conflicts.len(), 1);
    // What came from one of the two sides goes on from there.
    let more = with("high", "\n# T\n\nMore.\n");
    for third in [&more, &with("critical", "\n# T\n")] {
        let second = merged(&with("high", "\n# T\n"), &text(&first), third);
        let said = text(&second);
        assert_eq!((second.conflicts.len(), said.matches("<<<<<<<").count()), (1, 1), "{said}");
        let (_, one, other) = merge::sides(&said).unwrap();
        assert!(one.contains("low") != other.contains("low"), "{said}");
        assert_eq!(third.contains("More."), one.contains("More.") && other.contains("More."), "{said}");
    }
}

#[test]
fn a_conflict_inside_of_another_stays_in_its_side() {
    let inner = "<<<<<<< a\nx\n||||||| base\n=======\ny\n>>>>>>> b\n";
    let text = format!("top\n<<<<<<< a\n{inner}||||||| base\nold\n=======\nz\n>>>>>>> b\nend\n");
    let (base, ours, theirs) = merge::sides(&text).unwrap();
    assert_eq!(
        (base.as_str(), ours.as_str(), theirs.as_str()),
        ("top\nold\nend\n", &*format!("top\n{inner}end\n"), "top\nz\nend\n")
    );
    assert_eq!(merge::sides(&ours).unwrap().1, "top\nx\nend\n");
    // Markers of another length are text of a side; a conflict may have longer ones itself.
    let longer = inner.replace("<<<<<<<", "<<<<<<<<<").replace(">>>>>>>", ">>>>>>>>>").replace("=======", "=========");
    let longer = longer.replace("|||||||", "|||||||||");
    let text = format!("<<<<<<< a\n{longer}=======\nz\n>>>>>>> b\n");
    assert_eq!(merge::sides(&text).unwrap().1, longer);
    assert_eq!(merge::sides("<<<<<<<< a\nx\n========\ny\n>>>>>>>> b\n").unwrap().2, "y\n");
    assert_eq!(merge::sides("<<<<<<< a\n<<<<<<< b\n=======\n>>>>>>> c\n"), None);
}

#[test]
fn boxes_anywhere_are_ticked_by_both_sides() {
    let body = |a: &str, b: &str| {
        task(
            "",
            &format!(
                "\n# T\n\nWords.\n\n- [{a}] one\n- [{b}] two\n\n## Acceptance Criteria\n\n* [{b}] it is fast\n* [{a}] it is right\n"
            ),
        )
    };
    let merged = merged(&body(" ", " "), &body("x", " "), &body(" ", "x"));
    assert!(merged.conflicts.is_empty() && merged.decisions.is_empty());
    assert_eq!(text(&merged), body("x", "x"));
}

#[test]
fn a_last_line_without_a_break_is_the_same_line() {
    let notes = |more: &str| task("", &format!("\n# T\n\n## Notes\n\n- a\n- b{more}"));
    let section = |text: &str| text.replace("## Notes", "## Aside\n\nx\n\n## Notes");
    for (base, ours, merged_to) in [("\n", "\n- c", "\n- c"), ("", "\n- c", "\n- c"), ("", "\n- c\n", "\n- c\n")] {
        for crlf in [false, true] {
            let breaks = |text: String| if crlf { text.replace('\n', "\r\n") } else { text };
            let (base, ours) = (breaks(notes(base)), breaks(notes(ours)));
            let theirs =
                if crlf { base.replace("## Notes", "## Aside\r\n\r\nx\r\n\r\n## Notes") } else { section(&base) };
            let merged = merged(&base, &ours, &theirs);
            assert!(merged.conflicts.is_empty(), "{:?}", text(&merged));
            assert_eq!(text(&merged), breaks(section(&notes(merged_to))));
        }
    }
}
