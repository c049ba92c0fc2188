//! The systemd user unit that keeps a watcher running. A text made of two paths; nothing is installed here.

use std::path::Path;

use crate::api::view::ErrorReport;
use crate::core::name::{is_unsafe_to_show, visible};
use crate::core::problem::ErrorClass;

/// The unit for this program in this work tree.
///
/// What is locked down is what neither git nor signing needs: the agents of gpg and ssh are reached over sockets in the
/// user's runtime folder and read the user's home, so those stay open.
pub(crate) fn unit(program: &Path, root: &Path) -> Result<String, ErrorReport> {
    let (program, root) = (checked(program)?, checked(root)?);
    Ok(format!(
        "\
# {name}
#   mycelium watch --print-unit > ~/.config/systemd/user/{name}
#   systemctl --user daemon-reload
#   systemctl --user enable --now {name}
# `loginctl enable-linger` keeps it running while you are logged out.

[Unit]
Description=Mycelium: commits the documents in {description}
Documentation=man:mycelium-watch(1)
ConditionPathIsDirectory={condition}
StartLimitIntervalSec=10min
StartLimitBurst=5

[Service]
Type=notify
NotifyAccess=main
WorkingDirectory={root}
ExecStart={exec} watch --root {argument}
# It commits the last changes when it is told to stop; a full disk can make that slow.
TimeoutStopSec=60
Restart=on-failure
RestartSec=5s
Nice=10
UMask=0022
NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native

[Install]
WantedBy=default.target
",
        name = name(&root),
        description = specifiers(&root),
        condition = specifiers(&root),
        root = specifiers(&root),
        exec = word(&program),
        argument = word(&root),
    ))
}

/// A name for the unit: one for each work tree.
fn name(root: &str) -> String {
    let last = root.rsplit('/').find(|part| !part.is_empty()).unwrap_or("root");
    let plain: String =
        last.chars().map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' }).collect();
    format!("mycelium-{plain}.service")
}

/// A path that a unit can hold: text without control characters.
fn checked(path: &Path) -> Result<String, ErrorReport> {
    let text = path.to_str().filter(|text| !text.chars().any(is_unsafe_to_show) && !text.ends_with([' ', '\\']));
    text.map(ToOwned::to_owned).ok_or_else(|| {
        let shown = visible(&path.to_string_lossy());
        let failure = ErrorReport::new(ErrorClass::Problem, "bad-path", format!("no unit can name `{shown}`"));
        failure.hint("give the folder a name of letters and digits")
    })
}

/// A text in which `%` is nothing but itself.
fn specifiers(text: &str) -> String {
    text.replace('%', "%%")
}

/// One word of a command line.
fn word(text: &str) -> String {
    let escaped = specifiers(text).replace('\\', "\\\\").replace('"', "\\\"").replace('$', "$$");
    if escaped.chars().all(|c| c.is_alphanumeric() || "/-_.+%@:".contains(c)) {
        escaped
    } else {
        format!("\"{escaped}\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_themselves_whatever_is_in_them() {
        let unit = unit(Path::new("/opt/my tools/mycelium"), Path::new("/srv/r/50% \"x\" $HOME")).expect("a unit");
        assert!(
            unit.contains("\nExecStart=\"/opt/my tools/mycelium\" watch --root \"/srv/r/50%% \\\"x\\\" $$HOME\"\n"),
            "{unit}"
        );
        assert!(unit.contains("\nWorkingDirectory=/srv/r/50%% \"x\" $HOME\n"), "{unit}");
        assert!(unit.starts_with("# mycelium-50---x---HOME.service\n"), "{unit}");
    }

    #[test]
    fn a_path_that_would_end_the_line_is_refused() {
        for bad in ["/a\nExecStart=/bin/x", "/a\u{202e}", "/a\\", "/a "] {
            assert_eq!(unit(Path::new("/m"), Path::new(bad)).expect_err(bad).code, "bad-path");
        }
    }
}
