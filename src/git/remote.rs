//! Fetching from and pushing to a remote with the user's own git program. Starts nothing that the repository names: the address, the programs on both ends, the helpers for passwords and ssh are given or taken from the user's own configuration.

use std::time::Duration;

use gix::config::Source;
use gix::config::source::Kind;

use super::address::cut;
use super::contents::parse;
use super::error::GitError;
use super::program::{Answer, Program};
use super::reference::{Value, full_name};
use super::repository::Repository;
use crate::name::{Revision, visible};

/// The ways to a remote that are open. Every other one may be a program that the repository names.
const PROTOCOLS: [&str; 4] = ["file", "ssh", "http", "https"];

/// Variables by which the user says how to reach a server.
const KEPT: [&str; 12] = [
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "GIT_SSH_VARIANT",
    "GIT_ASKPASS",
    "GIT_HTTP_USER_AGENT",
    "GIT_HTTP_LOW_SPEED_LIMIT",
    "GIT_HTTP_LOW_SPEED_TIME",
    "GIT_SSL_CAINFO",
    "GIT_SSL_CAPATH",
    "GIT_SSL_CERT",
    "GIT_SSL_KEY",
    "GIT_SSL_NO_VERIFY",
];

/// Seconds until a server that says nothing counts as unreachable.
const PATIENCE_S: &str = "20";
/// Most lines of a server's answer that are told.
const LINES_MAX: usize = 5;

/// How often a branch is fetched while others lock it here, and how much longer to wait each time.
const LOCKED_MAX: u32 = 6;
const NAP: Duration = Duration::from_millis(50);

/// What git says behind every reason.
const NOISE: [&str; 3] = [
    "Could not read from remote repository.",
    "Please make sure you have the correct access rights",
    "and the repository exists.",
];

/// Words of git for a push that came too late: somebody else's was faster.
const RACED: [&str; 8] = [
    "fetch first",
    "non-fast-forward",
    "stale info",
    "cannot lock ref",
    "failed to lock",
    "failed to update ref",
    "incorrect old value provided",
    "reference already exists",
];

/// Another repository, by its address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// What it is called here.
    pub name: String,
    url: String,
    push_url: String,
}

impl Remote {
    /// What git said of it, without passwords.
    fn told(&self, words: &str) -> String {
        cut(words, &[&self.url, &self.push_url])
    }
}

/// What a remote has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetched {
    /// The branch, at this revision; `None` if it has no such branch.
    At(Option<Revision>),
    /// It could not be asked.
    Unreachable {
        /// Git's last words.
        why: String,
    },
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
    Unreachable {
        /// Git's last words.
        why: String,
    },
}

impl Repository {
    /// The remote of a branch: the one that is asked for, else the one that the branch tracks, else `origin`, else the only
    /// one. `None` if there is none.
    ///
    /// # Errors
    /// [`GitError::Refused`] if its address is missing or lies in this repository.
    pub fn remote(&self, branch: &str, wanted: Option<&str>) -> Result<Option<Remote>, GitError> {
        self.refresh()?;
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
        full_name(&format!("{name}/x"))?;
        let own = self.settings("remote", &name, "pushurl");
        let mut push_urls = if own.is_empty() { urls } else { own };
        push_urls.dedup();
        if push_urls.len() > 1 {
            let what = format!("the remote `{}` has {} addresses to push to", visible(&name), push_urls.len());
            return Err(GitError::refused(what, "leave it one of them with `git remote set-url --push`"));
        }
        let push_url = push_urls.pop().unwrap_or_else(|| url.clone());
        for url in [&url, &push_url] {
            self.refuse_address(url)?;
        }
        Ok(Some(Remote { name, url, push_url }))
    }

    /// Brings the remote's branch into `refs/remotes/<remote>/<branch>`.
    ///
    /// # Errors
    /// [`GitError`] if git cannot be started, or its answer cannot be used.
    pub fn fetch(&self, remote: &Remote, branch: &str) -> Result<Fetched, GitError> {
        let name = full_name(branch)?;
        let refs = format!("+{name}:{}", tracking(remote, branch));
        let program = self.network().with("core.fsync=all").with("core.fsyncMethod=fsync");
        let mut arguments = vec!["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance"];
        arguments.extend(["--no-recurse-submodules", "--upload-pack=git-upload-pack", "--end-of-options"]);
        arguments.extend([remote.url.as_str(), refs.as_str()]);
        let mut answer = program.run(&arguments)?;
        for number in 1..LOCKED_MAX {
            if answer.code == Some(0) || !answer.said.iter().any(|line| line.contains("cannot lock ref")) {
                break;
            }
            // Somebody else in this clone fetches it at this moment.
            std::thread::sleep(NAP * number);
            answer = program.run(&arguments)?;
        }
        self.refresh()?;
        if answer.code == Some(0) {
            return self.tracked(remote, branch).map(Fetched::At);
        }
        if answer.said.iter().any(|line| line.contains("couldn't find remote ref")) {
            return Ok(Fetched::At(None));
        }
        let why = remote.told(&last_words(&answer));
        if answer.said.iter().any(|line| line.contains("cannot lock ref")) {
            return Err(GitError::Program { verb: "fetch".to_owned(), why });
        }
        Ok(Fetched::Unreachable { why })
    }

    /// What the remote had when it was last asked.
    ///
    /// # Errors
    /// [`GitError`] if it cannot be read.
    pub fn tracked(&self, remote: &Remote, branch: &str) -> Result<Option<Revision>, GitError> {
        match self.look_up(&tracking(remote, branch))? {
            Some(Value::Object(id)) => Ok(Some(super::contents::revision(id))),
            Some(Value::Symbolic(_)) | None => Ok(None),
        }
    }

    /// Makes a revision the remote's branch, if that is behind it. It never forces.
    ///
    /// # Errors
    /// [`GitError`] if git cannot be started.
    pub fn push(&self, remote: &Remote, at: &Revision, branch: &str) -> Result<Pushed, GitError> {
        let refs = format!("{at}:{}", full_name(branch)?);
        let mut arguments = vec!["push", "--porcelain", "--no-verify", "--no-signed", "--no-follow-tags"];
        arguments.extend(["--recurse-submodules=no", "--receive-pack=git-receive-pack", "--end-of-options"]);
        arguments.extend([remote.push_url.as_str(), refs.as_str()]);
        let before = self.tracked(remote, branch)?;
        let answer = self.network().run(&arguments)?;
        Ok(match read_push(&answer) {
            Pushed::Accepted => {
                // Git does this by itself only for a remote that is called by its name. The server has it in any case.
                let name = tracking(remote, branch);
                let old = before.map_or_else(|| "0".repeat(at.as_str().len()), |old| old.as_str().to_owned());
                let _ = self.program().ask(&["update-ref", "-m", "mycelium sync: push", &name, at.as_str(), &old]);
                Pushed::Accepted
            }
            Pushed::Raced => Pushed::Raced,
            Pushed::Refused { why } => Pushed::Refused { why: remote.told(&why) },
            Pushed::Unreachable { why } => Pushed::Unreachable { why: remote.told(&why) },
        })
    }

    /// The git program with the ways to a server open.
    fn network(&self) -> Program<'_> {
        let mut program = self.program();
        for protocol in PROTOCOLS {
            program = program.with(format!("protocol.{protocol}.allow=always"));
        }
        // A program for `git://` can be named where nothing overrides it.
        let is_plain = self.gix().config_snapshot().string("core.gitProxy").is_none();
        let fate = if is_plain { "always" } else { "never" };
        program = program.with(format!("protocol.git.allow={fate}")).with("protocol.ext.allow=never");
        program = program.with("http.lowSpeedLimit=1").with(format!("http.lowSpeedTime={PATIENCE_S}"));
        program = program.with("core.askPass=").with("push.gpgSign=false");
        for (key, value) in self.users_helpers() {
            program = program.with(format!("{key}={value}"));
        }
        for name in KEPT {
            if let Some(value) = std::env::var_os(name) {
                program = program.with_variable(name, value);
            }
        }
        if std::env::var_os("GIT_SSH_COMMAND").is_none() {
            // It goes before `core.sshCommand`, which the repository may have set.
            let named = std::env::var_os("GIT_SSH").map(|path| quoted(&path.to_string_lossy()));
            let own = self.users_own("core.sshCommand").or(named);
            program = program.with_variable("GIT_SSH_COMMAND", own.unwrap_or_else(usual_ssh));
        }
        if let Some(asks) = std::env::var_os("SSH_ASKPASS") {
            program = program.with_variable("SSH_ASKPASS", asks);
        }
        if std::env::var_os("GIT_ASKPASS").is_none() {
            let own = self.users_own("core.askPass").map(Into::into).or_else(|| std::env::var_os("SSH_ASKPASS"));
            if let Some(own) = own {
                program = program.with_variable("GIT_ASKPASS", own);
            }
        }
        program
    }

    /// The helpers for passwords of the user's own configuration, in order, behind what empties the list.
    fn users_helpers(&self) -> Vec<(String, String)> {
        let repo = self.gix();
        let config = repo.config_snapshot();
        let mut helpers = vec![("credential.helper".to_owned(), String::new())];
        for section in config.plumbing().sections_by_name("credential").into_iter().flatten() {
            if section.meta().source.kind() == Kind::Repository {
                continue;
            }
            let of = section.header().subsection_name().map(|name| format!("{name}.")).unwrap_or_default();
            for value in section.values("helper") {
                helpers.push((format!("credential.{of}helper"), value.to_string()));
            }
        }
        helpers
    }

    /// The names of all remotes that have an address.
    fn remote_names(&self) -> Vec<String> {
        let repo = self.gix();
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

    fn setting(&self, section: &str, name: &str, key: &str) -> Option<String> {
        let repo = self.gix();
        let config = repo.config_snapshot();
        config.plumbing().string_by(section, Some(gix::bstr::BStr::new(name)), key).map(|text| text.to_string())
    }

    /// Every value of a key that may have several, in order.
    fn settings(&self, section: &str, name: &str, key: &str) -> Vec<String> {
        let repo = self.gix();
        let config = repo.config_snapshot();
        let values = config.plumbing().strings_by(section, Some(gix::bstr::BStr::new(name)), key);
        values.into_iter().flatten().map(|text| text.to_string()).collect()
    }

    /// Names of drivers of a sort (`filter`, `merge`) that the repository's own configuration sets. Nothing may start them.
    pub(super) fn own_drivers(&self, sort: &str, keys: &[&str]) -> Vec<String> {
        let repo = self.gix();
        let config = repo.config_snapshot();
        let is_own = |source: Source| source.kind() == Kind::Repository;
        let sections = config.plumbing().sections_by_name(sort).into_iter().flatten();
        sections
            .filter(|section| is_own(section.meta().source) && keys.iter().any(|key| section.value(key).is_some()))
            .filter_map(|section| section.header().subsection_name().map(ToString::to_string))
            .collect()
    }
}

fn tracking(remote: &Remote, branch: &str) -> String {
    format!("refs/remotes/{}/{branch}", remote.name)
}

/// What git calls where nobody names another one, but without waiting for ever.
fn usual_ssh() -> String {
    format!("ssh -oConnectTimeout={PATIENCE_S}")
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// What git said last, without its own advice.
fn last_words(answer: &Answer) -> String {
    let words = |line: &String| {
        let line = ["fatal: ", "error: ", "remote: "]
            .iter()
            .fold(line.as_str(), |line, start| line.strip_prefix(start).unwrap_or(line));
        let is_noise = line.trim().is_empty() || line.starts_with("hint:") || NOISE.contains(&line.trim());
        (!is_noise).then(|| line.trim().to_owned())
    };
    let lines: Vec<String> = answer.said.iter().filter_map(words).collect();
    if lines.is_empty() {
        return format!("git ended with the exit code {:?}", answer.code);
    }
    lines.into_iter().take(LINES_MAX).collect::<Vec<_>>().join("; ")
}

/// Reads `!\t<from>:<to>\t[remote rejected] (reason)` and the server's own words.
fn read_push(answer: &Answer) -> Pushed {
    let text = String::from_utf8_lossy(&answer.stdout).into_owned();
    let Some(verdict) = text.lines().find(|line| line.starts_with("!\t")) else {
        // A verdict that is no refusal is the server's word, however git ends.
        let is_taken = text.lines().any(|line| line.chars().nth(1) == Some('\t'));
        let is_accepted = answer.code == Some(0) || is_taken;
        return if is_accepted { Pushed::Accepted } else { Pushed::Unreachable { why: last_words(answer) } };
    };
    let reason = verdict.rsplit('\t').next().unwrap_or_default();
    let is_raced = |text: &str| RACED.iter().any(|words| text.contains(words));
    if is_raced(reason) {
        return Pushed::Raced;
    }
    let said = answer.said.iter().filter_map(|line| line.strip_prefix("remote: ")).map(str::trim);
    let said: Vec<&str> = said.filter(|line| !line.is_empty()).take(LINES_MAX).collect();
    let short = reason.rsplit_once('(').map_or(reason, |(_, why)| why.trim_end_matches(')'));
    let why = if said.is_empty() { visible(short) } else { format!("{}: {}", visible(short), said.join("; ")) };
    Pushed::Refused { why }
}

impl Repository {
    /// The revisions from which two histories went apart, in the order of their ids; none if they have nothing in common.
    ///
    /// # Errors
    /// [`GitError`] if git fails.
    pub fn merge_bases(&self, one: &Revision, other: &Revision) -> Result<Vec<Revision>, GitError> {
        let arguments = ["merge-base", "--all", one.as_str(), other.as_str()];
        let answer = self.program().run(&arguments)?;
        if !matches!(answer.code, Some(0 | 1)) {
            return Err(GitError::Program { verb: "merge-base".to_owned(), why: answer.stderr });
        }
        let text = String::from_utf8_lossy(&answer.stdout).into_owned();
        let mut bases = Vec::new();
        for line in text.lines() {
            bases.push(super::contents::revision(parse(line.trim())?));
        }
        bases.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        Ok(bases)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(code: i32, stdout: &str, said: &[&str]) -> Answer {
        let said = said.iter().map(|line| (*line).to_owned()).collect();
        Answer { code: Some(code), stdout: stdout.as_bytes().to_vec(), stderr: String::new(), said }
    }

    #[test]
    fn the_answer_to_a_push_is_read() {
        let line = |verdict: &str| format!("To /r\n!\tabc:refs/heads/main\t{verdict}\nDone\n");
        assert_eq!(read_push(&answer(0, "To /r\n \tabc:refs/heads/main\ta..b\nDone\n", &[])), Pushed::Accepted);
        assert_eq!(read_push(&answer(1, "To /r\n*\tabc:refs/heads/main\t[new branch]\n", &[])), Pushed::Accepted);
        for raced in [
            "[rejected] (fetch first)",
            "[rejected] (non-fast-forward)",
            "[remote rejected] (cannot lock ref 'refs/heads/main': is at a but expected b)",
            "[remote rejected] (incorrect old value provided)",
        ] {
            assert_eq!(read_push(&answer(1, &line(raced), &[])), Pushed::Raced, "{raced}");
        }
        let said = ["remote: main is protected        ", "error: failed to push some refs to '/r'"];
        let refused = read_push(&answer(1, &line("[remote rejected] (pre-receive hook declined)"), &said));
        assert_eq!(refused, Pushed::Refused { why: "pre-receive hook declined: main is protected".to_owned() });
        let gone = read_push(&answer(128, "", &["fatal: '/r' does not appear to be a git repository"]));
        assert_eq!(gone, Pushed::Unreachable { why: "'/r' does not appear to be a git repository".to_owned() });
    }
}
