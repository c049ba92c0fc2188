//! What hostile content may not do to a terminal: every command, for people and for programs, in colours and without.
#![allow(clippy::disallowed_methods, reason = "the test makes files")]
#![allow(clippy::unwrap_used, reason = "a scene that cannot be set has failed")]

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::process::{Command, Output};

use crate::commands::lines;
use crate::support::{FOLDER, Sandbox};

/// A text that acts on terminals in every way that is known. No NUL: no argument can have one.
const HOSTILE: &str = "x\u{1b}[1mLEAK\u{1b}[2J\u{1b}]0;t\u{7}\u{1b}]8;;h\u{1b}\\\u{1b}]52;c;eA==\u{7}\u{8}\r\u{7f}\u{9b}31m\u{9d}0;t\u{9c}\
    \u{202e}\u{2066}\u{200e}\u{200b}\u{feff}\u{e0041}";

/// A repository with the hostile fixtures, a hostile history and hostile settings.
fn scene() -> Sandbox {
    let sandbox = Sandbox::new();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/hostile");
    fs::create_dir_all(sandbox.path(FOLDER)).unwrap();
    let mut count = 0;
    for entry in fs::read_dir(fixtures).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, sandbox.path(FOLDER).join(path.file_name().unwrap())).unwrap();
        count += 1;
    }
    assert!(count >= 15, "fixtures are missing");
    let odd = OsString::from_vec(b"task-\x1b[2J\xff\x9b\xe2\x80\xae.md".to_vec());
    fs::write(sandbox.path(FOLDER).join(odd), "---\nid: task-odd\nstatus: pending\n---\n").unwrap();
    std::os::unix::fs::symlink("/etc/\u{1b}[2J", sandbox.path(FOLDER).join("task-\u{1b}[3J.md")).unwrap();
    sandbox.git(&["add", "-A"]);
    let subject = format!("a subject {HOSTILE}\n\nMycelium-Agent: {HOSTILE}\nMycelium-Operation: {HOSTILE} create x\n");
    let mut commit = sandbox.command("git");
    commit.args(["commit", "--quiet", "--cleanup=verbatim", "-m", &subject]);
    commit.env("GIT_AUTHOR_NAME", HOSTILE.replace(['<', '>'], "")).env("GIT_AUTHOR_EMAIL", "a\u{1b}[2J@b");
    assert!(commit.status().unwrap().success());
    let text = serde_json::json!({
        "commit": { "author": HOSTILE, "branch": null, HOSTILE: 1 }, "markdown": { "shape": HOSTILE }, HOSTILE: { "a": HOSTILE },
    });
    sandbox.write(".mycelium/config.json", &text.to_string());
    let json = |value: serde_json::Value| value.to_string();
    let plan = [
        json(serde_json::json!({ "op": "task.note", "id": "task-escapes", "text": HOSTILE })),
        json(serde_json::json!({ "op": "task.note", "id": HOSTILE, "text": "x" })),
        json(serde_json::json!({ "op": HOSTILE })),
        json(serde_json::json!({ "op": "task.retry", "id": "task-escapes", HOSTILE: HOSTILE })),
        HOSTILE.to_owned(),
    ];
    sandbox.write("plan.jsonl", &plan.join("\n"));
    sandbox
}

/// What a terminal would act on in the bytes, our own colours aside where they are asked for.
fn dangerous(bytes: &[u8], coloured: bool) -> Option<String> {
    let Ok(text) = std::str::from_utf8(bytes) else { return Some("invalid UTF-8".to_owned()) };
    if text.contains("x\u{1b}[1mLEAK") {
        return Some("a colour of the content".to_owned());
    }
    let mut text = text.to_owned();
    if coloured {
        for code in ["0", "1", "2", "4", "31", "32", "33", "36"] {
            text = text.replace(&format!("\u{1b}[{code}m"), "");
        }
    }
    let bad = |c: char| {
        let c = u32::from(c);
        let control = c < 0x20 && c != 0x0a && c != 0x09 || (0x7f..0xa0).contains(&c);
        let bidi = matches!(c, 0x61c | 0x200e | 0x200f | 0x2028..=0x202e | 0x2066..=0x2069);
        control || bidi || matches!(c, 0x200b | 0xfeff | 0xe0000..=0xe007f)
    };
    text.chars().find(|c| bad(*c)).map(|c| c.escape_unicode().to_string())
}

fn run(mut command: Command) -> Output {
    command.env("EDITOR", "true").output().unwrap()
}

/// Checks both streams of a run; gives how many places of hostile content were shown in harmless letters.
#[track_caller]
fn harmless(what: &str, output: &Output, coloured: bool) -> usize {
    for (stream, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
        let text = String::from_utf8_lossy(bytes);
        assert_eq!(dangerous(bytes, coloured), None, "{what}: {stream}: {text:?}");
    }
    assert!(output.status.code().is_some_and(|code| code != 101), "{what}: {output:?}");
    let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).matches("\\u").count();
    shown(&output.stdout) + shown(&output.stderr)
}

#[test]
fn no_command_lets_content_act_on_a_terminal() {
    let mut shown = 0;
    for colour in [None, Some("--color=always")] {
        let sandbox = scene();
        for line in lines(HOSTILE) {
            let mut command = sandbox.mycelium_command(&[]);
            command.args(colour).args(&line).env_remove("NO_COLOR");
            shown += harmless(&format!("{colour:?} {line:?}"), &run(command), colour.is_some());
        }
    }
    assert!(shown > 500, "hostile content was shown {shown} times only: the scene is too tame");
}

#[test]
fn json_says_everything_in_harmless_letters() {
    let sandbox = scene();
    let mut shown = 0;
    for line in lines(HOSTILE) {
        let mut command = sandbox.mycelium_command(&[]);
        command.args(["--json"]).args(&line);
        let output = run(command);
        shown += harmless(&format!("{line:?}"), &output, false);
        let is_demo = line[0] == "demo";
        for answer in [&output.stdout, &output.stderr].into_iter().flat_map(|bytes| bytes.split(|byte| *byte == b'\n'))
        {
            let is_json = answer.is_empty() || serde_json::from_slice::<serde_json::Value>(answer).is_ok();
            assert!(is_json || is_demo, "{line:?}: {}", String::from_utf8_lossy(answer));
        }
    }
    assert!(shown > 200, "hostile content was told {shown} times only: the scene is too tame");
}

#[test]
fn variables_and_arguments_of_any_bytes_are_told_harmlessly() {
    let sandbox = scene();
    let bytes = || OsString::from_vec([HOSTILE.as_bytes(), b"\xff\x9b"].concat());
    for variable in [
        "MYCELIUM_AGENT",
        "MYCELIUM_ROOT",
        "MYCELIUM_CONFIG",
        "MYCELIUM_COMMIT_AUTHOR",
        "MYCELIUM_COMMIT_BRANCH",
        "MYCELIUM_MARKDOWN_FOLDER",
        "GIT_DIR",
        "GIT_AUTHOR_NAME",
        "GIT_COMMITTER_EMAIL",
        "HOME",
        "TZ",
        "LC_ALL",
        "REDIS_URL",
    ] {
        for (text, arguments) in [
            (bytes(), &["status"][..]),
            (bytes(), &["task", "create", "--type", "x", "--json"]),
            (HOSTILE.into(), &["config", "list", "--show-origin"]),
            (HOSTILE.into(), &["task", "create", "--type", "x"]),
            (HOSTILE.into(), &["status", "--json"]),
        ] {
            let mut command = sandbox.mycelium_command(arguments);
            command.env(variable, text);
            harmless(&format!("{variable} {arguments:?}"), &run(command), false);
        }
    }
    for before in
        [&["status"][..], &["task", "get"], &["task", "create", "--type"], &["--root"], &["config", "get"], &[]]
    {
        for json in [None, Some("--json")] {
            let mut command = sandbox.mycelium_command(before);
            command.arg(bytes()).args(json);
            harmless(&format!("{before:?}"), &run(command), false);
        }
    }
}

#[test]
fn a_watcher_tells_of_hostile_files_harmlessly() {
    let sandbox = scene();
    for arguments in [&["watch", "--once"][..], &["watch", "--once", "--json"], &["--color=always", "watch", "--once"]]
    {
        sandbox.write(
            &format!("{FOLDER}/task-new.md"),
            &format!("---\nid: task-new\nstatus: pending\ntype: x\n---\n# {HOSTILE}{}\n", arguments.len()),
        );
        let output = run(sandbox.mycelium_command(arguments));
        harmless(&format!("{arguments:?}"), &output, arguments[0].starts_with("--color"));
    }
}

#[test]
fn raw_output_would_be_noticed() {
    for text in ["\u{1b}[2J", "\u{9b}", "\r", "\u{202e}", "x\u{1b}[1mLEAK", "\u{1b}[35m", "\u{7f}", "\u{e0041}"] {
        assert!(dangerous(text.as_bytes(), true).is_some(), "{text:?}");
    }
    assert!(dangerous(b"\xff", true).is_some() && dangerous(b"\x1b[1m", false).is_some());
    assert_eq!(dangerous("é\t\n\u{1b}[1mx\u{1b}[0m".as_bytes(), true), None);
}
