//! What the user agreed to: the server, the branch, and what this work tree is called there.
//!
//! Run state lies in the git directory, which may have been unpacked from somebody else's archive; so a server that
//! needs an agreement also needs a note of it in the user's own state folder, where no repository can write.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::super::{Error, Project, environment};
use super::wanted::{Target, Wanted};
use crate::adapters::store;
use crate::core::config::{Origin, without_password};

/// The name of the record in the run state.
const RECORD: &str = "enabled.json";
/// The folder of notes, in the user's state folder.
pub(super) const NOTES: &str = "bridges";
/// A file among them that is written anew with each agreement, for those who watch.
const CHANGED: &str = "changed";
/// Largest note, in bytes.
pub(super) const NOTE_BYTES_MAX: usize = 16 * 1024;

/// What is remembered of the server that is used.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Record {
    /// Its address, without a password.
    pub(super) address: String,
    /// The branch on which that was.
    pub(super) branch: String,
    /// What this work tree is called there.
    pub(super) node: String,
    /// The address was given to `bridge enable`; no setting names it.
    pub(super) is_given: bool,
    /// The name of the note in the user's state folder; empty if the user was not asked.
    pub(super) token: String,
}

/// A note that the user agreed.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    /// The run state that it is about.
    run: PathBuf,
    /// The server.
    address: String,
}

/// What [`Project::enable_bridge`] will do, or did.
#[derive(Debug, Clone)]
pub struct Enabling {
    /// The server.
    pub target: Target,
    /// The address was given here and is kept in the run state.
    pub is_given: bool,
    /// It was enabled before, for the same server.
    pub was_enabled: bool,
}

impl Project {
    pub(super) fn bridge_record(&self) -> Result<Option<Record>, Error> {
        if self.store.has_bridge() { self.read_record() } else { Ok(None) }
    }

    /// What is written down of the server that is enabled here, as it is now: whether it has changed is all that it says.
    #[must_use]
    pub fn bridge_choice(&self) -> Option<String> {
        self.store.bridge_text(RECORD).ok().flatten()
    }

    fn read_record(&self) -> Result<Option<Record>, Error> {
        let text = self.store.bridge_text(RECORD)?;
        let record = text.and_then(|text| serde_json::from_str::<Record>(&text).ok());
        Ok(record.filter(|record| !record.address.is_empty() && !record.node.is_empty()))
    }

    /// Remembers a server that is trusted by itself, with the branch of this moment. Of two that do so at once the first
    /// one's word counts. What cannot be written is made anew the next time.
    pub(super) fn first_use(&self, address: &str, before: Option<&Record>) -> Result<Record, Error> {
        let record = Record {
            address: address.to_owned(),
            // Another address is no word about another branch.
            branch: match before.filter(|before| !before.branch.is_empty()) {
                Some(before) => before.branch.clone(),
                None => self.records().head()?.and_then(|head| head.branch).unwrap_or_default(),
            },
            node: before.map_or_else(environment::new_node, |before| Ok(before.node.clone()))?,
            ..Record::default()
        };
        if let Some(before) = before {
            // What the user agreed to stands, also while a variable names another server.
            if before.token.is_empty() {
                let _ = self.remember(&record);
            }
            return Ok(record);
        }
        let is_new = self.store.new_bridge_text(RECORD, &serde_json::to_string(&record).unwrap_or_default());
        if matches!(is_new, Ok(false)) {
            match self.read_record()? {
                Some(other) if other.address == record.address => return Ok(other),
                other => {
                    let record = Record { node: other.map_or(record.node, |other| other.node), ..record };
                    let _ = self.remember(&record);
                    return Ok(record);
                }
            }
        }
        Ok(record)
    }

    fn remember(&self, record: &Record) -> Result<(), Error> {
        Ok(self.store.set_bridge_text(RECORD, &serde_json::to_string(record).unwrap_or_default())?)
    }

    /// Whether the user agreed to it, here and in these words.
    pub(super) fn is_vouched(&self, record: &Record) -> bool {
        let read = || {
            let path = note_path(&record.token).ok()?;
            let text = store::read_text(&path, NOTE_BYTES_MAX).ok().flatten()?;
            serde_json::from_str::<Note>(&text).ok()
        };
        let is_token = !record.token.is_empty() && record.token.bytes().all(|byte| byte.is_ascii_alphanumeric());
        is_token && read().is_some_and(|note| note == self.agreement(&record.address))
    }

    fn agreement(&self, address: &str) -> Note {
        Note { run: self.store.bridge_folder(), address: address.to_owned() }
    }

    /// Agrees to a server, the one given or the one that the settings name, and to mirror a branch there, by default the
    /// one that is checked out. Opens no connection.
    ///
    /// # Errors
    /// [`Error::NoServer`] if none is named, [`Error::BadServer`] if the address makes no sense or holds a password that
    /// would have to be kept; others if it cannot be remembered.
    pub fn enable_bridge(&self, url: Option<&str>, branch: Option<&str>) -> Result<Enabling, Error> {
        let before = self.bridge_record()?;
        let is_forced = self.config.text("coordination.mode") == Some("redis");
        if let Some(url) = url.filter(|url| without_password(url) != **url) {
            return Err(Error::BadServer {
                why: format!("`{}` was given with a password, which is not kept", without_password(url)),
                hint: "leave it out here, and set REDIS_PASSWORD".to_owned(),
            });
        }
        let named = match url {
            Some(url) => url.to_owned(),
            None => self.named_server(before.as_ref(), is_forced).ok_or(Error::NoServer)?.url,
        };
        let settings = self.bridge_settings(&named).map_err(|broken| match broken {
            Wanted::Broken { why, hint } => Error::BadServer { why, hint },
            _ => Error::NoServer,
        })?;
        let address = settings.address.to_string();
        let same = before.as_ref().filter(|before| before.address == address);
        let was_enabled = same.is_some_and(|record| self.is_vouched(record));
        let here = || Ok::<_, Error>(self.records().head()?.and_then(|head| head.branch).unwrap_or_default());
        let record = Record {
            branch: branch.map_or_else(here, |branch| Ok(branch.to_owned()))?,
            node: before.as_ref().map_or_else(environment::new_node, |before| Ok(before.node.clone()))?,
            is_given: url.is_some() || same.is_some_and(|record| record.is_given),
            token: match same.filter(|_| was_enabled) {
                Some(record) => record.token.clone(),
                None => environment::new_node()?,
            },
            address,
        };
        // Where local state is read-only, the old agreement stays as it is.
        self.store.make_state()?;
        let path = note_path(&record.token)?;
        let note = serde_json::to_string(&self.agreement(&record.address)).unwrap_or_default();
        store::replace_text(&path, &note).map_err(|source| Error::Folder { path, source })?;
        if let Some(old) = before.filter(|before| before.token != record.token) {
            forget_note(&old)?;
        }
        self.remember(&record)?;
        self.agree_to_terms()?;
        tell_watchers();
        match self.wanted_bridge() {
            Wanted::Redis(target) => Ok(Enabling { target: *target, is_given: record.is_given, was_enabled }),
            Wanted::Broken { why, hint } => Err(Error::BadServer { why, hint }),
            Wanted::Nothing | Wanted::Untrusted { .. } | Wanted::Unagreed { .. } => Err(Error::NoServer),
        }
    }

    /// Takes the agreement back and forgets the server. Gives its address, if there was one; what lies on it stays there.
    ///
    /// # Errors
    /// [`Error::Store`] if the run state cannot be changed.
    pub fn disable_bridge(&self) -> Result<Option<String>, Error> {
        let Some(record) = self.bridge_record()? else { return Ok(None) };
        self.store.make_state()?;
        forget_note(&record)?;
        self.store.remove_bridge_text(RECORD)?;
        self.store.remove_bridge_text(super::health::FILE)?;
        tell_watchers();
        Ok(Some(record.address))
    }

    /// The variable, file or flag that names a server although nobody agreed to it here.
    #[must_use]
    pub fn bridge_origin(&self) -> Option<Origin> {
        let url = self.config.get("coordination.redis.url")?;
        url.value.as_str().is_some_and(|text| !text.is_empty()).then_some(url.origin)
    }
}

/// What whoever watches looks at to see that a bridge was enabled or disabled.
pub(in crate::services) fn changed_path() -> Option<PathBuf> {
    let path = environment::user_state().ok()?.join(NOTES).join(CHANGED);
    std::path::absolute(path).ok()
}

fn tell_watchers() {
    if let Some(path) = changed_path() {
        // Else they see it with the next change of a document.
        let _ = store::replace_text(&path, "");
    }
}

fn note_path(token: &str) -> Result<PathBuf, Error> {
    Ok(environment::user_state()?.join(NOTES).join(format!("{token}.json")))
}

fn forget_note(record: &Record) -> Result<(), Error> {
    if record.token.is_empty() || !record.token.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Ok(());
    }
    let path = note_path(&record.token)?;
    let fault = |source| Error::Folder { path: path.clone(), source };
    let Some(old) = store::read_bytes(&path, NOTE_BYTES_MAX).map_err(fault)? else { return Ok(()) };
    store::replace_bytes(&path, Some(&old), None).map_err(fault).map(drop)
}
