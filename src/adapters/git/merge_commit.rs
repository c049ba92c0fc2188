//! Two histories made one: a merge commit whose documents the caller has merged, or a fast-forward, taken into branch, index and work tree. Decides nothing about documents; changes other files only as git itself would.

use std::cell::Cell;
use std::collections::HashMap;
use std::time::Instant;

use gix::ObjectId;
use gix::bstr::BStr;
use gix::objs::Write as _;
use gix::objs::tree::Editor;

use super::build::{self, Built, CommitPlan, Folders, Made, Overlay, PathState, join, tree_of};
use super::committer::signing;
use super::committer::swap::{Stop, Swap};
use super::committer::{WAIT_MAX, WAIT_MIN, jittered};
use super::durable::CommitDurability;
use super::error::{CommitError, GitError};
use super::identity::User;
use super::lock;
use super::log::commit_range::OddChange;
use super::references::{Target, Tip};
use super::repository::Repository;
use super::view::busy::Busy;
use super::view::contents::{parse, revision};
use crate::core::name::{DocPath, Revision};

/// Most paths that are named in an error.
const PATHS_MAX: usize = 10;

/// What the documents hold at the end, whose other files they come with, and how it is told.
#[derive(Debug)]
pub struct MergeCommit<'a> {
    /// The target's tip, as it was read; `None` before its first commit.
    pub ours: Option<&'a Revision>,
    /// The other history.
    pub theirs: &'a Revision,
    /// Every document at which the outcome is not as `ours` or not as `theirs`, and what it holds; the message and time of the
    /// merge commit. For a fast-forward the outcome is `theirs`.
    pub plan: &'a CommitPlan,
    /// Tells whether `theirs` has all of `ours` behind it.
    pub is_fast_forward: bool,
    /// What the reflog says.
    pub log: &'a str,
}

/// The files beside the documents after a merge.
#[derive(Debug)]
pub struct CodeTree {
    /// The tree that the documents are put into.
    tree: ObjectId,
    /// What the work tree has to become before the documents change; `None` if nothing else does.
    next: Option<ObjectId>,
}

/// Whose files beside the documents a merge takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeSide<'a> {
    /// Ours: theirs are as they were.
    Ours,
    /// Theirs: ours are as they were.
    Theirs,
    /// Both, merged by git from this revision on.
    Both(Option<&'a Revision>),
}

/// Says why two histories were not made one. Branch and index are as they were.
#[derive(Debug, thiserror::Error)]
pub enum MergeCommitError {
    /// The branch is not where it was any more.
    #[error("the branch has moved")]
    Moved,
    /// The other files need a program that the repository's own configuration names.
    #[error("the repository's own configuration names programs for its files (`{}`), and none of them is started", names.join("`, `"))]
    Drivers {
        /// The keys.
        names: Vec<String>,
    },
    /// Changes of the user that are not committed would be overwritten.
    #[error("changes that are not committed are in the way: {}", paths.join(", "))]
    InTheWay {
        /// Which files, or what git says.
        paths: Vec<String>,
    },
    /// Both sides changed the same places of files beside the documents.
    #[error("both sides changed the same places of {}", paths.join(", "))]
    Clash {
        /// Which files.
        paths: Vec<String>,
    },
    /// This git cannot merge two trees outside of a worktree.
    #[error("this git is too old to merge other files here; 2.45 can")]
    TooOld,
    /// The commit failed.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl From<GitError> for MergeCommitError {
    fn from(error: GitError) -> Self {
        Self::Commit(error.into())
    }
}

/// Makes merge commits of two histories.
#[derive(Debug, Clone, Copy)]
pub struct MergeCommitter<'r> {
    pub(super) repo: &'r Repository,
}

impl MergeCommitter<'_> {
    /// The files beside the documents after a merge of two histories. Changes nothing.
    ///
    /// # Errors
    /// [`MergeCommitError::Clash`] if git cannot merge them; [`MergeCommitError::InTheWay`] if the work tree cannot take them;
    /// [`MergeCommitError::Drivers`] if that would start programs of the repository; [`MergeCommitError::TooOld`] if this git cannot;
    /// others if git fails.
    pub fn prepare_code(
        self,
        target: &Target,
        folder: &str,
        ours: Option<&Revision>,
        theirs: &Revision,
        code: CodeSide<'_>,
        odd: &[OddChange],
    ) -> Result<CodeTree, MergeCommitError> {
        self.repo.refresh()?;
        let (old, new) = (self.tree_at(ours)?, self.tree_at(Some(theirs))?);
        let tree = match code {
            CodeSide::Ours => old,
            CodeSide::Theirs => new,
            CodeSide::Both(base) => self.merge_code(folder, self.tree_at(base)?, old, new)?,
        };
        if *target != Target::Current {
            return Ok(CodeTree { tree: self.with_odd(odd, old, tree)?, next: None });
        }
        if code == CodeSide::Ours {
            return Ok(CodeTree { tree, next: None });
        }
        let next = self.with_documents_of(folder, old, tree)?;
        let next = (next != old).then_some(next);
        if let Some(next) = next {
            self.refuse_drivers()?;
            self.repo.index().refuse_linked_index()?;
            // Files that only look changed would be in the way.
            self.repo.program().run(&["update-index", "-q", "--refresh"])?;
            self.read_tree(old, next, &["-n"])?;
        }
        Ok(CodeTree { tree, next })
    }

    /// Takes a merge into branch, index and work tree. The documents are in the work tree already.
    ///
    /// # Errors
    /// [`MergeCommitError::Moved`] if the branch is not at `ours` any more; others if the commit cannot be made.
    pub fn commit_merge(
        self,
        target: &Target,
        folder: &str,
        merge: &MergeCommit<'_>,
        code: &CodeTree,
        durability: CommitDurability,
    ) -> Result<Revision, MergeCommitError> {
        let takes_index = *target == Target::Current;
        let began = Instant::now();
        let mut wait = WAIT_MIN;
        let tip = self.repo.references().tip(target)?;
        if tip.value.map(revision).as_ref() != merge.ours {
            return Err(MergeCommitError::Moved);
        }
        if !takes_index {
            self.repo.references().check_branch(&tip)?;
        } else if let Some(busy) =
            self.repo.view().operation().map(Busy::Operation).or_else(|| self.repo.view().at_work())
        {
            return Err(CommitError::Busy(Box::new(busy)).into());
        }
        if let Some(next) = code.next {
            self.read_tree(self.tree_at(merge.ours)?, next, &["-u"])?;
        }
        let user = User::read(self.repo)?;
        let built = self.build(folder, merge, code, &tip, &user)?;
        let Some(new) = built.made.last().map(|made| made.id) else { return Err(MergeCommitError::Moved) };
        loop {
            let (repo, has_moved, is_foreign, beside) = (self.repo, Cell::new(false), true, None);
            let (built, user, tip) = (&built, &user, &tip);
            let swap = Swap {
                repo,
                tip,
                new,
                built,
                user,
                takes_index,
                durability,
                is_foreign,
                beside,
                read_at: None,
                has_moved,
            };
            let held = match swap.run() {
                Ok(()) => return Ok(revision(new)),
                Err(Stop::Held(path)) => Some(path),
                Err(Stop::AtWork(process)) if began.elapsed() >= self.repo.patience => {
                    return Err(CommitError::Busy(Box::new(Busy::AtWork(process))).into());
                }
                Err(Stop::Changed) if self.repo.references().tip(target)? != *tip => {
                    return Err(MergeCommitError::Moved);
                }
                Err(Stop::AtWork(_) | Stop::Changed) => None,
                Err(Stop::Failed(error)) => return Err(error.into()),
                Err(Stop::Undurable(source)) => {
                    return Err(CommitError::Undurable { revision: revision(new), source }.into());
                }
            };
            if began.elapsed() >= self.repo.patience {
                let contended = Busy::Contended { tried: began.elapsed() };
                let held = held.and_then(|path| lock::describe(&path, self.repo.work_tree()));
                return Err(CommitError::Busy(Box::new(held.map_or(contended, Busy::Locked))).into());
            }
            std::thread::sleep(jittered(wait));
            wait = (wait * 2).min(WAIT_MAX);
            self.repo.refresh_now()?;
        }
    }

    fn build<'a>(
        self,
        folder: &str,
        merge: &MergeCommit<'a>,
        code: &CodeTree,
        tip: &Tip,
        user: &User,
    ) -> Result<Built<'a>, CommitError> {
        let gix = self.repo.gix();
        let overlay = Overlay::over(&gix);
        let (before, theirs) = (tree_of(&gix, tip.value)?, parse(merge.theirs.as_str())?);
        let mut built = Built::default();
        let root = if merge.is_fast_forward { tree_of(&gix, Some(theirs))? } else { code.tree };
        let mut folders = Folders { overlay: &overlay, root, known: HashMap::new() };
        let (tree, id) = if merge.is_fast_forward {
            for (document, bytes) in &merge.plan.changes {
                let path = join(folder, document.as_str());
                let (parent, name) = path.rsplit_once('/').unwrap_or(("", &path));
                let stored = folders.at(parent)?.get(name).map(|(kind, id)| (*id, *kind));
                built.paths.insert(path, PathState { stored, bytes: bytes.as_deref() });
            }
            (root, theirs)
        } else {
            let mut editor = Editor::new(overlay.tree(root)?, &overlay, gix.object_hash());
            build::apply(self.repo, folder, merge.plan, &overlay, &mut folders, &mut editor, &mut built)?;
            let tree = editor.write(|tree| overlay.add_object(tree))?;
            build::check_outside(&overlay, root, tree, folder)?;
            let commit = gix::objs::Commit {
                tree,
                parents: tip.value.into_iter().chain([theirs]).collect(),
                author: user.author(&merge.plan.author, merge.plan.at),
                committer: user.committer.clone(),
                encoding: None,
                message: build::message(&merge.plan.message).into(),
                extra_headers: Vec::new(),
            };
            let commit = match signing::options(self.repo, user)? {
                Some(options) => commit.sign(options).map_err(|error| CommitError::Signing(error.into()))?,
                None => commit,
            };
            (tree, overlay.add_object(&commit)?)
        };
        built.made.push(Made { id, parent: tip.value, log: merge.log.to_owned() });
        if self.repo.switch("index.sparse") == Some(true) {
            built.folders = build::folder_changes(&overlay, before, tree, built.paths.keys())?;
        }
        drop(folders);
        let new = overlay.new.into_inner().into_iter();
        built.objects = new.map(|(id, (kind, bytes))| (id, kind, bytes)).collect();
        Ok(built)
    }

    fn tree_at(self, at: Option<&Revision>) -> Result<ObjectId, GitError> {
        tree_of(&self.repo.gix(), at.map(|at| parse(at.as_str())).transpose()?)
    }

    /// A tree with the documents of another one. Its new objects are written, and not synced: nothing refers to them.
    fn with_documents_of(self, folder: &str, from: ObjectId, to: ObjectId) -> Result<ObjectId, GitError> {
        let gix = self.repo.gix();
        let overlay = Overlay::over(&gix);
        let mut old = Folders { overlay: &overlay, root: from, known: HashMap::new() };
        let mut new = Folders { overlay: &overlay, root: to, known: HashMap::new() };
        let mut editor = Editor::new(overlay.tree(to)?, &overlay, gix.object_hash());
        let failed = || GitError::object("make a tree");
        for path in self.documents_of(folder, from)?.into_iter().chain(self.documents_of(folder, to)?) {
            let path = join(folder, path.as_str());
            let (parent, name) = path.rsplit_once('/').unwrap_or(("", &path));
            let (before, after) = (old.at(parent)?.get(name).copied(), new.at(parent)?.get(name).copied());
            let parts = path.split('/').map(BStr::new);
            match (before, after) {
                (before, after) if before == after => {}
                (Some((kind, id)), _) => drop(editor.upsert(parts, kind, id).map_err(failed())?),
                (None, Some(_)) => drop(editor.remove_leaf(parts).map_err(failed())?),
                (None, None) => {}
            }
        }
        let tree = editor.write(|tree| overlay.add_object(tree))?;
        drop((editor, old, new));
        for (kind, bytes) in overlay.new.into_inner().into_values() {
            let id = gix.objects.write_buf(kind, &bytes).map_err(failed())?;
            self.repo.share_object(id).map_err(GitError::object("make a tree"))?;
        }
        Ok(tree)
    }

    /// A tree with what the other side put at the paths of documents without its being one, where ours has what was there
    /// before. Its new objects are written, and not synced: nothing refers to them.
    fn with_odd(self, odd: &[OddChange], ours: ObjectId, tree: ObjectId) -> Result<ObjectId, GitError> {
        if odd.is_empty() {
            return Ok(tree);
        }
        let gix = self.repo.gix();
        let overlay = Overlay::over(&gix);
        let mut old = Folders { overlay: &overlay, root: ours, known: HashMap::new() };
        let mut editor = Editor::new(overlay.tree(tree)?, &overlay, gix.object_hash());
        let failed = || GitError::object("make a tree");
        for change in odd {
            let (parent, name) = change.path.rsplit_once('/').unwrap_or(("", &change.path));
            let parts = change.path.split('/').map(BStr::new);
            let now = old.at(parent)?.get(name).copied();
            match change.over(now) {
                next if next == now => {}
                Some((kind, id)) => drop(editor.upsert(parts, kind, id).map_err(failed())?),
                None => drop(editor.remove_leaf(parts).map_err(failed())?),
            }
        }
        let tree = editor.write(|tree| overlay.add_object(tree))?;
        drop((editor, old));
        for (kind, bytes) in overlay.new.into_inner().into_values() {
            gix.objects.write_buf(kind, &bytes).map_err(failed())?;
        }
        Ok(tree)
    }

    /// The documents that lie in the folder of a tree, the archived ones too.
    fn documents_of(self, folder: &str, tree: ObjectId) -> Result<Vec<DocPath>, GitError> {
        let listed =
            self.repo.program().ask(&["ls-tree", "-r", "-z", "--name-only", "--end-of-options", &tree.to_string()])?;
        let names = listed.split(|byte| *byte == 0).filter_map(|name| std::str::from_utf8(name).ok());
        Ok(names.filter_map(|name| super::log::inside(name, folder)).collect())
    }

    /// Merges what is beside the documents, as git does; the documents are those of `ours`.
    fn merge_code(
        self,
        folder: &str,
        base: ObjectId,
        ours: ObjectId,
        theirs: ObjectId,
    ) -> Result<ObjectId, MergeCommitError> {
        self.refuse_drivers()?;
        let base = format!("--merge-base={}", self.with_documents_of(folder, ours, base)?);
        let (ours, theirs) = (ours.to_string(), self.with_documents_of(folder, ours, theirs)?.to_string());
        // A driver of ours is for documents alone, and those are alike here.
        let program = self.repo.program().with("merge.mycelium.driver=false");
        let arguments = ["merge-tree", "--write-tree", "--name-only", "--no-messages", "-z", &base, &ours, &theirs];
        let answer = program.run(&arguments)?;
        let text = String::from_utf8_lossy(&answer.stdout).into_owned();
        let mut lines = text.split('\0').filter(|line| !line.is_empty());
        match (answer.code, lines.next()) {
            (Some(0), Some(tree)) => Ok(parse(tree.trim())?),
            (Some(1), Some(_)) => Err(MergeCommitError::Clash { paths: named(lines) }),
            (Some(129 | 128), _)
                if ["usage:", "unknown option", "could not parse"].iter().any(|w| answer.stderr.contains(w)) =>
            {
                Err(MergeCommitError::TooOld)
            }
            _ => Err(GitError::Program { verb: "merge-tree".to_owned(), why: answer.stderr }.into()),
        }
    }

    fn refuse_drivers(self) -> Result<(), MergeCommitError> {
        let key = |sort: &'static str| move |name: String| format!("{sort}.{name}");
        let mut names: Vec<String> = self
            .repo
            .attributes()
            .own_drivers("filter", &["clean", "smudge", "process"])?
            .into_iter()
            .map(key("filter"))
            .collect();
        names.extend(self.repo.attributes().own_drivers("merge", &["driver"])?.into_iter().map(key("merge")));
        names.retain(|name| name != "merge.mycelium");
        if names.is_empty() { Ok(()) } else { Err(MergeCommitError::Drivers { names }) }
    }

    /// Brings index and work tree from one tree to another, and keeps what the user has staged or changed elsewhere.
    fn read_tree(self, old: ObjectId, new: ObjectId, how: &[&str]) -> Result<(), MergeCommitError> {
        let (old, new) = (old.to_string(), new.to_string());
        let arguments = [&["read-tree", "-m", "-u"], how, &[&old, &new]].concat();
        let answer = self.repo.program().run(&arguments)?;
        if answer.code == Some(0) {
            return Ok(());
        }
        let path = self.repo.index_path().with_extension("lock");
        if answer.stderr.contains("index.lock") {
            let held = lock::describe(&path, self.repo.work_tree());
            let busy = held.map_or(Busy::Contended { tried: std::time::Duration::ZERO }, Busy::Locked);
            return Err(CommitError::Busy(Box::new(busy)).into());
        }
        let in_quotes = |line: &String| line.split('\'').nth(1).map(str::to_owned);
        let paths: Vec<String> = answer.said.iter().filter_map(in_quotes).collect();
        let paths = if paths.is_empty() { vec![answer.stderr] } else { paths };
        Err(MergeCommitError::InTheWay { paths: named(paths.iter().map(String::as_str)) })
    }
}

/// The first of some paths.
fn named<'a>(paths: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut paths: Vec<String> = paths.map(crate::core::name::visible).collect();
    paths.sort();
    paths.dedup();
    let left_out = paths.len().saturating_sub(PATHS_MAX);
    paths.truncate(PATHS_MAX);
    if left_out > 0 {
        paths.push(format!("and {left_out} more"));
    }
    paths
}
