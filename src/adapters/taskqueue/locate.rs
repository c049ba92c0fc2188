//! Where the program of a server lies, by looks at files alone: asking `npx` or `npm` takes over a minute without a network, and
//! finding something must start nothing.

use std::ffi::{OsStr, OsString};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The name of the program.
const NAME: &str = "taskqueue-mcp";

/// The folder of the npx cache for this package: the first 16 hexadecimal digits of the SHA-512 of its name.
const NPX_FOLDER: &str = "150dfbccf1e61d4d";

/// Where it is looked for.
#[derive(Debug, Clone, Default)]
pub struct SearchPlaces {
    /// The value of `PATH`.
    pub path: OsString,
    /// The folder that npm caches in: `npm_config_cache`, else `~/.npm`.
    pub npm_cache: Option<PathBuf>,
    /// A program in `node_modules` of this folder or one above it.
    pub folder: PathBuf,
}

/// Returns the program if it is installed: on `PATH`, beside `node`, in `node_modules/.bin` of the folder and those above it, or in
/// the cache of npx. Starts nothing.
#[must_use]
pub fn locate(places: &SearchPlaces) -> Option<PathBuf> {
    let on_path = || std::env::split_paths(&places.path).filter(|folder| folder.is_absolute());
    let beside_node = || {
        let node = on_path().map(|folder| folder.join("node")).find(|node| is_program(node))?;
        Some(node.canonicalize().ok()?.parent()?.join(NAME))
    };
    let in_modules = || places.folder.ancestors().map(|folder| folder.join("node_modules/.bin").join(NAME));
    let cached = || Some(places.npm_cache.as_ref()?.join("_npx").join(NPX_FOLDER).join("node_modules/.bin").join(NAME));
    on_path()
        .map(|folder| folder.join(NAME))
        .chain(beside_node())
        .chain(in_modules())
        .chain(cached())
        .find(|program| is_program(program))
}

/// Returns whether a program lies inside a folder, also by a link: one that a repository brings along is no choice of its user.
#[must_use]
pub fn is_inside(program: &Path, folder: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    program.starts_with(folder) || real(program).starts_with(real(folder))
}

fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// Whether these words start a server by `npx`, which must not wait for a network.
#[must_use]
pub fn is_npx(words: &[OsString]) -> bool {
    words.first().and_then(|word| Path::new(word).file_name()) == Some(OsStr::new("npx"))
}
