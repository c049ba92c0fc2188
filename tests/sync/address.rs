//! The address of the remote: which repositories are refused, several addresses, and passwords in them.
#![allow(clippy::disallowed_methods, reason = "the test makes files and starts programs")]
#![allow(clippy::unwrap_used, reason = "a scene that cannot be set has failed")]

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
        assert!(!song.exists(), "{how}: {}", std::fs::read_to_string(&song).unwrap_or_default());
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
    std::fs::remove_dir_all(&second).unwrap();
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
    std::fs::remove_file(b.path(".git/refs/remotes/origin/main.lock")).unwrap();
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
