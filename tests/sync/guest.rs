//! The user's own: other files, staged work, protected branches, and what the repository would like to have started.
#![allow(clippy::disallowed_methods, reason = "the test makes files and starts programs")]
#![allow(clippy::unwrap_used, reason = "a scene that cannot be set has failed")]

use crate::scene::{Scene, code, data, fault, script, sync, task};
use crate::support::{FOLDER, Run, Sandbox};

#[test]
fn other_files_come_with_a_fast_forward_and_with_a_merge() {
    let scene = Scene::new(2);
    let [a, b] = &scene.clones[..] else { panic!() };
    code(a, "code.txt", "one\n");
    a.git(&["push", "--quiet", "origin", "main"]);
    assert_eq!(sync(b)["other_files"], 1);
    assert_eq!(b.read("code.txt"), "one\n");
    code(a, "code.txt", "two\n");
    task(a, "task-1");
    let run = a.mycelium(&["sync", "--json"]);
    assert_eq!(run.code, Some(1), "other files do not go without a word: {run:?}");
    assert_eq!(data(&run.stdout)["unpushed"]["paths"][0], "code.txt");
    a.mycelium(&["sync", "--with-code"]).ok();
    task(b, "task-2");
    let merged = sync(b);
    assert_eq!((merged["other_files"].as_u64(), merged["came_count"].as_u64()), (Some(1), Some(1)), "{merged}");
    assert_eq!(b.read("code.txt"), "two\n");
    sync(a);
    scene.is_one();
}

#[test]
fn a_clone_without_a_commit_gets_everything() {
    let scene = Scene::new(1);
    let a = &scene.clones[0];
    code(a, "code/main.c", "one\n");
    task(a, "task-1");
    a.mycelium(&["sync", "--with-code"]).ok();
    let b = Sandbox::below(&scene.file("late"));
    b.git(&["init", "--quiet"]);
    b.git(&["remote", "add", "origin", scene.remote().to_str().unwrap()]);
    b.write("code/own.c", "mine\n");
    sync(&b);
    assert_eq!((b.read("code/main.c"), b.documents()), ("one\n".into(), vec!["task-1.md".into()]));
    assert_eq!(b.git(&["status", "--porcelain"]), "?? code/own.c");
    assert_eq!(b.git(&["rev-parse", "HEAD"]), a.git(&["rev-parse", "HEAD"]));
}

#[test]
fn where_both_changed_other_files_nothing_happens_unless_it_is_asked_for() {
    let scene = Scene::new(2);
    let [a, b] = &scene.clones[..] else { panic!() };
    code(a, "a.txt", "a\n");
    task(a, "task-1");
    a.mycelium(&["sync", "--with-code"]).ok();
    code(b, "b.txt", "b\n");
    task(b, "task-2");
    let before = b.git(&["rev-parse", "HEAD"]);
    let run = b.mycelium(&["sync", "--json"]);
    assert_eq!((run.code, fault(&run)["code"].as_str()), (Some(4), Some("other-files")), "{run:?}");
    assert_eq!(b.git(&["rev-parse", "HEAD"]), before);
    let run = b.mycelium(&["sync", "--merge", "--no-push", "--json"]).ok();
    assert_eq!(data(&run)["unpushed"]["why"], "asked");
    assert_eq!((b.read("a.txt"), b.read("b.txt")), ("a\n".into(), "b\n".into()));
    assert_eq!(b.documents(), ["task-1.md", "task-2.md"]);
    b.mycelium(&["sync", "--with-code"]).ok();
    sync(a);
    scene.is_one();
    // The same place on both sides is for a person.
    for (clone, text) in [(a, "one\n"), (b, "two\n")] {
        code(clone, "a.txt", text);
    }
    a.mycelium(&["sync", "--with-code"]).ok();
    let before = b.git(&["rev-parse", "HEAD"]);
    let run = b.mycelium(&["sync", "--merge", "--json"]);
    assert_eq!(run.code, Some(4), "{run:?}");
    assert!(fault(&run)["message"].as_str().unwrap().contains("a.txt"), "{run:?}");
    assert_eq!((b.git(&["rev-parse", "HEAD"]), b.read("a.txt")), (before, "two\n".into()));
    assert_eq!(b.git(&["status", "--porcelain"]), "");
}

#[test]
fn what_is_not_committed_is_never_overwritten() {
    let scene = Scene::new(2);
    let [a, b] = &scene.clones[..] else { panic!() };
    code(a, "code.txt", "one\n");
    task(a, "task-1");
    a.mycelium(&["sync", "--with-code"]).ok();
    sync(b);
    code(a, "code.txt", "two\n");
    a.mycelium(&["sync", "--with-code"]).ok();
    b.write("code.txt", "mine\n");
    task(b, "task-2");
    let run = b.mycelium(&["sync", "--json"]);
    assert_eq!((run.code, fault(&run)["code"].as_str()), (Some(4), Some("in-the-way")), "{run:?}");
    assert_eq!(b.read("code.txt"), "mine\n");
    assert_eq!(b.git(&["status", "--porcelain"]), " M code.txt");
    b.git(&["checkout", "--quiet", "code.txt"]);
    sync(b);
    assert_eq!(b.read("code.txt"), "two\n");
    sync(a);
    scene.is_one();
}

#[test]
fn staged_work_stays_staged() {
    let scene = Scene::new(2);
    let [a, b] = &scene.clones[..] else { panic!() };
    b.write("staged.txt", "staged\n");
    b.git(&["add", "staged.txt"]);
    b.write("loose.txt", "loose\n");
    b.write("README.md", "changed\n");
    b.git(&["add", "README.md"]);
    b.write("README.md", "changed again\n");
    let before = (b.git(&["status", "--porcelain"]), b.git(&["diff", "--cached"]));
    code(a, "code.txt", "one\n");
    task(a, "task-1");
    a.mycelium(&["sync", "--with-code"]).ok();
    task(b, "task-2");
    let merged = sync(b);
    assert_eq!(merged["merged"].as_array().map(Vec::len), Some(1), "{merged}");
    assert_eq!((b.git(&["status", "--porcelain"]), b.git(&["diff", "--cached"])), before);
    assert_eq!(b.read("code.txt"), "one\n");
    sync(a);
    assert!(!a.path("staged.txt").exists());
    assert_eq!(a.read("README.md"), "A project.\n");
}

#[test]
fn a_protected_branch_is_told_with_the_way_around() {
    let scene = Scene::new(1);
    let a = &scene.clones[0];
    scene.protect("main takes requests only");
    task(a, "task-1");
    let run = a.mycelium(&["sync"]);
    assert_eq!(run.code, Some(4), "{run:?}");
    for words in ["main takes requests only", "git push origin HEAD:refs/heads/", "commit.branch"] {
        assert!(run.stderr.contains(words), "{words}: {run:?}");
    }
    let run = a.mycelium(&["task", "claim", "task-1", "--push", "--as", "ann", "--json"]);
    assert_eq!((run.code, fault(&run)["code"].as_str()), (Some(4), Some("push-refused")), "{run:?}");
    assert!(a.read(&format!("{FOLDER}/task-1.md")).contains("status: pending"), "the claim is undone");
}

#[test]
fn while_a_merge_is_under_way_it_waits() {
    let scene = Scene::new(1);
    let a = &scene.clones[0];
    let head = a.git(&["rev-parse", "HEAD"]);
    a.write(".git/MERGE_HEAD", &format!("{head}\n"));
    let run = a.mycelium(&["sync"]);
    assert!(run.code == Some(75) && run.stderr.contains("a git merge is under way"), "{run:?}");
}

#[test]
fn nothing_that_the_repository_names_is_started() {
    let scene = Scene::new(2);
    let [a, b] = &scene.clones[..] else { panic!() };
    let (canary, song) = (scene.file("canary"), scene.file("song"));
    script(&canary, &format!("echo \"$0 $*\" >> '{}'; exit 1", song.display()));
    let canary = canary.to_str().unwrap();
    for key in [
        "core.sshCommand",
        "core.gitProxy",
        "core.askPass",
        "core.fsmonitor",
        "core.alternateRefsCommand",
        "credential.helper",
        "remote.origin.uploadpack",
        "remote.origin.receivepack",
        "remote.origin.vcs",
        "uploadpack.packObjectsHook",
    ] {
        b.git(&["config", key, canary]);
    }
    for hook in ["pre-push", "reference-transaction", "post-merge", "post-checkout", "post-index-change", "pre-commit"]
    {
        script(&b.path(".git/hooks").join(hook), &format!("exec {canary} {hook}"));
    }
    task(a, "task-1");
    sync(a);
    task(b, "task-2");
    let _ = b.mycelium(&["sync"]);
    let run = |arguments: &[&str]| Run::of(&mut b.mycelium_command(arguments));
    // A remote that is a program, and one that needs one.
    let ssh = "ssh://nobody@127.0.0.1:1/x".to_owned();
    // To git the second one is a path where nothing is.
    for (url, code) in [(format!("ext::{canary} %S"), 1), (format!("{canary}::x"), 75), (ssh, 75)] {
        b.git(&["-c", "core.fsmonitor=false", "config", "remote.origin.url", &url]);
        let run = run(&["sync"]);
        assert_eq!(run.code, Some(code), "{url}: {run:?}");
    }
    assert!(!song.exists(), "{}", std::fs::read_to_string(&song).unwrap_or_default());
}

/// A change of a document's mode or sort that a clone commits.
fn odd(clone: &Sandbox, is_link: bool) -> &'static str {
    let name = if is_link { "task-9.md" } else { "task-1.md" };
    let file = clone.path(&format!("{FOLDER}/{name}"));
    if is_link {
        std::os::unix::fs::symlink("task-1.md", &file).unwrap();
    } else {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&file, mode).unwrap();
    }
    clone.git(&["add", file.to_str().unwrap()]);
    clone.git(&["commit", "--quiet", "-m", "Odd"]);
    name
}

#[test]
fn a_mode_and_a_link_with_the_name_of_a_document_are_never_lost() {
    for (is_link, is_merge) in [(true, true), (true, false), (false, true), (false, false)] {
        let scene = Scene::new(2);
        let [a, b] = &scene.clones[..] else { panic!() };
        task(a, "task-1");
        sync(a);
        sync(b);
        let name = odd(a, is_link);
        a.git(&["push", "--quiet", "origin", "main"]);
        if is_merge {
            task(b, "task-2");
            b.mycelium(&["commit", "-q"]).ok();
        }
        let before = b.git(&["rev-parse", "HEAD"]);
        let run = b.mycelium(&["sync"]);
        assert!(run.code != Some(0) && run.stderr.contains(name) && run.stderr.contains("git merge"), "{run:?}");
        assert_eq!((b.git(&["rev-parse", "HEAD"]), b.git(&["status", "--porcelain"])), (before, String::new()));
        b.git(&["pull", "--quiet", "--no-rebase", "--no-edit"]);
        task(b, "task-3");
        sync(b);
        sync(a);
        assert_eq!(b.git(&["status", "--porcelain"]), "");
        let kept = a.git(&["ls-files", "--stage", "--", &format!("{FOLDER}/{name}")]);
        assert!(kept.starts_with(if is_link { "120000" } else { "100755" }), "{kept}");
        scene.is_one();
    }
}

#[test]
fn what_is_odd_here_is_not_lost_where_other_files_come() {
    let scene = Scene::new(2);
    let [a, b] = &scene.clones[..] else { panic!() };
    task(a, "task-1");
    sync(a);
    sync(b);
    let name = odd(b, false);
    task(a, "task-2");
    sync(a);
    sync(b);
    assert!(b.git(&["ls-files", "--stage", "--", &format!("{FOLDER}/{name}")]).starts_with("100755"));
    a.git(&["pull", "--quiet"]);
    odd(b, true);
    code(a, "code.txt", "one\n");
    a.git(&["push", "--quiet", "origin", "main"]);
    let run = b.mycelium(&["sync"]);
    assert!(run.code != Some(0) && run.stderr.contains("task-9.md"), "{run:?}");
    assert_eq!(b.git(&["status", "--porcelain"]), "");
}

/// A `git commit` whose hook waits while a file is there.
fn held_commit(clone: &Sandbox) -> (std::process::Child, std::path::PathBuf) {
    let (hold, mark) = (clone.path("../hold"), clone.path("../held"));
    std::fs::write(&hold, "").unwrap();
    let text = format!("touch '{}'; while [ -e '{}' ]; do sleep 0.02; done", mark.display(), hold.display());
    script(&clone.path(".git/hooks/pre-commit"), &text);
    clone.write("mine.txt", "mine\n");
    clone.git(&["add", "mine.txt"]);
    let git = clone.command("git").args(["commit", "--quiet", "-m", "user: mine"]).spawn().unwrap();
    let began = std::time::Instant::now();
    while !mark.exists() {
        assert!(began.elapsed().as_secs() < 60, "the hook does not begin");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    (git, hold)
}

#[test]
fn while_a_person_commits_nothing_is_exchanged() {
    let scene = Scene::new(2);
    let [a, b] = &scene.clones[..] else { panic!() };
    task(a, "task-1");
    sync(a);
    sync(b);
    a.mycelium(&["task", "note", "task-1", "from a"]).ok();
    sync(a);
    let (mut git, hold) = held_commit(b);
    let head = b.git(&["rev-parse", "HEAD"]);
    for command in [&["sync", "--json"][..], &["--as", "ben", "task", "claim", "task-1", "--push", "--json"]] {
        let run = b.mycelium(command);
        assert_eq!(run.code, Some(75), "{run:?}");
        let message = fault(&run)["message"].as_str().unwrap().to_owned();
        assert!(message.contains("a `git commit` is under way (process "), "{message}");
        assert_eq!(b.git(&["rev-parse", "HEAD"]), head, "{command:?}");
    }
    assert!(!b.read(&format!("{FOLDER}/task-1.md")).contains("claimed_by"), "the claim was undone");
    std::fs::remove_file(hold).unwrap();
    assert!(git.wait().unwrap().success());
    assert_eq!(b.git(&["show", "--format=", "--name-only", "HEAD"]), "mine.txt");
    b.mycelium(&["sync", "--with-code"]).ok();
    assert!(b.read(&format!("{FOLDER}/task-1.md")).contains("from a"));
}

#[test]
fn on_a_branch_of_its_own_a_link_stops_no_exchange() {
    let scene = Scene::apart(2);
    let [a, b] = &scene.clones[..] else { panic!() };
    task(a, "task-1");
    sync(a);
    sync(b);
    // With plain git, in a work tree of its own, as a person or another tool may do it.
    let push = |what: &dyn Fn(&Sandbox)| {
        let other = Sandbox::below(&scene.file("other"));
        std::fs::remove_dir_all(other.root()).unwrap();
        std::fs::create_dir_all(other.root()).unwrap();
        other.git(&["clone", "--quiet", "-b", "coordination", scene.remote().to_str().unwrap(), "."]);
        what(&other);
        other.git(&["add", "."]);
        other.git(&["commit", "--quiet", "-m", "Odd"]);
        other.git(&["push", "--quiet", "origin", "coordination"]);
    };
    let at = |clone: &Sandbox, name: &str| clone.git(&["ls-tree", "coordination", &format!("{FOLDER}/{name}")]);
    let link = |other: &Sandbox, name: &str| {
        let _ = std::fs::remove_file(other.path(&format!("{FOLDER}/{name}")));
        std::os::unix::fs::symlink("/etc/passwd", other.path(&format!("{FOLDER}/{name}"))).unwrap();
    };
    // It comes by a fast-forward to one, and by a merge to the other.
    push(&|other| link(other, "task-9.md"));
    sync(a);
    task(b, "task-2");
    sync(b);
    task(a, "task-3");
    sync(a);
    sync(b);
    for clone in [a, b] {
        assert!(at(clone, "task-9.md").starts_with("120000"), "{}", at(clone, "task-9.md"));
        assert_eq!(clone.documents(), ["task-1.md", "task-2.md", "task-3.md"]);
    }
    // A document that became a link, where the other side changed nothing and where it has a commit of its own.
    push(&|other| link(other, "task-1.md"));
    sync(a);
    assert_eq!(a.documents(), ["task-2.md", "task-3.md"]);
    task(b, "task-4");
    b.mycelium(&["commit", "-q"]).ok();
    let run = b.mycelium(&["sync", "--json"]);
    assert_eq!((run.code, fault(&run)["code"].as_str()), (Some(1), Some("odd-file")), "{run:?}");
    // The way out that the hint names works.
    let hint = fault(&run)["hint"].as_str().unwrap().to_owned();
    let mut commands = 0;
    for command in hint.split('`').filter(|part| part.starts_with("git ")) {
        let words: Vec<&str> = command.split(' ').skip(1).collect();
        let words = if words[2] == "merge" { [&words[..], &["--no-edit"]].concat() } else { words };
        b.git(&words);
        commands += 1;
    }
    assert_eq!(commands, 3, "{hint}");
    sync(b);
    sync(a);
    assert_eq!(
        (a.documents(), b.documents()),
        (b.documents(), vec!["task-2.md".into(), "task-3.md".into(), "task-4.md".into()])
    );
}
