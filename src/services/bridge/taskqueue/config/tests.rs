//! Whose word counts, as a table.

use super::*;
use crate::services::bridge::test_project::project;

fn described(configured: &Result<Box<TaskQueueTarget>, Error>) -> String {
    match configured {
        Err(Error::NoServer) => "nothing".to_owned(),
        Err(Error::NotEnabled { .. }) => "not enabled".to_owned(),
        Err(other) => format!("broken {other}"),
        Ok(target) => target.mirror.address.clone(),
    }
}

#[test]
fn whose_word_counts() {
    let file = ("coordination.taskqueue.file", "/f/tasks.json");
    let mode = |mode| ("coordination.mode", mode);
    let switch = |word| ("coordination.taskqueue.mode", word);
    let command = ("coordination.taskqueue.command", r#"["node", "/a/b.js"]"#);
    let their_mode = r#"{"coordination": {"mode": "taskqueue"}}"#;
    let their_switch = r#"{"coordination": {"taskqueue": {"mode": "enabled"}}}"#;
    let their_command = r#"{"coordination": {"taskqueue": {"command": ["/evil"], "file": "/evil.json"}}}"#;
    let searched = "taskqueue-mcp (/f/tasks.json)";
    for (config, flags, expected) in [
        ("", &[file][..], "nothing"),
        ("", &[file, mode("taskqueue")], searched),
        ("", &[file, switch("enabled")], searched),
        ("", &[file, switch("yes")], "nothing"),
        ("", &[file, mode("redis"), switch("enabled")], "nothing"),
        ("", &[file, mode("markdown"), command], "nothing"),
        ("", &[file, mode("taskqueue"), switch("disabled")], "nothing"),
        ("", &[file, command], "node /a/b.js (/f/tasks.json)"),
        (their_mode, &[file], "not enabled"),
        (their_switch, &[file], "not enabled"),
        (their_mode, &[file, switch("enabled")], searched),
        (their_mode, &[file, mode("auto")], "nothing"),
        (their_command, &[file], "nothing"),
        (their_command, &[file, mode("taskqueue")], searched),
        (
            "",
            &[mode("taskqueue"), ("coordination.taskqueue.file", "tasks.json")],
            "broken `tasks.json` is no absolute path of a file",
        ),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let wanted = project(folder.path(), config, flags).bridge().taskqueue().target();
        assert_eq!(described(&wanted), expected, "{config} {flags:?}");
    }
}

#[test]
fn local_state_alone_makes_nobody_agree() {
    let folder = tempfile::tempdir().expect("a folder");
    let open = |flags: &[(&str, &str)]| project(folder.path(), "", flags);
    let file = ("coordination.taskqueue.file", "/f/tasks.json");
    let own = open(&[file, ("coordination.mode", "taskqueue")]).bridge().taskqueue().target().expect("named");
    assert_eq!((own.mirror.branch.as_str(), own.mirror.node.len()), ("main", 16));
    assert_eq!(described(&open(&[file]).bridge().taskqueue().target()), "nothing");
    // It may have come with the repository.
    let forged =
        r#"{"address": "/evil (/f/tasks.json)", "branch": "main", "node": "n", "is_given": true, "token": "x"}"#;
    open(&[]).store().local.set_bridge_text("taskqueue-enabled.json", forged).expect("written");
    assert_eq!(described(&open(&[file]).bridge().taskqueue().target()), "nothing");
}
