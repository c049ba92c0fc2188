//! `doctor` in places that are not well: what it says, what it mends, and what it leaves alone.
#![allow(clippy::disallowed_methods, reason = "tests touch files and start programs")]
#![allow(clippy::unwrap_used, reason = "a place that cannot be set up has failed")]

mod support;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::Value;
use support::{FOLDER, Run, Sandbox};

/// A process number that nobody has: beyond what Linux gives out.
const NOBODY: &str = "4194304";

/// What is said of a place, by check; where a check speaks twice, both.
fn doctor(sandbox: &Sandbox, arguments: &[&str]) -> (Option<i32>, BTreeMap<String, String>, Value) {
    let run = sandbox.mycelium(&[&["doctor", "--json"], arguments].concat());
    assert_eq!(run.stderr, "");
    let answer: Value = serde_json::from_str(&run.stdout).unwrap();
    let mut said: BTreeMap<String, String> = BTreeMap::new();
    for check in answer["data"]["checks"].as_array().unwrap() {
        let text = |key: &str| check[key].as_str().unwrap_or_default().to_owned();
        let line = format!("{}: {} | {}\n", text("verdict"), text("message"), text("fix"));
        said.entry(text("name")).or_default().push_str(&line);
    }
    (run.code, said, answer)
}

/// Every file below a folder with its bytes and its time, but for what is in these.
fn everything(folder: &Path, but: &[&str]) -> BTreeMap<String, (Vec<u8>, SystemTime)> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
            if but.iter().any(|but| name.starts_with(but)) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else {
                let time = fs::metadata(&path).unwrap().modified().unwrap();
                found.insert(name, (fs::read(&path).unwrap(), time));
            }
        }
    }
    found
}

fn age(path: &Path, seconds: u64) {
    let file = File::options().write(true).open(path).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(seconds)).unwrap();
}

#[test]
fn looking_changes_nothing() {
    let sandbox = Sandbox::new();
    let _ = sandbox.mycelium(&["task", "create", "--type", "x", "--id", "task-1"]).ok();
    let before = everything(sandbox.root(), &[]);
    let (code, said, answer) = doctor(&sandbox, &[]);
    assert_eq!((code, answer["data"]["problems"].as_u64()), (Some(0), Some(0)), "{said:?}");
    // The folder of the run state is looked into by trying; no file there is another one afterwards.
    assert_eq!(everything(sandbox.root(), &[]), before);
    for name in ["git-program", "repository", "branch", "folder", "format", "identity", "locks", "file-system", "disk"]
    {
        assert!(said[name].starts_with("ok: "), "{name}: {}", said[name]);
    }
}

#[test]
fn only_what_is_ours_is_mended() {
    let sandbox = Sandbox::new();
    let _ = sandbox.mycelium(&["task", "create", "--type", "x", "--id", "task-1"]).ok();
    let run = sandbox.path(".git/mycelium");
    // Of ours: what a killed commit leaves.
    for name in [format!("commit-{NOBODY}_0.index"), format!("commit-{NOBODY}_0.tree")] {
        fs::write(run.join(name), "x").unwrap();
    }
    fs::write(sandbox.path(&format!(".git/objects/tmp_mycelium_{NOBODY}_0_aa")), "x").unwrap();
    // Of others: their locks, their files, a text that is kept for somebody, a staged change.
    for lock in ["index.lock", "HEAD.lock", "refs/heads/main.lock", "packed-refs.lock"] {
        sandbox.write(&format!(".git/{lock}"), "");
        age(&sandbox.path(&format!(".git/{lock}")), 3_600);
    }
    sandbox.write(".git/mycelium/recovered/task-1-x.md", "theirs");
    sandbox.write(".git/objects/tmp_obj_x", "git's");
    sandbox.write(&format!("{FOLDER}/task-2.md"), "---\nid: [\n---\n");
    let ours = [".git/mycelium/commit-", ".git/objects/tmp_mycelium", ".git/mycelium/tmp", ".git/mycelium/probe"];
    let theirs = everything(sandbox.root(), &ours);

    let (code, said, _) = doctor(&sandbox, &[]);
    assert_eq!(code, Some(1), "{said:?}");
    assert_eq!(said["locks"].matches("has been held for").count(), 4, "{}", said["locks"]);
    assert!(said["locks"].contains("a commit that was killed left something behind"), "{}", said["locks"]);
    assert!(said["locks"].contains("rm '"), "{}", said["locks"]);
    assert!(said["late-saves"].contains("task-1-x.md"));
    assert!(said["format"].starts_with("problem: 1 error (MYC007) in 2 documents"), "{}", said["format"]);

    let (code, said, answer) = doctor(&sandbox, &["--fix"]);
    assert_eq!(code, Some(1), "the document is a person's to mend");
    assert_eq!(answer["data"]["fixed"].as_array().map(Vec::len), Some(1), "{answer}");
    assert!(!said["locks"].contains("left something behind"), "{}", said["locks"]);
    assert_eq!(said["locks"].matches("has been held for").count(), 4);
    assert_eq!(everything(sandbox.root(), &ours), theirs);
    assert!(!run.join(format!("commit-{NOBODY}_0.index")).exists());
    assert!(!sandbox.path(&format!(".git/objects/tmp_mycelium_{NOBODY}_0_aa")).exists());
    assert_eq!(doctor(&sandbox, &["--fix"]).2["data"]["fixed"], serde_json::json!([]), "once is enough");
}

#[test]
fn the_missing_is_made_and_nothing_else() {
    let sandbox = Sandbox::new();
    let (_, said, answer) = doctor(&sandbox, &["--fix"]);
    assert_eq!(answer["data"]["fixed"], serde_json::json!([format!("made the folder `{FOLDER}`")]));
    assert!(said["folder"].contains("is there and can be written"));
    assert!(sandbox.documents().is_empty());
    assert_eq!(sandbox.git(&["status", "--short"]), "");
}

#[test]
fn the_report_tells_no_secret_and_no_home() {
    let sandbox = Sandbox::new();
    let home = sandbox.root().parent().unwrap().join("home").canonicalize().unwrap();
    let inside = home.join("project");
    fs::create_dir(&inside).unwrap();
    let git = |arguments: &[&str]| {
        let mut command = sandbox.command("git");
        let _ = Run::of(command.current_dir(&inside).args(arguments)).ok();
    };
    git(&["init", "--quiet"]);
    git(&["remote", "add", "origin", "https://robin:hunter2@example.org/x.git"]);
    fs::create_dir_all(inside.join(".mycelium")).unwrap();
    let config = "{\"coordination\": {\"redis\": {\"password\": \"hunter3\", \"url\": 5}}}";
    fs::write(inside.join(".mycelium/config.json"), config).unwrap();
    File::create(inside.join(".git/index.lock")).unwrap();
    age(&inside.join(".git/index.lock"), 60);
    let mut command = sandbox.mycelium_command(&["doctor"]);
    let run = Run::of(command.current_dir(&inside).env("HOME", &home));
    let text = run.stdout + &run.stderr;
    assert!(text.contains("~/project") && text.contains("the remote `origin` holds a password"), "{text}");
    assert!(text.contains("`coordination.redis.password` holds a password, which does not belong"), "{text}");
    assert!(!text.contains("hunter") && !text.contains(home.to_str().unwrap()), "{text}");
}

#[test]
fn no_hostile_byte_reaches_the_terminal() {
    let sandbox = Sandbox::new();
    let hostile = "a\u{1b}[2Jb\u{202e}c";
    sandbox.write(
        ".mycelium/config.json",
        &serde_json::json!({ hostile: 1, "markdown": { "folder": hostile } }).to_string(),
    );
    sandbox.write(&format!("{hostile}/task-1.md"), "---\nid: [\n---\n");
    sandbox.git(&["config", &format!("remote.{hostile}.url"), "https://a:b@c/d"]);
    sandbox.write(".git/mycelium/recovered/\u{1b}[31m.md", "x");
    for arguments in [&["doctor"][..], &["doctor", "--fix"], &["doctor", "--color", "never"]] {
        let run = sandbox.mycelium(arguments);
        let text = run.stdout + &run.stderr;
        assert!(text.contains("\\u{1b}"), "{text}");
        let bad = text.chars().find(|c| *c != '\n' && mycelium::name::is_unsafe_to_show(*c));
        assert_eq!(bad, None, "{text:?}");
    }
}

#[test]
fn a_broken_place_is_told_all_the_same() {
    for (broken, name) in [
        ("echo garbage > .git/HEAD", "branch"),
        ("rm -r .git/objects", "repository"),
        ("printf garbage > .git/index", "contents"),
        ("echo '[core' >> .git/config", "repository"),
        ("mkdir -p .claude && ln -s /tmp .claude/coordination", "folder"),
        ("mkdir -p .claude && touch .claude/coordination", "folder"),
        ("mkdir .mycelium && ln -s x .mycelium/config.json", "configuration"),
    ] {
        let sandbox = Sandbox::new();
        let _ = Run::of(sandbox.command("sh").args(["-c", broken])).ok();
        let (code, said, _) = doctor(&sandbox, &[]);
        assert_eq!(code, Some(1), "{broken}: {said:?}");
        let problems = said.iter().filter(|(_, line)| line.contains("problem: ")).map(|(name, _)| name.as_str());
        let problems: Vec<&str> = problems.collect();
        assert!(problems.contains(&name), "{broken}: {said:?}");
        let (_, again, _) = doctor(&sandbox, &["--fix"]);
        assert!(again[name].contains("problem: "), "{broken}: {again:?}");
    }
}

#[test]
fn without_git_and_without_an_identity() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.mycelium_command(&["doctor"]);
    let run = Run::of(command.env("PATH", "/nowhere"));
    assert!(run.stdout.contains("✗ problem git-program    it cannot be started"), "{}", run.stdout);
    let mut command = sandbox.mycelium_command(&["doctor"]);
    let run = Run::of(command.env("GIT_CONFIG_GLOBAL", "/dev/null"));
    assert!(run.stdout.contains("✗ problem identity       git does not know who you are"), "{}", run.stdout);
    assert_eq!(run.code, Some(1));
}

/// A clone of a remote that has one commit; the remote lies beside it.
fn with_remote() -> (tempfile::TempDir, Sandbox) {
    let server = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::new();
    let remote = server.path().join("remote.git");
    sandbox.git(&["init", "--quiet", "--bare", remote.to_str().unwrap()]);
    sandbox.git(&["remote", "add", "origin", remote.to_str().unwrap()]);
    // Files beside the documents are pushed by git alone.
    sandbox.git(&["push", "--quiet", "-u", "origin", "main"]);
    let _ = sandbox.mycelium(&["task", "create", "--type", "x", "--id", "task-1"]).ok();
    sandbox.mycelium(&["sync"]).ok();
    (server, sandbox)
}

#[test]
fn a_broken_copy_of_a_remote_branch_is_found_and_said_and_the_way_out_works() {
    for (text, why) in [("", "it is empty"), ("\0\0\0\0", "it is empty"), ("garbage\n", "it holds no id")] {
        let (_server, sandbox) = with_remote();
        let file = ".git/refs/remotes/origin/main";
        sandbox.write(file, text);
        let run = sandbox.mycelium(&["sync"]);
        assert_ne!(run.code, Some(0), "{why}");
        let said = format!("the reference `refs/remotes/origin/main` is broken: {why}");
        assert!(run.stderr.contains(&said) && !run.stderr.contains("cannot be reached"), "{why}: {run:?}");
        assert!(run.stderr.contains("mycelium doctor --fix"), "{why}: {run:?}");
        let (code, found, _) = doctor(&sandbox, &[]);
        assert_eq!(code, Some(1), "{why}");
        assert!(found["references"].contains(&said), "{why}: {found:?}");
        // Documents are written and committed all the same.
        let _ = sandbox.mycelium(&["task", "note", "task-1", "on"]).ok();
        let (code, found, answer) = doctor(&sandbox, &["--fix"]);
        assert_eq!(code, Some(0), "{why}: {found:?}");
        assert!(answer["data"]["fixed"].to_string().contains("broken copies of remote branches"), "{why}: {answer}");
        sandbox.mycelium(&["sync"]).ok();
        assert_eq!(sandbox.git(&["rev-parse", "origin/main"]), sandbox.git(&["rev-parse", "HEAD"]), "{why}");
    }
}

/// The server is asked for everything that is not here, so a copy whose object is gone comes back by itself.
#[test]
fn a_copy_of_a_remote_branch_whose_object_is_gone_is_fetched_again() {
    let (_server, sandbox) = with_remote();
    sandbox.write(".git/refs/remotes/origin/main", &format!("{}\n", "1".repeat(40)));
    let (code, found, _) = doctor(&sandbox, &[]);
    assert_eq!(code, Some(1));
    assert!(found["references"].contains("the object that it is at is missing"), "{found:?}");
    sandbox.mycelium(&["sync"]).ok();
    assert_eq!(sandbox.git(&["rev-parse", "origin/main"]), sandbox.git(&["rev-parse", "HEAD"]));
}

#[test]
fn a_broken_branch_is_found_and_its_reflog_says_where_it_was() {
    let sandbox = Sandbox::new();
    let _ = sandbox.mycelium(&["task", "create", "--type", "x", "--id", "task-1"]).ok();
    let head = sandbox.git(&["rev-parse", "HEAD"]);
    sandbox.git(&["branch", "other"]);
    sandbox.write(".git/refs/heads/other", "");
    let (code, said, _) = doctor(&sandbox, &[]);
    assert_eq!(code, Some(1));
    let hint = format!("git update-ref refs/heads/other {}", head.trim());
    assert!(said["references"].contains(&hint), "{said:?}");
    // The hint works as it stands.
    let rm = sandbox.path(".git/refs/heads/other");
    fs::remove_file(rm).unwrap();
    sandbox.git(&["update-ref", "refs/heads/other", head.trim()]);
    assert_eq!(doctor(&sandbox, &[]).0, Some(0));
    // A branch is never removed by `--fix`: its commits could not be found again.
    sandbox.write(".git/refs/heads/other", "");
    let (_, said, _) = doctor(&sandbox, &["--fix"]);
    assert!(said.contains_key("references") && sandbox.path(".git/refs/heads/other").exists(), "{said:?}");

    // The branch that commits go to.
    sandbox.write(".git/refs/heads/main", "");
    let run = sandbox.mycelium(&["commit"]);
    assert!(run.stderr.contains("the reference `refs/heads/main` is broken: it is empty"), "{run:?}");
    assert!(run.stderr.contains(&format!("git update-ref refs/heads/main {}", head.trim())), "{run:?}");
}

#[test]
fn a_remote_that_is_gone_is_not_taken_for_a_broken_reference() {
    let (server, sandbox) = with_remote();
    sandbox.git(&["branch", "other"]);
    sandbox.write(".git/refs/heads/other", "");
    drop(server);
    let run = sandbox.mycelium(&["sync"]);
    assert_eq!(run.code, Some(75), "{run:?}");
    assert!(run.stderr.contains("cannot be reached"), "{run:?}");
}
