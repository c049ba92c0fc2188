//! How much one pass may take away before a person is asked.

use super::reconcile::{FileStep, Step};
use super::remote::Gone;

/// Most documents that one pass removes in one direction: as many as by hand, see `DELETIONS_MAX` of the engine.
pub const REMOVALS_MAX: usize = 20;

/// So many removals at once that a person is asked first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mass {
    /// How many documents would go.
    pub lost: usize,
    /// Of how many.
    pub of: usize,
}

/// Whether one pass takes away too much in one direction: more than [`REMOVALS_MAX`], or all of more than one.
#[must_use]
pub const fn mass(lost: usize, of: usize) -> Option<Mass> {
    let all = of > 1 && lost >= of;
    if lost > REMOVALS_MAX || all { Some(Mass { lost, of }) } else { None }
}

impl Step {
    /// Tells whether it takes the document from this folder. What goes to the archive is not lost.
    #[must_use]
    pub const fn removes_here(&self) -> bool {
        matches!(self.file, FileStep::Remove { .. })
    }

    /// Tells whether it takes the document from everybody else.
    #[must_use]
    pub fn removes_there(&self) -> bool {
        self.send.as_ref().is_some_and(|send| send.record.gone == Some(Gone::Removed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_removals_at_once_or_all_are_held() {
        for (lost, of, held) in [
            (0, 0, false),
            (0, 5, false),
            (1, 1, false),
            (2, 2, true),
            (1, 2, false),
            (20, 100, false),
            (21, 100, true),
        ] {
            assert_eq!(mass(lost, of).is_some(), held, "{lost} of {of}");
        }
    }
}
