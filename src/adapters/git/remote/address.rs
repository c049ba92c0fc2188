//! The address of a remote as git understands it: which place it is, whether that is the repository's own, and which part is a secret.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use gix::bstr::ByteSlice;
use gix::config::source::Kind;

use super::GitRemote;
use crate::adapters::git::error::{GitError, shown};
use crate::adapters::git::remote::neighbour;
use crate::core::name::{shell_word, visible};

/// Shortest part of a password that is cut out wherever it stands.
const SECRET_MIN: usize = 3;
/// What git tries behind a path that it is given.
const ENDINGS: [&str; 2] = ["", ".git"];

impl GitRemote<'_> {
    /// Refuses an address that the repository's own configuration could turn into another one, or that lies in the
    /// repository: what came along in it is not a server of the user's, and its hooks are not either. `whose` is
    /// what `git remote set-url` needs before the address: the remote's name.
    pub(in crate::adapters::git) fn refuse_address(self, url: &str, whose: &str) -> Result<(), GitError> {
        self.refuse_renamed(url)?;
        let mut places = vec![url.to_owned()];
        let repo = self.repo.gix();
        let config = repo.config_snapshot();
        for section in config.plumbing().sections_by_name("url").into_iter().flatten() {
            let beginnings = [section.values("insteadOf"), section.values("pushInsteadOf")].concat();
            let base = section.header().subsection_name().map(ToString::to_string).unwrap_or_default();
            if section.meta().source.kind() == Kind::Repository && !beginnings.is_empty() {
                let what = "the repository's own configuration replaces addresses (`url.….insteadOf`)";
                let section = format!("url.{}", cut(&base, &[]));
                let hint = format!(
                    "remove that with `git config --remove-section {}`; what you need of it, set for yourself with \
                     `git config --global {} START`",
                    shell_word(&section),
                    shell_word(&format!("{section}.insteadOf"))
                );
                return Err(GitError::refused(what, hint));
            }
            let replaced = |start: &str| url.strip_prefix(start).map(|rest| format!("{base}{rest}"));
            places.extend(beginnings.iter().filter_map(|start| replaced(&start.to_string())));
        }
        places.iter().try_for_each(|place| self.refuse_inside(place, whose))
    }

    /// Returns true if an address means a path on this machine where nothing is.
    pub(in crate::adapters::git) fn is_absent(self, url: &str) -> bool {
        let is_free = |path: &str| !self.repo.work_tree().join(path).exists();
        local(url).is_some_and(|path| ENDINGS.iter().all(|ending| is_free(&format!("{path}{ending}"))))
    }

    /// Settings of the repository for ways to a server: they count for git itself, and not here.
    pub(in crate::adapters::git) fn ignored_settings(self) -> Vec<String> {
        let repo = self.repo.gix();
        let config = repo.config_snapshot();
        let mut found = std::collections::BTreeSet::new();
        for section in config.plumbing().sections().filter(|one| one.meta().source.kind() == Kind::Repository) {
            let name = section.header().name().to_string().to_ascii_lowercase();
            let keys = section.value_names().map(|key| format!("{name}.{key}"));
            let is_way = |key: &String| {
                let key = key.to_ascii_lowercase();
                ["http.", "credential.", "protocol."].iter().any(|start| key.starts_with(start))
                    || ["core.sshcommand", "core.askpass", "core.gitproxy", "remote.proxy"].contains(&&*key)
            };
            found.extend(keys.filter(is_way).map(|key| visible(&key)));
        }
        found.into_iter().collect()
    }

    /// Git takes an address for the name of a remote, if there is one that is called so.
    fn refuse_renamed(self, url: &str) -> Result<(), GitError> {
        let repo = self.repo.gix();
        let config = repo.config_snapshot();
        let mut sections = config.plumbing().sections_by_name("remote").into_iter().flatten();
        let is_named = sections.any(|section| {
            section.meta().source.kind() == Kind::Repository
                && section.header().subsection_name().is_some_and(|name| *name == url)
        });
        let is_old = |folder: &str| self.repo.common_dir().join(folder).join(url).is_file();
        if is_named || !url.contains('/') && (is_old("remotes") || is_old("branches")) {
            let name = cut(url, &[]);
            let what = format!("the repository's own configuration has a remote called `{name}`");
            let hint = if is_named {
                let section = shell_word(&format!("remote.{name}"));
                format!(
                    "it is called like the address of another one: remove it with `git config --remove-section {section}`"
                )
            } else {
                let folder = if is_old("remotes") { "remotes" } else { "branches" };
                let file = shell_word(&shown(self.repo.common_dir().join(folder).join(&name)));
                format!("it is called like the address of another one: remove it with `rm {file}`")
            };
            return Err(GitError::refused(what, hint));
        }
        Ok(())
    }

    /// Refuses an address on this machine that is the repository's own, or may have come with it.
    fn refuse_inside(self, url: &str, whose: &str) -> Result<(), GitError> {
        let Some(path) = local(url) else { return Ok(()) };
        if path.starts_with('~') {
            let what = format!("the remote `{}` is not a whole path", visible(&path));
            return Err(GitError::refused(what, format!("write the whole path: `git remote set-url {whose} /PATH`")));
        }
        let own = self.own_folders();
        for ending in ENDINGS {
            let place = self.repo.work_tree().join(format!("{}{ending}", path.trim_end_matches('/')));
            let shown_path = || cut(&shown(&place), &[]);
            let reached = neighbour::git_dirs(&place);
            if reached.iter().chain([&real(&place)]).any(|real| own.iter().any(|own| real.starts_with(own))) {
                let what = format!("the remote `{}` lies in this repository itself", shown_path());
                return Err(GitError::refused(
                    what,
                    format!("name a repository elsewhere: `git remote set-url {whose} URL`"),
                ));
            }
            // Who packs an archive knows where two of its folders lie to each other, and not where it will be unpacked.
            let why = if Path::new(&path).is_absolute() {
                None
            } else {
                reached.iter().find_map(|dir| neighbour::program(dir))
            };
            if let Some(why) = why {
                let what = format!(
                    "the remote `{}` may have come along with this repository, and would start programs: {why}",
                    shown_path()
                );
                let hint = format!(
                    "if it is yours, say so by its whole path: `git remote set-url {whose} '{}'`",
                    shown(real(&place))
                );
                return Err(GitError::refused(what, hint));
            }
        }
        Ok(())
    }

    /// The folders that belong to this repository: its work trees, what all of them share, and the repository around a
    /// submodule.
    fn own_folders(self) -> Vec<PathBuf> {
        let common = self.repo.common_dir();
        let mut own = vec![self.repo.work_tree().to_owned(), self.repo.git_dir().to_owned(), common.to_owned()];
        let is_git = |dir: &&Path| dir.file_name().is_some_and(|name| name == ".git");
        own.extend(common.ancestors().filter(is_git).filter_map(Path::parent).map(Path::to_owned));
        // The folder of a repository whose `.git` is a file that names a folder beside it.
        let above = common.parent().map(Path::to_owned);
        own.extend(above.filter(|above| neighbour::follow(&above.join(".git")).as_deref() == Some(common)));
        let repo = self.repo.gix();
        let config = repo.config_snapshot();
        if let Some(main) = config.string("core.worktree") {
            own.push(real(&common.join(main.to_string())));
        }
        let linked = crate::adapters::git::journal::list(&common.join("worktrees"));
        for entry in linked.into_iter().flatten().flatten() {
            let text = std::fs::read(entry.path().join("gitdir")).unwrap_or_default();
            let file = entry.path().join(OsStr::from_bytes(text.trim_ascii()));
            own.extend(file.parent().filter(|_| !text.trim_ascii().is_empty()).map(real));
        }
        own
    }

    /// The remotes whose address holds a password.
    #[must_use]
    pub fn secret_remotes(self) -> Vec<String> {
        let repo = self.repo.gix();
        let config = repo.config_snapshot();
        let sections = config.plumbing().sections_by_name("remote").into_iter().flatten();
        let secret = sections.filter_map(|section| {
            let name = section.header().subsection_name()?.to_str_lossy().into_owned();
            let holds = |key: &str| section.values(key).iter().any(|url| has_password(&url.to_str_lossy()));
            (holds("url") || holds("pushurl")).then(|| visible(&name))
        });
        let mut names: Vec<String> = secret.collect();
        names.sort();
        names.dedup();
        names
    }
}

/// The path that an address means, if git takes it for one on this machine.
fn local(url: &str) -> Option<String> {
    if let Some(rest) = url.strip_prefix("file://") {
        let path = decoded(rest);
        return Some(if path.starts_with('/') { path } else { format!("//{path}") });
    }
    let (colon, slash) = (url.find(':'), url.find('/'));
    colon.is_none_or(|colon| slash.is_some_and(|slash| slash < colon)).then(|| url.to_owned())
}

/// A text without `%20` and its like.
fn decoded(text: &str) -> String {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let (bytes, mut out, mut at) = (text.as_bytes(), Vec::new(), 0);
    while at < bytes.len() {
        let pair = digit(bytes.get(at + 1)).zip(digit(bytes.get(at + 2)));
        let byte = pair.and_then(|(high, low)| u8::try_from(high * 16 + low).ok()).filter(|byte| *byte > 0);
        let byte = byte.filter(|_| bytes[at] == b'%');
        out.push(byte.unwrap_or(bytes[at]));
        at += if byte.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Where a path leads; of one that leads nowhere, where it would without links.
pub(in crate::adapters::git) fn real(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| {
        let mut out = PathBuf::new();
        for part in path.components() {
            match part {
                Component::ParentDir => drop(out.pop()),
                Component::CurDir => {}
                other => out.push(other),
            }
        }
        out
    })
}

/// A text without the users and passwords of these addresses, nor of any other one that is in it.
pub(in crate::adapters::git) fn cut(text: &str, urls: &[&str]) -> String {
    let mut text = text.to_owned();
    for secret in urls.iter().flat_map(|url| secrets(url)) {
        text = text.replace(&format!("{secret}@"), "");
        if secret.len() >= SECRET_MIN {
            text = text.replace(&secret, "…");
        }
    }
    let words = text.split(' ').map(|word| match (word.find("://"), word.rfind('@')) {
        (Some(start), Some(end)) if start + 3 <= end => format!("{}{}", &word[..start + 3], &word[end + 1..]),
        _ => word.to_owned(),
    });
    words.collect::<Vec<_>>().join(" ")
}

/// What of an address nobody is to see, in each form in which git may say it, the longest first.
fn secrets(url: &str) -> Vec<String> {
    let Some((scheme, rest)) = url.split_once("://") else { return Vec::new() };
    let Some((user, _)) = rest.rsplit_once('@') else { return Vec::new() };
    let mut out = Vec::new();
    for form in [user.to_owned(), decoded(user)] {
        match form.split_once(':') {
            Some((_, password)) => {
                out.extend(password.split(['/', '\n', '\r', '?', '#']).map(str::to_owned));
                out.push(password.to_owned());
                out.push(form.clone());
            }
            // A token may stand where the user does.
            None if scheme.starts_with("http") => out.push(form.clone()),
            None => {}
        }
    }
    let shown: Vec<String> = out.iter().map(|secret| visible(secret)).collect();
    out.extend(shown);
    out.retain(|secret| !secret.is_empty());
    out.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    out.dedup();
    out
}

/// `https://name:password@host`: a colon before the last `@` of the authority.
fn has_password(url: &str) -> bool {
    let Some((_, rest)) = url.split_once("://") else { return false };
    let authority = rest.split('/').next().unwrap_or(rest);
    authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_path_is_known_as_git_knows_it() {
        for (url, path) in [
            ("s/e:x.git", Some("s/e:x.git")),
            ("x", Some("x")),
            ("/a:b/c", Some("/a:b/c")),
            ("host:x", None),
            ("host:a/b", None),
            ("https://h/x", None),
            ("file:///a%2Fb%zz%00", Some("/a/b%zz%00")),
            ("file://a/b", Some("//a/b")),
        ] {
            assert_eq!(local(url).as_deref(), path, "{url}");
        }
    }

    #[test]
    fn passwords_are_cut_out() {
        let url = "https://user:s3cret/x%0ay@h:1/y";
        for text in [
            "unable to access 'https://user:s3cret/x%0ay@h:1/y/': no",
            "unable to look up user:s3cret/x%0ay@h (port 1)",
            "Bad port 's3cret'",
            "user:s3cret/x",
            "fatal: https://other:s3cret@h/x",
        ] {
            assert!(!cut(text, &[url]).contains("s3cret"), "{}", cut(text, &[url]));
        }
        assert_eq!(cut("'ssh://git@h/x' is away", &["ssh://git@h/x"]), "'ssh://h/x' is away");
        assert_eq!(cut("no secret: a@b", &["/a/b"]), "no secret: a@b");
    }

    #[test]
    fn passwords_in_addresses_are_seen() {
        for (url, expected) in [
            ("https://me:secret@host/x.git", true),
            ("https://me:a@b@host/x", true),
            ("https://me@host/x:y@z", false),
            ("ssh://git@host:22/x", false),
            ("git@host:x/y.git", false),
            ("/srv/x:y@z", false),
        ] {
            assert_eq!(has_password(url), expected, "{url}");
        }
    }
}
