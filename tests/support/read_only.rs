//! A mount namespace in which git directories of a repository cannot be written, as in the sandboxes of coding agents.
#![allow(dead_code, reason = "each test file uses its part")]

use std::process::Command;

use super::Sandbox;

/// Our program in such a place.
pub(crate) fn inside(sandbox: &Sandbox, arguments: &[&str]) -> Command {
    let git = sandbox.git(&["rev-parse", "--path-format=absolute", "--git-common-dir"]);
    let mut command = sandbox.command("unshare");
    let script = format!("mount --bind '{git}' '{git}' && mount -o remount,ro,bind '{git}' && exec \"$@\"");
    command.args(["--mount", "sh", "-c", &script, "sh", env!("CARGO_BIN_EXE_mycelium")]).args(arguments);
    command.env_remove("GIT_AUTHOR_DATE").env_remove("GIT_COMMITTER_DATE");
    command
}

/// Whether this machine can make such a place; says so if not.
pub(crate) fn can_run(name: &str) -> bool {
    let mut probe = Command::new("unshare");
    probe.args(["--mount", "sh", "-c", "mount --bind /tmp /tmp && mount -o remount,ro,bind /tmp"]);
    let can = probe.output().is_ok_and(|output| output.status.success());
    if !can {
        super::could_not_run(name, "no mount namespace can be made here (needs root)");
    }
    can
}
