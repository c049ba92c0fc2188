//! Settings that change while a process runs: a new look at the files they come from, and the project that follows from it.

use super::Project;
use crate::adapters::git::Target;
use crate::adapters::watch::{GitPlaces, Places};
use crate::core::config::{Config, REPOSITORY_CONFIG};
use crate::core::diagnostic::{Diagnostic, Severity};
use crate::services::bridge::changed_path;
use crate::services::configuration::read_config;
use crate::services::{Error, environment};

/// What a new look at the settings found.
#[derive(Debug)]
pub enum NewSettings {
    /// They are as they were.
    Same,
    /// They are others.
    Changed {
        /// The same place with the new settings.
        project: Box<Project>,
        /// The full keys of those that are others now.
        keys: Vec<&'static str>,
    },
    /// A file of settings cannot be used as it is; the first fault in it.
    Broken(Box<Diagnostic>),
}

impl Project {
    /// Looks whether the settings are others than those in force here. With broken ones nothing changes.
    ///
    /// # Errors
    /// [`Error`] if a file of settings cannot be read, or the place cannot be opened with the new ones.
    pub fn renewed(&self) -> Result<NewSettings, Error> {
        let now = read_config(&self.root, self.repository.as_ref(), self.flags.clone())?;
        if let Some(fault) = fault(&now) {
            return Ok(NewSettings::Broken(Box::new(fault)));
        }
        if changed(&self.config, &now).is_empty() {
            return Ok(NewSettings::Same);
        }
        let project = Self { progress: self.progress.clone(), ..Self::open(self.once_more())? };
        // They may have changed again since they were read.
        if let Some(fault) = fault(&project.config) {
            return Ok(NewSettings::Broken(Box::new(fault)));
        }
        let keys = changed(&self.config, &project.config);
        Ok(NewSettings::Changed { project: Box::new(project), keys })
    }

    /// What there is to watch here.
    #[must_use]
    pub fn places(&self) -> Places {
        let target = match self.target() {
            Target::Current => None,
            Target::Branch(name) if name.starts_with("refs/") => Some(name),
            Target::Branch(name) => Some(format!("refs/heads/{name}")),
        };
        let git = self.repository.as_ref().map(|repository| GitPlaces {
            git_dir: repository.git_dir().to_owned(),
            common_dir: repository.common_dir().to_owned(),
            target,
        });
        let own = environment::user_config().and_then(|path| std::path::absolute(path).ok());
        let settings = [Some(self.root.join(REPOSITORY_CONFIG)), own, changed_path()].into_iter().flatten().collect();
        Places { root: self.root.clone(), folder: self.folder().to_owned(), git, settings }
    }

    /// What to watch for changes of documents alone: the folder and, where it has a branch of its own, that branch.
    #[must_use]
    pub fn document_places(&self) -> Places {
        let all = self.places();
        let git = all.git.filter(|git| git.target.is_some());
        Places { git, settings: Vec::new(), ..all }
    }
}

/// The first thing for which a configuration cannot be used as it is meant. A key that is not known, or not heeded here, is
/// none.
fn fault(config: &Config) -> Option<Diagnostic> {
    config.findings.iter().find(|finding| finding.severity == Severity::Error).cloned()
}

/// The keys whose values differ.
fn changed(before: &Config, after: &Config) -> Vec<&'static str> {
    let pairs = before.settings().iter().zip(after.settings());
    pairs.filter(|(old, new)| old.value != new.value).map(|(old, _)| old.key.name).collect()
}
