//! Starts a watching process apart from the terminal and waits until it watches. The process itself runs the ordinary loop.

use std::io::{self, BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitStatus, Stdio};

/// The line with which a detached process says, on stderr and as its last word there, that it watches.
pub const READY: &str = "ready";

/// How starting it apart ended.
#[derive(Debug)]
pub enum Detached {
    /// It watches.
    Watching {
        /// Its process id.
        pid: u32,
    },
    /// It ended before it watched.
    Ended {
        /// How.
        status: ExitStatus,
        /// What it said on stderr.
        said: String,
    },
}

/// Starts the command in a process group of its own, with no input and no output, and waits for [`READY`] on its stderr.
/// After that line the process must write nothing to stderr any more: nobody reads it.
///
/// # Errors
/// If it cannot be started or its words cannot be read.
pub fn detach(mut command: Command) -> io::Result<Detached> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn()?;
    let mut said = String::new();
    if let Some(stderr) = child.stderr.take() {
        for line in BufReader::new(stderr).lines() {
            let line = line?;
            if line == READY {
                return Ok(Detached::Watching { pid: child.id() });
            }
            said.push_str(&line);
            said.push('\n');
        }
    }
    Ok(Detached::Ended { status: child.wait()?, said })
}
