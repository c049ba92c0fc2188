//! A program is found by looks at files alone.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use crate::support::script::write_script;
use mycelium::taskqueue::{FoundProgram, SearchPlaces, is_inside, is_npx};

/// What is found outside of a work tree.
fn locate(places: &SearchPlaces) -> Option<PathBuf> {
    match mycelium::taskqueue::locate(places, Path::new("/nowhere")) {
        FoundProgram::Installed(program) => Some(program),
        FoundProgram::OfRepository(_) | FoundProgram::Missing => None,
    }
}

/// A program that leaves a mark where it is started.
fn plant(path: &Path) -> PathBuf {
    write_script(path, &format!("touch '{}.started'", path.display()));
    path.to_owned()
}

#[test]
fn it_is_looked_for_from_the_nearest_choice_of_the_user_to_the_cache() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let places = SearchPlaces {
        path: std::env::join_paths([at("bin"), at("node/bin")]).expect("a path"),
        npm_cache: Some(at("npm")),
        folder: at("repo/a/b"),
    };
    fs::create_dir_all(&places.folder).expect("a folder");
    assert_eq!(locate(&places), None);
    let cached = plant(&at("npm/_npx/150dfbccf1e61d4d/node_modules/.bin/taskqueue-mcp"));
    assert_eq!(locate(&places), Some(cached));
    let module = plant(&at("repo/node_modules/.bin/taskqueue-mcp"));
    assert_eq!(locate(&places), Some(module.clone()));
    plant(&at("nodejs/bin/node"));
    fs::create_dir_all(at("node/bin")).expect("a folder");
    symlink(at("nodejs/bin/node"), at("node/bin/node")).expect("a link");
    let beside = plant(&at("nodejs/bin/taskqueue-mcp"));
    assert_eq!(
        locate(&places).map(|found| found.canonicalize().expect("it is there")),
        Some(beside.canonicalize().expect("it is there"))
    );
    let on_path = plant(&at("bin/taskqueue-mcp"));
    assert_eq!(locate(&places), Some(on_path.clone()));
    // A file that cannot be run is none, nor is one that a relative entry of PATH would find.
    fs::set_permissions(&on_path, fs::Permissions::from_mode(0o644)).expect("a file");
    assert_ne!(locate(&places), Some(on_path));
    assert_eq!(locate(&SearchPlaces { path: OsString::from("bin"), ..SearchPlaces::default() }), None);
    assert!(!module.with_extension("started").exists(), "finding starts nothing");
}

#[test]
fn a_program_of_the_repository_is_seen_through_links() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = plant(&folder.path().join("repo/tools/run"));
    let link = folder.path().join("bin");
    symlink(&program, &link).expect("a link");
    let repository = folder.path().join("repo");
    assert!(is_inside(&program, &repository) && is_inside(&link, &repository));
    assert!(!is_inside(&plant(&folder.path().join("repository")), &repository));
    assert!(is_npx(&["/usr/bin/npx".into(), "-y".into()]) && !is_npx(&["node".into(), "npx".into()]) && !is_npx(&[]));
}

#[test]
fn a_program_of_the_work_tree_counts_only_if_there_is_no_other_and_is_said_to_be_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let places = SearchPlaces {
        path: std::env::join_paths([at("repo/bin"), at("bin")]).expect("a path"),
        npm_cache: None,
        folder: at("repo"),
    };
    let find = || mycelium::taskqueue::locate(&places, &at("repo"));
    let planted = plant(&at("repo/node_modules/.bin/taskqueue-mcp"));
    assert_eq!(find(), FoundProgram::OfRepository(planted));
    let on_path = plant(&at("repo/bin/taskqueue-mcp"));
    assert_eq!(find(), FoundProgram::OfRepository(on_path));
    let own = plant(&at("bin/taskqueue-mcp"));
    assert_eq!(find(), FoundProgram::Installed(own));
}
