//! What is ready, waits and is blocked, as tables.

use super::*;
use crate::core::snapshot::fixture::snapshot;

fn ids(tasks: &[&Task]) -> Vec<String> {
    tasks.iter().map(|task| task.id.to_string()).collect()
}

#[test]
fn ready_tasks_come_by_urgency_then_age() {
    let snapshot = snapshot(&[
        ("task-a.md", "id: task-a\nstatus: completed"),
        ("task-b.md", "id: task-b\nstatus: pending\ndepends_on: [a]\ncreated: 2025-02-01"),
        ("task-c.md", "id: task-c\nstatus: pending\ndepends_on: [task-b]"),
        ("task-d.md", "id: task-d\nstatus: pending\ncreated: 2025-01-01"),
        ("task-e.md", "id: task-e\nstatus: pending\npriority: critical"),
        ("task-f.md", "id: task-f\nstatus: pending\ndepends_on: [nobody, task-g, task-h]"),
        ("task-g.md", "id: task-g\nstatus: completed\nreview: required\nassigned_to: x\napproved: x"),
        ("task-h.md", "id: task-h\nstatus: odd"),
        ("task-i.md", "id: task-i\nstatus: pending"),
    ]);
    assert_eq!(ids(&snapshot.ready_tasks()), ["task-e", "task-d", "task-b", "task-i"]);
    let task = snapshot.find(None, "task-f").expect("there").task().expect("a task");
    let why: Vec<_> = snapshot.blockers(task).into_iter().map(|blocker| blocker.why).collect();
    assert_eq!(why, [Wait::Missing, Wait::Unapproved, Wait::Unreadable]);
    let dependents: Vec<_> =
        snapshot.dependents(&DocId::new("task-a").expect("valid")).iter().map(|entry| entry.path.to_string()).collect();
    assert_eq!(dependents, ["task-b.md"]);
}

fn told(queue: &Queue, snapshot: &Snapshot) -> Vec<String> {
    let line = |task: &Task| {
        let root = queue.root(&task.id).map_or_else(String::new, |root| format!(" {:?} {}", root.cause, root.path));
        format!("{} {}{root}", task.id, queue.outlook(task).word())
    };
    snapshot.tasks().map(line).collect()
}

#[test]
fn what_cannot_become_ready_by_itself_is_blocked_down_to_the_root() {
    let task = |id: &str, status: &str, on: &str| {
        (format!("task-{id}.md"), format!("id: {id}\nstatus: {status}\ndepends_on: [{on}]"))
    };
    let files = [
        task("a", "failed", ""),
        task("b", "pending", "a"),
        task("c", "pending", "b, r"),
        task("d", "pending", "r"),
        task("e", "pending", "c, nobody"),
        task("l", "pending", "m"),
        task("m", "pending", "n"),
        task("n", "pending", "m"),
        task("r", "running", "a"),
        task("s", "pending", "s"),
        task("t", "pending", "d"),
        task("u", "completed", "a"),
        task("v", "pending", "u"),
    ];
    let files: Vec<_> = files.iter().map(|(path, keys)| (path.as_str(), keys.as_str())).collect();
    let snapshot = snapshot(&files);
    let expected = [
        "a failed",
        "b blocked Failed b → a",
        "c blocked Failed c → b → a",
        "d waiting",
        "e blocked Missing e → nobody",
        "l blocked Circle l → m → n → m",
        "m blocked Circle m → n → m",
        "n blocked Circle n → m → n",
        "r running",
        "s blocked Circle s → s",
        "t waiting",
        "u completed",
        "v ready",
    ];
    assert_eq!(told(&snapshot.queue(), &snapshot), expected);
}

#[test]
fn a_task_whose_id_stands_twice_is_not_given_out() {
    let snapshot = snapshot(&[
        ("task-a.md", "id: task-a\nstatus: pending"),
        ("task-copy.md", "id: task-a\nstatus: pending"),
        ("task-b.md", "id: task-b\nstatus: pending\ndepends_on: [task-a]"),
        ("archive/2025-10/task-old.md", "id: task-old\nstatus: pending"),
    ]);
    let queue = snapshot.queue();
    assert_eq!(ids(&queue.ready()), [] as [&str; 0]);
    assert_eq!(queue.root(&DocId::new("task-b").expect("valid")).map(|root| root.cause), Some(Cause::Duplicate));
    assert_eq!(queue.with(Outlook::Blocked).len(), 3);
}

#[test]
fn what_states_something_unusable_is_blocked_with_all_that_wait_for_it() {
    let snapshot = snapshot(&[
        ("task-a.md", "id: task-a\nstatus: pending\ndepends_on: task-x, task-y"),
        ("task-b.md", "id: task-b\nstatus: pending\nassigned_to: [ann, ben]"),
        ("task-c.md", "id: task-c\nstatus: pending\nreview: maybe\ndepends_on: [task-r]"),
        ("task-d.md", "id: task-d\nstatus: pending\napproved: {by: ann}"),
        ("task-e.md", "id: task-e\nstatus: pending\ndepends_on: [task-a]"),
        ("task-f.md", "id: task-f\nstatus: pending\ndepends_on: [task-c]"),
        ("task-r.md", "id: task-r\nstatus: running\nassigned_to: [ann]"),
        ("task-w.md", "id: task-w\nstatus: pending\nworkflow: w"),
        ("workflow-w.md", "id: w\nstatus: running\ntasks: {a: b}"),
    ]);
    let queue = snapshot.queue();
    let expected = [
        "task-a blocked Unusable task-a",
        "task-b blocked Unusable task-b",
        "task-c blocked Unusable task-c",
        "task-d blocked Unusable task-d",
        "task-e blocked Unusable task-e → task-a",
        "task-f blocked Unusable task-f → task-c",
        "task-r running",
        "task-w ready",
    ];
    assert_eq!(told(&queue, &snapshot), expected);
    assert_eq!(ids(&snapshot.ready_tasks()), ["task-w"]);
    assert_eq!(snapshot.tasks().filter(|task| snapshot.ready(task)).count(), 1);
}

#[test]
fn a_result_counts_only_where_no_approval_is_missing() {
    // Review and approval of a completed task that bob did; whether those that wait for it may start.
    for (keys, ready) in [
        ("", true),
        ("review: none", true),
        ("review: false", true),
        ("review: required", false),
        ("review: true", false),
        ("review: yes", false),
        ("review: Required", false),
        ("review: maybe", false),
        ("review: [required]", false),
        ("review: required\napproved: bob", false),
        ("review: required\napproved: ann", true),
        ("review: required\napproved: bob (self)", true),
        ("review: maybe\napproved: ann", true),
        ("review: required\napproved: false", false),
        ("review: required\napproved: true", false),
        ("review: required\napproved: yes", false),
        ("review: required\napproved: pending", false),
        ("review: required\napproved: 0", false),
        ("review: required\napproved: none", false),
        ("review: required\napproved: [ann]", false),
        ("approved: false", false),
        ("approved: [ann]", false),
        ("approved: ann", true),
        ("review: none\napproved: false", true),
    ] {
        let done = format!("id: task-a\nstatus: completed\nclaimed_by: bob\n{keys}");
        let after = "id: task-b\nstatus: pending\ndepends_on: [task-a]";
        let snapshot = snapshot(&[("task-a.md", &done), ("task-b.md", after)]);
        assert_eq!(snapshot.ready_tasks().len(), usize::from(ready), "{keys}");
    }
}

#[test]
fn words_of_a_body_count_by_the_tasks_that_exist() {
    // The body; the tasks that task-w waits for.
    for (body, waits) in [
        ("- [ ] task-1", vec!["task-1"]),
        ("- task-1, task-2", vec!["task-1", "task-2"]),
        ("task-1 must be done, and so must task-2.", vec!["task-1", "task-2"]),
        ("| Task |\n|---|\n| task-1 |\n| prep |", vec!["task-1", "prep"]),
        ("needs prep first", vec![]),
        ("needs `prep` first", vec!["prep"]),
        ("- prep first", vec!["prep"]),
        ("[prep](x)", vec!["prep"]),
        ("- No dependencies", vec![]),
        ("- Python 3.11 or newer", vec![]),
        ("- task-9", vec!["task-9"]),
        ("see task-9 there", vec!["task-9"]),
        ("- task-9 - COMPLETED", vec![]),
        ("- [x] task-9", vec![]),
        ("- [x] task-1", vec!["task-1"]),
        ("- task-lost", vec![]),
        ("this is not task-1", vec!["task-1"]),
    ] {
        let file = |path: &str, text: String| {
            (
                crate::core::name::DocPath::new(path).expect("valid"),
                crate::core::document::Document::parse(text.into_bytes()),
            )
        };
        let task = |id: &str, body: &str| format!("---\nid: {id}\ntype: t\nstatus: pending\n---\n{body}\n");
        let snapshot = Snapshot::from_documents([
            file("task-1.md", task("task-1", "")),
            file("task-2.md", task("task-2", "")),
            file("task-prep.md", task("prep", "")),
            file("task-w.md", task("task-w", &format!("# W\n\n## Dependencies\n\n{body}"))),
        ]);
        let task = snapshot.find(None, "task-w").expect("there").task().expect("a task");
        let found: Vec<_> = snapshot.blockers(task).into_iter().map(|blocker| blocker.id.to_string()).collect();
        assert_eq!(found, waits, "{body}");
        assert_eq!(snapshot.queue().outlook(task) == Outlook::Ready, waits.is_empty(), "{body}");
    }
}

#[test]
fn a_long_chain_is_told_in_one_pass() {
    const LENGTH: usize = 20_000;
    let files = (0..LENGTH).map(|n| {
        let on = if n == 0 { "nobody".to_owned() } else { format!("t{:06}", n - 1) };
        let text = format!("---\nid: t{n:06}\ntype: t\nstatus: pending\ndepends_on: [{on}]\n---\n");
        let path = crate::core::name::DocPath::new(format!("task-t{n:06}.md")).expect("valid");
        (path, crate::core::document::Document::parse(text.into_bytes()))
    });
    let snapshot = Snapshot::from_documents(files);
    let queue = snapshot.queue();
    assert_eq!(queue.with(Outlook::Blocked).len(), LENGTH);
    let last = DocId::new(format!("t{:06}", LENGTH - 1)).expect("valid");
    assert_eq!(queue.root(&last).map(|root| root.path.length()), Some(LENGTH + 1));
}
