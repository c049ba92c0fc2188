//! Do the tests of watching bite? Each runs again with the program broken on purpose, and must fail.

use std::process::Command;

use crate::support::{SABOTAGE, could_not_run};

/// Runs one test of this program under a break: it must run, and fail.
fn must_fail(sabotage: &str, test: &str) {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", test]).env(SABOTAGE, sabotage).env("RUST_BACKTRACE", "0");
    let output = command.output().expect("this program runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    if let Some(why) = errors.lines().find_map(|line| line.strip_prefix("could not run: ")) {
        return could_not_run(&format!("bite, {sabotage}"), why);
    }
    assert!(said.contains("running 1 test\n"), "there is no test `{test}`: {said}");
    assert!(said.contains("test result: FAILED. 0 passed; 1 failed"), "`{test}` does not notice `{sabotage}`: {said}");
}

#[test]
fn a_folder_that_is_not_watched_again_is_noticed() {
    must_fail("no-rearm", "folders::a_folder_removed_and_made_again_is_watched_again");
}

#[test]
fn a_way_of_saving_that_is_missed_is_noticed() {
    must_fail("deaf-to-renames", "editors::every_way_of_saving_is_seen");
}

#[test]
fn a_wake_up_for_nothing_is_noticed() {
    must_fail("ring-for-reading", "folders::nobody_is_woken_for_nothing");
}

#[test]
fn a_branch_that_moves_unseen_is_noticed() {
    must_fail("ignore-branch", "repository::every_move_of_the_branch_rings");
}

#[test]
fn a_limit_that_is_not_told_is_noticed() {
    must_fail("hide-limit", "limits::the_limit_of_watches_is_told_with_its_cure");
}

#[test]
fn settings_that_change_unseen_are_noticed() {
    must_fail("deaf-to-settings", "settings::settings_ring_wherever_they_come_from");
}
