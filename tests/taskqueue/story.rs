//! The story in docs/taskqueue.md, typed as it stands there: a person approves with the server's own command line, an agent works
//! from the files. Without the real server the approval is written as that command line writes it.

use std::path::Path;

use crate::other::approve;
use crate::pages::{matches, steps};
use crate::place::{Place, eventually};
use crate::server::{Server, real_words};
use crate::support::Run;

const PAGE: &str = "docs/taskqueue.md";
const PART: &str = "\n## A person approves, an agent works from the files\n";

#[test]
fn the_story_in_the_documentation_goes_as_it_stands_there() {
    let server = Server::real_or_stand_in("the story");
    let place = Place::new(&server);
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE)).expect("the page");
    let part = page.split(PART).nth(1).and_then(|part| part.split("\n## ").next()).expect("the part");
    let steps = steps(&part.replace("```taskqueue", "```console"));
    assert_eq!(steps.len(), 6, "{steps:?}");
    let _watching = place.watch();
    eventually("live", || place.state().0 == "live");
    for step in steps {
        if let Some(arguments) = step.command.strip_prefix("taskqueue ") {
            eventually("done there", || server.file().exists() && server.text().contains("\"status\": \"done\""));
            let printed = approve_by(&server, arguments);
            let expected = step.output.as_deref().unwrap_or_default();
            assert!(printed.is_none_or(|printed| matches(expected, &printed)), "{expected}");
            continue;
        }
        let run = || {
            let own = Path::new(env!("CARGO_BIN_EXE_mycelium")).parent().expect("a folder").to_owned();
            let path = std::env::var_os("PATH").unwrap_or_default();
            let path = std::env::join_paths(std::iter::once(own).chain(std::env::split_paths(&path))).expect("a path");
            let mut shell = place.shell(&step.command);
            Run::of(shell.env("PATH", path))
        };
        let mut last = String::new();
        let is_only_read = step.command.contains(" get ") || step.command.starts_with("git ");
        let goes = |last: &mut String| {
            let run = run();
            *last = format!("{run:?}");
            run.code == Some(step.code) && matches(step.output.as_deref().unwrap_or("...\n"), &run.stdout)
        };
        if is_only_read {
            eventually(&step.command, || goes(&mut last));
        } else {
            assert!(goes(&mut last), "{last}");
        }
    }
}

/// Approves by the real command line, and returns what it prints; else as it would.
fn approve_by(server: &Server, arguments: &str) -> Option<String> {
    let Some(words) = real_words() else {
        approve(server, "[task-1]");
        return None;
    };
    let client: Vec<String> = words.iter().map(|word| word.replace("/server/index.js", "/client/index.js")).collect();
    let mut command = std::process::Command::new(&client[0]);
    command.args(&client[1..]).arg("-f").arg(server.file()).args(arguments.split(' ')).env("NO_COLOR", "1");
    Some(Run::of(&mut command).ok())
}
