//! What the writing commands share: one call that changes a document, and the answer that tells what became of it.

use std::fmt::Write as _;

use super::answer::Answer;
use super::log::telling;
use super::render::{self, Ink, paint};
use super::session;
use crate::api::view::{
    AnswerHead, ErrorReport, Excerpt, WriteState, add_claim, document_path, outcome_data, renewal_data,
};
use crate::core::change;
use crate::core::commit_message;
use crate::core::diagnostic::Severity;
use crate::core::entity::agent::AgentUpdate;
use crate::core::lease::PreviousHolder;

use crate::core::name::{AgentName, DocId, DocPath, Kind, visible};
use crate::core::operation::{DocumentChange, New, Request, Taken};
use crate::core::problem::{ErrorClass, Problem};
use crate::core::snapshot::Snapshot;
use crate::services::{Claimed, Decided, Error, Outcome, Project, RenewedLease};

/// Most skipped tasks that are named after a claim; `--json` has all.
const SKIPPED_SHOWN_MAX: usize = 5;
/// Tries when a document comes and goes between look-up and write.
const ATTEMPTS_MAX: usize = 10;

/// Makes one change and tells what it did.
pub(crate) fn apply<'r>(
    answer: &'static str,
    project: &Project,
    request: impl Into<Request<'r>>,
) -> Result<Answer, ErrorReport> {
    let changed = project.operations().run_one(project.actor(), request);
    let outcome = changed.map_err(|error| refused(project, error))?;
    let mut answer = written(answer, project, &outcome)?;
    answer.words = words(project, &answer.head, &outcome, &changed_lines(&outcome));
    answer.words.extend(outcome.claim.as_ref().map(|claim| decided_alone(&claim.decided)));
    Ok(answer)
}

/// Makes the document of an agent; where there is one, says there what the agent does.
pub(crate) fn set_agent(project: &Project, name: &AgentName, update: &AgentUpdate) -> Result<Answer, ErrorReport> {
    let new = New::Agent(update.clone().into_new(name.clone()));
    for _ in 0..ATTEMPTS_MAX {
        match project.operations().create(project.actor(), &new, Taken::LookUp) {
            Err(Error::Exists { .. }) => {}
            created => {
                let outcome = created?;
                let mut answer = written("agent.set", project, &outcome)?;
                answer.words = words(project, &answer.head, &outcome, &changed_lines(&outcome));
                add_faults_of_settings(&mut answer, project);
                return Ok(answer);
            }
        }
        let set = DocumentChange::SetAgent { name: name.clone(), update: Box::new(update.clone()) };
        match apply("agent.set", project, set) {
            Err(failure) if failure.code == "gone" || failure.code == "not-found" => {}
            result => return result,
        }
    }
    Err(ErrorReport::new(ErrorClass::Busy, "restless", format!("`{name}` comes and goes all the time")))
}

/// A refusal, with the line of the document that is at fault.
fn refused(project: &Project, error: Error) -> ErrorReport {
    let found = error.findings().into_iter().find_map(|finding| Some((finding.path?, finding.place?)));
    let failure = ErrorReport::from(error);
    let Some((path, place)) = found else { return failure };
    match project.store().folder.read(&path) {
        Ok(Some(file)) => failure.at(Excerpt::new(&document_path(project, &path), &file.bytes, place)),
        _ => failure,
    }
}

/// The answer to a creation: the id, and nothing else, for people.
pub(crate) fn created(kind: &'static str, project: &Project, new: &New, taken: Taken) -> Result<Answer, ErrorReport> {
    made(kind, project, &new.id(), &project.operations().create(project.actor(), new, taken)?)
}

/// The answer to a creation that is done.
pub(crate) fn made(
    kind: &'static str,
    project: &Project,
    id: &DocId,
    outcome: &Outcome,
) -> Result<Answer, ErrorReport> {
    let mut answer = written(kind, project, outcome)?;
    answer.text = format!("{id}\n");
    answer.words =
        words(project, &answer.head, outcome, &[format!("created {}", document_path(project, &outcome.path))]);
    add_faults_of_settings(&mut answer, project);
    Ok(answer)
}

/// Says which settings are at fault: the folder or the branch of a new document may be another one than was meant.
fn add_faults_of_settings(answer: &mut Answer, project: &Project) {
    let faults = project.config().findings.iter().filter(|finding| finding.severity == Severity::Error);
    for finding in faults {
        answer.words.push_str(&render::finding(finding, "", None));
        answer.findings.push(finding.clone());
    }
}

/// The answer to a claim: the id, and nothing else, for people.
pub(crate) fn claimed(kind: &'static str, project: &Project, claimed: &Claimed) -> Result<Answer, ErrorReport> {
    let outcome = &claimed.outcome;
    let id = outcome.entity.as_ref().map_or_else(|| outcome.path.stem().to_owned(), |entity| entity.id().to_string());
    let mut answer = written(kind, project, outcome)?;
    add_claim(&mut answer.data, claimed);
    answer.text = format!("{id}\n");
    let Claimed { by, fence, until, .. } = claimed;
    let line = match &claimed.origin {
        _ if outcome.operation.is_none() => format!("{id} is held by {by} already, fence {fence}, until {until}"),
        PreviousHolder::None => format!("{id} claimed by {by}, fence {fence}, until {until}"),
        PreviousHolder::Expired(from) => {
            format!("{id} claimed by {by} from {from}, whose lease is over, fence {fence}, until {until}")
        }
        PreviousHolder::Stolen(from) => format!("{id} taken from {from} by {by}, fence {fence}, until {until}"),
    };
    answer.words = match outcome.operation {
        Some(_) => words(project, &answer.head, outcome, &[line]),
        None => format!("{}\n", visible(&line)),
    };
    for one in claimed.skipped.iter().take(SKIPPED_SHOWN_MAX) {
        let _ = writeln!(answer.words, "skipped {}", visible(&one.to_string()));
    }
    answer.words.push_str(&decided_alone(&claimed.decided));
    Ok(answer)
}

/// The answer to a renewal.
pub(crate) fn renewed(kind: &'static str, project: &Project, renewed: &RenewedLease) -> Result<Answer, ErrorReport> {
    let RenewedLease { task, by, fence, until, .. } = renewed;
    let mut answer = session::answer(kind, project)?;
    answer.data = renewal_data(project, renewed);
    answer.words = format!("{}\n", visible(&format!("{task} is held by {by}, fence {fence}, until {until}")));
    Ok(answer)
}

/// The answer to a removal.
pub(crate) fn removed(kind: &'static str, project: &Project, which: Kind, id: &str) -> Result<Answer, ErrorReport> {
    let outcome = project.operations().remove(project.actor(), which, id)?;
    let mut answer = written(kind, project, &outcome)?;
    answer.words =
        words(project, &answer.head, &outcome, &[format!("removed {}", document_path(project, &outcome.path))]);
    Ok(answer)
}

/// The answer to any write, without words yet.
fn written(kind: &'static str, project: &Project, outcome: &Outcome) -> Result<Answer, ErrorReport> {
    let mut answer = session::answer_at(kind, project, outcome.committed.as_ref())?;
    answer.data = outcome_data(project, outcome);
    answer.findings.clone_from(&outcome.findings);
    answer.written = Some(WriteState::new(outcome.committed.as_ref(), outcome.waiting.as_ref()));
    Ok(answer)
}

/// Says why a claim was decided in this clone alone; empty if it was not.
pub(crate) fn decided_alone(decided: &Decided) -> String {
    decided.why().map_or_else(String::new, |why| format!("decided in this clone alone: {}\n", visible(why)))
}

/// What a write did to its document, one line a change: `task-7: pending → running`.
fn changed_lines(outcome: &Outcome) -> Vec<String> {
    let path: &DocPath = &outcome.path;
    let old = Snapshot::from_documents(outcome.before.iter().map(|document| (path.clone(), document.clone())));
    let new = Snapshot::from_documents([(path.clone(), outcome.document.clone())]);
    let id = outcome.entity.as_ref().map_or_else(|| path.to_string(), |entity| entity.id().to_string());
    let changes = change::diff(&old, &new);
    telling(&changes).into_iter().map(|change| format!("{id}: {}", commit_message::phrase(&change.what))).collect()
}

/// What happened, then what became of it: `task-7: pending → running (committed 1a2b3c4)`.
fn words(project: &Project, head: &AnswerHead, outcome: &Outcome, lines: &[String]) -> String {
    if outcome.operation.is_none() {
        return "no changes\n".to_owned();
    }
    let mut out = String::new();
    let is_on_no_branch = outcome.committed.is_some() && head.branch.is_none();
    for (index, line) in lines.iter().enumerate() {
        let fate = if index + 1 == lines.len() { fate(outcome, is_on_no_branch) } else { String::new() };
        let _ = writeln!(out, "{}{fate}", visible(line));
    }
    if is_on_no_branch {
        out.push_str(&no_branch_hint());
    }
    if let Some(hint) = outcome.waiting.as_ref().and_then(crate::services::Waiting::hint) {
        out.push_str(&render::hint(&hint));
    }
    for finding in &outcome.findings {
        out.push_str(&render::finding(finding, project.folder(), Some(outcome.document.bytes())));
    }
    out
}

/// What to do with commits that no branch holds.
pub(crate) fn no_branch_hint() -> String {
    let hint = "no branch holds this commit; run `git switch -c NAME` to keep it";
    format!("{} {hint}\n", paint(Ink::Hint, "hint:"))
}

fn fate(outcome: &Outcome, is_on_no_branch: bool) -> String {
    let fate = match (&outcome.committed, &outcome.waiting) {
        (Some(revision), _) if is_on_no_branch => format!("committed {} on no branch", revision.short()),
        (Some(revision), _) => format!("committed {}", revision.short()),
        (None, Some(waiting)) => format!("not committed yet: {waiting}"),
        (None, None) => "saved".to_owned(),
    };
    format!(" {}", paint(Ink::Dim, &format!("({})", visible(&fate))))
}
