//! What all operations share: the refusal, setting a key together with its body line, sections with outcomes. Pure.

use std::str::FromStr;

use serde_json::Value as Json;

use super::bullet::DependencyBullet;
use super::keys::{id_key, skeleton};
use super::read::{is_absent_word, read_status, referred, reread};
use super::status::{IllegalTransition, TaskStatus, UnknownWord};
use crate::core::diagnostic::{Code, Diagnostic, Severity};
use crate::core::document::{Document, EditError, Value};
use crate::core::name::{DocId, Kind, composed};
use crate::core::problem::{ErrorClass, Problem};
use crate::core::template::one_line;

/// Says why an operation left a document as it was.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// The document cannot be read well enough to change it.
    #[error("`{id}` cannot be changed before it is repaired: {}", first(.findings))]
    Unreadable {
        /// Its id, or the word for its kind.
        id: String,
        /// What is wrong with it.
        findings: Vec<Diagnostic>,
    },
    /// The status machine has no such step.
    #[error("`{id}` {step}")]
    IllegalStep {
        /// Its id, or the word for its kind.
        id: String,
        /// From, to, and what would be legal.
        step: IllegalTransition,
        /// A command that leads on, where there is one.
        hint: Option<String>,
    },
    /// A value that was asked for cannot be used.
    #[error("`{id}`: {}", first(.findings))]
    BadValue {
        /// Its id, or the word for its kind.
        id: String,
        /// What is wrong with it.
        findings: Vec<Diagnostic>,
    },
    /// Only what is completed can be approved or rejected.
    #[error("`{id}` is {now}: only what is completed can be {what}")]
    NotCompleted {
        /// Its id, or the word for its kind.
        id: String,
        /// How it stands.
        now: TaskStatus,
        /// `approved` or `rejected`.
        what: &'static str,
        /// A command that leads on.
        hint: String,
    },
    /// Who did something does not approve it.
    #[error("`{holder}` did `{id}`, and may not approve it")]
    OwnWork {
        /// Its id, or the word for its kind.
        id: String,
        /// Who did it.
        holder: String,
    },
    /// The task would wait for itself, at once or by way of others.
    #[error("{}", cycle_message(.cycle))]
    DependencyCycle {
        /// The task, what it was to depend on, and so on until the task again.
        cycle: Vec<DocId>,
    },
    /// The text of the document does not allow the edit.
    #[error("{}", .0.diagnostic().message)]
    Edit(EditError),
}

fn first(findings: &[Diagnostic]) -> String {
    findings.first().map_or_else(|| "it has no status".to_owned(), |finding| finding.message.clone())
}

/// Tasks of a cycle that are named.
const CYCLE_SHOWN_MAX: usize = 8;

fn cycle_message(cycle: &[DocId]) -> String {
    let id = cycle.first().map_or("task", DocId::as_str);
    if cycle.len() <= 2 {
        return format!("`{id}` cannot depend on itself");
    }
    let mut named: Vec<&str> = cycle.iter().take(CYCLE_SHOWN_MAX).map(DocId::as_str).collect();
    if cycle.len() > CYCLE_SHOWN_MAX {
        named.extend(["…", id]);
    }
    format!("`{id}` cannot depend on `{}`: these tasks would wait for each other: {}", cycle[1], named.join(" → "))
}

fn cycle_hint(cycle: &[DocId]) -> String {
    match cycle {
        [_, first, next, ..] => format!(
            "leave that dependency out, or take another one out first: `mycelium task update {first} --no-depends-on {next}`"
        ),
        _ => "leave that dependency out".to_owned(),
    }
}

impl From<EditError> for Refusal {
    fn from(error: EditError) -> Self {
        match error {
            // The value is at fault, not the document. Which document it is, `about` says.
            EditError::Value(fault) => Self::BadValue { id: Kind::Task.word().to_owned(), findings: vec![*fault] },
            error => Self::Edit(error),
        }
    }
}

impl Refusal {
    /// The same with the document's name where its text tells no id.
    #[must_use]
    pub fn about(mut self, name: &str) -> Self {
        if let Self::Unreadable { id, .. }
        | Self::IllegalStep { id, .. }
        | Self::BadValue { id, .. }
        | Self::NotCompleted { id, .. }
        | Self::OwnWork { id, .. } = &mut self
            && Kind::ALL.iter().any(|kind| kind.word() == id)
        {
            name.clone_into(id);
        }
        self
    }
    pub(super) fn bad_value(id: String, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::BadValue { id, findings: vec![Diagnostic::error(Code::BadValue, message).hint(hint)] }
    }
}

impl Problem for Refusal {
    fn code(&self) -> &'static str {
        match self {
            Self::IllegalStep { .. } => "illegal-step",
            Self::NotCompleted { .. } => "not-completed",
            Self::OwnWork { .. } => "own-work",
            Self::DependencyCycle { .. } => "dependency-cycle",
            Self::Unreadable { .. } | Self::Edit(EditError::Unreadable(_)) => "unreadable",
            Self::BadValue { .. } => "bad-value",
            Self::Edit(_) => "edit-refused",
        }
    }

    fn class(&self) -> ErrorClass {
        match self {
            Self::IllegalStep { .. }
            | Self::NotCompleted { .. }
            | Self::OwnWork { .. }
            | Self::DependencyCycle { .. } => ErrorClass::Conflict,
            Self::Unreadable { .. } => ErrorClass::Problem,
            Self::BadValue { .. } => ErrorClass::Usage,
            Self::Edit(error) => edit_class(error),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Unreadable { findings, .. } | Self::BadValue { findings, .. } => {
                findings.iter().find_map(|finding| finding.hint.clone())
            }
            Self::IllegalStep { hint, .. } => hint.clone(),
            Self::NotCompleted { hint, .. } => Some(hint.clone()),
            Self::DependencyCycle { cycle } => Some(cycle_hint(cycle)),
            Self::OwnWork { id, .. } => {
                Some(format!("have another agent or a person run `mycelium task approve {id}`"))
            }
            Self::Edit(error) => error.diagnostic().hint,
        }
    }

    fn findings(&self) -> Vec<Diagnostic> {
        match self {
            Self::Unreadable { findings, .. } | Self::BadValue { findings, .. } => findings.clone(),
            Self::IllegalStep { .. }
            | Self::NotCompleted { .. }
            | Self::OwnWork { .. }
            | Self::DependencyCycle { .. } => Vec::new(),
            Self::Edit(error) => vec![error.diagnostic()],
        }
    }
}

fn edit_class(error: &EditError) -> ErrorClass {
    match error {
        EditError::NoSection(_) | EditError::NoStep { .. } | EditError::NoBullet { .. } => ErrorClass::NotFound,
        EditError::BadKey(_)
        | EditError::NotAMap(_)
        | EditError::NotAList(_)
        | EditError::BadText { .. }
        | EditError::Value(_) => ErrorClass::Usage,
        // What was to be written makes the file too large.
        EditError::Refused(fault)
            if matches!(fault.code, Code::FileTooBig | Code::FrontmatterTooBig | Code::TooManyValues) =>
        {
            ErrorClass::Usage
        }
        _ => ErrorClass::Problem,
    }
}

/// The id that the document states, else the word for its kind: for messages.
pub(super) fn id_of(kind: Kind, document: &Document) -> String {
    let stated = document.field(id_key(kind)).and_then(|field| field.value.as_text());
    stated.and_then(|text| DocId::new(text).ok()).map_or_else(|| kind.word().to_owned(), |id| id.to_string())
}

/// The status now, or why there is none.
pub(super) fn status<S: FromStr<Err = UnknownWord>>(kind: Kind, document: &Document) -> Result<S, Refusal> {
    read_status(document).map_err(|findings| Refusal::Unreadable { id: id_of(kind, document), findings })
}

/// Sets a key and the body line that repeats it; nothing changes where both already say so.
pub(crate) fn set_key(document: &Document, key: &str, value: &Value) -> Result<Document, Refusal> {
    let document = document.edit().set(key, value)?;
    match value.as_text() {
        Some(text) => Ok(document.edit().set_label(&label_name(key), &one_line(text))?),
        None => Ok(document),
    }
}

/// Removes a key, if it is there; a body line that repeats it says `_none_`.
pub(crate) fn remove_key(document: &Document, key: &str) -> Result<Document, Refusal> {
    if document.field(key).is_none() {
        return Ok(document.clone());
    }
    Ok(document.edit().remove(key)?.edit().set_label(&label_name(key), "_none_")?)
}

/// The body line that repeats a key: `Assigned To` for `assigned_to`.
#[must_use]
pub(crate) fn label_name(key: &str) -> String {
    let capital = |word: &str| {
        let mut chars = word.chars();
        chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
    };
    key.split('_').map(capital).collect::<Vec<_>>().join(" ")
}

/// Adds ids to a list key, or to the bullets of a section where the document keeps the list there.
pub(crate) fn add_ids(document: &Document, key: &str, heading: &str, ids: &[DocId]) -> Result<Document, Refusal> {
    let mut document = document.clone();
    for id in ids {
        let known = refers(&document, heading, id);
        let is_stated = document.field(key).is_some_and(|field| !is_nothing(&field.value));
        let in_body = !is_stated && document.body().section(heading).is_some();
        if !known && (in_body || !document.body().bullets(heading).is_empty()) {
            document = document.edit().add_bullet(heading, id.as_str())?;
        }
        if !in_body {
            document = add_to_key(&document, key, id)?;
        }
    }
    Ok(document)
}

fn add_to_key(document: &Document, key: &str, id: &DocId) -> Result<Document, Refusal> {
    let item = Value::text(id.as_str());
    let field = document.field(key).filter(|field| !field.value.is_null());
    match field.map(|field| &field.value) {
        Some(Value::List(items)) if items.iter().filter_map(Value::as_text).any(|old| is_spelled(old, id)) => {
            Ok(document.clone())
        }
        Some(Value::Scalar { text, .. }) if is_spelled(text, id) => Ok(document.clone()),
        Some(value) if is_nothing(value) => Ok(document.edit().set(key, &Value::List(vec![item]))?),
        Some(Value::Scalar { text, .. }) if DocId::new(text.as_str()).is_ok() => {
            Ok(document.edit().set(key, &Value::List(vec![Value::text(text.as_str()), item]))?)
        }
        None => Ok(document.edit().set(key, &Value::List(vec![item]))?),
        Some(Value::Scalar { .. } | Value::Map(_)) => Err(unusable_list(document, key)),
        Some(_) => Ok(document.edit().add_list_item(key, &item)?),
    }
}

/// Returns true if a text is this id, however its letters are spelled.
fn is_spelled(text: &str, id: &DocId) -> bool {
    composed(text) == id.as_str()
}

/// Returns true for a value that states nothing: null, empty, a word for nothing, or a list of such words.
fn is_nothing(value: &Value) -> bool {
    let is_word = |value: &Value| value.as_text().is_some_and(|text| text.is_empty() || is_absent_word(text));
    value.is_null() || is_word(value) || value.as_list().is_some_and(|items| items.iter().all(is_word))
}

/// Returns true if the words of a section refer to a task.
fn refers(document: &Document, heading: &str, id: &DocId) -> bool {
    document.body().words(heading).iter().filter_map(referred).any(|reference| reference.id == *id)
}

/// What cannot be used as a list takes no item: what it was meant to say would be lost.
fn unusable_list(document: &Document, key: &str) -> Refusal {
    let id = document.field("id").and_then(|field| field.value.as_text()).unwrap_or("task");
    let place = document.field(key).map(|field| document.place(field.value_span.start));
    let finding = Diagnostic::error(Code::BadValue, format!("`{key}` must be a list of ids"));
    let finding =
        finding.hint(format!("write one `  - id` a line: `mycelium task edit {}`", crate::core::name::visible(id)));
    let finding = place.map_or(finding.clone(), |place| finding.at(place));
    Refusal::BadValue { id: crate::core::name::visible(id), findings: vec![finding] }
}

/// Takes ids out of a list key and out of the bullets of a section; the last one takes the key with it.
pub(crate) fn remove_ids(document: &Document, key: &str, heading: &str, ids: &[DocId]) -> Result<Document, Refusal> {
    let mut document = document.clone();
    for id in ids {
        let bullets = document.body().bullets(heading);
        if let Some(index) = bullets.iter().position(|bullet| is_spelled(first_word(&bullet.text), id)) {
            let removed = document.edit().remove_bullet(heading, index)?;
            if lost_others(&document, &removed, heading, id) {
                return Err(by_hand(&document, heading, id));
            }
            document = removed;
        }
        let Some(field) = document.field(key).filter(|field| !is_nothing(&field.value)) else {
            if refers(&document, heading, id) {
                return Err(by_hand(&document, heading, id));
            }
            continue;
        };
        let left: Vec<&str> = match &field.value {
            Value::List(items) => items.iter().filter_map(Value::as_text).collect(),
            Value::Scalar { text, .. } => vec![text],
            Value::Map(_) => continue,
        };
        let spelled: Vec<String> = left.iter().filter(|item| is_spelled(item, id)).map(ToString::to_string).collect();
        if !spelled.is_empty() && spelled.len() == left.len() {
            document = document.edit().remove(key)?;
        } else {
            for item in spelled {
                document = document.edit().remove_list_item(key, &item)?;
            }
        }
    }
    Ok(document)
}

/// Returns true if other tasks were referred to before and are not any more.
fn lost_others(before: &Document, after: &Document, heading: &str, id: &DocId) -> bool {
    let all = before.body().words(heading);
    let mut others = all.iter().filter_map(referred).filter(|reference| reference.id != *id && reference.is_explicit());
    others.any(|other| !refers(after, heading, &other.id))
}

fn by_hand(document: &Document, heading: &str, id: &DocId) -> Refusal {
    let task = document.field("id").and_then(|field| field.value.as_text()).unwrap_or("task");
    let task = crate::core::name::visible(task);
    let words = document.body().words(heading);
    let place = words.iter().find(|word| is_spelled(&word.text, id)).map(|word| word.place);
    let message = format!("`## {heading}` names `{id}` in a line that says more");
    let finding =
        Diagnostic::error(Code::BadValue, message).hint(format!("take it out with `mycelium task edit {task}`"));
    let finding = place.map_or(finding.clone(), |place| finding.at(place));
    Refusal::BadValue { id: task, findings: vec![finding] }
}

fn first_word(bullet: &str) -> &str {
    DependencyBullet::parse(bullet).id
}

/// Writes an outcome under its heading: a text as text where it reads back as the same text, anything else as JSON.
pub(crate) fn set_outcome(document: &Document, heading: &str, outcome: &Json) -> Result<Document, Refusal> {
    if let Json::String(text) = outcome {
        let as_text = document.edit().set_section_text(heading, text.trim_end());
        if let Ok(changed) = as_text
            && super::read::outcome(&changed, heading).as_ref() == Some(outcome)
            && changed.body().sections().len() <= document.body().sections().len() + 1
        {
            return Ok(changed);
        }
    }
    Ok(document.edit().set_section_json(heading, outcome)?)
}

/// Replaces the description; an empty text removes it.
pub(super) fn set_description(kind: Kind, document: &Document, text: &str) -> Result<Document, Refusal> {
    let edited = document.edit().set_description(skeleton(kind), text);
    let edited = edited.map_err(|error| Refusal::from(error).about(&id_of(kind, document)))?;
    // A key of that name would come back where the body has none.
    remove_key(&edited, "description")
}

/// Replaces an `_In progress..._` that is no longer true.
pub(super) fn set_placeholder(document: &Document, heading: &str, text: &str) -> Result<Document, Refusal> {
    let placeholder =
        |text: &str| text.len() > 2 && text.starts_with('_') && text.ends_with('_') && !text.contains('\n');
    match document.body().section_text(heading) {
        Some(old) if placeholder(old) && old != text => Ok(document.edit().set_section_text(heading, text)?),
        _ => Ok(document.clone()),
    }
}

/// Refuses a change that brings an error which was not there before.
pub(super) fn accept(kind: Kind, before: &Document, after: Document) -> Result<Document, Refusal> {
    if before.bytes() == after.bytes() {
        return Ok(after);
    }
    let old: Vec<_> = reread(kind, before).findings.into_iter().map(|finding| finding.message).collect();
    let mut findings = reread(kind, &after).findings;
    findings.retain(|finding| finding.severity == Severity::Error && !old.contains(&finding.message));
    if findings.is_empty() { Ok(after) } else { Err(Refusal::BadValue { id: id_of(kind, before), findings }) }
}

/// Sets and removes keys by name. Keys with a command of their own are refused with that command.
pub(super) fn set_keys(
    kind: Kind,
    document: &Document,
    set: &[(String, Value)],
    unset: &[String],
) -> Result<Document, Refusal> {
    let mut document = document.clone();
    for key in set.iter().map(|(key, _)| key).chain(unset) {
        if let Some(hint) = reserved(kind, key) {
            let id = id_of(kind, &document);
            return Err(Refusal::bad_value(id, format!("the key `{key}` is not set by name"), hint));
        }
    }
    for (key, value) in set {
        document = if value.is_null() { remove_key(&document, key)? } else { set_key(&document, key, value)? };
    }
    for key in unset {
        document = remove_key(&document, key)?;
    }
    Ok(document)
}

fn reserved(kind: Kind, key: &str) -> Option<String> {
    match (kind, key) {
        (_, "id") | (Kind::Agent, "agent") => Some("create a new document under the other id".to_owned()),
        (_, "status") => Some("use `--status`".to_owned()),
        (Kind::Task | Kind::Workflow, "result" | "error") => Some(format!("use `mycelium {kind} complete` or `fail`")),
        (Kind::Task | Kind::Workflow, "description") => Some("use `--description`".to_owned()),
        (Kind::Task, "payload") => Some("use `--payload`".to_owned()),
        (Kind::Agent | Kind::Workflow, "metadata") => Some("use `--metadata`".to_owned()),
        _ => None,
    }
}

/// Writes a progress: the shortest number that reads back the same.
pub(super) fn progress_value(id: String, progress: f64) -> Result<Value, Refusal> {
    if (0.0..=1.0).contains(&progress) {
        Ok(Value::plain(format!("{progress}")))
    } else {
        let message = format!("the progress {progress} is not between 0 and 1");
        Err(Refusal::bad_value(id, message, "give a number from 0 to 1, such as 0.5"))
    }
}
