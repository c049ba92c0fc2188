//! Leases: who may take over and when, through a restart of the machine and any clock on the wall.

use std::path::PathBuf;
use std::time::Duration;

use mycelium::entity::{TaskStatus, task};
use mycelium::lease::{LeaseRequest, LossReason, Override, PreviousHolder};
use mycelium::name::{AgentName, Kind};
use mycelium::operation::{DocumentChange, Passing, Request, TaskChange};
use mycelium::services::{Actor, Claimed, Error, Outcome, Together, Which};
use serde_json::json;

use crate::scene::{Scene, ask};
use crate::support::{FOLDER, Run, could_not_run, has_program};
use mycelium::problem::Problem;

const TASK: &str = "task-0000";

fn by(agent: &str) -> Actor {
    Actor::agent(&AgentName::new(agent).unwrap())
}

fn complete() -> TaskChange {
    TaskChange::Complete { result: None }
}

fn claim(scene: &Scene, tree: usize, agent: &str, lease_ms: u64) -> Result<Claimed, Error> {
    scene.project(tree, agent).operations().claim(&by(agent), Which::Task(TASK), &ask(agent, lease_ms))
}

#[track_caller]
fn lost_to(result: Result<Claimed, Error>, holder: &str) -> Duration {
    match result {
        Err(Error::ClaimLost(loss)) if loss.by.as_ref().is_some_and(|by| by.as_str() == holder) => {
            assert!(loss.since.is_some() && loss.until.is_some(), "{loss:?}");
            loss.left.unwrap()
        }
        other => panic!("not lost to {holder}: {other:?}"),
    }
}

/// Lets time pass for a lease, as only a test may: in the registry, and for each file that could be a sign of life.
fn pass(scene: &Scene, ms: u64) {
    let entry = scene.entry(TASK).unwrap();
    scene.forge(TASK, "renewed_ms", json!(entry["renewed_ms"].as_u64().unwrap().saturating_sub(ms)));
    let (root, by) = (PathBuf::from(entry["root"].as_str().unwrap()), entry["by"].as_str().unwrap());
    let agent = root.join(FOLDER).join(format!("agent-{by}.md"));
    let beat = scene.sandbox.path(&format!(".git/mycelium/beats/{by}"));
    for path in [root.join(entry["document"].as_str().unwrap()), agent, beat] {
        if let Ok(file) = std::fs::File::options().append(true).open(path) {
            let saved = file.metadata().unwrap().modified().unwrap();
            file.set_modified(saved - Duration::from_millis(ms)).unwrap();
        }
    }
}

/// A save as an editor makes it: no operation of ours.
fn save(scene: &Scene, tree: usize, name: &str, text: &str) {
    std::fs::write(scene.trees[tree].join(FOLDER).join(name), text).unwrap();
}

#[test]
fn a_lease_that_is_over_is_taken_over_with_a_new_fence() {
    let scene = Scene::new(1, 2);
    assert_eq!(claim(&scene, 0, "a", 60_000).unwrap().fence, 1);
    assert_eq!(claim(&scene, 0, "a", 60_000).unwrap().fence, 1, "whoever has it keeps it");
    let left = lost_to(claim(&scene, 1, "b", 60_000), "a");
    assert!(left > Duration::from_secs(30) && left <= Duration::from_secs(60), "{left:?}");
    pass(&scene, 59_000);
    let again = scene.project(0, "a").operations().renew(&by("a").with_fence(Some(1)), TASK).unwrap();
    assert_eq!((again.fence, again.lease), (1, Duration::from_secs(60)));
    pass(&scene, 59_000);
    lost_to(claim(&scene, 1, "b", 60_000), "a");
    pass(&scene, 2_000);
    let taken = claim(&scene, 1, "b", 60_000).unwrap();
    assert_eq!((taken.fence, taken.origin), (2, PreviousHolder::Expired("a".parse().unwrap())));
    lost_to(claim(&scene, 0, "a", 60_000), "b");
    let project = scene.project(0, "a");
    for result in [
        project.operations().run_one(project.actor(), Request::task(TASK, complete())).map(drop),
        project.operations().run_one(project.actor(), Request::task(TASK, TaskChange::Fail { error: None })).map(drop),
        project.operations().run_one(project.actor(), Request::task(TASK, progress().into())).map(drop),
        project.operations().renew(project.actor(), TASK).map(drop),
    ] {
        let Err(Error::ClaimLost(loss)) = result else { panic!("{result:?}") };
        assert_eq!((loss.by.unwrap().as_str(), loss.fence, loss.why), ("b", 2, LossReason::Held));
    }
    assert_eq!(scene.keys(0, TASK)["status"], "running", "nothing was changed");
}

#[test]
fn each_operation_heartbeat_and_save_of_the_holder_renews_the_lease() {
    let scene = Scene::new(1, 2);
    claim(&scene, 0, "a", 60_000).unwrap();
    let path = scene.trees[0].join(FOLDER).join(format!("{TASK}.md"));
    let signs: [(&str, &dyn Fn()); 5] = [
        ("an update", &|| {
            assert!(
                scene.project(0, "a").operations().run_one(&by("a"), Request::task(TASK, progress().into())).is_ok()
            );
        }),
        ("an operation elsewhere", &|| {
            scene.run(1, &["agent", "set", "a", "--status", "busy", "--as", "a"]).ok();
        }),
        ("a heartbeat", &|| assert!(scene.project(1, "a").leases().heartbeat(&"a".parse().unwrap()).is_ok())),
        ("a save of the document", &|| {
            save(&scene, 0, &format!("{TASK}.md"), &(std::fs::read_to_string(&path).unwrap() + "\n"));
        }),
        ("a save of the agent's file", &|| save(&scene, 0, "agent-a.md", "---\nagent: a\nstatus: busy\n---\n")),
    ];
    for (sign, give) in signs {
        pass(&scene, 59_000);
        give();
        assert!(lost_to(claim(&scene, 1, "b", 60_000), "a") > Duration::from_secs(45), "{sign}");
    }
    // What others do to the document is no sign that the holder lives.
    pass(&scene, 59_000);
    scene
        .project(0, "b")
        .operations()
        .run_one(&by("b"), Request::task(TASK, TaskChange::Note("seen".to_owned())))
        .unwrap();
    assert!(lost_to(claim(&scene, 1, "b", 60_000), "a") < Duration::from_secs(15));
    pass(&scene, 60_000);
    // What the holder did in the other worktree has to be merged first, or is left behind on purpose.
    assert!(matches!(claim(&scene, 1, "b", 60_000), Err(Error::Unmerged { .. })));
    let ask = LeaseRequest { over: Override::Force, ..ask("b", 60_000) };
    assert_eq!(scene.project(1, "b").operations().claim(&by("b"), Which::Task(TASK), &ask).unwrap().fence, 2);
}

#[test]
fn the_last_holder_goes_on_after_the_lease_until_another_one_has_had_the_task() {
    let scene = Scene::new(1, 2);
    let a = scene.project(0, "a");
    let complete = || {
        let change = TaskChange::Complete { result: Some(json!("made")) };
        a.operations().run_one(a.actor(), Request::task(TASK, change))
    };
    for (how, by_watcher) in [("running", false), ("pending", true)] {
        claim(&scene, 0, "a", 60_000).unwrap();
        pass(&scene, 61_000);
        let taken_back = if by_watcher { a.operations().take_back().unwrap().len() } else { 0 };
        assert_eq!((taken_back, scene.keys(0, TASK)["status"].as_str()), (usize::from(by_watcher), how));
        let fence: u64 = scene.keys(0, TASK)["fence"].parse().unwrap();
        let passing = Passing { fence: Some(fence), ..Passing::default() };
        a.operations().run_one(a.actor(), Request::task(TASK, progress().into()).with(passing)).unwrap();
        let keys = scene.keys(0, TASK);
        assert_eq!((keys["status"].as_str(), keys["claimed_by"].as_str()), ("running", "a"), "{how}");
        assert_eq!(keys["fence"], fence.to_string(), "the fence is the same");
        assert_eq!(scene.entry(TASK).unwrap()["state"], "held", "{how}");
        assert!(lost_to(claim(&scene, 1, "b", 60_000), "a") > Duration::from_secs(45), "the lease begins again");
        pass(&scene, 61_000);
        if by_watcher {
            a.operations().take_back().unwrap();
        }
        complete().unwrap();
        assert_eq!(scene.entry(TASK).unwrap()["state"], "completed", "{how}");
        a.operations().run_one(a.actor(), Request::task(TASK, TaskChange::Reopen)).unwrap();
    }
    // Another one has it: refused, with when the lease ended; it is not lost what was done.
    claim(&scene, 0, "a", 60_000).unwrap();
    pass(&scene, 61_000);
    scene.project(0, "b").operations().claim(&by("b"), Which::Task(TASK), &ask("b", 60_000)).unwrap();
    let refused = |what: &str| {
        let run = scene.run(0, &["task", "complete", TASK, "--result", "made", "--as", "a"]);
        assert_eq!(run.code, Some(4), "{what}: {run:?}");
        assert!(run.stderr.contains("the lease of `a` ended at 20") && run.stderr.contains("`b`"), "{what}: {run:?}");
        let hint = format!("mycelium task note {TASK} 'RESULT' --as a");
        assert!(run.stderr.contains(&hint), "{what}: {run:?}");
        scene.run(0, &["task", "note", TASK, what, "--as", "a"]).ok();
    };
    refused("b holds it");
    scene.run(0, &["task", "release", TASK, "--as", "b"]).ok();
    refused("b had it");
    scene.project(0, "b").operations().claim(&by("b"), Which::Task(TASK), &ask("b", 60_000)).unwrap();
    scene.run(0, &["task", "complete", TASK, "--as", "b"]).ok();
    refused("b completed it");
    let text = std::fs::read_to_string(scene.trees[0].join(FOLDER).join(format!("{TASK}.md"))).unwrap();
    assert!(["b holds it", "b had it", "b completed it"].iter().all(|note| text.contains(note)), "{text}");
    // Who claims it again starts afresh.
    scene.run(0, &["task", "reopen", TASK]).ok();
    claim(&scene, 0, "a", 60_000).unwrap();
    complete().unwrap();
}

#[test]
fn what_was_given_back_is_not_taken_up_again_without_a_claim() {
    let scene = Scene::new(1, 1);
    claim(&scene, 0, "a", 60_000).unwrap();
    scene.run(0, &["task", "release", TASK, "--as", "a"]).ok();
    scene.run(0, &["task", "update", TASK, "--progress", "0.5", "--as", "a"]).ok();
    assert_eq!(scene.keys(0, TASK)["status"], "pending");
}

#[test]
fn a_batch_of_a_late_holder_goes_on_too() {
    let scene = Scene::new(1, 1);
    claim(&scene, 0, "a", 60_000).unwrap();
    pass(&scene, 61_000);
    scene.project(0, "").operations().take_back().unwrap();
    let steps = [Request::task(TASK, progress().into()), Request::task(TASK, complete())];
    let done = scene.project(0, "a").operations().batch(&by("a"), &steps, Together::All).unwrap();
    assert!(done.iter().all(Result::is_ok), "{done:?}");
    assert_eq!((scene.keys(0, TASK)["status"].as_str(), scene.keys(0, TASK)["fence"].as_str()), ("completed", "1"));
    assert_eq!(scene.entry(TASK).unwrap()["state"], "completed");
}

#[test]
fn after_a_sleep_of_the_machine_a_lease_begins_again_once() {
    let scene = Scene::new(1, 1);
    claim(&scene, 0, "a", 60_000).unwrap();
    // As after half an hour of sleep: the clock that counts it is ahead of the one that does not.
    let asleep = ["--time", "--boottime", "1800", "--fork"];
    if Run::of(std::process::Command::new("unshare").args(asleep).arg("true")).code != Some(0) {
        return could_not_run(
            "after_a_sleep_of_the_machine_a_lease_begins_again_once",
            "`unshare --time` is not allowed",
        );
    }
    let claims = |agent| {
        let words = ["task", "claim", TASK, "--as", agent, "--json"];
        let program = scene.command(0, &words);
        let mut command = scene.sandbox.command("unshare");
        command.args(asleep).arg(program.get_program()).args(words).current_dir(&scene.trees[0]);
        command.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
        Run::of(&mut command)
    };
    for _ in 0..2 {
        let run = claims("b");
        assert_eq!(run.code, Some(4), "{run:?}");
        let error: serde_json::Value = serde_json::from_str(&run.stderr).unwrap();
        assert!(error["error"]["claim"]["left_ms"].as_u64().unwrap() > 45_000, "{error}");
    }
    pass(&scene, 61_000);
    assert_eq!(claims("b").code, Some(0), "it begins again only once");
}

#[test]
fn who_got_the_task_back_by_a_revert_is_not_locked_out() {
    let scene = Scene::new(1, 1);
    claim(&scene, 0, "a", 3_600_000).unwrap();
    let before = scene.git(0, &["rev-parse", "HEAD"]);
    scene.run(0, &["task", "claim", TASK, "--steal", "--as", "b"]).ok();
    scene.run(0, &["task", "note", TASK, "mine now", "--as", "b"]).ok();
    scene.git(0, &["revert", "--no-edit", &format!("{before}..HEAD")]);
    let keys = scene.keys(0, TASK);
    assert_eq!((keys["claimed_by"].as_str(), keys["fence"].as_str()), ("a", "1"), "the file says so");
    scene.run(0, &["task", "update", TASK, "--progress", "0.5", "--as", "a"]).ok();
    scene.run(0, &["task", "renew", TASK, "--as", "a"]).ok();
    let other = scene.run(0, &["task", "update", TASK, "--progress", "0.6", "--as", "b"]);
    assert_eq!(other.code, Some(4), "{other:?}");
    // The fence goes on from the highest.
    assert_eq!(claim(&scene, 0, "a", 60_000).unwrap().fence, 3);
    // Where another branch is only checked out, the registry counts still.
    scene.git(0, &["checkout", "--quiet", &before]);
    let other = scene.run(0, &["task", "update", TASK, "--progress", "0.6", "--as", "b"]);
    assert_eq!(other.code, Some(4), "{other:?}");
}

fn progress() -> task::TaskUpdate {
    task::TaskUpdate { progress: Some(0.5), ..task::TaskUpdate::default() }
}

#[test]
fn after_a_restart_of_the_machine_a_lease_is_counted_anew() {
    let scene = Scene::new(1, 1);
    claim(&scene, 0, "a", 60_000).unwrap();
    pass(&scene, 100_000);
    scene.forge(TASK, "boot", json!("another start of the machine"));
    assert_eq!(lost_to(claim(&scene, 0, "b", 60_000), "a"), Duration::from_secs(60));
    assert_ne!(scene.entry(TASK).unwrap()["boot"], "another start of the machine", "somebody counts now");
    lost_to(claim(&scene, 0, "b", 60_000), "a");
    pass(&scene, 61_000);
    assert_eq!(claim(&scene, 0, "b", 60_000).unwrap().fence, 2);
}

#[test]
fn a_ledger_that_a_power_cut_tore_is_counted_anew() {
    let scene = Scene::new(1, 1);
    claim(&scene, 0, "a", 60_000).unwrap();
    std::fs::write(scene.entry_path(TASK).unwrap(), "").unwrap();
    let loss = claim(&scene, 0, "b", 60_000);
    assert!(matches!(&loss, Err(Error::ClaimLost(loss)) if loss.by.as_ref().unwrap().as_str() == "a"), "{loss:?}");
    assert_eq!(claim(&scene, 0, "a", 60_000).unwrap().fence, 1);
    pass(&scene, 61_000);
    assert_eq!(claim(&scene, 0, "b", 60_000).unwrap().fence, 2);
}

#[test]
fn what_another_clone_has_is_only_stolen() {
    let scene = Scene::new(1, 1);
    claim(&scene, 0, "a", 60_000).unwrap();
    std::fs::remove_file(scene.entry_path(TASK).unwrap()).unwrap();
    let Err(Error::ClaimLost(loss)) = claim(&scene, 0, "b", 60_000) else { panic!("it is not lost") };
    assert_eq!((loss.why, loss.by.unwrap().as_str()), (LossReason::Elsewhere, "a"));
    let run = scene.run(0, &["task", "claim", TASK, "--steal", "--as", "b"]);
    assert!(run.stderr.contains("taken from a by b, fence 2"), "{run:?}");
}

/// `a` claims the task in the second worktree and completes it there.
fn complete_elsewhere(scene: &Scene) {
    claim(scene, 1, "a", 60_000).unwrap();
    scene.project(1, "a").operations().run_one(&by("a"), Request::task(TASK, complete())).unwrap();
}

#[test]
fn the_way_to_finished_work_is_the_branch_that_has_it_now() {
    let scene = Scene::new(1, 2);
    complete_elsewhere(&scene);
    let hint = || {
        let Err(Error::ClaimLost(loss)) = claim(&scene, 0, "b", 60_000) else { panic!("it is not lost") };
        loss.hint().unwrap()
    };
    assert_eq!(hint(), "run `git merge branch-1` first");
    scene.git(0, &["branch", "-m", "branch-1", "renamed"]);
    assert_eq!(hint(), "run `git merge renamed` first");
    scene.git(1, &["checkout", "-q", "--detach"]);
    scene.git(0, &["branch", "-D", "renamed"]);
    let root = scene.project(1, "a").root().display().to_string();
    assert_eq!(hint(), format!("run `git -C {root} switch -c NAME` there, then `git merge NAME` here"));
    scene.git(1, &["switch", "-q", "-c", "kept"]);
    assert_eq!(hint(), "run `git merge kept` first");
    scene.git(0, &["worktree", "remove", "--force", &root]);
    scene.git(0, &["branch", "-D", "kept"]);
    assert!(hint().contains(&format!("`mycelium task claim {TASK} --steal` to do it again")), "{}", hint());
    let stolen = scene.run(0, &["task", "claim", TASK, "--steal", "--as", "b"]);
    assert!(stolen.stderr.contains("taken from a by b, fence 2"), "{stolen:?}");
}

#[test]
fn what_is_finished_in_another_work_tree_is_not_given_again() {
    let scene = Scene::new(1, 2);
    complete_elsewhere(&scene);
    let Err(Error::ClaimLost(loss)) = claim(&scene, 0, "b", 60_000) else { panic!("it is not lost") };
    assert_eq!((loss.why, loss.place.clone().unwrap().branch.unwrap().as_str()), (LossReason::Completed, "branch-1"));
    assert_eq!(loss.hint().unwrap(), "run `git merge branch-1` first");
    let none =
        scene.project(0, "b").operations().claim(&by("b"), Which::Next { kind: Some("work") }, &ask("b", 60_000));
    assert!(matches!(none, Err(Error::NothingReady { .. })), "{none:?}");
    scene.git(0, &["merge", "--quiet", "branch-1"]);
    assert!(matches!(claim(&scene, 0, "b", 60_000), Err(Error::NotPending { .. })));
    scene.project(0, "b").operations().run_one(&by("b"), Request::task(TASK, TaskChange::Reopen)).unwrap();
    assert_eq!(claim(&scene, 0, "b", 60_000).unwrap().fence, 2);
}

#[test]
fn what_a_holder_of_another_clone_finishes_here_is_not_given_again_in_another_work_tree() {
    let scene = Scene::new(1, 2);
    claim(&scene, 1, "a", 60_000).unwrap();
    // As a merge brings it: the file says who has it, and the ledger of this clone knows nothing.
    std::fs::remove_file(scene.entry_path(TASK).unwrap()).unwrap();
    scene.project(1, "a").operations().run_one(&by("a"), Request::task(TASK, complete())).unwrap();
    let Err(Error::ClaimLost(loss)) = claim(&scene, 0, "b", 60_000) else { panic!("it is not lost") };
    assert_eq!((loss.why, loss.hint().unwrap().as_str()), (LossReason::Completed, "run `git merge branch-1` first"));
}

#[test]
fn a_claim_whose_process_died_is_void_or_whole() {
    for moment in ["die-after-append", "die-after-first-exchange", "die-after-exchange"] {
        let scene = Scene::new(1, 2);
        let mut dying = scene.command(0, &["task", "claim", TASK, "--as", "a"]);
        let died = Run::of(dying.env("MYCELIUM_SABOTAGE", moment));
        assert_eq!(died.code, None, "{moment}: {died:?}");
        let (taken, fence) = match claim(&scene, 1, "b", 60_000) {
            Ok(claimed) => ("b", claimed.fence),
            Err(Error::ClaimLost(loss)) => {
                assert_eq!(loss.by.unwrap().as_str(), "a");
                ("a", claim(&scene, 0, "a", 60_000).unwrap().fence)
            }
            Err(error) => panic!("{moment}: {error}"),
        };
        let entry = scene.entry(TASK).unwrap();
        assert_eq!((entry["by"].as_str(), entry["state"].as_str()), (Some(taken), Some("held")), "{moment}");
        assert_eq!(entry["fence"], fence, "{moment}");
        let tree = usize::from(taken == "b");
        assert_eq!(scene.keys(tree, TASK)["claimed_by"], taken, "{moment}");
        assert_eq!(scene.keys(tree, TASK)["fence"], fence.to_string(), "{moment}");
        // The one that lost has lost for good.
        let other = if taken == "a" { "b" } else { "a" };
        lost_to(claim(&scene, usize::from(other == "b"), other, 60_000), taken);
    }
}

/// The registry is written before the document: between the two the task still runs, and its lease has to end.
#[test]
fn the_lease_of_an_end_whose_process_died_is_over_in_time() {
    for moment in ["die-before-append", "die-after-append", "die-after-exchange", "die-after-telling"] {
        for verb in ["complete", "fail", "release"] {
            let at = format!("{verb}, {moment}");
            let scene = Scene::new(1, 1);
            claim(&scene, 0, "a", 60_000).unwrap();
            let mut words = vec!["task", verb, TASK, "--as", "a"];
            words.extend((verb == "fail").then_some("--error=no memory"));
            let died = Run::of(scene.command(0, &words).env("MYCELIUM_SABOTAGE", moment));
            assert_eq!(died.code, None, "{at}: {died:?}");
            pass(&scene, 61_000);
            // As a watcher does; what was journaled is finished by it first.
            let watched = scene.run(0, &["watch", "--once"]);
            assert_eq!(watched.code, Some(0), "{at}: {watched:?}");
            let project = scene.project(0, "");
            project.operations().take_back().unwrap();
            let status = scene.keys(0, TASK)["status"].clone();
            assert_ne!(status, "running", "{at}");
            if moment == "die-before-append" {
                assert_eq!(status, "pending", "{at}");
            }
        }
    }
}

#[test]
fn a_fence_that_is_named_must_be_the_one_now() {
    let scene = Scene::new(1, 1);
    claim(&scene, 0, "a", 60_000).unwrap();
    let person = scene.project(0, "");
    assert!(person.agent().is_none());
    let complete = |fence| {
        let passing = Passing { fence: Some(fence), ..Passing::default() };
        person.operations().run_one(person.actor(), Request::task(TASK, complete()).with(passing))
    };
    let Err(Error::ClaimLost(loss)) = complete(7) else { panic!("it is not lost") };
    assert_eq!((loss.why, loss.fence), (LossReason::Fence, 1));
    complete(1).unwrap();
    assert_eq!(scene.entry(TASK).unwrap()["state"], "completed");
}

#[test]
fn an_agent_that_begins_a_task_claims_it() {
    let scene = Scene::new(1, 2);
    scene.run(0, &["task", "update", TASK, "--status", "running", "--as", "a"]).ok();
    assert_eq!(scene.keys(0, TASK)["claimed_by"], "a");
    assert_eq!(scene.entry(TASK).unwrap()["state"], "held");
    let lost = scene.run(1, &["task", "update", TASK, "--status", "running", "--as", "b"]);
    assert_eq!(lost.code, Some(4), "{lost:?}");
    scene.run(0, &["task", "release", TASK, "--as", "a"]).ok();
    assert_eq!(scene.entry(TASK).unwrap()["state"], "released");
    scene.run(1, &["task", "update", TASK, "--status", "running", "--as", "b"]).ok();
    assert_eq!(scene.keys(1, TASK)["fence"], "2");
    scene.run(1, &["task", "remove", TASK]).ok();
    assert_eq!(scene.entry(TASK), None);
}

#[test]
fn a_batch_obeys_the_ledger_and_tells_it() {
    let scene = Scene::new(4, 2);
    let claimed = |n: usize| {
        scene.project(0, "a").operations().claim(&by("a"), Which::Task(&format!("task-000{n}")), &ask("a", 60_000))
    };
    claimed(0).unwrap();
    claimed(1).unwrap();
    let step = |n: usize, status: TaskStatus| {
        let update = task::TaskUpdate { status: Some(status), ..task::TaskUpdate::default() };
        Request::task(&format!("task-000{n}"), update.into())
    };
    let steps = || {
        [
            step(0, TaskStatus::Completed),
            step(2, TaskStatus::Running),
            step(3, TaskStatus::Running),
            step(3, TaskStatus::Completed),
        ]
    };
    let told = |results: Vec<Result<Outcome, Error>>| -> Vec<String> {
        let one = |result: Result<Outcome, Error>| match result {
            Ok(outcome) => outcome.entity.unwrap().status_word().to_owned(),
            Err(Error::ClaimLost(loss)) => format!("lost to {}", loss.by.unwrap()),
            Err(error) => error.to_string(),
        };
        results.into_iter().map(one).collect()
    };
    // In the other work tree `b` sees pending tasks, and begins two of them; what `a` has it does not get.
    let mut theirs: Vec<Request<'_>> = steps().into_iter().skip(1).collect();
    theirs.push(step(1, TaskStatus::Running));
    let b = scene.project(1, "b").operations().batch(&by("b"), &theirs, Together::Each);
    assert_eq!(told(b.unwrap()), ["running", "running", "completed", "lost to a"]);
    let (two, three) = (scene.entry("task-0002").unwrap(), scene.entry("task-0003").unwrap());
    assert_eq!((two["by"].as_str(), two["state"].as_str(), two["fence"].as_u64()), (Some("b"), Some("held"), Some(1)));
    assert_eq!((three["by"].as_str(), three["state"].as_str()), (Some("b"), Some("completed")));
    assert_eq!(scene.keys(1, "task-0002")["claimed_by"], "b");
    assert_eq!(scene.keys(1, "task-0003")["fence"], "1");
    let a = scene.project(0, "a").operations().batch(&by("a"), &steps(), Together::Each).unwrap();
    assert_eq!(told(a)[..3], ["completed", "lost to b", "lost to b"]);
    assert_eq!(scene.entry("task-0000").unwrap()["state"], "completed");
    let all = scene.project(0, "a").operations().batch(
        &by("a"),
        &[step(1, TaskStatus::Completed), step(2, TaskStatus::Running)],
        Together::All,
    );
    assert!(all.unwrap().iter().all(Result::is_err));
    assert_eq!(scene.entry("task-0001").unwrap()["state"], "held", "nothing of it was done");
    let removed = DocumentChange::Remove { kind: Kind::Task, id: "task-0001".to_owned() }.into();
    assert!(scene.project(0, "a").operations().batch(&by("a"), &[removed], Together::Each).unwrap()[0].is_ok());
    assert_eq!(scene.entry("task-0001"), None);
}

#[test]
fn the_clock_on_the_wall_ends_no_lease() {
    if !has_program("faketime") {
        return could_not_run("the_clock_on_the_wall_ends_no_lease", "`faketime` is missing");
    }
    let scene = Scene::new(1, 1);
    claim(&scene, 0, "a", 3_600_000).unwrap();
    for jump in ["+365d", "-365d"] {
        // As a user would see it whose clock was set: the program runs under a wrong date, and its time since the start of
        // the machine is the real one.
        let library =
            Run::of(std::process::Command::new("faketime").args(["-f", "+0d", "printenv", "LD_PRELOAD"])).ok();
        let mut command = scene.command(0, &["task", "claim", TASK, "--as", "b", "--json"]);
        command.env("LD_PRELOAD", library.trim()).env("FAKETIME", jump);
        command.env("DONT_FAKE_MONOTONIC", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        let run = Run::of(&mut command);
        assert_eq!(run.code, Some(4), "{jump}: {run:?}");
        let error: serde_json::Value = serde_json::from_str(&run.stderr).unwrap();
        let left = error["error"]["claim"]["left_ms"].as_u64().unwrap();
        assert!((3_000_000..=3_600_000).contains(&left), "{jump}: {left}");
        let until = error["error"]["claim"]["until"].as_str().unwrap();
        let since = error["error"]["claim"]["since"].as_str().unwrap();
        assert_ne!(until[..4], since[..4], "{jump}: the clock on the wall was another one");
    }
}

/// The holder of a step dies each time: by whoever asks next, by the driver, by the driver.
#[test]
fn a_step_whose_holders_die_three_times_in_a_row_fails_its_workflow() {
    let scene = Scene::new(1, 1);
    let drive = || scene.run(0, &["workflow", "drive"]).ok();
    let text = scene.sandbox.read(&format!("{FOLDER}/{TASK}.md"));
    let text = text.replace("# more\n", "# more\nstep: train\nworkflow: wf-1\n");
    scene.sandbox.write(&format!("{FOLDER}/{TASK}.md"), &text);
    let workflow = "---\nid: wf-1\nstatus: running\ntype: train\ncreated: 2025-10-17T00:00:00Z\nengine: embedded\n---\n\n# Train\n";
    scene.sandbox.write(&format!("{FOLDER}/workflow-wf-1.md"), workflow);
    scene.run(0, &["commit"]).ok();

    claim(&scene, 0, "a", 60_000).unwrap();
    pass(&scene, 61_000);
    claim(&scene, 0, "b", 60_000).unwrap();
    assert_eq!(scene.keys(0, TASK).get("expiries").map(String::as_str), Some("1"));
    drive();
    assert_eq!(scene.keys(0, TASK)["status"], "running", "its lease goes on");
    pass(&scene, 61_000);
    drive();
    let keys = scene.keys(0, TASK);
    assert_eq!((keys["status"].as_str(), keys["expiries"].as_str()), ("pending", "2"));
    claim(&scene, 0, "c", 60_000).unwrap();
    pass(&scene, 61_000);
    drive();
    assert_eq!(scene.keys(0, TASK)["status"], "failed");
    let shown = scene.run(0, &["workflow", "get", "wf-1"]).ok();
    assert!(shown.contains("train failed: the leases of 3 holders in a row expired"), "{shown}");

    scene.run(0, &["workflow", "retry", "wf-1"]).ok();
    assert!(!scene.keys(0, TASK).contains_key("expiries"));
    claim(&scene, 0, "d", 60_000).unwrap();
    scene.project(0, "d").operations().run_one(&by("d"), Request::task(TASK, complete())).map(drop).unwrap();
    drive();
    assert!(scene.run(0, &["workflow", "get", "wf-1", "--json"]).ok().contains("\"status\":\"completed\""));
}
