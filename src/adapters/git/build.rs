//! Blobs, trees and commits of a plan, made in memory. Writes nothing; changes no path outside the folder.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

use gix::ObjectId;
use gix::bstr::BStr;
use gix::objs::tree::{Editor, EntryKind};
use gix::objs::{Data, Find, FindExt, Kind, Tree, TreeRefIter, WriteTo};

use super::committer::signing;
use super::error::{CommitError, GitError};
use super::identity::User;
use super::pack::Object;
use super::repository::Repository;
use crate::core::name::{AgentName, DocPath, shell_word, visible};
use crate::core::time::Timestamp;

/// Who a commit is by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Author {
    /// The user, as git knows them.
    User,
    /// An agent: `name <name@mycelium.invalid>`.
    Agent(AgentName),
}

/// One commit to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitPlan {
    /// Who it is by.
    pub author: Author,
    /// When the change was made.
    pub at: Timestamp,
    /// The whole message.
    pub message: String,
    /// What each document holds now, as in the work tree; `None` removes it.
    pub changes: Vec<(DocPath, Option<Vec<u8>>)>,
}

/// Commits ready to be written.
#[derive(Default)]
pub(super) struct Built<'a> {
    /// For each plan the commit that holds it: its own, or its parent's if there was nothing to change.
    pub(super) revisions: Vec<Option<ObjectId>>,
    /// The new commits with their first parents, in order.
    pub(super) made: Vec<Made>,
    /// Every new object.
    pub(super) objects: Vec<Object>,
    /// Every path the plans speak of: what the last commit holds there, and the bytes of the work tree.
    pub(super) paths: BTreeMap<String, PathState<'a>>,
    /// Trees of the folder and its parents, before and after; only where the index is sparse and may hold whole folders.
    pub(super) folders: HashMap<String, (ObjectId, ObjectId)>,
}

/// A new commit.
pub(super) struct Made {
    pub(super) id: ObjectId,
    pub(super) parent: Option<ObjectId>,
    /// What the reflog says of it.
    pub(super) log: String,
}

/// What the last commit holds at a path.
#[derive(Clone, Copy)]
pub(super) struct PathState<'a> {
    pub(super) stored: Option<(ObjectId, EntryKind)>,
    pub(super) bytes: Option<&'a [u8]>,
}

/// The object database with the new objects laid over it.
pub(super) struct Overlay<'a> {
    pub(super) repo: &'a gix::Repository,
    pub(super) new: RefCell<HashMap<ObjectId, (Kind, Vec<u8>)>>,
    /// Trees that were read: each is asked for several times.
    trees: RefCell<HashMap<ObjectId, Vec<u8>>>,
}

impl Find for Overlay<'_> {
    fn try_find<'a>(&self, id: &gix::oid, buffer: &'a mut Vec<u8>) -> gix::Result<Option<Data<'a>>> {
        if let Some((kind, bytes)) = self.new.borrow().get(id) {
            buffer.clear();
            buffer.extend_from_slice(bytes);
            return Ok(Some(Data { kind: *kind, object_hash: id.kind(), data: buffer }));
        }
        if let Some(bytes) = self.trees.borrow().get(id) {
            buffer.clear();
            buffer.extend_from_slice(bytes);
            return Ok(Some(Data { kind: Kind::Tree, object_hash: id.kind(), data: buffer }));
        }
        let found = self.repo.objects.try_find(id, buffer)?;
        if let Some(data) = found.filter(|data| data.kind == Kind::Tree) {
            self.trees.borrow_mut().insert(id.to_owned(), data.data.to_vec());
        }
        Ok(found)
    }
}

impl<'a> Overlay<'a> {
    /// Nothing laid over it yet.
    pub(super) fn over(repo: &'a gix::Repository) -> Self {
        Self { repo, new: RefCell::default(), trees: RefCell::default() }
    }
}

impl Overlay<'_> {
    pub(super) fn add(&self, kind: Kind, bytes: Vec<u8>) -> Result<ObjectId, GitError> {
        let failed = GitError::object("hash an object");
        let id = gix::objs::compute_hash(self.repo.object_hash(), kind, &bytes).map_err(failed)?;
        self.new.borrow_mut().insert(id, (kind, bytes));
        Ok(id)
    }

    pub(super) fn add_object(&self, object: &dyn WriteTo) -> Result<ObjectId, GitError> {
        let mut bytes = Vec::new();
        object.write_to(&mut bytes).map_err(GitError::object("make an object"))?;
        self.add(object.kind(), bytes)
    }

    pub(super) fn tree(&self, id: ObjectId) -> Result<Tree, GitError> {
        if id.is_empty_tree() {
            return Ok(Tree::empty());
        }
        let mut buffer = Vec::new();
        let found = self.find_tree(&id, &mut buffer).map_err(GitError::object(format!("read the tree {id}")))?;
        Ok(found.into_owned())
    }

    /// The tree at a folder; `None` if there is nothing. A file in its place is refused.
    fn folder(&self, root: ObjectId, folder: &str) -> Result<Option<ObjectId>, GitError> {
        let mut at = root;
        let mut walked = String::new();
        for part in folder.split('/').filter(|part| !part.is_empty()) {
            walked = join(&walked, part);
            let entry = self.entry(at, part)?;
            match entry {
                None => return Ok(None),
                Some((EntryKind::Tree, id)) => at = id,
                Some(_) => return Err(blocked(&walked)),
            }
        }
        Ok(Some(at))
    }

    fn entry(&self, tree: ObjectId, name: &str) -> Result<Option<(EntryKind, ObjectId)>, GitError> {
        if tree.is_empty_tree() {
            return Ok(None);
        }
        let failed = || GitError::object(format!("read the tree {tree}"));
        let mut buffer = Vec::new();
        let data = self.find(&tree, &mut buffer).map_err(failed())?;
        for entry in TreeRefIter::from_bytes(data.data, tree.kind()) {
            let entry = entry.map_err(failed())?;
            if entry.filename == BStr::new(name) {
                return Ok(Some((entry.mode.kind(), entry.oid.to_owned())));
            }
        }
        Ok(None)
    }
}

/// What the folders hold as the plans go on: read once, then kept in step.
pub(super) struct Folders<'a> {
    pub(super) overlay: &'a Overlay<'a>,
    pub(super) root: ObjectId,
    pub(super) known: HashMap<String, HashMap<String, (EntryKind, ObjectId)>>,
}

impl Folders<'_> {
    pub(super) fn at(&mut self, folder: &str) -> Result<&mut HashMap<String, (EntryKind, ObjectId)>, GitError> {
        if !self.known.contains_key(folder) {
            let mut entries = HashMap::new();
            if let Some(tree) = self.overlay.folder(self.root, folder)? {
                for entry in self.overlay.tree(tree)?.entries {
                    entries.insert(entry.filename.to_string(), (entry.mode.kind(), entry.oid));
                }
            }
            self.known.insert(folder.to_owned(), entries);
        }
        Ok(self.known.get_mut(folder).expect("it was just read"))
    }
}

/// Makes the commits of the plans on top of `parent`.
pub(super) fn build<'a>(
    repo: &Repository,
    folder: &str,
    parent: Option<ObjectId>,
    plans: &'a [CommitPlan],
    user: &User,
) -> Result<Built<'a>, CommitError> {
    let gix = repo.gix();
    let overlay = Overlay::over(&gix);
    let base = tree_of(&gix, parent)?;
    let signing = signing::options(repo, user)?;
    let mut folders = Folders { overlay: &overlay, root: base, known: HashMap::new() };
    let mut editor = Editor::new(overlay.tree(base)?, &overlay, gix.object_hash());
    let mut built = Built::default();
    let (mut tree, mut tip) = (base, parent);
    for plan in plans {
        apply(repo, folder, plan, &overlay, &mut folders, &mut editor, &mut built)?;
        let next = editor.write(|tree| overlay.add_object(tree))?;
        if next != tree {
            tree = next;
            let commit = gix::objs::Commit {
                tree,
                parents: tip.into_iter().collect(),
                author: user.author(&plan.author, plan.at),
                committer: user.committer.clone(),
                encoding: None,
                message: message(&plan.message).into(),
                extra_headers: Vec::new(),
            };
            let commit = match &signing {
                Some(options) => commit.sign(options.clone()).map_err(|error| CommitError::Signing(error.into()))?,
                None => commit,
            };
            let id = overlay.add_object(&commit)?;
            let subject = plan.message.lines().next().unwrap_or("");
            let initial = if tip.is_none() { " (initial)" } else { "" };
            built.made.push(Made { id, parent: tip, log: format!("commit{initial}: {subject}") });
            tip = Some(id);
        }
        built.revisions.push(tip);
    }
    check_outside(&overlay, base, tree, folder)?;
    if repo.switch("index.sparse") == Some(true) {
        built.folders = folder_changes(&overlay, base, tree, built.paths.keys())?;
    }
    drop((folders, editor));
    built.objects = overlay.new.into_inner().into_iter().map(|(id, (kind, bytes))| (id, kind, bytes)).collect();
    Ok(built)
}

pub(super) fn apply<'a>(
    repo: &Repository,
    folder: &str,
    plan: &'a CommitPlan,
    overlay: &Overlay<'_>,
    folders: &mut Folders<'_>,
    editor: &mut Editor<'_>,
    built: &mut Built<'a>,
) -> Result<(), GitError> {
    for (document, bytes) in &plan.changes {
        let path = join(folder, document.as_str());
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", &path));
        let entries = folders.at(parent)?;
        let before = entries.get(name).copied();
        if matches!(before, Some((EntryKind::Tree | EntryKind::Commit, _))) {
            return Err(blocked(&path));
        }
        let stored = match bytes {
            None => None,
            Some(bytes) => {
                let converted = repo.attributes().convert(&path, bytes)?;
                let id = overlay.add(Kind::Blob, converted.unwrap_or_else(|| bytes.clone()))?;
                Some((id, repo.attributes().entry_kind(&path, before.map(|(kind, _)| kind))))
            }
        };
        let failed = || GitError::object(format!("change the tree for `{}`", visible(&path)));
        let parts = path.split('/').map(BStr::new);
        match stored {
            Some((id, kind)) if before != Some((kind, id)) => {
                editor.upsert(parts, kind, id).map_err(failed())?;
                entries.insert(name.to_owned(), (kind, id));
            }
            None if before.is_some() => {
                editor.remove_leaf(parts).map_err(failed())?;
                entries.remove(name);
            }
            _ => {}
        }
        built.paths.insert(path.clone(), PathState { stored, bytes: bytes.as_deref() });
    }
    Ok(())
}

/// The root tree of a commit; the empty tree of none.
pub(super) fn tree_of(repo: &gix::Repository, commit: Option<ObjectId>) -> Result<ObjectId, GitError> {
    let Some(commit) = commit else { return Ok(ObjectId::empty_tree(repo.object_hash())) };
    let failed = || GitError::object(format!("read the commit {commit}"));
    Ok(repo.find_commit(commit).map_err(failed())?.tree_id().map_err(failed())?.detach())
}

/// Makes sure that two trees differ in nothing but the folder.
pub(super) fn check_outside(
    overlay: &Overlay<'_>,
    before: ObjectId,
    after: ObjectId,
    folder: &str,
) -> Result<(), GitError> {
    let (mut before, mut after) = (before, after);
    for part in folder.split('/').filter(|part| !part.is_empty()) {
        if before == after {
            return Ok(());
        }
        let split = |id: ObjectId| -> Result<_, GitError> {
            let (inside, outside): (Vec<_>, Vec<_>) =
                overlay.tree(id)?.entries.into_iter().partition(|entry| entry.filename == part);
            Ok((inside.first().map(|entry| entry.oid), outside))
        };
        let ((inside_before, outside_before), (inside_after, outside_after)) = (split(before)?, split(after)?);
        if outside_before != outside_after {
            let what = format!("the commit would change paths outside of `{}`; nothing was committed", visible(folder));
            return Err(GitError::refused(what, "this is a fault of mycelium: please report it"));
        }
        let empty = ObjectId::empty_tree(overlay.repo.object_hash());
        (before, after) = (inside_before.unwrap_or(empty), inside_after.unwrap_or(empty));
    }
    Ok(())
}

/// The trees of every folder above the paths, before and after.
pub(super) fn folder_changes<'p>(
    overlay: &Overlay<'_>,
    before: ObjectId,
    after: ObjectId,
    paths: impl Iterator<Item = &'p String>,
) -> Result<HashMap<String, (ObjectId, ObjectId)>, GitError> {
    let mut changes = HashMap::new();
    for path in paths {
        for (end, _) in path.match_indices('/') {
            let folder = &path[..end];
            if changes.contains_key(folder) {
                continue;
            }
            if let (Some(old), Some(new)) = (overlay.folder(before, folder)?, overlay.folder(after, folder)?) {
                changes.insert(folder.to_owned(), (old, new));
            }
        }
    }
    Ok(changes)
}

pub(super) fn message(text: &str) -> String {
    let mut text = text.replace('\0', "");
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

/// A path below a folder; the folder may be the top one, "".
pub(super) fn join(folder: &str, rest: &str) -> String {
    if folder.is_empty() { rest.to_owned() } else { format!("{folder}/{rest}") }
}

fn blocked(path: &str) -> GitError {
    GitError::refused(
        format!("`{}` in the history is not what the documents need there", visible(path)),
        format!(
            "run `git rm -r --cached -- {}` and commit that, or choose another folder: `mycelium config set markdown.folder FOLDER`",
            shell_word(path)
        ),
    )
}
