//! Every command in README and docs is run, and prints what the page says it prints.
//!
//! A `console` block holds commands behind `$ ` and their whole output (`[..]` stands for any text in a line, `...` for
//! any lines, `? 2` for an exit code); an `sh` block holds commands alone, which must succeed. One page is one sandbox.
//! Commands that build the project are checked without building it again: see [`stand_in`].
#![allow(clippy::disallowed_methods, reason = "tests touch files, start programs and read the clock")]
#![allow(clippy::unwrap_used, reason = "a page that cannot be read has failed")]

mod pages;
mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use pages::{Step, inline_commands, matches, steps};
use support::{Run, Sandbox, names};

/// What a command in the background gets to start.
const START: Duration = Duration::from_millis(500);

/// Commands that only look at the history: the watcher may need a moment, so they may look again for a while.
const LOOKS: &[&str] = &["git log", "mycelium log"];
const PATIENCE: Duration = Duration::from_secs(10);

/// How a command of the documents is run here.
#[derive(Debug, PartialEq)]
enum How {
    /// As it stands, by a shell in the sandbox.
    Shell(String),
    /// In the background, until the page ends.
    Background(String),
    /// Not at all: it builds the project, and what it needs was checked instead.
    Checked,
}

/// Commands of the project itself are not run inside its own tests; what they name must exist.
///
/// `cargo run --release -- X` becomes `mycelium X` by the program under test. `cargo install --path .` needs a package
/// with a program; `cargo bench --bench X` and `cargo test --test X` need their file; scripts must be executable and free
/// of syntax errors.
fn stand_in(command: &str) -> Result<How, String> {
    let words: Vec<&str> = command.split_whitespace().collect();
    let need = |path: String| if root().join(&path).is_file() { Ok(How::Checked) } else { Err(format!("no `{path}`")) };
    match words.as_slice() {
        ["cargo", "run", "--release", "--", rest @ ..] => Ok(How::Shell(format!("mycelium {}", rest.join(" ")))),
        ["cargo", "install", "--path", "."] => need("src/main.rs".to_owned()),
        ["cargo", "install", "--path", ".", "--profile", profile] => {
            let is_there = fs::read_to_string(root().join("Cargo.toml"))
                .is_ok_and(|text| text.contains(&format!("[profile.{profile}]")));
            if is_there { need("src/main.rs".to_owned()) } else { Err(format!("no profile `{profile}`")) }
        }
        ["cargo", "bench"] => need("benches/README.md".to_owned()),
        ["cargo", "bench", "--bench", name, ..] => {
            need(format!("benches/{name}.rs")).or_else(|_| need(format!("benches/{name}/main.rs")))
        }
        ["cargo", "test", "--test", name, ..] => {
            need(format!("tests/{name}.rs")).or_else(|_| need(format!("tests/{name}/main.rs")))
        }
        ["cargo", ..] => Err("no rule says how to check it".to_owned()),
        [.., script @ ("tests/run" | "tests/setup" | "tests/faults/all" | ".ci/run" | "benches/table")] => {
            check_script(script)
        }
        ["mycelium", "watch"] => Ok(How::Background(command.to_owned())),
        _ => Ok(How::Shell(command.to_owned())),
    }
}

fn check_script(script: &str) -> Result<How, String> {
    use std::os::unix::fs::PermissionsExt as _;
    let path = root().join(script);
    let mode = fs::metadata(&path).map_err(|error| error.to_string())?.permissions().mode();
    let syntax = Command::new("bash").arg("-n").arg(&path).status().unwrap();
    if mode & 0o111 != 0 && syntax.success() { Ok(How::Checked) } else { Err(format!("`{script}` cannot be run")) }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// README and every page below `docs/`.
fn documents() -> Vec<(String, String)> {
    let mut paths = vec!["README.md".to_owned(), "benches/README.md".to_owned()];
    let mut folders = vec!["docs".to_owned()];
    while let Some(folder) = folders.pop() {
        for name in names(&root().join(&folder)) {
            let path = format!("{folder}/{name}");
            if root().join(&path).is_dir() {
                folders.push(path);
            } else if Path::new(&name).extension().is_some_and(|e| e == "md") {
                paths.push(path);
            }
        }
    }
    paths.into_iter().map(|path| (path.clone(), fs::read_to_string(root().join(path)).unwrap())).collect()
}

/// One page being run.
struct Page {
    sandbox: Sandbox,
    background: Vec<Child>,
    faults: Vec<String>,
}

impl Page {
    fn run(name: &str, text: &str) -> Vec<String> {
        let mut page = Self { sandbox: Sandbox::new(), background: Vec::new(), faults: Vec::new() };
        for step in steps(text) {
            if let Err(why) = page.take(&step) {
                page.faults.push(format!("{name}:{}: `{}`: {why}", step.line, step.command));
            }
        }
        for mut child in page.background {
            if child.try_wait().unwrap().is_some() {
                page.faults.push(format!("{name}: a command in the background ended by itself"));
                continue;
            }
            assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
            let end = child.wait().unwrap();
            if !end.success() {
                page.faults.push(format!("{name}: a command in the background ended with {end}"));
            }
        }
        page.faults
    }

    fn take(&mut self, step: &Step) -> Result<(), String> {
        match stand_in(&step.command)? {
            How::Checked => Ok(()),
            // One watcher is enough for a page, as for a work tree.
            How::Background(_) if !self.background.is_empty() => Ok(()),
            How::Background(command) => {
                // Without a shell in between, which would take the signal that ends it.
                let child = self.shell(&format!("exec {command}")).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
                self.background.push(child.unwrap());
                std::thread::sleep(START);
                Ok(())
            }
            How::Shell(command) => {
                let start = Instant::now();
                let looks = LOOKS.iter().any(|look| command.starts_with(look));
                let expected = step.output.as_deref();
                let (run, said) = loop {
                    let run = Run::of(&mut self.shell(&command));
                    let said = format!("{}{}", run.stdout, run.stderr);
                    let fits = expected.is_none_or(|expected| matches(expected, &said));
                    if run.code == Some(step.code) && fits {
                        return Ok(());
                    }
                    if !looks || start.elapsed() > PATIENCE {
                        break (run, said);
                    }
                    std::thread::sleep(Duration::from_millis(100));
                };
                Err(format!(
                    "exit {:?}, printed\n{said}\nexpected exit {} and\n{}",
                    run.code,
                    step.code,
                    expected.unwrap_or("...")
                ))
            }
        }
    }

    /// A shell in which `mycelium` is the program under test.
    fn shell(&self, command: &str) -> Command {
        let own = Path::new(env!("CARGO_BIN_EXE_mycelium")).parent().unwrap().to_owned();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(std::iter::once(own).chain(std::env::split_paths(&path))).unwrap();
        let mut shell = self.sandbox.command("sh");
        shell.env("PATH", path).args(["-c", &format!("exec 2>&1; {command}")]);
        shell
    }
}

#[test]
fn commands_in_the_documents_do_what_they_say() {
    let faults: Vec<String> = documents().iter().flat_map(|(name, text)| Page::run(name, text)).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
}

#[test]
fn the_demo_is_over_in_ten_seconds() {
    let sandbox = Sandbox::without_git();
    let start = Instant::now();
    let told = sandbox.mycelium(&["demo"]).ok();
    let took = start.elapsed();
    assert!(told.contains("done: "), "{told}");
    assert!(took < Duration::from_secs(10), "it took {took:?}");
    assert_eq!(names(sandbox.root()), Vec::<String>::new(), "it leaves nothing where it is started");
}

#[test]
fn a_demo_that_is_interrupted_leaves_nothing() {
    let sandbox = Sandbox::without_git();
    let scratch = sandbox.path("tmp");
    fs::create_dir(&scratch).unwrap();
    let mut demo = sandbox.mycelium_command(&["demo"]);
    let child = demo.env("TMPDIR", &scratch).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let start = Instant::now();
    while names(&scratch).is_empty() && start.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(10));
    }
    std::thread::sleep(START);
    assert_eq!(names(&scratch).len(), 1, "it is in the middle");
    let asked = Command::new("sh").args(["-c", &format!("kill -INT {}", child.id())]).status().unwrap();
    assert!(asked.success());
    let run = Run::from_output("mycelium demo".to_owned(), &child.wait_with_output().unwrap());
    assert_eq!(run.code, Some(130), "{run:?}");
    assert_eq!(run.stderr, "error: the demo was interrupted; its repository is removed\n");
    assert_eq!(names(&scratch), Vec::<String>::new());
}

#[test]
fn the_first_page_shows_both_commands() {
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    let commands: BTreeSet<String> = steps(&text).into_iter().map(|step| step.command).collect();
    for command in
        ["cargo run --release -- demo", "cargo install --path . --profile dist", "mycelium watch", "tests/run"]
    {
        assert!(commands.contains(command), "`{command}` is in no block of README.md: {commands:?}");
    }
}

/// The page on performance shows the figures that the benches printed, and no others.
#[test]
fn the_table_of_figures_is_what_was_measured() {
    let target = tempfile::tempdir().unwrap();
    let run = Command::new("benches/table")
        .arg("--check")
        .current_dir(root())
        .env("CARGO_TARGET_DIR", target.path())
        .output()
        .unwrap();
    assert!(run.status.success(), "{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
}

#[test]
fn commands_named_in_prose_exist() {
    let mut faults = Vec::new();
    let mut seen = BTreeSet::new();
    for (name, text) in documents() {
        for (line, words) in inline_commands(&text) {
            if seen.insert(words.clone()) {
                let sandbox = Sandbox::without_git();
                // The help of a command has none of its own.
                let asked = if words.first().is_some_and(|word| word == "help") { None } else { Some("--help") };
                let arguments: Vec<&str> = words.iter().map(String::as_str).chain(asked).collect();
                if sandbox.mycelium(&arguments).code != Some(0) {
                    faults.push(format!("{name}:{line}: there is no `mycelium {}`", words.join(" ")));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_promise_names_tests_that_exist() {
    let page = fs::read_to_string(root().join("docs/promises.md")).unwrap();
    let mut count = 0;
    for row in page.lines().filter(|line| line.starts_with("| ") && line.contains("](")) {
        let links: Vec<&str> = row.split("[`").skip(1).collect();
        for link in links {
            let (test, rest) = link.split_once("`](../").unwrap();
            let file = rest.split(')').next().unwrap();
            let code = fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
            let is_there = [format!("fn {test}("), format!("isolated!({test},")].iter().any(|text| code.contains(text));
            assert!(is_there, "{file} has no `{test}`");
            count += 1;
        }
    }
    assert!(count > 20, "only {count} tests are named");
}

#[test]
fn every_command_is_on_its_page() {
    let page = fs::read_to_string(root().join("docs/cli.md")).unwrap();
    let sandbox = Sandbox::without_git();
    let mut missing = Vec::new();
    let mut groups: Vec<Vec<String>> = vec![Vec::new()];
    while let Some(group) = groups.pop() {
        let arguments: Vec<&str> = group.iter().map(String::as_str).chain(["--help"]).collect();
        let commands = listed(&sandbox.mycelium(&arguments).ok());
        let command = group.join(" ");
        let told = page.contains(&format!("`{command}`")) || page.contains(&format!("`{command} "));
        if commands.is_empty() && !told {
            missing.push(command);
        }
        groups.extend(commands.into_iter().map(|command| [group.as_slice(), &[command]].concat()));
    }
    assert!(missing.is_empty(), "docs/cli.md does not tell of {missing:?}");
}

/// The commands that a help text lists.
fn listed(help: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    // Further lines of a description are indented more.
    let lines = lines.filter_map(|line| line.strip_prefix("  ")).filter(|line| !line.starts_with(' '));
    let names = lines.filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

/// The guide for agents is a walk: with a task in the place of `ID`, each command works where it stands.
#[test]
fn every_command_of_the_guide_works() {
    let sandbox = Sandbox::new();
    let create = ["task", "create", "--type", "train", "--id", "task-7", "--step", "Load"];
    let _ = sandbox.mycelium(&create).ok();
    let guide = sandbox.mycelium(&["instructions"]).ok();
    let block = guide.split("```").nth(1).unwrap().strip_prefix("sh\n").unwrap();
    let own = Path::new(env!("CARGO_BIN_EXE_mycelium")).parent().unwrap();
    let path = format!("{}:{}", own.display(), std::env::var("PATH").unwrap());
    for line in block.lines() {
        // A task that is done cannot be given back or fail: the guide names all ends.
        if line.contains("task release") {
            let _ = sandbox.mycelium(&["task", "reopen", "task-7"]).ok();
        }
        if line.contains("task release") || line.contains("task fail") {
            let _ = sandbox.mycelium(&["task", "claim", "task-7", "--as", "coder"]).ok();
        }
        let command = line.replace(" ID", " task-7").replace("TYPE", "train");
        let run =
            Run::of(sandbox.command("sh").env("PATH", &path).env("MYCELIUM_AGENT", "coder").args(["-c", &command]));
        assert_eq!(run.code, Some(0), "{command}: {run:?}");
        for option in line.split_whitespace().filter(|word| word.starts_with("--")) {
            let words: Vec<&str> = line.split(" --").next().unwrap().split_whitespace().skip(1).take(2).collect();
            let known = [&words[..], &["--help"]].concat();
            let known: Vec<&str> = known.into_iter().filter(|word| *word != "ID").collect();
            let option = option.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
            assert!(sandbox.mycelium(&known).ok().contains(option), "{line}: {option}");
        }
    }
    assert!(block.lines().count() >= 10 && sandbox.read(&format!("{}/task-7.md", support::FOLDER)).contains("failed"));
}

#[test]
fn a_wrong_page_is_noticed() {
    for (page, fault) in [
        ("```console\n$ echo a\nb\n```", "x.md:2: `echo a`: exit Some(0), printed\na\n\nexpected exit 0 and\nb\n"),
        ("```console\n$ false\n```", "x.md:2: `false`: exit Some(1), printed\n\nexpected exit 0 and\n"),
        ("```sh\ngit frobnicate\n```", "x.md:2: `git frobnicate`: exit Some(1)"),
        ("```sh\ncargo frobnicate\n```", "x.md:2: `cargo frobnicate`: no rule says how to check it"),
        ("```sh\ncargo bench --bench gone\n```", "x.md:2: `cargo bench --bench gone`: no `benches/gone/main.rs`"),
    ] {
        let faults = Page::run("x.md", page);
        assert!(faults.len() == 1 && faults[0].starts_with(fault), "{page}: {faults:?}");
    }
    let good = "```console\n$ echo a b; false\na [..]\n? 1\n```\n```sh\ntests/run\ncargo install --path .\n```";
    assert_eq!(Page::run("x.md", good), Vec::<String>::new());
}

/// The sizes of the long tests are in the table of `docs/testing.md`.
#[test]
fn every_size_of_a_long_test_is_in_the_table() {
    let table = fs::read_to_string(root().join("docs/testing.md")).unwrap();
    let (mut folders, mut found) = (vec![root().join("tests")], 0);
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                for name in text.split("sized(\"MYCELIUM").skip(1).filter_map(|rest| rest.split('"').next()) {
                    found += 1;
                    assert!(table.contains(&format!("| `MYCELIUM{name}` |")), "{}: MYCELIUM{name}", path.display());
                }
            }
        }
    }
    assert!(found > 25, "only {found} sizes were found");
}
