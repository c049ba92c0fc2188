//! Compares the folder with what git holds. Remembers what it read, so that the next look reads only what changed; decides nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::{Error, Workspace, environment};
use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::document::Document;
use crate::engine::Seen;
use crate::git::{Repository, Target};
use crate::name::{ContentId, DocPath};
use crate::store::{DOCUMENT_BYTES_MAX, Stamp};

/// A file that was written so shortly before it was read may be written again without a new time on it: the clock of
/// the file system ticks in steps of some milliseconds.
const YOUNG_NS: i64 = 20_000_000;

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
    seen: Seen,
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
    /// Tells whether the file need not be read again.
    fn holds(&self, stamp: &Stamp, tracked: Option<&ContentId>, now_ns: i64) -> bool {
        let same = self.stamp == *stamp && now_ns - stamp.ctime_ns > YOUNG_NS;
        same && (self.source == Source::File || self.seen.content.as_ref() == tracked)
    }
}

/// What one look found.
#[derive(Debug, Default)]
pub struct Sight {
    /// Every document that git does not ignore.
    pub files: BTreeMap<DocPath, Seen>,
    /// Those whose present state was written by an operation of the journal, removals included.
    pub own: BTreeSet<DocPath>,
    /// One that git ignores, by its path below the work tree, if there is any.
    pub ignored: Option<String>,
}

impl Survey {
    /// Looks at the folder. `tracked` is what the newest commit holds; what it holds is never ignored.
    ///
    /// # Errors
    /// [`Error`] if the folder or the repository cannot be read.
    pub fn look(&mut self, workspace: &Workspace, tracked: &BTreeMap<DocPath, ContentId>) -> Result<Sight, Error> {
        let Some(repository) = &workspace.repository else { return Ok(Sight::default()) };
        let mut sight = Sight::default();
        let (mut known, mut seen) = (Vec::new(), Vec::new());
        let now_ns = environment::now().unix_ms().saturating_mul(1_000_000);
        let files = workspace.store.scan()?.files;
        self.ask_index(workspace, repository, &files)?;
        let work = workspace.progress.begin("looking at documents", files.len());
        for (path, stamp) in files {
            work.step();
            let in_repository = workspace.in_repository(&path);
            if workspace.target() == Target::Current
                && !tracked.contains_key(&path)
                && repository.is_ignored(&in_repository)?
            {
                sight.ignored.get_or_insert(in_repository);
                continue;
            }
            let one = match self.known.remove(&path) {
                Some(one) if one.holds(&stamp, tracked.get(&path), now_ns) => Some(one),
                _ => read(workspace, repository, &path, &in_repository)?,
            };
            if let Some(one) = one {
                seen.push((path.clone(), one.seen.clone()));
                known.push((path, one));
            }
        }
        drop(work);
        // A map is made of many at once much sooner than one by one.
        (self.known, sight.files) = (known.into_iter().collect(), seen.into_iter().collect());
        if workspace.target() == Target::Current {
            keep_out(workspace, repository, tracked, &mut sight.files)?;
        }
        sight.own = own(workspace, repository, &sight.files)?;
        Ok(sight)
    }

    /// Takes over from the index what it knows of files that were never read.
    fn ask_index(
        &mut self,
        workspace: &Workspace,
        repository: &Repository,
        files: &[(DocPath, Stamp)],
    ) -> Result<(), Error> {
        let unread = files.iter().filter(|(path, _)| !self.known.contains_key(path));
        if workspace.target() != Target::Current || unread.clone().count() < INDEX_MIN {
            return Ok(());
        }
        let indexed = repository.indexed(workspace.folder())?;
        let told = unread.filter_map(|(path, stamp)| {
            let one = indexed.get(path)?;
            let is_as_added = one.is(stamp.ino, stamp.mtime_ns, stamp.ctime_ns, stamp.size);
            let seen = || Seen { content: Some(one.content.clone()), stamp: digest(stamp), fault: None };
            is_as_added.then(|| (path.clone(), Known { stamp: *stamp, seen: seen(), source: Source::Index }))
        });
        let mut told: BTreeMap<DocPath, Known> = told.collect();
        self.known.append(&mut told);
        Ok(())
    }
}

/// What git keeps out of the work tree (`git sparse-checkout`) was not deleted: it counts as being as it is in git.
fn keep_out(
    workspace: &Workspace,
    repository: &Repository,
    tracked: &BTreeMap<DocPath, ContentId>,
    files: &mut BTreeMap<DocPath, Seen>,
) -> Result<(), Error> {
    let missing: Vec<_> = tracked.iter().filter(|(path, _)| !files.contains_key(*path)).collect();
    for (path, content) in missing {
        if repository.is_kept_out(&workspace.in_repository(path))? {
            files.insert(path.clone(), Seen { content: Some(content.clone()), stamp: 0, fault: None });
        }
    }
    Ok(())
}

fn read(
    workspace: &Workspace,
    repository: &Repository,
    path: &DocPath,
    in_repository: &str,
) -> Result<Option<Known>, Error> {
    let Some(file) = workspace.store.read(path)? else { return Ok(None) };
    let stamp = digest(&file.stamp);
    if file.bytes.len() as u64 > DOCUMENT_BYTES_MAX {
        let fault = Diagnostic::error(Code::FileTooBig, format!("it is larger than {DOCUMENT_BYTES_MAX} bytes"))
            .in_file(path)
            .hint("split the document, or move bulky data to a file of its own");
        let seen = Seen { content: None, stamp, fault: Some(fault) };
        return Ok(Some(Known { stamp: file.stamp, seen, source: Source::File }));
    }
    let content = repository.content_id(in_repository, &file.bytes)?;
    let document = Document::parse(file.bytes);
    let fault = document.faults().iter().find(|fault| fault.severity == Severity::Error).cloned();
    // An editor that empties a file before it writes it has not finished; nobody means an empty document.
    let empty = || Diagnostic::error(Code::NoFrontmatter, "it is empty").hint("save it with its text, or remove it");
    let fault = fault.or_else(|| document.text().trim().is_empty().then(empty)).map(|fault| fault.in_file(path));
    let seen = Seen { content: Some(content), stamp, fault };
    Ok(Some(Known { stamp: file.stamp, seen, source: Source::File }))
}

/// The paths that are as the journal's last operation on them left them.
fn own(
    workspace: &Workspace,
    repository: &Repository,
    files: &BTreeMap<DocPath, Seen>,
) -> Result<BTreeSet<DocPath>, Error> {
    let mut last = BTreeMap::new();
    for record in workspace.store.journal()? {
        for change in record.changes {
            last.insert(change.path, change.after);
        }
    }
    let mut own = BTreeSet::new();
    for (path, after) in last {
        let written = match after {
            Some(bytes) => Some(repository.content_id(&workspace.in_repository(&path), &bytes)?),
            None => None,
        };
        if files.get(&path).and_then(|seen| seen.content.clone()) == written {
            own.insert(path);
        }
    }
    Ok(own)
}

/// A stamp as one number (FNV-1a, 64 bits): another number is another state of the file.
fn digest(stamp: &Stamp) -> u64 {
    let parts = [stamp.ino, stamp.mtime_ns.cast_unsigned(), stamp.ctime_ns.cast_unsigned(), stamp.size];
    let bytes = parts.into_iter().flat_map(u64::to_le_bytes);
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}
