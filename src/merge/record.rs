//! The line of `## History` that tells what a merge decided, and reading it back. It is part of the document, so it is in the
//! history whoever merged and however, and reaches whoever reads the document.

use super::Decision;
use super::claim::shown;
use crate::document::Document;
use crate::name::AgentName;

/// The section.
pub(super) const HEADING: &str = "History";
/// How a line of ours begins.
const MARK: &str = "merge: ";
/// Between who lost and who won.
const GAVE_WAY: &str = "` gave way to `";

/// A task that somebody lost in a merge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// Who lost it.
    pub loser: AgentName,
    /// To whom.
    pub winner: AgentName,
    /// The whole line.
    pub line: String,
}

/// The line for a decision.
pub(super) fn line(decision: &Decision) -> String {
    let Decision { rule, what, kept, lost, loser, winner } = decision;
    match (loser, winner) {
        (Some(loser), Some(winner)) => {
            format!("{MARK}`{loser}{GAVE_WAY}{winner}`, {rule}: kept {kept}; dropped {lost}")
        }
        _ => format!("{MARK}{what}, {rule}: kept {}; dropped {}", shown(kept), shown(lost)),
    }
}

/// Every loss of a task that a document tells of, in its order.
#[must_use]
pub fn losses(document: &Document) -> Vec<Loss> {
    let bullets = document.bullets(HEADING).into_iter();
    bullets
        .filter_map(|bullet| {
            let names = bullet.text.strip_prefix(MARK)?.strip_prefix('`')?;
            let (loser, rest) = names.split_once(GAVE_WAY)?;
            let (winner, _) = rest.split_once('`')?;
            Some(Loss {
                loser: AgentName::new(loser).ok()?,
                winner: AgentName::new(winner).ok()?,
                line: bullet.text.clone(),
            })
        })
        .collect()
}
