//! What every command shares: the global options, the workspace, and where its answers belong. Knows no command.

use super::answer::{Answer, Face};
use super::args::Global;
use super::envelope::Head;
use super::failure::Failure;
use crate::runner::{Opening, Workspace};

/// One run of the command line.
#[derive(Debug)]
pub(crate) struct Session {
    /// The global options.
    pub global: Global,
    /// How answers are shown.
    pub face: Face,
}

impl Session {
    /// A run with these options.
    pub(crate) fn new(global: Global) -> Self {
        let face = Face::new(&global);
        Self { global, face }
    }

    /// Opens the workspace that the options name.
    pub(crate) fn open(&self) -> Result<Workspace, Failure> {
        self.open_with(Vec::new())
    }

    /// The same with settings that win over every file.
    pub(crate) fn open_with(&self, flags: Vec<(String, String)>) -> Result<Workspace, Failure> {
        let opening = Opening { root: self.global.root.clone(), agent: self.global.agent.clone(), flags };
        Ok(Workspace::open(opening)?)
    }
}

/// Where a workspace's answers are read from.
pub(crate) fn head(workspace: &Workspace) -> Result<Head, Failure> {
    let context = workspace.context()?;
    Ok(Head {
        root: context.root.display().to_string(),
        folder: context.folder,
        branch: context.branch,
        revision: context.revision.map(|revision| revision.to_string()),
    })
}

/// An answer about a workspace, without data yet.
pub(crate) fn answer(kind: &'static str, workspace: &Workspace) -> Result<Answer, Failure> {
    Ok(Answer::new(kind, head(workspace)?))
}
