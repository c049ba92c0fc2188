//! Every command that the program has, by its own word, and how it is called here.
#![allow(clippy::unwrap_used, reason = "a test that cannot read the help has failed")]

use std::collections::BTreeSet;

use crate::support::Sandbox;

/// How each command is called, in an order in which most of them succeed. `{}` stands for a hostile text.
const LINES: &[&[&str]] = &[
    &["init"],
    &["init", "--templates", "classic"],
    &["status"],
    &[
        "task",
        "create",
        "--type",
        "x",
        "--id",
        "task-1",
        "--title",
        "one {}",
        "--payload",
        "{\"a\": \"{}\"}",
        "--step",
        "s {}",
    ],
    &["task", "create", "--type", "x {}", "--id", "task-2", "--assigned-to", "agent-c1", "--depends-on", "task-1"],
    &["task", "list"],
    &["task", "list", "--limit", "100"],
    &["task", "get", "task-1"],
    &["task", "get", "task-escapes"],
    &["task", "get", "task-broken"],
    &["task", "get", "task-long"],
    &["task", "get", "{}"],
    &["task", "update", "task-1", "--status", "running", "--set", "mood={}", "--as", "agent-c1"],
    &["task", "update", "task-escapes", "--title", "new {}"],
    &["task", "update", "task-status", "--status", "running"],
    &["task", "update", "task-bidi", "--set", "{}=1"],
    &["task", "update", "task-1", "--progress", "{}"],
    &["task", "edit", "task-1"],
    &["task", "tick", "task-1", "1"],
    &["task", "tick", "task-escapes", "1"],
    &["task", "tick", "task-escapes", "{}"],
    &["task", "note", "task-1", "a note {}"],
    &["pause"],
    &["resume"],
    &["restore"],
    &["restore", "{}"],
    &["task", "claim", "task-escapes", "--as", "agent-c1", "--lease", "1h"],
    &["task", "claim", "task-1", "--steal", "--as", "agent-c1"],
    &["task", "claim", "--next", "--type", "{}", "--as", "agent-c1"],
    &["task", "claim", "{}", "--as", "agent-c1"],
    &["task", "renew", "task-1", "--as", "agent-c1"],
    &["task", "renew", "{}", "--as", "agent-c1"],
    &["task", "release", "task-1", "--fence", "{}"],
    &["task", "release", "task-1"],
    &["task", "update", "task-1", "--status", "running"],
    &["task", "fail", "task-1", "--error", "why {}", "--stack-trace", "at {}"],
    &["task", "retry", "task-1"],
    &["task", "update", "task-1", "--status", "running"],
    &["task", "complete", "task-1", "--result", "\"{}\""],
    &["task", "complete", "task-conflict"],
    &["task", "approve", "task-1", "--note", "good {}", "--as", "agent-x"],
    &["task", "approve", "task-escapes", "--as", "{}"],
    &["task", "reject", "task-1", "--reason", "bad {}"],
    &["task", "ready"],
    &["task", "ready", "--type", "{}", "--for", "{}"],
    &["task", "ready", "--limit", "100", "--format", "{{ title }} {}\n"],
    &["why", "task-1"],
    &["why", "task-2"],
    &["why", "task-escapes"],
    &["why", "task-broken"],
    &["why", "{}"],
    &["task", "wait", "task-1", "task-2", "--any", "--timeout", "1s"],
    &["task", "wait", "task-2", "--timeout", "1ms"],
    &["task", "wait", "{}"],
    &["task", "reopen", "task-1"],
    &["task", "reopen", "task-keys"],
    &["task", "remove", "task-2"],
    &["agent", "set", "agent-x", "--status", "busy", "--metadata", "{\"m\": \"{}\"}"],
    &["agent", "set", "{}", "--status", "busy"],
    &["agent", "beat", "agent-x"],
    &["agent", "beat", "{}"],
    &["agent", "prune", "--older", "0s", "--dry-run"],
    &["agent", "prune", "--older", "{}"],
    &["agent", "get", "agent-c1"],
    &["agent", "get", "bad"],
    &["agent", "list"],
    &["agent", "remove", "agent-x"],
    &["workflow", "create", "--type", "x {}", "--id", "workflow-1", "--task", "task-1"],
    &["workflow", "get", "workflow-evil"],
    &["workflow", "list"],
    &["workflow", "update", "workflow-1", "--progress", "0.5", "--set", "s={}"],
    &["workflow", "complete", "workflow-1", "--result", "{}"],
    &["workflow", "update", "workflow-1", "--status", "running"],
    &["workflow", "fail", "workflow-1", "--error", "{}"],
    &["workflow", "new", "flow"],
    &["workflow", "new", "{}"],
    &["workflow", "run", "flow", "--input", "dataset={}", "--id", "workflow-flow"],
    &["workflow", "run", "flow", "--input", "{}"],
    &["workflow", "graph", "flow"],
    &["workflow", "graph", "{}"],
    &["workflow", "pause", "workflow-flow"],
    &["workflow", "resume", "workflow-flow"],
    &["workflow", "drive"],
    &["workflow", "monitor", "workflow-flow", "--once"],
    &["workflow", "monitor", "{}"],
    &["workflow", "cancel", "workflow-flow"],
    &["workflow", "retry", "workflow-flow", "--from", "{}"],
    &["worker", "--agent", "bob", "--type", "{}", "--once", "--exec", "true"],
    &["worker", "logs", "task-1"],
    &["worker", "logs", "{}"],
    &["workflow", "retry", "workflow-flow"],
    &["event", "publish", "a:b", "{\"event\": \"saved\", \"text\": \"{}\"}"],
    &["event", "publish", "a:b", "{}"],
    &["event", "publish", "{}", "1"],
    &["event", "publish", "a:b", "--event", "{}"],
    &["event", "list", "--limit", "100"],
    &["event", "list", "{}"],
    &["event", "subscribe", "--timeout", "1ms"],
    &["event", "subscribe", "{}", "--timeout", "1ms"],
    &["batch", "plan.jsonl"],
    &["batch", "plan.jsonl", "--atomic"],
    &["batch", "{}"],
    &["log"],
    &["log", "task-1"],
    &["log", "{}"],
    &["check"],
    &["archive", "--older", "0s", "--dry-run"],
    &["archive", "task-1"],
    &["archive", "{}"],
    &["archive", "--older", "{}"],
    &["archive", "--older", "0s"],
    &["resolve"],
    &["resolve", "{}"],
    &["resolve", "task-1", "--ours"],
    &["merge-driver", "plan.jsonl", "plan.jsonl", "plan.jsonl", "{}"],
    &["merge-driver", "{}", "{}", "{}", "{}"],
    &["textconv", "plan.jsonl"],
    &["textconv", "{}"],
    &["init", "--merge-driver", "--diff-driver"],
    &["commit"],
    &["commit", "--force"],
    &["sync"],
    &["sync", "--no-push", "--merge", "--with-code"],
    &["sync", "--remote", "{}"],
    &["bridge", "status"],
    &["bridge", "detect"],
    &["bridge", "enable", "redis://{}"],
    &["bridge", "enable", "redis://127.0.0.1:1", "--branch", "{}"],
    &["bridge", "status"],
    &["bridge", "push", "--dry-run"],
    &["bridge", "pull", "--force"],
    &["status", "--require-mode", "redis"],
    &["status", "--require-mode", "{}"],
    &["bridge", "disable"],
    &["task", "claim", "task-1", "--push", "--as", "agent-c1"],
    &["watch", "--once"],
    &["config", "list", "--show-origin"],
    &["config", "get", "commit.author"],
    &["config", "get", "{}"],
    &["config", "set", "commit.author", "user"],
    &["config", "set", "commit.author", "{}"],
    &["config", "set", "commit.branch", "{}"],
    &["doctor"],
    &["doctor", "--fix"],
    &["instructions"],
    &["instructions", "--write"],
    &["instructions", "--check", "{}"],
    &["instructions", "--remove"],
    &["explain"],
    &["explain", "{}"],
    &["help", "{}"],
    &["explain", "MYC101"],
    &["completions", "bash"],
    &["completions", "{}"],
    &["man"],
    &["man", "task"],
    &["man", "{}"],
    &["watch", "--print-unit"],
    &["task", "list", "--format", "{{ title }} {{ id }} {}\n"],
    &["demo"],
    &["{}"],
    &["status", "--root", "{}"],
    &["status", "--as", "{}"],
    &["--{}"],
];

/// The lines with a text put in.
pub(crate) fn lines(text: &str) -> Vec<Vec<String>> {
    LINES.iter().map(|line| line.iter().map(|word| word.replace("{}", text)).collect()).collect()
}

/// Every command that does something by itself, as the help lists them.
pub(crate) fn leaves(sandbox: &Sandbox) -> BTreeSet<Vec<String>> {
    let mut leaves = BTreeSet::new();
    let mut groups: Vec<Vec<String>> = vec![Vec::new()];
    while let Some(group) = groups.pop() {
        let arguments: Vec<&str> = group.iter().map(String::as_str).chain(["--help"]).collect();
        let help = sandbox.mycelium(&arguments).ok();
        let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
        let names: Vec<&str> = listed.filter_map(|line| line.strip_prefix("  ")?.split(' ').next()).collect();
        let names: Vec<&str> = names.into_iter().filter(|name| !name.is_empty() && *name != "help").collect();
        if names.is_empty() {
            leaves.insert(group.clone());
        }
        groups.extend(names.into_iter().map(|name| [group.as_slice(), &[name.to_owned()]].concat()));
    }
    leaves
}

#[test]
fn every_command_is_called_here() {
    let leaves = leaves(&Sandbox::without_git());
    assert!(leaves.len() > 25, "{leaves:?}");
    let lines = lines("x");
    let missing: Vec<_> = leaves.iter().filter(|leaf| !lines.iter().any(|line| line.starts_with(leaf))).collect();
    assert!(missing.is_empty(), "tests/hostile/commands.rs has no line for {missing:?}");
}
