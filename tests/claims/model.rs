//! Claims against a model: any sequence of claims, renewals, steals, deaths, restarts and merges, in fake time. The program's
//! pure decision plays the world; the model foretells in a few words what must come of each step.
//!
//! There is one task in two work trees. A process may die in the middle of a claim or an end: its entry is in the ledger,
//! and the document does not say so yet, or says so already.

use std::path::PathBuf;
use std::time::Duration;

use mycelium::document::Document;
use mycelium::entity::claim::{HolderFields, take};
use mycelium::entity::{Entity, read, task};
use mycelium::lease::{
    BootTime, ClaimVerdict, EntryState, HolderDocument, LeaseEntry, LeaseEvidence, LeaseFacts, LeasePlace, LeaseProof,
    LeaseRecord, LeaseRequest, LeaseState, Override, authorize, decide, lease_state,
};
use mycelium::name::{AgentName, DocPath};
use mycelium::time::Timestamp;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest};

const AGENTS: usize = 3;
const TREES: usize = 2;
const TASK: &str = "task-1";
/// Sequences in a normal run.
const CASES: u32 = 1_500;

/// When a process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Death {
    Never,
    /// The ledger says it, the document does not.
    BeforeDocument,
    /// Both say it; the ledger as under way.
    BeforeConfirm,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Release,
    Complete,
}

#[derive(Debug, Clone)]
enum Act {
    Claim { agent: usize, tree: usize, lease: u64, steal: bool, death: Death },
    Renew { agent: usize, tree: usize },
    End { agent: usize, tree: usize, how: End, death: Death },
    Reopen { tree: usize },
    TakeBack { tree: usize },
    Merge { from: usize },
    Wait(u64),
    Restart,
}

/// What comes of an act.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fate {
    Given(u64),
    Kept(u64),
    /// Another agent has it.
    Lost(usize),
    /// It is finished in the other work tree.
    Finished,
    Done,
    Refused,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Pending,
    Running(usize),
    Completed,
}

/// Who has the task.
#[derive(Debug, Clone)]
struct Holder {
    agent: usize,
    tree: usize,
    fence: u64,
    lease: u64,
    /// When they said something last, or somebody began to count anew; `None` before the last start of the machine.
    said: Option<u64>,
}

/// The model: one holder at most, over all work trees; files are what people see of it.
#[derive(Debug, Clone)]
struct Model {
    now: u64,
    /// The highest fence that was given.
    fence: u64,
    holder: Option<Holder>,
    /// The fence of the holder who has finished it, and nobody has opened it again.
    finished: Option<u64>,
    files: [(Stage, u64); TREES],
    /// What must come of the last act.
    fate: Fate,
}

impl Model {
    fn is_over(&self, holder: &Holder) -> bool {
        holder.said.is_some_and(|said| self.now - said >= holder.lease)
    }

    fn claim(&mut self, agent: usize, tree: usize, lease: u64, steal: bool, death: Death) -> Fate {
        let (stage, fence) = self.files[tree];
        let now = self.now;
        if stage == Stage::Completed {
            return Fate::Refused;
        }
        let is_over = self.holder.as_ref().is_some_and(|holder| self.is_over(holder));
        if let Some(holder) = &mut self.holder {
            let is_theirs = holder.agent == agent && holder.tree == tree;
            if is_theirs && stage == Stage::Running(agent) && fence == holder.fence {
                holder.said = Some(now);
                return Fate::Kept(fence);
            }
            if !is_theirs && !is_over && !steal {
                holder.said.get_or_insert(now);
                return Fate::Lost(holder.agent);
            }
        }
        let is_finished = self.finished.is_some_and(|done| done > fence || done == fence && stage != Stage::Pending);
        if is_finished && !steal {
            return Fate::Finished;
        }
        self.fence += 1;
        self.finished = None;
        self.holder = None;
        if death != Death::BeforeDocument {
            self.files[tree] = (Stage::Running(agent), self.fence);
            self.holder = Some(Holder { agent, tree, fence: self.fence, lease, said: Some(now) });
        }
        Fate::Given(self.fence)
    }

    fn renew(&mut self, agent: usize, tree: usize) -> Fate {
        let ((stage, fence), now) = (self.files[tree], self.now);
        match &mut self.holder {
            // Not where the file tells of an earlier claim that was never given back.
            Some(holder) if holder.agent == agent && (!matches!(stage, Stage::Running(_)) || fence == holder.fence) => {
                holder.said = Some(now);
                Fate::Done
            }
            _ => Fate::Refused,
        }
    }

    fn end(&mut self, agent: usize, tree: usize, how: End, death: Death) -> Fate {
        let (stage, fence) = self.files[tree];
        match &mut self.holder {
            Some(holder) if holder.agent == agent && holder.fence == fence && stage == Stage::Running(agent) => {
                holder.tree = tree;
            }
            _ => return Fate::Refused,
        }
        if death != Death::BeforeDocument {
            self.holder = None;
            self.files[tree].0 = if how == End::Complete { Stage::Completed } else { Stage::Pending };
            self.finished = (how == End::Complete).then_some(fence);
        }
        Fate::Done
    }

    fn take_back(&mut self, tree: usize) -> Fate {
        let ((stage, fence), now) = (self.files[tree], self.now);
        let is_over = self.holder.as_ref().is_some_and(|holder| self.is_over(holder));
        match &mut self.holder {
            Some(holder) if holder.tree == tree && holder.fence == fence && stage == Stage::Running(holder.agent) => {
                holder.said.get_or_insert(now);
                if !is_over {
                    return Fate::Refused;
                }
                self.holder = None;
                self.files[tree].0 = Stage::Pending;
                Fate::Done
            }
            _ => Fate::Refused,
        }
    }

    fn reopen(&mut self, tree: usize) -> Fate {
        let (stage, fence) = self.files[tree];
        if stage != Stage::Completed {
            return Fate::Refused;
        }
        self.files[tree].0 = Stage::Pending;
        if self.finished == Some(fence) {
            self.finished = None;
        }
        Fate::Done
    }

    /// The file that says more wins, as it does in a merge of branches of which one follows the other.
    fn merge(&mut self, from: usize) -> Fate {
        let (theirs, ours) = (self.files[from], self.files[1 - from]);
        let is_later = theirs.1 > ours.1
            || theirs.1 == ours.1
                && matches!((ours.0, theirs.0), (Stage::Running(_), Stage::Pending | Stage::Completed));
        if is_later {
            self.files[1 - from] = theirs;
            return Fate::Done;
        }
        Fate::Refused
    }
}

impl ReferenceStateMachine for Model {
    type State = Self;
    type Transition = Act;

    fn init_state() -> BoxedStrategy<Self> {
        let files = [(Stage::Pending, 0); TREES];
        Just(Self { now: 1_000, fence: 0, holder: None, finished: None, files, fate: Fate::Done }).boxed()
    }

    fn transitions(_: &Self) -> BoxedStrategy<Act> {
        let (agent, tree) = (0..AGENTS, 0..TREES);
        let death = prop_oneof![
            6 => Just(Death::Never),
            1 => Just(Death::BeforeDocument),
            1 => Just(Death::BeforeConfirm),
        ];
        let how = prop_oneof![Just(End::Release), Just(End::Complete)];
        let claim = (agent.clone(), tree.clone(), 1..50_u64, prop::bool::weighted(0.15), death.clone());
        prop_oneof![
            8 => claim.prop_map(|(agent, tree, lease, steal, death)| Act::Claim { agent, tree, lease, steal, death }),
            3 => (agent.clone(), tree.clone()).prop_map(|(agent, tree)| Act::Renew { agent, tree }),
            4 => (agent, tree.clone(), how, death)
                .prop_map(|(agent, tree, how, death)| Act::End { agent, tree, how, death }),
            1 => tree.clone().prop_map(|tree| Act::Reopen { tree }),
            2 => tree.clone().prop_map(|tree| Act::TakeBack { tree }),
            1 => tree.prop_map(|from| Act::Merge { from }),
            4 => (1..40_u64).prop_map(Act::Wait),
            1 => Just(Act::Restart),
        ]
        .boxed()
    }

    fn apply(mut state: Self, act: &Act) -> Self {
        state.fate = match *act {
            Act::Claim { agent, tree, lease, steal, death } => state.claim(agent, tree, lease, steal, death),
            Act::Renew { agent, tree } => state.renew(agent, tree),
            Act::End { agent, tree, how, death } => state.end(agent, tree, how, death),
            Act::Reopen { tree } => state.reopen(tree),
            Act::TakeBack { tree } => state.take_back(tree),
            Act::Merge { from } => state.merge(from),
            Act::Wait(ms) => {
                state.now += ms;
                Fate::Done
            }
            Act::Restart => {
                state.now = 0;
                if let Some(holder) = &mut state.holder {
                    holder.said = None;
                }
                Fate::Done
            }
        };
        state
    }
}

/// The world: documents, ledger and clock as the program has them, and its decisions.
struct World {
    boot: u64,
    ms: u64,
    documents: [Document; TREES],
    entry: Option<LeaseEntry>,
    /// Every fence that was given.
    given: Vec<u64>,
}

fn agent(n: usize) -> AgentName {
    AgentName::new(format!("agent-{n}")).unwrap()
}

fn place(tree: usize) -> LeasePlace {
    LeasePlace { root: PathBuf::from(format!("/tree-{tree}")), document: format!("x/{TASK}.md"), branch: None }
}

fn facts(document: &Document) -> LeaseFacts {
    match read(&DocPath::new(format!("{TASK}.md")).unwrap(), document).entity {
        Some(Entity::Task(task)) => LeaseFacts::of(&task),
        other => panic!("not a task: {other:?}"),
    }
}

impl World {
    fn now(&self) -> BootTime {
        BootTime { boot: self.boot.to_string(), ms: self.ms, slept_ms: 0 }
    }

    fn sight(&self, tree: usize) -> LeaseEvidence {
        let here = facts(&self.documents[tree]);
        let Some(entry) = self.entry.clone() else { return LeaseEvidence::of_document(here) };
        let holder_document = if entry.place == place(tree) {
            HolderDocument::Here
        } else {
            HolderDocument::There(facts(&self.documents[1 - tree]))
        };
        LeaseEvidence { holder_document, record: Some(LeaseRecord::Entry(entry)), ..LeaseEvidence::of_document(here) }
    }

    fn claim(&mut self, by: usize, tree: usize, lease: u64, steal: bool, death: Death) -> Fate {
        let over = if steal { Override::Steal } else { Override::None };
        let ask = LeaseRequest { by: agent(by), lease: Duration::from_millis(lease), over };
        match decide(TASK, &self.sight(tree), &[], &ask, &self.now(), &place(tree)) {
            ClaimVerdict::Grant(give) => {
                let hold = HolderFields {
                    by: agent(by),
                    fence: give.fence,
                    lease: ask.lease,
                    since: Timestamp::default(),
                    is_after_expiry: false,
                };
                let entry = LeaseEntry {
                    fence: give.fence,
                    state: EntryState::Begun,
                    by: agent(by),
                    lease: ask.lease,
                    since: Timestamp::from_unix_ms(0),
                    renewed: self.now(),
                    place: place(tree),
                    ended: None,
                    former: Vec::new(),
                    foreign_save: None,
                };
                self.given.push(give.fence);
                if death != Death::BeforeDocument {
                    self.documents[tree] = take(&self.documents[tree], &hold).expect("a document that can be taken");
                }
                self.entry = Some(if death == Death::Never { entry.in_state(EntryState::Held) } else { entry });
                Fate::Given(give.fence)
            }
            ClaimVerdict::Keep { fence } => {
                let entry = self.entry.take().expect("only this clone claims");
                self.entry = Some(entry.in_state(EntryState::Held).renewed_at(&self.now()));
                Fate::Kept(fence)
            }
            ClaimVerdict::Lost { lost, reanchor } => {
                if reanchor.is_some() {
                    self.entry = self.entry.take().map(|entry| entry.renewed_at(&self.now()));
                }
                match lost.why {
                    mycelium::lease::LossReason::Completed => Fate::Finished,
                    _ => Fate::Lost((0..AGENTS).find(|n| Some(agent(*n)) == lost.by).expect("a holder")),
                }
            }
            ClaimVerdict::Refused(_) => Fate::Refused,
            ClaimVerdict::Wait => panic!("nobody is at it"),
        }
    }

    fn may(&self, by: usize, tree: usize) -> bool {
        let by = agent(by);
        authorize(TASK, &self.sight(tree), LeaseProof { by: Some(&by), fence: None }, &self.now(), &place(tree)).is_ok()
    }

    fn renew(&mut self, by: usize, tree: usize) -> Fate {
        match lease_state(&self.sight(tree), &self.now()) {
            LeaseState::Held { entry, .. } if self.may(by, tree) && entry.by == agent(by) => {
                self.entry = Some(entry.renewed_at(&self.now()));
                Fate::Done
            }
            _ => Fate::Refused,
        }
    }

    fn end(&mut self, by: usize, tree: usize, how: End, death: Death) -> Fate {
        let edited = match how {
            End::Release => task::release(&self.documents[tree]),
            End::Complete => task::complete(&self.documents[tree], None),
        };
        let Ok(edited) = edited else { return Fate::Refused };
        if !self.may(by, tree) {
            return Fate::Refused;
        }
        let state = if how == End::Complete { EntryState::Completed } else { EntryState::Released };
        self.put_end(tree, state, edited, death);
        Fate::Done
    }

    /// The ledger first, then the document.
    fn put_end(&mut self, tree: usize, state: EntryState, edited: Document, death: Death) {
        let fence = facts(&self.documents[tree]).fence;
        if let Some(entry) = self.entry.as_mut().filter(|entry| entry.fence == fence) {
            *entry = LeaseEntry { place: place(tree), ..entry.in_state(state) };
        }
        if death != Death::BeforeDocument {
            self.documents[tree] = edited;
        }
    }

    fn take_back(&mut self, tree: usize) -> Fate {
        let evidence = self.sight(tree);
        let LeaseState::Held { entry, left } = lease_state(&evidence, &self.now()) else { return Fate::Refused };
        if entry.place != place(tree) || entry.fence != evidence.here.fence {
            return Fate::Refused;
        }
        if !left.is_over() {
            if entry.renewed.boot != self.boot.to_string() {
                self.entry = Some(entry.renewed_at(&self.now()));
            }
            return Fate::Refused;
        }
        let Ok(edited) = task::release(&self.documents[tree]) else { return Fate::Refused };
        self.put_end(tree, EntryState::Released, edited, Death::Never);
        Fate::Done
    }

    fn reopen(&mut self, tree: usize) -> Fate {
        let Ok(edited) = task::reopen(&self.documents[tree]) else { return Fate::Refused };
        self.put_end(tree, EntryState::Released, edited, Death::Never);
        Fate::Done
    }
}

impl StateMachineTest for World {
    type SystemUnderTest = Self;
    type Reference = Model;

    fn init_test(model: &Model) -> Self {
        let document = || Document::parse(crate::scene::task(TASK, "work").into_bytes());
        Self { boot: 0, ms: model.now, documents: [document(), document()], entry: None, given: Vec::new() }
    }

    fn apply(mut world: Self, model: &Model, act: Act) -> Self {
        let fate = match act {
            Act::Claim { agent, tree, lease, steal, death } => world.claim(agent, tree, lease, steal, death),
            Act::Renew { agent, tree } => world.renew(agent, tree),
            Act::End { agent, tree, how, death } => world.end(agent, tree, how, death),
            Act::Reopen { tree } => world.reopen(tree),
            Act::TakeBack { tree } => world.take_back(tree),
            Act::Merge { from } => {
                if model.fate == Fate::Done {
                    world.documents[1 - from] = world.documents[from].clone();
                }
                model.fate.clone()
            }
            Act::Wait(ms) => {
                world.ms += ms;
                Fate::Done
            }
            Act::Restart => {
                world.boot += 1;
                world.ms = 0;
                Fate::Done
            }
        };
        assert_eq!(fate, model.fate, "{act:?} with {:?} and {:?}", world.entry, world.documents.each_ref().map(facts));
        world
    }

    fn check_invariants(world: &Self, model: &Model) {
        assert!(world.given.windows(2).all(|pair| pair[0] < pair[1]), "a fence was given twice: {:?}", world.given);
        for (tree, (stage, fence)) in model.files.iter().enumerate() {
            let facts = facts(&world.documents[tree]);
            let holder = if let Stage::Running(n) = stage { Some(agent(*n)) } else { None };
            assert_eq!((facts.holder().cloned(), facts.fence), (holder, *fence), "the file of tree {tree}");
        }
    }
}

/// Plays so many sequences; the fault of the first that goes wrong.
fn play(cases: u32, shrinks: u32) -> Result<(), String> {
    let config = Config { cases, failure_persistence: None, max_shrink_iters: shrinks, ..Config::default() };
    let mut runner = TestRunner::new(config.clone());
    let sequences = Model::sequential_strategy(1..60);
    let played = runner.run(&sequences, |(model, acts, seen)| {
        World::test_sequential(config.clone(), model, acts, seen);
        Ok(())
    });
    played.map_err(|error| error.to_string())
}

#[test]
fn every_sequence_comes_to_what_the_model_says() {
    let cases = crate::support::sized("MYCELIUM_CLAIM_CASES", 400, 20_000);
    play(u32::try_from(cases).unwrap(), 1_000).unwrap();
}

#[cfg(debug_assertions)]
#[test]
fn the_model_notices_what_is_broken() {
    use mycelium::sabotage::{Sabotage, plant};
    for name in ["no-lease", "any-boot", "same-fence", "no-fence"] {
        let _planted = plant(Sabotage::named(name).unwrap());
        assert!(play(CASES, 50).is_err(), "`{name}` goes unnoticed");
    }
}
