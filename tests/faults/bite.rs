//! Do the tests bite? Each runs again with the program broken on purpose, and must fail.

use std::process::Command;

use crate::alone;
use crate::support::disk::{DISK_BYTES, Disk};
use crate::support::{SABOTAGE, can_trace, could_not_run};

/// Runs one test of this program under a sabotage: it must run, and fail.
fn must_fail(sabotage: &str, test: &str) {
    let _alone = alone();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test]).env(SABOTAGE, sabotage).env("MYCELIUM_KILLS", "200").env("RUST_BACKTRACE", "0");
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
        Ok(()) => must_fail("no-recover", "points::a_kill_at_any_call_of_an_update_is_recovered"),
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
