//! What git stores for a file: end-of-line, encoding and `$Id$` conversions by attributes. External filters are never run.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use gix::attrs::StateRef;
use gix::attrs::search::Outcome;
use gix::bstr::BStr;
use gix::filter::plumbing::Pipeline;
use gix::filter::plumbing::pipeline::CrlfRoundTripCheck;
use gix::filter::plumbing::pipeline::convert::ToGitOutcome;
use gix::objs::Find;
use gix::worktree::Stack;
use gix::worktree::stack::state::attributes::Source;

use super::contents;
use super::error::GitError;
use super::index::{self, FileId};
use super::repository::Repository;
use crate::name::{ContentId, visible};

/// The attributes and rules of a repository, read once and kept while their files stay as they are.
pub(super) struct Converter {
    stack: Stack,
    pipeline: Pipeline,
    /// Attribute files that were read or looked for.
    files: HashMap<PathBuf, Option<FileId>>,
}

impl Repository {
    /// The id of what git would store for these bytes at a path: after the built-in conversions (line ends, encoding),
    /// never through an external filter.
    ///
    /// # Errors
    /// [`GitError::Object`] if attributes cannot be read or the bytes do not fit their encoding.
    pub fn content_id(&self, path_in_repo: &str, bytes: &[u8]) -> Result<ContentId, GitError> {
        self.refresh()?;
        let stored = self.convert(path_in_repo, bytes)?;
        let failed = GitError::object(format!("hash `{}`", visible(path_in_repo)));
        let stored = stored.as_deref().unwrap_or(bytes);
        let id = gix::objs::compute_hash(self.gix().object_hash(), gix::objs::Kind::Blob, stored).map_err(failed)?;
        Ok(contents::content_id(id))
    }

    /// The external filter that git itself would run on a path, if one is set up. Such a file is committed as it is in the
    /// work tree, and `git status` then shows it as modified: worth telling the user.
    ///
    /// # Errors
    /// [`GitError::Object`] if attributes cannot be read.
    pub fn external_filter(&self, path_in_repo: &str) -> Result<Option<String>, GitError> {
        self.refresh()?;
        let name = self.with_converter(path_in_repo, |converter, repo| {
            let mut outcome = converter.stack.selected_attribute_matches(["filter"]);
            let place = converter.stack.at_path(Path::new(path_in_repo), None, &repo.objects)?;
            place.matching_attributes(&mut outcome);
            Ok(filter_name(&outcome))
        })?;
        let Some(name) = name else { return Ok(None) };
        let repo = self.gix();
        let config = repo.config_snapshot();
        let is_set = |key: &str| config.string(format!("filter.{name}.{key}").as_str()).is_some();
        Ok((is_set("clean") || is_set("process")).then_some(name))
    }

    /// The bytes to store for a file; `None` if they are the same.
    pub(super) fn convert(&self, path_in_repo: &str, bytes: &[u8]) -> Result<Option<Vec<u8>>, GitError> {
        self.with_converter(path_in_repo, |converter, repo| {
            let Converter { stack, pipeline, .. } = converter;
            let place = stack.at_path(Path::new(path_in_repo), None, &repo.objects)?;
            let outcome = pipeline.convert_to_git(
                bytes,
                Path::new(path_in_repo),
                &mut |_: &BStr, attributes: &mut Outcome| {
                    place.matching_attributes(attributes);
                },
                &mut |buffer: &mut Vec<u8>| {
                    let index = self.index(repo.object_hash())?;
                    let entry = index.entry_by_path(BStr::new(path_in_repo));
                    let Some(id) = entry.map(|entry| entry.id) else { return Ok(None) };
                    Ok(repo
                        .objects
                        .try_find(&id, buffer)?
                        .filter(|found| found.kind == gix::objs::Kind::Blob)
                        .map(|_| ()))
                },
            )?;
            Ok(match outcome {
                ToGitOutcome::Unchanged(_) => None,
                ToGitOutcome::Buffer(stored) => Some(stored.to_vec()),
                ToGitOutcome::Process(_) => return Err("an external filter answered though none is set up".into()),
            })
        })
    }

    fn with_converter<T>(
        &self,
        path_in_repo: &str,
        work: impl FnOnce(&mut Converter, &gix::Repository) -> Result<T, Box<dyn std::error::Error + Send + Sync>>,
    ) -> Result<T, GitError> {
        let failed = || GitError::object(format!("read the attributes of `{}`", visible(path_in_repo)));
        let repo = self.gix();
        let mut slot = self.converter.borrow_mut();
        let looked = attribute_files(self, path_in_repo);
        let is_fresh =
            |known: &Converter| looked.iter().all(|(file, id)| known.files.get(file).is_none_or(|k| k == id));
        if !slot.as_ref().is_some_and(is_fresh) {
            *slot = None;
        }
        let converter = match &mut *slot {
            Some(converter) => converter,
            empty => empty.insert(make(&repo).map_err(failed())?),
        };
        converter.files.extend(looked);
        work(converter, &repo).map_err(failed())
    }
}

fn make(repo: &gix::Repository) -> Result<Converter, Box<dyn std::error::Error + Send + Sync>> {
    // The index only serves attribute files that are not checked out, which happens in sparse work trees.
    let is_sparse = repo.config_snapshot().boolean("core.sparseCheckout") == Some(true);
    let hash = repo.object_hash();
    let index = if is_sparse { index::open(&repo.index_path(), hash)?.into_parts().0 } else { index::empty(hash) };
    let stack = repo.attributes_only(&index, Source::WorktreeThenIdMapping)?.detach();
    let mut options = gix::filter::Pipeline::options(repo)?;
    options.drivers.clear();
    options.crlf_roundtrip_check = CrlfRoundTripCheck::Skip;
    let pipeline = Pipeline::new(gix::command::Context::default(), repo.object_hash(), options);
    Ok(Converter { stack, pipeline, files: HashMap::new() })
}

/// Every attribute file that could speak of a path, and what it looks like now.
fn attribute_files(repo: &Repository, path_in_repo: &str) -> Vec<(PathBuf, Option<FileId>)> {
    let mut folder = repo.work_tree().to_owned();
    let mut files = vec![repo.common_dir().join("info/attributes"), folder.join(".gitattributes")];
    let mut parts: Vec<&str> = path_in_repo.split('/').collect();
    parts.pop();
    for part in parts {
        folder.push(part);
        files.push(folder.join(".gitattributes"));
    }
    files.into_iter().map(|file| (file.clone(), FileId::of(&file).ok().flatten())).collect()
}

fn filter_name(outcome: &Outcome) -> Option<String> {
    outcome.iter_selected().find_map(|found| match found.assignment.state {
        StateRef::Value(value) => Some(value.as_bstr().to_string()),
        _ => None,
    })
}
