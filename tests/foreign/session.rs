//! The session with redis-cli that the documentation shows, typed as it stands there, by somebody who waits for each commit.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::pages::{matches, steps};
use crate::scene::{Scene, until};
use crate::support::script::write_script;
use crate::support::{FOLDER, Run, could_not_run, has_program};

/// The page and the part of it that is typed.
const PAGE: &str = "docs/redis.md";
const PART: &str = "\n## A session with redis-cli\n";
/// What changes a document: it is waited for until there is a commit of it. Git's status says nothing before the watcher has
/// written what came.
const WRITES: &[&str] = &["redis-cli HSET", "redis-cli LPUSH", "redis-cli PUBLISH"];
/// What only looks is looked at again until it is as it stands there: the watcher needs a moment.
const LOOKS: &[&str] = &["redis-cli HGET", "redis-cli LRANGE", "redis-cli TTL", "mycelium ", "git "];

fn session() -> String {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE)).unwrap();
    let part = page.split(PART).nth(1).expect("the part is there");
    part.split("\n## ").next().unwrap().replace("```redis", "```console")
}

/// A shell in which `redis-cli` speaks with this server as on a terminal, and `mycelium` is ours.
fn shell(scene: &Scene, bin: &Path, command: &str) -> Command {
    let mut shell = scene.clones[0].command("sh");
    let own = Path::new(env!("CARGO_BIN_EXE_mycelium")).parent().unwrap().to_owned();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths([bin.to_owned(), own].into_iter().chain(std::env::split_paths(&path))).unwrap();
    shell.env("PATH", path).env("REDIS_URL", scene.server.url());
    shell.args(["-c", &format!("exec 2>&1; {command}")]);
    shell
}

#[test]
fn the_session_in_the_documentation_goes_as_it_stands_there() {
    let test = "the_session_in_the_documentation_goes_as_it_stands_there";
    if !has_program("redis-cli") {
        return could_not_run(test, "`redis-cli` is missing");
    }
    let Some(scene) = Scene::start(test, 1, &[]) else { return };
    let bin = scene.top().join("bin");
    let real = which("redis-cli");
    let wrapper = bin.join("redis-cli");
    write_script(&wrapper, &format!("exec {real} -u {} --no-raw \"$@\"", scene.server.url()));
    let steps = steps(&session());
    assert!(steps.len() > 15, "only {} commands", steps.len());
    for step in steps {
        let expected = step.output.as_deref().unwrap_or("...\n");
        let head = scene.clones[0].git(&["rev-parse", "HEAD"]);
        let is_one_of = |kind: &[&str]| kind.iter().any(|start| step.command.starts_with(start));
        let began = Instant::now();
        loop {
            let run = Run::of(&mut shell(&scene, &bin, &step.command));
            if run.code == Some(step.code) && matches(expected, &run.stdout) {
                break;
            }
            let looks = is_one_of(LOOKS);
            let is_over = !looks || began.elapsed() > Duration::from_secs(30);
            assert!(
                !is_over,
                "`{}` ended with {:?} and printed\n{}\nnot\n{expected}",
                step.command, run.code, run.stdout
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        until("it is committed", || {
            if is_one_of(WRITES) && scene.clones[0].git(&["rev-parse", "HEAD"]) == head {
                return false;
            }
            let dirty = ["--no-optional-locks", "status", "--porcelain", "--untracked-files=all", "--", FOLDER];
            scene.clones[0].git(&dirty).is_empty()
        });
    }
}

fn which(name: &str) -> String {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|program| program.is_file());
    found.expect("it is there").display().to_string()
}
