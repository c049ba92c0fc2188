//! The tables that the program prints of itself: codes, exit codes, settings, variables, fields of `--format`, operations of a batch.

use serde_json::Value;

use crate::stage::Stage;

/// Notes what all tables say.
pub(crate) fn read(stage: &mut Stage) {
    for item in items(stage, &["explain", "--json"]) {
        let text = |key: &str| item[key].as_str().unwrap().to_owned();
        stage.names.add("codes", &format!("{} {}", text("kind"), text("code")));
    }
    for item in items(stage, &["config", "list", "--json"]) {
        stage.names.add("settings", item["key"].as_str().unwrap());
    }
    let help = text(stage, &["help", "exit-codes"]);
    for line in help.lines().filter(|line| line.starts_with("  ")) {
        stage.names.add("exit codes", line.split_whitespace().next().unwrap());
    }
    let help = text(stage, &["help", "environment"]);
    for line in help.lines().filter_map(|line| line.strip_prefix("  ")) {
        let words = line.split_whitespace().map(|word| word.trim_end_matches(','));
        for word in words.take_while(|word| is_variable(word)) {
            stage.names.add("environment", word);
        }
    }
    let help = text(stage, &["batch", "--help"]);
    let mut operation = "";
    for line in
        help.lines().skip_while(|line| !line.starts_with("Operations and")).skip(1).take_while(|line| !line.is_empty())
    {
        let mut words: Vec<&str> = line.split_whitespace().collect();
        if words[0].contains('.') {
            operation = words.remove(0);
        }
        for word in words {
            stage.names.add("batch: operations", &format!("{operation} {}", word.trim_end_matches('*')));
        }
    }
    for command in [
        "task list",
        "agent list",
        "workflow list",
        "task get task-1",
        "agent get sue",
        "workflow get workflow-1",
        "log",
        "status",
    ] {
        let mut words: Vec<&str> = command.split(' ').collect();
        words.extend(["--format", "help"]);
        let help = text(stage, &words);
        let kind = command.split(" get").next().map_or(command, |kind| if kind == command { command } else { kind });
        let mut section = "formats: fields";
        for line in help.lines() {
            if line.starts_with("filters") {
                section = "formats: filters";
            }
            let name = line
                .strip_prefix("  ")
                .filter(|line| !line.starts_with(' '))
                .and_then(|line| line.split([' ', '(']).next());
            if let Some(name) = name.filter(|name| !name.ends_with([':', ','])) {
                stage.names.add(
                    section,
                    &if section == "formats: fields" { format!("{kind} {name}") } else { name.to_owned() },
                );
            }
        }
    }
}

fn text(stage: &Stage, words: &[&str]) -> String {
    stage.sandbox.mycelium(words).ok()
}

fn items(stage: &Stage, words: &[&str]) -> Vec<Value> {
    let answer: Value = serde_json::from_str(&text(stage, words)).unwrap();
    assert!(answer["data"]["next"].is_null(), "the list is cut: {words:?}");
    answer["data"]["items"].as_array().unwrap().clone()
}

fn is_variable(word: &str) -> bool {
    word.len() > 1 && word.bytes().all(|b| b.is_ascii_uppercase() || matches!(b, b'_' | b'*' | b'<' | b'>'))
}
