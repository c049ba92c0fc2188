//! Every hint that names a command is followed: a scene brings it about, and the command must work. A hint without a scene fails here.
//!
//! The hints are read from the code: every text with a command between backticks. [`scenes`] has a scene for each, and
//! `without_scene.txt` lists those that still have none, with the reason behind two spaces and a `#`; a line of it whose hint is
//! gone, or has a scene, is a fault too.
#![allow(clippy::disallowed_methods, reason = "tests touch files and start programs")]
#![allow(clippy::unwrap_used, reason = "a scene that cannot be set up has failed")]

mod scenes;
mod scenes_of_claims;
mod scenes_of_commits;
mod scenes_of_files;
mod scenes_of_git;
mod scenes_of_servers;
mod scenes_of_settings;
mod scenes_of_sync;
mod scenes_of_taskqueue;
mod scenes_of_tasks;
#[path = "../redis/server.rs"]
mod server;
#[path = "../taskqueue/stand_in/mod.rs"]
#[allow(dead_code, unused_imports, reason = "faults are for other tests")]
mod stand_in;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use scenes::{After, NO_HINTS, Scene};
use server::{PATIENCE, Server};
use support::{Run, Sandbox};

/// How a command begins in a hint.
const PROGRAMS: [&str; 8] = ["mycelium ", "git ", "mv ", "rm ", "cp ", "chmod ", "printf ", "kill "];
/// Folders and files whose texts are manuals, not hints.
const MANUALS: [&str; 7] =
    ["cli/explain", "api/view/codes", "cli/instructions", "cli/demo", "cli/help.rs", "cli/args.rs", "/tests"];

/// What the lines of scenes begin with: `t 1` makes `task-1`, `st 1 STATUS` changes its status, `doc` is where it is.
const WORDS: &str = r#"
t() { n=$1; shift; mycelium task create --type x --id task-$n "$@"; }
doc=.claude/coordination/task-1.md
running() { mycelium task update task-1 --status running; }
completed() { running; mycelium task complete task-1; }
failed() { running; mycelium task fail task-1 --error no; }
remote() { git init -q --bare ../remote.git; git remote add origin "$PWD/../remote.git"; git push -q -u origin main; }
commit() { git add "$1"; git commit -q -m "Change $1"; }
colleague() { git clone -q ../remote.git ../colleague; (cd ../colleague; eval "$1"; git push -q); }
both_sides() { echo a > a; commit a; remote; colleague 'echo b > b; commit b'; t 1; echo c > a; commit a; }
two_titles() { t 1; git switch -qc b; mycelium task update task-1 --title A; git switch -q main; mycelium task update task-1 --title B; git merge -q b || true; }
marked() { printf '<<<<<<< a\nx\n=======\ny\n>>>>>>> b\n' >> $doc; }
put_back() { t 1; git bisect start -q; mycelium task update task-1 --title B; git checkout -q $doc; git bisect reset; }
unprivileged() { if [ "$(id -u)" = 0 ]; then setpriv --bounding-set=-dac_override,-dac_read_search --inh-caps=-all -- "$@"; else "$@"; fi; }
sandboxed() { chmod -R a-w .git; unprivileged "$@"; }
"#;

/// The texts of the code that name a command, with `{}` for what is filled in.
fn hints() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            let name = entry.to_string_lossy().into_owned();
            if MANUALS.iter().any(|manual| name.contains(manual)) {
                continue;
            }
            if entry.is_dir() {
                folders.push(entry);
            } else if name.ends_with(".rs") {
                found
                    .extend(texts(&fs::read_to_string(&entry).unwrap()).into_iter().filter(|text| names_command(text)));
            }
        }
    }
    found
}

/// Help has examples, which are tests of their own.
fn names_command(text: &str) -> bool {
    let is_help = text.contains("Examples:") || text.starts_with("Git calls it");
    !is_help && PROGRAMS.iter().any(|program| text.contains(&format!("`{program}")))
}

/// The literals of a file without its tests and comments, in one line each (`\n` for a line break), with `{}` for every argument.
fn texts(code: &str) -> Vec<String> {
    let code = code.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    let code = lines.collect::<Vec<_>>().join("\n").replace("'\"'", "' '");
    let (mut texts, mut chars) = (Vec::new(), code.chars().peekable());
    while let Some(c) = chars.next() {
        if c != '"' {
            continue;
        }
        let mut text = String::new();
        while let Some(c) = chars.next().filter(|c| *c != '"') {
            match (c, chars.peek()) {
                ('\\', Some('\n')) => while chars.next_if(|c| c.is_whitespace()).is_some() {},
                ('\\', Some('n')) => {
                    chars.next();
                    text.push_str("\\n");
                }
                ('\\', Some(_)) => text.extend(chars.next()),
                _ => text.push(c),
            }
        }
        texts.push(without_arguments(&text));
    }
    texts
}

/// `{id}` and `{0}` are `{}`; `{{` is a brace.
fn without_arguments(text: &str) -> String {
    let (mut out, mut chars) = (String::new(), text.chars().peekable());
    while let Some(c) = chars.next() {
        match c {
            '{' if chars.next_if_eq(&'{').is_some() => out.push('{'),
            '}' if chars.next_if_eq(&'}').is_some() => out.push('}'),
            '{' => {
                while chars.next_if(|c| *c != '}').is_some() {}
                out.push('{');
            }
            _ => out.push(c),
        }
    }
    out
}

/// Returns true if a line is this hint with its arguments filled in.
fn is_hint(line: &str, hint: &str) -> bool {
    let plain = |text: &str| text.replace("{{", "{").replace("}}", "}");
    let hint = plain(hint.trim_end_matches("\\n"));
    // A hint may name who acts by itself.
    [plain(line), plain(&without_caller(line))].iter().any(|line| {
        let mut rest = line.as_str();
        hint.split("{}").all(|part| match rest.split_once(part) {
            Some((_, behind)) => {
                rest = behind;
                true
            }
            None => false,
        })
    })
}

/// A line without what commands get from the command line that was called, in scenes: who acts, and where.
fn without_caller(line: &str) -> String {
    let added = [" --as ann", " --as ben", " --root ..", " -C ..", "cd .. && "];
    added.iter().fold(line.to_owned(), |line, added| line.replace(added, ""))
}

/// The line with a hint in what was said; all of it in one line if the hint has several.
fn line_with(said: &str, hint: &str) -> Option<String> {
    let in_one = said.trim_end().replace('\n', "\\n");
    let is_long = hint.trim_end_matches("\\n").contains("\\n");
    let mut lines = said.lines().chain(is_long.then_some(in_one.as_str()));
    lines.find(|line| is_hint(line, hint)).map(str::to_owned)
}

fn scenes_without_server() -> impl Iterator<Item = &'static Scene> {
    let parts = [
        scenes_of_commits::SCENES,
        scenes::SCENES,
        scenes_of_claims::SCENES,
        scenes_of_files::SCENES,
        scenes_of_git::SCENES,
        scenes_of_settings::SCENES,
        scenes_of_sync::SCENES,
        scenes_of_taskqueue::SCENES,
        scenes_of_tasks::SCENES,
    ];
    parts.into_iter().flatten()
}

fn scenes() -> impl Iterator<Item = &'static Scene> {
    scenes_without_server().chain(scenes_of_servers::SCENES).chain(scenes_of_files::TRACED)
}

/// The hints without a scene, each with the reason for it.
fn without_scene() -> impl Iterator<Item = (&'static str, &'static str)> {
    include_str!("without_scene.txt").lines().map(|line| line.split_once("  # ").unwrap_or((line, "")))
}

/// A scene that was set up, and what its command said.
struct Stage {
    sandbox: Sandbox,
    /// The server's address in `$url`, with a database that no other stage has.
    url: String,
    run: Run,
    _own: tempfile::TempDir,
}

fn shell(sandbox: &Sandbox, url: &str, line: &str) -> Run {
    let bin = Path::new(env!("CARGO_BIN_EXE_mycelium")).parent().unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = sandbox.command("sh");
    command.env_remove("GIT_AUTHOR_DATE").env_remove("GIT_COMMITTER_DATE").env("EDITOR", "true").env("url", url);
    // A user's own programs, if a scene installs some.
    let own = sandbox.root().with_file_name("home").join("bin");
    command.env("PATH", format!("{}:{}:{path}", bin.display(), own.display())).env("standin", stand_in_program());
    Run::of(command.args(["-c", &format!("{WORDS}\n{line}")]))
}

/// The program of a stand-in for a `TaskQueue` server.
fn stand_in_program() -> &'static Path {
    static ONCE: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let install = || {
        let folder = tempfile::tempdir().unwrap();
        let program = stand_in::install(folder.path(), "program", &stand_in::Faults::default());
        (folder, program)
    };
    &ONCE.get_or_init(install).1
}

/// The stand-in itself, in a process of its own.
#[test]
#[ignore = "run by `every_hint_works_when_it_is_followed`"]
fn stand_in_process() {
    stand_in::serve();
}

/// The watchers in the background that a command started; they end with the scene.
struct Watchers(Vec<String>);

impl Watchers {
    fn of(run: &Run) -> Self {
        let said = all(run);
        let ids = said.split("; `kill ").skip(1).filter_map(|rest| rest.split_once("` stops it"));
        Self(ids.map(|(id, _)| id.to_owned()).collect())
    }
}

impl Drop for Watchers {
    fn drop(&mut self) {
        for id in &self.0 {
            // It may have ended.
            let _ = Command::new("kill").arg(id).status();
        }
    }
}

fn all(run: &Run) -> String {
    format!("{}{}", run.stdout, run.stderr)
}

/// What a command complains of, if it does.
fn complaint(run: &Run) -> Option<String> {
    all(run).lines().find(|line| line.starts_with("error: ")).map(str::to_owned)
}

/// The commands of a hint, with what a person puts in the place of its words.
fn filled_commands(scene: &Scene, hint: &str) -> Vec<String> {
    let hint = scene.fill.iter().fold(hint.to_owned(), |hint, (from, to)| hint.replace(from, to));
    let parts = hint.split('`').skip(1).step_by(2);
    parts
        .filter(|part| PROGRAMS.iter().any(|program| part.trim_start_matches("cd .. && ").starts_with(program)))
        .map(str::to_owned)
        .collect()
}

/// A copy of one repository for every place that is asked for: making one costs four processes of git.
fn place() -> (Sandbox, tempfile::TempDir) {
    static ONCE: OnceLock<(tempfile::TempDir, Sandbox)> = OnceLock::new();
    let (model, _) = ONCE.get_or_init(|| {
        let model = tempfile::tempdir().unwrap();
        let sandbox = Sandbox::below(model.path());
        sandbox.make_repository();
        fs::remove_dir_all(sandbox.path(".git/hooks")).unwrap();
        (model, sandbox)
    });
    let own = tempfile::tempdir().unwrap();
    let copied = Command::new("cp").arg("-a").arg(model.path().join(".")).arg(own.path()).status().unwrap();
    assert!(copied.success(), "the repository could not be copied");
    (Sandbox::below(own.path()), own)
}

fn staged(scene: &Scene, server: Option<&Server>) -> Result<Stage, String> {
    static STAGES: AtomicUsize = AtomicUsize::new(0);
    let database = STAGES.fetch_add(1, Ordering::Relaxed);
    let url = server.map_or_else(String::new, |server| format!("redis://127.0.0.1:{}/{database}", server.port()));
    let (sandbox, own) = place();
    let set_up = shell(&sandbox, &url, scene.setup);
    if set_up.code != Some(0) {
        return Err(format!("`{}` ends with {:?}: {}", scene.setup, set_up.code, all(&set_up)));
    }
    if let [command, arguments @ ..] = scene.asks {
        let mut connection = redis::Client::open(url.as_str()).unwrap().get_connection().unwrap();
        let _: redis::Value = redis::cmd(command).arg(arguments).query(&mut connection).unwrap();
    }
    let run = shell(&sandbox, &url, scene.provoke);
    Ok(Stage { sandbox, url, run, _own: own })
}

/// Plays a scene, and follows each command of the hint where the one before has changed nothing.
fn play(scene: &Scene, server: Option<&Server>) -> Result<(), String> {
    let mut stage = staged(scene, server)?;
    let _watchers = Watchers::of(&stage.run);
    let said = all(&stage.run);
    let Some(line) = line_with(&said, scene.hint) else {
        return Err(format!("`{}` does not say `{}`:\n{said}", scene.provoke, scene.hint));
    };
    // Who was in a folder below is still there.
    let there = scene.provoke.split_inclusive("; ").next().filter(|step| step.starts_with("cd ")).unwrap_or_default();
    let mut commands = filled_commands(scene, &line);
    if commands.is_empty() {
        return Err(format!("`{}`: no command is followed of `{line}`", scene.provoke));
    }
    for index in 0..commands.len() {
        let is_staged_again = index > 0 && !matches!(scene.after, After::Looks | After::InTurn);
        if is_staged_again {
            stage = staged(scene, server)?;
            // It names paths of this place now.
            commands = line_with(&all(&stage.run), scene.hint).map_or(commands, |line| filled_commands(scene, &line));
        }
        let command = &commands[index];
        let by_hand = if index == 0 || is_staged_again { scene.by_hand } else { "" };
        let done = shell(&stage.sandbox, &stage.url, &format!("{there}{by_hand}{command}"));
        let watchers = Watchers::of(&done);
        let is_same = complaint(&done).is_some() && complaint(&done) == complaint(&stage.run);
        if is_same || done.code != Some(0) && scene.after != After::Looks {
            let said = all(&done);
            return Err(format!("`{}`: the hint `{command}` ends with {:?}:\n{said}", scene.provoke, done.code));
        }
        if index == 0 && !all(&done).contains(scene.says) {
            let said = all(&done);
            return Err(format!("`{}`: the hint `{command}` does not say `{}`:\n{said}", scene.provoke, scene.says));
        }
        let is_over = index == 0 && scene.after == After::Gone;
        if is_over || scene.after == After::InTurn && index + 1 == commands.len() {
            let mut again = shell(&stage.sandbox, &stage.url, scene.provoke);
            // What a watcher does in the background takes a moment.
            let began = Instant::now();
            while !watchers.0.is_empty() && all(&again).contains(&line) && began.elapsed() < PATIENCE {
                again = shell(&stage.sandbox, &stage.url, scene.provoke);
            }
            if all(&again).lines().any(|again| again == line) {
                let said = all(&again);
                return Err(format!("`{}`: after `{command}` the hint is the same:\n{said}", scene.provoke));
            }
        }
    }
    Ok(())
}

/// The scenes of which the hint has the text in `SCENE`; all without it.
fn chosen<'a>(scenes: impl Iterator<Item = &'a Scene>) -> Vec<&'a Scene> {
    let one = std::env::var("SCENE").unwrap_or_default();
    scenes.filter(|scene| scene.hint.contains(&one)).collect()
}

/// Plays scenes in several threads, and fails with all that is wrong.
fn play_all(scenes: &[&Scene], server: Option<&Server>, threads: usize) {
    let next = AtomicUsize::new(0);
    let some = || {
        let mine = std::iter::from_fn(|| scenes.get(next.fetch_add(1, Ordering::Relaxed)));
        mine.filter_map(|scene| play(scene, server).err()).collect::<Vec<String>>()
    };
    let faults: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(some)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n\n"));
}

#[test]
fn every_hint_of_the_code_has_a_scene() {
    let mut known = hints();
    assert!(known.len() > 150, "only {} hints were found", known.len());
    for (text, _) in NO_HINTS {
        assert!(known.remove(*text), "no code says this: take it out of NO_HINTS: {text}");
    }
    let without: Vec<_> = without_scene().filter(|(_, reason)| reason.is_empty()).collect();
    assert!(without.is_empty(), "say in tests/hints/without_scene.txt why these have no scene:\n{without:#?}");
    let listed: BTreeSet<String> = without_scene().map(|(hint, _)| hint.to_owned()).collect();
    let staged: BTreeSet<String> = scenes().map(|scene| scene.hint.to_owned()).collect();
    let missing: Vec<_> = known.iter().filter(|hint| !listed.contains(*hint) && !staged.contains(*hint)).collect();
    assert!(missing.is_empty(), "hints without a scene in tests/hints/scenes.rs:\n{missing:#?}");
    let gone: Vec<_> = listed.iter().filter(|hint| !known.contains(*hint) || staged.contains(*hint)).collect();
    assert!(gone.is_empty(), "take these out of tests/hints/without_scene.txt:\n{gone:#?}");
    let unknown: Vec<_> = staged.iter().filter(|hint| !known.contains(*hint)).collect();
    assert!(unknown.is_empty(), "no code says these hints:\n{unknown:#?}");
}

#[test]
fn every_hint_about_a_disk_that_fails_works_when_it_is_followed() {
    if let Err(why) = support::can_trace() {
        support::could_not_run("every_hint_about_a_disk_that_fails_works_when_it_is_followed", &why);
        return;
    }
    for scene in scenes_of_files::TRACED {
        play(scene, None).unwrap();
    }
}

#[test]
fn every_hint_works_when_it_is_followed() {
    // One of them waits for ten seconds: it has a thread of its own.
    play_all(&chosen(scenes_without_server()), None, 3);
}

#[test]
fn every_hint_about_a_server_works_when_it_is_followed() {
    let test = "every_hint_about_a_server_works_when_it_is_followed";
    let Some(server) = Server::with(test, &["--databases", "512"]) else { return };
    // One after the other: some let the server pause.
    play_all(&chosen(scenes_of_servers::SCENES.iter()), Some(&server), 1);
}
