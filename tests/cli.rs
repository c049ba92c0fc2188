//! Stories on the command line: every command, and every error with its whole text and exit code, as a user sees them.
//!
//! Each page of `tests/cli` is one sandbox. `[..]` stands for any text in a line, `? 4` for an exit code; both output
//! streams are shown together, standard output first only if the command prints it first. `TRYCMD=overwrite` rewrites the
//! pages with what the commands say now.
#![allow(clippy::disallowed_methods, reason = "tests touch files and start programs")]
#![allow(clippy::unwrap_used, reason = "a story that cannot be set up has failed")]

use std::fs;
use std::path::{Path, PathBuf};

/// The person whose repositories these are.
const USER: &str = "[user]\n\tname = Robin\n\temail = robin@example.org\n[init]\n\tdefaultBranch = main\n";
/// Programs that the stories use beside ours.
const PROGRAMS: [&str; 8] = ["cat", "env", "git", "ln", "ls", "mkdir", "rm", "sh"];

#[test]
fn stories() {
    let pages = Pages::new();
    let home = pages.place.path().join("home");
    fs::create_dir(&home).unwrap();
    fs::write(home.join("gitconfig"), USER).unwrap();
    let own = Path::new(env!("CARGO_BIN_EXE_mycelium")).parent().unwrap().to_owned();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(own).chain(std::env::split_paths(&path))).unwrap();
    let cases = trycmd::TestCases::new();
    for program in PROGRAMS {
        let found = std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file());
        cases.register_bin(program, found.unwrap_or_else(|| panic!("the stories need `{program}`")));
    }
    let scratch = home.join("tmp");
    fs::create_dir(&scratch).unwrap();
    let home = home.to_str().unwrap();
    cases.env("HOME", home).env("GIT_CONFIG_GLOBAL", format!("{home}/gitconfig")).env("GIT_CONFIG_NOSYSTEM", "1");
    cases.env("TMPDIR", scratch.to_str().unwrap());
    cases.env("PATH", path.to_str().unwrap()).env("TZ", "UTC").env("LC_ALL", "C.UTF-8");
    for name in ["MYCELIUM_AGENT", "MYCELIUM_ROOT", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "VISUAL", "EDITOR"] {
        cases.env(name, "");
    }
    for name in ["REDIS_URL", "REDIS_PASSWORD", "REDIS_DB"] {
        cases.env(name, "");
    }
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
        assert!(std::env::var_os(name).is_none_or(|_| name == "NO_COLOR"), "the stories need `{name}` unset");
    }
    cases.case(pages.place.path().join("*.md"));
    cases.run();
}

/// Copies of the pages, each with the empty folder beside it that makes trycmd use a sandbox.
struct Pages {
    place: tempfile::TempDir,
    originals: PathBuf,
}

impl Pages {
    fn new() -> Self {
        let originals = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli");
        let place = tempfile::tempdir().unwrap();
        let mut count = 0;
        for entry in fs::read_dir(&originals).unwrap() {
            let page = entry.unwrap().path();
            let copy = place.path().join(page.file_name().unwrap());
            fs::copy(&page, &copy).unwrap();
            fs::create_dir(copy.with_extension("out")).unwrap();
            count += 1;
        }
        assert!(count > 10, "only {count} stories");
        Self { place, originals }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        if std::env::var_os("TRYCMD").is_some_and(|mode| mode == "overwrite") {
            for entry in fs::read_dir(&self.originals).unwrap() {
                let page = entry.unwrap().path();
                fs::copy(self.place.path().join(page.file_name().unwrap()), page).unwrap();
            }
        }
    }
}
