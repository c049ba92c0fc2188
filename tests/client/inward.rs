//! The ways in that have no caller: what another program writes into a hash and the bridge takes in, and what another clone pushed
//! and a sync takes in. Nobody can be refused there: it was decided on the server, or in the commit. So what must hold is that the
//! registry goes along: who has lost the task by it is refused from then on, who has not goes on.

use std::path::Path;

use super::repository;
use super::server::{Server, eventually};
use super::support::{FOLDER, Sandbox};
use super::ways::{ACTS, Act, Caller, code, create, run};

/// A way in that has no caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inward {
    Bridge,
    Sync,
}

const INWARD: [Inward; 2] = [Inward::Bridge, Inward::Sync];

/// What stands in the way of a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hindrance {
    AnotherHolder,
    LostFence,
    GivenAway,
    RequiredMode,
}

const HINDRANCES: [Hindrance; 4] =
    [Hindrance::AnotherHolder, Hindrance::LostFence, Hindrance::GivenAway, Hindrance::RequiredMode];

/// Why a way cannot express an act, or an act under a hindrance; `None` if it is tried.
fn cannot(way: Inward, act: Act, hindrance: Hindrance) -> Option<&'static str> {
    match (way, act, hindrance) {
        (Inward::Bridge, Act::Tick, _) => Some("a hash has no checklist"),
        (Inward::Bridge, Act::Note, _) => Some("a hash has no history"),
        (Inward::Bridge, _, Hindrance::LostFence) => {
            Some("the fence of a hash is that of the document, not of who writes")
        }
        (Inward::Bridge, _, Hindrance::GivenAway) => Some("who writes on the server has decided there"),
        (Inward::Sync, _, Hindrance::GivenAway) => Some("the commit has decided; a sync asks no server"),
        (_, _, Hindrance::RequiredMode) => Some("there is no caller who could require a mode"),
        (Inward::Sync, _, _) | (Inward::Bridge, _, Hindrance::AnotherHolder) => None,
    }
}

/// The fields that another program writes for an act by ben.
fn fields(act: Act) -> &'static [&'static str] {
    match act {
        Act::Begin => &["status", "running", "claimed_by", "ben"],
        Act::Progress => &["progress", "0.5"],
        Act::Complete => &["status", "completed"],
        Act::Fail => &["status", "failed", "error", "\"broken\""],
        Act::Release => &["status", "pending"],
        Act::Tick | Act::Note => &[],
    }
}

/// What the document says once an act of ben has come in, and what ann, who had the task, is told when she renews her lease.
fn expected(act: Act) -> (&'static [&'static str], Option<&'static str>) {
    match act {
        Act::Begin => (&["status: running", "claimed_by: ben"], Some("claim-lost")),
        Act::Progress => (&["status: running", "claimed_by: ann", "progress: 0.5"], None),
        Act::Complete => (&["status: completed"], Some("not-held")),
        Act::Fail => (&["status: failed", "broken"], Some("not-held")),
        Act::Release => (&["status: pending"], Some("not-held")),
        Act::Tick => (&["status: running", "claimed_by: ann", "- [x] Read"], None),
        Act::Note => (&["status: running", "claimed_by: ann", "seen"], None),
    }
}

fn text(sandbox: &Sandbox, id: &str) -> String {
    sandbox.read(&format!("{FOLDER}/{id}.md"))
}

/// What ann is told when she renews the lease of a task.
fn renew(sandbox: &Sandbox, id: &str) -> Option<String> {
    let run = sandbox.mycelium(&["task", "renew", id, "--as", "ann", "--json"]);
    code(if run.code == Some(0) { run.stdout.as_bytes() } else { run.stderr.as_bytes() })
}

#[test]
fn every_way_without_a_caller_is_tried_or_says_why_not() {
    for (way, act, hindrance) in
        INWARD.into_iter().flat_map(|way| ACTS.map(|act| HINDRANCES.map(|hindrance| (way, act, hindrance)))).flatten()
    {
        assert_eq!(
            cannot(way, act, hindrance).is_none(),
            is_tried(way, act, hindrance),
            "{way:?} {act:?} {hindrance:?}"
        );
    }
}

/// What the tests below try.
fn is_tried(way: Inward, act: Act, hindrance: Hindrance) -> bool {
    match (way, hindrance) {
        (Inward::Bridge, Hindrance::AnotherHolder) => !fields(act).is_empty(),
        (Inward::Sync, Hindrance::AnotherHolder | Hindrance::LostFence) => true,
        _ => false,
    }
}

#[tokio::test]
async fn what_a_foreign_write_decides_holds_for_the_registry_too() {
    let Some(server) = Server::start("what_a_foreign_write_decides_holds_for_the_registry_too") else { return };
    let sandbox = repository();
    let ann = Caller::new(&sandbox, "ann", None, Some(server.url())).await;
    let mut faults = Vec::new();
    for act in ACTS.into_iter().filter(|act| is_tried(Inward::Bridge, *act, Hindrance::AnotherHolder)) {
        let id = format!("task-{}", format!("{act:?}").to_lowercase());
        create(&sandbox, &id);
        let claimed = ann.start(&["task", "claim", &id, "--json"]).output().unwrap();
        assert!(claimed.status.success(), "{}", String::from_utf8_lossy(&claimed.stderr));
        let key = format!("tasks:{id}");
        eventually("the claim is on the server", || server.cli(&["HGET", &key, "claimed_by"]) == "ann");
        server.cli(&[&["HSET", &key], fields(act)].concat());
        eventually("it came in", || expected(act).0.iter().all(|part| text(&sandbox, &id).contains(part)));
        faults.extend(judge(&sandbox, Inward::Bridge, act, &id));
    }
    ann.client.close().await;
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Says what is not as it must be once an act came in.
fn judge(sandbox: &Sandbox, way: Inward, act: Act, id: &str) -> Vec<String> {
    let (text, (says, refused)) = (text(sandbox, id), expected(act));
    let lacking = says.iter().filter(|part| !text.contains(**part));
    let mut faults: Vec<String> = lacking.map(|part| format!("{way:?} {act:?}: lacks `{part}`\n{text}")).collect();
    let told = renew(sandbox, id);
    if told.as_deref() != refused {
        faults.push(format!("{way:?} {act:?}: ann is told {told:?} instead of {refused:?}\n{text}"));
    }
    faults
}

/// A clone of the remote at `remote`.
fn clone(place: &Path, remote: &Path) -> Sandbox {
    let clone = Sandbox::below(place);
    clone.git(&["clone", "--quiet", remote.to_str().unwrap(), "."]);
    clone
}

fn sync(clone: &Sandbox) {
    run(clone, &["sync", "--quiet"]);
}

/// Does an act in a clone.
fn act(clone: &Sandbox, act: Act, id: &str, agent: &str, fence: Option<u64>) {
    let words = [vec!["task".to_owned()], act.words(id, fence), vec!["--as".to_owned(), agent.to_owned()]].concat();
    run(clone, &words.iter().map(String::as_str).collect::<Vec<_>>());
}

/// Two clones of one remote.
fn clones(top: &Path) -> (Sandbox, Sandbox) {
    let remote = top.join("remote.git");
    let seed = Sandbox::below(&top.join("seed"));
    seed.git(&["init", "--quiet", "--bare", remote.to_str().unwrap()]);
    seed.make_repository();
    seed.git(&["push", "--quiet", remote.to_str().unwrap(), "main"]);
    (clone(&top.join("here"), &remote), clone(&top.join("there"), &remote))
}

#[test]
fn what_a_sync_brings_holds_for_the_registry_too() {
    let top = tempfile::tempdir().unwrap();
    let (here, there) = clones(top.path());
    let mut faults = Vec::new();
    for what in ACTS {
        let id = format!("task-{}", format!("{what:?}").to_lowercase());
        let claim = || run(&here, &["task", "claim", &id, "--as", "ann", "--quiet"]);
        // What only a holder does, ben does once he has taken the task from ann there.
        let is_holders = matches!(what, Act::Complete | Act::Fail | Act::Release);
        create(&here, &id);
        if is_holders {
            claim();
        }
        sync(&here);
        sync(&there);
        if is_holders {
            run(&there, &["task", "claim", &id, "--as", "ben", "--steal", "--quiet"]);
        } else {
            claim();
        }
        act(&there, what, &id, "ben", None);
        sync(&there);
        sync(&here);
        faults.extend(judge(&here, Inward::Sync, what, &id));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn what_a_sync_brings_of_a_lost_fence_takes_the_task_from_nobody() {
    let top = tempfile::tempdir().unwrap();
    let (here, there) = clones(top.path());
    let mut faults = Vec::new();
    for what in ACTS {
        let id = format!("task-{}", format!("{what:?}").to_lowercase());
        create(&here, &id);
        run(&here, &["task", "claim", &id, "--as", "ann", "--quiet"]);
        sync(&here);
        sync(&there);
        run(&here, &["task", "release", &id, "--as", "ann", "--quiet"]);
        run(&here, &["task", "claim", &id, "--as", "ann", "--quiet"]);
        act(&there, what, &id, "ann", Some(1));
        sync(&there);
        sync(&here);
        let text = text(&here, &id);
        let stands = ["status: running\n", "claimed_by: ann\n", "fence: 2\n"];
        faults
            .extend(stands.iter().filter(|part| !text.contains(**part)).map(|part| format!("{what:?}: {part}{text}")));
        faults.extend(renew(&here, &id).map(|told| format!("{what:?}: ann is told {told}")));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
