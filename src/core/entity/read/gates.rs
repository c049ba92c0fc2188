//! Reads what restricts a task: every value is absent, usable, or stated and unusable with a finding.

use super::{Reader, bad_id, step_settings};
use crate::core::diagnostic::{Code, Diagnostic};
use crate::core::document::{BodyWord, Document, Field, Value, WordMark};
use crate::core::entity::editable::edit_fault;
use crate::core::entity::gate::{ApprovalMark, StatedValue, TaskGates, TaskReference, WhenMissing};
use crate::core::entity::status::{Review, TaskStatus};
use crate::core::name::{AgentName, DocId, Kind, visible};
use crate::core::time::Timestamp;

/// What all ids of tasks begin with.
const PREFIX: &str = "task-";
/// Characters of a generated id behind the prefix.
const GENERATED_CHARACTERS: usize = 10;
/// Characters of generated ids: lower-case base 32 by Crockford.
const BASE32: &str = "0123456789abcdefghjkmnpqrstvwxyz";
/// Words for nothing.
const ABSENT: [&str; 4] = ["none", "no", "-", "unassigned"];
/// Words behind `approved` that are no name.
const NO_NAMES: [&str; 28] = [
    "true",
    "false",
    "yes",
    "no",
    "pending",
    "none",
    "null",
    "0",
    "-",
    "n/a",
    "tbd",
    "todo",
    "approved",
    "unapproved",
    "rejected",
    "required",
    "y",
    "n",
    "on",
    "off",
    "ok",
    "done",
    "unassigned",
    "unknown",
    "in review",
    "in progress",
    ".nan",
    ".inf",
];
/// Words that begin a refusal or a delay: `not yet`, `changes requested`.
const WITHHOLDING: [&str; 15] = [
    "no", "not", "never", "none", "nobody", "false", "pending", "waiting", "awaiting", "needs", "changes", "denied",
    "declined", "rejected", "todo",
];

/// Returns true if a word says that there is nothing.
pub(in crate::core::entity) fn is_absent_word(text: &str) -> bool {
    ABSENT.iter().any(|word| word.eq_ignore_ascii_case(text.trim()))
}

/// Returns true if a value behind `approved` names an agent or a person.
pub(in crate::core::entity) fn is_approver(value: &Value) -> bool {
    let Some(text) = value.as_text().map(str::trim) else { return false };
    let first = text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
    let is_word = NO_NAMES.iter().any(|word| word.eq_ignore_ascii_case(text))
        || WITHHOLDING.iter().any(|word| word.eq_ignore_ascii_case(first))
        || text.parse::<TaskStatus>().is_ok()
        || !text.contains(char::is_alphabetic);
    let is_typed = !matches!(value.to_json(), serde_json::Value::String(_));
    !is_word && !is_typed && !text.is_empty() && text.parse::<Timestamp>().is_err()
}

impl<'a> Reader<'a> {
    pub(super) fn gates(&mut self) -> TaskGates {
        TaskGates {
            depends_on: self.references("depends_on", "Dependencies"),
            when: step_settings::condition(self),
            not_before: step_settings::not_before(self),
            for_each: step_settings::for_each(self),
            assigned_to: self.assignee(),
            review: self.review(),
            approved: self.approval(),
            layout: self.layout(Kind::Task),
        }
    }

    /// Whether the document can be edited; a finding if not.
    pub(super) fn layout(&mut self, kind: Kind) -> StatedValue<()> {
        let Some(finding) = edit_fault(kind, self.document) else { return StatedValue::Absent };
        let finding = self.path.map_or(finding.clone(), |path| finding.in_file(path));
        self.findings.push(finding.clone());
        StatedValue::Unusable(Box::new(finding))
    }

    fn assignee(&mut self) -> StatedValue<AgentName> {
        let key = "assigned_to";
        let Some(field) = self.stated(key).filter(|field| !is_absent(&field.value)) else {
            return self.misspelt(key).map_or(StatedValue::Absent, StatedValue::Unusable);
        };
        if let serde_json::Value::Bool(word) = field.value.to_json() {
            let finding = Diagnostic::error(Code::BadName, format!("`{key}`: `{word}` names no agent"));
            return self.unusable(field, finding.hint("name one agent, or remove the line"));
        }
        match field.value.as_text().map(|text| AgentName::new(text.trim())) {
            Some(Ok(name)) => StatedValue::Usable(name),
            Some(Err(error)) => {
                let finding = Diagnostic::error(Code::BadName, format!("`{key}`: {error}"));
                self.unusable(field, finding.hint("use letters, digits, `-`, `_` and `.`"))
            }
            None => self.unusable(field, not_one(key, "name one agent, or remove the line")),
        }
    }

    fn review(&mut self) -> StatedValue<Review> {
        let key = "review";
        let Some(field) = self.stated(key) else {
            return self.misspelt(key).map_or(StatedValue::Absent, StatedValue::Unusable);
        };
        let Some(text) = field.value.as_text() else {
            if is_absent(&field.value) {
                return StatedValue::Absent;
            }
            return self.unusable(field, not_one(key, "write `required` or `none`"));
        };
        let word = text.trim().to_ascii_lowercase();
        match word.as_str() {
            "true" | "yes" => StatedValue::Usable(Review::Required),
            "false" => StatedValue::Usable(Review::None),
            word if is_absent_word(word) => StatedValue::Usable(Review::None),
            word => {
                if let Ok(review) = word.parse() {
                    return StatedValue::Usable(review);
                }
                let unknown = text.parse::<Review>().err();
                let message = unknown.as_ref().map_or_else(String::new, ToString::to_string);
                let hint = unknown.map_or_else(String::new, |unknown| unknown.hint());
                self.unusable(field, Diagnostic::error(Code::BadValue, message).hint(hint))
            }
        }
    }

    fn approval(&mut self) -> StatedValue<ApprovalMark> {
        let key = "approved";
        let Some(field) = self.stated(key) else { return StatedValue::Absent };
        match &field.value {
            Value::List(items) if items.is_empty() => StatedValue::Absent,
            Value::List(_) | Value::Map(_) => {
                self.unusable(field, not_one(key, "name who approved, or remove the line"))
            }
            value @ Value::Scalar { text, .. } if is_approver(value) => {
                StatedValue::Usable(ApprovalMark::By(text.trim().to_owned()))
            }
            Value::Scalar { text, .. } => {
                let message = format!("`{key}: {}` is not a name and no approval", visible(text));
                let hint = "remove the line; `mycelium task approve` writes who approved once the task is completed";
                let finding = self.place(field, Diagnostic::error(Code::BadValue, message).hint(hint));
                StatedValue::Usable(ApprovalMark::Withheld(Box::new(finding)))
            }
        }
    }

    /// The tasks that a list key refers to; where nothing is stated, the words of a section that do.
    pub(super) fn references(&mut self, key: &str, heading: &str) -> StatedValue<Vec<TaskReference>> {
        let Some(field) = self.stated(key).filter(|field| !is_absent(&field.value)) else {
            if let Some(finding) = self.misspelt(key) {
                return StatedValue::Unusable(finding);
            }
            let mentioned = self.mentioned(heading);
            return if mentioned.is_empty() { StatedValue::Absent } else { StatedValue::Usable(mentioned) };
        };
        let texts: Vec<Option<&str>> = match &field.value {
            Value::Map(_) => vec![None],
            Value::List(items) => items.iter().map(Value::as_text).collect(),
            Value::Scalar { text, .. } => vec![Some(text.as_str())],
        };
        let mut found = Vec::new();
        for text in texts {
            match text.map(|text| DocId::new(text.trim())) {
                Some(Ok(id)) => found.push(TaskReference { id, when_missing: WhenMissing::Blocks }),
                Some(Err(error)) => {
                    let finding = bad_id(key, &error);
                    let several = text.filter(|text| text.trim().contains([',', ' ', '\n']));
                    return self.unusable(
                        field,
                        match several {
                            Some(text) => finding.hint(as_list(key, text)),
                            None => finding,
                        },
                    );
                }
                None => {
                    let finding = Diagnostic::error(Code::BadValue, format!("`{key}` must be a list of ids"));
                    return self.unusable(field, finding.hint("write one `  - id` a line"));
                }
            }
        }
        StatedValue::Usable(found)
    }

    fn mentioned(&self, heading: &str) -> Vec<TaskReference> {
        let own = self.quiet_id(Kind::Task);
        let mut found: Vec<TaskReference> = Vec::new();
        for word in self.document.body().words(heading) {
            let Some(reference) = referred(&word) else { continue };
            if word.mark == WordMark::Prose && own.as_ref() == Some(&reference.id) {
                continue;
            }
            match found.iter_mut().find(|known| known.id == reference.id) {
                Some(known) => known.when_missing = known.when_missing.max(reference.when_missing),
                None => found.push(reference),
            }
        }
        found
    }

    /// A key that holds anything at all.
    pub(super) fn stated(&self, key: &str) -> Option<&'a Field> {
        let document: &'a Document = self.document;
        let field = document.field(key)?;
        let is_empty = field.value.as_text().is_some_and(|text| text.trim().is_empty());
        (!field.value.is_null() && !is_empty).then_some(field)
    }

    /// A finding if the document has the key only in another spelling, such as `dependsOn` or `Depends-On`, with a value.
    pub(super) fn misspelt(&mut self, key: &str) -> Option<Box<Diagnostic>> {
        let document: &'a Document = self.document;
        let wanted = folded(key);
        let is_other = |field: &&Field| {
            // Longer keys have no spelling of it.
            let is_short = field.key.len() <= 2 * key.len();
            is_short && folded(&field.key) == wanted && !field.value.is_null() && !is_absent(&field.value)
        };
        if document.field(key).is_some() {
            return None;
        }
        let field = document.fields().iter().find(is_other)?;
        let message = format!("`{}` is not read: the key is `{key}`", visible(&field.key));
        let finding = Diagnostic::error(Code::BadValue, message).hint(format!("rename the key to `{key}`"));
        Some(Box::new(self.place(field, finding)))
    }

    pub(super) fn unusable<T>(&mut self, field: &Field, finding: Diagnostic) -> StatedValue<T> {
        StatedValue::Unusable(Box::new(self.place(field, finding)))
    }

    /// Adds a finding about the value of a field, and returns it with its place.
    fn place(&mut self, field: &Field, finding: Diagnostic) -> Diagnostic {
        let finding = finding.at(self.document.place(field.value_span.start));
        let finding = match self.path {
            Some(path) => finding.in_file(path),
            None => finding,
        };
        self.findings.push(finding.clone());
        finding
    }
}

/// A key without the differences between `depends_on`, `dependsOn` and `Depends-On`.
fn folded(key: &str) -> String {
    key.chars().filter(|c| !matches!(c, '_' | '-' | ' ')).flat_map(char::to_lowercase).collect()
}

/// Returns true for a word for nothing, `[]`, and a list of such words.
fn is_absent(value: &Value) -> bool {
    match value {
        Value::Scalar { text, .. } => is_absent_word(text),
        Value::List(items) => items.iter().all(|item| item.as_text().is_some_and(is_absent_word)),
        Value::Map(_) => false,
    }
}

/// The task that a word of a section refers to, if it may be one at all.
pub(crate) fn referred(word: &BodyWord) -> Option<TaskReference> {
    // `Task-1` at the beginning of a sentence is meant, though ids are compared letter by letter.
    let begins = word.text.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX));
    let tail = begins.then(|| word.text[PREFIX.len()..].to_ascii_lowercase());
    let is_number = tail.is_none() && word.text.chars().all(|c| c.is_ascii_digit());
    if is_number && word.mark == WordMark::Cell {
        return None;
    }
    if tail.is_none() && (word.mark == WordMark::Prose || is_absent_word(&word.text)) {
        return None;
    }
    let id = DocId::new(word.text.as_str()).ok()?;
    let is_completed = word.says.iter().any(|said| said == TaskStatus::Completed.word());
    let when_missing = if !tail.is_some_and(|tail| is_generated(&tail, word.mark)) {
        WhenMissing::Ignored
    } else if is_completed {
        WhenMissing::Warns
    } else {
        WhenMissing::Blocks
    };
    Some(TaskReference { id, when_missing })
}

/// Returns true if what follows `task-` is a number or a generated name. `based` in `task-based` is neither, unless the
/// word is marked.
fn is_generated(tail: &str, mark: WordMark) -> bool {
    let is_base32 = !tail.is_empty() && tail.chars().all(|c| BASE32.contains(c));
    let has_digit = tail.chars().any(|c| c.is_ascii_digit());
    is_base32 && (has_digit || mark != WordMark::Prose || tail.len() == GENERATED_CHARACTERS)
}

fn not_one(key: &str, hint: &str) -> Diagnostic {
    Diagnostic::error(Code::BadValue, format!("`{key}` must be one value, not a list or map")).hint(hint)
}

/// The line that was probably meant: `write depends_on: [task-1, task-2]`.
fn as_list(key: &str, text: &str) -> String {
    let ids: Vec<&str> = text.split([',', ' ', '\n']).map(str::trim).filter(|id| !id.is_empty()).collect();
    format!("write `{key}: [{}]`", visible(&ids.join(", ")))
}
