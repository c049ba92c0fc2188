//! Who writes and who commits. Invents nobody: without a name and an email there is no commit.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use gix::actor::Signature;
use gix::bstr::BString;
use gix::date::Time;

use super::build::Author;
use super::error::CommitError;
use super::repository::Repository;
use crate::core::time::Timestamp;

/// The domain of agents' addresses; `.invalid` is reserved, so no mail ever goes there.
const AGENT_DOMAIN: &str = "mycelium.invalid";

/// The user, as git knows them, at one moment.
pub(super) struct User {
    /// Who commits (`GIT_COMMITTER_*`, `committer.*`, `user.*`).
    pub(super) committer: Signature,
    /// Who writes (`GIT_AUTHOR_*`, `author.*`, `user.*`).
    author: Signature,
}

impl User {
    /// Reads the identity from environment and configuration.
    pub(super) fn read(repo: &Repository) -> Result<Self, CommitError> {
        let first = |keys: &[&'static str]| {
            let repo = repo.gix();
            let config = repo.config_snapshot();
            keys.iter().find_map(|key| config.string(*key).map(|text| clean(&text)).filter(|text| !text.is_empty()))
        };
        // The environment stands in these keys too, above every file.
        let pair = |name: &[&'static str], email: &[&'static str]| first(name).zip(first(email));
        let mail = "gitoxide.user.emailFallback"; // $EMAIL
        let committer = pair(&["committer.name", "user.name"], &["committer.email", "user.email", mail]);
        let author = pair(&["author.name", "user.name"], &["author.email", "user.email", mail]);
        let (name, email) = committer.clone().or_else(|| author.clone()).ok_or(CommitError::NoIdentity)?;
        let (author_name, author_email) = author.or(committer).ok_or(CommitError::NoIdentity)?;
        let time = now();
        Ok(Self {
            committer: Signature { name, email, time },
            author: Signature { name: author_name, email: author_email, time },
        })
    }

    /// The author of one commit, at the time of the change and in the user's time zone.
    pub(super) fn author(&self, author: &Author, at: Timestamp) -> Signature {
        let time = Time { seconds: at.unix_s(), offset: self.committer.time.offset };
        match author {
            Author::User => Signature { time, ..self.author.clone() },
            Author::Agent(name) => {
                Signature { name: name.as_str().into(), email: format!("{name}@{AGENT_DOMAIN}").into(), time }
            }
        }
    }

    /// The name of the user as an author.
    pub(super) fn name(&self) -> String {
        self.author.name.to_string()
    }

    /// The committer as a reflog names them.
    pub(super) fn reflog(&self) -> String {
        let Signature { name, email, time } = &self.committer;
        format!("{name} <{email}> {time}")
    }
}

/// Who is put down for what is kept beside the history, where no name of the user is needed: the agent, else this program.
pub(super) fn of(author: &Author, at: Timestamp) -> Signature {
    let name = match author {
        Author::User => "mycelium",
        Author::Agent(name) => name.as_str(),
    };
    let time = Time { seconds: at.unix_s(), offset: 0 };
    Signature { name: name.into(), email: format!("{name}@{AGENT_DOMAIN}").into(), time }
}

/// The time of the clock and the offset of the user's time zone.
fn now() -> Time {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let seconds = i64::try_from(since.as_secs()).unwrap_or_default();
    let file = zone_file(std::env::var_os("TZ").as_deref()).and_then(|file| std::fs::read(file).ok());
    let offset = file.and_then(|rules| crate::core::time::offset_s(&rules, Timestamp::from_unix_ms(seconds * 1_000)));
    offset.map_or_else(Time::now_local_or_utc, |offset| Time { seconds, offset })
}

/// The file with the rules of the zone that `TZ` names, as tzset(3) finds it: to have it looked up by its name would walk
/// through every zone there is. `None` for what is no name of a file, such as rules themselves.
fn zone_file(tz: Option<&OsStr>) -> Option<PathBuf> {
    let Some(tz) = tz else { return Some(PathBuf::from("/etc/localtime")) };
    let name = tz.to_str()?;
    let name = name.strip_prefix(':').unwrap_or(name);
    let is_name = |part: &str| !part.is_empty() && !part.starts_with('.');
    let path = Path::new(name);
    (path.is_absolute() || name.split('/').all(is_name)).then(|| Path::new("/usr/share/zoneinfo").join(path))
}

/// A name or an email without what would break the line it stands in, as git cleans it.
fn clean(text: &BString) -> BString {
    let kept: Vec<u8> = text.iter().copied().filter(|b| !matches!(b, b'<' | b'>' | b'\n' | b'\r' | 0)).collect();
    kept.trim_ascii().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_the_file_that_tz_names() {
        let file = |tz: &str| zone_file(Some(OsStr::new(tz))).map(|path| path.display().to_string());
        assert_eq!(zone_file(None), Some(PathBuf::from("/etc/localtime")));
        for (tz, path) in [
            ("UTC", Some("/usr/share/zoneinfo/UTC")),
            (":Europe/Berlin", Some("/usr/share/zoneinfo/Europe/Berlin")),
            ("/etc/zone", Some("/etc/zone")),
            ("../../../etc/passwd", None),
            ("Europe/.hidden", None),
            ("", None),
        ] {
            assert_eq!(file(tz).as_deref(), path, "{tz}");
        }
    }
}
