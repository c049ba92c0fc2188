//! Findings about documents that are left alone: those that cannot be read, and those that only git can store. Wording only.

use crate::adapters::git::ViewGap;
use crate::adapters::store::{FileRead, StoreError};
use crate::core::diagnostic::{Code, Diagnostic};
use crate::core::document::Document;
use crate::core::name::DocPath;

/// The document that a file of the folder holds; one that says why it cannot be read is a document too. `None` for one that
/// was not read because it is known.
pub(in crate::services) fn document_of(folder: &str, path: &DocPath, read: FileRead) -> Option<Document> {
    match read {
        FileRead::Known(_) => None,
        FileRead::Contents(contents) => Some(Document::parse(contents.bytes)),
        FileRead::Unreadable(error) => Some(Document::unavailable(cannot_be_read(folder, path, &error))),
    }
}

/// The finding about a file of the folder that is there and cannot be read.
pub(in crate::services) fn cannot_be_read(folder: &str, path: &DocPath, error: &StoreError) -> Diagnostic {
    let message = format!("it cannot be read: {}", error.reason());
    Diagnostic::error(Code::CannotBeRead, message).in_file(path).hint(way_out(&format!("{folder}/{path}"), error))
}

/// What gets a file or folder read again.
pub(in crate::services) fn way_out(path: &str, error: &StoreError) -> String {
    match error {
        StoreError::Strange { .. } => format!("move `{path}` away, or replace it with the document"),
        StoreError::Io { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => rights(path),
        _ => format!("see whether the disk is well, and restore `{path}` with `git restore {path}`"),
    }
}

/// How to get the right to read a file or folder.
pub(in crate::services) fn rights(path: &str) -> String {
    format!("run `ls -ld {path}` to see whose it is, and `chmod u+rwX {path}` as its owner")
}

/// The finding about a tracked document in whose place, or in the place of whose folder, something else is.
pub(in crate::services) fn in_the_way(folder: &str, path: &DocPath, why: &str) -> Diagnostic {
    Diagnostic::error(Code::CannotBeRead, format!("it cannot be read: {why}")).in_file(path).hint(format!(
        "run `ls -ld {folder}/{path}` to see what is there, and move it away or give yourself the right to read it"
    ))
}

/// The finding about a document that only git can store as the repository wants it.
pub(in crate::services) fn left_to_git(path: &DocPath, in_repository: &str, gap: &ViewGap) -> Diagnostic {
    let finding = Diagnostic::warning(Code::LeftToGit, format!("{gap}: it is not committed by mycelium"));
    finding.in_file(path).hint(gap.hint(in_repository))
}

/// The finding about a document of which nothing but the executable bit differs from the last commit.
pub(in crate::services) fn mode_changed(folder: &str, path: &DocPath, is_program: bool) -> Diagnostic {
    let (what, back) = if is_program { ("executable now", "a-x") } else { ("no longer executable", "a+x") };
    Diagnostic::warning(
        Code::LeftToGit,
        format!("it is {what}, and nothing else has changed: git shows it as modified"),
    )
    .in_file(path)
    .hint(format!(
        "run `chmod {back} {folder}/{path}`, or commit the mode with `git add -- {folder}/{path}` and `git commit -m MESSAGE -- \
         {folder}/{path}`"
    ))
}

/// A document that is not in the worktree because git keeps it out: it is there, and nothing here says what is in it.
pub(in crate::services) fn kept_out(path: &DocPath) -> Document {
    let message = "git keeps it out of this worktree (`git sparse-checkout`)";
    Document::unavailable(Diagnostic::warning(Code::LeftToGit, message).in_file(path))
}

/// The finding about a document in conflict that only git can store: its versions in the index are not its texts.
pub(in crate::services) fn not_merged(path: &DocPath, in_repository: &str, gap: &ViewGap) -> Diagnostic {
    let by_hand = format!(
        "`git checkout --ours -- {in_repository}` or `git checkout --theirs -- {in_repository}`, then `git add -- {in_repository}`"
    );
    Diagnostic::warning(Code::LeftToGit, format!("{gap}: its versions are not merged by mycelium"))
        .in_file(path)
        .hint(format!("take one side with {by_hand}"))
}
