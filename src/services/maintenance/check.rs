//! Every finding about the folder: what its documents say, what only git can store, what is no document. Only looks.

use super::Maintenance;
use crate::adapters::store::{EntryType, FolderScan, Strange};
use crate::core::check;
use crate::core::diagnostic::{Code, Diagnostic};
use crate::core::event;
use crate::core::name::{DocPath, shell_word};
use crate::core::snapshot::Snapshot;
use crate::services::Error;
use crate::services::index::held_back;

impl Maintenance<'_> {
    /// Every finding about the documents that were read, and about entries of the folder that look like documents and are
    /// none.
    ///
    /// # Errors
    /// [`Error`] if the folder or the newest commit cannot be read.
    pub fn check(&self, now: &Snapshot) -> Result<Vec<Diagnostic>, Error> {
        let mut findings = check::check(now, self.documents.head_snapshot()?.as_ref());
        for entry in now.entries().filter(|entry| entry.path.is_events()) {
            findings.extend(event::read_log(&entry.path, entry.document.bytes()).1);
        }
        findings.extend(self.left_to_git(now)?);
        let scan = self.documents.store.folder.scan()?;
        for closed in &scan.closed {
            let message = format!("`{}` cannot be read: {}", closed.name, closed.why);
            let hint = held_back::rights(&format!("{}/{}", self.documents.folder(), closed.name));
            findings.push(Diagnostic::error(Code::CannotBeRead, message).hint(hint));
        }
        for strange in &scan.strange {
            let message = format!("`{}` is {}, not a document; it is not read", strange.name, strange.what);
            let finding = Diagnostic::warning(Code::NotAFile, message);
            findings.push(finding.hint(self.strange_hint(&scan, strange)));
        }
        findings.extend(self.history.put_back_findings()?);
        Ok(findings)
    }

    /// How to make a document of an entry that looks like one, or to have it out of the way. Nothing that may hold text is
    /// advised to be removed.
    fn strange_hint(&self, scan: &FolderScan, strange: &Strange) -> String {
        let at = |name: &str| shell_word(&format!("{}/{name}", self.documents.folder()));
        let is_taken = |name: &str| scan.files.iter().any(|(path, _)| path.as_str() == name);
        match strange.what {
            EntryType::OtherEnding => {
                let stem = strange.name.rsplit_once('.').map_or(&*strange.name, |(stem, _)| stem);
                let name = format!("{stem}.md");
                match DocPath::new(&*name) {
                    Ok(_) if is_taken(&name) => {
                        format!("`{name}` is there too: keep one of the two, and move the other away")
                    }
                    Ok(_) => format!("rename it: `mv {} {}`", at(&strange.name), at(&name)),
                    Err(_) => "rename it to `task-<id>.md`, or move it out of the folder".to_owned(),
                }
            }
            EntryType::BadName => "rename it with letters, digits and `-`, or move it out of the folder".to_owned(),
            EntryType::Symlink => {
                format!("put the file itself there, or take the link away: `rm {}`", at(&strange.name))
            }
            EntryType::Directory | EntryType::File | EntryType::Special => {
                "move it out of the folder, or give it another name".to_owned()
            }
        }
    }

    /// The findings about live documents that only git can store.
    pub(super) fn left_to_git(&self, now: &Snapshot) -> Result<Vec<Diagnostic>, Error> {
        let Some(repository) = self.documents.repository else { return Ok(Vec::new()) };
        let mut findings = Vec::new();
        for entry in now.entries().filter(|entry| !entry.path.is_archived()) {
            let in_repository = self.documents.in_repository(&entry.path);
            if let Some(gap) = repository.attributes().attribute_gap(&in_repository)? {
                findings.push(held_back::left_to_git(&entry.path, &in_repository, &gap));
            }
        }
        Ok(findings)
    }
}
