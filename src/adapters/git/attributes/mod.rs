//! What git stores for a file: end-of-line, encoding and `$Id$` conversions by attributes. External filters are never run.

pub(super) mod view_gap;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use gix::ObjectId;
use gix::attrs::search::Outcome;
use gix::bstr::BStr;
use gix::filter::plumbing::Pipeline;
use gix::filter::plumbing::pipeline::CrlfRoundTripCheck;
use gix::filter::plumbing::pipeline::convert::ToGitOutcome;
use gix::objs::Find;
use gix::objs::tree::EntryKind;
use gix::worktree::Stack;
use gix::worktree::stack::state::attributes::Source;

use super::attributes::view_gap::{ATTRIBUTES, ViewGap};
use super::error::GitError;
use super::index::{self, FileId};
use super::mode::is_program;
use super::repository::Repository;
use super::rule_file;
use super::view::contents;
use crate::core::name::{ContentId, Revision, visible};

/// The attributes and rules of a repository, read once and kept while their files stay as they are.
pub(super) struct Converter {
    pub(super) stack: Stack,
    pipeline: Pipeline,
    /// Attribute files that were read or looked for.
    files: BTreeMap<String, AttributeFile>,
}

/// Where attributes came from, and which version of it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum AttributeFile {
    /// A file, or none.
    File(Option<FileId>),
    /// Nothing can be found out about the file.
    Unknown,
    /// A blob of the index, because there is no such file in the worktree.
    Indexed(Option<ObjectId>),
}

impl AttributeFile {
    /// Looks at a file.
    fn at(path: &Path) -> Self {
        FileId::of(path).map_or(Self::Unknown, Self::File)
    }

    /// There is no such file.
    fn is_missing(&self) -> bool {
        matches!(self, Self::File(None) | Self::Indexed(_))
    }
}

/// The attributes of files, and what git stores for a file by them.
#[derive(Debug, Clone, Copy)]
pub struct GitAttributes<'r> {
    pub(super) repo: &'r Repository,
}

impl GitAttributes<'_> {
    /// The id of what git would store for these bytes at a path: after the built-in conversions (line ends, `$Id$`). `None` if
    /// only git can tell, because of a filter or an encoding: see [`Self::attribute_gap`].
    ///
    /// # Errors
    /// [`GitError::Object`] if attributes cannot be read.
    pub fn content_id(self, path_in_repo: &str, bytes: &[u8]) -> Result<Option<ContentId>, GitError> {
        self.repo.refresh()?;
        let Ok(stored) = self.to_store(path_in_repo, bytes)? else { return Ok(None) };
        let failed = GitError::object(format!("hash `{}`", visible(path_in_repo)));
        let stored = stored.as_deref().unwrap_or(bytes);
        let id =
            gix::objs::compute_hash(self.repo.gix().object_hash(), gix::objs::Kind::Blob, stored).map_err(failed)?;
        Ok(Some(contents::content_id(id)))
    }

    /// The bytes to store for a file; `None` if they are the same. Nothing that only git can store gets past here.
    pub(super) fn convert(self, path_in_repo: &str, bytes: &[u8]) -> Result<Option<Vec<u8>>, GitError> {
        self.to_store(path_in_repo, bytes)?.map_err(|gap| {
            let what = format!("`{}` cannot be stored: {gap}", visible(path_in_repo));
            GitError::refused(what, gap.hint(path_in_repo))
        })
    }

    /// The bytes to store for a file, where they are others, or why only git can tell.
    fn to_store(self, path_in_repo: &str, bytes: &[u8]) -> Result<Result<Option<Vec<u8>>, ViewGap>, GitError> {
        if self.has_other_attributes() {
            return Ok(Err(ViewGap::AttributesElsewhere));
        }
        let found = self.with_converter(path_in_repo, |converter, repo| {
            let Converter { stack, pipeline, .. } = converter;
            let mut selected = stack.selected_attribute_matches(ATTRIBUTES);
            let place = stack.at_path(Path::new(path_in_repo), None, &repo.objects)?;
            place.matching_attributes(&mut selected);
            if let Some(gap) = ViewGap::of_attributes(&selected) {
                return Ok(Err(gap));
            }
            let outcome = pipeline.convert_to_git(
                bytes,
                Path::new(path_in_repo),
                &mut |_: &BStr, attributes: &mut Outcome| {
                    place.matching_attributes(attributes);
                },
                &mut |buffer: &mut Vec<u8>| {
                    let index = self.repo.index().read(repo.object_hash())?;
                    let entry = index.entry_by_path(BStr::new(path_in_repo));
                    let Some(id) = entry.map(|entry| entry.id) else { return Ok(None) };
                    Ok(repo
                        .objects
                        .try_find(&id, buffer)?
                        .filter(|found| found.kind == gix::objs::Kind::Blob)
                        .map(|_| ()))
                },
            )?;
            Ok(Ok(match outcome {
                ToGitOutcome::Unchanged(_) => None,
                ToGitOutcome::Buffer(stored) => Some(stored.to_vec()),
                ToGitOutcome::Process(_) => return Err("an external filter answered though none is set up".into()),
            }))
        })?;
        Ok(found.and_then(std::convert::identity))
    }

    /// Does something with the attributes of a path, or returns why they cannot be read.
    pub(super) fn with_converter<T>(
        self,
        path_in_repo: &str,
        work: impl FnOnce(&mut Converter, &gix::Repository) -> Result<T, Box<dyn std::error::Error + Send + Sync>>,
    ) -> Result<Result<T, ViewGap>, GitError> {
        let failed = || GitError::object(format!("read the attributes of `{}`", visible(path_in_repo)));
        let repo = self.repo.gix();
        let mut slot = self.repo.converter.borrow_mut();
        let folder = path_in_repo.rsplit_once('/').map_or("", |(folder, _)| folder);
        if self.is_folder_seen(folder)
            && let Some(converter) = &mut *slot
        {
            return work(converter, &repo).map(Ok).map_err(failed());
        }
        let looked = self.attribute_files(&repo, path_in_repo)?;
        let is_fresh =
            |known: &Converter| looked.iter().all(|(file, state)| known.files.get(file).is_none_or(|k| k == state));
        if !slot.as_ref().is_some_and(is_fresh) {
            *slot = None;
        }
        // The rules of a folder are read when a path in it is first asked for, so all of its files must be known by then.
        let knows_all = |known: &Converter| looked.keys().all(|file| known.files.contains_key(file));
        if !slot.as_ref().is_some_and(knows_all) {
            let may_be_there = looked.iter().filter(|(_, state)| !state.is_missing()).map(|(file, _)| file);
            if let Some(gap) = self.unreadable(may_be_there) {
                return Ok(Err(gap));
            }
            let mut files = slot.take().map_or_else(BTreeMap::new, |known| known.files);
            files.extend(looked);
            *slot = Some(make(&repo, files).map_err(failed())?);
        }
        self.note_folder_seen(folder);
        let Some(converter) = &mut *slot else { return Err(failed()("no rules were read".into())) };
        work(converter, &repo).map(Ok).map_err(failed())
    }

    /// Returns true if the attribute files of a folder were looked at for the [`PinnedView`](super::PinnedView) that there is.
    fn is_folder_seen(self, folder: &str) -> bool {
        let seen = self.repo.attributes_seen.borrow();
        self.repo.pinned_refresh() == Some(seen.0) && seen.1.contains(folder)
    }

    fn note_folder_seen(self, folder: &str) {
        let Some(refresh) = self.repo.pinned_refresh() else { return };
        let mut seen = self.repo.attributes_seen.borrow_mut();
        if seen.0 != refresh {
            *seen = (refresh, BTreeSet::new());
        }
        seen.1.insert(folder.to_owned());
    }

    /// The first of these attribute files that cannot be read, and why.
    fn unreadable<'f>(self, files: impl IntoIterator<Item = &'f String>) -> Option<ViewGap> {
        files.into_iter().find_map(|file| {
            let is_in_worktree = !Path::new(file).is_absolute();
            let why = rule_file::fault(&self.repo.work_tree().join(file), is_in_worktree)?;
            Some(ViewGap::AttributesUnreadable { file: visible(file), why })
        })
    }

    /// The attribute files outside of the worktree.
    fn outside_files(self, repo: &gix::Repository) -> impl Iterator<Item = String> {
        let files = [Some(self.repo.common_dir().join("info/attributes")), user_file(repo)];
        files.into_iter().flatten().map(|file| file.to_string_lossy().into_owned())
    }

    /// Every attribute file that could speak of a path, and its state now. A `.gitattributes` that is not in the worktree counts
    /// as the index has it, as in git.
    fn attribute_files(
        self,
        repo: &gix::Repository,
        path_in_repo: &str,
    ) -> Result<BTreeMap<String, AttributeFile>, GitError> {
        let mut files = BTreeMap::new();
        let mut index = None;
        for file in self.outside_files(repo) {
            let state = AttributeFile::at(Path::new(&file));
            files.insert(file, state);
        }
        for folder in std::iter::once(0).chain(path_in_repo.match_indices('/').map(|(end, _)| end + 1)) {
            let name = format!("{}.gitattributes", &path_in_repo[..folder]);
            let here = AttributeFile::at(&self.repo.work_tree().join(&name));
            let state = if here.is_missing() {
                if index.is_none() {
                    index =
                        Some(self.repo.index().read(repo.object_hash()).map_err(GitError::object("read the index"))?);
                }
                let found = index.as_ref().and_then(|index| index.entry_by_path(BStr::new(&name)));
                AttributeFile::Indexed(found.map(|entry| entry.id))
            } else {
                here
            };
            files.insert(name, state);
        }
        Ok(files)
    }

    /// The kind of entry that git would make of the file at a path: a program if its owner may run it, where `core.fileMode` is
    /// not off; else what the last commit has there.
    pub(super) fn entry_kind(self, path_in_repo: &str, before: Option<EntryKind>) -> EntryKind {
        let kept = if before == Some(EntryKind::BlobExecutable) { EntryKind::BlobExecutable } else { EntryKind::Blob };
        if self.repo.switch("core.fileMode") == Some(false) {
            return kept;
        }
        match fs::symlink_metadata(self.repo.work_tree().join(path_in_repo)) {
            Ok(meta) if meta.is_file() && is_program(meta.permissions().mode()) => EntryKind::BlobExecutable,
            Ok(meta) if meta.is_file() => EntryKind::Blob,
            _ => kept,
        }
    }

    /// Names of drivers of a sort (`filter`, `merge`) that the repository's own configuration sets, as git itself reads it,
    /// with all that it includes. Nothing may start them.
    ///
    /// # Errors
    /// [`GitError::Program`] if git cannot read its configuration.
    pub(super) fn own_drivers(self, sort: &str, keys: &[&str]) -> Result<Vec<String>, GitError> {
        let pattern = format!("^{sort}\\..*\\.({})$", keys.join("|"));
        let arguments = ["config", "--null", "--show-scope", "--name-only", "--get-regexp", &pattern];
        let answer = self.repo.program().run(&arguments)?;
        if !matches!(answer.code, Some(0 | 1)) {
            return Err(GitError::Program { verb: "config".to_owned(), why: answer.stderr });
        }
        let text = String::from_utf8_lossy(&answer.stdout).into_owned();
        let mut tokens = text.split('\0');
        let mut names = Vec::new();
        while let (Some(scope), Some(key)) = (tokens.next(), tokens.next()) {
            let name = key.get(sort.len() + 1..).and_then(|rest| rest.rsplit_once('.'));
            if let Some((name, _)) = name.filter(|_| matches!(scope, "local" | "worktree")) {
                names.push(name.to_owned());
            }
        }
        names.sort();
        names.dedup();
        Ok(names)
    }
}

impl GitAttributes<'_> {
    /// The first of these paths that only git can store by the attributes that a revision has, and why.
    ///
    /// # Errors
    /// [`GitError::Object`] if the revision or its attributes cannot be read.
    pub fn attribute_gap_at(self, at: &Revision, paths: &[String]) -> Result<Option<(String, ViewGap)>, GitError> {
        let what = format!("read the attributes at {}", at.short());
        let failed = || GitError::object(what.clone());
        let repo = self.repo.gix();
        if let (Some(path), Some(gap)) =
            (paths.first(), self.unreadable(&self.outside_files(&repo).collect::<Vec<_>>()))
        {
            return Ok(Some((path.clone(), gap)));
        }
        let tree = repo.find_commit(contents::parse(at.as_str())?).map_err(failed())?.tree().map_err(failed())?;
        let mut files = BTreeMap::new();
        let folders = paths
            .iter()
            .flat_map(|path| std::iter::once("").chain(path.match_indices('/').map(|(end, _)| &path[..=end])));
        for folder in folders.collect::<BTreeSet<_>>() {
            let name = format!("{folder}.gitattributes");
            let found = tree.lookup_entry_by_path(&name).map_err(failed())?;
            let id = found.filter(|entry| entry.mode().is_blob()).map(|entry| entry.object_id());
            files.insert(name, AttributeFile::Indexed(id));
        }
        let mut converter = make_from(&repo, files, Source::IdMapping).map_err(GitError::object(what.clone()))?;
        for path in paths {
            let mut outcome = converter.stack.selected_attribute_matches(ATTRIBUTES);
            let place = converter
                .stack
                .at_path(Path::new(path), None, &repo.objects)
                .map_err(GitError::object(what.clone()))?;
            place.matching_attributes(&mut outcome);
            if let Some(gap) = ViewGap::of_attributes(&outcome) {
                return Ok(Some((path.clone(), gap)));
            }
        }
        Ok(None)
    }
}

fn make(
    repo: &gix::Repository,
    files: BTreeMap<String, AttributeFile>,
) -> Result<Converter, Box<dyn std::error::Error + Send + Sync>> {
    make_from(repo, files, Source::WorktreeThenIdMapping)
}

fn make_from(
    repo: &gix::Repository,
    files: BTreeMap<String, AttributeFile>,
    source: Source,
) -> Result<Converter, Box<dyn std::error::Error + Send + Sync>> {
    let mut index = index::empty(repo.object_hash());
    for (name, state) in &files {
        if let AttributeFile::Indexed(Some(id)) = state {
            let (stat, flags) = (gix::index::entry::Stat::default(), gix::index::entry::Flags::empty());
            index.dangerously_push_entry(stat, *id, flags, gix::index::entry::Mode::FILE, BStr::new(name.as_str()));
        }
    }
    index.sort_entries();
    let stack = repo.attributes_only(&index, source)?.detach();
    let mut options = gix::filter::Pipeline::options(repo)?;
    options.drivers.clear();
    options.crlf_roundtrip_check = CrlfRoundTripCheck::Skip;
    let pipeline = Pipeline::new(gix::command::Context::default(), repo.object_hash(), options);
    Ok(Converter { stack, pipeline, files })
}

/// The user's own file of attributes: `core.attributesFile`, else `git/attributes` in their configuration.
fn user_file(repo: &gix::Repository) -> Option<PathBuf> {
    let set = repo.config_snapshot().trusted_path("core.attributesFile").ok().flatten();
    set.or_else(|| {
        let xdg = std::env::var_os("XDG_CONFIG_HOME").filter(|path| !path.is_empty()).map(PathBuf::from);
        let config = xdg.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config")));
        config.map(|config| config.join("git/attributes"))
    })
}
