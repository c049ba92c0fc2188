//! What the child processes do. The entry is a test that runs only when other tests start it, in a process of its own.

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

/// Runs a child to its end and returns what it said.
pub(crate) fn child_output(mut command: std::process::Command) -> Vec<String> {
    said(&crate::rig::finished(command.spawn().expect("a child")))
}

#[test]
#[ignore = "run by `eight_processes_create_twenty_documents_each`"]
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
            write(&store(durability(arguments[2])), arguments[0], arguments[1]).expect("a write");
        }
        "triple" => {
            let paths = [crate::rig::doc("task-1.md"), crate::rig::doc("task-2.md"), crate::rig::doc("task-3.md")];
            let done =
                store(Durability::Full).log.apply::<std::convert::Infallible>(&any_operation(), &paths, &mut |_| {
                    let write = |text: &str| Action::Write(text.as_bytes().to_vec());
                    Ok(vec![write("one after\n"), write("two after\n"), Action::Remove])
                });
            say(&done.map_or_else(|error| format!("refused: {error:?}"), |_| "applied".to_owned()));
        }
        "steady" => steady(&store(durability(arguments[1])), arguments[0]),
        "link-race" => link_race(&store(Durability::Off), arguments[0].parse().expect("a number")),
        "save-race" => {
            crate::saves::race(arguments[0], arguments[1].parse().expect("a number"), durability(arguments[2]));
        }
        "save-and-die" => crate::saves::save_and_die(),
        "stream" => {
            let store = store(Durability::Full);
            let end = std::time::Instant::now() + std::time::Duration::from_millis(arguments[1].parse().expect("ms"));
            let mut count = 0_u64;
            while std::time::Instant::now() < end {
                write(&store, &format!("task-{}.md", arguments[0]), &format!("{count}\n{}", "x".repeat(1000)))
                    .expect("a write");
                count += 1;
            }
            say(&count.to_string());
        }
        "forget" => {
            let ids = ["op-a", "op-b"].map(|id| operation(id).id);
            store(Durability::Full).log.forget(&ids).expect("forgotten");
        }
        "watch" => {
            let lock = store(Durability::Full).locks.lock_watch(any_operation().at).expect("run state");
            say(if lock.is_some() { "watching" } else { "refused" });
            std::thread::sleep(std::time::Duration::from_secs(60));
        }
        other => panic!("no such part: {other}"),
    }
}

fn durability(name: &str) -> Durability {
    match name {
        "off" => Durability::Off,
        "batch" => Durability::Batch,
        _ => Durability::Full,
    }
}

/// Writes until it is killed: its own line of a shared document, and documents of its own. Says what is acknowledged.
fn steady(store: &Store, me: &str) {
    for n in 1_u64.. {
        let id = format!("{me}-{n}");
        if n.is_multiple_of(4) {
            let name = format!("task-{id}.md");
            change(store, &operation(&id), &name, |_| Action::Write(sealed(&format!("{id}\n")).into_bytes()))
                .expect("a create");
        } else {
            change(store, &operation(&id), "task-shared.md", |now| {
                let (body, _) = opened(now.expect("the shared document"));
                Action::Write(sealed(&bump(body, me, 1)).into_bytes())
            })
            .expect("an update");
        }
        say(&id);
    }
}

/// Does everything that a store does, in a folder whose parts are swapped with links; errors are what it expects. What it
/// reads must never come from outside.
fn link_race(store: &Store, operations: usize) {
    let names = ["task-1.md", "task-2.md", "archive/2025-10/task-3.md", "task-4.md"];
    let (mut done, mut refused) = (0_u32, 0_u32);
    let inside = |bytes: &[u8]| assert_ne!(bytes, b"canary\n", "{}", crate::links::LED_OUT);
    for n in 0..operations {
        let name = names[n % names.len()];
        let outcome = match n % 10 {
            0 | 1 => store.folder.scan().map(drop),
            2..=5 => store.folder.read(&crate::rig::doc(name)).map(|found| {
                if let Some(found) = found {
                    inside(&found.bytes);
                }
            }),
            6 => change(store, &any_operation(), name, |_| Action::Remove).map(drop),
            7 if n % 200 == 7 => store.folder.make().map(drop),
            _ => change(store, &any_operation(), name, |now| {
                inside(now.unwrap_or_default().as_bytes());
                Action::Write(format!("ours {n}\n").into_bytes())
            })
            .map(drop),
        };
        if outcome.is_ok() { done += 1 } else { refused += 1 }
    }
    say(&format!("raced {done} {refused}"));
}

/// The text with a last line that tells whether it is whole.
pub(crate) fn sealed(text: &str) -> String {
    format!("{text}seal: {}\n", text.bytes().map(u64::from).sum::<u64>())
}

/// The text without its last line, and whether that fits.
pub(crate) fn opened(text: &str) -> (&str, bool) {
    let at = text.rfind("seal: ").unwrap_or(text.len());
    (&text[..at], sealed(&text[..at]) == text)
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
