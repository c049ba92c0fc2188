//! Writes documents: the one place where a service changes the folder. What is written is decided on the bytes that are there.

use super::Error;
use super::commits::OperationRecords;
use crate::adapters::store::{ApplyError, Decide, Operation, Store, Unsynced};
use crate::core::name::DocPath;

/// Writes documents, each time as one operation of the store.
#[derive(Debug, Clone, Copy)]
pub(super) struct DocumentWriter<'a> {
    store: &'a Store,
    records: OperationRecords<'a>,
}

impl<'a> DocumentWriter<'a> {
    pub(super) const fn new(store: &'a Store, records: OperationRecords<'a>) -> Self {
        Self { store, records }
    }

    /// Returns the record of a new operation by the acting agent.
    pub(super) fn operation(&self, verb: &str) -> Result<Operation, Error> {
        self.records.operation(verb)
    }

    /// Writes these documents, all or none: `decide` says what becomes of their bytes, and is asked again where another process
    /// was faster. The change is not to be acknowledged before [`Unsynced::wait`]; `None` if nothing changed.
    pub(super) fn write<E>(
        &self,
        operation: &Operation,
        paths: &[DocPath],
        decide: &mut Decide<'_, E>,
    ) -> Result<Option<Unsynced>, ApplyError<E>> {
        self.store.apply_unsynced(operation, paths, decide)
    }

    /// The same, and waits until the change is on the disk.
    pub(super) fn write_durably<E>(
        &self,
        operation: &Operation,
        paths: &[DocPath],
        decide: &mut Decide<'_, E>,
    ) -> Result<Option<Unsynced>, ApplyError<E>> {
        let written = self.write(operation, paths, decide)?;
        written.as_ref().map_or(Ok(()), Unsynced::wait)?;
        Ok(written)
    }
}
