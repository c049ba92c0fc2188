//! Compares the folder with what git holds. Remembers what it read, so that the next look reads only what changed; decides nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::Committer;
use crate::adapters::git::{IgnoredDocument, Indexed, Repository, Target};
use crate::adapters::store::{DOCUMENT_BYTES_MAX, FolderScan, Stamp};
use crate::core::diagnostic::{Code, Diagnostic, Severity};
use crate::core::document::Document;
use crate::core::engine::ScannedDocument;
use crate::core::name::{ContentId, DocPath};
use crate::services::index::held_back;
use crate::services::{Error, environment};

/// A file that was written so shortly before it was read may be written again without a new time on it: the clock of
/// the file system ticks in steps of some milliseconds.
const YOUNG_NS: i64 = 20_000_000;

/// The permission bit that makes a file a program for git.
const OWNER_RUNS: u32 = 0o100;

/// From so many files on that were never read, the index is asked first which of them are as they were committed.
const INDEX_MIN: usize = 64;

/// What was seen of the folder.
#[derive(Debug, Default)]
pub struct Survey {
    known: BTreeMap<DocPath, Known>,
}

#[derive(Debug, Clone)]
struct Known {
    stamp: Stamp,
    seen: ScannedDocument,
    source: Source,
}

/// Where the knowledge of a file's content comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// It was read.
    File,
    /// The index says that it is as it was added; whether it parses is not known.
    Index,
}

impl Known {
    /// Returns true if the file need not be read again. One whose content is not known may be readable by now, and attributes
    /// change without it.
    fn holds(&self, stamp: &Stamp, tracked: Option<&ContentId>, now_ns: i64) -> bool {
        let same = self.seen.content.is_some() && self.stamp == *stamp && now_ns - stamp.ctime_ns > YOUNG_NS;
        same && (self.source == Source::File || self.seen.content.as_ref() == tracked)
    }
}

/// What one look found.
#[derive(Debug, Default)]
pub struct Sight {
    /// Every document that git does not ignore.
    pub files: BTreeMap<DocPath, ScannedDocument>,
    /// Those whose present state was written by an operation of the journal, removals included.
    pub own: BTreeSet<DocPath>,
    /// One that git ignores, if there is any.
    pub ignored: Option<IgnoredDocument>,
}

impl Survey {
    /// Looks at the folder. `tracked` is what the newest commit holds; what it holds is never ignored.
    ///
    /// # Errors
    /// [`Error`] if the folder or the repository cannot be read.
    pub fn look(&mut self, commits: &Committer<'_>, tracked: &BTreeMap<DocPath, ContentId>) -> Result<Sight, Error> {
        let Some(repository) = commits.repository else { return Ok(Sight::default()) };
        let mut sight = Sight::default();
        let (mut known, mut seen) = (Vec::new(), Vec::new());
        let now_ns = environment::now().unix_ms().saturating_mul(1_000_000);
        let scan = commits.store.folder.scan()?;
        self.ask_index(commits, repository, &scan.files)?;
        let mut added = AddedFiles::default();
        let work = commits.progress.begin("looking at documents", scan.files.len());
        for (path, stamp) in &scan.files {
            work.step();
            let in_repository = commits.documents.in_repository(path);
            if *commits.target == Target::Current
                && !tracked.contains_key(path)
                && repository.ignore_rules().is_ignored(&in_repository)?
            {
                if sight.ignored.is_none() {
                    sight.ignored = Some(repository.ignore_rules().ignored_document(commits.folder(), &in_repository)?);
                }
                continue;
            }
            let one = match self.known.remove(path) {
                Some(one) if one.holds(stamp, tracked.get(path), now_ns) => Some(one),
                _ => read(commits, repository, path, &in_repository, &mut added)?,
            };
            if let Some(one) = one {
                seen.push((path.clone(), one.seen.clone()));
                known.push((path.clone(), one));
            }
        }
        drop(work);
        // A map is made of many at once much sooner than one by one.
        (self.known, sight.files) = (known.into_iter().collect(), seen.into_iter().collect());
        missing(commits, repository, tracked, &scan, &mut sight.files)?;
        sight.own = own(commits, repository, &sight.files)?;
        if *commits.target == Target::Current {
            hold_back(commits, repository, tracked, &scan, &mut sight.files)?;
        } else {
            pass_over_checked_out(commits, repository, tracked, &mut sight)?;
        }
        Ok(sight)
    }

    /// Takes over from the index what it knows of files that were never read.
    fn ask_index(
        &mut self,
        commits: &Committer<'_>,
        repository: &Repository,
        files: &[(DocPath, Stamp)],
    ) -> Result<(), Error> {
        let unread = files.iter().filter(|(path, _)| !self.known.contains_key(path));
        if *commits.target != Target::Current || unread.clone().count() < INDEX_MIN {
            return Ok(());
        }
        let indexed = repository.index().indexed(commits.folder())?;
        let told = unread.filter_map(|(path, stamp)| {
            let one = indexed.get(path)?;
            let is_as_added = one.is(stamp.ino, stamp.mtime_ns, stamp.ctime_ns, stamp.size);
            let seen =
                || ScannedDocument { content: Some(one.content.clone()), stamp: stamp_digest(stamp), fault: None };
            is_as_added.then(|| (path.clone(), Known { stamp: *stamp, seen: seen(), source: Source::Index }))
        });
        let mut told: BTreeMap<DocPath, Known> = told.collect();
        self.known.append(&mut told);
        Ok(())
    }
}

/// What the index says of the files that were added, read at the first question.
#[derive(Default)]
struct AddedFiles(Option<BTreeMap<DocPath, Indexed>>);

impl AddedFiles {
    /// The content that a file was added with, if it is for sure the one that was added.
    fn content(&mut self, commits: &Committer<'_>, path: &DocPath, stamp: &Stamp) -> Result<Option<ContentId>, Error> {
        let Some(repository) = commits.repository.filter(|_| *commits.target == Target::Current) else {
            return Ok(None);
        };
        let added = match self.0.take() {
            Some(added) => added,
            None => repository.index().indexed(commits.folder())?,
        };
        let added = self.0.insert(added).get(path);
        Ok(added
            .filter(|one| one.is(stamp.ino, stamp.mtime_ns, stamp.ctime_ns, stamp.size))
            .map(|one| one.content.clone()))
    }
}

/// Tracked documents that were not found. What something else is in the place of, or what git keeps out of the work tree
/// (`git sparse-checkout`), was not deleted; and a deletion of what only git can store is left to git as well.
fn missing(
    commits: &Committer<'_>,
    repository: &Repository,
    tracked: &BTreeMap<DocPath, ContentId>,
    scan: &FolderScan,
    files: &mut BTreeMap<DocPath, ScannedDocument>,
) -> Result<(), Error> {
    let missing: Vec<_> = tracked.iter().filter(|(path, _)| !files.contains_key(*path)).collect();
    let is_current = *commits.target == Target::Current;
    for (path, content) in missing {
        let in_repository = commits.documents.in_repository(path);
        let unknown = |fault| ScannedDocument { content: None, stamp: 0, fault: Some(fault) };
        let seen = if let Some(why) = scan.in_the_way(path) {
            Some(unknown(held_back::in_the_way(commits.folder(), path, &why)))
        } else if is_current && repository.index().is_kept_out(&in_repository)? {
            Some(ScannedDocument { content: Some(content.clone()), stamp: 0, fault: None })
        } else {
            let gap = repository.attributes().attribute_gap(&in_repository)?;
            gap.map(|gap| unknown(held_back::left_to_git(path, &in_repository, &gap)))
        };
        files.extend(seen.map(|seen| (path.clone(), seen)));
    }
    Ok(())
}

/// Holds back changed documents that git does not look at, and those whose mode alone has changed.
fn hold_back(
    commits: &Committer<'_>,
    repository: &Repository,
    tracked: &BTreeMap<DocPath, ContentId>,
    scan: &FolderScan,
    files: &mut BTreeMap<DocPath, ScannedDocument>,
) -> Result<(), Error> {
    for (path, seen) in files.iter_mut().filter(|(path, seen)| seen.content.as_ref() != tracked.get(*path)) {
        let in_repository = commits.documents.in_repository(path);
        if let Some(gap) = repository.attributes().index_gap(&in_repository)? {
            (seen.content, seen.fault) = (None, Some(held_back::left_to_git(path, &in_repository, &gap)));
        }
    }
    let Some(programs) = repository.index().programs(commits.folder())? else { return Ok(()) };
    for (path, stamp) in &scan.files {
        let is_program = stamp.mode & OWNER_RUNS != 0;
        let same = |seen: &&mut ScannedDocument| seen.content.is_some() && seen.content.as_ref() == tracked.get(path);
        if let Some(seen) = files.get_mut(path).filter(same)
            && programs.contains(path) != is_program
        {
            (seen.content, seen.fault) = (None, Some(held_back::mode_changed(commits.folder(), path, is_program)));
        }
    }
    Ok(())
}

/// On a dedicated branch, what equals the commit that is checked out was put there by git: it counts as being as it is on
/// the branch. If the branch held it once and removed it, it counts as not being there.
fn pass_over_checked_out(
    commits: &Committer<'_>,
    repository: &Repository,
    tracked: &BTreeMap<DocPath, ContentId>,
    sight: &mut Sight,
) -> Result<(), Error> {
    let head = repository.view().head(&Target::Current)?.revision;
    let code = repository.view().contents(head.as_ref(), commits.folder())?;
    let mut removed = None;
    for (path, content) in code {
        let is_as_committed = sight.files.get(&path).is_some_and(|seen| seen.content.as_ref() == Some(&content));
        if !is_as_committed || sight.own.contains(&path) {
            continue;
        }
        if let Some(content) = tracked.get(&path) {
            sight.files.insert(path, ScannedDocument { content: Some(content.clone()), stamp: 0, fault: None });
            continue;
        }
        if removed.is_none() {
            let tip = commits.branch().folder_base(repository)?;
            removed = Some(
                tip.map_or_else(|| Ok(BTreeSet::new()), |tip| repository.log().removed_from(&tip, commits.folder()))?,
            );
        }
        if removed.as_ref().is_some_and(|removed| removed.contains(&path)) {
            sight.files.remove(&path);
        }
    }
    Ok(())
}

fn read(
    commits: &Committer<'_>,
    repository: &Repository,
    path: &DocPath,
    in_repository: &str,
    added: &mut AddedFiles,
) -> Result<Option<Known>, Error> {
    let known = |stamp, seen| Ok(Some(Known { stamp, seen, source: Source::File }));
    let file = match commits.store.folder.read(path) {
        Ok(Some(file)) => file,
        Ok(None) => return Ok(None),
        Err(error) if error.concerns_one_file() => {
            let fault = held_back::cannot_be_read(commits.folder(), path, &error);
            return known(Stamp::default(), ScannedDocument { content: None, stamp: 0, fault: Some(fault) });
        }
        Err(error) => return Err(error.into()),
    };
    let stamp = stamp_digest(&file.stamp);
    if file.bytes.len() as u64 > DOCUMENT_BYTES_MAX {
        let fault = Diagnostic::error(Code::FileTooBig, format!("it is larger than {DOCUMENT_BYTES_MAX} bytes"))
            .in_file(path)
            .hint("split the document, or move bulky data to a file of its own");
        return known(file.stamp, ScannedDocument { content: None, stamp, fault: Some(fault) });
    }
    let Some(content) = repository.attributes().content_id(in_repository, &file.bytes)? else {
        let content = added.content(commits, path, &file.stamp)?;
        let fault = match (&content, repository.attributes().attribute_gap(in_repository)?) {
            (None, Some(gap)) => Some(held_back::left_to_git(path, in_repository, &gap)),
            _ => None,
        };
        return known(Stamp::default(), ScannedDocument { content, stamp, fault });
    };
    let document = Document::parse(file.bytes);
    let fault = document.faults().iter().find(|fault| fault.severity == Severity::Error).cloned();
    // An editor that empties a file before it writes it has not finished; nobody means an empty document.
    let empty = || Diagnostic::error(Code::NoFrontmatter, "it is empty").hint("save it with its text, or remove it");
    let fault = fault.or_else(|| document.text().trim().is_empty().then(empty)).map(|fault| fault.in_file(path));
    known(file.stamp, ScannedDocument { content: Some(content), stamp, fault })
}

/// The paths that are as the journal's last operation on them left them.
fn own(
    commits: &Committer<'_>,
    repository: &Repository,
    files: &BTreeMap<DocPath, ScannedDocument>,
) -> Result<BTreeSet<DocPath>, Error> {
    let mut last = BTreeMap::new();
    for record in commits.store.log.journal()? {
        for change in record.changes {
            last.insert(change.path, change.after);
        }
    }
    let mut own = BTreeSet::new();
    for (path, after) in last {
        let written = match after {
            Some(bytes) => {
                let Some(id) = repository.attributes().content_id(&commits.documents.in_repository(&path), &bytes)?
                else {
                    continue;
                };
                Some(id)
            }
            None => None,
        };
        if files.get(&path).and_then(|seen| seen.content.clone()) == written {
            own.insert(path);
        }
    }
    Ok(own)
}

/// A stamp as one number (FNV-1a, 64 bits): another number is another state of the file.
pub(in crate::services) fn stamp_digest(stamp: &Stamp) -> u64 {
    let parts = [stamp.ino, stamp.mtime_ns.cast_unsigned(), stamp.ctime_ns.cast_unsigned(), stamp.size];
    let bytes = parts.into_iter().flat_map(u64::to_le_bytes);
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}
