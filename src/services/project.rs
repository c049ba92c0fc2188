//! An open workspace: the folder, its repository and its configuration, and reading from them. Nothing here writes.

use std::collections::BTreeSet;
use std::fmt;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::after_write::WriteOrigin;
use super::cache::{self, Cache, Read};
use super::claim_arbiter::RemoteClaims;
use super::error::again;
use super::progress::Work;
use super::teller::On;
use super::together::Group;
use super::{Error, Progress, environment, held_back};
use crate::adapters::git::{Head, Repository, Target};
use crate::adapters::store::{Durability, FileRead, Shelf, Stamp, Store, StoreError};
use crate::core::config::Config;
use crate::core::diagnostic::Diagnostic;
use crate::core::document::Document;
use crate::core::engine::DELETIONS_MAX;
use crate::core::entity::{Entity, Task, Workflow};
use crate::core::name::{AgentName, DocId, DocPath, Kind, Revision, composed};
use crate::core::snapshot::{Entry, FindError, Snapshot};
use crate::core::time::Timestamp;

/// Below this many documents a second thread costs more than it saves.
const PARALLEL_MIN: usize = 256;
/// Threads that read documents: more than cores, because a cold disk makes them wait.
const READERS_MAX: usize = 8;

/// Reads some documents and counts them.
type Reader<'a, T> = dyn Fn(&[DocPath], &Work) -> Result<Vec<T>, Error> + Sync + 'a;

/// A coordination folder that can be read and written.
pub struct Project {
    pub(super) root: PathBuf,
    pub(super) repository: Option<Repository>,
    pub(super) store: Store,
    pub(super) config: Config,
    /// The settings that won over every file when it was opened.
    pub(super) flags: Vec<(String, String)>,
    pub(super) agent: Option<AgentName>,
    pub(super) durability: Durability,
    pub(super) progress: Progress,
    /// Those in this process with whom it commits.
    pub(super) group: Arc<Group>,
    /// What a person should know of how the folder was brought up to date when this was opened.
    pub(super) news: Vec<Diagnostic>,
    /// The branch of the newest operation, for those who are told of it.
    pub(super) on: On,
    /// Where what it writes comes from.
    pub(super) origin: WriteOrigin,
    /// Whether a claim may be decided in this clone alone.
    pub(super) claims: RemoteClaims,
}

impl fmt::Debug for Project {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { root, agent, config, .. } = self;
        f.debug_struct("Project")
            .field("root", root)
            .field("agent", agent)
            .field("config", config)
            .finish_non_exhaustive()
    }
}

/// Where a workspace is, and on which branch and commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// The work tree, or the plain folder outside git.
    pub root: PathBuf,
    /// The coordination folder below it.
    pub folder: String,
    /// The branch that commits go to; `None` on a detached HEAD and outside git.
    pub branch: Option<String>,
    /// Its newest commit, if there is one.
    pub revision: Option<Revision>,
    /// Tells whether there is a repository.
    pub in_git: bool,
}

/// Which documents to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Those that are not archived.
    Live,
    /// Those that are not archived, and the archived tasks that they name.
    Named,
    /// All.
    All,
}

/// One document that was looked up.
#[derive(Debug, Clone)]
pub struct Found {
    /// Where it is.
    pub path: DocPath,
    /// Its text.
    pub document: Document,
    /// What it says; `None` if it cannot be read as one of the kinds.
    pub entity: Option<Entity>,
    /// What is wrong with it.
    pub findings: Vec<Diagnostic>,
}

impl Project {
    /// Where this is.
    ///
    /// # Errors
    /// [`Error::Git`] if HEAD cannot be read.
    pub fn context(&self) -> Result<Context, Error> {
        let head = self.head()?;
        Ok(Context {
            root: self.root.clone(),
            folder: self.folder().to_owned(),
            branch: head.as_ref().and_then(|head| head.branch.clone()),
            revision: head.and_then(|head| head.revision),
            in_git: self.repository.is_some(),
        })
    }

    /// What a person should know of how the folder was brought up to date when this was opened.
    #[must_use]
    pub fn news(&self) -> &[Diagnostic] {
        &self.news
    }

    /// Most deletions by hand that one commit takes without being asked for. Git ignores the folder of a dedicated branch, and
    /// removes what it ignores in many ways: there every deletion is asked for.
    #[must_use]
    pub fn deletions_max(&self) -> usize {
        if self.target() == Target::Current { DELETIONS_MAX } else { 0 }
    }

    /// The settings in force.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// The same workspace with this agent acting, unless somebody was named when it was opened.
    #[must_use]
    pub fn or_acting_as(mut self, agent: &AgentName) -> Self {
        self.agent.get_or_insert_with(|| agent.clone());
        self
    }

    /// The same workspace in which no claim is decided in this clone alone: where the server cannot decide, there is none.
    #[must_use]
    pub fn deciding_there(mut self) -> Self {
        self.claims = RemoteClaims::Required;
        self
    }

    /// What it is doing, to be looked at from another thread.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// Who acts, if anybody said so.
    #[must_use]
    pub const fn agent(&self) -> Option<&AgentName> {
        self.agent.as_ref()
    }

    /// The name of who acts: the agent, else the user as git knows them, else as the system does.
    #[must_use]
    pub fn actor(&self) -> String {
        let agent = self.agent.as_ref().map(ToString::to_string);
        let by_git = || self.repository.as_ref().and_then(|repository| repository.setup().user_name().ok());
        agent.or_else(by_git).or_else(|| environment::variable("USER")).unwrap_or_else(|| "somebody".to_owned())
    }

    /// The work tree.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder and its run state, for the watching process.
    #[must_use]
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// The repository, if there is one.
    #[must_use]
    pub const fn repository(&self) -> Option<&Repository> {
        self.repository.as_ref()
    }

    /// The coordination folder, below the work tree.
    #[must_use]
    pub fn folder(&self) -> &str {
        self.config.text("markdown.folder").unwrap_or(".claude/coordination")
    }

    /// The moment by the system's clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        environment::now()
    }

    /// The moment for a document that is made now: to the microsecond, and never the same twice.
    #[must_use]
    pub fn moment_of_creation(&self) -> Timestamp {
        environment::moment_of_creation()
    }

    /// A new random id.
    ///
    /// # Errors
    /// [`Error::Randomness`] if the system gives no random bytes.
    pub fn new_id(&self, kind: Kind) -> Result<DocId, Error> {
        environment::new_id(kind)
    }

    /// Reads the documents. One that cannot be read is in the snapshot with its findings.
    ///
    /// # Errors
    /// [`Error::Store`] if the folder cannot be read.
    pub fn snapshot(&self, scope: Scope) -> Result<Snapshot, Error> {
        let mut entries = self.entries(Shelf::Live)?;
        if scope == Scope::All {
            entries.extend(self.entries(Shelf::Archive)?);
        }
        let out = self.kept_out_documents(&|path| scope == Scope::All || !path.is_archived())?;
        entries.extend(out.into_iter().map(|(path, document)| Entry::read(path, document)));
        let mut snapshot = Snapshot::from_entries(entries);
        let named = if scope == Scope::Named { named_elsewhere(&snapshot) } else { BTreeSet::new() };
        if !named.is_empty() {
            let fits = |path: &DocPath| {
                let stem = &*composed(path.stem());
                named.contains(stem) || stem.strip_prefix(Kind::Task.prefix()).is_some_and(|id| named.contains(id))
            };
            let paths: Vec<DocPath> = self.document_names(Shelf::Archive)?.into_iter().filter(fits).collect();
            for (path, document) in self.read_all(&paths)? {
                snapshot.insert(path, document);
            }
        }
        Ok(snapshot)
    }

    /// The documents as the newest commit has them; `None` without a commit.
    ///
    /// # Errors
    /// [`Error::Git`] if they cannot be read.
    pub fn head_snapshot(&self) -> Result<Option<Snapshot>, Error> {
        let Some(repository) = &self.repository else { return Ok(None) };
        let Some(revision) = repository.view().head(&self.target())?.revision else { return Ok(None) };
        let contents = repository.view().contents(Some(&revision), self.folder())?;
        let live = contents.into_iter().filter(|(path, _)| !path.is_archived());
        let read = live.map(|(path, id)| Ok((path, Document::parse(repository.view().read(&id)?))));
        Ok(Some(Snapshot::from_documents(read.collect::<Result<Vec<_>, Error>>()?)))
    }

    /// Looks up a document by its id or a unique start of it; among the archived ones by file name. A whole id means the file
    /// that is called so, if it states that id, whatever other files state it too.
    ///
    /// # Errors
    /// [`Error::Find`] if there is none, or more than one; others if the folder cannot be read.
    pub fn find(&self, kind: Option<Kind>, id: &str) -> Result<Found, Error> {
        match self.at_its_place(kind, id)? {
            Some(found) => Ok(found),
            None => self.find_in(&self.snapshot(Scope::Live)?, kind, id),
        }
    }

    /// The document that lies where its whole id says: no other one is read.
    pub(super) fn at_its_place(&self, kind: Option<Kind>, id: &str) -> Result<Option<Found>, Error> {
        let Ok(whole) = DocId::new(id) else { return Ok(None) };
        let kinds = kind.map_or(Kind::ALL.to_vec(), |kind| vec![kind]);
        let places: BTreeSet<DocPath> = kinds.iter().map(|kind| DocPath::for_new(*kind, &whole)).collect();
        let places: Vec<DocPath> = places.into_iter().collect();
        let read = Snapshot::from_documents(self.read_all(&places)?);
        let mut fits = read.entries().filter(|entry| {
            entry.id.as_ref() == Some(&whole) && entry.kind.is_some_and(|found| kinds.contains(&found))
        });
        let found = fits.next();
        // A link, folder or device in its place is a fault worth a message of its own.
        for place in places.iter().filter(|_| found.is_none()) {
            if let Err(error @ StoreError::Strange { .. }) = self.store.read(place) {
                return Err(error.into());
            }
        }
        // Without a kind, an id may mean a task as well as an agent.
        Ok(found.filter(|_| fits.next().is_none()).map(Found::from))
    }

    pub(super) fn find_in(&self, live: &Snapshot, kind: Option<Kind>, id: &str) -> Result<Found, Error> {
        match live.find(kind, id) {
            Ok(entry) if is_whole(entry, id) => Ok(Found::from(entry)),
            Err(error @ FindError::Duplicate { .. }) => Err(Error::Find(error)),
            // A whole id means that document, wherever it lies, whatever else begins so.
            other => match (self.find_whole(kind, id)?, other) {
                (Some(found), _) => Ok(found),
                (None, Ok(entry)) => Ok(Found::from(entry)),
                (None, Err(error @ FindError::NotFound { .. })) => {
                    self.find_archived(kind, id)?.ok_or(Error::Find(error))
                }
                (None, Err(error)) => Err(Error::Find(error)),
            },
        }
    }

    /// The document with exactly this id: in the archive, else outside of it, where it may have come back to since the
    /// others were listed.
    pub(super) fn find_whole(&self, kind: Option<Kind>, id: &str) -> Result<Option<Found>, Error> {
        let Ok(whole) = DocId::new(id) else { return Ok(None) };
        let kinds = kind.map_or(Kind::ALL.to_vec(), |kind| vec![kind]);
        let names: BTreeSet<DocPath> = kinds.iter().map(|kind| DocPath::for_new(*kind, &whole)).collect();
        let mut months: BTreeSet<String> = self.store.months()?.into_iter().collect();
        let out = self.kept_out(&|path| path.is_archived())?;
        months.extend(out.iter().filter_map(|(path, _)| path.as_str().split('/').nth(1).map(str::to_owned)));
        let archived = names.iter().flat_map(|name| months.iter().map(move |month| format!("archive/{month}/{name}")));
        let archived: Vec<DocPath> = archived.filter_map(|path| DocPath::new(path).ok()).collect();
        for paths in [archived, names.into_iter().collect()] {
            let found = Snapshot::from_documents(self.read_all(&paths)?);
            let fits = |entry: &Entry| is_whole(entry, id) && kind.is_none_or(|kind| entry.kind == Some(kind));
            if found.entries().any(fits) {
                return found.find(kind, id).map(|entry| Some(Found::from(entry))).map_err(Error::Find);
            }
        }
        Ok(None)
    }

    pub(super) fn find_archived(&self, kind: Option<Kind>, id: &str) -> Result<Option<Found>, Error> {
        let id = &*composed(id);
        let fits = |path: &DocPath| {
            let kinds = kind.map_or(Kind::ALL.to_vec(), |kind| vec![kind]);
            let stem = composed(path.stem());
            kinds.iter().any(|k| stem.starts_with(id) || stem.starts_with(&format!("{}{id}", k.prefix())))
        };
        let paths: Vec<DocPath> = self.document_names(Shelf::Archive)?.into_iter().filter(fits).collect();
        if paths.is_empty() {
            return Ok(None);
        }
        let snapshot = Snapshot::from_documents(self.read_all(&paths)?);
        match snapshot.find(kind, id) {
            Ok(entry) => Ok(Some(Found::from(entry))),
            Err(FindError::NotFound { .. }) => Ok(None),
            Err(error) => Err(Error::Find(error)),
        }
    }

    /// Reads a part of the folder. What was kept of many documents is used where they have not changed since.
    fn entries(&self, from: Shelf) -> Result<Vec<Entry>, Error> {
        let paths = self.store.names(from)?;
        if paths.len() < cache::DOCUMENTS_MIN {
            let read = self.read_entries(&paths, None)?.into_iter();
            return Ok(read.map(|read| read.entry).collect());
        }
        let began_ns = environment::now().unix_ms().saturating_mul(1_000_000);
        let kept = self.store.kept(from).and_then(|bytes| Cache::decode(&bytes, self.folder()));
        let read = self.read_entries(&paths, kept.as_ref())?;
        if let Some(bytes) = cache::encode(&read, self.folder(), began_ns) {
            // It saves work the next time; where it cannot be written, there is that work to do.
            let _ = self.store.keep(from, &bytes);
        }
        Ok(read.into_iter().map(|read| read.entry).collect())
    }

    fn read_entries(&self, paths: &[DocPath], kept: Option<&Cache>) -> Result<Vec<Read>, Error> {
        let (store, folder) = (&self.store, self.folder());
        let knows = |path: &DocPath, stamp: &Stamp| kept.is_some_and(|kept| kept.knows(path, stamp));
        self.each_reader(paths, &|paths, work| {
            let mut entries = Vec::with_capacity(paths.len());
            let mut odd = Vec::new();
            store.read_unknown(paths, &knows, &mut |path, read| {
                work.step();
                match read {
                    FileRead::Known(stamp) => match kept.and_then(|kept| kept.entry(path)) {
                        Some(entry) => entries.push(Read { entry, stamp, is_kept: true }),
                        None => odd.push(path.clone()),
                    },
                    other => entries.extend(new_entry(folder, path, other)),
                }
            })?;
            store.read_each(&odd, &mut |path, read| entries.extend(new_entry(folder, path, read)))?;
            Ok(entries)
        })
    }

    /// Reads and parses these documents; those that vanished meanwhile are left out.
    pub(super) fn read_all(&self, paths: &[DocPath]) -> Result<Vec<(DocPath, Document)>, Error> {
        let (store, folder) = (&self.store, self.folder());
        let mut all = self.each_reader(paths, &|paths, work| {
            let mut documents = Vec::with_capacity(paths.len());
            store.read_each(paths, &mut |path, read| {
                documents.extend(held_back::document_of(folder, path, read).map(|document| (path.clone(), document)));
                work.step();
            })?;
            Ok(documents)
        })?;
        if all.len() < paths.len() {
            let missing: BTreeSet<&DocPath> =
                paths.iter().filter(|path| all.iter().all(|(read, _)| read != *path)).collect();
            all.extend(self.kept_out_documents(&|path| missing.contains(path))?);
        }
        Ok(all)
    }

    /// Gives parts of these documents to as many readers as pay, and what they give in the order of the documents.
    fn each_reader<T: Send>(&self, paths: &[DocPath], read: &Reader<'_, T>) -> Result<Vec<T>, Error> {
        let work = &self.progress.begin("reading documents", paths.len());
        if paths.len() < PARALLEL_MIN {
            return read(paths, work);
        }
        let threads = std::thread::available_parallelism().map_or(1, NonZero::get).saturating_mul(2).min(READERS_MAX);
        let share = paths.len().div_ceil(threads);
        std::thread::scope(|scope| {
            let start = |chunk| std::thread::Builder::new().spawn_scoped(scope, move || read(chunk, work));
            let readers: Vec<_> = paths.chunks(share).map(|chunk| (chunk, start(chunk))).collect();
            let mut all = Vec::with_capacity(paths.len());
            for (chunk, reader) in readers {
                all.extend(match reader {
                    Ok(reader) => reader.join().expect("a reader does not panic")?,
                    // Where there is no thread to be had, it takes longer.
                    Err(_) => read(chunk, work)?,
                });
            }
            Ok(all)
        })
    }

    /// A document's path as the repository has it.
    pub(super) fn in_repository(&self, path: &DocPath) -> String {
        format!("{}/{path}", self.folder())
    }

    /// How safe commits are, in git's words.
    pub(super) const fn git_durability(&self) -> crate::adapters::git::Durability {
        match self.durability {
            Durability::Full => crate::adapters::git::Durability::Full,
            Durability::Batch => crate::adapters::git::Durability::Batch,
            Durability::Off => crate::adapters::git::Durability::Off,
        }
    }

    /// Where commits go.
    #[must_use]
    pub fn target(&self) -> Target {
        super::opening::target(&self.config)
    }

    pub(super) fn head(&self) -> Result<Option<Head>, Error> {
        again(|| Ok(self.repository.as_ref().map(|repository| repository.view().head(&self.target())).transpose()?))
    }
}

/// Tells whether a text is the whole id of a document: as it stands, or without the prefix of its kind.
pub(super) fn is_whole(entry: &Entry, text: &str) -> bool {
    let Some(whole) = &entry.id else { return false };
    let kind = entry.kind.filter(|kind| *kind != Kind::Agent);
    let short = kind.and_then(|kind| whole.as_str().strip_prefix(kind.prefix()));
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    let text = &*composed(text);
    whole.as_str() == text || short == Some(text) && !is_number
}

/// A document that was not kept, as it was read.
fn new_entry(folder: &str, path: &DocPath, read: FileRead) -> Option<Read> {
    // A file that cannot be read has findings, so its stamp is never kept.
    let stamp = if let FileRead::Contents(contents) = &read { contents.stamp } else { Stamp::default() };
    let document = held_back::document_of(folder, path, read)?;
    Some(Read { entry: read_entry(path, document), stamp, is_kept: false })
}

/// A document with what it says. Of an archived one the structure is not kept: there may be very many, and few are looked at.
fn read_entry(path: &DocPath, document: Document) -> Entry {
    let mut entry = Entry::read(path.clone(), document);
    if path.is_archived() && !entry.document.is_unavailable() {
        entry.document = entry.document.unread();
    }
    entry
}

/// The ids of tasks that live documents name and that are not live.
fn named_elsewhere(live: &Snapshot) -> BTreeSet<String> {
    let by_tasks = live.tasks().flat_map(Task::references);
    let by_workflows = live.workflows().flat_map(Workflow::references);
    let ids = by_tasks.chain(by_workflows).map(|reference| &reference.id);
    ids.filter(|id| live.named_task(id).is_none()).map(ToString::to_string).collect()
}

impl From<&Entry> for Found {
    fn from(entry: &Entry) -> Self {
        Self {
            path: entry.path.clone(),
            document: entry.document.clone(),
            entity: entry.entity.clone(),
            findings: entry.findings.clone(),
        }
    }
}
