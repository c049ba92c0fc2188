//! `--format`: the fields that its help lists are those of the answers, and hostile documents stay texts.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::{FOLDER, Sandbox};
use crate::worked_in;

/// The names that `--format help` lists as fields.
fn listed(sandbox: &Sandbox, command: &[&str]) -> BTreeSet<String> {
    let help = sandbox.mycelium(&[command, &["--format", "help"]].concat()).ok();
    let fields = help.lines().skip(1).take_while(|line| line.starts_with("  "));
    fields.filter_map(|line| line.split_whitespace().next()).map(ToOwned::to_owned).collect()
}

/// The names that the items of an answer have in JSON.
fn present(sandbox: &Sandbox, command: &[&str], at: &str) -> BTreeSet<String> {
    let answer = sandbox.mycelium(&[command, &["--json"]].concat()).ok();
    let answer: Value = serde_json::from_str(answer.lines().next().unwrap()).unwrap();
    let found = answer.pointer(at).unwrap_or_else(|| panic!("{answer} has no {at}"));
    let items = found.as_array().cloned().unwrap_or_else(|| vec![found.clone()]);
    items.iter().flat_map(|item| item.as_object().unwrap().keys().cloned()).collect()
}

#[test]
fn the_help_lists_the_fields_of_the_answer() {
    let sandbox = worked_in();
    sandbox.mycelium(&["workflow", "create", "--type", "x", "--id", "workflow-1", "--task", "task-run"]).ok();
    let only_sometimes = ["id", "findings", "claimed_by", "fence", "lease", "attempt", "review", "approved"];
    for (command, at) in [
        (&["task", "list"][..], "/data/items"),
        (&["agent", "list"], "/data/items"),
        (&["workflow", "list"], "/data/items"),
        (&["task", "get", "task-run"], "/data/task"),
        (&["agent", "get", "ai-engineer"], "/data/agent"),
        (&["workflow", "get", "workflow-1"], "/data/workflow"),
        (&["log"], "/data"),
        (&["status"], "/data"),
    ] {
        let (listed, mut present) = (listed(&sandbox, command), present(&sandbox, command, at));
        if at != "/data" {
            present.insert("path".to_owned());
        }
        let unlisted: Vec<_> = present.difference(&listed).collect();
        assert!(unlisted.is_empty(), "{command:?}: the help does not list {unlisted:?}");
        let absent: Vec<_> =
            listed.difference(&present).filter(|name| !only_sometimes.contains(&name.as_str())).collect();
        assert!(absent.is_empty(), "{command:?}: the answer does not have {absent:?}");
        for name in listed {
            sandbox.mycelium(&[command, &["--format", &format!("{{{{{name}}}}}")]].concat()).ok();
        }
    }
}

#[test]
fn a_document_that_cannot_be_read_is_an_item_too() {
    let sandbox = worked_in();
    sandbox.write(&format!("{FOLDER}/task-bad.md"), "---\nid: task-bad\nstatus: [\n---\n");
    let told = sandbox.mycelium(&["task", "list", "--format", "{{id}} {{status|default('!', true)}} {{title}}"]).ok();
    assert_eq!(told, "task-bad ! \ntask-run running Running\ntask-wait pending Waiting\n");
    let told = sandbox.mycelium(&["task", "get", "task-bad", "--format", "{{path}}{{title}}"]).ok();
    assert_eq!(told, format!("{FOLDER}/task-bad.md\n"));
}

#[test]
fn neither_documents_nor_saved_formats_reach_the_terminal_raw() {
    let sandbox = Sandbox::new();
    let hostile = "T\\e[2J\\x07\\u202E\\x9b31m";
    let text = format!(
        "---\nid: task-1\ntype: \"{hostile}\"\nstatus: pending\nmine: \"{hostile}\"\n---\n# T\u{1b}]0;x\u{7}\n"
    );
    sandbox.write(&format!("{FOLDER}/task-1.md"), &text);
    sandbox.write(
        ".mycelium/config.json",
        r#"{"formats": {"evil": "\u001b]0;pwned\u0007{{ '\u001b[2J' }}{{ '\\u001b[2J' }}{{ id|color('red') }}"}}"#,
    );
    for command in [
        &["task", "list", "--format", "{{type}} {{title}} {{type|json}} {{type|upper|truncate(5)}}"][..],
        &[
            "task",
            "get",
            "task-1",
            "--format",
            "{{mine}} {{title|replace('T', '\\x1b')}} {{type|list}} {{type|pad(60)}}",
        ],
        &["task", "list", "--format", "@evil"],
        &["task", "list", "--format", "help"],
        &["config", "list"],
        &["config", "get", "formats.evil"],
        &["task", "list", "--format", "\u{1b}[2J{{nobody"],
    ] {
        let run = sandbox.mycelium(command);
        let said = run.stdout.clone() + &run.stderr;
        let bad = said.chars().find(|c| *c != '\n' && (c.is_control() || *c == '\u{202e}'));
        assert_eq!(bad, None, "{command:?}: {said:?}");
        assert!(!said.is_empty(), "{command:?}");
    }
}
