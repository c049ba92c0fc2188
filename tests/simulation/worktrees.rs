//! Two and three worktrees that follow one branch, by seed: between any two parts of a commit another worktree may commit,
//! and git may check out an older commit. The decisions are the program's own (`follow`, `plan`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mycelium::follow::{DocumentVersions, FollowScope, FollowStep, decide};
use mycelium::name::{ContentId, DocId, DocPath, OperationId};
use mycelium::plan::{self, Content, HandEdit, KnownContents, Recorded};

/// Seeds, and what happens for each.
const SEEDS: u64 = 400;
const STEPS: usize = 120;

type Contents = BTreeMap<DocPath, String>;

/// Where a worktree is in a commit.
#[derive(Clone, Copy, PartialEq)]
enum Phase {
    Idle,
    /// The folder was brought to this revision.
    Followed(usize),
}

struct Worktree {
    folder: Contents,
    /// The revision that the folder was brought to last.
    base: usize,
    /// The journal: what was found and left.
    journal: Vec<(DocPath, Option<String>, Option<String>)>,
    /// What the commits held that were checked out since, newest first.
    code: Vec<Contents>,
    phase: Phase,
}

/// How commits choose what they are made on.
#[derive(Clone, Copy, PartialEq)]
enum Basis {
    /// What the folder was brought to.
    Followed,
    /// What the branch holds by then: the fault that this looks for.
    AskedAgain,
}

struct Model {
    random: u64,
    /// The branch: what each revision holds. The first holds nothing.
    branch: Vec<Contents>,
    worktrees: Vec<Worktree>,
    /// A commit of the code that tracks documents from before.
    old_code: Contents,
    /// What was acknowledged.
    expected: Contents,
    basis: Basis,
    count: usize,
}

impl Model {
    fn new(seed: u64, basis: Basis) -> Self {
        let count = usize::try_from(2 + seed % 2).expect("small");
        let path = DocPath::new("task-old.md").expect("a path");
        let (old, now) = ((path.clone(), "old".to_owned()), (path, "now".to_owned()));
        let first: Contents = [now].into();
        let worktree =
            || Worktree { folder: first.clone(), base: 0, journal: Vec::new(), code: Vec::new(), phase: Phase::Idle };
        Self {
            random: seed,
            branch: vec![first.clone()],
            worktrees: (0..count).map(|_| worktree()).collect(),
            old_code: [old].into(),
            expected: first.clone(),
            basis,
            count: 0,
        }
    }

    fn below(&mut self, n: usize) -> usize {
        // SplitMix64, by Steele, Lea and Flood, 2014.
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % n as u64).expect("small")
    }

    fn step(&mut self) {
        let at = self.below(self.worktrees.len());
        match self.below(10) {
            0..3 => self.operate(at),
            3 => self.check_out(at),
            _ => self.go_on(at),
        }
    }

    /// An agent makes a task, or changes or removes one that this worktree made.
    fn operate(&mut self, at: usize) {
        self.count += 1;
        let own: Vec<DocPath> = self.worktrees[at]
            .folder
            .keys()
            .filter(|path| path.stem().ends_with(&format!("of-{at}")))
            .cloned()
            .collect();
        let (path, after) = match self.below(4) {
            0 if !own.is_empty() => (own[self.below(own.len())].clone(), None),
            1 if !own.is_empty() => (own[self.below(own.len())].clone(), Some(format!("changed {}", self.count))),
            _ => (DocPath::new(format!("task-{}-of-{at}.md", self.count)).expect("a path"), Some("made".to_owned())),
        };
        let tree = &mut self.worktrees[at];
        let before = put(&mut tree.folder, &path, after.clone());
        tree.journal.push((path.clone(), before, after.clone()));
        put(&mut self.expected, &path, after);
    }

    /// Git goes to a commit that tracks an old version of a document, or back to one that tracks none.
    fn check_out(&mut self, at: usize) {
        let tree = &mut self.worktrees[at];
        let is_there = self.old_code.iter().any(|(path, text)| tree.folder.get(path) == Some(text));
        for (path, text) in &self.old_code {
            put(&mut tree.folder, path, (!is_there).then(|| text.clone()));
        }
        tree.code.insert(0, if is_there { Contents::new() } else { self.old_code.clone() });
        if is_there {
            tree.code.push(self.old_code.clone());
        }
    }

    /// The next part of a commit.
    fn go_on(&mut self, at: usize) {
        match self.worktrees[at].phase {
            Phase::Idle => {
                self.follow(at);
                self.worktrees[at].phase = Phase::Followed(self.branch.len() - 1);
            }
            Phase::Followed(base) => {
                self.commit(at, base);
                self.worktrees[at].phase = Phase::Idle;
            }
        }
    }

    fn follow(&mut self, at: usize) {
        let (tip, tree) = (self.branch.len() - 1, &mut self.worktrees[at]);
        let (old, new) = (&self.branch[tree.base], &self.branch[tip]);
        let paths: BTreeSet<DocPath> = old.keys().chain(new.keys()).chain(self.old_code.keys()).cloned().collect();
        for path in paths {
            let left = tree.journal.iter().rev().find(|(other, ..)| *other == path).map(|(_, _, after)| after.clone());
            let now = tree.folder.get(&path).cloned();
            let (here, base, there) =
                (now.as_deref().map(id), old.get(&path).map(|text| id(text)), new.get(&path).map(|text| id(text)));
            let code: Vec<ContentId> =
                tree.code.iter().filter_map(|held| held.get(&path)).map(|text| id(text)).collect();
            let versions = DocumentVersions {
                here: here.as_ref(),
                base: base.as_ref(),
                tip: there.as_ref(),
                code: code.iter().collect(),
                is_checked_out: false,
                is_own: left == Some(now),
                was_removed: self.branch.iter().any(|held| held.contains_key(&path)),
            };
            if decide(&versions, FollowScope::Everything) == FollowStep::Take {
                let after = new.get(&path).cloned();
                let before = put(&mut tree.folder, &path, after.clone());
                tree.journal.push((path, before, after));
            }
        }
        tree.base = tip;
        tree.code.clear();
    }

    fn commit(&mut self, at: usize, followed: usize) {
        let tip = self.branch.len() - 1;
        let base = if self.basis == Basis::AskedAgain { tip } else { followed };
        let tree = &mut self.worktrees[at];
        let held = &self.branch[base];
        let journal: Vec<Recorded> = tree.journal.iter().enumerate().map(recorded).collect();
        let paths: BTreeSet<&DocPath> = held.keys().chain(tree.folder.keys()).collect();
        let mut known = BTreeMap::new();
        for path in paths.into_iter().chain(tree.journal.iter().map(|(path, ..)| path)) {
            // What a person did counts too, but not what git has done since the folder was brought to the branch.
            let admit_edit = tree.code.is_empty();
            let state = KnownContents {
                head: bytes(held.get(path)),
                folder: bytes(tree.folder.get(path)),
                admit_edit,
                has_gone_on: false,
            };
            known.insert(path.clone(), state);
        }
        let groups = plan::group(&plan::steps(&journal, &known, &|_, _, _| HandEdit::default()));
        let mut next = held.clone();
        for (path, (_, after)) in groups.iter().flat_map(|group| &group.changes) {
            put(&mut next, path, after.as_ref().map(|text| String::from_utf8_lossy(text).into_owned()));
        }
        // The branch is swapped only if it is what this was made on.
        if base != tip {
            return;
        }
        tree.journal.clear();
        if next != *held {
            self.branch.push(next);
            tree.base = self.branch.len() - 1;
        }
    }

    /// Everybody commits and follows until nothing moves.
    fn settle(&mut self) {
        for at in (0..self.worktrees.len()).cycle().take(self.worktrees.len() * 4) {
            self.worktrees[at].phase = Phase::Idle;
            self.follow(at);
            self.commit(at, self.branch.len() - 1);
        }
        for at in 0..self.worktrees.len() {
            self.follow(at);
        }
    }

    /// What is wrong at the end, if anything.
    fn fault(&self) -> Option<String> {
        let tip = self.branch.last()?;
        if *tip != self.expected {
            return Some(format!("the branch holds {tip:?} instead of {:?}", self.expected));
        }
        let odd = self.worktrees.iter().position(|tree| tree.folder != self.expected)?;
        Some(format!("worktree {odd} holds {:?} instead of {:?}", self.worktrees[odd].folder, self.expected))
    }
}

fn put(contents: &mut Contents, path: &DocPath, text: Option<String>) -> Option<String> {
    match text {
        Some(text) => contents.insert(path.clone(), text),
        None => contents.remove(path),
    }
}

fn bytes(text: Option<&String>) -> Content {
    text.map(|text| Arc::from(text.as_bytes()))
}

fn id(text: &str) -> ContentId {
    let digest = text.bytes().fold(7_u64, |digest, byte| digest.wrapping_mul(31).wrapping_add(u64::from(byte)));
    ContentId::new(format!("{digest:040x}")).expect("40 digits")
}

fn recorded((number, (path, before, after)): (usize, &(DocPath, Option<String>, Option<String>))) -> Recorded {
    let operation = plan::CommitOperation {
        id: OperationId::new(format!("op-{number}")).expect("an id"),
        verb: "task.update".to_owned(),
        document: DocId::of_file(path),
        agent: None,
    };
    Recorded { operation, base: None, changes: vec![(path.clone(), bytes(before.as_ref()), bytes(after.as_ref()))] }
}

fn play(seed: u64, basis: Basis) -> Option<String> {
    let mut model = Model::new(seed, basis);
    for _ in 0..STEPS {
        model.step();
    }
    model.settle();
    model.fault()
}

#[test]
fn worktrees_that_share_a_branch_lose_nothing() {
    for seed in 0..SEEDS {
        if let Some(fault) = play(seed, Basis::Followed) {
            panic!("seed {seed}: {fault}");
        }
    }
}

#[test]
fn a_commit_on_what_the_folder_was_not_brought_to_would_be_seen() {
    assert!((0..SEEDS).any(|seed| play(seed, Basis::AskedAgain).is_some()));
}
