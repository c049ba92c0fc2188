//! The line of `## History` that tells what a merge decided, and reading it back. It is part of the document, so it is in the
//! history whoever merged and however, and reaches whoever reads the document.

use super::Decision;
use super::claim::shown;
use crate::core::document::Document;
use crate::core::name::AgentName;

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
        _ => format!("{MARK}{what}, {rule}: kept {}; dropped {lost}", shown(kept)),
    }
}

/// Every loss of a task that a document tells of, in its order.
#[must_use]
pub fn losses(document: &Document) -> Vec<Loss> {
    // Hardly any document has one, and this is asked of all of them: the body is looked at only where it may.
    let may = std::str::from_utf8(document.bytes()).is_ok_and(|text| text.contains(GAVE_WAY));
    if !may {
        return Vec::new();
    }
    let bullets = document.body().bullets(HEADING).into_iter();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_is_read_back_and_other_lines_are_none() {
        let name = |name: &str| AgentName::new(name).ok();
        let decision = |loser, winner| Decision {
            rule: "drawn",
            what: "the claim".to_owned(),
            kept: "status running".to_owned(),
            lost: "status running, lease 5m".to_owned(),
            loser,
            winner,
        };
        let lines = [line(&decision(name("ben"), name("ann"))), line(&decision(None, None))];
        let history = format!("# T\n\n## History\n\n- {}\n- {}\n- by hand\n", lines[0], lines[1]);
        let losses = losses(&Document::parse(history.into_bytes()));
        assert_eq!(losses.len(), 1);
        assert_eq!((losses[0].loser.as_str(), losses[0].winner.as_str()), ("ben", "ann"));
        assert_eq!(losses[0].line, lines[0]);
    }
}
