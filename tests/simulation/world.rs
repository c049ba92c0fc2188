//! A made-up folder with editors, agents and git in it, and a clock that may jump.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use mycelium::engine::{DELETION_SETTLE_MS, Engine, Input, Readiness, Reason, Report};
use mycelium::name::DocPath;

/// Events arrive at once or a little later.
const EVENT_DELAY_MS_MAX: u64 = 5;
/// Pause between the slices of a slow save; shorter than settling.
const SLICE_MS_MAX: u64 = 150;

/// Who put a file where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hand {
    Person,
    Agent,
    Git,
}

#[derive(Debug, Clone)]
pub(crate) struct File {
    pub(crate) text: String,
    pub(crate) stamp: u64,
    pub(crate) by: Hand,
    /// Since when it was absent before, if no scan has seen it since.
    pub(crate) unseen: Option<u64>,
}

#[derive(Debug, Clone)]
pub(crate) struct Absence {
    pub(crate) since: u64,
    pub(crate) by: Hand,
}

/// What will happen at some moment.
#[derive(Debug, Clone)]
pub(crate) enum Later {
    Wake,
    Write(DocPath, String),
    EndOfCheckout(usize),
    EndOfBusy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Faults {
    /// Everything, but the clock runs even.
    EvenClock,
    /// The clock jumps; files are saved in one piece, for what has settled cannot be known then.
    JumpingClock,
}

pub(crate) struct World {
    pub(crate) random: u64,
    pub(crate) now: u64,
    pub(crate) clock_ahead: i64,
    pub(crate) faults: Faults,
    pub(crate) engine: Engine,
    pub(crate) files: BTreeMap<DocPath, File>,
    pub(crate) absences: BTreeMap<DocPath, Absence>,
    pub(crate) branches: [BTreeMap<DocPath, String>; 2],
    pub(crate) current: usize,
    pub(crate) revision: u64,
    pub(crate) readiness: Readiness,
    pub(crate) is_git_at_work: bool,
    pub(crate) refusals: u64,
    pub(crate) failures: u64,
    pub(crate) events_come: bool,
    pub(crate) stopping: Option<u64>,
    pub(crate) stopped: bool,
    pub(crate) later: BTreeMap<(u64, u64), Later>,
    pub(crate) versions: u64,
    pub(crate) effects: VecDeque<u64>,
    pub(crate) said: Vec<Report>,
    pub(crate) log: Vec<String>,
    pub(crate) commits: usize,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            random: seed,
            now: 0,
            clock_ahead: 1_000_000_000,
            faults: if seed.is_multiple_of(4) { Faults::JumpingClock } else { Faults::EvenClock },
            engine: Engine::new(),
            files: BTreeMap::new(),
            absences: BTreeMap::new(),
            branches: [BTreeMap::new(), BTreeMap::new()],
            current: 0,
            revision: 0,
            readiness: Readiness::Ready,
            is_git_at_work: false,
            refusals: 0,
            failures: 0,
            events_come: true,
            stopping: None,
            stopped: false,
            later: BTreeMap::new(),
            versions: 0,
            effects: VecDeque::new(),
            said: Vec::new(),
            log: Vec::new(),
            commits: 0,
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

    pub(crate) fn any_path(&mut self) -> DocPath {
        let n = self.below(30);
        DocPath::new(format!("task-{n}.md")).expect("a document name")
    }

    pub(crate) fn version(&mut self) -> u64 {
        self.versions += 1;
        self.versions
    }

    pub(crate) fn note(&mut self, what: impl std::fmt::Display) {
        self.log.push(format!("{:>6} {what}", self.now));
    }

    pub(crate) fn put(&mut self, path: &DocPath, text: String, by: Hand) {
        self.note(format_args!("{by:?} writes {path}: {text}"));
        let stamp = self.version();
        let before = self.files.get(path).and_then(|file| file.unseen);
        let unseen = self.absences.remove(path).map(|absence| absence.since).or(before);
        self.files.insert(path.clone(), File { text, stamp, by, unseen });
        self.ring();
    }

    pub(crate) fn take(&mut self, path: &DocPath, by: Hand) {
        if let Some(file) = self.files.remove(path) {
            self.note(format_args!("{by:?} removes {path}"));
            self.absences.insert(path.clone(), Absence { since: file.unseen.unwrap_or(self.now), by });
            self.ring();
        }
    }

    pub(crate) fn ring(&mut self) {
        if self.events_come {
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
            Later::Write(path, text) => self.put(&path, text, Hand::Person),
            Later::EndOfCheckout(to) => self.end_checkout(to),
            Later::EndOfBusy => {
                self.readiness = Readiness::Ready;
                self.ring();
            }
        }
    }

    /// One random thing.
    pub(crate) fn something(&mut self) {
        let path = self.any_path();
        let version = self.version();
        match self.below(100) {
            0..30 => self.put(&path, format!("v{version}"), Hand::Person),
            30..45 => self.save_slowly(&path, version),
            45..50 => self.put(&path, format!("broken {version}"), Hand::Person),
            50..62 => self.put(&path, format!("v{version}"), Hand::Agent),
            62..65 => self.take(&path, Hand::Agent),
            65..70 => self.take(&path, Hand::Person),
            70..74 => self.dance(&path, version),
            74..76 => self.take_many(),
            76..80 => self.begin_checkout(),
            80..83 => self.be_busy(),
            83..86 => self.refusals = self.below(4),
            86..88 => self.failures = self.below(4),
            88..90 => self.step(Input::Tick),
            90..92 => self.change_events(),
            92..94 => self.crash(),
            94..95 => self.jump(),
            95..96 if self.stopping.is_none() => {
                self.note("stop");
                self.stopping = Some(self.now);
                self.step(Input::Stop);
            }
            _ => self.ring(),
        }
    }

    /// Several writes, each of which could be taken for a whole text.
    pub(crate) fn save_slowly(&mut self, path: &DocPath, version: u64) {
        if self.faults == Faults::JumpingClock {
            return self.put(path, format!("v{version}"), Hand::Person);
        }
        let mut at = 0;
        for slice in 0..=self.below(8) {
            at += self.below(SLICE_MS_MAX);
            self.after(at, Later::Write(path.clone(), format!("torn {version}.{slice}")));
        }
        at += self.below(SLICE_MS_MAX);
        self.after(at, Later::Write(path.clone(), format!("v{version}")));
    }

    /// An editor removes the file and makes it again.
    pub(crate) fn dance(&mut self, path: &DocPath, version: u64) {
        if self.files.contains_key(path) {
            self.take(path, Hand::Person);
            let at = self.below(DELETION_SETTLE_MS / 2);
            self.after(at, Later::Write(path.clone(), format!("v{version}")));
        }
    }

    pub(crate) fn take_many(&mut self) {
        let many: Vec<DocPath> = self.files.keys().cloned().collect();
        for path in many {
            self.take(&path, Hand::Person);
        }
    }

    pub(crate) fn begin_checkout(&mut self) {
        if self.is_git_at_work || self.readiness != Readiness::Ready {
            return;
        }
        let to = 1 - self.current;
        self.note(format_args!("checkout of {to} begins"));
        self.is_git_at_work = true;
        self.readiness = Readiness::Busy(Reason::new("the index is locked"));
        // Git writes the files one after the other; what differs from the old branch is carried over.
        for path in self.branches[0].keys().chain(self.branches[1].keys()).cloned().collect::<BTreeSet<_>>() {
            let (old, new) = (self.branches[self.current].get(&path), self.branches[to].get(&path).cloned());
            if self.files.get(&path).map(|file| &file.text) == old && old != new.as_ref() {
                match new {
                    Some(text) => self.put(&path, text, Hand::Git),
                    None => self.take(&path, Hand::Git),
                }
            }
        }
        let at = self.below(3_000);
        self.after(at, Later::EndOfCheckout(to));
    }

    pub(crate) fn end_checkout(&mut self, to: usize) {
        self.note(format_args!("checkout of {to} ends"));
        self.current = to;
        self.revision += 1;
        self.is_git_at_work = false;
        self.readiness = Readiness::Ready;
        self.ring();
    }

    pub(crate) fn be_busy(&mut self) {
        if self.readiness == Readiness::Ready {
            self.note("a merge begins");
            self.readiness = Readiness::Busy(Reason::new("a merge is under way"));
            let at = self.below(20_000);
            self.after(at, Later::EndOfBusy);
        }
    }

    pub(crate) fn change_events(&mut self) {
        self.events_come = !self.events_come;
        self.note(if self.events_come { "events come" } else { "events do not come" });
        let news = if self.events_come { Input::Restored } else { Input::Degraded(Reason::new("no watches")) };
        self.step(news);
    }

    pub(crate) fn crash(&mut self) {
        self.note("crash and restart");
        self.start();
    }

    pub(crate) fn start(&mut self) {
        self.engine = Engine::new();
        self.stopping = None;
        self.stopped = false;
        self.effects.clear();
        self.said.clear();
        self.step(Input::Tick);
        if !self.events_come {
            self.step(Input::Degraded(Reason::new("no watches")));
        }
    }

    pub(crate) fn jump(&mut self) {
        if self.faults == Faults::JumpingClock {
            let by = i64::try_from(self.below(20_000)).expect("small") - 10_000;
            self.note(format_args!("the clock jumps by {by} ms"));
            self.clock_ahead += by;
        }
    }
}
