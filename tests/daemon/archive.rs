//! What is done with goes into the archive by itself, when it has been quiet for long enough.

use std::fs::File;
use std::time::{Duration, SystemTime};

use crate::process::{Process, is_committed, save, subjects, until};
use crate::support::{FOLDER, Sandbox};

const DAY: Duration = Duration::from_secs(86_400);
/// Longer than it takes a watcher to look after its start.
const WHILE: Duration = Duration::from_secs(3);

fn saved_days_ago(sandbox: &Sandbox, id: &str, status: &str, days: u32) {
    save(sandbox, id, status);
    let file = File::options().write(true).open(sandbox.path(&format!("{FOLDER}/{id}.md"))).unwrap();
    file.set_modified(SystemTime::now() - days * DAY).unwrap();
}

fn filled() -> Sandbox {
    let sandbox = Sandbox::new();
    saved_days_ago(&sandbox, "task-old", "completed", 8);
    saved_days_ago(&sandbox, "task-failed", "failed", 100);
    saved_days_ago(&sandbox, "task-open", "pending", 100);
    saved_days_ago(&sandbox, "task-young", "completed", 6);
    let mut process = Process::spawn(&sandbox, "once");
    process.hear("committed");
    process.end();
    assert!(is_committed(&sandbox));
    sandbox
}

#[test]
fn what_has_been_quiet_for_a_week_is_archived_and_then_all_sleep() {
    let sandbox = filled();
    assert_eq!(sandbox.documents().len(), 4, "`--once` archives nothing");
    let mut process = Process::start(&sandbox);
    assert_eq!(process.hear("archived")["count"], 2);
    process.hear("committed");
    until("all is committed", || is_committed(&sandbox));
    assert_eq!(sandbox.documents(), ["archive", "task-open.md", "task-young.md"]);
    assert_eq!(subjects(&sandbox)[0], "task-failed: archived; task-old: archived");
    assert!(!process.says("archived", WHILE), "the last is due in a day");
    until("asleep", || {
        let before = process.sleeps();
        std::thread::sleep(Duration::from_secs(2));
        process.sleeps() == before
    });
    process.stop();
}

#[test]
fn the_settings_say_after_how_many_days_and_whether_at_all() {
    let sandbox = filled();
    sandbox.write(".mycelium/config.json", r#"{"archive": {"after_days": 0}}"#);
    let mut process = Process::start(&sandbox);
    assert!(!process.says("archived", WHILE), "0 is never");
    sandbox.write(".mycelium/config.json", r#"{"archive": {"after_days": 50}}"#);
    assert_eq!(process.hear("archived")["count"], 1);
    sandbox.write(".mycelium/config.json", r#"{"archive": {"after_days": 3}}"#);
    assert_eq!(process.hear("archived")["count"], 2);
    sandbox.write(".mycelium/config.json", r#"{"commit": {"auto": false}, "archive": {"after_days": 1}}"#);
    saved_days_ago(&sandbox, "task-more", "completed", 9);
    process.hear("settings");
    assert!(!process.says("archived", WHILE), "what cannot be committed stays");
    process.stop();
    assert_eq!(sandbox.documents(), ["archive", "task-more.md", "task-open.md"]);
}
