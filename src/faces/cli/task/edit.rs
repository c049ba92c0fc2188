//! `task edit`: the task's file in the user's own editor; the result goes through the store like every other write.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use crate::api::view::{ErrorReport, Excerpt};
use crate::core::diagnostic::Diagnostic;
use crate::core::document::{Document, FILE_BYTES_MAX};
use crate::core::entity;
use crate::core::name::{DocPath, Kind, visible};
use crate::core::operation::{DocumentChange, Expect, Request};
use crate::core::problem::ErrorClass;
use crate::faces::cli::answer::Answer;
use crate::faces::cli::scratch::Scratch;
use crate::faces::cli::session::Session;
use crate::faces::cli::write;

/// How every failure behind the editor says it; where there is a text to keep, its place is told instead.
const NOT_SAVED: &str = "your text is not saved";

/// Edit a task's file in your editor
#[derive(Debug, clap::Args)]
#[command(after_help = "The editor is $VISUAL, else $EDITOR, else vi.")]
pub(crate) struct Args {
    /// The task's id, or the beginning of it
    id: String,
}

/// Opens the editor on a copy and applies what was saved.
pub(crate) fn run(args: &Args, session: &Session) -> Result<Answer, ErrorReport> {
    let project = session.open()?;
    let found = project.documents().find(Some(Kind::Task), &args.id)?;
    let mut copy = Copy::make(&found.path, found.document.bytes())?;
    let result = copy.open().and_then(|()| copy.read()).and_then(|after| {
        accept(&found.path, &found.document, &after)?;
        let id = found.entity.as_ref().map_or_else(|| args.id.clone(), |entity| entity.id().to_string());
        // What somebody else wrote meanwhile is kept; the user decides what becomes of both.
        let edit = Box::new(|_: &Document| Ok(after.clone()));
        let change = DocumentChange::Replace { kind: Kind::Task, id: id.clone(), verb: "edit", edit };
        let request = Request::from(change).expecting(Expect::text_of(&found.document));
        write::apply("task.edit", &project, request)
            .map_err(|failure| if failure.code == "overtaken" { overtaken(&id) } else { failure })
    });
    result.map_err(|failure| copy.keep(failure, &found.document))
}

fn overtaken(id: &str) -> ErrorReport {
    let message = format!("`{id}` was changed while you edited it; your text is not saved");
    ErrorReport::new(ErrorClass::Conflict, "overtaken", message).hint(format!("run `mycelium task edit {id}` again"))
}

/// The result must say as much as the file did before.
fn accept(path: &DocPath, before: &Document, after: &Document) -> Result<(), ErrorReport> {
    let (was, is) = (entity::read(path, before), entity::read(path, after));
    let refuse = |finding: &Diagnostic| {
        let message = format!("your text is not saved: {}", finding.message);
        let failure = ErrorReport::new(ErrorClass::Usage, finding.code.as_str(), message);
        let failure = match finding.place {
            Some(place) => failure.at(Excerpt::new(path.file_name(), after.bytes(), place)),
            None => failure,
        };
        ErrorReport { hint: finding.hint.clone(), ..failure }
    };
    match is.findings.first() {
        Some(finding) if is.entity.is_none() => Err(refuse(finding)),
        _ if was.id.is_some() && was.id != is.id => {
            let failure = ErrorReport::usage("id-changed", "your text is not saved: its `id` is another one");
            Err(failure.hint("make a new task with the other id: `mycelium task create --id ID --type TYPE`"))
        }
        _ => Ok(()),
    }
}

/// A copy of the file for the editor.
#[derive(Debug)]
struct Copy {
    scratch: Scratch,
    file: PathBuf,
}

impl Copy {
    fn make(path: &DocPath, bytes: &[u8]) -> Result<Self, ErrorReport> {
        let scratch = Scratch::new("edit")?;
        let file = scratch.path().join(path.file_name());
        std::fs::write(&file, bytes).map_err(|error| fault("could not write", &file, &error))?;
        Ok(Self { scratch, file })
    }

    fn open(&self) -> Result<(), ErrorReport> {
        // The variable may hold arguments, as with git, so a shell reads it; the file stays one argument.
        let mut line = editor();
        let shown = visible(&line.to_string_lossy());
        line.push(" \"$@\"");
        let started = Command::new("sh").arg("-c").arg(line).arg("sh").arg(&self.file).status();
        let status = started.map_err(|error| fault("could not start a shell to edit", &self.file, &error))?;
        if status.success() {
            return Ok(());
        }
        Err(ended(&shown, status))
    }

    fn read(&self) -> Result<Document, ErrorReport> {
        let bytes = std::fs::read(&self.file).map_err(|error| fault("could not read", &self.file, &error))?;
        if bytes.len() > FILE_BYTES_MAX {
            let message = format!("your text is not saved: it is larger than {FILE_BYTES_MAX} bytes");
            let failure = ErrorReport::usage("value-too-big", message);
            return Err(failure.hint("keep bulky data in a file of its own and name its path"));
        }
        Ok(Document::parse(bytes))
    }

    /// Says where the user's text is, if there is any; it is not removed then.
    fn keep(&mut self, failure: ErrorReport, before: &Document) -> ErrorReport {
        if std::fs::read(&self.file).is_ok_and(|bytes| bytes != before.bytes()) {
            self.scratch.keep();
            let kept = format!("your text is kept in `{}`, not saved", visible(&self.file.display().to_string()));
            let message = failure.message.replacen(NOT_SAVED, &kept, 1);
            return ErrorReport { message, ..failure };
        }
        failure
    }
}

/// What an editor's end that is no success means.
fn ended(editor: &str, status: ExitStatus) -> ErrorReport {
    const INTERRUPT: i32 = 2;
    let how = match (status.code(), status.signal()) {
        (Some(130), _) | (_, Some(INTERRUPT)) => {
            let message = format!("the editor `{editor}` was interrupted; your text is not saved");
            return ErrorReport::new(ErrorClass::Interrupted, "interrupted", message);
        }
        (Some(code), _) => format!("exit code {code}"),
        (None, signal) => format!("signal {}", signal.unwrap_or_default()),
    };
    let message = format!("the editor `{editor}` ended with {how}; your text is not saved");
    let failure = ErrorReport::new(ErrorClass::Problem, "editor", message);
    failure.hint("set EDITOR to the program you like: `EDITOR=nano mycelium task edit ID`")
}

/// The user's own choice; nothing in a repository can name a program.
fn editor() -> OsString {
    let set = |name: &str| std::env::var_os(name).filter(|text| !text.is_empty());
    set("VISUAL").or_else(|| set("EDITOR")).unwrap_or_else(|| OsString::from("vi"))
}

fn fault(what: &str, file: &Path, error: &std::io::Error) -> ErrorReport {
    let message = format!("{what} `{}`", visible(&file.display().to_string()));
    ErrorReport::new(ErrorClass::Problem, "editor", message).cause(error.to_string())
}
