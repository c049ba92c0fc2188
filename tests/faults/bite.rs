//! Do the tests bite? Each runs again with the program broken on purpose, and must fail.

use std::process::Command;

use crate::alone;
use crate::support::disk::{DISK_BYTES, Disk};
use crate::support::{SABOTAGE, can_trace, could_not_run};

/// Runs one test of this program under a sabotage: it must run, and fail.
fn must_fail(sabotage: &str, test: &str) {
    must_fail_with(sabotage, test, "2");
}

/// The same with so many points a row, or `all`: a break that shows at one call alone must meet that call.
fn must_fail_with(sabotage: &str, test: &str, points: &str) {
    let _alone = alone();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test]).env(SABOTAGE, sabotage).env("MYCELIUM_KILLS", "200").env("RUST_BACKTRACE", "0");
    command.env("MYCELIUM_FAULTS", points).env_remove("MYCELIUM_FAULTS_TABLE");
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("running 1 test\n"), "there is no test `{test}`: {said}");
    assert!(said.contains("test result: FAILED. 0 passed; 1 failed"), "`{test}` does not notice `{sabotage}`: {said}");
}

#[test]
fn a_missing_sync_is_noticed() {
    match Disk::new("ext4", DISK_BYTES) {
        Ok(_) => must_fail("no-fsync", "power::a_power_cut_on_ext4_loses_nothing"),
        Err(why) => could_not_run("a_missing_sync_is_noticed", &why),
    }
}

#[test]
fn a_missing_comparison_is_noticed() {
    must_fail("no-compare", "crowd::eight_writers_change_eight_fields_of_one_task");
}

#[test]
fn a_missing_recovery_is_noticed() {
    match can_trace() {
        Ok(()) => must_fail_with("no-recover", "points::a_kill_at_any_call_of_an_update_is_recovered", "all"),
        Err(why) => could_not_run("a_missing_recovery_is_noticed", &why),
    }
}

#[test]
fn writing_in_place_is_noticed() {
    must_fail("in-place", "kill::nothing_acknowledged_is_lost_to_kills");
}

#[test]
fn a_stale_cache_of_trees_is_noticed() {
    must_fail("keep-cache-tree", "guest::a_users_work_stays_as_it_is");
}

#[test]
fn a_hidden_edit_is_noticed() {
    must_fail("no-smudge", "guest::a_users_work_stays_as_it_is");
}

/// Needs a disk whose power can be cut.
fn must_fail_on_a_disk(sabotage: &str, test: &str, points: &str, itself: &str) {
    match crate::lab::disk("ext4") {
        Ok(_) => must_fail_with(sabotage, test, points),
        Err(why) => could_not_run(itself, &why),
    }
}

#[test]
fn unsynced_files_are_noticed() {
    let test = "points::a_kill_and_a_power_cut_on_ext4_are_recovered";
    must_fail_on_a_disk("no-sync-files", test, "2", "unsynced_files_are_noticed");
}

#[test]
fn unsynced_folders_are_noticed() {
    let test = "points::a_kill_and_a_power_cut_on_ext4_are_recovered";
    must_fail_on_a_disk("no-sync-folders", test, "2", "unsynced_folders_are_noticed");
}

#[test]
fn an_answer_before_the_journal_is_synced_is_noticed() {
    let test = "errors::a_failed_sync_is_never_called_done_on_ext4";
    must_fail_on_a_disk("early-answer", test, "all", "an_answer_before_the_journal_is_synced_is_noticed");
}

#[test]
fn an_answer_that_does_not_ask_the_last_sync_is_noticed() {
    let test = "errors::a_failed_sync_is_never_called_done_on_ext4";
    must_fail_on_a_disk("late-sync", test, "all", "an_answer_that_does_not_ask_the_last_sync_is_noticed");
}

#[test]
fn a_write_that_ignores_a_full_disk_is_noticed() {
    match can_trace() {
        Ok(()) => must_fail_with("ignore-full", "errors::a_write_that_finds_no_room_is_told", "all"),
        Err(why) => could_not_run("a_write_that_ignores_a_full_disk_is_noticed", &why),
    }
}

#[test]
fn an_unswept_place_is_noticed() {
    match can_trace() {
        Ok(()) => must_fail("no-sweep", "points::a_kill_at_any_call_of_an_update_is_recovered"),
        Err(why) => could_not_run("an_unswept_place_is_noticed", &why),
    }
}

#[test]
fn a_journal_that_is_not_minded_is_noticed() {
    match can_trace() {
        Ok(()) => must_fail_with("ignore-journal", "points::a_kill_at_any_call_of_a_recovery_is_recovered", "all"),
        Err(why) => could_not_run("a_journal_that_is_not_minded_is_noticed", &why),
    }
}
