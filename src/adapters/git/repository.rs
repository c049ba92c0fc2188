//! Finding and opening a repository, and refusing those that are not safe to work in. Writes nothing.

mod pinned_view;

use std::cell::{Cell, Ref, RefCell};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gix::ObjectId;
use gix::bstr::ByteSlice;
use gix::config::Source;
use gix::discover::repository::Path as Lying;
use gix::discover::upwards;

pub use self::pinned_view::PinnedView;
use self::pinned_view::stamps;
use super::attributes::{Converter, GitAttributes};
use super::committer::GitCommitter;
use super::committer::hooks::Hooks;
use super::error::{GitError, shown};
use super::ignore_rules::IgnoreRules;
use super::index::{FileId, GitIndex};
use super::kept_commits::KeptCommits;
use super::log::GitLog;
use super::merge_commit::MergeCommitter;
use super::mode::SharedMode;
use super::pack::Published;
use super::pack_upkeep::PackUpkeep;
use super::program::Program;
use super::references::{GitReferences, Target, Tip};
use super::remote::GitRemote;
use super::rule_file;
use super::setup::GitSetup;
use super::trust::{self, Found, RealPaths};
use super::view::GitView;

/// How long a commit waits for locks of others by default.
const PATIENCE: Duration = Duration::from_secs(3);

/// How many packs can be kept track of between two openings.
const PACKS_MIN: usize = 128;

/// How much of the objects that were read last is kept: a commit reads the same trees several times.
const OBJECTS_BYTES_MAX: usize = 1024 * 1024;

/// Extensions of the repository format that are understood; any other is refused, as git does.
const EXTENSIONS: [&str; 9] = [
    "noop",
    "noop-v1",
    "objectformat",
    "partialclone",
    "preciousobjects",
    "refstorage",
    "relativeworktrees",
    "submodulepathconfig",
    "worktreeconfig",
];

/// Where the branches are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RefStorage {
    Files,
    Reftable,
}

/// An open repository with a work tree. One thread uses it at a time; opening one takes about a millisecond.
pub struct Repository {
    gix: RefCell<gix::Repository>,
    stamps: RefCell<Vec<(PathBuf, Option<FileId>)>>,
    /// How often the configuration was compared with its files, and when last.
    refreshes: Cell<(u64, Instant)>,
    /// How many [`PinnedView`]s there are.
    pins: Cell<usize>,
    /// The folders whose attribute files were looked at since a refresh, and which one that was.
    pub(super) attributes_seen: RefCell<(u64, BTreeSet<String>)>,
    pub(super) converter: RefCell<Option<Converter>>,
    pub(super) last_index: RefCell<Option<(Option<FileId>, gix::index::File)>>,
    /// The index in which no entry was stale, as the mark of it said last.
    pub(super) aligned: Cell<Option<FileId>>,
    /// The tip that was read or set last, and the number of the refresh before.
    pub(super) last_tip: RefCell<Option<(u64, Target, Tip)>>,
    /// The pack of a commit that is to be tried again.
    pub(super) published: RefCell<Option<Published>>,
    work_tree: PathBuf,
    git_dir: PathBuf,
    common_dir: PathBuf,
    pub(super) refs: RefStorage,
    pub(super) patience: Duration,
    pub(super) hooks: Hooks,
}

impl std::fmt::Debug for Repository {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Repository")
            .field("work_tree", &self.work_tree)
            .field("git_dir", &self.git_dir)
            .finish_non_exhaustive()
    }
}

impl Repository {
    /// Finds the repository that a folder lies in, as git does (`GIT_DIR`, `GIT_WORK_TREE`, `GIT_CEILING_DIRECTORIES`
    /// are honoured); `None` outside of any. `GIT_INDEX_FILE` and `GIT_OBJECT_DIRECTORY` are not: commits keep the
    /// repository's own index in step and go to its own objects.
    ///
    /// # Errors
    /// [`GitError::Unsafe`] for a bare repository, one of an unknown format, or one that belongs to somebody else or lies
    /// elsewhere than it was found and is not in the user's `safe.directory`; others if it cannot be opened.
    pub fn discover(start: &Path) -> Result<Option<Self>, GitError> {
        // Finding and opening it reads files of it.
        let nearest = start.ancestors().map(|dir| dir.join(".git")).find(|dir| dir.is_dir());
        nearest.as_deref().map_or(Ok(()), |dir| rule_file::refuse_odd_files(dir, dir))?;
        let slots = gix::odb::store::init::Slots::AsNeededByDiskState { multiplier: 1.5, minimum: PACKS_MIN };
        let options = || gix::open::Options::default().permissions(permissions()).object_store_slots(slots);
        let opened = if std::env::var_os("GIT_DIR").is_some() {
            let trust = gix::sec::trust::Mapping { full: options(), reduced: options() };
            (None, gix::ThreadSafeRepository::open_with_environment_overrides(start, trust))
        } else {
            let Some(place) = find(start)? else { return Ok(None) };
            let opened = gix::ThreadSafeRepository::open_opts(&place.dir, options());
            (Some(place), opened)
        };
        let (found, opened) = opened;
        let mut repo =
            opened.map_err(GitError::object(format!("open the repository of `{}`", shown(start))))?.to_thread_local();
        repo.clear_namespace();
        repo.make_paths_absolute().map_err(GitError::object("find the folders of the repository"))?;
        Self::checked(repo, found.as_ref(), nearest.as_deref()).map(Some)
    }

    fn checked(mut repo: gix::Repository, found: Option<&Found>, looked_at: Option<&Path>) -> Result<Self, GitError> {
        let Some(work_tree) = repo.workdir().map(Path::to_owned) else {
            return Err(bare(repo.git_dir()));
        };
        let paths = RealPaths::default();
        trust::check(&repo, found, &paths)?;
        let refs = check_format(&repo)?;
        let (git_dir, common_dir) = (paths.find(repo.git_dir()), paths.find(repo.common_dir()));
        if [&git_dir, &common_dir].iter().any(|dir| looked_at != Some(dir.as_path())) {
            rule_file::refuse_odd_files(&git_dir, &common_dir)?;
        }
        let stamps = RefCell::new(stamps(&git_dir, &common_dir));
        repo.object_cache_size_if_unset(OBJECTS_BYTES_MAX);
        Ok(Self {
            gix: RefCell::new(repo),
            stamps,
            refreshes: Cell::new((0, Instant::now())),
            pins: Cell::new(0),
            attributes_seen: RefCell::default(),
            converter: RefCell::new(None),
            last_index: RefCell::new(None),
            aligned: Cell::new(None),
            last_tip: RefCell::new(None),
            published: RefCell::new(None),
            work_tree: paths.find(&work_tree),
            git_dir,
            common_dir,
            refs,
            patience: PATIENCE,
            hooks: Hooks::Never,
        })
    }

    /// The same repository with another bound on how long a commit waits for locks of others.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The same repository with or without hooks; without, unless this is called. Only the user's own configuration may ask
    /// for them.
    #[must_use]
    pub const fn with_hooks(mut self, hooks: Hooks) -> Self {
        self.hooks = hooks;
        self
    }

    /// What it holds, and what happens in it now.
    #[must_use]
    pub const fn view(&self) -> GitView<'_> {
        GitView { repo: self }
    }

    /// Its history.
    #[must_use]
    pub const fn log(&self) -> GitLog<'_> {
        GitLog { repo: self }
    }

    /// Its branches.
    #[must_use]
    pub const fn references(&self) -> GitReferences<'_> {
        GitReferences { repo: self }
    }

    /// The index of this work tree.
    #[must_use]
    pub const fn index(&self) -> GitIndex<'_> {
        GitIndex { repo: self }
    }

    /// The attributes of files.
    #[must_use]
    pub const fn attributes(&self) -> GitAttributes<'_> {
        GitAttributes { repo: self }
    }

    /// The rules by which files are ignored.
    #[must_use]
    pub const fn ignore_rules(&self) -> IgnoreRules<'_> {
        IgnoreRules { repo: self }
    }

    /// Makes commits.
    #[must_use]
    pub const fn committer(&self) -> GitCommitter<'_> {
        GitCommitter { repo: self }
    }

    /// Its remotes.
    #[must_use]
    pub const fn remotes(&self) -> GitRemote<'_> {
        GitRemote { repo: self }
    }

    /// Makes merge commits.
    #[must_use]
    pub const fn merge_commits(&self) -> MergeCommitter<'_> {
        MergeCommitter { repo: self }
    }

    /// Commits that keep documents which git replaced.
    #[must_use]
    pub const fn kept_commits(&self) -> KeptCommits<'_> {
        KeptCommits { repo: self }
    }

    /// How git is set up for it.
    #[must_use]
    pub const fn setup(&self) -> GitSetup<'_> {
        GitSetup { repo: self }
    }

    /// Packs its loose objects.
    #[must_use]
    pub const fn pack_upkeep(&self) -> PackUpkeep<'_> {
        PackUpkeep { repo: self }
    }

    /// The work tree's top folder, absolute.
    #[must_use]
    pub fn work_tree(&self) -> &Path {
        &self.work_tree
    }

    /// The git directory of this work tree (`.git`, or `.git/worktrees/<name>` of the main one), absolute.
    #[must_use]
    pub fn git_dir(&self) -> &Path {
        &self.git_dir
    }

    /// The git directory shared by all work trees, absolute.
    #[must_use]
    pub fn common_dir(&self) -> &Path {
        &self.common_dir
    }

    /// Tells whether there are, or were, further work trees of this repository.
    #[must_use]
    pub fn has_linked_work_trees(&self) -> bool {
        self.common_dir().join("worktrees").exists()
    }

    /// Where the committer keeps its journal and temporary files: `<git_dir>/mycelium`.
    pub(super) fn run_dir(&self) -> PathBuf {
        self.git_dir.join("mycelium")
    }

    pub(super) fn index_path(&self) -> PathBuf {
        self.git_dir.join("index")
    }

    pub(super) fn objects_dir(&self) -> PathBuf {
        self.common_dir.join("objects")
    }

    /// The open repository, as the files said when it was last opened.
    pub(super) fn gix(&self) -> Ref<'_, gix::Repository> {
        self.gix.borrow()
    }

    pub(super) fn program(&self) -> Program<'_> {
        Program::new(&self.git_dir, &self.work_tree)
    }

    /// A switch of the configuration, whoever set it.
    pub(super) fn switch(&self, key: &'static str) -> Option<bool> {
        self.gix().config_snapshot().boolean(key)
    }

    /// A text of the configuration that is not set by the repository itself.
    pub(super) fn users_own(&self, key: &'static str) -> Option<String> {
        let repo = self.gix();
        let config = repo.config_snapshot();
        let value = config
            .plumbing()
            .string_filter(key, |section| section.source.kind() != gix::config::source::Kind::Repository)?;
        Some(value.to_str_lossy().into_owned())
    }

    /// The rights that what is made in the repository is to have.
    pub(super) fn shared_mode(&self) -> SharedMode {
        let repo = self.gix();
        let config = repo.config_snapshot();
        let Some(value) = config.string("core.sharedRepository") else {
            // The key alone, without a value, means a group; without the key there is nothing to find.
            let is_set = config.boolean("core.sharedRepository") == Some(true);
            return if is_set { SharedMode::AtLeast(0o660) } else { SharedMode::Umask };
        };
        SharedMode::parse(&value.to_string()).unwrap_or(SharedMode::Umask)
    }

    /// Gives a loose object that was just written, and its folder, the rights that are asked for.
    pub(super) fn share_object(&self, id: ObjectId) -> io::Result<()> {
        let (shared, hex) = (self.shared_mode(), id.to_string());
        let folder = self.objects_dir().join(&hex[..2]);
        // One that is in a pack already was not written.
        let mut there = [folder.join(&hex[2..]), folder].into_iter().filter(|path| path.exists());
        there.try_for_each(|path| shared.apply(&path))
    }

    /// What git calls this work tree; `None` for the main one.
    #[must_use]
    pub fn work_tree_name(&self) -> Option<String> {
        let name = self.git_dir().file_name().filter(|_| self.git_dir() != self.common_dir())?;
        Some(name.to_string_lossy().into_owned())
    }

    /// Returns true if there is a linked work tree of this name.
    #[must_use]
    pub fn has_work_tree(&self, name: &str) -> bool {
        !name.contains('/') && self.common_dir().join("worktrees").join(name).join("HEAD").exists()
    }
}

/// Everything that git itself reads, but no program is asked for its installation and no other object folders come from the environment.
fn permissions() -> gix::open::Permissions {
    let mut permissions = gix::open::Permissions::all();
    permissions.env.objects = gix::sec::Permission::Deny;
    permissions.config.git_binary = false;
    permissions.attributes.git_binary = false;
    permissions
}

fn find(start: &Path) -> Result<Option<Found>, GitError> {
    let mut options = upwards::Options { match_ceiling_dir_or_error: false, ..Default::default() }.apply_environment();
    options.cross_fs = std::env::var_os("GIT_DISCOVERY_ACROSS_FILESYSTEM").is_some_and(|value| is_true(&value));
    match gix::discover::upwards_opts(start, options) {
        Ok((Lying::WorkTree(dir) | Lying::LinkedWorkTree { work_dir: dir, .. }, trust)) => {
            Ok(Some(Found { dir, trust }))
        }
        Ok((Lying::Repository(dir), _)) => Err(bare(&dir)),
        Err(error) if is_nothing(&error) => Ok(None),
        Err(error) => Err(GitError::object(format!("look for a repository around `{}`", shown(start)))(error)),
    }
}

fn is_true(value: &OsString) -> bool {
    matches!(value.to_str(), Some("1" | "true" | "yes" | "on"))
}

fn is_nothing(error: &gix::Error) -> bool {
    error.downcast_any_ref::<upwards::Error>().is_some_and(|error| {
        matches!(
            error,
            upwards::Error::NoGitRepository { .. }
                | upwards::Error::NoGitRepositoryWithinCeiling { .. }
                | upwards::Error::NoGitRepositoryWithinFs { .. }
        )
    })
}

fn bare(dir: &Path) -> GitError {
    GitError::Unsafe {
        path: shown(dir),
        why: "it is a bare repository, or the inside of one".to_owned(),
        hint: "work in a clone that has a work tree, or give its folder with --root".to_owned(),
    }
}

fn check_format(repo: &gix::Repository) -> Result<RefStorage, GitError> {
    let config = repo.config_snapshot();
    let file = config.plumbing();
    let is_own = |source: Source| source.kind() == gix::config::source::Kind::Repository;
    if file.integer_filter("core.repositoryFormatVersion", |meta| is_own(meta.source)).ok().flatten().unwrap_or(0) < 1 {
        return Ok(RefStorage::Files);
    }
    let mut refs = RefStorage::Files;
    for section in file.sections_by_name("extensions").into_iter().flatten().filter(|s| is_own(s.meta().source)) {
        for name in section.value_names() {
            let key = name.to_ascii_lowercase();
            if !EXTENSIONS.contains(&key.as_str()) {
                return Err(unknown_format(repo, &format!("its format has the unknown extension `{key}`")));
            }
            let value = section.value(&key).map(|value| value.to_string()).unwrap_or_default();
            match (key.as_str(), value.as_str()) {
                ("refstorage", "reftable") => refs = RefStorage::Reftable,
                ("refstorage", "files") => refs = RefStorage::Files,
                ("refstorage", _) => return Err(unknown_format(repo, "it keeps its branches in an unknown way")),
                _ => {}
            }
        }
    }
    Ok(refs)
}

fn unknown_format(repo: &gix::Repository, why: &str) -> GitError {
    GitError::Unsafe {
        path: shown(repo.git_dir()),
        why: crate::core::name::visible(why),
        hint: "update mycelium, or clone the repository in the usual format".to_owned(),
    }
}
