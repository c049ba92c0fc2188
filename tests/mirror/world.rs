//! Clones of a repository, a remote beside them, and what happens to both, by seed.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};

use mycelium::document::Document;
use mycelium::name::{DocId, DocPath, Kind};
use mycelium::reconcile::{DocumentKey, DocumentRemote, SyncBase};
use mycelium::services::{Error, MirrorPass, PassMemory, PassOptions, PassScope};
use mycelium::snapshot::Entry;
use mycelium::time::Timestamp;

use crate::folder::{FolderView, MemoryBases, MemoryFolder};
use crate::git::{CommitId, Git, Merge, Tree};

/// What no file may ever hold.
pub(crate) const GARBAGE: &str = "GARBAGE";

/// What happened.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Count {
    pub(crate) passes: u64,
    pub(crate) sends: u64,
    pub(crate) conflicts: u64,
    pub(crate) writes: u64,
    pub(crate) removals: u64,
    pub(crate) foreign: u64,
    pub(crate) edits: u64,
    pub(crate) lost: u64,
    pub(crate) remembered: u64,
    pub(crate) operations: u64,
    pub(crate) rounds: u64,
    /// Rounds of passes in which something was still to do after the last change.
    pub(crate) last: u64,
}

impl Count {
    pub(crate) fn add(&mut self, other: &Self) {
        self.passes += other.passes;
        self.sends += other.sends;
        self.conflicts += other.conflicts;
        self.writes += other.writes;
        self.removals += other.removals;
        self.foreign += other.foreign;
        self.edits += other.edits;
        self.lost += other.lost;
        self.rounds = self.rounds.max(other.rounds);
        self.last = self.last.max(other.last);
    }

    /// What was written here or there.
    fn moved(&self) -> u64 {
        self.sends + self.writes + self.removals
    }

    /// What tells whether anything was done.
    fn done(&self) -> u64 {
        self.moved() + self.remembered
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { passes, sends, conflicts, writes, removals, foreign, edits, lost, rounds, last, .. } = self;
        write!(
            f,
            "{edits} edits, {foreign} by others, {passes} passes of which {lost} lost the remote, {sends} sends, {conflicts} refused, \
             {writes} files written, {removals} removed, at most {rounds} rounds until all were alike, {last} after the last change"
        )
    }
}

/// A process that mirrors a clone. What it has read is gone when it loses the remote.
#[derive(Default)]
pub(crate) struct Process {
    view: FolderView,
    known: RefCell<BTreeMap<DocumentKey, Option<SyncBase>>>,
    memory: PassMemory,
    /// It has compared everything.
    is_complete: bool,
    /// What its last pass found on the remote that cannot be used.
    garbage: Vec<String>,
}

/// A clone of the repository, as it lies on the disk.
#[derive(Default)]
pub(crate) struct Clone {
    pub(crate) files: Tree,
    pub(crate) head: CommitId,
    /// Where HEAD was before it moved back.
    pub(crate) tip: Option<CommitId>,
    pub(crate) bases: BTreeMap<DocumentKey, SyncBase>,
    pub(crate) settled: Option<CommitId>,
    /// The remote cannot be reached.
    pub(crate) is_apart: bool,
}

/// What people have done.
#[derive(Default)]
pub(crate) struct People {
    pub(crate) tokens: u64,
    /// Edits that are in some file, by document.
    pub(crate) acknowledged: BTreeSet<(DocId, String)>,
    /// Those that somebody removed knowing of them.
    pub(crate) excused: BTreeSet<(DocId, String)>,
    /// Of others, on the remote alone.
    pub(crate) written: BTreeSet<(DocId, String)>,
    /// Documents that somebody removed.
    pub(crate) removed: BTreeSet<DocId>,
    /// Documents that may be there again without an edit.
    pub(crate) revived: BTreeSet<DocId>,
}

/// A remote in memory.
pub(crate) trait Remote {
    /// The documents that people make and edit.
    fn ids(&self) -> Vec<DocumentKey> {
        let key = |(kind, id)| (kind, DocId::new(id).expect("valid"));
        let all =
            [(Kind::Task, "task-a"), (Kind::Task, "task-b"), (Kind::Agent, "ann"), (Kind::Workflow, "workflow-w")];
        all.map(key).to_vec()
    }

    /// Calls with it as a clone sees it over a new connection.
    fn with(&self, world: &World, clone: usize, act: &mut dyn FnMut(&mut dyn DocumentRemote<Error = Error>));

    /// Edits what only this remote shows of a document.
    fn edit(&self, world: &World, document: &Document) -> Option<Document> {
        let _ = (world, document);
        None
    }

    /// Another client does something there.
    fn another_client(&self, world: &World);

    /// Time goes by.
    fn expire(&self, world: &World);

    /// Something that was sent arrives after all. Returns false if there is nothing.
    fn late_arrives(&self, world: &World) -> bool;

    /// It loses its data.
    fn lose(&self, world: &World);

    /// There are no more faults.
    fn heal(&self) {}

    /// Other clients change something for the last time. Returns false if there is nothing to measure by it.
    fn last_changes(&self, world: &World) -> bool {
        let _ = world;
        false
    }

    /// Returns true if a command sends what it has written by itself.
    fn takes_single_writes(&self) -> bool {
        true
    }

    /// Returns false if nobody there has done what a pass writes into a file.
    fn has_done(&self, key: &DocumentKey, before: &Document, after: &Document) -> bool {
        let _ = (key, before, after);
        true
    }

    /// Returns true if it keeps texts. Else git must bring them.
    fn has_texts(&self) -> bool {
        true
    }

    /// Finds what is not as it should be in the end; the text is what all clones have.
    fn fault(&self, world: &World, key: &DocumentKey, text: Option<&str>) -> Option<String>;
}

pub(crate) struct World {
    state: Cell<u64>,
    now: Cell<i64>,
    pub(crate) ids: Vec<DocumentKey>,
    pub(crate) clones: Vec<RefCell<Clone>>,
    processes: Vec<Vec<RefCell<Option<Process>>>>,
    pub(crate) git: RefCell<Git>,
    pub(crate) remote: Box<dyn Remote>,
    pub(crate) people: RefCell<People>,
    pub(crate) leader: Cell<usize>,
    depth: Cell<u32>,
    pub(crate) is_healing: Cell<bool>,
    count: Cell<Count>,
    fault: RefCell<Option<String>>,
    is_traced: bool,
    trace: RefCell<String>,
}

/// The unique edits that a text holds.
pub(crate) fn tokens(text: &str) -> BTreeSet<String> {
    let word = |c: char| c.is_ascii_alphanumeric();
    let is_token = |w: &&str| w.len() == 7 && w.starts_with("zz") && w[2..].bytes().all(|b| b.is_ascii_digit());
    text.split(|c| !word(c)).filter(is_token).map(str::to_owned).collect()
}

/// Which document a file is.
pub(crate) fn key_of(path: &DocPath, document: &Document) -> Option<DocumentKey> {
    let entry = Entry::read(path.clone(), document.clone());
    Some((entry.kind.or_else(|| path.kind())?, entry.id.clone().unwrap_or_else(|| DocId::of_file(path))))
}

/// Returns true if a file can be read as a document.
pub(crate) fn is_usable(path: &DocPath, document: &Document) -> bool {
    Entry::read(path.clone(), document.clone()).entity.is_some()
}

impl World {
    pub(crate) fn new(seed: u64, remote: Box<dyn Remote>) -> Self {
        let mut world = Self {
            state: Cell::new(seed),
            now: Cell::new(1_760_000_000_000),
            ids: remote.ids(),
            clones: Vec::new(),
            processes: Vec::new(),
            git: RefCell::default(),
            remote,
            people: RefCell::default(),
            leader: Cell::default(),
            depth: Cell::default(),
            is_healing: Cell::default(),
            count: Cell::default(),
            fault: RefCell::default(),
            is_traced: std::env::var("TRACE").is_ok(),
            trace: RefCell::default(),
        };
        // Most documents are known to all from the beginning.
        let mut files = Tree::new();
        for key in world.ids.clone() {
            if world.below(4) > 0 {
                files.insert(DocPath::for_new(key.0, &key.1), world.new_document(&key));
            }
        }
        let head = world.git.get_mut().commit(Vec::new(), files.clone());
        for _ in 0..2 + world.below(2) {
            world.clones.push(RefCell::new(Clone { files: files.clone(), head, ..Clone::default() }));
            let processes = 1 + world.one_of(2);
            world.processes.push((0..processes).map(|_| RefCell::new(Some(Process::default()))).collect());
        }
        world
    }

    pub(crate) fn below(&self, n: u64) -> u64 {
        self.state.set(self.state.get().wrapping_add(0x9e37_79b9_7f4a_7c15));
        let mut z = self.state.get();
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }

    /// Returns true once in `n` times, and never when there are no more faults.
    pub(crate) fn chance(&self, n: u64) -> bool {
        !self.is_healing.get() && self.below(n) == 0
    }

    pub(crate) fn one_of(&self, n: usize) -> usize {
        usize::try_from(self.below(n as u64)).expect("small")
    }

    pub(crate) fn some_key(&self) -> DocumentKey {
        self.ids[self.one_of(self.ids.len())].clone()
    }

    /// Tells what happens, if somebody wants to know.
    pub(crate) fn say(&self, line: fmt::Arguments<'_>) {
        if !self.is_traced {
            return;
        }
        let indent = "  ".repeat(usize::try_from(self.depth.get()).expect("small"));
        let _ = writeln!(self.trace.borrow_mut(), "{indent}{line}");
    }

    pub(crate) fn trace(&self) -> String {
        self.trace.borrow().clone()
    }

    pub(crate) fn at(&self) -> Timestamp {
        Timestamp::from_unix_ms(self.now.get())
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.now.get()
    }

    /// Counts one more of something; returns how many there are.
    pub(crate) fn count(&self, which: impl Fn(&mut Count) -> &mut u64) -> u64 {
        let mut count = self.count.get();
        *which(&mut count) += 1;
        let number = *which(&mut count);
        self.count.set(count);
        number
    }

    pub(crate) fn counted(&self) -> Count {
        self.count.get()
    }

    /// Something is wrong: the first such thing is what the seed found.
    pub(crate) fn wrong(&self, why: String) {
        self.say(format_args!("WRONG: {why}"));
        self.fault.borrow_mut().get_or_insert(why);
    }

    pub(crate) fn result(&self) -> Result<(), String> {
        self.fault.borrow().clone().map_or(Ok(()), Err)
    }

    /// A moment in the midst of a pass: something else may happen, or the remote is lost.
    pub(crate) fn between(&self) -> Result<(), Error> {
        if self.is_healing.get() {
            return Ok(());
        }
        if self.depth.get() < 2 && self.below(30) == 0 {
            self.something();
        }
        if self.below(100) == 0 { Err(lost()) } else { Ok(()) }
    }

    /// One event.
    pub(crate) fn something(&self) {
        self.now.set(self.now.get() + 1 + i64::try_from(self.below(4_000)).expect("small"));
        self.remote.expire(self);
        self.depth.set(self.depth.get() + 1);
        let clone = self.one_of(self.clones.len());
        match self.below(100) {
            0..40 => self.some_pass(),
            40..60 => self.somebody_edits(clone),
            60..72 => {
                self.count(|count| &mut count.foreign);
                self.remote.another_client(self);
            }
            72..75 => self.somebody_removes(clone),
            75..78 => (0..self.clones.len()).for_each(|clone| _ = self.resolve(clone)),
            78..82 if self.remote.has_texts() => _ = self.remote.late_arrives(self),
            82..84 => {
                self.say(format_args!("the processes of clone {clone} die"));
                for process in &self.processes[clone] {
                    if let Ok(mut process) = process.try_borrow_mut() {
                        *process = process.take().map(|_| Process::default());
                    }
                }
            }
            84..86 => {
                let mut clone = self.clones[clone].borrow_mut();
                clone.is_apart = !clone.is_apart;
            }
            86..90 => self.head_moves(clone),
            78..82 | 90..94 => self.pull(clone, self.one_of(self.clones.len())),
            94 => self.leader.set(clone),
            95 => {
                self.say(format_args!("the remote loses its data"));
                self.remote.lose(self);
            }
            96 => self.now.set(self.now.get() + 400_000),
            97 => self.now.set(self.now.get() + 4_000_000),
            98 => self.commit(clone),
            _ => self.forget(clone),
        }
        self.depth.set(self.depth.get() - 1);
    }

    fn forget(&self, clone: usize) {
        // Where HEAD has moved back nothing else tells what is older.
        if self.below(4) == 0 && self.clones[clone].borrow().tip.is_none() {
            self.say(format_args!("clone {clone} loses what it remembers"));
            let mut clone = self.clones[clone].borrow_mut();
            clone.bases.clear();
            clone.settled = None;
            self.people.borrow_mut().revived.extend(self.ids.iter().map(|(_, id)| id.clone()));
        }
    }

    fn some_pass(&self) {
        let clone = self.one_of(self.clones.len());
        if !self.clones[clone].borrow().is_apart {
            let which = if self.below(3) == 0 { None } else { Some(BTreeSet::from([self.some_key()])) };
            self.pass(clone, self.one_of(self.processes[clone].len()), which);
        }
    }

    /// A process of a clone makes a pass, unless it is in the midst of one; with no documents, over all.
    pub(crate) fn pass(&self, clone: usize, process: usize, which: Option<BTreeSet<DocumentKey>>) {
        let Ok(mut slot) = self.processes[clone][process].try_borrow_mut() else { return };
        let Some(mut process) = slot.take() else { return };
        let which = which.filter(|_| process.is_complete);
        self.say(format_args!("clone {clone} passes over {which:?}"));
        self.count(|count| &mut count.passes);
        let scope = which.map_or(PassScope::All, PassScope::Of);
        let is_all = matches!(scope, PassScope::All);
        let options = PassOptions { force: self.is_forced(), ..PassOptions::default() };
        let node = format!("node-{clone}");
        let done = {
            let Process { view, known, memory, .. } = &mut process;
            let mut folder = MemoryFolder { world: self, clone, node, view };
            let mut bases = MemoryBases { world: self, clone, known };
            let mut done = Err(lost());
            self.remote.with(self, clone, &mut |remote| {
                let (folder, bases, memory) = (&mut folder, &mut bases, &mut *memory);
                done = MirrorPass { remote, folder, bases, memory, options }.run(scope.clone());
            });
            done
        };
        match done {
            Ok(report) => {
                if !report.held.is_empty() || report.mass.is_some() {
                    self.say(format_args!("clone {clone} holds {:?} {:?}", report.held, report.mass));
                }
                process.garbage = report.garbage.into_iter().map(|(place, _)| place).collect();
                process.is_complete |= is_all && report.paused.is_none();
            }
            Err(error) => {
                self.count(|count| &mut count.lost);
                self.say(format_args!("clone {clone}: {error}"));
                // With a new connection everything is read again.
                process = Process::default();
            }
        }
        *slot = Some(process);
    }

    /// A command edits a document and sends it by itself.
    pub(crate) fn write_through(&self, clone: usize, key: &DocumentKey, path: &DocPath) {
        let (mut view, mut memory, known) = (FolderView::default(), PassMemory::default(), RefCell::default());
        let node = format!("node-{clone}");
        let mut folder = MemoryFolder { world: self, clone, node, view: &mut view };
        folder.read_only(path);
        let mut bases = MemoryBases { world: self, clone, known: &known };
        self.remote.with(self, clone, &mut |remote| {
            let options = PassOptions { removes_many: true, ..PassOptions::default() };
            let mut pass = MirrorPass { remote, folder: &mut folder, bases: &mut bases, memory: &mut memory, options };
            let mut report = mycelium::services::PassReport::default();
            if let Err(error) = pass.settle(BTreeSet::from([key.clone()]), &mut report) {
                self.say(format_args!("clone {clone}: {error}"));
            }
        });
    }

    /// Writes files as a pass decided.
    pub(crate) fn write_files(&self, clone: usize, changes: &[(DocPath, Option<Document>, Option<Document>)]) {
        let gone: Vec<(DocPath, Document)> = {
            let files = &mut self.clones[clone].borrow_mut().files;
            changes
                .iter()
                .filter_map(|(path, _, after)| {
                    let before = match after {
                        Some(after) => files.insert(path.clone(), after.clone()),
                        None => files.remove(path),
                    };
                    before.map(|before| (path.clone(), before))
                })
                .collect()
        };
        let mut has = BTreeSet::new();
        for (path, before, after) in changes {
            if let (Some(old), Some(new)) = (before, after)
                && key_of(path, new).is_some_and(|key| !self.remote.has_done(&key, old, new))
            {
                self.wrong(format!("clone {clone}: nobody has opened {path} again"));
            }
            self.say(format_args!(
                "clone {clone}: {path} becomes {:?}, was {:?}",
                text_of(after.as_ref()),
                text_of(before.as_ref())
            ));
            let Some(after) = after else { continue };
            self.count(|count| &mut count.writes);
            if after.text().contains(GARBAGE) {
                self.wrong(format!("clone {clone}: garbage in {path}"));
            }
            has.extend(tokens(after.text()));
            if let Some((_, id)) = key_of(path, after) {
                let mut people = self.people.borrow_mut();
                for token in tokens(after.text()) {
                    people.written.remove(&(id.clone(), token.clone()));
                    people.acknowledged.insert((id.clone(), token));
                }
            }
        }
        if changes.iter().any(|(_, _, after)| after.is_none()) {
            self.count(|count| &mut count.removals);
        }
        for (path, before) in gone {
            let Some((_, id)) = key_of(&path, &before) else { continue };
            let excused = |token: &String| self.people.borrow().excused.contains(&(id.clone(), token.clone()));
            if let Some(lost) = tokens(before.text()).iter().find(|token| !has.contains(*token) && !excused(token)) {
                self.wrong(format!(
                    "clone {clone}: {lost} is taken out of {path}, and nobody who removed it knew of it"
                ));
            }
        }
    }

    /// What lies in a folder and can be read is committed, and a follower notes where HEAD is, also if it does not reach the remote.
    pub(crate) fn commit(&self, clone: usize) {
        let mut clone = self.clones[clone].borrow_mut();
        let mut git = self.git.borrow_mut();
        let (mut files, before) = (clone.files.clone(), git.tree(clone.head));
        for (path, _) in clone.files.iter().filter(|(path, document)| !is_usable(path, document)) {
            match before.get(path) {
                Some(document) => files.insert(path.clone(), document.clone()),
                None => files.remove(path),
            };
        }
        if *before != files {
            clone.head = git.commit(vec![clone.head], files);
        }
        if clone.settled.is_none_or(|old| git.is_ancestor(old, clone.head)) {
            clone.settled = Some(clone.head);
        }
    }

    /// HEAD of a clone goes back to an earlier commit, or returns.
    fn head_moves(&self, clone: usize) {
        if self.clones[clone].borrow().tip.is_some() {
            return self.head_returns(clone);
        }
        self.resolve(clone);
        self.commit(clone);
        let head = self.clones[clone].borrow().head;
        let earlier: Vec<CommitId> = self.git.borrow().ancestors(head).into_iter().filter(|id| *id != head).collect();
        if earlier.is_empty() {
            return;
        }
        let to = earlier[earlier.len() - 1 - self.one_of(earlier.len().min(6))];
        self.say(format_args!("HEAD of clone {clone} moves back from {head} to {to}"));
        let mut clone = self.clones[clone].borrow_mut();
        clone.tip = Some(head);
        clone.head = to;
        clone.files = self.git.borrow().tree(to).clone();
    }

    pub(crate) fn head_returns(&self, clone: usize) {
        let tip = self.clones[clone].borrow_mut().tip.take();
        if let Some(tip) = tip {
            self.say(format_args!("HEAD of clone {clone} returns"));
            self.merge(clone, tip);
        }
    }

    /// A clone pulls what another one has committed.
    pub(crate) fn pull(&self, clone: usize, from: usize) {
        if clone != from {
            self.say(format_args!("clone {clone} pulls from {from}"));
            let theirs = self.clones[from].borrow().head;
            self.merge(clone, theirs);
        }
    }

    /// What git brings back into a folder from which it was removed is there for a reason: the other side had changed it.
    fn note_revived(&self, clone: usize, before: &Tree) {
        let clone = self.clones[clone].borrow();
        let new = clone.files.iter().filter(|(path, _)| !before.contains_key(*path));
        let ids = new.filter_map(|(path, document)| key_of(path, document)).map(|(_, id)| id);
        self.people.borrow_mut().revived.extend(ids);
    }

    /// Every clone gets by git what all others have. Returns true if there was something.
    fn exchange_commits(&self) -> bool {
        let heads = || self.clones.iter().map(|clone| clone.borrow().head).collect::<Vec<_>>();
        (0..self.clones.len()).for_each(|clone| self.commit(clone));
        let before = heads();
        (1..self.clones.len()).for_each(|clone| self.pull(0, clone));
        (1..self.clones.len()).for_each(|clone| self.pull(clone, 0));
        before != heads()
    }

    fn merge(&self, clone: usize, theirs: CommitId) {
        self.resolve(clone);
        self.commit(clone);
        let ours = self.clones[clone].borrow().head;
        let merged = self.git.borrow().merge(ours, theirs);
        match merged {
            Merge::Nothing => {}
            Merge::Forward => {
                let mut clone = self.clones[clone].borrow_mut();
                clone.head = theirs;
                clone.files = self.git.borrow().tree(theirs).clone();
            }
            Merge::Tree(tree) => {
                let before = std::mem::replace(&mut self.clones[clone].borrow_mut().files, tree);
                self.note_revived(clone, &before);
                self.resolve(clone);
                let mut clone = self.clones[clone].borrow_mut();
                clone.head = self.git.borrow_mut().commit(vec![ours, theirs], clone.files.clone());
            }
        }
    }

    /// Returns true if each clone has reported that something about a document cannot be used.
    pub(crate) fn reports_garbage(&self, place: &str) -> bool {
        let reports = |slot: &RefCell<Option<Process>>| {
            slot.borrow().as_ref().is_some_and(|process| process.garbage.iter().any(|at| at == place))
        };
        self.processes.iter().all(|processes| processes.iter().any(reports))
    }

    fn is_forced(&self) -> bool {
        self.is_healing.get() && self.counted().rounds >= crate::FORCED_AFTER
    }

    /// No more faults. Every process looks at everything, again and again, and people resolve what they must.
    pub(crate) fn heal(&self) -> Result<(), String> {
        self.say(format_args!("healing"));
        while self.remote.late_arrives(self) {}
        self.is_healing.set(true);
        self.remote.heal();
        for clone in 0..self.clones.len() {
            self.head_returns(clone);
            self.clones[clone].borrow_mut().is_apart = false;
        }
        for round in 0..crate::HEALING {
            self.count(|count| &mut count.rounds);
            self.say(format_args!("round {round}"));
            let before = self.counted().done();
            let mut is_quiet = self.remote.has_texts() || !self.exchange_commits();
            for clone in 0..self.clones.len() {
                is_quiet &= !self.resolve(clone);
                for process in 0..self.processes[clone].len() {
                    self.pass(clone, process, None);
                }
                self.commit(clone);
            }
            self.result()?;
            if is_quiet && self.counted().done() == before && round > 0 {
                return self.judge();
            }
        }
        Err(format!("after {} rounds there is still something to do", crate::HEALING))
    }
}

impl World {
    /// When all is alike others change something for the last time: counts the passes of all clones until it is so again.
    pub(crate) fn end_with_last_changes(&self) -> Result<(), String> {
        if !self.remote.last_changes(self) {
            return Ok(());
        }
        for round in 0..crate::HEALING {
            let before = self.counted().moved();
            self.say(format_args!("last round {round}"));
            self.exchange_commits();
            for clone in 0..self.clones.len() {
                self.resolve(clone);
                for process in 0..self.processes[clone].len() {
                    self.pass(clone, process, None);
                }
                self.commit(clone);
            }
            self.result()?;
            if self.counted().moved() == before {
                self.count.set(Count { last: round, ..self.counted() });
                return self.judge();
            }
        }
        Err(format!("after {} rounds there is still something to do about the last changes", crate::HEALING))
    }
}

/// The remote is lost.
pub(crate) fn lost() -> Error {
    Error::Unreached { why: "the remote is lost".to_owned(), hint: None }
}

fn text_of(document: Option<&Document>) -> Option<&str> {
    document.map(Document::text)
}
