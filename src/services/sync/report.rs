//! What a sync is asked for, and what came of it. Data only.

use crate::adapters::git::Came;
use crate::core::diagnostic::Diagnostic;
use crate::core::merge::{Conflict, Decision, Loss};
use crate::core::name::{AgentName, DocPath, Revision};

/// How to exchange.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SyncOptions {
    /// With which remote; by default with the one that the branch tracks, else `origin`, else the only one.
    pub remote: Option<String>,
    /// Do not push.
    pub no_push: bool,
    /// Have git merge other files too, where both sides changed some.
    pub merge: bool,
    /// Also push commits that change other files.
    pub with_code: bool,
    /// What becomes of commits that the remote's branch dropped and that are here.
    pub dropped: DroppedCommits,
}

/// What becomes of commits that the remote's branch had and has not any more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DroppedCommits {
    /// Nothing is merged or pushed.
    #[default]
    Refuse,
    /// They go back there.
    Keep,
}

/// What a sync came to.
#[derive(Debug, Clone, Default)]
pub struct SyncReport {
    /// With which remote.
    pub remote: String,
    /// Which branch.
    pub branch: String,
    /// What was committed before.
    pub committed: Vec<(Revision, String)>,
    /// The documents that came, and who changed them.
    pub came: Vec<Came>,
    /// Files beside the documents that came along.
    pub came_along: usize,
    /// How many commits went.
    pub went: usize,
    /// Documents that went, and who changed them.
    pub went_documents: Vec<Came>,
    /// The merge commits that were made.
    pub merged: Vec<Revision>,
    /// What was decided by rule.
    pub decisions: Vec<(DocPath, Decision)>,
    /// Who lost a task in a merge that somebody else made, and that came now.
    pub losses: Vec<(DocPath, Loss)>,
    /// The tasks that the acting agent lost by that, here or in a merge that came.
    pub lost: Vec<LostClaim>,
    /// What a person must decide.
    pub conflicts: Vec<(DocPath, Conflict)>,
    /// What is odd about documents.
    pub findings: Vec<Diagnostic>,
    /// Why nothing was pushed, although there is something to push.
    pub unpushed: Option<Unpushed>,
    /// Where the branch is now; `None` if it has no commit.
    pub tip: Option<Revision>,
    /// How often it was tried.
    pub tries: u32,
}

/// A claim of the acting agent that a merge dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostClaim {
    /// The document of the task.
    pub path: DocPath,
    /// Who lost it: the acting agent.
    pub loser: AgentName,
    /// Who has the task, if an agent has it.
    pub winner: Option<AgentName>,
}

impl SyncReport {
    /// Finds what an agent lost.
    pub(super) fn find_lost(&mut self, agent: &AgentName) {
        let here = self.decisions.iter().map(|(path, one)| (path, one.loser.as_ref(), one.winner.as_ref()));
        let there = self.losses.iter().map(|(path, one)| (path, Some(&one.loser), Some(&one.winner)));
        let lost = here.chain(there).filter(|(_, loser, _)| *loser == Some(agent));
        let claim = |(path, _, winner): (&DocPath, _, Option<&AgentName>)| LostClaim {
            path: path.clone(),
            loser: agent.clone(),
            winner: winner.cloned(),
        };
        self.lost = lost.map(claim).collect();
        self.lost.dedup();
    }
}

/// Why something was not pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unpushed {
    /// It was not asked for.
    Asked {
        /// How many commits wait.
        commits: usize,
    },
    /// Commits that wait change other files than documents.
    Code {
        /// How many commits wait.
        commits: usize,
        /// The files.
        paths: Vec<String>,
    },
    /// The server refused.
    Refused {
        /// Its reason.
        why: String,
    },
}
