//! What git calls: a merge of three files, and a file to be shown. Knows files and their place, opens no project; and setting both up in a clone.

use std::io;
use std::path::{Path, PathBuf};

use super::Conflicts;
use super::behind::{behind_for_driver, merge_of_driver};
use super::pushed::{GitMerge, merge_knowing_pushed};
use crate::adapters::git::{Repository, ViewGap};
use crate::adapters::store::{self, ReplaceOutcome};
use crate::core::document::Document;
use crate::core::merge::{self, Conflict, MergeSide, MergeSides, Merged};
use crate::core::name::DocPath;
use crate::services::configuration::read_config;
use crate::services::{Error, environment};

/// Largest file that is merged or shown, in bytes.
const BYTES_MAX: usize = 64 * 1024 * 1024;
/// Largest file of attributes, in bytes.
const ATTRIBUTES_BYTES_MAX: usize = 1024 * 1024;
/// How a file is treated that is no document: by its text.
const NO_DOCUMENT: &str = "text.md";

/// What git is to call for documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Driver {
    /// A program that merges.
    Merge,
    /// A program that prints a document for `git diff`.
    Diff,
}

impl Driver {
    /// Its settings in a clone's own configuration, given how to start this program.
    fn settings(self, program: &str) -> Vec<(&'static str, String)> {
        match self {
            Self::Merge => vec![
                ("merge.mycelium.name", "merges documents of agents, tasks and workflows".to_owned()),
                (
                    "merge.mycelium.driver",
                    // Where the program is missing or fails, git's own merge does what it does without a driver.
                    format!(
                        "{program} merge-driver %O %A %B %P; code=$?; [ $code -le 1 ] && exit $code; \
                         git merge-file --marker-size=%L -L ours -L base -L theirs %A %O %B"
                    ),
                ),
            ],
            Self::Diff => {
                let program = program.replace("%%", "%");
                let command = format!("f() {{ {program} textconv \"$1\" 2>/dev/null || cat \"$1\"; }}; f");
                vec![("diff.mycelium.textconv", command)]
            }
        }
    }

    /// Its line in the folder's attributes.
    const fn line(self) -> &'static str {
        match self {
            Self::Merge => "*.md merge=mycelium",
            Self::Diff => "*.md diff=mycelium",
        }
    }
}

/// What was set up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Drivers {
    /// Files and settings that were written.
    pub wrote: Vec<String>,
    /// Files that were there and got a line.
    pub added: Vec<String>,
    /// Settings and lines that were there already and were left as they are.
    pub kept: Vec<String>,
    /// The file of attributes, if it was changed: it is the user's to commit.
    pub attributes: Option<PathBuf>,
}

impl Conflicts<'_> {
    /// Tells git, in this clone's own configuration and in the folder's attributes, to use this program for documents. What is
    /// set already stays.
    ///
    /// # Errors
    /// [`Error::OutsideGit`] without a repository; others if a file cannot be written.
    pub fn set_up(&self, drivers: &[Driver], program: &str) -> Result<Drivers, Error> {
        let Some(repository) = self.operations.documents.repository else {
            return Err(Error::OutsideGit(self.operations.leases.root.to_owned()));
        };
        self.operations.documents.store.local.make()?;
        let mut done = Drivers::default();
        let relative = format!("{}/.gitattributes", self.operations.documents.folder());
        for driver in drivers {
            for (key, value) in driver.settings(program) {
                let wrote = repository.setup().set_own(key, &value)?;
                if wrote { &mut done.wrote } else { &mut done.kept }.push(key.to_owned());
            }
            let line = driver.line();
            match store::read_text_in(self.operations.leases.root, &relative, ATTRIBUTES_BYTES_MAX)? {
                None => {
                    store::write_new_in(self.operations.leases.root, &relative, &format!("{line}\n"))?;
                    done.wrote.push(relative.clone());
                }
                Some(text) if text.lines().any(|one| one.trim() == line) => {
                    done.kept.push(format!("`{line}` in {relative}"));
                    continue;
                }
                Some(text) => {
                    let start = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
                    store::replace_text_in(self.operations.leases.root, &relative, &format!("{text}{start}{line}\n"))?;
                    done.added.push(format!("`{line}` to {relative}"));
                }
            }
            done.attributes = Some(PathBuf::from(&relative));
        }
        Ok(done)
    }
}

/// Merges three files as git's merge drivers do: the result replaces `ours`. `path` is where the file lies in the repository.
///
/// # Errors
/// [`Error::Folder`] if a file cannot be read or written; `ours` is as it was then.
pub fn merge_files(base: &Path, ours: &Path, theirs: &Path, path: &str) -> Result<Merged, Error> {
    if let Some(gap) = gap(path)? {
        // What git has in these files is not the text of the document; `ours` stays, and git says that there is a conflict.
        let document = Document::parse(read(ours)?);
        let (rule, what) = ("only git can merge it", format!("the file: {gap}"));
        let conflict = Conflict::without_sides(rule, what);
        return Ok(Merged { document, conflicts: vec![conflict], decisions: Vec::new() });
    }
    let (base, mine, other) = (read(base)?, read(ours)?, read(theirs)?);
    // For a file that both sides made, git gives an empty one.
    let base = Some(base).filter(|bytes| !bytes.is_empty()).map(Document::parse);
    let document = Document::parse(mine.clone());
    let (folder, place) = place(path)?;
    let other = Document::parse(other);
    // Only what both sides changed can be behind.
    let is_open = document != other && base.as_ref().is_none_or(|base| *base != document && *base != other);
    let behind = folder.as_deref().filter(|_| is_open);
    let behind = behind.and_then(|folder| behind_for_driver(folder, &place, (&document, &other)));
    let base = match behind {
        Some(MergeSide::Ours) => Some(&document),
        Some(MergeSide::Theirs) => Some(&other),
        None => base.as_ref(),
    };
    let pushed = || {
        let (folder, (repository, merged)) = (folder.as_deref()?, merge_of_driver()?);
        let (repository, path, ours, theirs) = (&repository, &place, &document, &other);
        GitMerge { repository, folder, path, ours, theirs, merged: &merged }.pushed().ok()?
    };
    let merge = |sides: &MergeSides<'_>| merge::document(&place, base, &document, &other, sides);
    let merged = merge_knowing_pushed(&merge, pushed);
    if merged.document.bytes() != mine {
        let fault = |source| Error::Folder { path: ours.to_owned(), source };
        match store::replace_bytes(ours, Some(&mine), Some(merged.document.bytes())).map_err(fault)? {
            ReplaceOutcome::Yes => {}
            ReplaceOutcome::Overtaken => return Err(fault(io::Error::other("it has been changed since"))),
        }
    }
    Ok(merged)
}

/// Why only git can store the file at a path of the repository in which git started this.
fn gap(path: &str) -> Result<Option<ViewGap>, Error> {
    let Some(repository) = Repository::discover(&environment::current_folder()?)? else { return Ok(None) };
    Ok(repository.attributes().attribute_gap(path)?)
}

/// The bytes of a file that git wants to show.
///
/// # Errors
/// [`Error::Folder`] if it cannot be read.
pub fn shown_file(path: &Path) -> Result<Vec<u8>, Error> {
    read(path)
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let fault = |source| Error::Folder { path: path.to_owned(), source };
    let bytes = store::read_bytes(path, BYTES_MAX).map_err(fault)?;
    bytes.ok_or_else(|| fault(io::ErrorKind::NotFound.into()))
}

/// The folder that the configuration names, and the path of a document below it; any other file is merged as a text.
fn place(path: &str) -> Result<(Option<String>, DocPath), Error> {
    // Git starts its drivers at the top of the work tree.
    let config = read_config(&environment::current_folder()?, None, Vec::new())?;
    let folder = config.text("markdown.folder").unwrap_or(".claude/coordination");
    let inside = path.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/'));
    match inside.map(DocPath::new) {
        Some(Ok(path)) => Ok((Some(folder.to_owned()), path)),
        Some(Err(_)) | None => Ok((None, DocPath::new(NO_DOCUMENT)?)),
    }
}
