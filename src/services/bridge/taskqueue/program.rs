//! The program of a server: who chose it, where it is found, and what it is started with. Looks at files alone.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::adapters::taskqueue::{self, FoundProgram, Program, SearchPlaces, TaskQueueError};
use crate::core::name::visible;
use crate::services::environment;

/// The variable that names the server's file.
const FILE_VARIABLE: &str = "TASK_MANAGER_FILE_PATH";
/// Arguments of `npx`: without a network it waits for minutes otherwise.
const NPX_ENVIRONMENT: [(&str, &str); 3] =
    [("npm_config_fetch_retries", "0"), ("npm_config_fetch_timeout", "3000"), ("npm_config_prefer_offline", "true")];
/// What a program is called that is looked for when it is needed.
const SEARCHED: &str = "taskqueue-mcp";

/// Which program is a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ProgramChoice {
    /// The user's own command.
    Command(Vec<String>),
    /// The one that the user agreed to in this clone.
    Agreed(PathBuf),
    /// The user named none: whichever is installed when it is needed, but none of the work tree.
    Search,
}

impl ProgramChoice {
    /// What it is called in messages, with the file that it keeps.
    pub(super) fn address(&self, file: &Path) -> String {
        let program = match self {
            Self::Command(words) => words.join(" "),
            Self::Agreed(program) => program.display().to_string(),
            Self::Search => SEARCHED.to_owned(),
        };
        format!("{program} ({})", file.display())
    }

    /// The program that an address names, for this file.
    pub(super) fn agreed(address: &str, file: &Path) -> Option<Self> {
        let program = address.strip_suffix(&format!(" ({})", file.display()))?;
        let program = PathBuf::from(program);
        program.is_absolute().then_some(Self::Agreed(program))
    }

    /// Finds the program, to be started.
    ///
    /// # Errors
    /// [`TaskQueueError::NoProgram`] if there is none that may be started.
    pub(super) fn resolve(&self, file: &Path, root: &Path) -> Result<Program, TaskQueueError> {
        let words: Vec<OsString> = match self {
            Self::Command(words) => {
                let name = words.first().map_or("", String::as_str);
                let program = command_program(name, root).map_err(|why| {
                    no_program(name, why, "correct `coordination.taskqueue.command` in your own configuration")
                })?;
                std::iter::once(program.into()).chain(words.iter().skip(1).map(OsString::from)).collect()
            }
            Self::Agreed(program) if !taskqueue::is_program(program) => {
                let hint = "install it again, or run `mycelium bridge enable taskqueue` to use another one";
                return Err(no_program(&program.display().to_string(), "it is no longer there", hint));
            }
            Self::Agreed(program) => vec![program.into()],
            Self::Search => vec![installed(root)?.into()],
        };
        let mut variables = vec![(FILE_VARIABLE.to_owned(), file.as_os_str().to_owned())];
        if taskqueue::is_npx(&words) {
            variables.extend(NPX_ENVIRONMENT.map(|(name, value)| (name.to_owned(), value.into())));
        }
        // Away from the work tree: `npx` and the like prefer what lies where they run.
        let folder = file.parent().unwrap_or_else(|| Path::new("/")).to_owned();
        Ok(Program { words, environment: variables, folder })
    }

    /// Returns true if it is started by `npx`, which takes seconds.
    pub(super) fn is_npx(&self) -> bool {
        matches!(self, Self::Command(words) if taskqueue::is_npx(&words.iter().map(OsString::from).collect::<Vec<_>>()))
    }
}

/// The server that is installed outside of the work tree.
///
/// # Errors
/// [`TaskQueueError::NoProgram`] if there is none.
pub(super) fn installed(root: &Path) -> Result<PathBuf, TaskQueueError> {
    match search(root) {
        FoundProgram::Installed(program) => Ok(program),
        FoundProgram::OfRepository(program) => {
            let program = visible(&program.display().to_string());
            let why = "it lies in the work tree, and may have come with the repository";
            let hint = format!(
                "run `mycelium config set --user coordination.taskqueue.command '[\"{program}\"]'` if you trust it"
            );
            Err(no_program(&program, why, &hint))
        }
        FoundProgram::Missing => {
            let hint = "install taskqueue-mcp with npm, or name its program in `coordination.taskqueue.command`";
            Err(no_program(SEARCHED, "it is not installed", hint))
        }
    }
}

fn no_program(program: &str, why: &str, hint: &str) -> TaskQueueError {
    TaskQueueError::NoProgram { program: program.to_owned(), why: why.to_owned(), hint: hint.to_owned() }
}

/// The program that the first word of a command names.
fn command_program(name: &str, root: &Path) -> Result<PathBuf, &'static str> {
    let path = Path::new(name);
    if path.is_absolute() {
        return Ok(path.to_owned());
    }
    if name.contains('/') {
        return Err("`coordination.taskqueue.command` takes an absolute path, or the name of a program");
    }
    let variable = environment::variable("PATH").unwrap_or_default();
    taskqueue::on_path(OsStr::new(name), OsStr::new(&variable), root).ok_or("it is not on `PATH`")
}

/// Looks for an installed server. Starts nothing.
pub(super) fn search(root: &Path) -> FoundProgram {
    let cache = environment::variable("npm_config_cache").map(PathBuf::from);
    let places = SearchPlaces {
        path: environment::variable("PATH").unwrap_or_default().into(),
        npm_cache: cache.or_else(|| Some(environment::home()?.join(".npm"))),
        folder: root.to_owned(),
    };
    taskqueue::locate(&places, root)
}
