//! Deliberate breaks, chosen by `MYCELIUM_SABOTAGE`, that show that the tests of watching bite. In debug builds only.

use std::sync::OnceLock;

/// One deliberate break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sabotage {
    /// A directory that was replaced is not watched again.
    NoRearm,
    /// Renames do not ring, so an editor that saves by renaming is missed.
    DeafToRenames,
    /// Reading rings too, so that every look causes the next.
    RingForReading,
    /// The repository is not watched.
    IgnoreBranch,
    /// A watch that the kernel refuses is not told.
    HideLimit,
    /// Files of settings are not watched.
    DeafToSettings,
}

const NAMES: &[(&str, Sabotage)] = &[
    ("no-rearm", Sabotage::NoRearm),
    ("deaf-to-renames", Sabotage::DeafToRenames),
    ("ring-for-reading", Sabotage::RingForReading),
    ("ignore-branch", Sabotage::IgnoreBranch),
    ("hide-limit", Sabotage::HideLimit),
    ("deaf-to-settings", Sabotage::DeafToSettings),
];

/// Tells whether a break was asked for.
pub(super) fn on(what: Sabotage) -> bool {
    static CHOSEN: OnceLock<Option<Sabotage>> = OnceLock::new();
    if !cfg!(debug_assertions) {
        return false;
    }
    *CHOSEN.get_or_init(|| {
        let name = std::env::var("MYCELIUM_SABOTAGE").ok()?;
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, sabotage)| *sabotage)
    }) == Some(what)
}
