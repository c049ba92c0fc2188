//! What the repository says about how the user's own server is used: its keys, its database, the channels that are heard. It
//! could put the documents among those of another project, or write another project's events into this one; so it counts only
//! after the user has agreed to it in this clone. The note of that lies in the user's own state folder.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::super::{Error, Project, environment};
use super::enabled::{NOTE_BYTES_MAX, NOTES};
use crate::core::config::Origin;
use crate::{adapters::store, core::reconcile};

/// The settings that say so.
const SETTINGS: [&str; 3] = ["coordination.redis.prefix", "coordination.redis.db", "bridge.channels"];

/// A note that the user agreed.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct TermsNote {
    /// The run state that it is about.
    run: PathBuf,
    /// What was agreed to: settings with their values.
    terms: Vec<(String, String)>,
}

impl Project {
    /// The settings of the repository that were not agreed to in this clone, by their names; none if all were.
    pub(super) fn unagreed_terms(&self) -> Vec<String> {
        let terms = self.terms();
        if terms.is_empty() || self.agreed_terms().is_some_and(|note| note == self.note_of(terms.clone())) {
            return Vec::new();
        }
        terms.into_iter().map(|(name, _)| name).collect()
    }

    /// What the repository's configuration says, where nothing of the user's own wins over it.
    fn terms(&self) -> Vec<(String, String)> {
        let settings = SETTINGS.iter().filter_map(|name| self.config.get(name));
        let theirs = settings.filter(|setting| setting.origin == Origin::Repository);
        let theirs = theirs.filter(|setting| setting.value != setting.key.default_value());
        theirs.map(|setting| (setting.key.name.to_owned(), setting.value.to_string())).collect()
    }

    fn note_of(&self, terms: Vec<(String, String)>) -> TermsNote {
        TermsNote { run: self.store.bridge_folder(), terms }
    }

    fn agreed_terms(&self) -> Option<TermsNote> {
        let text = store::read_text(&self.terms_path().ok()?, NOTE_BYTES_MAX).ok().flatten()?;
        serde_json::from_str(&text).ok()
    }

    fn terms_path(&self) -> Result<PathBuf, Error> {
        let run = reconcile::digest(self.store.bridge_folder().as_os_str().as_encoded_bytes());
        Ok(environment::user_state()?.join(NOTES).join(format!("terms-{run}.json")))
    }

    /// The user agrees to what the repository says now.
    ///
    /// # Errors
    /// [`Error::Folder`] if that cannot be noted.
    pub(super) fn agree_to_terms(&self) -> Result<(), Error> {
        let terms = self.terms();
        if terms.is_empty() {
            return Ok(());
        }
        let path = self.terms_path()?;
        let note = serde_json::to_string(&self.note_of(terms)).unwrap_or_default();
        store::replace_text(&path, &note).map_err(|source| Error::Folder { path, source })
    }

    /// The user has changed a setting of the repository in this clone: that is a word of theirs. What they had not agreed to
    /// before stays so.
    pub(in crate::services) fn agree_to_change(&self, key: &str) {
        if SETTINGS.contains(&key)
            && self.unagreed_terms().is_empty()
            && let Ok(changed) = Self::open(self.once_more())
        {
            // What cannot be noted is asked for when it is needed.
            let _ = changed.agree_to_terms();
        }
    }
}
