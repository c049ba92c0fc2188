//! Rules over a snapshot: ids, dependencies, cycles, body lines, steps since the last commit. Reports; repairs nothing.

use std::collections::BTreeSet;

use crate::diagnostic::{Code, Diagnostic, Place};
use crate::document::{Document, Field};
use crate::entity::{ActiveTask, DependencyBullet, Entity, Task, TaskStatus, WorkflowStatus, label_name};
use crate::name::{DocId, DocPath, Kind};
use crate::snapshot::{Entry, Snapshot};
use crate::template::one_line;

/// Every finding about the documents now, those of reading them included, by path and place. With the documents of the
/// last commit, also the status changes since then that are no step of the status machine.
#[must_use]
pub fn check(now: &Snapshot, head: Option<&Snapshot>) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for entry in now.entries() {
        // What is read of a document to judge it goes with its turn: the archive may hold very many.
        let judged = entry.path.is_archived().then(|| Entry { document: entry.document.unread(), ..entry.clone() });
        let entry = judged.as_ref().unwrap_or(entry);
        findings.extend(entry.findings.iter().cloned());
        names(now, entry, &mut findings);
        archived(entry, &mut findings);
        match &entry.entity {
            Some(Entity::Task(task)) => {
                dependencies(now, entry, task, &mut findings);
                dependency_bullets(now, entry, task, &mut findings);
            }
            Some(Entity::Workflow(workflow)) => {
                let tasks = workflow.tasks.iter().map(|id| ("tasks", id));
                for (key, id) in tasks.chain(workflow.current_task.iter().map(|id| ("current_task", id))) {
                    if now.named_task(id).is_none() {
                        let finding = Diagnostic::error(Code::MissingTask, format!("there is no task `{id}`"));
                        let place = place_of_id(&entry.document, key, id);
                        push(&mut findings, entry, place, finding.hint(missing_hint(id)));
                    }
                }
            }
            Some(Entity::Agent(_)) | None => {}
        }
        labels(entry, &mut findings);
        if let Some(head) = head {
            steps(head, entry, &mut findings);
        }
    }
    cycles(now, &mut findings);
    findings.sort();
    findings.dedup();
    findings
}

fn push(findings: &mut Vec<Diagnostic>, entry: &Entry, place: Option<Place>, finding: Diagnostic) {
    let finding = finding.in_file(&entry.path);
    findings.push(match place {
        Some(place) => finding.at(place),
        None => finding,
    });
}

fn place_of(document: &Document, key: &str) -> Option<Place> {
    document.field(key).map(|field| document.place(field.value_span.start))
}

/// Where an id stands in the value of a key; else where the value begins; else in the bullets of the body.
fn place_of_id(document: &Document, key: &str, id: &DocId) -> Option<Place> {
    let in_value = |field: &Field| {
        let text = document.text().get(field.value_span.clone())?;
        let whole = |at: &(usize, &str)| {
            let joins = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
            let before = text[..at.0].chars().next_back();
            let after = text[at.0 + at.1.len()..].chars().next();
            !before.is_some_and(joins) && !after.is_some_and(joins)
        };
        let at = text.match_indices(id.as_str()).find(whole).map_or(0, |(at, _)| at);
        Some(document.place(field.value_span.start + at))
    };
    let in_body = || {
        let headings = if key == "tasks" { "Tasks" } else { "Dependencies" };
        let bullets = document.bullets(headings);
        bullets.iter().find(|bullet| DependencyBullet::parse(&bullet.text).id == id.as_str()).map(|bullet| bullet.place)
    };
    document.field(key).and_then(in_value).or_else(in_body)
}

/// One id, one file; and a name that fits it.
fn names(now: &Snapshot, entry: &Entry, findings: &mut Vec<Diagnostic>) {
    let (Some(kind), Some(id)) = (entry.kind, &entry.id) else { return };
    let key = if kind == Kind::Agent { "agent" } else { "id" };
    let place = place_of(&entry.document, key);
    for other in now.paths_of(kind, id.as_str()).iter().filter(|path| **path != entry.path) {
        let finding = Diagnostic::error(Code::DuplicateId, format!("the {kind} `{id}` also stands in `{other}`"));
        push(findings, entry, place, finding.hint("give one of them another id, or remove it"));
    }
    let expected = DocPath::for_new(kind, id);
    if entry.entity.is_some() && place.is_some() && entry.path.file_name() != expected.file_name() {
        let finding =
            Diagnostic::warning(Code::FileNameMismatch, format!("the {kind} `{id}` is expected in `{expected}`"));
        push(findings, entry, place, finding.hint(format!("rename the file to `{}`", expected.file_name())));
    }
}

/// What lies in the archive and is not finished: nobody is offered it to do it. A merge can leave it so.
fn archived(entry: &Entry, findings: &mut Vec<Diagnostic>) {
    let Some(entity) = entry.entity.as_ref().filter(|entity| entry.path.is_archived() && !entity.is_finished()) else {
        return;
    };
    let message = format!("the {} `{}` is not finished and lies in the archive", entity.kind(), entity.id());
    let finding = Diagnostic::warning(Code::UnfinishedInArchive, message);
    let hint = format!("run `mycelium resolve` to move it back to `{}`, or finish it", entry.path.file_name());
    push(findings, entry, place_of(&entry.document, "status"), finding.hint(hint));
}

fn missing_hint(id: &DocId) -> String {
    format!("create it with `mycelium task create --id {id} --type TYPE`, or take it out")
}

fn dependencies(now: &Snapshot, entry: &Entry, task: &Task, findings: &mut Vec<Diagnostic>) {
    for (id, found) in now.dependencies(task) {
        if found.is_none() {
            let place = place_of_id(&entry.document, "depends_on", &id);
            let finding = Diagnostic::error(Code::MissingDependency, format!("there is no task `{id}` to depend on"));
            push(findings, entry, place, finding.hint(missing_hint(&id)));
        }
    }
}

fn cycles(now: &Snapshot, findings: &mut Vec<Diagnostic>) {
    const SHOWN_MAX: usize = 20;
    for cycle in now.cycles() {
        let Some(entry) = cycle.first().and_then(|id| now.named_task(id)) else { continue };
        let mut names: Vec<String> = cycle.iter().map(ToString::to_string).collect();
        if names.len() > SHOWN_MAX {
            let left_out = names.len() - SHOWN_MAX;
            names.splice(SHOWN_MAX - 1..names.len() - 1, [format!("({left_out} more)")]);
        }
        let place = cycle.get(1).and_then(|next| place_of_id(&entry.document, "depends_on", next));
        let message = format!("these tasks wait for each other: {}", names.join(" → "));
        let hint = "take one of the dependencies out";
        push(findings, entry, place, Diagnostic::error(Code::DependencyCycle, message).hint(hint));
    }
}

/// Body lines such as `**Status**: busy` against the frontmatter.
fn labels(entry: &Entry, findings: &mut Vec<Diagnostic>) {
    const KEYS: [&str; 8] =
        ["status", "type", "assigned_to", "priority", "progress", "created", "last_updated", "workflow"];
    for key in KEYS {
        let name = label_name(key);
        let Some(label) = entry.document.label(&name) else { continue };
        let says = entry.document.field(key).and_then(|field| field.value.as_text()).map(one_line).unwrap_or_default();
        let body = one_line(&label.text);
        let placeholder = body.len() > 2 && body.starts_with('_') && body.ends_with('_');
        if body == says || says.is_empty() && (body.is_empty() || placeholder) {
            continue;
        }
        let stated = if says.is_empty() { "nothing".to_owned() } else { format!("`{says}`") };
        let message = format!("the body says `**{name}**: {body}`, the frontmatter {stated}");
        let hint = format!("the frontmatter counts; write `**{name}**: {says}`");
        push(findings, entry, Some(label.place), Diagnostic::warning(Code::BodyDrift, message).hint(hint));
    }
    if entry.document.field("active_tasks").is_some() {
        let bullets = entry.document.bullets("Active Tasks");
        let body: Vec<String> =
            bullets.iter().filter_map(|bullet| ActiveTask::parse(&bullet.text)).map(|task| task.task).collect();
        let says =
            entry.agent().map(|agent| agent.active_tasks.iter().map(|task| task.task.clone()).collect::<Vec<_>>());
        if let (Some(says), Some(first)) = (says, bullets.first())
            && says != body
        {
            let finding =
                Diagnostic::warning(Code::BodyDrift, "`## Active Tasks` lists other tasks than `active_tasks`");
            push(findings, entry, Some(first.place), finding.hint("the frontmatter counts; keep one of the two"));
        }
    }
}

/// The bullets of `## Dependencies` against the frontmatter and against the tasks themselves.
fn dependency_bullets(now: &Snapshot, entry: &Entry, task: &Task, findings: &mut Vec<Diagnostic>) {
    let stated = entry.document.field("depends_on").map(|_| task.depends_on.iter().collect::<BTreeSet<_>>());
    for bullet in entry.document.bullets("Dependencies") {
        let parsed = DependencyBullet::parse(&bullet.text);
        let Ok(id) = DocId::new(parsed.id) else { continue };
        if stated.as_ref().is_some_and(|stated| !stated.contains(&id)) {
            let message = format!("`## Dependencies` lists `{id}`, `depends_on` does not");
            let finding = Diagnostic::warning(Code::BodyDrift, message)
                .hint("the frontmatter counts; add it there, or drop the line");
            push(findings, entry, Some(bullet.place), finding);
        }
        let status = now.named_task(&id).and_then(Entry::task).map(|task| task.status);
        if let (Some(claimed), Some(status)) = (parsed.status, status)
            && claimed != status
        {
            let message = format!("the body says that `{id}` is {claimed}; it is {status}");
            let hint = "the other task's own file counts; correct the line or leave the status out";
            push(findings, entry, Some(bullet.place), Diagnostic::warning(Code::BodyDrift, message).hint(hint));
        }
    }
}

/// A status that does not follow from the committed one in one step. The file is the truth all the same.
fn steps(head: &Snapshot, entry: &Entry, findings: &mut Vec<Diagnostic>) {
    let (Some(kind), Some(id), Some(now)) = (entry.kind, &entry.id, &entry.entity) else { return };
    let before = head.paths_of(kind, id.as_str()).first().and_then(|path| head.get(path));
    let step = match (before.and_then(|before| before.entity.as_ref()), now) {
        (Some(Entity::Task(old)), Entity::Task(new)) => TaskStatus::step(old.status, new.status),
        (Some(Entity::Workflow(old)), Entity::Workflow(new)) => WorkflowStatus::step(old.status, new.status),
        _ => return,
    };
    if let Err(step) = step {
        let message = format!("went from {} to {} in one step; legal: {}", step.from, step.to, step.legal);
        let finding =
            Diagnostic::warning(Code::IllegalStep, message).hint("if that is what happened, commit it as it is");
        push(findings, entry, place_of(&entry.document, "status"), finding);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(files: &[(&str, &str)]) -> Snapshot {
        Snapshot::from_documents(
            files.iter().map(|(path, text)| (DocPath::new(*path).expect("valid"), Document::parse(text.as_bytes()))),
        )
    }

    fn told(now: &[(&str, &str)], head: Option<&[(&str, &str)]>) -> Vec<String> {
        let head = head.map(snapshot);
        check(&snapshot(now), head.as_ref()).iter().map(ToString::to_string).collect()
    }

    fn task(id: &str, status: &str, more: &str) -> String {
        format!("---\nid: {id}\ntype: t\nstatus: {status}\n{more}---\n")
    }

    #[test]
    fn a_sound_folder_has_no_findings() {
        let classic = format!(
            "{}\n# Task: t\n\n**Type**: t\n**Status**: pending\n**Assigned To**: _none_\n\n## Dependencies\n\n- task-1 (t) - COMPLETED ✅\n",
            task("task-2", "pending", "")
        );
        let one = task("task-1", "completed", "");
        let workflow = "---\nid: wf-1\ntype: t\nstatus: running\ntasks: [task-1, 2]\n---\n".replace("2]", "task-2]");
        let files = [
            ("task-1.md", one.as_str()),
            ("task-2.md", &classic),
            ("workflow-wf-1.md", &workflow),
            ("events.md", "anything"),
        ];
        assert_eq!(told(&files, Some(&files)), Vec::<String>::new());
    }

    type Case<'a> = (Vec<(&'a str, String)>, Vec<&'a str>);

    fn assert_told(cases: Vec<Case<'_>>) {
        for (files, findings) in cases {
            let files: Vec<_> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
            assert_eq!(told(&files, None), findings);
        }
    }

    #[test]
    fn rules_of_ids_and_dependencies_speak_with_their_place() {
        assert_told(vec![
            (
                vec![("task-1.md", task("task-1", "pending", "")), ("task-x.md", task("task-1", "pending", ""))],
                vec![
                    "task-1.md:2:5: error[MYC201]: the task `task-1` also stands in `task-x.md`",
                    "task-x.md:2:5: warning[MYC206]: the task `task-1` is expected in `task-1.md`",
                    "task-x.md:2:5: error[MYC201]: the task `task-1` also stands in `task-1.md`",
                ],
            ),
            (
                vec![("task-1.md", task("task-1", "pending", "depends_on:\n  - task-12\n  - task-2\n"))],
                vec![
                    "task-1.md:6:5: error[MYC202]: there is no task `task-12` to depend on",
                    "task-1.md:7:5: error[MYC202]: there is no task `task-2` to depend on",
                ],
            ),
            (
                vec![
                    ("task-b.md", task("task-b", "pending", "depends_on: [task-a]\n")),
                    ("task-a.md", task("task-a", "pending", "depends_on: [task-b]\n")),
                ],
                vec!["task-a.md:5:14: error[MYC203]: these tasks wait for each other: task-a → task-b → task-a"],
            ),
        ]);
    }

    #[test]
    fn rules_of_bodies_workflows_and_reading_speak_with_their_place() {
        assert_told(vec![
            (
                vec![(
                    "task-1.md",
                    format!(
                        "{}# T\n\n**Status**: pending\n**Type:** u\n",
                        task("task-1", "running", "assigned_to: a\n")
                    ),
                )],
                vec![
                    "task-1.md:9:13: warning[MYC204]: the body says `**Status**: pending`, the frontmatter `running`",
                    "task-1.md:10:11: warning[MYC204]: the body says `**Type**: u`, the frontmatter `t`",
                ],
            ),
            (
                vec![
                    ("task-1.md", task("task-1", "failed", "")),
                    (
                        "task-2.md",
                        format!(
                            "{}## Dependencies\n- task-1 - COMPLETED\n- task-2\n",
                            task("task-2", "pending", "depends_on: [task-1]\n")
                        ),
                    ),
                ],
                vec![
                    "task-2.md:8:1: warning[MYC204]: the body says that `task-1` is completed; it is failed",
                    "task-2.md:9:1: warning[MYC204]: `## Dependencies` lists `task-2`, `depends_on` does not",
                ],
            ),
            (
                vec![(
                    "workflow-w.md",
                    "---\nid: w\ntype: t\nstatus: running\ntasks: [gone]\ncurrent_task: lost\n---\n".to_owned(),
                )],
                vec![
                    "workflow-w.md:5:9: error[MYC207]: there is no task `gone`",
                    "workflow-w.md:6:15: error[MYC207]: there is no task `lost`",
                ],
            ),
            (
                vec![("task-1.md", task("task-1", "done", ""))],
                vec![
                    "task-1.md:4:9: error[MYC102]: unknown task status `done`; known: pending, running, completed, failed",
                ],
            ),
        ]);
    }

    #[test]
    fn steps_are_checked_against_the_commit() {
        let (pending, completed) = (task("task-1", "pending", ""), task("task-1", "completed", ""));
        let (now, head) = ([("task-1.md", completed.as_str())], [("task-1.md", pending.as_str())]);
        assert_eq!(
            told(&now, Some(&head)),
            ["task-1.md:4:9: warning[MYC205]: went from pending to completed in one step; legal: running (start)"]
        );
        assert_eq!(told(&head, Some(&now)), Vec::<String>::new());
        let moved = [("archive/2025-10/task-1.md", completed.as_str())];
        assert_eq!(told(&moved, Some(&head)).len(), 1);
    }

    #[test]
    fn a_long_circle_is_shown_in_part() {
        const LENGTH: usize = 1_000;
        let documents = (0..LENGTH).map(|n| {
            let text = task(&format!("task-{n}"), "pending", &format!("depends_on: [task-{}]\n", (n + 1) % LENGTH));
            (DocPath::new(format!("task-{n}.md")).expect("valid"), Document::parse(text.into_bytes()))
        });
        let snapshot = Snapshot::from_documents(documents);
        let cycles = snapshot.cycles();
        assert_eq!((cycles.len(), cycles[0].len()), (1, LENGTH + 1));
        let findings = check(&snapshot, None);
        let [finding] = &findings[..] else { panic!("{} findings", findings.len()) };
        assert!(finding.message.contains("(981 more) → task-0"), "{}", finding.message);
    }
}
