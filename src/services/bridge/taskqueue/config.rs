//! The configuration of `TaskQueue`: which program is wanted, who named it, and how it is used. Starts nothing.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use super::program::{self, ProgramChoice};
use super::target::TaskQueueTarget;
use crate::adapters::taskqueue::FoundProgram;
use crate::core::config::Origin;
use crate::core::name::visible;
use crate::services::bridge::backend::MirrorTarget;
use crate::services::bridge::bridge_config::{BridgeConfig, Enabling};
use crate::services::bridge::consent::{Consent, ConsentRecord};
use crate::services::{BackendId, Error, environment};

const MODE: &str = "coordination.mode";
const SWITCH: &str = "coordination.taskqueue.mode";
const COMMAND: &str = "coordination.taskqueue.command";

/// A server that was found, and that the user has not agreed to use in this clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundTaskQueue {
    /// Its program and the file that it keeps.
    pub address: String,
}

impl FoundTaskQueue {
    /// What it says to the user.
    #[must_use]
    pub fn words(&self) -> String {
        format!("found at {}, not enabled", self.address)
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        "run `mycelium bridge enable taskqueue` to mirror tasks there".to_owned()
    }
}

/// Reads the settings of `TaskQueue` and the user's consent to it.
#[derive(Debug, Clone, Copy)]
pub(in crate::services::bridge) struct TaskQueueConfig<'a> {
    pub(in crate::services::bridge) common: BridgeConfig<'a>,
}

impl<'a> TaskQueueConfig<'a> {
    fn consent(self) -> Consent<'a> {
        self.common.consent(BackendId::TaskQueue)
    }

    /// The server that may be used. If none is named, nothing is read; else one small file, or two.
    ///
    /// # Errors
    /// [`Error::NoServer`] if none is named; [`Error::NotEnabled`] if only the repository asks for one, or the user agreed to
    /// another one; [`Error::BadServer`] if the settings make no sense.
    pub(in crate::services::bridge) fn target(self) -> Result<Box<TaskQueueTarget>, Error> {
        if !self.is_allowed() {
            return Err(Error::NoServer);
        }
        let (is_own, is_asked) = (self.named_by().is_some_and(is_own), self.named_by().is_some());
        if !is_asked && !self.common.store.local.has_bridge() {
            return Err(Error::NoServer);
        }
        let (consent, file) = (self.consent(), self.file()?);
        let bad = |error: Error| bad_server(error.to_string(), "");
        let record = consent.record().map_err(bad)?;
        let given = record.as_ref().filter(|record| consent.is_given_to(record));
        let agreed = given.and_then(|record| ProgramChoice::agreed(&record.address, &file));
        let program = match (self.command(), agreed) {
            (Some(words), _) if is_own => ProgramChoice::Command(words),
            (_, Some(agreed)) => agreed,
            (_, None) if is_own => ProgramChoice::Search,
            (_, None) if is_asked || given.is_some() => {
                return Err(Error::NotEnabled { address: self.address_found()? });
            }
            (_, None) => return Err(Error::NoServer),
        };
        let address = program.address(&file);
        let known = record.as_ref().filter(|record| record.address == address);
        let record = match known {
            Some(known) => known.clone(),
            None => consent.first_use(&address, record.as_ref(), || self.common.branch.current()).map_err(bad)?,
        };
        Ok(Box::new(self.target_of(program, file, &record)))
    }

    fn target_of(self, program: ProgramChoice, file: PathBuf, record: &ConsentRecord) -> TaskQueueTarget {
        let config = self.common.config;
        let branch = self.common.branch_of(record);
        let mirror = MirrorTarget {
            backend: BackendId::TaskQueue,
            address: program.address(&file),
            memory_name: TaskQueueTarget::memory_name(&file, &branch),
            branch,
            node: record.node.clone(),
            scan_every: Duration::from_secs(config.number("bridge.scan_seconds")),
        };
        TaskQueueTarget {
            mirror,
            program,
            file,
            root: self.common.root.to_owned(),
            folder: config.text("markdown.folder").unwrap_or_default().to_owned(),
            poll_every: Duration::from_millis(config.number("coordination.taskqueue.poll_interval_ms")),
            tasks_max: usize::try_from(config.number("coordination.taskqueue.max_tasks")).unwrap_or(usize::MAX),
            progress_max: Duration::from_secs(config.number("coordination.taskqueue.task_timeout_seconds")),
        }
    }

    /// Returns false if the settings want another backend, or none.
    fn is_allowed(self) -> bool {
        self.common.allows(BackendId::TaskQueue) && self.common.config.text(SWITCH) != Some("disabled")
    }

    /// Where the setting stands that asks for a server; the user's own word comes before that of others.
    pub(in crate::services::bridge) fn named_by(self) -> Option<Origin> {
        let set = |name: &str, word: Option<&str>| {
            let setting = self.common.config.get(name)?;
            let is_it = match word {
                Some(word) => setting.value == *word,
                None => setting.value != Value::Null,
            };
            is_it.then_some(setting.origin)
        };
        let all = [set(MODE, Some(BackendId::TaskQueue.word())), set(SWITCH, Some("enabled")), set(COMMAND, None)];
        let all = all.into_iter().flatten().filter(|origin| *origin != Origin::Default);
        all.max_by_key(|origin| (is_own(*origin), *origin))
    }

    /// The user's own command; the repository's is not read.
    fn command(self) -> Option<Vec<String>> {
        let words = self.common.config.command(COMMAND)?;
        Some(words.into_iter().map(str::to_owned).collect())
    }

    /// The file that the server keeps: one for all programs of the user, unless it is named.
    fn file(self) -> Result<PathBuf, Error> {
        let named = self.common.config.text("coordination.taskqueue.file").map(PathBuf::from);
        match named {
            Some(file) if !file.is_absolute() || file.file_name().is_none() => {
                let why = format!("`{}` is no absolute path of a file", visible(&file.display().to_string()));
                Err(bad_server(why, "correct `coordination.taskqueue.file`, or TASK_MANAGER_FILE_PATH"))
            }
            Some(file) => Ok(file),
            None => Ok(environment::user_data()?.join("taskqueue-mcp").join("tasks.json")),
        }
    }

    fn address_found(self) -> Result<String, Error> {
        let program = match program::search(self.common.root) {
            FoundProgram::Installed(program) => ProgramChoice::Agreed(program),
            FoundProgram::OfRepository(_) | FoundProgram::Missing => ProgramChoice::Search,
        };
        Ok(program.address(&self.file()?))
    }

    /// A server that is installed and not asked for.
    pub(in crate::services::bridge) fn found(self) -> Option<FoundTaskQueue> {
        let is_asked = !self.is_allowed() || !matches!(self.target(), Err(Error::NoServer));
        let FoundProgram::Installed(program) = (!is_asked).then(|| program::search(self.common.root))? else {
            return None;
        };
        Some(FoundTaskQueue { address: ProgramChoice::Agreed(program).address(&self.file().ok()?) })
    }

    /// Agrees to the server that is installed here, or that the user's own command names, and to mirror a branch there, by
    /// default the one that is checked out. Starts nothing.
    ///
    /// # Errors
    /// [`Error::TaskQueue`] if there is none that may be started; others if it cannot be remembered.
    pub(in crate::services::bridge) fn enable(self, branch: Option<&str>) -> Result<Enabling, Error> {
        if !self.is_allowed() {
            let why = "the settings want no TaskQueue server";
            return Err(bad_server(why, "set `coordination.mode` to `auto`, and unset `coordination.taskqueue.mode`"));
        }
        let (consent, file) = (self.consent(), self.file()?);
        let before = consent.record()?;
        let address = match self.command() {
            Some(words) => ProgramChoice::Command(words),
            None => ProgramChoice::Agreed(program::installed(self.common.root)?),
        }
        .address(&file);
        let same = before.as_ref().filter(|before| before.address == address);
        let was_enabled = same.is_some_and(|record| consent.is_given_to(record));
        let record = ConsentRecord {
            branch: branch.map_or_else(|| self.common.branch.current(), |branch| Ok(branch.to_owned()))?,
            node: before.as_ref().map_or_else(environment::new_node, |before| Ok(before.node.clone()))?,
            is_given: true,
            token: match same.filter(|_| was_enabled) {
                Some(record) => record.token.clone(),
                None => environment::new_node()?,
            },
            address,
        };
        consent.give(&record, before.as_ref())?;
        Ok(Enabling { target: self.target()?.mirror, was_enabled })
    }
}

/// Set by the user, not by the repository.
const fn is_own(origin: Origin) -> bool {
    matches!(origin, Origin::User | Origin::Environment | Origin::Flag)
}

fn bad_server(why: impl Into<String>, hint: impl Into<String>) -> Error {
    Error::BadServer { why: why.into(), hint: hint.into() }
}

#[cfg(test)]
mod tests;
