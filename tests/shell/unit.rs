//! The unit for systemd: what it says is understood, and the watcher tells when it is ready.

use std::os::unix::net::UnixDatagram;
use std::process::Stdio;
use std::time::Duration;

use crate::support::{Run, Sandbox, could_not_run, has_program};

/// Longer than a start takes on a busy machine.
const LONG: Duration = Duration::from_secs(60);

#[test]
fn systemd_understands_the_unit() {
    const TEST: &str = "systemd_understands_the_unit";
    if !has_program("systemd-analyze") {
        return could_not_run(TEST, "`systemd-analyze` is missing");
    }
    for name in ["plain", "with blank and 50% \"quotes\" 'too'", "日本"] {
        let own = tempfile::tempdir().unwrap();
        let sandbox = Sandbox::below(&own.path().join(name));
        sandbox.make_repository();
        let unit = sandbox.mycelium(&["watch", "--print-unit"]).ok();
        sandbox.write("mycelium-test.service", &unit);
        let mut verify = sandbox.command("systemd-analyze");
        verify.args(["--user", "--man=no", "--recursive-errors=no", "verify", "./mycelium-test.service"]);
        let run = Run::of(verify.env("XDG_RUNTIME_DIR", own.path()));
        let about: Vec<&str> = run.stderr.lines().filter(|line| line.contains("mycelium")).collect();
        assert_eq!((run.code, about), (Some(0), vec![]), "{name}: {}\n{unit}", run.stderr);
    }
}

#[test]
fn the_watcher_tells_when_it_is_ready() {
    let sandbox = Sandbox::new();
    let own = tempfile::tempdir().unwrap();
    let socket = UnixDatagram::bind(own.path().join("notify")).unwrap();
    socket.set_read_timeout(Some(LONG)).unwrap();
    let mut command = sandbox.mycelium_command(&["watch"]);
    command.env("NOTIFY_SOCKET", own.path().join("notify")).stdout(Stdio::null()).stderr(Stdio::null());
    let mut watcher = command.spawn().unwrap();
    let mut bytes = [0; 100];
    let heard = socket.recv(&mut bytes);
    watcher.kill().unwrap();
    watcher.wait().unwrap();
    assert_eq!(std::str::from_utf8(&bytes[..heard.unwrap()]).unwrap().trim(), "READY=1");
}
