//! Clones of every shape: shallow, partial, with objects elsewhere, with other ids, linked.
#![allow(clippy::disallowed_methods, reason = "the test makes files and starts programs")]
#![allow(clippy::unwrap_used, reason = "a scene that cannot be set has failed")]

use std::fs;

use crate::scene::{code, sync, task};
use crate::support::{FOLDER, Run, Sandbox};

/// A clone that was made with these options, beside a plain one; both sync, and each has what the other made.
fn exchanges(top: &std::path::Path, format: &str, name: &str, options: &[&str]) {
    let place = top.join(name);
    let seed = Sandbox::below(&place.join("seed"));
    seed.git(&["init", "--quiet", &format!("--object-format={format}")]);
    for number in 0..5 {
        code(&seed, &format!("code/{number}.txt"), &number.to_string());
    }
    let hub = place.join("hub.git");
    seed.git(&["clone", "--quiet", "--bare", ".", hub.to_str().unwrap()]);
    seed.git(&["-C", hub.to_str().unwrap(), "config", "uploadpack.allowFilter", "true"]);
    let (plain, clone) = (Sandbox::below(&place.join("plain")), Sandbox::below(&place.join("clone")));
    let url = format!("file://{}", hub.display());
    plain.git(&["clone", "--quiet", &url, "."]);
    let hub_name = hub.to_str().unwrap().to_owned();
    let options: Vec<&str> = options.iter().map(|option| if *option == "HUB" { &*hub_name } else { *option }).collect();
    let run = Run::of(clone.command("git").args(["clone", "--quiet"]).args(&options).args([&url, "."]));
    if run.stderr.contains("unknown option") {
        return;
    }
    let _ = run.ok();
    let shallow = fs::read_to_string(clone.path(".git/shallow")).ok();
    for round in 0..2 {
        task(&plain, &format!("task-p{round}"));
        sync(&plain);
        task(&clone, &format!("task-c{round}"));
        let data = sync(&clone);
        assert_eq!((data["came_count"].as_u64(), data["went_count"].as_u64()), (Some(1), Some(1)), "{name}: {data}");
        assert_eq!(sync(&plain)["came_count"], 1, "{name}");
    }
    assert_eq!(fs::read_to_string(clone.path(".git/shallow")).ok(), shallow, "{name}");
    assert_eq!(clone.git(&["rev-parse", "origin/main"]), clone.git(&["rev-parse", "HEAD"]), "{name}");
    assert_eq!(clone.git(&["status", "--porcelain"]), "", "{name}");
    assert_eq!(clone.documents(), plain.documents(), "{name}: {FOLDER}");
    clone.git(&["fsck", "--full", "--no-dangling"]);
}

#[test]
fn clones_of_every_shape_exchange() {
    let top = tempfile::tempdir().unwrap();
    for (name, format, options) in [
        ("plain", "sha1", &[][..]),
        ("shallow", "sha1", &["--depth=1"]),
        ("partial", "sha1", &["--filter=blob:none"]),
        ("elsewhere", "sha1", &["--reference", "HUB"]),
        ("long-ids", "sha256", &[]),
        ("reftable", "sha1", &["--ref-format=reftable"]),
    ] {
        exchanges(top.path(), format, name, options);
    }
}

#[test]
fn a_fetch_brings_only_what_is_new() {
    let scene = crate::scene::Scene::new(2);
    let [a, b] = &scene.clones[..] else { panic!() };
    for number in 0..150 {
        a.write(&format!("code/{number}.txt"), &number.to_string());
    }
    a.git(&["add", "code"]);
    a.git(&["commit", "--quiet", "-m", "Code"]);
    a.git(&["push", "--quiet", "origin", "main"]);
    b.git(&["pull", "--quiet"]);
    let count = |clone: &Sandbox| {
        let said = clone.git(&["count-objects", "-v"]);
        let number = |key: &str| -> usize {
            let line = said.lines().find_map(|line| line.strip_prefix(key)).unwrap();
            line.trim().parse().unwrap()
        };
        number("count: ") + number("in-pack: ")
    };
    task(a, "task-1");
    sync(a);
    let before = count(b);
    assert_eq!(sync(b)["came_count"], 1);
    // A commit, the trees down to the document, and the document.
    assert!(count(b) - before <= 6, "{} objects came", count(b) - before);
}

/// A remote in which a task was created and started, with a clone of it made with these options.
fn clone_with(place: &std::path::Path, option: &str) -> (Sandbox, std::path::PathBuf) {
    let seed = Sandbox::below(&place.join("seed"));
    seed.git(&["init", "--quiet"]);
    code(&seed, "code.txt", "one\n");
    task(&seed, "task-1");
    seed.mycelium(&["task", "update", "task-1", "--priority", "high"]).ok();
    let hub = place.join("hub.git");
    seed.git(&["clone", "--quiet", "--bare", ".", hub.to_str().unwrap()]);
    for key in ["uploadpack.allowFilter", "uploadpack.allowAnySHA1InWant"] {
        seed.git(&["-C", hub.to_str().unwrap(), "config", key, "true"]);
    }
    let clone = Sandbox::below(&place.join("clone"));
    clone.git(&["clone", "--quiet", option, &format!("file://{}", hub.display()), "."]);
    (clone, hub)
}

#[test]
fn a_log_fetches_what_a_partial_clone_lacks_or_says_so() {
    let top = tempfile::tempdir().unwrap();
    let (clone, hub) = clone_with(top.path(), "--filter=blob:none");
    let away = top.path().join("away");
    fs::rename(&hub, &away).unwrap();
    let said = clone.mycelium(&["log"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stdout.contains("the contents of 1 document are not in this partial clone"), "{said:?}");
    assert!(said.stdout.contains("task-1: created"), "the newest contents are here, the subject is shown: {said:?}");
    assert!(said.stderr.contains("where the remote can be reached"), "{said:?}");
    fs::rename(&away, &hub).unwrap();
    let said = clone.mycelium(&["log", "task-1"]).ok();
    assert!(said.contains("task-1: priority high") && !said.contains("partial clone"), "{said}");
    let data: serde_json::Value =
        serde_json::from_str(clone.mycelium(&["log", "--json"]).ok().lines().next().unwrap()).unwrap();
    assert_eq!(data["data"]["missing"], 0, "{data}");
    clone.git(&["fsck", "--full", "--no-dangling"]);
}

#[test]
fn a_log_of_a_clone_without_trees_says_how_to_have_them() {
    let top = tempfile::tempdir().unwrap();
    let (clone, _hub) = clone_with(top.path(), "--filter=tree:0");
    let said = clone.mycelium(&["log"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.stderr.contains("without the folders of older commits"), "{said:?}");
    assert!(said.stderr.contains("git fetch --refetch --filter=blob:none"), "{said:?}");
    clone.git(&["fetch", "--quiet", "--refetch", "--filter=blob:none"]);
    assert!(clone.mycelium(&["log", "task-1"]).ok().contains("task-1: priority high"));
}

#[test]
fn a_log_of_a_shallow_clone_takes_its_boundary_for_no_creation() {
    let top = tempfile::tempdir().unwrap();
    let (clone, _hub) = clone_with(top.path(), "--depth=1");
    let said = clone.mycelium(&["log"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stdout.contains("the history of this shallow clone begins here"), "{said:?}");
    assert!(!said.stdout.contains("created"), "{said:?}");
    assert!(said.stderr.contains("git fetch --unshallow"), "{said:?}");
    clone.git(&["fetch", "--quiet", "--unshallow"]);
    let said = clone.mycelium(&["log"]).ok();
    assert!(said.contains("task-1: created") && said.contains("task-1: priority high"), "{said}");
}
