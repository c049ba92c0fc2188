//! Reads the settings in force: those of the user, the clone, the repository, the environment and the caller.

use std::path::Path;

use super::commits::agreed_branch;
use super::{Error, environment};
use crate::adapters::git::Repository;
use crate::adapters::store;
use crate::core::config::{CONFIG_BYTES_MAX, Config, Layer, Origin, REPOSITORY_CONFIG};

/// Reads the settings of a worktree; `flags` win over all others.
///
/// # Errors
/// [`Error::Config`] for a flag that does not fit. A file that cannot be read is a finding of the configuration.
pub(super) fn read_config(
    root: &Path,
    repository: Option<&Repository>,
    flags: Vec<(String, String)>,
) -> Result<Config, Error> {
    let mut layers = Vec::new();
    if let Some(path) = environment::user_config() {
        let text = store::read_text(&path, CONFIG_BYTES_MAX).map_err(|error| error.to_string());
        layers.push((Origin::User, layer(&path.display().to_string(), text)));
    }
    if let Some(name) = repository.and_then(agreed_branch)
        && let Ok(layer) = Layer::from_text("commit.branch", &name)
    {
        layers.push((Origin::Clone, layer));
    }
    let text = store::read_text_in(root, REPOSITORY_CONFIG, CONFIG_BYTES_MAX).map_err(|error| causes(&error));
    layers.push((Origin::Repository, layer(REPOSITORY_CONFIG, text)));
    layers.push((Origin::Environment, Layer::from_environment(&environment::variable)));
    for (name, text) in flags {
        layers
            .push((Origin::Flag, Layer::from_text(&name, &text).map_err(|finding| Error::Config(Box::new(finding)))?));
    }
    Ok(Config::resolve(layers))
}

/// The values of a file. One that cannot be read is a finding: no command stops for it.
fn layer(name: &str, text: Result<Option<String>, String>) -> Layer {
    match text {
        Ok(Some(text)) => Layer::from_json(name, &text),
        Ok(None) => Layer::default(),
        Err(why) => Layer::unreadable(name, &why),
    }
}

/// The last cause of an error, which says what the system said.
fn causes(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    last.to_string()
}
