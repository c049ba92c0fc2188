//! Why an operation could not be carried out, how a caller should take it, and what to do next. Wording only.

pub(in crate::services) mod backend;
mod service;
mod words;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::adapters::git::{CommitError, GitError};
#[cfg(feature = "redis")]
use crate::adapters::redis::BridgeError;
use crate::adapters::store::{ApplyError, StoreError};
use crate::adapters::taskqueue::TaskQueueError;
use crate::core::archive::Stay;
use crate::core::diagnostic::Diagnostic;
use crate::core::entity::{Refusal, RenderError, TaskStatus};
use crate::core::event::PublishError;
use crate::core::lease::LostLease;
use crate::core::name::{AgentName, DocId, DocPath, Kind, NameError, visible};
use crate::core::problem::{ErrorClass, Problem};
use crate::core::snapshot::{Blocker, FindError, Wait};

pub use self::service::ServiceError;
use words::{unnamed, way_on};

/// Says why an operation could not be carried out. Nothing was changed, unless it says so.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No document of that id, or more than one.
    #[error(transparent)]
    Find(#[from] FindError),
    /// The rules forbid it.
    #[error("{path}: {source}")]
    Refused {
        /// Which document.
        path: DocPath,
        /// Which rule.
        source: Box<Refusal>,
    },
    /// A new document's template is at fault.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// A document of that id is there already.
    #[error("{kind} `{id}` is there already, in `{path}`")]
    Exists {
        /// Of which kind.
        kind: Kind,
        /// Which id.
        id: DocId,
        /// Where.
        path: DocPath,
    },
    /// The document was removed or renamed while it was being changed.
    #[error("`{path}` is gone: it was removed or renamed just now")]
    Gone {
        /// Where it was.
        path: DocPath,
    },
    /// The document is not as the request expected it.
    #[error("`{path}` was changed by somebody else just now")]
    Overtaken {
        /// Which document.
        path: DocPath,
    },
    /// A document that is git's alone is not changed.
    #[error(transparent)]
    GitsAlone(ServiceError),
    /// An event cannot be published as it is.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The document may not go into the archive.
    #[error("`{id}` stays out of the archive: {why}")]
    Stays {
        /// What it is called.
        id: String,
        /// Where it lies.
        path: DocPath,
        /// Why.
        why: Box<Stay>,
    },
    /// Somebody else has the task, or the fence that was named is not the one now.
    #[error(transparent)]
    ClaimLost(Box<LostLease>),
    /// The task is meant for somebody else.
    #[error("`{}` is assigned to `{to}`", crate::core::name::visible(.task))]
    Assigned {
        /// Which task.
        task: String,
        /// For whom it is meant.
        to: AgentName,
    },
    /// The last holder of the task worked on a branch that is not merged here.
    #[error("`{}` {work}", crate::core::name::visible(.task))]
    Unmerged {
        /// Which task.
        task: String,
        /// Who held it, and what is not here, in words.
        work: String,
        /// The branch that has it.
        branch: String,
    },
    /// The server is to decide who has the task, and cannot.
    #[error("who has `{}` cannot be decided: {why}", crate::core::name::visible(.task))]
    Undecided {
        /// Which task.
        task: String,
        /// Why.
        why: String,
    },
    /// What several share failed, such as the reading of events for all who subscribe.
    #[error(transparent)]
    Shared(Arc<Error>),
    /// The server of a bridge cannot be used.
    #[error(transparent)]
    #[cfg(feature = "redis")]
    Bridge(#[from] BridgeError),
    /// A call of a `TaskQueue` server failed.
    #[error(transparent)]
    TaskQueue(#[from] TaskQueueError),
    /// A value that restricts the task cannot be used, so it is given to no agent.
    #[error("`{}` is not ready: {}", crate::core::name::visible(.task), described(.finding))]
    Unusable {
        /// Which task.
        task: String,
        /// What cannot be used, and where.
        finding: Box<Diagnostic>,
    },
    /// The task waits for others.
    #[error("`{}` is not ready: it waits for {}", crate::core::name::visible(.task), listed(.waits))]
    NotReady {
        /// Which task.
        task: String,
        /// What it waits for.
        waits: Vec<Blocker>,
    },
    /// The task cannot be claimed, and nobody by name has it.
    #[error("`{}` is not ready: it is {status}{}", crate::core::name::visible(.task), unnamed(*.status))]
    NotPending {
        /// Which task.
        task: String,
        /// Where it stands.
        status: TaskStatus,
    },
    /// No task is ready.
    #[error("no task is ready{}{}", .kind.as_ref().map(|kind| format!(" of type `{}`", crate::core::name::visible(kind))).unwrap_or_default(), .skipped)]
    NothingReady {
        /// Of which type, if one was asked for.
        kind: Option<String>,
        /// Those that are pending and cannot be given to an agent as they are, in words; empty if there are none.
        skipped: String,
        /// What to do about the first of them.
        hint: Option<String>,
    },
    /// A lease was to be renewed that nobody has, or not this agent.
    #[error("`{}` is not held{}", crate::core::name::visible(.task), .by.as_ref().map(|by| format!(" by `{by}`")).unwrap_or_default())]
    NotHeld {
        /// Which task.
        task: String,
        /// By whom it was to be held.
        by: Option<AgentName>,
    },
    /// Something that only an agent can do, and nobody said which one.
    #[error("it is not known which agent acts")]
    NoAgent,
    /// More steps than one batch takes.
    #[error("a batch of {count} steps; at most {max} are allowed")]
    TooManySteps {
        /// So many were given.
        count: usize,
        /// So many are allowed.
        max: usize,
    },
    /// A step of a batch was not done, because another one failed.
    #[error("not done: step {step} of the batch failed, and all belong together")]
    Undone {
        /// The first step that failed, counted from 1.
        step: usize,
    },
    /// A name breaks the rules of names.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A setting given by the caller does not fit.
    #[error("{}", .0.message)]
    Config(Box<Diagnostic>),
    /// A file or folder outside of the documents could not be used.
    #[error("cannot use `{}`", crate::core::name::visible(&path.display().to_string()))]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The user has no home folder.
    #[error("you have no home folder")]
    NoHome,
    /// The system gives no random bytes.
    #[error("the system gives no random bytes: {0}")]
    Randomness(String),
    /// Asked for something that only a repository has.
    #[error("`{}` is not in a git repository", crate::core::name::visible(&.0.display().to_string()))]
    OutsideGit(PathBuf),
    /// The folder failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The repository failed.
    #[error(transparent)]
    Git(#[from] GitError),
    /// The commit failed; what was written stays written and is committed later.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// A service failed for a reason of its own.
    #[error(transparent)]
    Service(ServiceError),
    /// No server is named that could be mirrored to.
    #[error("no server is named")]
    NoServer,
    /// As [`Error::NoServer`], where it is known what the user could name.
    #[error("no server is named")]
    NoneNamed {
        /// What to do.
        hint: &'static str,
    },
    /// Only the repository names the server.
    #[error("the server {address} is named by the repository, and you have not agreed to it")]
    UntrustedServer {
        /// Its address, without a password.
        address: String,
    },
    /// Nobody has agreed to use a `TaskQueue` server in this clone.
    #[error("the server {address} is not used: you have not agreed to it in this clone")]
    NotEnabled {
        /// Its program and its file.
        address: String,
    },
    /// The repository says how the user's own server is used, and this clone has not agreed to it.
    #[error("the server {address} {why}")]
    UnagreedServer {
        /// Its address, without a password.
        address: String,
        /// Why it is not used, after the address.
        why: String,
    },
    /// What the settings say of the server makes no sense.
    #[error("{why}")]
    BadServer {
        /// What is wrong, without a password.
        why: String,
        /// What to do.
        hint: String,
    },
    /// The server cannot be used now.
    #[error("{why}")]
    Unreached {
        /// Why, without a password.
        why: String,
        /// What to do.
        hint: Option<String>,
    },
}

/// How often something is done again that a signal interrupted.
const INTERRUPTIONS_MAX: usize = 10;

/// Does something again as long as a signal interrupts it: most calls of the system are made again where they are made, but
/// not every library does so. It must be safe to do twice.
pub(super) fn again<T>(work: impl Fn() -> Result<T, Error>) -> Result<T, Error> {
    for _ in 1..INTERRUPTIONS_MAX {
        match work() {
            Err(error) if error.is_interruption() => {}
            done => return done,
        }
    }
    work()
}

impl Error {
    fn is_interruption(&self) -> bool {
        let mut next: Option<&(dyn std::error::Error + 'static)> = Some(self);
        while let Some(error) = next {
            let io = error.downcast_ref::<io::Error>();
            if io.is_some_and(|error| error.kind() == io::ErrorKind::Interrupted) {
                return true;
            }
            next = error.source();
        }
        false
    }

    /// Returns true if this process may read local state and not write it.
    #[must_use]
    pub const fn is_state_read_only(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_state_read_only())
    }
}

impl Problem for Error {
    fn code(&self) -> &'static str {
        match self {
            Self::Find(error) => error.code(),
            Self::Refused { source, .. } => source.code(),
            Self::Render(error) => error.code(),
            Self::Exists { .. } => "exists",
            Self::Gone { .. } => "gone",
            Self::Overtaken { .. } => "overtaken",
            Self::Publish(error) => error.code(),
            Self::Stays { .. } => "stays",
            Self::ClaimLost(loss) => loss.code(),
            Self::Assigned { .. } => "assigned",
            Self::Unmerged { .. } => "unmerged-work",
            Self::NotReady { .. } | Self::NotPending { .. } => "not-ready",
            Self::Unusable { .. } => "unusable-value",
            Self::NothingReady { .. } => "nothing-ready",
            Self::NotHeld { .. } => "not-held",
            Self::NoAgent => "no-agent",
            Self::TooManySteps { .. } => "too-many-steps",
            Self::Undone { .. } => "not-done",
            Self::Name(_) => "bad-name",
            Self::Config(_) => "bad-config",
            Self::Folder { .. } => "folder",
            Self::NoHome => "no-home",
            Self::Randomness(_) => "randomness",
            Self::OutsideGit(_) => "outside-git",
            Self::Store(error) => error.code(),
            Self::Git(error) => error.code(),
            Self::Commit(error) => error.code(),
            Self::Service(error) | Self::GitsAlone(error) => error.code(),
            Self::Shared(error) => error.code(),
            Self::NoServer | Self::NoneNamed { .. } => "no-server",
            Self::UntrustedServer { .. } | Self::UnagreedServer { .. } | Self::NotEnabled { .. } => "untrusted-server",
            Self::BadServer { .. } => "bad-server",
            Self::Unreached { .. } => "unreached",
            #[cfg(feature = "redis")]
            Self::Bridge(error) => error.code(),
            Self::TaskQueue(error) => error.code(),
            Self::Undecided { .. } => "undecided",
        }
    }

    fn class(&self) -> ErrorClass {
        match self {
            Self::Find(error) => error.class(),
            Self::Refused { source, .. } => source.class(),
            Self::Render(error) => error.class(),
            Self::Publish(error) => error.class(),
            Self::ClaimLost(loss) => loss.class(),
            Self::Store(error) => error.class(),
            Self::Git(error) => error.class(),
            Self::Commit(error) => error.class(),
            Self::Service(error) | Self::GitsAlone(error) => error.class(),
            Self::Shared(error) => error.class(),
            #[cfg(feature = "redis")]
            Self::Bridge(error) => error.class(),
            Self::TaskQueue(error) => error.class(),
            Self::Gone { .. } | Self::NothingReady { .. } => ErrorClass::NotFound,
            Self::Folder { source, .. } if source.kind() == io::ErrorKind::NotFound => ErrorClass::NotFound,
            Self::Exists { .. }
            | Self::Stays { .. }
            | Self::Undone { .. }
            | Self::Overtaken { .. }
            | Self::Assigned { .. }
            | Self::Unmerged { .. }
            | Self::Unusable { .. }
            | Self::NotReady { .. }
            | Self::NotPending { .. }
            | Self::NotHeld { .. } => ErrorClass::Conflict,
            Self::Name(_)
            | Self::Config(_)
            | Self::NoAgent
            | Self::TooManySteps { .. }
            | Self::NoServer
            | Self::NoneNamed { .. }
            | Self::BadServer { .. } => ErrorClass::Usage,
            Self::Unreached { .. } | Self::Undecided { .. } => ErrorClass::Busy,
            Self::UntrustedServer { .. } | Self::UnagreedServer { .. } | Self::NotEnabled { .. } => ErrorClass::Unsafe,
            Self::Folder { .. } | Self::NoHome | Self::Randomness(_) | Self::OutsideGit(_) => ErrorClass::Problem,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Find(error) => error.hint(),
            Self::Refused { source, .. } => source.hint(),
            Self::Render(error) => error.hint(),
            Self::Exists { kind, id, .. } => Some(format!("run `mycelium {kind} get {id}` to see it")),
            Self::Gone { .. } => Some("run `mycelium status` to see what is there now".to_owned()),
            Self::Overtaken { .. } => Some("look at what it says now, and try again".to_owned()),
            Self::Stays { id, why, .. } => why.hint(id),
            Self::ClaimLost(loss) => loss.hint(),
            Self::Unmerged { task, branch, .. } => {
                let (branch, task) = (visible(branch), visible(task));
                Some(format!("run `git merge {branch}`, or `mycelium task claim {task} --force` to begin without that"))
            }
            Self::Assigned { task, .. } => {
                Some(format!("run `mycelium task claim {} --force` to take it all the same", visible(task)))
            }
            Self::Unusable { task, finding } => {
                let repair = finding.hint.as_deref().unwrap_or("correct it");
                Some(format!("{repair} (`mycelium task edit {}`)", visible(task)))
            }
            Self::NotReady { task, waits } if waits.first().is_some_and(|first| first.why.is_own()) => {
                Some(format!("run `mycelium why {}`", visible(task)))
            }
            Self::NotReady { waits, .. } => {
                waits.first().map(|first| format!("run `mycelium task get {}` to see how it stands", first.id))
            }
            Self::NotPending { task, status } => Some(way_on(&visible(task), *status)),
            Self::NothingReady { hint: Some(hint), .. } | Self::BadServer { hint, .. } => Some(hint.clone()),
            Self::NothingReady { .. } => Some("run `mycelium task list` to see what the others wait for".to_owned()),
            Self::NotHeld { task, .. } => Some(format!("run `mycelium task claim {}` to get it", visible(task))),
            Self::NoAgent => Some("name it with `--as AGENT`, or set MYCELIUM_AGENT".to_owned()),
            Self::TooManySteps { .. } => Some("give it in parts".to_owned()),
            Self::Undone { step } => Some(format!("correct step {step}, then give all of them again")),
            Self::Config(finding) => finding.hint.clone(),
            Self::Publish(error) => error.hint(),
            Self::NoHome => Some("set the variable HOME".to_owned()),
            Self::OutsideGit(_) => Some("run `git init`, then try again".to_owned()),
            Self::Store(error) => error.hint(),
            Self::Git(error) => error.hint(),
            Self::Commit(error) => error.hint(),
            Self::Service(error) | Self::GitsAlone(error) => error.hint(),
            Self::Shared(error) => error.hint(),
            Self::NoServer
            | Self::NoneNamed { .. }
            | Self::UntrustedServer { .. }
            | Self::NotEnabled { .. }
            | Self::UnagreedServer { .. } => self.naming_hint(),
            Self::Unreached { hint, .. } => hint.clone(),
            Self::Undecided { .. } => Some("try again; `mycelium bridge status` says how the server is".to_owned()),
            #[cfg(feature = "redis")]
            Self::Bridge(error) => error.hint(),
            Self::TaskQueue(error) => error.hint(),
            Self::Folder { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                Some("name a directory that is there, with `--root DIR`".to_owned())
            }
            Self::Name(_) | Self::Folder { .. } | Self::Randomness(_) => None,
        }
    }

    fn findings(&self) -> Vec<Diagnostic> {
        match self {
            Self::Refused { path, source } => source.findings().into_iter().map(|f| f.in_file(path)).collect(),
            Self::Render(error) => error.findings(),
            Self::Shared(error) => error.findings(),
            Self::Service(error) | Self::GitsAlone(error) => error.findings(),
            Self::Config(finding) | Self::Unusable { finding, .. } => vec![(**finding).clone()],
            _ => Vec::new(),
        }
    }
}

/// Returns a finding with the place that it states itself.
fn described(finding: &Diagnostic) -> String {
    finding.path.as_ref().map_or_else(|| finding.message.clone(), |path| located(path, finding))
}

/// `task-1.md:4:9: ...`
pub(super) fn located(path: &DocPath, finding: &Diagnostic) -> String {
    let place = finding.place.map_or_else(String::new, |place| format!("{}:{}:", place.line, place.column));
    format!("{path}:{place} {}", finding.message)
}

/// `task-1` (running), `task-2` (missing)
fn listed(waits: &[Blocker]) -> String {
    const NAMED_MAX: usize = 5;
    let one = |blocker: &Blocker| {
        let why = match blocker.why {
            Wait::Missing => "missing",
            Wait::Unreadable => "not readable",
            why if why.is_own() => return blocker.to_string(),
            why => why.word(),
        };
        format!("`{}` ({why})", blocker.id)
    };
    let mut out: Vec<String> = waits.iter().take(NAMED_MAX).map(one).collect();
    if waits.len() > NAMED_MAX {
        out.push(format!("and {} more", waits.len() - NAMED_MAX));
    }
    out.join(", ")
}

impl From<ApplyError<Error>> for Error {
    fn from(error: ApplyError<Error>) -> Self {
        match error {
            ApplyError::Refused(error) => error,
            ApplyError::Store(error) => Self::Store(error),
        }
    }
}
