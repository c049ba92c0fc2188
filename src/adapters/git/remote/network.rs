//! A git directory of our own for calls that go to a server: the objects of the repository, the settings of the user, and none of the repository's. It lives in local state for as long as one call.

use std::fmt::Write as _;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gix::ObjectId;
use gix::config::source::Kind;

use super::GitRemote;
use crate::adapters::git::error::GitError;
use crate::adapters::git::journal;
use crate::adapters::git::program::Program;
use crate::adapters::git::references::Target;
use crate::adapters::git::repository::Repository;
use crate::adapters::git::view::contents::parse;

/// What the names of these directories begin with.
const PREFIX: &str = "network-";
/// A directory that is younger than this may not be locked yet by the process that makes it.
const NEW: Duration = Duration::from_secs(60);
/// Where a fetch puts what it got.
const FETCHED: &str = "refs/mycelium/fetched";
/// The transports that every user has. Any other one is a program, `git-remote-NAME`, that the address would choose.
const PROTOCOLS: [&str; 5] = ["file", "ssh", "git", "http", "https"];
/// The transport whose address is itself a command line. Nothing allows it.
const COMMAND: &str = "ext";
/// Seconds until a server that says nothing counts as unreachable.
const PATIENCE_S: &str = "20";

/// Variables by which the user says how to reach a server.
const KEPT: [&str; 19] = [
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "GIT_SSH_VARIANT",
    "GIT_ASKPASS",
    "SSH_ASKPASS",
    "GIT_PROXY_COMMAND",
    "GIT_HTTP_PROXY_AUTHMETHOD",
    "GIT_PROXY_SSL_CAINFO",
    "GIT_PROXY_SSL_CERT",
    "GIT_PROXY_SSL_KEY",
    "GIT_HTTP_USER_AGENT",
    "GIT_HTTP_LOW_SPEED_LIMIT",
    "GIT_HTTP_LOW_SPEED_TIME",
    "GIT_SSL_CAINFO",
    "GIT_SSL_CAPATH",
    "GIT_SSL_CERT",
    "GIT_SSL_KEY",
    "GIT_SSL_NO_VERIFY",
    "GIT_CONFIG_PARAMETERS",
];
/// What the names of the variables begin with that hold settings of the user's environment.
const SETTINGS: [&str; 3] = ["GIT_CONFIG_COUNT", "GIT_CONFIG_KEY_", "GIT_CONFIG_VALUE_"];

/// Settings of every call to a server. Objects go to the disk; the references here are needed for a moment only.
const OVERRIDES: [&str; 14] = [
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.pager=cat",
    "core.editor=false",
    "core.alternateRefsCommand=false",
    "core.logAllRefUpdates=false",
    "core.fsync=objects,derived-metadata",
    "core.fsyncMethod=fsync",
    "fetch.writeCommitGraph=false",
    "maintenance.auto=false",
    "gc.auto=0",
    "push.gpgSign=false",
    "submodule.recurse=false",
    "http.lowSpeedLimit=1",
];

/// A git directory without the repository's configuration. It is removed when it is dropped.
pub(in crate::adapters::git) struct NetworkDir<'a> {
    repo: &'a Repository,
    path: PathBuf,
    /// Keeps the operating system's lock, which says that the directory is in use.
    lock: File,
}

impl<'a> NetworkDir<'a> {
    /// Makes one that knows these revisions, so that a server sends only what is behind neither of them.
    pub(in crate::adapters::git) fn new(repo: &'a Repository, known: &[ObjectId]) -> Result<Self, GitError> {
        repo.refresh()?;
        let run = repo.run_dir();
        match DirBuilder::new().mode(0o700).create(&run) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(GitError::io("make folder", &run)(error));
            }
            _ => {}
        }
        if !fs::symlink_metadata(&run).is_ok_and(|meta| meta.is_dir()) {
            let what = format!("`{}` is not a folder", crate::adapters::git::error::shown(&run));
            return Err(GitError::refused(what, "remove it: a symbolic link there could lead anywhere"));
        }
        sweep(&run);
        let path = run.join(format!("{PREFIX}{}_{:016x}", std::process::id(), journal::random()));
        let failed = || GitError::io("make", &path);
        DirBuilder::new().mode(0o700).create(&path).map_err(failed())?;
        let lock = File::create_new(path.join("config")).map_err(failed())?;
        let dir = Self { repo, path: path.clone(), lock };
        dir.fill(known).map_err(failed())?;
        Ok(dir)
    }

    /// Writes what git needs to take it for a git directory.
    fn fill(&self, known: &[ObjectId]) -> io::Result<()> {
        let mut lock = &self.lock;
        lock.lock()?;
        lock.write_all(self.repo.remotes().network_settings().as_bytes())?;
        fs::create_dir(self.path.join("refs"))?;
        // The user's own configuration may have parts that count on one branch only (`includeIf "onbranch:…"`).
        let branch = self.repo.view().head(&Target::Current).ok().and_then(|head| head.branch);
        let branch = branch.unwrap_or_else(|| "none".to_owned());
        fs::write(self.path.join("HEAD"), format!("ref: refs/heads/{branch}\n"))?;
        let mut packed = "# pack-refs with: peeled fully-peeled sorted \n".to_owned();
        for (number, id) in known.iter().enumerate() {
            // One that is not here, as after a crash of git, would fail the whole call.
            if self.repo.gix().has_object(*id) {
                let _ = writeln!(packed, "{id} refs/known/{number}");
            }
        }
        fs::write(self.path.join("packed-refs"), packed)?;
        match fs::copy(self.repo.common_dir().join("shallow"), self.path.join("shallow")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// The git program in this directory, with the transports to a server open.
    pub(in crate::adapters::git) fn program(&self) -> Program<'_> {
        let mut program = Program::bare(&self.path, self.repo.work_tree(), &OVERRIDES);
        program = program.with(format!("http.lowSpeedTime={PATIENCE_S}"));
        program = program.with_variable("GIT_OBJECT_DIRECTORY", self.repo.objects_dir());
        program = program.with_variable("GIT_ALLOW_PROTOCOL", self.repo.remotes().protocols());
        for (name, value) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if KEPT.contains(&&*text) || SETTINGS.iter().any(|start| text.starts_with(start)) {
                program = program.with_variable(text.into_owned(), value);
            }
        }
        if self.repo.remotes().has_usual_ssh() {
            program = program.with_variable("GIT_SSH_COMMAND", format!("ssh -oConnectTimeout={PATIENCE_S}"));
        }
        program
    }

    /// Where a fetch is to put what it gets.
    pub(in crate::adapters::git) fn refspec(branch: &str) -> String {
        format!("+{branch}:{FETCHED}")
    }

    /// What a fetch got.
    pub(in crate::adapters::git) fn fetched(&self) -> Result<ObjectId, GitError> {
        let file = self.path.join(FETCHED);
        parse(fs::read_to_string(&file).map_err(GitError::io("read", &file))?.trim())
    }
}

impl Drop for NetworkDir<'_> {
    fn drop(&mut self) {
        // What stays is swept by a later call.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Removes what processes left that died during a call.
fn sweep(run: &Path) {
    for entry in journal::list(run).into_iter().flatten().flatten() {
        let is_ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        let age = || entry.metadata().and_then(|meta| meta.modified()).ok().and_then(|at| at.elapsed().ok());
        if !is_ours || age().is_none_or(|age| age < NEW) {
            continue;
        }
        let is_free = File::open(entry.path().join("config")).map_or(true, |file| file.try_lock().is_ok());
        if is_free && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

impl GitRemote<'_> {
    /// The configuration of a git directory of our own: what of the repository's settings says how its objects are kept, and
    /// what makes git check them. Every value is one of a few, or made here.
    fn network_settings(self) -> String {
        let repo = self.repo.gix();
        let config = repo.config_snapshot();
        let hash = repo.object_hash();
        let mut out =
            format!("[core]\n\trepositoryFormatVersion = 1\n\tbare = true\n[extensions]\n\tobjectFormat = {hash}\n");
        if self.is_partial() {
            // Objects that are missing here are promised, but never fetched one by one.
            out += "\tpartialClone = promised\n[remote \"promised\"]\n\tpromisor = true\n\turl = /dev/null\n";
        }
        let shared = config.string("core.sharedRepository").map(|value| value.to_string()).unwrap_or_default();
        let is_mode = |text: &str| !text.is_empty() && text.len() < 6 && text.bytes().all(|byte| byte.is_ascii_digit());
        if is_mode(&shared) || ["umask", "group", "all", "world", "everybody", "true"].contains(&&*shared) {
            let _ = writeln!(out, "[core]\n\tsharedRepository = {shared}");
        }
        for (key, section) in [("transfer.fsckObjects", "transfer"), ("fetch.fsckObjects", "fetch")] {
            if config.boolean(key) == Some(true) {
                let _ = writeln!(out, "[{section}]\n\tfsckObjects = true");
            }
        }
        out
    }

    /// The transports that git may use: the usual ones, as the user's own environment and configuration narrow or extend them.
    fn protocols(self) -> String {
        if let Some(own) = std::env::var_os("GIT_ALLOW_PROTOCOL") {
            let own = own.to_string_lossy().into_owned();
            return own.split(':').filter(|name| *name != COMMAND).collect::<Vec<_>>().join(":");
        }
        let repo = self.repo.gix();
        let config = repo.config_snapshot();
        let mut rules = Vec::new();
        for section in config.plumbing().sections_by_name("protocol").into_iter().flatten() {
            let value = section.value("allow").filter(|_| section.meta().source.kind() != Kind::Repository);
            let Some(value) = value else { continue };
            let name = section.header().subsection_name().map(ToString::to_string);
            rules.push((name, !value.eq_ignore_ascii_case(b"never")));
        }
        allowed(&rules).join(":")
    }

    /// Returns true if git would call plain `ssh`, which is then given a limit for its wait.
    fn has_usual_ssh(self) -> bool {
        let is_set = |name| std::env::var_os(name).is_some();
        let is_named = is_set("GIT_SSH") || is_set("GIT_SSH_COMMAND") || is_set("GIT_CONFIG_PARAMETERS");
        !is_named && self.repo.users_own("core.sshCommand").is_none()
    }
}

/// The transports that are left after rules of the user: a name (none for all that are not named) and whether it is allowed.
fn allowed(rules: &[(Option<String>, bool)]) -> Vec<String> {
    let is_open = rules.iter().rev().find(|(name, _)| name.is_none()).is_none_or(|(_, is_allowed)| *is_allowed);
    let mut names: Vec<String> = if is_open { PROTOCOLS.map(str::to_owned).to_vec() } else { Vec::new() };
    for (name, is_allowed) in rules {
        let Some(name) = name.as_ref().filter(|name| *name != COMMAND && !name.contains(':')) else { continue };
        names.retain(|other| other != name);
        if *is_allowed {
            names.push(name.clone());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_rules_narrow_and_extend_the_transports() {
        let rule = |name: &str, is_allowed| ((!name.is_empty()).then(|| name.to_owned()), is_allowed);
        for (rules, left) in [
            (vec![], "file:ssh:git:http:https"),
            (vec![rule("git", false)], "file:ssh:http:https"),
            (vec![rule("s3", true)], "file:ssh:git:http:https:s3"),
            (vec![rule("s3", true), rule("s3", false)], "file:ssh:git:http:https"),
            (vec![rule("", false), rule("https", true)], "https"),
            (vec![rule("", false)], ""),
            (vec![rule("", false), rule("", true)], "file:ssh:git:http:https"),
            (vec![rule("ext", true), rule("a:ext", true)], "file:ssh:git:http:https"),
        ] {
            assert_eq!(allowed(&rules).join(":"), left, "{rules:?}");
        }
    }
}
