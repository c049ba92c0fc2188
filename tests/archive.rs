//! The archive on real repositories, judged by git: what goes, what stays, and that nobody misses anything afterwards.
#![allow(clippy::disallowed_methods, reason = "tests touch files and look at the clock")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::fs::File;
use std::time::{Duration, Instant, SystemTime};

use mycelium::archive::Stay;
use mycelium::document::Document;
use mycelium::entity::{Refusal, task};
use mycelium::name::{DocPath, Kind};
use mycelium::operation::{Passing, Request, TaskChange};
use mycelium::services::{Archived, Error, Opening, Outcome, Project, Run, Scope, Together, Wanted};
use mycelium::snapshot::{Entry, Snapshot};
use proptest::prelude::*;

#[path = "support/mod.rs"]
mod support;

use support::{FOLDER, Sandbox, sized};

const DAY: Duration = Duration::from_secs(86_400);

fn open(sandbox: &Sandbox, flags: &[(&str, &str)]) -> Project {
    let flags = flags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Project::open(Opening { root: Some(sandbox.root().to_owned()), agent: None, flags }).unwrap()
}

fn archive(project: &Project, wanted: Wanted<'_>, older: Option<Duration>, run: Run) -> Result<Archived, Error> {
    project.operations().archive(project.actor(), wanted, older, run)
}

fn write(sandbox: &Sandbox, id: &str, status: &str, more: &str) {
    let text =
        format!("---\nid: {id}\nstatus: {status}\ntype: t\ncreated: 2025-10-17T00:00:00Z\n{more}---\n\n# {id}\n");
    sandbox.write(&format!("{FOLDER}/{id}.md"), &text);
}

/// Sets when a document was saved last.
fn age(sandbox: &Sandbox, id: &str, age: Duration) {
    let file = File::options().write(true).open(sandbox.path(&format!("{FOLDER}/{id}.md"))).unwrap();
    file.set_modified(SystemTime::now() - age).unwrap();
}

fn commit(sandbox: &Sandbox, date: Option<&str>) {
    sandbox.git(&["add", "-A"]);
    let mut command = sandbox.command("git");
    command.args(["commit", "-qm", "by hand"]);
    match date {
        Some(date) => command.env("GIT_AUTHOR_DATE", date).env("GIT_COMMITTER_DATE", date),
        None => command.env_remove("GIT_AUTHOR_DATE").env_remove("GIT_COMMITTER_DATE"),
    };
    assert!(command.status().unwrap().success());
}

fn went(project: &Project, older: Duration) -> Vec<String> {
    let done = archive(project, Wanted::Finished, Some(older), Run::Dry).unwrap();
    done.moved.into_iter().map(|one| one.id).collect()
}

#[test]
fn many_go_at_once_as_one_commit_of_renames_and_are_found_as_before() {
    let many = sized("MYCELIUM_ARCHIVED", 1_200, 10_000);
    let sandbox = Sandbox::new();
    for n in 0..many {
        let month = n % 12 + 1;
        let text = format!(
            "---\r\nid: task-{n}\r\nstatus: completed # done\r\ntype: t\r\ncreated: 2025-{month:02}-17T00:00:00Z\r\n---\r\nno end {n}"
        );
        sandbox.write(&format!("{FOLDER}/task-{n}.md"), &text);
    }
    write(&sandbox, "task-live", "pending", "depends_on: [task-1, task-2]\n");
    commit(&sandbox, None);
    let project = open(&sandbox, &[]);
    let before = project.documents().snapshot(Scope::All).unwrap();
    let began = Instant::now();
    let done = archive(&project, Wanted::Finished, Some(Duration::ZERO), Run::Real).unwrap();
    #[allow(clippy::print_stdout, reason = "a figure for whoever looks")]
    {
        println!("measured: {many} documents archived and committed in {:?}", began.elapsed());
    }
    assert_eq!((done.moved.len(), done.kept.len(), &done.waiting), (many, 0, &None));
    assert_eq!(done.operations.len(), many.div_ceil(1_000));
    assert_eq!(sandbox.git(&["rev-parse", "HEAD"]), done.committed.unwrap().to_string());
    assert_eq!(sandbox.git(&["rev-list", "--count", "HEAD"]), "3", "one commit");
    let renames = sandbox.git(&["diff", "--name-status", "--find-renames=100%", "-l0", "HEAD~1", "HEAD"]);
    assert!(renames.lines().all(|line| line.starts_with("R100\t")), "{renames}");
    assert_eq!(renames.lines().count(), many);
    assert_eq!(sandbox.git(&["status", "--porcelain"]), "");
    sandbox.git(&["fsck", "--strict"]);
    assert_eq!(sandbox.documents(), ["archive", "task-live.md"]);
    for n in (0..many).step_by(7) {
        let found = project.documents().find(Some(Kind::Task), &format!("task-{n}")).unwrap();
        assert_eq!(found.path.as_str(), format!("archive/2025-{:02}/task-{n}.md", n % 12 + 1));
        let old = before.get(&DocPath::new(format!("task-{n}.md")).unwrap()).unwrap();
        assert_eq!(found.document.bytes(), old.document.bytes(), "to the byte");
    }
    let named = project.documents().snapshot(Scope::Named).unwrap();
    assert!(named.ready(named.tasks().find(|task| task.id.as_str() == "task-live").unwrap()), "dependencies count");
    let again = archive(&project, Wanted::Finished, Some(Duration::ZERO), Run::Real).unwrap();
    assert!(again.moved.is_empty() && again.operations.is_empty());
}

#[test]
fn quiet_is_what_neither_the_file_nor_its_history_has_seen_change() {
    let sandbox = Sandbox::new();
    for id in ["task-old", "task-young", "task-saved", "task-committed"] {
        write(&sandbox, id, "completed", "");
    }
    commit(&sandbox, Some("2025-11-01T00:00:00Z"));
    write(&sandbox, "task-new", "completed", "");
    write(&sandbox, "task-aged", "completed", "");
    age(&sandbox, "task-aged", 8 * DAY);
    // Git has just written this one, as after a clone; and these have been changed since.
    age(&sandbox, "task-old", 8 * DAY);
    write(&sandbox, "task-saved", "completed", "x: 1\n");
    write(&sandbox, "task-committed", "completed", "x: 1\n");
    sandbox.git(&["add", &format!("{FOLDER}/task-committed.md")]);
    sandbox.git(&["-c", "user.name=x", "commit", "-qm", "x", "--date", "2025-01-01T00:00:00Z"]);
    let mut command = sandbox.command("git");
    command.args(["commit", "-q", "--amend", "--no-edit"]).env_remove("GIT_COMMITTER_DATE");
    assert!(command.status().unwrap().success());
    let project = open(&sandbox, &[]);
    assert_eq!(went(&project, 7 * DAY), ["task-aged", "task-old", "task-young"]);
    assert_eq!(went(&project, 9 * DAY), ["task-old", "task-young"], "by history");
    assert_eq!(went(&project, 100 * 365 * DAY), [""; 0]);
    assert_eq!(went(&project, Duration::ZERO).len(), 6);
    let named = ["task-new".to_owned()];
    let stays = archive(&project, Wanted::These(&named), Some(DAY), Run::Real).unwrap_err();
    assert!(matches!(&stays, Error::Stays { why, .. } if **why == Stay::Restless), "{stays:?}");
    let plain = open(&sandbox, &[("markdown.folder", FOLDER)]);
    assert_eq!(archive(&plain, Wanted::These(&named), None, Run::Dry).unwrap().moved.len(), 1, "named is asked for");
}

#[test]
fn a_whole_id_means_its_document_whatever_else_begins_so() {
    let sandbox = Sandbox::new();
    for id in ["task-1", "task-11", "task-x", "task-x1", "task-x2"] {
        write(&sandbox, id, "completed", "");
    }
    write(&sandbox, "task-alone", "pending", "");
    let project = open(&sandbox, &[]);
    let path = |id: &str| {
        project.documents().find(None, id).map(|found| found.path.to_string()).map_err(|error| error.to_string())
    };
    let ids = ["task-1".to_owned(), "task-x".to_owned()];
    archive(&project, Wanted::These(&ids), None, Run::Real).unwrap();
    assert_eq!(path("task-1"), Ok("archive/2025-10/task-1.md".into()), "not the one live document that begins so");
    assert_eq!(path("task-x"), Ok("archive/2025-10/task-x.md".into()), "nor one of two");
    assert_eq!(path("x"), Ok("archive/2025-10/task-x.md".into()));
    assert_eq!(path("x1"), Ok("task-x1.md".into()));
    assert_eq!(path("al"), Ok("task-alone.md".into()));
    archive(&project, Wanted::Finished, Some(Duration::ZERO), Run::Real).unwrap();
    assert_eq!(path("task-1"), Ok("archive/2025-10/task-1.md".into()));
    assert_eq!(path("task-11"), Ok("archive/2025-10/task-11.md".into()));
    assert_eq!(path("y"), Err("no document `y`".into()));
}

#[test]
fn two_clones_archive_the_same_at_different_times_and_merge_clean() {
    let sandbox = Sandbox::new();
    for n in 0..40 {
        write(&sandbox, &format!("task-{n}"), "completed", "");
    }
    commit(&sandbox, None);
    let other = Sandbox::without_git();
    sandbox.git(&["clone", "-q", ".", other.root().to_str().unwrap()]);
    for (one, from) in [(&sandbox, 0), (&other, 20)] {
        let ids: Vec<String> = (from..from + 20).map(|n| format!("task-{n}")).collect();
        archive(&open(one, &[]), Wanted::These(&ids), None, Run::Real).unwrap();
    }
    // Both have archived these, each in its own time.
    for one in [&sandbox, &other] {
        archive(&open(one, &[]), Wanted::Finished, Some(Duration::ZERO), Run::Real).unwrap();
    }
    other.git(&["pull", "-q", "--no-rebase", "--no-edit"]);
    let files = other.git(&["ls-files", "--", FOLDER]);
    assert_eq!(files.lines().count(), 40);
    assert!(files.lines().all(|file| file.contains("/archive/2025-10/")), "{files}");
}

fn change(
    project: &Project,
    id: &str,
    verb: &'static str,
    edit: &(dyn Fn(&Document) -> Result<Document, Refusal> + Sync),
) -> Result<Outcome, Error> {
    project.operations().change(project.actor(), Kind::Task, id, verb, &Passing::default(), edit)
}

#[test]
fn nothing_is_lost_where_others_write_what_is_being_archived() {
    const TASKS: usize = 12;
    let sandbox = Sandbox::new();
    (0..TASKS).for_each(|n| write(&sandbox, &format!("task-{n}"), "completed", ""));
    commit(&sandbox, None);
    let flags = [("commit.auto", "false"), ("markdown.durability", "off")];
    let rounds = sized("MYCELIUM_ARCHIVE_ROUNDS", 4, 40);
    let written: Vec<(String, String)> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..3)
            .map(|writer| {
                let sandbox = &sandbox;
                scope.spawn(move || {
                    let project = open(sandbox, &flags);
                    let mut written = Vec::new();
                    for n in 0..rounds * TASKS {
                        let (id, note) = (format!("task-{}", n % TASKS), format!("note {writer}-{n}"));
                        // It may have gone between look-up and write: then it is looked up again.
                        for _ in 0..1_000 {
                            match change(&project, &id, "note", &|document| task::note(document, &note)) {
                                Ok(_) => {
                                    written.push((id.clone(), note.clone()));
                                    break;
                                }
                                Err(Error::Gone { .. } | Error::Find(_)) => {}
                                Err(error) => panic!("{error}"),
                            }
                        }
                    }
                    written
                })
            })
            .collect();
        let project = open(&sandbox, &flags);
        for _ in 0..rounds {
            archive(&project, Wanted::Finished, Some(Duration::ZERO), Run::Real).unwrap();
            for n in 0..TASKS {
                let id = format!("task-{n}");
                let back = change(&project, &id, "reopen", &task::reopen);
                assert!(
                    matches!(back, Ok(_) | Err(Error::Gone { .. } | Error::Refused { .. } | Error::Find(_))),
                    "{back:?}"
                );
                let finish = |document: &Document| {
                    let update = |status| task::TaskUpdate { status: Some(status), ..task::TaskUpdate::default() };
                    let running = task::update(document, &update(mycelium::entity::TaskStatus::Running))?;
                    task::complete(&running, None)
                };
                let _ = change(&project, &id, "complete", &finish);
            }
        }
        writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect()
    });
    assert_eq!(written.len(), 3 * rounds * TASKS, "every note was written in the end");
    let all = open(&sandbox, &flags).documents().snapshot(Scope::All).unwrap();
    assert_eq!(all.of_kind(Kind::Task).count(), TASKS, "each lies in one place");
    for (id, note) in written {
        let entry = all.find(Some(Kind::Task), &id).unwrap();
        let found = entry.document.text().matches(&format!("- {note}\n")).count();
        assert_eq!(found, 1, "{note} of {id}:\n{}", entry.document.text());
    }
}

#[test]
fn a_task_that_a_merge_leaves_unfinished_in_the_archive_is_told_and_comes_back() {
    let sandbox = Sandbox::new();
    write(&sandbox, "task-1", "completed", "");
    commit(&sandbox, None);
    sandbox.git(&["switch", "-qc", "other"]);
    sandbox.mycelium(&["task", "reopen", "task-1"]).ok();
    sandbox.git(&["switch", "-q", "main"]);
    sandbox.mycelium(&["archive", "task-1"]).ok();
    sandbox.git(&["merge", "-q", "--no-edit", "other"]);
    let checked = sandbox.mycelium(&["check"]);
    assert!(checked.stdout.contains("MYC211") && checked.stdout.contains("task-1.md:3:9"), "{checked:?}");
    sandbox.mycelium(&["task", "update", "task-1", "--status", "running"]).ok();
    assert_eq!(sandbox.documents(), ["archive", "task-1.md"]);
    assert!(!sandbox.mycelium(&["check"]).stdout.contains("MYC211"));
}

#[test]
fn a_batch_finds_and_brings_back_what_is_archived() {
    let sandbox = Sandbox::new();
    for id in ["task-1", "task-11", "task-2"] {
        write(&sandbox, id, "completed", "");
    }
    let project = open(&sandbox, &[]);
    let ids = ["task-1".to_owned(), "task-2".to_owned()];
    archive(&project, Wanted::These(&ids), None, Run::Real).unwrap();
    let note = |text: &str| Request::task("task-1", TaskChange::Note(text.to_owned()));
    let steps = [
        note("one"),
        Request::task("task-1", TaskChange::Reopen),
        note("two"),
        Request::task("task-2", TaskChange::Reopen),
    ];
    let results = project.operations().batch(project.actor(), &steps, Together::All).unwrap();
    let paths: Vec<String> = results.into_iter().map(|done| done.unwrap().path.to_string()).collect();
    assert_eq!(paths, ["archive/2025-10/task-1.md", "task-1.md", "task-1.md", "task-2.md"]);
    assert_eq!(sandbox.documents(), ["archive", "task-1.md", "task-11.md", "task-2.md"]);
    let found = project.documents().find(None, "task-1").unwrap();
    assert!(found.document.text().contains("- one\n- two\n"), "{}", found.document.text());
    assert!(!project.documents().find(None, "task-11").unwrap().document.text().contains("Notes"));
    assert_eq!(sandbox.git(&["status", "--porcelain"]), format!("?? {FOLDER}/task-11.md"));
}

/// What anybody could ask of the documents, but for where they lie.
fn answers(project: &Project) -> BTreeMap<String, String> {
    let named = project.documents().snapshot(Scope::Named).unwrap();
    let all = project.documents().snapshot(Scope::All).unwrap();
    let mut answers = BTreeMap::new();
    let mut tell = |what: String, answer: String| assert_eq!(answers.insert(what, answer), None);
    for entry in all.entries() {
        let Some(id) = &entry.id else { continue };
        let found = project.documents().find(entry.kind, id.as_str()).unwrap();
        tell(format!("{id} says"), String::from_utf8_lossy(found.document.bytes()).into_owned());
        if let Some(task) = entry.task().filter(|task| task.status.word() == "pending") {
            tell(format!("{id} waits for"), format!("{:?} {}", named.blockers(task), named.ready(task)));
        }
        if let Some(workflow) = entry.workflow() {
            let scope = if found.path.is_archived() { &all } else { &named };
            let tasks = scope.workflow_tasks(workflow);
            let mut tasks: Vec<String> = tasks.iter().map(ToString::to_string).collect();
            tasks.sort();
            tell(format!("{id} is at"), format!("{:?} {tasks:?}", scope.workflow_progress(workflow)));
        }
    }
    answers
}

fn findings(all: &Snapshot) -> Vec<String> {
    let mut findings: Vec<String> =
        mycelium::check::check(all, None).iter().map(|finding| finding.message.clone()).collect();
    findings.sort();
    findings
}

fn world() -> impl Strategy<Value = Vec<String>> {
    let status = prop::sample::select(vec!["pending", "running", "completed", "completed", "failed"]);
    let one = (status, prop::collection::vec(0..8_usize, 0..3), 0..6_usize, 0..4_usize);
    prop::collection::vec(one, 8).prop_map(|tasks| {
        let lines = tasks.into_iter().map(|(status, depends_on, workflow, review)| {
            let ids: Vec<String> =
                depends_on.iter().map(|n| if n % 2 == 0 { format!("task-{n}") } else { n.to_string() }).collect();
            let workflow = if workflow < 3 { format!("workflow: w{workflow}\n") } else { String::new() };
            let review = ["review: required\n", "review: required\nassigned_to: a\napproved: b\n", "", ""][review];
            format!("{status}|depends_on: [{}]\n{workflow}{review}", ids.join(", "))
        });
        lines.collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: u32::try_from(sized("MYCELIUM_ARCHIVE_CASES", 12, 240)).unwrap(), ..ProptestConfig::default() })]

    #[test]
    fn after_archiving_every_question_has_the_answer_of_before(tasks in world(), listed in 0..8_usize, ended in any::<bool>()) {
        let sandbox = Sandbox::new();
        for (n, task) in tasks.iter().enumerate() {
            let (status, more) = task.split_once('|').unwrap();
            write(&sandbox, &format!("task-{n}"), status, more);
        }
        let ended = if ended { "completed" } else { "running" };
        for (n, (status, tasks)) in [(ended, format!("[task-{listed}, {}]", (listed + 1) % 8)), ("failed", "[]".into())].into_iter().enumerate() {
            let text = format!("---\nid: w{n}\nstatus: {status}\ntype: t\ntasks: {tasks}\n---\n");
            sandbox.write(&format!("{FOLDER}/workflow-w{n}.md"), &text);
        }
        let project = open(&sandbox, &[("commit.auto", "false"), ("markdown.durability", "off")]);
        let before = (answers(&project), findings(&project.documents().snapshot(Scope::All).unwrap()));
        let done = archive(&project, Wanted::Finished, Some(Duration::ZERO), Run::Real).unwrap();
        let all = project.documents().snapshot(Scope::All).unwrap();
        prop_assert_eq!((answers(&project), findings(&all)), before);
        let archived: Vec<&Entry> = all.entries().filter(|entry| entry.path.is_archived()).collect();
        prop_assert_eq!(archived.len(), done.moved.len());
        for entry in archived {
            prop_assert!(entry.entity.as_ref().is_some_and(mycelium::entity::Entity::is_finished), "{}", entry.path);
        }
        // What is done with and stays says why; nothing else is left.
        let left = all.entries().filter(|entry| !entry.path.is_archived());
        let finished = left.filter(|entry| entry.entity.as_ref().is_some_and(mycelium::entity::Entity::is_finished));
        prop_assert_eq!(finished.count(), done.kept.len());
    }
}

#[test]
fn a_move_whose_copy_alone_survived_is_completed() {
    let sandbox = Sandbox::new();
    for id in ["task-a", "task-b", "task-c"] {
        write(&sandbox, id, "completed", "");
    }
    let log = "---\ntype: events\n---\n\n<!-- x -->\n";
    sandbox.write(&format!("{FOLDER}/events-2025-10-17.md"), log);
    sandbox.write(&format!("{FOLDER}/archive/2025-10/events-2025-10-17.md"), log);
    for id in ["task-a", "task-b"] {
        let bytes = std::fs::read(sandbox.path(&format!("{FOLDER}/{id}.md"))).unwrap();
        sandbox.write(&format!("{FOLDER}/archive/2025-10/{id}.md"), std::str::from_utf8(&bytes).unwrap());
    }
    sandbox.write(&format!("{FOLDER}/archive/2025-10/task-c.md"), "---\nid: task-c\nstatus: completed\n---\n\nother\n");
    commit(&sandbox, None);
    let named = |id: &str| archive(&open(&sandbox, &[]), Wanted::These(&[id.to_owned()]), None, Run::Real);
    assert_eq!(named("task-a").unwrap().moved.len(), 1, "by name");
    let all = archive(&open(&sandbox, &[]), Wanted::Finished, Some(Duration::ZERO), Run::Real).unwrap();
    let moved: Vec<&str> = all.moved.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(moved, ["events-2025-10-17", "task-b"], "all");
    assert!(
        matches!(&*all.kept, [one] if one.id == "task-c" && matches!(one.why, Stay::Taken { .. })),
        "{:?}",
        all.kept
    );
    let mut there: Vec<String> = sandbox.git(&["ls-files", "--", FOLDER]).lines().map(str::to_owned).collect();
    there.sort();
    let documents: Vec<&str> = there.iter().filter_map(|path| path.strip_prefix(&format!("{FOLDER}/"))).collect();
    assert_eq!(
        documents,
        [
            "archive/2025-10/events-2025-10-17.md",
            "archive/2025-10/task-a.md",
            "archive/2025-10/task-b.md",
            "archive/2025-10/task-c.md",
            "task-c.md"
        ]
    );
}
