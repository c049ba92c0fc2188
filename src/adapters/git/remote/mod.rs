//! Fetching from and pushing to a remote with the user's own git program. Of the repository's configuration only the address is taken; git runs in a directory of our own (`network`) and reads the user's configuration alone.

pub(super) mod address;
pub(super) mod failure;
pub(super) mod neighbour;
pub(super) mod network;
pub(super) mod partial;

use std::time::Duration;

use gix::ObjectId;

use super::error::GitError;
use super::program::Answer;
use super::references::broken::is_complaint;
use super::references::{Target, Value, full_name};
use super::remote::address::cut;
use super::remote::failure::{FailureKind, PushAnswer, RemoteFailure, classify, last_words, read_push};
use super::remote::network::NetworkDir;
use super::repository::Repository;
use super::view::contents::parse;
use crate::core::name::{Revision, shell_word, visible};

/// How often a branch is fetched while others lock it here, and how much longer to wait each time.
const LOCKED_MAX: u32 = 6;
const NAP: Duration = Duration::from_millis(50);

/// Another repository, by its address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// What it is called here.
    pub name: String,
    url: String,
    push_url: String,
}

impl Remote {
    /// Where it is fetched from.
    pub(super) fn address(&self) -> &str {
        &self.url
    }

    /// What git said of it, without passwords.
    fn told(&self, words: &str) -> String {
        cut(words, &[&self.url, &self.push_url])
    }
}

/// What a remote has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchOutcome {
    /// The branch, at this revision; `None` if it has no such branch.
    At(Option<Revision>),
    /// It could not be asked.
    Failed(RemoteFailure),
}

/// What became of a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pushed {
    /// The remote has it.
    Accepted,
    /// Somebody else pushed in between.
    Raced,
    /// The server does not want it: a protected branch, a hook.
    Refused {
        /// The server's reason.
        why: String,
    },
    /// It could not be asked.
    Failed(RemoteFailure),
}

/// The remotes of a repository: their settings, fetching and pushing.
#[derive(Debug, Clone, Copy)]
pub struct GitRemote<'r> {
    pub(super) repo: &'r Repository,
}

impl GitRemote<'_> {
    /// The remote of a branch: the one that is asked for, else the one that the branch tracks, else `origin`, else the only
    /// one. `None` if there is none.
    ///
    /// # Errors
    /// [`GitError::Refused`] if its address is missing or lies in this repository.
    pub fn remote(self, branch: &str, wanted: Option<&str>) -> Result<Option<Remote>, GitError> {
        self.repo.refresh()?;
        let names = self.remote_names();
        let tracked = || self.setting("branch", branch, "remote").filter(|name| names.contains(name));
        let usual =
            || names.iter().find(|name| *name == "origin").or_else(|| names.first().filter(|_| names.len() == 1));
        let Some(name) = wanted.map(str::to_owned).or_else(tracked).or_else(|| usual().cloned()) else {
            return Ok(None);
        };
        let urls = self.settings("remote", &name, "url");
        let Some(url) = urls.first().filter(|_| names.contains(&name)).cloned() else {
            let what = format!("there is no remote `{}`", visible(&name));
            return Err(GitError::refused(what, "run `git remote -v` to see which there are"));
        };
        // What this names is used as a part of a reference.
        if full_name(&format!("{name}/x")).is_err() {
            let what = format!("`{}` is not a name for a remote", visible(&name));
            let hint = format!("run `git remote rename {} NAME`", shell_word(&name));
            return Err(GitError::refused(what, hint));
        }
        let own = self.settings("remote", &name, "pushurl");
        let mut push_urls = if own.is_empty() { urls } else { own };
        push_urls.dedup();
        if push_urls.len() > 1 {
            let what = format!("the remote `{}` has {} addresses to push to", visible(&name), push_urls.len());
            let key = shell_word(&format!("remote.{name}.pushurl"));
            return Err(GitError::refused(what, format!("leave it one: `git config --replace-all {key} URL`")));
        }
        let push_url = push_urls.pop().unwrap_or_else(|| url.clone());
        for (url, is_push) in [(&url, false), (&push_url, url != push_url)] {
            let option = if is_push { "--push " } else { "" };
            self.refuse_address(url, &format!("{option}{}", shell_word(&name)))?;
        }
        Ok(Some(Remote { name, url, push_url }))
    }

    /// Brings the remote's branch into `refs/remotes/<remote>/<branch>`. With a limit, one that takes longer has failed.
    ///
    /// # Errors
    /// [`GitError`] if git cannot be started, or its answer cannot be used.
    pub fn fetch(self, remote: &Remote, branch: &str, limit: Option<Duration>) -> Result<FetchOutcome, GitError> {
        let mut number = 1;
        loop {
            let before = self.tracked(remote, branch)?;
            let revision = match self.download(remote, branch, before.as_ref(), limit)? {
                FetchOutcome::At(Some(revision)) => revision,
                other => return Ok(other),
            };
            match self.follow_remote(remote, branch, before.as_ref(), &revision, "fetch") {
                Ok(()) => return Ok(FetchOutcome::At(Some(revision))),
                // Another process of this clone fetches it at this moment.
                Err(GitError::Program { why, .. }) if number < LOCKED_MAX && why.contains("cannot lock ref") => {
                    std::thread::sleep(NAP * number);
                    number += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Brings the objects of the remote's branch here; no reference moves.
    fn download(
        self,
        remote: &Remote,
        branch: &str,
        before: Option<&Revision>,
        limit: Option<Duration>,
    ) -> Result<FetchOutcome, GitError> {
        let name = full_name(branch)?;
        let local = [
            self.repo.references().tip(&Target::Current)?.value,
            self.repo.references().tip(&Target::Branch(branch.to_owned()))?.value,
        ];
        let before = before.map(|before| parse(before.as_str())).transpose()?;
        let mut known: Vec<ObjectId> = local.into_iter().chain([before]).flatten().collect();
        known.dedup();
        let dir = NetworkDir::new(self.repo, &known)?;
        let refs = NetworkDir::refspec(&name);
        let mut arguments = vec!["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance"];
        arguments.extend(["--no-recurse-submodules", "--upload-pack=git-upload-pack", "--end-of-options"]);
        arguments.extend([remote.url.as_str(), refs.as_str()]);
        let answer = dir.program().within(limit).run(&arguments)?;
        self.repo.refresh()?;
        if answer.code == Some(0) {
            return dir.fetched().map(|id| FetchOutcome::At(Some(super::view::contents::revision(id))));
        }
        if answer.said.iter().any(|line| line.contains("couldn't find remote ref")) {
            return Ok(FetchOutcome::At(None));
        }
        self.failure(remote, &remote.url, &answer).map(FetchOutcome::Failed)
    }

    /// Moves the reference that says what the remote has, on the disk too.
    fn follow_remote(
        self,
        remote: &Remote,
        branch: &str,
        before: Option<&Revision>,
        now: &Revision,
        verb: &str,
    ) -> Result<(), GitError> {
        if before == Some(now) {
            return Ok(());
        }
        let name = tracking(remote, branch);
        self.repo.references().refuse_linked_log(&name)?;
        let old = before.map_or_else(|| "0".repeat(now.as_str().len()), |old| old.as_str().to_owned());
        let program = self.repo.program().with("core.fsync=all").with("core.fsyncMethod=fsync");
        let message = format!("mycelium sync: {verb}");
        match program.ask(&["update-ref", "-m", &message, &name, now.as_str(), &old]) {
            Ok(_) => self.repo.references().sync_references(&[&name]),
            Err(GitError::Program { why, .. }) if is_complaint(std::slice::from_ref(&why)) => {
                Err(self.repo.references().complaint("update-ref", why))
            }
            Err(error) => Err(error),
        }
    }

    /// What the remote had when it was last asked.
    ///
    /// # Errors
    /// [`GitError`] if it cannot be read.
    pub fn tracked(self, remote: &Remote, branch: &str) -> Result<Option<Revision>, GitError> {
        match self.repo.references().look_up(&tracking(remote, branch))? {
            Some(Value::Object(id)) => Ok(Some(super::view::contents::revision(id))),
            Some(Value::Symbolic(_)) | None => Ok(None),
        }
    }

    /// Makes a revision the remote's branch, if that is behind it. It never forces. With a limit, a push that takes longer has
    /// failed, whether the server takes it all the same or not.
    ///
    /// # Errors
    /// [`GitError`] if git cannot be started.
    pub fn push(
        self,
        remote: &Remote,
        at: &Revision,
        branch: &str,
        limit: Option<Duration>,
    ) -> Result<Pushed, GitError> {
        let refs = format!("{at}:{}", full_name(branch)?);
        let mut arguments = vec!["push", "--porcelain", "--no-verify", "--no-signed", "--no-follow-tags"];
        arguments.extend(["--recurse-submodules=no", "--receive-pack=git-receive-pack", "--end-of-options"]);
        arguments.extend([remote.push_url.as_str(), refs.as_str()]);
        let before = self.tracked(remote, branch)?;
        let answer = NetworkDir::new(self.repo, &[])?.program().within(limit).run(&arguments)?;
        match read_push(&answer) {
            PushAnswer::Accepted => {
                // The server has it in any case.
                let _ = self.follow_remote(remote, branch, before.as_ref(), at, "push");
                Ok(Pushed::Accepted)
            }
            PushAnswer::Raced => Ok(Pushed::Raced),
            PushAnswer::Refused { why } => Ok(Pushed::Refused { why: remote.told(&why) }),
            PushAnswer::None => self.failure(remote, &remote.push_url, &answer).map(Pushed::Failed),
        }
    }

    /// Why a remote gave no answer.
    fn failure(self, remote: &Remote, url: &str, answer: &Answer) -> Result<RemoteFailure, GitError> {
        let why = remote.told(&last_words(answer));
        if is_complaint(&answer.said) {
            return Err(self.repo.references().complaint("fetch` or `git push", why));
        }
        match classify(&answer.said, self.is_absent(url)) {
            FailureKind::Here => Err(GitError::Program { verb: "fetch` or `git push".to_owned(), why }),
            kind => Ok(RemoteFailure { kind, why, ignored: self.ignored_settings() }),
        }
    }

    /// The names of all remotes that have an address.
    fn remote_names(self) -> Vec<String> {
        let repo = self.repo.gix();
        let config = repo.config_snapshot();
        let sections = config.plumbing().sections_by_name("remote").into_iter().flatten();
        let mut names: Vec<String> = sections
            .filter(|section| section.value("url").is_some())
            .filter_map(|section| section.header().subsection_name().map(ToString::to_string))
            .collect();
        names.sort();
        names.dedup();
        names
    }

    fn setting(self, section: &str, name: &str, key: &str) -> Option<String> {
        let repo = self.repo.gix();
        let config = repo.config_snapshot();
        config.plumbing().string_by(section, Some(gix::bstr::BStr::new(name)), key).map(|text| text.to_string())
    }

    /// Every value of a key that may have several, in order.
    fn settings(self, section: &str, name: &str, key: &str) -> Vec<String> {
        let repo = self.repo.gix();
        let config = repo.config_snapshot();
        let values = config.plumbing().strings_by(section, Some(gix::bstr::BStr::new(name)), key);
        values.into_iter().flatten().map(|text| text.to_string()).collect()
    }
}

/// The reference that says what a remote's branch is at.
pub(super) fn tracking(remote: &Remote, branch: &str) -> String {
    format!("refs/remotes/{}/{branch}", remote.name)
}
