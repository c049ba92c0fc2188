//! Operations that git puts back before they are committed: each way in which it does so keeps them, says so, and lets them
//! be restored.

use mycelium::diagnostic::Code;
use mycelium::engine::Force;
use mycelium::entity::task::{self, TaskUpdate};
use mycelium::entity::{Priority, TaskStatus};
use mycelium::name::Kind;
use mycelium::services::{CommitReport, Outcome, Passing, Project, Taken};
use tempfile::TempDir;

use super::{git, new_task, open, repository};

const DOCUMENT: &str = ".claude/coordination/task-1.md";

/// A task that is committed, and a rebase that stands still at a conflict in code.
fn stopped_rebase() -> (TempDir, Project) {
    let dir = repository();
    let project = open(&dir, "ann");
    project.operations().create(project.actor(), &new_task(&project, "task-1"), Taken::LookUp).expect("made");
    let commit = |text: &str| {
        std::fs::write(dir.path().join("code"), text).expect("written");
        git(dir.path(), &["add", "code"]);
        git(dir.path(), &["commit", "-q", "-m", text]);
    };
    commit("first\n");
    git(dir.path(), &["checkout", "-q", "-b", "topic"]);
    commit("topic\n");
    git(dir.path(), &["checkout", "-q", "main"]);
    commit("main\n");
    git(dir.path(), &["checkout", "-q", "topic"]);
    may_fail(&dir, &["rebase", "main"]);
    assert!(dir.path().join(".git/rebase-merge").exists(), "the rebase stands still");
    (dir, project)
}

fn may_fail(dir: &TempDir, arguments: &[&str]) {
    let mut git = std::process::Command::new("git");
    git.args(["-c", "user.name=User", "-c", "user.email=user@example.com"]).args(arguments).current_dir(dir.path());
    git.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_EDITOR", "true");
    git.output().expect("git runs");
}

fn note(project: &Project, text: &str) -> Outcome {
    project
        .operations()
        .change(project.actor(), Kind::Task, "task-1", "note", &Passing::default(), &|document| {
            task::note(document, text)
        })
        .expect("noted")
}

fn set(project: &Project, priority: Priority) -> Outcome {
    let update = TaskUpdate { priority: Some(priority), ..TaskUpdate::default() };
    project
        .operations()
        .change(project.actor(), Kind::Task, "task-1", "task.update", &Passing::default(), &|document| {
            task::update(document, &update)
        })
        .expect("set")
}

fn commit(project: &Project) -> CommitReport {
    project.commits().commit_all(Force::No).expect("commits")
}

fn text(dir: &TempDir) -> String {
    std::fs::read_to_string(dir.path().join(DOCUMENT)).unwrap_or_default()
}

/// The ids of the operations that can be restored.
fn kept(project: &Project) -> Vec<String> {
    project.history().put_back_operations().expect("listed").iter().map(|one| one.id.to_string()).collect()
}

#[test]
fn whatever_git_does_to_the_documents_before_the_commit_is_kept_and_can_be_restored() {
    let ways: [(&str, &[&[&str]]); 8] = [
        ("rebase --abort", &[&["rebase", "--abort"]]),
        ("rebase --skip", &[&["rebase", "--skip"]]),
        ("checkout -- .", &[&["checkout", "--", ".claude"], &["rebase", "--abort"]]),
        ("restore", &[&["restore", ".claude"], &["rebase", "--abort"]]),
        ("reset --hard", &[&["reset", "-q", "--hard"], &["rebase", "--abort"]]),
        ("stash", &[&["add", "code"], &["stash", "push", "-q", "--", ".claude"], &["rebase", "--continue"]]),
        ("checkout -f", &[&["checkout", "-q", "-f", "main"], &["rebase", "--quit"]]),
        ("rm", &[&["rm", "-q", "-f", DOCUMENT], &["rebase", "--abort"]]),
    ];
    for (way, commands) in ways {
        let (dir, project) = stopped_rebase();
        let outcome = note(&project, "IMPORTANT");
        assert!(outcome.committed.is_none() && outcome.waiting.is_some(), "{way}: it waits");
        let id = outcome.operation.expect("an operation").to_string();
        for command in commands {
            may_fail(&dir, command);
        }
        assert!(!text(&dir).contains("IMPORTANT"), "{way}: git has put it back");
        // Who only looks is told before anything is kept, in the words that come after, and nothing is written for it.
        let looked = project.history().put_back_findings().expect("looked");
        assert_eq!(looked.len(), 1, "{way}: {looked:?}");
        assert_eq!(kept(&project), Vec::<String>::new(), "{way}");
        let report = commit(&project);
        let findings: Vec<_> = report.done.findings.iter().filter(|one| one.code == Code::PutBack).collect();
        assert_eq!(findings, looked.iter().collect::<Vec<_>>(), "{way}");
        assert!(findings[0].message.contains(&id) && findings[0].message.contains("task.note, ann"), "{way}");
        assert!(!text(&dir).contains("IMPORTANT"), "{way}: it is never written back by itself");
        let checked = project
            .maintenance()
            .check(&project.documents().snapshot(mycelium::services::Scope::All).expect("read"))
            .expect("checked");
        assert!(checked.iter().any(|one| one.code == Code::PutBack), "{way}");
        assert_eq!(kept(&project), [id.as_str()], "{way}");
        git(dir.path(), &["gc", "-q", "--prune=now"]);
        git(dir.path(), &["fsck", "--strict"]);
        assert!(git(dir.path(), &["show", &format!("refs/mycelium/put-back/{id}")]).contains("+- "), "{way}");

        let (chosen, unknown) = project.history().restorable().expect("listed").select(std::slice::from_ref(&id));
        assert_eq!(unknown, Vec::<String>::new(), "{way}");
        let done = project.history().restore(&chosen).expect("restored");
        assert!(done.committed.is_some() && done.dropped.len() == 1, "{way}: {done:?}");
        assert!(text(&dir).contains("IMPORTANT"), "{way}");
        assert_eq!(kept(&project), Vec::<String>::new(), "{way}");
        assert_eq!(git(dir.path(), &["for-each-ref", "refs/mycelium"]), "", "{way}");
    }
}

#[test]
fn what_comes_back_by_itself_or_was_committed_is_not_reported() {
    // A stash that is popped before anything looks.
    let (dir, project) = stopped_rebase();
    note(&project, "IMPORTANT");
    // Git stashes nothing while a file is in conflict.
    may_fail(&dir, &["add", "code"]);
    may_fail(&dir, &["stash", "push", "-q", "--", ".claude"]);
    may_fail(&dir, &["rebase", "--abort"]);
    may_fail(&dir, &["stash", "pop", "-q"]);
    assert_eq!(commit(&project).done.findings, []);
    assert_eq!(kept(&project), Vec::<String>::new());

    // One that is popped after it was reported: nothing is missing any more, and nothing is kept once it is committed.
    let (dir, project) = stopped_rebase();
    note(&project, "IMPORTANT");
    // Git stashes nothing while a file is in conflict.
    may_fail(&dir, &["add", "code"]);
    may_fail(&dir, &["stash", "push", "-q", "--", ".claude"]);
    may_fail(&dir, &["rebase", "--abort"]);
    commit(&project);
    assert_eq!(kept(&project).len(), 1);
    may_fail(&dir, &["stash", "pop", "-q"]);
    assert_eq!(kept(&project), Vec::<String>::new());
    commit(&project);
    assert_eq!(git(dir.path(), &["for-each-ref", "refs/mycelium"]), "");
    set(&project, Priority::Low);
    assert_eq!(kept(&project), Vec::<String>::new(), "a later change of the same document is no loss");

    // A person who commits it, with an edit of their own beside it.
    let (dir, project) = stopped_rebase();
    note(&project, "IMPORTANT");
    assert_eq!(project.history().put_back_findings().expect("looked"), [], "it is in the document");
    std::fs::write(dir.path().join(DOCUMENT), text(&dir) + "- by hand\n").expect("written");
    std::fs::write(dir.path().join("code"), "both\n").expect("written");
    git(dir.path(), &["add", "."]);
    may_fail(&dir, &["rebase", "--continue"]);
    assert_eq!(commit(&project).done.findings, []);
    assert!(text(&dir).contains("IMPORTANT"));
    assert_eq!(kept(&project), Vec::<String>::new());
}

#[test]
fn what_later_operations_undid_is_not_reported() {
    let (dir, ann) = stopped_rebase();
    let ben = open(&dir, "ben");
    let claim = TaskUpdate { status: Some(TaskStatus::Running), ..TaskUpdate::default() };
    let release = TaskUpdate { status: Some(TaskStatus::Pending), ..TaskUpdate::default() };
    for (agent, update) in [(&ann, &claim), (&ann, &release), (&ben, &claim), (&ben, &release)] {
        agent
            .operations()
            .change(agent.actor(), Kind::Task, "task-1", "update", &Passing::default(), &|document| {
                task::update(document, update)
            })
            .expect("changed");
    }
    // One agent undoes what the other did.
    set(&ann, Priority::High);
    set(&ben, Priority::Normal);
    // A new task, edited by a person and removed.
    ann.operations().create(ann.actor(), &new_task(&ann, "task-2"), Taken::LookUp).expect("made");
    let file = dir.path().join(".claude/coordination/task-2.md");
    let text = std::fs::read_to_string(&file).expect("there");
    std::fs::write(&file, text + "\nA line.\n").expect("written");
    let removed = ben.operations().remove(ben.actor(), Kind::Task, "task-2").expect("removed");
    assert!(removed.waiting.is_some(), "nothing is committed yet");
    // Ends the rebase without a change of any file.
    may_fail(&dir, &["rebase", "--quit"]);
    assert_eq!(ann.history().put_back_findings().expect("looked"), []);
    assert_eq!(commit(&ann).done.findings, []);
    assert_eq!(git(dir.path(), &["for-each-ref", "refs/mycelium"]), "");
}

#[test]
fn several_operations_come_back_in_their_order_beside_what_was_written_since() {
    let (dir, project) = stopped_rebase();
    note(&project, "first");
    set(&project, Priority::High);
    note(&project, "second");
    may_fail(&dir, &["rebase", "--abort"]);
    note(&project, "since");
    assert_eq!(kept(&project).len(), 3);
    let finding = &project.history().put_back_findings().expect("looked")[0];
    assert!(finding.hint.as_deref().is_some_and(|hint| hint.contains("mycelium restore task-1")), "{finding:?}");

    let (chosen, _) = project.history().restorable().expect("listed").select(&["task-1".to_owned()]);
    let done = project.history().restore(&chosen).expect("restored");
    assert!(done.documents.iter().all(|one| one.conflicts.is_empty()), "{done:?}");
    let now = text(&dir);
    for part in ["first", "second", "since", "priority: high"] {
        assert!(now.contains(part), "{part}: {now}");
    }
    assert_eq!(kept(&project), Vec::<String>::new());
}

#[test]
fn many_operations_are_kept_by_one_call_of_git() {
    const NOTES: usize = 60;
    let (dir, project) = stopped_rebase();
    for n in 0..NOTES {
        note(&project, &format!("note {n}"));
    }
    may_fail(&dir, &["rebase", "--abort"]);
    commit(&project);
    assert_eq!(project.history().put_back_findings().expect("looked").len(), 1);
    assert_eq!(kept(&project).len(), NOTES);
    // A pack is written for many objects at once, and for those of a single operation it never is.
    assert!(git(dir.path(), &["count-objects", "-v"]).contains("packs: 1\n"), "one pack for all");
    let all = project.history().restorable().expect("listed");
    project.history().restore(&all).expect("restored");
    let text = text(&dir);
    let at = |n: usize| text.find(&format!("note {n}\n")).expect("it is there");
    assert!((1..NOTES).all(|n| at(n - 1) < at(n)), "in their order: {text}");
}

#[test]
fn what_only_a_person_can_merge_is_left_and_named() {
    let (dir, project) = stopped_rebase();
    set(&project, Priority::High);
    may_fail(&dir, &["rebase", "--abort"]);
    set(&project, Priority::Low);
    let (chosen, _) = project.history().restorable().expect("listed").select(&["1".to_owned()]);
    let before = text(&dir);
    let done = project.history().restore(&chosen).expect("tried");
    let [one] = &done.documents[..] else { panic!("one document: {done:?}") };
    assert!(!one.conflicts.is_empty() && one.reference.is_some() && done.dropped.is_empty(), "{done:?}");
    assert_eq!(text(&dir), before, "no markers in a document that agents work on");
    assert_eq!(kept(&project).len(), 1);

    project.history().dismiss(&chosen.operations).expect("dismissed");
    assert_eq!(project.history().put_back_findings().expect("looked"), []);
    assert_eq!(git(dir.path(), &["for-each-ref", "refs/mycelium"]), "");
}

#[test]
fn new_and_removed_documents_come_back_and_go_again() {
    let (dir, project) = stopped_rebase();
    project.operations().create(project.actor(), &new_task(&project, "task-2"), Taken::LookUp).expect("made");
    project.operations().remove(project.actor(), Kind::Task, "task-1").expect("removed");
    may_fail(&dir, &["clean", "-q", "-fd", ".claude"]);
    may_fail(&dir, &["checkout", "--", "."]);
    may_fail(&dir, &["rebase", "--abort"]);
    assert!(!dir.path().join(".claude/coordination/task-2.md").exists() && dir.path().join(DOCUMENT).exists());
    commit(&project);
    assert_eq!(kept(&project).len(), 2);
    let all = project.history().restorable().expect("listed");
    let done = project.history().restore(&all).expect("restored");
    assert_eq!(done.dropped.len(), 2, "{done:?}");
    assert!(dir.path().join(".claude/coordination/task-2.md").exists() && !dir.path().join(DOCUMENT).exists());
    assert!(done.committed.is_some());
}

#[test]
fn a_document_that_was_removed_from_the_folder_comes_back_whole() {
    let (dir, project) = stopped_rebase();
    may_fail(&dir, &["rebase", "--abort"]);
    let before = text(&dir);
    std::fs::remove_file(dir.path().join(DOCUMENT)).expect("removed");
    let all = project.history().restorable().expect("listed");
    assert_eq!(all.removed.len(), 1);
    project.history().restore(&all.select(&["task-1".to_owned()]).0).expect("restored");
    assert_eq!(text(&dir), before);
    // One that an operation removed is not missing.
    project.operations().remove(project.actor(), Kind::Task, "task-1").expect("removed");
    assert!(project.history().restorable().expect("listed").removed.is_empty());
}

#[test]
fn a_claim_is_not_brought_back_over_the_one_who_has_the_task_now() {
    let (dir, ann) = stopped_rebase();
    let run = TaskUpdate { status: Some(TaskStatus::Running), ..TaskUpdate::default() };
    ann.operations()
        .change(ann.actor(), Kind::Task, "task-1", "update", &Passing::default(), &|document| {
            task::update(document, &run)
        })
        .expect("claimed");
    may_fail(&dir, &["rebase", "--abort"]);
    commit(&ann);
    assert_eq!(kept(&ann).len(), 1);
    // Another work tree has it by now.
    let other = TempDir::new().expect("a folder");
    let place = other.path().join("w");
    git(dir.path(), &["worktree", "add", "-q", "-b", "other", place.to_str().expect("a name")]);
    let opening = mycelium::services::Opening {
        root: Some(place),
        agent: mycelium::name::AgentName::new("ben").ok(),
        flags: Vec::new(),
    };
    let ben = Project::open(opening).expect("opens");
    assert_eq!(ben.history().put_back_findings().expect("looked"), [], "it was put back in the other work tree");
    assert!(ben.history().restorable().expect("listed").operations.iter().all(|one| one.elsewhere.is_some()));
    let ask = Passing { over: mycelium::lease::Override::Steal, fence: None };
    ben.operations()
        .change(ben.actor(), Kind::Task, "task-1", "update", &ask, &|document| task::update(document, &run))
        .expect("taken over");
    let error = ann.history().restore(&ann.history().restorable().expect("listed")).expect_err("ben has it");
    assert!(matches!(error, mycelium::services::Error::ClaimLost(_)), "{error}");
    assert!(text(&dir).contains("status: pending"));
}

#[test]
fn what_cannot_be_kept_stays_in_the_journal() {
    let (dir, project) = stopped_rebase();
    note(&project, "IMPORTANT");
    may_fail(&dir, &["rebase", "--abort"]);
    let refs = dir.path().join(".git/refs/mycelium");
    std::fs::write(&refs, "in the way").expect("written");
    let report = commit(&project);
    assert!(report.done.findings.iter().any(|one| one.message.contains("could not be kept yet")), "{report:?}");
    std::fs::remove_file(&refs).expect("removed");
    commit(&project);
    assert_eq!(kept(&project).len(), 1);
}
