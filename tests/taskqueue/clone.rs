//! A clone whose folder is in memory and whose remote is a server: the production pass and the production remote between them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use mycelium::document::Document;
use mycelium::name::{AgentName, DocId, DocPath, Kind, OperationId};
use mycelium::operation::New;
use mycelium::reconcile::{ChangeAuthor, DocumentKey, HeadMotion, LocalDocument, SyncBase};
use mycelium::services::{
    Error, Import, Imported, MirrorFolder, MirrorIndex, MirrorPass, PassMemory, PassOptions, PassReport, PassScope,
    SyncBaseStore,
};
use mycelium::taskqueue::{Client, TaskQueueRemote, TaskQueueSpace};
use mycelium::template::Shape;
use mycelium::time::Timestamp;

use crate::server::{PATIENCE, Server};

/// The texts of all clones, by file, in the order in which they were made: what git has.
#[derive(Default)]
pub(crate) struct History(Mutex<BTreeMap<DocPath, Vec<Document>>>);

/// A clone.
pub(crate) struct TestClone<'h> {
    client: Client,
    pub(crate) space: TaskQueueSpace,
    folder: Folder<'h>,
    bases: Bases,
    memory: PassMemory,
    pub(crate) surplus: BTreeSet<DocId>,
}

impl<'h> TestClone<'h> {
    pub(crate) fn new(server: &Server, history: &'h History) -> Self {
        let space = TaskQueueSpace { id: "space-1".to_owned(), title: "Tasks of a test".to_owned(), within: PATIENCE };
        let folder = Folder { index: MirrorIndex::default(), files: BTreeMap::new(), history, operations: 0.into() };
        Self {
            client: server.client(),
            space,
            folder,
            bases: Bases::default(),
            memory: PassMemory::default(),
            surplus: BTreeSet::new(),
        }
    }

    /// Writes the file of a task.
    pub(crate) fn put(&mut self, id: &str, text: &str) {
        self.folder.put(&path(id), Some(Document::parse(text.as_bytes())));
    }

    pub(crate) fn remove(&mut self, id: &str) {
        self.folder.put(&path(id), None);
    }

    pub(crate) fn text(&self, id: &str) -> Option<String> {
        self.folder.files.get(&path(id)).map(|document| document.text().to_owned())
    }

    /// The ids of all tasks.
    pub(crate) fn ids(&self) -> Vec<String> {
        let ids = self.folder.index.items().filter(|(kind, _)| *kind == Kind::Task);
        ids.map(|(_, id)| id.to_string()).collect()
    }

    /// Replaces a part of the file of a task.
    pub(crate) fn edit(&mut self, id: &str, old: &str, new: &str) {
        let text = self.text(id).expect("a task");
        assert!(text.contains(old), "{old:?} is not in {text:?}");
        self.put(id, &text.replacen(old, new, 1));
    }

    /// Brings what another clone has, as `git pull` does; both have changed different files.
    pub(crate) fn pull(&mut self, other: &TestClone<'_>) {
        for (path, document) in &other.folder.files {
            self.folder.put(path, Some(document.clone()));
        }
    }

    /// Brings each of two clones what the other has, as git does with files of which one side alone has changed each: the later text.
    pub(crate) fn exchange(one: &mut Self, two: &mut Self) {
        let paths: BTreeSet<DocPath> = one.folder.files.keys().chain(two.folder.files.keys()).cloned().collect();
        for path in paths {
            let texts = [one.folder.files.get(&path).cloned(), two.folder.files.get(&path).cloned()];
            let history = one.folder.history.0.lock().expect("whole").get(&path).cloned().unwrap_or_default();
            let later =
                texts.iter().flatten().max_by_key(|text| history.iter().rposition(|known| known == *text)).cloned();
            for (clone, text) in [&mut *one, &mut *two].into_iter().zip(texts) {
                if text != later {
                    clone.folder.put(&path, later.clone());
                }
            }
        }
    }

    /// Compares everything. Returns true if there was nothing to do.
    pub(crate) fn is_quiet(&mut self) -> bool {
        let before = self.client.requests();
        let report = self.pass().expect("a pass");
        self.client.requests() - before <= 2 && report.came.is_empty()
    }

    /// Compares everything.
    pub(crate) fn pass(&mut self) -> Result<PassReport, Error> {
        let mut remote = TaskQueueRemote::new(&mut self.client, &self.space, &self.surplus);
        let (folder, bases, memory) = (&mut self.folder, &mut self.bases, &mut self.memory);
        MirrorPass { remote: &mut remote, folder, bases, memory, options: PassOptions::default() }.run(PassScope::All)
    }

    /// Passes until one changes nothing; panics if there is no end. Returns how many there were.
    pub(crate) fn settle(&mut self) -> usize {
        self.try_settle().expect("it settles")
    }

    /// Passes until one changes nothing; `None` if a pass fails, or there is no end.
    pub(crate) fn try_settle(&mut self) -> Option<usize> {
        (1..=5).find_map(|passes| {
            let before = self.client.requests();
            let report = self.pass().ok()?;
            // One for the projects, one for the items.
            (self.client.requests() - before <= 2 && report.came.is_empty()).then_some(passes)
        })
    }

    /// Restarts: keeps what is on the disk, and starts a new process of the server.
    pub(crate) fn restart(&mut self, server: &Server) {
        self.memory = PassMemory::default();
        self.client = server.client();
    }

    /// Loses what it remembers of the server.
    pub(crate) fn forget(&mut self) {
        self.bases = Bases::default();
        self.memory = PassMemory::default();
    }
}

fn path(id: &str) -> DocPath {
    DocPath::for_new(Kind::Task, &DocId::new(id).expect("an id"))
}

struct Folder<'h> {
    index: MirrorIndex,
    files: BTreeMap<DocPath, Document>,
    history: &'h History,
    operations: std::cell::Cell<u64>,
}

impl Folder<'_> {
    fn put(&mut self, path: &DocPath, document: Option<Document>) {
        if let Some(document) = document.clone() {
            self.history.0.lock().expect("whole").entry(path.clone()).or_default().push(document.clone());
            self.files.insert(path.clone(), document);
        } else {
            self.files.remove(path);
        }
        drop(self.index.set(path, document));
        self.index.sort();
    }
}

impl MirrorFolder for Folder<'_> {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_ms(1_760_659_200_000)
    }

    fn node(&self) -> &'static str {
        "node"
    }

    fn refresh(&mut self, _: &dyn SyncBaseStore, _: bool) -> Result<BTreeSet<DocumentKey>, Error> {
        Ok(BTreeSet::new())
    }

    fn refresh_attributions(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn pause(&self) -> Result<Option<String>, Error> {
        Ok(None)
    }

    fn documents(&self) -> &MirrorIndex {
        &self.index
    }

    fn archived(&mut self, _: &DocumentKey, _: &[Option<&DocPath>]) -> Result<Option<LocalDocument>, Error> {
        Ok(None)
    }

    fn earlier_texts(&self, path: &DocPath) -> Result<Vec<Document>, Error> {
        // What another clone has committed comes with a pull.
        let is_here = self.files.contains_key(path);
        let texts = self.history.0.lock().expect("whole").get(path).cloned().unwrap_or_default();
        Ok(if is_here { texts.into_iter().rev().collect() } else { Vec::new() })
    }

    fn is_committed(&self, _: &DocPath, _: &Document) -> Result<bool, Error> {
        // Each write is committed at once.
        Ok(true)
    }

    fn read(&self, path: &DocPath) -> Result<Option<Document>, Error> {
        Ok(self.files.get(path).cloned())
    }

    fn head_motion(&self) -> HeadMotion {
        HeadMotion::Forward
    }

    fn text_before(&self, _: &DocPath) -> Option<Document> {
        None
    }

    fn settle_head(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn attribution(&self, _: &DocPath) -> ChangeAuthor {
        ChangeAuthor::default()
    }

    fn heartbeat(&self, _: &AgentName) -> Option<Timestamp> {
        None
    }

    fn new_operation(&self) -> Result<OperationId, Error> {
        self.operations.set(self.operations.get() + 1);
        Ok(OperationId::new(format!("op-{}", self.operations.get())).expect("an id"))
    }

    fn render(&self, new: &New) -> Result<Document, Error> {
        let New::Task(task) = new else { panic!("TaskQueue has tasks alone") };
        Ok(task.render(Shape::Lean, None).expect("the own template"))
    }

    fn import(&mut self, import: &Import<'_>) -> Result<Imported, Error> {
        if import.changes.iter().any(|(path, before, _)| self.files.get(path) != before.as_ref()) {
            return Ok(Imported::Overtaken);
        }
        for (path, _, after) in &import.changes {
            self.put(path, after.clone());
        }
        Ok(Imported::Done)
    }

    fn commit_imports(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

#[derive(Default)]
struct Bases(BTreeMap<DocumentKey, SyncBase>);

impl SyncBaseStore for Bases {
    fn get(&self, key: &DocumentKey) -> Option<SyncBase> {
        self.0.get(key).cloned()
    }

    fn items(&self) -> Result<BTreeSet<DocumentKey>, Error> {
        Ok(self.0.keys().cloned().collect())
    }

    fn set(&mut self, key: &DocumentKey, base: Option<SyncBase>) -> Result<(), Error> {
        match base {
            Some(base) => drop(self.0.insert(key.clone(), base)),
            None => drop(self.0.remove(key)),
        }
        Ok(())
    }
}
