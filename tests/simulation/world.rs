//! A made-up folder with editors, agents and git in it, and a clock that may jump.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::{Arguments, Display};
use std::sync::Arc;

use mycelium::engine::{Engine, Input, Readiness, Report};
use mycelium::name::{AgentName, ContentId, DocPath, OperationId, Revision};
use mycelium::plan::{Content, Recorded};

/// Events arrive at once or a little later.
const EVENT_DELAY_MS_MAX: u64 = 5;
/// Lines of the trace that are kept.
const TRACE_LINES_MAX: usize = 200_000;

/// What a file says. Its first word tells what it is: `torn` by a slow save, `broken`, or whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Text {
    pub(crate) bytes: Arc<[u8]>,
    pub(crate) id: ContentId,
}

impl Text {
    pub(crate) fn new(text: &str) -> Self {
        Self::of(Arc::from(text.as_bytes()))
    }

    pub(crate) fn of(bytes: Arc<[u8]>) -> Self {
        let mut digest = 0xcbf2_9ce4_8422_2325_u64;
        for byte in bytes.iter() {
            digest = (digest ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Self { bytes, id: ContentId::new(format!("{digest:040x}")).expect("40 digits") }
    }

    pub(crate) fn is_torn(&self) -> bool {
        self.bytes.starts_with(b"torn")
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.bytes.starts_with(b"broken")
    }
}

impl Display for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.bytes))
    }
}

/// Who put a file where it is, or took it away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hand {
    Person,
    /// A person who moved it to another name.
    Mover,
    Agent,
    Git,
}

#[derive(Debug, Clone)]
pub(crate) struct File {
    pub(crate) text: Text,
    pub(crate) stamp: u64,
    pub(crate) by: Hand,
    /// When it was written.
    pub(crate) since: u64,
    /// Since when it was absent before, if no scan has seen it since.
    pub(crate) unseen: Option<u64>,
}

#[derive(Debug, Clone)]
pub(crate) struct Absence {
    pub(crate) since: u64,
    pub(crate) by: Hand,
}

/// One state that a document was in, and whom that counts for.
#[derive(Debug, Clone)]
pub(crate) struct Version {
    pub(crate) text: Content,
    pub(crate) agent: Option<AgentName>,
    pub(crate) operation: Option<OperationId>,
}

/// A branch: what it holds, and which operations its commits name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Branch {
    pub(crate) contents: BTreeMap<DocPath, Text>,
    pub(crate) told: Vec<OperationId>,
}

/// What will happen at some moment.
#[derive(Debug, Clone)]
pub(crate) enum Later {
    Wake,
    Write(DocPath, String),
    EndOfCheckout(usize),
    EndOfBusy,
    Start,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Faults {
    /// Everything, but the clock runs even.
    EvenClock,
    /// The clock jumps; files are saved in one piece, for what has settled cannot be known then.
    JumpingClock,
}

#[allow(clippy::struct_excessive_bools, reason = "each is a state of its own that comes and goes")]
pub(crate) struct World {
    pub(crate) random: u64,
    pub(crate) now: u64,
    pub(crate) clock_ahead: i64,
    /// When it jumped last.
    pub(crate) jumped: Option<u64>,
    /// When the timer rings, set after each step: it counts what passes, whatever the clock says.
    pub(crate) alarm: Option<u64>,
    pub(crate) faults: Faults,
    /// The watching process; none while there is none.
    pub(crate) engine: Option<Engine>,
    pub(crate) files: BTreeMap<DocPath, File>,
    pub(crate) absences: BTreeMap<DocPath, Absence>,
    pub(crate) versions: BTreeMap<DocPath, Vec<Version>>,
    /// Half written texts that an operation took for whole ones.
    pub(crate) built_on: BTreeSet<Arc<[u8]>>,
    pub(crate) journal: Vec<Recorded>,
    /// What the commit on which each operation of the journal was made held of its documents.
    pub(crate) bases: BTreeMap<OperationId, Vec<(DocPath, Content)>>,
    /// Documents that git replaced, here or in HEAD, while an operation on them waited. The journal does not say on which
    /// commit an operation was made, so who made which of their steps cannot be known any more.
    pub(crate) replaced: BTreeSet<DocPath>,
    pub(crate) branches: [Branch; 2],
    pub(crate) current: usize,
    pub(crate) revision: u64,
    pub(crate) readiness: Readiness,
    /// What the engine was last told of it.
    pub(crate) told_ready: bool,
    pub(crate) refusals: u64,
    pub(crate) failures: u64,
    pub(crate) events_come: bool,
    pub(crate) stopping: Option<u64>,
    pub(crate) stopped: bool,
    /// Something was in the way since the process was told to stop.
    pub(crate) troubled: bool,
    /// No faults for now: nobody dies.
    pub(crate) is_calm: bool,
    /// The process dies as soon as it has done what it does.
    pub(crate) dies: bool,
    pub(crate) later: BTreeMap<(u64, u64), Later>,
    pub(crate) count: u64,
    pub(crate) effects: VecDeque<u64>,
    pub(crate) effects_max: (usize, usize),
    pub(crate) wakes: VecDeque<u64>,
    pub(crate) said: Vec<Report>,
    /// Every input, effect and happening, if wanted.
    pub(crate) trace: Option<Vec<String>>,
    pub(crate) commits: usize,
    pub(crate) operations: usize,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            random: seed,
            now: 0,
            // Far from 0, so that the clock can go back by a year.
            clock_ahead: 100_000_000_000,
            jumped: None,
            alarm: None,
            faults: if seed.is_multiple_of(4) { Faults::JumpingClock } else { Faults::EvenClock },
            engine: None,
            files: BTreeMap::new(),
            absences: BTreeMap::new(),
            versions: BTreeMap::new(),
            built_on: BTreeSet::new(),
            journal: Vec::new(),
            bases: BTreeMap::new(),
            replaced: BTreeSet::new(),
            branches: [Branch::default(), Branch::default()],
            current: 0,
            revision: 0,
            readiness: Readiness::Ready,
            told_ready: false,
            refusals: 0,
            failures: 0,
            events_come: true,
            stopping: None,
            stopped: false,
            troubled: false,
            is_calm: false,
            dies: false,
            later: BTreeMap::new(),
            count: 0,
            effects: VecDeque::new(),
            effects_max: (0, 0),
            wakes: VecDeque::new(),
            said: Vec::new(),
            trace: None,
            commits: 0,
            operations: 0,
        }
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        // SplitMix64, by Steele, Lea and Flood, 2014.
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }

    pub(crate) fn version(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    pub(crate) fn note(&mut self, what: Arguments<'_>) {
        let now = self.now;
        if let Some(trace) = self.trace.as_mut().filter(|trace| trace.len() < TRACE_LINES_MAX) {
            trace.push(format!("{now:>6} {what}"));
        }
    }

    pub(crate) fn branch(&self) -> &Branch {
        &self.branches[self.current]
    }

    pub(crate) fn tip(&self) -> Option<Revision> {
        Revision::new(format!("{:040x}", self.revision))
    }

    /// What a document says now.
    pub(crate) fn text(&self, path: &DocPath) -> Content {
        self.files.get(path).map(|file| Arc::clone(&file.text.bytes))
    }

    /// What a document says in the newest commit.
    pub(crate) fn committed(&self, path: &DocPath) -> Content {
        self.branch().contents.get(path).map(|text| Arc::clone(&text.bytes))
    }

    pub(crate) fn put(&mut self, path: &DocPath, text: Text, by: Hand) {
        self.note(format_args!("{by:?} writes {path}: {text}"));
        let stamp = self.version();
        let before = self.files.get(path).and_then(|file| file.unseen);
        let unseen = self.absences.remove(path).map(|absence| absence.since).or(before);
        self.remember(path, Some(Arc::clone(&text.bytes)), by);
        self.files.insert(path.clone(), File { text, stamp, by, since: self.now, unseen });
        self.ring();
    }

    pub(crate) fn take(&mut self, path: &DocPath, by: Hand) {
        if let Some(file) = self.files.remove(path) {
            self.note(format_args!("{by:?} removes {path}"));
            self.absences.insert(path.clone(), Absence { since: file.unseen.unwrap_or(self.now), by });
            self.remember(path, None, by);
            self.ring();
        }
    }

    /// Git replaced a document.
    pub(crate) fn replace(&mut self, path: &DocPath) {
        if self.journal.iter().any(|one| one.changes.iter().any(|(other, ..)| other == path)) {
            self.replaced.insert(path.clone());
        }
    }

    /// A state that a person made; what an agent makes is remembered with its operation, what git makes is nobody's.
    fn remember(&mut self, path: &DocPath, text: Content, by: Hand) {
        if matches!(by, Hand::Person | Hand::Mover) {
            let version = Version { text, agent: keeper(path), operation: None };
            self.versions.entry(path.clone()).or_default().push(version);
        }
    }

    pub(crate) fn ring(&mut self) {
        if self.events_come && self.engine.is_some() {
            let delay = self.below(EVENT_DELAY_MS_MAX);
            self.after(delay, Later::Wake);
        }
    }

    pub(crate) fn after(&mut self, ms: u64, what: Later) {
        let key = (self.now + ms, self.version());
        self.later.insert(key, what);
    }

    pub(crate) fn happen(&mut self, what: Later) {
        match what {
            Later::Wake => self.step(Input::Woken),
            Later::Write(path, text) => self.put(&path, Text::new(&text), Hand::Person),
            Later::EndOfCheckout(to) => self.end_checkout(to),
            Later::EndOfBusy => {
                self.note(format_args!("nothing is in the way of git any more"));
                self.readiness = Readiness::Ready;
                self.ring();
            }
            Later::Start => self.start(),
        }
    }
}

/// Whom an edit by hand counts for: some documents have a holder.
pub(crate) fn keeper(path: &DocPath) -> Option<AgentName> {
    path.stem().ends_with('7').then(|| AgentName::new("keeper").expect("a name"))
}
