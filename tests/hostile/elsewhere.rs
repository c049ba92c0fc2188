//! Repositories that are not where they seem to be or not whose they seem to be, and parts of them that lead elsewhere.
#![allow(clippy::disallowed_methods, reason = "the test makes files")]
#![allow(clippy::unwrap_used, reason = "a scene that cannot be set has failed")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, lchown, symlink};
use std::path::{Path, PathBuf};

use crate::support::{FOLDER, Run, Sandbox, could_not_run};

const CREATE: [&str; 5] = ["task", "create", "--type", "x", "--json"];

/// Commands that write in every place there is.
const WRITERS: [&[&str]; 13] = [
    &["init", "--templates", "lean"],
    &["config", "set", "commit.author", "user"],
    &CREATE,
    &["task", "create", "--type", "x", "--id", "task-1"],
    &["task", "update", "task-1", "--status", "running"],
    &["agent", "set", "a", "--status", "busy"],
    &["commit", "--force"],
    &["watch", "--once"],
    &["status"],
    &["task", "list"],
    &["log"],
    &["check"],
    &["doctor", "--fix"],
];

/// Every file below a folder with its bytes, links not followed.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let kind = fs::symlink_metadata(&path).unwrap();
        if kind.is_dir() {
            all.extend(contents(&path));
        } else if kind.is_symlink() {
            all.insert(path.clone(), fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes());
        } else {
            all.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    all
}

/// It is refused as unsafe, by a write and by a read, with a hint.
#[track_caller]
fn refused(sandbox: &Sandbox, at: &Path, why: &str) -> String {
    for arguments in [&CREATE[..], &["status", "--json"]] {
        let mut command = sandbox.mycelium_command(arguments);
        let run = Run::of(command.arg("--root").arg(at));
        assert_eq!((run.code, run.stdout.as_str()), (Some(5), ""), "{run:?}");
        assert!(run.stderr.contains(why) && run.stderr.contains("\"hint\":\""), "{run:?}");
    }
    why.to_owned()
}

#[track_caller]
fn accepted(sandbox: &Sandbox, at: &Path) {
    let run = Run::of(sandbox.mycelium_command(&CREATE).arg("--root").arg(at));
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.stdout.contains("\"committed\":\""), "{run:?}");
}

/// Does it while the user trusts a folder, in one of git's ways of saying so.
fn trusting<T>(sandbox: &Sandbox, values: &[&str], act: impl FnOnce() -> T) -> T {
    for value in values {
        sandbox.git(&["config", "--global", "--add", "safe.directory", value]);
    }
    let done = act();
    sandbox.git(&["config", "--global", "--unset-all", "safe.directory"]);
    done
}

#[test]
fn bare_repositories_inside_a_checkout_are_refused() {
    let sandbox = Sandbox::new();
    sandbox.git(&["init", "-q", "--bare", "inner/evil.git"]);
    let bare = sandbox.path("inner/evil.git");
    // What a clone brings along: plain files, of which a folder happens to look like a repository.
    fs::write(bare.join("config"), "[core]\n\tbare = false\n\tworktree = ../../..\n\tfsmonitor = /bin/false\n")
        .unwrap();
    for at in [bare.clone(), bare.join("objects"), bare.join("refs/heads")] {
        refused(&sandbox, &at, "bare");
        trusting(&sandbox, &["*"], || refused(&sandbox, &at, "bare"));
    }
    accepted(&sandbox, &sandbox.path("inner"));
}

#[test]
fn a_git_file_or_link_that_leads_elsewhere_is_refused() {
    let sandbox = Sandbox::new();
    let before = sandbox.git(&["rev-parse", "HEAD"]);
    for (name, is_link) in [("file", false), ("link", true)] {
        let lure = sandbox.root().parent().unwrap().join(name);
        fs::create_dir(&lure).unwrap();
        let git_dir = sandbox.path(".git");
        if is_link {
            symlink(&git_dir, lure.join(".git")).unwrap();
        } else {
            fs::write(lure.join(".git"), format!("gitdir: {}\n", git_dir.display())).unwrap();
        }
        refused(&sandbox, &lure, "leads elsewhere");
        fs::create_dir(lure.join("below")).unwrap();
        refused(&sandbox, &lure.join("below"), "leads elsewhere");
        // What the repository itself says about its safety does not count.
        sandbox.git(&["config", "safe.directory", "*"]);
        refused(&sandbox, &lure, "leads elsewhere");
        sandbox.git(&["config", "--unset", "safe.directory"]);
        assert_eq!(sandbox.git(&["rev-parse", "HEAD"]), before);
        trusting(&sandbox, &["/nowhere", "*", ""], || refused(&sandbox, &lure, "leads elsewhere"));
        let path = lure.display().to_string();
        trusting(&sandbox, &[&path], || accepted(&sandbox, &lure));
        let above = format!("{}/*", lure.parent().unwrap().display());
        trusting(&sandbox, &[&above], || accepted(&sandbox, &lure));
        trusting(&sandbox, &["", "*"], || accepted(&sandbox, &lure));
        sandbox.git(&["reset", "-q", "--hard", &before]);
    }
}

#[test]
fn a_made_up_work_tree_of_anothers_repository_is_refused() {
    let sandbox = Sandbox::new();
    let lure = sandbox.root().parent().unwrap().join("lure");
    fs::create_dir_all(lure.join("own")).unwrap();
    // It says that it is a linked work tree and leads back, but the repository does not know it.
    fs::write(lure.join(".git"), "gitdir: ../made-up\n").unwrap();
    let made_up = lure.parent().unwrap().join("made-up");
    fs::create_dir(&made_up).unwrap();
    fs::write(made_up.join("HEAD"), "ref: refs/heads/main\n").unwrap();
    fs::write(made_up.join("commondir"), format!("{}\n", sandbox.path(".git").display())).unwrap();
    fs::write(made_up.join("gitdir"), format!("{}\n", lure.join(".git").display())).unwrap();
    refused(&sandbox, &lure, "leads elsewhere");
}

#[test]
fn linked_work_trees_and_submodules_are_no_lures() {
    let sandbox = Sandbox::new();
    sandbox.git(&["worktree", "add", "-q", "../linked"]);
    accepted(&sandbox, &sandbox.path("../linked"));
    let other = sandbox.root().display().to_string();
    sandbox.git(&["-c", "protocol.file.allow=always", "submodule", "add", "-q", &other, "module"]);
    accepted(&sandbox, &sandbox.path("module"));
    accepted(&sandbox, sandbox.root());
}

#[test]
fn a_work_tree_that_the_configuration_puts_elsewhere_is_refused() {
    let sandbox = Sandbox::new();
    let victim = sandbox.root().parent().unwrap().join("victim");
    fs::create_dir(&victim).unwrap();
    let path = victim.display().to_string();
    sandbox.git(&["config", "core.worktree", &path]);
    refused(&sandbox, sandbox.root(), "core.worktree");
    assert!(contents(&victim).is_empty());
    let here = sandbox.root().display().to_string();
    let before = sandbox.git(&["rev-parse", "HEAD"]);
    trusting(&sandbox, &[&here], || accepted(&sandbox, sandbox.root()));
    assert_ne!(sandbox.git(&["rev-parse", "HEAD"]), before);
    // Said in a file that the configuration includes, it has no effect or is refused; the victim is left alone.
    sandbox.git(&["config", "--unset", "core.worktree"]);
    sandbox.write("more.cfg", &format!("[core]\n\tworktree = {path}\n[safe]\n\tdirectory = *\n"));
    sandbox.git(&["config", "include.path", "../more.cfg"]);
    let before = contents(&victim);
    let run = sandbox.mycelium(&CREATE);
    assert!(matches!(run.code, Some(0 | 5)), "{run:?}");
    assert_eq!(contents(&victim), before);
}

#[test]
fn what_belongs_to_somebody_else_is_refused() {
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        return could_not_run("what_belongs_to_somebody_else_is_refused", "it needs root, to give files away");
    }
    let sandbox = Sandbox::new();
    sandbox.git(&["worktree", "add", "-q", "../linked"]);
    let linked = fs::canonicalize(sandbox.path("../linked")).unwrap();
    for (at, given) in [
        (sandbox.root(), sandbox.root().to_owned()),
        (sandbox.root(), sandbox.path(".git")),
        (&linked, linked.clone()),
        (&linked, linked.join(".git")),
        (&linked, sandbox.path(".git")),
        (&linked, sandbox.path(".git/worktrees/linked")),
    ] {
        let owner = fs::symlink_metadata(&given).unwrap().uid();
        lchown(&given, Some(12_345), None).unwrap();
        refused(&sandbox, at, "another user");
        let path = at.display().to_string();
        trusting(&sandbox, &[&path, ""], || refused(&sandbox, at, "another user"));
        for trusted in [&path[..], "*"] {
            let run =
                trusting(&sandbox, &[trusted], || Run::of(sandbox.mycelium_command(&["status"]).arg("--root").arg(at)));
            assert_eq!(run.code, Some(0), "{} is trusted: {run:?}", given.display());
        }
        lchown(&given, Some(owner), None).unwrap();
        accepted(&sandbox, at);
    }
}

#[test]
fn links_in_run_state_and_settings_lead_nowhere() {
    let outside = tempfile::tempdir().unwrap();
    let target = |name: &str| outside.path().join(name);
    let fill = || {
        fs::create_dir_all(target("folder/tmp")).unwrap();
        fs::write(target("file"), "canary\n").unwrap();
        fs::write(target("folder/config.json"), "{\"markdown\": {\"shape\": \"classic\"}}\n").unwrap();
        fs::write(target("folder/journal"), "canary\n").unwrap();
        contents(outside.path())
    };
    let before = fill();
    for (name, to) in [
        (".git/mycelium", "folder"),
        (".git/mycelium/journal", "file"),
        (".git/mycelium/tmp", "folder"),
        (".git/mycelium/folder.lock", "file"),
        (".git/mycelium/commit.lock", "file"),
        (".git/mycelium/watch.lock", "file"),
        (".git/mycelium/watch.json", "file"),
        (".git/mycelium/durable", "file"),
        (".git/mycelium/late", "folder"),
        (".mycelium", "folder"),
        (".mycelium/config.json", "file"),
        (".claude", "folder"),
        (FOLDER, "folder"),
    ] {
        let sandbox = Sandbox::new();
        fs::create_dir_all(sandbox.path(name).parent().unwrap()).unwrap();
        symlink(target(to), sandbox.path(name)).unwrap();
        for line in WRITERS {
            let run = sandbox.mycelium(line);
            assert!(run.code.is_some_and(|code| code != 101), "{name}: {line:?}: {run:?}");
            assert_eq!(contents(outside.path()), before, "{name}: {line:?}: {run:?}");
        }
        if name.starts_with(".mycelium") {
            // The settings stop no command: the link is a finding, and the defaults count.
            let said = sandbox.mycelium(&["check"]);
            assert!(said.code == Some(1) && said.stdout.contains("symbolic link"), "{said:?}");
        } else {
            refused(&sandbox, sandbox.root(), "symbolic link");
        }
    }
}

#[test]
fn links_in_gits_own_files_are_not_written_through() {
    let outside = tempfile::tempdir().unwrap();
    let file = outside.path().join("file");
    fs::write(&file, "canary\n").unwrap();
    for name in
        [".git/logs/HEAD", ".git/logs/refs/heads/main", ".git/info/exclude", ".git/index.lock", ".git/HEAD.lock"]
    {
        let sandbox = Sandbox::new();
        let _ = fs::remove_file(sandbox.path(name));
        symlink(&file, sandbox.path(name)).unwrap();
        sandbox.write(".mycelium/config.json", "{\"commit\": {\"branch\": \"apart\"}}");
        let _ = sandbox.mycelium(&CREATE);
        let _ = sandbox.mycelium(&["config", "set", "commit.branch", ""]);
        let _ = sandbox.mycelium(&CREATE);
        assert_eq!(contents(outside.path()).values().collect::<Vec<_>>(), [b"canary\n"], "{name}");
    }
}

#[test]
fn a_made_up_journal_of_a_commit_moves_and_removes_nothing() {
    let sandbox = Sandbox::new();
    let outside = tempfile::tempdir().unwrap();
    for name in ["Cargo.lock", "profile", "profile.lock"] {
        fs::write(outside.path().join(name), format!("{name}\n")).unwrap();
    }
    let before = contents(outside.path());
    fs::create_dir_all(sandbox.path(".git/mycelium")).unwrap();
    let head = sandbox.git(&["rev-parse", "HEAD"]);
    let nothing = "0".repeat(40);
    for (number, (new, target)) in
        [(&head, "profile"), (&nothing, "profile"), (&nothing, "Cargo")].into_iter().enumerate()
    {
        for role in ["index", "head", "branch"] {
            let path = outside.path().join(target).display().to_string();
            let journal = serde_json::json!({
                "process": 1, "branch": "refs/heads/main", "old": null, "new": new, "paths": ["../../profile", ".git/config"],
                "locks": [{ "role": role, "prepared": format!("{path}.lock"), "target": path }],
            });
            let name = format!(".git/mycelium/commit-999999999_{number}.json");
            sandbox.write(&name, &journal.to_string());
            let run = sandbox.mycelium(&CREATE);
            assert_eq!(run.code, Some(0), "{run:?}");
            assert_eq!(contents(outside.path()), before, "{journal}");
        }
    }
}

#[test]
fn the_repository_cannot_loosen_what_keeps_it_safe() {
    let sandbox = Sandbox::new();
    sandbox.write(".mycelium/config.json", "{\"commit\": {\"hooks\": true}, \"markdown\": {\"durability\": \"off\"}}");
    let list = sandbox.mycelium(&["config", "list", "--show-origin", "--json"]);
    let answer: serde_json::Value = serde_json::from_str(&list.ok()).unwrap();
    for (name, value) in
        [("commit.hooks", serde_json::json!(false)), ("markdown.durability", serde_json::json!("full"))]
    {
        let items = answer["data"]["items"].as_array().or_else(|| answer["data"]["settings"].as_array());
        let found =
            items.and_then(|items| items.iter().find(|item| item["key"] == name)).unwrap_or_else(|| panic!("{answer}"));
        assert_eq!(found["value"], value, "{found}");
    }
    let told = sandbox.mycelium(&["check"]);
    assert!(told.stdout.contains("MYC303"), "{told:?}");
}
