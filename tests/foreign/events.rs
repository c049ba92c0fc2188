//! What others publish is written down once, by one watcher, and reaches everybody.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;

use crate::scene::{Scene, until};

/// Somebody who subscribes in a clone.
struct Subscriber {
    child: Child,
    heard: Receiver<Value>,
}

impl Subscriber {
    fn start(scene: &Scene, clone: usize) -> Self {
        let mut command = scene.command(clone, &["event", "subscribe", "training:*", "--json"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (tell, heard) = channel();
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if let Ok(value) = serde_json::from_str::<Value>(&line) {
                    let _ = tell.send(value);
                }
            }
        });
        Self { child, heard }
    }

    fn hears(&self, step: u64) -> Value {
        loop {
            let event = self.heard.recv_timeout(Duration::from_secs(60)).expect("it hears of it");
            let event = if event["data"].is_object() { event["data"].clone() } else { event };
            if event["step"] == step {
                return event;
            }
        }
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The events of a clone on a channel.
fn events(scene: &Scene, clone: usize, pattern: &str) -> Vec<Value> {
    let text = scene.run(clone, &["event", "list", pattern, "--json"]).ok();
    serde_json::from_str::<Value>(&text).unwrap()["data"]["items"].as_array().unwrap().clone()
}

#[test]
fn what_others_publish_is_written_down_once_and_heard_everywhere() {
    let test = "what_others_publish_is_written_down_once_and_heard_everywhere";
    let Some(scene) = Scene::start(test, 2, &[]) else { return };
    let subscribers = [Subscriber::start(&scene, 0), Subscriber::start(&scene, 1)];
    // Each is heard by the watchers and by both of these: then they listen.
    let receivers = || scene.redis(&["PUBLISH", "training:no channel of ours!", "x"]);
    until("all listen", || receivers() == "4");
    let channel = "training:progress";
    scene.redis(&["PUBLISH", channel, r#"{"event":"checkpoint_saved","step":1000,"loss":0.42,"agent":"bot"}"#]);
    let heard: Vec<Value> = subscribers.iter().map(|subscriber| subscriber.hears(1000)).collect();
    assert_eq!(heard[0]["id"], heard[1]["id"]);
    assert_eq!((&heard[0]["event"], &heard[0]["channel"]), (&Value::from("checkpoint_saved"), &Value::from(channel)));
    let written = || [events(&scene, 0, channel).len(), events(&scene, 1, channel).len()];
    until("one has written it down", || written().iter().sum::<usize>() == 1);
    let writer = usize::from(written()[1] == 1);
    let event = events(&scene, writer, channel)[0].clone();
    assert_eq!(
        (&event["id"], &event["step"], &event["agent"]),
        (&heard[0]["id"], &Value::from(1000), &Value::from("bot"))
    );
    // No JSON, and what nobody can read.
    scene.redis(&["PUBLISH", channel, "half way"]);
    scene.redis_bytes(&[b"PUBLISH", channel.as_bytes(), b"\xff\xfe\x00"]);
    scene.redis(&["PUBLISH", "training:no channel of ours!", "x"]);
    scene.redis(&["PUBLISH", channel, &format!("\"{}\"", "x".repeat(100_000))]);
    scene.redis(&["PUBLISH", channel, r#"{"event":"last","step":1001}"#]);
    let last: Vec<Value> = subscribers.iter().map(|subscriber| subscriber.hears(1001)).collect();
    assert_eq!(last[0]["id"], last[1]["id"]);
    let all = events(&scene, writer, "*");
    let its: Vec<&Value> = all.iter().filter(|event| event["channel"] == channel).collect();
    assert_eq!(its.len(), 3, "{its:#?}");
    assert!(its.iter().any(|event| event["value"] == "half way"), "{its:#?}");
    assert_eq!(events(&scene, 1 - writer, channel).len(), 0, "one writes it down");
}
