//! Many who write, many who listen, and some of these killed: every event is heard by each, none twice.

use std::process::Command;

use serde_json::Value;

use crate::listener::{Listener, ids, set};
use crate::support::{Run, Sandbox, sized};

const LISTENERS: usize = 10;
const WRITERS: usize = 8;

/// Lets writers write and listeners listen; tells what was missed, heard twice, or made up.
fn crowd(listeners: usize, writes: usize) -> Result<(), String> {
    let sandbox = Sandbox::new();
    let run = |arguments: &[&str]| {
        let mut command: Command = sandbox.mycelium_command(arguments);
        let answer: Value = serde_json::from_str(&Run::of(&mut command).ok()).unwrap();
        answer["data"]["operation"].as_str().or(answer["data"]["id"].as_str()).unwrap().to_owned()
    };
    run(&["task", "create", "--id", "task-shared", "--type", "t", "--json"]);
    let mut crowd: Vec<(Listener, Vec<Value>)> =
        (0..listeners).map(|_| (Listener::start(&sandbox, &[], None), Vec::new())).collect();
    let written: Vec<String> = std::thread::scope(|scope| {
        let work = |who: usize| {
            let (run, name) = (&run, format!("agent-{who}"));
            move || {
                let mut own = Vec::new();
                for n in 0..writes {
                    let text = format!("{who}.{n}");
                    own.push(match n % 3 {
                        0 => run(&["task", "note", "task-shared", &text, "--as", &name, "--json"]),
                        1 => run(&[
                            "event",
                            "publish",
                            "crowd:said",
                            &format!("{{\"n\": {n}}}"),
                            "--as",
                            &name,
                            "--json",
                        ]),
                        _ => run(&["task", "create", "--id", &format!("task-{who}-{n}"), "--type", "t", "--json"]),
                    });
                }
                own
            }
        };
        let workers: Vec<_> = (0..WRITERS).map(|who| scope.spawn(work(who))).collect();
        // Meanwhile every third listener is killed, and begins again behind the last that it had said.
        for place in (0..listeners).step_by(3) {
            let (mut listener, mut heard) = crowd.remove(place);
            for _ in 0..3 {
                heard.extend(listener.next(crate::listener::PATIENCE).map(|(_, event)| event));
            }
            heard.extend(listener.kill());
            let last = heard.last().and_then(|event| event["id"].as_str()).unwrap_or_default().to_owned();
            listener = Listener::start(&sandbox, &["--since", &last], None);
            crowd.insert(place, (listener, heard));
        }
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    run(&["event", "publish", "crowd:said", "{\"event\": \"the-end\"}", "--json"]);
    for (number, (listener, mut heard)) in crowd.into_iter().enumerate() {
        heard.extend(listener.until("the-end"));
        let heard = ids(&heard);
        let missed: Vec<&String> = written.iter().filter(|id| !heard.contains(id)).collect();
        if !missed.is_empty() {
            return Err(format!("listener {number} missed {missed:?}"));
        }
        if set(&heard).len() != heard.len() {
            return Err(format!("listener {number} heard something twice: {heard:?}"));
        }
        if heard.len() != written.len() + 1 {
            let made_up: Vec<&String> = heard.iter().filter(|id| !written.contains(id)).collect();
            return Err(format!("listener {number} heard what nobody did: {made_up:?}"));
        }
    }
    Ok(())
}

#[test]
fn every_event_is_heard_by_each_and_none_twice() {
    let writes = sized("MYCELIUM_EVENTS_WRITES", 12, 200);
    crowd(LISTENERS, writes).unwrap();
    println!("measured: {LISTENERS} listeners heard each of {} events once", WRITERS * writes);
}
