//! From a save to a commit.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mycelium::engine::SETTLE_MS;

use crate::process::{Process, is_committed, save, subjects, task, until};
use crate::support::{FOLDER, Sandbox, could_not_run, sized};

#[test]
fn a_save_is_committed_once_and_then_all_sleep() {
    let sandbox = Sandbox::new();
    let mut process = Process::start(&sandbox);
    assert_eq!(process.said[0]["event"], "first-time");
    let mut quickest = Duration::MAX;
    for (i, status) in ["pending", "running", "completed"].into_iter().enumerate() {
        let began = Instant::now();
        save(&sandbox, "task-1", status);
        process.hear("committed");
        quickest = quickest.min(began.elapsed());
        assert_eq!(subjects(&sandbox).len(), i + 1);
    }
    // 300 ms on a quiet machine; what matters here is that it is not a matter of polling.
    assert!(quickest < Duration::from_millis(1_500), "{quickest:?}");
    assert!(subjects(&sandbox)[0].starts_with("task-1: running → completed"), "{:?}", subjects(&sandbox));
    assert!(!process.says("committed", Duration::from_secs(1)), "its own commit is no change");
    let before = process.sleeps();
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(process.sleeps() - before, 0, "wake-ups while nothing happened");
    process.stop();
    assert_eq!(sandbox.git(&["status", "--porcelain"]), "");
    sandbox.git(&["fsck", "--strict"]);
}

#[test]
fn a_burst_is_committed_whole_in_few_commits() {
    let many = sized("MYCELIUM_BURST", 800, 10_000);
    let sandbox = Sandbox::new();
    let process = Process::start(&sandbox);
    for i in 0..many {
        save(&sandbox, &format!("task-{i}"), "pending");
    }
    let files = || sandbox.git(&["ls-tree", "-r", "--name-only", "HEAD", "--", FOLDER]).lines().count();
    let began = Instant::now();
    while files() < many {
        assert!(began.elapsed() < Duration::from_secs(120), "{} of {many} are committed", files());
        std::thread::sleep(Duration::from_millis(200));
    }
    assert!(is_committed(&sandbox));
    assert!(subjects(&sandbox).len() < 60, "bursts are one commit each: {}", subjects(&sandbox).len());
    process.stop();
}

/// A text that tells whether it is whole, in several parts each of which could be taken for a document.
fn sealed(id: usize, version: usize) -> Vec<String> {
    let mut parts = vec![task(&format!("task-{id}"), "running")];
    parts.extend((0..5).map(|line| format!("- version {version}, line {line}\n")));
    parts.push(format!("end {version}\n"));
    parts
}

fn is_whole(text: &str) -> bool {
    let version = |line: &str| line.strip_prefix("end ").map(|v| format!("- version {v}, line 4"));
    let last = text.lines().last().and_then(version);
    last.is_some_and(|line| {
        text.lines().any(|l| l == line) && text.lines().count() == sealed(0, 0).concat().lines().count()
    })
}

/// Saves one version in slices; tells whether the machine stopped for so long in between that nobody could tell it from
/// a finished save.
fn save_in_slices(file: &Path, parts: &[String], pause: Duration) -> bool {
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    let mut file = OpenOptions::new().create(true).write(true).truncate(true).open(file).unwrap();
    let mut stalled = false;
    let mut last = Instant::now();
    for part in parts {
        std::thread::sleep(pause);
        file.write_all(part.as_bytes()).unwrap();
        stalled |= last.elapsed() > Duration::from_millis(SETTLE_MS - 40);
        last = Instant::now();
    }
    stalled
}

/// As vim does: the old file aside, a new one, the old one gone.
fn save_like_vim(file: &Path, parts: &[String]) {
    let _ = fs::rename(file, file.with_extension("md~"));
    fs::write(file, parts.concat()).unwrap();
    let _ = fs::remove_file(file.with_extension("md~"));
}

#[test]
fn a_torn_save_is_never_committed() {
    let sandbox = Sandbox::new();
    let process = Process::start(&sandbox);
    let stalled = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for id in 0..4 {
            let (file, stalled) = (sandbox.path(&format!("{FOLDER}/task-{id}.md")), &stalled);
            scope.spawn(move || {
                for version in 0..sized("MYCELIUM_SAVES", 8, 80) {
                    let parts = sealed(id, version);
                    if version % 3 == 2 {
                        save_like_vim(&file, &parts);
                    } else if save_in_slices(&file, &parts, Duration::from_millis(40 + 20 * id as u64)) {
                        stalled.fetch_add(1, Ordering::SeqCst);
                    }
                    std::thread::sleep(Duration::from_millis(900));
                }
            });
        }
    });
    until("the last versions", || is_committed(&sandbox));
    process.stop();
    let (mut versions, mut torn) = (0, Vec::new());
    for revision in sandbox.git(&["log", "--format=%H", "--", FOLDER]).lines() {
        for path in sandbox.git(&["diff-tree", "--root", "-r", "--no-commit-id", "--name-only", revision]).lines() {
            let text = sandbox.git(&["show", &format!("{revision}:{path}")]);
            versions += 1;
            if !is_whole(&text) {
                torn.push(format!("{path} of {revision}:\n{text}"));
            }
        }
    }
    let stalled = stalled.into_inner();
    assert!(torn.len() <= stalled, "{} torn saves, {stalled} stalled ones: {}", torn.len(), torn.join("\n"));
    assert!(versions >= 8, "only {versions} versions were committed");
}

#[test]
fn what_does_not_parse_waits_until_it_heals() {
    let sandbox = Sandbox::new();
    let mut process = Process::start(&sandbox);
    sandbox.write(&format!("{FOLDER}/task-1.md"), "---\nid: [\n---\n");
    let held = process.hear("held");
    assert_eq!(held["path"], format!("{FOLDER}/task-1.md"));
    assert!(held["message"].as_str().unwrap().starts_with("held back `task-1.md`: "), "{held}");
    assert!(held["hint"].is_string());
    save(&sandbox, "task-2", "pending");
    process.hear("committed");
    assert!(!is_committed(&sandbox));
    save(&sandbox, "task-1", "pending");
    process.hear("healed");
    process.hear("committed");
    assert!(is_committed(&sandbox));
    process.stop();
}

#[test]
fn deletions_wait_a_little_and_many_for_a_person() {
    let sandbox = Sandbox::new();
    (0..30).for_each(|i| save(&sandbox, &format!("task-{i}"), "pending"));
    let mut process = Process::start(&sandbox);
    process.hear("committed");
    let began = Instant::now();
    fs::remove_file(sandbox.path(&format!("{FOLDER}/task-0.md"))).unwrap();
    process.hear("committed");
    assert!(began.elapsed() > Duration::from_millis(1_900), "{:?}", began.elapsed());
    fs::remove_dir_all(sandbox.path(FOLDER)).unwrap();
    let guarded = process.hear("guarded");
    assert_eq!((&guarded["deleted"], &guarded["of"]), (&29.into(), &29.into()));
    assert!(!process.says("committed", Duration::from_secs(1)));
    sandbox.git(&["restore", FOLDER]);
    save(&sandbox, "task-30", "pending");
    process.hear("committed");
    assert!(is_committed(&sandbox));
    process.stop();
}

#[test]
fn without_file_events_the_folder_is_compared_from_time_to_time() {
    let sandbox = Sandbox::new();
    let limit = "echo 0 > /proc/sys/user/max_inotify_instances";
    let probe = sandbox.command("unshare").args(["--user", "--map-root-user", "sh", "-c", limit]).output();
    if !probe.is_ok_and(|output| output.status.success()) {
        return could_not_run("without_file_events_the_folder_is_compared", "no user namespaces here");
    }
    let mut process = Process::under(&sandbox, limit);
    let degraded = process.hear("degraded");
    assert!(degraded["hint"].as_str().unwrap().contains("max_user_instances"), "{degraded}");
    process.hear("ready");
    save(&sandbox, "task-1", "pending");
    process.hear("committed");
    assert!(is_committed(&sandbox));
    process.stop();
}

#[test]
fn a_new_error_or_warning_in_a_committed_document_is_reported_once() {
    let sandbox = Sandbox::new();
    let mut process = Process::start(&sandbox);
    let file = format!("{FOLDER}/task-1.md");
    let text = "---\n? id\n: task-1\n? type\n: train\n? status\n: pending\n---\n\n# T\n";
    sandbox.write(&file, text);
    let finding = process.hear("finding");
    assert_eq!(finding["code"], "MYC108", "{finding}");
    let message = finding["message"].as_str().unwrap();
    assert!(message.contains("it can be read, but not edited"), "{message}");
    // It is committed all the same, and not reported again with the next change.
    until("it is committed", || is_committed(&sandbox));
    sandbox.write(&file, &text.replace("# T", "# U"));
    process.hear("committed");
    // What the next save breaks is: a value, a key that is missing, a task that is not there.
    let sound = task("task-2", "pending");
    sandbox.write(&format!("{FOLDER}/task-2.md"), &sound);
    process.hear("committed");
    assert!(process.said.iter().filter(|one| one["event"] == "finding").count() == 1, "{:?}", process.said);
    for (broken, code, severity) in [
        (sound.replace("pending", "runing"), "MYC102", "error"),
        (sound.replace("type: train\n", ""), "MYC101", "warning"),
        (sound.replace("type: train", "type: train\ndepends_on: [task-9]"), "MYC202", "error"),
    ] {
        sandbox.write(&format!("{FOLDER}/task-2.md"), &broken);
        let finding = process.hear("finding");
        let found = [&finding["code"], &finding["severity"], &finding["path"]];
        assert_eq!(found, [code, severity, &format!("{FOLDER}/task-2.md")], "{finding}");
        assert!(finding["hint"].is_string() && finding["line"].is_u64(), "{finding}");
    }
    let said = process.stop();
    assert_eq!(said.iter().filter(|one| one["event"] == "finding").count(), 4, "{said:?}");
}
