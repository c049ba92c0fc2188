//! Checked names: ids, paths inside the coordination folder, revisions. A value of these types is valid; nothing here touches a file.

mod channel;
mod text;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

pub use channel::{CHANNEL_BYTES_MAX, Channel, ChannelPattern};
pub use text::{composed, folded, is_gits_own, is_letter, is_unsafe_to_show, shell_word, visible};

/// Longest id, agent name or workflow id, in bytes.
pub const NAME_BYTES_MAX: usize = 100;
/// Longest file name, in bytes (the limit of every common file system).
pub const FILE_NAME_BYTES_MAX: usize = 255;

/// Says why a text is not a valid name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The text is empty.
    #[error("the {what} is empty")]
    Empty {
        /// What was to be named ("task id", "agent name", ...).
        what: &'static str,
    },
    /// The text is longer than allowed.
    #[error("the {what} `{text}` has {bytes} bytes; at most {max} are allowed")]
    TooLong {
        /// What was to be named.
        what: &'static str,
        /// The start of the text.
        text: String,
        /// Its length in bytes.
        bytes: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// A character that may not stand in this kind of name.
    #[error("the {what} `{text}` has {found} at character {position}")]
    Character {
        /// What was to be named.
        what: &'static str,
        /// The text, with control characters made visible.
        text: String,
        /// The character, described.
        found: String,
        /// Its place, counted from 1.
        position: usize,
    },
    /// A path that is not one of the shapes the folder knows.
    #[error("`{text}` is not a document path: {why}")]
    Path {
        /// The text, with control characters made visible.
        text: String,
        /// Which rule it breaks.
        why: &'static str,
    },
}

fn shown(text: &str) -> String {
    visible(&text.chars().take(60).collect::<String>())
}

fn check_name(what: &'static str, text: &str) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty { what });
    }
    if text.len() > NAME_BYTES_MAX {
        return Err(NameError::TooLong { what, text: shown(text), bytes: text.len(), max: NAME_BYTES_MAX });
    }
    let last = text.chars().count();
    let mut before = None;
    for (index, c) in text.chars().enumerate() {
        let edge = index == 0 || index + 1 == last;
        let is_word = c.is_alphanumeric() || text::is_mark(c) && before.is_some_and(is_letter);
        let fits = is_word || matches!(c, '-' | '_') && index > 0 || c == '.' && !edge;
        before = Some(c);
        if !fits {
            let found = match c {
                ' ' => "a space".to_owned(),
                '.' | '-' | '_' => format!("`{c}` (it may not stand there)"),
                _ if text::is_unseen_alone(c) => {
                    format!("`{}` (use letters, digits, `-`, `_` and `.`)", c.escape_unicode())
                }
                _ => format!("`{}` (use letters, digits, `-`, `_` and `.`)", visible(&c.to_string())),
            };
            return Err(NameError::Character { what, text: shown(text), found, position: index + 1 });
        }
    }
    Ok(())
}

/// The composed form of a name.
fn kept(text: String) -> String {
    match composed(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(composed) => composed,
    }
}

macro_rules! checked_name {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl $name {
            /// Checks a text and takes it as a name.
            ///
            /// # Errors
            /// [`NameError`] if it is empty, longer than [`NAME_BYTES_MAX`] bytes, or has other characters than
            /// letters, digits, `-`, `_` and `.` (first: letter or digit; last: not `.`). Spellings of the same letters
            /// are the same name: it is kept in its composed form.
            pub fn new(text: impl Into<String>) -> Result<Self, NameError> {
                let text = kept(text.into());
                check_name($what, &text)?;
                Ok(Self(text))
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

checked_name!(
    /// The id of a document: what its frontmatter says in `id` (tasks, workflows) or `agent` (agents).
    DocId, "id"
);
checked_name!(
    /// The name of an agent.
    AgentName, "agent name"
);
checked_name!(
    /// The id of one operation of the API, unique for good.
    OperationId, "operation id"
);
checked_name!(
    /// The id of an event: that of the operation that caused it, or one made from what was changed by hand.
    EventId, "event id"
);

impl From<&OperationId> for EventId {
    fn from(id: &OperationId) -> Self {
        Self(id.0.clone())
    }
}

impl DocId {
    /// The id that a file name stands for, where the file itself does not tell: the name without what no id may have.
    #[must_use]
    pub fn of_file(path: &DocPath) -> Self {
        let stem = composed(path.stem());
        let fits: String = stem.chars().filter(|c| is_letter(*c) || matches!(c, '-' | '_')).collect();
        let start = fits.trim_start_matches(['-', '_']);
        let cut: String = start
            .chars()
            .scan(0, |bytes, c| {
                *bytes += c.len_utf8();
                (*bytes <= NAME_BYTES_MAX).then_some(c)
            })
            .collect();
        Self::new(cut).unwrap_or_else(|_| Self("unnamed".to_owned()))
    }
}

impl From<&OperationId> for DocId {
    fn from(id: &OperationId) -> Self {
        Self(id.0.clone())
    }
}

impl From<AgentName> for DocId {
    fn from(name: AgentName) -> Self {
        Self(name.0)
    }
}

/// The kinds of document that have an id and a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum Kind {
    /// `agent-<name>.md`
    Agent,
    /// `task-<id>.md`
    Task,
    /// `workflow-<id>.md`
    Workflow,
}

impl Kind {
    /// Every kind, in the order in which they are listed.
    pub const ALL: [Self; 3] = [Self::Agent, Self::Task, Self::Workflow];

    /// The word for it: `agent`, `task`, `workflow`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Task => "task",
            Self::Workflow => "workflow",
        }
    }

    /// What its file names start with.
    #[must_use]
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Agent => "agent-",
            Self::Task => "task-",
            Self::Workflow => "workflow-",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The path of a document inside the coordination folder: `NAME.md` or `archive/YYYY-MM/NAME.md`, `/` between parts.
/// A clone shares its text: a watcher knows the same thousands of paths from several sides.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DocPath(Arc<str>);

impl TryFrom<String> for DocPath {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        Self::new(text)
    }
}

impl From<DocPath> for String {
    fn from(path: DocPath) -> Self {
        path.as_str().to_owned()
    }
}

impl DocPath {
    /// Checks a path.
    ///
    /// # Errors
    /// [`NameError::Path`] if it could leave the folder, names a hidden or foreign file, or is deeper than the archive.
    pub fn new(text: impl Into<String>) -> Result<Self, NameError> {
        let text = text.into();
        let fault = |why| Err(NameError::Path { text: shown(&text), why });
        let name = match text.rsplit_once('/') {
            None => text.as_str(),
            Some((folder, name)) if folder.strip_prefix("archive/").is_some_and(is_month) => name,
            Some(_) => return fault("it must be NAME.md or archive/YYYY-MM/NAME.md"),
        };
        if name.len() > FILE_NAME_BYTES_MAX {
            return fault("the file name is longer than 255 bytes");
        }
        if name.starts_with(['.', '#']) {
            return fault("names that begin with `.` or `#` are left to editors");
        }
        if name.len() <= 3 || !name.ends_with(".md") {
            return fault("it does not end in .md");
        }
        // Nearly every name is of these alone, and there may be very many.
        let is_plain = name.bytes().all(|b| matches!(b, b' '..=b'~') && b != b'\\');
        if !is_plain && name.chars().any(|c| is_unsafe_to_show(c) || c == '\\') {
            return fault("it has a control character or a backslash");
        }
        Ok(Self(text.into()))
    }

    /// The path of a new document: `<id>.md` if the id has its kind's prefix, else `<kind>-<id>.md`.
    #[must_use]
    pub fn for_new(kind: Kind, id: &DocId) -> Self {
        if kind != Kind::Agent && id.as_str().starts_with(kind.prefix()) {
            Self(format!("{id}.md").into())
        } else {
            Self(format!("{}{id}.md", kind.prefix()).into())
        }
    }

    /// The whole path, `/` between parts.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last part.
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// The last part without `.md`.
    #[must_use]
    pub fn stem(&self) -> &str {
        let name = self.file_name();
        name.strip_suffix(".md").unwrap_or(name)
    }

    /// The kind its name speaks of, if any.
    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| self.file_name().starts_with(kind.prefix()))
    }

    /// Tells whether it is an event log (`events.md`, `events-<x>.md`).
    #[must_use]
    pub fn is_events(&self) -> bool {
        let stem = self.stem();
        stem == "events" || stem.starts_with("events-")
    }

    /// Tells whether it lies in the archive.
    #[must_use]
    pub fn is_archived(&self) -> bool {
        self.0.starts_with("archive/")
    }
}

fn is_month(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 7 && bytes[4] == b'-' && bytes.iter().enumerate().all(|(i, b)| i == 4 || b.is_ascii_digit())
}

impl fmt::Display for DocPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for DocPath {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::new(text)
    }
}

/// A commit id, as lower-case hexadecimal digits (40 for SHA-1, 64 for SHA-256).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(Arc<str>);

/// A blob id, as lower-case hexadecimal digits: equal ids are equal contents.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentId(Arc<str>);

macro_rules! object_id {
    ($name:ident) => {
        impl $name {
            /// Takes 40 or 64 lower-case hexadecimal digits; anything else is `None`.
            #[must_use]
            pub fn new(text: impl AsRef<str>) -> Option<Self> {
                let text = text.as_ref();
                let hex = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
                (hex && matches!(text.len(), 40 | 64)).then(|| Self(text.into()))
            }

            /// All digits.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The first seven digits, for people.
            #[must_use]
            pub fn short(&self) -> &str {
                &self.0[..7]
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}
object_id!(Revision);
object_id!(ContentId);

#[cfg(test)]
mod tests;
