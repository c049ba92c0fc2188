//! Signing commits as the user wants it. A program or key is named by the user's own configuration only, never by the repository's.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use gix::objs::signature::Format;
use gix::objs::signature::sign::{Options, is_literal_ssh_key};

use super::GitCommitter;
use crate::adapters::git::committer::hooks::Hooks;
use crate::adapters::git::error::CommitError;
use crate::adapters::git::identity::User;
use crate::adapters::git::repository::Repository;

impl GitCommitter<'_> {
    /// Whether a commit may start a program that asks the user something: one that signs, or a hook.
    #[must_use]
    pub fn may_ask(self) -> bool {
        self.repo.switch("commit.gpgSign") == Some(true) || !matches!(self.repo.hooks, Hooks::Never)
    }
}

/// How to sign, if `commit.gpgSign` is on. The switch counts from anywhere, as it names nothing.
pub(in crate::adapters::git) fn options(repo: &Repository, user: &User) -> Result<Option<Options>, CommitError> {
    if repo.switch("commit.gpgSign") != Some(true) {
        return Ok(None);
    }
    let (format, program) = match repo.users_own("gpg.format").as_deref() {
        None | Some("openpgp") => {
            let own = repo.users_own("gpg.openpgp.program").or_else(|| repo.users_own("gpg.program"));
            (Format::OpenPgp, own.unwrap_or_else(|| "gpg".to_owned()))
        }
        Some("x509") => (Format::X509, repo.users_own("gpg.x509.program").unwrap_or_else(|| "gpgsm".to_owned())),
        Some("ssh") => (Format::Ssh, repo.users_own("gpg.ssh.program").unwrap_or_else(|| "ssh-keygen".to_owned())),
        Some(other) => return Err(fault(format!("gpg.format `{}` is unknown", crate::core::name::visible(other)))),
    };
    let key = match (repo.users_own("user.signingKey").filter(|key| !key.is_empty()), format) {
        (Some(key), Format::Ssh) if is_literal_ssh_key(key.as_bytes()).is_none() => from_home(&key),
        (Some(key), _) => key.into(),
        (None, Format::Ssh) => default_ssh_key(repo)?,
        (None, _) => format!("{} <{}>", user.committer.name, user.committer.email).into(),
    };
    let program = from_home(&program);
    Ok(Some(Options { format, program, program_arguments: Vec::new(), signing_key: key, environment: Vec::new() }))
}

/// The key that the user's own `gpg.ssh.defaultKeyCommand` prints: the first line, which is a key by itself, as git takes it.
fn default_ssh_key(repo: &Repository) -> Result<OsString, CommitError> {
    let Some(command) = repo.users_own("gpg.ssh.defaultKeyCommand").filter(|command| !command.trim().is_empty()) else {
        return Err(fault("user.signingKey or gpg.ssh.defaultKeyCommand must name an SSH key".to_owned()));
    };
    let failed = |why: String| fault(format!("gpg.ssh.defaultKeyCommand: {}", crate::core::name::visible(&why)));
    let mut shell = Command::new("sh");
    let output = shell.args(["-c", &command]).current_dir(repo.work_tree()).stdin(Stdio::null()).output();
    let output = output.map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(format!("`{command}` ended with {}", output.status)));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let key = text.lines().next().unwrap_or_default().trim();
    if is_literal_ssh_key(key.as_bytes()).is_none() {
        return Err(failed(format!("`{command}` printed no SSH key in its first line")));
    }
    Ok(key.into())
}

fn fault(why: String) -> CommitError {
    CommitError::Signing(why.into())
}

/// A path with `~/` replaced by the user's home.
fn from_home(path: &str) -> OsString {
    match (path.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => PathBuf::from(home).join(rest).into_os_string(),
        _ => path.into(),
    }
}
