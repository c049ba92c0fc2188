//! Base by content: if one side of a merge holds a version from which the other side has gone on, that side is what both came
//! from. So it is after a squash merge: the branch that goes on has no commit in common with what was squashed.

use std::collections::BTreeMap;
use std::path::Path;

use super::pushed::GitMerge;
use crate::adapters::git::{Repository, Target, Unmerged};
use crate::core::diagnostic::Diagnostic;
use crate::core::document::Document;
use crate::core::merge::MergeSide;
use crate::core::name::{ContentId, DocPath, Revision};
use crate::services::index::{DocumentReader, held_back};
use crate::services::{Error, environment};

/// What git names the revisions by that it merges, for its merge drivers.
const GIT_HEADS: &str = "GITHEAD_";

/// Which side is behind, from what each side's history, or what the mirror remembers, says of the other's version; neither if
/// both went on from the other.
pub(in crate::services) const fn judge(theirs_had_ours: bool, ours_had_theirs: bool) -> Option<MergeSide> {
    match (theirs_had_ours, ours_had_theirs) {
        (true, false) => Some(MergeSide::Ours),
        (false, true) => Some(MergeSide::Theirs),
        _ => None,
    }
}

/// A document that both sides of a merge changed, with what ours and theirs hold.
pub(in crate::services) type Both<'a> = (&'a DocPath, &'a ContentId, &'a ContentId);

/// The side that is behind for each of these documents, where one is. `tips` are the revisions of both sides.
pub(in crate::services) fn sides_behind(
    repository: &Repository,
    folder: &str,
    tips: (&Revision, &Revision),
    both: &[Both<'_>],
) -> Result<Vec<Option<MergeSide>>, Error> {
    if both.is_empty() {
        return Ok(Vec::new());
    }
    let (here, there) = tips;
    let paths: Vec<&DocPath> = both.iter().map(|(path, ..)| *path).collect();
    let theirs_had = repository.log().versions_since(Some(here), there, folder, &paths)?;
    let ours_had = repository.log().versions_since(Some(there), here, folder, &paths)?;
    let one = |(path, ours, theirs): &Both<'_>| {
        let key = |id: &ContentId| ((*path).clone(), id.clone());
        judge(theirs_had.contains(&key(ours)), ours_had.contains(&key(theirs)))
    };
    Ok(both.iter().map(one).collect())
}

/// The same for two versions of one document in a merge that git is at: the revisions are HEAD and, of those that are merged,
/// the one that holds `theirs`. No side is behind in a rebase, cherry-pick or revert, whose base is exact: what lies between
/// the base and the commit that is picked was not asked for.
pub(super) fn behind_in_merge(
    repository: &Repository,
    folder: &str,
    path: &DocPath,
    (ours, theirs): (&Document, &Document),
    merged: &[Revision],
) -> Result<Option<MergeSide>, Error> {
    let Some(here) = repository.view().head(&Target::Current)?.revision else { return Ok(None) };
    let only = std::collections::BTreeSet::from([path.clone()]);
    let held = |at: &Revision, by: &Document| -> Result<Option<ContentId>, Error> {
        let Some(id) = repository.view().contents_of(Some(at), folder, &only)?.remove(path) else { return Ok(None) };
        Ok((repository.view().read(&id)? == by.bytes()).then_some(id))
    };
    let Some(mine) = held(&here, ours)? else { return Ok(None) };
    for there in merged {
        if let Some(other) = held(there, theirs)? {
            let sides = sides_behind(repository, folder, (&here, there), &[(path, &mine, &other)])?;
            return Ok(sides.into_iter().next().flatten());
        }
    }
    Ok(None)
}

/// The conflicts in documents whose versions in the index are their texts; each of the others is a finding.
pub(super) fn own_conflicts(
    documents: DocumentReader<'_>,
    repository: &Repository,
    findings: &mut Vec<Diagnostic>,
) -> Result<BTreeMap<DocPath, Unmerged>, Error> {
    let mut own = BTreeMap::new();
    for (path, unmerged) in repository.view().conflicts(documents.folder())? {
        let in_repository = documents.in_repository(&path);
        match repository.attributes().attribute_gap(&in_repository)? {
            None => drop(own.insert(path, unmerged)),
            Some(gap) => findings.push(held_back::not_merged(&path, &in_repository, &gap)),
        }
    }
    Ok(own)
}

/// The side that is behind with a document that a merge left in conflict, and the side that the remote has already.
pub(super) fn sides_in_conflict(
    folder: &str,
    repository: &Repository,
    path: &DocPath,
    (ours, theirs): (&Document, &Document),
) -> Result<(Option<MergeSide>, Option<MergeSide>), Error> {
    let merged = &*repository.view().merge_heads();
    let behind = match merged {
        [] => None,
        merged => behind_in_merge(repository, folder, path, (ours, theirs), merged)?,
    };
    Ok((behind, GitMerge { repository, folder, path, ours, theirs, merged }.pushed()?))
}

/// The same for a merge driver, which git starts at the top of the work tree with the revisions in its environment. What cannot
/// be found out makes no merge fail: the base that git gave stays.
pub(super) fn behind_for_driver(folder: &str, path: &DocPath, versions: (&Document, &Document)) -> Option<MergeSide> {
    let (repository, merged) = merge_of_driver()?;
    behind_in_merge(&repository, folder, path, versions, &merged).ok()?
}

/// The repository in which git started this as a merge driver, and the revisions that it merges into HEAD.
pub(super) fn merge_of_driver() -> Option<(Repository, Vec<Revision>)> {
    let place = environment::current_folder().ok()?;
    let repository = Repository::discover(Path::new(&place)).ok()??;
    let names = environment::names_with(GIT_HEADS);
    let mut merged: Vec<Revision> = names.iter().filter_map(|name| Revision::new(name.as_str())).collect();
    merged.extend(repository.view().merge_heads());
    Some((repository, merged))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_side_can_be_behind() {
        assert_eq!(judge(true, false), Some(MergeSide::Ours));
        assert_eq!(judge(false, true), Some(MergeSide::Theirs));
        assert_eq!((judge(true, true), judge(false, false)), (None, None));
    }
}
