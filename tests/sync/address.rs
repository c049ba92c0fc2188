//! The address of the remote: which repositories are refused, several addresses, and passwords in them.
#![allow(clippy::disallowed_methods, reason = "the test makes files and starts programs")]
#![allow(clippy::unwrap_used, reason = "a scene that cannot be set has failed")]

use std::fs;
use std::path::Path;

use crate::scene::{Scene, data, fault, script, sync, task};
use crate::support::Sandbox;

fn set_url(clone: &Sandbox, url: &str) {
    clone.git(&["config", "remote.origin.url", url]);
}

#[test]
fn hooks_of_a_repository_inside_are_not_run_however_it_is_named() {
    let scene = Scene::new(1);
    let a = &scene.clones[0];
    let song = scene.file("song");
    task(a, "task-1");
    for place in ["evil.git", "s/e:x.git"] {
        let path = a.path(place);
        a.git(&["clone", "--quiet", "--bare", ".", path.to_str().unwrap()]);
        for hook in ["pre-receive", "update", "post-receive"] {
            script(&path.join("hooks").join(hook), &format!("echo {hook} >> '{}'", song.display()));
        }
    }
    let (root, remote) = (a.root().display().to_string(), scene.remote().display().to_string());
    let evil = format!("{root}/evil.git");
    let refused = |how: &str| {
        let run = a.mycelium(&["sync", "--json"]);
        assert!(!song.exists(), "{how}: {}", fs::read_to_string(&song).unwrap_or_default());
        assert!(run.code != Some(0) && fault(&run)["hint"].as_str().is_some(), "{how}: {run:?}");
    };
    for url in ["evil.git", "evil", "s/e:x.git", &*format!("file://{root}/%65vil.git"), &*evil] {
        set_url(a, url);
        refused(url);
    }
    set_url(a, "https://example.invalid/x");
    for key in ["insteadOf", "pushInsteadOf"] {
        let key = format!("url.{evil}.{key}");
        a.git(&["config", &key, "https://example.invalid/x"]);
        refused(&key);
        a.git(&["config", "--unset", &key]);
    }
    for (key, value) in [("url", &*evil), ("pushurl", &*evil), ("receivepack", "/bin/true"), ("vcs", "x")] {
        for url in ["https://example.invalid/x", &*remote] {
            set_url(a, url);
            let key = format!("remote.{url}.{key}");
            a.git(&["config", &key, value]);
            refused(&key);
            a.git(&["config", "--unset", &key]);
        }
    }
}

#[test]
fn it_fetches_from_the_first_address_and_pushes_to_the_one_for_pushes() {
    let scene = Scene::new(1);
    let a = &scene.clones[0];
    let second = scene.file("second.git");
    a.git(&["clone", "--quiet", "--bare", ".", second.to_str().unwrap()]);
    a.git(&["remote", "set-url", "--add", "origin", second.to_str().unwrap()]);
    task(a, "task-1");
    let run = a.mycelium(&["sync", "--json"]);
    assert!(run.code != Some(0) && fault(&run)["message"].as_str().unwrap().contains("`origin`"), "{run:?}");
    a.git(&["config", "remote.origin.pushurl", scene.remote().to_str().unwrap()]);
    fs::remove_dir_all(&second).unwrap();
    assert_eq!(sync(a)["went_count"], 1);
}

#[test]
fn a_tracking_branch_that_is_locked_fails_a_fetch_and_not_a_push() {
    let scene = Scene::new(2);
    let [a, b] = &scene.clones[..] else { panic!() };
    task(a, "task-1");
    sync(a);
    b.write(".git/refs/remotes/origin/main.lock", "");
    let run = b.mycelium(&["sync", "--json"]);
    assert!(run.code != Some(0) && run.stderr.contains("lock"), "what is there is not known: {run:?}");
    fs::remove_file(b.path(".git/refs/remotes/origin/main.lock")).unwrap();
    sync(b);
    task(a, "task-2");
    // Nothing is new there, so that only what follows the push would need the lock.
    a.write(".git/refs/remotes/origin/main.lock", "");
    let run = a.mycelium(&["task", "claim", "task-2", "--push", "--as", "ann", "--json"]).ok();
    assert_eq!(data(&run)["pushed"], "origin/main");
}

#[test]
fn passwords_in_addresses_are_never_told() {
    let scene = Scene::new(1);
    let a = &scene.clones[0];
    task(a, "task-1");
    for url in [
        "git://user:s3cret@127.0.0.1:1/x",
        "https://user:s3cret/x@127.0.0.1:1/y",
        "https://user:s3cret%0ax@127.0.0.1:1/y",
        "ssh://user:s3cret@127.0.0.1:1/x",
    ] {
        set_url(a, url);
        for arguments in
            [&["sync", "--json"][..], &["sync"], &["task", "claim", "task-1", "--push", "--as", "ann", "--json"]]
        {
            let run = a.mycelium(arguments);
            assert!(run.code != Some(0), "{run:?}");
            assert!(!run.stdout.contains("s3cret") && !run.stderr.contains("s3cret"), "{url}: {run:?}");
        }
    }
}

/// A bare repository with a hook that writes down that it ran.
fn hooked(a: &Sandbox, path: &Path, song: &Path) {
    a.git(&["clone", "--quiet", "--bare", ".", path.to_str().unwrap()]);
    script(&path.join("hooks/pre-receive"), &format!("echo ran >> '{}'", song.display()));
}

/// Both commands that push are refused, with a hint, and no hook runs.
fn refused(clone: &Sandbox, song: &Path, url: &str) -> String {
    set_url(clone, url);
    let mut hint = String::new();
    for call in [&["sync", "--json"][..], &["task", "claim", "task-1", "--push", "--as", "ann", "--json"]] {
        let run = clone.mycelium(call);
        assert!(!song.exists(), "{url}: a hook ran");
        assert_eq!(run.code, Some(1), "{url}: {run:?}");
        fault(&run)["hint"].as_str().unwrap_or_else(|| panic!("{url}: {run:?}")).clone_into(&mut hint);
    }
    hint
}

#[test]
fn a_remote_in_any_worktree_of_the_repository_is_refused_however_it_is_reached() {
    let scene = Scene::new(1);
    let a = &scene.clones[0];
    let song = scene.file("song");
    task(a, "task-1");
    let linked = Sandbox::below(&scene.file("linked"));
    a.git(&["worktree", "add", "--quiet", "-b", "linked", linked.path("wt").to_str().unwrap()]);
    let linked = Sandbox::at(&linked, linked.path("wt"));
    let root = a.root().to_owned();
    hooked(a, &root.join("evil.git"), &song);
    hooked(a, &root.join(".git/deep/evil.git"), &song);
    hooked(a, &linked.path("own.git"), &song);
    // From elsewhere: a link, a file that names the git directory, and a worktree of it.
    let outside = scene.file("outside");
    fs::create_dir_all(outside.join("file")).unwrap();
    std::os::unix::fs::symlink(root.join("evil.git"), outside.join("link.git")).unwrap();
    fs::write(outside.join("file/.git"), format!("gitdir: {}/evil.git\n", root.display())).unwrap();
    fs::write(outside.join("plain"), format!("gitdir: {}/evil.git\n", root.display())).unwrap();
    fs::create_dir_all(outside.join("shared/refs")).unwrap();
    fs::create_dir_all(outside.join("shared/objects")).unwrap();
    fs::write(outside.join("shared/HEAD"), "ref: refs/heads/x\n").unwrap();
    fs::write(outside.join("shared/commondir"), format!("{}/evil.git\n", root.display())).unwrap();
    let text = |path: &Path| path.display().to_string();
    for clone in [&linked, a] {
        for url in [
            text(&root.join("evil.git")),
            text(&root.join("evil")),
            text(&root.join("../work/evil.git")),
            format!("file://{}/%65vil.git", root.display()),
            text(&root.join(".git/deep/evil.git")),
            text(&linked.path("own.git")),
            text(&outside.join("link.git")),
            text(&outside.join("link")),
            text(&outside.join("file")),
            text(&outside.join("plain")),
            text(&outside.join("shared")),
            text(&root),
        ] {
            refused(clone, &song, &url);
        }
    }
    refused(&linked, &song, "../../../clone-0/work/evil.git");
    // What the user set up elsewhere is used, hooks and all.
    hooked(a, &scene.file("hub.git"), &song);
    set_url(a, scene.file("hub.git").to_str().unwrap());
    task(&linked, "task-2");
    linked.mycelium(&["sync"]).ok();
    assert!(song.exists(), "a server's hooks are the server's");
}

#[test]
fn a_relative_address_that_leads_out_is_used_if_nothing_can_start_there() {
    let scene = Scene::new(1);
    let a = &scene.clones[0];
    let song = scene.file("song");
    task(a, "task-1");
    let beside = a.root().parent().unwrap().join("beside.git");
    a.git(&["clone", "--quiet", "--bare", ".", beside.to_str().unwrap()]);
    set_url(a, "../beside.git");
    sync(a);
    let canary = format!("echo ran >> '{}'", song.display());
    for hook in ["pre-receive", "update", "post-receive", "reference-transaction", "proc-receive"] {
        let hook = beside.join("hooks").join(hook);
        script(&hook, &canary);
        task(a, &format!("task-{}", hook.file_name().unwrap().to_str().unwrap()));
        let hint = refused(a, &song, "../beside.git");
        assert!(hint.contains(&format!("git remote set-url origin '{}'", beside.display())), "{hint}");
        fs::remove_file(hook).unwrap();
    }
    for (key, value) in [
        ("core.hooksPath", "/x"),
        ("core.alternateRefsCommand", "x"),
        ("core.fsmonitor", "x"),
        ("include.path", "x"),
        ("hook.x.command", "x"),
        ("extensions.worktreeConfig", "true"),
    ] {
        a.git(&["-C", beside.to_str().unwrap(), "config", key, value]);
        refused(a, &song, "../beside.git");
        a.git(&["-C", beside.to_str().unwrap(), "config", "--unset", key]);
    }
    // The hint works.
    script(&beside.join("hooks/pre-receive"), &canary);
    refused(a, &song, "../beside.git");
    a.git(&["remote", "set-url", "origin", beside.to_str().unwrap()]);
    sync(a);
    assert!(song.exists());
}

#[test]
fn a_remote_beside_the_git_directory_or_around_a_submodule_is_refused() {
    let scene = Scene::new(1);
    let a = &scene.clones[0];
    let song = scene.file("song");
    // `.git` is a file beside a bare repository, of which all branches have worktrees.
    let top = scene.file("bare");
    fs::create_dir_all(&top).unwrap();
    a.git(&["clone", "--quiet", "--bare", ".", top.join(".bare").to_str().unwrap()]);
    fs::write(top.join(".git"), "gitdir: ./.bare\n").unwrap();
    let place = top.join("main");
    a.git(&["-C", top.to_str().unwrap(), "worktree", "add", "--quiet", place.to_str().unwrap(), "main"]);
    let main = Sandbox::at(a, place);
    task(&main, "task-1");
    hooked(a, &top.join("evil.git"), &song);
    refused(&main, &song, top.join("evil.git").to_str().unwrap());
    // A submodule.
    let hub = scene.remote();
    let add = ["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", hub.to_str().unwrap(), "sub"];
    a.git(&add);
    let sub = Sandbox::at(a, a.path("sub"));
    task(&sub, "task-1");
    hooked(a, &a.path("evil.git"), &song);
    refused(&sub, &song, a.path("evil.git").to_str().unwrap());
}
