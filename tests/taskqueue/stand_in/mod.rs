//! A stand-in for the `TaskQueue` MCP server (taskqueue-mcp 1.4.1), which no package registry has: a program of its own that speaks
//! over stdio and keeps one JSON file, as the real one was seen to do, with faults on demand. `real.rs` compares the two.
//!
//! It is a script that runs this program of tests again with the test `stand_in_process`; what libtest prints goes nowhere, the protocol
//! goes through descriptor 3.

mod faults;
mod file;
mod protocol;
mod tools;

use crate::support::script::write_script;
use std::fs::OpenOptions;
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};

pub(crate) use faults::{Faults, Fork, Point, When};

/// What the script of a stand-in says of its faults.
const FAULTS: &str = "MYCELIUM_STAND_IN_FAULTS";

/// Writes a program `name` into a folder that behaves like the server, with these faults.
pub(crate) fn install(folder: &Path, name: &str, faults: &Faults) -> PathBuf {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
    let tests = std::env::current_exe().expect("this program");
    let faults = serde_json::to_string(faults).expect("JSON");
    let script = format!(
        "exec 3>&1 >/dev/null\n{FAULTS}={} exec {} stand_in_process --exact --ignored --nocapture",
        quoted(&faults),
        quoted(&tests.display().to_string()),
    );
    let program = folder.join(name);
    write_script(&program, &script);
    program
}

/// Serves, where the script of a stand-in started this program; else does nothing.
pub(crate) fn serve() {
    let Ok(faults) = std::env::var(FAULTS) else { return };
    let faults: Faults = serde_json::from_str(&faults).expect("faults");
    // Everything that libtest would print at the end of a test is left out by ending here.
    std::process::exit(run(faults));
}

/// Answers line by line until its input ends.
fn run(faults: Faults) -> i32 {
    if faults.exits_at_once {
        return 1;
    }
    let mut answers = OpenOptions::new().write(true).open("/dev/fd/3").expect("the output of the script");
    let mut server = protocol::Server::start(faults);
    for line in std::io::stdin().lock().split(b'\n') {
        let Ok(line) = line else { break };
        let Some(answer) = server.answer(&line) else { continue };
        if answers.write_all(answer.as_bytes()).and_then(|()| answers.flush()).is_err() {
            return 0;
        }
    }
    0
}
