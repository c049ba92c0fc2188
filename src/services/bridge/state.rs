//! What a bridge knows between two passes: the documents, what was last agreed on each, who changed what, and where HEAD was.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use super::lead::LeadTimes;
use super::redis_target::RedisTarget;
use super::report::HeldRemoval;
use super::sight::{Item, Sight, item_of};
use super::sync_bases::SyncBases;
use crate::adapters::redis::codec::Keys;
use crate::adapters::redis::{BridgeError, Message};
use crate::adapters::store::{Shelf, Unsynced};
use crate::core::event::Told;
use crate::core::name::{AgentName, DocPath, EventId, Kind, OperationId, Revision};
use crate::core::reconcile::{
    ChangeAuthor, DerivedValues, HeadMotion, LeadAnswer, LeaderLease, LocalDocument, ReconcileContext, SyncBase,
};
use crate::core::snapshot::Entry;
use crate::core::time::Timestamp;
use crate::services::after_write::WriteOrigin;
use crate::services::{BackendId, ChangeDetector, Error, Project, environment};

/// How far back it is looked whether HEAD has only moved forward, in commits.
const COMMITS_MAX: usize = 10_000;
/// Name under which it is remembered where HEAD was, beside the documents.
const HEAD: &str = "head";
/// Name under which it is remembered what the server was told last.
const TOLD: &str = "told";
/// Name under which the first event is remembered that the server could not be told.
const UNTOLD: &str = "untold";
/// Name under which it is remembered in which set of data the stream of events has what was told before.
const STREAM: &str = "stream";
/// So many events are put into a new stream, at most.
const TOLD_BEFORE_MAX: usize = 1_000;
/// Ids of events that came from the server and are not told there again.
const ARRIVED_MAX: usize = 20_000;

/// What is told from now on is told to the server as well, as soon as it can be reached.
pub(super) fn begin_telling(project: &Project, target: &RedisTarget) -> Result<(), Error> {
    let server = target.memory_name();
    if project.store.local.memory(&server, TOLD).is_none() {
        let told = ChangeDetector::default().follow(&project.events())?;
        let last = told.last().map_or("", |told| told.id.as_str());
        project.store.local.write_memory(&server, TOLD, last.as_bytes())?;
    }
    Ok(())
}

/// The server could not be told of this event, and of all that follow it.
pub(super) fn note_untold(project: &Project, target: &RedisTarget, first: &EventId) -> Result<(), Error> {
    let server = target.memory_name();
    if project.store.local.memory(&server, UNTOLD).is_none() {
        project.store.local.write_memory(&server, UNTOLD, first.as_str().as_bytes())?;
    }
    Ok(())
}

/// What this clone knows of a document.
#[derive(Debug)]
pub(super) struct KnownItem {
    pub(super) item: Item,
    pub(super) here: Option<LocalDocument>,
    pub(super) base: Option<SyncBase>,
    pub(super) archived: Option<LocalDocument>,
    derived: DerivedValues,
    seen: Option<Timestamp>,
    by: ChangeAuthor,
}

impl KnownItem {
    /// Returns what the document is judged with.
    pub(super) fn context<'a>(&'a self, state: &'a State) -> ReconcileContext<'a> {
        ReconcileContext {
            kind: self.item.0,
            id: &self.item.1,
            node: &state.node,
            now: state.project.now(),
            seen: self.seen,
            derived: self.derived.clone(),
            by: self.by.agent.as_ref(),
            operation: self.by.operation.as_ref(),
            head: state.head,
            archived: self.archived.as_ref(),
        }
    }
}

/// The lease by which one of several clones leads.
pub(super) type Lease<'a> = dyn LeaderLease<Error = BridgeError> + 'a;

/// Everything that a bridge keeps in memory.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each says something else")]
pub(super) struct State {
    pub(super) project: Project,
    pub(super) keys: Keys,
    pub(super) node: String,
    pub(super) target: RedisTarget,
    pub(super) sight: Sight,
    pub(super) bases: SyncBases,
    /// Which server, as a name for the run state.
    server: String,
    detector: ChangeDetector,
    has_heard: bool,
    /// Who changed a document last, and by which operation.
    deeds: BTreeMap<DocPath, (Option<AgentName>, Option<OperationId>)>,
    /// What was seen to have changed, and was not compared yet.
    pub(super) pending: BTreeSet<Item>,
    /// What was told here and not on the server yet.
    pub(super) untold: Vec<Told>,
    /// What the server was told before this connection, the newest first.
    told_before: Vec<Told>,
    /// Events that came from the server.
    arrived: HashSet<EventId>,
    pub(super) beats: BTreeMap<AgentName, Timestamp>,
    head: HeadMotion,
    /// What was written here and waits to be committed.
    pub(super) landed: Vec<Unsynced>,
    /// What was written here could not be committed when it was.
    pub(super) is_uncommitted: bool,
    /// Where HEAD was when everything was brought to it.
    settled: Option<Revision>,
    /// What is here counts, however HEAD moved.
    pub(super) is_forced: bool,
    /// So much would vanish at once that it waits for a person.
    pub(super) mass: Option<HeldRemoval>,
    /// Where every archived document lies, by its file name; looked up once a pass, and only if needed.
    archive: Option<BTreeMap<String, DocPath>>,
    /// What was found on the server that cannot be taken, by key.
    pub(super) garbage: BTreeMap<String, String>,
    /// What waits for a person, by document.
    pub(super) held: BTreeMap<String, String>,
    /// What somebody took from a queue and has not said a word of, and how long it is theirs.
    pub(super) popped: BTreeMap<String, Duration>,
    /// When the hashes of running workflows began to live anew.
    pub(super) renewed: Option<Timestamp>,
    /// This clone is the one that makes documents of what appears on the server alone.
    pub(super) is_recorder: bool,
    /// When this clone had the lead.
    pub(super) led: LeadTimes,
    /// It came from a clone that did not let go of it.
    pub(super) has_inherited: bool,
    /// Events with their ids that could not be published yet: the server had no memory left.
    pub(super) retold: Vec<Message>,
    /// Git was at work for so long that it was not waited for: what was seen may be half a checkout.
    pub(super) is_git_at_work: bool,
}

impl State {
    /// Begins with what is remembered.
    pub(super) fn open(mut project: Project, target: &RedisTarget) -> Self {
        project.actor.origin = WriteOrigin::Backend(BackendId::Redis);
        let server = target.memory_name();
        let bases = SyncBases::open(&project.store, &server);
        Self {
            keys: target.keys.clone(),
            node: target.node.clone(),
            target: target.clone(),
            project,
            sight: Sight::default(),
            bases,
            server,
            detector: ChangeDetector::default(),
            has_heard: false,
            deeds: BTreeMap::new(),
            pending: BTreeSet::new(),
            untold: Vec::new(),
            told_before: Vec::new(),
            arrived: HashSet::new(),
            beats: BTreeMap::new(),
            head: HeadMotion::Forward,
            landed: Vec::new(),
            is_uncommitted: false,
            settled: None,
            is_forced: false,
            mass: None,
            archive: None,
            garbage: BTreeMap::new(),
            held: BTreeMap::new(),
            popped: BTreeMap::new(),
            renewed: None,
            is_recorder: false,
            led: LeadTimes::default(),
            has_inherited: false,
            retold: Vec::new(),
            is_git_at_work: false,
        }
    }

    /// Looks at the folder and at HEAD; gives what has changed.
    pub(super) fn look(&mut self) -> Result<BTreeSet<Item>, Error> {
        self.archive = None;
        self.beats = self.project.store.local.heartbeats()?;
        let mut changed = std::mem::take(&mut self.pending);
        changed.extend(self.look_at_rest()?);
        // After the files: git moves HEAD last.
        self.note_head()?;
        Ok(changed)
    }

    /// The same for these documents alone, and what is known of no other.
    pub(super) fn look_at(&mut self, items: &BTreeSet<Item>, paths: &[DocPath]) -> Result<(), Error> {
        self.archive = None;
        for name in items.iter().filter(|(kind, _)| *kind == Kind::Agent).map(|(_, id)| AgentName::new(id.as_str())) {
            let Ok(name) = name else { continue };
            if let Some(at) = self.project.store.local.heartbeat(&name)? {
                self.beats.insert(name, at);
            }
        }
        self.sight.look_at(&self.project, paths)
    }

    /// Reads on in the feed: gives what was told here since, without what came from the server.
    pub(super) fn hear(&mut self) -> Result<Vec<Told>, Error> {
        let mut told = std::mem::take(&mut self.untold);
        let mut new = self.detector.follow(&self.project.events())?;
        self.note_deeds(&new);
        if !self.has_heard {
            self.has_heard = true;
            // Where it was told up to is only a hint: what is told twice has the same id.
            let known =
                |name| self.project.store.local.memory(&self.server, name).and_then(|id| String::from_utf8(id).ok());
            let place = |id: &str| new.iter().position(|told| told.id.as_str() == id);
            let behind = |last: String| if last.is_empty() { Some(0) } else { place(&last).map(|at| at + 1) };
            let first = known(UNTOLD).and_then(|first| place(&first)).or_else(|| known(TOLD).and_then(behind));
            let old = new.drain(..first.unwrap_or(new.len()));
            self.told_before = old.rev().take(TOLD_BEFORE_MAX).collect();
        }
        told.extend(new);
        Ok(told)
    }

    /// The server was told everything up to this event.
    pub(super) fn note_told(&self, last: &EventId) -> Result<(), Error> {
        let store = &self.project.store;
        store.local.write_memory(&self.server, TOLD, last.as_str().as_bytes())?;
        Ok(store.local.remove_memory(&self.server, UNTOLD)?)
    }

    /// What was told before is lost with the data of the server: whoever was away would miss it. Gives it once for each set of
    /// data, the oldest first.
    pub(super) fn lost_before(&mut self, space: &str) -> Result<Vec<Told>, Error> {
        let known = self.project.store.local.memory(&self.server, STREAM);
        if known.as_deref() == Some(space.as_bytes()) {
            return Ok(Vec::new());
        }
        self.project.store.local.write_memory(&self.server, STREAM, space.as_bytes())?;
        let mut told = std::mem::take(&mut self.told_before);
        told.reverse();
        Ok(if known.is_some() { told } else { Vec::new() })
    }

    /// Whether the server could not be told something.
    pub(super) fn has_untold(&self) -> bool {
        self.project.store.local.memory(&self.server, UNTOLD).is_some()
    }

    /// Remembers who changed what, from what was told.
    pub(super) fn note_deeds(&mut self, told: &[Told]) {
        for told in told {
            let text = |key: &str| told.body.get(key).and_then(serde_json::Value::as_str);
            let Some(path) = text("path").and_then(|path| DocPath::new(path).ok()) else { continue };
            let agent = text("agent").and_then(|agent| AgentName::new(agent).ok());
            self.deeds.insert(path, (agent, OperationId::new(told.id.as_str()).ok()));
        }
    }

    /// Remembers who changed a document, and by which operation.
    pub(super) fn note_deed(&mut self, path: &DocPath, by: Option<AgentName>, operation: OperationId) {
        self.deeds.insert(path.clone(), (by, Some(operation)));
    }

    /// An event came from the server: it is not told there again.
    pub(super) fn note_arrived(&mut self, id: EventId) {
        if self.arrived.len() > ARRIVED_MAX {
            self.arrived.clear();
        }
        self.arrived.insert(id);
    }

    /// Tells whether an event came from the server.
    pub(super) fn has_arrived(&self, id: &EventId) -> bool {
        self.arrived.contains(id)
    }

    /// The one file of an item; an error in words where there are more.
    pub(super) fn local(&self, item: &Item) -> Result<Option<LocalDocument>, String> {
        match self.sight.files(item).as_slice() {
            [] => Ok(None),
            [entry] => Ok(Some(LocalDocument { path: entry.path.clone(), document: entry.document.clone() })),
            [first, second, ..] => Err(format!("`{}` and `{}` state the same id", first.path, second.path)),
        }
    }

    /// What follows from other documents.
    pub(super) fn derived(&self, entry: Option<&Entry>) -> DerivedValues {
        let snapshot = self.sight.snapshot();
        let Some(workflow) = entry.and_then(Entry::workflow) else { return DerivedValues::default() };
        DerivedValues {
            progress: snapshot.workflow_progress(workflow),
            current_task: snapshot.workflow_current_task(workflow),
        }
    }

    /// Gathers what is known of an item; an error in words where more than one file states its id.
    pub(super) fn known(&mut self, item: &Item) -> Result<Result<KnownItem, String>, Error> {
        let (kind, id) = item;
        let here = match self.local(item) {
            Ok(here) => here,
            Err(why) => return Ok(Err(why)),
        };
        let base = self.bases.get(item);
        let derived = self.derived(self.sight.files(item).first().copied());
        let path = here.as_ref().map(|here| &here.path).or(base.as_ref().map(|base| &base.path)).cloned();
        let was_here = base.as_ref().is_some_and(|base| base.text.is_some());
        // One that vanished may lie there; one that is new may not be the first of its name.
        let archived = if here.is_none() || !was_here {
            self.archived(item, &[path.as_ref(), Some(&DocPath::for_new(*kind, id))])?
        } else {
            None
        };
        let seen = match kind {
            Kind::Agent => AgentName::new(id.as_str()).ok().and_then(|name| self.beats.get(&name).copied()),
            Kind::Task | Kind::Workflow => None,
        };
        let deed = path.as_ref().and_then(|path| self.deeds.get(path)).cloned();
        let (agent, operation) = deed.unwrap_or_default();
        let by = ChangeAuthor { agent, operation };
        Ok(Ok(KnownItem { item: item.clone(), here, base, archived, derived, seen, by }))
    }

    /// A document in the archive, by the first of these names of files that there is, unless that says that it is another.
    pub(super) fn archived(&mut self, item: &Item, paths: &[Option<&DocPath>]) -> Result<Option<LocalDocument>, Error> {
        if self.archive.is_none() {
            let names = self.project.store.folder.names(Shelf::Archive)?;
            self.archive = Some(names.into_iter().map(|path| (path.file_name().to_owned(), path)).collect());
        }
        let Some(archive) = &self.archive else { return Ok(None) };
        let Some(path) = paths.iter().flatten().find_map(|path| archive.get(path.file_name())) else { return Ok(None) };
        let path = path.clone();
        let Some((_, document)) = self.project.documents().read_all(std::slice::from_ref(&path))?.pop() else {
            return Ok(None);
        };
        let is_it = item_of(&Entry::read(path.clone(), document.clone())).as_ref() == Some(item);
        Ok(is_it.then_some(LocalDocument { path, document }))
    }

    fn note_head(&mut self) -> Result<(), Error> {
        let Some(repository) = &self.project.repository else { return Ok(()) };
        let Some(tip) = self.project.records().head()?.and_then(|head| head.revision) else { return Ok(()) };
        if self.settled.is_none() {
            let known = self.project.store.local.memory(&self.server, HEAD);
            self.settled = known.and_then(|bytes| String::from_utf8(bytes).ok()).and_then(|text| Revision::new(&text));
        }
        let known = self.settled.clone();
        self.head = match known {
            Some(old) if old != tip && !self.is_forced => {
                let is_behind = repository.view().has_behind(&tip, &[old], COMMITS_MAX).unwrap_or(false);
                if is_behind { HeadMotion::Forward } else { HeadMotion::MovedBack }
            }
            _ => HeadMotion::Forward,
        };
        Ok(())
    }

    /// HEAD only moved forward, as far as was seen.
    pub(super) fn is_forward(&self) -> bool {
        self.head == HeadMotion::Forward
    }

    /// Everything was brought to where HEAD is now.
    pub(super) fn settle_head(&mut self) -> Result<(), Error> {
        let Some(tip) = self.project.records().head()?.and_then(|head| head.revision) else { return Ok(()) };
        self.head = HeadMotion::Forward;
        if self.settled.as_ref() != Some(&tip) {
            self.project.store.local.write_memory(&self.server, HEAD, tip.to_string().as_bytes())?;
            self.settled = Some(tip);
        }
        Ok(())
    }

    /// Takes the lead, or keeps it: of several clones one keeps the queues, and writes down what only the server knows. Says
    /// whether this one has become it.
    pub(super) fn lead(&mut self, lease: &Lease<'_>) -> Result<bool, Error> {
        let (was_recorder, asked) = (self.leads(), Instant::now());
        self.is_recorder = false;
        let holder = self.holder()?;
        let answer = lease.take(&holder).inspect_err(|error| {
            // It may be this clone's, and nobody here would know.
            if error.is_unknown() && !was_recorder {
                lease.resign(&holder);
            }
        })?;
        self.is_recorder = answer != LeadAnswer::Other;
        self.has_inherited |= answer == LeadAnswer::Inherited;
        if self.is_recorder {
            self.led.lead(asked, Instant::now(), answer == LeadAnswer::Kept);
        } else {
            self.led.end(asked);
        }
        Ok(self.is_recorder && !was_recorder)
    }

    /// Whether this clone has the lead, and it is not over.
    pub(super) fn leads(&self) -> bool {
        self.is_recorder && self.led.had(Instant::now())
    }

    /// Renews the lead in the midst of something that may take longer than it lasts.
    pub(super) fn keep_lead(&mut self, lease: &Lease<'_>) -> Result<(), Error> {
        if self.is_recorder && self.led.is_due(Instant::now()) {
            self.lead(lease)?;
        }
        Ok(())
    }

    /// The same after something that may have taken longer than the lead lasts.
    pub(super) fn still_leads(&mut self, lease: &Lease<'_>) -> Result<bool, Error> {
        if self.is_recorder && !self.leads() {
            self.lead(lease)?;
        }
        Ok(self.leads())
    }

    /// Lets go of the lead, so that nobody has to wait until it is over.
    pub(super) fn let_go(&mut self, lease: &Lease<'_>) {
        if std::mem::take(&mut self.is_recorder)
            && let Ok(holder) = self.holder()
        {
            self.led.end(Instant::now());
            lease.resign(&holder);
        }
    }

    /// Who has the lead: this process in this clone. A copy of the clone has the same name, and must not lead as well.
    fn holder(&self) -> Result<String, Error> {
        static WORD: OnceLock<String> = OnceLock::new();
        if let Some(word) = WORD.get() {
            return Ok(format!("{} {word}", self.node));
        }
        let new = environment::new_node()?;
        Ok(format!("{} {}", self.node, WORD.get_or_init(|| new)))
    }

    /// How many documents wait for something, as far as is known.
    pub(super) fn waiting(&self) -> usize {
        self.held.len() + self.garbage.len()
    }
}
