//! How a client is made: where, for whom, with which limits.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::crew::Crew;
use super::mode::{self, Mode};
use super::{CoordinationClient, Error};
use crate::core::config::Shown;
use crate::core::name::AgentName;
use crate::services::{Opening, Patience, RemoteClaims};

/// Makes a [`CoordinationClient`]. Everything has a default.
#[derive(Clone, Default)]
pub struct Builder {
    root: Option<PathBuf>,
    agent: Option<String>,
    mode: Option<Mode>,
    required: Option<Mode>,
    operation_timeout: Option<Duration>,
    settings: Vec<(String, String)>,
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { root, agent, mode, required, operation_timeout, settings } = self;
        f.debug_struct("Builder")
            .field("root", root)
            .field("agent", agent)
            .field("mode", mode)
            .field("required", required)
            .field("operation_timeout", operation_timeout)
            .field("settings", &Shown(settings))
            .finish()
    }
}

impl Builder {
    /// The work tree, or any folder in it; else `MYCELIUM_ROOT`, else the repository around the current folder.
    #[must_use]
    pub fn root(mut self, root: impl Into<PathBuf>) -> Self {
        self.root = Some(root.into());
        self
    }

    /// Who acts: its name stands in the history; else `MYCELIUM_AGENT`, else nobody in particular (the git user).
    #[must_use]
    pub fn agent(mut self, agent: impl Into<String>) -> Self {
        self.agent = Some(agent.into());
        self
    }

    /// The follower to look for; else the setting `coordination.mode`. One that cannot be reached is no error: every method
    /// works on the files, [`CoordinationClient::mode`] says `markdown`, and [`super::TeamStats::unreached`] says why.
    #[must_use]
    pub const fn mode(mut self, mode: Mode) -> Self {
        self.mode = Some(mode);
        self
    }

    /// The same, but [`Builder::build`] fails with [`Error::Mode`] where it cannot be reached. With [`Mode::Redis`] every
    /// claim of the client is decided on the server, for all clones, or is refused.
    #[must_use]
    pub const fn require_mode(mut self, mode: Mode) -> Self {
        self.required = Some(mode);
        self
    }

    /// Longest wait for one operation; without it an operation takes as long as it takes. It needs a tokio runtime with its
    /// timer enabled (`enable_time` or `enable_all`); without one every call fails with [`Error::NoTimer`].
    #[must_use]
    pub const fn operation_timeout(mut self, timeout: Duration) -> Self {
        self.operation_timeout = Some(timeout);
        self
    }

    /// A setting that wins over every file, such as `("commit.auto", "false")`.
    #[must_use]
    pub fn setting(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.push((key.into(), value.into()));
        self
    }

    /// Opens the project. Settings are read now and hold for as long as the client lives. Nothing is written.
    ///
    /// # Errors
    /// [`Error::BadInput`] for a bad name or setting; [`Error::Unsafe`] for a repository that is not safe to use;
    /// [`Error::Mode`] if the required follower is not live; [`Error::Failed`] if the folder cannot be used.
    pub async fn build(self) -> Result<CoordinationClient, Error> {
        let agent = self.agent.map(AgentName::new).transpose().map_err(crate::services::Error::from)?;
        let mut flags = self.settings;
        let wish = self.required.or(self.mode);
        flags.extend(wish.map(|mode| ("coordination.mode".to_owned(), mode.word().to_owned())));
        let opening = Opening { root: self.root, agent, flags };
        let patience = if self.required.is_some() { Patience::Full } else { Patience::Opening };
        let claims = if self.required == Some(Mode::Redis) { RemoteClaims::Required } else { RemoteClaims::IfLive };
        let crew = Crew::open(opening, self.operation_timeout, claims, move |project| {
            let modes = mode::detect(project, patience);
            match (&modes.unreached, self.required) {
                (Some(unreached), Some(_)) => Err(unreached.clone().into()),
                _ => Ok(modes),
            }
        });
        Ok(CoordinationClient { crew: Arc::new(crew.await?), agent: None, fence: None })
    }
}
