//! What the repository says about how the user's own server is used: its keys, its database, the channels that are heard. It
//! could put the documents among those of another project, or write another project's events into this one. So it counts only
//! after the user has agreed to it in this clone. The note of that lies in the user's own state folder.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{BackendId, Consent, NOTES, read_note};
use crate::adapters::store;
use crate::core::config::Origin;
use crate::core::reconcile;
use crate::services::{Error, environment};

/// A note that the user agreed.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct TermsNote {
    /// The local state that it is about.
    run: PathBuf,
    /// What was agreed to: settings with their values.
    terms: Vec<(String, String)>,
}

impl Consent<'_> {
    /// The names of the repository's settings that were not agreed to in this clone.
    pub(in super::super) fn unagreed_terms(self) -> Vec<String> {
        let terms = self.terms();
        if terms.is_empty()
            || read_note(self.terms_path()).is_some_and(|note: TermsNote| note == self.terms_note(terms.clone()))
        {
            return Vec::new();
        }
        terms.into_iter().map(|(name, _)| name).collect()
    }

    /// What the repository's configuration says, except where the user's own settings win over it.
    fn terms(self) -> Vec<(String, String)> {
        let settings = settings(self.backend).iter().filter_map(|name| self.config.get(name));
        let theirs = settings.filter(|setting| setting.origin == Origin::Repository);
        let theirs = theirs.filter(|setting| setting.value != setting.key.default_value());
        theirs.map(|setting| (setting.key.name.to_owned(), setting.value.to_string())).collect()
    }

    fn terms_note(self, terms: Vec<(String, String)>) -> TermsNote {
        TermsNote { run: self.store.local.bridge_folder(), terms }
    }

    fn terms_path(self) -> Result<PathBuf, Error> {
        let run = reconcile::digest(self.store.local.bridge_folder().as_os_str().as_encoded_bytes());
        Ok(environment::user_state()?.join(NOTES).join(self.backend.file(&format!("terms-{run}.json"))))
    }

    /// The user agrees to what the repository says now.
    ///
    /// # Errors
    /// [`Error::Folder`] if the note cannot be written.
    pub(in super::super) fn agree_to_terms(self) -> Result<(), Error> {
        let terms = self.terms();
        if terms.is_empty() {
            return Ok(());
        }
        let path = self.terms_path()?;
        let note = serde_json::to_string(&self.terms_note(terms)).unwrap_or_default();
        store::replace_text(&path, &note).map_err(|source| Error::Folder { path, source })
    }

    /// Returns true if a setting is one of the terms, and all others are agreed to: then a user who changes it in this clone
    /// agrees to it. What they had not agreed to before stays so.
    pub(in super::super) fn follows_from_change(self, key: &str) -> bool {
        settings(self.backend).contains(&key) && self.unagreed_terms().is_empty()
    }
}

/// The settings that say how a backend is used.
const fn settings(backend: BackendId) -> &'static [&'static str] {
    match backend {
        BackendId::Redis => &["coordination.redis.prefix", "coordination.redis.db", "bridge.channels"],
        BackendId::TaskQueue => &[],
    }
}
