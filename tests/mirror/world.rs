//! Clones and what happens to them: people, other clients, faults.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};

use mycelium::document::{Document, Value};
use mycelium::entity::{AgentDraft, Entity, Priority, TaskDraft, WorkflowDraft, read, task};
use mycelium::merge;
use mycelium::name::{DocId, DocPath, Kind};
use mycelium::reconcile::{FileAction, LocalDocument, NewDocument, SyncBase, digest};
use mycelium::redis::codec::RedisWrite;
use mycelium::template::Shape;
use mycelium::time::Timestamp;

use crate::server::Server;

/// What no file may ever hold.
pub(crate) const GARBAGE: &str = "GARBAGE";

/// What happened.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Count {
    pub(crate) sends: u64,
    pub(crate) conflicts: u64,
    pub(crate) writes: u64,
    pub(crate) removals: u64,
    pub(crate) foreign: u64,
    pub(crate) edits: u64,
    pub(crate) held: u64,
}

impl Count {
    pub(crate) fn add(&mut self, other: &Self) {
        self.sends += other.sends;
        self.conflicts += other.conflicts;
        self.writes += other.writes;
        self.removals += other.removals;
        self.foreign += other.foreign;
        self.edits += other.edits;
        self.held += other.held;
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sends, conflicts, writes, removals, foreign, edits, held } = self;
        write!(
            f,
            "{edits} edits, {foreign} by others, {sends} sends, {conflicts} refused, {writes} files written, {removals} removed, {held} held"
        )
    }
}

/// A mirror of a clone, with what it remembers, and what it is about to do.
#[derive(Default)]
pub(crate) struct Mirror {
    pub(crate) bases: BTreeMap<DocId, SyncBase>,
    pub(crate) under_way: BTreeMap<DocId, UnderWay>,
}

/// A step that is being carried out.
pub(crate) struct UnderWay {
    pub(crate) file: FileAction,
    pub(crate) send: Option<RedisWrite>,
    pub(crate) base: Option<SyncBase>,
    pub(crate) here: Option<LocalDocument>,
    pub(crate) sent: bool,
    pub(crate) written: bool,
}

/// A clone of the repository.
#[derive(Default)]
pub(crate) struct Clone {
    pub(crate) files: BTreeMap<DocId, LocalDocument>,
    pub(crate) archive: BTreeMap<DocId, LocalDocument>,
    /// What git has, by digest.
    pub(crate) history: BTreeMap<String, String>,
    pub(crate) mirrors: Vec<Mirror>,
    pub(crate) is_apart: bool,
    /// What was here, and what is here instead, while HEAD stands further back.
    pub(crate) back: Option<Vec<(DocId, LocalDocument, LocalDocument)>>,
}

pub(crate) struct World {
    state: u64,
    pub(crate) now: i64,
    pub(crate) ids: Vec<(Kind, DocId)>,
    pub(crate) clones: Vec<Clone>,
    pub(crate) server: Server,
    /// Sends that arrive some time.
    pub(crate) late: Vec<(DocId, RedisWrite)>,
    tokens: u64,
    /// Edits that are in some file, by document.
    pub(crate) acknowledged: BTreeSet<(DocId, String)>,
    /// Those that somebody removed knowing of them.
    pub(crate) excused: BTreeSet<(DocId, String)>,
    /// Of others, in the hash alone.
    pub(crate) written: BTreeSet<(DocId, String)>,
    pub(crate) count: Count,
    trace: String,
    pub(crate) is_healing: bool,
}

/// The unique edits that a text holds.
pub(crate) fn tokens(text: &str) -> BTreeSet<String> {
    let word = |c: char| c.is_ascii_alphanumeric();
    let is_token = |w: &&str| w.len() == 7 && w.starts_with("zz") && w[2..].bytes().all(|b| b.is_ascii_digit());
    text.split(|c| !word(c)).filter(is_token).map(str::to_owned).collect()
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let id = |text: &str| DocId::new(text).expect("valid");
        let mut world = Self {
            state: seed,
            now: 1_760_000_000_000,
            ids: vec![
                (Kind::Task, id("task-a")),
                (Kind::Task, id("task-b")),
                (Kind::Agent, id("ann")),
                (Kind::Workflow, id("workflow-w")),
            ],
            clones: Vec::new(),
            server: Server::default(),
            late: Vec::new(),
            tokens: 0,
            acknowledged: BTreeSet::new(),
            excused: BTreeSet::new(),
            written: BTreeSet::new(),
            count: Count::default(),
            trace: String::new(),
            is_healing: false,
        };
        for _ in 0..2 + world.below(3) {
            let mirrors = (0..=world.below(2)).map(|_| Mirror::default()).collect();
            world.clones.push(Clone { mirrors, ..Clone::default() });
        }
        // Most documents are known to all from the beginning.
        for (kind, id) in world.ids.clone() {
            if world.below(4) > 0 {
                let local = world.new_file(kind, &id);
                for clone in &mut world.clones {
                    clone.put(&id, local.clone());
                }
            }
        }
        world
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }

    pub(crate) fn one_of(&mut self, n: usize) -> usize {
        usize::try_from(self.below(n as u64)).expect("small")
    }

    pub(crate) fn some_id(&mut self) -> (Kind, DocId) {
        let index = self.one_of(self.ids.len());
        self.ids[index].clone()
    }

    pub(crate) fn say(&mut self, line: &str) {
        let _ = writeln!(self.trace, "{line}");
    }

    pub(crate) fn trace(&self) -> &str {
        &self.trace
    }

    pub(crate) fn at(&self) -> Timestamp {
        Timestamp::from_unix_ms(self.now)
    }

    fn token(&mut self) -> String {
        self.tokens += 1;
        format!("zz{:05}", self.tokens)
    }

    fn new_file(&mut self, kind: Kind, id: &DocId) -> LocalDocument {
        let new = match kind {
            Kind::Task => NewDocument::Task(TaskDraft {
                id: id.clone(),
                kind: "train".to_owned(),
                title: None,
                description: None,
                assigned_to: None,
                depends_on: Vec::new(),
                priority: Priority::Normal,
                workflow: None,
                payload: None,
                steps: vec!["one".to_owned(), "two".to_owned()],
                created: self.at(),
            }),
            Kind::Agent => NewDocument::Agent(AgentDraft {
                name: id.as_str().parse().expect("valid"),
                status: mycelium::entity::AgentStatus::Idle,
                last_updated: self.at(),
                ttl: None,
                active_tasks: Vec::new(),
                metadata: None,
            }),
            Kind::Workflow => NewDocument::Workflow(WorkflowDraft {
                id: id.clone(),
                kind: "training".to_owned(),
                title: None,
                description: None,
                tasks: Vec::new(),
                metadata: None,
                created: self.at(),
            }),
        };
        LocalDocument { path: DocPath::for_new(kind, id), document: render(&new) }
    }

    /// One event.
    pub(crate) fn something(&mut self) -> Result<(), String> {
        self.now += 1 + i64::try_from(self.below(4_000)).expect("small");
        for over in self.server.expire(self.now) {
            self.say(&format!("the hash of {over} expires"));
            self.written.retain(|(id, _)| *id != over);
        }
        match self.below(100) {
            0..50 => self.some_mirror()?,
            50..66 => self.somebody_edits(),
            66..79 => self.another_client(),
            79..82 => self.somebody_removes(),
            82..86 => self.somebody_resolves(),
            86..90 => self.late_arrives()?,
            90..92 => self.crash(),
            92..94 => {
                let clone = self.one_of(self.clones.len());
                self.clones[clone].is_apart = !self.clones[clone].is_apart;
            }
            94..96 => self.head_moves(),
            96 => {
                self.say("the server loses its data");
                self.server.lose();
                self.written.clear();
            }
            97 => self.now += 400_000,
            98 => self.now += 4_000_000,
            _ => {
                let clone = self.one_of(self.clones.len());
                if self.below(4) == 0 {
                    self.say(&format!("clone {clone} loses what it remembers"));
                    self.clones[clone].mirrors.iter_mut().for_each(|mirror| *mirror = Mirror::default());
                }
            }
        }
        Ok(())
    }

    fn crash(&mut self) {
        let clone = self.one_of(self.clones.len());
        self.say(&format!("clone {clone} crashes"));
        for (index, mirror) in self.clones[clone].mirrors.iter_mut().enumerate() {
            mirror.under_way.clear();
            // Only the first remembers on the disk.
            if index > 0 {
                mirror.bases.clear();
            }
        }
    }

    fn late_arrives(&mut self) -> Result<(), String> {
        if self.late.is_empty() {
            return Ok(());
        }
        let index = self.one_of(self.late.len());
        let (id, out) = self.late.remove(index);
        self.apply(&id, &out).map(|_| ())
    }

    /// HEAD of a clone goes back to what it had before, or returns.
    pub(crate) fn head_moves(&mut self) {
        let clone = self.one_of(self.clones.len());
        if self.clones[clone].back.is_some() {
            return self.head_returns(clone);
        }
        let mut back = Vec::new();
        for (id, now) in self.clones[clone].files.clone() {
            let older: Vec<String> = self.clones[clone].mirrors[0]
                .bases
                .get(&id)
                .map(|base| base.older.iter().filter_map(|d| self.clones[clone].history.get(d)).cloned().collect())
                .unwrap_or_default();
            if older.is_empty() || self.clones[clone].back.is_some() {
                continue;
            }
            let text = older[self.one_of(older.len())].clone();
            let then = LocalDocument { path: now.path.clone(), document: Document::parse(text.into_bytes()) };
            back.push((id, now, then));
        }
        if back.is_empty() {
            return;
        }
        self.say(&format!("HEAD of clone {clone} moves back"));
        for (id, _, then) in &back {
            self.clones[clone].files.insert(id.clone(), then.clone());
        }
        self.clones[clone].back = Some(back);
    }

    pub(crate) fn head_returns(&mut self, clone: usize) {
        let Some(back) = self.clones[clone].back.take() else { return };
        self.say(&format!("HEAD of clone {clone} returns"));
        for (id, before, then) in back {
            // As git merges what has changed since.
            let Some(now) = self.clones[clone].files.get(&id).cloned() else { continue };
            let names = &merge::MergeSides::GIT;
            let merged = merge::document(&now.path, Some(&then.document), &before.document, &now.document, names);
            self.clones[clone].put(&id, LocalDocument { path: now.path, document: merged.document });
        }
    }

    fn somebody_edits(&mut self) {
        let clone = self.one_of(self.clones.len());
        if self.clones[clone].back.is_some() {
            return;
        }
        let (kind, id) = self.some_id();
        let token = self.token();
        let Some(local) = self.clones[clone].files.get(&id).cloned() else {
            if !self.clones[clone].archive.contains_key(&id) && self.below(3) == 0 {
                let mut local = self.new_file(kind, &id);
                local.document = local.document.append_note(&token).expect("a note");
                self.say(&format!("clone {clone}: {id} is made with {token}"));
                self.clones[clone].put(&id, local);
                self.acknowledged.insert((id, token));
            }
            return;
        };
        let document = &local.document;
        let edited = match self.below(10) {
            0..4 => document.append_note(&token).ok(),
            4..7 => document.set(&token, &Value::text("x")).ok(),
            7 => document.set("shared", &Value::text(token.clone().replace("zz", "yy"))).ok(),
            8 => task::start(document)
                .or_else(|_| task::complete(document, None))
                .or_else(|_| task::reopen(document))
                .ok(),
            _ if self.below(4) == 0 => document.set("status", &Value::text("odd")).ok(),
            _ => document.set("progress", &Value::plain(format!("0.{:02}", self.below(100)))).ok(),
        };
        let Some(edited) = edited else { return };
        self.say(&format!("clone {clone}: {id} is edited ({token})"));
        self.count.edits += 1;
        for token in tokens(edited.text()) {
            self.acknowledged.insert((id.clone(), token));
        }
        self.clones[clone].put(&id, LocalDocument { path: local.path, document: edited });
    }

    fn somebody_removes(&mut self) {
        let clone = self.one_of(self.clones.len());
        let (_, id) = self.some_id();
        if self.clones[clone].back.is_some() {
            return;
        }
        let Some(local) = self.clones[clone].files.remove(&id) else { return };
        self.excuse(&id, local.document.text());
        let to_archive = self.below(2) == 0 && usable(&id, &local);
        self.say(&format!("clone {clone}: {id} is {}", if to_archive { "archived" } else { "removed" }));
        if to_archive {
            let path = DocPath::new(format!("archive/2025-10/{}", local.path.file_name())).expect("valid");
            self.clones[clone].archive.insert(id, LocalDocument { path, document: local.document });
        }
    }

    pub(crate) fn excuse(&mut self, id: &DocId, text: &str) {
        for token in tokens(text) {
            self.excused.insert((id.clone(), token));
        }
    }

    /// Somebody chooses a side of a conflict, and corrects what cannot be read.
    fn somebody_resolves(&mut self) {
        for clone in 0..self.clones.len() {
            self.resolve(clone);
        }
    }

    pub(crate) fn resolve(&mut self, clone: usize) {
        for (id, local) in self.clones[clone].files.clone() {
            if usable(&id, &local) {
                continue;
            }
            let mut document = local.document.clone();
            if let Some((_, one, other)) = std::str::from_utf8(document.bytes()).ok().and_then(merge::sides) {
                document = Document::parse(if self.below(2) == 0 { one } else { other }.into_bytes());
                if !document.is_readable() {
                    document = without_repeats(&document);
                }
            }
            let fixed = LocalDocument { path: local.path.clone(), document: document.clone() };
            if document.is_readable() && !usable(&id, &fixed) {
                let status = if local.path.kind() == Some(Kind::Task) { "pending" } else { "running" };
                let status = if local.path.kind() == Some(Kind::Agent) { "idle" } else { status };
                document = document.set("status", &Value::text(status)).unwrap_or(document);
            }
            let lost = &tokens(local.document.text()) - &tokens(document.text());
            if lost.is_empty() || !local.document.is_readable() {
                // What a person gave up by choosing.
                self.excused.extend(lost.into_iter().map(|token| (id.clone(), token)));
                self.say(&format!("clone {clone}: {id} is resolved"));
                self.clones[clone].put(&id, LocalDocument { path: local.path, document });
            }
        }
    }

    fn another_client(&mut self) {
        let (kind, id) = self.some_id();
        self.count.foreign += 1;
        let token = self.token();
        let is_there = self.server.shown(&id).is_some();
        match self.below(12) {
            0..4 if is_there => {
                self.server.set(&id, &token, "x");
                // What is written to a hash that stands for no document may be of no use.
                if self.server.record(&id).is_some_and(|record| record.gone.is_none()) {
                    self.written.insert((id.clone(), token.clone()));
                }
            }
            4 => {
                self.server.set(&id, "status", "running");
                self.server.set(&id, "claimed_by", "bob");
            }
            5 => {
                self.server.set(&id, "status", if kind == Kind::Agent { "busy" } else { "completed" });
                self.server.set(&id, "result", "a text");
            }
            6 => self.server.set(&id, "progress", "0.75"),
            7 => self.server.set(&id, "status", GARBAGE),
            8 => {
                // What means nothing in this kind of document may be any text.
                let field = if kind == Kind::Agent { "active_tasks" } else { "progress" };
                self.server.set(&id, field, GARBAGE);
                self.server.set(&id, "bad name", GARBAGE);
                let field = if kind == Kind::Task { "payload" } else { "metadata" };
                self.server.set(&id, field, &format!("{{{GARBAGE}"));
            }
            9 => {
                self.server.set(&id, "extra", &format!("\u{1b}{GARBAGE}"));
                self.server.set(&id, "id", &format!("../{GARBAGE}"));
            }
            10 => {
                self.server.delete(&id);
                self.written.retain(|(of, _)| *of != id);
            }
            _ if !is_there => {
                for (field, text) in
                    [("type", "made"), ("status", if kind == Kind::Agent { "idle" } else { "running" })]
                {
                    self.server.set(&id, field, text);
                }
            }
            _ => self.server.set(&id, "metadata", "{\"a\":1}"),
        }
        self.say(&format!("another client at {id} ({token})"));
    }

    pub(crate) fn carry_out_file(&mut self, clone: usize, id: &DocId, file: &FileAction) -> Result<(), String> {
        let old = self.clones[clone].files.get(id).cloned();
        let had = old.as_ref().map(|local| tokens(local.document.text())).unwrap_or_default();
        let excused = |token: &String| self.excused.contains(&(id.clone(), token.clone()));
        match file {
            FileAction::Keep => return Ok(()),
            FileAction::Write { path, document, from, .. } => {
                let has = tokens(document.text());
                if let Some(lost) = had.iter().find(|token| !has.contains(*token) && !excused(token)) {
                    return Err(format!("clone {clone}: {lost} is taken out of {id}"));
                }
                if path.is_archived() || document.text().contains(GARBAGE) {
                    return Err(format!("clone {clone}: garbage in {path}"));
                }
                if from.as_ref().is_some_and(DocPath::is_archived) {
                    self.clones[clone].archive.remove(id);
                }
                self.count.writes += 1;
                for token in has {
                    self.written.remove(&(id.clone(), token.clone()));
                    self.acknowledged.insert((id.clone(), token));
                }
                self.clones[clone].put(id, LocalDocument { path: path.clone(), document: document.clone() });
            }
            FileAction::Create(new) => {
                let document = render(new);
                if document.text().contains(GARBAGE) {
                    return Err(format!("clone {clone}: garbage in the new {id}"));
                }
                let kind = self.ids.iter().find(|(_, known)| known == id).expect("known").0;
                self.count.writes += 1;
                self.clones[clone].put(id, LocalDocument { path: DocPath::for_new(kind, id), document });
            }
            FileAction::Remove { .. } | FileAction::Archive { .. } => {
                let kept = match file {
                    FileAction::Archive { document, .. } => tokens(document.text()),
                    _ => BTreeSet::new(),
                };
                if let Some(lost) = had.iter().find(|token| !kept.contains(*token) && !excused(token)) {
                    return Err(format!("clone {clone}: {lost} goes with {id}, and nobody who removed it knew of it"));
                }
                self.count.removals += 1;
                self.clones[clone].files.remove(id);
                if let FileAction::Archive { to, document, .. } = file {
                    let local = LocalDocument { path: to.clone(), document: document.clone() };
                    self.clones[clone].archive.insert(id.clone(), local);
                }
            }
        }
        Ok(())
    }
}

impl Clone {
    pub(crate) fn put(&mut self, id: &DocId, local: LocalDocument) {
        let text = local.document.text().to_owned();
        self.history.insert(digest(text.as_bytes()), text);
        self.files.insert(id.clone(), local);
    }
}

/// A document without the keys that are there twice.
fn without_repeats(document: &Document) -> Document {
    let mut seen = BTreeSet::new();
    let is_new = |line: &&str| line.split_once(": ").is_none_or(|(key, _)| seen.insert(key.to_owned()));
    let lines: Vec<&str> = document.text().lines().filter(is_new).collect();
    Document::parse(format!("{}\n", lines.join("\n")).into_bytes())
}

pub(crate) fn usable(id: &DocId, local: &LocalDocument) -> bool {
    read(&local.path, &local.document).entity.as_ref().map(Entity::id).as_ref() == Some(id)
}

fn render(new: &NewDocument) -> Document {
    match new {
        NewDocument::Agent(agent) => agent.render(Shape::Lean, None),
        NewDocument::Task(task) => task.render(Shape::Lean, None),
        NewDocument::Workflow(workflow) => workflow.render(Shape::Lean, None),
    }
    .expect("the own templates hold whatever they are given")
}
