//! A repository on this machine that an address leads to: its git directory, and whether a push to it would start programs. Reads only.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use gix::config::{File, Source};

use crate::adapters::git::remote::address::real;

/// Most files that are passed through from one to the next.
const STEPS_MAX: usize = 5;
/// Largest configuration that is read.
const CONFIG_BYTES_MAX: u64 = 1 << 20;

/// Settings of a repository that start nothing when it is pushed to. Every other one may.
const PLAIN: [&str; 36] = [
    "core.repositoryformatversion",
    "core.filemode",
    "core.bare",
    "core.logallrefupdates",
    "core.ignorecase",
    "core.symlinks",
    "core.precomposeunicode",
    "core.sharedrepository",
    "core.compression",
    "core.fsync",
    "core.fsyncmethod",
    "core.autocrlf",
    "core.eol",
    "extensions.objectformat",
    "extensions.refstorage",
    "extensions.preciousobjects",
    "gc.auto",
    "http.receivepack",
    "maintenance.auto",
    "receive.autogc",
    "receive.denycurrentbranch",
    "receive.denynonfastforwards",
    "receive.denydeletes",
    "receive.denydeletecurrent",
    "receive.fsckobjects",
    "receive.unpacklimit",
    "receive.maxinputsize",
    "transfer.fsckobjects",
    "remote.url",
    "remote.fetch",
    "remote.mirror",
    "remote.tagopt",
    "branch.remote",
    "branch.merge",
    "user.name",
    "user.email",
];

/// The git directories, without links, that git may use for a path, and those that they share with others.
pub(in crate::adapters::git) fn git_dirs(path: &Path) -> Vec<PathBuf> {
    // `join("")` would end in a slash, which leads nowhere where the path is a file.
    let places = [path.to_owned(), path.join(".git")];
    let mut found: Vec<PathBuf> = places.iter().filter_map(|place| follow(place)).collect();
    let shared = found.iter().filter_map(|dir| {
        let text = fs::read_to_string(dir.join("commondir")).ok()?;
        Some(real(&dir.join(text.trim())))
    });
    let shared: Vec<PathBuf> = shared.collect();
    found.extend(shared);
    found
}

/// The folder that a path leads to, through links and through files that say `gitdir: PATH`; `None` if there is none.
pub(in crate::adapters::git) fn follow(path: &Path) -> Option<PathBuf> {
    let mut path = fs::canonicalize(path).ok()?;
    for _ in 0..STEPS_MAX {
        if path.is_dir() {
            return Some(path);
        }
        let text = fs::read_to_string(&path).ok()?;
        let next = text.strip_prefix("gitdir:")?.trim();
        path = fs::canonicalize(path.parent()?.join(next)).ok()?;
    }
    None
}

/// What would start a program when something is pushed to this git directory, if anything may.
pub(in crate::adapters::git) fn program(dir: &Path) -> Option<String> {
    if !dir.join("HEAD").exists() && !dir.join("commondir").exists() {
        return None;
    }
    let hooks = fs::read_dir(dir.join("hooks")).into_iter().flatten().flatten();
    let is_hook = |path: &Path| {
        let may_run = fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0);
        may_run && path.extension().is_none_or(|ending| ending != "sample")
    };
    let mut hooks: Vec<PathBuf> = hooks.map(|hook| hook.path()).filter(|path| is_hook(path)).collect();
    hooks.sort();
    if let Some(hook) = hooks.first().and_then(|hook| hook.file_name()) {
        return Some(format!("its hook `{}`", crate::core::name::visible(&hook.to_string_lossy())));
    }
    ["config", "config.worktree"].iter().find_map(|name| odd_setting(&dir.join(name)))
}

/// A setting of a file of configuration that is not known to start nothing.
fn odd_setting(file: &Path) -> Option<String> {
    let unreadable = || Some("its configuration cannot be read".to_owned());
    match fs::metadata(file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Ok(meta) if meta.is_file() && meta.len() <= CONFIG_BYTES_MAX => {}
        _ => return unreadable(),
    }
    let Ok(config) = File::from_path_no_includes(file.to_owned(), Source::Local) else { return unreadable() };
    for section in config.sections() {
        let name = section.header().name().to_string().to_ascii_lowercase();
        for key in section.value_names() {
            let key = format!("{name}.{}", key.to_ascii_lowercase());
            if !PLAIN.contains(&&*key) {
                return Some(format!("its setting `{}`", crate::core::name::visible(&key)));
            }
        }
    }
    None
}
