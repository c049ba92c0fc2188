//! Rules over a snapshot: ids, dependencies, cycles, body lines, steps since the last commit. Reports; repairs nothing.

mod names;

use std::borrow::Cow;
use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet};

use crate::core::diagnostic::{Code, Diagnostic, Place};
use crate::core::document::{Document, WordMark};
use crate::core::entity::{
    ActiveTask, Condition, Entity, Task, TaskReference, TaskStatus, WhenMissing, WorkflowStatus, label_name, referred,
};
use crate::core::name::{DocId, DocPath, Kind, composed, is_letter, visible};
use crate::core::snapshot::{ConditionDecision, Entry, Snapshot, TaskChain};
use crate::core::template::one_line;

/// Dependency cycles that are listed, one finding each; the rest is counted.
const CYCLES_SHOWN_MAX: usize = 50;

/// Every finding about the documents now, those of reading them included, by path and place. With the documents of the
/// last commit, also the status changes since then that are no step of the status machine.
#[must_use]
pub fn check(now: &Snapshot, head: Option<&Snapshot>) -> Vec<Diagnostic> {
    check_entries(now, head, now.entries())
}

/// The findings that [`check`] has about these documents, and about dependency cycles.
#[must_use]
pub fn check_paths(now: &Snapshot, head: Option<&Snapshot>, paths: &BTreeSet<DocPath>) -> Vec<Diagnostic> {
    check_entries(now, head, paths.iter().filter_map(|path| now.get(path)))
}

fn check_entries<'a>(
    now: &Snapshot,
    head: Option<&Snapshot>,
    entries: impl Iterator<Item = &'a Entry>,
) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    let clashes = names::NameClashes::find(now);
    for entry in entries {
        // What is read of a document to judge it goes with its turn: the archive may hold very many.
        let judged = entry.path.is_archived().then(|| Entry { document: entry.document.unread(), ..entry.clone() });
        let entry = judged.as_ref().unwrap_or(entry);
        findings.extend(entry.findings.iter().cloned());
        names::check(now, entry, &mut findings);
        clashes.report(entry, &mut findings);
        archived(entry, &mut findings);
        match &entry.entity {
            Some(Entity::Task(task)) => {
                dependencies(now, entry, task, &mut findings);
                unmet_words(now, entry, "depends_on", task.references(), &mut findings);
                dependency_bullets(now, entry, task, &mut findings);
                unknown_condition(now, entry, task, &mut findings);
            }
            Some(Entity::Workflow(workflow)) => {
                unmet_words(now, entry, "tasks", workflow.references(), &mut findings);
                let tasks = workflow.references().iter().filter(|one| one.when_missing == WhenMissing::Blocks);
                let tasks = tasks.map(|one| ("tasks", &one.id));
                let places = LazyCell::new(|| IdPlaces::read(&entry.document, "tasks"));
                for (key, id) in tasks.chain(workflow.current_task.iter().map(|id| ("current_task", id))) {
                    if now.named_task(id).is_none() {
                        let finding = Diagnostic::error(Code::MissingTask, format!("there is no task `{id}`"));
                        let place = if key == "tasks" { places.find(id) } else { place_of(&entry.document, key) };
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

/// The dependencies that were read from the words of a body: by path, the tasks that a live task waits for.
#[must_use]
pub fn body_dependencies(now: &Snapshot) -> Vec<(&Entry, Vec<DocId>)> {
    let live = now.of_kind(Kind::Task).filter(|entry| !entry.path.is_archived());
    let by_words = live.filter(|entry| !entry.document.body().words("Dependencies").is_empty());
    let taken = by_words.filter_map(|entry| {
        let stated = entry.document.field("depends_on").and_then(|field| field.value.texts());
        let ids = now.dependencies(entry.task()?).into_iter().map(|(id, _)| id);
        // What the key states is not read from the body.
        let ids: Vec<DocId> =
            ids.filter(|id| stated.as_ref().is_none_or(|stated| !stated.contains(&id.as_str()))).collect();
        (!ids.is_empty()).then_some((entry, ids))
    });
    taken.collect()
}

/// A pending task that waits for nothing but a condition that cannot be evaluated: it would wait for good.
fn unknown_condition(now: &Snapshot, entry: &Entry, task: &Task, findings: &mut Vec<Diagnostic>) {
    if task.status != TaskStatus::Pending || entry.path.is_archived() {
        return;
    }
    let Some(ConditionDecision::Unknown(fault)) = now.decide_condition(task) else { return };
    let key = if matches!(task.condition(), Condition::Expression(_)) { "when" } else { "for_each" };
    let message = format!("`{key}`: `{}` cannot be evaluated: {}", visible(&one_line(&fault.expression)), fault.why);
    let hint =
        format!("correct `{key}`, or the result that it reads; `mycelium why {}` shows what it waits for", task.id);
    push(findings, entry, place_of(&entry.document, key), Diagnostic::error(Code::BadCondition, message).hint(hint));
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

/// Where ids stand in the value of a key or, without that key, in the words of the body. Read once for all ids of a document.
struct IdPlaces<'a> {
    document: &'a Document,
    /// Where the value begins, and the ids in it by their offsets from there.
    in_value: Option<(usize, BTreeMap<Cow<'a, str>, usize>)>,
    in_body: BTreeMap<String, Place>,
}

impl<'a> IdPlaces<'a> {
    fn read(document: &'a Document, key: &str) -> Self {
        let in_value = document.field(key).map(|field| {
            let text = document.text().get(field.value_span.clone()).unwrap_or_default();
            let mut offsets = BTreeMap::new();
            let mut at = 0;
            for word in text.split(|c: char| !(is_letter(c) || matches!(c, '-' | '_' | '.'))) {
                // The text is split at one letter at a time, which may have several bytes.
                at += text[at..].find(word).unwrap_or_default();
                offsets.entry(composed(word)).or_insert(at);
                at += word.len();
            }
            (field.value_span.start, offsets)
        });
        let mut in_body = BTreeMap::new();
        if in_value.is_none() {
            for word in document.body().words(if key == "tasks" { "Tasks" } else { "Dependencies" }) {
                in_body.entry(composed(&word.text).into_owned()).or_insert(word.place);
            }
        }
        Self { document, in_value, in_body }
    }

    /// Where an id stands; where the value begins if it is not in there as it is.
    fn find(&self, id: &DocId) -> Option<Place> {
        match &self.in_value {
            Some((start, offsets)) => {
                let offset = offsets.get(id.as_str()).copied().unwrap_or_default();
                Some(self.document.place(start + offset))
            }
            None => self.in_body.get(id.as_str()).copied(),
        }
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
    let places = LazyCell::new(|| IdPlaces::read(&entry.document, "depends_on"));
    for (id, found) in now.dependencies(task) {
        if found.is_none() {
            let place = places.find(&id);
            let finding = Diagnostic::error(Code::MissingDependency, format!("there is no task `{id}` to depend on"));
            push(findings, entry, place, finding.hint(missing_hint(&id)));
        }
    }
}

/// Words of the body that are written like tasks and name none: a task that is said to be completed, or prose.
fn unmet_words(now: &Snapshot, entry: &Entry, key: &str, references: &[TaskReference], findings: &mut Vec<Diagnostic>) {
    let places = LazyCell::new(|| IdPlaces::read(&entry.document, key));
    for reference in references.iter().filter(|one| one.is_explicit() && now.named_task(&one.id).is_none()) {
        let id = &reference.id;
        let (message, hint) = match reference.when_missing {
            WhenMissing::Blocks => continue,
            WhenMissing::Warns => (
                format!("there is no task `{id}`, which the body says is completed; nothing waits for it"),
                "if it is to come, take its status out of the line",
            ),
            WhenMissing::Ignored => (
                format!("there is no task `{id}`; it counts as prose, and nothing waits for it"),
                "if a task is meant, write its id as its file states it, or list it in `depends_on`",
            ),
        };
        let finding = Diagnostic::warning(Code::MissingDependency, message).hint(hint);
        push(findings, entry, places.find(id), finding);
    }
}

fn cycles(now: &Snapshot, findings: &mut Vec<Diagnostic>) {
    let cycles = now.cycles();
    if let Some(more) = cycles.len().checked_sub(CYCLES_SHOWN_MAX).filter(|more| *more > 0) {
        let message = format!("{more} more dependency cycles are not listed");
        let hint = "take out the dependencies that are named in the others, then run `mycelium check` again";
        findings.push(Diagnostic::error(Code::DependencyCycle, message).hint(hint));
    }
    for cycle in cycles.into_iter().take(CYCLES_SHOWN_MAX) {
        let Some(entry) = cycle.first().and_then(|id| now.named_task(id)) else { continue };
        let place = cycle.get(1).and_then(|next| IdPlaces::read(&entry.document, "depends_on").find(next));
        let (message, hint) = if let [id, _] = &cycle[..] {
            (format!("`{id}` depends on itself"), format!("take it out with {}", take_out(now, id, id)))
        } else {
            let chain = TaskChain::of(&cycle);
            let command = take_out(now, &cycle[0], &cycle[1]);
            (format!("these tasks wait for each other: {chain}"), format!("take one out, as with {command}"))
        };
        push(findings, entry, place, Diagnostic::error(Code::DependencyCycle, message).hint(hint));
    }
}

/// The command that takes a dependency out of a task, with the id as the task states it.
fn take_out(now: &Snapshot, task: &DocId, dependency: &DocId) -> String {
    let references = now.named_task(task).and_then(Entry::task).map(Task::references).unwrap_or_default();
    let means = |id: &&DocId| now.named_task(id).is_some_and(|entry| entry.id.as_ref() == Some(dependency));
    let stated = references.iter().map(|reference| &reference.id).find(means).unwrap_or(dependency);
    format!("`mycelium task update {task} --no-depends-on {stated}`")
}

/// Body lines such as `**Status**: busy` against the frontmatter.
fn labels(entry: &Entry, findings: &mut Vec<Diagnostic>) {
    const KEYS: [&str; 8] =
        ["status", "type", "assigned_to", "priority", "progress", "created", "last_updated", "workflow"];
    for key in KEYS {
        let name = label_name(key);
        let Some(label) = entry.document.body().label(&name) else { continue };
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
        let bullets = entry.document.body().bullets("Active Tasks");
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
    let stated: BTreeSet<&DocId> = task.references().iter().map(|reference| &reference.id).collect();
    for word in entry.document.body().words("Dependencies") {
        let Some(reference) = referred(&word) else { continue };
        let id = reference.id.clone();
        let found = now.named_task(&id);
        let counts = found.is_some() || reference.when_missing == WhenMissing::Blocks;
        let is_own = entry.id.as_ref() == Some(&id) && word.mark == WordMark::Prose;
        if counts && !is_own && !stated.contains(&id) && task.gates.depends_on.unusable().is_none() {
            let message = format!("`## Dependencies` lists `{id}`, `depends_on` does not");
            let finding = Diagnostic::warning(Code::BodyDrift, message)
                .hint("the frontmatter counts; add it there, or drop the line");
            push(findings, entry, Some(word.place), finding);
        }
        let status = found.and_then(Entry::task).map(|task| task.status);
        let said = word.says.iter().find_map(|said| said.parse::<TaskStatus>().ok());
        if let (Some(claimed), Some(status)) = (said, status)
            && claimed != status
        {
            let message = format!("the body says that `{id}` is {claimed}; it is {status}");
            let hint = "the other task's own file counts; correct the line or leave the status out";
            push(findings, entry, Some(word.place), Diagnostic::warning(Code::BodyDrift, message).hint(hint));
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
    // A pending task may be skipped or cancelled.
    let is_ended = now.as_task().is_some_and(|task| task.skip_reason().is_some() || task.is_cancelled());
    if let Err(step) = step.or_else(|step| if is_ended && step.from == "pending" { Ok(()) } else { Err(step) }) {
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
                    "task-1.md:2:5: error[MYC201]: the task `task-1` is also used in `task-x.md`",
                    "task-x.md:2:5: error[MYC201]: the task `task-1` is also used in `task-1.md`",
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
                    "task-2.md:8:3: warning[MYC204]: the body says that `task-1` is completed; it is failed",
                    "task-2.md:9:3: warning[MYC204]: `## Dependencies` lists `task-2`, `depends_on` does not",
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
    fn many_cycles_are_counted() {
        let documents = (0..4_000).map(|n| {
            let text = task(&format!("task-{n}"), "pending", &format!("depends_on: [{n}]\n"));
            (DocPath::new(format!("task-{n}.md")).expect("valid"), Document::parse(text.into_bytes()))
        });
        let findings = check(&Snapshot::from_documents(documents), None);
        assert_eq!(findings.len(), CYCLES_SHOWN_MAX + 1);
        assert!(findings.iter().any(|finding| finding.message == "3950 more dependency cycles are not listed"));
        let first = findings.iter().find(|finding| finding.path.is_some()).expect("a finding");
        assert_eq!(first.message, "`task-0` depends on itself");
        // With the id as the task states it, which is what the command takes out.
        let hint = "take it out with `mycelium task update task-0 --no-depends-on 0`";
        assert_eq!(first.hint.as_deref(), Some(hint));
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
        assert!(finding.message.contains("(993 more) → task-0"), "{}", finding.message);
    }
}
