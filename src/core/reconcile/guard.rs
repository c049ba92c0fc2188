//! How much one pass may take away before a person is asked.

/// Most documents that one pass removes in one direction: as many as by hand, see `DELETIONS_MAX` of the engine.
pub const REMOVALS_MAX: usize = 20;

/// So many removals at once that a person is asked first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MassDeletion {
    /// How many documents would go.
    pub lost: usize,
    /// Of how many.
    pub of: usize,
}

/// Returns what a person is asked if one pass takes away too much in one direction: more than [`REMOVALS_MAX`], or all of
/// more than one.
#[must_use]
pub const fn mass_deletion(lost: usize, of: usize) -> Option<MassDeletion> {
    let all = of > 1 && lost >= of;
    if lost > REMOVALS_MAX || all { Some(MassDeletion { lost, of }) } else { None }
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
            assert_eq!(mass_deletion(lost, of).is_some(), held, "{lost} of {of}");
        }
    }
}
