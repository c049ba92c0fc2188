//! What people do in a clone: they write documents, remove them, and choose sides of conflicts.

use std::collections::BTreeSet;

use mycelium::document::{Document, Value};
use mycelium::entity::{AgentDraft, AgentStatus, Priority, TaskDraft, WorkflowDraft, task};
use mycelium::merge;
use mycelium::name::{DocPath, Kind};
use mycelium::reconcile::DocumentKey;
use mycelium::template::Shape;

use crate::world::{World, is_usable, key_of, tokens};

impl World {
    pub(crate) fn new_document(&self, (kind, id): &DocumentKey) -> Document {
        match kind {
            Kind::Task => TaskDraft {
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
            }
            .render(Shape::Lean, None),
            Kind::Agent => AgentDraft {
                name: id.as_str().parse().expect("valid"),
                status: AgentStatus::Idle,
                last_updated: self.at(),
                ttl: None,
                active_tasks: Vec::new(),
                metadata: None,
            }
            .render(Shape::Lean, None),
            Kind::Workflow => WorkflowDraft {
                id: id.clone(),
                kind: "training".to_owned(),
                title: None,
                description: None,
                tasks: Vec::new(),
                metadata: None,
                created: self.at(),
            }
            .render(Shape::Lean, None),
        }
        .expect("the own templates hold whatever they are given")
    }

    pub(crate) fn token(&self) -> String {
        let mut people = self.people.borrow_mut();
        people.tokens += 1;
        format!("zz{:05}", people.tokens)
    }

    /// Returns where a document lies in a clone, archived or not, and its text.
    pub(crate) fn find(&self, clone: usize, key: &DocumentKey) -> Option<(DocPath, Document)> {
        let clone = self.clones[clone].borrow();
        let is_it = |(path, document): &(&DocPath, &Document)| key_of(path, document).as_ref() == Some(key);
        let files = clone.files.iter().filter(is_it);
        files.min_by_key(|(path, _)| path.is_archived()).map(|(path, document)| (path.clone(), document.clone()))
    }

    /// Somebody edits a document, or makes it if it is not there. While HEAD is further back nobody does.
    pub(crate) fn somebody_edits(&self, clone: usize) {
        if self.clones[clone].borrow().tip.is_some() {
            return;
        }
        let key = self.some_key();
        let token = self.token();
        let (path, edited) = match self.find(clone, &key) {
            Some((path, _)) if path.is_archived() => return,
            Some((path, document)) => {
                let document = self.remote.edit(self, &document).unwrap_or(document);
                let Some(edited) = self.edit(&document, &token) else { return };
                (path, edited)
            }
            None if self.below(3) == 0 => {
                let document = self.new_document(&key);
                (DocPath::for_new(key.0, &key.1), document.edit().append_note(&token).expect("a note"))
            }
            None => return,
        };
        self.count(|count| &mut count.edits);
        self.say(format_args!("clone {clone}: {} is edited ({token})", key.1));
        let mut people = self.people.borrow_mut();
        people.acknowledged.extend(tokens(edited.text()).into_iter().map(|token| (key.1.clone(), token)));
        drop(people);
        self.clones[clone].borrow_mut().files.insert(path.clone(), edited);
        if self.below(2) == 0 {
            self.commit(clone);
        }
        if self.below(4) == 0 && self.remote.takes_single_writes() && !self.clones[clone].borrow().is_apart {
            self.write_through(clone, &key, &path);
        }
    }

    /// Each edit has its token.
    fn edit(&self, document: &Document, token: &str) -> Option<Document> {
        let edited = match self.below(10) {
            0..3 => return document.edit().append_note(token).ok(),
            3..6 => return document.edit().set(token, &Value::text("x")).ok(),
            6 => document.edit().set("shared", &Value::text(token.replace("zz", "yy"))).ok()?,
            7..9 => task::start(document)
                .or_else(|_| task::complete(document, None))
                .or_else(|_| task::reopen(document))
                .ok()?,
            _ if self.below(4) == 0 => document.edit().set("status", &Value::text("odd")).ok()?,
            _ => document.edit().set("progress", &Value::plain(format!("0.{:02}", self.below(100)))).ok()?,
        };
        edited.edit().append_note(token).or_else(|_| edited.edit().set(token, &Value::text("x"))).ok()
    }

    /// Somebody removes a document, or moves it to the archive.
    pub(crate) fn somebody_removes(&self, clone: usize) {
        let key = self.some_key();
        if self.clones[clone].borrow().tip.is_some() {
            return;
        }
        let Some((path, document)) = self.find(clone, &key).filter(|(path, _)| !path.is_archived()) else { return };
        self.excuse(&key, document.text());
        // What another clone got of it by git, before its own one had sent it, is news to the remote: an edit wins over a removal.
        let base = self.clones[clone].borrow().bases.get(&key).and_then(|base| base.text.clone());
        if base.as_deref() != Some(document.text()) {
            self.people.borrow_mut().revived.insert(key.1.clone());
        }
        let to_archive = self.below(2) == 0 && is_usable(&path, &document);
        self.say(format_args!("clone {clone}: {} is {}", key.1, if to_archive { "archived" } else { "removed" }));
        let files = &mut self.clones[clone].borrow_mut().files;
        files.remove(&path);
        if to_archive {
            let path = DocPath::new(format!("archive/2025-10/{}", path.file_name())).expect("valid");
            files.insert(path, document);
        } else {
            self.people.borrow_mut().removed.insert(key.1);
        }
    }

    pub(crate) fn excuse(&self, (_, id): &DocumentKey, text: &str) {
        self.people.borrow_mut().excused.extend(tokens(text).into_iter().map(|token| (id.clone(), token)));
    }

    /// Somebody chooses a side of each conflict, and corrects what cannot be read. Returns true if there was something.
    pub(crate) fn resolve(&self, clone: usize) -> bool {
        let files = self.clones[clone].borrow().files.clone();
        let mut has_resolved = false;
        for (path, document) in files {
            let Some(key) = key_of(&path, &document).filter(|_| !is_usable(&path, &document)) else { continue };
            let mut fixed = document.clone();
            if let Some((_, one, other)) = std::str::from_utf8(fixed.bytes()).ok().and_then(merge::sides) {
                fixed = Document::parse(if self.below(2) == 0 { one } else { other }.into_bytes());
                if !fixed.is_readable() {
                    fixed = without_repeats(&fixed);
                }
            }
            if fixed.is_readable() && !is_usable(&path, &fixed) {
                let status = match key.0 {
                    Kind::Task => "pending",
                    Kind::Agent => "idle",
                    Kind::Workflow => "running",
                };
                fixed = fixed.edit().set("status", &Value::text(status)).unwrap_or(fixed);
            }
            // What a person gave up by choosing.
            let given_up: String =
                (&tokens(document.text()) - &tokens(fixed.text())).into_iter().collect::<Vec<_>>().join(" ");
            self.excuse(&key, &given_up);
            self.say(format_args!("clone {clone}: {} is resolved", key.1));
            self.clones[clone].borrow_mut().files.insert(path, fixed);
            has_resolved = true;
        }
        has_resolved
    }
}

/// A document without the keys that are there twice.
fn without_repeats(document: &Document) -> Document {
    let mut seen = BTreeSet::new();
    let is_new = |line: &&str| line.split_once(": ").is_none_or(|(key, _)| seen.insert(key.to_owned()));
    let lines: Vec<&str> = document.text().lines().filter(is_new).collect();
    Document::parse(format!("{}\n", lines.join("\n")).into_bytes())
}
