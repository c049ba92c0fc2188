//! Finds what has changed in the folder and was not told: edits by hand, what a pull brought, what a crash left untold. It
//! compares the folder with what the feed has told, and adds what is missing. Any number of processes may do so at once.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use super::EventBus;
use super::change_log::{lines, of_journal, text};
use crate::adapters::git::Target;
use crate::adapters::store::{Addition, Contents, FeedAdded, FeedAt, FeedPart, Shelf, Stamp, Start, Store};
use crate::core::document::Document;
use crate::core::event::{self, Branch, Fold, Line, Replaced, Seen, Told};
use crate::core::name::{DocPath, EventId, Revision};
use crate::core::snapshot::Entry;
use crate::core::time::Timestamp;
use crate::services::commits::stamp_digest;
use crate::services::{Error, environment};

/// How far back it is looked whether HEAD has only moved forward, in commits.
const COMMITS_MAX: usize = 10_000;
/// A file that cannot be read, or is gone, may be in the middle of being saved: it is looked at again until it has been so
/// for this long, in milliseconds.
const SETTLE_MS: i64 = 100;
/// A file written so shortly before it was read may be written again without a new time on it, in nanoseconds.
const YOUNG_NS: i64 = 20_000_000;
/// Commits that are remembered before it is written down that HEAD has gone on.
const BASES_MAX: usize = 100;
/// Longest wait for HEAD where the documents are as in the index, in milliseconds.
const HEAD_MS: i64 = 1_000;
/// Longest wait for git's lock of the index, in milliseconds.
const INDEX_LOCK_MS: i64 = 2_000;
/// Most published events that are told behind a notice, the newest: a clone may bring the events of years.
const CAME_MAX: usize = 1_000;
/// Looks that catching up may take when others write meanwhile.
const CATCH_UP_MAX: usize = 10;
/// How long to wait for git before the next look, in milliseconds.
const GIT_NAP_MS: u64 = 10;

/// One that follows the feed, and adds to it what nobody has told.
#[derive(Debug, Default)]
pub struct ChangeDetector {
    fold: Fold,
    at: Option<FeedAt>,
    /// Since when these cannot be read, or are gone, in milliseconds since 1970.
    unsettled: BTreeMap<DocPath, i64>,
    /// Since when git seems to be changing the folder.
    moving_since: Option<i64>,
    /// Published events that were there when the feed began, told behind the notice of that.
    unordered: HashSet<EventId>,
}

/// What a look found.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Looked {
    /// What it found where this process may not write the feed, so that no reading will bring it.
    pub(super) told: Vec<Told>,
    /// Something may be in the middle of being saved: look again after this many milliseconds.
    pub(super) again_ms: Option<u64>,
}

/// What reading on found.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Read {
    /// What was told since, in order.
    pub(super) told: Vec<Told>,
    /// The place was gone: what was told in between may be missing.
    pub(super) has_gap: bool,
}

impl ChangeDetector {
    /// What was told so far.
    pub(super) const fn fold(&self) -> &Fold {
        &self.fold
    }

    /// Published events whose order among each other is not known: they were there when the feed began.
    pub(super) const fn unordered(&self) -> &HashSet<EventId> {
        &self.unordered
    }

    /// Reads on in the feed.
    pub(super) fn read(&mut self, store: &Store) -> Result<Read, Error> {
        let mut read = Read::default();
        loop {
            let Some(at) = self.at else {
                let Some(Start { base, at }) = store.changes.start()? else { return Ok(read) };
                self.enter(base.as_deref(), at);
                continue;
            };
            match store.changes.behind(at)? {
                FeedPart::End => return Ok(read),
                FeedPart::Lines(bytes, behind) => {
                    for line in lines(&bytes) {
                        read.told.extend(self.take(line));
                    }
                    self.at = Some(behind);
                }
                FeedPart::Segment(base, start) => self.enter(base.as_deref(), start),
                FeedPart::Gone => {
                    self.at = None;
                    self.fold = Fold::default();
                    read.has_gap = true;
                }
            }
        }
    }

    fn take(&mut self, line: Line) -> Vec<Told> {
        if line.told.first().is_some_and(Told::begins_feed) {
            self.unordered.extend(line.told.iter().skip(1).map(|told| told.id.clone()));
        }
        self.fold.take(line)
    }

    /// Reads on, with what a look at the folder adds to it.
    pub(super) fn catch_up(&mut self, events: &EventBus<'_>) -> Result<Vec<Told>, Error> {
        Ok(self.read_and_look(events)?.told)
    }

    /// Reads on, and tells what has changed in the folder and was not told. Gives how long to wait before the next look, where
    /// something may be in the middle of being saved.
    ///
    /// # Errors
    /// [`Error`] if the folder or the feed cannot be read or written; it may be asked again.
    pub fn keep_up(&mut self, events: &EventBus<'_>) -> Result<Option<Duration>, Error> {
        events.documents.store.changes.make()?;
        Ok(self.read_and_look(events)?.again_ms.map(Duration::from_millis))
    }

    /// The same, and gives what was told since the last time.
    pub(in crate::services) fn follow(&mut self, events: &EventBus<'_>) -> Result<Vec<Told>, Error> {
        events.documents.store.changes.make()?;
        self.catch_up(events)
    }

    fn read_and_look(&mut self, events: &EventBus<'_>) -> Result<Looked, Error> {
        let mut all = Looked { told: self.read(events.documents.store)?.told, again_ms: None };
        for _ in 0..CATCH_UP_MAX {
            let looked = self.look(events)?;
            all.told.extend(looked.told);
            all.told.extend(self.read(events.documents.store)?.told);
            all.again_ms = looked.again_ms;
            if looked.again_ms != Some(0) {
                break;
            }
        }
        Ok(all)
    }

    fn enter(&mut self, base: Option<&[u8]>, at: FeedAt) {
        if let Some(base) = base {
            self.fold.restart(lines(base));
        }
        self.at = Some(at);
    }

    /// Compares the folder with what was told, and tells the rest. What it tells comes with the next reading.
    pub(super) fn look(&mut self, events: &EventBus<'_>) -> Result<Looked, Error> {
        let look = Look::new(events, self)?;
        let looked = Looked { again_ms: look.again_ms, told: Vec::new() };
        if look.lines.is_empty() && look.base.is_none() {
            return Ok(looked);
        }
        let lines = text(&look.lines);
        let base = look.base.as_ref().map(|base| text(base));
        let addition = base.as_ref().map_or(Addition::Lines(&lines), |base| Addition::Base(base, &lines));
        let mut still = || look.holds(events);
        match events.documents.store.log.add_to_change_log(self.at, &mut still, addition)? {
            FeedAdded::Yes => Ok(looked),
            // Somebody else has told something, or saved: that is read before the next look.
            FeedAdded::No => Ok(Looked { again_ms: Some(0), ..Looked::default() }),
            FeedAdded::ReadOnly => Ok(Looked { told: self.take_unwritten(look), ..looked }),
        }
    }

    /// What a look found and this process may not write down. Others who tell the same give it the same ids.
    fn take_unwritten(&mut self, look: Look) -> Vec<Told> {
        if let Some(base) = look.base {
            self.fold.restart(base);
        }
        look.lines.into_iter().flat_map(|line| self.take(line)).collect()
    }
}

/// Documents that are not as they were told; `None`: gone.
type Changed = BTreeMap<DocPath, Option<(Entry, Stamp)>>;

/// One comparison of the folder with what was told.
struct Look {
    lines: Vec<Line>,
    base: Option<Vec<Line>>,
    again_ms: Option<u64>,
    /// The documents that are told, as they were read.
    read: BTreeMap<DocPath, Option<String>>,
}

impl Look {
    fn new(events: &EventBus<'_>, detector: &mut ChangeDetector) -> Result<Self, Error> {
        let mut look = Self { lines: Vec::new(), base: None, again_ms: None, read: BTreeMap::new() };
        let branch = events.branch_now()?;
        let now = environment::now();
        let files = events.documents.store.folder.scan_live()?.files;
        let mut changed: Changed = BTreeMap::new();
        let mut here: BTreeSet<&DocPath> = BTreeSet::new();
        let mut unread = Vec::new();
        for (path, stamp) in &files {
            here.insert(path);
            let known = detector.fold.get(path).and_then(|known| known.seen.stamp);
            if known != Some(stamp_digest(stamp)) {
                unread.push(path.clone());
            }
        }
        let now_ns = now.unix_ms().saturating_mul(1_000_000);
        for (path, contents) in events.read_contents(&unread)? {
            let Contents { bytes, stamp } = contents;
            let has_aged = now_ns - stamp.ctime_ns > YOUNG_NS;
            let is_told = detector
                .fold
                .get(&path)
                .is_some_and(|known| known.seen.bytes == bytes.len() && known.seen.digest == event::digest(&[&bytes]));
            if is_told {
                detector.unsettled.remove(&path);
                if has_aged {
                    detector.fold.note_stamp(&path, stamp_digest(&stamp));
                }
            } else {
                changed.insert(path.clone(), Some((Entry::read(path, Document::parse(bytes)), stamp)));
            }
        }
        let gone: Vec<&DocPath> = detector.fold.documents().keys().filter(|path| !here.contains(path)).collect();
        if !gone.is_empty() {
            let out = events.documents.kept_out(&|path| gone.contains(&path))?;
            let is_out = |path: &DocPath| out.iter().any(|(other, _)| other == path);
            changed.extend(gone.into_iter().filter(|path| !is_out(path)).map(|path| (path.clone(), None)));
        }
        detector.unsettled.retain(|path, _| changed.contains_key(path));
        look.decide(events, detector, branch, &changed, now)?;
        Ok(look)
    }

    fn decide(
        &mut self,
        events: &EventBus<'_>,
        detector: &mut ChangeDetector,
        branch: Branch,
        changed: &Changed,
        now: Timestamp,
    ) -> Result<(), Error> {
        let fold = &detector.fold;
        if !fold.is_whole() {
            if changed.is_empty() {
                // Everything there is was told since the feed began.
                self.lines.push(Line { branch: Some(branch), whole: true, ..Line::default() });
            } else {
                self.begin_anew(events, fold, changed, branch, event::replaced(&Replaced::New, now), now)?;
            }
            return Ok(());
        }
        let has_moved = fold.branch() != Some(&branch) || fold.bases().iter().any(|base| *base != branch);
        if changed.is_empty() {
            detector.moving_since = None;
            // That HEAD has gone on is nothing to write down with every commit: it can be seen later as well.
            if has_moved && fold.head() != Some(&branch) {
                let is_same = fold.branch().is_some_and(|from| from.name == branch.name);
                if is_same && fold.bases().len() < BASES_MAX && events.went_forward(fold, &branch)? {
                    detector.fold.note_head(branch);
                } else {
                    self.lines.push(Line { branch: Some(branch), ..Line::default() });
                }
            }
            return Ok(());
        }
        if let Some(from) = fold.branch().filter(|_| has_moved)
            && !events.went_forward(fold, &branch)?
        {
            detector.moving_since = None;
            let why = Replaced::Moved { from: fold.head().unwrap_or(from).clone(), to: branch.clone() };
            self.begin_anew(events, fold, changed, branch, event::replaced(&why, now), now)?;
            return Ok(());
        }
        if self.may_be_git(events, &branch, &mut detector.moving_since, changed, now)? {
            return Ok(());
        }
        detector.moving_since = None;
        self.tell_each(events, detector, changed, now)?;
        if has_moved && self.again_ms.is_none() {
            self.lines.push(Line { branch: Some(branch), ..Line::default() });
        }
        Ok(())
    }

    /// Git changes the files first and HEAD last: whether these are edits by hand, or those of git, shows in a moment.
    fn may_be_git(
        &mut self,
        events: &EventBus<'_>,
        branch: &Branch,
        since: &mut Option<i64>,
        changed: &Changed,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let wait = events.is_gits(branch, changed)?;
        let started = *since.get_or_insert(now.unix_ms());
        let waited = now.unix_ms() - started;
        if waited < 0 || waited >= wait {
            return Ok(false);
        }
        self.again_ms = Some(GIT_NAP_MS);
        Ok(true)
    }

    /// Everything as it is now, behind one notice; and behind that the published events that came with it.
    fn begin_anew(
        &mut self,
        events: &EventBus<'_>,
        fold: &Fold,
        changed: &Changed,
        branch: Branch,
        notice: Told,
        now: Timestamp,
    ) -> Result<(), Error> {
        let now_ns = now.unix_ms().saturating_mul(1_000_000);
        let mut base = Vec::new();
        for (path, known) in fold.documents().iter().filter(|(path, _)| !changed.contains_key(*path)) {
            let (now, last) = (Some(known.seen.clone()), known.last.clone());
            base.push(Line { path: Some(path.clone()), now, last, ..Line::default() });
        }
        for (path, found) in changed {
            if let Some((entry, stamp)) = found {
                let mut seen = Seen::read(entry);
                seen.stamp = (now_ns - stamp.ctime_ns > YOUNG_NS).then(|| stamp_digest(stamp));
                base.push(Line { path: Some(path.clone()), now: Some(seen), ..Line::default() });
            }
        }
        base.push(Line { branch: Some(branch), whole: true, ..Line::default() });
        self.base = Some(base);
        let mut came = Vec::new();
        for (path, found) in changed.iter().filter(|(path, _)| path.is_events()) {
            let Some((entry, _)) = found else { continue };
            let was = fold.get(path).map(|known| &known.seen);
            came.extend(events.new_lines(path, was, entry.document.bytes(), fold)?);
        }
        came.sort_by(|one, other| (one.at, &one.id).cmp(&(other.at, &other.id)));
        came.drain(..came.len().saturating_sub(CAME_MAX));
        came.insert(0, notice);
        self.lines.push(Line { told: came, ..Line::default() });
        Ok(())
    }

    /// Every change by itself. What may be half saved is left for the next look.
    fn tell_each(
        &mut self,
        events: &EventBus<'_>,
        detector: &mut ChangeDetector,
        changed: &Changed,
        now: Timestamp,
    ) -> Result<(), Error> {
        let journal = events.documents.store.log.journal()?;
        for (path, found) in changed {
            let entry = found.as_ref().map(|(entry, _)| entry);
            let bytes = entry.map(|entry| entry.document.bytes());
            self.read.insert(path.clone(), bytes.map(|bytes| event::digest(&[bytes])));
            if let Some(lines) = of_journal(&detector.fold, &journal, path, bytes) {
                self.lines.extend(lines);
                continue;
            }
            let is_whole = entry.is_some_and(|entry| {
                entry.document.is_readable() && (path.is_events() || entry.kind.is_none() || entry.entity.is_some())
            });
            if is_whole {
                detector.unsettled.remove(path);
            } else if !self.has_settled(detector, path, now) {
                continue;
            }
            let known = detector.fold.get(path);
            let was = known.map(|known| &known.seen);
            if path.is_events() {
                let now = bytes.map(|bytes| Seen::of(path, bytes));
                let told =
                    bytes.map_or_else(|| Ok(Vec::new()), |bytes| events.new_lines(path, was, bytes, &detector.fold))?;
                self.lines.push(Line { path: Some(path.clone()), was: was.cloned(), now, told, ..Line::default() });
                continue;
            }
            let archived = entry.is_none() && events.is_in_archive(path)?;
            self.lines.push(event::edited(path, was, detector.fold.last(path), entry, archived, now));
        }
        Ok(())
    }

    /// Tells whether a document has been unreadable, or gone, for so long that it is no save under way.
    fn has_settled(&mut self, detector: &mut ChangeDetector, path: &DocPath, now: Timestamp) -> bool {
        let since = *detector.unsettled.entry(path.clone()).or_insert(now.unix_ms());
        let left = SETTLE_MS - (now.unix_ms() - since);
        // A clock that was set back makes it wait no longer than a clock that runs.
        if left <= 0 || left > SETTLE_MS {
            // The next save of it may be under way, too.
            detector.unsettled.remove(path);
            return true;
        }
        self.read.remove(path);
        let left = u64::try_from(left).unwrap_or(0);
        self.again_ms = Some(self.again_ms.map_or(left, |other| other.min(left)));
        false
    }

    /// Tells whether the documents are still as they were read.
    fn holds(&self, events: &EventBus<'_>) -> Result<bool, Error> {
        for (path, digest) in &self.read {
            let now = events.documents.store.folder.read(path)?.map(|file| event::digest(&[&file.bytes]));
            if now != *digest {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl EventBus<'_> {
    fn branch_now(&self) -> Result<Branch, Error> {
        let head = self.operations.records.head()?;
        let revision = head.as_ref().and_then(|head| head.revision.as_ref()).map(ToString::to_string);
        Ok(Branch { name: head.and_then(|head| head.branch), revision })
    }

    /// Tells whether HEAD has only gained commits: by our own, a person's, a fast-forward or a merge.
    fn went_forward(&self, fold: &Fold, to: &Branch) -> Result<bool, Error> {
        let (Some(from), Some(repository)) = (fold.branch(), self.documents.repository) else {
            return Ok(true);
        };
        let wheres = || std::iter::once(from).chain(fold.bases()).chain(fold.head());
        if wheres().any(|one| one.name != to.name) {
            return Ok(false);
        }
        let olds: Vec<Revision> = wheres().filter_map(|one| one.revision.as_ref()).filter_map(Revision::new).collect();
        match to.revision.as_ref().and_then(Revision::new) {
            Some(tip) => Ok(repository.view().has_behind(&tip, &olds, COMMITS_MAX)?),
            None => Ok(olds.is_empty()),
        }
    }

    /// For how long to wait, in milliseconds, for git to say that it has made these changes.
    fn is_gits(&self, branch: &Branch, changed: &Changed) -> Result<i64, Error> {
        let Some(repository) = self.documents.repository.filter(|_| *self.documents.target == Target::Current) else {
            return Ok(0);
        };
        if repository.view().index_is_locked() {
            return Ok(INDEX_LOCK_MS);
        }
        let indexed = repository.index().indexed(self.documents.folder())?;
        let head = branch.revision.as_ref().and_then(Revision::new);
        let paths: BTreeSet<DocPath> = changed.keys().cloned().collect();
        let head = repository.view().contents_of(head.as_ref(), self.documents.folder(), &paths)?;
        let mut is_done = true;
        for (path, found) in changed {
            let here = match found {
                Some((entry, _)) => {
                    repository.attributes().content_id(&self.documents.in_repository(path), entry.document.bytes())?
                }
                None => None,
            };
            if here.as_ref() != indexed.get(path).map(|indexed| &indexed.content) {
                return Ok(0);
            }
            is_done &= here.as_ref() == head.get(path);
        }
        Ok(if is_done { 0 } else { HEAD_MS })
    }

    fn is_in_archive(&self, path: &DocPath) -> Result<bool, Error> {
        Ok(self.documents.store.folder.names(Shelf::Archive)?.iter().any(|other| other.file_name() == path.file_name()))
    }
}
