//! What happens when the kernel refuses to watch. Each case runs this very program again under small limits.

use std::process::Command;

use crate::site::Site;
use crate::support::could_not_run;

/// Runs one of the `inside_` tests below in a user namespace with a limit of its own.
fn under_limit(limit: &str, test: &str) {
    let program = std::env::current_exe().unwrap();
    let script = format!(
        "echo {limit} > /proc/sys/user/{} && exec \"$@\"",
        if test.contains("watches") { "max_inotify_watches" } else { "max_inotify_instances" }
    );
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "sh", "-c", &script, "sh"]).arg(program);
    let output = command.args(["--exact", "--ignored", "--nocapture", test]).output();
    let why = match &output {
        Ok(output) if output.status.success() => {
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(said.contains("1 passed"), "the test inside was not found: {said}");
            return;
        }
        Ok(output) if String::from_utf8_lossy(&output.stderr).contains("unshare") => {
            String::from_utf8_lossy(&output.stderr).into_owned()
        }
        Ok(output) if String::from_utf8_lossy(&output.stderr).contains("/proc/sys/user") => {
            String::from_utf8_lossy(&output.stderr).into_owned()
        }
        Ok(output) => panic!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)),
        Err(error) => error.to_string(),
    };
    could_not_run(test, why.trim());
}

#[test]
fn the_limit_of_watches_is_told_with_its_cure() {
    under_limit("3", "limits::inside_watches");
}

#[test]
fn the_limit_of_instances_is_told_with_its_cure() {
    under_limit("0", "limits::inside_instances");
}

#[test]
#[ignore = "run by `the_limit_of_watches_is_told_with_its_cure`"]
fn inside_watches() {
    let mut site = Site::plain();
    site.watcher.arm().expect("three directories fit");
    std::fs::create_dir_all(site.folder.join("archive/2025-10")).unwrap();
    let gap = site.watcher.arm().expect_err("a fourth does not");
    assert_eq!(gap.to_string(), "the limit of watched directories is reached");
    assert!(gap.hint().unwrap().contains("fs.inotify.max_user_watches"));
    // What is watched goes on ringing; the rest is found by comparing from time to time.
    site.write("task-1.md", "x");
    site.is_complete("in the watched part");
    // It heals by itself when there is room.
    std::fs::remove_dir_all(site.folder.join("archive")).unwrap();
    site.watcher.arm().expect("three fit again");
}

#[test]
#[ignore = "run by `the_limit_of_instances_is_told_with_its_cure`"]
fn inside_instances() {
    let mut site = Site::plain();
    let gap = site.watcher.arm().expect_err("not even one");
    assert_eq!(gap.to_string(), "the limit of programs that watch files is reached");
    assert!(gap.hint().unwrap().contains("fs.inotify.max_user_instances"));
}
