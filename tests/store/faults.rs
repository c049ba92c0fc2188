//! Every system call that matters fails once, and is once the last: an operation on three documents is wholly done or
//! wholly not, and what was acknowledged is on the disk. Needs strace, and says so where it is missing.

use std::path::PathBuf;
use std::process::{Command, Output};

use mycelium::store::{Action, Durability, Store};

use crate::child::said;
use crate::rig::{Rig, any_operation, change, child, operation, write};
use crate::support::{can_trace, could_not_run};

/// Runs a part under strace; returns its output and the trace.
fn traced(rig: &Rig, part: &str, options: &[&str], sabotage: &str) -> (Output, String) {
    let log: PathBuf = rig.home.path().join("trace");
    let plain = child(rig, part, &[]);
    let mut command = Command::new("strace");
    command.args(["-f", "-y", "-o"]).arg(&log).args(options).arg(plain.get_program()).args(plain.get_args());
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    if !sabotage.is_empty() {
        command.env("MYCELIUM_SABOTAGE", sabotage);
    }
    let output = command.output().expect("strace is needed for this test: install it (`apt-get install strace`)");
    (output, std::fs::read_to_string(&log).unwrap_or_default())
}

fn reset(store: &Store) {
    write(store, "task-1.md", "one\n").expect("a write");
    write(store, "task-3.md", "three\n").expect("a write");
    change(store, &any_operation(), "task-2.md", |_| Action::Remove).expect("a removal");
    let ids: Vec<_> = store.log.journal().expect("a journal").into_iter().map(|record| record.operation.id).collect();
    store.log.forget(&ids).expect("forgotten");
}

#[derive(Debug, PartialEq)]
enum State {
    Old,
    New,
    Mixed,
}

fn state(rig: &Rig) -> State {
    let text = |name: &str| std::fs::read_to_string(rig.file(name)).ok();
    let all = [text("task-1.md"), text("task-2.md"), text("task-3.md")];
    let told = all.each_ref().map(Option::as_deref);
    match told {
        [Some("one\n"), None, Some("three\n")] => State::Old,
        [Some("one after\n"), Some("two after\n"), None] => State::New,
        _ => State::Mixed,
    }
}

/// Injects one fault at the first, second, ... call of a kind, until a run comes through without it.
fn every_call(call: &str, fault: &str) -> usize {
    let rig = Rig::new();
    let store = rig.store(Durability::Off);
    for n in 1..400 {
        reset(&store);
        let inject = format!("inject={call}:{fault}:when={n}");
        let (output, log) = traced(&rig, "triple", &["-e", &format!("trace={call}"), "-e", &inject], "");
        let answer = said(&String::from_utf8_lossy(&output.stdout));
        let acknowledged = answer.iter().any(|line| line == "applied");
        let refused = answer.iter().any(|line| line.starts_with("refused"));
        store.log.recover().expect("recovery");
        let now = state(&rig);
        let where_ = format!("{call} {n} {fault}: {answer:?}, now {now:?}\n{log}");
        assert_ne!(now, State::Mixed, "half done: {where_}");
        assert!(!acknowledged || now == State::New, "acknowledged and lost: {where_}");
        assert!(!refused || now == State::Old, "refused and done: {where_}");
        if acknowledged && output.status.success() && !log.contains("INJECTED") {
            rig.swept_clean(&store);
            assert!(n > 1, "no {call} at all");
            return n - 1;
        }
    }
    panic!("{call} never came through");
}

#[test]
fn any_call_may_fail_once() {
    if let Err(why) = can_trace() {
        return could_not_run("any_call_may_fail_once", &why);
    }
    for (call, error) in [
        ("open", "EMFILE"),
        ("openat", "EMFILE"),
        ("read", "EIO"),
        ("pread64", "EIO"),
        ("write", "ENOSPC"),
        ("pwrite64", "ENOSPC"),
        ("fsync", "EIO"),
        ("renameat2", "EIO"),
        ("flock", "EINTR"),
        ("utimensat", "EIO"),
        ("fchmod", "EPERM"),
    ] {
        println!("{call} {error}: {} points", every_call(call, &format!("error={error}")));
    }
}

#[test]
fn any_call_may_be_the_last() {
    if let Err(why) = can_trace() {
        return could_not_run("any_call_may_be_the_last", &why);
    }
    for call in ["open", "openat", "write", "pwrite64", "fsync", "renameat2", "flock", "utimensat", "close"] {
        println!("{call}: killed at {} points", every_call(call, "signal=KILL"));
    }
}

/// What is wrong with the order of syncs and exchanges in a trace.
fn misordered(log: &str) -> Option<String> {
    let lines: Vec<&str> = log.lines().collect();
    let exchanges: Vec<usize> = (0..lines.len()).filter(|i| lines[*i].contains("renameat2(")).collect();
    let told = lines.iter().position(|line| line.contains(">applied"))?;
    let (first, last) = (*exchanges.first()?, *exchanges.last()?);
    let synced = |from: usize, to: usize, what: &str| {
        lines[from..to].iter().filter(|line| line.contains("fsync(") && line.contains(what)).count()
    };
    if synced(0, first, "/tmp/") < 2 {
        return Some("new contents are not synced before the first exchange".to_owned());
    }
    for what in ["/journal>", "/coordination>"] {
        if synced(last, told, what) == 0 {
            return Some(format!("{what} is not synced before the answer"));
        }
    }
    None
}

#[test]
fn an_answer_comes_after_the_disk_has_it_all() {
    if let Err(why) = can_trace() {
        return could_not_run("an_answer_comes_after_the_disk_has_it_all", &why);
    }
    let rig = Rig::new();
    let store = rig.store(Durability::Off);
    for (sabotage, right) in [("", true), ("no-fsync", false)] {
        reset(&store);
        let (output, log) = traced(&rig, "triple", &["-e", "trace=fsync,renameat2,write"], sabotage);
        assert!(output.status.success());
        assert!(log.contains("renameat2(") && log.contains(">applied"), "{log}");
        let found = misordered(&log);
        assert_eq!(found.is_none(), right, "{sabotage}: {found:?}\n{log}");
    }
}

/// Forgetting writes the journal anew; whatever happens on the way, the record that is still wanted stays.
fn forgetting_at(call: &str, fault: &str) -> usize {
    for n in 1..400 {
        let rig = Rig::new();
        let store = rig.store(Durability::Off);
        let big = "x".repeat(800_000);
        for (id, text) in [("op-a", big.as_str()), ("op-b", big.as_str()), ("op-c", "small")] {
            change(&store, &operation(id), &format!("task-{id}.md"), |_| Action::Write(text.as_bytes().to_vec()))
                .expect("a create");
        }
        let inject = format!("inject={call}:{fault}:when={n}");
        let (output, log) = traced(&rig, "forget", &["-e", &format!("trace={call}"), "-e", &inject], "");
        let records = store.log.journal().expect("a journal");
        let ids: Vec<&str> = records.iter().map(|record| record.operation.id.as_str()).collect();
        assert!(ids.contains(&"op-c"), "{call} {n} {fault}: {ids:?}");
        write(&store, "task-op-c.md", "next").expect("the next write");
        assert_eq!(store.log.journal().expect("a journal").len(), ids.len() + 1, "{call} {n} {fault}");
        if output.status.success() && !log.contains("INJECTED") {
            assert_eq!(ids, ["op-c"]);
            let size = std::fs::metadata(rig.place.run.join("journal")).expect("the journal").len();
            assert!(size < 1000, "written anew: {size}");
            return n - 1;
        }
    }
    panic!("{call} never came through");
}

#[test]
fn forgetting_never_drops_a_record_that_is_wanted() {
    for call in ["pwrite64", "rename", "fsync", "flock"] {
        println!("{call}: killed at {} points", forgetting_at(call, "signal=KILL"));
        println!("{call}: failed at {} points", forgetting_at(call, "error=EIO"));
    }
}
