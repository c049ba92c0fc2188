//! The one decision about a document, whatever happened where: what to send, what to write, what to remember.
//!
//! The caller carries out `send` (compare-and-swap on the server; on a conflict it looks again and asks again), then `file`
//! (compare-and-swap on the bytes of the file; if they changed it asks again), then it remembers `base`. It may stop
//! anywhere between: asking again from what is there leads to the same end.

use super::case::Case;
use super::fields::{Derived, digest};
use super::lineage::{Chain, record_text, version};
use super::outgoing::excess;
use super::remote::{Base, Local, Outgoing, Record, Remote};
use super::take::{Garbage, NewDoc};
use super::told::{self, Told};
use crate::core::document::Document;
use crate::core::merge;
use crate::core::name::{AgentName, DocId, DocPath, Kind, OperationId};
use crate::core::time::Timestamp;

/// What is known beside the three versions.
pub struct Ground<'a> {
    /// Which kind of document it is.
    pub kind: Kind,
    /// Its id.
    pub id: &'a DocId,
    /// This clone.
    pub node: &'a str,
    /// Now.
    pub now: Timestamp,
    /// The last heart-beat of an agent.
    pub seen: Option<Timestamp>,
    /// What follows from other documents.
    pub derived: Derived,
    /// Who changed the document here, if anybody is known.
    pub by: Option<&'a AgentName>,
    /// The operation by which.
    pub operation: Option<&'a OperationId>,
    /// How HEAD of this clone moved.
    pub back: Back,
    /// Where the document lies if it is in the archive, with its text.
    pub archived: Option<&'a Local>,
}

/// How HEAD of a clone moved since what it last agreed on with the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Back {
    /// Not, or to what follows.
    #[default]
    Forward,
    /// In another way, and it has not come back yet.
    MovedBack,
}

/// What is to become of the file.
#[derive(Debug, Clone, PartialEq)]
pub enum FileStep {
    /// It stays as it is.
    Keep,
    /// It becomes this.
    Write {
        /// Where it is to lie. Nothing else may lie there.
        path: DocPath,
        /// What it is to hold.
        document: Document,
        /// Where it lay, if that is another place.
        from: Option<DocPath>,
        /// Who did it.
        author: Option<AgentName>,
        /// By which operation.
        operation: Option<OperationId>,
    },
    /// It is to be rendered from a template; then ask again.
    Create(NewDoc),
    /// It goes.
    Remove {
        /// Who did it.
        author: Option<AgentName>,
        /// By which operation.
        operation: Option<OperationId>,
    },
    /// It goes to the archive.
    Archive {
        /// There.
        to: DocPath,
        /// With this text.
        document: Document,
        /// Who did it.
        author: Option<AgentName>,
        /// By which operation.
        operation: Option<OperationId>,
    },
}

/// Why a document is neither sent nor overwritten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// The file is an older version again because HEAD was moved.
    RolledBack,
    /// The file cannot be read; what is wrong with it.
    Unreadable(String),
    /// Nobody could take it in from the server; why.
    TooMuch(String),
    /// The file has a conflict that a person must resolve.
    Conflict,
}

/// What is to be done about a document: first `send`, then `file`, then remember `base`.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// What is to become of the file.
    pub file: FileStep,
    /// What goes to the server.
    pub send: Option<Outgoing>,
    /// What to remember once both are done; `None`: nothing.
    pub base: Option<Base>,
    /// What others wrote that cannot be used.
    pub garbage: Vec<Garbage>,
    /// What a person must decide.
    pub conflicts: Vec<merge::Conflict>,
    /// What was decided by rule.
    pub decisions: Vec<merge::Decision>,
    /// Why it is held.
    pub held: Option<Held>,
}

/// Decides what is to be done about a document, from what was agreed on, what is here and what is on the server.
#[must_use]
pub fn reconcile(ground: &Ground<'_>, base: Option<&Base>, here: Option<&Local>, there: &Remote) -> Step {
    let mut garbage = Vec::new();
    let without;
    let ground = if is_former(ground, base, here, there.record.as_ref()) {
        without = Ground { archived: None, derived: ground.derived.clone(), ..*ground };
        &without
    } else {
        ground
    };
    let record = told::checked(ground, base, here, there, &mut garbage);
    let (here, in_archive) = folder(ground, base, here, record.as_ref());
    let told = told::told(ground, base, here, there, record.as_ref(), &mut garbage);
    let case = Case { ground, base, here, in_archive, there, record };
    let mut step = match &told {
        _ if case.is_rolled_back() => case.rolled_back(&told),
        Told::Nothing => case.nothing_there(),
        Told::New(new) => Step { file: FileStep::Create((**new).clone()), ..case.nothing() },
        Told::Gone { gone, path, last } => case.gone_there(*gone, path, last.as_ref()),
        Told::Text(text) => match here {
            None => case.not_here(text),
            Some(here) => case.both(text, here),
        },
    };
    if let Some(why) = step.send.as_ref().and_then(excess) {
        step = Step { held: Some(Held::TooMuch(why)), ..case.nothing() };
    }
    step.garbage = garbage;
    step
}

/// Tells whether what lies in the archive is an earlier document of that id, and not what became of this one.
fn is_former(ground: &Ground<'_>, base: Option<&Base>, here: Option<&Local>, record: Option<&Record>) -> bool {
    let Some(archived) = ground.archived.map(|archived| digest(archived.document.bytes())) else { return false };
    match (base, record) {
        (Some(base), _) => base.former.as_ref() == Some(&archived),
        // A new clone knows only what the server says of it.
        (None, Some(record)) if here.is_none() => {
            version(record_text(record)) != archived && !Chain::of_record(Some(record)).has(&archived)
        }
        (None, _) => false,
    }
}

/// What is in the folder. One that went to the archive with a change nobody was told of is told of first, as if it were here.
fn folder<'a>(
    ground: &Ground<'a>,
    base: Option<&Base>,
    here: Option<&'a Local>,
    record: Option<&Record>,
) -> (Option<&'a Local>, bool) {
    let Some(archived) = ground.archived.filter(|_| here.is_none()) else { return (here, false) };
    let told = match base {
        Some(base) => base.text.as_deref(),
        None => record.and_then(record_text),
    };
    let is_news = told.is_some_and(|told| told.as_bytes() != archived.document.bytes());
    (is_news.then_some(archived), is_news)
}
