//! Every figure of the project, by part: `cargo bench --bench figures -- commit burst` measures these two.
#![allow(clippy::disallowed_methods, reason = "a bench starts programs, touches files and reads the clock")]
#![allow(clippy::unwrap_used, reason = "a bench that cannot be set up has failed")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a bench prints its figures")]

#[path = "../../tests/redis/server.rs"]
mod server;
#[allow(unused_imports, reason = "the tests use all of it")]
#[path = "../../tests/taskqueue/stand_in/mod.rs"]
mod stand_in;
#[path = "../../tests/support/mod.rs"]
mod support;

mod apart;
mod bench;
mod client;
mod commit;
mod costs;
mod creates;
mod document;
mod events;
mod growth;
mod parse;
mod pipeline;
mod process;
mod redis;
mod scan;
mod silent;
mod subscriptions;
mod taskqueue;
mod throughput;
mod watching;
mod workflows;
mod write;

use std::process::{Command, exit};

use bench::{Bench, Size};
use support::Sandbox;

/// Set in the process that measures: it has a home, a git configuration and an environment of its own.
const INSIDE: &str = "MYCELIUM_BENCH_INSIDE";

/// Measures a part and tells its figures.
type Part = fn(&Bench);

/// The parts, in the order in which they are measured.
const PARTS: &[(&str, Part)] = &[
    ("parse", parse::run),
    ("scan", scan::run),
    ("write", write::run),
    ("pipeline", pipeline::run),
    ("start", process::start),
    ("looks", process::looks),
    ("large", process::large),
    ("commit", commit::creates),
    ("life", costs::life),
    ("peers", costs::peers),
    ("document", document::run),
    ("edits", commit::edits),
    ("throughput", throughput::run),
    ("client", client::run),
    ("events", events::run),
    ("subscriptions", subscriptions::run),
    ("redis", redis::run),
    ("taskqueue", taskqueue::run),
    ("workflows", workflows::run),
    ("silent", silent::run),
    ("creates", creates::run),
    ("growth", growth::run),
    ("saves", watching::saves),
    ("burst", watching::burst),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|argument| argument == "stand_in_process") {
        return stand_in::serve();
    }
    if let [first, rest @ ..] = arguments.as_slice()
        && first == apart::BETWEEN
    {
        return apart::forward(rest);
    }
    if std::env::var_os(INSIDE).is_none() {
        return isolate(&arguments);
    }
    // Cargo passes `--bench` in `cargo bench`; `cargo test` only asks whether it still works.
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let size = match (has("--bench"), has("--quick")) {
        (false, _) => Size::Test,
        (true, true) => Size::Quick,
        (true, false) => Size::Full,
    };
    let wanted: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    if let Some(unknown) = wanted.iter().find(|name| !PARTS.iter().any(|(part, _)| part == **name)) {
        let parts: Vec<&str> = PARTS.iter().map(|(part, _)| *part).collect();
        eprintln!("there is no part `{unknown}`; there are {}", parts.join(", "));
        exit(2);
    }
    let bench = Bench::new(size);
    for (part, run) in PARTS.iter().filter(|(part, _)| wanted.is_empty() || wanted.iter().any(|name| name == part)) {
        println!("\n{part}");
        let before = bench.told();
        run(&bench);
        assert!(bench.told() > before, "{part} told nothing");
    }
    if size == Size::Test {
        println!("\ntest result: ok. {} passed; 0 failed; 0 ignored", bench.told());
    }
}

/// Runs this program again where nothing of the user's is read: what is measured in the process uses git, too.
fn isolate(arguments: &[String]) {
    let home = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::below(home.path());
    let mut command: Command = sandbox.command(std::env::current_exe().unwrap());
    command.env_remove("GIT_AUTHOR_DATE").env_remove("GIT_COMMITTER_DATE");
    let given = [bench::FIGURES, bench::KEEP, taskqueue::REAL]
        .into_iter()
        .filter_map(|name| Some((name, std::env::var_os(name)?)));
    command.envs(given);
    let status = command.args(arguments).env(INSIDE, "yes").status().unwrap();
    if !status.success() {
        exit(status.code().unwrap_or(1));
    }
}
