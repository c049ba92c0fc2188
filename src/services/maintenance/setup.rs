//! Conveniences that nobody needs: a first configuration, the templates to change, one setting written. Overwrites nothing it was not asked to.

use std::path::{Path, PathBuf};

use super::Maintenance;
use crate::adapters::git::{Repository, Target};
use crate::adapters::store;
use crate::core::config::{self, CONFIG_BYTES_MAX, Origin, REPOSITORY_CONFIG};
use crate::core::diagnostic::Code;
use crate::core::name::Kind;
use crate::core::template::{self, Shape};
use crate::services::{Edits, Error, environment};

/// What a first configuration says: enough to see where to go on.
const FIRST_CONFIG: &str =
    "{\n  \"markdown\": {\n    \"shape\": \"lean\"\n  },\n  \"commit\": {\n    \"author\": \"agent\"\n  }\n}\n";

/// Settings after which work is looked for elsewhere.
const MOVES_WORK: [&str; 2] = ["markdown.folder", BRANCH];
/// The setting that names the dedicated branch.
const BRANCH: &str = "commit.branch";

/// What [`Maintenance::init`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InitReport {
    /// Files and folders that were made, below the work tree.
    pub wrote: Vec<PathBuf>,
    /// Those that were there already and were left as they are.
    pub kept: Vec<PathBuf>,
}

/// Which templates to write out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Templates {
    /// None: the built-in ones are used.
    BuiltIn,
    /// Those of a shape, to be changed.
    Own(Shape),
}

impl Maintenance<'_> {
    /// Makes the coordination folder and a first configuration, and templates if wanted.
    ///
    /// # Errors
    /// [`Error::Folder`] if one of them cannot be written.
    pub fn init(&self, templates: Templates) -> Result<InitReport, Error> {
        let mut report = InitReport::default();
        let folder = PathBuf::from(self.documents.folder());
        let made = self.documents.store.folder.make()?;
        if made { &mut report.wrote } else { &mut report.kept }.push(folder);
        self.write_new(&mut report, REPOSITORY_CONFIG.into(), FIRST_CONFIG)?;
        if let Templates::Own(shape) = templates {
            let base = Path::new(REPOSITORY_CONFIG).with_file_name("templates");
            for kind in Kind::ALL {
                self.write_new(&mut report, base.join(template::file_name(kind)), template::built_in(kind, shape))?;
            }
        }
        Ok(report)
    }

    fn write_new(&self, report: &mut InitReport, path: PathBuf, text: &str) -> Result<(), Error> {
        let wrote = store::write_new_in(self.root, &path.to_string_lossy(), text)?;
        if wrote { &mut report.wrote } else { &mut report.kept }.push(path);
        Ok(())
    }

    /// Writes one setting into the repository's configuration, or the user's own; gives the file that was written. What waits
    /// to be committed is committed before, if the setting moves the folder or the branch: afterwards nobody would look there.
    ///
    /// # Errors
    /// [`Error::Config`] if the file is not a JSON object; [`Error::Git`] for a dedicated branch that cannot be one;
    /// [`Error::Folder`] if it cannot be written; those of `Committer::commit_now`.
    pub fn set_config(&self, to: Origin, key: &str, value: &serde_json::Value) -> Result<PathBuf, Error> {
        let branch = (key == BRANCH).then(|| value.as_str().unwrap_or_default());
        if let (Some(repository), Some(name)) = (self.documents.repository, branch.filter(|name| !name.is_empty())) {
            self.check_branch_setting(repository, name)?;
        }
        if MOVES_WORK.contains(&key) && self.has_usable_branch() {
            // What cannot be committed now stays in the folder and in the journal. It must not keep a setting from being
            // corrected, since that setting may be why.
            let _ = self.commits.commit_now(Edits::None);
        }
        let path = self.write_config(to, key, value)?;
        if let (Some(""), Origin::Repository) = (branch, to) {
            self.commits.branch().forget_branch()?;
        }
        Ok(path)
    }

    /// Refuses a branch that is checked out somewhere: nothing could be committed to it. Where the branch that is set now is
    /// none either, any name that git allows is better than that.
    fn check_branch_setting(&self, repository: &Repository, name: &str) -> Result<(), Error> {
        match repository.references().check_branch_name(name) {
            Err(_) if !self.has_usable_branch() => {
                Ok(repository.view().head(&Target::Branch(name.to_owned())).map(drop)?)
            }
            checked => Ok(checked?),
        }
    }

    /// Returns false if the branch that is set now is not even a name that git allows.
    fn has_usable_branch(&self) -> bool {
        let is_named =
            self.documents.repository.is_none_or(|repository| repository.view().head(self.documents.target).is_ok());
        is_named && !self.config.findings.iter().any(|finding| finding.code == Code::BadConfigValue)
    }

    fn write_config(&self, to: Origin, key: &str, value: &serde_json::Value) -> Result<PathBuf, Error> {
        let put = |path: &Path, text: Option<String>| {
            let (name, text) = (path.display().to_string(), text.unwrap_or_default());
            config::put(&name, &text, key, value).map_err(|finding| Error::Config(Box::new(finding)))
        };
        if to != Origin::User {
            let path = self.root.join(REPOSITORY_CONFIG);
            let text = put(&path, store::read_text_in(self.root, REPOSITORY_CONFIG, CONFIG_BYTES_MAX)?)?;
            store::replace_text_in(self.root, REPOSITORY_CONFIG, &text)?;
            self.bridge.agree_to_change(key);
            return Ok(path);
        }
        let path = environment::user_config().ok_or(Error::NoHome)?;
        let fault = |source| Error::Folder { path: path.clone(), source };
        let text = put(&path, store::read_text(&path, CONFIG_BYTES_MAX).map_err(fault)?)?;
        let holds_password = config::Layer::from_json("", &text).holds_password();
        store::replace_own_text(&path, &text, holds_password).map_err(fault)?;
        Ok(path)
    }
}
