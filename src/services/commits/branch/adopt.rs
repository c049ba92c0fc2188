//! Where a dedicated branch comes from in this clone: the remote, or it is made here. Remembers what the clone agreed on, so that a checkout of an older commit changes nothing.

use std::path::PathBuf;
use std::time::Duration;

use super::DedicatedBranch;
use crate::adapters::git::{FetchOutcome, Repository};
use crate::adapters::store;
use crate::core::config::Origin;
use crate::core::diagnostic::{Code, Diagnostic};
use crate::core::name::{Revision, shell_word, visible};
use crate::services::{Error, environment};

/// Longest time for which a remote is asked whether it has the branch.
const ASK_MAX: Duration = Duration::from_secs(10);
/// How long a remote that could not be asked is left alone by writes, in milliseconds.
const WRITE_PAUSE_MS: i64 = 60_000;
/// How long a remote is left alone by reads, whatever it said.
const READ_PAUSE_MS: i64 = 600_000;
/// Largest record in the run state that clones share, in bytes.
const RECORD_BYTES_MAX: usize = 1024;

/// How soon a remote is asked again that was asked before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::services) enum AskRemote {
    /// For a read: rarely.
    Seldom,
    /// For a write, which would make the branch: each time, but after a failure only once a minute.
    BeforeMaking,
    /// For a person who names the branch: at once.
    Now,
}

/// Where a branch that is not in this clone comes from.
#[derive(Debug)]
pub(in crate::services) enum Adoption {
    /// From the remote, or from before it was deleted here.
    Adopted {
        /// Where it points now.
        revision: Revision,
        /// What happened, in words.
        finding: Diagnostic,
    },
    /// The remote does not have it, or there is no remote: the next commit makes it.
    Nowhere,
    /// The remote could not be asked: nothing is committed, or there might be two of them.
    Unknown(UnknownBranch),
}

/// Whether a remote has the dedicated branch, which could not be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it is not known whether `{}` has the branch `{}` already: {}", visible(.remote), visible(.branch), visible(.why))]
pub struct UnknownBranch {
    remote: String,
    branch: String,
    why: String,
}

impl UnknownBranch {
    /// What to do next, in the imperative.
    #[must_use]
    pub fn hint(&self) -> String {
        let make = format!("mycelium config set commit.branch {}", shell_word(&self.branch));
        format!("try again when the remote can be reached; or run `{make}` to make the branch here")
    }
}

impl DedicatedBranch<'_> {
    /// Makes the branch in this clone if it was here before or the remote has it. The network is used only where neither is
    /// known, and for a bounded time. The caller holds the commit lock.
    pub(in crate::services) fn adopt_branch(
        &self,
        repository: &Repository,
        name: &str,
        ask: AskRemote,
    ) -> Result<Adoption, Error> {
        if let Some(revision) = self.followed(name)?
            && repository.view().contents(Some(&revision), self.folder()).is_ok()
            && repository.references().make_branch(name, &revision, "mycelium: make the branch again")?
        {
            let message = format!("the branch `{}` was gone; it points to {} again", visible(name), revision.short());
            let hint = "run `mycelium config set commit.branch ''` before you delete it";
            let finding = Diagnostic::warning(Code::BranchAdopted, message).hint(hint);
            return Ok(Adoption::Adopted { revision, finding });
        }
        let remote = match repository.remotes().remote(name, None) {
            Ok(Some(remote)) => remote,
            Ok(None) => return Ok(Adoption::Nowhere),
            Err(error) => return Ok(self.not_asked(name, "the remote", &error.to_string())),
        };
        let mut found = repository.remotes().tracked(&remote, name)?;
        if found.is_none() {
            match self.asked_lately(ask) {
                Some(Asked::Absent) => return Ok(Adoption::Nowhere),
                Some(Asked::Failed) => return Ok(self.not_asked(name, &remote.name, "it could not be reached")),
                None => {}
            }
            let _work = self.progress.begin("asking the remote for the branch of the documents", 0);
            match repository.remotes().fetch(&remote, name, Some(ASK_MAX))? {
                FetchOutcome::At(Some(revision)) => found = Some(revision),
                FetchOutcome::At(None) => {
                    self.note_asked(Asked::Absent)?;
                    return Ok(Adoption::Nowhere);
                }
                FetchOutcome::Failed(failure) => {
                    self.note_asked(Asked::Failed)?;
                    return Ok(self.not_asked(name, &remote.name, &failure.why));
                }
            }
        }
        let Some(revision) = found else { return Ok(Adoption::Nowhere) };
        let from = format!("{}/{name}", remote.name);
        repository.references().make_branch(name, &revision, &format!("mycelium: take over {from}"))?;
        let message = format!(
            "documents are on the branch `{}` now, taken over from `{}`; what was not committed here is merged with it",
            visible(name),
            visible(&from)
        );
        let hint = "run `mycelium commit` to commit what was only here, and `mycelium sync` to share it";
        let finding = Diagnostic::warning(Code::BranchAdopted, message).hint(hint);
        Ok(Adoption::Adopted { revision, finding })
    }

    /// The answer where a remote could not be asked. A branch that a person wants made here is made all the same.
    fn not_asked(&self, name: &str, remote: &str, why: &str) -> Adoption {
        if self.read_shared(MADE_HERE).as_deref() == Some(name) {
            return Adoption::Nowhere;
        }
        Adoption::Unknown(UnknownBranch { remote: remote.to_owned(), branch: name.to_owned(), why: why.to_owned() })
    }

    /// Lets the branch be made here though its remote cannot be asked: a person has just named it.
    pub(in crate::services) fn allow_making(&self, name: &str) -> Result<(), Error> {
        self.write_shared(MADE_HERE, name)
    }

    /// Remembers, for every worktree of this clone, which branch the repository's configuration names.
    pub(in crate::services) fn remember_branch(&self, repository: &Repository, name: &str) -> Result<(), Error> {
        let is_agreed = self.config.get("commit.branch").is_some_and(|setting| setting.origin == Origin::Repository);
        // A name that cannot be one, such as the branch that is checked out, is forgotten with the configuration that says it.
        let is_known = agreed_branch(repository).as_deref() == Some(name);
        if !is_agreed || is_known || repository.references().check_branch_name(name).is_err() {
            return Ok(());
        }
        self.write_shared(AGREED, name)
    }

    /// Forgets it: from now on only the configuration counts.
    pub(in crate::services) fn forget_branch(&self) -> Result<(), Error> {
        self.write_shared(AGREED, "")
    }

    fn asked_lately(&self, ask: AskRemote) -> Option<Asked> {
        let text = self.read_shared(ASKED)?;
        let (word, at) = text.split_once(' ')?;
        let asked = if word == "absent" { Asked::Absent } else { Asked::Failed };
        let pause = match (ask, asked) {
            (AskRemote::Now, _) | (AskRemote::BeforeMaking, Asked::Absent) => return None,
            (AskRemote::BeforeMaking, Asked::Failed) => WRITE_PAUSE_MS,
            (AskRemote::Seldom, _) => READ_PAUSE_MS,
        };
        let passed = environment::now().unix_ms() - at.parse().unwrap_or(0);
        (0..pause).contains(&passed).then_some(asked)
    }

    fn note_asked(&self, asked: Asked) -> Result<(), Error> {
        let word = if asked == Asked::Absent { "absent" } else { "failed" };
        self.write_shared(ASKED, &format!("{word} {}", environment::now().unix_ms()))
    }

    fn read_shared(&self, name: &str) -> Option<String> {
        read_record(self.repository?, name)
    }

    fn write_shared(&self, name: &str, text: &str) -> Result<(), Error> {
        let Some(repository) = self.repository else { return Ok(()) };
        let path = shared(repository, name);
        store::replace_text(&path, &format!("{text}\n")).map_err(|source| Error::Folder { path, source })
    }
}

/// What a remote said when it was asked for the branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// It does not have it.
    Absent,
    /// It could not be asked.
    Failed,
}

/// The names of records in the run state that worktrees share.
const AGREED: &str = "agreed-branch";
const MADE_HERE: &str = "made-here";
const ASKED: &str = "asked-remote";

/// The dedicated branch that this clone agreed on; it counts where the configuration of the checked-out commit names none.
pub(in crate::services) fn agreed_branch(repository: &Repository) -> Option<String> {
    read_record(repository, AGREED)
}

fn read_record(repository: &Repository, name: &str) -> Option<String> {
    let text = store::read_text(&shared(repository, name), RECORD_BYTES_MAX).ok()??;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn shared(repository: &Repository, name: &str) -> PathBuf {
    repository.common_dir().join("mycelium").join(name)
}
