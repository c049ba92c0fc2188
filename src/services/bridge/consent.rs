//! The user's consent to a backend: which server, which branch, and the name of this worktree there.
//!
//! Local state lies in the git directory, which may have been unpacked from somebody else's archive. So a server that needs
//! consent also needs a note of it in the user's own state folder, where no repository can write.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::adapters::store::{self, Store};
use crate::core::config::Config;
use crate::services::{BackendId, Error, environment};

mod terms;

/// The name of the record in local state.
const RECORD: &str = "enabled.json";
/// The folder of notes, in the user's state folder.
const NOTES: &str = "bridges";
/// A file beside the notes that is written with each change of consent, for watchers.
const CHANGED: &str = "changed";
/// Largest note, in bytes.
const NOTE_BYTES_MAX: usize = 16 * 1024;

/// What is remembered of the server that is used.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct ConsentRecord {
    /// Its address, without a password.
    pub(super) address: String,
    /// The branch that was checked out then.
    pub(super) branch: String,
    /// The name of this worktree there.
    pub(super) node: String,
    /// The address was given to `bridge enable`; no setting names it.
    pub(super) is_given: bool,
    /// The name of the note in the user's state folder; empty if the user was not asked.
    pub(super) token: String,
}

/// A note that the user agreed.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct ConsentNote {
    /// The local state that it is about.
    run: PathBuf,
    /// The server.
    address: String,
}

/// The consent to one backend: reads and writes the record and the notes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Consent<'a> {
    pub(super) backend: BackendId,
    pub(super) store: &'a Store,
    pub(super) config: &'a Config,
}

impl Consent<'_> {
    /// The record of the server that is used. Reads nothing if no backend was ever used here.
    pub(super) fn record(self) -> Result<Option<ConsentRecord>, Error> {
        if self.store.local.has_bridge() { self.read() } else { Ok(None) }
    }

    /// The text of the record as it is now, to see whether it has changed.
    pub(super) fn text(self) -> Option<String> {
        self.store.local.bridge_text(&self.backend.file(RECORD)).ok().flatten()
    }

    fn read(self) -> Result<Option<ConsentRecord>, Error> {
        let text = self.store.local.bridge_text(&self.backend.file(RECORD))?;
        let record = text.and_then(|text| serde_json::from_str::<ConsentRecord>(&text).ok());
        Ok(record.filter(|record| !record.address.is_empty() && !record.node.is_empty()))
    }

    /// Remembers a server that needs no consent. `branch` is asked for if no record has one. Of two processes that do so at
    /// once the first record counts. If it cannot be written, the next process makes another one.
    pub(super) fn first_use(
        self,
        address: &str,
        before: Option<&ConsentRecord>,
        branch: impl FnOnce() -> Result<String, Error>,
    ) -> Result<ConsentRecord, Error> {
        let record = ConsentRecord {
            address: address.to_owned(),
            // Another address does not change the branch.
            branch: match before.filter(|before| !before.branch.is_empty()) {
                Some(before) => before.branch.clone(),
                None => branch()?,
            },
            node: before.map_or_else(environment::new_node, |before| Ok(before.node.clone()))?,
            ..ConsentRecord::default()
        };
        if let Some(before) = before {
            // What the user agreed to stays, also while a variable names another server.
            if before.token.is_empty() {
                let _ = self.write(&record);
            }
            return Ok(record);
        }
        let text = serde_json::to_string(&record).unwrap_or_default();
        if !matches!(self.store.local.new_bridge_text(&self.backend.file(RECORD), &text), Ok(false)) {
            return Ok(record);
        }
        match self.read()? {
            Some(other) if other.address == record.address => Ok(other),
            other => {
                let record = ConsentRecord { node: other.map_or(record.node, |other| other.node), ..record };
                let _ = self.write(&record);
                Ok(record)
            }
        }
    }

    fn write(self, record: &ConsentRecord) -> Result<(), Error> {
        let text = serde_json::to_string(record).unwrap_or_default();
        Ok(self.store.local.set_bridge_text(&self.backend.file(RECORD), &text)?)
    }

    /// Returns true if the user agreed to this server in this clone.
    pub(super) fn is_given_to(self, record: &ConsentRecord) -> bool {
        is_token(&record.token)
            && read_note(note_path(&record.token)).is_some_and(|note: ConsentNote| note == self.note(&record.address))
    }

    fn note(self, address: &str) -> ConsentNote {
        ConsentNote { run: self.store.local.bridge_folder(), address: address.to_owned() }
    }

    /// Records the user's consent to a server and to what the repository says about its use; `before` is what was recorded.
    ///
    /// # Errors
    /// [`Error::Store`] or [`Error::Folder`] if it cannot be written. With read-only local state nothing changes.
    pub(super) fn give(self, record: &ConsentRecord, before: Option<&ConsentRecord>) -> Result<(), Error> {
        self.store.local.make()?;
        let path = note_path(&record.token)?;
        let note = serde_json::to_string(&self.note(&record.address)).unwrap_or_default();
        store::replace_text(&path, &note).map_err(|source| Error::Folder { path, source })?;
        if let Some(old) = before.filter(|before| before.token != record.token) {
            remove_note(old)?;
        }
        self.write(record)?;
        self.agree_to_terms()?;
        notify_watchers();
        Ok(())
    }

    /// Takes the consent back and removes the record.
    ///
    /// # Errors
    /// [`Error::Store`] if local state cannot be changed.
    pub(super) fn withdraw(self, record: &ConsentRecord) -> Result<(), Error> {
        self.store.local.make()?;
        remove_note(record)?;
        self.store.local.remove_bridge_text(&self.backend.file(RECORD))?;
        self.store.local.remove_bridge_text(&self.backend.file(super::health::FILE))?;
        notify_watchers();
        Ok(())
    }
}

/// The file that changes when a backend is enabled or disabled, for watchers.
pub(in crate::services) fn changed_path() -> Option<PathBuf> {
    let path = environment::user_state().ok()?.join(NOTES).join(CHANGED);
    std::path::absolute(path).ok()
}

fn notify_watchers() {
    if let Some(path) = changed_path() {
        // Else they see it with the next change of a document.
        let _ = store::replace_text(&path, "");
    }
}

fn is_token(token: &str) -> bool {
    !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn note_path(token: &str) -> Result<PathBuf, Error> {
    Ok(environment::user_state()?.join(NOTES).join(format!("{token}.json")))
}

fn read_note<T: serde::de::DeserializeOwned>(path: Result<PathBuf, Error>) -> Option<T> {
    serde_json::from_str(&store::read_text(&path.ok()?, NOTE_BYTES_MAX).ok().flatten()?).ok()
}

fn remove_note(record: &ConsentRecord) -> Result<(), Error> {
    if !is_token(&record.token) {
        return Ok(());
    }
    let path = note_path(&record.token)?;
    let fault = |source| Error::Folder { path: path.clone(), source };
    let Some(old) = store::read_bytes(&path, NOTE_BYTES_MAX).map_err(fault)? else { return Ok(()) };
    store::replace_bytes(&path, Some(&old), None).map_err(fault).map(drop)
}
