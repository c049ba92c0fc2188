//! The targets without a fuzzer: every fixture and every input that once broke something, on any toolchain.
#![allow(clippy::disallowed_methods, reason = "inputs are files")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::{TARGETS, run};
use crate::core::document::Document;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("an entry").path();
        if path.is_dir() { all.extend(files(&path)) } else { all.push(path) }
    }
    all
}

/// Runs a target on every file and on its beginnings, so that every part may be missing.
fn replay(target: &str, files: &[PathBuf]) {
    assert!(!files.is_empty(), "nothing to replay for {target}");
    for file in files {
        let bytes = fs::read(file).expect("an input");
        let told = std::panic::catch_unwind(|| {
            run(target, &bytes);
            for end in [bytes.len() / 4, bytes.len() / 2, bytes.len().saturating_sub(1)] {
                run(target, &bytes[..end]);
            }
        });
        assert!(told.is_ok(), "{target}: {}", file.display());
    }
}

#[test]
fn every_target_takes_every_fixture() {
    let fixtures = files(&root().join("fixtures"));
    for (target, _) in TARGETS {
        replay(target, &fixtures);
    }
}

#[test]
fn what_once_broke_a_target_does_not_any_more() {
    for (target, _) in TARGETS {
        replay(target, &files(&root().join("fuzz/regressions").join(target)));
    }
}

#[test]
fn every_target_is_given_to_the_fuzzer() {
    let named: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let stem = |path: PathBuf| path.file_stem().expect("a name").to_string_lossy().into_owned();
    let given: BTreeSet<String> = files(&root().join("fuzz/fuzz_targets")).into_iter().map(stem).collect();
    assert_eq!(given, named);
    let manifest = fs::read_to_string(root().join("fuzz/Cargo.toml")).expect("a manifest");
    for name in &named {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "fuzz/Cargo.toml does not name `{name}`");
        let text = fs::read_to_string(root().join(format!("fuzz/fuzz_targets/{name}.rs"))).expect("a target");
        assert!(text.contains(&format!("run(\"{name}\", ")), "{name}.rs runs something else");
    }
}

#[test]
fn the_fuzzers_lock_file_has_every_dependency() {
    let text = |name: &str| fs::read_to_string(root().join(name)).expect("a file of the project");
    let of_ours = |lock: &str| -> BTreeSet<String> {
        let ours =
            lock.split("[[package]]").find(|package| package.contains("name = \"mycelium\"\n")).expect("a package");
        let names = ours.lines().filter_map(|line| line.trim().strip_prefix('"')?.split(['"', ' ']).next());
        names.map(str::to_owned).collect()
    };
    let manifest = text("Cargo.toml");
    let (for_all, for_tests) = manifest.split_once("[dev-dependencies]").expect("a table");
    let is_in = |table: &str, name: &str| table.contains(&format!("\n{name} = "));
    let mut wanted = of_ours(&text("Cargo.lock"));
    wanted.retain(|name| is_in(for_all, name) || !is_in(for_tests, name));
    assert_eq!(of_ours(&text("fuzz/Cargo.lock")), wanted, "run `cargo +nightly update --workspace` in fuzz/");
}

#[test]
fn an_edit_that_changes_something_else_is_noticed() {
    let file = |text: &str| Document::parse(text.as_bytes());
    let before = file("---\na: 1\nb: 2\n---\n\n## Notes\n\n- x\n\n## Other\n");
    for after in
        ["---\na: 1\nb: 3\n---\n\n## Notes\n\n- x\n\n## Other\n", "---\na: 1\n b: 2\n---\n", "---\na: 1\n---\n"]
    {
        let noticed = std::panic::catch_unwind(|| super::edit::only_the_entry_changed(&before, &file(after), "a"));
        assert!(noticed.is_err(), "{after:?}");
    }
    for after in ["---\na: 2\nb: 2\n---\n\n## Notes\n\n## Other\n", "---\na: 1\nb: 2\n---\n\n## Notes\n\n## Others\n"] {
        let noticed =
            std::panic::catch_unwind(|| super::edit::only_the_section_changed(&before, &file(after), "Notes"));
        assert!(noticed.is_err(), "{after:?}");
    }
    super::edit::only_the_entry_changed(&before, &before, "a");
    super::edit::only_the_section_changed(&before, &before, "Notes");
}
