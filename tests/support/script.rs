//! Programs of a few lines, written so that they can be started at once.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// Writes a shell script that can be started. Another process writes it: as long as this one had it open, a process that another
/// thread starts in that moment would have it open as well, and the system starts no program that is open for writing
/// ("Text file busy").
pub(crate) fn write_script(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", "cat > \"$1\" && chmod 755 \"$1\"", "sh"]).arg(path).stdin(Stdio::piped());
    let mut shell = shell.spawn().expect("a shell");
    let script = format!("#!/bin/sh\n{text}\n");
    shell.stdin.take().expect("a pipe").write_all(script.as_bytes()).expect("a script");
    assert!(shell.wait().expect("a shell").success(), "{} cannot be written", path.display());
}
