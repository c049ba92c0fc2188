//! What holds for every merge, over random pairs: the laws, and that nothing vanishes.

use std::collections::BTreeMap;

use mycelium::document::{Document, Value};
use mycelium::entity::task;
use mycelium::merge::{self, MergeSide, MergeSides, Merged};
use mycelium::name::DocPath;

use crate::branch::{Fork, fork};
use crate::pairs::Seed;
use crate::support::sized;

fn path(n: u64) -> DocPath {
    DocPath::new(format!("task-{n}.md")).unwrap()
}

fn merged(n: u64, base: &Document, ours: &Document, theirs: &Document) -> Merged {
    merge::document(&path(n), Some(base), ours, theirs, &MergeSides::ALIKE)
}

fn each(check: impl Fn(u64, &Fork)) {
    let mut seed = Seed(5);
    for n in 0..sized("MYCELIUM_MERGE_FORKS", 800, 20_000) as u64 {
        check(n, &fork(&mut seed, n));
    }
}

fn told(fork: &Fork) -> String {
    let Fork { base, ours, theirs } = fork;
    let (o, t) = (&ours.touched, &theirs.touched);
    format!(
        "{o:?} {t:?}\n=== base\n{}\n=== ours\n{}\n=== theirs\n{}",
        base.text(),
        ours.document.text(),
        theirs.document.text()
    )
}

#[test]
fn what_only_one_side_changed_is_taken_as_it_is() {
    each(|n, fork| {
        let (base, ours) = (&fork.base, &fork.ours.document);
        for merged in [merged(n, base, ours, base), merged(n, base, base, ours), merged(n, base, ours, ours)] {
            assert_eq!(merged.document.bytes(), ours.bytes());
            assert!(merged.conflicts.is_empty() && merged.decisions.is_empty());
        }
    });
}

#[test]
pub(crate) fn it_does_not_matter_who_merges_whom() {
    each(|n, fork| {
        let (ours, theirs) = (&fork.ours.document, &fork.theirs.document);
        let (one, other) = (merged(n, &fork.base, ours, theirs), merged(n, &fork.base, theirs, ours));
        assert_eq!(one.document.bytes(), other.document.bytes(), "{}", told(fork));
        assert_eq!(one.decisions, other.decisions);
        assert_eq!(one.conflicts.len(), other.conflicts.len());
        let named = |names| merge::document(&path(n), Some(&fork.base), ours, theirs, names);
        let as_git = named(&MergeSides::GIT);
        assert_eq!(as_git.conflicts.is_empty(), one.conflicts.is_empty());
        if one.conflicts.is_empty() {
            assert_eq!(as_git.document.bytes(), one.document.bytes());
        }
    });
}

#[test]
fn what_was_merged_stays_merged() {
    each(|n, fork| {
        let (ours, theirs) = (&fork.ours.document, &fork.theirs.document);
        let one = merged(n, &fork.base, ours, theirs);
        if one.conflicts.is_empty() {
            // A clone that takes the merge and one that has half of it come to the same.
            for side in [ours, theirs] {
                assert_eq!(merged(n, side, &one.document, side).document.bytes(), one.document.bytes());
            }
        }
    });
}

/// Every line of prose, note, step, list item and value that a side brought is in the merged file, or was told as lost.
#[test]
pub(crate) fn nothing_vanishes() {
    each(|n, fork| {
        let one = merged(n, &fork.base, &fork.ours.document, &fork.theirs.document);
        let mut said = one.document.text().to_owned();
        if !one.document.is_readable() {
            said = String::from_utf8(one.document.bytes().to_vec()).unwrap();
        }
        for decision in &one.decisions {
            said.push_str(&decision.lost);
        }
        let words = |text: &str| {
            let is_word = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
            text.split(|c| !is_word(c))
                // A code block's name of its language is no part of what it says.
                .filter(|word| word.len() > 3 && *word != "json")
                .map(str::to_owned)
                .collect::<std::collections::BTreeSet<_>>()
        };
        let (base, said) = (words(fork.base.text()), words(&said));
        for side in [&fork.ours, &fork.theirs] {
            let new = words(side.document.text());
            let gone: Vec<_> = new.difference(&base).filter(|word| !said.contains(*word)).collect();
            assert!(
                gone.is_empty(),
                "{gone:?}\n{:?}\n{}\n=== merged\n{}",
                one.decisions,
                told(fork),
                one.document.text()
            );
        }
    });
}

#[test]
fn different_fields_never_conflict_and_hardly_anything_else_does() {
    let counts = std::cell::RefCell::new(BTreeMap::<String, usize>::new());
    let total = std::cell::Cell::new((0, 0));
    each(|n, fork| {
        let one = merged(n, &fork.base, &fork.ours.document, &fork.theirs.document);
        let (mut all, mut left) = total.get();
        all += 1;
        if one.conflicts.is_empty() {
            assert!(one.document.is_readable(), "{}", told(fork));
        } else {
            left += 1;
            let key = one.conflicts.iter().map(|c| format!("{} {}", c.rule, c.what)).collect::<Vec<_>>().join(", ");
            *counts.borrow_mut().entry(key).or_default() += 1;
            let same = fork.ours.touched.iter().any(|field| fork.theirs.touched.contains(field));
            assert!(same, "{:?}\n{}\n{}", one.conflicts, told(fork), String::from_utf8_lossy(one.document.bytes()));
            for conflict in &one.conflicts {
                assert!(["two values", "same lines"].contains(&conflict.rule), "{conflict:?}\n{}", told(fork));
                assert_ne!(conflict.ours, conflict.theirs);
            }
            assert!(!one.document.is_readable(), "{}", told(fork));
        }
        total.set((all, left));
    });
    let (all, left) = total.get();
    assert!(left * 100 <= all * 5, "{left} of {all} need a person: {:#?}", counts.borrow());
}

/// Equal claims: what the remote has already stands, whoever is ours; else each of the two wins its share of them.
#[test]
pub(crate) fn equal_claims_go_to_who_pushed_first_and_else_favour_no_name() {
    let mut won = BTreeMap::<String, usize>::new();
    for n in 0..200 {
        let base = Document::parse(format!("---\nid: task-{n}\nstatus: pending\ntype: t\n---\n\n# T\n").into_bytes());
        let by = |name: &str, fence: u64| {
            let by = mycelium::name::AgentName::new(name).unwrap();
            let hold = mycelium::entity::claim::HolderFields {
                by,
                fence,
                lease: std::time::Duration::from_secs(300),
                since: mycelium::time::Timestamp::default(),
                is_after_expiry: false,
            };
            mycelium::entity::claim::take(&base, &hold).unwrap()
        };
        let holder = |merged: &Merged| merged.document.field("claimed_by").unwrap().value.as_text().unwrap().to_owned();
        let (ann, ben) = (by("ann", 1), by("ben", 1));
        *won.entry(holder(&merged(n, &base, &ann, &ben))).or_default() += 1;
        let with = |ours: &Document, theirs: &Document, pushed| {
            merge::document(&path(n), Some(&base), ours, theirs, &MergeSides::ALIKE.with_pushed(Some(pushed)))
        };
        let (one, other) = (with(&ann, &ben, MergeSide::Theirs), with(&ben, &ann, MergeSide::Ours));
        assert_eq!((holder(&one).as_str(), one.document.bytes()), ("ben", other.document.bytes()));
        assert_eq!(one.decisions[0].rule, "pushed first");
        // A later holder, and an ended task, count more.
        let later = with(&by("ann", 2), &ben, MergeSide::Theirs);
        let ended = with(&task::complete(&ann, None).unwrap(), &ben, MergeSide::Theirs);
        assert_eq!([later.decisions[0].rule, ended.decisions[0].rule], ["later holder", "later state"]);
        assert_eq!(ended.document.field("status").unwrap().value.as_text(), Some("completed"));
    }
    assert!(won.values().all(|count| *count > 60) && won.len() == 2, "{won:?}");
}

/// Whatever side the remote has: the same two versions give the same bytes from both sides, and no result or error is gone.
#[test]
pub(crate) fn no_result_is_dropped_and_the_side_that_was_pushed_changes_with_the_sides() {
    each(|n, fork| {
        let (ours, theirs) = (&fork.ours.document, &fork.theirs.document);
        for side in [MergeSide::Ours, MergeSide::Theirs] {
            let turned = if side == MergeSide::Ours { MergeSide::Theirs } else { MergeSide::Ours };
            let with = |ours: &Document, theirs: &Document, side| {
                let sides = MergeSides::ALIKE.with_pushed(Some(side));
                merge::document(&path(n), Some(&fork.base), ours, theirs, &sides)
            };
            let (one, other) = (with(ours, theirs, side), with(theirs, ours, turned));
            assert_eq!(one.document.bytes(), other.document.bytes(), "{}", told(fork));
            if !one.document.is_readable() {
                continue;
            }
            let text = one.document.text();
            for (side, heading) in [ours, theirs].into_iter().flat_map(|side| [(side, "Result"), (side, "Error")]) {
                let json = |document: &Document| document.body().section_json(heading).and_then(Result::ok);
                let is_kept = |result: &serde_json::Value| {
                    json(&one.document).as_ref() == Some(result) || text.contains(&result.to_string())
                };
                // What the base had already may be replaced by what came after it.
                let is_new = |result: &serde_json::Value| json(&fork.base).as_ref() != Some(result);
                assert!(
                    json(side).filter(is_new).is_none_or(|result| is_kept(&result)),
                    "{heading}\n{}\n=== merged\n{text}",
                    told(fork)
                );
            }
        }
    });
}

/// Claims, boxes and notes: three branches come to the same in whatever order they are merged.
#[test]
fn claims_boxes_and_notes_come_to_the_same_in_any_order() {
    let mut seed = Seed(7);
    for n in 0..sized("MYCELIUM_MERGE_FORKS", 300, 10_000) as u64 {
        let one = fork(&mut seed, n);
        let only = |touched: &[&str]| touched.iter().all(|field| ["claim", "notes", "steps"].contains(field));
        let third = crate::branch::again(&mut seed, &one.base);
        if ![&one.ours, &one.theirs, &third].iter().all(|branch| only(&branch.touched)) {
            continue;
        }
        let (a, b, c) = (&one.ours.document, &one.theirs.document, &third.document);
        let base = &one.base;
        let left = merged(n, base, &merged(n, base, a, b).document, c).document;
        let right = merged(n, base, a, &merged(n, base, b, c).document).document;
        let facts = |document: &Document| {
            let sorted = |mut texts: Vec<String>| {
                texts.sort();
                texts
            };
            let keys = ["status", "claimed_by", "fence", "attempt"];
            let keys = keys.map(|key| document.field(key).map(|field| field.value.to_json()));
            let notes = sorted(document.body().notes().into_iter().map(|note| note.text).collect());
            let steps =
                sorted(document.body().steps().iter().map(|step| format!("{} {}", step.done, step.text)).collect());
            (keys, notes, steps)
        };
        assert_eq!(facts(&left), facts(&right), "{}", told(&one));
    }
}

/// Files that a person, an editor or a torn disk has damaged: they are merged all the same, alike from both sides, and what
/// conflicts is seen.
#[test]
fn damaged_files_are_merged_alike_and_no_conflict_is_hidden() {
    let mut seed = Seed(11);
    for n in 0..sized("MYCELIUM_MERGE_FORKS", 400, 10_000) as u64 {
        let fork = fork(&mut seed, n);
        let [base, ours, theirs] =
            [&fork.base, &fork.ours.document, &fork.theirs.document].map(|one| damaged(&mut seed, one));
        let (one, other) = (merged(n, &base, &ours, &theirs), merged(n, &base, &theirs, &ours));
        let said = || format!("{:?}\n{}\n===\n{}\n===\n{}", one.conflicts, base.text(), ours.text(), theirs.text());
        assert_eq!(one.document.bytes(), other.document.bytes(), "{}", said());
        if ours.is_readable() && theirs.is_readable() && one.document != ours && one.document != theirs {
            assert_eq!(
                one.document.is_readable(),
                one.conflicts.is_empty(),
                "{}\n===\n{}",
                said(),
                String::from_utf8_lossy(one.document.bytes())
            );
        }
    }
}

fn damaged(seed: &mut Seed, document: &Document) -> Document {
    let mut lines: Vec<String> = document.text().split_inclusive('\n').map(str::to_owned).collect();
    for _ in 0..seed.below(4) {
        let count = lines.len() as u64;
        let (at, to) = (usize::try_from(seed.below(count)).unwrap(), usize::try_from(seed.below(count)).unwrap());
        match seed.below(8) {
            0 => drop(lines.remove(at)),
            1 => lines.swap(at, to),
            2 => lines.insert(at, "```\n".to_owned()),
            3 => lines.insert(at, "---\n".to_owned()),
            4 => lines[at] = lines[at].replace('\n', "\r\n"),
            5 => drop(lines[at].pop()),
            6 => lines[at].insert(0, '\r'),
            _ => lines.insert(at, lines[to].clone()),
        }
    }
    Document::parse(lines.concat().into_bytes())
}

/// A value that each side set to something else is a person's to choose: both stand in the file.
#[test]
pub(crate) fn what_a_person_must_choose_is_not_chosen() {
    let base = Document::parse(&b"---\nid: task-1\nstatus: pending\ntype: t\n# more\n---\n\n# T\n"[..]);
    let with = |value: &str| base.edit().set("region", &Value::text(value)).unwrap();
    let one = merged(1, &base, &with("north"), &with("south"));
    assert_eq!(one.conflicts.len(), 1, "{:?}", one.decisions);
    let (conflict, text) = (&one.conflicts[0], String::from_utf8(one.document.bytes().to_vec()).unwrap());
    assert_eq!((conflict.rule, conflict.what.as_str()), ("two values", "`region`"));
    let (_, ours, theirs) = merge::sides(&text).unwrap();
    let mut sides = [ours, theirs];
    sides.sort();
    assert_eq!(sides, [with("north").text(), with("south").text()]);
}
