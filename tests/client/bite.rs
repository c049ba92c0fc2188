//! Do the tests of the library bite? Each runs again with the program broken on purpose, and must fail.

use std::process::Command;

use crate::support::SABOTAGE;

/// Runs one test of this program under a break: it must run, and fail.
fn must_fail(sabotage: &str, test: &str) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test]).env(SABOTAGE, sabotage).env("RUST_BACKTRACE", "0");
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("running 1 test\n"), "there is no test `{test}`: {said}");
    assert!(said.contains("test result: FAILED. 0 passed; 1 failed"), "`{test}` does not notice `{sabotage}`: {said}");
}

#[test]
fn a_stale_answer_is_noticed() {
    must_fail("trust-memory", "reads::a_write_is_seen_at_once_whoever_made_it");
}

#[test]
fn a_withdrawn_operation_that_is_done_is_noticed() {
    must_fail("ignore-withdrawal", "methods::a_timed_out_operation_is_done_wholly_or_not_at_all");
}
