//! Settings that change while somebody watches: they hold from then on, and broken ones change nothing.

use std::time::Duration;

use serde_json::json;

use crate::process::{Process, is_committed, save, subjects, task, until};
use crate::support::{Sandbox, names};

const CONFIG: &str = ".mycelium/config.json";
/// Long enough for a commit that should not come.
const WHILE: Duration = Duration::from_millis(1_500);

fn agent_update(sandbox: &Sandbox, id: &str, status: &str) {
    sandbox.mycelium(&["task", "update", id, "--status", status, "--as", "alice"]).ok();
}

#[test]
fn commits_cease_and_go_on_as_the_settings_say() {
    let sandbox = Sandbox::new();
    let mut process = Process::start(&sandbox);
    save(&sandbox, "task-1", "pending");
    process.hear("committed");
    sandbox.write(CONFIG, r#"{"commit": {"auto": false}}"#);
    assert_eq!(process.hear("settings")["keys"], json!(["commit.auto"]));
    save(&sandbox, "task-1", "running");
    assert!(!process.says("committed", WHILE), "commits are off");
    assert!(process.said.iter().any(|notice| notice["event"] == "waiting"), "{:?}", process.said);
    sandbox.write(CONFIG, r#"{"commit": {"author": "user"}}"#);
    assert_eq!(process.hear("settings")["keys"], json!(["commit.auto", "commit.author"]));
    process.hear("committed");
    assert!(is_committed(&sandbox));
    agent_update(&sandbox, "task-1", "completed");
    process.hear("committed");
    assert_eq!(sandbox.git(&["log", "-1", "--format=%an"]), "Robin");
    std::fs::remove_file(sandbox.path(CONFIG)).unwrap();
    assert_eq!(process.hear("settings")["keys"], json!(["commit.author"]));
    sandbox.mycelium(&["task", "note", "task-1", "seen", "--as", "alice"]).ok();
    process.hear("committed");
    assert_eq!(sandbox.git(&["log", "-1", "--format=%an"]), "alice");
    until("asleep", || {
        let before = process.sleeps();
        std::thread::sleep(Duration::from_secs(2));
        process.sleeps() == before
    });
    process.stop();
}

#[test]
fn another_folder_is_watched_from_then_on() {
    let sandbox = Sandbox::new();
    let mut process = Process::start(&sandbox);
    save(&sandbox, "task-1", "pending");
    process.hear("committed");
    sandbox.mycelium(&["config", "set", "markdown.folder", "notes/here"]).ok();
    let told = process.hear("settings");
    assert_eq!((&told["keys"], &told["folder"]), (&json!(["markdown.folder"]), &json!("notes/here")));
    let before = subjects(&sandbox).len();
    sandbox.write("notes/here/task-2.md", &task("task-2", "pending"));
    process.hear("committed");
    sandbox.write("notes/here/task-2.md", &task("task-2", "running"));
    process.hear("committed");
    save(&sandbox, "task-1", "running");
    assert!(!process.says("committed", WHILE), "the folder before is nobody's any more");
    assert_eq!(subjects(&sandbox).len(), before);
    assert_eq!(sandbox.git(&["log", "--format=%s", "--", "notes"]).lines().count(), 2);
    process.stop();
}

#[test]
fn what_was_written_with_the_folder_before_is_committed_there() {
    let sandbox = Sandbox::new();
    let process = Process::start(&sandbox);
    sandbox.mycelium(&["task", "create", "--id", "task-1", "--type", "t"]).ok();
    sandbox.mycelium(&["config", "set", "markdown.folder", "notes"]).ok();
    sandbox.mycelium(&["task", "create", "--id", "task-2", "--type", "t"]).ok();
    let files = || sandbox.git(&["ls-tree", "-r", "--name-only", "HEAD"]);
    until("both are committed where they are", || {
        files().lines().any(|file| file == "notes/task-2.md")
            && files().lines().any(|file| file == ".claude/coordination/task-1.md")
    });
    process.stop();
    assert_eq!(names(&sandbox.path("notes")), ["task-2.md"]);
    let files: Vec<String> = files().lines().filter(|file| file.ends_with(".md")).map(str::to_owned).collect();
    assert_eq!(files, [".claude/coordination/task-1.md", "README.md", "notes/task-2.md"]);
}

#[test]
fn another_branch_takes_the_commits_and_is_watched() {
    let sandbox = Sandbox::new();
    let mut process = Process::start(&sandbox);
    sandbox.write(CONFIG, r#"{"commit": {"branch": "coordination"}}"#);
    process.hear("settings");
    save(&sandbox, "task-1", "pending");
    process.hear("committed");
    let tip = sandbox.git(&["rev-parse", "coordination"]);
    assert!(sandbox.git(&["log", "-1", "--format=%s", "coordination"]).starts_with("task-1"));
    assert_eq!(subjects(&sandbox), [""; 0], "nothing on the current branch");
    // Somebody else moves that branch: the folder follows.
    sandbox.write("elsewhere/.claude/coordination/task-2.md", &task("task-2", "pending"));
    let blob = sandbox.git(&["hash-object", "-w", "elsewhere/.claude/coordination/task-2.md"]);
    sandbox.git(&["read-tree", "--index-output=.git/other", "coordination"]);
    let index = |arguments: &[&str]| {
        let output = sandbox.command("git").env("GIT_INDEX_FILE", ".git/other").args(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    index(&["update-index", "--add", "--cacheinfo", &format!("100644,{blob},.claude/coordination/task-2.md")]);
    let tree = index(&["write-tree"]);
    let commit = sandbox.git(&["commit-tree", &tree, "-p", &tip, "-m", "elsewhere"]);
    sandbox.git(&["update-ref", "refs/heads/coordination", &commit]);
    until("the folder follows", || sandbox.documents().contains(&"task-2.md".to_owned()));
    process.stop();
}

#[test]
fn broken_settings_are_told_once_and_change_nothing() {
    let sandbox = Sandbox::new();
    sandbox.write(CONFIG, r#"{"commit": {"author": "user"}}"#);
    let mut process = Process::start(&sandbox);
    sandbox.write(CONFIG, "{\n  \"commit\": {\"author\": agent}\n}\n");
    let told = process.hear("settings-broken");
    let message = told["message"].as_str().unwrap();
    assert!(message.contains(".mycelium/config.json:2:24: expected value"), "{message}");
    assert!(told["hint"].is_string(), "{told}");
    sandbox.mycelium(&["task", "create", "--id", "task-1", "--type", "t", "--as", "alice"]).ok();
    process.hear("committed");
    assert_eq!(sandbox.git(&["log", "-1", "--format=%an"]), "Robin", "the last good ones hold");
    sandbox.write(CONFIG, r#"{"commit": {"author": "nobody"}}"#);
    let told = process.hear("settings-broken");
    assert!(told["message"].as_str().unwrap().contains("`commit.author` is \"nobody\""), "{told}");
    sandbox.write(CONFIG, r#"{"commit": {"author": "user"}}"#);
    assert_eq!(process.hear("settings")["keys"], json!([]), "in order again");
    let said = process.stop();
    let broken = said.iter().filter(|notice| notice["event"] == "settings-broken").count();
    assert_eq!(broken, 2, "each once: {said:?}");
}

#[test]
fn the_users_own_settings_are_watched_where_they_will_be() {
    let sandbox = Sandbox::new();
    let mut process = Process::start(&sandbox);
    let own = "../home/.config/mycelium/config.json";
    sandbox.write(own, r#"{"commit": {"auto": false}}"#);
    assert_eq!(process.hear("settings")["keys"], json!(["commit.auto"]));
    sandbox.write(own, r#"{"commit": {"auto": true}}"#);
    process.hear("settings");
    std::fs::remove_dir_all(sandbox.path("../home/.config")).unwrap();
    save(&sandbox, "task-1", "pending");
    process.hear("committed");
    sandbox.mycelium(&["config", "set", "--user", "commit.author", "user"]).ok();
    assert_eq!(process.hear("settings")["keys"], json!(["commit.author"]));
    process.stop();
}
