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

/// What was seen of the folder.
#[derive(Debug, Default)]
pub struct Survey {
    known: BTreeMap<DocPath, (Stamp, Seen)>,
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
        let mut known = BTreeMap::new();
        let now_ns = environment::now().unix_ms().saturating_mul(1_000_000);
        for (path, stamp) in workspace.store.scan()?.files {
            let in_repository = workspace.in_repository(&path);
            if workspace.target() == Target::Current
                && !tracked.contains_key(&path)
                && repository.is_ignored(&in_repository)?
            {
                sight.ignored.get_or_insert(in_repository);
                continue;
            }
            let seen = match self.known.remove(&path) {
                Some((old, seen)) if old == stamp && now_ns - stamp.ctime_ns > YOUNG_NS => Some((old, seen)),
                _ => read(workspace, repository, &path, &in_repository)?,
            };
            if let Some((stamp, seen)) = seen {
                sight.files.insert(path.clone(), seen.clone());
                known.insert(path, (stamp, seen));
            }
        }
        self.known = known;
        sight.own = own(workspace, repository, &sight.files)?;
        Ok(sight)
    }
}

fn read(
    workspace: &Workspace,
    repository: &Repository,
    path: &DocPath,
    in_repository: &str,
) -> Result<Option<(Stamp, Seen)>, Error> {
    let Some(file) = workspace.store.read(path)? else { return Ok(None) };
    let stamp = digest(&file.stamp);
    if file.bytes.len() as u64 > DOCUMENT_BYTES_MAX {
        let fault = Diagnostic::error(Code::FileTooBig, format!("it is larger than {DOCUMENT_BYTES_MAX} bytes"))
            .in_file(path)
            .hint("split the document, or move bulky data to a file of its own");
        return Ok(Some((file.stamp, Seen { content: None, stamp, fault: Some(fault) })));
    }
    let content = repository.content_id(in_repository, &file.bytes)?;
    let document = Document::parse(file.bytes);
    let fault = document.faults().iter().find(|fault| fault.severity == Severity::Error);
    let fault = fault.map(|fault| fault.clone().in_file(path));
    Ok(Some((file.stamp, Seen { content: Some(content), stamp, fault })))
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
