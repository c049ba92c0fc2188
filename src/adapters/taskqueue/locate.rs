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

/// What was found of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FoundProgram {
    /// It is installed there.
    Installed(PathBuf),
    /// The work tree alone has one, which may have come with the repository.
    OfRepository(PathBuf),
    /// There is none.
    Missing,
}

/// Returns the program if it is installed: on `PATH`, beside `node`, in `node_modules/.bin` of the folder and those above it, or in
/// the cache of npx. One inside `work_tree` counts only if there is no other. Starts nothing.
#[must_use]
pub fn locate(places: &SearchPlaces, work_tree: &Path) -> FoundProgram {
    let on_path = || std::env::split_paths(&places.path).filter(|folder| folder.is_absolute());
    let beside_node = || {
        let node = on_path().map(|folder| folder.join("node")).find(|node| is_program(node))?;
        Some(node.canonicalize().ok()?.parent()?.join(NAME))
    };
    let in_modules = || places.folder.ancestors().map(|folder| folder.join("node_modules/.bin").join(NAME));
    let cached = || Some(places.npm_cache.as_ref()?.join("_npx").join(NPX_FOLDER).join("node_modules/.bin").join(NAME));
    let all = on_path().map(|folder| folder.join(NAME)).chain(beside_node()).chain(in_modules()).chain(cached());
    let mut of_repository = None;
    for program in all.filter(|program| is_program(program)) {
        if !is_inside(&program, work_tree) {
            return FoundProgram::Installed(program);
        }
        of_repository.get_or_insert(program);
    }
    of_repository.map_or(FoundProgram::Missing, FoundProgram::OfRepository)
}

/// Returns a program of this name on `PATH`, but for those inside the work tree.
#[must_use]
pub fn on_path(name: &OsStr, path: &OsStr, work_tree: &Path) -> Option<PathBuf> {
    let all = std::env::split_paths(path).filter(|folder| folder.is_absolute()).map(|folder| folder.join(name));
    all.into_iter().find(|program| is_program(program) && !is_inside(program, work_tree))
}

/// Returns whether a program lies inside a folder, also by a link: one that a repository brings along is no choice of its user.
#[must_use]
pub fn is_inside(program: &Path, folder: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    program.starts_with(folder) || real(program).starts_with(real(folder))
}

/// Returns whether a file can be started.
#[must_use]
pub fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// Whether these words start a server by `npx`, which must not wait for a network.
#[must_use]
pub fn is_npx(words: &[OsString]) -> bool {
    words.first().and_then(|word| Path::new(word).file_name()) == Some(OsStr::new("npx"))
}
