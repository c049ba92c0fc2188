//! Who writes and who commits. Invents nobody: without a name and an email there is no commit.

use gix::actor::Signature;
use gix::bstr::BString;
use gix::date::Time;

use super::build::Author;
use super::error::CommitError;
use super::repository::Repository;
use crate::time::Timestamp;

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
        let gix = repo.gix();
        let name_and_email = |found: Option<Result<gix::actor::SignatureRef<'_>, gix::Error>>| {
            let found = found?.ok()?;
            let (name, email) = (clean(found.name), clean(found.email));
            (!name.is_empty()).then_some((name, email))
        };
        let committer = name_and_email(gix.committer());
        let author = name_and_email(gix.author());
        let (name, email) = committer.clone().or_else(|| author.clone()).ok_or(CommitError::NoIdentity)?;
        let (author_name, author_email) = author.or(committer).ok_or(CommitError::NoIdentity)?;
        let time = Time::now_local_or_utc();
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

    /// The committer as a reflog names them.
    pub(super) fn reflog(&self) -> String {
        let Signature { name, email, time } = &self.committer;
        format!("{name} <{email}> {time}")
    }
}

/// A name or an email without what would break the line it stands in, as git cleans it.
fn clean(text: &gix::bstr::BStr) -> BString {
    let kept: Vec<u8> = text.iter().copied().filter(|b| !matches!(b, b'<' | b'>' | b'\n' | b'\r' | 0)).collect();
    kept.trim_ascii().into()
}
