//! Clones of one remote, each with a watcher that mirrors to one server, and how to see that all of them hold the same.
#![allow(dead_code, reason = "each test uses its part")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::scene::Scene;
use crate::server::Server;
use crate::support::{FOLDER, Run, Sandbox};

/// Longer than anything here takes on a busy machine.
pub(crate) const LONG: Duration = Duration::from_secs(60);
/// Within so long after a server is back, everything is to be the same: 5 s, twice for busy machines.
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// Documents by their path below the folder.
pub(crate) type Texts = BTreeMap<String, String>;

/// A watching process.
pub(crate) struct Watcher {
    child: Child,
}

impl Watcher {
    /// Starts one and waits until it watches.
    pub(crate) fn start(clone: &Sandbox, url: &str) -> Self {
        let mut command = clone.mycelium_command(&["watch", "--json"]);
        command.env("REDIS_URL", url).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let stdout = child.stdout.take().unwrap();
        let (tell, notices) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if let Ok(value) = serde_json::from_str::<Value>(&line) {
                    let _ = tell.send(value["data"].clone());
                }
            }
        });
        let watcher = Self { child };
        while notices.recv_timeout(LONG).expect("it watches")["event"] != "ready" {}
        watcher
    }

    pub(crate) fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(status.unwrap().success());
    }

    /// Ends it as whoever presses Ctrl-C does.
    pub(crate) fn stop(mut self) {
        self.signal("-TERM");
        until("the watcher ends", LONG, || self.child.try_wait().unwrap().is_some());
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The clones of one remote.
pub(crate) struct Fleet {
    pub(crate) watchers: Vec<Watcher>,
    pub(crate) scene: Scene,
    pub(crate) urls: Vec<String>,
}

impl Fleet {
    /// So many clones with watchers, all on one server.
    pub(crate) fn new(count: usize, url: &str) -> Self {
        Self::with(&vec![url.to_owned(); count], &[])
    }

    /// A clone for each address, with settings of the user.
    pub(crate) fn with(urls: &[String], settings: &[(&str, &str)]) -> Self {
        let mut fleet = Self::unwatched(urls, settings);
        fleet.watch();
        fleet
    }

    /// The same without watchers.
    pub(crate) fn unwatched(urls: &[String], settings: &[(&str, &str)]) -> Self {
        let scene = Scene::new(urls.len());
        for clone in &scene.clones {
            for (key, value) in settings {
                clone.mycelium(&["config", "set", "--user", key, value]).ok();
            }
        }
        Self { watchers: Vec::new(), scene, urls: urls.to_vec() }
    }

    /// Starts the watchers.
    pub(crate) fn watch(&mut self) {
        let clones = self.scene.clones.iter().zip(&self.urls);
        self.watchers = clones.map(|(clone, url)| Watcher::start(clone, url)).collect();
        for number in 0..self.urls.len() {
            self.until_state(number, "live");
        }
    }

    pub(crate) fn clone(&self, number: usize) -> &Sandbox {
        &self.scene.clones[number]
    }

    /// Runs our program in a clone.
    pub(crate) fn run(&self, number: usize, arguments: &[&str]) -> Run {
        Run::of(self.clone(number).mycelium_command(arguments).env("REDIS_URL", &self.urls[number]))
    }

    /// The text of a document; empty if it is not there.
    pub(crate) fn text(&self, number: usize, name: &str) -> String {
        std::fs::read_to_string(self.clone(number).path(&format!("{FOLDER}/{name}"))).unwrap_or_default()
    }

    /// Writes a document by hand.
    pub(crate) fn write(&self, number: usize, name: &str, text: &str) {
        self.clone(number).write(&format!("{FOLDER}/{name}"), text);
    }

    pub(crate) fn remove(&self, number: usize, name: &str) {
        let _ = std::fs::remove_file(self.clone(number).path(&format!("{FOLDER}/{name}")));
    }

    /// What `bridge status` says.
    pub(crate) fn status(&self, number: usize) -> Value {
        crate::scene::data(&self.run(number, &["bridge", "status", "--json"]).ok())
    }

    /// Waits until `bridge status` says so.
    #[track_caller]
    pub(crate) fn until_state(&self, number: usize, state: &str) {
        let mut last = Value::Null;
        let is_so = eventually(LONG, || {
            last = self.status(number);
            last["bridge"]["state"] == state
        });
        assert!(is_so, "not {state}: {last}");
    }

    /// Every document of a clone.
    pub(crate) fn documents(&self, number: usize) -> Texts {
        texts(&self.clone(number).path(FOLDER))
    }

    /// Waits until all clones and the server hold the same; how long it took.
    #[track_caller]
    pub(crate) fn until_one(&self, server: &Server, within: Duration) -> Duration {
        let began = Instant::now();
        let mut why = String::new();
        let is_so = eventually(within, || {
            why = self.difference(server);
            why.is_empty()
        });
        if !is_so {
            let states: Vec<_> = (0..self.urls.len()).map(|number| self.status(number).to_string()).collect();
            panic!("not the same within {} s: {why}\n{}", within.as_secs(), states.join("\n"));
        }
        began.elapsed()
    }

    /// What is not the same; empty if nothing is.
    pub(crate) fn difference(&self, server: &Server) -> String {
        let live = |texts: &Texts| -> Texts {
            texts.iter().filter(|(path, _)| !path.contains('/')).map(|(a, b)| (a.clone(), b.clone())).collect()
        };
        let first = live(&self.documents(0));
        for number in 1..self.urls.len() {
            let other = live(&self.documents(number));
            if let Some(path) = differing(&first, &other) {
                let text = |texts: &Texts| texts.get(&path).cloned().unwrap_or_default();
                return format!("`{path}` of clone {number}:\n{}\n--- and of 0:\n{}", text(&other), text(&first));
            }
        }
        let there = held(server);
        differing(&first, &there).map_or_else(String::new, |path| {
            format!("`{path}` on the server:\n{:?}\n--- and here:\n{:?}", there.get(&path), first.get(&path))
        })
    }

    /// Every clone is sound and clean, and they sync without anything for a person to decide.
    #[track_caller]
    pub(crate) fn settles_in_git(&self) {
        for clone in &self.scene.clones {
            until("all is committed", LONG, || is_clean(clone));
            // Only then: fsck reads the index behind the objects, and misses those of a commit in between.
            clone.git(&["fsck", "--full", "--strict", "--no-dangling"]);
        }
        for _ in 0..8 {
            let mut is_quiet = true;
            for number in 0..self.urls.len() {
                let run = self.run(number, &["sync", "--json"]);
                let data = crate::scene::data(&run.stdout);
                assert_eq!(run.code, Some(0), "{data:#} {}", run.stderr);
                is_quiet &= data["came_count"] == 0 && data["commits"] == 0;
            }
            if is_quiet {
                return;
            }
        }
        panic!("the clones do not come to rest");
    }
}

pub(crate) fn is_clean(clone: &Sandbox) -> bool {
    clone.git(&["--no-optional-locks", "status", "--porcelain", "--untracked-files=all"]).is_empty()
}

fn differing(one: &Texts, other: &Texts) -> Option<String> {
    one.keys().chain(other.keys()).find(|path| one.get(*path) != other.get(*path)).cloned()
}

/// Every document below a folder but the logs of events, which go through git alone.
fn texts(folder: &Path) -> Texts {
    let mut texts = Texts::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder_here) = folders.pop() {
        for entry in std::fs::read_dir(&folder_here).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
            let is_document = name.ends_with(".md") && !entry.file_name().to_string_lossy().starts_with("events");
            if let Some(text) = std::fs::read_to_string(&path).ok().filter(|_| is_document) {
                texts.insert(name, text);
            }
        }
    }
    texts
}

/// What the server holds as the texts of documents that are there.
pub(crate) fn held(server: &Server) -> Texts {
    let script = "local out = {} \
                  for _, key in ipairs(redis.call('KEYS', 'mycelium:doc:*')) do \
                  local v = redis.call('HMGET', key, 'path', 'text', 'gone') \
                  if v[3] == '' and v[2] then out[#out + 1] = v[1] out[#out + 1] = v[2] end end \
                  return cjson.encode(out)";
    let said = server.cli(&["EVAL", script, "0"]);
    let parts: Vec<String> = serde_json::from_str(&said).unwrap_or_default();
    parts.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect()
}

/// Whether it is so before long.
pub(crate) fn eventually(within: Duration, mut is_so: impl FnMut() -> bool) -> bool {
    let began = Instant::now();
    loop {
        if is_so() {
            return true;
        }
        if began.elapsed() > within {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until it is so.
#[track_caller]
pub(crate) fn until(what: &str, within: Duration, is_so: impl FnMut() -> bool) {
    assert!(eventually(within, is_so), "not in time: {what}");
}

/// A task as a person would write it.
pub(crate) fn task(id: &str, note: &str) -> String {
    format!("---\nid: {id}\nstatus: pending\ntype: train\ncreated: 2025-10-17T00:00:00Z\n---\n\n# {id}\n\n{note}\n")
}

/// A small generator of numbers: the same seed, the same run.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}
