//! Refuses a dependency that would make a task wait for itself. What a person or a merge writes is a finding instead.

use crate::core::document::Document;
use crate::core::entity::{self, Entity, Refusal, Task};
use crate::core::name::{DocId, DocPath};
use crate::core::snapshot::Snapshot;

/// Refuses the first of these dependencies that would close a cycle.
pub(super) fn refuse_cycle(live: &Snapshot, id: &DocId, added: &[DocId]) -> Result<(), Refusal> {
    match added.iter().find_map(|dependency| live.cycle_by(id, dependency)) {
        Some(cycle) => Err(Refusal::DependencyCycle { cycle }),
        None => Ok(()),
    }
}

/// The task and the dependencies that an edit added to it.
pub(super) fn added(path: &DocPath, before: &Document, after: &Document) -> Option<(DocId, Vec<DocId>)> {
    // Nearly every edit leaves the dependencies alone, and reading a task costs more than looking at their texts.
    let stated = |document: &Document| {
        let field = document.field("depends_on").map(|field| document.text()[field.value_span.clone()].to_owned());
        (field, document.body().section_text("Dependencies").map(str::to_owned))
    };
    if stated(before) == stated(after) {
        return None;
    }
    let task = |document: &Document| match entity::read(path, document).entity {
        Some(Entity::Task(task)) => Some(*task),
        _ => None,
    };
    let now = task(after)?;
    let old = task(before);
    let old: Vec<&DocId> = old.iter().flat_map(Task::references).map(|reference| &reference.id).collect();
    let new = now.references().iter().map(|reference| &reference.id).filter(|id| !old.contains(id)).cloned().collect();
    Some((now.id, new))
}
