//! The world of a watching process: a project, seen through the engine's questions. Decides nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::archive::Archivist;
use super::findings::CommittedDocuments;
use super::interrupt::ForcedEnd;
use super::leases::Leases;
use super::mirror::{Mirror, Ring};
use super::notice::Notice;
use super::upkeep::Upkeep;
use super::witness::Witness;
use super::workflow_driver::WorkflowDriver;
use super::{CommitRefusal, Scan, World};
use crate::adapters::git::IgnoredDocument;
use crate::adapters::watch::Places;
use crate::core::diagnostic::Code;
use crate::core::engine::{Batch, Head, Readiness, Reason, Report, Retry};
use crate::core::follow::FollowScope;
use crate::core::name::{ContentId, DocPath, Revision};
use crate::core::problem::{ErrorClass, Problem};
use crate::services::{Committed, Edits, Error, NewSettings, Project, Run, Survey, Waiting, Wanted, quiet_span};

/// How long after a commit the index is looked at once more.
const REALIGN_DELAY: Duration = Duration::from_millis(500);

/// A project that is watched.
pub(super) struct Watched<'a> {
    /// With the settings that are in force.
    project: Project,
    /// How the process ends if this does not stop in time, until that is armed.
    forced_end: Option<ForcedEnd>,
    listener: &'a mut dyn FnMut(&Notice),
    survey: Survey,
    /// Why the settings of the files are not in force, as it was told.
    unsettled: Option<Reason>,
    /// What the branch held when it was read last.
    branch: Option<Branch>,
    /// The ignored document that was told of.
    ignored: Option<IgnoredDocument>,
    /// Whether the greeting said that the folder is ignored.
    has_greeted_ignored: bool,
    upkeep: Upkeep,
    leases: Leases,
    witness: Witness,
    /// When the index is looked at once more after a commit: a git that raced with it has written by then.
    realign_at: Option<Instant>,
    archivist: Archivist,
    workflows: WorkflowDriver,
    /// Why workflows could not be moved on, as it was reported.
    not_driven: Option<Reason>,
    mirror: Mirror,
    has_mirror: bool,
    /// Why archiving failed, as it was told.
    unarchived: Option<Reason>,
    /// The last commit went to a detached HEAD.
    is_on_no_branch: bool,
}

/// A branch at one moment.
#[derive(Clone, Default)]
struct Branch {
    revision: Option<Revision>,
    contents: Arc<BTreeMap<DocPath, ContentId>>,
}

impl<'a> Watched<'a> {
    pub(super) fn new(project: Project, forced_end: Option<ForcedEnd>, listener: &'a mut dyn FnMut(&Notice)) -> Self {
        Self {
            project,
            forced_end,
            listener,
            survey: Survey::default(),
            unsettled: None,
            branch: None,
            ignored: None,
            has_greeted_ignored: false,
            upkeep: Upkeep::new(),
            leases: Leases::default(),
            witness: Witness::default(),
            realign_at: None,
            archivist: Archivist::default(),
            workflows: WorkflowDriver::default(),
            not_driven: None,
            mirror: Mirror::default(),
            has_mirror: false,
            unarchived: None,
            is_on_no_branch: false,
        }
    }

    /// From now on what is done with is archived when it has been quiet for long enough.
    pub(super) fn keep_the_archive(&mut self) {
        self.archivist.begin();
    }

    /// From now on the documents are mirrored, if the settings ask for it; it begins once the watches are armed.
    pub(super) fn keep_the_mirror(&mut self) {
        self.has_mirror = true;
    }

    fn start_mirror(&mut self) {
        if self.has_mirror
            && let Some(notice) = self.mirror.start(&self.project)
        {
            self.tell(&notice);
        }
    }

    /// Archives what is due, unless commits are off or have to wait: then it would only lie there.
    fn archive(&mut self) {
        if self.project.config().number(ARCHIVE_AFTER) == 0 {
            return;
        }
        if !matches!(self.readiness(), Ok(Readiness::Ready)) {
            return self.archivist.try_later();
        }
        let (by, quiet) = (self.project.actor(), quiet_span(self.project.config()));
        match self.project.operations().archive(by, Wanted::Finished, Some(quiet), Run::Part) {
            Ok(done) => {
                self.unarchived = None;
                self.archivist.await_next(done.next, self.project.now());
                if !done.moved.is_empty() {
                    self.tell(&Notice::Archived { count: done.moved.len() });
                }
            }
            Err(error) => {
                self.archivist.try_later();
                let why = reason(&error);
                if self.unarchived.as_ref() != Some(&why) {
                    self.tell(&Notice::NotArchived(why.clone()));
                    self.unarchived = Some(why);
                }
            }
        }
    }

    /// Tells something that no look at the world has found.
    pub(super) fn tell(&mut self, notice: &Notice) {
        (self.listener)(notice);
    }

    /// Commits the operations that no look has led to: those that a dead process left, before the first, and those that were
    /// written after the last by commands that still saw a watcher. What could not be committed was told already.
    pub(super) fn finish_journal(&mut self) {
        let done = match self.project.store().log.journal() {
            Ok(journal) if journal.is_empty() => return,
            Ok(_) => self.project.commits().commit_now(Edits::None),
            Err(error) => Err(error.into()),
        };
        match done {
            Ok(done) => self.tell_outcome(done),
            Err(error) => (self.listener)(&Notice::Report(Report::Refused(reason(&error)))),
        }
    }

    /// Goes on with other settings. What was written with those before, and is not committed, is committed by them first:
    /// in another folder nobody would find it.
    fn turn_to(&mut self, project: Project, keys: &[&'static str]) {
        if project.folder() != self.project.folder() && self.holds_all_of_the_journal() {
            self.finish_journal();
        }
        let folder = project.folder().to_owned();
        self.project = project;
        self.archivist.look_again();
        (self.survey, self.branch, self.ignored) = (Survey::default(), None, None);
        self.has_greeted_ignored = false;
        self.witness = Witness::default();
        self.start_mirror();
        self.tell(&Notice::Settings { keys: keys.to_vec(), folder });
    }

    /// Whether the folder is as the operations of the journal left it. A command that saw the new settings first has written
    /// elsewhere.
    fn holds_all_of_the_journal(&self) -> bool {
        let store = self.project.store();
        let Ok(journal) = store.log.journal() else { return false };
        let last: BTreeMap<DocPath, Option<Vec<u8>>> =
            journal.into_iter().flat_map(|record| record.changes).map(|change| (change.path, change.after)).collect();
        let is_here = |path, after: &Option<Vec<u8>>| {
            store.folder.read(path).is_ok_and(|file| file.map(|file| file.bytes) == *after)
        };
        last.iter().all(|(path, after)| is_here(path, after))
    }

    /// Stays with the settings that are in force, and says why, once.
    fn stay(&mut self, why: Reason) {
        if self.unsettled.as_ref() != Some(&why) {
            self.tell(&Notice::SettingsBroken(why.clone()));
            self.unsettled = Some(why);
        }
    }

    /// The branch as the folder was brought to it; its documents are read again only when that has moved.
    fn branch(&mut self) -> Result<Branch, Error> {
        let Some(repository) = self.project.repository() else { return Ok(Branch::default()) };
        let revision = self.project.commits().branch().folder_base(repository)?;
        if let Some(known) = self.branch.as_ref().filter(|known| known.revision == revision) {
            return Ok(known.clone());
        }
        let contents = Arc::new(repository.view().contents(revision.as_ref(), self.project.folder())?);
        Ok(self.branch.insert(Branch { revision, contents }).clone())
    }

    fn readiness(&self) -> Result<Readiness, Error> {
        let Some(repository) = self.project.repository() else {
            return Ok(Readiness::Never(reason_of(&Waiting::OutsideGit)));
        };
        if !self.project.config().flag("commit.auto") {
            return Ok(Readiness::Never(reason_of(&Waiting::Off)));
        }
        Ok(repository.view().busy()?.map_or(Readiness::Ready, |busy| Readiness::Busy(reason_of(&Waiting::Busy(busy)))))
    }

    /// Which of these the branch holds now.
    fn arrived(&mut self, batch: &Batch) -> Result<BTreeSet<DocPath>, Error> {
        let contents = self.branch()?.contents;
        let arrived = batch.changes.iter().filter(|(path, admitted)| contents.get(*path) == admitted.as_ref());
        Ok(arrived.map(|(path, _)| path.clone()).collect())
    }

    /// Operations that wait for nothing must not stay in the journal, which nobody else empties while a watcher lives: those
    /// that can never be committed, those whose documents are as committed again, and those on a document that was broken
    /// by hand since. An old one that meets a HEAD that has moved on would be told where it does not belong.
    fn empty_journal(&mut self) {
        // What goes wrong here goes wrong again, and is told, when something is to be committed.
        if let Ok(done) = self.project.commits().commit_now(Edits::None) {
            self.tell_outcome(done);
        }
    }

    fn tell_outcome(&mut self, done: Committed) {
        if !done.revisions.is_empty() {
            self.realign_at = Some(Instant::now() + REALIGN_DELAY);
        }
        let has_committed = !done.revisions.is_empty();
        for (revision, subject) in done.revisions {
            (self.listener)(&Notice::Committed { revision, subject });
        }
        if has_committed {
            let was_on_no_branch =
                std::mem::replace(&mut self.is_on_no_branch, self.project.commits().is_on_no_branch());
            if self.is_on_no_branch && !was_on_no_branch {
                (self.listener)(&Notice::OnNoBranch);
            }
        }
        for finding in done.findings {
            (self.listener)(&Notice::Finding(finding));
        }
    }

    /// Says what the first watcher here has to say.
    pub(super) fn greet(&mut self, greeting: &Notice) {
        if let Notice::Ignored(Waiting::Ignored(document)) = greeting {
            (self.ignored, self.has_greeted_ignored) = (Some(document.clone()), true);
        }
        self.tell(greeting);
    }

    fn tell_ignored(&mut self, ignored: Option<IgnoredDocument>) {
        if ignored.is_none() && self.has_greeted_ignored {
            // The greeting said it of the folder, before there was a document.
            return;
        }
        if let Some(document) = ignored.as_ref().filter(|_| self.ignored.is_none()) {
            (self.listener)(&Notice::Ignored(Waiting::Ignored(document.clone())));
        }
        self.ignored = ignored;
    }
}

impl Watched<'_> {
    /// Takes in settings that are others now; gives what is to be watched then.
    fn renew_settings(&mut self) -> Option<Places> {
        match self.project.renewed() {
            Ok(NewSettings::Same) => {
                if self.unsettled.take().is_some() {
                    let folder = self.project.folder().to_owned();
                    self.tell(&Notice::Settings { keys: Vec::new(), folder });
                }
                None
            }
            Ok(NewSettings::Changed { project, keys }) => {
                self.unsettled = None;
                self.turn_to(*project, &keys);
                Some(self.project.places())
            }
            Ok(NewSettings::Broken(fault)) => {
                self.stay(Reason { what: fault.message, hint: fault.hint });
                None
            }
            Err(error) => {
                self.stay(reason(&error));
                None
            }
        }
    }
}

impl World for Watched<'_> {
    fn begin(&mut self) -> io::Result<()> {
        self.forced_end.take().map_or(Ok(()), ForcedEnd::arm)
    }

    fn renew(&mut self) -> Option<Places> {
        let places = self.renew_settings();
        if self.mirror.is_to_begin_anew(&self.project) {
            self.start_mirror();
        }
        places
    }

    fn set_ring(&mut self, ring: Ring) {
        self.mirror.set_ring(ring);
    }

    fn scan(&mut self) -> Result<Scan, Reason> {
        for notice in self.mirror.news() {
            self.tell(&notice);
        }
        for finding in self
            .project
            .commits()
            .branch()
            .follow_branch(FollowScope::LeaveCheckedOut)
            .map_err(|error| reason(&error))?
        {
            (self.listener)(&Notice::Finding(finding));
        }
        self.project.commits().realign_index().map_err(|error| reason(&error))?;
        self.witness.look(&self.project);
        let tracked = self.branch().map_err(|error| reason(&error))?.contents;
        let sight = self.survey.look(&self.project.commits(), &tracked).map_err(|error| reason(&error))?;
        if sight.ignored.is_some() {
            self.empty_journal();
        }
        self.tell_ignored(sight.ignored);
        self.leases.look(&self.project).map_err(|error| reason(&error))?;
        self.workflows.note_change();
        Ok(Scan { files: sight.files, own: sight.own })
    }

    fn head(&mut self) -> Result<Head, Reason> {
        // First whether git is at work: what it does after this moment moves the branch or holds the lock then.
        let readiness = self.readiness().map_err(|error| reason(&error))?;
        let Branch { revision, contents } = self.branch().map_err(|error| reason(&error))?;
        if matches!(readiness, Readiness::Never(_)) {
            self.empty_journal();
        }
        Ok(Head { revision, contents, readiness, deletions_max: self.project.commits().deletions_max() })
    }

    fn commit(&mut self, batch: &Batch) -> Result<BTreeSet<DocPath>, CommitRefusal> {
        let failed = |error: &Error| {
            let retry = if error.class() == ErrorClass::Busy { Retry::Soon } else { Retry::Late };
            CommitRefusal { reason: reason(error), retry }
        };
        let before = self.branch().map_err(|error| failed(&error))?.contents;
        let mut done = self.project.commits().commit_now(Edits::Of(batch)).map_err(|error| failed(&error))?;
        let by_hand = std::mem::take(&mut done.by_hand);
        // They are among the findings of the documents, which are reported once.
        done.findings.retain(|finding| finding.code != Code::OpenBlock);
        // Where there was nothing left to change, the tip itself is named.
        done.revisions.retain(|(revision, _)| Some(revision) != batch.base.as_ref());
        let waiting = done.waiting.take();
        self.upkeep.count(done.revisions.len());
        self.archivist.note_change(quiet_span(self.project.config()));
        self.tell_outcome(done);
        let arrived = self.arrived(batch).map_err(|error| failed(&error))?;
        let after = batch.changes.iter().filter(|(path, _)| arrived.contains(*path));
        let after = after.map(|(path, id)| (path, id.as_ref())).collect();
        let documents = CommittedDocuments { after, by_hand: &by_hand, before: &before };
        // What is committed stays so whether or not it can be judged now.
        for finding in documents.new_findings(&self.project).unwrap_or_default() {
            (self.listener)(&Notice::Document(finding));
        }
        match waiting {
            Some(waiting) if arrived.is_empty() => {
                let soon = waiting.is_soon_over();
                Err(CommitRefusal { reason: reason_of(&waiting), retry: if soon { Retry::Soon } else { Retry::Late } })
            }
            _ => Ok(arrived),
        }
    }

    fn is_gone(&self) -> bool {
        self.project.repository().is_some_and(|repository| !repository.git_dir().exists())
    }

    fn report(&mut self, report: &Report) {
        (self.listener)(&Notice::Report(report.clone()));
    }

    fn ready(&mut self) {
        (self.listener)(&Notice::Ready);
        // A value that does not fit is reported also where it was there before the watcher.
        if let Ok(NewSettings::Broken(fault)) = self.project.renewed() {
            self.stay(Reason { what: fault.message, hint: fault.hint });
        }
        // What was put back while nothing watched was said once, to whom it may not have concerned.
        for finding in self.project.history().put_back_findings().unwrap_or_default() {
            (self.listener)(&Notice::Finding(finding));
        }
        self.start_mirror();
    }

    fn due(&mut self) -> Option<Instant> {
        let own = [self.archivist.due(), self.leases.due(), self.witness.due(), self.workflows.due(), self.realign_at];
        own.into_iter().flatten().min()
    }

    fn duty(&mut self) {
        self.witness.look_if_due(&self.project);
        if self.realign_at.take_if(|at| *at <= Instant::now()).is_some() {
            // What is in the way of that is said by the next look.
            let _ = self.project.commits().realign_index();
        }
        if self.archivist.take_due() {
            self.archive();
        }
        match self.workflows.drive_if_due(&self.project) {
            Ok(()) => self.not_driven = None,
            Err(error) => {
                let why = reason(&error);
                if self.not_driven.as_ref() != Some(&why) {
                    (self.listener)(&Notice::Report(Report::Refused(why.clone())));
                    self.not_driven = Some(why);
                }
            }
        }
        if !self.leases.is_over() {
            return;
        }
        match self.leases.take_back(&self.project) {
            Ok(notices) => notices.iter().for_each(|notice| (self.listener)(notice)),
            Err(error) => (self.listener)(&Notice::Report(Report::Refused(reason(&error)))),
        }
    }

    fn idle(&mut self) {
        if self.project.store().log.journal().is_ok_and(|journal| !journal.is_empty()) {
            self.empty_journal();
        }
        if let Some(fault) = self.upkeep.run(self.project.root()) {
            (self.listener)(&Notice::Upkeep(crate::core::name::visible(&fault.to_string())));
        }
    }
}

/// The setting that says after how many days.
const ARCHIVE_AFTER: &str = "archive.after_days";

fn reason_of(waiting: &Waiting) -> Reason {
    Reason { what: waiting.to_string(), hint: waiting.hint() }
}

/// An error with all its causes.
fn reason(error: &Error) -> Reason {
    let mut what = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        what = format!("{what}: {error}");
        cause = error.source();
    }
    Reason { what, hint: error.hint() }
}
