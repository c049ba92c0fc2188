//! A project for the tests of the configuration of each backend.

use std::path::Path;

use crate::adapters::store;
use crate::services::{Opening, Project};

/// A repository with this configuration, and a project with these flags.
pub(super) fn project(folder: &Path, config: &str, flags: &[(&str, &str)]) -> Project {
    let write = |path: &str, text: &str| store::replace_text_in(folder, path, text).expect("written");
    if !config.is_empty() {
        write(".mycelium/config.json", config);
    }
    write(".git/HEAD", "ref: refs/heads/main\n");
    write(".git/config", "[core]\n\trepositoryformatversion = 0\n\tbare = false\n");
    write(".git/objects/info/.keep", "");
    write(".git/refs/heads/.keep", "");
    let flags = flags.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect();
    Project::open(Opening { root: Some(folder.to_owned()), agent: None, flags }).expect("opened")
}
