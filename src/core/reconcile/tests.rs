//! A remote that keeps no text, only fields made from it: what it shows comes from the sync base, from the file, or from a text
//! that is not known here.

use super::*;
use crate::core::document::Document;
use crate::core::name::{DocId, DocPath, Kind};
use crate::core::time::Timestamp;

const T: &str = "---\nid: task-1\nstatus: pending\ntype: t\na: 1\n---\n\n# T\n";

fn with(from: &str, to: &str) -> String {
    T.replace(from, to)
}

fn local(text: &str) -> LocalDocument {
    let path = DocPath::new("task-1.md").expect("valid");
    LocalDocument { path, document: Document::parse(text.as_bytes()) }
}

fn base(text: &str) -> SyncBase {
    let LocalDocument { path, .. } = local(text);
    SyncBase {
        revision: 0,
        text: Some(text.to_owned()),
        path,
        older: Vec::new(),
        former: None,
        before: None,
        gone_ms: None,
    }
}

fn shown(text: RemoteText, edited: Option<&str>) -> RemoteDocument {
    let edit = edited.map(|text| RemoteEdit { document: local(text).document, author: None });
    let content = MirroredDocument {
        text,
        path: local(T).path,
        ancestry: Ancestry::default(),
        edit,
        by: ChangeAuthor::default(),
        needs_refresh: false,
    };
    let version = RemoteVersion { number: 0, token: "seen".to_owned() };
    RemoteDocument { version, content: RemoteContent::Mirrored(Box::new(content)), rejected: Vec::new() }
}

/// What is written into the file, what is sent, the text of the new sync base, and why it is held.
type Planned = (Option<String>, Option<String>, Option<String>, Option<HoldReason>);

fn planned(base: Option<&SyncBase>, here: Option<&str>, there: &RemoteDocument) -> Planned {
    planned_at(HeadMotion::Forward, base, here, there)
}

fn planned_at(head: HeadMotion, base: Option<&SyncBase>, here: Option<&str>, there: &RemoteDocument) -> Planned {
    let (id, here) = (DocId::new("task-1").expect("valid"), here.map(local));
    let context = ReconcileContext {
        kind: Kind::Task,
        id: &id,
        node: "this",
        now: Timestamp::from_unix_ms(1_000),
        seen: None,
        derived: DerivedValues::default(),
        by: None,
        operation: None,
        head,
        before: None,
        archived: None,
    };
    let plan = reconcile(&context, base, here.as_ref(), there);
    let written = match plan.file {
        FileAction::Write { document, .. } => Some(document.text().to_owned()),
        FileAction::Keep => None,
        other => Some(format!("{other:?}")),
    };
    let sent = plan.send.map(|send| match send.content {
        WriteContent::Text { document, .. } => document.text().to_owned(),
        WriteContent::Gone { how, .. } => format!("{how:?}"),
    });
    (written, sent, plan.base.and_then(|base| base.text), plan.held)
}

#[test]
fn a_remote_without_texts_is_judged_by_what_is_known_here() {
    let (edited, done) = (with("a: 1", "a: 2"), with("pending", "completed"));
    let both = done.replace("a: 1", "a: 2");
    let text = |text: &str| Some(text.to_owned());
    let agreed = base(T);
    for (name, here, there, written, sent, new) in [
        ("nothing changed", Some(T), shown(RemoteText::Base, None), None, None, text(T)),
        ("changed here", Some(edited.as_str()), shown(RemoteText::Base, None), None, text(&edited), text(&edited)),
        ("sent, and not remembered", Some(edited.as_str()), shown(RemoteText::Local, None), None, None, text(&edited)),
        ("changed there", Some(T), shown(RemoteText::Base, Some(&done)), text(&done), text(&done), text(&done)),
        (
            "changed on both sides",
            Some(edited.as_str()),
            shown(RemoteText::Base, Some(&done)),
            text(&both),
            text(&both),
            text(&both),
        ),
        (
            "changed after it was sent",
            Some(edited.as_str()),
            shown(RemoteText::Local, Some(&both)),
            text(&both),
            text(&both),
            text(&both),
        ),
        ("removed here", None, shown(RemoteText::Base, None), None, text("Removed"), None),
        (
            "removed here, changed there",
            None,
            shown(RemoteText::Base, Some(&done)),
            text(&done),
            text(&done),
            text(&done),
        ),
    ] {
        assert_eq!(planned(Some(&agreed), here, &there), (written, sent, new, None), "{name}");
    }
    let first = planned(None, Some(T), &shown(RemoteText::Local, None));
    assert_eq!(first, (None, None, text(T), None), "another clone has sent the same");
}

#[test]
fn a_text_of_another_clone_waits_for_git_and_is_not_overwritten() {
    let (agreed, edited) = (base(T), with("a: 1", "a: 2"));
    for here in [Some(T), Some(edited.as_str()), None] {
        let there = shown(RemoteText::Foreign, Some(&with("pending", "completed")));
        let kept = (None, None, Some(T.to_owned()), Some(HoldReason::Foreign));
        assert_eq!(planned(Some(&agreed), here, &there), kept, "{here:?}");
    }
}

#[test]
fn a_remote_without_texts_is_sent_no_text_that_no_file_has() {
    let (newer, done) = (with("a: 1", "a: 2"), with("pending", "completed"));
    let agreed = SyncBase { older: vec![digest(T.as_bytes())], ..base(&newer) };
    let there = shown(RemoteText::Base, Some(&done));
    let held = (None, None, Some(newer), Some(HoldReason::RolledBack));
    assert_eq!(planned_at(HeadMotion::MovedBack, Some(&agreed), Some(T), &there), held);
    // Not either where something else there is to be sent again, such as a text that others changed.
    let again = |edited: Option<&str>| {
        let mut there = shown(RemoteText::Base, edited);
        if let RemoteContent::Mirrored(mirrored) = &mut there.content {
            mirrored.needs_refresh = true;
        }
        planned_at(HeadMotion::MovedBack, Some(&agreed), Some(T), &there)
    };
    assert_eq!(again(Some(&done)), held);
    assert_eq!(again(None).1, held.2);
    let unreadable = with("pending", "odd");
    let (written, sent, _, why) =
        planned(Some(&base(T)), Some(&unreadable), &shown(RemoteText::Base, Some(&with("a: 1", "a: 3"))));
    assert!(written.is_some_and(|text| text.contains("a: 3") && text.contains("odd")));
    assert!(sent.is_none() && matches!(why, Some(HoldReason::Unreadable(_))), "{sent:?} {why:?}");
}
