//! The stand-in beside answers that the real server gave: `fixtures/taskqueue/transcript.jsonl` was recorded from 1.4.1 built with
//! SDK 1.8.0, `tasks.json` is the file that it left.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;

use crate::server::{PATIENCE, Server};

/// One line to the server, and the line that it answers.
struct Exchange {
    send: String,
    answer: Option<String>,
}

fn recorded() -> Vec<Exchange> {
    let text = include_str!("../../fixtures/taskqueue/transcript.jsonl");
    let exchange = |line: &str| {
        let line: Value = serde_json::from_str(line).expect("a line of the transcript");
        let send = line["send"].as_str().map_or_else(|| line["send"].to_string(), str::to_owned);
        Exchange { send, answer: line["answer"].as_str().map(str::to_owned) }
    };
    text.lines().map(exchange).collect()
}

/// Sends every line, each after the answer to the one before, and returns what was answered differently.
fn differences(server: &Server) -> Vec<String> {
    let mut command = Command::new(&server.program.words[0]);
    command.args(&server.program.words[1..]).envs(server.program.environment.iter().map(|(name, value)| (name, value)));
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut child = child.expect("a server");
    let (mut stdin, stdout) = (child.stdin.take().expect("a pipe"), child.stdout.take().expect("a pipe"));
    let (lines, answers) = channel();
    std::thread::spawn(move || {
        BufReader::new(stdout).lines().map_while(Result::ok).all(|line| lines.send(line).is_ok());
    });
    let mut wrong = Vec::new();
    for exchange in recorded() {
        writeln!(stdin, "{}", exchange.send).expect("the server reads");
        let said = said(&answers, exchange.answer.is_some());
        if said != exchange.answer {
            wrong.push(format!("{}\n  recorded {:?}\n  answered {said:?}", exchange.send, exchange.answer));
        }
    }
    drop(stdin);
    assert!(child.wait().expect("the end of the server").success());
    wrong
}

fn said(answers: &Receiver<String>, is_expected: bool) -> Option<String> {
    let wait = if is_expected { PATIENCE } else { Duration::from_millis(200) };
    answers.recv_timeout(wait).ok()
}

#[test]
fn the_stand_in_answers_as_the_real_server_did() {
    let server = Server::real_or_stand_in("transcript");
    let wrong = differences(&server);
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), recorded().len(), wrong.join("\n"));
    assert_eq!(server.text(), include_str!("../../fixtures/taskqueue/tasks.json"));
}
