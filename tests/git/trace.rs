//! Reads a system call trace and tells what was acknowledged before it was on disk. Runs nothing.

use std::collections::BTreeMap;
use std::path::Path;

/// What a trace has done to files so far.
#[derive(Default)]
struct Disk {
    /// Counts calls, so that it can be told what came first.
    now: usize,
    written: BTreeMap<String, usize>,
    synced: BTreeMap<String, usize>,
    /// When everything was synced last.
    all_synced: usize,
    /// Locks and the prepared files that they are other names of.
    links: BTreeMap<String, String>,
    /// Folders whose names changed and that are not synced yet, with the change.
    pending: BTreeMap<String, String>,
    faults: Vec<String>,
    acks: usize,
}

/// The number of acknowledgements, and every file that was renamed or name that was acknowledged before it was synced.
pub(crate) fn check(trace: &str) -> (usize, Vec<String>) {
    let mut disk = Disk::default();
    // Calls of several threads are cut in two; the second half tells how they ended.
    let mut begun: BTreeMap<&str, String> = BTreeMap::new();
    for line in trace.lines() {
        let Some((thread, call)) = line.split_once(' ') else { continue };
        let call = call.trim_start();
        if let Some(first) = call.strip_suffix("<unfinished ...>") {
            begun.insert(thread, first.trim_end().to_owned());
        } else if let Some((_, rest)) = call.strip_prefix("<... ").and_then(|call| call.split_once("resumed>")) {
            let whole = begun.remove(thread).unwrap_or_default() + rest;
            disk.step(&whole);
        } else {
            disk.step(call);
        }
    }
    (disk.acks, disk.faults)
}

impl Disk {
    fn step(&mut self, call: &str) {
        self.now += 1;
        let (name, rest) = call.split_once('(').unwrap_or((call, ""));
        if rest.contains(" = -1 ") {
            return;
        }
        let names: Vec<&str> = rest.split('"').skip(1).step_by(2).collect();
        match (name, &names[..]) {
            ("fsync" | "fdatasync", _) => {
                let path = between(rest, '<', '>');
                self.pending.remove(&path);
                self.synced.insert(path, self.now);
            }
            ("syncfs", _) => {
                self.pending.clear();
                self.all_synced = self.now;
            }
            ("link" | "linkat", [from, to]) => {
                self.links.insert((*to).to_owned(), (*from).to_owned());
            }
            ("rename" | "renameat" | "renameat2", [from, to]) => self.rename(from, to),
            ("write", _) if rest.contains("\"acked ") => {
                self.acks += 1;
                for (folder, what) in std::mem::take(&mut self.pending) {
                    self.faults.push(format!("acknowledged before the folder {folder} was synced: {what}"));
                }
            }
            ("write", _) => {
                self.written.insert(between(rest, '<', '>'), self.now);
            }
            _ => {}
        }
    }

    fn rename(&mut self, from: &str, to: &str) {
        if !to.contains("/.git/") || to.ends_with("/durable") {
            return;
        }
        let first_name = self.links.get(from).map_or(from, String::as_str);
        let written = self.written.get(first_name).copied().unwrap_or(usize::MAX);
        let synced = self.synced.get(first_name).copied().unwrap_or(0).max(self.all_synced);
        if synced < written {
            self.faults.push(format!("{first_name} became {to} before it was synced"));
        }
        let folder = Path::new(to).parent().map(|parent| parent.display().to_string()).unwrap_or_default();
        if to.contains("/refs/") || to.ends_with("/index") {
            for (folder, what) in self.pending.iter().filter(|(folder, _)| folder.contains("/objects/")) {
                self.faults.push(format!("{to} moved before the folder {folder} was synced: {what}"));
            }
        }
        self.pending.insert(folder, to.to_owned());
    }
}

fn between(text: &str, open: char, close: char) -> String {
    let text = text.split_once(open).map_or("", |(_, rest)| rest);
    text.split_once(close).map_or("", |(inner, _)| inner).to_owned()
}
