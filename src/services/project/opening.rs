//! Finds the work tree, its repository, its configuration and its run state. Makes nothing; the first write does.

use std::fmt;
use std::path::{Path, PathBuf};

use super::Project;
use crate::adapters::git::{Hooks, Repository, Target};
use crate::adapters::store::{self, Durability, Store, StorePlace};
use crate::core::config::{Config, Shown};
use crate::core::diagnostic::Diagnostic;
use crate::core::follow::FollowScope;
use crate::core::name::AgentName;
use crate::services::commits::Group;
use crate::services::configuration::read_config;
use crate::services::error::again;
use crate::services::{Actor, Error, Progress, environment, events, intake};

/// What a caller asks for when a project is opened.
#[derive(Clone, Default)]
pub struct Opening {
    /// The work tree; else `MYCELIUM_ROOT`, else the repository around the current folder, else that folder.
    pub root: Option<PathBuf>,
    /// Who acts; else `MYCELIUM_AGENT`, else nobody in particular (the git user).
    pub agent: Option<AgentName>,
    /// Settings that win over every file, as key and text.
    pub flags: Vec<(String, String)>,
}

impl fmt::Debug for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { root, agent, flags } = self;
        f.debug_struct("Opening").field("root", root).field("agent", agent).field("flags", &Shown(flags)).finish()
    }
}

impl Project {
    /// Opens the project that the opening names. Writes nothing: [`Project::prepare`] brings the folder up to date.
    ///
    /// # Errors
    /// [`Error`] for a folder that is not there, a repository that is not safe to use, or a bad agent name or flag.
    pub fn open(opening: Opening) -> Result<Self, Error> {
        let named = opening.root.or_else(|| environment::variable("MYCELIUM_ROOT").map(PathBuf::from));
        let start = named.clone().map_or_else(environment::current_folder, Ok)?;
        let start = store::folder_of(&start).map_err(|source| Error::Folder { path: start.clone(), source })?;
        let repository = again(|| Ok(Repository::discover(&start)?))?;
        let root = match &repository {
            Some(repository) => repository.work_tree().to_owned(),
            None => start,
        };
        let flags = opening.flags;
        let mut config = read_config(&root, repository.as_ref(), flags.clone())?;
        let agent = match opening.agent {
            Some(agent) => Some(agent),
            None => acting_agent(&mut config),
        };
        let repository = repository.map(|repository| repository.with_hooks(hooks(&config)));
        let (run, shared) = if let Some(repository) = &repository {
            (repository.git_dir().join("mycelium"), repository.common_dir().join("mycelium"))
        } else {
            let run = environment::user_state()?.join(state_name(&root));
            (run.clone(), run)
        };
        let folder = config.text("markdown.folder").unwrap_or(".claude/coordination").to_owned();
        let durability = durability(&config);
        let place = StorePlace { root: root.clone(), folder, run: run.clone(), shared };
        let store = Store::open(&place, durability)?.telling(events::teller()).taking_in(intake::rules(root.clone()));
        let progress = Progress::default();
        let auto = config.flag("commit.auto");
        let target = target(&config);
        let group = Group::of(&run, durability, target.clone(), auto);
        Ok(Self {
            root,
            repository,
            store,
            target,
            config,
            flags,
            actor: Actor { agent, ..Actor::default() },
            durability,
            progress,
            group,
        })
    }

    /// Brings the folder to the tip of its dedicated branch, and sets index entries right that a racing git took back. Returns
    /// what a person should know of it. What is in the way of it is said by the next write: reading goes on with what the
    /// folder holds.
    #[must_use]
    pub fn prepare(&self) -> Vec<Diagnostic> {
        let found = self.commits().branch().follow_branch(FollowScope::Everything).unwrap_or_default();
        let _ = self.commits().realign_index();
        found
    }

    /// How to open it once more, in another thread.
    pub(in crate::services) fn once_more(&self) -> Opening {
        Opening { root: Some(self.root.clone()), agent: self.actor.agent.clone(), flags: self.flags.clone() }
    }

    /// The same project once more, for somebody who uses it beside this one.
    ///
    /// # Errors
    /// [`Error::Git`] if the repository is gone or not safe to use any more.
    pub fn another(&self) -> Result<Self, Error> {
        let repository = match &self.repository {
            Some(_) => again(|| Ok(Repository::discover(&self.root)?))?.map(|one| one.with_hooks(hooks(&self.config))),
            None => None,
        };
        Ok(Self {
            root: self.root.clone(),
            repository,
            store: self.store.clone(),
            target: self.target.clone(),
            config: self.config.clone(),
            actor: self.actor.clone(),
            durability: self.durability,
            progress: self.progress.clone(),
            flags: self.flags.clone(),
            group: std::sync::Arc::clone(&self.group),
        })
    }
}

/// Where commits go.
fn target(config: &Config) -> Target {
    config.text("commit.branch").map_or(Target::Current, |name| Target::Branch(name.to_owned()))
}

fn durability(config: &Config) -> Durability {
    match config.text("markdown.durability") {
        Some("batch") => Durability::Batch,
        Some("off") => Durability::Off,
        _ => Durability::Full,
    }
}

fn hooks(config: &Config) -> Hooks {
    if config.flag("commit.hooks") { Hooks::run() } else { Hooks::Never }
}

/// The agent that the environment names. A name that is none is refused by every command but those about settings.
fn acting_agent(config: &mut Config) -> Option<AgentName> {
    const VARIABLE: &str = "MYCELIUM_AGENT";
    match environment::variable(VARIABLE).map(AgentName::new)? {
        Ok(agent) => Some(agent),
        Err(error) => {
            config.refuse(VARIABLE, &error.to_string());
            None
        }
    }
}

/// The name of a plain folder's run state: its last part, and all of its path as a number (FNV-1a, 64 bits).
fn state_name(root: &Path) -> String {
    let path = root.as_os_str().as_encoded_bytes();
    let hash = path
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let name = root.file_name().map_or_else(|| "root".into(), |name| name.to_string_lossy().into_owned());
    format!("{name}-{hash:016x}")
}
