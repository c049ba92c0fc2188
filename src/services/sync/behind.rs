//! Which side of a merge is behind with a document: it holds a version from which the other side has gone on. That happens
//! where both clones took the same changes from a server and committed them at different stages.

use std::collections::BTreeMap;

use super::Exchange;
use crate::core::document::Document;
use crate::core::merge::MergeSide;
use crate::core::name::{ContentId, DocPath, Revision};
use crate::core::reconcile;
use crate::services::Error;
use crate::services::conflicts::{judge, sides_behind};

/// Which documents a revision holds.
pub(super) type Contents = BTreeMap<DocPath, ContentId>;
/// Where both sides are.
pub(super) type Tips<'a> = (Option<&'a Revision>, &'a Revision);

impl Exchange<'_> {
    /// The documents with which one side is behind. Where no document changed on both sides, nothing is asked.
    pub(super) fn behind<'p>(
        &self,
        tips: Tips<'_>,
        olds: &[Contents],
        mine: &Contents,
        other: &Contents,
        changed: &[&'p DocPath],
    ) -> Result<Vec<(&'p DocPath, MergeSide)>, Error> {
        let is_new = |path: &DocPath, id: &ContentId| olds.iter().all(|old| old.get(path) != Some(id));
        let both = |path: &'p DocPath| {
            let (ours, theirs) = (mine.get(path)?, other.get(path)?);
            (ours != theirs && is_new(path, ours) && is_new(path, theirs)).then_some((path, ours, theirs))
        };
        let both: Vec<_> = changed.iter().filter_map(|path| both(path)).collect();
        let (Some(here), there) = tips else { return Ok(Vec::new()) };
        if both.is_empty() {
            return Ok(Vec::new());
        }
        let sides = sides_behind(self.repository, self.documents.folder(), (here, there), &both)?;
        let mut behind = Vec::new();
        for ((path, ours, theirs), side) in both.into_iter().zip(sides) {
            let side = match side {
                Some(side) => Some(side),
                None => self.behind_by_mirror(path, ours, theirs)?,
            };
            behind.extend(side.map(|side| (path, side)));
        }
        Ok(behind)
    }

    /// The same by what was last agreed on with a server: the one is that, and the other went into it.
    fn behind_by_mirror(
        &self,
        path: &DocPath,
        ours: &ContentId,
        theirs: &ContentId,
    ) -> Result<Option<MergeSide>, Error> {
        let here = Document::parse(self.repository.view().read(ours)?);
        let bases = self.sync.bridge.sync_bases();
        let Some(base) = bases.and_then(|bases| bases.find(path, here)) else { return Ok(None) };
        let agreed = base.text.as_ref().map(|text| reconcile::digest(text.as_bytes()));
        let digest = |id: &ContentId| Ok::<_, Error>(reconcile::digest(&self.repository.view().read(id)?));
        let (ours, theirs) = (digest(ours)?, digest(theirs)?);
        let is_older = |digest: &String| base.older.contains(digest) && agreed.as_ref() != Some(digest);
        Ok(judge(
            is_older(&ours) && agreed.as_ref() == Some(&theirs),
            is_older(&theirs) && agreed.as_ref() == Some(&ours),
        ))
    }
}
