//! Writes documents: the one place where a service changes the folder. What is written is decided on the bytes that are there.

use crate::adapters::store::{Action, ApplyError, Decide, Operation, OperationLog, Unsynced};
use crate::core::name::DocPath;

/// What was written, not to be acknowledged before [`Unsynced::wait`]; `None` if nothing changed.
type Written<E> = Result<Option<Unsynced>, ApplyError<E>>;

/// Returns what makes `after` of a document that is `now`.
pub(super) fn action(now: Option<&[u8]>, after: Option<&[u8]>) -> Action {
    match after {
        _ if now == after => Action::Keep,
        Some(bytes) => Action::Write(bytes.to_vec()),
        None => Action::Remove,
    }
}

/// Writes documents, each time as one operation of the store.
#[derive(Debug, Clone, Copy)]
pub(super) struct DocumentWriter<'a> {
    pub(super) log: &'a OperationLog,
}

impl DocumentWriter<'_> {
    /// Writes these documents, all or none: `decide` says what becomes of their bytes, and is asked again where another process
    /// was faster.
    pub(super) fn write<E>(self, by: &Operation, paths: &[DocPath], decide: &mut Decide<'_, E>) -> Written<E> {
        self.log.apply_unsynced(by, paths, decide)
    }

    /// The same, and waits until the change is on the disk.
    pub(super) fn write_durably<E>(self, by: &Operation, paths: &[DocPath], decide: &mut Decide<'_, E>) -> Written<E> {
        let written = self.write(by, paths, decide)?;
        written.as_ref().map_or(Ok(()), Unsynced::wait)?;
        Ok(written)
    }
}
