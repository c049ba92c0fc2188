//! Findings about documents: what is wrong, where, why, and what to do next. Wording only; nothing is printed here.

use std::fmt;

use crate::core::name::DocPath;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Works, but is probably not what was meant.
    Warning,
    /// Cannot be used as it stands.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// What kind of finding it is; the text form (`MYC004`) never changes its meaning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Code { $($(#[$doc])* $name,)* }

        impl Code {
            /// Every code there is.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Its stable text form.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

codes! {
    /// The file is not UTF-8.
    NotUtf8 = "MYC001",
    /// The file holds a NUL byte.
    NulByte = "MYC002",
    /// The file is larger than the limit.
    FileTooBig = "MYC003",
    /// Merge conflict markers.
    ConflictMarkers = "MYC004",
    /// `---` opens the frontmatter and nothing closes it.
    UnterminatedFrontmatter = "MYC005",
    /// The frontmatter is larger than the limit.
    FrontmatterTooBig = "MYC006",
    /// Not valid YAML.
    YamlSyntax = "MYC007",
    /// A key stands twice.
    DuplicateKey = "MYC008",
    /// Anchors and aliases are refused.
    AnchorOrAlias = "MYC009",
    /// Nested deeper than the limit.
    TooDeep = "MYC010",
    /// The frontmatter is not a map of keys.
    NotAMap = "MYC011",
    /// More than one YAML document, a tag, or a key that is not plain text.
    UnsupportedYaml = "MYC012",
    /// More values than the limit.
    TooManyValues = "MYC013",
    /// No frontmatter where one is needed.
    NoFrontmatter = "MYC014",
    /// A key that is needed is missing.
    MissingKey = "MYC101",
    /// A status that is not one of the kind's.
    UnknownStatus = "MYC102",
    /// A value of the wrong shape.
    BadValue = "MYC103",
    /// An id or name that breaks the rules of names.
    BadName = "MYC104",
    /// A JSON section that is not JSON.
    BadJson = "MYC105",
    /// A markdown file that is no agent, task, workflow or event log.
    UnknownKind = "MYC106",
    /// A line of an event log that is no event.
    BadEvent = "MYC107",
    /// A document that can be read and not edited.
    NotEditable = "MYC108",
    /// A code block or HTML in the body that is never closed.
    OpenBlock = "MYC109",
    /// A condition or an expression that cannot be evaluated.
    BadCondition = "MYC110",
    /// Two documents with one id.
    DuplicateId = "MYC201",
    /// A dependency that does not exist.
    MissingDependency = "MYC202",
    /// Tasks that wait for each other.
    DependencyCycle = "MYC203",
    /// The body says something else than the frontmatter.
    BodyDrift = "MYC204",
    /// A status change that the status machine does not allow.
    IllegalStep = "MYC205",
    /// A file name that does not fit the id in it.
    FileNameMismatch = "MYC206",
    /// A workflow lists a task that does not exist.
    MissingTask = "MYC207",
    /// A file in the folder that is not a regular file (a symbolic link, a device).
    NotAFile = "MYC208",
    /// A save reached a file after it had been replaced; nothing of it is lost.
    LateSave = "MYC209",
    /// A document was changed in the folder and on the branch that the folder follows.
    ChangedTwice = "MYC210",
    /// An archived document that is not finished.
    UnfinishedInArchive = "MYC211",
    /// A file or folder that the system does not let us read.
    CannotBeRead = "MYC215",
    /// A document that only git can store as the repository wants it: it is not committed.
    LeftToGit = "MYC216",
    /// Two names that differ only by case or spelling: one file on Windows and macOS.
    NameClash = "MYC217",
    /// A workflow that is completed while tasks of it are not.
    OpenTasks = "MYC218",
    /// The dedicated branch was taken over from the remote, or made again.
    BranchAdopted = "MYC220",
    /// The remote could not be asked whether it has the dedicated branch.
    BranchUnknown = "MYC221",
    /// A record of an operation that is not honoured.
    RefusedRecord = "MYC222",
    /// Git put an operation back before it was committed.
    PutBack = "MYC230",
    /// A configuration key nobody knows.
    UnknownConfigKey = "MYC301",
    /// A configuration value of the wrong shape.
    BadConfigValue = "MYC302",
    /// A configuration key that counts only from the user's own configuration.
    UntrustedConfigKey = "MYC303",
    /// A configuration file that is not JSON.
    BadConfigFile = "MYC304",
    /// A password in the repository's configuration.
    TrackedPassword = "MYC305",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A place in a text: line and column, both counted from 1, the column in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Place {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl Place {
    /// The place of a byte in a text; past the end it is the end. Bytes that are not UTF-8 count as one character each.
    #[must_use]
    pub fn of(bytes: &[u8], at: usize) -> Self {
        let before = &bytes[..at.min(bytes.len())];
        let start = before.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
        let line = before.iter().filter(|b| **b == b'\n').count() + 1;
        let column = String::from_utf8_lossy(&before[start..]).chars().filter(|c| *c != '\u{feff}').count() + 1;
        Self { line, column }
    }
}

/// One finding: what, where, why it matters, and what to do next.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Diagnostic {
    /// Which document, where it is about one.
    pub path: Option<DocPath>,
    /// Where in it, where it is about one place.
    pub place: Option<Place>,
    /// How bad.
    pub severity: Severity,
    /// Which kind of finding.
    pub code: Code,
    /// What is wrong: a lower-case fragment without a full stop.
    pub message: String,
    /// What to do next, in the imperative.
    pub hint: Option<String>,
}

impl Diagnostic {
    /// An error that is not yet tied to a place.
    #[must_use]
    pub fn error(code: Code, message: impl Into<String>) -> Self {
        Self { path: None, place: None, severity: Severity::Error, code, message: message.into(), hint: None }
    }

    /// A warning that is not yet tied to a place.
    #[must_use]
    pub fn warning(code: Code, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, message) }
    }

    /// The same finding at a place.
    #[must_use]
    pub fn at(self, place: Place) -> Self {
        Self { place: Some(place), ..self }
    }

    /// The same finding in a document.
    #[must_use]
    pub fn in_file(self, path: &DocPath) -> Self {
        Self { path: Some(path.clone()), ..self }
    }

    /// The same finding with advice.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

impl fmt::Display for Diagnostic {
    /// `task-1.md:4:9: error[MYC102]: unknown status`, without the hint.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = &self.path {
            write!(f, "{path}:")?;
        }
        if let Some(place) = self.place {
            write!(f, "{}:{}:", place.line, place.column)?;
        }
        if self.path.is_some() || self.place.is_some() {
            f.write_str(" ")?;
        }
        write!(f, "{}[{}]: {}", self.severity, self.code, self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_lines_and_characters_from_one() {
        let text = "ab\ncé\u{1f600}d\r\n".as_bytes();
        let place = |at| Place::of(text, at);
        assert_eq!(place(0), Place { line: 1, column: 1 });
        assert_eq!(place(3), Place { line: 2, column: 1 });
        assert_eq!(place(10), Place { line: 2, column: 4 });
        assert_eq!(place(999), Place { line: 3, column: 1 });
        assert_eq!(Place::of("\u{feff}x".as_bytes(), 3), Place { line: 1, column: 1 });
    }

    #[test]
    fn a_finding_reads_like_a_compilers() {
        let path = DocPath::new("task-7.md").expect("valid");
        let finding = Diagnostic::error(Code::UnknownStatus, "unknown status `runing`")
            .in_file(&path)
            .at(Place { line: 4, column: 9 });
        assert_eq!(finding.to_string(), "task-7.md:4:9: error[MYC102]: unknown status `runing`");
    }

    #[test]
    fn codes_are_unique() {
        let mut texts: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), Code::ALL.len());
    }
}
