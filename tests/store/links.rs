//! Symbolic links swapped in while operations run: nothing outside the folder is read or written.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use mycelium::store::Durability;

use crate::child::said;
use crate::rig::{Rig, child, write};
use crate::support::sized;
use crate::support::stop::StopOnDrop;

/// How many operations run while one part of the path is swapped: 100,000 over all parts at full size.
fn operations() -> usize {
    sized("MYCELIUM_TEST_LINKS", 1_500, 12_500)
}

/// What the child says when it read something from outside.
pub(crate) const LED_OUT: &str = "it was read from outside";

/// Every file below a directory with its bytes.
fn contents(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(dir).expect("the canary") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            all.extend(contents(&path));
        } else {
            all.push((path.display().to_string(), std::fs::read(&path).expect("a file")));
        }
    }
    all.sort();
    all
}

/// Exchanges a part of the path with a link to the canary and back, until told to stop.
fn swap(real: &Path, canary: &Path, stop: &AtomicBool) -> u32 {
    let link = real.with_extension("link");
    symlink(canary, &link).expect("a link");
    let mut swaps = 0;
    while !stop.load(Ordering::Relaxed) {
        let (here, flags) = (rustix::fs::CWD, rustix::fs::RenameFlags::EXCHANGE);
        if rustix::fs::renameat_with(here, real, here, &link, flags).is_ok() {
            swaps += 1;
        }
        for _ in 0..swaps % 50 {
            std::hint::spin_loop();
        }
    }
    swaps
}

/// Runs operations beside a thread that swaps `part` of the path; tells whether the canary is as it was.
fn canary_survives(part: &str, sabotage: Option<&str>) -> bool {
    let rig = Rig::new();
    let store = rig.store(Durability::Off);
    for name in ["task-1.md", "task-2.md", "archive/2025-10/task-3.md"] {
        write(&store, name, "start\n").expect("a create");
    }
    let canary = rig.home.path().join("canary");
    std::fs::create_dir_all(canary.join("coordination/archive/2025-10")).expect("a canary");
    std::fs::create_dir_all(canary.join("2025-10")).expect("a canary");
    std::fs::create_dir_all(canary.join("archive/2025-10")).expect("a canary");
    for dir in ["", "coordination", "coordination/archive/2025-10", "archive/2025-10", "2025-10"] {
        for name in ["task-1.md", "task-2.md", "task-3.md"] {
            std::fs::write(canary.join(dir).join(name), "canary\n").expect("a canary");
        }
    }
    let target = if part.ends_with(".md") { canary.join("task-1.md") } else { canary.clone() };
    let before = contents(&canary);
    let real = rig.place.root.join(part);
    if !real.exists() {
        std::fs::write(&real, "start\n").expect("a document");
    }
    let stop = AtomicBool::new(false);
    let mut command = child(&rig, "link-race", &[&operations().to_string()]);
    if let Some(sabotage) = sabotage {
        command.env("MYCELIUM_SABOTAGE", sabotage);
    }
    let led_out = std::thread::scope(|scope| {
        let end = StopOnDrop(&stop);
        let swapper = scope.spawn(|| swap(&real, &target, &stop));
        let ended = command.spawn().and_then(std::process::Child::wait_with_output);
        drop(end);
        let ended = ended.expect("a child");
        let (out, words) = (said(&String::from_utf8_lossy(&ended.stdout)), String::from_utf8_lossy(&ended.stderr));
        let led_out = words.contains(LED_OUT);
        assert!(ended.status.success() || led_out, "{part}: {words}");
        let swaps = swapper.join().expect("the swapper");
        println!("{part}: {swaps} swaps, done and refused: {out:?}");
        assert!(swaps > 100, "{part}: only {swaps} swaps");
        led_out
    });
    !led_out && contents(&canary) == before
}

/// Each part of the path that can be swapped: the folder's parent, the folder, folders in it, and documents that are there,
/// that come and go, and that lie in the archive.
const PARTS: [&str; 8] = [
    "some",
    "some/coordination",
    "some/coordination/archive",
    "some/coordination/archive/2025-10",
    "some/coordination/task-1.md",
    "some/coordination/task-2.md",
    "some/coordination/task-4.md",
    "some/coordination/archive/2025-10/task-3.md",
];

#[test]
fn links_swapped_in_lead_nowhere() {
    for part in PARTS {
        assert!(canary_survives(part, None), "{part}: the canary was touched");
    }
}

#[test]
fn following_links_would_be_seen() {
    let caught = (0..5).any(|_| !canary_survives("some/coordination", Some("follow-links")));
    assert!(caught, "the canary test does not bite");
}
