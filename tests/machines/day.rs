//! A day of work, recorded as commands: files, exit codes and answers are the same with a server, without one, with one that
//! is dead and with one that hangs. Claims are left out: those a server decides.

use std::collections::BTreeMap;

use crate::cost::Hung;
use crate::fleet::{Fleet, Texts, Watcher};
use crate::server::{Server, free_port};
use crate::support::{FOLDER, names};

/// What a day came to: what each command ended with and said, and what all files hold.
#[derive(Debug, PartialEq, Eq)]
struct Day {
    said: Vec<(String, Option<i32>, String)>,
    files: Texts,
}

fn words(line: &str) -> Vec<String> {
    line.split('|').map(str::to_owned).collect()
}

/// The commands, words with `|` between.
fn commands() -> Vec<Vec<String>> {
    let mut all: Vec<String> = Vec::new();
    let mut add = |line: String| all.push(line);
    for agent in ["alice", "bob"] {
        add(format!("agent|set|{agent}|--status|busy|--as|{agent}"));
    }
    for n in 0..14 {
        let priority = ["low", "normal", "high", "critical"][n % 4];
        add(format!(
            "task|create|--type|train|--id|task-{n}|--title|Number {n}|--priority|{priority}|--step|one|--step|two|--as|alice"
        ));
        add(format!("task|note|task-{n}|a note on {n}|--as|bob"));
        add(format!("task|tick|task-{n}|1|--as|bob"));
        add(format!("task|update|task-{n}|--set|round={n}|--progress|0.{n}"));
        if n % 3 == 0 {
            add(format!("task|update|task-{n}|--priority|nonsense"));
            add(format!("task|update|task-{n}-gone|--progress|0.5"));
            add(format!("task|create|--type|train|--id|task-{n}"));
            add(format!("task|remove|task-{n}"));
        } else {
            add("task|list|--status|pending".to_owned());
            add(format!("task|tick|task-{n}|7"));
        }
    }
    for n in 0..3 {
        add(format!("task|create|--type|x|--id|task-step-{n}|--payload|{{\"n\": {n}}}"));
        add(format!("workflow|create|--type|y|--id|wf-{n}|--title|Flow {n}|--task|task-step-{n}"));
        add(format!("workflow|get|wf-{n}"));
        add(format!("event|publish|work:events|{{\"n\": {n}}}|--as|alice"));
        add("batch|lines".to_owned());
        add(format!("task|get|task-step-{n}|--field|status"));
    }
    add("archive".to_owned());
    add("check".to_owned());
    add("task|ready".to_owned());
    all.iter().map(|line| words(line)).collect()
}

fn day(url: &str, is_live: bool, is_watched: bool) -> Day {
    let mut fleet = Fleet::unwatched(&[url.to_owned()], &[]);
    if is_watched {
        fleet.watchers = vec![Watcher::start(fleet.clone(0), url)];
    }
    let lines = r#"{"op": "task.note", "id": "task-1", "text": "by batch"}"#;
    fleet.clone(0).write("../lines", lines);
    let mut said = Vec::new();
    for words in commands() {
        let words: Vec<&str> =
            words.iter().map(|word| if word == "lines" { "../lines" } else { word.as_str() }).collect();
        let run = fleet.run(0, &words);
        said.push((words.join(" "), run.code, masked(&run.stdout)));
    }
    if is_live {
        // What a command could not tell in its few milliseconds is told now.
        fleet.run(0, &["bridge", "push"]).ok();
    }
    let folder = fleet.clone(0).path(FOLDER);
    let read = |name: String| {
        let text = std::fs::read_to_string(folder.join(&name)).ok()?;
        // A log of events is called by the clone, at random.
        let name = if name.starts_with("events-") { "events-MASKED.md".to_owned() } else { name };
        Some((name, masked(&text)))
    };
    let files: BTreeMap<String, String> = names(&folder).into_iter().filter_map(read).collect();
    Day { said, files }
}

/// Without moments, random ids and revisions.
fn masked(text: &str) -> String {
    let mut out = String::new();
    for word in text.split_inclusive(|c: char| !(c.is_ascii_alphanumeric() || "-:.".contains(c))) {
        let bare = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        let is_moment = bare.len() >= 10 && bare.starts_with("20") && bare.as_bytes()[4] == b'-';
        let is_number = |text: &str| text.len() >= 7 && text.chars().all(|c| c.is_ascii_hexdigit());
        let is_random = bare.split(['-', ':']).any(|part| is_number(part) || part.len() >= 16);
        let is_age = bare.len() < 5 && bare.starts_with(|c: char| c.is_ascii_digit()) && bare.ends_with(['s', 'm']);
        if is_moment || is_random || is_age {
            out.push_str("MASKED");
            out.push_str(&word[bare.len()..]);
        } else {
            out.push_str(word);
        }
    }
    out
}

#[track_caller]
fn alike(what: &str, one: &Day, other: &Day, with_answers: bool) {
    for ((command, code, stdout), (_, other_code, other_stdout)) in one.said.iter().zip(&other.said) {
        assert_eq!(code, other_code, "{what}: `{command}`\n{stdout}\n{other_stdout}");
        assert!(!with_answers || stdout == other_stdout, "{what}: `{command}`\n{stdout}\n--- and\n{other_stdout}");
    }
    assert_eq!(one.files.keys().collect::<Vec<_>>(), other.files.keys().collect::<Vec<_>>(), "{what}");
    for (name, text) in &one.files {
        assert_eq!(text, &other.files[name], "{what}: {name}");
    }
}

#[test]
fn a_day_of_work_is_the_same_with_a_server_without_and_with_one_that_hangs() {
    let name = "a_day_of_work_is_the_same_with_a_server_without_and_with_one_that_hangs";
    let (Some(server), Some(watched)) = (Server::start(name), Server::start(name)) else { return };
    let hung = Hung::start();
    let dead = format!("redis://127.0.0.1:{}/0", free_port());
    let urls = [String::new(), dead, hung.url(), server.url()];
    let (days, with_watcher) = std::thread::scope(|scope| {
        let days: Vec<_> = urls.iter().map(|url| scope.spawn(|| day(url, *url == server.url(), false))).collect();
        let with_watcher = scope.spawn(|| day(&watched.url(), true, true));
        let days: Vec<Day> = days.into_iter().map(|day| day.join().unwrap()).collect();
        (days, with_watcher.join().unwrap())
    });
    let codes: BTreeMap<_, usize> = days[0].said.iter().fold(BTreeMap::new(), |mut all, (_, code, _)| {
        *all.entry(*code).or_default() += 1;
        all
    });
    println!("{} commands, by exit code: {codes:?}", days[0].said.len());
    assert!(codes[&Some(0)] > 60 && codes.len() >= 3, "{:?}", days[0].said);
    for (what, day) in ["dead", "hung", "live"].iter().zip(&days[1..]) {
        alike(what, &days[0], day, true);
    }
    alike("live, with a watcher", &days[0], &with_watcher, false);
    let there = crate::fleet::held(&server);
    let there: Texts = there.into_iter().map(|(path, text)| (path, masked(&text))).collect();
    let here = days[3].files.iter().filter(|(name, _)| name.ends_with(".md") && !name.starts_with("events"));
    for (name, text) in here {
        assert_eq!(there.get(name), Some(text), "{name} on the server");
    }
}
