//! A clock that jumps by a year, either way: work goes on, in the order in which it was done.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::alone;
use crate::history::{assert_sound, commits, file_at_head, is_committed};
use crate::support::{FOLDER, Run, Sandbox, could_not_run, has_program};
use crate::watcher::wait_for;

const PATIENCE: Duration = Duration::from_secs(20);
/// One after the other, in days from now.
const JUMPS: [&str; 6] = ["+0d", "-365d", "+365d", "-365d", "+0d", "+365d"];

/// The library that tells programs a wrong time, or why it is not there.
fn library() -> Result<String, String> {
    if !has_program("faketime") {
        return Err("`faketime` is missing".to_owned());
    }
    // It says itself where its library is, through the variable by which it is loaded.
    let run = Run::of(Command::new("faketime").args(["-f", "+0d", "printenv", "LD_PRELOAD"]));
    let found = run.stdout.split([':', ' ', '\n']).find(|part| part.contains("faketime"));
    found.map(str::to_owned).ok_or_else(|| format!("`faketime` loads no library: {run:?}"))
}

/// Makes a command believe the time in this file; how long something takes it knows all the same.
fn pretend(command: &mut Command, library: &str, sandbox: &Sandbox) {
    command.env("LD_PRELOAD", library).env("FAKETIME_TIMESTAMP_FILE", sandbox.path("../clock"));
    command.env("FAKETIME_NO_CACHE", "1").env("DONT_FAKE_MONOTONIC", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
}

fn set(sandbox: &Sandbox, jump: &str) {
    let (clock, aside) = (sandbox.path("../clock"), sandbox.path("../clock-aside"));
    fs::write(&aside, format!("{jump}\n")).unwrap();
    fs::rename(aside, clock).unwrap();
}

fn at(sandbox: &Sandbox, library: &str, words: &[&str]) -> Run {
    let mut command = sandbox.mycelium_command(words);
    pretend(&mut command, library, sandbox);
    Run::of(&mut command)
}

#[test]
fn a_clock_that_jumps_by_a_year_harms_no_command() {
    let _alone = alone();
    let library = match library() {
        Ok(library) => library,
        Err(why) => return could_not_run("a_clock_that_jumps_by_a_year_harms_no_command", &why),
    };
    let sandbox = Sandbox::new();
    set(&sandbox, "+0d");
    let mut ids = Vec::new();
    for (step, jump) in JUMPS.into_iter().enumerate() {
        set(&sandbox, jump);
        ids.push(at(&sandbox, &library, &["task", "create", "--type", "test"]).ok().trim().to_owned());
        at(&sandbox, &library, &["task", "update", &ids[0], "--set", &format!("step={step}")]).ok();
        assert!(is_committed(&sandbox), "{jump}: {}", sandbox.git(&["status", "--porcelain"]));
    }
    let years: Vec<String> = ids.iter().map(|id| year_of(&sandbox, id)).collect();
    assert!(years[1] < years[0] && years[2] > years[0], "the clock did not jump: {years:?}");
    let mut unique = ids.clone();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), ids.len(), "an id was given twice");
    // The order is that of the commits, whatever their dates say.
    let subjects = sandbox.git(&["log", "--topo-order", "--reverse", "--format=%s"]);
    let told = subjects.lines().filter(|line| line.contains("step")).count();
    assert_eq!(told, JUMPS.len(), "{subjects}");
    let log = sandbox.mycelium(&["log", &ids[0]]).ok();
    let steps: Vec<usize> = log.lines().filter_map(|line| line.split("step").nth(1).and_then(last_number)).collect();
    let newest_first: Vec<usize> = (0..JUMPS.len()).rev().collect();
    let oldest_first: Vec<usize> = (0..JUMPS.len()).collect();
    assert!(steps == newest_first || steps == oldest_first, "out of order: {steps:?}\n{log}");
    assert_eq!(sandbox.mycelium(&["check"]).code, Some(0));
    assert_sound(&sandbox);
}

/// The last number in a text.
fn last_number(text: &str) -> Option<usize> {
    text.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).next_back()
}

fn year_of(sandbox: &Sandbox, id: &str) -> String {
    let text = sandbox.read(&format!("{FOLDER}/{id}.md"));
    let created = text.lines().find_map(|line| line.strip_prefix("created: "));
    created.unwrap_or_else(|| panic!("no time of creation: {text}")).trim_matches('"')[..4].to_owned()
}

/// A watcher that believes the file; killed when the test lets go of it.
struct Deceived(Child);

impl Drop for Deceived {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_clock_that_jumps_by_a_year_stops_no_watcher() {
    let _alone = alone();
    let library = match library() {
        Ok(library) => library,
        Err(why) => return could_not_run("a_clock_that_jumps_by_a_year_stops_no_watcher", &why),
    };
    let sandbox = Sandbox::new();
    set(&sandbox, "+0d");
    let mut command = sandbox.mycelium_command(&["watch"]);
    pretend(&mut command, &library, &sandbox);
    let mut watcher = Deceived(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    let path = format!("{FOLDER}/task-hand.md");
    for (step, jump) in JUMPS.into_iter().enumerate() {
        set(&sandbox, jump);
        let text = format!("---\nid: task-hand\ntype: test\nstatus: pending\nstep: {step}\n---\n\n# By hand\n");
        sandbox.write(&path, &text);
        let is_there = || file_at_head(&sandbox, &path).is_some_and(|found| found == text);
        assert!(wait_for(PATIENCE, is_there), "step {step}, clock at {jump}: the save is not committed");
    }
    let process = watcher.0.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &process]).status().unwrap().success());
    assert!(wait_for(PATIENCE, || watcher.0.try_wait().unwrap().is_some()), "`watch` does not stop");
    assert_eq!(watcher.0.wait().unwrap().code(), Some(0));
    assert_eq!(commits(&sandbox).len(), 1 + JUMPS.len(), "one commit a save");
    assert_sound(&sandbox);
}
