//! Where HEAD was when the folder was last brought to it, to tell an older version that git put back from an edit.

use std::collections::BTreeMap;

use crate::core::document::Document;
use crate::core::name::{ContentId, DocPath, Revision};
use crate::core::reconcile::HeadMotion;
use crate::services::{Error, Project};

/// How far back it is looked whether HEAD has only moved forward, in commits.
const COMMITS_MAX: usize = 10_000;
/// Name under which it is remembered where HEAD was, beside the documents.
const HEAD: &str = "head";

/// How HEAD moved.
#[derive(Debug)]
pub(in crate::services::bridge) struct HeadTracker {
    /// Which server, as a name in local state.
    server: String,
    /// How HEAD had moved when it was read.
    pub(in crate::services::bridge) motion: HeadMotion,
    /// Where HEAD was when it was read, or where it moved to by a commit of our own.
    tip: Option<Revision>,
    /// Where it was when everything was brought to it.
    settled: Option<Revision>,
    /// The commit from which HEAD moved another way, if it did, and what it holds.
    fork: Option<(Revision, BTreeMap<DocPath, ContentId>)>,
}

impl HeadTracker {
    /// Begins with what is remembered about a server.
    pub(in crate::services::bridge) fn open(server: &str) -> Self {
        Self { server: server.to_owned(), motion: HeadMotion::Forward, tip: None, settled: None, fork: None }
    }

    /// Reads where HEAD is.
    pub(in crate::services::bridge) fn read(&mut self, project: &Project) -> Result<(), Error> {
        self.tip = tip(project)?;
        // Another process of this clone may have remembered more.
        self.settled = self.remembered(project);
        let (Some(old), Some(tip)) = (&self.settled, &self.tip) else {
            self.motion = HeadMotion::Forward;
            return Ok(());
        };
        self.motion = if follows(project, tip, old) { HeadMotion::Forward } else { HeadMotion::MovedBack };
        let Some(repository) = project.repository.as_ref().filter(|_| self.motion == HeadMotion::MovedBack) else {
            self.fork = None;
            return Ok(());
        };
        // One that is gone from the repository has nothing in common.
        let fork = repository.log().merge_bases(old, tip).unwrap_or_default().into_iter().next();
        if self.fork.as_ref().map(|(known, _)| known) != fork.as_ref() {
            let read =
                |fork: Revision| repository.view().contents(Some(&fork), project.folder()).map(|held| (fork, held));
            self.fork = fork.map(read).transpose()?;
        }
        Ok(())
    }

    /// Returns the text that a document had in the commit to which HEAD moved back.
    pub(super) fn text_before(&self, project: &Project, path: &DocPath) -> Option<Document> {
        let id = self.fork.as_ref()?.1.get(path)?;
        // What a partial clone has left with a remote is not asked for.
        project.repository.as_ref()?.view().read(id).ok().map(Document::parse)
    }

    fn remembered(&self, project: &Project) -> Option<Revision> {
        let known = project.store.local.memory(&self.server, HEAD);
        known.and_then(|bytes| String::from_utf8(bytes).ok()).and_then(|text| Revision::new(&text))
    }

    /// Moves on with HEAD, if it moved forward from where it was read.
    pub(super) fn advance(&mut self, project: &Project) -> Result<(), Error> {
        if let Some(new) = tip(project)?
            && self.tip.as_ref().is_none_or(|old| follows(project, &new, old))
        {
            self.tip = Some(new);
        }
        Ok(())
    }

    /// Remembers that everything was brought to where HEAD was read.
    pub(in crate::services::bridge) fn settle(&mut self, project: &Project) -> Result<(), Error> {
        self.motion = HeadMotion::Forward;
        if let Some(tip) = self.tip.as_ref().filter(|tip| self.settled.as_ref() != Some(*tip)) {
            // What another process has remembered meanwhile counts: it has read HEAD later.
            if self.remembered(project) != self.settled {
                return Ok(());
            }
            project.store.local.write_memory(&self.server, HEAD, tip.to_string().as_bytes())?;
            self.settled = Some(tip.clone());
        }
        Ok(())
    }

    /// Reads where HEAD is, and remembers that if it has only moved forward.
    pub(in crate::services::bridge) fn follow(&mut self, project: &Project) -> Result<(), Error> {
        self.read(project)?;
        if self.motion == HeadMotion::Forward { self.settle(project) } else { Ok(()) }
    }
}

fn tip(project: &Project) -> Result<Option<Revision>, Error> {
    Ok(project.records().head()?.and_then(|head| head.revision))
}

/// Returns true if a commit has another one behind it.
fn follows(project: &Project, tip: &Revision, old: &Revision) -> bool {
    let is_behind = |view: crate::adapters::git::GitView<'_>| {
        view.has_behind(tip, std::slice::from_ref(old), COMMITS_MAX).unwrap_or(false)
    };
    tip == old || project.repository.as_ref().is_none_or(|repository| is_behind(repository.view()))
}
