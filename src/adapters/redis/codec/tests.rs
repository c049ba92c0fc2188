//! Each rule of the decision, one after the other, from what a server holds to what it is sent.

use super::document::excess;
use super::*;
use crate::core::document::Document;
use crate::core::merge;
use crate::core::name::{DocId, DocPath, Kind};
use crate::core::reconcile::{
    DerivedValues, FileAction, Gone, HeadMotion, HoldReason, LocalDocument, ReconcileContext, ReconcilePlan, SyncBase,
    digest, reconcile,
};
use crate::core::time::Timestamp;

const T: &str = "---\nid: task-1\nstatus: pending\ntype: t\na: 1\nb: 1\n---\n\n# T\n\n## Notes\n";

fn with(from: &str, to: &str) -> String {
    T.replace(from, to)
}

fn id() -> DocId {
    DocId::new("task-1").expect("valid")
}

fn local(text: &str) -> LocalDocument {
    LocalDocument { path: DocPath::for_new(Kind::Task, &id()), document: Document::parse(text.as_bytes()) }
}

fn base(revision: u64, text: Option<&str>, older: &[&str]) -> SyncBase {
    let older = older.iter().map(|text| digest(text.as_bytes())).chain(["@one".to_owned()]).collect();
    SyncBase {
        revision,
        text: text.map(str::to_owned),
        path: local(T).path,
        older,
        former: None,
        before: None,
        gone_ms: None,
    }
}

fn record(revision: u64, text: &str, from: &[&str]) -> RedisRecord {
    let LocalDocument { path, document } = local(text);
    let entity = crate::core::entity::read(&path, &document).entity.expect("readable");
    RedisRecord {
        revision,
        text: Some(text.to_owned()),
        path,
        wrote: hash_fields(&entity, &DerivedValues::default()),
        by: None,
        operation: None,
        node: "other".to_owned(),
        from: base(0, None, from).older.join(" "),
        gone: None,
    }
}

fn there(record: RedisRecord) -> RedisDocument {
    let shown = record.gone.is_none().then(|| record.wrote.clone());
    RedisDocument { shown, sum: "sum".to_owned(), record: Some(record), ..RedisDocument::default() }
}

fn gone(revision: u64, gone: Gone, from: &[&str]) -> RedisDocument {
    let path = DocPath::new("archive/2025-10/task-1.md").expect("valid");
    let path = if gone == Gone::Archived { path } else { local(T).path };
    there(RedisRecord { text: None, path, wrote: Vec::new(), gone: Some(gone), ..record(revision, T, from) })
}

struct Case<'a> {
    head: HeadMotion,
    before: Option<&'a Document>,
    archived: Option<&'a LocalDocument>,
}

const PLAIN: Case<'static> = Case { head: HeadMotion::Forward, before: None, archived: None };

/// A plan, with what goes to the server as the server gets it.
#[derive(Debug)]
struct Step {
    plan: ReconcilePlan,
    send: Option<RedisWrite>,
    base: Option<SyncBase>,
}

impl std::ops::Deref for Step {
    type Target = ReconcilePlan;
    fn deref(&self) -> &ReconcilePlan {
        &self.plan
    }
}

fn step_of(case: &Case<'_>, base: Option<&SyncBase>, here: Option<&str>, there: &RedisDocument) -> Step {
    let (id, here) = (id(), here.map(local));
    let context = ReconcileContext {
        kind: Kind::Task,
        id: &id,
        node: "this",
        now: Timestamp::from_unix_ms(1_000),
        seen: None,
        derived: DerivedValues::default(),
        by: None,
        operation: None,
        head: case.head,
        before: case.before,
        archived: case.archived,
    };
    let codec = DocumentCodec { kind: Kind::Task, id: &id, node: "this", now: context.now };
    let there = codec.decode(&context.known(&(Kind::Task, id.clone()), base, here.as_ref()), there);
    let mut plan = reconcile(&context, base, here.as_ref(), &there);
    let send = plan.send.as_ref().map(|send| codec.encode(send)).transpose();
    if let Err(why) = &send {
        plan = ReconcilePlan { held: Some(HoldReason::Refused(why.clone())), base: base.cloned(), ..plan };
    }
    let send = send.ok().flatten();
    let mut new = plan.base.clone();
    if let (Some(base), Some(send)) = (&mut new, &send) {
        base.revision = send.revision;
    }
    Step { plan, send, base: new }
}

fn step(base: Option<&SyncBase>, here: Option<&str>, there: &RedisDocument) -> Step {
    step_of(&PLAIN, base, here, there)
}

fn sent(step: &Step) -> Option<&str> {
    step.send.as_ref().map(|send| send.record.text.as_deref().unwrap_or("gone"))
}

fn written(step: &Step) -> Option<&str> {
    match &step.plan.file {
        FileAction::Write { document, .. } => Some(document.text()),
        FileAction::Remove { .. } => Some("removed"),
        FileAction::Archive { .. } => Some("archived"),
        FileAction::Create(_) => Some("made"),
        FileAction::Keep => None,
    }
}

#[test]
fn one_that_is_the_same_everywhere_is_left_alone() {
    let (base, record) = (base(5, Some(T), &[]), record(5, T, &[]));
    let same = step(Some(&base), Some(T), &there(record.clone()));
    assert_eq!((written(&same), sent(&same), same.base.as_ref(), same.held.as_ref()), (None, None, Some(&base), None));
    // In another order it is the same.
    let mut reordered = there(record);
    reordered.is_touched = true;
    reordered.shown.as_mut().expect("shown").reverse();
    assert_eq!(step(Some(&base), Some(T), &reordered).send, None);
}

#[test]
fn what_the_server_lost_is_told_again_and_nothing_is_removed() {
    let nothing = RedisDocument::default();
    let again = step(Some(&base(5_000, Some(T), &[])), Some(T), &nothing);
    assert_eq!((written(&again), sent(&again)), (None, Some(T)));
    assert_eq!(again.send.map(|send| (send.expected, send.revision)), Some((0, 5_001)));
    let first = step(None, Some(T), &nothing);
    assert_eq!(first.send.map(|send| (send.expected, send.revision)), Some((0, 1_001)));
    assert_eq!(step(None, None, &nothing).send, None);
}

#[test]
fn what_one_side_changed_is_taken_and_what_both_changed_is_merged() {
    let (a, b, both) = (with("a: 1", "a: 2"), with("b: 1", "b: 2"), with("a: 1\nb: 1", "a: 2\nb: 2"));
    let agreed = base(5, Some(T), &[]);
    for (here, record, file, send) in [
        (T, record(6, &a, &[T]), Some(a.as_str()), None),
        (&a, record(5, T, &[]), None, Some(a.as_str())),
        (&a, record(6, &a, &[T]), None, None),
        (&a, record(6, &b, &[T]), Some(both.as_str()), Some(both.as_str())),
        // What was sent before a crash is in there already.
        (&a, record(7, &both, &[&a, &b, T]), Some(both.as_str()), None),
    ] {
        let step = step(Some(&agreed), Some(here), &there(record));
        assert_eq!((written(&step), sent(&step), &step.conflicts[..]), (file, send, &[][..]), "{here}");
        assert_eq!(step.base.and_then(|base| base.text).as_deref(), file.or(send).or(Some(&a)));
    }
    // A clone that remembers nothing: the same, a successor, and neither.
    for (here, record, file) in [
        (&a, record(6, &a, &[T]), None),
        (&a, record(6, &both, &[&a, T]), Some(both.as_str())),
        (&b, record(6, &with("type: t\n", "type: t\nc: 1\n"), &[]), Some("")),
    ] {
        let step = step(None, Some(here), &there(record));
        assert!(written(&step) == file || file == Some("") && written(&step).is_some_and(|text| text.contains("c: 1")));
    }
}

#[test]
fn an_older_version_told_again_never_replaces_a_newer_one() {
    let (a, ab, c) = (with("a: 1", "a: 2"), with("a: 1\nb: 1", "a: 2\nb: 2"), with("type: t\n", "type: t\nc: 1\n"));
    let agreed = base(5, Some(&ab), &[&a, T]);
    let old = step(Some(&agreed), Some(&ab), &there(record(3, &a, &[T])));
    assert_eq!((written(&old), sent(&old)), (None, Some(ab.as_str())));
    assert_eq!(old.send.map(|send| (send.expected, send.revision)), Some((3, 6)));
    // Somebody who was behind has gone on from there, even further than here. Nobody keeps the text of the version that both
    // came from, and nothing is lost.
    let on = step(Some(&agreed), Some(&ab), &there(record(9, &c, &[T])));
    assert!(written(&on).is_some_and(|text| text.contains("a: 2") && text.contains("c: 1")), "{on:?}");
}

#[test]
fn removals_are_told_and_an_edit_wins_over_one() {
    let a = with("a: 1", "a: 2");
    let agreed = base(5, Some(T), &[]);
    for (here, remote, file, send) in [
        (Some(T), gone(6, Gone::Removed, &[T]), Some("removed"), None),
        (Some(T), gone(6, Gone::Archived, &[T]), Some("archived"), None),
        (Some(a.as_str()), gone(6, Gone::Removed, &[T]), None, Some(a.as_str())),
        (None, there(record(5, T, &[])), None, Some("gone")),
        (None, there(record(6, &a, &[T])), Some(a.as_str()), None),
        (None, gone(6, Gone::Removed, &[T]), None, None),
        (None, RedisDocument::default(), None, Some("gone")),
    ] {
        let step = step(Some(&agreed), here, &remote);
        assert_eq!((written(&step), sent(&step)), (file, send), "{here:?} {remote:?}");
    }
    let new = step(None, None, &there(record(6, T, &[])));
    assert_eq!((written(&new), sent(&new)), (Some(T), None));
    let archived = LocalDocument { path: DocPath::new("archive/2025-10/task-1.md").expect("valid"), ..local(T) };
    let case = Case { archived: Some(&archived), ..PLAIN };
    let step = step_of(&case, Some(&agreed), None, &there(record(5, T, &[])));
    let send = step.send.expect("it is told");
    assert_eq!((send.record.gone, send.record.path, send.shown), (Some(Gone::Archived), archived.path.clone(), None));
    // What changed on the way to the archive is told first.
    let archived = LocalDocument { document: Document::parse(a.as_bytes()), ..archived };
    let case = Case { archived: Some(&archived), ..PLAIN };
    let step = step_of(&case, Some(&agreed), None, &there(record(5, T, &[])));
    assert_eq!((written(&step), sent(&step)), (None, Some(a.as_str())));
}

#[test]
fn a_removed_document_is_not_mistaken_for_an_earlier_one_in_the_archive() {
    let old = with("status: pending", "status: completed");
    let archived = LocalDocument { path: DocPath::new("archive/2025-10/task-1.md").expect("valid"), ..local(&old) };
    let case = Case { archived: Some(&archived), ..PLAIN };
    let made = step_of(&case, None, Some(T), &RedisDocument::default());
    let agreed = made.base.expect("something is agreed on");
    let edited = with("a: 1", "a: 2");
    let on = step_of(&case, Some(&agreed), Some(&edited), &there(record(agreed.revision, T, &[])));
    let agreed = on.base.expect("something is agreed on");
    let step = step_of(&case, Some(&agreed), None, &there(record(agreed.revision, &edited, &[T])));
    assert_eq!(written(&step), None);
    assert_eq!(step.send.map(|send| send.record.gone), Some(Some(Gone::Removed)));
    // Once it goes there itself, it is what lies there.
    let archived = LocalDocument { document: Document::parse(edited.as_bytes()), ..archived };
    let case = Case { archived: Some(&archived), ..PLAIN };
    let step = step_of(&case, Some(&agreed), None, &there(record(agreed.revision, &edited, &[T])));
    assert_eq!(step.send.map(|send| send.record.gone), Some(Some(Gone::Archived)));
}

#[test]
fn what_is_long_gone_is_forgotten() {
    let now = 1_000;
    let month = i64::try_from(SyncBase::GONE_LIFE.as_millis()).expect("small");
    let seen = step(Some(&base(5, Some(T), &[])), None, &gone(6, Gone::Removed, &[T])).base.expect("it is remembered");
    assert_eq!(seen.gone_ms, Some(now));
    // A server that lost its data has not told everybody.
    assert_eq!(step(Some(&seen), None, &RedisDocument::default()).base.as_ref(), Some(&seen));
    let old = SyncBase { gone_ms: Some(now - month), ..seen };
    assert_eq!(step(Some(&old), None, &gone(6, Gone::Removed, &[T])).base.as_ref(), Some(&old));
    assert_eq!(step(Some(&old), None, &RedisDocument::default()).base, None);
    let sent = step(Some(&base(5, Some(T), &[])), None, &there(record(5, T, &[])));
    assert_eq!(sent.base.and_then(|base| base.gone_ms), Some(now));
}

#[test]
fn what_cannot_be_read_is_held_and_takes_what_comes() {
    let (odd, a) = (with("status: pending", "status: odd"), with("a: 1", "a: 2"));
    let held = step(Some(&base(5, Some(T), &[])), Some(&odd), &there(record(6, &a, &[T])));
    assert_eq!((written(&held), sent(&held)), (Some(odd.replace("a: 1", "a: 2").as_str()), None));
    assert!(matches!(held.held, Some(HoldReason::Unreadable(_))));
    assert_eq!(held.base.and_then(|base| base.text).as_deref(), Some(a.as_str()));
    assert_eq!(step(None, Some(&odd), &RedisDocument::default()).send, None);
    let (one, other) = (with("a: 1", "a: 3"), a);
    let clash = step(Some(&base(5, Some(T), &[])), Some(&one), &there(record(6, &other, &[T])));
    assert_eq!((clash.held.as_ref(), sent(&clash), clash.conflicts.len()), (Some(&HoldReason::Conflict), None, 1));
    assert!(written(&clash).is_some_and(|text| merge::sides(text).is_some()));
    assert_eq!(clash.base.map(|base| base.revision), Some(6));
}

#[test]
fn what_nobody_could_take_in_is_held() {
    let keys = (0..300).map(|n| format!("x{n}: 1")).collect::<Vec<_>>().join("\n") + "\n";
    let (json, agreed, told) = ("\"0123456789\",".repeat(39_000), base(5, Some(T), &[]), there(record(5, T, &[])));
    // As much as a document can be is not too much.
    let large = with("## Notes\n", &format!("## Payload\n\n[{json}0]\n\n## Result\n\n[{json}0]\n"));
    assert_eq!(sent(&step(Some(&agreed), Some(&large), &told)), Some(large.as_str()));
    let held = step(Some(&agreed), Some(&with("a: 1\n", &keys)), &told);
    assert!(matches!(&held.held, Some(HoldReason::Refused(why)) if why.contains("fields")), "{:?}", held.held);
    assert_eq!((held.send, held.base), (None, Some(agreed)));
    let mut send = step(None, Some(T), &RedisDocument::default()).send.expect("it goes out");
    assert_eq!(excess(&send), None);
    send.record.wrote[0].1 = "\u{1}".repeat(600_000);
    assert!(excess(&send).is_some_and(|why| why.contains("bytes")));
}

#[test]
fn a_checkout_of_old_work_rolls_nobody_back() {
    let a = with("a: 1", "a: 2");
    let agreed = base(5, Some(&a), &[T]);
    let back = Case { head: HeadMotion::MovedBack, ..PLAIN };
    for here in [Some(T), None] {
        let step = step_of(&back, Some(&agreed), here, &there(record(5, &a, &[T])));
        assert_eq!(
            (written(&step), sent(&step), step.held.as_ref()),
            (None, None, Some(&HoldReason::RolledBack)),
            "{here:?}"
        );
    }
    // By hand it is an edit like any other.
    assert_eq!(sent(&step(Some(&agreed), Some(T), &there(record(5, &a, &[T])))), Some(T));
    // What git had before is older too, though no server was ever sent it.
    let (first, text) = (base(5, Some(&a), &[]), local(T));
    let back = Case { before: Some(&text.document), ..back };
    let held = step_of(&back, Some(&first), Some(T), &there(record(5, &a, &[])));
    assert_eq!((sent(&held), held.held.as_ref()), (None, Some(&HoldReason::RolledBack)));
    // What is made of it there, or comes there by git, is merged with what others have by now.
    let (new, both) = (with("# T", "# New"), a.replace("# T", "# New"));
    let merged = step_of(&back, Some(&agreed), Some(&new), &there(record(5, &a, &[T])));
    assert_eq!((written(&merged), sent(&merged)), (Some(both.as_str()), Some(both.as_str())));
}

#[test]
fn a_hash_that_expired_is_shown_again_and_others_are_heard() {
    let agreed = base(5, Some(T), &[]);
    let mut remote = there(record(5, T, &[]));
    remote.shown = None;
    remote.is_touched = true;
    let again = step(Some(&agreed), Some(T), &remote);
    assert_eq!((written(&again), sent(&again)), (None, Some(T)));
    let mut remote = there(record(5, T, &[]));
    remote.is_touched = true;
    remote.shown.as_mut().expect("shown").push(("c".to_owned(), "1".to_owned()));
    let heard = step(Some(&agreed), Some(T), &remote);
    assert!(written(&heard).is_some_and(|text| text.contains("c: 1")) && sent(&heard) == written(&heard));
    assert_eq!(heard.send.map(|send| send.seen).as_deref(), Some("sum"));
    remote.shown.as_mut().expect("shown").last_mut().expect("one").1 = "\u{1b}".to_owned();
    let left = step(Some(&agreed), Some(T), &remote);
    assert_eq!((written(&left), sent(&left), left.rejected.len()), (None, None, 1), "it stays, and is told of");
    remote.shown.as_mut().expect("shown").push(("d".to_owned(), "1".to_owned()));
    let heard = step(Some(&agreed), Some(T), &remote);
    assert!(written(&heard).is_some_and(|text| text.contains("d: 1")) && sent(&heard) == written(&heard));
    assert_eq!(heard.rejected.len(), 1);
    // A hash without a record.
    let fields = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let alone = |pairs| RedisDocument { shown: Some(fields(pairs)), is_touched: true, ..RedisDocument::default() };
    assert_eq!(written(&step(None, None, &alone(&[("type", "t")]))), Some("made"));
    assert_eq!(written(&step(None, None, &alone(&[("status", "completed")]))), None);
    let taken = step(Some(&agreed), Some(T), &alone(&[("status", "completed")]));
    assert_eq!(written(&taken), Some(with("status: pending", "status: completed").as_str()));
    let late = RedisDocument {
        shown: Some(fields(&[("status", "completed")])),
        is_touched: true,
        ..gone(6, Gone::Removed, &[T])
    };
    let late = step(None, None, &late);
    assert_eq!((written(&late), sent(&late), late.rejected.len()), (None, Some("gone"), 1));
}

#[test]
fn a_record_names_no_file_of_something_else() {
    let archived = |path: &str| {
        let there = gone(6, Gone::Archived, &[T]);
        let path = DocPath::new(path).expect("valid");
        RedisDocument { record: there.record.map(|record| RedisRecord { path, ..record }), ..there }
    };
    let agreed = base(5, Some(T), &[]);
    let to = |path| match step(Some(&agreed), Some(T), &archived(path)).plan.file {
        FileAction::Archive { to, .. } => Some(to.to_string()),
        _ => None,
    };
    let own = Some("archive/2025-10/task-1.md".to_owned());
    assert_eq!((to("archive/2025-10/task-1.md"), to("archive/2025-10/task-2.md")), (own.clone(), own));
    assert_eq!(to("archive/2025-10/events-a.md"), None);
    let told = step(None, None, &archived("archive/2025-10/task-2.md"));
    assert_eq!(told.base.map(|base| base.path.to_string()).as_deref(), Some("archive/2025-10/task-1.md"));
    let events = RedisRecord { path: DocPath::new("events-a.md").expect("valid"), ..record(6, T, &[]) };
    let new = step(None, None, &there(events));
    assert!(matches!(new.plan.file, FileAction::Write { path, .. } if path.as_str() == "task-1.md"));
}

#[test]
fn a_record_about_something_else_is_not_believed() {
    for text in [with("id: task-1", "id: task-2"), with("status: pending", "status: odd"), "x".to_owned()] {
        let hostile = RedisRecord { text: Some(text), ..record(7, T, &[]) };
        let step_ =
            step(Some(&base(5, Some(T), &[])), Some(T), &RedisDocument { shown: None, ..there(hostile.clone()) });
        assert_eq!((written(&step_), sent(&step_), step_.rejected.len()), (None, Some(T), 1));
        let step = step(None, None, &RedisDocument { shown: None, ..there(hostile) });
        assert_eq!((written(&step), sent(&step), step.rejected.len()), (None, None, 1));
    }
}
