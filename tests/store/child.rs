//! What the child processes do. The entry is a test that runs only when another test starts it.

use std::io::Write;
use std::path::PathBuf;

use mycelium::store::{Action, Durability, Store};

use crate::rig::{any_operation, change, operation, place_in, write};

/// Says something to the test that started this process, at once.
pub(crate) fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n>{text}").and_then(|()| out.flush()).expect("a listening parent");
}

/// What a child said, line by line.
pub(crate) fn said(output: &str) -> Vec<String> {
    output.lines().filter_map(|line| line.strip_prefix('>')).map(str::to_owned).collect()
}

#[test]
#[ignore = "the entry of child processes; other tests start it"]
fn part() {
    let Ok(part) = std::env::var("STORE_PART") else { return };
    let home = PathBuf::from(std::env::var("STORE_HOME").expect("a home"));
    let text = std::env::var("STORE_ARGUMENTS").expect("arguments");
    let arguments: Vec<&str> = text.split_whitespace().collect();
    let store = |durability| Store::open(&place_in(&home), durability).expect("a good folder");
    match part.as_str() {
        "create" => {
            let store = store(Durability::Full);
            for n in 0..20 {
                let name = format!("task-{}-{n}", arguments[0]);
                change(&store, &operation(&name), &format!("{name}.md"), |now| {
                    assert_eq!(now, None);
                    Action::Write(format!("{name}\n").into_bytes())
                })
                .expect("a create");
            }
        }
        "field" => {
            let key = arguments[0];
            let applied = change(&store(Durability::Full), &operation(&format!("op-{key}")), "task-1.md", |now| {
                Action::Write(bump(now.expect("the document"), key, 1).into_bytes())
            });
            say(&applied.expect("an update").attempts.to_string());
        }
        "write" => {
            let durability = if arguments.get(2) == Some(&"off") { Durability::Off } else { Durability::Full };
            write(&store(durability), arguments[0], arguments[1]).expect("a write");
        }
        "pair" => {
            let store = store(Durability::Full);
            let paths = [crate::rig::doc("task-1.md"), crate::rig::doc("task-2.md"), crate::rig::doc("task-3.md")];
            let done = store.apply::<std::convert::Infallible>(&operation("op-pair"), &paths, &mut |_| {
                let write = |text: &str| Action::Write(text.as_bytes().to_vec());
                Ok(vec![write("one after\n"), write("two after\n"), Action::Remove])
            });
            done.expect("applied");
        }
        "watch" => {
            let lock = store(Durability::Full).lock_watch(any_operation().at).expect("run state");
            say(if lock.is_some() { "watching" } else { "refused" });
            std::thread::sleep(std::time::Duration::from_secs(60));
        }
        other => panic!("no such part: {other}"),
    }
}

/// The text with the number behind `key: ` raised.
pub(crate) fn bump(text: &str, key: &str, by: u64) -> String {
    let mut found = false;
    let lines = text.lines().map(|line| match line.split_once(": ") {
        Some((name, value)) if name == key => {
            found = true;
            format!("{key}: {}\n", value.parse::<u64>().expect("a number") + by)
        }
        _ => format!("{line}\n"),
    });
    let out: String = lines.collect();
    assert!(found, "no {key} in {text:?}");
    out
}

/// The number behind `key: `.
pub(crate) fn value(text: &str, key: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
    line.unwrap_or_else(|| panic!("no {key} in {text:?}")).parse().expect("a number")
}
