//! The rules of the house, applied to the house: who may use whom, how long things are, what every file says.
#![allow(clippy::disallowed_methods, reason = "reads the project's own files and asks cargo for the dependencies")]
#![allow(clippy::unwrap_used, reason = "a test that cannot read its own project has failed")]

#[path = "support/ratchet.rs"]
mod ratchet;
mod rules;

use std::path::Path;
use std::process::Command;

use rules::{Tree, layers, licence, papers, sabotage, shape, types, vocabulary};

fn house() -> Tree {
    Tree::read(Path::new(env!("CARGO_MANIFEST_DIR")))
}

fn keeps(rule: fn(&Tree) -> Vec<String>) {
    let faults = rule(&house());
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn the_house_is_seen() {
    let house = house();
    assert!(house.has("src/lib.rs") && house.has("tests/tidy.rs") && !house.has("target"));
}

#[test]
fn modules_use_only_lower_ranks() {
    keeps(layers::ranks);
}

#[test]
fn lib_names_the_modules_in_the_order_of_their_ranks() {
    keeps(layers::reading_order);
    keeps(layers::floors);
}

#[test]
fn the_page_on_architecture_names_every_module() {
    keeps(layers::page);
}

#[test]
fn foreign_crates_and_the_world_stay_with_their_owners() {
    keeps(layers::owners);
}

#[test]
fn no_arrow_between_services_goes_up() {
    keeps(layers::services);
}

#[test]
fn documents_are_written_in_one_place() {
    keeps(layers::one_writer);
}

#[test]
fn dependencies_have_owners_and_users() {
    keeps(layers::dependencies);
}

#[test]
fn files_are_short() {
    keeps(shape::file_length);
}

#[test]
fn functions_are_short() {
    keeps(shape::function_length);
}

#[test]
fn files_say_what_they_are() {
    keeps(shape::headline);
}

#[test]
fn no_test_is_switched_off() {
    keeps(shape::ignored);
}

#[test]
fn types_have_few_methods() {
    keeps(types::methods);
}

#[test]
fn methods_stand_with_their_type() {
    keeps(types::homes);
}

#[test]
fn public_types_have_names_of_their_own() {
    keeps(types::unique_names);
}

#[test]
fn words_are_those_of_the_glossary() {
    keeps(vocabulary::avoided_words);
}

#[test]
fn files_have_names_that_are_searched_for() {
    keeps(vocabulary::old_files);
}

#[test]
fn links_lead_somewhere() {
    keeps(papers::links);
}

#[test]
fn sabotages_are_listed_with_their_tests() {
    keeps(sabotage::listed);
}

#[test]
fn broken_fixtures_say_what_is_wrong() {
    keeps(papers::expectations);
}

#[test]
fn nothing_else_lies_at_the_top() {
    keeps(papers::top_level);
}

#[test]
fn no_file_knows_one_machine() {
    keeps(papers::machine_paths);
}

#[test]
fn dependencies_are_under_permissive_licences() {
    let allowed = licence::allowed(&house());
    let packages = packages();
    let faults: Vec<String> = packages
        .iter()
        .filter(|(_, expression)| !licence::permits(&allowed, expression))
        .map(|(name, expression)| format!("`{name}` is under `{expression}`"))
        .collect();
    assert!(packages.len() > 50, "only {} packages were seen", packages.len());
    assert!(faults.is_empty(), "deny.toml does not allow:\n{}", faults.join("\n"));
}

/// Name and licence of every package in the build for this machine.
fn packages() -> Vec<(String, String)> {
    let triple = cargo(&["-vV"]).lines().find_map(|line| line.strip_prefix("host: ").map(str::to_owned)).unwrap();
    let metadata = cargo(&["metadata", "--format-version=1", "--offline", "--locked", "--filter-platform", &triple]);
    let metadata: serde_json::Value = serde_json::from_str(&metadata).unwrap();
    let text = |package: &serde_json::Value, key: &str| package[key].as_str().unwrap_or_default().to_owned();
    metadata["packages"].as_array().unwrap().iter().map(|p| (text(p, "name"), text(p, "license"))).collect()
}

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO")).current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments).output().unwrap();
    assert!(output.status.success(), "cargo {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
