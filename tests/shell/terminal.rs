//! A program on a terminal of its own, by `script`: what it shows is collected, keys are typed when a text has appeared.

use std::io::{Read as _, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::path;
use crate::support::{Sandbox, has_program};

/// Longer than anything here takes on a busy machine.
const LONG: Duration = Duration::from_secs(60);
const NAP: Duration = Duration::from_millis(20);

/// Whether terminals can be made here, or why not.
pub(crate) fn can_make() -> Result<(), String> {
    let missing = ["script", "stty"].into_iter().find(|program| !has_program(program));
    missing.map_or(Ok(()), |program| Err(format!("`{program}` is missing")))
}

/// A terminal with a program on it.
pub(crate) struct Terminal {
    child: Child,
    keys: Option<ChildStdin>,
    shown: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    /// Runs a line of shell on a terminal of this many columns and rows. `NO_COLOR` is not set there.
    pub(crate) fn run(sandbox: &Sandbox, size: (u16, u16), variables: &[(&str, &str)], line: &str) -> Self {
        let line = format!("stty cols {} rows {} && {line}", size.0, size.1);
        let mut command: Command = sandbox.command("script");
        command.args(["-qfec", &line, "/dev/null"]).env("PATH", path()).env("TERM", "xterm").env("SHELL", "/bin/sh");
        command.env_remove("NO_COLOR").envs(variables.iter().copied());
        command.env_remove("GIT_AUTHOR_DATE").env_remove("GIT_COMMITTER_DATE");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (keys, mut out) = (child.stdin.take(), child.stdout.take().unwrap());
        let shown = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&shown);
        std::thread::spawn(move || {
            let mut some = [0; 4096];
            while let Ok(count @ 1..) = out.read(&mut some) {
                into.lock().unwrap().extend_from_slice(&some[..count]);
            }
        });
        Self { child, keys, shown }
    }

    /// Everything that was shown so far.
    pub(crate) fn shown(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().unwrap()).into_owned()
    }

    /// Waits until a text was shown.
    #[track_caller]
    pub(crate) fn wait_for(&self, text: &str) {
        let start = Instant::now();
        while !self.shown().contains(text) {
            assert!(start.elapsed() < LONG, "`{text}` was never shown:\n{}", self.shown());
            std::thread::sleep(NAP);
        }
    }

    /// Types keys.
    pub(crate) fn keys(&mut self, keys: &str) {
        let input = self.keys.as_mut().unwrap();
        input.write_all(keys.as_bytes()).unwrap();
        input.flush().unwrap();
    }

    /// Waits for the end; gives the exit code and everything shown, its line ends as `\n`.
    #[track_caller]
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                // The reader sees the last of it before the end of the stream.
                std::thread::sleep(NAP * 5);
                return (status.code(), self.shown().replace("\r\n", "\n"));
            }
            assert!(start.elapsed() < LONG, "it does not end:\n{}", self.shown());
            std::thread::sleep(NAP);
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // A test that failed leaves nothing behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
