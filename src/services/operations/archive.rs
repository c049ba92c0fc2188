//! Moves what is done with into the archive: many documents as one operation, with their bytes as they are. What may go is
//! decided elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{Actor, Operations};
use crate::adapters::store::{Action, Shelf, Unsynced};
use crate::core::archive::{self, Shelves, Stay};
use crate::core::config::Config;
use crate::core::diagnostic::Diagnostic;
use crate::core::name::{DocId, DocPath, OperationId, Revision};
use crate::core::snapshot::{Entry, Snapshot};
use crate::core::time::Timestamp;
use crate::services::{Error, Scope, Waiting, environment};

/// Most documents that one operation moves: each is held in memory, three times over.
const CHUNK: usize = 1_000;
/// So long a document has been quiet when it is archived, where no setting says otherwise.
const DAYS: u64 = 7;
const DAY: Duration = Duration::from_secs(86_400);

/// What to archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted<'a> {
    /// These: each by its id or the beginning of it, an event log by its file name.
    These(&'a [String]),
    /// Whatever is done with.
    Finished,
}

/// Whether to do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run {
    /// Move the documents.
    Real,
    /// Move as many as one operation takes, for whoever has other things to do: the rest goes the next time.
    Part,
    /// Tell what would move.
    Dry,
}

/// A document that went into the archive, or would.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// What it is called: its id, or the file name of an event log.
    pub id: String,
    /// Where it lay.
    pub from: DocPath,
    /// Where it lies.
    pub to: DocPath,
}

/// A finished document that stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// What it is called.
    pub id: String,
    /// Where it lies.
    pub path: DocPath,
    /// Why.
    pub why: Stay,
}

/// What archiving came to.
#[derive(Debug, Clone, Default)]
pub struct Archived {
    /// What went, by path.
    pub moved: Vec<Moved>,
    /// What is done with and stays all the same, by path; what changed not long ago is not named.
    pub kept: Vec<Kept>,
    /// When the next of those that are done with will have been quiet for long enough, if nothing else happens.
    pub next: Option<Timestamp>,
    /// The operations that did it, in order; none if nothing moved.
    pub operations: Vec<OperationId>,
    /// The commit that all of it is in, if it is committed already.
    pub committed: Option<Revision>,
    /// Why it is not.
    pub waiting: Option<Waiting>,
    /// What the commit found.
    pub findings: Vec<Diagnostic>,
}

/// A document on its way.
struct Going {
    moved: Moved,
    bytes: Vec<u8>,
}

/// Returns for how long a document must be quiet before it is archived: `archive.after_days`, or seven days where that is 0.
#[must_use]
pub fn quiet_span(config: &Config) -> Duration {
    let days = config.number("archive.after_days");
    DAY * u32::try_from(if days == 0 { DAYS } else { days }).unwrap_or(u32::MAX)
}

impl Operations<'_> {
    /// Moves documents that are done with into `archive/YYYY-MM/`, with their bytes as they are: finished tasks and workflows
    /// into the month in which they were made, event logs into that of their last event. With `older` only those that have
    /// been quiet for so long: neither the file nor, where git holds it as it is, a commit has changed since.
    ///
    /// Up to 1,000 documents are one operation, and all of it is one commit. What has moved is on the disk for good when this
    /// returns (with the default durability). Where it stops with an error, every document lies in one of its two places.
    ///
    /// # Errors
    /// [`Error::Find`] and [`Error::Stays`] for one that was named and is not there or may not go, and then nothing moves;
    /// others if the folder fails.
    pub fn archive(
        &self,
        by: &Actor,
        wanted: Wanted<'_>,
        older: Option<Duration>,
        run: Run,
    ) -> Result<Archived, Error> {
        if run != Run::Dry {
            // What a dead process left between two places is finished before anybody looks.
            self.documents.store.log.recover()?;
        }
        let (mut going, mut done) = self.going(wanted, older)?;
        if run == Run::Part && going.len() > CHUNK {
            going.truncate(CHUNK);
            done.next = Some(environment::now());
        }
        if run == Run::Dry {
            done.moved = going.into_iter().map(|one| one.moved).collect();
            return Ok(done);
        }
        let mut last: Option<Unsynced> = None;
        let work = self.documents.progress.begin("archiving documents", going.len());
        for chunk in going.chunks(CHUNK) {
            let (moved, written) = self.move_all(chunk, &mut done)?;
            done.moved.extend(moved);
            // One after the other: a later one must not be acknowledged if an earlier one was lost.
            if let Some(written) = written
                && let Some(earlier) = last.replace(written)
            {
                earlier.wait()?;
            }
            for _ in chunk {
                work.step();
            }
        }
        drop(work);
        let fate = self.commit_written(by, last.as_slice())?;
        if last.is_some() {
            (done.committed, done.waiting) = (fate.committed, fate.waiting);
        }
        done.findings = fate.findings;
        Ok(done)
    }

    /// What would move now, and what stays though it is done with.
    fn going(&self, wanted: Wanted<'_>, older: Option<Duration>) -> Result<(Vec<Going>, Archived), Error> {
        let live = self.documents.snapshot(Scope::Live)?;
        let named = match wanted {
            Wanted::These(ids) => Some(self.named_entries(&live, ids)?),
            Wanted::Finished => None,
        };
        let is_wanted = |entry: &&Entry| named.as_ref().is_none_or(|named| named.contains(&entry.path));
        let finished: Vec<&Entry> = live
            .entries()
            .filter(is_wanted)
            .filter(|entry| named.is_some() || !entry.document.is_unavailable())
            .filter(|entry| named.is_some() || archive::is_finished(entry).is_ok())
            .collect();
        let changed = self.changed(&finished, older.unwrap_or_default())?;
        let is_quiet = |entry: &Entry| changed.get(&entry.path).is_some_and(|(_, is_quiet)| *is_quiet);
        let workflows = finished.iter().filter(|entry| entry.workflow().is_some() && is_quiet(entry));
        let leaving: BTreeSet<DocId> = workflows.filter_map(|entry| entry.id.clone()).collect();
        let mut shelves = Shelves::new(self.documents.document_names(Shelf::Archive)?);
        if named.is_some() {
            self.documents.refuse_left_to_git(finished.iter().map(|entry| &entry.path))?;
        }
        let (mut going, mut left) = (Vec::new(), Archived::default());
        for entry in finished {
            let at = changed.get(&entry.path).map_or_else(environment::now, |(at, _)| *at);
            let judged = archive::may_go(entry, &live, &leaving)
                .and_then(|()| if is_quiet(entry) { Ok(()) } else { Err(Stay::Restless) })
                .and_then(|()| shelves.place(entry, at, |there| self.is_copy(there, entry)));
            let (id, from) = (called(entry), entry.path.clone());
            let judged = match judged {
                Ok(to) => self.documents.first_left_to_git([&from, &to])?.map_or(Ok(to), |(path, gap)| {
                    Err(Stay::LeftToGit { hint: gap.way_back(&path), why: gap.to_string(), path })
                }),
                stays => stays,
            };
            match judged {
                Ok(to) => {
                    going.push(Going { moved: Moved { id, from, to }, bytes: entry.document.bytes().to_vec() });
                }
                Err(why) if named.is_some() => return Err(Error::Stays { id, path: from, why: Box::new(why) }),
                Err(Stay::Restless) => {
                    let quiet = at.later_by(older.unwrap_or_default());
                    left.next = Some(left.next.map_or(quiet, |next| next.min(quiet)));
                }
                Err(why) => left.kept.push(Kept { id, path: from, why }),
            }
        }
        Ok((going, left))
    }

    /// Where the documents lie that were named. One that is in the archive already may be the work of a command that died
    /// before it was on the disk: it is waited for, as if it were moved now.
    fn named_entries(&self, live: &Snapshot, ids: &[String]) -> Result<BTreeSet<DocPath>, Error> {
        let mut paths = BTreeSet::new();
        let mut there = Vec::new();
        for id in ids {
            let log = DocPath::new(format!("{}.md", id.trim_end_matches(".md"))).ok();
            if let Some(path) = log.filter(|path| path.is_events() && live.get(path).is_some()) {
                paths.insert(path);
                continue;
            }
            let found = self.documents.find_in(live, None, id)?;
            if found.path.is_archived() {
                there.push(found.path);
            } else {
                paths.insert(found.path);
            }
        }
        if !there.is_empty() {
            let mut keep = |current: &[Option<Vec<u8>>]| Ok::<_, Error>(vec![Action::Keep; current.len()]);
            self.writer.write_durably(&self.records.operation("archive")?, &there, &mut keep)?;
        }
        Ok(paths)
    }

    /// Whether an archived document has the bytes of a live one. One that cannot be read counts as another.
    fn is_copy(&self, archived: &DocPath, live: &Entry) -> bool {
        let held = self.documents.store.folder.read(archived).ok().flatten();
        held.is_some_and(|held| *held.bytes == *live.document.bytes())
    }

    /// When each document changed last at the latest, and whether that is long enough ago.
    ///
    /// The time of the file tells, but for a file that git has just written (a clone, a pull): where HEAD holds it as it is,
    /// it is as old as the last commit that changed it.
    fn changed(&self, entries: &[&Entry], older: Duration) -> Result<BTreeMap<DocPath, (Timestamp, bool)>, Error> {
        let wanted: BTreeSet<&DocPath> = entries.iter().map(|entry| &entry.path).collect();
        let stamps =
            self.documents.store.folder.scan_live()?.files.into_iter().filter(|(path, _)| wanted.contains(path));
        let before = environment::now().earlier_by(older);
        let judge = |at: Timestamp| older.is_zero() || at <= before;
        let mut changed: BTreeMap<DocPath, (Timestamp, bool)> = stamps
            .map(|(path, stamp)| {
                let at = Timestamp::from_unix_ms(stamp.mtime_ns / 1_000_000);
                (path, (at, judge(at)))
            })
            .collect();
        let young = changed.iter().filter(|(_, (_, is_quiet))| !is_quiet);
        let paths: BTreeSet<DocPath> = young.map(|(path, _)| path.clone()).collect();
        let Some(repository) = self.documents.repository.filter(|_| !paths.is_empty()) else { return Ok(changed) };
        let head = self.records.head()?.and_then(|head| head.revision);
        let committed = repository.view().contents_of(head.as_ref(), self.documents.folder(), &paths)?;
        if committed.is_empty() {
            return Ok(changed);
        }
        let touched = repository.log().changed_since(self.documents.target, self.documents.folder(), before)?;
        for entry in entries.iter().filter(|entry| paths.contains(&entry.path) && !touched.contains(&entry.path)) {
            let Some(id) = committed.get(&entry.path) else { continue };
            let place = self.documents.in_repository(&entry.path);
            if repository.attributes().content_id(&place, entry.document.bytes())?.as_ref() == Some(id) {
                changed.insert(entry.path.clone(), (before, true));
            }
        }
        Ok(changed)
    }

    /// Moves some documents as one operation. One that somebody else changed since it was judged stays where it is.
    fn move_all(&self, chunk: &[Going], done: &mut Archived) -> Result<(Vec<Moved>, Option<Unsynced>), Error> {
        let paths: Vec<DocPath> = chunk.iter().flat_map(|one| [one.moved.to.clone(), one.moved.from.clone()]).collect();
        let operation = self.records.operation("archive")?;
        let mut moved = Vec::new();
        let written = self.writer.write(&operation, &paths, &mut |current| -> Result<_, Error> {
            moved.clear();
            let mut actions = Vec::with_capacity(current.len());
            for (one, now) in chunk.iter().zip(current.chunks(2)) {
                let is_ours = |bytes: &Option<Vec<u8>>| bytes.as_ref() == Some(&one.bytes);
                let [there, here] = now else { continue };
                // First there, then no longer here: a reader in between finds it in one place at least.
                let pair = match there {
                    None if is_ours(here) => [Action::Write(one.bytes.clone()), Action::Remove],
                    // A move that was begun, and whose first half survived.
                    Some(_) if is_ours(there) && is_ours(here) => [Action::Keep, Action::Remove],
                    _ => [Action::Keep, Action::Keep],
                };
                if matches!(pair[1], Action::Remove) {
                    moved.push(one.moved.clone());
                }
                actions.extend(pair);
            }
            Ok(actions)
        })?;
        done.operations.extend(written.is_some().then_some(operation.id));
        Ok((moved, written))
    }
}

/// What a document is called.
fn called(entry: &Entry) -> String {
    entry.id.as_ref().map_or_else(|| entry.path.stem().to_owned(), ToString::to_string)
}
